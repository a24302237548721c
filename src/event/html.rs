//! Text that strangers wrote: made safe, made plain, made one line.
//!
//! What leaves here can be put into a page or a mail: an allow list of elements, links to http, https and mailto only,
//! no style, no image, no script, no character that turns the direction of the text around. What carries meaning stays:
//! what is struck out, what a cell spans, where a list begins; of a picture its words, of what is embedded its address.
//! What a style hides is shown: no word is lost because of how it looks.

mod bare;
mod size;
mod struck;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::LazyLock;

use scraper::{ElementRef, Html};

use crate::problem::letters::composed;

/// How long a title may be, characters.
pub const MAX_TITLE_CHARS: usize = 512;
/// More markup than this in one text is an attack on whoever parses it; it is then shown as plain text.
const MAX_TAGS: usize = 10_000;
/// How deeply elements may be nested once a text is clean: those who read it go down element by element.
const MAX_DEPTH_ELEMENTS: usize = 64;

/// What may stand in a text. `div` is structure only: without it words of two lines would run together.
const TAGS: &[&str] = &[
    "p",
    "br",
    "div",
    "hr",
    "ul",
    "ol",
    "li",
    "strong",
    "b",
    "em",
    "i",
    "u",
    "a",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "code",
    "pre",
    "span",
    "s",
    "del",
    "ins",
    "dl",
    "dt",
    "dd",
    "sup",
    "sub",
    "q",
    "abbr",
    "caption",
    "tfoot",
];

/// Which attributes an element keeps.
const ATTRIBUTES: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("td", &["colspan", "rowspan"]),
    ("th", &["colspan", "rowspan"]),
    ("ol", &["start", "type", "reversed"]),
    ("li", &["value"]),
    ("abbr", &["title"]),
];

/// How many columns a cell may span.
const COLUMNS_MOST: u32 = 50;
/// How many rows a cell may span.
const ROWS_MOST: u32 = 1_000;
/// How large the number of a list's item may be, and how small below zero.
const LIST_NUMBER_MOST: i32 = 1_000_000;
/// How long the explanation of an abbreviation may be, characters.
const EXPLANATION_CHARS_MOST: usize = 200;

/// A text made safe. Plain text (without any element) becomes paragraphs, and so does markup that would explode.
pub(super) fn sanitise(raw: &str) -> String {
    let tags = raw.matches('<').count();
    if tags > MAX_TAGS {
        return shown_as_text(raw);
    }
    if !has_elements(raw) {
        return cleaned(&paragraphs(raw));
    }
    let bare = bare::bare(raw);
    if size::is_a_bomb(&bare, tags) {
        return shown_as_text(raw);
    }
    let clean = cleaned(&bare);
    match size::depth(&clean) > MAX_DEPTH_ELEMENTS {
        true => shown_as_text(raw),
        false => clean,
    }
}

/// What was made safe before, as it stands if it still is: making it safe twice may move its white space.
pub(super) fn sanitise_again(html: String) -> String {
    let is_small = html.matches('<').count() <= MAX_TAGS && size::depth(&html) <= MAX_DEPTH_ELEMENTS;
    match is_small && cleaned(&html) == html {
        true => html,
        false => sanitise(&html),
    }
}

/// The words of markup that would explode, block by block, without its tags.
fn shown_as_text(raw: &str) -> String {
    cleaned(&paragraphs(&bare::words(raw)))
}

fn cleaned(source: &str) -> String {
    static CLEANER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(cleaner);
    let clean = CLEANER.clean(source).to_string();
    let clean: String = clean.chars().filter(|c| !is_odd(*c)).collect();
    // text by text: what composes with the end of a tag (`>` and U+0338) would take it away
    let clean = clean.split_inclusive('>').map(composed).collect();
    let clean = struck::struck(clean);
    without_empty_paragraphs(&clean).trim().to_string()
}

fn cleaner() -> ammonia::Builder<'static> {
    let mut builder = ammonia::Builder::default();
    builder
        .tags(TAGS.iter().copied().collect())
        .tag_attributes(attributes())
        .attribute_filter(|_, attribute, value| bounded(attribute, value))
        .generic_attributes(HashSet::from([bare::STRUCK]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener"));
    builder
}

fn attributes() -> HashMap<&'static str, HashSet<&'static str>> {
    let each = ATTRIBUTES.iter();
    each.map(|(element, names)| (*element, names.iter().copied().collect()))
        .collect()
}

/// An attribute's value as it may stay; numbers that no text of a provider has are cut or left out.
fn bounded<'v>(attribute: &str, value: &'v str) -> Option<Cow<'v, str>> {
    let count = |most: u32| {
        let digits = value.trim();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| {
            digits
                .parse::<u32>()
                .map_or(most, |count| count.min(most))
                .to_string()
                .into()
        })
    };
    match attribute {
        "colspan" => count(COLUMNS_MOST),
        "rowspan" => count(ROWS_MOST),
        "start" | "value" => {
            let number = value.trim().parse::<i32>().ok();
            let number = number.filter(|number| (-LIST_NUMBER_MOST..=LIST_NUMBER_MOST).contains(number));
            number.map(|number| number.to_string().into())
        }
        "type" => ["1", "a", "A", "i", "I"].contains(&value).then_some(value.into()),
        "reversed" => Some("".into()),
        "title" => Some(shorten(&one_line_of(value), EXPLANATION_CHARS_MOST).into()),
        _ => Some(value.into()),
    }
}

