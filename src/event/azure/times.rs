//! Times in all the ways in which they are written: ISO 8601, and what other clocks, languages and libraries make of it.
//!
//! What cannot be read counts as not said, with a note. So does a date of which nobody knows whether its day or its month
//! stands first: a guess would be wrong for half of those who write it, and a wrong day is worse than none.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use regex::Regex;

use super::super::json::{Node, Value};
use super::super::note::{Notes, quoted};
use super::words;
use crate::clock::Time;

/// The years in which events happen.
const YEARS: std::ops::Range<i32> = 1970..9999;

/// The years that libraries write where there is no time: .NET's first and last, Windows' first, SQL's first, and that of
/// spreadsheets.
const YEARS_OF_NONE: [i32; 5] = [1, 1601, 1753, 1900, 9999];

/// What is written where there is no time.
const NONE: [&str; 7] = ["", "-", "--", "null", "none", "n/a", "undefined"];

/// What a text says of a time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Said {
    /// This.
    Time(Time),
    /// This day, and no time of day.
    Day(Time),
    /// That there is none.
    None,
    /// Day and month may stand in either order: these are both readings.
    Either(NaiveDate, NaiveDate),
    /// Nothing that can be read.
    Unreadable,
}

/// The time under `key`; UTC if it names no zone. What cannot be read is noted and counts as not said.
pub(super) fn time(node: &Node, key: &'static str, notes: &mut Notes) -> Option<Time> {
    let member = node.get(key)?;
    let Some(text) = words::said(node, key) else {
        if !matches!(&member.value, Value::Text(_)) {
            notes.add(key, "this is not a time, and counts as not said");
        }
        return None;
    };
    match read(&text) {
        Said::Time(time) => Some(time),
        Said::Day(time) => {
            let what = format!("`{}` names no time of day; it is taken as 00:00 UTC", quoted(&text));
            notes.add(key, what);
            Some(time)
        }
        Said::None => None,
        Said::Either(one, other) => {
            let days = [one, other].map(|day| day.format("%-d %B %Y").to_string()).join(" or ");
            let what = format!(
                "`{}` could be {days}; it is not guessed which, and counts as not said",
                quoted(&text)
            );
            notes.add(key, what);
            None
        }
        Said::Unreadable => {
            let what = format!("`{}` cannot be read as a time, and counts as not said", quoted(&text));
            notes.add(key, what);
            None
        }
    }
}

fn read(text: &str) -> Said {
    let text = text.trim();
    if NONE.iter().any(|none| none.eq_ignore_ascii_case(text)) {
        return Said::None;
    }
    let said = [iso, epoch, in_words].iter().find_map(|form| form(text));
    match said.unwrap_or(Said::Unreadable) {
        Said::Time(time) | Said::Day(time) if YEARS_OF_NONE.contains(&time.year()) => Said::None,
        Said::Time(time) | Said::Day(time) if !YEARS.contains(&time.year()) => Said::Unreadable,
        said => said,
    }
}

/// ISO 8601 and RFC 3339, as most of the world writes times; and RFC 2822, as mail and AWS do.
fn iso(text: &str) -> Option<Said> {
    let zoned = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc2822(text));
    zoned.ok().map(|time| Said::Time(time.with_timezone(&Utc)))
}

/// Seconds or milliseconds since 1970, also as old .NET writes them (`/Date(1793523600000)/`). Other numbers of digits are
/// something else: days, ticks, ids.
fn epoch(text: &str) -> Option<Said> {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(?:/Date\()?(1[0-8]\d{8})(\d{3})?(?:[+-]\d{4})?(?:\)/)?$").expect("a valid expression")
    });
    let found = FORM.captures(text)?;
    let seconds: i64 = found[1].parse().ok()?;
    let millis: u32 = found.get(2).map_or(Some(0), |millis| millis.as_str().parse().ok())?;
    let time = Utc.timestamp_opt(seconds, millis * 1_000_000).single()?;
    Some(Said::Time(time))
}

