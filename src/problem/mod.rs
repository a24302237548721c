//! What is wrong in a file that a person wrote: where, what, and what to type instead.
//!
//! A [`Problem`] never shows a secret: whatever looks like one is masked when it is made, so it may be printed, mailed
//! and served. This module reads no files and decides nothing about rules.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

pub mod examine;
mod explain;
pub mod fields;
pub mod flood;
pub mod letters;
pub mod meant;
pub mod yaml;

/// One thing wrong at one place of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it keeps the file from being used.
    pub severity: Severity,
    /// The file, as its reader names it.
    pub file: String,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// How many characters are meant; at least 1.
    pub length: usize,
    /// The line itself, with secrets masked.
    pub source_line: String,
    /// What is wrong, in one sentence.
    pub what: String,
    /// What to type instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Errors keep a file from being used; warnings never block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file's last good version stays in force.
    Error,
    /// Worth a look.
    Warning,
}

/// The longest line that is shown whole, in characters; longer ones are cut behind the place.
const MAX_SHOWN: usize = 2_000;

impl Problem {
    /// A problem with a whole file or folder, where no line can be shown.
    pub fn of_file(severity: Severity, file: &str, what: &str, hint: Option<&str>) -> Self {
        Self::at(severity, file, "", Place::default(), what, hint)
    }

    /// A problem at `place` of `text`.
    pub fn at(severity: Severity, file: &str, text: &str, place: Place, what: &str, hint: Option<&str>) -> Self {
        let line = text.lines().nth(place.line.max(1) - 1).unwrap_or("");
        let shown: String = line.chars().take(MAX_SHOWN).map(visible).collect();
        let room = shown.chars().count().saturating_sub(place.column.max(1) - 1);
        Self {
            severity,
            file: escaped(file),
            line: place.line.max(1),
            column: place.column.max(1),
            length: place.length.clamp(1, room.max(1)),
            source_line: mask(&shown),
            what: escaped(&mask(what)),
            hint: hint.map(|hint| escaped(&mask(hint))),
        }
    }

    /// Hides what stands at a place of its line: somebody may have typed a secret there.
    pub fn hide(&mut self, place: Place) {
        if place.line != self.line {
            return;
        }
        let first = place.column.saturating_sub(1);
        let hidden = first..first + place.length;
        let hide = |(nth, letter): (usize, char)| match hidden.contains(&nth) && letter.is_alphanumeric() {
            true => '*',
            false => letter,
        };
        self.source_line = self.source_line.chars().enumerate().map(hide).collect();
    }

    /// Whether the file can't be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The problem as people read it, without colours: title, place, line, hint.
    pub fn plain(&self) -> String {
        Renderer::plain().render(&self.report())
    }

    /// The same within so many columns of a screen; a file's name and a word that is longer are not broken.
    pub fn shown(&self, columns: usize, is_coloured: bool) -> String {
        let renderer = if is_coloured {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let title = "warning: ".len();
        let beside_hint = self.line.to_string().len() + "   = hint: ".len();
        let wrapped = Self {
            what: wrapped(&self.what, columns.saturating_sub(title)),
            hint: self
                .hint
                .as_ref()
                .map(|hint| wrapped(hint, columns.saturating_sub(beside_hint))),
            ..self.clone()
        };
        renderer.term_width(columns).render(&wrapped.report())
    }

    fn report(&self) -> [Group<'_>; 1] {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let start = byte_of(&self.source_line, self.column - 1);
        let end = byte_of(&self.source_line, self.column - 1 + self.length);
        let snippet = Snippet::source(self.source_line.as_str())
            .line_start(self.line)
            .path(self.file.as_str());
        let snippet = snippet.annotation(AnnotationKind::Primary.span(start..end));
        let mut group = level.primary_title(self.what.as_str()).element(snippet);
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        [group]
    }
}

/// A text in lines of at most so many characters, broken between words.
fn wrapped(text: &str, most: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// `file:line:column: what (hint)`: one line, for logs and mails.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.what)?;
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

/// Text of strangers as one line that shows what it is: characters that end a line, move a cursor or turn the direction
/// of what follows (Unicode UAX #9) are written as escapes. So nobody's file or name can forge a line of a log.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_invisible(letter) {
            true => escaped.extend(letter.escape_default()),
            false => escaped.push(letter),
        }
    }
    escaped
}

