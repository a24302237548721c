//! Housekeeping: the store is renewed by folding a fresh one, and what is past its retention is forgotten.

use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, ensure};

use super::{Cycle, Submission, Writer};
use crate::evaluate::Context;
use crate::journal::Keep;
use crate::record::{Change, Deadline, Record, Why};
use crate::store::{Store, View, rebuild, trust};

/// How many deliveries one decision forgets.
const FORGOTTEN_MOST: usize = 1_000;

/// The store is renewed without waiting for the schedule when it takes more than this on disk…
const GROWN_BYTES: u64 = 256 << 20;

/// …and has grown to this multiple of what it took when it was last renewed.
const GROWN_TIMES: u64 = 3;

impl Writer {
    /// Looks whether housekeeping's time has come.
    pub(super) fn housekeep(&mut self) {
        let now = self.now();
        if self.next_housekeeping.is_some_and(|at| at <= now) {
            self.next_housekeeping = self.settings.housekeeping.next_after(now, chrono_tz::UTC);
            if self.settings.keep_deliveries.is_some() {
                self.noticed.push_back(Deadline::Retention);
            }
            self.is_renewal_next = true;
            self.begin_scrub();
        }
    }

    /// Renews the store early if it has grown out of proportion.
    pub(super) fn measure(&mut self) {
        let bytes = self.store.size_bytes();
        let figures = &self.shared.figures;
        figures
            .store_bytes
            .store(usize::try_from(bytes).unwrap_or(usize::MAX), Ordering::Relaxed);
        figures.journal_bytes.store(
            usize::try_from(self.journal.segments().bytes).unwrap_or(usize::MAX),
            Ordering::Relaxed,
        );
        let floor = self.fresh_bytes.saturating_mul(GROWN_TIMES).max(GROWN_BYTES);
        if bytes > floor {
            self.begin_renewal();
        }
    }

    /// For retention: ended deliveries old enough to be forgotten, and whether to look again at once.
    pub(super) fn retention_context(&self) -> Result<Context> {
        let Some(keep) = self.settings.keep_deliveries else {
            return Ok(Context::Retention {
                old: Vec::new(),
                again: None,
            });
        };
        let now = self.now();
        let old = self.store.view().retention_context(now - keep, FORGOTTEN_MOST)?;
        let again = (old.len() == FORGOTTEN_MOST).then_some(now);
        Ok(Context::Retention { old, again })
    }

    /// Starts folding a fresh store beside the running one.
    pub(super) fn begin_renewal(&mut self) {
        if self.renewing.is_some() {
            return;
        }
        let (state, reader, closed) = (
            self.settings.state.clone(),
            self.journal.reader(),
            self.journal.closed_through(),
        );
        let submit = self.submit.clone();
        let work = move || {
            let fresh = rebuild::renew(&state, &fresh_directory(&state), &reader, closed).and_then(|mut fresh| {
                let damaged = rebuild::catch_up(&mut fresh, &reader)?;
                ensure!(
                    damaged.is_empty(),
                    "a part of the journal is damaged; the store in use knows more than a fresh one would"
                );
                Ok(fresh)
            });
            let _ = submit.send(Submission::Renewed(fresh));
        };
        match std::thread::Builder::new().name("renewal".into()).spawn(work) {
            Ok(thread) => self.renewing = Some(thread),
            Err(error) => tracing::warn!(%error, "the store could not be renewed; it will be tried again"),
        }
    }

    /// Takes the fresh store into use: catches up with what was written meanwhile, then swaps. The journal is thinned
    /// out afterwards, by what the fresh store still knows.
    pub(super) fn swap_in(&mut self, fresh: Result<Store>) -> Result<()> {
        let swapped = self.swap(fresh);
        for reply in self.renewal_waits.drain(..) {
            let _ = reply.send(());
        }
        swapped
    }

