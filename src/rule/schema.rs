//! The JSON Schema of rule files, for completion and checking in editors (draft 2020-12).
//!
//! It describes the same keys as [`super::file`]; a test holds the two together. Values of vocabularies are offered,
//! not enforced: other spellings are understood, and the check says more about a wrong one than an editor can.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::event::{EventType, Kind, Level, Provider, Size, Stage};

mod claims;
mod shape;

/// The schema of a rule file.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(RuleFile);
    schema.insert("title".to_owned(), "Bellwether rule file".into());
    let mut schema = schema.to_value();
    shape::enforce(&mut schema);
    schema
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
    /// What you use and pay for: service credits are computed from it.
    usage: Option<Vec<claims::UsageEntry>>,
    /// Terms of credits that were agreed with you; they come before those of the program.
    terms: Option<Vec<claims::TermEntry>>,
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
    #[schemars(schema_with = "length_of_time")]
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
    /// How large the incident is, as far as that is known when the event is heard: small, standard, largest.
    #[schemars(schema_with = "sizes")]
    size: Option<Texts>,
    /// How long impact has lasted, until it was mitigated or so far.
    lasted: Option<Lasted>,
    /// The alert's custom properties: names and patterns.
    properties: Option<BTreeMap<String, Texts>>,
    /// `none`: what no customer owns (operator's rules only).
    #[schemars(schema_with = "owner")]
    owner: Option<String>,
}

/// How long impact must have lasted: one of the two, or both.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct Lasted {
    /// At least so long: 2h, 1 day.
    #[schemars(rename = "at least", schema_with = "length_of_time")]
    at_least: Option<String>,
    /// At most so long.
    #[schemars(rename = "at most", schema_with = "length_of_time")]
    at_most: Option<String>,
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
    /// An HTTP endpoint that gets JSON: its URL, or a table.
    webhook: Option<UrlOr<Webhook>>,
    /// A Slack incoming webhook.
    slack: Option<UrlOr<Chat>>,
    /// A Teams Workflows webhook.
    teams: Option<UrlOr<Chat>>,
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

