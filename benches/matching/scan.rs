//! The linear scan: one record of 64 bytes per rule, looked at one after the other.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use bellwether::bench::{Asks, EventType, Facts, Key, Keys, Stage};

use super::read::{Event, Rule};

/// A rule in a cache line: of each key the bits of what it allows, all of them where it asks nothing.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Record {
    pub id: u32,
    services: [u32; SERVICES],
    regions: [u32; REGIONS],
    accounts: [u32; 3],
    types: u8,
    stages: u8,
    account_count: u8,
}

/// Words for the bits of services, and of regions.
const SERVICES: usize = 7;
const REGIONS: usize = 3;

const _: () = assert!(size_of::<Record>() == 64);

/// Names by number.
#[derive(Debug, Default)]
pub struct Names {
    numbers: HashMap<String, u16>,
    names: Vec<String>,
}

/// All rules.
#[derive(Debug, Default)]
pub struct Scan {
    pub records: Vec<Record>,
    pub services: Names,
    pub regions: Names,
    pub accounts: Vec<Key>,
    numbers: HashMap<Key, u32>,
}

/// What an event says, in the same bits.
struct Wanted {
    services: [u32; SERVICES],
    regions: [u32; REGIONS],
    accounts: Vec<u64>,
    types: u8,
    stages: u8,
}

impl Record {
    /// What the rule asks, in the numbers of an index.
    pub fn ask(&self, services: &[u32], regions: &[u32], asks: &mut Asks) {
        *asks = Asks::default();
        if self.types != u8::MAX {
            let types: Vec<EventType> = named(&[self.types.into()]).map(|nth| EventType::ALL[nth]).collect();
            asks.types(&types);
        }
        if self.stages != u8::MAX {
            let stages: Vec<Stage> = named(&[self.stages.into()]).map(|nth| Stage::ALL[nth]).collect();
            asks.stages(&stages);
        }
        let listed = |bits: &[u32], of: &[u32]| {
            (bits[0] != u32::MAX).then(|| named(bits).map(|nth| of[nth]).collect::<Vec<u32>>())
        };
        let pair = (listed(&self.services, services), listed(&self.regions, regions));
        if pair != (None, None) {
            asks.pairs.push(pair);
        }
    }

    /// The numbers of the accounts it names.
    pub fn accounts(&self) -> &[u32] {
        &self.accounts[..usize::from(self.account_count)]
    }

    fn is_match(&self, wanted: &Wanted) -> bool {
        let meet =
            |one: &[u32], other: &[u32]| one.iter().zip(other).fold(0, |all, (one, other)| all | (one & other)) != 0;
        let is_allowed = (self.types & wanted.types != 0)
            & (self.stages & wanted.stages != 0)
            & meet(&self.services, &wanted.services)
            & meet(&self.regions, &wanted.regions);
        let is_impacted = |nth: &u32| wanted.accounts[*nth as usize / 64] >> (nth % 64) & 1 != 0;
        is_allowed && (self.account_count == 0 || self.accounts().iter().any(is_impacted))
    }
}

/// The numbers of the bits that are set.
fn named(bits: &[u32]) -> impl Iterator<Item = usize> {
    (0..bits.len() * 32).filter(|nth| bits[nth / 32] >> (nth % 32) & 1 != 0)
}

impl Names {
    /// All names, by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn number(&mut self, name: &str) -> Result<u16> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = u16::try_from(self.names.len()).context("too many names")?;
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        Ok(number)
    }

    /// The bits of these names; all bits if there are none. New names get numbers.
    fn bits<const N: usize>(&mut self, names: &[std::borrow::Cow<'_, str>]) -> Result<[u32; N]> {
        let mut bits = [if names.is_empty() { u32::MAX } else { 0 }; N];
        for name in names {
            let number = usize::from(self.number(name)?);
            *bits.get_mut(number / 32).context("there are more names than bits")? |= 1 << (number % 32);
        }
        Ok(bits)
    }

    /// The bits of those names that are known.
    fn known<'n, const N: usize>(&self, names: impl Iterator<Item = &'n str>) -> [u32; N] {
        let mut bits = [0; N];
        for number in names.filter_map(|name| self.numbers.get(name)) {
            bits[usize::from(number / 32)] |= 1 << (number % 32);
        }
        bits
    }
}

impl Scan {
    /// Adds a rule.
    pub fn add(&mut self, rule: &Rule<'_>, keys: &Keys) -> Result<()> {
        let bits = |bits: u8| if bits == 0 { u8::MAX } else { bits };
        let mut record = Record {
            id: rule.id,
            services: self.services.bits(&rule.services)?,
            regions: self.regions.bits(&rule.regions)?,
            accounts: [0; 3],
            types: bits(rule.types.iter().fold(0, |bits, it| bits | 1 << *it as u8)),
            stages: bits(rule.stages.iter().fold(0, |bits, it| bits | 1 << *it as u8)),
            account_count: rule.subscriptions.len() as u8,
        };
        for (nth, id) in rule.subscriptions.iter().enumerate() {
            let full = "a rule names more subscriptions than a record holds";
            *record.accounts.get_mut(nth).context(full)? = self.account(keys.account(id))?;
        }
        self.records.push(record);
        Ok(())
    }

    fn account(&mut self, key: Key) -> Result<u32> {
        let next = u32::try_from(self.accounts.len())?;
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.accounts.push(key);
        }
        Ok(number)
    }

    /// The rules that match an event, one by one.
    pub fn scan(&self, line: &[u8], keys: &Keys, found: &mut Vec<u32>) -> Result<()> {
        found.clear();
        let mut facts = Facts::default();
        let mut accounts = vec![0; self.accounts.len().div_ceil(64)];
        Event::read(line, &mut facts, |_, id| {
            if let Some(nth) = self.numbers.get(&keys.account(id)) {
                accounts[*nth as usize / 64] |= 1 << (nth % 64);
            }
        })?;
        let wanted = Wanted {
            services: self.services.known(facts.services.iter().map(|(name, _)| &**name)),
            regions: self.regions.known(facts.regions.iter().map(|name| &**name)),
            accounts,
            types: 1 << facts.event_type as u8,
            stages: 1 << facts.stage as u8,
        };
        let matching = self.records.iter().filter(|record| record.is_match(&wanted));
        found.extend(matching.map(|record| record.id));
        Ok(())
    }
}
