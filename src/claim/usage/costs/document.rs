//! The costs as a document with `usage:`, in YAML: each text is quoted as in JSON, which is YAML too (YAML 1.2 §1.3).

use std::fmt::Write as _;

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Costs, Key, Region, Resource};
use crate::claim::usage::ZONE;

/// The most digits behind the point of a fee: as many as [`crate::claim::read_usage`] takes.
const FRACTION_DIGITS_MOST: u32 = 10;

impl Costs {
    /// The document. It names no customer: it belongs into a customer's own rule file.
    pub fn yaml(&self) -> String {
        let mut text = String::from(
            "# What was charged, from Azure's cost export. By hand, where it matters: `tier` (which terms apply), `deployed` and\n\
             # `removed` (only time deployed counts), `renewed` (which edition of the terms applies).\n",
        );
        if self.resources.is_empty() {
            text.push_str("usage: []\n");
            return text;
        }
        text.push_str("usage:\n");
        for (key, resource) in &self.resources {
            self.entry(key, resource, &mut text);
        }
        text
    }

    fn entry(&self, (subscription, ..): &Key, resource: &Resource, text: &mut String) {
        let _ = write!(text, "  - {{ provider: azure, service: {}", quoted(&resource.service));
        if let Region::One(region) = &resource.region {
            let _ = write!(text, ", region: {}", quoted(region));
        }
        if let Some(subscription) = subscription {
            let _ = write!(text, ", subscription: {}", quoted(subscription));
        }
        let _ = write!(
            text,
            ",\n      resource: {},\n      fees: {{ ",
            quoted(&resource.resource)
        );
        for (nth, (month, fee)) in resource.fees.iter().enumerate() {
            let fee = fee.round_dp_with_strategy(FRACTION_DIGITS_MOST, RoundingStrategy::MidpointAwayFromZero);
            let comma = if nth == 0 { "" } else { ", " };
            let _ = write!(
                text,
                "{comma}{month}: {}",
                quoted(&resource.currency.shown(fee.max(Decimal::ZERO)))
            );
        }
        let _ = write!(text, " }}, currency: {}", resource.currency);
        if self.calendar.day != 1 {
            let _ = write!(text, ", billing day: {}", self.calendar.day);
        }
        if self.calendar.zone != ZONE {
            let _ = write!(text, ", zone: {}", self.calendar.zone.name());
        }
        text.push_str(" }\n");
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
