//! Housekeeping: what is past its retention is forgotten, the store is renewed by folding a fresh one, and a disk that
//! fills up is met before it is full.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::decide::Subject;
use super::thin::Thinning;
use super::{Cycle, Submission, Writer, scrub, space};
use crate::clock::Time;
use crate::evaluate::{Case, Old};
use crate::event::Kind;
use crate::incident::IncidentId;
use crate::record::{Change, Deadline, Input, Of, Record, Why};
use crate::store::{Former, Store, place, rebuild, trust};

/// How many deliveries one decision forgets.
const FORGOTTEN_MOST: usize = 1_000;

/// How many incidents one decision forgets.
const FORGOTTEN_INCIDENTS_MOST: usize = 20;

/// The store is renewed without waiting for the schedule when it takes more than this on disk…
const GROWN_BYTES: u64 = 256 << 20;

/// …and has grown to this multiple of what it took when it was last renewed.
const GROWN_TIMES: u64 = 3;

/// The same when so many bytes of rule files' texts were recorded since, and some of them are given back: a folder that
/// is rewritten all the time would fill the journal before the schedule's next time.
const RULE_TEXTS_BYTES: u64 = 64 << 20;

/// After a renewal that failed, growth alone starts no other one for so long.
const RENEW_AGAIN_AFTER: Duration = Duration::from_secs(3_600);

/// How old the newest record of a running daemon is at most: a start knows from it whether the clock is behind.
const NOTED_EVERY: chrono::Duration = chrono::Duration::hours(1);

/// How often it is looked whether the journal's files are still there. What is accepted in between may be lost.
const LOOK_AT_FILES_EVERY: Duration = Duration::from_secs(5);

/// How often the space that is left is looked at.
const LOOK_AT_SPACE_EVERY: Duration = Duration::from_secs(1);

/// What the ledger's thread remembers of its upkeep.
pub(super) struct Upkeep {
    /// Thinning out the journal.
    pub thinning: Thinning,
    /// What the journal was found to be.
    pub scrub: scrub::Found,
    /// Where retention goes on among the incidents. Only a hint: it begins again at the start with each housekeeping.
    retention_after: Cell<Option<IncidentId>>,
    /// The store before the last renewal, until its files are gone.
    former: Option<Former>,
    /// When a renewal last failed.
    renewal_failed: Option<Instant>,
    /// Whether space was short when it was last looked at.
    space: Option<(Instant, bool)>,
    /// When the journal's files were last looked at.
    looked_at_files: Instant,
    /// The last record that this cycle staged for upkeep.
    staged: Option<u64>,
    /// A jump forward of the machine's clock that is not on record yet.
    jumped: Option<chrono::Duration>,
    /// When something was last written down.
    pub noted: Time,
    /// The last record that decided something by the rules: an event, or what somebody asked for. After a start: whatever
    /// there is.
    pub decided_by_rules: u64,
    /// The ids of reports of our own that are told once, and were raised since the start: also those that still wait to
    /// be decided. There are few: words have a limit, and faults of the relay are nine.
    pub raised: HashSet<String>,
    /// Bytes of rule files' texts that were recorded since the last renewal.
    pub rule_texts_bytes: u64,
}

impl Upkeep {
    /// After a start, with the journal's last number.
    pub fn new(last: u64, now: Time) -> Self {
        Self {
            jumped: None,
            noted: now,
            decided_by_rules: last,
            raised: HashSet::new(),
            rule_texts_bytes: 0,
            thinning: Thinning::new(last),
            scrub: scrub::Found::default(),
            retention_after: Cell::new(None),
            former: None,
            renewal_failed: None,
            space: None,
            looked_at_files: Instant::now(),
            staged: None,
        }
    }

    /// Notes a report that is told once.
    pub fn note_raised(&mut self, input: &Input) {
        if let Input::Heard { event } = input
            && matches!(event.kind, Kind::NotUnderstood | Kind::MailRefused)
        {
            tracing::warn!(about = event.title, "the operator is told");
            self.raised.insert(event.tracking_id.clone());
        }
    }

    /// Notes what was decided by the rules: former versions of these are not needed only if nothing was.
    pub fn note_decided(&mut self, seq: u64, record: &Record) {
        if is_by_rules(record) {
            self.decided_by_rules = seq;
        }
    }
}

