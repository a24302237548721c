//! What a state is called and how it is coloured: one table each for incidents, communications and deliveries, so that
//! nobody who only reads the words misreads them. A retirement is not red, finished maintenance is not "mitigated", and
//! a delivery that a later message stands for did not fail.

use crate::clock::Time;
use crate::delivery::{End, State};
use crate::event::{Event, EventType, Kind, Stage};
use crate::incident::reviews::Phase;
use crate::incident::{Incident, Status};

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Red: something is broken now.
    Alarm,
    /// Amber: look at it.
    Attention,
    /// Green: it is well again.
    Good,
    /// Blue: for your information.
    Notice,
    /// Grey: nothing (more) to do about it.
    Quiet,
}

/// A state in a word or two, and its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Badge {
    /// The words.
    pub word: &'static str,
    /// The colour.
    pub tone: Tone,
}

const fn badge(word: &'static str, tone: Tone) -> Badge {
    Badge { word, tone }
}

impl Tone {
    /// The class of the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Tone::Alarm => "alarm",
            Tone::Attention => "attention",
            Tone::Good => "good",
            Tone::Notice => "notice",
            Tone::Quiet => "quiet",
        }
    }
}

/// What a test of the provider is marked with.
pub const TEST: Badge = badge("Test", Tone::Attention);

/// What came as history only is marked with: nobody was told of it.
pub const BACK_FILLED: Badge = badge("Back-filled", Tone::Quiet);

/// What an incident is marked with of which the provider has withheld a text.
pub const INCOMPLETE: Badge = badge("Incomplete", Tone::Quiet);

/// What an incident is marked with of which a review is owed.
pub const REVIEW_OWED: Badge = badge("Review owed", Tone::Notice);

/// What an incident is marked with of which a review should have come.
pub const REVIEW_OVERDUE: Badge = badge("Review overdue", Tone::Attention);

/// How far along an incident is, as known `now`.
pub fn incident(incident: &Incident, now: Time) -> Badge {
    if let Some(own) = own(incident.kind) {
        return own;
    }
    let status = incident.status;
    match incident.event_type {
        EventType::ServiceIssue => issue(status),
        EventType::PlannedMaintenance => maintenance(status, incident.impact_start, incident.impact_end, now),
        EventType::SecurityAdvisory => security(status),
        EventType::HealthAdvisory => advisory(status, "Advisory"),
        EventType::Billing => advisory(status, "Billing notice"),
        EventType::Other => advisory(status, "Notice"),
    }
}

fn issue(status: Status) -> Badge {
    match status {
        Status::Planned => badge("Announced", Tone::Notice),
        Status::Active => badge("Active", Tone::Alarm),
        Status::Mitigated => badge("Mitigated", Tone::Good),
        Status::Canceled => badge("Called off", Tone::Quiet),
        Status::Retracted => badge("False alarm", Tone::Quiet),
    }
}

/// Providers do not always say that maintenance began, or that it is done: then only what was planned is known.
fn maintenance(status: Status, start: Option<Time>, end: Option<Time>, now: Time) -> Badge {
    match status {
        Status::Planned if end.is_some_and(|end| end <= now) => badge("Planned time is over", Tone::Quiet),
        Status::Planned if start.is_some_and(|start| start <= now) => badge("Planned for now", Tone::Attention),
        Status::Planned => badge("Planned", Tone::Notice),
        Status::Active => badge("In progress", Tone::Attention),
        Status::Mitigated => badge("Completed", Tone::Good),
        Status::Canceled => badge("Canceled", Tone::Quiet),
        Status::Retracted => badge("Withdrawn", Tone::Quiet),
    }
}

fn security(status: Status) -> Badge {
    match status {
        Status::Planned => badge("Announced", Tone::Notice),
        Status::Active => badge("Security advisory", Tone::Attention),
        Status::Mitigated => badge("Resolved", Tone::Good),
        Status::Canceled | Status::Retracted => badge("Withdrawn", Tone::Quiet),
    }
}

/// Retirements, changes, things to do: nothing is broken, however "active" the provider calls them.
fn advisory(status: Status, word: &'static str) -> Badge {
    match status {
        Status::Planned => badge("Announced", Tone::Notice),
        Status::Active => badge(word, Tone::Notice),
        Status::Mitigated => badge("Closed", Tone::Quiet),
        Status::Canceled | Status::Retracted => badge("Withdrawn", Tone::Quiet),
    }
}

