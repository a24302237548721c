//! Negations: there are none in a condition, and people try to write them. What is to be left out stands under `unless`.

/// What people put in front of what they do not want: signs, and words with the space behind them.
const SIGNS: [&str; 6] = ["!=", "<>", "≠", "!", "¬", "/="];
const WORDS: [&str; 13] = [
    "not in ",
    "not ",
    "not:",
    "except for ",
    "except ",
    "excluding ",
    "exclude ",
    "everything but ",
    "anything but ",
    "all but ",
    "all except ",
    "other than ",
    "without ",
];

/// What a negation leaves out, if a text is one: `production` of `not production`, `!production`, `<> production`.
pub fn negated(text: &str) -> Option<&str> {
    let text = text.trim();
    let by_sign = SIGNS.iter().find_map(|sign| text.strip_prefix(sign));
    let by_word = || {
        WORDS.iter().find_map(|word| {
            let head = text.get(..word.len())?;
            head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
        })
    };
    let rest = by_sign
        .or_else(by_word)?
        .trim()
        .trim_matches(['(', ')', '"', '\''])
        .trim();
    (!rest.is_empty()).then_some(rest)
}

/// What a word leaves out that has a minus in front of it: names ignore hyphens, so it would mean the opposite.
pub fn minus(text: &str) -> Option<&str> {
    let rest = text.trim().strip_prefix(['-', '−', '–', '—'])?.trim();
    (!rest.is_empty()).then_some(rest)
}

/// The hint that goes with a negation under `key`.
pub fn hint(key: &str, left_out: &str) -> String {
    format!(
        "there is no \"not\" in a condition; write what is left out beside `when`: `unless: {{ {key}: {left_out} }}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minus_in_front_is_one_and_a_hyphen_inside_is_none() {
        assert_eq!(minus("-Planned maintenance"), Some("Planned maintenance"));
        assert_eq!(minus("– Storage"), Some("Storage"));
        assert_eq!((minus("east-us"), minus("-"), minus("")), (None, None, None));
    }

    #[test]
    fn every_way_to_say_not_is_understood() {
        for text in [
            "not production",
            "NOT production",
            "!production",
            "! production",
            "!= production",
            "<> production",
            "≠production",
            "except production",
            "Except for production",
            "excluding production",
            "all but production",
            "everything but production",
            "other than production",
            "without production",
            "not (production)",
        ] {
            assert_eq!(negated(text), Some("production"), "{text}");
        }
        for text in ["production", "Notification Hubs", "Nothing", "!", "not ", "exceptional"] {
            assert_eq!(negated(text), None, "{text}");
        }
    }
}
