//! Renewal, retention and thinning out, and what a start does with rules that cannot be read.

use super::*;
use crate::store::keys::Item;

const RULES: &str = r#"
receivers:
  all: [{ webhook: { url: "{receivers}/good" } }]
rules:
  - name: Everything
    when: { event type: Service issue }
    notify: all
"#;

async fn place() -> Place {
    Place::with(&[("contoso/rules.yaml", RULES.into())]).await
}

/// Posts these incidents and lets them be told.
async fn tell(place: &Place, daemon: &Handle, which: std::ops::Range<u64>) {
    for nth in which {
        let now = Clock::ByHand(place.clock.clone()).now();
        daemon.hear(vec![update(nth, now)]).await;
        daemon.settled().await;
        place.pass(daemon, 10).await;
    }
}

fn items(daemon: &Handle) -> Vec<Item> {
    let view = daemon.ledger.view();
    view.items().map(|item| item.expect("reads")).collect()
}

fn stores(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.state().join("store")).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_store_is_believed_at_the_next_start_and_the_one_before_it_goes() {
    let place = place().await;
    let daemon = place.start().await.expect("starts");
    tell(&place, &daemon, 0..3).await;
    let before = items(&daemon);
    daemon.ledger.renewed().await;
    daemon.ledger.renewed().await;
    assert_eq!(items(&daemon), before);
    tell(&place, &daemon, 3..4).await;
    let before = items(&daemon);
    daemon.stop().await.expect("stops");
    let started = place.start().await.expect("starts");
    assert_eq!(stores(&place), ["3", "current"]);
    let kept: Vec<Item> = items(&started)
        .into_iter()
        .filter(|item| before.contains(item))
        .collect();
    assert_eq!(kept, before);
    started.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_cannot_be_unsealed_are_read_anew_from_the_folder() {
    let place = place().await;
    let daemon = place.start().await.expect("starts");
    daemon.stop().await.expect("stops");
    std::fs::remove_file(place.state().join("state.key")).expect("is there");
    let daemon = place.start().await.expect("starts");
    daemon.settled().await;
    tell(&place, &daemon, 0..1).await;
    assert_eq!(place.receivers.take().len(), 1);
    daemon.stop().await.expect("stops");
}
