//! The tables, cell by cell: what a manager reads.

use super::*;
use crate::event::{Level, Provider};
use crate::incident::IncidentId;

const NOW: &str = "2026-11-24T12:00:00Z";
const BEFORE: &str = "2026-11-20T12:00:00Z";
const AFTER: &str = "2026-11-30T12:00:00Z";

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}

fn known(event_type: EventType, status: Status) -> Incident {
    Incident {
        id: IncidentId::new(Provider::Azure, "0NIH-U2O"),
        tracking_id: "0NIH-U2O".to_owned(),
        event_type,
        status,
        status_at: time(BEFORE),
        named_by: None,
        title: "A title".to_owned(),
        kind: Kind::Update,
        level: Some(Level::Warning),
        impact_start: None,
        impact_end: None,
        updated: time(BEFORE),
        first_heard: time(BEFORE),
        test: false,
    }
}

fn shown(incident: &Incident) -> String {
    let Badge { word, tone } = super::incident(incident, time(NOW));
    format!("{word} ({})", tone.class())
}

#[test]
fn every_event_type_and_status_has_its_word_and_colour() {
    use EventType::{Billing, HealthAdvisory, Other, PlannedMaintenance, SecurityAdvisory, ServiceIssue};
    use Status::{Active, Canceled, Mitigated, Planned, Retracted};
    let table = [
        (ServiceIssue, Planned, "Announced (notice)"),
        (ServiceIssue, Active, "Active (alarm)"),
        (ServiceIssue, Mitigated, "Mitigated (good)"),
        (ServiceIssue, Canceled, "Called off (quiet)"),
        (ServiceIssue, Retracted, "False alarm (quiet)"),
        (PlannedMaintenance, Planned, "Planned (notice)"),
        (PlannedMaintenance, Active, "In progress (attention)"),
        (PlannedMaintenance, Mitigated, "Completed (good)"),
        (PlannedMaintenance, Canceled, "Canceled (quiet)"),
        (PlannedMaintenance, Retracted, "Withdrawn (quiet)"),
        (HealthAdvisory, Planned, "Announced (notice)"),
        (HealthAdvisory, Active, "Advisory (notice)"),
        (HealthAdvisory, Mitigated, "Closed (quiet)"),
        (HealthAdvisory, Canceled, "Withdrawn (quiet)"),
        (HealthAdvisory, Retracted, "Withdrawn (quiet)"),
        (SecurityAdvisory, Planned, "Announced (notice)"),
        (SecurityAdvisory, Active, "Security advisory (attention)"),
        (SecurityAdvisory, Mitigated, "Resolved (good)"),
        (SecurityAdvisory, Canceled, "Withdrawn (quiet)"),
        (SecurityAdvisory, Retracted, "Withdrawn (quiet)"),
        (Billing, Planned, "Announced (notice)"),
        (Billing, Active, "Billing notice (notice)"),
        (Billing, Mitigated, "Closed (quiet)"),
        (Billing, Canceled, "Withdrawn (quiet)"),
        (Billing, Retracted, "Withdrawn (quiet)"),
        (Other, Planned, "Announced (notice)"),
        (Other, Active, "Notice (notice)"),
        (Other, Mitigated, "Closed (quiet)"),
        (Other, Canceled, "Withdrawn (quiet)"),
        (Other, Retracted, "Withdrawn (quiet)"),
    ];
    for (event_type, status, expected) in table {
        assert_eq!(shown(&known(event_type, status)), expected, "{event_type} {status:?}");
    }
    assert_eq!(table.len(), EventType::ALL.len() * 5, "a new type has its words, too");
}

#[test]
fn what_the_daemon_raised_is_named_by_what_it_is_and_is_never_mitigated() {
    for (kind, expected) in [
        (Kind::RulesBroken, "Needs mending (alarm)"),
        (Kind::RulesMended, "Mended (good)"),
        (Kind::JournalLost, "Data damaged (alarm)"),
        (Kind::SetAside, "Set aside (attention)"),
        (Kind::ClockJumped, "Clock jumped (attention)"),
    ] {
        for status in [Status::Active, Status::Mitigated] {
            let incident = Incident {
                kind,
                ..known(EventType::HealthAdvisory, status)
            };
            assert_eq!(shown(&incident), expected, "{kind} {status:?}");
            assert_eq!(sort(&incident), "Notice", "{kind}");
        }
    }
    assert_eq!(
        Kind::ALL.iter().filter(|kind| own(**kind).is_some()).count(),
        Kind::ALL.iter().filter(|kind| kind.is_own()).count()
    );
}

#[test]
fn maintenance_of_which_nothing_more_was_said_is_shown_by_its_window() {
    let window = |start: &str, end: &str| Incident {
        impact_start: Some(time(start)),
        impact_end: Some(time(end)),
        ..known(EventType::PlannedMaintenance, Status::Planned)
    };
    assert_eq!(shown(&window(AFTER, AFTER)), "Planned (notice)");
    assert_eq!(shown(&window(BEFORE, AFTER)), "Planned for now (attention)");
    assert_eq!(shown(&window(BEFORE, BEFORE)), "Planned time is over (quiet)");
}

