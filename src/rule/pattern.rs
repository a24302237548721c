//! Text patterns: a glob covers the whole text, `/…/` searches by regular expression. Case never matters.
//!
//! Customers are strangers to each other, and all patterns are tried by one thread. So only expressions that run in time
//! linear in the text exist here, and what they take is counted: [`Cost`] when they are read, [`Steps`] when they are
//! tried.

use std::cell::OnceCell;
use std::sync::Arc;

use regex_automata::meta::{BuildError, Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Input, nfa::thompson::WhichCaptures};
use regex_syntax::hir::{Hir, HirKind};

use super::steps::{Steps, TooCostly};

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 1_000;

/// The most memory that the states of one compiled expression may take, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// How much of a text an expression searches, in bytes; ten times the longest review known.
const SEARCHED: usize = 256 << 10;

/// What it takes to begin a search by an expression, in steps.
const SEARCH_STEPS: u64 = 2_000;

/// What a search by an expression takes at worst for each byte and each place of the expression, in steps.
const PLACE_STEPS: u64 = 2;

/// What it may take to find out whether one glob covers another, in steps.
const GLOB_STEPS: u64 = 100_000;

/// A text that patterns are tried on; it is made ready for globs once.
#[derive(Debug)]
pub struct Text<'t> {
    text: &'t str,
    folded: OnceCell<Vec<char>>,
}

impl<'t> Text<'t> {
    /// A text.
    pub fn of(text: &'t str) -> Self {
        Self {
            text,
            folded: OnceCell::new(),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &'t str {
        self.text
    }

    /// Its characters, without case.
    fn folded(&self) -> &[char] {
        self.folded.get_or_init(|| folded(self.text))
    }
}

/// The characters of a text, without case. A character whose small form is several stays as it is.
fn folded(text: &str) -> Vec<char> {
    let small = |letter: char| {
        let mut small = letter.to_lowercase();
        match (small.next(), small.next()) {
            (Some(one), None) => one,
            _ => letter,
        }
    };
    text.chars().map(small).collect()
}

/// A text pattern: a glob over the whole text, or a search by regular expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As the customer wrote it.
    pub source: String,
    /// What a regular expression is compiled to.
    regex: Option<Arc<Regex>>,
    cost: Cost,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// What a pattern takes; nothing worth counting for a glob.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Memory of the compiled expression, in bytes.
    pub bytes: usize,
    /// At how many places of the expression a search may stand at once: its time per byte of the text, at worst.
    pub places: usize,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.places = self.places.saturating_add(other.places);
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
        let regex = expression(source).map(compile).transpose()?;
        Ok(Self {
            source: source.to_owned(),
            cost: regex.as_ref().map_or_else(Cost::default, |(_, cost)| *cost),
            regex: regex.map(|(regex, _)| Arc::new(regex)),
        })
    }

    /// What it takes.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Whether it matches. A regular expression looks at the first 256 KiB of a text.
    ///
    /// # Errors
    /// When it takes more steps than are left.
    pub fn matches(&self, text: &Text<'_>, steps: &Steps) -> Result<bool, TooCostly> {
        let Some(regex) = &self.regex else {
            steps.take(self.source.len() as u64)?;
            return glob(&folded(&self.source), text.folded(), steps);
        };
        let searched = &text.text[..text.text.floor_char_boundary(SEARCHED)];
        let at_worst = (searched.len() as u64).saturating_mul(self.cost.places as u64);
        steps.take(SEARCH_STEPS.saturating_add(at_worst.saturating_mul(PLACE_STEPS)))?;
        // room of its own each time: what a pool would keep for each expression of each customer adds up
        Ok(regex.is_match_with(&mut regex.create_cache(), &Input::new(searched)))
    }

    /// The regular expression between the slashes, if it is not a glob.
    pub fn expression(&self) -> Option<&str> {
        expression(&self.source)
    }

    /// Whether it matches every text.
    pub fn is_everything(&self) -> bool {
        match self.expression() {
            Some(expression) => matches!(expression, ".*" | "^.*" | "^.*$" | ".*$"),
            None => self.source.chars().all(|letter| letter == '*'),
        }
    }

    /// Whether it surely matches every text that `narrow` matches; a no may be a "not known".
    pub fn covers(&self, narrow: &Pattern) -> bool {
        let are_globs = self.expression().is_none() && narrow.expression().is_none();
        if !are_globs || self.source.contains('?') {
            return self.source == narrow.source;
        }
        // what stands for anything in the narrow one is only covered by a `*`, so it becomes letters of no text
        let stand_ins = |letter: char| match letter {
            '*' => '\0',
            '?' => '\u{1}',
            letter => letter,
        };
        let narrow: Vec<char> = folded(&narrow.source).into_iter().map(stand_ins).collect();
        glob(&folded(&self.source), &narrow, &Steps::of(GLOB_STEPS)).unwrap_or(false)
    }

    /// Whether it is a glob without `*` and `?`, which only ever matches the very same text.
    pub fn is_literal(&self) -> bool {
        self.expression().is_none() && !self.source.contains(['*', '?'])
    }
}

