//! What the log says of receivers that fail: one line when one begins to fail, one an hour while it goes on, one when it
//! is over; not one for each attempt. Pure.

use std::collections::HashMap;

use crate::clock::Time;
use crate::notification::EndpointId;

/// So often is it logged that a receiver still fails.
const LOGGED_EVERY: chrono::Duration = chrono::Duration::hours(1);

/// Of how many endpoints it is remembered that they fail; then all are forgotten, and are logged once more.
const REMEMBERED_MOST: usize = 65_536;

/// The endpoints that fail.
#[derive(Debug, Default)]
pub struct Failures(HashMap<EndpointId, Failing>);

#[derive(Debug)]
struct Failing {
    since: Time,
    logged: Time,
    attempts: u64,
}

/// What is to be logged of an attempt's end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// It is the first one that failed.
    Begins,
    /// It still fails.
    GoesOn {
        /// Since then.
        since: Time,
        /// So many attempts failed.
        attempts: u64,
    },
    /// It works again.
    IsOver {
        /// Since when it failed.
        since: Time,
        /// So many attempts failed.
        attempts: u64,
    },
}

impl Failures {
    /// Notes an attempt's end; what is to be logged of it, if anything.
    pub fn note(&mut self, endpoint: &EndpointId, has_failed: bool, now: Time) -> Option<Line> {
        if !has_failed {
            let Failing { since, attempts, .. } = self.0.remove(endpoint)?;
            return Some(Line::IsOver { since, attempts });
        }
        if let Some(failing) = self.0.get_mut(endpoint) {
            failing.attempts += 1;
            let (since, attempts) = (failing.since, failing.attempts);
            let is_due = now - failing.logged >= LOGGED_EVERY;
            failing.logged = if is_due { now } else { failing.logged };
            return is_due.then_some(Line::GoesOn { since, attempts });
        }
        if self.0.len() >= REMEMBERED_MOST {
            self.0.clear();
        }
        let failing = Failing {
            since: now,
            logged: now,
            attempts: 1,
        };
        self.0.insert(endpoint.clone(), failing);
        Some(Line::Begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: i64) -> Time {
        Time::UNIX_EPOCH + chrono::Duration::minutes(minute)
    }

    fn endpoint(name: &str) -> EndpointId {
        EndpointId(name.to_owned())
    }

    #[test]
    fn a_receiver_that_fails_for_five_hours_is_six_lines_and_one_when_it_is_over() {
        let mut failures = Failures::default();
        let lines: Vec<(i64, Line)> = (0..=300)
            .filter_map(|at| Some((at, failures.note(&endpoint("a"), true, minute(at))?)))
            .collect();
        assert_eq!(lines[0], (0, Line::Begins));
        let hours: Vec<i64> = lines.iter().map(|(at, _)| *at).collect();
        assert_eq!(hours, [0, 60, 120, 180, 240, 300]);
        assert_eq!(
            lines[5].1,
            Line::GoesOn {
                since: minute(0),
                attempts: 301
            }
        );
        let over = failures.note(&endpoint("a"), false, minute(301));
        assert_eq!(
            over,
            Some(Line::IsOver {
                since: minute(0),
                attempts: 301
            })
        );
        assert_eq!(failures.note(&endpoint("a"), false, minute(302)), None);
    }

    #[test]
    fn receivers_are_told_apart_and_what_works_is_silent() {
        let mut failures = Failures::default();
        assert_eq!(failures.note(&endpoint("b"), false, minute(0)), None);
        for name in ["a", "b"] {
            assert_eq!(failures.note(&endpoint(name), true, minute(1)), Some(Line::Begins));
            assert_eq!(failures.note(&endpoint(name), true, minute(2)), None);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut failures = Failures::default();
        for nth in 0..=REMEMBERED_MOST {
            failures.note(&endpoint(&nth.to_string()), true, minute(0));
        }
        assert!(failures.0.len() <= REMEMBERED_MOST);
    }
}
