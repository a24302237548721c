//! The one writing thread: it owns the journal and the store, and nothing else changes either.
//!
//! Its cycle: take the inputs that wait as `Recorded`; decide, in order, what is not decided yet, the attempts that
//! ended and the deadlines that are due, each a `Decided`; write all of it as one group and sync it; answer who waits;
//! bring the store up; tell the lanes. Nothing leaves the process before the sync, and what was decided is in the
//! journal before it is in the store.
//! A decision that is too large for one record takes several cycles: see `pieces`.
//!
//! A failed write or sync is never retried: nothing more is acknowledged, and the daemon ends and comes back from disk.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::oneshot;

use crate::clock::{Clock, Time};
use crate::delivery::Attempt;
use crate::journal::Position;
use crate::journal::{self, Journal};
use crate::record::{Deadline, Input};
use crate::rule::RuleSet;
use crate::store::{Store, trust, walk};

mod changed;
mod decide;
mod deciding;
mod figures;
mod group;
mod handle;
pub(crate) mod maintain;
mod make;
pub(crate) mod open;
mod past;
mod pieces;
mod recorded;
mod retire;
mod scrub;
mod space;
mod thin;
#[cfg(test)]
pub(crate) mod trap;

use changed::Touched;
pub use changed::{Batch, Followers, changed_by};
#[cfg(test)]
pub(crate) use deciding::note_of_deaths;
pub use figures::{BadSecret, Figures};
use group::{Cycle, Undo};
pub use handle::{Hint, Ledger, Refused};
pub use past::Past;

/// The most inputs that one cycle takes.
const CYCLE_INPUTS: usize = 1_000;

/// The most bytes of inputs that one cycle takes up: a group must fit into a segment of the journal.
const CYCLE_BYTES: usize = 8 << 20;

/// The most bytes that what comes in together may take as a record.
pub const RECORD_BYTES_MOST: usize = 24 << 20;

/// The most undecided inputs whose text is held in memory; the rest is read from the journal when its turn comes.
const HELD_MOST: usize = 2_000;

/// How long the thread sleeps when nothing tells it that it must wake sooner.
const SLEEP_MOST: Duration = Duration::from_secs(1);

/// How often the sizes on disk are looked at.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// How often space is looked for again when the disk is full.
const NO_SPACE_WAIT: Duration = Duration::from_secs(1);

/// Bytes of one segment of the journal.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// Those who wait for something, as they are answered.
type Waits = Vec<oneshot::Sender<()>>;

/// What is asked of the ledger.
enum Submission {
    Record {
        inputs: Vec<Input>,
        rules: Option<Arc<RuleSet>>,
        reply: Reply,
    },
    Tried(Attempt),
    Due(Deadline),
    Idle(oneshot::Sender<u64>),
    Decided(Position, oneshot::Sender<()>),
    Tick,
    Renewed(Result<Store>),
    Renew(Option<oneshot::Sender<()>>),
    Scrub(oneshot::Sender<()>),
    Scrubbed(Result<Vec<walk::Damage>>),
    WrittenOut(Result<()>),
    Thinned(Result<thin::Thinned>),
    Doubt(anyhow::Error),
    Stop(oneshot::Sender<Result<()>>),
}

/// What the ledger needs to know of the world.
pub struct Settings {
    /// The state directory.
    pub state: PathBuf,
    /// Where time comes from.
    pub clock: Clock,
    /// Opens sealed rule texts, and makes rules of them.
    pub compile: Compile,
    /// Where the pages are, for links in messages.
    pub public_url: Option<url::Url>,
    /// When space is given back and retention is looked at.
    pub housekeeping: crate::schedule::Cron,
    /// How long what is kept.
    pub keep: Retention,
    /// When reviews are due, and how large an incident must be for them.
    pub reviews: crate::incident::reviews::Terms,
    /// Bytes of one segment of the journal.
    pub segment_bytes: u64,
}

