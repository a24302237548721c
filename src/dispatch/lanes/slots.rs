//! Who may start: how many attempts are under way, whose they are, and who waits for a slot. Pure.
//!
//! A receiver that hangs holds a slot for as long as a time-out lasts. So lanes that failed last share half of the
//! slots at most, and one customer's lanes a part of them, whatever they do: a dead receiver delays nobody else.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::customer::CustomerId;
use crate::notification::EndpointId;

/// What a slot is given for: whose lane it is, and whether that lane failed last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// Whose lane.
    pub customer: CustomerId,
    /// Whether its last attempt failed.
    pub is_failing: bool,
}

/// The slots that there are, and who waits for one.
#[derive(Debug)]
pub struct Slots {
    most: usize,
    are_separate: bool,
    taken: usize,
    failing: usize,
    by_class: HashMap<Class, usize>,
    /// Lanes that found no slot free, in the order in which they asked.
    starved: BTreeMap<Class, VecDeque<EndpointId>>,
    /// The same by lane, so that none waits twice.
    waiting: HashMap<EndpointId, Class>,
}

impl Slots {
    /// `most` slots, all free.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            are_separate: false,
            taken: 0,
            failing: 0,
            by_class: HashMap::new(),
            starved: BTreeMap::new(),
            waiting: HashMap::new(),
        }
    }

    /// Whether there are customers who must not stand in each other's way, or one organisation.
    pub fn tell_apart(&mut self, are_separate: bool) {
        self.are_separate = are_separate;
    }

    /// Whether there is a slot for this class now.
    pub fn has_room(&self, class: &Class) -> bool {
        let shared = self.taken < self.most && (!class.is_failing || self.failing < self.most / 2);
        shared && (!self.are_separate || self.has_room_of_customer(class))
    }

    /// A customer's share: three quarters of all, and one quarter for its lanes that failed.
    fn has_room_of_customer(&self, class: &Class) -> bool {
        self.of_customer(&class.customer) < self.most * 3 / 4
            && (!class.is_failing || self.of_class(class) < self.most / 4)
    }

    /// Takes a slot, which must be free.
    pub fn take(&mut self, class: &Class) {
        self.taken += 1;
        self.failing += usize::from(class.is_failing);
        *self.by_class.entry(class.clone()).or_default() += 1;
    }

    /// Gives a slot back that was taken for this class.
    pub fn give_back(&mut self, class: &Class) {
        let Some(count) = self.by_class.get_mut(class) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.by_class.remove(class);
        }
        self.taken -= 1;
        self.failing -= usize::from(class.is_failing);
    }

    /// A lane found no slot free: it waits for one. One that waits already keeps its turn.
    pub fn starve(&mut self, class: Class, endpoint: &EndpointId) {
        match self.waiting.insert(endpoint.clone(), class.clone()) {
            Some(before) if before == class => return,
            Some(before) => self.leave(&before, endpoint),
            None => {}
        }
        self.starved.entry(class).or_default().push_back(endpoint.clone());
    }

    /// The next lane for which there is a slot now: of the customer who has the fewest, those that work first. It
    /// waits no longer.
    pub fn next_starved(&mut self) -> Option<EndpointId> {
        if self.taken >= self.most {
            return None;
        }
        let classes = self.starved.keys().filter(|class| self.has_room(class));
        let class = classes
            .min_by_key(|class| (self.of_customer(&class.customer), class.is_failing))?
            .clone();
        let endpoint = self.starved.get(&class)?.front()?.clone();
        self.leave(&class, &endpoint);
        self.waiting.remove(&endpoint);
        Some(endpoint)
    }

    /// Whether every slot is free and nobody waits for one.
    pub fn are_idle(&self) -> bool {
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
        let of = |is_failing| {
            self.of_class(&Class {
                customer: customer.clone(),
                is_failing,
            })
        };
        of(false) + of(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(customer: &str, is_failing: bool) -> Class {
        Class {
            customer: CustomerId::new(customer),
            is_failing,
        }
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
        let mut slots = Slots::new(most);
        slots.tell_apart(true);
        slots
    }

    #[test]
    fn lanes_that_failed_share_half_of_the_places() {
        let mut slots = Slots::new(16);
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
        assert_eq!(take_all(&mut Slots::new(16), &class("house", false)), 16);
    }

    #[test]
    fn a_place_given_back_is_free_again() {
        let mut slots = Slots::new(2);
        assert_eq!(take_all(&mut slots, &class("acme", true)), 1);
        slots.give_back(&class("acme", true));
        assert!(slots.has_room(&class("acme", true)) && slots.are_idle());
    }

    #[test]
    fn who_waits_is_asked_once_and_in_order() {
        let mut slots = Slots::new(1);
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
        let mut slots = Slots::new(1);
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
        let mut slots = Slots::new(4);
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
        let mut slots = Slots::new(2);
        let (dead, well) = (class("acme", true), class("acme", false));
        slots.take(&dead);
        slots.starve(dead, &lane("back"));
        slots.starve(well, &lane("back"));
        assert_eq!(slots.next_starved(), Some(lane("back")));
        assert!(slots.starved.is_empty() && slots.waiting.is_empty());
    }
}
