//! Who may start: how many attempts are under way, whose they are, and who waits for a slot. Pure.
//!
//! Mail and webhooks have slots of their own: what waits for the relay holds none that a webhook needs. A receiver that
//! hangs holds a slot for as long as a time-out lasts. So lanes that failed last share half of the slots at most, those
//! of which nothing is known yet leave a quarter to lanes that work, and one customer's lanes have a part of all,
//! whatever they do: a dead receiver delays nobody else.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::customer::CustomerId;
use crate::notification::{Channel, EndpointId};

/// What a slot is given for: whose lane it is, where it leads, and how its last attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// Where it leads.
    pub route: Route,
    /// Whose lane.
    pub customer: CustomerId,
    /// How its last attempt ended.
    pub standing: Standing,
}

/// What an attempt goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// A connection to the receiver.
    Http,
    /// One of the few connections to the relay.
    Relay,
}

impl Route {
    /// What messages of a medium go over.
    pub fn of(channel: Channel) -> Self {
        match channel {
            Channel::Email => Self::Relay,
            Channel::Webhook | Channel::Slack | Channel::Teams => Self::Http,
        }
    }
}

/// How the last attempt of a lane ended; who works goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The receiver answered, in time.
    Works,
    /// None was made yet.
    New,
    /// It failed, or took long.
    Fails,
}

/// The slots that there are, and who waits for one.
#[derive(Debug)]
pub struct Slots {
    http: Pool,
    relay: Pool,
}

impl Slots {
    /// So many slots for webhooks, and so many for mail; all are free.
    pub fn new(http: usize, relay: usize) -> Self {
        Self {
            // a mailbox that is new costs the relay nothing that another one does not
            http: Pool::new(http, http * 3 / 4),
            relay: Pool::new(relay, relay),
        }
    }

    /// Whether there are customers who must not stand in each other's way, or one organisation.
    pub fn tell_apart(&mut self, are_separate: bool) {
        self.http.are_separate = are_separate;
        self.relay.are_separate = are_separate;
    }

    /// Whether there is a slot for this class now.
    pub fn has_room(&self, class: &Class) -> bool {
        match class.route {
            Route::Http => self.http.has_room(class),
            Route::Relay => self.relay.has_room(class),
        }
    }

    /// Takes a slot, which must be free.
    pub fn take(&mut self, class: &Class) {
        self.pool(class).take(class);
    }

    /// Gives a slot back that was taken for this class.
    pub fn give_back(&mut self, class: &Class) {
        self.pool(class).give_back(class);
    }

    /// A lane found no slot free: it waits for one. One that waits already keeps its turn.
    pub fn starve(&mut self, class: Class, endpoint: &EndpointId) {
        self.pool(&class).starve(class, endpoint);
    }

    /// The next lane for which there is a slot now; it waits no longer.
    pub fn next_starved(&mut self) -> Option<EndpointId> {
        self.http.next_starved().or_else(|| self.relay.next_starved())
    }

    /// Whether every slot is free and nobody waits for one.
    pub fn are_idle(&self) -> bool {
        self.http.is_idle() && self.relay.is_idle()
    }

    fn pool(&mut self, class: &Class) -> &mut Pool {
        match class.route {
            Route::Http => &mut self.http,
            Route::Relay => &mut self.relay,
        }
    }
}

/// The slots of one route.
#[derive(Debug)]
struct Pool {
    most: usize,
    /// How many lanes may have that are not known to work.
    unproven_most: usize,
    are_separate: bool,
    taken: usize,
    by_class: HashMap<Class, usize>,
    by_standing: HashMap<Standing, usize>,
    /// Lanes that found no slot free, in the order in which they asked.
    starved: BTreeMap<Class, VecDeque<EndpointId>>,
    /// The same by lane, so that none waits twice.
    waiting: HashMap<EndpointId, Class>,
}

impl Pool {
    fn new(most: usize, unproven_most: usize) -> Self {
        Self {
            most,
            unproven_most,
            are_separate: false,
            taken: 0,
            by_class: HashMap::new(),
            by_standing: HashMap::new(),
            starved: BTreeMap::new(),
            waiting: HashMap::new(),
        }
    }

    fn has_room(&self, class: &Class) -> bool {
        let of = |standing| self.by_standing.get(&standing).copied().unwrap_or(0);
        let (new, fails) = (of(Standing::New), of(Standing::Fails));
        let shared = self.taken < self.most
            && match class.standing {
                Standing::Works => true,
                Standing::New => new + fails < self.unproven_most,
                Standing::Fails => fails < self.most / 2 && new + fails < self.unproven_most,
            };
        shared && (!self.are_separate || self.has_room_of_customer(class))
    }

