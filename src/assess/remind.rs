//! Events of our own about claims: what is due of several claims at once, and rests on the same incident, is told
//! together.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveTime};

use super::known::Known;
use crate::claim::{self, Amounts, Claimed, ENTERED_BY_A_PERSON, Facts, Row};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::evaluate::own;
use crate::event::{Awaited, Event, EventType, Impact, Kind, Provider, Reminder, Stage};
use crate::incident::IncidentId;
use crate::record::{ClaimMark, ClaimsReminder};

/// How many claims an event names.
const NAMED: usize = 20;

/// How a customer's claims stand.
pub struct Standing<'a> {
    /// Whose.
    pub customer: &'a CustomerId,
    /// What was worked out.
    pub rows: &'a [Row],
    /// What was said of them, by id.
    pub said: &'a BTreeMap<String, Vec<Claimed>>,
    /// What was told.
    pub told: &'a [ClaimMark],
    /// The incidents.
    pub known: Vec<&'a Known>,
}

/// What is due.
#[derive(Default)]
pub struct Due {
    /// What is to be told.
    pub reminders: Vec<ClaimsReminder>,
    /// When to look again.
    pub next: Option<Time>,
}

/// An incident: its provider, and its tracking id.
type Name<'a> = (&'a str, &'a str);

/// What is due by now.
pub fn due(standing: &Standing<'_>, now: Time) -> Due {
    let mut due = Due::default();
    let known = standing.known.iter();
    let known: BTreeMap<Name<'_>, &Known> = known
        .map(|known| ((known.id.provider.word(), known.tracking_id.as_str()), *known))
        .collect();
    let mut told: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for one in standing.told {
        told.entry(&one.claim).or_default().insert(one.mark.clone());
    }
    let nothing = BTreeSet::new();
    // each of its own: two reminders in the same words would be one communication, told once
    let mut groups: BTreeMap<(Kind, String, Name<'_>), Vec<&Row>> = BTreeMap::new();
    let said: BTreeMap<&str, claim::Standing> = standing
        .said
        .iter()
        .map(|(id, history)| (id.as_str(), claim::Standing::of(history)))
        .collect();
    let unsaid = claim::Standing::default();
    for row in rows(standing.rows, &said) {
        let facts = Facts {
            row,
            standing: said.get(row.id.as_str()).unwrap_or(&unsaid),
            has_review: row.incidents.iter().any(|id| {
                known
                    .get(&(&*row.provider, id.as_str()))
                    .is_some_and(|known| known.has_review)
            }),
            told: told.get(row.id.as_str()).unwrap_or(&nothing),
        };
        let (reminders, next) = claim::due(&facts, now);
        due.next = due.next.into_iter().chain(next).min();
        // what a person entered is no incident: it counts where nothing else does
        let is_known = |id: &&String| known.contains_key(&(&*row.provider, id.as_str()));
        let last = row.incidents.iter().rev().find(is_known).or(row.downtimes.last());
        let last = last.map_or("", String::as_str);
        for reminder in reminders {
            let named = row.incidents.iter().find(|id| reminder.incident.as_ref() == Some(id));
            let about = (&*row.provider, named.filter(is_known).map_or(last, String::as_str));
            groups
                .entry((reminder.kind, reminder.mark, about))
                .or_default()
                .push(row);
        }
    }
    for ((kind, mark, about), claims) in groups {
        let entered = of_entered(&claims);
        // what rests on an incident that is not kept any more is shown on the page of claims
        let Some(known) = known.get(&about).copied().or(entered.as_ref()) else {
            continue;
        };
        due.reminders.push(ClaimsReminder {
            event: Box::new(event(standing.customer, (kind, &mark), known, &claims, now)),
            of: claims
                .iter()
                .map(|row| ClaimMark {
                    claim: row.id.clone(),
                    mark: mark.clone(),
                })
                .collect(),
        });
    }
    due
}

/// Downtime that a person entered, as what claims are about that rest on no incident of a provider.
fn of_entered(claims: &[&Row]) -> Option<Known> {
    let first = claims.first()?;
    let tracking_id = format!("downtime:{}", first.downtimes.last()?);
    let accounts: BTreeSet<String> = claims.iter().filter_map(|row| row.subscription.clone()).collect();
    Some(Known {
        id: IncidentId::new(Provider::Bellwether, &tracking_id),
        tracking_id,
        event_type: EventType::ServiceIssue,
        level: None,
        title: format!("{} was down, {ENTERED_BY_A_PERSON}", first.service),
        accounts: accounts.into_iter().collect(),
        impact: vec![Impact {
            service: first.service.clone(),
            service_id: None,
            region: first.region.clone(),
            accounts: Vec::new(),
        }],
        started: None,
        ended: None,
        has_review: false,
        counts: Vec::new(),
    })
}

/// What was worked out, and what was claimed of things that are no longer in the rule files.
fn rows<'a>(computed: &'a [Row], said: &'a BTreeMap<&str, claim::Standing>) -> Vec<&'a Row> {
    let known: BTreeSet<&str> = computed.iter().map(|row| row.id.as_str()).collect();
    let gone = said.iter().filter(|(id, _)| !known.contains(*id));
    let gone = gone.filter_map(|(_, standing)| standing.row.as_ref());
    computed.iter().chain(gone).collect()
}

fn event(customer: &CustomerId, (kind, mark): (Kind, &str), known: &Known, claims: &[&Row], now: Time) -> Event {
    let text = text((kind, mark), known, claims, now);
    Event {
        event_type: known.event_type,
        level: known.level,
        html: own::paragraphs(&text),
        impact: known.impact.clone(),
        accounts: known.accounts.clone(),
        impact_start: known.started,
        impact_end: known.ended,
        // it stands in the story of its incident, where there is one
        reminder: (known.id.provider != Provider::Bellwether).then(|| Box::new(reminder(kind, known, claims, now))),
        ..own::own(
            kind,
            Stage::Unknown,
            customer,
            &known.tracking_id,
            title((kind, mark), known, claims, now),
            &text,
            now,
        )
    }
}

/// What it reminds of: by that it stands in the story of its incident.
fn reminder(kind: Kind, known: &Known, claims: &[&Row], now: Time) -> Reminder {
    let (awaited, due) = match kind {
        Kind::CaseDue => (Awaited::Case, case_by(known, claims)),
        _ => (Awaited::Claim, end_of(&last_day(claims))),
    };
    Reminder {
        of: known.id.provider,
        title: known.title.clone(),
        awaited,
        since: known.started,
        due: due.unwrap_or(now),
        repairs: Vec::new(),
    }
}

/// When a day is over.
fn end_of(day: &str) -> Option<Time> {
    let next = day.parse::<NaiveDate>().ok()?.succ_opt()?;
    Some(next.and_time(NaiveTime::MIN).and_utc())
}

fn title((kind, mark): (Kind, &str), known: &Known, claims: &[&Row], now: Time) -> String {
    let many = match claims {
        [_] => "a credit".to_owned(),
        more => format!("{} credits", more.len()),
    };
    let what = match kind {
        Kind::CaseDue => format!("a case must be opened by {}", case_by_in_words(known, claims)),
        Kind::ClaimPossible if more_than(mark).is_some() => "more may be owed than was asked for".to_owned(),
        Kind::ClaimPossible => format!("{many} may be claimed until {}", last_day(claims)),
        Kind::ClaimUnanswered => "a claim has no answer or no credit yet".to_owned(),
        _ if is_over(claims, now) => format!("the last day for {many} has passed"),
        _ => format!("the last day for {many} is {}", in_days(claims, now)),
    };
    format!("{}: {what} – {}", known.tracking_id, known.title)
}

/// The day on which less was asked for than is owed, if a mark is of that.
fn more_than(mark: &str) -> Option<&str> {
    let (what, day) = mark.split_once(' ')?;
    (what == claim::MORE).then_some(day)
}

fn last_day(claims: &[&Row]) -> String {
    let first = claims.iter().filter_map(|row| row.last_day.as_deref()).min();
    first.unwrap_or("a day that the terms do not say").to_owned()
}

/// `2027-01-30, in 7 days`
fn in_days(claims: &[&Row], now: Time) -> String {
    let last_day = last_day(claims);
    let left = last_day
        .parse::<NaiveDate>()
        .ok()
        .map(|day| (day - now.date_naive()).num_days());
    match left {
        None => last_day,
        Some(0) => format!("{last_day}, today"),
        Some(1) => format!("{last_day}, tomorrow"),
        Some(days) => format!("{last_day}, in {days} days"),
    }
}

/// Until when a case must be opened for an incident.
fn case_by(known: &Known, claims: &[&Row]) -> Option<Time> {
    let cases = claims.iter().flat_map(|row| &row.cases);
    let own = cases.clone().filter(|case| case.incident == known.tracking_id);
    own.map(|case| case.by)
        .min()
        .or_else(|| cases.map(|case| case.by).max())
}

fn case_by_in_words(known: &Known, claims: &[&Row]) -> String {
    let by = case_by(known, claims);
    by.map_or_else(String::new, |by| by.format("%-d %b %Y, %H:%M UTC").to_string())
}

fn is_over(claims: &[&Row], now: Time) -> bool {
    last_day(claims) < now.date_naive().to_string()
}

/// What may be owed, until when, and what to do.
fn text((kind, mark): (Kind, &str), known: &Known, claims: &[&Row], now: Time) -> String {
    let id = format!("{} (“{}”)", known.tracking_id, known.title);
    let what = match kind {
        Kind::CaseDue => format!(
            "The terms ask for a case with the provider soon after an incident begins: for {id} it must be opened by {}, \
             whether a credit comes of it or not.",
            case_by_in_words(known, claims)
        ),
        Kind::ClaimPossible if let Some(day) = more_than(mark) => format!(
            "By what is known now, {id} among it, more is owed than was asked for on {day}: {} altogether. What was not \
             asked for must be claimed until {}.",
            sums(claims),
            last_day(claims)
        ),
        Kind::ClaimPossible => format!(
            "A review of {id} has come. By what you use and pay for, this may be owed: {}. It must be claimed until {}.",
            sums(claims),
            last_day(claims)
        ),
        Kind::ClaimUnanswered => {
            let (what, day) = mark.split_once(' ').unwrap_or((mark, ""));
            let missing = match what {
                "uncredited" => "no credit has come in the month after that",
                _ => "no answer has come in the time that the provider takes",
            };
            format!(
                "Claims that rest on {id} were submitted on {day}, and {missing}: {}.",
                sums(claims)
            )
        }
        _ if is_over(claims, now) => format!(
            "The last day to claim what may be owed for {id} was {}: {}. Nothing was submitted.",
            last_day(claims),
            sums(claims)
        ),
        _ => format!(
            "What may be owed for {id} must be claimed until {}: {}.",
            in_days(claims, now),
            sums(claims)
        ),
    };
    let to_do = match kind {
        Kind::CaseDue => "Open a case with the provider, then `bellwether claims state ID case-opened`.",
        Kind::ClaimPossible if more_than(mark).is_some() => {
            "`bellwether claims show ID` says what was asked for and what differs; ask for the rest, then `bellwether claims \
             state ID submitted --asked AMOUNT`, with all that was asked for by then."
        }
        Kind::ClaimUnanswered => {
            "Ask the provider, or the reseller who pays; then say how far it is: `bellwether claims state ID granted` (or \
             denied, credited)."
        }
        _ if is_over(claims, now) => {
            "Ask the provider all the same if it is worth it, or let it go: `bellwether claims state ID withdrawn`."
        }
        _ => {
            "`bellwether claims explain ID` says how a figure came about, `bellwether claims pack ID` puts together what a \
             claim must bring. If it is not worth the work: `bellwether claims state ID --not-worth-it`."
        }
    };
    let mut parts = vec![what, listed(claims), to_do.to_owned()];
    if claims.iter().any(|row| !row.verified) {
        parts.push(
            "Figures rest on unverified terms: compare these with the provider's own document before you claim."
                .to_owned(),
        );
    }
    parts.join("\n\n")
}

/// Each claim, or the first of very many.
fn listed(claims: &[&Row]) -> String {
    let mut lines: Vec<String> = claims.iter().take(NAMED).map(|row| line(row)).collect();
    let more = claims.len().saturating_sub(NAMED);
    lines.extend((more > 0).then(|| format!("- and {more} more")));
    lines.join("\n")
}

fn line(row: &Row) -> String {
    let name = row.resource.as_ref().or(row.subscription.as_ref());
    let name = name.map_or_else(String::new, |name| format!(", {name}"));
    let last_day = row.last_day.as_deref().unwrap_or("?");
    format!(
        "- {}: {}{name}, {}: {}, until {last_day}",
        row.id,
        row.service,
        row.month,
        amount(row)
    )
}

fn amount(row: &Row) -> String {
    match (&row.credit, &row.currency) {
        (Some(credit), Some(currency)) => format!("{credit} {currency}"),
        _ => "an amount that cannot be computed".to_owned(),
    }
}

/// `110.00 EUR and 20 JPY`, and what is not in it.
fn sums(claims: &[&Row]) -> String {
    let mut sums = Amounts::default();
    let unknown = claims
        .iter()
        .filter(|row| !sums.add(row.credit.as_deref(), row.currency.as_deref()))
        .count();
    let mut parts = sums.parts();
    parts.extend((unknown > 0).then(|| format!("{unknown} that cannot be computed")));
    parts.join(" and ")
}
