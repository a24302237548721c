//! The rules folder on disk: reading it whole, and hearing when it changes.
//!
//! Strangers own parts of it: only regular files are read, no links are followed, and everything has a limit. A file
//! that cannot be read is broken, never gone. The watcher says which customers' folders to look into; the whole is read
//! at the start, on request, and whenever the watcher is not sure.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::rule::check::Source;
use crate::secret::open_beneath;

/// The largest rule file, bytes.
pub const FILE_BYTES_MOST: u64 = 256 * 1024;

/// The most rule files of one customer.
pub const FILES_MOST: usize = 10_000;

/// How long a file must be quiet before it counts as written.
const QUIET: Duration = Duration::from_millis(700);

/// What of the rules folder to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// These folders below it, whole; they may be gone.
    Folders(BTreeSet<String>),
}

/// What a reading of the folder found.
#[derive(Debug, Default)]
pub struct Found {
    /// The files' texts, by path.
    pub sources: Vec<Source>,
    /// Files that are there and cannot be used: path and why.
    pub unreadable: Vec<(String, String)>,
}

/// Reads every rule file below `rules`, or in a part of it: directly in it, and in its folders (but not in `secrets/`).
///
/// # Errors
/// When the folder itself is there and cannot be listed. A folder that is missing holds nothing.
pub fn read(rules: &Path, part: &Part) -> Result<Found> {
    let mut found = Found::default();
    if let Part::Folders(names) = part {
        let is_folder = |name: &&String| rules.join(name).symlink_metadata().is_ok_and(|meta| meta.is_dir());
        let there = names.iter().filter(is_folder);
        there.for_each(|name| read_customer(rules, name, &mut found));
        return Ok(found);
    }
    if !rules.exists() {
        return Ok(found);
    }
    for (name, path) in list(rules).with_context(|| format!("listing the rules folder {}", rules.display()))? {
        match path.symlink_metadata().map(|meta| meta.is_dir()) {
            Ok(true) => read_customer(rules, &name, &mut found),
            _ => found.take(rules, name),
        }
    }
    Ok(found)
}

fn read_customer(rules: &Path, customer: &str, found: &mut Found) {
    let files = match list(&rules.join(customer)) {
        Ok(files) => files,
        Err(error) => {
            return found
                .unreadable
                .push((format!("{customer}/"), format!("the folder cannot be listed: {error}")));
        }
    };
    for (nth, (name, _)) in files.into_iter().enumerate() {
        if nth >= FILES_MOST {
            let why = format!("the folder holds more than {FILES_MOST} files; the rest is not read");
            return found.unreadable.push((format!("{customer}/"), why));
        }
        if name != "secrets" {
            found.take(rules, format!("{customer}/{name}"));
        }
    }
}

impl Found {
    fn take(&mut self, rules: &Path, name: String) {
        if !is_rule_file(&name) {
            return;
        }
        match text_of(rules, &name) {
            Ok(text) => self.sources.push(Source { path: name, text }),
            Err(why) => self.unreadable.push((name, why)),
        }
    }
}

/// `.yaml` or `.yml`, and not an editor's own file.
fn is_rule_file(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    !file.starts_with(['.', '#', '~']) && (file.ends_with(".yaml") || file.ends_with(".yml"))
}

fn list(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    entries.sort();
    Ok(entries)
}

/// A file's text; never follows a link, never waits on a pipe.
fn text_of(rules: &Path, name: &str) -> Result<String, String> {
    let mut file = open_beneath(rules, Path::new(name)).map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => {
            "is a symbolic link; links are not followed".to_owned()
        }
        _ => format!("cannot be opened: {error}"),
    })?;
    let meta = file
        .metadata()
        .map_err(|error| format!("cannot be looked at: {error}"))?;
    if meta.len() > FILE_BYTES_MOST {
        return Err(format!(
            "has {} bytes; a rule file has at most {FILE_BYTES_MOST}: split it into several files",
            meta.len()
        ));
    }
    let mut bytes = Vec::new();
    file.by_ref()
        .take(FILE_BYTES_MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| format!("is not UTF-8 text (byte {})", error.utf8_error().valid_up_to()))
}

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
    use super::*;

    #[test]
    fn only_regular_yaml_files_are_read_and_nothing_else_is_gone() {
        let dir = tempfile::tempdir().expect("a directory");
        let contoso = dir.path().join("contoso");
        fs::create_dir_all(contoso.join("secrets")).expect("folders");
        fs::write(contoso.join("production.yaml"), "rules: []").expect("a file");
        fs::write(contoso.join("secrets/teams.yaml"), "https://secret").expect("a file");
        fs::write(contoso.join("notes.txt"), "x").expect("a file");
        fs::write(contoso.join(".production.yaml.swp.yaml"), "x").expect("a file");
        fs::write(contoso.join("latin1.yaml"), [b'a', 0xe9]).expect("a file");
        fs::write(contoso.join("large.yaml"), "x".repeat(256 * 1024 + 1)).expect("a file");
        fs::write(contoso.join("full.yaml"), "x".repeat(256 * 1024)).expect("a file");
        std::os::unix::fs::symlink("/etc/passwd", contoso.join("link.yaml")).expect("a link");
        let found = read(dir.path(), &Part::Whole).expect("reads");
        let read: Vec<&str> = found.sources.iter().map(|source| source.path.as_str()).collect();
        assert_eq!(read, ["contoso/full.yaml", "contoso/production.yaml"]);
        let refused: Vec<&str> = found.unreadable.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            refused,
            ["contoso/large.yaml", "contoso/latin1.yaml", "contoso/link.yaml"]
        );
    }

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

    #[test]
    fn of_a_part_only_its_folders_are_read() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["contoso", "fabrikam"] {
            fs::create_dir(dir.path().join(name)).expect("a folder");
            fs::write(dir.path().join(name).join("a.yaml"), "rules: []").expect("a file");
        }
        let part = Part::Folders(["contoso", "gone"].map(str::to_owned).into());
        let found = read(dir.path(), &part).expect("reads");
        assert_eq!(found.sources.len(), 1);
        assert_eq!(found.sources[0].path, "contoso/a.yaml");
    }

    #[test]
    fn a_missing_folder_holds_nothing() {
        let found = read(Path::new("/nowhere/at/all"), &Part::Whole).expect("reads");
        assert!(found.sources.is_empty() && found.unreadable.is_empty());
    }
}
