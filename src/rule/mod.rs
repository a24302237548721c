//! The rules customers write, checked: what [`mod@file`] reads, [`condition`] matches and `folder` watches.
//!
//! Everything here is immutable and pure. A [`RuleSet`] is one revision of everybody's rules; an event is decided by
//! exactly one revision.

pub mod check;
pub mod condition;
mod deciding;
pub mod file;
mod findings;
pub mod index;
pub mod lint;
mod never;
pub mod parallel;
pub mod pattern;
pub mod schema;
pub mod set;
mod settle;
pub mod steps;
pub mod test;
pub mod why;

pub use pattern::{Cost, Pattern};
pub use set::RuleSet;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::channel::Address;
use crate::claim::{Term, Usage};
use crate::customer::CustomerId;
use crate::event::measure::spelled;
use crate::event::{EventType, Kind, Level, Provider, Size, Stage};
use crate::notification::Channel;

/// A condition and who is told when it matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Whose it is.
    pub customer: CustomerId,
    /// Its name: unique in the customer's folder, at most 200 characters.
    pub name: String,
    /// What an event must be.
    pub when: Condition,
    /// What is taken away again; any of them.
    pub unless: Vec<Condition>,
    /// Receivers that get messages, by name.
    pub notify: Vec<String>,
    /// Receivers that get calendar invitations to retrospectives, by name.
    pub invite: Vec<String>,
    /// How long notifications gather before they are sent, seconds (default 10).
    pub settle_seconds: u64,
    /// What else of an incident those who were told of it hear.
    pub follow: Follow,
    /// Tell each communication also after an outage of the receiver, not only the latest.
    pub every: bool,
    /// Whether the provider's test events reach it.
    pub test_events: bool,
    /// Switched off rules are checked, kept, and match nothing.
    pub enabled: bool,
    /// Where it stands: line in its file, 1-based.
    pub line: usize,
}

impl Rule {
    /// Whether it asks what the incident adds up to.
    pub fn asks_for_measures(&self) -> bool {
        self.when.asks_for_measures() || self.unless.iter().any(Condition::asks_for_measures)
    }
}

/// What those who were told of an incident also hear, even if `when` no longer matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Follow {
    /// Its mitigation, completion, cancellation, retraction and re-opening (default, unless `when` names stages or kinds).
    #[default]
    End,
    /// Nothing that `when` does not match.
    Nothing,
    /// Everything of the incident.
    All,
}

/// What an event must be; every `Some` must hold, any of its list suffices.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Condition {
    /// `event type`
    pub event_types: Option<Vec<EventType>>,
    /// `stage`
    pub stages: Option<Vec<Stage>>,
    /// `kind`
    pub kinds: Option<Vec<Kind>>,
    /// `level`
    pub levels: Option<Vec<Level>>,
    /// `subscriptions`: ids in lower case, group names already replaced by their ids; rules that name the same share them.
    pub subscriptions: Option<Arc<BTreeSet<String>>>,
    /// `impact`, or its short form of one pair, `service` and `region`.
    pub impact: Option<Vec<ImpactPattern>>,
    /// `title`
    pub title: Option<Vec<Pattern>>,
    /// `text`
    pub text: Option<Vec<Pattern>>,
    /// `tracking id`
    pub tracking_ids: Option<Vec<Pattern>>,
    /// `provider`
    pub providers: Option<Vec<Provider>>,
    /// `size`: how large the incident is, as far as that is known.
    pub sizes: Option<Vec<Size>>,
    /// `lasted`: how long impact has lasted.
    pub lasted: Option<Lasted>,
    /// `subtype`, folded ([`crate::event::fold`]).
    pub subtypes: Option<Vec<String>>,
    /// `properties`: the alert's custom properties; all keys must hold, any pattern of a key's list suffices.
    pub properties: BTreeMap<String, Vec<Pattern>>,
    /// `owner: none`: only events of accounts that nobody owns (operator's rules only).
    pub owner_none: bool,
}

