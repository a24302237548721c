//! How much the parser would make of a text, found out by the parser itself without making it.
//!
//! HTML repairs what is broken: formatting that is not closed is opened again in every paragraph, so that a text of
//! 100 kB can become millions of elements. Which tags count as closed only the parser knows (a `</b>` may stand in an
//! attribute), so the real algorithm runs over a tree that is never built: its nodes and steps are counted, and it is
//! stopped at the limit.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{Attribute, ExpandedName, ParseOpts, QualName, local_name, ns, parse_fragment};

/// How many elements and pieces of text one text may have: the longest published reviews have about 3,000.
const MAX_NODES: usize = 30_000;

/// How many elements the parser may look at: it looks through all that are open for much of what it does, so that
/// deeply nested ones cost it far more than their number.
const MAX_STEPS: usize = 2_000_000;

/// Texts with fewer tags than this cannot become too large, however they are nested.
const HARMLESS_TAGS: usize = 150;

/// Whether parsing this as HTML would make, or cost, far more than a text of a provider does.
pub(super) fn is_a_bomb(raw: &str, tags: usize) -> bool {
    if tags < HARMLESS_TAGS {
        return false;
    }
    let counted = Rc::new(Counted::default());
    let name = QualName::new(None, ns!(html), local_name!("div"));
    let mut parser = parse_fragment(Counting(counted.clone()), ParseOpts::default(), name, Vec::new(), false);
    // tag by tag, so that it is known before the next one what the last one did
    let mut rest = raw;
    while !rest.is_empty() {
        let next = rest.char_indices().skip(1).find(|(_, c)| *c == '<');
        let (piece, others) = rest.split_at(next.map_or(rest.len(), |(at, _)| at));
        parser.process(StrTendril::from_slice(piece));
        if counted.is_too_much() {
            return true;
        }
        rest = others;
    }
    false
}

/// What there would be so far.
#[derive(Default)]
struct Counted {
    nodes: Cell<usize>,
    steps: Cell<usize>,
}

impl Counted {
    fn node(&self) {
        self.nodes.set(self.nodes.get() + 1);
    }

    fn step(&self) {
        self.steps.set(self.steps.get() + 1);
    }

    fn is_too_much(&self) -> bool {
        self.nodes.get() > MAX_NODES || self.steps.get() > MAX_STEPS
    }
}

/// A tree that knows its elements' names and nothing else.
struct Counting(Rc<Counted>);

/// A node is its name; it is the same as another one if it stands at the same place.
type Handle = Rc<QualName>;

impl Counting {
    fn nameless(&self) -> Handle {
        Rc::new(QualName::new(None, ns!(), local_name!("")))
    }
}

impl TreeSink for Counting {
    type Handle = Handle;
    type Output = ();
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) {}

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        self.nameless()
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        self.0.step();
        target.expanded()
    }

    fn create_element(&self, name: QualName, _: Vec<Attribute>, _: ElementFlags) -> Handle {
        self.0.node();
        Rc::new(name)
    }

    fn create_comment(&self, _: StrTendril) -> Handle {
        self.0.node();
        self.nameless()
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Handle {
        self.0.node();
        self.nameless()
    }

    fn append(&self, _: &Handle, child: NodeOrText<Handle>) {
        if matches!(child, NodeOrText::AppendText(_)) {
            self.0.node();
        }
    }

    fn append_based_on_parent_node(&self, parent: &Handle, _: &Handle, child: NodeOrText<Handle>) {
        self.append(parent, child);
    }

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        self.append(sibling, child);
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, _: &Handle) -> Handle {
        self.nameless()
    }

    fn same_node(&self, one: &Handle, other: &Handle) -> bool {
        self.0.step();
        Rc::ptr_eq(one, other)
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn add_attrs_if_missing(&self, _: &Handle, _: Vec<Attribute>) {}

    fn remove_from_parent(&self, _: &Handle) {}

    fn reparent_children(&self, _: &Handle, _: &Handle) {}
}

/// How deeply the elements of sanitised HTML are nested. There every tag is real, every element but `br` and `hr` is
/// closed, and `<` stands for itself only between quotes.
pub(super) fn depth(clean: &str) -> usize {
    let (mut depth, mut deepest, mut place) = (0_usize, 0, 0);
    let bytes = clean.as_bytes();
    while let Some(at) = bytes
        .get(place..)
        .and_then(|rest| rest.iter().position(|byte| *byte == b'<'))
    {
        let tag = &bytes[place + at + 1..];
        let length = length_of_tag(tag);
        match tag {
            [b'/', ..] => depth = depth.saturating_sub(1),
            [b'b', b'r', b' ' | b'>', ..] | [b'h', b'r', b' ' | b'>', ..] => {}
            _ => depth += 1,
        }
        deepest = deepest.max(depth);
        place += at + 1 + length;
    }
    deepest
}

/// Where the tag ends whose `<` was read: at the first `>` that is not between quotes.
fn length_of_tag(tag: &[u8]) -> usize {
    let mut is_quoted = false;
    for (at, byte) in tag.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'>' if !is_quoted => return at + 1,
            _ => {}
        }
    }
    tag.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explodes(text: &str) -> bool {
        is_a_bomb(text, text.matches('<').count())
    }

    /// Every formatting that is opened again, three times: so often the parser opens the same one again.
    fn formatting() -> String {
        let names = [
            "b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u",
        ];
        names.iter().map(|name| format!("<{name}>").repeat(3)).collect()
    }

    #[test]
    fn formatting_is_opened_again_in_every_paragraph_however_it_is_hidden() {
        let paragraphs = "x<p>x".repeat(1_500);
        assert!(explodes(&format!("<p>{}{paragraphs}", formatting())));
        let hidden = formatting().replace('>', "></b-x>");
        assert!(explodes(&format!("<p>{hidden}{paragraphs}")));
        assert!(!explodes(&format!("<p><b>{paragraphs}")));
    }

    #[test]
    fn elements_that_are_looked_through_again_and_again_are_too_much() {
        let deep = "<div></div-x>".repeat(4_000) + &"<p>x</p>".repeat(1_000);
        assert!(explodes(&deep));
    }

    #[test]
    fn long_texts_of_ordinary_markup_are_none() {
        let paragraph =
            "<p><strong>What happened?</strong> It <em>broke</em>, see <a href='https://e.x/'>here</a>.</p>";
        assert!(!explodes(&paragraph.repeat(1_000)));
        assert!(!explodes(&format!("<ul>{}</ul>", "<li>a<br>b".repeat(3_000))));
        let row = format!("<tr>{}</tr>", "<td>x</td>".repeat(10));
        assert!(!explodes(&format!("<table>{}</table>", row.repeat(400))));
    }

    #[test]
    fn the_depth_is_that_of_what_is_open_at_once() {
        for (html, deepest) in [
            ("", 0),
            ("a &lt; b", 0),
            ("<p>a<br>b</p><p>c</p>", 1),
            ("<ul><li><b>x</b></li><li><hr></li></ul>", 3),
            ("<a href=\"https://e.x/?<p><p>\"><br></a>", 1),
        ] {
            assert_eq!(depth(html), deepest, "{html}");
        }
    }
}
