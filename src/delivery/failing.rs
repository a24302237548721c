//! An endpoint that does not take what it is told: since when, why, and whether its owner knows.
//!
//! It is remembered beside the deliveries, because nobody wants to learn it from a line per attempt.

use serde::{Deserialize, Serialize};

use super::Delivery;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::notification::{Channel, EndpointId};

/// An endpoint whose last attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Which.
    pub endpoint: EndpointId,
    /// Whose.
    pub customer: CustomerId,
    /// The receiver that named it, as the delivery says.
    pub receiver: String,
    /// How it is told.
    pub channel: Channel,
    /// When the first attempt began that failed.
    pub since: Time,
    /// When it was last seen to fail; not every attempt is noted.
    pub last: Time,
    /// What the last noted attempt came to.
    pub why: String,
    /// Whether it refused something for good: that is a dead letter, whatever comes later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_refused: bool,
    /// Whether the mail relay refuses us: its operator is told, and not the receiver's owner.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_our_fault: bool,
    /// The delivery that was tried.
    pub delivery: String,
    /// When its owner was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Time>,
}

/// An endpoint that fails for so long needs a person: a quarter of an hour outlasts most restarts of receivers.
const FAILS_LONG: chrono::Duration = chrono::Duration::minutes(15);

/// The same of a mailbox: mail servers turn strangers away for a while (greylisting), and all mail goes by one relay,
/// whose trouble is not the mailbox's.
const MAIL_FAILS_LONG: chrono::Duration = chrono::Duration::hours(4);

impl Failing {
    /// Whether somebody should look at it.
    pub fn needs_a_person(&self, now: Time) -> bool {
        let long = match self.channel {
            Channel::Email => MAIL_FAILS_LONG,
            Channel::Webhook | Channel::Slack | Channel::Teams => FAILS_LONG,
        };
        self.is_refused || self.is_our_fault || now - self.since >= long
    }
}

/// The rule that a test message names as its reason: nobody can write one of this name.
pub const TEST_RULE: &str = "(send-test)";

impl Delivery {
    /// Whether somebody asked for it to see whether the receiver works.
    pub fn is_test(&self) -> bool {
        self.rules.iter().any(|rule| rule == TEST_RULE)
    }
}
