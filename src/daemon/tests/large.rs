//! Decisions that are too large for one record: written in several, they count whole or not at all.

use super::*;
use crate::journal::{self, Journal};
use crate::ledger::trap;
use crate::record::Record;

/// How many subscriptions the event names, and how many rules each leave out another one of them: every rule's accounts
/// are a set of their own, and all of them together take several records.
const ACCOUNTS: usize = 2_300;
const RULES: usize = 24;

/// A segment must hold the event and a piece of the decision.
const LARGE_SEGMENT: u64 = 32 << 20;

fn account(nth: usize) -> String {
    format!("{nth:08x}-aaaa-4bbb-8ccc-111111111111")
}

fn rules(count: usize) -> String {
    let mut text = String::from("receivers:\n  good: [{ webhook: { url: \"{receivers}/good\" } }]\nrules:\n");
    for nth in 0..count {
        let but = account(nth);
        text.push_str(&format!(
            "  - {{ name: All but {nth}, when: {{}}, unless: {{ subscriptions: [{but}] }}, notify: good }}\n"
        ));
    }
    text
}

async fn place(rules_count: usize, segment_bytes: u64) -> Place {
    let mut place = Place::with(&[("rules.yaml", rules(rules_count))]).await;
    place.settings.segment_bytes = segment_bytes;
    place
}

fn event() -> Event {
    Event {
        accounts: (0..ACCOUNTS).map(account).collect(),
        ..update(1, begin())
    }
}

/// The subscriptions of the one message that came.
fn told(place: &Place) -> Vec<String> {
    let got = place.receivers.take();
    assert_eq!(got.len(), 1, "one message");
    let body: serde_json::Value = serde_json::from_slice(&got[0].body).expect("JSON");
    let named = body["subscriptions"].as_array().expect("a list").iter();
    named.map(|one| one["id"].as_str().expect("text").to_owned()).collect()
}

