//! Impacted resources and downtimes, as customers handed them in.

use anyhow::Result;

use super::past;
use crate::claim::Downtime;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::incident::IncidentId;
use crate::incident::resources::{Resource, ResourceSummary};
use crate::store::View;
use crate::store::item::Item;
use crate::store::keys;

/// A resource that an incident impacted, and who listed it for whom.
#[derive(Debug, Clone)]
pub struct ListedResource {
    /// Whose.
    pub customer: CustomerId,
    /// When it was listed.
    pub at: Time,
    /// By whom.
    pub by: String,
    /// It.
    pub resource: Resource,
}

impl View {
    /// A resource that an incident impacted, by its key.
    pub fn listed_resource(&self, id: &IncidentId, customer: &CustomerId, key: &str) -> Result<Option<ListedResource>> {
        let key = keys::resources_of(id, customer).text(key);
        one!(self, &key, Item::Resource { customer, at, by, resource, .. } => ListedResource { customer, at, by, resource })
    }

    /// The resources that an incident impacted, listed for a customer, in the order of their keys.
    pub fn resources_of(&self, id: &IncidentId, customer: &CustomerId, most: usize) -> Result<Vec<Resource>> {
        let all = self.scan(&keys::resources_of(id, customer)).take(most);
        collect!(all, Item::Resource { resource, .. } => resource)
    }

    /// Resources that an incident impacted, of one customer or of all, behind one of them, with who listed each for whom.
    pub fn listed_resources(
        &self,
        id: &IncidentId,
        customer: Option<&CustomerId>,
        after: Option<(&CustomerId, &str)>,
        most: usize,
    ) -> Result<Vec<ListedResource>> {
        let all = customer.map_or_else(|| keys::resources(id), |one| keys::resources_of(id, one));
        let from = after.map_or_else(
            || all.clone(),
            |(customer, key)| past(&keys::resources_of(id, customer).text(key)),
        );
        collect!(self.scan_from(&all, &from).take(most), Item::Resource { customer, at, by, resource, .. } => ListedResource {
            customer,
            at,
            by,
            resource,
        })
    }

    /// What the resources of an incident come to that are listed for a customer.
    pub fn resource_summary(&self, id: &IncidentId, customer: &CustomerId) -> Result<Option<ResourceSummary>> {
        let key = keys::resource_summaries(id).text(customer.as_str());
        one!(self, &key, Item::ResourceSummary(one) => one)
    }

    /// The same, of each customer for whom any are listed.
    pub fn resource_summaries(&self, id: &IncidentId) -> Result<Vec<ResourceSummary>> {
        collect!(self.scan(&keys::resource_summaries(id)), Item::ResourceSummary(one) => one)
    }

    /// A downtime that was entered for a customer.
    pub fn downtime(&self, customer: &CustomerId, id: &str) -> Result<Option<Downtime>> {
        one!(self, &keys::downtimes_of(customer).text(id), Item::Downtime(one) => *one)
    }

    /// All downtimes that were entered for a customer.
    pub fn downtimes_of(&self, customer: &CustomerId) -> Result<Vec<Downtime>> {
        collect!(self.scan(&keys::downtimes_of(customer)), Item::Downtime(one) => *one)
    }

    /// Downtimes that were entered, of one customer or of all, behind one of them.
    pub fn downtimes(
        &self,
        customer: Option<&CustomerId>,
        after: Option<(&CustomerId, &str)>,
        most: usize,
    ) -> Result<Vec<Downtime>> {
        let all = customer.map_or_else(keys::all_downtimes, keys::downtimes_of);
        let from = after.map_or_else(
            || all.clone(),
            |(customer, id)| past(&keys::downtimes_of(customer).text(id)),
        );
        collect!(self.scan_from(&all, &from).take(most), Item::Downtime(one) => *one)
    }
}
