//! From the texts of all rule files to the rules in force: what is broken keeps its last good version.
//!
//! The state in force is always one whose texts check clean together. So a file that takes away a name that another
//! file's version in force still needs is held back as well. Pure: whoever reads the folder passes the texts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::customer::{CustomerId, ORGANISATION, Sees, may_be_a_customer};
use crate::problem::Problem;

use super::file::resolve::{Names, resolve};
use super::file::{Draft, Scope, customer_of};
use super::findings::Findings;
use super::parallel::{self, Progress};
use super::set::Files;
use super::settle::Folder;
use super::test::Ran;
use super::{RuleFile, RuleSet, lint};

pub use super::deciding::{Deciding, EVERYTHING, Source};
pub use super::findings::Broken;

/// What came of a check.
#[derive(Debug)]
pub struct Checked {
    /// The rules in force from now on.
    pub set: RuleSet,
    /// Everything worth saying, by file and place.
    pub problems: Vec<Problem>,
    /// The files whose last good version (if any) stays in force.
    pub broken: Vec<Broken>,
    /// The paths whose version in force is another one than before, or none any more.
    pub changed: Vec<String>,
    /// The files' own tests, by file and as written.
    pub tests: Vec<Ran>,
}

impl Checked {
    fn of(mut findings: Findings, changed: Vec<String>, set: RuleSet) -> Self {
        findings
            .problems
            .sort_by(|one, other| (&one.file, one.line, one.column).cmp(&(&other.file, other.line, other.column)));
        Self {
            set,
            problems: findings.problems,
            broken: findings.broken,
            changed,
            tests: findings.tests,
        }
    }
}

/// Checks all files together, with nobody watching.
#[cfg(test)]
pub fn check(sources: &[Source], last_good: &Files, settings: &Deciding) -> Checked {
    check_watched(sources, last_good, settings, &|_, _| ())
}

/// Checks all files together; `progress` is told how many folders are done.
pub fn check_watched(sources: &[Source], last_good: &Files, settings: &Deciding, progress: Progress<'_>) -> Checked {
    let (files, mut findings) = settle(sources.iter(), last_good, settings, progress);
    if sources.is_empty() && last_good.is_empty() {
        findings.nobody_wrote_anything(&settings.customers);
    }
    Checked::of(findings, changed(&files, last_good), RuleSet::new(files, settings))
}

/// Checks the folders in which something differs from what is in force; the rest stays as it is, and nothing more is
/// said of it. It costs what differs, if the settings are the same. With a `scope`, the sources are all files of these
/// customers, and nobody else's are looked at. `progress` is told how many folders are done.
pub fn recheck(
    sources: &[Source],
    scope: Option<&BTreeSet<CustomerId>>,
    in_force: &RuleSet,
    settings: &Deciding,
    progress: Progress<'_>,
) -> Checked {
    if in_force.files.is_empty() || !in_force.is_decided_by(settings) {
        return check_watched(sources, &in_force.files, settings, progress);
    }
    let touched = touched(sources, scope, in_force);
    let before = touched.iter().flat_map(|customer| in_force.files_of(customer));
    let before: BTreeMap<_, _> = before.map(|file| (file.path.clone(), file.clone())).collect();
    let before = Files::from(before);
    let is_touched = |path: &str| touched.contains(&customer_of(path));
    let sources = sources.iter().filter(|source| is_touched(&source.path));
    let (files, findings) = settle(sources, &before, settings, progress);
    Checked::of(findings, changed(&files, &before), in_force.with(&files, &before))
}

/// The customers one of whose texts is not what is in force.
pub fn touched(sources: &[Source], scope: Option<&BTreeSet<CustomerId>>, in_force: &RuleSet) -> BTreeSet<CustomerId> {
    let is_same = |source: &&Source| {
        let file = in_force.files.get(&*source.path);
        file.is_some_and(|file| file.text == source.text)
    };
    let present: BTreeSet<&str> = sources.iter().map(|source| &*source.path).collect();
    let files: Vec<&Arc<RuleFile>> = match scope {
        Some(scope) => scope.iter().flat_map(|one| in_force.files_of(one)).collect(),
        None => in_force.files.values().collect(),
    };
    let absent = files
        .into_iter()
        .map(|file| &file.path)
        .filter(|path| !present.contains(path.as_str()));
    let different = sources
        .iter()
        .filter(|source| !is_same(source))
        .map(|source| &source.path);
    different.chain(absent).map(|path| customer_of(path)).collect()
}

/// The files of one customer, before they are read.
#[derive(Default)]
struct Unread<'t> {
    sources: Vec<&'t Source>,
    /// Files that were in force and are not there any more.
    absent: Vec<Arc<RuleFile>>,
}

