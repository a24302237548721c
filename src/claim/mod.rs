//! Service credits: what may be owed to a customer for downtime, from what it uses, what happened, and the terms.
//!
//! Everything here is pure and exact: time in whole nanoseconds, money in decimals, comparisons on fractions. Nothing is
//! rounded before it is shown or paid. Each figure explains itself.
//!
//! - `usage`, `incidents` and `terms` are read from YAML, with every problem at its place; Azure's cost export becomes a
//!   usage
//! - `month` is a billing month, `downtime` is time that counts as down, `money` is what a step pays of a fee
//! - [`compute()`] puts them together into [`Row`]s; `explain` says in words how each came about
//! - `last_day` is until when a claim must be in; `pack` is what it is sent with

use crate::problem::meant::meant;

mod assess;
mod compute;
mod downtime;
mod explain;
mod incidents;
mod last_day;
mod money;
mod month;
#[allow(dead_code, reason = "the doors that hand a pack out are made apart from it")]
mod pack;
mod row;
mod terms;
mod usage;
mod words;

#[cfg(test)]
mod tests;

pub use compute::{Asked, Computed, compute};
pub use incidents::read_incidents;
pub use money::rounded;
pub use month::Calendar;
#[allow(unused_imports, reason = "the doors that hand a pack out are made apart from it")]
pub use pack::{
    Communication, Evidence, Impact, PACK_BYTES_MOST, Pack, Provided, Resource, TooLarge, Window, files as pack_files,
    zip as pack_zip,
};
pub use row::Row;
pub use terms::{Catalogue, SHIPPED_VERSION, Term, read_items, read_terms};
pub use usage::{Beside, Costs, read_costs, read_usage};

/// Whether there is a provider of this word: one that events come from, or one that has terms.
///
/// # Errors
/// With the hint for a word that is no provider's.
pub fn knows_provider(word: &str, terms: &Catalogue) -> Result<(), String> {
    let mut known: Vec<&str> = crate::event::Provider::ALL
        .iter()
        .map(|provider| provider.word())
        .collect();
    known.extend(terms.iter().map(|term| term.provider.as_str()));
    known.sort_unstable();
    known.dedup();
    match known.contains(&word) {
        true => Ok(()),
        false => Err(meant(word, known.iter().copied()).unwrap_or_else(|| crate::problem::fields::list(&known))),
    }
}
