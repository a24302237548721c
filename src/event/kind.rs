//! Recognises what a communication *is*, for no field says it.
//!
//! The order matters: a retrospective's invitation may carry the stage RCA, a mitigation statement speaks at length of
//! reviews, and the word "Finally" makes nothing final.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

use super::html::{self, Link};
use super::{EventType, Kind, Stage, plain, session};
use crate::clock::Time;

/// How much of a text is its opening, characters.
const OPENING_CHARS: usize = 500;

/// What the kind is recognised by.
pub(super) struct Signs<'a> {
    pub event_type: EventType,
    pub stage: Stage,
    /// The provider's tags of this communication.
    pub tags: &'a [String],
    pub title: &'a str,
    pub text: &'a str,
    /// When it was written, if that is known: dates without a year are read from there on.
    pub written: Option<Time>,
}

/// What the communication is.
pub(super) fn recognise(signs: &Signs<'_>) -> Kind {
    let opening = opening(signs.text);
    livestream(signs, opening)
        .or_else(|| tagged(signs.tags))
        .or_else(|| retraction(signs, opening))
        .or_else(|| review(signs, opening))
        .or_else(|| mitigation(signs))
        .unwrap_or(Kind::Update)
}

fn opening(text: &str) -> &str {
    let end = text.char_indices().nth(OPENING_CHARS).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

macro_rules! pattern {
    ($name:ident, $words:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($words).expect("a valid expression"));
    };
}

/// The invitation to a retrospective, or its recording. Reviews mention both, so the title or an invitation decides.
fn livestream(signs: &Signs<'_>, opening: &str) -> Option<Kind> {
    pattern!(
        TITLE,
        r"(?i)\bincident retrospective\b|\blive ?stream\b|\bretrospective (recording|video|invitation)\b"
    );
    pattern!(
        INVITED,
        r"(?i)\b(invited? (you )?to|invitation to|join us for)\b[^.]{0,120}\b(retrospective|live ?stream)"
    );
    if !TITLE.is_match(signs.title) && (is_review_title(signs.title) || !INVITED.is_match(opening)) {
        return None;
    }
    Some(if is_recording(signs) {
        Kind::Recording
    } else {
        Kind::Retrospective
    })
}

/// A recording is there now, not "will be", and no session is still to come.
fn is_recording(signs: &Signs<'_>) -> bool {
    pattern!(TITLE, r"(?i)\brecord(ing|ed)\b|\bvideo\b|\bon[- ]demand\b");
    pattern!(
        THERE,
        r"(?i)\b(recording|video)\b[^.]{0,60}\b(is|are) (now )?available|\bwatch (the|our|a|this)\b[^.]{0,80}\b(recording|video|retrospective)|\b(has been|was) recorded\b"
    );
    let there = TITLE.is_match(signs.title) || THERE.is_match(signs.text);
    let is_to_come = |at| !session::sessions(&plain::without_struck(signs.text), at).is_empty();
    there && !signs.written.is_some_and(is_to_come)
}

/// What the provider's tags say. Tags of one item may contradict each other, as they pile up over its updates: the last
/// word in the order of things counts, and a review is never hidden behind a retraction.
fn tagged(tags: &[String]) -> Option<Kind> {
    let has = |word: &str| tags.iter().any(|tag| super::fold(tag) == super::fold(word));
    if has("Final PIR") {
        Some(Kind::FinalReview)
    } else if has("Preliminary PIR") {
        Some(Kind::PreliminaryReview)
    } else {
        has("False Positive").then_some(Kind::Retraction)
    }
}

