//! What follows from everything that can happen: the product on one page.
//!
//! [`evaluate`] is a pure function over closed enums: an input, what is known that bears on it, the rules, the time;
//! out come changes, at least one, each with its reason. It reads no clock, no file, no store: who calls it fetched
//! the [`Context`] before, and writes the changes down after.
//!
//! ```text
//! Heard     ──▶ hear   repeats, history, who asks, gates, notifications that gather
//! Due       ──▶ tell   notifications that are due become deliveries, their content frozen
//! Attempts  ──▶ tried  done, again at, dead, superseded
//! the rest  ──▶ obey   rules in force and broken, receivers that moved or are gone, redelivery, retention
//! ```

use crate::clock::Time;
use crate::delivery::{Delivery, Standing};
use crate::event::Event;
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::message::FrozenContent;
use crate::notification::SeriesId;
use crate::record::{BrokenFile, Change, FileInForce, Input, Why};
use crate::rule::{Revision, RuleSet};

pub(crate) mod hear;
pub(crate) mod obey;
pub(crate) mod placing;
pub(crate) mod tell;
pub(crate) mod tried;

/// What is known that bears on an input: one variant per way of deciding, fetched by the store before the decision.
pub enum Context {
    /// For a heard or raised event.
    Hear(hear::Heard),
    /// For notifications that are due.
    Tell(Box<tell::Gathered>),
    /// For attempts that ended, each one's lane.
    AttemptsEnded(Vec<tried::Lane>),
    /// For rules that changed.
    Rules(RulesChange),
    /// For an endpoint that is in no rule file any more.
    Endpoint(Vec<Pending>),
    /// For a delivery that is to expire or to be tried again.
    Delivery(Option<(Delivery, Standing)>),
    /// For retention.
    Retention(Old),
    /// The input, or its decision, is lost: which it is.
    Lost(Why),
}

/// What bears on a change of rules.
pub struct RulesChange {
    /// Where its texts were recorded.
    pub recorded: Position,
    /// The files that were recorded before it: path, digest, where and which.
    pub earlier: Vec<FileInForce>,
    /// What was in force before.
    pub before: Option<Revision>,
    /// What is known to be broken.
    pub broken: Vec<BrokenFile>,
}

/// What is old enough to be forgotten.
#[derive(Default)]
pub struct Old {
    /// Ended deliveries.
    pub deliveries: Vec<(Delivery, Standing)>,
    /// Incidents about which nothing is pending, with their events and series.
    pub incidents: Vec<OldIncident>,
    /// If there is more: when to go on.
    pub again: Option<Time>,
}

/// An incident that is old enough to be forgotten.
pub struct OldIncident {
    /// Which.
    pub incident: IncidentId,
    /// Its events.
    pub events: Vec<Position>,
    /// The series of notifications about it.
    pub series: Vec<SeriesId>,
}

/// A scheduled delivery with its content.
pub struct Pending {
    /// What it is.
    pub delivery: Delivery,
    /// How far it is.
    pub standing: Standing,
    /// What it says; `None` if that is in a lost part of the journal.
    pub content: Option<FrozenContent>,
}

/// What follows from `input`, which stands at `at` if it was recorded or raised.
pub fn evaluate(input: &Asked<'_>, context: &Context, rules: &RuleSet, now: Time) -> Vec<Change> {
    let changes = match (input, context) {
        (_, Context::Lost(why)) => vec![Change::Nothing { why: why.clone() }],
        (Asked::Event { at, event }, Context::Hear(heard)) => hear::hear(*at, event, heard, now),
        (Asked::Input(Input::Due { .. }), Context::Tell(gathered)) => tell::tell(gathered, rules, now),
        (Asked::Input(Input::AttemptsEnded { attempts }), Context::AttemptsEnded(lanes)) => {
            let ended = attempts.iter().zip(lanes);
            ended
                .flat_map(|(attempt, lane)| tried::tried(attempt, lane, now))
                .collect()
        }
        (Asked::Input(Input::RuleTexts { .. }), _) => vec![Change::Nothing {
            why: Why::PartOfAChange,
        }],
        (Asked::Input(input @ Input::Rules { .. }), Context::Rules(change)) => obey::rules(input, change, now),
        (Asked::Input(Input::Due { .. }), Context::Endpoint(pending)) => obey::endpoint(pending, rules, now),
        (Asked::Input(Input::Due { .. }), Context::Delivery(found)) => obey::expire(found.as_ref(), now),
        (Asked::Input(Input::Due { .. }), Context::Retention(old)) => obey::retention(old),
        (Asked::Input(Input::Commanded { .. }), Context::Delivery(found)) => obey::redeliver(found.as_ref(), now),
        _ => vec![],
    };
    match changes.is_empty() {
        true => vec![Change::Nothing { why: Why::NoLongerDue }],
        false => changes,
    }
}

/// What is to be decided: an event, heard or raised here, or another input.
pub enum Asked<'a> {
    /// An event and where it stands.
    Event {
        /// Where it was recorded or raised.
        at: Position,
        /// The event.
        event: &'a Event,
    },
    /// Anything else.
    Input(&'a Input),
    /// Something whose text need not, or cannot, be read.
    Unread,
}
