//! An incident's story as one viewer may know it: what was said, who was told of it, and why others were not.
//!
//! The API and the pages tell the same story. What the store holds is looked up; the texts come from the journal; why a
//! rule did not match is computed again, by the rules in force now.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Attempt, Delivery, End, Standing, State};
use crate::event::{Arrival, Event, Impact, Kind, Position, Provider, Stage};
use crate::incident::{Entry, Hearing, Incident, IncidentId};
use crate::journal;
use crate::notification::Channel;
use crate::record::{Judged, Tells, Verdict, Why};
use crate::rule::RuleSet;
use crate::rule::condition::Judgement;
use crate::rule::set::RULE_FILES;
use crate::store::{View, context};
use crate::view::sight::Sight;

/// How many rules that did not match are named for one communication.
pub const SILENT_MOST: usize = 200;

/// How many successors of a delivery are followed.
const SUCCESSORS_MOST: usize = 32;

/// What a story is read from.
pub struct Sources<'a> {
    /// What the viewer sees of the store.
    pub sight: Sight<'a>,
    /// The texts.
    pub journal: &'a journal::Reader,
    /// The rules in force now.
    pub rules: &'a RuleSet,
}

/// An incident and everything said of it, as one viewer may know it.
#[derive(Debug, Clone)]
pub struct Story {
    /// What is known of it.
    pub incident: Incident,
    /// What is affected.
    pub impact: Vec<Affected>,
    /// Every account that heard of it, sorted.
    pub accounts: Vec<String>,
    /// What was said, the provider's newest first.
    pub chapters: Vec<Chapter>,
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
    /// What it is.
    pub kind: Kind,
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
    /// Why other rules tell nobody, by the rules in force now.
    pub silent: Vec<Silent>,
    /// How many more such rules there are.
    pub more_silent: usize,
    /// Whether the rules have changed since it arrived.
    pub rules_changed: bool,
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
            delivery,
            standing,
        }))
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

/// The story of an incident; `None` if there is none that the viewer may know of.
///
/// # Errors
/// When the store cannot be read.
pub fn story(from: &Sources<'_>, id: &IncidentId) -> Result<Option<Story>> {
    let hearings = from.sight.hearings(id)?;
    let Some(known) = from.sight.store.incident(id)?.filter(|_| !hearings.is_empty()) else {
        return Ok(None);
    };
    let mut chapters = Vec::new();
    for (entry, heard) in by_communication(from.sight.store.entries(id)?, &hearings) {
        chapters.push(chapter(from, &entry, &heard)?);
    }
    chapters.sort_by(|one, other| (other.published, &other.events).cmp(&(one.published, &one.events)));
    let incident = if from.sight.is_whole() {
        known
    } else {
        as_told(known, &chapters)
    };
    let accounts: BTreeSet<String> = hearings.iter().map(|hearing| hearing.account.clone()).collect();
    Ok(Some(Story {
        impact: impact(&hearings),
        accounts: accounts.into_iter().filter(|account| !account.is_empty()).collect(),
        incident,
        chapters,
    }))
}

