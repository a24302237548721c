//! Which numbers are known to be lost, and which of those the owner has put on record: the file `losses.json`.
//!
//! A gap is new until the owner says that its own record of it is synced; only then is it no longer reported. If the
//! file itself is lost, gaps are reported once more: rather twice than never.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use crate::durable;

const NAME: &str = "losses.json";

/// Numbers whose records are gone without anybody having dropped them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRange {
    /// The first lost number.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// What was found in their place.
    pub why: String,
    /// The damaged file that was kept, relative to the journal's directory.
    pub kept_file: Option<PathBuf>,
}

/// A gap, and whether the owner has recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownLoss {
    /// The gap.
    #[serde(flatten)]
    pub range: LostRange,
    /// Whether the owner has recorded it.
    pub recorded: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    ranges: Vec<KnownLoss>,
}

/// The known gaps.
#[derive(Debug)]
pub(super) struct Losses {
    path: PathBuf,
    known: Vec<KnownLoss>,
    /// Why the file could not be read.
    pub unreadable: Option<String>,
}

impl Losses {
    /// Reads the file; one that is missing or unreadable knows of nothing.
    pub(super) fn load(dir: &Path) -> Losses {
        let path = dir.join(NAME);
        let (known, unreadable) = match read(&path) {
            Ok(written) => (written.ranges, None),
            Err(why) => (Vec::new(), Some(format!("{}: {why}", path.display()))),
        };
        Losses {
            path,
            known,
            unreadable,
        }
    }

    /// Compares what is known with the gaps there are: a known part keeps its reason and mark, the rest is new, and what
    /// is no gap any more is forgotten. Says whether anything changed.
    pub(super) fn reconcile(&mut self, gaps: &[LostRange]) -> bool {
        let now: Vec<KnownLoss> = gaps.iter().flat_map(|gap| self.explain(gap)).collect();
        let changed = now != self.known;
        self.known = now;
        changed
    }

    /// What the owner has not recorded yet.
    pub(super) fn unrecorded(&self) -> Vec<LostRange> {
        self.known
            .iter()
            .filter(|loss| !loss.recorded)
            .map(|loss| loss.range.clone())
            .collect()
    }

    /// All known gaps.
    pub(super) fn known(&self) -> &[KnownLoss] {
        &self.known
    }

    /// Marks everything as recorded, durably.
    pub(super) fn mark_recorded(&mut self) -> Result<()> {
        if self.known.iter().all(|loss| loss.recorded) {
            return Ok(());
        }
        self.known.iter_mut().for_each(|loss| loss.recorded = true);
        self.save()
    }

    /// Adds a gap the owner found and records itself, durably.
    pub(super) fn add_recorded(&mut self, range: LostRange) -> Result<()> {
        self.known.push(KnownLoss { range, recorded: true });
        self.save()
    }

    /// Writes the file durably.
    pub(super) fn save(&self) -> Result<()> {
        let json = serde_json::to_vec_pretty(&Written {
            ranges: self.known.clone(),
        })
        .expect("plain data is always JSON");
        durable::write_durably(&self.path, &json).map_err(Error::io("write", &self.path))
    }

    fn explain(&self, gap: &LostRange) -> Vec<KnownLoss> {
        let mut parts = Vec::new();
        let mut from = gap.from;
        for known in self
            .known
            .iter()
            .filter(|known| known.range.to >= gap.from && known.range.from <= gap.to)
        {
            let start = known.range.from.max(from);
            if start > from {
                parts.push(fresh(gap, from, start - 1));
            }
            let to = known.range.to.min(gap.to);
            if start <= to {
                let range = LostRange {
                    from: start,
                    to,
                    ..known.range.clone()
                };
                parts.push(KnownLoss {
                    range,
                    recorded: known.recorded,
                });
                from = to + 1;
            }
        }
        if from <= gap.to {
            parts.push(fresh(gap, from, gap.to));
        }
        parts
    }
}

fn fresh(gap: &LostRange, from: u64, to: u64) -> KnownLoss {
    KnownLoss {
        range: LostRange {
            from,
            to,
            ..gap.clone()
        },
        recorded: false,
    }
}

fn read(path: &Path) -> std::result::Result<Written, String> {
    match fs::read(path) {
        Ok(json) => serde_json::from_slice(&json).map_err(|error| error.to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Written::default()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(from: u64, to: u64) -> LostRange {
        LostRange {
            from,
            to,
            why: "gone".into(),
            kept_file: None,
        }
    }

    fn ranges(losses: &[LostRange]) -> Vec<(u64, u64)> {
        losses.iter().map(|loss| (loss.from, loss.to)).collect()
    }

    #[test]
    fn a_gap_is_reported_until_it_is_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let mut losses = Losses::load(dir.path());
        assert!(losses.reconcile(&[gap(5, 9)]));
        losses.save().unwrap();
        let mut losses = Losses::load(dir.path());
        assert!(!losses.reconcile(&[gap(5, 9)]));
        assert_eq!(ranges(&losses.unrecorded()), [(5, 9)]);
        losses.mark_recorded().unwrap();
        let mut losses = Losses::load(dir.path());
        losses.reconcile(&[gap(5, 9)]);
        assert_eq!(losses.unrecorded(), []);
    }

    #[test]
    fn only_the_new_part_of_a_grown_gap_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let mut losses = Losses::load(dir.path());
        losses.add_recorded(gap(5, 9)).unwrap();
        losses.reconcile(&[gap(3, 12)]);
        assert_eq!(ranges(&losses.unrecorded()), [(3, 4), (10, 12)]);
    }

    #[test]
    fn a_gap_that_closed_excuses_nothing_later() {
        let dir = tempfile::tempdir().unwrap();
        let mut losses = Losses::load(dir.path());
        losses.add_recorded(gap(5, 9)).unwrap();
        assert!(losses.reconcile(&[]));
        losses.reconcile(&[gap(5, 9)]);
        assert_eq!(ranges(&losses.unrecorded()), [(5, 9)]);
    }

    #[test]
    fn an_unreadable_file_makes_gaps_new_again() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), b"{").unwrap();
        let mut losses = Losses::load(dir.path());
        assert!(losses.unreadable.is_some());
        losses.reconcile(&[gap(1, 2)]);
        assert_eq!(ranges(&losses.unrecorded()), [(1, 2)]);
    }
}
