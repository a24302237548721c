//! Markup without its attributes and comments: what is left is what can be shown anyway.
//!
//! Most of what makes HTML dear are attributes: the parser compares those of one element with each other, and those of
//! formatting that is still open with all that comes after it. Style and classes are thrown away in the end; here they
//! go before anybody parses them. What carries meaning stays: where a link leads, what a cell spans, the numbers of a list,
//! the words of a picture, whether a box is ticked, that a style strikes text out. Elements that mean the same as another
//! one get its name. Tags are found as the standard says (WHATWG HTML
//! §13.2.5), in one pass; whether something is safe to show is not decided here.

/// How much of an attribute stays, other than where a link leads, bytes.
const VALUE_BYTES_MOST: usize = 600;

/// Elements that are known by another name.
const RENAMED: &[(&str, &[&str])] = &[
    (
        "div",
        &[
            "section",
            "article",
            "header",
            "footer",
            "main",
            "aside",
            "nav",
            "figure",
            "figcaption",
            "address",
            "center",
            "details",
            "summary",
            "fieldset",
            "legend",
            "hgroup",
            "search",
            "dialog",
            "form",
        ],
    ),
    ("ul", &["menu", "dir"]),
    ("s", &["strike"]),
    ("abbr", &["acronym"]),
    ("code", &["tt", "kbd", "samp"]),
];

/// The attribute of an element whose style strikes its text out, until [`super::struck`] writes that as an element.
pub(super) const STRUCK: &str = "data-struck";

/// Elements that show something which is not here: where it is stays, as a link.
const EMBEDDED: [&str; 5] = ["iframe", "embed", "video", "audio", "source"];

/// Elements that mean nothing but by their style.
const STYLED: [&str; 2] = ["span", "font"];

/// What stands between tags, and around the names in them.
const SPACES: [char; 5] = [' ', '\t', '\n', '\r', '\u{c}'];

/// The same markup without attributes (but those that carry meaning) and without what comments say.
pub(super) fn bare(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut struck = Struck::default();
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = markup(&rest[at..], &mut struck, &mut out);
    }
    out.push_str(rest);
    out
}

/// Elements that stand on lines of their own, and what a text has in their place.
const BREAKS: &[(&str, &[&str])] = &[
    (
        "\n\n",
        &[
            "p",
            "table",
            "blockquote",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "hr",
            "pre",
        ],
    ),
    (
        "\n",
        &["br", "div", "tr", "li", "ul", "ol", "dl", "dt", "dd", "caption"],
    ),
    (" ", &["td", "th"]),
];

/// Elements whose content nobody reads.
const UNREAD: [&str; 2] = ["script", "style"];

/// The words of markup without its tags, in which only entities have a meaning: one pass, whatever the tags are.
pub(super) fn words(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let (mut tag, mut struck) = (String::new(), Struck::default());
    let mut rest = raw;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        tag.clear();
        rest = markup(&rest[at..], &mut struck, &mut tag);
        let Some(written) = tag.strip_prefix('<') else {
            out.push_str(label_of(&tag));
            continue;
        };
        let name = written
            .trim_start_matches('/')
            .split([' ', '>'])
            .next()
            .unwrap_or_default();
        let is = |known: &&str| name.eq_ignore_ascii_case(known);
        if written.is_empty() {
            out.push_str("&lt;");
        } else if !written.starts_with('/') && UNREAD.iter().any(is) {
            rest = behind_end_of(rest, name);
        } else if let Some((text, _)) = BREAKS.iter().find(|(_, names)| names.iter().any(is)) {
            let begins_anew = !is(&"br") && out.ends_with(text);
            out.push_str(if begins_anew { "" } else { text });
        }
    }
    out.push_str(rest);
    out
}

/// The words of a link, or what else stands in the place of a tag.
fn label_of(written: &str) -> &str {
    let label = written
        .split_once('>')
        .and_then(|(_, behind)| behind.split_once("</a>"));
    label.map_or(written, |(label, _)| label)
}

