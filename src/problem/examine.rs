//! A file's tree is looked through for characters that nobody sees, before anything is read of it.
//!
//! What is found is told; and names, keys and words are mended as far as it is known how, so that one mistake is told
//! once and not again by everything that follows from it. The texts that patterns search are only brought into the form
//! that events have, too.

use std::collections::HashMap;

use super::Place;
use super::fields::Reading;
use super::letters::{Odd, Sort, first_odd, has_typographic_quotes, named, plain, unquoted};
use super::yaml::{self, Node, Size, Value};

/// Which keys hold what kind of text; all others hold names, where nothing may be invisible.
#[derive(Debug, Clone, Copy, Default)]
pub struct Texts {
    /// Keys whose values are text of people: an odd character is worth a warning. Below them, everything is.
    pub free: &'static [&'static str],
    /// Keys whose values are compared without their spaces, so that an odd space does no harm.
    pub loose: &'static [&'static str],
    /// Whether everything is only worth a warning, and is left as it is: what was good once must not stop a start.
    pub only_told: bool,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Name,
    Loose,
    Free,
}

impl Reading<'_> {
    /// The tree of the file; what is not YAML is a problem, and so are characters that nobody sees.
    pub fn tree(&self, texts: Texts) -> Option<Node> {
        self.tree_within(texts, yaml::BY_HAND)
    }

    /// The same, of a file of at most this size.
    pub fn tree_within(&self, texts: Texts, size: Size) -> Option<Node> {
        let tree = yaml::parse_within(self.text, size);
        let tree = tree.map_err(|error| self.error(error.place, &error.what, error.hint.as_deref()));
        let tree = tree.ok()?;
        if self.text.contains('!') {
            refuse_tags(self, &tree, texts);
        }
        Some(examined(self, tree, texts))
    }
}

/// Tells what is odd in a tree, and gives it back mended.
fn examined(reading: &Reading<'_>, tree: Node, texts: Texts) -> Node {
    if reading.text.is_ascii() {
        return tree;
    }
    let examiner = Examiner { reading, texts };
    match texts.only_told {
        true => {
            examiner.node(tree.clone(), Role::Free);
            tree
        }
        false => examiner.node(tree, Role::Name),
    }
}

/// Refuses the tags of YAML (`!production`): it drops them in silence, and who typed one meant "not".
fn refuse_tags(reading: &Reading<'_>, node: &Node, texts: Texts) {
    Tags {
        reading,
        texts,
        lines: reading.text.lines().collect(),
        columns: HashMap::new(),
    }
    .refuse(node);
}

/// Looks for tags. Lines, and where the columns of a line begin, are counted once, as a file may have very many nodes.
struct Tags<'r, 't> {
    reading: &'r Reading<'t>,
    texts: Texts,
    lines: Vec<&'t str>,
    /// By line: where each column begins, in bytes.
    columns: HashMap<usize, Vec<usize>>,
}

impl<'t> Tags<'_, 't> {
    fn refuse(&mut self, node: &Node) {
        if let Some(tag) = self.before(node.place) {
            let what = format!("`{tag}` is a tag for YAML, which drops it: it does not mean \"not\"");
            let hint = "write what is to be left out under `unless:` of the rule; quote a text that begins with `!`";
            match self.texts.only_told {
                true => self.reading.warning(node.place, &what, Some(hint)),
                false => self.reading.error(node.place, &what, Some(hint)),
            }
        }
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.refuse(item)),
            Value::Map(items) => items.iter().for_each(|(key, value)| {
                self.refuse(key);
                self.refuse(value);
            }),
            Value::Nothing | Value::Text(_) | Value::Flag(..) | Value::Number(_) => {}
        }
    }

    /// The tag that stands right before a place. Standard ones (`!!str`) are none of these.
    fn before(&mut self, place: Place) -> Option<&'t str> {
        let nth = place.line.max(1) - 1;
        let line = *self.lines.get(nth)?;
        let columns = self.columns.entry(nth);
        let columns = columns.or_insert_with(|| match line.contains('!') {
            true => line.char_indices().map(|(at, _)| at).collect(),
            false => Vec::new(),
        });
        if columns.is_empty() {
            return None;
        }
        let end = columns.get(place.column.max(1) - 1).copied().unwrap_or(line.len());
        let word = line[..end].trim_end().rsplit([' ', '\t', ',', '[', '{']).next()?;
        let is_tag =
            word.starts_with('!') && !word.starts_with("!!") && !word.ends_with(':') && !word.contains(['"', '\'']);
        is_tag.then_some(word)
    }
}

struct Examiner<'r, 't> {
    reading: &'r Reading<'t>,
    texts: Texts,
}

