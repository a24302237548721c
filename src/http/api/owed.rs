//! Where an incident is, what is owed, and what each communication changed, as answers say it.

use serde::Serialize;

use crate::clock::Time;
use crate::event::Kind;
use crate::incident::reviews::{Basis, Debt, DebtState, Owed, Phase, Progress, Size};
use crate::view::story::revisions::{Changed, Fate, Piece, Revision, TimeChange};

/// What an incident's communications add up to.
#[derive(Serialize)]
pub struct ProgressLines {
    state: Phase,
    reopened: usize,
    size: Option<SizeLine>,
    owed: Vec<OwedLine>,
}

#[derive(Serialize)]
struct SizeLine {
    value: Size,
    basis: Basis,
}

#[derive(Serialize)]
struct OwedLine {
    kind: Debt,
    since: Time,
    /// `null` for what is offered on request.
    due: Option<Time>,
    state: DebtState,
    basis: Basis,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    late_seconds: Option<i64>,
}

impl ProgressLines {
    /// As it is at `now`.
    pub fn of(progress: &Progress, now: Time) -> Self {
        Self {
            state: progress.phase,
            reopened: progress.reopened,
            size: progress.size.map(|(value, basis)| SizeLine { value, basis }),
            owed: progress.owed.iter().map(|owed| OwedLine::of(owed, now)).collect(),
        }
    }
}

impl OwedLine {
    fn of(owed: &Owed, now: Time) -> Self {
        Self {
            kind: owed.kind,
            since: owed.since,
            due: owed.due,
            state: owed.state,
            basis: owed.basis,
            met: owed.met,
            late_seconds: owed.late_seconds(now),
        }
    }
}

/// One communication, and what it changed.
#[derive(Serialize)]
pub struct RevisionLine {
    kind: Kind,
    published: Time,
    changed: Option<ChangedLine>,
}

#[derive(Serialize)]
struct ChangedLine {
    text: Vec<PieceLine>,
    impact: DeltaLine<PlaceLine>,
    accounts: DeltaLine<String>,
    times: Vec<TimeChangeLine>,
}

/// A piece of text: `same` (beside a change), `added` or `removed`.
#[derive(Serialize)]
struct PieceLine {
    fate: &'static str,
    text: String,
}

#[derive(Serialize)]
struct DeltaLine<T> {
    added: Vec<T>,
    removed: Vec<T>,
}

#[derive(Serialize)]
struct PlaceLine {
    service: String,
    region: Option<String>,
}

#[derive(Serialize)]
struct TimeChangeLine {
    which: &'static str,
    before: Option<Time>,
    after: Option<Time>,
}

impl RevisionLine {
    /// This revision.
    pub fn of(revision: Revision) -> Self {
        Self {
            kind: revision.kind,
            published: revision.published,
            changed: revision.changed.map(ChangedLine::of),
        }
    }
}

impl ChangedLine {
    fn of(changed: Changed) -> Self {
        let place = |(service, region): (String, Option<String>)| PlaceLine { service, region };
        Self {
            text: changed.text.into_iter().map(PieceLine::of).collect(),
            impact: DeltaLine {
                added: changed.impact.added.into_iter().map(place).collect(),
                removed: changed.impact.removed.into_iter().map(place).collect(),
            },
            accounts: DeltaLine {
                added: changed.accounts.added,
                removed: changed.accounts.removed,
            },
            times: changed.times.into_iter().map(TimeChangeLine::of).collect(),
        }
    }
}

impl PieceLine {
    fn of(piece: Piece) -> Self {
        let fate = match piece.fate {
            Fate::Same => "same",
            Fate::Added => "added",
            Fate::Removed => "removed",
        };
        Self { fate, text: piece.text }
    }
}

impl TimeChangeLine {
    fn of(change: TimeChange) -> Self {
        Self {
            which: change.which,
            before: change.before,
            after: change.after,
        }
    }
}
