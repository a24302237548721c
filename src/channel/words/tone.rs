//! How it stands, as a colour: never the only sign of it, a word says it too. Pure.

use crate::event::{Event, EventType, Kind, Stage};

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something is broken.
    Trouble,
    /// Something may go wrong, or wants to be looked at.
    Caution,
    /// It is over.
    Over,
    /// News that do not change how it stands.
    News,
}

impl Tone {
    /// That of a communication.
    pub fn of(event: &Event) -> Self {
        match event.kind {
            Kind::Mitigation | Kind::Retraction | Kind::RulesMended | Kind::ReceiverBack => Tone::Over,
            Kind::PreliminaryReview | Kind::FinalReview | Kind::Retrospective | Kind::Recording => Tone::News,
            Kind::RulesBroken | Kind::SetAside | Kind::ClockJumped | Kind::NotUnderstood => Tone::Caution,
            Kind::ReviewDue | Kind::MaintenanceStarting | Kind::MaintenanceOver | Kind::ClaimPossible => Tone::News,
            Kind::ReviewOverdue | Kind::RepairDue | Kind::UpdateOverdue => Tone::Caution,
            Kind::CaseDue | Kind::ClaimDue | Kind::ClaimUnanswered => Tone::Caution,
            Kind::JournalLost | Kind::MailRefused | Kind::ReceiverFailing => Tone::Trouble,
            Kind::Update => update(event.event_type, event.stage),
        }
    }
}

fn update(event_type: EventType, stage: Stage) -> Tone {
    let is_over = matches!(stage, Stage::Resolved | Stage::Complete | Stage::Canceled);
    match event_type {
        EventType::HealthAdvisory | EventType::Billing | EventType::Other => Tone::News,
        _ if is_over => Tone::Over,
        _ if stage == Stage::Rca => Tone::News,
        EventType::ServiceIssue => Tone::Trouble,
        EventType::SecurityAdvisory => Tone::Caution,
        EventType::PlannedMaintenance => match stage {
            Stage::Active | Stage::InProgress => Tone::Caution,
            _ => Tone::News,
        },
    }
}
