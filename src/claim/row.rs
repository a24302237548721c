//! One line of the answer: what may be owed for one resource, or one service, in one billing month.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Time;

use super::month::YearMonth;
use super::state::State;
use super::usage::{Identity, What};

/// How many characters of a hash are a row's id.
const ID_CHARS: usize = 20;

/// What may be owed. Amounts, minutes and percentages are decimals as texts; `None` where nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The same for the same customer, provider, service, account, resource and month.
    pub id: String,
    /// Whose claim it would be.
    pub customer: String,
    /// The provider's word.
    pub provider: String,
    /// The service, as the customer writes it.
    pub service: String,
    /// Its tier.
    pub tier: Option<String>,
    /// Where it is.
    pub region: Option<String>,
    /// The account.
    pub subscription: Option<String>,
    /// The resource, where a credit is for each one.
    pub resource: Option<String>,
    /// The month in which the billing month begins.
    pub month: String,
    /// Its first and last date, and by whose clocks: `2026-11-15 to 2026-12-14 (Europe/Berlin)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_period: Option<String>,
    /// Minutes in which it was to be available.
    pub available_minutes: String,
    /// Minutes of these that count as down.
    pub down_minutes: Option<String>,
    /// Cut off after five decimals.
    pub uptime_percent: Option<String>,
    /// What the step pays of the fee; `0` where no step applies.
    pub step_percent: Option<String>,
    /// The threshold of that step, percent: it applies strictly below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_below: Option<String>,
    /// What was charged for the month.
    pub fee: Option<String>,
    /// What fee and credit are in.
    pub currency: Option<String>,
    /// What may be owed.
    pub credit: Option<String>,
    /// The last date on which the claim may be in.
    pub last_day: Option<String>,
    /// `possible`, or `expired` after the last day; none where nothing is owed. What people say of it counts before that.
    pub state: Option<State>,
    /// The edition of the terms.
    pub edition: Option<String>,
    /// Where the terms stand: an agreement, or the provider's document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_source: Option<String>,
    /// Whether the month is not over.
    pub provisional: bool,
    /// Whether the terms were read in the provider's own document.
    pub verified: bool,
    /// The incidents that count, by begin.
    pub incidents: Arc<[String]>,
    /// The ids of downtimes that a person entered and that count, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub downtimes: Vec<String>,
    /// Until when a case must be opened with the provider, where its terms ask for one: the next such time that has not
    /// passed, else the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_case_by: Option<Time>,
    /// The same for each incident that counts, by begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<Case>,
    /// How long the provider takes for a claim by its terms, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed_within_seconds: Option<u64>,
    /// What the terms ask a claim to bring.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub evidence: Arc<[String]>,
    /// How each figure came about, in sentences; empty where that was not asked for.
    pub explanation: Vec<String>,
}

/// A case that the terms ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Which incident it is about, as the row names it.
    pub incident: String,
    /// When that began.
    pub began: Time,
    /// Until when the case must be opened.
    pub by: Time,
}

fn is_empty(list: &Arc<[String]>) -> bool {
    list.is_empty()
}

/// The id of a claim: derived, so that it is the same whenever and wherever it is computed.
pub fn id(identity: &Identity, month: YearMonth) -> String {
    let what = match &identity.what {
        What::Resource(resource) => ["resource", resource, ""],
        What::Service(tier, region) => [
            "service",
            tier.as_deref().unwrap_or(""),
            region.as_deref().unwrap_or(""),
        ],
    };
    let month = month.to_string();
    let parts = [
        identity.customer.as_str(),
        &identity.provider,
        &identity.service_key,
        identity.subscription.as_deref().unwrap_or(""),
        what[0],
        what[1],
        what[2],
        &month,
    ];
    let digest = Sha256::digest(parts.join("\u{1f}"));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..ID_CHARS].to_owned()
}
