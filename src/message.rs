//! What we say: the frozen, typed content of one delivery, before any medium's clothes.
//!
//! A [`Message`] holds everything a channel needs to render the same bytes at every attempt: nothing is looked up
//! while rendering but the address and the signing key. Pure.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Event, Impact};
use crate::incident::IncidentId;
use crate::notification::{Channel, Form};

/// What one endpoint is told by one delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The delivery's id, `dlv_` and 32 hex digits: `webhook-id`, left part of the `Message-ID`; no `.` in it.
    pub id: String,
    /// When the delivery was made: `Date`, `DTSTAMP`.
    pub created: Time,
    /// What was decided to be told.
    pub content: FrozenContent,
    /// The communication itself.
    pub event: Arc<Event>,
}

/// The decided part of a message: small, journalled with the delivery. The event's body stays where it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenContent {
    /// Whose receiver it is.
    pub customer: CustomerId,
    /// The receiver's name.
    pub receiver: String,
    /// How it is told.
    pub channel: Channel,
    /// Message or invitation.
    pub form: Form,
    /// The rules that asked, the first first.
    pub rules: Vec<String>,
    /// 0 for the first message of a communication, then the addenda for accounts that came later: 1, 2, …
    #[serde(default, skip_serializing_if = "is_zero")]
    pub part: u32,
    /// The impact that is left of the event for this receiver, in the event's order, without repeats.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub impact: Arc<Vec<Impact>>,
    /// The receiver's accounts concerned, sorted.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub subscriptions: Arc<Vec<Subscription>>,
    /// When impact began for the incident, as known when this was frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// The IANA zone the receiver reads times in.
    pub zone: chrono_tz::Tz,
    /// Links, frozen too: the same content at every attempt.
    pub links: Links,
    /// Whom to ask for a change: the customer's contact, if the settings name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The time of the incident's communication that this receiver was told before, and its title: for threading.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_reply: bool,
    /// What this message carries for others that were superseded by it: their titles and times, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carries: Vec<Carried>,
}

/// What the messages of one communication to one customer share, if the same verdicts led to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedContent {
    /// The incident that it is about: it is kept as long as that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// Whose receivers they go to.
    pub customer: CustomerId,
    /// The rules that asked, the first first.
    pub rules: Vec<String>,
    /// The impact that is left of the event, in its order, without repeats.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub impact: Arc<Vec<Impact>>,
    /// The accounts concerned, sorted.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub subscriptions: Arc<Vec<Subscription>>,
    /// When impact began for the incident, as known when this was frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Links.
    #[serde(default)]
    pub links: Links,
    /// Whom to ask for a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

/// One of the receiver's accounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// The name the customer's rule files give it: a group of one, or the groups it is in; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// Where to read on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// Our page of the incident; `None` without a `public url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<url::Url>,
    /// The provider's portal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<url::Url>,
}

/// One communication that a superseding message stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Its title.
    pub title: String,
    /// The provider's time of it.
    pub published: Time,
}

fn is_empty<T>(shared: &Arc<Vec<T>>) -> bool {
    shared.is_empty()
}

fn is_zero(part: &u32) -> bool {
    *part == 0
}
