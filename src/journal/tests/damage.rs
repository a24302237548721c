//! Damage of every kind: what is read is right, and what is missing is said.

use super::super::segment::HEADER;
use super::*;

/// What one opening of a damaged journal made known.
struct Seen {
    opening: Opening,
    records: BTreeMap<u64, Vec<u8>>,
    damaged: Vec<(u64, u64)>,
}

/// Opens a damaged copy and checks: every record is as it was written, every missing one is accounted for.
fn open_damaged(dir: &Path, written: &BTreeMap<u64, Vec<u8>>, segment_bytes: u64, what: &str) -> Seen {
    let (journal, opening) = open(dir, segment_bytes);
    let (mut records, mut damaged) = (BTreeMap::new(), Vec::new());
    for item in journal.tail(1) {
        match item {
            Ok((seq, record)) => drop(records.insert(seq, record)),
            Err(Error::Damaged { from, to, .. }) => damaged.push((from, to)),
            Err(error) => panic!("{what}: {error}"),
        }
    }
    for (seq, record) in &records {
        assert_eq!(written.get(seq), Some(record), "{what}: record {seq}");
    }
    let told = ranges(&opening.lost)
        .into_iter()
        .chain(damaged.iter().copied())
        .collect::<Vec<_>>();
    for seq in written
        .keys()
        .filter(|seq| !records.contains_key(seq) && **seq < opening.next)
    {
        assert!(
            told.iter().any(|(from, to)| (from..=to).contains(&seq)),
            "{what}: record {seq} went silently"
        );
    }
    Seen {
        opening,
        records,
        damaged,
    }
}

impl Seen {
    fn says_something(&self) -> bool {
        let opening = &self.opening;
        opening.torn.is_some() || !opening.lost.is_empty() || !opening.notes.is_empty() || !self.damaged.is_empty()
    }
}

/// A stopped journal with two packed segments, an open one and one made ahead.
fn small_journal() -> (TempDir, BTreeMap<u64, Vec<u8>>) {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    let mut written = BTreeMap::new();
    while journal.segments().count < 3 || journal.room().here > SMALL / 3 {
        written = fill(&mut journal, 1);
    }
    journal.settle();
    journal.ahead.wait();
    (dir, written)
}

fn raw(dir: &Path, number: u64) -> std::path::PathBuf {
    super::super::segment::path_of(dir, number)
}

fn packed(dir: &Path, number: u64) -> std::path::PathBuf {
    super::super::closed::path_of(dir, number)
}

fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    how(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Where the group that follows `seq` records starts in a sound segment.
fn groups(path: &Path, number: u64) -> Vec<Range<usize>> {
    let bytes = fs::read(path).unwrap();
    let (mut at, mut places) = (HEADER, Vec::new());
    while let Some(group) = frame::parse_group(&bytes[at..], None) {
        places.push(at..at + group.bytes);
        at += group.bytes;
    }
    assert!(places.len() > 2, "segment {number} should have several groups");
    places
}

#[test]
fn every_truncation_of_the_last_segment_leaves_whole_groups() {
    let (dir, written) = small_journal();
    let whole = fs::read(raw(dir.path(), 3)).unwrap();
    let ends: Vec<usize> = groups(&raw(dir.path(), 3), 3).iter().map(|group| group.end).collect();
    let mut before = None;
    for length in 0..whole.len() {
        let copy = copy_of(dir.path());
        fs::write(raw(copy.path(), 3), &whole[..length]).unwrap();
        let seen = open_damaged(copy.path(), &written, SMALL, &format!("cut at {length}"));
        assert!(seen.opening.lost.is_empty(), "cut at {length}");
        assert_eq!(seen.opening.next, seen.records.len() as u64 + 1, "cut at {length}");
        assert!(seen.says_something(), "cut at {length}");
        let groups = ends.iter().filter(|end| **end <= length).count();
        if before
            .replace((groups, seen.opening.next))
            .is_some_and(|(last, _)| last == groups)
        {
            continue;
        }
        let (mut journal, opening) = open(copy.path(), SMALL);
        assert_eq!(
            (opening.next, opening.torn, opening.notes),
            (seen.opening.next, None, vec![]),
            "cut at {length}"
        );
        assert_eq!(
            append(&mut journal, &["on"]).start,
            seen.opening.next,
            "cut at {length}"
        );
    }
    assert_eq!(before.unwrap(), (ends.len(), written.len() as u64 + 1));
}

#[test]
fn every_flipped_byte_is_noticed_or_changes_nothing() {
    let (dir, written) = small_journal();
    let all = [
        packed(dir.path(), 1),
        packed(dir.path(), 2),
        raw(dir.path(), 3),
        raw(dir.path(), 4),
    ];
    for path in all {
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let what = format!("{} at {at}", path.file_name().unwrap().display());
            let copy = copy_of(dir.path());
            change(&copy.path().join(path.file_name().unwrap()), |bytes| {
                bytes[at] ^= 1 << (at % 8)
            });
            let seen = open_damaged(copy.path(), &written, SMALL, &what);
            let complete = seen.records == written && seen.opening.next == written.len() as u64 + 1;
            assert!(complete || seen.says_something(), "{what}");
            let padding = path.extension().is_some_and(|it| it == "packed");
            assert!(padding || seen.says_something(), "{what}");
        }
    }
}

