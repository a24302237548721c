//! The daemon: everything put together, started in order, stopped in the reverse order.
//!
//! [`start`] takes checked settings, a clock and a listener, so that tests run the real thing on port 0 with time moved
//! by hand; [`run`] adds what only a process has: signals, systemd, the watchdog.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::assess::{self, Assessor};
use crate::channel::sender::Sender;
use crate::clock::Clock;
use crate::config::Settings;
use crate::customer::CustomerId;
use crate::dispatch::lanes::{Lanes, Signal};
use crate::dispatch::resolve::Resolver;
use crate::dispatch::send::{Renderer, Senders};
use crate::folder::{self, Part};
use crate::http;
use crate::ledger::{self, Ledger};
use crate::refused::Refused;
use crate::search::{self, Search};
use crate::secret::{LinkKey, Sealer, Secret, Secrets};
use crate::store::trust::Trust;

mod descriptors;
mod lock;
pub(crate) use lock::Lock as StateLock;
mod missing;
pub(crate) mod outbound;
mod reload;
mod secrets;
mod systemd;

pub use missing::NoRulesFolder;
use missing::there_are_rules_to_read;
pub use reload::Reloaded;
pub(crate) use secrets::secrets;
pub use secrets::{granted_and_missing, settings_troubles};
use systemd::Signals;

/// How long what is under way may take at a stop, requests and attempts together: they end side by side.
const UNDER_WAY_WAITS: Duration = Duration::from_secs(25);

/// How long the ledger may take afterwards, to write down what ended and to close the store. With what is above it is
/// less than the 40 seconds that a stop may take; the unit waits a little longer.
const CLOSING_WAITS: Duration = Duration::from_secs(12);

/// How often a running daemon looks whether writing or delivering broke off.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A running daemon.
pub struct Handle {
    /// Where it listens.
    pub addr: SocketAddr,
    ledger: Ledger,
    ledger_thread: std::thread::JoinHandle<()>,
    search_thread: std::thread::JoinHandle<()>,
    assess_thread: std::thread::JoinHandle<()>,
    lanes: Lanes,
    lanes_thread: std::thread::JoinHandle<()>,
    attempts: TaskTracker,
    doors: http::Serving,
    rules: Arc<reload::Rules>,
    workers: reload::Workers,
    background: CancellationToken,
    secrets: secrets::SecretsWatch,
    _watch: Option<folder::Watch>,
    _lock: lock::Lock,
}

/// Starts everything: journal and store first, then rules, lanes, doors.
///
/// # Errors
/// When the state directory cannot be used, a named secret is missing, or the rules folder cannot be read.
pub async fn start(settings: Settings, clock: Clock, listener: TcpListener) -> Result<Handle> {
    start_with(settings, clock, listener, Outside::default()).await
}

/// What is beyond the daemon, for tests to replace.
struct Outside {
    resolver: Resolver,
    #[cfg(test)]
    before_rendering: fn(&crate::message::Message),
}

impl Default for Outside {
    fn default() -> Self {
        Self {
            resolver: Resolver::system(),
            #[cfg(test)]
            before_rendering: |_| {},
        }
    }
}

async fn start_with(settings: Settings, clock: Clock, listener: TcpListener, outside: Outside) -> Result<Handle> {
    install_tls();
    there_are_rules_to_read(&settings, !settings.state.join("journal").exists())?;
    let clock = clock.reckoned();
    std::fs::create_dir_all(&settings.state)
        .with_context(|| format!("making the state directory {}", settings.state.display()))?;
    let lock = lock::Lock::take(&settings.state)?;
    let secrets = secrets(&settings);
    let was_used = settings.state.join("journal").exists();
    let sealer = Sealer::open(&key_path(&settings, &secrets), was_used)?;
    let deciding = reload::deciding(&settings)?;
    let (lanes, signals) = Lanes::channel();
    let started = open_ledger(&settings, &clock, &sealer, &lanes)?;
    let ledger = started.ledger;
    there_are_rules_to_read(&settings, ledger.rules().files.is_empty())?;
    let rules = Arc::new(reload::Rules::new(
        settings.rules.clone(),
        deciding,
        sealer.clone(),
        ledger.clone(),
        clock.clone(),
    ));
    let workers = reload::Workers::start(&rules);
    begin_with_rules(&rules, &workers).await?;
    let links = LinkKey::of(&sealer);
    let attempts = TaskTracker::new();
    let senders = senders(&settings, &clock, secrets.clone(), links.clone(), outside)?;
    let lanes_thread = lanes.start(signals, ledger.clone(), senders, clock.clone(), attempts.clone())?;
    let addr = listener.local_addr().context("asking the listener where it listens")?;
    let background = CancellationToken::new();
    follow_clock(&clock, &ledger, &lanes, &background);
    let refused = Refused::open(&settings.state.join("refused"), sealer.clone())?;
    let doors = doors(&settings, &ledger, &secrets, links, &clock)?.keeping(refused);
    let (search, search_thread) = Search::start(search::Sources {
        directory: settings.state.join("search"),
        ledger: ledger.clone(),
        clock: clock.clone(),
        terms: settings.reviews.clone(),
    })?;
    let (assessor, assess_thread) = Assessor::start(assess::Sources {
        ledger: ledger.clone(),
        clock: clock.clone(),
        terms: settings.reviews.clone(),
    })?;
    let doors = doors.finding(search).assessing(assessor);
    let doors = http::serve(listener, doors)?;
    let watch = watch(&settings.rules, &workers, &ledger);
    let looked_at = secrets::SecretsWatch::start(&settings, &ledger, &lanes);
    announce(&settings, addr, &clock);
    Ok(Handle {
        addr,
        ledger,
        ledger_thread: started.thread,
        search_thread,
        assess_thread,
        lanes,
        lanes_thread,
        attempts,
        doors,
        rules,
        workers,
        background,
        secrets: looked_at,
        _watch: watch,
        _lock: lock,
    })
}

