//! `bellwether check`: every problem of every rule file, each with its place and what to type instead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::failure::Exit;
use super::output::{self, Format, count};
use super::problems::rendered;
use super::rules::{Decides, Folder};
use crate::customer::CustomerId;
use crate::problem::Problem;

/// Check the rule files, and show every mistake with its place
#[derive(Debug, Clone, clap::Args)]
pub struct Check {
    /// The rules folder [default: what the settings say, or `rules`]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    decides: Decides,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Also count what is in force, by customer, and what finding a rule takes
    #[arg(long)]
    stats: bool,
}

/// The answer, for programs.
#[derive(Serialize)]
struct Answer<'a> {
    ok: bool,
    errors: usize,
    warnings: usize,
    /// The settings file, if one was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<String>,
    files: usize,
    /// Files that are not used as they are.
    broken: usize,
    rules: usize,
    receivers: usize,
    tests: usize,
    problems: &'a [Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<Stats>,
}

/// What would be in force.
#[derive(Serialize)]
struct Stats {
    revision: String,
    /// Rules in force, the built-in ones among them.
    rules_in_force: usize,
    /// What finding them takes beside their own text, in bytes.
    index_bytes: usize,
    index_bytes_per_rule: usize,
    customers: BTreeMap<CustomerId, Counts>,
}

/// What would be in force of one customer.
#[derive(Default, Serialize)]
struct Counts {
    files: usize,
    rules: usize,
    receivers: usize,
    endpoints: usize,
    subscriptions: usize,
    tests: usize,
}

impl Check {
    /// Checks; warnings are no failure.
    pub fn run(self) -> Result<Exit> {
        let mut folder = Folder::read(self.dir.as_deref(), &self.decides)?;
        folder.problems.append(&mut folder.beside);
        let stats = self.stats.then(|| Stats::of(&folder));
        match self.format {
            Format::Json => output::print_json(&answer(&folder, stats))?,
            Format::Text => output::print(&text(&folder, stats.as_ref(), output::may_colour(&std::io::stdout())))?,
        }
        Ok(match folder.counts() {
            (0, _) => Exit::Fine,
            _ => Exit::Config,
        })
    }
}

fn answer(folder: &Folder, stats: Option<Stats>) -> Answer<'_> {
    let (errors, warnings) = folder.counts();
    Answer {
        ok: errors == 0,
        errors,
        warnings,
        settings: folder.settings.as_ref().map(|(file, _)| file.display().to_string()),
        files: folder.files,
        broken: broken_files(folder),
        rules: written_rules(folder),
        receivers: receivers(folder),
        tests: folder.checked.tests.len(),
        problems: &folder.problems,
        stats,
    }
}

fn text(folder: &Folder, stats: Option<&Stats>, coloured: bool) -> String {
    let mut text = rendered(&folder.problems, coloured);
    text.push_str(&summary(folder));
    if let Some(stats) = stats {
        text.push_str(&stats.text());
    }
    text
}

/// `3 files, 9 rules, 4 receivers, 11 tests: no errors, 1 warning`, and before it the settings that were checked.
fn summary(folder: &Folder) -> String {
    let (errors, warnings) = folder.counts();
    let of_settings = folder.settings.as_ref().map_or(0, |(_, warnings)| *warnings);
    let files = match broken_files(folder) {
        0 => count(folder.files, "file"),
        broken => format!("{} ({broken} not used)", count(folder.files, "file")),
    };
    let has = [
        files,
        count(written_rules(folder), "rule"),
        count(receivers(folder), "receiver"),
        count(folder.checked.tests.len(), "test"),
    ];
    let verdict = [count(errors, "error"), count(warnings - of_settings, "warning")];
    let settings = folder.settings.as_ref().map(|(file, warnings)| {
        let warnings = count(*warnings, "warning");
        format!("settings {}: no errors, {warnings}\n", file.display())
    });
    format!(
        "{}{}: {}\n",
        settings.unwrap_or_default(),
        has.join(", "),
        verdict.join(", ")
    )
}

/// The files that are not used as they are.
fn broken_files(folder: &Folder) -> usize {
    let errors = folder.problems.iter().filter(|problem| problem.is_error());
    let files: BTreeSet<&str> = errors.map(|problem| problem.file.as_str()).collect();
    files.iter().filter(|file| !file.ends_with('/')).count()
}

