//! What can go wrong with the journal, told apart as far as somebody acts on it.

use std::io;
use std::path::{Path, PathBuf};

/// A journal operation that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no space for the next segment. The journal stays usable for groups that still fit into the present one.
    #[error("no space for the journal's next segment")]
    NoSpace,
    /// One group must fit into one segment. Nothing was written.
    #[error("a group of {bytes} bytes does not fit into a segment, which takes {most}")]
    TooLarge {
        /// What the group would take.
        bytes: u64,
        /// The most one group may take.
        most: u64,
    },
    /// The previous group is not synced yet. Nothing was written.
    #[error("the previous group is not synced")]
    Unsynced,
    /// An earlier write or sync failed: what is on disk is only known after opening again.
    #[error("the journal stopped after a failure: {why}")]
    Poisoned {
        /// The failure.
        why: String,
    },
    /// Records that were there can no longer be read.
    #[error("records {from} to {to} cannot be read: {why}")]
    Damaged {
        /// The first sequence number of the damaged stretch.
        from: u64,
        /// The last one.
        to: u64,
        /// What was found instead.
        why: String,
    },
    /// A file that is in use does not stand under its name any more.
    #[error("{} is gone, or is another file now: somebody deleted or moved a part of the journal while it was in use", path.display())]
    Missing {
        /// The file, or the journal's directory.
        path: PathBuf,
    },
    /// Another process has the journal open.
    #[error("{} is in use by another process", dir.display())]
    InUse {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// A file has a format that this version does not know.
    #[error("{} was written by a newer version (format {format})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format number.
        format: u32,
    },
    /// Sequence numbers only go up.
    #[error("cannot number on at {asked}: the next number is already {next}")]
    Backwards {
        /// The number asked for.
        asked: u64,
        /// The next one.
        next: u64,
    },
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Short for what this module returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Names what was tried, for `map_err`. A full disk becomes [`Error::NoSpace`] only where that is decided.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    }

    /// Whether the file system had no space left.
    pub fn is_no_space(&self) -> bool {
        match self {
            Error::NoSpace => true,
            Error::Io { source, .. } => crate::durable::is_no_space(source),
            _ => false,
        }
    }

    /// The error with its cause, for a log line or a reason that is kept.
    pub(super) fn in_full(&self) -> String {
        match self {
            Error::Io { source, .. } => format!("{self}: {source}"),
            other => other.to_string(),
        }
    }
}
