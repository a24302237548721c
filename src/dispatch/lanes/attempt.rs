//! One attempt: what it tells is read from store and journal, it is made so that no panic gets out, its end is logged and
//! goes to the ledger.
//!
//! It decides nothing: what follows from an attempt's end is the ledger's.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::failures::{Failures, Line};
use super::look::Head;
use super::slots::{Class, Route};
use super::{Dispatcher, Freed, LOOK_AGAIN_SECONDS, Signal};
use crate::channel::Outcome;
use crate::clock::Time;
use crate::delivery::{Attempt, Delivery, LaneKey, Standing};
use crate::event::{Arrival, Event};
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

/// A webhook that takes longer holds a slot for so long that its lane counts, for slots, as one that failed.
const SLOW_AFTER: Duration = Duration::from_secs(4);

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

impl Dispatcher {
    /// Prepares one attempt and lets it run.
    pub(super) fn begin(
        &mut self,
        view: &View,
        lane_key: &LaneKey,
        standing: &Standing,
        class: Class,
        now: Time,
    ) -> Result<Head> {
        let number = standing.attempts + 1;
        let prepared = match lookup::unless_lost(self.texts.of(lane_key, view, self.ledger.journal())) {
            Ok(prepared) => prepared,
            Err(error) if error.chain().any(|cause| cause.is::<journal::Error>()) => {
                tracing::error!(
                    delivery = lane_key.delivery,
                    error = format!("{error:#}"),
                    "what a delivery tells could not be read; it is looked at again"
                );
                return Ok(Head::Later(now + chrono::Duration::seconds(LOOK_AGAIN_SECONDS)));
            }
            Err(error) => return Err(error),
        };
        self.hold(lane_key);
        match prepared {
            Some((delivery, message)) => {
                self.count_latency(view, &delivery, number, now)?;
                self.run_attempt(delivery, message, number, class, now);
            }
            None => self.unsendable(lane_key, number, now),
        }
        Ok(Head::Done)
    }

    /// How long an event took to get here: of the first attempt of what tells it live.
    fn count_latency(&self, view: &View, delivery: &Delivery, number: u32, now: Time) -> Result<()> {
        if number > 1 {
            return Ok(());
        }
        // a test tells no event
        if let Some(line) = view.event(delivery.event)?.filter(|line| line.arrival == Arrival::Live) {
            self.ledger.figures().put_on_the_wire(line.heard, now);
        }
        Ok(())
    }

    fn run_attempt(&mut self, delivery: Delivery, message: Message, number: u32, class: Class, now: Time) {
        self.slots.take(&class);
        let failures = self.failures.clone();
        let (ledger, clock, signals) = (self.ledger.clone(), self.clock.clone(), self.signals.clone());
        let sending = {
            let (senders, rules, delivery) = (self.senders.clone(), self.ledger.rules(), delivery.clone());
            async move { senders.attempt(&delivery, &message, &rules).await }
        };
        self.attempts.spawn_on(
            async move {
                let began = Instant::now();
                let (outcome, digest) = match caught(sending).await {
                    Some(sent) => sent,
                    None => (panicked(&ledger, &delivery.id, number).await, String::new()),
                };
                let attempt = Attempt {
                    delivery: delivery.id.clone(),
                    number,
                    started: now,
                    ended: clock.now(),
                    outcome,
                    digest,
                };
                log(&delivery, &attempt, &failures);
                ledger.figures().attempted(delivery.channel, &attempt.outcome);
                let is_bad = is_bad(class.route, &attempt.outcome, began.elapsed());
                // before the ledger: what it tells the lanes of this attempt comes after it
                let _ = signals.send(Signal::Freed(Freed {
                    endpoint: delivery.endpoint,
                    class,
                    is_bad,
                }));
                ledger.tried(attempt);
            },
            &self.runtime,
        );
    }

    /// What a delivery says stood in a part of the journal that is damaged: it is dead, for that reason.
    fn unsendable(&self, lane_key: &LaneKey, number: u32, now: Time) {
        tracing::error!(delivery = lane_key.delivery, "the content of a delivery is lost");
        let outcome = Outcome::Refused {
            why: "its content stood in a damaged part of the journal".to_owned(),
        };
        self.ledger.tried(Attempt {
            delivery: lane_key.delivery.clone(),
            number,
            started: now,
            ended: now,
            outcome,
            digest: String::new(),
        });
    }
}

/// Whether a lane counts, for slots, as one that fails. A mail that takes long says nothing about its mailbox: that is
/// the relay.
fn is_bad(route: Route, outcome: &Outcome, took: Duration) -> bool {
    let is_slow = route == Route::Http && took > SLOW_AFTER;
    is_slow || outcome.is_tried_again()
}

/// What sending comes to; `None` if it panics: that must not get out, or the delivery would keep its slot for ever.
async fn caught(sending: impl Future<Output = (Outcome, String)> + Send + 'static) -> Option<(Outcome, String)> {
    tokio::spawn(sending).await.ok()
}

/// What an attempt that panicked comes to: another try, or, if this delivery did so before, none. Only then the store is
/// asked.
async fn panicked(ledger: &Ledger, delivery: &str, number: u32) -> Outcome {
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

/// What was delivered is a line each; what failed is as many as [`Failures`] says. Ids, never addresses.
fn log(delivery: &Delivery, attempt: &Attempt, failures: &Mutex<Failures>) {
    let (delivery_id, number, channel, customer, receiver) = (
        &attempt.delivery,
        attempt.number,
        delivery.channel.word(),
        delivery.customer.as_str(),
        &delivery.receiver,
    );
    let why = attempt.outcome.why();
    let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
    let line = failures.note(&delivery.endpoint, why.is_some(), attempt.ended);
    drop(failures);
    let is_for_good = matches!(attempt.outcome, Outcome::Refused { .. } | Outcome::Gone { .. });
    match line {
        Some(Line::Begins) => tracing::warn!(
            delivery = delivery_id,
            number,
            channel,
            customer,
            receiver,
            why,
            is_for_good,
            "a receiver does not take what it is told; while that goes on, it is logged once an hour"
        ),
        Some(Line::GoesOn { since, attempts }) => tracing::warn!(
            delivery = delivery_id,
            number,
            channel,
            customer,
            receiver,
            why,
            %since,
            attempts,
            "a receiver still does not take what it is told"
        ),
        Some(Line::IsOver { since, attempts }) => {
            tracing::info!(channel, customer, receiver, %since, attempts, "a receiver takes what it is told again");
        }
        None => {}
    }
    if attempt.outcome == Outcome::Delivered {
        tracing::info!(
            delivery = delivery_id,
            number,
            channel,
            customer,
            tracking_id = delivery.tracking_id,
            "delivered"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(outcome: Outcome) -> Attempt {
        let at = Time::UNIX_EPOCH;
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

    #[test]
    fn a_receiver_that_takes_its_time_counts_as_one_that_fails_and_a_mailbox_does_not() {
        let (quick, slow) = (Duration::from_secs(1), Duration::from_secs(6));
        let failed = Outcome::Retry {
            why: "503".to_owned(),
            after_seconds: None,
        };
        for (route, outcome, took, expected) in [
            (Route::Http, &Outcome::Delivered, quick, false),
            (Route::Http, &Outcome::Delivered, slow, true),
            (Route::Http, &failed, quick, true),
            (Route::Relay, &Outcome::Delivered, slow, false),
            (Route::Relay, &failed, quick, true),
        ] {
            assert_eq!(is_bad(route, outcome, took), expected, "{route:?} {outcome:?} {took:?}");
        }
    }
}
