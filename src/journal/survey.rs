//! Looks at a stopped journal's directory and judges what it finds. It changes nothing.
//!
//! A bad group with a valid one behind it, in its segment or a later one, is rot; without one it is a torn tail. What
//! is lost shows in the sequence numbers alone; the damage next to a gap only says why.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::closed::Packed;
use super::error::{Error, Result};
use super::frame::Link;
use super::listing::{Listing, read_what_can_be_read};
use super::losses::LostRange;
use super::scan::{Scan, scan};
use super::segment;

/// The journal's end was cut: a group that was not written whole, and so never acknowledged, unless it rotted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Torn {
    /// In which segment.
    pub segment: u64,
    /// Where the last valid group ends.
    pub at_byte: u64,
    /// How many bytes behind it were written.
    pub bytes: u64,
    /// The file as it was, relative to the journal's directory, if it was kept: because the last stop was clean, or more
    /// than one group is bad, this is rot of what was acknowledged.
    pub kept_file: Option<PathBuf>,
}

/// What is in the directory.
pub(super) struct Survey {
    /// The segments, ascending by number.
    pub found: Vec<Found>,
    /// What is missing, ascending.
    pub gaps: Vec<Gap>,
    /// What was written last and is not valid.
    pub torn: Option<Torn>,
    /// What is odd and loses nothing.
    pub notes: Vec<String>,
    /// Files that a finished packing left.
    pub twins: Vec<PathBuf>,
    /// Files of unfinished work.
    pub temporary: Vec<PathBuf>,
    /// Damaged files kept earlier.
    pub kept: Vec<PathBuf>,
    /// The first number answered for, if any.
    pub first: Option<u64>,
    /// The next number.
    pub next: u64,
    /// The last group; `None` if its packed segment has lost it.
    pub link: Option<Link>,
}

/// One segment's file.
pub(super) struct Found {
    pub number: u64,
    pub path: PathBuf,
    pub body: Body,
    pub fate: Fate,
}

/// What the file holds.
pub(super) enum Body {
    Raw(Scan),
    Packed(Packed),
}

/// What should become of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays.
    Sound,
    /// Its valid part is copied, the damaged file kept.
    Mend,
    /// It is the last segment, its tail torn: the valid part is copied.
    Cut,
    /// It holds nothing of use: kept under another name.
    Aside,
    /// It lies behind the last record, as it was made.
    Ahead,
    /// It lies behind the last record, not as it was made.
    Spoilt,
}

/// Numbers nobody answers for.
#[derive(Debug)]
pub(super) struct Gap {
    pub from: u64,
    pub to: u64,
    pub why: String,
    /// Which of the found files is damaged next to it.
    pub damaged: Option<usize>,
}

impl Found {
    /// The first and last number it answers for.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        match &self.body {
            Body::Raw(scan) => scan.index.span(),
            Body::Packed(packed) => packed.span(),
        }
    }

    /// What is wrong with the file, if anything is.
    pub(super) fn complaint(&self) -> Option<String> {
        match &self.body {
            Body::Raw(scan) => scan
                .is_damaged()
                .then(|| format!("segment {}: {}", self.number, scan.complaint())),
            Body::Packed(packed) => packed
                .damage
                .as_ref()
                .map(|why| format!("segment {}: {why}", self.number)),
        }
    }

    fn uselessness(&self) -> &'static str {
        match self.span() {
            Some(_) => "repeats earlier numbers",
            None => "holds nothing valid",
        }
    }

    fn gaps(&self) -> Vec<(u64, u64)> {
        match &self.body {
            Body::Raw(scan) => scan.gaps.clone(),
            Body::Packed(packed) => packed.gaps(),
        }
    }

    fn link(&self) -> Option<Link> {
        match &self.body {
            Body::Raw(scan) => scan.index.link,
            Body::Packed(packed) => packed.identity.map(|identity| identity.link),
        }
    }

    /// Whether more is bad at its end than one torn group.
    pub(super) fn has_rot_at_end(&self) -> bool {
        matches!(&self.body, Body::Raw(scan) if scan.trailing_groups > 1)
    }

    /// Whether records may have been before its first valid one.
    fn has_bad_front(&self) -> bool {
        match &self.body {
            Body::Raw(scan) => scan.rot.first().is_some_and(|rot| rot.start == segment::HEADER),
            Body::Packed(packed) => packed.damage.is_some(),
        }
    }

    /// Whether records may have been behind its last valid one.
    fn has_bad_end(&self) -> bool {
        match &self.body {
            Body::Raw(scan) => scan.trailing.is_some() || scan.short,
            Body::Packed(packed) => packed.damage.is_some(),
        }
    }
}

