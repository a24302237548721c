//! The page that answers why somebody is told of an event, or is not.

use askama::Template;

use super::{Frame, render};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::Provider;
use crate::rule::RuleSet;
use crate::view::what_if::{Judgment, Telling, WhatIf};
use crate::view::words::{self, Moment, lasted};

/// How many names of rules and receivers are offered.
pub const NAMES_MOST: usize = 200;

/// How many rules are answered for.
const RULES_MOST: usize = 200;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The id of an event that was heard.
    pub event: String,
    /// A rule's name, or a part of it.
    pub rule: String,
    /// A receiver's name.
    pub receiver: String,
    /// The account of a pasted event that names none.
    pub account: String,
    /// What was pasted.
    pub pasted: String,
    /// How many more events stand in it.
    pub more: usize,
    /// Why it cannot be read.
    pub problem: Option<Problem>,
}

/// Why a pasted text cannot be read.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// Where.
    pub field: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// An event to choose.
pub struct Recent {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// The provider's name for the trouble.
    pub tracking_id: String,
    /// Whose it is.
    pub provider: Provider,
    /// When it was heard.
    pub heard: Time,
}

/// What the page is made of.
pub struct Why<'a> {
    /// What is asked.
    pub asked: &'a Asked,
    /// The newest events.
    pub recent: Vec<Recent>,
    /// What would become of the events that are asked about.
    pub answers: Vec<WhatIf>,
    /// Names of rules.
    pub rules: Vec<String>,
    /// Names of receivers.
    pub receivers: Vec<String>,
    /// The customer who reads.
    pub own: Option<&'a CustomerId>,
    /// The rules in force.
    pub lookup: &'a RuleSet,
}

struct RecentLine {
    link: String,
    title: String,
    /// Whether the title is ours, and no provider's.
    is_ours: bool,
    tracking_id: String,
    heard: Moment,
    is_here: bool,
}

struct Answer {
    title: String,
    /// Whether the title is ours, and no provider's.
    is_ours: bool,
    about: String,
    told: Vec<ToldLine>,
    rules: Vec<RuleLine>,
    more: usize,
    /// That the name that was asked for is no rule's or receiver's.
    is_unknown: bool,
}

struct ToldLine {
    receiver: String,
    how: String,
    rules: String,
    wait: String,
}

struct RuleLine {
    customer: String,
    name: String,
    matches: bool,
    why: String,
}

#[derive(Template)]
#[template(path = "why.html")]
struct Page<'a> {
    frame: &'a Frame,
    title: &'a str,
    made: Moment,
    asked: &'a Asked,
    recent: Vec<RecentLine>,
    answers: Vec<Answer>,
    rules: &'a [String],
    receivers: &'a [String],
    has_customers: bool,
}

/// The page.
pub fn why(frame: &Frame, why: &Why<'_>) -> String {
    render(&Page {
        frame,
        title: "Why was I (not) told?",
        made: frame.moment(frame.now),
        asked: why.asked,
        recent: why
            .recent
            .iter()
            .map(|recent| RecentLine::of(recent, frame, why.asked))
            .collect(),
        answers: why.answers.iter().map(|answer| Answer::of(answer, why)).collect(),
        rules: &why.rules,
        receivers: &why.receivers,
        has_customers: why.own.is_none(),
    })
}

impl RecentLine {
    fn of(recent: &Recent, frame: &Frame, asked: &Asked) -> Self {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("event", &recent.id);
        for (name, value) in [("rule", &asked.rule), ("receiver", &asked.receiver)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        Self {
            link: format!("{}why?{}{}#answer", frame.root, query.finish(), frame.chosen("&")),
            title: recent.title.clone(),
            is_ours: recent.provider == Provider::Bellwether,
            tracking_id: recent.tracking_id.clone(),
            heard: frame.moment(recent.heard),
            is_here: recent.id == asked.event,
        }
    }
}

impl Answer {
    fn of(answer: &WhatIf, why: &Why<'_>) -> Self {
        let asked = why.asked;
        let is_asked = |rule: &Judgment| is_rule(asked, &rule.rule) && leads_to(rule, asked, why.lookup);
        let mut rules: Vec<&Judgment> = answer.rules.iter().filter(|rule| is_asked(rule)).collect();
        let told = answer.told.iter().filter(|told| {
            let is_receiver = asked.receiver.is_empty() || told.receiver.eq_ignore_ascii_case(&asked.receiver);
            is_receiver && told.rules.iter().any(|rule| is_rule(asked, rule))
        });
        // those that match first; the sort is stable
        rules.sort_by_key(|rule| !rule.matches);
        let event = &answer.event;
        Self {
            title: event.title.clone(),
            is_ours: event.provider == Provider::Bellwether,
            about: [
                words::provider(event.provider),
                event.event_type.word(),
                event.stage.word(),
                event.kind.word(),
                &event.tracking_id,
            ]
            .join(" · "),
            told: told.map(ToldLine::of).collect(),
            is_unknown: rules.is_empty(),
            more: rules.len().saturating_sub(RULES_MOST),
            rules: rules.into_iter().take(RULES_MOST).map(RuleLine::of).collect(),
        }
    }
}

fn is_rule(asked: &Asked, name: &str) -> bool {
    asked.rule.is_empty() || name.to_lowercase().contains(&asked.rule.to_lowercase())
}

/// Whether a rule tells the receiver that is asked about.
fn leads_to(judgment: &Judgment, asked: &Asked, rules: &RuleSet) -> bool {
    let is_it = |name: &String| name.eq_ignore_ascii_case(&asked.receiver);
    let rule = rules.rule(&judgment.customer, &judgment.rule);
    asked.receiver.is_empty() || rule.is_some_and(|rule| rule.notify.iter().chain(&rule.invite).any(is_it))
}

impl ToldLine {
    fn of(told: &Telling) -> Self {
        let wait = match told.due_in_seconds {
            ..=0 => "at once".to_owned(),
            seconds @ 1..=59 => format!("within {seconds} s"),
            seconds => format!("after {}", lasted(chrono::Duration::seconds(seconds))),
        };
        Self {
            receiver: told.receiver.clone(),
            how: format!("{} by {}", told.form, told.channel.word()),
            rules: told.rules.join(", "),
            wait,
        }
    }
}

impl RuleLine {
    fn of(rule: &Judgment) -> Self {
        Self {
            customer: rule.customer.to_string(),
            name: rule.rule.clone(),
            matches: rule.matches,
            why: rule.why.clone().unwrap_or_default(),
        }
    }
}
