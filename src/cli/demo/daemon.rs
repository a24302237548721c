//! The daemon as a child process: started, posted to, killed, started again, stopped.
//!
//! It is this very program (`bellwether serve`), with nothing but flags that anybody could type.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// How long a start may take, until `/readyz` says 200.
const START: Duration = Duration::from_secs(30);

/// How long a clean stop may take.
const STOP: Duration = Duration::from_secs(15);

/// How many of the log's last lines an error shows.
const TAIL_LINES: usize = 15;

/// What the daemon is started with.
pub struct Launch {
    /// Its state directory.
    pub state: PathBuf,
    /// The rule files.
    pub rules: PathBuf,
    /// Where its log is appended.
    pub log: PathBuf,
    /// The mail server it sends by.
    pub smtp: SocketAddr,
}

/// A running daemon, or one just killed.
pub struct Daemon {
    launch: Launch,
    child: Child,
    address: SocketAddr,
}

impl Daemon {
    /// Starts the daemon on a free port and waits until it is ready.
    pub async fn start(launch: Launch, http: &reqwest::Client) -> Result<Self> {
        let (child, address) = spawn(&launch, SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let mut daemon = Self { launch, child, address };
        daemon.ready(http).await?;
        Ok(daemon)
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it logs.
    pub fn log(&self) -> &std::path::Path {
        &self.launch.log
    }

    /// Posts one event; the status and the answer's text.
    pub async fn post(&self, http: &reqwest::Client, body: String) -> Result<(u16, String)> {
        let request = http
            .post(format!("{}/v1/events", self.url()))
            .header("content-type", "application/json");
        let answer = request
            .body(body)
            .send()
            .await
            .context("posting an event to the daemon")?;
        let status = answer.status().as_u16();
        Ok((
            status,
            answer.text().await.context("reading the daemon's answer to an event")?,
        ))
    }

    /// Kills it as a crash would: SIGKILL, no time to say anything.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("killing the daemon")
    }

    /// Starts it again at the same address, over the same state; returns how long it took to be ready.
    pub async fn restart(&mut self, http: &reqwest::Client) -> Result<Duration> {
        let began = Instant::now();
        (self.child, self.address) = spawn(&self.launch, self.address).await?;
        self.ready(http).await?;
        Ok(began.elapsed())
    }

    /// Asks it to stop, and expects that it does so in time and without complaint.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(pid) = self
            .child
            .id()
            .and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()))
        {
            // Gone already (Ctrl-C reaches the child too): then the exit code says how.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let Ok(ended) = timeout(STOP, self.child.wait()).await else {
            self.kill().await?;
            bail!(
                "the daemon did not stop within {} s of SIGTERM; its log: {}",
                STOP.as_secs(),
                self.tail()
            );
        };
        let ended = ended.context("waiting for the daemon's end")?;
        ensure!(
            ended.success(),
            "the daemon stopped with {ended}; its log:\n{}",
            self.tail()
        );
        Ok(())
    }

    async fn ready(&mut self, http: &reqwest::Client) -> Result<()> {
        let until = Instant::now() + START;
        let url = format!("{}/readyz", self.url());
        while Instant::now() < until {
            if let Some(ended) = self.child.try_wait().context("looking after the daemon")? {
                bail!("{}", died(ended, &self.launch));
            }
            if http
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!(
            "the daemon was not ready within {} s; its log:\n{}",
            START.as_secs(),
            self.tail()
        )
    }

    fn tail(&self) -> String {
        tail(&self.launch)
    }
}

/// Starts the process and learns from its log where it listens.
async fn spawn(launch: &Launch, listen: SocketAddr) -> Result<(Child, SocketAddr)> {
    let program = std::env::current_exe().context("finding this program's own file")?;
    let mut child = Command::new(program)
        .arg("serve")
        .args(["--listen", &listen.to_string()])
        .arg("--state")
        .arg(&launch.state)
        .arg("--rules")
        .arg(&launch.rules)
        .args(["--smtp", &format!("smtp://{}?tls=none", launch.smtp)])
        .args(["--mail-from", "bellwether@demo.example"])
        .arg("--allow-private-receivers")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting the daemon")?;
    let log = OpenOptions::new().create(true).append(true).open(&launch.log).await;
    let log = log.with_context(|| format!("opening the daemon's log {}", launch.log.display()))?;
    let (heard, mut address) = mpsc::channel(1);
    for pipe in pipes(&mut child) {
        tokio::spawn(follow(
            pipe,
            log.try_clone().await.context("sharing the log")?,
            heard.clone(),
        ));
    }
    drop(heard);
    match timeout(START, address.recv()).await {
        Ok(Some(address)) => Ok((child, address)),
        Ok(None) => bail!(
            "{}",
            died(child.wait().await.context("waiting for the daemon")?, launch)
        ),
        Err(_) => bail!("the daemon did not say where it listens; its log:\n{}", tail(launch)),
    }
}

type Pipe = Box<dyn AsyncRead + Unpin + Send>;

fn pipes(child: &mut Child) -> Vec<Pipe> {
    let out = child.stdout.take().map(|pipe| Box::new(pipe) as Pipe);
    let err = child.stderr.take().map(|pipe| Box::new(pipe) as Pipe);
    out.into_iter().chain(err).collect()
}

/// Copies what the daemon prints into its log, and passes on the address it names.
async fn follow(pipe: Pipe, mut log: File, heard: mpsc::Sender<SocketAddr>) {
    let mut heard = Some(heard);
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // A log that can't be written is no reason to stop reading: the daemon would block.
        let _ = log.write_all(format!("{line}\n").as_bytes()).await;
        let _ = log.flush().await;
        if let Some(address) = listening_on(&line)
            && let Some(heard) = heard.take()
        {
            let _ = heard.try_send(address);
        }
    }
}

/// The address in a line that says `listening on http://…`.
fn listening_on(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on http://")?;
    let end = rest
        .find(|c: char| !c.is_ascii_hexdigit() && !".:[]".contains(c))
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn died(ended: ExitStatus, launch: &Launch) -> String {
    format!(
        "the daemon ended before it was ready ({ended}); its log:\n{}",
        tail(launch)
    )
}

fn tail(launch: &Launch) -> String {
    let text = std::fs::read_to_string(&launch.log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_a_log_line_of_any_format() {
        let plain = listening_on("2026-11-24T14:51:00Z  INFO listening on http://127.0.0.1:40123");
        let json = listening_on(r#"{"level":"INFO","message":"listening on http://127.0.0.1:40123"}"#);
        assert_eq!(plain, "127.0.0.1:40123".parse().ok());
        assert_eq!(json, plain);
        assert_eq!(
            listening_on("listening on http://[::1]:80, ready"),
            "[::1]:80".parse().ok()
        );
        assert_eq!(listening_on("GET http://127.0.0.1:1/ 200"), None);
    }
}
