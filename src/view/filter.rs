//! Which incidents somebody asks for: read strictly from the words of a URL or of a command line, and compared with what
//! is known of an incident.
//!
//! The lists, feeds and exports share it; an index answers it faster, and [`Filter::matches`] is what that index must
//! agree with. An unknown word is refused with those that may stand there: a list that is quietly too long or too
//! short misleads.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::event::catalogue::Catalogue;
use crate::event::{EventType, Kind, fold};
use crate::incident::reviews::Phase;

mod times;
mod words;

use times::moment;
pub use words::{Sought, review_names, sought, words};

/// The names of the parameters, in the order in which they are shown.
pub const PARAMETERS: [&str; 9] = [
    "q", "type", "state", "service", "region", "account", "kind", "since", "until",
];

/// The most values of one parameter.
const VALUES_MOST: usize = 50;

/// The most characters of one value.
const VALUE_CHARS_MOST: usize = 200;

/// The most characters of a search.
pub const SEARCH_CHARS_MOST: usize = 500;

/// The most words of a search.
const SOUGHT_MOST: usize = 32;

/// The states, with the words that people use for them.
const STATES: [(Phase, &str, &[&str]); 8] = [
    (Phase::Planned, "planned", &["scheduled", "announced"]),
    (Phase::InProgress, "in-progress", &[]),
    (Phase::Investigating, "investigating", &["active", "ongoing", "open"]),
    (Phase::Mitigated, "mitigated", &["resolved"]),
    (Phase::UnderReview, "under-review", &["review owed"]),
    (Phase::Closed, "closed", &[]),
    (Phase::Retracted, "retracted", &["false positive", "false alarm"]),
    (Phase::Canceled, "canceled", &["cancelled"]),
];

/// Which incidents: each part must match, and any value of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these types; empty: all.
    pub types: Vec<EventType>,
    /// Any of these states.
    pub states: Vec<Phase>,
    /// Any of these services: keys of the catalogue.
    pub services: Vec<String>,
    /// Any of these regions, folded; with services, in the same pair of the impact.
    pub regions: Vec<String>,
    /// Any of these accounts, in lower case: those that were asked for, and those that a name of rule files stands for.
    pub accounts: Vec<String>,
    /// Has a communication of any of these kinds.
    pub kinds: Vec<Kind>,
    /// All of this is found in title, texts or tracking id.
    pub sought: Vec<Sought>,
    /// The tracking id itself, where the search is nothing else.
    pub tracking_id: Option<String>,
    /// Something was said of it then or later.
    pub since: Option<Time>,
    /// It had begun before then.
    pub until: Option<Time>,
    /// As it was asked for, to be asked again: the parameters that are not empty.
    pub asked: Vec<(&'static str, String)>,
}

/// A parameter that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Which.
    pub parameter: &'static str,
    /// What is wrong, a sentence without a full stop.
    pub what: String,
    /// What may stand there.
    pub hint: String,
}

/// What is known when a filter is read.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// Which names mean the same service.
    pub catalogue: &'a Catalogue,
    /// The time of asking.
    pub now: Time,
    /// Where a day begins.
    pub zone: Tz,
    /// The accounts that a name stands for in rule files; none if it is no name.
    pub accounts_named: &'a dyn Fn(&str) -> BTreeSet<String>,
}

/// What is known of an incident, as far as filters look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What sort of trouble.
    pub event_type: EventType,
    /// Where it is, by the clock.
    pub state: State,
    /// Services (keys of the catalogue) in regions (folded), as they were named together.
    pub places: BTreeSet<(String, Option<String>)>,
    /// The accounts that heard of it, in lower case.
    pub accounts: BTreeSet<String>,
    /// What was said, by kind.
    pub kinds: BTreeSet<Kind>,
    /// When it began: its impact, or the first word of it.
    pub began: Time,
    /// The newest word.
    pub updated: Time,
    /// The tracking id, folded.
    pub tracking_id: String,
    /// Titles, texts and the tracking id, each in words.
    pub texts: Vec<Vec<String>>,
}

/// Where an incident is: some states change by the clock alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where it is first.
    pub first: Phase,
    /// From when on it is elsewhere, and where.
    pub then: Option<(Time, Phase)>,
}

impl State {
    /// Where it is at `now`.
    pub fn at(self, now: Time) -> Phase {
        match self.then {
            Some((from, phase)) if now > from => phase,
            _ => self.first,
        }
    }
}

