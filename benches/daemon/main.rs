//! What the daemon does in a second, beside what the machine and others could do in the same run.
//!
//! `cargo bench --bench daemon` measures the release binary as a child process at its defaults, and says what it finds
//! in lines of JSON: the start on an empty folder and the memory it takes then (`start`), durable intake at 32 and 256
//! connections (`intake`), deliveries to a local receiver (`fan-out`), and beside it what Alertmanager does
//! (`alertmanager`) and a loop of the bare HTTP client (`bare`). One of the words in brackets measures only that:
//!
//! ```text
//! cargo bench --bench daemon -- fan-out [FAN-OUT] [DELIVERIES]
//! ```
//!
//! What takes longer is measured only when it is asked for:
//!
//! - `pairs`: the daemon and each peer five times in turn, with medians, spreads and ratios
//! - `memory`: one communication for 500 subscriptions, told to 200 receivers
//! - `restart [DELIVERIES] [FAN-OUT]`: the start where many deliveries (1,000,000) are scheduled
//! - `replay [INCIDENTS] [RULES]`: an archive of so many incidents (20,000) against so many changed rules (10,000)
//! - `churn [DELIVERIES]`: many deliveries through the daemon in this process, its clock moved by hand, with a retention
//!   that keeps 100,000 of them, and what disk and memory they take
//! - `credits [INCIDENTS]`: which service credits are owed for a year of incidents (20,000), to 50 customers that use 2,000
//!   resources each: after a start, and after one more event
//! - `finding [INCIDENTS]`: the list with filters and searches over a year of incidents (20,000) for 50 customers, and the
//!   page of an incident with 500 communications and 10,000 deliveries beside one with ten
//!
//! `BELLWETHER_BINARY=FILE` measures another binary of the daemon (but for `churn`), to compare an older one.
//! Each line is one JSON object. Machines are shared: compare figures of one run only.

mod alertmanager;
mod bare;
mod churn;
mod credits;
mod customers;
mod disk;
mod events;
mod fanout;
mod finding;
mod intake;
mod load;
mod memory;
mod pairs;
mod process;
mod receiver;
mod replay;
mod restart;

use std::path::Path;
use std::time::Duration;

use process::Process;
use receiver::Receiver;
use serde_json::{Value, json};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let numbers: Vec<usize> = arguments.iter().skip(1).map(|number| count(number)).collect();
    runtime.block_on(run(arguments.first().map(String::as_str), &numbers));
}

async fn run(what: Option<&str>, numbers: &[usize]) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let (first, second) = (numbers.first().copied(), numbers.get(1).copied());
    match what {
        None => all(dir).await,
        Some("start") => start(dir).await,
        Some("intake") => intake::all(dir).await,
        Some("fan-out") => {
            let fan_outs = first.map_or(fanout::FAN_OUTS.to_vec(), |fan_out| vec![fan_out]);
            fanout::all(dir, &fan_outs, second.unwrap_or(fanout::DELIVERIES)).await;
        }
        Some("alertmanager") => alertmanager::all(dir).await,
        Some("bare") => bare::all(dir).await,
        Some("pairs") => pairs::all(dir).await,
        Some("memory") => memory::run(dir).await,
        Some("restart") => {
            let fan_out = second.unwrap_or(restart::FAN_OUT);
            restart::run(dir, first.unwrap_or(1_000_000), fan_out).await;
        }
        Some("finding") => {
            finding::lists(&dir.join("lists"), first.unwrap_or(finding::INCIDENTS)).await;
            finding::page(&dir.join("page")).await;
        }
        Some("replay") => replay::run(dir, first.unwrap_or(20_000), second.unwrap_or(10_000)),
        Some("credits") => credits::run(dir, first.unwrap_or(credits::INCIDENTS)).await,
        Some("churn") => churn::run(first.unwrap_or(2_000_000)).await,
        Some(other) => panic!("`{other}`? The head of benches/daemon/main.rs says what there is"),
    }
}

fn count(number: &str) -> usize {
    number.parse().expect("a number")
}

async fn all(dir: &Path) {
    start(dir).await;
    intake::all(dir).await;
    fanout::all(dir, &fanout::FAN_OUTS, fanout::DELIVERIES).await;
    bare::all(dir).await;
    alertmanager::all(dir).await;
}

/// The disk alone, and the daemon before it has anything to do.
async fn start(dir: &Path) {
    say(&disk::fdatasync(dir));
    let receiver = Receiver::start().await;
    let folder = dir.join("idle");
    receiver.write_rules(&process::rules(&folder), 0);
    let daemon = Process::daemon(&folder).await;
    say(&json!({
        "measure": "start on an empty folder", "ready_ms": daemon.ready.as_millis(), "rss_mib": daemon.rss_mib(),
    }));
}

fn say(line: &Value) {
    println!("{line}");
}

fn percentiles(mut took: Vec<Duration>) -> Value {
    took.sort();
    let at = |share: f64| {
        took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1)))
            .map_or(0, |one| one.as_micros())
    };
    json!({ "p50": at(0.5), "p99": at(0.99), "max": at(1.0) })
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(512)
        .build()
        .expect("a client")
}
