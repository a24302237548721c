//! Our record of a trouble: what is known of it so far, and how far along it is. Pure.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::event::{Arrival, Event, EventType, Impact, Kind, Level, Line, Provider, Stage};

pub mod correction;
pub mod reminders;
pub mod resources;
pub mod reviews;

/// What an incident is known by: the provider, and its tracking id without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentId {
    /// Who named it.
    pub provider: Provider,
    /// The tracking id in lower case.
    pub tracking_id: String,
}

impl IncidentId {
    /// The incident that `event` belongs to.
    pub fn of(event: &Event) -> Self {
        Self::new(event.provider, &event.tracking_id)
    }

    /// The incident of this tracking id.
    pub fn new(provider: Provider, tracking_id: &str) -> Self {
        Self {
            provider,
            tracking_id: tracking_id.to_lowercase(),
        }
    }

    /// A tracking id as the last part of a path: browsers take `.` and `..` for the directory itself and the one above
    /// it, however they are escaped, so a tilde comes before them.
    pub fn segment(tracking_id: &str) -> Cow<'_, str> {
        match is_dots(tracking_id) {
            true => Cow::Owned(format!("~{tracking_id}")),
            false => Cow::Borrowed(tracking_id),
        }
    }

    /// The tracking id of [`IncidentId::segment`], and of links from before it.
    pub fn of_segment(segment: &str) -> &str {
        let behind_tilde = segment.strip_prefix('~').filter(|rest| is_dots(rest));
        behind_tilde.unwrap_or(segment)
    }
}

/// `.` or `..`, or one of them with tildes before it: what could be taken for an escaped one.
fn is_dots(tracking_id: &str) -> bool {
    matches!(tracking_id.trim_start_matches('~'), "." | "..")
}

/// How far along a trouble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Announced (maintenance).
    Planned,
    /// Going on.
    Active,
    /// Over.
    Mitigated,
    /// Called off (maintenance).
    Canceled,
    /// There was none: a false positive.
    Retracted,
}

impl Status {
    /// What one event says of the status; `None` where it says nothing (a review, an invitation).
    pub fn said_by(event: &Event) -> Option<Self> {
        Self::of(event.kind, event.stage)
    }

    /// The same of a communication of this kind and stage.
    pub fn of(kind: Kind, stage: Stage) -> Option<Self> {
        match (kind, stage) {
            (Kind::Retraction, _) => Some(Self::Retracted),
            (Kind::Mitigation, _) => Some(Self::Mitigated),
            (Kind::Update, Stage::Resolved | Stage::Complete) => Some(Self::Mitigated),
            (Kind::Update, Stage::Canceled) => Some(Self::Canceled),
            (Kind::Update, Stage::Planned | Stage::Rescheduled) => Some(Self::Planned),
            (Kind::Update, Stage::Active | Stage::InProgress) => Some(Self::Active),
            (Kind::RulesMended | Kind::ReceiverBack, _) => Some(Self::Mitigated),
            // a reminder is no trouble of its own
            (kind, _) if kind.is_reminder() => Some(Self::Mitigated),
            // what we raise ourselves needs somebody until it is said to be good again
            (kind, _) if kind.is_own() => Some(Self::Active),
            _ => None,
        }
    }

    /// Whether nothing more is going on.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Mitigated | Self::Canceled | Self::Retracted)
    }

    /// The word shown to people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "Planned",
            Self::Active => "Active",
            Self::Mitigated => "Mitigated",
            Self::Canceled => "Canceled",
            Self::Retracted => "Retracted",
        }
    }
}

/// An incident as known now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// What it is known by.
    pub id: IncidentId,
    /// The tracking id as the provider wrote it.
    pub tracking_id: String,
    /// What sort of trouble.
    pub event_type: EventType,
    /// How far along, by the newest communication that says so.
    pub status: Status,
    /// The provider's time of the communication that said so.
    pub status_at: Time,
    /// What it is called: the title of its newest update or mitigation statement; a review's or an invitation's only
    /// until one of those is heard.
    pub title: String,
    /// The kind of the communication that named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_by: Option<Kind>,
    /// The kind of the newest communication.
    pub kind: Kind,
    /// How grave it was at its worst, by all communications that say so: a mitigation statement of level Informational
    /// does not make small what was an Error for hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// When impact began: the earliest that was said; of maintenance, which is moved, what was said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact_start: Option<Time>,
    /// When it ended (or will).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact_end: Option<Time>,
    /// The provider's time of the newest communication.
    pub updated: Time,
    /// When we first heard of it.
    pub first_heard: Time,
    /// A test.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