/// What follows, from the end tag of an element on whose content is no markup.
fn behind_end_of<'a>(text: &'a str, name: &str) -> &'a str {
    let is_end = |(at, _): &(usize, &str)| {
        let behind = text.get(at + 2..at + 2 + name.len());
        behind.is_some_and(|behind| behind.eq_ignore_ascii_case(name))
    };
    text.match_indices("</").find(is_end).map_or("", |(at, _)| &text[at..])
}

/// Which of the elements that only carry a style are open, and strike their text out by it: those become `s`, as the
/// style itself does not stay.
#[derive(Default)]
struct Struck(Vec<bool>);

impl Struck {
    /// The name by which a tag of such an element is written.
    fn rename<'a>(&mut self, slash: &str, name: &'a str, is_struck: bool) -> &'a str {
        if !STYLED.iter().any(|styled| name.eq_ignore_ascii_case(styled)) {
            return name;
        }
        let is_struck = match slash.is_empty() {
            true => {
                self.0.push(is_struck);
                is_struck
            }
            false => self.0.pop().unwrap_or(false),
        };
        if is_struck { "s" } else { name }
    }
}

/// Writes what begins with `<` and says what follows it.
fn markup<'a>(text: &'a str, struck: &mut Struck, out: &mut String) -> &'a str {
    let behind = &text[1..];
    let (slash, name) = match behind.strip_prefix('/') {
        Some(name) => ("/", name),
        None => ("", behind),
    };
    match name.chars().next() {
        Some(c) if c.is_ascii_alphabetic() => tag(slash, name, struck, out),
        Some(_) if slash == "/" => left_out(after(name, ">"), out),
        Some('!') => left_out(comment(&behind[1..]), out),
        Some('?') => left_out(after(behind, ">"), out),
        _ => {
            out.push('<');
            behind
        }
    }
}

/// Leaves something out, so that what stood before it and what follows do not become one word.
fn left_out<'a>(rest: &'a str, out: &mut String) -> &'a str {
    out.push_str("<!---->");
    rest
}

/// Writes a tag that begins with its name; one that never ends is none.
fn tag<'a>(slash: &str, text: &'a str, struck: &mut Struck, out: &mut String) -> &'a str {
    let (name, mut rest) = split(text, |c| SPACES.contains(&c) || matches!(c, '/' | '>'));
    let name = renamed(name);
    let kept = if slash.is_empty() { kept(name) } else { &[] };
    let mut attributes: Vec<(&str, &str)> = Vec::new();
    let mut is_struck = false;
    loop {
        rest = rest.trim_start_matches(|c| SPACES.contains(&c) || c == '/');
        if rest.is_empty() {
            return rest;
        }
        if let Some(behind) = rest.strip_prefix('>') {
            let name = struck.rename(slash, name, is_struck);
            if is_struck && slash.is_empty() && name != "s" {
                attributes.push((STRUCK, ""));
            }
            write(slash, name, &attributes, out);
            return behind;
        }
        let (key, value, behind) = attribute(rest);
        is_struck |= key.eq_ignore_ascii_case("style") && strikes_out(value);
        let known = kept.iter().find(|kept| key.eq_ignore_ascii_case(kept));
        if let Some(key) = known.filter(|key| attributes.iter().all(|(known, _)| known != *key)) {
            attributes.push((key, value));
        }
        rest = behind;
    }
}

/// Whether a style strikes text out (CSS Text Decoration §2.1).
fn strikes_out(style: &str) -> bool {
    let style = cut(style).to_ascii_lowercase();
    let declared = style.split(';').filter_map(|one| one.split_once(':'));
    let mut lines =
        declared.filter(|(property, _)| ["text-decoration", "text-decoration-line"].contains(&property.trim()));
    // of several the last one counts
    lines
        .next_back()
        .is_some_and(|(_, value)| value.contains("line-through"))
}

