//! What is measured, as a process of its own: the daemon, or a peer; and what proc(5) says of it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::client;

/// Names another binary of the daemon, so that an older one is measured by the same benchmark.
const BINARY: &str = "BELLWETHER_BINARY";

/// The unit of processor times in `/proc/PID/stat` (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// How long a start may take.
const STARTS_WITHIN: Duration = Duration::from_secs(900);

/// How often a process is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// A process that ends with its owner.
pub struct Process {
    child: Child,
    pub url: String,
    /// How long it took until it said that it was ready.
    pub ready: Duration,
}

/// Processor time so far.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    /// Of all threads, in seconds.
    pub all: f64,
    /// Of the thread that writes journal and store.
    pub ledger: f64,
}

impl Process {
    /// Starts the daemon at its defaults in `dir`, where `state` and `rules` are.
    pub async fn daemon(dir: &Path) -> Self {
        let mut command = Command::new(binary());
        let port = free_port();
        command
            .args(["serve", "--allow-private-receivers", "--listen"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("--state")
            .arg(state(dir))
            .arg("--rules")
            .arg(dir.join("rules"));
        Self::start(command, port, "readyz").await
    }

    /// Starts something, and waits until what it has at the path `ready` answers well.
    pub async fn start(mut command: Command, port: u16, ready: &str) -> Self {
        let began = Instant::now();
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut process = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
            ready: Duration::ZERO,
        };
        let (client, url) = (client(), format!("{}/{ready}", process.url));
        while !client
            .get(&url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            let ended = process.child.try_wait().expect("a child");
            assert!(ended.is_none(), "it ended before it was ready: {ended:?}");
            assert!(began.elapsed() < STARTS_WITHIN, "it is not ready");
            tokio::time::sleep(ASK_EVERY).await;
        }
        process.ready = began.elapsed();
        process
    }

    /// Where the daemon takes events.
    pub fn events(&self) -> String {
        format!("{}/v1/events", self.url)
    }

    /// Resident memory, MiB.
    pub fn rss_mib(&self) -> u64 {
        rss_mib(&self.id())
    }

    /// The most that was ever resident, MiB.
    pub fn rss_most_mib(&self) -> u64 {
        status_mib(&self.id(), "VmHWM:")
    }

    pub fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// Processor time so far.
    pub fn cpu(&self) -> Cpu {
        let of = Path::new("/proc").join(self.id());
        let threads = std::fs::read_dir(of.join("task")).into_iter().flatten().flatten();
        let ledgers = threads.map(|thread| thread.path()).filter(|thread| is_ledger(thread));
        Cpu {
            all: seconds(&of),
            ledger: ledgers.map(|thread| seconds(&thread)).sum(),
        }
    }

    /// Asks it to end, and waits until it has; says how long that took.
    pub async fn stop(mut self) -> Duration {
        let began = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a child");
        while self.child.try_wait().expect("a child").is_none() {
            tokio::time::sleep(ASK_EVERY).await;
        }
        began.elapsed()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cpu {
    /// What one of `count` took since `before`, all threads and the ledger's, in microseconds.
    pub fn each(self, before: Self, count: usize) -> (f64, f64) {
        let each = |now: f64, then: f64| tenths((now - then) * 1e6 / count.max(1) as f64);
        (each(self.all, before.all), each(self.ledger, before.ledger))
    }
}

/// One digit behind the point.
pub fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// The binary that is measured.
pub fn binary() -> std::ffi::OsString {
    std::env::var_os(BINARY).unwrap_or_else(|| env!("CARGO_BIN_EXE_bellwether").into())
}

/// Where the daemon keeps what it knows.
pub fn state(dir: &Path) -> PathBuf {
    dir.join("state")
}

/// Where its rules are.
pub fn rules(dir: &Path) -> PathBuf {
    dir.join("rules/bench")
}

/// The most memory of a process that was resident, MiB.
pub fn rss_most_mib(process: &str) -> u64 {
    status_mib(process, "VmHWM:")
}

/// A port where nobody listens.
pub fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    free.expect("a port").port()
}

/// Memory of a process that is resident, MiB.
pub fn rss_mib(process: &str) -> u64 {
    status_mib(process, "VmRSS:")
}

fn status_mib(process: &str, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| {
        let kib = line.strip_prefix(what)?.trim().strip_suffix("kB")?;
        kib.trim().parse::<u64>().ok()
    });
    kib.unwrap_or(0) / 1024
}

fn is_ledger(thread: &Path) -> bool {
    std::fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.trim() == "ledger")
}

/// User's and system's time of a process or a thread, in seconds.
fn seconds(of: &Path) -> f64 {
    let stat = std::fs::read_to_string(of.join("stat")).unwrap_or_default();
    // the name before, in brackets, may hold anything; behind it the state comes first, and it is field 3
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(14 - 3).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    ticks as f64 / TICKS_PER_SECOND
}
