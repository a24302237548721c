//! What a style struck out, written as an element.
//!
//! Styles go before a text is parsed; what one struck out is marked until the parser has said where each element ends,
//! for the ends of paragraphs, items and cells may be left out.

use super::bare::STRUCK;

/// Elements that hold other elements, and no text of their own: what strikes them out strikes out those.
const HOLDERS: [&str; 8] = ["table", "thead", "tbody", "tfoot", "tr", "ul", "ol", "dl"];

/// Elements without an end.
const EMPTY: [&str; 2] = ["br", "hr"];

/// An element that is open.
#[derive(Clone, Copy, Default)]
struct Open {
    /// It holds elements that are to be struck out.
    strikes: bool,
    /// Its content stands in an `s`.
    is_struck: bool,
}

/// Markup as a parser wrote it, with an `s` in each element that is marked.
pub(super) fn struck(markup: String) -> String {
    if !markup.contains(STRUCK) {
        return markup;
    }
    let mark = format!(" {STRUCK}=\"\"");
    let mut out = String::with_capacity(markup.len());
    let mut open: Vec<Open> = Vec::new();
    let mut depth_of_struck = 0;
    let mut rest = markup.as_str();
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        out.push_str(text);
        let (tag, behind) = tag.split_at(end_of_tag(tag));
        rest = behind;
        if tag.starts_with("</") {
            let closed = open.pop().unwrap_or_default();
            if closed.is_struck {
                out.push_str("</s>");
                depth_of_struck -= 1;
            }
            out.push_str(tag);
            continue;
        }
        let name = tag[1..].split([' ', '>']).next().unwrap_or_default();
        let is_marked = tag.contains(&mark) || open.last().is_some_and(|around| around.strikes);
        out.push_str(&tag.replace(&mark, ""));
        if EMPTY.contains(&name) {
            continue;
        }
        let holds = HOLDERS.contains(&name);
        let is_struck = is_marked && !holds && depth_of_struck == 0;
        if is_struck {
            out.push_str("<s>");
            depth_of_struck += 1;
        }
        open.push(Open {
            strikes: is_marked && holds,
            is_struck,
        });
    }
    out + rest
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
