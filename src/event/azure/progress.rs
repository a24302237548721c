//! What a REST item's words say of its progress, where its fields do not: its status is only Active or Resolved, and
//! belongs, like its title, to the newest update.

use std::sync::LazyLock;

use regex::Regex;

use super::super::{EventType, Stage};

/// How much of a text tells what stage a maintenance is in, characters.
const OPENING_CHARS: usize = 600;

/// An item's status is only Active or Resolved; its text says how far a maintenance is.
pub(super) fn maintenance_stage(title: &str, body: &str, status: Stage) -> Stage {
    static SIGNS: LazyLock<[(Regex, Stage); 5]> = LazyLock::new(|| {
        let sign = |words: &str| Regex::new(&format!("(?i){words}")).expect("a valid expression");
        [
            (sign(r"\brescheduled\b"), Stage::Rescheduled),
            (
                sign(r"(\bbeen|\bis|^\W*)\s*cancell?ed\b|\bcancell?ed\s+-"),
                Stage::Canceled,
            ),
            (
                sign(r"\b(has|have)\s+(now\s+|been\s+|successfully\s+)*completed|\bmaintenance completed\b"),
                Stage::Complete,
            ),
            (
                sign(r"\bin progress\b|\bhas (now )?(started|begun)\b"),
                Stage::InProgress,
            ),
            (
                sign(r"\bupcoming\b|\bscheduled to\b|\bwill (start|begin|occur|take place)\b"),
                Stage::Planned,
            ),
        ]
    });
    let opening: String = format!("{title} {body}").chars().take(OPENING_CHARS).collect();
    let said = SIGNS
        .iter()
        .find(|(sign, _)| sign.is_match(&opening))
        .map(|(_, stage)| *stage);
    match (said, status) {
        (Some(Stage::Planned | Stage::InProgress), Stage::Resolved) => status,
        (said, status) => said.unwrap_or(status),
    }
}

/// Whether an update that is no longer the newest was the mitigation statement.
pub(super) fn reads_as_mitigation(body: &str) -> bool {
    let body = body.to_lowercase();
    let next = body.contains("what happens next?") || body.contains("next steps");
    next && (body.contains("how did we respond?") || body.contains("mitigation</strong>"))
}

/// A title without what it says of the newest update.
pub(super) fn plain_title(title: &str, event_type: EventType) -> String {
    static STATE: LazyLock<Regex> = LazyLock::new(|| {
        let state = r"(preliminary |final )?(post[- ]incident review|pir|rca|root cause analysis)( \((pir|rca)\))?|mitigated|resolved|active|no impact|azure incident retrospective|cancell?ed|rescheduled";
        Regex::new(&format!(r"(?i)^({state})\s*[-–—:]\s*|\s*[-–—]\s*({state})$")).expect("a valid expression")
    });
    static PROGRESS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?i)\s+(in progress|completed?)\b").expect("a valid expression"));
    let plain = STATE.replace_all(title.trim(), "");
    let plain = match event_type {
        EventType::PlannedMaintenance => PROGRESS.replace(&plain, ""),
        _ => plain,
    };
    let plain = plain.trim().to_string();
    if plain.is_empty() { title.to_string() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_without_its_state_is_still_a_title() {
        let plain = |title: &str| plain_title(title, EventType::ServiceIssue);
        assert_eq!(
            plain("App Service – Erroneous 404 – Mitigated"),
            "App Service – Erroneous 404"
        );
        assert_eq!(
            plain("Post Incident Review (PIR) – App Service – Slow"),
            "App Service – Slow"
        );
        assert_eq!(
            plain("ACTIVE: Virtual machines in West US"),
            "Virtual machines in West US"
        );
        assert_eq!(plain("Mitigated"), "Mitigated");
        let maintenance = plain_title(
            "Routine Planned Maintenance in Progress for App Service",
            EventType::PlannedMaintenance,
        );
        assert_eq!(maintenance, "Routine Planned Maintenance for App Service");
    }

    #[test]
    fn a_maintenance_says_in_its_text_how_far_it_is() {
        let says = |body: &str, status| maintenance_stage("Planned Maintenance Notification", body, status);
        assert_eq!(
            says("Maintenance has now completed at 00:00 UTC", Stage::Resolved),
            Stage::Complete
        );
        assert_eq!(
            says(
                "The maintenance is now in progress. More when maintenance is completed.",
                Stage::Active
            ),
            Stage::InProgress
        );
        assert_eq!(
            says(
                "The maintenance scheduled for Monday has been canceled.",
                Stage::Resolved
            ),
            Stage::Canceled
        );
        assert_eq!(
            says(
                "The maintenance scheduled to start on Monday has been rescheduled.",
                Stage::Active
            ),
            Stage::Rescheduled
        );
        assert_eq!(
            says("This is scheduled to occur on Monday", Stage::Active),
            Stage::Planned
        );
        assert_eq!(
            says("Upcoming", Stage::Resolved),
            Stage::Resolved,
            "a text that is out of date"
        );
        assert_eq!(says("", Stage::Active), Stage::Active);
    }
}
