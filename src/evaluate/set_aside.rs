//! Something could not be decided: it is set aside and told to the operator, and everything else goes on.

use super::own::own;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Attempt, LIFE, Standing, State};
use crate::event::{Event, Kind, Provider, Stage};
use crate::incident::IncidentId;
use crate::notification::hash;
use crate::record::{BrokenFile, Change, Command, SetAside, Undecided, Why};
use crate::rule::file::customer_of;

mod facts;

/// When a delivery is tried again whose attempt could not be decided.
const PLAIN_RETRY: chrono::Duration = chrono::Duration::minutes(15);

/// What bears on it.
pub struct Trouble {
    /// What could not be decided.
    pub what: Undecided,
    /// What went wrong.
    pub why: String,
    /// Whether the operator was told of the same reason within the last hour.
    pub was_told: bool,
    /// Notifications that were to be decided; they stay open.
    pub open: Vec<String>,
    /// Rule files whose change was to be decided: what was in force before stays so.
    pub files: Vec<String>,
}

/// It is listed, and the operator is told, once in an hour for each reason. Of an event of our own that cannot be
/// decided nobody is told by another one.
pub fn set_aside(trouble: &Trouble, now: Time) -> Vec<Change> {
    if let Undecided::Command(Command::Retry { .. }) = &trouble.what {
        // what it asks about is listed, and stays so
        let why = trouble.why.clone();
        return vec![Change::Nothing {
            why: Why::SetAside { why },
        }];
    }
    let is_own =
        matches!(&trouble.what, Undecided::Event { incident, .. } if incident.provider == Provider::Bellwether);
    let is_told = !trouble.was_told && !is_own;
    let mut changes = vec![Change::SetAside(SetAside {
        what: trouble.what.clone(),
        why: trouble.why.clone(),
        is_told,
        open: trouble.open.clone(),
    })];
    changes.extend(trouble.files.iter().map(|path| broken(path, &trouble.why)));
    if is_told {
        let event = Box::new(told_of(trouble, now));
        changes.push(Change::Raised { event });
    }
    changes
}

fn broken(path: &str, why: &str) -> Change {
    let report =
        format!("{path}: this text could not be brought into force ({why}); its last good version stays in force");
    Change::Broken {
        path: path.to_owned(),
        broken: Some(BrokenFile {
            path: path.to_owned(),
            customer: customer_of(path),
            digest: hash(&[&report]),
            report,
            folder: None,
        }),
    }
}

fn told_of(trouble: &Trouble, now: Time) -> Event {
    let what = words(&trouble.what);
    let title = format!("{} could not be decided and is set aside", capital(&what));
    let text = format!(
        "{}: {}\nNothing follows from it until it is decided again: `bellwether set-aside list` shows what is set aside, \
         and `bellwether set-aside retry` has it decided again. More of the same is not told within the hour.",
        capital(&what),
        trouble.why
    );
    let operator = CustomerId::new(crate::customer::OPERATOR);
    let tracking_id = format!("set-aside:{}", now.format("%Y%m%dT%H%M%S%.3fZ"));
    own(
        Kind::SetAside,
        Stage::Active,
        &operator,
        &tracking_id,
        title,
        &text,
        now,
    )
}

/// An event that could not be decided.
pub fn of_event(event: &Event) -> Undecided {
    Undecided::Event {
        incident: IncidentId::of(event),
        title: event.title.clone(),
    }
}

/// What it is, in a few words.
pub fn words(what: &Undecided) -> String {
    match what {
        Undecided::Event { incident, title } => {
            format!("the event `{title}` of {} {}", incident.provider, incident.tracking_id)
        }
        Undecided::Rules => "a change of rules".to_owned(),
        Undecided::Command(_) => "a command".to_owned(),
        Undecided::Deadline(_) => "something that was due".to_owned(),
        Undecided::Unreadable => "an input that cannot be read".to_owned(),
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What follows from the end of an attempt that could not be decided otherwise: it is never set aside, or its delivery
/// would wait for ever; it is tried again.
pub fn plain_attempt(attempt: &Attempt, standing: Option<&Standing>, now: Time) -> Vec<Change> {
    let expires = match standing.map(|standing| &standing.state) {
        Some(State::Scheduled { expires, .. }) => *expires,
        Some(State::Ended { .. }) => return Vec::new(),
        None => now + LIFE,
    };
    vec![Change::Again {
        delivery: attempt.delivery.clone(),
        at: now + PLAIN_RETRY,
        expires,
    }]
}
