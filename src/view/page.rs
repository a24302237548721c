//! Pages: rendered here, whole, without scripts. Text is escaped by the templates; the only markup that goes through is
//! the provider's own, which was sanitised by an allow list when it was read.

pub mod claims;
pub mod deliveries;
pub mod feeds;
mod history;
mod owed;
mod own_part;
mod refusal;
mod rows;
pub mod rules;
pub mod signing_in;
pub mod why;

pub use history::{CURRENT_MOST, Current, History, history};
pub use refusal::{Refused, refusal};

use askama::Template;
use chrono_tz::Tz;

use self::owed::OwedLine;
use self::rows::{Fact, Told, Where};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Arrival, EventType, Provider};
use crate::incident::reviews::Terms;
use crate::incident::{Incident, IncidentId};
use crate::journal::Position;
use crate::store::read::listed::ListedResource;
use crate::view::state::Badge;
use crate::view::story::Story;
use crate::view::words::Moment;

/// The style sheet of all pages.
pub const STYLE: &str = include_str!("templates/style.css");

/// The icon of all pages.
pub const ICON: &str = include_str!("templates/icon.svg");

/// What every page has around its content.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What relative links to the top begin with: `./`, `../`. So pages work below any path of a proxy.
    pub root: String,
    /// Whether the viewer may go on to the list of all incidents.
    pub has_list: bool,
    /// Who reads it, where that is known.
    pub reader: Option<Around>,
    /// Where somebody signs in who may not read this, and comes back from.
    pub sign_in: Option<String>,
    /// When the page was made.
    pub now: Time,
    /// In which zone times are shown beside UTC.
    pub zone: Option<Tz>,
    /// Where a reader who chooses another zone comes back to, below the top; none: no zone is chosen here.
    pub back: Option<String>,
}

/// How many communications of an incident are on one page.
pub const TOLD_MOST: usize = 20;

/// How many events brought those on one page, but for the first one.
pub const TOLD_EVENTS_MOST: usize = 2_000;

/// What a page has around it for one reader.
#[derive(Debug, Clone)]
pub struct Around {
    /// As whom it signed in.
    pub signed_in: Option<String>,
    /// The customer on whose behalf an operator chose to read.
    pub as_customer: Option<String>,
    /// The customers on whose behalf it may read.
    pub customers: Vec<String>,
    /// What its forms carry.
    pub form_token: String,
    /// The first part of the page's path; empty for the health history.
    pub here: String,
}

impl Frame {
    /// The pages there are, for the navigation: where, what, and whether it is this one.
    pub fn pages(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        let here = self.reader.as_ref().map(|reader| reader.here.clone());
        PAGES
            .into_iter()
            .map(move |(path, name)| (path, name, here.as_deref() == Some(path)))
    }

    /// What an address ends with so that the choice of a customer stays, behind `?` or `&`; empty without one.
    pub fn chosen(&self, separator: &str) -> String {
        let chosen = self.reader.as_ref().and_then(|reader| reader.as_customer.as_deref());
        chosen.map_or_else(String::new, |customer| format!("{separator}as={customer}"))
    }

    /// The customer on whose behalf an operator chose to read; empty without one.
    pub fn chosen_customer(&self) -> &str {
        let chosen = self.reader.as_ref().and_then(|reader| reader.as_customer.as_deref());
        chosen.unwrap_or_default()
    }
}

impl Around {
    /// The page on which a choice of a customer leads back: this one, if there is one without anything more to say.
    pub fn stays_on(&self) -> &str {
        let is_page = PAGES.iter().any(|(path, _)| *path == self.here);
        if is_page { &self.here } else { "" }
    }
}

/// The pages of the navigation.
const PAGES: [(&str, &str); 6] = [
    ("", "History"),
    ("deliveries", "Deliveries"),
    ("claims", "Credits"),
    ("rules", "Rules"),
    ("why", "Why"),
    ("feeds", "Feeds"),
];

/// Zones that are offered; any other one can be typed.
const ZONES: [&str; 24] = [
    "Africa/Johannesburg",
    "Africa/Lagos",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Toronto",
    "Asia/Dubai",
    "Asia/Hong_Kong",
    "Asia/Jakarta",
    "Asia/Kolkata",
    "Asia/Seoul",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Madrid",
    "Europe/Paris",
    "Europe/Warsaw",
    "Pacific/Auckland",
];

impl Frame {
    /// The zone's name; empty for UTC alone.
    pub fn zone_name(&self) -> &'static str {
        self.zone.map_or("", chrono_tz::Tz::name)
    }

    /// The zones that are offered.
    pub fn zones(&self) -> &'static [&'static str] {
        &ZONES
    }

    /// A moment as its reader sees it.
    pub fn moment(&self, at: Time) -> Moment {
        Moment::in_zone(at, self.zone)
    }
}

#[derive(Template)]
#[template(path = "incident.html")]
struct OneIncident<'a> {
    frame: &'a Frame,
    title: &'a str,
    made: Moment,
    about: String,
    badges: Vec<Badge>,
    facts: Vec<Fact>,
    owed: Vec<OwedLine>,
    known: Vec<String>,
    recommendations: Vec<String>,
    reminders: Vec<Told>,
    /// Whether it is over for those who read this, in sentences.
    own_part: Vec<String>,
    affected: Vec<Where>,
    told: Vec<Told>,
    counts: String,
    newer: Option<String>,
    older: Option<String>,
    has_customers: bool,
    /// Whether the provider withheld a text and has not given it since.
    is_incomplete: bool,
    /// The resources that it impacted.
    impacted: ImpactedPart<'a>,
    /// Whether the texts are ours, and no provider's.
    is_ours: bool,
    /// Where the service credits are that rest on it.
    credits: Option<String>,
}

