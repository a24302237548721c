//! Decisions that are too large for one record: written in several, they count whole or not at all.

use super::*;
use crate::journal::{self, Journal};
use crate::record::Record;

/// How many subscriptions the event names, and how many rules each leave out another one of them: every rule's accounts
/// are a set of their own, and all of them together take several records.
const ACCOUNTS: usize = 2_300;
const RULES: usize = 96;

/// A segment must hold the event and a piece of the decision.
const LARGE_SEGMENT: u64 = 32 << 20;

fn account(nth: usize) -> String {
    format!("{nth:08x}-aaaa-4bbb-8ccc-111111111111")
}

fn rules() -> String {
    let mut text = String::from("receivers:\n  good: [{ webhook: { url: \"{receivers}/good\" } }]\nrules:\n");
    for nth in 0..RULES {
        let but = account(nth);
        text.push_str(&format!(
            "  - {{ name: All but {nth}, when: {{}}, unless: {{ subscriptions: [{but}] }}, notify: good }}\n"
        ));
    }
    text
}

async fn place() -> Place {
    let mut place = Place::with(&[("rules.yaml", rules())]).await;
    place.settings.segment_bytes = LARGE_SEGMENT;
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
    let mut place = place().await;
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
