//! Housekeeping: the store is renewed by folding a fresh one, and what is past its retention is forgotten.

use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, ensure};

use super::{Cycle, Submission, Writer};
use crate::clock::Time;
use crate::evaluate::{Context, Old};
use crate::event::Position;
use crate::journal::Keep;
use crate::record::{Change, Deadline, Input, Of, Record, Why};
use crate::rule::Revision;
use crate::store::{Store, View, rebuild, trust};

/// How many deliveries one decision forgets.
const FORGOTTEN_MOST: usize = 1_000;

/// How many incidents one decision forgets.
const FORGOTTEN_INCIDENTS_MOST: usize = 20;

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
            self.noticed.push_back(Deadline::Retention);
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

    /// For retention: what is old enough to be forgotten, and whether to look again at once.
    pub(super) fn retention_context(&self) -> Result<Context> {
        let (now, keep, view) = (self.now(), &self.settings.keep, self.store.view());
        let before = |kept: Option<chrono::Duration>| kept.map(|kept| now - kept);
        let deliveries = match before(keep.deliveries) {
            Some(before) => view.old_deliveries(before, FORGOTTEN_MOST)?,
            None => Vec::new(),
        };
        let incidents = match keep.is_for_ever() {
            true => Vec::new(),
            false => view.old_incidents(before(keep.events), before(keep.reviews), FORGOTTEN_INCIDENTS_MOST)?,
        };
        let has_more = deliveries.len() == FORGOTTEN_MOST || incidents.len() == FORGOTTEN_INCIDENTS_MOST;
        Ok(Context::Retention(Old {
            deliveries,
            incidents,
            again: has_more.then_some(now),
        }))
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

/// Whether a record is still needed. An event goes when it is forgotten, and with it what was decided of it; a decision
/// about a forgotten delivery goes too. Where only some changes are not needed, they become empty, so that the
/// positions of the others stay.
fn retire(seq: u64, bytes: &[u8], view: &View) -> Result<Keep> {
    match Record::from_bytes(bytes)? {
        Record::Recorded { inputs, .. } => retire_inputs(seq, &inputs, view),
        Record::Decided { at, of, by, changes } => retire_changes(at, of, by, changes, view),
        Record::Started { .. } | Record::Lost { .. } | Record::Retired { .. } => Ok(Keep::Keep),
    }
}

fn retire_inputs(seq: u64, inputs: &[Input], view: &View) -> Result<Keep> {
    for (nth, input) in (0..).zip(inputs) {
        if !matches!(input, Input::Heard { .. }) || is_known(Position { seq, nth }, view)? {
            return Ok(Keep::Keep);
        }
    }
    Ok(Keep::Drop)
}

fn is_known(event: Position, view: &View) -> Result<bool> {
    Ok(view.event(event)?.is_some())
}

fn retire_changes(at: Time, of: Of, by: Revision, changes: Vec<Change>, view: &View) -> Result<Keep> {
    let (mut is_changed, mut kept) = (false, Vec::with_capacity(changes.len()));
    for change in changes {
        let is_old = is_forgotten(&of, &change, view)?;
        is_changed |= is_old;
        kept.push(if is_old {
            Change::Nothing { why: Why::Retired }
        } else {
            change
        });
    }
    let is_empty = kept
        .iter()
        .all(|change| matches!(change, Change::Nothing { why: Why::Retired }));
    Ok(match (is_changed, is_empty) {
        (false, _) => Keep::Keep,
        (true, true) => Keep::Drop,
        (true, false) => Keep::Replace(
            Record::Decided {
                at,
                of,
                by,
                changes: kept,
            }
            .to_bytes(),
        ),
    })
}

/// Whether a change is about a delivery or an incident that is forgotten, and about nothing else.
fn is_forgotten(of: &Of, change: &Change, view: &View) -> Result<bool> {
    if let Some(id) = delivery_of(change) {
        return Ok(view.delivery(id)?.is_none());
    }
    Ok(match (of, change) {
        (_, Change::Incident(incident)) => view.incident(&incident.id)?.is_none(),
        (_, Change::Entry(entry)) => view.incident(&entry.incident)?.is_none(),
        (_, Change::Affected(hearing)) => view.incident(&hearing.incident)?.is_none(),
        (_, Change::Judged(judged)) => view.incident(&judged.incident)?.is_none(),
        (_, Change::Notification(notification)) => view.incident(&notification.incident)?.is_none(),
        (_, Change::IncidentForgotten { incident, .. }) => view.incident(incident)?.is_none(),
        (
            _,
            Change::Wake {
                deadline: Deadline::Tell { series, .. },
                ..
            }
            | Change::Unwake {
                deadline: Deadline::Tell { series, .. },
                ..
            },
        ) => view.notification(series)?.is_none(),
        (Of::Kept { at }, Change::Nothing { .. }) => is_forgotten_event(*at, view)?,
        _ => false,
    })
}

/// Whether what was decided was an event, and it is forgotten; other inputs have no line either, so theirs stay.
fn is_forgotten_event(at: Position, view: &View) -> Result<bool> {
    Ok(!is_known(at, view)? && view.nothing(at)?.is_none())
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
