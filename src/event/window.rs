//! The window of impact as a statement's prose says it: "Between 10:01 UTC on 28 October 2024 and 18:07 UTC on 01
//! November 2024, a subset of customers …".
//!
//! Only sentences of this form are read, and only in UTC: a window that is guessed would be worse than none. The first
//! one counts, as statements begin with the impact and go on with what was done about it.

use std::sync::LazyLock;

use chrono::{NaiveDate, NaiveTime};
use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

use crate::clock::Time;

/// The most of a text that is read, bytes.
const TEXT_BYTES_MOST: usize = 64 * 1024;

/// A window: when impact began, and when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// When it began.
    pub start: Time,
    /// When it ended.
    pub end: Time,
}

static BETWEEN: LazyLock<Regex> = LazyLock::new(|| {
    let date = r"(\d{1,2}) ([A-Za-z]{3,9})\.?,? (\d{4})";
    let words = format!(
        r"(?i)\b(?:between|from) (?:approximately |about |around )?(\d{{1,2}}):(\d{{2}})(?: ?UTC)?(?: on {date})? (?:and|to|until) (?:approximately |about |around )?(\d{{1,2}}):(\d{{2}}) ?UTC on {date}"
    );
    Regex::new(&words).expect("a valid expression")
});

impl Window {
    /// The first window that `text` (plain) says; `None` if it says none, or one that ends before it begins.
    pub fn in_text(text: &str) -> Option<Self> {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MOST.min(text.len()))];
        let spaces = |c: char| c == '\u{a0}' || c == '\u{202f}';
        let text = text.replace(spaces, " ");
        BETWEEN.captures_iter(&text).find_map(|found| Self::said(&found))
    }

    fn said(found: &Captures<'_>) -> Option<Self> {
        let last = date(found, 8)?;
        // "between 04:06 UTC and 05:14 UTC on 5 September": the day that is named is that of both
        let first = match found.get(3) {
            Some(_) => date(found, 3)?,
            None => last,
        };
        let window = Self {
            start: first.and_time(time(found, 1)?).and_utc(),
            end: last.and_time(time(found, 6)?).and_utc(),
        };
        (window.start < window.end).then_some(window)
    }
}

fn time(found: &Captures<'_>, group: usize) -> Option<NaiveTime> {
    NaiveTime::from_hms_opt(found[group].parse().ok()?, found[group + 1].parse().ok()?, 0)
}

fn date(found: &Captures<'_>, group: usize) -> Option<NaiveDate> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let short = found[group + 1].get(..3)?.to_ascii_lowercase();
    let month = (1..).zip(MONTHS).find(|(_, month)| *month == short)?.0;
    NaiveDate::from_ymd_opt(found[group + 2].parse().ok()?, month, found[group].parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_as_statements_say_them() {
        for (text, expected) in [
            (
                "What happened?\n\nBetween 10:01 UTC on 28 October 2024 and 18:07 UTC on 01 November 2024, a subset of customers",
                Some(("2024-10-28T10:01:00Z", "2024-11-01T18:07:00Z")),
            ),
            (
                "Between 04:06 UTC and 05:14 UTC on 5 September 2024, you were identified as a customer",
                Some(("2024-09-05T04:06:00Z", "2024-09-05T05:14:00Z")),
            ),
            (
                "Between approximately 08:00 and 10:30 UTC on 24 Sept 2024, requests failed",
                Some(("2024-09-24T08:00:00Z", "2024-09-24T10:30:00Z")),
            ),
            (
                "from 23:50\u{a0}UTC on 31 Dec 2025 to 00:10 UTC on 1 January 2026",
                Some(("2025-12-31T23:50:00Z", "2026-01-01T00:10:00Z")),
            ),
            ("Starting at 10:01 UTC on 28 October 2024, a subset of customers", None),
            (
                "Between 05:14 UTC and 04:06 UTC on 5 September 2024, it ends before it begins",
                None,
            ),
            ("Between 25:00 UTC and 26:00 UTC on 5 September 2024", None),
            ("Between 04:06 UTC and 05:14 UTC on 31 February 2024", None),
            ("Between 04:06 PST and 05:14 PST on 5 September 2024", None),
            ("", None),
        ] {
            let time = |text: &str| text.parse::<Time>().expect("a time");
            let expected = expected.map(|(start, end)| Window {
                start: time(start),
                end: time(end),
            });
            assert_eq!(Window::in_text(text), expected, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_read_up_to_its_limit() {
        let text = "ü".repeat(TEXT_BYTES_MOST) + " Between 04:06 UTC and 05:14 UTC on 5 September 2024";
        assert_eq!(Window::in_text(&text), None);
    }
}
