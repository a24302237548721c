//! What an event of our own reminds of: something that a provider owes, or a time that comes or has passed.

use serde::{Deserialize, Serialize};

use super::Provider;
use crate::clock::Time;

/// What somebody is reminded of. It stands on the event, so that a message can say each time in its reader's zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// The provider of the incident; its tracking id is the event's own.
    pub of: Provider,
    /// What the provider calls the trouble.
    pub title: String,
    /// What is awaited.
    pub awaited: Awaited,
    /// Since when: the mitigation of a review, the communication that promised an update or a repair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// When it is, or was, due.
    pub due: Time,
    /// The repairs whose month has passed, in the provider's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repairs: Vec<String>,
}

/// What is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awaited {
    /// A preliminary review.
    PreliminaryReview,
    /// The final review, or the only one.
    FinalReview,
    /// The next update.
    Update,
    /// Repairs that a review promised.
    Repairs,
    /// The start of a planned maintenance.
    MaintenanceStart,
    /// Its end.
    MaintenanceEnd,
    /// A case with the provider, which somebody must open.
    Case,
    /// A service credit: its claim, or the answer to it. It is due when its last day is over.
    Claim,
}

impl Awaited {
    /// All of them.
    pub const ALL: &[Self] = &[
        Awaited::PreliminaryReview,
        Awaited::FinalReview,
        Awaited::Update,
        Awaited::Repairs,
        Awaited::MaintenanceStart,
        Awaited::MaintenanceEnd,
        Awaited::Case,
        Awaited::Claim,
    ];

    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Awaited::PreliminaryReview => "preliminary-review",
            Awaited::FinalReview => "final-review",
            Awaited::Update => "update",
            Awaited::Repairs => "repairs",
            Awaited::MaintenanceStart => "maintenance-start",
            Awaited::MaintenanceEnd => "maintenance-end",
            Awaited::Case => "case",
            Awaited::Claim => "claim",
        }
    }

    /// What it is called in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Awaited::PreliminaryReview => "the preliminary post incident review (PIR)",
            Awaited::FinalReview => "the post incident review (PIR)",
            Awaited::Update => "the next update",
            Awaited::Repairs => "the repairs",
            Awaited::MaintenanceStart => "the start of the maintenance",
            Awaited::MaintenanceEnd => "the end of the maintenance",
            Awaited::Case => "a case with the provider",
            Awaited::Claim => "a service credit",
        }
    }
}
