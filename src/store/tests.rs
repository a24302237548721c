//! Batches, renewal and reopening of the store; what a record leaves behind when it is forgotten. The records are those
//! of the fixture, so that every key is met.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::delivery::{Delivery, End};
use crate::event::Provider;
use crate::incident::{Incident, IncidentId};
use crate::journal::Position;
use crate::record::{BrokenFile, Change, Deadline, Input, Of, Why};
use crate::rule::Revision;

const FIXTURE: &str = include_str!("../../tests/fixtures/records.jsonl");

fn at() -> crate::clock::Time {
    "2026-11-24T09:00:00Z".parse().expect("a time")
}

/// The fixture's records, from 1 on.
fn fixture() -> Vec<Record> {
    FIXTURE
        .lines()
        .map(|line| Record::from_bytes(line.as_bytes()).expect("a record"))
        .collect()
}

fn fixture_changes() -> impl Iterator<Item = Change> {
    fixture().into_iter().flat_map(|record| match record {
        Record::Decided { changes, .. } => changes,
        _ => Vec::new(),
    })
}

fn delivery() -> Delivery {
    let mut found = fixture_changes().filter_map(|change| match change {
        Change::Delivery { delivery, .. } => Some(delivery),
        _ => None,
    });
    found.next().expect("the fixture has one")
}

fn made(delivery: Delivery) -> Change {
    let content = fixture_changes().find_map(|change| match change {
        Change::Delivery { content, .. } => Some(content),
        _ => None,
    });
    let content = content.expect("the fixture has one");
    Change::Delivery {
        delivery,
        content,
        expires: None,
    }
}

fn incident(tracking_id: &str) -> Incident {
    let found = fixture_changes().find_map(|change| match change {
        Change::Incident(incident) => Some(incident),
        _ => None,
    });
    Incident {
        id: IncidentId {
            tracking_id: tracking_id.to_owned(),
            ..delivery().incident
        },
        ..found.expect("the fixture has one")
    }
}

fn ended(delivery: &Delivery) -> [Change; 2] {
    let (place, end) = (delivery.lane_key(), End::Expired);
    let ended = Change::Ended {
        place: place.clone(),
        attempts: 0,
        attempt: None,
        end: end.clone(),
        at: at(),
    };
    let forgotten = Change::Forgotten {
        place,
        end,
        ended_at: at(),
        attempts: 0,
    };
    [ended, forgotten]
}

fn decided(changes: Vec<Change>) -> Record {
    let due = Input::Due {
        deadline: Deadline::Retention,
        at: at(),
    };
    Record::Decided {
        at: at(),
        of: Of::Here(due),
        by: Revision("0123456789abcdef".to_owned()),
        after: None,
        first: None,
        changes,
    }
}

fn broken(path: &str, report: String) -> Item {
    Item::Broken(BrokenFile {
        path: path.to_owned(),
        customer: crate::customer::CustomerId::new("contoso"),
        digest: String::new(),
        report,
        folder: None,
    })
}

fn open(dir: &Path) -> Store {
    Store::open(dir).expect("opens")
}

fn items(store: &Store) -> Vec<Item> {
    store.view().items().map(|item| item.expect("reads")).collect()
}

#[test]
fn how_far_the_store_is_comes_once_and_how_much_it_holds_with_each_batch() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(dir.path());
    let written = |key: Key| store.view.tree().expect("open").watch_prefix(key.0);
    let (mut how_far, mut how_much) = (written(keys::applied_through()), written(keys::contents()));
    for seq in 0..2 * BATCH_OPS as u64 + 5 {
        let at = Position { seq, nth: 0 };
        store.view.stage(apply::put_of(Item::Inbox { at })).expect("reads");
    }
    store.commit(7).expect("writes");
    let count =
        |subscriber: &mut sled::Subscriber| std::iter::from_fn(|| subscriber.next_timeout(Duration::ZERO).ok()).count();
    assert_eq!((count(&mut how_far), count(&mut how_much)), (1, 3));
    store.check().expect("is whole");
    drop((store, how_far, how_much));
    let store = open(dir.path());
    assert_eq!(store.applied_through(), 7);
    store.check().expect("is whole");
}

