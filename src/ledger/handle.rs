//! The ledger as everybody else holds it: what may be asked of the writing thread, and what may be read beside it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use super::{Compile, Figures, Followers, Past, Submission, space};
use crate::customer::CustomerId;
use crate::delivery::Attempt;
use crate::incident::IncidentId;
use crate::journal;
use crate::journal::Position;
use crate::notification::EndpointId;
use crate::record::{Command, Deadline, Input};
use crate::rule::RuleSet;
use crate::store::{Reader, View};

/// The most that waits to be recorded; beyond it intake is told to come again.
const WAITING_MOST: usize = 8_192;

/// The ledger as everybody else holds it.
#[derive(Clone)]
pub struct Ledger {
    pub(super) submit: Sender<Submission>,
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) is_failed: Arc<AtomicBool>,
    pub(super) rules: Arc<ArcSwap<RuleSet>>,
    pub(super) reader: Reader,
    pub(super) journal: journal::Reader,
    pub(super) compile: Compile,
    /// When reviews are due, and how large an incident must be for them.
    pub(super) reviews: Arc<crate::incident::reviews::Terms>,
    pub(super) figures: Arc<Figures>,
    pub(super) state: Arc<Path>,
    pub(super) changing_rules: Arc<tokio::sync::Mutex<()>>,
    pub(super) followers: Followers,
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
    /// Endpoints of which everything is to be looked at anew.
    pub endpoints: BTreeSet<EndpointId>,
    /// Incidents of which there is something new for an endpoint.
    pub incidents: BTreeSet<(EndpointId, IncidentId)>,
    /// Deliveries that lanes had to do with and that are decided now: an attempt written down, an end.
    pub decided: Vec<String>,
    /// Endpoints that are in no rule file any more and were dealt with.
    pub vanished: Vec<EndpointId>,
}

impl Hint {
    /// Adds what else the lanes are to be told.
    pub(super) fn add(&mut self, other: Self) {
        self.endpoints.extend(other.endpoints);
        self.incidents.extend(other.incidents);
        self.decided.extend(other.decided);
        self.vanished.extend(other.vanished);
    }
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

    /// The same, for nobody who waits: what is refused is asked for again later.
    pub fn ask(&self, by: &str, command: Command) {
        let (reply, _) = oneshot::channel();
        let by = by.to_owned();
        let inputs = vec![Input::Commanded { by, command }];
        let rules = None;
        let _ = self.submit.send(Submission::Record { inputs, rules, reply });
    }

    /// Held by whoever makes other rules out of those in force, until they are in force: changes of rules are made one
    /// after the other, or one would bring back what another one has just ended.
    pub async fn turn_to_change_rules(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.changing_rules.clone().lock_owned().await
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

    /// The rules by which events were decided, a customer's or everybody's, as far as `view` knows.
    pub fn past(&self, view: View, customer: Option<CustomerId>) -> Past {
        let (journal, compile) = (self.journal.clone(), self.compile.clone());
        Past::new(view, journal, compile, self.rules(), customer, self.reviews.clone())
    }

    /// What can be looked up now.
    pub fn view(&self) -> View {
        self.reader.view()
    }

    /// Which incidents have changed, for those who follow.
    pub fn followers(&self) -> &Followers {
        &self.followers
    }

    /// The journal, for texts.
    pub fn journal(&self) -> &journal::Reader {
        &self.journal
    }

    /// What is free on the disk of the state directory; `None` where that cannot be seen.
    pub fn free_bytes(&self) -> Option<u64> {
        space::available(&self.state)
    }

    /// Whether so little is free that nothing more is taken in.
    pub fn is_short_of_space(&self, free_bytes: Option<u64>) -> bool {
        space::is_short(free_bytes)
    }

    /// Counters and gauges.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }
}
