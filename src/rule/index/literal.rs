//! What a text must hold for a pattern to match it: one search through a text finds the literals of all patterns.
//!
//! A literal here is a run of ASCII that every match holds in whatever case. A pattern that has none is never ruled
//! out here. What is not ruled out is still judged by the pattern itself.

use std::borrow::Cow;
use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use regex_syntax::hir::{Hir, HirKind};

use super::super::Pattern;

/// The shortest literal worth looking for, and how much of a long one is looked at, in bytes.
const LENGTHS: (usize, usize) = (3, 24);

/// Distinct literals by number, while an index is built.
#[derive(Debug, Default)]
pub(super) struct Literals(HashMap<Box<str>, u32>);

/// All literals of an index, to be found in a text at once.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// Missing where there are no literals, or too many for one automaton.
    automaton: Option<AhoCorasick>,
    count: u32,
}

impl Literals {
    /// The literals of which a text must hold one for any of the patterns to match; `None` where that rules nothing out.
    pub fn of(&mut self, patterns: &[Pattern]) -> Option<Vec<u32>> {
        let literals: Option<Vec<String>> = patterns.iter().map(literal).collect();
        let mut numbers: Vec<u32> = literals?.into_iter().map(|literal| self.number(literal)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Some(numbers)
    }

    fn number(&mut self, literal: String) -> u32 {
        let next = u32::try_from(self.0.len()).expect("fewer than 2^32 literals");
        *self.0.entry(literal.into_boxed_str()).or_insert(next)
    }

    /// What finds all of them in a text.
    pub fn finder(&self) -> Finder {
        let mut literals: Vec<(&str, u32)> = self.0.iter().map(|(text, number)| (&**text, *number)).collect();
        literals.sort_unstable_by_key(|(_, number)| *number);
        let texts = literals.iter().map(|(text, _)| text);
        let built = (!literals.is_empty()).then(|| AhoCorasickBuilder::new().ascii_case_insensitive(true).build(texts));
        Finder {
            automaton: built.and_then(Result::ok),
            count: u32::try_from(literals.len()).expect("fewer than 2^32 literals"),
        }
    }
}

impl Finder {
    /// Whether there is anything to find.
    pub fn is_idle(&self) -> bool {
        self.count == 0
    }

    /// The literals that a text holds, sorted, each once.
    pub fn find(&self, text: &str, found: &mut Vec<u32>) {
        found.clear();
        let Some(automaton) = &self.automaton else {
            return found.extend(0..self.count);
        };
        let text = plain(text);
        found.extend(
            automaton
                .find_overlapping_iter(&*text)
                .map(|hit| hit.pattern().as_u32()),
        );
        found.sort_unstable();
        found.dedup();
    }

    /// The memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.automaton.as_ref().map_or(0, AhoCorasick::memory_usage)
    }
}

/// The text with the only two other characters that count as ASCII letters where case does not matter (the Kelvin sign
/// and the long s) replaced by these.
fn plain(text: &str) -> Cow<'_, str> {
    match text.contains(['\u{212a}', '\u{17f}']) {
        true => text.replace('\u{212a}', "k").replace('\u{17f}', "s").into(),
        false => text.into(),
    }
}

/// A literal that every match of the pattern holds, in lower case.
fn literal(pattern: &Pattern) -> Option<String> {
    let longest = match pattern.expression() {
        Some(expression) => of_expression(&regex_syntax::parse(expression).ok()?),
        None => pattern
            .source
            .split(['*', '?'])
            .filter_map(of_text)
            .max_by_key(String::len),
    };
    longest.filter(|literal| literal.len() >= LENGTHS.0)
}

/// The longest run of ASCII in a text that is matched as it stands.
fn of_text(text: &str) -> Option<String> {
    let longest = text.split(|c: char| !c.is_ascii()).max_by_key(|run| run.len())?;
    Some(longest[..longest.len().min(LENGTHS.1)].to_ascii_lowercase())
}

fn of_expression(part: &Hir) -> Option<String> {
    match part.kind() {
        HirKind::Literal(literal) => of_text(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Capture(group) => of_expression(&group.sub),
        HirKind::Repetition(repeated) if repeated.min > 0 => of_expression(&repeated.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(of_expression).max_by_key(String::len),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Option<String> {
        literal(&Pattern::read(pattern).expect("a pattern"))
    }

    #[test]
    fn a_pattern_is_looked_for_by_its_longest_literal() {
        assert_eq!(of("*Azure drill?in*"), Some("azure drill".to_owned()));
        assert_eq!(of("0NIH-*"), Some("0nih-".to_owned()));
        assert_eq!(of(r"/\b(SQL|Cosmos) Data(base)+s?/"), Some(" data".to_owned()));
        assert_eq!(of("/(?i)sql/"), None, "each letter is a class of its own");
        assert_eq!(of("*ab*"), None, "too short to rule anything out");
        assert_eq!(of("*Störung Rechenzentrum*"), Some("rung rechenzentrum".to_owned()));
        assert_eq!(of("/sql|cosmos/"), None);
    }

    #[test]
    fn letters_that_only_look_like_ascii_are_found() {
        let mut literals = Literals::default();
        let number = literals.of(&[Pattern::read("*disks*").expect("a pattern")]);
        let mut found = Vec::new();
        literals.finder().find("DI\u{17f}\u{212a}S", &mut found);
        assert_eq!(Some(found), number);
    }
}
