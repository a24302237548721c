//! One or more due notifications on their way to one endpoint: what a delivery is, when it is tried again, how it ends.
//!
//! [`next`] is the whole policy and it is pure: jitter is a hash of the delivery and the attempt's number. A delivery
//! ends *delivered* or *dead*; it never just disappears.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::channel::Outcome;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::Kind;
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::notification::{Channel, EndpointId, Form, SeriesId};

mod failing;

pub use failing::{Failing, TEST_RULE};

/// How long a delivery is tried: three days, as webhooks' common schedule (Standard Webhooks) and alerts want it.
pub const LIFE: chrono::Duration = chrono::Duration::days(3);

/// Waits between attempts, in seconds; the last one repeats. Quick at first: an alert that is late is half an alert.
/// The cap is Postfix's `maximal_backoff_time`.
const WAITS_SECONDS: [i64; 8] = [5, 30, 120, 300, 900, 1800, 3600, 4000];

/// The longest wait that a receiver may ask for (`Retry-After`), in seconds: a day.
pub const RETRY_AFTER_MOST_SECONDS: u64 = 86_400;

/// What is known of a delivery from its making on; it never changes. What changes is its [`Standing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// `dlv_` and 32 hex digits, made of what it is: customer, communication, endpoint, form, part.
    pub id: String,
    /// Whose receiver it goes to.
    pub customer: CustomerId,
    /// The receiver that named the endpoint first.
    pub receiver: String,
    /// Where it goes; the address is looked up when sending.
    pub endpoint: EndpointId,
    /// How.
    pub channel: Channel,
    /// Message or invitation.
    pub form: Form,
    /// About which incident.
    pub incident: IncidentId,
    /// Its tracking id as the provider wrote it.
    pub tracking_id: String,
    /// The rules that asked, the first first.
    pub rules: Vec<String>,
    /// The series it carries a part of.
    pub series: SeriesId,
    /// Which part.
    pub part: u32,
    /// The event whose text it tells.
    pub event: Position,
    /// The provider's time of it: the lane's order.
    pub published: Time,
    /// Its title.
    pub title: String,
    /// What the communication is.
    pub kind: Kind,
    /// When it was made.
    pub created: Time,
    /// Told even if something newer is waiting behind it (a rule's `every`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every: bool,
}

/// Where a delivery stands in its lane: enough to name every key it has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LaneKey {
    /// The lane.
    pub endpoint: EndpointId,
    /// Deliveries of one incident go in order.
    pub incident: IncidentId,
    /// The order.
    pub published: Time,
    /// When it was made: the order of lists.
    pub created: Time,
    /// Whose it is: what lists are kept by.
    pub customer: CustomerId,
    /// Its id.
    pub delivery: String,
}

/// How far along a delivery is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its id.
    pub delivery: String,
    /// How many attempts have ended.
    pub attempts: u32,
    /// Scheduled, or how it ended.
    pub state: State,
}

/// Scheduled, or how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Will be tried.
    Scheduled {
        /// Not before.
        at: Time,
        /// Dead after.
        expires: Time,
    },
    /// Will not be tried again.
    Ended {
        /// How it ended.
        end: End,
        /// When.
        at: Time,
    },
}

/// How a delivery ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The receiver took it.
    Delivered,
    /// Its life is over.
    Expired,
    /// The receiver will never take this one.
    Refused {
        /// Its words.
        why: String,
    },
    /// The receiver is gone: its endpoint says so, or no rule file names it any more.
    ReceiverGone {
        /// What was found.
        why: String,
    },
    /// Another delivery stands for it.
    Superseded {
        /// Its id.
        by: String,
    },
}

/// The three words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateWord {
    /// Will be tried.
    Scheduled,
    /// The receiver took it.
    Delivered,
    /// A dead letter.
    Dead,
}

/// One finished try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The delivery's id.
    pub delivery: String,
    /// 1, 2, …
    pub number: u32,
    /// When it began.
    pub started: Time,
    /// When it ended.
    pub ended: Time,
    /// What became of it.
    pub outcome: Outcome,
    /// SHA-256 of what was sent, hex; empty when nothing could be sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

/// What an attempt's end means for its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing more is to be done.
    Done,
    /// Try again.
    Again {
        /// Not before.
        at: Time,
    },
    /// Never again.
    Dead {
        /// Why.
        end: End,
    },
}

impl Delivery {
    /// Where it stands.
    pub fn lane_key(&self) -> LaneKey {
        LaneKey {
            endpoint: self.endpoint.clone(),
            incident: self.incident.clone(),
            published: self.published,
            created: self.created,
            customer: self.customer.clone(),
            delivery: self.id.clone(),
        }
    }

    /// Whether something newer may be told in its place: an invitation and a message told to the letter may not.
    pub fn may_be_superseded(&self) -> bool {
        !self.every && matches!(self.form, Form::Message)
    }

    /// Whether `newer`, waiting behind it, can stand for it: another communication of the same line of the incident (an
    /// invitation says nothing of what a review says), both messages that may be superseded. Parts of one communication
    /// never stand for each other: each lists other accounts.
    pub fn can_be_told_by(&self, newer: &Delivery) -> bool {
        self.may_be_superseded()
            && newer.may_be_superseded()
            && self.kind.line() == newer.kind.line()
            && self.event != newer.event
            && self.series != newer.series
    }
}

impl State {
    /// The API's word.
    pub fn word(&self) -> StateWord {
        match self {
            State::Scheduled { .. } => StateWord::Scheduled,
            State::Ended { end, .. } => end.word(),
        }
    }
}

