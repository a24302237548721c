//! Making events of bodies, away from the threads that serve connections: large texts take a while.
//!
//! What reading a body takes is reserved before it begins, over all bodies, and waited for. Small bodies have places of
//! their own, so that an event does not wait for somebody's back-fill. Who goes away takes the work along: what was not
//! begun is not done, and what was begun stops at the next event.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::body::Held;
use super::refusal::Refusal;
use super::room::BEGINNING_BYTES;
use crate::event::{self, Arrival, Event, Malformed, Parsed, Source, Stop};
use crate::record::Input;

/// What reading small bodies may take at once, bytes.
const SMALL_BYTES_MOST: usize = 48 << 20;

/// What reading the others may take at once, bytes.
const LARGE_BYTES_MOST: usize = 160 << 20;

/// How long a body waits for its turn. Azure waits 75 s for an answer.
const TURN_WAITS: Duration = Duration::from_secs(30);

/// Bytes of events, roughly, that are made and written down together.
const TOGETHER_BYTES: usize = 2 << 20;

/// The places for bodies that are read.
pub struct Places {
    /// Permits are KiB of memory.
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// How events are to be taken.
pub struct Terms {
    /// Whose events they are, if the path says so.
    pub source: Option<Source>,
    /// Live, or a back-fill.
    pub arrival: Arrival,
    /// The account that events belong to which name none.
    pub account: Option<String>,
}

/// A body that was read and whose events are still to be made.
#[derive(Debug)]
pub struct Batch {
    parsed: Parsed,
    account: Option<String>,
    _place: OwnedSemaphorePermit,
}

/// Some events of a batch.
#[derive(Debug)]
pub struct Group {
    /// The events.
    pub inputs: Vec<Input>,
    /// In which forms they came.
    pub forms: Vec<&'static str>,
}

/// Says that nobody waits any more when it is dropped.
struct Waits(Stop);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl Default for Places {
    fn default() -> Self {
        Self {
            small: Arc::new(Semaphore::new(SMALL_BYTES_MOST / 1024)),
            large: Arc::new(Semaphore::new(LARGE_BYTES_MOST / 1024)),
        }
    }
}

impl Places {
    async fn take(&self, body_bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let (places, most) = match body_bytes <= BEGINNING_BYTES {
            true => (&self.small, SMALL_BYTES_MOST),
            false => (&self.large, LARGE_BYTES_MOST),
        };
        let place = places
            .clone()
            .acquire_many_owned(kib(event::bytes_to_read(body_bytes).min(most)));
        match timeout(TURN_WAITS, place).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Refusal::later(
                "too many bodies wait to be read; try again in a few seconds",
                5,
            )),
        }
    }

    /// Reads a body when it is its turn.
    ///
    /// # Errors
    /// When it cannot be read, is too much, or its turn does not come.
    pub async fn parse(&self, held: Arc<Held>, terms: Terms) -> Result<Batch, Refusal> {
        let mut place = self.take(held.bytes.len()).await?;
        let stop = Stop::default();
        let waits = Waits(stop.clone());
        let work = move || {
            let parsed = event::parse(&held.bytes, terms.source, terms.arrival, stop)?;
            drop(held);
            // what was reserved for reading is given back but for what the events still share
            let kept = kib(parsed.bytes()).min(u32::try_from(place.num_permits()).unwrap_or(u32::MAX));
            let kept = place.split(kept as usize).expect("no more than there is");
            Ok(Batch {
                parsed,
                account: terms.account,
                _place: kept,
            })
        };
        let done = tokio::task::spawn_blocking(work).await;
        drop(waits);
        match done {
            Ok(Ok(batch)) => Ok(batch),
            Ok(Err(malformed)) => Err(refused(malformed)),
            Err(error) => Err(panicked(&error)),
        }
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

fn refused(malformed: Malformed) -> Refusal {
    // who sends it may show the answer to nobody
    let (what, field, offset) = (&malformed.what, malformed.field.as_deref(), malformed.offset);
    tracing::warn!(?what, field, offset, "an event was refused");
    malformed.into()
}

fn panicked(error: &tokio::task::JoinError) -> Refusal {
    tracing::error!(%error, "reading a body ended in a panic");
    Refusal::bad("this body cannot be read")
}

impl Batch {
    /// Whether there is no event in it.
    pub fn is_empty(&self) -> bool {
        self.parsed.len() == 0
    }

    /// Whether one of its events is a test.
    pub fn has_test(&self) -> bool {
        self.parsed.has_test()
    }

    /// What is wrong with elements of the body that cannot be read beside others that can.
    pub fn unreadable(&self) -> Option<Refusal> {
        self.parsed.unreadable.clone().map(refused)
    }

    /// What in the body was no health event, and how many there were in all.
    pub fn ignored(&mut self) -> (Vec<event::Ignored>, usize) {
        (std::mem::take(&mut self.parsed.ignored), self.parsed.ignored_count)
    }

    /// Makes the next events, as many as are written down together; none when all were made.
    ///
    /// # Errors
    /// When one cannot be made.
    pub async fn next_group(self) -> Result<(Group, Self), Refusal> {
        let stop = Stop::default();
        let waits = Waits(stop.clone());
        let made = tokio::task::spawn_blocking(move || self.make(&stop)).await;
        drop(waits);
        made.map_err(|error| panicked(&error))
    }

    fn make(mut self, stop: &Stop) -> (Group, Self) {
        let mut group = Group {
            inputs: Vec::new(),
            forms: Vec::new(),
        };
        let mut bytes = 0;
        while bytes < TOGETHER_BYTES && !stop.is_set() {
            let Some(mut event) = self.parsed.next_event() else {
                break;
            };
            if event.accounts.is_empty() {
                event.accounts.extend(self.account.clone());
            }
            bytes += size(&event);
            group.forms.push(event.form.word());
            group.inputs.push(Input::Heard { event: Box::new(event) });
        }
        (group, self)
    }
}

/// What an event takes, bytes, roughly.
fn size(event: &Event) -> usize {
    let accounts: usize = event.impact.iter().map(|pair| pair.accounts.len()).sum();
    1024 + event.html.len() + event.text.len() + 64 * (event.accounts.len() + event.impact.len() + accounts)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn terms() -> Terms {
        Terms {
            source: None,
            arrival: Arrival::Live,
            account: None,
        }
    }

    #[tokio::test]
    async fn a_small_body_does_not_wait_for_large_ones() {
        let places = Places::default();
        let mut taken = Vec::new();
        while places.large.available_permits() >= kib(event::bytes_to_read(1 << 20)) as usize {
            taken.push(places.take(1 << 20).await.expect("a place"));
        }
        assert!(taken.len() >= 3, "{}", taken.len());
        let mut large = pin!(places.take(1 << 20));
        let waits = std::future::poll_fn(|context| std::task::Poll::Ready(large.as_mut().poll(context).is_pending()));
        assert!(waits.await);
        drop(places.take(BEGINNING_BYTES).await.expect("a place of its own"));
        taken.pop();
        drop(large.await.expect("its turn"));
    }

    #[tokio::test]
    async fn a_sender_that_goes_away_while_it_waits_leaves_nothing_to_do() {
        let places = Places::default();
        let all = places
            .small
            .clone()
            .acquire_many_owned(kib(SMALL_BYTES_MOST))
            .await
            .expect("all places");
        let held = Arc::new(super::super::body::held_for_tests(b"{}"));
        {
            let mut waiting = pin!(places.parse(held, terms()));
            let waits =
                std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending()));
            assert!(waits.await);
        }
        drop(all);
        assert_eq!(places.small.available_permits(), SMALL_BYTES_MOST / 1024);
    }

    #[tokio::test]
    async fn what_was_reserved_for_reading_is_given_back_when_it_was_read() {
        let places = Places::default();
        let body = include_bytes!("../../tests/fixtures/samples/synthetic/azure-legacy-incident-active.json");
        let batch = places
            .parse(Arc::new(super::super::body::held_for_tests(body)), terms())
            .await;
        let batch = batch.expect("an event");
        let kept = SMALL_BYTES_MOST / 1024 - places.small.available_permits();
        assert!((1..=body.len() / 1024 + 2).contains(&kept), "{kept} KiB");
        let (group, rest) = batch.next_group().await.expect("is made");
        assert_eq!((group.inputs.len(), rest.is_empty()), (1, true));
        drop(rest);
        assert_eq!(places.small.available_permits(), SMALL_BYTES_MOST / 1024);
    }
}
