//! What was told, communication by communication: its text, who was told and because of what, and why others were not.

use std::collections::BTreeSet;

use crate::clock::Time;
use crate::customer::{CustomerId, OPERATOR, ORGANISATION};
use crate::delivery::{Delivery, End, State};
use crate::event::document::{RepairState, document};
use crate::event::{Arrival, Event};
use crate::incident::Incident;
use crate::notification::Form;
use crate::record::Verdict;
use crate::rule::set::{CONTACT, RULE_FILES};
use crate::view::page::Frame;
use crate::view::state::{self, Badge};
use crate::view::story::revisions::{Changed, Fate};
use crate::view::story::{Chapter, Gathering, Ruling, Silent, Tracked};
use crate::view::words::{self, Moment};

/// One communication.
pub struct Told {
    pub anchor: String,
    pub kind: &'static str,
    pub title: String,
    pub published: Moment,
    pub is_history: bool,
    pub is_open: bool,
    pub accounts: String,
    pub html: String,
    pub sections: Vec<Section>,
    pub repairs: Vec<Repair>,
    pub sessions: Vec<Moment>,
    /// What of the notice could not be taken as it stands.
    pub not_understood: Vec<String>,
    pub link: Option<String>,
    pub is_lost: bool,
    /// What it changed against the one before it.
    pub changes: Option<Changes>,
    /// Who was told, the first rows of it.
    pub deliveries: Vec<Row>,
    /// How many more rows there are.
    pub more_deliveries: usize,
    /// How the deliveries are, in counts.
    pub counts: String,
    /// What rules that did tell somebody did not tell, and why.
    pub partly: Vec<Reason>,
    pub withheld: Vec<Reason>,
    pub nothing: Vec<String>,
    pub silent: Vec<Reason>,
    pub more_silent: usize,
    pub rules_changed: bool,
    /// Whether the rules that decided cannot be made again, to say why they did not match.
    pub is_unexplained: bool,
}

/// The most rows of who was told, of one communication.
const ROWS_MOST: usize = 200;

/// The most things named that were added or removed.
const NAMED_MOST: usize = 20;