impl Handle {
    /// Reads the rules folder again, and looks at the secrets that the rules name.
    ///
    /// # Errors
    /// When the folder cannot be listed, or the change cannot be written down. The rules in force stay.
    pub async fn reload(&self) -> Result<Reloaded> {
        let reloaded = self.rules.reload(&Part::Whole).await?;
        self.secrets.look().await;
        Ok(reloaded)
    }

    /// Waits until nothing waits, nothing is under way, and nothing is due at the clock's present time; or until writing
    /// failed.
    pub async fn settled(&self) {
        let settled = async {
            loop {
                let before = self.ledger.idle().await;
                self.lanes.idle().await;
                if self.ledger.idle().await == before {
                    return;
                }
            }
        };
        let failed = async {
            while !self.has_failed() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            () = settled => {}
            () = failed => {}
        }
    }

    /// Folds a fresh store and a checkpoint, as housekeeping does on its schedule.
    pub fn renew_store(&self) {
        self.ledger.renew();
    }

    /// The same, and waits until the fresh store is in use, or could not be folded.
    pub async fn store_renewed(&self) {
        self.ledger.renewed().await;
    }

    /// Goes through the whole journal, as every start and housekeeping do; waits until what is damaged is owned up to.
    pub async fn journal_scrubbed(&self) {
        self.ledger.scrub().await;
    }

    /// Whether writing failed, or the lanes ended: nothing is acknowledged or delivered any more, and the process should
    /// end.
    pub fn has_failed(&self) -> bool {
        self.ledger.is_failed() || self.lanes_thread.is_finished()
    }

    /// How many cycles the writing thread has begun: a watchdog sees whether it moves.
    pub fn heartbeat(&self) -> usize {
        self.ledger.tick();
        self.ledger.figures().cycles.load(Ordering::Relaxed)
    }

    /// Stops: no new requests, no new attempts, those under way end, the store is closed in an orderly way. Takes less
    /// than 40 seconds, whatever senders, relays and receivers do.
    ///
    /// # Errors
    /// When the store could not be closed; nothing is lost, it is built again at the next start.
    pub async fn stop(self) -> Result<()> {
        self.stop_within(UNDER_WAY_WAITS, CLOSING_WAITS).await
    }

    /// The same, with other limits.
    async fn stop_within(self, under_way: Duration, closing: Duration) -> Result<()> {
        let deadline = Instant::now() + under_way;
        self.background.cancel();
        self.lanes.signal(Signal::Stop);
        let attempts = attempts_ended(self.lanes_thread, self.attempts, deadline);
        let (are_lanes_well, ()) = tokio::join!(attempts, self.doors.stop(deadline));
        let close = async {
            self.ledger.followers().close();
            let is_search_well = ended(self.search_thread).await && ended(self.assess_thread).await;
            let closed = self.ledger.stop().await;
            (closed, ended(self.ledger_thread).await && is_search_well)
        };
        let Ok((closed, is_ledger_well)) = timeout(closing, close).await else {
            bail!(
                "the store could not be closed in {closing:?}; nothing is lost, it is looked at again at the next start"
            )
        };
        if !(are_lanes_well && is_ledger_well) {
            bail!("a thread ended in a panic");
        }
        closed
    }
}

