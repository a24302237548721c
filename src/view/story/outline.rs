//! An incident in outline: the line that a list shows, and what filters look at. Made for one viewer from what was heard,
//! without what followed from it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Chapter, Sources, Story, as_told, by_communication, chapter, correct_kinds, own, sort};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::catalogue::Catalogue;
use crate::event::{Arrival, Event, Impact, Provider, fold};
use crate::incident::correction::Correction;
use crate::incident::reviews::{Debt, DebtState, Progress, Terms};
use crate::incident::{Entry, Hearing, Incident, IncidentId};
use crate::journal::Position;
use crate::view::filter::{Facts, State, words};

/// The most bytes of texts that are searched of one incident, the newest first. A line that was said before counts once,
/// and most updates repeat the ones before them.
const TEXT_BYTES_MOST: usize = 512 << 10;

/// A line of a list of incidents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// What is known of it.
    pub incident: Incident,
    /// Whether all of it came as history, so that nobody was told.
    pub is_back_filled: bool,
    /// Where it is, by the clock.
    pub state: State,
    /// What is owed and when it is due, the soonest first.
    pub owed: Vec<(Debt, Time)>,
    /// Whether the provider withheld the text of something that was said, and has not given it since.
    pub is_incomplete: bool,
}

/// An incident in outline.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// The line of a list.
    pub line: Listed,
    /// What filters look at.
    pub facts: Facts,
}

/// For whom an outline is made.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// Whether everything about the incident is seen.
    pub is_whole: bool,
    /// The customer, unless it is the operator.
    pub only: Option<&'a CustomerId>,
}

/// What there is of an incident, each text read once however many viewers it is cut for.
pub struct Heard<'a> {
    from: &'a Sources<'a>,
    known: Incident,
    entries: Vec<Entry>,
    corrections: Vec<Correction>,
    texts: BTreeMap<Position, Option<(Time, Event)>>,
    /// Who heard which reminders of what it owes.
    reminded: Vec<Hearing>,
}

impl<'a> Heard<'a> {
    /// What there is of this incident; `None` if there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(from: &'a Sources<'a>, id: &IncidentId) -> Result<Option<Self>> {
        // a reminder stands in the story of the incident that it is about, and is none of its own
        let is_reminder = |one: &Incident| id.provider == Provider::Bellwether && one.kind.is_reminder();
        let known = from.visibility.store.incident(id)?;
        let Some(known) = known.filter(|one| !is_reminder(one)) else {
            return Ok(None);
        };
        let own = IncidentId::new(Provider::Bellwether, &id.tracking_id);
        let mut heard = Self {
            from,
            known,
            entries: from.visibility.store.entries(id)?,
            corrections: from.visibility.store.corrections(id)?,
            texts: BTreeMap::new(),
            reminded: Vec::new(),
        };
        if *id != own {
            heard.reminded = heard.reminders_heard(&own, id.provider)?;
        }
        Ok(Some(heard))
    }

    /// Who heard what we raised of the same tracking id, as far as it reminds of what this provider owes.
    fn reminders_heard(&mut self, own: &IncidentId, of: Provider) -> Result<Vec<Hearing>> {
        let mut reminded = Vec::new();
        for hearing in self.from.visibility.store.hearings(own)? {
            let event = self.text(hearing.event)?;
            let reminder = event.as_ref().and_then(|(_, event)| event.reminder.as_ref());
            if reminder.is_some_and(|reminder| reminder.of == of) {
                reminded.push(hearing);
            }
        }
        Ok(reminded)
    }

    /// Its outline for one viewer, by what that viewer heard of it; `None` if that is nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn outline(
        &mut self,
        whose: Whose<'_>,
        hearings: &[Hearing],
        catalogue: &Catalogue,
        (terms, now): (&Terms, Time),
    ) -> Result<Option<Outline>> {
        if hearings.is_empty() {
            return Ok(None);
        }
        let mut chapters = Vec::new();
        for (entry, heard) in by_communication(self.entries.clone(), hearings) {
            let event = self.text(chapter::told_by(&entry, &heard))?;
            let heard_at = event.as_ref().map_or(entry.heard, |(at, _)| *at);
            let event = event.map(|(_, event)| Box::new(event));
            chapters.push(chapter::with_text(&entry, &heard, heard_at, event));
        }
        sort(&mut chapters);
        correct_kinds(&mut chapters, &self.corrections);
        let mut incident = match whose.is_whole {
            true => self.known.clone(),
            false => as_told(self.known.clone(), &chapters),
        };
        if let Some(customer) = whose.only {
            own::in_own_words(&mut incident, &mut chapters, customer);
        }
        let places = self.places(hearings, catalogue)?;
        let accounts = hearings.iter().map(|hearing| hearing.account.clone());
        let story = Story {
            incident,
            impact: Vec::new(),
            own_part: None,
            accounts: accounts.filter(|account| !account.is_empty()).collect(),
            chapters,
            corrections: self.corrections.clone(),
            reminders: Vec::new(),
            impacted: crate::view::impacted::Impacted::default(),
            shown: 0..0,
        };
        let mut outline = outline(story, places, terms, now);
        let is_theirs = |hearing: &&Hearing| {
            let source = hearing.source.as_deref();
            whose.is_whole || source.is_some() && source == whose.only.map(CustomerId::as_str)
        };
        outline
            .facts
            .kinds
            .extend(self.reminded.iter().filter(is_theirs).map(|one| one.kind));
        Ok(Some(outline))
    }

    /// An event and when it arrived; without its markup, which nobody searches, unless it may promise repairs.
    fn text(&mut self, at: Position) -> Result<Option<(Time, Event)>> {
        if let Some(known) = self.texts.get(&at) {
            return Ok(known.clone());
        }
        let line = self.from.visibility.store.event(at)?;
        let read = chapter::text(self.from, at).map(|event| {
            let html = if event.kind.is_review() {
                event.html.clone()
            } else {
                String::new()
            };
            let heard = line.map_or(event.published, |line| line.heard);
            (heard, Event { html, ..*event })
        });
        self.texts.insert(at, read.clone());
        Ok(read)
    }

    /// Services in regions, for those who heard of it.
    fn places(&mut self, hearings: &[Hearing], catalogue: &Catalogue) -> Result<BTreeSet<(String, Option<String>)>> {
        let mut places = BTreeSet::new();
        let mut whole_events = BTreeSet::new();
        let mut add = |impact: &[Impact]| {
            places.extend(impact.iter().map(|one| {
                let service = catalogue.service_key(&one.service, one.service_id.as_deref());
                (service, one.region.as_deref().map(fold))
            }));
        };
        for hearing in hearings {
            match hearing.as_event {
                true => {
                    whole_events.insert(hearing.event);
                }
                false => add(&hearing.impact),
            }
        }
        for at in whole_events {
            let event = self.text(at)?;
            add(event.as_ref().map_or(&[], |(_, event)| &event.impact));
        }
        Ok(places)
    }
}

