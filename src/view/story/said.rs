//! What was said of an incident, without what followed from it: for feeds, which tell the same to everybody of a customer.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{Chapter, Sources, as_told, by_communication, chapter, correct_kinds, own, sort};
use crate::event::Provider;
use crate::incident::{Incident, IncidentId};
use crate::lookup;

/// Communications, each with its id.
pub type Communications = Vec<(String, Chapter)>;

/// An incident as the viewer may know it, and each communication of it by its id, the provider's newest first; `None` if
/// the viewer may not know of it.
///
/// # Errors
/// When the store cannot be read.
pub fn said(from: &Sources<'_>, known: Incident) -> Result<Option<(Incident, Communications)>> {
    let hearings = from.visibility.hearings(&known.id)?;
    if hearings.is_empty() {
        return Ok(None);
    }
    let corrections = from.visibility.store.corrections(&known.id)?;
    let mut said = Vec::new();
    for (entry, heard) in by_communication(from.visibility.store.entries(&known.id)?, &hearings) {
        let mut chapter = chapter::said(from, &entry, &heard)?;
        correct_kinds(std::slice::from_mut(&mut chapter), &corrections);
        said.push((entry.communication, chapter));
    }
    let mut chapters: Vec<Chapter> = said.iter().map(|(_, chapter)| chapter.clone()).collect();
    sort(&mut chapters);
    let mut incident = match from.visibility.is_whole() {
        true => known,
        false => as_told(known, &chapters),
    };
    if let Some(customer) = from.visibility.only() {
        own::in_own_words(&mut incident, &mut chapters, customer);
        for (_, chapter) in &mut said {
            own::in_own_words(&mut incident, std::slice::from_mut(chapter), customer);
        }
    }
    newest_first(&mut said);
    Ok(Some((incident, said)))
}

/// The reminders of what an incident owes, each with the id of its communication, the newest first: events of our own of
/// the same tracking id.
///
/// # Errors
/// When the store cannot be read.
pub fn reminded(from: &Sources<'_>, id: &IncidentId) -> Result<Communications> {
    let own = IncidentId::new(Provider::Bellwether, &id.tracking_id);
    if *id == own || from.visibility.store.incident(&own)?.is_none() {
        return Ok(Vec::new());
    }
    let hearings = from.visibility.hearings(&own)?;
    let mut reminded = Vec::new();
    for (entry, heard) in by_communication(from.visibility.store.entries(&own)?, &hearings) {
        let chapter = chapter::said(from, &entry, &heard)?;
        let of = chapter.event.as_ref().and_then(|event| event.reminder.as_ref());
        if of.is_some_and(|reminder| reminder.of == id.provider) {
            reminded.push((entry.communication, chapter));
        }
    }
    newest_first(&mut reminded);
    Ok(reminded)
}

/// The providers of whose incidents an incident of our own reminds.
///
/// # Errors
/// When the store cannot be read.
pub fn reminded_providers(from: &Sources<'_>, own: &IncidentId) -> Result<BTreeSet<Provider>> {
    let mut providers = BTreeSet::new();
    for hearing in from.visibility.hearings(own)? {
        let event = lookup::unless_lost(lookup::event(from.journal, hearing.event))?;
        providers.extend(event.and_then(|event| Some(event.reminder?.of)));
    }
    Ok(providers)
}

fn newest_first(said: &mut Communications) {
    said.sort_by(|(_, one), (_, other)| (other.published, &other.events).cmp(&(one.published, &one.events)));
}
