//! Deciding: what waits in the inbox, attempts that ended, deadlines that are due; each becomes a `Decided`.
//!
//! Three calls each time: the rules that match, what is known that bears on it, and `evaluate`, which is pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::{CYCLE_BYTES, Cycle, Undo, Waiting, Writer, recorded, thin};
use crate::clock::Time;
use crate::delivery::Attempt;
use crate::evaluate::{Case, DueTogether, RulesChange, evaluate};
use crate::journal::{self, Position};
use crate::lookup;
use crate::notification::EndpointId;
use crate::record::{Change, Command, Deadline, FileInForce, Input, Of, Piece, Record, Stands, Why};
use crate::rule::{Revision, RuleSet};

/// The most bytes that one record of a decision takes, as JSON; but for a single change that takes more. Well below a
/// segment of the journal ([`super::SEGMENT_BYTES`]).
const DECISION_BYTES: usize = 4 << 20;

/// How many attempts that ended are written down in one record at most.
const ATTEMPTS_TOGETHER: usize = 256;

/// How long one cycle decides at most, so that what was recorded is answered soon.
const CYCLE_DECIDES: Duration = Duration::from_millis(10);

impl Writer {
    /// Decides for a while: inbox, attempts and deadlines in turn, so that none waits behind the others.
    pub(super) fn decide(&mut self, cycle: &mut Cycle) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut is_idle = true;
            // what was postponed comes before anything new is staged that it would have to wait for again
            let waiting = if std::mem::take(&mut self.has_postponed) {
                None
            } else {
                self.inbox.pop_front()
            };
            if let Some(waiting) = waiting {
                is_idle = false;
                self.decide_kept(waiting, cycle)?;
            }
            if !self.tried.is_empty() {
                is_idle = false;
                self.decide_attempts(cycle)?;
            }
            if let Some((deadline, at)) = self.due(cycle)? {
                is_idle = false;
                if self.needs_what_is_staged(&deadline)? {
                    self.postpone(deadline, cycle);
                    return Ok(());
                }
                let case = self.case_of(&deadline, at)?;
                match &deadline {
                    Deadline::Expire { delivery } => cycle.hint.decided.push(delivery.clone()),
                    Deadline::Endpoint { endpoint } => cycle.hint.vanished.push(endpoint.clone()),
                    Deadline::Tell { .. } | Deadline::Notifications { .. } | Deadline::Retention => {}
                }
                let of = Of::Here(Input::Due { deadline, at });
                self.decided(of, &case, cycle)?;
            }
            if is_idle || began.elapsed() >= CYCLE_DECIDES || cycle.bytes >= 2 * CYCLE_BYTES {
                return Ok(());
            }
        }
    }

    /// Decides attempts that ended, several in one record.
    pub(super) fn decide_attempts(&mut self, cycle: &mut Cycle) -> Result<()> {
        let most = self.tried.len().min(ATTEMPTS_TOGETHER);
        let mut attempts: Vec<Attempt> = self.tried.drain(..most).collect();
        // of one delivery one attempt at a time: the next one is decided by what follows from it
        let mut seen = BTreeSet::new();
        let later = attempts.extract_if(.., |attempt| !seen.insert(attempt.delivery.clone()));
        let later: Vec<Attempt> = later.collect();
        later
            .into_iter()
            .rev()
            .for_each(|attempt| self.tried.push_front(attempt));
        let view = self.store.view();
        let lanes: Vec<_> = attempts
            .iter()
            .map(|attempt| view.tried_context(attempt))
            .collect::<Result<_>>()?;
        let decided = attempts.iter().map(|attempt| attempt.delivery.clone());
        cycle.hint.decided.extend(decided);
        let endpoints = lanes.iter().filter_map(|lane| lane.delivery.as_ref());
        cycle
            .hint
            .endpoints
            .extend(endpoints.map(|(delivery, _)| delivery.endpoint.clone()));
        let input = Input::AttemptsEnded {
            attempts: attempts.clone(),
        };
        let ended = attempts.iter().cloned().zip(lanes).collect();
        self.decided(Of::Here(input), &Case::AttemptsFinished(ended), cycle)?;
        cycle.undo.extend(attempts.into_iter().map(Undo::Tried));
        Ok(())
    }

    /// Something a lane noticed, or the earliest deadline if its time has come.
    fn due(&mut self, cycle: &mut Cycle) -> Result<Option<(Deadline, Time)>> {
        let now = self.now();
        if let Some(noticed) = self.noticed.pop_front() {
            cycle.undo.push(Undo::Noticed(noticed.clone()));
            return Ok(Some((noticed, now)));
        }
        Ok(self.store.view().next_wake()?.filter(|(_, at)| *at <= now))
    }

    /// Whether a decision would read records that only this cycle has staged: they are not in the journal yet.
    fn needs_what_is_staged(&self, deadline: &Deadline) -> Result<bool> {
        let (view, from) = (self.store.view(), self.journal.next());
        match deadline {
            Deadline::Endpoint { endpoint } => view.was_told_since(endpoint, from),
            Deadline::Tell { .. } | Deadline::Notifications { .. } | Deadline::Expire { .. } | Deadline::Retention => {
                Ok(false)
            }
        }
    }

    /// Leaves a deadline to the next cycle, which begins with it.
    fn postpone(&mut self, deadline: Deadline, cycle: &mut Cycle) {
        self.has_postponed = true;
        if matches!(cycle.undo.last(), Some(Undo::Noticed(noticed)) if *noticed == deadline) {
            cycle.undo.pop();
            self.noticed.push_front(deadline);
        }
    }

    fn decide_kept(&mut self, waiting: Waiting, cycle: &mut Cycle) -> Result<()> {
        let input = match &waiting.input {
            Some(input) => Some(input.clone()),
            None => lookup::unless_lost(lookup::input(&self.shared.journal, waiting.at))?,
        };
        let of = Of::Kept { at: waiting.at };
        let is_lost = self
            .store
            .view()
            .decided_through()?
            .is_some_and(|last| waiting.at <= last);
        match input {
            _ if is_lost => self.decided(of, &Case::Nothing(Why::DecisionLost), cycle)?,
            None => self.decided(of, &Case::Nothing(Why::InputLost), cycle)?,
            Some(Input::Heard { event }) => {
                let heard = self
                    .store
                    .view()
                    .hear_context(&event, &self.rules, &self.shared.journal)?;
                let (at, event) = (waiting.at, &event);
                self.decided(of, &Case::EventReceived { at, event, heard }, cycle)?;
            }
            Some(input @ Input::Rules { .. }) => self.decide_rules(&waiting, &input, cycle)?,
            Some(Input::RuleTexts { .. }) => self.decided(of, &Case::Nothing(Why::PartOfAChange), cycle)?,
            Some(Input::Commanded {
                command: Command::Redeliver { delivery },
                ..
            }) => {
                let found = self.store.view().known(&delivery)?;
                self.decided(of, &Case::RedeliveryAsked(found), cycle)?;
            }
            Some(Input::Tried { .. } | Input::AttemptsEnded { .. } | Input::Due { .. } | Input::Retired) => {
                bail!("the input {} is of a kind that is never recorded", waiting.at)
            }
        }
        cycle.undo.push(Undo::Inbox(waiting));
        Ok(())
    }

    /// Rules change between two inputs: those before are decided by the old ones, those after by the new ones.
    fn decide_rules(&mut self, waiting: &Waiting, input: &Input, cycle: &mut Cycle) -> Result<()> {
        let next = match &waiting.rules {
            Some(rules) => rules.clone(),
            None => self.compile_with(input)?,
        };
        let change = RulesChange {
            recorded: waiting.at,
            earlier: self
                .earlier_texts(input)?
                .iter()
                .map(|(file, _)| file.clone())
                .collect(),
            before: self.store.view().revision_at(u64::MAX)?,
            broken: self.store.view().broken()?,
        };
        // whose address is gone is looked at by its lane, which knows whether an attempt is under way
        let pending = self.store.view().endpoints_with_work()?;
        cycle
            .hint
            .endpoints
            .extend(pending.into_iter().filter(|endpoint| next.endpoint(endpoint).is_none()));
        self.decided(Of::Kept { at: waiting.at }, &Case::RulesChanged(input, change), cycle)?;
        cycle.rules_before.get_or_insert_with(|| self.rules.clone());
        self.rules = next;
        Ok(())
    }

    /// The files of a change that were recorded before it, with their sealed texts.
    fn earlier_texts(&self, input: &Input) -> Result<Vec<(FileInForce, String)>> {
        let Input::Rules { texts, .. } = input else {
            return Ok(Vec::new());
        };
        let mut earlier = Vec::new();
        for at in texts {
            let Some(Input::RuleTexts { files }) = lookup::unless_lost(lookup::input(&self.shared.journal, *at))?
            else {
                continue;
            };
            for (nth, file) in (0..).zip(files) {
                let (path, digest) = (file.path, file.digest);
                earlier.push((
                    FileInForce {
                        path,
                        digest,
                        nth,
                        recorded: Some(*at),
                    },
                    file.sealed,
                ));
            }
        }
        Ok(earlier)
    }

    /// The rules after a recorded change, made from what is in force and the change itself: for a start after a crash.
    fn compile_with(&self, input: &Input) -> Result<Arc<RuleSet>> {
        let Input::Rules {
            files,
            removed,
            settings,
            ..
        } = input
        else {
            bail!("only a change of rules can be compiled")
        };
        let mut texts: BTreeMap<String, String> = recorded::texts_in_force(self.store.view(), &self.shared.journal)?
            .into_iter()
            .collect();
        for path in removed {
            texts.remove(path);
        }
        texts.extend(
            self.earlier_texts(input)?
                .into_iter()
                .map(|(file, sealed)| (file.path, sealed)),
        );
        texts.extend(files.iter().map(|file| (file.path.clone(), file.sealed.clone())));
        let settings = match settings {
            Some(settings) => Some(Some(settings.clone())),
            None => lookup::unless_lost(recorded::settings_in_force(self.store.view(), &self.shared.journal))?,
        };
        if settings.is_none() {
            texts.clear(); // as in `recorded`: nothing is decided by rules whose settings are lost
        }
        let texts: Vec<(String, String)> = texts.into_iter().collect();
        let compiled = recorded::compile_what_can_be(&self.settings.compile, texts, settings.flatten().as_deref());
        Ok(Arc::new(compiled?))
    }

    /// Evaluates and stages.
    fn decided(&mut self, of: Of, case: &Case<'_>, cycle: &mut Cycle) -> Result<()> {
        let now = self.now();
        let changes = evaluate(case, &self.rules, now);
        let (nths, raised): (Vec<u32>, Vec<Input>) = (0..)
            .zip(&changes)
            .filter_map(|(nth, change)| match change {
                Change::Raised { event } => Some((nth, Input::Heard { event: event.clone() })),
                _ => None,
            })
            .unzip();
        cycle
            .hint
            .endpoints
            .extend(changes.iter().filter_map(endpoint_of).cloned());
        if let Case::NotificationsDue(gathered) = case {
            let told = gathered.groups.iter().flat_map(|group| &group.notifications);
            cycle
                .hint
                .endpoints
                .extend(told.map(|due| due.notification.endpoint.clone()));
        }
        let record = Record::Decided {
            at: now,
            of,
            by: self.revision(),
            after: None,
            changes,
        };
        let bytes = record.to_bytes();
        let stands = match bytes.len() > DECISION_BYTES {
            true => self.stage_in_pieces(record, cycle)?,
            false => {
                let seq = self.stage_bytes(&record, bytes, &[], cycle)?;
                self.upkeep.thinning.note(seq, &record);
                Stands::alone(seq)
            }
        };
        cycle.decisions += 1;
        for (nth, input) in nths.into_iter().zip(raised) {
            self.inbox.push_back(Waiting {
                at: stands.position(nth),
                input: Some(input),
                rules: None,
            });
        }
        Ok(())
    }

    /// Writes down a decision that is too large for one record in several; each but the last one is on disk before the
    /// next one is staged, if the cycle has become too large for one group.
    fn stage_in_pieces(&mut self, record: Record, cycle: &mut Cycle) -> Result<Stands> {
        let Record::Decided {
            at, of, by, changes, ..
        } = record
        else {
            bail!("only a decision is written in pieces")
        };
        let input = match of {
            Of::Kept { at } => at,
            Of::Here(_) => Position { seq: 0, nth: 0 },
        };
        // what else this cycle decided is on disk, and told, before the first piece
        self.write_what_came_before(cycle)?;
        let mut pieces: Vec<Piece> = Vec::new();
        let mut chunks = chunks(changes, DECISION_BYTES);
        let last = chunks.pop().unwrap_or_default();
        for changes in chunks {
            let piece = Record::Continued { at, of: input, changes };
            let bytes = piece.to_bytes();
            if cycle.bytes + bytes.len() > CYCLE_BYTES {
                let hint = std::mem::take(&mut cycle.hint);
                self.write_so_far(cycle)?;
                cycle.hint = hint;
            }
            let seq = self.stage_bytes(&piece, bytes, &[], cycle)?;
            let Record::Continued { changes, .. } = piece else {
                bail!("made above")
            };
            pieces.push((seq, changes));
        }
        let last = Record::Decided {
            at,
            of,
            by,
            after: pieces.first().map(|(seq, _)| *seq),
            changes: last,
        };
        let bytes = last.to_bytes();
        let seq = self.stage_bytes(&last, bytes, &pieces, cycle)?;
        self.upkeep.thinning.note(seq, &last);
        let forgets = pieces.iter().any(|(_, changes)| thin::forget(changes));
        if forgets {
            self.upkeep.thinning.forgets(seq);
        }
        Ok(Stands::behind(&pieces, seq))
    }

    /// Writes what a cycle has staged before a decision of several records, which is left to be undone by itself.
    fn write_what_came_before(&mut self, cycle: &mut Cycle) -> Result<()> {
        if cycle.group.is_empty() {
            return Ok(());
        }
        let noticed = cycle.undo.pop_if(|undo| matches!(undo, Undo::Noticed(_)));
        let endpoints = cycle.hint.endpoints.clone();
        self.write_so_far(cycle)?;
        cycle.undo.extend(noticed);
        cycle.hint.endpoints = endpoints;
        Ok(())
    }

    /// Writes what a cycle has staged so far.
    ///
    /// # Errors
    /// When it cannot be written, also for want of space: half of a decision is no state to go on from, so the daemon
    /// ends, and the input is decided at the next start.
    fn write_so_far(&mut self, cycle: &mut Cycle) -> Result<()> {
        let written = std::mem::take(cycle);
        self.write(written)?;
        if self.is_full {
            return Err(journal::Error::NoSpace).context("writing a decision of several records");
        }
        *cycle = self.cycle();
        Ok(())
    }

    pub(super) fn revision(&self) -> Revision {
        self.rules.revision.clone()
    }

    fn case_of(&self, deadline: &Deadline, at: Time) -> Result<Case<'static>> {
        let view = self.store.view();
        Ok(match deadline {
            Deadline::Notifications {
                incident,
                customer,
                communication,
            } => {
                let due = DueTogether {
                    at,
                    incident,
                    customer,
                    communication,
                };
                let mut gathered = view.tell_context(&due, &self.shared.journal)?;
                gathered.public_url.clone_from(&self.settings.public_url);
                Case::NotificationsDue(Box::new(gathered))
            }
            // earlier versions looked at each by itself
            Deadline::Tell { .. } => Case::Nothing(Why::NoLongerDue),
            Deadline::Endpoint { endpoint } => {
                Case::ReceiverGone(view.endpoint_context(endpoint, &self.shared.journal)?)
            }
            Deadline::Expire { delivery } => Case::DeliveryExpired(view.known(delivery)?),
            Deadline::Retention => self.retention_case()?,
        })
    }
}

/// Changes in pieces of about so many bytes as JSON, each of one change at least.
fn chunks(changes: Vec<Change>, bytes_most: usize) -> Vec<Vec<Change>> {
    let mut chunks: Vec<Vec<Change>> = Vec::new();
    let mut left = 0;
    for change in changes {
        let bytes = serde_json::to_vec(&change).map_or(0, |json| json.len());
        match chunks.last_mut().filter(|_| bytes <= left) {
            Some(chunk) => {
                chunk.push(change);
                left -= bytes;
            }
            None => {
                chunks.push(vec![change]);
                left = bytes_most.saturating_sub(bytes);
            }
        }
    }
    chunks
}

/// The endpoint whose lane a change concerns.
fn endpoint_of(change: &Change) -> Option<&EndpointId> {
    match change {
        Change::Delivery { delivery, .. } => Some(&delivery.endpoint),
        Change::Attempted { place, .. } | Change::Ended { place, .. } | Change::Requeued { place, .. } => {
            Some(&place.endpoint)
        }
        _ => None,
    }
}
