//! What the folder looked like the last time: not every event is a change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::{FILES_MOST, Part, is_rule_file, list};

/// What the folder looked like the last time.
///
/// Opening something is an event too, and of too many events some are lost. So what is known is only looked at, which is
/// none, and only what is different is listed again. Of a customer's folder only what may be read of it counts.
pub(super) struct Seen {
    rules: PathBuf,
    itself: Option<Stamp>,
    /// The names in it, when it was listed the last time.
    listed: BTreeSet<String>,
    /// What is in the folder, by its name, with the rule files in it.
    entries: BTreeMap<String, Vec<(PathBuf, Stamp)>>,
}

/// Size, time, number and mode: what differs when something is changed. A folder's time differs when a name in it does.
type Stamp = (u64, i64, i64, u64, u32);

impl Seen {
    pub fn of(rules: &Path) -> Self {
        let mut seen = Self {
            rules: rules.to_owned(),
            itself: None,
            listed: BTreeSet::new(),
            entries: BTreeMap::new(),
        };
        seen.differs(Part::Whole);
        seen
    }

    /// What of a part is different now; nothing, if nothing is.
    pub fn differs(&mut self, part: Part) -> Option<Part> {
        let mut names = match part {
            Part::Whole => self.names(),
            Part::Folders(names) => names,
        };
        names.retain(|name| self.is_new(name));
        match names.iter().any(|name| is_rule_file(name)) {
            true => Some(Part::Whole),
            false => (!names.is_empty()).then_some(Part::Folders(names)),
        }
    }

    /// The names that were or are in the folder.
    pub fn names(&mut self) -> BTreeSet<String> {
        let now = stamp(&self.rules);
        if now != self.itself {
            let listed = list(&self.rules, usize::MAX).unwrap_or_default().into_iter();
            self.listed = listed.map(|(name, _)| name).collect();
            self.itself = now;
        }
        self.entries.keys().chain(&self.listed).cloned().collect()
    }

    fn is_new(&mut self, name: &str) -> bool {
        let before = self.entries.remove(name).unwrap_or_default();
        let is_same = |(path, before): &(PathBuf, Stamp)| stamp(path) == Some(*before);
        let now = match !before.is_empty() && before.iter().all(is_same) {
            true => before.clone(),
            false => stamps(&self.rules.join(name)),
        };
        let is_new = now != before;
        if !now.is_empty() {
            self.entries.insert(name.to_owned(), now);
        }
        is_new
    }
}

/// Something, and the rule files directly in it; nothing, if it is not there.
fn stamps(path: &Path) -> Vec<(PathBuf, Stamp)> {
    let Some(itself) = stamp(path) else {
        return Vec::new();
    };
    let mut found = vec![(path.to_owned(), itself)];
    // no link is followed
    if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        let files = list(path, FILES_MOST).unwrap_or_default().into_iter();
        let files = files.filter(|(name, _)| is_rule_file(name)).map(|(_, path)| path);
        found.extend(
            files
                .filter_map(|path| Some((stamp(&path)?, path)))
                .map(|(stamp, path)| (path, stamp)),
        );
    }
    found
}

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = path.symlink_metadata().ok()?;
    Some((meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino(), meta.mode()))
}
