//! Emerging issues: what the public status page shows before it is known who is affected.
//!
//! They name no account, so they carry the source `status.azure.com`, which customers may list under `public`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::allowance::Allowance;
use super::super::draft::{Draft, Impacts, UNSAID};
use super::super::json::{Fault, Node};
use super::super::note::Notes;
use super::super::{EventType, Form, Stage, html};
use super::impact::Impacted;
use super::times::time;
use super::{Heard, words};

/// The source these events carry.
const STATUS_PAGE: &str = "status.azure.com";

/// Reads one answer of `emergingIssues`.
pub(super) fn read(node: &Node, heard: &mut Heard) -> Result<(), Fault> {
    let properties = node.get("properties").unwrap_or(node);
    let issues = properties
        .get("statusActiveEvents")
        .and_then(Node::list)
        .unwrap_or_default();
    for (nth, issue) in issues.iter().enumerate() {
        let first = heard.drafts.len();
        match words::value(issue, "published").as_deref() {
            Some("false") => heard.ignore(issue, "unpublished issue", "this issue is not published yet"),
            _ => {
                let (draft, impact_bytes) = draft(issue, &heard.allowance)?;
                heard.event(issue, draft, impact_bytes)?;
            }
        }
        if let Some(next) = issues.get(nth + 1) {
            heard.note_oddities(first, next.at)?;
        }
    }
    for banner in properties.get("statusBanners").and_then(Node::list).unwrap_or_default() {
        heard.ignore(
            banner,
            "status banner",
            "a banner of the status page has no tracking id",
        );
    }
    Ok(())
}

/// The event, and what it takes for what is impacted, bytes.
fn draft(issue: &Node, allowance: &Allowance) -> Result<(Draft, usize), Fault> {
    let mut notes = Notes::default();
    let title = words::text(issue, "title", &mut notes).unwrap_or_default();
    let body = words::text(issue, "description", &mut notes).unwrap_or_default();
    if title.is_empty() && body.is_empty() && words::name(issue, "trackingId").is_none() {
        return Err(Fault::missing(issue, "trackingId").hint("an issue has `title`, `description` and `trackingId`"));
    }
    let words_of_it = if title.is_empty() { &body } else { &title };
    let tracking_id = words::tracking_id(&[(issue, "trackingId")], words_of_it, &mut notes);
    let impacted = impact(issue, allowance, &mut notes)?;
    let impact_start = time(issue, "startTime", &mut notes);
    let published = time(issue, "lastModifiedTime", &mut notes).or(impact_start);
    let draft = Draft {
        form: Form::AzureEmergingIssues,
        source: Some(STATUS_PAGE.to_string()),
        event_type: EventType::ServiceIssue,
        subtype: None,
        stage: stage(issue, &mut notes),
        level: words::level(issue, "severity", &mut notes),
        title: html::one_line(&title).into(),
        body,
        impact: Impacts::all(impacted.pairs),
        accounts: BTreeSet::new(),
        impact_start,
        impact_end: None,
        published: published.unwrap_or_else(|| {
            notes.add("lastModifiedTime", "no time can be read; that of arrival counts");
            UNSAID
        }),
        properties: BTreeMap::new(),
        tags: Vec::new(),
        test: words::is_test_id(&tracking_id),
        communication_id: None,
        tracking_id: tracking_id.into(),
        notes: notes.into_vec().into(),
        text_withheld: false,
    };
    Ok((draft, impacted.bytes))
}

fn stage(issue: &Node, notes: &mut Notes) -> Stage {
    let word = words::text(issue, "stage", notes);
    let known = word.as_deref().and_then(Stage::read);
    match (known, word) {
        (Some(stage), _) => return stage,
        (None, Some(word)) => notes.unknown_word("stage", &word, "the stage is taken as Unknown"),
        (None, None) => notes.add("stage", "there is none; the stage is taken as Unknown"),
    }
    Stage::Unknown
}

fn impact<'a>(issue: &Node, allowance: &'a Allowance, notes: &mut Notes) -> Result<Impacted<'a>, Fault> {
    let mut impacted = Impacted::new(allowance);
    for node in issue.get("impacts").and_then(Node::list).unwrap_or_default() {
        let regions = node.get("regions").and_then(Node::list).unwrap_or_default();
        let names: Vec<String> = regions
            .iter()
            .filter_map(|region| words::name(region, "name"))
            .collect();
        let service = words::name(node, "name");
        match (service, names.is_empty()) {
            (None, true) => notes.add(
                "impacts",
                "an element names neither a service nor a region, and is left out",
            ),
            (service, _) => impacted.service(node, &service.unwrap_or_default(), None, names.into_iter())?,
        }
    }
    Ok(impacted)
}
