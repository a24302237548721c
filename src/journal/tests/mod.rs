//! What the journal promises, tried out on real files.

mod damage;
mod model;
mod writing;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::open::Opening;
use super::*;

/// Room for a few small groups.
const SMALL: u64 = 512;

/// A directory in memory where there is one: these tests are about bytes, and there are many of them.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

fn options(segment_bytes: u64, clean: bool) -> Options {
    Options {
        segment_bytes,
        clean,
        ..Options::default()
    }
}

fn open(dir: &Path, segment_bytes: u64) -> (Journal, Opening) {
    Journal::open(dir, options(segment_bytes, false)).unwrap()
}

fn append(journal: &mut Journal, records: &[&str]) -> Range<u64> {
    let numbers = journal.append(records).unwrap();
    journal.sync().unwrap();
    numbers
}

/// Appends `groups` groups of one to three records each; returns all records there are then.
fn fill(journal: &mut Journal, groups: u64) -> BTreeMap<u64, Vec<u8>> {
    for _ in 0..groups {
        let next = journal.next();
        let records: Vec<String> = (next..next + 1 + next % 3).map(|seq| format!("record {seq}")).collect();
        journal.append(&records).unwrap();
        journal.sync().unwrap();
    }
    contents(journal)
}

/// Everything that can be read, which must be everything that is asked for.
fn contents(journal: &Journal) -> BTreeMap<u64, Vec<u8>> {
    let all: Result<BTreeMap<_, _>> = journal.tail(1).collect();
    let all = all.unwrap();
    for seq in 0..journal.next() + 2 {
        assert_eq!(journal.read(seq).unwrap().as_ref(), all.get(&seq), "record {seq}");
    }
    all
}

/// The directory as a power cut would leave it: what was written, no lock.
fn copy_of(dir: &Path) -> TempDir {
    let copy = scratch();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

fn files(dir: &Path, part: &str) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = all
        .filter(|path| path.file_name().unwrap().to_string_lossy().contains(part))
        .collect();
    files.sort();
    files
}

fn ranges(losses: &[LostRange]) -> Vec<(u64, u64)> {
    losses.iter().map(|loss| (loss.from, loss.to)).collect()
}
