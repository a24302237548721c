//! Which events are here already, so that taking an archive in twice changes nothing.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;

use super::own::as_it_goes_out;
use super::{EventLine, Saying};
use crate::clock::Time;
use crate::event::{Event, Imported};
use crate::incident::IncidentId;
use crate::incident::correction::Correction;
use crate::journal::{self, Position};
use crate::lookup;
use crate::store::View;

/// What an event is known by: what was said, and, of one out of an archive, when it was heard there and its id.
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    said: [u8; 32],
    heard: Option<(Time, Position)>,
}

/// Leaves those that are not here; how many there were that are.
///
/// # Errors
/// When store or journal cannot be read.
pub fn new_ones(store: &View, journal: &journal::Reader, events: Vec<Event>) -> Result<(Vec<Event>, usize)> {
    let mut incidents: BTreeMap<IncidentId, HashSet<Identity>> = BTreeMap::new();
    let (mut new, mut known) = (Vec::new(), 0);
    for event in events {
        let id = IncidentId::of(&event);
        if !incidents.contains_key(&id) {
            incidents.insert(id.clone(), identities(store, journal, &id)?);
        }
        let here = incidents.get_mut(&id).expect("it was put there");
        match here.insert(Identity::of(&event, event.imported)) {
            true => new.push(event),
            false => known += 1,
        }
    }
    Ok((new, known))
}

/// Leaves the corrections that are not here; how many there were that are.
///
/// # Errors
/// When the store cannot be read.
pub fn new_corrections(store: &View, corrections: Vec<Correction>) -> Result<(Vec<Correction>, usize)> {
    let mut incidents: BTreeMap<IncidentId, Vec<Correction>> = BTreeMap::new();
    let (mut new, mut known) = (Vec::new(), 0);
    for correction in corrections {
        let id = &correction.incident;
        if !incidents.contains_key(id) {
            incidents.insert(id.clone(), store.corrections(id)?);
        }
        let here = incidents.get_mut(id).expect("it was put there");
        if here.iter().any(|one| one.is_same(&correction)) {
            known += 1;
            continue;
        }
        here.push(correction.clone());
        new.push(correction);
    }
    Ok((new, known))
}

/// Leaves what was said that is not here; how much there was that is.
///
/// # Errors
/// When the store cannot be read.
pub fn new_sayings(store: &View, sayings: Vec<Saying>) -> Result<(Vec<Saying>, usize)> {
    let (mut new, mut known) = (Vec::new(), 0);
    for saying in sayings {
        match is_here(store, &saying)? {
            true => known += 1,
            false => new.push(saying),
        }
    }
    Ok((new, known))
}

/// Whether all that was said is here, or was said anew since.
fn is_here(store: &View, saying: &Saying) -> Result<bool> {
    Ok(match saying {
        Saying::Reminders(line) => store.claim_marks_untold(&line.customer, &line.of)?.is_empty(),
        Saying::Claim(claimed) => {
            let history = store.claimed(&claimed.customer, &claimed.claim)?;
            history.iter().any(|one| one.is_same(claimed))
        }
        Saying::Downtime(downtime) => {
            let here = store.downtime(&downtime.customer, &downtime.id)?;
            here.is_some_and(|here| here.last_said() >= downtime.last_said())
        }
        Saying::Resources(line) => {
            let id = IncidentId::new(line.provider, &line.tracking_id);
            for resource in &line.resources {
                let here = store.listed_resource(&id, &line.customer, &resource.key())?;
                if here.is_none_or(|here| here.resource != *resource && here.at < line.at) {
                    return Ok(false);
                }
            }
            let summary = store.resource_summary(&id, &line.customer)?;
            summary.is_some_and(|summary| summary.is_complete == line.complete || summary.at > line.at)
        }
    })
}

/// What the events of an incident are known by.
fn identities(store: &View, journal: &journal::Reader, id: &IncidentId) -> Result<HashSet<Identity>> {
    let mut here = HashSet::new();
    for line in store.event_lines_of(id, None) {
        let line = line?;
        let Some(event) = lookup::unless_lost(lookup::event(journal, line.at))? else {
            continue;
        };
        let (heard, at) = (line.heard, line.at);
        let imported = event.imported.unwrap_or(Imported { heard, id: at });
        here.insert(Identity::of(&event, Some(imported)));
        // what a provider's answer holds says not when it was heard
        here.insert(Identity::of(&event, None));
    }
    Ok(here)
}

impl Identity {
    fn of(event: &Event, heard: Option<Imported>) -> Self {
        Self {
            said: as_it_goes_out(event.clone()).said_digest(),
            heard: heard.map(|imported| (imported.heard, imported.id)),
        }
    }
}

/// The events of lines, each as it may be taken in.
///
/// # Errors
/// When one may not: which line of these, 0-based, and why.
pub fn taken(lines: Vec<EventLine>) -> Result<Vec<Event>, (usize, crate::event::Unfit)> {
    let fit = lines.into_iter().enumerate().filter_map(|(nth, line)| {
        let event = line.into_event()?;
        Some(event.taken_from_archive().map_err(|unfit| (nth, unfit)))
    });
    fit.collect()
}
