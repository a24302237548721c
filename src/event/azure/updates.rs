//! The updates inside one item of `Microsoft.ResourceHealth/events`: each text once, with the regions it was posted to.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::Duration;

use super::super::allowance::Allowance;
use super::super::draft::{Pair, UNSAID};
use super::super::json::{Fault, Node};
use super::super::note::Notes;
use super::impact::Impacted;
use super::times::time;
use super::{notice, words};
use crate::clock::Time;

/// The same text is posted to a region moments after another; that is one update.
const SAME_UPDATE_MINUTES: i64 = 5;

/// One text, and where it was posted.
#[derive(Debug, Clone)]
pub(super) struct Update<'a> {
    /// When it was posted, at the latest.
    pub at: Time,
    /// The text as it came.
    pub body: Cow<'a, str>,
    /// What the provider says this update is.
    pub tags: BTreeSet<&'a str>,
    /// Where, and for which accounts: these of the item's pairs.
    pub impact: Vec<usize>,
}

/// All updates of an item.
pub(super) struct Updates<'a> {
    /// Oldest first; at least one.
    pub updates: Vec<Update<'a>>,
    /// Every impacted service in a region, whatever was posted there.
    pub pairs: Arc<[Pair]>,
}

/// Reads the updates of an item.
pub(super) fn read<'a>(
    properties: &'a Node,
    impact_start: Option<Time>,
    allowance: &Allowance,
    notes: &mut Notes,
) -> Result<Updates<'a>, Fault> {
    let last = time(properties, "lastUpdateTime", notes);
    let mut posts = Posts {
        last,
        notes,
        impacted: Impacted::new(allowance),
        posted: Vec::new(),
        silent: Vec::new(),
    };
    for service in properties.get("impact").and_then(Node::list).unwrap_or_default() {
        posts.service(service)?;
    }
    let named = posts.impacted.pairs.len();
    posts.impacted.otherwise_by_notice(properties, posts.notes)?;
    posts.silent.extend(named..posts.impacted.pairs.len());
    let mut updates = merge(posts.posted);
    if updates.iter().any(|update| update.at == UNSAID) || (updates.is_empty() && last.or(impact_start).is_none()) {
        posts.notes.add(
            "lastUpdateTime",
            "no time of an update can be read; that of arrival counts",
        );
    }
    if updates.is_empty() {
        updates.push(only(properties, last.or(impact_start)));
    } else {
        with_description(properties, last, &mut updates);
    }
    if let Some(newest) = updates.last_mut() {
        newest.impact.extend(posts.silent);
    }
    Ok(Updates {
        updates,
        pairs: posts.impacted.pairs.into(),
    })
}

/// What was posted where.
struct Posts<'a, 'b> {
    /// When the item was last updated.
    last: Option<Time>,
    notes: &'b mut Notes,
    impacted: Impacted<'b>,
    posted: Vec<Update<'a>>,
    /// The pairs that nothing was posted to.
    silent: Vec<usize>,
}

impl<'a> Posts<'a, '_> {
    /// Notes each update of a service's regions, and the regions that have none.
    fn service(&mut self, service: &'a Node) -> Result<(), Fault> {
        let name = words::name(service, "impactedService");
        if name.is_none() {
            self.notes.add("impact", "an element names no service");
        }
        let name: Arc<str> = name.unwrap_or_default().into();
        let service_id = words::value(service, "impactedServiceGuid").and_then(|id| words::account(&id));
        let service_id: Option<Arc<str>> = service_id.map(Into::into);
        let pair = |region, accounts| Pair {
            service: name.clone(),
            service_id: service_id.clone(),
            region,
            accounts,
        };
        let regions = service.get("impactedRegions").and_then(Node::list).unwrap_or_default();
        if regions.is_empty() {
            self.silent.push(self.impacted.pairs.len());
            self.impacted.add(service.at, pair(None, Vec::new()))?;
        }
        for region in regions {
            let nth = self.impacted.pairs.len();
            let named = words::name(region, "impactedRegion");
            self.impacted.add(region.at, pair(named, accounts(region)))?;
            self.region(region, nth)?;
        }
        Ok(())
    }

    /// Notes the updates of a region, which is the item's pair `nth`.
    fn region(&mut self, region: &'a Node, nth: usize) -> Result<(), Fault> {
        let before = self.posted.len();
        let updates = region.get("updates").and_then(Node::list).unwrap_or_default();
        let mut region_last = None;
        for update in updates {
            let at = match time(update, "updateDateTime", self.notes) {
                Some(own) => Some(own),
                // looked up once, however many updates say no time of their own
                None => match region_last {
                    Some(known) => known,
                    None => *region_last.insert(time(region, "lastUpdateTime", self.notes).or(self.last)),
                },
            };
            let at = at.unwrap_or(UNSAID);
            self.posted.extend(words::said(update, "summary").map(|body| Update {
                at,
                body,
                tags: notice::tags(update).collect(),
                impact: vec![nth],
            }));
        }
        if self.posted.len() == before {
            self.silent.push(nth);
        }
        Ok(())
    }
}

fn accounts(region: &Node) -> Vec<String> {
    let subscriptions = words::accounts(region.get("impactedSubscriptions"));
    subscriptions
        .into_iter()
        .chain(words::accounts(region.get("impactedTenants")))
        .collect()
}

/// One update per text and moment, oldest first.
fn merge(mut posted: Vec<Update<'_>>) -> Vec<Update<'_>> {
    posted.sort_by(|one, other| (&one.body, one.at).cmp(&(&other.body, other.at)));
    let mut merged: Vec<Update<'_>> = Vec::new();
    for update in posted {
        match merged.last_mut().filter(|same| is_same(same, &update)) {
            Some(same) => join(same, update),
            None => merged.push(update),
        }
    }
    merged.sort_by_key(|update| update.at);
    merged
}

fn is_same(one: &Update<'_>, other: &Update<'_>) -> bool {
    one.body == other.body && other.at - one.at <= Duration::minutes(SAME_UPDATE_MINUTES)
}

fn join<'a>(one: &mut Update<'a>, other: Update<'a>) {
    one.at = one.at.max(other.at);
    one.impact.extend(other.impact);
    one.tags.extend(other.tags);
}

/// The one update of an item that lists none.
fn only(properties: &Node, at: Option<Time>) -> Update<'_> {
    let body = words::said(properties, "description").or_else(|| longest(properties));
    Update {
        at: at.unwrap_or(UNSAID),
        body: body.unwrap_or_default(),
        tags: BTreeSet::new(),
        impact: Vec::new(),
    }
}

/// Makes the item's own text its newest update, unless it already is.
fn with_description<'a>(properties: &'a Node, last: Option<Time>, updates: &mut Vec<Update<'a>>) {
    let Some(newest) = updates.last_mut() else { return };
    let description = words::said(properties, "description").filter(|text| *text != newest.body);
    match (description, last.filter(|last| *last > newest.at)) {
        (Some(body), Some(at)) => {
            let impact = newest.impact.clone();
            updates.push(Update {
                at,
                body,
                tags: BTreeSet::new(),
                impact,
            });
        }
        (Some(body), None) => newest.body = body,
        (None, _) => {}
    }
}

/// Where there is neither description nor update: the summary is often cut, the article may be whole.
fn longest(properties: &Node) -> Option<Cow<'_, str>> {
    let article = properties
        .get("article")
        .and_then(|article| words::said(article, "articleContent"));
    let summary = words::said(properties, "summary");
    summary.into_iter().chain(article).max_by_key(|text| text.len())
}
