//! What of a notice could not be taken as it stands: noted on its event, so that nothing is left out in silence.

use serde::{Deserialize, Serialize};

use super::html;
use super::json::Oddity;

/// How many notes one event may have: a notice has about a dozen fields that are read, and lists may hold any number.
const NOTES_MOST: usize = 16;

/// How much of a stranger's word is repeated, characters.
pub(super) const QUOTED_CHARS_MOST: usize = 60;

/// How much of a path is repeated, characters.
const PATH_CHARS_MOST: usize = 200;

/// Something in a notice that could not be taken as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The provider's name of the field (`impactStartTime`).
    pub field: String,
    /// What is the matter and how it was taken, as a sentence without a full stop.
    pub what: String,
    /// The provider's word, where it is one that this version does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
}

impl Note {
    /// What it takes, bytes.
    pub(super) fn bytes(&self) -> usize {
        64 + self.field.len() + self.what.len() + self.word.as_ref().map_or(0, String::len)
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.field, self.what)
    }
}

/// The notes on one event, as they are made.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Notes(Vec<Note>);

impl From<&[Note]> for Notes {
    fn from(notes: &[Note]) -> Self {
        Self(notes.to_vec())
    }
}

impl Notes {
    /// Notes what is the matter with a field. The same is noted once; what is over the limit is not noted at all.
    pub fn add(&mut self, field: &str, what: impl Into<String>) {
        self.push(Note {
            field: field.to_owned(),
            what: what.into(),
            word: None,
        });
    }

    /// Notes a word that this version does not know, and as what it is taken.
    pub fn unknown_word(&mut self, field: &str, word: &str, taken_as: &str) {
        let word = quoted(word);
        self.push(Note {
            field: field.to_owned(),
            what: format!("`{word}` is a word that this version does not know; {taken_as}"),
            word: Some(word),
        });
    }

    /// Notes what of the JSON under `field` could be understood in more than one way.
    pub fn oddities(&mut self, field: &str, oddities: &[Oddity]) {
        for odd in oddities.iter().take(NOTES_MOST) {
            let path = match (field, odd.path.as_str()) {
                ("", path) => path.to_owned(),
                (field, "") => field.to_owned(),
                (field, path) if path.starts_with('[') => format!("{field}{path}"),
                (field, path) => format!("{field}.{path}"),
            };
            self.add(&html::shorten(&html::one_line(&path), PATH_CHARS_MOST), odd.what);
        }
    }

    fn push(&mut self, note: Note) {
        if self.0.len() < NOTES_MOST && !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<Note> {
        self.0
    }
}

/// A stranger's word for an answer or a label: one line, not long.
pub(super) fn quoted(word: &str) -> String {
    html::shorten(&html::one_line(word), QUOTED_CHARS_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_few_and_short_whatever_strangers_write() {
        let mut notes = Notes::default();
        for nth in 0..100 {
            notes.unknown_word(
                "stage",
                &format!("{nth}\u{202e}\n{}", "x".repeat(10_000)),
                "it is left out",
            );
            notes.add("stage", "the same");
        }
        let notes = notes.into_vec();
        assert_eq!(notes.len(), NOTES_MOST);
        assert_eq!(notes.iter().filter(|note| note.what == "the same").count(), 1);
        assert!(
            notes
                .iter()
                .all(|note| note.bytes() < 400 && !note.what.contains(['\n', '\u{202e}']))
        );
    }
}
