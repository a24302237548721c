//! Which service credits may be owed, worked out beside the ledger: it takes all incidents of months, and must keep nobody
//! waiting who has to be told of a new one.
//!
//! What is worked out here is derived: from the rule files in force ([`crate::claim::Usage`], terms), from the incidents in
//! the store, and from the time. It is held in memory for customers that say what they use, and for nobody else. What
//! people say of a claim, and what was told of it, is in the ledger.
//!
//! - `known` is an incident as one customer heard of it, as far as credits need that
//! - `follow` is the thread: it follows the ledger, works out anew what a change touches, and asks the ledger to remind
//! - `remind` makes events of our own of what is due

mod follow;
mod known;
mod remind;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::claim::{self, Asked, Catalogue, Incident, Row, Rows, Usage};
use crate::clock::{Clock, Time};
use crate::customer::CustomerId;
use crate::incident::reviews::Terms;
use crate::ledger::Ledger;

pub use known::window;

/// How long somebody who asks waits until what was decided before is counted.
const WAITS: Duration = Duration::from_secs(10);

/// What is followed.
#[derive(Clone)]
pub struct Sources {
    /// Incidents, rules, and what was said.
    pub ledger: Ledger,
    /// Where time comes from.
    pub clock: Clock,
    /// When reviews are due.
    pub terms: Terms,
}

/// What may be owed to one customer.
#[derive(Debug, Default)]
pub struct Assessed {
    /// For what it uses and pays for, wherever an incident touched that; most of them owe nothing. Without explanations.
    pub rows: Vec<Row>,
    /// Sentences about what cannot be worked out.
    pub notes: BTreeSet<String>,
    basis: Option<Basis>,
}

/// What rows were worked out from.
#[derive(Debug)]
struct Basis {
    usages: Arc<[Usage]>,
    terms: Arc<Catalogue>,
    incidents: Vec<Incident>,
    at: Time,
}

impl Assessed {
    /// How the figures of these rows came about, by claim. That is not kept: sentences about each figure take far more room
    /// than the figures.
    pub fn explained(&self, rows: &[&Row]) -> HashMap<String, Vec<String>> {
        match &self.basis {
            Some(basis) if !rows.is_empty() => claim::explained(&basis.asked(), rows),
            _ => HashMap::new(),
        }
    }
}

impl Basis {
    fn asked(&self) -> Asked<'_> {
        Asked {
            usages: &self.usages,
            incidents: &self.incidents,
            terms: &self.terms,
            at: self.at,
            rows: Rows::Touched,
            explained: false,
        }
    }
}

/// What may be owed, for those who ask. Clones are the same one.
#[derive(Clone, Default)]
pub struct Assessor(Arc<Shared>);

#[derive(Default)]
struct Shared {
    standing: Mutex<Standing>,
    moved: Condvar,
}

#[derive(Default)]
struct Standing {
    customers: BTreeMap<CustomerId, Arc<Assessed>>,
    /// How often somebody asked, and which of these questions are answered.
    asked: u64,
    answered: u64,
    /// About whom it was asked since the last look; `None` in it: about all.
    asked_about: BTreeSet<Option<CustomerId>>,
    /// Up to which question everything that it needs is read, and whose figures are not worked out by that yet.
    read: u64,
    pending: BTreeSet<CustomerId>,
    has_ended: bool,
}

impl Standing {
    /// Whether a question about a customer, or about all, can be answered: nobody waits for another one's figures.
    fn has_answer(&self, question: u64, whose: Option<&CustomerId>) -> bool {
        let is_worked_out = |customer| self.read >= question && !self.pending.contains(customer);
        self.has_ended || self.answered >= question || whose.is_some_and(is_worked_out)
    }
}

impl Assessor {
    /// One without a thread: nothing is owed to anybody.
    pub fn none() -> Self {
        let assessor = Self::default();
        assessor.lock().has_ended = true;
        assessor
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(sources: Sources) -> Result<(Self, JoinHandle<()>)> {
        let assessor = Self::default();
        let follower = follow::Follower::new(assessor.clone(), sources);
        let thread = std::thread::Builder::new()
            .name("assess".to_owned())
            .spawn(move || follower.run())
            .context("starting the thread that works out service credits")?;
        Ok((assessor, thread))
    }

    /// Whether what may be owed is worked out for a customer, or for anybody. Waits for nothing.
    pub fn is_for(&self, customer: Option<&CustomerId>) -> bool {
        let customers = &self.lock().customers;
        customer.map_or(!customers.is_empty(), |customer| customers.contains_key(customer))
    }

    /// What may be owed to whom, with everything that was decided before this was asked: to a customer, or to all. Blocks
    /// until that is worked out.
    ///
    /// # Errors
    /// When that takes too long: at the first start with many incidents.
    pub fn of(&self, ledger: &Ledger, whose: Option<&CustomerId>) -> Result<BTreeMap<CustomerId, Arc<Assessed>>, Busy> {
        let mut standing = self.lock();
        standing.asked += 1;
        standing.asked_about.insert(whose.cloned());
        let question = standing.asked;
        ledger.followers().assess.hurry();
        let waits = |standing: &mut Standing| !standing.has_answer(question, whose);
        let waited = self.0.moved.wait_timeout_while(standing, WAITS, waits);
        let (standing, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !standing.has_answer(question, whose) {
            return Err(Busy);
        }
        let mut customers = standing.customers.clone();
        drop(standing);
        customers.retain(|customer, _| whose.is_none_or(|whose| whose == customer));
        Ok(customers)
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It is still being worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what may be owed is still being worked out")]
pub struct Busy;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_another_ones_figures() {
        let [small, large] = ["small", "large"].map(CustomerId::new);
        let mut standing = Standing {
            asked: 7,
            answered: 6,
            read: 7,
            pending: BTreeSet::from([large.clone()]),
            ..Standing::default()
        };
        assert!(standing.has_answer(7, Some(&small)));
        assert!(!standing.has_answer(7, Some(&large)));
        assert!(!standing.has_answer(7, None), "of all");
        assert!(!standing.has_answer(8, Some(&small)), "asked after that was read");
        standing.answered = 7;
        assert!(standing.has_answer(7, Some(&large)) && standing.has_answer(7, None));
    }
}
