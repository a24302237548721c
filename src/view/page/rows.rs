//! What the templates show, ready to be shown: every choice of words is made here, so that templates hold none.

mod told;

pub use told::Told;

use crate::clock::Time;
use crate::event::{EventType, Line as EventLine, Provider, Stage};
use crate::incident::reviews::{Debt, DebtState, Owed, Phase, Progress};
use crate::incident::{Incident, IncidentId, Status};
use crate::view::page::Frame;
use crate::view::state::{self, Badge};
use crate::view::story::{Affected, Listed, Story};
use crate::view::words::{self, Moment};

/// How many accounts are named before the rest is only counted.
const NAMED_MOST: usize = 100;

/// A line in the list of incidents.
pub struct Line {
    pub link: String,
    pub title: String,
    pub about: String,
    pub badges: Vec<Badge>,
    /// When it begins and ends, each with its label.
    pub moments: Vec<(&'static str, Moment)>,
    pub updated: Moment,
    /// What its newest communication is, where the badge does not say it: a review, an invitation.
    pub last: &'static str,
    /// Whether its title is ours, and no provider's.
    pub is_ours: bool,
}

/// A fact about an incident: a label, and a moment or words.
pub struct Fact {
    pub label: &'static str,
    pub moment: Option<Moment>,
    pub words: String,
}

/// A row of the table of what is affected.
pub struct Where {
    pub service: String,
    pub region: String,
    pub count: String,
    pub accounts: Vec<String>,
    pub more: usize,
}

/// What an incident is: whose, what sort, and its tracking id; what we raised ourselves has none that anybody uses.
pub fn about(incident: &Incident) -> String {
    let mut parts = vec![words::provider(incident.id.provider), state::sort(incident)];
    if incident.id.provider != Provider::Bellwether {
        parts.push(&incident.tracking_id);
    }
    parts.join(" · ")
}

/// How far along an incident is, and what is special about it.
pub fn badges(incident: &Incident, is_back_filled: bool, now: Time) -> Vec<Badge> {
    let mut badges = vec![state::incident(incident, now)];
    badges.extend(incident.test.then_some(state::TEST));
    badges.extend(is_back_filled.then_some(state::BACK_FILLED));
    badges
}

/// The same in a list, with what is owed of it.
fn listed_badges(listed: &Listed, now: Time) -> Vec<Badge> {
    let mut all = badges(&listed.incident, listed.is_back_filled, now);
    let is_overdue = listed.owed.iter().any(|(_, due)| *due < now);
    all.extend(
        (listed.state.at(now) == Phase::UnderReview).then_some(match is_overdue {
            true => state::REVIEW_OVERDUE,
            false => state::REVIEW_OWED,
        }),
    );
    all.extend(listed.is_incomplete.then_some(state::INCOMPLETE));
    all
}

/// What the newest communication is, if it is no news of the trouble itself.
fn last(incident: &Incident) -> &'static str {
    match incident.kind.line() {
        EventLine::Progress => "",
        EventLine::Review | EventLine::Retrospective => {
            state::communication(incident.kind, incident.event_type, Stage::Active)
        }
    }
}

/// When it begins and ends, as far as that is known and worth saying.
fn moments(incident: &Incident, frame: &Frame) -> Vec<(&'static str, Moment)> {
    let now = frame.now;
    let start = incident.impact_start.map(|at| (state::begins(incident, at, now), at));
    let end = incident
        .impact_end
        .and_then(|at| Some((state::ends(incident, at, now)?, at)));
    let moments = start.into_iter().chain(end);
    moments.map(|(label, at)| (label, frame.moment(at))).collect()
}

impl Line {
    /// An incident's, as known when the page is made.
    pub fn of(listed: &Listed, frame: &Frame) -> Self {
        let incident = &listed.incident;
        let segment = IncidentId::segment(&incident.tracking_id);
        let path: String = url::form_urlencoded::byte_serialize(segment.as_bytes()).collect();
        Self {
            // a query writes a space as `+`, a path does not
            link: format!(
                "incidents/{}?provider={}{}",
                path.replace('+', "%20"),
                incident.id.provider.word(),
                frame.chosen("&")
            ),
            title: incident.title.clone(),
            about: about(incident),
            badges: listed_badges(listed, frame.now),
            moments: moments(incident, frame),
            updated: frame.moment(incident.updated),
            last: last(incident),
            is_ours: incident.id.provider == Provider::Bellwether,
        }
    }
}

