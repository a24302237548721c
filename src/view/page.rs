//! Pages: rendered here, whole, without scripts. Text is escaped by the templates; the only markup that goes through is
//! the provider's own, which was sanitised by an allow list when it was read.

mod owed;
mod refusal;
mod rows;

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
    /// When the page was made.
    pub now: Time,
}

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
    /// Whether the provider withheld a text and has not given it since.
    is_incomplete: bool,
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
        is_incomplete: story.is_incomplete(),
    })
}

fn render(page: &impl Template) -> String {
    page.render()
        .expect("a template writes to memory, and formats what cannot fail")
}

#[cfg(test)]
mod tests;
