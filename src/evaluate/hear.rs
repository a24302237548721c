//! An event was heard: is it news, who asks for it, and what will they be told.
//!
//! In order: [place](super::placing) it in each account's own sequence of communications (repeat? overtaken?), remember it, then let
//! every rule that asks pass the gates, and gather notifications per endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::placing::{Placed, accounts_of};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Arrival, Event, Impact, Kind, Position, Stage, visible_digest};
use crate::incident::{Entry, Hearing, Incident, IncidentId};
use crate::notification::{Channel, EndpointId, Form, Notification, SeriesId};
use crate::record::{Change, Deadline, Judged, Tells, Verdict, Why};
use crate::rule::condition::Left;
use crate::rule::{Follow, Receiver, Rule, RuleSet};

/// What is known that bears on an event.
#[derive(Default)]
pub struct Heard {
    /// The incident so far.
    pub incident: Option<Incident>,
    /// Where the event stands among what its accounts heard before.
    pub placed: Placed,
    /// The incident's communications so far.
    pub entries: Vec<Entry>,
    /// The rules that ask for it.
    pub asking: Vec<Asking>,
    /// The notifications known of the series it could lead to.
    pub series: BTreeMap<SeriesId, Notification>,
    /// Which accounts those series have told of.
    pub reached: BTreeSet<(SeriesId, String)>,
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
}

/// One notification that a rule wants.
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
    rules: &RuleSet,
) -> Vec<Asking> {
    let mut asking: Vec<Asking> = rules
        .matching(event)
        .into_iter()
        .map(|matched| Asking {
            rule: matched.rule,
            left: matched.left,
            followed: false,
        })
        .collect();
    let matched: BTreeSet<(CustomerId, String)> = asking
        .iter()
        .map(|one| (one.rule.customer.clone(), one.rule.name.clone()))
        .collect();
    let reopened = incident.is_some_and(|incident| incident.reopened_by(event));
    for who in told_before.iter().filter(|who| !matched.contains(*who)) {
        let rule = rules.rule(&who.0, &who.1).filter(|rule| follows(rule, event, reopened));
        if let Some((rule, left)) = rule.and_then(|rule| Some((rule, rules.following(rule, event)?))) {
            asking.push(Asking {
                rule: rule.clone(),
                left,
                followed: true,
            });
        }
    }
    asking
}

/// Whether those told of an incident by this rule also hear this event of it.
fn follows(rule: &Rule, event: &Event, reopened: bool) -> bool {
    let is_end = event.kind.is_ending() || matches!(event.stage, Stage::Complete | Stage::Canceled);
    match rule.follow {
        Follow::Nothing => false,
        Follow::All => true,
        Follow::End => (is_end && !event.kind.is_review()) || reopened,
    }
}

