//! The health history: what goes on now and what is owed, the form of filters, and what matches.

use askama::Template;

use super::rows::Line;
use super::{Frame, render};
use crate::clock::Time;
use crate::event::catalogue::Catalogue;
use crate::event::{EventType, Kind};
use crate::incident::reviews::{Debt, Phase};
use crate::view::filter::{Filter, state_word, states};
use crate::view::state;
use crate::view::story::Listed;
use crate::view::words::{self, Moment, lasted};

/// What the page shows.
pub struct History<'a> {
    /// What is asked for.
    pub filter: &'a Filter,
    /// What was found.
    pub found: &'a [Listed],
    /// How many there are in all, where that is known.
    pub count: Option<usize>,
    /// Whether it is the first page.
    pub is_first: bool,
    /// Where the next page begins.
    pub next: Option<&'a str>,
    /// Whether the newest changes may be missing.
    pub is_behind: bool,
    /// What goes on now and what is owed, on the first page of everything.
    pub current: Option<Current>,
    /// What services are called.
    pub catalogue: &'a Catalogue,
}

/// What goes on now, and what is owed.
#[derive(Debug, Default)]
pub struct Current {
    /// What goes on now, the newest word first.
    pub going_on: Vec<Listed>,
    /// Incidents of which a review is owed.
    pub owed: Vec<Listed>,
}

/// The most lines of what goes on now, and of what is owed.
pub const CURRENT_MOST: usize = 20;

#[derive(Template)]
#[template(path = "incidents.html")]
struct Page<'a> {
    frame: &'a Frame,
    title: &'a str,
    made: Moment,
    current: Option<Now>,
    form: Form<'a>,
    chips: Vec<Chip>,
    heading: String,
    is_behind: bool,
    hint: Option<Hint>,
    lines: Vec<Line>,
    is_first: bool,
    is_filtered: bool,
    newest: String,
    next: Option<String>,
}

/// What goes on now, ready to be shown.
struct Now {
    going_on: Vec<Ongoing>,
    owed: Vec<Owed>,
}

/// A trouble that goes on, and since when.
struct Ongoing {
    line: Line,
    age: String,
}

/// A review that is owed.
struct Owed {
    link: String,
    title: String,
    what: &'static str,
    words: String,
    class: &'static str,
    due: Moment,
    at: Time,
}

/// The form, with what is asked for in it.
struct Form<'a> {
    q: &'a str,
    selects: Vec<Select>,
    texts: Vec<Input<'a>>,
    days: Vec<Input<'a>>,
    is_open: bool,
}

struct Select {
    name: &'static str,
    label: &'static str,
    choices: Vec<Choice>,
}

struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

struct Input<'a> {
    name: &'static str,
    label: &'static str,
    value: &'a str,
    kind: &'static str,
    example: &'static str,
}

/// A part of the filter that can be taken away.
struct Chip {
    words: String,
    without: String,
}

/// What may have been meant.
struct Hint {
    words: String,
    link: String,
}

/// The page.
pub fn history(frame: &Frame, history: &History<'_>) -> String {
    let filter = history.filter;
    let is_filtered = !filter.asked.is_empty();
    render(&Page {
        title: "Service health",
        made: frame.moment(frame.now),
        current: history.current.as_ref().map(|current| Now::of(current, frame)),
        form: Form::of(filter),
        chips: chips(frame, filter),
        heading: heading(history, is_filtered),
        is_behind: history.is_behind,
        hint: meant(frame, filter, history.catalogue).filter(|_| history.found.is_empty()),
        lines: history.found.iter().map(|one| Line::of(one, frame)).collect(),
        is_first: history.is_first,
        is_filtered,
        newest: query_of(frame, filter, None, None),
        next: history.next.map(|next| query_of(frame, filter, None, Some(next))),
        frame,
    })
}

fn heading(history: &History<'_>, is_filtered: bool) -> String {
    match (is_filtered, history.count) {
        (false, _) => "All incidents".to_owned(),
        (true, Some(count)) => match words::counted(count, "incident") {
            counted if count == 1 => format!("{counted} matches"),
            counted => format!("{counted} match"),
        },
        (true, None) => "What matches".to_owned(),
    }
}

