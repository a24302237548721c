//! The terms under which providers pay credits: shipped as data with source and date, and overridden by a customer's own.
//!
//! Terms have editions. The one in force when a subscription began or was last renewed counts for it, not the one at an
//! incident's date, so archived editions stay in the catalogue. What nobody has read in the provider's own document is
//! not `verified`, and whatever rests on it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::event::catalogue::Catalogue as Services;
use crate::event::fold;
use crate::problem::Place;

use super::downtime::{DownMinute, Uptime};
use super::last_day::ClaimWithin;
use super::money::Currency;
use super::usage::Usage;

mod read;
pub mod why;

pub use read::{read_items, read_terms};

/// One edition of the terms of a service, or of a tier of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The provider's word.
    pub provider: String,
    /// The service, as the terms name it.
    pub service: String,
    /// What services are compared by.
    pub service_key: String,
    /// The words for the tier, the first one its name; none: every tier that has no terms of its own.
    pub tiers: Vec<String>,
    /// Which edition it is.
    pub edition: Option<String>,
    /// What one credit is for.
    pub per: Per,
    /// What is measured.
    pub measure: Measure,
    /// Which time counts as down.
    pub down_minute: DownMinute,
    /// What is paid below which uptime; the highest threshold first. None: nobody knows them here.
    pub steps: Vec<Step>,
    /// What the terms do not cover.
    pub exclude: Vec<Exclusion>,
    /// Until when a claim must be in.
    pub claim_within: Option<ClaimWithin>,
    /// How soon after its begin a case must be opened, in seconds.
    pub open_case_within: Option<u64>,
    /// What a claim must bring.
    pub evidence: Vec<String>,
    /// How long the provider takes, in seconds.
    pub processed_within: Option<u64>,
    /// A credit of this much or less is not paid.
    pub pays_above: Option<(Decimal, Currency)>,
    /// The first day on which it is the current edition.
    pub from: Option<NaiveDate>,
    /// The first day on which it no longer is.
    pub until: Option<NaiveDate>,
    /// Where it stands.
    pub source: Option<String>,
    /// When somebody last compared it with its source, or, if it is not verified, noted it down.
    pub checked: Option<NaiveDate>,
    /// Whether all of it was read in the provider's own document.
    pub verified: bool,
    /// Where it is written in its file.
    pub place: Place,
}

/// What one credit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Each resource by itself.
    Resource,
    /// The service in an account and region, all its resources together.
    Service,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Measure {
    /// Time.
    #[serde(rename = "downtime")]
    Downtime,
    /// Failed requests among all: times alone cannot say it.
    #[serde(rename = "error rate")]
    ErrorRate,
}

/// What terms may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Exclusion {
    /// Previews.
    #[serde(rename = "preview")]
    Preview,
    /// Free tiers.
    #[serde(rename = "free")]
    Free,
    /// Announced work.
    #[serde(rename = "planned maintenance")]
    PlannedMaintenance,
}

impl Exclusion {
    /// As terms write it.
    pub fn word(self) -> &'static str {
        match self {
            Exclusion::Preview => "preview",
            Exclusion::Free => "free",
            Exclusion::PlannedMaintenance => "planned maintenance",
        }
    }
}

/// Below this uptime, this much of the fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The threshold, percent; strictly below it.
    pub below: Decimal,
    /// Percent of the fee.
    pub credit: Decimal,
}

impl Term {
    /// The step that applies: the last one whose threshold is not reached.
    pub fn step(&self, uptime: Uptime) -> Option<Step> {
        self.steps
            .iter()
            .rev()
            .find(|step| uptime.is_below(step.below))
            .copied()
    }

    /// Whether it leaves something out.
    pub fn excludes(&self, what: Exclusion) -> bool {
        self.exclude.contains(&what)
    }

    /// Whether it is for this tier; `None` is a usage that names none.
    fn is_for(&self, tier: Option<&str>) -> bool {
        match tier {
            None => self.tiers.is_empty(),
            Some(tier) => self.tiers.iter().any(|word| fold(word) == fold(tier)),
        }
    }

    fn is_current_on(&self, day: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day < until)
    }

    /// `Virtual Machines, availability set`.
    pub fn name(&self) -> String {
        match self.tiers.first() {
            None => self.service.clone(),
            Some(tier) => format!("{}, {tier}", self.service),
        }
    }

    /// The edition's name: as written, or since when it is the current one.
    pub fn edition_name(&self) -> Option<String> {
        self.edition.clone().or_else(|| self.from.map(|from| from.to_string()))
    }
}

/// All terms that are known: a customer's own before those that come with the program.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    own: BTreeMap<(String, String), Vec<Term>>,
    shipped: BTreeMap<(String, String), Vec<Term>>,
}

/// The editions of one service's terms, and how the one for a day is found.
#[derive(Debug, Clone, PartialEq)]
pub struct Editions<'t>(Vec<&'t Term>);

/// Why there are no terms for what somebody uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoTerms {
    /// The catalogue does not know the service.
    UnknownService,
    /// It knows it by tiers, and none of them was named; these are the tiers.
    WhichTier(Vec<String>),
}