/// Whether a record is a decision by the rules.
pub(super) fn is_by_rules(record: &Record) -> bool {
    let Record::Decided { of, changes, .. } = record else {
        return false;
    };
    let is_of_rules = |change: &Change| {
        matches!(change, Change::InForce { .. } | Change::Broken { .. })
            || matches!(change, Change::Nothing { why } if matches!(why, Why::PartOfAChange | Why::RulesUnchanged))
    };
    matches!(of, Of::Kept { .. }) && !changes.iter().any(is_of_rules)
}

impl Writer {
    /// Looks whether housekeeping's time has come.
    pub(super) fn housekeep(&mut self) {
        let now = self.now();
        if self.next_housekeeping.is_some_and(|at| at <= now) {
            self.next_housekeeping = self.settings.housekeeping.next_after(now, chrono_tz::UTC);
            self.noticed.push_back(Deadline::Retention);
            self.upkeep.retention_after.set(None);
            self.background.is_renewal_next = true;
            self.begin_scrub();
            self.make_ballast();
        }
    }

    /// Looks now and then whether the journal's files are still there: nothing else would notice that they are not.
    ///
    /// # Errors
    /// When one is gone.
    pub(super) fn look_at_files(&mut self) -> Result<()> {
        if self.upkeep.looked_at_files.elapsed() < LOOK_AT_FILES_EVERY {
            return Ok(());
        }
        self.upkeep.looked_at_files = Instant::now();
        self.journal
            .check_presence()
            .context("looking whether the journal is still there")
    }

    /// Holds some space back for the day when there is none.
    pub(super) fn make_ballast(&self) {
        if let Err(error) = space::make_ballast(&self.settings.state) {
            tracing::warn!(error = format!("{error:#}"), "no space could be held back");
        }
    }

    /// Whether so little space is left that nothing more should be taken in. Looks at most once a second.
    pub(super) fn is_short_of_space(&mut self) -> bool {
        match self.upkeep.space {
            Some((looked, is_short)) if looked.elapsed() < LOOK_AT_SPACE_EVERY => is_short,
            _ => {
                let is_short = space::is_short(space::available(&self.settings.state));
                self.upkeep.space = Some((Instant::now(), is_short));
                is_short
            }
        }
    }

    /// Stages what upkeep has to put on record.
    pub(super) fn stage_upkeep(&mut self, cycle: &mut Cycle) -> Result<()> {
        let before = cycle.next_seq;
        self.stage_damage(cycle)?;
        self.stage_jump(cycle)?;
        let at = self.now();
        if at - self.upkeep.noted >= NOTED_EVERY {
            self.stage(&Record::Noted { at }, cycle)?;
        }
        if let Some(thinned) = self.upkeep.thinning.retired {
            let record = Record::Retired {
                at: self.now(),
                through: thinned.through,
                dropped: thinned.dropped,
            };
            self.stage(&record, cycle)?;
        }
        self.upkeep.staged = (cycle.next_seq > before).then(|| cycle.next_seq - 1);
        Ok(())
    }

    /// Stages that the machine's clock jumped forward.
    fn stage_jump(&mut self, cycle: &mut Cycle) -> Result<()> {
        if let Some(by) = self.settings.clock.take_jump() {
            let by_seconds = by.num_seconds();
            tracing::error!(
                by_seconds,
                "the machine's clock jumped forward; for an hour nothing expires or is deleted"
            );
            self.upkeep.jumped = Some(by);
        }
        let Some(by) = self.upkeep.jumped else { return Ok(()) };
        let by_seconds = by.num_seconds();
        let made = self.made(Of::Here(Input::ClockJumped { by_seconds }), &Case::ClockJumped(by));
        self.stage_made(made, Subject::Nothing, cycle)
    }

    /// After the cycle's group was written, or, without space, put back: then it is staged again by the next one.
    pub(super) fn upkept(&mut self) -> Result<()> {
        let staged = self.upkeep.staged.take();
        if staged.is_some_and(|seq| seq >= self.journal.next()) {
            return Ok(());
        }
        self.upkeep.jumped = None;
        if self.upkeep.thinning.retired.take().is_some() {
            self.answer_thinning();
        }
        self.after_scrub()
    }

    /// Brings the store up to what is in the journal. A store that finds no space gets the ballast's, is opened again,
    /// and takes from the journal what it misses.
    pub(super) fn commit(&mut self, seq: u64) -> Result<()> {
        let state = &self.settings.state;
        match self.store.commit(seq) {
            Err(error) if space::is_cause(state, &error) && space::release_ballast(state) => self.open_again(&error),
            done => done,
        }
    }