#[test]
fn every_truncation_of_a_closed_segment_is_noticed() {
    let (dir, written) = small_journal();
    let whole = fs::read(packed(dir.path(), 2)).unwrap();
    for length in 0..whole.len() {
        let copy = copy_of(dir.path());
        fs::write(packed(copy.path(), 2), &whole[..length]).unwrap();
        let seen = open_damaged(copy.path(), &written, SMALL, &format!("cut at {length}"));
        assert!(seen.says_something(), "cut at {length}");
        assert_eq!(seen.opening.next, written.len() as u64 + 1);
        assert_eq!(files(copy.path(), "packed.damaged-1").len(), 1);
    }
}

#[test]
fn zeroed_and_stale_pages_lose_only_what_they_held() {
    const SEGMENT: u64 = 64 * 1024;
    const PAGE: usize = 4096;
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SEGMENT);
    let (mut written, mut stale) = (BTreeMap::new(), Vec::new());
    for round in 0..40 {
        written = fill(&mut journal, 10);
        if round == 17 {
            stale = fs::read(raw(dir.path(), 1)).unwrap();
        }
    }
    assert_eq!(journal.segments().count, 1);
    drop(journal);
    let end = groups(&raw(dir.path(), 1), 1).last().unwrap().end;
    for page in 0..end.div_ceil(PAGE) {
        let range = page * PAGE..(page + 1) * PAGE;
        for (what, old) in [("zeroed", vec![0; SEGMENT as usize]), ("stale", stale.clone())] {
            let copy = copy_of(dir.path());
            change(&raw(copy.path(), 1), |bytes| {
                bytes[range.clone()].copy_from_slice(&old[range.clone()])
            });
            let seen = open_damaged(copy.path(), &written, SEGMENT, &format!("page {page} {what}"));
            let missing = written.len() - seen.records.len();
            assert!(
                missing <= 2 * PAGE / 50,
                "page {page} {what}: {missing} records are gone"
            );
        }
    }
}

#[test]
fn rot_in_the_middle_is_lost_kept_aside_and_reported_until_recorded() {
    let (dir, written) = small_journal();
    let path = raw(dir.path(), 3);
    let second = groups(&path, 3)[1].clone();
    change(&path, |bytes| bytes[second.start + 45] ^= 0xff);
    let seen = open_damaged(dir.path(), &written, SMALL, "rot");
    let lost = seen.opening.lost;
    assert_eq!((lost.len(), seen.opening.torn), (1, None));
    assert_eq!(
        lost[0].kept_file.as_deref(),
        Some(Path::new("0000000003.raw.damaged-1"))
    );
    assert!(dir.path().join("0000000003.raw.damaged-1").exists());
    let (mut journal, again) = open(dir.path(), SMALL);
    assert_eq!(again.lost, lost, "a crash before it was recorded");
    append(&mut journal, &["lost"]);
    journal.losses_recorded().unwrap();
    drop(journal);
    assert!(verify(dir.path()).unwrap().is_sound());
    let (mut journal, after) = open(dir.path(), SMALL);
    assert_eq!((after.lost, after.notes), (vec![], vec![]));
    fill(&mut journal, 10);
    journal.settle();
    drop(journal);
    assert_eq!(open(dir.path(), SMALL).1.lost, [], "nor when the segment is packed");
    let known = verify(dir.path()).unwrap().lost;
    assert_eq!(
        (known.len(), known[0].recorded, &known[0].range),
        (1, true, &lost[0]),
        "it stays a loss"
    );
}

