//! JSON read strictly, with the place of every value.
//!
//! Limits come first: depth, number of values, length of strings. What RFC 8259 allows and two readers could understand
//! differently (a key twice, a NUL, half a surrogate pair, a number of any size) is read in one way and is an [`Oddity`],
//! to be noted on what is read of it. A [`Fault`] knows the byte where it is; which field that is, is looked up only when
//! somebody must be told. This file knows nothing of health events.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How deeply values may be nested; the outermost is level 1.
pub const MAX_DEPTH_LEVELS: usize = 32;
/// How long one string may be, bytes of its decoded text: the longest published reviews have about 80 KiB.
pub const MAX_STRING_BYTES: usize = 256 * 1024;
/// How many values one body may hold: a back-fill lists a region and its updates many times. They are counted before
/// the first of them is read.
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

/// A text that was read.
#[derive(Debug, PartialEq)]
pub(super) struct Document {
    /// Its value.
    pub root: Node,
    /// What in it could be understood in more than one way, in the order of the text; the first ones only.
    pub oddities: Vec<Oddity>,
}

/// How many oddities of one text are kept, so that they take little memory: an event has at most 16 notes.
const ODDITIES_MOST: usize = 200;

/// How much of an oddity's path is kept, bytes: keys may be as long as texts.
const PATH_BYTES_MOST: usize = 200;

/// Something that could be understood in more than one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Oddity {
    /// The byte of the value where it is.
    pub at: usize,
    /// Its path (`data.context.activityLog`), cut if it is long; empty for the whole.
    pub path: String,
    /// What it is and how it was read, as a sentence without a full stop.
    pub what: &'static str,
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
    /// What sort of fault it is.
    pub sort: Sort,
}

/// What sort of fault something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// It is wrong.
    Broken,
    /// It is more than is taken.
    TooMuch,
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
            sort: Sort::Broken,
        }
    }

    /// The value at byte `at` is more than is taken; `what` names the limit and what there was.
    pub fn too_much(at: usize, what: impl Into<String>) -> Self {
        Self {
            sort: Sort::TooMuch,
            ..Self::new(at, what)
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
    pub fn scalar(&self) -> Option<Cow<'_, str>> {
        match &self.value {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::Bool(yes) => Some(Cow::Borrowed(if *yes { "true" } else { "false" })),
            _ => None,
        }
    }

    /// The path of the value that begins at byte `at`, from here (`data.context.activityLog`, `value[3].name`).
    pub fn path_to(&self, at: usize) -> Option<String> {
        let (mut node, mut trail) = (self, Vec::new());
        while node.at != at {
            let (step, next) = node.towards(at)?;
            trail.push(step);
            node = next;
        }
        Some(join(&trail))
    }

    /// The part that the value at byte `at` can be in. Parts stand in the order of the text, so it is the last one that
    /// does not begin behind that byte.
    fn towards(&self, at: usize) -> Option<(String, &Node)> {
        match &self.value {
            Value::Object(members) => {
                let nth = members.partition_point(|(_, node)| node.at <= at).checked_sub(1)?;
                let (key, node) = &members[nth];
                Some((key.clone(), node))
            }
            Value::List(items) => {
                let nth = items.partition_point(|node| node.at <= at).checked_sub(1)?;
                Some((format!("[{nth}]"), &items[nth]))
            }
            _ => None,
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

/// The same, cut where it is long.
fn shown_path(trail: &[String]) -> String {
    let mut path = String::new();
    for step in trail {
        if !path.is_empty() && !step.starts_with('[') {
            path.push('.');
        }
        let left = PATH_BYTES_MOST.saturating_sub(path.len());
        if step.len() > left {
            let cut = (0..=left).rev().find(|at| step.is_char_boundary(*at)).unwrap_or(0);
            path.push_str(&step[..cut]);
            path.push('…');
            break;
        }
        path.push_str(step);
    }
    path
}

/// Reads a whole text as one value; places are bytes of `text`.
pub(super) fn parse(text: &str) -> Result<Document, Fault> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let start = text.len() - body.len();
    if body.trim().is_empty() {
        return Err(Fault::new(start, "the body is empty"));
    }
    let raw: &RawValue = serde_json::from_str(body).map_err(|error| not_json(body, start, &error))?;
    let values = count_values(body);
    if values > MAX_VALUES {
        let what = format!("there are {values} values, more than {MAX_VALUES}");
        return Err(Fault::too_much(start, what).hint("send fewer events at once"));
    }
    let mut reader = Reader {
        origin: text.as_ptr() as usize,
        trail: Vec::new(),
        oddities: Vec::new(),
    };
    let root = reader.node(raw, 1)?;
    let mut oddities = reader.oddities;
    oddities.sort_by_key(|odd| odd.at);
    Ok(Document { root, oddities })
}

/// How many values a text holds that is known to be JSON; whatever it holds, they are counted in one pass.
pub(super) fn count_values(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut values, mut place, mut is_opened) = (1, 0, false);
    while let Some(byte) = bytes.get(place) {
        let was_opened = std::mem::replace(&mut is_opened, false);
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => is_opened = was_opened,
            b']' | b'}' => {}
            // the first value of a list or object comes without a comma
            _ if was_opened => values += 1,
            _ => {}
        }
        match byte {
            b'[' | b'{' => is_opened = true,
            b',' => values += 1,
            b'"' => place = end_of_string(bytes, place),
            _ => {}
        }
        place += 1;
    }
    values
}

