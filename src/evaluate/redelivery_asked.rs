//! Somebody asks for an ended delivery to be tried again.

use crate::clock::Time;
use crate::delivery::{Delivery, LIFE, Standing, State};
use crate::record::{Change, Why};

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
