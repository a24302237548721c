//! One communication of a story: who heard it, what the rules made of it, and who was told.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use anyhow::Result;

use super::became::follow;
use super::{Became, Chapter, Gathering, Ruling, Silent, Sources, Tracked};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::evaluate::Measuring;
use crate::event::{Arrival, Event, Provider};
use crate::incident::{Entry, Hearing, IncidentId};
use crate::journal::Position;
use crate::lookup;
use crate::notification::SeriesId;
use crate::record::{Judged, Tells, Why};
use crate::rule::condition::Judgement;
use crate::rule::set::RULE_FILES;
use crate::rule::{Rule, RuleSet};
use crate::store::View;

/// How many rules that did not match are named for one communication.
const SILENT_MOST: usize = 200;

/// Adds to what was said what followed from it; `tellings` is what the verdicts on all events of the incident lead to.
pub(super) fn follow_up(from: &Sources<'_>, tellings: &mut Tellings, chapter: &mut Chapter) -> Result<()> {
    let Some(at) = chapter.events.first().copied() else {
        return Ok(());
    };
    chapter.rules_changed = from.past.are_others_now(at)?;
    let followed = followed_from(from, tellings, &chapter.events)?;
    (chapter.verdicts, chapter.nothing) = (followed.verdicts, followed.nothing);
    (chapter.deliveries, chapter.gathering) = (followed.deliveries, followed.gathering);
    silence(from, at, chapter)
}

/// The communication `entry`, as those whom `heard` names heard it, without what followed from it.
pub(super) fn said(from: &Sources<'_>, entry: &Entry, heard: &[&Hearing]) -> Result<Chapter> {
    let at = told_by(entry, heard);
    let line = from.visibility.store.event(at)?;
    let heard_at = line.map_or(entry.heard, |line| line.heard);
    Ok(with_text(entry, heard, heard_at, text(from, at)))
}

/// The event whose text is shown: the first that brought it.
pub(super) fn told_by(entry: &Entry, heard: &[&Hearing]) -> Position {
    heard.first().map_or(entry.event, |hearing| hearing.event)
}

/// What was said, where the text is at hand, and when it arrived.
pub(super) fn with_text(entry: &Entry, heard: &[&Hearing], heard_at: Time, event: Option<Box<Event>>) -> Chapter {
    let events: BTreeSet<Position> = heard.iter().map(|hearing| hearing.event).collect();
    let accounts: BTreeSet<&String> = heard.iter().map(|hearing| &hearing.account).collect();
    let first = heard.first().copied();
    Chapter {
        communication: entry.communication.clone(),
        kind: first.map_or(entry.kind, |hearing| hearing.kind),
        kind_read: None,
        stage: entry.stage,
        title: entry.title.clone(),
        published: first.map_or(entry.published, |hearing| hearing.published),
        heard: heard_at,
        arrival: first.map_or(entry.arrival, |hearing| hearing.arrival),
        accounts: accounts
            .into_iter()
            .filter(|account| !account.is_empty())
            .cloned()
            .collect(),
        event,
        events: events.into_iter().collect(),
        verdicts: Vec::new(),
        nothing: Vec::new(),
        deliveries: Vec::new(),
        gathering: Vec::new(),
        silent: Vec::new(),
        more_silent: 0,
        rules_changed: false,
        is_unexplained: false,
    }
}

/// An event's text; a part of the journal that is lost must not take the rest of the story with it.
pub(super) fn text(from: &Sources<'_>, at: Position) -> Option<Box<Event>> {
    match lookup::event(from.journal, at) {
        Ok(event) => Some(Box::new(event)),
        Err(error) => {
            tracing::warn!(event = %at, error = format!("{error:#}"), "an event's text cannot be read");
            None
        }
    }
}

/// What followed from events, as far as the viewer may know.
#[derive(Debug, Default)]
pub struct Consequences {
    /// What the rules that matched came to.
    pub verdicts: Vec<Ruling>,
    /// Why nothing (more) followed.
    pub nothing: Vec<Why>,
    /// Who was told, in the order in which the deliveries were made.
    pub deliveries: Vec<Tracked>,
    /// Who will be told when enough has gathered.
    pub gathering: Vec<Gathering>,
}

