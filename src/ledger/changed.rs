//! Which incidents have changed since somebody last asked: what an index of incidents follows the ledger by.
//!
//! The writing thread only notes; an incident that changes five hundred times before anybody asks is noted once. If too
//! many wait, they are forgotten, and whoever asks looks at all of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::customer::CustomerId;
use crate::incident::IncidentId;
use crate::record::{Change, Piece, Record};

/// The most incidents that are noted: some ten megabytes.
const NOTED_MOST: usize = 50_000;

/// How long nothing may have changed before changes are handed out, unless somebody waits for them: what is decided in a
/// burst is followed when that is over, and memory for both is not needed at once.
const GATHERS: Duration = Duration::from_millis(500);

/// How long changes gather at most.
const GATHERS_MOST: Duration = Duration::from_secs(5);

/// How long whoever asks waits for changes before it gets to look after other things.
const WAITS: Duration = Duration::from_secs(1);

/// Those who follow: each takes what it was handed, whatever the others do.
#[derive(Clone, Default)]
pub struct Followers {
    /// Whoever keeps the index of incidents.
    pub search: Changed,
    /// Whoever works out service credits.
    pub assess: Changed,
}

impl Followers {
    /// Nothing is noted, and the store is as far as this.
    pub(super) fn since(through: u64) -> Self {
        Self {
            search: Changed::since(through),
            assess: Changed::since(through),
        }
    }

    /// The store is as far as this, and these changed on the way.
    pub(super) fn note(&self, touched: Touched, through: u64) {
        self.assess.note(touched.clone(), through);
        // what customers entered stands in no index of incidents
        let customers = BTreeSet::new();
        self.search.note(Touched { customers, ..touched }, through);
    }

    /// Nothing more is handed out.
    pub fn close(&self) {
        self.search.close();
        self.assess.close();
    }
}

/// What changes touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// These incidents.
    pub incidents: BTreeSet<IncidentId>,
    /// Customers who entered something that is about no incident.
    pub customers: BTreeSet<CustomerId>,
}

impl Touched {
    /// Notes what a record changes, with the earlier pieces of its decision.
    pub(super) fn add(&mut self, record: &Record, pieces: &[Piece]) {
        self.incidents.extend(changed_by(record, pieces).cloned());
        self.customers
            .extend(changes_of(record, pieces).filter_map(entered_by).cloned());
    }

    fn is_empty(&self) -> bool {
        self.incidents.is_empty() && self.customers.is_empty()
    }

    fn len(&self) -> usize {
        self.incidents.len() + self.customers.len()
    }

    fn extend(&mut self, other: Self) {
        self.incidents.extend(other.incidents);
        self.customers.extend(other.customers);
    }
}

/// Notes which incidents have changed. Clones are the same notes.
#[derive(Clone, Default)]
pub struct Changed(Arc<Shared>);

#[derive(Default)]
struct Shared {
    notes: Mutex<Notes>,
    told: Condvar,
}

#[derive(Default)]
struct Notes {
    touched: Touched,
    are_all: bool,
    through: u64,
    is_urgent: bool,
    is_closed: bool,
}

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// These incidents.
    pub incidents: BTreeSet<IncidentId>,
    /// Customers who entered something that is about no incident.
    pub customers: BTreeSet<CustomerId>,
    /// More than could be noted: any may have.
    pub are_all: bool,
    /// The store holds everything up to this sequence number.
    pub through: u64,
}

impl Changed {
    /// Nothing is noted, and the store is as far as this.
    pub(super) fn since(through: u64) -> Self {
        let changed = Self::default();
        changed.lock().through = through;
        changed
    }

    /// The store is as far as this, and these changed on the way.
    pub(super) fn note(&self, touched: Touched, through: u64) {
        let mut notes = self.lock();
        let is_first = notes.touched.is_empty() && !touched.is_empty();
        notes.touched.extend(touched);
        if notes.touched.len() > NOTED_MOST {
            notes.touched = Touched::default();
            notes.are_all = true;
        }
        notes.through = through;
        if is_first || notes.is_urgent {
            self.0.told.notify_all();
        }
    }

    /// How far the store is.
    pub fn through(&self) -> u64 {
        self.lock().through
    }

    /// Somebody waits: what is noted is handed out at once.
    pub fn hurry(&self) {
        self.lock().is_urgent = true;
        self.0.told.notify_all();
    }

