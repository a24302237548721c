//! Whether the store on disk may be believed.
//!
//! Yes after a clean stop: everything was fsynced, then a marker written. Yes after a kill within one boot: the page
//! cache kept what sled wrote. Otherwise (power cut, unknown boot) it is rebuilt from the journal. The marker is removed,
//! durably, before the first write; on any error of the store both signs go. Both name the store that they vouch for.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::durable::{remove_durably, write_durably};
use crate::store::place;

/// How often files are listed that are to be synced.
const LISTED_MOST: usize = 10;

/// Why the store is believed, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It was closed in an orderly way.
    CleanStop,
    /// The same boot of the machine wrote it.
    SameBoot,
    /// There is nothing to believe.
    Missing,
    /// Nothing says that what sled wrote reached the disk.
    PowerCut,
}

/// The kernel's boot id; `None` where it cannot be read. A unit that hides it passes `%b` as `BELLWETHER_BOOT_ID`.
pub fn boot_id() -> Option<String> {
    let given = std::env::var("BELLWETHER_BOOT_ID")
        .ok()
        .filter(|id| !id.trim().is_empty());
    let id = given.or_else(|| fs::read_to_string("/proc/sys/kernel/random/boot_id").ok())?;
    Some(id.trim().replace('-', "").to_lowercase())
}

/// Looks at the signs that the last run left.
pub fn judge(state: &Path, boot: Option<&str>) -> Trust {
    if !place::directory(state).exists() {
        return Trust::Missing;
    }
    let number = place::number(state);
    if says(&marker(state), &clean(number)) {
        return Trust::CleanStop;
    }
    match boot {
        Some(boot) if says(&boot_file(state), &written_in(boot, number)) => Trust::SameBoot,
        _ => Trust::PowerCut,
    }
}

/// Before the first write: this boot is written down, and the marker goes. In this order, so that a disk without space
/// takes no trust away.
///
/// # Errors
/// When that cannot be made durable.
pub fn begin(state: &Path, boot: Option<&str>) -> Result<()> {
    let Some(boot) = boot else { return withdraw(state) };
    let sign = written_in(boot, place::number(state));
    write_durably(&boot_file(state), sign.as_bytes()).context("writing down this boot")?;
    if marker(state).exists() {
        remove_durably(&marker(state)).context("removing the store's marker of a clean stop")?;
    }
    Ok(())
}

/// After a clean stop: the store may be believed.
///
/// # Errors
/// When the marker cannot be made durable.
pub fn vouch(state: &Path) -> Result<()> {
    let sign = clean(place::number(state));
    write_durably(&marker(state), sign.as_bytes()).context("writing the store's marker of a clean stop")
}

/// On any error of the store: it may not be believed.
///
/// # Errors
/// When that cannot be made durable.
pub fn withdraw(state: &Path) -> Result<()> {
    for sign in [marker(state), boot_file(state)] {
        if sign.exists() {
            remove_durably(&sign).context("withdrawing trust from the store")?;
        }
    }
    Ok(())
}

/// Fsyncs every file below `dir`, and the directories. sled may still put a new snapshot into the place of an older one:
/// where a file is gone before it was opened, all are listed anew.
///
/// # Errors
/// When one cannot be synced, or they do not come to rest.
pub fn sync_all(dir: &Path) -> Result<()> {
    for _ in 0..LISTED_MOST {
        if sync_listed(dir)? {
            return Ok(());
        }
    }
    anyhow::bail!("files in {} that are listed are not there", dir.display())
}

/// Whether every file that was listed was still there.
fn sync_listed(dir: &Path) -> Result<bool> {
    for entry in fs::read_dir(dir).with_context(|| format!("listing {}", dir.display()))? {
        let path = entry?.path();
        let synced = match path.is_dir() {
            true => sync_listed(&path)?,
            false => sync_file(&path).with_context(|| format!("syncing {}", path.display()))?,
        };
        if !synced {
            return Ok(false);
        }
    }
    File::open(dir)?.sync_all()?;
    Ok(true)
}

/// Whether it was there.
fn sync_file(path: &Path) -> std::io::Result<bool> {
    match File::open(path) {
        Ok(file) => file.sync_all().map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn says(sign: &Path, what: &str) -> bool {
    fs::read_to_string(sign).is_ok_and(|text| text == what)
}

fn clean(number: u64) -> String {
    format!("store {number} is clean\n")
}

fn written_in(boot: &str, number: u64) -> String {
    format!("store {number} in boot {boot}\n")
}

fn marker(state: &Path) -> PathBuf {
    state.join("store.clean")
}

fn boot_file(state: &Path) -> PathBuf {
    state.join("store.boot")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(dir.path().join("store/1")).expect("a folder");
        place::point(dir.path(), &dir.path().join("store/1")).expect("pointed");
        dir
    }

    #[test]
    fn a_file_that_is_gone_has_everything_listed_anew_and_one_that_never_is_there_is_an_error() {
        let dir = state();
        let store = dir.path().join("store");
        fs::write(store.join("1/db"), "x").expect("a file");
        sync_all(&store).expect("synced");
        // listed, and not there to be opened
        std::os::unix::fs::symlink("nowhere", store.join("1/snap")).expect("a link");
        let error = sync_all(&store).expect_err("it is never there");
        assert!(error.to_string().contains("are not there"), "{error:#}");
        fs::write(store.join("1/nowhere"), "x").expect("a file");
        sync_all(&store).expect("it came");
    }

    #[test]
    fn a_store_is_believed_after_a_clean_stop_or_within_the_boot_that_wrote_it() {
        let dir = state();
        assert_eq!(judge(dir.path(), Some("a")), Trust::PowerCut);
        begin(dir.path(), Some("a")).expect("begun");
        assert_eq!(judge(dir.path(), Some("a")), Trust::SameBoot);
        assert_eq!(judge(dir.path(), Some("b")), Trust::PowerCut);
        assert_eq!(judge(dir.path(), None), Trust::PowerCut);
        vouch(dir.path()).expect("vouched");
        assert_eq!(judge(dir.path(), Some("b")), Trust::CleanStop);
        begin(dir.path(), Some("b")).expect("begun");
        assert_eq!(judge(dir.path(), Some("a")), Trust::PowerCut);
        withdraw(dir.path()).expect("withdrawn");
        assert_eq!(judge(dir.path(), Some("b")), Trust::PowerCut);
    }

    #[test]
    fn a_sign_vouches_for_the_store_it_names_and_for_no_other() {
        let dir = state();
        begin(dir.path(), Some("a")).expect("begun");
        vouch(dir.path()).expect("vouched");
        fs::create_dir_all(dir.path().join("store/2")).expect("a folder");
        place::point(dir.path(), &dir.path().join("store/2")).expect("pointed");
        assert_eq!(judge(dir.path(), Some("a")), Trust::PowerCut);
        fs::remove_file(dir.path().join("store/current")).expect("removed");
        assert_eq!(judge(dir.path(), Some("a")), Trust::Missing);
    }

    #[test]
    fn a_boot_that_cannot_be_written_down_takes_no_trust_away() {
        let dir = state();
        vouch(dir.path()).expect("vouched");
        std::os::unix::fs::symlink("/dev/full", dir.path().join("store.boot.tmp")).expect("a link");
        assert!(begin(dir.path(), Some("a")).is_err());
        assert_eq!(judge(dir.path(), Some("a")), Trust::CleanStop);
    }
}
