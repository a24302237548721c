//! The operator is told of subscriptions that no customer owns, and of events that name none: their events reach nobody,
//! and that is what a subscription looks like that the settings forgot. Once for each that an event names first.

use std::collections::{BTreeSet, HashSet};

use super::super::own::{account_not_owned, more_accounts_not_owned};
use super::{Asking, Heard};
use crate::clock::Time;
use crate::event::{Arrival, Event, Provider};
use crate::notification::hash;
use crate::record::Change;
use crate::rule::RuleSet;

/// How many reports there are at most, as long as they are kept.
pub(super) const REPORTS_MOST: usize = 50;

/// What the ids of these reports begin with.
pub(super) const IDS: &str = "not-owned:";

/// The accounts of an event that no customer owns.
#[derive(Debug, Default)]
pub struct Unowned {
    /// They; an empty one stands for an event that names none.
    pub accounts: Vec<String>,
    /// Whether there is a report of the first of them.
    pub is_told: bool,
    /// How many reports there are already, counted up to the limit and one beyond.
    pub reports: usize,
}

impl Unowned {
    /// Those of `event`. Nothing is reported of what the operator's own rules tell of.
    pub(super) fn of(event: &Event, asking: &[Asking], rules: &RuleSet) -> Self {
        let may_be_missed = event.provider != Provider::Bellwether && event.arrival == Arrival::Live && !event.test;
        if !may_be_missed || !rules.customers.are_separate() {
            return Self::default();
        }
        let by_operator = || {
            let tells = |one: &&Asking| one.rule.customer.is_operator() && !one.is_too_costly;
            asking.iter().filter(tells)
        };
        let accounts = match event.accounts.is_empty() {
            true => {
                let is_listed = event
                    .source
                    .as_deref()
                    .is_some_and(|source| rules.customers.is_listed(source));
                let is_told = is_listed || by_operator().next().is_some();
                if is_told { Vec::new() } else { vec![String::new()] }
            }
            false => {
                let told: BTreeSet<&String> = by_operator().flat_map(|one| &one.left.accounts).collect();
                let missed = event
                    .accounts
                    .iter()
                    .filter(|one| !rules.is_owned(one) && !told.contains(one));
                missed.cloned().collect()
            }
        };
        Self {
            accounts,
            ..Self::default()
        }
    }

    /// The id of the report.
    pub(super) fn id(&self) -> Option<String> {
        let first = self.accounts.first()?;
        Some(format!("{IDS}{}", hash(&[first])))
    }

    /// Counts reports that were raised and wait to be decided: by their ids.
    pub fn leave_out(&mut self, raised: &HashSet<String>) {
        self.is_told |= self.id().is_some_and(|id| raised.contains(&id));
        let reports = raised.iter().filter(|id| id.starts_with(IDS)).count();
        self.reports = self.reports.max(reports);
    }
}

/// What is told of them.
pub(super) fn raised(heard: &Heard, now: Time) -> Option<Change> {
    let unowned = &heard.unowned;
    let id = unowned.id().filter(|_| !unowned.is_told)?;
    let event = match unowned.reports {
        reports if reports < REPORTS_MOST => account_not_owned(&id, &unowned.accounts, now),
        REPORTS_MOST => more_accounts_not_owned(&format!("{IDS}more"), REPORTS_MOST, now),
        _ => return None,
    };
    Some(Change::Raised { event: Box::new(event) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(accounts: &[&str], is_told: bool, reports: usize) -> Option<(String, String)> {
        let unowned = Unowned {
            accounts: accounts.iter().map(|one| (*one).to_owned()).collect(),
            is_told,
            reports,
        };
        let heard = Heard {
            unowned,
            ..Heard::default()
        };
        raised(&heard, Time::UNIX_EPOCH).map(|change| match change {
            Change::Raised { event } => (event.tracking_id, event.text),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn there_is_one_report_for_an_event_and_of_more_than_the_limit_one_that_there_are_more() {
        assert_eq!(told(&[], false, 0), None);
        assert_eq!(told(&["a"], true, 1), None);
        let (id, text) = told(&["a", "b", "c", "d", "e", "f", "g"], false, 0).expect("is told");
        assert!(
            id.starts_with(IDS) && text.contains("a, b, c, d, e and 2 more"),
            "{text}"
        );
        assert_eq!(
            told(&["a"], false, REPORTS_MOST).map(|(id, _)| id).as_deref(),
            Some("not-owned:more")
        );
        assert_eq!(told(&["a"], false, REPORTS_MOST + 1), None);
    }

    #[test]
    fn a_report_that_waits_to_be_decided_counts() {
        let mut unowned = Unowned {
            accounts: vec!["a".to_owned()],
            ..Unowned::default()
        };
        unowned.leave_out(&HashSet::from([unowned.id().expect("an id")]));
        assert!(unowned.is_told && unowned.reports == 1);
    }
}
