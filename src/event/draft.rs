//! What every source format says of an event, before it is made an [`Event`].
//!
//! A format's parser fills in a [`Draft`] with the provider's own words; [`Draft::finish`] is the one place where a
//! title becomes one line, a text is made safe and the kind is recognised.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::{self, Signs};
use super::session;
use super::{Arrival, Event, EventType, Form, Impact, Kind, Level, Provider, Stage, html, plain};
use crate::clock::Time;

/// An event in the provider's words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Draft {
    pub form: Form,
    pub source: Option<String>,
    pub tracking_id: String,
    pub event_type: EventType,
    pub subtype: Option<String>,
    pub stage: Stage,
    pub level: Option<Level>,
    pub title: String,
    /// The text as it came: HTML or plain.
    pub body: String,
    pub impact: Vec<Impact>,
    pub accounts: BTreeSet<String>,
    pub impact_start: Option<Time>,
    pub impact_end: Option<Time>,
    pub published: Time,
    pub properties: BTreeMap<String, String>,
    /// What the provider says the communication is (`Final PIR`).
    pub tags: Vec<String>,
    pub test: bool,
    pub communication_id: Option<String>,
}

impl Draft {
    /// The event: safe, plain and recognised.
    pub fn finish(self, arrival: Arrival) -> Event {
        let html = html::sanitise(&self.body);
        let text = plain::text(&html);
        let title = Some(html::one_line(&self.title)).filter(|title| !title.is_empty());
        let title = title.unwrap_or_else(|| self.tracking_id.clone());
        let signs = Signs {
            event_type: self.event_type,
            stage: self.stage,
            tags: &self.tags,
            title: &title,
            text: &text,
            published: self.published,
        };
        let kind = kind::recognise(&signs);
        // The REST API's status is only Active or Resolved; the webhook of the same review says RCA.
        let review_by_rest = self.form == Form::AzureEvents && kind.is_review();
        let stage = if review_by_rest { Stage::Rca } else { self.stage };
        let sessions = match kind {
            Kind::Retrospective => session::sessions(&text, self.published),
            _ => Vec::new(),
        };
        Event {
            provider: Provider::Azure,
            source: self.source,
            tracking_id: self.tracking_id,
            event_type: self.event_type,
            subtype: self.subtype,
            stage,
            kind,
            level: self.level,
            link: kind::link(kind, &html),
            title,
            html,
            text,
            impact: distinct(self.impact),
            accounts: self.accounts.into_iter().collect(),
            impact_start: self.impact_start,
            impact_end: self.impact_end,
            published: self.published,
            sessions,
            properties: self.properties,
            test: self.test,
            communication_id: self.communication_id,
            published_said: None,
            arrival,
            form: self.form,
        }
    }
}

/// Every impacted pair once, in the provider's order.
fn distinct(impact: Vec<Impact>) -> Vec<Impact> {
    let mut seen = BTreeSet::new();
    impact.into_iter().filter(|pair| seen.insert(pair.clone())).collect()
}
