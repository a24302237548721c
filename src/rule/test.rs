//! Runs a file's own tests: the rules it names must tell exactly whom it names, its other rules nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::customer::Customers;
use crate::event::catalogue::Catalogue;

use super::condition::{Judgement, judge};
use super::file::resolve::told_by;
use super::{Rule, RuleFile, RuleTest};

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

/// Runs all tests of `file`; rules of other files take part only where a test names them.
pub fn run(file: &RuleFile, stage: Stage<'_>) -> Vec<Failure> {
    let failures = file.tests.iter().enumerate().filter_map(|(nth, test)| {
        let what = run_one(file, test, stage);
        (!what.is_empty()).then_some(Failure { nth, what })
    });
    failures.collect()
}

fn run_one(file: &RuleFile, test: &RuleTest, stage: Stage<'_>) -> Vec<String> {
    let others = test.expect.keys().filter_map(|name| stage.rules.get(name));
    let mut rules: Vec<&Arc<Rule>> = file.rules.iter().collect();
    rules.extend(others.filter(|rule| !file.rules.iter().any(|own| own.name == rule.name)));
    rules
        .into_iter()
        .filter_map(|rule| compare(rule, test, stage))
        .collect()
}

fn compare(rule: &Rule, test: &RuleTest, stage: Stage<'_>) -> Option<String> {
    let nobody = BTreeSet::new();
    let wanted = test.expect.get(&rule.name).unwrap_or(&nobody);
    let judgement = judge(rule, &test.event, stage.customers, stage.catalogue);
    let told = match &judgement {
        Judgement::Matches(_) => told_by(rule, test.event.kind),
        Judgement::No(_) => BTreeSet::new(),
    };
    if told == *wanted {
        return None;
    }
    let name = &rule.name;
    let wanted = people(wanted);
    Some(match judgement {
        Judgement::No(why) => format!("`{name}` should tell {wanted}, and tells nobody: {why}"),
        Judgement::Matches(_) => format!("`{name}` tells {}, and should tell {wanted}", people(&told)),
    })
}

fn people(names: &BTreeSet<String>) -> String {
    match names.is_empty() {
        true => "nobody".to_owned(),
        false => names.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
    }
}
