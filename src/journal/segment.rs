//! A segment as it is written: a header, groups one after the other, zeroes to the end.
//!
//! It is made ahead at its full size, so that a group's sync changes no metadata. It knows its groups by a sparse index
//! and reads whole stretches between two of its entries; it never decides when to turn to the next segment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use super::error::{Error, Result};
use super::frame::{self, Group, Link, Records, u32_at, u64_at};
use crate::durable;

/// Bytes before the first group.
pub(super) const HEADER: usize = 48;
/// The format this version writes. It grows with what may stand in a record: a version that does not know it does not
/// read a part of what a segment says and take that for all of it. What is read: this one and every earlier one. 2: what
/// notifications share is written once. 4: claims, downtimes and impacted resources, also out of an archive.
pub(super) const FORMAT: u32 = 4;
const MAGIC: &[u8; 8] = b"bw-jrnl\n";
/// How many bytes one entry of the index stands for, at least: what a random read reads too much.
const STRETCH_BYTES: u64 = 16 * 1024;
static ZEROES: [u8; 64 * 1024] = [0; 64 * 1024];

/// What a segment's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Its format, at most [`FORMAT`].
    pub format: u32,
    /// The segment's number; 1 is the first.
    pub number: u64,
    /// What tells its groups from stale bytes of other files.
    pub salt: u64,
    /// The size it was made with.
    pub bytes: u64,
}

/// What was found where a header should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A sound header.
    Sound(Header),
    /// A sound header of a format this version does not know.
    Newer(u32),
    /// Something else.
    Bad,
}

/// A stretch of records as read: everything from `from` to `to` that is still there.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The first sequence number it answers for.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// The records.
    pub records: std::sync::Arc<Records>,
    /// Why some records are missing that should be there.
    pub damage: Option<String>,
}

/// Where groups lie: one entry per stretch, each without a gap in its numbers.
#[derive(Debug, Default, Clone)]
pub(super) struct Index {
    entries: Vec<Entry>,
    /// Where the next group goes.
    pub end: u64,
    /// The last group; `None` while there is none.
    pub link: Option<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    first: u64,
    last: u64,
    at: u64,
}

/// An open or closed segment that is not packed.
#[derive(Debug)]
pub(super) struct Raw {
    /// Its format.
    pub format: u32,
    /// Its number.
    pub number: u64,
    /// Its file's name.
    pub path: PathBuf,
    /// Its salt.
    pub salt: u64,
    /// Its size: groups end at most there.
    pub bytes: u64,
    /// Its file, opened to read and write.
    pub file: File,
    index: RwLock<Index>,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&self.format.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.bytes.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..44]);
        bytes[44..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Found {
        match bytes.get(..HEADER) {
            Some(head) if &head[..8] == MAGIC && crc32c::crc32c(&head[..44]) == u32_at(head, 44) => {
                Header::checked(head)
            }
            _ => Found::Bad,
        }
    }

    fn checked(head: &[u8]) -> Found {
        match u32_at(head, 8) {
            format @ 1..=FORMAT => Found::Sound(Header {
                format,
                number: u64_at(head, 16),
                salt: u64_at(head, 24),
                bytes: u64_at(head, 32),
            }),
            newer => Found::Newer(newer),
        }
    }
}

impl Index {
    /// The index of a segment without groups.
    pub(super) fn empty() -> Self {
        Index {
            end: HEADER as u64,
            ..Index::default()
        }
    }

    /// Adds a group that lies at `at`.
    pub(super) fn add(&mut self, at: u64, group: &Group) {
        match self.entries.last_mut() {
            Some(entry) if entry.last + 1 == group.first && self.end == at && at - entry.at < STRETCH_BYTES => {
                entry.last = group.last;
            }
            _ => self.entries.push(Entry {
                first: group.first,
                last: group.last,
                at,
            }),
        }
        self.end = at + group.bytes as u64;
        self.link = Some(group.link);
    }

    /// The first and last sequence number; `None` while there is no group.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        Some((self.entries.first()?.first, self.entries.last()?.last))
    }

    /// The stretch with `seq`, or the next one behind it, and where it ends.
    fn stretch(&self, seq: u64) -> Option<(Entry, u64)> {
        let nth = self.entries.partition_point(|entry| entry.last < seq);
        let end = self.entries.get(nth + 1).map_or(self.end, |next| next.at);
        Some((*self.entries.get(nth)?, end))
    }
}

