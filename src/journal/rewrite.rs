//! Retention: closed segments are written again without what is dropped. Sequence numbers stay.
//!
//! Each segment is replaced whole by one rename. A block of which everything is kept is copied as it is; a block that
//! cannot be read is copied too, and named in the report: what it holds can neither be judged nor thrown away.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::closed::{self, Packed};
use super::error::{Error, Result};
use super::pack::Packer;
use super::reader::{Segment, Shared};
use super::segment::Chunk;

/// What becomes of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::enum_variant_names)] // the question is the name, the answer is the variant
pub enum Keep {
    /// It stays.
    Keep,
    /// It goes; its number is never used again and its absence is no loss.
    Drop,
    /// These bytes take its place.
    Replace(Vec<u8>),
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Records that stayed.
    pub kept: u64,
    /// Records that went.
    pub dropped: u64,
    /// Records that were replaced.
    pub replaced: u64,
    /// Segments that were written again.
    pub segments: u64,
    /// Bytes the closed segments took before.
    pub bytes_before: u64,
    /// Bytes they take now.
    pub bytes_after: u64,
    /// Stretches that could not be read and were left as they are: first and last number, and why.
    pub damaged: Vec<(u64, u64, String)>,
}

/// Rewrites the closed segments of a journal, from any thread, while the writer goes on.
#[derive(Clone)]
pub struct Rewriter {
    pub(super) shared: Arc<Shared>,
}

impl Rewriter {
    /// Asks `keep` about every record of the packed segments, ascending, and writes those again that change. A second
    /// caller waits for the first. When `stop` is set, the segment under way stays as it is, and so does the rest.
    pub fn rewrite(&self, stop: &AtomicBool, mut keep: impl FnMut(u64, &[u8]) -> Keep) -> Result<Rewritten> {
        let _alone = self.shared.rewriting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = Rewritten::default();
        for segment in self.shared.segments() {
            if let Segment::Packed(packed) = &segment {
                self.rewrite_one(&segment, packed, stop, &mut keep, &mut done)?;
            }
        }
        Ok(done)
    }

    fn rewrite_one(
        &self,
        segment: &Segment,
        old: &Packed,
        stop: &AtomicBool,
        keep: &mut impl FnMut(u64, &[u8]) -> Keep,
        done: &mut Rewritten,
    ) -> Result<()> {
        let mut copy = Copy {
            old,
            file: File::open(&old.path).map_err(Error::io("open", &old.path))?,
            new: None,
        };
        for nth in 0..old.blocks.len() {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            copy.block(nth, keep, done)?;
        }
        done.bytes_before += old.bytes;
        done.bytes_after += match copy.new {
            None => old.bytes,
            Some(new) => self.swap(segment, new, done)?,
        };
        Ok(())
    }

    fn swap(&self, old: &Segment, mut new: Packer, done: &mut Rewritten) -> Result<u64> {
        new.seal()?;
        let mut bytes = 0;
        self.shared.replace(old, || {
            let packed = new.install()?;
            bytes = packed.bytes;
            Ok(packed)
        })?;
        done.segments += 1;
        new.sync_name().map(|()| bytes)
    }
}

/// One segment being copied; nothing is written before something changes.
struct Copy<'a> {
    old: &'a Packed,
    file: File,
    new: Option<Packer>,
}

impl Copy<'_> {
    fn block(&mut self, nth: usize, keep: &mut impl FnMut(u64, &[u8]) -> Keep, done: &mut Rewritten) -> Result<()> {
        let chunk = self.old.chunk(nth)?;
        if let Some(why) = chunk.damage {
            done.damaged.push((chunk.from, chunk.to, why));
            return self.leave(nth);
        }
        let verdicts: Vec<Keep> = chunk.records.iter().map(|(seq, record)| keep(seq, record)).collect();
        verdicts.iter().for_each(|verdict| done.count(verdict));
        if verdicts.iter().all(|verdict| *verdict == Keep::Keep) {
            return self.leave(nth);
        }
        self.change(nth, &chunk, &verdicts)
    }

    /// Copies a block as it is, if a new file was begun.
    fn leave(&mut self, nth: usize) -> Result<()> {
        let Some(new) = &mut self.new else { return Ok(()) };
        copy_block(&self.file, self.old, nth, new)
    }

    fn change(&mut self, nth: usize, chunk: &Chunk, verdicts: &[Keep]) -> Result<()> {
        let new = match &mut self.new {
            Some(new) => new,
            none => none.insert(begin(&self.file, self.old, nth)?),
        };
        new.begin(chunk.from)?;
        for ((seq, record), verdict) in chunk.records.iter().zip(verdicts) {
            match verdict {
                Keep::Keep => new.push(seq, record)?,
                Keep::Replace(other) => new.push(seq, other)?,
                Keep::Drop => {}
            }
        }
        new.end(chunk.to);
        Ok(())
    }
}

/// Starts a new file with the first `unchanged` blocks of the old one.
fn begin(file: &File, old: &Packed, unchanged: usize) -> Result<Packer> {
    let Some(identity) = old.identity else {
        let (from, to) = old.span().unwrap_or_default();
        return Err(Error::Damaged {
            from,
            to,
            why: format!("{} was not mended", old.path.display()),
        });
    };
    let mut new = Packer::create(&old.path, "rewrite", identity)?;
    (0..unchanged).try_for_each(|nth| copy_block(file, old, nth, &mut new))?;
    Ok(new)
}

fn copy_block(file: &File, old: &Packed, nth: usize, new: &mut Packer) -> Result<()> {
    let block = &old.blocks[nth];
    let packed = closed::read_unchecked(file, block).map_err(Error::io("read", &old.path))?;
    new.copy(block, &packed)
}

impl Rewritten {
    fn count(&mut self, verdict: &Keep) {
        match verdict {
            Keep::Keep => self.kept += 1,
            Keep::Drop => self.dropped += 1,
            Keep::Replace(_) => self.replaced += 1,
        }
    }
}
