//! Finding incidents again: what the list with a filter or a search takes where many incidents are kept, for the operator
//! and for one of many customers; and what the page of one incident takes, with many communications and deliveries.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::customers::{self, CUSTOMERS, OPERATOR};
use super::process::{self, Process};
use super::receiver::Receiver;
use super::{client, events, load, percentiles, say};

/// Incidents, a year of them; each is heard by two customers.
pub const INCIDENTS: usize = 20_000;

/// Bytes of a text.
const TEXT_BYTES: usize = 2_000;

/// How often each question is asked.
const ASKED: usize = 200;

/// Communications of the large incident, and of the small one.
const COMMUNICATIONS: [usize; 2] = [10, 500];

/// Who is told of each of them.
const RECEIVERS: usize = 20;

/// When a measurement is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(900);

/// What is asked, each as the page and as the API answer it.
const QUESTIONS: [&str; 8] = [
    "",
    "type=Service+issue",
    "state=investigating",
    "service=Virtual+Machines&region=East+US",
    "kind=review",
    "since=2026-06-01&until=2026-06-30",
    "q=deployment+rolled",
    "q=%22engineers+identified%22&state=investigating",
];

/// Measures lists, with a tenth of the incidents and with all of them.
pub async fn lists(dir: &Path, incidents: usize) {
    customers::write(dir, |_| vec![("rules.yaml".to_owned(), "rules: []\n".to_owned())]);
    let daemon = customers::start(dir).await;
    let mut done = 0;
    for count in [incidents / 10, incidents] {
        let began = Instant::now();
        let url = format!("{}?arrival=history", daemon.events());
        let from = done;
        load::post_all(url, 32, (count - done) * 2, move |nth| {
            body(from + nth / 2, (from + nth / 2 + nth % 2) % CUSTOMERS)
        })
        .await;
        done = count;
        let posted = began.elapsed();
        // the first answer waits until the index has everything, or for its limit
        while customers::get(&client(), &daemon, "/v1/incidents?limit=1", Some(OPERATOR))
            .await
            .1
            .contains("is_behind")
        {
            assert!(began.elapsed() < GIVE_UP_AFTER, "the index does not catch up");
        }
        let indexed = began.elapsed();
        for token in [OPERATOR, &customers::token(7)] {
            for question in QUESTIONS {
                let took = ask(&daemon, &format!("/?{question}"), Some(token)).await;
                say(&json!({
                    "measure": "list", "incidents": count, "customer": token != OPERATOR, "question": question,
                    "micros": percentiles(took),
                }));
            }
        }
        say(&json!({
            "measure": "lists", "incidents": count, "posted_ms": posted.as_millis(), "indexed_ms": indexed.as_millis(),
            "rss_mib": daemon.rss_mib(), "rss_most_mib": daemon.rss_most_mib(),
            "index_mib": mib(&process::state(dir).join("search")),
        }));
    }
}

/// Measures the page of an incident, with few communications and with many.
pub async fn page(dir: &Path) {
    let receiver = Receiver::start().await;
    receiver.write_rules(&process::rules(dir), RECEIVERS);
    let daemon = Process::daemon(dir).await;
    for communications in COMMUNICATIONS {
        let tracking_id = format!("PAGE-{communications}");
        let id = tracking_id.clone();
        let before = receiver.count();
        // one after the other: what is older than what was told is not told any more
        load::post_all(daemon.events(), 1, communications, move |nth| {
            let text = events::text(nth, TEXT_BYTES);
            let minute = format!("2026-11-24T{:02}:{:02}:00Z", nth / 60, nth % 60);
            events::of_subscription(1, &id, &text).replace("2026-11-24T08:50:00Z", &minute)
        })
        .await;
        let told = || receiver.count() - before;
        until_quiet(told).await;
        let took = ask(&daemon, &format!("/incidents/{tracking_id}"), None).await;
        say(&json!({
            "measure": "page of an incident", "communications": communications, "told": told(),
            "micros": percentiles(took), "rss_most_mib": daemon.rss_most_mib(),
        }));
    }
}

/// Waits until a count stays as it is.
async fn until_quiet(count: impl Fn() -> usize) {
    let mut last = usize::MAX;
    while last != count() {
        last = count();
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// One communication of an incident, at a time of its own within a year.
fn body(nth: usize, customer: usize) -> String {
    let text = events::text(nth, TEXT_BYTES);
    let (day, minute) = (nth % 336, nth / 336 % 60);
    let at = format!("2026-{:02}-{:02}T08:{minute:02}:00Z", day / 28 + 1, day % 28 + 1);
    events::of_subscription(customer, &format!("F{nth:05}-X"), &text).replace("2026-11-24T08:50:00Z", &at)
}

/// How long each of many answers took, one after the other.
async fn ask(daemon: &Process, path: &str, token: Option<&str>) -> Vec<Duration> {
    let client = client();
    let mut took = Vec::with_capacity(ASKED);
    for _ in 0..ASKED {
        let began = Instant::now();
        let (status, _) = customers::get(&client, daemon, path, token).await;
        assert_eq!(status, 200, "{path}");
        took.push(began.elapsed());
    }
    took
}

/// What a folder's files take, MiB.
fn mib(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes: u64 = files
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.len())
        .sum();
    bytes >> 20
}