/// How long what is kept, by the time it was last heard of or ended; `None`: for ever.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    /// Ended deliveries with their attempts.
    pub deliveries: Option<chrono::Duration>,
    /// Incidents without a review, with their events. Never shorter than deliveries.
    pub events: Option<chrono::Duration>,
    /// Incidents with a review.
    pub reviews: Option<chrono::Duration>,
}

impl Retention {
    /// Whether no incident is ever forgotten.
    pub fn is_for_ever(&self) -> bool {
        self.events.is_none() && self.reviews.is_none()
    }
}

/// Who waits for inputs to be on disk, and where they will stand.
type Reply = oneshot::Sender<Result<Vec<Position>, Refused>>;

/// Tells the lanes.
pub type Tell = Box<dyn Fn(Hint) + Send>;

/// Makes rules of recorded inputs: sealed texts and settings, as they were recorded.
pub type Compile = Arc<dyn Fn(&[(String, String)], Option<&str>) -> Result<RuleSet> + Send + Sync>;

/// One input in the inbox.
struct Waiting {
    at: Position,
    input: Option<Input>,
    rules: Option<Arc<RuleSet>>,
}

/// What works beside the writing thread, and who waits for it.
#[derive(Default)]
struct Background {
    /// A fresh store is being folded.
    renewing: Option<JoinHandle<()>>,
    renewal_waits: Vec<oneshot::Sender<()>>,
    /// The store before this one is being removed.
    sweeping: Option<JoinHandle<Result<()>>>,
    /// The journal is being gone through.
    scrubbing: Option<JoinHandle<()>>,
    scrub_waits: Vec<oneshot::Sender<()>>,
    /// What only the store knows is being written out.
    writing_out: Option<scrub::WritingOut>,
    /// The store is renewed when the journal was gone through.
    is_renewal_next: bool,
    /// Set when the daemon stops: whatever works here ends.
    is_closing: Arc<AtomicBool>,
}

/// The thread's own things.
struct Writer {
    journal: Journal,
    store: Store,
    settings: Settings,
    rules: Arc<RuleSet>,
    shared: Ledger,
    hints: Tell,
    backlog: VecDeque<Submission>,
    inbox: VecDeque<Waiting>,
    tried: VecDeque<Attempt>,
    noticed: VecDeque<Deadline>,
    deciding: deciding::Deciding,
    /// A decision that is too large for one record, on its way to the journal and to the store: nothing else is decided.
    large: Option<Box<pieces::Large>>,
    idle: Vec<oneshot::Sender<u64>>,
    decided_waits: Vec<(Position, oneshot::Sender<()>)>,
    background: Background,
    upkeep: maintain::Upkeep,
    submit: Sender<Submission>,
    no_space_until: Option<Instant>,
    is_full: bool,
    /// A deadline was left over from the cycle before.
    has_postponed: bool,
    next_housekeeping: Option<Time>,
    fresh_bytes: u64,
    measured: Option<Instant>,
}

impl Writer {
    /// The thread: cycles until it is stopped or fails.
    fn run(mut self, submissions: &Receiver<Submission>) {
        loop {
            let taken = self.wait(submissions);
            let began = Instant::now();
            let stop = match self.take(taken) {
                Ok(stop) => stop,
                Err(error) => return self.fail(&error),
            };
            self.shared.figures.cycle.0.observe(began.elapsed().as_secs_f64());
            if let Some(reply) = stop {
                let closed = self.write_down_the_rest(submissions).and_then(|()| self.close());
                let _ = reply.send(closed);
                return;
            }
        }
    }

    /// Waits until there is something to do.
    fn wait(&mut self, submissions: &Receiver<Submission>) -> Vec<Submission> {
        let mut taken = Vec::new();
        if let Some(until) = self.sleep_for()
            && let Ok(first) = submissions.recv_timeout(until).or_else(|error| match error {
                RecvTimeoutError::Timeout => Ok(Submission::Tick),
                RecvTimeoutError::Disconnected => Err(error),
            })
        {
            taken.push(first);
        }
        while taken.len() < CYCLE_INPUTS
            && let Ok(next) = submissions.try_recv()
        {
            taken.push(next);
        }
        taken
    }

