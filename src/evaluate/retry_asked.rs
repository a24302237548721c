//! Somebody asks for something that is set aside to be decided again.

use super::event_received::{self, Heard};
use super::redelivery_asked;
use crate::clock::Time;
use crate::delivery::{Delivery, Standing};
use crate::event::Event;
use crate::journal::Position;
use crate::record::{Change, Deadline, Why};

mod facts;

/// What is set aside there, with what is known that bears on it.
pub enum Retry {
    /// Nothing that can be decided again: a change of rules is made again by whoever changes the files.
    Nothing,
    /// An event. Where newer news of its incident was told meanwhile, its accounts count as overtaken.
    Event {
        /// Where it stands.
        at: Position,
        /// The event.
        event: Box<Event>,
        /// What is known.
        heard: Box<Heard>,
    },
    /// Somebody had asked for a delivery to be tried again.
    Redelivery {
        /// Where it was listed.
        at: Position,
        /// The delivery.
        found: Box<Option<(Delivery, Standing)>>,
    },
    /// Notifications that stayed open.
    Notifications {
        /// Where they were listed.
        at: Position,
        /// Their deliveries.
        open: Vec<String>,
    },
    /// Another deadline.
    Deadline {
        /// Where it was listed.
        at: Position,
        /// Which.
        deadline: Deadline,
    },
}

/// It is decided as if it had just come.
pub fn retry(retry: &Retry, now: Time) -> Vec<Change> {
    let (at, mut changes) = match retry {
        Retry::Nothing => return vec![Change::Nothing { why: Why::NotSetAside }],
        Retry::Event { at, event, heard } => (at, event_received::hear(*at, event, heard, now)),
        Retry::Redelivery { at, found } => (at, redelivery_asked::redeliver((**found).as_ref(), now)),
        Retry::Notifications { at, open } => {
            let due = open.iter().map(|delivery| Change::BroughtForward {
                delivery: delivery.clone(),
                due: now,
            });
            (at, due.collect())
        }
        Retry::Deadline { at, deadline } => {
            let deadline = deadline.clone();
            (at, vec![Change::Wake { deadline, at: now }])
        }
    };
    // last, because changes refer to each other by their numbers
    changes.push(Change::TakenUp { at: *at });
    changes
}
