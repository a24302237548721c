//! The one writing thread: it owns the journal and the store, and nothing else changes either.
//!
//! Its cycle: take the inputs that wait as `Recorded`; decide, in order, what is not decided yet, the attempts that
//! ended and the deadlines that are due, each a `Decided`; write all of it as one group and sync it; answer who waits;
//! bring the store up; tell the lanes. Nothing leaves the process before the sync, and what was decided is in the
//! journal before it is in the store.
//!
//! A failed write or sync is never retried: nothing more is acknowledged, and the daemon ends and comes back from disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use crate::channel::Outcome;
use crate::clock::{Clock, Time};
use crate::delivery::Attempt;
use crate::evaluate::{Asked, Context, RulesChange, evaluate};
use crate::event::Position;
use crate::journal::{self, Journal};
use crate::notification::{Channel, EndpointId};
use crate::record::{Change, Command, Deadline, FileInForce, Input, Of, Record, Why};
use crate::rule::{Revision, RuleSet};
use crate::store::{Reader, Store, View, context, trust};

pub(crate) mod maintain;
pub(crate) mod open;
mod scrub;
mod space;
mod thin;

/// The most inputs that one cycle takes.
const CYCLE_INPUTS: usize = 1_000;

/// The most bytes of inputs that one cycle takes up: a group must fit into a segment of the journal.
const CYCLE_BYTES: usize = 8 << 20;

/// The most bytes that what comes in together may take as a record.
pub const RECORD_BYTES_MOST: usize = 24 << 20;

/// How long one cycle decides at most, so that what was recorded is answered soon.
const CYCLE_DECIDES: Duration = Duration::from_millis(10);

/// The most that waits to be recorded; beyond it intake is told to come again.
const WAITING_MOST: usize = 8_192;

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

/// The ledger as everybody else holds it.
#[derive(Clone)]
pub struct Ledger {
    submit: Sender<Submission>,
    waiting: Arc<AtomicUsize>,
    is_failed: Arc<AtomicBool>,
    rules: Arc<ArcSwap<RuleSet>>,
    reader: Reader,
    journal: journal::Reader,
    figures: Arc<Figures>,
}

/// Counters and gauges for `/metrics`.
#[derive(Debug, Default)]
pub struct Figures {
    /// Groups synced.
    pub groups: AtomicUsize,
    /// Records written.
    pub records: AtomicUsize,
    /// Inputs decided.
    pub decisions: AtomicUsize,
    /// Inputs recorded and not decided.
    pub inbox: AtomicUsize,
    /// The journal's bytes on disk.
    pub journal_bytes: AtomicUsize,
    /// The store's bytes on disk.
    pub store_bytes: AtomicUsize,
    /// Cycles begun: a watchdog sees whether it moves.
    pub cycles: AtomicUsize,
    /// Attempts that ended, by channel and what became of them.
    attempts: Mutex<BTreeMap<(Channel, &'static str), u64>>,
}

impl Figures {
    /// Counts an attempt that ended.
    pub fn attempted(&self, channel: Channel, outcome: &Outcome) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        *attempts.entry((channel, outcome.word())).or_default() += 1;
    }

    /// Attempts that ended since the start, by channel and what became of them.
    pub fn attempts(&self) -> BTreeMap<(Channel, &'static str), u64> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why something was not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too much waits; come again soon.
    #[error("too much is waiting to be written; try again in a few seconds")]
    Busy,
    /// The disk is full; come again.
    #[error("the disk is full; try again later")]
    NoSpace,
    /// More than one record may hold.
    #[error("{bytes} bytes are more than is written down together; send it in parts of at most {most} bytes")]
    TooLarge {
        /// What it would take, bytes.
        bytes: usize,
        /// What may be, bytes.
        most: usize,
    },
    /// The ledger has stopped, or failed and will start anew.
    #[error("not ready; try again in a few seconds")]
    Stopped,
}

/// What the lanes are told after a group is on disk.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// Endpoints with something new.
    pub endpoints: BTreeSet<EndpointId>,
    /// Deliveries that lanes had to do with and that are decided now: an attempt written down, an end.
    pub decided: Vec<String>,
    /// Endpoints that are in no rule file any more and were dealt with.
    pub vanished: Vec<EndpointId>,
}

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
    Scrubbed(Result<Vec<crate::store::rebuild::Damage>>),
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
    idle: Vec<oneshot::Sender<u64>>,
    decided_waits: Vec<(Position, oneshot::Sender<()>)>,
    renewing: Option<JoinHandle<()>>,
    renewal_waits: Vec<oneshot::Sender<()>>,
    scrubbing: Option<JoinHandle<()>>,
    scrub_waits: Vec<oneshot::Sender<()>>,
    is_closing: Arc<AtomicBool>,
    is_renewal_next: bool,
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

