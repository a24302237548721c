//! Where an incident is, and what is owed, as answers say it.

use serde::Serialize;

use crate::clock::Time;
use crate::incident::reviews::{Basis, Debt, DebtState, Owed, Phase, Progress, Size};

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
