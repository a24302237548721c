//! Why a rule did not match, in words that name the condition and the values on both sides.

use std::fmt;

use crate::customer::CustomerId;
use crate::event::Kind;

use super::Condition;
use super::steps::TooCostly;

/// Why a rule did not match an event. What a customer does not own is never named.
#[derive(Debug, Clone, PartialEq)]
pub enum WhyNot {
    /// `enabled: false`.
    Disabled,
    /// A provider's test event, and the rule does not ask for them.
    Test,
    /// An event of our own, whose kind the rule does not name.
    Own { kind: Kind },
    /// The settings know no such customer.
    Unknown { customer: CustomerId },
    /// It was sent for accounts of others.
    NotYours,
    /// It names no account, and its source is not public for the customer.
    NotPublic { source: Option<String> },
    /// All accounts it was sent for have an owner, and the rule is for those that have none.
    Owned,
    /// A condition on the event as a whole.
    Differs {
        key: String,
        wants: String,
        is: Option<String>,
    },
    /// None of the accounts is one that the rule names.
    Subscriptions { wants: String, is: Option<String> },
    /// None of the impact is one that the rule names.
    Impact { wants: String, is: Option<String> },
    /// `unless` took everything that was left.
    Unless { nth: usize, of: usize, what: String },
    /// It would take more steps than the rules of a customer may.
    TooCostly,
}

impl From<TooCostly> for WhyNot {
    fn from(_: TooCostly) -> Self {
        WhyNot::TooCostly
    }
}

impl WhyNot {
    /// The same for one of the custom properties.
    pub(super) fn of_property(self, key: &str) -> Self {
        match self {
            WhyNot::Differs { wants, is, .. } => WhyNot::Differs {
                key: format!("property `{key}`"),
                wants,
                is,
            },
            other => other,
        }
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhyNot::Disabled => f.write_str("the rule is switched off (`enabled: false`)"),
            WhyNot::Test => f.write_str("it is a provider's test event, and the rule does not say `test events: true`"),
            WhyNot::Own { kind } => write!(
                f,
                "it is an event of our own, and `when` does not name its kind, {kind}"
            ),
            WhyNot::Unknown { customer } => write!(f, "`{customer}` is not a customer in the settings"),
            WhyNot::NotYours => f.write_str("it was not sent for any of the customer's accounts"),
            WhyNot::NotPublic { source: None } => f.write_str("it names neither an account nor a source"),
            WhyNot::NotPublic { source: Some(source) } => {
                write!(
                    f,
                    "it names no account, and `{source}` is not under the customer's `public`"
                )
            }
            WhyNot::Owned => f.write_str("`owner: none`: everything it was sent for has an owner"),
            WhyNot::Differs { key, wants, is } => differs(f, key, wants, is.as_deref()),
            WhyNot::Subscriptions { wants, is } => differs(f, "subscriptions", wants, is.as_deref()),
            WhyNot::Impact { wants, is } => differs(f, "impact", wants, is.as_deref()),
            WhyNot::Unless { of: 1, what, .. } => write!(f, "`unless` takes all of it: {what}"),
            WhyNot::TooCostly => f.write_str("trying its patterns takes more work than one event may cost"),
            WhyNot::Unless { nth, what, .. } => write!(f, "`unless` no. {} takes what is left: {what}", nth + 1),
        }
    }
}

fn differs(f: &mut fmt::Formatter<'_>, key: &str, wants: &str, is: Option<&str>) -> fmt::Result {
    match is {
        Some(is) => write!(f, "{key}: the rule wants {wants}, the event has {is}"),
        None => write!(f, "{key}: the rule wants {wants}, the event names none"),
    }
}

/// How many values of a list are written out.
const MAX_NAMED: usize = 5;

/// How many characters of one value are written out.
const MAX_VALUE: usize = 120;

/// `A, B or C`, cut where it gets long.
pub(super) fn either<T: fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    joined(values.into_iter(), |value| cut(&value.to_string()), " or ")
}

/// What the event has, or `None` if it has nothing.
pub(super) fn of_event<T: AsRef<str>>(values: &[T]) -> Option<String> {
    (!values.is_empty()).then(|| joined(values.iter(), |value| cut(value.as_ref()), " and "))
}

/// The same for values that are described.
pub(super) fn of_event_by<T>(values: impl Iterator<Item = T>, describe: impl Fn(T) -> String) -> Option<String> {
    let all = joined(values, |value| cut(&describe(value)), " and ");
    (!all.is_empty()).then_some(all)
}

/// Only those that are written out are made into text: a rule may name thousands.
fn joined<T>(mut values: impl Iterator<Item = T>, shown: impl Fn(T) -> String, last: &str) -> String {
    let named: Vec<String> = values.by_ref().take(MAX_NAMED).map(shown).collect();
    let more = values.count();
    match named.split_last() {
        Some(_) if more > 0 => format!("{}{last}{more} more", named.join(", ")),
        None | Some((_, [])) => named.concat(),
        Some((end, rest)) => format!("{}{last}{end}", rest.join(", ")),
    }
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(MAX_VALUE) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}

impl Condition {
    /// The condition in words, in the order of the documentation.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        let mut say = |key: &str, value: Option<String>| parts.extend(value.map(|value| format!("{key} {value}")));
        say("event type", self.event_types.as_ref().map(either));
        say("stage", self.stages.as_ref().map(either));
        say("kind", self.kinds.as_ref().map(either));
        say("level", self.levels.as_ref().map(either));
        say("subscriptions", self.subscriptions.as_deref().map(either));
        let pairs = self.impact.as_ref();
        say(
            "impact",
            pairs.map(|pairs| either(pairs.iter().map(|pair| &pair.written))),
        );
        for (key, patterns) in [
            ("title", &self.title),
            ("text", &self.text),
            ("tracking id", &self.tracking_ids),
        ] {
            say(
                key,
                patterns
                    .as_ref()
                    .map(|patterns| either(patterns.iter().map(|pattern| &pattern.source))),
            );
        }
        say("provider", self.providers.as_ref().map(either));
        say("size", self.sizes.as_ref().map(either));
        say("lasted", self.lasted.map(|lasted| lasted.to_string()));
        say("subtype", self.subtypes.as_ref().map(either));
        for (key, patterns) in &self.properties {
            say(
                &format!("property `{key}`"),
                Some(either(patterns.iter().map(|pattern| &pattern.source))),
            );
        }
        say("owner", self.owner_none.then(|| "none".to_owned()));
        if parts.is_empty() {
            "everything".to_owned()
        } else {
            parts.join(", ")
        }
    }
}
