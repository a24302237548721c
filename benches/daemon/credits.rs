//! Which service credits are owed, worked out beside a daemon that has much to work out: after a start, and after one more
//! event; and what memory that takes.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::customers::{self, CUSTOMERS, OPERATOR};
use super::process::Process;
use super::{client, events, load, percentiles, say};

/// Incidents of a year, each heard by one customer.
pub const INCIDENTS: usize = 20_000;

/// What each customer uses.
const RESOURCES: usize = 2_000;

/// Resources in one rule file, which has a limit of bytes.
const IN_A_FILE: usize = 1_000;

/// How many more events come, one after the other.
const MORE: usize = 20;

/// When a measurement is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(600);

/// Services with a tier that has terms, and regions: each incident touches one of both.
const SERVICES: [(&str, &str); 3] = [
    ("Virtual Machines", "availability set"),
    ("SQL Database", "zone redundant"),
    ("App Service", "Basic"),
];
const REGIONS: [&str; 5] = ["East US", "West Europe", "North Europe", "Japan East", "UK South"];

/// Measures both.
pub async fn run(dir: &Path, incidents: usize) {
    customers::write(dir, |_| vec![("rules.yaml".to_owned(), "rules: []\n".to_owned())]);
    let daemon = customers::start(dir).await;
    let url = format!("{}?arrival=history", daemon.events());
    load::post_all(url, 32, incidents, |nth| incident(nth, nth % 59 + 1)).await;
    let without = (daemon.rss_mib(), daemon.stop().await).0;

    customers::write(dir, files);
    let began = Instant::now();
    let daemon = customers::start(dir).await;
    let ready = began.elapsed();
    // the files are checked behind the start; what they say counts from then on
    while answer(&daemon, began).await == 0 {
        assert!(began.elapsed() < GIVE_UP_AFTER, "no claims");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let claims = answer(&daemon, began).await;
    say(&json!({
        "measure": "credits after a start", "incidents": incidents, "customers": CUSTOMERS, "resources": RESOURCES,
        "ready_ms": ready.as_millis(), "answered_ms": began.elapsed().as_millis(), "claims": claims,
        "rss_without_mib": without, "rss_mib": daemon.rss_mib(), "rss_most_mib": daemon.rss_most_mib(),
    }));

    let (mut took, before) = (Vec::new(), daemon.cpu());
    for nth in 0..MORE {
        let began = Instant::now();
        load::post_all(daemon.events(), 1, 1, move |_| incident(incidents + nth, 50)).await;
        answer(&daemon, began).await;
        took.push(began.elapsed());
    }
    say(&json!({
        "measure": "credits after one more event", "micros": percentiles(took),
        "cpu_micros_each": daemon.cpu().each(before, MORE).0, "rss_most_mib": daemon.rss_most_mib(),
    }));
}

/// How many claims there are, as soon as everything that was heard before is counted.
async fn answer(daemon: &Process, began: Instant) -> usize {
    let path = "/v1/claims?customer=c7";
    loop {
        let (status, text) = customers::get(&client(), daemon, path, Some(OPERATOR)).await;
        if status == 200 {
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            return answer["claims"].as_array().expect("a list").len();
        }
        assert!(began.elapsed() < GIVE_UP_AFTER, "{status}: {text}");
    }
}

/// What a customer uses, in files that are small enough.
fn files(customer: usize) -> Vec<(String, String)> {
    let usages = (0..RESOURCES).collect::<Vec<_>>();
    let texts = usages.chunks(IN_A_FILE).enumerate().map(|(nth, some)| {
        let mut text = "rules: []\nusage:\n".to_owned();
        for resource in some {
            let ((service, tier), region) = (SERVICES[resource % 3], REGIONS[resource % 5]);
            let fee = 10 + resource;
            writeln!(
                text,
                "  - {{ provider: azure, service: {service}, tier: {tier}, region: {region}, subscription: {}, resource: \
                 r-{resource}, fee: \"{fee}.50\", currency: EUR, billing day: {} }}",
                events::subscription(customer),
                1 + customer % 28,
            )
            .expect("memory takes everything");
        }
        (format!("usage-{nth}.yaml"), text)
    });
    texts.collect()
}

/// An incident that is over, at a time of its own within a year.
fn incident(nth: usize, minutes: usize) -> String {
    let (month, day, hour) = (1 + nth % 10, 1 + nth / 10 % 28, nth / 280 % 20);
    let ((service, _), region) = (SERVICES[nth / CUSTOMERS % 3], REGIONS[nth / CUSTOMERS % 5]);
    let at = |hour: usize, minute: usize| format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z");
    let text = events::text(nth, 1_000);
    events::of_subscription(nth % CUSTOMERS, &format!("K{nth:05}-X"), &text)
        .replace("2026-11-24T08:50:00Z", &at(hour + 2, 0))
        .replace("\"status\":\"Active\"", "\"status\":\"Resolved\"")
        .replace("\"stage\":\"Active\"", "\"stage\":\"Resolved\"")
        .replace(
            "\"impactStartTime\":\"2026-11-24T08:40:00Z\"",
            &format!(
                "\"impactStartTime\":\"{}\",\"impactMitigationTime\":\"{}\"",
                at(hour, 0),
                at(hour, minutes)
            ),
        )
        .replace("Virtual Machines\\\"", &format!("{service}\\\""))
        .replace("\\\"East US\\\"", &format!("\\\"{region}\\\""))
}
