//! A churn: far more goes through than is kept, and what is on disk follows what is kept. Memory is the benchmark's.

use super::*;
use crate::schedule::Cron;
use crate::store::item::{Item, Progress};

/// Events of one round, and who hears each.
const EVENTS: u64 = 20;
const RECEIVERS: u64 = 20;
const ROUNDS: u64 = 10;

/// What journal, store and checkpoints take on disk is at most this multiple of what is live; 4.9 was measured. Behind the older of two
/// checkpoints nothing is thinned out yet.
const TIMES: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_what_is_kept_leaves_no_more_on_disk_than_a_small_multiple_of_what_is_live() {
    let mut place = Place::with(&[("contoso/rules.yaml", rules())]).await;
    place.settings.segment_bytes = 1 << 20;
    place.settings.retention.deliveries_seconds = Some(3_600);
    place.settings.housekeeping = Cron::read("30 * * * *").expect("a schedule");
    let daemon = place.start().await.expect("starts");
    for round in 0..ROUNDS {
        let now = Clock::ByHand(place.clock.clone()).now();
        daemon
            .hear((0..EVENTS).map(|nth| update(round * EVENTS + nth, now)).collect())
            .await;
        daemon.settled().await;
        // an attempt that a busy machine cut short is made again a little later, with the same id
        let mut told = std::collections::BTreeSet::new();
        let mut passed = 0;
        while passed < 600 && (told.len() as u64) < EVENTS * RECEIVERS {
            passed += 10;
            place.pass(&daemon, 10).await;
            told.extend(place.receivers.take().into_iter().map(|got| got.id));
        }
        assert_eq!(told.len() as u64, EVENTS * RECEIVERS, "round {round}");
        place.pass(&daemon, 3_600 - passed).await;
        // on a busy machine housekeeping would still be at work when its next time comes, hours later by this clock
        daemon.store_renewed().await;
    }
    let kept = deliveries(&daemon);
    assert_eq!(
        kept,
        EVENTS * RECEIVERS,
        "what ended within the hour is kept, what ended before is forgotten"
    );
    let live = live_bytes(&daemon);
    daemon.stop().await.expect("stops");
    let disk = disk_bytes(&place);
    eprintln!("{live} bytes are live, {disk} are taken");
    assert!(disk < TIMES * live, "{live} bytes are live, and {disk} are taken");
}

fn rules() -> String {
    let urls = (0..RECEIVERS).map(|nth| format!("    - webhook: {{ url: \"{{receivers}}/good/{nth}\" }}\n"));
    let rule = "rules:\n  - { name: Everything, when: { event type: Service issue }, notify: all }\n";
    format!("receivers:\n  all:\n{}{rule}", urls.collect::<String>())
}

fn deliveries(daemon: &Handle) -> u64 {
    let view = daemon.ledger.view();
    view.items()
        .filter(|item| matches!(item, Ok(Item::Delivery(one)) if one.progress != Progress::Forgotten))
        .count() as u64
}

/// What the store holds, and the events' texts, which only the journal has.
fn live_bytes(daemon: &Handle) -> u64 {
    let view = daemon.ledger.view();
    let items = view
        .items()
        .map(|item| serde_json::to_vec(&item.expect("an item")).expect("JSON").len());
    let events = view.items().filter_map(|item| match item {
        Ok(Item::Event(line)) => Some(line.at),
        _ => None,
    });
    let texts = events.map(|at| {
        let event = crate::lookup::event(daemon.ledger.journal(), at).expect("an event");
        serde_json::to_vec(&event).expect("JSON").len()
    });
    (items.sum::<usize>() + texts.sum::<usize>()) as u64
}

/// What journal, store and checkpoints take, the journal's zeroed space (two segments) not counted.
fn disk_bytes(place: &Place) -> u64 {
    let files = ["journal", "store", "checkpoints"].map(|part| files_below(&place.state().join(part)));
    let sizes = files
        .iter()
        .flatten()
        .map(|file| file.metadata().expect("a file").len());
    sizes.sum::<u64>() - 2 * place.settings.segment_bytes
}
