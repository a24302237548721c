//! Looks at incidents, one after another: what is told, what is not told again, and when is looked next.

use proptest::prelude::*;

use super::*;
use crate::event::{Promise, Stage};
use crate::incident::correction::Corrected;
use crate::incident::reviews::{About, progress};

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}

const MITIGATED: &str = "2026-10-24T22:30:00Z";

fn mitigation(published: Time, end: &str, promise: Promise) -> Said {
    Said {
        impact_end: Some(time(end)),
        promise: Some(promise),
        ..Said::of(Kind::Mitigation, Stage::Resolved, published)
    }
}

fn largest() -> Vec<Said> {
    vec![mitigation(
        time("2026-10-24T23:00:00Z"),
        MITIGATED,
        Promise::PreliminaryAndFinal,
    )]
}

fn maintenance(stage: Stage, published: &str, start: &str, end: &str) -> Said {
    Said {
        impact_start: Some(time(start)),
        impact_end: Some(time(end)),
        ..Said::of(Kind::Update, stage, time(published))
    }
}

/// A look at what was said, by somebody who was told this before.
fn looked(event_type: EventType, said: &[Said], told: &[Mark], known: Time, now: Time) -> Look {
    let terms = Terms::default();
    let about = About {
        event_type,
        is_test: false,
        corrected: Corrected::default(),
        terms: &terms,
    };
    let progress = progress(&about, said, now);
    let heard = Heard {
        event_type,
        title: "Virtual Machines",
        provider: Provider::Azure,
        said,
        progress: &progress,
        told,
    };
    look(&heard, &terms, known, now)
}

/// What is told by looking whenever the last look said so, until nothing more is to come or it is too late: `MM-DDTHH:MM
/// kind awaited`.
fn told(event_type: EventType, said: &[Said], first: &str, until: &str) -> Vec<String> {
    let (mut at, mut marks, mut all) = (time(first), Vec::new(), Vec::new());
    loop {
        let look = looked(event_type, said, &marks, at, at);
        all.extend(look.tell.iter().map(|(kind, reminder)| {
            let awaited = serde_json::to_value(reminder.awaited).expect("JSON");
            format!(
                "{} {kind} {}",
                at.format("%m-%dT%H:%M"),
                awaited.as_str().unwrap_or_default()
            )
        }));
        marks = look.told;
        match look.next.filter(|next| *next <= time(until)) {
            Some(next) => at = next,
            None => return all,
        }
    }
}

#[test]
fn reviews_are_told_of_a_day_before_and_when_they_are_late_in_exact_hours_over_the_change_of_the_clocks() {
    assert_eq!(
        told(
            EventType::ServiceIssue,
            &largest(),
            "2026-10-24T23:00:00Z",
            "2027-01-01T00:00:00Z"
        ),
        [
            "10-26T22:30 review-due preliminary-review",
            "10-27T22:30 review-overdue preliminary-review",
            "11-06T22:30 review-due final-review",
            "11-07T22:30 review-overdue final-review",
        ]
    );
}

#[test]
fn who_looks_too_late_is_told_only_that_it_is_late() {
    let at = time("2026-10-30T00:00:00Z");
    let look = looked(
        EventType::ServiceIssue,
        &largest(),
        &[],
        time("2026-10-26T22:30:00Z"),
        at,
    );
    let kinds: Vec<Kind> = look.tell.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::ReviewOverdue]);
    assert_eq!(look.next, Some(time("2026-11-06T22:30:00Z")));
    // and what fell due long before anybody could know of it is history
    let at = time("2026-12-20T00:00:00Z");
    let look = looked(EventType::ServiceIssue, &largest(), &[], at, at);
    assert_eq!((look.tell, look.next), (Vec::new(), None));
}

#[test]
fn what_came_as_history_or_is_offered_on_request_reminds_nobody() {
    let mut history = largest();
    history[0].is_live = false;
    let offered = [mitigation(time(MITIGATED), MITIGATED, Promise::OnRequest)];
    for said in [&history[..], &offered] {
        let all = told(EventType::ServiceIssue, said, MITIGATED, "2027-01-01T00:00:00Z");
        assert_eq!(all, Vec::<String>::new());
    }
}

#[test]
fn each_round_of_an_incident_that_opens_again_is_told_for_itself() {
    let mut said = largest();
    said.push(Said::of(Kind::Update, Stage::Active, time("2026-10-28T00:00:00Z")));
    said.push(mitigation(
        time("2026-10-28T06:00:00Z"),
        "2026-10-28T05:00:00Z",
        Promise::Review,
    ));
    let marks = vec![Mark {
        kind: Kind::ReviewOverdue,
        what: "final-review 0".to_owned(),
    }];
    let at = time("2026-11-20T00:00:00Z");
    let look = looked(EventType::ServiceIssue, &said, &marks, at, at);
    assert_eq!(look.tell.len(), 1, "{look:?}");
    assert_eq!(look.told.last().map(|mark| &*mark.what), Some("final-review 1"));
}