/// Settles all folders; they have nothing to do with each other.
fn settle<'t>(
    sources: impl Iterator<Item = &'t Source>,
    last_good: &Files,
    settings: &Deciding,
    progress: Progress<'_>,
) -> (BTreeMap<String, Arc<RuleFile>>, Findings) {
    let mut findings = Findings::default();
    let mut folders: BTreeMap<CustomerId, Unread<'t>> = BTreeMap::new();
    let mut present: BTreeSet<&str> = BTreeSet::new();
    for source in sources {
        let customer = customer_of(&source.path);
        present.insert(&source.path);
        if !findings.refuse_stranger(source, &customer, &settings.customers) {
            folders.entry(customer).or_default().sources.push(source);
        }
    }
    let absent = last_good.values().filter(|file| !present.contains(file.path.as_str()));
    // an earlier version took `..2026_11_24` of a mounted volume for a customer: such rules end
    let absent = absent.filter(|file| may_be_a_customer(file.customer.as_str()));
    for file in absent.filter(|file| settings.customers.sees(&file.customer) != Sees::Nothing) {
        let folder = folders.entry(file.customer.clone()).or_default();
        folder.absent.push(file.clone());
    }
    let folders: Vec<_> = folders.into_iter().collect();
    let one = |(customer, unread): &(CustomerId, Unread<'t>)| settle_one(customer, unread, last_good, settings);
    let mut files = BTreeMap::new();
    for (of_one, found) in parallel::each(&folders, one, progress) {
        files.extend(of_one);
        findings.add(found);
    }
    (files, findings)
}

/// Settles one folder. Files that are gone with their whole folder stay in force; those that are gone alone end.
fn settle_one(
    customer: &CustomerId,
    unread: &Unread<'_>,
    last_good: &Files,
    settings: &Deciding,
) -> (Vec<(String, Arc<RuleFile>)>, Findings) {
    let mut findings = Findings::default();
    let mut folder = Folder::new(settings);
    for source in &unread.sources {
        folder.add(source, last_good.get(&*source.path));
    }
    if unread.sources.is_empty() {
        let absent = unread.absent.iter().map(|file| (file.path.clone(), file.clone()));
        folder.vanished.extend(absent);
        let what = match customer.as_str() {
            ORGANISATION => "no rule files lie directly in the rules folder any more; their last rules stay in force",
            _ => "this folder is missing or has no rule files; its last rules stay in force",
        };
        let hint =
            format!("to end its rules: `bellwether rules forget {customer}`, or leave a file that says `rules: []`");
        findings.of_folder(customer, what, &hint);
    } else {
        folder.gone.clone_from(&unread.absent);
    }
    folder.settle(customer, &mut findings);
    lint::folder(customer, &folder);
    folder.report(&mut findings);
    (folder.into_files(), findings)
}

/// The files that were in force, from their journalled texts: nothing is refused, as all of it was good once.
pub fn restore(sources: &[Source], settings: &Deciding) -> BTreeMap<String, Arc<RuleFile>> {
    let mut folders: BTreeMap<CustomerId, Vec<&Source>> = BTreeMap::new();
    for source in sources {
        folders.entry(customer_of(&source.path)).or_default().push(source);
    }
    let folders: Vec<_> = folders.into_values().collect();
    let restored = parallel::each(&folders, |sources| restore_one(sources, settings), &|_, _| ());
    let files = restored.into_iter().flatten();
    files.map(|file| (file.path.clone(), Arc::new(file))).collect()
}

fn restore_one(sources: &[&Source], settings: &Deciding) -> Vec<RuleFile> {
    let scope = Scope {
        catalogue: &settings.catalogue,
        allow_private: true,
    };
    let drafts = sources
        .iter()
        .map(|source| Draft::read(&source.path, &source.text, scope));
    let drafts: Vec<_> = drafts.collect();
    let mut names = Names::default();
    drafts.iter().for_each(|draft| names.add_draft(draft));
    let resolved = drafts.iter().map(|draft| resolve(draft, &names, &settings.customers));
    resolved.collect()
}

fn changed(files: &BTreeMap<String, Arc<RuleFile>>, before: &Files) -> Vec<String> {
    let is_same = |path: &String| match (files.get(path), before.get(path.as_str())) {
        (Some(now), Some(then)) => now.digest == then.digest,
        (now, then) => now.is_none() && then.is_none(),
    };
    let paths: BTreeSet<&String> = files.keys().chain(before.keys()).collect();
    paths.into_iter().filter(|path| !is_same(path)).cloned().collect()
}

#[cfg(test)]
mod tests;
