//! The sentences at the top: what a communication says, and what happens now. Pure.

use super::facts::{moment, named};
use super::title::is_over;
use super::{name_of, provider, said};
use crate::event::{Awaited, Event, EventType, Kind, Provider, Reminder, Stage};
use crate::message::FrozenContent;

/// What this is, in one or two sentences.
pub(super) fn lead(content: &FrozenContent, event: &Event) -> String {
    let test = if event.test { "This is a test. " } else { "" };
    let says = match &event.reminder {
        Some(reminder) => reminds(content, event, reminder),
        None => format!("{test}{}", state(event)),
    };
    match content.part {
        0 => says,
        _ => format!(
            "{says} Also affected: {}. You were told of this before.",
            named(&content.subscriptions).join(", ")
        ),
    }
}

/// What a communication says, as one colleague would tell the other.
fn state(event: &Event) -> String {
    let who = provider(event);
    let says = match event.kind {
        Kind::Mitigation if event.event_type == EventType::SecurityAdvisory => "says that this is resolved.",
        Kind::Mitigation => "says that this is mitigated.",
        Kind::PreliminaryReview => "has published the preliminary post incident review (PIR).",
        Kind::FinalReview => "has published the post incident review (PIR).",
        Kind::Retraction => "says that there was no impact: the earlier message was a false alarm.",
        Kind::Retrospective => "invites you to the livestream about this incident.",
        Kind::Recording => "has published the recording of the livestream about this incident.",
        Kind::RulesBroken => return "A rule file has problems. Its last good version stays in force.".into(),
        Kind::RulesMended => return "The rule file is good again and in force.".into(),
        Kind::JournalLost => return "A part of the journal was damaged and is lost.".into(),
        Kind::SetAside => {
            return "Something could not be decided. It is set aside, and everything else goes on.".into();
        }
        Kind::ClockJumped => {
            return "The machine's clock jumped. For an hour nothing expires and nothing is deleted.".into();
        }
        Kind::MailRefused => {
            return "The mail relay refuses mail because of us. It waits, and is tried again.".into();
        }
        Kind::ReceiverFailing => return "A receiver does not take what it is told.".into(),
        Kind::ReceiverBack => return "A receiver that failed takes what it is told again.".into(),
        Kind::NotUnderstood => return "Something that came in was not understood.".into(),
        Kind::ReviewDue => return "A post incident review (PIR) is due soon.".into(),
        Kind::ReviewOverdue => return "A post incident review (PIR) has not come in time.".into(),
        Kind::RepairDue => return "The month has passed for which repairs were promised.".into(),
        Kind::UpdateOverdue => return "An update that was promised has not come in time.".into(),
        Kind::MaintenanceStarting => return "A maintenance starts soon.".into(),
        Kind::MaintenanceOver => return "The time of a maintenance is over.".into(),
        Kind::ClaimPossible | Kind::CaseDue | Kind::ClaimDue | Kind::ClaimUnanswered => {
            return claims(event.kind).into();
        }
        Kind::Update => return update(event, &who),
    };
    format!("{who} {says}")
}

/// What somebody is reminded of, with its time where the reader is.
fn reminds(content: &FrozenContent, event: &Event, reminder: &Reminder) -> String {
    let (who, name) = (name_of(reminder.of, None), reminder.awaited.name());
    let due = moment(reminder.due, content.zone);
    let is_past = reminder.due <= event.published;
    match reminder.awaited {
        Awaited::PreliminaryReview | Awaited::FinalReview | Awaited::Update if is_past => {
            format!("{who} owes you {name} of this incident: it was due by {due} and has not come.")
        }
        Awaited::PreliminaryReview | Awaited::FinalReview | Awaited::Update => {
            format!("{who} owes you {name} of this incident: it is due by {due}.")
        }
        Awaited::Repairs => format!("The month has passed for which {who} promised repairs after this incident."),
        Awaited::MaintenanceStart if is_past => format!("{who} planned to start this maintenance on {due}."),
        Awaited::MaintenanceStart => format!("{who} starts this maintenance on {due}."),
        Awaited::MaintenanceEnd => format!("The time of this maintenance is over: it was to end by {due}."),
        Awaited::Case => format!("A case must be opened with {who} by {due}, or no credit can be claimed."),
        Awaited::Claim => claims(event.kind).to_owned(),
    }
}

