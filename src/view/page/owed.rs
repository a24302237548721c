//! What is owed to the people who read an incident's page, in words.

use crate::clock::Time;
use crate::evaluate::azure_page;
use crate::event::Provider;
use crate::incident::correction::{Correction, Corrects};
use crate::incident::reviews::{Basis, Debt, DebtState, Owed, Progress, Size};
use crate::view::page::Frame;
use crate::view::story::Story;
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
    /// Whether `more` is in the provider's words.
    pub is_quoted: bool,
    /// Where it is asked for, if it is offered on request.
    pub ask: Option<url::Url>,
}

impl OwedLine {
    /// All of it, as it is when the page is made.
    pub fn all(progress: &Progress, story: &Story, frame: &Frame) -> Vec<Self> {
        let ask = || {
            let account = story.accounts.first()?;
            let is_azure = story.incident.id.provider == Provider::Azure;
            is_azure.then(|| azure_page(&story.incident.tracking_id, account))?
        };
        let lines = progress.owed.iter().map(|owed| {
            let is_offered = owed.state == DebtState::Open && owed.basis == Basis::OnRequest;
            Self {
                ask: if is_offered { ask() } else { None },
                ..Self::of(owed, frame)
            }
        });
        lines.collect()
    }

    /// How large the incident is, when impact was by each who says so, how long the provider took, and what persons
    /// corrected.
    pub fn known(progress: &Progress, corrections: &[Correction], frame: &Frame) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(progress.size.map(|(size, basis)| {
            let size = match size {
                Size::Small => "small (its mitigation statement is the last word)",
                Size::Standard => "standard (one review)",
                Size::Largest => "one of the largest (a preliminary review, then a final one)",
            };
            format!("Size: {size}, {}.", by(basis))
        }));
        let window = &progress.window;
        let span = |start: Option<Time>, end: Option<Time>| {
            let said = |at: Option<Time>| at.map_or("not said".to_owned(), |at| frame.moment(at).text);
            format!("{} to {}", said(start), said(end))
        };
        if let Some(prose) = window
            .prose
            .filter(|prose| (Some(prose.start), Some(prose.end)) != (window.start, window.end))
        {
            let counts = if window.person.is_some() { "" } else { ", which counts" };
            lines.push(format!(
                "Impact by the provider's metadata{counts}: {}. By its text: {}.",
                span(window.start, window.end),
                span(Some(prose.start), Some(prose.end))
            ));
        }
        let took = [
            (
                "The first notice came {} after impact began.",
                progress.took.first_notice,
            ),
            (
                "The preliminary review came {} after the mitigation.",
                progress.took.preliminary,
            ),
            ("The final review came {} after the mitigation.", progress.took.finally),
        ];
        let took = took
            .into_iter()
            .filter_map(|(words, long)| Some((words, long.filter(|long| long.num_minutes() >= 0)?)));
        lines.extend(took.map(|(words, long)| words.replacen("{}", &lasted(long), 1)));
        lines.extend(corrections.iter().map(|one| {
            let what = match &one.corrects {
                Corrects::Size { size } => format!("the size to {}", size.word()),
                Corrects::Kind { published, kind, .. } => {
                    format!("what was said on {} to {kind}", frame.moment(*published).text)
                }
                Corrects::Window { window } => format!("impact to {}", span(Some(window.start), Some(window.end))),
                Corrects::Requested {} => "the review on request was asked for".to_owned(),
            };
            let verb = if one.corrects == (Corrects::Requested {}) {
                "Noted"
            } else {
                "Corrected"
            };
            let taken_in = one.taken_in_by.as_ref();
            format!(
                "{verb} by {} on {}{}: {what}. {}",
                one.by,
                frame.moment(one.at).text,
                taken_in.map_or_else(String::new, |by| format!(", taken in from an archive by {by}")),
                one.reason
            )
        }));
        lines
    }

    fn of(owed: &Owed, frame: &Frame) -> Self {
        let now = frame.now;
        let what = match owed.kind {
            Debt::PreliminaryReview => "Preliminary post incident review",
            Debt::FinalReview => "Final post incident review",
            Debt::Update => "Next update",
            Debt::Repair => "Repair",
        };
        let late = owed.late_seconds(now).map(chrono::Duration::seconds).map(lasted);
        let (words, moment, more, class) = match owed.state {
            DebtState::Open if owed.requested.is_some() => ("requested on", owed.requested, String::new(), "notice"),
            DebtState::Open if owed.basis == Basis::OnRequest => (
                "offered on request",
                None,
                "ask the provider for it".to_owned(),
                "quiet",
            ),
            DebtState::Open if owed.kind == Debt::Repair => (
                "promised to be done before",
                owed.due,
                owed.text.clone().unwrap_or_default(),
                "notice",
            ),
            DebtState::Overdue if owed.kind == Debt::Repair => (
                "was promised to be done before",
                owed.due,
                owed.text.clone().unwrap_or_default(),
                "attention",
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
            is_quoted: owed.kind == Debt::Repair && matches!(owed.state, DebtState::Open | DebtState::Overdue),
            ask: None,
        }
    }
}

/// Who or what says how large it is.
fn by(basis: Basis) -> &'static str {
    match basis {
        Basis::Promise | Basis::OnRequest => "by what the provider says of reviews",
        Basis::Size => "by its impact",
        Basis::Person => "by a person's correction",
        Basis::Tag => "by the provider's tags",
    }
}

/// Why it is expected.
fn because(basis: Basis) -> &'static str {
    match basis {
        Basis::Promise => "the provider promised it",
        Basis::Size => "usual for an incident of this size",
        Basis::OnRequest => "on request",
        Basis::Person => "a person corrected it",
        Basis::Tag => "the provider's tags say so",
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
            text: None,
            requested: None,
            round: 0,
            has_clock: true,
        };
        let frame = Frame {
            root: "./".to_owned(),
            has_list: true,
            reader: None,
            sign_in: None,
            now: time("2026-11-09T22:30:00Z"),
            zone: None,
            back: None,
        };
        let due = Some("2026-11-07T22:30:00Z");
        let asked_for = Owed {
            requested: due.map(time),
            ..owed(DebtState::Open, Basis::OnRequest, None, None)
        };
        for (owed, expected) in [
            (asked_for, "requested on 7 Nov 2026, 22:30 UTC (notice)"),
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
