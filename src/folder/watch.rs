//! Hearing when the rules folder changes, and where.
//!
//! The system tells of changes in the rules folder and in each folder directly in it; where it cannot (its watches are
//! used up, the folder is missing, or lies on another machine), everything is looked at every few seconds. Either says
//! which customers' folders to look into; the whole is read whenever it is not sure.
//!
//! What is watched is the folder that a path leads to, and another one may take its place (`mv`, a link that git-sync
//! flips): so the path is looked at again and again, and what it leads to now is watched anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecursiveMode, Watcher as _};

use super::{Part, is_rule_file};
use crate::customer::may_be_a_customer;
use seen::{Identity, Seen};
#[cfg(test)]
use waiting::QUIET;
use waiting::Waiting;

mod remote;
mod seen;
#[cfg(test)]
mod swaps;
mod waiting;

/// How often everything is looked at where the system does not tell of changes.
const POLL_EVERY: Duration = Duration::from_secs(5);

/// How often it is looked whether the rules folder, or what a link leads to, is still the one that is watched.
const LOOK_AT_PATHS_EVERY: Duration = Duration::from_secs(2);

/// Looking at everything takes at most one of so many parts of the time.
const POLL_SHARE: u32 = 20;

/// Watches the folder for as long as it lives.
pub struct Watch(mpsc::Sender<Heard>);

/// What the watching thread is told.
enum Heard {
    /// Something changed here.
    Changed(Part),
    /// Everything is to be watched anew.
    Anew,
    /// Nobody is interested any more.
    Stop,
}

impl Watch {
    /// Watches everything anew, whatever was watched before: somebody asked for it.
    pub fn anew(&self) {
        let _ = self.0.send(Heard::Anew);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // a thread that has ended already needs not be told
        let _ = self.0.send(Heard::Stop);
    }
}

/// Calls `changed` when files below `rules` have changed and been quiet for a while: a file that is being written is
/// not read half. It says where to look; a folder that is never quiet keeps no other one waiting, and one that changes
/// again and again is looked at ever more seldom. `polled` is told whenever the system stops or begins to tell of
/// changes.
///
/// # Errors
/// When no thread can be started: it is then only read on request.
pub fn watch(
    rules: &Path,
    changed: impl Fn(Part) + Send + 'static,
    polled: impl Fn(bool) + Send + 'static,
) -> Result<Watch> {
    // events name what they are about in full
    let rules = std::path::absolute(rules).with_context(|| format!("finding {}", rules.display()))?;
    let (tell, told) = mpsc::channel();
    let seen = Seen::of(&rules);
    let heard = tell.clone();
    let work = move || {
        let folder = rules.clone();
        let renew = Box::new(move || system(&folder, heard.clone()));
        let mut looking = Looking::new(Watches::of_system(&rules, renew), seen);
        looking.look_again(Instant::now());
        let mut was_polled = false;
        while looking.hear(&told) {
            let differs = looking.differs(Instant::now());
            differs.into_iter().for_each(&changed);
            if looking.watches.is_failing() != was_polled {
                was_polled = !was_polled;
                polled(was_polled);
            }
        }
    };
    std::thread::Builder::new()
        .name("rules".to_owned())
        .spawn(work)
        .context("waiting for changes of the rules")?;
    Ok(Watch(tell))
}

/// Has the system watch a folder, but not what is below the folders in it.
type WatchOne = Box<dyn FnMut(&Path) -> notify::Result<()>>;

/// Begins to watch anew; what was watched before is not any more.
type Renew = Box<dyn FnMut() -> WatchOne>;

/// The system's own watching.
fn system(rules: &Path, tell: mpsc::Sender<Heard>) -> WatchOne {
    let folder = rules.to_owned();
    let heard = move |event: notify::Result<notify::Event>| {
        if let Some(part) = part_of(&folder, event) {
            let _ = tell.send(Heard::Changed(part)); // whoever listened has ended: so has the watch
        }
    };
    let mut watcher = notify::recommended_watcher(heard);
    Box::new(move |path| match &mut watcher {
        Ok(_) if remote::is_remote(path) => Err(notify::Error::generic(remote::WHY)),
        Ok(watcher) => watcher.watch(path, RecursiveMode::NonRecursive),
        Err(error) => Err(notify::Error::generic(&error.to_string())),
    })
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

/// The folders that these paths are in; the whole, if one is in none of them.
fn folders_of<'p>(rules: &Path, paths: impl Iterator<Item = &'p Path>) -> Part {
    let mut names = BTreeSet::new();
    for path in paths {
        let mut below = path.strip_prefix(rules).into_iter().flatten();
        match (below.next().and_then(|name| name.to_str()), below.next()) {
            // what links lead into: `..data` of a mounted volume
            (Some(name), _) if !may_be_a_customer(name) => return Part::Whole,
            (Some(name), Some(_)) => names.insert(name.to_owned()),
            (Some(name), None) if path.is_dir() || !is_rule_file(name) => names.insert(name.to_owned()),
            _ => return Part::Whole,
        };
    }
    Part::Folders(names)
}

