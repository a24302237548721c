//! Reads everything of a stopped journal and says what it found. It changes nothing.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::closed::Packed;
use super::error::Result;
use super::listing::read_what_can_be_read;
use super::losses::{KnownLoss, Losses};
use super::open::lock;
use super::segment::records_of;
use super::survey::{Body, Fate, Found, Survey, Torn};

/// Everything there is to say about a journal's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The segments, ascending.
    pub segments: Vec<SegmentReport>,
    /// How many records can be read.
    pub records: u64,
    /// The first number answered for, if any.
    pub first: Option<u64>,
    /// The next number.
    pub next: u64,
    /// Numbers that are gone, and whether the owner has recorded that.
    pub lost: Vec<KnownLoss>,
    /// The end that the next start will cut off.
    pub torn: Option<Torn>,
    /// What is odd and loses nothing.
    pub notes: Vec<String>,
    /// Damaged files kept earlier.
    pub kept_files: Vec<PathBuf>,
}

/// One segment's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentReport {
    /// Its number.
    pub number: u64,
    /// Its file.
    pub file: PathBuf,
    /// Whether it is closed and packed.
    pub packed: bool,
    /// The first number it answers for; none if it is empty.
    pub from: Option<u64>,
    /// The last one.
    pub to: Option<u64>,
    /// How many records of it can be read.
    pub records: u64,
    /// How many blocks it has, if it is packed.
    pub blocks: u64,
    /// The file's size.
    pub bytes: u64,
    /// What is wrong with it.
    pub damage: Vec<Damage>,
}

/// Something wrong in a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The first number that cannot be read, where that is known.
    pub from: Option<u64>,
    /// The last one.
    pub to: Option<u64>,
    /// What was found.
    pub why: String,
}

impl Report {
    /// Whether nothing is damaged, torn or lost that is not already on record.
    #[cfg(test)]
    pub fn is_sound(&self) -> bool {
        self.torn.is_none()
            && self.lost.iter().all(|loss| loss.recorded)
            && self.segments.iter().all(|segment| segment.damage.is_empty())
    }
}

/// Reads the whole journal in `dir`, which nobody may have open.
pub fn verify(dir: &Path) -> Result<Report> {
    let _lock = lock(dir, File::try_lock_shared)?;
    let survey = Survey::of(dir)?;
    let mut losses = Losses::load(dir);
    losses.reconcile(&survey.losses(|_| None));
    let segments = survey.found.iter().map(look).collect::<Result<Vec<_>>>()?;
    let mut notes = survey.notes;
    notes.extend(losses.unreadable.clone());
    Ok(Report {
        records: segments.iter().map(|segment| segment.records).sum(),
        segments,
        first: survey.first,
        next: survey.next,
        lost: losses.known().to_vec(),
        torn: survey.torn,
        notes,
        kept_files: survey.kept,
    })
}

/// Hands every record that can be read to `take`, ascending. What cannot be read is for [`verify`] to tell.
pub fn each_record(dir: &Path, mut take: impl FnMut(u64, &[u8])) -> Result<()> {
    let _lock = lock(dir, File::try_lock_shared)?;
    let found = Survey::of(dir)?.found;
    for found in found.iter().filter(|found| found.fate != Fate::Aside) {
        match &found.body {
            Body::Packed(packed) => {
                for nth in 0..packed.blocks.len() {
                    packed
                        .chunk(nth)?
                        .records
                        .iter()
                        .for_each(|(seq, record)| take(seq, record));
                }
            }
            Body::Raw(scan) => {
                let bytes = read_what_can_be_read(&found.path)?;
                for extent in &scan.extents {
                    let records = records_of(bytes[extent.clone()].to_vec(), scan.header.salt);
                    records.iter().for_each(|(seq, record)| take(seq, record));
                }
            }
        }
    }
    Ok(())
}

fn look(found: &Found) -> Result<SegmentReport> {
    let span = found.span();
    let mut report = SegmentReport {
        number: found.number,
        file: found.path.clone(),
        packed: matches!(found.body, Body::Packed(_)),
        from: span.map(|span| span.0),
        to: span.map(|span| span.1),
        records: 0,
        blocks: 0,
        bytes: 0,
        damage: found
            .complaint()
            .map(|why| Damage {
                from: None,
                to: None,
                why,
            })
            .into_iter()
            .collect(),
    };
    match &found.body {
        Body::Raw(scan) => (report.records, report.bytes) = (scan.records(), scan.header.bytes),
        Body::Packed(packed) => read_all(packed, &mut report)?,
    }
    Ok(report)
}

fn read_all(packed: &Packed, report: &mut SegmentReport) -> Result<()> {
    (report.bytes, report.blocks) = (packed.bytes, packed.blocks.len() as u64);
    for nth in 0..packed.blocks.len() {
        let chunk = packed.chunk(nth)?;
        report.records += chunk.records.places.len() as u64;
        let damage = chunk.damage.map(|why| Damage {
            from: Some(chunk.from),
            to: Some(chunk.to),
            why,
        });
        report.damage.extend(damage);
    }
    Ok(())
}
