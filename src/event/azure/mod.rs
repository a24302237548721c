//! Azure Service Health in all the forms it comes in: one file per form, told apart by content.
//!
//! | form | file |
//! |---|---|
//! | legacy activity-log webhook | `webhook` |
//! | common alert schema | `common` |
//! | Activity Log event, diagnostic-setting records | `log` |
//! | `Microsoft.ResourceHealth/events` (REST, SDK) | `events`, with `updates` and `progress` |
//! | emerging issues (the public status page) | `emerging` |
//!
//! What the first three share, the notice's `properties`, is read in `notice`; what all share, in
//! `words`, `times` and `impact`.

mod common;
mod emerging;
mod events;
mod impact;
mod log;
mod notice;
mod progress;
mod shape;
mod times;
mod updates;
mod webhook;
mod words;

#[cfg(test)]
mod samples;

#[cfg(test)]
mod unknown;

use std::sync::Arc;

use super::allowance::Allowance;
use super::draft::Draft;
use super::json::{Document, Fault, Node, Oddity, Sort};
use super::note::{Note, Notes};
use super::posted::{Ignored, Source};
use shape::Shape;

/// How much of what is ignored is named, elements; the others are counted.
const IGNORED_NAMED_MOST: usize = 100;

/// The most pairs of an account and an impacted service in a region that one event may name.
const ELEMENTS_MOST: usize = 1_000_000;

/// What was heard in a body so far.
pub(super) struct Heard {
    /// Health events.
    pub drafts: Vec<Draft>,
    /// The first of what is none, with the byte where it begins.
    pub ignored: Vec<(usize, Ignored)>,
    /// How many are none.
    pub ignored_count: usize,
    /// What is wrong with the first element of a list that cannot be read, and how many there are.
    pub unreadable: Option<(Fault, usize)>,
    /// What in the body could be understood in more than one way, and is not noted yet.
    pub oddities: std::vec::IntoIter<Oddity>,
    /// What may still be heard.
    pub allowance: Allowance,
}

impl Heard {
    /// Nothing, and so much is allowed.
    pub fn new(oddities: Vec<Oddity>, allowance: Allowance) -> Self {
        Self {
            drafts: Vec::new(),
            ignored: Vec::new(),
            ignored_count: 0,
            unreadable: None,
            oddities: oddities.into_iter(),
            allowance,
        }
    }

    fn ignore(&mut self, node: &Node, what: impl Into<String>, why: impl Into<String>) {
        self.ignored_count += 1;
        if self.ignored_count <= IGNORED_NAMED_MOST {
            let ignored = Ignored {
                what: what.into(),
                why: why.into(),
                field: None,
            };
            self.ignored.push((node.at, ignored));
        }
    }

    /// Takes an event whose impacted pairs take so many bytes.
    fn event(&mut self, node: &Node, draft: Draft, impact_bytes: usize) -> Result<(), Fault> {
        let bytes = draft.bytes_of_texts().saturating_add(impact_bytes);
        self.allowance.take(node.at, 1, bytes)?;
        self.counted_event(node, draft, bytes)
    }

    /// Takes an event that was counted already.
    fn counted_event(&mut self, node: &Node, draft: Draft, bytes: usize) -> Result<(), Fault> {
        self.allowance.one_event(node.at, bytes)?;
        let elements = draft.elements();
        if elements > ELEMENTS_MOST {
            let what = format!(
                "the event {} names {elements} pairs of a subscription and an impacted service and region; at most \
                 {ELEMENTS_MOST} are taken",
                draft.tracking_id
            );
            return Err(Fault::too_much(node.at, what).hint("post it in parts, each for some of the subscriptions"));
        }
        self.drafts.push(draft);
        Ok(())
    }

