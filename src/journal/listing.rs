//! What files a journal's directory has, and their bytes as far as the disk gives them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::closed;
use super::error::{Error, Result};
use super::segment;
use crate::durable;

const PAGE: usize = 4096;

/// The files by kind; others are none of the journal's.
#[derive(Default)]
pub(super) struct Listing {
    /// Segments that are not packed, by number.
    pub raw: BTreeMap<u64, PathBuf>,
    /// Packed ones.
    pub packed: BTreeMap<u64, PathBuf>,
    /// Unfinished work.
    pub temporary: Vec<PathBuf>,
    /// Damaged files kept earlier.
    pub kept: Vec<PathBuf>,
}

impl Listing {
    /// Lists `dir`.
    pub(super) fn of(dir: &Path) -> Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
            listing.add(dir, entry.map_err(Error::io("list", dir))?.path());
        }
        listing.kept.sort();
        Ok(listing)
    }

    fn add(&mut self, dir: &Path, path: PathBuf) {
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        match (extension.as_str(), number) {
            ("raw", Some(number)) if path == segment::path_of(dir, number) => {
                self.raw.insert(number, path);
            }
            ("packed", Some(number)) if path == closed::path_of(dir, number) => {
                self.packed.insert(number, path);
            }
            (durable::TEMPORARY, _) => self.temporary.push(path),
            (other, _) if other.starts_with("damaged-") => self.kept.push(path),
            _ => {}
        }
    }
}

/// The file's bytes; pages that the disk cannot read any more are zeroes, so that the rest is not lost with them.
pub(super) fn read_what_can_be_read(path: &Path) -> Result<Vec<u8>> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
            read_page_by_page(path).map_err(Error::io("read", path))
        }
        Err(source) => Err(Error::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        }),
    }
}

fn read_page_by_page(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = vec![0; file.metadata()?.len() as usize];
    for (nth, page) in bytes.chunks_mut(PAGE).enumerate() {
        if file.read_exact_at(page, (nth * PAGE) as u64).is_err() {
            page.fill(0);
        }
    }
    Ok(bytes)
}
