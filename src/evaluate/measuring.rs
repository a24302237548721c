//! What an incident adds up to at an event of it, for those whose rules ask for that.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::channel::words::next_update;
use crate::clock::Time;
use crate::customer::Sees;
use crate::event::{Event, Impact, Kind, Measure, Measures, Provider};
use crate::incident::correction::{Corrected, Correction, kind_of};
use crate::incident::reviews::{About, Said, Terms, progress};
use crate::incident::{Entry, Hearing, IncidentId};
use crate::journal::{self, Position};
use crate::lookup;
use crate::rule::RuleSet;
use crate::store::View;

/// How many communications are looked at, the newest: what is worked out at every event must not grow with how many there
/// were before.
const COMMUNICATIONS_MOST: usize = 100;

/// How many hearings of one account are looked at, the latest.
const HEARINGS_MOST: usize = 100;

/// At which event what an incident adds up to is asked.
pub struct Measuring<'a> {
    /// The event.
    pub event: &'a Event,
    /// Where it stands: what came later is not known yet.
    pub at: Position,
    /// The rules that may ask.
    pub rules: &'a RuleSet,
    /// How large an incident must be.
    pub terms: &'a Terms,
    /// When it is decided.
    pub now: Time,
}

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

/// What an event adds up to of which nothing else is known.
pub fn alone(event: &Event, terms: &Terms, now: Time) -> Measure {
    added_up(event, &[said(event)], &[], terms, now)
}

fn said(event: &Event) -> Said {
    Said {
        next_update: next_update(event),
        ..Said::of(event.kind, event.stage, event.published).with(event, &event.accounts)
    }
}

fn added_up(event: &Event, said: &[Said], corrections: &[Correction], terms: &Terms, now: Time) -> Measure {
    let about = About {
        event_type: event.event_type,
        is_test: event.test,
        corrected: Corrected::by(corrections),
        terms,
    };
    let progress = progress(&about, said, now);
    Measure {
        size: progress.size_so_far,
        lasted: progress.lasted,
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
        said.extend((event.provider != Provider::Bellwether).then(|| self::said(event)));
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
            let names: std::collections::BTreeSet<&String> = names.into_iter().flatten().collect();
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