impl Incident {
    /// What is known after the first event.
    pub fn begun_by(event: &Event, now: Time) -> Self {
        Self {
            id: IncidentId::of(event),
            tracking_id: event.tracking_id.clone(),
            event_type: event.event_type,
            status: Status::said_by(event).unwrap_or(match event.stage {
                // nobody said that it is over
                Stage::Unknown => Status::Active,
                _ => Status::Mitigated,
            }),
            status_at: event.published,
            title: event.title.clone(),
            named_by: Some(event.kind),
            kind: event.kind,
            level: event.level,
            impact_start: event.impact_start,
            impact_end: event.impact_end,
            updated: event.published,
            first_heard: now,
            test: event.test,
        }
    }

    /// What is known after one more event; an older one than what we know (by the provider's time) changes little.
    pub fn after(&self, event: &Event) -> Self {
        let mut next = self.clone();
        if let Some(status) = Status::said_by(event)
            && event.published >= self.status_at
        {
            (next.status, next.status_at) = (status, event.published);
        }
        next.level = worst(self.level, event.level);
        if self.event_type != EventType::PlannedMaintenance {
            next.impact_start = earliest(self.impact_start, event.impact_start);
        } else if event.published >= self.updated {
            next.impact_start = event.impact_start.or(self.impact_start);
        }
        if event.published >= self.updated {
            next.updated = event.published;
            next.kind = event.kind;
            if self.is_named_anew_by(event) {
                next.title.clone_from(&event.title);
                next.named_by = Some(event.kind);
            }
            next.impact_end = event.impact_end.or(self.impact_end);
        }
        next.test = self.test && event.test;
        next
    }

    /// A trouble is called what its updates call it, not what the review or the livestream about it is called.
    fn is_named_anew_by(&self, event: &Event) -> bool {
        let is_progress = |kind: Kind| kind.line() == Line::Progress;
        is_progress(event.kind) || !self.named_by.is_some_and(is_progress)
    }

    /// Whether `event` opens it again after it was over.
    pub fn reopened_by(&self, event: &Event) -> bool {
        let begins = matches!(Status::said_by(event), Some(Status::Active | Status::Planned));
        begins && self.status.is_over() && event.published >= self.status_at
    }
}

/// The graver of two levels; `Level` lists the gravest first.
pub fn worst(one: Option<Level>, other: Option<Level>) -> Option<Level> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn earliest(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// One communication of an incident, as listed in its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The incident.
    pub incident: IncidentId,
    /// The communication's id.
    pub communication: String,
    /// The provider's time of it.
    pub published: Time,
    /// The provider's word for that time, where it is wild.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_said: Option<Time>,
    /// What it is.
    pub kind: Kind,
    /// Its stage.
    pub stage: Stage,
    /// Its title.
    pub title: String,
    /// Where its (first) event was recorded.
    pub event: crate::journal::Position,
    /// When it arrived.
    pub heard: Time,
    /// Live or history.
    #[serde(default)]
    pub arrival: Arrival,
    /// For an invitation: the number that each of its event's sessions has within the incident, in the event's order;
    /// empty if that is its index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<usize>,
}

