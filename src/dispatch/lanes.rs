//! One lane per endpoint: who is tried now, who waits, in order per incident.
//!
//! One thread looks at the store and prepares what is to be sent; the sending itself is asynchronous. What is told
//! here is a hint, what the store says is the truth: a lane is looked at when the ledger says that something in it
//! changed, when its next time comes, when a slot is free for which it waited, and at the start. Then it is gone through
//! as a whole, once, in parts; later looks read what is due and what was changed. An attempt's end goes to the ledger as
//! an input, and until the ledger has written it down the delivery counts as under way: nothing else of its incident
//! starts in its lane.
//!
//! `look` is one look at a lane, `slots` says who may start, `waiting` what is to be looked at when, `attempt` makes one
//! attempt.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, Time};
use crate::delivery::{LaneKey, Standing, State};
use crate::incident::IncidentId;
use crate::ledger::{Hint, Ledger};
use crate::notification::EndpointId;

use super::send::Senders;
use super::smtp::CONNECTIONS_MAX;
use attempt::Texts;
use failures::Failures;
use slots::{Class, Slots};
use waiting::{HELD_MOST, Waiting};

mod attempt;
mod failures;
mod look;
mod slots;
mod waiting;

/// How many webhooks are under way at once, over all endpoints. Of mails there are as many as there are connections to
/// the relay: who waits for one of these waits in its lane.
const UNDER_WAY_MOST: usize = 512;

/// Of how many endpoints it is remembered that they work; then all are forgotten, and are new.
const REMEMBERED_MOST: usize = 65_536;

/// When something that could not be read is looked at again, in seconds.
const LOOK_AGAIN_SECONDS: i64 = 5;

/// How long the thread sleeps when nothing is due sooner.
const SLEEP_MOST: Duration = Duration::from_secs(1);

/// The lanes as everybody else holds them.
#[derive(Clone)]
pub struct Lanes(Sender<Signal>);

/// What the lanes are told.
pub enum Signal {
    /// Something was written down.
    Hint(Hint),
    /// An attempt ended: its slot is free.
    Freed(Freed),
    /// What these endpoints need came or changed: what waits in their lanes after a failed attempt is tried now.
    Woken(Vec<EndpointId>),
    /// Time was moved.
    Tick,
    /// Answer when nothing is under way and nothing is due.
    Idle(oneshot::Sender<()>),
    /// Start nothing more.
    Stop,
}

/// The slot of an attempt that ended.
pub struct Freed {
    endpoint: EndpointId,
    class: Class,
    /// Whether it failed or took long.
    is_bad: bool,
}

/// The thread's own things.
struct Dispatcher {
    ledger: Ledger,
    senders: Arc<Senders>,
    clock: Clock,
    runtime: tokio::runtime::Handle,
    attempts: TaskTracker,
    signals: Sender<Signal>,
    slots: Slots,
    texts: Texts,
    /// When each endpoint with work is to be looked at next.
    due: BTreeSet<(Time, EndpointId)>,
    lanes: HashMap<EndpointId, Lane>,
    /// Lanes that are gone through and not at their end yet.
    going_through: VecDeque<EndpointId>,
    /// Everything that is under way in any lane.
    busy: HashMap<String, EndpointId>,
    /// Endpoints whose last attempt was answered in time, also those without work now.
    working: HashSet<EndpointId>,
    /// Endpoints that are in no rule file any more, and with which the ledger was asked to deal.
    vanishing: HashSet<EndpointId>,
    /// What the log says of endpoints that fail.
    failures: Arc<Mutex<Failures>>,
    idle: Vec<oneshot::Sender<()>>,
}

/// What is remembered of a lane with work.
#[derive(Default)]
struct Lane {
    next: Option<Time>,
    /// Deliveries whose attempt is under way, or ended and not written down yet, and those the ledger was asked to end.
    under_way: HashMap<String, IncidentId>,
    /// Whether the last attempt failed or took long, if any was made since the start.
    is_bad: Option<bool>,
    /// What is to be looked at, and when.
    waiting: Waiting,
    /// What is looked at: still there after a panic.
    considered: Option<IncidentId>,
    /// Deliveries that are tried without waiting longer.
    woken: HashSet<String>,
}

