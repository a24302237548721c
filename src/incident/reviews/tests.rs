//! Worked cases: what each sequence of communications leaves owed. Due times are counted by hand.

use super::*;

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}

fn said(kind: Kind, stage: Stage, published: &str) -> Said {
    Said {
        services: 1,
        regions: 1,
        ..Said::of(kind, stage, time(published))
    }
}

/// What communications add up to by the usual terms.
fn added_up(event_type: EventType, said: &[Said], is_test: bool, now: Time) -> Progress {
    let about = About {
        event_type,
        is_test,
        corrected: Corrected::default(),
        terms: &Terms::default(),
    };
    progress(&about, said, now)
}

fn update(published: &str) -> Said {
    Said {
        impact_start: Some(time("2026-10-24T19:00:00Z")),
        ..said(Kind::Update, Stage::Active, published)
    }
}

fn mitigation(published: &str, end: &str, promise: Promise) -> Said {
    Said {
        impact_end: Some(time(end)),
        promise: Some(promise),
        ..said(Kind::Mitigation, Stage::Resolved, published)
    }
}

fn review(kind: Kind, published: &str) -> Said {
    said(kind, Stage::Rca, published)
}

/// What is owed, as words: kind, since, due, state, basis, met, seconds late.
fn owed(said: &[Said], now: &str) -> (Phase, usize, Vec<String>) {
    let now = time(now);
    let progress = added_up(EventType::ServiceIssue, said, false, now);
    let lines = progress.owed.iter().map(|owed| {
        let time = |time: Time| time.format("%m-%dT%H:%MZ").to_string();
        let mut line = format!(
            "{} since {} due {} {} by {}",
            json(&owed.kind),
            time(owed.since),
            owed.due.map_or("never".to_owned(), time),
            json(&owed.state),
            json(&owed.basis),
        );
        if let Some(met) = owed.met {
            line += &format!(" at {}", time(met));
        }
        if let Some(late) = owed.late_seconds(now) {
            line += &format!(" late {late}");
        }
        line
    });
    (progress.phase, progress.reopened, lines.collect())
}

/// A word as it stands in JSON.
fn json(one: &impl Serialize) -> String {
    let word = serde_json::to_value(one).expect("JSON");
    word.as_str().unwrap_or_default().to_owned()
}

/// Both reviews, and the worked case of the clocks' change: the last Sunday of October is the 25th in 2026.
fn largest() -> Vec<Said> {
    vec![
        update("2026-10-24T19:20:00Z"),
        mitigation(
            "2026-10-24T23:00:00Z",
            "2026-10-24T22:30:00Z",
            Promise::PreliminaryAndFinal,
        ),
    ]
}

#[test]
fn the_largest_owe_two_reviews_in_exact_hours_from_the_mitigation() {
    let expected = vec![
        "preliminary-review since 10-24T22:30Z due 10-27T22:30Z open by promise".to_owned(),
        "final-review since 10-24T22:30Z due 11-07T22:30Z open by promise".to_owned(),
    ];
    assert_eq!(
        owed(&largest(), "2026-10-25T00:00:00Z"),
        (Phase::UnderReview, 0, expected)
    );
    let progress = added_up(EventType::ServiceIssue, &largest(), false, time("2026-10-25T00:00:00Z"));
    assert_eq!(progress.size, Some((Size::Largest, Basis::Promise)));
    let in_berlin = |time: Time| {
        time.with_timezone(&chrono_tz::Europe::Berlin)
            .format("%d %b %H:%M %Z")
            .to_string()
    };
    let due: Vec<String> = progress
        .owed
        .iter()
        .filter_map(|owed| owed.due.map(in_berlin))
        .collect();
    // the night of 25 October has an hour more there, and the durations have not
    assert_eq!(due, ["27 Oct 23:30 CET", "07 Nov 23:30 CET"]);
}

