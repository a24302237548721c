//! A state directory that an earlier version wrote opens, and goes on where that version stopped.
//!
//! `tests/fixtures/state-1.tar.zst` was written by version 0.1.0 of the first format, before the store had a schema
//! number: a daemon under `RULES` heard incidents enough for a checkpoint; then one whose receiver
//! refuses, one whose receiver is down and that was superseded by its second communication, and one that gathers from
//! two events; it was told of a broken file, and stopped in an orderly way. An event was appended to its journal afterwards, as if it had been
//! killed between recording and deciding. Receivers are known by the names of secrets, so that a port may be another.

use super::*;

const OTHER: &str = "22222222-aaaa-4bbb-8ccc-222222222222";

/// Every receiver's secret. The one that was down takes what comes by now: see [`Receivers`].
const SECRETS: [(&str, &str); 3] = [
    ("contoso/secrets/good", "{receivers}/good"),
    ("contoso/secrets/slow", "{receivers}/good"),
    ("contoso/secrets/never", "{receivers}/never"),
];

const RULES: &str = r#"
receivers:
  good: [{ webhook: { url: { secret: good } } }]
  slow: [{ webhook: { url: { secret: slow } } }]
  never: [{ webhook: { url: { secret: never } } }]
rules:
  - { name: Everything, when: { event type: Service issue }, notify: good }
  - { name: To a receiver that is down, when: { tracking id: "SLOW*" }, notify: slow }
  - { name: To a receiver that refuses, when: { tracking id: "NEVER*" }, notify: never }
  - { name: Gathered, when: { tracking id: "OPEN*" }, notify: good, settle: 1h }
"#;

/// A file that was broken when the state was written, and still is.
const BROKEN: &str = "rules:\n  - name: Broken\n    wenn: {}\n";

/// When the state was written.
const STOPPED: &str = "2026-11-24T09:01:41Z";

/// The first format's state directory in a place whose receivers all take what comes now.
async fn place() -> Place {
    place_of("state-1", STOPPED).await
}

async fn place_of(state: &str, stopped: &str) -> Place {
    let mut files: Vec<(&str, String)> = SECRETS.iter().map(|(path, url)| (*path, (*url).to_owned())).collect();
    files.push(("contoso/rules.yaml", RULES.to_owned()));
    files.push(("contoso/broken.yaml", BROKEN.to_owned()));
    let mut place = Place::with(&files).await;
    let packed = std::fs::File::open(format!("tests/fixtures/{state}.tar.zst")).expect("a fixture");
    let unpacked = zstd::Decoder::new(packed).expect("is packed");
    tar::Archive::new(unpacked).unpack(place.state()).expect("unpacks");
    place.clock = ByHand::at(stopped.parse().expect("a time"));
    place
}

async fn ask(daemon: &Handle, path: &str) -> serde_json::Value {
    let answer = reqwest::get(format!("http://{}{path}", daemon.addr))
        .await
        .expect("an answer");
    serde_json::from_str(&answer.text().await.expect("a text")).expect("JSON")
}

/// How many deliveries are in a state.
async fn count(daemon: &Handle, state: &str) -> usize {
    let page = ask(daemon, &format!("/v1/deliveries?state={state}&limit=500")).await;
    page["deliveries"].as_array().expect("a list").len()
}

/// What came, as tracking ids and subscriptions.
fn told(got: &[Got]) -> Vec<(String, Vec<String>)> {
    let mut told: Vec<(String, Vec<String>)> = got
        .iter()
        .map(|got| {
            let body: serde_json::Value = serde_json::from_slice(&got.body).expect("JSON");
            let ids = body["subscriptions"].as_array().expect("a list").iter();
            let ids = ids.map(|one| one["id"].as_str().expect("text").to_owned()).collect();
            (body["tracking_id"].as_str().expect("text").to_owned(), ids)
        })
        .collect();
    told.sort();
    told
}

