//! Resources that an incident impacted, as a provider lists them and a customer hands the list in. They stand beside the
//! incident, each customer's by itself: whose they are nobody else is told.

use serde::{Deserialize, Serialize};

use super::IncidentId;
use crate::clock::Time;
use crate::customer::CustomerId;

pub mod read;

#[cfg(test)]
mod tests;

/// The most resources of one request.
pub const TOGETHER_MOST: usize = 10_000;

/// The most resources of an incident that are kept for a customer.
pub const KEPT_MOST: usize = 50_000;

/// The longest id of a resource, bytes: it is part of a key of the store.
pub const ID_BYTES_MOST: usize = 1_024;

/// The longest type, name or region, characters.
pub const TEXT_CHARS_MOST: usize = 256;

/// One impacted resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// The provider's id of it.
    pub id: String,
    /// What sort of thing it is (`microsoft.compute/virtualmachines`); empty where nobody said it.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// What it is called; empty where nobody said it.
    #[serde(default)]
    pub name: String,
    /// The account it belongs to, in lower case.
    #[serde(default)]
    pub account: Option<String>,
    /// Where it is.
    #[serde(default)]
    pub region: Option<String>,
    /// Whether the provider confirmed the impact; otherwise it is a potential one.
    pub confirmed: bool,
}

impl Resource {
    /// How sure the impact is, in Azure's words.
    pub fn impact_type(&self) -> &'static str {
        match self.confirmed {
            true => "confirmed",
            false => "potential",
        }
    }

    /// Whether it may be kept as it is.
    ///
    /// # Errors
    /// When it may not: why.
    pub fn is_kept(&self) -> Result<(), String> {
        let (account, region) = (self.account.as_deref(), self.region.as_deref());
        let texts = [&*self.kind, &self.name, account.unwrap_or(""), region.unwrap_or("")];
        let is_long = self.id.len() > ID_BYTES_MOST || texts.iter().any(|text| text.chars().count() > TEXT_CHARS_MOST);
        let is_plain = |text: &str| !text.chars().any(char::is_control);
        match !self.key().is_empty() && !is_long && is_plain(&self.id) && texts.into_iter().all(is_plain) {
            true => Ok(()),
            false => Err(format!(
                "the id of a resource has 1 to {ID_BYTES_MOST} bytes, what else is said of it at most {TEXT_CHARS_MOST} \
                 characters, and none of them controls something"
            )),
        }
    }

    /// What it is compared and kept by.
    pub fn key(&self) -> String {
        resource_key(&self.id)
    }
}

/// Resources of an incident that a customer handed in together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Of which incident.
    pub incident: IncidentId,
    /// Whose.
    pub customer: CustomerId,
    /// When they were handed in.
    pub at: Time,
    /// Who handed them in: the name of the token, or the customer.
    pub by: String,
    /// Which; no two have the same key.
    pub resources: Vec<Resource>,
}

/// What all lists of an incident's resources that a customer handed in come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceSummary {
    /// Of which incident.
    pub incident: IncidentId,
    /// Whose.
    pub customer: CustomerId,
    /// How many resources are confirmed as impacted.
    pub confirmed: u32,
    /// How many are potentially impacted.
    pub potential: u32,
    /// Whether the newest list was whole: of one that goes on elsewhere nothing follows from what it leaves out.
    pub is_complete: bool,
    /// When the newest list was handed in.
    pub at: Time,
    /// Who handed it in.
    pub by: String,
}

impl ResourceSummary {
    /// How many resources there are.
    pub fn count(&self) -> usize {
        self.confirmed as usize + self.potential as usize
    }
}

/// A resource's name as it is compared: an id of Azure is the same in any case.
pub fn resource_key(resource: &str) -> String {
    resource.trim().trim_end_matches('/').to_lowercase()
}

/// The last part of a resource's id: what a person calls it.
pub fn resource_name(key: &str) -> &str {
    let key = key.trim_end_matches('/');
    key.rsplit('/').next().unwrap_or(key)
}

/// The account that stands in a resource's id (`/subscriptions/<id>/…`).
pub fn subscription_of(key: &str) -> Option<&str> {
    let rest = key.trim_start_matches('/').strip_prefix("subscriptions/")?;
    rest.split('/').next().filter(|id| !id.is_empty())
}

/// The type that stands in a resource's key: `microsoft.sql/servers/databases` of
/// `…/providers/microsoft.sql/servers/one/databases/two`.
pub fn type_of(key: &str) -> Option<String> {
    let (_, rest) = key.rsplit_once("/providers/")?;
    let mut parts = rest.split('/');
    let namespace = parts.next().filter(|part| !part.is_empty())?;
    let kinds: Vec<&str> = parts.step_by(2).collect();
    (!kinds.is_empty()).then(|| format!("{namespace}/{}", kinds.join("/")))
}
