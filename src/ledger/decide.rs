//! Deciding: what waits in the inbox, attempts that ended, deadlines that are due, in turn; each becomes a `Decided`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{CYCLE_BYTES, Cycle, Undo, Waiting, Writer};
use crate::clock::Time;
use crate::delivery::Attempt;
use crate::record::Deadline;

/// How many attempts that ended are written down in one record at most.
const ATTEMPTS_TOGETHER: usize = 256;

/// How long one cycle decides at most, so that what was recorded is answered soon.
const CYCLE_DECIDES: Duration = Duration::from_millis(10);

/// What one decision is of.
pub(super) enum Subject {
    /// An input that was recorded.
    Kept(Waiting),
    /// Attempts that ended, each of another delivery.
    Attempts(Vec<Attempt>),
    /// A deadline that has come.
    Due {
        /// Which.
        deadline: Deadline,
        /// When it was to be.
        at: Time,
        /// Whether a lane noticed it: it stands nowhere else then.
        is_noticed: bool,
    },
    /// Something that is staged again by whoever staged it, where there is no space.
    Nothing,
}

impl Subject {
    /// What it is put back as, where it could not be written down.
    pub fn undo(self) -> Vec<Undo> {
        match self {
            Subject::Kept(waiting) => vec![Undo::Inbox(waiting)],
            Subject::Attempts(attempts) => attempts.into_iter().map(Undo::Tried).collect(),
            Subject::Due {
                deadline,
                is_noticed: true,
                ..
            } => vec![Undo::Noticed(deadline)],
            Subject::Due { .. } | Subject::Nothing => Vec::new(),
        }
    }
}

impl Writer {
    /// Decides for a while: inbox, attempts and deadlines in turn, so that none waits behind the others. Behind a decision
    /// that is too large for one record all of them wait.
    pub(super) fn decide(&mut self, cycle: &mut Cycle) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut is_idle = true;
            // what was postponed comes before anything new is staged that it would have to wait for again
            let waiting = if std::mem::take(&mut self.has_postponed) {
                None
            } else {
                self.inbox.pop_front()
            };
            if let Some(waiting) = waiting {
                is_idle = false;
                self.decide_one(Subject::Kept(waiting), cycle)?;
            }
            if self.large.is_none() && !self.tried.is_empty() {
                is_idle = false;
                self.decide_attempts(cycle)?;
            }
            if self.large.is_none()
                && let Some((deadline, at, is_noticed)) = self.due()?
            {
                is_idle = false;
                if self.needs_what_is_staged(&deadline)? {
                    self.postpone(deadline, is_noticed);
                    return Ok(());
                }
                let subject = Subject::Due {
                    deadline,
                    at,
                    is_noticed,
                };
                self.decide_one(subject, cycle)?;
            }
            let is_enough = began.elapsed() >= CYCLE_DECIDES || cycle.bytes >= 2 * CYCLE_BYTES;
            let is_enough = is_enough || self.large.is_some();
            if is_idle || is_enough || self.no_space_until.is_some() {
                return Ok(());
            }
        }
    }

    /// Decides attempts that ended, several in one record.
    pub(super) fn decide_attempts(&mut self, cycle: &mut Cycle) -> Result<()> {
        let attempts = self.next_attempts();
        self.decide_one(Subject::Attempts(attempts), cycle)
    }

    /// The attempts that are decided next, together: of one delivery one at a time, because the next one is decided by
    /// what follows from it.
    fn next_attempts(&mut self) -> Vec<Attempt> {
        let most = match self.deciding.are_attempts_decided_alone() {
            true => 1,
            false => ATTEMPTS_TOGETHER.min(self.tried.len()),
        };
        let mut attempts: Vec<Attempt> = self.tried.drain(..most).collect();
        let mut seen = BTreeSet::new();
        let later = attempts.extract_if(.., |attempt| !seen.insert(attempt.delivery.clone()));
        let later: Vec<Attempt> = later.collect();
        later
            .into_iter()
            .rev()
            .for_each(|attempt| self.tried.push_front(attempt));
        attempts
    }

    fn decide_one(&mut self, mut subject: Subject, cycle: &mut Cycle) -> Result<()> {
        let Some(made) = self.made_or_set_aside(&mut subject)? else {
            // these attempts are decided one by one
            let Subject::Attempts(attempts) = subject else {
                return Ok(());
            };
            attempts
                .into_iter()
                .rev()
                .for_each(|attempt| self.tried.push_front(attempt));
            return Ok(());
        };
        let staged = self.stage_made(made, subject, cycle);
        self.deciding.end();
        staged
    }

    /// Something a lane noticed, or the earliest deadline if its time has come; and whether it was noticed.
    fn due(&mut self) -> Result<Option<(Deadline, Time, bool)>> {
        let now = self.now();
        if let Some(noticed) = self.noticed.pop_front() {
            return Ok(Some((noticed, now, true)));
        }
        let next = self.store.view().next_wake()?.filter(|(_, at)| *at <= now);
        Ok(next.map(|(deadline, at)| (deadline, at, false)))
    }

    /// Whether a decision would read records that only this cycle has staged: they are not in the journal yet.
    fn needs_what_is_staged(&self, deadline: &Deadline) -> Result<bool> {
        let (view, from) = (self.store.view(), self.journal.next());
        match deadline {
            Deadline::Endpoint { endpoint } => view.was_told_since(endpoint, from),
            // what waits in the inbox is decided before what it owes is looked at, and its text must be on disk
            Deadline::Owed { incident, .. } => view.has_events_since(incident, from),
            Deadline::Tell { .. }
            | Deadline::Notifications { .. }
            | Deadline::Expire { .. }
            | Deadline::Retention
            | Deadline::Clocks { .. } => Ok(false),
        }
    }

    /// Leaves a deadline to the next cycle, which begins with it.
    fn postpone(&mut self, deadline: Deadline, is_noticed: bool) {
        self.has_postponed = true;
        if is_noticed {
            self.noticed.push_front(deadline);
        }
    }
}
