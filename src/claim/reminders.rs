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

/// What the mark begins with of being told that more is owed than was asked for on the day that stands behind it.
pub const MORE: &str = "more";

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
    /// The incident that it is about, if it is about one in particular.
    pub incident: Option<String>,
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
        return (case(facts, now), None);
    };
    let mut tell = case(facts, now);
    tell.extend(more(facts, state, now));
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
        && !is_told(facts.told, &latest.mark)
    {
        tell.push(Reminder {
            kind: latest.kind,
            mark: latest.mark,
            incident: None,
        });
    }
    // who was told of the last day need not be told that there is something to claim
    let is_known = facts
        .told
        .iter()
        .any(|mark| mark.starts_with("due-") || mark.starts_with("missed"));
    if state == State::Possible && facts.has_review && tell.is_empty() && !is_known {
        tell.extend(untold(facts, Kind::ClaimPossible, "possible".to_owned()));
    }
    (tell, next)
}

/// Whether something was told of a day: a claim may have more than one last day, where each incident has its own. Marks of
/// before name no day, and count as long as there are no others.
fn is_told(told: &BTreeSet<String>, mark: &str) -> bool {
    let Some((what, _)) = mark.split_once(' ') else {
        return told.contains(mark);
    };
    let is_of_what = |one: &String| one.strip_prefix(what).is_some_and(|rest| rest.starts_with(' '));
    told.contains(mark) || (told.contains(what) && !told.iter().any(is_of_what))
}

fn untold(facts: &Facts<'_>, kind: Kind, mark: String) -> Option<Reminder> {
    (!facts.told.contains(&mark)).then_some(Reminder {
        kind,
        mark,
        incident: None,
    })
}

/// That by what is known when the month is over more is owed than was asked for: a later incident, or a correction.
fn more(facts: &Facts<'_>, state: State, now: Time) -> Option<Reminder> {
    let last_day = facts
        .row
        .last_day
        .as_deref()
        .and_then(|day| day.parse::<NaiveDate>().ok());
    let is_in_time = last_day.is_none_or(|last_day| last_day >= now.date_naive());
    let is_final = state != State::Expired && !facts.row.provisional && is_in_time;
    facts.standing.still_to_ask(facts.row).filter(|_| is_final)?;
    let day = facts.standing.submitted?.date_naive();
    untold(facts, Kind::ClaimPossible, format!("{MORE} {day}"))
}

