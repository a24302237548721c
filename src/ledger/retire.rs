//! What of the journal is not needed any more: what it says itself is forgotten.
//!
//! An event goes when it is forgotten, and with it what was decided of it; what is said of a forgotten delivery goes
//! too. Two things never happen: that an input stays and its decision goes (it would be decided a second time), and
//! that a record which forgets goes before what it forgets.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};

use crate::clock::Time;
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::journal::{self, Keep};
use crate::notification::SeriesId;
use crate::record::{Change, Command, Deadline, Input, Of, Record, ToldTo, Why};
use crate::rule::Revision;

/// What is forgotten, each with the sequence number of the record that says so: only what stands before that goes. The
/// store is not asked: it may forget something while the journal is half gone through, and the making of a delivery
/// would stay while its end went.
#[derive(Debug, Default)]
pub(super) struct Forgotten {
    deliveries: HashMap<String, u64>,
    incidents: HashMap<IncidentId, u64>,
    events: HashMap<Position, u64>,
    series: HashMap<SeriesId, u64>,
    /// Texts of rule files, by where they were recorded and which of the input's files they are.
    texts: HashMap<(Position, u32), u64>,
    /// Whether everything before is gone through: only then the records that forget may go too.
    is_whole: bool,
}

impl Forgotten {
    /// Reads what the journal forgets up to `through`; `is_whole` if all of that will be asked about.
    ///
    /// # Errors
    /// When the journal cannot be read, or the daemon stops.
    pub fn read(reader: &journal::Reader, through: u64, is_whole: bool, stop: &AtomicBool) -> Result<Self> {
        let mut forgotten = Self {
            is_whole,
            ..Self::default()
        };
        let mut pieces = Vec::new();
        for record in reader.tail(1) {
            ensure!(!stop.load(Ordering::Relaxed), "the daemon is stopping");
            match record {
                Ok((seq, _)) if seq > through => break,
                Ok((seq, bytes)) => match Record::from_bytes(&bytes)? {
                    piece @ Record::Continued { .. } => pieces.push((seq, piece)),
                    record @ (Record::Recorded { .. }
                    | Record::Decided { .. }
                    | Record::Started { .. }
                    | Record::Lost { .. }
                    | Record::Noted { .. }
                    | Record::Retired { .. }) => {
                        // without the decision that names them, pieces say nothing
                        let first = first_piece(&record).unwrap_or(u64::MAX);
                        let counted = pieces.drain(..).filter(|(seq, _)| *seq >= first);
                        counted.for_each(|(seq, piece)| forgotten.note(seq, &piece));
                        forgotten.note(seq, &record);
                    }
                },
                // what is damaged stays, and may be of what is forgotten
                Err(journal::Error::Damaged { .. }) => forgotten.is_whole = false,
                Err(error) => return Err(error).context("reading the journal"),
            }
        }
        Ok(forgotten)
    }

    fn note(&mut self, seq: u64, record: &Record) {
        let (Record::Decided { changes, .. } | Record::Continued { changes, .. }) = record else {
            return;
        };
        for change in changes {
            if let Change::Forgotten { place, .. } = change {
                self.deliveries.insert(place.delivery.clone(), seq);
            }
            if let Change::IncidentForgotten {
                incident,
                events,
                series,
            } = change
            {
                self.incidents.insert(incident.clone(), seq);
                self.events.extend(events.iter().map(|at| (*at, seq)));
                self.series.extend(series.iter().map(|one| (one.clone(), seq)));
            }
            if let Change::InForce { given_back, .. } = change {
                let texts = given_back.iter().map(|one| ((one.recorded, one.nth), seq));
                self.texts.extend(texts);
            }
        }
    }

