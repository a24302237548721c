//! Folders that are exchanged under the watcher: by `mv`, by a link that is flipped, by a volume that is mounted anew.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::*;

/// A folder that is looked at, and what the system was asked to watch since this was asked the last time.
struct Place {
    dir: tempfile::TempDir,
    looking: Looking,
    watched: Arc<Mutex<Vec<PathBuf>>>,
    now: Instant,
}

impl Place {
    /// `rules`, below a folder of its own, made by `make`.
    fn with(make: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        make(dir.path());
        let rules = dir.path().join("rules");
        let watched = Arc::new(Mutex::new(Vec::new()));
        let noted = watched.clone();
        let watch_one = move |path: &Path| {
            noted.lock().expect("a lock").push(path.to_owned());
            path.metadata().map(drop).map_err(notify::Error::io)
        };
        let looking = Looking::new(Watches::of(&rules, Box::new(watch_one)), Seen::of(&rules));
        let now = Instant::now();
        let mut place = Self {
            dir,
            looking,
            watched,
            now,
        };
        place.looking.look_again(now);
        assert_eq!(place.after(1), None);
        place.watched();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What differs after so many seconds, looked at as often as the thread does.
    fn after(&mut self, seconds: u64) -> Option<Part> {
        let mut differs: Option<Part> = None;
        for _ in 0..seconds * 2 {
            self.now += Duration::from_millis(500);
            if let Some(part) = self.looking.differs(self.now) {
                differs = Some(match differs {
                    Some(before) => before.and(part),
                    None => part,
                });
            }
        }
        differs
    }

    fn watched(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *self.watched.lock().expect("a lock"))
    }
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn flip(link: &Path, target: &str) {
    let new = link.with_file_name("..flipped");
    symlink(target, &new).expect("a link");
    fs::rename(new, link).expect("is flipped");
}

fn folders(names: &[&str]) -> Option<Part> {
    Some(Part::Folders(names.iter().map(|name| (*name).to_owned()).collect()))
}

#[test]
fn a_rules_folder_that_is_moved_away_and_another_one_that_is_moved_there_are_noticed_and_watched() {
    let mut place = Place::with(|dir| write(dir.join("rules/contoso/a.yaml"), "rules: []"));
    write(place.at("new/contoso/a.yaml"), "rules: [ ]");
    write(place.at("new/fabrikam/a.yaml"), "rules: []");
    fs::rename(place.at("rules"), place.at("old")).expect("is moved");
    fs::rename(place.at("new"), place.at("rules")).expect("is moved");
    assert_eq!(place.after(5), folders(&["contoso", "fabrikam"]));
    let watched = place.watched();
    for folder in ["rules", "rules/contoso", "rules/fabrikam"] {
        assert!(watched.contains(&place.at(folder)), "{folder}: {watched:?}");
    }
    assert_eq!(place.after(60), None);
    assert_eq!(place.watched(), [] as [PathBuf; 0], "once is enough");
}

#[test]
fn a_link_that_is_flipped_to_another_tree_is_noticed_and_watched_also_where_the_files_look_the_same() {
    let mut place = Place::with(|dir| {
        write(dir.join(".trees/1/contoso/a.yaml"), "rules: []");
        symlink(".trees/1", dir.join("rules")).expect("a link");
    });
    for tree in 2..5 {
        write(place.at(&format!(".trees/{tree}/contoso/a.yaml")), "rules: []");
        flip(&place.at("rules"), &format!(".trees/{tree}"));
        fs::remove_dir_all(place.at(&format!(".trees/{}", tree - 1))).expect("is removed");
        assert_eq!(place.after(30), folders(&["contoso"]), "tree {tree}");
        let watched = place.watched();
        assert!(watched.contains(&place.at("rules")) && watched.contains(&place.at("rules/contoso")));
    }
}

#[test]
fn a_rules_folder_that_is_missing_for_a_while_is_watched_when_it_is_there_again() {
    let mut place = Place::with(|dir| write(dir.join("rules/contoso/a.yaml"), "rules: []"));
    fs::rename(place.at("rules"), place.at("old")).expect("is moved");
    place.after(5);
    assert!(place.looking.watches.is_failing());
    write(place.at("rules/contoso/a.yaml"), "rules: [ ]");
    place.watched();
    place.after(60);
    assert!(!place.looking.watches.is_failing());
    let watched = place.watched();
    assert!(watched.contains(&place.at("rules/contoso")), "{watched:?}");
    write(place.at("rules/contoso/a.yaml"), "rules: [  ]");
    place.looking.waiting.heard(Part::Whole, place.now);
    assert_eq!(place.after(5), folders(&["contoso"]));
}

#[test]
fn what_the_links_of_a_mounted_volume_lead_to_is_noticed_when_they_are_flipped() {
    let mut place = Place::with(|dir| {
        // a ConfigMap on the rules folder, another one in a customer's, and a file that a team shares
        write(dir.join("rules/..1/contoso/a.yaml"), "rules: []");
        symlink("..1", dir.join("rules/..data")).expect("a link");
        symlink("..data/contoso", dir.join("rules/contoso")).expect("a link");
        write(dir.join("rules/fabrikam/..1/b.yaml"), "rules: []");
        symlink("..1", dir.join("rules/fabrikam/..data")).expect("a link");
        symlink("..data/b.yaml", dir.join("rules/fabrikam/b.yaml")).expect("a link");
        write(dir.join("rules/all/c.yaml"), "rules: []");
        write(dir.join("rules/tailspin/d.yaml"), "rules: []");
        symlink("../all/c.yaml", dir.join("rules/tailspin/c.yaml")).expect("a link");
    });
    write(place.at("rules/..2/contoso/a.yaml"), "rules: []");
    flip(&place.at("rules/..data"), "..2");
    assert_eq!(place.after(5), folders(&["contoso"]));
    write(place.at("rules/fabrikam/..2/b.yaml"), "rules: []");
    flip(&place.at("rules/fabrikam/..data"), "..2");
    assert_eq!(place.after(5), folders(&["fabrikam"]));
    // nobody is told of this one: the link stays as it is
    write(place.at("rules/all/c.yaml"), "rules: [ ]");
    assert_eq!(place.after(5), folders(&["tailspin"]));
    assert_eq!(place.after(60), None);
}

#[test]
fn what_happens_to_data_folders_is_looked_for_everywhere_and_is_no_customers() {
    let rules = Path::new("/rules");
    for path in ["/rules/..data", "/rules/..2026_1", "/rules/.git/HEAD"] {
        assert_eq!(folders_of(rules, [Path::new(path)].into_iter()), Part::Whole, "{path}");
    }
    let inside = Path::new("/rules/contoso/..data");
    assert_eq!(Some(folders_of(rules, [inside].into_iter())), folders(&["contoso"]));
}

#[test]
fn on_demand_the_system_is_asked_anew() {
    let mut place = Place::with(|dir| write(dir.join("rules/contoso/a.yaml"), "rules: []"));
    place.looking.watch_anew(place.now);
    assert_eq!(place.watched(), [place.at("rules"), place.at("rules/contoso")]);
    assert_eq!(place.after(5), None, "nothing differs");
    let begun = Arc::new(Mutex::new(0));
    let count = begun.clone();
    let renew: Renew = Box::new(move || {
        *count.lock().expect("a lock") += 1;
        Box::new(|_| Ok(()))
    });
    let rules = place.at("rules");
    let mut looking = Looking::new(Watches::of_system(&rules, renew), Seen::of(&rules));
    looking.look_again(place.now);
    assert_eq!(*begun.lock().expect("a lock"), 1);
    looking.watch_anew(place.now);
    assert_eq!(
        *begun.lock().expect("a lock"),
        2,
        "what is watched of a folder that is gone is given back"
    );
}
