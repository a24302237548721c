//! What the journal adds up to, kept in sled so that it can be looked up.
//!
//! The store is derived: every group of the journal is one batch that also holds the sequence number it brings the
//! store to, and the whole can be thrown away and built again ([`rebuild`]). It is trusted only after a clean stop, or
//! within one boot of the machine: sled's `flush` does not fsync. Even then it is gone through at the start: sled loses
//! keys without a word where its file is damaged, so each batch also says how much there is ([`contents`]). This module
//! and its files are the only ones that name sled; `keys` is the table of everything remembered, `apply` is what a
//! record does, `packed` how an item is kept, `context` fetches what bears on a decision, `fold` makes a checkpoint of the
//! one before it and the journal, `place` knows the directories.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::journal;
use crate::journal::Position;
use crate::record::Record;
use apply::{Op, ops};
use contents::Contents;
use keys::{Item, Key};

pub(crate) mod apply;
pub(crate) mod checkpoint;
mod contents;
pub(crate) mod context;
mod fold;
pub(crate) mod keys;
mod packed;
pub(crate) mod place;
pub(crate) mod read;
mod reader;
pub(crate) mod rebuild;
mod scan;
#[cfg(test)]
mod tests;
pub(crate) mod trust;

pub use place::directory;
pub use reader::{Former, Reader};
use scan::{Scan, Stored};

/// sled's cache: its default of 1 GiB is more than a unit's memory limit. 64 MB held 110 MB RSS under churn.
const CACHE_BYTES: u64 = 32 << 20;

/// The most changes in one batch of sled. It tidies up only between batches: 1.2 million items took 534 MB on disk and
/// 10 s in batches of 500, and 852 MB, 15 s and gigabytes of memory in batches of 10,000.
const BATCH_OPS: usize = 500;

/// What is put or removed but not in sled yet.
type Overlay = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The store as the ledger holds it: sled, and this cycle's own changes on top.
pub struct Store {
    view: View,
    dir: PathBuf,
    applied_through: u64,
    contents: Contents,
}

/// What can be looked up: sled's tree, looked at through changes that are not in it yet.
#[derive(Clone)]
pub struct View {
    /// There is none while the store is opened again: then everything is an error.
    tree: Option<Arc<sled::Db>>,
    overlay: Overlay,
}

impl Store {
    /// Opens (or makes) the store in `dir`.
    ///
    /// # Errors
    /// When sled cannot open it, also where sled would panic.
    pub fn open(dir: &Path) -> Result<Self> {
        let tree = open_sled(dir)?;
        let view = View::of(Some(Arc::new(tree)));
        let applied_through = view.mark(&keys::applied_through())?.map_or(0, |at| at.seq);
        let contents = Contents::noted(&view)?;
        Ok(Self {
            view,
            dir: dir.to_owned(),
            applied_through,
            contents,
        })
    }

    /// Goes through everything there is: whether it is what the last batch said.
    ///
    /// # Errors
    /// When something is missing, changed or unreadable: the store is damaged.
    pub fn check(&self) -> Result<()> {
        let found = Contents::found(&self.view)?;
        ensure!(
            found == self.contents,
            "the store is damaged: it holds {found}, and should hold {}",
            self.contents
        );
        Ok(())
    }

    /// What can be looked up, this cycle's own changes included.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The last sequence number that is in it, staged ones not counted.
    pub fn applied_through(&self) -> u64 {
        self.applied_through
    }

    /// Stages what a record does: seen by `view`, not in sled yet.
    pub fn stage(&mut self, seq: u64, record: &Record) {
        for op in ops(seq, record) {
            self.view.stage(op);
        }
    }

