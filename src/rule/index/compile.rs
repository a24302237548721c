//! From a rule to what the index is told of it: never more than the rule asks, and all the accounts it can match.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::customer::{Customer, CustomerId, Customers, Sees};

use super::super::{Condition, ImpactPattern, Rule};
use super::asks::Asks;
use super::build::{Access, Builder, Named, Set};
use super::key::Key;

impl Builder {
    /// Adds a rule, if it can match at all.
    pub(in super::super) fn add_rule(&mut self, number: u32, rule: &Rule, customers: &Customers) {
        let sees = customers.sees(&rule.customer);
        if !rule.enabled || sees == Sees::Nothing || rule.when.impact.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let asks = self.asks(rule);
        let named = rule.when.subscriptions.as_ref();
        let (set, own) = match (sees, named) {
            (Sees::Nothing, _) => return,
            (Sees::Everything, None) => return self.add(number, &asks, &[Access::Everyone]),
            (Sees::Everything, Some(named)) => (self.named(rule, named, None), None),
            (Sees::Owned(customer), Some(named)) => {
                (self.named(rule, named, Some(&customer.accounts)), Some(&rule.customer))
            }
            (Sees::Owned(customer), None) => (self.owned_by(&rule.customer, customer), Some(&rule.customer)),
        };
        // events of our own reach only rules that name their kind
        let own = own.filter(|_| rule.when.kinds.is_some());
        let own: Vec<Key> = own
            .map(|customer| self.keys.own(customer.as_str()))
            .into_iter()
            .collect();
        self.add(number, &asks, &[Access::Set(&set), Access::Keys(&own)]);
    }

    /// The accounts that a rule names, of those its customer owns.
    fn named(&mut self, rule: &Rule, named: &Arc<BTreeSet<String>>, owned: Option<&BTreeSet<String>>) -> Set {
        let same = |last: &&Named| Arc::ptr_eq(&last.ids, named) && last.customer == rule.customer;
        if let Some(last) = self.named.as_ref().filter(same) {
            return last.set.clone();
        }
        let own = named.iter().filter(|id| owned.is_none_or(|owned| owned.contains(*id)));
        let keys = own.map(|id| self.keys.account(id)).collect();
        let set = self.set(keys);
        self.named = Some(Named {
            customer: rule.customer.clone(),
            ids: named.clone(),
            set: set.clone(),
        });
        set
    }

    /// All that a customer sees: its accounts, and its public sources.
    fn owned_by(&mut self, id: &CustomerId, customer: &Customer) -> Set {
        if let Some((_, set)) = self.owned.as_ref().filter(|(last, _)| last == id) {
            return set.clone();
        }
        let sources = customer.public.iter().map(|source| self.keys.source(source));
        let accounts = customer.accounts.iter().map(|id| self.keys.account(id));
        let mut keys: Vec<Key> = accounts.chain(sources).collect();
        keys.sort_unstable();
        keys.dedup();
        let set = self.set(keys);
        self.owned = Some((id.clone(), set.clone()));
        set
    }

    fn asks(&mut self, rule: &Rule) -> Asks {
        let when = &rule.when;
        let mut asks = Asks {
            test_events: rule.test_events,
            is_partial: !rule.unless.is_empty() || has_more(when),
            ..Asks::default()
        };
        when.event_types.iter().for_each(|any| asks.types(any));
        when.stages.iter().for_each(|any| asks.stages(any));
        when.kinds.iter().for_each(|any| asks.kinds(any));
        when.levels.iter().for_each(|any| asks.levels(any));
        when.providers.iter().for_each(|any| asks.providers(any));
        asks.pairs = when.impact.iter().flatten().map(|pair| self.pair(pair)).collect();
        for (text, patterns) in [&when.title, &when.text, &when.tracking_ids].into_iter().enumerate() {
            if let Some(patterns) = patterns {
                self.need(&mut asks, text as u8, patterns);
            }
        }
        asks
    }

    fn pair(&mut self, pair: &ImpactPattern) -> (Option<Vec<u32>>, Option<Vec<u32>>) {
        let services = pair.services.as_ref();
        let services = services.map(|keys| keys.iter().map(|key| self.service(key)).collect());
        let regions = pair.regions.as_ref();
        (
            services,
            regions.map(|keys| keys.iter().map(|key| self.region(key)).collect()),
        )
    }
}

/// Whether a condition asks for what the index does not know.
fn has_more(condition: &Condition) -> bool {
    condition.subtypes.is_some() || !condition.properties.is_empty() || condition.owner_none
}
