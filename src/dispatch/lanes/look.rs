//! One look at a lane: what of it is due, and whether it may start.

use std::sync::atomic::Ordering;

use anyhow::Result;

use super::slots::{Class, Route, Standing as LaneStanding};
use super::waiting::{HELD_MOST, Pass, Waiting};
use super::{Dispatcher, LOOK_AGAIN_SECONDS, Lane};
use crate::clock::Time;
use crate::delivery::{LaneKey, Standing, State};
use crate::notification::EndpointId;
use crate::record::Deadline;
use crate::store::View;

/// How many of the attempts under way one endpoint may have: a slow receiver holds few slots.
const UNDER_WAY_PER_LANE: usize = 8;

/// How many of them an endpoint may have whose last attempt failed.
const UNDER_WAY_PER_FAILING_LANE: usize = 1;

/// What is to be done about the first delivery of an incident.
pub enum Head {
    /// Nothing more: it is under way now, or must wait for what is.
    Done,
    /// It may be looked at then.
    Later(Time),
    /// Nothing more can start in this lane; it is looked at when a slot is free.
    NoSlot,
}

impl Dispatcher {
    /// Starts what may start in a lane.
    pub(super) fn look(&mut self, endpoint: &EndpointId, now: Time) -> Result<()> {
        if self.vanishing.contains(endpoint) {
            return Ok(()); // it is looked at again when the ledger has dealt with it
        }
        let view = self.ledger.view();
        if !view.has_work(endpoint)? {
            self.lane(endpoint).waiting = Waiting::default();
            self.forget(endpoint);
            return Ok(());
        }
        let rules = self.ledger.rules();
        match rules.endpoint(endpoint) {
            None => self.vanished(endpoint),
            Some((_, _, address)) => {
                let route = Route::of(address.channel());
                self.go_through(&view, endpoint, now)?;
                if let Some(next) = self.start_due(&view, endpoint, route, now)? {
                    self.look_at(endpoint, next);
                }
            }
        }
        Ok(())
    }

    /// Goes through a part of a lane, unless that was done: notes when each of its incidents is to be looked at.
    fn go_through(&mut self, view: &View, endpoint: &EndpointId, now: Time) -> Result<()> {
        let lane = self.lanes.entry(endpoint.clone()).or_default();
        let after = match lane.waiting.pass(now) {
            Pass::IsOver => return Ok(()),
            Pass::Begins => None,
            Pass::GoesOnBehind(incident) => Some(incident.clone()),
        };
        let mut pass = Pass::IsOver;
        for (nth, head) in (1..).zip(view.heads(endpoint, after.as_ref())) {
            let (lane_key, standing) = head?;
            self.ledger.figures().heads_read.fetch_add(1, Ordering::Relaxed);
            if let Some(due) = due_of(&standing) {
                let is_woken = lane.woken.contains(&lane_key.delivery);
                let due = if is_woken { due.min(now) } else { due };
                lane.waiting.expect(lane_key.incident.clone(), due);
            }
            if nth == HELD_MOST {
                pass = Pass::GoesOnBehind(lane_key.incident);
                break;
            }
        }
        if pass != Pass::IsOver {
            self.going_through.push_back(endpoint.clone());
        }
        lane.waiting.passed(pass);
        Ok(())
    }

