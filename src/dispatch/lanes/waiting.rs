//! What waits in a lane, and until when: so that a look reads what is due, and not everything there is.
//!
//! It is filled by going through the lane once, by keys, in parts; from then on by what is told of single incidents. It
//! holds the earliest; when those are used up the lane is gone through again. What the store says counts: here it is
//! only remembered which incident is to be looked at when. Pure.

use std::collections::{BTreeSet, HashMap};

use crate::clock::Time;
use crate::incident::IncidentId;

/// How many incidents are held; of the others it is known when the first of them is due.
pub const HELD_MOST: usize = if cfg!(test) { 64 } else { 4_096 };

/// The incidents of a lane that are to be looked at, and when.
#[derive(Debug, Default)]
pub struct Waiting {
    by_time: BTreeSet<(Time, IncidentId)>,
    times: HashMap<IncidentId, Time>,
    /// When the earliest is due of those that are not held.
    beyond: Option<Time>,
    pass: Pass,
}

/// How far the lane was gone through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Pass {
    /// Not at all.
    #[default]
    Begins,
    /// Up to this incident.
    GoesOnBehind(IncidentId),
    /// To its end.
    IsOver,
}

impl Waiting {
    /// An incident is to be looked at then, whatever was known of it before.
    pub fn expect(&mut self, incident: IncidentId, at: Time) {
        if let Some(before) = self.times.insert(incident.clone(), at) {
            self.by_time.remove(&(before, incident.clone()));
        }
        self.by_time.insert((at, incident));
        if self.by_time.len() > HELD_MOST
            && let Some((latest, incident)) = self.by_time.pop_last()
        {
            self.times.remove(&incident);
            self.beyond = self.beyond.into_iter().chain([latest]).min();
        }
    }

    /// The first incident that is due, if there is one: it is not expected any more.
    pub fn take_due(&mut self, now: Time) -> Option<IncidentId> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, incident) = self.by_time.pop_first()?;
        self.times.remove(&incident);
        Some(incident)
    }

    /// When the next incident is due.
    pub fn next(&self) -> Option<Time> {
        let held = self.by_time.first().map(|(at, _)| *at);
        held.into_iter().chain(self.beyond).min()
    }

    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty() && self.beyond.is_none()
    }

    /// How far the lane was gone through. It is gone through again when what is not held is due, and what is held and
    /// was due before that is used up.
    pub fn pass(&mut self, now: Time) -> &Pass {
        let is_used_up = |beyond| self.by_time.first().is_none_or(|(at, _)| *at > beyond);
        let is_due = self.beyond.is_some_and(|beyond| beyond <= now && is_used_up(beyond));
        if self.pass == Pass::IsOver && is_due {
            self.go_through_again();
        }
        &self.pass
    }

    /// The lane was gone through so far.
    pub fn passed(&mut self, pass: Pass) {
        self.pass = pass;
    }

    /// What is known may be wrong, or not all: the lane is gone through from its beginning.
    pub fn go_through_again(&mut self) {
        self.pass = Pass::Begins;
        self.beyond = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Provider;

    fn at(second: i64) -> Time {
        Time::UNIX_EPOCH + chrono::Duration::seconds(second)
    }

    fn incident(name: usize) -> IncidentId {
        IncidentId::new(Provider::Azure, &format!("x-{name:06}"))
    }

    #[test]
    fn what_is_due_comes_in_the_order_of_time_and_each_once() {
        let mut waiting = Waiting::default();
        for (name, second) in [(1, 30), (2, 10), (3, 20), (2, 40)] {
            waiting.expect(incident(name), at(second));
        }
        assert_eq!(waiting.next(), Some(at(20)));
        assert_eq!(waiting.take_due(at(19)), None);
        assert_eq!(waiting.take_due(at(30)), Some(incident(3)));
        assert_eq!(waiting.take_due(at(30)), Some(incident(1)));
        assert_eq!(waiting.take_due(at(30)), None);
        assert_eq!((waiting.next(), waiting.is_empty()), (Some(at(40)), false));
        assert_eq!(waiting.take_due(at(40)), Some(incident(2)));
        assert!(waiting.is_empty() && waiting.times.is_empty());
    }

    #[test]
    fn the_earliest_are_held_and_the_lane_is_gone_through_again_when_the_others_are_due() {
        let mut waiting = Waiting::default();
        let all = 3 * HELD_MOST;
        for name in (0..all).rev() {
            waiting.expect(incident(name), at(i64::try_from(name).expect("small")));
        }
        waiting.passed(Pass::IsOver);
        assert_eq!((waiting.by_time.len(), waiting.times.len()), (HELD_MOST, HELD_MOST));
        let last_held = i64::try_from(HELD_MOST).expect("small") - 1;
        assert_eq!(waiting.pass(at(1_000_000)), &Pass::IsOver, "what is held comes first");
        for name in 0..HELD_MOST {
            assert_eq!(
                waiting.pass(at(last_held)),
                &Pass::IsOver,
                "what is not held is not due yet"
            );
            assert_eq!(waiting.take_due(at(last_held)), Some(incident(name)));
        }
        assert_eq!(waiting.next(), Some(at(last_held + 1)));
        assert_eq!(waiting.pass(at(last_held + 1)), &Pass::Begins);
    }

    #[test]
    fn what_is_told_now_is_held_however_much_waits() {
        let mut waiting = Waiting::default();
        for name in 0..=HELD_MOST {
            waiting.expect(incident(name), at(1_000));
        }
        waiting.expect(incident(9_999), at(5));
        assert_eq!(waiting.take_due(at(5)), Some(incident(9_999)));
    }
}
