//! The index beside its slow twin: random rules and events with every feature, judged both ways.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::condition::tests::event;
use super::super::condition::{judge, left};
use super::super::{Condition, Follow, ImpactPattern, Pattern, Rule};
use super::*;
use crate::customer::{Customer, CustomerId, Customers, OPERATOR};
use crate::event::catalogue::Catalogue;
use crate::event::{Event, EventType, Impact, Kind, Level, Provider, Stage, fold};

const SERVICES: &[&str] = &[
    "Virtual Machines",
    "fd8065f5-ffd0-4756-8788-e6a11bf36257",
    "Azure Active Directory",
    "Microsoft Entra ID",
    "storage",
    "Störungs-Dienst",
    "My own service",
    "00000000-0000-4000-8000-00000000abcd",
];
const REGIONS: &[&str] = &[
    "East US",
    "eastus",
    "West_Europe",
    "Global",
    "München Süd",
    "Österreich",
];
const ACCOUNTS: &[&str] = &[
    "11111111-aaaa-4bbb-8ccc-111111111111",
    "22222222-aaaa-4bbb-8ccc-222222222222",
    "123456789012",
    "dev",
    "prod",
    "störung",
    "x",
    "nobody's",
];
const SOURCES: &[&str] = &[
    "githubstatus.com",
    "GitHubStatus.COM",
    "status.example",
    "contoso",
    "fabrikam",
];
const CUSTOMERS: &[&str] = &["contoso", "fabrikam", "large", OPERATOR, "stranger"];
const WORDS: &[&str] = &[
    "drill",
    "SQL",
    "Störung",
    "Azure",
    "\u{17f}torage dis\u{212a}",
    "0NIH-U2O",
    "",
    "retired",
];
const PATTERNS: &[&str] = &[
    "*drill*",
    "*",
    "",
    "azure*",
    "*sql?storage*",
    "/sql|drill/",
    r"/\bretired?$/",
    "*STÖRUNG*",
    "*storage disk*",
    "0nih-???",
    "/(?i)ſtorage/",
    "/[a-z]+ (drill)+/",
];

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// At least `least` and fewer than `most`, not always different ones.
    fn some<T: Clone>(&mut self, of: &[T], least: usize, most: usize) -> Vec<T> {
        (0..least + self.below(most - least)).map(|_| self.one(of)).collect()
    }

    /// Asked for once in `n`.
    fn maybe<T: Clone>(&mut self, n: usize, of: &[T]) -> Option<Vec<T>> {
        let least = usize::from(!self.one_in(30));
        let most = if self.one_in(20) { of.len() + 2 } else { 3 };
        self.one_in(n).then(|| self.some(of, least, most))
    }
}

/// All that rules and events are made of.
struct World {
    dice: Dice,
    customers: Customers,
    catalogue: Catalogue,
    patterns: Vec<Pattern>,
}

impl World {
    fn new(seed: u64, catalogue: &Catalogue, patterns: &[Pattern]) -> Self {
        let mut dice = Dice(seed);
        let customers = match dice.one_in(4) {
            true => Customers::one_organisation(),
            false => some_customers(&mut dice),
        };
        Self {
            dice,
            customers,
            catalogue: catalogue.clone(),
            patterns: patterns.to_vec(),
        }
    }

    fn rule(&mut self) -> Rule {
        let unless = (0..[0, 0, 0, 1, 1, 2][self.dice.below(6)]).map(|_| self.condition(4));
        let unless = unless.collect();
        Rule {
            customer: CustomerId::new(self.dice.one(CUSTOMERS)),
            name: String::new(),
            when: self.condition(3),
            unless,
            notify: Vec::new(),
            invite: Vec::new(),
            settle_seconds: 0,
            follow: Follow::Nothing,
            every: false,
            test_events: self.dice.one_in(6),
            enabled: !self.dice.one_in(20),
            line: 0,
        }
    }

    /// A condition that names each key once in about `n`.
    fn condition(&mut self, n: usize) -> Condition {
        let dice = &mut self.dice;
        let mut condition = Condition {
            event_types: dice.maybe(n, EventType::ALL),
            stages: dice.maybe(n, Stage::ALL),
            kinds: dice.maybe(2 * n, Kind::ALL),
            levels: dice.maybe(4 * n, Level::ALL),
            providers: dice.maybe(4 * n, Provider::ALL),
            subscriptions: dice
                .maybe(n, ACCOUNTS)
                .map(|ids| Arc::new(ids.into_iter().map(str::to_owned).collect())),
            title: dice.maybe(4 * n, &self.patterns),
            text: dice.maybe(8 * n, &self.patterns),
            tracking_ids: dice.maybe(8 * n, &self.patterns),
            subtypes: dice.one_in(10 * n).then(|| vec!["retirement".to_owned()]),
            owner_none: dice.one_in(10 * n),
            ..Condition::default()
        };
        if dice.one_in(10 * n) {
            let patterns = dice.some(&self.patterns, 1, 3);
            condition.properties = BTreeMap::from([(dice.one(&["Team-Name", "cost"]).to_owned(), patterns)]);
        }
        if self.dice.one_in(2) {
            let most = if self.dice.one_in(3) { 4 } else { 2 };
            let count = usize::from(!self.dice.one_in(40)) + self.dice.below(most);
            condition.impact = Some((0..count).map(|_| self.pair()).collect());
        }
        condition
    }

