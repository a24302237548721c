//! Writing a decision down: in one record, or in several where it is too large for one.
//!
//! One that is too large takes many cycles, so that nobody waits for it to be answered: each cycle writes down a little
//! of it; when its last record is on disk it counts, and from then on each cycle brings a little of it into the store.
//! Nothing else is decided until it is whole there. A crash before its last record has it decided anew; one after it has
//! the store take it up from the journal like every record that it misses.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::decide::Subject;
use super::group::ends;
use super::make::Made;
use super::{Cycle, Hint, Touched, Undo, Waiting, Writer, thin};
use crate::clock::Time;
use crate::delivery::End;
use crate::journal::Position;
use crate::record::{Change, Input, Of, Piece, Record, Stands};
use crate::rule::{Revision, RuleSet};
use crate::store::Gradual;

/// The most bytes that one record of a decision takes, as JSON; but for a single change that takes more. Well below a
/// segment of the journal ([`super::SEGMENT_BYTES`]).
const DECISION_BYTES: usize = 512 << 10;

/// How long a cycle brings a large decision into the store.
const APPLIES: Duration = Duration::from_millis(20);

/// How many changes of the store are written together then.
const APPLIED_TOGETHER: usize = 100;

/// A decision that is too large for one record, on its way to the journal and to the store.
pub(super) struct Large {
    at: Time,
    of: Of,
    by: Revision,
    /// What is not written down yet.
    left: std::vec::IntoIter<Change>,
    /// What stands in the records that are.
    pieces: Vec<Piece>,
    /// How many changes these hold.
    counted: u32,
    /// When all is written down: its last record, and what is not in the store yet.
    written: Option<(u64, Gradual)>,
    then: Then,
}

/// What is done when a decision is in the store.
struct Then {
    raised: Vec<(u32, Input)>,
    stands: Stands,
    hint: Hint,
    rules: Option<Arc<RuleSet>>,
    touched: Touched,
    ends: Vec<End>,
    forgets: bool,
    gives_back: bool,
    is_by_rules: bool,
    undo: Vec<Undo>,
}

impl Large {
    fn of(made: Made, subject: Subject) -> Result<Self> {
        let (mut touched, ends) = (Touched::default(), ends(&made.record).cloned().collect());
        touched.add(&made.record, &[]);
        let is_by_rules = super::maintain::is_by_rules(&made.record);
        let Record::Decided {
            at, of, by, changes, ..
        } = made.record
        else {
            bail!("only a decision is written in pieces")
        };
        let then = Then {
            raised: made.raised,
            stands: Stands::alone(0),
            hint: made.hint,
            rules: made.rules,
            touched,
            ends,
            forgets: thin::forget(&changes),
            gives_back: changes.iter().any(thin::gives_back),
            is_by_rules,
            undo: subject.undo(),
        };
        Ok(Self {
            at,
            of,
            by,
            left: changes.into_iter(),
            pieces: Vec::new(),
            counted: 0,
            written: None,
            then,
        })
    }

    /// The input that it is of, if that was recorded.
    pub fn input(&self) -> Option<Position> {
        match self.of {
            Of::Kept { at } => Some(at),
            Of::Here(_) => None,
        }
    }

    /// The changes that stand in one record.
    fn next_changes(&mut self) -> Vec<Change> {
        let (mut changes, mut left) = (Vec::new(), DECISION_BYTES);
        while let Some(next) = self.left.as_slice().first() {
            let bytes = serde_json::to_vec(next).map_or(0, |json| json.len());
            if bytes > left && !changes.is_empty() {
                break;
            }
            left = left.saturating_sub(bytes);
            changes.extend(self.left.next());
        }
        changes
    }
}