/// What one cycle writes, and what it must put back if it cannot.
#[derive(Default)]
struct Cycle {
    group: Vec<Vec<u8>>,
    bytes: usize,
    next_seq: u64,
    replies: Vec<(Reply, Vec<Position>)>,
    hint: Hint,
    rules_before: Option<Arc<RuleSet>>,
    undo: Vec<Undo>,
    decisions: usize,
}

/// Something taken in this cycle.
enum Undo {
    Inbox(Waiting),
    Tried(Attempt),
    Noticed(Deadline),
}

/// A place among those who wait, given back also when nobody waits for the answer any more.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::AcqRel) < WAITING_MOST).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Ledger {
    /// Has inputs written down, in this order and together; answers when they are on disk.
    ///
    /// # Errors
    /// When they were not written: nothing of them is known after it.
    pub async fn record(&self, inputs: Vec<Input>, rules: Option<Arc<RuleSet>>) -> Result<Vec<Position>, Refused> {
        if self.is_failed() {
            return Err(Refused::Stopped);
        }
        let Some(_place) = Place::take(&self.waiting) else {
            return Err(Refused::Busy);
        };
        let (reply, answer) = oneshot::channel();
        match self.submit.send(Submission::Record { inputs, rules, reply }) {
            Ok(()) => answer.await.unwrap_or(Err(Refused::Stopped)),
            Err(_) => Err(Refused::Stopped),
        }
    }

    /// Has a command written down.
    ///
    /// # Errors
    /// As [`Ledger::record`].
    pub async fn command(&self, by: &str, command: Command) -> Result<Vec<Position>, Refused> {
        self.record(
            vec![Input::Commanded {
                by: by.to_owned(),
                command,
            }],
            None,
        )
        .await
    }

    /// An attempt ended.
    pub fn tried(&self, attempt: Attempt) {
        // after a stop there is nobody to tell: the attempt is made again, with the same id
        let _ = self.submit.send(Submission::Tried(attempt));
    }

    /// A lane noticed something that is due.
    pub fn notice(&self, deadline: Deadline) {
        let _ = self.submit.send(Submission::Due(deadline));
    }

    /// Something could not be read from the store: it is damaged. The daemon ends, and comes back with one built anew.
    pub fn doubt(&self, error: anyhow::Error) {
        let _ = self.submit.send(Submission::Doubt(error));
    }

    /// Wakes the thread: time was moved.
    pub fn tick(&self) {
        let _ = self.submit.send(Submission::Tick);
    }

    /// Folds a fresh store and swaps it in.
    pub fn renew(&self) {
        let _ = self.submit.send(Submission::Renew(None));
    }

    /// The same; answers when it is in use, or could not be folded.
    pub async fn renewed(&self) {
        let (reply, answer) = oneshot::channel();
        let _ = self.submit.send(Submission::Renew(Some(reply)));
        let _ = answer.await;
    }

    /// Goes through the whole journal; answers when what is damaged is owned up to.
    pub async fn scrub(&self) {
        let (reply, answer) = oneshot::channel();
        let _ = self.submit.send(Submission::Scrub(reply));
        let _ = answer.await;
    }

    /// Waits until the input recorded at `at` is decided.
    pub async fn decided(&self, at: Position) {
        let (reply, answer) = oneshot::channel();
        let _ = self.submit.send(Submission::Decided(at, reply));
        let _ = answer.await;
    }

    /// Answers when nothing waits and nothing is due, with how many groups were written so far.
    pub async fn idle(&self) -> u64 {
        let (reply, answer) = oneshot::channel();
        let _ = self.submit.send(Submission::Idle(reply));
        answer.await.unwrap_or(0)
    }

    /// Stops the thread after what it has begun, and closes the store in an orderly way.
    ///
    /// # Errors
    /// When the store could not be closed: it will be built again.
    pub async fn stop(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.submit
            .send(Submission::Stop(reply))
            .map_err(|_| anyhow::anyhow!("the ledger has stopped already"))?;
        answer.await.context("the ledger ended before it could say so")?
    }

    /// Whether writing failed: nothing is acknowledged any more.
    pub fn is_failed(&self) -> bool {
        self.is_failed.load(Ordering::Acquire)
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<RuleSet> {
        self.rules.load_full()
    }

    /// What can be looked up now.
    pub fn view(&self) -> View {
        self.reader.view()
    }

    /// The journal, for texts.
    pub fn journal(&self) -> &journal::Reader {
        &self.journal
    }

    /// Counters and gauges.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }
}

