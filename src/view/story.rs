//! An incident's story as one viewer may know it: what was said, who was told of it, and why others were not.
//!
//! The API and the pages tell the same story. What the store holds is looked up; the texts come from the journal; why a
//! rule did not match is computed again, by the rules that decided.

mod became;
mod chapter;
mod outline;
mod own;
pub mod own_part;
mod progress;
pub mod revisions;
mod said;

pub use became::{Became, Fate};
pub use chapter::{consequences, silent};
pub use outline::{Heard, Listed, Outline, Whose};
pub use own_part::OwnPart;
pub use said::{reminded, reminded_providers, said};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use anyhow::Result;

use crate::channel::Outcome;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Attempt, Delivery, End, Standing, State};
use crate::event::{Arrival, Event, Impact, Kind, Provider, Stage};
use crate::incident::correction::{Correction, Corrects, kind_of};
use crate::incident::{Entry, Hearing, Incident, IncidentId, worst};
use crate::journal;
use crate::journal::Position;
use crate::ledger::Past;
use crate::lookup;
use crate::notification::Channel;
use crate::record::{Verdict, Why};
use crate::store::View;
use crate::view::impacted::Impacted;
use crate::view::visibility::Visibility;
use crate::view::words::without_paths;

/// What a story is read from.
pub struct Sources<'a> {
    /// What the viewer sees of the store.
    pub visibility: Visibility<'a>,
    /// The texts.
    pub journal: &'a journal::Reader,
    /// The rules, in force now and before.
    pub past: &'a Past,
}

/// An incident and everything said of it, as one viewer may know it.
#[derive(Debug, Clone)]
pub struct Story {
    /// What is known of it.
    pub incident: Incident,
    /// What is affected.
    pub impact: Vec<Affected>,
    /// Whether it is over in the viewer's own part; `None` of what is no trouble of a service, and where nobody asked.
    pub own_part: Option<OwnPart>,
    /// Every account that heard of it, sorted.
    pub accounts: Vec<String>,
    /// What was said, the provider's newest first.
    pub chapters: Vec<Chapter>,
    /// What persons corrected, the oldest first.
    pub corrections: Vec<Correction>,
    /// Who was reminded of what it owes, the newest first.
    pub reminders: Vec<Chapter>,
    /// The resources that it impacted.
    pub impacted: Impacted,
    /// The chapters that hold what followed from them, too.
    pub shown: Range<usize>,
}

/// A service in a region, and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// The service.
    pub service: String,
    /// The region, if one was named.
    pub region: Option<String>,
    /// The accounts, sorted; empty for an event that names none.
    pub accounts: BTreeSet<String>,
}

/// One communication, and what followed from it.
#[derive(Debug, Clone)]
pub struct Chapter {
    /// Which: its id.
    pub communication: String,
    /// What it is: by the last correction, else by what was read of it.
    pub kind: Kind,
    /// What was read of it, where a person says otherwise.
    pub kind_read: Option<Kind>,
    /// Its stage.
    pub stage: Stage,
    /// Its title.
    pub title: String,
    /// The provider's time of it.
    pub published: Time,
    /// When it arrived first.
    pub heard: Time,
    /// Live or history.
    pub arrival: Arrival,
    /// The events that brought it, the first first.
    pub events: Vec<Position>,
    /// The accounts that heard it, sorted.
    pub accounts: Vec<String>,
    /// The first event with its text; `None` if that part of the journal is lost.
    pub event: Option<Box<Event>>,
    /// What the rules that matched came to.
    pub verdicts: Vec<Ruling>,
    /// Why nothing (more) followed from its events.
    pub nothing: Vec<Why>,
    /// Who was told.
    pub deliveries: Vec<Tracked>,
    /// Who will be told when enough has gathered.
    pub gathering: Vec<Gathering>,
    /// Why other rules tell nobody, by the rules that decided its first event.
    pub silent: Vec<Silent>,
    /// How many more such rules there are.
    pub more_silent: usize,
    /// Whether other rules are in force now.
    pub rules_changed: bool,
    /// Whether the rules that decided cannot be made again: others by now, and too many, or lost.
    pub is_unexplained: bool,
}

/// What one rule that matched came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruling {
    /// Whose rule.
    pub customer: CustomerId,
    /// Which.
    pub rule: String,
    /// What followed.
    pub verdict: Verdict,
    /// Whether only the incident's earlier messages made it match.
    pub followed: bool,
    /// On which events.
    pub events: Vec<Position>,
    /// The accounts that were left of them.
    pub accounts: BTreeSet<String>,
    /// The receivers it leads to.
    pub receivers: BTreeSet<String>,
    /// What became of each notification that it asked for.
    pub became: Vec<Became>,
}

