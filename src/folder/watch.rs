//! Hearing when the rules folder changes, and where.
//!
//! The watcher says which customers' folders to look into; the whole is read whenever it is not sure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{Part, is_rule_file, list};

/// How long a file must be quiet before it counts as written.
const QUIET: Duration = Duration::from_millis(700);

/// Watches the folder for as long as it lives.
pub struct Watch(#[allow(dead_code, reason = "it watches until it is dropped")] RecommendedWatcher);

/// Calls `changed` when files below `rules` have changed and been quiet for a while: a file that is being written is
/// not read half. It says where to look; a folder that is never quiet keeps no other one waiting.
///
/// # Errors
/// When the folder cannot be watched (it may be missing): it is then only read on request.
pub fn watch(rules: &Path, changed: impl Fn(Part) + Send + 'static) -> Result<Watch> {
    // events name what they are about in full
    let rules = &std::path::absolute(rules).with_context(|| format!("finding {}", rules.display()))?;
    let (tell, told) = mpsc::channel();
    let mut seen = Seen::of(rules);
    let folder = rules.to_owned();
    let heard = move |event: notify::Result<notify::Event>| {
        if let Some(part) = part_of(&folder, event) {
            let _ = tell.send(part); // whoever listened has ended: so has the watch
        }
    };
    let mut watcher = notify::recommended_watcher(heard).context("making a watcher")?;
    watcher
        .watch(rules, RecursiveMode::Recursive)
        .with_context(|| format!("watching {}", rules.display()))?;
    let wait = move || {
        let mut waiting = Waiting::default();
        while waiting.hear(&told) {
            for part in waiting.quiet(Instant::now()) {
                if let Some(part) = seen.differs(part) {
                    changed(part);
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("rules".to_owned())
        .spawn(wait)
        .context("waiting for changes of the rules")?;
    Ok(Watch(watcher))
}

/// Where an event happened; nothing for one that changes nothing, as our own reading.
fn part_of(rules: &Path, event: notify::Result<notify::Event>) -> Option<Part> {
    let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
    match event {
        Ok(event) if event.kind.is_access() && event.kind != written => None,
        Ok(event) if !event.need_rescan() => Some(folders_of(rules, event.paths.iter().map(PathBuf::as_path))),
        // some events are lost
        _ => Some(Part::Whole),
    }
}

/// What changed a moment ago, and may change still.
#[derive(Default)]
struct Waiting {
    /// The folders, each with when it changed the last time; the whole under no name.
    since: BTreeMap<Option<String>, Instant>,
}

impl Waiting {
    /// Waits until something changes or something may be quiet; whether anybody is still watching.
    fn hear(&mut self, told: &mpsc::Receiver<Part>) -> bool {
        let heard = match self.since.values().min() {
            None => told.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(first) => told.recv_timeout((*first + QUIET).saturating_duration_since(Instant::now())),
        };
        let now = Instant::now();
        match heard {
            // not put off by more of it: whoever floods us must not keep everybody waiting
            Ok(Part::Whole) => drop(self.since.entry(None).or_insert(now)),
            Ok(Part::Folders(names)) => self.since.extend(names.into_iter().map(|name| (Some(name), now))),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// Takes out what has been quiet for long enough.
    fn quiet(&mut self, now: Instant) -> Vec<Part> {
        let quiet = self
            .since
            .extract_if(.., |_, since| now.saturating_duration_since(*since) >= QUIET);
        let (whole, names): (Vec<_>, Vec<_>) = quiet.map(|(name, _)| name).partition(Option::is_none);
        match (whole.is_empty(), names.is_empty()) {
            (false, _) => vec![Part::Whole],
            (true, false) => vec![Part::Folders(names.into_iter().flatten().collect())],
            (true, true) => Vec::new(),
        }
    }
}

/// The folders that these paths are in; the whole, if one is in none of them.
fn folders_of<'p>(rules: &Path, paths: impl Iterator<Item = &'p Path>) -> Part {
    let mut names = BTreeSet::new();
    for path in paths {
        let mut below = path.strip_prefix(rules).into_iter().flatten();
        match (below.next().and_then(|name| name.to_str()), below.next()) {
            (Some(name), Some(_)) => names.insert(name.to_owned()),
            (Some(name), None) if path.is_dir() || !is_rule_file(name) => names.insert(name.to_owned()),
            _ => return Part::Whole,
        };
    }
    Part::Folders(names)
}

/// What the folder looked like the last time: not every event is a change.
///
/// Opening something is an event too, and of too many events some are lost. So what is known is only looked at, which is
/// none, and only what is different is listed again.
struct Seen {
    rules: PathBuf,
    itself: Option<Stamp>,
    /// What is in the folder, by its name, with everything below it.
    entries: BTreeMap<String, Vec<(PathBuf, Stamp)>>,
}

/// Size, time, number and mode: what differs when something is changed. A folder's time differs when a name in it does.
type Stamp = (u64, i64, i64, u64, u32);

impl Seen {
    fn of(rules: &Path) -> Self {
        let mut seen = Self {
            rules: rules.to_owned(),
            itself: None,
            entries: BTreeMap::new(),
        };
        seen.differs(Part::Whole);
        seen
    }

    /// What of a part is different now; nothing, if nothing is.
    fn differs(&mut self, part: Part) -> Option<Part> {
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
    fn names(&mut self) -> BTreeSet<String> {
        let now = stamp(&self.rules);
        let listed = match now == self.itself {
            true => Vec::new(),
            false => list(&self.rules).unwrap_or_default(),
        };
        self.itself = now;
        let listed = listed.into_iter().map(|(name, _)| name);
        self.entries.keys().cloned().chain(listed).collect()
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

/// Something and everything below it; nothing, if it is not there.
fn stamps(path: &Path) -> Vec<(PathBuf, Stamp)> {
    let mut found = Vec::new();
    let mut left = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        let Some(stamp) = stamp(&path) else { continue };
        // no link is followed
        if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            left.extend(list(&path).unwrap_or_default().into_iter().map(|(_, path)| path));
        }
        found.push((path, stamp));
    }
    found
}

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = path.symlink_metadata().ok()?;
    Some((meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino(), meta.mode()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_watcher_says_which_folders_are_different_and_everything_when_it_is_not_sure() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        for name in ["contoso", "fabrikam"] {
            fs::create_dir(at(name)).expect("a folder");
            fs::write(at(name).join("a.yaml"), "rules: []").expect("a file");
        }
        let part = |names: &[&str]| {
            let paths: Vec<PathBuf> = names.iter().map(|name| at(name)).collect();
            folders_of(dir.path(), paths.iter().map(PathBuf::as_path))
        };
        let folders = |names: &[&str]| Part::Folders(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(part(&["contoso/a.yaml", "fabrikam"]), folders(&["contoso", "fabrikam"]));
        assert_eq!(part(&["gone"]), folders(&["gone"]));
        assert_eq!(part(&["contoso/a.yaml", "a.yaml"]), Part::Whole);
        assert_eq!(folders_of(dir.path(), [dir.path()].into_iter()), Part::Whole);
        assert_eq!(
            folders_of(dir.path(), [Path::new("/elsewhere")].into_iter()),
            Part::Whole
        );
        let mut seen = Seen::of(dir.path());
        assert_eq!(seen.differs(folders(&["contoso", "fabrikam"])), None);
        fs::write(at("contoso/a.yaml"), "rules: [ ]").expect("a file");
        fs::remove_dir_all(at("fabrikam")).expect("is gone");
        assert_eq!(
            seen.differs(folders(&["contoso", "other"])),
            Some(folders(&["contoso"]))
        );
        assert_eq!(seen.differs(Part::Whole), Some(folders(&["fabrikam"])));
        assert_eq!(seen.differs(Part::Whole), None);
        fs::write(at("contoso/b.yaml"), "rules: []").expect("a file");
        fs::create_dir(at("new")).expect("a folder");
        std::os::unix::fs::symlink("/", at("new/link")).expect("a link");
        assert_eq!(seen.differs(Part::Whole), Some(folders(&["contoso", "new"])));
        fs::write(at("a.yaml"), "rules: []").expect("a file");
        assert_eq!(seen.differs(Part::Whole), Some(Part::Whole));
        assert_eq!(seen.differs(Part::Whole), None);
    }

    #[test]
    fn what_is_quiet_is_looked_at_and_what_goes_on_changing_waits_by_itself() {
        let (tell, told) = mpsc::channel();
        let mut waiting = Waiting::default();
        let folder = |name: &str| Part::Folders([name.to_owned()].into());
        let start = Instant::now();
        tell.send(folder("contoso")).expect("is heard");
        assert!(waiting.hear(&told));
        assert!(waiting.quiet(start).is_empty());
        let later = Instant::now() + QUIET;
        waiting.since.insert(Some("busy".to_owned()), later);
        assert_eq!(waiting.quiet(later), [folder("contoso")]);
        assert_eq!(waiting.quiet(later + QUIET), [folder("busy")]);
        tell.send(folder("contoso")).expect("is heard");
        tell.send(Part::Whole).expect("is heard");
        assert!(waiting.hear(&told) && waiting.hear(&told));
        assert_eq!(waiting.quiet(Instant::now() + QUIET), [Part::Whole]);
        drop(tell);
        assert!(!waiting.hear(&told));
    }

    #[test]
    fn a_folder_that_is_named_from_here_is_watched_by_customer() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("contoso")).expect("a folder");
        let here = std::env::current_dir().expect("a directory");
        let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
        let from_here = up.join(dir.path().strip_prefix("/").expect("an absolute path"));
        let (tell, told) = mpsc::channel();
        let _watch = watch(&from_here, move |part| drop(tell.send(part))).expect("is watched");
        fs::write(dir.path().join("contoso/a.yaml"), "rules: []").expect("a file");
        let part = told.recv_timeout(Duration::from_secs(60)).expect("a change");
        assert_eq!(part, Part::Folders(["contoso".to_owned()].into()));
    }

    #[test]
    fn our_own_reading_is_no_change_and_lost_events_are_a_change_of_everything() {
        let rules = Path::new("/rules");
        let event = |kind| Ok(notify::Event::new(kind).add_path(rules.join("contoso/a.yaml")));
        let folder = Some(Part::Folders(["contoso".to_owned()].into()));
        let close = |mode| EventKind::Access(AccessKind::Close(mode));
        assert_eq!(
            part_of(rules, event(EventKind::Access(AccessKind::Open(AccessMode::Any)))),
            None
        );
        assert_eq!(part_of(rules, event(close(AccessMode::Read))), None);
        assert_eq!(part_of(rules, event(close(AccessMode::Write))), folder);
        assert_eq!(part_of(rules, event(EventKind::Any)), folder);
        let lost = notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        assert_eq!(part_of(rules, Ok(lost)), Some(Part::Whole));
        assert_eq!(part_of(rules, Err(notify::Error::generic("lost"))), Some(Part::Whole));
    }
}
