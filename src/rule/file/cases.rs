//! A file's own `tests`: the event each makes up, and who must be told of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::clock::{Time, read_moment};
use crate::event::{
    self, Arrival, Event, EventType, Form, Impact, Kind, Level, Measure, Measures, Provider, Session, Size, Stage,
};
use crate::problem::Place;
use crate::problem::fields::{Fields, Keys, Marked, Reading};
use crate::problem::yaml::Node;

use super::when::{LASTED_MOST, MEANT, read_word};
use super::{list, name_of};

/// A test whose `subscription` is not resolved yet.
#[derive(Debug)]
pub struct DraftTest {
    /// Its name.
    pub name: String,
    /// The event, without accounts.
    pub event: Event,
    /// `subscription`: an id, or a group's name.
    pub subscription: Option<Vec<Marked<String>>>,
    /// Which receivers each rule must tell.
    pub expect: Vec<(Marked<String>, BTreeSet<String>)>,
    /// Where it stands.
    pub place: Place,
}

pub(in crate::rule) const TEST: Keys = Keys {
    of: "a test",
    known: &["name", "at", "event", "expect"],
    later: &[],
    meant: &[
        ("time", "at"),
        ("date", "at"),
        ("now", "at"),
        ("clock", "at"),
        ("when", "event"),
        ("given", "event"),
        ("then", "expect"),
        ("expected", "expect"),
        ("expects", "expect"),
    ],
    takes_own: false,
};

/// The keys of a test's event.
pub(in crate::rule) const EVENT: Keys = Keys {
    of: "a test's event",
    known: &[
        "event type",
        "stage",
        "kind",
        "level",
        "impact",
        "title",
        "text",
        "tracking id",
        "provider",
        "subtype",
        "size",
        "lasted",
        "properties",
        "subscription",
    ],
    later: &[],
    meant: EVENT_MEANT,
    takes_own: false,
};

const EVENT_MEANT: &[(&str, &str)] = &[
    ("subscriptions", "subscription"),
    ("account", "subscription"),
    ("service", "=write it as `impact: [{ service: …, region: … }]`"),
    ("region", "=write it as `impact: [{ service: …, region: … }]`"),
    ("status", "stage"),
    ("severity", "level"),
    ("type", "event type"),
    ("incident type", "event type"),
    ("description", "text"),
    ("at", "=write it beside `event`: it says when the test's event is heard"),
];

const IMPACT: Keys = Keys {
    of: "a test's impact",
    known: &["service", "region"],
    later: &[],
    meant: MEANT,
    takes_own: false,
};

/// Reads one test.
pub(super) fn read(reading: &Reading<'_>, node: &Node) -> Option<DraftTest> {
    let fields = reading.fields(node, &TEST)?;
    let name = name_of(reading, &fields, "a test");
    let event = required(reading, &fields, "event").and_then(|node| reading.fields(node, &EVENT));
    let expect = required(reading, &fields, "expect").and_then(|node| reading.named(node, "`expect`"));
    let (name, event, expect) = (name?, event?, expect?);
    let subscription = event
        .get("subscription")
        .map(|node| reading.texts(node, "the id of a subscription"));
    let told = expect.iter().map(|(rule, place, node)| {
        (
            Marked {
                value: rule.to_owned(),
                place,
            },
            told(reading, node),
        )
    });
    Some(DraftTest {
        event: make_event(reading, &event, &name.value, moment(reading, &fields)),
        expect: told.collect(),
        subscription,
        place: name.place,
        name: name.value,
    })
}

fn required<'n>(reading: &Reading<'_>, fields: &Fields<'n>, key: &str) -> Option<&'n Node> {
    let node = fields.get(key);
    if node.is_none() {
        reading.error(fields.place, &format!("a test needs `{key}`"), None);
    }
    node
}

/// The receivers that a rule must tell; `[]` for none.
fn told(reading: &Reading<'_>, node: &Node) -> BTreeSet<String> {
    let names = reading
        .items(node)
        .into_iter()
        .filter_map(|item| reading.text(item, "the name of a receiver"));
    names.collect()
}

fn make_event(reading: &Reading<'_>, fields: &Fields<'_>, name: &str, at: Option<Time>) -> Event {
    let stage = word(reading, fields, "stage", Stage::read, Stage::ALL);
    let said_kind = word(reading, fields, "kind", Kind::read, Kind::ALL);
    let event_type = word(reading, fields, "event type", EventType::read, EventType::ALL);
    let text = |key: &str| fields.get(key).and_then(|node| reading.text(node, key));
    let said = text("text").unwrap_or_default();
    let kind = said_kind.or(stage.map(kind_of)).unwrap_or(Kind::Update);
    Event {
        provider: word(reading, fields, "provider", Provider::read, Provider::ALL).unwrap_or(Provider::Azure),
        source: None,
        tracking_id: text("tracking id").unwrap_or_else(|| "TEST-000".to_owned()),
        event_type: event_type.unwrap_or(EventType::ServiceIssue),
        subtype: text("subtype"),
        stage: stage.or(said_kind.map(stage_of)).unwrap_or(Stage::Active),
        kind,
        level: word(reading, fields, "level", Level::read, Level::ALL),
        title: text("title").unwrap_or_else(|| name.to_owned()),
        html: String::new(),
        sessions: sessions_at(kind, &said, at),
        text: said,
        impact: impact(reading, fields),
        accounts: Vec::new(),
        impact_start: None,
        impact_end: None,
        published: at.unwrap_or(NO_MOMENT),
        link: None,
        properties: properties(reading, fields),
        test: false,
        communication_id: None,
        published_said: None,
        tags: Vec::new(),
        reminder: None,
        measures: measures(reading, fields),
        notes: Vec::new(),
        arrival: Arrival::Live,
        form: Form::Bellwether,
        text_withheld: false,
        imported: None,
    }
}