#[test]
fn a_maintenance_that_is_moved_is_told_anew_and_one_that_ends_early_is_over_once() {
    let moved = [
        maintenance(
            Stage::Planned,
            "2026-10-01T00:00:00Z",
            "2026-10-10T20:00:00Z",
            "2026-10-10T23:00:00Z",
        ),
        maintenance(
            Stage::Rescheduled,
            "2026-10-09T21:00:00Z",
            "2026-10-12T20:00:00Z",
            "2026-10-12T23:00:00Z",
        ),
    ];
    let first = looked(
        EventType::PlannedMaintenance,
        &moved[..1],
        &[],
        time("2026-10-09T20:00:00Z"),
        time("2026-10-09T20:00:00Z"),
    );
    assert_eq!(first.tell.len(), 1);
    let at = time("2026-10-11T20:00:00Z");
    let second = looked(EventType::PlannedMaintenance, &moved, &first.told, at, at);
    assert_eq!(second.tell.len(), 1, "{second:?}");
    assert_eq!(second.next, Some(time("2026-10-12T23:00:00Z")));
    let done = [
        moved[1].clone(),
        maintenance(
            Stage::Complete,
            "2026-10-12T21:00:00Z",
            "2026-10-12T20:00:00Z",
            "2026-10-12T23:00:00Z",
        ),
    ];
    let at = time("2026-10-12T21:01:00Z");
    let over = looked(EventType::PlannedMaintenance, &done, &second.told, at, at);
    assert_eq!(
        over.tell.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        [Kind::MaintenanceOver]
    );
    let at = time("2026-10-13T00:00:00Z");
    assert_eq!(
        looked(EventType::PlannedMaintenance, &done, &over.told, at, at).tell,
        []
    );
}

#[test]
fn an_event_says_when_to_look_first() {
    let event = |name: &str| {
        let path = format!("tests/fixtures/samples/{name}");
        let body = std::fs::read(path).expect("a sample");
        let read = crate::event::read(&body, None, Arrival::Live).expect("an event");
        read.events[0].clone()
    };
    let issue = event("azure/azure-webhook-legacy-servicehealth-incident-active.json");
    let (terms, now) = (Terms::default(), time("2026-11-24T10:00:00Z"));
    let first = |event: &Event, update: Option<Time>| first_look(event, update, &terms, now);
    assert_eq!(first(&issue, None), None, "nothing is promised while it goes on");
    let promised = time("2026-11-24T10:30:00Z");
    assert_eq!(first(&issue, Some(promised)), Some(time("2026-11-24T10:45:00Z")));
    let over = |end: &str| Event {
        kind: Kind::Mitigation,
        impact_end: Some(time(end)),
        published: time(end),
        ..issue.clone()
    };
    assert_eq!(
        first(&over("2026-11-24T09:00:00Z"), None),
        Some(time("2026-11-26T09:00:00Z"))
    );
    assert_eq!(first(&over("2026-11-20T09:00:00Z"), None), Some(now), "at once");
    assert_eq!(first(&over("2026-01-20T09:00:00Z"), None), None, "that is history");
    let quiet = [
        Event {
            test: true,
            ..over("2026-11-24T09:00:00Z")
        },
        Event {
            arrival: Arrival::History,
            ..over("2026-11-24T09:00:00Z")
        },
        Event {
            provider: Provider::Bellwether,
            ..over("2026-11-24T09:00:00Z")
        },
    ];
    assert!(quiet.iter().all(|event| first(event, Some(promised)).is_none()));
}

/// Statements, reviews, updates and openings at some hours.
fn stories() -> impl Strategy<Value = Vec<Said>> {
    let one = (0..5_u8, 0..500_i64).prop_map(|(what, hour)| {
        let at = time(MITIGATED) + Duration::hours(hour);
        match what {
            0 => Said {
                next_update: Some(at + Duration::hours(1)),
                ..Said::of(Kind::Update, Stage::Active, at)
            },
            1 => mitigation(at, MITIGATED, Promise::PreliminaryAndFinal),
            2 => mitigation(at, MITIGATED, Promise::Review),
            3 => Said::of(Kind::PreliminaryReview, Stage::Rca, at),
            _ => Said {
                repairs: vec![super::super::reviews::Repair {
                    text: "a repair".to_owned(),
                    due: at + Duration::days(20),
                }],
                ..Said::of(Kind::FinalReview, Stage::Rca, at)
            },
        }
    });
    proptest::collection::vec(one, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_told_twice_and_the_next_look_is_always_ahead(said in stories(), looks in proptest::collection::vec(0..1_500_i64, 1..20)) {
        let mut looks: Vec<Time> = looks.into_iter().map(|hour| time(MITIGATED) + Duration::hours(hour)).collect();
        looks.sort_unstable();
        let mut marks: Vec<Mark> = Vec::new();
        for now in looks {
            let heard: Vec<Said> = said.iter().filter(|one| one.published <= now).cloned().collect();
            let look = looked(EventType::ServiceIssue, &heard, &marks, now, now);
            prop_assert!(look.next.is_none_or(|next| next > now));
            let same = looked(EventType::ServiceIssue, &heard, &look.told, now, now);
            prop_assert_eq!(same.tell, Vec::new());
            let new = look.told.len() - look.told.iter().filter(|mark| marks.contains(mark)).count();
            prop_assert_eq!(new, look.tell.len());
            marks = look.told;
        }
    }
}