/// The receivers of files that can be used.
fn receivers(folder: &Folder) -> usize {
    folder.checked.set.files.values().map(|file| file.receivers.len()).sum()
}

/// The rules that people wrote, without the built-in ones, in files that can be used.
fn written_rules(folder: &Folder) -> usize {
    folder.checked.set.files.values().map(|file| file.rules.len()).sum()
}

impl Stats {
    fn of(folder: &Folder) -> Self {
        let set = &folder.checked.set;
        let mut customers: BTreeMap<CustomerId, Counts> = BTreeMap::new();
        for file in set.files.values() {
            let counts = customers.entry(file.customer.clone()).or_default();
            counts.files += 1;
            counts.rules += file.rules.len();
            counts.receivers += file.receivers.len();
            counts.endpoints += file.receivers.iter().map(|receiver| receiver.to.len()).sum::<usize>();
            counts.subscriptions += file.groups.values().map(|ids| ids.len()).sum::<usize>();
            counts.tests += file.tests.len();
        }
        let size = set.size();
        Self {
            revision: set.revision.0.clone(),
            rules_in_force: size.rules,
            index_bytes: size.index_bytes,
            index_bytes_per_rule: size.index_bytes / size.rules.max(1),
            customers,
        }
    }

    fn text(&self) -> String {
        let mut table = output::table(&[
            "customer",
            "files",
            "rules",
            "receivers",
            "endpoints",
            "subscriptions",
            "tests",
        ]);
        for (customer, counts) in &self.customers {
            let numbers = [
                counts.files,
                counts.rules,
                counts.receivers,
                counts.endpoints,
                counts.subscriptions,
                counts.tests,
            ];
            let cells = [customer.to_string()]
                .into_iter()
                .chain(numbers.map(|number| number.to_string()));
            table.add_row(cells);
        }
        format!(
            "\nrevision {}\nindex: {} for {}, {} each\n\n{}",
            self.revision,
            count(self.index_bytes, "byte"),
            count(self.rules_in_force, "rule"),
            self.index_bytes_per_rule,
            output::lines(&table)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(rules: &str) -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("contoso")).expect("a folder");
        std::fs::write(dir.path().join("contoso/a.yaml"), rules).expect("a file");
        let folder = Folder::read(Some(dir.path()), &Decides::default()).expect("read");
        (dir, folder)
    }

    const GOOD: &str =
        "receivers: { a: [{ email: a@contoso.example }] }\nrules: [{ name: all, when: {}, notify: a, invite: a }]\n";

    #[test]
    fn the_summary_counts_files_rules_tests_and_problems() {
        let (_dir, good) = folder(GOOD);
        assert_eq!(
            text(&good, None, false),
            "1 file, 1 rule, 1 receiver, no tests: no errors, no warnings\n"
        );
        let (_dir, broken) = folder(&GOOD.replace("notify: a", "notify: b"));
        assert!(
            text(&broken, None, false)
                .ends_with("1 file (1 not used), no rules, no receivers, no tests: 1 error, no warnings\n")
        );
    }

    #[test]
    fn stats_count_what_would_be_in_force() {
        let (_dir, good) = folder(GOOD);
        let stats = Stats::of(&good);
        let counts = &stats.customers[&CustomerId::new("contoso")];
        assert_eq!(
            (counts.files, counts.rules, counts.receivers, counts.endpoints),
            (1, 1, 1, 1)
        );
        assert!(stats.text().contains("contoso   1      1"), "{}", stats.text());
        let index = format!("index: {0} bytes for 1 rule, {0} each", stats.index_bytes);
        assert!(
            stats.index_bytes > 0 && stats.text().contains(&index),
            "{}",
            stats.text()
        );
    }

    #[test]
    fn programs_get_each_problem_with_its_place() {
        let (_dir, broken) = folder(&GOOD.replace("notify: a", "notify: b"));
        let json = serde_json::to_value(answer(&broken, None)).expect("JSON");
        assert_eq!(json["ok"], false);
        assert_eq!(json["problems"][0]["line"], 2);
        assert_eq!(json["problems"][0]["severity"], "error");
    }
}
