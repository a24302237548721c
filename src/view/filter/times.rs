//! Times as people type them: a day of their own zone, a moment, or how long ago.

use chrono::{Days, NaiveDate, NaiveTime, TimeZone as _};
use chrono_tz::Tz;

use super::{Reading, Wrong};
use crate::clock::Time;

/// A day, a moment, or how long ago. A day begins at its midnight and, as an end, is meant whole.
pub(super) fn moment(parameter: &'static str, text: &str, reading: Reading<'_>, is_end: bool) -> Result<Time, Wrong> {
    let found = day(text, reading.zone, is_end)
        .or_else(|| text.replace(' ', "+").parse().ok())
        .or_else(|| ago(text, reading.now));
    found.ok_or_else(|| {
        let hint = "a day (2026-11-24), a moment (2026-11-24T14:10:00Z), or how long ago (90d, 12h)";
        Wrong::new(parameter, "it is no time", hint)
    })
}

fn day(text: &str, zone: Tz, is_end: bool) -> Option<Time> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let day = day.checked_add_days(Days::new(u64::from(is_end)))?;
    // where a zone's day has no midnight, it begins with the first hour that there is
    let mut hours = (0..4).filter_map(|hour| NaiveTime::from_hms_opt(hour, 0, 0));
    let begins = hours.find_map(|hour| zone.from_local_datetime(&day.and_time(hour)).earliest())?;
    Some(begins.with_timezone(&chrono::Utc))
}

fn ago(text: &str, now: Time) -> Option<Time> {
    let long = humantime::parse_duration(text).ok()?;
    now.checked_sub_signed(chrono::Duration::from_std(long).ok()?)
}
