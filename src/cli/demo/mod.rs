//! `bellwether demo`: one real incident, from the first alert to the livestream, on this machine alone.
//!
//! The real daemon runs as a child process, with the rules of `rules/`; mail and webhooks go to sinks of ours. What
//! must arrive is stated in `table` beforehand. Halfway the daemon is killed right after it said 202, and started
//! again. This module never reaches into the daemon: it sees what any receiver would see.

mod daemon;
mod folder;
mod hooks;
mod received;
mod screen;
mod smtp;
mod story;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

use daemon::{Daemon, Launch};
use folder::Folder;
use received::{Letterbox, Receipt};
use screen::Screen;
use story::{Communication, STORY, SUBSCRIPTIONS, TRACKING_ID};
use table::Tally;

/// How long one communication may take to reach everybody, a restart of the daemon included.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long we listen at the end for messages that should not come.
const LISTEN_ON: Duration = Duration::from_secs(2);

/// Replay one real incident through a real daemon, and watch who is told what.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Demo {
    /// Leave the daemon running at the end, until Ctrl-C: to look at its pages
    #[arg(long)]
    pub keep: bool,
    /// No colours
    #[arg(long)]
    pub plain: bool,
}

/// Everything that plays a part: the daemon, the receivers, and what they got.
struct Cast {
    folder: Folder,
    daemon: Daemon,
    http: reqwest::Client,
    arrivals: UnboundedReceiver<Receipt>,
    tally: Tally,
}

/// Plays the story; success is that every expected message arrived, and no other.
///
/// # Errors
/// When the daemon or the sinks can't be started, or the daemon does not take an event.
pub async fn run(options: Demo) -> Result<ExitCode> {
    let screen = Screen::new(options.plain);
    let mut cast = Cast::gather(&screen).await?;
    let played = cast.play(&screen).await?;
    let mut failures = cast.tally.failures(played);
    failures.extend(cast.page().await.err().map(|error| format!("{error:#}")));
    screen.table(&cast.tally, played);
    screen.verdict(&failures, cast.tally.repeats());
    screen.places(&cast.folder, &cast.page_url(), options.keep);
    cast.part(options.keep).await?;
    Ok(if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Cast {
    async fn gather(screen: &Screen) -> Result<Self> {
        // Fails only if a provider is there already, which is just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build();
        let http = http.context("making the HTTP client")?;
        let folder = Folder::fresh(".demo".as_ref())?;
        let (letterbox, arrivals) = Letterbox::new(folder.received()).context("making the folder of messages")?;
        let smtp = smtp::listen(letterbox.clone())
            .await
            .context("starting the mail sink")?;
        let hooks = hooks::listen(letterbox).await.context("starting the webhook sink")?;
        folder.write_rules(hooks)?;
        let launch = Launch {
            state: folder.state(),
            rules: folder.rules(),
            log: folder.log(),
            smtp,
        };
        let daemon = Daemon::start(launch, &http).await?;
        screen.opening(&daemon, smtp, hooks);
        Ok(Self {
            folder,
            daemon,
            http,
            arrivals,
            tally: Tally::default(),
        })
    }

    /// Posts one communication after the other; returns how many were played.
    async fn play(&mut self, screen: &Screen) -> Result<usize> {
        for (nth, communication) in STORY.iter().enumerate() {
            screen.communication(nth, communication);
            self.post(communication, screen).await?;
            if communication.killed {
                self.kill_and_restart(screen).await?;
            }
            if !self.collect(nth, Instant::now() + PATIENCE, screen).await {
                return Ok(nth + 1);
            }
        }
        self.listen_on(screen).await;
        Ok(STORY.len())
    }

    async fn post(&self, communication: &Communication, screen: &Screen) -> Result<()> {
        let today = crate::clock::Clock::System.now().date_naive();
        for (nth, subscription) in SUBSCRIPTIONS.iter().enumerate() {
            let body = communication.body_for(subscription, nth, today)?;
            let (status, answer) = self.daemon.post(&self.http, body).await?;
            ensure!(
                status == 202,
                "the daemon answered {status} to an event, not 202: {answer}"
            );
            screen.posted(subscription, status);
        }
        Ok(())
    }

    async fn kill_and_restart(&mut self, screen: &Screen) -> Result<()> {
        self.daemon.kill().await?;
        screen.killed(self.arrivals.is_empty());
        let took = self.daemon.restart(&self.http).await?;
        screen.restarted(took);
        Ok(())
    }

    /// Takes what arrives until this communication reached everybody it should; false when time is up first.
    async fn collect(&mut self, nth: usize, until: Instant, screen: &Screen) -> bool {
        while !self.tally.is_complete(nth) {
            let Ok(Some(receipt)) = timeout_at(until, self.arrivals.recv()).await else {
                return false;
            };
            let arrived = self.tally.record(nth, &receipt);
            screen.arrived(arrived, &receipt);
        }
        true
    }

    /// Takes what still comes after the last communication is complete: repeats, or too much.
    async fn listen_on(&mut self, screen: &Screen) {
        let until = Instant::now() + LISTEN_ON;
        while let Ok(Some(receipt)) = timeout_at(until, self.arrivals.recv()).await {
            let arrived = self.tally.record(STORY.len() - 1, &receipt);
            screen.arrived(arrived, &receipt);
        }
    }

    fn page_url(&self) -> String {
        format!("{}/incidents/{TRACKING_ID}", self.daemon.url())
    }

    /// The incident's page must be there and speak of it.
    async fn page(&self) -> Result<()> {
        let url = self.page_url();
        let answer = self
            .http
            .get(&url)
            .send()
            .await
            .with_context(|| format!("reading {url}"))?;
        let status = answer.status();
        let text = answer.text().await.with_context(|| format!("reading {url}"))?;
        ensure!(status.is_success(), "the page {url} answered {status}");
        ensure!(
            text.contains(TRACKING_ID),
            "the page {url} does not speak of {TRACKING_ID}"
        );
        Ok(())
    }

    async fn part(self, keep: bool) -> Result<()> {
        if keep {
            told_to_end().await?;
        }
        self.daemon.stop().await
    }
}

/// Ctrl-C, or SIGTERM: either way the daemon must not be left behind.
async fn told_to_end() -> Result<()> {
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("waiting for Ctrl-C"),
        _ = term.recv() => Ok(()),
    }
}
