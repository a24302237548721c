//! What the journal adds up to, kept in sled so that it can be looked up.
//!
//! The store is derived: every group of the journal is one batch that also holds the sequence number it brings the
//! store to, and the whole can be thrown away and built again ([`rebuild`]). It is trusted only after a clean stop, or
//! within one boot of the machine: sled's `flush` does not fsync. Even then it is gone through at the start: sled loses
//! keys without a word where its file is damaged, so each batch also says how much there is ([`contents`]). This module
//! and its files are the only ones that name sled; `item` is the table of everything remembered, `keys` where it stands,
//! `compact` how it is kept, `apply` what a record does, `fold` makes a
//! checkpoint of the one before it and the journal, `former` reads what earlier versions wrote, `place` knows the
//! directories.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::journal;
use crate::journal::Position;
use crate::record::{Piece, Record};
use apply::{Op, ops};
use contents::Contents;
use item::{Item, Patch};
use keys::Key;

pub(crate) mod apply;
pub(crate) mod checkpoint;
mod compact;
mod contents;
mod fold;
mod former;
pub(crate) mod item;
pub(crate) mod keys;
pub(crate) mod place;
pub(crate) mod read;
mod reader;
pub(crate) mod rebuild;
mod scan;
pub(crate) mod snapshot;
#[cfg(test)]
mod tests;
pub(crate) mod trust;
pub mod walk;

pub use apply::Gradual;
pub use place::directory;
pub use reader::{Former, Reader};
use scan::{Scan, Stored};
pub use snapshot::Snapshot;

/// sled's cache: its default of 1 GiB is more than a unit's memory limit. 64 MB held 110 MB RSS under churn.
const CACHE_BYTES: u64 = 32 << 20;

/// The most changes in one batch of sled. It tidies up only between batches: 1.2 million items took 534 MB on disk and
/// 10 s in batches of 500, and 852 MB, 15 s and gigabytes of memory in batches of 10,000.
const BATCH_OPS: usize = 500;

/// What is put or removed but not in sled yet.
type Overlay = BTreeMap<Vec<u8>, Staged>;

/// What will stand under a key.
#[derive(Debug, Clone)]
pub struct Staged {
    /// The value; `None` if nothing will.
    value: Option<Vec<u8>>,
    /// The digest of what sled holds there now, if it holds anything.
    before: Option<u64>,
    /// The key that holds the item it belongs to: all of an item is written in one batch.
    owner: Vec<u8>,
}

/// The store as the ledger holds it: sled, and this cycle's own changes on top.
pub struct Store {
    view: View,
    dir: PathBuf,
    applied_through: u64,
    contents: Contents,
    /// Who reads it as it was.
    snapshot: Weak<snapshot::Before>,
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
        let schema = view.mark(&keys::schema())?.map_or(0, |at| at.seq);
        ensure!(
            schema == compact::SCHEMA || (schema == 0 && applied_through == 0 && view.is_empty()?),
            "the store has schema {schema}, and this version keeps schema {}",
            compact::SCHEMA
        );
        let contents = Contents::noted(&view)?;
        let store = Self {
            view,
            dir: dir.to_owned(),
            applied_through,
            contents,
            snapshot: Weak::new(),
        };
        if schema == 0 {
            store.write(vec![(keys::schema().0, Staged::mark(compact::SCHEMA))])?;
        }
        Ok(store)
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

    /// Stages what a record does, with the earlier pieces of its decision: seen by `view`, not in sled yet.
    ///
    /// # Errors
    /// When what stands there now cannot be read.
    pub fn stage(&mut self, seq: u64, record: &Record, pieces: &[Piece]) -> Result<()> {
        ops(seq, record, pieces)
            .into_iter()
            .try_for_each(|op| self.view.stage(op))
    }

    /// Stages what a decision does, as far as `ops` goes; the rest is staged later.
    ///
    /// # Errors
    /// When what stands there now cannot be read.
    pub fn stage_some(&mut self, mut ops: impl Iterator<Item = Op>) -> Result<()> {
        ops.try_for_each(|op| self.view.stage(op))
    }