    /// What becomes of a record. Where only a part of it is not needed, that becomes empty, so that the positions of
    /// the rest stay.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn retire(&self, seq: u64, bytes: &[u8]) -> Result<Keep> {
        Ok(match Record::from_bytes(bytes)? {
            Record::Recorded { at, inputs } => self.retire_inputs(seq, at, inputs),
            Record::Decided {
                at,
                of,
                by,
                after,
                first,
                changes,
            } => self.retire_decided(seq, at, of, by, (after, first), changes),
            Record::Continued { at, of, first, changes } => self.retire_continued(seq, at, of, first, changes),
            // only the newest one says anything, and that is never gone through
            Record::Noted { .. } => Keep::Drop,
            Record::Started { .. } | Record::Lost { .. } | Record::Retired { .. } => Keep::Keep,
        })
    }

    fn retire_inputs(&self, seq: u64, at: Time, mut inputs: Vec<Input>) -> Keep {
        let mut is_changed = false;
        for (nth, input) in (0..).zip(&mut inputs) {
            let at = Position { seq, nth };
            if *input != Input::Retired && (self.is_gone(at) || self.is_of_forgotten(seq, input)) {
                *input = Input::Retired;
                is_changed = true;
            }
            is_changed |= self.retire_texts(at, input);
        }
        if !is_changed {
            return Keep::Keep;
        }
        match cut_back(&mut inputs, |input| *input == Input::Retired) {
            true => Keep::Drop,
            false => Keep::Replace(Record::Recorded { at, inputs }.to_bytes()),
        }
    }

    /// Whether it lists resources of an incident that is forgotten later: what was decided of that says nothing, either.
    fn is_of_forgotten(&self, seq: u64, input: &Input) -> bool {
        let Input::Commanded {
            command: Command::ListResources { incident, .. },
            ..
        } = input
        else {
            return false;
        };
        is_later(seq, self.incidents.get(incident))
    }

    /// Empties the texts of rule files that are given back; which of the input's files the others are does not change.
    fn retire_texts(&self, at: Position, input: &mut Input) -> bool {
        let (Input::Rules { files, .. } | Input::RuleTexts { files }) = input else {
            return false;
        };
        let mut is_changed = false;
        for (nth, file) in (0..).zip(files) {
            if !file.sealed.is_empty() && is_later(at.seq, self.texts.get(&(at, nth))) {
                file.sealed.clear();
                is_changed = true;
            }
        }
        is_changed
    }

    fn retire_decided(
        &self,
        seq: u64,
        at: Time,
        mut of: Of,
        by: Revision,
        (after, first): (Option<u64>, Option<u32>),
        mut changes: Vec<Change>,
    ) -> Keep {
        let has_attempts = self.retire_attempts(seq, &mut of);
        let is_changed = self.retire_changes(seq, &of, &mut changes) || has_attempts;
        let is_empty = cut_back(&mut changes, |change| *change == RETIRED);
        if is_empty && after.is_none() && self.is_needless(seq, &of) {
            return Keep::Drop;
        }
        if !is_changed {
            return Keep::Keep;
        }
        if is_empty {
            changes.push(RETIRED);
        }
        let retired = Record::Decided {
            at,
            of,
            by,
            after,
            first,
            changes,
        };
        Keep::Replace(retired.to_bytes())
    }

    /// A piece of a decision stays as long as it is: those behind it count their changes from it.
    fn retire_continued(&self, seq: u64, at: Time, of: Position, first: Option<u32>, mut changes: Vec<Change>) -> Keep {
        match self.retire_changes(seq, &Of::Kept { at: of }, &mut changes) {
            true => Keep::Replace(Record::Continued { at, of, first, changes }.to_bytes()),
            false => Keep::Keep,
        }
    }

    /// Takes out what is forgotten, each where it stands; whether anything was.
    fn retire_changes(&self, seq: u64, of: &Of, changes: &mut [Change]) -> bool {
        let mut is_changed = false;
        for (nth, change) in (0..).zip(changes) {
            if self.covers(Position { seq, nth }, of, change) {
                *change = RETIRED;
                is_changed = true;
            }
            is_changed |= self.retire_told(seq, change);
        }
        is_changed
    }

    /// Takes out the attempts of deliveries that are forgotten.
    fn retire_attempts(&self, seq: u64, of: &mut Of) -> bool {
        let Of::Here(Input::AttemptsEnded { attempts }) = of else {
            return false;
        };
        let before = attempts.len();
        attempts.retain(|attempt| !is_later(seq, self.deliveries.get(&attempt.delivery)));
        attempts.len() < before
    }

    /// Of the deliveries that were made together, says of those that are forgotten only that they were told.
    fn retire_told(&self, seq: u64, change: &mut Change) -> bool {
        let Change::Told(told) = change else { return false };
        let is_old = |to: &&mut ToldTo| !to.forgotten && is_later(seq, self.deliveries.get(&to.delivery));
        let mut is_changed = false;
        for to in told.to.iter_mut().filter(is_old) {
            *to = ToldTo {
                zone: chrono_tz::UTC,
                is_reply: false,
                every: false,
                forgotten: true,
                delivery: to.delivery.clone(),
            };
            is_changed = true;
        }
        is_changed
    }

    /// Whether a decision without changes says nothing: what it decided is gone too.
    fn is_needless(&self, seq: u64, of: &Of) -> bool {
        match of {
            Of::Kept { at } => self.is_gone(*at),
            Of::Here(Input::Tried { .. }) => true,
            Of::Here(Input::AttemptsEnded { attempts }) => attempts.is_empty(),
            Of::Here(Input::Due { deadline, .. }) => match deadline {
                Deadline::Tell { series, .. } => is_later(seq, self.series.get(series)),
                Deadline::Notifications { incident, .. } => is_later(seq, self.incidents.get(incident)),
                Deadline::Expire { .. } => true,
                Deadline::Owed { incident, .. } => is_later(seq, self.incidents.get(incident)),
                Deadline::Endpoint { .. } | Deadline::Retention | Deadline::Clocks { .. } => false,
            },
            Of::Here(_) => false,
        }
    }

    /// Whether the incident that a frozen content is about is forgotten, in records of before it named that itself.
    fn is_gone_content(&self, at: Position, of: &Of) -> bool {
        match of {
            Of::Here(Input::Due {
                deadline: Deadline::Notifications { incident, .. },
                ..
            }) => is_later(at.seq, self.incidents.get(incident)),
            Of::Here(_) | Of::Kept { .. } => false,
        }
    }

    fn is_gone(&self, event: Position) -> bool {
        is_later(event.seq, self.events.get(&event))
    }

    /// Whether a change is about a delivery or an incident that is forgotten later, and about nothing else.
    fn covers(&self, at: Position, of: &Of, change: &Change) -> bool {
        let seq = at.seq;
        let is_old = |incident| is_later(seq, self.incidents.get(incident));
        let is_old_delivery = |id: &str| is_later(seq, self.deliveries.get(id));
        match change {
            Change::Delivery { delivery, .. } => is_old_delivery(&delivery.id),
            Change::Attempted { place, .. }
            | Change::Ended { place, .. }
            | Change::Requeued { place, .. }
            | Change::Hastened { place, .. } => is_old_delivery(&place.delivery),
            Change::Forgotten { place, .. } => self.is_whole && is_old_delivery(&place.delivery),
            Change::EndpointFails(failing) => is_old_delivery(&failing.delivery),
            // it ends what an earlier delivery began, which may be kept for longer
            Change::EndpointWorks { .. } => false,
            Change::Carries { delivery, .. }
            | Change::Again { delivery, .. }
            | Change::Finished { delivery, .. }
            | Change::BroughtForward { delivery, .. } => is_old_delivery(delivery),
            Change::Incident(incident) => is_old(&incident.id),
            Change::Entry(entry) => is_old(&entry.incident),
            Change::Affected(hearing) => is_old(&hearing.incident),
            Change::Judged(judged) => is_old(&judged.incident),
            Change::Set(set) => self.is_gone(set.event),
            Change::Planned(planned) => is_old(&planned.incident),
            Change::Gathered(gathers) => is_old(&gathers.incident),
            Change::Told(told) => is_old(&told.incident),
            Change::Content(content) => match &content.incident {
                Some(incident) => is_old(incident),
                None => self.is_gone_content(at, of),
            },
            Change::Notification(notification) => is_old(&notification.incident),
            Change::IncidentForgotten { incident, .. } => self.is_whole && is_old(incident),
            Change::Raised { .. } => self.is_gone(at),
            Change::Wake {
                deadline: Deadline::Tell { series, .. },
                ..
            }
            | Change::Unwake {
                deadline: Deadline::Tell { series, .. },
                ..
            } => is_later(seq, self.series.get(series)),
            Change::Wake {
                deadline: Deadline::Owed { incident, .. },
                ..
            }
            | Change::Unwake {
                deadline: Deadline::Owed { incident, .. },
                ..
            }
            | Change::NextLook { incident, .. } => is_old(incident),
            Change::Reminded(reminded) => is_old(&reminded.incident),
            Change::Corrected(correction) => is_old(&correction.incident),
            Change::ResourcesListed(listed) => is_old(&listed.incident),
            Change::ResourcesCounted(summary) => is_old(&summary.incident),
            Change::ClocksBegun | Change::Claimed(_) | Change::RemindedOfClaims { .. } | Change::DowntimeEntered(_) => {
                false
            }
            Change::Nothing { why } => *why != Why::Retired && is_of_event(of, |event| self.is_gone(event)),
            Change::SetAside(_) => is_of_event(of, |event| self.is_gone(event)),
            Change::TakenUp { at } => self.is_gone(*at),
            Change::Wake { .. }
            | Change::Unwake { .. }
            | Change::InForce { .. }
            | Change::Broken { .. }
            | Change::Hold { .. } => false,
        }
    }
}

/// The first of the records before a decision's last one.
fn first_piece(record: &Record) -> Option<u64> {
    let Record::Decided { after, .. } = record else {
        return None;
    };
    *after
}

/// What stands where a change was.
const RETIRED: Change = Change::Nothing { why: Why::Retired };

fn is_of_event(of: &Of, is_gone: impl Fn(Position) -> bool) -> bool {
    matches!(of, Of::Kept { at } if is_gone(*at))
}

fn is_later(seq: u64, forgotten: Option<&u64>) -> bool {
    forgotten.is_some_and(|forgotten| seq <= *forgotten)
}

/// Cuts off what is empty at the end, where it holds no position; whether nothing is left.
fn cut_back<T>(all: &mut Vec<T>, is_empty: impl Fn(&T) -> bool) -> bool {
    while all.last().is_some_and(&is_empty) {
        all.pop();
    }
    all.is_empty()
}
