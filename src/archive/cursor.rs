//! Where one page of an archive ends and the next one begins: by keys, so that no page costs what stands before it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::customer::CustomerId;
use crate::incident::IncidentId;
use crate::journal::Position;

/// How far an archive was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Up to which record events are in it, the same for all pages.
    pub through: u64,
    /// The incident that was read last; none: what people said of claims and downtimes, which stands before them, was not
    /// read to its end.
    pub incident: Option<IncidentId>,
    /// How far that was read.
    pub part: Part,
    /// Of which daemon's archive, and of whose part, where that can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

/// How far something was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// All of it.
    Whole,
    /// The reminders of claims up to this customer's.
    Reminders(CustomerId),
    /// What was said of claims up to this one.
    Claim(CustomerId, String),
    /// Downtimes up to this one.
    Downtime(CustomerId, String),
    /// Its line, and its events up to this one.
    Event(Position),
    /// Its events, and its resources up to this one of this customer, by its key.
    Resource(CustomerId, String),
    /// Its events and resources, and its deliveries up to this one.
    Delivery(String),
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let json = serde_json::to_vec(self).expect("a cursor is JSON");
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

impl std::str::FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let json = URL_SAFE_NO_PAD.decode(text).ok();
        json.and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or("this is not the `after` of a mark in an archive")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Provider;

    #[test]
    fn a_cursor_is_read_as_it_was_written_whatever_the_tracking_id() {
        for part in [
            Part::Whole,
            Part::Event(Position { seq: 12, nth: 3 }),
            Part::Delivery("dlv_1".to_owned()),
            Part::Resource(CustomerId::new("ä b"), "/subscriptions/x".to_owned()),
            Part::Claim(CustomerId::new("contoso"), "0f1e".to_owned()),
        ] {
            let incident = match part {
                Part::Claim(..) => None,
                _ => Some(IncidentId::new(Provider::Azure, "ä/..~ \"x")),
            };
            let cursor = Cursor {
                through: 77,
                incident,
                part,
                of: Some("abc".to_owned()),
            };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        // as it was written before there was anything else to go on from
        let before =
            URL_SAFE_NO_PAD.encode(r#"{"through":7,"incident":{"provider":"azure","tracking_id":"x"},"part":"whole"}"#);
        let before: Cursor = before.parse().expect("a cursor");
        assert_eq!(before.incident, Some(IncidentId::new(Provider::Azure, "x")));
        for wrong in ["", "x", "e30", "../../etc/passwd"] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
    }
}
