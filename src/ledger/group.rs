//! What one cycle writes: staged while it goes on, then written as one group, synced, applied and answered; or, where
//! there is no space, put back as if it had never been.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::{
    HELD_MOST, Hint, MEASURE_EVERY, NO_SPACE_WAIT, RECORD_BYTES_MOST, Refused, Reply, Touched, Waiting, Writer,
};
use crate::delivery::{Attempt, End};
use crate::journal;
use crate::journal::Position;
use crate::record::{Change, Deadline, Input, Record};
use crate::rule::RuleSet;

/// What one cycle writes, and what it must put back if it cannot.
#[derive(Default)]
pub(super) struct Cycle {
    pub group: Vec<Vec<u8>>,
    pub bytes: usize,
    pub next_seq: u64,
    pub replies: Vec<(Reply, Vec<Position>)>,
    pub hint: Hint,
    pub rules_before: Option<Arc<RuleSet>>,
    pub undo: Vec<Undo>,
    pub decisions: usize,
    /// The incidents that it changes.
    pub changed: Touched,
    /// How deliveries ended.
    pub ends: Vec<End>,
}

impl Cycle {
    /// Adds a record to what is written; says its sequence number.
    pub fn push(&mut self, record: Vec<u8>) -> u64 {
        self.next_seq += 1;
        self.bytes += record.len();
        self.group.push(record);
        self.next_seq - 1
    }
}

/// Something taken in this cycle.
pub(super) enum Undo {
    Inbox(Waiting),
    Tried(Attempt),
    Noticed(Deadline),
}

impl Writer {
    pub(super) fn cycle(&self) -> Cycle {
        Cycle {
            next_seq: self.journal.next(),
            ..Cycle::default()
        }
    }

    /// Stages what came in together as one record.
    pub(super) fn record(
        &mut self,
        mut inputs: Vec<Input>,
        rules: Option<Arc<RuleSet>>,
        reply: Reply,
        cycle: &mut Cycle,
    ) -> Result<()> {
        // what is left of the prepared space is for decisions and attempts
        if self.no_space_until.is_some()
            || self.is_short_of_space()
            || self.journal.room().next == journal::Next::NoSpace
        {
            let _ = reply.send(Err(Refused::NoSpace));
            return Ok(());
        }
        let at = self.now();
        for input in &mut inputs {
            if let Input::Heard { event } = input {
                event.correct_time(at);
            }
        }
        let record = Record::Recorded { at, inputs };
        let bytes = record.to_bytes();
        if bytes.len() > RECORD_BYTES_MOST {
            let (bytes, most) = (bytes.len(), RECORD_BYTES_MOST);
            let _ = reply.send(Err(Refused::TooLarge { bytes, most }));
            return Ok(());
        }
        let seq = self.stage_bytes(&record, bytes, cycle)?;
        let Record::Recorded { inputs, .. } = record else {
            unreachable!("made above")
        };
        let mut positions = Vec::with_capacity(inputs.len());
        for (nth, input) in (0..).zip(inputs) {
            let at = Position { seq, nth };
            positions.push(at);
            self.upkeep.rule_texts_bytes += rule_texts_bytes(&input);
            self.inbox.push_back(Waiting {
                at,
                input: Some(input),
                rules: rules.clone(),
            });
        }
        cycle.replies.push((reply, positions));
        Ok(())
    }

    /// Stages something that the ledger itself has to tell.
    pub(super) fn record_raised(&mut self, input: Input, cycle: &mut Cycle) -> Result<()> {
        let record = Record::Recorded {
            at: self.now(),
            inputs: vec![input.clone()],
        };
        let seq = self.stage(&record, cycle)?;
        self.inbox.push_back(Waiting {
            at: Position { seq, nth: 0 },
            input: Some(input),
            rules: None,
        });
        Ok(())
    }

    pub(super) fn stage(&mut self, record: &Record, cycle: &mut Cycle) -> Result<u64> {
        self.stage_bytes(record, record.to_bytes(), cycle)
    }

    /// Stages a record, given as it is written down, too.
    pub(super) fn stage_bytes(&mut self, record: &Record, bytes: Vec<u8>, cycle: &mut Cycle) -> Result<u64> {
        let seq = cycle.push(bytes);
        cycle.changed.add(record, &[]);
        cycle.ends.extend(ends(record).cloned());
        self.store
            .stage(seq, record, &[])
            .context("looking up what a record changes")?;
        Ok(seq)
    }

