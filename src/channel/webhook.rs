//! The JSON document that any HTTP endpoint may ask for.
//!
//! Owns the document's schema (printed for receivers) and its limits; its signature is beside. Fields are only ever added. Pure.

pub(crate) mod signature;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::text;
use super::words::Words;
use crate::clock::Time;
use crate::event::{EventType, Kind, Level, Provider, Stage};
use crate::message::Message;
use crate::notification::Form;

/// What Standard Webhooks asks bodies to stay under; the HTML is left out and the text cut to keep to it.
pub const BODY_TARGET_BYTES: usize = 20_000;
/// What no body exceeds, however many subscriptions it lists.
pub const BODY_MAX_BYTES: usize = 256 * 1024;

/// What text and HTML may take beside lists that are longer than the target.
const PROSE_MIN_BYTES: usize = 8_000;
const CARRIES_MAX: usize = 50;
const RULES_MAX: usize = 50;

/// One message, as posted. The same message has the same bytes at each attempt.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Bellwether message")]
pub struct Document {
    /// The delivery's id, also in `webhook-id`: the same at each attempt, so that a repeat can be told.
    pub id: String,
    /// When the message was made.
    pub created: Time,
    /// A test: nothing happened.
    pub test: bool,
    /// `message`, or `invitation` to the session of this index of `sessions`.
    pub form: &'static str,
    /// For an invitation: which session it is for, 0-based.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<usize>,
    /// For an invitation: grows with each change of the session (RFC 5545 §3.8.7.4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u32>,
    /// 0 for the first message of a communication; 1, 2, … for addenda that list subscriptions found later.
    pub part: u32,
    /// Whose rules these are.
    pub customer: String,
    /// The receiver of the rule file.
    pub receiver: String,
    /// The rule that asked first.
    pub rule: String,
    /// All rules that asked.
    pub rules: Vec<String>,
    /// Who told us.
    #[schemars(schema_with = "providers")]
    pub provider: &'static str,
    /// Which of the provider's sources, where it knows no accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The provider's name for the trouble: equal for all its messages.
    pub tracking_id: String,
    /// What sort of event it is.
    #[schemars(schema_with = "event_types")]
    pub event_type: &'static str,
    /// What the provider says of its progress.
    #[schemars(schema_with = "stages")]
    pub stage: &'static str,
    /// What this communication is.
    #[schemars(schema_with = "kinds")]
    pub kind: &'static str,
    /// How grave the provider says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "levels")]
    pub level: Option<&'static str>,
    /// The advisory's subtype, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtype: Option<String>,
    /// The provider's title.
    pub title: String,
    /// A subject line, as in the e-mail.
    pub subject: String,
    /// What this is, in a sentence or two.
    pub summary: String,
    /// The provider's own time of this communication.
    pub published: Time,
    /// When impact of the incident began, by the earliest communication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// When impact began, by this communication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact_start: Option<Time>,
    /// When impact was mitigated; the end of maintenance; the deadline of an advisory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact_end: Option<Time>,
    /// What is affected of what the rules ask for.
    pub impact: Vec<Affected>,
    /// The receiver's subscriptions concerned.
    pub subscriptions: Vec<Account>,
    /// The sessions of a retrospective's livestream.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<Sitting>,
    /// Of a reminder: what is awaited, and when it is or was due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminder: Option<Reminds>,
    /// The provider's text.
    pub text: String,
    /// The provider's text as sanitised HTML; empty if it would make the document too large.
    pub html: String,
    /// Whether text, HTML or a list was cut; `links` lead to the whole.
    pub truncated: bool,
    /// Where to read on.
    pub links: Places,
    /// Earlier messages of this incident that could not be delivered, which this one stands for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub carries: Vec<Earlier>,
}

/// What a reminder is about.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Reminds {
    /// Who owes it, or does it; the incident is this provider's, and its tracking id is above.
    #[schemars(schema_with = "providers")]
    pub of: &'static str,
    /// `preliminary-review`, `final-review`, `update`, `repairs`, `maintenance-start` or `maintenance-end`.
    pub awaited: &'static str,
    /// Since when: the mitigation, or the communication that promised it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// When it is or was due.
    pub due: Time,
    /// How late it was when this was raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_seconds: Option<i64>,
}

/// A service in a region.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Affected {
    /// The service, as the provider calls it.
    pub service: String,
    /// The provider's stable id of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// The region, as the provider calls it; `null` where it named a service only.
    pub region: Option<String>,
}

/// A subscription (or other account) of the receiver.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// The names that the rule files give it.
    pub groups: Vec<String>,
}

/// A session of a livestream.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Sitting {
    /// When it starts.
    pub start: Time,
    /// When it ends.
    pub end: Time,
}

