//! What filters understand, what they refuse, and what they match.

use super::*;

const NOW: &str = "2026-11-24T12:00:00Z";

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}

fn read_in(zone: Tz, query: &str) -> Result<Filter, Vec<Wrong>> {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let reading = Reading {
        catalogue: &Catalogue::shipped(),
        now: time(NOW),
        zone,
        accounts_named: &|_| BTreeSet::new(),
    };
    Filter::read(pairs.iter().map(|(name, text)| (name.as_str(), text.as_str())), reading)
}

#[test]
fn a_name_stands_for_its_accounts_however_many_they_are() {
    let reading = Reading {
        catalogue: &Catalogue::shipped(),
        now: time(NOW),
        zone: Tz::UTC,
        accounts_named: &|name| match name {
            "production" => (0..VALUES_MOST * 2).map(|nth| format!("A{nth}")).collect(),
            _ => BTreeSet::new(),
        },
    };
    let filter = Filter::read([("account", "production,b")].into_iter(), reading).expect("a filter");
    assert_eq!(filter.accounts.len(), VALUES_MOST * 2 + 2);
    assert!(filter.accounts.contains(&"a7".to_owned()) && filter.accounts.contains(&"b".to_owned()));
}

fn read(query: &str) -> Filter {
    read_in(chrono_tz::UTC, query).unwrap_or_else(|wrong| panic!("{query}: {wrong:?}"))
}

fn facts() -> Facts {
    Facts {
        event_type: EventType::ServiceIssue,
        state: State {
            first: Phase::Mitigated,
            then: Some((time("2026-12-01T00:00:00Z"), Phase::Closed)),
        },
        places: [
            ("virtualmachines".to_owned(), Some("eastus".to_owned())),
            ("storage".to_owned(), Some("westeurope".to_owned())),
        ]
        .into(),
        accounts: ["11111111-aaaa-4bbb-8ccc-111111111111".to_owned()].into(),
        kinds: [Kind::Update, Kind::PreliminaryReview].into(),
        began: time("2026-11-20T10:00:00Z"),
        updated: time("2026-11-22T10:00:00Z"),
        tracking_id: fold("0NTJ-VV8"),
        texts: vec![words("0NTJ-VV8"), words("Virtual machines fail to start")],
    }
}

#[test]
fn words_of_people_portals_and_payloads_mean_the_same() {
    for (query, expected) in [
        ("type=service+issue", "type=Incident"),
        ("type=Planned%20Maintenance", "type=planned-maintenance"),
        ("state=In+Progress", "state=in_progress"),
        ("state=active", "state=investigating"),
        ("kind=RCA", "kind=PIR"),
        ("kind=review", "kind=post-incident+review"),
        ("service=Azure+Active+Directory", "service=Microsoft Entra ID"),
        (
            "service=FD8065F5-ffd0-4756-8788-e6a11bf36257",
            "service=virtual-machines",
        ),
        ("region=East+US", "region=eastus"),
        ("type=Billing,Security", "type=Billing&type=security+advisory"),
        ("", "type=&q=&since="),
    ] {
        let without_words = |query: &str| Filter {
            asked: Vec::new(),
            ..read(query)
        };
        assert_eq!(without_words(query), without_words(expected), "{query} / {expected}");
    }
    assert_eq!(read("kind=RCA").kinds, [Kind::PreliminaryReview, Kind::FinalReview]);
    assert_eq!(read("kind=final+PIR").kinds, [Kind::FinalReview]);
    assert!(read("token=x&type=").is_everything());
}

#[test]
fn what_cannot_be_used_is_refused_with_what_may_stand_there() {
    let long = format!("q={}", "x".repeat(100_000));
    let many = format!("account={}", vec!["a"; 51].join(","));
    for (query, parameter, hint) in [
        ("type=Incidents!", "type", "Service issue"),
        ("state=done", "state", "under-review"),
        ("kind=memo", "kind", "final-review"),
        ("since=yesterday", "since", "2026-11-24"),
        ("until=2026-13-01", "until", "90d"),
        ("since=2026-11-02&until=2026-11-01", "until", "exchange"),
        ("q=%22+%22", "q", "letters"),
        (&long, "q", "few words"),
        (&many, "account", "several"),
        (&format!("region={}", "r".repeat(201)), "region", "shorten"),
    ] {
        let wrong = read_in(chrono_tz::UTC, query).expect_err(parameter);
        assert_eq!(wrong[0].parameter, parameter);
        assert!(wrong[0].hint.contains(hint), "{wrong:?}");
        assert!(wrong[0].what.len() < 200, "{wrong:?}");
    }
    assert_eq!(read_in(chrono_tz::UTC, "type=a&state=b").expect_err("two").len(), 2);
    assert!(read_in(chrono_tz::UTC, &format!("q={}", "x".repeat(SEARCH_CHARS_MOST))).is_ok());
}

#[test]
fn days_are_those_of_the_readers_zone_and_ends_are_meant_whole() {
    let berlin = chrono_tz::Europe::Berlin;
    let range = |zone, query: &str| {
        let filter = read_in(zone, query).expect("a filter");
        (filter.since, filter.until)
    };
    assert_eq!(
        range(berlin, "since=2026-10-25&until=2026-10-25"),
        (Some(time("2026-10-24T22:00:00Z")), Some(time("2026-10-25T23:00:00Z")))
    );
    assert_eq!(
        range(chrono_tz::UTC, "since=2026-11-01T02:00:00+02:00"),
        (Some(time("2026-11-01T00:00:00Z")), None)
    );
    assert_eq!(range(chrono_tz::UTC, "since=2d").0, Some(time("2026-11-22T12:00:00Z")));
}

#[test]
fn each_part_must_match_and_a_service_in_its_region() {
    let facts = facts();
    for (query, expected) in [
        ("", true),
        ("type=Incident", true),
        ("type=Billing", false),
        ("type=Billing,Incident", true),
        ("service=storage", true),
        ("service=Storage&region=West+Europe", true),
        ("service=Storage&region=East+US", false),
        ("region=east-us", true),
        ("region=Global", false),
        ("account=11111111-AAAA-4bbb-8ccc-111111111111", true),
        ("account=2", false),
        ("kind=PIR", true),
        ("kind=final+review", false),
        ("since=2026-11-22", true),
        ("since=2026-11-23", false),
        ("until=2026-11-20", true),
        ("until=2026-11-19", false),
        ("q=machines", true),
        ("q=0ntj-vv8", true),
        ("q=0ntjvv8", true),
        ("q=rca", true),
        ("q=storage", false),
        ("type=Incident&q=storage", false),
    ] {
        assert_eq!(read(query).matches(&facts, time(NOW)), expected, "{query}");
    }
}

#[test]
fn a_state_is_that_of_the_moment_of_asking() {
    let (mitigated, closed) = (read("state=mitigated"), read("state=closed"));
    let facts = facts();
    for (now, is_closed) in [
        (NOW, false),
        ("2026-12-01T00:00:00Z", false),
        ("2026-12-01T00:00:01Z", true),
    ] {
        assert_eq!(closed.matches(&facts, time(now)), is_closed, "{now}");
        assert_eq!(mitigated.matches(&facts, time(now)), !is_closed, "{now}");
    }
}
