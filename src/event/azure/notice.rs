//! The notice inside an Activity Log entry: the `properties` that webhooks, alerts, log events and records share.

use std::collections::{BTreeMap, BTreeSet};

use super::super::allowance::Allowance;
use super::super::draft::{Draft, Impacts};
use super::super::json::{Fault, Node, Sort};
use super::super::{EventType, Form, Stage, html};
use super::{Heard, words};

/// What the envelope around an entry says.
pub(super) struct Envelope {
    /// Which form it is.
    pub form: Form,
    /// For whom it was sent.
    pub accounts: BTreeSet<String>,
    /// The alert rule's own key/values.
    pub custom: BTreeMap<String, String>,
}

/// Reads an entry, or notes why it is no health event.
pub(super) fn read(entry: &Node, envelope: Envelope, heard: &mut Heard) -> Result<(), Fault> {
    match other_category(entry) {
        Some(category) => not_health(entry, &category, heard),
        None => {
            let (draft, impact_bytes) = draft(entry, envelope, &heard.allowance)?;
            heard.event(entry, draft, impact_bytes)?;
        }
    }
    Ok(())
}

/// Notes that something shares the endpoint and is no health event.
pub(super) fn not_health(node: &Node, category: &str, heard: &mut Heard) {
    let category = words::quoted(category);
    let why = format!("`{category}` is not a service-health event; only alerts of the category ServiceHealth are read");
    heard.ignore(node, category, why);
}

/// The entry's category, unless it is service health. The common schema writes it as a number (2), and the rule's
/// category as the name of the operation.
fn other_category(entry: &Node) -> Option<String> {
    let named = words::first(entry, &["eventSource", "category"]).filter(|word| word.parse::<i64>().is_err());
    let operation = words::value(entry, "operationName").unwrap_or_default();
    match named {
        Some(word) => (!is_service_health(&word)).then_some(word),
        None if operation.to_ascii_lowercase().starts_with("microsoft.servicehealth/") => None,
        None if entry.find(&["properties", "trackingId"]).is_some() => None,
        None => Some(operation).map(|word| {
            if word.is_empty() {
                "an entry without a category".to_string()
            } else {
                word
            }
        }),
    }
}

/// Whether a word of Azure's means Service Health.
pub(super) fn is_service_health(word: &str) -> bool {
    super::super::fold(word).ends_with("servicehealth")
}

/// The event, and what it takes for what is impacted, bytes.
fn draft(entry: &Node, envelope: Envelope, allowance: &Allowance) -> Result<(Draft, usize), Fault> {
    let properties = entry
        .get("properties")
        .ok_or_else(|| Fault::missing(entry, "properties"))?;
    let properties = match (properties.get("trackingId"), properties.get("eventProperties")) {
        (None, Some(inner)) => inner,
        _ => properties,
    };
    let tracking_id = words::tracking_id(properties, "trackingId")?;
    let test = words::says_yes(properties, "isSynthetic") || words::is_test_id(&tracking_id);
    // Rules match on English, whatever language the subscription reads: the default language comes first.
    let title = words::first(properties, &["defaultLanguageTitle", "title"]).unwrap_or_default();
    let body = words::first(properties, &["defaultLanguageContent", "communication"]);
    let impacted = words::impacted_services(properties, allowance)?;
    let draft = Draft {
        form: envelope.form,
        source: None,
        event_type: event_type(entry, properties)?,
        subtype: words::name(properties, "eventSubType").map(Into::into),
        stage: stage(entry, properties)?,
        level: words::value(entry, "level").and_then(|level| words::level(&level)),
        title: html::one_line(&title).into(),
        body: body
            .or_else(|| words::first(entry, &["resultDescription", "description"]))
            .unwrap_or_default(),
        impact: Impacts::all(impacted.pairs),
        accounts: envelope.accounts,
        impact_start: words::time(properties, "impactStartTime")?,
        impact_end: words::time(properties, "impactMitigationTime")?,
        published: published(entry)?,
        properties: envelope.custom,
        tags: tags(properties).map(str::to_owned).collect(),
        test,
        communication_id: words::name(properties, "communicationId"),
        tracking_id: tracking_id.into(),
    };
    Ok((draft, impacted.bytes))
}

fn event_type(entry: &Node, properties: &Node) -> Result<EventType, Fault> {
    let word = words::value(properties, "incidentType");
    let operation = words::value(entry, "operationName").unwrap_or_default();
    let known = word.as_deref().and_then(EventType::read);
    let by_operation = || operation.split('/').nth(1).and_then(EventType::read);
    known
        .or_else(by_operation)
        .ok_or_else(|| match (properties.get("incidentType"), word) {
            (Some(member), Some(word)) => unknown(
                member,
                "incidentType",
                &word,
                "Incident, Maintenance, Security, ActionRequired or Informational",
            ),
            _ => Fault::missing(properties, "incidentType"),
        })
}

/// The notice's stage, or what the entry says where the notice does not know one.
fn stage(entry: &Node, properties: &Node) -> Result<Stage, Fault> {
    let word = words::value(properties, "stage");
    let known = word.as_deref().and_then(Stage::read);
    let by_status = || words::first(entry, &["status", "resultType"]).and_then(|word| Stage::read(&word));
    known
        .or_else(by_status)
        .ok_or_else(|| match (properties.get("stage"), word) {
            (Some(member), Some(word)) => unknown(
                member,
                "stage",
                &word,
                "Active, Resolved, RCA, Planned, InProgress, Rescheduled, Canceled or Complete",
            ),
            _ => Fault::missing(properties, "stage"),
        })
}

/// A word this version does not know.
pub(super) fn unknown(member: &Node, key: &str, word: &str, known: &str) -> Fault {
    let fault = Fault::new(
        member.at,
        format!("`{}` is no {key} that is known", words::quoted(word)),
    )
    .hint(format!("known are {known}"));
    Fault {
        sort: Sort::UnknownWord,
        ..fault
    }
}

/// The members that may say when it was published, the best first.
const PUBLISHED: [&str; 3] = ["eventTimestamp", "time", "submissionTimestamp"];

/// The provider's own time of the communication.
fn published(entry: &Node) -> Result<crate::clock::Time, Fault> {
    for key in PUBLISHED {
        if let Some(time) = words::time(entry, key)? {
            return Ok(time);
        }
    }
    Err(words::no_time(&PUBLISHED.map(|key| (entry, key))))
}

/// What the provider says a communication is (`Final PIR`).
pub(super) fn tags(properties: &Node) -> impl Iterator<Item = &str> {
    let items = properties.get("eventTags").and_then(Node::list).unwrap_or_default();
    items.iter().filter_map(Node::text)
}
