//! What is old enough to be forgotten.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::OldIncident;
use crate::clock::Time;
use crate::delivery::{Delivery, Standing};
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::store::View;
use crate::store::item::{DeliveryItem, Progress};
use crate::store::keys;

/// How many incidents one decision of retention looks at.
const LOOKED_AT_MOST: usize = 1_000;

impl View {
    /// For retention: deliveries that ended before `before`, some of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn old_deliveries(&self, before: Time, most: usize) -> Result<Vec<(Delivery, Standing)>> {
        let known = self.ended_before(before).take(most).map(|ended| {
            let ended = ended?;
            let standing = ended.standing();
            Ok(standing.map(|standing| (ended.delivery, standing)))
        });
        known.filter_map(Result::transpose).collect()
    }

    /// For retention: the tests that go with these deliveries. They are of no incident, so they go as soon as all of
    /// their deliveries do.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn old_tests(&self, going: &[(Delivery, Standing)]) -> Result<Vec<OldIncident>> {
        let ids: BTreeSet<&String> = going.iter().map(|(delivery, _)| &delivery.id).collect();
        let mut old: BTreeMap<&IncidentId, OldIncident> = BTreeMap::new();
        for (test, _) in going.iter().filter(|(delivery, _)| delivery.is_test()) {
            let all: Vec<_> = self.deliveries_about(&test.incident).collect::<Result<_>>()?;
            let goes = |one: &DeliveryItem| one.progress == Progress::Forgotten || ids.contains(&one.delivery.id);
            if all.iter().all(goes) {
                old.entry(&test.incident).or_insert_with(|| OldIncident {
                    incident: test.incident.clone(),
                    events: vec![test.event],
                    series: all.into_iter().map(|one| one.delivery.series).collect(),
                });
            }
        }
        Ok(old.into_values().collect())
    }

    /// For retention: incidents that were last heard of before `before` (`before_review`, if they have a review), some
    /// of them; never one with anything pending, nor one of whose deliveries is still known. Looks at some incidents
    /// only, from the one behind `after` on, and says where to go on; `None` at the end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn old_incidents(
        &self,
        after: Option<&IncidentId>,
        before: Option<Time>,
        before_review: Option<Time>,
        most: usize,
    ) -> Result<(Vec<OldIncident>, Option<IncidentId>)> {
        let mut old = Vec::new();
        for (nth, incident) in (1..).zip(self.incidents_after(after)) {
            let incident = incident?;
            let is_old = |before: Option<Time>| before.is_some_and(|before| incident.updated < before);
            // what is young on either count is passed over without reading anything more of it
            if is_old(before) || is_old(before_review) {
                let has_review = self.entries(&incident.id)?.iter().any(|entry| entry.kind.is_review());
                if is_old(if has_review { before_review } else { before }) {
                    old.extend(self.forgettable(&incident.id)?);
                }
            }
            if old.len() >= most || nth >= LOOKED_AT_MOST {
                return Ok((old, Some(incident.id)));
            }
        }
        Ok((old, None))
    }

    /// What goes with an incident, unless anything about it is pending, or one of its deliveries is still known.
    fn forgettable(&self, id: &IncidentId) -> Result<Option<OldIncident>> {
        let events = self.events_of(id)?;
        if self.has_undecided(&events)? {
            return Ok(None);
        }
        let mut series = Vec::new();
        for delivery in self.deliveries_about(id) {
            let delivery = delivery?;
            if delivery.progress != Progress::Forgotten {
                return Ok(None);
            }
            series.push(delivery.delivery.series);
        }
        Ok(Some(OldIncident {
            incident: id.clone(),
            events,
            series,
        }))
    }

    fn has_undecided(&self, events: &[Position]) -> Result<bool> {
        for at in events {
            if self.has(&keys::inbox(*at))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
