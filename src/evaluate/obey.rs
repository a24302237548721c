//! Rules that came into force or broke, receivers that moved or are gone, redelivery, expiry, retention.

use std::collections::BTreeMap;

use crate::channel::Address;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Delivery, End, LIFE, Standing, State};
use crate::evaluate::{Old, Pending, RulesChange, tried};
use crate::event::{Arrival, Event, EventType, Form, Kind, Provider, Stage};
use crate::message::FrozenContent;
use crate::notification::{EndpointId, hash};
use crate::record::{BrokenFile, Change, Deadline, FileInForce, Input, Why};
use crate::rule::RuleSet;

/// A change of rules comes into force; what newly broke, or was mended, is told to its customer.
pub fn rules(input: &Input, change: &RulesChange, now: Time) -> Vec<Change> {
    let Input::Rules {
        revision,
        files,
        removed,
        settings,
        broken,
        ..
    } = input
    else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    if change.before.as_ref() != Some(revision)
        || !files.is_empty()
        || !change.earlier.is_empty()
        || !removed.is_empty()
        || settings.is_some()
    {
        let in_force = |(nth, file): (usize, &crate::record::SealedFile)| FileInForce {
            path: file.path.clone(),
            digest: file.digest.clone(),
            nth: u32::try_from(nth).unwrap_or(u32::MAX),
            recorded: None,
        };
        changes.push(Change::InForce {
            revision: revision.clone(),
            recorded: change.recorded,
            files: change
                .earlier
                .iter()
                .cloned()
                .chain(files.iter().enumerate().map(in_force))
                .collect(),
            removed: removed.clone(),
            settings: settings.is_some(),
        });
    }
    changes.extend(broken_and_mended(broken, &change.broken, now));
    if changes.is_empty() {
        changes.push(Change::Nothing {
            why: Why::RulesUnchanged,
        });
    }
    changes
}

fn broken_and_mended(broken: &[BrokenFile], known: &[BrokenFile], now: Time) -> Vec<Change> {
    let (before, after) = (by_path(known), by_path(broken));
    let mut changes = Vec::new();
    for (path, file) in after.iter().filter(|(path, file)| before.get(*path) != Some(file)) {
        changes.push(Change::Broken {
            path: (*path).to_owned(),
            broken: Some((*file).clone()),
        });
        changes.push(Change::Raised {
            event: Box::new(rules_broken(file, now)),
        });
    }
    for (path, file) in before.iter().filter(|(path, _)| !after.contains_key(*path)) {
        changes.push(Change::Broken {
            path: (*path).to_owned(),
            broken: None,
        });
        changes.push(Change::Raised {
            event: Box::new(rules_mended(file, now)),
        });
    }
    changes
}

fn by_path(files: &[BrokenFile]) -> BTreeMap<&str, &BrokenFile> {
    files.iter().map(|file| (file.path.as_str(), file)).collect()
}

fn rules_broken(file: &BrokenFile, now: Time) -> Event {
    let title = format!(
        "The rule file {} has errors; its last good version stays in force",
        file.path
    );
    own(
        Kind::RulesBroken,
        Stage::Active,
        &file.customer,
        &format!("rules:{}", file.path),
        title,
        &file.report,
        now,
    )
}

fn rules_mended(file: &BrokenFile, now: Time) -> Event {
    let title = format!("The rule file {} is good again", file.path);
    let text = "What it says is in force now.";
    own(
        Kind::RulesMended,
        Stage::Resolved,
        &file.customer,
        &format!("rules:{}", file.path),
        title,
        text,
        now,
    )
}

/// A part of the journal was damaged, and perhaps lost: the operator must know.
pub fn journal_damaged(is_lost: bool, text: &str, now: Time) -> Event {
    let title = match is_lost {
        true => "A part of the journal was damaged and is lost".to_owned(),
        false => "A part of the journal was damaged".to_owned(),
    };
    let organisation = CustomerId::new(crate::customer::OPERATOR);
    own(
        Kind::JournalLost,
        Stage::Active,
        &organisation,
        &format!("journal:{}", now.format("%Y%m%dT%H%M%SZ")),
        title,
        text,
        now,
    )
}

