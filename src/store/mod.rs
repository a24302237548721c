//! What the journal adds up to, kept in sled so that it can be looked up.
//!
//! The store is derived: every group of the journal is one batch that also holds the sequence number it brings the
//! store to, and the whole can be thrown away and built again ([`rebuild`]). It is trusted only after a clean stop, or
//! within one boot of the machine: sled's `flush` does not fsync. Even then it is gone through at the start: sled loses
//! keys without a word where its file is damaged, so each batch also says how much there is ([`contents`]). This module and its files are the only ones that
//! name sled; `keys` is the table of everything remembered, `apply` is what a record does, `context` fetches what bears
//! on a decision.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use arc_swap::ArcSwap;

use crate::event::Position;
use crate::record::Record;
use apply::{Op, ops};
use contents::Contents;
use keys::{Item, Key};

pub(crate) mod apply;
pub(crate) mod checkpoint;
mod contents;
pub(crate) mod context;
pub(crate) mod keys;
pub(crate) mod read;
pub(crate) mod rebuild;
pub(crate) mod trust;

/// sled's cache: its default of 1 GiB is more than a unit's memory limit. 64 MB held 110 MB RSS under churn.
const CACHE_BYTES: u64 = 32 << 20;

/// The most changes in one batch of sled: 10,000 took 77 ms, 200,000 took 983 MB.
const BATCH_OPS: usize = 10_000;

/// What is put or removed but not in sled yet.
type Overlay = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The store as the ledger holds it: sled, and this cycle's own changes on top.
pub struct Store {
    view: View,
    applied_through: u64,
    contents: Contents,
}

/// What can be looked up: sled's tree, looked at through changes that are not in it yet.
#[derive(Clone)]
pub struct View {
    tree: sled::Db,
    overlay: Overlay,
}

/// The store as everybody else holds it: always the one in use, also after it was renewed.
#[derive(Clone)]
pub struct Reader(Arc<ArcSwap<sled::Db>>);

impl Store {
    /// Opens (or makes) the store in `dir`.
    ///
    /// # Errors
    /// When sled cannot open it, also where sled would panic.
    pub fn open(dir: &Path) -> Result<Self> {
        let tree = open_sled(dir)?;
        let view = View {
            tree,
            overlay: Overlay::new(),
        };
        let applied_through = view.mark(&keys::applied_through())?.map_or(0, |at| at.seq);
        let contents = Contents::noted(&view)?;
        Ok(Self {
            view,
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
        match self.view.overlay.len() < BATCH_OPS {
            true => Ok(()),
            false => self.commit(self.applied_through),
        }
    }

    /// Writes everything staged, which brings the store up to `seq`.
    ///
    /// # Errors
    /// When sled cannot write.
    pub fn commit(&mut self, seq: u64) -> Result<()> {
        let mark = serde_json::to_vec(&Position { seq, nth: 0 }).expect("a position is JSON");
        self.view.overlay.insert(keys::applied_through().0, Some(mark));
        let contents = self.count()?;
        self.view.overlay.insert(keys::contents().0, Some(contents.to_bytes()));
        let staged = std::mem::take(&mut self.view.overlay);
        // the mark comes with the last of several batches: a change only puts or removes, so a half-applied group is
        // simply applied again
        let (mark, rest): (Overlay, Overlay) = staged.into_iter().partition(|(key, _)| key[0] == keys::letter::META);
        let mut rest = rest.into_iter().peekable();
        while rest.peek().is_some() {
            let mut batch = sled::Batch::default();
            rest.by_ref().take(BATCH_OPS).for_each(|change| add(&mut batch, change));
            if rest.peek().is_none() {
                mark.clone().into_iter().for_each(|change| add(&mut batch, change));
            }
            guarded("writing to the store", || self.view.tree.apply_batch(batch))?;
        }
        if !mark.is_empty() {
            let mut batch = sled::Batch::default();
            mark.into_iter().for_each(|change| add(&mut batch, change));
            guarded("writing to the store", || self.view.tree.apply_batch(batch))?;
        }
        (self.applied_through, self.contents) = (seq, contents);
        Ok(())
    }

    /// What the store will hold with everything staged.
    fn count(&self) -> Result<Contents> {
        let mut contents = self.contents;
        for (key, value) in self.view.overlay.iter().filter(|(key, _)| key[0] != keys::letter::META) {
            let before = guarded("reading the store", || self.view.tree.get(key))?;
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
        Reader(Arc::new(ArcSwap::from_pointee(self.view.tree.clone())))
    }

    /// Takes `fresh`'s place; `reader` reads it from now on.
    pub fn swap(&mut self, fresh: Store, reader: &Reader) {
        *self = fresh;
        reader.0.store(Arc::new(self.view.tree.clone()));
    }

    /// Bytes on disk, as sled counts them.
    pub fn size_bytes(&self) -> u64 {
        self.view.tree.size_on_disk().unwrap_or(0)
    }

    /// Writes back everything and makes the files durable.
    ///
    /// # Errors
    /// When that fails.
    pub fn close(self, dir: &Path) -> Result<()> {
        guarded("flushing the store", || self.view.tree.flush())?;
        drop(self);
        trust::sync_all(dir)
    }
}

impl Reader {
    /// What can be looked up now.
    pub fn view(&self) -> View {
        View {
            tree: (**self.0.load()).clone(),
            overlay: Overlay::new(),
        }
    }
}

impl View {
    fn stage(&mut self, op: Op) {
        let (key, value) = match op {
            Op::Put(item) => (item.key().0, Some(serde_json::to_vec(&item).expect("an item is JSON"))),
            Op::Mark(key, at) => (key.0, Some(serde_json::to_vec(&at).expect("a position is JSON"))),
            Op::Remove(key) => (key.0, None),
            Op::RemoveUnder(prefix) => return self.stage_removal(&prefix),
        };
        self.overlay.insert(key, value);
    }

    fn stage_removal(&mut self, prefix: &Key) {
        let under = (Bound::Included(prefix.0.clone()), end_of(&prefix.0));
        let stored: Vec<Vec<u8>> = self
            .tree
            .range::<Vec<u8>, _>(under.clone())
            .keys()
            .filter_map(|key| Some(key.ok()?.to_vec()))
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
        self.bytes(key)?.map(|bytes| item(&bytes)).transpose()
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
        let found = guarded("reading the store", || self.tree.get(&key.0))?;
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    /// The items whose keys begin with `prefix`, in order.
    pub fn scan(&self, prefix: &Key) -> Scan<'_> {
        self.scan_from(prefix, prefix)
    }

    /// The items whose keys begin with `prefix`, from `from` on.
    pub fn scan_from(&self, prefix: &Key, from: &Key) -> Scan<'_> {
        let bounds = (Bound::Included(from.0.clone()), end_of(&prefix.0));
        let stored = self.tree.range::<Vec<u8>, _>(bounds.clone());
        let staged = self.overlay.range(bounds);
        Scan {
            stored: Stored(stored).peekable(),
            staged: staged.peekable(),
        }
    }

    /// The items whose keys begin with `prefix`, the last first. Reads sled only: for lists, never for decisions.
    pub fn scan_back<'a>(&'a self, prefix: &Key, before: Option<&Key>) -> impl Iterator<Item = Result<Item>> + 'a {
        let end = before.map_or_else(|| end_of(&prefix.0), |key| Bound::Excluded(key.0.clone()));
        let mut stored = self.tree.range::<Vec<u8>, _>((Bound::Included(prefix.0.clone()), end));
        let back = move || guarded("reading the store", || stored.next_back().transpose()).transpose();
        std::iter::from_fn(back).map(|found| item(&found?.1))
    }

