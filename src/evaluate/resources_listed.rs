//! A customer hands in a list of the resources that an incident impacted: each resource stands in place of what was said of
//! it before, and what all of them come to is counted here, so that nobody has to go through them for that.

use std::collections::BTreeMap;

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::incident::IncidentId;
use crate::incident::correction::FirstSaid;
use crate::incident::resources::{KEPT_MOST, Resource, ResourceSummary, Resources};
use crate::record::{Change, Why};

mod facts;

/// How many resources one change holds: a decision that is too large for one record is cut between changes.
const IN_ONE_CHANGE: usize = 500;

/// A list, with what is known that bears on it.
pub struct Listing<'a> {
    /// Of which incident.
    pub incident: &'a IncidentId,
    /// Whose resources.
    pub customer: &'a CustomerId,
    /// Who hands it in.
    pub by: &'a str,
    /// What is listed; no two have the same key.
    pub resources: &'a [Resource],
    /// Whether the list is whole.
    pub is_complete: bool,
    /// Of one out of an archive: when it was handed in first, and by whom.
    pub first: Option<&'a FirstSaid>,
    /// What is known.
    pub known: ResourcesKnown,
}

/// What is known of an incident's resources.
#[derive(Debug, Default)]
pub struct ResourcesKnown {
    /// Whether the incident is known.
    pub has_incident: bool,
    /// What the customer's resources come to so far.
    pub summary: Option<ResourceSummary>,
    /// Those of the listed ones that are known, by their keys.
    pub resources: BTreeMap<String, KnownResource>,
}

/// A resource as it was listed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownResource {
    /// When.
    pub at: Time,
    /// It.
    pub resource: Resource,
}

/// Keeps what is new or another. What comes out of an archive keeps its time, and replaces only what is older.
pub fn keep(listing: &Listing<'_>, now: Time) -> Vec<Change> {
    if !listing.known.has_incident {
        return nothing(Why::NoSuchIncident);
    }
    let at = listing.first.map_or(now, |first| first.at);
    let changed: Vec<Resource> = listing.changed().cloned().collect();
    let summary = listing.summary(&changed, at);
    if summary.count() > KEPT_MOST {
        let most = u32::try_from(KEPT_MOST).unwrap_or(u32::MAX);
        return nothing(Why::TooMany { most });
    }
    let was_complete = listing.known.summary.as_ref().map(|before| before.is_complete);
    if changed.is_empty() && was_complete == Some(summary.is_complete) {
        return nothing(Why::SaidBefore);
    }
    let listed = changed.chunks(IN_ONE_CHANGE).map(|resources| {
        Change::ResourcesListed(Resources {
            incident: listing.incident.clone(),
            customer: listing.customer.clone(),
            at,
            by: listing.by().to_owned(),
            resources: resources.to_vec(),
        })
    });
    listed.chain([Change::ResourcesCounted(summary)]).collect()
}

fn nothing(why: Why) -> Vec<Change> {
    vec![Change::Nothing { why }]
}

impl Listing<'_> {
    /// Who handed it in first.
    fn by(&self) -> &str {
        self.first.map_or(self.by, |first| &first.by)
    }

    /// Those that are new or another.
    fn changed(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(
            |resource| match (self.known.resources.get(&resource.key()), self.first) {
                (None, _) => true,
                (Some(known), None) => known.resource != **resource,
                (Some(known), Some(first)) => known.resource != **resource && known.at < first.at,
            },
        )
    }

    /// What the customer's resources come to when these have changed.
    fn summary(&self, changed: &[Resource], at: Time) -> ResourceSummary {
        let before = self.known.summary.as_ref();
        let mut confirmed = before.map_or(0, |before| before.confirmed);
        let mut potential = before.map_or(0, |before| before.potential);
        let mut count = |resource: &Resource, is_more: bool| {
            let counter = if resource.confirmed {
                &mut confirmed
            } else {
                &mut potential
            };
            *counter = match is_more {
                true => counter.saturating_add(1),
                false => counter.saturating_sub(1),
            };
        };
        for resource in changed {
            if let Some(before) = self.known.resources.get(&resource.key()) {
                count(&before.resource, false);
            }
            count(resource, true);
        }
        // what is said of all comes from the newest list
        let newer = before.filter(|before| self.first.is_some() && before.at > at);
        let (is_complete, at, by) = match newer {
            Some(newer) => (newer.is_complete, newer.at, newer.by.as_str()),
            None => (self.is_complete, at, self.by()),
        };
        ResourceSummary {
            incident: self.incident.clone(),
            customer: self.customer.clone(),
            confirmed,
            potential,
            is_complete,
            at,
            by: by.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
