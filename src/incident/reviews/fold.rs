//! What the communications of an incident add up to, one after another.

use chrono::Duration;

use super::{Basis, Debt, DebtState, Extent, Owed, Phase, Progress, Said, Size, Terms};
use crate::clock::Time;
use crate::event::{EventType, Kind, Promise};
use crate::incident::{Status, earliest};

/// How long after the last word an incident that owes nothing more is closed, whatever it may still owe on request.
pub const CLOSED_AFTER: Duration = Duration::days(30);

/// What is known after some communications.
pub(super) struct Fold<'a> {
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
    /// Nothing is known yet.
    pub fn new(event_type: EventType, is_test: bool, terms: &'a Terms) -> Self {
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

    /// One more communication, the oldest first.
    pub fn hear(&mut self, said: &Said) {
        self.start = earliest(self.start, said.impact_start);
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

    /// What they add up to.
    pub fn end(mut self, last_word: Option<Time>, now: Time) -> Progress {
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
