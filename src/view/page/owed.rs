//! What is owed to the people who read an incident's page, in words.

use crate::incident::reviews::{Basis, Debt, DebtState, Owed, Progress};
use crate::view::page::Frame;
use crate::view::words::{Moment, lasted};

/// One thing that is or was owed.
#[derive(Debug, Clone)]
pub struct OwedLine {
    /// What.
    pub what: &'static str,
    /// How far it is; a moment may follow.
    pub words: &'static str,
    /// When it is due, or came.
    pub moment: Option<Moment>,
    /// What else is to be said of it.
    pub more: String,
    /// How it is coloured; the words say it, too.
    pub class: &'static str,
}

impl OwedLine {
    /// All of it, as it is when the page is made.
    pub fn all(progress: &Progress, frame: &Frame) -> Vec<Self> {
        progress.owed.iter().map(|owed| Self::of(owed, frame)).collect()
    }

    fn of(owed: &Owed, frame: &Frame) -> Self {
        let now = frame.now;
        let what = match owed.kind {
            Debt::PreliminaryReview => "Preliminary post incident review",
            Debt::FinalReview => "Final post incident review",
        };
        let late = owed.late_seconds(now).map(chrono::Duration::seconds).map(lasted);
        let (words, moment, more, class) = match owed.state {
            DebtState::Open if owed.basis == Basis::OnRequest => (
                "offered on request",
                None,
                "ask the provider for it".to_owned(),
                "quiet",
            ),
            DebtState::Open => ("due by", owed.due, because(owed.basis).to_owned(), "notice"),
            DebtState::Overdue => (
                "overdue since",
                owed.due,
                late.map(|late| format!("{late} late")).unwrap_or_default(),
                "alarm",
            ),
            DebtState::Met => (
                "came on",
                owed.met,
                late.map_or_else(|| "in time".to_owned(), |late| format!("{late} late")),
                "good",
            ),
            DebtState::Waived => ("not needed any more: the final one came", None, String::new(), "quiet"),
            DebtState::Stopped => ("ended: the incident went on, or was none", None, String::new(), "quiet"),
        };
        Self {
            what,
            words,
            moment: moment.map(|at| frame.moment(at)),
            more,
            class,
        }
    }
}

/// Why it is expected.
fn because(basis: Basis) -> &'static str {
    match basis {
        Basis::Promise => "the provider promised it",
        Basis::Size => "usual for an incident of this size",
        Basis::OnRequest => "on request",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;

    fn time(text: &str) -> Time {
        text.parse().expect("a time")
    }

    #[test]
    fn every_state_has_its_words_and_colour() {
        let owed = |state, basis, due: Option<&str>, met: Option<&str>| Owed {
            kind: Debt::FinalReview,
            since: time("2026-10-24T22:30:00Z"),
            due: due.map(time),
            state,
            basis,
            met: met.map(time),
        };
        let frame = Frame {
            root: "./".to_owned(),
            has_list: true,
            now: time("2026-11-09T22:30:00Z"),
            zone: None,
        };
        let due = Some("2026-11-07T22:30:00Z");
        for (owed, expected) in [
            (
                owed(DebtState::Open, Basis::Promise, due, None),
                "due by 7 Nov 2026, 22:30 UTC: the provider promised it (notice)",
            ),
            (
                owed(DebtState::Open, Basis::Size, due, None),
                "due by 7 Nov 2026, 22:30 UTC: usual for an incident of this size (notice)",
            ),
            (
                owed(DebtState::Open, Basis::OnRequest, None, None),
                "offered on request: ask the provider for it (quiet)",
            ),
            (
                owed(DebtState::Overdue, Basis::Promise, due, None),
                "overdue since 7 Nov 2026, 22:30 UTC: 2 d 0 h late (alarm)",
            ),
            (
                owed(DebtState::Met, Basis::Promise, due, due),
                "came on 7 Nov 2026, 22:30 UTC: in time (good)",
            ),
            (
                owed(DebtState::Met, Basis::Promise, due, Some("2026-11-08T22:30:00Z")),
                "came on 8 Nov 2026, 22:30 UTC: 1 d 0 h late (good)",
            ),
            (
                owed(DebtState::Waived, Basis::Promise, due, None),
                "not needed any more: the final one came (quiet)",
            ),
            (
                owed(DebtState::Stopped, Basis::Promise, due, None),
                "ended: the incident went on, or was none (quiet)",
            ),
        ] {
            let line = OwedLine::of(&owed, &frame);
            let moment = line
                .moment
                .map(|moment| format!(" {}", moment.text))
                .unwrap_or_default();
            let more = if line.more.is_empty() {
                String::new()
            } else {
                format!(": {}", line.more)
            };
            assert_eq!(format!("{}{moment}{more} ({})", line.words, line.class), expected);
        }
    }
}