/// The state of what the daemon itself raised; `None` for a provider's.
fn own(kind: Kind) -> Option<Badge> {
    match kind {
        Kind::RulesBroken => Some(badge("Needs mending", Tone::Alarm)),
        Kind::RulesMended => Some(badge("Mended", Tone::Good)),
        Kind::JournalLost => Some(badge("Data damaged", Tone::Alarm)),
        Kind::SetAside => Some(badge("Set aside", Tone::Attention)),
        Kind::ClockJumped => Some(badge("Clock jumped", Tone::Attention)),
        Kind::NotUnderstood => Some(badge("Not understood", Tone::Attention)),
        Kind::MailRefused => Some(badge("Mail is refused", Tone::Alarm)),
        Kind::ReceiverFailing => Some(badge("Receiver fails", Tone::Alarm)),
        Kind::ReceiverBack => Some(badge("Receiver works again", Tone::Good)),
        Kind::ReviewDue => Some(badge("Review due", Tone::Notice)),
        Kind::ReviewOverdue => Some(badge("Review overdue", Tone::Attention)),
        Kind::RepairDue => Some(badge("Repairs due", Tone::Notice)),
        Kind::UpdateOverdue => Some(badge("Update overdue", Tone::Attention)),
        Kind::MaintenanceStarting => Some(badge("Maintenance starts", Tone::Notice)),
        Kind::MaintenanceOver => Some(badge("Maintenance over", Tone::Quiet)),
        Kind::ClaimPossible => Some(badge("Credit possible", Tone::Notice)),
        Kind::CaseDue => Some(badge("Case to be opened", Tone::Attention)),
        Kind::ClaimDue => Some(badge("Claim due", Tone::Attention)),
        Kind::ClaimUnanswered => Some(badge("Claim unanswered", Tone::Attention)),
        Kind::Update
        | Kind::Mitigation
        | Kind::PreliminaryReview
        | Kind::FinalReview
        | Kind::Retraction
        | Kind::Retrospective
        | Kind::Recording => None,
    }
}

/// Where an incident is, as one says it.
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Planned => "planned",
        Phase::InProgress => "in progress",
        Phase::Investigating => "going on",
        Phase::Mitigated => "over",
        Phase::UnderReview => "over; a review is owed",
        Phase::Closed => "closed: nothing more is expected",
        Phase::Retracted => "there was none",
        Phase::Canceled => "called off",
    }
}

/// What one communication is.
pub fn communication(kind: Kind, event_type: EventType, stage: Stage) -> &'static str {
    match kind {
        Kind::Update => update(event_type, stage),
        Kind::Mitigation => match event_type {
            EventType::ServiceIssue => "Mitigated",
            _ => "Resolved",
        },
        Kind::PreliminaryReview => "Preliminary review",
        Kind::FinalReview => "Final review",
        Kind::Retraction => "False alarm",
        Kind::Retrospective => "Livestream invitation",
        Kind::Recording => "Recording of the livestream",
        Kind::RulesBroken => "Problems with rules",
        Kind::RulesMended => "Rules are good again",
        Kind::JournalLost => "Damage",
        Kind::SetAside => "Set aside",
        Kind::ClockJumped => "Clock jumped",
        Kind::NotUnderstood => "Not understood",
        Kind::MailRefused => "The mail relay refuses us",
        Kind::ReceiverFailing => "A receiver fails",
        Kind::ReceiverBack => "A receiver works again",
        Kind::ReviewDue => "Reminder: a review is due soon",
        Kind::ReviewOverdue => "Reminder: a review is overdue",
        Kind::RepairDue => "Reminder: repairs were promised",
        Kind::UpdateOverdue => "Reminder: an update is overdue",
        Kind::MaintenanceStarting => "Reminder: a maintenance starts",
        Kind::MaintenanceOver => "Reminder: a maintenance is over",
        Kind::ClaimPossible => "Reminder: a credit may be owed",
        Kind::CaseDue => "Reminder: a case must be opened",
        Kind::ClaimDue => "Reminder: a claim is due",
        Kind::ClaimUnanswered => "Reminder: a claim is unanswered",
    }
}

