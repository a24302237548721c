//! Writing, reading, turning, rewriting, and what happens when the disk refuses.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::segment::{FORMAT, Header, Index};
use super::*;

#[test]
fn records_come_back_by_number_and_in_order() {
    let dir = scratch();
    let (mut journal, opening) = open(dir.path(), 4096);
    assert_eq!(
        (opening.first, opening.next, opening.torn, opening.lost.len()),
        (1, 1, None, 0)
    );
    assert_eq!(append(&mut journal, &["one", "two"]), 1..3);
    assert_eq!(append(&mut journal, &[]), 3..3);
    assert_eq!(append(&mut journal, &["three"]), 3..4);
    assert_eq!(journal.read(2).unwrap().unwrap(), b"two");
    assert_eq!(journal.read(4).unwrap(), None);
    let tail: Vec<_> = journal.tail(2).map(Result::unwrap).collect();
    assert_eq!(tail, [(2, b"two".to_vec()), (3, b"three".to_vec())]);
}

#[test]
fn a_reopened_journal_numbers_on() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    let before = fill(&mut journal, 20);
    let next = journal.next();
    drop(journal);
    for clean in [true, false] {
        let (journal, opening) = Journal::open(dir.path(), options(SMALL, clean)).unwrap();
        assert_eq!(
            (opening.next, opening.torn, opening.lost, opening.notes),
            (next, None, vec![], vec![])
        );
        assert_eq!(contents(&journal), before);
    }
    let (mut journal, _) = open(dir.path(), SMALL);
    assert_eq!(append(&mut journal, &["more"]), next..next + 1);
}

#[test]
fn closed_segments_are_packed_and_read_the_same() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    assert_eq!(journal.closed_through(), 0);
    let before = fill(&mut journal, 30);
    journal.settle();
    assert_eq!(contents(&journal), before);
    let segments = journal.segments();
    assert!(segments.count > 3);
    assert_eq!(segments.packed, segments.count - 1);
    assert!(journal.closed_through() > 0 && journal.closed_through() < journal.next());
    assert_eq!(files(dir.path(), ".packed").len() as u64, segments.packed);
    journal.ahead.wait();
    assert_eq!(
        files(dir.path(), ".raw").len(),
        2,
        "the open segment and the one made ahead"
    );
}

#[test]
fn a_journal_in_use_is_opened_by_nobody_else() {
    let dir = scratch();
    let (journal, _) = open(dir.path(), SMALL);
    assert!(matches!(
        Journal::open(dir.path(), options(SMALL, true)),
        Err(Error::InUse { .. })
    ));
    assert!(matches!(verify(dir.path()), Err(Error::InUse { .. })));
    drop(journal);
    assert!(verify(dir.path()).unwrap().is_sound());
}

#[test]
fn a_group_is_refused_before_the_last_one_is_synced() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    journal.append(&["one"]).unwrap();
    assert!(matches!(journal.append(&["two"]), Err(Error::Unsynced)));
    journal.sync().unwrap();
    assert_eq!(append(&mut journal, &["two"]), 2..3);
}

#[test]
fn a_group_that_fits_into_no_segment_is_refused_and_the_next_is_not() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    let most = journal.most_group_bytes() as usize;
    let fits = vec![b'x'; most - Journal::group_bytes(&[""]) as usize];
    let too_large = vec![b'x'; fits.len() + 1];
    assert!(matches!(journal.append(&[&too_large]), Err(Error::TooLarge { .. })));
    assert_eq!(journal.append(&[&fits]).unwrap(), 1..2);
    journal.sync().unwrap();
    assert_eq!(journal.room().here, 0);
    assert_eq!(append(&mut journal, &["next"]), 2..3);
    assert_eq!(journal.read(1).unwrap().unwrap(), fits);
}

#[test]
fn other_segment_sizes_than_before_are_fine() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    fill(&mut journal, 3);
    drop(journal);
    let (mut journal, _) = open(dir.path(), 4096);
    journal.append(&["x".repeat(3000)]).unwrap();
    journal.sync().unwrap();
    let before = fill(&mut journal, 3);
    drop(journal);
    let (journal, opening) = open(dir.path(), SMALL);
    assert_eq!(
        (contents(&journal), opening.lost.len(), opening.notes),
        (before, 0, vec![])
    );
}

/// Puts a device in the place of the open segment's file.
fn write_to(journal: &mut Journal, device: &str) {
    let header = Header {
        format: FORMAT,
        number: 1,
        salt: 1,
        bytes: 1 << 20,
    };
    journal.open = Arc::new(Raw::open(PathBuf::from(device), header, Index::empty()).unwrap());
}