impl Lanes {
    /// A channel to lanes that are started later: the ledger needs it first.
    pub fn channel() -> (Self, Receiver<Signal>) {
        let (sender, receiver) = channel();
        (Self(sender), receiver)
    }

    /// Tells the lanes something; after a stop nobody listens.
    pub fn signal(&self, signal: Signal) {
        let _ = self.0.send(signal);
    }

    /// Waits until nothing is under way and nothing is due.
    pub async fn idle(&self) {
        let (reply, answer) = oneshot::channel();
        self.signal(Signal::Idle(reply));
        let _ = answer.await;
    }

    /// Starts the thread; attempts run on the current runtime and are tracked by `attempts`.
    ///
    /// # Errors
    /// When the thread cannot be started or the lanes cannot be read.
    pub fn start(
        &self,
        signals: Receiver<Signal>,
        ledger: Ledger,
        senders: Senders,
        clock: Clock,
        attempts: TaskTracker,
    ) -> Result<std::thread::JoinHandle<()>> {
        let webhooks = UNDER_WAY_MOST.min(senders.webhooks_at_once_most());
        let mut dispatcher = Dispatcher {
            ledger,
            senders: Arc::new(senders),
            clock,
            runtime: tokio::runtime::Handle::current(),
            attempts,
            signals: self.0.clone(),
            slots: Slots::new(webhooks, CONNECTIONS_MAX),
            texts: Texts::default(),
            due: BTreeSet::new(),
            lanes: HashMap::new(),
            going_through: VecDeque::new(),
            busy: HashMap::new(),
            working: HashSet::new(),
            vanishing: HashSet::new(),
            failures: Arc::default(),
            idle: Vec::new(),
        };
        let now = dispatcher.clock.now();
        for endpoint in dispatcher
            .ledger
            .view()
            .endpoints_with_work()
            .context("reading the lanes")?
        {
            dispatcher.look_at(&endpoint, now);
        }
        let run = move || {
            // without lanes nothing is delivered any more: better to start again
            let work = AssertUnwindSafe(|| dispatcher.run(&signals));
            if catch_unwind(work).is_err() {
                dispatcher.ledger.doubt(anyhow!("the lanes ended in a panic"));
            }
        };
        std::thread::Builder::new()
            .name("lanes".into())
            .spawn(run)
            .context("starting the lanes' thread")
    }
}

impl Dispatcher {
    fn run(&mut self, signals: &Receiver<Signal>) {
        loop {
            let sleep = self.step().map_or(SLEEP_MOST, |next| {
                (next - self.clock.now()).to_std().unwrap_or_default().min(SLEEP_MOST)
            });
            let mut next = signals.recv_timeout(sleep).ok();
            while let Some(signal) = next {
                if self.take(signal).is_break() {
                    return;
                }
                next = signals.try_recv().ok();
            }
        }
    }

    /// Looks at every lane for which a slot became free, and at those whose time has come; says when the next one's
    /// comes. Who waited for a slot has it before others.
    fn step(&mut self) -> Option<Time> {
        let now = self.clock.now();
        self.slots.tell_apart(self.ledger.rules().customers.are_separate());
        while let Some(endpoint) = self.slots.next_starved() {
            self.visit(&endpoint, now);
        }
        while let Some((at, endpoint)) = self.due.first().cloned()
            && at <= now
        {
            self.due.pop_first();
            self.lane(&endpoint).next = None;
            self.visit(&endpoint, now);
        }
        // a part of each, so that none waits behind one that is long
        for _ in 0..self.going_through.len() {
            if let Some(endpoint) = self.going_through.pop_front() {
                self.visit(&endpoint, now);
            }
        }
        if !self.going_through.is_empty() {
            return Some(now);
        }
        let next = self.due.first().map(|(at, _)| *at);
        if self.slots.are_idle() && self.busy.is_empty() && self.vanishing.is_empty() {
            for reply in self.idle.drain(..) {
                let _ = reply.send(());
            }
        }
        next
    }

