//! Packs closed segments in a thread of its own, and deletes what was packed.
//!
//! A segment that cannot be packed stays as it is, readable: no space is tried again, damage waits for the next start.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::{Error, Result};
use super::pack;
use super::reader::{Segment, Shared};
use super::segment::Raw;
use crate::durable;

const TRY_AGAIN: Duration = Duration::from_secs(10);

/// The packing thread.
pub(super) struct Background {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

struct Inner {
    shared: Arc<Shared>,
    salt: fn() -> u64,
    queue: Mutex<Queue>,
    changed: Condvar,
    stop: AtomicBool,
}

struct Queue {
    waiting: VecDeque<Arc<Raw>>,
    busy: bool,
    stuck: bool,
}

impl Background {
    /// Starts the thread with what an earlier run left to pack.
    pub(super) fn start(shared: Arc<Shared>, salt: fn() -> u64, waiting: Vec<Arc<Raw>>) -> Result<Background> {
        let queue = Queue {
            waiting: waiting.into(),
            busy: false,
            stuck: false,
        };
        let (queue, changed) = (Mutex::new(queue), Condvar::new());
        let inner = Arc::new(Inner {
            shared,
            salt,
            queue,
            changed,
            stop: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&inner);
        let thread = thread::Builder::new()
            .name("journal-pack".into())
            .spawn(move || theirs.run());
        let thread = thread.map_err(Error::io("start a thread for", &inner.shared.dir))?;
        Ok(Background {
            inner,
            thread: Some(thread),
        })
    }

    /// Has a closed segment packed, sooner or later.
    pub(super) fn push(&self, raw: Arc<Raw>) {
        let mut queue = self.inner.lock();
        queue.waiting.push_back(raw);
        queue.stuck = false;
        self.inner.changed.notify_all();
    }

    /// Waits until everything is packed that can be.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        let working = |queue: &mut Queue| queue.busy || (!queue.waiting.is_empty() && !queue.stuck);
        let settled = self.inner.changed.wait_while(self.inner.lock(), working);
        drop(settled);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        {
            let _queue = self.inner.lock(); // or the thread might look at `stop` before and wait after
            self.inner.stop.store(true, Ordering::Relaxed);
            self.inner.changed.notify_all();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut queue = self.lock();
        while !self.stop.load(Ordering::Relaxed) {
            let next = if queue.stuck { None } else { queue.waiting.pop_front() };
            queue = match next {
                Some(raw) => {
                    queue.busy = true;
                    drop(queue);
                    let packed = self.pack(&raw);
                    self.finish(raw, packed)
                }
                None => self.rest(queue),
            };
        }
    }

    fn pack(&self, raw: &Arc<Raw>) -> Result<()> {
        let Some(packed) = pack::pack(raw, &self.shared.dir, (self.salt)(), &self.stop)? else {
            return Ok(());
        };
        self.shared.replace(&Segment::Raw(Arc::clone(raw)), || Ok(packed))?;
        durable::remove_durably(&raw.path).map_err(Error::io("delete", &raw.path))
    }

    fn finish(&self, raw: Arc<Raw>, packed: Result<()>) -> MutexGuard<'_, Queue> {
        let mut queue = self.lock();
        queue.busy = false;
        if let Err(error) = packed {
            tracing::warn!(
                segment = raw.number,
                error = error.in_full(),
                "A closed journal segment was not packed."
            );
            if error.is_no_space() {
                queue.waiting.push_front(raw);
                queue.stuck = true;
            }
        }
        self.changed.notify_all();
        queue
    }

    fn rest<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        if !queue.stuck {
            return self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let waited = self.changed.wait_timeout(queue, TRY_AGAIN);
        let (mut queue, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.stuck &= !timeout.timed_out();
        queue
    }
}
