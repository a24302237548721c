//! Notifications are due: what gathered for them becomes deliveries, their content frozen, and their parts close.
//!
//! Those of one communication and customer that are due together are decided together; those that the same verdicts led
//! to share what they say.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{End, LIFE};
use crate::event::{Impact, Provider};
use crate::incident::Incident;
use crate::message::{Links, SharedContent, Subscription};
use crate::notification::Notification;
use crate::record::{Change, Ref, Told, ToldTo};
use crate::rule::RuleSet;

pub use facts::DueTogether;

mod facts;

/// What gathered for notifications that are due together.
#[derive(Default)]
pub struct Gathered {
    /// Those that the same verdicts led to.
    pub groups: Vec<Group>,
    /// The incident as known now.
    pub incident: Option<Incident>,
    /// Where the pages are, for links.
    pub public_url: Option<url::Url>,
    /// When it was last noticed that a part of the journal is lost.
    pub lost: Option<Time>,
}

/// Notifications that say the same.
pub struct Group {
    /// The verdicts that led to them, in the order in which they asked.
    pub verdicts: Vec<Asked>,
    /// Who is told.
    pub notifications: Vec<Due>,
}

/// A verdict that led to notifications.
pub struct Asked {
    /// The rule.
    pub rule: String,
    /// The impact that was left after its narrowing.
    pub impact: Arc<Vec<Impact>>,
    /// The accounts that it adds.
    pub new: Arc<Vec<String>>,
}

/// A notification that is due.
pub struct Due {
    /// Which.
    pub notification: Notification,
    /// Whether its endpoint was told of the incident before.
    pub is_reply: bool,
}

/// Makes the deliveries.
pub fn tell(gathered: &Gathered, rules: &RuleSet, now: Time) -> Vec<Change> {
    let mut changes = Vec::new();
    for group in &gathered.groups {
        make(group, gathered, rules, now, &mut changes);
    }
    changes
}

fn make(group: &Group, gathered: &Gathered, rules: &RuleSet, now: Time, changes: &mut Vec<Change>) {
    let Some(first) = group.notifications.first() else {
        return;
    };
    let first = &first.notification;
    let content = freeze(first, group, gathered, rules);
    changes.push(Change::Content(Box::new(content)));
    let content = Ref::Here(u32::try_from(changes.len() - 1).unwrap_or(u32::MAX));
    let is_every = |asked: &Asked| rules.rule(&first.customer, &asked.rule).is_some_and(|rule| rule.every);
    let every = group.verdicts.iter().any(is_every);
    let to = group.notifications.iter().map(|due| told_to(due, every, rules));
    changes.push(Change::Told(Told {
        incident: first.incident.clone(),
        content,
        rules: names(&group.verdicts),
        expires: now + LIFE,
        to: to.collect(),
    }));
    // one that was made and outlived its life, and that only damage brought back, is dead; after a long outage old news
    // is better late than silent
    let is_brought_back = |due: &&Due| gathered.lost.is_some_and(|lost| due.notification.due + LIFE <= lost);
    let late = group.notifications.iter().filter(is_brought_back);
    changes.extend(late.map(|due| expired_on_creation(&due.notification)));
}

fn told_to(due: &Due, every: bool, rules: &RuleSet) -> ToldTo {
    let one = &due.notification;
    let receiver = rules.receiver(&one.customer, &one.receiver);
    ToldTo {
        delivery: one.series.delivery(one.part),
        zone: receiver.map_or(chrono_tz::UTC, |receiver| receiver.zone),
        is_reply: due.is_reply,
        every,
        forgotten: false,
    }
}

fn expired_on_creation(notification: &Notification) -> Change {
    Change::Finished {
        delivery: notification.series.delivery(notification.part),
        attempts: 0,
        end: End::Expired,
    }
}

fn freeze(notification: &Notification, group: &Group, gathered: &Gathered, rules: &RuleSet) -> SharedContent {
    let subscriptions = subscriptions(&notification.customer, &group.verdicts, rules);
    SharedContent {
        incident: Some(notification.incident.clone()),
        customer: notification.customer.clone(),
        rules: names(&group.verdicts),
        impact: Arc::new(impact(&group.verdicts)),
        since: gathered.incident.as_ref().and_then(|incident| incident.impact_start),
        links: links(notification, &subscriptions, gathered.public_url.as_ref()),
        subscriptions: Arc::new(subscriptions),
        contact: rules.contact(&notification.customer),
    }
}

/// The rules that asked, each once, the first first.
fn names(verdicts: &[Asked]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    verdicts
        .iter()
        .map(|asked| asked.rule.clone())
        .filter(|rule| seen.insert(rule.clone()))
        .collect()
}

fn impact(verdicts: &[Asked]) -> Vec<Impact> {
    let mut seen = BTreeSet::new();
    verdicts
        .iter()
        .flat_map(|asked| asked.impact.iter())
        .filter(|impact| seen.insert(*impact))
        .cloned()
        .collect()
}

fn subscriptions(customer: &CustomerId, verdicts: &[Asked], rules: &RuleSet) -> Vec<Subscription> {
    let ids: BTreeSet<&String> = verdicts.iter().flat_map(|asked| asked.new.iter()).collect();
    ids.into_iter()
        .map(|id| Subscription {
            id: id.clone(),
            groups: rules.groups_of(customer, id),
        })
        .collect()
}

fn links(notification: &Notification, subscriptions: &[Subscription], public_url: Option<&url::Url>) -> Links {
    Links {
        incident: public_url.and_then(|base| page(base, notification)),
        portal: portal(notification, subscriptions.first()),
    }
}

fn page(base: &url::Url, notification: &Notification) -> Option<url::Url> {
    let mut url = base.clone();
    url.path_segments_mut()
        .ok()?
        .pop_if_empty()
        .extend(["incidents", &notification.tracking_id]);
    Some(url)
}

/// Azure's own link to an event: tracking id, then the first and last three hex digits of the subscription's id.
fn portal(notification: &Notification, subscription: Option<&Subscription>) -> Option<url::Url> {
    let is_azure = notification.incident.provider == Provider::Azure;
    is_azure.then(|| azure_page(&notification.tracking_id, &subscription?.id))?
}

/// Azure's own page of an event, for a subscription.
pub fn azure_page(tracking_id: &str, id: &str) -> Option<url::Url> {
    let is_guid = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let mut url = url::Url::parse("https://app.azure.com/h").expect("a constant URL");
    let ends = is_guid.then(|| format!("{}{}", &id[..3], &id[33..]))?;
    url.path_segments_mut().ok()?.extend([tracking_id, &ends]);
    Some(url)
}
