//! What an incident's communications add up to, for one viewer.

use std::collections::BTreeSet;

use super::{Chapter, Story, revisions};
use crate::clock::Time;
use crate::event::Promise;
use crate::incident::reviews::{self, CLOSED_AFTER, Progress, Said, Terms};
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
        let (event_type, is_test) = (self.incident.event_type, self.incident.test);
        reviews::progress(event_type, said, is_test, terms, now)
    }
}

/// A communication whose text is lost still says what it is, and when.
fn said(chapter: &Chapter) -> Said {
    let event = chapter.event.as_deref();
    let impact = revisions::impact(chapter);
    let services: BTreeSet<&String> = impact.iter().map(|(service, _)| service).collect();
    let regions: BTreeSet<&String> = impact.iter().filter_map(|(_, region)| region.as_ref()).collect();
    Said {
        kind: chapter.kind,
        stage: chapter.stage,
        published: chapter.published,
        impact_start: event.and_then(|event| event.impact_start),
        impact_end: event.and_then(|event| event.impact_end),
        promise: event.and_then(|event| Promise::in_text(&event.text)),
        services: services.len(),
        regions: regions.len(),
    }
}