/// Links, each `null` where there is none.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Places {
    /// The incident's whole story.
    pub incident: Option<String>,
    /// The provider's portal.
    pub portal: Option<String>,
    /// What the communication itself links to: registration, or a recording.
    pub event: Option<String>,
}

/// A message that this one stands for.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Earlier {
    /// Its title.
    pub title: String,
    /// The provider's time of it.
    pub published: Time,
}

/// The body for `message`: under 20,000 bytes, or what its lists take and 8,000 more; never over 256 KiB.
pub fn render(message: &Message) -> Vec<u8> {
    let mut document = Document::of(message);
    let frame = document.fit_lists();
    let target = BODY_TARGET_BYTES.max(frame + PROSE_MIN_BYTES);
    document.fit_prose(target);
    bytes(&document)
}

/// The JSON Schema (draft 2020-12) of the document.
pub fn schema() -> Schema {
    // what is left out where there is nothing to say is not required: the contract of what is written, not of what is read
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Document>()
}

fn bytes(document: &Document) -> Vec<u8> {
    serde_json::to_vec(document).expect("a document of strings, numbers and times always serialises")
}

impl Document {
    fn of(message: &Message) -> Self {
        let (content, event) = (&message.content, &message.event);
        let words = Words::of(message);
        let (form, session, sequence) = match content.form {
            Form::Message => ("message", None, None),
            Form::Invitation { session, sequence, .. } => ("invitation", Some(session), Some(sequence)),
        };
        let short = |text: &str| text::line(text, 256);
        Self {
            id: message.id.clone(),
            created: message.created,
            test: event.test,
            form,
            session,
            sequence,
            part: content.part,
            customer: short(content.customer.as_str()),
            receiver: short(&content.receiver),
            rule: content.rules.first().map(|rule| short(rule)).unwrap_or_default(),
            rules: content.rules.iter().take(RULES_MAX).map(|rule| short(rule)).collect(),
            provider: event.provider.word(),
            source: event.source.as_deref().map(short),
            tracking_id: short(&event.tracking_id),
            event_type: event.event_type.word(),
            stage: event.stage.word(),
            kind: event.kind.word(),
            level: event.level.map(Level::word),
            subtype: event.subtype.as_deref().map(short),
            title: words.title,
            subject: words.subject,
            summary: text::cut(&words.lead, 1_000).0,
            published: event.published,
            since: content.since,
            impact_start: event.impact_start,
            impact_end: event.impact_end,
            impact: impact(message),
            subscriptions: subscriptions(message),
            sessions: event
                .sessions
                .iter()
                .take(20)
                .map(|one| Sitting {
                    start: one.start,
                    end: one.end,
                })
                .collect(),
            reminder: event.reminder.as_deref().map(|reminder| Reminds {
                of: reminder.of.word(),
                awaited: reminder.awaited.word(),
                since: reminder.since,
                due: reminder.due,
                late_seconds: Some((event.published - reminder.due).num_seconds()).filter(|late| *late > 0),
            }),
            text: words.text,
            html: text::html(&event.html),
            truncated: false,
            links: places(message),
            carries: carries(message),
        }
    }

    /// Shortens the lists until they leave room below the cap; returns the size of all but text and HTML.
    fn fit_lists(&mut self) -> usize {
        loop {
            let frame = bytes(&Self {
                text: String::new(),
                html: String::new(),
                ..self.clone()
            })
            .len();
            if frame + PROSE_MIN_BYTES <= BODY_MAX_BYTES {
                return frame;
            }
            self.truncated = true;
            self.subscriptions.truncate(self.subscriptions.len() / 2);
            self.impact.truncate(self.impact.len() / 2);
        }
    }

    /// Leaves out the HTML, then cuts the text, until the whole keeps to `target`.
    fn fit_prose(&mut self, target: usize) {
        if bytes(self).len() > target && !self.html.is_empty() {
            (self.html, self.truncated) = (String::new(), true);
        }
        let whole = self.text.clone();
        let mut room = whole.chars().count();
        while bytes(self).len() > target && room > 0 {
            room -= (room / 5).max(1);
            self.text = text::cut(&whole, room).0;
            self.truncated = true;
        }
    }
}

fn impact(message: &Message) -> Vec<Affected> {
    let all = message.content.impact.iter();
    let affected = all.map(|one| Affected {
        service: text::line(&one.service, 120),
        service_id: one.service_id.as_deref().map(|id| text::line(id, 64)),
        region: one.region.as_deref().map(|region| text::line(region, 80)),
    });
    affected.collect()
}