/// A delivery, how far it is, and what was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracked {
    /// The delivery.
    pub delivery: Delivery,
    /// How far it is.
    pub standing: Standing,
    /// What was tried.
    pub attempts: Vec<Attempt>,
    /// The rules because of which it was made, the first first, then those that asked for the same later.
    pub because: Vec<String>,
    /// Where its receiver reads now, where the viewer may know.
    pub address: Option<String>,
}

/// A notification that still gathers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathering {
    /// Whose receiver.
    pub customer: CustomerId,
    /// Who will be told.
    pub receiver: String,
    /// How.
    pub channel: Channel,
    /// When.
    pub due: Time,
    /// The rules that ask for it.
    pub because: Vec<String>,
    /// Where the receiver reads now, where the viewer may know.
    pub address: Option<String>,
}

/// A rule that tells nobody, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// Whose rule.
    pub customer: CustomerId,
    /// Which.
    pub rule: String,
    /// Why not.
    pub why: String,
}

impl Tracked {
    /// A delivery of this id; `None` if there is none (any more).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn find(store: &View, id: &str) -> Result<Option<Self>> {
        let Some((delivery, standing)) = store.known(id)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            attempts: store.attempts(id)?,
            because: delivery.rules.clone(),
            address: None,
            delivery,
            standing,
        }))
    }

    /// The same as a viewer may read it: a customer without the paths of this machine's files.
    pub fn for_viewer(mut self, visibility: &Visibility<'_>) -> Self {
        if visibility.only().is_none() {
            return self;
        }
        for attempt in &mut self.attempts {
            match &mut attempt.outcome {
                Outcome::Delivered => {}
                Outcome::Retry { why, .. }
                | Outcome::OurFault { why, .. }
                | Outcome::Refused { why }
                | Outcome::Gone { why } => *why = without_paths(why),
            }
        }
        match &mut self.standing.state {
            State::Ended {
                end: End::Refused { why } | End::ReceiverGone { why },
                ..
            } => *why = without_paths(why),
            State::Ended { .. } | State::Scheduled { .. } => {}
        }
        self
    }

    /// The delivery that stands for this one.
    pub fn successor(&self) -> Option<&str> {
        match &self.standing.state {
            State::Ended {
                end: End::Superseded { by },
                ..
            } => Some(by),
            _ => None,
        }
    }
}

/// Which communications of a long story are told with what followed from them; of the others only what they said is known.
#[derive(Debug, Clone, Copy)]
pub struct Extract {
    /// Those behind the one that this event brought first; `None`: from the newest on.
    pub before: Option<Position>,
    /// How many.
    pub most: usize,
    /// How many events brought them, but for the first one: what followed from each is looked up, and an incident of many
    /// accounts may have brought every communication a thousand times.
    pub events: usize,
}

impl Extract {
    /// None of them: only what was said is of interest.
    pub const NOTHING: Self = Self {
        before: None,
        most: 0,
        events: 0,
    };
}

impl Story {
    /// Whether the provider withheld the text of something that was said, and has not given it since.
    pub fn is_incomplete(&self) -> bool {
        let said = self
            .chapters
            .iter()
            .filter_map(|chapter| Some((chapter.event.as_ref()?.text_withheld, chapter.published)));
        let latest = |is_withheld: bool| {
            let of_sort = said.clone().filter(|(withheld, _)| *withheld == is_withheld);
            of_sort.map(|(_, published)| published).max()
        };
        latest(true).is_some_and(|withheld| latest(false).is_none_or(|given| given < withheld))
    }
}