#[test]
fn a_store_half_of_whose_group_is_written_is_whole_and_takes_the_group_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(dir.path());
    store.commit(1).expect("writes");
    let all: Vec<Op> = (0..10)
        .map(|seq| {
            apply::put_of(Item::Inbox {
                at: Position { seq, nth: 0 },
            })
        })
        .collect();
    // what `commit` does with the first of two batches
    all.into_iter()
        .take(5)
        .for_each(|op| store.view.stage(op).expect("reads"));
    let half: Vec<_> = std::mem::take(&mut store.view.overlay).into_iter().collect();
    store.write_counted(half).expect("writes");
    drop(store);
    let mut store = open(dir.path());
    assert_eq!(store.applied_through(), 1);
    store.check().expect("is whole");
    for seq in 0..10 {
        let at = Position { seq, nth: 0 };
        store.view.stage(apply::put_of(Item::Inbox { at })).expect("reads");
    }
    store.commit(2).expect("writes");
    store.check().expect("is whole");
    assert_eq!(items(&store).len(), 10);
}

#[test]
fn whoever_reads_a_store_that_is_opened_again_waits_and_reads_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(dir.path());
    store.put(apply::put_of(broken("a", String::new()))).expect("puts");
    store.commit(1).expect("writes");
    let reader = store.reader();
    let (begun, has_begun) = mpsc::channel();
    let other = {
        let reader = reader.clone();
        std::thread::spawn(move || {
            let view = reader.view();
            begun.send(()).expect("is waited for");
            let before = view.broken().expect("reads").len();
            drop(view);
            (before, reader.view().broken().expect("reads").len())
        })
    };
    has_begun.recv().expect("begins");
    store.reopen(&reader).expect("opens again");
    assert_eq!(other.join().expect("ends"), (1, 1));
    store.put(apply::put_of(broken("b", String::new()))).expect("puts");
    store.commit(2).expect("writes");
    assert_eq!(reader.view().broken().expect("reads").len(), 2);
}

#[test]
fn a_fresh_store_takes_large_values_and_the_one_before_it_is_read_until_nobody_does() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(&dir.path().join("store/1"));
    store.put(apply::put_of(broken("a", String::new()))).expect("puts");
    store.commit(1).expect("writes");
    let reader = store.reader();
    let view = reader.view();
    let mut fresh = open(&dir.path().join("store/2"));
    fresh.commit(1).expect("writes");
    let former = store.swap(fresh, &reader);
    assert!(former.is_read());
    assert_eq!(view.broken().expect("reads").len(), 1);
    drop(view);
    assert!(!former.is_read());
    std::fs::remove_dir_all(dir.path().join("store/1")).expect("is not needed");
    // sled writes values of more than 128 KiB to files of their own; hexadecimal noise packs to half at best
    let noise = (1_u64..=50 << 10).map(|nth| format!("{:016x}", nth.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let large: String = noise.collect();
    store.put(apply::put_of(broken("b", large.clone()))).expect("puts");
    store.commit(2).expect("writes");
    store.flush().expect("flushes");
    assert_eq!(reader.view().broken().expect("reads")[0].report, large);
    assert!(store.size_bytes() > 400 << 10);
    drop((store, reader));
    let store = open(&dir.path().join("store/2"));
    store.check().expect("is whole");
    assert_eq!(store.view().broken().expect("reads")[0].report, large);
}

#[test]
fn only_a_full_disk_is_a_full_disk() {
    let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    let io = anyhow!(full()).context("writing");
    let sled = anyhow!(sled::Error::Io(full())).context("writing to the store");
    let journal = anyhow!(journal::Error::NoSpace);
    assert!([io, sled, journal].iter().all(is_no_space));
    let other = anyhow!(sled::Error::ReportableBug("full".to_owned())).context("writing to the store");
    assert!(!is_no_space(&other));
}

#[test]
fn damage_is_told_from_everything_else_that_fails() {
    let junk = compact::read(b"junk").expect_err("no item").context("looking up");
    let panicked = guarded("reading the store", || -> sled::Result<()> { panic!("a page is gone") });
    let broken = anyhow!(sled::Error::ReportableBug("a page".to_owned())).context("reading the store");
    assert!([junk, panicked.expect_err("a panic"), broken].iter().all(is_damage));
    let full = anyhow!(sled::Error::Io(std::io::ErrorKind::StorageFull.into())).context("writing to the store");
    let closed = anyhow!(sled::Error::Unsupported("it is being opened again".to_owned())).context("reading the store");
    let text = anyhow!(journal::Error::NoSpace).context("reading the journal");
    assert!(![full, closed, text].iter().any(is_damage));
}

#[test]
fn of_a_forgotten_incident_and_its_deliveries_nothing_is_left() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(dir.path());
    let (one, incident) = (delivery(), incident(&delivery().incident.tracking_id));
    let moved = Delivery {
        id: "dlv_moved".to_owned(),
        endpoint: crate::notification::EndpointId("ep_other".to_owned()),
        ..one.clone()
    };
    let mut changes = vec![
        Change::Incident(incident.clone()),
        made(one.clone()),
        made(moved.clone()),
    ];
    changes.extend(ended(&one).into_iter().chain(ended(&moved)));
    changes.push(Change::IncidentForgotten {
        incident: incident.id,
        events: Vec::new(),
        series: Vec::new(),
    });
    store.stage(1, &decided(changes), &[]).expect("reads");
    assert_eq!(items(&store), []);
}

