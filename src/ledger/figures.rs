//! What the ledger counts, for `/metrics` and the watchdog.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, PoisonError};

use crate::channel::Outcome;
use crate::notification::Channel;

/// Counters and gauges for `/metrics`.
#[derive(Debug, Default)]
pub struct Figures {
    /// Groups synced.
    pub groups: AtomicUsize,
    /// Records written.
    pub records: AtomicUsize,
    /// Inputs decided.
    pub decisions: AtomicUsize,
    /// Inputs recorded and not decided.
    pub inbox: AtomicUsize,
    /// The journal's bytes on disk.
    pub journal_bytes: AtomicUsize,
    /// The store's bytes on disk.
    pub store_bytes: AtomicUsize,
    /// Cycles begun: a watchdog sees whether it moves.
    pub cycles: AtomicUsize,
    /// Whether the rules folder is looked at every few seconds, as the system does not tell of all of its changes.
    pub rules_polled: AtomicBool,
    /// Attempts that ended, by channel and what became of them.
    attempts: Mutex<BTreeMap<(Channel, &'static str), u64>>,
}

impl Figures {
    /// Counts an attempt that ended.
    pub fn attempted(&self, channel: Channel, outcome: &Outcome) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        *attempts.entry((channel, outcome.word())).or_default() += 1;
    }

    /// Attempts that ended since the start, by channel and what became of them.
    pub fn attempts(&self) -> BTreeMap<(Channel, &'static str), u64> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
