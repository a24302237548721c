//! An event was heard: is it news, who asks for it, and what will they be told.
//!
//! In order: [place](super::placing) it in each account's own sequence of communications (repeat? overtaken?), remember it, then let
//! every rule that asks pass the gates, and gather notifications per endpoint.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::owed_due::set_clock;
use super::placing::{Placed, accounts_of};
use crate::channel::words::next_update;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Arrival, Event, Impact, Kind, Stage, visible_digest};
use crate::incident::reminders::first_look;
use crate::incident::reviews::Terms;
use crate::incident::{Entry, Hearing, Incident, IncidentId};
use crate::journal::Position;
use crate::notification::{Channel, EndpointId, Form, SeriesId};
use crate::record::{Change, Why};
use crate::rule::condition::Left;
use crate::rule::set::Matched;
use crate::rule::{Follow, Receiver, Rule, RuleSet};
pub use plan::LatestPart;
use plan::Plan;
pub use sessions::Announced;
pub use sessions::Sessions;

mod facts;
mod not_understood;
mod plan;
mod sessions;
mod too_costly;
mod unowned;

/// What is known that bears on an event.
#[derive(Default)]
pub struct Heard {
    /// The incident so far.
    pub incident: Option<Incident>,
    /// Where the event stands among what its accounts heard before.
    pub placed: Placed,
    /// Whether its communication is in the incident's history already.
    pub is_known: bool,
    /// The sessions it invites to, as the incident knows them.
    pub sessions: Sessions,
    /// Whether the machine's clock jumped, so that no session counts as over.
    pub is_on_hold: bool,
    /// Words in it that this version does not know, and that nobody was told of.
    pub new_words: not_understood::NewWords,
    /// Accounts of it that no customer owns.
    pub unowned: unowned::Unowned,
    /// The rules that ask for it.
    pub asking: Vec<Asking>,
    /// The latest parts of the series it could lead to.
    pub series: BTreeMap<SeriesId, LatestPart>,
    /// When reviews are due.
    pub terms: Terms,
    /// When the incident is looked at next because of what it owes.
    pub clock: Option<Time>,
    /// Whether it is the first event of all: from here on every incident has a clock.
    pub begins_clocks: bool,
    /// Which of its accounts those series have told of.
    pub reached: BTreeSet<(SeriesId, String)>,
    /// The series that have told of any of its accounts.
    pub has_reached: BTreeSet<SeriesId>,
}

/// A rule that asks for an event, and for which part of it.
#[derive(Clone)]
pub struct Asking {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What was left of the event after its narrowing.
    pub left: Left,
    /// Whether only the incident's earlier messages make it ask (`follow`).
    pub followed: bool,
    /// Whether it is not known if it asks: finding out takes more than its customer's rules may take of an event.
    pub is_too_costly: bool,
    /// The notifications that it wants.
    pub wanted: Vec<Wanted>,
}

/// One notification that a rule wants.
#[derive(Clone)]
pub struct Wanted {
    /// Its series.
    pub series: SeriesId,
    /// Who is told.
    pub endpoint: EndpointId,
    /// By which receiver.
    pub receiver: String,
    /// How.
    pub channel: Channel,
    /// Message or invitation.
    pub form: Form,
}

