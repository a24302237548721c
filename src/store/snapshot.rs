//! The store as it was at a moment, read while it goes on being written: for what takes long, off the writing thread.
//!
//! sled has no such thing, so what is about to be written over is kept, as long as the reader has not come past it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, ensure};

use super::contents::{self, Contents};
use super::{Stored, View, checkpoint, compact, guarded, keys};
use crate::journal::Position;

/// How much of what is written over is kept at most, bytes; then the moment is lost, and another one must be taken.
const KEPT_BYTES_MOST: usize = 64 << 20;

/// The store as it was at a moment.
pub struct Snapshot {
    view: View,
    contents: Contents,
    through: u64,
    decided: Option<Position>,
    before: Arc<Before>,
}

/// So much was written meanwhile that it is not known any more what the store was: another snapshot must be taken.
#[derive(Debug, thiserror::Error)]
#[error("more was written meanwhile than is kept of what stood there before")]
pub struct Overrun;

/// What stood under keys that were written since, and that the reader has not come to yet.
#[derive(Default)]
pub struct Before(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    values: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
    /// How far the reader has come.
    read: Option<Vec<u8>>,
    is_too_much: bool,
}

impl Before {
    /// Keeps what stands under keys that are about to be written.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn keep<'k>(&self, view: &View, about_to_change: impl Iterator<Item = &'k Vec<u8>>) -> Result<()> {
        let mut kept = self.lock();
        for key in about_to_change.filter(|key| key.first() != Some(&keys::letter::META)) {
            let is_read = kept.read.as_ref().is_some_and(|read| key <= read);
            if kept.is_too_much || is_read || kept.values.contains_key(key) {
                continue;
            }
            let value = guarded("reading the store", || view.tree()?.get(key))?;
            let value = value.map(|bytes| bytes.to_vec());
            kept.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            kept.values.insert(key.clone(), value);
            if kept.bytes > KEPT_BYTES_MOST {
                kept.is_too_much = true;
                kept.values.clear();
            }
        }
        Ok(())
    }

    /// The reader comes to a key: what stood there, if it was written since (`Some(None)`: nothing did).
    fn come_to(&self, key: &[u8]) -> Result<Option<Option<Vec<u8>>>> {
        let mut kept = self.lock();
        ensure!(!kept.is_too_much, Overrun);
        kept.read = Some(key.to_vec());
        Ok(kept.values.remove(key))
    }

    /// The reader has come to the end: what stood under keys that it did not meet, because they are gone.
    fn rest(&self) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>> {
        let mut kept = self.lock();
        ensure!(!kept.is_too_much, Overrun);
        kept.read = Some(vec![u8::MAX; 2]);
        Ok(std::mem::take(&mut kept.values))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// Of a store with nothing staged, with what its last batch said of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn of(view: View, contents: Contents, through: u64, before: Arc<Before>) -> Result<Self> {
        Ok(Self {
            decided: view.mark(&keys::decided_through())?,
            view,
            contents,
            through,
            before,
        })
    }

    /// Writes a checkpoint of it, unless it does not hold what it should.
    ///
    /// # Errors
    /// When something is missing, changed or unreadable, when the checkpoint cannot be written, or `stop` was set.
    pub fn write_checkpoint(&self, state: &Path, stop: &AtomicBool) -> Result<PathBuf> {
        checkpoint::put(state, self.through, self.decided, |out| {
            let mut found = Contents::default();
            self.each(stop, |key, value| {
                found.add(contents::digest(key, value));
                match key.first().is_some_and(|letter| keys::letter::holds(*letter)) {
                    true => out.push(&serde_json::to_vec(&compact::read(value)?)?),
                    false => Ok(()),
                }
            })?;
            ensure!(
                found == self.contents,
                "the store is damaged: it holds {found}, and should hold {}",
                self.contents
            );
            Ok(())
        })
    }

    /// Goes through every key and what stood under it, each once, in the order of keys but for those that are gone.
    fn each(&self, stop: &AtomicBool, mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        for entry in Stored::range(self.view.tree(), (Bound::Unbounded, Bound::Unbounded)) {
            ensure!(!stop.load(Ordering::Relaxed), "the daemon is stopping");
            let (key, value) = entry?;
            if key.first() == Some(&keys::letter::META) {
                continue;
            }
            match self.before.come_to(&key)? {
                None => visit(&key, &value)?,
                Some(Some(value)) => visit(&key, &value)?,
                Some(None) => {}
            }
        }
        for (key, value) in self.before.rest().context("reading what is gone")? {
            value.map_or(Ok(()), |value| visit(&key, &value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::CustomerId;
    use crate::record::BrokenFile;
    use crate::store::Store;
    use crate::store::apply::{Op, put_of};
    use crate::store::item::Item;

    fn file(path: usize, report: &str) -> Item {
        Item::Broken(BrokenFile {
            path: format!("{path:04}"),
            customer: CustomerId::new("contoso"),
            digest: String::new(),
            report: report.to_owned(),
            folder: None,
        })
    }

    fn store(dir: &Path, paths: std::ops::Range<usize>) -> Store {
        let mut store = Store::open(&dir.join("store")).expect("opens");
        paths.for_each(|path| store.put(put_of(file(path, "before"))).expect("puts"));
        store.commit(7).expect("writes");
        store
    }

    fn now() -> AtomicBool {
        AtomicBool::new(false)
    }

    fn reports(path: &Path) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let read = checkpoint::each(path, |_, item: Item| {
            if let Item::Broken(file) = item {
                all.push((file.path, file.report));
            }
            Ok(())
        });
        read.expect("reads");
        all.sort();
        all
    }

    fn change(store: &mut Store, path: usize) {
        store.put(put_of(file(path, "after"))).expect("puts");
        store
            .put(Op::Remove(keys::broken(&format!("{:04}", path + 1))))
            .expect("puts");
        store.put(put_of(file(9_000 + path, "new"))).expect("puts");
        store.commit(8).expect("writes");
    }

    #[test]
    fn it_is_what_the_store_was_whatever_is_written_before_it_is_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut store = store(dir.path(), 0..50);
        let snapshot = store.snapshot().expect("reads");
        (0..50).step_by(5).for_each(|path| change(&mut store, path));
        let path = snapshot.write_checkpoint(dir.path(), &now()).expect("is whole");
        let expected: Vec<_> = (0..50)
            .map(|path| (format!("{path:04}"), "before".to_owned()))
            .collect();
        assert_eq!(reports(&path), expected);
        store.check().expect("goes on being whole");
    }

    #[test]
    fn it_is_what_the_store_was_whatever_is_written_while_it_is_read() {
        for meanwhile in [0, 1, 24, 49] {
            let dir = tempfile::tempdir().expect("a folder");
            let mut store = store(dir.path(), 0..50);
            let snapshot = store.snapshot().expect("reads");
            let (mut seen, mut nth) = (Vec::new(), 0);
            let each = snapshot.each(&now(), |key, value| {
                if nth == meanwhile {
                    // behind the reader, before it, and where it is
                    (0..50).step_by(5).for_each(|path| change(&mut store, path));
                }
                nth += 1;
                let Item::Broken(file) = compact::read(value)? else {
                    panic!("{key:?}")
                };
                seen.push((file.path, file.report));
                Ok(())
            });
            each.expect("reads");
            seen.sort();
            let expected: Vec<_> = (0..50)
                .map(|path| (format!("{path:04}"), "before".to_owned()))
                .collect();
            assert_eq!(seen, expected, "written at {meanwhile}");
        }
    }

    #[test]
    fn a_store_that_lost_something_is_not_written_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut store = store(dir.path(), 0..50);
        let snapshot = store.snapshot().expect("reads");
        change(&mut store, 10);
        let lost = file(33, "before");
        store
            .view()
            .tree()
            .expect("open")
            .remove(&lost.key().0)
            .expect("is lost");
        let error = snapshot.write_checkpoint(dir.path(), &now()).expect_err("is damaged");
        assert!(format!("{error:#}").contains("the store is damaged"), "{error:#}");
        assert!(
            checkpoint::newest(dir.path()).expect("reads").is_none(),
            "nothing is left of it"
        );
    }

    #[test]
    fn what_nobody_reads_any_more_is_not_kept_and_what_is_too_much_is_said() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut store = store(dir.path(), 0..50);
        let snapshot = store.snapshot().expect("reads");
        let before = snapshot.before.clone();
        change(&mut store, 0);
        assert!(!before.lock().values.is_empty());
        before.lock().is_too_much = true;
        let error = snapshot.write_checkpoint(dir.path(), &now()).expect_err("too much");
        assert!(error.chain().any(|cause| cause.is::<Overrun>()), "{error:#}");
        assert!(!crate::store::is_damage(&error), "that is no damage");
        drop((snapshot, before));
        change(&mut store, 20);
        assert!(store.snapshot.upgrade().is_none());
    }

    #[test]
    fn who_is_told_to_stop_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut store = store(dir.path(), 0..50);
        let snapshot = store.snapshot().expect("reads");
        snapshot
            .write_checkpoint(dir.path(), &AtomicBool::new(true))
            .expect_err("stops");
        assert!(checkpoint::newest(dir.path()).expect("reads").is_none());
    }
}
