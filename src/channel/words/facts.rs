//! The table at the top of a message: what is affected, whose, since when, until when. Pure.

use chrono::Offset;
use chrono_tz::Tz;

use super::said;
use crate::channel::text::line;
use crate::clock::Time;
use crate::event::{Awaited, Event, EventType, Impact, Kind, Provider, Reminder, Stage, service_name};
use crate::message::{FrozenContent, Subscription};
use crate::notification::Form;

/// How many services, regions, subscriptions or earlier messages are named before "and 7 more".
const NAMED: usize = 12;

/// One line of the table at the top: a label, and one or more values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// `Affects`, `Since`, …
    pub label: &'static str,
    /// The values, one per line.
    pub values: Vec<String>,
}

impl Fact {
    fn new(label: &'static str, values: Vec<String>) -> Option<Self> {
        (!values.is_empty()).then_some(Self { label, values })
    }
}

/// The table's rows, in the order in which one asks.
pub(super) fn of(content: &FrozenContent, event: &Event) -> Vec<Fact> {
    let of = event.reminder.as_ref().map_or(event.provider, |reminder| reminder.of);
    let accounts = if of == Provider::Azure {
        "Subscriptions"
    } else {
        "Accounts"
    };
    if let Some(reminder) = &event.reminder {
        return of_reminder(content, event, reminder, accounts);
    }
    let since = content.since.or(event.impact_start);
    let is_work = event.event_type == EventType::PlannedMaintenance;
    let rows = [
        Fact::new("Affects", affected(&content.impact)),
        Fact::new(accounts, named(&content.subscriptions)),
        Fact::new(
            if is_work { "Starts" } else { "Since" },
            since.iter().map(|at| moment(*at, content.zone)).collect(),
        ),
        end(content, event, since),
        Fact::new(
            "Next update",
            said::next_update(event)
                .iter()
                .map(|at| format!("by {}", moment(*at, content.zone)))
                .collect(),
        ),
        Fact::new("Sessions", sessions(content, event)),
        Fact::new(
            "Level",
            event.level.iter().map(|level| level.word().to_owned()).collect(),
        ),
        Fact::new("Published", vec![moment(event.published, content.zone)]),
        Fact::new("Tracking ID", vec![line(&event.tracking_id, 256)]),
        Fact::new("Not understood", not_understood(event)),
    ];
    let rows = rows.into_iter().flatten();
    rows.filter(|row| !event.kind.is_own() || row.label == "Published")
        .collect()
}

/// What of the notice could not be taken as it stands: the reader must know what may be missing above.
fn not_understood(event: &Event) -> Vec<String> {
    let notes = event.notes.iter().map(|note| line(&note.to_string(), 300));
    some_of(notes.collect())
}

/// What is owed, since when, due when, and how late it is.
fn of_reminder(content: &FrozenContent, event: &Event, reminder: &Reminder, accounts: &'static str) -> Vec<Fact> {
    let (since, due, awaited) = match reminder.awaited {
        Awaited::Case => ("Began", "Due", Some("Case with the provider")),
        // a day, which the text says, and no moment
        Awaited::Claim => ("Began", "", Some("Service credit")),
        Awaited::PreliminaryReview => ("Mitigated", "Due", Some("Preliminary post incident review (PIR)")),
        Awaited::FinalReview => ("Mitigated", "Due", Some("Post incident review (PIR)")),
        Awaited::Update => ("Promised", "Due", Some("Next update")),
        Awaited::Repairs => ("Promised", "Due before", Some("Repairs")),
        Awaited::MaintenanceStart => ("Announced", "Starts", None),
        Awaited::MaintenanceEnd => ("Announced", "Ends", None),
    };
    let moment = |at: Time| moment(at, content.zone);
    let late = (event.published > reminder.due).then(|| event.published - reminder.due);
    let late = late.filter(|_| awaited.is_some() && !due.is_empty());
    let late = late.filter(|late| late.num_minutes() > 0);
    let rows = [
        Fact::new("Owed", awaited.iter().map(|what| (*what).to_owned()).collect()),
        Fact::new("Affects", affected(&content.impact)),
        Fact::new(accounts, named(&content.subscriptions)),
        Fact::new(since, reminder.since.iter().map(|at| moment(*at)).collect()),
        Fact::new(due, vec![moment(reminder.due)]).filter(|fact| !fact.label.is_empty()),
        Fact::new("Late", late.iter().map(|late| span(*late)).collect()),
        Fact::new(
            "Level",
            event.level.iter().map(|level| level.word().to_owned()).collect(),
        ),
        Fact::new("Tracking ID", vec![line(&event.tracking_id, 256)]),
    ];
    rows.into_iter().flatten().collect()
}

/// The end of impact, in the word that fits: an issue that goes on has none, whatever is left in its metadata.
fn end(content: &FrozenContent, event: &Event, since: Option<Time>) -> Option<Fact> {
    let at = event.impact_end?;
    let is_over = event.kind != Kind::Update || matches!(event.stage, Stage::Resolved | Stage::Rca | Stage::Complete);
    let (label, shown) = match event.event_type {
        EventType::PlannedMaintenance => ("Ends", true),
        EventType::ServiceIssue => ("Mitigated", is_over),
        _ => ("Due", true),
    };
    let lasted = since
        .filter(|since| label == "Mitigated" && *since < at)
        .map(|since| lasted(at - since));
    let value = format!("{}{}", moment(at, content.zone), lasted.unwrap_or_default());
    shown.then_some(())?;
    Fact::new(label, vec![value])
}

