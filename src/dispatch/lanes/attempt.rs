//! One attempt: what it tells is read from store and journal, it is made so that no panic gets out, and it is logged.
//!
//! It decides nothing: what follows from an attempt's end is the ledger's.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::channel::Outcome;
use crate::delivery::{Attempt, Delivery, LaneKey};
use crate::event::Event;
use crate::journal;
use crate::journal::Position;
use crate::lookup::{self, Frozen};
use crate::message::Message;
use crate::store::View;

/// How many texts, and how many contents, are held for the messages that tell them.
const HELD: usize = 64;

/// What deliveries tell.
#[derive(Default)]
pub struct Texts {
    events: Held<Event>,
    contents: Held<Frozen>,
}

/// What stands at positions of the journal, the latest few.
struct Held<T>(VecDeque<(Position, Arc<T>)>);

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Held<T> {
    fn at(&mut self, at: Position, read: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        if let Some((_, known)) = self.0.iter().find(|(position, _)| *position == at) {
            return Ok(known.clone());
        }
        let new = Arc::new(read()?);
        self.0.push_back((at, new.clone()));
        if self.0.len() > HELD {
            self.0.pop_front();
        }
        Ok(new)
    }
}

impl Texts {
    /// A delivery and its message.
    ///
    /// # Errors
    /// When store or journal cannot be read, or it is not there.
    pub fn of(&mut self, lane_key: &LaneKey, view: &View, journal: &journal::Reader) -> Result<(Delivery, Message)> {
        let item = view
            .delivery_item(&lane_key.delivery)?
            .context("the delivery is not known")?;
        let at = item.content.context("the delivery is not made yet")?;
        let frozen = self.contents.at(at, || lookup::content(journal, at))?;
        let event = item.delivery.event;
        let message = Message {
            id: item.delivery.id.clone(),
            created: item.delivery.created,
            content: item.content_of(&frozen),
            event: self.events.at(event, || lookup::event(journal, event))?,
        };
        Ok((item.delivery, message))
    }
}

/// What sending comes to, also where it panics: one message that cannot be rendered must not keep its place for ever.
pub async fn caught(sending: impl Future<Output = (Outcome, String)> + Send + 'static) -> (Outcome, String) {
    tokio::spawn(sending).await.unwrap_or_else(|_| {
        let outcome = Outcome::Retry {
            why: "sending ended in a panic".to_owned(),
            after_seconds: None,
        };
        (outcome, String::new())
    })
}

/// One line per attempt: ids, never addresses.
pub fn log(delivery: &Delivery, attempt: &Attempt) {
    let (delivery_id, number, channel, customer) = (
        &attempt.delivery,
        attempt.number,
        delivery.channel.word(),
        delivery.customer.as_str(),
    );
    match &attempt.outcome {
        Outcome::Delivered => tracing::info!(
            delivery = delivery_id,
            number,
            channel,
            customer,
            tracking_id = delivery.tracking_id,
            "delivered"
        ),
        Outcome::Retry { why, .. } => tracing::warn!(
            delivery = delivery_id,
            number,
            channel,
            customer,
            why,
            "an attempt failed; it is tried again"
        ),
        Outcome::Refused { why } | Outcome::Gone { why } => tracing::warn!(
            delivery = delivery_id,
            number,
            channel,
            customer,
            why,
            "refused for good"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sending_that_panics_is_an_attempt_that_failed() {
        let (outcome, digest) = caught(async { panic!("a message that cannot be rendered") }).await;
        assert!(
            matches!(&outcome, Outcome::Retry { why, .. } if why == "sending ended in a panic"),
            "{outcome:?}"
        );
        assert_eq!(digest, "");
    }

    #[tokio::test]
    async fn sending_that_ends_well_is_told_as_it_is() {
        let sent = caught(async { (Outcome::Delivered, "digest".to_owned()) }).await;
        assert_eq!(sent, (Outcome::Delivered, "digest".to_owned()));
    }
}
