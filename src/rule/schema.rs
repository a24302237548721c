//! The JSON Schema of rule files, for completion and checking in editors (draft 2020-12).
//!
//! It describes the same keys as [`super::file`]; a test holds the two together. Values of vocabularies are offered,
//! not enforced: other spellings are understood, and the check says more about a wrong one than an editor can.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::event::{EventType, Kind, Level, Provider, Stage};

/// The schema of a rule file.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(RuleFile);
    schema.insert("title".to_owned(), "Bellwether rule file".into());
    schema.to_value()
}

/// Who is told of which service-health events.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("patternProperties" = { "^x-": {} }))]
#[allow(dead_code)] // described, never built
struct RuleFile {
    /// Names for the accounts (subscriptions) you own: a group's name and its ids.
    subscriptions: Option<BTreeMap<String, Texts>>,
    /// Who can be told: a name and its addresses.
    receivers: Option<BTreeMap<String, Receiver>>,
    /// Conditions, and whom they tell.
    rules: Option<Vec<Rule>>,
    /// Made-up events and who must be told of them; a failing test keeps the file's last good version in force.
    tests: Option<Vec<Test>>,
}

/// A condition and who is told when it matches.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct Rule {
    /// Unique in the folder, at most 200 characters.
    name: String,
    /// What an event must be: all keys must hold, any value of a key's list suffices. `{}` is every event of a provider.
    when: Condition,
    /// What is taken away again: the part it names, or everything if it names neither subscriptions nor impact.
    unless: Option<OneOrMany<Condition>>,
    /// Receivers that get messages.
    notify: Option<Texts>,
    /// Receivers that get calendar invitations to incident retrospectives; they need e-mail addresses.
    invite: Option<Texts>,
    /// How long notifications gather before they are sent; `0s` sends at once. Default `10s`.
    settle: Option<String>,
    /// What else those who were told of an incident hear: `end` (default, unless `when` names stages or kinds), `nothing`, `all`.
    #[schemars(schema_with = "follow")]
    follow: Option<String>,
    /// Tell each communication even after an outage of the receiver, not only the latest. Default false.
    every: Option<bool>,
    /// Whether the provider's test events reach this rule. Default false.
    #[schemars(rename = "test events")]
    test_events: Option<bool>,
    /// Switched off rules are checked and match nothing. Default true.
    enabled: Option<bool>,
}

/// What an event must be.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct Condition {
    /// Service issue, Planned maintenance, Health advisory, Security advisory, Billing.
    #[schemars(rename = "event type", schema_with = "event_types")]
    event_type: Option<Texts>,
    /// What the provider says of its progress. A post incident review has the stage RCA.
    #[schemars(schema_with = "stages")]
    stage: Option<Texts>,
    /// What the communication is: update, mitigation, preliminary review, final review, retrospective, …
    #[schemars(schema_with = "kinds")]
    kind: Option<Texts>,
    /// How grave the provider says it is.
    #[schemars(schema_with = "levels")]
    level: Option<Texts>,
    /// Groups of subscriptions, or their ids.
    subscriptions: Option<Texts>,
    /// Pairs: this service in this region.
    impact: Option<OneOrMany<Pair>>,
    /// Short for one pair of `impact`.
    service: Option<Texts>,
    /// Short for one pair of `impact`.
    region: Option<Texts>,
    /// A glob over the whole title, or `/a regular expression/`.
    title: Option<Texts>,
    /// A glob over the whole text, or `/a regular expression/`.
    text: Option<Texts>,
    /// A pattern for the provider's tracking id.
    #[schemars(rename = "tracking id")]
    tracking_id: Option<Texts>,
    /// Who tells us.
    #[schemars(schema_with = "providers")]
    provider: Option<Texts>,
    /// An advisory's subtype, for example Retirement.
    subtype: Option<Texts>,
    /// The alert's custom properties: names and patterns.
    properties: Option<BTreeMap<String, Texts>>,
    /// `none`: what no customer owns (operator's rules only).
    #[schemars(schema_with = "owner")]
    owner: Option<String>,
}

/// This service in this region.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct Pair {
    /// Names, former names or ids of services.
    service: Option<Texts>,
    /// Regions; Global is what it says, not "any".
    region: Option<Texts>,
}

/// Who is told.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code)] // described, never built
enum Receiver {
    /// Addresses alone.
    Addresses(Vec<Address>),
    /// Addresses and how they are told.
    Table(ReceiverTable),
}

/// Addresses and how they are told.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct ReceiverTable {
    /// Where the receiver reads.
    to: OneOrMany<Address>,
    /// The IANA time zone that times are shown in. Default UTC.
    zone: Option<String>,
}

/// One way to tell somebody.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct Address {
    /// One or more e-mail addresses.
    email: Option<Texts>,
    /// An HTTP endpoint that gets JSON.
    webhook: Option<Webhook>,
    /// A Slack incoming webhook.
    slack: Option<Chat>,
    /// A Teams Workflows webhook.
    teams: Option<Chat>,
}