/// Where the string that begins at `start` (with its quote) has its closing quote.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut place = start + 1;
    while let Some(byte) = bytes.get(place) {
        match byte {
            b'"' => break,
            b'\\' => place += 2,
            _ => place += 1,
        }
    }
    place
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
    trail: Vec<String>,
    oddities: Vec<Oddity>,
}

impl Reader {
    fn node(&mut self, raw: &RawValue, level: usize) -> Result<Node, Fault> {
        let text = raw.get();
        let at = text.as_ptr() as usize - self.origin;
        if level > MAX_DEPTH_LEVELS {
            let what = format!("values are nested more than {MAX_DEPTH_LEVELS} levels deep");
            return Err(self.too_much(at, what));
        }
        let value = match text.as_bytes().first() {
            Some(b'{') => self.members(text, at, level)?,
            Some(b'[') => self.items(text, at, level)?,
            Some(b'"') => Value::Text(self.string(text, at)?),
            Some(b't' | b'f') => Value::Bool(text == "true"),
            Some(b'n') => Value::Null,
            _ => self.number(text, at),
        };
        Ok(Node { at, value })
    }

    /// Of a key that is there more than once, the last value is read, as most readers do; but one that says nothing (`null`,
    /// `""`, `[]`, `{}`) takes away none that says something, and of lists all elements are read: each may be an event.
    fn members(&mut self, text: &str, at: usize, level: usize) -> Result<Value, Fault> {
        let raw = split_object(text).map_err(|error| self.fault(at, reason(&error)))?;
        let mut keys = Vec::with_capacity(raw.len());
        for (key, value) in &raw {
            let at = value.get().as_ptr() as usize - self.origin;
            keys.push(self.string(key.get(), at)?);
        }
        let mut chosen: HashMap<&str, Chosen> = HashMap::with_capacity(raw.len());
        for (nth, (key, (_, value))) in keys.iter().zip(&raw).enumerate() {
            let says_something = !says_nothing(value);
            match chosen.entry(key) {
                Entry::Vacant(place) => drop(place.insert(Chosen {
                    nth,
                    says_something,
                    is_repeated: false,
                    more_of_list: Vec::new(),
                })),
                Entry::Occupied(mut place) => {
                    let before = place.get_mut();
                    before.is_repeated = true;
                    if is_list(value) && is_list(raw[before.nth].1) {
                        before.more_of_list.push(nth);
                    } else if says_something || !before.says_something {
                        (before.nth, before.says_something) = (nth, says_something);
                    }
                }
            }
        }
        let mut members = Vec::with_capacity(chosen.len());
        for (nth, (key, (_, value))) in keys.iter().zip(&raw).enumerate() {
            let Some(chosen) = chosen.get(key.as_str()).filter(|chosen| chosen.nth == nth) else {
                continue;
            };
            let at = value.get().as_ptr() as usize - self.origin;
            self.trail.push(key.clone());
            if chosen.is_repeated {
                self.oddity(
                    at,
                    "this is there more than once; what it says last was read, of lists everything",
                );
            }
            let mut node = self.node(value, level + 1)?;
            for more in &chosen.more_of_list {
                let more = self.node(raw[*more].1, level + 1)?;
                if let (Value::List(all), Value::List(more)) = (&mut node.value, more.value) {
                    all.extend(more);
                }
            }
            self.trail.pop();
            members.push((key.clone(), node));
        }
        Ok(Value::Object(members))
    }

