//! From what rules ask to an index over them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::customer::CustomerId;

use super::super::Pattern;
use super::asks::{Asks, Filter, inline};
use super::dense::{Dense, KEYS, REGIONS, SERVICES, Values};
use super::directory::{Directory, Entry};
use super::filter::{INLINE, NUMBERS_MOST, Posting, Wide, words};
use super::key::{Key, Keys};
use super::literal::Literals;
use super::{Group, Index, Terms};

/// A rule found by more accounts than these shares their list with all rules found by the very same ones.
const ALONE: usize = 4;

/// How many services, and regions, have a short code; the code 0 is any.
const CODES: usize = 255;

/// The accounts that the last rule named: often the next one names the same group.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) customer: CustomerId,
    pub(super) ids: Arc<BTreeSet<String>>,
    pub(super) set: Set,
}

/// What a rule is found by.
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    /// Every event.
    Everyone,
    /// Events with any of these keys.
    Keys(&'a [Key]),
    /// Events with any key of a set that other rules may be found by, too.
    Set(&'a Set),
}

/// Keys that rules are found by together.
#[derive(Debug, Clone)]
pub enum Set {
    /// So few that each rule has a posting for each of them.
    Few(Vec<Key>),
    /// So many that they lead to one list of rules.
    Many(u32),
}

/// Collects rules, in the order of their numbers.
#[derive(Debug, Default)]
pub struct Builder {
    pub(super) keys: Keys,
    services: Terms,
    regions: Terms,
    literals: Literals,
    wide: Vec<Wide>,
    wide_by_value: HashMap<Wide, u32>,
    rules: Vec<Rule>,
    everyone: Vec<u32>,
    entries: Vec<(Key, Found)>,
    groups: Vec<Vec<u32>>,
    groups_by_keys: HashMap<Box<[Key]>, u32>,
    /// What the last customer's rules are found by: rules of one customer mostly follow each other.
    pub(super) owned: Option<(CustomerId, Set)>,
    pub(super) named: Option<Named>,
}

/// What a key leads to, by its place in the builder.
#[derive(Debug, Clone, Copy)]
enum Found {
    Rule(u32),
    Group(u32),
}

/// A rule, small.
#[derive(Debug, Clone, Copy)]
struct Rule {
    number: u32,
    words: u32,
    filter: Filter,
}

impl Builder {
    /// A builder whose index understands these keys.
    pub fn new(keys: Keys) -> Self {
        Self {
            keys,
            ..Self::default()
        }
    }

    /// The number of a service, by what services are compared by.
    pub fn service(&mut self, key: &str) -> u32 {
        self.services.number(key)
    }

    /// The number of a region, by what regions are compared by.
    pub fn region(&mut self, folded: &str) -> u32 {
        self.regions.number(folded)
    }

    /// Asks that one of the patterns matches the nth of the event's texts.
    pub(super) fn need(&mut self, asks: &mut Asks, text: u8, patterns: &[Pattern]) {
        asks.is_partial = true;
        asks.needs.extend(self.literals.of(patterns).map(|any| (text, any)));
    }

    /// Adds a rule that is found by any of these; its number is greater than all before.
    pub fn add(&mut self, number: u32, asks: &Asks, access: &[Access<'_>]) {
        let nth = u32::try_from(self.rules.len()).expect("numbers have 29 bits");
        assert!(
            (number as usize) < NUMBERS_MOST,
            "an index has fewer than {NUMBERS_MOST} rules"
        );
        let filter = inline(asks).unwrap_or_else(|| Filter::Wide(self.intern(asks.wide())));
        if let Filter::Inline {
            services,
            regions,
            counts,
        } = &filter
        {
            self.services.count(&services[..usize::from(counts[0])]);
            self.regions.count(&regions[..usize::from(counts[1])]);
        }
        self.rules.push(Rule {
            number,
            words: asks.words,
            filter,
        });
        for access in access {
            let keys = match access {
                Access::Everyone => {
                    self.everyone.push(nth);
                    continue;
                }
                Access::Set(Set::Many(group)) => {
                    self.groups[*group as usize].push(nth);
                    continue;
                }
                Access::Set(Set::Few(keys)) => keys,
                Access::Keys(keys) => *keys,
            };
            self.entries.extend(keys.iter().map(|key| (*key, Found::Rule(nth))));
        }
    }

    /// Keys that other rules may be found by, too; always the same set for the same keys in the same order.
    pub fn set(&mut self, keys: Vec<Key>) -> Set {
        if keys.len() <= ALONE {
            return Set::Few(keys);
        }
        if let Some(group) = self.groups_by_keys.get(&*keys) {
            return Set::Many(*group);
        }
        let group = u32::try_from(self.groups.len()).expect("fewer groups than rules");
        self.groups.push(Vec::new());
        self.entries.extend(keys.iter().map(|key| (*key, Found::Group(group))));
        self.groups_by_keys.insert(keys.into(), group);
        Set::Many(group)
    }

    fn intern(&mut self, wide: Wide) -> u32 {
        if let Some(nth) = self.wide_by_value.get(&wide) {
            return *nth;
        }
        let nth = u32::try_from(self.wide.len()).expect("fewer filters than rules");
        self.wide.push(wide.clone());
        self.wide_by_value.insert(wide, nth);
        nth
    }

    /// The index.
    pub fn build(mut self) -> Index {
        let service_codes = self.services.codes();
        let region_codes = self.regions.codes();
        let postings: Vec<Posting> = (0..self.rules.len())
            .map(|nth| self.posting(nth, &service_codes, &region_codes))
            .collect();
        let entries: Vec<Entry> = self
            .entries
            .iter()
            .map(|(key, found)| Entry {
                key: *key,
                posting: match found {
                    Found::Rule(nth) => postings[*nth as usize],
                    Found::Group(group) => Posting::group(*group),
                },
            })
            .collect();
        let dense = self.everyone.iter().map(|nth| postings[*nth as usize]).collect();
        Index {
            directory: Directory::new(&entries, &self.keys),
            groups: self.groups.iter().map(|group| Group::new(group, &postings)).collect(),
            dense: Dense::new(dense, |nth, values| self.values(self.everyone[nth] as usize, values)),
            finder: self.literals.finder(),
            wide: self.wide,
            services: self.services,
            regions: self.regions,
            service_codes,
            region_codes,
            numbers: self.rules.last().map_or(0, |rule| rule.number as usize + 1),
            rules: self.rules.len(),
            keys: self.keys,
        }
    }

    fn posting(&mut self, nth: usize, service_codes: &[u8], region_codes: &[u8]) -> Posting {
        let Rule { number, words, filter } = self.rules[nth];
        let (services, regions, counts) = match filter {
            Filter::Wide(filter) => return Posting::wide(number, words, filter),
            Filter::Inline {
                services,
                regions,
                counts,
            } => (services, regions, counts),
        };
        let coded = |numbers: &[u16], codes: &[u8], into: &mut [u8]| {
            into.iter_mut()
                .zip(numbers)
                .for_each(|(into, number)| *into = codes[usize::from(*number)]);
            !into.contains(&0)
        };
        let [mut by_service, mut by_region] = [[0; INLINE.0]; 2];
        let by_service = &mut by_service[..usize::from(counts[0])];
        let by_region = &mut by_region[..usize::from(counts[1])];
        if coded(&services, service_codes, by_service) && coded(&regions, region_codes, by_region) {
            return Posting::inline(number, words, by_service, by_region);
        }
        let listed = |numbers: &[u16]| (!numbers.is_empty()).then(|| numbers.iter().map(|it| u32::from(*it)).collect());
        let pair = (
            listed(&services[..by_service.len()]),
            listed(&regions[..by_region.len()]),
        );
        let asks = Asks {
            words,
            pairs: vec![pair],
            ..Asks::default()
        };
        let filter = self.intern(asks.wide());
        self.rules[nth].filter = Filter::Wide(filter);
        Posting::wide(number, words, filter)
    }

    /// What the nth rule asks, key by key.
    fn values(&self, nth: usize, values: &mut Values) {
        for value in values.iter_mut() {
            *value = None;
        }
        let rule = &self.rules[nth];
        for (value, bits) in values.iter_mut().zip(words::named(rule.words)) {
            *value = bits.map(bits_of);
        }
        match &rule.filter {
            Filter::Inline {
                services,
                regions,
                counts,
            } => {
                let listed = |numbers: &[u16], count: u8| {
                    let numbers = &numbers[..usize::from(count)];
                    (count > 0).then(|| numbers.iter().map(|it| u32::from(*it)).collect())
                };
                values[SERVICES] = listed(services, counts[0]);
                values[REGIONS] = listed(regions, counts[1]);
            }
            Filter::Wide(filter) => self.wide[*filter as usize].values(values),
        }
    }
}

pub(super) fn bits_of(bits: u32) -> Vec<u32> {
    (0..32).filter(|nth| bits & 1 << nth != 0).collect()
}

impl Wide {
    /// What it asks, key by key, beside types, stages and kinds.
    fn values(&self, values: &mut Values) {
        let scale = |bits: u8| (bits != u8::MAX).then(|| bits_of(u32::from(bits)));
        values[3] = scale(self.levels);
        values[4] = scale(self.providers);
        if !self.pairs.is_empty() {
            values[SERVICES] = union(self.pairs.iter().map(|pair| pair.services.as_deref()));
            values[REGIONS] = union(self.pairs.iter().map(|pair| pair.regions.as_deref()));
        }
        for (text, any) in &self.needs {
            values[KEYS - 3 + usize::from(*text)] = Some(any.to_vec());
        }
    }
}

/// All of the lists together; anything if one is.
fn union<'a>(lists: impl Iterator<Item = Option<&'a [u32]>>) -> Option<Vec<u32>> {
    let lists: Option<Vec<_>> = lists.collect();
    Some(lists?.concat())
}

impl Terms {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.numbers.len()).expect("fewer than 2^32 names");
        self.numbers.insert(name.into(), number);
        self.counts.push(0);
        number
    }

    fn count(&mut self, numbers: &[u16]) {
        numbers.iter().for_each(|number| self.counts[usize::from(*number)] += 1);
    }

    /// Short codes for the most used names, 0 for the rest.
    fn codes(&mut self) -> Vec<u8> {
        let counts = std::mem::take(&mut self.counts);
        let mut by_use: Vec<usize> = (0..counts.len()).collect();
        by_use.sort_by_key(|number| std::cmp::Reverse(counts[*number]));
        let mut codes = vec![0; counts.len()];
        for (nth, number) in by_use.into_iter().take(CODES).enumerate() {
            codes[number] = nth as u8 + 1;
        }
        codes
    }
}
