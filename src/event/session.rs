//! Finds a retrospective's sessions in the prose of its invitation.
//!
//! Understood are dates and times as people write them ("15:00 UTC on 10 October 2024", "Thursday, October 10, 2024,
//! 3:00 – 4:30 PM UTC", "01:00 UTC the next day"). Only times after the communication was published are sessions: what
//! an invitation says of the incident lies before it.

use std::sync::LazyLock;

use chrono::{Datelike, Duration, NaiveDate, NaiveTime, TimeZone, Utc};
use regex::{Captures, Regex};

use super::Session;
use crate::clock::Time;

/// How long a session lasts that does not say its end.
const DEFAULT_MINUTES: i64 = 90;
/// An invitation comes at most this long before its session; what lies further off is something else.
const MAX_AHEAD_DAYS: i64 = 180;
/// No text has more sessions; the rest would be a trick.
const MAX_SESSIONS: usize = 8;
/// A sentence is read so far, bytes: dates and times are compared with each other, and no invitation has longer ones.
const MAX_SENTENCE_BYTES: usize = 2_000;
/// How far before a time its deadline is announced ("register before …"), bytes.
const DEADLINE_BYTES: usize = 200;
/// A date this close before a time belongs to it, bytes.
const NEAR_BYTES: usize = 40;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// The sessions that `text` announces, in order.
pub fn sessions(text: &str, published: Time) -> Vec<Session> {
    let mut found: Vec<Session> = Vec::new();
    let mut day = None;
    for line in text.lines().flat_map(sentences) {
        read_line(&without_local_times(beginning(line)), published, &mut day, &mut found);
    }
    let soon =
        |session: &Session| session.start > published && session.start < published + Duration::days(MAX_AHEAD_DAYS);
    found.retain(soon);
    found.sort_by_key(|session| session.start);
    found.dedup_by_key(|session| session.start);
    found.truncate(MAX_SESSIONS);
    found
}

macro_rules! pattern {
    ($name:ident, $words:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new(&$words).expect("a valid expression"));
    };
}

/// A line cut after full stops that end a sentence.
fn sentences(line: &str) -> Vec<&str> {
    pattern!(END, r"[.!?]\s+\p{Lu}");
    let mut parts = Vec::new();
    let mut start = 0;
    for end in END.find_iter(line) {
        let stop = end.start() + 1;
        let abbreviated = line[..stop].ends_with("a.m.") || line[..stop].ends_with("p.m.");
        if !abbreviated {
            parts.push(&line[start..stop]);
            start = stop;
        }
    }
    parts.push(&line[start..]);
    parts
}

/// As much of a sentence as is read.
fn beginning(sentence: &str) -> &str {
    &sentence[..sentence.floor_char_boundary(MAX_SENTENCE_BYTES)]
}

/// "15:00 UTC (08:00 PDT)" says one time twice; what stands in brackets is left out unless it is the only one in UTC.
fn without_local_times(line: &str) -> String {
    pattern!(ASIDE, r"\([^()]*\d{1,2}(?::\d{2}|\s*[ap]\.?m)[^()]*\)");
    let outside = ASIDE.replace_all(line, "");
    match outside.contains("UTC") || outside.contains("GMT") {
        true => outside.into_owned(),
        false => line.to_string(),
    }
}

/// What a line says, in order.
#[derive(Debug, Clone)]
enum Token {
    Day(NaiveDate),
    NextDay,
    Span(Span),
}

/// A time of day, or from one to another, in minutes after midnight of a zone that is `east` minutes ahead of UTC.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: u32,
    to: Option<u32>,
    zone: Zone,
}

#[derive(Debug, Clone, Copy)]
enum Zone {
    /// Minutes east of UTC.
    Fixed(i64),
    /// With summer time.
    Named(chrono_tz::Tz),
}