    /// Starts what is due in a lane; says when it is to be looked at next, if not only when something in it changes.
    fn start_due(&mut self, view: &View, endpoint: &EndpointId, route: Route, now: Time) -> Result<Option<Time>> {
        while let Some(incident) = self.lane(endpoint).waiting.take_due(now) {
            self.lane(endpoint).considered = Some(incident.clone());
            self.ledger.figures().heads_read.fetch_add(1, Ordering::Relaxed);
            let (again, was_due) = match view.head(endpoint, &incident)? {
                None => (Head::Done, now),
                Some((lane_key, standing)) => {
                    let again = self.consider(view, route, &lane_key, &standing, now)?;
                    (again, due_of(&standing).map_or(now, |due| due.min(now)))
                }
            };
            let lane = self.lane(endpoint);
            lane.considered = None;
            match again {
                Head::Done => {}
                Head::Later(at) => lane.waiting.expect(incident, at),
                Head::NoSlot => {
                    lane.waiting.expect(incident, was_due); // it keeps its turn
                    return Ok(None);
                }
            }
        }
        let lane = self.lane(endpoint);
        // there is something in the lane: if nothing is expected of it, something was missed
        if lane.waiting.is_empty() && lane.under_way.is_empty() && lane.waiting.pass(now) == &Pass::IsOver {
            lane.waiting.go_through_again();
            return Ok(Some(now + chrono::Duration::seconds(LOOK_AGAIN_SECONDS)));
        }
        Ok(lane.waiting.next())
    }

    /// Starts a delivery if it may start.
    fn consider(
        &mut self,
        view: &View,
        route: Route,
        lane_key: &LaneKey,
        standing: &Standing,
        now: Time,
    ) -> Result<Head> {
        let State::Scheduled { at, expires } = standing.state else {
            return Ok(Head::Done);
        };
        let lane = self.lane(&lane_key.endpoint);
        if lane.under_way.values().any(|incident| *incident == lane_key.incident) {
            return Ok(Head::Done); // order: what came later may stand before what is under way
        }
        // what waited through an outage is tried once before it may expire; what only damage brought back is not
        if expires <= now && view.lost()?.is_some_and(|lost| expires <= lost) {
            self.hold(lane_key);
            self.ledger.notice(Deadline::Expire {
                delivery: lane_key.delivery.clone(),
            });
            return Ok(Head::Done);
        }
        if at > now && !self.lane(&lane_key.endpoint).woken.contains(&lane_key.delivery) {
            return Ok(Head::Later(at));
        }
        let class = Class {
            route,
            customer: lane_key.customer.clone(),
            standing: self.standing_of(&lane_key.endpoint, standing),
        };
        if self.lane(&lane_key.endpoint).is_full(class.standing) {
            return Ok(Head::NoSlot); // it is looked at again when one of its own attempts is written down
        }
        if !self.slots.has_room(&class) {
            self.slots.starve(class, &lane_key.endpoint);
            return Ok(Head::NoSlot);
        }
        self.begin(view, lane_key, standing, class, now)
    }

    /// What is known of a lane; before the first attempt since the start, what its first delivery went through.
    fn standing_of(&mut self, endpoint: &EndpointId, first: &Standing) -> LaneStanding {
        match self.lane(endpoint).is_bad.unwrap_or(first.attempts > 0) {
            true => LaneStanding::Fails,
            false if self.working.contains(endpoint) => LaneStanding::Works,
            false => LaneStanding::New,
        }
    }

    /// Nothing waits in a lane.
    fn forget(&mut self, endpoint: &EndpointId) {
        let lane = self.lane(endpoint);
        if lane.under_way.is_empty() && lane.next.is_none() {
            self.lanes.remove(endpoint);
        }
    }

    /// No rule file names this endpoint any more: the ledger moves or ends what waits for it, as soon as nothing of it is
    /// under way.
    fn vanished(&mut self, endpoint: &EndpointId) {
        if self.lane(endpoint).under_way.is_empty() {
            self.vanishing.insert(endpoint.clone());
            self.ledger.notice(Deadline::Endpoint {
                endpoint: endpoint.clone(),
            });
        }
    }
}

/// When a delivery is to be looked at: when it may be tried, or when its life is over.
fn due_of(standing: &Standing) -> Option<Time> {
    match standing.state {
        State::Scheduled { at, expires } => Some(at.min(expires)),
        State::Ended { .. } => None,
    }
}

impl Lane {
    fn is_full(&self, standing: LaneStanding) -> bool {
        let most = match standing {
            LaneStanding::Fails => UNDER_WAY_PER_FAILING_LANE,
            LaneStanding::Works | LaneStanding::New => UNDER_WAY_PER_LANE,
        };
        self.under_way.len() >= most
    }
}
