//! How fast an event finds its rules: JSON text in, numbers of rules out, beside a linear scan of the same rules.
//!
//!   cargo bench --bench matching -- --workload DIR
//!
//! reads `DIR/rules.jsonl` and every `DIR/events-*.jsonl`, and prints one line of JSON per file of events. `matches` and
//! `digest` tell whether another implementation finds the same. Without `--workload` it makes up a small workload.
//! Rates are those of the fastest of several passes. What is not asked for is told on standard error.
#![allow(
    clippy::unit_arg,
    reason = "a reader of one arm a line reads like the table that it is"
)]

mod read;
mod scan;
mod workload;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bellwether::bench::{Access, Asks, Builder, Facts, Index, Key, Keys, Scratch};
use serde::Serialize;

use read::{Event, Rule, lines};
use scan::Scan;

/// How long each kind of pass is repeated.
const LONG_ENOUGH: Duration = Duration::from_millis(2_500);

/// The most memory for rules that is not the index: what a linear scan looks at.
const RULES_MOST: usize = 1 << 28;

/// What is printed for one file of events.
#[derive(Serialize)]
struct Figures {
    events: String,
    rules: usize,
    events_per_s: f64,
    scan_events_per_s: f64,
    matches_per_event: f64,
    build_s: f64,
    index_bytes_per_rule: f64,
    matches: u64,
    digest: String,
}

/// The rules, three times: as the index has them, as the scan has them, and how long that took.
struct Rules {
    index: Index,
    scan: Scan,
    build: Duration,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => sample(),
        (Some("--workload"), Some(folder)) => run(Path::new(&folder)),
        _ => bail!("usage: cargo bench --bench matching -- [--workload DIR]"),
    }
}

/// A small workload of either kind, made up here.
fn sample() -> Result<()> {
    const RULES: u64 = 20_000;
    for is_targeted in [true, false] {
        let rules = Rules::read(workload::rules(is_targeted, RULES).as_bytes())?;
        for impacted in [1, 100] {
            let events = workload::events(RULES, impacted, 500);
            let kind = if is_targeted { "w1" } else { "w2" };
            report(&format!("{kind}, {impacted} impacted"), events.as_bytes(), &rules)?;
        }
    }
    Ok(())
}

