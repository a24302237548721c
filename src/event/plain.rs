//! Plain text of sanitised HTML: what stands in mails, what patterns search, what communications are compared by.

mod numbers;
mod table;

use scraper::{ElementRef, Html, Node};

use numbers::Numbers;
use table::Spans;

/// What stands before text that is struck out, up to its `]`.
const STRUCK: &str = "[struck out: ";

/// Plain text of sanitised HTML: paragraphs apart, bullets as `- `, links as `words (address)`, what is struck out as
/// `[struck out: words]`, tables with each cell in its column.
pub(super) fn text(html: &str) -> String {
    let fragment = Html::parse_fragment(html);
    let mut writer = Writer::default();
    writer.children(fragment.root_element());
    writer.finish()
}

/// The plain text of one element.
pub(super) fn text_of(element: ElementRef<'_>) -> String {
    let mut writer = Writer::default();
    writer.element(element);
    writer.finish()
}

/// Plain text without what is struck out in it: what holds now.
pub(super) fn without_struck(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(STRUCK) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[end_of_brackets(rest)..];
    }
    out + rest
}

/// Where the brackets end that a text begins with; where they do not, its line ends.
fn end_of_brackets(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.find('\n').unwrap_or(text.len())
}

/// Writes plain text; line breaks, spaces and what opens something wait until something visible follows.
#[derive(Default)]
struct Writer {
    out: String,
    breaks: usize,
    space: bool,
    /// Spaces at the head of a line of preformatted text.
    indent: usize,
    /// A line across the page comes before the next words.
    rule: bool,
    bullet: Option<String>,
    /// What opens before the next words: a quotation mark, the mark of struck-out text.
    opening: String,
    lists: Vec<Option<Numbers>>,
    /// A term was written whose explanation may follow on its line.
    term: bool,
    pre: usize,
    /// What tables may still repeat.
    spans: Spans,
}

impl Writer {
    fn children(&mut self, element: ElementRef<'_>) {
        for child in element.children() {
            match child.value() {
                Node::Text(text) => self.words(text),
                _ => ElementRef::wrap(child)
                    .into_iter()
                    .for_each(|element| self.element(element)),
            }
        }
    }

    fn element(&mut self, element: ElementRef<'_>) {
        match element.value().name() {
            "br" => self.line_break(),
            "hr" => {
                self.block(2);
                self.rule = true;
            }
            "p" | "div" | "blockquote" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "dl" => self.boxed(2, element),
            "pre" => {
                self.pre += 1;
                self.boxed(2, element);
                self.pre -= 1;
            }
            "table" => self.table(element),
            "tr" | "td" | "th" | "caption" => self.boxed(1, element),
            "ul" => self.list(None, element),
            "ol" => self.list(Some(Numbers::of(element)), element),
            "li" => self.item(element),
            "dt" => {
                self.boxed(1, element);
                self.term = true;
            }
            "dd" => self.explanation(element),
            "a" => self.link(element),
            "s" | "del" => self.between(STRUCK, "]", element),
            "q" => self.between("“", "”", element),
            "sup" => self.raised('^', element),
            "sub" => self.raised('_', element),
            "abbr" => self.abbreviation(element),
            _ => self.children(element),
        }
    }

    fn boxed(&mut self, breaks: usize, element: ElementRef<'_>) {
        self.block(breaks);
        self.children(element);
        self.block(breaks);
    }

    fn list(&mut self, numbers: Option<Numbers>, element: ElementRef<'_>) {
        let breaks = if self.lists.is_empty() { 2 } else { 1 };
        self.block(breaks);
        self.lists.push(numbers);
        self.children(element);
        self.lists.pop();
        self.block(breaks);
    }

    fn item(&mut self, element: ElementRef<'_>) {
        self.bullet = None;
        self.block(1);
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let mark = match self.lists.last_mut() {
            Some(Some(numbers)) => numbers.mark(element),
            _ => "-".to_string(),
        };
        self.bullet = Some(format!("{indent}{mark} "));
        self.children(element);
        self.bullet = None;
        self.block(1);
    }

    /// The explanation of a term: on its line, with a colon between them; another one on a line of its own.
    fn explanation(&mut self, element: ElementRef<'_>) {
        if std::mem::take(&mut self.term) && !self.out.is_empty() && self.bullet.is_none() {
            if !self.out.ends_with([':', '?']) {
                self.out.push(':');
            }
            (self.breaks, self.space) = (0, true);
            // a paragraph in it begins on the same line, too
            let text = self.apart(|writer| writer.children(element));
            self.whole(&text);
            self.block(1);
        } else {
            self.boxed(1, element);
        }
    }

    /// Something between marks, which are left out where there is nothing between them.
    fn between(&mut self, open: &str, close: &str, element: ElementRef<'_>) {
        let before = self.opening.len();
        self.opening.push_str(open);
        self.children(element);
        match self.opening.len() > before {
            true => self.opening.truncate(before),
            false => self.out.push_str(close),
        }
    }