/// Any other order of a date, a time of day and a zone, as people and spreadsheets write them.
fn in_words(text: &str) -> Option<Said> {
    let (text, zone) = without_zone(text)?;
    let text = tidy(text);
    let (date, clock) = split(&text)?;
    let at = |day: NaiveDate, clock: NaiveTime| {
        let local = zone.from_local_datetime(&NaiveDateTime::new(day, clock)).single()?;
        Some(local.with_timezone(&Utc))
    };
    let clock = match clock {
        "" => None,
        clock => Some(time_of_day(clock)?),
    };
    match (day(date)?, clock) {
        (Day::Either(one, other), _) => Some(Said::Either(one, other)),
        (Day::Day(day), Some(clock)) => at(day, clock).map(Said::Time),
        (Day::Day(day), None) => at(day, NaiveTime::MIN).map(Said::Day),
    }
}

/// A text without the zone at its end, and the zone: UTC by name, or a difference to it. Other names (`PST`, `IST`) stand
/// for several zones each and are not taken off, so that nothing can be read.
fn without_zone(text: &str) -> Option<(&str, FixedOffset)> {
    static ZONE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)^(.*?\d.*?(?:\d|[ap]\.?m\.?))\s*(?:\(?(?:UTC|GMT|Z)\)?|([+-])(\d{2}):?(\d{2})?)$")
            .expect("a valid expression")
    });
    static DIFFERENCE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d:\d\d.*[+-]\d{2}(:?\d{2})?$").expect("a valid expression"));
    let utc = FixedOffset::east_opt(0)?;
    let Some(found) = ZONE.captures(text) else {
        return Some((text, utc));
    };
    let Some(sign) = found.get(2) else {
        return Some((found.get(1)?.as_str(), utc));
    };
    // the end of `01-11-2026` is no zone: a difference stands behind a time of day
    if !DIFFERENCE.is_match(text) {
        return Some((text, utc));
    }
    let number = |nth: usize| {
        found
            .get(nth)
            .map_or(Some(0), |digits| digits.as_str().parse::<i32>().ok())
    };
    let seconds = number(3)? * 3_600 + number(4)? * 60;
    let seconds = if sign.as_str() == "-" { -seconds } else { seconds };
    Some((found.get(1)?.as_str(), FixedOffset::east_opt(seconds)?))
}

/// Without commas, weekdays, little words and the endings of ordinal numbers; blanks are single.
fn tidy(text: &str) -> String {
    static LEFT_OUT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i),|\b(?:mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun)(?:day|nesday|rsday|urday|sday)?\b\.?|\b(?:at|on)\b|\u{202f}|\u{a0}")
            .expect("a valid expression")
    });
    static ORDINAL: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?i)\b(\d{1,2})(?:st|nd|rd|th)\b").expect("a valid expression"));
    let text = LEFT_OUT.replace_all(text, " ");
    let text = ORDINAL.replace_all(&text, "$1");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The date, and the time of day behind it: what begins with hours and minutes.
fn split(text: &str) -> Option<(&str, &str)> {
    static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)(?:^|[T\s])(\d{1,2}(?::\d{2}){1,2}.*|\d{1,2} ?[ap]m|\d{4}(?:\d{2})?)$")
            .expect("a valid expression")
    });
    // four digits at the end are hours and minutes only behind a `T`
    let found = CLOCK.captures(text).filter(|found| {
        found[1].contains(':') || found[1].to_ascii_lowercase().ends_with('m') || found[0].starts_with(['T', 't'])
    });
    match found {
        Some(found) => Some((text[..found.get(0)?.start()].trim(), found.get(1)?.as_str())),
        None => Some((text, "")),
    }
}

