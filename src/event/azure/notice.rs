//! The notice inside an Activity Log entry: the `properties` that webhooks, alerts, log events and records share.
//!
//! Nothing in it is required but something to tell: a title, a text, or at least the trouble's name. Words that this
//! version does not know, and fields in another form than expected, are noted on the event and cost nobody the notice.

use std::collections::{BTreeMap, BTreeSet};

use super::super::allowance::Allowance;
use super::super::draft::{Draft, Impacts, UNSAID};
use super::super::json::{self, Fault, Node, Value};
use super::super::note::Notes;
use super::super::{EventType, Form, Stage, html};
use super::times::time;
use super::{Heard, impact, words};

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

/// What other sources call themselves that share the endpoint.
const OTHERS: [&str; 8] = [
    "ResourceHealth",
    "Administrative",
    "Security",
    "Autoscale",
    "Alert",
    "Policy",
    "Recommendation",
    "Platform",
];

/// The entry's category, unless it is service health. The common schema writes it as a number (2), and the rule's
/// category as the name of the operation.
fn other_category(entry: &Node) -> Option<String> {
    let named = words::first(entry, &["eventSource", "category"]).filter(|word| word.parse::<i64>().is_err());
    match named {
        Some(word) if is_service_health(&word) => None,
        // a category that is not known, of an operation that is
        Some(word) => (!is_operation(entry) || OTHERS.iter().any(|other| is_same(other, &word))).then_some(word),
        None if is_operation(entry) || entry.find(&["properties", "trackingId"]).is_some() => None,
        None => {
            let operation = words::value(entry, "operationName").unwrap_or_default();
            Some(match operation.is_empty() {
                true => "an entry without a category".to_string(),
                false => operation,
            })
        }
    }
}

fn is_same(one: &str, other: &str) -> bool {
    super::super::fold(one) == super::super::fold(other)
}

/// Whether a word of Azure's means Service Health.
pub(super) fn is_service_health(word: &str) -> bool {
    super::super::fold(word).contains("servicehealth")
}

/// Whether an entry is about an operation of Service Health.
pub(super) fn is_operation(entry: &Node) -> bool {
    let operation = words::value(entry, "operationName").unwrap_or_default();
    operation.to_ascii_lowercase().starts_with("microsoft.servicehealth/")
}

/// A notice that belongs to nobody's subscription reaches hardly anybody: that its word for one cannot be read is said.
fn note_lost_account(entry: &Node, notes: &mut Notes) {
    let id = words::value(entry, "subscriptionId").unwrap_or_default();
    if !id.trim().is_empty() {
        notes.unknown_word(
            "subscriptionId",
            &id,
            "the notice counts as one that names no subscription",
        );
    }
}

/// The event, and what it takes for what is impacted, bytes.
fn draft(entry: &Node, envelope: Envelope, allowance: &Allowance) -> Result<(Draft, usize), Fault> {
    let mut notes = Notes::default();
    let unpacked = unpacked(entry, &mut notes);
    let properties = match &unpacked {
        Some(properties) => properties,
        None => properties_of(entry, &mut notes),
    };
    // Rules match on English, whatever language the subscription reads: the default language comes first.
    let title = words::first_text(properties, &["defaultLanguageTitle", "title"], &mut notes).unwrap_or_default();
    let body = words::first_text(properties, &["defaultLanguageContent", "communication"], &mut notes)
        .or_else(|| words::first(entry, &["resultDescription", "description"]))
        .unwrap_or_default();
    if title.is_empty() && body.is_empty() && words::name(properties, "trackingId").is_none() {
        return Err(nothing_to_tell(entry));
    }
    let named = [(properties, "trackingId")];
    let tracking_id = words::tracking_id(&named, if title.is_empty() { &body } else { &title }, &mut notes);
    let test = words::says_yes(properties, "isSynthetic") || words::is_test_id(&tracking_id);
    if envelope.accounts.is_empty() && !test {
        note_lost_account(entry, &mut notes);
    }
    let impacted = impact::of_notice(properties, allowance, &mut notes)?;
    let (event_type, new_type) = event_type(entry, properties, &mut notes);
    let draft = Draft {
        form: envelope.form,
        source: None,
        event_type,
        subtype: words::name(properties, "eventSubType").or(new_type).map(Into::into),
        stage: stage(entry, properties, &mut notes),
        level: words::level(entry, "level", &mut notes),
        title: html::one_line(&title).into(),
        body,
        impact: Impacts::all(impacted.pairs),
        accounts: envelope.accounts,
        impact_start: time(properties, "impactStartTime", &mut notes),
        impact_end: time(properties, "impactMitigationTime", &mut notes),
        published: published(entry, &mut notes),
        properties: envelope.custom,
        tags: tags(properties).map(str::to_owned).collect(),
        test,
        communication_id: words::name(properties, "communicationId"),
        tracking_id: tracking_id.into(),
        notes: notes.into_vec().into(),
        text_withheld: false,
    };
    Ok((draft, impacted.bytes))
}

