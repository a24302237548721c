//! Rules came into force; what newly broke, or was mended, is told to its customer.

use std::collections::BTreeMap;

use super::own::own;
use crate::clock::Time;
use crate::event::{Event, Kind, Stage};
use crate::journal::Position;
use crate::notification::EndpointId;
use crate::record::{BrokenFile, Change, FileInForce, FolderTrouble, GivenBack, Input, Why};
use crate::rule::Revision;

mod facts;

/// What bears on a change of rules.
pub struct RulesChange {
    /// Where its texts were recorded.
    pub recorded: Position,
    /// The files that were recorded before it: path, digest, where and which.
    pub earlier: Vec<FileInForce>,
    /// What was in force before.
    pub before: Option<Revision>,
    /// What is known to be broken.
    pub broken: Vec<BrokenFile>,
    /// Where earlier changes of rules are listed as set aside.
    pub set_aside: Vec<Position>,
    /// The versions of the changed files that are in force, where nothing was decided by them.
    pub given_back: Vec<GivenBack>,
    /// Endpoints that fail and are in no rule file any more.
    pub no_longer_failing: Vec<EndpointId>,
}

/// A change of rules comes into force; what newly broke, or was mended, is told to its customer.
pub fn rules(input: &Input, change: &RulesChange, now: Time) -> Vec<Change> {
    let Input::Rules {
        revision,
        files,
        removed,
        settings,
        broken,
        ..
    } = input
    else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    if change.before.as_ref() != Some(revision)
        || !files.is_empty()
        || !change.earlier.is_empty()
        || !removed.is_empty()
        || settings.is_some()
    {
        let in_force = |(nth, file): (usize, &crate::record::SealedFile)| FileInForce {
            path: file.path.clone(),
            digest: file.digest.clone(),
            nth: u32::try_from(nth).unwrap_or(u32::MAX),
            recorded: None,
        };
        changes.push(Change::InForce {
            revision: revision.clone(),
            recorded: change.recorded,
            files: change
                .earlier
                .iter()
                .cloned()
                .chain(files.iter().enumerate().map(in_force))
                .collect(),
            removed: removed.clone(),
            settings: settings.is_some(),
            given_back: change.given_back.clone(),
        });
    }
    changes.extend(broken_and_mended(broken, &change.broken, now));
    let gone = change.no_longer_failing.iter();
    changes.extend(gone.map(|endpoint| Change::EndpointWorks {
        endpoint: endpoint.clone(),
        delivery: String::new(),
    }));
    match changes.is_empty() {
        true => changes.push(Change::Nothing {
            why: Why::RulesUnchanged,
        }),
        // this change holds all that those before it wanted
        false => changes.extend(change.set_aside.iter().map(|at| Change::TakenUp { at: *at })),
    }
    changes
}

fn broken_and_mended(broken: &[BrokenFile], known: &[BrokenFile], now: Time) -> Vec<Change> {
    let (before, after) = (by_path(known), by_path(broken));
    let mut changes = Vec::new();
    for (path, file) in after.iter().filter(|(path, file)| before.get(*path) != Some(file)) {
        changes.push(Change::Broken {
            path: (*path).to_owned(),
            broken: Some((*file).clone()),
        });
        changes.push(Change::Raised {
            event: Box::new(rules_broken(file, now)),
        });
    }
    for (path, file) in before.iter().filter(|(path, _)| !after.contains_key(*path)) {
        changes.push(Change::Broken {
            path: (*path).to_owned(),
            broken: None,
        });
        changes.push(Change::Raised {
            event: Box::new(rules_mended(file, now)),
        });
    }
    changes
}

fn by_path(files: &[BrokenFile]) -> BTreeMap<&str, &BrokenFile> {
    files.iter().map(|file| (file.path.as_str(), file)).collect()
}

fn rules_broken(file: &BrokenFile, now: Time) -> Event {
    let title = match file.folder {
        Some(FolderTrouble::Gone) => {
            format!(
                "The rules folder {} is gone; its last rules stay in force for now",
                file.path
            )
        }
        Some(FolderTrouble::WithoutRules) => {
            format!(
                "The customer `{}` has no rules: nobody is told of its events",
                file.customer
            )
        }
        Some(FolderTrouble::Nothing) => "There are no rule files".to_owned(),
        None => format!(
            "The rule file {} has errors; its last good version stays in force",
            file.path
        ),
    };
    own(
        Kind::RulesBroken,
        Stage::Active,
        &file.customer,
        &format!("rules:{}", file.path),
        title,
        &file.report,
        now,
    )
}

fn rules_mended(file: &BrokenFile, now: Time) -> Event {
    let title = match file.folder {
        Some(FolderTrouble::Gone) => format!("The rules folder {} is there again", file.path),
        Some(FolderTrouble::WithoutRules) => format!("The customer `{}` has rules now", file.customer),
        Some(FolderTrouble::Nothing) => "There are rule files again".to_owned(),
        None => format!("The rule file {} is good again", file.path),
    };
    let text = match file.folder {
        Some(_) => "What its files say is in force now.",
        None => "What it says is in force now.",
    };
    own(
        Kind::RulesMended,
        Stage::Resolved,
        &file.customer,
        &format!("rules:{}", file.path),
        title,
        text,
        now,
    )
}
