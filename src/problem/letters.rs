//! Characters that look like others, or like nothing: what they are called, and where they stand.
//!
//! They come from word processors, chats and web pages. A person cannot see what is wrong, so they are named.

use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use unicode_script::{Script, UnicodeScript as _};
use unicode_security::confusable_detection::skeleton;

/// A character that is not what it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odd {
    /// Where it stands, in characters from 0.
    pub at: usize,
    /// Which it is.
    pub letter: char,
    /// What sort of trouble it is.
    pub sort: Sort,
}

/// What a character looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A plain space.
    Space,
    /// Nothing at all.
    Nothing,
    /// A Latin letter.
    Latin,
    /// The hyphen of the keyboard.
    Hyphen,
}

/// Typographic quotes of the kind that word processors put in place of straight ones, in whatever language.
const QUOTES: [char; 32] = [
    '“', '”', '„', '‟', '‘', '’', '‚', '‛', '＂', '＇', '«', '»', '‹', '›', '′', '″', '‵', '‶', '´', 'ʼ', 'ˈ', '˝',
    '❝', '❞', '〝', '〞', '「', '」', '『', '』', '❛', '❜',
];

/// The first character of a text that is not what it looks like. Latin look-alikes only count in a word that also has
/// letters of the Latin alphabet: words of another alphabet are words. In an e-mail address that looks Latin as a whole
/// they count, too.
pub fn first_odd(text: &str) -> Option<Odd> {
    if text.is_ascii() {
        return None;
    }
    let letters: Vec<char> = text.chars().collect();
    let odd = |(at, letter): (usize, &char)| {
        let sort = sort_of(&letters, at)?;
        Some(Odd {
            at,
            letter: *letter,
            sort,
        })
    };
    let found = letters.iter().enumerate().find_map(odd);
    found.or_else(|| is_like_an_address(text).then(|| disguised(text, &letters)).flatten())
}

fn is_like_an_address(text: &str) -> bool {
    let parts = text.split_once('@');
    let is_one = |(name, domain): (&str, &str)| !name.is_empty() && domain.contains('.') && !domain.contains('@');
    !text.contains(char::is_whitespace) && parts.is_some_and(is_one)
}

/// The first letter of a text that looks Latin from its first letter to its last, and is not.
fn disguised(text: &str, letters: &[char]) -> Option<Odd> {
    let at = letters.iter().position(|letter| looks_latin(*letter))?;
    skeleton(text).all(|like| like.is_ascii()).then(|| Odd {
        at,
        letter: letters[at],
        sort: Sort::Latin,
    })
}

fn sort_of(letters: &[char], at: usize) -> Option<Sort> {
    let letter = letters[at];
    match letter {
        '\u{200c}' | '\u{200d}' if joins(letters, at) => None,
        _ if is_odd_space(letter) => Some(Sort::Space),
        '\u{fe00}'..='\u{fe0f}' | '\u{e0020}'..='\u{e007f}' if shapes(letters, at) => None,
        _ if is_nothing(letter) => Some(Sort::Nothing),
        '\u{2010}'..='\u{2012}' | '\u{2043}' | '\u{2212}' | '\u{fe63}' => Some(Sort::Hyphen),
        _ if letter.is_ascii() => None,
        _ => (looks_latin(letter) && is_beside_latin(letters, at)).then_some(Sort::Latin),
    }
}

fn is_odd_space(letter: char) -> bool {
    matches!(
        letter,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{2800}' | '\u{3000}'
    )
}

