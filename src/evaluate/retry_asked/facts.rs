//! What is set aside, and what bears on it now.

use anyhow::Result;

use super::super::placing;
use super::Retry;
use crate::event::{Arrival, Event};
use crate::incident::IncidentId;
use crate::journal::{self, Position};
use crate::lookup;
use crate::record::{Command, Deadline, Undecided};
use crate::rule::RuleSet;
use crate::store::View;

impl View {
    /// For something that is to be decided again: what it is, and what bears on it.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn retry_facts(&self, at: Position, rules: &RuleSet, journal: &journal::Reader) -> Result<Retry> {
        let Some(line) = self.set_aside_at(at)? else {
            return Ok(Retry::Nothing);
        };
        let set_aside = line.set_aside;
        Ok(match set_aside.what {
            Undecided::Event { .. } => match lookup::unless_lost(lookup::event(journal, at))? {
                Some(event) => self.event_again(at, event, rules, journal)?,
                None => Retry::Nothing,
            },
            Undecided::Command(Command::Redeliver { delivery }) => Retry::Redelivery {
                at,
                found: Box::new(self.known(&delivery)?),
            },
            Undecided::Deadline(Deadline::Notifications { .. }) => Retry::Notifications {
                at,
                open: set_aside.open,
            },
            Undecided::Deadline(deadline) => Retry::Deadline { at, deadline },
            // who asked for a test, to forget, or to correct, asks again
            Undecided::Rules
            | Undecided::Command(
                Command::Retry { .. }
                | Command::SendTest { .. }
                | Command::ForgetRules { .. }
                | Command::Correct { .. }
                | Command::Claim(_)
                | Command::RemindOfClaims { .. }
                | Command::RemindedElsewhere { .. }
                | Command::ListResources { .. }
                | Command::EnterDowntime(_)
                | Command::WithdrawDowntime { .. },
            )
            | Undecided::Unreadable => Retry::Nothing,
        })
    }

    fn event_again(&self, at: Position, event: Event, rules: &RuleSet, journal: &journal::Reader) -> Result<Retry> {
        let event = self.with_time(&event)?.into_owned();
        let mut heard = self.hear_context(&event, rules, journal)?;
        if let Some(by) = self.told_since(&event, at)? {
            let accounts = placing::accounts_of(&event).into_iter();
            heard.placed.overtaken.extend(accounts.map(|account| (account, by)));
        }
        Ok(Retry::Event {
            at,
            event: Box::new(event),
            heard: Box::new(heard),
        })
    }

    /// News of an event's incident that was decided while the event was set aside.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn told_since(&self, event: &Event, at: Position) -> Result<Option<Position>> {
        let entries = self.entries(&IncidentId::of(event))?;
        let newer = entries
            .iter()
            .filter(|entry| entry.event > at && entry.arrival == Arrival::Live);
        Ok(newer.map(|entry| entry.event).max())
    }
}
