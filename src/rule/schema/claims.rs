//! What credits are computed from, as the schema of rule files describes it.

use std::collections::BTreeMap;

use schemars::JsonSchema;

/// A service, or one resource of it, that you pay for.
#[derive(JsonSchema)]
#[schemars(rename = "Usage", deny_unknown_fields)]
#[allow(dead_code)] // described, never built
pub(super) struct UsageEntry {
    /// Leave it out in a customer's folder: the folder says whose it is.
    customer: Option<Written>,
    /// Whose service it is: azure, aws, google, …
    provider: String,
    /// The service, as the provider names it.
    service: Written,
    /// Its tier, where the terms differ by it.
    tier: Option<Written>,
    /// Where it is; without it: wherever the service is.
    region: Option<Written>,
    /// The account: its id, or a group of this file that names one.
    subscription: Option<Written>,
    /// One resource: its name or id; without it: all of the service in the account.
    resource: Option<Written>,
    /// What every month costs that `fees` does not name: "123.45".
    fee: Option<Written>,
    /// What was charged by billing month: { 2026-10: "123.45" }.
    fees: Option<BTreeMap<String, Written>>,
    /// ISO 4217: EUR.
    currency: Option<String>,
    /// The day on which a billing month begins. Default 1.
    #[schemars(rename = "billing day")]
    billing_day: Option<Written>,
    /// The IANA time zone that billing months begin in. Default UTC.
    zone: Option<String>,
    /// Since when it is there.
    deployed: Option<String>,
    /// Until when it was there.
    removed: Option<String>,
    /// The day on which its subscription was last renewed: the terms of that day count.
    renewed: Option<String>,
    /// Whether nothing is paid for it. Default false.
    free: Option<bool>,
    /// Whether it is a preview. Default false.
    preview: Option<bool>,
}

/// One edition of the terms of a service.
#[derive(JsonSchema)]
#[schemars(rename = "Term", deny_unknown_fields)]
#[allow(dead_code)] // described, never built
pub(super) struct TermEntry {
    /// Whose service it is.
    provider: String,
    /// The service, as the terms name it.
    service: Written,
    /// The words for its tier, the first one its name.
    tier: Option<Words>,
    /// Which edition it is.
    edition: Option<Written>,
    /// What one credit is for: resource (default) or service.
    per: Option<String>,
    /// What is measured: downtime (default) or error rate.
    measure: Option<String>,
    /// Which time counts as down: exact (default), any second, whole minute, consecutive 5, share 5%.
    #[schemars(rename = "down minute")]
    down_minute: Option<String>,
    /// What is paid below which uptime, in percent.
    steps: Option<Vec<StepEntry>>,
    /// What is not covered: preview, free, planned maintenance.
    exclude: Option<Words>,
    /// Until when a claim must be in: 2 months after the billing month.
    #[schemars(rename = "claim within")]
    claim_within: Option<String>,
    /// How soon after its begin a case must be opened: 24h.
    #[schemars(rename = "open case within")]
    open_case_within: Option<String>,
    /// What a claim must bring.
    evidence: Option<Words>,
    /// How long the provider takes: 45d.
    #[schemars(rename = "processed within")]
    processed_within: Option<String>,
    /// A credit of this much or less is not paid: "1 USD".
    #[schemars(rename = "pays above")]
    pays_above: Option<Written>,
    /// From when until when it is the current edition.
    valid: Option<Valid>,
    /// Where it stands.
    source: Option<String>,
    /// The day on which somebody last compared it with its source.
    checked: Option<String>,
    /// Whether all of it was read in the provider's own document. Default false.
    verified: Option<bool>,
}

/// Below this uptime, this much of the fee.
#[derive(JsonSchema)]
#[schemars(rename = "Step", deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct StepEntry {
    /// Percent of uptime, strictly below it.
    below: Written,
    /// Percent of the fee.
    credit: Written,
}

/// From when until when.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // described, never built
struct Valid {
    /// The first day on which it is the current edition.
    from: Option<String>,
    /// The first day on which it no longer is.
    until: Option<String>,
}

/// A text, or a number as it is written.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code)] // described, never built
enum Written {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
}

/// One word, or a list of them.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code)] // described, never built
enum Words {
    /// One.
    One(Written),
    /// Several.
    Many(Vec<Written>),
}
