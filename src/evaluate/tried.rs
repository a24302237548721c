//! An attempt ended: done, again, dead, or superseded by something newer that waits behind it.

use crate::clock::Time;
use crate::delivery::{Attempt, Delivery, End, Next, Place, Standing, State, next};
use crate::message::Carried;
use crate::record::Change;

/// The most that one delivery lists of what it carries.
const CARRIED_MOST: usize = 50;

/// What bears on an attempt's end.
pub struct Lane {
    /// The delivery, and how far it is; `None` if it is not known (its record was lost).
    pub delivery: Option<(Delivery, Standing)>,
    /// What waits behind it in its lane about the same incident, in order.
    pub behind: Vec<(Delivery, Standing)>,
    /// What it and those behind it carry already, by delivery.
    pub carried: Vec<(String, Vec<Carried>)>,
}

/// What follows.
pub fn tried(attempt: &Attempt, lane: &Lane, now: Time) -> Vec<Change> {
    let Some((delivery, standing)) = &lane.delivery else {
        return Vec::new();
    };
    let State::Scheduled { expires, .. } = standing.state else {
        return Vec::new();
    };
    let place = delivery.place();
    let attempts = attempt.number.max(standing.attempts);
    let ended = |end| {
        vec![Change::Ended {
            place: place.clone(),
            attempts,
            attempt: Some(attempt.clone()),
            end,
            at: now,
        }]
    };
    match next(attempt, expires, now) {
        Next::Done => ended(End::Delivered),
        Next::Dead { end } => ended(end),
        Next::Again { at } => match successor(delivery, lane) {
            Some(successor) => supersede(attempt, attempts, successor, lane, now),
            None => vec![Change::Attempted {
                attempt: attempt.clone(),
                place,
                again: at,
                expires,
            }],
        },
    }
}

/// The latest message behind `delivery` that can stand for it: one never tried, because what was tried keeps its content.
fn successor<'a>(delivery: &Delivery, lane: &'a Lane) -> Option<&'a Delivery> {
    lane.behind
        .iter()
        .rev()
        .find(|(behind, standing)| standing.attempts == 0 && delivery.can_be_told_by(behind))
        .map(|(behind, _)| behind)
}

/// Ends the delivery that failed and everything between it and its successor that the successor can stand for: when
/// the receiver is back, it gets the latest.
fn supersede(attempt: &Attempt, attempts: u32, successor: &Delivery, lane: &Lane, now: Time) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut carried: Vec<Carried> = Vec::new();
    let failed = lane.delivery.iter();
    for (delivery, standing) in failed.chain(&lane.behind).take_while(|(one, _)| one.id != successor.id) {
        if !delivery.can_be_told_by(successor) {
            continue;
        }
        let is_this = delivery.id == attempt.delivery;
        changes.push(Change::Ended {
            place: delivery.place(),
            attempts: if is_this { attempts } else { standing.attempts },
            attempt: is_this.then(|| attempt.clone()),
            end: End::Superseded {
                by: successor.id.clone(),
            },
            at: now,
        });
        carried.extend(carries(lane, &delivery.id));
        carried.push(Carried {
            title: delivery.title.clone(),
            published: delivery.published,
        });
    }
    carried.extend(carries(lane, &successor.id));
    carried.sort_by(|one, other| (one.published, &one.title).cmp(&(other.published, &other.title)));
    carried.dedup();
    carried.drain(..carried.len().saturating_sub(CARRIED_MOST));
    changes.push(Change::Carries {
        delivery: successor.id.clone(),
        carried,
    });
    changes
}

fn carries(lane: &Lane, delivery: &str) -> Vec<Carried> {
    lane.carried
        .iter()
        .find(|(id, _)| id == delivery)
        .map(|(_, carried)| carried.clone())
        .unwrap_or_default()
}

/// Ends a delivery without an attempt.
pub fn end(delivery: &Delivery, standing: &Standing, end: End, now: Time) -> Change {
    let place: Place = delivery.place();
    Change::Ended {
        place,
        attempts: standing.attempts,
        attempt: None,
        end,
        at: now,
    }
}