/// The version of the catalogue that comes with the program: its last change.
pub const SHIPPED_VERSION: &str = "2026-11-29";

const SHIPPED: &str = include_str!("../terms.yaml");

/// The terms that come with the program, by the names of services that do.
pub fn shipped_terms<'t>() -> impl Iterator<Item = &'t Term> {
    static TERMS: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::shipped(&Services::shipped()));
    TERMS.iter()
}

impl Catalogue {
    /// What comes with the program.
    pub fn shipped(services: &Services) -> Self {
        let reading = crate::problem::fields::Reading::new("terms.yaml", SHIPPED);
        Self {
            own: BTreeMap::new(),
            shipped: by_service(read_terms(&reading, services)),
        }
    }

    /// With a customer's own terms before the others.
    #[must_use]
    pub fn with_own(mut self, terms: Vec<Term>) -> Self {
        self.own = by_service(terms);
        self
    }

    /// Every term: the customer's own, then those that come with the program.
    pub fn iter(&self) -> impl Iterator<Item = &Term> {
        self.own.values().chain(self.shipped.values()).flatten()
    }

    /// Whether a credit is of all fees of the service together, by any edition of its terms.
    pub fn sums_up(&self, usage: &Usage) -> bool {
        let editions = self.editions(&usage.provider, &usage.service_key, usage.tier.as_deref());
        editions.is_ok_and(|Editions(all)| all.iter().any(|term| term.per == Per::Service))
    }

    /// Whether any edition of the terms leaves something out; where there are no terms, nothing is known of it.
    pub fn excludes(&self, usage: &Usage, what: Exclusion) -> bool {
        let editions = self.editions(&usage.provider, &usage.service_key, usage.tier.as_deref());
        editions.map_or(true, |Editions(all)| all.iter().any(|term| term.excludes(what)))
    }

    /// Why there are no terms for what somebody uses; `None` if there are.
    pub fn lacks(&self, usage: &Usage) -> Option<String> {
        let editions = self.editions(&usage.provider, &usage.service_key, usage.tier.as_deref());
        editions.err().map(|why| why::no_terms(usage, &why))
    }

    /// The terms for a service and a tier. Own terms come first; those for the tier before those for all tiers; a service
    /// with terms for a single tier needs no tier named.
    ///
    /// # Errors
    /// When there are none, or it is not clear which.
    pub fn editions(&self, provider: &str, service_key: &str, tier: Option<&str>) -> Result<Editions<'_>, NoTerms> {
        let key = (provider.to_owned(), service_key.to_owned());
        let mut tiers: Vec<String> = Vec::new();
        for terms in [&self.own, &self.shipped] {
            let terms = terms.get(&key).map(Vec::as_slice).unwrap_or_default();
            let of_tier = |tier: Option<&str>| terms.iter().filter(|term| term.is_for(tier)).collect::<Vec<_>>();
            let mut found = of_tier(tier);
            if found.is_empty() {
                found = of_tier(None);
            }
            if found.is_empty() && tier.is_none() && self.has_one_tier(&key) {
                found = terms.iter().collect();
            }
            if !found.is_empty() {
                found.sort_by_key(|term| term.from);
                return Ok(Editions(found));
            }
            tiers.extend(terms.iter().filter_map(|term| term.tiers.first().cloned()));
        }
        tiers.dedup();
        match tiers.is_empty() {
            true => Err(NoTerms::UnknownService),
            false => Err(NoTerms::WhichTier(tiers)),
        }
    }

    /// Whether all terms of a service, own ones and others, are for the same tier.
    fn has_one_tier(&self, key: &(String, String)) -> bool {
        let all = [&self.own, &self.shipped]
            .into_iter()
            .filter_map(|terms| terms.get(key));
        let tiers = all.flatten().map(|term| term.tiers.first().map(|tier| fold(tier)));
        tiers.collect::<BTreeSet<_>>().len() == 1
    }
}

fn by_service(terms: Vec<Term>) -> BTreeMap<(String, String), Vec<Term>> {
    let mut by_service: BTreeMap<(String, String), Vec<Term>> = BTreeMap::new();
    for term in terms {
        let key = (term.provider.clone(), term.service_key.clone());
        by_service.entry(key).or_default().push(term);
    }
    by_service
}

impl<'t> Editions<'t> {
    /// The edition that was current on a day, and whether it surely was: where none is known for the day, the last one
    /// before it stands in, or else the first one.
    pub fn on(&self, day: NaiveDate) -> (&'t Term, bool) {
        let current = self.0.iter().copied().find(|term| term.is_current_on(day));
        if let Some(term) = current {
            return (term, true);
        }
        let begun = self
            .0
            .iter()
            .rev()
            .copied()
            .find(|term| term.from.is_none_or(|from| from <= day));
        let nearest = begun.or(self.0.first().copied()).expect("editions are never empty");
        (nearest, false)
    }
}

#[cfg(test)]
mod tests;
