//! What the communications of an incident add up to, one after another.

use super::{About, Basis, Debt, DebtState, Extent, Owed, Said, Size, Terms};
use crate::clock::Time;
use crate::event::{EventType, Kind, Promise, Window};
use crate::incident::{Status, earliest};

mod end;

pub use end::CLOSED_AFTER;

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
    /// The last promise of an update.
    update: Option<Owed>,
    /// The repairs of the last review.
    repairs: Vec<Owed>,
    /// When impact ended, by the metadata of the last statement.
    end: Option<Time>,
    prose: Option<Window>,
    /// How large a person says that it is.
    size_by_person: Option<Size>,
    /// When a person noted that the review on request was asked for.
    requested: Option<Time>,
    /// The window by a person, and from which communication on it counts for the end.
    window_by_person: Option<(Window, Option<Time>)>,
    /// Whether what is heard now is heard live.
    is_live: bool,
}

impl<'a> Fold<'a> {
    /// Nothing is known yet. What a person says of the window is about what was said after `reopened`.
    pub fn new(about: &About<'a>, reopened: Option<Time>) -> Self {
        Self {
            terms: about.terms,
            event_type: about.event_type,
            is_test: about.is_test,
            status: None,
            start: None,
            mitigated: None,
            services: 0,
            regions: 0,
            reopened: 0,
            size: None,
            is_declined: false,
            owed: Vec::new(),
            update: None,
            repairs: Vec::new(),
            end: None,
            prose: None,
            size_by_person: about.corrected.size,
            requested: about.corrected.requested,
            window_by_person: about.corrected.window.map(|window| (window, reopened)),
            is_live: true,
        }
    }

    /// How often it opened again so far.
    pub fn reopened(&self) -> usize {
        self.reopened
    }

    /// One more communication, the oldest first.
    pub fn hear(&mut self, said: &Said) {
        self.is_live = said.is_live;
        self.start = earliest(self.start, said.impact_start);
        self.prose = said.prose.or(self.prose);
        self.promised_update(said);
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

    /// What is said next meets the promise of an update; a new promise takes its place.
    fn promised_update(&mut self, said: &Said) {
        if let Some(update) = self.update.as_mut().filter(|update| update.state == DebtState::Open) {
            (update.state, update.met) = match said.kind {
                Kind::Retraction => (DebtState::Stopped, None),
                _ => (DebtState::Met, Some(said.published)),
            };
        }
        if let Some(due) = said.next_update.filter(|_| !self.is_test) {
            self.update = Some(Owed {
                kind: Debt::Update,
                since: said.published,
                due: Some(due),
                state: DebtState::Open,
                basis: Basis::Promise,
                met: None,
                text: None,
                requested: None,
                round: self.reopened,
                has_clock: self.is_live,
            });
        }
    }

    /// The repairs of the newest review take the place of those of an older one: it moves their months, or says that they
    /// are done.
    fn promised_repairs(&mut self, said: &Said) {
        if self.is_test {
            return;
        }
        let promised = said.repairs.iter().map(|repair| Owed {
            kind: Debt::Repair,
            since: said.published,
            due: Some(repair.due),
            state: DebtState::Open,
            basis: Basis::Promise,
            met: None,
            text: Some(repair.text.clone()),
            requested: None,
            round: self.reopened,
            has_clock: said.is_live,
        });
        self.repairs = promised.collect();
    }

    fn open_again(&mut self) {
        self.reopened += 1;
        self.mitigated = None;
        (self.end, self.prose) = (None, None);
        // what the tags said was of the review before
        if matches!(self.size, Some((_, Basis::Tag))) {
            self.size = None;
        }
        self.is_declined = false;
        self.stop_what_is_open();
    }

    fn stop_what_is_open(&mut self) {
        for owed in self.open() {
            owed.state = DebtState::Stopped;
        }
        if self.status == Some(Status::Retracted) {
            self.repairs.clear();
        }
    }

    fn open(&mut self) -> impl Iterator<Item = &mut Owed> {
        self.owed.iter_mut().filter(|owed| owed.state == DebtState::Open)
    }

    /// A statement, or a corrected one: what it owes is counted anew, except what was met since.
    fn mitigation(&mut self, said: &Said) {
        let since = self.mitigated_at(said);
        self.end = said.impact_end.or(self.end);
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
            self.set_size(size_of(promise), Basis::Promise);
            self.is_declined = promise == Promise::Nothing;
        }
        for (kind, basis) in self.owes(said) {
            let is_needless = kind == Debt::PreliminaryReview && met.contains(&Debt::FinalReview);
            if !is_needless && !met.contains(&kind) {
                self.owe(kind, since, basis);
            }
        }
    }

