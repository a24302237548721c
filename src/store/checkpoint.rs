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

use crate::durable::{create_dir_durably, sync_dir};
use crate::journal::Position;
use crate::store::View;
use crate::store::item::Item;
use crate::store::keys;

/// How many checkpoints are kept.
const KEPT: usize = 2;

/// Checkpoints' format.
const FORMAT: u32 = 2;

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
/// As [`put`].
pub fn write(state: &Path, view: &View, through: u64, stop: &AtomicBool) -> Result<PathBuf> {
    let decided = view.mark(&keys::decided_through())?;
    put(state, through, decided, |out| {
        for item in view.items() {
            ensure!(!stop.load(Ordering::Relaxed), "the daemon is stopping");
            out.push(&serde_json::to_vec(&item?)?)?;
        }
        Ok(())
    })
}

/// Writes a checkpoint of the items that `fill` pushes, which are everything up to `through`; older checkpoints but the
/// last go.
///
/// # Errors
/// When it cannot be written durably, or what `fill` returns; then nothing is left of it.
pub fn put(
    state: &Path,
    through: u64,
    decided: Option<Position>,
    fill: impl FnOnce(&mut Lines<'_>) -> Result<()>,
) -> Result<PathBuf> {
    let dir = made(state)?;
    let path = dir.join(format!("{through:020}.checkpoint"));
    let temporary = path.with_extension("tmp");
    let written = write_to(&temporary, through, decided, fill)
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

/// Writes a file like a checkpoint, under any name.
///
/// # Errors
/// When it cannot be written, or what `fill` returns.
pub fn write_to(
    path: &Path,
    through: u64,
    decided: Option<Position>,
    fill: impl FnOnce(&mut Lines<'_>) -> Result<()>,
) -> Result<()> {
    let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
    let mut packed = zstd::Encoder::new(BufWriter::new(file), 3).context("packing a checkpoint")?;
    let head = serde_json::to_vec(&Head {
        checkpoint: FORMAT,
        through,
        decided,
    })?;
    packed.write_all(&head)?;
    let mut lines = Lines {
        out: &mut packed,
        items: 0,
        crc32c: crc32c::crc32c(&head),
    };
    fill(&mut lines)?;
    let tail = Tail {
        items: lines.items,
        crc32c: lines.crc32c,
    };
    packed.write_all(b"\n")?;
    packed.write_all(&serde_json::to_vec(&tail)?)?;
    let file = packed.finish()?.into_inner().map_err(|error| error.into_error())?;
    file.sync_all().context("syncing a checkpoint")
}

/// What a checkpoint's items are written to.
pub struct Lines<'a> {
    out: &'a mut dyn Write,
    items: u64,
    crc32c: u32,
}

impl Lines<'_> {
    /// Adds an item, as JSON.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, line: &[u8]) -> Result<()> {
        self.crc32c = crc32c::crc32c_append(self.crc32c, line);
        self.items += 1;
        self.out.write_all(b"\n")?;
        Ok(self.out.write_all(line)?)
    }
}

/// The newest checkpoint that is whole.
///
/// # Errors
/// When the directory cannot be listed.
pub fn newest(state: &Path) -> Result<Option<(PathBuf, Read)>> {
    for path in list(state)?.into_iter().rev() {
        match verify(&path) {
            Ok(read) => return Ok(Some((path, read))),
            Err(error) => {
                tracing::warn!(checkpoint = %path.display(), error = format!("{error:#}"), "a checkpoint is damaged; an older one, or the whole journal, is read instead");
            }
        }
    }
    Ok(None)
}

/// Two names for files that are on the way to a checkpoint, used in turn. They go in the end.
pub struct Unfinished {
    paths: [PathBuf; 2],
}

impl Unfinished {
    /// In the checkpoints' directory, where there is room for them.
    ///
    /// # Errors
    /// When that cannot be made.
    pub fn of(state: &Path) -> Result<Self> {
        let dir = made(state)?;
        Ok(Self {
            paths: ["folding-1.tmp", "folding-2.tmp"].map(|name| dir.join(name)),
        })
    }

    /// The name that is free: the other one is being read.
    pub fn next(&mut self) -> PathBuf {
        self.paths.swap(0, 1);
        self.paths[0].clone()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for path in &self.paths {
            let _ = fs::remove_file(path);
        }
    }
}

fn made(state: &Path) -> Result<PathBuf> {
    let dir = directory(state);
    create_dir_durably(&dir).context("making the checkpoints' directory")?;
    Ok(dir)
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
    each(path, |_, _| Ok(()))
}

/// Goes through a checkpoint's items, each as JSON and as what it is.
///
/// # Errors
/// As [`verify`]; also what `take` returns. What was taken before the error must be thrown away.
pub fn each(path: &Path, take: impl FnMut(&[u8], Item) -> Result<()>) -> Result<Read> {
    each_as(path, FORMAT, take)
}

/// The format of a checkpoint.
///
/// # Errors
/// When it does not begin like one.
pub fn format(path: &Path) -> Result<u32> {
    Ok(begin(path)?.1.checkpoint)
}

/// What a checkpoint is read from, line by line.
type Packed = std::io::Split<BufReader<zstd::Decoder<'static, BufReader<File>>>>;

fn begin(path: &Path) -> Result<(Vec<u8>, Head, Packed)> {
    let file = File::open(path).with_context(|| format!("reading the checkpoint {}", path.display()))?;
    let mut lines = BufReader::new(zstd::Decoder::new(file)?).split(b'\n');
    let first = lines.next().context("the checkpoint is empty")??;
    let head = serde_json::from_slice(&first).context("the checkpoint does not begin like one")?;
    Ok((first, head, lines))
}

/// Goes through the items of a checkpoint of another format.
///
/// # Errors
/// As [`each`].
pub fn each_as<T: serde::de::DeserializeOwned>(
    path: &Path,
    format: u32,
    mut take: impl FnMut(&[u8], T) -> Result<()>,
) -> Result<Read> {
    let (first, head, lines) = begin(path)?;
    ensure!(
        head.checkpoint == format,
        "the checkpoint has format {}, and not {format}",
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
        let item = serde_json::from_slice(&line).context("an item of the checkpoint cannot be read")?;
        take(&line, item)?;
    }
    bail!("the checkpoint is cut short")
}

fn directory(state: &Path) -> PathBuf {
    state.join("checkpoints")
}
