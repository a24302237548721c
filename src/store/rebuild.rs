//! Opening the store beside its journal: believe it, or build it again from the last checkpoint and the tail.
//!
//! The same folding makes a fresh store and a checkpoint while the daemon runs ([`renew`]), which is how space is given
//! back: never by reading the running one. A store that is being filled is pointed to, and vouched for, only when it is
//! whole: half of a checkpoint is nothing that a journal could be applied to.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail, ensure};

use crate::durable::remove_dir;
use crate::journal;
use crate::store::apply::{self, Op};
use crate::store::trust::{self, Trust};
use crate::store::walk::{Damage, each_record, not_stopped};
use crate::store::{Store, checkpoint, fold, former, is_no_space, keys, place};

/// Records applied in one batch while catching up, if they are small.
const BATCH_RECORDS: usize = 500;

/// How the store came to be what it is.
pub struct Opened {
    /// The store, up to the journal's end.
    pub store: Store,
    /// Why it was believed or not.
    pub trust: Trust,
    /// Whether it was built again, and why.
    pub rebuilt: Option<String>,
    /// Records that a rebuild found damaged and nobody owned up to yet: from, to, what was found.
    pub damaged: Vec<Damage>,
    /// A believed store (or checkpoint) that is ahead of the journal proves that the journal lost its end.
    pub ahead: Option<u64>,
}

/// Opens the store of `state`, or builds it again, and brings it up to the journal's end.
///
/// # Errors
/// When the journal cannot be read, no store can be built, or there is no space: then the store stays as believable as
/// it was.
pub fn open(state: &Path, reader: &journal::Reader, last: u64, boot: Option<&str>) -> Result<Opened> {
    if let Err(error) = place::sweep(state) {
        tracing::warn!(error = format!("{error:#}"), "an old store could not be removed");
    }
    former::bring_up(state).context("bringing the checkpoints up to this version")?;
    let trust = trust::judge(state, boot);
    if matches!(trust, Trust::CleanStop | Trust::SameBoot) {
        // no longer "closed in an orderly way" before sled touches it
        trust::begin(state, boot)?;
        match believed(state).and_then(|store| brought_up(store, trust, None, reader, last)) {
            Ok(opened) => return Ok(opened),
            Err(error) if is_no_space(&error) => return Err(error),
            Err(error) => {
                let why = format!("{error:#}");
                return brought_up(built_again(state, boot)?, trust, Some(why), reader, last);
            }
        }
    }
    let why = "it was not closed in an orderly way in this boot of the machine".to_owned();
    let rebuilt = (trust != Trust::Missing).then_some(why);
    brought_up(built_again(state, boot)?, trust, rebuilt, reader, last)
}

/// A store that may be believed, if it holds what it should.
fn believed(state: &Path) -> Result<Store> {
    let store = Store::open(&place::directory(state))?;
    store.check()?;
    // the checkpoint may be all that knows what the journal has lost
    let (through, checkpoint) = (store.applied_through(), checkpoint::newest_through(state)?);
    ensure!(
        through >= checkpoint,
        "the store goes up to record {through}, and there is a checkpoint up to record {checkpoint}"
    );
    Ok(store)
}

/// Puts away what is not believed, and only then begins with another one.
fn built_again(state: &Path, boot: Option<&str>) -> Result<Store> {
    trust::withdraw(state)?;
    place::set_aside(state)?;
    let dir = place::fresh(state)?;
    let store = from_checkpoint(state, &dir, &AtomicBool::new(false))?;
    store.flush()?;
    place::point(state, &dir)?;
    trust::begin(state, boot)?;
    Ok(store)
}

fn brought_up(
    mut store: Store,
    trust: Trust,
    rebuilt: Option<String>,
    reader: &journal::Reader,
    last: u64,
) -> Result<Opened> {
    let ahead = (store.applied_through() > last).then(|| store.applied_through());
    let damaged = catch_up(&mut store, reader, &AtomicBool::new(false))?;
    Ok(Opened {
        store,
        trust,
        rebuilt,
        damaged,
        ahead,
    })
}

/// Folds the last checkpoint and the closed segments into a fresh store, writes that as a checkpoint, and catches up
/// with the journal. Who swaps it in catches up once more.
///
/// # Errors
/// When something cannot be read or written, a part of the journal is damaged, or `stop` was set: nothing is left of the
/// fresh store, and the one in use is not touched.
pub fn renew(state: &Path, reader: &journal::Reader, closed_through: u64, stop: &AtomicBool) -> Result<Store> {
    let dir = place::fresh(state)?;
    let renewed = renewed(state, &dir, reader, closed_through, stop);
    if renewed.is_err()
        && let Err(error) = remove_dir(&dir)
    {
        tracing::warn!(%error, store = %dir.display(), "a store that is not used could not be removed");
    }
    renewed
}