    /// What the provider's tags said stands against what its texts promise, and that against the impact.
    fn set_size(&mut self, size: Size, basis: Basis) {
        let is_tagged = matches!(self.size, Some((_, Basis::Tag)));
        if !is_tagged || basis == Basis::Tag {
            self.size = Some((size, basis));
        }
    }

    /// A person's word; else the metadata's time, unless that is missing, or is said of what has not begun.
    fn mitigated_at(&self, said: &Said) -> Time {
        if let Some((window, after)) = self.window_by_person
            && after.is_none_or(|after| said.published > after)
        {
            return window.end;
        }
        let begun = |end: &Time| self.start.is_none_or(|start| start <= *end);
        said.impact_end.filter(begun).unwrap_or(said.published)
    }

    fn owes(&mut self, said: &Said) -> Vec<(Debt, Basis)> {
        let both = |basis| vec![(Debt::PreliminaryReview, basis), (Debt::FinalReview, basis)];
        if let Some(size) = self.size_by_person {
            return match size {
                Size::Small => Vec::new(),
                Size::Standard => vec![(Debt::FinalReview, Basis::Person)],
                Size::Largest => both(Basis::Person),
            };
        }
        if self.size == Some((Size::Largest, Basis::Tag)) {
            return vec![(Debt::FinalReview, Basis::Tag)];
        }
        match said.promise {
            Some(Promise::Nothing) => Vec::new(),
            Some(Promise::OnRequest) => vec![(Debt::FinalReview, Basis::OnRequest)],
            Some(Promise::Review | Promise::Final) => vec![(Debt::FinalReview, Basis::Promise)],
            Some(Promise::PreliminaryAndFinal) => both(Basis::Promise),
            None => {
                let Some(size) = self.size_by_impact() else {
                    return Vec::new();
                };
                self.set_size(size, Basis::Size);
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
        let lasted = self.mitigated.zip(self.start()).map(|(end, start)| end - start);
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

    /// When impact began: a person's word counts, else the earliest of the metadata.
    fn start(&self) -> Option<Time> {
        let by_person = self.window_by_person.map(|(window, _)| window.start);
        by_person.or(self.start)
    }

    fn owe(&mut self, kind: Debt, since: Time, basis: Basis) {
        let after = match kind {
            Debt::PreliminaryReview => self.terms.preliminary,
            Debt::FinalReview | Debt::Update | Debt::Repair => self.terms.finally,
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
                text: None,
                requested: None,
                round: self.reopened,
                has_clock: self.is_live,
            });
        }
    }

    /// A preliminary review meets what is owed of that kind, and owes the final one.
    fn preliminary(&mut self, said: &Said) {
        let since = self.reviewed_since(said);
        self.promised_repairs(said);
        let basis = if said.is_tagged { Basis::Tag } else { Basis::Promise };
        self.meet(Debt::PreliminaryReview, since, said.published, basis);
        let has_final = self
            .owed
            .iter()
            .any(|owed| owed.kind == Debt::FinalReview && owed.since == since && owed.state != DebtState::Stopped);
        if !has_final {
            self.owe(Debt::FinalReview, since, basis);
        }
        // what was offered on request is promised now
        let due = since + self.terms.finally;
        for owed in self
            .open()
            .filter(|owed| owed.kind == Debt::FinalReview && owed.due.is_none())
        {
            (owed.due, owed.basis) = (Some(due), basis);
        }
        if said.is_tagged {
            let open = self.open().filter(|owed| owed.kind == Debt::FinalReview);
            open.filter(|owed| owed.basis != Basis::Person)
                .for_each(|owed| owed.basis = Basis::Tag);
        }
        self.set_size(Size::Largest, basis);
    }

    /// A final review ends the matter: a preliminary one that did not come is waived.
    fn finally(&mut self, said: &Said) {
        let since = self.reviewed_since(said);
        self.promised_repairs(said);
        let basis = if said.is_tagged { Basis::Tag } else { Basis::Promise };
        self.meet(Debt::FinalReview, since, said.published, basis);
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

    fn meet(&mut self, kind: Debt, since: Time, published: Time, basis: Basis) {
        let is_there = |owed: &Owed| owed.kind == kind && owed.since == since && owed.met.is_some();
        if self.owed.iter().any(is_there) {
            return;
        }
        if !self
            .owed
            .iter()
            .any(|owed| owed.kind == kind && owed.state == DebtState::Open)
        {
            self.owe(kind, since, basis);
        }
        for owed in self.open().filter(|owed| owed.kind == kind) {
            (owed.state, owed.met) = (DebtState::Met, Some(published));
        }
    }
}

fn size_of(promise: Promise) -> Size {
    match promise {
        Promise::Nothing | Promise::OnRequest => Size::Small,
        Promise::Review => Size::Standard,
        Promise::Final | Promise::PreliminaryAndFinal => Size::Largest,
    }
}
