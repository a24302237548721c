//! Something that an incident owes may have to be told: each customer that heard of it is reminded by an event of our own.
//!
//! An incident has one moment at which it is looked at next. Whoever hears of it brings that forward; the look says when
//! the next one is. So nothing is worked out at every event, and a moment that passed while the daemon was off is made
//! up for at its start.

use std::collections::BTreeSet;

use super::notifications_due::azure_page;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Awaited, Event, Impact, Kind, Provider, Reminder, Stage};
use crate::incident::reminders::{Heard, Look, Mark, Reminded, look};
use crate::incident::reviews::{About, Said, progress};
use crate::incident::{Incident, IncidentId};
use crate::record::{Change, Deadline, GoOn, Why};

mod facts;

pub use facts::LookAt;

/// How many repairs are listed in an event.
const REPAIRS_LISTED: usize = 20;

/// What is known of an incident that is looked at, for some of those who heard of it.
pub struct Owing {
    /// Which.
    pub incident: IncidentId,
    /// Those who heard of it.
    pub customers: Vec<Part>,
    /// When it is looked at next, as far as that is known by now.
    pub clock: Option<Time>,
    /// When it was to be looked at.
    pub due: Time,
    /// The customer behind which to go on, if there are more.
    pub more: Option<CustomerId>,
    /// When reviews are due, and how large an incident must be for them.
    pub terms: crate::incident::reviews::Terms,
    /// What a person corrected.
    pub corrected: crate::incident::correction::Corrected,
}

impl Owing {
    /// Where the next look goes on, if there are more customers.
    pub fn go_on(&self) -> Option<GoOn> {
        let after = self.more.clone()?;
        Some(GoOn { after, due: self.due })
    }
}

/// An incident as one customer heard of it.
pub struct Part {
    /// Who.
    pub customer: CustomerId,
    /// What it knows of the incident.
    pub incident: Incident,
    /// Its accounts that heard of it, sorted.
    pub accounts: Vec<String>,
    /// What is impacted for them.
    pub impact: Vec<Impact>,
    /// What was said.
    pub said: Vec<Said>,
    /// What it was reminded of before.
    pub told: Vec<Mark>,
}

/// Looks at an incident.
pub fn remind(owing: &Owing, now: Time) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut next: Option<Time> = None;
    for part in &owing.customers {
        let look = look_at(part, owing, now);
        next = next.into_iter().chain(look.next).min();
        changes.extend(look.tell.iter().map(|(kind, reminder)| Change::Raised {
            event: Box::new(event(part, *kind, reminder, now)),
        }));
        if look.told != part.told {
            changes.push(Change::Reminded(Reminded {
                incident: owing.incident.clone(),
                customer: part.customer.clone(),
                of: look.told,
            }));
        }
    }
    if changes.is_empty() {
        changes.push(Change::Nothing { why: Why::NothingOwed });
    }
    changes.extend(set_clock(&owing.incident, owing.clock, next));
    changes.extend(owing.go_on().map(|on| Change::Wake {
        deadline: Deadline::Owed {
            incident: owing.incident.clone(),
            on: Some(on),
        },
        at: now,
    }));
    changes
}

/// That an incident is looked at at `wanted`, unless it is sooner anyway: `before` is when it was to be looked at.
pub(super) fn set_clock(incident: &IncidentId, before: Option<Time>, wanted: Option<Time>) -> Vec<Change> {
    let deadline = || Deadline::Owed {
        incident: incident.clone(),
        on: None,
    };
    match (before, wanted) {
        (Some(before), Some(wanted)) if before <= wanted => Vec::new(),
        (Some(_), None) => Vec::new(),
        (before, wanted) => {
            let unwake = before.map(|at| Change::Unwake {
                deadline: deadline(),
                at,
            });
            let wake = wanted.map(|at| Change::Wake {
                deadline: deadline(),
                at,
            });
            let clock = Change::NextLook {
                incident: incident.clone(),
                at: wanted,
            };
            unwake.into_iter().chain(wake).chain([clock]).collect()
        }
    }
}

fn look_at(part: &Part, owing: &Owing, now: Time) -> Look {
    let about = About {
        event_type: part.incident.event_type,
        is_test: part.incident.test,
        corrected: owing.corrected,
        terms: &owing.terms,
    };
    let progress = progress(&about, &part.said, now);
    let heard = Heard {
        event_type: part.incident.event_type,
        title: &part.incident.title,
        provider: part.incident.id.provider,
        said: &part.said,
        progress: &progress,
        told: &part.told,
    };
    match part.incident.test {
        true => Look {
            told: part.told.clone(),
            ..Look::default()
        },
        false => look(&heard, &owing.terms, owing.due, now),
    }
}

/// The event of our own: what rules ask of the incident can be asked of it, too.
fn event(part: &Part, kind: Kind, reminder: &Reminder, now: Time) -> Event {
    let incident = &part.incident;
    let text = text(part, reminder, now);
    Event {
        event_type: incident.event_type,
        level: incident.level,
        html: super::own::paragraphs(&text),
        impact: part.impact.clone(),
        accounts: part.accounts.clone(),
        impact_start: incident.impact_start,
        impact_end: incident.impact_end,
        link: page(part),
        reminder: Some(Box::new(reminder.clone())),
        ..super::own::own(
            kind,
            Stage::Unknown,
            &part.customer,
            &incident.tracking_id,
            title(&incident.tracking_id, reminder, now),
            &text,
            now,
        )
    }
}

