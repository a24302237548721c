//! How large text is where Teams measures it: as a string of JSON, inside of which the card is JSON itself.
//!
//! A quotation mark takes four bytes there (`\\\"`), and what is not ASCII seven per UTF-16 unit (`\\u00e9`): some
//! serialisers write it so, and a flow's owner chooses which. Pure.

use serde_json::Value;

/// The mark of a cut.
const CUT: &str = "…";

/// The size of a value in the string form, bytes, without the string's own quotation marks.
pub(super) fn size_of(value: &Value) -> usize {
    let json = serde_json::to_string(value).expect("a JSON value always serialises");
    json.chars().map(in_outer_string).sum()
}

/// The size of a text in the string form, bytes, without the quotation marks around it.
pub(super) fn size_of_text(text: &str) -> usize {
    text.chars().map(in_both_strings).sum()
}

/// As much of a text as takes at most `max` bytes in the string form, ended at a line or word if one is near, with `…`.
pub(super) fn fitted(text: &str, max: usize) -> String {
    if size_of_text(text) <= max {
        return text.to_owned();
    }
    let mut left = max.saturating_sub(size_of_text(CUT));
    let fits = |c: &char| {
        let size = in_both_strings(*c);
        let is_room = size <= left;
        left = left.saturating_sub(size);
        is_room
    };
    let chars = text.chars().take_while(fits).count();
    crate::channel::text::cut(text, chars + 1).0
}

/// A character of JSON, in a string.
fn in_outer_string(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c if c.is_ascii() => 1,
        c => not_ascii(c),
    }
}

/// A character of a text in JSON, in a string.
fn in_both_strings(c: char) -> usize {
    match c {
        '"' | '\\' => 4,
        '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 3,
        c if c < ' ' => 7,
        c if c.is_ascii() => 1,
        c => not_ascii(c),
    }
}

/// `\\uXXXX`, once or twice.
fn not_ascii(c: char) -> usize {
    7 * c.len_utf16()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_large_as_in_json_in_a_string() {
        for text in ["", "plain", "a\"b\\c", "one\ntwo\tthree\u{1}", "\u{7f}"] {
            let value = Value::from(text);
            let outer = serde_json::to_string(&value.to_string()).expect("JSON");
            assert_eq!(size_of(&value), outer.len() - 2, "{text:?}");
            assert_eq!(size_of_text(text), outer.len() - 2 - 4, "{text:?}");
        }
        // as Python's json.dumps(json.dumps("é😀")) has it
        assert_eq!(size_of_text("é\u{1f600}"), r"\\u00e9\\ud83d\\ude00".len());
        assert_eq!(size_of(&Value::from("é")), size_of_text("é") + 4);
    }

    #[test]
    fn a_text_is_cut_to_what_it_takes_there() {
        for text in [
            "word ".repeat(100),
            "\"".repeat(100),
            "é".repeat(100),
            "\u{1f600}\\ ".repeat(50),
        ] {
            for max in [7, 8, 20, 50, 99, 200] {
                let fitted = fitted(&text, max);
                assert!(size_of_text(&fitted) <= max && fitted.ends_with('…'), "{max}: {fitted}");
            }
        }
        assert_eq!(fitted("word", 4), "word");
        assert_eq!(fitted("", 0), "");
    }
}
