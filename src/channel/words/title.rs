//! Titles and subjects: a title's part that names the trouble, without the part that says how far along it is. Pure.

use super::facts::appointment;
use crate::channel::text::line;
use crate::event::{Event, EventType, Kind, Stage};
use crate::message::FrozenContent;
use crate::notification::Form;

/// The word in front of the subject: what the communication is.
fn word(event: &Event) -> &'static str {
    match event.kind {
        Kind::Mitigation if event.event_type == EventType::SecurityAdvisory => "Resolved",
        Kind::Mitigation => "Mitigated",
        Kind::PreliminaryReview => "Preliminary PIR",
        Kind::FinalReview => "PIR",
        Kind::Retraction => "No impact",
        Kind::Retrospective => "Livestream",
        Kind::Recording => "Recording",
        Kind::RulesBroken => "Rules broken",
        Kind::RulesMended => "Rules mended",
        Kind::JournalLost => "Journal damaged",
        Kind::SetAside => "Set aside",
        Kind::ClockJumped => "Clock jumped",
        Kind::MailRefused => "Mail refused",
        Kind::ReceiverFailing => "Receiver fails",
        Kind::ReceiverBack => "Receiver works again",
        Kind::NotUnderstood => "Not understood",
        Kind::ReviewDue => "Review due",
        Kind::ReviewOverdue => "Review overdue",
        Kind::RepairDue => "Repairs due",
        Kind::UpdateOverdue => "Update overdue",
        Kind::MaintenanceStarting => "Maintenance starts",
        Kind::MaintenanceOver => "Maintenance over",
        Kind::ClaimPossible => "Credit possible",
        Kind::CaseDue => "Case to be opened",
        Kind::ClaimDue => "Claim due",
        Kind::ClaimUnanswered => "Claim unanswered",
        Kind::Update => match event.event_type {
            EventType::HealthAdvisory if is_over(event.stage) => "Advisory closed",
            EventType::HealthAdvisory => "Advisory",
            EventType::SecurityAdvisory if is_over(event.stage) => "Security, closed",
            EventType::SecurityAdvisory => "Security",
            EventType::Billing if is_over(event.stage) => "Billing, closed",
            EventType::Billing => "Billing",
            EventType::Other => "Notice",
            EventType::ServiceIssue | EventType::PlannedMaintenance => event.stage.word(),
        },
    }
}

/// Whether a stage says that nothing more comes of something.
pub(super) fn is_over(stage: Stage) -> bool {
    matches!(stage, Stage::Resolved | Stage::Complete | Stage::Canceled)
}

/// The provider's title, one line; what it is and its tracking id where it has none.
pub(super) fn title(event: &Event) -> String {
    let title = line(&event.title, 300);
    if title.is_empty() {
        format!("{} {}", event.event_type, line(&event.tracking_id, 64))
    } else {
        title
    }
}

/// What stands in the subject's bracket: for an invitation also when, where the reader is.
pub(super) fn label(content: &FrozenContent, event: &Event) -> String {
    let also = if content.part > 0 { ", also affected" } else { "" };
    let session = match content.form {
        Form::Message => return format!("{}{also}", word(event)),
        Form::Invitation { session, .. } => event.sessions.get(session),
    };
    match session {
        Some(session) => format!("Invitation, {}", appointment(session.start, content.zone)),
        None => "Invitation".to_owned(),
    }
}

/// At most 200 characters, the tracking id always among them.
pub(super) fn subject(content: &FrozenContent, event: &Event) -> String {
    let test = if event.test { "[Test] " } else { "" };
    // the title of a reminder begins with the tracking id
    let id = if event.kind.is_own() {
        String::new()
    } else {
        format!(" ({})", line(&event.tracking_id, 64))
    };
    let front = format!("{test}[{}] ", label(content, event));
    let room = 200 - front.chars().count() - id.chars().count();
    format!("{front}{}{id}", line(&core(&title(event)), room))
}

