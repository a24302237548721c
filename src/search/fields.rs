//! What the index holds: a document per incident and viewer, with what filters look at and the line of a list.

use tantivy::schema::{
    FAST, Field, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions, Value as _,
};
use tantivy::{TantivyDocument, Term};

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{EventType, Kind};
use crate::incident::IncidentId;
use crate::view::filter::{Facts, state_word};
use crate::view::story::{Listed, Outline};

/// Counts the forms of the index: one of another number is made anew.
pub const FORM: u32 = 2;

/// What stands between a service and its region in one term; no name has it.
const BETWEEN: char = '\u{1f}';

/// The fields.
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    pub viewer: Field,
    pub incident: Field,
    pub updated: Field,
    pub began: Field,
    pub event_type: Field,
    pub state: Field,
    pub then: Field,
    pub turns: Field,
    pub service: Field,
    pub region: Field,
    pub place: Field,
    pub account: Field,
    pub kind: Field,
    pub tracking_id: Field,
    pub words: Field,
    pub line: Field,
}

impl Fields {
    /// The schema, and its fields.
    pub fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer("whitespace")
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let fields = Self {
            viewer: schema.add_text_field("viewer", STRING),
            incident: schema.add_text_field("incident", STRING | FAST),
            updated: schema.add_i64_field("updated", FAST),
            began: schema.add_i64_field("began", FAST),
            event_type: schema.add_text_field("type", STRING),
            state: schema.add_text_field("state", STRING),
            then: schema.add_text_field("then", STRING),
            turns: schema.add_i64_field("turns", FAST),
            service: schema.add_text_field("service", STRING),
            region: schema.add_text_field("region", STRING),
            place: schema.add_text_field("place", STRING),
            account: schema.add_text_field("account", STRING),
            kind: schema.add_text_field("kind", STRING),
            tracking_id: schema.add_text_field("tracking_id", STRING),
            words: schema.add_text_field("words", TextOptions::default().set_indexing_options(words)),
            line: schema.add_bytes_field("line", STORED),
        };
        (schema.build(), fields)
    }

    /// The document of an incident for one viewer.
    pub fn document(&self, viewer: Option<&CustomerId>, id: &IncidentId, outline: &Outline) -> TantivyDocument {
        let Facts {
            event_type,
            state,
            places,
            accounts,
            kinds,
            began,
            updated,
            tracking_id,
            texts,
        } = &outline.facts;
        let mut document = TantivyDocument::new();
        document.add_text(self.viewer, viewer_key(viewer));
        document.add_text(self.incident, incident_key(id));
        document.add_i64(self.updated, number(*updated));
        document.add_i64(self.began, number(*began));
        document.add_text(self.event_type, event_type.word());
        let (turns, then) = state
            .then
            .map_or((i64::MAX, state.first), |(at, then)| (number(at), then));
        document.add_text(self.state, state_word(state.first));
        document.add_text(self.then, state_word(then));
        document.add_i64(self.turns, turns);
        for (service, region) in places {
            document.add_text(self.service, service);
            if let Some(region) = region {
                document.add_text(self.region, region);
                document.add_text(self.place, place(service, region));
            }
        }
        accounts
            .iter()
            .for_each(|account| document.add_text(self.account, account));
        kinds.iter().for_each(|kind| document.add_text(self.kind, kind.word()));
        document.add_text(self.tracking_id, tracking_id);
        for words in texts {
            document.add_text(self.words, words.join(" "));
        }
        let line = serde_json::to_vec(&outline.line).expect("a line is JSON");
        document.add_bytes(self.line, &line);
        document
    }

    /// The line of a list that a document holds.
    pub fn line_of(&self, document: &TantivyDocument) -> Option<Listed> {
        let value = document.get_first(self.line)?;
        serde_json::from_slice(value.as_bytes()?).ok()
    }

    /// The documents of an incident, of all viewers.
    pub fn all_of(&self, id: &IncidentId) -> Term {
        Term::from_field_text(self.incident, &incident_key(id))
    }

    /// Documents of this type.
    pub fn of_type(&self, event_type: EventType) -> Term {
        Term::from_field_text(self.event_type, event_type.word())
    }

    /// Documents with a communication of this kind.
    pub fn of_kind(&self, kind: Kind) -> Term {
        Term::from_field_text(self.kind, kind.word())
    }
}

/// Whose a document is: the operator's, who sees everything, has a name that no customer has.
pub fn viewer_key(viewer: Option<&CustomerId>) -> &str {
    viewer.map_or("*", CustomerId::as_str)
}

/// What an incident is known by, in one term.
pub fn incident_key(id: &IncidentId) -> String {
    format!("{}~{}", id.provider.word(), id.tracking_id)
}

/// A service in a region, in one term.
pub fn place(service: &str, region: &str) -> String {
    format!("{service}{BETWEEN}{region}")
}

/// A moment, in microseconds.
pub fn number(at: Time) -> i64 {
    at.timestamp_micros()
}