impl End {
    /// The reasons for which a delivery is dead.
    pub const DEAD_REASONS: [&str; 4] = ["expired", "refused", "receiver-gone", "superseded"];

    /// How it ended, in a word for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            End::Delivered => "delivered",
            End::Expired => "expired",
            End::Refused { .. } => "refused",
            End::ReceiverGone { .. } => "receiver-gone",
            End::Superseded { .. } => "superseded",
        }
    }

    /// The API's word.
    pub fn word(&self) -> StateWord {
        match self {
            End::Delivered => StateWord::Delivered,
            _ => StateWord::Dead,
        }
    }
}

impl StateWord {
    /// As the API and the command line write it.
    pub fn word(self) -> &'static str {
        match self {
            StateWord::Scheduled => "scheduled",
            StateWord::Delivered => "delivered",
            StateWord::Dead => "dead",
        }
    }

    /// Reads the word.
    pub fn read(text: &str) -> Option<Self> {
        [Self::Scheduled, Self::Delivered, Self::Dead]
            .into_iter()
            .find(|state| state.word() == text)
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Delivered => f.write_str("delivered"),
            End::Expired => f.write_str("expired: it could not be delivered within its life"),
            End::Refused { why } => write!(f, "refused: {why}"),
            End::ReceiverGone { why } => write!(f, "receiver gone: {why}"),
            End::Superseded { by } => write!(f, "superseded by {by}"),
        }
    }
}

/// What the end of `attempt` means; `expires` is when the delivery's life ends.
pub fn next(attempt: &Attempt, expires: Time, now: Time) -> Next {
    match &attempt.outcome {
        Outcome::Delivered => Next::Done,
        Outcome::Refused { why } => Next::Dead {
            end: End::Refused { why: why.clone() },
        },
        Outcome::Gone { why } => Next::Dead {
            end: End::ReceiverGone { why: why.clone() },
        },
        Outcome::Retry { .. } | Outcome::OurFault { .. } => {
            let asked_seconds = match &attempt.outcome {
                Outcome::Retry { after_seconds, .. } => *after_seconds,
                _ => None,
            };
            let at = now + wait(attempt, asked_seconds);
            // the last try comes at the very end of the life rather than never
            match at < expires {
                true => Next::Again { at },
                false if now + chrono::Duration::seconds(WAITS_SECONDS[0]) < expires => Next::Again {
                    at: expires - chrono::Duration::seconds(1),
                },
                false => Next::Dead { end: End::Expired },
            }
        }
    }
}

/// The wait after an attempt: the schedule's, longer if the receiver asks for it (at most a day), plus up to a fifth,
/// so that what failed together does not come back together.
fn wait(attempt: &Attempt, asked_seconds: Option<u64>) -> chrono::Duration {
    let step = (attempt.number.max(1) as usize - 1).min(WAITS_SECONDS.len() - 1);
    let asked = asked_seconds.unwrap_or(0).min(RETRY_AFTER_MOST_SECONDS);
    let milliseconds = 1000 * WAITS_SECONDS[step].max(i64::try_from(asked).unwrap_or(i64::MAX));
    chrono::Duration::milliseconds(milliseconds + milliseconds / 5 * i64::from(jitter(attempt)) / 255)
}

fn jitter(attempt: &Attempt) -> u8 {
    Sha256::digest(format!("{} {}", attempt.delivery, attempt.number))[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(number: u32, after_seconds: Option<u64>) -> Attempt {
        let at = Time::UNIX_EPOCH;
        let outcome = Outcome::Retry {
            why: "503".into(),
            after_seconds,
        };
        Attempt {
            delivery: "dlv_1".into(),
            number,
            started: at,
            ended: at,
            outcome,
            digest: String::new(),
        }
    }

    fn wait_seconds(attempt: &Attempt) -> i64 {
        let now = Time::UNIX_EPOCH;
        match next(attempt, now + LIFE, now) {
            Next::Again { at } => (at - now).num_seconds(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waits_grow_and_end_at_the_cap() {
        let waits: Vec<i64> = (1..=12).map(|number| wait_seconds(&failed(number, None))).collect();
        assert!(waits[0] >= 5 && waits[0] <= 6, "{waits:?}");
        assert!(
            waits.iter().zip(&waits[1..8]).all(|(one, next)| one < next),
            "{waits:?}"
        );
        assert!(waits[11] >= 4000 && waits[11] <= 4800, "{waits:?}");
    }

    #[test]
    fn a_receiver_may_ask_for_more_but_not_for_more_than_a_day() {
        assert!(wait_seconds(&failed(1, Some(600))) >= 600);
        assert!(wait_seconds(&failed(1, Some(1_000_000_000))) <= 86_400 + 86_400 / 5);
    }

    #[test]
    fn a_delivery_dies_at_the_end_of_its_life_and_not_before_a_last_try() {
        let now = Time::UNIX_EPOCH;
        let soon = now + chrono::Duration::minutes(30);
        assert_eq!(
            next(&failed(9, None), soon, now),
            Next::Again {
                at: soon - chrono::Duration::seconds(1)
            }
        );
        assert_eq!(next(&failed(9, None), now, now), Next::Dead { end: End::Expired });
    }

    #[test]
    fn the_same_attempt_always_waits_the_same() {
        assert_eq!(wait_seconds(&failed(3, None)), wait_seconds(&failed(3, None)));
    }
}
