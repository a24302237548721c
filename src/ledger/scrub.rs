//! Going through the whole journal in the background: closed segments are only looked into when something is read, so
//! rot would stay unknown until the day the store is built again, and by then nobody else knows what was there.
//!
//! What is found is owned up to like every loss. The store still knows what the damaged records did, so it is written
//! out as a checkpoint: a store built later starts from there, and never from what is gone.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};

use super::maintain::Waits;
use super::{Cycle, Submission, Writer, open};
use crate::evaluate::own;
use crate::journal;
use crate::record::{Input, Record};
use crate::store::{checkpoint, rebuild};

/// What going through the journal has come to, until it is on record.
#[derive(Default)]
pub(super) struct Found {
    is_over: bool,
    damaged: Vec<rebuild::Damage>,
    waits: Waits,
}

impl Writer {
    /// Starts going through the journal, unless that is under way.
    pub(super) fn begin_scrub(&mut self) {
        if self.background.scrubbing.is_some() {
            return;
        }
        let (reader, submit, is_closing) = (
            self.journal.reader(),
            self.submit.clone(),
            self.background.is_closing.clone(),
        );
        let work = move || {
            let _ = submit.send(Submission::Scrubbed(unknown_damage(&reader, &is_closing)));
        };
        match std::thread::Builder::new().name("scrub".into()).spawn(work) {
            Ok(thread) => self.background.scrubbing = Some(thread),
            Err(error) => tracing::warn!(%error, "the journal could not be gone through; it will be tried again"),
        }
    }

    /// Takes up what was found; it is put on record by this cycle.
    pub(super) fn scrubbed(&mut self, found: Result<Vec<rebuild::Damage>>) {
        if let Some(thread) = self.background.scrubbing.take() {
            let _ = thread.join();
        }
        let damaged = found.unwrap_or_else(|error| {
            tracing::warn!(
                error = format!("{error:#}"),
                "the journal could not be gone through; it will be tried again"
            );
            Vec::new()
        });
        for (from, to, why) in &damaged {
            tracing::error!(
                from,
                to,
                why,
                "a part of the journal is damaged; what it said can only be looked up in part"
            );
        }
        let waits = std::mem::take(&mut self.background.scrub_waits);
        let found = &mut self.upkeep.scrub;
        found.is_over = true;
        found.damaged.extend(damaged);
        found.waits.extend(waits);
    }

    /// Stages what owns up to the damage that was found.
    pub(super) fn stage_damage(&mut self, cycle: &mut Cycle) -> Result<()> {
        if self.upkeep.scrub.damaged.is_empty() {
            return Ok(());
        }
        let (at, damaged) = (self.now(), self.upkeep.scrub.damaged.clone());
        for (from, to, why) in damaged.clone() {
            self.stage(&Record::Lost { at, from, to, why }, cycle)?;
        }
        let event = Box::new(own::journal_damaged(true, &open::told_of(&damaged, &[]), at));
        self.record_raised(Input::Heard { event }, cycle)
    }

    /// When the damage is on record: writes out what only the store knows, answers, and renews the store if that was to
    /// follow.
    pub(super) fn after_scrub(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.upkeep.scrub.is_over) {
            return Ok(());
        }
        if !std::mem::take(&mut self.upkeep.scrub.damaged).is_empty() {
            self.write_out()?;
        }
        for reply in self.upkeep.scrub.waits.drain(..) {
            let _ = reply.send(());
        }
        if std::mem::take(&mut self.background.is_renewal_next) {
            self.begin_renewal();
        }
        Ok(())
    }

    fn write_out(&self) -> Result<()> {
        self.store
            .check()
            .context("looking whether the store knows what the journal lost")?;
        let (view, through) = (self.store.view(), self.store.applied_through());
        let written = checkpoint::write(&self.settings.state, view, through, &AtomicBool::new(false));
        written.map(drop).context("writing out what only the store knows")
    }
}

/// What is damaged and not owned up to by a `Lost` record.
fn unknown_damage(reader: &journal::Reader, is_closing: &AtomicBool) -> Result<Vec<rebuild::Damage>> {
    let mut damaged = Vec::new();
    for record in reader.tail(1).take_while(|_| !is_closing.load(Ordering::Relaxed)) {
        match record {
            Ok((_, bytes)) if bytes.starts_with(b"{\"lost\"") => {
                if let Ok(Record::Lost { from, to, .. }) = Record::from_bytes(&bytes) {
                    rebuild::owned_up(&mut damaged, from, to);
                }
            }
            Ok(_) => {}
            Err(journal::Error::Damaged { from, to, why }) => damaged.push((from, to, why)),
            Err(error) => return Err(error).context("reading the journal"),
        }
    }
    Ok(damaged)
}