/// There was no impact after all.
fn retraction(signs: &Signs<'_>, opening: &str) -> Option<Kind> {
    pattern!(
        TITLE,
        r"(?i)^\W*(no impact|false (positive|alarm)|retracted|retraction)\b|[-–—:]\s*(no impact|false (positive|alarm)|retracted)\W*$"
    );
    pattern!(
        TEXT,
        r"(?i)\b(your subscription|you|your resources) (was|were) not (actually )?impacted by (this|the)|\bthis (was|is) a false (positive|alarm)\b|\b(sent|notified) in error\b"
    );
    let may_say_so = matches!(signs.stage, Stage::Resolved | Stage::Active) && !is_review_title(signs.title);
    let says_so = TITLE.is_match(signs.title) || (signs.stage == Stage::Resolved && TEXT.is_match(opening));
    (signs.event_type == EventType::ServiceIssue && may_say_so && says_so).then_some(Kind::Retraction)
}

fn is_review_title(title: &str) -> bool {
    pattern!(REVIEW, r"(?i)\bpost[- ]incident review\b|\broot cause analysis\b");
    pattern!(SHORT, r"\b(PIR|RCA)\b");
    REVIEW.is_match(title) || SHORT.is_match(title)
}

/// A post incident review: by its stage, its title, or the two headings that only a review has.
fn review(signs: &Signs<'_>, opening: &str) -> Option<Kind> {
    pattern!(WHY, r"(?im)^\W*what went wrong,? and why\b");
    pattern!(
        LESS_LIKELY,
        r"(?im)^\W*how are we making incidents like this less likely\b"
    );
    let may_be = matches!(
        signs.event_type,
        EventType::ServiceIssue | EventType::SecurityAdvisory | EventType::Other
    );
    let by_headings = || WHY.is_match(signs.text) && LESS_LIKELY.is_match(signs.text);
    let is_one = signs.stage == Stage::Rca || is_review_title(signs.title) || by_headings();
    (may_be && is_one).then(|| {
        if is_preliminary(signs.title, opening) {
            Kind::PreliminaryReview
        } else {
            Kind::FinalReview
        }
    })
}

/// A preliminary review says that a final one follows, and a final one which preliminary one it replaces: the first
/// mention is the one that speaks of itself.
fn is_preliminary(title: &str, opening: &str) -> bool {
    pattern!(
        ITSELF,
        r#"(?i)\b(preliminary|final)\b["'”’]?\s+["'“‘]?(post[- ]incident review|PIR|RCA|root cause analysis)\b"#
    );
    let says = |text: &str| {
        ITSELF
            .captures(text)
            .map(|found| found[1].eq_ignore_ascii_case("preliminary"))
    };
    says(title)
        .or_else(|| says(opening))
        .unwrap_or_else(|| title.to_lowercase().contains("preliminary"))
}

/// It is over. An advisory or a maintenance that ends is an update.
fn mitigation(signs: &Signs<'_>) -> Option<Kind> {
    pattern!(
        TITLE,
        r"(?i)^\W*(mitigated|resolved)\b|[-–—:(]\s*(mitigated|resolved)\W*$"
    );
    let may_be = matches!(signs.event_type, EventType::ServiceIssue | EventType::SecurityAdvisory);
    let over = signs.stage == Stage::Resolved
        || (matches!(signs.stage, Stage::Active | Stage::Unknown) && TITLE.is_match(signs.title));
    (may_be && over).then_some(Kind::Mitigation)
}

/// Where to register for a retrospective, or watch its recording; a review may link the recording too.
pub(super) fn link(kind: Kind, html: &str) -> Option<url::Url> {
    pattern!(REGISTER, r"(?i)regist|rsvp|sign[- ]?up|\bjoin\b");
    pattern!(WATCH, r"(?i)\bwatch|record|video|on[- ]demand");
    if !kind.is_review() && !matches!(kind, Kind::Retrospective | Kind::Recording) {
        return None;
    }
    let links = html::links(html);
    let found = match kind {
        Kind::Retrospective => said(&links, &REGISTER).or_else(|| air(&links)).or(links.first()),
        Kind::Recording => air(&links).or_else(|| said(&links, &WATCH)).or(links.first()),
        _ => air(&links),
    };
    found.map(|link| link.url.clone())
}

