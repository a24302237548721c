//! What a customer uses and pays for: the entries under `usage:`.
//!
//! They may stand in any rule file, so the other keys of such a file are passed over here.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use chrono_tz::Tz;
use rust_decimal::Decimal;

use crate::clock::Time;
use crate::event::fold;
use crate::problem::Place;

use super::money::Currency;
use super::month::{BillingMonth, Calendar, YearMonth};

mod costs;
mod read;

pub use crate::incident::resources::{resource_key, resource_name, subscription_of};
pub use costs::{Costs, read_costs};
pub use read::{Beside, read_usage, read_usage_among, said_twice};

/// One service, or one resource of it, that a customer pays for.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// Whose it is.
    pub customer: String,
    /// The provider's word.
    pub provider: String,
    /// The service, as written.
    pub service: String,
    /// What services are compared by.
    pub service_key: String,
    /// The tier, as written.
    pub tier: Option<String>,
    /// The region, as written; none: wherever the service is.
    pub region: Option<String>,
    /// The account, in lower case; none: not told apart.
    pub subscription: Option<String>,
    /// The resource, as written; none: all of the service in the account.
    pub resource: Option<String>,
    /// What was charged, by billing month.
    pub fees: BTreeMap<YearMonth, Decimal>,
    /// What is charged in every other month.
    pub fee: Option<Decimal>,
    /// What the fees are in; there is one wherever there is a fee.
    pub currency: Option<Currency>,
    /// When it is billed.
    pub calendar: Calendar,
    /// Since when it is there; none: always.
    pub deployed: Option<Time>,
    /// Until when it was there; none: still.
    pub removed: Option<Time>,
    /// When its subscription was last renewed.
    pub renewed: Option<NaiveDate>,
    /// Whether nothing is paid for it.
    pub free: bool,
    /// Whether it is a preview.
    pub preview: bool,
    /// Where it is written.
    pub place: Place,
    /// Where its tier is written, else its service.
    pub tier_place: Place,
    /// Where its region is written, else it.
    pub region_place: Place,
}

/// What tells one usage from all others of its customer. Two that overlap in time would claim the same twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Whose it is.
    pub customer: String,
    /// The provider's word.
    pub provider: String,
    /// What services are compared by.
    pub service_key: String,
    /// The account.
    pub subscription: Option<String>,
    /// The resource, or the tier and the region of a service as a whole.
    pub what: What,
}

/// See [`Identity`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// One resource, in lower case.
    Resource(String),
    /// The service as a whole: its tier and region, folded.
    Service(Option<String>, Option<String>),
}

impl Usage {
    /// What tells it from others.
    pub fn identity(&self) -> Identity {
        let what = match &self.resource {
            Some(resource) => What::Resource(resource_key(resource)),
            None => What::Service(self.tier.as_deref().map(fold), self.region_key()),
        };
        Identity {
            what,
            ..self.identity_of_service()
        }
    }

    /// What tells the service, in its tier, account and region, from others.
    pub fn identity_of_service(&self) -> Identity {
        Identity {
            customer: self.customer.clone(),
            provider: self.provider.clone(),
            service_key: self.service_key.clone(),
            subscription: self.subscription.clone(),
            what: What::Service(self.tier.as_deref().map(fold), self.region_key()),
        }
    }

    /// What regions are compared by.
    pub fn region_key(&self) -> Option<String> {
        self.region.as_deref().map(fold)
    }

    /// The fee of a billing month.
    pub fn fee_of(&self, month: &BillingMonth) -> Option<Decimal> {
        self.fees.get(&month.name).copied().or(self.fee)
    }

    /// How problems and explanations name it.
    pub fn name(&self) -> String {
        match (&self.resource, &self.subscription) {
            (Some(resource), _) => resource.clone(),
            (None, Some(subscription)) => format!("{} in {subscription}", self.service),
            (None, None) => self.service.clone(),
        }
    }

