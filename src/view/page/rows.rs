//! What the templates show, ready to be shown: every choice of words is made here, so that templates hold none.

use crate::channel::Outcome;
use crate::clock::Time;
use crate::delivery::{Delivery, State};
use crate::event::document::{RepairState, document};
use crate::event::{Arrival, Event, EventType, Provider};
use crate::incident::{self, Incident, IncidentId};
use crate::notification::Form;
use crate::record::Verdict;
use crate::view::story::{Affected, Chapter, Gathering, Ruling, Silent, Story, Tracked};
use crate::view::words::{self, Moment};

/// How many accounts are named before the rest is only counted.
const NAMED_MOST: usize = 100;

/// A status as a badge.
pub struct Status {
    pub word: &'static str,
    pub class: &'static str,
}

/// A line in the list of incidents.
pub struct Line {
    pub link: String,
    pub title: String,
    pub about: String,
    pub status: Status,
    pub is_test: bool,
    pub since: Option<Moment>,
    pub updated: Moment,
    pub kind: String,
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

/// One communication.
pub struct Told {
    pub anchor: String,
    pub kind: String,
    pub stage: &'static str,
    pub title: String,
    pub published: Moment,
    pub is_history: bool,
    pub is_open: bool,
    pub accounts: String,
    pub html: String,
    pub sections: Vec<Section>,
    pub repairs: Vec<Repair>,
    pub sessions: Vec<Moment>,
    pub link: Option<String>,
    pub is_lost: bool,
    pub deliveries: Vec<Row>,
    pub withheld: Vec<Reason>,
    pub nothing: Vec<String>,
    pub silent: Vec<Reason>,
    pub more_silent: usize,
    pub rules_changed: bool,
    /// Whether the rules that decided cannot be made again, to say why they did not match.
    pub is_unexplained: bool,
}

/// A section of a review.
pub struct Section {
    pub heading: String,
    pub html: String,
}

/// A repair that a review promises.
pub struct Repair {
    pub text: String,
    pub state: String,
}

/// Somebody who was told, or will be.
pub struct Row {
    pub customer: String,
    pub receiver: String,
    pub how: String,
    pub state: &'static str,
    pub class: &'static str,
    pub attempts: u32,
    pub at: Moment,
    pub why: Option<String>,
}

/// A rule that told nobody, and why.
pub struct Reason {
    pub customer: String,
    pub rule: String,
    pub why: String,
}

impl Status {
    /// An incident's.
    pub fn of(incident: &Incident) -> Self {
        let class = match incident.status {
            incident::Status::Planned => "planned",
            incident::Status::Active => "active",
            incident::Status::Mitigated => "mitigated",
            incident::Status::Canceled => "canceled",
            incident::Status::Retracted => "retracted",
        };
        Self {
            word: incident.status.word(),
            class,
        }
    }
}

impl Line {
    /// An incident's.
    pub fn of(incident: &Incident) -> Self {
        let segment = IncidentId::segment(&incident.tracking_id);
        let path: String = url::form_urlencoded::byte_serialize(segment.as_bytes()).collect();
        Self {
            // a query writes a space as `+`, a path does not
            link: format!(
                "incidents/{}?provider={}",
                path.replace('+', "%20"),
                incident.id.provider.word()
            ),
            title: incident.title.clone(),
            about: format!(
                "{} · {} · {}",
                words::provider(incident.id.provider),
                incident.event_type.word(),
                incident.tracking_id
            ),
            status: Status::of(incident),
            is_test: incident.test,
            since: incident.impact_start.map(Moment::of),
            updated: Moment::of(incident.updated),
            kind: words::kind(incident.kind),
        }
    }
}

impl Fact {
    fn at(label: &'static str, at: Time) -> Self {
        Self {
            label,
            moment: Some(Moment::of(at)),
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
    pub fn all(story: &Story) -> Vec<Self> {
        let incident = &story.incident;
        let is_work = incident.event_type == EventType::PlannedMaintenance;
        let mut facts = Vec::new();
        facts.extend(
            incident
                .impact_start
                .map(|at| Self::at(if is_work { "Starts" } else { "Since" }, at)),
        );
        facts.extend(Self::end(incident));
        facts.extend(incident.level.map(|level| Self::words("Level", level.word())));
        facts.push(Self::at("Last told", incident.updated));
        facts.push(Self::at("First heard", incident.first_heard));
        if !story.accounts.is_empty() {
            let count = words::accounts(incident.id.provider, story.accounts.len());
            facts.push(Self::words("Concerns", count));
        }
        facts
    }

    /// The end of impact, in the word that fits: an issue that goes on has none, whatever is left in its metadata.
    fn end(incident: &Incident) -> Option<Self> {
        let label = match incident.event_type {
            EventType::PlannedMaintenance => "Ends",
            EventType::ServiceIssue if !incident.status.is_over() => return Some(Self::words("Until", "ongoing")),
            EventType::ServiceIssue => "Mitigated",
            _ => "Due",
        };
        let at = incident.impact_end?;
        let mut fact = Self::at(label, at);
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

impl Told {
    /// A chapter; its text is open if it is the newest or a review.
    pub fn of(chapter: &Chapter, provider: Provider, is_newest: bool) -> Self {
        let event = chapter.event.as_deref();
        let html = event.map(|event| event.html.as_str()).unwrap_or_default();
        let (html, sections, repairs) = match chapter.kind.is_review() {
            true => review(html),
            false => (lowered(html), Vec::new(), Vec::new()),
        };
        Self {
            anchor: chapter.events.first().map_or_else(String::new, |at| format!("e{at}")),
            kind: words::kind(chapter.kind),
            stage: chapter.stage.word(),
            title: chapter.title.clone(),
            published: Moment::of(chapter.published),
            is_history: chapter.arrival == Arrival::History,
            is_open: is_newest || chapter.kind.is_review(),
            accounts: match chapter.accounts.len() {
                0 => String::new(),
                count => words::accounts(provider, count),
            },
            html,
            sections,
            repairs,
            sessions: event
                .into_iter()
                .flat_map(|event| &event.sessions)
                .map(|one| Moment::of(one.start))
                .collect(),
            link: event
                .and_then(|event| event.link.as_ref())
                .filter(|link| is_of_the_web(link))
                .map(url::Url::to_string),
            is_lost: event.is_none(),
            deliveries: rows(chapter),
            withheld: chapter.verdicts.iter().filter_map(Reason::of_verdict).collect(),
            nothing: chapter
                .nothing
                .iter()
                .map(|why| words::capitalised(&why.to_string()))
                .collect(),
            silent: chapter.silent.iter().map(Reason::of_silent).collect(),
            more_silent: chapter.more_silent,
            rules_changed: chapter.rules_changed,
            is_unexplained: chapter.is_unexplained,
        }
    }
}

fn is_of_the_web(link: &url::Url) -> bool {
    matches!(link.scheme(), "http" | "https")
}

/// A review in its sections, with the repairs it promises; whole where it has no headings.
fn review(html: &str) -> (String, Vec<Section>, Vec<Repair>) {
    let parts = document(html);
    let repairs = parts.repair_items.into_iter().map(|item| Repair {
        text: item.text,
        state: match item.state {
            RepairState::Completed => "Completed".to_owned(),
            RepairState::Estimated { month } => format!("Estimated {month}"),
            RepairState::Unknown => "Not said".to_owned(),
        },
    });
    let repairs = repairs.collect();
    if parts.sections.len() < 2 {
        return (lowered(html), Vec::new(), repairs);
    }
    let sections = parts.sections.into_iter().map(|section| Section {
        heading: section.heading,
        html: lowered(&section.html),
    });
    (String::new(), sections.collect(), repairs)
}

/// The provider's headings stand below ours, or who reads by headings is led astray.
fn lowered(html: &str) -> String {
    let mut html = html.to_owned();
    for level in 1..=4 {
        html = html
            .replace(&format!("<h{level}>"), "<h5>")
            .replace(&format!("</h{level}>"), "</h5>");
    }
    html
}

/// Who was told, then who will be.
fn rows(chapter: &Chapter) -> Vec<Row> {
    let told = chapter
        .deliveries
        .iter()
        .map(|tracked| Row::of(tracked, chapter.event.as_deref()));
    told.chain(chapter.gathering.iter().map(Row::of_gathering)).collect()
}

impl Row {
    fn of(tracked: &Tracked, event: Option<&Event>) -> Self {
        let delivery = &tracked.delivery;
        let last = tracked.attempts.last();
        let (class, at, why) = match &tracked.standing.state {
            State::Scheduled { at, .. } => ("waiting", *at, last.and_then(|last| why(&last.outcome))),
            State::Ended { end, at } if end.word() == crate::delivery::StateWord::Delivered => ("delivered", *at, None),
            State::Ended { end, at } => ("dead", *at, Some(end.to_string())),
        };
        Self {
            customer: delivery.customer.to_string(),
            receiver: delivery.receiver.clone(),
            how: how(delivery, event),
            state: tracked.standing.state.word().word(),
            class,
            attempts: tracked.standing.attempts,
            at: Moment::of(at),
            why: why.map(|why| words::without_addresses(&why)),
        }
    }

    fn of_gathering(gathering: &Gathering) -> Self {
        Self {
            customer: gathering.customer.to_string(),
            receiver: gathering.receiver.clone(),
            how: gathering.channel.to_string(),
            state: "gathering",
            class: "waiting",
            attempts: 0,
            at: Moment::of(gathering.due),
            why: None,
        }
    }
}

/// The channel; of an invitation also to what.
fn how(delivery: &Delivery, event: Option<&Event>) -> String {
    let Form::Invitation { session, .. } = delivery.form else {
        return delivery.channel.to_string();
    };
    let session = event.and_then(|event| event.sessions.get(session));
    let to = session.map(|session| format!(" to {}", Moment::of(session.start).text));
    format!("{} invitation{}", delivery.channel, to.unwrap_or_default())
}

fn why(outcome: &Outcome) -> Option<String> {
    outcome.why().map(str::to_owned)
}

impl Reason {
    /// A rule that matched and still told nobody anything new.
    fn of_verdict(ruling: &Ruling) -> Option<Self> {
        let why = match &ruling.verdict {
            Verdict::Planned => return None,
            Verdict::Joined => "whom it names was told the same anyway".to_owned(),
            Verdict::Held { until, why } => format!("held until {}: {why}", Moment::of(*until).text),
            Verdict::Withheld { why } => why.to_string(),
        };
        Some(Self {
            customer: ruling.customer.to_string(),
            rule: ruling.rule.clone(),
            why,
        })
    }

    fn of_silent(silent: &Silent) -> Self {
        Self {
            customer: silent.customer.to_string(),
            rule: silent.rule.clone(),
            why: silent.why.clone(),
        }
    }
}