fn has_elements(raw: &str) -> bool {
    raw.match_indices('<').any(|(at, _)| {
        matches!(
            raw.as_bytes().get(at + 1),
            Some(b'/' | b'!' | b'a'..=b'z' | b'A'..=b'Z')
        )
    })
}

/// Text for HTML: what has a meaning there is written as entity.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn paragraphs(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    blocks
        .map(|block| format!("<p>{}</p>", block.replace('\n', "<br>")))
        .collect()
}

/// Providers put empty paragraphs between others as spacing; style is the page's business.
fn without_empty_paragraphs(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find("<p>") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match rest.find("</p>").filter(|end| is_blank(&rest[3..*end])) {
            Some(end) => rest = &rest[end + 4..],
            None => {
                out.push_str("<p>");
                rest = &rest[3..];
            }
        }
    }
    out + rest
}

fn is_blank(html: &str) -> bool {
    html.replace("<br>", "").replace("&nbsp;", "").trim().is_empty()
}

/// Characters that show nothing, or show other characters in another order.
fn is_odd(c: char) -> bool {
    let invisible = matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{61c}' | '\u{feff}');
    invisible || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// One line of plain text, at most [`MAX_TITLE_CHARS`] characters: entities read, white space collapsed.
pub(super) fn one_line(raw: &str) -> String {
    let text = if raw.contains('&') {
        unescape(raw)
    } else {
        raw.to_string()
    };
    shorten(&composed(&one_line_of(&text)), MAX_TITLE_CHARS)
}

/// The same of a text without entities, of any length.
fn one_line_of(text: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|c| if c.is_control() || is_break(c) { ' ' } else { c })
        .collect();
    let visible: String = spaced.chars().filter(|c| !is_odd(*c)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_break(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Entities read; `<` stays what it is, for a title is text and not markup.
fn unescape(raw: &str) -> String {
    let fragment = Html::parse_fragment(&raw.replace('<', "&lt;"));
    fragment.root_element().text().collect()
}

/// At most `limit` characters, the last being "…" if something was cut.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_string(),
        Some(_) => text.chars().take(limit - 1).chain(['…']).collect(),
    }
}

/// A link in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Where it leads: http or https.
    pub url: url::Url,
    /// Its words.
    pub label: String,
    /// The words of the paragraph or list item it stands in, which it shares with its other links.
    pub around: Rc<str>,
}

/// The links of sanitised HTML, in order. The words around them are read once for all links of a paragraph.
pub(super) fn links(html: &str) -> Vec<Link> {
    let fragment = Html::parse_fragment(html);
    let anchors = fragment
        .root_element()
        .descendent_elements()
        .filter(|element| element.value().name() == "a");
    let mut surroundings: HashMap<_, Rc<str>> = HashMap::new();
    let mut links = Vec::new();
    for anchor in anchors {
        let Some(url) = address(anchor) else { continue };
        let around = anchor.parent().and_then(ElementRef::wrap).map(|parent| {
            let words = surroundings.entry(parent.id());
            words
                .or_insert_with(|| parent.text().collect::<String>().into())
                .clone()
        });
        links.push(Link {
            url,
            label: anchor.text().collect(),
            around: around.unwrap_or_default(),
        });
    }
    links
}

