//! What only a process has: signals, and the service manager that watches it.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::{Handle, LOOK_EVERY, reload};
use crate::folder::{self, Part};

/// Everything is up: journal replayed, rules read, doors open.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It is about to stop.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// How often the service manager is told that the start goes on, and that it must wait so much longer.
const STILL_STARTING_EVERY: Duration = Duration::from_secs(10);
const WAIT_LONGER: Duration = Duration::from_secs(60);

/// Tells the service manager, while it lives, that the start takes longer than usual: a store that is built again from
/// a large journal may take minutes.
pub struct Starting {
    /// Dropped, it ends the thread.
    _going_on: Sender<()>,
}

impl Starting {
    /// Begins to tell.
    pub fn begin() -> Self {
        let (going_on, is_over) = channel::<()>();
        let work = move || {
            let began = std::time::Instant::now();
            while is_over.recv_timeout(STILL_STARTING_EVERY) == Err(RecvTimeoutError::Timeout) {
                let seconds = began.elapsed().as_secs();
                tracing::info!(seconds, "still opening journal, store and rules");
                let longer = u32::try_from(WAIT_LONGER.as_micros()).unwrap_or(u32::MAX);
                tell(&[NotifyState::ExtendTimeoutUsec(longer)]);
            }
        };
        // without the thread the unit's own limit applies
        let _ = std::thread::Builder::new().name("starting".into()).spawn(work);
        Self { _going_on: going_on }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    // without a service manager there is nobody to tell
    let _ = sd_notify::notify(states);
}

/// What the daemon is told by signals, from before it starts: one that comes meanwhile is heeded when it is up.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When signals cannot be listened for.
    pub fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("listening for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("listening for SIGINT")?,
            hang_up: signal(SignalKind::hangup()).context("listening for SIGHUP")?,
        })
    }

    /// Waits for the end of something, unless a signal to stop comes first.
    pub async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            _ = self.terminate.recv() => {
                stops("SIGTERM");
                None
            }
            _ = self.interrupt.recv() => {
                stops("SIGINT");
                None
            }
        }
    }

    /// Serves until a signal to stop, or until writing or delivering breaks off. SIGHUP reads the rules again.
    pub async fn until_stopped(&mut self, handle: &Handle) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut watchdog = Watchdog::of_unit();
        // the rules are read beside this loop: they may take long, and the watchdog must be told meanwhile
        let (mut reload, mut is_asked_again) = (None, false);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return stops("SIGTERM"),
                _ = self.interrupt.recv() => return stops("SIGINT"),
                _ = self.hang_up.recv() => match reload {
                    None => reload = Some(reloading(handle)),
                    Some(_) => is_asked_again = true,
                },
                () = ended(&mut reload) => {
                    reload = std::mem::take(&mut is_asked_again).then(|| reloading(handle));
                }
                _ = look.tick() => {
                    if handle.has_failed() {
                        return;
                    }
                    watchdog.look(handle);
                }
            }
        }
    }
}

/// Says why the daemon stops, and which one.
fn stops(signal: &str) {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "told to stop by {signal}");
}

/// Begins to read the rules again. The service manager is told when all but the large folders are read; those follow.
fn reloading(handle: &Handle) -> JoinHandle<()> {
    let now = NotifyState::monotonic_usec_now().ok();
    tell(&[&[NotifyState::Reloading][..], now.as_slice()].concat());
    let (rules, workers) = (handle.rules.clone(), handle.workers.clone());
    // whatever was watched before: whoever asks may know that it is the wrong folder by now
    handle._watch.iter().for_each(folder::Watch::anew);
    let secrets = handle.secrets.handle();
    tokio::spawn(async move {
        workers.changed_large(reload::logged(&rules, Part::Whole).await);
        secrets.look().await;
        tell(&[NotifyState::Ready]);
    })
}

/// Waits for the end of a reading, if there is one.
async fn ended(reload: &mut Option<JoinHandle<()>>) {
    match reload {
        // one that ended in a panic has said so; the rules in force stay
        Some(reading) => drop(reading.await),
        None => std::future::pending().await,
    }
}

/// Tells the service manager that the daemon lives, as long as the writing thread moves.
struct Watchdog {
    every: Option<Duration>,
    told: std::time::Instant,
    beat: usize,
}

impl Watchdog {
    fn of_unit() -> Self {
        let every = sd_notify::watchdog_enabled().map(|timeout| timeout / 2);
        Self {
            every,
            told: std::time::Instant::now(),
            beat: 0,
        }
    }

    fn look(&mut self, handle: &Handle) {
        let Some(every) = self.every.filter(|every| self.told.elapsed() >= *every) else {
            return;
        };
        let beat = handle.heartbeat();
        if beat != self.beat {
            tell(&[NotifyState::Watchdog]);
            self.told = std::time::Instant::now();
            self.beat = beat;
        } else {
            tracing::warn!(
                ?every,
                "the writing thread does not move; the watchdog is not told that all is well"
            );
        }
    }
}
