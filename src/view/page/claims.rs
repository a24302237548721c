//! The pages of service credits: what is open and until when, what came of the others, sums; and one claim with how its
//! figures came about.

use std::collections::BTreeMap;

use askama::Template;
use chrono::NaiveDate;

use super::{Frame, render};
use crate::claim::{Amounts, Claimed, Row, State};
use crate::clock::Time;
use crate::customer::ORGANISATION;
use crate::event::fold;
use crate::incident::resources::resource_name;
use crate::view::claims::Listed;
use crate::view::state::{Badge, Tone};
use crate::view::words::Moment;

/// How many claims a section names.
const NAMED_MOST: usize = 500;

/// From so many days before its last day on, a claim is due soon.
const SOON_DAYS: i64 = 14;

/// What is listed.
pub struct List<'a> {
    /// The claims that were asked for.
    pub claims: &'a [Listed],
    /// Sentences about what cannot be worked out.
    pub notes: &'a [String],
    /// Whether whose it is is worth saying.
    pub has_customers: bool,
    /// The month that was asked for.
    pub month: Option<&'a str>,
    /// The state that was asked for.
    pub state: Option<State>,
    /// The incident that was asked for.
    pub incident: Option<&'a str>,
}

/// One claim in a list.
struct Line {
    link: String,
    id: String,
    badges: Vec<Badge>,
    what: String,
    about: String,
    credit: String,
    until: String,
    is_soon: bool,
}

/// A part of the list.
struct Section {
    id: &'static str,
    heading: &'static str,
    empty: &'static str,
    lines: Vec<Line>,
    more: usize,
}

/// A line of the table of sums.
struct Sum {
    month: String,
    provider: String,
    claims: usize,
    open: String,
    asked: String,
    granted: String,
    credited: String,
}

#[derive(Template)]
#[template(path = "claims.html")]
struct Page<'a> {
    frame: &'a Frame,
    title: &'a str,
    made: Moment,
    sections: Vec<Section>,
    sums: Vec<Sum>,
    states: Vec<(&'static str, &'static str, bool)>,
    list: &'a List<'a>,
}

/// The list.
pub fn list(frame: &Frame, list: &List<'_>) -> String {
    render(&Page {
        frame,
        title: "Service credits",
        made: frame.moment(frame.now),
        sections: sections(frame, list),
        sums: sums(list.claims),
        states: State::ALL
            .into_iter()
            .map(|state| (state.word(), state.name(), list.state == Some(state)))
            .collect(),
        list,
    })
}

fn sections(frame: &Frame, list: &List<'_>) -> Vec<Section> {
    let is_soon = |one: &&Listed| {
        let is_unsaid = one.state.is_some_and(State::is_before_submission);
        let is_last = is_unsaid && days_left(one, frame.now).is_some_and(|left| left <= SOON_DAYS);
        is_last || case_by(one, frame.now).is_some()
    };
    let (open, history): (Vec<&Listed>, Vec<&Listed>) = list.claims.iter().partition(|one| one.is_open());
    let (soon, open): (Vec<&Listed>, Vec<&Listed>) = open.into_iter().partition(is_soon);
    let section = |id, heading, empty, mut claims: Vec<&Listed>| {
        claims.sort_by(|one, other| one.row.last_day.cmp(&other.row.last_day));
        Section {
            id,
            heading,
            empty,
            more: claims.len().saturating_sub(NAMED_MOST),
            lines: claims
                .into_iter()
                .take(NAMED_MOST)
                .map(|one| Line::of(one, frame, list.has_customers))
                .collect(),
        }
    };
    vec![
        section(
            "soon",
            "Due soon",
            "Nothing must be handed in within two weeks, and no case is to be opened.",
            soon,
        ),
        section("open", "Open", "Nothing else is open.", open),
        section("history", "What came of the others", "There are none yet.", history),
    ]
}

impl Line {
    fn of(one: &Listed, frame: &Frame, has_customers: bool) -> Self {
        let row = &one.row;
        let mut about: Vec<String> = named_customer(row).filter(|_| has_customers).into_iter().collect();
        about.extend(row.region.clone());
        about.extend(row.subscription.clone().filter(|_| row.resource.is_some()));
        about.extend((!row.incidents.is_empty()).then(|| row.incidents.join(", ")));
        let left = days_left(one, frame.now).filter(|_| one.state.is_some_and(State::is_before_submission));
        Self {
            link: link(frame, &row.id),
            id: row.id.clone(),
            badges: badges(one),
            what: title(row),
            about: about.join(" · "),
            credit: money(row.credit.as_deref(), row.currency.as_deref()),
            until: match case_by(one, frame.now) {
                Some(by) => format!(
                    "a case must be opened by {}; {}",
                    frame.moment(by).text,
                    until(row.last_day.as_deref(), left)
                ),
                None => until(row.last_day.as_deref(), left),
            },
            is_soon: left.is_some_and(|left| left <= SOON_DAYS) || case_by(one, frame.now).is_some(),
        }
    }
}

