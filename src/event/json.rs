//! JSON read strictly, with the place of every value.
//!
//! Limits come first: depth, number of values, length of strings. Duplicate keys, NUL and invalid UTF-8 are refused,
//! because two readers could understand them differently. A [`Fault`] knows the byte where it is; which field that
//! is, is looked up only when somebody must be told. This file knows nothing of health events.

use std::collections::HashSet;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How deeply values may be nested; the outermost is level 1.
pub const MAX_DEPTH_LEVELS: usize = 32;
/// How long one string may be, bytes of its decoded text: the longest published reviews have about 80 KiB.
pub const MAX_STRING_BYTES: usize = 256 * 1024;
/// How many values one body may hold: a back-fill lists a region and its updates many times.
pub const MAX_VALUES: usize = 200_000;

/// One value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// The byte of the text where it begins.
    pub at: usize,
    /// What it is.
    pub value: Value,
}

/// A JSON value whose members keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    /// The byte of the value that is wrong, or that lacks `key`.
    pub at: usize,
    /// The key that is missing there.
    pub key: Option<&'static str>,
    /// The byte inside the (decoded) string that begins at `at`.
    pub inside: Option<usize>,
    /// The path, where it was known when the fault was found.
    pub path: Option<String>,
    /// What is wrong, as a sentence without a full stop.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether it is only a word that this version does not know: in a list, the others are still read.
    pub unknown_word: bool,
}

impl Fault {
    /// `what` is wrong at byte `at`.
    pub fn new(at: usize, what: impl Into<String>) -> Self {
        Self {
            at,
            key: None,
            inside: None,
            path: None,
            what: what.into(),
            hint: None,
            unknown_word: false,
        }
    }

    /// `node` lacks `key`.
    pub fn missing(node: &Node, key: &'static str) -> Self {
        Self {
            key: Some(key),
            ..Self::new(node.at, format!("`{key}` is missing"))
        }
    }

    /// The same with a hint.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl Node {
    /// The member `key`, if this is an object that has it and it is not null. Providers do not agree on the case of
    /// keys (`isSynthetic`, `IsSynthetic`), so the exact key is looked for first, then any other case of it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let members = self.object()?;
        let exact = members.iter().find(|(name, _)| name == key);
        let found = exact.or_else(|| members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)));
        found.map(|(_, node)| node).filter(|node| node.value != Value::Null)
    }

    /// The member at the end of `path`.
    pub fn find(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Its members, if it is an object.
    pub fn object(&self) -> Option<&[(String, Node)]> {
        match &self.value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Its elements, if it is a list.
    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Its text, if it is a string.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A string, number or boolean as text.
    pub fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(yes) => Some(yes.to_string()),
            _ => None,
        }
    }

    /// The path of the value that begins at byte `at`, from here (`data.context.activityLog`, `value[3].name`).
    pub fn path_to(&self, at: usize) -> Option<String> {
        let mut trail = Vec::new();
        self.search(at, &mut trail).then(|| join(&trail))
    }

    fn search(&self, at: usize, trail: &mut Vec<String>) -> bool {
        if self.at == at {
            return true;
        }
        let found = |name: String, node: &Node, trail: &mut Vec<String>| {
            trail.push(name);
            let found = node.search(at, trail);
            if !found {
                trail.pop();
            }
            found
        };
        match &self.value {
            Value::Object(members) => members.iter().any(|(key, node)| found(key.clone(), node, trail)),
            Value::List(items) => items
                .iter()
                .enumerate()
                .any(|(nth, node)| found(format!("[{nth}]"), node, trail)),
            _ => false,
        }
    }
}

fn join(trail: &[String]) -> String {
    let mut path = String::new();
    for step in trail {
        if !path.is_empty() && !step.starts_with('[') {
            path.push('.');
        }
        path.push_str(step);
    }
    path
}

/// Reads a whole text as one value; places are bytes of `text`.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let start = text.len() - body.len();
    if body.trim().is_empty() {
        return Err(Fault::new(start, "the body is empty"));
    }
    let raw: &RawValue = serde_json::from_str(body).map_err(|error| not_json(body, start, &error))?;
    let mut reader = Reader {
        origin: text.as_ptr() as usize,
        room: MAX_VALUES,
        trail: Vec::new(),
    };
    reader.node(raw, 1)
}

fn not_json(text: &str, start: usize, error: &serde_json::Error) -> Fault {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = start + (line_start + error.column()).saturating_sub(1).min(text.len());
    Fault::new(at, format!("this is not JSON: {}", reason(error)))
}

/// The error's words without serde's "at line 1 column 7", which the byte says better.
fn reason(error: &serde_json::Error) -> String {
    let words = error.to_string();
    words.split(" at line ").next().unwrap_or(&words).to_string()
}