/// The verdicts on events of an incident, and where they led.
///
/// # Errors
/// When the store cannot be read.
pub fn consequences(from: &Sources<'_>, incident: &IncidentId, events: &[Position]) -> Result<Consequences> {
    let mut tellings = Tellings::about(from.visibility.store, incident, events.iter().copied())?;
    followed_from(from, &mut tellings, events)
}

/// The verdicts on events, and where they led by `tellings`.
fn followed_from(from: &Sources<'_>, tellings: &mut Tellings, events: &[Position]) -> Result<Consequences> {
    let mut found = Consequences::default();
    let mut all: Vec<Judged> = Vec::new();
    for event in events {
        let judged = rulings(from, tellings, *event)?;
        let nothing = nothing(from, *event, judged.is_empty())?;
        found.nothing.extend(nothing.filter(|why| !found.nothing.contains(why)));
        all.extend(judged);
    }
    let askers = askers(&all);
    let mut followed = HashMap::new();
    let mut collected = Collected::default();
    for judged in all {
        let mut became = Vec::new();
        for tells in &judged.tells {
            let part = (tells.series.clone(), tells.part);
            let because = askers.get(&part).map_or(&[][..], Vec::as_slice);
            let known = match followed.entry(part) {
                Slot::Occupied(known) => known.into_mut(),
                Slot::Vacant(new) => {
                    let led = follow(from, &judged.customer, tells, because)?;
                    collected.add(led.deliveries);
                    found.gathering.extend(led.gathering);
                    new.insert(led.became)
                }
            };
            became.push(Became {
                receiver: tells.receiver.clone(),
                ..known.clone()
            });
        }
        collected.ruling(judged, became);
    }
    (found.verdicts, found.deliveries) = (collected.verdicts, collected.deliveries);
    found.deliveries.sort_by(|one, other| key(one).cmp(&key(other)));
    Ok(found)
}

fn key(tracked: &Tracked) -> (Time, &CustomerId, &str) {
    let delivery = &tracked.delivery;
    (delivery.created, &delivery.customer, &delivery.receiver)
}

impl Consequences {
    /// Leaves what is of one customer, if one is asked about.
    pub fn only_of(&mut self, about: Option<&CustomerId>) {
        let Some(about) = about else { return };
        self.verdicts.retain(|one| one.customer == *about);
        self.deliveries.retain(|one| one.delivery.customer == *about);
        self.gathering.retain(|one| one.customer == *about);
    }
}

/// Verdicts and deliveries as they are found, so that each is found again without going through all of them.
#[derive(Default)]
struct Collected {
    verdicts: Vec<Ruling>,
    /// Where the verdicts of each rule are, by whether only earlier messages made it match.
    of_rule: HashMap<(CustomerId, String, bool), Vec<usize>>,
    /// The receivers and deliveries that each of the verdicts has.
    became: HashSet<(usize, String, String)>,
    deliveries: Vec<Tracked>,
    by_id: HashMap<String, usize>,
}

impl Collected {
    /// Adds deliveries; of one that is known, whichever knows more of the rules that asked for it stays.
    fn add(&mut self, deliveries: Vec<Tracked>) {
        for tracked in deliveries {
            match self.by_id.entry(tracked.delivery.id.clone()) {
                Slot::Occupied(known) => {
                    let known = &mut self.deliveries[*known.get()];
                    if known.because.len() < tracked.because.len() {
                        *known = tracked;
                    }
                }
                Slot::Vacant(new) => {
                    new.insert(self.deliveries.len());
                    self.deliveries.push(tracked);
                }
            }
        }
    }