impl Survey {
    /// Looks at everything in `dir`.
    pub(super) fn of(dir: &Path) -> Result<Survey> {
        let mut listing = Listing::of(dir)?;
        let mut survey = Survey {
            found: Vec::new(),
            gaps: Vec::new(),
            torn: None,
            notes: Vec::new(),
            twins: Vec::new(),
            temporary: std::mem::take(&mut listing.temporary),
            kept: std::mem::take(&mut listing.kept),
            first: None,
            next: 1,
            link: Some(Link::default()),
        };
        survey.load(listing)?;
        survey.judge();
        Ok(survey)
    }

    /// The last segment with records that stays.
    pub(super) fn last(&self) -> Option<usize> {
        self.found
            .iter()
            .rposition(|found| found.span().is_some() && found.fate != Fate::Aside)
    }

    /// The gaps in the form that is reported; `kept` says under which name a damaged file is kept.
    pub(super) fn losses(&self, kept: impl Fn(usize) -> Option<PathBuf>) -> Vec<LostRange> {
        let lost = |gap: &Gap| LostRange {
            from: gap.from,
            to: gap.to,
            why: gap.why.clone(),
            kept_file: gap.damaged.and_then(&kept),
        };
        self.gaps.iter().map(lost).collect()
    }

    fn load(&mut self, mut listing: Listing) -> Result<()> {
        for (number, path) in listing.packed {
            let packed = Packed::open(&path, number)?;
            let twin = listing.raw.remove(&number);
            if let (Some(twin), None) = (&twin, &packed.damage) {
                self.twins.push(twin.clone());
            } else if let Some(twin) = twin {
                self.notes.push(format!(
                    "segment {number} is damaged where it was packed and is read where it was not"
                ));
                listing.raw.insert(number, twin);
                self.twins.push(path);
                continue;
            }
            self.add(number, path, Body::Packed(packed));
        }
        for (number, path) in listing.raw {
            let scanned = scan(&read_what_can_be_read(&path)?, number);
            let scan = scanned.map_err(|format| Error::Newer {
                path: path.clone(),
                format,
            })?;
            self.add(number, path, Body::Raw(scan));
        }
        self.found.sort_by_key(|found| found.number);
        Ok(())
    }

    fn add(&mut self, number: u64, path: PathBuf, body: Body) {
        self.found.push(Found {
            number,
            path,
            body,
            fate: Fate::Sound,
        });
    }

    fn judge(&mut self) {
        let end = self.end();
        let mut suspect = None;
        for at in 0..end {
            suspect = self.judge_one(at, suspect);
        }
        if let Some(last) = self.last() {
            self.judge_end(last);
        }
        (end..self.found.len()).for_each(|at| self.judge_rest(at));
        let mended = self.found.iter().filter(|found| found.fate == Fate::Mend);
        self.notes.extend(mended.filter_map(Found::complaint));
    }

    /// Where the last segment ends whose records go on from those before it.
    fn end(&self) -> usize {
        let (mut next, mut end) = (1, 0);
        for (at, found) in self.found.iter().enumerate() {
            if let Some((_, to)) = found.span().filter(|span| span.0 >= next) {
                (next, end) = (to + 1, at + 1);
            }
        }
        end
    }

