//! What those who heard of an incident heard, each for itself.

mod heard;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Result;

use super::{Owing, Part, Unclocked};
use crate::channel::words::next_update;
use crate::clock::Time;
use crate::customer::{Customer, CustomerId, Customers, OPERATOR, ORGANISATION};
use crate::event::{Arrival, Event, Impact, Provider};
use crate::incident::correction::{Corrected, Correction, kind_of};
use crate::incident::reviews::{Said, Terms};
use crate::incident::{Entry, Hearing, Incident, IncidentId};
use crate::journal::{self, Position};
use crate::lookup;
use crate::record::GoOn;
use crate::rule::condition::lists;
use crate::store::View;
use heard::Heard;

/// How many accounts and hearings one decision looks at; what is left is looked at by the next ones. One customer's are
/// never parted.
const LOOKED_AT_MOST: usize = 5_000;

/// How many incidents get a clock by one decision.
const CLOCKS_MOST: usize = 500;

/// What was heard last so long ago owes nothing that would still be told: reviews promise repairs for a year ahead.
const OLD: chrono::Duration = chrono::Duration::days(400);

/// What a look at an incident needs to know.
pub struct LookAt<'a> {
    /// Which incident.
    pub incident: &'a IncidentId,
    /// Where to go on.
    pub on: Option<&'a GoOn>,
    /// When it was to be looked at.
    pub due: Time,
    /// Who owns what.
    pub customers: &'a Customers,
    /// When reviews are due.
    pub terms: &'a Terms,
}

impl View {
    /// For a look at an incident: what some of those who heard of it heard.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn owed_context(&self, look: &LookAt<'_>, journal: &journal::Reader) -> Result<Option<Owing>> {
        let id = look.incident;
        let Some(known) = self.incident(id)? else {
            return Ok(None);
        };
        let corrections = self.corrections(id)?;
        let entries = self.entries(id)?.into_iter();
        let mut reading = Reading {
            view: self,
            journal,
            known: &known,
            corrections: &corrections,
            entries: entries.map(|entry| (entry.communication.clone(), entry)).collect(),
            texts: HashMap::new(),
        };
        let all_heard = Heard::of(self, id)?;
        let (mut customers, mut more, mut looked_at) = (Vec::new(), None, 0);
        let mut left = names(look.customers, look.on.map(|on| &on.after))
            .into_iter()
            .peekable();
        while let Some(customer) = left.next() {
            let (heard, cost) = all_heard.by(&customer, look.customers)?;
            looked_at += cost + heard.len();
            if !heard.is_empty() {
                let told = self.reminded(id, &customer)?;
                customers.push(reading.part(customer.clone(), &heard, told)?);
            }
            if looked_at >= LOOKED_AT_MOST && left.peek().is_some() {
                more = Some(customer);
                break;
            }
        }
        Ok(Some(Owing {
            incident: id.clone(),
            customers,
            // what woke this look is over
            clock: match look.on {
                Some(_) => self.clock(id)?.flatten(),
                None => None,
            },
            due: look.on.map_or(look.due, |on| on.due),
            more,
            terms: look.terms.clone(),
            corrected: Corrected::by(&corrections),
        }))
    }

    /// What the accounts of a customer heard of a provider's incident, and what came from sources that it lists; of each at
    /// most so much, the latest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn heard_by(&self, id: &IncidentId, customer: &Customer, most: usize) -> Result<Vec<Hearing>> {
        let mut heard = self.hearings_of(id, "", most)?;
        heard.retain(|one| one.source.as_deref().is_some_and(|source| lists(customer, source)));
        for account in &customer.accounts {
            heard.extend(self.hearings_of(id, account, most)?);
        }
        Ok(heard)
    }

    /// Whether an event of an incident was recorded by a record from `from` on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_events_since(&self, id: &IncidentId, from: u64) -> Result<bool> {
        Ok(self.events_of(id)?.last().is_some_and(|last| last.seq >= from))
    }

    /// Incidents of a version without clocks, some of them from the one behind `after` on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn unclocked(&self, after: Option<&IncidentId>, now: Time) -> Result<Unclocked> {
        let mut unclocked = Unclocked {
            incidents: Vec::new(),
            more: None,
        };
        for (nth, incident) in (1..).zip(self.incidents_after(after)) {
            let incident = incident?;
            let may_owe = incident.id.provider != Provider::Bellwether && !incident.test;
            if may_owe && incident.updated > now - OLD && self.clock(&incident.id)?.is_none() {
                unclocked.incidents.push(incident.id.clone());
            }
            if nth >= CLOCKS_MOST {
                unclocked.more = Some(incident.id);
                break;
            }
        }
        Ok(unclocked)
    }
}