    fn items(&mut self, text: &str, at: usize, level: usize) -> Result<Value, Fault> {
        let raw = split_list(text).map_err(|error| self.fault(at, reason(&error)))?;
        let mut items = Vec::with_capacity(raw.len());
        for (nth, value) in raw.into_iter().enumerate() {
            self.trail.push(format!("[{nth}]"));
            items.push(self.node(value, level + 1)?);
            self.trail.pop();
        }
        Ok(Value::List(items))
    }

    fn string(&mut self, text: &str, at: usize) -> Result<String, Fault> {
        let decoded = match serde_json::from_str(text) {
            Ok(decoded) => decoded,
            Err(error) => match with_half_pairs(text) {
                Some(decoded) => {
                    self.oddity(
                        at,
                        "half of a character's surrogate pair is there; it was read as U+FFFD",
                    );
                    decoded
                }
                None => {
                    let at = at + error.column().saturating_sub(1).min(text.len());
                    return Err(self.fault(at, format!("this is not a string: {}", reason(&error))));
                }
            },
        };
        self.visible(decoded, at)
    }

    /// A text within its limit, and without NUL.
    fn visible(&mut self, text: String, at: usize) -> Result<String, Fault> {
        if text.len() > MAX_STRING_BYTES {
            let what = format!("a text of {} bytes is longer than {MAX_STRING_BYTES}", text.len());
            return Err(self.too_much(at, what));
        }
        if !text.contains('\0') {
            return Ok(text);
        }
        self.oddity(at, "a NUL character is there; it was left out");
        Ok(text.replace('\0', ""))
    }

    /// A number; one that is too large for one stays the text that it is.
    fn number(&mut self, text: &str, at: usize) -> Value {
        serde_json::from_str(text).map(Value::Number).unwrap_or_else(|_| {
            self.oddity(at, "this number is too large; it was read as a text");
            Value::Text(text.to_owned())
        })
    }

    fn oddity(&mut self, at: usize, what: &'static str) {
        if self.oddities.len() < ODDITIES_MOST {
            let path = shown_path(&self.trail);
            self.oddities.push(Oddity { at, path, what });
        }
    }

    fn too_much(&self, at: usize, what: String) -> Fault {
        Fault {
            sort: Sort::TooMuch,
            ..self.fault(at, what)
        }
    }

    fn fault(&self, at: usize, what: String) -> Fault {
        Fault {
            path: Some(join(&self.trail)).filter(|path| !path.is_empty()),
            ..Fault::new(at, what)
        }
    }
}

/// A string that escapes half of a surrogate pair (`\\ud83d`), as writers do that cut a text anywhere; `None` if it is
/// broken otherwise.
fn with_half_pairs(text: &str) -> Option<String> {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(bytes.to_vec())
        }
    }
    // read as bytes, such a half comes in the three bytes that UTF-8 would have for it, of which the first is 0xED
    let bytes = serde_json::Deserializer::from_str(text).deserialize_bytes(Bytes).ok()?;
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        if chunk.invalid().first() == Some(&0xED) {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Some(out)
}

