//! `Microsoft.ResourceHealth/events`: what the REST API lists and the SDK flattens.
//!
//! One item is a whole story. It repeats the text of each update under every impacted region, newest first; here it
//! becomes one event per update, oldest first. Title, status and tags describe the newest one. `summary` is cut after
//! the first paragraph, so the text is read from `description` and the updates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use chrono::Duration;
use regex::Regex;

use super::super::draft::Draft;
use super::super::json::{Fault, Node};
use super::super::{EventType, Form, Impact, Stage};
use super::{Heard, notice, words};
use crate::clock::Time;

/// The same text is posted to a region moments after another; that is one update.
const SAME_UPDATE_MINUTES: i64 = 5;
/// How much of a text tells what stage a maintenance is in, bytes.
const OPENING_BYTES: usize = 600;

/// Reads one item.
pub(super) fn read(node: &Node, heard: &mut Heard) -> Result<(), Fault> {
    let item = Item::read(node)?;
    let mut updates = updates(&item)?;
    let newest = updates.pop();
    heard
        .drafts
        .extend(updates.into_iter().map(|update| item.older(update)));
    heard.drafts.extend(newest.map(|update| item.newest(update)));
    Ok(())
}

/// What an item says of all its updates.
struct Item<'a> {
    node: &'a Node,
    properties: &'a Node,
    tracking_id: String,
    event_type: EventType,
    stage: Stage,
    title: String,
    last_update: Option<Time>,
    impact_start: Option<Time>,
    impact_end: Option<Time>,
}

/// One text, and where it was posted.
#[derive(Debug, Clone)]
struct Update {
    at: Time,
    body: String,
    tags: Vec<String>,
    impact: Vec<Impact>,
}

impl<'a> Item<'a> {
    fn read(node: &'a Node) -> Result<Self, Fault> {
        let properties = node.get("properties").unwrap_or(node);
        let (event_type, review) = event_type(properties)?;
        Ok(Self {
            node,
            properties,
            tracking_id: tracking_id(node, properties)?,
            event_type,
            stage: if review { Stage::Rca } else { status(properties)? },
            title: words::value(properties, "title").unwrap_or_default(),
            last_update: words::time(properties, "lastUpdateTime")?,
            impact_start: words::time(properties, "impactStartTime")?,
            impact_end: words::time(properties, "impactMitigationTime")?,
        })
    }

    fn newest(&self, update: Update) -> Draft {
        let tags = if update.tags.is_empty() {
            notice_tags(self.properties)
        } else {
            update.tags.clone()
        };
        let stage = match self.event_type {
            EventType::PlannedMaintenance => maintenance_stage(&self.title, &update.body, self.stage),
            _ => self.stage,
        };
        self.draft(Update { tags, ..update }, self.title.clone(), stage, self.impact_end)
    }

    /// An update that is no longer the newest: the item's title and status came after it.
    fn older(&self, update: Update) -> Draft {
        let stage = match self.event_type {
            EventType::PlannedMaintenance => maintenance_stage("", &update.body, Stage::Active),
            EventType::ServiceIssue if reads_as_mitigation(&update.body) => Stage::Resolved,
            _ => Stage::Active,
        };
        let still_on = self.event_type == EventType::ServiceIssue && stage == Stage::Active;
        let impact_end = self.impact_end.filter(|_| !still_on);
        self.draft(update, plain_title(&self.title), stage, impact_end)
    }

    fn draft(&self, update: Update, title: String, stage: Stage, impact_end: Option<Time>) -> Draft {
        let level = words::first(self.properties, &["eventLevel", "level"]);
        Draft {
            form: Form::AzureEvents,
            source: None,
            tracking_id: self.tracking_id.clone(),
            event_type: self.event_type,
            subtype: words::value(self.properties, "eventSubType"),
            stage,
            level: level.and_then(|word| words::level(&word)),
            title,
            body: update.body,
            accounts: self.accounts(&update.impact),
            impact: update.impact,
            impact_start: self.impact_start,
            impact_end,
            published: update.at,
            properties: BTreeMap::new(),
            tags: update.tags,
            test: words::says_yes(self.properties, "isSynthetic") || words::is_test_id(&self.tracking_id),
            communication_id: None,
        }
    }

