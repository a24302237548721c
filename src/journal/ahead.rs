//! Keeps the next segment ready, made by a thread of its own, so that turning to it costs the writer nothing.
//!
//! At most one segment is made ahead. When the disk is full, or too many files are open, it tries again every second until
//! there is space.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::{Error, Result};
use super::segment::{FORMAT, Header, Raw, path_of};
use crate::durable::{is_no_space, is_out_of_descriptors};

const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How far the next segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It can be turned to at once.
    Ready,
    /// It is being made.
    Coming,
    /// There is no space for it, or no descriptor. Time to refuse what can be refused.
    NoSpace,
    /// It could not be made for another reason; turning to it will fail.
    Failed,
}

/// The next segment, and the thread that makes it.
pub(super) struct Ahead {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

/// How segments are made.
pub(super) struct Plan {
    /// Where.
    pub dir: PathBuf,
    /// How large.
    pub bytes: u64,
    /// With which salts.
    pub salt: fn() -> u64,
}

struct Inner {
    plan: Plan,
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
}

enum State {
    Wanted {
        number: u64,
        /// There was no space at the last try.
        starved: bool,
    },
    Ready(Arc<Raw>),
    NoSpace(u64),
    Failed {
        number: u64,
        error: Option<io::Error>,
    },
}

/// A file of this ending beside the journal's folder stands for a full disk, in tests.
#[cfg(test)]
pub const FULL: &str = "full";

impl Plan {
    /// Makes segment `number` now.
    pub(super) fn make(&self, number: u64, stop: &AtomicBool) -> io::Result<Raw> {
        #[cfg(test)]
        if self.dir.with_extension(FULL).exists() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let header = Header {
            format: FORMAT,
            number,
            salt: (self.salt)(),
            bytes: self.bytes,
        };
        Raw::prepare(&self.dir, header, stop)
    }
}

impl Ahead {
    /// Starts the thread; `ready` is what an earlier run left.
    pub(super) fn start(plan: Plan, number: u64, ready: Option<Raw>) -> Result<Ahead> {
        let state = ready.map_or(State::Wanted { number, starved: false }, |raw| {
            State::Ready(Arc::new(raw))
        });
        let inner = Arc::new(Inner {
            plan,
            state: Mutex::new(state),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&inner);
        let thread = thread::Builder::new()
            .name("journal-ahead".into())
            .spawn(move || theirs.run());
        let thread = thread.map_err(Error::io("start a thread for", &inner.plan.dir))?;
        Ok(Ahead {
            inner,
            thread: Some(thread),
        })
    }

    /// How far the next segment is.
    pub(super) fn state(&self) -> Next {
        match *self.inner.lock() {
            State::Ready(_) => Next::Ready,
            State::Wanted { starved: false, .. } => Next::Coming,
            State::Wanted { starved: true, .. } | State::NoSpace(_) => Next::NoSpace,
            State::Failed { .. } => Next::Failed,
        }
    }

    /// The next segment, if it is made.
    pub(super) fn ready(&self) -> Option<Arc<Raw>> {
        match &*self.inner.lock() {
            State::Ready(raw) => Some(Arc::clone(raw)),
            State::Wanted { .. } | State::NoSpace(_) | State::Failed { .. } => None,
        }
    }

    /// The next segment, waiting for it if need be, and starts on the one after it. [`Error::NoSpace`] after one more
    /// try; it may be asked for again.
    pub(super) fn take(&mut self) -> Result<Arc<Raw>> {
        let mut state = self.inner.lock();
        if let State::NoSpace(number) = *state {
            *state = State::Wanted { number, starved: true };
            self.inner.changed.notify_all();
        }
        state = self.inner.wait_while_wanted(state);
        match &mut *state {
            State::Ready(raw) => {
                let raw = Arc::clone(raw);
                *state = State::Wanted {
                    number: raw.number + 1,
                    starved: false,
                };
                self.inner.changed.notify_all();
                Ok(raw)
            }
            State::Failed { number, error } => {
                let path = path_of(&self.inner.plan.dir, *number);
                let source = error.take().unwrap_or_else(|| io::Error::other("failed before"));
                Err(Error::Io {
                    doing: "prepare",
                    path,
                    source,
                })
            }
            State::Wanted { .. } | State::NoSpace(_) => Err(Error::NoSpace),
        }
    }

    /// Waits until the next segment is made, or cannot be made.
    #[cfg(test)]
    pub(super) fn wait(&self) -> Next {
        drop(self.inner.wait_while_wanted(self.inner.lock()));
        self.state()
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        {
            let _state = self.inner.lock(); // or the thread might look at `stop` before and wait after
            self.inner.stop.store(true, Ordering::Relaxed);
            self.inner.changed.notify_all();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while_wanted<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let wanted = |state: &mut State| matches!(state, State::Wanted { .. });
        self.changed
            .wait_while(state, wanted)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !self.stop.load(Ordering::Relaxed) {
            state = match *state {
                State::Wanted { number, .. } => {
                    drop(state);
                    let made = self.attempt(number);
                    let mut state = self.lock();
                    *state = made;
                    self.changed.notify_all();
                    state
                }
                State::NoSpace(number) => self.rest(state, number),
                State::Ready(_) | State::Failed { .. } => {
                    self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    fn attempt(&self, number: u64) -> State {
        match self.plan.make(number, &self.stop) {
            Ok(raw) => State::Ready(Arc::new(raw)),
            Err(error) if is_no_space(&error) => State::NoSpace(number),
            Err(error) if is_out_of_descriptors(&error) => {
                tracing::error!(%error, "too many files are open for the journal's next segment; it is tried again");
                State::NoSpace(number)
            }
            Err(error) => State::Failed {
                number,
                error: Some(error),
            },
        }
    }

    fn rest<'a>(&self, state: MutexGuard<'a, State>, number: u64) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, TRY_AGAIN);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() && matches!(*state, State::NoSpace(_)) {
            *state = State::Wanted { number, starved: true };
        }
        state
    }
}