/// The notifications that a rule wants for an event, one per endpoint and form.
pub fn wanted(event: &Event, placed: &Placed, entries: &[Entry], asking: &Asking, rules: &RuleSet) -> Vec<Wanted> {
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
        let sequence = invitations_before(entries, &placed.communication);
        for receiver in rule
            .invite
            .iter()
            .filter_map(|name| rules.receiver(&rule.customer, name))
        {
            for (index, session) in event.sessions.iter().enumerate() {
                let about = SeriesId::session(&IncidentId::of(event), session);
                let form = Form::Invitation {
                    session: index,
                    sequence,
                };
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

/// RFC 5545 §3.8.7.4: an invitation's sequence number grows with every communication that changes it.
fn invitations_before(entries: &[Entry], communication: &str) -> u32 {
    let earlier = entries
        .iter()
        .filter(|entry| entry.kind == Kind::Retrospective && entry.communication != communication);
    u32::try_from(earlier.count()).unwrap_or(u32::MAX)
}

/// What follows from an event that stands at `at`.
pub fn hear(at: Position, event: &Event, heard: &Heard, rules: &RuleSet, now: Time) -> Vec<Change> {
    if let Some(of) = heard.placed.repeat_of {
        return vec![Change::Nothing {
            why: Why::Repeat { of },
        }];
    }
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
    let mut plan = Plan {
        at,
        event,
        heard,
        now,
        series: heard.series.clone(),
        reached: heard.reached.clone(),
        touched: BTreeMap::new(),
    };
    for asking in &heard.asking {
        let judged = plan.judge(asking, rules);
        changes.push(Change::Judged(judged));
    }
    changes.extend(plan.notifications());
    changes
}

/// The incident, its history and who heard it.
fn remember(at: Position, event: &Event, heard: &Heard, now: Time) -> Vec<Change> {
    let incident = match &heard.incident {
        Some(known) => known.after(event),
        None => Incident::begun_by(event, now),
    };
    let mut changes = Vec::new();
    if heard.incident.as_ref() != Some(&incident) {
        changes.push(Change::Incident(incident));
    }
    if !heard
        .entries
        .iter()
        .any(|entry| entry.communication == heard.placed.communication)
    {
        changes.push(Change::Entry(entry(at, event, &heard.placed, now)));
    }
    let visible = visible_digest(event);
    changes.extend(
        accounts_of(event)
            .into_iter()
            .map(|account| Change::Affected(hearing(at, event, &heard.placed, &visible, account))),
    );
    changes
}

fn entry(at: Position, event: &Event, placed: &Placed, now: Time) -> Entry {
    Entry {
        incident: IncidentId::of(event),
        communication: placed.communication.clone(),
        published: event.published,
        kind: event.kind,
        stage: event.stage,
        title: event.title.clone(),
        event: at,
        heard: now,
        arrival: event.arrival,
    }
}

/// With more accounts than this, what is impacted is not written down again for each of them.
const IMPACT_REPEATED_MOST: usize = 50;

fn hearing(at: Position, event: &Event, placed: &Placed, visible: &str, account: String) -> Hearing {
    let is_here = |impact: &&Impact| impact.accounts.is_empty() || impact.accounts.contains(&account);
    let as_event = event.accounts.len() > IMPACT_REPEATED_MOST && event.impact.iter().all(|impact| is_here(&impact));
    let here = event.impact.iter().filter(is_here).filter(|_| !as_event);
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
        accounts: Vec::new(),
        ..impact.clone()
    }
}

/// The notifications that one event leads to, as they gather rule by rule.
struct Plan<'a> {
    at: Position,
    event: &'a Event,
    heard: &'a Heard,
    now: Time,
    series: BTreeMap<SeriesId, Notification>,
    reached: BTreeSet<(SeriesId, String)>,
    touched: BTreeMap<SeriesId, Option<Time>>,
}

impl Plan<'_> {
    /// Lets one rule pass the gates, and gathers what it wants.
    fn judge(&mut self, asking: &Asking, rules: &RuleSet) -> Judged {
        let left = self.not_overtaken(asking);
        let (verdict, tells) = match self.gate(asking, left.as_ref(), rules) {
            Some(why) => (Verdict::Withheld { why }, Vec::new()),
            None => self.gather(asking, left.as_ref().unwrap_or(&asking.left), rules),
        };
        Judged {
            event: self.at,
            incident: IncidentId::of(self.event),
            customer: asking.rule.customer.clone(),
            rule: asking.rule.name.clone(),
            verdict,
            followed: asking.followed,
            impact: asking.left.impact.iter().map(without_accounts).collect(),
            accounts: asking.left.accounts.clone(),
            tells,
        }
    }

    /// Why a rule that matched tells nobody.
    fn gate(&self, asking: &Asking, left: Option<&Left>, rules: &RuleSet) -> Option<Why> {
        if left.is_none() {
            let by = self.heard.placed.overtaken.values().next().copied()?;
            return Some(Why::Overtaken { by });
        }
        if !wanted(self.event, &self.heard.placed, &self.heard.entries, asking, rules).is_empty() {
            let over = self.event.kind == Kind::Retrospective && !self.event.sessions.is_empty();
            let over = over
                && asking.rule.notify.is_empty()
                && self.event.sessions.iter().all(|session| session.end <= self.now);
            return over.then_some(Why::SessionsAreOver);
        }
        Some(Why::NothingToInviteTo)
    }

    /// What is left of the event without the accounts that heard something newer; `None` if that is all of them.
    fn not_overtaken(&self, asking: &Asking) -> Option<Left> {
        let overtaken = &self.heard.placed.overtaken;
        if asking.rule.every || overtaken.is_empty() {
            return Some(asking.left.clone());
        }
        if asking.left.accounts.is_empty() {
            return (!overtaken.contains_key("")).then(|| asking.left.clone());
        }
        let accounts: Vec<String> = asking
            .left
            .accounts
            .iter()
            .filter(|account| !overtaken.contains_key(*account))
            .cloned()
            .collect();
        (!accounts.is_empty()).then(|| Left {
            accounts,
            ..asking.left.clone()
        })
    }

    fn gather(&mut self, asking: &Asking, left: &Left, rules: &RuleSet) -> (Verdict, Vec<Tells>) {
        let due =
            self.now + chrono::Duration::seconds(i64::try_from(asking.rule.settle_seconds).unwrap_or(i64::MAX / 2_000));
        let mut verdict = Verdict::Joined;
        let mut tells = Vec::new();
        for wanted in wanted(self.event, &self.heard.placed, &self.heard.entries, asking, rules) {
            let is_past =
                matches!(wanted.form, Form::Invitation { session, .. } if self.event.sessions[session].end <= self.now);
            if is_past {
                continue;
            }
            let new: Vec<String> = left
                .accounts
                .iter()
                .filter(|account| !self.reached.contains(&(wanted.series.clone(), (*account).clone())))
                .cloned()
                .collect();
            let (part, is_planned) = self.join(asking, &wanted, due, !new.is_empty());
            if is_planned {
                verdict = Verdict::Planned;
            }
            self.reached
                .extend(new.iter().map(|account| (wanted.series.clone(), account.clone())));
            tells.push(Tells {
                series: wanted.series,
                part,
                endpoint: wanted.endpoint,
                receiver: wanted.receiver,
                new,
            });
        }
        (verdict, tells)
    }

    /// Opens a notification, or joins the open one, or (for accounts that come later) opens the next part. Says which
    /// part, and whether it was opened here.
    fn join(&mut self, asking: &Asking, wanted: &Wanted, due: Time, has_new: bool) -> (u32, bool) {
        let known = self.series.get(&wanted.series).cloned();
        let (mut next, was_due, is_planned) = match known {
            None => (self.notification(asking, wanted, 0, due), None, true),
            Some(known) if known.open => {
                let was = known.due;
                (known, Some(was), false)
            }
            Some(known) if has_new && wanted.form == Form::Message => {
                (self.notification(asking, wanted, known.part + 1, due), None, true)
            }
            Some(known) => return (known.part, false),
        };
        next.due = next.due.min(due);
        let part = next.part;
        if was_due != Some(next.due) {
            self.touched.entry(wanted.series.clone()).or_insert(was_due);
        }
        self.series.insert(wanted.series.clone(), next);
        (part, is_planned)
    }

    fn notification(&self, asking: &Asking, wanted: &Wanted, part: u32, due: Time) -> Notification {
        Notification {
            series: wanted.series.clone(),
            part,
            open: true,
            due,
            customer: asking.rule.customer.clone(),
            incident: IncidentId::of(self.event),
            communication: self.heard.placed.communication.clone(),
            event: self.at,
            form: wanted.form,
            endpoint: wanted.endpoint.clone(),
            receiver: wanted.receiver.clone(),
            channel: wanted.channel,
            tracking_id: self.event.tracking_id.clone(),
            published: self.event.published,
            title: self.event.title.clone(),
            kind: self.event.kind,
        }
    }

    /// The notifications that were opened or brought forward, and when to look at them.
    fn notifications(self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (series, was_due) in self.touched {
            let notification = &self.series[&series];
            let deadline = Deadline::Tell {
                series,
                part: notification.part,
            };
            if let Some(at) = was_due {
                changes.push(Change::Unwake {
                    deadline: deadline.clone(),
                    at,
                });
            }
            changes.push(Change::Wake {
                deadline,
                at: notification.due,
            });
            changes.push(Change::Notification(notification.clone()));
        }
        changes
    }
}
