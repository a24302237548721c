//! Whom each verdict on an event told: read from the decision itself, in the journal. The store knows what gathers for an
//! endpoint, and not by which name each rule called it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::journal::{self, Position};
use crate::lookup;
use crate::record::{Change, Judged, Of, Piece, Record, Ref, Stands};
use crate::store::View;
use crate::store::walk::pieces_of;

/// How many records behind the first one of a decision are looked at to find its last one.
const RECORDS_MOST: u64 = 10_000;

/// What was decided of an event.
pub struct Decision {
    pieces: Vec<Piece>,
    stands: Stands,
}

impl Decision {
    /// The decision of an event; `None` if there is none, or it is lost.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn of(store: &View, journal: &journal::Reader, event: Position) -> Result<Option<Self>> {
        let Some(from) = store.decided_at(event)? else {
            return Ok(None);
        };
        for seq in from..from.saturating_add(RECORDS_MOST) {
            let record = lookup::unless_lost(lookup::record(journal, seq))?;
            match record {
                Some(record) if is_last_of(&record, event) => return Self::whole(journal, seq, record).map(Some),
                // the first one is not of it: it is lost, or was retired
                Some(Record::Continued { .. }) | None if seq == from => {}
                Some(_) if seq == from => return Ok(None),
                Some(_) | None => {}
            }
        }
        Ok(None)
    }

    fn whole(journal: &journal::Reader, seq: u64, record: Record) -> Result<Self> {
        let mut pieces = pieces_of(journal, seq, &record)?;
        let (first, changes) = match record {
            Record::Decided { first, changes, .. } => (first, changes),
            _ => (None, Vec::new()),
        };
        let stands = Stands::behind(&pieces, seq, first);
        pieces.push(Piece { seq, first, changes });
        Ok(Self { pieces, stands })
    }

    /// The verdicts, each with where it stands.
    pub fn verdicts(&self) -> impl Iterator<Item = (Position, &Judged)> {
        self.changes().filter_map(|(at, change)| match change {
            Change::Judged(judged) => Some((at, judged)),
            _ => None,
        })
    }

    /// The accounts of a set that it wrote down.
    pub fn set(&self, at: Position) -> Option<&[String]> {
        self.changes().find_map(|(here, change)| match change {
            Change::Set(set) if here == at => Some(set.accounts.as_slice()),
            _ => None,
        })
    }

    /// Where what it refers to stands.
    pub fn position(&self, of: Ref) -> Position {
        of.position(&self.stands)
    }

    /// The receivers that each verdict told.
    pub fn receivers(&self) -> BTreeMap<Position, BTreeSet<&str>> {
        receivers(self.changes(), |of| self.position(of))
    }

    fn changes(&self) -> impl Iterator<Item = (Position, &Change)> {
        self.pieces.iter().flat_map(|piece| {
            let seq = piece.seq;
            (0..)
                .zip(&piece.changes)
                .map(move |(nth, change)| (Position { seq, nth }, change))
        })
    }
}

/// Whether a record is the last one of the decision of an event.
fn is_last_of(record: &Record, event: Position) -> bool {
    let Record::Decided { of, changes, .. } = record else {
        return false;
    };
    let is_taken_up = |change: &Change| matches!(change, Change::TakenUp { at } if *at == event);
    matches!(of, Of::Kept { at } if *at == event) || changes.iter().any(is_taken_up)
}

/// The receivers that each verdict of a decision tells.
pub fn receivers<'c>(
    changes: impl Iterator<Item = (Position, &'c Change)>,
    position: impl Fn(Ref) -> Position,
) -> BTreeMap<Position, BTreeSet<&'c str>> {
    let mut all: BTreeMap<Position, BTreeSet<&str>> = BTreeMap::new();
    let mut add = |verdict: Position, receiver: &'c str| {
        all.entry(verdict).or_default().insert(receiver);
    };
    for (at, change) in changes {
        match change {
            Change::Planned(planned) => {
                for to in &planned.to {
                    add(position(to.verdict), &to.receiver);
                }
            }
            Change::Gathered(gathers) => {
                for to in &gathers.to {
                    add(position(gathers.verdict), &to.receiver);
                }
            }
            // in records of before they were written down apart
            Change::Judged(judged) => judged.tells.iter().for_each(|tells| add(at, &tells.receiver)),
            _ => {}
        }
    }
    all
}