/// The first link that says so itself, else the first whose surroundings do. Links of one paragraph share them, so each
/// is read once.
fn said<'a>(links: &'a [Link], words: &Regex) -> Option<&'a Link> {
    let mut by_itself = links
        .iter()
        .filter(|link| words.is_match(&link.label) || words.is_match(link.url.path()));
    let mut read = HashSet::new();
    let mut by_surroundings = links
        .iter()
        .filter(|link| read.insert(link.around.as_ptr()) && words.is_match(&link.around));
    by_itself.next().or_else(|| by_surroundings.next())
}

/// `aka.ms/air/<tracking id>`: the retrospective's own page.
fn air(links: &[Link]) -> Option<&Link> {
    links.iter().find(|link| {
        let ours = link
            .url
            .host_str()
            .is_some_and(|host| host.eq_ignore_ascii_case("aka.ms"));
        ours && link.url.path().to_ascii_lowercase().starts_with("/air/")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(event_type: EventType, stage: Stage, title: &str, text: &str) -> Kind {
        let written = Some("2024-10-03T16:00:11Z".parse().unwrap());
        recognise(&Signs {
            event_type,
            stage,
            tags: &[],
            title,
            text,
            written,
        })
    }

    fn issue(stage: Stage, title: &str, text: &str) -> Kind {
        kind(EventType::ServiceIssue, stage, title, text)
    }

    #[test]
    fn a_review_that_nowhere_says_preliminary_is_final() {
        let finally = "What happened?\n\nx\n\nFinally, consider preliminary checks.";
        assert_eq!(
            issue(Stage::Rca, "Post Incident Review (PIR) – App Service – x", finally),
            Kind::FinalReview
        );
        assert_eq!(issue(Stage::Rca, "Virtual Machines - x", ""), Kind::FinalReview);
        assert_eq!(issue(Stage::Resolved, "RCA - Network - x", ""), Kind::FinalReview);
    }

    #[test]
    fn the_first_mention_speaks_of_itself() {
        let preliminary = "This is our Preliminary PIR. We will publish a Final PIR within 14 days.";
        let last = "This is our Final PIR. It replaces the Preliminary PIR of 8 September.";
        assert_eq!(
            issue(Stage::Rca, "Post Incident Review (PIR) – x", preliminary),
            Kind::PreliminaryReview
        );
        assert_eq!(
            issue(Stage::Rca, "Post Incident Review (PIR) – x", last),
            Kind::FinalReview
        );
        assert_eq!(
            issue(Stage::Rca, "Preliminary Post Incident Review (PIR) – x", ""),
            Kind::PreliminaryReview
        );
        assert_eq!(issue(Stage::Rca, "Final PIR – x", preliminary), Kind::FinalReview);
        assert_eq!(
            issue(Stage::Rca, "x", "This is our \"Preliminary\" PIR"),
            Kind::PreliminaryReview
        );
    }

    #[test]
    fn headings_make_a_review_where_nothing_else_does() {
        let text = "What happened?\n\nx\n\nWhat went wrong and why?\n\ny\n\nHow are we making incidents like this less likely or less impactful?\n\nz";
        assert_eq!(issue(Stage::Active, "App Service", text), Kind::FinalReview);
    }

    #[test]
    fn an_old_root_cause_in_a_mitigation_statement_is_no_review() {
        let text =
            "Summary of impact: x\n\nPreliminary Root Cause: y\n\nMitigation: z\n\nNext steps: a PIR will follow";
        assert_eq!(
            issue(Stage::Resolved, "Virtual Machines - Mitigated", text),
            Kind::Mitigation
        );
    }

    #[test]
    fn mitigated_in_the_title_counts_while_applying_mitigation_does_not() {
        assert_eq!(
            issue(Stage::Active, "App Service – x – Mitigated", ""),
            Kind::Mitigation
        );
        assert_eq!(
            issue(Stage::Active, "App Service – x – Applying mitigation", ""),
            Kind::Update
        );
        assert_eq!(
            issue(Stage::Active, "App Service – x – Partially mitigated", ""),
            Kind::Update
        );
        assert_eq!(kind(EventType::HealthAdvisory, Stage::Resolved, "x", ""), Kind::Update);
        assert_eq!(
            kind(EventType::PlannedMaintenance, Stage::Complete, "x", ""),
            Kind::Update
        );
    }

    #[test]
    fn a_false_positive_is_a_retraction() {
        assert_eq!(issue(Stage::Resolved, "No Impact - Azure Portal", ""), Kind::Retraction);
        let text = "We have confirmed that your subscription was not impacted by this issue.";
        assert_eq!(issue(Stage::Resolved, "Azure Portal - Europe", text), Kind::Retraction);
        assert_eq!(
            issue(Stage::Active, "Azure Portal - Europe", text),
            Kind::Update,
            "nothing is taken back yet"
        );
        assert_eq!(
            issue(Stage::Rca, "Post Incident Review (PIR) – x", text),
            Kind::FinalReview
        );
    }

    #[test]
    fn an_invitation_a_recording_and_a_review_that_speaks_of_them_differ() {
        let title = "Azure Incident Retrospective - App Service";
        let soon = "Join at 15:00 UTC on 10 October 2024. A recording will be published; watch the recording later.";
        assert_eq!(issue(Stage::Rca, title, soon), Kind::Retrospective);
        assert_eq!(issue(Stage::Active, title, "Details follow."), Kind::Retrospective);
        let past = "The livestream of 1 October 2024 is over. The recording is now available.";
        assert_eq!(issue(Stage::Rca, title, past), Kind::Recording);
        let invited = "You are invited to our Azure Incident Retrospective about this.";
        assert_eq!(issue(Stage::Resolved, "App Service - x", invited), Kind::Retrospective);
        let review = "What happened?\n\nJoin us for our Azure Incident Retrospective livestream.";
        assert_eq!(
            issue(Stage::Rca, "Post Incident Review (PIR) – x", review),
            Kind::FinalReview
        );
    }

    #[test]
    fn contradicting_tags_mean_the_last_in_the_order_of_things() {
        let tags = |words: &[&str]| tagged(&words.iter().map(|word| word.to_string()).collect::<Vec<_>>());
        assert_eq!(
            tags(&["Action Recommended", "False Positive", "Preliminary PIR", "Final PIR"]),
            Some(Kind::FinalReview)
        );
        assert_eq!(
            tags(&["False Positive", "Preliminary PIR"]),
            Some(Kind::PreliminaryReview)
        );
        assert_eq!(tags(&["False Positive"]), Some(Kind::Retraction));
        assert_eq!(tags(&["Action Recommended"]), None);
    }

    #[test]
    fn the_link_is_where_to_register_or_watch() {
        let html = "<p>See <a href=\"https://aka.ms/AzPIR/X\">the review</a></p><p>Register: <a href=\"https://aka.ms/AIR/X/RSVP\">here</a></p>";
        let register = link(Kind::Retrospective, html).map(String::from);
        assert_eq!(register.as_deref(), Some("https://aka.ms/AIR/X/RSVP"));
        let html =
            "<p><a href=\"https://e.x/\">news</a> Watch: <a href=\"https://aka.ms/air/X\">https://aka.ms/air/X</a></p>";
        assert_eq!(
            link(Kind::Recording, html).map(String::from).as_deref(),
            Some("https://aka.ms/air/X")
        );
        assert_eq!(
            link(Kind::FinalReview, html).map(String::from).as_deref(),
            Some("https://aka.ms/air/X")
        );
        assert_eq!(
            link(Kind::FinalReview, "<a href=\"https://aka.ms/AzPIR/X\">survey</a>"),
            None
        );
        assert_eq!(link(Kind::Update, html), None);
    }
}