/// Waits for the lanes' thread and for the attempts that are under way, until `deadline`. Says whether the thread ended
/// well, or has not ended at all: it has nothing that could be lost.
async fn attempts_ended(lanes: std::thread::JoinHandle<()>, attempts: TaskTracker, deadline: Instant) -> bool {
    // only when the lanes have ended is it known what is under way
    let lanes = timeout_at(deadline, ended(lanes)).await;
    attempts.close();
    if timeout_at(deadline, attempts.wait()).await.is_err() {
        tracing::warn!("attempts were still under way; they are made again after the next start, with the same ids");
    }
    lanes.unwrap_or(true)
}

/// Waits for a thread's end; says whether it was a good one.
async fn ended(thread: std::thread::JoinHandle<()>) -> bool {
    matches!(tokio::task::spawn_blocking(move || thread.join()).await, Ok(Ok(())))
}

/// Runs until it is told to stop, or until writing or delivering breaks off.
///
/// # Errors
/// When it cannot start, or writing or delivering broke off: the service manager starts it again, from disk.
pub async fn run(settings: Settings, listener: TcpListener) -> Result<()> {
    let mut signals = Signals::listen()?;
    descriptors::raise();
    let starting = systemd::Starting::begin();
    let start = tokio::spawn(start(settings, Clock::System, listener));
    let Some(started) = signals.unless_stopped(start).await else {
        // nothing was taken in yet, and what is half done is put in order by the next start, as after a kill
        tracing::info!("told to stop before it was up");
        return Ok(());
    };
    let handle = started.context("starting ended in a panic")??;
    drop(starting);
    systemd::ready();
    signals.until_stopped(&handle).await;
    systemd::stopping();
    if handle.has_failed() {
        bail!(
            "writing or delivering broke off; what was acknowledged is on disk, and the daemon must be started again"
        );
    }
    handle.stop().await
}

/// One TLS provider for everything that goes out, installed once per process.
fn install_tls() {
    // a second start in the same process (tests) finds it installed
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The first reading of the rules. Large folders that changed since the last time are read behind it, with the rules that
/// were in force until then; so is everything where the change cannot be written down yet (a full disk).
async fn begin_with_rules(rules: &reload::Rules, workers: &reload::Workers) -> Result<()> {
    match rules.reload_small(&Part::Whole).await {
        Ok((reloaded, large)) => {
            reloaded.log();
            workers.changed_large(large);
        }
        Err(error) if error.is::<ledger::Refused>() => {
            tracing::error!(error = format!("{error:#}"), "the rules in force stay as they were");
            workers.changed(Part::Whole);
        }
        Err(error) => return Err(error.context("reading the rules")),
    }
    Ok(())
}

fn open_ledger(settings: &Settings, clock: &Clock, sealer: &Sealer, lanes: &Lanes) -> Result<ledger::open::Started> {
    let hinted = lanes.clone();
    let started = ledger::open::start(
        ledger::Settings {
            state: settings.state.clone(),
            clock: clock.clone(),
            compile: reload::compile(sealer.clone()),
            public_url: settings.public_url.clone(),
            housekeeping: settings.housekeeping.clone(),
            keep: ledger::Retention {
                deliveries: settings.retention.deliveries_seconds.map(seconds),
                events: settings.retention.events_seconds.map(seconds),
                reviews: settings.retention.reviews_seconds.map(seconds),
            },
            reviews: settings.reviews.clone(),
            segment_bytes: settings.segment_bytes,
        },
        Box::new(move |hint| hinted.signal(Signal::Hint(hint))),
    )?;
    match (&started.rebuilt, started.trust) {
        (Some(why), _) => tracing::warn!(why, "the store was built again from the journal"),
        (None, Trust::Missing) => tracing::info!("a new store was made"),
        (None, trust) => tracing::debug!(?trust, "the store is as it was"),
    }
    Ok(started)
}

fn seconds(seconds: u64) -> chrono::Duration {
    chrono::Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1_000))
}

/// The state directory's key: a credential named `state-key`, or a file of mode 0600 in it.
fn key_path(settings: &Settings, secrets: &Secrets) -> PathBuf {
    let credential = secrets.directory.as_ref().map(|directory| directory.join("state-key"));
    credential
        .filter(|path| path.exists())
        .unwrap_or_else(|| settings.state.join("state.key"))
}

