//! Lanes with more than a look goes through: what is read of them.

use super::*;

/// More incidents than one look goes through, in tests.
const MANY: u64 = 150;

/// How often lanes have looked at a delivery.
fn reads(daemon: &Handle) -> usize {
    daemon.ledger.figures().heads_read.load(Ordering::Relaxed)
}

async fn hear(daemon: &Handle, place: &Place, names: std::ops::RangeInclusive<u64>) {
    let now = place.clock_now();
    for nth in names {
        daemon.hear(vec![update(nth, now)]).await; // together they would take more than a segment
    }
    daemon.settled().await;
    place.pass(daemon, 11).await;
}

const RULES: &str =
    "receivers: { slow: [{ webhook: '{receivers}/slow' }] }\nrules: [{ name: All, when: {}, notify: slow }]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_with_very_many_incidents_is_not_read_again_while_nothing_changes() {
    let place = Place::with(&[("a.yaml", RULES.to_owned())]).await;
    let daemon = place.start().await.expect("starts");
    hear(&daemon, &place, 1..=MANY).await;
    assert!(place.receivers.take().len() as u64 >= MANY, "each was tried");
    // up to the last retry that is due soon, all are tried once more; then nothing is due for a while
    place.pass(&daemon, 7).await;
    place.receivers.take();
    let before = reads(&daemon);
    for _ in 0..20 {
        place.pass(&daemon, 1).await;
    }
    assert_eq!(place.receivers.take(), [], "nothing was due");
    assert_eq!(reads(&daemon), before, "nothing is read");
    hear(&daemon, &place, MANY + 1..=MANY + 1).await;
    let got = place.receivers.take();
    assert!(
        got.iter()
            .any(|got| String::from_utf8_lossy(&got.body).contains("DMG0151")),
        "the new one is tried"
    );
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_of_a_lane_grows_with_what_is_tried_and_not_with_what_waits() {
    let place = Place::with(&[("a.yaml", RULES.to_owned())]).await;
    let daemon = place.start().await.expect("starts");
    hear(&daemon, &place, 1..=MANY).await;
    place.pass(&daemon, 7).await;
    place.receivers.take();
    let before = reads(&daemon);
    for nth in MANY + 1..=MANY + 10 {
        hear(&daemon, &place, nth..=nth).await;
    }
    let tried = place.receivers.take().len();
    let read = reads(&daemon) - before;
    // an attempt takes a few looks, and now and then the lane is gone through for what is not held; before, each attempt
    // and each second took hundreds
    assert!(tried >= 10 && read <= 20 * tried, "{read} reads for {tried} attempts");
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_a_long_lane_is_told_after_a_start_each_once() {
    let place = Place::with(&[("a.yaml", RULES.to_owned())]).await;
    let daemon = place.start().await.expect("starts");
    hear(&daemon, &place, 1..=MANY).await;
    daemon.stop().await.expect("stops");
    place.receivers.take();
    let daemon = place.start().await.expect("starts");
    for _ in 0..40 {
        place.pass(&daemon, 1).await;
    }
    let mut ids: Vec<String> = place.receivers.take().into_iter().map(|got| got.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(
        ids.len() as u64,
        MANY,
        "whatever stands where in the lane is tried again"
    );
    daemon.stop().await.expect("stops");
}