/// The rules that ask for an event: those whose conditions match, and those that told of the incident before and follow it.
pub fn asking(
    event: &Event,
    incident: Option<&Incident>,
    told_before: &[(CustomerId, String)],
    placed: &Placed,
    sessions: &Sessions,
    rules: &RuleSet,
) -> Vec<Asking> {
    let on = rules.on(event);
    let asks = |matched: Matched, followed: bool| Asking {
        rule: matched.rule,
        left: matched.left,
        followed,
        is_too_costly: matched.is_too_costly,
        wanted: Vec::new(),
    };
    let mut asking: Vec<Asking> = on.matching().into_iter().map(|matched| asks(matched, false)).collect();
    let matched: BTreeSet<(CustomerId, String)> = asking
        .iter()
        .map(|one| (one.rule.customer.clone(), one.rule.name.clone()))
        .collect();
    let reopened = incident.is_some_and(|incident| incident.reopened_by(event));
    for who in told_before.iter().filter(|who| !matched.contains(*who)) {
        let rule = rules.rule(&who.0, &who.1).filter(|rule| follows(rule, event, reopened));
        let following = rule.and_then(|rule| on.following(rule));
        asking.extend(following.map(|matched| asks(matched, true)));
    }
    for one in asking.iter_mut().filter(|one| !one.is_too_costly) {
        one.wanted = wanted(event, placed, sessions, one, rules);
    }
    asking
}

/// Whether those told of an incident by this rule also hear this event of it.
fn follows(rule: &Rule, event: &Event, reopened: bool) -> bool {
    let is_end = event.kind.is_ending() || matches!(event.stage, Stage::Complete | Stage::Canceled);
    // a stage that this version does not know may be the end
    let is_end = is_end || event.stage == Stage::Unknown;
    match rule.follow {
        Follow::Nothing => false,
        Follow::All => true,
        Follow::End => (is_end && !event.kind.is_review()) || reopened,
    }
}

/// The notifications that a rule wants for an event, one per endpoint and form.
fn wanted(event: &Event, placed: &Placed, sessions: &Sessions, asking: &Asking, rules: &RuleSet) -> Vec<Wanted> {
    let rule = &asking.rule;
    let mut all = Vec::new();
    let messages = rule
        .notify
        .iter()
        .chain(rule.invite.iter().filter(|_| is_unreadable_invitation(event)));
    for receiver in messages.filter_map(|name| rules.receiver(&rule.customer, name)) {
        all.extend(to_receiver(rule, receiver, &placed.communication, Form::Message));
    }
    if event.kind == Kind::Retrospective {
        for receiver in rule
            .invite
            .iter()
            .filter_map(|name| rules.receiver(&rule.customer, name))
        {
            for (index, session) in event.sessions.iter().enumerate() {
                let known = sessions.known(index);
                let about = SeriesId::session(&IncidentId::of(event), session, known.again);
                let form = Form::invitation(index, sessions.sequence, known.number);
                all.extend(to_receiver(rule, receiver, &about, form).filter(|wanted| wanted.channel == Channel::Email));
            }
        }
    }
    let mut seen = BTreeSet::new();
    all.retain(|wanted| seen.insert(wanted.series.clone()));
    all
}

/// An invitation whose times nobody could read out of the text: told as a message rather than not at all.
fn is_unreadable_invitation(event: &Event) -> bool {
    event.kind == Kind::Retrospective && event.sessions.is_empty()
}

fn to_receiver<'a>(
    rule: &'a Rule,
    receiver: &'a Receiver,
    about: &'a str,
    form: Form,
) -> impl Iterator<Item = Wanted> + 'a {
    receiver.to.iter().map(move |address| {
        let endpoint = address.endpoint(&rule.customer);
        Wanted {
            series: SeriesId::of(&rule.customer, about, &endpoint, form),
            endpoint,
            receiver: receiver.name.clone(),
            channel: address.channel(),
            form,
        }
    })
}

/// What follows from an event that stands at `at`.
pub fn hear(at: Position, event: &Event, heard: &Heard, now: Time) -> Vec<Change> {
    if let Some(of) = heard.placed.repeat_of {
        return vec![Change::Nothing {
            why: Why::Repeat { of },
        }];
    }
    let mut changes = follow(at, event, heard, now);
    // what comes out of an archive was told of where it was heard
    if event.imported.is_none() {
        changes.extend(not_understood::raised(heard, now));
        changes.extend(unowned::raised(heard, now));
    }
    changes
}