/// The resources that an incident impacted.
struct ImpactedPart<'a> {
    /// How many there are; empty where there are none.
    counts: String,
    lines: &'a [ListedResource],
    /// How many more there are.
    more: usize,
    /// Where all of them are, as JSON.
    link: String,
}

impl<'a> ImpactedPart<'a> {
    fn of(story: &'a Story, frame: &Frame) -> Self {
        let impacted = &story.impacted;
        let mut counts = String::new();
        if impacted.count() > 0 {
            let (confirmed, potential) = (impacted.confirmed, impacted.potential);
            counts = format!("{confirmed} confirmed as impacted, {potential} potentially");
            counts.push_str(if impacted.is_cut { "; the list is not whole" } else { "" });
        }
        let id = &story.incident.id;
        let segment = IncidentId::segment(&id.tracking_id);
        let segment: String = url::form_urlencoded::byte_serialize(segment.as_bytes()).collect();
        Self {
            counts,
            lines: &impacted.named,
            more: impacted.count().saturating_sub(impacted.named.len()),
            link: format!(
                "{}v1/incidents/{segment}/resources?provider={}{}",
                frame.root,
                id.provider.word(),
                frame.chosen("&")
            ),
        }
    }
}

/// One incident's story, and what is owed by these terms; `own` is the customer who reads it, whose names for accounts are
/// shown.
pub fn incident(
    frame: &Frame,
    story: &Story,
    terms: &Terms,
    names: &dyn Fn(&str) -> Vec<String>,
    own: Option<&CustomerId>,
    address: &[(&'static str, String)],
    may_ask_for_credits: bool,
) -> String {
    let incident = &story.incident;
    let newest_with_text = story.chapters.iter().position(|chapter| chapter.event.is_some());
    let shown = story.shown.clone();
    let told = story.chapters.iter().enumerate().take(shown.end).skip(shown.start);
    let revisions = story.revisions_within(shown.clone());
    let is_back_filled = story.chapters.iter().all(|chapter| chapter.arrival == Arrival::History);
    let progress = story.progress(terms, frame.now);
    render(&OneIncident {
        frame,
        title: &incident.title,
        made: frame.moment(frame.now),
        about: rows::about(incident),
        badges: rows::badges(incident, is_back_filled, frame.now),
        facts: Fact::all(story, &progress, frame),
        owed: OwedLine::all(&progress, story, frame),
        known: OwedLine::known(&progress, &story.corrections, frame),
        recommendations: story.recommendations(),
        reminders: story
            .reminders
            .iter()
            .map(|chapter| Told::of(chapter, incident, false, None, frame))
            .collect(),
        own_part: story
            .own_part
            .as_ref()
            .map(|own| own_part::sentences(own, frame))
            .unwrap_or_default(),
        affected: story
            .impact
            .iter()
            .map(|one| Where::of(one, names, incident.id.provider))
            .collect(),
        told: told
            .zip(revisions)
            .map(|((nth, chapter), revision)| {
                let is_newest = Some(nth) == newest_with_text;
                Told::of(chapter, incident, is_newest, revision.changed, frame)
            })
            .collect(),
        newer: (shown.start > 0).then(|| page_of(address, None)),
        older: older(story).map(|before| page_of(address, Some(before))),
        counts: match story.chapters.len() {
            all if all == shown.len() => String::new(),
            all => format!("{} to {} of {all}, the newest first", shown.start + 1, shown.end),
        },
        has_customers: own.is_none_or(CustomerId::is_operator),
        is_incomplete: story.is_incomplete(),
        impacted: ImpactedPart::of(story, frame),
        is_ours: incident.id.provider == Provider::Bellwether,
        credits: (may_ask_for_credits && may_be_owed_for(incident.event_type)).then(|| credits_of(incident, frame)),
    })
}

/// Whether events of a type count as downtime by any terms.
fn may_be_owed_for(event_type: EventType) -> bool {
    match event_type {
        EventType::ServiceIssue | EventType::PlannedMaintenance => true,
        EventType::HealthAdvisory | EventType::SecurityAdvisory | EventType::Billing | EventType::Other => false,
    }
}

/// Where the service credits are that rest on an incident.
fn credits_of(incident: &Incident, frame: &Frame) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("incident", &incident.tracking_id)
        .finish();
    format!("{}claims?{query}{}", frame.root, frame.chosen("&"))
}

/// Where the communications before those shown are.
fn older(story: &Story) -> Option<Position> {
    let last = story.shown.clone().last()?;
    let has_more = story.shown.end < story.chapters.len();
    story.chapters[last].events.first().copied().filter(|_| has_more)
}

/// The address of another page of an incident.
fn page_of(address: &[(&'static str, String)], before: Option<Position>) -> String {
    let before = before.map(|at| ("before", at.to_string()));
    let all = address.iter().cloned().chain(before);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(all)
        .finish();
    format!("?{query}#told")
}

fn render(page: &impl Template) -> String {
    page.render()
        .expect("a template writes to memory, and formats what cannot fail")
}

#[cfg(test)]
mod tests;