#[test]
fn after_a_failed_write_nothing_is_written_any_more() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), 4096);
    append(&mut journal, &["kept"]);
    write_to(&mut journal, "/dev/full");
    assert!(matches!(journal.append(&["lost"]), Err(Error::Io { .. })));
    assert!(matches!(journal.append(&["lost"]), Err(Error::Poisoned { .. })));
    assert!(matches!(journal.sync(), Err(Error::Poisoned { .. })));
    drop(journal);
    let (journal, opening) = open(dir.path(), 4096);
    assert_eq!(
        (opening.next, contents(&journal)),
        (2, BTreeMap::from([(1, b"kept".to_vec())]))
    );
}

#[test]
fn after_a_failed_sync_nothing_is_synced_any_more() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), 4096);
    write_to(&mut journal, "/dev/null");
    journal.append(&["lost"]).unwrap();
    assert!(matches!(journal.sync(), Err(Error::Io { .. })));
    assert!(matches!(journal.sync(), Err(Error::Poisoned { .. })));
    assert!(matches!(journal.append(&["lost"]), Err(Error::Poisoned { .. })));
    assert!(matches!(journal.skip_to(9), Err(Error::Poisoned { .. })));
}

#[test]
fn no_space_for_the_next_segment_leaves_the_open_one_usable_and_ends_when_there_is_space() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), 1024);
    assert_eq!(journal.ahead.wait(), Next::Ready);
    let full = dir.path().join("next.tmp");
    symlink("/dev/full", &full).unwrap();
    let large = "x".repeat(200); // three fit into a segment
    (1..=3).for_each(|seq| assert_eq!(append(&mut journal, &[&large]), seq..seq + 1));
    assert_eq!(journal.room().total(), journal.room().here + journal.most_group_bytes());
    append(&mut journal, &[&large]); // turns to the segment that was ready
    assert_eq!(journal.ahead.wait(), Next::NoSpace);
    assert_eq!(journal.room().ahead, 0);
    (5..=6).for_each(|seq| assert_eq!(append(&mut journal, &[&large]), seq..seq + 1));
    assert!(matches!(journal.append(&[&large]), Err(Error::NoSpace)));
    assert_eq!(append(&mut journal, &["small"]), 7..8);
    fs::remove_file(&full).unwrap();
    assert_eq!(append(&mut journal, &[&large]), 8..9);
    assert_eq!(contents(&journal).len(), 8);
}

#[test]
fn a_segment_without_space_to_pack_it_stays_readable_and_is_packed_later() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    symlink("/dev/full", dir.path().join("0000000001.pack.tmp")).unwrap();
    while journal.segments().count < 2 {
        fill(&mut journal, 1);
    }
    journal.settle();
    assert_eq!(
        (journal.segments().packed, files(dir.path(), "0000000001.raw").len()),
        (0, 1)
    );
    let before = contents(&journal);
    while journal.segments().count < 3 {
        fill(&mut journal, 1);
    }
    journal.settle(); // the failed try took the link away
    assert_eq!(
        (journal.segments().packed, files(dir.path(), "0000000001.raw").len()),
        (2, 0)
    );
    assert!(
        before
            .iter()
            .all(|(seq, record)| journal.read(*seq).unwrap().as_ref() == Some(record))
    );
}

#[test]
fn numbers_skipped_by_the_owner_are_never_reported() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    append(&mut journal, &["one"]);
    journal.skip_to(2).unwrap();
    journal.skip_to(10).unwrap();
    assert!(matches!(
        journal.skip_to(9),
        Err(Error::Backwards { asked: 9, next: 10 })
    ));
    assert_eq!(append(&mut journal, &["lost 2 to 9", "eleven"]), 10..12);
    let before = fill(&mut journal, 12);
    journal.settle();
    drop(journal);
    let (journal, opening) = open(dir.path(), SMALL);
    assert_eq!(
        (opening.lost, opening.notes, contents(&journal)),
        (vec![], vec![], before)
    );
}

