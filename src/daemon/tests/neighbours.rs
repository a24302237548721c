//! What would have to be replaced to try it: a name server that never answers, a message that cannot be rendered.

use std::io;
use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// Within this time something must happen that takes milliseconds where nobody is in the way.
const AT_ONCE: Duration = Duration::from_secs(8);

/// How many receivers have names that never resolve: more than there are slots.
const DEAD: usize = 600;

/// Deliveries to all of them must fit.
const SEGMENT_BYTES: u64 = 32 << 20;

/// How many incidents there are.
const INCIDENTS: usize = 4;

/// The unit's `TasksMax`.
const THREADS_MOST: usize = 256;

async fn start_with(place: &Place, outside: Outside) -> Handle {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let clock = Clock::ByHand(place.clock.clone());
    let started = super::super::start_with(place.settings.clone(), clock, listener, outside).await;
    started.expect("starts")
}

/// Everybody hears everything, also by mail, and those whose names never resolve hear of one incident.
fn rules(port: u16) -> String {
    let dead = |nth| format!("{{ webhook: {{ url: \"http://never-{nth}.example:8080/\" }} }}");
    let dead = (0..DEAD).map(dead).collect::<Vec<_>>().join(", ");
    format!(
        "receivers:\n  dead: [{dead}]\n  name: [{{ webhook: {{ url: \"http://here.example:{port}/good-name\" }} }}]\n  number: [{{ webhook: {{ url: \"http://127.0.0.1:{port}/good-number\" }} }}]\n  mail: [{{ email: ada@contoso.example }}]\nrules:\n  - {{ name: Dead, when: {{ tracking id: DMG0001 }}, notify: dead, settle: 0s }}\n  - {{ name: All, when: {{}}, notify: [name, number, mail], settle: 0s }}\n"
    )
}

/// Names that begin with `never` get no answer until the sender is dropped, all others are here.
fn dead_names() -> (Resolver, mpsc::Sender<()>) {
    let (end, ends) = mpsc::channel::<()>();
    let ends = Mutex::new(ends);
    let resolver = Resolver::with(move |name| {
        if name.starts_with("never") {
            let _ = ends.lock().map(|ends| ends.recv()); // it ends when nobody sends any more
            return Err(io::Error::other("no answer"));
        }
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    });
    (resolver, end)
}

/// Waits until the paths got a message about this incident.
async fn told(place: &Place, nth: u64, paths: &[&str]) {
    let id = format!("DMG{nth:04}");
    let mut missing: BTreeSet<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    while !missing.is_empty() {
        for got in place.receivers.take() {
            if String::from_utf8_lossy(&got.body).contains(&id) {
                missing.remove(&got.path);
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn get(daemon: &Handle, path: &str) -> serde_json::Value {
    let answer = reqwest::get(format!("http://{}{path}", daemon.addr)).await;
    answer.expect("an answer").json().await.expect("JSON")
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("a process").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_never_resolve_delay_nobody_and_take_few_threads() {
    let mut place = Place::with(&[]).await;
    place.settings.segment_bytes = SEGMENT_BYTES;
    place.settings.smtp = Some(crate::config::Smtp {
        url: "smtp://never-relay.example?tls=none".parse().expect("a URL"),
        user: None,
        password: None,
        hello: None,
    });
    let folder = place.dir.path().join("rules/contoso");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("rules.yaml"), rules(place.receivers.port)).expect("a file");
    let (resolver, end) = dead_names();
    let outside = Outside {
        resolver,
        ..Outside::default()
    };
    let daemon = start_with(&place, outside).await;
    for nth in 0..INCIDENTS as u64 {
        let heard = daemon.hear(vec![update(nth, begin())]);
        timeout(AT_ONCE, heard).await.expect("is recorded at once");
        let told = told(&place, nth, &["/good-name", "/good-number"]);
        timeout(AT_ONCE, told).await.expect("the others are told at once");
        let read = timeout(AT_ONCE, get(&daemon, "/v1/incidents")).await;
        let incidents = read.expect("is read at once")["incidents"].as_array().map(Vec::len);
        assert_eq!(incidents, Some(nth as usize + 1));
        assert!(threads() < THREADS_MOST, "{} threads", threads());
    }
    drop(end);
    daemon.settled().await;
    let scheduled = get(&daemon, "/v1/deliveries?state=scheduled&limit=1000").await;
    let scheduled = scheduled["deliveries"].as_array().expect("a list").clone();
    assert_eq!(scheduled.len(), DEAD + INCIDENTS, "one mail of each incident");
    for delivery in scheduled {
        let attempt = delivery["attempts"][0].to_string();
        assert!(attempt.contains("the host name"), "{attempt}");
    }
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_panics_while_it_is_rendered_is_tried_three_times_and_then_a_dead_letter() {
    let rules = "receivers: { good: [{ webhook: { url: \"{receivers}/good\" } }] }\nrules:\n  - { name: All, when: {}, notify: good, settle: 0s }\n";
    let place = Place::with(&[("rules.yaml", rules.to_owned())]).await;
    let outside = || Outside {
        before_rendering: |message| assert_ne!(message.event.tracking_id, "DMG0001", "it cannot be rendered"),
        ..Outside::default()
    };
    let mut daemon = start_with(&place, outside()).await;
    daemon.hear(vec![update(1, begin()), update(2, begin())]).await;
    for seconds in [0, 7] {
        place.pass(&daemon, seconds).await;
    }
    assert_eq!(place.receivers.take().len(), 1, "the other one is told");
    let scheduled = get(&daemon, "/v1/deliveries?state=scheduled").await;
    let attempts = scheduled["deliveries"][0]["attempts"]
        .as_array()
        .expect("attempts")
        .clone();
    assert_eq!(attempts.len(), 2, "{scheduled}");
    assert!(
        attempts.iter().all(|one| one.to_string().contains("panic")),
        "{attempts:?}"
    );
    // a restart begins no new count
    daemon.stop().await.expect("stops");
    daemon = start_with(&place, outside()).await;
    place.pass(&daemon, 40).await;
    let dead = get(&daemon, "/v1/deliveries?state=dead").await;
    let end = dead["deliveries"][0]["end"].to_string();
    assert!(end.contains("refused") && end.contains("panic, 3 times"), "{dead}");
    let scheduled = get(&daemon, "/v1/deliveries?state=scheduled").await;
    assert_eq!(scheduled["deliveries"].as_array().map(Vec::len), Some(0), "{scheduled}");
    daemon.stop().await.expect("stops");
}
