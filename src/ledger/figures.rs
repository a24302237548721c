//! What the ledger and the lanes count, for `/metrics` and the watchdog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::histogram::Histogram;

use crate::channel::Outcome;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{End, StateWord};
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
    /// Deliveries that lanes have looked at: it grows with what happens, and not with what waits.
    pub heads_read: AtomicUsize,
    /// What lies in the rules folder and is not read, by customer: each with the reason.
    passed_over: Mutex<BTreeMap<CustomerId, Vec<String>>>,
    /// Attempts that ended, by channel and what became of them.
    attempts: Mutex<BTreeMap<(Channel, &'static str), u64>>,
    rules: Mutex<RulesFolder>,
    secrets: Mutex<Vec<BadSecret>>,
    /// Deliveries that ended dead, by reason.
    dead: Mutex<BTreeMap<&'static str, u64>>,
    /// How long it took from hearing an event to the first attempt of what tells it.
    pub event_to_wire: EventToWire,
    /// How long the thread that writes was busy at a stretch: events are acknowledged in between.
    pub cycle: CycleTook,
}

/// A histogram of the seconds from hearing an event to the first attempt of what tells it.
#[derive(Debug)]
pub struct EventToWire(pub Histogram);

/// A histogram of the seconds for which the writing thread was busy at a stretch.
#[derive(Debug)]
pub struct CycleTook(pub Histogram);

/// Its bounds, in seconds. A decision takes its time, and so does a disk.
const CYCLE_SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

impl Default for CycleTook {
    fn default() -> Self {
        Self(Histogram::new(CYCLE_SECONDS))
    }
}

/// Its bounds, in seconds. What gathers is told after ten seconds, unless a rule says otherwise.
const EVENT_TO_WIRE_SECONDS: [f64; 13] = [
    0.1, 0.5, 1.0, 5.0, 10.0, 11.0, 12.0, 15.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0,
];

impl Default for EventToWire {
    fn default() -> Self {
        Self(Histogram::new(EVENT_TO_WIRE_SECONDS))
    }
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

    /// Counts a first attempt that begins now, of what tells an event that was heard then.
    pub fn put_on_the_wire(&self, heard: Time, now: Time) {
        let milliseconds = (now - heard).num_milliseconds().max(0);
        self.event_to_wire.0.observe(milliseconds as f64 / 1_000.0);
    }

    /// Counts how deliveries ended.
    pub fn ended<'a>(&self, ends: impl Iterator<Item = &'a End>) {
        let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        for end in ends.filter(|end| end.word() == StateWord::Dead) {
            *dead.entry(end.reason()).or_default() += 1;
        }
    }

    /// Deliveries that ended dead since the start, by reason; each reason is there, also where none did.
    pub fn dead(&self) -> BTreeMap<&'static str, u64> {
        let mut all: BTreeMap<&'static str, u64> = End::DEAD_REASONS.iter().map(|reason| (*reason, 0)).collect();
        all.extend(self.dead.lock().unwrap_or_else(PoisonError::into_inner).iter());
        all
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