#[test]
fn a_review_at_its_due_second_is_in_time_and_a_second_later_is_late() {
    for (published, tail) in [
        ("2026-10-27T22:30:00Z", "met by promise at 10-27T22:30Z"),
        ("2026-10-27T22:30:01Z", "met by promise at 10-27T22:30Z late 1"),
    ] {
        let mut said = largest();
        said.push(review(Kind::PreliminaryReview, published));
        let (_, _, lines) = owed(&said, "2026-10-28T00:00:00Z");
        assert_eq!(
            lines[0],
            format!("preliminary-review since 10-24T22:30Z due 10-27T22:30Z {tail}")
        );
    }
    let (_, _, lines) = owed(&largest(), "2026-10-27T22:30:00Z");
    assert!(lines[0].contains(" open "), "{lines:?}");
    let (_, _, lines) = owed(&largest(), "2026-10-27T22:30:10Z");
    assert!(lines[0].ends_with("overdue by promise late 10"), "{lines:?}");
}

#[test]
fn a_final_review_without_a_preliminary_one_waives_it_and_closes_the_incident() {
    let mut said = largest();
    said.push(review(Kind::FinalReview, "2026-11-14T22:30:00Z"));
    let (phase, _, lines) = owed(&said, "2026-11-15T00:00:00Z");
    assert_eq!(phase, Phase::Closed);
    assert_eq!(
        lines,
        [
            "preliminary-review since 10-24T22:30Z due 10-27T22:30Z waived by promise",
            "final-review since 10-24T22:30Z due 11-07T22:30Z met by promise at 11-14T22:30Z late 604800",
        ]
    );
    // a preliminary one that comes after all changes nothing that is owed
    said.push(review(Kind::PreliminaryReview, "2026-11-16T00:00:00Z"));
    let (phase, _, after) = owed(&said, "2026-11-17T00:00:00Z");
    assert_eq!((phase, after.len()), (Phase::Closed, 3));
    assert!(after.iter().all(|line| !line.contains("open")), "{after:?}");
}

#[test]
fn what_opens_again_stops_what_is_open_and_the_next_mitigation_owes_it_anew() {
    let mut said = largest();
    said.push(review(Kind::PreliminaryReview, "2026-10-26T10:00:00Z"));
    said.push(update("2026-10-26T12:00:00Z"));
    let (phase, reopened, lines) = owed(&said, "2026-10-26T13:00:00Z");
    assert_eq!((phase, reopened), (Phase::Investigating, 1));
    assert_eq!(
        lines,
        [
            "preliminary-review since 10-24T22:30Z due 10-27T22:30Z met by promise at 10-26T10:00Z",
            "final-review since 10-24T22:30Z due 11-07T22:30Z stopped by promise",
        ]
    );
    said.push(mitigation(
        "2026-10-26T18:00:00Z",
        "2026-10-26T17:00:00Z",
        Promise::PreliminaryAndFinal,
    ));
    let (phase, _, lines) = owed(&said, "2026-10-26T19:00:00Z");
    assert_eq!(phase, Phase::UnderReview);
    assert_eq!(
        lines[2..],
        [
            "preliminary-review since 10-26T17:00Z due 10-29T17:00Z open by promise",
            "final-review since 10-26T17:00Z due 11-09T17:00Z open by promise",
        ]
    );
}

#[test]
fn a_review_on_request_is_never_overdue_and_does_not_keep_the_incident_open_for_ever() {
    let said = [
        update("2026-10-24T19:20:00Z"),
        mitigation("2026-10-24T23:00:00Z", "2026-10-24T22:30:00Z", Promise::OnRequest),
    ];
    let line = "final-review since 10-24T22:30Z due never open by on-request".to_owned();
    assert_eq!(
        owed(&said, "2026-11-20T00:00:00Z"),
        (Phase::Mitigated, 0, vec![line.clone()])
    );
    assert_eq!(owed(&said, "2027-11-20T00:00:00Z"), (Phase::Closed, 0, vec![line]));
}