impl Raw {
    /// Makes a segment ready to be written: zeroed, synced, under its name. `stop` ends it early with
    /// [`ErrorKind::Interrupted`].
    pub(super) fn prepare(dir: &Path, header: Header, stop: &AtomicBool) -> io::Result<Raw> {
        let temporary = dir.join(format!("next.{}", durable::TEMPORARY));
        let path = path_of(dir, header.number);
        let file = create(&temporary)?;
        let zeroes = header.bytes.saturating_sub(HEADER as u64);
        let written = (&file)
            .write_all(&header.encode())
            .and_then(|()| write_zeroes(&file, zeroes, stop));
        if let Err(error) = written.and_then(|()| durable::install(&file, &temporary, &path)) {
            let _ = file.set_len(0); // gives the space back; the file itself is deleted at the next start
            return Err(error);
        }
        Ok(Raw::new(path, file, header, Index::empty()))
    }

    /// Opens a segment whose groups are known.
    pub(super) fn open(path: PathBuf, header: Header, index: Index) -> Result<Raw> {
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let file = opened.map_err(Error::io("open", &path))?;
        Ok(Raw::new(path, file, header, index))
    }

    fn new(path: PathBuf, file: File, header: Header, index: Index) -> Raw {
        let Header {
            format,
            number,
            salt,
            bytes,
        } = header;
        Raw {
            format,
            number,
            path,
            salt,
            bytes,
            file,
            index: RwLock::new(index),
        }
    }

    /// The first and last sequence number; `None` while there is no group.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        self.index().span()
    }

    /// The last group.
    pub(super) fn link(&self) -> Option<Link> {
        self.index().link
    }

    /// Bytes that are left for groups.
    pub(super) fn room(&self) -> u64 {
        self.bytes.saturating_sub(self.index().end)
    }

    /// Writes a group behind the last one, and shows it to readers. Not synced.
    pub(super) fn write(&self, bytes: &[u8], group: &Group) -> io::Result<()> {
        let at = self.index().end;
        self.file.write_all_at(bytes, at)?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.add(at, group);
        Ok(())
    }

    /// The stretch with `seq`, or the next one behind it.
    pub(super) fn chunk(&self, seq: u64) -> Result<Option<Chunk>> {
        let Some((entry, end)) = self.index().stretch(seq) else {
            return Ok(None);
        };
        let mut bytes = vec![0; (end - entry.at) as usize];
        self.file
            .read_exact_at(&mut bytes, entry.at)
            .map_err(Error::io("read", &self.path))?;
        let records = records_of(bytes, self.salt);
        let complete = records.places.len() as u64 == entry.last - entry.first + 1;
        let damage =
            (!complete).then(|| format!("{}: a group near byte {} is not valid", self.path.display(), entry.at));
        Ok(Some(Chunk {
            from: entry.first,
            to: entry.last,
            records: records.into(),
            damage,
        }))
    }

    fn index(&self) -> std::sync::RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of segment `number` while it is not packed.
pub(super) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.raw"))
}

/// Writes a new segment with the header and the valid extents of a damaged or doubted one, and puts it in its place.
/// With `keep`, the old file stays under that name.
pub(super) fn copy_valid(
    path: &Path,
    header: Header,
    extents: &[std::ops::Range<usize>],
    keep: Option<&Path>,
) -> io::Result<()> {
    let temporary = path.with_extension(format!("mend.{}", durable::TEMPORARY));
    let copy = create(&temporary)?;
    if let Err(error) = write_copy(path, header, extents, &copy) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    if let Some(keep) = keep {
        durable::keep_as(path, keep)?;
    }
    durable::install(&copy, &temporary, path)
}

/// What a full disk leaves instead of a copy: writes the same groups over themselves and zeroes behind them, and syncs.
/// A crash half-way leaves what was there before, or the same.
pub(super) fn write_over(path: &Path, header: Header, extents: &[std::ops::Range<usize>]) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    file.write_all(&header.encode())?;
    let mut end = HEADER as u64;
    for extent in extents {
        let mut bytes = vec![0; extent.len()];
        file.read_exact_at(&mut bytes, extent.start as u64)?;
        file.write_all(&bytes)?;
        end += extent.len() as u64;
    }
    write_zeroes(&file, header.bytes.saturating_sub(end), &AtomicBool::new(false))?;
    file.sync_all()
}

fn write_copy(path: &Path, header: Header, extents: &[std::ops::Range<usize>], mut copy: &File) -> io::Result<()> {
    let old = File::open(path)?;
    copy.write_all(&header.encode())?;
    let mut end = HEADER as u64;
    for extent in extents {
        let mut bytes = vec![0; extent.len()];
        old.read_exact_at(&mut bytes, extent.start as u64)?;
        copy.write_all(&bytes)?;
        end += extent.len() as u64;
    }
    write_zeroes(copy, header.bytes.saturating_sub(end), &AtomicBool::new(false))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
}

