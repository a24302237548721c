//! `Microsoft.ResourceHealth/events`: what the REST API lists and the SDK flattens.
//!
//! One item is a whole story. It repeats the text of each update under every impacted region, newest first; here it
//! becomes one event per update, oldest first. Title, status and tags describe the newest one. `summary` is cut after
//! the first paragraph, so the text is read from `description` and the updates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::allowance::{Allowance, bytes_of_event};
use super::super::draft::{Draft, Impacts, Pair};
use super::super::json::{Fault, Node};
use super::super::note::{Note, Notes};
use super::super::{EventType, Form, Level, Stage, html};
use super::progress::{maintenance_stage, plain_title, reads_as_mitigation};
use super::times::time;
use super::updates::{self, Update, Updates};
use super::{Heard, notice, words};
use crate::clock::Time;

/// Reads one item. What its updates would take with all that it says of them is counted before the first is made.
pub(super) fn read(node: &Node, heard: &mut Heard) -> Result<(), Fault> {
    let (item, mut updates) = Item::read(node, &heard.allowance)?;
    let bytes: Vec<usize> = updates.iter().map(|update| item.bytes_of(update)).collect();
    let all = bytes.iter().fold(0_usize, |all, bytes| all.saturating_add(*bytes));
    heard.allowance.take(node.at, updates.len(), all)?;
    let newest = updates.pop();
    for (update, bytes) in updates.iter().zip(&bytes) {
        heard.counted_event(node, item.older(update), *bytes)?;
    }
    match (newest, bytes.last()) {
        (Some(update), Some(bytes)) => heard.counted_event(node, item.newest(&update), *bytes),
        _ => Ok(()),
    }
}

/// What an item says of all its updates: looked up once, for it may have very many of them, and shared by them.
struct Item<'a> {
    properties: &'a Node,
    tracking_id: Arc<str>,
    event_type: EventType,
    subtype: Option<Arc<str>>,
    stage: Stage,
    level: Option<Level>,
    title: Arc<str>,
    /// The title without what it says of the newest update.
    plain_title: Arc<str>,
    impact_start: Option<Time>,
    impact_end: Option<Time>,
    pairs: Arc<[Pair]>,
    /// What an event takes for each of the pairs, bytes.
    bytes: Vec<usize>,
    /// The subscription that the item was asked for.
    account: Option<String>,
    test: bool,
    /// Whether the list that it stands in left its text out.
    text_withheld: bool,
    notes: Arc<[Note]>,
}

impl<'a> Item<'a> {
    fn read(node: &'a Node, allowance: &Allowance) -> Result<(Self, Vec<Update<'a>>), Fault> {
        let properties = node.get("properties").unwrap_or(node);
        let mut notes = Notes::default();
        let (event_type, new_type, review) = event_type(properties, &mut notes);
        let title = html::one_line(&words::text(properties, "title", &mut notes).unwrap_or_default());
        let impact_start = time(properties, "impactStartTime", &mut notes);
        let Updates { updates, pairs } = updates::read(properties, impact_start, allowance, &mut notes)?;
        let has_text = updates.iter().any(|update| !update.body.is_empty());
        let tracking_id = tracking_id(node, properties, &title, has_text, &mut notes)?;
        let stage = if review {
            Stage::Rca
        } else {
            status(properties, &mut notes)
        };
        let level = ["eventLevel", "level"]
            .iter()
            .find_map(|key| words::level(properties, key, &mut notes));
        let impact_end = time(properties, "impactMitigationTime", &mut notes);
        let item = Self {
            properties,
            event_type,
            subtype: words::name(properties, "eventSubType").or(new_type).map(Into::into),
            stage,
            level,
            plain_title: plain_title(&title, event_type).into(),
            title: title.into(),
            impact_start,
            impact_end,
            bytes: pairs.iter().map(Pair::bytes).collect(),
            pairs,
            account: words::value(node, "id").and_then(|id| words::account_in(&id)),
            test: words::says_yes(properties, "isSynthetic") || words::is_test_id(&tracking_id),
            text_withheld: is_withheld(properties, &updates),
            tracking_id: tracking_id.into(),
            notes: notes.into_vec().into(),
        };
        Ok((item, updates))
    }

    /// What the event of an update takes, bytes.
    fn bytes_of(&self, update: &Update<'_>) -> usize {
        let impact: usize = update.impact.iter().map(|nth| self.bytes[*nth]).sum();
        let notes: usize = self.notes.iter().map(Note::bytes).sum();
        bytes_of_event(self.title.len() + update.body.len(), impact.saturating_add(notes))
    }

    fn newest(&self, update: &Update<'_>) -> Draft {
        let stage = match self.event_type {
            EventType::PlannedMaintenance => maintenance_stage(&self.title, &update.body, self.stage),
            _ => self.stage,
        };
        let mut draft = self.draft(update, self.title.clone(), stage, self.impact_end);
        if draft.tags.is_empty() {
            draft.tags = notice::tags(self.properties).map(str::to_owned).collect();
        }
        draft
    }

    /// An update that is no longer the newest: the item's title and status came after it.
    fn older(&self, update: &Update<'_>) -> Draft {
        let stage = match self.event_type {
            EventType::PlannedMaintenance => maintenance_stage("", &update.body, Stage::Active),
            EventType::ServiceIssue if reads_as_mitigation(&update.body) => Stage::Resolved,
            _ => Stage::Active,
        };
        let still_on = self.event_type == EventType::ServiceIssue && stage == Stage::Active;
        let impact_end = self.impact_end.filter(|_| !still_on);
        self.draft(update, self.plain_title.clone(), stage, impact_end)
    }