    /// Stages one change that no record brought (a checkpoint's), and writes what is staged now and then.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn put(&mut self, op: Op) -> Result<()> {
        self.view.stage(op);
        match self.is_batch_full() {
            false => Ok(()),
            true => self.commit(self.applied_through),
        }
    }

    /// Whether as much is staged as one batch takes.
    pub fn is_batch_full(&self) -> bool {
        self.view.overlay.len() >= BATCH_OPS
    }

    /// Writes everything staged, which brings the store up to `seq`.
    ///
    /// # Errors
    /// When sled cannot write; nothing is staged any more, and how much of it was written is not known.
    pub fn commit(&mut self, seq: u64) -> Result<()> {
        // how far the store is comes with the last of several batches: a change only puts or removes, so a half-applied
        // group is simply applied again; how much it holds comes with each
        let staged = std::mem::take(&mut self.view.overlay).into_iter();
        let (mut marks, rest): (Overlay, Overlay) = staged.partition(|(key, _)| key[0] == keys::letter::META);
        let mark = serde_json::to_vec(&Position { seq, nth: 0 }).expect("a position is JSON");
        marks.insert(keys::applied_through().0, Some(mark));
        let mut rest = rest.into_iter().peekable();
        loop {
            let mut changes: Vec<_> = rest.by_ref().take(BATCH_OPS).collect();
            let contents = self.count(&changes)?;
            changes.push((keys::contents().0, Some(contents.to_bytes())));
            let is_last = rest.peek().is_none();
            if is_last {
                changes.extend(std::mem::take(&mut marks));
            }
            self.write(changes)?;
            self.contents = contents;
            if is_last {
                self.applied_through = seq;
                return Ok(());
            }
        }
    }

    fn write(&self, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<()> {
        let mut batch = sled::Batch::default();
        changes.into_iter().for_each(|change| add(&mut batch, change));
        guarded("writing to the store", || self.view.tree()?.apply_batch(batch))
    }

    /// What the store will hold with these changes.
    fn count(&self, changes: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<Contents> {
        let mut contents = self.contents;
        for (key, value) in changes {
            let before = guarded("reading the store", || self.view.tree()?.get(key))?;
            before.iter().for_each(|value| contents.remove(key, value));
            value.iter().for_each(|value| contents.add(key, value));
        }
        Ok(contents)
    }

    /// Forgets everything staged.
    pub fn discard(&mut self) {
        self.view.overlay.clear();
    }

    /// A reader that keeps reading the store in use.
    pub fn reader(&self) -> Reader {
        Reader::new(self.view.tree.clone())
    }

    /// Takes `fresh`'s place; `reader` reads it from now on. What is given back knows whether somebody still reads the
    /// one before.
    pub fn swap(&mut self, fresh: Store, reader: &Reader) -> Former {
        let former = Former::of(self.view.tree.as_ref());
        *self = fresh;
        reader.set(self.view.tree.clone());
        former
    }

    /// Closes the store and opens it again, with everybody who reads it waiting: after an error sled only repeats it.
    ///
    /// # Errors
    /// When somebody does not stop reading, or sled cannot open it: there is no store any more then.
    pub fn reopen(&mut self, reader: &Reader) -> Result<()> {
        self.discard();
        reader.set(None);
        let tree = self.view.tree.take().context("the store was not open")?;
        reader::wait_for_readers(&tree)?;
        drop(tree);
        *self = Self::open(&self.dir)?;
        reader.set(self.view.tree.clone());
        Ok(())
    }

    /// Where it lives.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes on disk, as sled counts them.
    pub fn size_bytes(&self) -> u64 {
        let size = self.view.tree().and_then(sled::Db::size_on_disk);
        size.unwrap_or_else(|error| {
            tracing::warn!(%error, "how much the store takes on disk could not be seen");
            0
        })
    }

    /// Hands everything to the operating system: it is kept also if the process is killed.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn flush(&self) -> Result<()> {
        guarded("flushing the store", || self.view.tree()?.flush()).map(drop)
    }

    /// Writes back everything and makes the files durable.
    ///
    /// # Errors
    /// When that fails.
    pub fn close(self, dir: &Path) -> Result<()> {
        self.flush()?;
        drop(self);
        trust::sync_all(dir)
    }
}

impl View {
    fn of(tree: Option<Arc<sled::Db>>) -> Self {
        Self {
            tree,
            overlay: Overlay::new(),
        }
    }

    fn tree(&self) -> sled::Result<&sled::Db> {
        let closed = || sled::Error::Unsupported("the store is being opened again".to_owned());
        self.tree.as_deref().ok_or_else(closed)
    }

    fn stage(&mut self, op: Op) {
        let (key, value) = match op {
            Op::Put(item) => (item.key().0, Some(packed::pack(&item))),
            Op::Mark(key, at) => (key.0, Some(serde_json::to_vec(&at).expect("a position is JSON"))),
            Op::Remove(key) => (key.0, None),
            Op::RemoveUnder(prefix) => return self.stage_removal(&prefix),
        };
        self.overlay.insert(key, value);
    }

    fn stage_removal(&mut self, prefix: &Key) {
        let under = (Bound::Included(prefix.0.clone()), end_of(&prefix.0));
        let stored: Vec<Vec<u8>> = Stored::range(self.tree(), under.clone())
            .filter_map(|found| Some(found.ok()?.0.to_vec()))
            .collect();
        let staged: Vec<Vec<u8>> = self.overlay.range(under).map(|(key, _)| key.clone()).collect();
        self.overlay
            .extend(stored.into_iter().chain(staged).map(|key| (key, None)));
    }

