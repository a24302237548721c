//! Going through the whole journal in the background: closed segments are only looked into when something is read, so
//! rot would stay unknown until the day the store is built again, and by then nobody else knows what was there.
//!
//! What is found is owned up to like every loss. The store still knows what the damaged records did, so it is written
//! out as a checkpoint: a store built later starts from there, and never from what is gone.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};

use super::{Cycle, Submission, Writer, open};
use crate::evaluate::obey;
use crate::journal;
use crate::record::{Input, Record};
use crate::store::{checkpoint, rebuild};

impl Writer {
    /// Starts going through the journal, unless that is under way.
    pub(super) fn begin_scrub(&mut self) {
        if self.scrubbing.is_some() {
            return;
        }
        let (reader, submit, is_closing) = (self.journal.reader(), self.submit.clone(), self.is_closing.clone());
        let work = move || {
            let _ = submit.send(Submission::Scrubbed(unknown_damage(&reader, &is_closing)));
        };
        match std::thread::Builder::new().name("scrub".into()).spawn(work) {
            Ok(thread) => self.scrubbing = Some(thread),
            Err(error) => tracing::warn!(%error, "the journal could not be gone through; it will be tried again"),
        }
    }

    /// Owns up to what was found, and renews the store if that was to follow.
    pub(super) fn scrubbed(&mut self, found: Result<Vec<rebuild::Damage>>) -> Result<()> {
        if let Some(thread) = self.scrubbing.take() {
            let _ = thread.join();
        }
        match found {
            Ok(damaged) if damaged.is_empty() => {}
            Ok(damaged) => self.own_up_to(&damaged)?,
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "the journal could not be gone through; it will be tried again"
            ),
        }
        for reply in self.scrub_waits.drain(..) {
            let _ = reply.send(());
        }
        if std::mem::take(&mut self.is_renewal_next) {
            self.begin_renewal();
        }
        Ok(())
    }

    fn own_up_to(&mut self, damaged: &[rebuild::Damage]) -> Result<()> {
        let at = self.now();
        let mut cycle = Cycle {
            next_seq: self.journal.next(),
            ..Cycle::default()
        };
        for (from, to, why) in damaged {
            let (from, to, why) = (*from, *to, why.clone());
            tracing::error!(
                from,
                to,
                why,
                "a part of the journal is damaged; what it said can only be looked up in part"
            );
            self.stage(&Record::Lost { at, from, to, why }, &mut cycle);
        }
        let event = Box::new(obey::journal_damaged(true, &open::told_of(damaged, &[]), at));
        self.record_raised(Input::Heard { event }, &mut cycle);
        self.write(cycle)?;
        self.store
            .check()
            .context("looking whether the store knows what the journal lost")?;
        let written = checkpoint::write(&self.settings.state, self.store.view(), self.store.applied_through());
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
