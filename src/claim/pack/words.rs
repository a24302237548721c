//! Texts of strangers made harmless for a text file, and how times and amounts are written. It only removes and cuts:
//! escaping is each file's own.

use crate::clock::Time;

use super::super::row::Row;

/// One line of at most `most` characters: no controls, no marks that change the direction, blanks joined.
pub fn line(text: &str, most: usize) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| !is_hidden(*c))
        .collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    match clean.char_indices().nth(most) {
        None => clean,
        Some(_) => clean.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The same lines with `\n` as their only control, and without what cannot be seen.
pub fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n")
        .replace('\t', "    ")
        .chars()
        .filter(|c| *c == '\n' || !(c.is_control() || is_hidden(*c)))
        .collect()
}

/// The longest beginning of at most so many bytes that ends between two characters.
pub fn beginning(text: &str, most_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(most_bytes)]
}

/// Marks that change the direction of what follows (Unicode UAX #9), or that nobody sees.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `2026-11-03 10:00:00Z`.
pub fn moment(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `100.00 EUR`; none where no amount can be said.
pub fn amount(row: &Row, amount: Option<&str>) -> Option<String> {
    let amount = amount.or(row.credit.as_deref())?;
    Some(format!("{} {}", line(amount, 40), line(row.currency.as_deref()?, 10)))
}

/// `1 file`, `2 files`.
pub fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        more => format!("{more} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_is_one_line_or_plain_lines() {
        assert_eq!(line("a\u{1b}[2J\r\nb\u{202e} c\t d", 80), "a [2J b c d");
        assert_eq!(line("äöüß", 4), "äöüß");
        assert_eq!(line("äöüßx", 4), "äöü…");
        assert_eq!(lines("a\r\nb\rc\u{1b}[2J\u{202e}\td"), "a\nb\nc[2J    d");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(beginning("aäb", 4), "aäb");
        assert_eq!(beginning("aäb", 3), "aä");
        assert_eq!(beginning("aäb", 2), "a");
    }
}
