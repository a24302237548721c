//! Retention is over: what is old enough is forgotten.

use crate::clock::Time;
use crate::delivery::{Delivery, Standing, State};
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::notification::SeriesId;
use crate::record::{Change, Deadline, Why};

mod facts;

/// What is old enough to be forgotten.
#[derive(Default)]
pub struct Old {
    /// Ended deliveries.
    pub deliveries: Vec<(Delivery, Standing)>,
    /// Incidents about which nothing is pending, with their events and series.
    pub incidents: Vec<OldIncident>,
    /// If there is more: when to go on.
    pub again: Option<Time>,
}

/// An incident that is old enough to be forgotten.
pub struct OldIncident {
    /// Which.
    pub incident: IncidentId,
    /// Its events.
    pub events: Vec<Position>,
    /// The series of notifications about it.
    pub series: Vec<SeriesId>,
}

/// What is past its retention is forgotten.
pub fn retention(old: &Old) -> Vec<Change> {
    let deliveries = old
        .deliveries
        .iter()
        .filter_map(|(delivery, standing)| forgotten(delivery, standing));
    let incidents = old.incidents.iter().map(|old| Change::IncidentForgotten {
        incident: old.incident.clone(),
        events: old.events.clone(),
        series: old.series.clone(),
    });
    let mut changes: Vec<Change> = deliveries.chain(incidents).collect();
    if changes.is_empty() {
        changes.push(Change::Nothing {
            why: Why::NothingToForget,
        });
    }
    changes.extend(old.again.map(|at| Change::Wake {
        deadline: Deadline::Retention,
        at,
    }));
    changes
}

fn forgotten(delivery: &Delivery, standing: &Standing) -> Option<Change> {
    match &standing.state {
        State::Ended { end, at } => Some(Change::Forgotten {
            place: delivery.lane_key(),
            end: end.clone(),
            ended_at: *at,
            attempts: standing.attempts,
        }),
        State::Scheduled { .. } => None,
    }
}
