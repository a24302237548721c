//! Where an incident is, what is owed, and what each communication changed, as answers say it.

use serde::Serialize;

use crate::clock::Time;
use crate::event::Kind;
use crate::incident::correction::{Correction, Corrects};
use crate::incident::reviews::{Basis, Debt, DebtState, Owed, Phase, Progress, Size, Took, Windows};
use crate::view::story::revisions::{Changed, Fate, Piece, Revision, TimeChange};

/// What an incident's communications add up to.
#[derive(Serialize)]
pub struct ProgressLines {
    state: Phase,
    reopened: usize,
    size: Option<SizeLine>,
    owed: Vec<OwedLine>,
    window: WindowLine,
    took: TookLine,
}

/// When impact began and ended, by each who says so, and whose word counts.
#[derive(Serialize)]
struct WindowLine {
    metadata: SpanLine,
    prose: Option<SpanLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<SpanLine>,
    counts: &'static str,
}

#[derive(Serialize)]
struct SpanLine {
    start: Option<Time>,
    end: Option<Time>,
}

/// How long the provider took, in seconds.
#[derive(Serialize)]
struct TookLine {
    first_notice_seconds: Option<i64>,
    preliminary_review_seconds: Option<i64>,
    final_review_seconds: Option<i64>,
}

/// What a person said against the provider's word.
#[derive(Serialize)]
pub struct CorrectionLine {
    corrects: &'static str,
    at: Time,
    by: String,
    /// Who took it in, of one out of an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_in_by: Option<String>,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// The provider's time of the communication whose kind is corrected.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Time>,
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
    /// Of a repair: what is repaired, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Of a review on request: when a person noted that it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested: Option<Time>,
}

impl ProgressLines {
    /// As it is at `now`.
    pub fn of(progress: &Progress, now: Time) -> Self {
        Self {
            state: progress.phase,
            reopened: progress.reopened,
            size: progress.size.map(|(value, basis)| SizeLine { value, basis }),
            owed: progress.owed.iter().map(|owed| OwedLine::of(owed, now)).collect(),
            window: WindowLine::of(&progress.window),
            took: TookLine::of(&progress.took),
        }
    }
}

impl WindowLine {
    fn of(windows: &Windows) -> Self {
        let span = |window: crate::event::Window| SpanLine {
            start: Some(window.start),
            end: Some(window.end),
        };
        Self {
            metadata: SpanLine {
                start: windows.start,
                end: windows.end,
            },
            prose: windows.prose.map(span),
            person: windows.person.map(span),
            counts: if windows.person.is_some() { "person" } else { "metadata" },
        }
    }
}

impl TookLine {
    fn of(took: &Took) -> Self {
        let seconds = |long: Option<chrono::Duration>| long.map(|long| long.num_seconds());
        Self {
            first_notice_seconds: seconds(took.first_notice),
            preliminary_review_seconds: seconds(took.preliminary),
            final_review_seconds: seconds(took.finally),
        }
    }
}

impl CorrectionLine {
    /// This correction.
    pub fn of(correction: &Correction) -> Self {
        let line = Self {
            corrects: "",
            at: correction.at,
            by: correction.by.clone(),
            taken_in_by: correction.taken_in_by.clone(),
            reason: correction.reason.clone(),
            size: None,
            kind: None,
            published: None,
            start: None,
            end: None,
        };
        match &correction.corrects {
            Corrects::Size { size } => Self {
                corrects: "size",
                size: Some(*size),
                ..line
            },
            Corrects::Kind { published, kind, .. } => Self {
                corrects: "kind",
                kind: Some(*kind),
                published: Some(*published),
                ..line
            },
            Corrects::Window { window } => Self {
                corrects: "window",
                start: Some(window.start),
                end: Some(window.end),
                ..line
            },
            Corrects::Requested {} => Self {
                corrects: "requested",
                ..line
            },
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
            text: owed.text.clone(),
            requested: owed.requested,
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
