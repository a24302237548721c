//! One communication for many subscriptions, told to many receivers: the memory it takes, and the time.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{self, Process};
use super::receiver::{Kept, Receiver};
use super::{events, load, say};

/// Each gets an event of its own from the provider.
const SUBSCRIPTIONS: usize = 500;

/// Each is told of all of them.
const RECEIVERS: usize = 200;

/// Bytes of the text.
const TEXT_BYTES: usize = 1_000;

/// How long a rule that says nothing of it gathers subscriptions.
const SETTLES: Duration = Duration::from_secs(10);

/// After a start, memory comes to rest.
const IDLE_AFTER: Duration = Duration::from_secs(2);

/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// When a measurement is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(300);

/// Which subscriptions each receiver was told of.
#[derive(Default)]
struct Told {
    all: HashSet<(usize, String)>,
    messages: usize,
    last: Option<Instant>,
}

/// Measures it once.
pub async fn run(dir: &Path) {
    let receiver = Receiver::start().await;
    receiver.keep(usize::MAX);
    receiver.write_settling_rules(&process::rules(dir), RECEIVERS);
    let daemon = Process::daemon(dir).await;
    tokio::time::sleep(IDLE_AFTER).await;
    let idle = daemon.rss_mib();
    let peak = Peak::watch(daemon.id());
    let (began, cpu) = (Instant::now(), daemon.cpu());
    let text = events::text(1, TEXT_BYTES);
    let posted = load::post_all(daemon.events(), 32, SUBSCRIPTIONS, move |nth| {
        events::of_subscription(nth, "M-0", &text)
    });
    let posted = posted.await;
    let mut told = Told::default();
    while told.all.len() < SUBSCRIPTIONS * RECEIVERS && began.elapsed() < GIVE_UP_AFTER {
        tokio::time::sleep(LOOK_EVERY).await;
        receiver.take_kept().iter().for_each(|kept| told.add(kept));
    }
    let after = told
        .last
        .map(|last| last.saturating_duration_since(began + SETTLES).as_millis());
    let most = peak.stop();
    let cpu_seconds = process::tenths(daemon.cpu().all - cpu.all);
    say(&json!({
        "measure": "one communication, many subscriptions", "subscriptions": SUBSCRIPTIONS, "receivers": RECEIVERS,
        "idle_mib": idle, "rss_most_mib": most, "above_idle_mib": most.saturating_sub(idle),
        "posted_ms": posted.as_millis(), "told_ms_after_settling": after, "messages": told.messages,
        "cpu_seconds": cpu_seconds, "is_whole": told.all.len() == SUBSCRIPTIONS * RECEIVERS,
    }));
}

impl Told {
    fn add(&mut self, kept: &Kept) {
        let body: Value = serde_json::from_slice(&kept.body).expect("JSON");
        let subscriptions = body["subscriptions"].as_array().into_iter().flatten();
        let ids = subscriptions.filter_map(|one| one["id"].as_str());
        self.all.extend(ids.map(|id| (kept.path, id.to_owned())));
        self.messages += 1;
        self.last = self.last.max(Some(kept.at));
    }
}

/// The most memory that a process was seen to take, from now on.
struct Peak {
    most_mib: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Peak {
    fn watch(process: String) -> Self {
        let peak = Self {
            most_mib: Arc::default(),
            is_over: Arc::default(),
        };
        let (most, is_over) = (peak.most_mib.clone(), peak.is_over.clone());
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                most.fetch_max(process::rss_mib(&process), Ordering::Relaxed);
                std::thread::sleep(LOOK_EVERY);
            }
        });
        peak
    }

    fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.most_mib.load(Ordering::Relaxed)
    }
}