/// The word of a state, as answers write it.
pub fn state_word(state: Phase) -> &'static str {
    let known = STATES.iter().find(|(phase, ..)| *phase == state);
    known.map_or("", |(_, word, _)| word)
}

/// All states, in the order in which an incident goes through them.
pub fn states() -> impl Iterator<Item = Phase> {
    STATES.iter().map(|(phase, ..)| *phase)
}

impl Filter {
    /// Reads the parameters that are a filter's; others are passed over, empty ones count as absent. A parameter may
    /// stand several times, or have several values between commas.
    ///
    /// # Errors
    /// When a value cannot be used: all of them.
    pub fn read<'p>(
        parameters: impl Iterator<Item = (&'p str, &'p str)>,
        reading: Reading<'_>,
    ) -> Result<Self, Vec<Wrong>> {
        let mut filter = Self::default();
        let mut wrong = Vec::new();
        let mut counts = BTreeMap::new();
        for (name, text) in parameters {
            let Some(parameter) = PARAMETERS.iter().find(|known| **known == name) else {
                continue;
            };
            let text = text.trim();
            if !text.is_empty() {
                filter.asked.push((parameter, text.to_owned()));
                filter
                    .add(parameter, text, reading, counts.entry(*parameter).or_default())
                    .unwrap_or_else(|one| wrong.push(one));
            }
        }
        if let (Some(since), Some(until)) = (filter.since, filter.until)
            && since >= until
        {
            wrong.push(Wrong::new(
                "until",
                "it ends before it begins (`since`)",
                "exchange the two",
            ));
        }
        match wrong.is_empty() {
            true => Ok(filter),
            false => Err(wrong),
        }
    }

    /// Whether everything is asked for.
    pub fn is_everything(&self) -> bool {
        self.asked.is_empty() && self == &Self::default()
    }

    /// The first value that was asked for of a parameter.
    pub fn asked_for(&self, parameter: &str) -> Option<&str> {
        let found = self.asked.iter().find(|(name, _)| *name == parameter);
        found.map(|(_, text)| text.as_str())
    }

    /// Whether an incident is asked for, as it is at `now`.
    pub fn matches(&self, facts: &Facts, now: Time) -> bool {
        fn any<T: PartialEq>(wanted: &[T], is: impl Fn(&T) -> bool) -> bool {
            wanted.is_empty() || wanted.iter().any(is)
        }
        any(&self.types, |one| *one == facts.event_type)
            && any(&self.states, |one| *one == facts.state.at(now))
            && self.matches_places(facts)
            && any(&self.accounts, |one| facts.accounts.contains(one))
            && any(&self.kinds, |one| facts.kinds.contains(one))
            && self.since.is_none_or(|since| facts.updated >= since)
            && self.until.is_none_or(|until| facts.began < until)
            && self.finds(facts)
    }

    fn matches_places(&self, facts: &Facts) -> bool {
        let is_wanted =
            |wanted: &[String], is: Option<&String>| wanted.is_empty() || is.is_some_and(|is| wanted.contains(is));
        let names_no_place = self.services.is_empty() && self.regions.is_empty();
        let mut places = facts.places.iter();
        names_no_place
            || places.any(|(service, region)| {
                is_wanted(&self.services, Some(service)) && is_wanted(&self.regions, region.as_ref())
            })
    }

    fn finds(&self, facts: &Facts) -> bool {
        let is_review = facts.kinds.iter().any(|kind| kind.is_review());
        let is_found =
            |one: &Sought| (*one == Sought::Review && is_review) || facts.texts.iter().any(|text| one.is_in(text));
        self.tracking_id.as_ref().is_some_and(|id| *id == facts.tracking_id) || self.sought.iter().all(is_found)
    }

    /// Adds what is asked of a parameter, of which there were `count` values before.
    fn add(
        &mut self,
        parameter: &'static str,
        text: &str,
        reading: Reading<'_>,
        count: &mut usize,
    ) -> Result<(), Wrong> {
        match parameter {
            "q" => return self.search(text),
            "since" => {
                self.since = Some(moment("since", text, reading, false)?);
                return Ok(());
            }
            "until" => {
                self.until = Some(moment("until", text, reading, true)?);
                return Ok(());
            }
            _ => {}
        }
        let values = values(parameter, text)?;
        *count += values.len();
        if *count > VALUES_MOST {
            return Err(too_many(parameter));
        }
        for value in values {
            match parameter {
                "type" => self.types.push(event_type(value)?),
                "state" => self.states.push(state(value)?),
                "kind" => self.kinds.extend(kinds(value)?),
                "service" => self.services.push(reading.catalogue.service_key(value, Some(value))),
                "region" => self.regions.push(fold(value)),
                "account" => {
                    let named = (reading.accounts_named)(value).into_iter().map(|id| id.to_lowercase());
                    self.accounts.extend(named.chain([value.to_lowercase()]));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn search(&mut self, text: &str) -> Result<(), Wrong> {
        let chars = text.chars().count();
        if chars > SEARCH_CHARS_MOST {
            let what = format!("{chars} characters are more than a search may have, which is {SEARCH_CHARS_MOST}");
            return Err(Wrong::new("q", what, "search for the few words that matter"));
        }
        self.sought.extend(sought(text));
        if self.sought.len() > SOUGHT_MOST {
            let what = format!("more than {SOUGHT_MOST} words are searched for");
            return Err(Wrong::new("q", what, "search for the few words that matter"));
        }
        let has_spaces = text.contains(char::is_whitespace);
        self.tracking_id = (!has_spaces).then(|| fold(text)).filter(|id| !id.is_empty());
        match self.sought.is_empty() && self.tracking_id.is_none() {
            true => Err(Wrong::new("q", "there is no word in it", "type letters or digits")),
            false => Ok(()),
        }
    }
}

impl Wrong {
    fn new(parameter: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            parameter,
            what: what.into(),
            hint: hint.into(),
        }
    }

    fn unknown(parameter: &'static str, value: &str, known: impl Iterator<Item = &'static str>) -> Self {
        let shown: String = value.chars().filter(|c| !c.is_control()).take(64).collect();
        let known: Vec<&str> = known.collect();
        Self::new(
            parameter,
            format!("there is no `{shown}`"),
            format!("known here: {}", known.join(", ")),
        )
    }
}

fn too_many(parameter: &'static str) -> Wrong {
    let what = format!("more than {VALUES_MOST} values");
    Wrong::new(parameter, what, "ask in several lists")
}

fn values<'t>(parameter: &'static str, text: &'t str) -> Result<Vec<&'t str>, Wrong> {
    // a service's own name may hold a comma
    let values: Vec<&str> = match parameter {
        "service" => vec![text],
        _ => text
            .split(',')
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect(),
    };
    if values.len() > VALUES_MOST {
        return Err(too_many(parameter));
    }
    let is_long = |value: &&&str| value.chars().count() > VALUE_CHARS_MOST;
    match values.iter().find(is_long) {
        None => Ok(values),
        Some(value) => {
            let chars = value.chars().count();
            let what = format!("{chars} characters are more than a value may have, which is {VALUE_CHARS_MOST}");
            Err(Wrong::new(parameter, what, "shorten it"))
        }
    }
}

fn event_type(value: &str) -> Result<EventType, Wrong> {
    let known = || EventType::ALL.iter().map(|one| one.word());
    EventType::read(value).ok_or_else(|| Wrong::unknown("type", value, known()))
}

fn state(value: &str) -> Result<Phase, Wrong> {
    let folded = fold(value);
    let is_it = |(_, word, also): &&(Phase, &str, &[&str])| {
        fold(word) == folded || also.iter().any(|word| fold(word) == folded)
    };
    let found = STATES.iter().find(is_it);
    let known = || STATES.iter().map(|(_, word, _)| *word);
    found
        .map(|(phase, ..)| *phase)
        .ok_or_else(|| Wrong::unknown("state", value, known()))
}

/// The kinds that a word means: a review by whatever name is a preliminary or a final one.
fn kinds(value: &str) -> Result<Vec<Kind>, Wrong> {
    const REVIEWS: [&str; 6] = [
        "review",
        "reviews",
        "PIR",
        "RCA",
        "post incident review",
        "root cause analysis",
    ];
    let folded = fold(value);
    if REVIEWS.iter().any(|word| fold(word) == folded) {
        return Ok(vec![Kind::PreliminaryReview, Kind::FinalReview]);
    }
    let known = || ["review"].into_iter().chain(Kind::ALL.iter().map(|one| one.word()));
    Kind::read(value)
        .map(|kind| vec![kind])
        .ok_or_else(|| Wrong::unknown("kind", value, known()))
}

#[cfg(test)]
mod tests;