/// A URL, or a table that holds one.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code)] // described, never built
enum UrlOr<T> {
    /// The URL alone.
    Url(#[schemars(schema_with = "url")] String),
    /// The table.
    Table(T),
}

/// A text, or the name of the secret that holds it.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code)] // described, never built
enum TextOrSecret {
    /// In clear.
    Text(#[schemars(schema_with = "url")] String),
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
    #[schemars(schema_with = "expected")]
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
    /// How large the incident is then: small, standard, largest.
    size: Option<String>,
    /// How long impact has lasted then: 90m, 2h.
    lasted: Option<String>,
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

fn sizes(_: &mut SchemaGenerator) -> Schema {
    offered(Size::ALL.iter().map(|one| one.word()).collect())
}

fn levels(_: &mut SchemaGenerator) -> Schema {
    offered(Level::ALL.iter().map(|one| one.word()).collect())
}

fn providers(_: &mut SchemaGenerator) -> Schema {
    offered(Provider::ALL.iter().map(|one| one.word()).collect())
}

/// One of a few words, offered as they are written and taken in whatever case.
fn one_of(words: &[&str]) -> Schema {
    let letter = |letter: char| format!("[{}{}]", letter.to_ascii_uppercase(), letter);
    let any_case = |word: &&str| word.chars().map(letter).collect::<String>();
    let pattern = words.iter().map(any_case).collect::<Vec<_>>().join("|");
    json_schema!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": format!("^({pattern})$") }] })
}

fn follow(_: &mut SchemaGenerator) -> Schema {
    one_of(&["end", "nothing", "all"])
}

fn owner(_: &mut SchemaGenerator) -> Schema {
    one_of(&["none"])
}

fn url(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": r"^\s*[Hh][Tt][Tt][Pp][Ss]?://\S" })
}

fn length_of_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string", "pattern": r"^\s*(0|(\d+\s*[A-Za-zµ]+\s*)+)$" }, { "const": 0 }] })
}

/// Rules, and whom each must tell: perhaps nobody.
fn expected(_: &mut SchemaGenerator) -> Schema {
    let name = serde_json::json!({ "type": "string" });
    json_schema!({
        "type": "object",
        "additionalProperties": { "anyOf": [name, { "type": "array", "items": name, "minItems": 0 }] },
    })
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

    fn validator() -> jsonschema::Validator {
        jsonschema::draft202012::new(&schema()).expect("a schema")
    }

    fn as_json(yaml: &str) -> serde_json::Value {
        serde_saphyr::from_str(yaml).expect("YAML")
    }

    /// The rule of the README: the block of YAML under "Writing a rule".
    fn of_readme() -> String {
        let readme = include_str!("../../README.md");
        let from = readme.split("```yaml\n").nth(1).expect("a block of YAML");
        from.split("```").next().expect("its end").to_owned()
    }

    #[test]
    fn every_example_is_valid() {
        let readme = of_readme();
        for (name, text) in [
            ("production.yaml", include_str!("../../rules/contoso/production.yaml")),
            ("changes.yaml", include_str!("../../rules/contoso/changes.yaml")),
            ("websites.yaml", include_str!("../../rules/fabrikam/websites.yaml")),
            (
                "the fixture",
                include_str!("../../tests/fixtures/rules/contoso/production.yaml"),
            ),
            ("the README", readme.as_str()),
        ] {
            let validator = validator();
            let wrong: Vec<String> = validator
                .iter_errors(&as_json(text))
                .map(|error| error.to_string())
                .collect();
            assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        }
    }

    const AROUND: &str = "receivers: { a: [{ email: a@contoso.example }] }\n";

    fn is_taken_by_check(text: &str) -> bool {
        use crate::customer::Customers;
        use crate::rule::check::{Deciding, Source, check};
        let settings = Deciding::new(Customers::one_organisation(), None, true).expect("settings");
        let path = "_operator/a.yaml".to_owned();
        let source = Source {
            path,
            text: text.to_owned(),
        };
        check(&[source], &Default::default(), &settings).broken.is_empty()
    }

    #[test]
    fn what_check_takes_the_schema_takes() {
        for text in [
            "rules: []",
            "x-mine: { anything: [1, ~] }\nrules: []\ntests: []",
            "receivers: { a: { to: { email: [a@a.example, b@a.example] }, zone: Europe/Berlin } }",
            "receivers: { a: [{ webhook: https://a.example/x }, { slack: { url: HTTPS://a.example/x } }, { teams: { url: { secret: s } } }] }",
            "receivers: { a: [{ webhook: { url: https://a.example/x, signing: { secret: key.1 } } }] }",
            "subscriptions: { all: /subscriptions/11111111-aaaa-4bbb-8ccc-111111111111, b: [prod] }",
        ] {
            assert!(is_taken_by_check(text), "{text}");
            assert!(validator().is_valid(&as_json(text)), "{text}");
        }
        for rest in [
            "when: {}, notify: a",
            "when: {}, invite: [a]",
            "when: { title: [a*, '/b/'] }, notify: a, settle: 0",
            "when: {}, notify: a, settle: 1h 30m, follow: END, every: true, test events: false, enabled: true",
            "when: { event type: incident, stage: [in-progress, Active] }, notify: a, unless: { title: x* }",
            "when: { impact: { service: Storage } }, notify: a, unless: [{ region: East US }, { properties: { team: b } }]",
            "when: { size: Largest, lasted: { at least: 2h, at most: 1 day } }, notify: a",
            "when: { owner: None, subtype: Retirement, level: info, provider: gcp, tracking id: A* }, notify: a",
        ] {
            let text = format!("{AROUND}rules: [{{ name: r, {rest} }}]");
            assert!(is_taken_by_check(&text), "{text}");
            assert!(validator().is_valid(&as_json(&text)), "{text}");
        }
        let test = format!(
            "{AROUND}rules: [{{ name: r, when: {{ stage: RCA }}, notify: a }}]\ntests: [{{ name: t, event: {{ stage: Active, impact: [{{ service: Storage }}], subscription: [x, z] }}, expect: {{ r: [] }} }}]"
        );
        assert!(
            is_taken_by_check(&test) && validator().is_valid(&as_json(&test)),
            "{test}"
        );
    }

    #[test]
    fn what_check_refuses_by_shape_the_schema_refuses() {
        for text in [
            "~",
            "[]",
            "rules: {}",
            "rules: ~",
            "rule: []",
            "hours: {}",
            "rules: [x]",
            "rules: [{}]",
            "tests: [{ name: t }]",
            "subscriptions: []",
            "subscriptions: { a: [] }",
            "subscriptions: { a: ~ }",
            "subscriptions: { a: [1] }",
            "subscriptions: { a: 'x y' }",
            "receivers: []",
            "receivers: { a: [] }",
            "receivers: { a: a@a.example }",
            "receivers: { a: [a@a.example] }",
            "receivers: { a: { email: a@a.example } }",
            "receivers: { a: { zone: UTC } }",
            "receivers: { a: { to: [] } }",
            "receivers: { a: [{}] }",
            "receivers: { a: [{ emial: a@a.example }] }",
            "receivers: { a: [{ email: Ada }] }",
            "receivers: { a: [{ email: a@a.example, slack: https://a.example/x }] }",
            "receivers: { a: [{ webhook: { uri: https://a.example/x } }] }",
            "receivers: { a: [{ webhook: ftp://a.example }] }",
            "receivers: { a: [{ webhook: { url: https://a.example/x, signing: abc } }] }",
            "receivers: { a: [{ slack: { url: { secret: '../etc' } } }] }",
            "receivers: { a: [{ slack: { url: { secret: s, env: x } } }] }",
        ] {
            assert!(!is_taken_by_check(text), "{text}");
            assert!(!validator().is_valid(&as_json(text)), "{text}");
        }
        for rest in [
            "when: {}",
            "notify: a",
            "when: ~, notify: a",
            "when: [], notify: a",
            "when: {}, notify: []",
            "when: {}, notify: 1",
            "when: {}, notify: ''",
            "when: {}, notify: a, every: 'yes'",
            "when: {}, notify: a, settle: 10",
            "when: {}, notify: a, settle: soon",
            "when: { lasted: 2h }, notify: a",
            "when: { lasted: { at least: soon } }, notify: a",
            "when: {}, notify: a, follow: never",
            "when: {}, notify: a, unless: {}",
            "when: {}, notify: a, unless: x",
            "when: {}, notify: a, repeat: 1h",
            "when: {}, notify: a, enabled: 1",
            "when: { status: RCA }, notify: a",
            "when: { stage: [] }, notify: a",
            "when: { stage: 1 }, notify: a",
            "when: { title: { a: b } }, notify: a",
            "when: { impact: [] }, notify: a",
            "when: { impact: [{}] }, notify: a",
            "when: { impact: [{ services: Storage }] }, notify: a",
            "when: { impact: { service: Storage }, region: East US }, notify: a",
            "when: { owner: all }, notify: a",
            "when: { properties: [a] }, notify: a",
        ] {
            let text = format!("{AROUND}rules: [{{ name: r, {rest} }}]");
            assert!(!is_taken_by_check(&text), "{text}");
            assert!(!validator().is_valid(&as_json(&text)), "{text}");
        }
        for name in ["''", "'(built-in)'", "1", "[a]"] {
            let text = format!("{AROUND}rules: [{{ name: {name}, when: {{}}, notify: a }}]");
            assert!(
                !is_taken_by_check(&text) && !validator().is_valid(&as_json(&text)),
                "{text}"
            );
        }
    }
}
