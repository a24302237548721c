//! Where something stands in the journal, as records, keys and people write it.

use serde::{Deserialize, Serialize};

/// Where something stands in the journal: the record's sequence number, and which of its parts. Written `12.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The record's sequence number.
    pub seq: u64,
    /// Which of the record's inputs or changes, 0-based.
    pub nth: u32,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.seq, self.nth)
    }
}

impl std::str::FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('.')
            .and_then(|(seq, nth)| Some((seq.parse().ok()?, nth.parse().ok()?)));
        parsed
            .map(|(seq, nth)| Self { seq, nth })
            .ok_or_else(|| format!("`{text}` is not a position (`12.0`)"))
    }
}

impl Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