/// Builds the tree. Every level scans its part of the text again to find its values' places; the depth is limited.
struct Reader {
    origin: usize,
    room: usize,
    trail: Vec<String>,
}

impl Reader {
    fn node(&mut self, raw: &RawValue, level: usize) -> Result<Node, Fault> {
        let text = raw.get();
        let at = text.as_ptr() as usize - self.origin;
        if level > MAX_DEPTH_LEVELS {
            return Err(self.fault(
                at,
                format!("values are nested more than {MAX_DEPTH_LEVELS} levels deep"),
            ));
        }
        self.room = self.room.checked_sub(1).ok_or_else(|| self.too_many(at))?;
        let value = match text.as_bytes().first() {
            Some(b'{') => self.members(text, at, level)?,
            Some(b'[') => self.items(text, at, level)?,
            Some(b'"') => Value::Text(self.string(text, at)?),
            Some(b't' | b'f') => Value::Bool(text == "true"),
            Some(b'n') => Value::Null,
            _ => Value::Number(serde_json::from_str(text).map_err(|error| self.fault(at, reason(&error)))?),
        };
        Ok(Node { at, value })
    }

    fn members(&mut self, text: &str, at: usize, level: usize) -> Result<Value, Fault> {
        let (raw, whole) = split_object(text, self.room).map_err(|error| self.fault(at, reason(&error)))?;
        if !whole {
            return Err(self.too_many(at));
        }
        let mut keys = HashSet::new();
        let mut members = Vec::with_capacity(raw.len());
        for (key, value) in raw {
            self.trail.push(key.clone());
            let place = value.get().as_ptr() as usize - self.origin;
            self.check(&key, place)?;
            if !keys.insert(key.clone()) {
                return Err(self
                    .fault(place, "this key is there twice".to_string())
                    .hint("say each key once"));
            }
            let node = self.node(value, level + 1)?;
            self.trail.pop();
            members.push((key, node));
        }
        Ok(Value::Object(members))
    }

    fn items(&mut self, text: &str, at: usize, level: usize) -> Result<Value, Fault> {
        let (raw, whole) = split_list(text, self.room).map_err(|error| self.fault(at, reason(&error)))?;
        if !whole {
            return Err(self.too_many(at));
        }
        let mut items = Vec::with_capacity(raw.len());
        for (nth, value) in raw.into_iter().enumerate() {
            self.trail.push(format!("[{nth}]"));
            items.push(self.node(value, level + 1)?);
            self.trail.pop();
        }
        Ok(Value::List(items))
    }

    fn string(&self, text: &str, at: usize) -> Result<String, Fault> {
        let decoded: String = serde_json::from_str(text).map_err(|error| {
            let at = at + error.column().saturating_sub(1).min(text.len());
            self.fault(at, format!("this is not a string: {}", reason(&error)))
        })?;
        self.check(&decoded, at)?;
        Ok(decoded)
    }

    fn check(&self, text: &str, at: usize) -> Result<(), Fault> {
        if text.len() > MAX_STRING_BYTES {
            let what = format!("a text of {} bytes is longer than {MAX_STRING_BYTES}", text.len());
            return Err(self.fault(at, what));
        }
        match text.contains('\0') {
            true => Err(self.fault(at, "a text holds a NUL character".to_string())),
            false => Ok(()),
        }
    }

    fn too_many(&self, at: usize) -> Fault {
        self.fault(at, format!("there are more than {MAX_VALUES} values"))
            .hint("send fewer events at once")
    }

    fn fault(&self, at: usize, what: String) -> Fault {
        Fault {
            path: Some(join(&self.trail)).filter(|path| !path.is_empty()),
            ..Fault::new(at, what)
        }
    }
}

