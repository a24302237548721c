//! Whether endpoints take what they are told: noted when one begins to fail and when it works again, and told to its
//! owner when it fails for long or refuses something for good.

use std::collections::BTreeMap;

use super::Lane;
use crate::channel::Outcome;
use crate::clock::Time;
use crate::customer::{CustomerId, OPERATOR, ORGANISATION};
use crate::delivery::{Attempt, Delivery, Failing};
use crate::evaluate::own::own;
use crate::event::{Event, Kind, Stage};
use crate::notification::{EndpointId, hash};
use crate::problem::without_paths;
use crate::record::Change;
use crate::rule::set::CONTACT;

/// A failing endpoint is noted again after so long, and not at every attempt.
const NOTED_AGAIN_AFTER: chrono::Duration = chrono::Duration::hours(1);

/// The same where it fails for another reason than before.
const OTHER_REASON_NOTED_AFTER: chrono::Duration = chrono::Duration::minutes(1);

/// How long a customer is not told of another receiver that fails: when the mail relay is down, all of its mailboxes do.
const TOLD_AGAIN_AFTER: chrono::Duration = chrono::Duration::hours(1);

/// What is known of an endpoint before an attempt's end.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Since when it fails, if it does.
    pub failing: Option<Failing>,
    /// When its customer was last told of a receiver that fails.
    pub told: Option<Time>,
}

/// What follows from attempts that ended together: at most two changes of each endpoint, and at most one event for each
/// customer whose receivers fail.
pub fn changes(ended: &[(Attempt, Lane)], now: Time) -> Vec<Change> {
    let mut endpoints: BTreeMap<&EndpointId, Seen<'_>> = BTreeMap::new();
    let mut told: BTreeMap<&CustomerId, Option<Time>> = BTreeMap::new();
    for (attempt, lane) in ended {
        let Some((delivery, _)) = &lane.delivery else { continue };
        told.entry(&delivery.customer).or_insert(lane.health.told);
        let seen = endpoints
            .entry(&delivery.endpoint)
            .or_insert_with(|| Seen::before(lane, delivery));
        seen.see(attempt, delivery, now);
    }
    let mut changes = Vec::new();
    for seen in endpoints.into_values() {
        let told = told.get_mut(&seen.delivery.customer).expect("each was looked up");
        seen.conclude(told, now, &mut changes);
    }
    changes
}

/// An endpoint while attempts are gone through.
struct Seen<'a> {
    before: Option<&'a Failing>,
    failing: Option<Failing>,
    /// The delivery of the last attempt.
    delivery: &'a Delivery,
    /// Whether all of the attempts were tests: who asked for one sees how it ended.
    is_test: bool,
}

impl<'a> Seen<'a> {
    fn before(lane: &'a Lane, delivery: &'a Delivery) -> Self {
        Self {
            before: lane.health.failing.as_ref(),
            failing: lane.health.failing.clone(),
            delivery,
            is_test: true,
        }
    }

    fn see(&mut self, attempt: &Attempt, delivery: &'a Delivery, now: Time) {
        self.delivery = delivery;
        self.is_test &= delivery.is_test();
        let (why, is_refused, is_our_fault) = match &attempt.outcome {
            Outcome::Delivered => return self.failing = None,
            Outcome::Retry { why, .. } => (why, false, false),
            Outcome::OurFault { why, .. } => (why, false, true),
            Outcome::Refused { why } | Outcome::Gone { why } => (why, true, false),
        };
        let known = self.failing.take();
        self.failing = Some(Failing {
            endpoint: delivery.endpoint.clone(),
            customer: delivery.customer.clone(),
            receiver: delivery.receiver.clone(),
            channel: delivery.channel,
            since: known.as_ref().map_or(attempt.started, |known| known.since),
            last: now,
            why: why.clone(),
            is_our_fault,
            is_refused: is_refused || known.as_ref().is_some_and(|known| known.is_refused),
            delivery: delivery.id.clone(),
            told: known.and_then(|known| known.told),
        });
    }

