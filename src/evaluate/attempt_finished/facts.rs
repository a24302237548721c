//! The lane of a delivery whose attempt ended.

use anyhow::Result;

use super::{Health, Lane};
use crate::channel::Outcome;
use crate::delivery::Attempt;
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
            health: Health::default(),
            delivery,
        };
        if let Some((delivery, _)) = &lane.delivery {
            lane.health = Health {
                failing: self.failing(&delivery.endpoint)?,
                told: self.told_of_failing(&delivery.customer)?,
            };
        }
        let failed = matches!(attempt.outcome, Outcome::Retry { .. });
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
}
