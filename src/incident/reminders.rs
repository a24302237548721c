//! When somebody is to be reminded of what an incident owes, or of when a maintenance starts and ends. Pure.
//!
//! A look at an incident says what is to be told now to one customer, and when to look next. What was told is remembered,
//! so that nothing is told twice; what was due long before anybody could look is not told at all.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use super::reviews::{Debt, DebtState, Owed, Progress, Said, Terms, repairs};
use super::{IncidentId, Status};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Arrival, Awaited, Event, EventType, Kind, Line, Provider, Reminder, Stage};

/// How long a promised update may be late before somebody is told: promises of updates are round numbers, and a webhook
/// takes some minutes.
pub const UPDATE_TOLERANCE: Duration = Duration::minutes(15);

/// What fell due longer ago than this, when it was first known, is not told: it is history, however it arrived.
pub const TOLD_LATE_MOST: Duration = Duration::days(30);

/// The same of an update that was promised: nobody waits for it after a day.
const UPDATE_TOLD_LATE_MOST: Duration = Duration::days(1);

/// What is over is over as soon as its due time has passed, and not yet when it has come.
const AFTER: Duration = Duration::seconds(1);

/// How much of what was told is remembered for one incident and customer. What is forgotten first is the oldest.
const TOLD_MOST: usize = 64;

/// What one customer was reminded of, of one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminded {
    /// Of which incident.
    pub incident: IncidentId,
    /// Who was told.
    pub customer: CustomerId,
    /// What, the oldest first.
    pub of: Vec<Mark>,
}

/// One thing that somebody was reminded of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// By which kind of event.
    pub kind: Kind,
    /// Of what: the review and how often the incident had opened again, the month of repairs, or a time.
    pub what: String,
}

/// What one customer heard of an incident.
#[derive(Debug, Clone)]
pub struct Heard<'a> {
    /// What sort of event it is.
    pub event_type: EventType,
    /// What it is called.
    pub title: &'a str,
    /// Who provides it.
    pub provider: Provider,
    /// What was said, in any order.
    pub said: &'a [Said],
    /// What that adds up to.
    pub progress: &'a Progress,
    /// What the customer was told before.
    pub told: &'a [Mark],
}

/// What follows from a look at an incident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// What is to be told now.
    pub tell: Vec<(Kind, Reminder)>,
    /// What was told, with that.
    pub told: Vec<Mark>,
    /// When to look next.
    pub next: Option<Time>,
}

/// Looks at an incident `now`; `known` is when what is due by now could first be known.
pub fn look(heard: &Heard<'_>, terms: &Terms, known: Time, now: Time) -> Look {
    let mut look = Look {
        told: heard.told.to_vec(),
        ..Look::default()
    };
    for owed in heard.progress.owed.iter().filter(|owed| owed.has_clock) {
        if matches!(owed.state, DebtState::Open | DebtState::Overdue)
            && let Some(due) = owed.due
        {
            look.at_debt(heard, owed, due, terms, known, now);
        }
    }
    look.at_repairs(heard, known, now);
    if heard.event_type == EventType::PlannedMaintenance {
        look.at_maintenance(heard, terms, known, now);
    }
    let forgotten = look.told.len().saturating_sub(TOLD_MOST);
    look.told.drain(..forgotten);
    look
}

impl Look {
    fn at_debt(&mut self, heard: &Heard<'_>, owed: &Owed, due: Time, terms: &Terms, known: Time, now: Time) {
        let reminder = |awaited| Reminder {
            of: heard.provider,
            title: heard.title.to_owned(),
            awaited,
            since: Some(owed.since),
            due,
            repairs: Vec::new(),
        };
        match owed.kind {
            Debt::PreliminaryReview | Debt::FinalReview => {
                let (awaited, word) = match owed.kind {
                    Debt::PreliminaryReview => (Awaited::PreliminaryReview, "preliminary-review"),
                    Debt::FinalReview | Debt::Update | Debt::Repair => (Awaited::FinalReview, "final-review"),
                };
                let what = format!("{word} {}", owed.round);
                let was_told = self.was_told(Kind::ReviewOverdue, &what);
                if now > due {
                    self.tell_unless(
                        due < known - TOLD_LATE_MOST,
                        Kind::ReviewOverdue,
                        what,
                        reminder(awaited),
                    );
                } else if !was_told {
                    let warn = due - terms.warn;
                    if now >= warn {
                        self.tell_unless(false, Kind::ReviewDue, what, reminder(awaited));
                    }
                    self.look_at([warn, due + AFTER], now);
                }
            }
            Debt::Update => {
                let late = due + UPDATE_TOLERANCE;
                if now >= late {
                    let what = due.to_rfc3339();
                    // one promise at a time is remembered, however many there were
                    if !self.was_told(Kind::UpdateOverdue, &what) && due >= known - UPDATE_TOLD_LATE_MOST {
                        self.told.retain(|mark| mark.kind != Kind::UpdateOverdue);
                    }
                    let is_old = due < known - UPDATE_TOLD_LATE_MOST;
                    self.tell_unless(is_old, Kind::UpdateOverdue, what, reminder(Awaited::Update));
                }
                self.look_at([late], now);
            }
            // told together, month by month
            Debt::Repair => {}
        }
    }

