//! A new checkpoint out of the last one and the journal behind it, without a store: a stream is merged into a stream.
//!
//! What changes is held in memory, by key; when that has grown large it is merged into an intermediate file first. So a
//! fresh store is filled once, in the order of keys, and takes no more space than what it holds needs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};

use super::apply::{Op, ops};
use super::checkpoint::{self, Lines};
use super::keys::{self, Item, Key};
use super::rebuild::{self, Damage};
use crate::journal;
use crate::journal::Position;
use crate::record::Record;

/// How much of what changes is held in memory at most, bytes.
const HELD_BYTES: usize = 48 << 20;

/// What a change takes in memory beside its key and its value, bytes, roughly.
const OVERHEAD_BYTES: usize = 96;

/// What came of it.
pub struct Folded {
    /// The checkpoint, if there is anything to put into one.
    pub path: Option<PathBuf>,
    /// What of the journal could not be read and is not owned up to; there is no new checkpoint then.
    pub damaged: Vec<Damage>,
}

/// Writes a checkpoint that goes up to `through` (to the last record before it that is there), out of the newest one
/// that is whole and the journal.
///
/// # Errors
/// When something cannot be read or written, or `stop` was set.
pub fn fold(state: &Path, reader: &journal::Reader, through: u64, stop: &AtomicBool) -> Result<Folded> {
    folded(state, reader, through, stop, HELD_BYTES)
}

fn folded(state: &Path, reader: &journal::Reader, through: u64, stop: &AtomicBool, held: usize) -> Result<Folded> {
    let mut fold = Fold::on(checkpoint::newest(state)?, checkpoint::Unfinished::of(state)?);
    let (from, old) = (fold.through + 1, fold.base.clone());
    let damaged = rebuild::each_record(reader, from, through, stop, |seq, record| {
        fold.take(seq, record);
        match fold.bytes > held {
            true => fold.spill(stop),
            false => Ok(()),
        }
    })?;
    let is_new = fold.through >= from;
    let path = match damaged.is_empty() && is_new {
        true => Some(fold.write(state, stop)?),
        false => old,
    };
    Ok(Folded { path, damaged })
}

/// A checkpoint, and what is changed of it.
struct Fold {
    base: Option<PathBuf>,
    through: u64,
    decided: Option<Position>,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    gone: Gone,
    bytes: usize,
    unfinished: checkpoint::Unfinished,
}

impl Fold {
    fn on(base: Option<(PathBuf, checkpoint::Read)>, unfinished: checkpoint::Unfinished) -> Self {
        let read = base.as_ref().map(|(_, read)| *read);
        Self {
            base: base.map(|(path, _)| path),
            through: read.map_or(0, |read| read.through),
            decided: read.and_then(|read| read.decided),
            changes: BTreeMap::new(),
            gone: Gone::default(),
            bytes: 0,
            unfinished,
        }
    }

    fn take(&mut self, seq: u64, record: &Record) {
        for op in ops(seq, record) {
            self.change(op);
        }
        self.through = seq;
    }

    fn change(&mut self, op: Op) {
        match op {
            Op::Put(item) => self.set(item.key(), Some(line(&item))),
            Op::Remove(key) => self.set(key, None),
            Op::RemoveUnder(prefix) => self.remove_under(prefix),
            Op::Mark(key, at) if key == keys::decided_through() => self.decided = Some(at),
            // the store's own numbers are not in a checkpoint
            Op::Mark(..) => {}
        }
    }

    fn set(&mut self, key: Key, value: Option<Vec<u8>>) {
        self.bytes += OVERHEAD_BYTES + key.0.len() + value.as_ref().map_or(0, Vec::len);
        self.changes.insert(key.0, value);
    }

    fn remove_under(&mut self, prefix: Key) {
        let under = (Bound::Included(prefix.0.clone()), super::end_of(&prefix.0));
        let staged: Vec<Vec<u8>> = self.changes.range(under).map(|(key, _)| key.clone()).collect();
        for key in staged {
            self.changes.remove(&key);
        }
        self.bytes += OVERHEAD_BYTES + prefix.0.len();
        self.gone.add(prefix.0);
    }

    /// Makes what is changed a file to go on from.
    fn spill(&mut self, stop: &AtomicBool) -> Result<()> {
        let path = self.unfinished.next();
        checkpoint::write_to(&path, self.through, self.decided, |out| self.merge(out, stop))?;
        self.base = Some(path);
        self.changes.clear();
        self.gone = Gone::default();
        self.bytes = 0;
        Ok(())
    }

    fn write(&self, state: &Path, stop: &AtomicBool) -> Result<PathBuf> {
        checkpoint::put(state, self.through, self.decided, |out| self.merge(out, stop))
    }

