//! Mail into a folder: what a daemon does that was given no mail server, so that the main job shows without one.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::channel::email::Email;

/// Writes a mail, and an invitation's calendar beside it, each file whole or not at all. A repeat has the same id and
/// so replaces itself.
///
/// # Errors
/// When the folder can't be made or written to.
pub(super) fn write(folder: &Path, email: &Email) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making the mail folder {}", folder.display()))?;
    let name = name(&email.id);
    if let Some(calendar) = &email.calendar {
        place(folder, &format!("{name}.ics"), calendar.as_bytes())?;
    }
    place(folder, &format!("{name}.eml"), &email.bytes)?;
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .context("syncing the mail folder")
}

/// The id's left part, as a file name.
fn name(id: &str) -> String {
    let left = id.split('@').next().unwrap_or_default();
    left.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn place(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let doing = || format!("writing the mail {}", folder.join(name).display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(doing)?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .with_context(doing)?;
    file.persist(folder.join(name)).map(drop).with_context(doing)
}
