//! What the ledger counts, for `/metrics` and the watchdog.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Attempts that ended, by channel and what became of them.
    attempts: Mutex<BTreeMap<(Channel, &'static str), u64>>,
    rules: Mutex<RulesFolder>,
    secrets: Mutex<Vec<BadSecret>>,
}

/// What is not as it should be with the folders of rules, as they were last read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RulesFolder {
    /// Customers whose folder is gone and whose last rules stay in force.
    pub gone: BTreeSet<CustomerId>,
    /// Customers in the settings without any rules.
    pub without_rules: BTreeSet<CustomerId>,
    /// Why there is nothing to be read at all.
    pub nothing: Option<String>,
}

/// A secret that rule files name and that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BadSecret {
    /// Whose rule files name it.
    pub customer: CustomerId,
    /// Its file and what is wrong with it, without its value.
    pub why: String,
}

impl Figures {
    /// Counts an attempt that ended.
    pub fn attempted(&self, channel: Channel, outcome: &Outcome) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        *attempts.entry((channel, outcome.word())).or_default() += 1;
    }

    /// What is not as it should be with the folders of rules.
    pub fn rules_folder(&self) -> RulesFolder {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what is not as it should be with the folders of rules.
    pub fn note_rules_folder(&self, note: impl FnOnce(&mut RulesFolder)) {
        note(&mut self.rules.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The secrets that cannot be used.
    pub fn bad_secrets(&self) -> Vec<BadSecret> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes the secrets that cannot be used.
    pub fn note_bad_secrets(&self, bad: Vec<BadSecret>) {
        *self.secrets.lock().unwrap_or_else(PoisonError::into_inner) = bad;
    }

    /// Attempts that ended since the start, by channel and what became of them.
    pub fn attempts(&self) -> BTreeMap<(Channel, &'static str), u64> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