    /// The accounts of these pairs, or the subscription that the item was asked for.
    fn accounts(&self, impact: &[Impact]) -> BTreeSet<String> {
        let named: BTreeSet<String> = impact.iter().flat_map(|pair| pair.accounts.iter().cloned()).collect();
        match named.is_empty() {
            true => words::value(self.node, "id")
                .and_then(|id| words::account_in(&id))
                .into_iter()
                .collect(),
            false => named,
        }
    }
}

fn tracking_id(node: &Node, properties: &Node) -> Result<String, Fault> {
    let own = node.get("name").is_none() && properties.get("trackingId").is_some();
    match own {
        true => words::tracking_id(properties, "trackingId"),
        false => words::tracking_id(node, "name"),
    }
}

/// The type, and whether the item is a review by its type.
fn event_type(properties: &Node) -> Result<(EventType, bool), Fault> {
    let member = properties
        .get("eventType")
        .ok_or_else(|| Fault::missing(properties, "eventType"))?;
    let word = words::value(properties, "eventType").unwrap_or_default();
    let known = "ServiceIssue, PlannedMaintenance, HealthAdvisory, SecurityAdvisory, RCA, EmergingIssues and Billing";
    let event_type = EventType::read(&word).ok_or_else(|| notice::unknown(member, "eventType", &word, known))?;
    Ok((event_type, word.eq_ignore_ascii_case("RCA")))
}

fn status(properties: &Node) -> Result<Stage, Fault> {
    let member = properties
        .get("status")
        .ok_or_else(|| Fault::missing(properties, "status"))?;
    let word = words::value(properties, "status").unwrap_or_default();
    Stage::read(&word).ok_or_else(|| notice::unknown(member, "status", &word, "Active and Resolved"))
}

fn notice_tags(node: &Node) -> Vec<String> {
    let items = node.get("eventTags").and_then(Node::list).unwrap_or_default();
    items.iter().filter_map(Node::text).map(str::to_string).collect()
}

/// All updates, oldest first; at least one.
fn updates(item: &Item<'_>) -> Result<Vec<Update>, Fault> {
    let mut posted = Vec::new();
    let mut silent = Vec::new();
    for service in item.properties.get("impact").and_then(Node::list).unwrap_or_default() {
        collect(service, item.last_update, &mut posted, &mut silent)?;
    }
    let mut updates = merge(posted);
    with_description(item, &mut updates)?;
    if let Some(newest) = updates.last_mut() {
        newest.impact.extend(silent);
    }
    Ok(updates)
}

/// Notes each update of a service's regions, and the regions that have none.
fn collect(
    service: &Node,
    last: Option<Time>,
    posted: &mut Vec<Update>,
    silent: &mut Vec<Impact>,
) -> Result<(), Fault> {
    let name = words::value(service, "impactedService").ok_or_else(|| Fault::missing(service, "impactedService"))?;
    let service_id = words::value(service, "impactedServiceGuid").and_then(|id| words::account(&id));
    let pair = |region, accounts| Impact {
        service: name.clone(),
        service_id: service_id.clone(),
        region,
        accounts,
    };
    let regions = service.get("impactedRegions").and_then(Node::list).unwrap_or_default();
    if regions.is_empty() {
        silent.push(pair(None, Vec::new()));
    }
    for region in regions {
        let impact = pair(words::value(region, "impactedRegion"), accounts(region));
        let before = posted.len();
        for update in region.get("updates").and_then(Node::list).unwrap_or_default() {
            posted.extend(one_update(update, region, last, &impact)?);
        }
        if posted.len() == before {
            silent.push(impact);
        }
    }
    Ok(())
}

fn accounts(region: &Node) -> Vec<String> {
    let subscriptions = words::accounts(region.get("impactedSubscriptions"));
    subscriptions
        .into_iter()
        .chain(words::accounts(region.get("impactedTenants")))
        .collect()
}

fn one_update(update: &Node, region: &Node, last: Option<Time>, impact: &Impact) -> Result<Option<Update>, Fault> {
    let own = words::time(update, "updateDateTime")?;
    let at = match own {
        None => words::time(region, "lastUpdateTime")?.or(last),
        own => own,
    };
    let at = at.ok_or_else(|| Fault::missing(update, "updateDateTime"))?;
    let body = words::value(update, "summary");
    Ok(body.map(|body| Update {
        at,
        body,
        tags: notice_tags(update),
        impact: vec![impact.clone()],
    }))
}