/// Whether a character ends a line, moves a cursor or turns the direction of what follows.
pub fn is_invisible(letter: char) -> bool {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || turns || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// One character of a line as it is shown: columns stay where they are.
fn visible(letter: char) -> char {
    match is_invisible(letter) && letter != '\t' {
        true => char::REPLACEMENT_CHARACTER,
        false => letter,
    }
}

/// Where something stands in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// In characters.
    pub length: usize,
}

fn byte_of(line: &str, column: usize) -> usize {
    line.char_indices().nth(column).map_or(line.len(), |(at, _)| at)
}

/// Replaces whatever looks like a secret by asterisks, one for one: everything of a URL behind its host, words that
/// look like keys, and what stands behind `password:` and the like.
pub fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut holds = Holds::Words;
    for word in split_words(text) {
        match mask_word(word, holds) {
            Some(hidden) => masked.push_str(&hidden),
            None => masked.push_str(word),
        }
        // quotes and brackets around a value do not end it
        if word.chars().any(char::is_alphanumeric) {
            holds = holds.behind(word);
        }
    }
    masked
}

/// What the words behind a key are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Nothing secret.
    Words,
    /// A secret.
    Secret,
    /// Names of secrets, where people type the secrets themselves.
    NamesOfSecrets,
}

impl Holds {
    fn behind(self, word: &str) -> Self {
        let key = word.trim_start_matches(['{', '-', '"', '\'']).to_lowercase();
        match key.as_str() {
            "password:" | "passwd:" | "token:" | "signing:" | "authorization:" | "bearer" => Holds::Secret,
            "secret:" | "secrets:" | "tokens:" | "intake:" | "read:" | "operate:" => Holds::NamesOfSecrets,
            // a list of names goes on until the next key
            key if !key.ends_with(':') && self == Holds::NamesOfSecrets => self,
            _ => Holds::Words,
        }
    }
}

/// A run of letters and digits of this length, with both in it, is no word that people name things by.
const RUN_OF_A_VALUE: usize = 16;

/// Whether what stands where the name of a secret belongs looks like the secret itself: it cannot be a name, or its words
/// are no words.
pub fn looks_like_a_value(name: &str) -> bool {
    let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.bytes().all(is_of_names) || looks_like_a_key(name) || name.split(['-', '_', '.']).any(is_no_word)
}

/// Whether letters and digits are mixed as nobody names a thing: long with digits in it, or digits amid letters.
fn is_no_word(run: &str) -> bool {
    let has_digit = run.bytes().any(|byte| byte.is_ascii_digit());
    let has_letter = run.bytes().any(|byte| byte.is_ascii_alphabetic());
    let letters = run.trim_end_matches(|c: char| c.is_ascii_digit());
    let digit_amid_letters = letters.bytes().any(|byte| byte.is_ascii_digit());
    let capitals = letters.bytes().skip(1).filter(u8::is_ascii_uppercase).count();
    let is_mixed = capitals > 2 && letters.bytes().any(|byte| byte.is_ascii_lowercase());
    has_letter && has_digit && (run.len() >= RUN_OF_A_VALUE || digit_amid_letters && run.len() >= RUN_OF_A_VALUE / 2)
        || is_mixed && run.len() >= RUN_OF_A_VALUE
        || run.len() >= 2 * RUN_OF_A_VALUE
}

/// Words and what separates them, nothing lost.
fn split_words(text: &str) -> impl Iterator<Item = &str> {
    let separates = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '{' | '}' | '[' | ']' | '<' | '>');
    text.split_inclusive(separates).flat_map(move |piece| {
        let (word, end) = match piece.char_indices().next_back() {
            Some((at, last)) if separates(last) => piece.split_at(at),
            _ => (piece, ""),
        };
        [word, end].into_iter().filter(|part| !part.is_empty())
    })
}

