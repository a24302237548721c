//! Patterns that are meant otherwise than they are read: negations, expressions with flags, wildcards of other languages.
//!
//! An error is only what no text of an event can match.

use crate::problem::fields::{Marked, Reading};

use super::negation;

/// The flags that other languages write behind an expression.
const FLAGS: &str = "gimsuxyU";

/// Tells what is wrong with a pattern that could be read.
pub(super) fn tell(reading: &Reading<'_>, key: &str, pattern: &Marked<String>) {
    let text = pattern.value.as_str();
    let error = |what: &str, hint: &str| reading.error(pattern.place, what, Some(hint));
    if negated(key, text).is_some() {
        return tell_negation(reading, key, pattern);
    }
    if let Some(expression) = with_flags(text) {
        let hint = format!("write '/{expression}/': capitals and small letters are the same in every pattern");
        return error("a search has nothing behind its second slash", &hint);
    }
    let is_expression = text.len() > 2 && text.starts_with('/') && text.ends_with('/');
    if matches!(key, "title" | "tracking id") && !is_expression && has_odd_spaces(text) {
        let what = format!("no {key} begins or ends with a space, or has two in a row: this never matches");
        return error(&what, "remove the spaces, or write `*` for any text");
    }
    if key == "tracking id" && text.contains("://") {
        let what = "a tracking id is no address: this never matches";
        let id = text.split('/').find(|part| part.contains('-') && !part.contains('.'));
        return error(what, &format!("write the id alone: {}", id.unwrap_or("VVTQ-J98")));
    }
    if key == "properties" && negation::negated(text).is_some() {
        let what = "this looks for these very characters: a pattern has no \"not\"";
        return reading.warning(
            pattern.place,
            what,
            Some("what is left out stands beside `when`, under `unless:`"),
        );
    }
    if !is_expression && text.contains('*') {
        warn_of_glob(reading, pattern);
    }
}

/// Tells that something is a negation, if it is one.
pub(super) fn tell_negation(reading: &Reading<'_>, key: &str, pattern: &Marked<String>) {
    let text = pattern.value.as_str();
    if let Some(left_out) = negated(key, text) {
        let what = format!("`{text}` looks for these very characters: a pattern has no \"not\"");
        let hint = negation::hint(key, &format!("{left_out:?}"));
        reading.error(pattern.place, &what, Some(&hint));
    }
}

/// What of a pattern is to be left out: texts may well begin with a word such as "not", and with these signs none does.
fn negated<'t>(key: &str, text: &'t str) -> Option<&'t str> {
    let left_out = negation::negated(text)?;
    let by_sign = !text.trim().starts_with(char::is_alphabetic);
    let is_pattern = left_out.starts_with(['*', '/', '"', '\'']);
    (by_sign || is_pattern || matches!(key, "tracking id" | "subtype")).then_some(left_out)
}

/// The expression of `/drill/i`.
fn with_flags(text: &str) -> Option<&str> {
    let (expression, flags) = text.strip_prefix('/')?.rsplit_once('/')?;
    let are_flags = !flags.is_empty() && flags.chars().all(|flag| FLAGS.contains(flag));
    (are_flags && !expression.is_empty()).then_some(expression)
}

/// Whether a glob has what shells take for a class of characters (`[Dd]`, `[0-9]`) or for a choice (`{a,b}`). Titles have
/// words in brackets, too.
fn is_class_or_choice(text: &str) -> bool {
    let between = |open: char, close: char| Some(text.split_once(open)?.1.split_once(close)?.0);
    between('[', ']').is_some_and(|inside| (1..=4).contains(&inside.chars().count()) && !inside.contains(' '))
        || between('{', '}').is_some_and(|inside| inside.contains(','))
}

fn has_odd_spaces(text: &str) -> bool {
    text.trim() != text || text.contains("  ")
}

/// What is probably meant otherwise, and may match.
fn warn_of_glob(reading: &Reading<'_>, pattern: &Marked<String>) {
    let text = pattern.value.as_str();
    let (what, hint) = if text.contains(".*") || text.contains(".+") || text.starts_with('^') || text.ends_with('$') {
        (
            "in a glob `.`, `+`, `^` and `$` are only themselves",
            format!("a regular expression stands between slashes: '/{text}/'"),
        )
    } else if text.contains("*, *") || text.contains("*,*") || text.contains("*;*") || text.contains("*|*") {
        let parts: Vec<String> = text
            .split([',', ';', '|'])
            .map(|part| format!("{:?}", part.trim()))
            .collect();
        (
            "this is one pattern, its commas are a part of the text",
            format!("several are a list: [{}]", parts.join(", ")),
        )
    } else if text.to_lowercase().contains("* or *") {
        (
            "this is one pattern, its \"or\" is a part of the text",
            "several are a list: [\"*a*\", \"*b*\"]".to_owned(),
        )
    } else if is_class_or_choice(text) {
        (
            "in a glob brackets and braces are only themselves",
            "several patterns are a list; a regular expression stands between slashes: '/[Dd]rill/'".to_owned(),
        )
    } else {
        return;
    };
    reading.warning(pattern.place, what, Some(&hint));
}
