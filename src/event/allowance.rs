//! What the events of one body may come to, counted before they are made.
//!
//! A body of 500 kB can name 6,000 subscriptions and 8,000 updates that are each for all of them: gigabytes. Readers
//! therefore say what an event would take before they make it, in bytes as it would be written down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Arrival;
use super::json::Fault;

/// What the events of a live body may take together once each has its text, subscriptions and regions, bytes: an
/// incident of 60 updates for 10,000 subscriptions fits.
const LIVE_BYTES_MOST: usize = 64 << 20;

/// The same for a back-fill.
const HISTORY_BYTES_MOST: usize = 256 << 20;

/// What one event of a live body may take, bytes; in a back-fill it may be twice as much. It is written down in one
/// piece.
const EVENT_BYTES_MOST: usize = 8 << 20;

/// How many events a live body may hold; a back-fill may hold twice as many. An incident has some dozens of updates.
const EVENTS_MOST: usize = 5_000;

/// What an event takes beside its texts, its accounts and what is impacted, bytes.
const EVENT_BYTES: usize = 1_024;

/// What an impacted pair takes beside its names and accounts, bytes.
const PAIR_BYTES: usize = 96;

/// What an account takes beside its name, bytes.
const ACCOUNT_BYTES: usize = 4;

/// What is still allowed to a body.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    arrival: Arrival,
    bytes: usize,
    events: usize,
    stop: Stop,
}

/// Says that nobody waits for the events of a body any more.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Nobody waits any more.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether nobody waits any more.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Allowance {
    /// What is allowed to a body that arrives like this, as long as somebody waits for it.
    pub fn new(arrival: Arrival, stop: Stop) -> Self {
        Self {
            arrival,
            bytes: 0,
            events: 0,
            stop,
        }
    }

    /// Counts so many events that take so many bytes together, all from the value at byte `at`.
    ///
    /// # Errors
    /// When it is more than is allowed, or nobody waits for it.
    pub fn take(&mut self, at: usize, events: usize, bytes: usize) -> Result<(), Fault> {
        self.go_on(at)?;
        self.events += events;
        self.bytes = self.bytes.saturating_add(bytes);
        let most = match self.arrival {
            Arrival::Live => LIVE_BYTES_MOST,
            Arrival::History => HISTORY_BYTES_MOST,
        };
        within(at, "the events of this body", self.bytes, most)?;
        let most = self.times() * EVENTS_MOST;
        if self.events <= most {
            return Ok(());
        }
        let what = format!(
            "the body holds {} events up to here; at most {most} are taken at once",
            self.events
        );
        Err(Fault::too_much(at, what).hint("send fewer events at once"))
    }

    /// Checks that one event of so many bytes may be made.
    ///
    /// # Errors
    /// When it is more than is allowed.
    pub fn one_event(&self, at: usize, bytes: usize) -> Result<(), Fault> {
        let most = self.times() * EVENT_BYTES_MOST;
        within(at, "this event", bytes, most)
    }

    /// How many times as many, and as large, events a body may hold as a live one.
    fn times(&self) -> usize {
        match self.arrival {
            Arrival::Live => 1,
            Arrival::History => 2,
        }
    }

    /// Checks that somebody still waits.
    ///
    /// # Errors
    /// When nobody does.
    pub fn go_on(&self, at: usize) -> Result<(), Fault> {
        match self.stop.is_set() {
            true => Err(Fault::new(at, "its sender went away")),
            false => Ok(()),
        }
    }
}

fn within(at: usize, what: &str, bytes: usize, most: usize) -> Result<(), Fault> {
    if bytes <= most {
        return Ok(());
    }
    let what = format!(
        "{what} would take {} MiB, with all texts, subscriptions and regions; at most {} MiB are taken",
        bytes.div_ceil(1 << 20),
        most >> 20
    );
    Err(Fault::too_much(at, what).hint("send it in parts: fewer updates, subscriptions or regions at once"))
}

/// What an event of such texts and such impact takes, bytes.
pub(super) fn bytes_of_event(texts: usize, impact: usize) -> usize {
    // the text is kept as HTML and as plain text
    impact.saturating_add(EVENT_BYTES + 2 * texts)
}

/// What an impacted pair takes whose service and region have names of so many bytes, for these accounts.
pub(super) fn bytes_of_pair(names: usize, accounts: &[String]) -> usize {
    // an account stands with the pair and once more with the event
    let accounts = accounts.iter().map(|account| 2 * (ACCOUNT_BYTES + account.len()));
    PAIR_BYTES + names + accounts.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::json::Sort;

    #[test]
    fn what_is_too_much_names_the_limit_and_what_there_was() {
        let mut allowance = Allowance::new(Arrival::Live, Stop::default());
        allowance.take(0, 1, LIVE_BYTES_MOST).expect("just the limit");
        let fault = allowance.take(7, 1, 1).expect_err("a byte more");
        assert_eq!((fault.at, fault.sort), (7, Sort::TooMuch));
        assert!(
            fault.what.contains("would take 65 MiB") && fault.what.contains("at most 64 MiB"),
            "{}",
            fault.what
        );
        let fault = allowance.one_event(0, EVENT_BYTES_MOST + 1).expect_err("a byte more");
        assert!(fault.what.contains("this event would take 9 MiB"), "{}", fault.what);
        let mut allowance = Allowance::new(Arrival::History, Stop::default());
        allowance
            .take(0, 2 * EVENTS_MOST, LIVE_BYTES_MOST + 1)
            .expect("a back-fill may be larger");
        assert!(
            allowance
                .take(0, 1, 0)
                .expect_err("an event more")
                .what
                .contains("10001 events")
        );
    }

    #[test]
    fn nothing_is_counted_for_somebody_who_went_away() {
        let stop = Stop::default();
        let mut allowance = Allowance::new(Arrival::Live, stop.clone());
        allowance.take(0, 1, 1).expect("somebody waits");
        stop.set();
        assert!(
            allowance
                .take(0, 1, 1)
                .expect_err("nobody waits")
                .what
                .contains("went away")
        );
    }
}