/// A tag's next attribute, its value, and what follows.
fn attribute(text: &str) -> (&str, &str, &str) {
    let ends = |c: char| SPACES.contains(&c) || matches!(c, '/' | '>' | '=');
    // an equals sign at its head belongs to the name
    let head = text.chars().next().map_or(0, char::len_utf8);
    let (_, rest) = split(&text[head..], ends);
    let key = &text[..text.len() - rest.len()];
    let Some(value) = rest.trim_start_matches(SPACES).strip_prefix('=') else {
        return (key, "", rest);
    };
    let value = value.trim_start_matches(SPACES);
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (value, rest) = split(&value[1..], |c| c == quote);
            (key, value, rest.get(1..).unwrap_or_default())
        }
        _ => {
            let (value, rest) = split(value, |c| SPACES.contains(&c) || c == '>');
            (key, value, rest)
        }
    }
}

/// The name by which an element is known.
fn renamed(name: &str) -> &str {
    let other = RENAMED
        .iter()
        .find(|(_, names)| names.iter().any(|other| name.eq_ignore_ascii_case(other)));
    other.map_or(name, |(known, _)| known)
}

/// Which attributes of an element stay.
fn kept(name: &str) -> &'static [&'static str] {
    if name.eq_ignore_ascii_case("img") {
        return &["alt"];
    }
    if name.eq_ignore_ascii_case("input") {
        return &["type", "checked"];
    }
    if is_embedded(name) {
        return &["src"];
    }
    let known = super::ATTRIBUTES
        .iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known));
    known.map_or(&[], |(_, attributes)| attributes)
}

fn is_embedded(name: &str) -> bool {
    EMBEDDED.iter().any(|embedded| name.eq_ignore_ascii_case(embedded))
}

fn write(slash: &str, name: &str, attributes: &[(&str, &str)], out: &mut String) {
    let said = |key: &str| {
        attributes
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, value)| *value)
    };
    if let ("", Some(words)) = (slash, said("alt")) {
        picture(words, out);
        return;
    }
    if slash.is_empty() && name.eq_ignore_ascii_case("input") {
        tick(said("type").unwrap_or_default(), said("checked").is_some(), out);
        return;
    }
    // of its content nothing is markup for a parser, which would swallow what follows
    if is_embedded(name) {
        said("src").into_iter().for_each(|address| link_to(address, out));
        return;
    }
    out.push('<');
    out.push_str(slash);
    out.push_str(name);
    for (key, value) in attributes {
        let value = if *key == "href" { value } else { cut(value) };
        out.push(' ');
        out.push_str(key);
        out.push_str("=\"");
        out.push_str(&value.replace('"', "&quot;"));
        out.push('"');
    }
    out.push('>');
}

/// Of a box to tick whether it is ticked. What else is to be filled in says nothing.
fn tick(sort: &str, is_ticked: bool, out: &mut String) {
    if ["checkbox", "radio"]
        .iter()
        .any(|known| sort.eq_ignore_ascii_case(known))
    {
        out.push_str(if is_ticked { "[x] " } else { "[ ] " });
    }
}

/// Of what is shown from elsewhere where it is.
fn link_to(address: &str, out: &mut String) {
    let address = address.trim();
    let address = address.replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    let address = match address.starts_with("//") {
        true => format!("https:{address}"),
        false => address,
    };
    let scheme = address.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if scheme.is_some_and(|scheme| scheme == "https" || scheme == "http") {
        out.push_str(&format!(" <a href=\"{address}\">{address}</a> "));
    }
}

/// Of a picture its words; one without words is decoration.
fn picture(words: &str, out: &mut String) {
    let words = cut(words).trim();
    if !words.is_empty() {
        out.push_str("[image: ");
        out.push_str(&words.replace('<', "&lt;").replace('>', "&gt;"));
        out.push(']');
    }
}

fn cut(value: &str) -> &str {
    let end = (0..=VALUE_BYTES_MOST.min(value.len()))
        .rev()
        .find(|at| value.is_char_boundary(*at));
    &value[..end.unwrap_or(0)]
}

