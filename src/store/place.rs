//! Where the store lives: in `store/<number>/`, and `store/current` says which number is in use.
//!
//! sled keeps the path it was opened with, so the directory of an open store is never renamed: a fresh store gets the
//! next number, is pointed to when it is whole, and the one before it goes when nobody reads it any more.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::durable::{create_dir_durably, remove_dir, sync_dir, write_durably};

/// The directory of the store in use below the state directory; one that is not there, if none is.
pub fn directory(state: &Path) -> PathBuf {
    numbered(state, number(state))
}

/// The number of the store in use; 0, which is never given, if the pointer is missing or says nothing.
pub fn number(state: &Path) -> u64 {
    let text = fs::read_to_string(pointer(state)).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// A directory for a fresh store: its number was never given before, as far as can be seen. It is not made yet.
///
/// # Errors
/// When the stores cannot be listed.
pub fn fresh(state: &Path) -> Result<PathBuf> {
    let given = numbers(state)?.into_iter().max().unwrap_or(0);
    Ok(numbered(state, given.max(number(state)) + 1))
}

/// Says, durably, that the store in `dir` is the one in use.
///
/// # Errors
/// When that cannot be written; the one before it stays in use.
pub fn point(state: &Path, dir: &Path) -> Result<()> {
    create_dir_durably(&all(state)).context("making the stores' directory")?;
    let name = dir.file_name().context("a store has a number")?.to_string_lossy();
    write_durably(&pointer(state), format!("{name}\n").as_bytes()).context("saying which store is in use")
}

/// Removes every store but the one in use, and what is left of unfinished work.
///
/// # Errors
/// When something cannot be removed; the rest is.
pub fn sweep(state: &Path) -> Result<()> {
    let used = directory(state);
    let mut failed = None;
    for path in entries(state)? {
        if path == used || path == pointer(state) {
            continue;
        }
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        if let Err(error) = removed {
            failed.get_or_insert((error, path));
        }
    }
    match failed {
        Some((error, path)) => Err(error).with_context(|| format!("removing {}", path.display())),
        None => Ok(()),
    }
}

/// Keeps a store that is not believed for whoever wants to look at it; only the last one. It must not be open.
///
/// # Errors
/// When it cannot be put away durably.
pub fn set_aside(state: &Path) -> Result<()> {
    let dir = directory(state);
    if !dir.exists() {
        return Ok(());
    }
    remove_dir(&aside(state)).with_context(|| format!("removing {}", aside(state).display()))?;
    let moved = fs::rename(&dir, aside(state)).and_then(|()| sync_dir(&all(state)));
    moved
        .and_then(|()| sync_dir(state))
        .with_context(|| format!("setting {} aside", dir.display()))
}

/// Gives up what was set aside. Says whether there was anything.
pub fn forget_set_aside(state: &Path) -> bool {
    fs::remove_dir_all(aside(state)).is_ok()
}

fn numbers(state: &Path) -> Result<Vec<u64>> {
    let names = entries(state)?.into_iter();
    Ok(names
        .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
        .collect())
}

fn entries(state: &Path) -> Result<Vec<PathBuf>> {
    if !all(state).exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(all(state)).context("listing the stores")?;
    entries
        .map(|entry| Ok(entry.context("listing the stores")?.path()))
        .collect()
}

fn all(state: &Path) -> PathBuf {
    state.join("store")
}

fn numbered(state: &Path, number: u64) -> PathBuf {
    all(state).join(number.to_string())
}

fn pointer(state: &Path) -> PathBuf {
    all(state).join("current")
}

fn aside(state: &Path) -> PathBuf {
    state.join("store.set-aside")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_store_never_gets_a_number_that_was_given() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = dir.path();
        assert!(!directory(state).exists());
        let first = fresh(state).expect("a name");
        assert_eq!(first, state.join("store/1"));
        point(state, &first).expect("pointed");
        assert_eq!(directory(state), first);
        assert_eq!(fresh(state).expect("a name"), state.join("store/2"));
        fs::create_dir_all(state.join("store/7")).expect("a folder");
        assert_eq!(fresh(state).expect("a name"), state.join("store/8"));
    }

    #[test]
    fn what_is_not_in_use_is_swept_away() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = dir.path();
        for name in ["store/1", "store/2", "store/3"] {
            fs::create_dir_all(state.join(name)).expect("a folder");
        }
        fs::write(state.join("store/current.tmp"), "3").expect("a file");
        point(state, &state.join("store/2")).expect("pointed");
        sweep(state).expect("swept");
        let mut left = entries(state).expect("a list");
        left.sort();
        assert_eq!(left, [state.join("store/2"), state.join("store/current")]);
    }

    #[test]
    fn a_pointer_that_says_nothing_points_to_no_store() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = dir.path();
        fs::create_dir_all(state.join("store/1")).expect("a folder");
        fs::write(state.join("store/current"), [0xff, 0xfe]).expect("a file");
        assert!(!directory(state).exists());
        assert_eq!(fresh(state).expect("a name"), state.join("store/2"));
    }
}
