//! What the provider's own text says of what comes next, so that nothing of ours contradicts it. Pure.
//!
//! A statement is only taken for said where a sentence says it plainly; what is unclear is not said.

use std::sync::LazyLock;

use chrono::{Datelike, Duration, NaiveDate, TimeZone, Utc};
use regex::{Captures, Regex};

use crate::clock::Time;
use crate::event::{Event, Kind, Stage};

/// So much of a text is read, bytes, from its end: what comes next stands last.
const READ_BYTES: usize = 64 << 10;
/// A promise further ahead than this is no date for an update, days.
const PROMISE_MOST_DAYS: i64 = 14;

macro_rules! pattern {
    ($name:ident, $words:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new(&$words).expect("a valid expression"));
    };
}

/// Whether title or text say that there is nothing to do.
pub(super) fn nothing_to_do(event: &Event) -> bool {
    pattern!(
        NO_ACTION,
        r"(?ix)\b no \s+ (?:\w+\s+){0,3}? actions? \b [^.!?\n]{0,40} \b (?:required|needed|necessary|expected) \b
          | \b actions? \s+ (?:is|are) \s+ not \s+ (?:required|needed|necessary)
          | \b(?:do|does|need|will|would) \s* (?:not|n['’]?t) \s+ (?:\w+\s+){0,3}? (?:any \s+ actions?|anything)
          | \b(?:do|does)n['’]t \s+ (?:\w+\s+){0,3}? (?:any \s+ actions?|anything)
          | \b without \s+ (?:any\s+)? action \b
          | \b nothing \s+ (?:\w+\s+){0,3}? to \s+ do \b"
    );
    NO_ACTION.is_match(&event.title) || NO_ACTION.is_match(read(event))
}

/// Whether the text asks for something to be done.
pub(super) fn something_to_do(event: &Event) -> bool {
    pattern!(
        ACTION,
        r"(?i)\byou (must|need to|should|have to)\b|\b(further|your) action is (required|needed)\b|\baction required\b"
    );
    ACTION.is_match(read(event)) && !nothing_to_do(event)
}

/// Whether the text speaks of a post incident review, or of how to get one.
pub(super) fn of_a_review(event: &Event) -> bool {
    pattern!(
        REVIEW,
        r"\bPIRs?\b|\bRCAs?\b|(?i:\bpost[- ]incident (review|report)|\bpost-?mortem\b|\broot cause analysis\b)"
    );
    REVIEW.is_match(read(event))
}

/// Whether the text of a preliminary review speaks of the final one.
pub(super) fn when_the_final_review_comes(event: &Event) -> bool {
    pattern!(
        FINAL,
        r"(?i)\bfinal\W+(PIR|RCA|post[- ]incident|review|report|root cause)"
    );
    FINAL.is_match(read(event))
}

/// Whether the text speaks of credits.
pub(super) fn of_credits(event: &Event) -> bool {
    pattern!(CREDIT, r"(?i)\bcredits?\b");
    CREDIT.is_match(read(event))
}

/// Whether the text speaks of a recording.
pub(super) fn of_a_recording(event: &Event) -> bool {
    pattern!(RECORDING, r"(?i)\brecord(ing|ings|ed)\b|\bon[- ]demand\b");
    RECORDING.is_match(read(event))
}

/// By when the text promises the next update of something that goes on; `None` where it does not, or says two things.
pub fn next_update(event: &Event) -> Option<Time> {
    let goes_on = !matches!(
        event.stage,
        Stage::Resolved | Stage::Complete | Stage::Canceled | Stage::Rca
    );
    if event.kind != Kind::Update || !goes_on || event.published_said.is_some() {
        return None;
    }
    let mut promises: Vec<Time> = sentences(read(event))
        .filter(|sentence| promises_an_update(sentence))
        .filter_map(|sentence| span(sentence, event.published).or_else(|| clock(sentence, event.published)))
        .filter(|at| *at > event.published && *at <= event.published + Duration::days(PROMISE_MOST_DAYS))
        .collect();
    promises.dedup();
    match promises[..] {
        [only] => Some(only),
        _ => None,
    }
}

fn read(event: &Event) -> &str {
    let text = &event.text;
    &text[text.ceil_char_boundary(text.len().saturating_sub(READ_BYTES))..]
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    pattern!(END, r"[.!?]\s+|\n");
    END.split(text)
}

fn promises_an_update(sentence: &str) -> bool {
    pattern!(NEXT, r"(?i)\bnext (\w+ )?(updates?|communication|message)\b");
    pattern!(
        WILL,
        r"(?ix)(?:\bwill|['’]ll|\bexpect) \b.* \b(?:updates?|more\s+information|further\s+information)\b
          | \b(?:updates?|more\s+information|further\s+information)\b .* (?:\bwill|['’]ll|\bexpect)"
    );
    pattern!(NOT, r"(?i)\b(not|no|cannot|was|were|had)\b|n['’]t\b");
    (NEXT.is_match(sentence) || WILL.is_match(sentence)) && !NOT.is_match(sentence)
}

/// "within the next 60 minutes", "in two hours".
fn span(sentence: &str, published: Time) -> Option<Time> {
    pattern!(
        SPAN,
        r"(?ix)\b(?:with)?in \s+ (?:the\s+next\s+)? (?:about\s+|approximately\s+|another\s+)?
          (\d{1,3}|an?|one|two|three|four|six|eight|twelve) [\s-]+ (minutes?|mins?|hours?|hrs?|days?)\b"
    );
    pattern!(LONG, r"(?i)\b(minutes?|mins?|hours?|hrs?|days?)\b");
    if LONG.find_iter(sentence).count() != 1 {
        return None;
    }
    let only = SPAN.captures(sentence)?;
    let many = number(&only[1])?;
    let unit = only[2].to_ascii_lowercase();
    Some(
        published
            + if unit.starts_with('m') {
                Duration::minutes(many)
            } else if unit.starts_with('h') {
                Duration::hours(many)
            } else {
                Duration::days(many)
            },
    )
}

fn number(word: &str) -> Option<i64> {
    let named = [
        "one", "two", "three", "four", "", "six", "", "eight", "", "", "", "twelve",
    ];
    let word = word.to_ascii_lowercase();
    if matches!(&*word, "a" | "an") {
        return Some(1);
    }
    let at = named.iter().position(|one| *one == word && !one.is_empty());
    at.and_then(|at| i64::try_from(at + 1).ok())
        .or_else(|| word.parse().ok())
}

const MONTHS: &str = "Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?";

/// "by 16:30 UTC", on a day that is named behind it or in front of it, or else the next time that it is so late.
fn clock(sentence: &str, published: Time) -> Option<Time> {
    pattern!(CLOCK, r"(?i)\b(\d{1,2}):(\d{2})\s*([ap]\.?m\b\.?)?\s*\(?(UTC|GMT)\b");
    let mut found = CLOCK.captures_iter(sentence);
    let (only, None) = (found.next()?, found.next()) else {
        return None;
    };
    let (hour, minute) = time_of_day(&only)?;
    let at = |day: NaiveDate| Some(Utc.from_utc_datetime(&day.and_hms_opt(hour, minute, 0)?));
    match days(sentence, published)?[..] {
        [] => {
            let today = at(published.date_naive())?;
            Some(if today > published {
                today
            } else {
                today + Duration::days(1)
            })
        }
        [day] => at(day),
        _ => None,
    }
}

fn time_of_day(clock: &Captures<'_>) -> Option<(u32, u32)> {
    let (hour, minute): (u32, u32) = (clock[1].parse().ok()?, clock[2].parse().ok()?);
    let half = clock.get(3).map(|half| half.as_str().to_ascii_lowercase());
    let hour = match half.as_deref().map(|half| half.starts_with('p')) {
        Some(true) if hour < 12 => hour + 12,
        Some(false) if hour == 12 => 0,
        _ => hour,
    };
    (hour < 24 && minute < 60).then_some((hour, minute))
}

/// The days that a sentence names; `None` if it may name one that is not understood.
fn days(sentence: &str, published: Time) -> Option<Vec<NaiveDate>> {
    pattern!(
        DAY_FIRST,
        format!(r"(?i)\b(\d{{1,2}})(?:st|nd|rd|th)?\s+({MONTHS})\b\.?(?:,?\s+(\d{{4}}))?")
    );
    pattern!(
        MONTH_FIRST,
        format!(r"(?i)\b({MONTHS})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(\d{{4}})\b)?")
    );
    pattern!(
        OTHER,
        r"(?i)\b(tomorrow|next day|(mon|tues|wednes|thurs|fri|satur|sun)day|\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2})\b"
    );
    let day_first: Vec<_> = DAY_FIRST
        .captures_iter(sentence)
        .map(|found| (found.get(1), found.get(2), found.get(3)))
        .collect();
    let named = match day_first.is_empty() {
        true => MONTH_FIRST
            .captures_iter(sentence)
            .map(|found| (found.get(2), found.get(1), found.get(3)))
            .collect(),
        false => day_first,
    };
    if named.is_empty() && OTHER.is_match(sentence) {
        return None;
    }
    let read = named.into_iter().map(|(day, month, year)| {
        let year = match year {
            Some(year) => year.as_str().parse().ok()?,
            None => published.year(),
        };
        NaiveDate::from_ymd_opt(year, month_of(month?.as_str())?, day?.as_str().parse().ok()?)
    });
    read.collect()
}

fn month_of(name: &str) -> Option<u32> {
    let months = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let short = name.get(..3)?.to_ascii_lowercase();
    let at = months.iter().position(|month| *month == short)?;
    u32::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::channel::sample;

    /// The next update that a text promises, published on 24 November 2026 at 14:08:30 UTC, as `day hour:minute`.
    fn promised(text: &str) -> Option<String> {
        let mut event = Arc::unwrap_or_clone(sample::update().event);
        event.text = format!("Starting at 14:00 UTC, requests fail.\n\n{text}\n\nMore will be said elsewhere.");
        next_update(&event).map(|at| at.format("%-d %H:%M").to_string())
    }

    #[test]
    fn a_promise_is_read_where_it_is_plain() {
        for (text, expected) in [
            ("The next update will be provided within 60 minutes.", "24 15:08"),
            (
                "The next update will be provided within 60 minutes, or as events warrant.",
                "24 15:08",
            ),
            (
                "The next update will be provided in 60 minutes, or as events warrant.",
                "24 15:08",
            ),
            (
                "We’ll provide an update within the next 2 hours or as events warrant.",
                "24 16:08",
            ),
            (
                "We'll provide an update within the next 60 minutes, or as events warrant.",
                "24 15:08",
            ),
            ("An update will be provided in two hours.", "24 16:08"),
            ("More information will be provided within an hour.", "24 15:08"),
            ("The next update comes within 90 minutes", "24 15:38"),
            ("Next update: in 30 minutes", "24 14:38"),
            ("The next update will be provided by 16:30 UTC.", "24 16:30"),
            ("The next update will be provided by 4:30 PM UTC.", "24 16:30"),
            ("The next update will be provided at 02:00 UTC.", "25 02:00"),
            (
                "The next update will be provided by 16:30 UTC on 26 November 2026.",
                "26 16:30",
            ),
            ("Expect the next update on November 25, 09:00 UTC.", "25 09:00"),
            ("You can expect an update within 24 hours.", "25 14:08"),
        ] {
            assert_eq!(promised(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_promise_is_none() {
        for text in [
            "",
            "The next update will be provided as events warrant.",
            "Starting at 14:00 UTC, an update was provided within 60 minutes.",
            "We will not provide an update within 60 minutes.",
            "The fix will be deployed within 60 minutes.",
            "The next update will be provided within 60 minutes. The next update will be provided within 2 hours.",
            "The next update will be provided in 30 to 60 minutes, or in 2 hours.",
            "The next update will be provided by 16:30 PST.",
            "The next update will be provided tomorrow by 16:30 UTC.",
            "The next update will be provided by 16:30 UTC on Friday.",
            "The next update will be provided by 16:30 UTC on 1 November 2026.",
            "The next update will be provided within 90 days.",
            "The next update will be provided within 0 minutes.",
            "The next update will be provided by 31:30 UTC on 31 November.",
        ] {
            assert_eq!(promised(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_over_or_not_dated_promises_nothing() {
        let mut event = Arc::unwrap_or_clone(sample::update().event);
        assert!(next_update(&event).is_some());
        event.stage = Stage::Resolved;
        assert_eq!(next_update(&event), None);
        event.stage = Stage::Active;
        event.published_said = Some(event.published);
        assert_eq!(next_update(&event), None);
        event.published_said = None;
        event.kind = Kind::Mitigation;
        assert_eq!(next_update(&event), None);
    }

    #[test]
    fn a_long_text_is_read_from_its_end() {
        let text = format!(
            "{}The next update will be provided within 60 minutes.",
            "é word. ".repeat(50_000)
        );
        assert_eq!(promised(&text).as_deref(), Some("24 15:08"));
    }
}