fn subscriptions(message: &Message) -> Vec<Account> {
    let all = message.content.subscriptions.iter();
    let accounts = all.map(|one| Account {
        id: text::line(&one.id, 64),
        groups: one.groups.iter().map(|group| text::line(group, 80)).collect(),
    });
    accounts.collect()
}

fn places(message: &Message) -> Places {
    let web = |url: &Option<url::Url>| {
        let url = url
            .as_ref()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.as_str().len() <= 2_000);
        url.map(|url| url.as_str().to_owned())
    };
    Places {
        incident: web(&message.content.links.incident),
        portal: web(&message.content.links.portal),
        event: web(&message.event.link),
    }
}

fn carries(message: &Message) -> Vec<Earlier> {
    let last = message.content.carries.len().saturating_sub(CARRIES_MAX);
    let kept = message.content.carries.iter().skip(last);
    kept.map(|one| Earlier {
        title: text::line(&one.title, 300),
        published: one.published,
    })
    .collect()
}

fn words(all: Vec<&'static str>) -> Schema {
    json_schema!({ "type": "string", "enum": all })
}

fn providers(_: &mut SchemaGenerator) -> Schema {
    words(Provider::ALL.iter().map(|word| word.word()).collect())
}

fn event_types(_: &mut SchemaGenerator) -> Schema {
    words(EventType::ALL.iter().map(|word| word.word()).collect())
}

fn stages(_: &mut SchemaGenerator) -> Schema {
    words(Stage::ALL.iter().map(|word| word.word()).collect())
}

fn kinds(_: &mut SchemaGenerator) -> Schema {
    words(Kind::ALL.iter().map(|word| word.word()).collect())
}

fn levels(_: &mut SchemaGenerator) -> Schema {
    words(Level::ALL.iter().map(|word| word.word()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::sample;

    #[test]
    fn the_document_is_what_the_snapshot_says() {
        insta::assert_json_snapshot!(
            serde_json::from_slice::<serde_json::Value>(&render(&sample::update())).expect("JSON")
        );
    }

    #[test]
    fn a_long_text_is_cut_and_says_so_and_links_stay() {
        for sample in [
            sample::with_text(&"é".repeat(60_000)),
            sample::with_text(&"word\n\n".repeat(9_000)),
            sample::with_text(&"\"\\".repeat(30_000)),
        ] {
            let body = render(&sample);
            assert!(body.len() <= BODY_TARGET_BYTES, "{}", body.len());
            let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(document["truncated"], true);
            assert!(document["links"]["incident"].is_string());
        }
    }

    #[test]
    fn ten_thousand_subscriptions_stay_under_the_cap() {
        let body = render(&sample::with_subscriptions(10_000));
        assert!(body.len() <= BODY_MAX_BYTES, "{}", body.len());
        let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(document["truncated"], true);
    }

    #[test]
    fn five_hundred_subscriptions_are_all_listed() {
        let document: serde_json::Value =
            serde_json::from_slice(&render(&sample::with_subscriptions(500))).expect("JSON");
        assert_eq!(document["subscriptions"].as_array().map(Vec::len), Some(500));
        assert_eq!(document["truncated"], false);
    }

    #[test]
    fn hostile_text_stays_inside_its_strings_and_bytes_repeat() {
        for message in sample::hostile() {
            let body = render(&message);
            assert_eq!(body, render(&message));
            assert!(body.len() <= BODY_MAX_BYTES);
            let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            let known = schema().to_value()["properties"]
                .as_object()
                .expect("properties")
                .clone();
            assert!(
                document
                    .as_object()
                    .expect("an object")
                    .keys()
                    .all(|key| known.contains_key(key))
            );
            assert!(
                !document["title"]
                    .as_str()
                    .expect("a title")
                    .chars()
                    .any(char::is_control)
            );
        }
    }

    #[test]
    fn the_schema_names_every_word() {
        let schema = schema().to_value();
        assert_eq!(
            schema["properties"]["kind"]["enum"].as_array().map(Vec::len),
            Some(Kind::ALL.len())
        );
        assert!(
            schema["required"]
                .as_array()
                .expect("required")
                .iter()
                .any(|name| name == "tracking_id")
        );
    }

    #[test]
    fn every_body_is_valid_by_the_schema_that_receivers_are_given() {
        let validator = jsonschema::draft202012::new(schema().as_value()).expect("a schema");
        let usual = [sample::update(), sample::review(), sample::with_subscriptions(500)];
        for message in usual.into_iter().chain(sample::hostile()) {
            let body = serde_json::from_slice(&render(&message)).expect("JSON");
            let wrong: Vec<String> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
        assert!(!validator.is_valid(&serde_json::json!({ "id": "dlv_1" })));
    }
}