fn read_line(line: &str, published: Time, day: &mut Option<NaiveDate>, found: &mut Vec<Session>) {
    let tokens = tokens(line, published);
    let minutes = duration(line);
    let first_is_day = matches!(tokens.first(), Some((_, _, Token::Day(_))));
    let spans = tokens.iter().enumerate().filter_map(|(nth, token)| match &token.2 {
        Token::Span(span) => Some((nth, *span)),
        _ => None,
    });
    for (nth, span) in spans.filter(|(nth, _)| !is_deadline(&line[..tokens[*nth].0])) {
        let last = found.last().map(|session| session.start.date_naive());
        let on = day_of(line, &tokens, nth, first_is_day).or_else(|| {
            let next_day = tokens.iter().any(|(_, _, token)| matches!(token, Token::NextDay));
            if next_day {
                last.and_then(|last| last.succ_opt())
            } else {
                *day
            }
        });
        found.extend(on.and_then(|on| session(on, span, minutes)));
    }
    let last_day = tokens
        .iter()
        .rev()
        .find_map(|(_, _, token)| if let Token::Day(day) = token { Some(*day) } else { None });
    *day = last_day.or(*day);
}

/// "Register by 12:00 UTC" is no session.
fn is_deadline(before: &str) -> bool {
    pattern!(BY, r"(?i)\b(by|before|until|clos(es|ing)|deadline)\b[^.,;]{0,25}$");
    BY.is_match(&before[before.ceil_char_boundary(before.len().saturating_sub(DEADLINE_BYTES))..])
}

/// The day a time belongs to: the one after "on", else the one the line begins with, else the next.
fn day_of(line: &str, tokens: &[(usize, usize, Token)], nth: usize, first_is_day: bool) -> Option<NaiveDate> {
    let near = |from: usize, to: usize| line.get(from..to).filter(|gap| gap.len() <= NEAR_BYTES);
    let mut end = tokens[nth].1;
    let mut after = None;
    for (start, stop, token) in &tokens[nth + 1..] {
        match token {
            Token::Day(day) => {
                after = near(end, *start)
                    .map(|gap| (*day, gap.split_whitespace().any(|word| word.eq_ignore_ascii_case("on"))));
                break;
            }
            Token::NextDay => return None,
            Token::Span(_) => end = *stop,
        }
    }
    let before = tokens[..nth].iter().rev().find_map(|(_, _, token)| match token {
        Token::Day(day) => Some(*day),
        _ => None,
    });
    match (after, before) {
        (Some((day, true)), _) => Some(day),
        (_, Some(day)) if first_is_day => Some(day),
        (Some((day, false)), _) => Some(day),
        (None, before) => before,
    }
}

fn session(day: NaiveDate, span: Span, minutes: Option<i64>) -> Option<Session> {
    let start = moment(day, span.from, span.zone)?;
    let end = match span.to {
        Some(to) => {
            let end_day = if to <= span.from { day.succ_opt()? } else { day };
            moment(end_day, to, span.zone)?
        }
        None => start + Duration::minutes(minutes.unwrap_or(DEFAULT_MINUTES)),
    };
    Some(Session { start, end })
}

fn moment(day: NaiveDate, minutes: u32, zone: Zone) -> Option<Time> {
    let local = day.and_time(NaiveTime::from_hms_opt(minutes / 60, minutes % 60, 0)?);
    match zone {
        Zone::Fixed(east) => Some(Utc.from_utc_datetime(&local) - Duration::minutes(east)),
        Zone::Named(zone) => zone
            .from_local_datetime(&local)
            .earliest()
            .map(|time| time.with_timezone(&Utc)),
    }
}

/// "a 60-minute session", "one hour": how long the line says a session lasts.
fn duration(line: &str) -> Option<i64> {
    pattern!(LASTS, r"(?i)\b(\d{2,3})[- ]min(ute)?s?\b");
    let minutes = LASTS.captures(line)?[1].parse().ok()?;
    (10..=480).contains(&minutes).then_some(minutes)
}

