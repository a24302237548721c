//! What a customer was told of its claims before.

use anyhow::Result;

use super::Reminding;
use crate::customer::CustomerId;
use crate::record::ClaimsReminder;
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
            let mut new = Vec::new();
            for mark in &reminder.of {
                if !self.was_reminded_of_claim(customer, mark)? {
                    new.push(mark.clone());
                }
            }
            told.push((reminder, new));
        }
        Ok(Reminding {
            customer,
            reminders: told,
        })
    }
}
