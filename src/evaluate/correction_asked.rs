//! A person corrects what a provider says of an incident, or what was read of it.
//!
//! Nothing of the provider's goes: both words are shown, and the person's counts. What follows for the clocks is worked
//! out by a look at the incident, which is set to now.

use super::owed_due::set_clock;
use crate::clock::Time;
use crate::incident::IncidentId;
use crate::incident::correction::{Correction, Corrects, FirstSaid};
use crate::record::{Change, Why};

mod facts;

/// What is corrected, with what is known that bears on it.
pub struct Correcting<'a> {
    /// Of which incident.
    pub incident: &'a IncidentId,
    /// Who corrects it.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// What.
    pub corrects: &'a Corrects,
    /// Of one out of an archive: when it was said first, and by whom.
    pub first: Option<&'a FirstSaid>,
    /// Whether the incident, and the communication that is meant, are known.
    pub is_known: bool,
    /// Whether any clock runs for it: not for tests, nor for what came as history only.
    pub has_clock: bool,
    /// When it is looked at next.
    pub clock: Option<Time>,
}

/// What is known of what is to be corrected.
pub struct Correctable {
    /// Whether the incident, and the communication that is meant, are known.
    pub is_known: bool,
    /// Whether any clock runs for it.
    pub has_clock: bool,
    /// When it is looked at next.
    pub clock: Option<Time>,
}

/// Keeps it.
pub fn correct(correcting: &Correcting<'_>, now: Time) -> Vec<Change> {
    if !correcting.is_known {
        return vec![Change::Nothing {
            why: Why::NoSuchIncident,
        }];
    }
    let by = correcting.by.to_owned();
    let mut changes = vec![Change::Corrected(Correction {
        incident: correcting.incident.clone(),
        at: correcting.first.map_or(now, |first| first.at),
        by: correcting.first.map_or(by.clone(), |first| first.by.clone()),
        taken_in_by: correcting.first.map(|_| by),
        reason: correcting.reason.to_owned(),
        corrects: correcting.corrects.clone(),
    })];
    if correcting.has_clock {
        // a look whose time has passed may have been set aside
        let before = correcting.clock.filter(|at| *at > now);
        changes.extend(set_clock(correcting.incident, before, Some(now)));
    }
    changes
}