/// What follows a comment, or something that is taken for one, behind its `<!`.
fn comment(text: &str) -> &str {
    let Some(inside) = text.strip_prefix("--") else {
        return after(text, ">");
    };
    if let Some(rest) = inside.strip_prefix('>').or_else(|| inside.strip_prefix("->")) {
        return rest;
    }
    let ends = ["-->", "--!>"]
        .iter()
        .filter_map(|end| Some((inside.find(end)?, end.len())));
    ends.min().map_or("", |(at, length)| &inside[at + length..])
}

/// What follows the first `end`.
fn after<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// Cuts a text before the first character that is meant.
fn split(text: &str, is_meant: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_meant).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cleaner;
    use super::*;

    #[test]
    fn attributes_and_comments_go_and_links_stay() {
        for (raw, left) in [
            ("a < b & c", "a < b & c"),
            ("<p class=x style='a>b'>t</p id=y>", "<p>t</p>"),
            (
                "<a title=\"</b>\" HREF='https://e.x/?q=\"1\"' href=no>x</A>",
                "<a href=\"https://e.x/?q=&quot;1&quot;\">x</A>",
            ),
            ("<a href=https://e.x/>x<br/>", "<a href=\"https://e.x/\">x<br>"),
            ("a<!-- <b> -->b<!-->c<!DOCTYPE html>d", "a<!---->b<!---->c<!---->d"),
            (
                "a<?xml?>b</>c</ b>d&l<!-- -->t;",
                "a<!---->b<!---->c<!---->d&l<!---->t;",
            ),
            (
                "<span style='color:red; text-decoration: line-through'>4 <span>Nov</span></span> <span>5</span></span>",
                "<s>4 <span>Nov</span></s> <span>5</span></span>",
            ),
            ("<FONT STYLE=\"text-decoration-line:LINE-THROUGH\">4</FONT>", "<s>4</s>"),
            ("<span title=line-through>4</span>", "<span>4</span>"),
            (
                "<td style='text-decoration:line-through' colspan=2>4</td><B style=text-decoration:line-through>5</B>",
                "<td colspan=\"2\" data-struck=\"\">4</td><B data-struck=\"\">5</B>",
            ),
            ("<p data-struck>4</p>", "<p>4</p>"),
            (
                "<input type=checkbox checked>a<input type='RADIO'/>b<input type=hidden value=x><input value=y>",
                "[x] a[ ] b",
            ),
            (
                "<iframe src='https://e.x/a?b=\"c\"&d'></iframe><video controls><source src=http://e.x/v>none</video>\
                 <embed src=javascript:x>",
                " <a href=\"https://e.x/a?b=&quot;c&quot;&d\">https://e.x/a?b=&quot;c&quot;&d</a>  \
                 <a href=\"http://e.x/v\">http://e.x/v</a> none",
            ),
            (
                "<iframe src=//e.x/v />a<EMBED SRC=HTTPS://e.x/w>b",
                " <a href=\"https://e.x/v\">https://e.x/v</a> a <a href=\"HTTPS://e.x/w\">HTTPS://e.x/w</a> b",
            ),
            ("<b =x ==y =>t", "<b>t"),
            ("x<b title=\"never ends>", "x"),
            ("x<!-- never ends", "x<!---->"),
        ] {
            assert_eq!(bare(raw), left, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_in_the_end_is_the_same(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "<p>", "</p x='>'>", "<b id=1>", "</b>", "text", " ", "&lt;b&gt;", "&amp;", "<i a b=c d='>' e=\"<\">", "</i>",
            "<a href='https://e.x/?a=\"b\"&amp;c&d'>", "<a title=x href=https://e.x/ >", "</a>", "<br/>", "<ul><li/>", "</ul>",
            "<!-- c <b> -->", "< ", "<3", "<", ">", "\"", "'", "=", "<div\nclass=\"x\"/>", "</div>", "<table><tr><td>", "</table>",
        ]), 0..30)) {
            let raw = pieces.concat();
            prop_assert_eq!(cleaner().clean(&bare(&raw)).to_string(), cleaner().clean(&raw).to_string(), "{}", raw);
        }
    }
}