    fn conclude(self, told: &mut Option<Time>, now: Time, changes: &mut Vec<Change>) {
        let Some(mut failing) = self.failing else {
            return works(self.before, self.delivery, now, changes);
        };
        let may_tell = told.is_none_or(|told| now - told >= TOLD_AGAIN_AFTER);
        let is_untold = failing.told.is_none() && !self.is_test && !failing.is_our_fault && failing.needs_a_person(now);
        let event = (is_untold && may_tell).then(|| fails(&failing, now)).flatten();
        if event.is_some() {
            (failing.told, *told) = (Some(now), Some(now));
        }
        if event.is_some() || is_news(self.before, &failing) {
            changes.push(Change::EndpointFails(Box::new(failing)));
        }
        changes.extend(event.map(raised));
    }
}

/// Whether what is known of a failing endpoint is to be noted anew.
fn is_news(before: Option<&Failing>, failing: &Failing) -> bool {
    let Some(before) = before else { return true };
    let after = match before.why == failing.why {
        true => NOTED_AGAIN_AFTER,
        false => OTHER_REASON_NOTED_AFTER,
    };
    before.is_refused != failing.is_refused || before.since != failing.since || failing.last - before.last >= after
}

fn works(before: Option<&Failing>, delivery: &Delivery, now: Time, changes: &mut Vec<Change>) {
    let Some(before) = before else { return };
    changes.push(Change::EndpointWorks {
        endpoint: before.endpoint.clone(),
        delivery: delivery.id.clone(),
    });
    let event = before.told.and_then(|_| is_back(before, now));
    changes.extend(event.map(raised));
}

fn raised(event: Event) -> Change {
    Change::Raised { event: Box::new(event) }
}

fn fails(failing: &Failing, now: Time) -> Option<Event> {
    let (receiver, channel) = (&failing.receiver, failing.channel.word());
    let title = format!("The receiver `{receiver}` does not take what it is told");
    let becomes = match failing.is_refused {
        true => {
            "It refused something for good: that is dead, and is sent again by `bellwether redeliver`. What comes later \
             is tried as ever."
        }
        false => "What it is to be told is tried again for three days; then it is dead.",
    };
    let text = format!(
        "Customer: {}\nReceiver: {receiver} ({channel})\nFails since: {}\nLast answer: {}\n\n{becomes}\n\n`bellwether \
         status` shows every receiver that fails, and `bellwether send-test {} {receiver}` tries it now. Of other \
         receivers that fail you are told an hour later at the earliest.",
        failing.customer,
        failing.since.format("%Y-%m-%d %H:%M UTC"),
        without_paths(&failing.why),
        failing.customer,
    );
    event(failing, Kind::ReceiverFailing, Stage::Active, title, &text, now)
}

fn is_back(failing: &Failing, now: Time) -> Option<Event> {
    let title = format!("The receiver `{}` takes what it is told again", failing.receiver);
    let text = format!(
        "Customer: {}\nReceiver: {} ({})\nFailed since: {}",
        failing.customer,
        failing.receiver,
        failing.channel.word(),
        failing.since.format("%Y-%m-%d %H:%M UTC"),
    );
    event(failing, Kind::ReceiverBack, Stage::Resolved, title, &text, now)
}

/// An event for whoever answers for the receiver: its customer's contact; of that contact itself, the operator's.
fn event(failing: &Failing, kind: Kind, stage: Stage, title: String, text: &str, now: Time) -> Option<Event> {
    let is_contact = failing.receiver == CONTACT;
    let is_ours = failing.customer.is_operator() || failing.customer.as_str() == ORGANISATION;
    let owner = match is_contact {
        true if is_ours => return None, // nobody is left to be told; log and `status` say it
        true => CustomerId::new(OPERATOR),
        false => failing.customer.clone(),
    };
    let digest = hash(&[&failing.endpoint.0, &failing.since.to_rfc3339()]);
    let tracking_id = format!("receiver:{}", &digest[..12]);
    Some(own(kind, stage, &owner, &tracking_id, title, text, now))
}

#[cfg(test)]
mod tests;