    /// Writes the cycle's group, syncs it, brings the store up, answers, tells the lanes.
    pub(super) fn write(&mut self, mut cycle: Cycle) -> Result<()> {
        if cycle.group.is_empty() {
            return Ok(());
        }
        match self.journal.append(&cycle.group) {
            Ok(_) => {}
            Err(journal::Error::NoSpace) => {
                self.put_back(cycle);
                return Ok(());
            }
            Err(error) => return Err(error).context("writing to the journal"),
        }
        self.journal.sync().context("syncing the journal")?;
        if std::mem::take(&mut self.is_full) {
            tracing::info!("there is space on the disk again");
        }
        self.no_space_until = None;
        self.upkeep.noted = self.now();
        let through = self.applied_with(cycle.next_seq - 1);
        self.commit(through)?;
        let changed = std::mem::take(&mut cycle.changed);
        self.shared.followers.note(changed, through);
        // answered only now, so that whoever reads after a 202 finds what was accepted
        for (reply, positions) in cycle.replies.drain(..) {
            let _ = reply.send(Ok(positions));
        }
        if cycle.rules_before.is_some() {
            self.shared.rules.store(self.rules.clone());
        }
        self.count(&cycle);
        if self.measured.is_none_or(|at| at.elapsed() >= MEASURE_EVERY) {
            self.measured = Some(Instant::now());
            self.measure();
        }
        if cycle.hint != Hint::default() {
            (self.hints)(cycle.hint);
        }
        for waiting in self.inbox.iter_mut().skip(HELD_MOST) {
            waiting.input = None;
        }
        Ok(())
    }

    fn count(&self, cycle: &Cycle) {
        let figures = &self.shared.figures;
        figures.groups.fetch_add(1, Ordering::Relaxed);
        figures.records.fetch_add(cycle.group.len(), Ordering::Relaxed);
        figures.decisions.fetch_add(cycle.decisions, Ordering::Relaxed);
        figures.ended(cycle.ends.iter());
        figures.inbox.store(self.inbox.len(), Ordering::Relaxed);
    }

    /// The disk is full: nothing of the cycle happened. Who wanted to record is told; the rest waits.
    pub(super) fn put_back(&mut self, cycle: Cycle) {
        if !self.is_full {
            self.is_full = true;
            tracing::error!("the disk is full: events are answered with 503 until there is space");
        }
        self.store.discard();
        if let Some(rules) = cycle.rules_before {
            self.rules = rules;
        }
        let first = self.journal.next();
        self.inbox.retain(|waiting| waiting.at.seq < first);
        let mut undo = cycle.undo;
        undo.extend(self.give_up_large());
        self.undo(undo);
        for (reply, _) in cycle.replies {
            let _ = reply.send(Err(Refused::NoSpace));
        }
        self.no_space_until = Some(Instant::now() + NO_SPACE_WAIT);
    }

    /// Lets what was taken wait again, as far as it is on disk.
    pub(super) fn undo(&mut self, taken: Vec<Undo>) {
        let first = self.journal.next();
        for undo in taken.into_iter().rev() {
            match undo {
                Undo::Inbox(waiting) if waiting.at.seq < first => self.inbox.push_front(waiting),
                Undo::Inbox(_) => {}
                Undo::Tried(attempt) => self.tried.push_front(attempt),
                Undo::Noticed(deadline) => self.noticed.push_front(deadline),
            }
        }
    }
}

/// Bytes of an input's sealed texts of rule files.
fn rule_texts_bytes(input: &Input) -> u64 {
    let (Input::Rules { files, .. } | Input::RuleTexts { files }) = input else {
        return 0;
    };
    files.iter().map(|file| file.sealed.len() as u64).sum()
}

/// How deliveries end by a record.
pub(super) fn ends(record: &Record) -> impl Iterator<Item = &End> {
    let changes = match record {
        Record::Decided { changes, .. } | Record::Continued { changes, .. } => &changes[..],
        Record::Recorded { .. }
        | Record::Started { .. }
        | Record::Lost { .. }
        | Record::Noted { .. }
        | Record::Retired { .. } => &[],
    };
    changes.iter().filter_map(|change| {
        let (Change::Ended { end, .. } | Change::Finished { end, .. }) = change else {
            return None;
        };
        Some(end)
    })
}
