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

use super::allowance::Allowance;
use super::draft::Draft;
use super::json::{Fault, Node, Sort};
use super::read::{Ignored, Source};
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
    /// What may still be heard.
    pub allowance: Allowance,
}

impl Heard {
    /// Nothing, and so much is allowed.
    pub fn new(allowance: Allowance) -> Self {
        Self {
            drafts: Vec::new(),
            ignored: Vec::new(),
            ignored_count: 0,
            unreadable: None,
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
}

/// Reads a whole body.
pub(super) fn read(root: &Node, source: Option<Source>, allowance: Allowance) -> Result<Heard, Fault> {
    let mut heard = Heard::new(allowance);
    one(root, source, &mut heard)?;
    match heard.unreadable.take_if(|_| heard.drafts.is_empty()) {
        Some((first, _)) => Err(first),
        None => Ok(heard),
    }
}

fn one(node: &Node, source: Option<Source>, heard: &mut Heard) -> Result<(), Fault> {
    match shape::of(node) {
        Shape::Webhook => webhook::read(node, heard),
        Shape::Common => common::read(node, heard),
        Shape::Log => log::read(node, heard),
        Shape::Event => events::read(node, heard),
        Shape::Emerging => emerging::read(node, heard),
        Shape::List(items) => list(node, items, source, heard),
        Shape::Other { what, why } => {
            heard.ignore(node, what, why);
            Ok(())
        }
        Shape::Foreign(provider) => Err(foreign(node, provider, source)),
        Shape::Unknown => Err(unknown(node, source)),
    }
}

/// Reads each element. One that cannot be read costs the others nothing: they are taken, and the body is kept. More than
/// is allowed in all is refused whole.
fn list(node: &Node, items: &[Node], source: Option<Source>, heard: &mut Heard) -> Result<(), Fault> {
    if items.is_empty() {
        heard.ignore(node, "empty list", "the list holds no event");
    }
    for item in items {
        heard.allowance.go_on(item.at)?;
        match one(item, source, heard) {
            Err(fault) if fault.sort == Sort::Broken => {
                let (_, count) = heard.unreadable.get_or_insert((fault, 0));
                *count += 1;
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