#[test]
fn the_resources_of_an_incident_go_with_it_and_only_with_it() {
    use crate::incident::resources::{ResourceSummary, Resources};
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(dir.path());
    let of_incidents = fixture_changes().filter_map(|change| match change {
        Change::ResourcesListed(listed) => Some(Change::ResourcesListed(listed)),
        Change::ResourcesCounted(counted) => Some(Change::ResourcesCounted(counted)),
        _ => None,
    });
    let of_incidents: Vec<Change> = of_incidents.collect();
    let other = IncidentId::new(Provider::Azure, "vvtq-j98-b");
    let of_other = of_incidents.iter().cloned().map(|change| match change {
        Change::ResourcesListed(listed) => Change::ResourcesListed(Resources {
            incident: other.clone(),
            ..listed
        }),
        Change::ResourcesCounted(counted) => Change::ResourcesCounted(ResourceSummary {
            incident: other.clone(),
            ..counted
        }),
        change => change,
    });
    let of_other: Vec<Change> = of_other.collect();
    store.stage(1, &decided(of_other.clone()), &[]).expect("reads");
    let kept = items(&store);
    assert_eq!(kept.len(), 3, "two resources, and what they come to");
    store.stage(2, &decided(of_incidents), &[]).expect("reads");
    assert_eq!(items(&store).len(), 6);
    let forgotten = Change::IncidentForgotten {
        incident: IncidentId::new(Provider::Azure, "VVTQ-J98"),
        events: Vec::new(),
        series: Vec::new(),
    };
    store.stage(3, &decided(vec![forgotten]), &[]).expect("reads");
    assert_eq!(items(&store), kept);
}

#[test]
fn what_is_retired_leaves_no_trace() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(dir.path());
    store
        .stage(1, &decided(vec![Change::Nothing { why: Why::Retired }]), &[])
        .expect("reads");
    assert_eq!(items(&store), []);
    store
        .stage(2, &decided(vec![Change::Nothing { why: Why::NoLongerDue }]), &[])
        .expect("reads");
    assert_eq!(items(&store).len(), 1);
}

