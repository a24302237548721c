//! A person says how far a claim is, or something else of it: kept, if that can follow what was said before.

use crate::claim::{Claimed, Standing};
use crate::clock::Time;
use crate::record::{Change, Why};

/// Keeps it.
pub fn keep(claimed: &Claimed, before: &[Claimed], now: Time) -> Vec<Change> {
    let state = Standing::of(before).counts(claimed.row.state);
    match claimed.said.clone().fit(state, &claimed.row) {
        Ok(said) => vec![Change::Claimed(Box::new(Claimed {
            at: now,
            said,
            ..claimed.clone()
        }))],
        // somebody else was quicker: whoever asked reads how it stands
        Err(_) => vec![Change::Nothing {
            why: Why::ClaimStandsOtherwise,
        }],
    }
}
