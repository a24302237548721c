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
//! What the first three share, the notice's `properties`, is read in `notice`; what all share, in `words`.

mod common;
mod emerging;
mod events;
mod log;
mod notice;
mod progress;
mod shape;
mod updates;
mod webhook;
mod words;

#[cfg(test)]
mod samples;

use super::draft::Draft;
use super::json::{Fault, Node};
use super::read::{Ignored, Source};
use shape::Shape;

/// What was heard in a body so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Health events.
    pub drafts: Vec<Draft>,
    /// What is none, with the byte where it begins.
    pub ignored: Vec<(usize, Ignored)>,
}

impl Heard {
    fn ignore(&mut self, node: &Node, what: impl Into<String>, why: impl Into<String>) {
        self.ignored.push((
            node.at,
            Ignored {
                what: what.into(),
                why: why.into(),
                field: None,
            },
        ));
    }
}

/// Reads a whole body.
pub(super) fn read(root: &Node, source: Option<Source>) -> Result<Heard, Fault> {
    let mut heard = Heard::default();
    one(root, source, &mut heard)?;
    Ok(heard)
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

/// Reads each element. One that uses a word which only a newer version knows does not keep the others from being read;
/// one that is broken does, for then something else is probably wrong as well.
fn list(node: &Node, items: &[Node], source: Option<Source>, heard: &mut Heard) -> Result<(), Fault> {
    if items.is_empty() {
        heard.ignore(node, "empty list", "the list holds no event");
    }
    for item in items {
        match one(item, source, heard) {
            Err(fault) if fault.unknown_word => heard.ignore(item, "unknown word", fault.what),
            other => other?,
        }
    }
    Ok(())
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
