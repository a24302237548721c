//! Writing a decision down: in one record, or in several where it is too large for one.

use anyhow::{Result, bail};

use super::decide::Subject;
use super::make::Made;
use super::{CYCLE_BYTES, Cycle, Waiting, Writer, thin};
use crate::journal::Position;
use crate::record::{Change, Of, Piece, Record, Stands};

/// The most bytes that one record of a decision takes, as JSON; but for a single change that takes more. Well below a
/// segment of the journal ([`super::SEGMENT_BYTES`]).
const DECISION_BYTES: usize = 4 << 20;

impl Writer {
    /// Stages a decision; where there is no space for it, its subject waits as before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn stage_made(&mut self, made: Made, subject: Subject, cycle: &mut Cycle) -> Result<()> {
        let stands = match made.bytes.len() > DECISION_BYTES {
            true => match self.stage_in_pieces(made.record, cycle)? {
                Some(stands) => stands,
                None => {
                    cycle.undo = subject.undo();
                    self.put_back(std::mem::take(cycle));
                    *cycle = self.cycle();
                    return Ok(());
                }
            },
            false => {
                let seq = self.stage_bytes(&made.record, made.bytes, &[], cycle)?;
                self.upkeep.thinning.note(seq, &made.record);
                self.upkeep.note_decided(seq, &made.record);
                Stands::alone(seq)
            }
        };
        cycle.decisions += 1;
        cycle.hint.add(made.hint);
        for (nth, input) in made.raised {
            self.upkeep.note_raised(&input);
            self.inbox.push_back(Waiting {
                at: stands.position(nth),
                input: Some(input),
                rules: None,
            });
        }
        if let Some(rules) = made.rules {
            cycle.rules_before.get_or_insert_with(|| self.rules.clone());
            self.rules = rules;
        }
        cycle.undo.extend(subject.undo());
        Ok(())
    }

    /// Writes down a decision that is too large for one record in several; each but the last one is on disk before the
    /// next one is staged, if the cycle has become too large for one group. `None` where there is no space: what is on
    /// disk of it counts for nothing then.
    fn stage_in_pieces(&mut self, record: Record, cycle: &mut Cycle) -> Result<Option<Stands>> {
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
        if !self.write_so_far(cycle)? {
            return Ok(None);
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut chunks = chunks(changes, DECISION_BYTES);
        let last = chunks.pop().unwrap_or_default();
        let mut counted = 0;
        for changes in chunks {
            let first = Some(counted);
            counted += u32::try_from(changes.len()).unwrap_or(u32::MAX);
            let piece = Record::Continued {
                at,
                of: input,
                first,
                changes,
            };
            let bytes = piece.to_bytes();
            if cycle.bytes + bytes.len() > CYCLE_BYTES && !self.write_so_far(cycle)? {
                return Ok(None);
            }
            let seq = self.stage_bytes(&piece, bytes, &[], cycle)?;
            let Record::Continued { changes, .. } = piece else {
                bail!("made above")
            };
            pieces.push(Piece { seq, first, changes });
        }
        let last = Record::Decided {
            at,
            of,
            by,
            after: pieces.first().map(|piece| piece.seq),
            first: Some(counted),
            changes: last,
        };
        let bytes = last.to_bytes();
        let seq = self.stage_bytes(&last, bytes, &pieces, cycle)?;
        self.upkeep.thinning.note(seq, &last);
        self.upkeep.note_decided(seq, &last);
        let forgets = pieces.iter().any(|piece| thin::forget(&piece.changes));
        if forgets {
            self.upkeep.thinning.forgets(seq);
        }
        Ok(Some(Stands::behind(&pieces, seq, Some(counted))))
    }

    /// Writes what a cycle has staged so far; whether there was space for it.
    fn write_so_far(&mut self, cycle: &mut Cycle) -> Result<bool> {
        if cycle.group.is_empty() {
            return Ok(true);
        }
        self.write(std::mem::take(cycle))?;
        *cycle = self.cycle();
        Ok(!self.is_full)
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