/// All who may have heard of something, in their order, behind `after`.
fn names(customers: &Customers, after: Option<&CustomerId>) -> Vec<CustomerId> {
    let mut all: BTreeSet<CustomerId> = match &customers.by_name {
        None => BTreeSet::from([CustomerId::new(ORGANISATION)]),
        Some(known) => known.keys().cloned().chain([CustomerId::new(OPERATOR)]).collect(),
    };
    if let Some(after) = after {
        all.retain(|one| one > after);
    }
    all.into_iter().collect()
}

/// The communications of an incident, each read once.
struct Reading<'a> {
    view: &'a View,
    journal: &'a journal::Reader,
    known: &'a Incident,
    corrections: &'a [Correction],
    entries: HashMap<String, Entry>,
    texts: HashMap<Position, Option<Arc<Event>>>,
}

impl Reading<'_> {
    /// The incident as one customer heard of it.
    fn part(
        &mut self,
        customer: CustomerId,
        heard: &[Hearing],
        told: Vec<crate::incident::reminders::Mark>,
    ) -> Result<Part> {
        let mut by_communication: BTreeMap<&str, Vec<&Hearing>> = BTreeMap::new();
        for hearing in heard {
            by_communication
                .entry(&hearing.communication)
                .or_default()
                .push(hearing);
        }
        let mut communications: Vec<Vec<&Hearing>> = by_communication.into_values().collect();
        communications
            .iter_mut()
            .for_each(|heard| heard.sort_by_key(|one| one.event));
        communications.sort_by_key(|heard| heard.first().map(|first| (first.published, first.event)));
        let (mut said, mut incident) = (Vec::new(), None::<Incident>);
        for heard in &communications {
            let Some(first) = heard.first() else { continue };
            let text = self.text(first.event)?;
            if let Some(event) = &text {
                incident = Some(match incident {
                    Some(before) => before.after(event),
                    None => Incident::begun_by(event, self.known.first_heard),
                });
            }
            said.extend(self.said(first, heard, text.as_deref()));
        }
        let accounts: BTreeSet<&String> = heard.iter().map(|one| &one.account).collect();
        Ok(Part {
            customer,
            accounts: accounts.into_iter().filter(|one| !one.is_empty()).cloned().collect(),
            impact: self.impact(heard)?,
            incident: incident.unwrap_or_else(|| self.known.clone()),
            said,
            told,
        })
    }

    fn said(&self, first: &Hearing, heard: &[&Hearing], event: Option<&Event>) -> Option<Said> {
        let entry = self.entries.get(&first.communication)?;
        let kind = kind_of(self.corrections, &first.communication).unwrap_or(first.kind);
        let mut accounts: Vec<String> = heard.iter().map(|one| one.account.clone()).collect();
        accounts.sort();
        accounts.dedup();
        let said = Said::of(kind, entry.stage, first.published);
        let said = match event {
            Some(event) => said.with(event, &accounts),
            None => said,
        };
        Some(Said {
            is_live: heard.iter().any(|one| one.arrival == Arrival::Live),
            next_update: event.and_then(next_update),
            ..said
        })
    }

    /// What is impacted, each with the accounts that it is impacted for, unless that is all.
    fn impact(&mut self, heard: &[Hearing]) -> Result<Vec<Impact>> {
        let mut impact: BTreeMap<(String, Option<String>, Option<String>), BTreeSet<String>> = BTreeMap::new();
        for hearing in heard {
            let of_event = match hearing.as_event {
                true => self.text(hearing.event)?,
                false => None,
            };
            let named = of_event.as_ref().map_or(&hearing.impact, |event| &event.impact);
            for one in named {
                let key = (one.service.clone(), one.service_id.clone(), one.region.clone());
                let accounts = impact.entry(key).or_default();
                accounts.extend((!hearing.account.is_empty()).then(|| hearing.account.clone()));
            }
        }
        let all: BTreeSet<&String> = heard
            .iter()
            .map(|one| &one.account)
            .filter(|one| !one.is_empty())
            .collect();
        let count = all.len();
        let rows = impact
            .into_iter()
            .map(|((service, service_id, region), accounts)| Impact {
                service,
                service_id,
                region,
                accounts: match accounts.len() == count {
                    true => Vec::new(),
                    false => accounts.into_iter().collect(),
                },
            });
        Ok(rows.collect())
    }

    /// The text of an event; `None` if that part of the journal is lost.
    fn text(&mut self, at: Position) -> Result<Option<Arc<Event>>> {
        if let Some(known) = self.texts.get(&at) {
            return Ok(known.clone());
        }
        let read = lookup::unless_lost(lookup::event(self.journal, at))?.map(Arc::new);
        let read = match read {
            Some(event) => Some(Arc::new(self.view.with_time(&event)?.into_owned())),
            None => None,
        };
        self.texts.insert(at, read.clone());
        Ok(read)
    }
}
