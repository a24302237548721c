//! What the ledger counts, for `/metrics` and the watchdog.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, PoisonError};

use crate::channel::Outcome;
use crate::customer::CustomerId;
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
    /// What lies in the rules folder and is not read, by customer: each with the reason.
    passed_over: Mutex<BTreeMap<CustomerId, Vec<String>>>,
    /// Attempts that ended, by channel and what became of them.
    attempts: Mutex<BTreeMap<(Channel, &'static str), u64>>,
}

impl Figures {
    /// Notes what is passed over in a customer's folder; says whether that is new.
    pub fn passes_over(&self, customer: &CustomerId, what: Vec<String>) -> bool {
        let mut all = self.passed_over.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(customer).map_or(&[][..], Vec::as_slice) == what {
            return false;
        }
        match what.is_empty() {
            true => drop(all.remove(customer)),
            false => drop(all.insert(customer.clone(), what)),
        }
        true
    }

    /// What is passed over in the rules folder, by customer.
    pub fn passed_over(&self) -> BTreeMap<CustomerId, Vec<String>> {
        self.passed_over.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

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
