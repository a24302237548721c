//! How the daemon is, on one page: what it heard and when, what is in force, who is not reached, what waits, what is set
//! aside, and what needs a person. The command line, `/v1/status` and `/readyz?verbose` all say it from here.
//!
//! A customer sees its own part: its rules, its receivers, its deliveries.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::visibility::Visibility;
use super::words::{without_addresses, without_paths};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Failing, StateWord};
use crate::evaluate::rules_awaited;
use crate::evaluate::set_aside::words;
use crate::rule::RuleSet;
use crate::store::View;

mod needs;

use needs::needs;

/// How many of anything are counted; beyond it, the number says "at least".
pub const COUNTED_MOST: usize = 10_000;

/// How many customers, files and receivers are listed.
const LISTED_MOST: usize = 1_000;

/// How many customers and secrets with trouble are named, at most.
const NAMED_MOST: usize = 100;

/// How many things that are set aside are shown.
const SET_ASIDE_SHOWN: usize = 5;

/// What is known without the store.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Which version of the program.
    pub version: &'static str,
    /// Since when it runs.
    pub started: Time,
    /// The time now.
    pub now: Time,
    /// Whether writing failed.
    pub is_failed: bool,
    /// Bytes of the journal on disk.
    pub journal_bytes: usize,
    /// Bytes of the store on disk.
    pub store_bytes: usize,
    /// What is free on the disk that both are on; `None` where that cannot be seen.
    pub free_bytes: Option<u64>,
    /// Whether that is so little that nothing more is taken in.
    pub is_short_of_space: bool,
    /// Events and commands that are recorded and not decided.
    pub undecided: usize,
    /// How far the machine's clock is behind the time that was reckoned with, seconds.
    pub clock_behind_seconds: i64,
    /// Whether the rules folder is looked at every few seconds, as the system does not tell of all of its changes.
    pub rules_are_polled: bool,
    /// Bodies of known senders that could not be read and are kept.
    pub refused_bodies_kept: usize,
    /// Customers whose folder is gone and whose last rules stay in force.
    pub customers_without_folder: BTreeSet<CustomerId>,
    /// Customers in the settings without any rules.
    pub customers_without_rules: BTreeSet<CustomerId>,
    /// Secrets that rule files name and that cannot be used.
    pub bad_secrets: Vec<BadSecret>,
    /// How long what is kept.
    pub kept: Kept,
}

/// A secret that rule files name and that cannot be used.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BadSecret {
    /// Whose rule files name it.
    #[schemars(with = "String")]
    pub customer: CustomerId,
    /// Its file and what is wrong with it, without its value.
    pub why: String,
}

/// How the daemon is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Status {
    /// Which version of the program.
    pub version: &'static str,
    /// Since when it runs.
    pub up_since: Time,
    /// When this was asked, by the daemon's clock.
    pub now: Time,
    /// Whether events are taken, and there are rules by which they are told.
    pub ready: bool,
    /// What somebody should look at, and what to do; empty if all is well.
    pub needs: Vec<Need>,
    /// When each provider was last heard, in each form; for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_heard: Option<Vec<Heard>>,
    /// The rules.
    pub rules: Rules,
    /// Receivers whose last attempt failed, the longest first.
    pub failing: Vec<Fails>,
    /// What waits.
    pub waiting: Waiting,
    /// How long what is kept.
    pub kept: Kept,
    /// What is taken on disk; for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
    /// What could not be decided; for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside>,
    /// Until when nothing expires and nothing is deleted, after the machine's clock jumped.
    pub nothing_expires_until: Option<Time>,
    /// Bodies of known senders that could not be read and are kept; for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_bodies_kept: Option<usize>,
    /// Customers whose folder is gone and whose last rules stay in force.
    #[schemars(with = "Vec<String>")]
    pub customers_without_folder: Vec<CustomerId>,
    /// Customers in the settings without any rules.
    #[schemars(with = "Vec<String>")]
    pub customers_without_rules: Vec<CustomerId>,
    /// Customers whose rules are all switched off.
    #[schemars(with = "Vec<String>")]
    pub customers_switched_off: Vec<CustomerId>,
    /// Secrets that rule files name and that cannot be used.
    pub secrets_that_cannot_be_used: Vec<BadSecret>,
    /// How far the machine's clock is behind the time that was reckoned with, seconds.
    pub clock_behind_seconds: i64,
    /// Whether the rules folder is looked at every few seconds, as the system does not tell of all of its changes.
    pub rules_are_polled: bool,
}

/// How long a daemon keeps what, in seconds; `None` is for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// Events and incidents.
    pub events_seconds: Option<u64>,
    /// Incidents with a post incident review.
    pub reviews_seconds: Option<u64>,
    /// Deliveries and their attempts.
    pub deliveries_seconds: Option<u64>,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Need {
    /// What is not as it should be.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

/// A provider that was heard.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Heard {
    /// Which.
    pub provider: &'static str,
    /// In which form.
    pub form: &'static str,
    /// When last.
    pub at: Time,
}

