//! Whether one condition holds wherever another one does. It says yes only where that is certain.

use std::collections::BTreeSet;

use crate::event::{EventType, Kind, Provider, Stage};
use crate::rule::{Condition, ImpactPattern, Lasted, Pattern};

/// The most comparisons of names that two lists of pairs are given, and of patterns that two lists of patterns are:
/// beyond that nothing is said, as a folder may have thousands of such rules.
const COMPARISONS_MOST: usize = 20_000;

/// The most subscriptions that are looked up in an `unless` that names other ones.
const SUBSCRIPTIONS_MOST: usize = 2_000;

/// Whether `wide` holds, and takes away every part, wherever `narrow` holds.
pub fn covers(wide: &Condition, narrow: &Condition) -> bool {
    words(&wide.event_types, &narrow.event_types, EventType::ALL)
        && words(&wide.stages, &narrow.stages, Stage::ALL)
        && words(&wide.kinds, &narrow.kinds, Kind::ALL)
        && words(&wide.providers, &narrow.providers, Provider::ALL)
        && covers_but_words(wide, narrow)
}

/// The same of everything but event type, stage, kind and provider.
pub fn covers_but_words(wide: &Condition, narrow: &Condition) -> bool {
    // an event may have no level, so all levels together are still a condition
    words(&wide.levels, &narrow.levels, &[])
        && words(&wide.subtypes, &narrow.subtypes, &[])
        // of a trouble that goes on neither may be known
        && words(&wide.sizes, &narrow.sizes, &[])
        && lasted(wide.lasted, narrow.lasted)
        && subscriptions(wide, narrow)
        && impact(&wide.impact, &narrow.impact)
        && patterns(wide.title.as_deref(), narrow.title.as_deref())
        && patterns(wide.text.as_deref(), narrow.text.as_deref())
        && patterns(wide.tracking_ids.as_deref(), narrow.tracking_ids.as_deref())
        && properties(wide, narrow)
        && (!wide.owner_none || narrow.owner_none)
}

/// Words of a vocabulary; naming `all` of it is naming nothing.
fn words<T: PartialEq>(wide: &Option<Vec<T>>, narrow: &Option<Vec<T>>, all: &[T]) -> bool {
    let Some(wide) = wide else { return true };
    match narrow {
        Some(narrow) => narrow.iter().all(|word| wide.contains(word)),
        None => !all.is_empty() && all.iter().all(|word| wide.contains(word)),
    }
}

/// Every length that `narrow` keeps is one that `wide` names.
fn lasted(wide: Option<Lasted>, narrow: Option<Lasted>) -> bool {
    let Some(wide) = wide else { return true };
    let Some(narrow) = narrow else { return false };
    let least = wide
        .at_least
        .is_none_or(|wide| narrow.at_least.is_some_and(|narrow| narrow >= wide));
    let most = wide
        .at_most
        .is_none_or(|wide| narrow.at_most.is_some_and(|narrow| narrow <= wide));
    least && most
}

fn subscriptions(wide: &Condition, narrow: &Condition) -> bool {
    let Some(wide) = &wide.subscriptions else { return true };
    // none at all is the rest of names that are unknown, which is told
    let Some(narrow) = narrow.subscriptions.as_ref().filter(|_| !wide.is_empty()) else {
        return false;
    };
    std::sync::Arc::ptr_eq(narrow, wide) || (narrow.len() <= SUBSCRIPTIONS_MOST && narrow.is_subset(wide))
}

fn properties(wide: &Condition, narrow: &Condition) -> bool {
    let of = |condition: &'_ Condition, key: &str| condition.properties.get(key).cloned();
    let mut keys = wide.properties.iter();
    keys.all(|(key, wide)| of(narrow, key).is_some_and(|narrow| patterns(Some(wide), Some(&narrow))))
}

fn patterns(wide: Option<&[Pattern]>, narrow: Option<&[Pattern]>) -> bool {
    let Some(wide) = wide else { return true };
    if wide.iter().any(Pattern::is_everything) {
        return true;
    }
    let is_covered = |narrow: &Pattern| wide.iter().any(|wide| wide.covers(narrow));
    narrow.is_some_and(|narrow| narrow.len() * wide.len() <= COMPARISONS_MOST && narrow.iter().all(is_covered))
}

/// Every pair that `narrow` keeps is one that `wide` names.
fn impact(wide: &Option<Vec<ImpactPattern>>, narrow: &Option<Vec<ImpactPattern>>) -> bool {
    let Some(wide) = wide else { return true };
    let Some(narrow) = narrow else { return false };
    let names = |pairs: &[ImpactPattern]| pairs.iter().map(ImpactPattern::comparisons).sum::<usize>();
    names(wide).saturating_mul(names(narrow)) <= COMPARISONS_MOST
        && narrow.iter().all(|pair| is_pair_covered(wide, pair))
}

/// Service by service: the regions that are left must all be named for it.
fn is_pair_covered(wide: &[ImpactPattern], pair: &ImpactPattern) -> bool {
    let Some(services) = &pair.services else {
        return are_regions_covered(wide.iter().filter(|wide| wide.services.is_none()), pair);
    };
    services.iter().all(|service| {
        let of_service = wide.iter().filter(|wide| match &wide.services {
            Some(services) => services.contains(service),
            None => true,
        });
        are_regions_covered(of_service, pair)
    })
}

fn are_regions_covered<'w>(wide: impl Iterator<Item = &'w ImpactPattern>, pair: &ImpactPattern) -> bool {
    let mut named: BTreeSet<&String> = BTreeSet::new();
    for wide in wide {
        match &wide.regions {
            None => return true,
            Some(regions) => named.extend(regions),
        }
    }
    let regions = pair.regions.as_ref();
    regions.is_some_and(|regions| regions.iter().all(|region| named.contains(region)))
}