/// One account's hearing of one communication: what repeats, overtaking and isolation are judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hearing {
    /// The incident.
    pub incident: IncidentId,
    /// The account; empty for an event that names none.
    pub account: String,
    /// The source, for an event that names no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The provider's time.
    pub published: Time,
    /// The communication: its text's digest, and which time it came again after another one (`…`, `….1`).
    pub communication: String,
    /// What it is.
    pub kind: Kind,
    /// A digest of all that rules can see of it.
    pub visible: String,
    /// Live or history: what came as history told nobody, so it makes no later live one a repeat.
    #[serde(default)]
    pub arrival: Arrival,
    /// Where the event was recorded.
    pub event: crate::journal::Position,
    /// What is impacted, for this account; left out where the event says the same for very many accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impact: Vec<Impact>,
    /// All that the event names is impacted for this account: the event says what.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_event: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event of this type, published in this hour of a day.
    fn event(event_type: EventType, stage: Stage, hour: u32, level: Option<Level>) -> Event {
        let body = include_bytes!(
            "../../tests/fixtures/samples/azure/azure-webhook-legacy-servicehealth-incident-active.json"
        );
        let received = crate::event::read(body, None, Arrival::Live).expect("an event");
        Event {
            event_type,
            stage,
            kind: Kind::Update,
            level,
            published: at(hour),
            impact_start: Some(at(hour)),
            ..received.events[0].clone()
        }
    }

    fn at(hour: u32) -> Time {
        format!("2026-11-24T{hour:02}:00:00Z").parse().expect("a time")
    }

    #[test]
    fn an_incidents_level_is_the_worst_whichever_came_last() {
        use Level::{Error, Informational, Warning};
        let issue = |hour, level| event(EventType::ServiceIssue, Stage::Active, hour, level);
        for (levels, expected) in [
            (vec![Some(Error), Some(Informational)], Some(Error)),
            (vec![Some(Informational), Some(Error), None], Some(Error)),
            (vec![None, Some(Warning), Some(Warning)], Some(Warning)),
            (vec![None, None], None),
        ] {
            let mut events = levels.iter().enumerate().map(|(nth, level)| issue(nth as u32, *level));
            let begun = Incident::begun_by(&events.next().expect("one"), at(0));
            let known = events.fold(begun, |known, next| known.after(&next));
            assert_eq!(known.level, expected, "{levels:?}");
        }
        // also of what is told late
        let begun = Incident::begun_by(&issue(9, Some(Informational)), at(9));
        assert_eq!(begun.after(&issue(1, Some(Error))).level, Some(Error));
    }

    #[test]
    fn trouble_began_at_the_earliest_and_maintenance_starts_when_it_was_said_last() {
        for (event_type, expected) in [(EventType::ServiceIssue, 3), (EventType::PlannedMaintenance, 6)] {
            let told = |start, hour| Event {
                impact_start: Some(at(start)),
                ..event(event_type, Stage::Planned, hour, None)
            };
            let moved = Incident::begun_by(&told(3, 1), at(1)).after(&told(6, 2));
            assert_eq!(moved.impact_start, Some(at(expected)), "{event_type}");
            let with_late_news = moved.after(&Event {
                impact_start: Some(at(4)),
                ..event(event_type, Stage::Planned, 0, None)
            });
            assert_eq!(with_late_news.impact_start, Some(at(expected)), "{event_type}");
        }
    }

    #[test]
    fn what_we_raise_ourselves_is_going_on_until_it_is_said_to_be_good_again() {
        for kind in Kind::ALL.iter().filter(|kind| kind.is_own()) {
            let raised = Event {
                kind: *kind,
                ..event(EventType::HealthAdvisory, Stage::Active, 1, None)
            };
            let expected = match kind {
                Kind::RulesMended | Kind::ReceiverBack => Status::Mitigated,
                kind if kind.is_reminder() => Status::Mitigated,
                _ => Status::Active,
            };
            assert_eq!(Incident::begun_by(&raised, at(1)).status, expected, "{kind}");
        }
    }

    #[test]
    fn a_tracking_id_of_dots_is_a_part_of_a_path_that_stays_and_comes_back() {
        for (id, segment) in [
            (".", "~."),
            ("..", "~.."),
            ("~.", "~~."),
            ("...", "..."),
            ("0NTJ-VV8", "0NTJ-VV8"),
        ] {
            assert_eq!(IncidentId::segment(id), segment);
            assert_eq!(IncidentId::of_segment(segment), id);
            let mut url = url::Url::parse("https://health.contoso.example/").expect("a URL");
            url.path_segments_mut().expect("a base").extend(["incidents", segment]);
            let again = url::Url::parse(url.as_str()).expect("a URL");
            assert_eq!(again.path_segments().and_then(Iterator::last), Some(segment));
        }
        assert_eq!(IncidentId::of_segment("~X-1"), "~X-1");
        assert_eq!(IncidentId::of_segment(".."), "..");
    }
}
