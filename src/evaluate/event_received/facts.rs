//! What is known that bears on an event: its incident, what its accounts heard, who asks, and what they were told.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, hash_map};

use anyhow::Result;

use super::super::facts::Sets;
use super::super::placing;
use super::not_understood::{self, NewWords, WORD_IDS, WORDS_TOLD_MOST};
use super::sessions::{Announced, Sessions};
use super::unowned::{self, Unowned};
use super::{Asking, Heard, LatestPart, asking};
use crate::delivery::Delivery;
use crate::event::{Arrival, Event, Kind, Provider, communication_of};
use crate::incident::{Entry, Hearing, IncidentId};
use crate::journal::{self, Position};
use crate::lookup;
use crate::rule::RuleSet;
use crate::store::View;

impl View {
    /// An event with the time that counts: one whose own time is wild, and that says what was said before, keeps the time
    /// that this was given then.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn with_time<'e>(&self, event: &'e Event) -> Result<Cow<'e, Event>> {
        if event.published_said.is_none() {
            return Ok(Cow::Borrowed(event));
        }
        let tellings = self.tellings(&IncidentId::of(event), &communication_of(event))?;
        let first = tellings
            .iter()
            .filter(|entry| entry.published_said == event.published_said)
            .min_by_key(|entry| entry.event);
        let mut event = Cow::Borrowed(event);
        if let Some(first) = first {
            event.to_mut().published = first.published;
        }
        Ok(event)
    }

    /// For an event: its incident, what its accounts heard, who asks, and the notifications it could lead to.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn hear_context(&self, event: &Event, rules: &RuleSet, journal: &journal::Reader) -> Result<Heard> {
        let id = IncidentId::of(event);
        let mut heard = BTreeMap::new();
        for account in placing::accounts_of(event) {
            let before = self.hearings_of(&id, &account, placing::HEARINGS_MOST)?;
            heard.insert(account, before);
        }
        let tellings = self.tellings(&id, &communication_of(event))?;
        let incident = self.incident(&id)?;
        let mut context = Heard {
            placed: placing::place(event, &heard, &tellings),
            ..Heard::default()
        };
        let is_this = |entry: &Entry| entry.communication == context.placed.communication;
        context.is_known = tellings.iter().any(is_this);
        if event.kind == Kind::Retrospective {
            context.sessions = self.sessions_of(event, &context.placed.communication, journal)?;
        }
        if context.placed.repeat_of.is_none() && event.arrival == Arrival::Live {
            let follows = self.follows(&id)?;
            context.asking = asking(
                event,
                incident.as_ref(),
                &follows,
                &context.placed,
                &context.sessions,
                rules,
            );
            // of an incident that is not known yet, nobody was told
            if incident.is_some() {
                self.add_series(&id, &heard, journal, &mut context)?;
            }
        }
        context.clock = self.clock(&id)?.flatten();
        context.begins_clocks =
            incident.is_none() && !self.have_clocks_begun()? && self.incidents_after(None).next().is_none();
        context.incident = incident;
        context.new_words = self.new_words(event)?;
        context.unowned = self.unowned(event, &context.asking, rules)?;
        Ok(context)
    }

    /// The words of an event that this version does not know and that nobody was told of: what was told is an incident of
    /// our own, so it is remembered as long as those are.
    fn new_words(&self, event: &Event) -> Result<NewWords> {
        let mut new = NewWords::default();
        for (field, word) in not_understood::words(event) {
            if !self.is_reported(&not_understood::id_of(field, word))? {
                new.untold.push((field.to_owned(), word.to_owned()));
            }
        }
        if !new.untold.is_empty() {
            new.told = self.reports(WORD_IDS, WORDS_TOLD_MOST)?;
        }
        Ok(new)
    }

    /// The accounts of an event that no customer owns.
    fn unowned(&self, event: &Event, asking: &[Asking], rules: &RuleSet) -> Result<Unowned> {
        let mut unowned = Unowned::of(event, asking, rules);
        if let Some(id) = unowned.id() {
            unowned.is_told = self.is_reported(&id)?;
            if !unowned.is_told {
                unowned.reports = self.reports(unowned::IDS, unowned::REPORTS_MOST)?;
            }
        }
        Ok(unowned)
    }

    /// Whether there is a report of this id.
    fn is_reported(&self, id: &str) -> Result<bool> {
        Ok(self.incident(&IncidentId::new(Provider::Bellwether, id))?.is_some())
    }

    /// How many reports have ids that begin like this, counted up to `most` and one beyond.
    fn reports(&self, begin: &str, most: usize) -> Result<usize> {
        let before = IncidentId::new(Provider::Bellwether, begin);
        let mut reports = 0;
        for told in self.incidents_after(Some(&before)).take(most + 1) {
            reports += usize::from(told?.id.tracking_id.starts_with(begin));
        }
        Ok(reports)
    }

    /// The sessions that an event invites to, by what the incident's invitations said of them, the oldest first. What the
    /// journal lost has numbers and no times.
    fn sessions_of(&self, event: &Event, communication: &str, journal: &journal::Reader) -> Result<Sessions> {
        let mut announced = Vec::new();
        for entry in self.entries(&IncidentId::of(event))? {
            if entry.kind == Kind::Retrospective {
                let said = lookup::unless_lost(lookup::event(journal, entry.event))?;
                announced.push(Announced::of(&entry, said));
            }
        }
        Ok(Sessions::of(event, communication, &announced))
    }

    fn add_series(
        &self,
        id: &IncidentId,
        heard: &BTreeMap<String, Vec<Hearing>>,
        journal: &journal::Reader,
        context: &mut Heard,
    ) -> Result<()> {
        for asking in &context.asking {
            for wanted in &asking.wanted {
                let Some(known) = self.latest_part(id, &wanted.endpoint, &wanted.series)? else {
                    continue;
                };
                let mut told = HashMap::new();
                for account in &asking.left.accounts {
                    let before = heard.get(account).map_or(&[][..], Vec::as_slice);
                    if self.has_reached(id, &known.delivery, account, before, &mut told, journal)? {
                        context.has_reached.insert(wanted.series.clone());
                        context.reached.insert((wanted.series.clone(), account.clone()));
                    }
                }
                let latest = LatestPart {
                    part: known.delivery.part,
                    due: known.notification().map(|open| open.due),
                };
                context.series.insert(wanted.series.clone(), latest);
            }
        }
        Ok(())
    }

    /// Whether an endpoint was told of an account by a series, whose latest part is given: by one of the events that the
    /// account heard `before`.
    fn has_reached(
        &self,
        id: &IncidentId,
        latest: &Delivery,
        account: &String,
        before: &[Hearing],
        told: &mut HashMap<Position, HashSet<String>>,
        journal: &journal::Reader,
    ) -> Result<bool> {
        for hearing in before {
            let accounts = match told.entry(hearing.event) {
                hash_map::Entry::Occupied(known) => known.into_mut(),
                hash_map::Entry::Vacant(place) => {
                    let mut accounts = HashSet::new();
                    for gathered in self.gathered_by(id, &latest.series, hearing.event)? {
                        let new = self.new_accounts(&gathered, &mut Sets::default(), journal)?;
                        accounts.extend(new.iter().cloned());
                    }
                    place.insert(accounts)
                }
            };
            if accounts.contains(account) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