/// One update per text and moment, oldest first.
fn merge(posted: Vec<Update>) -> Vec<Update> {
    let mut by_text: BTreeMap<(String, Time), Update> = BTreeMap::new();
    for update in posted {
        let key = (update.body.clone(), update.at);
        match by_text.get_mut(&key) {
            Some(same) => join(same, update),
            None => drop(by_text.insert(key, update)),
        }
    }
    let mut merged: Vec<Update> = Vec::new();
    for update in by_text.into_values() {
        match merged.last_mut().filter(|same| is_same(same, &update)) {
            Some(same) => join(same, update),
            None => merged.push(update),
        }
    }
    merged.sort_by_key(|update| update.at);
    merged
}

fn is_same(one: &Update, other: &Update) -> bool {
    one.body == other.body && other.at - one.at <= Duration::minutes(SAME_UPDATE_MINUTES)
}

fn join(one: &mut Update, other: Update) {
    one.at = one.at.max(other.at);
    one.impact.extend(other.impact);
    let new: Vec<String> = other.tags.into_iter().filter(|tag| !one.tags.contains(tag)).collect();
    one.tags.extend(new);
}

/// Makes the item's own text its newest update, unless it already is.
fn with_description(item: &Item<'_>, updates: &mut Vec<Update>) -> Result<(), Fault> {
    let description = words::value(item.properties, "description");
    let Some(newest) = updates.last_mut() else {
        let at = item.last_update.or(item.impact_start);
        let at = at.ok_or_else(|| Fault::missing(item.properties, "lastUpdateTime"))?;
        let body = description.or_else(|| longest(item.properties)).unwrap_or_default();
        updates.push(Update {
            at,
            body,
            tags: Vec::new(),
            impact: Vec::new(),
        });
        return Ok(());
    };
    match description {
        Some(text) if text != newest.body => match item.last_update.filter(|last| *last > newest.at) {
            Some(at) => {
                let impact = newest.impact.clone();
                updates.push(Update {
                    at,
                    body: text,
                    tags: Vec::new(),
                    impact,
                });
            }
            None => newest.body = text,
        },
        _ => {}
    }
    Ok(())
}

/// Where there is neither description nor update: the summary is often cut, the article may be whole.
fn longest(properties: &Node) -> Option<String> {
    let article = properties
        .get("article")
        .and_then(|article| words::value(article, "articleContent"));
    let summary = words::value(properties, "summary");
    summary.into_iter().chain(article).max_by_key(String::len)
}

/// An item's status is only Active or Resolved; its text says how far a maintenance is.
fn maintenance_stage(title: &str, body: &str, status: Stage) -> Stage {
    static SIGNS: LazyLock<[(Regex, Stage); 5]> = LazyLock::new(|| {
        let sign = |words: &str| Regex::new(&format!("(?i){words}")).expect("a valid expression");
        [
            (sign(r"\brescheduled\b"), Stage::Rescheduled),
            (
                sign(r"(\bbeen|\bis|^\W*)\s*cancell?ed\b|\bcancell?ed\s+-"),
                Stage::Canceled,
            ),
            (
                sign(r"\b(has|have)\s+(now\s+|been\s+|successfully\s+)*completed|\bmaintenance completed\b"),
                Stage::Complete,
            ),
            (
                sign(r"\bin progress\b|\bhas (now )?(started|begun)\b"),
                Stage::InProgress,
            ),
            (
                sign(r"\bupcoming\b|\bscheduled to\b|\bwill (start|begin|occur|take place)\b"),
                Stage::Planned,
            ),
        ]
    });
    let opening: String = format!("{title} {body}").chars().take(OPENING_BYTES).collect();
    let said = SIGNS
        .iter()
        .find(|(sign, _)| sign.is_match(&opening))
        .map(|(_, stage)| *stage);
    match (said, status) {
        (Some(Stage::Planned | Stage::InProgress), Stage::Resolved) => status,
        (said, status) => said.unwrap_or(status),
    }
}

/// Whether an update that is no longer the newest was the mitigation statement.
fn reads_as_mitigation(body: &str) -> bool {
    let body = body.to_lowercase();
    let next = body.contains("what happens next?") || body.contains("next steps");
    next && (body.contains("how did we respond?") || body.contains("mitigation</strong>"))
}