impl Writer {
    /// The thread: cycles until it is stopped or fails.
    fn run(mut self, submissions: &Receiver<Submission>) {
        loop {
            let taken = self.wait(submissions);
            let stop = match self.take(taken) {
                Ok(stop) => stop,
                Err(error) => return self.fail(&error),
            };
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
        self.housekeep();
        let taken = self.maintain(taken)?;
        let mut cycle = self.cycle();
        self.stage_upkeep(&mut cycle);
        let mut stop = None;
        let taken: Vec<Submission> = self.backlog.drain(..).chain(taken).collect();
        for submission in taken {
            match submission {
                Submission::Record { .. } if cycle.bytes >= CYCLE_BYTES => self.backlog.push_back(submission),
                Submission::Record { inputs, rules, reply } => self.record(inputs, rules, reply, &mut cycle),
                Submission::Tried(attempt) => self.tried.push_back(attempt),
                Submission::Due(deadline) => self.noticed.push_back(deadline),
                Submission::Idle(reply) => self.idle.push(reply),
                Submission::Decided(at, reply) => self.decided_waits.push((at, reply)),
                Submission::Tick => {}
                Submission::Renew(reply) => {
                    self.renewal_waits.extend(reply);
                    self.begin_renewal();
                }
                Submission::Scrub(reply) => {
                    self.scrub_waits.push(reply);
                    self.begin_scrub();
                }
                Submission::Stop(reply) => stop = Some(reply),
                Submission::Scrubbed(_) | Submission::Renewed(_) | Submission::Thinned(_) | Submission::Doubt(_) => {
                    unreachable!("taken out by `maintain`")
                }
            }
        }
        self.decide(&mut cycle)?;
        self.write(cycle)?;
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
                Submission::Renewed(fresh) => self.swap_in(fresh),
                Submission::Thinned(done) => self.thinned(done),
                Submission::Doubt(error) => return Err(error),
                other => rest.push(other),
            }
        }
        Ok(rest)
    }

    /// At a stop: attempts that have ended are written down, all of them, or they would be made again; nothing more is
    /// taken up, and what was recorded is decided at the next start.
    fn write_down_the_rest(&mut self, submissions: &Receiver<Submission>) -> Result<()> {
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
            while cycle.bytes < CYCLE_BYTES
                && let Some(attempt) = self.tried.pop_front()
            {
                self.decide_tried(attempt, &mut cycle)?;
            }
            self.write(cycle)?;
        }
    }

    fn cycle(&self) -> Cycle {
        Cycle {
            next_seq: self.journal.next(),
            ..Cycle::default()
        }
    }

    /// Stages what came in together as one record.
    fn record(&mut self, inputs: Vec<Input>, rules: Option<Arc<RuleSet>>, reply: Reply, cycle: &mut Cycle) {
        // what is left of the prepared space is for decisions and attempts
        if self.no_space_until.is_some()
            || self.is_short_of_space()
            || self.journal.room().next == journal::Next::NoSpace
        {
            let _ = reply.send(Err(Refused::NoSpace));
            return;
        }
        let record = Record::Recorded { at: self.now(), inputs };
        let bytes = record.to_bytes();
        if bytes.len() > RECORD_BYTES_MOST {
            let (bytes, most) = (bytes.len(), RECORD_BYTES_MOST);
            let _ = reply.send(Err(Refused::TooLarge { bytes, most }));
            return;
        }
        let seq = self.stage_bytes(&record, bytes, cycle);
        let Record::Recorded { inputs, .. } = record else {
            unreachable!("made above")
        };
        let mut positions = Vec::with_capacity(inputs.len());
        for (nth, input) in (0..).zip(inputs) {
            let at = Position { seq, nth };
            positions.push(at);
            self.inbox.push_back(Waiting {
                at,
                input: Some(input),
                rules: rules.clone(),
            });
        }
        cycle.replies.push((reply, positions));
    }

    /// Stages something that the ledger itself has to tell.
    fn record_raised(&mut self, input: Input, cycle: &mut Cycle) {
        let record = Record::Recorded {
            at: self.now(),
            inputs: vec![input.clone()],
        };
        let seq = self.stage(&record, cycle);
        self.inbox.push_back(Waiting {
            at: Position { seq, nth: 0 },
            input: Some(input),
            rules: None,
        });
    }

    fn stage(&mut self, record: &Record, cycle: &mut Cycle) -> u64 {
        self.stage_bytes(record, record.to_bytes(), cycle)
    }

    fn stage_bytes(&mut self, record: &Record, bytes: Vec<u8>, cycle: &mut Cycle) -> u64 {
        let seq = cycle.next_seq;
        cycle.next_seq += 1;
        cycle.bytes += bytes.len();
        cycle.group.push(bytes);
        self.store.stage(seq, record);
        seq
    }

    /// Decides for a while: inbox, attempts and deadlines in turn, so that none waits behind the others.
    fn decide(&mut self, cycle: &mut Cycle) -> Result<()> {
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
                self.decide_kept(waiting, cycle)?;
            }
            if let Some(attempt) = self.tried.pop_front() {
                is_idle = false;
                self.decide_tried(attempt, cycle)?;
            }
            if let Some((deadline, at)) = self.due(cycle)? {
                is_idle = false;
                if self.needs_what_is_staged(&deadline)? {
                    self.postpone(deadline, cycle);
                    return Ok(());
                }
                let context = self.deadline_context(&deadline)?;
                match &deadline {
                    Deadline::Expire { delivery } => cycle.hint.decided.push(delivery.clone()),
                    Deadline::Endpoint { endpoint } => cycle.hint.vanished.push(endpoint.clone()),
                    Deadline::Tell { .. } | Deadline::Retention => {}
                }
                self.decide_here(Input::Due { deadline, at }, &context, cycle);
            }
            if is_idle || began.elapsed() >= CYCLE_DECIDES || cycle.bytes >= 2 * CYCLE_BYTES {
                return Ok(());
            }
        }
    }

    fn decide_tried(&mut self, attempt: Attempt, cycle: &mut Cycle) -> Result<()> {
        cycle.hint.decided.push(attempt.delivery.clone());
        let context = Context::Tried(self.store.view().tried_context(&attempt)?);
        let input = Input::Tried {
            attempt: attempt.clone(),
        };
        self.decide_here(input, &context, cycle);
        cycle.undo.push(Undo::Tried(attempt));
        Ok(())
    }

    /// Something a lane noticed, or the earliest deadline if its time has come.
    fn due(&mut self, cycle: &mut Cycle) -> Result<Option<(Deadline, Time)>> {
        let now = self.now();
        if let Some(noticed) = self.noticed.pop_front() {
            cycle.undo.push(Undo::Noticed(noticed.clone()));
            return Ok(Some((noticed, now)));
        }
        Ok(self.store.view().next_wake()?.filter(|(_, at)| *at <= now))
    }

    /// Whether a decision would read records that only this cycle has staged: they are not in the journal yet.
    fn needs_what_is_staged(&self, deadline: &Deadline) -> Result<bool> {
        let (view, from) = (self.store.view(), self.journal.next());
        match deadline {
            Deadline::Tell { series, part } => view.gathers_from_journal(series, *part, from),
            Deadline::Endpoint { endpoint } => view.was_told_since(endpoint, from),
            Deadline::Expire { .. } | Deadline::Retention => Ok(false),
        }
    }

    /// Leaves a deadline to the next cycle, which begins with it.
    fn postpone(&mut self, deadline: Deadline, cycle: &mut Cycle) {
        self.has_postponed = true;
        if matches!(cycle.undo.last(), Some(Undo::Noticed(noticed)) if *noticed == deadline) {
            cycle.undo.pop();
            self.noticed.push_front(deadline);
        }
    }

    fn decide_kept(&mut self, waiting: Waiting, cycle: &mut Cycle) -> Result<()> {
        let input = match &waiting.input {
            Some(input) => Some(input.clone()),
            None => context::unless_lost(context::input(&self.shared.journal, waiting.at))?,
        };
        let of = Of::Kept { at: waiting.at };
        let is_lost = self
            .store
            .view()
            .decided_through()?
            .is_some_and(|last| waiting.at <= last);
        match input {
            _ if is_lost => self.decided(of, &Asked::Unread, &Context::Lost(Why::DecisionLost), cycle),
            None => self.decided(of, &Asked::Unread, &Context::Lost(Why::InputLost), cycle),
            Some(Input::Heard { event }) => {
                let heard = Context::Hear(self.store.view().hear_context(&event, &self.rules)?);
                let event = &event;
                self.decided(of, &Asked::Event { at: waiting.at, event }, &heard, cycle);
            }
            Some(input @ Input::Rules { .. }) => self.decide_rules(&waiting, &input, cycle)?,
            Some(ref input @ Input::RuleTexts { .. }) => {
                self.decided(of, &Asked::Input(input), &Context::Lost(Why::PartOfAChange), cycle);
            }
            Some(
                ref input @ Input::Commanded {
                    command: Command::Redeliver { ref delivery },
                    ..
                },
            ) => {
                let context = Context::Delivery(self.store.view().known(delivery)?);
                self.decided(of, &Asked::Input(input), &context, cycle);
            }
            _ => bail!("the input {} is of a kind that is never recorded", waiting.at),
        }
        cycle.undo.push(Undo::Inbox(waiting));
        Ok(())
    }

    /// Rules change between two inputs: those before are decided by the old ones, those after by the new ones.
    fn decide_rules(&mut self, waiting: &Waiting, input: &Input, cycle: &mut Cycle) -> Result<()> {
        let next = match &waiting.rules {
            Some(rules) => rules.clone(),
            None => self.compile_with(input)?,
        };
        let change = RulesChange {
            recorded: waiting.at,
            earlier: self
                .earlier_texts(input)?
                .iter()
                .map(|(file, _)| file.clone())
                .collect(),
            before: self.store.view().revision_at(u64::MAX)?,
            broken: self.store.view().broken()?,
        };
        // whose address is gone is looked at by its lane, which knows whether an attempt is under way
        let pending = self.store.view().endpoints_with_work()?;
        cycle
            .hint
            .endpoints
            .extend(pending.into_iter().filter(|endpoint| next.endpoint(endpoint).is_none()));
        self.decided(
            Of::Kept { at: waiting.at },
            &Asked::Input(input),
            &Context::Rules(change),
            cycle,
        );
        cycle.rules_before.get_or_insert_with(|| self.rules.clone());
        self.rules = next;
        Ok(())
    }

    /// The files of a change that were recorded before it, with their sealed texts.
    fn earlier_texts(&self, input: &Input) -> Result<Vec<(FileInForce, String)>> {
        let Input::Rules { texts, .. } = input else {
            return Ok(Vec::new());
        };
        let mut earlier = Vec::new();
        for at in texts {
            let Some(Input::RuleTexts { files }) = context::unless_lost(context::input(&self.shared.journal, *at))?
            else {
                continue;
            };
            for (nth, file) in (0..).zip(files) {
                let (path, digest) = (file.path, file.digest);
                earlier.push((
                    FileInForce {
                        path,
                        digest,
                        nth,
                        recorded: Some(*at),
                    },
                    file.sealed,
                ));
            }
        }
        Ok(earlier)
    }

    /// The rules after a recorded change, made from what is in force and the change itself: for a start after a crash.
    fn compile_with(&self, input: &Input) -> Result<Arc<RuleSet>> {
        let Input::Rules {
            files,
            removed,
            settings,
            ..
        } = input
        else {
            bail!("only a change of rules can be compiled")
        };
        let mut texts: BTreeMap<String, String> = open::texts_in_force(self.store.view(), &self.shared.journal)?
            .into_iter()
            .collect();
        for path in removed {
            texts.remove(path);
        }
        texts.extend(
            self.earlier_texts(input)?
                .into_iter()
                .map(|(file, sealed)| (file.path, sealed)),
        );
        texts.extend(files.iter().map(|file| (file.path.clone(), file.sealed.clone())));
        let settings = match settings {
            Some(settings) => Some(Some(settings.clone())),
            None => context::unless_lost(open::settings_in_force(self.store.view(), &self.shared.journal))?,
        };
        if settings.is_none() {
            texts.clear(); // as in `open`: nothing is decided by rules whose settings are lost
        }
        let texts: Vec<(String, String)> = texts.into_iter().collect();
        let compiled = open::compile_what_can_be(&self.settings, texts, settings.flatten().as_deref());
        Ok(Arc::new(compiled?))
    }

    fn decide_here(&mut self, input: Input, context: &Context, cycle: &mut Cycle) {
        let of = Of::Here(input.clone());
        self.decided(of, &Asked::Input(&input), context, cycle);
    }

    /// Evaluates and stages.
    fn decided(&mut self, of: Of, asked: &Asked<'_>, context: &Context, cycle: &mut Cycle) {
        let now = self.now();
        let changes = evaluate(asked, context, &self.rules, now);
        let raised: Vec<(u32, Input)> = (0..)
            .zip(&changes)
            .filter_map(|(nth, change)| match change {
                Change::Raised { event } => Some((nth, Input::Heard { event: event.clone() })),
                _ => None,
            })
            .collect();
        cycle
            .hint
            .endpoints
            .extend(changes.iter().filter_map(endpoint_of).cloned());
        let record = Record::Decided {
            at: now,
            of,
            by: self.revision(),
            changes,
        };
        let seq = self.stage(&record, cycle);
        self.upkeep.thinning.note(seq, &record);
        cycle.decisions += 1;
        for (nth, input) in raised {
            self.inbox.push_back(Waiting {
                at: Position { seq, nth },
                input: Some(input),
                rules: None,
            });
        }
    }

    fn revision(&self) -> Revision {
        self.rules.revision.clone()
    }

    fn deadline_context(&self, deadline: &Deadline) -> Result<Context> {
        let view = self.store.view();
        Ok(match deadline {
            Deadline::Tell { series, part } => {
                let mut gathered = view.tell_context(series, *part, &self.shared.journal)?;
                gathered.public_url.clone_from(&self.settings.public_url);
                Context::Tell(Box::new(gathered))
            }
            Deadline::Endpoint { endpoint } => {
                Context::Endpoint(view.endpoint_context(endpoint, &self.shared.journal)?)
            }
            Deadline::Expire { delivery } => Context::Delivery(view.known(delivery)?),
            Deadline::Retention => self.retention_context()?,
        })
    }

    /// Writes the cycle's group, syncs it, brings the store up, answers, tells the lanes.
    fn write(&mut self, mut cycle: Cycle) -> Result<()> {
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
        self.commit(cycle.next_seq - 1)?;
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
        figures.inbox.store(self.inbox.len(), Ordering::Relaxed);
    }

    /// The disk is full: nothing of the cycle happened. Who wanted to record is told; the rest waits.
    fn put_back(&mut self, cycle: Cycle) {
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
        for undo in cycle.undo.into_iter().rev() {
            match undo {
                Undo::Inbox(waiting) if waiting.at.seq < first => self.inbox.push_front(waiting),
                Undo::Inbox(_) => {}
                Undo::Tried(attempt) => self.tried.push_front(attempt),
                Undo::Noticed(deadline) => self.noticed.push_front(deadline),
            }
        }
        for (reply, _) in cycle.replies {
            let _ = reply.send(Err(Refused::NoSpace));
        }
        self.no_space_until = Some(Instant::now() + NO_SPACE_WAIT);
    }

    fn answer_decided(&mut self) {
        let first = self.inbox.front().map(|waiting| waiting.at);
        for (at, reply) in std::mem::take(&mut self.decided_waits) {
            match first.is_none_or(|first| at < first) {
                true => drop(reply.send(())),
                false => self.decided_waits.push((at, reply)),
            }
        }
    }

    fn answer_idle(&mut self) {
        let has_work =
            !self.backlog.is_empty() || !self.inbox.is_empty() || !self.tried.is_empty() || !self.noticed.is_empty();
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
        // a store that found no space is as good as before, and building another one would take more
        if space::is_cause(&self.settings.state, error) {
            return;
        }
        if let Err(error) = trust::withdraw(&self.settings.state) {
            tracing::error!(
                error = format!("{error:#}"),
                "trust in the store could not be withdrawn"
            );
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

/// The endpoint whose lane a change concerns.
fn endpoint_of(change: &Change) -> Option<&EndpointId> {
    match change {
        Change::Delivery { delivery, .. } => Some(&delivery.endpoint),
        Change::Attempted { place, .. } | Change::Ended { place, .. } | Change::Requeued { place, .. } => {
            Some(&place.endpoint)
        }
        _ => None,
    }
}

/// A channel of submissions for a new ledger.
fn submissions() -> (Sender<Submission>, Receiver<Submission>) {
    channel()
}