/// An event of our own; it belongs to the customer named by its source.
fn own(
    kind: Kind,
    stage: Stage,
    customer: &CustomerId,
    tracking_id: &str,
    title: String,
    text: &str,
    now: Time,
) -> Event {
    Event {
        provider: Provider::Bellwether,
        source: Some(customer.as_str().to_owned()),
        tracking_id: tracking_id.to_owned(),
        event_type: EventType::HealthAdvisory,
        subtype: None,
        stage,
        kind,
        level: Some(crate::event::Level::Warning),
        title,
        html: format!("<pre>{}</pre>", escape(text)),
        text: text.to_owned(),
        impact: Vec::new(),
        accounts: Vec::new(),
        impact_start: None,
        impact_end: None,
        published: now,
        sessions: Vec::new(),
        link: None,
        properties: std::collections::BTreeMap::new(),
        test: false,
        communication_id: None,
        arrival: Arrival::Live,
        form: Form::Bellwether,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An endpoint that no rule file names any more: what waits for it moves to the receiver's new address, or is dead.
pub fn endpoint(pending: &[Pending], rules: &RuleSet, now: Time) -> Vec<Change> {
    let mut changes = Vec::new();
    for one in pending {
        if rules.endpoint(&one.delivery.endpoint).is_some() {
            continue;
        }
        match new_address(&one.delivery, rules).zip(one.content.as_ref()) {
            Some((endpoint, content)) => changes.extend(move_to(one, endpoint, content, now)),
            None => {
                let why = format!(
                    "no rule file names the receiver `{}` with this address any more",
                    one.delivery.receiver
                );
                changes.push(tried::end(&one.delivery, &one.standing, End::ReceiverGone { why }));
            }
        }
    }
    changes
}

/// The receiver's one address of the same medium, if it has just one: a mistyped address that was corrected.
fn new_address(delivery: &Delivery, rules: &RuleSet) -> Option<EndpointId> {
    let receiver = rules.receiver(&delivery.customer, &delivery.receiver)?;
    let mut same = receiver
        .to
        .iter()
        .filter(|address: &&Address| address.channel() == delivery.channel);
    let address = same.next()?;
    same.next().is_none().then(|| address.endpoint(&delivery.customer))
}

fn move_to(pending: &Pending, endpoint: EndpointId, content: &FrozenContent, now: Time) -> Vec<Change> {
    let old = &pending.delivery;
    let id = format!("dlv_{}", hash(&["moved", &old.id, &endpoint.0]));
    let successor = Delivery {
        id: id.clone(),
        endpoint,
        created: now,
        ..old.clone()
    };
    vec![
        tried::end(old, &pending.standing, End::Superseded { by: id }),
        Change::Delivery {
            delivery: successor,
            content: Box::new(content.clone()),
        },
    ]
}

/// A delivery past its life is dead, without an attempt.
pub fn expire(found: Option<&(Delivery, Standing)>, now: Time) -> Vec<Change> {
    match found {
        Some((
            delivery,
            standing @ Standing {
                state: State::Scheduled { expires, .. },
                ..
            },
        )) if *expires <= now => {
            vec![tried::end(delivery, standing, End::Expired)]
        }
        _ => Vec::new(),
    }
}

/// An ended delivery is tried again on request, with a new life: same id, same content.
pub fn redeliver(found: Option<&(Delivery, Standing)>, now: Time) -> Vec<Change> {
    match found {
        Some((
            delivery,
            Standing {
                state: State::Ended { end, at },
                attempts,
                ..
            },
        )) => vec![Change::Requeued {
            place: delivery.lane_key(),
            ended: end.clone(),
            ended_at: *at,
            attempts: *attempts,
            again: now,
            expires: now + LIFE,
        }],
        _ => vec![Change::Nothing {
            why: Why::NotRedeliverable,
        }],
    }
}

/// What is past its retention is forgotten.
pub fn retention(old: &Old) -> Vec<Change> {
    let deliveries = old
        .deliveries
        .iter()
        .filter_map(|(delivery, standing)| forgotten(delivery, standing));
    let incidents = old.incidents.iter().map(|old| Change::IncidentForgotten {
        incident: old.incident.clone(),
        events: old.events.clone(),
        series: old.series.clone(),
    });
    let mut changes: Vec<Change> = deliveries.chain(incidents).collect();
    if changes.is_empty() {
        changes.push(Change::Nothing {
            why: Why::NothingToForget,
        });
    }
    changes.extend(old.again.map(|at| Change::Wake {
        deadline: Deadline::Retention,
        at,
    }));
    changes
}

fn forgotten(delivery: &Delivery, standing: &Standing) -> Option<Change> {
    match &standing.state {
        State::Ended { end, at } => Some(Change::Forgotten {
            place: delivery.lane_key(),
            end: end.clone(),
            ended_at: *at,
            attempts: standing.attempts,
        }),
        State::Scheduled { .. } => None,
    }
}