/// Whether a glob covers a text. What stands between two `*` is looked for from left to right, and the first place where
/// it stands is as good as any later one.
fn glob(pattern: &[char], text: &[char], steps: &Steps) -> Result<bool, TooCostly> {
    let mut parts = pattern.split(|letter| *letter == '*');
    let (Some(head), Some(tail)) = (parts.next(), parts.next_back()) else {
        return Ok(text.len() == pattern.len() && stands(pattern, text) == pattern.len());
    };
    let Some(between) = text.len().checked_sub(head.len() + tail.len()) else {
        return Ok(false);
    };
    let (begin, rest) = text.split_at(head.len());
    let (mut rest, end) = rest.split_at(between);
    if stands(head, begin) < head.len() || stands(tail, end) < tail.len() {
        return Ok(false);
    }
    for part in parts {
        match end_of_first(part, rest, steps)? {
            Some(end) => rest = &rest[end..],
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// How much of a part without `*` a text begins with, in characters.
fn stands(part: &[char], text: &[char]) -> usize {
    let fits = |(wanted, is): &(&char, &char)| **wanted == '?' || wanted == is;
    part.iter().zip(text).take_while(fits).count()
}

/// Where the first place ends at which a part without `*` stands in a text. It is looked for by its first letter.
fn end_of_first(part: &[char], text: &[char], steps: &Steps) -> Result<Option<usize>, TooCostly> {
    let Some(last) = text.len().checked_sub(part.len()) else {
        return Ok(None);
    };
    let Some(letter) = part.iter().position(|letter| *letter != '?') else {
        return Ok(Some(part.len()));
    };
    let mut at = 0;
    while at <= last {
        let mut ahead = text[at + letter..=last + letter].iter();
        let skipped = ahead.position(|is| *is == part[letter]);
        steps.take(1 + skipped.unwrap_or(last - at) as u64)?;
        let Some(skipped) = skipped else { return Ok(None) };
        at += skipped;
        let same = stands(part, &text[at..]);
        steps.take(same as u64)?;
        if same == part.len() {
            return Ok(Some(at + part.len()));
        }
        at += 1;
    }
    Ok(None)
}

/// What stands between the slashes of `/…/`.
fn expression(source: &str) -> Option<&str> {
    source
        .strip_prefix('/')?
        .strip_suffix('/')
        .filter(|inner| !inner.is_empty())
}

fn compile(expression: &str) -> Result<(Regex, Cost), NoPattern> {
    let limits = Config::new()
        .nfa_size_limit(Some(MAX_COMPILED))
        .which_captures(WhichCaptures::Implicit);
    let syntax = syntax::Config::new().case_insensitive(true);
    let built = Regex::builder().configure(limits).syntax(syntax).build(expression);
    let regex = built.map_err(|error| explain(&error))?;
    let parsed = regex_syntax::parse(expression).map_err(|error| no_expression(&error.to_string()))?;
    let cost = Cost {
        bytes: regex.memory_usage(),
        places: places(&parsed).max(1),
    };
    Ok((regex, cost))
}

/// At how many places a search may stand at once. Literals in a row cost nothing: a search through them never has to
/// remember more than how far it came. What stands for many characters, or is repeated a number of times, does.
fn places(part: &Hir) -> usize {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => 0,
        HirKind::Class(_) => 1,
        HirKind::Capture(group) => places(&group.sub),
        HirKind::Repetition(repeated) => {
            let times = repeated.max.unwrap_or(repeated.min).max(1) as usize;
            times.saturating_mul(1 + places(&repeated.sub))
        }
        HirKind::Concat(parts) => parts.iter().map(places).fold(0, usize::saturating_add),
        HirKind::Alternation(parts) => parts.iter().map(|part| 1 + places(part)).fold(0, usize::saturating_add),
    }
}

fn explain(error: &BuildError) -> NoPattern {
    if error.size_limit().is_some() {
        let what = format!("this pattern takes more than {} KiB when compiled", MAX_COMPILED / 1024);
        return NoPattern {
            what,
            hint: Some("make its repetitions smaller, or write `*` in a glob"),
        };
    }
    let why = error
        .syntax_error()
        .map_or_else(|| error.to_string(), ToString::to_string);
    no_expression(&why)
}

fn no_expression(why: &str) -> NoPattern {
    let why = why.lines().last().unwrap_or("not a regular expression").trim();
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
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let pattern = Pattern::read(pattern).expect("a pattern");
        let matches = pattern.matches(&Text::of(text), &Steps::of(u64::MAX));
        matches.expect("there are steps enough")
    }

    /// How many steps it takes to try a pattern, whatever comes of it.
    fn steps(pattern: &str, text: &str) -> u64 {
        let pattern = Pattern::read(pattern).expect("a pattern");
        let steps = Steps::of(u64::MAX);
        let _ = pattern.matches(&Text::of(text), &steps);
        steps.taken()
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
    fn a_glob_of_any_length_is_tried_in_any_text() {
        let text = "a".repeat(10_000);
        for part in ["?", "k", "ß", "*?", "\\", "{", "𝔘", "*a?"] {
            let glob = part.repeat(MAX_LENGTH / part.len());
            assert!(!matches(&glob, "x"), "{part}");
            assert_eq!(matches(&glob, &text), part.starts_with('*'), "{part}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Beside another matcher: the one that globs were matched by before their steps were counted.
        #[test]
        fn a_glob_matches_what_it_always_did(pattern in "[aAbkß?*]{0,7}|[aİiI\u{212a}k?*]{0,5}", text in "[aAbBßẞ*?]{0,9}|[iIİaK\u{212a}\u{307}]{0,6}") {
            let right = wildmatch::WildMatch::new_case_insensitive(&pattern).matches(&text);
            prop_assert_eq!(matches(&pattern, &text), right);
        }
    }

    #[test]
    fn a_glob_of_wildcards_takes_a_step_for_each_character_and_what_takes_more_ends_where_its_steps_do() {
        let text = "Summary of impact: ".repeat(2_100);
        for pattern in [
            format!("*{}~x", "?".repeat(900)),
            "*?".repeat(450) + "~",
            "*disk*".to_owned(),
        ] {
            assert!(!matches(&pattern, &text));
            let steps = steps(&pattern, &text);
            assert!(steps < 2 * text.len() as u64, "{pattern}: {steps}");
        }
        // each letter of the text is the beginning of nearly the whole pattern
        let (pattern, text) = (format!("*{}b*", "a".repeat(900)), "a".repeat(40_000));
        assert!(steps(&pattern, &text) > 30_000_000);
        let pattern = Pattern::read(&pattern).expect("a pattern");
        let few = Steps::of(100_000);
        assert_eq!(pattern.matches(&Text::of(&text), &few), Err(TooCostly));
        let expression = Pattern::read("/(?:a|b)*a(?:a|b){500}x/").expect("a pattern");
        assert_eq!(expression.matches(&Text::of(&text), &few), Err(TooCostly));
        assert_eq!(expression.matches(&Text::of("a"), &Steps::of(100_000)), Ok(false));
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

    #[test]
    fn an_expression_searches_the_first_part_of_a_very_long_text() {
        let text = |before: usize| format!("{}drill", "ä".repeat(before / 2));
        assert!(matches("/drill/", &text(SEARCHED - 6)));
        assert!(!matches("/drill/", &text(SEARCHED)));
        assert!(matches("*drill", &text(SEARCHED)), "a glob covers the whole text");
    }

    #[test]
    fn what_an_expression_costs_is_counted() {
        let cost = |pattern: &str| Pattern::read(pattern).expect("a pattern").cost();
        let places = |pattern: &str| cost(pattern).places;
        assert_eq!(cost("*drill?*"), Cost::default());
        assert_eq!(places(r"/\bSQL\b/"), 1);
        assert_eq!(places("/sql server|cosmos|storage/"), 3);
        assert_eq!(places(r"/\d{4}-\d{2}/"), 12);
        assert_eq!(places("/(?:a|b)*a(?:a|b){500}x/"), 1_002);
        assert_eq!(places("/((a|bb){20}c){30}/"), 30 * (1 + 20 * 3));
        // within a factor of what the states really take: both directions, and what is looked at first
        let bytes = cost(r"/\w{10}/").bytes;
        assert!((100 << 10..1 << 20).contains(&bytes), "{bytes}");
    }
}
