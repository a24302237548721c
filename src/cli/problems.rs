//! Problems on a screen: one below the other, within its width, and not more than anybody reads.

use std::collections::BTreeMap;

use super::output::{self, count};
use crate::problem::Problem;

/// How many problems of one file are shown: who has more mends these first.
const SHOWN_OF_FILE_MOST: usize = 20;

/// How many problems are shown altogether.
const SHOWN_MOST: usize = 200;

/// The problems as people read them. Of a flood the first ones are shown, errors before warnings, and the others counted.
pub fn rendered(problems: &[Problem], is_coloured: bool) -> String {
    within(problems, is_coloured, output::columns())
}

fn within(problems: &[Problem], is_coloured: bool, columns: usize) -> String {
    let mut files: Vec<(&str, Vec<&Problem>)> = Vec::new();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for problem in problems {
        let nth = *numbers.entry(problem.file.as_str()).or_insert_with(|| {
            files.push((&problem.file, Vec::new()));
            files.len() - 1
        });
        files[nth].1.push(problem);
    }
    let (mut text, mut left, mut unseen) = (String::new(), SHOWN_MOST, Vec::new());
    for (file, of_file) in files {
        let shown = first(&of_file, SHOWN_OF_FILE_MOST.min(left));
        left -= shown.len();
        for problem in &shown {
            text.push_str(&format!("{}\n\n", problem.shown(columns, is_coloured).trim_end()));
        }
        match of_file.len() - shown.len() {
            0 => {}
            more if shown.is_empty() => unseen.push(more),
            more => text.push_str(&format!(
                "… and {more} more in {file}: mend these first, and check again\n\n"
            )),
        }
    }
    if !unseen.is_empty() {
        let (more, files) = (unseen.iter().sum(), count(unseen.len(), "other file"));
        text.push_str(&format!("… and {} in {files}\n\n", count(more, "more problem")));
    }
    text
}

/// The first problems of a file in its order; errors come before warnings if there is no room for all.
fn first<'p>(problems: &[&'p Problem], most: usize) -> Vec<&'p Problem> {
    if problems.len() <= most {
        return problems.to_vec();
    }
    let errors = problems.iter().filter(|problem| problem.is_error());
    let warnings = problems.iter().filter(|problem| !problem.is_error());
    let mut first: Vec<&Problem> = errors.chain(warnings).take(most).copied().collect();
    first.sort_by_key(|problem| (problem.line, problem.column));
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Severity;

    fn problem(severity: Severity, file: &str, nth: usize) -> Problem {
        Problem::of_file(severity, file, &format!("problem {nth} of {file}"), None)
    }

    #[test]
    fn of_a_flood_the_first_errors_are_shown_and_the_rest_is_counted() {
        let warnings = (0..100).map(|nth| problem(Severity::Warning, "a.yaml", nth));
        let errors = (100..200).map(|nth| problem(Severity::Error, "a.yaml", nth));
        let other = problem(Severity::Warning, "b.yaml", 7);
        let problems: Vec<Problem> = warnings.chain(errors).chain([other]).collect();
        let text = within(&problems, false, 80);
        assert_eq!(text.matches("error: ").count(), SHOWN_OF_FILE_MOST);
        assert!(
            text.contains("error: problem 100 of a.yaml") && text.contains("… and 180 more in a.yaml"),
            "{text}"
        );
        assert!(
            text.contains("warning: problem 7 of b.yaml"),
            "another file is not drowned: {text}"
        );
    }

    #[test]
    fn of_very_many_files_the_first_are_shown_and_the_rest_is_counted() {
        let problems: Vec<Problem> = (0..300)
            .map(|nth| problem(Severity::Error, &format!("{nth:03}.yaml"), 0))
            .collect();
        let text = within(&problems, false, 80);
        assert_eq!(text.matches("error: ").count(), SHOWN_MOST);
        assert!(
            text.ends_with("… and 100 more problems in 100 other files\n\n"),
            "{text}"
        );
        assert_eq!(within(&problems[..1], false, 80).matches('…').count(), 0);
    }
}
