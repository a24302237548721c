//! What a style struck out, written as an element.
//!
//! Styles go before a text is parsed; what one struck out is marked until the parser has said where each element ends,
//! for the ends of paragraphs, items and cells may be left out.

use super::bare::STRUCK;

/// Elements that hold other elements, and no text of their own: what strikes them out strikes out those.
const HOLDERS: [&str; 8] = ["table", "thead", "tbody", "tfoot", "tr", "ul", "ol", "dl"];

/// Elements that strike out by themselves: what is in them needs no `s`.
const STRIKING: [&str; 2] = ["s", "del"];

/// Elements without an end.
const EMPTY: [&str; 2] = ["br", "hr"];

/// Markup as a parser wrote it, with an `s` in each element that is marked.
pub(super) fn struck(markup: String) -> String {
    if !markup.contains(STRUCK) {
        return markup;
    }
    let mut writer = Writer {
        out: String::with_capacity(markup.len()),
        mark: format!(" {STRUCK}=\"\""),
        open: Vec::new(),
        is_struck: false,
    };
    let mut rest = markup.as_str();
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        let (tag, behind) = tag.split_at(end_of_tag(tag));
        writer.out.push_str(text);
        match tag.starts_with("</") {
            true => writer.end(tag),
            false => writer.begin(tag),
        }
        rest = behind;
    }
    writer.out + rest
}

/// Writes markup tag by tag.
struct Writer {
    out: String,
    /// How a marked element is written.
    mark: String,
    open: Vec<Open>,
    /// Whether an element is open whose content is struck out: what is in it needs no `s` of its own.
    is_struck: bool,
}

/// An element that is open.
#[derive(Clone, Copy, Default)]
struct Open {
    /// It holds elements that are to be struck out.
    strikes: bool,
    /// From here on text is struck out, and was not before.
    begins: bool,
    /// An `s` was written behind its tag.
    has_s: bool,
}

impl Writer {
    fn begin(&mut self, tag: &str) {
        let name = tag[1..].split([' ', '>']).next().unwrap_or_default();
        let is_marked = tag.contains(&self.mark) || self.open.last().is_some_and(|around| around.strikes);
        self.out.push_str(&tag.replace(&self.mark, ""));
        if EMPTY.contains(&name) {
            return;
        }
        let (holds, strikes) = (HOLDERS.contains(&name), STRIKING.contains(&name));
        let begins = !self.is_struck && (strikes || is_marked && !holds);
        let has_s = begins && !strikes;
        if has_s {
            self.out.push_str("<s>");
        }
        self.is_struck |= begins;
        self.open.push(Open {
            strikes: is_marked && holds,
            begins,
            has_s,
        });
    }

    fn end(&mut self, tag: &str) {
        let closed = self.open.pop().unwrap_or_default();
        if closed.has_s {
            self.out.push_str("</s>");
        }
        self.is_struck &= !closed.begins;
        self.out.push_str(tag);
    }
}

/// Where a tag ends that a text begins with; what stands between quotes does not end it.
fn end_of_tag(text: &str) -> usize {
    let mut is_quoted = false;
    let end = text.char_indices().find(|(_, letter)| {
        is_quoted ^= *letter == '"';
        *letter == '>' && !is_quoted
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}
