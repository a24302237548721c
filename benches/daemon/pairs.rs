//! The daemon beside its peers, in turn: machines are shared, so only what ran side by side can be compared.

use std::path::Path;

use serde_json::{Value, json};

use super::bare::Sent;
use super::process::tenths;
use super::{alertmanager, disk, fanout, intake, load, say};

/// How often each of a pair runs.
const PAIRS: usize = 5;

/// How many receivers each event is told to.
const FAN_OUT: usize = 100;

/// Bytes of an event.
const BYTES: usize = 1_000;

/// What one pair found.
#[derive(Default)]
struct Pair {
    daemon: f64,
    peer: f64,
    /// Processor time of the daemon for each, in microseconds.
    cpu: f64,
    fdatasync: f64,
}

/// Runs every pair.
pub async fn all(dir: &Path) {
    beside_the_bare_client(dir).await;
    let Some(binary) = alertmanager::binary() else {
        return alertmanager::missing();
    };
    deliveries(dir, &binary).await;
    for connections in load::CONNECTIONS {
        taking_in(dir, &binary, connections).await;
    }
}

async fn beside_the_bare_client(dir: &Path) {
    let sent = Sent::watch(&dir.join("watched"), BYTES).await;
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let mut pair = told(dir).await;
        pair.peer = sent.post().await;
        pairs.push(pair);
    }
    say(&summary(
        "deliveries at fan-out 100, beside the bare client's loop",
        &pairs,
    ));
}

async fn deliveries(dir: &Path, binary: &Path) {
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let mut pair = told(dir).await;
        pair.peer = number(&alertmanager::deliveries(dir, binary, BYTES).await["per_second"]);
        pairs.push(pair);
    }
    say(&summary(
        "deliveries at fan-out 100, beside Alertmanager's one to one",
        &pairs,
    ));
}

async fn taking_in(dir: &Path, binary: &Path, connections: usize) {
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let fdatasync = disk::fdatasync_p50(dir);
        let durable = intake::durable(&dir.join("intake"), connections).await;
        let peer = alertmanager::intake(dir, binary, connections).await;
        pairs.push(Pair {
            daemon: number(&durable["per_second"]),
            peer: number(&peer["per_second"]),
            cpu: number(&durable["cpu_us_per_event"]),
            fdatasync,
        });
    }
    say(&summary(
        &format!("intake at {connections} connections, beside Alertmanager's"),
        &pairs,
    ));
}

/// The daemon's half of a pair.
async fn told(dir: &Path) -> Pair {
    let fdatasync = disk::fdatasync_p50(dir);
    let found = fanout::measure(&dir.join("told"), FAN_OUT, BYTES, fanout::DELIVERIES).await;
    Pair {
        daemon: number(&found["per_second"]),
        cpu: number(&found["cpu_us_per_delivery"]),
        fdatasync,
        ..Pair::default()
    }
}

fn number(figure: &Value) -> f64 {
    figure.as_f64().expect("a number")
}

fn summary(what: &str, pairs: &[Pair]) -> Value {
    let of = |figure: fn(&Pair) -> f64| spread(pairs.iter().map(figure).collect());
    json!({
        "measure": "pairs", "what": what, "pairs": pairs.len(),
        "daemon_per_second": of(|pair| pair.daemon), "peer_per_second": of(|pair| pair.peer),
        "ratio": of(|pair| pair.daemon / pair.peer), "daemon_cpu_us_each": of(|pair| pair.cpu),
        "fdatasync_p50_us": of(|pair| pair.fdatasync),
    })
}

/// The median, and between what the others lie.
fn spread(mut figures: Vec<f64>) -> Value {
    figures.sort_by(f64::total_cmp);
    let of = |figure: Option<&f64>| {
        figure.map(|figure| {
            if *figure < 10.0 {
                (figure * 1e3).round() / 1e3
            } else {
                tenths(*figure)
            }
        })
    };
    json!({ "median": of(figures.get(figures.len() / 2)), "min": of(figures.first()), "max": of(figures.last()) })
}