    /// Every item there is, in the order of keys.
    pub fn items(&self) -> impl Iterator<Item = Result<Item>> + '_ {
        let meta = Key::of(keys::letter::META).0;
        let stored = Stored(self.tree.iter()).peekable();
        let scan = Scan {
            stored,
            staged: self
                .overlay
                .range::<Vec<u8>, (Bound<Vec<u8>>, Bound<Vec<u8>>)>((Bound::Unbounded, Bound::Unbounded))
                .peekable(),
        };
        let is_item =
            move |found: &Result<(Vec<u8>, Vec<u8>)>| found.as_ref().map_or(true, |(key, _)| !key.starts_with(&meta));
        Steps(scan).filter(is_item).map(|found| item(&found?.1))
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

/// What sled holds, in order; where sled panics on damage, an error.
struct Stored(sled::Iter);

impl Iterator for Stored {
    type Item = Result<(sled::IVec, sled::IVec)>;

    fn next(&mut self) -> Option<Self::Item> {
        guarded("reading the store", || self.0.next().transpose()).transpose()
    }
}

/// A scan that looks through staged changes at what is stored.
pub struct Scan<'a> {
    stored: std::iter::Peekable<Stored>,
    staged: std::iter::Peekable<std::collections::btree_map::Range<'a, Vec<u8>, Option<Vec<u8>>>>,
}

impl<'a> Scan<'a> {
    /// With their keys.
    pub fn entries(self) -> impl Iterator<Item = Result<(Key, Item)>> + 'a {
        Entries(self)
    }

    /// The next key and value, staged before stored; a staged removal hides what is stored.
    fn step(&mut self) -> Option<Result<(Vec<u8>, Vec<u8>)>> {
        loop {
            let staged = self.staged.peek().map(|(key, _)| (*key).clone());
            let stored = match self.stored.peek() {
                Some(Ok((key, _))) => Some(key.to_vec()),
                Some(Err(_)) => {
                    let found = self.stored.next()?;
                    return Some(found.map(|(key, value)| (key.to_vec(), value.to_vec())));
                }
                None => None,
            };
            match (staged, stored) {
                (None, None) => return None,
                (Some(key), stored) if stored.as_ref().is_none_or(|other| key <= *other) => {
                    if stored.as_ref() == Some(&key) {
                        self.stored.next();
                    }
                    let (key, value) = self.staged.next()?;
                    if let Some(value) = value {
                        return Some(Ok((key.clone(), value.clone())));
                    }
                }
                _ => {
                    let (key, value) = self.stored.next()?.ok()?;
                    return Some(Ok((key.to_vec(), value.to_vec())));
                }
            }
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().map(|found| found.and_then(|(_, value)| item(&value)))
    }
}

struct Steps<'a>(Scan<'a>);

impl Iterator for Steps<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.step()
    }
}

struct Entries<'a>(Scan<'a>);

impl Iterator for Entries<'_> {
    type Item = Result<(Key, Item)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0
            .step()
            .map(|found| found.and_then(|(key, value)| Ok((Key(key), item(&value)?))))
    }
}

fn item(bytes: &[u8]) -> Result<Item> {
    serde_json::from_slice(bytes).context("something in the store cannot be read")
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
    guarded("opening the store", || config.open())
}

/// sled panics on some damages where it should return an error: both are errors here.
fn guarded<T>(doing: &str, work: impl FnOnce() -> sled::Result<T>) -> Result<T> {
    match std::panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(anyhow!(error).context(doing.to_owned())),
        Err(_) => bail!("{doing}: sled panicked; the store is damaged"),
    }
}

/// Where the store lives below the state directory.
pub fn directory(state: &Path) -> PathBuf {
    state.join("store")
}