fn outline(story: Story, places: BTreeSet<(String, Option<String>)>, terms: &Terms, now: Time) -> Outline {
    let (progress, state) = story.progress_in_time(terms, now);
    let incident = story.incident.clone();
    let published = story.chapters.iter().map(|chapter| chapter.published);
    let began = published.chain(incident.impact_start).min();
    Outline {
        facts: Facts {
            event_type: incident.event_type,
            state,
            places,
            accounts: story.accounts.iter().map(|account| account.to_lowercase()).collect(),
            kinds: story.chapters.iter().map(|chapter| chapter.kind).collect(),
            began: began.unwrap_or(incident.updated),
            updated: incident.updated,
            tracking_id: fold(&incident.tracking_id),
            texts: texts(&incident, &story.chapters),
        },
        line: Listed {
            is_back_filled: story.chapters.iter().all(|chapter| chapter.arrival == Arrival::History),
            owed: owed(&progress),
            is_incomplete: story.is_incomplete(),
            state,
            incident,
        },
    }
}

fn owed(progress: &Progress) -> Vec<(Debt, Time)> {
    let is_open = |state: DebtState| matches!(state, DebtState::Open | DebtState::Overdue);
    let open = progress.owed.iter().filter(|owed| is_open(owed.state));
    let mut owed: Vec<(Debt, Time)> = open.filter_map(|owed| Some((owed.kind, owed.due?))).collect();
    owed.sort_by_key(|(kind, due)| (*due, *kind));
    owed
}

/// What is searched: the tracking id, titles and texts; a line that stands in several of them once.
fn texts(incident: &Incident, chapters: &[Chapter]) -> Vec<Vec<String>> {
    let mut texts = vec![words(&incident.tracking_id), words(&incident.title)];
    let mut seen: HashSet<&str> = HashSet::new();
    let mut left = TEXT_BYTES_MOST;
    for chapter in chapters {
        let text = chapter.event.as_ref().map_or("", |event| event.text.as_str());
        for line in std::iter::once(chapter.title.as_str()).chain(text.lines()) {
            if line.len() <= left && seen.insert(line) {
                left -= line.len();
                texts.push(words(line));
            }
        }
    }
    texts.retain(|words| !words.is_empty());
    texts
}
