//! No rule file names an endpoint any more: what waits for it moves to the receiver's new address, or is dead.

use super::attempt_finished;
use crate::channel::Address;
use crate::clock::Time;
use crate::delivery::{Delivery, End, Standing};
use crate::message::FrozenContent;
use crate::notification::{EndpointId, hash};
use crate::record::Change;
use crate::rule::RuleSet;

mod facts;

/// A scheduled delivery with its content.
pub struct Pending {
    /// What it is.
    pub delivery: Delivery,
    /// How far it is.
    pub standing: Standing,
    /// What it says; `None` if that is in a lost part of the journal.
    pub content: Option<FrozenContent>,
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
                changes.push(attempt_finished::end(
                    &one.delivery,
                    &one.standing,
                    End::ReceiverGone { why },
                ));
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
    let mut changes = vec![
        attempt_finished::end(old, &pending.standing, End::Superseded { by: id.clone() }),
        Change::Delivery {
            delivery: successor,
            content: Box::new(content.clone()),
            expires: None,
        },
    ];
    if !content.carries.is_empty() {
        changes.push(Change::Carries {
            delivery: id,
            carried: content.carries.clone(),
        });
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::sample;
    use crate::delivery::State;
    use crate::event::Kind;
    use crate::incident::IncidentId;
    use crate::journal::Position;
    use crate::message::Carried;
    use crate::notification::SeriesId;

    #[test]
    fn what_moves_keeps_what_it_carries_for_others() {
        let message = sample::update();
        let at = message.created;
        let delivery = Delivery {
            id: message.id.clone(),
            customer: message.content.customer.clone(),
            receiver: message.content.receiver.clone(),
            endpoint: EndpointId("ep_old".to_owned()),
            channel: message.content.channel,
            form: message.content.form,
            incident: IncidentId::of(&message.event),
            tracking_id: message.event.tracking_id.clone(),
            rules: Vec::new(),
            series: SeriesId("a series".to_owned()),
            part: 0,
            event: Position { seq: 1, nth: 0 },
            published: message.event.published,
            title: message.event.title.clone(),
            kind: Kind::Update,
            created: at,
            every: false,
        };
        let standing = Standing {
            delivery: delivery.id.clone(),
            attempts: 3,
            state: State::Scheduled { at, expires: at },
        };
        let mut content = message.content;
        content.carries = vec![Carried {
            title: "an earlier update".to_owned(),
            published: at,
        }];
        let pending = Pending {
            delivery,
            standing,
            content: Some(content.clone()),
        };
        let changes = move_to(&pending, EndpointId("ep_new".to_owned()), &content, at);
        let moved = changes.iter().find_map(|change| match change {
            Change::Delivery { delivery, .. } => Some(delivery.id.clone()),
            _ => None,
        });
        let carries = Change::Carries {
            delivery: moved.expect("it moves"),
            carried: content.carries.clone(),
        };
        assert!(changes.contains(&carries), "{changes:?}");
    }
}
