//! The index beside its slow twin: random rules and events with every feature, judged both ways.

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::condition::tests::event;
use super::super::condition::{Subject, judge, left};
use super::super::steps::Steps;
use super::super::{Condition, Follow, Pattern, Rule};
use super::*;
use crate::customer::{Customer, CustomerId, Customers};
use crate::event::Event;
use crate::event::catalogue::Catalogue;
use world::{PATTERNS, World};

fn index_of(rules: &[Rule], customers: &Customers) -> Index {
    let mut builder = Builder::new(Keys::default());
    rules
        .iter()
        .enumerate()
        .for_each(|(nth, rule)| builder.add_rule(nth as u32, rule, customers));
    builder.build()
}

/// Judges all pairs of some rules and some events both ways; says how many pairs there were and how many matched.
fn compare(seed: u64, catalogue: &Catalogue, patterns: &[Pattern], scratch: &mut Scratch) -> (usize, usize) {
    let mut world = World::new(seed, catalogue, patterns);
    let count = 1 + world.dice.below(180);
    let rules: Vec<Rule> = (0..count).map(|_| world.rule()).collect();
    let index = index_of(&rules, &world.customers);
    let mut matched = 0;
    for _ in 0..30 {
        let event = world.event();
        for rule in &rules {
            let judged = judge(rule, &event, &world.customers, catalogue).left();
            assert_eq!(
                left(
                    rule,
                    &Subject::of(&event),
                    &world.customers,
                    catalogue,
                    &Steps::of(u64::MAX)
                ),
                Ok(judged),
                "seed {seed}: {event:#?}"
            );
        }
        let is_match = |nth: u32| {
            judge(&rules[nth as usize], &event, &world.customers, catalogue)
                .left()
                .is_some()
        };
        let right: Vec<u32> = (0..count as u32).filter(|nth| is_match(*nth)).collect();
        let mut found = Vec::new();
        index.search(&Facts::of(&event, catalogue, index.keys()), scratch);
        index.candidates(scratch, &mut found);
        assert!(
            found.windows(2).all(|pair| pair[0] < pair[1]),
            "seed {seed}: in order, each once"
        );
        found.retain(|nth| is_match(*nth));
        assert_eq!(found, right, "seed {seed}: {event:#?}");
        index.matching(scratch, is_match, &mut found);
        found.sort_unstable();
        let wrong = found
            .iter()
            .find(|nth| !is_match(**nth))
            .map(|nth| &rules[*nth as usize]);
        assert_eq!(wrong, None, "seed {seed}: surely matches {event:#?}");
        matched += right.len();
    }
    (count * 30, matched)
}

#[test]
fn the_index_finds_what_the_slow_twin_finds() {
    let catalogue = Catalogue::parse(
        "services: [{ name: Virtual Machines, ids: [fd8065f5-ffd0-4756-8788-e6a11bf36257] }, \
         { name: Microsoft Entra ID, also: [Azure Active Directory] }]\nregions: [East US]",
    )
    .expect("a catalogue");
    let patterns: Vec<_> = PATTERNS
        .iter()
        .map(|text| Pattern::read(text).expect("a pattern"))
        .collect();
    let mut scratch = Scratch::default();
    let (mut pairs, mut matched) = (0, 0);
    for seed in 0..50 {
        let (some, of_them) = compare(seed, &catalogue, &patterns, &mut scratch);
        pairs += some;
        matched += of_them;
    }
    assert!(pairs >= 100_000 && matched >= 2_000, "{pairs} pairs, {matched} matches");
}

/// Rules of one customer, and an event; whether the index has to look at the rules to pass over them.
fn candidates(rules: &[Rule], customers: &Customers, event: &Event) -> usize {
    let index = index_of(rules, customers);
    let (mut scratch, mut found) = (Scratch::default(), Vec::new());
    index.search(&Facts::of(event, &Catalogue::default(), index.keys()), &mut scratch);
    index.candidates(&scratch, &mut found);
    found.len()
}

#[test]
fn rules_of_a_customer_are_not_looked_at_for_events_of_others() {
    let customers = Customers {
        by_name: Some(BTreeMap::from([
            (CustomerId::new("contoso"), owner_of(&["prod"])),
            (CustomerId::new("fabrikam"), owner_of(&["other"])),
        ])),
        contact: None,
    };
    let everything = Rule {
        unless: vec![Condition {
            title: Some(vec![Pattern::read("/[0-9]/").expect("a pattern")]),
            ..Condition::default()
        }],
        ..rule("contoso")
    };
    let named = Rule {
        when: Condition {
            subscriptions: Some(Arc::new(["other".to_owned()].into())),
            ..Condition::default()
        },
        ..everything.clone()
    };
    let rules = [everything, named];
    assert_eq!(candidates(&rules, &customers, &event(|_| ())), 1);
    assert_eq!(
        candidates(
            &rules,
            &customers,
            &event(|event| event.accounts = vec!["other".to_owned()])
        ),
        0
    );
}

#[test]
fn a_pattern_whose_words_are_missing_is_not_tried() {
    let titled = |pattern: &str| Rule {
        when: Condition {
            title: Some(vec![Pattern::read(pattern).expect("a pattern")]),
            ..Condition::default()
        },
        ..rule("_house")
    };
    let mut rules: Vec<_> = (0..200).map(|nth| titled(&format!("*word{nth:03}*"))).collect();
    rules.push(titled("/./"));
    let event = event(|event| event.title = "Word007 and WORD123".to_owned());
    assert_eq!(candidates(&rules, &Customers::one_organisation(), &event), 3);
}

#[test]
fn many_rules_of_many_accounts_cost_their_sum_and_not_their_product() {
    let ids: Vec<String> = (0..1_000).map(|nth| format!("account {nth}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let customers = Customers {
        by_name: Some(BTreeMap::from([(CustomerId::new("contoso"), owner_of(&ids))])),
        contact: None,
    };
    let index = index_of(&vec![rule("contoso"); 1_000], &customers);
    assert!(index.bytes() < 150_000, "{}", index.bytes());
}

fn owner_of(accounts: &[&str]) -> Customer {
    Customer {
        accounts: accounts.iter().map(|id| (*id).to_owned()).collect(),
        ..Customer::default()
    }
}

fn rule(customer: &str) -> Rule {
    Rule {
        customer: CustomerId::new(customer),
        name: String::new(),
        when: Condition::default(),
        unless: Vec::new(),
        notify: Vec::new(),
        invite: Vec::new(),
        settle_seconds: 0,
        follow: Follow::Nothing,
        every: false,
        test_events: false,
        enabled: true,
        line: 0,
    }
}