#[test]
fn a_bad_end_of_a_segment_is_rot_if_the_next_segment_goes_on() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    std::fs::create_dir(packed(dir.path(), 1)).unwrap(); // it cannot be packed
    let mut written = BTreeMap::new();
    while journal.segments().count < 2 {
        written = fill(&mut journal, 1);
    }
    journal.settle();
    drop(journal);
    std::fs::remove_dir(packed(dir.path(), 1)).unwrap();
    let last = groups(&raw(dir.path(), 1), 1).pop().unwrap();
    change(&raw(dir.path(), 1), |bytes| bytes[last.end - 1] ^= 1);
    let report = verify(dir.path()).unwrap();
    assert!(!report.is_sound());
    let seen = open_damaged(dir.path(), &written, SMALL, "bad end");
    assert_eq!((seen.opening.torn, seen.opening.lost.len()), (None, 1));
    assert_eq!(report.lost[0].range.from, seen.opening.lost[0].from);
    assert!(seen.opening.lost[0].kept_file.is_some());
}

#[test]
fn a_torn_tail_is_cut_and_after_a_clean_stop_kept_too() {
    let (dir, written) = small_journal();
    let last = groups(&raw(dir.path(), 3), 3).pop().unwrap();
    change(&raw(dir.path(), 3), |bytes| bytes[last.end - 8..last.end].fill(0));
    for clean in [true, false] {
        let copy = copy_of(dir.path());
        let (journal, opening) = Journal::open(copy.path(), options(SMALL, clean)).unwrap();
        let torn = opening.torn.unwrap();
        assert_eq!(
            (torn.segment, torn.at_byte, torn.kept_file.is_some()),
            (3, last.start as u64, clean)
        );
        assert!(torn.bytes <= last.len() as u64 && torn.bytes > 40);
        assert_eq!(files(copy.path(), ".damaged-").len(), usize::from(clean));
        assert_eq!(journal.next(), contents(&journal).len() as u64 + 1);
        assert!(journal.next() <= written.len() as u64);
    }
}

#[test]
fn after_an_unclean_stop_the_last_segment_is_another_file() {
    use std::os::unix::fs::MetadataExt;
    let (dir, _) = small_journal();
    let inode = |_: ()| fs::metadata(raw(dir.path(), 3)).unwrap().ino();
    let before = inode(());
    let held = fs::File::open(raw(dir.path(), 3)).unwrap(); // or the number might be used again
    drop(Journal::open(dir.path(), options(SMALL, true)).unwrap());
    assert_eq!(inode(()), before);
    drop(Journal::open(dir.path(), options(SMALL, false)).unwrap());
    assert_ne!(inode(()), before);
    drop(held);
}

#[test]
fn missing_files_are_lost_ranges_except_the_newest() {
    let (dir, written) = small_journal();
    let span = |number: u64| {
        let segments = verify(dir.path()).unwrap().segments;
        let it = segments.into_iter().find(|segment| segment.number == number).unwrap();
        (it.from.unwrap(), it.to.unwrap())
    };
    for number in [1, 2] {
        let copy = copy_of(dir.path());
        fs::remove_file(packed(copy.path(), number)).unwrap();
        let seen = open_damaged(copy.path(), &written, SMALL, "missing");
        assert_eq!(ranges(&seen.opening.lost), [span(number)]);
        assert_eq!(seen.opening.lost[0].why, format!("segment {number} is missing"));
    }
    let copy = copy_of(dir.path());
    fs::remove_file(raw(copy.path(), 3)).unwrap();
    let (mut journal, opening) = open(copy.path(), SMALL);
    assert_eq!((opening.lost.len(), opening.next), (0, span(3).0));
    journal.skip_to(span(3).1 + 1).unwrap();
    append(&mut journal, &["lost"]);
    drop(journal);
    assert_eq!(open(copy.path(), SMALL).1.lost, []);
}

