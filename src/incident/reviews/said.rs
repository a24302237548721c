//! What of a communication bears on what is owed.

use std::collections::BTreeSet;

use chrono::{Months, NaiveDate};

use super::{Repair, Said};
use crate::clock::Time;
use crate::event::document::{RepairState, document};
use crate::event::{Event, Impact, Kind, Promise, Stage, Window, fold};

/// The most repairs of a review that are kept in mind.
const REPAIRS_MOST: usize = 100;

impl Said {
    /// A communication of this kind and stage; one whose text is lost still says what it is, and when.
    pub fn of(kind: Kind, stage: Stage, published: Time) -> Self {
        Self {
            kind,
            stage,
            published,
            impact_start: None,
            impact_end: None,
            promise: None,
            services: 0,
            regions: 0,
            is_live: true,
            is_tagged: false,
            next_update: None,
            repairs: Vec::new(),
            prose: None,
        }
    }

    /// The same with what its event says to these accounts (sorted).
    #[must_use]
    pub fn with(self, event: &Event, accounts: &[String]) -> Self {
        let impact = impact_on(event, accounts);
        let services: BTreeSet<&String> = impact.iter().map(|(service, _)| service).collect();
        let regions: BTreeSet<&String> = impact.iter().filter_map(|(_, region)| region.as_ref()).collect();
        let (services, regions) = (services.len(), regions.len());
        let is_statement = self.kind == Kind::Mitigation || self.kind.is_review();
        Self {
            impact_start: event.impact_start,
            impact_end: event.impact_end,
            promise: Promise::in_text(&event.text),
            services,
            regions,
            is_tagged: is_tagged(event, self.kind),
            repairs: if self.kind.is_review() {
                repairs(event)
            } else {
                Vec::new()
            },
            prose: is_statement.then(|| Window::in_text(&event.text)).flatten(),
            ..self
        }
    }
}

/// What an event names as impacted for these accounts (sorted): each service in each region once.
pub fn impact_on(event: &Event, accounts: &[String]) -> BTreeSet<(String, Option<String>)> {
    let is_theirs = |impact: &&Impact| {
        let named: &[String] = &impact.accounts;
        named.is_empty() || named.iter().any(|account| accounts.binary_search(account).is_ok())
    };
    let theirs = event.impact.iter().filter(is_theirs);
    theirs
        .map(|impact| (impact.service.clone(), impact.region.clone()))
        .collect()
}

/// Whether the provider's tags say this kind.
fn is_tagged(event: &Event, kind: Kind) -> bool {
    let word = match kind {
        Kind::PreliminaryReview => "Preliminary PIR",
        Kind::FinalReview => "Final PIR",
        Kind::Retraction => "False Positive",
        _ => return false,
    };
    event.tags.iter().any(|tag| fold(tag) == fold(word))
}

/// The repairs that a review promises for a month, with the end of that month.
pub fn repairs(event: &Event) -> Vec<Repair> {
    let items = document(&event.html).repair_items.into_iter();
    let promised = items.filter_map(|item| match item.state {
        RepairState::Estimated { month } => Some(Repair {
            text: item.text,
            due: end_of(&month)?,
        }),
        RepairState::Completed | RepairState::Unknown => None,
    });
    promised.take(REPAIRS_MOST).collect()
}

/// When a month (`2024-11`) is over, in UTC.
fn end_of(month: &str) -> Option<Time> {
    let first = NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").ok()?;
    let next = first.checked_add_months(Months::new(1))?;
    Some(next.and_hms_opt(0, 0, 0)?.and_utc())
}