fn update(event_type: EventType, stage: Stage) -> &'static str {
    match (event_type, stage) {
        (_, Stage::Rca) => "Review",
        (_, Stage::Rescheduled) => "Moved to another time",
        (EventType::ServiceIssue, Stage::Canceled) => "Called off",
        (EventType::PlannedMaintenance, Stage::Canceled) => "Canceled",
        (_, Stage::Canceled) => "Withdrawn",
        (EventType::PlannedMaintenance, Stage::Active | Stage::InProgress) => "In progress",
        (EventType::PlannedMaintenance, Stage::Resolved | Stage::Complete) => "Completed",
        (EventType::PlannedMaintenance, Stage::Planned) => "Planned",
        (EventType::ServiceIssue, Stage::Resolved | Stage::Complete) => "Mitigated",
        (EventType::ServiceIssue, Stage::Active | Stage::InProgress) => "Update",
        (EventType::SecurityAdvisory, Stage::Resolved | Stage::Complete) => "Resolved",
        (_, Stage::Resolved | Stage::Complete) => "Closed",
        (_, Stage::Planned) => "Announced",
        (EventType::HealthAdvisory, Stage::Active | Stage::InProgress) => "Advisory",
        (EventType::SecurityAdvisory, Stage::Active | Stage::InProgress) => "Security advisory",
        (EventType::Billing, Stage::Active | Stage::InProgress) => "Billing notice",
        (EventType::Other, Stage::Active | Stage::InProgress) => "Notice",
        (_, Stage::Unknown) => "Update",
    }
}

/// What an incident is, beside its provider and tracking id; what we raise ourselves is no advisory of anybody's.
pub fn sort(incident: &Incident) -> &'static str {
    match own(incident.kind) {
        Some(_) => "Notice",
        None => incident.event_type.word(),
    }
}

/// The label of the moment when it begins, as known `now`.
pub fn begins(incident: &Incident, start: Time, now: Time) -> &'static str {
    let is_past = start <= now;
    match (incident.event_type, incident.status) {
        (EventType::PlannedMaintenance, Status::Canceled | Status::Retracted) => "Was to start",
        (EventType::PlannedMaintenance, Status::Planned) if is_past => "Planned from",
        (EventType::PlannedMaintenance, _) if is_past => "Started",
        (EventType::PlannedMaintenance, _) => "Starts",
        (EventType::ServiceIssue, Status::Mitigated | Status::Canceled) => "Began",
        (EventType::ServiceIssue, Status::Retracted) => "Was said to begin",
        _ if is_past => "Since",
        _ => "From",
    }
}

/// The label of the moment when it ends, as known `now`; `None` where there is none worth saying, whatever is left in
/// the metadata.
pub fn ends(incident: &Incident, end: Time, now: Time) -> Option<&'static str> {
    let is_past = end <= now;
    match (incident.event_type, incident.status) {
        (EventType::ServiceIssue, Status::Mitigated) => Some("Mitigated"),
        (EventType::ServiceIssue, _) => None,
        (EventType::PlannedMaintenance, Status::Mitigated) if is_past => Some("Ended"),
        (EventType::PlannedMaintenance, Status::Canceled | Status::Retracted | Status::Mitigated) => Some("Was to end"),
        (EventType::PlannedMaintenance, _) if is_past => Some("Was to end"),
        (EventType::PlannedMaintenance, _) => Some("Ends"),
        (_, Status::Mitigated | Status::Canceled | Status::Retracted) => Some("Was due"),
        _ if is_past => Some("Was due"),
        _ => Some("Due"),
    }
}

/// How far a delivery is; of one that another one stands for, whether that one goes elsewhere (`is_moved`).
pub fn delivery(state: &State, attempts: u32, is_moved: bool) -> Badge {
    match state {
        State::Scheduled { .. } if attempts > 0 => badge("scheduled again", Tone::Attention),
        State::Scheduled { .. } => badge("scheduled", Tone::Attention),
        State::Ended { end, .. } => match end {
            End::Delivered => badge("delivered", Tone::Good),
            End::Superseded { .. } if is_moved => badge("moved to the new address", Tone::Quiet),
            End::Superseded { .. } => badge("replaced by a later message", Tone::Quiet),
            End::Expired | End::Refused { .. } | End::ReceiverGone { .. } => badge("not delivered", Tone::Alarm),
        },
    }
}

/// What still gathers.
pub const GATHERING: Badge = badge("gathering", Tone::Attention);

/// What an advisory is about, in the provider's word (`Retirement`): by its newest communication that says so.
pub fn subtype<'e>(mut newest_first: impl Iterator<Item = &'e Event>) -> Option<&'e str> {
    newest_first.find_map(|event| event.subtype.as_deref().filter(|subtype| !subtype.trim().is_empty()))
}

#[cfg(test)]
mod tests;
