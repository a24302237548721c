//! The journal: records in, in groups that are there whole or not at all, and out again by sequence number.
//!
//! It knows bytes and order and nothing of what a record means, who may drop one, or what time it is. The files of a
//! journal, and who writes them:
//!
//! | file | what it is | module |
//! |---|---|---|
//! | `0000000007.raw` | the open segment; closed ones until they are packed; one made ahead | [`segment`], [`ahead`] |
//! | `0000000006.packed` | a closed segment: zstd blocks and an index | [`closed`], [`pack`], [`background`], [`rewrite`] |
//! | `losses.json` | which numbers are known to be lost | [`losses`] |
//! | `….damaged-N` | a damaged file as it was, kept for people | [`open`] |
//! | `….tmp` | unfinished work, deleted at the next start | [`crate::durable`] |
//!
//! One thread writes: `append` one group, `sync` it, answer for it, append the next. Any thread reads ([`Reader`]) or
//! rewrites closed segments ([`Rewriter`]). After a failed write or sync, or when a file is gone (`presence`), the
//! journal is poisoned, because what is on disk is then unknown: the process ends and comes back from disk.

mod ahead;
mod background;
mod closed;
mod error;
mod frame;
mod listing;
mod losses;
mod open;
mod pack;
mod position;
mod presence;
mod reader;
mod rewrite;
mod scan;
mod segment;
mod survey;
#[cfg(test)]
mod tests;
mod verify;

use crate::durable;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore;

#[cfg(test)]
pub use ahead::FULL;
pub use ahead::Next;
pub use error::{Error, Result};
pub use losses::LostRange;
pub use position::Position;
#[cfg(test)]
use reader::Tail;
pub use reader::{Reader, Segments};
pub use rewrite::{Keep, Rewriter};
pub use verify::{Report, each_record, verify};

use ahead::Ahead;
use background::Background;
use frame::{Group, Link};
use losses::Losses;
use reader::Segment;
use segment::Raw;

/// How a journal is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The size of new segments in bytes, at most 1 GiB. A group must fit into one.
    pub segment_bytes: u64,
    /// Whether the last stop was clean. If not, the end of the journal is copied to a new file first.
    pub clean: bool,
    /// Where the salts of new files come from.
    pub salt: fn() -> u64,
}

/// How much can still be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes left in the open segment.
    pub here: u64,
    /// Bytes of the next segment, if it is ready.
    pub ahead: u64,
    /// How far the next segment is. With [`Next::NoSpace`] intake should be refused: what is left is for decisions.
    pub next: Next,
}

/// The writing end of a journal. Dropping it stops its threads; it does not sync.
pub struct Journal {
    // The threads come first: they end before the lock is given back.
    ahead: Ahead,
    background: Background,
    reader: Reader,
    open: Arc<Raw>,
    next: u64,
    link: Link,
    losses: Losses,
    most: u64,
    unsynced: bool,
    poisoned: Option<String>,
    buffer: Vec<u8>,
    /// The directory, locked.
    lock: File,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            segment_bytes: 64 * 1024 * 1024,
            clean: false,
            salt: random_salt,
        }
    }
}

impl Room {
    /// Bytes that can still be written without any new space.
    #[cfg(test)]
    pub fn total(&self) -> u64 {
        self.here + self.ahead
    }
}

impl Journal {
    /// Writes the records as one group and numbers them. They are kept only once [`Journal::sync`] has returned.
    ///
    /// [`Error::NoSpace`], [`Error::TooLarge`] and [`Error::Unsynced`] write nothing and leave the journal usable.
    pub fn append(&mut self, records: &[impl AsRef<[u8]>]) -> Result<Range<u64>> {
        self.check_usable()?;
        if self.unsynced {
            return Err(Error::Unsynced);
        }
        if records.is_empty() {
            return Ok(self.next..self.next);
        }
        self.make_room_for(records)?;
        let first = self.next;
        let after = self.link;
        let mut buffer = std::mem::take(&mut self.buffer);
        let link = frame::encode_group(&mut buffer, self.open.salt, after, first, records);
        let group = Group {
            salt: self.open.salt,
            link,
            first,
            last: first + records.len() as u64 - 1,
            previous: after.checksum,
            bytes: buffer.len(),
        };
        let written = self.write(&buffer, &group);
        self.buffer = buffer;
        written.map(|()| first..self.next)
    }

    /// Makes the last group durable: one `fdatasync`, and never a second one for the same bytes.
    pub fn sync(&mut self) -> Result<()> {
        self.check_usable()?;
        if !self.unsynced {
            return Ok(());
        }
        match self.open.file.sync_data() {
            Ok(()) => self.check_open_file().map_err(|error| self.poison(error))?,
            Err(error) => return Err(self.poison(Error::io("sync", &self.open.path)(error))),
        }
        self.unsynced = false;
        Ok(())
    }

