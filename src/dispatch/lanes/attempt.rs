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
use crate::lookup;
use crate::message::Message;
use crate::store::View;

/// How many events' texts are held for the messages that tell them.
const EVENTS_HELD: usize = 32;

/// What deliveries tell.
#[derive(Default)]
pub struct Texts {
    events: VecDeque<(Position, Arc<Event>)>,
}

impl Texts {
    /// A delivery and its message.
    ///
    /// # Errors
    /// When store or journal cannot be read, or it is not there.
    pub fn of(&mut self, lane_key: &LaneKey, view: &View, journal: &journal::Reader) -> Result<(Delivery, Message)> {
        let (delivery, content, _) = view
            .delivery(&lane_key.delivery)?
            .context("the delivery is not known")?;
        let mut content = lookup::content(journal, content)?;
        content.carries = view.carried(&delivery.id)?;
        let event = self.event(delivery.event, journal)?;
        let message = Message {
            id: delivery.id.clone(),
            created: delivery.created,
            content,
            event: (*event).clone(),
        };
        Ok((delivery, message))
    }

    /// An event's text, held for the other messages that tell it.
    fn event(&mut self, at: Position, journal: &journal::Reader) -> Result<Arc<Event>> {
        if let Some((_, event)) = self.events.iter().find(|(position, _)| *position == at) {
            return Ok(event.clone());
        }
        let event = Arc::new(lookup::event(journal, at)?);
        self.events.push_back((at, event.clone()));
        if self.events.len() > EVENTS_HELD {
            self.events.pop_front();
        }
        Ok(event)
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