impl Fact {
    fn at(label: &'static str, at: Time, frame: &Frame) -> Self {
        Self {
            label,
            moment: Some(frame.moment(at)),
            words: String::new(),
        }
    }

    fn words(label: &'static str, words: impl Into<String>) -> Self {
        Self {
            label,
            moment: None,
            words: words.into(),
        }
    }

    /// What is known of an incident, in the order in which one asks.
    pub fn all(story: &Story, progress: &Progress, frame: &Frame) -> Vec<Self> {
        let now = frame.now;
        let incident = &story.incident;
        let mut facts = Vec::new();
        if incident.id.provider != Provider::Bellwether {
            facts.push(Self::words("State", state::phase(progress.phase)));
        }
        facts.extend(Self::next(progress, frame));
        let start = incident.impact_start.map(|at| (state::begins(incident, at, now), at));
        facts.extend(start.map(|(label, at)| Self::at(label, at, frame)));
        facts.extend(Self::end(incident, frame));
        let events = story.chapters.iter().filter_map(|chapter| chapter.event.as_deref());
        facts.extend(state::subtype(events).map(|subtype| Self::words("About", subtype)));
        if incident.id.provider != Provider::Bellwether {
            facts.extend(incident.level.map(|level| Self::words("Level at worst", level.word())));
        }
        facts.push(Self::at("Last told", incident.updated, frame));
        facts.push(Self::at("First heard", incident.first_heard, frame));
        if !story.accounts.is_empty() {
            let count = words::accounts(incident.id.provider, story.accounts.len());
            facts.push(Self::words("Concerns", count));
        }
        facts
    }

    /// What comes next, and when.
    fn next(progress: &Progress, frame: &Frame) -> Option<Self> {
        let is_open = |owed: &&Owed| matches!(owed.state, DebtState::Open | DebtState::Overdue);
        let open = progress.owed.iter().filter(is_open);
        let (owed, due) = open
            .filter_map(|owed| Some((owed, owed.due?)))
            .min_by_key(|(_, due)| *due)?;
        let label = match (owed.kind, due < frame.now) {
            (Debt::PreliminaryReview, false) => "Next: preliminary review by",
            (Debt::PreliminaryReview, true) => "Preliminary review was due",
            (Debt::FinalReview, false) => "Next: final review by",
            (Debt::FinalReview, true) => "Final review was due",
            (Debt::Update, false) => "Next: an update by",
            (Debt::Update, true) => "An update was due",
            (Debt::Repair, false) => "Next: repairs by",
            (Debt::Repair, true) => "Repairs were due",
        };
        Some(Self::at(label, due, frame))
    }

    /// The end of impact, in the word that fits: an issue that goes on has none, whatever is left in its metadata.
    fn end(incident: &Incident, frame: &Frame) -> Option<Self> {
        if (incident.event_type, incident.status) == (EventType::ServiceIssue, Status::Active) {
            return Some(Self::words("Until", "ongoing"));
        }
        let at = incident.impact_end?;
        let label = state::ends(incident, at, frame.now)?;
        let mut fact = Self::at(label, at, frame);
        if let Some(start) = incident
            .impact_start
            .filter(|start| label == "Mitigated" && *start < at)
        {
            fact.words = format!("after {}", words::lasted(at - start));
        }
        Some(fact)
    }
}

impl Where {
    /// A row; `names` are the reader's own names for an account.
    pub fn of(affected: &Affected, names: &dyn Fn(&str) -> Vec<String>, provider: Provider) -> Self {
        let named = affected
            .accounts
            .iter()
            .take(NAMED_MOST)
            .map(|account| match names(account) {
                names if names.is_empty() => account.clone(),
                names => format!("{} ({account})", names.join(", ")),
            });
        Self {
            service: crate::event::service_name(&affected.service).to_owned(),
            region: affected.region.clone().unwrap_or_else(|| "not named".to_owned()),
            count: match affected.accounts.len() {
                0 => String::new(),
                count => words::accounts(provider, count),
            },
            accounts: named.collect(),
            more: affected.accounts.len().saturating_sub(NAMED_MOST),
        }
    }
}
