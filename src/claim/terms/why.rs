//! Why nothing follows from terms: there are none, times are not enough under them, or no step applies.

use super::super::downtime::DownMinute;
use super::super::usage::Usage;
use super::{Measure, NoTerms, Term};

/// Why there is no row for a usage.
pub fn no_terms(usage: &Usage, why: &NoTerms) -> String {
    let Usage { provider, service, .. } = usage;
    match (why, &usage.tier) {
        (NoTerms::UnknownService, _) => {
            format!(
                "no terms are known for {service} of {provider}: nothing is computed for it (`terms:`, or `--terms FILE`, adds them)"
            )
        }
        (NoTerms::WhichTier(tiers), None) => {
            format!(
                "{service} of {provider} has terms by tier: name one with `tier:` ({})",
                tiers.join("; ")
            )
        }
        (NoTerms::WhichTier(tiers), Some(tier)) => {
            format!(
                "no terms are known for the tier `{tier}` of {service} of {provider} (known: {})",
                tiers.join("; ")
            )
        }
    }
}

/// Why times alone are not enough under these terms.
pub fn not_computable(term: &Term) -> Option<String> {
    let needed = "a claim needs the counts of all requests and of those that failed";
    if term.measure == Measure::ErrorRate {
        return Some(format!(
            "cannot be computed: the terms measure an error rate, and {needed}"
        ));
    }
    if let DownMinute::Share(share) = term.down_minute {
        return Some(format!(
            "cannot be computed: a minute counts if at least {} % of its requests fail, and {needed}",
            share.normalize()
        ));
    }
    term.steps
        .is_empty()
        .then(|| "cannot be computed: the steps of these terms are not known here".to_owned())
}

/// Why no step applies.
pub fn no_step(term: &Term) -> String {
    match term.steps.first() {
        Some(step) => format!("the uptime is not below {} %", step.below.normalize()),
        None => "the terms have no steps".to_owned(),
    }
}