    /// The item under `key`.
    ///
    /// # Errors
    /// When sled cannot read, or what stands there is not an item.
    pub fn get(&self, key: &Key) -> Result<Option<Item>> {
        self.bytes(key)?.map(|bytes| packed::unpack(&bytes)).transpose()
    }

    /// Whether something stands under `key`.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn has(&self, key: &Key) -> Result<bool> {
        Ok(self.bytes(key)?.is_some())
    }

    /// A number of the store's own.
    ///
    /// # Errors
    /// When sled cannot read, or it is no position.
    pub fn mark(&self, key: &Key) -> Result<Option<Position>> {
        self.bytes(key)?
            .map(|bytes| serde_json::from_slice(&bytes).context("reading a mark of the store"))
            .transpose()
    }

    fn bytes(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        if let Some(staged) = self.overlay.get(&key.0) {
            return Ok(staged.clone());
        }
        let found = guarded("reading the store", || self.tree()?.get(&key.0))?;
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    /// The items whose keys begin with `prefix`, in order.
    pub fn scan(&self, prefix: &Key) -> Scan<'_> {
        self.scan_from(prefix, prefix)
    }

    /// The items whose keys begin with `prefix`, from `from` on.
    pub fn scan_from(&self, prefix: &Key, from: &Key) -> Scan<'_> {
        let bounds = (Bound::Included(from.0.clone()), end_of(&prefix.0));
        Scan::new(Stored::range(self.tree(), bounds.clone()), self.overlay.range(bounds))
    }

    /// The items whose keys begin with `prefix`, the last first. Reads sled only: for lists, never for decisions.
    pub fn scan_back<'a>(&'a self, prefix: &Key, before: Option<&Key>) -> impl Iterator<Item = Result<Item>> + 'a {
        let end = before.map_or_else(|| end_of(&prefix.0), |key| Bound::Excluded(key.0.clone()));
        let mut stored = Stored::range(self.tree(), (Bound::Included(prefix.0.clone()), end));
        std::iter::from_fn(move || stored.step_back()).map(|found| packed::unpack(&found?.1))
    }

    /// Every item there is, in the order of keys.
    pub fn items(&self) -> impl Iterator<Item = Result<Item>> + '_ {
        let everything = Key(Vec::new());
        let is_item = |found: &Result<(Vec<u8>, Vec<u8>)>| {
            found
                .as_ref()
                .map_or(true, |(key, _)| key.first() != Some(&keys::letter::META))
        };
        let entries = self.scan(&everything).steps();
        entries.filter(is_item).map(|found| packed::unpack(&found?.1))
    }

    /// The first key of `prefix` that is not below `from`.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn first_key(&self, prefix: &Key, from: &Key) -> Result<Option<(Key, Item)>> {
        self.scan_from(prefix, from).entries().next().transpose()
    }
}

/// The end of all keys that begin with `prefix`.
pub fn end_of(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

fn add(batch: &mut sled::Batch, (key, value): (Vec<u8>, Option<Vec<u8>>)) {
    match value {
        Some(value) => batch.insert(key, value),
        None => batch.remove(key),
    }
}

fn open_sled(dir: &Path) -> Result<sled::Db> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(1000));
    reader::when_let_go(|| guarded("opening the store", || config.open()))
}

/// sled panics on some damages where it should return an error: both are errors here.
fn guarded<T>(doing: &str, work: impl FnOnce() -> sled::Result<T>) -> Result<T> {
    match std::panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(anyhow!(error).context(doing.to_owned())),
        Err(_) => Err(anyhow!(Damaged("sled panicked; the store is damaged")).context(doing.to_owned())),
    }
}

/// What the store holds cannot be what was put there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Damaged(&'static str);

/// Whether an error says that the store is damaged, or that its disk fails: it must be built again.
pub fn is_damage(error: &anyhow::Error) -> bool {
    let of_sled = error.chain().filter_map(|cause| cause.downcast_ref::<sled::Error>());
    // while it is opened again, sled is asked for nothing
    let mut failures = of_sled.filter(|error| !matches!(error, sled::Error::Unsupported(_)));
    (failures.next().is_some() || error.is::<Damaged>()) && !is_no_space(error)
}

/// Whether an error comes from a disk, or our share of it, that is full.
pub fn is_no_space(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let of_sled = match cause.downcast_ref() {
            Some(sled::Error::Io(error)) => Some(error),
            _ => None,
        };
        let io = of_sled.or_else(|| cause.downcast_ref::<std::io::Error>());
        let of_journal = cause.downcast_ref::<journal::Error>();
        io.is_some_and(crate::durable::is_no_space) || of_journal.is_some_and(journal::Error::is_no_space)
    })
}
