//! Text patterns: a glob covers the whole text, `/…/` searches by regular expression. Case never matters.
//!
//! Only expressions that run in time linear in the text exist here; their compiled size is limited.

use std::sync::{Arc, OnceLock};

use regex::{Regex, RegexBuilder};

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 1_000;

/// The most memory one compiled pattern may take, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// A text pattern: a glob over the whole text, or a search by regular expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As the customer wrote it.
    pub source: String,
    /// What it is compiled to, a glob when it is first tried; case does not matter.
    regex: Arc<OnceLock<Regex>>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// Why a text is no pattern, and what to type instead.
#[derive(Debug, PartialEq, Eq)]
pub struct NoPattern {
    /// Why.
    pub what: String,
    /// What to type instead.
    pub hint: Option<&'static str>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is too long, too large, or no regular expression of the linear-time kind.
    pub fn read(source: &str) -> Result<Self, NoPattern> {
        if source.len() > MAX_LENGTH {
            let what = format!("a pattern has at most {MAX_LENGTH} characters");
            return Err(NoPattern {
                what,
                hint: Some("give the key a list of shorter ones: any of them matches"),
            });
        }
        if source.chars().any(char::is_control) {
            let what = "this pattern holds a control character: YAML turned a backslash in double quotes into one";
            return Err(NoPattern {
                what: what.to_owned(),
                hint: Some("use single quotes: '/\\bSQL/'"),
            });
        }
        let regex = OnceLock::new();
        if let Some(expression) = expression(source) {
            let compiled = compile(expression, MAX_COMPILED).map_err(|error| explain(&error))?;
            regex.get_or_init(|| compiled);
        }
        Ok(Self {
            source: source.to_owned(),
            regex: Arc::new(regex),
        })
    }

    /// Whether it matches.
    pub fn matches(&self, text: &str) -> bool {
        let compiled = || compile(&glob(&self.source), usize::MAX).expect("any glob is a regular expression");
        self.regex.get_or_init(compiled).is_match(text)
    }

    /// The regular expression between the slashes, if it is not a glob.
    pub fn expression(&self) -> Option<&str> {
        expression(&self.source)
    }

    /// Whether it is a glob without `*` and `?`, which only ever matches the very same text.
    pub fn is_literal(&self) -> bool {
        self.expression().is_none() && !self.source.contains(['*', '?'])
    }
}

/// What stands between the slashes of `/…/`.
fn expression(source: &str) -> Option<&str> {
    source
        .strip_prefix('/')?
        .strip_suffix('/')
        .filter(|inner| !inner.is_empty())
}

fn compile(expression: &str, size_most: usize) -> Result<Regex, regex::Error> {
    let mut builder = RegexBuilder::new(expression);
    builder.case_insensitive(true).size_limit(size_most).build()
}

fn glob(source: &str) -> String {
    let mut expression = String::from("(?s)^");
    for c in source.chars() {
        match c {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            other => expression.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push('$');
    expression
}

fn explain(error: &regex::Error) -> NoPattern {
    if let regex::Error::CompiledTooBig(_) = error {
        let what = format!("this pattern takes more than {} KiB when compiled", MAX_COMPILED / 1024);
        return NoPattern {
            what,
            hint: Some("make its repetitions smaller, or write `*` in a glob"),
        };
    }
    let text = error.to_string();
    let why = text.lines().last().unwrap_or("not a regular expression").trim();
    let why = why.strip_prefix("error: ").unwrap_or(why);
    let hint = why
        .contains("look-around")
        .then_some("there is no look-ahead or look-behind here: use `unless`");
    let hint = hint.or(why
        .contains("backreference")
        .then_some("there are no backreferences here"));
    NoPattern {
        what: format!("this is no regular expression: {why}"),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::read(pattern).expect("a pattern").matches(text)
    }

    #[test]
    fn a_glob_covers_the_whole_text_and_ignores_case() {
        assert!(matches("*drill*", "Azure DRILL\nin Sweden"));
        assert!(!matches("drill", "a drill"));
        assert!(matches("0NIH-???", "0nih-u2o"));
        assert!(matches("a.b(c)", "A.B(C)"));
        assert!(!matches("a.b", "axb"));
    }

    #[test]
    fn the_largest_globs_can_be_compiled() {
        for part in ["?", "k", "ß", "*?", "\\", "{", "𝔘"] {
            let glob = part.repeat(MAX_LENGTH / part.len());
            assert!(!matches(&glob, "x"), "{part}");
        }
    }

    #[test]
    fn slashes_search_with_a_regular_expression() {
        assert!(matches(r"/\bsql\b/", "Azure SQL Database"));
        assert!(!matches(r"/\bsql\b/", "MySQL"));
        assert!(matches("/", "/"), "one slash is a glob");
    }

    #[test]
    fn what_can_not_be_compiled_says_why() {
        assert_eq!(
            Pattern::read("/\u{8}SQL/").expect_err("control").hint,
            Some("use single quotes: '/\\bSQL/'")
        );
        assert!(Pattern::read("/(?=x)/").expect_err("look-around").hint.is_some());
        assert!(Pattern::read("/(a)\\1/").expect_err("backreference").hint.is_some());
        assert!(
            Pattern::read("/(/")
                .expect_err("unclosed")
                .what
                .contains("unclosed group")
        );
        assert!(Pattern::read(r"/\w{900}/").expect_err("size").what.contains("KiB"));
        assert!(Pattern::read(&"a".repeat(1_001)).is_err());
    }
}
