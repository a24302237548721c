//! Rules that name no account: for each value of each key a bitmap of the rules that allow it.
//!
//! Rules that do not name a key are part of the bitmaps of all its values, so an event costs one bitmap for each thing
//! it names, whatever the rules ask. Values that few rules name are short lists instead. The bitmaps are walked in
//! blocks: nothing is written but the answer.

use super::filter::{Posting, Query, Verdict, Wide};

/// Words in a block.
const BLOCK: usize = 64;

/// A value that at least one in so many rules names has a bitmap.
const RARE: usize = 256;

/// How many keys there are: types, stages, kinds, levels, providers, services, regions, and three texts.
pub(super) const KEYS: usize = 10;

/// What one rule asks, key by key: its values' numbers, sorted or not, or anything.
pub(super) type Values = [Option<Vec<u32>>; KEYS];

/// The rules that name no account.
#[derive(Debug, Default)]
pub(super) struct Dense {
    postings: Vec<Posting>,
    /// The rules' numbers, where they do not simply follow the first.
    numbers: Option<Vec<u32>>,
    keys: Vec<(usize, Column)>,
    /// Rules that the bitmaps alone do not settle.
    wide: Option<Vec<u64>>,
    /// Rules that name services and regions: settled by the bitmaps if the event is even.
    paired: Option<Vec<u64>>,
}

/// One key's bitmaps.
#[derive(Debug)]
struct Column {
    /// Rules that do not name the key.
    any: Vec<u64>,
    values: Vec<(u32, Rules)>,
}

/// The rules that allow a value: as bits, those that do not name the key among them; or just those that name it.
#[derive(Debug)]
enum Rules {
    Bits(Vec<u64>),
    Few(Vec<u32>),
}

/// One of the sets of rules that together allow what an event says of one key.
#[derive(Clone, Copy)]
enum Set<'d> {
    Bits(&'d [u64]),
    Few(&'d [u32]),
}

impl Dense {
    /// The rules with these postings, in the order of their numbers; `values` fills in what the nth asks.
    pub fn new(postings: Vec<Posting>, mut values: impl FnMut(usize, &mut Values)) -> Self {
        let words = postings.len().div_ceil(64 * BLOCK) * BLOCK;
        let mut asked: [Vec<(u32, u32)>; KEYS] = Default::default();
        let mut any: [Vec<u64>; KEYS] = std::array::from_fn(|_| vec![0; words]);
        let mut paired = vec![0; words];
        let mut of_one = Values::default();
        for nth in 0..postings.len() {
            values(nth, &mut of_one);
            for (key, values) in of_one.iter().enumerate() {
                match values {
                    Some(values) => asked[key].extend(values.iter().map(|value| (*value, nth as u32))),
                    None => set(&mut any[key], nth),
                }
            }
            if of_one[SERVICES].is_some() && of_one[REGIONS].is_some() {
                set(&mut paired, nth);
            }
        }
        let everyone = postings.len();
        let is_asked = |any: &[u64]| any.iter().map(|word| word.count_ones() as usize).sum::<usize>() < everyone;
        let columns = asked
            .into_iter()
            .zip(any)
            .enumerate()
            .filter(|(_, (_, any))| is_asked(any));
        let keys = columns
            .map(|(key, (asked, any))| (key, Column::new(asked, any, everyone)))
            .collect();
        let mut wide = vec![0; words];
        let widely = postings.iter().enumerate().filter(|(_, posting)| posting.is_wide());
        widely.for_each(|(nth, _)| set(&mut wide, nth));
        let some = |bits: Vec<u64>| bits.iter().any(|word| *word != 0).then_some(bits);
        Self {
            numbers: numbers(&postings),
            keys,
            wide: some(wide),
            paired: some(paired),
            postings,
        }
    }

    /// Fills `answer` with the bits of the rules that match, and `likely` with the numbers of those that may.
    pub fn search(&self, query: &Query, wide: &[Wide], answer: &mut Vec<u64>, likely: &mut Vec<u32>) {
        answer.clear();
        let mut sets = Vec::new();
        let mut bounds = Vec::with_capacity(self.keys.len());
        for (key, column) in &self.keys {
            let from = sets.len();
            column.allowing(*key, query, &mut sets);
            bounds.push(from..sets.len());
        }
        for from in (0..self.postings.len().div_ceil(64)).step_by(BLOCK) {
            let mut block = [u64::MAX; BLOCK];
            bounds
                .iter()
                .for_each(|bounds| narrow(&mut block, &mut sets[bounds.clone()], from));
            self.clip(&mut block, from);
            self.settle(&mut block, from, query, wide, likely);
            answer.extend_from_slice(&block);
        }
    }

    /// No bits behind the last rule.
    fn clip(&self, block: &mut [u64; BLOCK], from: usize) {
        let end = self.postings.len() - from * 64;
        if end >= BLOCK * 64 {
            return;
        }
        for (nth, word) in block.iter_mut().enumerate() {
            if let left @ 0..64 = end.saturating_sub(nth * 64) {
                *word &= (1 << left) - 1;
            }
        }
    }

    /// Looks at the filters of those that the bitmaps do not settle.
    fn settle(&self, block: &mut [u64; BLOCK], from: usize, query: &Query, wide: &[Wide], likely: &mut Vec<u32>) {
        let all = query.is_partial || query.is_test;
        let paired = self.paired.as_ref().filter(|_| !query.is_even);
        if !all && self.wide.is_none() && paired.is_none() {
            return;
        }
        let of = |bits: Option<&Vec<u64>>, at: usize| bits.map_or(0, |bits| bits[at]);
        for (nth, word) in block.iter_mut().enumerate() {
            let at = from + nth;
            let mut open = match all || *word == 0 {
                true => *word,
                false => *word & (of(self.wide.as_ref(), at) | of(paired, at)),
            };
            while open != 0 {
                let bit = open & open.wrapping_neg();
                open ^= bit;
                let posting = self.postings[at * 64 + bit.trailing_zeros() as usize];
                match posting.allows(query, wide) {
                    Verdict::Yes => continue,
                    Verdict::Perhaps => likely.push(posting.number()),
                    Verdict::No => {}
                }
                *word ^= bit;
            }
        }
    }

    /// The numbers of the rules whose bits are set.
    pub fn expand(&self, answer: &[u64], numbers: &mut Vec<u32>) {
        let first = self.postings.first().map_or(0, |posting| posting.number());
        numbers.reserve(answer.iter().map(|word| word.count_ones() as usize).sum());
        let each = |mut word: u64, base: usize| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                word &= word.wrapping_sub(1);
                (bit < 64).then_some(base + bit as usize)
            })
        };
        let set = answer.iter().enumerate().filter(|(_, word)| **word != 0);
        for (nth, word) in set {
            match &self.numbers {
                None => numbers.extend(each(*word, nth * 64).map(|at| first + at as u32)),
                Some(listed) => numbers.extend(each(*word, nth * 64).map(|at| listed[at])),
            }
        }
    }

    /// The memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let bits = |bits: &Option<Vec<u64>>| bits.as_ref().map_or(0, |bits| size_of_val(&**bits));
        let columns: usize = self.keys.iter().map(|(_, column)| column.bytes()).sum();
        let numbers = self.numbers.as_ref().map_or(0, |numbers| size_of_val(&**numbers));
        size_of_val(&*self.postings) + columns + numbers + bits(&self.wide) + bits(&self.paired)
    }
}