/// The address of a list: its filter without one part, and where it begins.
fn query_of(frame: &Frame, filter: &Filter, without: Option<usize>, before: Option<&str>) -> String {
    let asked = filter.asked.iter().enumerate();
    let kept = asked
        .filter(|(nth, _)| Some(*nth) != without)
        .map(|(_, (name, text))| (*name, text.as_str()));
    let chosen = Some(frame.chosen_customer()).filter(|customer| !customer.is_empty());
    let all = kept
        .chain(before.map(|before| ("before", before)))
        .chain(chosen.map(|customer| ("as", customer)));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(all)
        .finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

fn chips(frame: &Frame, filter: &Filter) -> Vec<Chip> {
    let asked = filter.asked.iter().enumerate();
    let chips = asked.map(|(nth, (name, text))| Chip {
        words: match *name {
            "q" => format!("“{text}”"),
            name => format!("{name}: {text}"),
        },
        without: query_of(frame, filter, Some(nth), None),
    });
    chips.collect()
}

/// The service or region that was probably meant, where what is asked for is in no list of names.
fn meant(frame: &Frame, filter: &Filter, catalogue: &Catalogue) -> Option<Hint> {
    let (nth, (name, text)) = filter.asked.iter().enumerate().find(|(_, (name, text))| match *name {
        "service" => !catalogue.knows_service(text),
        "region" => !catalogue.knows_region(text),
        _ => false,
    })?;
    let closest = match *name {
        "service" => catalogue.closest_service(text),
        _ => catalogue.closest_region(text),
    }?;
    let mut changed = filter.clone();
    changed.asked[nth].1.clone_from(&closest);
    Some(Hint {
        words: closest,
        link: query_of(frame, &changed, None, None),
    })
}

impl Now {
    fn of(current: &Current, frame: &Frame) -> Self {
        let mut owed: Vec<Owed> = current
            .owed
            .iter()
            .filter_map(|listed| Owed::of(listed, frame))
            .collect();
        owed.sort_by_key(|owed| owed.at);
        let going_on = current.going_on.iter().map(|listed| Ongoing {
            line: Line::of(listed, frame),
            age: age(listed, frame.now),
        });
        Self {
            going_on: going_on.collect(),
            owed,
        }
    }
}

/// How long it has been going on.
fn age(listed: &Listed, now: Time) -> String {
    let incident = &listed.incident;
    let began = incident.impact_start.unwrap_or(incident.first_heard);
    match now > began {
        true => format!("for {}", lasted(now - began)),
        false => String::new(),
    }
}

impl Owed {
    fn of(listed: &Listed, frame: &Frame) -> Option<Self> {
        let (debt, due) = *listed.owed.first()?;
        let is_late = due < frame.now;
        let line = Line::of(listed, frame);
        Some(Self {
            link: line.link,
            title: line.title,
            what: match debt {
                Debt::PreliminaryReview => "Preliminary review",
                Debt::FinalReview => "Final review",
                Debt::Update => "The promised update",
                Debt::Repair => "Repairs",
            },
            words: match is_late {
                true => format!("overdue, {} late", lasted(frame.now - due)),
                false => format!("due in {}", lasted(due - frame.now)),
            },
            class: if is_late { "alarm" } else { "notice" },
            due: frame.moment(due),
            at: due,
        })
    }
}

impl<'a> Form<'a> {
    fn of(filter: &'a Filter) -> Self {
        let asked = |name: &str| filter.asked_for(name).unwrap_or_default();
        let text = |name, label, example| Input {
            name,
            label,
            value: asked(name),
            kind: "text",
            example,
        };
        let day = |name: &'static str, label| Input {
            // how long ago something was (90d) is no date of a calendar
            kind: if is_day(asked(name)) { "date" } else { "text" },
            ..text(name, label, "2026-11-24")
        };
        Self {
            q: asked("q"),
            selects: vec![
                Select::of(
                    "type",
                    "Type",
                    types(),
                    &chosen(asked("type"), &filter.types, EventType::word),
                ),
                Select::of(
                    "state",
                    "State",
                    states().map(of_state),
                    &chosen(asked("state"), &filter.states, state_word),
                ),
                Select::of("kind", "Has a", kinds(), &chosen_kind(asked("kind"), &filter.kinds)),
            ],
            texts: vec![
                text("service", "Service", "Virtual Machines"),
                text("region", "Region", "West Europe"),
                text("account", "Account", "an id, or a name of your rule files"),
            ],
            days: vec![day("since", "Since"), day("until", "Until")],
            is_open: filter.asked.iter().any(|(name, _)| *name != "q"),
        }
    }
}

/// The choice that is what was asked for, in whatever word; several stay as they were asked for.
fn chosen<T: Copy>(asked: &str, values: &[T], word: fn(T) -> &'static str) -> String {
    match values {
        [one] => word(*one).to_owned(),
        _ => asked.to_owned(),
    }
}

fn chosen_kind(asked: &str, kinds: &[Kind]) -> String {
    match kinds {
        [Kind::PreliminaryReview, Kind::FinalReview] => "review".to_owned(),
        kinds => chosen(asked, kinds, Kind::word),
    }
}

fn is_day(text: &str) -> bool {
    text.is_empty() || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

fn types() -> impl Iterator<Item = (String, String)> {
    let types = EventType::ALL.iter().filter(|one| **one != EventType::Other);
    types.map(|one| (one.word().to_owned(), one.word().to_owned()))
}

fn of_state(state: Phase) -> (String, String) {
    let word = state_word(state);
    (word.to_owned(), words::capitalised(&word.replace('-', " ")))
}

/// What a provider says; what the daemon itself raises is asked for by its address.
fn kinds() -> impl Iterator<Item = (String, String)> {
    let review = ("review".to_owned(), "Review (PIR, RCA)".to_owned());
    let kinds = Kind::ALL.iter().filter(|kind| !kind.is_own());
    let kinds = kinds.map(|kind| {
        let label = state::communication(*kind, EventType::ServiceIssue, crate::event::Stage::Active);
        (kind.word().to_owned(), label.to_owned())
    });
    [review].into_iter().chain(kinds)
}

impl Select {
    fn of(
        name: &'static str,
        label: &'static str,
        choices: impl Iterator<Item = (String, String)>,
        asked: &str,
    ) -> Self {
        let folded = crate::event::fold(asked);
        let mut choices: Vec<Choice> = choices
            .map(|(value, label)| Choice {
                is_chosen: crate::event::fold(&value) == folded,
                value,
                label,
            })
            .collect();
        if !asked.is_empty() && !choices.iter().any(|choice| choice.is_chosen) {
            choices.push(Choice {
                value: asked.to_owned(),
                label: asked.to_owned(),
                is_chosen: true,
            });
        }
        Self { name, label, choices }
    }
}