impl Writer {
    /// Stages a decision. One that is too large for one record is written down by the cycles after this one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn stage_made(&mut self, made: Made, subject: Subject, cycle: &mut Cycle) -> Result<()> {
        if made.bytes.len() > DECISION_BYTES {
            self.large = Some(Box::new(Large::of(made, subject)?));
            return Ok(());
        }
        let seq = self.stage_bytes(&made.record, made.bytes, cycle)?;
        self.upkeep.thinning.note(seq, &made.record);
        self.upkeep.note_decided(seq, &made.record);
        cycle.decisions += 1;
        cycle.hint.add(made.hint);
        self.take_in(made.raised, &Stands::alone(seq));
        if let Some(rules) = made.rules {
            cycle.rules_before.get_or_insert_with(|| self.rules.clone());
            self.rules = rules;
        }
        cycle.undo.extend(subject.undo());
        Ok(())
    }

    /// Lets what a decision raised wait to be decided.
    fn take_in(&mut self, raised: Vec<(u32, Input)>, stands: &Stands) {
        for (nth, input) in raised {
            self.upkeep.note_raised(&input);
            self.inbox.push_back(Waiting {
                at: stands.position(nth),
                input: Some(input),
                rules: None,
            });
        }
    }

    /// Stages the next record of a large decision, if one is on its way and not all of it is written down.
    pub(super) fn stage_next_piece(&mut self, cycle: &mut Cycle) {
        let Some(large) = self.large.as_mut().filter(|large| large.written.is_none()) else {
            return;
        };
        #[cfg(test)]
        if !super::trap::may_step() {
            return;
        }
        let (at, first, changes) = (large.at, large.counted, large.next_changes());
        large.counted += u32::try_from(changes.len()).unwrap_or(u32::MAX);
        if !large.left.as_slice().is_empty() {
            let piece = Record::Continued {
                at,
                of: large.input().unwrap_or(Position { seq: 0, nth: 0 }),
                first: Some(first),
                changes,
            };
            let seq = cycle.push(piece.to_bytes());
            let Record::Continued { changes, .. } = piece else {
                unreachable!("made above")
            };
            let first = Some(first);
            return large.pieces.push(Piece { seq, first, changes });
        }
        let last = Record::Decided {
            at,
            of: large.of.clone(),
            by: large.by.clone(),
            after: large.pieces.first().map(|piece| piece.seq),
            first: Some(first),
            changes,
        };
        let seq = cycle.push(last.to_bytes());
        let Record::Decided { of, changes, .. } = last else {
            unreachable!("made above")
        };
        let pieces = std::mem::take(&mut large.pieces);
        large.then.stands = Stands::behind(&pieces, seq, Some(first));
        large.written = Some((seq, Gradual::of(of, at, pieces, seq, first, changes)));
    }

    /// How far the store is when everything up to `seq` is in it that is not part of a large decision: what it misses
    /// after a crash begins with that.
    pub(super) fn applied_with(&self, seq: u64) -> u64 {
        let written = self.large.as_ref().and_then(|large| large.written.as_ref());
        written.map_or(seq, |(last, _)| seq.min(last - 1))
    }

    /// Where there is no space for a large decision: what waits again, because what is on disk of it counts for nothing.
    pub(super) fn give_up_large(&mut self) -> Vec<Undo> {
        let next = self.journal.next();
        let is_on_disk = |large: &Large| large.written.as_ref().is_some_and(|(last, _)| *last < next);
        let given_up = self.large.take_if(|large| !is_on_disk(large));
        given_up.map_or_else(Vec::new, |large| large.then.undo)
    }

    /// Brings a little of a large decision into the store, if one is written down.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(super) fn apply_some(&mut self) -> Result<()> {
        let began = Instant::now();
        let Some(mut large) = self.large.take_if(|large| large.written.is_some()) else {
            return Ok(());
        };
        let Some((last, left)) = &mut large.written else {
            bail!("looked at above")
        };
        // a store that was renewed, or opened again, has taken all of it from the journal
        while self.store.applied_through() < *last {
            #[cfg(test)]
            if !super::trap::may_step() {
                self.large = Some(large);
                return Ok(());
            }
            self.store
                .stage_some(left.by_ref().take(APPLIED_TOGETHER))
                .context("looking up what a decision changes")?;
            let is_whole = left.is_over();
            self.commit(if is_whole { self.journal.next() - 1 } else { *last - 1 })?;
            if !is_whole && began.elapsed() >= APPLIES {
                self.large = Some(large);
                return Ok(());
            }
        }
        let last = *last;
        self.end_large(last, large.then);
        Ok(())
    }

    /// A large decision is in the store.
    fn end_large(&mut self, seq: u64, then: Then) {
        if then.forgets {
            self.upkeep.thinning.forgets(seq);
        }
        self.upkeep.thinning.is_given_back |= then.gives_back;
        if then.is_by_rules {
            self.upkeep.decided_by_rules = seq;
        }
        self.take_in(then.raised, &then.stands);
        if let Some(rules) = then.rules {
            self.rules = rules;
            self.shared.rules.store(self.rules.clone());
        }
        self.shared.followers.note(then.touched, self.store.applied_through());
        let figures = &self.shared.figures;
        figures.decisions.fetch_add(1, Ordering::Relaxed);
        figures.ended(then.ends.iter());
        if then.hint != Hint::default() {
            (self.hints)(then.hint);
        }
    }

    /// At a stop: a large decision that counts is brought into the store; another one is made anew at the next start,
    /// but for attempts, which wait to be written down.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(super) fn end_or_give_up_large(&mut self) -> Result<()> {
        let undo = self.give_up_large();
        self.undo(undo);
        while self.large.is_some() {
            self.apply_some()?;
        }
        Ok(())
    }

    /// Writes down all of a large decision, and brings it into the store.
    ///
    /// # Errors
    /// When journal or store cannot be read or written.
    pub(super) fn finish_large(&mut self) -> Result<()> {
        while self.large.is_some() {
            let mut cycle = self.cycle();
            self.stage_next_piece(&mut cycle);
            self.write(cycle)?;
            self.apply_some()?;
        }
        Ok(())
    }
}
