//! Going through the whole journal in the background: closed segments are only looked into when something is read, so
//! rot would stay unknown until the day the store is built again, and by then nobody else knows what was there.
//!
//! What is found is owned up to like every loss. The store still knows what the damaged records did, so it is written
//! out as a checkpoint, of a snapshot and beside the writing thread: a store built later starts from there, and never
//! from what is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, anyhow};

use super::{Cycle, Submission, Waits, Writer};
use crate::evaluate::own;
use crate::journal;
use crate::record::{Input, Record};
use crate::store::snapshot::Overrun;
use crate::store::walk;

/// How often writing out is begun again because too much was written meanwhile; then nothing else is written meanwhile.
const OVERRUNS_MOST: u32 = 3;

/// What going through the journal has come to, until it is on record.
#[derive(Default)]
pub(super) struct Found {
    is_over: bool,
    damaged: Vec<walk::Damage>,
    waits: Waits,
    /// More damage was found while what the store knows was written out.
    is_to_be_written_again: bool,
    /// How often too much was written meanwhile.
    overruns: u32,
}

/// What only the store knows is being written out.
pub(super) struct WritingOut {
    /// The thread that does it.
    pub thread: JoinHandle<()>,
    /// Tells it to stop.
    pub stop: Arc<AtomicBool>,
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
    pub(super) fn scrubbed(&mut self, found: Result<Vec<walk::Damage>>) {
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
        let event = Box::new(own::journal_damaged(true, &told_of(&damaged, &[]), at));
        self.record_raised(Input::Heard { event }, cycle)
    }

    /// When the damage is on record: has what only the store knows written out, and goes on when that is done.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn after_scrub(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.upkeep.scrub.is_over) {
            return Ok(());
        }
        match std::mem::take(&mut self.upkeep.scrub.damaged).is_empty() {
            true => self.scrub_is_done(),
            false => self.begin_writing_out(),
        }
    }

    /// Starts writing out what the store knows, beside the writing thread; unless that is under way: then it is done
    /// once more afterwards.
    fn begin_writing_out(&mut self) -> Result<()> {
        if self.background.writing_out.is_some() {
            self.upkeep.scrub.is_to_be_written_again = true;
            return Ok(());
        }
        let snapshot = self.store.snapshot().context("looking at the store as it is")?;
        let (state, submit) = (self.settings.state.clone(), self.submit.clone());
        let (stop, is_closing) = (Arc::new(AtomicBool::new(false)), self.background.is_closing.clone());
        let is_told_to_stop = stop.clone();
        let work = move || {
            let written = match is_closing.load(Ordering::Relaxed) {
                true => Err(anyhow!("the daemon is stopping")),
                false => snapshot.write_checkpoint(&state, &is_told_to_stop),
            };
            drop(snapshot); // the store may be opened again when this is told
            // who called it off does not wait for an answer
            if !is_told_to_stop.load(Ordering::Relaxed) {
                let _ = submit.send(Submission::WrittenOut(written.map(drop)));
            }
        };
        let thread = std::thread::Builder::new().name("write-out".into()).spawn(work);
        let thread = thread.context("starting to write out what only the store knows")?;
        self.background.writing_out = Some(WritingOut { thread, stop });
        Ok(())
    }

    /// What only the store knows is written out, or not.
    ///
    /// # Errors
    /// When the store is damaged, or it could not be written: nobody else knows what is in it.
    pub(super) fn written_out(&mut self, written: Result<()>) -> Result<()> {
        let Some(writing) = self.background.writing_out.take() else {
            return Ok(()); // it was called off, and is begun again
        };
        let _ = writing.thread.join();
        let is_overrun = |error: &anyhow::Error| error.chain().any(|cause| cause.is::<Overrun>());
        let again = std::mem::take(&mut self.upkeep.scrub.is_to_be_written_again);
        match written {
            Ok(()) if !again => self.scrub_is_done(),
            Ok(()) => self.begin_writing_out(),
            Err(error) if is_overrun(&error) && self.upkeep.scrub.overruns < OVERRUNS_MOST => {
                self.upkeep.scrub.overruns += 1;
                tracing::warn!(
                    error = format!("{error:#}"),
                    "what only the store knows is written out once more"
                );
                self.begin_writing_out()
            }
            Err(error) if is_overrun(&error) => self.write_out_here(),
            Err(error) => Err(error).context("writing out what only the store knows"),
        }
    }

    /// The same on this thread, where so much is written that it does not come to an end beside it.
    fn write_out_here(&mut self) -> Result<()> {
        let snapshot = self.store.snapshot().context("looking at the store as it is")?;
        let written = snapshot.write_checkpoint(&self.settings.state, &AtomicBool::new(false));
        written.context("writing out what only the store knows")?;
        self.scrub_is_done()
    }

    /// Nobody may read the store while it is opened again: writing it out is called off, and begun again afterwards.
    pub(super) fn call_off_writing_out(&mut self) -> bool {
        let Some(writing) = self.background.writing_out.take() else {
            return false;
        };
        writing.stop.store(true, Ordering::Relaxed);
        let _ = writing.thread.join();
        true
    }

    /// Begins again what was called off.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn resume_writing_out(&mut self, was_called_off: bool) -> Result<()> {
        match was_called_off {
            true => self.begin_writing_out(),
            false => Ok(()),
        }
    }

    /// Answers, and renews the store if that was to follow.
    fn scrub_is_done(&mut self) -> Result<()> {
        self.upkeep.scrub.overruns = 0;
        for reply in self.upkeep.scrub.waits.drain(..) {
            let _ = reply.send(());
        }
        if std::mem::take(&mut self.background.is_renewal_next) {
            self.begin_renewal();
        }
        Ok(())
    }
}

/// Damage in words, for the operator.
pub(super) fn told_of(lost: &[walk::Damage], notes: &[String]) -> String {
    let lines = lost
        .iter()
        .map(|(from, to, why)| format!("Records {from} to {to}: {why}."));
    let mut text: Vec<String> = lines.chain(notes.iter().cloned()).collect();
    text.push(
        "The damaged file is kept beside the journal. What these records decided may be told again, with the same ids."
            .to_owned(),
    );
    text.join("\n")
}

/// What is damaged and not owned up to by a `Lost` record.
fn unknown_damage(reader: &journal::Reader, is_closing: &AtomicBool) -> Result<Vec<walk::Damage>> {
    let mut damaged = Vec::new();
    for record in reader.tail(1).take_while(|_| !is_closing.load(Ordering::Relaxed)) {
        match record {
            Ok((_, bytes)) if bytes.starts_with(b"{\"lost\"") => {
                if let Ok(Record::Lost { from, to, .. }) = Record::from_bytes(&bytes) {
                    walk::owned_up(&mut damaged, from, to);
                }
            }
            Ok(_) => {}
            Err(journal::Error::Damaged { from, to, why }) => damaged.push((from, to, why)),
            Err(error) => return Err(error).context("reading the journal"),
        }
    }
    Ok(damaged)
}