fn senders(settings: &Settings, clock: &Clock, secrets: Secrets, links: LinkKey, outside: Outside) -> Result<Senders> {
    let from = match &settings.mail_from.name {
        Some(name) => format!("{name} <{}>", settings.mail_from.address.as_str()),
        None => settings.mail_from.address.as_str().to_owned(),
    };
    let trust = outbound::trust(settings)?;
    let http = outbound::http(settings, &secrets, outside.resolver.clone(), &trust)?
        .with_connections(descriptors::deliveries());
    let mailer = outbound::mailer(settings, &secrets, outside.resolver, &trust)?;
    let renderer = Renderer {
        from: Sender::read(&from).map_err(|why| anyhow::anyhow!("the sender of mail: {why}"))?,
        secrets,
        links,
        clock: clock.clone(),
        #[cfg(test)]
        before_rendering: outside.before_rendering,
    };
    Ok(Senders::new(http, mailer, renderer))
}

fn doors(
    settings: &Settings,
    ledger: &Ledger,
    secrets: &Secrets,
    links: LinkKey,
    clock: &Clock,
) -> Result<http::Doors> {
    let read = |names: &[String], what: &str| -> Result<Vec<Secret>> {
        names
            .iter()
            .map(|name| secrets.operator(name).with_context(|| format!("a token ({what})")))
            .collect()
    };
    let tokens = http::Tokens {
        intake: read(&settings.tokens.intake, "intake")?,
        read: read(&settings.tokens.read, "read")?,
        operate: read(&settings.tokens.operate, "operate")?,
        customers: customer_tokens(settings, secrets)?,
    };
    Ok(http::Doors::new(
        http::Settings {
            tokens,
            body_bytes: settings.limits.body_bytes,
            history_body_bytes: settings.limits.history_body_bytes,
            connections: descriptors::connections(settings.limits.connections),
            connections_per_address: settings.limits.connections_per_address,
            waiting_events: settings.limits.waiting_events,
            reviews: settings.reviews.clone(),
            operators: settings.tokens.operate.clone(),
            kept: settings.retention.kept(),
            public_url: settings.public_url.clone(),
            mail_from: Some(settings.mail_from.address.clone()),
            ..http::Settings::default()
        },
        ledger.clone(),
        links,
        clock.clone(),
    ))
}

/// The tokens with which customers read what is theirs.
fn customer_tokens(settings: &Settings, secrets: &Secrets) -> Result<Vec<(CustomerId, Secret)>> {
    let mut tokens = Vec::new();
    for (id, customer) in settings.customers.by_name.iter().flatten() {
        for name in &customer.tokens {
            let token = secrets
                .operator(name)
                .with_context(|| format!("a token of the customer `{id}`"))?;
            tokens.push((id.clone(), token));
        }
    }
    Ok(tokens)
}

/// A clock moved by hand wakes whoever waits for a time.
fn follow_clock(clock: &Clock, ledger: &Ledger, lanes: &Lanes, end: &CancellationToken) {
    let Some(mut moves) = clock.moves() else { return };
    let (ledger, lanes, end) = (ledger.clone(), lanes.clone(), end.clone());
    tokio::spawn(end.run_until_cancelled_owned(async move {
        while moves.changed().await.is_ok() {
            ledger.tick();
            lanes.signal(Signal::Tick);
        }
    }));
}

/// Reads the rules again whenever the folder has changed and is quiet.
fn watch(folder: &Path, workers: &reload::Workers, ledger: &Ledger) -> Option<folder::Watch> {
    let workers = workers.clone();
    let ledger = ledger.clone();
    let polled = move |is_polled| ledger.figures().rules_polled.store(is_polled, Ordering::Relaxed);
    match folder::watch(folder, move |part| workers.changed(part), polled) {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "the rules folder is not watched; send SIGHUP after changing it"
            );
            None
        }
    }
}

/// What an operator should know at a start.
fn announce(settings: &Settings, addr: SocketAddr, clock: &Clock) {
    if !settings.customers.are_separate() {
        tracing::info!(
            "no `customers` in the settings: one organisation, and every folder under the rules sees every event"
        );
    }
    let customers = settings.customers.by_name.iter().flatten().map(|(id, _)| id);
    let silent = customers.filter(|id| settings.customers.contact(id).is_none()).count();
    if silent > 0 || !settings.customers.are_separate() && settings.customers.contact.is_none() {
        tracing::warn!(
            customers = silent,
            "no `contact` in the settings: nobody gets a mail about broken rule files; the log and `/v1/rules` show them"
        );
    }
    if settings.tokens.intake.is_empty() {
        tracing::warn!("no intake token in the settings: events are accepted from this machine only");
    }
    if settings.smtp.is_none() {
        tracing::warn!(folder = %settings.state.join("mail").display(), "no mail relay in the settings: mail is written to files");
    }
    for warning in outbound::warnings(settings, clock.now()) {
        tracing::warn!("{warning}");
    }
    tracing::info!("listening on http://{addr}");
}

#[cfg(test)]
mod tests;