fn renewed(
    state: &Path,
    dir: &Path,
    reader: &journal::Reader,
    closed_through: u64,
    stop: &AtomicBool,
) -> Result<Store> {
    let folded = fold::fold(state, reader, closed_through, stop)?;
    none_of(folded.damaged)?;
    let mut store = Store::open(dir)?;
    if let Some(path) = folded.path {
        fill(&mut store, &path, stop)?;
    }
    none_of(catch_up(&mut store, reader, stop)?)?;
    store.flush()?;
    Ok(store)
}

/// A fresh store must not know less than the one in use.
fn none_of(mut damaged: Vec<Damage>) -> Result<()> {
    match damaged.pop() {
        None => Ok(()),
        Some((from, to, why)) => {
            bail!(
                "records {from} to {to} of the journal are damaged ({why}); the store in use still knows what they said"
            )
        }
    }
}

/// A store of its own in `dir`, of the state of a stopped daemon: from its newest checkpoint and the journal. The store
/// that belongs to the state is neither trusted nor touched.
///
/// # Errors
/// When the journal cannot be read, or the store cannot be built.
pub fn aside(state: &Path, dir: &Path, reader: &journal::Reader) -> Result<Store> {
    former::bring_up(state).context("bringing the checkpoints up to this version")?;
    let stop = AtomicBool::new(false);
    let mut store = from_checkpoint(state, dir, &stop)?;
    catch_up(&mut store, reader, &stop)?;
    Ok(store)
}

/// Applies what the journal has beyond the store. Returns what is damaged and not owned up to by a `Lost` record.
///
/// # Errors
/// When the journal cannot be read or the store not written, or `stop` was set.
pub fn catch_up(store: &mut Store, reader: &journal::Reader, stop: &AtomicBool) -> Result<Vec<Damage>> {
    let (mut staged, mut last) = (0, store.applied_through());
    let damaged = each_record(reader, last + 1, u64::MAX, stop, |seq, record, pieces| {
        store.stage(seq, record, pieces)?;
        (staged, last) = (staged + 1, seq);
        if staged < BATCH_RECORDS && !store.is_batch_full() {
            return Ok(());
        }
        staged = 0;
        store.commit(seq)
    })?;
    if staged > 0 {
        store.commit(last)?;
    }
    Ok(damaged)
}

/// A store filled from the newest checkpoint that is whole; empty if there is none.
fn from_checkpoint(state: &Path, dir: &Path, stop: &AtomicBool) -> Result<Store> {
    let mut store = Store::open(dir)?;
    if let Some((path, _)) = checkpoint::newest(state)? {
        fill(&mut store, &path, stop)?;
    }
    Ok(store)
}

