//! A new checkpoint out of the last one and the journal behind it, without a store: a stream is merged into a stream.
//!
//! What changes is held in memory, by key; when that has grown large it is merged into an intermediate file first. So a
//! fresh store is filled once, in the order of keys, and takes no more space than what it holds needs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};

use super::apply::{Op, ops};
use super::checkpoint::{self, Lines};
use super::item::{DeliveryItem, Item, Patch};
use super::keys::{self, Key};
use super::walk::{self, Damage};
use crate::incident::IncidentId;
use crate::journal;
use crate::journal::Position;
use crate::record::{Piece, Record};

/// How much of what changes is held in memory at most, bytes.
const HELD_BYTES: usize = 48 << 20;

/// What a change takes in memory beside its key and its value, bytes, roughly.
const OVERHEAD_BYTES: usize = 96;

/// What a change of a delivery takes in memory, bytes, roughly.
const PATCH_BYTES: usize = 300;

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
    let damaged = walk::each_record(reader, from, through, stop, |seq, record, pieces| {
        fold.take(seq, record, pieces);
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
    changes: BTreeMap<Vec<u8>, Option<Item>>,
    /// Changes of deliveries that are in the base, by their keys, each with its number.
    patches: BTreeMap<Vec<u8>, Vec<(u64, Patch)>>,
    /// How many changes there were.
    taken: u64,
    gone: Gone,
    /// Incidents whose deliveries in the base are gone, each with the number of the change that says so.
    forgotten: HashMap<IncidentId, u64>,
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
            patches: BTreeMap::new(),
            gone: Gone::default(),
            taken: 0,
            forgotten: HashMap::new(),
            bytes: 0,
            unfinished,
        }
    }

    fn take(&mut self, seq: u64, record: &Record, pieces: &[Piece]) {
        for op in ops(seq, record, pieces) {
            self.change(op);
        }
        self.through = seq;
    }

    fn change(&mut self, op: Op) {
        self.taken += 1;
        match op {
            Op::Put(item) => self.set(item.key(), Some(*item)),
            Op::Patch(id, patch) => self.patch(keys::delivery(&id), *patch),
            Op::Remove(key) => self.set(key, None),
            Op::RemoveUnder(prefix) => self.remove_under(prefix),
            Op::RemoveDeliveries(incident) => self.remove_deliveries(incident),
            Op::Mark(key, at) if key == keys::decided_through() => self.decided = Some(at),
            // the store's own numbers are not in a checkpoint
            Op::Mark(..) => {}
        }
    }

    fn set(&mut self, key: Key, item: Option<Item>) {
        self.bytes += OVERHEAD_BYTES + key.0.len() + item.as_ref().map_or(0, |item| line(item).len());
        self.patches.remove(&key.0);
        self.changes.insert(key.0, item);
    }

    /// Changes a delivery that is held here, or notes what changes of one that is in the base.
    fn patch(&mut self, key: Key, patch: Patch) {
        let known = match self.changes.get(&key.0) {
            Some(Some(Item::Delivery(known))) => Some((**known).clone()),
            Some(_) => None,
            None => {
                self.bytes += OVERHEAD_BYTES + key.0.len() + PATCH_BYTES;
                self.patches.entry(key.0).or_default().push((self.taken, patch));
                return;
            }
        };
        let (patched, before) = patch.apply(known);
        self.set(key, patched.map(|patched| Item::Delivery(Box::new(patched))));
        if let Some(attempt) = before.map(Item::Attempt) {
            self.set(attempt.key(), Some(attempt));
        }
    }

    fn remove_deliveries(&mut self, incident: IncidentId) {
        let is_of =
            |item: &Option<Item>| matches!(item, Some(Item::Delivery(one)) if one.delivery.incident == incident);
        self.changes.retain(|_, item| !is_of(item));
        let closes = |(_, patch): &(u64, Patch)| matches!(patch, Patch::Closed(one) if one.incident == incident);
        self.patches.retain(|_, patches| !patches.iter().any(closes));
        self.bytes += OVERHEAD_BYTES + incident.tracking_id.len();
        self.forgotten.insert(incident, self.taken);
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
        self.patches.clear();
        self.gone = Gone::default();
        self.forgotten.clear();
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
            .filter_map(|(key, item)| Some((key, item.as_ref()?)))
            .peekable();
        let mut patches: BTreeMap<&Vec<u8>, &Vec<(u64, Patch)>> = self.patches.iter().collect();
        if let Some(base) = &self.base {
            checkpoint::each(base, |bytes, item: Item| {
                walk::not_stopped(stop)?;
                let key = item.key().0;
                while let Some((_, item)) = put.next_if(|(next, _)| **next <= key) {
                    out.push(&line(item))?;
                }
                let patches = patches.remove(&key);
                if self.changes.contains_key(&key) || self.gone.covers(&key) {
                    return Ok(());
                }
                match (patches, item) {
                    (patches, Item::Delivery(known)) if self.forgotten.contains_key(&known.delivery.incident) => {
                        let gone = self.forgotten[&known.delivery.incident];
                        let later = patches.into_iter().flatten().filter(|(nth, _)| *nth > gone);
                        self.push_patched(None, later, out)
                    }
                    (Some(patches), Item::Delivery(known)) => self.push_patched(Some(*known), patches, out),
                    _ => out.push(bytes),
                }
            })
            .context("reading the checkpoint before")?;
        }
        put.try_for_each(|(_, item)| {
            walk::not_stopped(stop)?;
            out.push(&line(item))
        })?;
        patches
            .into_values()
            .try_for_each(|patches| self.push_patched(None, patches, out))
    }

    /// A delivery of the base as it is after all its changes, and the attempts that they put behind its last one.
    fn push_patched<'p>(
        &self,
        mut known: Option<DeliveryItem>,
        patches: impl IntoIterator<Item = &'p (u64, Patch)>,
        out: &mut Lines<'_>,
    ) -> Result<()> {
        for (_, patch) in patches {
            let (patched, before) = patch.apply(known);
            known = patched;
            let before = before.map(Item::Attempt);
            if let Some(attempt) = before.filter(|attempt| !self.gone.covers(&attempt.key().0)) {
                out.push(&line(&attempt))?;
            }
        }
        let known = known.map(|known| Item::Delivery(Box::new(known)));
        known.map_or(Ok(()), |known| out.push(&line(&known)))
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
    use crate::channel::Outcome;
    use crate::customer::CustomerId;
    use crate::delivery::{Attempt, End};
    use crate::event::{Kind, Provider};
    use crate::message::Carried;
    use crate::notification::{Channel, EndpointId, Form, Notification, SeriesId};
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
        Plan(u8, u8),
        Make(u8, u8),
        Patch(u8, Patch),
        RemoveDeliveries(u8),
        Spill,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (0..4_u8, 0..6_u64).prop_map(|(of, at)| Step::Put(of, at)),
            3 => (0..4_u8, 0..6_u64).prop_map(|(of, at)| Step::Remove(of, at)),
            1 => proptest::option::of(0..4_u8).prop_map(Step::RemoveUnder),
            1 => (0..6_u64).prop_map(Step::Decide),
            3 => (0..4_u8, 0..3_u8).prop_map(|(which, minute)| Step::Plan(which, minute)),
            3 => (0..4_u8, 0..3_u8).prop_map(|(which, minute)| Step::Make(which, minute)),
            9 => (0..4_u8, patches()).prop_map(|(which, patch)| Step::Patch(which, patch)),
            1 => (0..2_u8).prop_map(Step::RemoveDeliveries),
            2 => Just(Step::Spill),
        ];
        proptest::collection::vec(step, 0..60)
    }

    fn time(minute: u8) -> crate::clock::Time {
        crate::clock::Time::UNIX_EPOCH + chrono::Duration::minutes(i64::from(minute))
    }

    fn patches() -> impl Strategy<Value = Patch> {
        prop_oneof![
            (0..4_u8).prop_map(|which| Patch::Closed(Box::new(notification(which, 0)))),
            (1..4_u32).prop_map(|number| Patch::Attempted {
                attempt: attempt(number),
                at: time(5),
                expires: time(9)
            }),
            (1..4_u32).prop_map(|number| Patch::Ended {
                attempts: number,
                attempt: Some(attempt(number)),
                end: End::Delivered,
                at: time(6)
            }),
            Just(Patch::Requeued {
                attempts: 2,
                at: time(7),
                expires: time(9)
            }),
            Just(Patch::Carries(vec![Carried {
                title: "carried".to_owned(),
                published: time(1)
            }])),
            Just(Patch::Forgotten),
        ]
    }

    fn attempt(number: u32) -> Attempt {
        Attempt {
            delivery: notification(0, 0).series.delivery(0),
            number,
            started: time(1),
            ended: time(2),
            outcome: Outcome::Delivered,
            digest: String::new(),
        }
    }

    /// One of four; two about each of two incidents.
    fn notification(which: u8, minute: u8) -> Notification {
        let endpoint = EndpointId(format!("endpoint {which}"));
        let customer = CustomerId::new("contoso");
        Notification {
            series: SeriesId::of(&customer, "a text", &endpoint, Form::Message),
            part: 0,
            open: true,
            due: time(minute),
            customer,
            incident: incident(which % 2),
            communication: "a text".to_owned(),
            event: position(1),
            form: Form::Message,
            endpoint,
            receiver: "all".to_owned(),
            channel: Channel::Webhook,
            tracking_id: "AB1".to_owned(),
            published: time(0),
            title: "A title".to_owned(),
            kind: Kind::Update,
        }
    }

    fn id(which: u8) -> String {
        notification(which, 0).series.delivery(0)
    }

    /// Of a patch of another delivery's, the same of this one's.
    fn patch(which: u8, patch: &Patch) -> Op {
        let mut patch = patch.clone();
        match &mut patch {
            Patch::Closed(closed) => **closed = notification(which, 0),
            Patch::Attempted { attempt, .. }
            | Patch::Ended {
                attempt: Some(attempt), ..
            } => attempt.delivery = id(which),
            _ => {}
        }
        apply::patch_of(&id(which), patch)
    }

    fn ops_of(step: &Step) -> Option<Vec<Op>> {
        let one = |of: u8, at: u64| Item::Follows {
            incident: incident(of),
            customer: CustomerId::new("contoso"),
            rule: at.to_string(),
        };
        let delivery = |item| apply::put_of(Item::Delivery(Box::new(item)));
        Some(vec![match step {
            Step::Put(of, at) => apply::put_of(one(*of, *at)),
            Step::Remove(of, at) => Op::Remove(one(*of, *at).key()),
            Step::RemoveUnder(Some(of)) => Op::RemoveUnder(keys::follows(&incident(*of))),
            Step::RemoveUnder(None) => Op::RemoveUnder(Key::of(keys::letter::FOLLOWS)),
            Step::Decide(at) => Op::Mark(keys::decided_through(), position(*at)),
            Step::Plan(which, minute) => {
                let planned = delivery(DeliveryItem::planned(&notification(*which, *minute)));
                return Some(vec![planned, Op::RemoveUnder(keys::attempts(&id(*which)))]);
            }
            // made again, it was never tried: that happens only where a part of the journal is lost
            Step::Make(which, minute) => {
                let planned = DeliveryItem::planned(&notification(*which, *minute));
                let made = delivery(DeliveryItem::scheduled(planned.delivery, position(3), time(9)));
                return Some(vec![made, Op::RemoveUnder(keys::attempts(&id(*which)))]);
            }
            Step::Patch(which, Patch::Forgotten) => {
                let attempts = Op::RemoveUnder(keys::attempts(&id(*which)));
                return Some(vec![patch(*which, &Patch::Forgotten), attempts]);
            }
            Step::Patch(which, one) => patch(*which, one),
            // an incident goes when its deliveries are forgotten
            Step::RemoveDeliveries(of) => {
                let forgotten = [*of, of + 2].map(|which| Step::Patch(which, Patch::Forgotten));
                let mut ops: Vec<Op> = forgotten.iter().filter_map(ops_of).flatten().collect();
                ops.push(Op::RemoveDeliveries(incident(*of)));
                return Some(ops);
            }
            Step::Spill => return None,
        }])
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
        #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_folded_is_what_a_store_would_hold(steps in steps()) {
            let dir = tempfile::tempdir().expect("a folder");
            let stop = AtomicBool::new(false);
            let mut store = Store::open(&dir.path().join("store")).expect("opens");
            let mut fold = Fold::on(None, checkpoint::Unfinished::of(dir.path()).expect("a folder"));
            for step in &steps {
                match (ops_of(step), ops_of(step)) {
                    (Some(ops), Some(same)) => {
                        ops.into_iter().for_each(|op| fold.change(op));
                        same.into_iter().for_each(|op| store.put(op).expect("puts"));
                    }
                    _ => {
                        fold.spill(&stop).expect("is written");
                        store.commit(0).expect("is written");
                    }
                }
            }
            fold.through = 7;
            store.commit(7).expect("is written");
            store.check().expect("holds what it says");
            let (mut items, said) = read(&fold.write(dir.path(), &stop).expect("is written"));
            items.sort_by_key(Item::key);
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