fn mask_word(word: &str, holds: Holds) -> Option<String> {
    if let Some((scheme, rest)) = word.split_once("://") {
        return Some(format!("{scheme}://{}", mask_address(rest)));
    }
    let is_separator = word.chars().all(|c| !c.is_alphanumeric());
    let name = word.trim_matches([',', ';']);
    let is_hidden = match holds {
        Holds::Words => false,
        // `password: { secret: its-name }` is as it should be
        Holds::Secret => name != "secret:",
        Holds::NamesOfSecrets => !name.ends_with(':') && looks_like_a_value(name),
    };
    let hides = !is_separator && (is_hidden || looks_like_a_key(word));
    hides.then(|| stars(word))
}

/// Keeps the host of what follows `://`; hides user and password, path and query.
fn mask_address(rest: &str) -> String {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = match path {
        "" | "/" => path.to_owned(),
        _ => format!("{}{}", &path[..1], stars(&path[1..])),
    };
    match authority.rsplit_once('@') {
        Some((credentials, host)) => format!("{}@{host}{path}", stars(credentials)),
        None => format!("{authority}{path}"),
    }
}

fn stars(text: &str) -> String {
    let kept = text.len() - text.trim_end_matches([',', ';', '.']).len();
    let (hidden, kept) = text.split_at(text.len() - kept);
    hidden.chars().map(|_| '*').chain(kept.chars()).collect()
}

fn looks_like_a_key(word: &str) -> bool {
    const PREFIXES: [&str; 8] = [
        "whsec_",
        "whsk_",
        "xoxb-",
        "xoxp-",
        "ghp_",
        "github_pat_",
        "bw_",
        "sk_live_",
    ];
    let word = word.trim_matches([',', ';', ':', '.']);
    if PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
        return true;
    }
    // what was meant as the id of a subscription is shown, or nobody finds the letter that is wrong in it
    let is_nearly_hex = || word.chars().filter(char::is_ascii_hexdigit).count() >= 30;
    if word.starts_with("/subscriptions/") || (word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && is_nearly_hex()) {
        return false;
    }
    let has = |test: fn(&char) -> bool| word.chars().any(|c| test(&c));
    let is_base64 = word.chars().all(|c| c.is_ascii_alphanumeric() || "+/=_-".contains(c));
    word.len() >= 24
        && is_base64
        && has(char::is_ascii_digit)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_uppercase)
}