/// Which incidents are forgotten, in one look after the other.
fn forgettable(store: &Store, most: usize) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let before = Some(at() + chrono::Duration::days(1));
        let (old, on_from) = store
            .view()
            .old_incidents(after.as_ref(), before, before, most)
            .expect("reads");
        assert!(old.len() <= most);
        all.extend(old.into_iter().map(|old| old.incident.tracking_id));
        match on_from {
            Some(id) => after = Some(id),
            None => return all,
        }
    }
}

#[test]
fn old_incidents_are_found_a_few_at_a_time_and_each_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(dir.path());
    let ids: Vec<String> = (0..1_050).map(|nth| format!("old-{nth:04}")).collect();
    store
        .stage(
            1,
            &decided(ids.iter().map(|id| Change::Incident(incident(id))).collect()),
            &[],
        )
        .expect("reads");
    let young = Incident {
        updated: at() + chrono::Duration::days(2),
        ..incident("old-0003a")
    };
    store
        .stage(2, &decided(vec![Change::Incident(young)]), &[])
        .expect("reads");
    assert_eq!(forgettable(&store, 20), ids);
    assert_eq!(forgettable(&store, usize::MAX), ids);
}

#[test]
fn an_incident_stays_while_one_of_its_events_is_not_decided() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(dir.path());
    let event = fixture().into_iter().find_map(|record| match record {
        Record::Recorded { inputs, .. } => inputs.into_iter().find_map(|input| match input {
            Input::Heard { event } => Some(event),
            _ => None,
        }),
        _ => None,
    });
    let event = event.expect("the fixture has one");
    let incident = incident(&IncidentId::of(&event).tracking_id);
    store
        .stage(1, &decided(vec![Change::Incident(incident.clone())]), &[])
        .expect("reads");
    let inputs = vec![Input::Heard { event }];
    store
        .stage(2, &Record::Recorded { at: at(), inputs }, &[])
        .expect("reads");
    assert_eq!(forgettable(&store, 20), Vec::<String>::new());
    let Record::Decided { at, by, changes, .. } = decided(vec![Change::Nothing {
        why: Why::NoRuleMatched,
    }]) else {
        unreachable!("made so")
    };
    let of = Of::Kept {
        at: Position { seq: 2, nth: 0 },
    };
    store
        .stage(
            3,
            &Record::Decided {
                at,
                of,
                by,
                after: None,
                first: None,
                changes,
            },
            &[],
        )
        .expect("reads");
    assert_eq!(forgettable(&store, 20), [incident.id.tracking_id]);
}

#[test]
fn an_incident_stays_while_a_delivery_of_it_is_known_wherever_that_went() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(dir.path());
    let moved = Delivery {
        id: "dlv_moved".to_owned(),
        ..delivery()
    };
    let incident = incident(&moved.incident.tracking_id);
    store
        .stage(
            1,
            &decided(vec![Change::Incident(incident.clone()), made(moved.clone())]),
            &[],
        )
        .expect("reads");
    assert_eq!(forgettable(&store, 20), Vec::<String>::new());
    store.stage(2, &decided(ended(&moved).into()), &[]).expect("reads");
    assert_eq!(forgettable(&store, 20), [incident.id.tracking_id]);
}

#[test]
fn a_delivery_that_was_scheduled_again_is_not_old() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = open(dir.path());
    let one = delivery();
    store
        .stage(1, &decided(vec![made(one.clone()), ended(&one)[0].clone()]), &[])
        .expect("reads");
    let old = |store: &Store| {
        let later = at() + chrono::Duration::days(1);
        store.view().old_deliveries(later, 10).expect("reads").len()
    };
    assert_eq!(old(&store), 1);
    let requeued = Patch::Requeued {
        attempts: 0,
        at: at(),
        expires: at(),
    };
    store.put(apply::patch_of(&one.id, requeued)).expect("puts");
    assert_eq!(old(&store), 0);
}

