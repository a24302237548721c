//! Pages: rendered here, whole, without scripts. Text is escaped by the templates; the only markup that goes through is
//! the provider's own, which was sanitised by an allow list when it was read.

mod rows;

use askama::Template;

use self::rows::{Fact, Line, Status, Told, Where};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::incident::Incident;
use crate::view::story::Story;
use crate::view::words::{self, Moment};

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
    status: Status,
    is_test: bool,
    facts: Vec<Fact>,
    affected: Vec<Where>,
    told: Vec<Told>,
    has_customers: bool,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct Refused<'a> {
    frame: &'a Frame,
    title: &'a str,
    made: Moment,
    status: u16,
    hint: Option<&'a str>,
}

/// The health history: incidents, the newest communication first, and where older ones are.
pub fn incidents(frame: &Frame, incidents: &[Incident], is_first: bool, next: Option<&str>) -> String {
    render(&Incidents {
        frame,
        title: "Service health",
        made: Moment::of(frame.now),
        lines: incidents.iter().map(Line::of).collect(),
        is_first,
        next,
    })
}

/// One incident's story; `own` is the customer who reads it, whose names for accounts are shown.
pub fn incident(frame: &Frame, story: &Story, names: &dyn Fn(&str) -> Vec<String>, own: Option<&CustomerId>) -> String {
    let incident = &story.incident;
    let newest_with_text = story.chapters.iter().position(|chapter| chapter.event.is_some());
    let told = story.chapters.iter().enumerate();
    render(&OneIncident {
        frame,
        title: &incident.title,
        made: Moment::of(frame.now),
        about: format!(
            "{} · {} · {}",
            words::provider(incident.id.provider),
            incident.event_type.word(),
            incident.tracking_id
        ),
        status: Status::of(incident),
        is_test: incident.test,
        facts: Fact::all(story),
        affected: story
            .impact
            .iter()
            .map(|one| Where::of(one, names, incident.id.provider))
            .collect(),
        told: told
            .map(|(nth, chapter)| Told::of(chapter, incident.id.provider, Some(nth) == newest_with_text))
            .collect(),
        has_customers: own.is_none_or(CustomerId::is_operator),
    })
}

/// What could not be done, and what to do about it.
pub fn refusal(frame: &Frame, status: u16, what: &str, hint: Option<&str>) -> String {
    let title = words::capitalised(what);
    render(&Refused {
        frame,
        title: &title,
        made: Moment::of(frame.now),
        status,
        hint,
    })
}

fn render(page: &impl Template) -> String {
    page.render()
        .expect("a template writes to memory, and formats what cannot fail")
}

#[cfg(test)]
mod tests;