    /// Judges a segment with valid records in it or behind it. `suspect` is the damaged file before it that a gap in
    /// front of it is laid to; returned is the one for the next.
    fn judge_one(&mut self, at: usize, suspect: Option<usize>) -> Option<usize> {
        let found = &self.found[at];
        let Some((from, to)) = found.span().filter(|span| span.0 >= self.next) else {
            let why = found.uselessness();
            self.notes
                .push(format!("segment {} {why} and is set aside", found.number));
            self.found[at].fate = Fate::Aside;
            return suspect.or(Some(at));
        };
        let complaint = found.complaint();
        let (own, own_front) = (complaint.is_some().then_some(at), found.has_bad_front().then_some(at));
        if from > self.next {
            self.add_gap((self.next, from - 1), suspect.or(own_front), at);
        }
        let inner = self.found[at].gaps();
        inner.into_iter().for_each(|gap| self.add_gap(gap, own, at));
        self.check_chain(at, from == self.next);
        let found = &mut self.found[at];
        if complaint.is_some() {
            found.fate = Fate::Mend;
        }
        self.first = self.first.or(Some(from));
        (self.next, self.link) = (to + 1, found.link());
        found.has_bad_end().then_some(at)
    }

    fn add_gap(&mut self, (from, to): (u64, u64), damaged: Option<usize>, at: usize) {
        let why = match damaged {
            Some(damaged) => self.found[damaged]
                .complaint()
                .unwrap_or_else(|| format!("segment {} holds no valid group", self.found[damaged].number)),
            None => self.missing_before(at),
        };
        self.gaps.push(Gap { from, to, why, damaged });
    }

    fn missing_before(&self, at: usize) -> String {
        let number = self.found[at].number;
        let before = at.checked_sub(1).map_or(0, |before| self.found[before].number);
        match number - before {
            1 => format!("segment {number} does not go on where the records before it end"),
            2 => format!("segment {} is missing", number - 1),
            _ => format!("segments {} to {} are missing", before + 1, number - 1),
        }
    }

    /// Groups that name another group before them although no number is missing. (Behind a gap they must.)
    fn check_chain(&mut self, at: usize, goes_on: bool) {
        let Body::Raw(scan) = &self.found[at].body else { return };
        let broken = goes_on && self.link.is_none_or(|link| Some(link) != scan.follows);
        let first = scan.index.span().map(|span| span.0).filter(|_| broken);
        let inner = scan
            .unchained
            .iter()
            .copied()
            .filter(|seq| !scan.gaps.iter().any(|gap| gap.1 + 1 == *seq));
        for seq in first.into_iter().chain(inner) {
            self.notes.push(format!(
                "the group at {seq} does not name the group before it: what was there is unknown"
            ));
        }
    }

    /// The last segment with records: what trails in it is torn, not rotten.
    fn judge_end(&mut self, last: usize) {
        let found = &mut self.found[last];
        let Body::Raw(scan) = &found.body else { return };
        if scan.short {
            self.notes.push(format!(
                "segment {}: the file is shorter than it was made",
                found.number
            ));
        }
        if let Some(trailing) = &scan.trailing {
            self.torn = Some(torn(found.number, trailing));
        }
        if found.fate == Fate::Mend && !scan.headless && scan.rot.is_empty() {
            found.fate = Fate::Cut;
        }
    }

    /// A segment behind the last record: made ahead, or torn in its first group, or a stranger.
    fn judge_rest(&mut self, at: usize) {
        let found = &mut self.found[at];
        found.fate = match &found.body {
            Body::Raw(scan) if scan.is_pristine() => Fate::Ahead,
            Body::Raw(scan) if found.span().is_none() => {
                match &scan.trailing {
                    Some(trailing) if self.torn.is_none() => self.torn = Some(torn(found.number, trailing)),
                    _ => self
                        .notes
                        .push(format!("segment {}: {}", found.number, scan.complaint())),
                }
                Fate::Spoilt
            }
            _ => {
                self.notes.push(format!(
                    "segment {} {} and is set aside",
                    found.number,
                    found.uselessness()
                ));
                Fate::Aside
            }
        };
    }
}

fn torn(segment: u64, trailing: &std::ops::Range<usize>) -> Torn {
    Torn {
        segment,
        at_byte: trailing.start as u64,
        bytes: trailing.len() as u64,
        kept_file: None,
    }
}
