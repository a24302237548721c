//! How a command ends: exit codes, and the words for what failed.
//!
//! What failed is said once, here: what, on what, why; then a hint with the thing to type. No error is ever shown as
//! Rust's `Debug`.

use std::fmt;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Fine,
    /// It failed, or what was looked at is not well.
    Failed,
    /// It was typed wrongly (`EX_USAGE` of sysexits.h).
    Usage,
    /// Settings or rules cannot be used (`EX_CONFIG` of sysexits.h).
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Usage => 64,
            Exit::Config => 78,
        })
    }
}

/// An error that knows its exit code, and perhaps what to type instead.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    what: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            hint: None,
        }
    }

    /// With what to type, or to look at.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// What is printed for an error, and the exit code it means.
pub fn described(error: &anyhow::Error) -> (String, Exit) {
    let failure = error.downcast_ref::<Failure>();
    let exit = failure.map_or(Exit::Failed, |failure| failure.exit);
    let mut text = format!("error: {error:#}\n");
    if let Some(hint) = failure.and_then(|failure| failure.hint.as_ref()) {
        text.push_str(&format!("hint: {hint}\n"));
    }
    (text, exit)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_failure_keeps_its_exit_code_and_hint_under_any_context() {
        let failure = Failure::new(Exit::Config, "the port is taken").hint("take another");
        let error = Err::<(), _>(failure).context("starting").expect_err("a failure");
        let (text, exit) = described(&error);
        assert_eq!(text, "error: starting: the port is taken\nhint: take another\n");
        assert_eq!(exit, Exit::Config);
    }

    #[test]
    fn any_other_error_is_shown_with_its_causes() {
        let error = anyhow::anyhow!("no such file").context("reading a.json");
        assert_eq!(
            described(&error),
            ("error: reading a.json: no such file\n".to_owned(), Exit::Failed)
        );
    }
}
