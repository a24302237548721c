//! What an incident's communications add up to, for one viewer.

use std::collections::BTreeSet;

use super::{Chapter, Story, revisions};
use crate::clock::Time;
use crate::event::Promise;
use crate::incident::reviews::{self, Progress, Said, Terms};

impl Story {
    /// Where the incident is at `now`, and what is owed, by what this viewer heard.
    pub fn progress(&self, terms: &Terms, now: Time) -> Progress {
        let said: Vec<Said> = self.chapters.iter().map(said).collect();
        let (event_type, is_test) = (self.incident.event_type, self.incident.test);
        reviews::progress(event_type, &said, is_test, terms, now)
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