    /// A customer's share: three quarters of all, and one quarter for its lanes that failed.
    fn has_room_of_customer(&self, class: &Class) -> bool {
        self.of_customer(&class.customer) < self.most * 3 / 4
            && (class.standing != Standing::Fails || self.of_class(class) < self.most / 4)
    }

    fn take(&mut self, class: &Class) {
        self.taken += 1;
        *self.by_standing.entry(class.standing).or_default() += 1;
        *self.by_class.entry(class.clone()).or_default() += 1;
    }

    fn give_back(&mut self, class: &Class) {
        let Some(count) = self.by_class.get_mut(class) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.by_class.remove(class);
        }
        self.taken -= 1;
        if let Some(count) = self.by_standing.get_mut(&class.standing) {
            *count -= 1;
        }
    }

    fn starve(&mut self, class: Class, endpoint: &EndpointId) {
        match self.waiting.insert(endpoint.clone(), class.clone()) {
            Some(before) if before == class => return,
            Some(before) => self.leave(&before, endpoint),
            None => {}
        }
        self.starved.entry(class).or_default().push_back(endpoint.clone());
    }

    /// Of the customer who has the fewest slots, a lane that works first.
    fn next_starved(&mut self) -> Option<EndpointId> {
        if self.taken >= self.most {
            return None;
        }
        let classes = self.starved.keys().filter(|class| self.has_room(class));
        let class = classes
            .min_by_key(|class| (self.of_customer(&class.customer), class.standing))?
            .clone();
        let endpoint = self.starved.get(&class)?.front()?.clone();
        self.leave(&class, &endpoint);
        self.waiting.remove(&endpoint);
        Some(endpoint)
    }

    fn is_idle(&self) -> bool {
        self.taken == 0 && self.waiting.is_empty()
    }

    fn leave(&mut self, class: &Class, endpoint: &EndpointId) {
        let Some(queue) = self.starved.get_mut(class) else {
            return;
        };
        if let Some(nth) = queue.iter().position(|one| one == endpoint) {
            queue.remove(nth);
        }
        if queue.is_empty() {
            self.starved.remove(class);
        }
    }

    fn of_class(&self, class: &Class) -> usize {
        self.by_class.get(class).copied().unwrap_or(0)
    }

    fn of_customer(&self, customer: &CustomerId) -> usize {
        let theirs = self.by_class.iter().filter(|(class, _)| class.customer == *customer);
        theirs.map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(customer: &str, is_failing: bool) -> Class {
        let standing = if is_failing { Standing::Fails } else { Standing::Works };
        of_route(Route::Http, customer, standing)
    }

    fn of_route(route: Route, customer: &str, standing: Standing) -> Class {
        Class {
            route,
            customer: CustomerId::new(customer),
            standing,
        }
    }

    fn slots(most: usize) -> Slots {
        Slots::new(most, 8)
    }

    fn lane(name: &str) -> EndpointId {
        EndpointId(name.to_owned())
    }

    /// Takes what it gets; says how many that were.
    fn take_all(slots: &mut Slots, class: &Class) -> usize {
        let mut taken = 0;
        while slots.has_room(class) {
            slots.take(class);
            taken += 1;
        }
        taken
    }

    fn between_customers(most: usize) -> Slots {
        let mut slots = slots(most);
        slots.tell_apart(true);
        slots
    }

    #[test]
    fn lanes_that_failed_share_half_of_the_places() {
        let mut slots = slots(16);
        assert_eq!(take_all(&mut slots, &class("acme", true)), 8);
        assert_eq!(take_all(&mut slots, &class("contoso", true)), 0);
        assert_eq!(take_all(&mut slots, &class("contoso", false)), 8);
    }

    #[test]
    fn one_customers_failing_lanes_get_a_quarter_and_all_its_lanes_three_quarters() {
        let mut slots = between_customers(16);
        assert_eq!(take_all(&mut slots, &class("acme", true)), 4);
        assert_eq!(take_all(&mut slots, &class("acme", false)), 8);
        assert_eq!(take_all(&mut slots, &class("contoso", false)), 4);
    }

    #[test]
    fn one_organisation_may_use_every_place() {
        assert_eq!(take_all(&mut slots(16), &class("house", false)), 16);
    }

    #[test]
    fn with_four_places_receivers_that_are_new_and_those_that_fail_are_tried_too() {
        let new = Class {
            standing: Standing::New,
            ..class("acme", false)
        };
        assert!(between_customers(4).has_room(&new) && between_customers(4).has_room(&class("acme", true)));
    }

    #[test]
    fn a_place_given_back_is_free_again() {
        let mut slots = slots(2);
        assert_eq!(take_all(&mut slots, &class("acme", true)), 1);
        slots.give_back(&class("acme", true));
        assert!(slots.has_room(&class("acme", true)) && slots.are_idle());
    }

    #[test]
    fn who_waits_is_asked_once_and_in_order() {
        let mut slots = slots(1);
        let well = class("acme", false);
        slots.take(&well);
        for name in ["one", "two", "one"] {
            slots.starve(well.clone(), &lane(name));
        }
        assert_eq!(slots.next_starved(), None, "nothing is free");
        slots.give_back(&well);
        assert!(!slots.are_idle(), "somebody waits");
        assert_eq!(slots.next_starved(), Some(lane("one")));
        assert_eq!(slots.next_starved(), Some(lane("two")));
        assert_eq!(slots.next_starved(), None);
        assert!(slots.are_idle());
    }

    #[test]
    fn a_lane_that_started_nothing_does_not_cost_the_next_one_its_place() {
        let mut slots = slots(1);
        let well = class("acme", false);
        slots.take(&well);
        slots.starve(well.clone(), &lane("has nothing any more"));
        slots.starve(well.clone(), &lane("has work"));
        slots.give_back(&well);
        slots.next_starved();
        assert_eq!(slots.next_starved(), Some(lane("has work")));
    }

    #[test]
    fn a_place_goes_to_the_customer_who_has_the_fewest_and_to_lanes_that_work_first() {
        let mut slots = between_customers(8);
        take_all(&mut slots, &class("acme", false));
        take_all(&mut slots, &class("contoso", false));
        slots.starve(class("acme", false), &lane("acme"));
        slots.starve(class("contoso", true), &lane("contoso, failing"));
        slots.starve(class("contoso", false), &lane("contoso"));
        slots.give_back(&class("acme", false));
        assert_eq!(slots.next_starved(), Some(lane("contoso")));
        assert_eq!(slots.next_starved(), Some(lane("contoso, failing")));
        assert_eq!(slots.next_starved(), Some(lane("acme")));
    }

    #[test]
    fn failing_lanes_that_wait_hold_up_nobody_who_works() {
        let mut slots = slots(4);
        let (dead, well) = (class("acme", true), class("acme", false));
        take_all(&mut slots, &dead);
        slots.starve(dead, &lane("dead"));
        take_all(&mut slots, &well);
        slots.starve(well.clone(), &lane("well"));
        slots.give_back(&well);
        assert_eq!(slots.next_starved(), Some(lane("well")));
        assert_eq!(slots.next_starved(), None, "the dead have their half");
    }

    #[test]
    fn a_lane_that_works_again_waits_among_those_that_work() {
        let mut slots = slots(2);
        let (dead, well) = (class("acme", true), class("acme", false));
        slots.take(&dead);
        slots.starve(dead, &lane("back"));
        slots.starve(well, &lane("back"));
        assert_eq!(slots.next_starved(), Some(lane("back")));
        assert!(slots.http.starved.is_empty() && slots.http.waiting.is_empty());
    }

    #[test]
    fn mail_that_waits_for_the_relay_holds_no_slot_of_a_webhook() {
        let mut slots = Slots::new(16, 8);
        let mail = of_route(Route::Relay, "acme", Standing::Works);
        assert_eq!(take_all(&mut slots, &mail), 8);
        slots.starve(mail.clone(), &lane("mail"));
        assert_eq!(take_all(&mut slots, &class("acme", false)), 16);
        slots.starve(class("acme", false), &lane("hook"));
        slots.give_back(&mail);
        assert_eq!(slots.next_starved(), Some(lane("mail")));
        assert_eq!(slots.next_starved(), None);
    }

    #[test]
    fn a_relay_that_swallows_one_customers_mail_leaves_room_for_anothers() {
        let mut slots = Slots::new(16, 8);
        slots.tell_apart(true);
        assert_eq!(take_all(&mut slots, &of_route(Route::Relay, "acme", Standing::New)), 6);
        slots.starve(of_route(Route::Relay, "acme", Standing::New), &lane("acme"));
        let other = of_route(Route::Relay, "contoso", Standing::New);
        assert_eq!(take_all(&mut slots, &other), 2);
    }

    #[test]
    fn receivers_that_were_never_tried_leave_a_quarter_to_those_that_work() {
        let mut slots = slots(16);
        let new = of_route(Route::Http, "acme", Standing::New);
        assert_eq!(take_all(&mut slots, &new), 12);
        assert_eq!(take_all(&mut slots, &class("acme", true)), 0);
        assert_eq!(take_all(&mut slots, &class("acme", false)), 4);
    }
}
