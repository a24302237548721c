//! Renewal, retention and thinning out, and what a start does with rules that cannot be read.

use super::*;
use crate::folder::Part;
use crate::incident::IncidentId;
use crate::record::{Change, Command, Record};
use crate::store::item::Item;

const RULES: &str = r#"
receivers:
  all: [{ webhook: { url: "{receivers}/good" } }]
rules:
  - name: Everything
    when: { event type: Service issue }
    notify: all
"#;

/// How long a day is, seconds.
const DAY: i64 = 86_400;

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

fn records(daemon: &Handle) -> Vec<Record> {
    let tail = daemon.ledger.journal().tail(1);
    tail.map(|record| Record::from_bytes(&record.expect("reads").1).expect("a record"))
        .collect()
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

/// What of a delivery is in the journal.
fn of_deliveries(records: &[Record]) -> usize {
    let decided = records.iter().filter_map(|record| match record {
        Record::Decided { changes, .. } => Some(changes),
        _ => None,
    });
    let of_one = |change: &Change| match change {
        Change::Told(told) => told.to.iter().filter(|to| !to.forgotten).count(),
        Change::Finished { .. } | Change::Forgotten { .. } => 1,
        _ => 0,
    };
    decided.flatten().map(of_one).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forgotten_goes_from_the_journal_and_a_store_built_from_it_is_the_same() {
    let mut place = place().await;
    place.settings.retention.deliveries_seconds = Some(7 * DAY.unsigned_abs());
    let daemon = place.start().await.expect("starts");
    tell(&place, &daemon, 0..24).await;
    let told = of_deliveries(&records(&daemon));
    assert_eq!(told, 2 * 24);
    place.pass(&daemon, 8 * DAY).await;
    // housekeeping began a renewal of its own: the ones below must not be taken for it
    daemon.ledger.scrub().await;
    daemon.ledger.renewed().await;
    // what a checkpoint holds is not thinned out behind it: only when two are kept that were folded afterwards
    for which in [24..48, 48..72] {
        tell(&place, &daemon, which).await;
        packed(&daemon).await;
        daemon.ledger.renewed().await;
    }
    daemon.settled().await;
    let left = records(&daemon);
    let dropped: u64 = left
        .iter()
        .map(|record| match record {
            Record::Retired { dropped, .. } => *dropped,
            _ => 0,
        })
        .sum();
    assert!(
        dropped > 0 && of_deliveries(&left) < 24 + 4 * 24,
        "{dropped} {}",
        of_deliveries(&left)
    );
    rebuilt_is_the_same(&place, daemon).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_event_leaves_those_that_came_in_with_it_where_they_were() {
    let mut place = place().await;
    place.settings.retention.deliveries_seconds = Some(7 * DAY.unsigned_abs());
    place.settings.retention.events_seconds = Some(10 * DAY.unsigned_abs());
    let daemon = place.start().await.expect("starts");
    let now = || Clock::ByHand(place.clock.clone()).now();
    daemon.hear(vec![update(900, now()), update(901, now())]).await;
    daemon.settled().await;
    // they are told later than they were due
    place.pass(&daemon, 20).await;
    let delivery = items(&daemon).into_iter().find_map(|item| match item {
        Item::Delivery(one) if one.delivery.incident == IncidentId::of(&update(900, now())) => Some(one.delivery.id),
        _ => None,
    });
    daemon
        .ledger
        .command(
            "operator",
            Command::Redeliver {
                delivery: delivery.expect("a delivery"),
            },
        )
        .await
        .expect("again");
    place.pass(&daemon, 8 * DAY).await;
    daemon.hear(vec![update(901, now())]).await;
    place.pass(&daemon, 8 * DAY).await;
    for which in [0..24, 24..48] {
        tell(&place, &daemon, which).await;
        packed(&daemon).await;
        daemon.ledger.renewed().await;
    }
    daemon.settled().await;
    let is_mixed = |record: &Record| {
        let Record::Recorded { inputs, .. } = record else {
            return false;
        };
        matches!(&inputs[..], [Input::Retired, Input::Heard { event }] if event.tracking_id == "DMG0901")
    };
    assert!(records(&daemon).iter().any(is_mixed));
    rebuilt_is_the_same(&place, daemon).await;
}

/// A store that is built from the journal alone, as it was thinned out, knows what the running one knows.
async fn rebuilt_is_the_same(place: &Place, daemon: Handle) {
    let before = items(&daemon);
    daemon.stop().await.expect("stops");
    for name in ["store", "checkpoints"] {
        std::fs::remove_dir_all(place.state().join(name)).expect("is there");
    }
    let daemon = place.start().await.expect("starts");
    let after = items(&daemon);
    let missing: Vec<&Item> = before.iter().filter(|item| !after.contains(item)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    let more: Vec<&Item> = after.iter().filter(|item| !before.contains(item)).collect();
    assert!(more.is_empty(), "{more:#?}");
    daemon.stop().await.expect("stops");
}

/// Waits until the closed segments are packed: they are in a thread of its own.
async fn packed(daemon: &Handle) {
    let is_packed = async {
        loop {
            let segments = daemon.ledger.journal().segments();
            if segments.packed + 1 >= segments.count {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), is_packed)
        .await
        .expect("they are packed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_part_of_the_rules_only_that_is_read_and_what_is_broken_elsewhere_stays_broken() {
    let files = ["contoso/rules.yaml", "fabrikam/rules.yaml"];
    let place = Place::with(&files.map(|path| (path, RULES.to_owned()))).await;
    let daemon = place.start().await.expect("starts");
    let at = |path: &str| place.settings.rules.join(path);
    let text = std::fs::read_to_string(at(files[0])).expect("a file");
    let write = |path: &str, text: &str| std::fs::write(at(path), text).expect("a file");
    // the watcher may be there before us, and comes to the same
    let read = async |part| daemon.rules.reload(&part).await.expect("reads").broken;
    let part = |name: &str| Part::Folders([name.to_owned()].into());
    write(files[1], "rules: [");
    assert_eq!(read(Part::Whole).await, files[1..]);
    write(files[0], &text.replace("Everything", "All"));
    assert_eq!(read(part("contoso")).await, files[1..]);
    let names = || -> Vec<String> { daemon.ledger.rules().rules().map(|rule| rule.name.clone()).collect() };
    assert_eq!(names(), ["All", "Everything"]);
    write(files[1], &text.replace("Everything", "Nothing"));
    assert!(read(part("fabrikam")).await.is_empty());
    assert_eq!(names(), ["All", "Nothing"]);
    std::fs::remove_dir_all(at("contoso")).expect("is gone");
    assert_eq!(read(part("contoso")).await, ["contoso/"]);
    assert_eq!(names(), ["All", "Nothing"]);
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_in_the_houses_folder_ends_no_rules_of_its_files_that_stand_in_none() {
    let files = ["rules.yaml", "_house/more.yaml"];
    let place = Place::with(&[(files[0], RULES.to_owned()), (files[1], "rules: []\n".to_owned())]).await;
    let daemon = place.start().await.expect("starts");
    std::fs::write(place.settings.rules.join(files[1]), "rules: [] # none\n").expect("a file");
    let part = Part::Folders(["_house".to_owned()].into());
    let read = daemon.rules.reload(&part).await.expect("reads");
    assert_eq!((read.rules, read.broken.len()), (1, 0));
    daemon.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_cannot_be_unsealed_are_read_anew_from_the_folder() {
    let place = place().await;
    let daemon = place.start().await.expect("starts");
    daemon.stop().await.expect("stops");
    let key = place.state().join("state.key");
    std::fs::remove_file(&key).expect("is there");
    let error = place.start().await.err().expect("is not replaced without a word");
    assert!(format!("{error:#}").contains("is gone"), "{error:#}");
    std::fs::write(&key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").expect("writes a new one");
    let daemon = place.start().await.expect("starts");
    daemon.settled().await;
    tell(&place, &daemon, 0..1).await;
    assert_eq!(place.receivers.take().len(), 1);
    daemon.stop().await.expect("stops");
}