/// What somebody is reminded of who may have a credit to claim; the days stand in the text.
fn claims(kind: Kind) -> &'static str {
    match kind {
        Kind::ClaimPossible => "A service credit may be owed to you for this incident.",
        Kind::CaseDue => "A case must be opened with the provider, or no credit can be claimed.",
        Kind::ClaimUnanswered => "A claim for a service credit was not answered, or not credited, in time.",
        _ => "The last day of a claim for a service credit comes, or has passed.",
    }
}

fn update(event: &Event, who: &str) -> String {
    let to_do = if said::nothing_to_do(event) {
        ""
    } else {
        " There may be something for you to do."
    };
    match event.event_type {
        EventType::HealthAdvisory if is_over(event.stage) => format!("{who} says that this health advisory is closed."),
        EventType::SecurityAdvisory if is_over(event.stage) => {
            format!("{who} says that this security advisory is closed.")
        }
        EventType::Billing if is_over(event.stage) => format!("{who} says that this matter of billing is closed."),
        EventType::HealthAdvisory => format!("{who} has sent a health advisory.{to_do}"),
        EventType::SecurityAdvisory => format!("{who} has sent a security advisory.{to_do}"),
        EventType::Billing => format!("{who} has news about billing."),
        EventType::Other => {
            format!("{who} has sent a notice of a sort that this version does not know. Please read what it says.")
        }
        EventType::ServiceIssue => format!("{who} {}", issue(event.stage)),
        EventType::PlannedMaintenance => format!("{who} {}", maintenance(event.stage)),
    }
}

fn issue(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolved | Stage::Complete => "says that this is over.",
        Stage::Canceled => "has withdrawn this.",
        Stage::Rca => "has news about an incident that is over.",
        Stage::Active | Stage::InProgress | Stage::Planned | Stage::Rescheduled => "is still working on it.",
        Stage::Unknown => "has news about this.",
    }
}

fn maintenance(stage: Stage) -> &'static str {
    match stage {
        Stage::Active | Stage::InProgress => "has begun this maintenance.",
        Stage::Resolved | Stage::Complete => "has finished this maintenance.",
        Stage::Rescheduled => "has moved this maintenance to another time.",
        Stage::Canceled => "has called off this maintenance.",
        Stage::Planned | Stage::Rca => "plans maintenance.",
        Stage::Unknown => "has news about this maintenance.",
    }
}