    /// Whether both have the fees of single months of the same thing, and nothing else is said differently: what is imported
    /// month by month.
    fn is_by_month_with(&self, other: &Self) -> bool {
        let is_by_month = |one: &Self| one.fee.is_none() && !one.fees.is_empty();
        let without_fees = |one: &Self| Self {
            fees: BTreeMap::new(),
            resource: None,
            service: String::new(),
            place: Place::default(),
            tier_place: Place::default(),
            region_place: Place::default(),
            ..one.clone()
        };
        is_by_month(self) && is_by_month(other) && without_fees(self) == without_fees(other)
    }

    /// Whether the other one names the same in other words than by the same identity: this one is the longer, the other the
    /// shorter or the wider.
    fn is_part_of_the_same(&self, other: &Self) -> bool {
        if self.identity() == other.identity() || self.customer != other.customer {
            return false;
        }
        let is_same_or_open = |one: Option<&str>, other: Option<&str>| one == other || one.is_none() || other.is_none();
        if !is_same_or_open(self.subscription.as_deref(), other.subscription.as_deref()) {
            return false;
        }
        match (&self.resource, &other.resource) {
            (Some(one), Some(other)) => {
                let (one, other) = (resource_key(one), resource_key(other));
                one == other || !one.contains('/') || !other.contains('/')
            }
            // the service as a whole, and a resource of it
            (None, Some(_)) => {
                let (region, tier) = (self.region_key(), self.tier.as_deref().map(fold));
                let (of_region, of_tier) = (other.region_key(), other.tier.as_deref().map(fold));
                is_same_or_open(region.as_deref(), of_region.as_deref()) && (tier.is_none() || tier == of_tier)
            }
            // what has no account is of all of them
            (None, None) => {
                let (region, of_region) = (self.region_key(), other.region_key());
                let tier = |one: &Self| one.tier.as_deref().map(fold);
                is_same_or_open(region.as_deref(), of_region.as_deref()) && tier(self) == tier(other)
            }
            (Some(_), None) => false,
        }
    }

    /// What is said differently of the same thing, of which both have other months.
    pub fn differs_by_month_from(&self, other: &Self) -> Option<&'static str> {
        let is_by_month = |one: &Self| one.fee.is_none() && !one.fees.is_empty();
        let is_same = self.identity() == other.identity();
        if !is_same || !is_by_month(self) || !is_by_month(other) || self.has_a_month_of(other) {
            return None;
        }
        let tier = |one: &Self| one.tier.as_deref().map(fold);
        [
            ("tier", tier(self) != tier(other)),
            ("region", self.region_key() != other.region_key()),
            ("currency", self.currency != other.currency),
            ("billing day", self.calendar.day != other.calendar.day),
            ("zone", self.calendar.zone != other.calendar.zone),
        ]
        .into_iter()
        .find_map(|(key, is_other)| is_other.then_some(key))
    }

    fn has_a_month_of(&self, other: &Self) -> bool {
        self.fees.keys().any(|month| other.fees.contains_key(month))
    }

    /// Whether both are there at the same time.
    pub fn is_beside(&self, other: &Self) -> bool {
        let starts_before = |one: &Self, other: &Self| match (one.deployed, other.removed) {
            (Some(deployed), Some(removed)) => deployed < removed,
            _ => true,
        };
        starts_before(self, other) && starts_before(other, self)
    }
}

/// Entries that would claim the same twice, each behind the one that claims it already.
pub fn claimed_twice<T>(all: &[T], usage: impl Fn(&T) -> &Usage) -> Vec<(&T, &T)> {
    let mut by_identity: HashMap<Identity, Vec<&T>> = HashMap::new();
    for one in all {
        by_identity.entry(usage(one).identity()).or_default().push(one);
    }
    let mut twice = Vec::new();
    for mut same in by_identity.into_values().filter(|same| same.len() > 1) {
        same.sort_by_key(|one| (usage(one).deployed, usage(one).place));
        twice.extend(twice_by_identity(&same, &usage));
    }
    twice.extend(twice_by_other_words(all, &usage));
    twice
}

