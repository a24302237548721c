//! Plain text of sanitised HTML: what stands in mails, what patterns search, what communications are compared by.

use scraper::{ElementRef, Html, Node};

/// Plain text of sanitised HTML: paragraphs apart, bullets as `- `, links as `words (address)`.
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

/// Writes plain text; line breaks and spaces wait until something visible follows.
#[derive(Default)]
struct Writer {
    out: String,
    breaks: usize,
    space: bool,
    bullet: Option<String>,
    lists: Vec<Option<usize>>,
    pre: usize,
    cell: bool,
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
            "hr" => self.block(2),
            "p" | "div" | "table" | "blockquote" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.boxed(2, element),
            "pre" => {
                self.pre += 1;
                self.boxed(2, element);
                self.pre -= 1;
            }
            "ul" => self.list(None, element),
            "ol" => self.list(Some(0), element),
            "li" => self.item(element),
            "tr" => self.boxed(1, element),
            "td" | "th" => {
                self.children(element);
                self.cell = true;
            }
            "a" => self.link(element),
            _ => self.children(element),
        }
    }

    fn boxed(&mut self, breaks: usize, element: ElementRef<'_>) {
        self.block(breaks);
        self.children(element);
        self.block(breaks);
    }

    fn list(&mut self, number: Option<usize>, element: ElementRef<'_>) {
        let breaks = if self.lists.is_empty() { 2 } else { 1 };
        self.block(breaks);
        self.lists.push(number);
        self.children(element);
        self.lists.pop();
        self.block(breaks);
    }

    fn item(&mut self, element: ElementRef<'_>) {
        self.bullet = None;
        self.block(1);
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{number}.")
            }
            _ => "-".to_string(),
        };
        self.bullet = Some(format!("{indent}{mark} "));
        self.children(element);
        self.bullet = None;
        self.block(1);
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

    /// A block begins or ends here; at the head of a list item that changes nothing.
    fn block(&mut self, breaks: usize) {
        if self.bullet.is_none() {
            let inside_list = !self.lists.is_empty();
            self.breaks = self.breaks.max(if inside_list { 1 } else { breaks });
            self.cell = false;
        }
    }

    fn line_break(&mut self) {
        self.breaks = (self.breaks + 1).min(2);
    }

    fn words(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\n' if self.pre > 0 => self.line_break(),
                ' ' if self.pre > 0 && self.breaks == 0 => self.out.push(' '),
                c if c.is_whitespace() => self.space = true,
                c => {
                    self.make_room();
                    self.out.push(c);
                }
            }
        }
    }

    fn make_room(&mut self) {
        if self.breaks > 0 && !self.out.is_empty() {
            self.out.truncate(self.out.trim_end().len());
            self.out.push_str(&"\n".repeat(self.breaks));
        } else if self.cell {
            self.out.push_str(" | ");
        } else if self.space && !self.out.is_empty() {
            self.out.push(' ');
        }
        (self.breaks, self.space, self.cell) = (0, false, false);
        if let Some(bullet) = self.bullet.take() {
            self.out.push_str(&bullet);
        }
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
}
