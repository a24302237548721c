//! The linear scan: one record of 64 bytes per rule, looked at one after the other.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use bellwether::bench::{Asks, EventType, Facts, Key, Keys, Stage};

use super::read::{Event, Rule};

/// A rule in a cache line. Lists hold numbers from 1 on.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Record {
    pub id: u32,
    types: u8,
    stages: u8,
    services: [u16; 6],
    regions: [u16; 6],
    accounts: [u32; 5],
    counts: [u8; 3],
}

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

impl Record {
    /// What the rule asks, in the numbers of an index.
    pub fn ask(&self, services: &[u32], regions: &[u32], asks: &mut Asks) {
        *asks = Asks::default();
        let named = |bits: u8| (0..8).filter(move |nth| bits & 1 << nth != 0);
        if self.types != u8::MAX {
            let types: Vec<EventType> = named(self.types).map(|nth| EventType::ALL[nth]).collect();
            asks.types(&types);
        }
        if self.stages != u8::MAX {
            let stages: Vec<Stage> = named(self.stages).map(|nth| Stage::ALL[nth]).collect();
            asks.stages(&stages);
        }
        if self.counts[0] + self.counts[1] > 0 {
            let listed = |numbers: &[u16], count: u8, of: &[u32]| {
                let numbers = &numbers[..usize::from(count)];
                (count > 0).then(|| numbers.iter().map(|number| of[usize::from(*number)]).collect())
            };
            let services = listed(&self.services, self.counts[0], services);
            asks.pairs
                .push((services, listed(&self.regions, self.counts[1], regions)));
        }
    }

    /// The numbers of the accounts it names.
    pub fn accounts(&self) -> &[u32] {
        &self.accounts[..usize::from(self.counts[2])]
    }

    fn is_match(&self, types: u8, stages: u8, services: &[bool], regions: &[bool], accounts: &[u64]) -> bool {
        let any = |numbers: &[u16], count: u8, of: &[bool]| {
            count == 0
                || numbers[..usize::from(count)]
                    .iter()
                    .any(|number| of[usize::from(*number)])
        };
        self.types & types != 0
            && self.stages & stages != 0
            && any(&self.services, self.counts[0], services)
            && any(&self.regions, self.counts[1], regions)
            && (self.counts[2] == 0
                || self
                    .accounts()
                    .iter()
                    .any(|nth| accounts[*nth as usize / 64] >> (nth % 64) & 1 != 0))
    }
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

    fn which<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<bool> {
        let mut which = vec![false; self.names.len()];
        names
            .filter_map(|name| self.numbers.get(name))
            .for_each(|number| which[usize::from(*number)] = true);
        which
    }
}

impl Scan {
    /// Adds a rule.
    pub fn add(&mut self, rule: &Rule<'_>, keys: &Keys) -> Result<()> {
        let bits = |bits: u8| if bits == 0 { u8::MAX } else { bits };
        let mut record = Record {
            id: rule.id,
            types: bits(rule.types.iter().fold(0, |bits, it| bits | 1 << *it as u8)),
            stages: bits(rule.stages.iter().fold(0, |bits, it| bits | 1 << *it as u8)),
            counts: [
                rule.services.len() as u8,
                rule.regions.len() as u8,
                rule.subscriptions.len() as u8,
            ],
            ..Record::default()
        };
        let full = "a rule names more than a record holds";
        for (nth, name) in rule.services.iter().enumerate() {
            *record.services.get_mut(nth).context(full)? = self.services.number(name)?;
        }
        for (nth, name) in rule.regions.iter().enumerate() {
            *record.regions.get_mut(nth).context(full)? = self.regions.number(name)?;
        }
        for (nth, id) in rule.subscriptions.iter().enumerate() {
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
        let services = self.services.which(facts.services.iter().map(|(name, _)| &**name));
        let regions = self.regions.which(facts.regions.iter().map(|name| &**name));
        let (types, stages) = (1 << facts.event_type as u8, 1 << facts.stage as u8);
        let matching = self
            .records
            .iter()
            .filter(|it| it.is_match(types, stages, &services, &regions, &accounts));
        found.extend(matching.map(|record| record.id));
        Ok(())
    }
}
