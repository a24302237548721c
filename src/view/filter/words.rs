//! Texts and searches as words: both are taken apart by the same function, so that what is found does not depend on
//! case, accents, hyphens or punctuation.
//!
//! What is written without spaces (Chinese, Japanese, Thai) becomes a word a character; a search for several of them
//! finds them beside each other.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The most characters of one word that are compared: what is longer is a digest or a URL's tail.
const WORD_CHARS_MOST: usize = 64;

/// What a post incident review is called, in words. All of them are one thing to a search.
const REVIEW: [&[&str]; 6] = [
    &["post", "incident", "review"],
    &["post", "incident", "reviews"],
    &["root", "cause", "analysis"],
    &["root", "cause", "analyses"],
    &["pir"],
    &["rca"],
];

/// One thing that must be found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sought {
    /// These words, one behind the other.
    Words(Vec<String>),
    /// A word that begins with this.
    Beginning(String),
    /// A review, by whatever name: PIR and RCA are one thing.
    Review,
}

/// The words of a text, in their order.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = 0;
    for c in text
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
    {
        let stands_alone = is_written_without_spaces(c);
        if (stands_alone || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
            chars = 0;
        }
        match c {
            c if stands_alone => words.push(c.to_string()),
            c if c.is_alphanumeric() && chars < WORD_CHARS_MOST => {
                word.push(c);
                chars += 1;
            }
            _ => {}
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Ideographs, kana, Thai, Lao, Khmer and Burmese.
fn is_written_without_spaces(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
        && c.is_alphanumeric()
}

/// What a search asks for: words that must all be found, `"several words"` beside each other, `begin*`.
pub fn sought(search: &str) -> Vec<Sought> {
    let mut sought = Vec::new();
    for (nth, part) in search.split('"').enumerate() {
        let is_quoted = nth % 2 == 1;
        match is_quoted {
            true => add(&mut sought, words(part)),
            false => unquoted(part, &mut sought),
        }
    }
    let mut seen = std::collections::HashSet::new();
    sought.retain(|one| seen.insert(one.clone()));
    sought
}

fn unquoted(part: &str, sought: &mut Vec<Sought>) {
    let chunks: Vec<&str> = part.split_whitespace().collect();
    let mut rest = &chunks[..];
    while let Some((first, others)) = rest.split_first() {
        if let Some(taken) = review_begins(rest) {
            sought.push(Sought::Review);
            rest = &rest[taken..];
            continue;
        }
        rest = others;
        let mut found = words(first);
        if first.ends_with('*')
            && let Some(last) = found.pop()
        {
            add(sought, found);
            sought.push(Sought::Beginning(last));
            continue;
        }
        add(sought, found);
    }
}

fn add(sought: &mut Vec<Sought>, words: Vec<String>) {
    if REVIEW.iter().any(|name| *name == words) {
        sought.push(Sought::Review);
    } else if !words.is_empty() {
        sought.push(Sought::Words(words));
    }
}

/// How many chunks a review's name takes that stands first.
fn review_begins(chunks: &[&str]) -> Option<usize> {
    let mut found = Vec::new();
    for (nth, chunk) in chunks.iter().take(3).enumerate() {
        if chunk.ends_with('*') {
            return None;
        }
        found.extend(words(chunk));
        if REVIEW.iter().any(|name| *name == found) {
            return Some(nth + 1);
        }
    }
    None
}

/// The names of a review, for an index that has no other way to know them.
pub fn review_names() -> impl Iterator<Item = Vec<String>> {
    REVIEW
        .iter()
        .map(|name| name.iter().map(|word| (*word).to_owned()).collect())
}

impl Sought {
    /// Whether a text of these words has it.
    pub fn is_in(&self, text: &[String]) -> bool {
        let has = |words: &[String]| text.windows(words.len()).any(|window| window == words);
        match self {
            Sought::Words(words) => has(words),
            Sought::Beginning(beginning) => text.iter().any(|word| word.starts_with(beginning)),
            Sought::Review => review_names().any(|name| has(&name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_punctuation_make_no_difference() {
        assert_eq!(
            words("Störung: App-Service (SQL)."),
            ["storung", "app", "service", "sql"]
        );
        assert_eq!(words("_SVS-5_G 0NIH-U2O"), ["svs", "5", "g", "0nih", "u2o"]);
        assert_eq!(
            words("東京リージョン down"),
            ["東", "京", "リ", "ー", "シ", "ョ", "ン", "down"]
        );
        assert_eq!(words(""), Vec::<String>::new());
        assert_eq!(words(&"x".repeat(500))[0].len(), WORD_CHARS_MOST);
    }

    #[test]
    fn what_is_asked_for_is_in_texts_that_say_it_in_other_ways() {
        let is_found = |search: &str, text: &str| {
            let text = words(text);
            sought(search).iter().all(|one| one.is_in(&text))
        };
        for (search, text, expected) in [
            ("sql storage", "Storage, and SQL", true),
            ("\"sql storage\"", "Storage, and SQL", false),
            ("\"and sql\"", "Storage, and SQL", true),
            ("0nih-u2o", "see 0NIH-U2O.", true),
            ("0nih-u2o", "U2O and 0NIH", false),
            ("stor*", "Storage", true),
            ("stor", "Storage", false),
            ("RCA", "Post Incident Review (PIR) of it", true),
            ("pir", "the root cause analysis", true),
            ("post-incident review", "RCA", true),
            ("root cause", "the root cause analysis", true),
            ("storage root cause analysis", "PIR: Storage", true),
            ("", "anything", true),
            ("\"", "anything", true),
            ("***", "anything", true),
        ] {
            assert_eq!(is_found(search, text), expected, "{search} / {text}");
        }
    }
}
