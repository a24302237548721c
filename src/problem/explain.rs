//! Why a text is not YAML, in words for people who edit such a file twice a year: the place they must look at, which is
//! not always the one where the parser stopped, and what to type instead.

use serde_saphyr::budget::BudgetBreach;

use super::Place;
use super::letters::{first_odd, named, typographic_quote};

/// Why a text is not YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotYaml {
    /// Where the reader stopped.
    pub place: Place,
    /// Why.
    pub what: String,
    /// What to type instead.
    pub hint: Option<String>,
}

/// How many lines before the one where the parser stopped may hold the mistake.
const LINES_BACK: usize = 2;

/// What the parser says, explained.
pub(super) fn explain(text: &str, error: &serde_saphyr::Error) -> NotYaml {
    let place = error.location().map(|at| Place {
        line: at.line() as usize,
        column: at.column() as usize,
        length: at.span().len() as usize,
    });
    let place = place.unwrap_or_default();
    if let serde_saphyr::Error::Budget { breach, .. } = error.without_snippet() {
        return too_much(place, breach);
    }
    if let Some(known) = merge_marker(text).or_else(|| near(text, place)) {
        return known;
    }
    let what = error.without_snippet().to_string();
    let what = what.split(" at line ").next().unwrap_or(&what).replace('\n', " ");
    let line = text.lines().nth(place.line.max(1) - 1).unwrap_or("");
    NotYaml {
        place,
        hint: hint_for(line, &what),
        what: format!("this is not YAML: {what}"),
    }
}

/// A limit was met.
fn too_much(place: Place, breach: &BudgetBreach) -> NotYaml {
    let (what, hint) = match breach {
        BudgetBreach::Documents { .. } => ("a file holds one document", "remove the line `---`"),
        BudgetBreach::Depth { .. } => ("this is nested more than 32 levels deep", "take a level out"),
        _ => (
            "this file holds more than can be read",
            "split it, and use anchors sparingly",
        ),
    };
    not_yaml(place, what, hint)
}

fn not_yaml(place: Place, what: &str, hint: &str) -> NotYaml {
    NotYaml {
        place,
        what: what.to_owned(),
        hint: Some(hint.to_owned()),
    }
}

/// What a version control system leaves behind where two people changed the same lines.
fn merge_marker(text: &str) -> Option<NotYaml> {
    const MARKERS: [&str; 4] = ["<<<<<<<", "=======", ">>>>>>>", "|||||||"];
    let mut lines = text.lines().enumerate();
    let (nth, line) = lines.find(|(_, line)| MARKERS.iter().any(|marker| line.starts_with(marker)))?;
    let place = Place {
        line: nth + 1,
        column: 1,
        length: line.chars().count(),
    };
    let hint = "keep the lines of one side, and remove those that begin with `<<<<<<<`, `=======` and `>>>>>>>`";
    Some(not_yaml(place, "this is a marker of a merge conflict, not YAML", hint))
}

/// The mistake that is known by its looks, in the line where the parser stopped or in one shortly before it.
fn near(text: &str, stopped: Place) -> Option<NotYaml> {
    let last = stopped.line.max(1);
    let lines: Vec<&str> = text.lines().take(last + 1).collect();
    // the parser may stop at the line behind it, or before it
    let near = (last.saturating_sub(1 + LINES_BACK)..lines.len().min(last + 1)).rev();
    let order = near
        .clone()
        .filter(|at| at + 1 == last)
        .chain(near.filter(|at| at + 1 != last));
    let order: Vec<usize> = order.collect();
    for known in [tab, odd, quote, comment, no_space] {
        let found = order.iter().find_map(|at| Some((*at, known(lines.get(*at)?)?)));
        if let Some((at, (column, length, what, hint))) = found {
            let place = Place {
                line: at + 1,
                column,
                length,
            };
            return Some(not_yaml(place, &what, &hint));
        }
    }
    None
}