    /// In the order of keys if the base is, and right in any order: a version that builds keys in another way may read
    /// what this one wrote.
    fn merge(&self, out: &mut Lines<'_>, stop: &AtomicBool) -> Result<()> {
        let mut put = self
            .changes
            .iter()
            .filter_map(|(key, value)| Some((key, value.as_ref()?)))
            .peekable();
        if let Some(base) = &self.base {
            checkpoint::each(base, |line, item: Item| {
                rebuild::not_stopped(stop)?;
                let key = item.key().0;
                while let Some((_, value)) = put.next_if(|(next, _)| **next <= key) {
                    out.push(value)?;
                }
                match self.changes.contains_key(&key) || self.gone.covers(&key) {
                    true => Ok(()),
                    false => out.push(line),
                }
            })
            .context("reading the checkpoint before")?;
        }
        put.try_for_each(|(_, value)| {
            rebuild::not_stopped(stop)?;
            out.push(value)
        })
    }
}

fn line(item: &Item) -> Vec<u8> {
    serde_json::to_vec(item).expect("an item is JSON")
}

/// Beginnings of keys; none is the beginning of another one.
#[derive(Default)]
struct Gone(BTreeSet<Vec<u8>>);

impl Gone {
    fn add(&mut self, prefix: Vec<u8>) {
        if self.covers(&prefix) {
            return;
        }
        let under = (Bound::Included(prefix.clone()), super::end_of(&prefix));
        let longer: Vec<Vec<u8>> = self.0.range(under).cloned().collect();
        for one in longer {
            self.0.remove(&one);
        }
        self.0.insert(prefix);
    }

    /// Whether a key begins like that. As none is the beginning of another, it is the last one that is not behind it.
    fn covers(&self, key: &[u8]) -> bool {
        let upto = (Bound::Unbounded, Bound::Included(key));
        let last = self.0.range::<[u8], _>(upto).next_back();
        last.is_some_and(|prefix| key.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Provider;
    use crate::incident::IncidentId;
    use crate::store::{Store, apply};

    fn position(nth: u64) -> Position {
        Position { seq: nth, nth: 0 }
    }

    fn incident(which: u8) -> IncidentId {
        IncidentId {
            provider: Provider::Azure,
            tracking_id: "ab1".repeat(usize::from(which)),
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, u64),
        Remove(u8, u64),
        RemoveUnder(Option<u8>),
        Decide(u64),
        Spill,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (0..4_u8, 0..6_u64).prop_map(|(of, at)| Step::Put(of, at)),
            3 => (0..4_u8, 0..6_u64).prop_map(|(of, at)| Step::Remove(of, at)),
            1 => proptest::option::of(0..4_u8).prop_map(Step::RemoveUnder),
            1 => (0..6_u64).prop_map(Step::Decide),
            1 => Just(Step::Spill),
        ];
        proptest::collection::vec(step, 0..60)
    }

    fn op(step: &Step) -> Option<Op> {
        let one = |of: u8, at: u64| Item::EventOf {
            incident: incident(of),
            at: position(at),
        };
        Some(match step {
            Step::Put(of, at) => apply::put_of(one(*of, *at)),
            Step::Remove(of, at) => Op::Remove(one(*of, *at).key()),
            Step::RemoveUnder(Some(of)) => Op::RemoveUnder(keys::events_of(&incident(*of))),
            Step::RemoveUnder(None) => Op::RemoveUnder(Key::of(keys::letter::EVENT_OF)),
            Step::Decide(at) => Op::Mark(keys::decided_through(), position(*at)),
            Step::Spill => return None,
        })
    }

    fn read(path: &Path) -> (Vec<Item>, checkpoint::Read) {
        let mut items = Vec::new();
        let read = checkpoint::each(path, |_, item| {
            items.push(item);
            Ok(())
        });
        (items, read.expect("is whole"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_folded_is_what_a_store_would_hold(steps in steps()) {
            let dir = tempfile::tempdir().expect("a folder");
            let stop = AtomicBool::new(false);
            let mut store = Store::open(&dir.path().join("store")).expect("opens");
            let mut fold = Fold::on(None, checkpoint::Unfinished::of(dir.path()).expect("a folder"));
            for step in &steps {
                match (op(step), op(step)) {
                    (Some(op), Some(same)) => {
                        fold.change(op);
                        store.put(same).expect("puts");
                    }
                    _ => {
                        fold.spill(&stop).expect("is written");
                        store.commit(0).expect("is written");
                    }
                }
            }
            fold.through = 7;
            let (items, said) = read(&fold.write(dir.path(), &stop).expect("is written"));
            let held: Vec<Item> = store.view().items().map(|item| item.expect("reads")).collect();
            prop_assert_eq!(items, held);
            let decided = store.view().mark(&keys::decided_through()).expect("reads");
            prop_assert_eq!((said.through, said.decided), (7, decided));
            drop(fold);
            prop_assert_eq!(std::fs::read_dir(dir.path().join("checkpoints")).expect("a folder").count(), 1);
        }
    }

    #[test]
    fn of_beginnings_the_shortest_counts() {
        let mut gone = Gone::default();
        for prefix in ["abc", "ab", "abd", "b"] {
            gone.add(prefix.into());
        }
        assert_eq!(gone.0.len(), 2);
        assert!(["ab", "abz", "b", "bz"].iter().all(|key| gone.covers(key.as_bytes())));
        assert!(["a", "ac", "c", ""].iter().all(|key| !gone.covers(key.as_bytes())));
    }
}