/// The fixture's notifications, to very many endpoints: planned, told, and finished at the second attempt.
fn a_large_story() -> Vec<Record> {
    let find = |of: &dyn Fn(&Change) -> bool| {
        fixture_changes()
            .find(|change| of(change))
            .expect("the fixture has one")
    };
    let Change::Planned(mut planned) = find(&|change| matches!(change, Change::Planned(_))) else {
        unreachable!("found so")
    };
    let Change::Told(mut told) = find(&|change| matches!(change, Change::Told(_))) else {
        unreachable!("found so")
    };
    let series = |nth: usize| crate::notification::SeriesId(format!("{nth:032x}"));
    let (for_one, to_one) = (planned.to[0].clone(), told.to[0].clone());
    planned.to = (0..400)
        .map(|nth| crate::record::PlannedFor {
            series: series(nth),
            endpoint: crate::notification::EndpointId(format!("ep_{nth:032x}")),
            ..for_one.clone()
        })
        .collect();
    told.to = (0..400)
        .map(|nth| crate::record::ToldTo {
            delivery: series(nth).delivery(0),
            ..to_one.clone()
        })
        .collect();
    let attempts = |number: u32, outcome: &crate::channel::Outcome| -> Vec<crate::delivery::Attempt> {
        let attempt = |nth: usize| crate::delivery::Attempt {
            delivery: series(nth).delivery(0),
            number,
            started: at(),
            ended: at(),
            outcome: outcome.clone(),
            digest: String::new(),
        };
        (0..400).map(attempt).collect()
    };
    let ended = |number, outcome, change: &dyn Fn(String) -> Change| {
        let attempts = attempts(number, &outcome);
        let changes = attempts.iter().map(|one| change(one.delivery.clone())).collect();
        let Record::Decided { at, by, .. } = decided(Vec::new()) else {
            unreachable!("made so")
        };
        Record::Decided {
            at,
            of: Of::Here(Input::AttemptsEnded { attempts }),
            by,
            after: None,
            first: None,
            changes,
        }
    };
    let retry = crate::channel::Outcome::Retry {
        why: "503".to_owned(),
        after_seconds: None,
    };
    vec![
        decided(vec![Change::Planned(planned)]),
        decided(vec![Change::Told(told)]),
        ended(1, retry, &|delivery| Change::Again {
            delivery,
            at: at(),
            expires: at(),
        }),
        ended(2, crate::channel::Outcome::Delivered, &|delivery| Change::Finished {
            delivery,
            attempts: 2,
            end: End::Delivered,
        }),
    ]
}

/// Everything that sled holds.
fn everything(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let all = Stored::range(store.view.tree(), (Bound::Unbounded, Bound::Unbounded));
    let all = all.map(|found| found.expect("reads"));
    all.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

#[test]
fn a_group_that_was_cut_between_any_two_batches_is_taken_again_with_all_its_keys() {
    let story = a_large_story();
    let mut cut = 0;
    for cut_record in 0..story.len() {
        for written in 1..4 {
            let dir = tempfile::tempdir().expect("a folder");
            let mut store = open(&dir.path().join("cut"));
            let mut whole = open(&dir.path().join("whole"));
            for (seq, record) in (1..).zip(&story[..=cut_record]) {
                whole.stage(seq, record, &[]).expect("reads");
                whole.commit(seq).expect("writes");
                store.stage(seq, record, &[]).expect("reads");
                if seq <= cut_record as u64 {
                    store.commit(seq).expect("writes");
                }
            }
            let staged = std::mem::take(&mut store.view.overlay);
            let batches = batches(staged);
            cut += usize::from(written < batches.len());
            for batch in batches.into_iter().take(written) {
                store.write_counted(batch).expect("writes");
            }
            drop(store);
            let mut store = open(&dir.path().join("cut"));
            store.check().expect("is whole");
            let last = cut_record as u64 + 1;
            store.stage(last, &story[cut_record], &[]).expect("reads");
            store.commit(last).expect("writes");
            store.check().expect("is whole");
            assert!(
                everything(&store) == everything(&whole),
                "record {cut_record} after {written} batches"
            );
        }
    }
    assert!(cut >= 5, "{cut} were cut in the middle");
}