/// What the system watches for us: the rules folder, and the folders in it. So the watches that there are cannot be used
/// up by what one customer makes in its folder.
struct Watches {
    rules: PathBuf,
    watch_one: WatchOne,
    renew: Option<Renew>,
    /// Whether another folder is in the place of the one that is watched, or may be.
    is_stale: bool,
    /// Why the system does not tell of everything; then everything is looked at again and again.
    failure: Option<String>,
}

impl Watches {
    /// None yet.
    fn of(rules: &Path, watch_one: WatchOne) -> Self {
        Self {
            rules: rules.to_owned(),
            watch_one,
            renew: None,
            is_stale: false,
            failure: None,
        }
    }

    /// The system's own, which can be begun anew.
    fn of_system(rules: &Path, mut renew: Renew) -> Self {
        let watch_one = renew();
        let renew = Some(renew);
        Self {
            renew,
            ..Self::of(rules, watch_one)
        }
    }

    fn is_failing(&self) -> bool {
        self.failure.is_some()
    }

    /// Watches everything, with the folders of these names.
    fn begin<'n>(&mut self, names: impl IntoIterator<Item = &'n String>) {
        let before = self.failure.take();
        if (std::mem::take(&mut self.is_stale) || before.is_some())
            && let Some(renew) = &mut self.renew
        {
            self.watch_one = renew();
        }
        let rules = self.rules.clone();
        if self.watch(&rules) {
            self.follow(names);
        }
        match (&before, &self.failure) {
            (None, Some(why)) => tracing::warn!(
                why,
                "the system does not tell of all changes of the rules; they are looked at every few seconds instead \
                 (hint: if watches are used up, raise fs.inotify.max_user_watches)"
            ),
            (Some(_), None) => tracing::info!("the system tells of changes of the rules again"),
            _ => {}
        }
    }

    /// Watches folders that may be new, until one cannot be watched.
    fn follow<'n>(&mut self, names: impl IntoIterator<Item = &'n String>) {
        for name in names {
            let path = self.rules.join(name);
            if may_be_a_customer(name) && path.is_dir() && !self.watch(&path) {
                return;
            }
        }
    }

    fn watch(&mut self, path: &Path) -> bool {
        let watched = (self.watch_one)(path);
        // what is gone by now needs no watch, but for the whole
        let failed = watched.err().filter(|_| path == self.rules || path.exists());
        self.failure = failed.map(|error| error.to_string()).or(self.failure.take());
        self.failure.is_none()
    }
}

/// What is known of the folder, and what is to be looked at next.
struct Looking {
    watches: Watches,
    seen: Seen,
    waiting: Waiting,
    /// When everything is looked at again, if the system does not tell of changes.
    look_again: Instant,
    /// The folder that is watched.
    watched: Option<Identity>,
    /// When it is looked whether it is still there.
    look_at_paths: Instant,
}

impl Looking {
    fn new(watches: Watches, seen: Seen) -> Self {
        Self {
            watches,
            seen,
            waiting: Waiting::default(),
            look_again: Instant::now(),
            watched: None,
            look_at_paths: Instant::now() + LOOK_AT_PATHS_EVERY,
        }
    }

    /// Has everything watched, and looked at soon: something may have changed before it was watched.
    fn look_again(&mut self, now: Instant) {
        // first looked at, then watched: what is exchanged in between is noticed by the next look
        self.watched = Identity::of(&self.watches.rules);
        let names = self.seen.names();
        self.watches.begin(&names);
        self.waiting.heard(Part::Whole, now);
    }

    /// Watches everything anew.
    fn watch_anew(&mut self, now: Instant) {
        self.watches.is_stale = true;
        self.look_again(now);
    }

    /// Looks whether the paths still lead where they led: another folder is watched anew, and what links lead to is looked
    /// at as if it had been told.
    fn look_at_paths(&mut self, now: Instant) {
        self.look_at_paths = now + LOOK_AT_PATHS_EVERY;
        let there = Identity::of(&self.watches.rules);
        let is_same = match (&self.watched, &there) {
            (Some(watched), Some(there)) => watched.is_same_folder(there),
            (watched, there) => watched.is_none() && there.is_none(),
        };
        if !is_same {
            tracing::info!("another rules folder is in the place of the one before; it is read and watched");
            return self.watch_anew(now);
        }
        let elsewhere = self.seen.leads_elsewhere();
        if !elsewhere.is_empty() {
            self.waiting.heard(Part::Folders(elsewhere), now);
        }
    }

