//! Text made harmless and short: what every medium does to a provider's words before it dresses them.
//!
//! A hostile text may hold line ends, terminal or direction controls: none of them may leave through a header, a
//! subject or a log. Escaping is each medium's own; this file only removes and cuts. Pure.

/// One line: no controls, no direction overrides, blanks joined, at most `max` characters.
pub fn line(text: &str, max: usize) -> String {
    let joined = text
        .split(is_blank)
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let clean: String = joined.chars().filter(|c| !is_hidden(*c)).collect();
    cut(clean.trim(), max).0
}

/// Plain text with `\n` as its only control: other line ends become `\n`, at most one empty line stays in a row.
pub fn plain(text: &str) -> String {
    let text = text
        .replace("\r\n", "\n")
        .replace(['\r', '\u{85}', '\u{2028}', '\u{2029}', '\u{b}', '\u{c}'], "\n");
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for row in text.split('\n') {
        let row: String = row.replace('\t', "    ").chars().filter(|c| !is_hidden(*c)).collect();
        let row = row.trim_end();
        empty = if row.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            out.push_str(row);
            out.push('\n');
        }
    }
    out.trim_matches('\n').to_owned()
}

/// HTML that was sanitised already, without controls: only `\n` and `\t` stay.
pub fn html(text: &str) -> String {
    let text = text
        .replace("\r\n", "\n")
        .replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
    text.chars()
        .filter(|c| matches!(c, '\n' | '\t') || !is_hidden(*c))
        .collect()
}

/// The first `max` characters, ended at a line or a word if one is near, with `…`; and whether anything was cut.
pub fn cut(text: &str, max: usize) -> (String, bool) {
    let Some((end, _)) = text.char_indices().nth(max) else {
        return (text.to_owned(), false);
    };
    let room = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
    let head = &text[..room];
    let near = head.len() - head.len() / 5;
    let at = head
        .rfind('\n')
        .filter(|at| *at >= near)
        .or_else(|| head.rfind(' ').filter(|at| *at >= near));
    (format!("{}…", head[..at.unwrap_or(room)].trim_end()), true)
}

/// What stands in a [`digest`] where something was left out.
pub const LEFT_OUT: &str = "[…]";

/// The most of a paragraph that a digest keeps, characters.
const DIGEST_PARAGRAPH_CHARS: usize = 600;

/// The sections of a review: each heading with the first paragraph below it, and a mark for what else stands there. A
/// text without headings is returned whole.
pub fn digest(text: &str) -> String {
    let blocks = blocks(text);
    if !blocks.iter().any(|one| matches!(one, Block::Heading(_))) {
        return text.to_owned();
    }
    let mut kept: Vec<String> = Vec::new();
    let mut is_first = true;
    for block in blocks {
        match block {
            Block::Heading(heading) => kept.push(heading.to_owned()),
            Block::Paragraph(text) if is_first => kept.push(beginning(text)),
            Block::Paragraph(_) => {
                if kept.last().is_some_and(|last| last != LEFT_OUT) {
                    kept.push(LEFT_OUT.to_owned());
                }
            }
        }
        is_first = matches!(block, Block::Heading(_));
    }
    kept.join("\n\n")
}

/// As much of a paragraph as a digest keeps, with the mark where the rest stood.
fn beginning(paragraph: &str) -> String {
    match cut(paragraph, DIGEST_PARAGRAPH_CHARS) {
        (cut, true) => format!("{} {LEFT_OUT}", cut.trim_end_matches('…')),
        (whole, false) => whole,
    }
}

/// A part of a plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block<'a> {
    /// The words of a heading, without marks.
    Heading(&'a str),
    /// Lines that belong together.
    Paragraph(&'a str),
}

/// The headings and paragraphs of a plain text.
pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let paragraphs = text.split("\n\n").map(|one| one.trim_matches('\n'));
    paragraphs
        .filter(|one| !one.trim().is_empty())
        .map(|one| heading(one).map_or(Block::Paragraph(one), Block::Heading))
        .collect()
}

/// The words of a heading: a short paragraph of one line that asks, or that the conversion from HTML marked as one.
fn heading(paragraph: &str) -> Option<&str> {
    let bare = paragraph.trim_matches(['*', '#', ' ']);
    let is_one_line = !paragraph.contains('\n') && (3..=100).contains(&bare.chars().count());
    let is_marked = paragraph.starts_with('#') || (paragraph.starts_with("**") && paragraph.ends_with("**"));
    (is_one_line && (bare.ends_with('?') || is_marked || is_known(bare))).then_some(bare)
}

fn is_known(bare: &str) -> bool {
    KNOWN.contains(&&*bare.trim_end_matches(':').to_lowercase())
}

/// Headings of older mitigation statements and of advisories, which do not ask; in lower case.
const KNOWN: [&str; 9] = [
    "summary of impact",
    "preliminary root cause",
    "root cause",
    "mitigation",
    "next steps",
    "required action",
    "recommended action",
    "help and support",
    "current status",
];

fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Controls, and what changes the direction of text or hides in it.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
        || matches!(
            c,
            '\u{61c}' | '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_line_end_and_no_direction_override() {
        assert_eq!(line("a\r\nBcc: b\u{2028}c\u{202e}d\u{0}\u{85}e", 200), "a Bcc: b cd e");
    }

    #[test]
    fn a_cut_ends_at_a_word_and_says_so() {
        assert_eq!(
            cut("one two three four five six", 22),
            ("one two three four…".into(), true)
        );
        assert_eq!(cut("one two", 7), ("one two".into(), false));
        assert_eq!(cut("ééééééééé", 4), ("ééé…".into(), true));
        assert_eq!(cut("x", 0), ("…".into(), true));
    }

    #[test]
    fn a_lone_carriage_return_becomes_a_line_end() {
        assert_eq!(plain("a\rb\r\nc\n\n\n\nd\u{1b}[0m"), "a\nb\nc\n\nd[0m");
    }

    #[test]
    fn a_review_is_told_by_its_headings_and_first_paragraphs() {
        let text = "**What happened?**\n\nIt broke.\n\nMore of it.\n\nHow did we respond?\n\nWe mended it.\n\n- 04:06";
        assert_eq!(
            digest(text),
            "What happened?\n\nIt broke.\n\n[…]\n\nHow did we respond?\n\nWe mended it.\n\n[…]"
        );
        assert_eq!(
            blocks("Required action\n\nMigrate.")[0],
            Block::Heading("Required action")
        );
        let long = format!("What happened?\n\n{}", "word ".repeat(200));
        assert!(digest(&long).ends_with(" word […]") && !digest(&long).contains("word…"));
        assert_eq!(digest("No heading.\n\nAt all."), "No heading.\n\nAt all.");
    }
}