    fn take(&mut self, signal: Signal) -> std::ops::ControlFlow<()> {
        match signal {
            Signal::Hint(hint) => self.hinted(hint),
            Signal::Freed(freed) => self.freed(freed),
            Signal::Woken(endpoints) => {
                let now = self.clock.now();
                endpoints.iter().for_each(|endpoint| self.wake(endpoint, now));
            }
            Signal::Tick => {}
            Signal::Idle(reply) => self.idle.push(reply),
            Signal::Stop => return std::ops::ControlFlow::Break(()),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn freed(&mut self, freed: Freed) {
        self.slots.give_back(&freed.class);
        self.lane(&freed.endpoint).is_bad = Some(freed.is_bad);
        if self.working.len() >= REMEMBERED_MOST {
            self.working.clear();
        }
        match freed.is_bad {
            true => self.working.remove(&freed.endpoint),
            false => self.working.insert(freed.endpoint),
        };
    }

    fn hinted(&mut self, hint: Hint) {
        let now = self.clock.now();
        for delivery in hint.decided {
            self.release(&delivery, now);
        }
        for (endpoint, incident) in hint.incidents {
            self.lane(&endpoint).waiting.expect(incident, now);
            self.look_at(&endpoint, now);
        }
        for endpoint in &hint.vanished {
            self.vanishing.remove(endpoint);
        }
        for endpoint in hint.vanished.into_iter().chain(hint.endpoints) {
            self.lane(&endpoint).waiting.go_through_again();
            self.look_at(&endpoint, now);
        }
    }

    /// Notes what waits in a lane after a failed attempt, and has the lane looked at now.
    fn wake(&mut self, endpoint: &EndpointId, now: Time) {
        let view = self.ledger.view();
        let waits = |standing: &Standing| match standing.state {
            State::Scheduled { at, .. } => at > now && standing.attempts > 0,
            State::Ended { .. } => false,
        };
        let heads = view.heads(endpoint, None).take(HELD_MOST).filter_map(Result::ok);
        let woken: Vec<LaneKey> = heads
            .filter(|(_, standing)| waits(standing))
            .map(|(lane_key, _)| lane_key)
            .collect();
        if woken.is_empty() {
            return;
        }
        let lane = self.lane(endpoint);
        for lane_key in woken {
            lane.waiting.expect(lane_key.incident, now);
            lane.woken.insert(lane_key.delivery);
        }
        self.look_at(endpoint, now);
    }

    fn hold(&mut self, lane_key: &LaneKey) {
        self.lane(&lane_key.endpoint).woken.remove(&lane_key.delivery);
        self.busy.insert(lane_key.delivery.clone(), lane_key.endpoint.clone());
        self.lane(&lane_key.endpoint)
            .under_way
            .insert(lane_key.delivery.clone(), lane_key.incident.clone());
    }

    fn release(&mut self, delivery: &str, now: Time) {
        if let Some(endpoint) = self.busy.remove(delivery) {
            let lane = self.lane(&endpoint);
            if let Some(incident) = lane.under_way.remove(delivery) {
                lane.waiting.expect(incident, now);
            }
            self.look_at(&endpoint, now);
        }
    }

    fn lane(&mut self, endpoint: &EndpointId) -> &mut Lane {
        self.lanes.entry(endpoint.clone()).or_default()
    }

    /// Sees to it that an endpoint is looked at no later than `at`.
    fn look_at(&mut self, endpoint: &EndpointId, at: Time) {
        let before = self.lane(endpoint).next;
        if before.is_some_and(|before| before <= at) {
            return;
        }
        if let Some(before) = before {
            self.due.remove(&(before, endpoint.clone()));
        }
        self.lane(endpoint).next = Some(at);
        self.due.insert((at, endpoint.clone()));
    }

    /// Looks at a lane, whatever becomes of it: the others go on.
    fn visit(&mut self, endpoint: &EndpointId, now: Time) {
        let look = AssertUnwindSafe(|| self.look(endpoint, now));
        let looked = catch_unwind(look);
        if matches!(looked, Ok(Ok(()))) {
            return;
        }
        let again = now + chrono::Duration::seconds(LOOK_AGAIN_SECONDS);
        let lane = self.lane(endpoint);
        match lane.considered.take() {
            Some(incident) => lane.waiting.expect(incident, again),
            None => lane.waiting.go_through_again(),
        }
        self.look_at(endpoint, again);
        match looked {
            Ok(Err(error)) => {
                tracing::error!(endpoint = %endpoint, error = format!("{error:#}"), "a lane could not be looked at");
                self.ledger.doubt(error);
            }
            _ => tracing::error!(endpoint = %endpoint, "looking at a lane ended in a panic; it is looked at again"),
        }
    }
}