    fn draft(&self, update: &Update<'_>, title: Arc<str>, stage: Stage, impact_end: Option<Time>) -> Draft {
        Draft {
            form: Form::AzureEvents,
            source: None,
            tracking_id: self.tracking_id.clone(),
            event_type: self.event_type,
            subtype: self.subtype.clone(),
            stage,
            level: self.level,
            title,
            body: update.body.clone().into_owned(),
            accounts: BTreeSet::from_iter(self.account.clone()),
            impact: Impacts::some(self.pairs.clone(), update.impact.clone()),
            impact_start: self.impact_start,
            impact_end,
            published: update.at,
            properties: BTreeMap::new(),
            tags: update.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            test: self.test,
            communication_id: None,
            notes: self.notes.clone(),
            text_withheld: self.text_withheld,
        }
    }
}

/// The item's name; some exports give only its properties, or only the id that ends in it.
///
/// # Errors
/// When it has neither a name nor anything to tell.
fn tracking_id(
    node: &Node,
    properties: &Node,
    title: &str,
    has_text: bool,
    notes: &mut Notes,
) -> Result<String, Fault> {
    let by_id = words::value(node, "id").and_then(|id| id.rsplit('/').next().map(html::one_line));
    let has_name = words::name(node, "name").is_some() || words::name(properties, "trackingId").is_some();
    match by_id {
        Some(id) if !has_name && !id.is_empty() => Ok(id),
        _ if !has_name && title.is_empty() && !has_text => {
            Err(Fault::missing(node, "name").hint("an item has a `name`, and a `title` or a `description`"))
        }
        _ => {
            let named = [(node, "name"), (properties, "trackingId")];
            Ok(words::tracking_id(&named, title, notes))
        }
    }
}

/// Whether the list left out the text of a sensitive item: there is at most its summary, which is no whole text.
fn is_withheld(properties: &Node, updates: &[Update<'_>]) -> bool {
    let summary = words::said(properties, "summary").unwrap_or_default();
    let is_summary = |update: &Update<'_>| update.body.trim().is_empty() || update.body == summary;
    let article = properties
        .get("article")
        .and_then(|article| words::said(article, "articleContent"));
    words::says_yes(properties, "isEventSensitive")
        && words::said(properties, "description").is_none()
        && article.is_none()
        && updates.iter().all(is_summary)
}

/// The type; the word for it where this version does not know it; and whether the item is a review by its type.
fn event_type(properties: &Node, notes: &mut Notes) -> (EventType, Option<String>, bool) {
    let word = words::text(properties, "eventType", notes);
    let known = word
        .as_deref()
        .and_then(EventType::read)
        .filter(|known| *known != EventType::Other);
    match (known, word) {
        (Some(event_type), word) => {
            let is_review = word.is_some_and(|word| word.eq_ignore_ascii_case("RCA"));
            (event_type, None, is_review)
        }
        (None, Some(word)) => {
            notes.unknown_word("eventType", &word, "the event type is taken as Other");
            (EventType::Other, Some(words::quoted(&word)), false)
        }
        (None, None) => {
            notes.add("eventType", "there is none; the event type is taken as Other");
            (EventType::Other, None, false)
        }
    }
}

fn status(properties: &Node, notes: &mut Notes) -> Stage {
    let word = words::text(properties, "status", notes);
    match (word.as_deref().and_then(Stage::read), word) {
        (Some(stage), _) => return stage,
        (None, Some(word)) => notes.unknown_word("status", &word, "the stage is taken as Unknown"),
        (None, None) => notes.add("status", "there is none; the stage is taken as Unknown"),
    }
    Stage::Unknown
}

#[cfg(test)]
mod tests {
    use crate::event::{Arrival, Event, read};

    fn events(item: &str) -> Vec<Event> {
        read(item.as_bytes(), None, Arrival::Live).unwrap().events
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
        let events = events(&two);
        let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
        assert_eq!(texts, ["before", "now"]);
        assert_eq!(events[0].accounts.iter().collect::<Vec<_>>(), ["a"]);
        assert_eq!(events[1].accounts.iter().collect::<Vec<_>>(), ["a", "b"]);
        let west = events[1]
            .impact
            .iter()
            .find(|pair| pair.region.as_deref() == Some("West US"));
        assert_eq!(west.unwrap().accounts, ["b"]);
    }

    #[test]
    fn a_sensitive_item_without_its_text_says_that_it_was_withheld_and_with_it_does_not() {
        for (more, expected) in [
            (
                r#","isEventSensitive":true,"lastUpdateTime":"2025-01-01T10:00:00Z""#,
                true,
            ),
            (r#","isEventSensitive":true,"summary":"An outage""#, true),
            (
                r#","isEventSensitive":true,"summary":"An outage","description":"All of it""#,
                false,
            ),
            (r#","isEventSensitive":false"#, false),
            ("", false),
        ] {
            assert_eq!(events(&item(&[], more))[0].text_withheld, expected, "{more}");
        }
    }

    #[test]
    fn the_same_text_hours_later_is_another_update() {
        let updates = [("2025-01-01T10:00:00Z", "same"), ("2025-01-01T08:00:00Z", "same")];
        assert_eq!(events(&item(&[region("East US", "A", &updates)], "")).len(), 2);
    }

    #[test]
    fn a_description_newer_than_the_updates_is_an_update_of_its_own() {
        let regions = [region("East US", "A", &[("2025-01-01T10:00:00Z", "old")])];
        let newer = events(&item(
            &regions,
            r#","description":"whole","lastUpdateTime":"2025-01-02T10:00:00Z""#,
        ));
        assert_eq!((newer.len(), newer[1].text.as_str()), (2, "whole"));
        let same = events(&item(
            &regions,
            r#","description":"whole","lastUpdateTime":"2025-01-01T10:00:00Z""#,
        ));
        assert_eq!((same.len(), same[0].text.as_str()), (1, "whole"));
    }
}