    /// Somebody could not read the store. If that is for want of space (sled writes in the background, and tells whoever
    /// asks it next), it is opened again.
    ///
    /// # Errors
    /// When it is damaged, or cannot be opened.
    pub(super) fn doubted(&mut self, error: anyhow::Error) -> Result<()> {
        if !space::is_cause(&self.settings.state, &error) {
            return Err(error);
        }
        space::release_ballast(&self.settings.state); // whether or not there is ballast left: opening it shows if there is space
        self.open_again(&error)
    }

    fn open_again(&mut self, error: &anyhow::Error) -> Result<()> {
        tracing::error!(
            error = format!("{error:#}"),
            "the store found no space: the ballast is given up, and the store is opened again"
        );
        self.reopen().context("opening the store again")
    }

    fn reopen(&mut self) -> Result<()> {
        let was_called_off = self.call_off_writing_out();
        self.store.reopen(&self.shared.reader)?;
        self.store.check()?;
        let damaged = rebuild::catch_up(&mut self.store, &self.journal.reader(), &self.background.is_closing)?;
        ensure!(damaged.is_empty(), "the journal is damaged where the store needs it");
        self.resume_writing_out(was_called_off)
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
        self.sweep();
        let floor = self.fresh_bytes.saturating_mul(GROWN_TIMES).max(GROWN_BYTES);
        let has_failed = |at: Instant| at.elapsed() < RENEW_AGAIN_AFTER;
        let has_former_rules = self.upkeep.rule_texts_bytes > RULE_TEXTS_BYTES && self.upkeep.thinning.is_given_back;
        let is_due = bytes > floor || has_former_rules;
        if is_due && !self.upkeep.renewal_failed.is_some_and(has_failed) {
            self.begin_renewal();
        }
    }

    /// Removes the store before this one when nobody reads it any more, on a thread of its own: a large file takes long.
    fn sweep(&mut self) {
        if let Some(sweeping) = self.background.sweeping.take_if(|thread| thread.is_finished()) {
            self.swept(sweeping);
        }
        let is_read = self.upkeep.former.as_ref().is_none_or(Former::is_read);
        if is_read || self.background.renewing.is_some() || self.background.sweeping.is_some() {
            return;
        }
        let state = self.settings.state.clone();
        let work = move || place::sweep(&state);
        match std::thread::Builder::new().name("sweep".into()).spawn(work) {
            Ok(thread) => self.background.sweeping = Some(thread),
            Err(error) => tracing::warn!(%error, "the old store could not be removed; it will be tried again"),
        }
    }

