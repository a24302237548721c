//! What is to be told: to which endpoint, about which communication, when. Pure.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::incident::IncidentId;

/// How somebody is told: the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// E-mail over SMTP; also carries calendar invitations.
    Email,
    /// A JSON document with a Standard Webhooks signature.
    Webhook,
    /// A Slack incoming webhook (blocks).
    Slack,
    /// A Teams Workflows webhook (Adaptive Card).
    Teams,
}

/// A message, or the invitation to one session of a retrospective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A message.
    Message,
    /// An iTIP REQUEST for one of the event's sessions.
    Invitation {
        /// The session's index in the event, 0-based.
        session: usize,
        /// RFC 5545 §3.8.7.4.
        sequence: u32,
        /// The session's own number within its incident, which its UID hangs on; `None` if it is the index.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<usize>,
    },
}

impl Form {
    /// The invitation to an event's session of this index, by the number that is its own.
    pub fn invitation(session: usize, sequence: u32, number: usize) -> Self {
        Form::Invitation {
            session,
            sequence,
            number: (number != session).then_some(number),
        }
    }
}

/// One mailbox or URL of one customer; order, rate and health belong to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndpointId(pub String);

impl std::fmt::Display for EndpointId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl Channel {
    /// The word in rule files and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Channel::Email => "email",
            Channel::Webhook => "webhook",
            Channel::Slack => "slack",
            Channel::Teams => "teams",
        }
    }
}

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// The first 32 hex digits of SHA-256 over the parts, each with its length, so that no two lists collide.
pub fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    let first = digest.first_chunk::<16>().expect("SHA-256 has 32 bytes");
    format!("{:032x}", u128::from_be_bytes(*first))
}

/// The series of parts by which one endpoint is told of one communication in one form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeriesId(pub String);

impl SeriesId {
    /// The series of a customer, communication, endpoint and form.
    pub fn of(customer: &CustomerId, communication: &str, endpoint: &EndpointId, form: Form) -> Self {
        let form = match form {
            Form::Message => "message".to_owned(),
            Form::Invitation { session, number, .. } => format!("invitation {}", number.unwrap_or(session)),
        };
        Self(hash(&[customer.as_str(), communication, &endpoint.0, &form]))
    }

    /// What invitations to a session are gathered by: the session as it stands, whichever communication told it. `again`
    /// is how often it stood at the same times before, and then at others or behind another link.
    pub fn session(incident: &IncidentId, session: &crate::event::Session, again: usize) -> String {
        let times = [session.start.to_rfc3339(), session.end.to_rfc3339()];
        let again = again.to_string();
        let mut parts = vec![
            "session",
            incident.provider.word(),
            &incident.tracking_id,
            &times[0],
            &times[1],
        ];
        if again != "0" {
            parts.push(&again);
        }
        hash(&parts)
    }

    /// The delivery that carries a part of the series: made of what it is, so that it is made once.
    pub fn delivery(&self, part: u32) -> String {
        format!("dlv_{}", hash(&[&self.0, &part.to_string()]))
    }
}

/// What an endpoint is to be told about one communication: the open part of its series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Its series.
    pub series: SeriesId,
    /// Which part: 0, then addenda for accounts that came later.
    pub part: u32,
    /// Whether it still gathers; closed when its delivery was made.
    pub open: bool,
    /// When it is due to be told.
    pub due: Time,
    /// Whose.
    pub customer: CustomerId,
    /// The incident.
    pub incident: IncidentId,
    /// The communication.
    pub communication: String,
    /// The event that began it: the text that is told.
    pub event: crate::journal::Position,
    /// Message or invitation.
    pub form: Form,
    /// Who is told.
    pub endpoint: EndpointId,
    /// The receiver that named the endpoint first.
    pub receiver: String,
    /// How.
    pub channel: Channel,
    /// The tracking id as the provider wrote it.
    pub tracking_id: String,
    /// The provider's time of the communication.
    pub published: Time,
    /// Its title.
    pub title: String,
    /// What it is.
    pub kind: crate::event::Kind,
}
