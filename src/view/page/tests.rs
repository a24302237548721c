//! Pages with what strangers write in them.

use super::*;
use crate::channel::Outcome;
use crate::clock::Time;
use crate::delivery::{Attempt, Delivery, End, Standing, State};
use crate::event::{Arrival, Event, EventType, Form as Source, Kind, Level, Provider, Stage};
use crate::incident::{IncidentId, Status};
use crate::journal::Position;
use crate::notification::{Channel, EndpointId, Form, SeriesId};
use crate::record::{Verdict, Why};
use crate::view::story::{Affected, Chapter, Gathering, Ruling, Silent, Tracked};

const HOSTILE: &str = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>&amp;";

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}

fn frame() -> Frame {
    Frame {
        root: "../".to_owned(),
        has_list: true,
        now: time("2026-11-24T12:00:00Z"),
    }
}

fn told_incident(text: &str) -> Incident {
    Incident {
        id: IncidentId::new(Provider::Azure, text),
        tracking_id: text.to_owned(),
        event_type: EventType::ServiceIssue,
        status: Status::Mitigated,
        status_at: time("2026-11-24T11:36:00Z"),
        named_by: None,
        title: text.to_owned(),
        kind: Kind::FinalReview,
        level: Some(Level::Warning),
        impact_start: Some(time("2026-11-24T10:00:00Z")),
        impact_end: Some(time("2026-11-24T11:36:00Z")),
        updated: time("2026-11-24T11:40:00Z"),
        first_heard: time("2026-11-24T10:05:00Z"),
        test: true,
    }
}

fn event(text: &str, html: &str) -> Event {
    Event {
        provider: Provider::Azure,
        source: None,
        tracking_id: text.to_owned(),
        event_type: EventType::ServiceIssue,
        subtype: None,
        stage: Stage::Rca,
        kind: Kind::FinalReview,
        level: None,
        title: text.to_owned(),
        html: html.to_owned(),
        text: text.to_owned(),
        impact: Vec::new(),
        accounts: Vec::new(),
        impact_start: None,
        impact_end: None,
        published: time("2026-11-24T11:40:00Z"),
        sessions: Vec::new(),
        link: url::Url::parse("javascript:alert(3)").ok(),
        properties: Default::default(),
        test: false,
        communication_id: None,
        published_said: None,
        notes: Vec::new(),
        arrival: Arrival::Live,
        form: Source::AzureCommonAlert,
    }
}

fn tracked(text: &str) -> Tracked {
    let at = time("2026-11-24T11:41:00Z");
    let why = format!("{text} <ada@contoso.example>");
    Tracked {
        delivery: Delivery {
            kind: crate::event::Kind::Update,
            id: "dlv_1".to_owned(),
            customer: CustomerId::new(text),
            receiver: text.to_owned(),
            endpoint: EndpointId("ep_1".to_owned()),
            channel: Channel::Email,
            form: Form::Message,
            incident: IncidentId::new(Provider::Azure, text),
            tracking_id: text.to_owned(),
            rules: vec![text.to_owned()],
            series: SeriesId("s".to_owned()),
            part: 0,
            event: Position { seq: 1, nth: 0 },
            published: at,
            title: text.to_owned(),
            created: at,
            every: false,
        },
        standing: Standing {
            delivery: "dlv_1".to_owned(),
            attempts: 1,
            state: State::Ended {
                end: End::Refused { why: why.clone() },
                at,
            },
        },
        attempts: vec![Attempt {
            delivery: "dlv_1".to_owned(),
            number: 1,
            started: at,
            ended: at,
            outcome: Outcome::Refused { why },
            digest: String::new(),
        }],
    }
}

