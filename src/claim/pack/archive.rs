//! The files of a pack as one: sums of each, and a zip that is the same bytes for the same files.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use anyhow::{Context as _, Result};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The most bytes that the files of a pack have together.
pub const PACK_BYTES_MOST: usize = 64 << 20;

/// The files have more bytes than a pack may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the files of this claim have {0} bytes, and a pack has at most {PACK_BYTES_MOST}")]
pub struct TooLarge(pub usize);

/// Packs the files into a zip. Each has the same time (1 January 1980, the first that a zip can say), so that the same
/// files become the same bytes.
///
/// # Errors
/// [`TooLarge`], or if two files have the same name.
pub fn zip(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let bytes = files.iter().map(|(_, content)| content.len()).sum();
    if bytes > PACK_BYTES_MOST {
        return Err(TooLarge(bytes).into());
    }
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        let packed = || format!("packing {path}");
        zip.start_file(path.as_str(), options).with_context(packed)?;
        zip.write_all(content).with_context(packed)?;
    }
    Ok(zip.finish().context("packing the claim")?.into_inner())
}

/// A line for each file, as `sha256sum -c` reads it.
pub fn sums(files: &[(String, Vec<u8>)]) -> String {
    let mut text = String::new();
    for (path, content) in files {
        for byte in Sha256::digest(content) {
            let _ = write!(text, "{byte:02x}");
        }
        let _ = writeln!(text, "  {path}");
    }
    text
}