fn tokens(line: &str, published: Time) -> Vec<(usize, usize, Token)> {
    pattern!(NEXT_DAY, r"(?i)\b(the )?(next|following) day\b|\+1 day\b");
    let mut tokens = days(line, published);
    let mut rest = line.to_string();
    for (start, end, _) in &tokens {
        rest.replace_range(*start..*end, &" ".repeat(end - start));
    }
    tokens.extend(
        NEXT_DAY
            .find_iter(&rest)
            .map(|found| (found.start(), found.end(), Token::NextDay)),
    );
    tokens.extend(spans(&rest));
    tokens.sort_by_key(|(start, _, _)| *start);
    tokens
}

const MONTH: &str = "(Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)";

fn days(line: &str, published: Time) -> Vec<(usize, usize, Token)> {
    pattern!(ISO, r"\b(\d{4})-(\d{2})-(\d{2})(?:T|\b)");
    pattern!(
        DAY_FIRST,
        format!(r"\b(\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+{MONTH}\b\.?(?:,?\s+(\d{{4}})\b)?")
    );
    pattern!(
        MONTH_FIRST,
        format!(r"\b{MONTH}\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(\d{{4}})\b)?")
    );
    let mut found: Vec<(usize, usize, Token)> = Vec::new();
    let mut note = |captures: Captures<'_>, (day, month, year): (usize, usize, usize)| {
        let whole = captures.get(0).expect("group 0 is the match");
        let group = |nth: usize| captures.get(nth).map(|text| text.as_str());
        let parts = group(day)
            .and_then(|day| day.parse().ok())
            .zip(group(month).and_then(month_of));
        let year = group(year).and_then(|year| year.parse().ok());
        let overlaps = found
            .iter()
            .any(|(start, end, _)| whole.start() < *end && *start < whole.end());
        if let Some(day) = parts
            .filter(|_| !overlaps)
            .and_then(|(day, month)| date(day, month, year, published))
        {
            found.push((whole.start(), whole.end(), Token::Day(day)));
        }
    };
    ISO.captures_iter(line).for_each(|captures| note(captures, (3, 2, 1)));
    DAY_FIRST
        .captures_iter(line)
        .for_each(|captures| note(captures, (1, 2, 3)));
    MONTH_FIRST
        .captures_iter(line)
        .for_each(|captures| note(captures, (2, 1, 3)));
    found
}

fn month_of(word: &str) -> Option<u32> {
    let short = word.get(..3).unwrap_or_default().to_ascii_lowercase();
    let by_name = MONTHS
        .iter()
        .position(|month| *month == short)
        .and_then(|nth| u32::try_from(nth + 1).ok());
    by_name.or_else(|| word.parse().ok())
}

/// A date without its year is the next such day after the text was published.
fn date(day: u32, month: u32, year: Option<i32>, published: Time) -> Option<NaiveDate> {
    let today = published.date_naive();
    match year {
        Some(year) => NaiveDate::from_ymd_opt(year, month, day),
        None => {
            let this_year = NaiveDate::from_ymd_opt(today.year(), month, day)?;
            if this_year >= today {
                Some(this_year)
            } else {
                NaiveDate::from_ymd_opt(today.year() + 1, month, day)
            }
        }
    }
}

const CLOCK: &str = r"(\d{1,2})(?::(\d{2}))?(?::\d{2})?\s*([AaPp]\.?[Mm]\b\.?)?";
const ZONE: &str = r"\(?(UTC\+\d{1,2}(?::\d{2})?|UTC|GMT|Z\b|Pacific|Eastern|PST|PDT|PT\b|MST|MDT|CST|CDT|EST|EDT|ET\b|BST|CET|CEST|IST|JST|AEST|AEDT|NZST|NZDT)";

