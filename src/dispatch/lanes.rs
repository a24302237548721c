//! One lane per endpoint: who is tried now, who waits, in order per incident.
//!
//! One thread looks at the store and prepares what is to be sent; the sending itself is asynchronous. What is told
//! here is a hint, the scan of the lane is the truth: a lane is looked at when the ledger says that something in it
//! changed, when its next time comes, when a slot is free for which it waited, and at the start. An attempt's end goes
//! to the ledger as an input, and until the ledger has written it down the delivery counts as under way: nothing else of
//! its incident starts in its lane.
//!
//! `slots` says who may start, `attempt` makes one attempt.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, Time};
use crate::delivery::{LaneKey, Standing, State};
use crate::incident::IncidentId;
use crate::ledger::{Hint, Ledger};
use crate::notification::EndpointId;
use crate::record::Deadline;
use crate::store::View;

use super::send::Senders;
use super::smtp::CONNECTIONS_MAX;
use attempt::Texts;
use slots::{Class, Route, Slots, Standing as LaneStanding};

mod attempt;
mod slots;

/// How many webhooks are under way at once, over all endpoints. Of mails there are as many as there are connections to
/// the relay: who waits for one of these waits in its lane.
const UNDER_WAY_MOST: usize = 512;

/// How many of them one endpoint may have: a slow receiver holds few slots.
const UNDER_WAY_PER_LANE: usize = 8;

/// How many of them an endpoint may have whose last attempt failed.
const UNDER_WAY_PER_FAILING_LANE: usize = 1;

/// How many incidents of a lane one look goes through; the next look goes on behind them.
const HEADS_MOST: usize = 4_096;

/// Of how many endpoints it is remembered that they work; then all are forgotten, and are new.
const REMEMBERED_MOST: usize = 65_536;

/// When a lane with more incidents than that is looked at again, in seconds.
const GO_ON_SECONDS: i64 = 1;

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
    /// Everything that is under way in any lane.
    busy: HashMap<String, EndpointId>,
    /// Endpoints whose last attempt was answered in time, also those without work now.
    working: HashSet<EndpointId>,
    /// Endpoints that are in no rule file any more, and with which the ledger was asked to deal.
    vanishing: HashSet<EndpointId>,
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
    /// Deliveries that are tried without waiting longer.
    woken: HashSet<String>,
    /// The incident behind which the next look begins, so that each has its turn.
    after: Option<IncidentId>,
}