fn address(anchor: ElementRef<'_>) -> Option<url::Url> {
    let url = url::Url::parse(anchor.attr("href")?).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_allowed_is_left() {
        let html = sanitise(
            "<p onclick=x style=y>a<script>alert(1)</script><img src=x onerror=y></p><a href='javascript:x'>b</a>\
             <a href=\"https://e.x/?a=1&b=2\" target=_blank>c</a><iframe src=x></iframe><a href=\"/rel\">d</a>",
        );
        assert_eq!(
            html,
            "<p>a</p><a rel=\"noopener\">b</a><a href=\"https://e.x/?a=1&amp;b=2\" rel=\"noopener\">c</a><a rel=\"noopener\">d</a>"
        );
    }

    #[test]
    fn what_carries_meaning_stays_within_bounds() {
        for (raw, clean) in [
            (
                "<s>a</s><del cite=x>b</del><ins>c</ins><strike>d</strike>",
                "<s>a</s><del>b</del><ins>c</ins><s>d</s>",
            ),
            ("<dl class=x><dt>a</dt><dd>b</dd></dl>", "<dl><dt>a</dt><dd>b</dd></dl>"),
            (
                "<section id=x>a</section><article>b</article>",
                "<div>a</div><div>b</div>",
            ),
            (
                "10<sup onclick=x>6</sup>H<sub>2</sub><q cite=x>c</q>",
                "10<sup>6</sup>H<sub>2</sub><q>c</q>",
            ),
            (
                "<ol start=4 type=a onclick=x><li value=7 style=x>a</li></ol>",
                "<ol start=\"4\" type=\"a\"><li value=\"7\">a</li></ol>",
            ),
            (
                "<ol reversed='x\"><script>' type=disc start=1e9><li value=99999999999>a</li></ol>",
                "<ol reversed=\"\"><li>a</li></ol>",
            ),
            (
                "<abbr title='P\u{202e}IR \"<b>\"' lang=x>a</abbr>",
                "<abbr title=\"PIR &quot;&lt;b&gt;&quot;\">a</abbr>",
            ),
            (
                "<table><tr><td colspan=2 rowspan='999999999999' width=3>a</td><td colspan=-1 rowspan=x>b</td></tr></table>",
                "<table><tbody><tr><td colspan=\"2\" rowspan=\"1000\">a</td><td>b</td></tr></tbody></table>",
            ),
            ("<p start=4 colspan=2 title=x>a</p>", "<p>a</p>"),
            (
                "<p>a<img src=x alt='b &lt;c&gt; <i>' onerror=y></p>",
                "<p>a[image: b &lt;c&gt; &lt;i&gt;]</p>",
            ),
        ] {
            assert_eq!(sanitise(raw), clean, "{raw}");
        }
    }

    #[test]
    fn what_a_style_strikes_out_is_struck_out_and_nothing_else() {
        const STYLE: &str = "style='color:red;text-decoration:line-through'";
        for (raw, clean) in [
            // paragraphs, items and cells need no end of their own
            ("<p STYLE>a<p>b", "<p><s>a</s></p><p>b</p>"),
            ("<ul><li STYLE>a<li>b</ul>", "<ul><li><s>a</s></li><li>b</li></ul>"),
            (
                "<table><tr STYLE><td>a<td>b<tr><td>c</table>",
                "<table><tbody><tr><td><s>a</s></td><td><s>b</s></td></tr><tr><td>c</td></tr></tbody></table>",
            ),
            (
                "<ol STYLE><li>a<ul><li>b</ul></ol>c",
                "<ol><li><s>a<ul><li>b</li></ul></s></li></ol>c",
            ),
            ("<div STYLE><p STYLE>a</p>b</div>c", "<div><s><p>a</p>b</s></div>c"),
            (
                "<b STYLE>a</b> <a STYLE href=x>b</a>",
                "<b><s>a</s></b> <a rel=\"noopener\"><s>b</s></a>",
            ),
            ("<p STYLE><br>a</p><hr STYLE>b", "<p><s><br>a</s></p><hr>b"),
            (
                "<p STYLE><abbr title='a > b'>c</abbr></p>",
                "<p><s><abbr title=\"a &gt; b\">c</abbr></s></p>",
            ),
            ("<p data-struck>a</p>", "<p>a</p>"),
            // what is struck out already is not struck out twice
            ("<del STYLE>a</del><S STYLE>b</S>", "<del>a</del><s>b</s>"),
            ("<s><p STYLE>a</p></s><p STYLE>b</p>", "<s><p>a</p></s><p><s>b</s></p>"),
        ] {
            let found = sanitise(&raw.replace("STYLE", STYLE));
            assert_eq!(found, clean, "{raw}");
            assert_eq!(sanitise_again(found.clone()), found, "{raw}");
        }
    }

    #[test]
    fn of_what_is_embedded_the_address_stays_and_of_a_box_its_tick() {
        assert_eq!(
            sanitise(
                "<p>Watch:</p><iframe src=https://e.x/v>old browser</iframe><p><input type=checkbox checked>Done</p>"
            ),
            "<p>Watch:</p> <a href=\"https://e.x/v\" rel=\"noopener\">https://e.x/v</a> old browser<p>[x] Done</p>"
        );
        assert_eq!(
            sanitise("<p style='display:none'>a</p>"),
            "<p>a</p>",
            "no word is lost by how it looks"
        );
    }

    proptest::proptest! {
        #[test]
        fn what_was_made_safe_has_nothing_left_to_be_made_safe(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "<p>", "</p>", "<p style=text-decoration:line-through>", "<td style='text-decoration:line-through'>", "<table><tr><td>",
            "</table>", "<a href='https://e.x/?a=\"b\"&amp;c'>", "</a>", "<b>", "</b>", "<br>", "<li>", "<ul>", "</ul>", "\u{338}",
            "&#x338;", "\u{20d2}", "u\u{308}", " href=javascript:x onclick=x ", "\"", "'", "&lt;", "&gt;", ">", "< ", "=",
            "<iframe src='https://e.x/v\"<b>'>", "</iframe>", "<input type=checkbox checked>", "<img alt='a \" &gt; <b>'>", "<!-- a -->",
            "<abbr title='a > \u{338}b'>", "</abbr>", "<script>x</script>", "data-struck=\"\"", "<s>", "</s>", "text",
        ]), 0..24)) {
            let html = sanitise(&pieces.concat());
            proptest::prop_assert_eq!(cleaner().clean(&html).to_string(), html, "{:?}", pieces);
        }
    }

    #[test]
    fn broken_html_is_mended() {
        assert_eq!(sanitise("<tr><td>This is a test</<td>/<tr>"), "This is a test/");
        assert_eq!(sanitise("<p><strong>a"), "<p><strong>a</strong></p>");
    }

    #[test]
    fn a_title_is_one_line_of_visible_text() {
        assert_eq!(one_line(" A\r\nB\u{202e}C\u{200b}&amp; <b>D\u{a0}\u{7} "), "A BC& <b>D");
        assert_eq!(one_line("Zu\u{308}rich"), "Zürich");
        assert_eq!(sanitise("<p>Zu\u{308}rich</p>"), "<p>Zürich</p>");
        for tag in ["p", "a", "b", "td", "br"] {
            for mark in ["\u{338}", "&#x338;", "&#824;"] {
                let html = sanitise(&format!("<{tag}>{mark} href=javascript:x onclick=x </{tag}>{mark} \"x"));
                assert!(!html.contains('\u{226f}') && html.contains("\u{338} href"), "{html}");
                assert_eq!(sanitise_again(html.clone()), html, "{tag}");
            }
        }
        assert_eq!(one_line(&"x".repeat(512)).chars().count(), 512);
        let cut = one_line(&"ä".repeat(513));
        assert!(cut.ends_with('…') && cut.chars().count() == 512);
    }

    #[test]
    fn text_cannot_be_turned_around() {
        assert_eq!(sanitise("<p>a&#x202e;b\u{2066}c</p>"), "<p>abc</p>");
    }

    #[test]
    fn markup_that_explodes_is_shown_as_text() {
        let bomb: String = (0..2_000).map(|n| format!("<b id={n}>")).collect::<String>() + &"<p>x".repeat(2_000);
        assert!(sanitise(&bomb).len() < 20 * bomb.len());
        assert_eq!(
            sanitise(&("<div>".repeat(9_000) + "a &amp; b &lt;c&gt; < d")),
            "<p>a &amp; b &lt;c&gt; &lt; d</p>"
        );
        let words = sanitise(&"<p>x<script>y</script>".repeat(20_000));
        assert_eq!((words.matches('x').count(), words.contains('y')), (20_000, false));
        assert_eq!(words.len(), 20_000 * "<p>x</p>".len());
        let table: String = (0..4_000)
            .map(|n| format!("<tr><td>r{n}<td><img alt=ok></tr>"))
            .collect();
        let rows = super::super::plain::text(&sanitise(&format!("<table>{table}</table>")));
        assert_eq!(rows.lines().nth(1), Some("r1 [image: ok]"));
        assert_eq!(rows.lines().count(), 4_000);
        assert_eq!(
            super::super::plain::text(&sanitise(&"<div>".repeat(MAX_DEPTH_ELEMENTS))),
            ""
        );
    }

    #[test]
    fn depth_that_seems_to_be_closed_is_shown_as_text() {
        let hidden = sanitise(&"<div title=\"</div>\">".repeat(1_000));
        assert_eq!(hidden, "");
        let deep = "<blockquote>".repeat(MAX_DEPTH_ELEMENTS + 1);
        assert_eq!(sanitise(&(deep + "a<br>b<hr>c")), "<p>a<br>b</p><p>c</p>");
    }

    #[test]
    fn links_of_one_paragraph_share_the_words_around_them() {
        let links_in = |count: usize| "<a href='https://e.x/a'>x</a> ".repeat(count);
        let found = links(&sanitise(&format!("<p>{}</p><p>{}</p>", links_in(2), links_in(1))));
        assert_eq!(found.len(), 3);
        assert!(Rc::ptr_eq(&found[0].around, &found[1].around));
        assert_eq!(&*found[2].around, "x ");
    }

    #[test]
    fn links_know_their_words_and_surroundings() {
        let html = sanitise("<p>Register: <a href='https://e.x/a'>here</a></p><a href='mailto:a@b.example'>m</a>");
        let found = links(&html);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].label.as_str(), &*found[0].around), ("here", "Register: here"));
    }
}
