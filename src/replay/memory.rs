//! What was heard of one incident so far, and what was made of it: what the store knows of it, as far as it bears on
//! whether a rule tells somebody.

use std::collections::{BTreeMap, BTreeSet};

use crate::customer::CustomerId;
use crate::evaluate::event_received::{Announced, Heard, Sessions, asking};
use crate::evaluate::placing::{self, HEARINGS_MOST, accounts_of};
use crate::event::{Event, Kind, communication_of};
use crate::incident::{Entry, Hearing, Incident};
use crate::record::{Change, Verdict};
use crate::rule::RuleSet;

/// What is known of one incident.
#[derive(Default)]
pub(super) struct Memory {
    incident: Option<Incident>,
    /// Of each account, the latest last.
    hearings: BTreeMap<String, Vec<Hearing>>,
    entries: BTreeMap<String, Entry>,
    /// Invitations, as they were said.
    announced: Vec<(Entry, Event)>,
    follows: BTreeSet<(CustomerId, String)>,
}

impl Memory {
    /// The event with the time that counts: one whose own time is wild, and that says what was said before, keeps the
    /// time that this was given then.
    pub fn with_time(&self, mut event: Event) -> Event {
        if event.published_said.is_some() {
            let tellings = self.tellings(&event);
            let first = tellings
                .iter()
                .filter(|entry| entry.published_said == event.published_said)
                .min_by_key(|entry| entry.event);
            event.published = first.map_or(event.published, |first| first.published);
        }
        event
    }

    /// What bears on an event.
    pub fn context(&self, event: &Event, rules: &RuleSet) -> Heard {
        let accounts = accounts_of(event).into_iter();
        let heard = accounts.filter_map(|account| {
            let before = self.hearings.get(&account)?;
            let latest = before.iter().rev().take(HEARINGS_MOST);
            Some((account, latest.cloned().collect()))
        });
        let heard: BTreeMap<String, Vec<Hearing>> = heard.collect();
        let tellings = self.tellings(event);
        let placed = placing::place(event, &heard, &tellings);
        let is_known = tellings.iter().any(|entry| entry.communication == placed.communication);
        let sessions = self.sessions(event, &placed.communication);
        let is_asked = placed.repeat_of.is_none() && event.arrival == crate::event::Arrival::Live;
        let follows: Vec<_> = self.follows.iter().cloned().collect();
        let asking = match is_asked {
            true => asking(event, self.incident.as_ref(), &follows, &placed, &sessions, rules),
            false => Vec::new(),
        };
        Heard {
            incident: self.incident.clone(),
            placed,
            is_known,
            sessions,
            asking,
            ..Heard::default()
        }
    }

    /// The communications that are this text: its tellings.
    fn tellings(&self, event: &Event) -> Vec<Entry> {
        let text = communication_of(event);
        let from = self.entries.range(text.clone()..);
        let same = from.take_while(|(communication, _)| communication.starts_with(&text));
        same.map(|(_, entry)| entry.clone()).collect()
    }

    fn sessions(&self, event: &Event, communication: &str) -> Sessions {
        if event.kind != Kind::Retrospective {
            return Sessions::default();
        }
        let mut said: Vec<&(Entry, Event)> = self.announced.iter().collect();
        said.sort_by_key(|(entry, _)| (entry.published, entry.event));
        let said = said
            .into_iter()
            .map(|(entry, event)| Announced::of(entry, Some(event.clone())));
        Sessions::of(event, communication, &said.collect::<Vec<_>>())
    }

    /// What was decided of an event is known from now on.
    pub fn apply(&mut self, event: &Event, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Incident(incident) => self.incident = Some(incident.clone()),
                Change::Entry(entry) => {
                    if entry.kind == Kind::Retrospective {
                        self.announced.push((entry.clone(), event.clone()));
                    }
                    self.entries.insert(entry.communication.clone(), entry.clone());
                }
                Change::Affected(hearing) => {
                    let heard = self.hearings.entry(hearing.account.clone()).or_default();
                    heard.push(hearing.clone());
                    // no more than these is ever looked at
                    if heard.len() >= 2 * HEARINGS_MOST {
                        heard.drain(..HEARINGS_MOST);
                    }
                }
                Change::Judged(judged) if matches!(judged.verdict, Verdict::Planned | Verdict::Joined) => {
                    self.follows.insert((judged.customer.clone(), judged.rule.clone()));
                }
                _ => {}
            }
        }
    }
}
