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
use crate::ledger::Ledger;
use crate::lookup::{self, Frozen};
use crate::message::Message;
use crate::store::View;

/// How many texts, and how many contents, are held for the messages that tell them.
const HELD: usize = 64;

/// How many attempts of a delivery may panic; then it is dead.
const PANICS_MOST: usize = 3;

/// What an attempt that panicked says; earlier ones are known by it.
const PANICKED: &str = "sending ended in a panic";

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

/// What sending comes to; `None` if it panics: that must not get out, or the delivery would keep its slot for ever.
pub async fn caught(sending: impl Future<Output = (Outcome, String)> + Send + 'static) -> Option<(Outcome, String)> {
    tokio::spawn(sending).await.ok()
}

/// What an attempt that panicked comes to: another try, or, if this delivery did so before, none. Only then the store is
/// asked.
pub async fn panicked(ledger: &Ledger, delivery: &str, number: u32) -> Outcome {
    let (view, id) = (ledger.clone(), delivery.to_owned());
    let known = match number as usize >= PANICS_MOST {
        true => tokio::task::spawn_blocking(move || view.view().attempts(&id)).await,
        false => Ok(Ok(Vec::new())),
    };
    match known.map_err(anyhow::Error::from).and_then(|known| known) {
        Ok(earlier) => after_panic(&earlier),
        Err(error) => {
            tracing::error!(
                delivery,
                error = format!("{error:#}"),
                "earlier attempts could not be read"
            );
            after_panic(&[])
        }
    }
}

/// A message that cannot be rendered today may be rendered by the next version; one that brought three attempts down is
/// a dead letter, which can be sent again on command.
fn after_panic(earlier: &[Attempt]) -> Outcome {
    let panics = earlier.iter().filter(|attempt| attempt.outcome.why() == Some(PANICKED));
    match panics.count() + 1 >= PANICS_MOST {
        true => Outcome::Refused {
            why: format!("{PANICKED}, {PANICS_MOST} times"),
        },
        false => Outcome::Retry {
            why: PANICKED.to_owned(),
            after_seconds: None,
        },
    }
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

    fn attempt(outcome: Outcome) -> Attempt {
        let at = crate::clock::Time::UNIX_EPOCH;
        Attempt {
            delivery: "dlv_1".to_owned(),
            number: 1,
            started: at,
            ended: at,
            outcome,
            digest: String::new(),
        }
    }

    #[tokio::test]
    async fn sending_that_panics_brings_nothing_else_down() {
        assert_eq!(
            caught(async { panic!("a message that cannot be rendered") }).await,
            None
        );
        let sent = caught(async { (Outcome::Delivered, "digest".to_owned()) }).await;
        assert_eq!(sent, Some((Outcome::Delivered, "digest".to_owned())));
    }

    #[test]
    fn only_the_third_panic_of_a_delivery_ends_it() {
        let mut earlier = Vec::new();
        for _ in 0..2 {
            let outcome = after_panic(&earlier);
            assert!(
                matches!(&outcome, Outcome::Retry { why, .. } if why == PANICKED),
                "{outcome:?}"
            );
            earlier.push(attempt(outcome));
            let other = "answered 503".to_owned();
            earlier.push(attempt(Outcome::Retry {
                why: other,
                after_seconds: None,
            }));
        }
        let outcome = after_panic(&earlier);
        assert!(
            matches!(&outcome, Outcome::Refused { why } if why.contains("3 times")),
            "{outcome:?}"
        );
    }
}