    /// Adds a verdict to those of the same rule that say the same.
    fn ruling(&mut self, judged: Judged, became: Vec<Became>) {
        let rule = (judged.customer.clone(), judged.rule.clone(), judged.followed);
        let same = self.of_rule.entry(rule).or_default();
        let known = same.iter().find(|at| self.verdicts[**at].verdict == judged.verdict);
        let at = known.copied().unwrap_or_else(|| {
            let at = self.verdicts.len();
            same.push(at);
            self.verdicts.push(Ruling {
                customer: judged.customer,
                rule: judged.rule,
                verdict: judged.verdict,
                followed: judged.followed,
                events: Vec::new(),
                accounts: BTreeSet::new(),
                receivers: BTreeSet::new(),
                became: Vec::new(),
            });
            at
        });
        let ruling = &mut self.verdicts[at];
        ruling.events.push(judged.event);
        ruling.accounts.extend(judged.accounts);
        let receivers = judged.tells.into_iter().map(|tells| tells.receiver);
        ruling.receivers.extend(receivers);
        for one in became {
            if self.became.insert((at, one.receiver.clone(), one.delivery.clone())) {
                ruling.became.push(one);
            }
        }
    }
}

/// The rules that asked for each part of a series, the first first.
fn askers(all: &[Judged]) -> HashMap<(SeriesId, u32), Vec<String>> {
    let mut askers: HashMap<(SeriesId, u32), Vec<String>> = HashMap::new();
    for judged in all {
        for tells in &judged.tells {
            let rules = askers.entry((tells.series.clone(), tells.part)).or_default();
            if !rules.contains(&judged.rule) {
                rules.push(judged.rule.clone());
            }
        }
    }
    askers
}

/// Why nothing (more) followed from an event. A customer is told whether one of its own rules matched: whether somebody
/// else's did is not its to know, nor what went wrong inside.
fn nothing(from: &Sources<'_>, event: Position, is_without_verdict: bool) -> Result<Option<Why>> {
    let store = from.visibility.store;
    let nothing = store.nothing(event)?;
    if from.visibility.only().is_none() {
        return Ok(nothing);
    }
    let is_decided = nothing.is_some() || store.decided_at(event)?.is_some();
    Ok(match nothing {
        None | Some(Why::NoRuleMatched) => (is_decided && is_without_verdict).then_some(Why::NoRuleMatched),
        Some(Why::SetAside { .. }) => Some(Why::SetAside {
            why: "the operator was told".to_owned(),
        }),
        other => other,
    })
}

/// The verdicts on an event that the viewer may see, whole.
fn rulings(from: &Sources<'_>, tellings: &mut Tellings, event: Position) -> Result<Vec<Judged>> {
    let mut tells = tellings.0.remove(&event).unwrap_or_default();
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

/// The notifications that the verdicts on each event of an incident lead to, by event and verdict. They are looked up
/// once for a whole story, because they are kept by delivery and not by event; those of an event are taken out.
#[derive(Default)]
pub(super) struct Tellings(HashMap<Position, HashMap<Position, Vec<Tells>>>);

impl Tellings {
    /// Looks them up, of these events of an incident.
    pub(super) fn about(store: &View, incident: &IncidentId, events: impl Iterator<Item = Position>) -> Result<Self> {
        let mut all = Self::default();
        for (gathered, item) in store.gathered_about(incident, &events.collect())? {
            let of_event = all.0.entry(gathered.event).or_default();
            of_event.entry(gathered.verdict).or_default().push(Tells {
                series: gathered.series,
                part: gathered.part,
                endpoint: item.delivery.endpoint,
                receiver: item.delivery.receiver,
                new: Vec::new(),
            });
        }
        Ok(all)
    }
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

/// The event with what its incident added up to at it, if these rules ask for that.
fn measured(from: &Sources<'_>, at: Position, event: &Event, rules: &RuleSet) -> Result<Option<Event>> {
    let store = from.visibility.store;
    let measuring = Measuring {
        event,
        at,
        rules,
        terms: from.past.terms(),
        now: store.event(at)?.map_or(event.published, |line| line.heard),
    };
    let measures = store.measures(&measuring, from.journal)?;
    Ok(measures.map(|measures| Event {
        measures: Some(Box::new(measures)),
        ..event.clone()
    }))
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
    let measured = measured(from, at, event, &rules)?;
    let event = measured.as_ref().unwrap_or(event);
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
