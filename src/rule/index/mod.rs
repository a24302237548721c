//! Which of a million rules an event may match, at the cost of what it matches.
//!
//! Every rule is found in one way: by the accounts it names, else by the accounts its customer owns, else (it sees
//! everything) by bitmaps over all that it asks. So rules of one customer are never looked at for events of another.
//! What is found here is never less than what [`super::condition`] matches; what is only *likely* must be judged there.
//!
//! `compile` reads rules, `asks` is what one of them asks, `build` makes the index, `facts` is the event; `directory` finds by key, `dense` by bitmap,
//! `filter` passes over the rest.

mod asks;
mod build;
pub(super) mod compile;
mod dense;
mod directory;
mod facts;
mod filter;
mod key;
mod literal;
#[cfg(test)]
mod tests;

pub use asks::Asks;
pub use build::{Access, Builder};
pub use facts::Facts;
pub use key::{Key, Keys};

use std::collections::HashMap;

use dense::{Dense, KEYS, REGIONS, SERVICES};
use directory::Directory;
use facts::UNNAMED;
use filter::{Posting, Query, Verdict, Wide, scales, words};
use literal::Finder;

/// Rules by what they are found by; immutable.
#[derive(Debug)]
pub struct Index {
    keys: Keys,
    directory: Directory,
    groups: Vec<Group>,
    dense: Dense,
    wide: Vec<Wide>,
    finder: Finder,
    services: Terms,
    regions: Terms,
    service_codes: Vec<u8>,
    region_codes: Vec<u8>,
    /// One more than the greatest number of a rule.
    numbers: usize,
    rules: usize,
}

/// Rules that are found by the very same keys.
#[derive(Debug)]
struct Group(Box<[Posting]>);

/// Names by number.
#[derive(Debug, Default)]
struct Terms {
    numbers: HashMap<Box<str>, u32>,
    /// How often each is used, while the index is built.
    counts: Vec<u32>,
}

/// Room for a search and its answer, to be used again.
#[derive(Debug, Default)]
pub struct Scratch {
    query: Query,
    found: Found,
    dense: Vec<u64>,
}

/// Rules found by key.
#[derive(Debug, Default)]
struct Found {
    sure: Vec<u32>,
    likely: Vec<u32>,
    groups: Vec<u32>,
    /// Bits of the rules, and of the groups, that were looked at.
    seen: [Vec<u64>; 2],
}

impl Index {
    /// The keys by which its events are found.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// How many rules it holds that can match at all.
    pub fn rules(&self) -> usize {
        self.rules
    }

    /// Finds the rules for an event; the answer is in `scratch`.
    pub fn search(&self, facts: &Facts<'_>, scratch: &mut Scratch) {
        let Scratch { query, found, dense } = scratch;
        self.ask(facts, query);
        found.begin(self);
        // a rule is found twice only by two of its keys
        let is_once = facts.keys.len() < 2;
        self.directory
            .visit(&facts.keys, &self.keys, |posting| match posting.is_group() {
                true => found.add_group(posting.number()),
                false => found.add(posting, query, &self.wide, is_once),
            });
        for nth in 0..found.groups.len() {
            let group = &self.groups[found.groups[nth] as usize];
            group
                .0
                .iter()
                .for_each(|posting| found.add(*posting, query, &self.wide, is_once));
        }
        self.dense.search(query, &self.wide, dense, &mut found.likely);
        self.forget(query);
    }

    /// The event in the numbers of this index.
    fn ask(&self, facts: &Facts<'_>, query: &mut Query) {
        query.words = words::of_type(facts.event_type) | words::of_stage(facts.stage) | words::of_kind(facts.kind);
        query.level = scales::of_level(facts.level);
        query.provider = scales::of_provider(facts.provider);
        query.is_test = facts.is_test;
        query.is_partial = facts.is_partial;
        query.is_even = facts.is_even();
        query.impacted = facts.impacted;
        query.by_service[0] = facts.impacted | UNNAMED;
        query.by_region[0] = u64::MAX;
        for (name, bits) in &facts.services {
            if let Some(number) = self.services.numbers.get(&**name) {
                query.services.push((*number, *bits));
                query.by_service[usize::from(self.service_codes[*number as usize])] |= bits;
            }
        }
        for (nth, name) in facts.regions.iter().enumerate() {
            if let Some(number) = self.regions.numbers.get(&**name) {
                let bit = facts::region_bit(nth);
                query.regions.push((*number, bit));
                query.by_region[usize::from(self.region_codes[*number as usize])] |= bit;
            }
        }
        if !self.finder.is_idle() {
            let texts = facts.texts.iter().zip(&mut query.literals);
            texts.for_each(|(text, literals)| self.finder.find(text, literals));
        }
    }

