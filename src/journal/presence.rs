//! Whether the journal's files are still there. What is written to a file that somebody has deleted or moved away is
//! gone when the process ends, and no write and no sync ever says so.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Journal;
use super::error::{Error, Result};
use super::reader::{Segment, Shared};

impl Journal {
    /// Looks whether every file of the journal still stands under its name: cheap enough for every few seconds.
    ///
    /// # Errors
    /// [`Error::Missing`] when one does not; nothing can be written any more then.
    pub fn check_presence(&mut self) -> Result<()> {
        self.check_usable()?;
        match self.missing() {
            Some(path) => Err(self.poison(Error::Missing { path })),
            None => Ok(()),
        }
    }

    /// Looks, right after a sync, whether the file that was synced has a name at all.
    pub(super) fn check_open_file(&self) -> Result<()> {
        let has_no_name = self.open.file.metadata().is_ok_and(|found| found.nlink() == 0);
        // some file systems count no names
        if has_no_name && is_gone(&self.open.path, Some(&self.open.file)) {
            return Err(Error::Missing {
                path: self.open.path.clone(),
            });
        }
        Ok(())
    }

    fn missing(&self) -> Option<PathBuf> {
        let shared = &self.reader.shared;
        let ahead = self.ahead.ready();
        let written = [
            Some((&shared.dir, &self.lock)),
            Some((&self.open.path, &self.open.file)),
            ahead.as_deref().map(|raw| (&raw.path, &raw.file)),
        ];
        let mut written = written.into_iter().flatten();
        let gone = written.find(|(path, file)| is_gone(path, Some(file)));
        gone.map(|(path, _)| path.clone()).or_else(|| missing_closed(shared))
    }
}

/// A closed segment may be packed while this looks: it is missing only if it is still the one that is read.
fn missing_closed(shared: &Shared) -> Option<PathBuf> {
    let is_missing = |segment: &Segment| match segment {
        Segment::Raw(raw) => is_gone(&raw.path, Some(&raw.file)),
        Segment::Packed(packed) => is_gone(&packed.path, None),
    };
    let mut missing = shared.segments().into_iter().filter(is_missing).peekable();
    missing.peek()?;
    let now = shared.segments();
    let gone = missing.find(|gone| now.iter().any(|segment| segment.is(gone)));
    gone.map(|segment| segment.path().to_owned())
}

/// Whether nothing, or another file, stands under this name. What cannot be looked at is not gone.
fn is_gone(path: &Path, file: Option<&File>) -> bool {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => return matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    };
    let ours = file.and_then(|file| file.metadata().ok());
    ours.is_some_and(|ours| (ours.dev(), ours.ino()) != (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;

    fn journal_of_some_segments() -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            segment_bytes: 256,
            ..Options::default()
        };
        let (mut journal, _) = Journal::open(&dir.path().join("journal"), options).unwrap();
        while journal.segments().count < 4 {
            journal.append(&["a record"]).unwrap();
            journal.sync().unwrap();
        }
        journal.settle();
        (dir, journal)
    }

    fn found_missing(journal: &mut Journal) -> PathBuf {
        let Err(Error::Missing { path }) = journal.check_presence() else {
            panic!("nothing is missing");
        };
        assert!(matches!(journal.append(&["more"]), Err(Error::Poisoned { .. })));
        path
    }

    #[test]
    fn while_segments_are_written_and_packed_none_is_missing() {
        let (_dir, mut journal) = journal_of_some_segments();
        while journal.segments().count < 60 {
            journal.append(&["a record"]).unwrap();
            journal.sync().unwrap();
            journal.check_presence().unwrap();
        }
    }

    #[test]
    fn a_group_in_a_deleted_file_is_not_synced() {
        let (_dir, mut journal) = journal_of_some_segments();
        let open = journal.open.path.clone();
        fs::remove_file(&open).unwrap();
        journal.append(&["lost at the next kill"]).unwrap();
        assert!(matches!(journal.sync(), Err(Error::Missing { path }) if path == open));
        assert!(matches!(journal.append(&["more"]), Err(Error::Poisoned { .. })));
    }

    #[test]
    fn a_closed_segment_that_was_deleted_is_missing() {
        let (_dir, mut journal) = journal_of_some_segments();
        let first = journal.reader.shared.segments()[0].path().to_owned();
        fs::remove_file(&first).unwrap();
        assert_eq!(found_missing(&mut journal), first);
    }

    #[test]
    fn the_segment_made_ahead_is_missed_before_it_is_turned_to() {
        let (_dir, mut journal) = journal_of_some_segments();
        journal.ahead.wait();
        let ahead = journal.ahead.ready().unwrap().path.clone();
        fs::remove_file(&ahead).unwrap();
        assert_eq!(found_missing(&mut journal), ahead);
    }

    #[test]
    fn a_directory_that_was_moved_away_or_put_back_from_a_copy_is_missing() {
        let (dir, mut journal) = journal_of_some_segments();
        let (here, away) = (dir.path().join("journal"), dir.path().join("away"));
        fs::rename(&here, &away).unwrap();
        fs::create_dir(&here).unwrap();
        for entry in fs::read_dir(&away).unwrap().map(std::result::Result::unwrap) {
            fs::copy(entry.path(), here.join(entry.file_name())).unwrap();
        }
        assert_eq!(found_missing(&mut journal), here);
    }
}
