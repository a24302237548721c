//! Pages: rendered here, whole, without scripts. Text is escaped by the templates; the only markup that goes through is
//! the provider's own, which was sanitised by an allow list when it was read.

pub mod deliveries;
pub mod feeds;
mod owed;
mod refusal;
mod rows;
pub mod rules;
pub mod signing_in;
pub mod why;

pub use refusal::{Refused, refusal};

use askama::Template;

use self::owed::OwedLine;
use self::rows::{Fact, Line, Told, Where};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::Arrival;
use crate::incident::Incident;
use crate::incident::reviews::Terms;
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
}

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
const PAGES: [(&str, &str); 5] = [
    ("", "History"),
    ("deliveries", "Deliveries"),
    ("rules", "Rules"),
    ("why", "Why"),
    ("feeds", "Feeds"),
];

/// An incident in the list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What is known of it.
    pub incident: Incident,
    /// Whether all of it came as history, so that nobody was told.
    pub is_back_filled: bool,
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct Incidents<'a> {
    frame: &'a Frame,
    title: &'a str,
    made: Moment,
    lines: Vec<Line>,
    is_first: bool,
    next: Option<&'a str>,
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
    affected: Vec<Where>,
    told: Vec<Told>,
    has_customers: bool,
}

/// The health history: incidents, the newest communication first, and where older ones are.
pub fn incidents(frame: &Frame, incidents: &[Listed], is_first: bool, next: Option<&str>) -> String {
    render(&Incidents {
        frame,
        title: "Service health",
        made: Moment::of(frame.now),
        lines: incidents.iter().map(|one| Line::of(one, frame.now)).collect(),
        is_first,
        next,
    })
}

/// One incident's story, and what is owed by these terms; `own` is the customer who reads it, whose names for accounts are
/// shown.
pub fn incident(
    frame: &Frame,
    story: &Story,
    terms: &Terms,
    names: &dyn Fn(&str) -> Vec<String>,
    own: Option<&CustomerId>,
) -> String {
    let incident = &story.incident;
    let newest_with_text = story.chapters.iter().position(|chapter| chapter.event.is_some());
    let told = story.chapters.iter().enumerate();
    let is_back_filled = story.chapters.iter().all(|chapter| chapter.arrival == Arrival::History);
    render(&OneIncident {
        frame,
        title: &incident.title,
        made: Moment::of(frame.now),
        about: rows::about(incident),
        badges: rows::badges(incident, is_back_filled, frame.now),
        facts: Fact::all(story, frame.now),
        owed: OwedLine::all(&story.progress(terms, frame.now), frame.now),
        affected: story
            .impact
            .iter()
            .map(|one| Where::of(one, names, incident.id.provider))
            .collect(),
        told: told
            .map(|(nth, chapter)| {
                let is_newest = Some(nth) == newest_with_text;
                Told::of(chapter, incident.id.provider, incident.event_type, is_newest)
            })
            .collect(),
        has_customers: own.is_none_or(CustomerId::is_operator),
    })
}

fn render(page: &impl Template) -> String {
    page.render()
        .expect("a template writes to memory, and formats what cannot fail")
}

#[cfg(test)]
mod tests;