fn time_of_day(text: &str) -> Option<NaiveTime> {
    const FORMS: [&str; 9] = [
        "%H:%M:%S%.f",
        "%H:%M",
        "%I:%M:%S %p",
        "%I:%M:%S%p",
        "%I:%M %p",
        "%I:%M%p",
        "%I %p",
        "%H%M%S",
        "%H%M",
    ];
    // `9 AM` has no minutes, and chrono wants some
    let text = text.replace("a.m.", "AM").replace("p.m.", "PM");
    let whole_hour = text.len() <= 5 && !text.contains(':') && text.to_ascii_lowercase().ends_with('m');
    if whole_hour {
        let (hour, half) = text.split_at(text.len() - 2);
        return NaiveTime::parse_from_str(&format!("{}:00 {half}", hour.trim()), "%I:%M %p").ok();
    }
    FORMS
        .iter()
        .find_map(|form| NaiveTime::parse_from_str(&text, form).ok())
}

enum Day {
    Day(NaiveDate),
    Either(NaiveDate, NaiveDate),
}

/// A day that is written with its year first, with its month in letters, or in an order that only one reading has.
fn day(text: &str) -> Option<Day> {
    const FORMS: [&str; 8] = [
        "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d %B %Y", "%B %d %Y", "%d-%B-%Y", "%Y %B %d",
    ];
    static YEAR_LAST: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})$").expect("a valid expression"));
    static HAS_YEAR: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?:^|\D)\d{4}(?:\D|$)|^\d{8}$").expect("a valid expression"));
    if !HAS_YEAR.is_match(text) {
        return None;
    }
    let Some(found) = YEAR_LAST.captures(text) else {
        let day = FORMS.iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok());
        return day.map(Day::Day);
    };
    let number = |nth: usize| found[nth].parse::<u32>().ok();
    let (one, other, year) = (number(1)?, number(2)?, found[3].parse::<i32>().ok()?);
    let readings = [(one, other), (other, one)].map(|(month, day)| NaiveDate::from_ymd_opt(year, month, day));
    match readings {
        [Some(one), Some(other)] if one != other => Some(Day::Either(one, other)),
        [one, other] => one.or(other).map(Day::Day),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::json;
    use super::*;

    /// What the value (as JSON) under a key says, and what is noted.
    fn said(value: &str) -> (Option<String>, String) {
        let node = json::parse(&format!("{{\"t\": {value}}}")).expect("JSON").root;
        let mut notes = Notes::default();
        let time = time(&node, "t", &mut notes);
        let notes: Vec<String> = notes.into_vec().into_iter().map(|note| note.what).collect();
        (
            time.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            notes.join("; "),
        )
    }

    #[test]
    fn times_are_read_in_every_form_that_has_one_reading() {
        for (text, iso) in [
            ("2017-07-20T21:41:00Z", "2017-07-20T21:41:00Z"),
            ("2017-07-20T21:41:00.8022297Z", "2017-07-20T21:41:00.802229700Z"),
            ("2017-07-20T21:41:00.8", "2017-07-20T21:41:00.800Z"),
            ("2021-11-16T08:27:36.1836909+02:00", "2021-11-16T06:27:36.183690900Z"),
            ("2021-11-16 08:27:36", "2021-11-16T08:27:36Z"),
            ("2026-11-01T09:00Z", "2026-11-01T09:00:00Z"),
            ("2026-11-01T09:00", "2026-11-01T09:00:00Z"),
            ("2026-11-01 09:00:00Z", "2026-11-01T09:00:00Z"),
            ("2026-11-01 09:00 UTC", "2026-11-01T09:00:00Z"),
            ("2026-11-01T09:00:00+0000", "2026-11-01T09:00:00Z"),
            ("2026-11-01 09:00:00 -0500", "2026-11-01T14:00:00Z"),
            ("2026/11/01 9:00:00 PM", "2026-11-01T21:00:00Z"),
            ("20261101T090000Z", "2026-11-01T09:00:00Z"),
            ("11/13/2026 9:00:00 AM", "2026-11-13T09:00:00Z"),
            ("13/11/2026 09:00:00", "2026-11-13T09:00:00Z"),
            ("13.11.2026 09:00", "2026-11-13T09:00:00Z"),
            ("11/11/2026 12:30:00 AM", "2026-11-11T00:30:00Z"),
            ("Sun, 01 Nov 2026 09:00:00 GMT", "2026-11-01T09:00:00Z"),
            ("Sunday, November 1, 2026 9:00:00 AM", "2026-11-01T09:00:00Z"),
            ("1 November 2026 at 09:00 UTC", "2026-11-01T09:00:00Z"),
            ("Nov 1st, 2026 9:00AM", "2026-11-01T09:00:00Z"),
            ("01-Nov-2026 09:00:00", "2026-11-01T09:00:00Z"),
            ("1 Nov 2026 9 PM (UTC)", "2026-11-01T21:00:00Z"),
            ("1793523600", "2026-11-01T09:00:00Z"),
            ("1793523600250", "2026-11-01T09:00:00.250Z"),
            ("/Date(1793523600000)/", "2026-11-01T09:00:00Z"),
        ] {
            let expected = (Some(iso.to_owned()), String::new());
            assert_eq!(said(&format!("\"{text}\"")), expected, "{text}");
        }
        assert_eq!(said("1793523600").0.as_deref(), Some("2026-11-01T09:00:00Z"));
        assert_eq!(
            said("{\"value\": \"2026-11-01T09:00:00Z\"}").0.as_deref(),
            Some("2026-11-01T09:00:00Z")
        );
    }

    #[test]
    fn day_and_month_are_never_guessed() {
        for text in [
            "11/1/2026 9:00:00 AM",
            "01/11/2026 09:00",
            "1.11.2026",
            "11-01-2026 09:00:00Z",
        ] {
            let (time, note) = said(&format!("\"{text}\""));
            assert_eq!(time, None, "{text}");
            assert!(
                note.contains("1 November 2026") && note.contains("11 January 2026"),
                "{text}: {note}"
            );
            assert!(note.contains("not guessed") && note.contains(text), "{note}");
        }
    }

    #[test]
    fn no_time_is_written_in_several_ways() {
        for none in [
            "null",
            "\"\"",
            "\" \"",
            "\"null\"",
            "\"N/A\"",
            "\"-\"",
            "\"0001-01-01T00:00:00\"",
            "\"0001-01-01T00:00:00Z\"",
            "\"1/1/0001 12:00:00 AM\"",
            "\"9999-12-31T23:59:59.9999999Z\"",
            "\"1601-01-01T00:00:00Z\"",
        ] {
            assert_eq!(said(none), (None, String::new()), "{none}");
        }
    }

    #[test]
    fn what_cannot_be_read_counts_as_not_said_with_a_note() {
        for bad in [
            "\"tomorrow\"",
            "\"2026-13-01T00:00:00Z\"",
            "\"1 November 2026 09:00 PST\"",
            "\"31/31/2026\"",
            "\"11/1/26 9:00\"",
            "\"2026-11-01T25:00:00Z\"",
            "\"0026-11-01T09:00:00Z\"",
            "17",
            "true",
            "[1]",
            "{}",
            "\"638979552000000000\"",
            "\"09:00\"",
            "\"2026\"",
            "\"2026110109\"",
        ] {
            let (time, note) = said(bad);
            assert_eq!(time, None, "{bad}");
            assert!(note.contains("counts as not said"), "{bad}: {note}");
        }
    }

    #[test]
    fn a_day_without_a_time_of_day_says_how_it_was_taken() {
        for text in ["2028-03-31", "31 March 2028", "March 31, 2028", "3/31/2028"] {
            let (time, note) = said(&format!("\"{text}\""));
            assert_eq!(time.as_deref(), Some("2028-03-31T00:00:00Z"), "{text}");
            assert!(note.contains("00:00 UTC"), "{note}");
        }
    }
}