/// The story of an incident; `None` if there is none that the viewer may know of.
///
/// # Errors
/// When the store cannot be read.
pub fn story(from: &Sources<'_>, id: &IncidentId, window: Extract) -> Result<Option<Story>> {
    let hearings = from.visibility.hearings(id)?;
    let Some(known) = from.visibility.store.incident(id)?.filter(|_| !hearings.is_empty()) else {
        return Ok(None);
    };
    let mut chapters = Vec::new();
    for (entry, heard) in by_communication(from.visibility.store.entries(id)?, &hearings) {
        chapters.push(chapter::said(from, &entry, &heard)?);
    }
    sort(&mut chapters);
    let corrections = corrections_of(from, id, &chapters)?;
    correct_kinds(&mut chapters, &corrections);
    let shown = window.of(&chapters);
    let events = chapters[shown.clone()]
        .iter()
        .flat_map(|chapter| chapter.events.iter().copied());
    let mut tellings = chapter::Tellings::about(from.visibility.store, id, events)?;
    for chapter in &mut chapters[shown.clone()] {
        chapter::follow_up(from, &mut tellings, chapter)?;
    }
    let mut incident = if from.visibility.is_whole() {
        known
    } else {
        as_told(known, &chapters)
    };
    // what was kept by an earlier version is the last level, not the worst
    let levels = chapters.iter().filter_map(|chapter| chapter.event.as_ref()?.level);
    incident.level = worst(incident.level, levels.min());
    if let Some(customer) = from.visibility.only() {
        own::in_own_words(&mut incident, &mut chapters, customer);
    }
    let accounts: BTreeSet<String> = hearings.iter().map(|hearing| hearing.account.clone()).collect();
    let events = impact_of_events(&hearings, from.journal);
    let impact = impact(&hearings, &events);
    Ok(Some(Story {
        own_part: own_part::own_part(&incident, &chapters, &hearings, &events, &impact),
        impact,
        accounts: accounts.into_iter().filter(|account| !account.is_empty()).collect(),
        incident,
        chapters,
        corrections,
        reminders: reminders(from, id)?,
        impacted: Impacted::of(&from.visibility, id)?,
        shown,
    }))
}

/// What persons said of an incident: of communications that the viewer did not hear, nothing.
fn corrections_of(from: &Sources<'_>, id: &IncidentId, chapters: &[Chapter]) -> Result<Vec<Correction>> {
    let mut corrections = from.visibility.store.corrections(id)?;
    corrections.retain(|one| match &one.corrects {
        Corrects::Kind { communication, .. } => chapters.iter().any(|chapter| chapter.communication == *communication),
        Corrects::Size { .. } | Corrects::Window { .. } | Corrects::Requested {} => true,
    });
    Ok(corrections)
}

/// Each communication is what a person says that it is.
fn correct_kinds(chapters: &mut [Chapter], corrections: &[Correction]) {
    for chapter in chapters {
        if let Some(kind) = kind_of(corrections, &chapter.communication).filter(|kind| *kind != chapter.kind) {
            chapter.kind_read = Some(std::mem::replace(&mut chapter.kind, kind));
        }
    }
}

/// Who was reminded of what an incident owes, the newest first.
fn reminders(from: &Sources<'_>, id: &IncidentId) -> Result<Vec<Chapter>> {
    let reminded = said::reminded(from, id)?;
    if reminded.is_empty() {
        return Ok(Vec::new());
    }
    let own = IncidentId::new(Provider::Bellwether, &id.tracking_id);
    let events = reminded.iter().flat_map(|(_, chapter)| chapter.events.iter().copied());
    let mut tellings = chapter::Tellings::about(from.visibility.store, &own, events)?;
    let mut reminders = Vec::with_capacity(reminded.len());
    for (_, mut chapter) in reminded {
        chapter::follow_up(from, &mut tellings, &mut chapter)?;
        reminders.push(chapter);
    }
    Ok(reminders)
}

/// What was said of an incident, without what followed from it; `None` if the viewer may not know of it.
///
/// # Errors
/// When the store cannot be read.
pub fn spoken(from: &Sources<'_>, known: Incident) -> Result<Option<Story>> {
    let hearings = from.visibility.hearings(&known.id)?;
    if hearings.is_empty() {
        return Ok(None);
    }
    let mut chapters = Vec::new();
    for (entry, heard) in by_communication(from.visibility.store.entries(&known.id)?, &hearings) {
        chapters.push(chapter::said(from, &entry, &heard)?);
    }
    sort(&mut chapters);
    let corrections = corrections_of(from, &known.id, &chapters)?;
    correct_kinds(&mut chapters, &corrections);
    Ok(Some(Story {
        incident: as_told(known, &chapters),
        impact: Vec::new(),
        own_part: None,
        accounts: Vec::new(),
        chapters,
        corrections,
        reminders: Vec::new(),
        impacted: Impacted::default(),
        shown: 0..0,
    }))
}

impl Extract {
    /// The part of the chapters that it shows.
    fn of(self, chapters: &[Chapter]) -> Range<usize> {
        let is_it = |chapter: &Chapter, at: Position| chapter.events.first() == Some(&at);
        let found = self
            .before
            .map(|at| chapters.iter().position(|chapter| is_it(chapter, at)));
        let from = match found {
            None => 0,
            // what came before something that is not there (any more) is nothing
            Some(None) => chapters.len(),
            Some(Some(nth)) => nth + 1,
        };
        let events = chapters[from..].iter().map(|chapter| chapter.events.len());
        from..from + self.fit(events)
    }

