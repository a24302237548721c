//! What everything that was heard adds up to.

use chrono::Duration;

use super::Fold;
use crate::clock::Time;
use crate::event::EventType;
use crate::incident::Status;
use crate::incident::reviews::{Basis, Debt, DebtState, Extent, Owed, Phase, Progress, Size, Took, Windows};

/// How long after the last word an incident that owes nothing more is closed, whatever it may still owe on request.
pub const CLOSED_AFTER: Duration = Duration::days(30);

impl Fold<'_> {
    /// What they add up to.
    pub fn end(mut self, first_word: Option<Time>, last_word: Option<Time>, now: Time) -> Progress {
        for owed in self.owed.iter_mut().chain(&mut self.update).chain(&mut self.repairs) {
            if owed.state == DebtState::Open && owed.due.is_some_and(|due| due < now) {
                owed.state = DebtState::Overdue;
            }
        }
        if self.status == Some(Status::Canceled)
            && let Some(update) = self.update.as_mut().filter(|update| update.met.is_none())
        {
            update.state = DebtState::Stopped;
        }
        self.mark_as_requested();
        self.owed.sort_by_key(|owed| (owed.since, owed.kind));
        let phase = self.phase(last_word.is_some_and(|last| now - last > CLOSED_AFTER));
        let (took, start) = (self.took(first_word), self.start());
        let end = self.mitigated.or(Some(now).filter(|_| self.is_going_on()));
        let size_so_far = self.size_so_far(now);
        let mut owed = self.owed;
        owed.extend(self.update);
        owed.extend(self.repairs);
        Progress {
            phase,
            reopened: self.reopened,
            size: self.size_by_person.map(|size| (size, Basis::Person)).or(self.size),
            owed,
            window: Windows {
                start: self.start,
                end: self.end,
                prose: self.prose,
                person: self.window_by_person.map(|(window, _)| window),
            },
            lasted: start
                .zip(end)
                .map(|(start, end)| end - start)
                .filter(|long| *long >= Duration::zero()),
            size_so_far,
            took,
        }
    }

    /// What is offered on request was asked for if that was noted after the mitigation that it is about.
    fn mark_as_requested(&mut self) {
        let Some(at) = self.requested else { return };
        let is_offered = |owed: &&mut Owed| owed.basis == Basis::OnRequest && owed.state == DebtState::Open;
        for owed in self.owed.iter_mut().filter(is_offered) {
            owed.requested = (owed.since <= at).then_some(at);
        }
    }

    fn size_so_far(&self, now: Time) -> Option<Size> {
        let known = self.size_by_person.or(self.size.map(|(size, _)| size));
        let Extent {
            services,
            regions,
            lasted,
        } = self.terms.largest;
        let has_lasted = self.start().map(|start| now - start);
        let is_large =
            self.services >= services || self.regions >= regions || has_lasted.is_some_and(|long| long >= lasted);
        known.or((self.is_going_on() && is_large).then_some(Size::Largest))
    }

    fn is_going_on(&self) -> bool {
        matches!(self.status, None | Some(Status::Active)) && self.event_type == EventType::ServiceIssue
    }

    /// How long the provider took: of the last mitigation, as what came before an opening is another story.
    fn took(&self, first_word: Option<Time>) -> Took {
        let review = |kind: Debt| {
            let met = self
                .owed
                .iter()
                .find(|owed| owed.kind == kind && Some(owed.since) == self.mitigated)?;
            met.met.map(|at| at - met.since)
        };
        let first_notice = self.start().zip(first_word).map(|(start, first)| first - start);
        Took {
            first_notice: first_notice.filter(|_| self.event_type == EventType::ServiceIssue),
            preliminary: review(Debt::PreliminaryReview),
            finally: review(Debt::FinalReview),
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
        let is_small =
            matches!(self.size, Some((Size::Small, Basis::Size))) || self.size_by_person == Some(Size::Small);
        self.is_declined
            || is_small
            || self
                .owed
                .iter()
                .any(|owed| is_final(owed) && Some(owed.since) == self.mitigated)
    }
}
