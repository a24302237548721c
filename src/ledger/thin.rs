//! Thinning out the journal in the background: what the store has forgotten is retired from the closed segments.
//!
//! It is gone through only when something was forgotten that may still be in there, and never on the writing thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, ensure};

use super::retire::Forgotten;
use super::{Submission, Waits, Writer};
use crate::journal::{self, Keep, Rewriter};
use crate::record::{Change, Record};
use crate::store::checkpoint;

/// What is known of thinning out.
pub(super) struct Thinning {
    /// The pass that is under way.
    pub thread: Option<JoinHandle<()>>,
    /// Who waits for it.
    pub waits: Waits,
    /// What went and is not on record yet.
    pub retired: Option<Thinned>,
    /// A renewal was asked for meanwhile: it must not fold what is being rewritten.
    pub renewal_waits: bool,
    /// Texts of rule files are given back, and not looked for yet.
    pub is_given_back: bool,
    /// The last decision that forgot something. After a start: whatever there is, for what the last run left.
    forgotten: u64,
    /// How far the last whole pass went, and what was forgotten when it began.
    passed: Option<(u64, u64)>,
}

/// What a pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thinned {
    /// Up to which sequence number the journal was gone through.
    pub through: u64,
    /// How many records went.
    pub dropped: u64,
    forgotten: u64,
    is_whole: bool,
}

impl Thinning {
    /// After a start, with the journal's last number.
    pub fn new(last: u64) -> Self {
        Self {
            thread: None,
            waits: Vec::new(),
            retired: None,
            renewal_waits: false,
            is_given_back: false,
            forgotten: last,
            passed: None,
        }
    }

    /// Notes whether a decision forgets something.
    pub fn note(&mut self, seq: u64, record: &Record) {
        let Record::Decided { changes, .. } = record else {
            return;
        };
        if forget(changes) {
            self.forgets(seq);
        }
        self.is_given_back |= changes.iter().any(gives_back);
    }

    /// Notes that a decision forgets something.
    pub fn forgets(&mut self, seq: u64) {
        self.forgotten = seq;
    }

    /// Whether segments closed up to this number may hold something that is forgotten.
    fn is_due(&self, closed: u64) -> bool {
        match self.passed {
            None => closed > 0,
            // a decision forgets only what stands before it
            Some((through, forgotten)) => self.forgotten > through && (self.forgotten > forgotten || closed > through),
        }
    }

    fn pass(&mut self, thinned: &Thinned) {
        if thinned.is_whole {
            self.passed = Some((thinned.through, thinned.forgotten));
        }
        if thinned.dropped > 0 {
            self.retired = Some(*thinned);
        }
    }
}

/// Whether changes forget something.
pub(super) fn forget(changes: &[Change]) -> bool {
    let forgets = |change: &Change| matches!(change, Change::Forgotten { .. } | Change::IncidentForgotten { .. });
    changes.iter().any(|change| forgets(change) || gives_back(change))
}

/// Whether a change of rules gives back texts of former versions.
pub(super) fn gives_back(change: &Change) -> bool {
    matches!(change, Change::InForce { given_back, .. } if !given_back.is_empty())
}

impl Writer {
    /// Starts going through the journal, if there may be something to retire; answers `waits` when it is done.
    pub(super) fn begin_thinning(&mut self, waits: Waits) {
        self.upkeep.thinning.waits.extend(waits);
        if self.upkeep.thinning.thread.is_some() {
            return;
        }
        self.upkeep.thinning.is_given_back = false;
        let pass = self.pass();
        if !self.upkeep.thinning.is_due(pass.through) {
            return self.answer_thinning();
        }
        let submit = self.submit.clone();
        let work = move || {
            let _ = submit.send(Submission::Thinned(pass.run()));
        };
        match std::thread::Builder::new().name("thinning".into()).spawn(work) {
            Ok(thread) => self.upkeep.thinning.thread = Some(thread),
            Err(error) => {
                tracing::warn!(%error, "the journal could not be thinned out; it will be tried again");
                self.answer_thinning();
            }
        }
    }

