//! What is owed to the people an incident touched: reviews, by a clock that begins with the mitigation. Pure.
//!
//! An incident is the fold of its communications. 72 hours and 14 days are exact durations from the mitigation time
//! (the metadata's; else the publication of the statement), not calendar days. A review meets what is owed if the
//! provider's own time of it is not after the due time. When an incident opens again everything open stops, and the next
//! mitigation owes everything anew; what was met before stays listed.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::clock::Time;
pub use crate::event::Size;
use crate::event::{EventType, Kind, Promise, Stage, Window};
pub use fold::CLOSED_AFTER;
use fold::Fold;

use super::correction::Corrected;

mod fold;
mod said;

pub use said::{impact_on, repairs};

/// When reviews are due, and how large an incident must be for them, where nobody says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// From the mitigation to the preliminary review.
    pub preliminary: Duration,
    /// From the mitigation to the final review.
    pub finally: Duration,
    /// How long before its due time a review is reminded of, and a maintenance before its start.
    pub warn: Duration,
    /// From so many services, or regions, or from so long an impact on, an incident is one of the largest.
    pub largest: Extent,
    /// Up to one service in one region, and shorter than this, an incident is small.
    pub small: Duration,
}

/// How far an impact reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Services.
    pub services: usize,
    /// Regions.
    pub regions: usize,
    /// From its start to its mitigation.
    pub lasted: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            preliminary: Duration::hours(72),
            finally: Duration::days(14),
            warn: Duration::hours(24),
            largest: Extent {
                services: 3,
                regions: 3,
                lasted: Duration::hours(12),
            },
            small: Duration::hours(2),
        }
    }
}

/// One communication, as far as it bears on what is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What it is.
    pub kind: Kind,
    /// Its stage.
    pub stage: Stage,
    /// The provider's time of it.
    pub published: Time,
    /// When impact began, by its metadata.
    pub impact_start: Option<Time>,
    /// When it ended, by its metadata.
    pub impact_end: Option<Time>,
    /// What its text promises of reviews.
    pub promise: Option<Promise>,
    /// Services that it names as impacted.
    pub services: usize,
    /// Regions that it names.
    pub regions: usize,
    /// Whether it was heard live: what came as history is shown, and reminds nobody.
    pub is_live: bool,
    /// Whether the provider's own tags say that it is a review or a retraction.
    pub is_tagged: bool,
    /// By when it promises the next update.
    pub next_update: Option<Time>,
    /// The repairs that it promises for a month.
    pub repairs: Vec<Repair>,
    /// The window of impact that its prose says.
    pub prose: Option<Window>,
}

/// A repair that a review promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// What is repaired, in the provider's words.
    pub text: String,
    /// When the month is over for which it is promised.
    pub due: Time,
}

/// Where an incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// A maintenance that is announced.
    Planned,
    /// A maintenance or an advisory that is under way.
    InProgress,
    /// A trouble that goes on.
    Investigating,
    /// It is over, and nothing says whether a review comes.
    Mitigated,
    /// It is over, and a review is owed.
    UnderReview,
    /// Nothing more is owed, or nothing was said for 30 days.
    Closed,
    /// There was none.
    Retracted,
    /// Called off.
    Canceled,
}

/// Who or what said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// A person corrected it.
    Person,
    /// The provider's tags.
    Tag,
    /// What the provider's statements or reviews promise or decline.
    Promise,
    /// How large it is, by its impact.
    Size,
    /// The provider offers it on request.
    OnRequest,
}

/// What is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Debt {
    /// A preliminary review.
    PreliminaryReview,
    /// A final review, or the only one.
    FinalReview,
    /// The next update of something that goes on.
    Update,
    /// A repair that a review promises for a month.
    Repair,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DebtState {
    /// Not due yet, or without a due time.
    Open,
    /// Its time has passed.
    Overdue,
    /// It came.
    Met,
    /// Something larger came instead.
    Waived,
    /// The incident opened again, or there was none.
    Stopped,
}

/// One thing that is or was owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// What.
    pub kind: Debt,
    /// The mitigation that it is counted from.
    pub since: Time,
    /// When it is due; `None` on request.
    pub due: Option<Time>,
    /// How far it is.
    pub state: DebtState,
    /// Who or what says that it is owed.
    pub basis: Basis,
    /// When it came, by the provider's own time.
    pub met: Option<Time>,
    /// Of a repair: what is repaired.
    pub text: Option<String>,
    /// Of a review on request: when a person noted that it was asked for.
    pub requested: Option<Time>,
    /// Of a review: how often the incident had opened again before.
    pub round: usize,
    /// Whether somebody is reminded of it: not of what came as history.
    pub has_clock: bool,
}

impl Owed {
    /// How many seconds late it came, or is by now; `None` if it is not late.
    pub fn late_seconds(&self, now: Time) -> Option<i64> {
        let until = match self.state {
            DebtState::Met => self.met?,
            DebtState::Overdue => now,
            DebtState::Open | DebtState::Waived | DebtState::Stopped => return None,
        };
        Some((until - self.due?).num_seconds()).filter(|late| *late > 0)
    }
}

/// What the communications of an incident add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Where it is.
    pub phase: Phase,
    /// How often it went on again after it was over.
    pub reopened: usize,
    /// How large it is, and who or what says so.
    pub size: Option<(Size, Basis)>,
    /// What is and was owed, in the order of since and due.
    pub owed: Vec<Owed>,
    /// When impact began and ended, by each who says so.
    pub window: Windows,
    /// How large it is, or has become so far: one of the largest is known as such while it goes on.
    pub size_so_far: Option<Size>,
    /// How long impact lasted: from its start to the last mitigation, or to now while it goes on.
    pub lasted: Option<Duration>,
    /// How long the provider took.
    pub took: Took,
}

/// When impact began and ended, by each who says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Windows {
    /// When it began, by the metadata.
    pub start: Option<Time>,
    /// When it ended, by the metadata.
    pub end: Option<Time>,
    /// What the prose of the last statement or review says.
    pub prose: Option<Window>,
    /// What a person says: it counts, else the metadata do.
    pub person: Option<Window>,
}

/// How long the provider took for what it says. Each is `None` until it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Took {
    /// From the start of impact to the first notice.
    pub first_notice: Option<Duration>,
    /// From the last mitigation to its preliminary review.
    pub preliminary: Option<Duration>,
    /// From the last mitigation to its final review.
    pub finally: Option<Duration>,
}

/// What is known of an incident beside its communications.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What sort of event it is.
    pub event_type: EventType,
    /// A test of the provider's: it owes nothing.
    pub is_test: bool,
    /// What a person corrected.
    pub corrected: Corrected,
    /// When reviews are due.
    pub terms: &'a Terms,
}

/// What communications (any order) add up to at `now`.
pub fn progress(about: &About<'_>, said: &[Said], now: Time) -> Progress {
    let mut said: Vec<&Said> = said.iter().collect();
    said.sort_by_key(|one| one.published);
    let mut fold = Fold::new(about, None);
    let mut reopened = None;
    for one in &said {
        let before = fold.reopened();
        fold.hear(one);
        reopened = (fold.reopened() > before).then_some(one.published).or(reopened);
    }
    if about.corrected.window.is_some() && reopened.is_some() {
        // a person's word about the end is about the last one
        fold = Fold::new(about, reopened);
        said.iter().for_each(|one| fold.hear(one));
    }
    fold.end(
        said.first().map(|one| one.published),
        said.last().map(|one| one.published),
        now,
    )
}

#[cfg(test)]
mod tests;
