//! Events of our own: what the daemon itself has to tell, to a customer or to the operator.

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Arrival, Event, EventType, Form, Kind, Provider, Stage};

/// A part of the journal was damaged, and perhaps lost: the operator must know.
pub fn journal_damaged(is_lost: bool, text: &str, now: Time) -> Event {
    let title = match is_lost {
        true => "A part of the journal was damaged and is lost".to_owned(),
        false => "A part of the journal was damaged".to_owned(),
    };
    let organisation = CustomerId::new(crate::customer::OPERATOR);
    own(
        Kind::JournalLost,
        Stage::Active,
        &organisation,
        &format!("journal:{}", now.format("%Y%m%dT%H%M%SZ")),
        title,
        text,
        now,
    )
}

/// Rules of a customer were not tried on an event to the end, as that takes too much work: their owner must know. It
/// is the same event for the whole hour, so that it is told once.
pub(super) fn rules_too_costly(customer: &CustomerId, first: &str, more: usize, now: Time) -> Event {
    let which = match more {
        0 => format!("The rule `{first}` told"),
        _ => format!("The rule `{first}` and others told"),
    };
    let text = format!(
        "{which} nobody of an event: trying the patterns of your rules on it takes more work than one event may cost, \
         so it is not known whether they match. Look for patterns that begin with `*` and go on with many `?`, or with \
         the same letter many times, and for expressions with large repetitions like `{{50}}`: make them shorter, or \
         name what the event must be by other keys (`event type`, `impact`) beside them."
    );
    own(
        Kind::RulesBroken,
        Stage::Active,
        customer,
        &format!("rules-too-costly:{}", now.format("%Y%m%dT%HZ")),
        "Rules of yours take too much work, and told nobody of an event".to_owned(),
        &text,
        now,
    )
}

/// An event of our own; it belongs to the customer named by its source.
pub(super) fn own(
    kind: Kind,
    stage: Stage,
    customer: &CustomerId,
    tracking_id: &str,
    title: String,
    text: &str,
    now: Time,
) -> Event {
    Event {
        provider: Provider::Bellwether,
        source: Some(customer.as_str().to_owned()),
        tracking_id: tracking_id.to_owned(),
        event_type: EventType::HealthAdvisory,
        subtype: None,
        stage,
        kind,
        level: Some(crate::event::Level::Warning),
        title,
        html: format!("<pre>{}</pre>", escape(text)),
        text: text.to_owned(),
        impact: Vec::new(),
        accounts: Vec::new(),
        impact_start: None,
        impact_end: None,
        published: now,
        sessions: Vec::new(),
        link: None,
        properties: std::collections::BTreeMap::new(),
        test: false,
        communication_id: None,
        published_said: None,
        notes: Vec::new(),
        arrival: Arrival::Live,
        form: Form::Bellwether,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
