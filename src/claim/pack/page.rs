//! `claim.html`: the claim on paper. One file without scripts, fonts or pictures; whatever a text names is not fetched.

use askama::Template;

use super::layout::{Laid, Layout};
use super::missing::{Item, Missing};
use super::request::{calculation, facts, lasted};
use super::words::{count, line, moment};
use super::{Entered, Pack, Resource};

/// The longest text that is printed, bytes; the whole one is in its file.
const TEXT_BYTES_MOST: usize = 100_000;

/// The longest texts that are printed together, bytes.
const TEXTS_BYTES_MOST: usize = 4 << 20;

/// The most impacted resources of an incident that are printed.
const RESOURCES_MOST: usize = 200;

/// The most services, accounts or windows that are printed.
const LIST_MOST: usize = 50;

#[derive(Template)]
#[template(path = "claim.html")]
struct Page<'p> {
    id: &'p str,
    month: &'p str,
    made: String,
    version: &'p str,
    facts: Vec<(&'static str, String)>,
    missing: Vec<&'p Item<'p>>,
    warnings: &'p [String],
    calculation: Vec<String>,
    explanation: &'p [String],
    incidents: Vec<Incident<'p>>,
}

struct Incident<'p> {
    name: String,
    title: String,
    folder: &'p str,
    windows: Vec<String>,
    impact: Vec<String>,
    accounts: Vec<String>,
    resources: Vec<&'p Resource>,
    /// Empty where all resources are printed.
    more_resources: String,
    communications: Vec<Communication<'p>>,
    /// Of downtime that a person entered: who, why, and what proves it.
    entered: Vec<String>,
}

struct Communication<'p> {
    title: String,
    kind: &'static str,
    published: String,
    heard: String,
    digest: &'p str,
    file: &'p str,
    body: Body<'p>,
}

enum Body<'p> {
    /// Sanitised where it was received.
    Html(&'p str),
    Plain(&'p str),
    /// There is no room on the page.
    InItsFile,
}

/// The page.
pub fn html(pack: &Pack<'_>, layout: &Layout<'_>, missing: &Missing<'_>) -> String {
    let mut room = TEXTS_BYTES_MOST;
    let page = Page {
        id: &pack.row.id,
        month: &pack.row.month,
        made: moment(pack.made),
        version: pack.version,
        facts: facts(pack),
        missing: missing.items_missing().collect(),
        warnings: &missing.warnings,
        calculation: calculation(pack),
        explanation: &pack.row.explanation,
        incidents: layout.incidents.iter().map(|laid| incident(laid, &mut room)).collect(),
    };
    page.render()
        .expect("writing to memory, from a template without own code, does not fail")
}

fn incident<'p>(laid: &'p Laid<'_>, room: &mut usize) -> Incident<'p> {
    let evidence = laid.evidence;
    let impact = evidence.impact.iter().map(|impact| match &impact.region {
        Some(region) => line(&format!("{} in {region}", impact.service), 300),
        None => line(&impact.service, 300),
    });
    let more = laid.resources.len().saturating_sub(RESOURCES_MOST);
    Incident {
        name: line(&evidence.tracking_id, 300),
        title: line(&evidence.title, 500),
        folder: &laid.folder,
        windows: evidence.windows.iter().take(LIST_MOST).map(lasted).collect(),
        impact: impact.take(LIST_MOST).collect(),
        accounts: evidence
            .accounts
            .iter()
            .take(LIST_MOST)
            .map(|id| line(id, 100))
            .collect(),
        resources: laid.resources.iter().take(RESOURCES_MOST).collect(),
        more_resources: match more {
            0 => String::new(),
            more => format!("and {} in resources.csv", count(more, "other")),
        },
        communications: laid
            .communications
            .iter()
            .map(|said| communication(said, room))
            .collect(),
        entered: evidence.entered.as_ref().map(entered).unwrap_or_default(),
    }
}

fn entered(entered: &Entered) -> Vec<String> {
    let who = format!("entered by {} at {}", line(&entered.by, 200), moment(entered.at));
    let why = format!("why it counts: {}", line(&entered.reason, 1_000));
    let evidence = entered.evidence.iter();
    let evidence = evidence.map(|one| format!("evidence: {}", line(one, 1_000)));
    [who, why].into_iter().chain(evidence).collect()
}

fn communication<'p>(said: &'p super::layout::Said<'_>, room: &mut usize) -> Communication<'p> {
    let communication = said.communication;
    let (body, bytes) = match communication.html.is_empty() {
        true => (Body::Plain(&said.text), said.text.len()),
        false => (Body::Html(&communication.html), communication.html.len()),
    };
    let has_room = bytes <= TEXT_BYTES_MOST.min(*room) && said.bytes_left_out == 0;
    *room -= if has_room { bytes } else { 0 };
    Communication {
        title: line(&communication.title, 500),
        kind: communication.kind.word(),
        published: moment(communication.published),
        heard: moment(communication.heard),
        digest: &said.digest,
        file: &said.file,
        body: if has_room { body } else { Body::InItsFile },
    }
}
