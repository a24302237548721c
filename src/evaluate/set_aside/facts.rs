//! What bears on setting something aside.

use anyhow::Result;

use crate::clock::Time;
use crate::journal::Position;
use crate::record::{Deadline, Undecided};
use crate::store::View;

/// How many notifications of a deadline are set aside together: those that one decision would have told.
const TOGETHER_MOST: usize = 256;

/// How far back in the list is looked whether the operator was told.
const LOOKED_AT_MOST: usize = 1_000;

/// How long the operator is not told of the same reason again.
const TOLD_AGAIN_AFTER: chrono::Duration = chrono::Duration::hours(1);

impl View {
    /// The notifications that a deadline would have decided, by their deliveries.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn deliveries_in(&self, deadline: &Deadline, due: Time) -> Result<Vec<String>> {
        match deadline {
            Deadline::Notifications {
                customer,
                communication,
                ..
            } => self.planned_together(due, customer, communication, TOGETHER_MOST),
            Deadline::Tell { .. }
            | Deadline::Endpoint { .. }
            | Deadline::Expire { .. }
            | Deadline::Retention
            | Deadline::Owed { .. }
            | Deadline::Clocks { .. } => Ok(Vec::new()),
        }
    }

    /// Whether the operator was told within the last hour that something was set aside for this reason.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn was_told_of_setting_aside(&self, why: &str, now: Time) -> Result<bool> {
        let latest = self.set_aside(None, LOOKED_AT_MOST)?;
        Ok(latest
            .iter()
            .any(|line| line.set_aside.is_told && line.set_aside.why == why && line.since + TOLD_AGAIN_AFTER > now))
    }

    /// Where changes of rules are listed that are set aside.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rules_set_aside(&self) -> Result<Vec<Position>> {
        let lines = self.set_aside(None, LOOKED_AT_MOST)?.into_iter();
        let rules = lines.filter(|line| line.set_aside.what == Undecided::Rules);
        Ok(rules.map(|line| line.at).collect())
    }
}