/// How long impact must have lasted; at least one of them is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lasted {
    /// At least so long.
    pub at_least: Option<chrono::Duration>,
    /// At most so long.
    pub at_most: Option<chrono::Duration>,
}

impl Lasted {
    /// Whether an impact of this length is meant.
    pub fn holds(&self, long: chrono::Duration) -> bool {
        self.at_least.is_none_or(|least| long >= least) && self.at_most.is_none_or(|most| long <= most)
    }
}

impl std::fmt::Display for Lasted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = |words: &str, long: Option<chrono::Duration>| long.map(|long| format!("{words} {}", spelled(long)));
        let parts = [said("at least", self.at_least), said("at most", self.at_most)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(" and "))
    }
}

impl Condition {
    /// Whether it asks what the incident adds up to.
    pub fn asks_for_measures(&self) -> bool {
        self.sizes.is_some() || self.lasted.is_some()
    }

    /// All patterns it has.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let keys = [&self.title, &self.text, &self.tracking_ids];
        keys.into_iter().flatten().chain(self.properties.values()).flatten()
    }
}

/// One pair of `impact`: this service in this region. `None` means any.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImpactPattern {
    /// Any of these services: keys of the catalogue ([`crate::event::catalogue::Catalogue::service_key`]), or folded ids.
    pub services: Option<Vec<String>>,
    /// Any of these regions, folded. `global` is what it says, not "any".
    pub regions: Option<Vec<String>>,
    /// The pair as the customer wrote it, in words: `Storage in East US`.
    pub written: String,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Receiver {
    /// Whose it is.
    pub customer: CustomerId,
    /// Its name, unique in the customer's folder.
    pub name: String,
    /// Where it reads.
    pub to: Vec<Address>,
    /// The time zone times are shown in (default UTC).
    pub zone: chrono_tz::Tz,
}

impl Receiver {
    /// Whether it reads mail, where invitations go.
    pub fn has_mailbox(&self) -> bool {
        self.to.iter().any(|to| to.channel() == Channel::Email)
    }
}

/// One of a file's own tests.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleTest {
    /// Its name.
    pub name: String,
    /// The event it makes up.
    pub event: crate::event::Event,
    /// Which rules must match, and which receivers each then tells; rules not named must not match.
    pub expect: BTreeMap<String, BTreeSet<String>>,
    /// Line in its file, 1-based.
    pub line: usize,
}

/// One rule file, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleFile {
    /// Path below the rules folder, `/`-separated (`contoso/production.yaml`).
    pub path: String,
    /// Whose it is.
    pub customer: CustomerId,
    /// SHA-256 of its bytes, hex.
    pub digest: String,
    /// Its text, as read: what is journalled (sealed).
    pub text: String,
    /// The names it gives to accounts: the ids of each group, in lower case.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Whether it says which rules it has, be it none.
    pub says_rules: bool,
    /// Its rules.
    pub rules: Vec<Arc<Rule>>,
    /// Its receivers.
    pub receivers: Vec<Arc<Receiver>>,
    /// Its tests.
    pub tests: Vec<RuleTest>,
    /// What its customer uses and pays for.
    pub usages: Vec<Usage>,
    /// Its customer's own terms of credits.
    pub terms: Vec<Term>,
    /// The receivers and groups that its rules name, wherever they are defined.
    pub needs: Vec<Need>,
}

impl RuleFile {
    /// Whether it says what is to come of an event: which rules there are, be it none, or what is used of a provider.
    pub fn decides(&self) -> bool {
        self.says_rules || !self.usages.is_empty()
    }
}

/// A name that a file uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What it names.
    pub sort: Sort,
    /// The name.
    pub name: String,
    /// Where, 1-based line.
    pub line: usize,
}

/// What a name in a rule file stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A receiver.
    Receiver,
    /// A group of accounts.
    Group,
}

impl std::fmt::Display for Sort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Sort::Receiver => "receiver",
            Sort::Group => "group of subscriptions",
        })
    }
}

/// Which rules decided: a hash over the digests of all files in force and the settings that decide, 16 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);
