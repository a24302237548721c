//! What the daemon does in a second, beside what the machine could do at best in the same run.
//!
//! `cargo bench --bench daemon` measures the release binary as a child process: durable intake at 32 and 256
//! connections, beside the disk's own `fdatasync` and beside a server that answers 202 to everything; deliveries to a
//! local receiver at fan-out 1 and 100; the start on an empty folder, and the memory it takes then.
//!
//! `cargo bench --bench daemon -- churn [DELIVERIES]` sends many deliveries through the daemon in this process, its clock
//! moved by hand, with a retention that keeps 100,000 of them, and says what disk and memory they take.
//!
//! Each line is one JSON object. Machines are shared: compare figures of one run only.

mod churn;
mod receiver;

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use receiver::Receiver;
use serde_json::{Value, json};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long each intake measurement lasts.
const LASTS: Duration = Duration::from_secs(5);

/// Deliveries of each fan-out measurement.
const DELIVERIES: usize = 10_000;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let _ = rustls::crypto::ring::default_provider().install_default();
    match arguments.first().map(String::as_str) {
        Some("churn") => {
            let deliveries = arguments
                .get(1)
                .and_then(|count| count.parse().ok())
                .unwrap_or(2_000_000);
            runtime.block_on(churn::run(deliveries));
        }
        Some(other) => panic!("`{other}`? There is `churn [DELIVERIES]`, or nothing"),
        None => runtime.block_on(all()),
    }
}

async fn all() {
    let dir = tempfile::tempdir().expect("a folder");
    say(&fdatasync(dir.path()));
    let receiver = Receiver::start().await;
    let daemon = Daemon::start(&dir.path().join("idle"), &receiver, 0).await;
    say(
        &json!({ "measure": "start on an empty folder", "ready_ms": daemon.ready.as_millis(), "rss_mib": daemon.rss_mib() }),
    );
    drop(daemon);
    for connections in [32, 256] {
        let bare = intake(&receiver.url("bare"), connections).await;
        let daemon = Daemon::start(&dir.path().join(format!("intake-{connections}")), &receiver, 0).await;
        let durable = intake(&format!("{}/v1/events", daemon.url), connections).await;
        say(
            &json!({ "measure": "durable intake", "connections": connections, "events": durable, "bare_client_loop": bare, "rss_mib": daemon.rss_mib() }),
        );
    }
    for fan_out in [1, 100] {
        let daemon = Daemon::start(&dir.path().join(format!("fan-out-{fan_out}")), &receiver, fan_out).await;
        say(&deliveries(&daemon, &receiver, fan_out).await);
    }
}

fn say(line: &Value) {
    println!("{line}");
}

/// 4 KiB written into zeroed space and synced, one after the other: what the disk itself takes.
fn fdatasync(dir: &Path) -> Value {
    let mut file = std::fs::File::create(dir.join("probe")).expect("a file");
    file.write_all(&vec![0; 4 << 20])
        .and_then(|()| file.sync_all())
        .expect("zeroed");
    let mut took: Vec<Duration> = Vec::new();
    for nth in 0..500u64 {
        file.seek(SeekFrom::Start(nth * 4096)).expect("in the file");
        let began = Instant::now();
        file.write_all(&[1; 4096])
            .and_then(|()| file.sync_data())
            .expect("synced");
        took.push(began.elapsed());
    }
    json!({ "measure": "fdatasync of 4 KiB", "us": percentiles(took) })
}

fn percentiles(mut took: Vec<Duration>) -> Value {
    took.sort();
    let at = |share: f64| {
        took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1)))
            .map_or(0, |one| one.as_micros())
    };
    json!({ "p50": at(0.5), "p99": at(0.99), "max": at(1.0) })
}

/// The daemon as a process of its own.
struct Daemon {
    child: Child,
    url: String,
    ready: Duration,
}