/// An HTTP endpoint.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct Webhook {
    /// Its URL, or the name of the secret that holds it.
    url: TextOrSecret,
    /// The secret that messages are signed with (Standard Webhooks).
    signing: Option<Secret>,
}

/// A chat's webhook.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct Chat {
    /// Its URL, or the name of the secret that holds it.
    url: TextOrSecret,
}

/// A text, or the name of the secret that holds it.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code)] // described, never built
enum TextOrSecret {
    /// In clear.
    Text(String),
    /// By name.
    Secret(Secret),
}

/// The name of a secret.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct Secret {
    /// Its name in the operator's or the customer's secrets.
    secret: String,
}

/// A made-up event and who must be told of it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct Test {
    /// What is being tested.
    name: String,
    /// When the event is heard: `2026-11-24T09:00:00Z`, or `2026-11-24 09:00` for UTC. Nobody is invited to a livestream
    /// that, by the event's `text`, is over by then.
    at: Option<String>,
    /// The event: the keys of a condition, one value each.
    event: TestEvent,
    /// Rules and the receivers each must tell, `[]` for none; rules that are not named must not match.
    expect: BTreeMap<String, Texts>,
}

/// A made-up event.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct TestEvent {
    /// Default Service issue.
    #[schemars(rename = "event type")]
    event_type: Option<String>,
    /// Default Active, or what goes with the kind.
    stage: Option<String>,
    /// Default update, or what goes with the stage.
    kind: Option<String>,
    /// How grave.
    level: Option<String>,
    /// Services and their regions.
    impact: Option<OneOrMany<TestImpact>>,
    /// Its title.
    title: Option<String>,
    /// Its text.
    text: Option<String>,
    /// The provider's name for the trouble.
    #[schemars(rename = "tracking id")]
    tracking_id: Option<String>,
    /// Default azure.
    provider: Option<String>,
    /// An advisory's subtype.
    subtype: Option<String>,
    /// The alert's custom properties.
    properties: Option<BTreeMap<String, String>>,
    /// The account it was sent for: an id, or a group. Without it: all that the folder knows of.
    subscription: Option<Texts>,
}

/// One impacted service.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct TestImpact {
    /// The service.
    service: String,
    /// The region.
    region: Option<String>,
}

type Texts = OneOrMany<String>;

/// One value, or a list of them.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code)] // described, never built
enum OneOrMany<T> {
    /// One.
    One(T),
    /// Any of several.
    Many(Vec<T>),
}

/// The words of a vocabulary are offered; other spellings are strings too.
fn offered(words: Vec<&'static str>) -> Schema {
    let word = serde_json::json!({ "anyOf": [{ "enum": words }, { "type": "string" }] });
    json_schema!({ "anyOf": [word, { "type": "array", "items": word }] })
}

fn event_types(_: &mut SchemaGenerator) -> Schema {
    offered(EventType::ALL.iter().map(|one| one.word()).collect())
}

fn stages(_: &mut SchemaGenerator) -> Schema {
    offered(Stage::ALL.iter().map(|one| one.word()).collect())
}

fn kinds(_: &mut SchemaGenerator) -> Schema {
    offered(Kind::ALL.iter().map(|one| one.word()).collect())
}

fn levels(_: &mut SchemaGenerator) -> Schema {
    offered(Level::ALL.iter().map(|one| one.word()).collect())
}

fn providers(_: &mut SchemaGenerator) -> Schema {
    offered(Provider::ALL.iter().map(|one| one.word()).collect())
}

fn follow(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["end", "nothing", "all"] })
}

fn owner(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["none"] })
}

#[cfg(test)]
mod tests {
    use super::super::file::cases::{EVENT, TEST};
    use super::super::file::receivers::{ADDRESS, RECEIVER};
    use super::super::file::when::CONDITION;
    use super::super::file::{FILE, RULE};
    use super::*;

    fn keys_of(object: &serde_json::Value) -> Vec<String> {
        let mut keys: Vec<_> = object["properties"]
            .as_object()
            .expect("properties")
            .keys()
            .cloned()
            .collect();
        keys.sort();
        keys
    }

    #[test]
    fn the_schema_knows_the_keys_that_the_reader_knows() {
        let schema = schema();
        let definition = |name: &str| schema["$defs"][name].clone();
        for (object, keys) in [
            (schema.clone(), &FILE),
            (definition("Rule"), &RULE),
            (definition("Condition"), &CONDITION),
            (definition("ReceiverTable"), &RECEIVER),
            (definition("Address"), &ADDRESS),
            (definition("Test"), &TEST),
            (definition("TestEvent"), &EVENT),
        ] {
            let mut known: Vec<_> = keys.known.iter().map(|key| (*key).to_owned()).collect();
            known.sort();
            assert_eq!(keys_of(&object), known, "{}", keys.of);
        }
    }

    #[test]
    fn the_schema_is_of_the_2020_draft_and_documents_every_key() {
        let schema = schema();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let condition = schema["$defs"]["Condition"]["properties"]
            .as_object()
            .expect("properties");
        assert!(
            condition.values().all(|key| key["description"].is_string()),
            "{condition:#?}"
        );
    }
}
