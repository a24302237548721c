//! An attempt ended: done, again, dead, or superseded by something newer that waits behind it.

use crate::clock::Time;
use crate::delivery::{Attempt, Delivery, End, Next, Standing, State, next};
use crate::message::Carried;
use crate::record::Change;

mod facts;
mod health;
mod our_fault;

pub use health::Health;
pub use our_fault::is_fault_raised;

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
    /// Until when nothing expires, after the machine's clock jumped.
    pub hold: Option<Time>,
    /// Whether the operator was told already of the fault that the attempt found.
    pub is_fault_told: bool,
    /// Whether its endpoint takes what it is told.
    pub health: Health,
}

/// What follows from attempts that ended together: for each delivery, for their receivers' owners, and for the operator.
pub fn all_finished(ended: &[(Attempt, Lane)], now: Time) -> Vec<Change> {
    let each = ended.iter().flat_map(|(attempt, lane)| finished(attempt, lane, now));
    each.chain(health::changes(ended, now))
        .chain(our_fault::raised(ended, now))
        .collect()
}

/// What follows.
pub fn finished(attempt: &Attempt, lane: &Lane, now: Time) -> Vec<Change> {
    let Some((delivery, standing)) = &lane.delivery else {
        return Vec::new();
    };
    let State::Scheduled { expires, .. } = standing.state else {
        return Vec::new();
    };
    let expires = lane.hold.map_or(expires, |hold| expires.max(hold));
    let attempts = attempt.number.max(standing.attempts);
    let ended = |end| {
        vec![Change::Finished {
            delivery: delivery.id.clone(),
            attempts,
            end,
        }]
    };
    match next(attempt, expires, now) {
        Next::Done => ended(End::Delivered),
        Next::Dead { end } => ended(end),
        Next::Again { at } => match successor(delivery, lane) {
            Some(successor) => supersede(attempt, attempts, successor, lane),
            None => vec![Change::Again {
                delivery: delivery.id.clone(),
                at,
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
fn supersede(attempt: &Attempt, attempts: u32, successor: &Delivery, lane: &Lane) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut carried: Vec<Carried> = Vec::new();
    let failed = lane.delivery.iter();
    for (delivery, standing) in failed.chain(&lane.behind).take_while(|(one, _)| one.id != successor.id) {
        if !delivery.can_be_told_by(successor) {
            continue;
        }
        let is_this = delivery.id == attempt.delivery;
        changes.push(Change::Finished {
            delivery: delivery.id.clone(),
            attempts: if is_this { attempts } else { standing.attempts },
            end: End::Superseded {
                by: successor.id.clone(),
            },
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
pub fn end(delivery: &Delivery, standing: &Standing, end: End) -> Change {
    Change::Finished {
        delivery: delivery.id.clone(),
        attempts: standing.attempts,
        end,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::channel::Outcome;
    use crate::customer::CustomerId;
    use crate::event::{Kind, Provider};
    use crate::incident::IncidentId;
    use crate::journal::Position;
    use crate::notification::{Channel, EndpointId, Form, SeriesId};

    fn time(minutes: i64) -> Time {
        let start: Time = "2026-11-24T09:00:00Z".parse().expect("a time");
        start + chrono::Duration::minutes(minutes)
    }

    /// What a lane is made of: kind, whether it is told to the letter, whether it is an invitation, whether it is a
    /// further part of the one before, and how often it was tried.
    type Made = (usize, bool, bool, bool, u32);

    const KINDS: [Kind; 4] = [
        Kind::Update,
        Kind::Mitigation,
        Kind::PreliminaryReview,
        Kind::FinalReview,
    ];

    fn made() -> impl Strategy<Value = Vec<Made>> {
        let rarely = || prop::bool::weighted(0.1);
        let tried = prop_oneof![4 => Just(0_u32), 1 => 1..3_u32];
        prop::collection::vec((0..KINDS.len(), rarely(), rarely(), rarely(), tried), 1..80)
    }

    fn lane(made: &[Made]) -> Vec<(Delivery, Standing)> {
        let mut series = 0;
        let one = |(nth, (kind, every, invitation, is_part, attempts)): (usize, &Made)| {
            series += u64::from(!is_part || nth == 0);
            let delivery = Delivery {
                id: format!("dlv_{nth}"),
                customer: CustomerId::new("contoso"),
                receiver: "platform".to_owned(),
                endpoint: EndpointId("platform".to_owned()),
                channel: Channel::Email,
                form: match invitation {
                    true => Form::Invitation {
                        session: 0,
                        sequence: 0,
                        number: None,
                    },
                    false => Form::Message,
                },
                incident: IncidentId::new(Provider::Azure, "VVTQ-J98"),
                tracking_id: "VVTQ-J98".to_owned(),
                rules: vec!["All".to_owned()],
                series: SeriesId(format!("series {series}")),
                part: 1,
                event: Position { seq: series, nth: 0 },
                published: time(i64::try_from(series).expect("small")),
                title: format!("title {series}"),
                kind: KINDS[*kind],
                created: time(0),
                every: *every,
            };
            let state = State::Scheduled {
                at: time(0),
                expires: time(3 * 24 * 60),
            };
            let standing = Standing {
                delivery: delivery.id.clone(),
                attempts: *attempts,
                state,
            };
            (delivery, standing)
        };
        made.iter().enumerate().map(one).collect()
    }

    /// A delivery that waits for its first attempt.
    pub(super) fn one() -> (Delivery, Standing) {
        lane(&[(0, false, false, false, 0)]).remove(0)
    }

    /// A receiver that fails once with everything that comes first, then takes it: what it was told, each with what it
    /// carried, and what stands for what.
    #[derive(Default)]
    struct Told {
        told: Vec<(Delivery, Vec<Carried>)>,
        superseded: BTreeMap<String, String>,
    }

    /// `arrivals` says how many more have come before each attempt.
    fn play(all: Vec<(Delivery, Standing)>, arrivals: &[usize]) -> Told {
        let mut told = Told::default();
        let mut carried: BTreeMap<String, Vec<Carried>> = BTreeMap::new();
        let mut coming = all.into_iter();
        let mut arrivals = arrivals.iter().copied().cycle();
        let mut waiting: Vec<(Delivery, Standing)> = Vec::new();
        loop {
            waiting.extend(coming.by_ref().take(arrivals.next().unwrap_or(1)));
            waiting.extend(coming.by_ref().take(usize::from(waiting.is_empty())));
            let Some((head, standing)) = waiting.first().cloned() else {
                return told;
            };
            let outcome = Outcome::Retry {
                why: "503".to_owned(),
                after_seconds: None,
            };
            let attempt = Attempt {
                delivery: head.id.clone(),
                number: standing.attempts + 1,
                started: time(1),
                ended: time(1),
                outcome,
                digest: String::new(),
            };
            let lane = Lane {
                hold: None,
                is_fault_told: false,
                health: Health::default(),
                delivery: Some((head.clone(), standing)),
                behind: waiting[1..].to_vec(),
                carried: carried.clone().into_iter().collect(),
            };
            for change in finished(&attempt, &lane, time(1)) {
                match change {
                    Change::Finished {
                        delivery,
                        end: End::Superseded { by },
                        ..
                    } => {
                        waiting.retain(|(one, _)| one.id != delivery);
                        assert!(told.superseded.insert(delivery, by).is_none(), "ended once");
                    }
                    Change::Carries { delivery, carried: all } => drop(carried.insert(delivery, all)),
                    // then it is taken
                    Change::Again { .. } => {
                        waiting.remove(0);
                        let carried = carried.remove(&head.id).unwrap_or_default();
                        told.told.push((head.clone(), carried));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn arrivals() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(prop_oneof![4 => 0..3_usize, 1 => 20..80_usize], 1..10)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_superseded_is_carried_by_what_is_told_in_the_end(made in made(), arrivals in arrivals()) {
            let all = lane(&made);
            let told = play(all.clone(), &arrivals);
            let by_id: BTreeMap<&str, &(Delivery, Standing)> = all.iter().map(|one| (&*one.0.id, one)).collect();
            let mut stands_for: BTreeMap<String, BTreeSet<(Time, String)>> = BTreeMap::new();
            for (id, by) in &told.superseded {
                let ((old, _), (new, standing)) = (by_id[&**id], by_id[&**by]);
                prop_assert!(old.can_be_told_by(new) && new.published > old.published);
                prop_assert_eq!(standing.attempts, 0, "what was tried keeps its content");
                let mut last = by;
                while let Some(next) = told.superseded.get(last) {
                    last = next;
                }
                stands_for.entry(last.clone()).or_default().insert((old.published, old.title.clone()));
            }
            prop_assert_eq!(told.told.len() + told.superseded.len(), all.len(), "each is told or stood for");
            for (delivery, carried) in &told.told {
                let carried: Vec<(Time, String)> =
                    carried.iter().map(|one| (one.published, one.title.clone())).collect();
                let all: Vec<_> = stands_for.remove(&delivery.id).unwrap_or_default().into_iter().collect();
                prop_assert_eq!(&carried[..], &all[all.len().saturating_sub(CARRIED_MOST)..], "the newest of them");
            }
            prop_assert!(stands_for.is_empty());
        }

        #[test]
        fn invitations_and_what_is_told_to_the_letter_are_told(made in made(), arrivals in arrivals()) {
            let all = lane(&made);
            let told = play(all.clone(), &arrivals);
            for (delivery, _) in all.iter().filter(|(one, _)| one.every || one.form != Form::Message) {
                prop_assert!(told.told.iter().any(|(one, carried)| one.id == delivery.id && carried.is_empty()));
            }
            let order: Vec<(Time, &str)> = told.told.iter().map(|(one, _)| (one.published, &*one.series.0)).collect();
            prop_assert!(order.is_sorted_by_key(|(published, _)| *published), "in the provider's order");
        }
    }
}
