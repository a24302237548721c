//! How long a start takes, and what memory, where many deliveries are scheduled: after a clean stop and after a crash.
//!
//! They are scheduled because their receivers take connections and never answer. A receiver that refuses would have the
//! daemon try all of them again and again meanwhile; here it has at most as many attempts under way as it has places,
//! and each takes as long as a time-out.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::disk::Kept;
use super::process::{self, Process};
use super::receiver::Receiver;
use super::{client, events, load, say};

/// How many receivers each event is told to, unless something else is asked for.
pub const FAN_OUT: usize = 1_000;

/// Bytes of an event.
const BYTES: usize = 1_000;

/// When memory is looked at again after a start.
const LATER: Duration = Duration::from_secs(10);

/// How often it is looked at whether everything is scheduled: a look lists all of them.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// When it is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(1_200);

/// How many attempts may be under way.
const UNDER_WAY_MOST: usize = 1_000;

/// The most that the daemon lists at once.
const LIST_MOST: usize = 1_000;

/// Schedules so many, then starts again after each kind of end.
pub async fn run(dir: &Path, deliveries: usize, fan_out: usize) {
    let receiver = Receiver::start().await;
    receiver.write_silent_rules(&process::rules(dir), fan_out);
    let daemon = Process::daemon(dir).await;
    let began = Instant::now();
    let posts = load::post_all(daemon.events(), 8, deliveries / fan_out, |nth| {
        events::sized(&format!("R-{nth}"), nth, BYTES)
    });
    posts.await;
    settled(&daemon, deliveries).await;
    let (seconds, rss) = (began.elapsed().as_secs(), daemon.rss_mib());
    let kept = Kept::of(&process::state(dir));
    say(&json!({
        "measure": "scheduled deliveries", "scheduled": scheduled(&daemon).await, "seconds": seconds, "rss_mib": rss,
        "journal_mib": kept.journal >> 20, "journal_disk_mib": kept.journal_disk >> 20, "store_mib": kept.store >> 20,
    }));
    let stopped = daemon.stop().await;
    let daemon = started(dir, "a clean stop", Some(stopped)).await;
    drop(daemon); // as `kill -9`
    started(dir, "kill -9", None).await;
}

/// Starts the daemon again, and says how.
async fn started(dir: &Path, after: &str, stopped: Option<Duration>) -> Process {
    let daemon = Process::daemon(dir).await;
    let rss = daemon.rss_mib();
    tokio::time::sleep(LATER).await;
    let stopped = stopped.map(|stopped| stopped.as_secs_f64());
    say(&json!({
        "measure": "restart", "after": after, "stop_seconds": stopped, "ready_seconds": daemon.ready.as_secs_f64(),
        "rss_mib": rss, "rss_mib_later": daemon.rss_mib(), "rss_most_mib": daemon.rss_most_mib(),
        "cpu_seconds": daemon.cpu().all,
    }));
    daemon
}

/// Waits until so many are scheduled: hundreds are decided together, so that the number of decisions says little. What is
/// under way, or was tried and failed for good, is not listed as scheduled.
async fn settled(daemon: &Process, deliveries: usize) {
    let began = Instant::now();
    while scheduled(daemon).await + UNDER_WAY_MOST < deliveries {
        assert!(began.elapsed() < GIVE_UP_AFTER, "they are not scheduled");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How many deliveries the daemon lists as scheduled.
async fn scheduled(daemon: &Process) -> usize {
    let client = client();
    let first = format!("{}/v1/deliveries?state=scheduled&limit={LIST_MOST}", daemon.url);
    let (mut count, mut next) = (0, Some(first.clone()));
    while let Some(url) = next.take() {
        let answer = client.get(url).send().await.expect("an answer");
        let text = answer.text().await.expect("a text");
        let page: Value = serde_json::from_str(&text).expect("JSON");
        count += page["deliveries"].as_array().map_or(0, Vec::len);
        next = page["next"]
            .as_str()
            .map(|next| format!("{first}&before={}", next.replace('+', "%2B")));
    }
    count
}