impl Examiner<'_, '_> {
    fn node(&self, node: Node, role: Role) -> Node {
        let value = match node.value {
            Value::Text(text) => Value::Text(self.value(text, node.place, role)),
            Value::List(items) => Value::List(items.into_iter().map(|item| self.node(item, role)).collect()),
            Value::Map(items) => Value::Map(
                items
                    .into_iter()
                    .map(|(key, value)| self.pair(key, value, role))
                    .collect(),
            ),
            other => other,
        };
        Node { value, ..node }
    }

    fn pair(&self, key: Node, value: Node, role: Role) -> (Node, Node) {
        let key = match key.value {
            Value::Text(text) => Node {
                value: Value::Text(self.key(text, key.place)),
                ..key
            },
            _ => key,
        };
        let role = match &key.value {
            _ if role == Role::Free => Role::Free,
            Value::Text(name) if self.texts.free.contains(&name.as_str()) => Role::Free,
            Value::Text(name) if self.texts.loose.contains(&name.as_str()) => Role::Loose,
            _ => Role::Name,
        };
        (key, self.node(value, role))
    }

    fn key(&self, text: String, place: Place) -> String {
        if has_typographic_quotes(&text) {
            self.quotes(&text, place, "this key");
            return plain(unquoted(&text));
        }
        if let Some(odd) = first_odd(&text) {
            self.odd(&text, place, odd, true);
        }
        plain(&text)
    }

    fn value(&self, text: String, place: Place, role: Role) -> String {
        if has_typographic_quotes(&text) {
            if self.is_quoted(place) {
                let what = "the typographic quotes are a part of this text";
                let hint = format!("if they are not meant: {:?}", unquoted(&text));
                self.reading.warning(place, what, Some(&hint));
            } else {
                self.quotes(&text, place, "this text");
                if role != Role::Free {
                    return plain(unquoted(&text));
                }
            }
        }
        if let Some(odd) = first_odd(&text) {
            let is_error = match role {
                Role::Name => true,
                Role::Loose => odd.sort != Sort::Space,
                Role::Free => false,
            };
            self.odd(&text, place, odd, is_error);
        }
        // the texts of events have plain spaces, too, and nothing that cannot be seen
        plain(&text)
    }

    fn quotes(&self, text: &str, place: Place, what: &str) {
        let quote = text.trim().chars().next().unwrap_or_default();
        let what = format!(
            "{what} stands in typographic quotes ({}), which YAML takes for letters",
            named(quote)
        );
        let hint = format!("type straight quotes: {:?}", unquoted(text));
        self.note(!self.texts.only_told, place, &what, &hint);
    }

    fn odd(&self, text: &str, place: Place, odd: Odd, is_error: bool) {
        let place = self.place_of(text, place, odd.at);
        let looks = match odd.sort {
            Sort::Space => "looks like a space and is none",
            Sort::Nothing => "cannot be seen",
            Sort::Latin if odd.letter.is_alphabetic() => "only looks like a Latin letter",
            Sort::Latin => "only looks like a character of the keyboard",
            Sort::Hyphen => "looks like the hyphen of the keyboard and is none",
        };
        let what = format!("{} {looks}", named(odd.letter));
        let hint = match odd.sort {
            Sort::Space => "delete it and type a space",
            Sort::Nothing => "delete it: delete the word and type it anew",
            Sort::Latin => "delete the word and type it anew",
            Sort::Hyphen => "delete it and type a hyphen",
        };
        self.note(is_error && !self.texts.only_told, place, &what, hint);
    }

    fn note(&self, is_error: bool, place: Place, what: &str, hint: &str) {
        match is_error {
            true => self.reading.error(place, what, Some(hint)),
            false => self.reading.warning(place, what, Some(hint)),
        }
    }

    /// The place of one character of a text, if the text stands in its line as it is; else of the text.
    fn place_of(&self, text: &str, place: Place, at: usize) -> Place {
        let line = self.line(place);
        let from: String = line.chars().skip(place.column.max(1) - 1).collect();
        let opening = usize::from(from.starts_with(['"', '\'']));
        let begins = from.chars().skip(opening).collect::<String>().starts_with(text);
        match begins {
            true => Place {
                column: place.column + opening + at,
                length: 1,
                ..place
            },
            false => place,
        }
    }

    fn is_quoted(&self, place: Place) -> bool {
        let letter = self.line(place).chars().nth(place.column.max(1) - 1);
        letter.is_some_and(|letter| matches!(letter, '"' | '\'' | '|' | '>'))
    }

    fn line(&self, place: Place) -> &str {
        self.reading.text.lines().nth(place.line.max(1) - 1).unwrap_or("")
    }
}
