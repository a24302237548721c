//! What every source format says of an event, before it is made an [`Event`].
//!
//! A format's parser fills in a [`Draft`] with the provider's own words; [`Draft::finish`] is the one place where a
//! title becomes one line, a text is made safe and the kind is recognised. Drafts of one item share what the item says
//! of all its updates, so that they take no more than the body did: only the event has everything for itself.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::allowance::{bytes_of_event, bytes_of_pair};
use super::kind::{self, Signs};
use super::note::Note;
use super::session;
use super::{Arrival, Event, EventType, Form, Impact, Kind, Level, Provider, Stage, html, plain};
use crate::clock::Time;

/// Stands for the time of a communication that says none: so far ahead that the time at which it is written down counts
/// (see [`Event::correct_time`]), and the same for all, so that a repeat is known.
pub(super) const UNSAID: Time = chrono::DateTime::from_timestamp(253_402_300_799, 0).expect("the end of year 9999");

/// An event in the provider's words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Draft {
    pub form: Form,
    pub source: Option<String>,
    pub tracking_id: Arc<str>,
    pub event_type: EventType,
    pub subtype: Option<Arc<str>>,
    pub stage: Stage,
    pub level: Option<Level>,
    /// One line.
    pub title: Arc<str>,
    /// The text as it came: HTML or plain.
    pub body: String,
    pub impact: Impacts,
    /// For whom it was sent, where the impacted pairs do not say.
    pub accounts: BTreeSet<String>,
    pub impact_start: Option<Time>,
    pub impact_end: Option<Time>,
    /// [`UNSAID`] where it says none.
    pub published: Time,
    pub properties: BTreeMap<String, String>,
    /// What the provider says the communication is (`Final PIR`).
    pub tags: Vec<String>,
    pub test: bool,
    pub communication_id: Option<String>,
    /// What could not be taken as it stands.
    pub notes: Arc<[Note]>,
    /// Whether the provider left out its text.
    pub text_withheld: bool,
}

/// An impacted service in a region; its name is shared with the service's other regions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    pub service: Arc<str>,
    pub service_id: Option<Arc<str>>,
    pub region: Option<String>,
    pub accounts: Vec<String>,
}

impl Pair {
    /// What an event takes for it, bytes.
    pub fn bytes(&self) -> usize {
        let region = self.region.as_ref().map_or(0, String::len);
        bytes_of_pair(self.service.len() + region, &self.accounts)
    }

    fn impact(&self) -> Impact {
        Impact {
            service: self.service.to_string(),
            service_id: self.service_id.as_deref().map(str::to_owned),
            region: self.region.clone(),
            accounts: self.accounts.clone(),
        }
    }
}

/// The pairs of an item, and those of them that are meant, in the provider's order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Impacts {
    pairs: Arc<[Pair]>,
    which: Vec<usize>,
}

impl Impacts {
    /// All of these.
    pub fn all(pairs: Vec<Pair>) -> Self {
        let which = (0..pairs.len()).collect();
        Self::some(pairs.into(), which)
    }

    /// Some of these.
    pub fn some(pairs: Arc<[Pair]>, which: Vec<usize>) -> Self {
        Self { pairs, which }
    }

    fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.which.iter().map(|nth| &self.pairs[*nth])
    }

    /// Every pair once.
    fn distinct(&self) -> impl Iterator<Item = &Pair> {
        let mut seen = HashSet::new();
        self.iter().filter(move |pair| seen.insert(*pair))
    }

    /// Every account that a pair names.
    fn accounts(&self) -> BTreeSet<&str> {
        let accounts = self.iter().flat_map(|pair| &pair.accounts);
        accounts.map(String::as_str).collect()
    }
}

/// How long a title is that was taken from a text, characters.
const TITLE_OF_TEXT_CHARS_MOST: usize = 120;

/// The title of what has none: how its text begins, or the name of the trouble where there is none either.
fn title_of(text: &str, tracking_id: &str) -> String {
    let text = plain::without_struck(text);
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    first.map_or_else(
        || tracking_id.to_owned(),
        |line| html::shorten(line, TITLE_OF_TEXT_CHARS_MOST),
    )
}

impl Draft {
    /// What the event takes beside what is impacted, bytes.
    pub fn bytes_of_texts(&self) -> usize {
        let custom: usize = self.properties.iter().map(|(key, value)| key.len() + value.len()).sum();
        let notes = self.notes.iter().map(Note::bytes).sum();
        bytes_of_event(
            self.title.len() + self.body.len() + self.tracking_id.len() + custom,
            notes,
        )
    }

    /// How many pairs of an account and something impacted it names.
    pub fn elements(&self) -> usize {
        let whole = self.impact.iter().filter(|pair| pair.accounts.is_empty()).count();
        let named: usize = self.impact.iter().map(|pair| pair.accounts.len()).sum();
        let accounts = match (named, whole) {
            (0, _) => self.accounts.len().max(1),
            // only those who are counted several times need to be told apart
            (_, 0) => 0,
            _ => self.impact.accounts().len(),
        };
        (whole * accounts + named).max(accounts)
    }

    /// The event: safe, plain and recognised.
    pub fn finish(self, arrival: Arrival) -> Event {
        let html = html::sanitise(&self.body);
        let text = plain::text(&html);
        let title = match self.title.is_empty() {
            true => title_of(&text, &self.tracking_id),
            false => self.title.to_string(),
        };
        let published = match arrival {
            // history tells nobody, and must not count as newer than what is heard live
            Arrival::History if self.published == UNSAID => self.impact_start.unwrap_or(Time::UNIX_EPOCH),
            Arrival::History | Arrival::Live => self.published,
        };
        // dates without a year are read from here on
        let written = Some(self.published).filter(|at| *at != UNSAID).or(self.impact_start);
        let signs = Signs {
            event_type: self.event_type,
            stage: self.stage,
            tags: &self.tags,
            title: &self.title,
            text: &text,
            written,
        };
        let kind = kind::recognise(&signs);
        // The REST API's status is only Active or Resolved; the webhook of the same review says RCA.
        let review_by_rest = self.form == Form::AzureEvents && kind.is_review();
        let stage = if review_by_rest { Stage::Rca } else { self.stage };
        let sessions = match kind {
            Kind::Retrospective => {
                written.map_or_else(Vec::new, |at| session::sessions(&plain::without_struck(&text), at))
            }
            _ => Vec::new(),
        };
        let named = self.impact.accounts();
        let accounts = match named.is_empty() {
            true => self.accounts.iter().cloned().collect(),
            false => named.into_iter().map(str::to_owned).collect(),
        };
        Event {
            provider: Provider::Azure,
            source: self.source,
            tracking_id: self.tracking_id.to_string(),
            event_type: self.event_type,
            subtype: self.subtype.as_deref().map(str::to_owned),
            stage,
            kind,
            level: self.level,
            link: kind::link(kind, &html),
            title,
            html,
            text,
            impact: self.impact.distinct().map(Pair::impact).collect(),
            accounts,
            impact_start: self.impact_start,
            impact_end: self.impact_end,
            published,
            sessions,
            properties: self.properties,
            test: self.test,
            communication_id: self.communication_id,
            published_said: None,
            tags: self.tags,
            reminder: None,
            measures: None,
            arrival,
            form: self.form,
            notes: self.notes.to_vec(),
            text_withheld: self.text_withheld,
            imported: None,
        }
    }
}
