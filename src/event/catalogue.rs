//! Placeholder: replaced by the real catalogue when the branches meet.

use std::collections::BTreeMap;

/// Names of services and regions.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    services: BTreeMap<String, String>,
    regions: Vec<String>,
}

const SERVICES: [(&str, &[&str]); 7] = [
    ("Virtual Machines", &["fd8065f5-ffd0-4756-8788-e6a11bf36257"]),
    ("Storage", &[]),
    ("SQL Database", &[]),
    ("App Service", &[]),
    ("Azure Cosmos DB", &["Cosmos DB"]),
    ("Microsoft Entra ID", &["Azure Active Directory"]),
    ("Service Fabric", &[]),
];

impl Catalogue {
    /// The one compiled in.
    pub fn shipped() -> Self {
        let named = SERVICES.iter().flat_map(|(name, others)| {
            std::iter::once(*name).chain(others.iter().copied()).map(|any| (super::fold(any), super::fold(name)))
        });
        let regions = ["East US", "East US 2", "West Europe", "North Europe", "Sweden Central", "Global"];
        Self { services: named.collect(), regions: regions.map(str::to_owned).to_vec() }
    }

    /// An operator's own.
    pub fn parse(yaml: &str) -> Result<Self, String> {
        serde_saphyr::from_str::<BTreeMap<String, Vec<String>>>(yaml).map_err(|error| error.to_string())?;
        Ok(Self::shipped())
    }

    /// The folded canonical name.
    pub fn service_key(&self, name: &str, id: Option<&str>) -> String {
        let by = |text: &str| self.services.get(&super::fold(text)).cloned();
        id.and_then(by).or_else(|| by(name)).unwrap_or_else(|| super::fold(name))
    }

    /// Whether a service is known.
    pub fn knows_service(&self, name: &str) -> bool {
        self.services.contains_key(&super::fold(name))
    }

    /// Whether a region is known.
    pub fn knows_region(&self, name: &str) -> bool {
        self.regions.iter().any(|region| super::fold(region) == super::fold(name))
    }

    /// The service meant.
    pub fn closest_service(&self, name: &str) -> Option<String> {
        crate::problem::closest(name, SERVICES.iter().map(|(name, _)| *name)).map(str::to_owned)
    }

    /// The region meant.
    pub fn closest_region(&self, name: &str) -> Option<String> {
        crate::problem::closest(name, self.regions.iter().map(String::as_str)).map(str::to_owned)
    }
}