    fn swap(&mut self, fresh: Result<Store>) -> Result<()> {
        if let Some(thread) = self.renewing.take() {
            let _ = thread.join();
        }
        let mut fresh = match fresh {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the store could not be renewed; it will be tried again"
                );
                return Ok(());
            }
        };
        if !rebuild::catch_up(&mut fresh, &self.journal.reader())?.is_empty() {
            tracing::warn!("a part of the journal is damaged; the store in use stays");
            return Ok(());
        }
        let state = self.settings.state.clone();
        let (dir, old) = (crate::store::directory(&state), state.join("store.old"));
        // while the names change there is no store to believe in: a crash in between rebuilds
        trust::withdraw(&state)?;
        let _ = std::fs::remove_dir_all(&old);
        std::fs::rename(&dir, &old).context("putting the old store away")?;
        std::fs::rename(fresh_directory(&state), &dir).context("putting the fresh store in its place")?;
        trust::begin(&state, trust::boot_id().as_deref())?;
        let reader = self.shared.reader.clone();
        self.store.swap(fresh, &reader);
        let _ = std::fs::remove_dir_all(&old);
        self.fresh_bytes = self.store.size_bytes();
        tracing::info!(bytes = self.fresh_bytes, "the store was renewed");
        self.thin_out()
    }

    /// Retires from the journal what the store has forgotten: decisions about deliveries whose retention is over.
    fn thin_out(&mut self) -> Result<()> {
        if self.settings.keep_deliveries.is_none() {
            return Ok(());
        }
        let view = self.store.view().clone();
        let (mut dropped, mut failed) = (0, None);
        let rewritten = self.journal.rewrite(|seq, bytes| match retire(seq, bytes, &view) {
            Ok(keep) => {
                dropped += u64::from(matches!(keep, Keep::Drop));
                keep
            }
            Err(error) => {
                failed.get_or_insert(error);
                Keep::Keep
            }
        });
        rewritten.context("thinning out the journal")?;
        if let Some(error) = failed {
            tracing::warn!(
                error = format!("{error:#}"),
                "a record could not be judged for retention; it was kept"
            );
        }
        if dropped > 0 {
            let mut cycle = Cycle {
                next_seq: self.journal.next(),
                ..Cycle::default()
            };
            let record = Record::Retired {
                at: self.now(),
                through: self.journal.closed_through(),
                dropped,
            };
            self.stage(&record, &mut cycle);
            self.write(cycle)?;
        }
        Ok(())
    }
}

/// Whether a record is still needed: a decision goes when all its changes are about forgotten deliveries; where only
/// some are, they become empty, so that the positions of the others stay.
fn retire(_seq: u64, bytes: &[u8], view: &View) -> Result<Keep> {
    let Ok(Record::Decided { at, of, by, changes }) = Record::from_bytes(bytes) else {
        return Ok(Keep::Keep);
    };
    let mut is_changed = false;
    let mut kept = Vec::with_capacity(changes.len());
    for change in changes {
        let is_old = match delivery_of(&change) {
            Some(id) => view.delivery(id)?.is_none(),
            None => false,
        };
        is_changed |= is_old;
        kept.push(if is_old {
            Change::Nothing { why: Why::Retired }
        } else {
            change
        });
    }
    if !is_changed {
        return Ok(Keep::Keep);
    }
    let is_empty = kept
        .iter()
        .all(|change| matches!(change, Change::Nothing { why: Why::Retired }));
    match is_empty {
        true => Ok(Keep::Drop),
        false => Ok(Keep::Replace(
            Record::Decided {
                at,
                of,
                by,
                changes: kept,
            }
            .to_bytes(),
        )),
    }
}

/// The delivery a change is about, and about nothing else.
fn delivery_of(change: &Change) -> Option<&str> {
    match change {
        Change::Delivery { delivery, .. } => Some(&delivery.id),
        Change::Attempted { place, .. }
        | Change::Ended { place, .. }
        | Change::Requeued { place, .. }
        | Change::Forgotten { place, .. } => Some(&place.delivery),
        Change::Carries { delivery, .. } => Some(delivery),
        _ => None,
    }
}

fn fresh_directory(state: &std::path::Path) -> std::path::PathBuf {
    state.join("store.fresh")
}
