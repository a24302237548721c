//! The owners of rules that were not tried to the end are told of it, once an hour.

use std::collections::BTreeMap;

use super::super::own::rules_too_costly;
use super::Asking;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Event, Provider};
use crate::record::Change;

/// What is told to the owners of rules that take too much of an event. What we tell of rules raises nothing again.
pub(super) fn raised(event: &Event, asking: &[Asking], now: Time) -> Vec<Change> {
    if event.provider == Provider::Bellwether {
        return Vec::new();
    }
    let mut too_costly: BTreeMap<&CustomerId, Vec<&str>> = BTreeMap::new();
    for one in asking.iter().filter(|one| one.is_too_costly) {
        too_costly.entry(&one.rule.customer).or_default().push(&one.rule.name);
    }
    let raised = too_costly.into_iter().map(|(customer, rules)| Change::Raised {
        event: Box::new(rules_too_costly(customer, rules[0], rules.len() - 1, now)),
    });
    raised.collect()
}
