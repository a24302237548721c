//! An incident that is told part by part, many times.

use super::*;
use crate::incident::IncidentId;

/// More parts than a byte counts.
const PARTS: u64 = 300;

const RULES: &str = "receivers: { good: [{ webhook: '{receivers}/good' }] }
rules: [{ name: All, when: {}, notify: good, settle: 0s }]
";

/// One communication, to another account each time: each of them is news, so each opens a part.
fn told_to(nth: u64, published: Time) -> Event {
    Event {
        accounts: vec![format!("11111111-aaaa-4bbb-8ccc-{nth:012}")],
        ..update(1, published)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_part_of_a_long_series_follows_the_latest_and_is_told_once_also_after_a_rebuild() {
    let place = Place::with(&[("a.yaml", RULES.to_owned())]).await;
    let mut daemon = place.start().await.expect("starts");
    let mut ids = Vec::new();
    for nth in 0..PARTS {
        if nth == PARTS - 2 {
            daemon.stop().await.expect("stops");
            std::fs::remove_dir_all(place.state().join("store")).expect("is there");
            daemon = place.start().await.expect("starts");
        }
        daemon.hear(vec![told_to(nth, begin())]).await;
        place.pass(&daemon, 1).await;
        ids.extend(place.receivers.take().into_iter().map(|got| got.id));
    }
    let incident = IncidentId::of(&told_to(0, begin()));
    let view = daemon.ledger.view();
    let told: Vec<_> = view
        .deliveries_about(&incident)
        .map(|one| one.expect("reads").delivery)
        .collect();
    let parts: Vec<u64> = told.iter().map(|one| u64::from(one.part)).collect();
    assert_eq!(
        parts,
        (0..PARTS).rev().collect::<Vec<_>>(),
        "each one part further, the latest first"
    );
    let latest = view
        .latest_part(&incident, &told[0].endpoint, &told[0].series)
        .expect("reads");
    assert_eq!(latest.map(|one| u64::from(one.delivery.part)), Some(PARTS - 1));
    for one in &told {
        let gathered = view.gathered_by(&incident, &one.series, one.event).expect("reads");
        assert_eq!(
            gathered.iter().map(|one| u64::from(one.part)).collect::<Vec<_>>(),
            [u64::from(one.part)]
        );
    }
    // of any stretch of events exactly what these opened
    for (first, last) in [(0, 299), (290, 299), (0, 4), (100, 140), (7, 7)] {
        let of = |part: u32| told[(PARTS as usize - 1) - part as usize].event;
        let found = view
            .gathered_about(&incident, &(first..=last).map(of).collect())
            .expect("reads");
        let mut parts: Vec<u32> = found.iter().map(|(one, _)| one.part).collect();
        parts.sort_unstable();
        assert_eq!(parts, (first..=last).collect::<Vec<_>>());
    }
    let in_order: Vec<String> = told.into_iter().rev().map(|one| one.id).collect();
    assert_eq!(ids, in_order, "each was told once, in its turn");
    daemon.stop().await.expect("stops");
}
