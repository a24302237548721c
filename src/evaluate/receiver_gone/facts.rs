//! What waits for an endpoint that no rule file names any more.

use anyhow::Result;

use super::Pending;
use crate::journal;
use crate::lookup;
use crate::notification::EndpointId;
use crate::store::View;

/// How many deliveries of a vanished endpoint are moved or ended by one decision.
const MOVED_MOST: usize = 200;

impl View {
    /// For a vanished endpoint: what waits for it, some of it.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn endpoint_context(&self, endpoint: &EndpointId, journal: &journal::Reader) -> Result<Vec<Pending>> {
        let mut pending = Vec::new();
        for place in self.lane(endpoint, MOVED_MOST)? {
            if let Some((delivery, at, standing)) = self.delivery(&place.delivery)? {
                let frozen = lookup::unless_lost(lookup::content(journal, at))?;
                let item = self.delivery_item(&delivery.id)?;
                pending.push(Pending {
                    content: item.zip(frozen).map(|(item, frozen)| item.content_of(&frozen)),
                    delivery,
                    standing,
                });
            }
        }
        Ok(pending)
    }

    /// Whether something that waits for an endpoint was made by a record from `from` on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn was_told_since(&self, endpoint: &EndpointId, from: u64) -> Result<bool> {
        for place in self.lane(endpoint, MOVED_MOST)? {
            if self
                .delivery(&place.delivery)?
                .is_some_and(|(_, content, _)| content.seq >= from)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