fn is_nothing(letter: char) -> bool {
    let is_format = matches!(letter, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}');
    is_format
        || matches!(
            letter,
            '\u{2060}'..='\u{2069}'
                | '\u{feff}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{3164}'
                | '\u{34f}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether a variation selector, or a tag, stands behind a character to which it can apply: a picture (also a key's: `1` and
/// U+20E3 behind it), or a flag.
fn shapes(letters: &[char], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| letters[before]) else {
        return false;
    };
    match letters[at] {
        '\u{e0020}'..='\u{e007f}' => before == '\u{1f3f4}' || ('\u{e0020}'..='\u{e007f}').contains(&before),
        _ if letters.get(at + 1) == Some(&'\u{20e3}') => true,
        _ => !before.is_ascii() && !is_odd_space(before) && before.script() != Script::Latin,
    }
}

/// Joiners belong between letters of some scripts, and between the parts of an emoji.
fn joins(letters: &[char], at: usize) -> bool {
    let is_one = |letter: Option<&char>| {
        letter.is_some_and(|letter| !letter.is_ascii() && !is_nothing(*letter) && !is_odd_space(*letter))
    };
    is_one(at.checked_sub(1).and_then(|before| letters.get(before))) && is_one(letters.get(at + 1))
}

/// Whether a letter of another alphabet, or of another width, is drawn like a Latin one.
fn looks_latin(letter: char) -> bool {
    if matches!(letter, '\u{ff01}'..='\u{ff5e}') {
        return true;
    }
    let is_other = matches!(
        letter.script(),
        Script::Cyrillic | Script::Greek | Script::Armenian | Script::Cherokee
    );
    is_other && skeleton(letter.encode_utf8(&mut [0; 4])).all(|like| like.is_ascii())
}

/// Whether a letter of the Latin alphabet stands in the same word.
fn is_beside_latin(letters: &[char], at: usize) -> bool {
    let is_of_word = |letter: &&char| letter.is_alphanumeric();
    let is_latin = |letter: &char| letter.script() == Script::Latin && !looks_latin(*letter);
    let before = letters[..at].iter().rev().take_while(is_of_word);
    let behind = letters[at + 1..].iter().take_while(is_of_word);
    let mut all = before.chain(behind).copied().collect::<Vec<char>>().into_iter();
    all.any(|letter| is_latin(&letter))
}

/// A character as people can look it up: `U+00A0 no-break space`.
pub fn named(letter: char) -> String {
    let code = format!("U+{:04X}", u32::from(letter));
    let name = match letter {
        '\u{a0}' => "no-break space",
        '\u{ad}' => "soft hyphen",
        '\u{2002}' => "en space",
        '\u{2003}' => "em space",
        '\u{2010}' => "hyphen",
        '\u{2011}' => "non-breaking hyphen",
        '\u{2012}' => "figure dash",
        '\u{2028}' | '\u{2029}' => "line separator",
        '\u{2043}' => "hyphen bullet",
        '\u{2212}' => "minus sign",
        '\u{2800}' => "braille pattern blank",
        '\u{fe63}' => "small hyphen-minus",
        '\u{2007}' => "figure space",
        '\u{2009}' => "thin space",
        '\u{200b}' => "zero width space",
        '\u{200c}' => "zero width non-joiner",
        '\u{200d}' => "zero width joiner",
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "mark of writing direction",
        '\u{202f}' => "narrow no-break space",
        '\u{2060}' => "word joiner",
        '\u{3000}' => "ideographic space",
        '\u{feff}' => "byte order mark",
        _ if is_odd_space(letter) => "space",
        _ if is_nothing(letter) => "invisible character",
        _ => return code + &of_alphabet(letter),
    };
    format!("{code} {name}")
}

fn of_alphabet(letter: char) -> String {
    let like: String = skeleton(letter.encode_utf8(&mut [0; 4])).collect();
    match letter.script() {
        Script::Common | Script::Inherited | Script::Unknown => format!(" `{letter}`"),
        Script::Latin if matches!(letter, '\u{ff01}'..='\u{ff5e}') => " of double width".to_owned(),
        Script::Latin => format!(" `{letter}`"),
        script if like.is_ascii() && looks_latin(letter) => format!(" of the {} alphabet", script.full_name()),
        script => format!(" `{letter}` of the {} alphabet", script.full_name()),
    }
}

/// Whether a text begins and ends with quotes, and begins with a typographic one.
pub fn has_typographic_quotes(text: &str) -> bool {
    let text = text.trim();
    let ends = |letter: char| QUOTES.contains(&letter) || matches!(letter, '"' | '\'' | '`');
    text.starts_with(QUOTES) && text.chars().nth(1).is_some() && text.ends_with(ends)
}

/// The text between typographic quotes.
pub fn unquoted(text: &str) -> &str {
    let is_quote = |letter: char| QUOTES.contains(&letter) || matches!(letter, '"' | '\'' | '`');
    text.trim().trim_matches(is_quote).trim()
}

/// The first typographic quote of a text.
pub fn typographic_quote(text: &str) -> Option<char> {
    text.chars().find(|letter| QUOTES.contains(letter))
}

/// A text in the form in which texts are compared: composed letters (Unicode NFC), plain spaces, and nothing that
/// cannot be seen.
pub fn plain(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let kept = letters
        .iter()
        .enumerate()
        .filter_map(|(at, letter)| match sort_of(&letters, at) {
            // beside a plain one it was typed by mistake
            Some(Sort::Space) if letters.get(at + 1) == Some(&' ') || is_behind_space(&letters, at) => None,
            Some(Sort::Space) => Some(' '),
            Some(Sort::Nothing) => None,
            _ => Some(*letter),
        });
    composed(&kept.collect::<String>()).into_owned()
}

fn is_behind_space(letters: &[char], at: usize) -> bool {
    at.checked_sub(1)
        .is_some_and(|before| letters[before] == ' ' || is_odd_space(letters[before]))
}

/// A text in composed letters (Unicode NFC): `ü` and `u` with two dots behind it are the same.
pub fn composed(text: &str) -> std::borrow::Cow<'_, str> {
    match text.is_ascii() || is_nfc(text) {
        true => text.into(),
        false => text.nfc().collect::<String>().into(),
    }
}

