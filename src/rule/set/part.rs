//! Rules with an index over them: what a revision is made of. One large part is shared by many revisions.

use std::sync::Arc;

use crate::customer::Customers;
use crate::rule::index::{Builder, Facts, Index, Keys, Scratch};
use crate::rule::{Rule, RuleFile};

/// Behind every path.
const LAST: &str = "\u{10ffff}";

/// The rules of some files, in order, and perhaps the built-in ones behind them.
#[derive(Debug)]
pub(super) struct Part {
    rules: Vec<Arc<Rule>>,
    /// Where the rules of each file begin; the built-in ones have no file.
    files: Vec<(u32, Option<Arc<RuleFile>>)>,
    index: Index,
}

/// A rule, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'p> {
    /// The path of its file; behind all paths for a built-in rule.
    pub path: &'p str,
    /// The rule.
    pub rule: &'p Arc<Rule>,
}

impl Part {
    /// The rules of these files, and the built-in ones; `keys` are those of events.
    pub fn new<'f>(
        files: impl Iterator<Item = &'f Arc<RuleFile>>,
        built_in: impl Iterator<Item = &'f Arc<Rule>>,
        customers: &Customers,
        keys: Keys,
    ) -> Self {
        let mut part = Self {
            rules: Vec::new(),
            files: Vec::new(),
            index: Builder::default().build(),
        };
        for file in files {
            part.files.push((part.next(), Some(file.clone())));
            part.rules.extend(file.rules.iter().cloned());
        }
        part.files.push((part.next(), None));
        part.rules.extend(built_in.cloned());
        let mut builder = Builder::new(keys);
        for (number, rule) in (0..).zip(&part.rules) {
            builder.add_rule(number, rule, customers);
        }
        part.index = builder.build();
        part
    }

    fn next(&self) -> u32 {
        u32::try_from(self.rules.len()).expect("fewer than 2^29 rules")
    }

    /// The index over them.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The rules that may match, in order.
    pub fn candidates<'p>(&'p self, facts: &Facts<'_>, scratch: &mut Scratch) -> impl Iterator<Item = Placed<'p>> {
        let mut numbers = Vec::new();
        self.index.search(facts, scratch);
        self.index.candidates(scratch, &mut numbers);
        numbers.into_iter().map(|number| self.placed(number))
    }

    fn placed(&self, number: u32) -> Placed<'_> {
        let behind = self.files.partition_point(|(first, _)| *first <= number);
        let file = self.files[..behind].last().and_then(|(_, file)| file.as_ref());
        Placed {
            path: file.map_or(LAST, |file| &file.path),
            rule: &self.rules[number as usize],
        }
    }
}
