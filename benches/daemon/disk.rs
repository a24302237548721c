//! What the disk takes: the time of a sync, and the bytes of what the daemon keeps.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::percentiles;

/// The end of a packed segment: the index' length, a checksum, and words that say what it is.
const TAIL: usize = 16;

/// What a state folder holds.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Bytes of records in the journal, as they were written.
    pub journal: u64,
    /// Bytes of the journal on disk: old segments are packed, the open one and the next have space beforehand.
    pub journal_disk: u64,
    /// Bytes of the store on disk.
    pub store: u64,
}

impl Kept {
    pub fn of(state: &Path) -> Self {
        Self {
            journal: written(&state.join("journal")),
            journal_disk: allocated(&state.join("journal")),
            store: allocated(&state.join("store")),
        }
    }
}

/// 4 KiB written into zeroed space and synced, one after the other: what the disk itself takes.
pub fn fdatasync(dir: &Path) -> Value {
    json!({ "measure": "fdatasync of 4 KiB", "us": percentiles(syncs(dir)) })
}

/// The median of such syncs, in microseconds.
pub fn fdatasync_p50(dir: &Path) -> f64 {
    percentiles(syncs(dir))["p50"].as_f64().expect("a number")
}

fn syncs(dir: &Path) -> Vec<Duration> {
    let mut file = std::fs::File::create(dir.join("probe")).expect("a file");
    file.write_all(&vec![0; 4 << 20])
        .and_then(|()| file.sync_all())
        .expect("zeroed");
    let mut took = Vec::new();
    for nth in 0..500u64 {
        file.seek(SeekFrom::Start(nth * 4096)).expect("in the file");
        let began = Instant::now();
        file.write_all(&[1; 4096])
            .and_then(|()| file.sync_data())
            .expect("synced");
        took.push(began.elapsed());
    }
    took
}

/// What a folder takes on disk, bytes.
pub fn allocated(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let mut folders = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                Ok(meta) => bytes += meta.blocks() * 512,
                Err(_) => {}
            }
        }
    }
    bytes
}

/// Bytes of records in a journal, before packing and without the zeroes at the end of what is open.
fn written(journal: &Path) -> u64 {
    let entries = std::fs::read_dir(journal).into_iter().flatten().flatten();
    let files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let bytes = files
        .iter()
        .map(|file| match file.extension().and_then(|kind| kind.to_str()) {
            Some("raw") if file.with_extension("packed").exists() => 0, // it is about to be removed
            Some("raw") => without_zeroes(file),
            Some("packed") => unpacked(file).expect("an index of blocks"),
            _ => 0,
        });
    bytes.sum()
}

fn without_zeroes(file: &Path) -> u64 {
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last as u64 + 1)
}

/// What the index of a packed segment says its blocks unpack to.
fn unpacked(file: &Path) -> Option<u64> {
    let bytes = std::fs::read(file).ok()?;
    let tail = bytes.len().checked_sub(TAIL)?;
    let length = u32::from_le_bytes(bytes.get(tail..tail + 4)?.try_into().ok()?) as usize;
    let index: Value = serde_json::from_slice(bytes.get(tail.checked_sub(length)?..tail)?).ok()?;
    let blocks = index["blocks"].as_array()?;
    Some(blocks.iter().filter_map(|block| block["raw"].as_u64()).sum())
}
