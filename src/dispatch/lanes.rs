//! One lane per endpoint: who is tried now, who waits, in order per incident.
//!
//! One thread looks at the store and prepares what is to be sent; the sending itself is asynchronous. What is told
//! here is a hint, the scan of the lane is the truth: a lane is looked at when the ledger says that something in it
//! changed, when its next time comes, and at the start. An attempt's end goes to the ledger as an input, and until the
//! ledger has written it down the delivery counts as under way.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::channel::Outcome;
use crate::clock::{Clock, Time};
use crate::delivery::{Attempt, Delivery, Place, Standing, State};
use crate::event::{Event, Position};
use crate::journal;
use crate::ledger::{Hint, Ledger};
use crate::message::Message;
use crate::notification::EndpointId;
use crate::record::Deadline;
use crate::store::{View, context};

use super::send::Senders;

/// How many attempts are under way at once, over all endpoints.
const UNDER_WAY_MOST: usize = 512;

/// How many of them one endpoint may have: a slow receiver holds few places.
const UNDER_WAY_PER_LANE: usize = 8;

/// How many incidents of a lane are looked at.
const HEADS_MOST: usize = 256;

/// How many events' texts are held for the messages that tell them.
const EVENTS_HELD: usize = 32;

/// How long the thread sleeps when nothing is due sooner.
const SLEEP_MOST: Duration = Duration::from_secs(1);

/// The lanes as everybody else holds them.
#[derive(Clone)]
pub struct Lanes(Sender<Signal>);

/// What the lanes are told.
pub enum Signal {
    /// Something was written down.
    Hint(Hint),
    /// An attempt ended: its place is free.
    Freed,
    /// Time was moved.
    Tick,
    /// Answer when nothing is under way and nothing is due.
    Idle(oneshot::Sender<()>),
    /// Start nothing more.
    Stop,
}

