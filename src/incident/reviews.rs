//! What is owed to the people an incident touched: reviews, by a clock that begins with the mitigation. Pure.
//!
//! An incident is the fold of its communications. 72 hours and 14 days are exact durations from the mitigation time
//! (the metadata's; else the publication of the statement), not calendar days. A review meets what is owed if the
//! provider's own time of it is not after the due time. When an incident opens again everything open stops, and the next
//! mitigation owes everything anew; what was met before stays listed.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use super::Status;
use crate::clock::Time;
use crate::event::{EventType, Kind, Promise, Stage};

/// How long after the last word an incident that owes nothing more is closed, whatever it may still owe on request.
const CLOSED_AFTER: Duration = Duration::days(30);

/// When reviews are due, and how large an incident must be for them, where nobody says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// From the mitigation to the preliminary review.
    pub preliminary: Duration,
    /// From the mitigation to the final review.
    pub finally: Duration,
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

/// How large an incident is, by the words of what providers promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Size {
    /// The mitigation statement is the last word.
    Small,
    /// One review comes.
    Standard,
    /// A preliminary review comes, then a final one.
    Largest,
}

/// Who or what said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
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
}

/// What communications (any order) add up to at `now`. Tests of a provider owe nothing.
pub fn progress(event_type: EventType, said: &[Said], is_test: bool, terms: &Terms, now: Time) -> Progress {
    let mut said: Vec<&Said> = said.iter().collect();
    said.sort_by_key(|one| one.published);
    let mut fold = Fold::new(event_type, is_test, terms);
    for one in &said {
        fold.hear(one);
    }
    fold.end(said.last().map(|one| one.published), now)
}

/// What is known after some communications.
struct Fold<'a> {
    terms: &'a Terms,
    event_type: EventType,
    is_test: bool,
    status: Option<Status>,
    start: Option<Time>,
    mitigated: Option<Time>,
    services: usize,
    regions: usize,
    reopened: usize,
    size: Option<(Size, Basis)>,
    /// Whether the last statement says itself that no review comes.
    is_declined: bool,
    owed: Vec<Owed>,
}

impl<'a> Fold<'a> {
    fn new(event_type: EventType, is_test: bool, terms: &'a Terms) -> Self {
        Self {
            terms,
            event_type,
            is_test,
            status: None,
            start: None,
            mitigated: None,
            services: 0,
            regions: 0,
            reopened: 0,
            size: None,
            is_declined: false,
            owed: Vec::new(),
        }
    }

    fn hear(&mut self, said: &Said) {
        self.start = super::earliest(self.start, said.impact_start);
        self.services = self.services.max(said.services);
        self.regions = self.regions.max(said.regions);
        let was_over = self.status.is_some_and(Status::is_over);
        if let Some(status) = Status::of(said.kind, said.stage) {
            self.status = Some(status);
        }
        match said.kind {
            Kind::Retraction => self.stop_what_is_open(),
            Kind::Mitigation => self.mitigation(said),
            Kind::PreliminaryReview => self.preliminary(said),
            Kind::FinalReview => self.finally(said),
            _ if was_over && self.status.is_some_and(|status| !status.is_over()) => self.open_again(),
            _ => {}
        }
    }

    fn open_again(&mut self) {
        self.reopened += 1;
        self.mitigated = None;
        self.is_declined = false;
        self.stop_what_is_open();
    }

    fn stop_what_is_open(&mut self) {
        for owed in self.open() {
            owed.state = DebtState::Stopped;
        }
    }

    fn open(&mut self) -> impl Iterator<Item = &mut Owed> {
        self.owed.iter_mut().filter(|owed| owed.state == DebtState::Open)
    }

