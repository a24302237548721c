//! What a customer was told of its claims before.

use anyhow::Result;

use super::Reminding;
use crate::customer::CustomerId;
use crate::record::{ClaimMark, ClaimsReminder};
use crate::store::View;

impl View {
    /// For reminders of claims: what of each was not told before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn claims_to_remind_of<'a>(
        &self,
        customer: &'a CustomerId,
        reminders: &'a [ClaimsReminder],
    ) -> Result<Reminding<'a>> {
        let mut told = Vec::new();
        for reminder in reminders {
            told.push((reminder, self.claim_marks_untold(customer, &reminder.of)?));
        }
        Ok(Reminding {
            customer,
            reminders: told,
        })
    }

    /// Those of the marks under which nothing was told.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn claim_marks_untold(&self, customer: &CustomerId, marks: &[ClaimMark]) -> Result<Vec<ClaimMark>> {
        let mut untold = Vec::new();
        for mark in marks {
            if !self.was_reminded_of_claim(customer, mark)? {
                untold.push(mark.clone());
            }
        }
        Ok(untold)
    }
}
