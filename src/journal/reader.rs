//! Reading by sequence number, from any thread, while the writer goes on.
//!
//! It sees what is written, synced or not. Segments may be packed or rewritten under it: it then looks again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::closed::Packed;
use super::error::{Error, Result};
use super::frame::Records;
use super::segment::{Chunk, Raw};

/// How many unpacked blocks are kept, each about 1 MiB.
const CACHED_BLOCKS: usize = 8;

/// Reads a journal. Clones are cheap and share one cache.
#[derive(Clone)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
}

/// The records from some number on, up to what is written when it gets there. A damaged stretch is one `Err` with
/// [`Error::Damaged`], after which it goes on behind it; any other error ends it.
pub struct Tail {
    reader: Reader,
    next: u64,
    chunk: Option<Chunk>,
    place: usize,
    failed: bool,
}

/// Numbers for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// Segments with records, closed ones included.
    pub count: u64,
    /// How many of them are packed.
    pub packed: u64,
    /// Bytes on disk, the zeroes of the open segment included.
    pub bytes: u64,
}

/// What the writer, the readers and the background share: which segments there are.
pub(super) struct Shared {
    pub dir: PathBuf,
    segments: RwLock<Vec<Segment>>,
    cache: Mutex<VecDeque<Cached>>,
    /// Held by who rewrites closed segments.
    pub rewriting: Mutex<()>,
}

/// One segment with records.
#[derive(Debug, Clone)]
pub(super) enum Segment {
    Raw(Arc<Raw>),
    Packed(Arc<Packed>),
}

struct Cached {
    segment: Arc<Packed>,
    nth: usize,
    records: Arc<Records>,
}

impl Reader {
    /// The record with this number; `None` if there is none (not yet, dropped, or lost).
    pub fn read(&self, seq: u64) -> Result<Option<Vec<u8>>> {
        let Some(chunk) = self.shared.chunk(seq)?.filter(|chunk| chunk.from <= seq) else {
            return Ok(None);
        };
        match (chunk.records.get(seq), chunk.damage) {
            (Some(record), _) => Ok(Some(record.to_vec())),
            (None, None) => Ok(None),
            (None, Some(why)) => Err(Error::Damaged {
                from: chunk.from,
                to: chunk.to,
                why,
            }),
        }
    }

    /// The records from `from` on, ascending.
    pub fn tail(&self, from: u64) -> Tail {
        Tail {
            reader: self.clone(),
            next: from,
            chunk: None,
            place: 0,
            failed: false,
        }
    }

    /// The last number in segments that are no longer written to; 0 without any.
    pub fn closed_through(&self) -> u64 {
        self.shared.closed_through()
    }

    /// How many segments there are, and how large.
    pub fn segments(&self) -> Segments {
        let segments = self.shared.segments();
        Segments {
            count: segments.len() as u64,
            packed: segments
                .iter()
                .filter(|segment| matches!(segment, Segment::Packed(_)))
                .count() as u64,
            bytes: segments.iter().map(Segment::bytes).sum(),
        }
    }
}

impl Iterator for Tail {
    type Item = Result<(u64, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.failed {
                return None;
            }
            if let Some(item) = self.next_in_chunk() {
                return Some(item);
            }
            match self.reader.shared.chunk(self.next) {
                Ok(chunk) => self.chunk = Some(chunk?),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
            self.place = 0;
        }
    }
}

impl Tail {
    fn next_in_chunk(&mut self) -> Option<Result<(u64, Vec<u8>)>> {
        let chunk = self.chunk.as_ref()?;
        while let Some((seq, place)) = chunk.records.places.get(self.place) {
            self.place += 1;
            if *seq >= self.next {
                return Some(Ok((*seq, chunk.records.bytes[place.clone()].to_vec())));
            }
        }
        let Chunk { from, to, damage, .. } = self.chunk.take()?;
        self.next = to + 1;
        damage.map(|why| Err(Error::Damaged { from, to, why }))
    }
}

impl Shared {
    pub(super) fn new(dir: PathBuf, segments: Vec<Segment>) -> Shared {
        Shared {
            dir,
            segments: RwLock::new(segments),
            cache: Mutex::new(VecDeque::new()),
            rewriting: Mutex::new(()),
        }
    }

    /// The segments there are now, ascending.
    pub(super) fn segments(&self) -> Vec<Segment> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds the segment that just got its first group.
    pub(super) fn push(&self, segment: Segment) {
        self.segments
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(segment);
    }