    fn pair(&mut self) -> ImpactPattern {
        let mut services = self
            .dice
            .maybe(2, SERVICES)
            .map(|names| names.into_iter().map(str::to_owned).collect());
        if self.dice.one_in(60) {
            services = Some((0..300).map(|nth| format!("service {nth}")).collect::<Vec<_>>());
        }
        let key = |name: String| self.catalogue.service_key(&name, Some(&name));
        ImpactPattern {
            services: services.map(|names: Vec<String>| names.into_iter().map(key).collect()),
            regions: self
                .dice
                .maybe(2, REGIONS)
                .map(|names| names.into_iter().map(fold).collect()),
            written: String::new(),
        }
    }

    fn event(&mut self) -> Event {
        let most = if self.dice.one_in(4) { 9 } else { 3 };
        let accounts = self.dice.some(ACCOUNTS, 0, most);
        let impact = (0..self.dice.below(5)).map(|_| self.impact(&accounts)).collect();
        let dice = &mut self.dice;
        let text = |dice: &mut Dice| dice.some(WORDS, 0, 4).join(" ");
        event(|event| {
            event.event_type = dice.one(EventType::ALL);
            event.stage = dice.one(Stage::ALL);
            event.kind = dice.one(Kind::ALL);
            event.level = dice.one_in(2).then(|| dice.one(Level::ALL));
            event.provider = if dice.one_in(2) {
                Provider::Azure
            } else {
                dice.one(Provider::ALL)
            };
            event.source = dice.one_in(2).then(|| dice.one(SOURCES).to_owned());
            event.test = dice.one_in(8);
            (event.title, event.text, event.tracking_id) = (text(dice), text(dice), text(dice));
            event.subtype = dice.one_in(4).then(|| "Retire-ment".to_owned());
            event.properties = BTreeMap::from([("team_name".to_owned(), text(dice))]);
            event.impact = impact;
            event.accounts = accounts.iter().map(|id| (*id).to_owned()).collect();
            event.accounts.sort();
            event.accounts.dedup();
            if dice.one_in(40) {
                event
                    .impact
                    .extend((0..70).map(|nth| named("storage", None, Some(format!("region {nth}")))));
                event.impact.push(named("service 3", None, Some("East US".to_owned())));
            }
        })
    }

    fn impact(&mut self, accounts: &[&str]) -> Impact {
        let dice = &mut self.dice;
        let id = dice
            .one_in(6)
            .then(|| "00000000-0000-4000-8000-00000000abcd".to_owned());
        let region = (!dice.one_in(6)).then(|| dice.one(REGIONS).to_owned());
        let mut impact = named(dice.one(SERVICES), id, region);
        if dice.one_in(8) {
            let here = if dice.one_in(8) { ACCOUNTS } else { accounts };
            impact.accounts = if here.is_empty() {
                Vec::new()
            } else {
                dice.some(here, 1, 3)
            }
            .into_iter()
            .map(str::to_owned)
            .collect();
        }
        impact
    }
}

fn named(service: &str, service_id: Option<String>, region: Option<String>) -> Impact {
    Impact {
        service: service.to_owned(),
        service_id,
        region,
        accounts: Vec::new(),
    }
}

fn some_customers(dice: &mut Dice) -> Customers {
    let mut owns = |least, most| Customer {
        accounts: dice
            .some(&ACCOUNTS[..7], least, most)
            .into_iter()
            .map(str::to_owned)
            .collect(),
        public: dice.some(SOURCES, 0, 3).into_iter().map(str::to_owned).collect(),
        ..Customer::default()
    };
    let known = [
        ("contoso", owns(0, 3)),
        ("fabrikam", owns(1, 3)),
        ("large", owns(7, 20)),
    ];
    Customers {
        by_name: Some(known.map(|(name, customer)| (CustomerId::new(name), customer)).into()),
        contact: None,
    }
}

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
                left(rule, &event, &world.customers, catalogue),
                judged,
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
