//! A notification is due: what gathered becomes one delivery, its content frozen, and the part closes.

use std::collections::BTreeSet;

use crate::clock::Time;
use crate::delivery::{Delivery, End, LIFE};
use crate::event::{Impact, Provider};
use crate::incident::Incident;
use crate::message::{FrozenContent, Links, Subscription};
use crate::notification::Notification;
use crate::record::{Change, Judged, Tells};
use crate::rule::RuleSet;

/// What gathered for one notification.
pub struct Gathered {
    /// The notification; `None` if it is not open any more.
    pub notification: Option<Notification>,
    /// The verdicts that lead to it, in the order in which they asked.
    pub verdicts: Vec<Judged>,
    /// The incident as known now.
    pub incident: Option<Incident>,
    /// Whether this endpoint was told of the incident before.
    pub is_reply: bool,
    /// Where the pages are, for links.
    pub public_url: Option<url::Url>,
}

/// Makes the delivery.
pub fn tell(gathered: &Gathered, rules: &RuleSet, now: Time) -> Vec<Change> {
    let Some(notification) = &gathered.notification else {
        return Vec::new();
    };
    let content = freeze(notification, gathered, rules);
    let delivery = Delivery {
        id: notification.series.delivery(notification.part),
        customer: notification.customer.clone(),
        receiver: notification.receiver.clone(),
        endpoint: notification.endpoint.clone(),
        channel: notification.channel,
        form: notification.form,
        incident: notification.incident.clone(),
        tracking_id: notification.tracking_id.clone(),
        rules: content.rules.clone(),
        series: notification.series.clone(),
        part: notification.part,
        event: notification.event,
        published: notification.published,
        title: notification.title.clone(),
        kind: notification.kind,
        created: now,
        every: gathered.verdicts.iter().any(|judged| is_every(judged, rules)),
    };
    // one that nobody could make in time (a long outage, or damage that brought it back) is old news
    let ended = (notification.due + LIFE <= now).then(|| expired_on_creation(&delivery, now));
    let closed = Change::Notification(Notification {
        open: false,
        ..notification.clone()
    });
    let made = Change::Delivery {
        delivery,
        content: Box::new(content),
    };
    [closed, made].into_iter().chain(ended).collect()
}

fn expired_on_creation(delivery: &Delivery, now: Time) -> Change {
    Change::Ended {
        place: delivery.lane_key(),
        attempts: 0,
        attempt: None,
        end: End::Expired,
        at: now,
    }
}

fn is_every(judged: &Judged, rules: &RuleSet) -> bool {
    rules
        .rule(&judged.customer, &judged.rule)
        .is_some_and(|rule| rule.every)
}

fn freeze(notification: &Notification, gathered: &Gathered, rules: &RuleSet) -> FrozenContent {
    let subscriptions = subscriptions(notification, &gathered.verdicts, rules);
    let receiver = rules.receiver(&notification.customer, &notification.receiver);
    FrozenContent {
        customer: notification.customer.clone(),
        receiver: notification.receiver.clone(),
        channel: notification.channel,
        form: notification.form,
        rules: names(&gathered.verdicts),
        part: notification.part,
        impact: impact(&gathered.verdicts),
        since: gathered.incident.as_ref().and_then(|incident| incident.impact_start),
        zone: receiver.map_or(chrono_tz::UTC, |receiver| receiver.zone),
        links: links(notification, &subscriptions, gathered.public_url.as_ref()),
        subscriptions,
        is_reply: gathered.is_reply,
        carries: Vec::new(),
    }
}

/// The rules that asked, each once, the first first.
fn names(verdicts: &[Judged]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    verdicts
        .iter()
        .map(|judged| judged.rule.clone())
        .filter(|rule| seen.insert(rule.clone()))
        .collect()
}

fn impact(verdicts: &[Judged]) -> Vec<Impact> {
    let mut seen = BTreeSet::new();
    verdicts
        .iter()
        .flat_map(|judged| &judged.impact)
        .filter(|impact| seen.insert((*impact).clone()))
        .cloned()
        .collect()
}

fn subscriptions(notification: &Notification, verdicts: &[Judged], rules: &RuleSet) -> Vec<Subscription> {
    let is_this = |tells: &&Tells| tells.series == notification.series && tells.part == notification.part;
    let ids: BTreeSet<&String> = verdicts
        .iter()
        .flat_map(|judged| judged.tells.iter().filter(is_this))
        .flat_map(|tells| &tells.new)
        .collect();
    ids.into_iter()
        .map(|id| Subscription {
            id: id.clone(),
            groups: rules.groups_of(&notification.customer, id),
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
    if notification.incident.provider != Provider::Azure {
        return None;
    }
    let id = &subscription?.id;
    let is_guid = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let mut url = url::Url::parse("https://app.azure.com/h").expect("a constant URL");
    let ends = is_guid.then(|| format!("{}{}", &id[..3], &id[33..]))?;
    url.path_segments_mut().ok()?.extend([&notification.tracking_id, &ends]);
    Some(url)
}
