//! One reading of the folder: what is read, checked beside what is in force, and what follows of it if other readings
//! came to an end meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use crate::customer::{CustomerId, ORGANISATION};
use crate::folder::{self, Found, Neighbours, Part};
use crate::problem::{Problem, escaped};
use crate::rule::check::{Broken, Checked, Deciding, Source, recheck, touched};
use crate::rule::file::customer_of;
use crate::rule::set::Files;
use crate::rule::{RuleFile, RuleSet};

/// A folder whose texts have more bytes together is large: its check may take seconds, so nobody else's waits for it.
const LARGE_BYTES: usize = 256 << 10;

/// So many folders are checked before it is said how far it got.
const SAY_EVERY: usize = 10_000;

/// A reading that has begun.
pub(in crate::daemon) struct Reading {
    pub(super) number: u64,
    pub(super) part: Part,
    /// The customers whose folders it is about; `None` for everybody.
    pub(super) scope: Option<BTreeSet<CustomerId>>,
    pub(super) in_force: Arc<RuleSet>,
}

/// What a reading found.
pub(in crate::daemon) struct Looked {
    pub(super) found: Found,
    /// What would be in force, if nothing else came into force meanwhile.
    pub(super) set: Arc<RuleSet>,
    /// The paths of the files that change.
    pub(super) changed: Vec<String>,
    pub(super) problems: Vec<Problem>,
    pub(super) broken: Vec<Broken>,
    /// The customers of whom something differs from what is in force; `None` if everything was checked anew.
    pub(super) touched: Option<BTreeSet<CustomerId>>,
    /// The customers whose folders are large and were left out.
    pub(super) large: BTreeSet<CustomerId>,
}

/// Reads and checks; of large folders of which something differs, only so much if they are to be left out.
pub(in crate::daemon) fn look(
    folder: &Path,
    reading: &Reading,
    deciding: &Deciding,
    leaves_large: bool,
) -> Result<Looked> {
    let in_force = &reading.in_force;
    let neighbours = match deciding.customers.are_separate() {
        true => Neighbours::Strangers,
        false => Neighbours::Teams,
    };
    let mut found = folder::read(folder, &reading.part, neighbours)?;
    // one thing for the operator to know; where there is none to be told, each customer is told of its own folder
    let is_one_thing = deciding.customers.contact.is_some() && has_several_customers(&in_force.files);
    if !in_force.files.is_empty() && !is_one_thing {
        found.nothing = None;
    }
    let mut sources = match found.nothing {
        Some(_) => in_force.files.values().map(last_good).collect(),
        None => with_last_good(&mut found, &in_force.files),
    };
    if in_force.files.is_empty() || !in_force.is_decided_by(deciding) {
        // after a start, too: what was written down the last time was checked then
        let checked = recheck(&sources, None, in_force, deciding, &say_progress);
        return Ok(Looked::of(found, checked, None, BTreeSet::new()));
    }
    let mut touched = touched(&sources, reading.scope.as_ref(), in_force);
    let large = match leaves_large {
        true => touched
            .extract_if(.., |customer| is_large(&sources, customer))
            .collect(),
        false => BTreeSet::new(),
    };
    sources.retain(|source| touched.contains(&customer_of(&source.path)));
    let checked = recheck(&sources, Some(&touched), in_force, deciding, &say_progress);
    Ok(Looked::of(found, checked, Some(touched), large))
}

impl Looked {
    fn of(found: Found, checked: Checked, touched: Option<BTreeSet<CustomerId>>, large: BTreeSet<CustomerId>) -> Self {
        Self {
            found,
            set: Arc::new(checked.set),
            changed: checked.changed,
            problems: checked.problems,
            broken: checked.broken,
            touched,
            large,
        }
    }
}

/// Whether a customer's folder is large. The one organisation's files may stand in none.
fn is_large(sources: &[Source], customer: &CustomerId) -> bool {
    let folder = format!("{customer}/");
    let texts = sources.iter().filter(|source| source.path.starts_with(&folder));
    let bytes: usize = texts.map(|source| source.text.len()).sum();
    customer.as_str() != ORGANISATION && bytes > LARGE_BYTES
}

/// The rules in force after a reading, and the paths of the files that change, of the customers for whom it is used.
/// `None` if they cannot be known, as what it was checked beside is not in force any more.
pub(super) fn in_force_after(
    reading: &Reading,
    looked: &Looked,
    now: &Arc<RuleSet>,
    is_used: impl Fn(&CustomerId) -> bool,
) -> Option<(Arc<RuleSet>, Vec<String>)> {
    let is_same = now.revision == reading.in_force.revision;
    let Some(touched) = &looked.touched else {
        return is_same.then(|| (looked.set.clone(), looked.changed.clone()));
    };
    if is_same && touched.iter().all(&is_used) {
        return Some((looked.set.clone(), looked.changed.clone()));
    }
    let by_path = |set: &RuleSet| -> BTreeMap<String, Arc<RuleFile>> {
        let customers = touched.iter().filter(|customer| is_used(customer));
        let files = customers.flat_map(|customer| set.files_of(customer));
        files.map(|file| (file.path.clone(), file.clone())).collect()
    };
    let before = by_path(now);
    if before != by_path(&reading.in_force) {
        return None;
    }
    let changed = looked.changed.iter();
    let changed = changed.filter(|path| is_used(&customer_of(path))).cloned().collect();
    let set = now.with(&by_path(&looked.set), &Files::from(before));
    Some((Arc::new(set), changed))
}

fn say_progress(done: usize, of: usize) {
    if done.is_multiple_of(SAY_EVERY) {
        tracing::info!(done, of, "checking the folders of rules");
    }
}

/// The texts to check, taken out of what was found: a file that is there and cannot be read counts as its last good
/// version.
fn with_last_good(found: &mut Found, in_force: &Files) -> Vec<Source> {
    let mut sources = std::mem::take(&mut found.sources);
    let unreadable = found.unreadable.iter().flat_map(|(path, _)| {
        in_force
            .onwards(path.as_str())
            .take_while(move |(good, _)| covers(path, good))
    });
    sources.extend(unreadable.map(|(_, file)| last_good(file)));
    sources
}

fn has_several_customers(files: &Files) -> bool {
    let mut customers = files.values().map(|file| &file.customer);
    let first = customers.next();
    customers.any(|other| Some(other) != first)
}

/// The version of a file that is in force.
fn last_good(file: &Arc<RuleFile>) -> Source {
    Source {
        path: file.path.clone(),
        text: file.text.clone(),
    }
}

/// Whether what cannot be read (a file, or with a `/` at the end a whole folder) is or holds the file.
fn covers(unreadable: &str, path: &str) -> bool {
    unreadable == path || (unreadable.ends_with('/') && path.starts_with(unreadable))
}

/// The customers whose folders a part is; none of them for the whole.
pub(super) fn customers_of(part: &Part) -> Option<BTreeSet<CustomerId>> {
    match part {
        Part::Whole => None,
        Part::Folders(names) => Some(
            names
                .iter()
                .map(|name| customer_of(&format!("{}/", escaped(name))))
                .collect(),
        ),
    }
}