/// The values of a list in their own words, and whether they are all; at most `room` are kept.
fn split_list(text: &str, room: usize) -> serde_json::Result<(Vec<&RawValue>, bool)> {
    struct List(usize);
    impl<'de> Visitor<'de> for List {
        type Value = (Vec<&'de RawValue>, bool);

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut values = Vec::new();
            while values.len() < self.0 {
                match access.next_element()? {
                    Some(value) => values.push(value),
                    None => return Ok((values, true)),
                }
            }
            let mut whole = true;
            while access.next_element::<IgnoredAny>()?.is_some() {
                whole = false;
            }
            Ok((values, whole))
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_seq(List(room))
}

/// The keys of an object and their values in their own words, and whether they are all; at most `room` are kept.
fn split_object(text: &str, room: usize) -> serde_json::Result<(Vec<(String, &RawValue)>, bool)> {
    struct Object(usize);
    impl<'de> Visitor<'de> for Object {
        type Value = (Vec<(String, &'de RawValue)>, bool);

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while members.len() < self.0 {
                match access.next_entry()? {
                    Some(member) => members.push(member),
                    None => return Ok((members, true)),
                }
            }
            let mut whole = true;
            while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                whole = false;
            }
            Ok((members, whole))
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Object(room))
}

/// Where byte `inside` of a string's decoded text stands in `body`, whose string begins (with its quote) at `at`.
pub(super) fn place_in_string(body: &str, at: usize, inside: usize) -> usize {
    let raw = body.as_bytes();
    let (mut place, mut decoded) = (at + 1, 0);
    while decoded < inside && place < raw.len() {
        let (written, text) = match (raw[place], raw.get(place + 1)) {
            (b'\\', Some(b'u')) => unicode_escape(body, place),
            (b'\\', _) => (2, 1),
            (b'"', _) => break,
            _ => (1, 1),
        };
        place += written;
        decoded += text;
    }
    place.min(raw.len())
}

/// How many bytes a `\uXXXX` at `place` (or a pair of them) takes as written, and how many as text.
fn unicode_escape(body: &str, place: usize) -> (usize, usize) {
    let unit = body
        .get(place + 2..place + 6)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .unwrap_or(0);
    match unit {
        0xD800..=0xDBFF => (12, 4),
        unit => (6, char::from_u32(unit).map_or(1, char::len_utf8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn every_value_knows_its_place_and_path() {
        let text = r#"{ "a": [1, {"b c": "x"}], "d": null }"#;
        let node = parse(text).unwrap();
        let x = node.find(&["a"]).unwrap().list().unwrap()[1].get("b c").unwrap();
        assert_eq!(&text[x.at..x.at + 3], "\"x\"");
        assert_eq!(node.path_to(x.at).unwrap(), "a[1].b c");
        assert!(node.get("d").is_none(), "null is as good as absent");
    }

    #[test]
    fn depth_ends_at_its_limit() {
        assert!(parse(&nested(MAX_DEPTH_LEVELS)).is_ok());
        let fault = parse(&nested(MAX_DEPTH_LEVELS + 1)).unwrap_err();
        assert_eq!(fault.at, MAX_DEPTH_LEVELS);
        assert!(parse(&nested(100_000)).is_err(), "and a bomb does not reach the stack");
    }

    #[test]
    fn strings_end_at_their_limit() {
        let text = |bytes: usize| format!("{{\"k\":\"{}\"}}", "x".repeat(bytes));
        assert!(parse(&text(MAX_STRING_BYTES)).is_ok());
        let fault = parse(&text(MAX_STRING_BYTES + 1)).unwrap_err();
        assert_eq!((fault.at, fault.path.as_deref()), (5, Some("k")));
    }

    #[test]
    fn values_end_at_their_limit() {
        let list = |items: usize| format!("[{}]", vec!["1"; items].join(","));
        assert!(parse(&list(MAX_VALUES - 1)).is_ok(), "the list itself is one");
        assert!(parse(&list(MAX_VALUES)).unwrap_err().what.contains("more than 200000"));
        let object: Vec<String> = (0..MAX_VALUES).map(|nth| format!("\"{nth}\":1")).collect();
        assert!(parse(&format!("{{{}}}", object.join(","))).is_err());
    }

    #[test]
    fn two_readings_of_one_body_are_refused() {
        let twice = parse(r#"{"a": {"k": 1, "k": 2}}"#).unwrap_err();
        assert_eq!((twice.path.as_deref(), twice.at), (Some("a.k"), 20));
        assert!(parse(r#"{"a": "x\u0000y"}"#).unwrap_err().what.contains("NUL"));
        assert!(parse(r#"{"a\u0000": 1}"#).unwrap_err().what.contains("NUL"));
        assert!(parse(r#"{"a": "\ud800"}"#).is_err());
        assert!(parse("[1e999]").is_err());
    }

    #[test]
    fn what_is_not_json_is_named_by_its_byte() {
        assert_eq!(parse("{\n  \"a\": tru\n}").unwrap_err().at, 12);
        assert_eq!(parse("").unwrap_err().what, "the body is empty");
        assert!(parse("{} x").is_err());
        assert_eq!(parse("\u{feff}{}").unwrap().at, 3);
    }

    #[test]
    fn a_place_in_a_string_is_found_behind_its_escapes() {
        let body = r#"{"k":"a\"\u00e4\ud83d\ude00z"}"#;
        let decoded = "a\"ä😀z";
        let z = place_in_string(body, 5, decoded.find('z').unwrap());
        assert_eq!(&body[z..z + 1], "z");
        assert_eq!(
            place_in_string(body, 5, 1000),
            body.len() - 2,
            "never beyond the closing quote"
        );
    }
}
