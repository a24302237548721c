//! The updates inside one item of `Microsoft.ResourceHealth/events`: each text once, with the regions it was posted to.

use std::collections::BTreeMap;

use chrono::Duration;

use super::super::Impact;
use super::super::json::{Fault, Node};
use super::{notice, words};
use crate::clock::Time;

/// The same text is posted to a region moments after another; that is one update.
const SAME_UPDATE_MINUTES: i64 = 5;

/// One text, and where it was posted.
#[derive(Debug, Clone)]
pub(super) struct Update {
    /// When it was posted, at the latest.
    pub at: Time,
    /// The text as it came.
    pub body: String,
    /// What the provider says this update is.
    pub tags: Vec<String>,
    /// Where, and for which accounts.
    pub impact: Vec<Impact>,
}

/// All updates, oldest first; at least one.
pub(super) fn read(properties: &Node, impact_start: Option<Time>) -> Result<Vec<Update>, Fault> {
    let last = words::time(properties, "lastUpdateTime")?;
    let mut posted = Vec::new();
    let mut silent = Vec::new();
    for service in properties.get("impact").and_then(Node::list).unwrap_or_default() {
        collect(service, last, &mut posted, &mut silent)?;
    }
    let mut updates = merge(posted);
    if updates.is_empty() {
        updates.push(only(properties, last.or(impact_start))?);
    } else {
        with_description(properties, last, &mut updates);
    }
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
    let name = words::name(service, "impactedService").ok_or_else(|| Fault::missing(service, "impactedService"))?;
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
        let impact = pair(words::name(region, "impactedRegion"), accounts(region));
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
        tags: notice::tags(update),
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

/// The one update of an item that lists none.
fn only(properties: &Node, at: Option<Time>) -> Result<Update, Fault> {
    let at = at.ok_or_else(|| Fault::missing(properties, "lastUpdateTime"))?;
    let body = words::value(properties, "description").or_else(|| longest(properties));
    Ok(Update {
        at,
        body: body.unwrap_or_default(),
        tags: Vec::new(),
        impact: Vec::new(),
    })
}

/// Makes the item's own text its newest update, unless it already is.
fn with_description(properties: &Node, last: Option<Time>, updates: &mut Vec<Update>) {
    let Some(newest) = updates.last_mut() else { return };
    let description = words::value(properties, "description").filter(|text| *text != newest.body);
    match (description, last.filter(|last| *last > newest.at)) {
        (Some(body), Some(at)) => {
            let impact = newest.impact.clone();
            updates.push(Update {
                at,
                body,
                tags: Vec::new(),
                impact,
            });
        }
        (Some(body), None) => newest.body = body,
        (None, _) => {}
    }
}

/// Where there is neither description nor update: the summary is often cut, the article may be whole.
fn longest(properties: &Node) -> Option<String> {
    let article = properties
        .get("article")
        .and_then(|article| words::value(article, "articleContent"));
    let summary = words::value(properties, "summary");
    summary.into_iter().chain(article).max_by_key(String::len)
}
