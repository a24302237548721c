//! What a check has to say, folder by folder.

use crate::customer::{CustomerId, Customers, Sees};
use crate::problem::meant::meant;
use crate::problem::{Place, Problem, Severity};

use super::deciding::{EVERYTHING, Source};
use super::file::digest;
use super::test::Ran;

/// A file that can't be used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its path; of a folder that is missing or empty, the folder's, with a `/` at the end.
    pub path: String,
    /// Whose it is.
    pub customer: CustomerId,
    /// How many errors it has.
    pub problems: usize,
    /// SHA-256 of the broken text, hex; empty where there is no text.
    pub digest: String,
}

/// What a check has to say.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) broken: Vec<Broken>,
    pub(super) tests: Vec<Ran>,
}

impl Findings {
    pub(super) fn add(&mut self, other: Findings) {
        self.problems.extend(other.problems);
        self.broken.extend(other.broken);
        self.tests.extend(other.tests);
    }

    /// A folder that belongs to nobody is an error of each of its files.
    pub(super) fn refuse_stranger(&mut self, source: &Source, customer: &CustomerId, customers: &Customers) -> bool {
        if customers.sees(customer) != Sees::Nothing {
            return false;
        }
        let known = customers.by_name.iter().flatten().map(|(id, _)| id.as_str());
        let (what, hint) = match source.path.split_once('/') {
            None => ("a rule file belongs into the folder of a customer".to_owned(), None),
            Some((folder, _)) => (
                format!("`{folder}` is not a customer in the settings"),
                meant(folder, known),
            ),
        };
        let hint = hint.unwrap_or("name it under `customers:`, or move the file".to_owned());
        let problem = Problem::at(
            Severity::Error,
            &source.path,
            &source.text,
            Place::default(),
            &what,
            Some(&hint),
        );
        self.broken(&source.path, customer, 1, digest(&source.text));
        self.problems.push(problem);
        true
    }

    /// Notes a file that is not used as it is.
    pub(super) fn broken(&mut self, path: &str, customer: &CustomerId, problems: usize, digest: String) {
        self.broken.push(Broken {
            path: path.to_owned(),
            customer: customer.clone(),
            problems,
            digest,
        });
    }

    /// No rule files at all, and none before.
    pub(super) fn nobody_wrote_anything(&mut self, customers: &Customers) {
        let hint = if customers.are_separate() {
            "put a customer's rule files into a folder of its name in it, such as contoso/production.yaml"
        } else {
            "put a rule file into it, such as production.yaml"
        };
        let problem = Problem::of_file(Severity::Error, EVERYTHING, "there are no rule files", Some(hint));
        self.problems.push(problem);
        self.broken(
            EVERYTHING,
            &CustomerId::new(crate::customer::OPERATOR),
            1,
            String::new(),
        );
    }

    pub(super) fn of_folder(&mut self, customer: &CustomerId, what: &str, hint: &str) {
        let path = format!("{customer}/");
        self.problems
            .push(Problem::of_file(Severity::Error, &path, what, Some(hint)));
        self.broken(&path, customer, 1, String::new());
    }
}
