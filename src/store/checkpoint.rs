//! A file of everything the store holds, up to a sequence number: what a rebuild starts from.
//!
//! One JSON line says what it is, then one item a line, then a line with count and checksum. It shortens a start; it
//! never permits deleting anything of the journal. The last two are kept, packed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::event::Position;
use crate::journal::file::sync_dir;
use crate::store::View;
use crate::store::keys::{self, Item};

/// How many checkpoints are kept.
const KEPT: usize = 2;

/// Checkpoints' format.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    checkpoint: u32,
    through: u64,
    decided: Option<Position>,
}

#[derive(Serialize, Deserialize)]
struct Tail {
    items: u64,
    crc32c: u32,
}

/// What a checkpoint says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    /// The sequence number it goes up to.
    pub through: u64,
    /// The last input decided by then.
    pub decided: Option<Position>,
    /// How many items it holds.
    pub items: u64,
}

/// Writes what `view` holds, which is everything up to `through`; older checkpoints but the last go.
///
/// # Errors
/// When it cannot be written durably, or `stop` was set meanwhile; then nothing is left of it.
pub fn write(state: &Path, view: &View, through: u64, stop: &AtomicBool) -> Result<PathBuf> {
    let dir = directory(state);
    fs::create_dir_all(&dir).context("making the checkpoints' directory")?;
    let path = dir.join(format!("{through:020}.checkpoint"));
    let temporary = path.with_extension("tmp");
    let written = write_to(&temporary, view, through, stop)
        .and_then(|()| fs::rename(&temporary, &path).context("naming a checkpoint"));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_dir(&dir).context("syncing the checkpoints' directory")?;
    for old in list(state)?.into_iter().rev().skip(KEPT) {
        fs::remove_file(&old).with_context(|| format!("removing {}", old.display()))?;
    }
    Ok(path)
}

fn write_to(path: &Path, view: &View, through: u64, stop: &AtomicBool) -> Result<()> {
    let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
    let mut packed = zstd::Encoder::new(BufWriter::new(file), 3).context("packing a checkpoint")?;
    dump(&mut packed, view, through, stop)?;
    let file = packed.finish()?.into_inner().map_err(|error| error.into_error())?;
    file.sync_all().context("syncing a checkpoint")
}

fn dump(out: &mut impl Write, view: &View, through: u64, stop: &AtomicBool) -> Result<()> {
    let decided = view.mark(&keys::decided_through())?;
    let head = serde_json::to_vec(&Head {
        checkpoint: FORMAT,
        through,
        decided,
    })?;
    let (mut items, mut crc) = (0, crc32c::crc32c(&head));
    out.write_all(&head)?;
    for item in view.items() {
        ensure!(!stop.load(Ordering::Relaxed), "the daemon is stopping");
        let line = serde_json::to_vec(&item?)?;
        crc = crc32c::crc32c_append(crc, &line);
        items += 1;
        out.write_all(b"\n")?;
        out.write_all(&line)?;
    }
    let tail = serde_json::to_vec(&Tail { items, crc32c: crc })?;
    out.write_all(b"\n")?;
    out.write_all(&tail)?;
    Ok(())
}

/// The checkpoints there are, the oldest first.
///
/// # Errors
/// When the directory cannot be listed.
pub fn list(state: &Path) -> Result<Vec<PathBuf>> {
    let dir = directory(state);
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&dir)
        .context("listing the checkpoints")?
        .collect::<std::io::Result<Vec<_>>>()?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "checkpoint"));
    paths.sort();
    Ok(paths)
}

/// How far the oldest checkpoint goes, by its name; 0 where there is none. What a record behind it says is needed to
/// build a store from it.
pub fn oldest_through(state: &Path) -> u64 {
    let oldest = list(state).ok().and_then(|paths| paths.into_iter().next());
    let name = oldest
        .as_deref()
        .and_then(Path::file_stem)
        .and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}

/// How far the newest checkpoint goes, by its name.
///
/// # Errors
/// When the directory cannot be listed.
pub fn newest_through(state: &Path) -> Result<u64> {
    let newest = list(state)?.pop();
    let stem = newest.as_ref().and_then(|path| path.file_stem()?.to_str());
    Ok(stem.and_then(|stem| stem.parse().ok()).unwrap_or(0))
}

/// Checks a checkpoint whole: nothing of it may be used unless all of it is right.
///
/// # Errors
/// When it is damaged, cut short, or written by a newer version.
pub fn verify(path: &Path) -> Result<Read> {
    each(path, |_| Ok(()))
}

/// Goes through a checkpoint's items.
///
/// # Errors
/// As [`verify`]; also what `take` returns. What was taken before the error must be thrown away.
pub fn each(path: &Path, mut take: impl FnMut(Item) -> Result<()>) -> Result<Read> {
    let file = File::open(path).with_context(|| format!("reading the checkpoint {}", path.display()))?;
    let mut lines = BufReader::new(zstd::Decoder::new(file)?).split(b'\n');
    let first = lines.next().context("the checkpoint is empty")??;
    let head: Head = serde_json::from_slice(&first).context("the checkpoint does not begin like one")?;
    ensure!(
        head.checkpoint == FORMAT,
        "the checkpoint has format {}: it was written by a newer version",
        head.checkpoint
    );
    let (mut items, mut crc) = (0, crc32c::crc32c(&first));
    for line in lines {
        let line = line.context("the checkpoint cannot be unpacked")?;
        if line.starts_with(b"{\"items\":") {
            let tail: Tail = serde_json::from_slice(&line)?;
            ensure!(
                tail.items == items && tail.crc32c == crc,
                "the checkpoint's count or checksum is wrong"
            );
            return Ok(Read {
                through: head.through,
                decided: head.decided,
                items,
            });
        }
        crc = crc32c::crc32c_append(crc, &line);
        items += 1;
        take(serde_json::from_slice(&line).context("an item of the checkpoint cannot be read")?)?;
    }
    bail!("the checkpoint is cut short")
}

fn directory(state: &Path) -> PathBuf {
    state.join("checkpoints")
}
