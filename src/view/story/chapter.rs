//! One communication of a story: who heard it, what the rules made of it, and who was told.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Result;

use super::{Chapter, Gathering, Ruling, Silent, Sources, Tracked};
use crate::customer::CustomerId;
use crate::event::{Arrival, Event, Provider};
use crate::incident::{Entry, Hearing, IncidentId};
use crate::journal::Position;
use crate::lookup;
use crate::record::{Judged, Tells};
use crate::rule::Rule;
use crate::rule::condition::Judgement;
use crate::rule::set::RULE_FILES;
use crate::store::View;

/// How many rules that did not match are named for one communication.
const SILENT_MOST: usize = 200;

/// How many successors of a delivery are followed.
const SUCCESSORS_MOST: usize = 32;

/// The communication `entry`, as those whom `heard` names heard it, and what followed from it.
pub(super) fn chapter(from: &Sources<'_>, entry: &Entry, heard: &[&Hearing]) -> Result<Chapter> {
    let (at, mut chapter) = said(from, entry, heard)?;
    chapter.rules_changed = from.past.revision_of(at)?.as_ref() != Some(&from.past.now().revision);
    consequences(from, &entry.incident, &mut chapter)?;
    silence(from, at, &mut chapter)?;
    Ok(chapter)
}

/// Only what was said, without what followed from it, and by which event.
pub(super) fn said(from: &Sources<'_>, entry: &Entry, heard: &[&Hearing]) -> Result<(Position, Chapter)> {
    let events: Vec<Position> = heard
        .iter()
        .map(|hearing| hearing.event)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let accounts: BTreeSet<&String> = heard.iter().map(|hearing| &hearing.account).collect();
    let first = heard.first().copied();
    let at = first.map_or(entry.event, |hearing| hearing.event);
    let line = from.visibility.store.event(at)?;
    let chapter = Chapter {
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
        rules_changed: false,
        is_unexplained: false,
    };
    Ok((at, chapter))
}

/// An event's text; a part of the journal that is lost must not take the rest of the story with it.
fn text(from: &Sources<'_>, at: Position) -> Option<Box<Event>> {
    match lookup::event(from.journal, at) {
        Ok(event) => Some(Box::new(event)),
        Err(error) => {
            tracing::warn!(event = %at, error = format!("{error:#}"), "an event's text cannot be read");
            None
        }
    }
}

/// The verdicts on a chapter's events, and where they led.
fn consequences(from: &Sources<'_>, incident: &IncidentId, chapter: &mut Chapter) -> Result<()> {
    let store = from.visibility.store;
    let mut tells: Vec<(CustomerId, Tells)> = Vec::new();
    for event in chapter.events.clone() {
        for judged in rulings(from, incident, event)? {
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
pub fn rulings(from: &Sources<'_>, incident: &IncidentId, event: Position) -> Result<Vec<Judged>> {
    let mut tells = tells(from.visibility.store, incident, event)?;
    let mut all = Vec::new();
    for line in from.visibility.store.verdicts(event)? {
        if from.visibility.shows(&line.customer) {
            let judged = from.visibility.store.judged(event, line.at, from.journal)?;
            all.extend(judged.map(|judged| {
                let tells = tells.remove(&line.at).filter(|_| judged.tells.is_empty());
                Judged {
                    tells: tells.unwrap_or(judged.tells),
                    ..judged
                }
            }));
        }
    }
    Ok(all)
}

/// The notifications that each verdict on an event leads to.
fn tells(store: &View, incident: &IncidentId, event: Position) -> Result<HashMap<Position, Vec<Tells>>> {
    let mut all: HashMap<Position, Vec<Tells>> = HashMap::new();
    for (gathered, item) in store.gathered_about(incident)? {
        if gathered.event == event {
            all.entry(gathered.verdict).or_default().push(Tells {
                series: gathered.series,
                part: gathered.part,
                endpoint: item.delivery.endpoint,
                receiver: item.delivery.receiver,
                new: Vec::new(),
            });
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
    if let Some(open) = store.notification(&tells.series, tells.part)? {
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
fn silence(from: &Sources<'_>, at: Position, chapter: &mut Chapter) -> Result<()> {
    let Some(event) = &chapter.event else { return Ok(()) };
    if chapter.arrival == Arrival::History {
        return Ok(());
    }
    let is_silent = |rule: &Rule| {
        let of_rule = |one: &Ruling| one.customer == rule.customer && one.rule == rule.name;
        from.visibility.shows(&rule.customer) && !chapter.verdicts.iter().any(of_rule)
    };
    let silent = silent(from, at, event, is_silent)?;
    chapter.is_unexplained = silent.is_none();
    (chapter.silent, chapter.more_silent) = silent.unwrap_or_default();
    Ok(())
}

/// Why rules tell nobody of an event, by the rules that decided it: some of those that `is_asked`, and how many more
/// there are. `None` if these rules cannot be made again: others by now, and too many, or lost.
///
/// # Errors
/// When the store cannot be read.
pub fn silent(
    from: &Sources<'_>,
    at: Position,
    event: &Event,
    is_asked: impl Fn(&Rule) -> bool,
) -> Result<Option<(Vec<Silent>, usize)>> {
    let Some(rules) = from.past.rules_of(at)? else {
        return Ok(None);
    };
    let is_ours = event.provider == Provider::Bellwether;
    let asked = |rule: &&Arc<Rule>| (is_ours || rule.name != RULE_FILES) && is_asked(rule);
    let mut asked = rules.rules().filter(asked);
    let silent = asked.by_ref().take(SILENT_MOST).map(|rule| Silent {
        customer: rule.customer.clone(),
        rule: rule.name.clone(),
        why: match rules.judge(rule, event) {
            Judgement::No(why) => why.to_string(),
            Judgement::Matches(_) => "it matches, but nothing of this was new".to_owned(),
        },
    });
    let silent: Vec<Silent> = silent.collect();
    Ok(Some((silent, asked.count())))
}