/// What is to be done about the first delivery of an incident.
enum Head {
    /// Nothing more: it is under way now, or must wait for what is.
    Done,
    /// It may be looked at then.
    Later(Time),
    /// Nothing more can start in this lane; it is looked at when a slot is free.
    NoSlot,
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
        let mut dispatcher = Dispatcher {
            ledger,
            senders: Arc::new(senders),
            clock,
            runtime: tokio::runtime::Handle::current(),
            attempts,
            signals: self.0.clone(),
            slots: Slots::new(UNDER_WAY_MOST, CONNECTIONS_MAX),
            texts: Texts::default(),
            due: BTreeSet::new(),
            lanes: HashMap::new(),
            busy: HashMap::new(),
            working: HashSet::new(),
            vanishing: HashSet::new(),
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
        for endpoint in hint.vanished {
            self.vanishing.remove(&endpoint);
            self.look_at(&endpoint, now);
        }
        for endpoint in hint.endpoints {
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
        let heads = view.heads(endpoint, None).take(HEADS_MOST).filter_map(Result::ok);
        let woken: Vec<String> = heads
            .filter(|(_, standing)| waits(standing))
            .map(|(lane_key, _)| lane_key.delivery)
            .collect();
        if !woken.is_empty() {
            self.lane(endpoint).woken.extend(woken);
            self.look_at(endpoint, now);
        }
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
            self.lane(&endpoint).under_way.remove(delivery);
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
        self.look_at(endpoint, now + chrono::Duration::seconds(LOOK_AGAIN_SECONDS));
        match looked {
            Ok(Err(error)) => {
                tracing::error!(endpoint = %endpoint, error = format!("{error:#}"), "a lane could not be looked at");
                self.ledger.doubt(error);
            }
            _ => tracing::error!(endpoint = %endpoint, "looking at a lane ended in a panic; it is looked at again"),
        }
    }

    /// Starts what may start in a lane.
    fn look(&mut self, endpoint: &EndpointId, now: Time) -> Result<()> {
        if self.vanishing.contains(endpoint) {
            return Ok(()); // it is looked at again when the ledger has dealt with it
        }
        let view = self.ledger.view();
        let mut heads = view.heads(endpoint, self.lane(endpoint).after.as_ref()).peekable();
        if heads.peek().is_none() {
            self.forget(endpoint);
            return Ok(());
        }
        let rules = self.ledger.rules();
        match rules.endpoint(endpoint) {
            None => self.vanished(endpoint),
            Some((_, _, address)) => {
                let route = Route::of(address.channel());
                if let Some(next) = self.go_through(&view, route, heads, now)? {
                    self.look_at(endpoint, next);
                }
            }
        }
        Ok(())
    }

    /// Goes through the first deliveries of a lane's incidents; says when the lane is to be looked at next, if not only
    /// when something in it changes.
    fn go_through(
        &mut self,
        view: &View,
        route: Route,
        heads: impl Iterator<Item = Result<(LaneKey, Standing)>>,
        now: Time,
    ) -> Result<Option<Time>> {
        let mut next: Option<Time> = None;
        for (nth, head) in (1..).zip(heads) {
            let (lane_key, standing) = head?;
            let mut later = match self.consider(view, route, &lane_key, &standing, now)? {
                Head::Done => None,
                Head::Later(at) => Some(at),
                Head::NoSlot => break,
            };
            if nth == HEADS_MOST {
                later = Some(now + chrono::Duration::seconds(GO_ON_SECONDS));
                self.lane(&lane_key.endpoint).after = Some(lane_key.incident);
            }
            next = next.into_iter().chain(later).min();
            if nth == HEADS_MOST {
                break;
            }
        }
        Ok(next)
    }

    /// Starts a delivery if it may start.
    fn consider(
        &mut self,
        view: &View,
        route: Route,
        lane_key: &LaneKey,
        standing: &Standing,
        now: Time,
    ) -> Result<Head> {
        let State::Scheduled { at, expires } = standing.state else {
            return Ok(Head::Done);
        };
        let lane = self.lane(&lane_key.endpoint);
        if lane.under_way.values().any(|incident| *incident == lane_key.incident) {
            return Ok(Head::Done); // order: what came later may stand before what is under way
        }
        // what waited through an outage is tried once before it may expire; what only damage brought back is not
        if expires <= now && view.lost()?.is_some_and(|lost| expires <= lost) {
            self.hold(lane_key);
            self.ledger.notice(Deadline::Expire {
                delivery: lane_key.delivery.clone(),
            });
            return Ok(Head::Done);
        }
        if at > now && !self.lane(&lane_key.endpoint).woken.contains(&lane_key.delivery) {
            return Ok(Head::Later(at));
        }
        let class = Class {
            route,
            customer: lane_key.customer.clone(),
            standing: self.standing_of(&lane_key.endpoint, standing),
        };
        if self.lane(&lane_key.endpoint).is_full(class.standing) {
            return Ok(Head::NoSlot); // it is looked at again when one of its own attempts is written down
        }
        if !self.slots.has_room(&class) {
            self.slots.starve(class, &lane_key.endpoint);
            return Ok(Head::NoSlot);
        }
        self.begin(view, lane_key, standing, class, now)
    }

    /// What is known of a lane; before the first attempt since the start, what its first delivery went through.
    fn standing_of(&mut self, endpoint: &EndpointId, first: &Standing) -> LaneStanding {
        match self.lane(endpoint).is_bad.unwrap_or(first.attempts > 0) {
            true => LaneStanding::Fails,
            false if self.working.contains(endpoint) => LaneStanding::Works,
            false => LaneStanding::New,
        }
    }

    /// Nothing waits in a lane.
    fn forget(&mut self, endpoint: &EndpointId) {
        let lane = self.lane(endpoint);
        if lane.under_way.is_empty() && lane.next.is_none() {
            self.lanes.remove(endpoint);
        }
    }

    /// No rule file names this endpoint any more: the ledger moves or ends what waits for it, as soon as nothing of it is
    /// under way.
    fn vanished(&mut self, endpoint: &EndpointId) {
        if self.lane(endpoint).under_way.is_empty() {
            self.vanishing.insert(endpoint.clone());
            self.ledger.notice(Deadline::Endpoint {
                endpoint: endpoint.clone(),
            });
        }
    }
}

impl Lane {
    fn is_full(&self, standing: LaneStanding) -> bool {
        let most = match standing {
            LaneStanding::Fails => UNDER_WAY_PER_FAILING_LANE,
            LaneStanding::Works | LaneStanding::New => UNDER_WAY_PER_LANE,
        };
        self.under_way.len() >= most
    }
}
