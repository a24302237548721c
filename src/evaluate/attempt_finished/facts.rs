//! The lane of a delivery whose attempt ended.

use anyhow::Result;

use super::our_fault::tracking_id;
use super::{Health, Lane};
use crate::channel::Outcome;
use crate::delivery::{Attempt, LIFE};
use crate::event::Provider;
use crate::incident::IncidentId;
use crate::store::View;

/// How far a failed attempt looks for what waits behind it.
const BEHIND_MOST: usize = 64;

impl View {
    /// For an attempt's end: its delivery, and what waits behind it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tried_context(&self, attempt: &Attempt) -> Result<Lane> {
        let delivery = self.known(&attempt.delivery)?;
        let mut lane = Lane {
            behind: Vec::new(),
            carried: Vec::new(),
            hold: None,
            is_fault_told: self.is_fault_told(attempt)?,
            health: Health::default(),
            delivery,
        };
        if let Some((delivery, _)) = &lane.delivery {
            lane.health = Health {
                failing: self.failing(&delivery.endpoint)?,
                told: self.told_of_failing(&delivery.customer)?,
            };
        }
        let failed = attempt.outcome.is_tried_again();
        if let Some((delivery, _)) = lane.delivery.as_ref().filter(|_| failed) {
            for place in self.behind(&delivery.lane_key(), BEHIND_MOST)? {
                lane.behind.extend(self.known(&place.delivery)?);
            }
            for id in std::iter::once(&delivery.id).chain(lane.behind.iter().map(|(behind, _)| &behind.id)) {
                lane.carried.push((id.clone(), self.carried(id)?));
            }
        }
        Ok(lane)
    }

    /// Whether the operator was told of the fault that an attempt found, on its day or within a delivery's life before.
    fn is_fault_told(&self, attempt: &Attempt) -> Result<bool> {
        let Outcome::OurFault { fault, .. } = attempt.outcome else {
            return Ok(false);
        };
        for days in 0..=LIFE.num_days() {
            let day = attempt.ended - chrono::Duration::days(days);
            let id = IncidentId::new(Provider::Bellwether, &tracking_id(fault, day));
            if self.incident(&id)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