/// Whose entries are looked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Account<'u> {
    /// Those of this account, or those that name none.
    Named(Option<&'u str>),
    /// All.
    Any,
}

/// How many entries one entry is compared with that may mean the same in other words.
const COMPARED_MOST: usize = 64;

/// Entries that name the same thing in other words: a resource by its name and by its whole id, with its account and
/// without, or as a part of its whole service.
fn twice_by_other_words<'t, T>(all: &'t [T], usage: &impl Fn(&T) -> &Usage) -> Vec<(&'t T, &'t T)> {
    let last_part = |used: &Usage| {
        let key = resource_key(used.resource.as_deref()?);
        Some(resource_name(&key).to_owned())
    };
    // of one account, of none, and of any: what names no account is of all of them
    let mut by_word: HashMap<(&str, &str, Option<String>, Account<'_>), Vec<usize>> = HashMap::new();
    for (nth, one) in all.iter().enumerate() {
        let used = usage(one);
        let (provider, service) = (used.provider.as_str(), used.service_key.as_str());
        for account in [Account::Named(used.subscription.as_deref()), Account::Any] {
            let key = (provider, service, last_part(used), account);
            by_word.entry(key).or_default().push(nth);
        }
    }
    let mut twice = Vec::new();
    for (nth, one) in all.iter().enumerate() {
        let used = usage(one);
        let of_name = last_part(used).map(Some);
        let accounts = match used.subscription.as_deref() {
            Some(account) => vec![Account::Named(Some(account)), Account::Named(None)],
            None => vec![Account::Any],
        };
        let names = of_name.into_iter().chain([None]);
        let keys = names.flat_map(|name| accounts.iter().map(move |account| (name.clone(), *account)));
        let others = keys.filter_map(|(name, account)| {
            let key = (used.provider.as_str(), used.service_key.as_str(), name, account);
            by_word.get(&key)
        });
        let mut others = others.flat_map(|same| same.iter().take(COMPARED_MOST));
        let other = others.find(|other| {
            let before = usage(&all[**other]);
            // each pair of equals is said once
            let is_first = before.resource.is_some() != used.resource.is_some() || **other < nth;
            is_first && before.is_part_of_the_same(used) && before.is_beside(used)
        });
        twice.extend(other.map(|other| (&all[*other], one)));
    }
    twice
}

/// Of entries of one identity, in the order of `deployed`. Fees of other months of the same thing may stand beside each
/// other.
fn twice_by_identity<'t, T>(same: &[&'t T], usage: &impl Fn(&T) -> &Usage) -> Vec<(&'t T, &'t T)> {
    let mut twice = Vec::new();
    let mut by_month: BTreeMap<YearMonth, &T> = BTreeMap::new();
    let mut last: Option<&T> = None;
    let same = same.iter().copied();
    for one in same {
        let beside = last.replace(one).filter(|before| usage(before).is_beside(usage(one)));
        if !beside.is_some_and(|before| usage(before).is_by_month_with(usage(one))) {
            by_month.clear();
            twice.extend(beside.map(|before| (before, one)));
        }
        let months = usage(one).fees.keys();
        let taken = months.filter_map(|month| by_month.insert(*month, one));
        twice.extend(taken.last().map(|first| (first, one)));
    }
    twice
}

/// The same entries, those of one thing that differ in their months as one.
pub fn joined(usages: impl IntoIterator<Item = Usage>) -> Vec<Usage> {
    let mut joined: Vec<Usage> = Vec::new();
    let mut last: HashMap<Identity, usize> = HashMap::new();
    for usage in usages {
        match last.get(&usage.identity()).map(|at| &mut joined[*at]) {
            Some(before) if before.is_by_month_with(&usage) && !before.has_a_month_of(&usage) => {
                before.fees.extend(usage.fees);
            }
            _ => {
                last.insert(usage.identity(), joined.len());
                joined.push(usage);
            }
        }
    }
    joined
}

/// By whose clocks a usage without a zone is billed.
pub const ZONE: Tz = Tz::UTC;