#[test]
fn moments_are_labelled_by_what_they_are_and_whether_they_are_past() {
    use EventType::{Billing, HealthAdvisory, PlannedMaintenance, SecurityAdvisory, ServiceIssue};
    use Status::{Active, Canceled, Mitigated, Planned, Retracted};
    for (event_type, status, past, future) in [
        (ServiceIssue, Active, "Since", "From"),
        (ServiceIssue, Mitigated, "Began", "Began"),
        (ServiceIssue, Canceled, "Began", "Began"),
        (ServiceIssue, Retracted, "Was said to begin", "Was said to begin"),
        (PlannedMaintenance, Planned, "Planned from", "Starts"),
        (PlannedMaintenance, Active, "Started", "Starts"),
        (PlannedMaintenance, Mitigated, "Started", "Starts"),
        (PlannedMaintenance, Canceled, "Was to start", "Was to start"),
        (PlannedMaintenance, Retracted, "Was to start", "Was to start"),
        (HealthAdvisory, Active, "Since", "From"),
        (SecurityAdvisory, Active, "Since", "From"),
        (Billing, Active, "Since", "From"),
    ] {
        let label = |at: &str| begins(&known(event_type, status), time(at), time(NOW));
        assert_eq!((label(BEFORE), label(AFTER)), (past, future), "{event_type} {status:?}");
    }
    for (event_type, status, past, future) in [
        (ServiceIssue, Active, None, None),
        (ServiceIssue, Mitigated, Some("Mitigated"), Some("Mitigated")),
        (ServiceIssue, Canceled, None, None),
        (ServiceIssue, Retracted, None, None),
        (PlannedMaintenance, Planned, Some("Was to end"), Some("Ends")),
        (PlannedMaintenance, Active, Some("Was to end"), Some("Ends")),
        (PlannedMaintenance, Mitigated, Some("Ended"), Some("Was to end")),
        (PlannedMaintenance, Canceled, Some("Was to end"), Some("Was to end")),
        (PlannedMaintenance, Retracted, Some("Was to end"), Some("Was to end")),
        (HealthAdvisory, Active, Some("Was due"), Some("Due")),
        (HealthAdvisory, Mitigated, Some("Was due"), Some("Was due")),
        (HealthAdvisory, Canceled, Some("Was due"), Some("Was due")),
        (SecurityAdvisory, Active, Some("Was due"), Some("Due")),
        (Billing, Active, Some("Was due"), Some("Due")),
    ] {
        let label = |at: &str| ends(&known(event_type, status), time(at), time(NOW));
        assert_eq!((label(BEFORE), label(AFTER)), (past, future), "{event_type} {status:?}");
    }
}

#[test]
fn every_communication_is_named_by_what_it_is() {
    use EventType::{Billing, HealthAdvisory, PlannedMaintenance, SecurityAdvisory, ServiceIssue};
    for (event_type, stage, expected) in [
        (ServiceIssue, Stage::Active, "Update"),
        (ServiceIssue, Stage::Resolved, "Mitigated"),
        (ServiceIssue, Stage::Canceled, "Called off"),
        (PlannedMaintenance, Stage::Planned, "Planned"),
        (PlannedMaintenance, Stage::InProgress, "In progress"),
        (PlannedMaintenance, Stage::Active, "In progress"),
        (PlannedMaintenance, Stage::Rescheduled, "Moved to another time"),
        (PlannedMaintenance, Stage::Canceled, "Canceled"),
        (PlannedMaintenance, Stage::Complete, "Completed"),
        (PlannedMaintenance, Stage::Resolved, "Completed"),
        (HealthAdvisory, Stage::Active, "Advisory"),
        (HealthAdvisory, Stage::Resolved, "Closed"),
        (HealthAdvisory, Stage::Canceled, "Withdrawn"),
        (SecurityAdvisory, Stage::Active, "Security advisory"),
        (SecurityAdvisory, Stage::Resolved, "Resolved"),
        (Billing, Stage::Active, "Billing notice"),
        (Billing, Stage::Resolved, "Closed"),
    ] {
        assert_eq!(
            communication(Kind::Update, event_type, stage),
            expected,
            "{event_type} {stage}"
        );
    }
    for (kind, expected) in [
        (Kind::Mitigation, "Mitigated"),
        (Kind::PreliminaryReview, "Preliminary review"),
        (Kind::FinalReview, "Final review"),
        (Kind::Retraction, "False alarm"),
        (Kind::Retrospective, "Livestream invitation"),
        (Kind::Recording, "Recording of the livestream"),
        (Kind::RulesBroken, "Problems with rules"),
        (Kind::RulesMended, "Rules are good again"),
    ] {
        assert_eq!(communication(kind, ServiceIssue, Stage::Rca), expected, "{kind}");
    }
    assert_eq!(
        communication(Kind::Mitigation, SecurityAdvisory, Stage::Resolved),
        "Resolved"
    );
}

#[test]
fn a_delivery_that_another_one_stands_for_is_grey_and_did_not_fail() {
    let at = time(NOW);
    let ended = |end: End| State::Ended { end, at };
    let superseded = || End::Superseded { by: "dlv_2".to_owned() };
    let why = || "550".to_owned();
    for (state, attempts, is_moved, expected) in [
        (State::Scheduled { at, expires: at }, 0, false, "scheduled (attention)"),
        (
            State::Scheduled { at, expires: at },
            3,
            false,
            "scheduled again (attention)",
        ),
        (ended(End::Delivered), 1, false, "delivered (good)"),
        (ended(superseded()), 1, false, "replaced by a later message (quiet)"),
        (ended(superseded()), 1, true, "moved to the new address (quiet)"),
        (ended(End::Expired), 40, false, "not delivered (alarm)"),
        (ended(End::Refused { why: why() }), 1, false, "not delivered (alarm)"),
        (
            ended(End::ReceiverGone { why: why() }),
            0,
            false,
            "not delivered (alarm)",
        ),
    ] {
        let Badge { word, tone } = delivery(&state, attempts, is_moved);
        assert_eq!(format!("{word} ({})", tone.class()), expected);
    }
}
