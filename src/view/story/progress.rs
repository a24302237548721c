//! What an incident's communications add up to, for one viewer.

use super::{Chapter, Story};
use crate::channel::words::next_update;
use crate::clock::Time;
use crate::event::Arrival;
use crate::event::document::document;
use crate::incident::correction::Corrected;
use crate::incident::reviews::{self, About, CLOSED_AFTER, Progress, Said, Terms};
use crate::view::filter::State;

impl Story {
    /// Where the incident is at `now`, and what is owed, by what this viewer heard.
    pub fn progress(&self, terms: &Terms, now: Time) -> Progress {
        self.add_up(&self.said(), terms, now)
    }

    /// The same, and how the state changes by the clock alone.
    pub fn progress_in_time(&self, terms: &Terms, now: Time) -> (Progress, State) {
        let said = self.said();
        let progress = self.add_up(&said, terms, now);
        let silence = said
            .iter()
            .map(|one| one.published)
            .max()
            .map(|last| last + CLOSED_AFTER);
        let then = silence.filter(|silence| now <= *silence).and_then(|silence| {
            let phase = self.add_up(&said, terms, silence + chrono::Duration::seconds(1)).phase;
            (phase != progress.phase).then_some((silence, phase))
        });
        let first = progress.phase;
        (progress, State { first, then })
    }

    fn said(&self) -> Vec<Said> {
        self.chapters.iter().map(said).collect()
    }

    fn add_up(&self, said: &[Said], terms: &Terms, now: Time) -> Progress {
        let about = About {
            event_type: self.incident.event_type,
            is_test: self.incident.test,
            corrected: Corrected::by(&self.corrections),
            terms,
        };
        reviews::progress(&about, said, now)
    }

    /// What the newest review recommends to customers.
    pub fn recommendations(&self) -> Vec<String> {
        let reviews = self.chapters.iter().filter(|chapter| chapter.kind.is_review());
        let newest = reviews.filter_map(|chapter| chapter.event.as_deref()).next();
        newest
            .map(|event| document(&event.html).recommendations)
            .unwrap_or_default()
    }
}

/// A communication whose text is lost still says what it is, and when.
fn said(chapter: &Chapter) -> Said {
    let said = Said::of(chapter.kind, chapter.stage, chapter.published);
    let event = chapter.event.as_deref();
    let said = match event {
        Some(event) => said.with(event, &chapter.accounts),
        None => said,
    };
    Said {
        is_live: chapter.arrival == Arrival::Live,
        next_update: event.and_then(next_update),
        ..said
    }
}