    /// Waits until something changes or something may be quiet; whether anybody is still interested.
    fn hear(&mut self, told: &mpsc::Receiver<Heard>) -> bool {
        let polls = self.watches.is_failing().then_some(self.look_again);
        let next = self.waiting.next().into_iter().chain(polls).min();
        let next = next.unwrap_or(self.look_at_paths).min(self.look_at_paths);
        match told.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Heard::Changed(part)) => self.waiting.heard(part, Instant::now()),
            Ok(Heard::Anew) => self.watch_anew(Instant::now()),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Heard::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// What is different of what has been quiet for long enough.
    fn differs(&mut self, now: Instant) -> Option<Part> {
        if now >= self.look_at_paths {
            self.look_at_paths(now);
        }
        if self.watches.is_failing() && now >= self.look_again {
            self.look_again(now);
        }
        let mut names = match self.waiting.quiet(now)? {
            Part::Whole => self.seen.names(),
            Part::Folders(names) => names,
        };
        self.waiting.put_off(&mut names, now);
        // first watched, then looked at: what changes in between is told
        let was_failing = self.watches.is_failing();
        self.watches.follow(&names);
        if self.watches.is_failing() && !was_failing {
            self.watches.failure = None; // so that it is said
            self.look_again(now);
        }
        let part = self.seen.differs(Part::Folders(names));
        self.look_again = Instant::now() + POLL_EVERY.max(now.elapsed() * POLL_SHARE);
        if let Some(part) = &part {
            self.waiting.reported(part, now);
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;

    fn folders(names: &[&str]) -> Part {
        Part::Folders(names.iter().map(|name| (*name).to_owned()).collect())
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
    fn where_the_system_watches_no_more_everything_is_looked_at_and_a_new_folder_is_found() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("contoso")).expect("a folder");
        // as the system does when its watches are used up: the rules folder and one more
        let most = Arc::new(AtomicUsize::new(2));
        let (limit, mut watched) = (most.clone(), BTreeSet::new());
        let watch_one = move |path: &Path| {
            if watched.len() >= limit.load(Ordering::Relaxed) && !watched.contains(path) {
                return Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch));
            }
            watched.insert(path.to_owned());
            Ok(())
        };
        let mut looking = Looking::new(Watches::of(dir.path(), Box::new(watch_one)), Seen::of(dir.path()));
        let start = Instant::now();
        looking.look_again(start);
        assert_eq!(looking.differs(start + QUIET), None);
        assert!(!looking.watches.is_failing());
        let (tell, told) = mpsc::channel();
        fs::create_dir(dir.path().join("fabrikam")).expect("a folder");
        fs::write(dir.path().join("fabrikam/a.yaml"), "rules: []").expect("a file");
        tell.send(Heard::Changed(folders(&["fabrikam"]))).expect("is heard");
        assert!(looking.hear(&told));
        let later = start + Duration::from_secs(1);
        assert_eq!(looking.differs(later), Some(folders(&["fabrikam"])));
        assert!(looking.watches.is_failing(), "no third one is watched");
        // nobody tells of this one
        fs::create_dir(dir.path().join("tailspin")).expect("a folder");
        fs::write(dir.path().join("tailspin/a.yaml"), "rules: []").expect("a file");
        let poll = later + Duration::from_secs(60);
        assert_eq!(looking.differs(poll), Some(folders(&["tailspin"])));
        most.store(1_000, Ordering::Relaxed);
        assert_eq!(looking.differs(poll + Duration::from_secs(60)), None);
        assert!(!looking.watches.is_failing(), "there are watches again");
    }

    #[test]
    fn what_lies_deeper_than_rule_files_is_neither_watched_nor_looked_at() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(dir.path().join("contoso/deep/deeper")).expect("folders");
        let watched = Arc::new(Mutex::new(Vec::new()));
        let noted = watched.clone();
        let watch_one = move |path: &Path| {
            noted.lock().expect("a lock").push(path.to_owned());
            Ok(())
        };
        let mut looking = Looking::new(Watches::of(dir.path(), Box::new(watch_one)), Seen::of(dir.path()));
        looking.look_again(Instant::now());
        assert_eq!(
            *watched.lock().expect("a lock"),
            [dir.path().to_owned(), dir.path().join("contoso")]
        );
        fs::write(dir.path().join("contoso/deep/a.yaml"), "rules: []").expect("a file");
        assert_eq!(looking.seen.differs(Part::Whole), None);
    }

    #[test]
    fn a_folder_that_is_named_from_here_is_watched_by_customer() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("contoso")).expect("a folder");
        let here = std::env::current_dir().expect("a directory");
        let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
        let from_here = up.join(dir.path().strip_prefix("/").expect("an absolute path"));
        let (tell, told) = mpsc::channel();
        let _watch = watch(&from_here, move |part| drop(tell.send(part)), |_| ()).expect("is watched");
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
