//! A customer is to be reminded of claims: by events of our own, each of which is told once.
//!
//! What is due is worked out beside the ledger ([`crate::assess`]), as it takes many incidents; here it is only seen to
//! that nothing is told twice.

use crate::customer::CustomerId;
use crate::record::{Change, ClaimMark, ClaimsReminder, Why};

mod facts;

/// What is to be told, as far as it was not told before.
pub struct Reminding<'a> {
    /// Whom.
    pub customer: &'a CustomerId,
    /// What, each with the marks that are new.
    pub reminders: Vec<(&'a ClaimsReminder, Vec<ClaimMark>)>,
}

/// Keeps what was told elsewhere, by the daemon that an archive is of: it is not told again here.
pub fn keep(customer: &CustomerId, new: &[ClaimMark]) -> Vec<Change> {
    if new.is_empty() {
        return vec![Change::Nothing { why: Why::ToldBefore }];
    }
    vec![Change::RemindedOfClaims {
        customer: customer.clone(),
        of: new.to_vec(),
    }]
}

/// Tells it.
pub fn remind(reminding: &Reminding<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (reminder, new) in &reminding.reminders {
        if new.is_empty() {
            continue;
        }
        changes.push(Change::Raised {
            event: reminder.event.clone(),
        });
        changes.push(Change::RemindedOfClaims {
            customer: reminding.customer.clone(),
            of: new.clone(),
        });
    }
    if changes.is_empty() {
        changes.push(Change::Nothing { why: Why::ToldBefore });
    }
    changes
}