fn run(folder: &Path) -> Result<()> {
    let rules = Rules::read(&read_file(&folder.join("rules.jsonl"))?)?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("events-") && name.ends_with(".jsonl") {
            files.push((name, path));
        }
    }
    files.sort();
    for (name, path) in files {
        report(&name, &read_file(&path)?, &rules)?;
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

impl Rules {
    /// Reads rules into small records, then builds the index from these.
    fn read(text: &[u8]) -> Result<Self> {
        let keys = Keys::default();
        let started = Instant::now();
        let mut scan = Scan::default();
        for line in lines(text) {
            scan.add(&Rule::read(line)?, &keys)?;
        }
        if scan.records.len() > RULES_MOST {
            bail!("at most {RULES_MOST} rules");
        }
        let read = started.elapsed();
        let started = Instant::now();
        let index = index_of(&scan, keys);
        let build = started.elapsed();
        eprintln!(
            "{} rules: {} MB read in {:.3} s, index of {} MB built in {:.3} s",
            scan.records.len(),
            text.len() / 1_000_000,
            read.as_secs_f64(),
            index.bytes() / 1_000_000,
            build.as_secs_f64(),
        );
        Ok(Self { index, scan, build })
    }
}

fn index_of(scan: &Scan, keys: Keys) -> Index {
    let mut builder = Builder::new(keys);
    let services: Vec<u32> = scan.services.names().iter().map(|name| builder.service(name)).collect();
    let regions: Vec<u32> = scan.regions.names().iter().map(|name| builder.region(name)).collect();
    let mut asks = Asks::default();
    let mut keys: Vec<Key> = Vec::new();
    for record in &scan.records {
        record.ask(&services, &regions, &mut asks);
        keys.clear();
        keys.extend(record.accounts().iter().map(|number| scan.accounts[*number as usize]));
        let access = match keys.is_empty() {
            true => Access::Everyone,
            false => Access::Keys(&keys),
        };
        builder.add(record.id, &asks, &[access]);
    }
    builder.build()
}

fn report(name: &str, events: &[u8], rules: &Rules) -> Result<()> {
    let count = lines(events).count();
    let mut sums = Sums::default();
    each_answer(events, rules, |event, found| sums.add(event, found))?;
    let found = best(count, || {
        each_answer(events, rules, |_, found| _ = std::hint::black_box(found.len()))
    })?;
    let bitmaps = best(count, || {
        each_search(events, rules, |_, scratch| _ = std::hint::black_box(scratch.sure()))
    })?;
    let figures = Figures {
        events: name.to_owned(),
        rules: rules.scan.records.len(),
        events_per_s: found.round(),
        scan_events_per_s: (scanned(events, rules)? * 10.0).round() / 10.0,
        matches_per_event: sums.matches as f64 / count.max(1) as f64,
        build_s: rules.build.as_secs_f64(),
        index_bytes_per_rule: rules.index.bytes() as f64 / rules.scan.records.len().max(1) as f64,
        matches: sums.matches,
        digest: format!("{:016x}", sums.digest),
    };
    println!("{}", serde_json::to_string(&figures)?);
    eprintln!(
        "{name}: {:.0} x the scan; {bitmaps:.0} events/s ({:.0} x) while the answer stays a bitmap",
        found / figures.scan_events_per_s,
        bitmaps / figures.scan_events_per_s,
    );
    Ok(())
}

/// All matches, counted and digested.
#[derive(Default)]
struct Sums {
    matches: u64,
    digest: u64,
}

impl Sums {
    fn add(&mut self, event: u64, found: &[u32]) {
        self.matches += found.len() as u64;
        let digests = found
            .iter()
            .map(|rule| splitmix64((event << 32).wrapping_add(u64::from(*rule))));
        self.digest = digests.fold(self.digest, u64::wrapping_add);
    }
}

fn splitmix64(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Reads every event and finds its rules.
fn each_answer(events: &[u8], rules: &Rules, mut each: impl FnMut(u64, &[u32])) -> Result<()> {
    let mut found = Vec::new();
    each_search(events, rules, |event, scratch| {
        // nothing here is only likely: the rules have no more to them than the index knows
        rules.index.matching(scratch, |_| false, &mut found);
        each(event, &found);
    })
}

fn each_search(events: &[u8], rules: &Rules, mut each: impl FnMut(u64, &Scratch)) -> Result<()> {
    let mut scratch = Scratch::default();
    let mut facts = Facts::default();
    for line in lines(events) {
        let event = Event::read(line, &mut facts, |facts, id| {
            facts.keys.push(rules.index.keys().account(id))
        })?;
        rules.index.search(&facts, &mut scratch);
        each(event, &scratch);
    }
    Ok(())
}

/// Events per second of the fastest pass.
fn best(count: usize, mut pass: impl FnMut() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    let mut best = Duration::MAX;
    while best == Duration::MAX || started.elapsed() < LONG_ENOUGH {
        let started = Instant::now();
        pass()?;
        best = best.min(started.elapsed());
    }
    Ok(count as f64 / best.as_secs_f64())
}

/// The same events against every rule, one by one, for as long as it is worth; both must find the same.
fn scanned(events: &[u8], rules: &Rules) -> Result<f64> {
    let (mut scratch, mut facts) = (Scratch::default(), Facts::default());
    let (mut right, mut found) = (Vec::new(), Vec::new());
    let (mut count, mut took) = (0, Duration::ZERO);
    for line in lines(events) {
        let started = Instant::now();
        rules.scan.scan(line, rules.index.keys(), &mut right)?;
        took += started.elapsed();
        count += 1;
        Event::read(line, &mut facts, |facts, id| {
            facts.keys.push(rules.index.keys().account(id))
        })?;
        rules.index.search(&facts, &mut scratch);
        rules.index.matching(&scratch, |_| false, &mut found);
        found.sort_unstable();
        if found != right {
            bail!("the index and the scan differ about {}", String::from_utf8_lossy(line));
        }
        if took > LONG_ENOUGH {
            break;
        }
    }
    Ok(f64::from(count) / took.as_secs_f64())
}
