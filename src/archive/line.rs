//! What may stand in a file. What stands here is a promise to programs: fields are added, never renamed or removed, and
//! `schema` says the same to them.

use serde::{Deserialize, Serialize};

use super::{ClaimRemindersLine, CorrectionLine, ResourcesLine};
use crate::claim::{Claimed, Downtime};
use crate::clock::Time;
use crate::event::{Event, EventType, Imported, Kind, Level, Provider};
use crate::incident::Incident;
use crate::journal::Position;
use crate::view::status::Kept;

/// One line.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Line {
    /// The first one.
    Header(Header),
    /// Of which claims a customer was reminded.
    ClaimReminders(ClaimRemindersLine),
    /// What a person said of a claim.
    Claim(Box<Claimed>),
    /// Downtime that a person entered.
    Downtime(Box<Downtime>),
    /// An incident: its events and what became of them follow.
    Incident(IncidentLine),
    /// An event of the incident.
    Event(Box<EventLine>),
    /// Accounts that several verdicts on the event refer to.
    Set(SetLine),
    /// A verdict on the event.
    Verdict(VerdictLine),
    /// What a person said of the incident against the provider's word.
    Correction(Box<CorrectionLine>),
    /// Resources that the incident impacted.
    Resources(Box<ResourcesLine>),
    /// What somebody was told of the incident.
    Delivery(Box<DeliveryLine>),
    /// A try of the delivery.
    Attempt(AttemptLine),
    /// A place to go on from.
    Mark(Mark),
    /// The last one.
    Trailer(Trailer),
}

/// What a file is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    /// [`super::FORMAT`].
    pub format: String,
    /// [`super::VERSION`].
    pub version: u32,
    /// The program and its version.
    pub made_by: String,
    /// When it was begun, by the daemon's clock.
    pub made: Time,
    /// Up to which record of the journal events are in it: what was heard meanwhile is in the next one.
    pub through: u64,
    /// Whose part it is; none: everything.
    pub customer: Option<String>,
    /// Only incidents and claims of which something was heard or said since then, each whole.
    pub since: Option<Time>,
    /// The kinds of lines that it holds.
    pub holds: Vec<String>,
    /// How long what is kept by the daemon.
    pub kept: Kept,
}

/// What is known of an incident.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IncidentLine {
    /// Who named it.
    pub provider: Provider,
    /// The tracking id as the provider wrote it.
    pub tracking_id: String,
    /// What sort of trouble.
    pub event_type: EventType,
    /// How far along, as the API writes it.
    pub status: String,
    /// The provider's time of the communication that said so.
    pub status_since: Time,
    /// What it is called.
    pub title: String,
    /// The kind of the newest communication.
    pub kind: Kind,
    /// How grave it was at its worst.
    pub level: Option<Level>,
    /// When impact began.
    pub impact_start: Option<Time>,
    /// When it ended.
    pub impact_end: Option<Time>,
    /// The provider's time of the newest communication.
    pub updated: Time,
    /// When it was heard of first.
    pub first_heard: Time,
    /// A test.
    pub test: bool,
}

/// An event as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventLine {
    /// Its id. In a list that was made of a provider's answer there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Position>,
    /// When it was heard first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Time>,
    /// Who said it.
    pub provider: Provider,
    /// Of which incident.
    pub tracking_id: String,
    /// Whether it was decided; if not, it waits.
    pub decided: bool,
    /// Why nothing (more) followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nothing: Option<String>,
    /// All that it says; `None` if that part of the journal is lost.
    pub event: Option<Event>,
}

/// Accounts that several verdicts refer to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetLine {
    /// Its id.
    pub id: Position,
    /// Of which event.
    pub event: Position,
    /// They.
    pub accounts: Vec<String>,
}

/// What a rule made of an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerdictLine {
    /// Which event.
    pub event: Position,
    /// Whose rule.
    pub customer: String,
    /// Which.
    pub rule: String,
    /// `planned`, `joined`, `held` or `withheld`.
    pub verdict: String,
    /// Why nobody is told, or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Whether only the incident's earlier messages made it match.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub followed: bool,
    /// The receivers that are told because of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<String>,
    /// The accounts that were left of the event, if they are few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// Else the set that names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts_of: Option<Position>,
}

/// A delivery, and how far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliveryLine {
    /// Its id.
    pub id: String,
    /// Who named the incident.
    pub provider: Provider,
    /// Its tracking id.
    pub tracking_id: String,
    /// Whose receiver.
    pub customer: String,
    /// The rules that asked, the first first.
    pub rules: Vec<String>,
    /// Which receiver.
    pub receiver: String,
    /// How.
    pub channel: String,
    /// `message` or `invitation`.
    pub form: String,
    /// `gathering`, `scheduled`, `delivered`, `dead`, or (its retention over) `forgotten`.
    pub state: String,
    /// The title of what it tells.
    pub title: String,
    /// What the communication is.
    pub kind: Kind,
    /// When it was made.
    pub created: Time,
    /// The provider's time of what it tells.
    pub published: Time,
    /// The event whose text it tells.
    pub event: Position,
    /// Which part of the communication.
    pub part: u32,
    /// How many attempts have ended.
    pub attempts: u32,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
    /// The delivery that stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// When it is tried, or told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<Time>,
}

/// One finished try.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttemptLine {
    /// Of which delivery.
    pub delivery: String,
    /// 1, 2, …
    pub number: u32,
    /// When it began.
    pub started: Time,
    /// When it ended.
    pub ended: Time,
    /// `delivered`, `retry`, `refused` or `gone`.
    pub outcome: String,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A place to go on from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mark {
    /// What to ask for what stands behind it; none: there is nothing more.
    pub after: Option<String>,
}

/// The end of a whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trailer {
    /// How many lines stand before it.
    pub lines: u64,
    /// How many of each kind.
    pub counts: std::collections::BTreeMap<String, u64>,
    /// SHA-256 of everything before it, hex.
    pub sha256: String,
}

impl Line {
    /// As a line, with its end.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("lines hold nothing that JSON cannot");
        bytes.push(b'\n');
        bytes
    }
}

impl IncidentLine {
    /// This incident.
    pub fn of(incident: &Incident) -> Self {
        Self {
            provider: incident.id.provider,
            tracking_id: incident.tracking_id.clone(),
            event_type: incident.event_type,
            status: incident.status.word().to_owned(),
            status_since: incident.status_at,
            title: incident.title.clone(),
            kind: incident.kind,
            level: incident.level,
            impact_start: incident.impact_start,
            impact_end: incident.impact_end,
            updated: incident.updated,
            first_heard: incident.first_heard,
            test: incident.test,
        }
    }
}

impl EventLine {
    /// An event that a provider's answer holds.
    pub fn of_answer(event: Event) -> Self {
        Self {
            id: None,
            heard: None,
            provider: event.provider,
            tracking_id: event.tracking_id.clone(),
            decided: false,
            nothing: None,
            event: Some(event),
        }
    }

    /// The event as it is taken in here, with where it was heard first.
    pub fn into_event(self) -> Option<Event> {
        let mut event = self.event?;
        if let (None, Some(heard), Some(id)) = (event.imported, self.heard, self.id) {
            event.imported = Some(Imported { heard, id });
        }
        Some(event)
    }
}
