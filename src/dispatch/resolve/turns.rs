//! Which name is looked up next, where there are fewer threads than names. Pure.
//!
//! A name that gets no answer keeps its thread for as long as the system's resolver is patient. So names that were slow
//! the last time share a few threads, names of which nothing is known yet share some more, and one customer's names have
//! a part of these: a name that was quick the last time finds a thread, whatever the others do. Among those who
//! wait, the newest goes first: the oldest are about to be given up.

use std::collections::HashMap;
use std::time::Duration;

use crate::customer::CustomerId;

/// How many names are looked up at once.
pub const THREADS_MOST: usize = 32;

/// How many of them may be names that are new or slow.
pub const NOT_QUICK_MOST: usize = 24;

/// How many of these may be one customer's.
pub const CUSTOMER_MOST: usize = 12;

/// How many may be names that were slow.
pub const SLOW_MOST: usize = 8;

/// How many of these may be one customer's.
pub const SLOW_OF_CUSTOMER_MOST: usize = 4;

/// How many names may wait for a thread.
pub const WAITING_MOST: usize = 1_024;

/// A look-up that took no longer was quick.
pub const QUICK_MOST: Duration = Duration::from_secs(2);

/// Of how many names it is remembered whether they were quick; then all are forgotten.
const REMEMBERED_MOST: usize = 16_384;

/// What is known of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Its last look-up was quick; or it is the operator's.
    Quick,
    /// Nothing.
    New,
    /// Its last look-up was slow.
    Slow,
}

/// A name that may be looked up now.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The name.
    pub name: String,
    customer: CustomerId,
    standing: Standing,
}

/// Who is looked up and who waits; `A` is where the answer goes.
pub struct Turns<A> {
    /// All that wait or are looked up.
    answers: HashMap<String, A>,
    /// Those that wait, the oldest first.
    waiting: Vec<Turn>,
    running: usize,
    not_quick: usize,
    slow: usize,
    /// How many of those that are new or slow each customer has.
    by_customer: HashMap<CustomerId, usize>,
    /// How many that are slow.
    slow_by_customer: HashMap<CustomerId, usize>,
    /// Whether the last look-up of a name was quick.
    was_quick: HashMap<String, bool>,
}

impl<A> Default for Turns<A> {
    fn default() -> Self {
        Self {
            answers: HashMap::new(),
            waiting: Vec::new(),
            running: 0,
            not_quick: 0,
            slow: 0,
            by_customer: HashMap::new(),
            slow_by_customer: HashMap::new(),
            was_quick: HashMap::new(),
        }
    }
}

impl<A> Turns<A> {
    /// Where the answer for a name goes that waits or is looked up already.
    pub fn asked(&self, name: &str) -> Option<&A> {
        self.answers.get(name)
    }

    /// Lets a name wait for its turn; `false` if too many wait.
    pub fn ask(&mut self, customer: &CustomerId, name: &str, answer: A) -> bool {
        if self.waiting.len() >= WAITING_MOST {
            return false;
        }
        let standing = match self.was_quick.get(name) {
            _ if customer.is_operator() => Standing::Quick,
            Some(true) => Standing::Quick,
            None => Standing::New,
            Some(false) => Standing::Slow,
        };
        self.waiting.push(Turn {
            name: name.to_owned(),
            customer: customer.clone(),
            standing,
        });
        self.answers.insert(name.to_owned(), answer);
        true
    }

    /// Drops those for whose answer nobody waits any more, and that have no thread yet.
    pub fn drop_unawaited(&mut self, is_awaited: impl Fn(&A) -> bool) {
        let answers = &mut self.answers;
        self.waiting.retain(|turn| {
            let is_awaited = answers.get(&turn.name).is_some_and(&is_awaited);
            if !is_awaited {
                answers.remove(&turn.name);
            }
            is_awaited
        });
    }

    /// The next name, if there is one for which there is a thread; it has the thread then.
    pub fn next(&mut self) -> Option<Turn> {
        let having_room = self.waiting.iter().enumerate().filter(|(_, turn)| self.has_room(turn));
        let (nth, _) =
            having_room.min_by_key(|(nth, turn)| (turn.standing, self.of_customer(turn), std::cmp::Reverse(*nth)))?;
        let turn = self.waiting.remove(nth);
        self.running += 1;
        if turn.standing != Standing::Quick {
            self.not_quick += 1;
            *self.by_customer.entry(turn.customer.clone()).or_default() += 1;
        }
        if turn.standing == Standing::Slow {
            self.slow += 1;
            *self.slow_by_customer.entry(turn.customer.clone()).or_default() += 1;
        }
        Some(turn)
    }

    /// A look-up ended, and its thread is free; where its answer goes.
    pub fn ended(&mut self, turn: &Turn, took: Duration) -> Option<A> {
        self.running -= 1;
        if turn.standing != Standing::Quick {
            self.not_quick -= 1;
            one_less(&mut self.by_customer, &turn.customer);
        }
        if turn.standing == Standing::Slow {
            self.slow -= 1;
            one_less(&mut self.slow_by_customer, &turn.customer);
        }
        if self.was_quick.len() >= REMEMBERED_MOST {
            self.was_quick.clear();
        }
        self.was_quick.insert(turn.name.clone(), took <= QUICK_MOST);
        self.answers.remove(&turn.name)
    }

