//! How changes refer to each other, and where they stand: within one decision by number, from outside by position.

use serde::{Deserialize, Serialize};

use super::Change;
use crate::journal::Position;

/// A reference to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ref {
    /// Of the same decision: which of its changes, in all its records.
    Here(u32),
    /// Of an earlier one.
    At(Position),
}

impl Ref {
    /// Where it stands, seen from a decision whose changes stand so.
    pub fn position(self, stands: &Stands) -> Position {
        match self {
            Ref::Here(nth) => stands.position(nth),
            Ref::At(at) => at,
        }
    }
}

/// What a record before a decision's last one holds of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The record's sequence number.
    pub seq: u64,
    /// How many changes of the decision stand before it, if the record says so.
    pub first: Option<u32>,
    /// Its changes.
    pub changes: Vec<Change>,
}

/// Where the changes of a decision stand: the first change of each of its records, and the record's number.
#[derive(Debug, Clone)]
pub struct Stands(Vec<(u32, u64)>);

impl Stands {
    /// In one record.
    pub fn alone(seq: u64) -> Self {
        Self(vec![(0, seq)])
    }

    /// In several records, then in the last one, which says how many changes stand before it (`first`). A record that
    /// is lost leaves its numbers free; only those that do not say where they begin are counted on from the one before.
    pub fn behind(pieces: &[Piece], last: u64, first: Option<u32>) -> Self {
        let mut counted = 0;
        let mut stands = Vec::with_capacity(pieces.len() + 1);
        for piece in pieces {
            let first = piece.first.unwrap_or(counted);
            stands.push((first, piece.seq));
            counted = first + u32::try_from(piece.changes.len()).unwrap_or(u32::MAX);
        }
        stands.push((first.unwrap_or(counted), last));
        Self(stands)
    }

    /// Where the change `nth` of the whole decision stands.
    pub fn position(&self, nth: u32) -> Position {
        let behind = self.0.iter().rev().find(|(first, _)| *first <= nth);
        let (first, seq) = behind.copied().unwrap_or_default();
        Position { seq, nth: nth - first }
    }
}

/// Accounts: some, or a set that was written down once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accounts {
    /// These.
    These(Vec<String>),
    /// Those of a set.
    Of(Ref),
}

impl Default for Accounts {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl Accounts {
    /// The same, seen from outside of a decision whose changes stand so.
    pub fn seen_from_outside(&self, stands: &Stands) -> Self {
        match self {
            Self::These(_) => self.clone(),
            Self::Of(set) => Self::Of(Ref::At(set.position(stands))),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::These(accounts) if accounts.is_empty())
    }
}
