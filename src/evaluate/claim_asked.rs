//! A person says how far a claim is, or something else of it: kept, if that can follow what was said before.

use crate::claim::{Claimed, Standing};
use crate::clock::Time;
use crate::record::{Change, Why};

/// Keeps it.
pub fn keep(claimed: &Claimed, before: &[Claimed], now: Time) -> Vec<Change> {
    if claimed.taken_in_by.is_some() {
        return take_in(claimed, before, now);
    }
    let before = Standing::of(before);
    let state = before.counts(claimed.row.state);
    match claimed.said.clone().fit(state, &claimed.row, &before) {
        Ok(said) => vec![Change::Claimed(Box::new(Claimed {
            at: now,
            said,
            ..claimed.clone()
        }))],
        // somebody else was quicker: whoever asked reads how it stands
        Err(_) => nothing(Why::ClaimStandsOtherwise),
    }
}

/// What comes out of an archive could be said when it was said, and stands among what was said here by its time. What was
/// said by a clock that was ahead would stand behind all that is said here.
fn take_in(claimed: &Claimed, before: &[Claimed], now: Time) -> Vec<Change> {
    if before.iter().any(|one| one.is_same(claimed)) {
        return nothing(Why::SaidBefore);
    }
    match claimed.clone().taken_from_archive() {
        Ok(claimed) if claimed.at <= now => vec![Change::Claimed(Box::new(claimed))],
        Ok(_) | Err(_) => nothing(Why::ClaimStandsOtherwise),
    }
}

fn nothing(why: Why) -> Vec<Change> {
    vec![Change::Nothing { why }]
}
