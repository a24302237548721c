//! What `check`, `test` and `explain` look at: the settings, and the rules folder, read and checked as the daemon does.
//!
//! It reads files and asks no daemon.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::failure::{Exit, Failure};
use super::output;
use super::problems::rendered;
use crate::config::{Flags, Settings};
use crate::folder;
use crate::problem::{Problem, Severity};
use crate::rule::check::{Checked, Deciding, check_watched};

/// The settings that decide which rule matches what.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Decides {
    /// The settings file: customers, catalogue, and where the rules are
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A catalogue of services and regions of your own
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
    /// Allow receivers with private addresses and plain http
    #[arg(long)]
    allow_private_receivers: bool,
}

impl Decides {
    /// Whether anything was given.
    pub fn is_given(&self) -> bool {
        self.config.is_some() || self.catalogue.is_some() || self.allow_private_receivers
    }
}

/// A rules folder, read and checked.
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// What came of the check.
    pub checked: Checked,
    /// How many rule files there are, readable or not.
    pub files: usize,
    /// The settings file that was read, and how many warnings it has.
    pub settings: Option<(PathBuf, usize)>,
    /// Everything worth saying of settings and files; files are named as they are found from here.
    pub problems: Vec<Problem>,
}

impl Folder {
    /// Reads the rules folder `dir`, or the one that the settings name.
    ///
    /// # Errors
    /// When the settings cannot be used or the folder cannot be listed; both are shown, and exit with 78.
    pub fn read(dir: Option<&Path>, decides: &Decides) -> Result<Self> {
        let flags = Flags {
            rules: dir.map(Path::to_owned),
            catalogue: decides.catalogue.clone(),
            allow_private_receivers: decides.allow_private_receivers,
            ..Flags::default()
        };
        let (settings, mut problems) = settings(decides.config.as_deref(), &flags)?;
        let deciding = deciding(&settings)?;
        let of_settings = decides.config.clone().map(|file| (file, problems.len()));
        let path = settings.rules;
        let found = listed(&path)?;
        let bar = output::Bar::new("checking");
        let checked = check_watched(&found.sources, &Default::default(), &deciding, &|done, of| {
            bar.at(done, of)
        });
        drop(bar);
        let has_unreadable = !found.unreadable.is_empty();
        let unreadable = found.unreadable.iter().map(|(file, why)| unreadable(file, why));
        let of_files = checked.problems.iter().cloned();
        let of_files = of_files.filter(|problem| !(has_unreadable && problem.file == "rules/"));
        let passed_over = found.passed_over.iter().map(passed_over);
        problems.extend(
            unreadable
                .chain(passed_over)
                .chain(of_files)
                .map(|problem| placed(problem, &path)),
        );
        Ok(Self {
            files: found.sources.len() + found.unreadable.len(),
            path,
            checked,
            problems,
            settings: of_settings,
        })
    }

    /// How many errors and warnings there are.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.problems.iter().filter(|problem| problem.is_error()).count();
        (errors, self.problems.len() - errors)
    }
}

/// The settings of a file (if there is one) and of flags, with the warnings.
///
/// # Errors
/// When they cannot be used: every problem is shown on stderr, and the exit code is 78.
pub fn settings(file: Option<&Path>, flags: &Flags) -> Result<(Settings, Vec<Problem>)> {
    let read = match file {
        None => Settings::from_flags(flags),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::new(
                    Exit::Config,
                    format!("the settings file {} cannot be read: {error}", path.display()),
                )
            })?;
            Settings::read(&path.display().to_string(), &text, flags)
        }
    };
    read.map_err(|problems| {
        output::complain(&rendered(&problems, output::may_colour(&std::io::stderr())));
        let errors = problems.iter().filter(|problem| problem.is_error()).count();
        let what = format!("the settings cannot be used: {}", output::count(errors, "error"));
        Failure::new(Exit::Config, what).into()
    })
}

/// The part of the settings that decides which rule matches what.
///
/// # Errors
/// When the operator's own catalogue cannot be used; the exit code is 78.
pub fn deciding(settings: &Settings) -> Result<Deciding> {
    let text = match &settings.catalogue {
        None => None,
        Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
            Failure::new(
                Exit::Config,
                format!("the catalogue {} cannot be read: {error}", path.display()),
            )
        })?),
    };
    Deciding::new(settings.customers.clone(), text, settings.allow_private_receivers)
        .map_err(|why| Failure::new(Exit::Config, format!("the catalogue cannot be used: {why}")).into())
}

fn listed(path: &Path) -> Result<folder::Found> {
    let refuse = |what: String, hint: &str| Failure::new(Exit::Config, what).hint(hint);
    if !path.exists() {
        let what = format!("there is no rules folder {}", path.display());
        return Err(refuse(
            what,
            "name the folder that holds the rule files, or one folder per customer",
        )
        .into());
    }
    if path.is_file() {
        let what = format!(
            "{} is a file: rule files are checked by folder, as they share names",
            path.display()
        );
        let folder = path
            .parent()
            .and_then(Path::parent)
            .filter(|folder| !folder.as_os_str().is_empty());
        let hint = format!("name the rules folder: {}", folder.unwrap_or(Path::new(".")).display());
        return Err(refuse(what, &hint).into());
    }
    folder::read(path, &folder::Part::Whole).with_context(|| Failure::new(Exit::Config, "the rules cannot be read"))
}

fn unreadable(file: &str, why: &str) -> Problem {
    Problem::of_file(Severity::Error, file, &format!("this file {why}"), None)
}

fn passed_over(one: &folder::PassedOver) -> Problem {
    let sort = if one.path.ends_with('/') { "folder" } else { "file" };
    Problem::of_file(Severity::Warning, &one.path, &format!("this {sort} {}", one.why), None)
}

/// Names the problem's file as it is found from where the command was typed.
fn placed(problem: Problem, folder: &Path) -> Problem {
    let file = match problem.file.as_str() {
        "rules/" => format!("{}/", folder.display().to_string().trim_end_matches('/')),
        file => folder.join(file).display().to_string(),
    };
    Problem { file, ..problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_file_as_it_is_found_from_here() {
        let file = |name: &str| {
            placed(
                Problem::of_file(Severity::Error, name, "odd", None),
                Path::new("etc/rules/"),
            )
            .file
        };
        assert_eq!(file("contoso/a.yaml"), "etc/rules/contoso/a.yaml");
        assert_eq!(file("rules/"), "etc/rules/");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_the_folder_is_not_called_empty() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("latin1.yaml"), [b'a', 0xe9]).expect("a file");
        let folder = Folder::read(Some(dir.path()), &Decides::default()).expect("read");
        assert_eq!((folder.files, folder.counts()), (1, (1, 0)));
        assert!(
            folder.problems[0]
                .what
                .starts_with("this file is not UTF-8 text (line 1, column 2, byte 1)"),
            "{:?}",
            folder.problems
        );
    }
}