    /// Nothing more is handed out.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.0.told.notify_all();
    }

    /// Whether nothing more is handed out.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Waits a little, and hands out what has changed since the last time; `None` when closed.
    pub fn take(&self) -> Option<Batch> {
        let is_idle = |notes: &mut Notes| !notes.is_closed && !notes.is_urgent && notes.touched.is_empty();
        let waited = self.0.told.wait_timeout_while(self.lock(), WAITS, is_idle);
        let (mut notes, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let gathers = |notes: &mut Notes| !notes.is_closed && !notes.is_urgent && !notes.touched.is_empty();
        while gathers(&mut notes) && began.elapsed() < GATHERS_MOST {
            let before = notes.through;
            let waited = self.0.told.wait_timeout_while(notes, GATHERS, gathers);
            notes = waited.unwrap_or_else(PoisonError::into_inner).0;
            if notes.through == before {
                break;
            }
        }
        if notes.is_closed {
            return None;
        }
        notes.is_urgent = false;
        let touched = std::mem::take(&mut notes.touched);
        Some(Batch {
            incidents: touched.incidents,
            customers: touched.customers,
            are_all: std::mem::take(&mut notes.are_all),
            through: notes.through,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The incidents that a record changes, with the earlier pieces of its decision.
pub fn changed_by<'r>(record: &'r Record, pieces: &'r [Piece]) -> impl Iterator<Item = &'r IncidentId> {
    changes_of(record, pieces).filter_map(about)
}

fn changes_of<'r>(record: &'r Record, pieces: &'r [Piece]) -> impl Iterator<Item = &'r Change> {
    let changes = match record {
        Record::Decided { changes, .. } | Record::Continued { changes, .. } => &changes[..],
        Record::Recorded { .. }
        | Record::Started { .. }
        | Record::Lost { .. }
        | Record::Noted { .. }
        | Record::Retired { .. } => &[],
    };
    let earlier = pieces.iter().flat_map(|piece| &piece.changes);
    earlier.chain(changes)
}

/// The customer who entered something that is about no incident.
fn entered_by(change: &Change) -> Option<&CustomerId> {
    let Change::DowntimeEntered(downtime) = change else {
        return None;
    };
    Some(&downtime.customer)
}

fn about(change: &Change) -> Option<&IncidentId> {
    if let Change::Incident(incident) = change {
        return Some(&incident.id);
    }
    if let Change::Entry(entry) = change {
        return Some(&entry.incident);
    }
    if let Change::Affected(hearing) = change {
        return Some(&hearing.incident);
    }
    if let Change::Corrected(correction) = change {
        return Some(&correction.incident);
    }
    if let Change::ResourcesCounted(summary) = change {
        return Some(&summary.incident);
    }
    if let Change::IncidentForgotten { incident, .. } = change {
        return Some(incident);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Provider;

    fn id(nth: usize) -> IncidentId {
        IncidentId::new(Provider::Azure, &format!("T-{nth}"))
    }

    fn incidents(ids: impl IntoIterator<Item = IncidentId>) -> Touched {
        Touched {
            incidents: ids.into_iter().collect(),
            ..Touched::default()
        }
    }

    #[test]
    fn what_changes_often_is_handed_out_once_and_with_how_far_the_store_is() {
        let changed = Changed::since(7);
        for through in 8..508 {
            changed.note(incidents([id(1)]), through);
        }
        changed.note(Touched::default(), 600);
        changed.hurry();
        let batch = changed.take().expect("open");
        assert_eq!(
            (batch.incidents, batch.are_all, batch.through),
            ([id(1)].into(), false, 600)
        );
        changed.hurry();
        assert_eq!(changed.take().expect("open").incidents, BTreeSet::new());
        changed.close();
        assert_eq!(changed.take(), None);
    }

    #[test]
    fn more_than_can_be_noted_is_all_of_them() {
        let changed = Changed::since(0);
        changed.note(incidents((0..=NOTED_MOST).map(id)), 1);
        changed.hurry();
        let batch = changed.take().expect("open");
        assert!(batch.are_all && batch.incidents.is_empty());
    }

    #[test]
    fn who_entered_something_is_handed_out_to_whom_it_concerns() {
        let followers = Followers::since(0);
        let customers = [CustomerId::new("contoso")].into();
        let touched = Touched {
            customers,
            ..Touched::default()
        };
        followers.note(touched.clone(), 1);
        followers.search.hurry();
        assert_eq!(followers.assess.take().expect("open").customers, touched.customers);
        assert!(followers.search.take().expect("open").customers.is_empty());
    }
}