    /// How long the thread may sleep; `None` if there is work.
    fn sleep_for(&self) -> Option<Duration> {
        if let Some(until) = self.no_space_until {
            return Some(
                until
                    .saturating_duration_since(Instant::now())
                    .max(Duration::from_millis(1)),
            );
        }
        if !self.backlog.is_empty()
            || !self.inbox.is_empty()
            || !self.tried.is_empty()
            || !self.noticed.is_empty()
            || !self.idle.is_empty()
            || self.large.is_some()
        {
            return None;
        }
        let next = self.store.view().next_wake().ok().flatten();
        let Some((_, at)) = next else { return Some(SLEEP_MOST) };
        let left = (at - self.now()).to_std().unwrap_or_default();
        (!left.is_zero()).then(|| left.min(SLEEP_MOST))
    }

    fn now(&self) -> Time {
        self.settings.clock.now()
    }

    /// One cycle. Says who waits for the end, if it is to end.
    fn take(&mut self, taken: Vec<Submission>) -> Result<Option<oneshot::Sender<Result<()>>>> {
        self.shared.figures.cycles.fetch_add(1, Ordering::Relaxed);
        self.no_space_until = self.no_space_until.filter(|until| *until > Instant::now());
        self.look_at_files()?;
        self.housekeep();
        let taken = self.maintain(taken)?;
        let mut cycle = self.cycle();
        self.stage_upkeep(&mut cycle)?;
        let mut stop = None;
        let taken: Vec<Submission> = self.backlog.drain(..).chain(taken).collect();
        for submission in taken {
            match submission {
                Submission::Record { .. } if cycle.bytes >= CYCLE_BYTES => self.backlog.push_back(submission),
                Submission::Record { inputs, rules, reply } => self.record(inputs, rules, reply, &mut cycle)?,
                Submission::Tried(attempt) => self.tried.push_back(attempt),
                Submission::Due(deadline) => self.noticed.push_back(deadline),
                Submission::Idle(reply) => self.idle.push(reply),
                Submission::Decided(at, reply) => self.decided_waits.push((at, reply)),
                Submission::Tick => {}
                Submission::Renew(reply) => {
                    self.background.renewal_waits.extend(reply);
                    self.begin_renewal();
                }
                Submission::Scrub(reply) => {
                    self.background.scrub_waits.push(reply);
                    self.begin_scrub();
                }
                Submission::Stop(reply) => stop = Some(reply),
                Submission::Scrubbed(_)
                | Submission::WrittenOut(_)
                | Submission::Renewed(_)
                | Submission::Thinned(_)
                | Submission::Doubt(_) => {
                    unreachable!("taken out by `maintain`")
                }
            }
        }
        match self.large.is_some() {
            true => self.stage_next_piece(&mut cycle),
            false => self.decide(&mut cycle)?,
        }
        self.write(cycle)?;
        self.apply_some()?;
        self.upkept()?;
        self.answer_decided();
        self.answer_idle();
        Ok(stop)
    }

    /// Takes what work in the background has brought, before anything of this cycle is staged: it exchanges the store
    /// that is staged into. Gives back the rest.
    fn maintain(&mut self, taken: Vec<Submission>) -> Result<Vec<Submission>> {
        let mut rest = Vec::with_capacity(taken.len());
        for submission in taken {
            match submission {
                Submission::Scrubbed(found) => self.scrubbed(found),
                Submission::WrittenOut(written) => self.written_out(written)?,
                Submission::Renewed(fresh) => self.swap_in(fresh),
                Submission::Thinned(done) => self.thinned(done),
                // who asks after that is told so, and not only when the thread has ended
                Submission::Doubt(error) => self
                    .doubted(error)
                    .inspect_err(|_| self.shared.is_failed.store(true, Ordering::Release))?,
                other => rest.push(other),
            }
        }
        Ok(rest)
    }

