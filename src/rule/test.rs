//! Runs a file's own tests: the rules it names must tell exactly whom it names, its other rules nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::customer::Customers;
use crate::event::catalogue::Catalogue;
use crate::event::{Event, Kind};

use super::condition::{Judgement, Subject, judge_within, left};
use super::file::cases::has_nothing_to_come;
use super::steps::{Steps, TooCostly};
use super::why::WhyNot;
use super::{Rule, RuleFile, RuleTest};

/// How many sentences are said of one failing test.
const SENTENCES_MOST: usize = 5;

/// A test that failed, and all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which of the file's tests, 0-based.
    pub nth: usize,
    /// What happened instead, one sentence per rule.
    pub what: Vec<String>,
}

/// One of the files' own tests, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its file.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Where it stands, 1-based.
    pub line: usize,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Whom it names, and nobody else, would be told.
    Passed,
    /// What happened instead, one sentence per rule.
    Failed(Vec<String>),
    /// Its file has errors.
    NotRun,
}

/// What tests run against.
#[derive(Debug, Clone, Copy)]
pub struct Stage<'s> {
    /// The rules of the folder, by name.
    pub rules: &'s BTreeMap<String, Arc<Rule>>,
    /// Who owns what.
    pub customers: &'s Customers,
    /// Names of services.
    pub catalogue: &'s Catalogue,
}

/// What came of a file's tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Results {
    /// The tests that failed.
    pub failures: Vec<Failure>,
    /// The first test that was not run to its end, as its file's tests take too much work; nor were those behind it.
    pub too_costly: Option<usize>,
}

/// Runs all tests of `file`; rules of other files take part only where a test names them.
pub fn run(file: &RuleFile, stage: Stage<'_>, steps: &Steps) -> Results {
    let own: BTreeSet<&str> = file.rules.iter().map(|rule| &*rule.name).collect();
    let mut failures = Vec::new();
    for (nth, test) in file.tests.iter().enumerate() {
        match run_one(file, test, stage, &own, steps) {
            Ok(what) if what.is_empty() => {}
            Ok(what) => failures.push(Failure { nth, what }),
            Err(TooCostly) => {
                return Results {
                    failures,
                    too_costly: Some(nth),
                };
            }
        }
    }
    Results {
        failures,
        too_costly: None,
    }
}

fn run_one(
    file: &RuleFile,
    test: &RuleTest,
    stage: Stage<'_>,
    own: &BTreeSet<&str>,
    steps: &Steps,
) -> Result<Vec<String>, TooCostly> {
    let subject = Subject::of(&test.event);
    let others = test.expect.keys().filter(|name| !own.contains(name.as_str()));
    let others = others.filter_map(|name| stage.rules.get(name));
    let mut what = Vec::new();
    let mut more = 0;
    for rule in file.rules.iter().chain(others) {
        match is_as_expected(rule, test, &subject, stage, steps)? {
            true => {}
            false if what.len() < SENTENCES_MOST => what.push(instead(rule, test, &subject, stage, steps)?),
            false => more += 1,
        }
    }
    what.extend((more > 0).then(|| format!("and {more} more rules do something else than they should")));
    Ok(what)
}

/// Whether a rule tells whom it should.
fn is_as_expected(
    rule: &Rule,
    test: &RuleTest,
    subject: &Subject<'_>,
    stage: Stage<'_>,
    steps: &Steps,
) -> Result<bool, TooCostly> {
    let wanted = test.expect.get(&rule.name);
    steps.take((rule.notify.len() + rule.invite.len()) as u64)?;
    let is_told = left(rule, subject, stage.customers, stage.catalogue, steps)?.is_some();
    if !is_told {
        return Ok(wanted.is_none_or(BTreeSet::is_empty));
    }
    let told = told_by(rule, &test.event);
    Ok(wanted.map_or(told.is_empty(), |wanted| *wanted == told))
}

/// What a rule does instead of what it should.
fn instead(
    rule: &Rule,
    test: &RuleTest,
    subject: &Subject<'_>,
    stage: Stage<'_>,
    steps: &Steps,
) -> Result<String, TooCostly> {
    let name = &rule.name;
    let nobody = BTreeSet::new();
    let wanted = people(test.expect.get(name).unwrap_or(&nobody));
    match judge_within(rule, subject, stage.customers, stage.catalogue, steps) {
        Judgement::No(WhyNot::TooCostly) => Err(TooCostly),
        Judgement::No(why) => Ok(format!("`{name}` should tell {wanted}, and tells nobody: {why}")),
        Judgement::Matches(_) => {
            let told = people(&told_by(rule, &test.event));
            Ok(format!("`{name}` tells {told}, and should tell {wanted}"))
        }
    }
}

/// Which receivers a rule tells of a test's event that matches it.
fn told_by(rule: &Rule, event: &Event) -> BTreeSet<String> {
    let is_invited = event.kind == Kind::Retrospective && !has_nothing_to_come(event);
    let invited: &[String] = if is_invited { &rule.invite } else { &[] };
    rule.notify.iter().chain(invited).cloned().collect()
}

fn people(names: &BTreeSet<String>) -> String {
    match names.is_empty() {
        true => "nobody".to_owned(),
        false => names.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
    }
}