/// The places of services and regions among the keys.
pub(super) const SERVICES: usize = 5;
pub(super) const REGIONS: usize = 6;

impl Column {
    fn new(mut asked: Vec<(u32, u32)>, any: Vec<u64>, everyone: usize) -> Self {
        asked.sort_unstable();
        asked.dedup();
        let values = asked.chunk_by(|one, other| one.0 == other.0).map(|of_one| {
            let rules = of_one.iter().map(|(_, rule)| *rule);
            let rules = match of_one.len() * RARE >= everyone {
                true => Rules::Bits(with(&any, rules)),
                false => Rules::Few(rules.collect()),
            };
            (of_one[0].0, rules)
        });
        Self {
            values: values.collect(),
            any,
        }
    }

    /// The sets of rules that together allow what the event says of this key.
    fn allowing<'d>(&'d self, key: usize, query: &Query, sets: &mut Vec<Set<'d>>) {
        let from = sets.len();
        query.values(key, |value| {
            if let Ok(at) = self.values.binary_search_by_key(&value, |(value, _)| *value) {
                sets.push(match &self.values[at].1 {
                    Rules::Bits(bits) => Set::Bits(bits),
                    Rules::Few(few) => Set::Few(few),
                });
            }
        });
        // those that do not name the key are in every bitmap, but not in the short lists
        if !sets[from..].iter().any(|set| matches!(set, Set::Bits(_))) {
            sets.push(Set::Bits(&self.any));
        }
    }

    fn bytes(&self) -> usize {
        let values = self.values.iter().map(|(_, rules)| match rules {
            Rules::Bits(bits) => size_of_val(&**bits),
            Rules::Few(few) => size_of_val(&**few),
        });
        values.sum::<usize>() + size_of_val(&*self.values) + size_of_val(&*self.any)
    }
}

/// Keeps of a block what is in any of the sets.
fn narrow(block: &mut [u64; BLOCK], sets: &mut [Set<'_>], from: usize) {
    if let [Set::Bits(bits)] = sets {
        return block
            .iter_mut()
            .zip(&bits[from..from + BLOCK])
            .for_each(|(word, bits)| *word &= bits);
    }
    let mut any = [0; BLOCK];
    for set in sets {
        match set {
            Set::Bits(bits) => {
                any.iter_mut()
                    .zip(&bits[from..from + BLOCK])
                    .for_each(|(word, bits)| *word |= bits);
            }
            Set::Few(few) => {
                let here = few.partition_point(|rule| (*rule as usize) < (from + BLOCK) * 64);
                few[..here]
                    .iter()
                    .for_each(|rule| self::set(&mut any, *rule as usize - from * 64));
                *few = &few[here..];
            }
        }
    }
    block.iter_mut().zip(&any).for_each(|(word, any)| *word &= any);
}

fn set(bits: &mut [u64], nth: usize) {
    bits[nth / 64] |= 1 << (nth % 64);
}

fn with(bits: &[u64], more: impl Iterator<Item = u32>) -> Vec<u64> {
    let mut bits = bits.to_vec();
    more.for_each(|nth| set(&mut bits, nth as usize));
    bits
}

/// The postings' numbers, unless they follow each other.
fn numbers(postings: &[Posting]) -> Option<Vec<u32>> {
    let follow = postings.windows(2).all(|pair| pair[0].number() + 1 == pair[1].number());
    (!follow).then(|| postings.iter().map(|posting| posting.number()).collect())
}
