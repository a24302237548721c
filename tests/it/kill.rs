//! `kill -9` at random instants: every event that was accepted is told, and what is told twice is told the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::process::{Process, client, post, serve, tell_everything};
use crate::world::Hooks;

const KILLS: u64 = 100;

/// One of so many starts is left alone until everything is told.
const WATCHED_EVERY: u64 = 10;

/// Who posts at once.
const POSTERS: u64 = 8;

/// The longest that nothing more is told while something is left to tell: an attempt that a busy machine cut short is made
/// again after 5 s, then after 30 s, then after 2 min.
const UNTOLD_MOST: Duration = Duration::from_mins(3);

/// The longest that a daemon lives after it listens, milliseconds.
const LIFE_MOST_MS: u64 = 250;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_accepted_is_told_however_often_the_daemon_is_killed() {
    let seed = seed();
    let place = tempfile::tempdir().expect("a folder");
    let (state, rules) = (place.path().join("state"), place.path().join("rules"));
    let hooks = Hooks::start().await;
    tell_everything(&rules, &hooks);
    let client = client();
    let watched_every =
        std::env::var("KILL_WATCHED_EVERY").map_or(WATCHED_EVERY, |every| every.parse().expect("a number"));
    let mut accepted = BTreeSet::new();
    let (mut incidents, mut behind) = (Incidents::default(), 0);
    for nth in 0..KILLS {
        let process = Process::start(&serve(&state, &rules));
        // whatever the kills before did to it, it tells all that was accepted before it is killed again
        if nth % watched_every == watched_every - 1 {
            wait_until_told(&accepted, &mut incidents, &hooks, &process, seed).await;
        }
        let posters = posters(&client, &process.url, nth);
        tokio::time::sleep(Duration::from_millis(mixed(seed, nth) % LIFE_MOST_MS)).await;
        process.kill();
        for poster in posters {
            accepted.extend(poster.await.expect("posts"));
        }
        incidents.follow(&hooks);
        behind += usize::from(!accepted.is_subset(&incidents.ids));
    }
    let process = Process::start(&serve(&state, &rules));
    wait_until_told(&accepted, &mut incidents, &hooks, &process, seed).await;
    let deliveries = deliveries_of(&accepted, &client, &process).await;
    let pid = process.pid();
    process.stop(pid);
    let told = told(&hooks);
    check(&accepted, &told, &deliveries, seed);
    let repeats: usize = told.values().map(|hooks| hooks.len() - 1).sum();
    eprintln!(
        "{} accepted, {repeats} told again, {behind} of {KILLS} kills left something untold",
        accepted.len()
    );
    assert!(accepted.len() > KILLS as usize, "too little was going on (seed {seed})");
    assert!(behind > 0, "no kill hit anything (seed {seed})");
}