    fn forget(&self, query: &mut Query) {
        for (number, _) in query.services.drain(..) {
            query.by_service[usize::from(self.service_codes[number as usize])] = 0;
        }
        for (number, _) in query.regions.drain(..) {
            query.by_region[usize::from(self.region_codes[number as usize])] = 0;
        }
    }

    /// The numbers of the rules that the last search found, in order: those that match, and those that may.
    pub fn candidates(&self, scratch: &Scratch, numbers: &mut Vec<u32>) {
        self.matching(scratch, |_| true, numbers);
        numbers.sort_unstable();
    }

    /// The numbers of the rules that the last search found; `is_match` judges those that are only likely.
    pub fn matching(&self, scratch: &Scratch, mut is_match: impl FnMut(u32) -> bool, numbers: &mut Vec<u32>) {
        numbers.clear();
        numbers.extend_from_slice(&scratch.found.sure);
        numbers.extend(scratch.found.likely.iter().copied().filter(|rule| is_match(*rule)));
        self.dense.expand(&scratch.dense, numbers);
    }

    /// The memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let groups: usize = self.groups.iter().map(|group| size_of_val(&*group.0)).sum();
        let wide: usize = self.wide.iter().map(Wide::bytes).sum();
        let fixed = size_of_val(&*self.groups) + size_of_val(&*self.wide);
        let terms = self.services.bytes() + self.regions.bytes();
        self.directory.bytes() + self.dense.bytes() + groups + wide + fixed + terms + self.finder.bytes()
    }
}

impl Scratch {
    /// How many rules the last search found that surely match, without writing them down.
    pub fn sure(&self) -> usize {
        self.found.sure.len() + self.dense.iter().map(|word| word.count_ones() as usize).sum::<usize>()
    }
}

impl Found {
    fn begin(&mut self, index: &Index) {
        let [rules, groups] = &mut self.seen;
        forget(rules, &mut self.sure);
        forget(rules, &mut self.likely);
        forget(groups, &mut self.groups);
        rules.resize(index.numbers.div_ceil(64), 0);
        groups.resize(index.groups.len().div_ceil(64), 0);
    }

    fn add_group(&mut self, group: u32) {
        if first_time(&mut self.seen[1], group) {
            self.groups.push(group);
        }
    }

    fn add(&mut self, posting: Posting, query: &Query, wide: &[Wide], is_once: bool) {
        let found = match posting.allows(query, wide) {
            Verdict::No => return,
            Verdict::Yes => &mut self.sure,
            Verdict::Perhaps => &mut self.likely,
        };
        if is_once || first_time(&mut self.seen[0], posting.number()) {
            found.push(posting.number());
        }
    }
}

/// Sets a bit; whether it was not set before.
fn first_time(bits: &mut [u64], nth: u32) -> bool {
    let (word, bit) = (&mut bits[nth as usize / 64], 1 << (nth % 64));
    let is_first = *word & bit == 0;
    *word |= bit;
    is_first
}

/// Clears the bits of these numbers, and the numbers.
fn forget(bits: &mut [u64], numbers: &mut Vec<u32>) {
    for nth in numbers.drain(..) {
        if let Some(word) = bits.get_mut(nth as usize / 64) {
            *word &= !(1 << (nth % 64));
        }
    }
}

impl Query {
    /// The numbers of what the event says of a key of the bitmaps.
    fn values(&self, key: usize, mut each: impl FnMut(u32)) {
        match key {
            0..=2 => each(words::numbers(self.words)[key]),
            3 => each(self.level.trailing_zeros()),
            4 => each(self.provider.trailing_zeros()),
            SERVICES => self.services.iter().for_each(|(number, _)| each(*number)),
            REGIONS => self.regions.iter().for_each(|(number, _)| each(*number)),
            _ => self.literals[key - (KEYS - 3)].iter().for_each(|number| each(*number)),
        }
    }
}

impl Group {
    fn new(rules: &[u32], postings: &[Posting]) -> Self {
        Self(rules.iter().map(|nth| postings[*nth as usize]).collect())
    }
}

impl Terms {
    fn bytes(&self) -> usize {
        let names: usize = self.numbers.keys().map(|name| name.len()).sum();
        names + self.numbers.capacity() * size_of::<(Box<str>, u32)>()
    }
}
