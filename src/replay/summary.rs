//! The difference by rule and receiver: as many rows as rules name receivers, however many events there were.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Difference, Told};

/// How often a rule told a receiver, or would have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Whose rule.
    pub customer: String,
    /// Which.
    pub rule: String,
    /// Whom.
    pub receiver: String,
    /// Told, and would be told again.
    pub same: u64,
    /// Not told, and would be.
    pub added: u64,
    /// Told, and would not be.
    pub removed: u64,
}

/// The differences of all events so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Told, and would be told again.
    pub same: u64,
    /// Not told, and would be.
    pub added: u64,
    /// Told, and would not be.
    pub removed: u64,
    rows: BTreeMap<Told, [u64; 3]>,
}

impl Summary {
    /// Counts the difference of one event.
    pub fn add(&mut self, difference: &Difference) {
        let all = [&difference.same, &difference.added, &difference.removed];
        for (nth, told) in all.into_iter().enumerate() {
            for one in told {
                self.rows.entry(one.clone()).or_default()[nth] += 1;
            }
        }
        let count = |told: &Vec<Told>| told.len() as u64;
        self.same += count(&difference.same);
        self.added += count(&difference.added);
        self.removed += count(&difference.removed);
    }

    /// The rows, those that differ most first.
    pub fn rows(&self) -> Vec<Row> {
        let rows = self
            .rows
            .iter()
            .map(|((customer, rule, receiver), [same, added, removed])| Row {
                customer: customer.clone(),
                rule: rule.clone(),
                receiver: receiver.clone(),
                same: *same,
                added: *added,
                removed: *removed,
            });
        let mut rows: Vec<Row> = rows.collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.added + row.removed));
        rows
    }

    /// How many rows differ.
    pub fn changed(&self) -> usize {
        self.rows
            .values()
            .filter(|[_, added, removed]| added + removed > 0)
            .count()
    }
}
