//! The JSON Schema of an archive's lines: what other programs read a file by.
//!
//! It is written by hand, because it is a promise: the compiler must not change it when a type changes. A test holds
//! archives of real events against it, and looks whether each of their fields is named here.

use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};

use super::{FORMAT, VERSION};
use crate::claim::State;
use crate::event::{Awaited, EventType, Form, Kind, Level, Provider, Stage};

/// The JSON Schema (draft 2020-12) of each line of an archive.
pub fn schema() -> Schema {
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of a bellwether archive",
        "description": "JSON Lines: a header, then what people said of claims and downtimes, then one incident after another \
            with its events and what became of them, then a trailer. New fields and new kinds of lines may come with any version: pass over those you do not know.",
        "type": "object",
        "required": ["type"],
        "properties": { "type": { "type": "string" } },
        "oneOf": [
            { "$ref": "#/$defs/header" }, { "$ref": "#/$defs/incident" }, { "$ref": "#/$defs/event_line" },
            { "$ref": "#/$defs/set" }, { "$ref": "#/$defs/verdict" }, { "$ref": "#/$defs/delivery" },
            { "$ref": "#/$defs/attempt" }, { "$ref": "#/$defs/correction" }, { "$ref": "#/$defs/claim-reminders" },
            { "$ref": "#/$defs/claim" }, { "$ref": "#/$defs/downtime" }, { "$ref": "#/$defs/resources" },
            { "$ref": "#/$defs/mark" }, { "$ref": "#/$defs/trailer" },
            { "$ref": "#/$defs/other" },
        ],
        "$defs": definitions(),
    })
}

fn definitions() -> Value {
    json!({
        "time": { "type": "string", "format": "date-time" },
        "position": { "type": "string", "pattern": "^[0-9]+\\.[0-9]+$", "description": "where it stands in the daemon's journal" },
        "seconds": { "type": ["integer", "null"], "minimum": 0, "description": "null: for ever" },
        "accounts": { "type": "array", "items": { "type": "string" } },
        "header": header(), "incident": incident(), "event_line": event_line(), "event": event(), "impact": impact(),
        "set": line("set", "Accounts that several verdicts refer to", json!({
            "id": of("position"), "event": of("position"), "accounts": of("accounts"),
        }), &["id", "event", "accounts"]),
        "verdict": verdict(), "delivery": delivery(), "attempt": attempt(), "correction": correction(),
        "claim-reminders": claim_reminders(), "claim": claim(), "claim_row": claim_row(), "downtime": downtime(),
        "resources": resources(),
        "mark": line("mark", "A place to go on from: `GET /v1/export?after=`", json!({
            "after": { "type": ["string", "null"] },
        }), &["after"]),
        "trailer": line("trailer", "The last line: a file without it was cut", json!({
            "lines": { "type": "integer", "description": "lines before this one" },
            "counts": { "type": "object", "additionalProperties": { "type": "integer" } },
            "sha256": { "type": "string", "description": "of all bytes before this line, hex" },
        }), &["lines", "counts", "sha256"]),
        "other": {
            "description": "kinds of lines of later versions",
            "properties": { "type": { "not": { "enum": [
                "header", "incident", "event", "set", "verdict", "delivery", "attempt", "correction", "claim-reminders", "claim",
                "downtime", "resources", "mark", "trailer",
            ] } } },
        },
    })
}

/// A kind of lines.
fn line(kind: &str, about: &str, properties: Value, required: &[&str]) -> Value {
    let mut all = match properties {
        Value::Object(all) => all,
        _ => Map::new(),
    };
    all.insert("type".to_owned(), json!({ "const": kind }));
    let required: Vec<&str> = ["type"].into_iter().chain(required.iter().copied()).collect();
    json!({ "description": about, "type": "object", "properties": all, "required": required })
}

fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn or_null(name: &str) -> Value {
    json!({ "anyOf": [of(name), { "type": "null" }] })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> Value {
    let words: Vec<&str> = all.iter().map(|one| word(*one)).collect();
    json!({ "type": "string", "examples": words })
}

fn provider() -> Value {
    words(Provider::ALL, Provider::word)
}

fn kind() -> Value {
    words(Kind::ALL, Kind::word)
}

fn header() -> Value {
    let properties = json!({
        "format": { "const": FORMAT },
        "version": { "type": "integer", "minimum": 1, "maximum": VERSION },
        "made_by": text(), "made": of("time"),
        "through": { "type": "integer", "description": "events up to this record of the journal are in it" },
        "customer": { "type": ["string", "null"], "description": "whose part it is; null: everything" },
        "since": or_null("time"),
        "holds": { "type": "array", "items": text() },
        "kept": { "type": "object", "description": "how long the daemon keeps what", "properties": {
            "events_seconds": of("seconds"), "reviews_seconds": of("seconds"), "deliveries_seconds": of("seconds"),
        } },
    });
    line(
        "header",
        "The first line",
        properties,
        &["format", "version", "made", "through", "holds"],
    )
}

fn incident() -> Value {
    let properties = json!({
        "provider": provider(), "tracking_id": text(), "event_type": words(EventType::ALL, EventType::word),
        "status": text(), "status_since": of("time"), "title": text(), "kind": kind(),
        "level": { "type": ["string", "null"] }, "impact_start": or_null("time"), "impact_end": or_null("time"),
        "updated": of("time"), "first_heard": of("time"), "test": { "type": "boolean" },
    });
    line(
        "incident",
        "What is known of an incident; its events follow",
        properties,
        &["provider", "tracking_id", "title"],
    )
}

fn event_line() -> Value {
    let properties = json!({
        "id": of("position"), "heard": of("time"), "provider": provider(), "tracking_id": text(),
        "decided": { "type": "boolean" }, "nothing": { "type": "string", "description": "why nothing (more) followed" },
        "event": { "anyOf": [of("event"), { "type": "null" }], "description": "null: its text is lost" },
    });
    line(
        "event",
        "An event of the incident before it, whole",
        properties,
        &["provider", "tracking_id", "event"],
    )
}

fn event() -> Value {
    let string = || json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["provider", "tracking_id", "event_type", "stage", "kind", "title", "published", "arrival", "form"],
        "properties": {
            "provider": provider(), "source": string(), "tracking_id": string(),
            "event_type": words(EventType::ALL, EventType::word), "subtype": string(),
            "stage": words(Stage::ALL, Stage::word), "kind": kind(), "level": words(Level::ALL, Level::word),
            "title": string(), "html": { "type": "string", "description": "sanitised" }, "text": string(),
            "impact": { "type": "array", "items": of("impact") }, "accounts": of("accounts"),
            "impact_start": of("time"), "impact_end": of("time"), "published": of("time"),
            "published_said": { "$ref": "#/$defs/time", "description": "the provider's word, where it is wild" },
            "sessions": { "type": "array", "items": {
                "type": "object", "properties": { "start": of("time"), "end": of("time") }, "required": ["start", "end"],
            } },
            "link": { "type": "string", "format": "uri" },
            "properties": { "type": "object", "additionalProperties": { "type": "string" } },
            "test": { "type": "boolean" }, "communication_id": string(),
            "arrival": { "type": "string", "enum": ["live", "history"] },
            "notes": { "type": "array", "items": { "type": "object", "properties": {
                "field": string(), "what": string(), "word": string(),
            } } },
            "form": words(Form::ALL, Form::word),
            "tags": { "type": "array", "items": string(), "description": "the provider's words for what it is" },
            "reminder": reminder(),
            "text_withheld": { "type": "boolean", "description": "the provider left out its text" },
            "imported": { "type": "object", "description": "where it was heard first", "properties": {
                "heard": of("time"), "id": of("position"),
            }, "required": ["heard", "id"] },
        },
    })
}

fn reminder() -> Value {
    json!({
        "type": "object", "required": ["of", "title", "awaited", "due"], "description": "what our own event reminds of",
        "properties": {
            "of": provider(), "title": text(), "awaited": words(Awaited::ALL, Awaited::word), "since": of("time"),
            "due": of("time"), "repairs": { "type": "array", "items": text() },
        },
    })
}

fn impact() -> Value {
    json!({
        "type": "object", "required": ["service"],
        "properties": { "service": text(), "service_id": text(), "region": text(), "accounts": of("accounts") },
    })
}

fn verdict() -> Value {
    let properties = json!({
        "event": of("position"), "customer": text(), "rule": text(),
        "verdict": { "enum": ["planned", "joined", "held", "withheld"] },
        "why": text(), "until": of("time"), "followed": { "type": "boolean" },
        "receivers": { "type": "array", "items": text() }, "accounts": of("accounts"),
        "accounts_of": { "$ref": "#/$defs/position", "description": "the set that names the accounts" },
    });
    line(
        "verdict",
        "What a rule made of the event",
        properties,
        &["event", "customer", "rule", "verdict"],
    )
}

fn delivery() -> Value {
    let properties = json!({
        "id": text(), "provider": provider(), "tracking_id": text(), "customer": text(),
        "rules": { "type": "array", "items": text() }, "receiver": text(), "channel": text(),
        "form": { "enum": ["message", "invitation"] },
        "state": { "enum": ["gathering", "scheduled", "delivered", "dead", "forgotten"] },
        "title": text(), "kind": kind(), "created": of("time"), "published": of("time"), "event": of("position"),
        "part": { "type": "integer" }, "attempts": { "type": "integer" }, "end": text(), "ended": of("time"),
        "superseded_by": text(), "next_attempt": of("time"),
    });
    line(
        "delivery",
        "What a receiver was told of the incident",
        properties,
        &["id", "customer", "receiver", "state", "event"],
    )
}

fn correction() -> Value {
    let properties = json!({
        "provider": provider(), "tracking_id": text(), "at": of("time"),
        "by": { "type": "string", "description": "the name of a token" }, "reason": text(),
        "corrects": { "type": "string", "examples": ["size", "kind", "window", "requested"] },
        "size": { "enum": ["small", "standard", "largest"] }, "kind": kind(),
        "communication": { "type": "string", "description": "whose kind it is" }, "published": of("time"),
        "window": { "type": "object", "properties": { "start": of("time"), "end": of("time") }, "required": ["start", "end"] },
    });
    line(
        "correction",
        "What a person said of the incident against the provider's word",
        properties,
        &["provider", "tracking_id", "at", "by", "reason", "corrects"],
    )
}