fn fill(store: &mut Store, checkpoint: &Path, stop: &AtomicBool) -> Result<()> {
    let read = checkpoint::each(checkpoint, |_, item| {
        not_stopped(stop)?;
        store.put(apply::put_of(item))
    })?;
    if let Some(decided) = read.decided {
        store.put(Op::Mark(keys::decided_through(), decided))?;
    }
    store.commit(read.through)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::journal::Position;
    use crate::journal::{Journal, Options};
    use crate::record::{BrokenFile, Record};
    use crate::store::item::Item;

    const BOOT: Option<&str> = Some("b");

    /// A state directory and its journal of this many records.
    struct Place {
        dir: tempfile::TempDir,
        journal: Journal,
    }

    impl Place {
        fn with(records: u64) -> Self {
            let dir = tempfile::tempdir().expect("a folder");
            let (mut journal, _) = Journal::open(&dir.path().join("journal"), Options::default()).expect("a journal");
            let record = Record::Started {
                at: "2026-11-24T09:00:00Z".parse().expect("a time"),
                version: "0.1.0".to_owned(),
                boot: None,
            };
            for _ in 0..records {
                journal.append(&[record.to_bytes()]).expect("writes");
                journal.sync().expect("syncs");
            }
            Self { dir, journal }
        }

        fn state(&self) -> &Path {
            self.dir.path()
        }

        fn open(&self) -> Result<Opened> {
            open(self.state(), &self.journal.reader(), self.journal.next() - 1, BOOT)
        }

        /// Opens it and closes it in an orderly way.
        fn stopped_cleanly(self) -> Self {
            let store = self.open().expect("opens").store;
            let dir = store.dir().to_owned();
            store.close(&dir).expect("closes");
            trust::vouch(self.state()).expect("vouched");
            self
        }

        /// A checkpoint up to a record, of a store that holds one broken rule file.
        fn checkpoint(&self, through: u64) {
            let dir = tempfile::tempdir().expect("a folder");
            let mut store = Store::open(dir.path()).expect("opens");
            store.put(apply::put_of(broken())).expect("puts");
            store.commit(through).expect("writes");
            checkpoint::write(self.state(), store.view(), through, &AtomicBool::new(false)).expect("writes");
        }

        fn stores(&self) -> Vec<String> {
            let entries = fs::read_dir(self.state().join("store")).expect("a folder");
            let mut names: Vec<String> = entries
                .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        }
    }

    fn broken() -> Item {
        Item::Broken(BrokenFile {
            path: "a".to_owned(),
            customer: crate::customer::CustomerId::new("contoso"),
            digest: String::new(),
            report: String::new(),
            folder: None,
        })
    }

    #[test]
    fn a_first_store_is_made_and_believed_in_the_same_boot() {
        let place = Place::with(3);
        let opened = place.open().expect("opens");
        assert_eq!((opened.trust, opened.rebuilt), (Trust::Missing, None));
        assert_eq!(opened.store.applied_through(), 3);
        drop(opened.store);
        assert_eq!(place.open().expect("opens").trust, Trust::SameBoot);
        assert_eq!(place.stores(), ["1", "current"]);
    }

    #[test]
    fn a_store_that_was_closed_and_cannot_be_opened_is_put_away_and_vouched_for_no_more() {
        let place = Place::with(3).stopped_cleanly();
        let file = place.state().join("store/1/db");
        fs::remove_file(&file)
            .and_then(|()| fs::create_dir(&file))
            .expect("is spoilt");
        let opened = place.open().expect("opens");
        assert!(opened.rebuilt.is_some());
        assert_eq!(opened.store.applied_through(), 3);
        assert_eq!(place.stores(), ["2", "current"]);
        assert!(place.state().join("store.set-aside/db").exists());
        drop(opened.store);
        assert_eq!(trust::judge(place.state(), BOOT), Trust::SameBoot);
        assert_eq!(trust::judge(place.state(), Some("another")), Trust::PowerCut);
    }

    #[test]
    fn a_store_is_not_called_cleanly_closed_once_it_was_opened() {
        let place = Place::with(3).stopped_cleanly();
        drop(place.open().expect("opens"));
        assert_eq!(trust::judge(place.state(), Some("another")), Trust::PowerCut);
    }

    #[test]
    fn after_a_power_cut_the_store_is_put_away_before_another_one_is_vouched_for() {
        let place = Place::with(3).stopped_cleanly();
        drop(place.open().expect("opens"));
        let opened = open(place.state(), &place.journal.reader(), 3, Some("another")).expect("opens");
        assert_eq!(opened.trust, Trust::PowerCut);
        assert!(opened.rebuilt.is_some() && place.state().join("store.set-aside").exists());
        assert_eq!(place.stores(), ["2", "current"]);
        assert_eq!(trust::judge(place.state(), Some("another")), Trust::SameBoot);
    }

    #[test]
    fn a_store_that_was_killed_while_it_was_filled_is_never_believed() {
        let place = Place::with(3).stopped_cleanly();
        place.checkpoint(2);
        // as `built_again` leaves it, killed before it points to what it fills
        trust::withdraw(place.state()).expect("withdrawn");
        place::set_aside(place.state()).expect("set aside");
        let mut half = Store::open(&place::fresh(place.state()).expect("a name")).expect("opens");
        let at = Position { seq: 1, nth: 0 };
        half.put(apply::put_of(Item::Inbox { at })).expect("puts");
        half.commit(0).expect("writes");
        drop(half);
        let opened = place.open().expect("opens");
        assert_eq!(opened.trust, Trust::Missing);
        assert_eq!(opened.store.applied_through(), 3);
        let items: Vec<Item> = opened.store.view().items().map(|item| item.expect("reads")).collect();
        assert_eq!(items, [broken()]);
    }

    #[test]
    fn a_store_that_knows_less_than_the_checkpoint_is_built_again() {
        let place = Place::with(3).stopped_cleanly();
        place.checkpoint(9);
        let opened = place.open().expect("opens");
        assert!(
            opened
                .rebuilt
                .is_some_and(|why| why.contains("checkpoint up to record 9"))
        );
        assert_eq!(opened.ahead, Some(9));
    }

    #[test]
    fn a_store_without_space_stays_as_believable_as_it_was() {
        let place = Place::with(3).stopped_cleanly();
        std::os::unix::fs::symlink("/dev/full", place.state().join("store.boot.tmp")).expect("a link");
        let error = place.open().err().expect("no space");
        assert!(is_no_space(&error), "{error:#}");
        assert_eq!(trust::judge(place.state(), None), Trust::CleanStop);
        let _ = fs::remove_file(place.state().join("store.boot.tmp"));
        let opened = place.open().expect("opens");
        assert_eq!((opened.trust, opened.rebuilt), (Trust::CleanStop, None));
    }

    #[test]
    fn a_renewal_that_is_stopped_or_fails_leaves_nothing_behind() {
        let place = Place::with(3);
        let opened = place.open().expect("opens");
        place.checkpoint(2);
        let reader = place.journal.reader();
        let stopped = renew(place.state(), &reader, 3, &AtomicBool::new(true));
        assert!(stopped.is_err_and(|error| format!("{error:#}").contains("stopping")));
        assert_eq!(place.stores(), ["1", "current"]);
        let fresh = renew(place.state(), &reader, 3, &AtomicBool::new(false)).expect("renews");
        assert_eq!((fresh.applied_through(), opened.store.applied_through()), (3, 3));
        assert_eq!(place.stores(), ["1", "2", "current"]);
        assert_eq!(place::directory(place.state()), opened.store.dir());
    }
}