#[test]
fn a_review_on_request_is_marked_as_requested_until_the_incident_opens_again() {
    let offered = |published: &str, end: &str| mitigation(published, end, Promise::OnRequest);
    let mut said = vec![
        update("2026-10-24T19:20:00Z"),
        offered("2026-10-24T23:00:00Z", "2026-10-24T22:30:00Z"),
    ];
    let at = time("2026-10-25T08:00:00Z");
    let requested = |said: &[Said]| {
        let about = About {
            event_type: EventType::ServiceIssue,
            is_test: false,
            corrected: Corrected {
                requested: Some(at),
                ..Corrected::default()
            },
            terms: &Terms::default(),
        };
        let owed = progress(&about, said, time("2026-12-25T00:00:00Z")).owed;
        owed.iter()
            .map(|owed| (owed.state, owed.due, owed.requested))
            .collect::<Vec<_>>()
    };
    assert_eq!(requested(&said), [(DebtState::Open, None, Some(at))]);
    said.push(update("2026-10-26T10:00:00Z"));
    said.push(offered("2026-10-26T12:00:00Z", "2026-10-26T11:30:00Z"));
    let again = [(DebtState::Stopped, None, None), (DebtState::Open, None, None)];
    assert_eq!(requested(&said), again, "what is offered anew is asked for anew");
}

#[test]
fn a_statement_that_is_the_last_word_owes_nothing() {
    let said = [
        update("2026-10-24T19:20:00Z"),
        mitigation("2026-10-24T23:00:00Z", "2026-10-24T22:30:00Z", Promise::Nothing),
    ];
    assert_eq!(owed(&said, "2026-10-25T00:00:00Z"), (Phase::Closed, 0, Vec::new()));
}

#[test]
fn a_statement_that_promises_nothing_owes_by_the_size_of_the_impact() {
    let statement = |services, regions, end: &str| Said {
        services,
        regions,
        promise: None,
        ..mitigation("2026-10-24T23:00:00Z", end, Promise::Nothing)
    };
    for (services, regions, end, size, count) in [
        (1, 1, "2026-10-24T20:59:59Z", Size::Small, 0),
        (1, 1, "2026-10-24T21:00:00Z", Size::Standard, 1),
        (2, 1, "2026-10-24T20:00:00Z", Size::Standard, 1),
        (3, 1, "2026-10-24T20:00:00Z", Size::Largest, 2),
        (1, 3, "2026-10-24T20:00:00Z", Size::Largest, 2),
        (1, 1, "2026-10-25T07:00:00Z", Size::Largest, 2),
    ] {
        let said = [update("2026-10-24T19:20:00Z"), statement(services, regions, end)];
        let progress = added_up(EventType::ServiceIssue, &said, false, time("2026-10-25T08:00:00Z"));
        assert_eq!(
            (progress.size, progress.owed.len()),
            (Some((size, Basis::Size)), count),
            "{services} {regions} {end}"
        );
        assert!(progress.owed.iter().all(|owed| owed.basis == Basis::Size));
    }
}

#[test]
fn a_retraction_stops_the_clocks() {
    let mut said = largest();
    said.push(retraction("2026-10-25T08:00:00Z"));
    let (phase, _, lines) = owed(&said, "2026-12-01T00:00:00Z");
    assert_eq!(phase, Phase::Retracted);
    assert!(lines.iter().all(|line| line.contains("stopped")), "{lines:?}");
}

fn retraction(published: &str) -> Said {
    said(Kind::Retraction, Stage::Resolved, published)
}

