//! `bellwether test`: runs the tests that stand in the rule files, and says of each failing one what happened instead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::failure::Exit;
use super::output::{self, Format, count};
use super::problems::rendered;
use super::rules::{Decides, Folder};
use crate::problem::{Problem, mask};
use crate::rule::test::{Outcome, Ran};

/// Run the tests that stand in the rule files
#[derive(Debug, Clone, clap::Args)]
pub struct Test {
    /// The rules folder [default: what the settings say, or `rules`]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    decides: Decides,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The answer.
#[derive(Serialize)]
struct Answer {
    passed: usize,
    failed: usize,
    not_run: usize,
    tests: Vec<Line>,
    /// What keeps files from being used at all.
    problems: Vec<Problem>,
}

/// One test.
#[derive(Serialize)]
struct Line {
    file: String,
    line: usize,
    name: String,
    outcome: &'static str,
    /// What happened instead, one sentence per rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    instead: Vec<String>,
}

impl Test {
    /// Runs the tests: 1 if one fails, 78 if rules cannot be used.
    pub fn run(self) -> Result<Exit> {
        let answer = Answer::of(&Folder::read(self.dir.as_deref(), &self.decides)?);
        match self.format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => output::print(&answer.text(output::may_colour(&std::io::stdout())))?,
        }
        Ok(answer.exit())
    }
}

impl Answer {
    fn of(folder: &Folder) -> Self {
        let tests: Vec<Line> = folder.checked.tests.iter().map(|ran| Line::of(ran, folder)).collect();
        let outcomes = |outcome| tests.iter().filter(|line| line.outcome == outcome).count();
        let (passed, failed, not_run) = (outcomes(PASSED), outcomes(FAILED), outcomes(NOT_RUN));
        // tests run only in files without errors, so all errors of a file with a failed test are its tests' own
        let failing: BTreeSet<&str> = of_outcome(&tests, FAILED).map(|line| line.file.as_str()).collect();
        let errors = folder.problems.iter().filter(|problem| problem.is_error());
        let problems = errors
            .filter(|problem| !failing.contains(problem.file.as_str()))
            .cloned()
            .collect();
        Self {
            passed,
            failed,
            not_run,
            tests,
            problems,
        }
    }

    fn exit(&self) -> Exit {
        match (self.problems.is_empty(), self.failed) {
            (false, _) => Exit::Config,
            (true, 0) => Exit::Fine,
            (true, _) => Exit::Failed,
        }
    }

    fn text(&self, coloured: bool) -> String {
        let mut text = rendered(&self.problems, coloured);
        let mut files: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
        for line in &self.tests {
            files.entry(&line.file).or_default().push(line);
        }
        for (file, lines) in files {
            text.push_str(&format!("{file}\n"));
            lines.into_iter().for_each(|line| text.push_str(&line.text()));
            text.push('\n');
        }
        text + &self.summary()
    }

    /// `11 tests: 10 passed, 1 failed`.
    fn summary(&self) -> String {
        let mut parts = vec![format!("{} passed", self.passed), format!("{} failed", self.failed)];
        if self.not_run > 0 {
            parts.push(format!("{} not run, as their files have errors", self.not_run));
        }
        format!("{}: {}\n", count(self.tests.len(), "test"), parts.join(", "))
    }
}

const PASSED: &str = "passed";
const FAILED: &str = "failed";
const NOT_RUN: &str = "not run";

fn of_outcome<'l>(lines: &'l [Line], outcome: &'static str) -> impl Iterator<Item = &'l Line> {
    lines.iter().filter(move |line| line.outcome == outcome)
}

impl Line {
    fn of(ran: &Ran, folder: &Folder) -> Self {
        let (outcome, instead) = match &ran.outcome {
            Outcome::Passed => (PASSED, Vec::new()),
            Outcome::NotRun => (NOT_RUN, Vec::new()),
            Outcome::Failed(what) => (FAILED, what.iter().map(|what| mask(what)).collect()),
        };
        Self {
            file: folder.path.join(&ran.path).display().to_string(),
            line: ran.line,
            name: ran.name.clone(),
            outcome,
            instead,
        }
    }

    fn text(&self) -> String {
        let place = match self.outcome {
            PASSED => String::new(),
            _ => format!(" (line {})", self.line),
        };
        let mut text = format!("  {:<7}  {}{place}\n", self.outcome, output::one_line(&self.name, 200));
        for what in &self.instead {
            text.push_str(&format!("           {what}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("a.yaml"), text).expect("a file");
        let mut answer = Answer::of(&Folder::read(Some(dir.path()), &Decides::default()).expect("read"));
        answer
            .tests
            .iter_mut()
            .for_each(|line| line.file = "rules/a.yaml".to_owned());
        answer
    }

    const RULES: &str = r#"
receivers: { a: [{ email: a@contoso.example }] }
rules: [{ name: reviews, when: { stage: RCA }, notify: a, invite: a }]
tests:
  - { name: a review, event: { stage: RCA }, expect: { reviews: a } }
  - { name: trouble, event: { stage: Active }, expect: { reviews: a } }
"#;

    #[test]
    fn a_failing_test_says_what_happened_instead() {
        let answer = answer(RULES);
        assert_eq!(answer.exit(), Exit::Failed);
        insta::assert_snapshot!(answer.text(false), @r"
        rules/a.yaml
          passed   a review
          failed   trouble (line 6)
                   `reviews` should tell a, and tells nobody: stage: the rule wants RCA, the event has Active

        2 tests: 1 passed, 1 failed
        ");
    }

    #[test]
    fn rules_with_errors_are_not_tested_and_that_is_another_exit_code() {
        let answer = answer(&RULES.replace("notify: a", "notify: nobody"));
        assert_eq!(answer.exit(), Exit::Config);
        assert_eq!((answer.passed, answer.failed, answer.not_run), (0, 0, 2));
        assert_eq!(answer.problems.len(), 1);
    }
}
