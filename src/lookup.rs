//! What the journal says at a position: a record, a change, an input, an event, a delivery's frozen content.

use anyhow::{Context as _, Result, bail};

use crate::event::Event;
use crate::journal::{self, Position};
use crate::message::{FrozenContent, SharedContent};
use crate::record::{Change, Command, Input, Of, Record};

/// A record that is not in the journal (any more).
#[derive(Debug, thiserror::Error)]
#[error("record {seq} is not in the journal any more")]
struct Gone {
    seq: u64,
}

/// What was read from the journal, or `None` if it is lost: the loss is on record, and life goes on without it.
///
/// # Errors
/// When it could not be read for another reason.
pub fn unless_lost<T>(read: Result<T>) -> Result<Option<T>> {
    let is_lost = |error: &anyhow::Error| {
        error
            .chain()
            .any(|cause| cause.is::<Gone>() || matches!(cause.downcast_ref(), Some(journal::Error::Damaged { .. })))
    };
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if is_lost(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The record of a sequence number.
///
/// # Errors
/// When it is not there or cannot be read.
pub fn record(journal: &journal::Reader, seq: u64) -> Result<Record> {
    let bytes = journal.read(seq).context("reading the journal")?.ok_or(Gone { seq })?;
    Record::from_bytes(&bytes)
}

/// A change by where it stands.
///
/// # Errors
/// When it is not there.
pub fn change(journal: &journal::Reader, at: Position) -> Result<Change> {
    match record(journal, at.seq)? {
        Record::Decided { changes, .. } | Record::Continued { changes, .. } => changes
            .into_iter()
            .nth(at.nth as usize)
            .with_context(|| format!("there is no change {at}")),
        _ => bail!("record {} is no decision", at.seq),
    }
}

/// What a delivery says, as it was frozen.
#[derive(Debug, Clone)]
pub enum Frozen {
    /// All of it, in records of before it was shared.
    Whole(FrozenContent),
    /// What it shares with others.
    Shared(SharedContent),
}

/// A delivery's frozen content by where it stands.
///
/// # Errors
/// When it is not there.
pub fn content(journal: &journal::Reader, at: Position) -> Result<Frozen> {
    match change(journal, at)? {
        Change::Delivery { content, .. } => Ok(Frozen::Whole(*content)),
        Change::Content(content) => Ok(Frozen::Shared(*content)),
        _ => bail!("change {at} is no delivery"),
    }
}

/// An input by where it was recorded, or an event raised there.
///
/// # Errors
/// When it is not there.
pub fn input(journal: &journal::Reader, at: Position) -> Result<Input> {
    match record(journal, at.seq)? {
        Record::Recorded { inputs, .. } => inputs
            .into_iter()
            .nth(at.nth as usize)
            .with_context(|| format!("there is no input {at}")),
        Record::Decided {
            changes,
            of: Of::Kept { .. } | Of::Here(_),
            ..
        }
        | Record::Continued { changes, .. } => match changes.into_iter().nth(at.nth as usize) {
            Some(Change::Raised { event }) => Ok(Input::Heard { event }),
            _ => bail!("change {at} raised no event"),
        },
        _ => bail!("record {} holds no input", at.seq),
    }
}

/// An event by where it was recorded or raised, or what a test tells by where that was asked for.
///
/// # Errors
/// When it is not there.
pub fn event(journal: &journal::Reader, at: Position) -> Result<Event> {
    match input(journal, at)? {
        Input::Heard { event }
        | Input::Commanded {
            command: Command::SendTest { event, .. },
            ..
        } => Ok(*event),
        _ => bail!("input {at} is no event"),
    }
}
