//! What is known that bears on a list of impacted resources.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{KnownResource, ResourcesKnown};
use crate::customer::CustomerId;
use crate::incident::IncidentId;
use crate::incident::resources::Resource;
use crate::store::View;

impl View {
    /// What is known of these resources of an incident.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn resources_known(
        &self,
        incident: &IncidentId,
        customer: &CustomerId,
        listed: &[Resource],
    ) -> Result<ResourcesKnown> {
        let mut resources = BTreeMap::new();
        for resource in listed {
            let key = resource.key();
            let known = self.listed_resource(incident, customer, &key)?;
            let known = known.map(|known| KnownResource {
                at: known.at,
                resource: known.resource,
            });
            resources.extend(known.map(|known| (key, known)));
        }
        Ok(ResourcesKnown {
            has_incident: self.incident(incident)?.is_some(),
            summary: self.resource_summary(incident, customer)?,
            resources,
        })
    }
}