/// What happens now: what the provider's process usually does, never a promise, and only where its text does not say.
pub(super) fn next(event: &Event) -> Option<String> {
    let azure_issue = event.provider == Provider::Azure && event.event_type == EventType::ServiceIssue;
    let words = match event.kind {
        Kind::Mitigation if azure_issue && !said::of_a_review(event) => {
            "A post incident review may follow, generally within 14 days."
        }
        Kind::PreliminaryReview if !said::when_the_final_review_comes(event) => {
            "The final review generally follows within 14 days of mitigation."
        }
        Kind::FinalReview if azure_issue && !said::of_credits(event) => {
            "If a service level was missed, an SLA credit can be claimed within two months of the end of the billing \
             month of the incident."
        }
        Kind::Retraction if !said::something_to_do(event) => "Nothing to do.",
        Kind::Retrospective if said::of_a_recording(event) => "Attending is optional.",
        Kind::Retrospective => "Attending is optional; a recording usually follows.",
        Kind::RulesBroken => "Mend the file; until then nothing changes.",
        _ => return None,
    };
    Some(words.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::channel::sample;
    use crate::event::Kind;

    fn event(kind: Kind, event_type: EventType, stage: Stage, text: &str) -> Event {
        let mut event = Arc::unwrap_or_clone(sample::update().event);
        (event.kind, event.event_type, event.stage) = (kind, event_type, stage);
        event.text = text.into();
        event
    }

    #[test]
    fn a_communication_is_told_in_a_sentence_that_people_say() {
        use EventType::{Billing, HealthAdvisory, PlannedMaintenance, SecurityAdvisory, ServiceIssue};
        for (kind, event_type, stage, expected) in [
            (
                Kind::Update,
                ServiceIssue,
                Stage::Active,
                "Azure is still working on it.",
            ),
            (
                Kind::Update,
                ServiceIssue,
                Stage::Resolved,
                "Azure says that this is over.",
            ),
            (
                Kind::Update,
                ServiceIssue,
                Stage::Rca,
                "Azure has news about an incident that is over.",
            ),
            (
                Kind::Mitigation,
                ServiceIssue,
                Stage::Resolved,
                "Azure says that this is mitigated.",
            ),
            (
                Kind::FinalReview,
                ServiceIssue,
                Stage::Rca,
                "Azure has published the post incident review (PIR).",
            ),
            (
                Kind::Retrospective,
                ServiceIssue,
                Stage::Rca,
                "Azure invites you to the livestream about this incident.",
            ),
            (
                Kind::Update,
                PlannedMaintenance,
                Stage::Planned,
                "Azure plans maintenance.",
            ),
            (
                Kind::Update,
                PlannedMaintenance,
                Stage::InProgress,
                "Azure has begun this maintenance.",
            ),
            (
                Kind::Update,
                PlannedMaintenance,
                Stage::Canceled,
                "Azure has called off this maintenance.",
            ),
            (
                Kind::Update,
                HealthAdvisory,
                Stage::Active,
                "Azure has sent a health advisory. There may be something for you to do.",
            ),
            (
                Kind::Update,
                SecurityAdvisory,
                Stage::Active,
                "Azure has sent a security advisory. There may be something for you to do.",
            ),
            (Kind::Update, Billing, Stage::Active, "Azure has news about billing."),
            (
                Kind::RulesBroken,
                HealthAdvisory,
                Stage::Active,
                "A rule file has problems. Its last good version stays in force.",
            ),
        ] {
            assert_eq!(state(&event(kind, event_type, stage, "")), expected);
        }
    }

    #[test]
    fn what_we_say_of_the_next_steps_gives_way_to_what_the_text_says() {
        let next = |kind: Kind, text: &str| next(&event(kind, EventType::ServiceIssue, Stage::Resolved, text));
        let is_said = |kind: Kind, text: &str| next(kind, text).is_some();
        assert!(is_said(Kind::Mitigation, "Requests work again."));
        for text in [
            "Our team will publish a Preliminary PIR, generally within 72 hours, to share more details.",
            "To request a Post Incident Review (PIR), use the “Request PIR” feature.",
            "We will provide a root cause analysis in five days.",
            "A Post-Incident Review will follow in 3 business days.",
        ] {
            assert!(!is_said(Kind::Mitigation, text), "{text}");
        }
        assert!(is_said(Kind::PreliminaryReview, "What happened?\n\nIt broke."));
        assert!(!is_said(
            Kind::PreliminaryReview,
            "After our internal retrospective is completed (generally within 14 days) we will publish a Final PIR."
        ));
        assert!(is_said(Kind::FinalReview, "What happened?\n\nIt broke."));
        assert!(!is_said(
            Kind::FinalReview,
            "You can claim an SLA credit until 31 January."
        ));
        assert!(is_said(
            Kind::Retraction,
            "You were not impacted. No action is required."
        ));
        assert!(!is_said(
            Kind::Retraction,
            "You need to restart what you stopped because of it."
        ));
        assert_eq!(
            next(Kind::Retrospective, "The session will not be recorded.").as_deref(),
            Some("Attending is optional.")
        );
    }

    #[test]
    fn nobody_reads_of_something_to_do_above_that_there_is_nothing_to_do() {
        for (text, expected) in [
            ("No action is required.", false),
            ("There is no action required from you at this time.", false),
            ("No further action is needed on your part.", false),
            ("You do not need to take any action.", false),
            ("You don’t need to do anything.", false),
            ("This change does not require any action.", false),
            ("Action is not required.", false),
            ("The upgrade happens without any action on your side.", false),
            ("There is nothing you need to do.", false),
            ("Migrate to TLS 1.2 before 1 May 2027.", true),
            ("Action required: upgrade your clusters.", true),
        ] {
            for event_type in [EventType::HealthAdvisory, EventType::SecurityAdvisory] {
                let told = state(&event(Kind::Update, event_type, Stage::Active, text));
                assert_eq!(told.contains("something for you to do"), expected, "{text}");
            }
            let mut titled = event(Kind::Update, EventType::HealthAdvisory, Stage::Active, "");
            titled.title = text.into();
            assert_eq!(state(&titled).contains("something for you to do"), expected, "{text}");
        }
    }
}