    /// A statement, or a corrected one: what it owes is counted anew, except what was met since.
    fn mitigation(&mut self, said: &Said) {
        let since = self.mitigated_at(said);
        let before = self.mitigated.replace(since);
        self.owed.retain(|owed| owed.state != DebtState::Open);
        let is_met = |owed: &Owed| owed.state == DebtState::Met && before == Some(owed.since);
        let met: Vec<Debt> = self
            .owed
            .iter()
            .filter(|owed| is_met(owed))
            .map(|owed| owed.kind)
            .collect();
        if let Some(promise) = said.promise {
            self.size = Some((size_of(promise), Basis::Promise));
            self.is_declined = promise == Promise::Nothing;
        }
        for (kind, basis) in self.owes(said) {
            let is_needless = kind == Debt::PreliminaryReview && met.contains(&Debt::FinalReview);
            if !is_needless && !met.contains(&kind) {
                self.owe(kind, since, basis);
            }
        }
    }

    /// The metadata's time, unless that is missing, or is said of what has not begun.
    fn mitigated_at(&self, said: &Said) -> Time {
        let begun = |end: &Time| self.start.is_none_or(|start| start <= *end);
        said.impact_end.filter(begun).unwrap_or(said.published)
    }

    fn owes(&mut self, said: &Said) -> Vec<(Debt, Basis)> {
        let both = |basis| vec![(Debt::PreliminaryReview, basis), (Debt::FinalReview, basis)];
        match said.promise {
            Some(Promise::Nothing) => Vec::new(),
            Some(Promise::OnRequest) => vec![(Debt::FinalReview, Basis::OnRequest)],
            Some(Promise::Review | Promise::Final) => vec![(Debt::FinalReview, Basis::Promise)],
            Some(Promise::PreliminaryAndFinal) => both(Basis::Promise),
            None => {
                let Some(size) = self.size_by_impact() else {
                    return Vec::new();
                };
                self.size = Some((size, Basis::Size));
                match size {
                    Size::Small => Vec::new(),
                    Size::Standard => vec![(Debt::FinalReview, Basis::Size)],
                    Size::Largest => both(Basis::Size),
                }
            }
        }
    }

    /// By what is known of the impact; `None` where nothing is.
    fn size_by_impact(&self) -> Option<Size> {
        let lasted = self.mitigated.zip(self.start).map(|(end, start)| end - start);
        if self.services == 0 && self.regions == 0 && lasted.is_none() {
            return None;
        }
        let Extent {
            services,
            regions,
            lasted: long,
        } = self.terms.largest;
        if self.services >= services || self.regions >= regions || lasted.is_some_and(|lasted| lasted >= long) {
            return Some(Size::Largest);
        }
        let is_short = lasted.is_some_and(|lasted| lasted < self.terms.small);
        Some(match self.services <= 1 && self.regions <= 1 && is_short {
            true => Size::Small,
            false => Size::Standard,
        })
    }

    fn owe(&mut self, kind: Debt, since: Time, basis: Basis) {
        let after = match kind {
            Debt::PreliminaryReview => self.terms.preliminary,
            Debt::FinalReview => self.terms.finally,
        };
        let may_owe = matches!(self.event_type, EventType::ServiceIssue | EventType::SecurityAdvisory) && !self.is_test;
        if may_owe {
            self.owed.push(Owed {
                kind,
                since,
                due: (basis != Basis::OnRequest).then(|| since + after),
                state: DebtState::Open,
                basis,
                met: None,
            });
        }
    }

    /// A preliminary review meets what is owed of that kind, and owes the final one.
    fn preliminary(&mut self, said: &Said) {
        let since = self.reviewed_since(said);
        self.meet(Debt::PreliminaryReview, since, said.published);
        let has_final = self
            .owed
            .iter()
            .any(|owed| owed.kind == Debt::FinalReview && owed.since == since && owed.state != DebtState::Stopped);
        if !has_final {
            self.owe(Debt::FinalReview, since, Basis::Promise);
        }
        // what was offered on request is promised now
        let due = since + self.terms.finally;
        for owed in self
            .open()
            .filter(|owed| owed.kind == Debt::FinalReview && owed.due.is_none())
        {
            (owed.due, owed.basis) = (Some(due), Basis::Promise);
        }
        self.size = Some((Size::Largest, Basis::Promise));
    }