/// Column and length, what is wrong, and what to type instead.
type Known = (usize, usize, String, String);

fn tab(line: &str) -> Option<Known> {
    let blank: Vec<char> = line.chars().take_while(|c| c.is_whitespace()).collect();
    let at = blank.iter().position(|c| *c == '\t')?;
    let what = "this line is indented with a tab, which YAML does not allow".to_owned();
    Some((
        at + 1,
        blank.len() - at,
        what,
        "indent with spaces, not with tabs".to_owned(),
    ))
}

fn odd(line: &str) -> Option<Known> {
    let odd = first_odd(line)?;
    let what = format!("this is not YAML, and here stands {}", named(odd.letter));
    Some((
        odd.at + 1,
        1,
        what,
        "delete it: delete the line and type it anew".to_owned(),
    ))
}

fn quote(line: &str) -> Option<Known> {
    let quote = typographic_quote(line)?;
    let at = line.chars().position(|letter| letter == quote)?;
    let what = format!(
        "this is not YAML, and here stands a typographic quote ({})",
        named(quote)
    );
    Some((at + 1, 1, what, "type straight quotes: \"*drill*\"".to_owned()))
}

/// Comments of other languages.
fn comment(line: &str) -> Option<Known> {
    const SIGNS: [&str; 5] = ["//", "/*", "<!--", "--", ";"];
    let trimmed = line.trim_start();
    let begins = SIGNS.iter().any(|sign| trimmed.starts_with(sign)) && !trimmed.starts_with("---");
    let from = match begins {
        true => line.len() - trimmed.len(),
        false => line.find(" //")? + 1,
    };
    let at = line[..from].chars().count();
    let length = line.chars().count() - at;
    let what = "this is not a comment for YAML".to_owned();
    let hint = "a comment begins with `#`, and a space before it".to_owned();
    Some((at + 1, length, what, hint))
}

/// `notify:platform`, which is one word for YAML.
fn no_space(line: &str) -> Option<Known> {
    let trimmed = line.trim_start();
    let item = trimmed.strip_prefix("- ").unwrap_or(trimmed).trim_start();
    let (key, value) = item.split_once(':')?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || " -_".contains(c));
    let is_value = !value.is_empty() && !value.starts_with([' ', '\t', '/']) && !value.contains(": ");
    if !is_key || !is_value || key.starts_with('-') {
        return None;
    }
    let at = line[..line.len() - item.len()].chars().count();
    let what = format!("`{key}:{value}` is one word for YAML", value = value.trim_end());
    let hint = format!("a space after the colon: `{key}: {}`", value.trim_end());
    Some((at + 1, item.trim_end().chars().count(), what, hint))
}

/// What people usually mean by a line that is not YAML.
fn hint_for(line: &str, what: &str) -> Option<String> {
    let value = line.split_once(':').map_or(line, |(_, value)| value).trim();
    let hint = if what.contains("anchor") || what.contains("alias") {
        "a text that begins with `*` must be quoted: \"*drill*\""
    } else if what.contains("unclosed bracket") {
        "close it: each `{` has its `}`, and each `[` its `]`"
    } else if value.contains('"') && value.contains('\\') {
        "put a text with backslashes into single quotes: '/\\bSQL/'"
    } else if value.starts_with(['@', '`', '%']) {
        "quote a text that begins with `@`, `%` or a backtick"
    } else if line.contains('\t') {
        "indent with spaces, not with tabs"
    } else if value.contains(": ") {
        "quote a text that contains `: `"
    } else if what.contains("did not find expected") {
        "look at this line and the one before: keys line up, a space follows each `:`, and what is opened (`{`, `[`, a quote) is closed"
    } else if what.contains("simple key expected") && line.contains(" = ") {
        "write a colon and a space: `key: value`"
    } else if what.contains("simple key expected") {
        "a key ends with a colon, and a space follows it: `key: value`; a comment begins with `#`"
    } else {
        return None;
    };
    Some(hint.to_owned())
}
