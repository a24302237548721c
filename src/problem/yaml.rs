//! YAML as a tree that knows where everything stands, so that all problems of a file are found in one reading.
//!
//! Scalars are kept as written: a bare `NO` or `0123` is not a text, and whoever wants a text says "quote it".
//! Limits on size, depth and the expansion of anchors hold before anything is built.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

use super::Place;
use super::explain::{NotYaml, explain};

/// The longest file that is read, bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// How large a file may be.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// In bytes.
    pub most_bytes: usize,
    /// Lists, tables and scalars, expanded.
    pub most_nodes: usize,
}

/// What people write by hand: rules, settings.
pub const BY_HAND: Size = Size {
    most_bytes: MAX_BYTES,
    most_nodes: 200_000,
};

/// What programs write: a year's incidents, everything that a customer uses.
pub const BY_PROGRAMS: Size = Size {
    most_bytes: 64 * 1024 * 1024,
    most_nodes: 5_000_000,
};

/// One value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it is written; for an alias, where the anchor's value is.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// A YAML value, its scalars as written.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Nothing,
    /// A text.
    Text(String),
    /// A bare word that YAML reads as true or false, and the word.
    Flag(bool, String),
    /// A bare number, as written.
    Number(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file; keys may repeat.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What it is, with an article, for sentences such as "a list is expected, not a number".
    pub fn sort(&self) -> &'static str {
        match self.value {
            Value::Nothing => "nothing",
            Value::Text(_) => "a text",
            Value::Flag(..) => "true or false",
            Value::Number(_) => "a number",
            Value::List(_) => "a list",
            Value::Map(_) => "a table of keys",
        }
    }
}

/// Reads one YAML document of at most this size.
///
/// # Errors
/// When it is too long, too deep, or not YAML; the first place only, as nothing behind it can be trusted.
pub fn parse_within(text: &str, size: Size) -> Result<Node, NotYaml> {
    if text.len() > size.most_bytes {
        let what = format!(
            "a file has at most {} KiB, this one {}",
            size.most_bytes / 1024,
            text.len().div_ceil(1024)
        );
        return Err(NotYaml {
            place: Place::default(),
            what,
            hint: Some("split it into several files".to_owned()),
        });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: 32,
            max_nodes: size.most_nodes,
            max_events: 1_000_000.max(2 * size.most_nodes),
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 50_000, max_replay_stack_depth: 8 },
    };
    let tree: Result<Spanned<Tree>, _> = serde_saphyr::from_str_with_options(text, options);
    tree.map(|tree| node(text, tree)).map_err(|error| explain(text, &error))
}

/// The tree as the deserialiser gives it; `node` turns it round, with the scalars as written.
enum Tree {
    Nothing,
    Text(String),
    Flag(bool),
    Number,
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<Tree>, Spanned<Tree>)>),
}

fn node(text: &str, tree: Spanned<Tree>) -> Node {
    let at = tree.defined;
    let length = at.span().len() as usize;
    let place = Place {
        line: at.line() as usize,
        column: at.column() as usize,
        length,
    };
    let written = || {
        let span = at.span();
        let start = span.byte_offset().unwrap_or(0) as usize;
        let end = start + span.byte_len().unwrap_or(0) as usize;
        text.get(start..end).unwrap_or("").trim().to_owned()
    };
    let value = match tree.value {
        Tree::Nothing => Value::Nothing,
        Tree::Text(text) => Value::Text(text),
        Tree::Flag(flag) => Value::Flag(flag, written()),
        Tree::Number => Value::Number(written()),
        Tree::List(items) => Value::List(items.into_iter().map(|item| node(text, item)).collect()),
        Tree::Map(items) => Value::Map(
            items
                .into_iter()
                .map(|(key, value)| (node(text, key), node(text, value)))
                .collect(),
        ),
    };
    Node { place, value }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Flag(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Number)
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Tree::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Node, NotYaml> {
        parse_within(text, BY_HAND)
    }

    fn shown(node: &Node) -> String {
        match &node.value {
            Value::Nothing => "-".to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::Flag(flag, written) => format!("{flag}<{written}>"),
            Value::Number(written) => format!("#{written}"),
            Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
            Value::Map(items) => {
                let items: Vec<_> = items
                    .iter()
                    .map(|(key, value)| format!("{}={}", shown(key), shown(value)))
                    .collect();
                format!("{{{}}}", items.join(" "))
            }
        }
    }

    fn read(text: &str) -> String {
        parse(text).map_or_else(|error| format!("{error:?}"), |node| shown(&node))
    }

    #[test]
    fn scalars_are_kept_as_written() {
        assert_eq!(
            read("[a, 'NO', NO, 0123, 1e3, -5, ~, true]"),
            r#"["a" "NO" false<NO> #0123 #1e3 #-5 - true<true>]"#
        );
        assert_eq!(read("a: 2\na: 3\n7: x\n~: w"), r##"{"a"=#2 "a"=#3 #7="x" -="w"}"##);
    }

    #[test]
    fn everything_knows_its_place() {
        let node = parse("a:\n  ü: [bc, def]\n").expect("YAML");
        let Value::Map(items) = &node.value else {
            panic!("{node:?}")
        };
        let Value::Map(inner) = &items[0].1.value else {
            panic!("{node:?}")
        };
        assert_eq!(
            inner[0].0.place,
            Place {
                line: 2,
                column: 3,
                length: 1
            }
        );
        let Value::List(list) = &inner[0].1.value else {
            panic!("{node:?}")
        };
        assert_eq!(
            list[1].place,
            Place {
                line: 2,
                column: 11,
                length: 3
            }
        );
    }

    #[test]
    fn an_aliased_value_stands_where_it_was_written() {
        let node = parse("x-a: &a [NO]\nb: *a\n").expect("YAML");
        let Value::Map(items) = &node.value else {
            panic!("{node:?}")
        };
        assert_eq!(shown(&items[1].1), "[false<NO>]");
        assert_eq!(items[1].1.place.line, 1);
        assert_eq!(
            read("x: &x {a: b, c: d}\nw: {<<: *x, c: e}"),
            r#"{"x"={"a"="b" "c"="d"} "w"={"c"="e" "a"="b"}}"#
        );
    }

    #[test]
    fn what_is_not_yaml_says_where_and_why() {
        for (text, line, hint) in [
            ("a: *drill*\n", 1, Some("must be quoted")),
            ("a:\n  b: \"/\\d+/\"\n", 2, Some("single quotes")),
            ("a: b: c\n", 1, Some("quote a text")),
            ("a: [b\n", 1, None),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.place.line, line, "{error:?}");
            let given = error.hint.clone().unwrap_or_default();
            assert!(given.contains(hint.unwrap_or("")), "{error:?}");
        }
    }

    #[test]
    fn bombs_are_refused_before_they_go_off() {
        let deep = format!("{}a{}", "{a: ".repeat(5_000), "}".repeat(5_000));
        assert!(parse(&deep).is_err());
        let mut alias = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (this, last) in ["b", "c", "d", "e", "f", "g"]
            .iter()
            .zip(["a", "b", "c", "d", "e", "f"])
        {
            alias += &format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 10].join(", "));
        }
        assert!(parse(&alias).is_err());
        assert!(parse(&"a".repeat(MAX_BYTES + 1)).is_err());
        assert!(parse("a: 1\n---\nb: 2\n").is_err());
    }
}
