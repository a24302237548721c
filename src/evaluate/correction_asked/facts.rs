//! What is known of an incident that a person corrects.

use anyhow::Result;

use super::Correctable;
use crate::event::{Arrival, Provider};
use crate::incident::IncidentId;
use crate::incident::correction::Corrects;
use crate::store::View;

impl View {
    /// For a correction: whether there is what it corrects, and whether a clock runs for it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn correction_facts(&self, id: &IncidentId, corrects: &Corrects) -> Result<Correctable> {
        let Some(incident) = self.incident(id)? else {
            return Ok(Correctable {
                is_known: false,
                has_clock: false,
                clock: None,
            });
        };
        let entries = self.entries(id)?;
        let is_known = match corrects {
            Corrects::Kind { communication, .. } => entries.iter().any(|entry| entry.communication == *communication),
            Corrects::Size { .. } | Corrects::Window { .. } | Corrects::Requested {} => true,
        };
        let is_live = entries.iter().any(|entry| entry.arrival == Arrival::Live);
        Ok(Correctable {
            is_known,
            has_clock: is_live && !incident.test && id.provider != Provider::Bellwether,
            clock: self.clock(id)?.flatten(),
        })
    }
}