/// That a case must be opened, for each incident: as soon as it is known, whether a step is reached yet or not. Who has
/// opened one, or handed the claim in, did so for the incidents that were known by then.
fn case(facts: &Facts<'_>, now: Time) -> Vec<Reminder> {
    let cases = facts.standing.cases_to_open(facts.row);
    let due = cases.filter(|case| now < case.by + CASE_IS_TOLD);
    let reminders = due.filter_map(|case| {
        let reminder = untold(facts, Kind::CaseDue, format!("case {}", case.incident))?;
        Some(Reminder {
            incident: Some(case.incident.clone()),
            ..reminder
        })
    });
    reminders.collect()
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
        mark: format!("due-{days} {last_day}"),
        at: midnight(last_day) - Duration::days(days),
        until: Some(over),
    });
    // who was reminded in time knows
    let is_known = before.iter().any(|one| is_told(facts.told, &one.mark));
    let missed = (!is_known).then(|| Coming {
        kind: Kind::ClaimDue,
        mark: format!("missed {last_day}"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::row::Case;
    use crate::claim::{Claimed, Said};
    use crate::customer::CustomerId;

    fn time(text: &str) -> Time {
        text.parse().expect("a time")
    }

    fn row() -> Row {
        serde_json::from_value(serde_json::json!({
            "id": "1", "customer": "contoso", "provider": "azure", "service": "Virtual Machines", "month": "2026-11",
            "available_minutes": "43200", "last_day": "2027-01-30", "state": "possible", "provisional": false,
            "verified": true, "incidents": ["VVTQ-J98"], "explanation": [],
        }))
        .expect("a row")
    }

    fn said(words: &[(&str, Said)]) -> Standing {
        let history: Vec<Claimed> = words
            .iter()
            .map(|(at, said)| Claimed {
                customer: CustomerId::new("contoso"),
                claim: "1".to_owned(),
                at: time(at),
                by: "ada".to_owned(),
                said: said.clone(),
                row: Box::new(row()),
                taken_in_by: None,
            })
            .collect();
        Standing::of(&history)
    }

    fn state(state: State) -> Said {
        Said {
            state: Some(state),
            ..Said::default()
        }
    }

    /// The marks of what is told at a time, and when to look again.
    fn told_at(row: &Row, standing: &Standing, told: &[&str], at: &str) -> (Vec<String>, Option<Time>) {
        let told = told.iter().map(|mark| (*mark).to_owned()).collect();
        let facts = Facts {
            row,
            standing,
            has_review: true,
            told: &told,
        };
        let (reminders, next) = due(&facts, time(at));
        (reminders.into_iter().map(|one| one.mark).collect(), next)
    }

    #[test]
    fn a_claim_is_told_when_the_review_comes_and_14_and_3_days_before_its_last_day() {
        let nobody = Standing::default();
        let at = |told: &[&str], at: &str| told_at(&row(), &nobody, told, at).0;
        assert_eq!(at(&[], "2026-12-01T00:00:00Z"), ["possible"]);
        assert_eq!(at(&["possible"], "2027-01-15T23:59:59Z"), [""; 0]);
        assert_eq!(at(&["possible"], "2027-01-16T00:00:00Z"), ["due-14 2027-01-30"]);
        assert_eq!(at(&["possible", "due-14"], "2027-01-26T23:59:59Z"), [""; 0]);
        assert_eq!(
            at(&["possible", "due-14 2027-01-30"], "2027-01-27T00:00:00Z"),
            ["due-3 2027-01-30"]
        );
        // the daemon was off in between: only the latest, and the last day still counts
        assert_eq!(at(&["possible"], "2027-01-30T23:59:59Z"), ["due-3 2027-01-30"]);
        assert_eq!(
            at(&[], "2027-01-20T00:00:00Z"),
            ["due-14 2027-01-30"],
            "and not that it is possible, too"
        );
        // nobody was told in time: that it was missed is said once, and not for ever
        assert_eq!(at(&[], "2027-01-31T00:00:00Z"), ["missed 2027-01-30"]);
        assert_eq!(at(&["due-3"], "2027-01-31T00:00:00Z"), [""; 0]);
        assert_eq!(at(&["missed"], "2027-02-01T00:00:00Z"), [""; 0]);
        assert_eq!(at(&["possible"], "2027-03-02T00:00:00Z"), [""; 0]);
        // where each incident has a last day of its own, that of a later one is told, too
        let earlier = ["possible", "due-14 2027-01-10", "due-3 2027-01-10"];
        assert_eq!(at(&earlier, "2027-01-20T00:00:00Z"), ["due-14 2027-01-30"]);
        let next = told_at(&row(), &nobody, &["possible"], "2026-12-01T00:00:00Z").1;
        assert_eq!(next, Some(time("2027-01-16T00:00:00Z")));
    }

    #[test]
    fn an_answer_is_awaited_for_45_days_and_a_credit_until_the_month_after_is_over() {
        let submitted = said(&[("2027-01-10T12:00:00Z", state(State::Submitted))]);
        let at = |told: &[&str], at: &str| told_at(&row(), &submitted, told, at).0;
        assert_eq!(at(&[], "2027-02-24T11:59:59Z"), [""; 0]);
        assert_eq!(at(&[], "2027-02-24T12:00:00Z"), ["unanswered 2027-01-10"]);
        assert_eq!(at(&["unanswered 2027-01-10"], "2027-03-31T23:59:59Z"), [""; 0]);
        assert_eq!(
            at(&["unanswered 2027-01-10"], "2027-04-01T00:00:00Z"),
            ["uncredited 2027-01-10"]
        );
        let granted = said(&[
            ("2027-01-10T12:00:00Z", state(State::Submitted)),
            ("2027-01-20T12:00:00Z", state(State::Granted)),
        ]);
        let at = |at: &str| told_at(&row(), &granted, &[], at).0;
        assert_eq!(at("2027-02-28T23:59:59Z"), [""; 0]);
        assert_eq!(at("2027-03-01T00:00:00Z"), ["uncredited 2027-01-10"]);
        // another claim after a denial is awaited anew
        let again = said(&[
            ("2027-01-10T12:00:00Z", state(State::Submitted)),
            ("2027-01-20T12:00:00Z", state(State::Denied)),
            ("2027-01-21T12:00:00Z", state(State::Submitted)),
        ]);
        let told = told_at(&row(), &again, &["unanswered 2027-01-10"], "2027-03-10T12:00:00Z").0;
        assert_eq!(told, ["unanswered 2027-01-21"]);
    }

    #[test]
    fn nobody_is_reminded_of_what_is_done_or_not_worth_it() {
        for end in [State::Credited, State::Denied, State::Withdrawn] {
            let ended = said(&[
                ("2026-12-01T00:00:00Z", state(State::Submitted)),
                ("2026-12-02T00:00:00Z", state(end)),
            ]);
            assert_eq!(
                told_at(&row(), &ended, &[], "2027-01-28T00:00:00Z").0,
                [""; 0],
                "{end:?}"
            );
        }
        let no = Said {
            not_worth_it: Some(true),
            ..Said::default()
        };
        let left = said(&[("2026-12-01T00:00:00Z", no)]);
        assert_eq!(told_at(&row(), &left, &[], "2027-01-28T00:00:00Z"), (Vec::new(), None));
    }

    #[test]
    fn a_case_is_told_at_once_for_each_incident_and_not_after_it_was_opened() {
        let case = |incident: &str, began: &str| Case {
            incident: incident.to_owned(),
            began: time(began),
            by: time(began) + Duration::hours(24),
        };
        let mut row = Row {
            cases: vec![case("VVTQ-J98", "2026-11-24T08:40:00Z")],
            state: None,
            ..row()
        };
        let nobody = Standing::default();
        assert_eq!(told_at(&row, &nobody, &[], "2026-11-24T09:00:00Z").0, ["case VVTQ-J98"]);
        let told = ["case VVTQ-J98"];
        assert_eq!(told_at(&row, &nobody, &told, "2026-11-24T10:00:00Z").0, [""; 0]);
        assert_eq!(
            told_at(&row, &nobody, &[], "2026-12-02T08:40:00Z").0,
            [""; 0],
            "a week later it is old news"
        );
        row.state = Some(State::Possible);
        let opened = said(&[("2026-11-24T09:30:00Z", state(State::CaseOpened))]);
        assert_eq!(told_at(&row, &opened, &[], "2026-11-24T10:00:00Z").0, [""; 0]);
        let prepared = said(&[("2026-11-24T09:30:00Z", state(State::Prepared))]);
        assert_eq!(
            told_at(&row, &prepared, &[], "2026-11-24T10:00:00Z").0,
            ["case VVTQ-J98"]
        );
        let withdrawn = said(&[("2026-11-24T09:30:00Z", state(State::Withdrawn))]);
        assert_eq!(told_at(&row, &withdrawn, &[], "2026-11-24T10:00:00Z").0, [""; 0]);
        // one that begins later needs a case of its own
        row.cases.push(case("WXYZ-9", "2026-11-25T08:00:00Z"));
        let nobody_told = told_at(&row, &nobody, &told, "2026-11-25T08:10:00Z").0;
        assert_eq!(nobody_told[0], "case WXYZ-9");
        assert_eq!(told_at(&row, &opened, &told, "2026-11-25T08:10:00Z").0, ["case WXYZ-9"]);
    }
}