    /// What became of the store before this one; where it could not be removed, it is tried again.
    fn swept(&mut self, sweeping: JoinHandle<Result<()>>) {
        match sweeping.join() {
            Ok(Ok(())) => self.upkeep.former = None,
            Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), "the old store could not be removed"),
            Err(_) => tracing::warn!("removing the old store ended in a panic"),
        }
    }

    /// For retention: what is old enough to be forgotten, and whether to look again at once.
    pub(super) fn retention_case(&self) -> Result<Case<'static>> {
        let (now, keep, view) = (self.now(), &self.settings.keep, self.store.view());
        let before = |kept: Option<chrono::Duration>| kept.map(|kept| now - kept);
        let deliveries = match before(keep.deliveries) {
            Some(before) => view.old_deliveries(before, FORGOTTEN_MOST)?,
            None => Vec::new(),
        };
        // an incident goes when its deliveries are gone: they come first
        let is_for_incidents = deliveries.is_empty() && !keep.is_for_ever();
        let (incidents, on_from) = match is_for_incidents {
            true => view.old_incidents(
                self.upkeep.retention_after.take().as_ref(),
                before(keep.events),
                before(keep.reviews),
                FORGOTTEN_INCIDENTS_MOST,
            )?,
            false => (view.old_tests(&deliveries)?, None),
        };
        let has_more = !deliveries.is_empty() || on_from.is_some();
        if is_for_incidents {
            self.upkeep.retention_after.set(on_from);
        }
        Ok(Case::RetentionDue(Old {
            deliveries,
            incidents,
            again: has_more.then_some(now),
        }))
    }

    /// Starts folding a fresh store beside the running one, if there is room for it.
    pub(super) fn begin_renewal(&mut self) {
        if self.background.renewing.is_some() {
            return;
        }
        // a fresh store is folded from the checkpoint that is being written
        if self.background.writing_out.is_some() {
            self.background.is_renewal_next = true;
            return;
        }
        if self.upkeep.thinning.thread.is_some() {
            self.upkeep.thinning.renewal_waits = true;
            return;
        }
        self.sweep();
        let state = self.settings.state.clone();
        if !space::has_room_for_renewal(space::available(&state), self.store.size_bytes()) {
            return self.not_renewed("there is not enough space for a fresh one beside it");
        }
        let (reader, closed) = (self.journal.reader(), self.journal.closed_through());
        let (submit, stop) = (self.submit.clone(), self.background.is_closing.clone());
        let sweeping = self.background.sweeping.take();
        let work = move || {
            // it removes every store but the one in use, so a fresh one begins when it has ended
            let _ = sweeping.map(JoinHandle::join);
            let _ = submit.send(Submission::Renewed(rebuild::renew(&state, &reader, closed, &stop)));
        };
        match std::thread::Builder::new().name("renewal".into()).spawn(work) {
            Ok(thread) => self.background.renewing = Some(thread),
            Err(error) => self.not_renewed(&error.to_string()),
        }
    }

    fn not_renewed(&mut self, why: &str) {
        tracing::warn!(why, "the store could not be renewed; it will be tried again");
        self.upkeep.renewal_failed = Some(Instant::now());
        for reply in self.background.renewal_waits.drain(..) {
            let _ = reply.send(());
        }
    }

    /// Takes the fresh store into use: catches up with what was written meanwhile, then swaps. The journal is thinned
    /// out afterwards, by what the fresh store still knows. Whatever fails, the store in use stays.
    pub(super) fn swap_in(&mut self, fresh: Result<Store>) {
        if let Some(thread) = self.background.renewing.take() {
            let _ = thread.join();
        }
        if let Err(error) = fresh.and_then(|fresh| self.swap(fresh)) {
            return self.not_renewed(&format!("{error:#}"));
        }
        self.upkeep.renewal_failed = None;
        self.upkeep.rule_texts_bytes = 0;
        self.fresh_bytes = self.store.size_bytes();
        tracing::info!(bytes = self.fresh_bytes, "the store was renewed");
        let waits = std::mem::take(&mut self.background.renewal_waits);
        self.begin_thinning(waits);
    }

    fn swap(&mut self, fresh: Store) -> Result<()> {
        let dir = fresh.dir().to_owned();
        let fresh = self.ready(fresh).inspect_err(|_| discard(&dir))?;
        let former = self.store.swap(fresh, &self.shared.reader);
        self.upkeep.former = Some(former);
        // without a sign the next start believes no store, and builds one again: that is no reason to end
        let boot = trust::boot_id();
        if let Err(error) = trust::begin(&self.settings.state, boot.as_deref()) {
            tracing::warn!(error = format!("{error:#}"), "the fresh store could not be vouched for");
        }
        Ok(())
    }

    /// Brings a fresh store up to the journal's end and points to it. The signs of trust name the one before it until
    /// the fresh one is vouched for: after a crash in between one is built again.
    fn ready(&self, mut fresh: Store) -> Result<Store> {
        let damaged = rebuild::catch_up(&mut fresh, &self.journal.reader(), &self.background.is_closing)?;
        ensure!(
            damaged.is_empty(),
            "a part of the journal is damaged; the store in use stays"
        );
        place::point(&self.settings.state, fresh.dir())?;
        Ok(fresh)
    }

    /// Ends what works in the background, and waits for it.
    pub(super) fn end_background(&mut self) {
        self.background.is_closing.store(true, Ordering::Relaxed);
        self.call_off_writing_out();
        let threads = [
            self.background.renewing.take(),
            self.background.scrubbing.take(),
            self.upkeep.thinning.thread.take(),
        ];
        for thread in threads.into_iter().flatten() {
            let _ = thread.join();
        }
        if let Some(sweeping) = self.background.sweeping.take() {
            self.swept(sweeping);
        }
    }
}

/// Removes what is left of a fresh store that is not taken into use.
fn discard(dir: &Path) {
    if let Err(error) = std::fs::remove_dir_all(dir) {
        tracing::warn!(%error, "a store that is not used could not be removed");
    }
}