    /// Notes what is odd before byte `end`, and not noted yet, on the events from the `first` on: those of the element that
    /// ends there. What is odd around a list is noted on its first or last event.
    fn note_oddities(&mut self, first: usize, end: usize) -> Result<(), Fault> {
        let count = self.oddities.as_slice().partition_point(|odd| odd.at < end);
        let oddities: Vec<Oddity> = self.oddities.by_ref().take(count).collect();
        let Some(at) = oddities.first().map(|odd| odd.at) else {
            return Ok(());
        };
        let with_oddities = |notes: &Arc<[Note]>| -> Arc<[Note]> {
            let mut notes = Notes::from(notes.as_ref());
            notes.oddities("", &oddities);
            notes.into_vec().into()
        };
        let (mut bytes, mut last) = (0, None);
        for draft in &mut self.drafts[first..] {
            let shared = last.take().filter(|(before, _)| Arc::ptr_eq(before, &draft.notes));
            let (before, noted) = shared.unwrap_or_else(|| (draft.notes.clone(), with_oddities(&draft.notes)));
            bytes += noted.iter().map(Note::bytes).sum::<usize>();
            draft.notes = noted.clone();
            last = Some((before, noted));
        }
        self.allowance.take(at, 0, bytes)
    }
}

/// Reads a whole body; what in it is odd is noted on its events.
pub(super) fn read(document: &mut Document, source: Option<Source>, allowance: Allowance) -> Result<Heard, Fault> {
    let mut heard = Heard::new(std::mem::take(&mut document.oddities), allowance);
    one(&document.root, usize::MAX, source, &mut heard)?;
    match heard.unreadable.take_if(|_| heard.drafts.is_empty()) {
        Some((first, _)) => Err(first),
        None => Ok(heard),
    }
}

/// Reads a value that ends before byte `end`.
fn one(node: &Node, end: usize, source: Option<Source>, heard: &mut Heard) -> Result<(), Fault> {
    let first = heard.drafts.len();
    match shape::of(node) {
        Shape::Webhook => webhook::read(node, heard),
        Shape::Common => common::read(node, heard),
        Shape::Log => log::read(node, heard),
        Shape::Event => events::read(node, heard),
        Shape::Emerging => emerging::read(node, heard),
        Shape::List(items) => return list(node, items, end, source, heard),
        Shape::Other { what, why } => {
            heard.ignore(node, what, why);
            Ok(())
        }
        Shape::Foreign(provider) => Err(foreign(node, provider, source)),
        Shape::Unknown => Err(unknown(node, source)),
    }?;
    heard.note_oddities(first, end)
}

/// Reads each element. One that cannot be read costs the others nothing: they are taken, and the body is kept. More than
/// is allowed in all is refused whole.
fn list(node: &Node, items: &[Node], end: usize, source: Option<Source>, heard: &mut Heard) -> Result<(), Fault> {
    if items.is_empty() {
        heard.ignore(node, "empty list", "the list holds no event");
    }
    for (nth, item) in items.iter().enumerate() {
        heard.allowance.go_on(item.at)?;
        let end = items.get(nth + 1).map_or(end, |next| next.at);
        match one(item, end, source, heard) {
            Err(fault) if fault.sort == Sort::Broken => {
                let (_, count) = heard.unreadable.get_or_insert((fault, 0));
                *count += 1;
                heard.note_oddities(heard.drafts.len(), end)?;
            }
            done => done?,
        }
    }
    heard.allowance.go_on(node.at)
}

fn foreign(node: &Node, provider: &str, source: Option<Source>) -> Fault {
    let what = match source {
        Some(Source::Azure) => format!("this looks like {provider}, and this path is for Azure"),
        None => format!("this looks like {provider}, which is not supported yet"),
    };
    Fault::new(node.at, what).hint("supported is Azure Service Health, in every form it comes in")
}

fn unknown(node: &Node, source: Option<Source>) -> Fault {
    let whose = if source.is_some() {
        "an Azure health event"
    } else {
        "a health event"
    };
    Fault::new(node.at, format!("this is not {whose} in any form that is understood")).hint(
        "an alert has `schemaId` \"Microsoft.Insights/activityLogs\" or \"azureMonitorCommonAlertSchema\"; diagnostic \
         settings send `records`; the REST API answers with `value` or one event with `properties.eventType`",
    )
}