    /// At a stop: attempts that have ended are written down, all of them, or they would be made again; nothing more is
    /// taken up, and what was recorded is decided at the next start.
    fn write_down_the_rest(&mut self, submissions: &Receiver<Submission>) -> Result<()> {
        self.end_or_give_up_large()?;
        self.inbox.clear();
        self.noticed.clear();
        loop {
            let backlog: Vec<Submission> = self.backlog.drain(..).collect();
            for late in backlog.into_iter().chain(submissions.try_iter()) {
                match late {
                    Submission::Tried(attempt) => self.tried.push_back(attempt),
                    Submission::Record { reply, .. } => drop(reply.send(Err(Refused::Stopped))),
                    _ => {}
                }
            }
            if self.tried.is_empty() || self.is_full {
                return Ok(());
            }
            let mut cycle = self.cycle();
            while cycle.bytes < CYCLE_BYTES && !self.tried.is_empty() {
                self.decide_attempts(&mut cycle)?;
                if self.large.is_some() {
                    break;
                }
            }
            self.write(cycle)?;
            self.finish_large()?;
        }
    }

    fn answer_decided(&mut self) {
        let large = self.large.as_ref().and_then(|large| large.input());
        let first = large.or_else(|| self.inbox.front().map(|waiting| waiting.at));
        for (at, reply) in std::mem::take(&mut self.decided_waits) {
            match first.is_none_or(|first| at < first) {
                true => drop(reply.send(())),
                false => self.decided_waits.push((at, reply)),
            }
        }
    }

    fn answer_idle(&mut self) {
        let has_work = self.large.is_some()
            || !self.backlog.is_empty()
            || !self.inbox.is_empty()
            || !self.tried.is_empty()
            || !self.noticed.is_empty();
        let is_due = self
            .store
            .view()
            .next_wake()
            .ok()
            .flatten()
            .is_some_and(|(_, at)| at <= self.now());
        if has_work || is_due {
            return;
        }
        let groups = self.shared.figures.groups.load(Ordering::Relaxed) as u64;
        for reply in self.idle.drain(..) {
            let _ = reply.send(groups);
        }
    }

    /// Ends after an error: from here on nothing is acknowledged, and the store is not believed.
    fn fail(mut self, error: &anyhow::Error) {
        tracing::error!(
            error = format!("{error:#}"),
            "writing failed; nothing more is acknowledged, and the daemon ends to start again from disk"
        );
        self.shared.is_failed.store(true, Ordering::Release);
        self.end_background();
        if let Some(journal::Error::Missing { .. }) = error.downcast_ref() {
            // the store is now all that knows what stood there: it is kept, and believed by the next start
            return self.keep_store();
        }
        // a store that found no space is as good as before, and building another one would take more
        if space::is_cause(&self.settings.state, error) {
            space::release_ballast(&self.settings.state); // for the next start, where it is not given up yet
            return;
        }
        distrust(&self.settings.state);
    }

    /// Closes the store in an orderly way, though the journal is not there any more.
    fn keep_store(self) {
        let state = self.settings.state.clone();
        if let Err(error) = self.close() {
            tracing::error!(error = format!("{error:#}"), "the store could not be closed");
            distrust(&state);
        }
    }

    /// Ends in an orderly way.
    fn close(mut self) -> Result<()> {
        self.end_background();
        let state = self.settings.state.clone();
        let Self { store, journal, .. } = self;
        drop(journal);
        store.close(&crate::store::directory(&state))?;
        trust::vouch(&state)
    }
}

fn distrust(state: &Path) {
    if let Err(error) = trust::withdraw(state) {
        tracing::error!(
            error = format!("{error:#}"),
            "trust in the store could not be withdrawn"
        );
    }
}

/// A channel of submissions for a new ledger.
fn submissions() -> (Sender<Submission>, Receiver<Submission>) {
    channel()
}
