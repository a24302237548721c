//! Emerging issues: what the public status page shows before it is known who is affected.
//!
//! They name no account, so they carry the source `status.azure.com`, which customers may list under `public`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::allowance::Allowance;
use super::super::draft::{Draft, Impacts};
use super::super::json::{Fault, Node};
use super::super::{EventType, Form, Stage, html};
use super::words::Impacted;
use super::{Heard, notice, words};

/// The source these events carry.
const STATUS_PAGE: &str = "status.azure.com";

/// Reads one answer of `emergingIssues`.
pub(super) fn read(node: &Node, heard: &mut Heard) -> Result<(), Fault> {
    let properties = node.get("properties").unwrap_or(node);
    for issue in properties
        .get("statusActiveEvents")
        .and_then(Node::list)
        .unwrap_or_default()
    {
        match words::value(issue, "published").as_deref() {
            Some("false") => heard.ignore(issue, "unpublished issue", "this issue is not published yet"),
            _ => {
                let (draft, impact_bytes) = draft(issue, &heard.allowance)?;
                heard.event(issue, draft, impact_bytes)?;
            }
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
    let tracking_id = words::tracking_id(issue, "trackingId")?;
    let published = words::time(issue, "lastModifiedTime")?
        .map_or_else(|| words::time(issue, "startTime"), |time| Ok(Some(time)))?;
    let impacted = impact(issue, allowance)?;
    let draft = Draft {
        form: Form::AzureEmergingIssues,
        source: Some(STATUS_PAGE.to_string()),
        event_type: EventType::ServiceIssue,
        subtype: None,
        stage: stage(issue)?,
        level: words::value(issue, "severity").and_then(|word| words::level(&word)),
        title: html::one_line(&words::value(issue, "title").unwrap_or_default()).into(),
        body: words::value(issue, "description").unwrap_or_default(),
        impact: Impacts::all(impacted.pairs),
        accounts: BTreeSet::new(),
        impact_start: words::time(issue, "startTime")?,
        impact_end: None,
        published: published
            .ok_or_else(|| words::no_time(&["lastModifiedTime", "startTime"].map(|key| (issue, key))))?,
        properties: BTreeMap::new(),
        tags: Vec::new(),
        test: words::is_test_id(&tracking_id),
        communication_id: None,
        tracking_id: tracking_id.into(),
    };
    Ok((draft, impacted.bytes))
}

fn stage(issue: &Node) -> Result<Stage, Fault> {
    let member = issue.get("stage").ok_or_else(|| Fault::missing(issue, "stage"))?;
    let word = words::value(issue, "stage").unwrap_or_default();
    Stage::read(&word).ok_or_else(|| notice::unknown(member, "stage", &word, "Active, Resolved and RCA"))
}

fn impact<'a>(issue: &Node, allowance: &'a Allowance) -> Result<Impacted<'a>, Fault> {
    let mut impacted = Impacted::new(allowance);
    for node in issue.get("impacts").and_then(Node::list).unwrap_or_default() {
        let Some(service) = words::name(node, "name") else {
            continue;
        };
        let regions = node.get("regions").and_then(Node::list).unwrap_or_default();
        let names = regions.iter().filter_map(|region| words::name(region, "name"));
        impacted.service(node, &service, None, names)?;
    }
    Ok(impacted)
}