    /// Stages one change that no record brought (a checkpoint's), and writes what is staged now and then.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn put(&mut self, op: Op) -> Result<()> {
        self.view.stage(op)?;
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
        // how far the store is comes with the last of several batches, so a half-applied group is simply applied again; how
        // much it holds comes with each. What belongs to one item is never torn apart: its other keys follow from what
        // stands under the one that holds it
        let staged = std::mem::take(&mut self.view.overlay).into_iter();
        let (mut marks, rest): (Overlay, Overlay) = staged.partition(|(key, _)| key[0] == keys::letter::META);
        marks.insert(keys::applied_through().0, Staged::mark(seq));
        let mut batches = batches(rest);
        let mut last = batches.pop().unwrap_or_default();
        batches.into_iter().try_for_each(|batch| self.write_counted(batch))?;
        last.extend(marks);
        self.write_counted(last)?;
        self.applied_through = seq;
        Ok(())
    }

    /// Writes one batch, and how much there is then.
    fn write_counted(&mut self, mut batch: Vec<(Vec<u8>, Staged)>) -> Result<()> {
        let contents = self.count(&batch);
        batch.push((keys::contents().0, Staged::of(contents.to_bytes())));
        self.write(batch)?;
        self.contents = contents;
        Ok(())
    }

    /// The store as it is now, for somebody who reads it while it goes on being written. Nothing may be staged; there is
    /// one at a time.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        ensure!(self.view.overlay.is_empty(), "something is staged");
        let before = Arc::new(snapshot::Before::default());
        self.snapshot = Arc::downgrade(&before);
        let view = View::of(self.view.tree.clone());
        Snapshot::of(view, self.contents, self.applied_through, before)
    }

    fn write(&self, changes: Vec<(Vec<u8>, Staged)>) -> Result<()> {
        if let Some(before) = self.snapshot.upgrade() {
            before.keep(&self.view, changes.iter().map(|(key, _)| key))?;
        }
        let mut batch = sled::Batch::default();
        changes.into_iter().for_each(|change| add(&mut batch, change));
        guarded("writing to the store", || self.view.tree()?.apply_batch(batch))
    }

    /// What the store will hold with these changes.
    fn count(&self, changes: &[(Vec<u8>, Staged)]) -> Contents {
        let mut contents = self.contents;
        let counted = changes.iter().filter(|(key, _)| key[0] != keys::letter::META);
        for (key, staged) in counted {
            staged.before.iter().for_each(|digest| contents.remove(*digest));
            let digest = staged.value.as_ref().map(|value| contents::digest(key, value));
            digest.iter().for_each(|digest| contents.add(*digest));
        }
        contents
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

    fn stage(&mut self, op: Op) -> Result<()> {
        match op {
            Op::Put(item) => self.put(&item),
            Op::Patch(id, patch) => self.patch(&id, &patch),
            Op::Mark(key, at) => {
                let mark = serde_json::to_vec(&at).expect("a position is JSON");
                self.overlay.insert(key.0, Staged::of(mark));
                Ok(())
            }
            Op::Remove(key) => self.remove(&key),
            Op::RemoveUnder(prefix) => {
                let keys: Vec<Key> = self.keys_under(&prefix).collect::<Result<_>>()?;
                keys.iter().try_for_each(|key| self.remove(key))
            }
            Op::RemoveDeliveries(incident) => {
                let held: Vec<Key> = self.held_by(&keys::deliveries_of(&incident)).collect::<Result<_>>()?;
                held.iter().try_for_each(|key| self.remove(key))
            }
        }
    }

    /// Puts an item in place of what stood under its key.
    fn put(&mut self, item: &Item) -> Result<()> {
        let keys = item.keys();
        let before = self.bytes(&keys[0])?;
        let known = other_keys(&keys[0], before.as_deref())?;
        let (holds, others) = keys.split_first().expect("an item has a key");
        let owner = item.owner();
        for gone in known.iter().filter(|key| !others.contains(key)) {
            self.set(gone.0.clone(), None, Some(&holds.0), &owner);
        }
        for new in others.iter().filter(|key| !known.contains(key)) {
            self.set(new.0.clone(), Some(holds.0.clone()), None, &owner);
        }
        self.set(holds.0.clone(), Some(compact::write(item)), before.as_deref(), &owner);
        Ok(())
    }

    fn patch(&mut self, id: &str, patch: &Patch) -> Result<()> {
        let known = match self.get(&keys::delivery(id))? {
            Some(Item::Delivery(known)) => Some(*known),
            _ => None,
        };
        let (patched, before) = patch.apply(known);
        if let Some(attempt) = before {
            self.put(&Item::Attempt(attempt))?;
        }
        match patched {
            Some(patched) => self.put(&Item::Delivery(Box::new(patched))),
            None => Ok(()),
        }
    }

    fn remove(&mut self, key: &Key) -> Result<()> {
        let Some(before) = self.bytes(key)? else {
            return Ok(());
        };
        for other in other_keys(key, Some(&before))? {
            self.set(other.0, None, Some(&key.0), key);
        }
        self.set(key.0.clone(), None, Some(&before), key);
        Ok(())
    }

    /// Stages a value under a key, where `now` stands as far as this view knows.
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>, now: Option<&[u8]>, owner: &Key) {
        match self.overlay.entry(key) {
            Entry::Occupied(mut staged) => staged.get_mut().value = value,
            Entry::Vacant(place) => {
                let before = now.map(|now| contents::digest(place.key(), now));
                let owner = owner.0.clone();
                place.insert(Staged { value, before, owner });
            }
        }
    }

    /// The item under `key`.
    ///
    /// # Errors
    /// When sled cannot read, or what stands there is not an item.
    pub fn get(&self, key: &Key) -> Result<Option<Item>> {
        self.bytes(key)?.map(|bytes| compact::read(&bytes)).transpose()
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
            return Ok(staged.value.clone());
        }
        let found = guarded("reading the store", || self.tree()?.get(&key.0))?;
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    fn is_empty(&self) -> Result<bool> {
        Ok(self.scan(&Key(Vec::new())).steps().next().transpose()?.is_none())
    }

    /// The keys that begin with `prefix`, in order.
    pub fn keys_under<'a>(&'a self, prefix: &Key) -> impl Iterator<Item = Result<Key>> + use<'a> {
        self.scan(prefix).steps().map(|found| Ok(Key(found?.0)))
    }

    /// What the keys that begin with `prefix` hold, where those are other keys of items: the keys that hold these items.
    pub fn held_by<'a>(&'a self, prefix: &Key) -> impl Iterator<Item = Result<Key>> + use<'a> {
        self.scan(prefix).steps().map(|found| Ok(Key(found?.1)))
    }

    /// The items that have keys beginning with `prefix`, where those are not the ones that hold them.
    pub fn scan_other<'a>(&'a self, prefix: &Key) -> impl Iterator<Item = Result<Item>> + use<'a> {
        self.scan_other_from(prefix, prefix).map(|found| Ok(found?.1))
    }

    /// The same from `from` on, each with that key.
    pub fn scan_other_from<'a>(
        &'a self,
        prefix: &Key,
        from: &Key,
    ) -> impl Iterator<Item = Result<(Key, Item)>> + use<'a> {
        self.scan_from(prefix, from).steps().filter_map(|found| {
            let look_up = |(key, held): (Vec<u8>, Vec<u8>)| Ok(self.get(&Key(held))?.map(|item| (Key(key), item)));
            found.and_then(look_up).transpose()
        })
    }

    /// The items whose keys begin with `prefix`, in order.
    pub fn scan(&self, prefix: &Key) -> Scan<'_> {
        self.scan_from(prefix, prefix)
    }

    /// The items whose keys begin with `prefix`, from `from` on, wherever that is.
    pub fn scan_from(&self, prefix: &Key, from: &Key) -> Scan<'_> {
        let end = end_of(&prefix.0);
        let begin = match &end {
            Bound::Excluded(end) => (&from.0).min(end),
            Bound::Included(_) | Bound::Unbounded => &from.0,
        };
        let bounds = (Bound::Included(begin.max(&prefix.0).clone()), end);
        Scan::new(Stored::range(self.tree(), bounds.clone()), self.overlay.range(bounds))
    }

    /// The items that have other keys beginning with `prefix`, the last first. Reads sled only: for lists, never for
    /// decisions.
    pub fn scan_other_back<'a>(
        &'a self,
        prefix: &Key,
        before: Option<&Key>,
    ) -> impl Iterator<Item = Result<Item>> + use<'a> {
        let mut stored = self.stored_back(prefix, before);
        std::iter::from_fn(move || stored.step_back()).filter_map(|found| {
            let look_up = |(_, held): (sled::IVec, sled::IVec)| self.get(&Key(held.to_vec()));
            found.and_then(look_up).transpose()
        })
    }

    fn stored_back(&self, prefix: &Key, before: Option<&Key>) -> Stored {
        let end = before.map_or_else(|| end_of(&prefix.0), |key| Bound::Excluded(key.0.clone()));
        Stored::range(self.tree(), (Bound::Included(prefix.0.clone()), end))
    }

    /// The items whose keys begin with `prefix`, the last first. Reads sled only: for lists, never for decisions.
    pub fn scan_back<'a>(&'a self, prefix: &Key, before: Option<&Key>) -> impl Iterator<Item = Result<Item>> + 'a {
        let mut stored = self.stored_back(prefix, before);
        std::iter::from_fn(move || stored.step_back()).map(|found| compact::read(&found?.1))
    }

    /// Every item there is, in the order of keys.
    pub fn items(&self) -> impl Iterator<Item = Result<Item>> + '_ {
        let everything = Key(Vec::new());
        let is_held = |found: &Result<(Vec<u8>, Vec<u8>)>| {
            let holds = |key: &Vec<u8>| key.first().is_none_or(|letter| keys::letter::holds(*letter));
            found.as_ref().map_or(true, |(key, _)| holds(key))
        };
        let entries = self.scan(&everything).steps();
        entries.filter(is_held).map(|found| compact::read(&found?.1))
    }

    /// The first item that has another key beginning with `prefix` that is not below `from`.
    ///
    /// # Errors
    /// When sled cannot read.
    pub fn first_other(&self, prefix: &Key, from: &Key) -> Result<Option<(Key, Item)>> {
        self.scan_other_from(prefix, from).next().transpose()
    }
}