/// The rules in force, and what is broken.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Rules {
    /// The revision in force.
    pub revision: String,
    /// Files in force.
    pub files: usize,
    /// Rules in force, without those that are switched off.
    pub rules: usize,
    /// Files whose text on disk is not in force.
    pub broken: usize,
    /// By customer; those with broken files first.
    pub customers: Vec<CustomersRules>,
    /// How many customers more there are.
    pub customers_more: usize,
}

/// The rules of one customer.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct CustomersRules {
    /// Which.
    pub customer: String,
    /// Files in force.
    pub files: usize,
    /// Rules in force, without those that are switched off.
    pub rules: usize,
    /// Files whose text on disk is not in force.
    pub broken: Vec<String>,
}

/// A receiver whose last attempt failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Fails {
    /// Whose.
    pub customer: String,
    /// Its name.
    pub receiver: String,
    /// How it is told.
    pub channel: &'static str,
    /// Since when it fails.
    pub since: Time,
    /// When it was last seen to fail; not every attempt is noted.
    pub last: Time,
    /// What was answered.
    pub why: String,
    /// Whether it refused something for good.
    pub refused: bool,
    /// Whether somebody should look at it: a short trouble goes by itself.
    pub needs_a_person: bool,
    /// The delivery that was tried.
    pub delivery: String,
}

/// What waits.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Waiting {
    /// Deliveries that are scheduled, at most [`COUNTED_MOST`].
    pub deliveries: usize,
    /// Whether there are more of them.
    pub at_least: bool,
    /// When the oldest of them was made.
    pub oldest: Option<Time>,
    /// How old it is, seconds.
    pub oldest_seconds: Option<i64>,
    /// Events and commands that are recorded and not decided; for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecided: Option<usize>,
}

/// What is taken on disk.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Disk {
    /// Bytes of the journal.
    pub journal_bytes: usize,
    /// Bytes of the store.
    pub store_bytes: usize,
    /// Bytes that are free beside them.
    pub free_bytes: Option<u64>,
}

/// What could not be decided.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SetAside {
    /// How many, at most [`COUNTED_MOST`].
    pub count: usize,
    /// How many of them are events that only wait for rules.
    pub awaiting_rules: usize,
    /// The latest of them.
    pub latest: Vec<SetAsideShort>,
}

/// Something that could not be decided.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SetAsideShort {
    /// Where it is listed.
    pub id: String,
    /// Since when.
    pub since: Time,
    /// What it is.
    pub what: String,
    /// What went wrong.
    pub why: String,
}

/// The JSON Schema (draft 2020-12) of a status.
pub fn schema() -> Schema {
    schemars::schema_for!(Status)
}

/// How the daemon is, as far as a viewer may know.
///
/// # Errors
/// When the store cannot be read.
pub fn status(visibility: &Visibility<'_>, rules: &RuleSet, figures: &Figures) -> Result<Status> {
    let (store, is_operator) = (visibility.store, visibility.customer().is_none());
    let mut status = Status {
        version: figures.version,
        up_since: figures.started,
        now: figures.now,
        ready: !figures.is_failed && !rules.is_without_rules(),
        needs: Vec::new(),
        last_heard: is_operator.then(|| last_heard(store)).transpose()?,
        rules: rules_of(visibility, rules)?,
        failing: failing(visibility, rules, figures.now)?,
        waiting: waiting(visibility, figures)?,
        kept: figures.kept,
        disk: is_operator.then_some(Disk {
            journal_bytes: figures.journal_bytes,
            store_bytes: figures.store_bytes,
            free_bytes: figures.free_bytes,
        }),
        set_aside: is_operator.then(|| set_aside(store)).transpose()?,
        nothing_expires_until: store.hold()?.filter(|until| *until > figures.now),
        refused_bodies_kept: is_operator.then_some(figures.refused_bodies_kept),
        customers_without_folder: shown(visibility, &figures.customers_without_folder),
        customers_without_rules: shown(visibility, &figures.customers_without_rules),
        customers_switched_off: shown(visibility, &rules.switched_off()),
        secrets_that_cannot_be_used: {
            let bad = figures.bad_secrets.iter().filter(|bad| visibility.shows(&bad.customer));
            let shown = bad.take(NAMED_MOST).map(|bad| BadSecret {
                why: if is_operator {
                    bad.why.clone()
                } else {
                    without_paths(&bad.why)
                },
                ..bad.clone()
            });
            shown.collect()
        },
        clock_behind_seconds: figures.clock_behind_seconds,
        rules_are_polled: figures.rules_are_polled,
    };
    status.needs = needs(&status, figures);
    Ok(status)
}

/// The customers among these that the viewer may know of, a hundred at most.
fn shown(visibility: &Visibility<'_>, customers: &BTreeSet<CustomerId>) -> Vec<CustomerId> {
    let shown = customers.iter().filter(|customer| visibility.shows(customer));
    shown.take(NAMED_MOST).cloned().collect()
}

