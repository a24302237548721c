//! What a provider's list of impacted resources says of a resource that is used.
//!
//! A list is rarely about everything: it has the accounts of whoever asked for it, and the services that the provider could
//! look at. So only where it confirms something of the same account and the same sort of thing does it say anything about
//! what it leaves out; of all the rest nothing is concluded.

use std::collections::BTreeSet;

use crate::event::catalogue::Catalogue as Services;
use crate::incident::resources::{Resource, resource_key, resource_name, subscription_of, type_of};

use super::super::usage::Usage;
use super::super::words::service_key;

/// Sorts of things, and the service that each is of: so that a resource that is only named is compared with its own sort.
const SERVICES: [(&str, &str); 10] = [
    ("microsoft.compute/virtualmachines", "Virtual Machines"),
    (
        "microsoft.compute/virtualmachinescalesets",
        "Virtual Machine Scale Sets",
    ),
    (
        "microsoft.containerservice/managedclusters",
        "Azure Kubernetes Service (AKS)",
    ),
    ("microsoft.documentdb/databaseaccounts", "Azure Cosmos DB"),
    ("microsoft.keyvault/vaults", "Key Vault"),
    ("microsoft.network/privateendpoints", "Private Endpoint"),
    ("microsoft.network/virtualnetworkgateways", "VPN Gateway"),
    ("microsoft.sql/servers/databases", "SQL Database"),
    ("microsoft.storage/storageaccounts", "Storage"),
    ("microsoft.web/sites", "App Service"),
];

/// What a list says of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnResource {
    /// It is confirmed as impacted, by its whole id.
    ConfirmedById,
    /// It is confirmed as impacted, by its name.
    Confirmed,
    /// It is listed as potentially impacted, and nothing is confirmed that it could be compared with.
    Potential,
    /// Nothing certain.
    Unknown,
    /// It is listed as potentially impacted, where others of its account and sort are confirmed.
    OnlyPotential,
    /// It is not listed, where others of its account and sort are confirmed.
    LeftOut,
}

impl OnResource {
    /// Whether the incident counts for it.
    pub fn counts(self) -> bool {
        !matches!(self, OnResource::OnlyPotential | OnResource::LeftOut)
    }
}

/// A customer's list of the resources that an incident impacted.
#[derive(Debug, Clone, PartialEq)]
pub struct OnList {
    /// By name.
    entries: Vec<Entry>,
    /// Of which accounts and sorts something is confirmed, if the list was whole.
    covers: BTreeSet<(String, Sort)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    name: String,
    key: String,
    account: Option<String>,
    /// What its service is compared by, where its type says that.
    service_key: Option<String>,
    confirmed: bool,
}

/// What sort of thing a resource is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    /// By the provider's type.
    Type(String),
    /// By what the service is compared by.
    Service(String),
}

impl OnList {
    /// Of these resources; from a list that is not whole, nothing follows for what it leaves out.
    pub fn new(resources: &[Resource], is_complete: bool, services: &Services) -> Self {
        let mut entries = Vec::with_capacity(resources.len());
        let mut covers = BTreeSet::new();
        for resource in resources {
            let key = resource.key();
            let kind = match resource.kind.is_empty() {
                true => type_of(&key),
                false => Some(resource.kind.to_lowercase()),
            };
            let service = SERVICES.iter().find(|(known, _)| kind.as_deref() == Some(known));
            let service_key = service.map(|(_, name)| service_key(services, name));
            let account = resource
                .account
                .clone()
                .or_else(|| subscription_of(&key).map(str::to_owned));
            if let (true, true, Some(account)) = (is_complete, resource.confirmed, &account) {
                covers.extend(kind.map(|kind| (account.clone(), Sort::Type(kind))));
                covers.extend(service_key.clone().map(|key| (account.clone(), Sort::Service(key))));
            }
            entries.push(Entry {
                name: resource_name(&key).to_owned(),
                key,
                account,
                service_key,
                confirmed: resource.confirmed,
            });
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Self { entries, covers }
    }

    /// The names of what is confirmed.
    pub fn confirmed_names(&self) -> impl Iterator<Item = &str> {
        let confirmed = self.entries.iter().filter(|entry| entry.confirmed);
        confirmed.map(|entry| entry.name.as_str())
    }

    /// What it says of a usage; `None` if that names no resource.
    pub fn says(&self, usage: &Usage) -> Option<OnResource> {
        let key = resource_key(usage.resource.as_deref()?);
        let account = usage.subscription.as_deref().or_else(|| subscription_of(&key));
        let mut listed = None;
        for entry in self.named(resource_name(&key)) {
            if !entry.is(&key, account, &usage.service_key) {
                continue;
            }
            match (entry.confirmed, entry.key == key && key.contains('/')) {
                (true, true) => return Some(OnResource::ConfirmedById),
                (true, false) => listed = Some(OnResource::Confirmed),
                (false, _) => listed = listed.or(Some(OnResource::Potential)),
            }
        }
        let is_covered = account.is_some_and(|account| self.covers_like(account, &key, &usage.service_key));
        Some(match (listed, is_covered) {
            (Some(OnResource::Potential), true) => OnResource::OnlyPotential,
            (Some(listed), _) => listed,
            (None, true) => OnResource::LeftOut,
            (None, false) => OnResource::Unknown,
        })
    }

    fn named(&self, name: &str) -> &[Entry] {
        let from = self.entries.partition_point(|entry| entry.name.as_str() < name);
        let many = self.entries[from..].partition_point(|entry| entry.name == name);
        &self.entries[from..from + many]
    }

    /// Whether something of this account is confirmed that is of the same sort: by type where the id says it, else by
    /// service.
    fn covers_like(&self, account: &str, key: &str, service_key: &str) -> bool {
        let sort = match type_of(key) {
            Some(kind) => Sort::Type(kind),
            None => Sort::Service(service_key.to_owned()),
        };
        self.covers.contains(&(account.to_owned(), sort))
    }
}

impl Entry {
    /// Whether it is this resource: by whole ids where there are two, else by name within account and service.
    fn is(&self, key: &str, account: Option<&str>, service_key: &str) -> bool {
        if self.key.contains('/') && key.contains('/') {
            return self.key == key;
        }
        let is_in_account = match (&self.account, account) {
            (Some(own), Some(account)) => own == account,
            _ => true,
        };
        is_in_account && self.service_key.as_deref().is_none_or(|own| own == service_key)
    }
}

#[cfg(test)]
mod tests;
