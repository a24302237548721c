//! Millions of deliveries through, 100,000 of them kept: memory and disk must follow what is kept, not what went through.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bellwether::clock::{ByHand, Clock};
use bellwether::config::{Flags, Settings};
use bellwether::daemon;
use serde_json::json;

use super::disk::allocated;
use super::events::event;
use super::process::rss_mib;
use super::receiver::Receiver;
use super::{client, say};

/// Receivers of each event.
const FAN_OUT: usize = 100;

/// Deliveries that retention keeps.
const LIVE: usize = 100_000;

/// A day's retention and so many events in it make [`LIVE`].
const RETENTION_SECONDS: usize = 86_400;

/// Sends `deliveries` through and says every so often what they take.
pub async fn run(deliveries: usize) {
    let dir = tempfile::tempdir().expect("a folder");
    let receiver = Receiver::start().await;
    receiver.write_rules(&dir.path().join("rules/bench"), FAN_OUT);
    let flags = Flags {
        state: Some(dir.path().join("state")),
        rules: Some(dir.path().join("rules")),
        allow_private_receivers: true,
        ..Flags::default()
    };
    let text = "retention: { events: 1d, reviews: 1d, deliveries: 1d }\nhousekeeping: \"0 */2 * * *\"\n";
    let (settings, _) = Settings::read("bellwether.yaml", text, &flags).expect("settings");
    let clock = ByHand::at("2026-11-24T09:00:00Z".parse().expect("a time"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let handle = daemon::start(settings, Clock::ByHand(clock.clone()), listener)
        .await
        .expect("starts");
    let (client, url) = (client(), format!("http://{}/v1/events", handle.addr));
    let events = deliveries / FAN_OUT;
    let step = chrono::Duration::milliseconds((RETENTION_SECONDS * 1_000 * FAN_OUT / LIVE) as i64);
    let began = Instant::now();
    let peaks = Peaks::watch(dir.path().join("state"));
    for nth in 1..=events {
        let at = (clock_time(&clock)).to_rfc3339();
        let body = event(&format!("C-{nth}")).replace("2026-11-24T08:50:00Z", &at);
        let answer = client.post(&url).body(body).send().await.expect("an answer");
        assert_eq!(answer.status(), 202);
        clock.advance(step);
        if nth % 20 == 0 {
            handle.settled().await;
        }
        if nth % (LIVE / FAN_OUT) == 0 || nth == events {
            handle.settled().await;
            say(&json!({
                "measure": "churn", "came": receiver.count(), "messages": receiver.messages(), "kept_most": LIVE,
                "seconds": began.elapsed().as_secs(), "rss_mib": rss_mib("self"), "rss_mib_most": peaks.take_rss(),
                "store_mib": mib(&dir.path().join("state/store")), "journal_mib": mib(&dir.path().join("state/journal")),
                "checkpoints_mib": mib(&dir.path().join("state/checkpoints")), "disk_mib_most": peaks.take_disk(),
            }));
        }
    }
    let sent = events * FAN_OUT;
    assert_eq!(receiver.messages(), sent, "every message arrived");
    handle.stop().await.expect("stops");
    say(&json!({ "measure": "churn", "sent": sent, "came_again": receiver.count() - sent }));
}

/// The most that was seen in between, looked at each second.
struct Peaks {
    rss: AtomicU64,
    disk: AtomicU64,
}

impl Peaks {
    /// Looks until the process ends.
    fn watch(state: PathBuf) -> Arc<Self> {
        let peaks = Arc::new(Self {
            rss: AtomicU64::new(0),
            disk: AtomicU64::new(0),
        });
        let kept = peaks.clone();
        std::thread::spawn(move || {
            loop {
                kept.rss.fetch_max(rss_mib("self"), Ordering::Relaxed);
                kept.disk.fetch_max(mib(&state), Ordering::Relaxed);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        peaks
    }

    /// Resident memory, MiB, the most since it was last asked.
    fn take_rss(&self) -> u64 {
        self.rss.swap(0, Ordering::Relaxed)
    }

    /// What the state folder took on disk, MiB, the most since it was last asked.
    fn take_disk(&self) -> u64 {
        self.disk.swap(0, Ordering::Relaxed)
    }
}

fn clock_time(clock: &ByHand) -> chrono::DateTime<chrono::Utc> {
    Clock::ByHand(clock.clone()).now()
}

/// What a folder takes on disk, MiB.
fn mib(folder: &Path) -> u64 {
    allocated(folder) >> 20
}
