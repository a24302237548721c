//! What an incident adds up to when an event of it is heard: how large it is, and how long impact lasted. Rules ask for it
//! as `size` and `lasted`.

use std::collections::BTreeMap;

use chrono::Duration;

use super::Size;

/// What an incident adds up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measure {
    /// How large it is; `None` where nothing says it.
    pub size: Option<Size>,
    /// How long impact lasted, or has lasted so far; `None` where no start is known.
    pub lasted: Option<Duration>,
}

/// The same for each who asks: customers know of an incident what they heard of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measures {
    /// For all who are not named below.
    pub everybody: Measure,
    /// By the name of the customer.
    pub by_customer: BTreeMap<String, Measure>,
}

impl Measures {
    /// The same for everybody.
    pub fn of_all(measure: Measure) -> Self {
        Self {
            everybody: measure,
            by_customer: BTreeMap::new(),
        }
    }

    /// What it adds up to for a customer.
    pub fn of(&self, customer: &str) -> Measure {
        self.by_customer.get(customer).copied().unwrap_or(self.everybody)
    }
}

/// A length of time as people write it in rules: `3h`, `1d 2h`, `45m`.
pub fn spelled(long: Duration) -> String {
    let parts = [
        (long.num_days(), "d"),
        (long.num_hours() % 24, "h"),
        (long.num_minutes() % 60, "m"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(many, _)| *many > 0)
        .map(|(many, unit)| format!("{many}{unit}"))
        .collect();
    match said.is_empty() {
        true => "0m".to_owned(),
        false => said.join(" "),
    }
}