/// Properties that come as a JSON text.
fn unpacked(entry: &Node, notes: &mut Notes) -> Option<Node> {
    let text = entry.get("properties").and_then(Node::text)?;
    let document = json::parse(text).ok()?;
    document.root.object()?;
    notes.oddities("properties", &document.oddities);
    Some(document.root)
}

/// The members of the notice: the entry's properties, or what is wrapped in them; the entry itself where it has none.
fn properties_of<'a>(entry: &'a Node, notes: &mut Notes) -> &'a Node {
    let Some(properties) = entry
        .get("properties")
        .filter(|properties| properties.object().is_some())
    else {
        notes.add("properties", "there are none; what the entry itself says was read");
        return entry;
    };
    match (properties.get("trackingId"), properties.get("eventProperties")) {
        (None, Some(inner)) if inner.object().is_some() => inner,
        _ => properties,
    }
}

fn nothing_to_tell(entry: &Node) -> Fault {
    let (at, key) = match entry.get("properties") {
        Some(properties) if matches!(properties.value, Value::Object(_)) => (properties, "title"),
        _ => (entry, "properties"),
    };
    let fault = Fault::missing(at, key);
    Fault {
        what: "this notice has neither a title nor a text nor a tracking id".to_owned(),
        ..fault
    }
    .hint("a notice of Service Health has `title`, `communication` and `trackingId` in its `properties`")
}

/// The type, and the word for it where this version does not know it: then it stands where rules look for subtypes.
fn event_type(entry: &Node, properties: &Node, notes: &mut Notes) -> (EventType, Option<String>) {
    let word = words::text(properties, "incidentType", notes);
    if let Some(known) = word
        .as_deref()
        .and_then(EventType::read)
        .filter(|known| *known != EventType::Other)
    {
        return (known, None);
    }
    let operation = words::value(entry, "operationName").unwrap_or_default();
    let event_type = operation
        .split('/')
        .nth(1)
        .and_then(EventType::read)
        .unwrap_or(EventType::Other);
    match word {
        Some(word) => notes.unknown_word(
            "incidentType",
            &word,
            &format!("the event type is taken as {event_type}"),
        ),
        None if event_type == EventType::Other => {
            notes.add("incidentType", "there is none; the event type is taken as Other")
        }
        None => {}
    }
    let word = words::name(properties, "incidentType").map(|word| words::quoted(&word));
    (event_type, word)
}

/// The notice's stage, or what the entry says where the notice does not know one.
fn stage(entry: &Node, properties: &Node, notes: &mut Notes) -> Stage {
    let known = |word: &str| Stage::read(word).filter(|stage| *stage != Stage::Unknown);
    let word = words::text(properties, "stage", notes);
    if let Some(stage) = word.as_deref().and_then(known) {
        return stage;
    }
    let by_status = ["status", "resultType"]
        .iter()
        .find_map(|key| known(&words::value(entry, key)?));
    let stage = by_status.unwrap_or(Stage::Unknown);
    match word {
        Some(word) => notes.unknown_word("stage", &word, &format!("the stage is taken as {stage}")),
        None if stage == Stage::Unknown => notes.add("stage", "there is none; the stage is taken as Unknown"),
        None => {}
    }
    stage
}

/// The members that may say when it was published, the best first.
const PUBLISHED: [&str; 3] = ["eventTimestamp", "time", "submissionTimestamp"];

/// The provider's own time of the communication, if it says one.
fn published(entry: &Node, notes: &mut Notes) -> crate::clock::Time {
    let said = PUBLISHED.iter().find_map(|key| time(entry, key, notes));
    said.unwrap_or_else(|| {
        notes.add(
            "eventTimestamp",
            "no time of publishing can be read; that of arrival counts",
        );
        UNSAID
    })
}

/// What the provider says a communication is (`Final PIR`).
pub(super) fn tags(properties: &Node) -> impl Iterator<Item = &str> {
    let items = properties.get("eventTags").and_then(Node::list).unwrap_or_default();
    items.iter().filter_map(Node::text)
}
