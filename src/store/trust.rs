//! Whether the store on disk may be believed.
//!
//! Yes after a clean stop: everything was fsynced, then a marker written. Yes after a kill within one boot: the page
//! cache kept what sled wrote. Otherwise (power cut, unknown boot) it is rebuilt from the journal. The marker is removed,
//! durably, before the first write; on any error of the store both signs go.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::journal::file::{remove_durably, write_durably};

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
    if !super::directory(state).exists() {
        return Trust::Missing;
    }
    if marker(state).exists() {
        return Trust::CleanStop;
    }
    let written_by = fs::read_to_string(boot_file(state)).ok();
    match (written_by, boot) {
        (Some(then), Some(now)) if then.trim() == now => Trust::SameBoot,
        _ => Trust::PowerCut,
    }
}

/// Before the first write: the marker goes, and this boot is written down.
///
/// # Errors
/// When that cannot be made durable.
pub fn begin(state: &Path, boot: Option<&str>) -> Result<()> {
    if marker(state).exists() {
        remove_durably(&marker(state)).context("removing the store's marker of a clean stop")?;
    }
    match boot {
        Some(boot) => write_durably(&boot_file(state), boot.as_bytes()).context("writing down this boot"),
        None => withdraw(state),
    }
}

/// After a clean stop: the store may be believed.
///
/// # Errors
/// When the marker cannot be made durable.
pub fn vouch(state: &Path) -> Result<()> {
    write_durably(&marker(state), b"clean\n").context("writing the store's marker of a clean stop")
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

/// Fsyncs every file below `dir`, and the directories.
///
/// # Errors
/// When one cannot be synced.
pub fn sync_all(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("listing {}", dir.display()))? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => sync_all(&entry.path())?,
            false => File::open(entry.path())?
                .sync_all()
                .with_context(|| format!("syncing {}", entry.path().display()))?,
        }
    }
    Ok(File::open(dir)?.sync_all()?)
}

fn marker(state: &Path) -> PathBuf {
    state.join("store.clean")
}

fn boot_file(state: &Path) -> PathBuf {
    state.join("store.boot")
}