#[test]
fn rewriting_drops_and_replaces_and_keeps_the_numbers() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    let mut expected = fill(&mut journal, 40);
    journal.settle();
    let closed = journal.closed_through();
    let keep = |seq: u64, record: &[u8]| match seq % 3 {
        0 => Keep::Drop,
        1 => Keep::Replace([record, b"!"].concat()),
        _ => Keep::Keep,
    };
    let done = journal.rewrite(keep).unwrap();
    expected.retain(|seq, _| *seq > closed || seq % 3 != 0);
    let replaced = expected.iter_mut().filter(|(seq, _)| **seq <= closed && **seq % 3 == 1);
    replaced.for_each(|(_, record)| record.push(b'!'));
    assert_eq!(
        (done.kept + done.dropped + done.replaced, done.dropped),
        (closed, closed / 3)
    );
    assert_eq!(contents(&journal), expected);
    drop(journal);
    assert!(verify(dir.path()).unwrap().is_sound());
    let (journal, opening) = open(dir.path(), SMALL);
    assert_eq!((contents(&journal), opening.lost, opening.first), (expected, vec![], 1));
}

#[test]
fn a_rewrite_that_keeps_everything_writes_nothing() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    fill(&mut journal, 20);
    let done = journal.rewrite(|_, _| Keep::Keep).unwrap();
    assert_eq!(
        (done.segments, done.bytes_before, done.dropped),
        (0, done.bytes_after, 0)
    );
}

#[test]
fn everything_closed_can_be_dropped() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    fill(&mut journal, 20);
    let done = journal.rewrite(|_, _| Keep::Drop).unwrap();
    let (closed, next) = (journal.closed_through(), journal.next());
    assert_eq!((done.dropped, done.kept), (closed, 0));
    let left: Vec<u64> = contents(&journal).into_keys().collect();
    assert_eq!(left, (closed + 1..next).collect::<Vec<_>>());
    drop(journal);
    let (_, opening) = open(dir.path(), SMALL);
    assert_eq!((opening.lost, opening.next), (vec![], next));
}

#[test]
fn unfinished_work_of_a_killed_process_is_cleared_away() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    fill(&mut journal, 2);
    let twin = fs::read(files(dir.path(), "0000000001.raw").remove(0)).unwrap();
    let before = fill(&mut journal, 10);
    journal.settle();
    drop(journal);
    fs::write(dir.path().join("0000000001.raw"), twin).unwrap(); // packed, but not yet deleted
    fs::write(dir.path().join("0000000002.rewrite.tmp"), b"half").unwrap();
    assert!(verify(dir.path()).unwrap().is_sound());
    let (journal, opening) = open(dir.path(), SMALL);
    assert_eq!(
        (opening.lost, opening.notes, contents(&journal)),
        (vec![], vec![], before)
    );
    assert_eq!(
        (
            files(dir.path(), ".tmp").len(),
            files(dir.path(), "0000000001.raw").len()
        ),
        (0, 0)
    );
}

#[test]
fn readers_see_a_growing_whole_while_segments_turn_and_are_packed_and_rewritten() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), 1024);
    let (reader, rewriter, done) = (journal.reader(), journal.rewriter(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut seen, mut rounds) = (0, 0);
            while !done.load(Ordering::Relaxed) || rounds == 0 {
                let numbers: Vec<u64> = reader.tail(1).map(|item| item.unwrap().0).collect();
                assert!(numbers.iter().copied().eq(1..=numbers.len() as u64));
                assert!(numbers.len() >= seen);
                (seen, rounds) = (numbers.len(), rounds + 1);
            }
        });
        let rewrite = scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                round += 1; // or the file would be the same again
                rewriter
                    .rewrite(&AtomicBool::new(false), |seq, _| {
                        Keep::Replace(format!("{seq}").repeat(round % 9 + 1).into())
                    })
                    .unwrap();
            }
        });
        for _ in 0..300 {
            append(&mut journal, &["a record", "another record", "and one more of them"]);
        }
        done.store(true, Ordering::Relaxed);
        watch.join().unwrap();
        rewrite.join().unwrap();
    });
    assert_eq!(journal.tail(1).count(), 900);
}

#[test]
fn many_records_in_large_segments_are_found_by_number() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), 4 << 20);
    let record = |seq: u64| format!("{seq}:{}", "x".repeat((seq % 700) as usize));
    for first in (1..20_000).step_by(100) {
        let group: Vec<String> = (first..first + 100).map(record).collect();
        journal.append(&group).unwrap();
        journal.sync().unwrap();
    }
    journal.settle();
    assert_eq!(journal.segments().packed, 1);
    for seq in (1..=20_000).step_by(37) {
        assert_eq!(
            journal.read(seq).unwrap().unwrap(),
            record(seq).as_bytes(),
            "record {seq}"
        );
    }
    assert!(
        journal
            .tail(1)
            .map(Result::unwrap)
            .eq((1..=20_000).map(|seq| (seq, record(seq).into_bytes())))
    );
}
