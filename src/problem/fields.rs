//! Reading the tree of a file into checked values, with every problem gathered on the way.
//!
//! What both the rule files and the settings need: keys that are known, meant or to come, "scalar or list", texts that
//! must be quoted. It knows no key of its own.

use std::cell::RefCell;

use super::meant::{meant, same};
use super::yaml::{Node, Value};
use super::{Place, Problem, Severity};

/// Something read, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Marked<T> {
    /// What.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// The keys a table may have.
#[derive(Debug)]
pub struct Keys {
    /// Whose keys they are, with an article: `a rule`.
    pub of: &'static str,
    /// The keys, as they are written.
    pub known: &'static [&'static str],
    /// Keys of later versions.
    pub later: &'static [&'static str],
    /// What people type first, and what they mean: keys, separated by commas, or a whole hint behind `=`.
    pub meant: &'static [(&'static str, &'static str)],
    /// Whether keys that begin with `x-` are the owner's own.
    pub takes_own: bool,
}

/// The most problems told of one file: who has that many mends the first ones first.
const MAX_PROBLEMS: usize = 500;

const SECRET: Keys = Keys {
    of: "a secret",
    known: &["secret"],
    later: &[],
    meant: &[
        ("name", "secret"),
        ("file", "secret"),
        ("env", "secret"),
        ("value", "secret"),
    ],
    takes_own: false,
};

/// One file being read: its name, its text and the problems found so far.
#[derive(Debug)]
pub struct Reading<'t> {
    /// How the file is named in problems.
    pub file: &'t str,
    /// Its text.
    pub text: &'t str,
    problems: RefCell<Vec<Problem>>,
    /// Where somebody may have typed a secret: no problem shows what stands there.
    hidden: RefCell<Vec<Place>>,
}

