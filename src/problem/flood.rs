//! What of very many problems is shown: of each file the first ones, and not more than anybody reads.

use std::collections::BTreeMap;

use super::Problem;

/// The problems of one file that are shown.
#[derive(Debug)]
pub struct Shown<'p> {
    /// The file.
    pub file: &'p str,
    /// The first of its problems, in its order; errors come before warnings where there is no room for all.
    pub problems: Vec<&'p Problem>,
    /// How many more it has.
    pub more: usize,
}

/// How much is shown.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Problems of one file.
    pub of_file: usize,
    /// Problems altogether.
    pub all: usize,
}

/// What is shown of problems, file by file, in the order in which the files come.
pub fn shown<'p>(problems: &'p [Problem], room: Room) -> Vec<Shown<'p>> {
    let mut files: Vec<(&'p str, Vec<&'p Problem>)> = Vec::new();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for problem in problems {
        let nth = *numbers.entry(problem.file.as_str()).or_insert_with(|| {
            files.push((&problem.file, Vec::new()));
            files.len() - 1
        });
        files[nth].1.push(problem);
    }
    let mut left = room.all;
    let of_file = |(file, all): (&'p str, Vec<&'p Problem>)| {
        let problems = first(&all, room.of_file.min(left));
        left -= problems.len();
        Shown {
            file,
            more: all.len() - problems.len(),
            problems,
        }
    };
    files.into_iter().map(of_file).collect()
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

    #[test]
    fn the_first_of_each_file_are_shown_and_the_others_are_counted() {
        let problem = |severity, file: &str, nth| Problem::of_file(severity, file, &format!("problem {nth}"), None);
        let of = |file: &'static str| {
            let warnings = (0..3).map(move |nth| problem(Severity::Warning, file, nth));
            warnings.chain((3..5).map(move |nth| problem(Severity::Error, file, nth)))
        };
        let problems: Vec<Problem> = of("b.yaml").chain(of("a.yaml")).chain(of("c.yaml")).collect();
        let shown = shown(&problems, Room { of_file: 3, all: 4 });
        let said: Vec<(&str, Vec<&str>, usize)> = shown
            .iter()
            .map(|one| {
                (
                    one.file,
                    one.problems.iter().map(|problem| problem.what.as_str()).collect(),
                    one.more,
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                ("b.yaml", vec!["problem 3", "problem 4", "problem 0"], 2),
                ("a.yaml", vec!["problem 3"], 4),
                ("c.yaml", vec![], 5),
            ]
        );
    }
}