/// Leaves in the journal only the first `records` records.
fn cut(place: &Place, records: &[Vec<u8>]) {
    let dir = place.state().join("journal");
    std::fs::remove_dir_all(&dir).expect("removed");
    let options = journal::Options {
        segment_bytes: LARGE_SEGMENT,
        ..journal::Options::default()
    };
    let (mut journal, _) = Journal::open(&dir, options).expect("a journal");
    for record in records {
        journal.append(std::slice::from_ref(record)).expect("writes");
        journal.sync().expect("syncs");
    }
    for part in ["store", "checkpoints", "store.clean", "store.boot"] {
        let path = place.state().join(part);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_of_several_records_counts_whole_wherever_a_crash_cuts_it() {
    let mut place = place(RULES, LARGE_SEGMENT).await;
    let daemon = place.start().await.expect("starts");
    daemon.hear(vec![event()]).await;
    daemon.settled().await;
    let tail = daemon.ledger.journal().tail(1);
    let records: Vec<Vec<u8>> = tail.map(|record| record.expect("reads").1).collect();
    let is_piece = |bytes: &Vec<u8>| matches!(Record::from_bytes(bytes), Ok(Record::Continued { .. }));
    let first = records.iter().position(is_piece).expect("several records");
    let pieces = records.iter().filter(|record| is_piece(record)).count();
    assert!(pieces >= 2, "{pieces}");
    place.pass(&daemon, 10).await;
    let all = told(&place);
    assert_eq!(all.len(), ACCOUNTS);
    daemon.stop().await.expect("stops");
    for kept in first..=first + pieces + 1 {
        cut(&place, &records[..kept]);
        place.clock = ByHand::at(begin());
        let daemon = place.start().await.expect("starts");
        daemon.settled().await;
        assert_eq!(place.receivers.take(), [], "{kept}: it is not due yet");
        place.pass(&daemon, 10).await;
        assert_eq!(told(&place), all, "{kept} records");
        place.pass(&daemon, 600).await;
        assert_eq!(place.receivers.take(), [], "{kept}: nothing is told twice");
        daemon.stop().await.expect("stops");
    }
}

/// How often it is looked whether something has happened.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(10);

/// Looks again and again whether something has happened.
async fn for_a_minute(what: &str, has_happened: impl AsyncFn() -> bool) {
    for _ in 0..6_000 {
        if has_happened().await {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    panic!("it was waited for in vain: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_in_the_middle_of_a_large_decision_has_it_made_once_there_is_space() {
    let place = place(16 * RULES, LARGE_SEGMENT / 8 * 3).await;
    let daemon = place.start().await.expect("starts");
    let journal = place.state().join("journal");
    // the open segment, and one that is ready
    let segments = || std::fs::read_dir(&journal).expect("a folder").count();
    for_a_minute("the next segment is ready", async || segments() >= 2).await;
    let full = journal.with_extension(journal::FULL);
    std::fs::write(&full, "").expect("a file");
    daemon.hear(vec![event()]).await;
    let other = || {
        vec![Input::Heard {
            event: Box::new(update(2, begin())),
        }]
    };
    for_a_minute("the disk is full", async || {
        daemon.ledger.record(other(), None).await.is_err()
    })
    .await;
    let records = || -> Vec<Record> {
        let tail = daemon.ledger.journal().tail(1).map(|record| record.expect("reads").1);
        tail.map(|bytes| Record::from_bytes(&bytes).expect("a record"))
            .collect()
    };
    let pieces = |records: &[Record]| {
        let pieces = records
            .iter()
            .filter(|record| matches!(record, Record::Continued { .. }));
        pieces.count()
    };
    let written = pieces(&records());
    assert!(written >= 1, "the disk was full before the first piece");
    place.clock.advance(chrono::Duration::seconds(60));
    assert_eq!(place.receivers.take().len(), 0, "half of a decision is none");
    assert!(!daemon.ledger.is_failed());
    std::fs::remove_file(&full).expect("removed");
    daemon.settled().await;
    place.pass(&daemon, 60).await;
    let about = |nth: u64, got: &Got| String::from_utf8_lossy(&got.body).contains(&format!("DMG{nth:04}"));
    let got = place.receivers.take();
    let of_event: Vec<&Got> = got.iter().filter(|got| about(1, got)).collect();
    assert_eq!(of_event.len(), 1, "told once: {}", got.len());
    let body: serde_json::Value = serde_json::from_slice(&of_event[0].body).expect("JSON");
    assert_eq!(body["subscriptions"].as_array().map(Vec::len), Some(ACCOUNTS));
    assert!(
        pieces(&records()) > written,
        "it was made anew, from the first piece on"
    );
    daemon.stop().await.expect("stops");
    let daemon = place.start().await.expect("starts");
    place.pass(&daemon, 600).await;
    let again = place.receivers.take();
    assert!(!again.iter().any(|got| about(1, got)), "nothing is told twice");
    daemon.stop().await.expect("stops");
}

/// Lets the large decision take its next step, and waits until it has; or until it is over.
async fn step(decided: &tokio::task::JoinHandle<()>) {
    trap::let_large_decisions_step(Some(1));
    for_a_minute("the next step", async || trap::has_stepped() || decided.is_finished()).await;
}

/// The incidents that messages were about, sorted.
fn told_about(place: &Place) -> Vec<String> {
    let about = |got: &Got| {
        let body: serde_json::Value = serde_json::from_slice(&got.body).expect("JSON");
        body["tracking_id"].as_str().expect("text").to_owned()
    };
    let mut all: Vec<String> = place.receivers.take().iter().map(about).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_a_large_decision_is_on_its_way_is_answered_and_a_crash_at_any_step_loses_nothing() {
    let mut place = place(RULES, LARGE_SEGMENT).await;
    let daemon = place.start().await.expect("starts");
    trap::let_large_decisions_step(Some(0));
    let heard = |event| vec![Input::Heard { event: Box::new(event) }];
    let at = daemon.ledger.record(heard(event()), None).await.expect("is recorded")[0];
    let ledger = daemon.ledger.clone();
    let decided = tokio::spawn(async move { ledger.decided(at).await });
    let (mut steps, mut events, mut saved) = (0, 1, Vec::new());
    while !decided.is_finished() {
        if steps % 4 == 3 {
            events += 1;
            let other = heard(update(events, begin()));
            daemon.ledger.record(other, None).await.expect("is answered");
            saved.push((place.save(&format!("{steps}")), events));
        }
        step(&decided).await;
        steps += 1;
    }
    trap::let_large_decisions_step(None);
    daemon.settled().await;
    assert_eq!(place.receivers.take(), [], "it is not due yet");
    nothing_else_was_decided(&daemon, events);
    place.pass(&daemon, 10).await;
    let ids = |events: u64| -> Vec<String> { (1..=events).map(|nth| format!("DMG{nth:04}")).collect() };
    assert_eq!(told_about(&place), ids(events));
    daemon.stop().await.expect("stops");
    assert!(saved.len() >= 6, "{steps} steps");
    // while it is written down, when it just is, and while it is brought into the store
    let some = [0, 1, saved.len() / 2, saved.len() - 1];
    for (copy, events) in some.map(|nth| &saved[nth]) {
        place.restore(copy, begin());
        let daemon = place.start().await.expect("starts");
        daemon.settled().await;
        place.pass(&daemon, 10).await;
        assert_eq!(told_about(&place), ids(*events), "{}", copy.display());
        place.pass(&daemon, 600).await;
        assert_eq!(place.receivers.take(), [], "nothing is told twice: {}", copy.display());
        daemon.stop().await.expect("stops");
    }
}

/// The events that came meanwhile are recorded behind the first piece of the large decision, and decided after all of
/// them are.
fn nothing_else_was_decided(daemon: &Handle, events: u64) {
    let tail = daemon.ledger.journal().tail(1).map(|record| record.expect("reads").1);
    let records: Vec<Record> = tail
        .map(|bytes| Record::from_bytes(&bytes).expect("a record"))
        .collect();
    let is_piece = |record: &Record| matches!(record, Record::Continued { .. });
    let first = records.iter().position(is_piece).expect("several records");
    let is_heard = |record: &Record| {
        let inputs = match record {
            Record::Recorded { inputs, .. } => &inputs[..],
            _ => &[],
        };
        inputs.iter().any(|input| matches!(input, Input::Heard { .. }))
    };
    let heard: Vec<usize> = (first..records.len()).filter(|nth| is_heard(&records[*nth])).collect();
    assert_eq!(heard.len() as u64, events - 1);
    let is_whole = |record: &Record| matches!(record, Record::Decided { after: Some(_), .. });
    let whole = records.iter().position(is_whole).expect("it was decided");
    assert!(heard[0] < whole && whole < heard[heard.len() - 1], "{whole}: {heard:?}");
    let is_decided = |record: &&Record| matches!(record, Record::Decided { .. });
    let decided = records[first..heard[heard.len() - 1]].iter().filter(is_decided).count();
    assert_eq!(decided, 1, "only the large one");
}