/// A table whose keys are known to be sound.
pub struct Fields<'n> {
    /// Where it stands.
    pub place: Place,
    entries: Vec<(&'n str, Place, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|(name, ..)| *name == key)
            .map(|(_, _, node)| *node)
    }

    /// Where `key` is written.
    pub fn place_of(&self, key: &str) -> Option<Place> {
        self.entries
            .iter()
            .find(|(name, ..)| *name == key)
            .map(|(_, place, _)| *place)
    }

    /// The keys in the order of the file, with their places and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'n str, Place, &'n Node)> + '_ {
        self.entries.iter().copied()
    }

    /// Whether it has no keys at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<'t> Reading<'t> {
    /// Begins to read a file.
    pub fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            problems: RefCell::default(),
            hidden: RefCell::default(),
        }
    }

    /// Notes an error.
    pub fn error(&self, place: Place, what: &str, hint: Option<&str>) {
        self.note(Severity::Error, place, what, hint);
    }

    /// Notes an error where somebody may have typed a secret.
    fn error_at_a_secret(&self, place: Place, what: &str, hint: &str) {
        self.hidden.borrow_mut().push(place);
        self.error(place, what, Some(hint));
    }

    /// Notes a warning.
    pub fn warning(&self, place: Place, what: &str, hint: Option<&str>) {
        self.note(Severity::Warning, place, what, hint);
    }

    /// Whether so many problems were found that no more warnings are taken.
    pub fn is_full(&self) -> bool {
        self.problems.borrow().len() >= MAX_PROBLEMS
    }

    /// Whether an error was found.
    pub fn has_errors(&self) -> bool {
        self.problems.borrow().iter().any(Problem::is_error)
    }

    /// The problems found so far, by place; the reading goes on without them.
    pub fn take_problems(&self) -> Vec<Problem> {
        let mut problems = self.problems.take();
        let hidden = self.hidden.borrow();
        for problem in &mut problems {
            hidden.iter().for_each(|place| problem.hide(*place));
        }
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }

    fn note(&self, severity: Severity, place: Place, what: &str, hint: Option<&str>) {
        if self.is_full() && severity == Severity::Warning {
            return;
        }
        let problem = Problem::at(severity, self.file, self.text, place, what, hint);
        let mut problems = self.problems.borrow_mut();
        if problems.len() < 2 * MAX_PROBLEMS && !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// A table with keys of `keys` only; wrong and repeated keys are problems, the others are still read.
    pub fn fields<'n>(&self, node: &'n Node, keys: &Keys) -> Option<Fields<'n>> {
        let mut entries = self.entries(node, keys.of)?;
        entries.retain(|(name, place, _)| self.is_known(name, *place, keys));
        Some(Fields {
            place: node.place,
            entries,
        })
    }

    /// A table with keys that the file chooses (names); repeated keys are problems.
    pub fn named<'n>(&self, node: &'n Node, what: &str) -> Option<Fields<'n>> {
        Some(Fields {
            place: node.place,
            entries: self.entries(node, what)?,
        })
    }

    fn entries<'n>(&self, node: &'n Node, what: &str) -> Option<Vec<(&'n str, Place, &'n Node)>> {
        let Value::Map(items) = &node.value else {
            let what = format!("{what} is a table of keys, not {}", node.sort());
            let hint = match &node.value {
                Value::Text(text) => without_space(text),
                _ => None,
            };
            self.error(node.place, &what, hint.as_deref());
            return None;
        };
        let mut entries: Vec<(&'n str, Place, &'n Node)> = Vec::new();
        for (key, value) in items {
            let Some(name) = self.key(key) else { continue };
            match entries.iter().find(|(other, ..)| *other == name) {
                Some((_, first, _)) => {
                    let what = format!("`{name}` is here twice: the first is on line {}", first.line);
                    self.error(key.place, &what, Some("keep one; a list gives it several values"));
                }
                None => entries.push((name, key.place, value)),
            }
        }
        Some(entries)
    }

    fn key<'n>(&self, key: &'n Node) -> Option<&'n str> {
        match &key.value {
            Value::Text(text) => return Some(text),
            Value::Flag(_, written) | Value::Number(written) => {
                let what = format!("`{written}` is no text for YAML");
                self.error(key.place, &what, Some(&format!("quote it: \"{written}\"")));
            }
            _ => self.error(key.place, &format!("a key is a text, not {}", key.sort()), None),
        }
        None
    }

    fn is_known(&self, name: &str, place: Place, keys: &Keys) -> bool {
        if keys.known.contains(&name) {
            return true;
        }
        if keys.takes_own && name.starts_with("x-") {
            return false;
        }
        if keys.later.contains(&name) {
            let what = format!("`{name}` comes with a later version");
            self.error(place, &what, Some(&format!("this version knows {}", list(keys.known))));
            return false;
        }
        self.error(
            place,
            &format!("{} has no key `{name}`", keys.of),
            Some(&hint_for_key(name, keys)),
        );
        false
    }

    /// A text; numbers and bare words that YAML takes for true or false must be quoted.
    pub fn text(&self, node: &Node, what: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) if !text.trim().is_empty() => return Some(text.clone()),
            Value::Text(_) | Value::Nothing => self.error(node.place, &format!("{what} is missing here"), None),
            Value::Flag(flag, written) => {
                let what = format!("YAML reads a bare `{written}` as {flag}");
                self.error(node.place, &what, Some(&format!("quote it: \"{written}\"")));
            }
            Value::Number(written) => {
                let what = format!("YAML reads a bare `{written}` as a number");
                self.error(node.place, &what, Some(&format!("quote it: \"{written}\"")));
            }
            Value::List(_) => self.error(node.place, &format!("{what} is one text, not a list"), None),
            Value::Map(_) => self.error(node.place, &format!("{what} is a text, not a table of keys"), None),
        }
        None
    }

    /// One text or a list of them; an empty list is a problem.
    pub fn texts(&self, node: &Node, what: &str) -> Vec<Marked<String>> {
        let texts = self.items(node).into_iter().filter_map(|item| {
            let value = self.text(item, what)?;
            Some(Marked {
                value,
                place: item.place,
            })
        });
        let texts: Vec<_> = texts.collect();
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            self.error(node.place, &format!("{what} is missing: this list is empty"), None);
        }
        texts
    }

    /// The items of a list, or the one value as a list of one.
    pub fn items<'n>(&self, node: &'n Node) -> Vec<&'n Node> {
        match &node.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![node],
        }
    }

    /// True or false.
    pub fn flag(&self, node: &Node, what: &str) -> Option<bool> {
        if let Value::Flag(flag, _) = &node.value {
            return Some(*flag);
        }
        self.error(
            node.place,
            &format!("{what} is `true` or `false`, not {}", node.sort()),
            None,
        );
        None
    }

    /// A whole number in `range`.
    pub fn number(&self, node: &Node, what: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let number = match &node.value {
            Value::Number(written) => written.replace('_', "").parse::<u64>().ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let what = format!("{what} is a whole number from {} to {}", range.start(), range.end());
            self.error(node.place, &what, None);
        }
        number
    }

    /// A length of time (`10s`, `5m`, `1h 30m`, `90 days`) of at most `max_seconds`, in seconds.
    pub fn seconds(&self, node: &Node, what: &str, max_seconds: u64) -> Option<u64> {
        let hint = "a number with its unit: 10s, 5m, 2h, 90 days";
        let text = match &node.value {
            Value::Text(text) => text,
            Value::Number(written) if written == "0" => return Some(0),
            Value::Number(written) => {
                self.error(
                    node.place,
                    &format!("{what} needs a unit"),
                    Some(&format!(
                        "write `{written}s`, `{written}m`, `{written}h` or `{written} days`"
                    )),
                );
                return None;
            }
            _ => {
                self.error(
                    node.place,
                    &format!("{what} is a length of time, not {}", node.sort()),
                    Some(hint),
                );
                return None;
            }
        };
        let Ok(length) = humantime::parse_duration(text) else {
            self.error(node.place, &format!("`{text}` is no length of time"), Some(hint));
            return None;
        };
        if length.as_secs() > max_seconds {
            let most = humantime::format_duration(std::time::Duration::from_secs(max_seconds));
            self.error(node.place, &format!("{what} is at most {most}"), None);
            return None;
        }
        Some(length.as_secs())
    }

    /// The name in `{ secret: name }`.
    pub fn secret(&self, node: &Node) -> Option<String> {
        let fields = self.fields(node, &SECRET)?;
        match fields.get("secret") {
            Some(name) => return self.secret_name(name),
            None => self.error(node.place, "a secret is written `{ secret: name }`", None),
        }
        None
    }

    /// The name of a secret: letters, digits, `.`, `_`, `-`, at most 64.
    pub fn secret_name(&self, node: &Node) -> Option<String> {
        let name = self.text(node, "the name of a secret")?;
        let sound = name.len() <= 64 && !name.starts_with('.');
        let sound = sound
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let looks_right = !crate::problem::looks_like_a_value(&name);
        let hint = "put the value into a file of the secrets directory and write the file's name here";
        match (sound, looks_right) {
            (true, true) => return Some(name),
            (false, _) => self.error_at_a_secret(
                node.place,
                "this is not the name of a secret: letters, digits, `.`, `_`, `-`",
                hint,
            ),
            (true, false) => self.error_at_a_secret(
                node.place,
                "this looks like the secret itself, not like the name of its file",
                hint,
            ),
        }
        None
    }
}

/// The hint for a key and a value that are one word for YAML: `stage:RCA`.
fn without_space(text: &str) -> Option<String> {
    let (key, value) = text.split_once(':')?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || " -_".contains(c));
    (is_key && !value.is_empty()).then(|| format!("a space after the colon: `{key}: {}`", value.trim()))
}

/// What to type instead of a key that is not known.
fn hint_for_key(name: &str, keys: &Keys) -> String {
    if let Some(word) = name
        .strip_prefix('-')
        .filter(|word| word.starts_with(char::is_alphabetic))
    {
        return format!("a space after the hyphen: `- {word}:`");
    }
    match keys.meant.iter().find(|(typed, _)| same(typed, name)) {
        Some((_, meant)) => match meant.strip_prefix('=') {
            Some(hint) => hint.to_owned(),
            None => format!("did you mean {}?", list(&meant.split(", ").collect::<Vec<_>>())),
        },
        None => {
            meant(name, keys.known.iter().copied()).unwrap_or_else(|| format!("{} has {}", keys.of, list(keys.known)))
        }
    }
}

/// `` `a`, `b` `` for people.
pub fn list<T: AsRef<str>>(words: &[T]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    quoted.join(", ")
}