impl Daemon {
    /// Starts it with `receivers` rules that each tell a webhook at once.
    async fn start(dir: &Path, receiver: &Receiver, receivers: usize) -> Self {
        std::fs::create_dir_all(dir.join("rules/bench")).expect("a folder");
        std::fs::write(dir.join("rules/bench/rules.yaml"), receiver.rules(receivers)).expect("a file");
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a port")
            .port();
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .args([
                "serve",
                "--allow-private-receivers",
                "--listen",
                &format!("127.0.0.1:{port}"),
            ])
            .arg("--state")
            .arg(dir.join("state"))
            .arg("--rules")
            .arg(dir.join("rules"))
            .stderr(Stdio::null())
            .spawn();
        let child = child.expect("the daemon");
        let url = format!("http://127.0.0.1:{port}");
        let client = client();
        while !client
            .get(format!("{url}/readyz"))
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "the daemon is not ready after 30 s"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Self {
            child,
            url,
            ready: began.elapsed(),
        }
    }

    fn rss_mib(&self) -> u64 {
        rss_mib(&self.child.id().to_string())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Memory of a process that is resident, MiB (proc(5), `VmRSS`).
fn rss_mib(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse::<u64>()
            .ok()
    });
    kib.unwrap_or(0) / 1024
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(512)
        .build()
        .expect("a client")
}

/// An event that no two posts share.
fn event(tracking_id: &str) -> String {
    json!({
        "schemaId": "Microsoft.Insights/activityLogs",
        "data": { "status": "Activated", "properties": {}, "context": { "activityLog": {
            "eventSource": "ServiceHealth", "eventTimestamp": "2026-11-24T08:50:00Z", "level": "Warning",
            "operationName": "Microsoft.ServiceHealth/incident/action", "status": "Active",
            "subscriptionId": "11111111-aaaa-4bbb-8ccc-111111111111",
            "properties": {
                "title": "Virtual Machines in East US may be unreachable",
                "communication": "<p>Starting at 08:40 UTC, connections to Virtual Machines in East US may fail.</p>",
                "incidentType": "Incident", "trackingId": tracking_id, "impactStartTime": "2026-11-24T08:40:00Z", "stage": "Active",
                "impactedServices": "[{\"ImpactedRegions\":[{\"RegionName\":\"East US\"}],\"ServiceName\":\"Virtual Machines\"}]",
            },
        }}},
    })
    .to_string()
}

/// Posts from so many connections, each one event after the other, for a while.
async fn intake(url: &str, connections: usize) -> Value {
    let client = client();
    let began = Instant::now();
    let posts = (0..connections).map(|connection| {
        let (client, url) = (client.clone(), url.to_owned());
        tokio::spawn(async move {
            let mut took = Vec::new();
            while began.elapsed() < LASTS {
                let body = event(&format!("B{connection}-{}", took.len()));
                let sent = Instant::now();
                let answer = client.post(&url).body(body).send().await.expect("an answer");
                assert_eq!(answer.status(), 202);
                took.push(sent.elapsed());
            }
            took
        })
    });
    let mut took = Vec::new();
    for post in posts.collect::<Vec<_>>() {
        took.extend(post.await.expect("a connection"));
    }
    let per_second = took.len() as f64 / began.elapsed().as_secs_f64();
    json!({ "per_second": per_second.round(), "us": percentiles(took) })
}

/// Posts events and waits until every receiver of every one got its message.
async fn deliveries(daemon: &Daemon, receiver: &Receiver, fan_out: usize) -> Value {
    let client = client();
    let before = receiver.count();
    let began = Instant::now();
    let events = DELIVERIES / fan_out;
    let posts = (0..32).map(|connection| {
        let (client, url) = (client.clone(), format!("{}/v1/events", daemon.url));
        tokio::spawn(async move {
            for nth in (connection..events).step_by(32) {
                let answer = client
                    .post(&url)
                    .body(event(&format!("D{fan_out}-{nth}")))
                    .send()
                    .await
                    .expect("an answer");
                assert_eq!(answer.status(), 202);
            }
        })
    });
    for post in posts.collect::<Vec<_>>() {
        post.await.expect("a connection");
    }
    let posted = began.elapsed();
    while receiver.count() - before < events * fan_out {
        assert!(
            began.elapsed() < Duration::from_secs(300),
            "{} of {DELIVERIES} after 300 s",
            receiver.count() - before
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let per_second = (events * fan_out) as f64 / began.elapsed().as_secs_f64();
    json!({ "measure": "deliveries", "fan_out": fan_out, "events": events, "per_second": per_second.round(), "posted_ms": posted.as_millis(), "rss_mib": daemon.rss_mib() })
}
