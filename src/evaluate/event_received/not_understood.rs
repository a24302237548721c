//! The operator is told of words that this version does not know: once per word, and of so many words only.

use std::collections::HashSet;

use super::super::own::{more_words_not_known, word_not_known};
use super::Heard;
use crate::clock::Time;
use crate::event::{Event, Provider};
use crate::notification::hash;
use crate::record::Change;

/// Of how many words the operator is told, as long as these reports are kept: whoever posts events can invent words.
pub(super) const WORDS_TOLD_MOST: usize = 50;

/// What the ids of these reports begin with: they remember which words were told.
pub(super) const WORD_IDS: &str = "new-word:";

/// What is known of the words of an event that this version does not know.
#[derive(Debug, Default)]
pub struct NewWords {
    /// Those that nobody was told of before, with their fields.
    pub untold: Vec<(String, String)>,
    /// How many reports there are already, counted up to the limit and one beyond.
    pub told: usize,
}

impl NewWords {
    /// Leaves out those whose reports were raised and wait to be decided: by their ids.
    pub fn leave_out(&mut self, raised: &HashSet<String>) {
        self.untold
            .retain(|(field, word)| !raised.contains(&id_of(field, word)));
        let reports = raised.iter().filter(|id| id.starts_with(WORD_IDS)).count();
        self.told = self.told.max(reports);
    }
}

/// The id of the report of a word; the same word in other letters is the same.
pub(super) fn id_of(field: &str, word: &str) -> String {
    format!("{WORD_IDS}{}", hash(&[field, &word.to_lowercase()]))
}

/// The words of an event that this version does not know, with their fields.
pub(super) fn words(event: &Event) -> impl Iterator<Item = (&str, &str)> {
    let is_ours = event.provider == Provider::Bellwether;
    let notes = event.notes.iter().filter(move |_| !is_ours);
    notes.filter_map(|note| Some((note.field.as_str(), note.word.as_deref()?)))
}

/// What is told of words that nobody was told of.
pub(super) fn raised(heard: &Heard, now: Time) -> Vec<Change> {
    let words = &heard.new_words;
    let room = WORDS_TOLD_MOST.saturating_sub(words.told);
    let each = words.untold.iter().take(room);
    let mut raised: Vec<Event> = each
        .map(|(field, word)| word_not_known(&id_of(field, word), field, word, now))
        .collect();
    if words.untold.len() > room && words.told <= WORDS_TOLD_MOST {
        raised.push(more_words_not_known(&format!("{WORD_IDS}more"), WORDS_TOLD_MOST, now));
    }
    raised
        .into_iter()
        .map(|event| Change::Raised { event: Box::new(event) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(untold: usize, told: usize) -> Vec<String> {
        let untold = (0..untold).map(|nth| ("stage".to_owned(), format!("W{nth}"))).collect();
        let heard = Heard {
            new_words: NewWords { untold, told },
            ..Heard::default()
        };
        let raised = raised(&heard, Time::UNIX_EPOCH).into_iter();
        raised
            .map(|change| match change {
                Change::Raised { event } => event.tracking_id,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn of_more_words_than_the_limit_it_is_told_that_there_are_more_and_then_nothing() {
        assert_eq!(told(0, 0).len(), 0);
        assert_eq!(told(2, 0).len(), 2);
        assert_eq!(told(1, WORDS_TOLD_MOST - 1).len(), 1);
        let last = told(3, WORDS_TOLD_MOST - 2);
        assert_eq!((last.len(), last[2].as_str()), (3, "new-word:more"));
        assert_eq!(told(1, WORDS_TOLD_MOST), ["new-word:more"]);
        assert!(told(5, WORDS_TOLD_MOST + 1).is_empty());
    }

    #[test]
    fn words_whose_reports_wait_to_be_decided_are_not_told_again_and_count() {
        let raised: HashSet<String> = (0..WORDS_TOLD_MOST)
            .map(|nth| id_of("stage", &format!("W{nth}")))
            .chain(["mail-refused:hello:20261129".to_owned()])
            .collect();
        let mut words = NewWords {
            untold: vec![
                ("stage".to_owned(), "w1".to_owned()),
                ("stage".to_owned(), "New".to_owned()),
            ],
            told: 3,
        };
        words.leave_out(&raised);
        assert_eq!((words.untold.len(), words.told), (1, WORDS_TOLD_MOST));
    }

    #[test]
    fn a_word_has_one_id_however_it_is_written() {
        assert_eq!(id_of("stage", "Paused"), id_of("stage", "PAUSED"));
        assert_ne!(id_of("stage", "Paused"), id_of("level", "Paused"));
    }
}