    fn pass(&self) -> Pass {
        let segments = self.journal.segments();
        Pass {
            rewriter: self.journal.rewriter(),
            reader: self.journal.reader(),
            // a checkpoint still holds what was forgotten after it: from it on, every record is needed to forget it again
            through: self
                .journal
                .closed_through()
                .min(checkpoint::oldest_through(&self.settings.state)),
            forgotten: self.upkeep.thinning.forgotten,
            // one is open; what is closed and not packed yet is not looked into
            is_whole: segments.count <= segments.packed + 1,
            stop: self.background.is_closing.clone(),
        }
    }

    /// A pass is over.
    pub(super) fn thinned(&mut self, done: Result<Thinned>) {
        if let Some(thread) = self.upkeep.thinning.thread.take() {
            let _ = thread.join();
        }
        match done {
            Ok(thinned) => self.upkeep.thinning.pass(&thinned),
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "the journal could not be thinned out; it will be tried again"
            ),
        }
        if self.upkeep.thinning.retired.is_none() {
            self.answer_thinning();
        }
        if std::mem::take(&mut self.upkeep.thinning.renewal_waits) {
            self.begin_renewal();
        }
    }

    /// Answers who waits for the journal to be thinned out.
    pub(super) fn answer_thinning(&mut self) {
        for reply in self.upkeep.thinning.waits.drain(..) {
            let _ = reply.send(());
        }
    }
}

/// Going through the closed segments once.
struct Pass {
    rewriter: Rewriter,
    reader: journal::Reader,
    through: u64,
    forgotten: u64,
    is_whole: bool,
    stop: Arc<AtomicBool>,
}

impl Pass {
    fn run(self) -> Result<Thinned> {
        let forgotten = Forgotten::read(&self.reader, self.through, self.is_whole, &self.stop)?;
        let mut failed = None;
        let rewritten = self.rewriter.rewrite(&self.stop, |seq, bytes| {
            if seq > self.through || self.stop.load(Ordering::Relaxed) {
                return Keep::Keep;
            }
            forgotten.retire(seq, bytes).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                Keep::Keep
            })
        });
        let rewritten = rewritten.context("thinning out the journal")?;
        ensure!(!self.stop.load(Ordering::Relaxed), "the daemon is stopping");
        if let Some(error) = &failed {
            tracing::warn!(
                error = format!("{error:#}"),
                "a record could not be judged for retention; it was kept"
            );
        }
        Ok(Thinned {
            through: self.through,
            dropped: rewritten.dropped,
            forgotten: self.forgotten,
            is_whole: self.is_whole && failed.is_none(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(through: u64, forgotten: u64) -> Thinned {
        Thinned {
            through,
            dropped: 0,
            forgotten,
            is_whole: true,
        }
    }

    #[test]
    fn a_journal_is_gone_through_after_a_start_and_then_only_when_something_was_forgotten() {
        let mut thinning = Thinning::new(100);
        assert!(!thinning.is_due(0), "nothing is closed");
        assert!(thinning.is_due(100));
        thinning.pass(&passed(100, 100));
        assert!(!thinning.is_due(100) && !thinning.is_due(200), "nothing was forgotten");
        thinning.forgotten = 210;
        assert!(thinning.is_due(200));
    }

    #[test]
    fn what_was_forgotten_and_is_not_closed_yet_is_looked_for_again_when_it_is() {
        let mut thinning = Thinning::new(150);
        thinning.pass(&passed(100, 150));
        assert!(!thinning.is_due(100), "nothing has changed");
        assert!(thinning.is_due(140));
        thinning.pass(&passed(140, 150));
        assert!(thinning.is_due(160));
        thinning.pass(&passed(160, 150));
        assert!(!thinning.is_due(300));
    }

    #[test]
    fn a_pass_that_left_something_out_is_made_again() {
        let mut thinning = Thinning::new(100);
        thinning.pass(&Thinned {
            is_whole: false,
            ..passed(100, 100)
        });
        assert!(thinning.is_due(100));
    }
}
