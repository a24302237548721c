//! What those whose rules ask for it heard of an incident.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{Measuring, added_up};
use crate::clock::Time;
use crate::customer::Sees;
use crate::event::{Impact, Kind, Measure, Measures, Provider};
use crate::incident::correction::{Correction, kind_of};
use crate::incident::reviews::Said;
use crate::incident::{Entry, Hearing, IncidentId};
use crate::journal;
use crate::lookup;
use crate::store::View;

/// How many communications are looked at, the newest: what is worked out at every event must not grow with how many there
/// were before.
const COMMUNICATIONS_MOST: usize = 100;

/// How many hearings of one account are looked at, the latest.
const HEARINGS_MOST: usize = 100;

impl View {
    /// For rules with `size` or `lasted`: what the event's incident adds up to, with the event; `None` if no rule asks.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn measures(&self, measuring: &Measuring<'_>, journal: &journal::Reader) -> Result<Option<Measures>> {
        let mut asking = measuring.rules.measuring().peekable();
        let event = measuring.event;
        let is_about = event.provider != Provider::Bellwether || event.reminder.is_some();
        if asking.peek().is_none() || !is_about {
            return Ok(None);
        }
        let id = match &event.reminder {
            Some(reminder) => IncidentId::new(reminder.of, &event.tracking_id),
            None => IncidentId::of(event),
        };
        let corrections = self.corrections(&id)?;
        let entries = self.entries(&id)?.into_iter();
        let told = Told {
            entries: entries.map(|entry| (entry.communication.clone(), entry)).collect(),
            start: self.incident(&id)?.and_then(|incident| incident.impact_start),
            corrections,
            journal,
        };
        let customers = &measuring.rules.customers;
        let mut measures = Measures::default();
        let mut everybody = None;
        for customer in asking {
            let heard = match customers.sees(customer) {
                Sees::Nothing => continue,
                Sees::Everything if everybody.is_some() => continue,
                Sees::Everything => self.hearings(&id)?,
                Sees::Owned(owner) => {
                    let is_theirs = event.accounts.is_empty()
                        || event.accounts.iter().any(|account| owner.accounts.contains(account));
                    if !is_theirs {
                        continue;
                    }
                    self.heard_by(&id, owner, HEARINGS_MOST)?
                }
            };
            let measure = told.measure(&heard, measuring)?;
            match customers.sees(customer) {
                Sees::Owned(_) => drop(measures.by_customer.insert(customer.as_str().to_owned(), measure)),
                Sees::Everything | Sees::Nothing => everybody = Some(measure),
            }
        }
        measures.everybody = everybody.unwrap_or_default();
        Ok(Some(measures))
    }
}

/// What is known of an incident.
struct Told<'a> {
    entries: BTreeMap<String, Entry>,
    start: Option<Time>,
    corrections: Vec<Correction>,
    journal: &'a journal::Reader,
}

impl Told<'_> {
    fn measure(&self, heard: &[Hearing], measuring: &Measuring<'_>) -> Result<Measure> {
        let event = measuring.event;
        let mut by_communication: BTreeMap<&str, Vec<&Hearing>> = BTreeMap::new();
        for hearing in heard.iter().filter(|hearing| hearing.event < measuring.at) {
            by_communication
                .entry(&hearing.communication)
                .or_default()
                .push(hearing);
        }
        let mut communications: Vec<Vec<&Hearing>> = by_communication.into_values().collect();
        communications.sort_by_key(|heard| std::cmp::Reverse(heard.first().map(|one| one.published)));
        communications.truncate(COMMUNICATIONS_MOST);
        let mut said = Vec::new();
        for heard in &communications {
            said.extend(self.said(heard)?);
        }
        said.extend((event.provider != Provider::Bellwether).then(|| super::said(event)));
        Ok(added_up(
            event,
            &said,
            &self.corrections,
            measuring.terms,
            measuring.now,
        ))
    }

    /// A communication: the texts of statements and reviews are read, of the others only what was impacted.
    fn said(&self, heard: &[&Hearing]) -> Result<Option<Said>> {
        let Some((first, entry)) = heard
            .first()
            .and_then(|first| Some((*first, self.entries.get(&first.communication)?)))
        else {
            return Ok(None);
        };
        let kind = kind_of(&self.corrections, &first.communication).unwrap_or(first.kind);
        let said = Said::of(kind, entry.stage, first.published);
        let is_statement = kind == Kind::Mitigation || kind.is_review();
        if is_statement || heard.iter().any(|one| one.as_event) {
            let mut accounts: Vec<String> = heard.iter().map(|one| one.account.clone()).collect();
            accounts.sort();
            let event = lookup::unless_lost(lookup::event(self.journal, first.event))?;
            return Ok(Some(event.map_or(said.clone(), |event| said.with(&event, &accounts))));
        }
        let impact = || heard.iter().flat_map(|one| &one.impact);
        let distinct = |names: Vec<Option<&String>>| {
            let names: BTreeSet<&String> = names.into_iter().flatten().collect();
            names.len()
        };
        let region = |one: &'_ Impact| one.region.is_some();
        Ok(Some(Said {
            impact_start: self.start,
            services: distinct(impact().map(|one| Some(&one.service)).collect()),
            regions: distinct(
                impact()
                    .filter(|one| region(one))
                    .map(|one| one.region.as_ref())
                    .collect(),
            ),
            ..said
        }))
    }
}
