//! Somebody asks for a delivery to be tried again: one that ended, or one that waits.

use crate::clock::Time;
use crate::delivery::{Delivery, LIFE, Standing, State};
use crate::record::{Change, Why};

/// An ended delivery is tried again on request, with a new life; one that waits is tried now, within the life it has.
/// The id and the content are the same.
pub fn redeliver(found: Option<&(Delivery, Standing)>, now: Time) -> Vec<Change> {
    let Some((delivery, standing)) = found else {
        let why = Why::NotRedeliverable;
        return vec![Change::Nothing { why }];
    };
    let (place, attempts) = (delivery.lane_key(), standing.attempts);
    vec![match &standing.state {
        State::Ended { end, at } => Change::Requeued {
            place,
            ended: end.clone(),
            ended_at: *at,
            attempts,
            again: now,
            expires: now + LIFE,
        },
        State::Scheduled { at, expires } if *at > now => Change::Hastened {
            place,
            attempts,
            again: now,
            expires: *expires,
        },
        State::Scheduled { .. } => Change::Nothing { why: Why::NoLongerDue },
    }]
}
