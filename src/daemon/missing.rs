//! A rules folder that is not there at a start.

use std::path::PathBuf;

use anyhow::Result;

use crate::config::Settings;

/// Why a daemon does not start that would have nobody to tell.
#[derive(Debug, thiserror::Error)]
#[error("the rules folder {} {why}", folder.display())]
pub struct NoRulesFolder {
    /// The folder that the settings name.
    pub folder: PathBuf,
    why: String,
}

/// A rules folder that is not there is a mistake in the settings, unless there are rules on record: then its volume may not
/// be mounted yet, and the last rules are better than none.
///
/// # Errors
/// When it is not there, and no rules are on record.
pub(super) fn there_are_rules_to_read(settings: &Settings, are_none_on_record: bool) -> Result<()> {
    let why = match std::fs::read_dir(&settings.rules) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => "is not a folder".to_owned(),
        Err(error) => format!("cannot be read: {error}"),
    };
    let folder = std::path::absolute(&settings.rules).unwrap_or_else(|_| settings.rules.clone());
    match are_none_on_record {
        true => Err(NoRulesFolder { folder, why }.into()),
        false => Ok(()),
    }
}