/// Waits as long as something more is told; where nothing is any more, says what is left and what the daemon logged.
async fn wait_until_told(
    accepted: &BTreeSet<String>,
    told: &mut Incidents,
    hooks: &Hooks,
    process: &Process,
    seed: u64,
) {
    let (mut fewest, mut since) = (usize::MAX, Instant::now());
    loop {
        told.follow(hooks);
        let left: Vec<_> = accepted.difference(&told.ids).collect();
        if left.is_empty() {
            return;
        }
        if left.len() < fewest {
            (fewest, since) = (left.len(), Instant::now());
        }
        assert!(
            since.elapsed() < UNTOLD_MOST,
            "accepted and not told (seed {seed}): {} of {}, {:?}\n{}",
            left.len(),
            accepted.len(),
            &left[..left.len().min(10)],
            process.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Each posts one event after the other until the daemon is gone; what was accepted comes back.
fn posters(client: &reqwest::Client, url: &str, nth: u64) -> Vec<tokio::task::JoinHandle<Vec<String>>> {
    let one = |poster: u64| {
        let (client, url) = (client.clone(), url.to_owned());
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            for event in 0.. {
                let id = format!("K{nth}-{poster}-{event}");
                match post(&client, &url, &id).await {
                    Some(_) => accepted.push(id),
                    None => break,
                }
            }
            accepted
        })
    };
    (0..POSTERS).map(one).collect()
}

/// The incidents that were told of. Only what is new is looked at: who looks at everything again and again keeps the
/// receiver from answering.
#[derive(Default)]
struct Incidents {
    ids: BTreeSet<String>,
    requests: usize,
}

impl Incidents {
    fn follow(&mut self, hooks: &Hooks) {
        let new = hooks.after(self.requests);
        self.requests += new.len();
        let ids = new.iter().map(|hook| hook.body["tracking_id"].as_str());
        self.ids.extend(ids.map(|id| id.expect("a tracking id").to_owned()));
    }
}

/// What was told of each incident: webhook id and body, once per time.
fn told(hooks: &Hooks) -> BTreeMap<String, Vec<(String, Value)>> {
    let mut told: BTreeMap<String, Vec<(String, Value)>> = BTreeMap::new();
    for hook in hooks.all() {
        let incident = hook.body["tracking_id"].as_str().expect("a tracking id").to_owned();
        told.entry(incident)
            .or_default()
            .push((hook.headers["webhook-id"].clone(), hook.body));
    }
    told
}

/// The deliveries of all that was accepted: the last ones were told, and their ends are written down by and by.
async fn deliveries_of(
    accepted: &BTreeSet<String>,
    client: &reqwest::Client,
    process: &Process,
) -> BTreeMap<String, Vec<String>> {
    let began = Instant::now();
    loop {
        let all = deliveries(client, &process.url).await;
        let left: Vec<_> = accepted.iter().filter(|id| !all.contains_key(*id)).collect();
        if left.is_empty() {
            return all;
        }
        assert!(
            began.elapsed() < UNTOLD_MOST,
            "told and not delivered: {left:?}\n{}",
            process.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every delivery that ended well, by incident.
async fn deliveries(client: &reqwest::Client, url: &str) -> BTreeMap<String, Vec<String>> {
    let (mut all, mut next): (BTreeMap<String, Vec<String>>, _) = (BTreeMap::new(), String::new());
    loop {
        let page = client
            .get(format!("{url}/v1/deliveries?state=delivered&limit=1000{next}"))
            .send()
            .await;
        let page: Value = page.expect("an answer").json().await.expect("JSON");
        for one in page["deliveries"].as_array().expect("a list") {
            let (incident, id) = (
                one["tracking_id"].as_str().expect("an id"),
                one["id"].as_str().expect("an id"),
            );
            all.entry(incident.to_owned()).or_default().push(id.to_owned());
        }
        match page["next"].as_str() {
            Some(cursor) => next = format!("&before={cursor}"),
            None => return all,
        }
    }
}

fn check(
    accepted: &BTreeSet<String>,
    told: &BTreeMap<String, Vec<(String, Value)>>,
    deliveries: &BTreeMap<String, Vec<String>>,
    seed: u64,
) {
    for (incident, times) in told {
        let (first, more) = times.split_first().expect("told");
        assert!(
            more.iter().all(|time| time == first),
            "{incident} was told differently (seed {seed}): {times:#?}"
        );
    }
    for incident in accepted {
        let (id, _) = &told[incident][0];
        assert_eq!(
            deliveries.get(incident),
            Some(&vec![id.clone()]),
            "{incident} (seed {seed})"
        );
    }
}

/// From the environment, to try the same instants again; else new each time.
fn seed() -> u64 {
    let given = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_millis() as u64
    };
    let seed = given.unwrap_or_else(now);
    eprintln!("KILL_SEED={seed}");
    seed
}

/// Numbers that look random (splitmix64's finish).
fn mixed(seed: u64, nth: u64) -> u64 {
    let mut mixed = seed ^ nth.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
