//! What is broken, with the problems as the customer reads them; and how often that is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::Duration;
use sha2::{Digest, Sha256};

use crate::clock::Time;
use crate::customer::{CustomerId, OPERATOR};
use crate::folder::Found;
use crate::problem::Problem;
use crate::record::{BrokenFile, FolderTrouble};
use crate::rule::RuleSet;
use crate::rule::check::{Broken, EVERYTHING};
use crate::rule::file::customer_of;

/// The longest report of one file's problems that is kept, bytes.
const REPORT_BYTES_MOST: usize = 16 << 10;

/// How often within an hour it is told of one file that it is broken, or good again: once each.
const TOLD_MOST: usize = 2;

/// What was told of broken files in the last hour: a file that flips between good and broken must not flood its owner,
/// nor the journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    at: BTreeMap<String, Vec<Time>>,
    /// The files of which something new is held back, with their customers.
    held: BTreeMap<String, CustomerId>,
}

impl Told {
    /// What is to be written down of what is broken `after` a reading: of a file of which enough was told within the
    /// hour, what was written down `before`. What in force is has nothing to do with it.
    pub fn held_back(&mut self, before: &[BrokenFile], after: Vec<BrokenFile>, now: Time) -> Vec<BrokenFile> {
        self.forget(now);
        let old: BTreeMap<&str, &BrokenFile> = before.iter().map(|file| (&*file.path, file)).collect();
        let mut new: BTreeMap<String, BrokenFile> = after.into_iter().map(|file| (file.path.clone(), file)).collect();
        let paths: BTreeSet<String> = old
            .keys()
            .map(|path| (*path).to_owned())
            .chain(new.keys().cloned())
            .collect();
        for path in paths {
            let (was, is) = (old.get(&*path).copied(), new.get(&path));
            if was == is {
                self.held.remove(&path);
                continue;
            }
            let told = self.at.entry(path.clone()).or_default();
            if told.len() < TOLD_MOST {
                told.push(now);
                self.held.remove(&path);
                continue;
            }
            let customer = is.or(was).map(|file| file.customer.clone());
            if let Some(customer) = customer.filter(|_| !self.held.contains_key(&path)) {
                tracing::info!(
                    path,
                    "enough was told of this file within the hour; what is new is told later"
                );
                self.held.insert(path.clone(), customer);
            }
            match was {
                Some(was) => drop(new.insert(path, was.clone())),
                None => drop(new.remove(&path)),
            }
        }
        let mut all: Vec<BrokenFile> = new.into_values().collect();
        all.sort();
        all
    }

    /// The customers of whose files something was held back that may be told now.
    pub fn due(&mut self, now: Time) -> BTreeSet<CustomerId> {
        self.forget(now);
        let is_due = |path: &String| self.at.get(path).is_none_or(|told| told.len() < TOLD_MOST);
        let due = self.held.iter().filter(|(path, _)| is_due(path));
        due.map(|(_, customer)| customer.clone()).collect()
    }

    fn forget(&mut self, now: Time) {
        self.at.retain(|_, told| {
            // a clock that went back must not make anybody wait longer than an hour
            told.retain(|at| (now - *at).abs() < Duration::hours(1));
            !told.is_empty()
        });
    }
}

/// What is broken, with the problems as the customer reads them.
pub(super) fn broken(files: &[Broken], problems: &[Problem], found: &Found, folder: &Path) -> Vec<BrokenFile> {
    let mut errors: BTreeMap<&str, Vec<&Problem>> = BTreeMap::new();
    for error in problems.iter().filter(|problem| problem.is_error()) {
        errors.entry(&error.file).or_default().push(error);
    }
    let of_check = files.iter().map(|broken| {
        let errors = errors.get(broken.path.as_str()).into_iter().flatten();
        let mut report = errors
            .map(|error| placed(error, folder).plain())
            .collect::<Vec<_>>()
            .join("\n");
        report.truncate(report.floor_char_boundary(REPORT_BYTES_MOST));
        let digest = sha256(&format!("{} {report}", broken.digest));
        BrokenFile {
            path: broken.path.clone(),
            customer: broken.customer.clone(),
            digest,
            report,
            folder: trouble_of(broken),
        }
    });
    let unreadable = found.unreadable.iter().map(|(path, why)| BrokenFile {
        path: path.clone(),
        customer: customer_of(path),
        digest: sha256(why),
        report: format!("{path} {why}"),
        folder: None,
    });
    of_check.chain(unreadable).collect()
}

