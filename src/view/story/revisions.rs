//! What each communication of an incident changed against the one before it: in words, impact, accounts and times.
//!
//! An update is compared with the update before it, a review with the review before it. The comparison costs no more
//! than its limits: two texts that share little are shown as replaced, not compared word by word.

use std::collections::BTreeSet;
use std::ops::Range;

use similar::{Algorithm, ChangeTag, DiffTag, TextDiff, capture_diff_slices};

use super::{Chapter, Story};
use crate::clock::Time;
use crate::event::Kind;
use crate::incident::reviews::impact_on;

/// Texts of more lines than this, both together, are not compared by lines.
const LINES_MOST: usize = 2_000;

/// Lines of more words than this, both together, are not compared by words.
const WORDS_MOST: usize = 2_000;

/// What all comparisons of one incident may take at worst, in steps: a comparison of n lines or words takes up to n² of
/// them. Beyond it, texts are shown as replaced.
const STEPS_MOST: usize = 64_000_000;

/// How many words of what stayed the same are shown beside a change.
const CONTEXT_WORDS: usize = 6;

/// One communication, and what it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// What it is.
    pub kind: Kind,
    /// The provider's time of it.
    pub published: Time,
    /// What it changed; `None` for the first one of its line.
    pub changed: Option<Changed>,
}

/// What changed between two communications.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// The texts, where they differ.
    pub text: Vec<Piece>,
    /// Services in regions.
    pub impact: Delta<(String, Option<String>)>,
    /// Accounts, as far as the viewer may know of them.
    pub accounts: Delta<String>,
    /// Times of the metadata.
    pub times: Vec<TimeChange>,
}

/// What came and what went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta<T> {
    /// What is there now and was not before.
    pub added: Vec<T>,
    /// What was there before and is not now.
    pub removed: Vec<T>,
}

/// A time of the metadata that is another one now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeChange {
    /// Which: `impact_start` or `impact_end`.
    pub which: &'static str,
    /// What it was.
    pub before: Option<Time>,
    /// What it is.
    pub after: Option<Time>,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What became of it.
    pub fate: Fate,
    /// Its words.
    pub text: String,
}

/// What became of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stayed; shown for the words beside it.
    Same,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

impl<T> Default for Delta<T> {
    fn default() -> Self {
        Self {
            added: Vec::new(),
            removed: Vec::new(),
        }
    }
}

impl<T: Ord + Clone> Delta<T> {
    fn between(before: &BTreeSet<T>, after: &BTreeSet<T>) -> Self {
        Self {
            added: after.difference(before).cloned().collect(),
            removed: before.difference(after).cloned().collect(),
        }
    }
}

impl Story {
    /// What each communication changed, the provider's newest first. One whose text is lost changes nothing that is
    /// known.
    pub fn revisions(&self) -> Vec<Revision> {
        self.revisions_within(0..self.chapters.len())
    }

    /// The same of some chapters.
    pub fn revisions_within(&self, which: Range<usize>) -> Vec<Revision> {
        let mut left = STEPS_MOST;
        let chapters = self.chapters.iter().enumerate();
        let revisions = chapters.take(which.end).skip(which.start).map(|(nth, chapter)| {
            let line = chapter.kind.line();
            let before = self.chapters[nth + 1..]
                .iter()
                .find(|before| before.kind.line() == line);
            Revision {
                kind: chapter.kind,
                published: chapter.published,
                changed: before.map(|before| changed(before, chapter, &mut left)),
            }
        });
        revisions.collect()
    }
}

fn changed(before: &Chapter, after: &Chapter, left: &mut usize) -> Changed {
    let accounts = |chapter: &Chapter| chapter.accounts.iter().cloned().collect::<BTreeSet<String>>();
    let accounts = Delta::between(&accounts(before), &accounts(after));
    let (Some(old), Some(new)) = (before.event.as_deref(), after.event.as_deref()) else {
        return Changed {
            accounts,
            ..Changed::default()
        };
    };
    let times = [
        ("impact_start", old.impact_start, new.impact_start),
        ("impact_end", old.impact_end, new.impact_end),
    ];
    let times = times.into_iter().filter(|(_, before, after)| before != after);
    Changed {
        text: words(&old.text, &new.text, left),
        impact: Delta::between(&impact(before), &impact(after)),
        accounts,
        times: times
            .map(|(which, before, after)| TimeChange { which, before, after })
            .collect(),
    }
}

/// What a communication names as impacted, for the accounts that heard it.
fn impact(chapter: &Chapter) -> BTreeSet<(String, Option<String>)> {
    let event = chapter.event.as_deref();
    event
        .map(|event| impact_on(event, &chapter.accounts))
        .unwrap_or_default()
}