/// `, after 1 h 36 min`.
fn lasted(long: chrono::TimeDelta) -> String {
    format!(", after {}", span(long))
}

/// `1 h 36 min`.
fn span(long: chrono::TimeDelta) -> String {
    match (long.num_days(), long.num_hours() % 24, long.num_minutes() % 60) {
        (0, 0, minutes) => format!("{} min", minutes.max(1)),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn sessions(content: &FrozenContent, event: &Event) -> Vec<String> {
    let wanted = |nth: usize| match content.form {
        Form::Message => true,
        Form::Invitation { session, .. } => session == nth,
    };
    let shown = event.sessions.iter().enumerate().filter(|(nth, _)| wanted(*nth));
    some_of(shown.map(|(_, session)| moment(session.start, content.zone)).collect())
}

/// A moment in the receiver's zone, short, with its weekday: `Thu 10 Dec 2026, 16:00 CET`.
pub(super) fn appointment(at: Time, zone: Tz) -> String {
    let local = at.with_timezone(&zone);
    format!("{} {}", local.format("%a %-d %b %Y, %H:%M"), zone_name(&local))
}

/// `CET`, `UTC-03`; `UTC` where the time is the same.
fn zone_name(local: &chrono::DateTime<Tz>) -> String {
    if local.offset().fix().local_minus_utc() == 0 {
        return "UTC".to_owned();
    }
    let name = local.format("%Z").to_string();
    match name.starts_with(['+', '-']) {
        true => format!("UTC{name}"),
        false => name,
    }
}

/// A moment in the receiver's zone, with UTC beside it where the two differ.
pub(super) fn moment(at: Time, zone: Tz) -> String {
    let local = at.with_timezone(&zone);
    if local.offset().fix().local_minus_utc() == 0 {
        return at.format("%-d %b %Y, %H:%M UTC").to_string();
    }
    let name = zone_name(&local);
    let same_day = local.date_naive() == at.date_naive();
    let utc = at.format(if same_day { "%H:%M UTC" } else { "%-d %b, %H:%M UTC" });
    format!("{} {name} ({utc})", local.format("%-d %b %Y, %H:%M"))
}

/// What is affected, one line per service: `Virtual Machines: East US, West Europe`.
pub(super) fn affected(impact: &[Impact]) -> Vec<String> {
    let mut services: Vec<(&str, Vec<String>)> = Vec::new();
    for one in impact {
        let at = services
            .iter()
            .position(|(service, _)| *service == one.service)
            .unwrap_or_else(|| {
                services.push((&one.service, Vec::new()));
                services.len() - 1
            });
        services[at].1.extend(one.region.iter().map(|region| line(region, 80)));
    }
    let lines = services.into_iter().map(|(service, regions)| match regions.is_empty() {
        true => line(service_name(service), 120),
        false => line(
            &format!("{}: {}", line(service_name(service), 120), some_of(regions).join(", ")),
            400,
        ),
    });
    some_of(lines.collect())
}

/// Who is told, by the names the customer uses: `production (1111…)`, or the id where it has no name.
pub(super) fn named(subscriptions: &[Subscription]) -> Vec<String> {
    let lines = subscriptions.iter().map(|one| match one.groups.is_empty() {
        true => line(&one.id, 120),
        false => format!("{} ({})", line(&one.groups.join(", "), 120), line(&one.id, 120)),
    });
    some_of(lines.collect())
}

/// The first of many, and how many more there are.
pub(super) fn some_of(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > NAMED + 1 {
        let more = lines.len() - NAMED;
        lines.truncate(NAMED);
        lines.push(format!("and {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_the_receivers_zone_with_utc_beside_it() {
        for (time, zone, expected) in [
            (
                "2026-07-01T13:04:59Z",
                chrono_tz::Europe::Berlin,
                "1 Jul 2026, 15:04 CEST (13:04 UTC)",
            ),
            (
                "2026-12-31T23:30:00Z",
                chrono_tz::Europe::Berlin,
                "1 Jan 2027, 00:30 CET (31 Dec, 23:30 UTC)",
            ),
            ("2026-07-01T13:04:00Z", chrono_tz::UTC, "1 Jul 2026, 13:04 UTC"),
            (
                "2026-01-01T13:04:00Z",
                chrono_tz::Europe::London,
                "1 Jan 2026, 13:04 UTC",
            ),
            (
                "2026-07-01T01:00:00Z",
                chrono_tz::America::Sao_Paulo,
                "30 Jun 2026, 22:00 UTC-03 (1 Jul, 01:00 UTC)",
            ),
            (
                "2026-07-01T01:00:00Z",
                chrono_tz::Asia::Kolkata,
                "1 Jul 2026, 06:30 IST (01:00 UTC)",
            ),
        ] {
            assert_eq!(moment(at(time), zone), expected);
        }
    }

    fn at(text: &str) -> Time {
        text.parse().expect("a time")
    }
}