#[test]
fn a_damaged_block_is_one_error_and_the_tail_goes_on_behind_it() {
    let (dir, written) = small_journal();
    change(&packed(dir.path(), 1), |bytes| bytes[48 + 48 + 10] ^= 1);
    let report = verify(dir.path()).unwrap();
    let damage = &report.segments[0].damage[0];
    let (from, to) = (damage.from.unwrap(), damage.to.unwrap());
    assert!(!report.is_sound());
    let seen = open_damaged(dir.path(), &written, SMALL, "block");
    assert_eq!(seen.damaged, [(from, to)]);
    let (mut journal, _) = open(dir.path(), SMALL);
    assert!(matches!(journal.read(from), Err(Error::Damaged { .. })));
    let done = journal.rewrite(|_, _| Keep::Drop).unwrap();
    assert_eq!(
        done.damaged.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>(),
        [(from, to)]
    );
    assert!(matches!(journal.read(from), Err(Error::Damaged { .. })));
}

#[test]
fn a_segment_with_another_past_is_noted() {
    let dir = scratch();
    let (mut journal, _) = open(dir.path(), SMALL);
    append(&mut journal, &["common"]);
    drop(journal);
    let other = copy_of(dir.path());
    let long = ["a", "b"].map(|letter| letter.repeat(380));
    for (dir, record) in [&dir, &other].into_iter().zip(&long) {
        let (mut journal, _) = open(dir.path(), SMALL);
        append(&mut journal, &[record]);
        append(&mut journal, &["last"]);
        journal.settle();
    }
    let last = files(dir.path(), ".raw").remove(0);
    fs::copy(&last, other.path().join(last.file_name().unwrap())).unwrap();
    let (journal, opening) = open(other.path(), SMALL);
    assert_eq!(contents(&journal).len(), 3);
    assert!(
        opening.notes[0].contains("does not name the group before it"),
        "{:?}",
        opening.notes
    );
}

#[test]
fn a_segment_that_repeats_another_is_set_aside() {
    let (dir, written) = small_journal();
    fs::copy(packed(dir.path(), 1), packed(dir.path(), 7)).unwrap();
    fs::copy(raw(dir.path(), 3), raw(dir.path(), 6)).unwrap();
    let seen = open_damaged(dir.path(), &written, SMALL, "repeated");
    assert_eq!((seen.records, seen.opening.lost), (written, vec![]));
    assert_eq!(seen.opening.notes.len(), 2);
    assert_eq!(files(dir.path(), ".damaged-1").len(), 2);
}

#[test]
fn two_bad_groups_at_the_end_cannot_be_torn_and_are_kept() {
    let (dir, _) = small_journal();
    let path = raw(dir.path(), 3);
    let groups = groups(&path, 3);
    for group in &groups[groups.len() - 2..] {
        change(&path, |bytes| bytes[group.end - 1] ^= 1);
    }
    let (_, opening) = open(dir.path(), SMALL);
    let torn = opening.torn.unwrap();
    assert_eq!(torn.at_byte, groups[groups.len() - 2].start as u64);
    assert!(dir.path().join(torn.kept_file.unwrap()).exists());
}

#[test]
fn verify_changes_nothing() {
    let (dir, _) = small_journal();
    let last = groups(&raw(dir.path(), 3), 3).pop().unwrap();
    change(&raw(dir.path(), 3), |bytes| bytes[last.start] ^= 1);
    change(&packed(dir.path(), 1), |bytes| bytes[0] ^= 1);
    let all = |dir: &Path| -> Vec<_> {
        files(dir, "")
            .into_iter()
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    };
    let before = all(dir.path());
    let report = verify(dir.path()).unwrap();
    assert!(report.torn.is_some() && !report.is_sound());
    assert_eq!(all(dir.path()), before);
    serde_json::to_string(&report).unwrap();
}

#[test]
fn a_newer_format_is_not_opened() {
    let (dir, _) = small_journal();
    change(&raw(dir.path(), 3), |bytes| {
        bytes[8] = 9;
        let crc = crc32c::crc32c(&bytes[..44]);
        bytes[44..48].copy_from_slice(&crc.to_le_bytes());
    });
    assert!(matches!(
        Journal::open(dir.path(), options(SMALL, true)),
        Err(Error::Newer { format: 9, .. })
    ));
}
