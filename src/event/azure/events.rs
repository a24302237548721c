//! `Microsoft.ResourceHealth/events`: what the REST API lists and the SDK flattens.
//!
//! One item is a whole story. It repeats the text of each update under every impacted region, newest first; here it
//! becomes one event per update, oldest first. Title, status and tags describe the newest one. `summary` is cut after
//! the first paragraph, so the text is read from `description` and the updates.

use std::collections::{BTreeMap, BTreeSet};

use super::super::draft::Draft;
use super::super::json::{Fault, Node};
use super::super::{EventType, Form, Impact, Stage, html};
use super::progress::{maintenance_stage, plain_title, reads_as_mitigation};
use super::updates::{self, Update};
use super::{Heard, notice, words};
use crate::clock::Time;

/// Reads one item.
pub(super) fn read(node: &Node, heard: &mut Heard) -> Result<(), Fault> {
    let item = Item::read(node)?;
    let mut updates = updates::read(item.properties, item.impact_start)?;
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
    impact_start: Option<Time>,
    impact_end: Option<Time>,
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
            impact_start: words::time(properties, "impactStartTime")?,
            impact_end: words::time(properties, "impactMitigationTime")?,
        })
    }

    fn newest(&self, update: Update) -> Draft {
        let tags = if update.tags.is_empty() {
            notice::tags(self.properties)
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
        self.draft(update, plain_title(&self.title, self.event_type), stage, impact_end)
    }

    fn draft(&self, update: Update, title: String, stage: Stage, impact_end: Option<Time>) -> Draft {
        let level = words::first(self.properties, &["eventLevel", "level"]);
        Draft {
            form: Form::AzureEvents,
            source: None,
            tracking_id: self.tracking_id.clone(),
            event_type: self.event_type,
            subtype: words::name(self.properties, "eventSubType"),
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

/// The item's name; some exports give only its properties, or only the id that ends in it.
fn tracking_id(node: &Node, properties: &Node) -> Result<String, Fault> {
    let by_id = words::value(node, "id").and_then(|id| id.rsplit('/').next().map(html::one_line));
    match (node.get("name"), properties.get("trackingId"), by_id) {
        (None, Some(_), _) => words::tracking_id(properties, "trackingId"),
        (None, None, Some(id)) if !id.is_empty() => Ok(id),
        _ => words::tracking_id(node, "name"),
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
}