#[test]
fn a_statement_that_is_corrected_moves_what_is_open_and_keeps_what_was_met() {
    let mut said = largest();
    said.push(review(Kind::PreliminaryReview, "2026-10-25T10:00:00Z"));
    said.push(mitigation(
        "2026-10-25T12:00:00Z",
        "2026-10-24T22:30:00Z",
        Promise::PreliminaryAndFinal,
    ));
    let (_, _, lines) = owed(&said, "2026-10-26T00:00:00Z");
    assert_eq!(lines.len(), 2, "{lines:?}");
    said.push(mitigation(
        "2026-10-25T13:00:00Z",
        "2026-10-24T21:00:00Z",
        Promise::PreliminaryAndFinal,
    ));
    let (_, reopened, lines) = owed(&said, "2026-10-26T00:00:00Z");
    assert_eq!(reopened, 0);
    assert!(
        lines.contains(&"final-review since 10-24T21:00Z due 11-07T21:00Z open by promise".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn an_incident_of_which_only_a_preliminary_review_was_heard_owes_the_final_one() {
    let said = [Said {
        impact_end: Some(time("2026-10-24T22:30:00Z")),
        promise: Some(Promise::Final),
        ..review(Kind::PreliminaryReview, "2026-10-26T10:00:00Z")
    }];
    let (phase, _, lines) = owed(&said, "2026-10-27T00:00:00Z");
    assert_eq!(phase, Phase::UnderReview);
    assert_eq!(
        lines,
        [
            "preliminary-review since 10-24T22:30Z due 10-27T22:30Z met by promise at 10-26T10:00Z",
            "final-review since 10-24T22:30Z due 11-07T22:30Z open by promise",
        ]
    );
}

#[test]
fn a_preliminary_review_turns_an_offer_into_a_promise() {
    let said = [
        update("2026-10-24T19:20:00Z"),
        mitigation("2026-10-24T23:00:00Z", "2026-10-24T22:30:00Z", Promise::OnRequest),
        review(Kind::PreliminaryReview, "2026-10-26T10:00:00Z"),
    ];
    let (_, _, lines) = owed(&said, "2026-10-27T00:00:00Z");
    assert!(
        lines.contains(&"final-review since 10-24T22:30Z due 11-07T22:30Z open by promise".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn an_advisory_a_maintenance_and_a_test_owe_nothing() {
    let said = largest();
    let now = time("2026-10-25T00:00:00Z");
    for event_type in [
        EventType::HealthAdvisory,
        EventType::PlannedMaintenance,
        EventType::Billing,
    ] {
        assert_eq!(added_up(event_type, &said, false, now).owed, []);
    }
    assert_eq!(added_up(EventType::ServiceIssue, &said, true, now).owed, []);
}

#[test]
fn a_maintenance_goes_from_planned_to_closed() {
    let of = |stage, published| said(Kind::Update, stage, published);
    let mut said = vec![of(Stage::Planned, "2026-11-01T00:00:00Z")];
    let phase = |said: &[Said]| {
        let now = time("2026-11-05T00:00:00Z");
        added_up(EventType::PlannedMaintenance, said, false, now).phase
    };
    assert_eq!(phase(&said), Phase::Planned);
    said.push(of(Stage::InProgress, "2026-11-03T00:00:00Z"));
    assert_eq!(phase(&said), Phase::InProgress);
    said.push(of(Stage::Complete, "2026-11-04T00:00:00Z"));
    assert_eq!(phase(&said), Phase::Closed);
    said.push(of(Stage::Canceled, "2026-11-04T01:00:00Z"));
    assert_eq!(phase(&said), Phase::Canceled);
}

#[test]
fn the_order_of_arrival_changes_nothing() {
    let mut said = largest();
    said.push(review(Kind::PreliminaryReview, "2026-10-26T10:00:00Z"));
    said.push(review(Kind::FinalReview, "2026-11-05T10:00:00Z"));
    let expected = owed(&said, "2026-11-10T00:00:00Z");
    said.reverse();
    assert_eq!(owed(&said, "2026-11-10T00:00:00Z"), expected);
    said.swap(0, 2);
    assert_eq!(owed(&said, "2026-11-10T00:00:00Z"), expected);
}

#[test]
fn a_person_stands_against_the_tags_those_against_a_promise_and_that_against_the_size() {
    let tagged = |kind, published: &str| Said {
        is_tagged: true,
        ..review(kind, published)
    };
    let by = |said: &[Said], size: Option<Size>| {
        let terms = Terms::default();
        let about = About {
            event_type: EventType::ServiceIssue,
            is_test: false,
            corrected: Corrected {
                size,
                ..Corrected::default()
            },
            terms: &terms,
        };
        let progress = progress(&about, said, time("2026-10-25T01:00:00Z"));
        let owed: Vec<(Debt, Basis)> = progress.owed.iter().map(|owed| (owed.kind, owed.basis)).collect();
        (progress.size, owed)
    };
    let promised = vec![
        update("2026-10-24T19:20:00Z"),
        mitigation("2026-10-24T23:00:00Z", "2026-10-24T22:30:00Z", Promise::Review),
    ];
    let (size, owed) = by(&promised, None);
    assert_eq!(
        (size, owed),
        (
            Some((Size::Standard, Basis::Promise)),
            vec![(Debt::FinalReview, Basis::Promise)]
        )
    );
    let mut with_tags = promised.clone();
    with_tags.push(tagged(Kind::PreliminaryReview, "2026-10-24T23:30:00Z"));
    let (size, owed) = by(&with_tags, None);
    assert_eq!(size, Some((Size::Largest, Basis::Tag)));
    assert!(owed.contains(&(Debt::FinalReview, Basis::Tag)), "{owed:?}");
    let (size, owed) = by(&promised, Some(Size::Largest));
    assert_eq!(
        (size, owed),
        (
            Some((Size::Largest, Basis::Person)),
            vec![
                (Debt::PreliminaryReview, Basis::Person),
                (Debt::FinalReview, Basis::Person)
            ]
        )
    );
    assert_eq!(
        by(&promised, Some(Size::Small)),
        (Some((Size::Small, Basis::Person)), Vec::new())
    );
}

#[test]
fn a_persons_window_moves_the_clock_of_the_last_mitigation_alone() {
    let mut said = largest();
    said.push(update("2026-10-28T00:00:00Z"));
    said.push(mitigation(
        "2026-10-28T06:00:00Z",
        "2026-10-28T05:00:00Z",
        Promise::Review,
    ));
    let window = Window {
        start: time("2026-10-27T23:00:00Z"),
        end: time("2026-10-28T09:00:00Z"),
    };
    let terms = Terms::default();
    let about = About {
        event_type: EventType::ServiceIssue,
        is_test: false,
        corrected: Corrected {
            size: None,
            window: Some(window),
            requested: None,
        },
        terms: &terms,
    };
    let progress = progress(&about, &said, time("2026-10-29T00:00:00Z"));
    let since: Vec<Time> = progress.owed.iter().map(|owed| owed.since).collect();
    let first = time("2026-10-24T22:30:00Z");
    assert_eq!(since, [first, first, window.end]);
    assert_eq!(progress.window.person, Some(window));
    assert_eq!(
        progress.window.end,
        Some(time("2026-10-28T05:00:00Z")),
        "the provider's word stays"
    );
    assert_eq!(progress.lasted, Some(window.end - window.start));
}

#[test]
fn what_the_text_of_an_earlier_round_says_of_its_end_is_none_of_a_later_one() {
    let window = Window {
        start: time("2026-10-24T19:00:00Z"),
        end: time("2026-10-24T20:00:00Z"),
    };
    let over = |published: &str, prose: Option<Window>| Said {
        prose,
        ..said(Kind::Mitigation, Stage::Resolved, published)
    };
    let mut all = vec![
        update("2026-10-24T19:30:00Z"),
        over("2026-10-24T20:30:00Z", Some(window)),
    ];
    let prose = |all: &[Said]| {
        let progress = added_up(EventType::ServiceIssue, all, false, time("2026-10-25T12:00:00Z"));
        progress.window.prose
    };
    assert_eq!(prose(&all), Some(window));
    all.push(update("2026-10-24T21:00:00Z"));
    assert_eq!(prose(&all), None);
    all.push(over("2026-10-25T02:00:00Z", None));
    assert_eq!(prose(&all), None);
}
