//! A person says how far a claim is, or something else of it: kept, if that can follow what was said before.

use crate::claim::{Claimed, Standing};
use crate::clock::Time;
use crate::record::{Change, Why};

/// Keeps it. What comes out of an archive keeps its time, and comes behind what was said here only if it is newer.
pub fn keep(claimed: &Claimed, before: &[Claimed], now: Time) -> Vec<Change> {
    let is_archived = claimed.taken_in_by.is_some();
    if is_archived && before.iter().any(|one| one.is_same(claimed)) {
        return nothing(Why::SaidBefore);
    }
    let is_overtaken = is_archived && before.last().is_some_and(|last| last.at > claimed.at);
    let state = Standing::of(before).counts(claimed.row.state);
    match claimed.said.clone().fit(state, &claimed.row) {
        Ok(said) if !is_overtaken => vec![Change::Claimed(Box::new(Claimed {
            at: if is_archived { claimed.at } else { now },
            said,
            ..claimed.clone()
        }))],
        // somebody else was quicker: whoever asked reads how it stands
        Ok(_) | Err(_) => nothing(Why::ClaimStandsOtherwise),
    }
}

fn nothing(why: Why) -> Vec<Change> {
    vec![Change::Nothing { why }]
}
