//! What the folder looked like the last time: not every event is a change.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::super::{FILES_MOST, Part, is_rule_file, list};
use crate::customer::may_be_a_customer;
use crate::secret::beneath::{Reach, Root};

/// What the folder looked like the last time.
///
/// Opening something is an event too, and of too many events some are lost. So what is known is only looked at, which is
/// none, and only what is different is listed again. Of a customer's folder only what may be read of it counts.
pub(super) struct Seen {
    rules: PathBuf,
    itself: Option<Identity>,
    /// The names in it, when it was listed the last time.
    listed: BTreeSet<String>,
    /// What is in the folder, by its name, with the rule files in it.
    entries: BTreeMap<String, Vec<(PathBuf, Stamp)>>,
    /// The names of those that are links, or hold links: nobody tells when what these lead to changes.
    linked: BTreeSet<String>,
}

/// Which folder a path leads to, and when a name in it changed: another one may have been put in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    real: PathBuf,
    stamp: Stamp,
}

/// What something looks like, and what it leads to if it is a link.
type Stamp = (Looks, Option<Looks>);

/// Size, time, number, mode and file system: what differs when something is changed. A folder's time differs when a name
/// in it does.
type Looks = (u64, i64, i64, u64, u32, u64);

impl Identity {
    /// Of the folder that is there now, if there is one.
    pub fn of(rules: &Path) -> Option<Self> {
        let real = std::fs::canonicalize(rules).ok()?;
        let stamp = (looks(&real.metadata().ok()?), None);
        Some(Self { real, stamp })
    }

    /// Whether both are the same folder, whatever changed in it.
    pub fn is_same_folder(&self, other: &Self) -> bool {
        let ((_, _, _, number, _, device), (_, _, _, others, _, their_device)) = (self.stamp.0, other.stamp.0);
        self.real == other.real && (number, device) == (others, their_device)
    }
}

impl Seen {
    pub fn of(rules: &Path) -> Self {
        let mut seen = Self {
            rules: rules.to_owned(),
            itself: None,
            listed: BTreeSet::new(),
            entries: BTreeMap::new(),
            linked: BTreeSet::new(),
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
        let root = Root::of(&self.rules).ok();
        names.retain(|name| may_be_a_customer(name) && self.is_new(root.as_ref(), name));
        match names.iter().any(|name| is_rule_file(name)) {
            true => Some(Part::Whole),
            false => (!names.is_empty()).then_some(Part::Folders(names)),
        }
    }

    /// The names that were or are in the folder.
    pub fn names(&mut self) -> BTreeSet<String> {
        let now = Identity::of(&self.rules);
        if now != self.itself {
            let listed = list(&self.rules, usize::MAX).unwrap_or_default().into_iter();
            let listed = listed.map(|(name, _)| name).filter(|name| may_be_a_customer(name));
            self.listed = listed.collect();
            self.itself = now;
        }
        self.entries.keys().chain(&self.listed).cloned().collect()
    }

    /// Those that are links or hold links, and lead to something else than the last time.
    pub fn leads_elsewhere(&self) -> BTreeSet<String> {
        let root = Root::of(&self.rules).ok();
        let is_same = |(path, before): &(PathBuf, Stamp)| self.stamp(root.as_ref(), path) == Some(*before);
        let differs = |name: &&String| self.entries.get(*name).is_some_and(|known| !known.iter().all(is_same));
        self.linked.iter().filter(differs).cloned().collect()
    }

    fn is_new(&mut self, root: Option<&Root>, name: &str) -> bool {
        let before = self.entries.remove(name).unwrap_or_default();
        let is_same = |(path, before): &(PathBuf, Stamp)| self.stamp(root, path) == Some(*before);
        let now = match !before.is_empty() && before.iter().all(is_same) {
            true => before.clone(),
            false => self.stamps(root, name),
        };
        let is_new = now != before;
        self.linked.remove(name);
        if now.iter().any(|(_, stamp)| stamp.1.is_some()) {
            self.linked.insert(name.to_owned());
        }
        if !now.is_empty() {
            self.entries.insert(name.to_owned(), now);
        }
        is_new
    }

    /// Something, and the rule files directly in it; nothing, if it is not there.
    fn stamps(&self, root: Option<&Root>, name: &str) -> Vec<(PathBuf, Stamp)> {
        let path = self.rules.join(name);
        let Some(itself) = self.stamp(root, &path) else {
            return Vec::new();
        };
        let mut found = vec![(path.clone(), itself)];
        let folder = root.and_then(|root| root.path_of(Path::new(name), Reach::Everything).ok());
        if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
            let files = list(&folder, FILES_MOST).unwrap_or_default().into_iter();
            let files = files.map(|(name, _)| name).filter(|name| is_rule_file(name));
            let stamped = files.map(|file| path.join(file));
            found.extend(
                stamped
                    .filter_map(|path| Some((self.stamp(root, &path)?, path)))
                    .map(|(stamp, path)| (path, stamp)),
            );
        }
        found
    }

    /// A link is looked through where it may be followed.
    fn stamp(&self, root: Option<&Root>, path: &Path) -> Option<Stamp> {
        let meta = path.symlink_metadata().ok()?;
        let leads_to = || {
            let below = path.strip_prefix(&self.rules).ok()?;
            let target = root?.path_of(below, Reach::Everything).ok()?;
            Some(looks(&target.symlink_metadata().ok()?))
        };
        // what lies in a folder that is a link is found by its own name; only the last one is looked through
        let target = meta.is_symlink().then(leads_to).flatten();
        let target = target.or_else(|| meta.is_symlink().then_some((0, 0, 0, 0, 0, 0)));
        Some((looks(&meta), target))
    }
}

fn looks(meta: &Metadata) -> Looks {
    (
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ino(),
        meta.mode(),
        meta.dev(),
    )
}