/// What follows from an event that is none of those that were heard before.
fn follow(at: Position, event: &Event, heard: &Heard, now: Time) -> Vec<Change> {
    let mut changes = remember(at, event, heard, now);
    if event.arrival == Arrival::History {
        changes.push(Change::Nothing { why: Why::History });
        return changes;
    }
    if heard.asking.is_empty() {
        changes.push(Change::Nothing {
            why: Why::NoRuleMatched,
        });
        return changes;
    }
    let mut plan = Plan::of(at, event, heard, now, changes);
    for asking in &heard.asking {
        plan.judge(asking);
    }
    let mut changes = plan.changes();
    changes.extend(too_costly::raised(event, &heard.asking, now));
    changes
}

/// The incident, its history and who heard it.
fn remember(at: Position, event: &Event, heard: &Heard, now: Time) -> Vec<Change> {
    let incident = match &heard.incident {
        Some(known) => known.after(event),
        None => Incident::begun_by(event, event.heard(now)),
    };
    let mut changes = Vec::new();
    if heard.incident.as_ref() != Some(&incident) {
        changes.push(Change::Incident(incident));
    }
    if !heard.is_known {
        changes.push(Change::Entry(entry(at, event, heard, now)));
    }
    changes.extend(heard.begins_clocks.then_some(Change::ClocksBegun));
    if let Some(look) = first_look(event, next_update(event), &heard.terms, now) {
        // a look whose time has passed may have been set aside
        let before = heard.clock.filter(|at| *at > now);
        changes.extend(set_clock(&IncidentId::of(event), before, Some(look)));
    }
    let visible = visible_digest(event);
    let whom = Whom::of(event);
    changes.extend(
        accounts_of(event)
            .into_iter()
            .map(|account| Change::Affected(hearing(at, event, &heard.placed, &visible, &whom, account))),
    );
    changes
}

fn entry(at: Position, event: &Event, heard: &Heard, now: Time) -> Entry {
    Entry {
        incident: IncidentId::of(event),
        communication: heard.placed.communication.clone(),
        published: event.published,
        published_said: event.published_said,
        kind: event.kind,
        stage: event.stage,
        title: event.title.clone(),
        event: at,
        heard: event.heard(now),
        arrival: event.arrival,
        sessions: heard.sessions.numbers(),
    }
}

/// With more accounts than this, what is impacted is not written down again for each of them.
const IMPACT_REPEATED_MOST: usize = 50;

/// Which accounts each impact of an event names.
struct Whom<'a>(Vec<(&'a Impact, HashSet<&'a str>)>);

impl<'a> Whom<'a> {
    fn of(event: &'a Event) -> Self {
        let named = |impact: &'a Impact| impact.accounts.iter().map(String::as_str).collect();
        Self(event.impact.iter().map(|impact| (impact, named(impact))).collect())
    }

    /// The impacts that an account has: those that name it, or nobody.
    fn on<'s>(&'s self, account: &'s str) -> impl Iterator<Item = &'a Impact> + 's {
        let here = self
            .0
            .iter()
            .filter(move |(_, named)| named.is_empty() || named.contains(account));
        here.map(|(impact, _)| *impact)
    }
}

fn hearing(at: Position, event: &Event, placed: &Placed, visible: &str, whom: &Whom<'_>, account: String) -> Hearing {
    let as_event = event.accounts.len() > IMPACT_REPEATED_MOST && whom.on(&account).count() == event.impact.len();
    let here = whom.on(&account).filter(|_| !as_event);
    Hearing {
        incident: IncidentId::of(event),
        impact: here.map(without_accounts).collect(),
        as_event,
        account,
        source: event.source.clone(),
        published: event.published,
        communication: placed.communication.clone(),
        kind: event.kind,
        visible: visible.to_owned(),
        arrival: event.arrival,
        event: at,
    }
}

fn without_accounts(impact: &Impact) -> Impact {
    Impact {
        service: impact.service.clone(),
        service_id: impact.service_id.clone(),
        region: impact.region.clone(),
        accounts: Vec::new(),
    }
}