/// What is wrong with a whole folder: a broken text has a digest, and a folder has none.
fn trouble_of(broken: &Broken) -> Option<FolderTrouble> {
    let is_folder = broken.digest.is_empty() && broken.path.ends_with('/');
    is_folder.then_some(match broken.path == EVERYTHING {
        true => FolderTrouble::Nothing,
        false => FolderTrouble::Gone,
    })
}

/// The rules folder itself is missing or empty: one thing that the operator is told, and not one of each customer. What
/// was broken before is so still.
pub(super) fn nothing_there(why: &str, before: &[BrokenFile]) -> Vec<BrokenFile> {
    let report = format!(
        "{why}. The last rules of everybody stay in force, but no change of them is heard of. Is its volume mounted, or does \
         `rules:` in the settings name another folder?"
    );
    let before = before.iter().filter(|file| file.path != EVERYTHING).cloned();
    let itself = BrokenFile {
        path: EVERYTHING.to_owned(),
        customer: CustomerId::new(OPERATOR),
        digest: sha256(&report),
        report,
        folder: Some(FolderTrouble::Nothing),
    };
    before.chain([itself]).collect()
}

/// Customers in the settings of whom no file says which rules there are, and none is broken: nobody hears of their events.
pub(super) fn without_rules<'c>(
    customers: impl Iterator<Item = &'c CustomerId>,
    set: &RuleSet,
    broken: &[BrokenFile],
) -> Vec<BrokenFile> {
    let has_trouble: BTreeSet<&CustomerId> = broken.iter().map(|file| &file.customer).collect();
    let silent = customers.filter(|one| !has_trouble.contains(one) && set.has_no_rules_of(one));
    let told = silent.map(|customer| {
        let are_files = set.files_of(customer).next().is_some();
        let report = match are_files {
            true => format!(
                "The customer `{customer}` is named in the settings, and no file in the folder `{customer}/` of the rules folder \
                 has rules: nobody is told of its events. Write rules there, or take it out of the settings."
            ),
            false => format!(
                "The customer `{customer}` is named in the settings, and there are no rule files in the folder \
                 `{customer}/` of the rules folder: nobody is told of its events. Put its rule files there, or take it out of \
                 the settings."
            ),
        };
        BrokenFile {
            path: format!("{customer}/"),
            customer: customer.clone(),
            digest: sha256(&report),
            report,
            folder: Some(FolderTrouble::WithoutRules),
        }
    });
    told.collect()
}

/// A problem of the rules folder itself names it as the settings do.
pub(super) fn placed(problem: &Problem, folder: &Path) -> Problem {
    let file = match problem.file.as_str() {
        EVERYTHING => format!("{}/", folder.display().to_string().trim_end_matches('/')),
        file => file.to_owned(),
    };
    Problem {
        file,
        ..problem.clone()
    }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, report: &str) -> BrokenFile {
        BrokenFile {
            path: path.to_owned(),
            customer: customer_of(path),
            digest: sha256(report),
            report: report.to_owned(),
            folder: None,
        }
    }

    #[test]
    fn a_file_that_flips_is_told_broken_and_good_once_an_hour_and_another_one_at_once() {
        let mut told = Told::default();
        let start: Time = "2026-11-24T09:00:00Z".parse().expect("a time");
        let mut written = Vec::new();
        let mut changes = 0;
        for nth in 0..3_600 {
            let now = start + Duration::seconds(nth);
            let flipping = (nth % 2 == 0).then(|| file("contoso/a.yaml", &format!("error {nth}")));
            let after = told.held_back(&written, flipping.into_iter().collect(), now);
            changes += usize::from(after != written);
            written = after;
        }
        assert_eq!((changes, written.len()), (2, 0), "broken, and good again");
        let now = start + Duration::minutes(59);
        assert!(told.due(now).is_empty());
        let both = vec![file("contoso/a.yaml", "error"), file("fabrikam/a.yaml", "error")];
        let after = told.held_back(&written, both.clone(), now);
        assert_eq!(after, [file("fabrikam/a.yaml", "error")]);
        let later = start + Duration::hours(1) + Duration::seconds(1);
        assert_eq!(told.due(later), [customer_of("contoso/a.yaml")].into());
        assert_eq!(told.held_back(&after, both.clone(), later), both);
        assert!(told.due(later).is_empty());
    }
}