    /// Text above or below the line: `10^6`, `x^(n+1)`. What cannot be misread without a mark has none: `1st`, `™`, `[1]`.
    fn raised(&mut self, mark: char, element: ElementRef<'_>) {
        let text = self.apart(|writer| writer.children(element));
        let is_plain = ["st", "nd", "rd", "th", "TM", "SM", "R", "C"].contains(&text.as_str())
            || text.starts_with('[')
            || !text.chars().any(char::is_alphanumeric);
        let is_one = text.chars().all(char::is_numeric) || text.chars().count() == 1;
        match (text.is_empty(), is_plain, is_one) {
            (true, _, _) => {}
            (_, true, _) => self.whole(&text),
            (_, _, true) => self.whole(&format!("{mark}{text}")),
            _ => self.whole(&format!("{mark}({text})")),
        }
    }

    fn abbreviation(&mut self, element: ElementRef<'_>) {
        let text = self.apart(|writer| writer.children(element));
        let title = element.attr("title").unwrap_or_default().trim();
        self.whole(&text);
        if !title.is_empty() && !title.eq_ignore_ascii_case(&text) {
            self.words(&format!(" ({title})"));
        }
    }

    fn link(&mut self, element: ElementRef<'_>) {
        let start = self.out.len();
        self.children(element);
        let href = element.attr("href").unwrap_or_default().trim();
        let label = self.out.get(start..).unwrap_or_default().trim().to_string();
        let says_it = bare(&label) == bare(href);
        match (href.is_empty() || says_it, label.is_empty()) {
            (true, _) => {}
            (false, true) => self.words(href),
            (false, false) => self.words(&format!(" ({href})")),
        }
    }

    /// What is written by itself, apart from what was written before.
    fn apart(&mut self, write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer {
            pre: self.pre,
            spans: std::mem::take(&mut self.spans),
            ..Writer::default()
        };
        write(&mut writer);
        self.spans = std::mem::take(&mut writer.spans);
        writer.finish()
    }

    /// A block begins or ends here; at the head of a list item that changes nothing.
    fn block(&mut self, breaks: usize) {
        if self.bullet.is_none() {
            let inside_list = !self.lists.is_empty();
            self.breaks = self.breaks.max(if inside_list { 1 } else { breaks });
            self.indent = 0;
        }
        self.term = false;
    }

    fn line_break(&mut self) {
        self.breaks = (self.breaks + 1).min(2);
        self.indent = 0;
    }

    fn words(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\n' if self.pre > 0 => self.line_break(),
                ' ' if self.pre > 0 && self.breaks == 0 && !self.out.is_empty() => self.out.push(' '),
                ' ' if self.pre > 0 => self.indent += 1,
                '\t' if self.pre > 0 => self.indent += 4,
                c if c.is_whitespace() => self.space = true,
                c => {
                    self.make_room();
                    self.out.push(c);
                }
            }
        }
    }

    /// Text that is plain already, its lines as they are.
    fn whole(&mut self, text: &str) {
        if !text.is_empty() {
            self.make_room();
            self.out.push_str(text);
        }
    }

    fn make_room(&mut self) {
        if self.rule && !self.out.is_empty() {
            self.out.truncate(self.out.trim_end().len());
            self.out.push_str("\n\n---\n\n");
        } else if self.breaks > 0 && !self.out.is_empty() {
            self.out.truncate(self.out.trim_end().len());
            self.out.push_str(&"\n".repeat(self.breaks));
        } else if self.space && !self.out.is_empty() {
            self.out.push(' ');
        }
        self.out.push_str(&" ".repeat(self.indent));
        (self.breaks, self.space, self.rule, self.term, self.indent) = (0, false, false, false, 0);
        if let Some(bullet) = self.bullet.take() {
            self.out.push_str(&bullet);
        }
        self.out.push_str(&std::mem::take(&mut self.opening));
    }

    fn finish(self) -> String {
        self.out.trim().to_string()
    }
}

