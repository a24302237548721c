//! The resources that an incident impacted, as far as a viewer may know of them: a customer of its own alone.

use anyhow::Result;

use crate::incident::IncidentId;
use crate::store::read::listed::ListedResource;
use crate::view::visibility::Visibility;

/// How many are named.
pub const NAMED_MOST: usize = 50;

/// What is known of an incident's resources.
#[derive(Debug, Clone, Default)]
pub struct Impacted {
    /// How many are confirmed as impacted.
    pub confirmed: usize,
    /// How many are potentially impacted.
    pub potential: usize,
    /// Whether a list of them goes on elsewhere.
    pub is_cut: bool,
    /// The first of them; none for whoever came by a link, which may have been passed on.
    pub named: Vec<ListedResource>,
}

impl Impacted {
    /// Of an incident, for a viewer.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(visibility: &Visibility<'_>, id: &IncidentId) -> Result<Self> {
        let mut impacted = Self::default();
        for summary in visibility.store.resource_summaries(id)? {
            if visibility.shows(&summary.customer) {
                impacted.confirmed += summary.confirmed as usize;
                impacted.potential += summary.potential as usize;
                impacted.is_cut |= !summary.is_complete;
            }
        }
        if impacted.count() > 0 && visibility.shows_addresses() {
            let only = visibility.only();
            impacted.named = visibility.store.listed_resources(id, only, None, NAMED_MOST)?;
        }
        Ok(impacted)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.confirmed + self.potential
    }
}