/// A title without what it says of the newest update.
fn plain_title(title: &str) -> String {
    static STATE: LazyLock<Regex> = LazyLock::new(|| {
        let state = r"(preliminary |final )?(post[- ]incident review|pir|rca|root cause analysis)( \((pir|rca)\))?|mitigated|resolved|active|no impact|azure incident retrospective";
        Regex::new(&format!(r"(?i)^({state})\s*[-–—:]\s*|\s*[-–—]\s*({state})$")).expect("a valid expression")
    });
    let plain = STATE.replace_all(title.trim(), "").trim().to_string();
    if plain.is_empty() { title.to_string() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::super::super::json;
    use super::*;

    fn drafts(item: &str) -> Vec<Draft> {
        let mut heard = Heard::default();
        read(&json::parse(item).unwrap(), &mut heard).unwrap();
        heard.drafts
    }

    fn region(name: &str, account: &str, updates: &[(&str, &str)]) -> String {
        let updates: Vec<String> = updates
            .iter()
            .map(|(at, text)| format!(r#"{{"summary":"{text}","updateDateTime":"{at}"}}"#))
            .collect();
        let updates = updates.join(",");
        format!(r#"{{"impactedRegion":"{name}","impactedSubscriptions":["{account}"],"updates":[{updates}]}}"#)
    }

    fn item(regions: &[String], more: &str) -> String {
        format!(
            r#"{{"name":"X-1","eventType":"ServiceIssue","status":"Active","title":"T","impact":[{{"impactedService":"VM","impactedRegions":[{}]}}]{more}}}"#,
            regions.join(",")
        )
    }

    #[test]
    fn a_text_posted_to_regions_moments_apart_is_one_update() {
        let two = item(
            &[
                region(
                    "East US",
                    "A",
                    &[("2025-01-01T10:00:01.8Z", "now"), ("2025-01-01T09:00:00Z", "before")],
                ),
                region("West US", "B", &[("2025-01-01T10:00:00Z", "now")]),
            ],
            "",
        );
        let drafts = drafts(&two);
        let texts: Vec<&str> = drafts.iter().map(|draft| draft.body.as_str()).collect();
        assert_eq!(texts, ["before", "now"]);
        assert_eq!(drafts[0].accounts.iter().collect::<Vec<_>>(), ["a"]);
        assert_eq!(drafts[1].accounts.iter().collect::<Vec<_>>(), ["a", "b"]);
        let west = drafts[1]
            .impact
            .iter()
            .find(|pair| pair.region.as_deref() == Some("West US"));
        assert_eq!(west.unwrap().accounts, ["b"]);
    }

    #[test]
    fn the_same_text_hours_later_is_another_update() {
        let updates = [("2025-01-01T10:00:00Z", "same"), ("2025-01-01T08:00:00Z", "same")];
        assert_eq!(drafts(&item(&[region("East US", "A", &updates)], "")).len(), 2);
    }

    #[test]
    fn a_description_newer_than_the_updates_is_an_update_of_its_own() {
        let regions = [region("East US", "A", &[("2025-01-01T10:00:00Z", "old")])];
        let newer = drafts(&item(
            &regions,
            r#","description":"whole","lastUpdateTime":"2025-01-02T10:00:00Z""#,
        ));
        assert_eq!((newer.len(), newer[1].body.as_str()), (2, "whole"));
        let same = drafts(&item(
            &regions,
            r#","description":"whole","lastUpdateTime":"2025-01-01T10:00:00Z""#,
        ));
        assert_eq!((same.len(), same[0].body.as_str()), (1, "whole"));
    }

    #[test]
    fn a_title_without_its_state_is_still_a_title() {
        assert_eq!(
            plain_title("App Service – Erroneous 404 – Mitigated"),
            "App Service – Erroneous 404"
        );
        assert_eq!(
            plain_title("Post Incident Review (PIR) – App Service – Slow"),
            "App Service – Slow"
        );
        assert_eq!(
            plain_title("ACTIVE: Virtual machines in West US"),
            "Virtual machines in West US"
        );
        assert_eq!(plain_title("Mitigated"), "Mitigated");
    }
}