    /// A final review ends the matter: a preliminary one that did not come is waived.
    fn finally(&mut self, said: &Said) {
        let since = self.reviewed_since(said);
        self.meet(Debt::FinalReview, since, said.published);
        for owed in self.open().filter(|owed| owed.kind == Debt::PreliminaryReview) {
            owed.state = DebtState::Waived;
        }
    }

    /// The mitigation that a review is about: the last one; of an incident of which only the review was heard, the
    /// review's own metadata say it.
    fn reviewed_since(&mut self, said: &Said) -> Time {
        let since = self.mitigated.unwrap_or_else(|| self.mitigated_at(said));
        if self.status.is_none_or(|status| status.is_over()) {
            self.mitigated = Some(since);
            self.status.get_or_insert(Status::Mitigated);
        }
        since
    }

    fn meet(&mut self, kind: Debt, since: Time, published: Time) {
        let is_there = |owed: &Owed| owed.kind == kind && owed.since == since && owed.met.is_some();
        if self.owed.iter().any(is_there) {
            return;
        }
        if !self
            .owed
            .iter()
            .any(|owed| owed.kind == kind && owed.state == DebtState::Open)
        {
            self.owe(kind, since, Basis::Promise);
        }
        for owed in self.open().filter(|owed| owed.kind == kind) {
            (owed.state, owed.met) = (DebtState::Met, Some(published));
        }
    }

    fn end(mut self, last_word: Option<Time>, now: Time) -> Progress {
        for owed in self.open() {
            if owed.due.is_some_and(|due| due < now) {
                owed.state = DebtState::Overdue;
            }
        }
        self.owed.sort_by_key(|owed| (owed.since, owed.kind));
        Progress {
            phase: self.phase(last_word.is_some_and(|last| now - last > CLOSED_AFTER)),
            reopened: self.reopened,
            size: self.size,
            owed: self.owed,
        }
    }

    fn phase(&self, is_silent: bool) -> Phase {
        let is_maintenance = self.event_type == EventType::PlannedMaintenance;
        match self.status {
            None | Some(Status::Active) if self.event_type == EventType::ServiceIssue => Phase::Investigating,
            None | Some(Status::Active) => Phase::InProgress,
            Some(Status::Planned) => Phase::Planned,
            Some(Status::Canceled) => Phase::Canceled,
            Some(Status::Retracted) => Phase::Retracted,
            Some(Status::Mitigated) => match () {
                () if self.is_review_owed() => Phase::UnderReview,
                () if is_maintenance || is_silent || self.is_settled() => Phase::Closed,
                () => Phase::Mitigated,
            },
        }
    }

    fn is_review_owed(&self) -> bool {
        let is_due = |owed: &Owed| owed.due.is_some() && matches!(owed.state, DebtState::Open | DebtState::Overdue);
        self.owed.iter().any(is_due)
    }

    /// Whether it is known that nothing more comes: the final review is there, or the provider or the size says so.
    fn is_settled(&self) -> bool {
        let is_final = |owed: &Owed| owed.kind == Debt::FinalReview && owed.state == DebtState::Met;
        let is_small = matches!(self.size, Some((Size::Small, Basis::Size)));
        self.is_declined
            || is_small
            || self
                .owed
                .iter()
                .any(|owed| is_final(owed) && Some(owed.since) == self.mitigated)
    }
}

fn size_of(promise: Promise) -> Size {
    match promise {
        Promise::Nothing | Promise::OnRequest => Size::Small,
        Promise::Review => Size::Standard,
        Promise::Final | Promise::PreliminaryAndFinal => Size::Largest,
    }
}

#[cfg(test)]
mod tests;
