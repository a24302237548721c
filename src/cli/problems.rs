//! Problems on a screen: one below the other, within its width, and not more than anybody reads.

use super::output::{self, count};
use crate::problem::Problem;
use crate::problem::flood::{Room, shown};

/// How many are shown: who has more mends these first.
const ROOM: Room = Room { of_file: 20, all: 200 };

/// The problems as people read them. Of a flood the first ones are shown, errors before warnings, and the others counted.
pub fn rendered(problems: &[Problem], is_coloured: bool) -> String {
    within(problems, is_coloured, output::columns())
}

fn within(problems: &[Problem], is_coloured: bool, columns: usize) -> String {
    let (mut text, mut unseen) = (String::new(), Vec::new());
    for of_file in shown(problems, ROOM) {
        for problem in &of_file.problems {
            text.push_str(&format!("{}\n\n", problem.shown(columns, is_coloured).trim_end()));
        }
        match of_file.more {
            0 => {}
            more if of_file.problems.is_empty() => unseen.push(more),
            more => text.push_str(&format!(
                "… and {more} more in {}: mend these first, and check again\n\n",
                of_file.file
            )),
        }
    }
    if !unseen.is_empty() {
        let (more, files) = (unseen.iter().sum(), count(unseen.len(), "other file"));
        text.push_str(&format!("… and {} in {files}\n\n", count(more, "more problem")));
    }
    text
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
        assert_eq!(text.matches("error: ").count(), ROOM.of_file);
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
        assert_eq!(text.matches("error: ").count(), ROOM.all);
        assert!(
            text.ends_with("… and 100 more problems in 100 other files\n\n"),
            "{text}"
        );
        assert_eq!(within(&problems[..1], false, 80).matches('…').count(), 0);
    }
}