/// Starts on the state, and goes on where the version before it stopped.
async fn goes_on(place: &Place) {
    let daemon = place.start().await.expect("starts");
    daemon.settled().await;
    assert_eq!(
        told(&place.receivers.take()),
        [],
        "nothing of what was told is told again"
    );
    assert_eq!(count(&daemon, "scheduled").await, 1);
    assert_eq!(count(&daemon, "delivered").await, 63);
    assert_eq!(count(&daemon, "dead").await, 2, "one was refused, one superseded");
    place.pass(&daemon, 10).await;
    let gathered = vec![ACCOUNT.to_owned(), OTHER.to_owned()];
    let expected = [
        ("LATE-1".to_owned(), vec![ACCOUNT.to_owned()]),
        ("OPEN-1".to_owned(), gathered),
    ];
    assert_eq!(told(&place.receivers.take()), expected);
    place.pass(&daemon, 300).await;
    assert_eq!(
        told(&place.receivers.take()),
        [("SLOW-1".to_owned(), vec![ACCOUNT.to_owned()])]
    );
    assert_eq!(count(&daemon, "scheduled").await, 0);
    assert_eq!(count(&daemon, "delivered").await, 66);
    let rules = ask(&daemon, "/v1/rules").await.to_string();
    assert!(
        rules.contains("contoso/broken.yaml") && rules.contains("wenn"),
        "{rules}"
    );
    let incidents = ask(&daemon, "/v1/incidents?limit=500").await;
    assert_eq!(
        incidents["incidents"].as_array().expect("a list").len(),
        65,
        "our own one included"
    );
    daemon.stop().await.expect("stops");
    let formats = files_below(&place.state().join("journal"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "raw" || kind == "packed"))
        .map(|path| std::fs::read(path).expect("a file")[8]);
    let formats: BTreeSet<u8> = formats.collect();
    assert_eq!(
        formats,
        BTreeSet::from([1, 4]),
        "what is written now stands in segments of a new format"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_format_opens_and_goes_on_where_it_stopped() {
    goes_on(&place().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_format_is_built_again_from_its_checkpoint() {
    let place = place().await;
    std::fs::remove_dir_all(place.state().join("store")).expect("removed");
    goes_on(&place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_format_is_built_again_from_its_journal_alone() {
    let place = place().await;
    for dir in ["store", "checkpoints"] {
        std::fs::remove_dir_all(place.state().join(dir)).expect("removed");
    }
    goes_on(&place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_first_formats_checkpoint_knows_is_kept() {
    let place = place().await;
    std::fs::remove_dir_all(place.state().join("store")).expect("removed");
    for nth in 1..=3 {
        let segment = place.state().join(format!("journal/{nth:010}.packed"));
        std::fs::remove_file(segment).expect("removed");
    }
    let daemon = place.start().await.expect("starts");
    daemon.settled().await;
    assert_eq!(count(&daemon, "delivered").await, 63);
    assert_eq!(count(&daemon, "dead").await, 2);
    daemon.stop().await.expect("stops");
}

/// When the second state was written: what the version with the store's schema 3 and the journal's format 2 made of the
/// first one, with forty incidents more, a renewed store, another refusal, another notification that gathers from two
/// events, and another event that was not decided.
const STOPPED_AGAIN: &str = "2026-11-24T09:08:41Z";

/// As with the first state: nothing of what was told is told again, and what waits goes on.
async fn goes_on_again(place: &Place) {
    let daemon = place.start().await.expect("starts");
    daemon.settled().await;
    assert_eq!(told(&place.receivers.take()), []);
    let counts = [
        count(&daemon, "scheduled").await,
        count(&daemon, "delivered").await,
        count(&daemon, "dead").await,
    ];
    assert_eq!(counts, [0, 107, 3]);
    place.pass(&daemon, 10).await;
    let gathered = vec![ACCOUNT.to_owned(), OTHER.to_owned()];
    let expected = [
        ("LATE-2".to_owned(), vec![ACCOUNT.to_owned()]),
        ("OPEN-2".to_owned(), gathered),
    ];
    assert_eq!(told(&place.receivers.take()), expected);
    place.pass(&daemon, 7_200).await;
    assert_eq!(told(&place.receivers.take()), []);
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_format_goes_on_from_its_store_its_checkpoint_and_its_journal() {
    for without in [&[][..], &["store"][..], &["store", "checkpoints"][..]] {
        let place = place_of("state-2", STOPPED_AGAIN).await;
        for dir in without {
            std::fs::remove_dir_all(place.state().join(dir)).expect("removed");
        }
        goes_on_again(&place).await;
    }
}
