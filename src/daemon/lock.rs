//! One daemon per state directory: who holds the directory's lock. The process id stands in a file beside it, for the
//! message to whoever comes second; nothing is decided by it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The state directory is ours until this is dropped, or the process ends in whatever way.
pub struct Lock {
    /// The directory itself: a lock file could not be made on a full disk.
    _dir: File,
    pid_file: PathBuf,
}

impl Lock {
    /// Takes the state directory, which must exist.
    ///
    /// # Errors
    /// When another process holds it: the message names that process.
    pub fn take(state: &Path) -> Result<Self> {
        let pid_file = state.join("daemon.pid");
        let dir = File::open(state).with_context(|| format!("opening the state directory {}", state.display()))?;
        match dir.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "the state directory {} is in use by another daemon ({}): stop that one, or choose another --state",
                state.display(),
                holder(&pid_file)
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking the state directory {}", state.display()));
            }
        }
        // a full disk takes the number only, and a number that is not ours is worse than none
        if fs::write(&pid_file, format!("{}\n", std::process::id())).is_err() {
            let _ = fs::remove_file(&pid_file);
        }
        Ok(Self { _dir: dir, pid_file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // one that stays says nothing as long as nobody holds the lock
        let _ = fs::remove_file(&self.pid_file);
    }
}

fn holder(pid_file: &Path) -> String {
    let pid = fs::read_to_string(pid_file)
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok());
    pid.map_or_else(|| "its process is not known".to_owned(), |pid| format!("process {pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_second_is_told_who_holds_the_state() {
        let dir = tempfile::tempdir().expect("a folder");
        let lock = Lock::take(dir.path()).expect("free");
        let error = format!("{:#}", Lock::take(dir.path()).err().expect("held"));
        assert!(
            error.contains(&format!("process {}", std::process::id())) && error.contains("--state"),
            "{error}"
        );
        drop(lock);
        drop(Lock::take(dir.path()).expect("free again"));
        assert!(!dir.path().join("daemon.pid").exists());
    }

    #[test]
    fn a_disk_that_takes_no_number_stops_nobody() {
        let dir = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink("/dev/full", dir.path().join("daemon.pid")).expect("a link");
        let _lock = Lock::take(dir.path()).expect("free");
        let error = format!("{:#}", Lock::take(dir.path()).err().expect("held"));
        assert!(error.contains("its process is not known"), "{error}");
    }
}
