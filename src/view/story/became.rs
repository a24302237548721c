//! What became of a notification that a rule asked for: it still gathers, it became a delivery, or it is forgotten.

use anyhow::Result;

use super::{Gathering, Sources, Tracked};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{End, State};
use crate::notification::Channel;
use crate::record::Tells;

/// How many successors of a delivery are followed.
const SUCCESSORS_MOST: usize = 32;

/// What became of one notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Became {
    /// The receiver that the rule names.
    pub receiver: String,
    /// How; `None` if it is forgotten.
    pub channel: Option<Channel>,
    /// Its delivery, made or to be made.
    pub delivery: String,
    /// How far it is.
    pub fate: Fate,
}

/// How far a notification is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It gathers, and is told then.
    Gathering {
        /// When.
        due: Time,
    },
    /// It is tried then, for the first time or again.
    Scheduled {
        /// When.
        next: Time,
        /// What the last attempt came to.
        why: Option<String>,
    },
    /// The receiver took it.
    Delivered {
        /// When.
        at: Time,
    },
    /// It will not be tried again.
    Dead {
        /// When it ended.
        at: Time,
        /// How.
        why: String,
    },
    /// Another delivery stands for it.
    Superseded {
        /// When it was superseded.
        at: Time,
        /// By which.
        by: String,
    },
    /// Its retention is over.
    Forgotten,
}

/// Where a notification led: its delivery and those that stand for it, or that it still gathers.
pub(super) struct Followed {
    pub became: Became,
    pub deliveries: Vec<Tracked>,
    pub gathering: Option<Gathering>,
}

/// Follows a notification of a customer that rules asked for.
pub(super) fn follow(from: &Sources<'_>, customer: &CustomerId, tells: &Tells, because: &[String]) -> Result<Followed> {
    let id = tells.series.delivery(tells.part);
    let deliveries = chain(from, &id, because)?;
    let store = from.visibility.store;
    let open = match deliveries.is_empty() {
        true => store.notification(&tells.series, tells.part)?,
        false => None,
    };
    let first = deliveries.first();
    let fate = match (first, &open) {
        (Some(first), _) => Fate::of(first),
        (None, Some(open)) => Fate::Gathering { due: open.due },
        (None, None) => Fate::Forgotten,
    };
    Ok(Followed {
        became: Became {
            receiver: tells.receiver.clone(),
            channel: first
                .map(|first| first.delivery.channel)
                .or(open.as_ref().map(|open| open.channel)),
            delivery: id,
            fate,
        },
        gathering: open.map(|open| Gathering {
            customer: customer.clone(),
            receiver: tells.receiver.clone(),
            channel: open.channel,
            due: open.due,
            because: because.to_vec(),
            address: address(from, &tells.endpoint),
        }),
        deliveries,
    })
}

/// A delivery and those that stand for it, each the successor of the one before.
fn chain(from: &Sources<'_>, id: &str, because: &[String]) -> Result<Vec<Tracked>> {
    let mut chain: Vec<Tracked> = Vec::new();
    let mut next = Some(id.to_owned());
    while let Some(id) =
        next.filter(|id| chain.len() < SUCCESSORS_MOST && chain.iter().all(|one| one.delivery.id != *id))
    {
        let Some(mut tracked) = Tracked::find(from.visibility.store, &id)? else {
            break;
        };
        if chain.is_empty() {
            let later = because.iter().filter(|rule| !tracked.because.contains(rule)).cloned();
            let later: Vec<String> = later.collect();
            tracked.because.extend(later);
        }
        tracked.address = address(from, &tracked.delivery.endpoint);
        next = tracked.successor().map(str::to_owned);
        chain.push(tracked.for_viewer(&from.visibility));
    }
    Ok(chain)
}

/// Where an endpoint is now, if the viewer may know and a receiver still names it.
fn address(from: &Sources<'_>, endpoint: &crate::notification::EndpointId) -> Option<String> {
    let known = from
        .past
        .now()
        .endpoint(endpoint)
        .filter(|_| from.visibility.shows_addresses());
    known.map(|(_, _, address)| address.shown())
}

impl Fate {
    fn of(tracked: &Tracked) -> Self {
        match &tracked.standing.state {
            State::Scheduled { at, .. } => Self::Scheduled {
                next: *at,
                why: tracked
                    .attempts
                    .last()
                    .and_then(|last| last.outcome.why())
                    .map(str::to_owned),
            },
            State::Ended { end, at } => match end {
                End::Delivered => Self::Delivered { at: *at },
                End::Superseded { by } => Self::Superseded {
                    at: *at,
                    by: by.clone(),
                },
                End::Expired | End::Refused { .. } | End::ReceiverGone { .. } => Self::Dead {
                    at: *at,
                    why: end.to_string(),
                },
            },
        }
    }

    /// The word of the API.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Gathering { .. } => "gathering",
            Self::Scheduled { .. } => "scheduled",
            Self::Delivered { .. } => "delivered",
            Self::Dead { .. } => "dead",
            Self::Superseded { .. } => "superseded",
            Self::Forgotten => "forgotten",
        }
    }
}