fn link(frame: &Frame, id: &str) -> String {
    format!("{}claims/{id}{}", frame.root, frame.chosen("?"))
}

/// How far it is, and what is to be known of its figures.
fn badges(one: &Listed) -> Vec<Badge> {
    let badge = |word: &'static str, tone: Tone| Badge { word, tone };
    let tone = match one.state {
        Some(State::Granted | State::Credited) => Tone::Good,
        Some(State::Denied | State::Expired) => Tone::Alarm,
        Some(State::Possible | State::CaseOpened | State::Prepared) => Tone::Attention,
        Some(State::Submitted | State::Acknowledged) => Tone::Notice,
        Some(State::Withdrawn) | None => Tone::Quiet,
    };
    let mut badges = vec![badge(one.state.map_or("nothing owed", State::name), tone)];
    for (is_so, word) in [
        (one.row.provisional, "provisional"),
        (!one.row.verified, "unverified terms"),
        (one.standing.is_not_worth_it, "not worth it"),
        (one.is_gone, "no longer computed"),
    ] {
        badges.extend(is_so.then(|| badge(word, Tone::Quiet)));
    }
    badges
}

/// Until when the next case must be opened that nobody has opened yet, as long as it can be.
fn case_by(one: &Listed, now: Time) -> Option<Time> {
    let cases = one.standing.cases_to_open(&one.row);
    cases.map(|case| case.by).filter(|by| *by > now).min()
}

fn days_left(one: &Listed, now: Time) -> Option<i64> {
    let last_day: NaiveDate = one.row.last_day.as_deref()?.parse().ok()?;
    Some((last_day - now.date_naive()).num_days())
}

fn until(last_day: Option<&str>, left: Option<i64>) -> String {
    match (last_day, left) {
        (None, _) => "the terms say no last day".to_owned(),
        (Some(day), Some(1)) => format!("until {day}: one day left"),
        (Some(day), Some(0)) => format!("until {day}: today is the last day"),
        (Some(day), Some(left)) if left > 0 => format!("until {day}: {left} days left"),
        (Some(day), _) => format!("last day {day}"),
    }
}

fn money(amount: Option<&str>, currency: Option<&str>) -> String {
    match (amount, currency) {
        (Some(amount), Some(currency)) => format!("{amount} {currency}"),
        _ => "cannot be computed".to_owned(),
    }
}

/// Sums in a cell of a table.
fn shown(sums: &Amounts) -> String {
    let parts = sums.parts();
    match parts.is_empty() {
        true => "–".to_owned(),
        false => parts.join(", "),
    }
}

/// By month and provider: what may still be claimed, what was asked for, granted and credited.
fn sums(claims: &[Listed]) -> Vec<Sum> {
    let mut by_month: BTreeMap<(&str, &str), Vec<&Listed>> = BTreeMap::new();
    for one in claims.iter().filter(|one| one.state.is_some()) {
        by_month
            .entry((&one.row.month, &one.row.provider))
            .or_default()
            .push(one);
    }
    let lines = by_month.into_iter().rev().map(|((month, provider), claims)| {
        let [mut open, mut asked, mut granted, mut credited] = [(); 4].map(|()| Amounts::default());
        for one in &claims {
            let currency = one.row.currency.as_deref();
            if one.is_open() && one.state.is_some_and(State::is_before_submission) {
                open.add(one.row.credit.as_deref(), currency);
            }
            let more = one.standing.still_to_ask(&one.row).map(|more| more.to_string());
            open.add(more.as_deref(), currency);
            // what was said before it was denied, or taken back, is history
            let is_pursued = |state: State| state.is_after_submission() && state != State::Denied;
            if one.state.is_some_and(is_pursued) {
                asked.add(one.standing.asked(), currency);
                granted.add(one.standing.granted(), currency);
                credited.add(one.standing.credited(), currency);
            }
        }
        Sum {
            month: month.to_owned(),
            provider: provider.to_owned(),
            claims: claims.len(),
            open: shown(&open),
            asked: shown(&asked),
            granted: shown(&granted),
            credited: shown(&credited),
        }
    });
    lines.collect()
}

/// What somebody said, in words.
struct SaidLine {
    at: Moment,
    by: String,
    words: String,
}

