//! Space on the disk: whether little is left of it, and the ballast: a file that is given up when there is none, so
//! that what was accepted can still be decided and told.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::durable::{install, remove_durably};
use crate::store::{is_no_space, place};

/// With less than this, nothing more is taken in: what is left is for decisions and attempts.
const SHORT_BYTES: u64 = 64 << 20;

/// With less than this, any failed write is a matter of space, whatever it says of itself.
const NOTHING_BYTES: u64 = 1 << 20;

/// What is held back.
const BALLAST_BYTES: u64 = 16 << 20;

/// A renewal takes a fresh store and a checkpoint, beside the store in use.
const RENEWAL_TIMES: u64 = 2;

/// What is free below a directory, for us; `None` where that cannot be seen.
pub fn available(dir: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(dir).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Whether so little is free that nothing more should be taken in.
pub fn is_short(available: Option<u64>) -> bool {
    available.is_some_and(|bytes| bytes < SHORT_BYTES)
}

/// Whether there is room for a fresh store beside one of this size.
pub fn has_room_for_renewal(available: Option<u64>, store_bytes: u64) -> bool {
    let needed = store_bytes.saturating_mul(RENEWAL_TIMES);
    available.is_none_or(|bytes| bytes >= needed) && !is_short(available)
}

/// Whether something failed because there is no space.
pub fn is_cause(state: &Path, error: &anyhow::Error) -> bool {
    is_no_space(error) || available(state).is_some_and(|bytes| bytes < NOTHING_BYTES)
}

/// Makes the ballast, unless it is there, or taking the space would make it short.
///
/// # Errors
/// When it cannot be written.
pub fn make_ballast(state: &Path) -> Result<()> {
    let path = ballast(state);
    if path.exists() || available(state).is_some_and(|bytes| bytes < SHORT_BYTES + BALLAST_BYTES) {
        return Ok(());
    }
    let temporary = state.join("ballast.tmp");
    let made = File::create(&temporary)
        .and_then(|file| fill(&file).and_then(|()| install(&file, &temporary, &path)))
        .with_context(|| format!("making {}", path.display()));
    if made.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    made
}

/// Takes the space, really: a file with holes is none.
fn fill(mut file: &File) -> std::io::Result<()> {
    if rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, BALLAST_BYTES).is_ok() {
        return Ok(());
    }
    // a file system that packs must find nothing to pack
    let mut seed = 1u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut block = Vec::with_capacity(64 << 10);
    for _ in 0..BALLAST_BYTES >> 16 {
        block.clear();
        block.extend((0..8 << 10).flat_map(|_| next().to_le_bytes()));
        file.write_all(&block)?;
    }
    Ok(())
}

/// Gives up what need not be there. Says whether there was anything.
pub fn release_ballast(state: &Path) -> bool {
    let had_ballast = ballast(state).symlink_metadata().is_ok() && remove_durably(&ballast(state)).is_ok();
    place::forget_set_aside(state) || had_ballast
}

/// Does something that needs space; once more, if there was none and some could be made.
///
/// # Errors
/// What `work` returns.
pub fn retried<T>(state: &Path, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    match work() {
        Err(error) if is_cause(state, &error) && release_ballast(state) => {
            tracing::error!(
                error = format!("{error:#}"),
                "the disk is full; the ballast was given up, and it is tried once more"
            );
            work()
        }
        done => done,
    }
}

fn ballast(state: &Path) -> PathBuf {
    state.join("ballast")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;
    use crate::store::Store;

    #[test]
    fn the_ballast_takes_its_space_really_and_is_given_up_once() {
        let dir = tempfile::tempdir().expect("a folder");
        make_ballast(dir.path()).expect("made");
        make_ballast(dir.path()).expect("there already");
        let taken = ballast(dir.path()).metadata().expect("a file").blocks() * 512;
        assert!(taken >= BALLAST_BYTES, "{taken}");
        assert!(release_ballast(dir.path()));
        assert!(!ballast(dir.path()).exists() && !release_ballast(dir.path()));
    }

    #[test]
    fn a_file_system_that_cannot_reserve_is_written_to() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("link");
        symlink("/dev/full", &path).expect("a link");
        let error = fill(&File::options().write(true).open(&path).expect("opens")).expect_err("is full");
        assert!(crate::durable::is_no_space(&error));
    }

    #[test]
    fn little_is_told_from_enough() {
        assert!(is_short(Some(SHORT_BYTES - 1)) && !is_short(Some(SHORT_BYTES)) && !is_short(None));
        assert!(has_room_for_renewal(Some(1 << 30), 512 << 20));
        assert!(!has_room_for_renewal(Some(1 << 30), 513 << 20));
        assert!(!has_room_for_renewal(Some(SHORT_BYTES - 1), 1));
    }

    /// sled's file is a link to the ballast, and that a link to a device without space: once the ballast is deleted,
    /// there is space.
    #[test]
    fn a_store_that_finds_no_space_is_opened_again_without_the_ballast() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = dir.path();
        symlink("/dev/full", ballast(state)).expect("a link");
        fs::create_dir_all(state.join("store/1")).expect("a folder");
        symlink(ballast(state), state.join("store/1/db")).expect("a link");
        let mut tries = 0;
        let store = retried(state, || {
            tries += 1;
            let store = Store::open(&state.join("store/1"))?;
            store.flush()?;
            Ok(store)
        });
        store.expect("opens");
        assert_eq!(tries, 2);
        assert!(retried(state, || -> Result<()> { anyhow::bail!("something else") }).is_err());
    }
}