/// Whether two texts look the same to a person, but for letters that ASCII has: those are told apart by reading.
pub fn look_the_same(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one == other;
    }
    let drawn = |text: &str| skeleton(&plain(text)).collect::<String>();
    drawn(one) == drawn(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_found_and_named() {
        for (text, at, name) in [
            ("planned\u{a0}maintenance", 7, "U+00A0 no-break space"),
            ("plat\u{200b}form", 4, "U+200B zero width space"),
            ("\u{feff}rules", 0, "U+FEFF byte order mark"),
            ("a\u{200d}b", 1, "U+200D zero width joiner"),
            ("plat\u{ad}form", 4, "U+00AD soft hyphen"),
            ("title\u{202f}", 5, "U+202F narrow no-break space"),
            ("st\u{0430}ge", 2, "U+0430 of the Cyrillic alphabet"),
            ("\u{0410}ctive", 0, "U+0410 of the Cyrillic alphabet"),
            ("n\u{03bf}tify", 1, "U+03BF of the Greek alphabet"),
            ("st\u{ff41}ge", 2, "U+FF41 of double width"),
            ("post\u{2011}incident", 4, "U+2011 non-breaking hyphen"),
            ("n\u{2800}et", 1, "U+2800 braille pattern blank"),
            ("n\u{34f}et", 1, "U+034F invisible character"),
            ("n\u{fe0f}et", 1, "U+FE0F invisible character"),
            ("café\u{fe0f}", 4, "U+FE0F invisible character"),
            ("é\u{e0061}", 1, "U+E0061 invisible character"),
            ("n\u{e0041}et", 1, "U+E0041 invisible character"),
            (
                "\u{0441}\u{043e}\u{0441}\u{043e}@\u{0430}\u{0441}\u{0435}.\u{0441}\u{043e}",
                0,
                "U+0441 of the Cyrillic alphabet",
            ),
            ("ops@\u{0430}\u{0441}\u{0435}.com", 4, "U+0430 of the Cyrillic alphabet"),
        ] {
            let odd = first_odd(text).expect(text);
            assert_eq!((odd.at, named(odd.letter).as_str()), (at, name));
        }
    }

    #[test]
    fn people_may_write_in_their_own_words() {
        for text in [
            "platform",
            "Zürich",
            "Zu\u{308}rich",
            "Команда",
            "команда cloud",
            "анна@пример.рф",
            "сосо",
            "Ομάδα",
            "日本語",
            "می\u{200c}خواهم",
            "👩\u{200d}🚀 on call",
            "❤\u{fe0f} – on call",
            "1\u{fe0f}\u{20e3} on call",
            "Fragen: сосо @ x",
            "🏴\u{e0067}\u{e0062}\u{e007f}",
            "Ada’s team – “quoted”",
        ] {
            assert_eq!(first_odd(text), None, "{text}");
        }
    }

    #[test]
    fn what_looks_the_same_is_known_as_such() {
        for (one, other) in [
            ("Zürich", "Zu\u{308}rich"),
            ("platform team", "platform\u{a0}team"),
            ("platform", "plat\u{200b}form"),
            ("stage", "st\u{0430}ge"),
            ("copy", "\u{0441}\u{043e}\u{0440}\u{0443}"),
        ] {
            assert!(look_the_same(one, other), "{one} {other}");
        }
        assert!(!look_the_same("platform", "platfrom") && !look_the_same("l1", "ll"));
        assert!(!look_the_same("Zürich", "Zurich"));
    }

    #[test]
    fn typographic_quotes_around_a_text_are_seen_and_others_are_not() {
        for text in [
            "“*drill*”",
            "„Platform“",
            "‘a’",
            "“*drill*\"",
            "« Panne »",
            "»Ausfall«",
            "‹a›",
            "′*drill*′",
            "´a´",
            "「a」",
        ] {
            assert!(has_typographic_quotes(text), "{text}");
            assert!(!unquoted(text).contains(QUOTES), "{text}");
        }
        for text in ["Ada’s", "„Wichtige“ Regeln", "”", "", "Panne « totale »"] {
            assert!(!has_typographic_quotes(text), "{text}");
        }
    }
}
