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
//! - `entered` is downtime that a person enters, without an incident of the provider
//! - `state` is how far a claim is, `standing` what people said of it, `reminders` what they are to be reminded of

use crate::problem::meant::meant;

mod amounts;
mod asked;
mod assess;
mod assessment;
mod compute;
mod downtime;
mod entered;
mod explain;
mod incidents;
mod last_day;
mod money;
mod month;
pub mod pack;
mod reminders;
mod row;
mod standing;
mod state;
mod terms;
mod usage;
mod words;

#[cfg(test)]
mod tests;

pub use amounts::Amounts;
pub use asked::{Asked, Rows};
pub use compute::{Computed, compute, explained};
pub use entered::{DOWNTIMES_MOST, Downtime, Typed as TypedDowntime, Withdrawn, reason as reason_to_withdraw};
pub use explain::ENTERED_BY_A_PERSON;
pub use incidents::{EndedBy, Impact as ImpactOn, Incident, OnList, Source, is_of_any, read_incidents, said_by};
pub use money::rounded;
pub use month::Calendar;
pub use reminders::{Facts, MORE, due};
pub use row::Row;
pub use standing::{Claimed, Said, Standing, Unfit};
pub use state::State;
pub use terms::{Catalogue, Exclusion, Measure, Per, SHIPPED_VERSION, Term, read_items, read_terms, shipped_terms};
pub use usage::{
    Beside, Costs, Identity, Usage, claimed_twice, joined, read_costs, read_usage, read_usage_among, said_twice,
};
pub use words::service_key;

/// A billing month as it is written (`2026-10`); `None` if the text is none.
pub fn month(text: &str) -> Option<String> {
    month::YearMonth::read(text).map(|month| month.to_string())
}

/// Whether there is a provider of this word: one that events come from, or one that has terms.
///
/// # Errors
/// With the hint for a word that is no provider's.
pub fn knows_provider<'t>(word: &str, terms: impl Iterator<Item = &'t Term>) -> Result<(), String> {
    let mut known: Vec<&str> = crate::event::Provider::ALL
        .iter()
        .map(|provider| provider.word())
        .collect();
    known.extend(terms.map(|term| term.provider.as_str()));
    known.sort_unstable();
    known.dedup();
    match known.contains(&word) {
        true => Ok(()),
        false => Err(meant(word, known.iter().copied()).unwrap_or_else(|| crate::problem::fields::list(&known))),
    }
}
