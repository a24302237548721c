//! What a customer uses and pays for: the entries under `usage:`.
//!
//! They may stand in any rule file, so the other keys of such a file are passed over here.

use std::collections::BTreeMap;

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
pub use read::{Beside, read_usage, read_usage_among};

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

    /// Whether both are there at the same time.
    pub fn is_beside(&self, other: &Self) -> bool {
        let starts_before = |one: &Self, other: &Self| match (one.deployed, other.removed) {
            (Some(deployed), Some(removed)) => deployed < removed,
            _ => true,
        };
        starts_before(self, other) && starts_before(other, self)
    }
}

/// By whose clocks a usage without a zone is billed.
pub const ZONE: Tz = Tz::UTC;