    /// Puts what `install` makes in the place of `old`. Readers that find the old file gone wait for this and look again.
    pub(super) fn replace(&self, old: &Segment, install: impl FnOnce() -> Result<Packed>) -> Result<()> {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        let new = Arc::new(install()?);
        if let Some(place) = segments.iter_mut().find(|segment| segment.is(old)) {
            *place = Segment::Packed(new);
        }
        drop(segments);
        self.cache()
            .retain(|cached| !old.is(&Segment::Packed(Arc::clone(&cached.segment))));
        Ok(())
    }

    fn closed_through(&self) -> u64 {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let closed = match segments.as_slice() {
            [closed @ .., Segment::Raw(_)] => closed,
            all => all,
        };
        closed.last().map_or(0, Segment::to)
    }

    /// The stretch with `seq`, or the next one behind it; `None` behind the last.
    fn chunk(&self, seq: u64) -> Result<Option<Chunk>> {
        loop {
            let Some(segment) = self.segment_for(seq) else {
                return Ok(None);
            };
            if let Some(chunk) = self.unless_replaced(&segment, seq) {
                return chunk;
            }
        }
    }

    /// Reads from a segment; `None` if that went wrong because it has been replaced meanwhile.
    fn unless_replaced(&self, segment: &Segment, seq: u64) -> Option<Result<Option<Chunk>>> {
        let chunk = self.chunk_of(segment, seq);
        let sound = matches!(&chunk, Ok(Some(chunk)) if chunk.damage.is_none());
        (sound || self.segment_for(seq).is_none_or(|now| now.is(segment))).then_some(chunk)
    }

    fn chunk_of(&self, segment: &Segment, seq: u64) -> Result<Option<Chunk>> {
        match segment {
            Segment::Raw(raw) => raw.chunk(seq),
            Segment::Packed(packed) => packed.block_for(seq).map(|nth| self.block(packed, nth)).transpose(),
        }
    }

    fn segment_for(&self, seq: u64) -> Option<Segment> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments
            .get(segments.partition_point(|segment| segment.to() < seq))
            .cloned()
    }

    fn block(&self, packed: &Arc<Packed>, nth: usize) -> Result<Chunk> {
        let is_it = |cached: &Cached| cached.nth == nth && Arc::ptr_eq(&cached.segment, packed);
        if let Some(cached) = self.cache().iter().find(|cached| is_it(cached)) {
            let (block, records) = (packed.blocks[nth], Arc::clone(&cached.records));
            return Ok(Chunk {
                from: block.from,
                to: block.to,
                records,
                damage: None,
            });
        }
        let chunk = packed.chunk(nth)?;
        if chunk.damage.is_none() {
            self.keep(Cached {
                segment: Arc::clone(packed),
                nth,
                records: Arc::clone(&chunk.records),
            });
        }
        Ok(chunk)
    }

    /// The oldest goes first: a tail passes once, and random reads of one incident lie close together.
    fn keep(&self, cached: Cached) {
        let mut cache = self.cache();
        cache.truncate(CACHED_BLOCKS - 1);
        cache.push_front(cached);
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, VecDeque<Cached>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Segment {
    /// The last number it answers for.
    pub(super) fn to(&self) -> u64 {
        let span = match self {
            Segment::Raw(raw) => raw.span(),
            Segment::Packed(packed) => packed.span(),
        };
        span.map_or(0, |(_, to)| to)
    }

    /// Its file.
    pub(super) fn path(&self) -> &Path {
        match self {
            Segment::Raw(raw) => &raw.path,
            Segment::Packed(packed) => &packed.path,
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Segment::Raw(raw) => raw.bytes,
            Segment::Packed(packed) => packed.bytes,
        }
    }

    /// Whether it is the same file, not only the same records.
    pub(super) fn is(&self, other: &Segment) -> bool {
        match (self, other) {
            (Segment::Raw(one), Segment::Raw(other)) => Arc::ptr_eq(one, other),
            (Segment::Packed(one), Segment::Packed(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Journal, Keep, Options};

    #[test]
    fn a_segment_that_was_rewritten_under_a_reader_is_not_taken_for_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            segment_bytes: 256,
            ..Options::default()
        };
        let (mut journal, _) = Journal::open(dir.path(), options).unwrap();
        while journal.segments().count < 2 {
            journal.append(&["a record"]).unwrap();
            journal.sync().unwrap();
        }
        journal.settle();
        let shared = journal.reader().shared;
        let old = shared.segment_for(1).unwrap();
        journal
            .rewrite(|_, _| Keep::Replace(b"something else".to_vec()))
            .unwrap();
        assert!(shared.chunk_of(&old, 1).unwrap().unwrap().damage.is_some());
        assert!(shared.unless_replaced(&old, 1).is_none());
        assert_eq!(journal.read(1).unwrap().unwrap(), b"something else");
    }
}