fn claim_reminders() -> Value {
    let properties = json!({
        "customer": text(), "of": { "type": "array", "items": {
            "type": "object", "required": ["claim", "mark"], "properties": { "claim": text(), "mark": text() },
        } },
    });
    line(
        "claim-reminders",
        "Of which claims the customer was reminded, and of what",
        properties,
        &["customer", "of"],
    )
}

fn claim() -> Value {
    let said = json!({
        "type": "object", "description": "what is left out stays as it was", "properties": {
            "state": states(), "owner": text(), "addressee": text(), "asked": amount(), "granted": amount(),
            "credited": amount(), "not_worth_it": { "type": "boolean" }, "note": text(),
            "evidence": { "type": "array", "items": {
                "type": "object", "required": ["asked", "place"], "properties": { "asked": text(), "place": text() },
            } },
        },
    });
    let properties = json!({
        "customer": text(), "claim": { "type": "string", "description": "its id" }, "at": of("time"), "by": text(),
        "said": said, "row": { "$ref": "#/$defs/claim_row", "description": "the figures as they were then" },
        "taken_in_by": { "type": "string", "description": "who took it in, of one out of an archive" },
    });
    line(
        "claim",
        "What a person said of a claim; the oldest of each claim first",
        properties,
        &["customer", "claim", "at", "by", "said", "row"],
    )
}

fn states() -> Value {
    words(&State::ALL, State::word)
}

fn amount() -> Value {
    json!({ "type": "string", "description": "a decimal in the claim's currency; empty: taken back" })
}

fn claim_row() -> Value {
    let or_nothing = || json!({ "type": ["string", "null"] });
    json!({
        "type": "object", "required": ["id", "customer", "provider", "service", "month"], "properties": {
            "id": text(), "customer": text(), "provider": text(), "service": text(), "tier": or_nothing(),
            "region": or_nothing(), "subscription": or_nothing(), "resource": or_nothing(), "month": text(), "billing_period": text(), "terms_source": text(),
            "available_minutes": text(), "down_minutes": or_nothing(), "uptime_percent": or_nothing(),
            "step_percent": or_nothing(), "step_below": text(), "fee": or_nothing(), "currency": or_nothing(), "credit": or_nothing(),
            "last_day": or_nothing(), "state": or_nothing(), "edition": or_nothing(), "provisional": { "type": "boolean" },
            "verified": { "type": "boolean" }, "incidents": { "type": "array", "items": text() },
            "downtimes": { "type": "array", "items": text() }, "open_case_by": of("time"),
            "cases": { "type": "array", "items": { "type": "object", "properties": {
                "incident": text(), "began": of("time"), "by": of("time"),
            } } },
            "processed_within_seconds": { "type": "integer" }, "evidence": { "type": "array", "items": text() },
            "explanation": { "type": "array", "items": text() },
        },
    })
}

fn downtime() -> Value {
    let properties = json!({
        "id": text(), "customer": text(), "provider": text(), "service": text(), "region": text(), "subscription": text(),
        "resource": text(), "from": of("time"), "until": of("time"), "reason": text(),
        "evidence": { "type": "array", "items": text() }, "at": of("time"), "by": text(),
        "withdrawn": { "type": "object", "required": ["at", "by", "reason"], "properties": {
            "at": of("time"), "by": text(), "reason": text(),
        } },
        "taken_in_by": { "type": "string", "description": "who took it in, of one out of an archive" },
    });
    let required = [
        "id", "customer", "provider", "service", "from", "until", "reason", "evidence", "at", "by",
    ];
    line("downtime", "Downtime that a person entered", properties, &required)
}

fn resources() -> Value {
    let resource = json!({
        "type": "object", "required": ["id", "confirmed"], "properties": {
            "id": text(), "type": text(), "name": text(), "account": { "type": ["string", "null"] },
            "region": { "type": ["string", "null"] }, "confirmed": { "type": "boolean" },
        },
    });
    let properties = json!({
        "provider": provider(), "tracking_id": text(), "customer": text(), "at": of("time"), "by": text(),
        "complete": { "type": "boolean", "description": "whether the newest list of all was whole" },
        "resources": { "type": "array", "items": resource },
    });
    let required = ["provider", "tracking_id", "customer", "at", "by", "resources"];
    line(
        "resources",
        "Resources that the incident before it impacted",
        properties,
        &required,
    )
}

fn attempt() -> Value {
    let properties = json!({
        "delivery": text(), "number": { "type": "integer" }, "started": of("time"), "ended": of("time"),
        "outcome": { "enum": ["delivered", "retry", "refused", "gone"] }, "why": text(),
    });
    line(
        "attempt",
        "A try of the delivery before it",
        properties,
        &["delivery", "number", "started", "ended", "outcome"],
    )
}