    /// How many communications it shows of some that so many events brought each: at least one.
    fn fit(self, events: impl Iterator<Item = usize>) -> usize {
        let mut sum = 0;
        let is_room = |(nth, events): &(usize, usize)| {
            sum += events;
            *nth == 0 || sum <= self.events
        };
        events.take(self.most).enumerate().take_while(is_room).count()
    }
}

/// The provider's newest first.
fn sort(chapters: &mut [Chapter]) {
    chapters.sort_by(|one, other| (other.published, &other.events).cmp(&(one.published, &one.events)));
}

/// The communications that were heard, each with who heard it.
fn by_communication<'h>(entries: Vec<Entry>, hearings: &'h [Hearing]) -> Vec<(Entry, Vec<&'h Hearing>)> {
    let mut heard: BTreeMap<&str, Vec<&'h Hearing>> = BTreeMap::new();
    for hearing in hearings {
        heard.entry(&hearing.communication).or_default().push(hearing);
    }
    let with_hearings = entries.into_iter().filter_map(|entry| {
        let mut heard = heard.remove(entry.communication.as_str())?;
        heard.sort_by_key(|hearing| hearing.event);
        Some((entry, heard))
    });
    with_hearings.collect()
}

/// What a viewer who does not see everything knows of an incident: what its own communications say.
fn as_told(known: Incident, chapters: &[Chapter]) -> Incident {
    let told = chapters
        .iter()
        .rev()
        .filter_map(|chapter| Some((chapter, chapter.event.as_ref()?)));
    let mut incident: Option<Incident> = None;
    for (chapter, event) in told {
        incident = Some(match incident {
            Some(before) => before.after(event),
            None => Incident::begun_by(event, chapter.heard),
        });
    }
    incident.unwrap_or_else(|| Incident {
        title: chapters
            .first()
            .map(|chapter| chapter.title.clone())
            .unwrap_or_default(),
        impact_start: None,
        impact_end: None,
        ..known
    })
}

/// What those events name as impacted of which a hearing says that all of it is; a text that is lost names nothing any more.
fn impact_of_events(hearings: &[Hearing], journal: &journal::Reader) -> HashMap<Position, Vec<Impact>> {
    let mut events = HashMap::new();
    for hearing in hearings.iter().filter(|hearing| hearing.as_event) {
        events.entry(hearing.event).or_insert_with(|| {
            lookup::event(journal, hearing.event)
                .map(|event| event.impact)
                .unwrap_or_default()
        });
    }
    events
}

/// What a hearing names as impacted.
fn impact_of<'h>(hearing: &'h Hearing, events: &'h HashMap<Position, Vec<Impact>>) -> &'h [Impact] {
    match hearing.as_event {
        true => events.get(&hearing.event).map_or(&[], Vec::as_slice),
        false => &hearing.impact,
    }
}

/// What is affected, in the order of names: everything that was ever said to be.
fn impact(hearings: &[Hearing], events: &HashMap<Position, Vec<Impact>>) -> Vec<Affected> {
    let mut affected: BTreeMap<(String, Option<String>), BTreeSet<String>> = BTreeMap::new();
    for hearing in hearings {
        for Impact { service, region, .. } in impact_of(hearing, events) {
            let accounts = affected.entry((service.clone(), region.clone())).or_default();
            accounts.extend((!hearing.account.is_empty()).then(|| hearing.account.clone()));
        }
    }
    let rows = affected.into_iter().map(|((service, region), accounts)| Affected {
        service,
        region,
        accounts,
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_communications_are_told_as_their_events_leave_room_for_and_never_none() {
        let of = |most: usize, room: usize, events: &[usize]| {
            let window = Extract {
                before: None,
                most,
                events: room,
            };
            window.fit(events.iter().copied())
        };
        assert_eq!(of(20, 2_000, &[1_000, 1_000, 1]), 2, "just as many");
        assert_eq!(of(20, 2_000, &[1_000, 1_001, 1]), 1);
        assert_eq!(of(20, 2_000, &[9_000, 1]), 1);
        assert_eq!(of(2, 2_000, &[1, 1, 1]), 2);
        assert_eq!(of(20, 2_000, &[]), 0);
        assert_eq!(Extract::NOTHING.fit([1].into_iter()), 0);
    }
}