/// The title without the words that change from one communication of an incident to the next, with one sort of dash: Azure
/// writes now this one, now that, and readers of mail put together what has the same subject.
fn core(title: &str) -> String {
    let dashes = title.replace(" — ", " – ").replace(" - ", " – ");
    let parts: Vec<&str> = dashes.split(" – ").map(|part| past_maintenance(part.trim())).collect();
    let kept: Vec<&str> = parts.iter().copied().filter(|part| !is_state(part)).collect();
    if kept.is_empty() {
        title.to_owned()
    } else {
        kept.join(" – ")
    }
}

/// Whether a part of a title only says how far along things are.
fn is_state(part: &str) -> bool {
    let part = part.trim_end_matches([':', '.']).to_lowercase();
    let kind = part.trim_start_matches("preliminary ").trim_start_matches("final ");
    STATES.contains(&part.as_str())
        || matches!(
            kind,
            "post incident review (pir)" | "post-incident review (pir)" | "post incident review"
        )
        || matches!(kind, "pir" | "rca" | "root cause analysis")
}

/// Parts of titles that say a state, in lower case.
const STATES: [&str; 19] = [
    "active",
    "applying mitigation",
    "azure incident retrospective",
    "canceled",
    "cancelled",
    "complete",
    "completed",
    "identified",
    "in progress",
    "incident retrospective",
    "investigating",
    "mitigated",
    "mitigation applied",
    "monitoring",
    "no impact",
    "rescheduled",
    "resolved",
    "update",
    "mitigation statement",
];

/// `Planned Maintenance Completed for X` is about `X`.
fn past_maintenance(part: &str) -> &str {
    let begins = part.to_ascii_lowercase();
    let begins = begins.trim_start_matches("routine ");
    let states = [
        "notification",
        "completed",
        "in progress",
        "canceled",
        "cancelled",
        "rescheduled",
    ];
    let found = states
        .iter()
        .find(|state| begins.starts_with(&format!("planned maintenance {state} for ")));
    found
        .and_then(|state| part.get(part.len() - begins.len() + 25 + state.len()..))
        .unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_change_within_an_incident_are_left_out_of_the_subject() {
        for (title, expected) in [
            (
                "App Service – Erroneous 404 failures – Applying mitigation",
                "App Service – Erroneous 404 failures",
            ),
            (
                "App Service – Erroneous 404 failures – Mitigated",
                "App Service – Erroneous 404 failures",
            ),
            (
                "Post Incident Review (PIR) – App Service – Erroneous 404 failures",
                "App Service – Erroneous 404 failures",
            ),
            (
                "Preliminary Post Incident Review (PIR) - App Service - Erroneous 404 failures",
                "App Service – Erroneous 404 failures",
            ),
            ("Active - Virtual Machines", "Virtual Machines"),
            ("No Impact - Azure Portal - Europe", "Azure Portal – Europe"),
            (
                "Azure Incident Retrospective - App Service - Southeast Asia",
                "App Service – Southeast Asia",
            ),
            (
                "Canceled - Planned Maintenance Notification for Scheduled Maintenance to Azure Database - North Europe",
                "Scheduled Maintenance to Azure Database – North Europe",
            ),
            (
                "Routine Planned Maintenance in Progress for App Service in Southeast Asia",
                "App Service in Southeast Asia",
            ),
            ("Planned Maintenance Completed for X", "X"),
            ("Mitigated", "Mitigated"),
            ("PIR – RCA", "PIR – RCA"),
        ] {
            assert_eq!(core(title), expected);
        }
    }

    #[test]
    fn a_long_subject_keeps_its_tracking_id() {
        let mut message = crate::channel::sample::with_text("");
        std::sync::Arc::make_mut(&mut message.event).title = "word ".repeat(100);
        let subject = subject(&message.content, &message.event);
        assert!(
            subject.chars().count() <= 200 && subject.ends_with("… (0NIH-U2O)"),
            "{subject}"
        );
    }
}
