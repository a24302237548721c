//! What would become of an event: which rules match it, why the others do not, and who would be told what, and when.
//!
//! It is decided as the daemon does, with the same functions, as if nothing had been heard before; nothing is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::channel::{Address, Target};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::evaluate::event_received::{Heard, asking};
use crate::evaluate::placing::place;
use crate::evaluate::{Case, alone, evaluate};
use crate::event::{Event, Measures};
use crate::incident::reviews::Terms;
use crate::journal::Position;
use crate::notification::{Channel, Form};
use crate::record::{Change, Judged, Planned, PlannedFor, Ref, Verdict};
use crate::rule::condition::{Judgement, Left};
use crate::rule::{Rule, RuleSet};

/// What would become of one event.
#[derive(Debug, Serialize, Deserialize)]
pub struct WhatIf {
    /// The event.
    pub event: Event,
    /// What each rule makes of it.
    pub rules: Vec<Judgment>,
    /// Who would be told.
    pub told: Vec<Telling>,
}

/// What becomes of one event by one rule.
#[derive(Debug, Serialize, Deserialize)]
pub struct Judgment {
    /// Whose rule.
    pub customer: CustomerId,
    /// Which.
    pub rule: String,
    /// Whether it matches.
    pub matches: bool,
    /// Why it does not match, or why it tells nobody all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What is left of the event, if it matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Left>,
}

/// One message or invitation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Telling {
    /// Whose receiver.
    pub customer: CustomerId,
    /// Which.
    pub receiver: String,
    /// How it is told.
    pub channel: Channel,
    /// Where it goes; never a URL that is a secret, and nothing where addresses are not shown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// `message` or `invitation`.
    pub form: String,
    /// When the session starts that an invitation is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Time>,
    /// The rules that ask for it.
    pub rules: Vec<String>,
    /// When it is told.
    pub due: Time,
    /// How long that is from the moment of hearing, in seconds.
    pub due_in_seconds: i64,
}

impl WhatIf {
    /// Decides the event as the first one of its incident, heard `now`.
    ///
    /// What the incident adds up to is what this one event says, by the usual sizes.
    pub fn of(mut event: Event, rules: &RuleSet, now: Time) -> Self {
        event.measures = Some(Box::new(Measures::of_all(alone(&event, &Terms::default(), now))));
        let placed = place(&event, &BTreeMap::new(), &[]);
        let heard = Heard {
            asking: asking(&event, None, &[], &placed, &Default::default(), rules),
            placed,
            ..Heard::default()
        };
        let at = Position { seq: 1, nth: 0 };
        let event_received = Case::EventReceived {
            at,
            event: &event,
            heard,
        };
        let changes = evaluate(&event_received, rules, now);
        let judged: Vec<&Judged> = changes.iter().filter_map(judged).collect();
        let judgments = rules.rules().map(|rule| Judgment::of(rule, &event, rules, &judged));
        let planned = changes.iter().filter_map(planned);
        let tellings = planned.flat_map(|planned| planned.to.iter().map(move |to| (planned, to)));
        Self {
            rules: judgments.collect(),
            told: sorted(tellings.map(|(planned, to)| Telling::of(planned, to, &event, rules, &changes, now))),
            event,
        }
    }

    /// Without the addresses of receivers.
    pub fn without_addresses(mut self) -> Self {
        self.told.iter_mut().for_each(|told| told.address.clear());
        self
    }

    /// Leaves what one customer's rules make of it.
    pub fn only_of(mut self, customer: &CustomerId) -> Self {
        self.rules.retain(|rule| rule.customer == *customer);
        self.told.retain(|told| told.customer == *customer);
        self
    }
}

fn judged(change: &Change) -> Option<&Judged> {
    match change {
        Change::Judged(judged) => Some(judged),
        _ => None,
    }
}

fn planned(change: &Change) -> Option<&Planned> {
    match change {
        Change::Planned(planned) => Some(planned),
        _ => None,
    }
}

impl Judgment {
    fn of(rule: &Rule, event: &Event, rules: &RuleSet, judged: &[&Judged]) -> Self {
        let own = judged
            .iter()
            .find(|one| one.customer == rule.customer && one.rule == rule.name);
        let withheld = own.and_then(|one| match &one.verdict {
            Verdict::Withheld { why } => Some(why.to_string()),
            _ => None,
        });
        let (why, left) = match rules.judge(rule, event) {
            Judgement::Matches(left) => (withheld, Some(left)),
            Judgement::No(why) => (Some(why.to_string()), None),
        };
        Self {
            customer: rule.customer.clone(),
            rule: rule.name.clone(),
            matches: left.is_some(),
            why,
            left,
        }
    }
}

impl Telling {
    fn of(planned: &Planned, to: &PlannedFor, event: &Event, rules: &RuleSet, changes: &[Change], now: Time) -> Self {
        let session = session_of(event, to.form);
        let address = rules.endpoint(&to.endpoint).map(|(_, _, address)| shown(address));
        Self {
            customer: planned.customer.clone(),
            receiver: to.receiver.clone(),
            channel: to.channel,
            address: address.unwrap_or_default(),
            form: match session {
                None => "message".to_owned(),
                Some(_) => "invitation".to_owned(),
            },
            session,
            rules: asked_by(to, changes),
            due: planned.due,
            due_in_seconds: (planned.due - now).num_seconds(),
        }
    }

    fn order(&self) -> (&str, &str, Channel, &str, Option<Time>) {
        (
            self.customer.as_str(),
            &self.receiver,
            self.channel,
            &self.address,
            self.session,
        )
    }
}

/// When the session starts that an invitation is for.
fn session_of(event: &Event, form: Form) -> Option<Time> {
    match form {
        Form::Message => None,
        Form::Invitation { session, .. } => event.sessions.get(session).map(|session| session.start),
    }
}

/// By customer, then receiver, and where it goes.
fn sorted(told: impl Iterator<Item = Telling>) -> Vec<Telling> {
    let mut told: Vec<Telling> = told.collect();
    told.sort_by(|one, other| one.order().cmp(&other.order()));
    told
}

/// The rules that asked for a notification, the one that opened it first.
fn asked_by(to: &PlannedFor, changes: &[Change]) -> Vec<String> {
    let joined = changes.iter().filter_map(|change| match change {
        Change::Gathered(gathers) if gathers.to.iter().any(|part| part.series == to.series) => Some(gathers.verdict),
        _ => None,
    });
    let mut verdicts: Vec<Ref> = std::iter::once(to.verdict).chain(joined).collect();
    verdicts.sort();
    let rule = |verdict: Ref| match verdict {
        Ref::Here(nth) => changes
            .get(nth as usize)
            .and_then(judged)
            .map(|judged| judged.rule.clone()),
        Ref::At(_) => None,
    };
    verdicts.into_iter().filter_map(rule).collect()
}

/// An address without anything secret: URLs show their host, and a digest that tells one from another.
fn shown(address: &Address) -> String {
    match address {
        Address::Email(address) => address.as_str().to_owned(),
        Address::Webhook { url, .. } | Address::Slack { url } | Address::Teams { url } => match url {
            Target::Plain(url) => url.to_string(),
            Target::Secret(secret) => format!("secret {}", secret.name),
        },
    }
}
