//! What somebody may have meant who typed a word that is not known: never one that looks the same as the word itself.

use super::letters::{first_odd, look_the_same, named};

/// The word of `known` closest to `typed`, if it is close enough to be meant; case, spaces, hyphens and underscores
/// do not count.
pub fn closest<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let typed = squeeze(typed);
    let scored = known
        .into_iter()
        .map(|word| (strsim::normalized_damerau_levenshtein(&typed, &squeeze(word)), word));
    let best = scored
        .filter(|(score, _)| *score >= 0.6)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    best.map(|(_, word)| word)
}

/// The hint for a word that is not known: the closest of `known`, or what tells it from one that looks the same.
pub fn meant<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(same) = known.iter().find(|word| **word != typed && look_the_same(typed, word)) {
        return Some(told_apart(typed, same));
    }
    closest(typed, known).map(|word| format!("did you mean `{word}`?"))
}

/// What tells two words apart that look the same.
fn told_apart(typed: &str, known: &str) -> String {
    let differing = |of: &str, from: &str| {
        let from: Vec<char> = from.chars().collect();
        let mut letters = of.chars().enumerate();
        letters.find(|(at, letter)| !letter.is_ascii() && from.get(*at) != Some(letter))
    };
    let odd = |of: &str, from: &str| {
        let odd = first_odd(of).map(|odd| (odd.at, odd.letter));
        odd.or_else(|| differing(of, from))
    };
    let (whose, found) = match odd(typed, known) {
        Some(found) => ("here", Some(found)),
        None => ("there", odd(known, typed)),
    };
    let which = found.map_or_else(
        || "some of its letters are others".to_owned(),
        |(at, letter)| format!("{whose} its character {} is {}", at + 1, named(letter)),
    );
    format!("a known one only looks the same: {which}; delete the word and type it anew")
}

/// Whether two words are the same but for case, spaces, hyphens and underscores.
pub fn same(one: &str, other: &str) -> bool {
    squeeze(one) == squeeze(other)
}

fn squeeze(text: &str) -> String {
    text.chars()
        .filter(|c| !" -_".contains(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

/// The hint for a text that holds a comment which YAML does not take for one: `a# the team`, `a // the team`.
pub fn comment_in(text: &str, is_known: impl Fn(&str) -> bool) -> Option<String> {
    let before = |sign: &str| text.split_once(sign).map(|(head, _)| head.trim());
    if before("//").is_some_and(&is_known) {
        return Some("a comment begins with `#`, and a space before it".to_owned());
    }
    before("#")
        .is_some_and(is_known)
        .then(|| "a comment needs a space before its `#`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_is_found_whatever_its_case_and_hyphens() {
        let known = ["event type", "stage", "level"];
        assert_eq!(closest("eventTpye", known), Some("event type"));
        assert_eq!(closest("stages", known), Some("stage"));
        assert_eq!(closest("xyzzy", known), None);
    }

    #[test]
    fn no_hint_proposes_what_looks_identical() {
        for (typed, known, told) in [
            (
                "platform\u{a0}team",
                "platform team",
                "here its character 9 is U+00A0 no-break space",
            ),
            (
                "platform team",
                "platform\u{a0}team",
                "there its character 9 is U+00A0 no-break space",
            ),
            (
                "st\u{0430}ge",
                "stage",
                "here its character 3 is U+0430 of the Cyrillic alphabet",
            ),
            (
                "\u{0441}\u{043e}\u{0440}\u{0443}",
                "copy",
                "here its character 1 is U+0441 of the Cyrillic alphabet",
            ),
        ] {
            let hint = meant(typed, [known]).expect(typed);
            assert!(hint.contains(told), "{hint}");
            assert!(
                !hint.contains("did you mean") && !hint.contains(typed) && !hint.contains(known),
                "{hint}"
            );
        }
        assert_eq!(
            meant("platfrom", ["platform"]).as_deref(),
            Some("did you mean `platform`?")
        );
    }

    #[test]
    fn a_comment_that_is_none_is_seen() {
        let known = |name: &str| name == "a";
        assert!(comment_in("a# the team", known).is_some_and(|hint| hint.contains("space before its `#`")));
        assert!(comment_in("a // the team", known).is_some_and(|hint| hint.contains("begins with `#`")));
        assert_eq!(comment_in("b# the team", known), None);
    }
}
