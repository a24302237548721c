//! From a rule to what the index is told of it: never more than the rule asks, and all the accounts it can match.

use crate::customer::{Customer, Customers, Sees};

use super::super::{Condition, ImpactPattern, Rule};
use super::build::{Access, Asks, Builder};
use super::key::Key;

impl Builder {
    /// Adds a rule, if it can match at all.
    pub(in super::super) fn add_rule(&mut self, number: u32, rule: &Rule, customers: &Customers) {
        let sees = customers.sees(&rule.customer);
        if !rule.enabled || sees == Sees::Nothing || rule.when.impact.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let asks = self.asks(rule);
        let mut own = Vec::new();
        let set = match sees {
            Sees::Nothing => return,
            Sees::Everything => rule.when.subscriptions.as_ref().map(|named| self.accounts(named)),
            Sees::Owned(customer) => {
                // events of our own reach only rules that name their kind
                own.extend(rule.when.kinds.as_ref().map(|_| self.keys.own(rule.customer.as_str())));
                Some(self.seen(rule, customer))
            }
        };
        match set {
            None => self.add(number, &asks, Access::Everyone),
            Some(set) => self.add(number, &asks, Access::Keys { set: &set, own: &own }),
        }
    }

    fn accounts<'a>(&self, ids: impl IntoIterator<Item = &'a String>) -> Vec<Key> {
        ids.into_iter().map(|id| self.keys.account(id)).collect()
    }

    /// The accounts that the customer owns, of those the rule names; without names also its public sources.
    fn seen(&self, rule: &Rule, customer: &Customer) -> Vec<Key> {
        match &rule.when.subscriptions {
            Some(named) => self.accounts(named.intersection(&customer.accounts)),
            None => {
                let sources = customer.public.iter().map(|source| self.keys.source(source));
                let mut seen: Vec<Key> = self.accounts(&customer.accounts).into_iter().chain(sources).collect();
                seen.sort_unstable();
                seen.dedup();
                seen
            }
        }
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