/// What is known of an incident without its story; `None` if the viewer may not know of it.
///
/// # Errors
/// When the store cannot be read.
pub fn incident(from: &Sources<'_>, known: Incident) -> Result<Option<Incident>> {
    if from.sight.is_whole() {
        return Ok(Some(known));
    }
    Ok(story(from, &known.id)?.map(|story| story.incident))
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

fn chapter(from: &Sources<'_>, entry: &Entry, heard: &[&Hearing]) -> Result<Chapter> {
    let events: Vec<Position> = heard
        .iter()
        .map(|hearing| hearing.event)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let accounts: BTreeSet<&String> = heard.iter().map(|hearing| &hearing.account).collect();
    let first = heard.first().copied();
    let at = first.map_or(entry.event, |hearing| hearing.event);
    let line = from.sight.store.event(at)?;
    let mut chapter = Chapter {
        kind: first.map_or(entry.kind, |hearing| hearing.kind),
        stage: entry.stage,
        title: entry.title.clone(),
        published: first.map_or(entry.published, |hearing| hearing.published),
        heard: line.map_or(entry.heard, |line| line.heard),
        arrival: first.map_or(entry.arrival, |hearing| hearing.arrival),
        accounts: accounts
            .into_iter()
            .filter(|account| !account.is_empty())
            .cloned()
            .collect(),
        event: text(from, at),
        events,
        verdicts: Vec::new(),
        nothing: Vec::new(),
        deliveries: Vec::new(),
        gathering: Vec::new(),
        silent: Vec::new(),
        more_silent: 0,
        rules_changed: from.sight.store.revision_at(at.seq)?.as_ref() != Some(&from.rules.revision),
    };
    consequences(from, &mut chapter)?;
    silence(from, &mut chapter);
    Ok(chapter)
}

/// An event's text; a part of the journal that is lost must not take the rest of the story with it.
fn text(from: &Sources<'_>, at: Position) -> Option<Box<Event>> {
    match context::event(from.journal, at) {
        Ok(event) => Some(Box::new(event)),
        Err(error) => {
            tracing::warn!(event = %at, error = format!("{error:#}"), "an event's text cannot be read");
            None
        }
    }
}

/// The verdicts on a chapter's events, and where they led.
fn consequences(from: &Sources<'_>, chapter: &mut Chapter) -> Result<()> {
    let store = from.sight.store;
    let mut tells: Vec<(CustomerId, Tells)> = Vec::new();
    for event in chapter.events.clone() {
        for judged in rulings(from, event)? {
            tells.extend(
                judged
                    .tells
                    .iter()
                    .map(|tells| (judged.customer.clone(), tells.clone())),
            );
            gather(&mut chapter.verdicts, judged);
        }
        if let Some(why) = store.nothing(event)?.filter(|why| !chapter.nothing.contains(why)) {
            chapter.nothing.push(why);
        }
    }
    let mut seen = BTreeSet::new();
    for (customer, tells) in tells {
        if seen.insert((tells.series.clone(), tells.part)) {
            follow(store, &customer, &tells, chapter)?;
        }
    }
    chapter.deliveries.sort_by(|one, other| {
        let key = |one: &Tracked| {
            (
                one.delivery.created,
                one.delivery.customer.clone(),
                one.delivery.receiver.clone(),
            )
        };
        key(one).cmp(&key(other))
    });
    Ok(())
}

/// The verdicts on an event that the viewer may see, whole.
///
/// # Errors
/// When the store cannot be read.
pub fn rulings(from: &Sources<'_>, event: Position) -> Result<Vec<Judged>> {
    let mut all = Vec::new();
    for line in from.sight.store.verdicts(event)? {
        if from.sight.shows(&line.customer) {
            all.extend(from.sight.store.judged(event, line.at, from.journal)?);
        }
    }
    Ok(all)
}

/// Adds a verdict to those of the same rule that say the same.
fn gather(verdicts: &mut Vec<Ruling>, judged: Judged) {
    let is_same = |one: &&mut Ruling| {
        one.customer == judged.customer
            && one.rule == judged.rule
            && one.verdict == judged.verdict
            && one.followed == judged.followed
    };
    let receivers = judged.tells.into_iter().map(|tells| tells.receiver);
    match verdicts.iter_mut().find(is_same) {
        Some(known) => {
            known.events.push(judged.event);
            known.accounts.extend(judged.accounts);
            known.receivers.extend(receivers);
        }
        None => verdicts.push(Ruling {
            receivers: receivers.collect(),
            accounts: judged.accounts.into_iter().collect(),
            events: vec![judged.event],
            customer: judged.customer,
            rule: judged.rule,
            verdict: judged.verdict,
            followed: judged.followed,
        }),
    }
}

/// The delivery that a verdict led to and those that stand for it, or the notification that still gathers.
fn follow(store: &View, customer: &CustomerId, tells: &Tells, chapter: &mut Chapter) -> Result<()> {
    let mut next = Some(tells.series.delivery(tells.part));
    for _ in 0..SUCCESSORS_MOST {
        let Some(id) = next.filter(|id| chapter.deliveries.iter().all(|known| known.delivery.id != *id)) else {
            return Ok(());
        };
        let Some(tracked) = Tracked::find(store, &id)? else {
            break;
        };
        next = tracked.successor().map(str::to_owned);
        chapter.deliveries.push(tracked);
        if next.is_none() {
            return Ok(());
        }
    }
    let open = store.notification(&tells.series)?;
    if let Some(open) = open.filter(|one| one.open && one.part == tells.part) {
        chapter.gathering.push(Gathering {
            customer: customer.clone(),
            receiver: tells.receiver.clone(),
            channel: open.channel,
            due: open.due,
        });
    }
    Ok(())
}

/// Why the rules without a verdict tell nobody of this.
fn silence(from: &Sources<'_>, chapter: &mut Chapter) {
    let Some(event) = &chapter.event else { return };
    if chapter.arrival == Arrival::History {
        return;
    }
    let all = silent(from, event, |customer, rule| {
        chapter
            .verdicts
            .iter()
            .any(|one| one.customer == *customer && one.rule == rule)
    });
    chapter.more_silent = all.len().saturating_sub(SILENT_MOST);
    chapter.silent = all.into_iter().take(SILENT_MOST).collect();
}

/// Why rules tell nobody of an event, by the rules in force now; rules that have a verdict are left out.
pub fn silent(from: &Sources<'_>, event: &Event, has_verdict: impl Fn(&CustomerId, &str) -> bool) -> Vec<Silent> {
    let is_ours = event.provider == Provider::Bellwether;
    let rules = from.rules.rules().iter().filter(|rule| {
        from.sight.shows(&rule.customer)
            && (is_ours || rule.name != RULE_FILES)
            && !has_verdict(&rule.customer, &rule.name)
    });
    let silent = rules.map(|rule| Silent {
        customer: rule.customer.clone(),
        rule: rule.name.clone(),
        why: match from.rules.judge(rule, event) {
            Judgement::No(why) => why.to_string(),
            Judgement::Matches(_) => "it would match now; the rules have changed since, or nothing was new".to_owned(),
        },
    });
    silent.collect()
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

/// What is affected, in the order of names: everything that was ever said to be.
fn impact(hearings: &[Hearing]) -> Vec<Affected> {
    let mut affected: BTreeMap<(String, Option<String>), BTreeSet<String>> = BTreeMap::new();
    for hearing in hearings {
        for Impact { service, region, .. } in &hearing.impact {
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
