//! A peer: Alertmanager, which keeps alerts in memory and tells webhooks of them.
//!
//! Each alert is a group of its own, told at once and not looked at again while the measurement lasts: what makes it
//! fastest. It syncs nothing to disk, and an alert that it acknowledged is lost with the process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::load::Intake;
use super::process::{Process, free_port};
use super::receiver::Receiver;
use super::{events, fanout, load, say};

/// As Debian calls it, and as its makers do.
const NAMES: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

/// Alerts of each measurement of deliveries.
const ALERTS: usize = 10_000;

/// Connections, and alerts that one request brings.
const WAYS: [(usize, usize); 3] = [(32, 1), (8, 50), (2, 500)];

/// The fastest of these.
const FASTEST: (usize, usize) = (2, 500);

/// Tells a webhook of each alert.
const TELLS: &str = "\
route: { receiver: all, group_by: ['...'], group_wait: 0s, group_interval: 5m, repeat_interval: 4h }
receivers: [{ name: all, webhook_configs: [{ url: 'URL', send_resolved: false }] }]
";

/// Takes alerts and tells nobody.
const TELLS_NOBODY: &str = "\
route: { receiver: none, group_wait: 1h, group_interval: 1h, repeat_interval: 4h }
receivers: [{ name: none }]
";

/// Where it is, if it is on this machine.
pub fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// Says that it is not there.
pub fn missing() {
    say(&json!({ "measure": "Alertmanager", "error": "not found: install Debian's `prometheus-alertmanager`" }));
}

/// Measures deliveries each way, then intake.
pub async fn all(dir: &Path) {
    let Some(binary) = binary() else {
        return missing();
    };
    for bytes in fanout::BODIES {
        for way in WAYS {
            say(&deliveries_by(dir, &binary, bytes, way).await);
        }
    }
    for connections in load::CONNECTIONS {
        let alerts = intake(dir, &binary, connections).await;
        say(&json!({ "measure": "Alertmanager's intake", "connections": connections, "alerts": alerts }));
    }
}

/// One webhook for each alert, in the way that is fastest.
pub async fn deliveries(dir: &Path, binary: &Path, bytes: usize) -> Value {
    deliveries_by(dir, binary, bytes, FASTEST).await
}

async fn deliveries_by(dir: &Path, binary: &Path, bytes: usize, (connections, together): (usize, usize)) -> Value {
    let receiver = Receiver::start().await;
    let process = start(dir, binary, &TELLS.replace("URL", &receiver.url("0"))).await;
    let (cpu, began) = (process.cpu(), Instant::now());
    let posted = load::post_all(url(&process), connections, ALERTS / together, move |nth| {
        let alerts = (nth * together..(nth + 1) * together).map(|nth| alert(&format!("A-{nth}"), nth, bytes));
        format!("[{}]", alerts.collect::<Vec<_>>().join(","))
    });
    let posted = posted.await;
    let came = fanout::until(&receiver, ALERTS, began).await;
    let took = began.elapsed().as_secs_f64();
    let (cpu, _) = process.cpu().each(cpu, came);
    let seen = receiver.connections();
    json!({
        "measure": "Alertmanager's deliveries, one to one", "alert_bytes": bytes, "deliveries": came,
        "connections": connections, "alerts_per_request": together, "per_second": (came as f64 / took).round(),
        "cpu_us_per_delivery": cpu, "rss_mib": process.rss_mib(), "posted_ms": posted.as_millis(),
        "came_again": receiver.came_again(), "connections_made": seen.made, "connections_most": seen.most,
        "is_whole": came == ALERTS,
    })
}

/// What it takes in, each alert in a request of its own.
pub async fn intake(dir: &Path, binary: &Path, connections: usize) -> Value {
    let process = start(dir, binary, TELLS_NOBODY).await;
    let cpu = process.cpu();
    let taken = Intake::measure(url(&process), connections, |connection, nth| {
        format!(
            "[{}]",
            alert(&format!("B{connection}-{nth}"), nth, load::EVENT_BYTES - "[]".len())
        )
    });
    let taken = taken.await;
    let mut value = taken.value_with(&process, cpu);
    value["rss_mib"] = json!(process.rss_mib());
    value
}

async fn start(dir: &Path, binary: &Path, config: &str) -> Process {
    let state = dir.join("alertmanager");
    let _ = std::fs::remove_dir_all(&state);
    std::fs::create_dir_all(&state).expect("a folder");
    std::fs::write(state.join("config.yml"), config).expect("a file");
    let port = free_port();
    let mut command = Command::new(binary);
    command
        .arg(format!("--config.file={}", state.join("config.yml").display()))
        .arg(format!("--storage.path={}", state.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=");
    Process::start(command, port, "-/ready").await
}

fn url(process: &Process) -> String {
    format!("{}/api/v2/alerts", process.url)
}

/// An alert of so many bytes, with labels that no other has.
fn alert(tracking_id: &str, nth: usize, bytes: usize) -> String {
    let with = |text: &str| {
        format!(
            r#"{{"labels":{{"alertname":"ServiceHealth","tracking_id":"{tracking_id}","service":"Virtual Machines","region":"East US"}},"annotations":{{"title":"Virtual Machines in East US may be unreachable","communication":"{text}"}}}}"#
        )
    };
    with(&events::half_new(nth, bytes - with("").len()))
}