/// Which of the values of a key is read.
struct Chosen {
    /// Its place among the members.
    nth: usize,
    says_something: bool,
    is_repeated: bool,
    /// The places of further lists, if it is one.
    more_of_list: Vec<usize>,
}

fn is_list(value: &RawValue) -> bool {
    value.get().starts_with('[')
}

/// Whether a value is `null`, an empty text, list or object.
fn says_nothing(value: &RawValue) -> bool {
    let text = value.get();
    let inside = ["[]", "{}"].iter().find_map(|pair| {
        let (open, close) = pair.split_at(1);
        text.strip_prefix(open)?.strip_suffix(close)
    });
    matches!(text, "null" | "\"\"") || inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

/// The values of a list in their own words.
fn split_list(text: &str) -> serde_json::Result<Vec<&RawValue>> {
    serde_json::from_str(text)
}

/// The keys of an object and their values in their own words, in order.
fn split_object(text: &str) -> serde_json::Result<Vec<(&RawValue, &RawValue)>> {
    struct Object;
    impl<'de> Visitor<'de> for Object {
        type Value = Vec<(&'de RawValue, &'de RawValue)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = access.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Object)
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
    let unit_at = |place: usize| {
        let digits = body.get(place..place + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let is_low = |unit: u32| (0xDC00..=0xDFFF).contains(&unit);
    match unit_at(place).unwrap_or(0) {
        0xD800..=0xDBFF if unit_at(place + 6).is_some_and(is_low) => (12, 4),
        // read as U+FFFD
        0xD800..=0xDFFF => (6, 3),
        // left out
        0 => (6, 0),
        unit => (6, char::from_u32(unit).map_or(1, char::len_utf8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Node {
        parse(text).expect("JSON").root
    }

    fn nested(levels: usize) -> String {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn every_value_knows_its_place_and_path() {
        let text = r#"{ "a": [1, {"b c": "x"}], "d": null }"#;
        let node = read(text);
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
        let fault = parse(&list(MAX_VALUES)).unwrap_err();
        assert_eq!(fault.what, "there are 200001 values, more than 200000");
        assert_eq!(fault.sort, Sort::TooMuch);
        let object: Vec<String> = (0..MAX_VALUES).map(|nth| format!("\"{nth}\":1")).collect();
        assert!(parse(&format!("{{{}}}", object.join(","))).is_err());
    }

    #[test]
    fn values_are_counted_before_they_are_read_and_as_they_are_read() {
        fn made(node: &Node) -> usize {
            let parts: usize = match &node.value {
                Value::Object(members) => members.iter().map(|(_, node)| made(node)).sum(),
                Value::List(items) => items.iter().map(made).sum(),
                _ => 0,
            };
            1 + parts
        }
        for text in [
            "1",
            "[]",
            " [ [] , { } ] ",
            r#"{"a": [1, {"b\\": "x,[{\",]"}], "d": null }"#,
            r#"[[[1,2],[3]],"\\",{"k":{},"l":[ 0 ]}]"#,
        ] {
            assert_eq!(count_values(text), made(&read(text)), "{text}");
        }
    }

    #[test]
    fn the_path_of_every_value_is_found_without_looking_at_the_others() {
        let text = r#"[0,{"a":[1,[2]],"b":{"c":3}},[],4]"#;
        let node = read(text);
        for (value, path) in [
            ("0", "[0]"),
            ("1", "[1].a[0]"),
            ("2", "[1].a[1][0]"),
            ("3", "[1].b.c"),
            ("4", "[3]"),
        ] {
            let at = text.find(value).unwrap();
            assert_eq!(node.path_to(at).unwrap(), path);
        }
        assert_eq!(node.path_to(2), None, "a comma is no value");
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_read_in_one_way_and_said() {
        for (text, read, path, at, what) in [
            (
                r#"{"a": {"k": 1, "k": 2, "b": 0}}"#,
                r#"{"a": {"k": 2, "b": 0}}"#,
                "a.k",
                20,
                "says last",
            ),
            (
                r#"{"k": [1], "b": 0, "k": 3}"#,
                r#"{"b": 0, "k": 3}"#,
                "k",
                24,
                "says last",
            ),
            (
                r#"{"k": [1], "b": 0, "k": [2, 3]}"#,
                r#"{"k": [1, 2, 3], "b": 0}"#,
                "k",
                6,
                "of lists",
            ),
            (
                r#"{"k": [1], "k": {}, "k": null}"#,
                r#"{"k": [1]}"#,
                "k",
                6,
                "says last",
            ),
            (r#"{"k": null, "k": [ ]}"#, r#"{"k": []}"#, "k", 17, "says last"),
            (r#"{"a": "x\u0000y"}"#, r#"{"a": "xy"}"#, "a", 6, "NUL"),
            (r#"{"a\u0000": 1}"#, r#"{"a": 1}"#, "", 12, "NUL"),
            (r#"{"a\ud83d": 1}"#, r#"{"a\ufffd": 1}"#, "", 12, "U+FFFD"),
            (r#"["x\ud83d", 1]"#, r#"["x\ufffd", 1]"#, "[0]", 1, "U+FFFD"),
            (
                r#"["x\ude00\ud83d\ude00y", 1]"#,
                r#"["x\ufffd😀y", 1]"#,
                "[0]",
                1,
                "U+FFFD",
            ),
            ("[1e999]", r#"["1e999"]"#, "[0]", 1, "too large"),
        ] {
            let document = parse(text).unwrap();
            let plain = parse(read).unwrap();
            assert_eq!(
                format!("{:?}", placeless(&document.root)),
                format!("{:?}", placeless(&plain.root)),
                "{text}"
            );
            assert!(plain.oddities.is_empty());
            let [odd] = document.oddities.as_slice() else {
                panic!("{text}: {:?}", document.oddities);
            };
            assert_eq!((odd.path.as_str(), odd.at), (path, at), "{text}");
            assert!(odd.what.contains(what), "{text}: {}", odd.what);
        }
        let often = format!("{{{}\"k\":1}}", "\"k\":0,".repeat(50_000));
        assert_eq!(parse(&often).unwrap().oddities.len(), 1, "said once");
        let null = format!("{{\"k\":[{}1]{}}}", " ".repeat(100_000), ",\"k\":null".repeat(50_000));
        assert_eq!(parse(&null).unwrap().root.get("k").unwrap().list().unwrap().len(), 1);
        let key = "k".repeat(100_000);
        let deep = format!("{{\"{key}\":{{\"{key}\":[{}1]}}}}", r#""\u0000","#.repeat(1_000));
        let paths: usize = parse(&deep).unwrap().oddities.iter().map(|odd| odd.path.len()).sum();
        assert!(paths <= ODDITIES_MOST * (PATH_BYTES_MOST + "…".len()), "{paths}");
        let nuls = format!("[{}1]", r#""\u0000","#.repeat(2_000));
        assert_eq!(parse(&nuls).unwrap().oddities.len(), ODDITIES_MOST);
        assert!(parse(r#""\ud8""#).is_err(), "no escape");
    }

    /// A value without places.
    fn placeless(node: &Node) -> Node {
        let value = match &node.value {
            Value::List(items) => Value::List(items.iter().map(placeless).collect()),
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, node)| (key.clone(), placeless(node)))
                    .collect(),
            ),
            other => other.clone(),
        };
        Node { at: 0, value }
    }

    #[test]
    fn what_is_not_json_is_named_by_its_byte() {
        assert_eq!(parse("{\n  \"a\": tru\n}").unwrap_err().at, 12);
        assert_eq!(parse("").unwrap_err().what, "the body is empty");
        assert!(parse("{} x").is_err());
        assert_eq!(read("\u{feff}{}").at, 3);
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
        let odd = r#"{"k":"a\u0000\ud83d\ude00\ud83dz"}"#;
        let z = place_in_string(odd, 5, "a😀\u{fffd}".len());
        assert_eq!(&odd[z..z + 1], "z");
    }
}
