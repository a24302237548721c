//! Deliveries: events in, one message to each of many receivers, until the last one has it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::disk::Kept;
use super::process::{self, Process, tenths};
use super::receiver::Receiver;
use super::{events, load, say};

/// How many receivers an event may have.
pub const FAN_OUTS: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// How long an event may be, bytes.
pub const BODIES: [usize; 2] = [1_000, 12_000];

/// Deliveries of each measurement.
pub const DELIVERIES: usize = 20_000;

/// Events come from so many connections.
const CONNECTIONS: usize = 32;

/// When a measurement is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(240);

/// How often the receiver is asked what came.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// After the last delivery, what ended is written down and the store is flushed.
const CALMS_DOWN_WITHIN: Duration = Duration::from_secs(2);

/// Measures every fan-out with short and long events.
pub async fn all(dir: &Path, fan_outs: &[usize], deliveries: usize) {
    for bytes in BODIES {
        for fan_out in fan_outs {
            let name = format!("fan-out-{fan_out}-{bytes}");
            say(&measure(&dir.join(name), *fan_out, bytes, deliveries).await);
        }
    }
}

/// Posts so many events that every one told to `fan_out` receivers makes `deliveries`.
pub async fn measure(dir: &Path, fan_out: usize, bytes: usize, deliveries: usize) -> Value {
    let receiver = Receiver::start().await;
    receiver.write_rules(&process::rules(dir), fan_out);
    let daemon = Process::daemon(dir).await;
    let events = (deliveries / fan_out).max(1);
    let (kept, cpu, began) = (Kept::of(&process::state(dir)), daemon.cpu(), Instant::now());
    let posted = load::post_all(daemon.events(), CONNECTIONS, events, move |nth| {
        events::sized(&format!("D-{nth}"), nth, bytes)
    });
    let posted = posted.await;
    let came = until(&receiver, events * fan_out, began).await;
    let took = began.elapsed().as_secs_f64();
    let (all, ledger) = daemon.cpu().each(cpu, came);
    let rss = daemon.rss_mib();
    tokio::time::sleep(CALMS_DOWN_WITHIN).await;
    let now = Kept::of(&process::state(dir));
    let each = |now: u64, then: u64| tenths((now as f64 - then as f64) / came.max(1) as f64);
    let connections = receiver.connections();
    let line = json!({
        "measure": "deliveries", "fan_out": fan_out, "event_bytes": bytes, "events": events, "deliveries": came,
        "per_second": (came as f64 / took).round(), "cpu_us_per_delivery": all, "ledger_cpu_us_per_delivery": ledger,
        "rss_mib": rss, "rss_most_mib": daemon.rss_most_mib(),
        "journal_bytes_per_delivery": each(now.journal, kept.journal),
        "journal_disk_mib": now.journal_disk >> 20,
        "store_bytes_per_delivery": each(now.store, kept.store),
        "posted_ms": posted.as_millis(), "came_again": receiver.came_again(),
        "connections_made": connections.made, "connections_most": connections.most,
        "is_whole": came == events * fan_out,
    });
    drop(daemon);
    let _ = std::fs::remove_dir_all(dir);
    line
}

/// Waits until so many messages have come, or it takes too long; says how many came.
pub async fn until(receiver: &Receiver, messages: usize, began: Instant) -> usize {
    while receiver.messages() < messages && began.elapsed() < GIVE_UP_AFTER {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    receiver.messages()
}
