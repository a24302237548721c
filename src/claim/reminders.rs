//! What somebody is to be reminded of, of one claim. Pure: what is due by now, and when to look again.
//!
//! Each reminder has a mark, under which it is remembered that it was told: nobody is told twice. Of reminders whose
//! time passed while the daemon was off only the latest is told.

use std::collections::BTreeSet;

use chrono::{Datelike, Duration, Months, NaiveDate, NaiveTime};

use crate::clock::Time;
use crate::event::Kind;

use super::row::Row;
use super::standing::Standing;
use super::state::State;

/// How many days before its last day a claim is reminded of, the earliest first.
const DAYS_BEFORE: [i64; 2] = [14, 3];

/// How long after its last day it is still said that a claim was missed, if nobody was reminded before.
const MISSED_IS_TOLD: Duration = Duration::days(30);

/// How long after its time it is still said that a case was to be opened.
const CASE_IS_TOLD: Duration = Duration::days(7);

/// How long a provider takes where its terms do not say it, seconds: 45 days.
const PROCESSED_WITHIN: u64 = 45 * 24 * 60 * 60;

/// What is known of a claim.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its figures.
    pub row: &'a Row,
    /// What people said of it.
    pub standing: &'a Standing,
    /// Whether a review of one of its incidents has come.
    pub has_review: bool,
    /// The marks of what was told.
    pub told: &'a BTreeSet<String>,
}

/// Something to be told of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// `claim-possible`, `case-due`, `claim-due` or `claim-unanswered`.
    pub kind: Kind,
    /// Its mark.
    pub mark: String,
}

/// Something that is to be told at a time.
struct Coming {
    kind: Kind,
    mark: String,
    at: Time,
    /// When it is too late to tell it.
    until: Option<Time>,
}

/// What is to be told now, and when to look again.
pub fn due(facts: &Facts<'_>, now: Time) -> (Vec<Reminder>, Option<Time>) {
    if facts.standing.is_not_worth_it {
        return (Vec::new(), None);
    }
    let Some(state) = facts.standing.counts(facts.row.state) else {
        return (case(facts, None, now), None);
    };
    let mut tell = case(facts, Some(state), now);
    let mut coming: Vec<Coming> = Vec::new();
    if state.is_before_submission() || state == State::Expired {
        coming.extend(last_days(facts));
    } else if state.is_open() {
        coming.extend(answers(facts.row, state, facts.standing));
    }
    let next = coming.iter().map(|one| one.at).filter(|at| *at > now).min();
    coming.retain(|one| one.at <= now && one.until.is_none_or(|until| now < until));
    // the latest stands for those before it
    if let Some(latest) = coming.pop()
        && !facts.told.contains(&latest.mark)
    {
        tell.push(Reminder {
            kind: latest.kind,
            mark: latest.mark,
        });
    }
    if state == State::Possible && facts.has_review && tell.is_empty() {
        tell.extend(untold(facts, Kind::ClaimPossible, "possible".to_owned()));
    }
    (tell, next)
}

fn untold(facts: &Facts<'_>, kind: Kind, mark: String) -> Option<Reminder> {
    (!facts.told.contains(&mark)).then_some(Reminder { kind, mark })
}

/// That a case must be opened: as soon as an incident is known, whether a step is reached yet or not.
fn case(facts: &Facts<'_>, state: Option<State>, now: Time) -> Vec<Reminder> {
    let is_open = state.is_none_or(|state| state == State::Possible);
    let is_told = facts
        .row
        .open_case_by
        .is_some_and(|by| is_open && now < by + CASE_IS_TOLD);
    let reminder = is_told
        .then(|| untold(facts, Kind::CaseDue, "case".to_owned()))
        .flatten();
    reminder.into_iter().collect()
}

/// Days before the last day, and that it was missed.
fn last_days(facts: &Facts<'_>) -> Vec<Coming> {
    let Some(last_day) = facts
        .row
        .last_day
        .as_deref()
        .and_then(|day| day.parse::<NaiveDate>().ok())
    else {
        return Vec::new();
    };
    let over = midnight(last_day) + Duration::days(1);
    let before = DAYS_BEFORE.map(|days| Coming {
        kind: Kind::ClaimDue,
        mark: format!("due-{days}"),
        at: midnight(last_day) - Duration::days(days),
        until: Some(over),
    });
    // who was reminded in time knows
    let is_known = before.iter().any(|one| facts.told.contains(&one.mark));
    let missed = (!is_known).then(|| Coming {
        kind: Kind::ClaimDue,
        mark: "missed".to_owned(),
        at: over,
        until: Some(over + MISSED_IS_TOLD),
    });
    before.into_iter().chain(missed).collect()
}

/// That no answer came in the time that the provider takes, and no credit in the month after that.
fn answers(row: &Row, state: State, standing: &Standing) -> Vec<Coming> {
    let Some(submitted) = standing.submitted else {
        return Vec::new();
    };
    let within = row.processed_within_seconds.unwrap_or(PROCESSED_WITHIN);
    let within = Duration::seconds(i64::try_from(within).unwrap_or(i64::MAX / 1_000_000));
    let Some(answer_by) = submitted.checked_add_signed(within) else {
        return Vec::new();
    };
    let day = submitted.date_naive();
    let unanswered = (state != State::Granted).then(|| Coming {
        kind: Kind::ClaimUnanswered,
        mark: format!("unanswered {day}"),
        at: answer_by,
        until: None,
    });
    let since = match (state, standing.since) {
        (State::Granted, Some(granted)) => granted,
        _ => answer_by,
    };
    let uncredited = end_of_month_after(since).map(|at| Coming {
        kind: Kind::ClaimUnanswered,
        mark: format!("uncredited {day}"),
        at,
        until: None,
    });
    unanswered.into_iter().chain(uncredited).collect()
}

/// When the calendar month after this moment's is over.
fn end_of_month_after(at: Time) -> Option<Time> {
    let first = at.date_naive().with_day(1)?;
    first.checked_add_months(Months::new(2)).map(midnight)
}

fn midnight(day: NaiveDate) -> Time {
    day.and_time(NaiveTime::MIN).and_utc()
}