fn spans(line: &str) -> Vec<(usize, usize, Token)> {
    pattern!(
        CLOCKS,
        format!(r"\b{CLOCK}\s*{ZONE}?(?:\s*(?:-|–|—|to|until|till)\s*{CLOCK}\s*{ZONE}?)?")
    );
    pattern!(
        BETWEEN,
        format!(r"(?i:between)\s+{CLOCK}\s*{ZONE}?\s+and\s+{CLOCK}\s*{ZONE}?")
    );
    let mut found: Vec<(usize, usize, Token)> = Vec::new();
    for captures in BETWEEN.captures_iter(line).chain(CLOCKS.captures_iter(line)) {
        let whole = captures.get(0).expect("group 0 is the match");
        let overlaps = found
            .iter()
            .any(|(start, end, _)| whole.start() < *end && *start < whole.end());
        let unclear = captures.get(4).or(captures.get(8)).is_none() && is_unknown_zone(&line[whole.end()..]);
        if let Some(span) = span(&captures).filter(|_| !overlaps && !unclear) {
            found.push((whole.start(), whole.end(), Token::Span(span)));
        }
    }
    found
}

/// "15:00 SGT": a zone we do not know; no invitation is better than one for the wrong hour.
fn is_unknown_zone(rest: &str) -> bool {
    pattern!(ABBREVIATION, r"^\s*\(?[A-Z]{2,4}T\b");
    ABBREVIATION.is_match(rest)
}

/// A bare number is no time: it needs minutes, "am" or "pm", or the "pm" of the other end of its span.
fn span(captures: &Captures<'_>) -> Option<Span> {
    let group = |nth: usize| captures.get(nth).map(|text| text.as_str());
    let zone = group(4).or(group(8)).map_or(Zone::Fixed(0), zone);
    let to = group(5).and_then(|hour| minutes(hour, group(6), group(7)));
    let half = group(3).or(group(7).filter(|_| to.is_some()));
    let mut from = minutes(group(1)?, group(2), half)?;
    if group(3).is_none() && to.is_some_and(|to| to <= from) {
        // "11:00 – 12:30 PM" begins in the morning.
        from = minutes(group(1)?, group(2), half.map(|_| "am")).unwrap_or(from);
    }
    Some(Span { from, to, zone })
}

