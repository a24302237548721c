//! Who would have been told what, if other rules had been in force: decided event by event, in the order in which they
//! were heard, by the same functions that the daemon decides with, and compared with what was told.
//!
//! Each incident is decided by itself, with what was heard of it before in [`memory`]; nothing is kept beyond it. What is
//! compared is whom each rule tells of each event: a rule that joins what another one tells anyway tells it, too. Whether
//! a receiver took what it was told is another matter, and no rule changes it.

mod memory;
pub mod page;
mod summary;

pub use summary::{Row, Summary};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::archive::decision::receivers;
use crate::clock::Time;
use crate::evaluate::{Case, evaluate};
use crate::event::{Arrival, Event};
use crate::journal::Position;
use crate::record::{Change, Ref, Stands};
use crate::rule::RuleSet;
use memory::Memory;

/// Somebody who is told of an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Telling {
    /// Of which event.
    pub event: Position,
    /// Of which incident.
    pub tracking_id: String,
    /// Whose rule and receiver.
    pub customer: String,
    /// Because of which rule.
    pub rule: String,
    /// Who.
    pub receiver: String,
}

/// Whom a rule told: whose it is, its name, and the receiver.
pub type Told = (String, String, String);

/// An event as it was heard, and what was told of it.
#[derive(Debug)]
pub struct Heard {
    /// Its id.
    pub at: Position,
    /// When it was heard.
    pub heard: Time,
    /// What it says.
    pub event: Event,
    /// Whether it was decided.
    pub is_decided: bool,
    /// Whom rules told of it.
    pub told: BTreeSet<Told>,
}

/// How what is told of one event differs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Who was told, and would be.
    pub same: Vec<Told>,
    /// Who was not told, and would be.
    pub added: Vec<Told>,
    /// Who was told, and would not be.
    pub removed: Vec<Told>,
}

/// What was gone through, and what of it could not be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Incidents.
    pub incidents: u64,
    /// Events that were compared.
    pub events: u64,
    /// Events that came as history: they tell nobody by any rules.
    pub history: u64,
    /// Events that were not decided, or are set aside.
    pub undecided: u64,
    /// Events whose text is lost.
    pub lost: u64,
}

/// The rules that are tried, and how far along it is.
pub struct Replay<'r> {
    rules: &'r RuleSet,
    since: Option<Time>,
    memory: Memory,
    totals: Totals,
}

impl<'r> Replay<'r> {
    /// By these rules, compared from `since` on.
    pub fn by(rules: &'r RuleSet, since: Option<Time>) -> Self {
        Self {
            rules,
            since,
            memory: Memory::default(),
            totals: Totals::default(),
        }
    }

    /// Goes on to the next incident.
    pub fn begin_incident(&mut self) {
        self.memory = Memory::default();
        self.totals.incidents += 1;
    }

    /// An event whose text is lost cannot be decided again.
    pub fn lose_event(&mut self) {
        self.totals.lost += 1;
    }

    /// What was gone through so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Decides the next event of the incident.
    pub fn event(&mut self, heard: Heard) -> Difference {
        let event = self.memory.with_time(heard.event);
        let context = self.memory.context(&event, self.rules);
        let case = Case::EventReceived {
            at: heard.at,
            event: &event,
            heard: context,
        };
        let changes = evaluate(&case, self.rules, heard.heard);
        let told = told(heard.at, &changes);
        let is_history = event.arrival == Arrival::History;
        self.memory.apply(&event, &changes);
        if self.since.is_some_and(|since| heard.heard < since) {
            return Difference::default();
        }
        match (heard.is_decided, is_history) {
            (false, _) => self.totals.undecided += 1,
            (true, true) => self.totals.history += 1,
            (true, false) => {
                self.totals.events += 1;
                return Difference::between(&heard.told, &told);
            }
        }
        Difference::default()
    }
}

/// Whom the rules tell, by the changes of one decision.
fn told(at: Position, changes: &[Change]) -> BTreeSet<Told> {
    let stands = Stands::alone(at.seq);
    let position = |of: Ref| of.position(&stands);
    let here = |nth: usize| position(Ref::Here(u32::try_from(nth).unwrap_or(u32::MAX)));
    let placed = || changes.iter().enumerate().map(|(nth, change)| (here(nth), change));
    let by_verdict = receivers(placed(), position);
    let mut told = BTreeSet::new();
    for (at, change) in placed() {
        if let Change::Judged(judged) = change {
            for receiver in by_verdict.get(&at).into_iter().flatten() {
                told.insert((judged.customer.to_string(), judged.rule.clone(), (*receiver).to_owned()));
            }
        }
    }
    told
}

impl Difference {
    fn between(was: &BTreeSet<Told>, would_be: &BTreeSet<Told>) -> Self {
        Self {
            same: was.intersection(would_be).cloned().collect(),
            added: would_be.difference(was).cloned().collect(),
            removed: was.difference(would_be).cloned().collect(),
        }
    }
}

impl Telling {
    /// Who is told of an event.
    pub fn of(event: Position, tracking_id: &str, (customer, rule, receiver): Told) -> Self {
        Self {
            event,
            tracking_id: tracking_id.to_owned(),
            customer,
            rule,
            receiver,
        }
    }
}