/// An address without what people leave out when they write one.
fn bare(address: &str) -> &str {
    let address = address
        .trim_start_matches("mailto:")
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    address.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::super::html::sanitise;
    use super::*;

    #[test]
    fn plain_text_keeps_its_lines_and_reads_its_entities() {
        let html = sanitise("a &quot;b&quot; & c\nd\n\ne < f");
        assert_eq!(text(&html), "a \"b\" & c\nd\n\ne < f");
    }

    #[test]
    fn plain_text_is_tidy_and_links_are_readable() {
        let html = sanitise(
            "<p>Hello&nbsp;<strong>you</strong> ,</p>\n<p><br></p>\n<ul><li>one</li><li><p>two</p><ol><li>deep</li></ol></li></ul>\
             <p>See <a href=\"https://aka.ms/x\">https://aka.ms/x</a> or <a href='https://e.x/y'>here</a>.</p><p></p>\
             <table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table><p>x<br>y</p>\n\n",
        );
        let expected = "Hello you ,\n\n- one\n- two\n  1. deep\n\nSee https://aka.ms/x or here (https://e.x/y).\n\na | b\nc | d\n\nx\ny";
        assert_eq!(text(&html), expected);
        assert!(!html.contains("<p></p>") && !html.contains("<p><br></p>"));
    }

    fn plain(raw: &str) -> String {
        text(&sanitise(raw))
    }

    #[test]
    fn what_is_struck_out_is_marked_so_and_what_replaces_it_is_not() {
        for tag in ["s", "del", "strike", "S"] {
            let raw = format!("<p>Moved: <{tag}>2 November</{tag}> <ins>9 November</ins>.</p>");
            assert_eq!(plain(&raw), "Moved: [struck out: 2 November] 9 November.");
        }
        assert_eq!(
            plain("<ul><li><s>one</s></li><li><del></del>two</li></ul>"),
            "- [struck out: one]\n- two"
        );
        assert_eq!(
            plain("<del><p>a</p><p>b</p></del><p>c</p>"),
            "[struck out: a\n\nb]\n\nc"
        );
        assert_eq!(plain("<s><s>a</s> b</s>"), "[struck out: [struck out: a] b]");
        let moved = plain("<p>At <s>15:00 UTC [1]</s> 16:00 UTC</p><p>[x]</p>");
        assert_eq!(without_struck(&moved), "At  16:00 UTC\n\n[x]");
        assert_eq!(without_struck("a [struck out: b [c\nd"), "a \nd", "what never ends");
        assert_eq!(without_struck("a ] b"), "a ] b");
    }

    #[test]
    fn terms_stand_with_their_explanations() {
        assert_eq!(
            plain("<dl><dt>First contact</dt><dd>Service desk</dd><dt>Second:</dt><dd>Duty</dd><dd>Manager</dd></dl>"),
            "First contact: Service desk\nSecond: Duty\nManager"
        );
        assert_eq!(
            plain("<dl><dt>a</dt><dt>b</dt><dd><p>c</p><p>d</p></dd></dl>x"),
            "a\nb: c\n\nd\n\nx"
        );
        assert_eq!(
            plain("<dl><div><dt>a</dt><dd>b</dd></div><dd>lost</dd></dl>"),
            "a: b\n\nlost"
        );
    }

    #[test]
    fn sections_do_not_run_together() {
        for tag in [
            "section",
            "article",
            "div",
            "header",
            "footer",
            "aside",
            "figure",
            "figcaption",
            "address",
            "center",
            "details",
        ] {
            let raw = format!("<{tag}>Before.</{tag}><{tag} class=x>After.</{tag}>");
            assert_eq!(plain(&raw), "Before.\n\nAfter.", "{tag}");
        }
    }

    #[test]
    fn powers_indices_quotations_and_abbreviations_keep_their_meaning() {
        for (raw, expected) in [
            ("10<sup>6</sup> requests", "10^6 requests"),
            ("x<sup>n+1</sup>", "x^(n+1)"),
            ("H<sub>2</sub>O", "H_2O"),
            ("a<sub>ij</sub>", "a_(ij)"),
            ("the 1<sup>st</sup> of May", "the 1st of May"),
            ("Azure<sup>™</sup><sup></sup>", "Azure™"),
            ("see<sup>[1]</sup>", "see[1]"),
            ("he said <q>no</q>", "he said “no”"),
            ("<q></q>x", "x"),
            (
                "<abbr title=\"Post Incident Review\">PIR</abbr> soon",
                "PIR (Post Incident Review) soon",
            ),
            (
                "<abbr title=\"pir\">PIR</abbr> <acronym title='b'>a</acronym>",
                "PIR a (b)",
            ),
        ] {
            assert_eq!(plain(&format!("<p>{raw}</p>")), expected, "{raw}");
        }
    }

    #[test]
    fn pictures_are_told_by_their_alternative_text() {
        assert_eq!(
            plain("<p>See <img src=x alt=\"Diagram: a &amp; b <swapped>\"> and <img alt=''><img src=y>.</p>"),
            "See [image: Diagram: a & b <swapped>] and ."
        );
        assert!(!sanitise("<img src='https://e.x/p.gif' alt=x onerror=y>").contains("e.x"));
    }

    #[test]
    fn lines_of_preformatted_text_and_lines_across_the_page_stay() {
        assert_eq!(
            plain("<p>Run:</p><pre>if x\n    do  y\n\nend</pre><hr><p>z</p><hr>"),
            "Run:\n\nif x\n    do  y\n\nend\n\n---\n\nz"
        );
        assert_eq!(plain("<hr><p>a<br>b</p>"), "a\nb");
    }
}
