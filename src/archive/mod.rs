//! The archive: all that is kept, as lines of JSON that anybody can read, and that another daemon can take in again.
//!
//! A file begins with a [`Header`], holds what people said of claims and downtimes, then one incident after another, each
//! with its events and what became of them, and ends with a [`Trailer`] that counts the lines and has a digest of all that stands before it, so that a file that was
//! cut is noticed. Marks between them say where to go on after a break. `schema` describes every line for others.
//!
//! - `line` is what may stand in a file; `page` is what stands behind a cursor, as far as one viewer may see it
//! - `decision` reads from the journal whom each verdict told; [`check`] reads a file from outside and names what is wrong
//! - `known` says which events are here already
//!
//! This module names no clock, file or socket. New kinds of lines may come with any version: who reads a file passes over
//! those it does not know, and says so.

pub mod check;
mod correction;
mod cursor;
pub mod decision;
pub mod known;
mod line;
mod own;
mod page;
mod said;
mod schema;

pub use crate::view::status::Kept;
pub use correction::{CorrectionLine, Unfit};
pub use cursor::Cursor;
pub use line::{AttemptLine, DeliveryLine, EventLine, Header, IncidentLine, Line, Mark, SetLine, Trailer, VerdictLine};
pub use page::{Asked, answer};
pub use said::{ClaimRemindersLine, ResourcesLine, Saying};
pub use schema::schema;

use chrono::Duration;

use crate::clock::{Time, read_moment};

/// What the first line of a file says it is.
pub const FORMAT: &str = "bellwether-archive";

/// The version of the format: it grows when a reader of today could not read a file any more.
pub const VERSION: u32 = 1;

/// The longest line that is read, bytes: an event holds at most the body that it came in, and its text twice.
pub const LINE_BYTES_MOST: usize = 64 << 20;

/// The most lines that are taken in at once.
pub const LINES_TOGETHER_MOST: usize = 200;

/// From when on is meant: a moment, or a length of time before `now` (`90d`).
///
/// # Errors
/// When it is neither, in words that say what to type.
pub fn since(text: &str, now: Time) -> Result<Time, String> {
    let ago = humantime::parse_duration(text.trim()).ok();
    let ago = ago.and_then(|ago| now.checked_sub_signed(Duration::from_std(ago).ok()?));
    ago.map_or_else(|| read_moment(text), Ok).map_err(|_| {
        "not a time: type a length of time before now (`90d`), or a moment (`2026-11-24`, `2026-11-24T09:00:00Z`)"
            .to_owned()
    })
}
