//! When two events are the same thing said again.
//!
//! The same communication arrives once per subscription, moments apart and in several forms, so neither its time nor
//! the provider's id of it tells: its words do.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::Event;

/// Which communication this is: 32 hex digits over provider, tracking id, stage, and the words of title and text.
pub fn communication_of(event: &Event) -> String {
    let mut hash = Hash::of("communication");
    hash.add(event.provider.word());
    hash.add(&event.tracking_id.to_lowercase());
    hash.add(event.stage.word());
    hash.add(&normalised(&event.title));
    hash.add(&normalised(&event.text));
    hash.finish()
}

/// A digest (32 hex digits) of everything rules can see, except for whom it was sent. Two events that differ only in
/// accounts, time, id, form or arrival have the same.
pub fn visible_digest(event: &Event) -> String {
    let mut hash = Hash::of("visible");
    hash.add(&communication_of(event));
    hash.add(event.event_type.word());
    hash.add(event.kind.word());
    hash.maybe(event.level.map(|level| level.word()));
    hash.maybe(event.source.as_deref());
    hash.maybe(event.subtype.as_deref());
    // The words as they are: a pattern may look for a dash, or for two spaces.
    hash.add(&event.title);
    hash.add(&event.text);
    hash.add(if event.test { "test" } else { "real" });
    for time in [event.impact_start, event.impact_end] {
        hash.maybe(time.map(|time| time.timestamp_micros().to_string()).as_deref());
    }
    let impact: BTreeSet<_> = event
        .impact
        .iter()
        .map(|pair| (&pair.service, &pair.service_id, &pair.region))
        .collect();
    hash.count(impact.len());
    for (service, id, region) in impact {
        hash.add(service);
        hash.maybe(id.as_deref());
        hash.maybe(region.as_deref());
    }
    hash.count(event.properties.len());
    for (key, value) in &event.properties {
        hash.add(key);
        hash.add(value);
    }
    hash.finish()
}

/// Words without what a provider changes between two forms of one text: white space and the kind of dash.
fn normalised(text: &str) -> String {
    let dashes = |c: char| {
        if matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}') {
            '-'
        } else {
            c
        }
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().map(dashes).collect()
}

/// Parts hashed with their lengths, so that no two lists of parts look alike.
struct Hash(Sha256);

impl Hash {
    fn of(what: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.add(what);
        hash
    }

    fn add(&mut self, part: &str) {
        self.count(part.len());
        self.0.update(part.as_bytes());
    }

    fn maybe(&mut self, part: Option<&str>) {
        self.count(usize::from(part.is_some()));
        part.into_iter().for_each(|part| self.add(part));
    }

    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    fn finish(self) -> String {
        self.0
            .finalize()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Arrival, Form, Impact, read};

    fn event() -> Event {
        let body = include_bytes!("../../tests/fixtures/samples/synthetic/azure-legacy-incident-active.json");
        read(body, None, Arrival::Live).unwrap().events.remove(0)
    }

    #[test]
    fn white_space_dashes_and_case_of_the_id_do_not_make_another_communication() {
        let (one, mut other) = (event(), event());
        other.title = other.title.replace('–', " - ");
        other.text = other.text.replace('\n', "  ");
        other.tracking_id = other.tracking_id.to_lowercase();
        assert_eq!(communication_of(&one), communication_of(&other));
        assert_eq!(communication_of(&one).len(), 32);
    }

    #[test]
    fn parts_cannot_slip_into_each_other() {
        let (mut one, mut other) = (event(), event());
        (one.title, one.text) = ("ab".into(), "c".into());
        (other.title, other.text) = ("a".into(), "bc".into());
        assert_ne!(communication_of(&one), communication_of(&other));
        (one.subtype, one.source) = (Some("x".into()), None);
        (other.title, other.text) = (one.title.clone(), one.text.clone());
        (other.subtype, other.source) = (None, Some("x".into()));
        assert_ne!(visible_digest(&one), visible_digest(&other));
    }

    #[test]
    fn what_rules_cannot_see_changes_nothing() {
        let (one, mut other) = (event(), event());
        other.accounts = vec!["b".into()];
        other.impact[0].accounts = vec!["b".into()];
        other.impact.reverse();
        other.published += chrono::Duration::seconds(2);
        other.communication_id = None;
        other.form = Form::AzureCommonAlert;
        other.arrival = Arrival::History;
        assert_eq!(visible_digest(&one), visible_digest(&other));
    }

    #[test]
    fn what_rules_can_see_changes_it() {
        let one = event();
        let changes: [fn(&mut Event); 8] = [
            |event| event.level = None,
            |event| event.test = true,
            |event| event.kind = crate::event::Kind::Retraction,
            |event| event.title.push('!'),
            |event| event.subtype = Some("Retirement".into()),
            |event| {
                event.impact.push(Impact {
                    service: "X".into(),
                    service_id: None,
                    region: None,
                    accounts: vec![],
                })
            },
            |event| drop(event.properties.insert("k".into(), "v".into())),
            |event| event.impact_end = Some(event.published),
        ];
        for change in changes {
            let mut other = event();
            change(&mut other);
            assert_ne!(visible_digest(&one), visible_digest(&other));
        }
    }
}