/// What a communication changed.
pub struct Changes {
    /// The text's pieces: the tag around each, empty for what stayed.
    pub text: Vec<(&'static str, String)>,
    /// Services, accounts and times that came or went, in words.
    pub facts: Vec<String>,
}

impl Changes {
    /// `None` if nothing did.
    fn of(changed: Changed, frame: &Frame) -> Option<Self> {
        let place = |(service, region): &(String, Option<String>)| {
            let service = crate::event::service_name(service);
            region
                .as_ref()
                .map_or(service.to_owned(), |region| format!("{service} in {region}"))
        };
        let mut facts = Vec::new();
        let mut add = |what: &str, names: Vec<String>| {
            if !names.is_empty() {
                let more = names.len().saturating_sub(NAMED_MOST);
                let named: Vec<String> = names.into_iter().take(NAMED_MOST).collect();
                let more = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                facts.push(format!("{what}: {}{more}", named.join(", ")));
            }
        };
        add("Impact added", changed.impact.added.iter().map(place).collect());
        add("Impact removed", changed.impact.removed.iter().map(place).collect());
        add("Accounts added", changed.accounts.added);
        add("Accounts removed", changed.accounts.removed);
        for time in changed.times {
            let shown = |at: Option<Time>| at.map_or("none".to_owned(), |at| frame.moment(at).text);
            let which = match time.which {
                "impact_start" => "Start of impact",
                _ => "End of impact",
            };
            facts.push(format!(
                "{which}: {}, before: {}",
                shown(time.after),
                shown(time.before)
            ));
        }
        let text = changed.text.into_iter().map(|piece| {
            let tag = match piece.fate {
                Fate::Same => "",
                Fate::Added => "ins",
                Fate::Removed => "del",
            };
            (tag, piece.text)
        });
        let text: Vec<(&str, String)> = text.collect();
        (!text.is_empty() || !facts.is_empty()).then_some(Self { text, facts })
    }
}

/// `18 delivered, 2 not delivered`: how many rows are in each state, in the order in which they first come.
fn counts(rows: &[Row]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        match counts.iter_mut().find(|(word, _)| *word == row.state.word) {
            Some((_, count)) => *count += 1,
            None => counts.push((row.state.word, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    counts.join(", ")
}

/// A section of a review.
pub struct Section {
    pub heading: String,
    /// What links of the table of contents lead to, within the communication.
    pub nth: usize,
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
    /// Where the receiver reads, for those who may know.
    pub address: Option<String>,
    pub how: String,
    /// The rules that asked for it.
    pub because: String,
    pub state: Badge,
    /// What the moment is, where it is not that of the end.
    pub when: &'static str,
    pub at: Moment,
    pub attempts: u32,
    pub why: Option<String>,
}

/// A rule that told nobody, and why.
pub struct Reason {
    pub customer: String,
    pub rule: String,
    pub why: String,
}

impl Told {
    /// A chapter; its text is open if it is the newest or a review.
    pub fn of(
        chapter: &Chapter,
        incident: &Incident,
        is_newest: bool,
        changed: Option<Changed>,
        frame: &Frame,
    ) -> Self {
        let (provider, event_type) = (incident.id.provider, incident.event_type);
        let (partly, withheld) = reasons(chapter, frame);
        let mut rows = rows(chapter, frame);
        let event = chapter.event.as_deref();
        let html = event.map(|event| event.html.as_str()).unwrap_or_default();
        let (html, sections, repairs) = match chapter.kind.is_review() {
            true => review(html),
            false => (lowered(html), Vec::new(), Vec::new()),
        };
        Self {
            anchor: chapter.events.first().map_or_else(String::new, |at| format!("e{at}")),
            kind: state::communication(chapter.kind, event_type, chapter.stage),
            title: chapter.title.clone(),
            published: frame.moment(chapter.published),
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
                .map(|one| frame.moment(one.start))
                .collect(),
            not_understood: event
                .into_iter()
                .flat_map(|event| &event.notes)
                .map(ToString::to_string)
                .collect(),
            link: event
                .and_then(|event| event.link.as_ref())
                .filter(|link| is_of_the_web(link))
                .map(url::Url::to_string),
            is_lost: event.is_none(),
            changes: changed.and_then(|changed| Changes::of(changed, frame)),
            counts: counts(&rows),
            more_deliveries: rows.len().saturating_sub(ROWS_MOST),
            deliveries: {
                rows.truncate(ROWS_MOST);
                rows
            },
            partly,
            withheld,
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
    let sections = parts.sections.into_iter().enumerate().map(|(nth, section)| Section {
        heading: section.heading,
        nth,
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
fn rows(chapter: &Chapter, frame: &Frame) -> Vec<Row> {
    let told = chapter
        .deliveries
        .iter()
        .map(|tracked| Row::of(tracked, chapter, frame));
    let gathering = chapter.gathering.iter();
    told.chain(gathering.map(|one| Row::of_gathering(one, frame))).collect()
}

/// The rules that matched and of which something was not told: those that told somebody all the same, then the others. A
/// rule that told is no reason why others were not told.
fn reasons(chapter: &Chapter, frame: &Frame) -> (Vec<Reason>, Vec<Reason>) {
    let told = chapter.verdicts.iter().filter(|ruling| !ruling.receivers.is_empty());
    let told: BTreeSet<(&CustomerId, &str)> = told.map(|ruling| (&ruling.customer, &*ruling.rule)).collect();
    let untold = chapter.verdicts.iter().filter(|ruling| ruling.receivers.is_empty());
    let (partly, others): (Vec<&Ruling>, Vec<&Ruling>) =
        untold.partition(|ruling| told.contains(&(&ruling.customer, &*ruling.rule)));
    let reason = |ruling: &Ruling| Reason::of_verdict(ruling, frame);
    let reasons = |rulings: Vec<&Ruling>| rulings.into_iter().filter_map(reason).collect();
    (reasons(partly), reasons(others))
}

/// The names of what nobody wrote, as one says them.
fn spoken(name: &str) -> String {
    match name {
        RULE_FILES => "built in: problems with rule files".to_owned(),
        CONTACT => "the contact in the settings".to_owned(),
        name => name.to_owned(),
    }
}

/// The customer's name, as one says it.
fn whose(customer: &CustomerId) -> String {
    match customer.as_str() {
        ORGANISATION => "all of us".to_owned(),
        OPERATOR => "the operator".to_owned(),
        name => name.to_owned(),
    }
}

fn because(rules: &[String]) -> String {
    let rules: Vec<String> = rules.iter().map(|rule| spoken(rule)).collect();
    rules.join(", ")
}

impl Row {
    fn of(tracked: &Tracked, chapter: &Chapter, frame: &Frame) -> Self {
        let delivery = &tracked.delivery;
        let standing = &tracked.standing;
        let last = tracked.attempts.last().and_then(|last| last.outcome.why());
        let successor = tracked
            .successor()
            .and_then(|by| chapter.deliveries.iter().find(|one| one.delivery.id == by));
        let is_moved = successor.is_some_and(|by| by.delivery.endpoint != delivery.endpoint);
        let (when, at, why): (_, Time, Option<String>) = match &standing.state {
            State::Scheduled { at, .. } if standing.attempts == 0 => ("not before", *at, None),
            State::Scheduled { at, .. } => ("next try", *at, last.map(str::to_owned)),
            State::Ended { end, at } => match end {
                End::Delivered | End::Superseded { .. } => ("", *at, None),
                End::Expired | End::Refused { .. } | End::ReceiverGone { .. } => ("", *at, Some(end.to_string())),
            },
        };
        Self {
            customer: whose(&delivery.customer),
            receiver: spoken(&delivery.receiver),
            address: tracked.address.clone(),
            how: how(delivery, chapter.event.as_deref(), frame),
            because: because(&tracked.because),
            state: state::delivery(&standing.state, standing.attempts, is_moved),
            when,
            at: frame.moment(at),
            attempts: standing.attempts,
            why: why.map(|why| words::without_addresses(&why)),
        }
    }

    fn of_gathering(gathering: &Gathering, frame: &Frame) -> Self {
        Self {
            customer: whose(&gathering.customer),
            receiver: spoken(&gathering.receiver),
            address: gathering.address.clone(),
            how: gathering.channel.to_string(),
            because: because(&gathering.because),
            state: state::GATHERING,
            when: "due",
            at: frame.moment(gathering.due),
            attempts: 0,
            why: None,
        }
    }
}

/// The channel; of an invitation also to what.
fn how(delivery: &Delivery, event: Option<&Event>, frame: &Frame) -> String {
    let Form::Invitation { session, .. } = delivery.form else {
        return delivery.channel.to_string();
    };
    let session = event.and_then(|event| event.sessions.get(session));
    let to = session.map(|session| format!(" to {}", frame.moment(session.start).text));
    format!("{} invitation{}", delivery.channel, to.unwrap_or_default())
}

impl Reason {
    /// A rule that matched and still told nobody anything new.
    fn of_verdict(ruling: &Ruling, frame: &Frame) -> Option<Self> {
        let why = match &ruling.verdict {
            Verdict::Planned => return None,
            Verdict::Joined => "whom it names was told the same anyway".to_owned(),
            Verdict::Held { until, why } => format!("held until {}: {why}", frame.moment(*until).text),
            Verdict::Withheld { why } => why.to_string(),
        };
        Some(Self {
            customer: whose(&ruling.customer),
            rule: spoken(&ruling.rule),
            why,
        })
    }

    fn of_silent(silent: &Silent) -> Self {
        Self {
            customer: whose(&silent.customer),
            rule: spoken(&silent.rule),
            why: silent.why.clone(),
        }
    }
}