/// What went wrong, without the paths of this machine's files: of an absolute path of several parts its last one is left
/// (`…/contoso-teams`), so that one still knows which file is meant.
pub fn without_paths(text: &str) -> String {
    let is_in_path = |c: char| c.is_alphanumeric() || "/._-@+~".contains(c);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('/') {
        let length = rest[at..].find(|c| !is_in_path(c)).unwrap_or(rest.len() - at);
        let (before, path) = (&rest[..at], &rest[at..at + length]);
        let begins = before
            .chars()
            .next_back()
            .is_none_or(|c| !is_in_path(c) && c != ':' && c != '…');
        let last = path.trim_end_matches(['/', '.']).rsplit_once('/');
        shown.push_str(before);
        match last.filter(|(parents, _)| begins && !parents.is_empty() && !parents.starts_with("//")) {
            Some((parents, _)) => {
                shown.push('…');
                shown.push_str(&path[parents.len()..]);
            }
            None => shown.push_str(path),
        }
        rest = &rest[at + length..];
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_columns_stay_where_they_are() {
        for (text, shown) in [
            (
                "slack: { url: https://hooks.slack.com/services/T0/B0/x }",
                "slack: { url: https://hooks.slack.com/**************** }",
            ),
            (
                "url: \"https://ada:pw@a.example/\"",
                "url: \"https://******@a.example/\"",
            ),
            ("password: hunter2, x", "password: *******, x"),
            ("signing: whsec_MfKQ9r8GKY", "signing: ****************"),
            (
                "a: abcDEF0123456789abcDEF0123456789",
                "a: ********************************",
            ),
            ("secret: contoso-teams", "secret: contoso-teams"),
            (
                "s: 11111111-aaaa-4bbb-8ccc-111111111111",
                "s: 11111111-aaaa-4bbb-8ccc-111111111111",
            ),
            ("url: https://example.com", "url: https://example.com"),
            ("password: \"hunter2\"", "password: \"*******\""),
            (
                "tokens: { intake: hunter2!, read: [a, b], x: y! }",
                "tokens: { intake: ********, read: [a, b], x: y! }",
            ),
            (
                "read: [grafana, 4f2a9c0d1e8b7a6f, portal-2]",
                "read: [grafana, ****************, portal-2]",
            ),
            (
                "url: { secret: 'https://a.example/hunter2' }",
                "url: { secret: 'https://a.example/*******' }",
            ),
            (
                "url: { secret: a.example/hunter2 }",
                "url: { secret: ***************** }",
            ),
        ] {
            assert_eq!(mask(text), shown);
            assert_eq!(mask(text).chars().count(), text.chars().count());
        }
    }

    #[test]
    fn a_problem_shows_its_place_its_line_and_its_hint() {
        let place = Place {
            line: 2,
            column: 9,
            length: 4,
        };
        let problem = Problem::at(
            Severity::Error,
            "contoso/a.yaml",
            "a:\n  when: {x: 1}\n",
            place,
            "no such key",
            Some("type y"),
        );
        insta::assert_snapshot!(problem.plain(), @r#"
        error: no such key
         --> contoso/a.yaml:2:9
          |
        2 |   when: {x: 1}
          |         ^^^^
          |
          = hint: type y
        "#);
        assert_eq!(problem.to_string(), "contoso/a.yaml:2:9: no such key (hint: type y)");
    }

    #[test]
    fn a_problem_stays_within_the_width_of_the_screen() {
        let text = format!("rules: [{}]", "{ name: rule, when: {}, notify: a }, ".repeat(20));
        let place = Place {
            line: 1,
            column: 300,
            length: 6,
        };
        let (what, hint) = (
            "a sentence that goes on for a while ".repeat(6),
            "type something else ".repeat(12),
        );
        let problem = Problem::at(Severity::Error, "a.yaml", &text, place, what.trim(), Some(hint.trim()));
        for columns in [60, 80, 120] {
            let shown = problem.shown(columns, false);
            let longest = shown.lines().map(|line| line.chars().count()).max();
            assert!(
                longest.is_some_and(|most| most <= columns),
                "{columns}: {longest:?}\n{shown}"
            );
            let words = |text: &str| text.split_whitespace().filter(|word| *word == "else").count();
            assert_eq!(words(&shown), 12, "nothing is lost: {shown}");
            assert!(shown.contains("notify: a"), "{shown}");
        }
    }

    #[test]
    fn what_strangers_write_makes_no_line_of_its_own() {
        let text = "a: 1\rERROR forged\u{2028}x\u{202e}y\tz";
        let (file, what) = ("conto\nso/a.yaml", "no such key `a\nERROR all is lost`");
        let problem = Problem::at(
            Severity::Error,
            file,
            text,
            Place::default(),
            what,
            Some("type\u{1b}[2J"),
        );
        assert_eq!(problem.to_string().lines().count(), 1);
        assert_eq!(problem.source_line.chars().count(), text.chars().count());
        let plain = problem.plain();
        assert!(
            plain.contains(r"conto\nso/a.yaml") && plain.contains(r"a\nERROR all"),
            "{plain}"
        );
        let hidden = |letter: char| is_invisible(letter) && letter != '\n';
        assert!(!plain.contains(hidden), "{plain:?}");
        assert!(plain.lines().all(|line| !line.starts_with("ERROR")), "{plain}");
    }

    #[test]
    fn a_place_behind_the_end_of_its_line_is_still_shown() {
        let place = Place {
            line: 1,
            column: 90,
            length: 40,
        };
        let problem = Problem::at(Severity::Warning, "a.yaml", "täg: ü", place, "odd", None);
        assert!(problem.plain().contains("täg: ü"), "{}", problem.plain());
        assert!(problem.shown(80, true).contains("odd"));
        assert!(
            Problem::of_file(Severity::Error, "contoso/", "empty", None)
                .plain()
                .contains("contoso/")
        );
    }
}