/// The provider's own page of the incident.
fn page(part: &Part) -> Option<url::Url> {
    let of_azure = part.incident.id.provider == Provider::Azure;
    of_azure.then(|| azure_page(&part.incident.tracking_id, part.accounts.first()?))?
}

fn title(tracking_id: &str, reminder: &Reminder, now: Time) -> String {
    let is_past = reminder.due <= now;
    let what = match reminder.awaited {
        Awaited::PreliminaryReview | Awaited::FinalReview | Awaited::Update => {
            let state = if is_past { "overdue" } else { "due soon" };
            format!("{} is {state}", reminder.awaited.name())
        }
        Awaited::Repairs => format!("repairs were promised for {}", month(reminder.due)),
        Awaited::MaintenanceStart if is_past => "the maintenance was to start".to_owned(),
        Awaited::MaintenanceStart => "the maintenance starts soon".to_owned(),
        Awaited::MaintenanceEnd => "the time of the maintenance is over".to_owned(),
        // those are told by `assess`, in words of its own
        Awaited::Case | Awaited::Claim => reminder.awaited.name().to_owned(),
    };
    format!("{tracking_id}: {what} – {}", reminder.title)
}

/// What is owed, since when, due when, and what to do.
fn text(part: &Part, reminder: &Reminder, now: Time) -> String {
    let id = format!("{} (“{}”)", part.incident.tracking_id, reminder.title);
    let due = said(reminder.due);
    let name = reminder.awaited.name();
    let is_past = reminder.due <= now;
    let mitigated = reminder
        .since
        .map(|since| format!(" It was mitigated on {}.", said(since)));
    let mitigated = mitigated.unwrap_or_default();
    let (what, to_do) = match reminder.awaited {
        Awaited::PreliminaryReview | Awaited::FinalReview if is_past => (
            format!("{} of {id} was due by {due} and has not come.{mitigated}", capital(name)),
            "Look at the incident in the provider's portal: if the review is not there, ask the provider for it and name \
             the tracking id. You are not reminded of it again."
                .to_owned(),
        ),
        Awaited::PreliminaryReview | Awaited::FinalReview => (
            format!("{} of {id} is due by {due}.{mitigated}", capital(name)),
            "There is nothing to do yet. If it does not come in time, you are told so once.".to_owned(),
        ),
        Awaited::Update => (
            format!("{} of {id} was promised for {due} and has not come.", capital(name)),
            "Look at the incident in the provider's portal: an update may stand there that was not sent. If not, ask the \
             provider and name the tracking id."
                .to_owned(),
        ),
        Awaited::Repairs => (
            format!(
                "The review of {id} promised these repairs for {}, which has passed:\n\n{}",
                month(reminder.due),
                listed(&reminder.repairs)
            ),
            "Providers rarely say that a repair is done. If it matters to you, ask the provider and name the tracking id."
                .to_owned(),
        ),
        Awaited::MaintenanceStart if is_past => (
            format!("The maintenance {id} was to start on {due}."),
            "The provider has not said that it began. Look at what runs there.".to_owned(),
        ),
        Awaited::MaintenanceStart => (
            format!("The maintenance {id} starts on {due}."),
            "Prepare what runs there, or look whether it can be moved.".to_owned(),
        ),
        Awaited::Case | Awaited::Claim => (format!("{} of {id}.", capital(name)), String::new()),
        Awaited::MaintenanceEnd => (
            format!("The time of the maintenance {id} is over: it was to end by {due}."),
            "Look whether everything runs again.".to_owned(),
        ),
    };
    format!("{what}\n\n{to_do}")
}

fn listed(repairs: &[String]) -> String {
    let mut lines: Vec<String> = repairs
        .iter()
        .take(REPAIRS_LISTED)
        .map(|one| format!("- {one}"))
        .collect();
    let more = repairs.len().saturating_sub(REPAIRS_LISTED);
    lines.extend((more > 0).then(|| format!("- and {more} more")));
    lines.join("\n")
}

fn said(at: Time) -> String {
    at.format("%-d %b %Y, %H:%M UTC").to_string()
}

/// The month that is over at this moment.
fn month(over: Time) -> String {
    (over - chrono::Duration::seconds(1)).format("%B %Y").to_string()
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Incidents of a version without clocks, some of them.
pub struct Unclocked {
    /// Those that are to be looked at.
    pub incidents: Vec<IncidentId>,
    /// The last one that was passed, if there are more.
    pub more: Option<IncidentId>,
}

/// Sets the clocks of incidents that have none.
pub fn begin(unclocked: &Unclocked, now: Time) -> Vec<Change> {
    let distinct: BTreeSet<&IncidentId> = unclocked.incidents.iter().collect();
    let clocks = distinct
        .into_iter()
        .flat_map(|incident| set_clock(incident, None, Some(now)));
    let mut changes: Vec<Change> = clocks.collect();
    changes.push(match &unclocked.more {
        Some(after) => Change::Wake {
            deadline: Deadline::Clocks {
                after: Some(after.clone()),
            },
            at: now,
        },
        None => Change::ClocksBegun,
    });
    changes
}