fn write_zeroes(mut file: &File, bytes: u64, stop: &AtomicBool) -> io::Result<()> {
    let mut left = bytes;
    while left > 0 {
        if stop.load(Ordering::Relaxed) {
            return Err(ErrorKind::Interrupted.into());
        }
        let now = left.min(ZEROES.len() as u64);
        file.write_all(&ZEROES[..now as usize])?;
        left -= now;
    }
    Ok(())
}

/// The records of every valid group in `bytes`.
pub(super) fn records_of(bytes: Vec<u8>, salt: u64) -> Records {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some((start, group)) = frame::find_group(&bytes, at, Some(salt)) {
        if places.last().is_none_or(|(last, _): &(u64, _)| *last < group.first) {
            frame::group_records(&bytes, start, &group, &mut places);
        }
        at = start + group.bytes;
    }
    Records { bytes, places }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Header = Header {
        format: FORMAT,
        number: 3,
        salt: 77,
        bytes: 4096,
    };

    fn group(after: Link, first: u64, records: &[&str]) -> (Vec<u8>, Group) {
        let mut bytes = Vec::new();
        frame::encode_group(&mut bytes, HEAD.salt, after, first, records);
        let group = frame::parse_group(&bytes, Some(HEAD.salt)).unwrap();
        (bytes, group)
    }

    #[test]
    fn a_header_comes_back_and_every_flip_is_noticed() {
        let bytes = HEAD.encode();
        assert_eq!(Header::parse(&bytes), Found::Sound(HEAD));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::parse(&flipped), Found::Bad, "bit {bit}");
        }
    }

    #[test]
    fn a_prepared_segment_is_zeroes_behind_its_header() {
        let dir = tempfile::tempdir().unwrap();
        let raw = Raw::prepare(dir.path(), HEAD, &AtomicBool::new(false)).unwrap();
        let bytes = fs::read(path_of(dir.path(), 3)).unwrap();
        assert_eq!(bytes.len(), 4096);
        assert!(bytes[HEADER..].iter().all(|byte| *byte == 0));
        assert_eq!((raw.span(), raw.room()), (None, 4096 - HEADER as u64));
    }

    #[test]
    fn what_was_written_is_read_by_number() {
        let dir = tempfile::tempdir().unwrap();
        let raw = Raw::prepare(dir.path(), HEAD, &AtomicBool::new(false)).unwrap();
        let (bytes, first) = group(Link::default(), 5, &["five", "six"]);
        raw.write(&bytes, &first).unwrap();
        let (bytes, second) = group(first.link, 9, &["nine"]);
        raw.write(&bytes, &second).unwrap();
        assert_eq!((raw.span(), raw.link()), (Some((5, 9)), Some(second.link)));
        let chunk = raw.chunk(6).unwrap().unwrap();
        assert_eq!((chunk.from, chunk.to, chunk.damage), (5, 6, None));
        assert_eq!(chunk.records.get(6), Some(&b"six"[..]));
        assert_eq!(raw.chunk(7).unwrap().unwrap().from, 9);
        assert!(raw.chunk(10).unwrap().is_none());
    }

    #[test]
    fn writing_over_keeps_the_groups_and_clears_what_trails() {
        let dir = tempfile::tempdir().unwrap();
        let raw = Raw::prepare(dir.path(), HEAD, &AtomicBool::new(false)).unwrap();
        let (bytes, first) = group(Link::default(), 1, &["one", "two"]);
        raw.write(&bytes, &first).unwrap();
        let before = fs::read(&raw.path).unwrap();
        raw.file.write_all_at(b"torn", 1000).unwrap();
        let extent = HEADER..HEADER + first.bytes;
        write_over(&raw.path, HEAD, std::slice::from_ref(&extent)).unwrap();
        assert_eq!(fs::read(&raw.path).unwrap(), before);
    }

    #[test]
    fn a_group_that_rots_behind_our_back_is_reported_by_the_read() {
        let dir = tempfile::tempdir().unwrap();
        let raw = Raw::prepare(dir.path(), HEAD, &AtomicBool::new(false)).unwrap();
        let (bytes, first) = group(Link::default(), 1, &["one", "two"]);
        raw.write(&bytes, &first).unwrap();
        let (bytes, second) = group(first.link, 3, &["three"]);
        raw.write(&bytes, &second).unwrap();
        raw.file.write_all_at(b"X", HEADER as u64 + 60).unwrap();
        let chunk = raw.chunk(1).unwrap().unwrap();
        assert!(chunk.damage.is_some());
        assert_eq!(chunk.records.get(1), None);
        assert_eq!(chunk.records.get(3), Some(&b"three"[..]));
    }
}