/// The stage a communication of this kind usually has.
fn stage_of(kind: Kind) -> Stage {
    match kind {
        Kind::Mitigation | Kind::Retraction => Stage::Resolved,
        Kind::PreliminaryReview | Kind::FinalReview | Kind::Retrospective | Kind::Recording => Stage::Rca,
        kind if kind.is_reminder() => Stage::Unknown,
        _ => Stage::Active,
    }
}

/// The kind a communication of this stage usually is.
fn kind_of(stage: Stage) -> Kind {
    match stage {
        Stage::Resolved => Kind::Mitigation,
        Stage::Rca => Kind::FinalReview,
        _ => Kind::Update,
    }
}

/// When the test's event is heard, if it says so.
fn moment(reading: &Reading<'_>, fields: &Fields<'_>) -> Option<Time> {
    let node = fields.get("at")?;
    let text = reading.text(node, "a moment")?;
    match read_moment(&text) {
        Ok(moment) => Some(moment),
        Err(why) => {
            reading.error(
                node.place,
                &format!("`at` is when the event is heard, and this is {why}"),
                None,
            );
            None
        }
    }
}

/// The sessions of a livestream that its text announces and that are still to come at the moment of hearing.
fn sessions_at(kind: Kind, text: &str, at: Option<Time>) -> Vec<Session> {
    match (kind, at) {
        (Kind::Retrospective, Some(at)) => event::sessions(text, at),
        _ => Vec::new(),
    }
}

/// Whether a test says when its event is heard, and its text announces no session of a livestream that is still to come
/// then: nobody is invited to what is over. A test that says neither speaks of a session that is to come.
pub fn has_nothing_to_come(event: &Event) -> bool {
    event.kind == Kind::Retrospective
        && event.published != NO_MOMENT
        && !event.text.is_empty()
        && event.sessions.is_empty()
}

/// When an event of a test is published that says nothing of it.
const NO_MOMENT: Time = DateTime::<Utc>::UNIX_EPOCH;

fn word<T: Copy + std::fmt::Display>(
    reading: &Reading<'_>,
    fields: &Fields<'_>,
    key: &str,
    read: fn(&str) -> Option<T>,
    all: &[T],
) -> Option<T> {
    let node = fields.get(key)?;
    let value = reading.text(node, key)?;
    read_word(
        reading,
        &Marked {
            value,
            place: node.place,
        },
        key,
        read,
        all,
    )
}

fn impact(reading: &Reading<'_>, fields: &Fields<'_>) -> Vec<Impact> {
    let Some(node) = fields.get("impact") else {
        return Vec::new();
    };
    let items = match &node.value {
        crate::problem::yaml::Value::Map(_) => vec![node],
        _ => list(reading, node, "impact"),
    };
    let pairs = items.into_iter().filter_map(|item| {
        let pair = reading.fields(item, &IMPACT)?;
        let Some(service) = pair.get("service") else {
            reading.error(item.place, "a test's impact names a `service`", None);
            return None;
        };
        Some(Impact {
            service: reading.text(service, "the name of a service")?,
            service_id: None,
            region: pair
                .get("region")
                .and_then(|node| reading.text(node, "the name of a region")),
            accounts: Vec::new(),
        })
    });
    pairs.collect()
}

/// What the incident adds up to when the event is heard, if the test says it.
fn measures(reading: &Reading<'_>, fields: &Fields<'_>) -> Option<Box<Measures>> {
    let lasted = fields
        .get("lasted")
        .and_then(|node| reading.seconds(node, "`lasted`", LASTED_MOST));
    let measure = Measure {
        size: word(reading, fields, "size", Size::read, Size::ALL),
        lasted: lasted
            .and_then(|seconds| i64::try_from(seconds).ok())
            .map(chrono::Duration::seconds),
    };
    (measure != Measure::default()).then(|| Box::new(Measures::of_all(measure)))
}

fn properties(reading: &Reading<'_>, fields: &Fields<'_>) -> BTreeMap<String, String> {
    let table = fields
        .get("properties")
        .and_then(|node| reading.named(node, "`properties`"));
    let table = table.iter().flat_map(Fields::iter);
    table
        .filter_map(|(key, _, node)| Some((key.to_owned(), reading.text(node, "a property")?)))
        .collect()
}
