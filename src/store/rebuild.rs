//! Opening the store beside its journal: believe it, or build it again from the last checkpoint and the tail.
//!
//! The same folding makes a fresh store and a checkpoint while the daemon runs ([`renew`]), which is how space is given
//! back: never by reading the running one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::journal;
use crate::record::Record;
use crate::store::apply::{self, Op};
use crate::store::trust::{self, Trust};
use crate::store::{Store, checkpoint, keys};

/// Records applied in one batch while catching up.
const BATCH_RECORDS: usize = 500;

/// Records that cannot be read: from, to, what was found.
pub type Damage = (u64, u64, String);

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
/// When the journal cannot be read, or no store can be built.
pub fn open(state: &Path, reader: &journal::Reader, last: u64, boot: Option<&str>) -> Result<Opened> {
    let trust = trust::judge(state, boot);
    let found = match trust {
        Trust::CleanStop | Trust::SameBoot => believed(&super::directory(state)).map_err(|error| format!("{error:#}")),
        Trust::Missing => Err(String::new()),
        Trust::PowerCut => Err("it was not closed in an orderly way in this boot of the machine".to_owned()),
    };
    trust::begin(state, boot)?;
    let (mut store, rebuilt) = match found {
        Ok(store) => (store, None),
        Err(why) => {
            set_aside(state)?;
            let store = from_checkpoint(state, &super::directory(state))?;
            (store, (trust != Trust::Missing).then_some(why))
        }
    };
    let ahead = (store.applied_through() > last).then(|| store.applied_through());
    match catch_up(&mut store, reader) {
        Ok(damaged) => Ok(Opened {
            store,
            trust,
            rebuilt,
            damaged,
            ahead,
        }),
        // a believed store that cannot be brought up to date is built again, once
        Err(error) if rebuilt.is_none() && trust != Trust::Missing => {
            drop(store);
            set_aside(state)?;
            let mut store = from_checkpoint(state, &super::directory(state))?;
            let damaged = catch_up(&mut store, reader)?;
            Ok(Opened {
                store,
                trust,
                rebuilt: Some(format!("{error:#}")),
                damaged,
                ahead: None,
            })
        }
        Err(error) => Err(error),
    }
}

/// A store that may be believed, if it holds what it should.
fn believed(dir: &Path) -> Result<Store> {
    let store = Store::open(dir)?;
    store.check()?;
    Ok(store)
}

/// Folds the last checkpoint and the closed segments into a fresh store in `dir`, and writes that as a checkpoint.
/// The fresh store is behind the running one: who swaps it in catches up first.
///
/// # Errors
/// When something cannot be read or written; the running store is not touched.
pub fn renew(state: &Path, dir: &Path, reader: &journal::Reader, closed_through: u64) -> Result<Store> {
    let _ = fs::remove_dir_all(dir);
    let mut store = from_checkpoint(state, dir)?;
    if let Some((from, to, why)) = fold(&mut store, reader, closed_through)?.pop() {
        bail!("records {from} to {to} of the journal are damaged ({why}); the store in use still knows what they said");
    }
    if store.applied_through() > 0 {
        checkpoint::write(state, store.view(), store.applied_through())?;
    }
    Ok(store)
}

/// Applies what the journal has beyond the store. Returns what is damaged and not owned up to by a `Lost` record.
///
/// # Errors
/// When the journal cannot be read or the store not written.
pub fn catch_up(store: &mut Store, reader: &journal::Reader) -> Result<Vec<Damage>> {
    fold(store, reader, u64::MAX)
}

fn fold(store: &mut Store, reader: &journal::Reader, through: u64) -> Result<Vec<Damage>> {
    let (mut staged, mut last) = (0, store.applied_through());
    let mut damaged: Vec<Damage> = Vec::new();
    for record in reader.tail(store.applied_through() + 1) {
        let (seq, bytes) = match record {
            Ok(record) => record,
            Err(journal::Error::Damaged { from, to, why }) => {
                damaged.push((from, to, why));
                continue;
            }
            Err(error) => return Err(error).context("reading the journal"),
        };
        if seq > through {
            break;
        }
        let record = Record::from_bytes(&bytes).with_context(|| format!("record {seq}"))?;
        if let Record::Lost { from, to, .. } = &record {
            owned_up(&mut damaged, *from, *to);
        }
        store.stage(seq, &record);
        (last, staged) = (seq, staged + 1);
        if staged >= BATCH_RECORDS {
            store.commit(last)?;
            staged = 0;
        }
    }
    if staged > 0 {
        store.commit(last)?;
    }
    Ok(damaged)
}

/// Takes out what a `Lost` record owns up to.
pub fn owned_up(damaged: &mut Vec<Damage>, from: u64, to: u64) {
    damaged.retain(|(first, end, _)| *first < from || *end > to);
}

/// A store filled from the newest checkpoint that is whole; empty if there is none.
fn from_checkpoint(state: &Path, dir: &Path) -> Result<Store> {
    let newest = checkpoint::list(state)?.into_iter().rev().find(|path| match checkpoint::verify(path) {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(checkpoint = %path.display(), error = format!("{error:#}"), "a checkpoint is damaged; an older one, or the whole journal, is read instead");
            false
        }
    });
    let mut store = Store::open(dir)?;
    if let Some(path) = newest {
        let read = checkpoint::each(&path, |item| store.put(apply::put_of(item)))?;
        if let Some(decided) = read.decided {
            store.put(Op::Mark(keys::decided_through(), decided))?;
        }
        store.commit(read.through)?;
    }
    Ok(store)
}

/// Keeps a store that is not believed for whoever wants to look at it; only the last one.
fn set_aside(state: &Path) -> Result<()> {
    let dir = super::directory(state);
    if !dir.exists() {
        return Ok(());
    }
    let aside = aside(state);
    let _ = fs::remove_dir_all(&aside);
    fs::rename(&dir, &aside).map_err(|error| anyhow!(error).context(format!("setting {} aside", dir.display())))
}

fn aside(state: &Path) -> PathBuf {
    state.join("store.set-aside")
}
