//! A made-up workload, the same each time: rules and events as lines of JSON.
//!
//! *Targeted* rules each name one to three of half as many subscriptions as there are rules; the others name none, so
//! that many match. Services and regions are as popular as their rank allows (Zipf).

use std::collections::HashSet;
use std::fmt::Write as _;

const SEED: u64 = 0x5eed_2026_1123;
const TYPES: [&str; 5] = [
    "ServiceIssue",
    "PlannedMaintenance",
    "HealthAdvisory",
    "SecurityAdvisory",
    "Billing",
];
const STAGES: [&str; 8] = [
    "Active",
    "Resolved",
    "RCA",
    "InProgress",
    "Planned",
    "Complete",
    "Rescheduled",
    "Canceled",
];
const LEVELS: [&str; 4] = ["Critical", "Error", "Warning", "Informational"];
const SERVICES: usize = 220;
const REGIONS: usize = 70;

/// Lines of rules.
pub fn rules(is_targeted: bool, count: u64) -> String {
    let mut dice = Dice::new(1 ^ count << 8);
    let (services, regions) = (Zipf::new(SERVICES), Zipf::new(REGIONS));
    let mut lines = String::new();
    for id in 0..count {
        let mut types = dice.types();
        let stages = dice.stages();
        let wanted = dice.below(6) as usize;
        let services = services.some(&mut dice, wanted).map(service);
        let wanted = dice.below(5) as usize;
        let regions = regions.some(&mut dice, wanted).map(region);
        let wanted = 1 + dice.below(3);
        let mut accounts = dice.distinct(count / 2, wanted).into_iter().map(guid).collect();
        if !is_targeted {
            accounts = Vec::new();
        }
        if [types.len(), stages.len(), services.len(), regions.len(), accounts.len()] == [0; 5] {
            types.push(TYPES[0].to_owned());
        }
        let lists = [
            list("eventType", &types),
            list("stage", &stages),
            list("services", &services),
            list("regions", &regions),
            list("subscriptions", &accounts),
        ];
        let rule: Vec<String> = lists.into_iter().flatten().collect();
        let _ = writeln!(lines, r#"{{"id":{id},"rule":{{{}}}}}"#, rule.join(","));
    }
    lines
}

/// Lines of events, for so many rules, each with so many impacted subscriptions.
pub fn events(rules: u64, impacted: u64, count: u64) -> String {
    let mut dice = Dice::new(2 ^ impacted << 8 ^ rules << 32);
    let (services, regions) = (Zipf::new(SERVICES), Zipf::new(REGIONS));
    let mut lines = String::new();
    for id in 0..count {
        let event_type = TYPES[dice.weighted(&[60, 20, 12, 5, 3])];
        let stage = STAGES[dice.weighted(&[35, 25, 15, 8, 8, 5, 2, 2])];
        let level = LEVELS[dice.weighted(&[5, 20, 45, 30])];
        let wanted = 1 + dice.below(3) as usize;
        let services = services.some(&mut dice, wanted).map(service);
        let wanted = 1 + dice.below(3) as usize;
        let regions = regions.some(&mut dice, wanted).map(region);
        let accounts: Vec<String> = dice
            .distinct(rules / 2, impacted.min(rules / 2))
            .into_iter()
            .map(guid)
            .collect();
        let title: Vec<String> = (0..6).map(|_| format!("word{}", dice.below(2_000))).collect();
        let lists = [
            list("services", &services),
            list("regions", &regions),
            list("subscriptions", &accounts),
        ];
        let lists: Vec<String> = lists.into_iter().flatten().collect();
        let _ = writeln!(
            lines,
            r#"{{"id":{id},"eventType":"{event_type}","stage":"{stage}","level":"{level}","title":"{}",{}}}"#,
            title.join(" "),
            lists.join(",")
        );
    }
    lines
}

fn service(rank: usize) -> String {
    format!("azure-service-{rank:03}")
}

fn region(rank: usize) -> String {
    format!("region-{rank:02}")
}

fn guid(nth: u64) -> String {
    let half = |which: u64| mix(SEED ^ 0x6775_6964 ^ mix(nth.wrapping_mul(2) + which));
    let (a, b) = (half(0), half(1));
    let (time, rest) = (a >> 32, b & 0xffff_ffff_ffff);
    format!(
        "{time:08x}-{:04x}-{:04x}-{:04x}-{rest:012x}",
        (a >> 16) & 0xffff,
        a & 0xffff,
        b >> 48
    )
}

fn list(name: &str, values: &[String]) -> Option<String> {
    (!values.is_empty()).then(|| format!(r#""{name}":["{}"]"#, values.join(r#"",""#)))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

struct Dice(u64);

impl Dice {
    fn new(stream: u64) -> Self {
        Self(mix(SEED ^ mix(stream)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        let is_here = |weight: &u64| {
            let is_here = left < *weight;
            left = left.wrapping_sub(*weight);
            is_here
        };
        weights.iter().position(is_here).unwrap_or(0)
    }

    /// `count` different numbers below `n`.
    fn distinct(&mut self, n: u64, count: u64) -> Vec<u64> {
        if count * 4 >= n {
            let mut all: Vec<u64> = (0..n).collect();
            for nth in 0..count {
                let other = nth + self.below(n - nth);
                all.swap(nth as usize, other as usize);
            }
            all.truncate(count as usize);
            return all;
        }
        let mut seen = HashSet::new();
        std::iter::repeat_with(|| self.below(n))
            .filter(|nth| seen.insert(*nth))
            .take(count as usize)
            .collect()
    }

    fn types(&mut self) -> Vec<String> {
        match self.below(100) {
            0..=69 => vec![TYPES[0].to_owned()],
            70..=84 => Vec::new(),
            _ => self
                .distinct(5, 2)
                .into_iter()
                .map(|nth| TYPES[nth as usize].to_owned())
                .collect(),
        }
    }

    fn stages(&mut self) -> Vec<String> {
        match self.below(100) {
            0..=29 => vec!["RCA".to_owned()],
            30..=69 => Vec::new(),
            _ => {
                let count = 2 + self.below(2);
                self.distinct(8, count)
                    .into_iter()
                    .map(|nth| STAGES[nth as usize].to_owned())
                    .collect()
            }
        }
    }
}

/// Ranks, each as likely as its reciprocal.
struct Zipf(Vec<f64>);

/// Some ranks.
struct Ranks(Vec<usize>);

impl Zipf {
    fn new(count: usize) -> Self {
        let sums: Vec<f64> = (1..=count)
            .scan(0.0, |sum, rank| {
                *sum += 1.0 / rank as f64;
                Some(*sum)
            })
            .collect();
        let all = sums[count - 1];
        Self(sums.into_iter().map(|sum| sum / all).collect())
    }

    fn some(&self, dice: &mut Dice, count: usize) -> Ranks {
        let mut ranks = Vec::new();
        while ranks.len() < count {
            let unit = (dice.next() >> 11) as f64 / (1_u64 << 53) as f64;
            let rank = self.0.partition_point(|sum| *sum <= unit).min(self.0.len() - 1);
            if !ranks.contains(&rank) {
                ranks.push(rank);
            }
        }
        Ranks(ranks)
    }
}

impl Ranks {
    fn map(self, name: impl Fn(usize) -> String) -> Vec<String> {
        self.0.into_iter().map(name).collect()
    }
}
