//! Who owns what, and on whose behalf something is read.
//!
//! Customers are strangers to each other. Everything a customer may see follows from the accounts that the
//! operator's settings say it owns; a rule file can never widen that.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub mod account;

/// A customer's name: the name of its folder under `rules/`, `[a-z0-9._-]{1,64}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomerId(Arc<str>);

/// The folder whose rules see everything: the operator's own.
pub const OPERATOR: &str = "_operator";

/// The customer that rule files directly under `rules/` belong to where no customers are configured.
pub const ORGANISATION: &str = "_house";

impl CustomerId {
    /// The customer of this name.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the operator's own folder.
    pub fn is_operator(&self) -> bool {
        &*self.0 == OPERATOR
    }
}

impl std::fmt::Display for CustomerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// What lies at the top of a volume and is nobody's: the file system's own.
const OF_THE_VOLUME: &str = "lost+found";

/// Whether a name in the rules folder may be a customer's, or a rule file's. Kubernetes and git keep what they need under
/// names that begin with a dot (`..2026_11_24`, `..data`, `.git`).
pub fn may_be_a_customer(name: &str) -> bool {
    !name.starts_with('.') && name != OF_THE_VOLUME
}

/// What the operator's settings say of one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Who is told about its broken rule files and failing receivers: an e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The accounts it owns, in lower case. An account may belong to several customers.
    #[serde(default)]
    pub accounts: BTreeSet<String>,
    /// The sources without accounts whose events it sees (`githubstatus.com`).
    #[serde(default)]
    pub public: BTreeSet<String>,
    /// The operator's secrets its rule files may name.
    #[serde(default)]
    pub secrets: BTreeSet<String>,
    /// The names of the secrets that hold tokens with which it reads pages and API.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tokens: BTreeSet<String>,
    /// Which names its feeds have: another number gives them others, and the former ones open nothing any more.
    #[serde(default, skip_serializing_if = "is_first")]
    pub feed_generation: u32,
}

fn is_first(generation: &u32) -> bool {
    *generation == 0
}

/// All customers, or the single organisation that a daemon without `customers` serves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customers {
    /// `None`: one organisation, and every folder sees every event.
    pub by_name: Option<BTreeMap<CustomerId, Customer>>,
    /// Where the contact of the one organisation reads its mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

/// What of an event a customer may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees<'a> {
    /// All of it: the operator, or the one organisation.
    Everything,
    /// What belongs to these accounts, and the sources it lists as public.
    Owned(&'a Customer),
    /// Nothing: the operator's settings do not know this customer.
    Nothing,
}

impl Customers {
    /// One organisation that sees everything.
    pub fn one_organisation() -> Self {
        Self::default()
    }

    /// Whether customers are told apart at all.
    pub fn are_separate(&self) -> bool {
        self.by_name.is_some()
    }

    /// What `customer` may see.
    pub fn sees(&self, customer: &CustomerId) -> Sees<'_> {
        match &self.by_name {
            None => Sees::Everything,
            Some(_) if customer.is_operator() => Sees::Everything,
            Some(known) => known.get(customer).map_or(Sees::Nothing, Sees::Owned),
        }
    }

    /// Who is told when something of `customer`'s is broken.
    pub fn contact(&self, customer: &CustomerId) -> Option<&str> {
        let own = self
            .by_name
            .as_ref()
            .and_then(|known| known.get(customer))
            .and_then(|one| one.contact.as_deref());
        own.or(self.contact.as_deref())
    }

    /// Whom `customer`'s own people ask: its contact, and never another customer's or the operator's.
    pub fn own_contact(&self, customer: &CustomerId) -> Option<&str> {
        match &self.by_name {
            Some(known) if !customer.is_operator() => known.get(customer)?.contact.as_deref(),
            _ => self.contact.as_deref(),
        }
    }

    /// The accounts that any customer owns.
    pub fn owned(&self) -> HashSet<String> {
        let customers = self.by_name.iter().flat_map(BTreeMap::values);
        customers.flat_map(|one| one.accounts.iter().cloned()).collect()
    }

    /// Whether a customer lists a source as one that it hears of.
    pub fn is_listed(&self, source: &str) -> bool {
        let mut customers = self.by_name.iter().flat_map(BTreeMap::values);
        customers.any(|one| one.public.iter().any(|listed| listed.eq_ignore_ascii_case(source)))
    }

    /// Whether any customer owns `account`.
    pub fn is_owned(&self, account: &str) -> bool {
        self.by_name
            .as_ref()
            .is_none_or(|known| known.values().any(|one| one.accounts.contains(account)))
    }
}

/// On whose behalf something is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// The operator sees everything.
    Operator,
    /// A customer sees events of its own accounts.
    Customer(CustomerId),
    /// A signed link in a message: one customer, one incident.
    Link {
        /// On whose behalf.
        customer: CustomerId,
        /// The incident's provider, its word.
        provider: String,
        /// The incident's tracking id, in lower case.
        tracking_id: String,
    },
}

impl Viewer {
    /// The customer on whose behalf is read; `None` for the operator.
    pub fn customer(&self) -> Option<&CustomerId> {
        match self {
            Viewer::Operator => None,
            Viewer::Customer(customer) | Viewer::Link { customer, .. } => Some(customer),
        }
    }
}
