//! For tests: decisions that fail, because none is known that does.

use std::collections::BTreeMap;
use std::sync::Mutex;

use anyhow::{Result, bail};

use super::Writer;
use super::decide::Subject;
use crate::lookup;
use crate::record::{Command, Deadline, Input};

/// How many steps a large decision may still take; `None`: as many as it has.
static STEPS: Mutex<Option<u32>> = Mutex::new(None);

/// From now on a large decision takes so many steps and waits then; `None`: it goes on.
pub(crate) fn let_large_decisions_step(steps: Option<u32>) {
    *STEPS.lock().expect("a lock") = steps;
}

/// Whether all steps are taken that were let.
pub(crate) fn has_stepped() -> bool {
    *STEPS.lock().expect("a lock") == Some(0)
}

/// Whether a large decision may take another step.
pub(super) fn may_step() -> bool {
    match &mut *STEPS.lock().expect("a lock") {
        None => true,
        Some(0) => false,
        Some(left) => {
            *left -= 1;
            true
        }
    }
}

/// How a decision fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trap {
    /// It panics.
    Panic,
    /// It ends with an error that comes from nowhere else.
    Error,
    /// It ends with an error of the disk.
    Disk,
}

static TRAPS: Mutex<BTreeMap<String, Trap>> = Mutex::new(BTreeMap::new());

/// From now on every decision about `what` (an event's tracking id, a delivery's id, `rules`) fails.
pub(crate) fn set(what: &str, trap: Trap) {
    TRAPS.lock().expect("a lock").insert(what.to_owned(), trap);
}

/// It fails no more.
pub(crate) fn remove(what: &str) {
    TRAPS.lock().expect("a lock").remove(what);
}

/// Fails if there is a trap for the subject.
pub(super) fn spring(writer: &Writer, subject: &Subject) -> Result<()> {
    let found = about(writer, subject).into_iter().find_map(|name| {
        let traps = TRAPS.lock().expect("a lock");
        traps.get(&name).copied()
    });
    match found {
        Some(Trap::Panic) => panic!("a trap was set"),
        Some(Trap::Error) => bail!("a trap was set"),
        Some(Trap::Disk) => Err(std::io::Error::other("a trap was set").into()),
        None => Ok(()),
    }
}

fn about(writer: &Writer, subject: &Subject) -> Vec<String> {
    match subject {
        Subject::Kept(waiting) => match writer.input_of(waiting) {
            Some(Input::Heard { event }) => vec![event.tracking_id.clone()],
            Some(Input::Rules { .. }) => vec!["rules".to_owned()],
            Some(Input::Commanded {
                command: Command::Redeliver { delivery },
                ..
            }) => vec![delivery],
            Some(Input::Commanded {
                command: Command::Retry { at },
                ..
            }) => match lookup::event(&writer.shared.journal, at) {
                Ok(event) => vec![event.tracking_id],
                Err(_) => Vec::new(),
            },
            Some(Input::Commanded {
                command: Command::ForgetRules { customer },
                ..
            }) => vec![customer.to_string()],
            _ => Vec::new(),
        },
        Subject::Attempts(attempts) => attempts.iter().map(|attempt| attempt.delivery.clone()).collect(),
        Subject::Due {
            deadline: Deadline::Notifications { incident, .. },
            ..
        } => vec![format!("due {}", incident.tracking_id)],
        Subject::Due { .. } | Subject::Nothing => Vec::new(),
    }
}