/// A story in which everything that a stranger or a customer can write is `text`.
fn story(text: &str, html: &str) -> Story {
    let customer = CustomerId::new(text);
    let at = Position { seq: 1, nth: 0 };
    Story {
        incident: told_incident(text),
        impact: vec![Affected {
            service: text.to_owned(),
            region: Some(text.to_owned()),
            accounts: [text.to_owned(), "22".to_owned()].into(),
        }],
        accounts: vec![text.to_owned()],
        chapters: vec![Chapter {
            kind: Kind::FinalReview,
            stage: Stage::Rca,
            title: text.to_owned(),
            published: time("2026-11-24T11:40:00Z"),
            heard: time("2026-11-24T11:40:30Z"),
            arrival: Arrival::Live,
            events: vec![at],
            accounts: vec![text.to_owned()],
            event: Some(Box::new(event(text, html))),
            verdicts: vec![Ruling {
                customer: customer.clone(),
                rule: text.to_owned(),
                verdict: Verdict::Withheld {
                    why: Why::NothingToInviteTo,
                },
                followed: false,
                events: vec![at],
                accounts: Default::default(),
                receivers: Default::default(),
            }],
            nothing: vec![Why::NoRuleMatched],
            deliveries: vec![tracked(text)],
            gathering: vec![Gathering {
                customer: customer.clone(),
                receiver: text.to_owned(),
                channel: Channel::Slack,
                due: time("2026-11-24T11:41:00Z"),
            }],
            silent: vec![Silent {
                customer,
                rule: text.to_owned(),
                why: text.to_owned(),
            }],
            more_silent: 3,
            rules_changed: true,
            is_unexplained: false,
        }],
    }
}

fn shown(story: &Story) -> String {
    incident(&frame(), story, &|account| vec![format!("name of {account}")], None)
}

#[test]
fn what_strangers_write_is_text_and_never_markup() {
    let pages = [
        shown(&story(HOSTILE, "")),
        incidents(&frame(), &[told_incident(HOSTILE)], false, Some(HOSTILE)),
        refusal(&frame(), 404, HOSTILE, Some(HOSTILE)),
    ];
    for page in pages {
        let lower = page.to_lowercase();
        assert!(
            !lower.contains("<script") && !lower.contains("<img") && !lower.contains("javascript:"),
            "{page}"
        );
        assert!(
            page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"),
            "{page}"
        );
    }
}

#[test]
fn a_review_is_shown_in_its_sections_with_its_repairs() {
    let html = "<h2>What happened?</h2><p>Requests failed.</p><h2>How are we making incidents like this less likely or less impactful?</h2>\
        <ul><li>We test more (Estimated completion: December 2026).</li></ul>";
    let page = shown(&story("A title", html));
    for part in [
        "<h4>What happened?</h4>",
        "<p>Requests failed.</p>",
        "Repairs it promises",
        "Estimated 2026-12",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn the_providers_headings_stand_below_ours() {
    let mut told = story("A title", "<h1>Loud</h1><p>text</p>");
    told.chapters[0].kind = Kind::Update;
    let page = shown(&told);
    assert!(page.contains("<h5>Loud</h5>"), "{page}");
    assert_eq!(page.matches("<h1").count(), 1, "{page}");
}

#[test]
fn an_incidents_page_says_what_one_asks_first() {
    let page = shown(&story("A title", "<p>The text.</p>"));
    for part in [
        "24 Nov 2026, 10:00 UTC",
        "after 1 h 36 min",
        "Mitigated",
        "Test",
        "2 subscriptions",
        "name of 22 (22)",
        "No rule matched.",
        "matched; the rule only invites",
        "and 3 more rules",
        "refused: A title &#60;(address)&#62;",
        "gathering",
        "The rules have changed since",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn who_came_by_a_link_is_not_led_to_the_list() {
    let frame = Frame {
        has_list: false,
        ..frame()
    };
    let page = incident(
        &frame,
        &story("A title", ""),
        &|_| Vec::new(),
        Some(&CustomerId::new("contoso")),
    );
    assert!(!page.contains("href=\"../\""), "{page}");
    assert!(!page.contains("Customer</th>"), "{page}");
}

#[test]
fn the_style_is_whole_and_asks_for_nothing_from_elsewhere() {
    assert_eq!(STYLE.matches('{').count(), STYLE.matches('}').count());
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
}
