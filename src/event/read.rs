//! The one door from bytes to [`Event`]s.
//!
//! A body is read whole or not at all: it is either [`Received`], or [`Malformed`] with the field and the byte that
//! are to blame. Which form it has is told by its content, never by where it was posted.

use std::fmt;

use super::azure;
use super::json::{self, Fault, Node};
use super::{Arrival, Event};

/// Whose events a path is for (`/v1/events/azure`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Microsoft Azure Service Health.
    Azure,
}

impl Source {
    /// The source of this name, as it stands in a path.
    pub fn named(word: &str) -> Option<Self> {
        word.eq_ignore_ascii_case("azure").then_some(Self::Azure)
    }
}

/// What a body held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Received {
    /// The health events, oldest first within one incident.
    pub events: Vec<Event>,
    /// What is no health event, and why.
    pub ignored: Vec<Ignored>,
}

/// Something that was understood and is no health event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// What it is, in a word or two (`ResourceHealth`, `Administrative`).
    pub what: String,
    /// Why it is ignored, as a sentence without a full stop.
    pub why: String,
    /// Which element of a list it is (`value[3]`).
    pub field: Option<String>,
}

/// A body that cannot be read, and what in it is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Malformed {
    /// The JSON path of what is to blame (`data.context.activityLog.properties.impactedServices`).
    pub field: Option<String>,
    /// The byte of the body where it is.
    pub offset: Option<usize>,
    /// What is wrong, as a sentence without a full stop.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "`{field}`: ")?;
        }
        f.write_str(&self.what)?;
        match self.offset {
            Some(offset) => write!(f, " (byte {offset})"),
            None => Ok(()),
        }
    }
}

/// The most pairs of an account and an impacted service in a region that one event may name.
pub const MAX_ELEMENTS: usize = 1_000_000;

/// Reads a posted body. `source` is the path's hint, which only makes the answer to an unknown form clearer.
pub fn read(body: &[u8], source: Option<Source>, arrival: Arrival) -> Result<Received, Malformed> {
    let text = std::str::from_utf8(body).map_err(|error| Malformed {
        field: None,
        offset: Some(error.valid_up_to()),
        what: "the body is not UTF-8".to_string(),
        hint: Some("send JSON in UTF-8".to_string()),
    })?;
    let root = json::parse(text).map_err(|fault| malformed(text, None, fault))?;
    let heard = azure::read(&root, source).map_err(|fault| malformed(text, Some(&root), fault))?;
    let events: Vec<Event> = heard.drafts.into_iter().map(|draft| draft.finish(arrival)).collect();
    if let Some(event) = events.iter().find(|event| elements(event) > MAX_ELEMENTS) {
        return Err(too_many_elements(event));
    }
    let ignored = heard
        .ignored
        .into_iter()
        .map(|(at, ignored)| named(&root, at, ignored))
        .collect();
    Ok(Received { events, ignored })
}

/// How many pairs of an account and something impacted an event names.
fn elements(event: &Event) -> usize {
    let accounts = event.accounts.len().max(1);
    let each = event.impact.iter().map(|impact| match impact.accounts.len() {
        0 => accounts,
        some => some,
    });
    each.sum::<usize>().max(accounts)
}

fn too_many_elements(event: &Event) -> Malformed {
    Malformed {
        field: None,
        offset: None,
        what: format!(
            "the event {} names {} pairs of a subscription and an impacted service and region; at most {MAX_ELEMENTS} are taken",
            event.tracking_id,
            elements(event)
        ),
        hint: Some("post it in parts, each for some of the subscriptions".to_string()),
    }
}

fn named(root: &Node, at: usize, ignored: Ignored) -> Ignored {
    Ignored {
        field: root.path_to(at).filter(|path| !path.is_empty()),
        ..ignored
    }
}

fn malformed(text: &str, root: Option<&Node>, fault: Fault) -> Malformed {
    let path = fault.path.or_else(|| root.and_then(|root| root.path_to(fault.at)));
    let field = match (path.filter(|path| !path.is_empty()), fault.key) {
        (Some(path), Some(key)) => Some(format!("{path}.{key}")),
        (path, key) => path.or(key.map(str::to_string)),
    };
    let offset = fault
        .inside
        .map_or(fault.at, |inside| json::place_in_string(text, fault.at, inside));
    Malformed {
        field,
        offset: Some(offset),
        what: fault.what,
        hint: fault.hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Malformed {
        read(body.as_bytes(), None, Arrival::Live).unwrap_err()
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named() {
        let error = read(b"{\"a\": \"\xff\"}", Some(Source::Azure), Arrival::Live).unwrap_err();
        assert_eq!(error.offset, Some(7));
    }

    #[test]
    fn an_unknown_form_says_what_would_be_understood() {
        for body in ["{}", "[]x", "\"text\"", "17", r#"{"hello": "world"}"#] {
            assert!(!refused(body).what.is_empty(), "{body}");
        }
        assert!(refused("{}").hint.unwrap().contains("schemaId"));
    }

    #[test]
    fn other_providers_are_named_in_the_refusal() {
        let aws = include_str!("../../tests/fixtures/samples/other/aws-health-ec2-operational-issue-public.json");
        assert!(refused(aws).what.contains("AWS Health"), "{}", refused(aws));
        let page = include_str!("../../tests/fixtures/samples/other/statuspage-incident-created.json");
        assert!(refused(page).what.contains("Statuspage"), "{}", refused(page));
    }

    #[test]
    fn a_missing_key_is_named_with_its_path() {
        let error = refused(r#"{"schemaId": "Microsoft.Insights/activityLogs", "data": {"context": {}}}"#);
        assert_eq!(error.field.as_deref(), Some("data.context.activityLog"));
        assert_eq!(
            error.to_string(),
            "`data.context.activityLog`: `activityLog` is missing (byte 68)"
        );
    }

    #[test]
    fn a_source_is_named_as_in_its_path() {
        assert_eq!(Source::named("Azure"), Some(Source::Azure));
        assert_eq!(Source::named("aws"), None);
    }
}