    /// The number the next record gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Numbers on from `seq`, because something trusted proves that the records before it were lost. The owner records
    /// that itself; the journal never reports this gap.
    pub fn skip_to(&mut self, seq: u64) -> Result<()> {
        self.check_usable()?;
        if seq < self.next {
            return Err(Error::Backwards {
                asked: seq,
                next: self.next,
            });
        }
        if seq > self.next {
            let why = "the journal ended before numbers that are known to have been given".to_owned();
            self.losses.add_recorded(LostRange {
                from: self.next,
                to: seq - 1,
                why,
                kept_file: None,
            })?;
            self.next = seq;
        }
        Ok(())
    }

    /// Says that the owner's own record of everything in [`open::Opening::lost`] is synced: it is not reported again.
    pub fn losses_recorded(&mut self) -> Result<()> {
        self.losses.mark_recorded()
    }

    /// How much can still be written, so that intake can be refused before anything fails.
    pub fn room(&self) -> Room {
        let next = self.ahead.state();
        Room {
            here: self.open.room(),
            ahead: if next == Next::Ready { self.most } else { 0 },
            next,
        }
    }

    /// The most bytes one group may take; compare with [`Journal::group_bytes`].
    #[cfg(test)]
    pub fn most_group_bytes(&self) -> u64 {
        self.most
    }

    /// The bytes a group of these records takes.
    #[cfg(test)]
    pub fn group_bytes(records: &[impl AsRef<[u8]>]) -> u64 {
        frame::group_bytes(records)
    }

    /// A reader for other threads.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// The record with this number; `None` if there is none.
    #[cfg(test)]
    pub fn read(&self, seq: u64) -> Result<Option<Vec<u8>>> {
        self.reader.read(seq)
    }

    /// The records from `from` on, ascending.
    #[cfg(test)]
    pub fn tail(&self, from: u64) -> Tail {
        self.reader.tail(from)
    }

    /// How many segments there are, and how large.
    pub fn segments(&self) -> Segments {
        self.reader.segments()
    }

    /// The last number in segments that are no longer written to; 0 without any.
    pub fn closed_through(&self) -> u64 {
        self.reader.closed_through()
    }

    /// Waits until the closed segments are packed, as far as they can be.
    #[cfg(test)]
    pub fn settle(&self) {
        self.background.settle();
    }

    /// What rewrites closed segments on another thread.
    pub fn rewriter(&self) -> Rewriter {
        Rewriter {
            shared: Arc::clone(&self.reader.shared),
        }
    }

    /// Drops or replaces records of closed segments, which are packed first; see [`Rewriter::rewrite`].
    #[cfg(test)]
    pub fn rewrite(&mut self, keep: impl FnMut(u64, &[u8]) -> Keep) -> Result<rewrite::Rewritten> {
        self.settle();
        self.rewriter()
            .rewrite(&std::sync::atomic::AtomicBool::new(false), keep)
    }

    fn make_room_for(&mut self, records: &[impl AsRef<[u8]>]) -> Result<()> {
        let bytes = frame::group_bytes(records);
        if bytes > self.most {
            return Err(Error::TooLarge { bytes, most: self.most });
        }
        while self.open.format < segment::FORMAT {
            // without space for a segment of today's format, what is written down is worth more than its number
            match self.turn() {
                Err(Error::NoSpace) if bytes <= self.open.room() => return Ok(()),
                turned => turned?,
            }
        }
        if bytes > self.open.room() { self.turn() } else { Ok(()) }
    }

    /// Turns to the next segment. The old one is synced: the group before this one was.
    fn turn(&mut self) -> Result<()> {
        let next = match self.ahead.take() {
            Ok(next) => next,
            Err(Error::NoSpace) => return Err(Error::NoSpace),
            Err(error) => return Err(self.poison(error)),
        };
        let old = std::mem::replace(&mut self.open, next);
        match old.span() {
            Some(_) => self.background.push(old),
            None => drop(durable::remove_durably(&old.path)), // an empty one of a smaller size, made with other options
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], group: &Group) -> Result<()> {
        let begins = self.open.span().is_none();
        if let Err(error) = self.open.write(bytes, group) {
            return Err(self.poison(Error::io("write", &self.open.path)(error)));
        }
        if begins {
            self.reader.shared.push(Segment::Raw(Arc::clone(&self.open)));
        }
        (self.next, self.link, self.unsynced) = (group.last + 1, group.link, true);
        Ok(())
    }

    fn check_usable(&self) -> Result<()> {
        match &self.poisoned {
            Some(why) => Err(Error::Poisoned { why: why.clone() }),
            None => Ok(()),
        }
    }

    fn poison(&mut self, error: Error) -> Error {
        self.poisoned = Some(error.in_full());
        error
    }
}

/// Never 0, which stale and fresh pages are full of.
fn random_salt() -> u64 {
    OsRng.next_u64() | 1
}
