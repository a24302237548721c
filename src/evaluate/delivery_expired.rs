//! A delivery has outlived its life.

use super::attempt_finished;
use crate::clock::Time;
use crate::delivery::{Delivery, End, Standing, State};
use crate::record::Change;

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
            vec![attempt_finished::end(delivery, standing, End::Expired)]
        }
        _ => Vec::new(),
    }
}
