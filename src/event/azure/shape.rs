//! Tells the forms apart by their content. Knows names of keys and nothing else.

use super::super::json::Node;
use super::{notice, words};

/// What a JSON value looks like.
pub(super) enum Shape<'a> {
    /// The legacy activity-log webhook.
    Webhook,
    /// The common alert schema.
    Common,
    /// An Activity Log event, or one record of a diagnostic setting.
    Log,
    /// An event of `Microsoft.ResourceHealth/events`.
    Event,
    /// The emerging issues of the public status page.
    Emerging,
    /// Several of any form.
    List(&'a [Node]),
    /// Something else of Azure's that people send to the same address.
    Other { what: String, why: String },
    /// Another provider's form.
    Foreign(&'static str),
    /// Nothing that we know.
    Unknown,
}

/// What `node` looks like.
pub(super) fn of(node: &Node) -> Shape<'_> {
    if let Some(items) = node.list() {
        return Shape::List(items);
    }
    if let Some(schema) = node.get("schemaId").and_then(Node::text) {
        return by_schema(node, schema);
    }
    by_keys(node)
        .or_else(|| other(node))
        .or_else(|| foreign(node))
        .unwrap_or(Shape::Unknown)
}

/// By its schema; one that is not known yet may still hold a notice where the known ones hold it.
fn by_schema<'a>(node: &'a Node, schema: &str) -> Shape<'a> {
    let holds_alert = || {
        let context = node.find(&["data", "alertContext"]);
        context.is_some_and(notice::is_operation) && node.find(&["data", "essentials"]).is_some()
    };
    let holds_entry = || {
        let entry = node.find(&["data", "context", "activityLog"]);
        entry.is_some_and(is_health)
    };
    if schema.eq_ignore_ascii_case("Microsoft.Insights/activityLogs") {
        Shape::Webhook
    } else if schema.eq_ignore_ascii_case("azureMonitorCommonAlertSchema") {
        Shape::Common
    } else if holds_entry() {
        Shape::Webhook
    } else if holds_alert() {
        Shape::Common
    } else {
        let what = words::quoted(schema);
        let why = format!("an alert of schema `{what}` is not a service-health event");
        Shape::Other { what, why }
    }
}

/// Whether an entry says of itself that it comes from Service Health.
fn is_health(entry: &Node) -> bool {
    let named = ["category", "eventSource"]
        .iter()
        .find_map(|key| words::value(entry, key));
    notice::is_operation(entry) || named.is_some_and(|word| notice::is_service_health(&word))
}

fn by_keys(node: &Node) -> Option<Shape<'_>> {
    let has = |key: &str| node.get(key).is_some();
    let inner = |key: &str| node.find(&["properties", key]).is_some();
    let list = node.get("records").or_else(|| node.get("value")).and_then(Node::list);
    if let Some(items) = list {
        return Some(Shape::List(items));
    }
    if has("statusActiveEvents") || inner("statusActiveEvents") {
        Some(Shape::Emerging)
    } else if has("eventType") || inner("eventType") || is_health_event(node) {
        Some(Shape::Event)
    } else if (has("properties") && ["category", "eventSource", "operationName"].iter().any(|key| has(key)))
        || is_health(node)
    {
        Some(Shape::Log)
    } else if node.find(&["data", "context", "activityLog"]).is_some() {
        Some(Shape::Webhook)
    } else {
        node.find(&["data", "essentials"]).map(|_| Shape::Common)
    }
}

/// Whether an item without a type says of itself that it is a health event.
fn is_health_event(node: &Node) -> bool {
    let kind = words::value(node, "type").unwrap_or_default();
    kind.to_ascii_lowercase().ends_with("microsoft.resourcehealth/events")
}

fn other(node: &Node) -> Option<Shape<'_>> {
    let has = |path: &[&str]| node.find(path).is_some();
    let kind = node.get("type").and_then(Node::text).unwrap_or_default();
    let (what, why) = if kind.to_ascii_lowercase().ends_with("events/impactedresources") {
        (
            "impacted resources",
            "a list of impacted resources tells nothing that can be passed on",
        )
    } else if has(&["operation"]) && has(&["context", "resourceId"]) {
        ("autoscale", "an autoscale notification is not a service-health event")
    } else if has(&["context", "condition"]) {
        ("metric alert", "a metric alert is not a service-health event")
    } else if has(&["SearchQuery"]) || has(&["AlertRuleName"]) {
        ("log alert", "a log alert is not a service-health event")
    } else if has(&["SystemAlertId"]) || has(&["AlertUri"]) {
        ("security alert", "a security alert is not a service-health event")
    } else if has(&["category"]) && words::value(node, "category").is_some() {
        (
            "activity log",
            "an activity log entry without properties is not a service-health event",
        )
    } else {
        return None;
    };
    Some(Shape::Other {
        what: what.to_string(),
        why: why.to_string(),
    })
}

fn foreign(node: &Node) -> Option<Shape<'_>> {
    let has = |key: &str| node.get(key).is_some();
    let source = node.get("source").and_then(Node::text).unwrap_or_default();
    if has("detail-type") || source.starts_with("aws.") {
        Some(Shape::Foreign("AWS Health"))
    } else if has("TopicArn") {
        Some(Shape::Foreign("an AWS SNS message"))
    } else if has("jsonPayload") || has("affected_products") {
        Some(Shape::Foreign("Google Cloud"))
    } else if has("page") && (has("incident") || has("component")) {
        Some(Shape::Foreign("Statuspage"))
    } else {
        None
    }
}