impl Staged {
    /// A number of the store's own: these are not counted.
    fn mark(number: u64) -> Self {
        let at = Position { seq: number, nth: 0 };
        Self::of(serde_json::to_vec(&at).expect("a position is JSON"))
    }

    fn of(bytes: Vec<u8>) -> Self {
        Self {
            value: Some(bytes),
            before: None,
            owner: Vec::new(),
        }
    }
}

/// The other keys of the item that stands under `key`.
fn other_keys(key: &Key, value: Option<&[u8]>) -> Result<Vec<Key>> {
    match value.filter(|_| Item::has_other_keys(key)) {
        Some(value) => Ok(compact::read(value)?.keys().split_off(1)),
        None => Ok(Vec::new()),
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

/// What is staged, in batches of about [`BATCH_OPS`]: an item is whole in one of them.
fn batches(staged: Overlay) -> Vec<Vec<(Vec<u8>, Staged)>> {
    let mut staged: Vec<(Vec<u8>, Staged)> = staged.into_iter().collect();
    staged.sort_by(|(_, one), (_, other)| one.owner.cmp(&other.owner));
    let mut batches: Vec<Vec<(Vec<u8>, Staged)>> = Vec::new();
    for change in staged {
        let belongs = |batch: &Vec<(Vec<u8>, Staged)>| {
            let last = batch.last().map(|(_, last)| &last.owner);
            batch.len() < BATCH_OPS || last == Some(&change.1.owner)
        };
        match batches.last_mut().filter(|batch| belongs(batch)) {
            Some(batch) => batch.push(change),
            None => batches.push(vec![change]),
        }
    }
    batches
}

fn add(batch: &mut sled::Batch, (key, staged): (Vec<u8>, Staged)) {
    match staged.value {
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

/// Whether it is sled's own error: it says nothing about what was asked.
pub fn is_of_sled(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.is::<sled::Error>()
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