/// The pieces of two texts, where they differ: first by lines, then by the words of lines that took others' place.
fn words(before: &str, after: &str, left: &mut usize) -> Vec<Piece> {
    let (old, new): (Vec<&str>, Vec<&str>) = (lines(before), lines(after));
    let count = old.len() + new.len();
    if count > LINES_MOST || !takes(count, left) {
        return match old == new {
            true => Vec::new(),
            false => replaced(before, after),
        };
    }
    let mut pieces = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        let (tag, old_range, new_range) = op.as_tag_tuple();
        let (gone, new) = (old[old_range].join("\n"), new[new_range].join("\n"));
        match tag {
            DiffTag::Equal => {}
            DiffTag::Delete | DiffTag::Insert => pieces.extend(replaced(&gone, &new)),
            DiffTag::Replace => pieces.extend(by_words(&gone, &new, left)),
        }
    }
    pieces
}

/// Takes the steps of a comparison of so many lines or words, if so many are left.
fn takes(count: usize, left: &mut usize) -> bool {
    match left.checked_sub(count * count) {
        Some(rest) => *left = rest,
        None => return false,
    }
    true
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

fn by_words(before: &str, after: &str, left: &mut usize) -> Vec<Piece> {
    let count = before.split_whitespace().count() + after.split_whitespace().count();
    if count > WORDS_MOST || !takes(count, left) {
        return replaced(before, after);
    }
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Myers)
        .diff_words(before, after);
    let mut pieces: Vec<Piece> = Vec::new();
    for change in diff.iter_all_changes() {
        let fate = match change.tag() {
            ChangeTag::Equal => Fate::Same,
            ChangeTag::Delete => Fate::Removed,
            ChangeTag::Insert => Fate::Added,
        };
        match pieces.last_mut().filter(|last| last.fate == fate) {
            Some(last) => last.text += change.value(),
            None => pieces.push(Piece {
                fate,
                text: change.value().to_owned(),
            }),
        }
    }
    let last = pieces.len().saturating_sub(1);
    for (nth, piece) in pieces.iter_mut().enumerate() {
        if piece.fate == Fate::Same {
            piece.text = beside(&piece.text, nth > 0, nth < last);
        }
    }
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

/// Of what stayed the same, the words beside the changes before and after it.
fn beside(text: &str, is_before: bool, is_after: bool) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (head, tail) = (
        if is_before { CONTEXT_WORDS } else { 0 },
        if is_after { CONTEXT_WORDS } else { 0 },
    );
    if words.len() <= head + tail {
        return text.to_owned();
    }
    let (head, tail) = (words[..head].join(" "), words[words.len() - tail..].join(" "));
    match (is_before, is_after) {
        (true, true) => format!(" {head} … {tail} "),
        (true, false) => format!(" {head} …"),
        (false, true) => format!("… {tail} "),
        (false, false) => String::new(),
    }
}

fn replaced(before: &str, after: &str) -> Vec<Piece> {
    let pieces = [(Fate::Removed, before), (Fate::Added, after)].map(|(fate, text)| Piece {
        fate,
        text: text.to_owned(),
    });
    pieces.into_iter().filter(|piece| !piece.text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Removed words in `-…-`, added ones in `+…+`.
    fn shown(before: &str, after: &str) -> String {
        let shown = words(before, after, &mut STEPS_MOST.clone())
            .into_iter()
            .map(|piece| match piece.fate {
                Fate::Same => piece.text,
                Fate::Added => format!("+{}+", piece.text),
                Fate::Removed => format!("-{}-", piece.text),
            });
        shown.collect()
    }

    #[test]
    fn what_changed_is_shown_by_words_with_some_of_what_stayed() {
        for (before, after, expected) in [
            ("The same.", "The same.", ""),
            ("", "All of it is new.", "+All of it is new.+"),
            ("All of it went.", "", "-All of it went.-"),
            (
                "Starting at 04:25 UTC, you may see errors in East US.",
                "Starting at 04:06 UTC, you may see errors in East US.",
                "Starting at -04:25-+04:06+ UTC, you may see errors in …",
            ),
            (
                "One.\nTwo is about storage.\nThree.",
                "One.\nTwo is about compute.\nThree.\nFour.",
                "Two is about -storage.-+compute.++Four.+",
            ),
            (
                "a b c d e f g h i j k l m n o p q r s t u v w x y z",
                "a b c d e f g h X j k l m n o p q r s t u v w x y z",
                "… c d e f g h -i-+X+ j k l m n o …",
            ),
        ] {
            assert_eq!(shown(before, after), expected, "{before} / {after}");
        }
    }

    #[test]
    fn texts_that_are_too_long_to_compare_are_shown_as_replaced() {
        let many = |word: &str, count: usize| vec![word; count].join("\n");
        let (before, after) = (many("one", LINES_MOST), many("two", 1));
        let mut left = STEPS_MOST;
        assert_eq!(words(&before, &after, &mut left).len(), 2);
        assert_eq!(words(&before, &before, &mut left), []);
        let line = |word: &str| vec![word; WORDS_MOST].join(" ");
        assert_eq!(words(&line("one"), &line("two"), &mut left).len(), 2);
        let mut used_up = 3;
        assert_eq!(
            words("a b", "a c", &mut used_up).len(),
            2,
            "all of it is shown as replaced"
        );
    }
}