/// Minutes after midnight.
fn minutes(hour: &str, minute: Option<&str>, half: Option<&str>) -> Option<u32> {
    if minute.is_none() && half.is_none() {
        return None;
    }
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.unwrap_or("0").parse().ok()?);
    let hour = match half.and_then(|half| half.chars().next()) {
        Some('a' | 'A') if hour == 12 => 0,
        Some('p' | 'P') if hour < 12 => hour + 12,
        _ => hour,
    };
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// The zones that invitations use. "UTC-5" is not among them: the dash is read as "until".
fn zone(name: &str) -> Zone {
    if let Some(ahead) = name.strip_prefix("UTC+") {
        let (hours, minutes) = ahead.split_once(':').unwrap_or((ahead, "0"));
        return Zone::Fixed(hours.parse().unwrap_or(0) * 60 + minutes.parse().unwrap_or(0));
    }
    match name {
        "PT" | "Pacific" => Zone::Named(chrono_tz::America::Los_Angeles),
        "ET" | "Eastern" => Zone::Named(chrono_tz::America::New_York),
        "PST" => Zone::Fixed(-8 * 60),
        "PDT" | "MST" => Zone::Fixed(-7 * 60),
        "MDT" | "CST" => Zone::Fixed(-6 * 60),
        "CDT" | "EST" => Zone::Fixed(-5 * 60),
        "EDT" => Zone::Fixed(-4 * 60),
        "BST" | "CET" => Zone::Fixed(60),
        "CEST" => Zone::Fixed(2 * 60),
        "IST" => Zone::Fixed(5 * 60 + 30),
        "JST" => Zone::Fixed(9 * 60),
        "AEST" => Zone::Fixed(10 * 60),
        "AEDT" => Zone::Fixed(11 * 60),
        "NZST" => Zone::Fixed(12 * 60),
        "NZDT" => Zone::Fixed(13 * 60),
        _ => Zone::Fixed(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sessions in `text`, published on 3 October 2024, as `from/to`.
    fn found(text: &str) -> Vec<String> {
        let written = |session: Session| {
            format!(
                "{}/{}",
                session.start.format("%m-%d %H:%M"),
                session.end.format("%H:%M")
            )
        };
        sessions(text, "2024-10-03T16:00:11Z".parse().unwrap())
            .into_iter()
            .map(written)
            .collect()
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for text in [
            "15:00 UTC on 10 October 2024",
            "- 15:00 UTC on 10 October 2024",
            "Join us on 10 October 2024 at 15:00 UTC.",
            "Thursday, October 10, 2024, 3:00 PM UTC",
            "Thursday 10th of October: 3 pm UTC",
            "Session 1: Oct. 10 2024 15:00",
            "2024-10-10T15:00:00Z",
            "2024-10-10 15:00 UTC",
            "15:00 UTC, 10 October 2024 (08:00 PDT)",
            "8:00 AM PT on 10 October 2024",
            "10 October 2024 at 8 a.m. PDT (15:00 UTC)",
            "Thursday 10 October 2024\n15:00 UTC",
            "10 October 2024, 8:00 AM (PDT)",
            "8:00 AM Pacific Time on 10 October 2024",
            "10 October 2024, 8:00 AM PDT / 15:00 UTC",
            "17:00 UTC+2 on 10 October 2024",
            "20:30 UTC+05:30 on 10 October 2024",
            "About the outage of 5 September 2024: join at 15:00 UTC on 10 October 2024",
        ] {
            assert_eq!(found(text), ["10-10 15:00/16:30"], "{text}");
        }
    }

    #[test]
    fn a_session_that_says_its_end_has_it() {
        for text in [
            "15:00 – 16:00 UTC on 10 October 2024",
            "10 October 2024, 15:00-16:00 UTC",
            "between 15:00 UTC and 16:00 UTC on 10 October 2024",
            "from 3:00 to 4:00 PM UTC on October 10, 2024",
            "3–4 PM UTC on October 10",
            "a 60-minute session at 15:00 UTC on 10 October 2024",
        ] {
            assert_eq!(found(text), ["10-10 15:00/16:00"], "{text}");
        }
        assert_eq!(found("10 October 2024, 11:00 – 12:30 PM UTC"), ["10-10 11:00/12:30"]);
        assert_eq!(found("10 October 2024, 23:30 – 00:30 UTC"), ["10-10 23:30/00:30"]);
    }

    #[test]
    fn there_may_be_several_sessions_and_the_next_day() {
        let both = ["10-10 15:00/16:30", "10-11 01:00/02:30"];
        for text in [
            "- 15:00 UTC on 10 October 2024\n- 01:00 UTC on 11 October 2024",
            "15:00 UTC on 10 October 2024 and 01:00 UTC on 11 October 2024",
            "15:00 UTC on 10 October 2024 and 01:00 UTC the next day",
            "10 October 2024 15:00 UTC\n01:00 UTC (the following day)",
            "10 October 2024 15:00 UTC, 11 October 2024 01:00 UTC",
            "15:00 UTC, 10 October 2024 / 01:00 UTC, 11 October 2024",
        ] {
            assert_eq!(found(text), both, "{text}");
        }
        assert_eq!(
            found("15:00 UTC and 23:00 UTC on 10 October 2024"),
            ["10-10 15:00/16:30", "10-10 23:00/00:30"]
        );
    }

    #[test]
    fn what_is_past_or_a_deadline_is_no_session() {
        for text in [
            "between 04:06 UTC and 05:14 UTC on 5 September 2024",
            "Register by 12:00 UTC on 9 October 2024",
            "On 10 October 2024 we may publish 3 more reviews",
            "at 15:00 UTC",
            "at 25:00 UTC on 10 October 2024",
            "23:00 SGT on 10 October 2024",
            "15:00 UTC on 31 February 2025",
            "15:00 UTC on 10 October 2034",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }
}