    /// How many names wait for a thread.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn has_room(&self, turn: &Turn) -> bool {
        let is_fair = self.not_quick < NOT_QUICK_MOST && self.of_customer(turn) < CUSTOMER_MOST;
        self.running < THREADS_MOST
            && match turn.standing {
                Standing::Quick => true,
                Standing::New => is_fair,
                Standing::Slow => {
                    let slow = self.slow_by_customer.get(&turn.customer).copied().unwrap_or(0);
                    is_fair && self.slow < SLOW_MOST && slow < SLOW_OF_CUSTOMER_MOST
                }
            }
    }

    fn of_customer(&self, turn: &Turn) -> usize {
        self.by_customer.get(&turn.customer).copied().unwrap_or(0)
    }
}

fn one_less(counts: &mut HashMap<CustomerId, usize>, customer: &CustomerId) {
    match counts.get(customer) {
        Some(count) if *count > 1 => drop(counts.insert(customer.clone(), count - 1)),
        Some(_) | None => drop(counts.remove(customer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_secs(20);

    fn ask(turns: &mut Turns<()>, customer: &str, names: std::ops::Range<usize>) {
        for nth in names {
            assert!(turns.ask(&CustomerId::new(customer), &format!("{customer}-{nth}"), ()));
        }
    }

    /// Everything that gets a thread now.
    fn take_all(turns: &mut Turns<()>) -> Vec<Turn> {
        std::iter::from_fn(|| turns.next()).collect()
    }

    #[test]
    fn new_names_leave_threads_to_quick_ones_and_to_other_customers() {
        let mut turns = Turns::default();
        ask(&mut turns, "fabrikam", 0..1);
        let quick = take_all(&mut turns).remove(0);
        turns.ended(&quick, Duration::ZERO);
        ask(&mut turns, "contoso", 0..100);
        assert_eq!(take_all(&mut turns).len(), CUSTOMER_MOST);
        ask(&mut turns, "acme", 0..100);
        assert_eq!(take_all(&mut turns).len(), NOT_QUICK_MOST - CUSTOMER_MOST);
        ask(&mut turns, "fabrikam", 0..2);
        let taken = take_all(&mut turns);
        assert_eq!(taken.len(), 1, "the name that was quick");
        assert_eq!(taken[0].name, "fabrikam-0");
    }

    #[test]
    fn names_that_were_slow_share_a_few_threads() {
        let mut turns = Turns::default();
        ask(&mut turns, "contoso", 0..CUSTOMER_MOST);
        for turn in take_all(&mut turns) {
            turns.ended(&turn, SLOW);
        }
        ask(&mut turns, "contoso", 0..CUSTOMER_MOST);
        assert_eq!(take_all(&mut turns).len(), SLOW_OF_CUSTOMER_MOST);
        ask(&mut turns, "contoso", 50..51);
        assert_eq!(take_all(&mut turns).len(), 1, "a new one goes before");
        ask(&mut turns, "acme", 0..1);
        let slow = take_all(&mut turns).remove(0);
        turns.ended(&slow, SLOW);
        ask(&mut turns, "acme", 0..1);
        assert_eq!(
            take_all(&mut turns).len(),
            1,
            "and another customer's slow one finds a thread"
        );
    }

    #[test]
    fn the_operators_relay_is_looked_up_whatever_customers_do() {
        let mut turns = Turns::default();
        for customer in ["contoso", "acme", "fabrikam"] {
            ask(&mut turns, customer, 0..100);
        }
        assert_eq!(take_all(&mut turns).len(), NOT_QUICK_MOST);
        ask(&mut turns, crate::customer::OPERATOR, 0..1);
        assert_eq!(take_all(&mut turns).len(), 1);
    }

    #[test]
    fn the_newest_goes_first_and_what_nobody_waits_for_is_dropped() {
        let mut turns = Turns::default();
        for (name, is_awaited) in [("old", true), ("left", false), ("new", true)] {
            turns.ask(&CustomerId::new("contoso"), name, is_awaited);
        }
        turns.drop_unawaited(|is_awaited| *is_awaited);
        let order: Vec<String> = std::iter::from_fn(|| turns.next()).map(|turn| turn.name).collect();
        assert_eq!(order, ["new", "old"]);
        assert!(turns.asked("left").is_none() && turns.waiting() == 0);
    }

    #[test]
    fn threads_come_back_and_only_so_many_names_wait() {
        let mut turns = Turns::default();
        for round in 0..3 {
            ask(&mut turns, "contoso", round * 10..round * 10 + 10);
            for turn in take_all(&mut turns) {
                assert!(turns.ended(&turn, Duration::ZERO).is_some());
            }
        }
        assert_eq!((turns.running, turns.not_quick, turns.slow), (0, 0, 0));
        assert!(turns.by_customer.is_empty() && turns.slow_by_customer.is_empty() && turns.answers.is_empty());
        ask(&mut turns, "acme", 0..WAITING_MOST);
        assert!(!turns.ask(&CustomerId::new("acme"), "one more", ()));
    }
}
