//! The story: five communications of one incident, as Azure posts them for two subscriptions.
//!
//! Source: the final review of 0NTJ-VV8 (App Service, Southeast Asia, 5 September 2024) is Azure's own text; the
//! preliminary one is the same behind an invented opening, and the livestream's invitation is invented. For the first
//! alert and the mitigation statement only another incident's (ZS10-TR8) were at hand: they keep that one's form and
//! manner, with tracking id, times, services and facts of 0NTJ-VV8. Three come in the common alert schema, two in the
//! older form. All dates are moved to the present by whole days, so that the sessions lie ahead.

use std::sync::LazyLock;

use anyhow::{Context, Result};
use chrono::{DateTime, Days, NaiveDate};
use regex::{Captures, Regex};
use serde_json::Value;

/// The incident.
pub const TRACKING_ID: &str = "0NTJ-VV8";

/// Contoso's production: what each communication is posted for. The files name the first.
pub const SUBSCRIPTIONS: [&str; 2] = [
    "11111111-aaaa-4bbb-8ccc-111111111111",
    "22222222-aaaa-4bbb-8ccc-222222222222",
];

/// One text of the provider.
pub struct Communication {
    /// Its kind, in the daemon's words.
    pub kind: &'static str,
    /// Whether the daemon is killed right after it accepted it.
    pub killed: bool,
    file: &'static str,
}

/// The incident from beginning to end.
pub const STORY: [Communication; 5] = [
    Communication {
        kind: "update",
        killed: false,
        file: include_str!("story/1-update.json"),
    },
    Communication {
        kind: "mitigation",
        killed: false,
        file: include_str!("story/2-mitigation.json"),
    },
    Communication {
        kind: "preliminary review",
        killed: true,
        file: include_str!("story/3-preliminary-review.json"),
    },
    Communication {
        kind: "final review",
        killed: false,
        file: include_str!("story/4-final-review.json"),
    },
    Communication {
        kind: "retrospective",
        killed: false,
        file: include_str!("story/5-retrospective.json"),
    },
];

/// When the last communication was published: yesterday, in the demo.
const LAST: NaiveDate = NaiveDate::from_ymd_opt(2024, 10, 3).expect("a day of the calendar");

/// Where the event stands in the two forms of an alert.
const EVENTS: [&str; 2] = ["/data/alertContext", "/data/context/activityLog"];

static ISO_DATE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b\d{4}-\d\d-\d\dT").expect("a constant pattern"));

static WRITTEN_DATE: LazyLock<Regex> = LazyLock::new(|| {
    let months = "January|February|March|April|May|June|July|August|September|October|November|December";
    Regex::new(&format!(r"\b\d{{1,2}} (?:{months}) \d{{4}}\b")).expect("a constant pattern")
});

impl Communication {
    /// Its title, as Azure wrote it.
    pub fn title(&self) -> String {
        let alert: Value = serde_json::from_str(self.file).unwrap_or_default();
        let titles = EVENTS
            .iter()
            .filter_map(|event| alert.pointer(&format!("{event}/properties/title")));
        titles.filter_map(Value::as_str).next().unwrap_or_default().to_owned()
    }

    /// The alert for the `nth` subscription, with its dates moved as if the story ended the day before `today`.
    pub fn body_for(&self, subscription: &str, nth: usize, today: NaiveDate) -> Result<String> {
        let text = moved(self.file, today.pred_opt().context("there is no yesterday")?);
        let text = text.replace(SUBSCRIPTIONS[0], subscription);
        let mut alert: Value = serde_json::from_str(&text).context("reading the story")?;
        for event in EVENTS {
            if let Some(time) = alert.pointer_mut(&format!("{event}/eventTimestamp")) {
                delay(time, nth)?;
            }
        }
        Ok(alert.to_string())
    }
}

/// Azure stamps the same communication anew for every subscription: real ones were 1.8 s apart.
fn delay(time: &mut Value, nth: usize) -> Result<()> {
    let text = time.as_str().context("a time in the story is no text")?;
    let at = DateTime::parse_from_rfc3339(text).context("reading a time of the story")?;
    let at = at + chrono::Duration::milliseconds(1_800) * i32::try_from(nth)?;
    *time = at.to_rfc3339().into();
    Ok(())
}

/// Every date in `text`, moved by as many days as lie between the end of the story and `last`.
fn moved(text: &str, last: NaiveDate) -> String {
    let days = Days::new((last - LAST).num_days().unsigned_abs());
    let later = |date: NaiveDate| if last >= LAST { date + days } else { date - days };
    let rewrite = |found: &Captures<'_>, format: &str| {
        let date = NaiveDate::parse_from_str(&found[0], format);
        date.map_or_else(|_| found[0].to_owned(), |date| later(date).format(format).to_string())
    };
    let text = ISO_DATE.replace_all(text, |found: &Captures<'_>| rewrite(found, "%Y-%m-%dT"));
    WRITTEN_DATE
        .replace_all(&text, |found: &Captures<'_>| rewrite(found, "%-d %B %Y"))
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn dates_in_prose_and_metadata_move_by_the_same_days() {
        let text = "15:00 UTC on 10 October 2024, \"2024-09-05T04:06:00Z\", 2024, 28 Octobers";
        let moved = moved(text, day("2026-01-03"));
        assert_eq!(
            moved,
            "15:00 UTC on 10 January 2026, \"2025-12-06T04:06:00Z\", 2024, 28 Octobers"
        );
    }

    #[test]
    fn the_sessions_lie_ahead_and_all_that_was_published_lies_behind() {
        let today = day("2026-11-24");
        let last = STORY[4].body_for(SUBSCRIPTIONS[0], 1, today).expect("a body");
        assert!(last.contains("15:00 UTC on 30 November 2026"), "{last}");
        assert!(last.contains("2026-11-23T16:00:12.870"), "{last}");
    }

    #[test]
    fn every_communication_is_of_the_incident_and_the_subscription_it_is_posted_for() {
        for communication in &STORY {
            let body = communication
                .body_for(SUBSCRIPTIONS[1], 1, day("2026-11-24"))
                .expect("a body");
            assert!(body.contains(TRACKING_ID) && body.contains(SUBSCRIPTIONS[1]), "{body}");
            assert!(!body.contains(SUBSCRIPTIONS[0]) && !body.contains("2024"), "{body}");
            assert!(communication.title().contains("App Service"), "{}", communication.kind);
        }
    }

    #[test]
    fn the_texts_for_two_subscriptions_differ_in_nothing_but_subscription_and_time() {
        let today = day("2026-11-24");
        let [one, other] = [0, 1].map(|nth| STORY[3].body_for(SUBSCRIPTIONS[nth], nth, today).expect("a body"));
        let same = other
            .replace(SUBSCRIPTIONS[1], SUBSCRIPTIONS[0])
            .replace("07:23:01.961", "07:23:00.161");
        assert_eq!(one, same);
    }
}