fn last_heard(store: &View) -> Result<Vec<Heard>> {
    let heard = store.last_heard()?.into_iter();
    Ok(heard
        .map(|(provider, form, at)| Heard {
            provider: provider.word(),
            form: form.word(),
            at,
        })
        .collect())
}

fn rules_of(visibility: &Visibility<'_>, rules: &RuleSet) -> Result<Rules> {
    let mut customers: BTreeMap<&CustomerId, CustomersRules> = BTreeMap::new();
    let is_shown = |customer: &CustomerId| visibility.shows(customer);
    for customer in rules.customers.by_name.iter().flatten().map(|(id, _)| id) {
        customers.entry(customer).or_default();
    }
    for file in rules.files.values() {
        let one = customers.entry(&file.customer).or_default();
        one.files += 1;
        one.rules += file.rules.iter().filter(|rule| rule.enabled).count();
    }
    let broken = visibility.store.broken()?;
    // what is wrong with a whole folder is said by itself
    for file in broken.iter().filter(|file| file.folder.is_none()) {
        customers
            .entry(&file.customer)
            .or_default()
            .broken
            .push(file.path.clone());
    }
    let mut customers: Vec<CustomersRules> = customers
        .into_iter()
        .filter(|(customer, _)| is_shown(customer))
        .map(|(customer, one)| CustomersRules {
            customer: customer.to_string(),
            ..one
        })
        .collect();
    customers.sort_by_key(|one| one.broken.is_empty());
    let sum = |of: fn(&CustomersRules) -> usize| customers.iter().map(of).sum();
    Ok(Rules {
        revision: rules.revision.0.clone(),
        files: sum(|one| one.files),
        rules: sum(|one| one.rules),
        broken: sum(|one| one.broken.len()),
        customers_more: customers.len().saturating_sub(LISTED_MOST),
        customers: {
            customers.truncate(LISTED_MOST);
            customers
        },
    })
}

fn failing(visibility: &Visibility<'_>, rules: &RuleSet, now: Time) -> Result<Vec<Fails>> {
    let mut all = Vec::new();
    for failing in visibility.store.all_failing().take(COUNTED_MOST) {
        let failing = failing?;
        if visibility.shows(&failing.customer) && rules.endpoint(&failing.endpoint).is_some() {
            let mut fails = Fails::of(&failing, now);
            if visibility.customer().is_some() {
                fails.why = without_paths(&fails.why);
            }
            all.push(fails);
        }
    }
    all.sort_by_key(|fails| (!fails.needs_a_person, fails.since));
    all.truncate(LISTED_MOST);
    Ok(all)
}

impl Fails {
    fn of(failing: &Failing, now: Time) -> Self {
        Self {
            customer: failing.customer.to_string(),
            receiver: failing.receiver.clone(),
            channel: failing.channel.word(),
            since: failing.since,
            last: failing.last,
            why: without_addresses(&failing.why),
            refused: failing.is_refused,
            needs_a_person: failing.needs_a_person(now),
            delivery: failing.delivery.clone(),
        }
    }
}

fn waiting(visibility: &Visibility<'_>, figures: &Figures) -> Result<Waiting> {
    let store = visibility.store;
    let (deliveries, at_least, oldest) = match visibility.customer() {
        None => {
            let counted = store.count_in(StateWord::Scheduled, COUNTED_MOST + 1)?;
            (
                counted.min(COUNTED_MOST),
                counted > COUNTED_MOST,
                store.oldest(StateWord::Scheduled)?,
            )
        }
        Some(_) => {
            let newest = store.listed_deliveries(StateWord::Scheduled, COUNTED_MOST)?;
            let is_cut = newest.len() == COUNTED_MOST;
            let own = newest.iter().filter(|one| visibility.shows(&one.customer));
            let made: Vec<Time> = own.map(|one| one.created).collect();
            (made.len(), is_cut, made.into_iter().min())
        }
    };
    Ok(Waiting {
        deliveries,
        at_least,
        oldest,
        oldest_seconds: oldest.map(|oldest| (figures.now - oldest).num_seconds().max(0)),
        undecided: visibility.customer().is_none().then_some(figures.undecided),
    })
}

fn set_aside(store: &View) -> Result<SetAside> {
    let lines = store.set_aside(None, COUNTED_MOST)?;
    let latest = lines.iter().take(SET_ASIDE_SHOWN).map(|line| SetAsideShort {
        id: line.at.to_string(),
        since: line.since,
        what: words(&line.set_aside.what),
        why: line.set_aside.why.clone(),
    });
    Ok(SetAside {
        latest: latest.collect(),
        count: lines.len(),
        awaiting_rules: lines
            .iter()
            .filter(|line| line.set_aside.why == rules_awaited::WHY)
            .count(),
    })
}
