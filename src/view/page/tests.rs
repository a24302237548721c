//! Pages with what strangers write in them.

use super::*;
use crate::channel::Outcome;
use crate::clock::Time;
use crate::delivery::{Attempt, Delivery, End, Standing, State};
use crate::event::catalogue::Catalogue;
use crate::event::{Arrival, Event, EventType, Form as Source, Kind, Level, Provider, Stage};
use crate::incident::Incident;
use crate::incident::reviews::Phase;
use crate::incident::{IncidentId, Status};
use crate::journal::Position;
use crate::notification::{Channel, EndpointId, Form, SeriesId};
use crate::record::{Verdict, Why};
use crate::view::filter::{Filter, State as InTime};
use crate::view::story::{Affected, Chapter, Gathering, Listed, Ruling, Silent, Story, Tracked};

const HOSTILE: &str = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>&amp;";

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}

fn frame() -> Frame {
    Frame {
        root: "../".to_owned(),
        has_list: true,
        reader: None,
        sign_in: None,
        now: time("2026-11-24T12:00:00Z"),
        zone: None,
        back: None,
    }
}

/// The list of these, on its first page or not.
fn list(found: &[Listed], is_first: bool, next: Option<&str>) -> String {
    let (filter, catalogue) = (Filter::default(), Catalogue::default());
    history(
        &frame(),
        &History {
            filter: &filter,
            found,
            count: None,
            is_first,
            next,
            is_behind: false,
            current: None,
            catalogue: &catalogue,
        },
    )
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
        tags: Vec::new(),
        reminder: None,
        measures: None,
        notes: Vec::new(),
        arrival: Arrival::Live,
        form: Source::AzureCommonAlert,
        text_withheld: false,
        imported: None,
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
        because: vec![text.to_owned()],
        address: Some(text.to_owned()),
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
        corrections: Vec::new(),
        reminders: Vec::new(),
        impacted: crate::view::impacted::Impacted::default(),
        chapters: vec![Chapter {
            communication: String::new(),
            kind_read: None,
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
                became: Vec::new(),
            }],
            nothing: vec![Why::NoRuleMatched],
            deliveries: vec![tracked(text)],
            gathering: vec![Gathering {
                customer: customer.clone(),
                receiver: text.to_owned(),
                channel: Channel::Slack,
                due: time("2026-11-24T11:41:00Z"),
                because: vec![text.to_owned()],
                address: Some(text.to_owned()),
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
        own_part: None,
        shown: 0..1,
    }
}

fn listed(incident: Incident) -> Listed {
    Listed {
        incident,
        is_back_filled: false,
        state: InTime {
            first: Phase::Mitigated,
            then: None,
        },
        owed: Vec::new(),
        is_incomplete: false,
    }
}

fn refused(status: u16) -> String {
    let refused = Refused {
        status,
        what: HOSTILE,
        hint: Some(HOSTILE),
    };
    refusal(&frame(), refused)
}

fn shown(story: &Story) -> String {
    incident(
        &frame(),
        story,
        &Terms::default(),
        &|account| vec![format!("name of {account}")],
        None,
        &[],
        true,
    )
}

#[test]
fn what_strangers_write_is_text_and_never_markup() {
    let pages = [
        shown(&story(HOSTILE, "")),
        list(&[listed(told_incident(HOSTILE))], false, Some(HOSTILE)),
        refused(409),
        refused(403),
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
        "<h4><span lang=\"\">What happened?</span></h4>",
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
        "Level at worst",
        "not delivered",
        "Because of",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

/// A verdict that led to somebody, or (without receivers) to nobody.
fn ruling(rule: &str, verdict: Verdict, receivers: &[&str]) -> Ruling {
    Ruling {
        customer: CustomerId::new("contoso"),
        rule: rule.to_owned(),
        verdict,
        followed: false,
        events: vec![Position { seq: 1, nth: 0 }],
        accounts: Default::default(),
        receivers: receivers.iter().map(|receiver| (*receiver).to_owned()).collect(),
        became: Vec::new(),
    }
}

/// What stands under "Why others were not told".
fn why_not(page: &str) -> &str {
    page.split_once("Why others were not told")
        .and_then(|(_, rest)| rest.split_once("</details>"))
        .map_or("", |(reasons, _)| reasons)
}

#[test]
fn a_rule_that_told_somebody_stands_beside_them_and_not_among_the_reasons_why_others_were_not() {
    let mut told = story("A title", "");
    let chapter = &mut told.chapters[0];
    chapter.deliveries[0].because = vec!["First".to_owned(), "Joined later".to_owned()];
    let overtaken = Verdict::Withheld {
        why: Why::Overtaken {
            by: Position { seq: 9, nth: 0 },
        },
    };
    chapter.verdicts = vec![
        ruling("First", Verdict::Planned, &["ops"]),
        ruling("Joined later", Verdict::Joined, &["ops"]),
        ruling("First", overtaken.clone(), &[]),
        ruling("Never told", overtaken, &[]),
    ];
    let page = shown(&told);
    assert!(page.contains(">First, Joined later</td>"), "{page}");
    let reasons = why_not(&page);
    assert!(reasons.contains("Never told"), "{reasons}");
    assert!(!reasons.contains("First") && !reasons.contains("Joined"), "{reasons}");
    assert!(page.contains("Not all of it: “First” (contoso) also matched"), "{page}");
}

#[test]
fn a_superseded_delivery_is_grey_and_says_what_became_of_it() {
    let mut told = story("A title", "");
    let chapter = &mut told.chapters[0];
    let mut successor = chapter.deliveries[0].clone();
    successor.delivery.id = "dlv_2".to_owned();
    let by = successor.delivery.id.clone();
    let at = time("2026-11-24T11:50:00Z");
    chapter.deliveries[0].standing.state = State::Ended {
        end: End::Superseded { by },
        at,
    };
    chapter.deliveries.push(successor);
    let row = |told: &Story| {
        let page = shown(told);
        let row = page.split_once("<span class=\"state quiet\">").expect("a grey state").1;
        row.split_once("</tr>").expect("a row").0.to_owned()
    };
    let replaced = row(&told);
    assert!(
        replaced.starts_with("replaced by a later message</span></td>") && !replaced.contains("dlv_"),
        "{replaced}"
    );
    told.chapters[0].deliveries[1].delivery.endpoint = EndpointId("ep_2".to_owned());
    assert!(row(&told).starts_with("moved to the new address</span>"));
}

#[test]
fn nobody_is_named_by_a_name_that_nobody_wrote() {
    let mut told = story("A title", "");
    let delivery = &mut told.chapters[0].deliveries[0];
    delivery.delivery.receiver = crate::rule::set::CONTACT.to_owned();
    delivery.because = vec![crate::rule::set::RULE_FILES.to_owned()];
    let page = shown(&told);
    assert!(
        page.contains("the contact in the settings") && page.contains("built in: problems with rule files"),
        "{page}"
    );
}

#[test]
fn the_list_shows_when_it_starts_when_it_is_due_and_what_came_as_history() {
    let future = Incident {
        event_type: EventType::PlannedMaintenance,
        status: Status::Planned,
        kind: Kind::Update,
        impact_start: Some(time("2026-12-01T10:00:00Z")),
        impact_end: Some(time("2026-12-01T12:00:00Z")),
        test: false,
        ..told_incident("Maintenance to come")
    };
    let retirement = Incident {
        event_type: EventType::HealthAdvisory,
        status: Status::Active,
        kind: Kind::Update,
        impact_end: Some(time("2027-09-30T00:00:00Z")),
        ..told_incident("A retirement")
    };
    let old = Listed {
        is_back_filled: true,
        ..listed(told_incident("Old"))
    };
    let page = list(&[listed(future), listed(retirement), old], true, None);
    for part in [
        "<span class=\"badge notice\">Planned</span>",
        "Starts <time datetime=\"2026-12-01T10:00:00Z\">",
        "Ends <time datetime=\"2026-12-01T12:00:00Z\">",
        "<span class=\"badge notice\">Advisory</span>",
        "Due <time datetime=\"2027-09-30T00:00:00Z\">",
        "<span class=\"badge quiet\">Back-filled</span>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("badge alarm"), "nothing is broken: {page}");
}

#[test]
fn who_is_refused_is_told_how_to_get_in_and_nothing_of_what_there_is() {
    let page = refused(401);
    for part in [
        "<h1>Sign in to read this</h1>",
        "You came from a message?",
        "Sign in with it below",
        "Ask whoever runs this service",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(
        !page.contains("Hint"),
        "how programs send tokens is not for people: {page}"
    );
    let page = refused(404);
    assert!(
        page.contains("<h1>There is nothing here</h1>") && page.contains("href=\"../\">All incidents"),
        "{page}"
    );
    let page = refused(403);
    assert!(
        page.contains("This is not open to you") && page.contains("For whoever runs this service:"),
        "{page}"
    );
    assert!(refused(503).contains("<strong>Hint:</strong>"));
}

#[test]
fn who_came_by_a_link_is_not_led_to_the_list() {
    let frame = Frame {
        has_list: false,
        reader: None,
        sign_in: None,
        ..frame()
    };
    let page = incident(
        &frame,
        &story("A title", ""),
        &Terms::default(),
        &|_| Vec::new(),
        Some(&CustomerId::new("contoso")),
        &[],
        false,
    );
    assert!(!page.contains("Service credits"), "{page}");
    assert!(!page.contains("href=\"../\""), "{page}");
    assert!(!page.contains("Customer</th>"), "{page}");
}

#[test]
fn the_style_is_whole_and_asks_for_nothing_from_elsewhere() {
    assert_eq!(STYLE.matches('{').count(), STYLE.matches('}').count());
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
}
