//! Rules and events that look random, and are the same each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::customer::{Customer, CustomerId, Customers, OPERATOR};
use crate::event::catalogue::Catalogue;
use crate::event::{Event, EventType, Impact, Kind, Level, Provider, Stage, fold};
use crate::rule::condition::tests::event;
use crate::rule::{Condition, Follow, ImpactPattern, Pattern, Rule};

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
pub const PATTERNS: &[&str] = &[
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
pub struct Dice(u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
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
pub struct World {
    pub dice: Dice,
    pub customers: Customers,
    catalogue: Catalogue,
    patterns: Vec<Pattern>,
}

impl World {
    pub fn new(seed: u64, catalogue: &Catalogue, patterns: &[Pattern]) -> Self {
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

    pub fn rule(&mut self) -> Rule {
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

    pub fn event(&mut self) -> Event {
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
