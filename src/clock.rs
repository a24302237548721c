//! Wall time, as an argument.
//!
//! Decisions never ask for the time: they get it. Only the floors that act (ledger, dispatch, doors) hold a
//! [`Clock`], and tests hold one that is moved by hand.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// A moment in UTC. Everything that is stored, compared or sent uses this one type.
pub type Time = DateTime<Utc>;

/// Where "now" comes from.
#[derive(Clone)]
pub enum Clock {
    /// The machine's wall clock.
    System,
    /// A clock that stands still until somebody moves it (tests, `explain`, replays).
    ByHand(ByHand),
}

/// A clock moved by hand; clones share the same time.
#[derive(Clone)]
pub struct ByHand {
    now: Arc<Mutex<Time>>,
    moved: watch::Sender<Time>,
}

impl ByHand {
    /// A clock that says `start` until it is moved.
    pub fn at(start: Time) -> Self {
        Self {
            now: Arc::new(Mutex::new(start)),
            moved: watch::Sender::new(start),
        }
    }

    /// Moves the clock forward by `by` and wakes whoever waits for a time that has now come.
    pub fn advance(&self, by: chrono::Duration) {
        let mut now = self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *now += by;
        self.moved.send_replace(*now);
    }
}

impl Clock {
    /// The present moment.
    pub fn now(&self) -> Time {
        match self {
            Clock::System => Utc::now(),
            Clock::ByHand(hand) => *hand.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner()),
        }
    }

    /// Tells when a clock moved by hand was moved; `None` for the system's clock, which needs no telling.
    pub fn moves(&self) -> Option<watch::Receiver<Time>> {
        match self {
            Clock::System => None,
            Clock::ByHand(hand) => Some(hand.moved.subscribe()),
        }
    }
}