    /// The repairs of a month are told together, once it has passed.
    fn at_repairs(&mut self, heard: &Heard<'_>, known: Time, now: Time) {
        let open = |owed: &&Owed| owed.kind == Debt::Repair && owed.has_clock;
        let repairs: Vec<&Owed> = heard.progress.owed.iter().filter(open).collect();
        let mut months: Vec<Time> = repairs.iter().filter_map(|owed| owed.due).collect();
        months.sort_unstable();
        months.dedup();
        for due in months {
            let of_month = repairs.iter().filter(|owed| owed.due == Some(due));
            if now >= due {
                let reminder = Reminder {
                    of: heard.provider,
                    title: heard.title.to_owned(),
                    awaited: Awaited::Repairs,
                    since: of_month.clone().map(|owed| owed.since).max(),
                    due,
                    repairs: of_month.filter_map(|owed| owed.text.clone()).collect(),
                };
                let is_old = due < known - TOLD_LATE_MOST;
                self.tell_unless(is_old, Kind::RepairDue, due.format("%Y-%m").to_string(), reminder);
            }
            self.look_at([due], now);
        }
    }

    fn at_maintenance(&mut self, heard: &Heard<'_>, terms: &Terms, known: Time, now: Time) {
        let Some(plan) = Plan::of(heard.said) else { return };
        let reminder = |awaited, due| Reminder {
            of: heard.provider,
            title: heard.title.to_owned(),
            awaited,
            since: None,
            due,
            repairs: Vec::new(),
        };
        let is_past = plan.ended(now);
        if let Some(start) = plan.start
            && plan.status == Status::Planned
            && !is_past
        {
            let warn = start - terms.warn;
            if now >= warn {
                let is_old = plan.end.is_none() && start < known - terms.warn;
                let reminder = reminder(Awaited::MaintenanceStart, start);
                self.tell_unless(is_old, Kind::MaintenanceStarting, start.to_rfc3339(), reminder);
            }
            self.look_at([warn], now);
        }
        if let Some(end) = plan.end {
            if is_past {
                let is_old = end < known - TOLD_LATE_MOST;
                // done earlier than planned, and said so: that is one end, not two
                let what = plan.start.unwrap_or(end).to_rfc3339();
                self.tell_unless(
                    is_old,
                    Kind::MaintenanceOver,
                    what,
                    reminder(Awaited::MaintenanceEnd, end),
                );
            }
            self.look_at([end], now);
        }
    }

    fn was_told(&self, kind: Kind, what: &str) -> bool {
        self.told.iter().any(|mark| mark.kind == kind && mark.what == what)
    }

    fn tell_unless(&mut self, is_old: bool, kind: Kind, what: String, reminder: Reminder) {
        if !is_old && !self.was_told(kind, &what) {
            self.told.push(Mark { kind, what });
            self.tell.push((kind, reminder));
        }
    }

    fn look_at(&mut self, times: impl IntoIterator<Item = Time>, now: Time) {
        let to_come = times.into_iter().filter(|at| *at > now);
        self.next = self.next.into_iter().chain(to_come).min();
    }
}

/// What was last said of a maintenance.
struct Plan {
    status: Status,
    start: Option<Time>,
    /// When it ended or is to end.
    end: Option<Time>,
}

impl Plan {
    /// `None` if it was called off, or nobody was told of it live.
    fn of(said: &[Said]) -> Option<Self> {
        let progress = said.iter().filter(|one| one.kind.line() == Line::Progress);
        let last = progress.clone().max_by_key(|one| one.published)?;
        let status = Status::of(last.kind, last.stage)?;
        let is_off = matches!(status, Status::Canceled | Status::Retracted);
        if is_off || !last.is_live {
            return None;
        }
        let with_times = progress.filter(|one| one.impact_start.is_some() || one.impact_end.is_some());
        let times = with_times.max_by_key(|one| one.published);
        let planned_end = times.and_then(|one| one.impact_end);
        let is_done = status == Status::Mitigated;
        Some(Self {
            status,
            start: times.and_then(|one| one.impact_start),
            end: match is_done {
                true => Some(planned_end.map_or(last.published, |end| end.min(last.published))),
                false => planned_end,
            },
        })
    }

    fn ended(&self, now: Time) -> bool {
        self.end.is_some_and(|end| end <= now)
    }
}

/// When an incident is to be looked at because of this event, heard `now`: the earliest moment at which something that
/// follows from it could have to be told. `None` if there is none. What else is known of the incident is not asked here;
/// that is what the look is for.
pub fn first_look(event: &Event, next_update: Option<Time>, terms: &Terms, now: Time) -> Option<Time> {
    let has_clock = event.provider != Provider::Bellwether && !event.test && event.arrival == Arrival::Live;
    if !has_clock {
        return None;
    }
    let mut moments: Vec<Time> = next_update.map(|at| at + UPDATE_TOLERANCE).into_iter().collect();
    let is_incident = matches!(event.event_type, EventType::ServiceIssue | EventType::SecurityAdvisory);
    if event.event_type == EventType::PlannedMaintenance {
        let start = event.impact_start.map(|start| start - terms.warn);
        moments.extend([start, event.impact_end].into_iter().flatten());
        let is_done = matches!(event.stage, Stage::Complete | Stage::Resolved);
        moments.extend(is_done.then_some(now));
    }
    if is_incident && (event.kind == Kind::Mitigation || event.kind.is_review()) {
        for since in [event.impact_end.unwrap_or(event.published), event.published] {
            for due in [since + terms.preliminary, since + terms.finally] {
                moments.extend([due - terms.warn, due + AFTER]);
            }
        }
    }
    if event.kind.is_review() {
        moments.extend(repairs(event).into_iter().map(|repair| repair.due));
    }
    moments.retain(|at| *at >= now - TOLD_LATE_MOST);
    moments.into_iter().min().map(|at| at.max(now))
}

#[cfg(test)]
mod tests;
