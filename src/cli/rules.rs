//! What `check`, `test` and `explain` look at: the settings, and the rules folder, read and checked as the daemon does.
//!
//! It reads files and asks no daemon.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::failure::{Exit, Failure};
use super::problems::rendered;
use super::{output, secrets};
use crate::channel::retired::retired;
use crate::clock::Clock;
use crate::config::{Flags, Settings};
use crate::daemon::{self, outbound};
use crate::folder;
use crate::problem::{Problem, Severity};
use crate::rule::RuleSet;
use crate::rule::check::{Checked, Deciding, check_watched};
use crate::secret::Secrets;

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
    /// By a settings file.
    #[cfg(test)]
    pub fn of_settings(file: &Path) -> Self {
        Self {
            config: Some(file.to_owned()),
            ..Self::default()
        }
    }

    /// The settings file, if one was named.
    pub fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

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
    /// What is wrong beside the rule files: secrets, customers without rules. Tests and explanations go without it.
    pub beside: Vec<Problem>,
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
        if let Some(file) = &decides.config {
            trust(&settings)?;
            let said = outbound::warnings(&settings, Clock::System.now()).into_iter();
            problems.extend(said.map(|what| warning(file, &what)));
        }
        let of_settings = decides.config.clone().map(|file| (file, problems.len()));
        let found_secrets = daemon::secrets(&settings);
        let path = settings.rules.clone();
        let found = listed(&path, deciding.customers.are_separate())?;
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
        let of_secrets = retired_secrets(&checked.set, &found_secrets);
        problems.extend(
            unreadable
                .chain(passed_over)
                .chain(of_files)
                .chain(of_secrets)
                .map(|problem| placed(problem, &path)),
        );
        let read = found.sources.iter().map(|source| source.path.clone());
        let read: Vec<String> = read
            .chain(found.unreadable.iter().map(|(path, _)| path.clone()))
            .collect();
        let mut beside = secrets::problems(&settings, &checked.set, &path);
        beside.extend(secrets::customers_without_rules(&settings, &checked.set, &read));
        Ok(Self {
            files: found.sources.len() + found.unreadable.len(),
            path,
            checked,
            problems,
            beside,
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

/// Whether the certificates of `trust` can be used.
///
/// # Errors
/// When they cannot; the exit code is 78.
pub fn trust(settings: &Settings) -> Result<()> {
    let read = outbound::trust(settings);
    read.map(drop).map_err(|why| {
        Failure::new(
            Exit::Config,
            format!("the certificates of `trust` cannot be used: {why:#}"),
        )
        .into()
    })
}

/// A warning about the settings as a whole; the hint, if there is one, stands behind `hint:`.
fn warning(file: &Path, what: &str) -> Problem {
    let (what, hint) = match what.split_once("; hint: ") {
        Some((what, hint)) => (what, Some(hint)),
        None => (what, None),
    };
    Problem::of_file(Severity::Warning, &file.display().to_string(), what, hint)
}

/// Secrets that can be read here and hold an address that takes nothing any more. Of the address only the host is said.
fn retired_secrets(set: &RuleSet, secrets: &Secrets) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in set.files.iter() {
        let mut seen = BTreeSet::new();
        for receiver in &file.receivers {
            for address in &receiver.to {
                let Some(secret) = address.secret().filter(|secret| seen.insert(*secret)) else {
                    continue;
                };
                let url = secrets.find(&secret.customer, &secret.name).ok();
                let url = url.and_then(|value| url::Url::parse(value.reveal().trim()).ok());
                if let Some(found) = url.and_then(|url| retired(address.channel(), &url)) {
                    let what = format!("the secret `{}` of `{}`: {}", secret.name, receiver.name, found.what);
                    problems.push(Problem::of_file(Severity::Warning, path, &what, Some(found.hint)));
                }
            }
        }
    }
    problems
}

fn listed(path: &Path, are_separate: bool) -> Result<folder::Found> {
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
    let neighbours = match are_separate {
        true => folder::Neighbours::Strangers,
        false => folder::Neighbours::Teams,
    };
    folder::read(path, &folder::Part::Whole, neighbours)
        .with_context(|| Failure::new(Exit::Config, "the rules cannot be read"))
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

    const OLD: &str =
        "https://prod-01.westeurope.logic.azure.com/workflows/0/triggers/manual/paths/invoke?sig=hunter2hunter2";
    const CONNECTOR: &str =
        "https://contoso.webhook.office.com/webhookb2/hunter2hunter2/IncomingWebhook/hunter2hunter2";

    /// What is said of a receiver of Contoso's whose secret `hook` holds a URL.
    fn said_of(receiver: &str, url: &str) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        let secrets = dir.path().join("contoso/secrets");
        std::fs::create_dir_all(&secrets).expect("a folder");
        std::fs::write(secrets.join("hook"), format!("{url}\n")).expect("a secret");
        let rules = format!("receivers: {{ a: [{receiver}] }}\nrules: [{{ name: all, when: {{}}, notify: a }}]\n");
        std::fs::write(dir.path().join("contoso/a.yaml"), rules).expect("a file");
        let folder = Folder::read(Some(dir.path()), &Decides::default()).expect("read");
        assert_eq!(folder.counts().0, 0, "{:?}", folder.problems);
        rendered(&folder.problems, false)
    }

    #[test]
    fn an_address_of_teams_that_takes_nothing_any_more_is_a_warning_also_in_a_secret() {
        for (receiver, url, expected) in [
            (
                "{ teams: { url: { secret: hook } } }",
                OLD,
                "the secret `hook` of `a`: Workflows have moved away",
            ),
            (
                "{ teams: { url: { secret: hook } } }",
                CONNECTOR,
                "the secret `hook` of `a`: Microsoft has retired",
            ),
            (
                "{ webhook: { url: { secret: hook } } }",
                CONNECTOR,
                "the secret `hook` of `a`: Microsoft has retired",
            ),
        ] {
            let said = said_of(receiver, url);
            assert!(said.contains(expected) && said.contains("contoso/a.yaml"), "{said}");
            assert!(!said.contains("hunter2") && said.contains("hint: "), "{said}");
        }
        for (url, expected) in [(OLD, "Workflows have moved away"), (CONNECTOR, "Microsoft has retired")] {
            let said = said_of(&format!("{{ teams: '{url}' }}"), "");
            assert!(said.contains(expected), "{said}");
            assert!(said.contains("a.yaml:1:"), "{said}");
        }
        let fine = [
            ("{ webhook: { url: { secret: hook } } }", OLD),
            (
                "{ teams: { url: { secret: hook } } }",
                "https://x.environment.api.powerplatform.com/y",
            ),
            ("{ teams: { url: { secret: hook } } }", "no URL"),
            ("{ teams: { url: { secret: missing } } }", OLD),
        ];
        for (receiver, url) in fine {
            let said = said_of(receiver, url);
            assert!(!said.contains("retired") && !said.contains("moved"), "{said}");
        }
    }

    #[test]
    fn certificates_that_cannot_be_used_are_an_error_of_the_settings() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = dir.path().join("bellwether.yaml");
        let rules = dir.path().join("rules");
        std::fs::create_dir_all(rules.join("contoso")).expect("a folder");
        let pem = dir.path().join("ca.pem");
        std::fs::write(
            &config,
            format!("trust: {}\nrules: {}\n", pem.display(), rules.display()),
        )
        .expect("a file");
        let decides = Decides {
            config: Some(config),
            ..Decides::default()
        };
        let read = || Folder::read(None, &decides).map(drop);
        let said = |expected: &str| {
            let error = read().expect_err("no certificates");
            let (text, exit) = super::super::failure::described(&error);
            assert!(text.contains(expected) && text.contains("ca.pem"), "{text}");
            assert_eq!(exit, Exit::Config);
        };
        said("No such file");
        std::fs::write(&pem, "no certificate").expect("a file");
        said("holds no certificate");
        std::fs::write(&pem, include_bytes!("../../tests/fixtures/relay-cert.pem")).expect("a file");
        read().expect("fine");
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