/// The thread's own things.
struct Dispatcher {
    ledger: Ledger,
    senders: Arc<Senders>,
    clock: Clock,
    runtime: tokio::runtime::Handle,
    attempts: TaskTracker,
    signals: Sender<Signal>,
    /// When each endpoint with work is to be looked at next.
    due: BTreeSet<(Time, EndpointId)>,
    next: HashMap<EndpointId, Time>,
    /// Deliveries whose attempt is under way, or ended and not written down yet, and those the ledger was asked to end.
    under_way: HashMap<EndpointId, HashSet<String>>,
    busy: HashMap<String, EndpointId>,
    running: usize,
    /// Endpoints that found no place free, in the order in which they asked.
    starved: VecDeque<EndpointId>,
    events: VecDeque<(Position, Arc<Event>)>,
    idle: Vec<oneshot::Sender<()>>,
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
            due: BTreeSet::new(),
            next: HashMap::new(),
            under_way: HashMap::new(),
            busy: HashMap::new(),
            running: 0,
            starved: VecDeque::new(),
            events: VecDeque::new(),
            idle: Vec::new(),
        };
        let now = dispatcher.clock.now();
        for endpoint in dispatcher
            .ledger
            .view()
            .endpoints_with_work()
            .context("reading the lanes")?
        {
            dispatcher.look_at(endpoint, now);
        }
        let run = move || {
            // without lanes nothing is delivered any more: better to start again
            let work = std::panic::AssertUnwindSafe(|| dispatcher.run(&signals));
            if std::panic::catch_unwind(work).is_err() {
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

    /// Looks at every lane whose time has come; says when the next one's comes.
    fn step(&mut self) -> Option<Time> {
        let now = self.clock.now();
        while let Some((at, endpoint)) = self.due.first().cloned()
            && at <= now
        {
            self.due.pop_first();
            self.next.remove(&endpoint);
            if let Err(error) = self.look(&endpoint, now) {
                tracing::error!(endpoint = %endpoint, error = format!("{error:#}"), "a lane could not be looked at; it is tried again");
                self.look_at(endpoint, now + chrono::Duration::seconds(5));
                if !error.chain().any(|cause| cause.is::<journal::Error>()) {
                    self.ledger.doubt(error);
                }
            }
        }
        if self.running == 0 && self.under_way.is_empty() && self.due.first().is_none_or(|(at, _)| *at > now) {
            for reply in self.idle.drain(..) {
                let _ = reply.send(());
            }
        }
        self.due.first().map(|(at, _)| *at)
    }

    fn take(&mut self, signal: Signal) -> std::ops::ControlFlow<()> {
        match signal {
            Signal::Hint(hint) => self.hinted(hint),
            Signal::Freed => {
                self.running -= 1;
                let now = self.clock.now();
                if let Some(endpoint) = self.starved.pop_front() {
                    self.look_at(endpoint, now);
                }
            }
            Signal::Tick => {}
            Signal::Idle(reply) => self.idle.push(reply),
            Signal::Stop => return std::ops::ControlFlow::Break(()),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn hinted(&mut self, hint: Hint) {
        let now = self.clock.now();
        for delivery in hint.decided {
            self.release(&delivery);
        }
        for endpoint in hint.vanished {
            for delivery in self.under_way.get(&endpoint).cloned().unwrap_or_default() {
                self.release(&delivery);
            }
            self.look_at(endpoint, now);
        }
        for endpoint in hint.endpoints {
            self.look_at(endpoint, now);
        }
    }

    fn release(&mut self, delivery: &str) {
        let Some(endpoint) = self.busy.remove(delivery) else {
            return;
        };
        if let Some(lane) = self.under_way.get_mut(&endpoint) {
            lane.remove(delivery);
            if lane.is_empty() {
                self.under_way.remove(&endpoint);
            }
        }
        let now = self.clock.now();
        self.look_at(endpoint, now);
    }

    fn hold(&mut self, endpoint: &EndpointId, delivery: &str) {
        self.busy.insert(delivery.to_owned(), endpoint.clone());
        self.under_way
            .entry(endpoint.clone())
            .or_default()
            .insert(delivery.to_owned());
    }

    /// Sees to it that an endpoint is looked at no later than `at`.
    fn look_at(&mut self, endpoint: EndpointId, at: Time) {
        if let Some(before) = self.next.get(&endpoint).copied() {
            if before <= at {
                return;
            }
            self.due.remove(&(before, endpoint.clone()));
        }
        self.next.insert(endpoint.clone(), at);
        self.due.insert((at, endpoint));
    }

    /// Starts what may start in a lane.
    fn look(&mut self, endpoint: &EndpointId, now: Time) -> Result<()> {
        let view = self.ledger.view();
        let heads = view.heads(endpoint, HEADS_MOST)?;
        if heads.is_empty() {
            return Ok(());
        }
        if self.ledger.rules().endpoint(endpoint).is_none() {
            self.vanished(endpoint, &heads);
            return Ok(());
        }
        for (place, standing) in heads {
            let State::Scheduled { at, expires } = standing.state else {
                continue;
            };
            if self.busy.contains_key(&place.delivery) {
                continue;
            }
            if expires <= now {
                self.hold(endpoint, &place.delivery);
                self.ledger.notice(Deadline::Expire {
                    delivery: place.delivery,
                });
            } else if at > now {
                self.look_at(endpoint.clone(), at);
            } else if self.lane_is_full(endpoint) {
                break; // it is looked at again when one of its own attempts is written down
            } else if self.running >= UNDER_WAY_MOST {
                self.starved.push_back(endpoint.clone());
                break;
            } else {
                self.begin(&view, &place, &standing, now)?;
            }
        }
        Ok(())
    }

    fn lane_is_full(&self, endpoint: &EndpointId) -> bool {
        self.under_way.get(endpoint).map_or(0, HashSet::len) >= UNDER_WAY_PER_LANE
    }

    /// No rule file names this endpoint any more: the ledger moves or ends what waits for it.
    fn vanished(&mut self, endpoint: &EndpointId, heads: &[(Place, Standing)]) {
        if heads.iter().any(|(place, _)| self.busy.contains_key(&place.delivery)) {
            return;
        }
        for (place, _) in heads {
            self.hold(endpoint, &place.delivery);
        }
        self.ledger.notice(Deadline::Endpoint {
            endpoint: endpoint.clone(),
        });
    }

    /// Prepares one attempt and lets it run.
    fn begin(&mut self, view: &View, place: &Place, standing: &Standing, now: Time) -> Result<()> {
        let number = standing.attempts + 1;
        let prepared = context::unless_lost(self.prepare(view, place))?;
        self.hold(&place.endpoint, &place.delivery);
        let Some((delivery, message)) = prepared else {
            self.unsendable(place, number, now);
            return Ok(());
        };
        self.running += 1;
        let (ledger, senders, clock, signals) = (
            self.ledger.clone(),
            self.senders.clone(),
            self.clock.clone(),
            self.signals.clone(),
        );
        let rules = self.ledger.rules();
        self.attempts.spawn_on(
            async move {
                let (outcome, digest) = senders.attempt(&delivery, &message, &rules).await;
                let attempt = Attempt {
                    delivery: delivery.id.clone(),
                    number,
                    started: now,
                    ended: clock.now(),
                    outcome,
                    digest,
                };
                log(&delivery, &attempt);
                ledger.figures().attempted(delivery.channel, &attempt.outcome);
                ledger.tried(attempt);
                let _ = signals.send(Signal::Freed);
            },
            &self.runtime,
        );
        Ok(())
    }

    /// What a delivery says stood in a part of the journal that is damaged: it is dead, for that reason.
    fn unsendable(&self, place: &Place, number: u32, now: Time) {
        tracing::error!(delivery = place.delivery, "the content of a delivery is lost");
        let outcome = Outcome::Refused {
            why: "its content stood in a damaged part of the journal".to_owned(),
        };
        self.ledger.tried(Attempt {
            delivery: place.delivery.clone(),
            number,
            started: now,
            ended: now,
            outcome,
            digest: String::new(),
        });
    }

    fn prepare(&mut self, view: &View, place: &Place) -> Result<(Delivery, Message)> {
        let (delivery, told, _) = view.delivery(&place.delivery)?.context("the delivery is not known")?;
        let message = self.message(view, &delivery, told)?;
        Ok((delivery, message))
    }

    fn message(&mut self, view: &View, delivery: &Delivery, told: Position) -> Result<Message> {
        let mut told = context::told(self.ledger.journal(), told)?;
        told.carries = view.carried(&delivery.id)?;
        let event = self.event(delivery.event)?;
        Ok(Message {
            id: delivery.id.clone(),
            created: delivery.created,
            told,
            event: (*event).clone(),
        })
    }

    /// An event's text, held for the other messages that tell it.
    fn event(&mut self, at: Position) -> Result<Arc<Event>> {
        if let Some((_, event)) = self.events.iter().find(|(position, _)| *position == at) {
            return Ok(event.clone());
        }
        let event = Arc::new(context::event(self.ledger.journal(), at)?);
        self.events.push_back((at, event.clone()));
        if self.events.len() > EVENTS_HELD {
            self.events.pop_front();
        }
        Ok(event)
    }
}

/// One line per attempt: ids, never addresses.
fn log(delivery: &Delivery, attempt: &Attempt) {
    let (delivery_id, number, channel, customer) = (
        &attempt.delivery,
        attempt.number,
        delivery.channel.word(),
        delivery.customer.as_str(),
    );
    match &attempt.outcome {
        Outcome::Delivered => tracing::info!(
            delivery = delivery_id,
            number,
            channel,
            customer,
            tracking_id = delivery.tracking_id,
            "delivered"
        ),
        Outcome::Retry { why, .. } => tracing::warn!(
            delivery = delivery_id,
            number,
            channel,
            customer,
            why,
            "an attempt failed; it is tried again"
        ),
        Outcome::Refused { why } | Outcome::Gone { why } => tracing::warn!(
            delivery = delivery_id,
            number,
            channel,
            customer,
            why,
            "refused for good"
        ),
    }
}