impl SaidLine {
    fn of(one: &Claimed, frame: &Frame) -> Self {
        let said = &one.said;
        let mut words: Vec<String> = said
            .state
            .map(|state| format!("it is {}", state.name()))
            .into_iter()
            .collect();
        for (label, value) in [
            ("owner", &said.owner),
            ("goes to", &said.addressee),
            ("asked", &said.asked),
            ("granted", &said.granted),
            ("credited", &said.credited),
        ] {
            words.extend(value.as_ref().map(|value| format!("{label}: {value}")));
        }
        words.extend(said.not_worth_it.map(|no| match no {
            true => "not worth it".to_owned(),
            false => "worth it after all".to_owned(),
        }));
        words.extend(said.evidence.iter().map(|one| match one.place.as_str() {
            "" => format!("“{}” is not there", one.asked),
            place => format!("“{}” is there: {place}", one.asked),
        }));
        words.extend(said.note.clone());
        Self {
            at: frame.moment(one.at),
            by: match &one.taken_in_by {
                Some(taken_in) => format!("{}, taken in from an archive by {taken_in}", one.by),
                None => one.by.clone(),
            },
            words: words.join("; "),
        }
    }
}

#[derive(Template)]
#[template(path = "one_claim.html")]
struct OnePage<'a> {
    frame: &'a Frame,
    title: String,
    made: Moment,
    claim: &'a Listed,
    badges: Vec<Badge>,
    facts: Vec<(&'static str, String)>,
    /// What the terms ask a claim to bring, and where it is by a person's word.
    evidence: Vec<(&'a str, &'a str)>,
    said: Vec<SaidLine>,
    next: Vec<(&'static str, &'static str)>,
    /// Whether the reader may say how far it is.
    may_operate: bool,
    /// What was wrong with what was said just now, and what to say instead.
    wrong: Option<(String, String)>,
}

/// One claim.
pub fn one(frame: &Frame, claim: &Listed, may_operate: bool, wrong: Option<(String, String)>) -> String {
    let next = claim.state.map_or(&[][..], State::next);
    render(&OnePage {
        frame,
        title: title(&claim.row),
        made: frame.moment(frame.now),
        claim,
        badges: badges(claim),
        facts: facts(claim, frame),
        evidence: evidence(claim),
        said: claim.history.iter().map(|one| SaidLine::of(one, frame)).collect(),
        next: next.iter().map(|state| (state.word(), state.name())).collect(),
        may_operate,
        wrong,
    })
}

/// What it is of, and its month: what tells it from others.
fn title(row: &Row) -> String {
    let resource = row.resource.as_deref().map(resource_name);
    match resource.or(row.subscription.as_deref()) {
        Some(what) => format!("{} {what}, {}", row.service, row.month),
        None => format!("{}, {}", row.service, row.month),
    }
}

fn evidence(claim: &Listed) -> Vec<(&str, &str)> {
    let place = |asked: &str| {
        let provided = claim.standing.provided.iter();
        let mut places = provided.filter(|one| fold(&one.asked) == fold(asked));
        places.next().map_or("", |one| one.place.as_str())
    };
    claim
        .row
        .evidence
        .iter()
        .map(|asked| (asked.as_str(), place(asked)))
        .collect()
}

/// Whose it is, where customers are told apart.
fn named_customer(row: &Row) -> Option<String> {
    (row.customer != ORGANISATION).then(|| row.customer.clone())
}

fn facts(claim: &Listed, frame: &Frame) -> Vec<(&'static str, String)> {
    let row = &claim.row;
    let currency = row.currency.as_deref();
    let left = days_left(claim, frame.now).filter(|_| claim.state.is_some_and(State::is_before_submission));
    let percent = |text: &Option<String>| text.as_ref().map(|text| format!("{text} %"));
    let amount = |text: Option<&str>| text.map(|text| money(Some(text), currency));
    let facts = [
        ("Credit", Some(money(row.credit.as_deref(), currency))),
        ("To be claimed", Some(until(row.last_day.as_deref(), left))),
        ("Uptime", percent(&row.uptime_percent)),
        (
            "Down",
            row.down_minutes
                .as_ref()
                .map(|minutes| format!("{minutes} of {} minutes", row.available_minutes)),
        ),
        ("Fee of the month", amount(row.fee.as_deref())),
        ("Step", percent(&row.step_percent)),
        ("Case to be opened by", row.open_case_by.map(|by| frame.moment(by).text)),
        ("Resource", row.resource.clone()),
        ("Customer", named_customer(row)),
        ("Owner", claim.standing.owner.clone()),
        ("Goes to", claim.standing.addressee.clone()),
        ("Asked", amount(claim.standing.asked())),
        ("Granted", amount(claim.standing.granted())),
        ("Credited", amount(claim.standing.credited())),
        ("The figure of now differs by", amount(claim.difference().as_deref())),
    ];
    facts
        .into_iter()
        .filter_map(|(label, value)| Some((label, value?)))
        .collect()
}
