//! How much work rules may make: counted in steps, so that it comes to the same on every machine.
//!
//! Customers are strangers to each other, and one thread decides the events of all of them. So what one customer's rules
//! take of an event, and what a file's own tests take of a check, has a limit. A step is about one comparison of
//! characters; what is dearer counts as several.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::customer::CustomerId;

/// What the rules of one customer may take of one event, in steps: a tenth of a second.
pub const EVENT_STEPS_MOST: u64 = 100_000_000;

/// What one rule may take of one event, in steps: one that takes more does not use up what its customer's others need.
pub const RULE_STEPS_MOST: u64 = 20_000_000;

/// What each rule may take of an event even if the others of its customer have used up everything, in steps: enough for
/// a rule without patterns, or with a few on short texts.
pub const RULE_STEPS_LEAST: u64 = 5_000;

/// What a file's own tests may take of one check, in steps for each byte of the file.
pub const TEST_STEPS_PER_BYTE: u64 = 250;

/// What a file's own tests may take of one check at least, in steps: for a small file.
pub const TEST_STEPS_LEAST: u64 = 1_000_000;

/// What it takes to look at a rule at all, in steps.
pub(super) const RULE: u64 = 40;

/// What it takes to look at one impact for one account, in steps. Their number is the provider's doing, not the
/// customer's, so they count for less than they take.
pub(super) const ELEMENT: u64 = 1;

/// More than was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooCostly;

/// Steps that are left.
#[derive(Debug)]
pub struct Steps {
    most: u64,
    left: Cell<u64>,
}

impl Steps {
    /// At most so many.
    pub fn of(most: u64) -> Self {
        Self {
            most,
            left: Cell::new(most),
        }
    }

    /// What the tests of a file of so many bytes may take.
    pub fn of_tests(bytes: usize) -> Self {
        let most = (bytes as u64).saturating_mul(TEST_STEPS_PER_BYTE);
        Self::of(most.max(TEST_STEPS_LEAST))
    }

    /// How many there were to begin with.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Takes so many, before the work that they stand for is done.
    ///
    /// # Errors
    /// When fewer are left; then none are left.
    pub fn take(&self, count: u64) -> Result<(), TooCostly> {
        let left = self.left.get().checked_sub(count);
        self.left.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or(TooCostly)
    }

    /// How many were taken.
    pub(super) fn taken(&self) -> u64 {
        self.most - self.left.get()
    }
}

/// What each customer's rules may still take of one event.
#[derive(Debug, Default)]
pub(super) struct Allowance(RefCell<BTreeMap<CustomerId, u64>>);

impl Allowance {
    /// Does what is to be done for one rule of a customer, within what is left to the customer.
    pub fn within<T>(&self, customer: &CustomerId, work: impl FnOnce(&Steps) -> T) -> T {
        let left = self.0.borrow().get(customer).copied().unwrap_or(EVENT_STEPS_MOST);
        let steps = Steps::of(left.clamp(RULE_STEPS_LEAST, RULE_STEPS_MOST));
        let done = work(&steps);
        let left = left.saturating_sub(steps.taken());
        self.0.borrow_mut().insert(customer.clone(), left);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule_takes_no_more_than_its_share_and_each_has_a_little_of_its_own() {
        let (contoso, fabrikam) = (CustomerId::new("contoso"), CustomerId::new("fabrikam"));
        let allowance = Allowance::default();
        let rules = EVENT_STEPS_MOST / RULE_STEPS_MOST;
        for _ in 0..rules {
            let most = allowance.within(&contoso, |steps| {
                assert_eq!(steps.take(u64::MAX), Err(TooCostly));
                steps.most()
            });
            assert_eq!(most, RULE_STEPS_MOST);
        }
        let is_plain_enough = |steps: &Steps| steps.take(RULE_STEPS_LEAST).is_ok() && steps.take(1).is_err();
        assert!(allowance.within(&contoso, is_plain_enough));
        assert!(allowance.within(&contoso, is_plain_enough), "each rule has its own");
        assert_eq!(allowance.within(&fabrikam, Steps::most), RULE_STEPS_MOST);
    }

    #[test]
    fn the_tests_of_a_larger_file_may_take_more() {
        assert_eq!(Steps::of_tests(100).most(), TEST_STEPS_LEAST);
        assert_eq!(Steps::of_tests(256 << 10).most(), 65_536_000);
    }
}
