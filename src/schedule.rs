//! Recurring times: cron expressions in a time zone, through daylight-saving changes.
//!
//! Five fields mean what they mean everywhere (Sunday is 0 or 7); six or seven begin with seconds and count weekdays
//! from Sunday = 1, as the `cron` crate does. The time is an argument: nothing here asks a clock.

use std::str::FromStr;

use chrono::{Duration, NaiveDateTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use crate::clock::Time;

/// A checked cron expression.
#[derive(Debug, Clone)]
pub struct Cron {
    source: String,
    schedule: cron::Schedule,
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Cron {}

/// How far back a search begins, so that times which the clock jumped over are found behind the jump.
const LONGEST_JUMP_HOURS: i64 = 25;

impl Cron {
    /// Reads an expression of five, six or seven fields.
    ///
    /// # Errors
    /// In words that say which field is wrong, or how many there are to be.
    pub fn read(text: &str) -> Result<Self, String> {
        let source = text.trim().to_owned();
        let fields: Vec<_> = source.split_whitespace().collect();
        let expression = match fields.len() {
            1 if source.starts_with('@') => source.clone(),
            5 => from_five(&fields)?,
            6 | 7 => fields.join(" "),
            count => {
                return Err(format!(
                    "a cron expression has five fields (minute hour day month weekday), not {count}"
                ));
            }
        };
        let schedule = cron::Schedule::from_str(&expression)
            .map_err(|_| format!("`{source}` is no cron expression; \"0 3 * * *\" is every day at three"))?;
        Ok(Self { source, schedule })
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The first time after `after`, by the clocks of `zone`; `None` if there is none any more.
    ///
    /// A time that the clocks jump over happens at the jump; one that they show twice happens the first time.
    pub fn next_after(&self, after: Time, zone: Tz) -> Option<Time> {
        let local = zone.from_utc_datetime(&after.naive_utc()).naive_local();
        let earlier = after - Duration::hours(LONGEST_JUMP_HOURS);
        let is_steady = offset(zone, earlier) == offset(zone, after);
        let start = if is_steady {
            local
        } else {
            local - Duration::hours(LONGEST_JUMP_HOURS)
        };
        let candidates = self.schedule.after_owned(Utc.from_utc_datetime(&start));
        candidates
            .map(|naive| instant(zone, naive.naive_utc()))
            .find(|time| *time > after)
    }
}

fn offset(zone: Tz, at: Time) -> chrono::FixedOffset {
    use chrono::Offset;
    zone.offset_from_utc_datetime(&at.naive_utc()).fix()
}

/// When the clocks of `zone` first show `naive`, or the end of the jump over it.
pub fn instant(zone: Tz, naive: NaiveDateTime) -> Time {
    let mut shown = naive;
    loop {
        if let Some(time) = zone.from_local_datetime(&shown).earliest() {
            return time.to_utc();
        }
        let next = shown.with_second(0).unwrap_or(shown) + Duration::minutes(1);
        shown = next;
    }
}

/// Five fields as the crate's six: seconds in front, weekdays as names.
fn from_five(fields: &[&str]) -> Result<String, String> {
    let [minute, hour, day, month, weekday] = fields else {
        return Err("five fields are expected".to_owned());
    };
    let is_any = |field: &str| matches!(field, "*" | "?");
    if !is_any(day) && !is_any(weekday) {
        let what = "a day of the month and a weekday together mean different things to different programs";
        return Err(format!("{what}: use one of them and `*` for the other"));
    }
    Ok(format!("0 {minute} {hour} {day} {month} {}", weekdays(weekday)?))
}

const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A weekday field in names: `1-5` is `MON,TUE,WED,THU,FRI`.
fn weekdays(field: &str) -> Result<String, String> {
    if matches!(field, "*" | "?") {
        return Ok("*".to_owned());
    }
    let mut days = [false; 7];
    for item in field.split(',') {
        for day in weekday_range(item)? {
            days[day % 7] = true;
        }
    }
    let named: Vec<_> = DAYS
        .iter()
        .zip(days)
        .filter(|(_, is_meant)| *is_meant)
        .map(|(name, _)| *name)
        .collect();
    Ok(named.join(","))
}

/// One item: `1`, `mon`, `1-5`, `fri-sun`, `*/2`, `1-5/2`.
fn weekday_range(item: &str) -> Result<Vec<usize>, String> {
    let (range, step) = item.split_once('/').unwrap_or((item, "1"));
    let step: usize = step
        .parse()
        .ok()
        .filter(|step| (1..=7).contains(step))
        .ok_or_else(|| no_weekday(item))?;
    let (first, last) = match range.split_once('-') {
        _ if range == "*" => (0, 6),
        Some((first, last)) => (weekday(first)?, weekday(last)?),
        None if item.contains('/') => (weekday(range)?, 6),
        None => (weekday(range)?, weekday(range)?),
    };
    let last = if last < first { last + 7 } else { last };
    Ok((first..=last).step_by(step).collect())
}

fn weekday(text: &str) -> Result<usize, String> {
    let by_name = DAYS.iter().position(|name| name.eq_ignore_ascii_case(text));
    let by_number = || text.parse().ok().filter(|number| *number <= 7);
    by_name.or_else(by_number).ok_or_else(|| no_weekday(text))
}

fn no_weekday(text: &str) -> String {
    format!("`{text}` is no weekday: 0 to 7 (Sunday is 0 and 7), or SUN to SAT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().expect("a time")
    }

    fn next(cron: &str, after: &str, zone: Tz) -> String {
        let next = Cron::read(cron)
            .expect(cron)
            .next_after(time(after), zone)
            .expect("a next time");
        next.format("%Y-%m-%dT%H:%MZ").to_string()
    }

    #[test]
    fn five_fields_count_weekdays_from_sunday_0_and_7() {
        // 2026-11-23 is a Monday.
        assert_eq!(
            next("0 9 * * 1-5", "2026-11-20T10:00:00Z", Tz::UTC),
            "2026-11-23T09:00Z"
        );
        assert_eq!(
            next("0 9 * * 1-5", "2026-11-26T10:00:00Z", Tz::UTC),
            "2026-11-27T09:00Z"
        );
        for sunday in ["0", "7", "sun", "SUN", "6-7/7,7"] {
            let cron = format!("0 9 * * {sunday}");
            assert!(Cron::read(&cron).is_ok(), "{cron}");
        }
        assert_eq!(next("0 9 * * 7", "2026-11-23T00:00:00Z", Tz::UTC), "2026-11-29T09:00Z");
        assert_eq!(
            next("0 9 * * 5-7", "2026-11-23T00:00:00Z", Tz::UTC),
            "2026-11-27T09:00Z"
        );
        assert_eq!(
            next("0 9 * * fri-mon", "2026-11-24T00:00:00Z", Tz::UTC),
            "2026-11-27T09:00Z"
        );
    }

    #[test]
    fn six_fields_begin_with_seconds() {
        assert_eq!(
            next("0 30 4 * * *", "2026-11-23T05:00:00Z", Tz::UTC),
            "2026-11-24T04:30Z"
        );
        assert_eq!(next("@daily", "2026-11-23T05:00:00Z", Tz::UTC), "2026-11-24T00:00Z");
    }

    #[test]
    fn a_time_that_the_clocks_jump_over_happens_at_the_jump() {
        // Berlin, 2026-03-29: 02:00 becomes 03:00 at 01:00 UTC.
        let daily = "30 2 * * *";
        assert_eq!(
            next(daily, "2026-03-28T12:00:00Z", Tz::Europe__Berlin),
            "2026-03-29T01:00Z"
        );
        assert_eq!(
            next(daily, "2026-03-29T01:00:00Z", Tz::Europe__Berlin),
            "2026-03-30T00:30Z"
        );
        assert_eq!(
            next("*/15 * * * *", "2026-03-29T00:50:00Z", Tz::Europe__Berlin),
            "2026-03-29T01:00Z"
        );
        assert_eq!(
            next("*/15 * * * *", "2026-03-29T01:00:00Z", Tz::Europe__Berlin),
            "2026-03-29T01:15Z"
        );
    }

    #[test]
    fn a_time_that_the_clocks_show_twice_happens_once() {
        // Berlin, 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC.
        let daily = "30 2 * * *";
        assert_eq!(
            next(daily, "2026-10-24T12:00:00Z", Tz::Europe__Berlin),
            "2026-10-25T00:30Z"
        );
        assert_eq!(
            next(daily, "2026-10-25T00:30:00Z", Tz::Europe__Berlin),
            "2026-10-26T01:30Z"
        );
        assert_eq!(
            next("0 3 * * *", "2026-10-25T01:30:00Z", Tz::Europe__Berlin),
            "2026-10-25T02:00Z"
        );
    }

    #[test]
    fn half_hour_jumps_and_skipped_days_are_jumps_too() {
        // Lord Howe, 2026-10-04: 02:00 becomes 02:30. Samoa had no 30 December 2011.
        assert_eq!(
            next("15 2 * * *", "2026-10-03T14:00:00Z", Tz::Australia__Lord_Howe),
            "2026-10-03T15:30Z"
        );
        assert_eq!(
            next("0 12 30 12 *", "2011-12-29T00:00:00Z", Tz::Pacific__Apia),
            "2011-12-30T10:00Z"
        );
    }

    #[test]
    fn what_is_no_cron_expression_says_what_is_one() {
        for (text, what) in [
            ("0 3", "five fields"),
            ("0 9 1 * 1", "day of the month and a weekday"),
            ("0 9 * * 8", "weekday"),
            ("99 9 * * *", "no cron expression"),
            ("", "five fields"),
        ] {
            let error = Cron::read(text).expect_err(text);
            assert!(error.contains(what), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_next_time_is_always_later(minutes in 0_i64..5_000_000, minute in 0_u32..60, hour in 0_u32..24) {
            let after = time("2020-01-01T00:00:00Z") + Duration::minutes(minutes);
            let cron = Cron::read(&format!("{minute} {hour} * * *")).expect("a cron expression");
            for zone in [Tz::Europe__Berlin, Tz::America__New_York, Tz::Australia__Lord_Howe] {
                let next = cron.next_after(after, zone).expect("a next time");
                proptest::prop_assert!(next > after);
                proptest::prop_assert!(next - after <= Duration::hours(50));
            }
        }
    }
}
