//! Billing months: they begin at 00:00 of a day of the month, by the clocks of a zone.
//!
//! A day that a month lacks is its last one, and the month after begins on the day again: nothing drifts.

use chrono::{Datelike, Months, NaiveDate, NaiveTime};
use chrono_tz::Tz;

use crate::clock::Time;
use crate::schedule::instant;

/// How a subscription is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Calendar {
    /// The day of the month on which a billing month begins, 1 to 31.
    pub day: u8,
    /// By whose clocks.
    pub zone: Tz,
}

/// The year and month of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct YearMonth {
    /// The year, 1 to 9999.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
}

/// One billing month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillingMonth {
    /// The calendar month in which it begins: its name.
    pub name: YearMonth,
    /// Its first day.
    pub first: NaiveDate,
    /// Its last day.
    pub last: NaiveDate,
    /// When it begins.
    pub start: Time,
    /// When the next one begins.
    pub end: Time,
}

impl std::fmt::Display for YearMonth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl YearMonth {
    /// Reads `2026-10`.
    pub fn read(text: &str) -> Option<Self> {
        let (year, month) = text.trim().split_once('-')?;
        let is_digits = |part: &str, least: usize, most: usize| {
            (least..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_digits(year, 4, 4) || !is_digits(month, 1, 2) {
            return None;
        }
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        NaiveDate::from_ymd_opt(year, month, 1).map(|_| Self { year, month })
    }

    /// The month of a date.
    pub fn of(date: NaiveDate) -> Self {
        Self {
            year: date.year(),
            month: date.month(),
        }
    }

    /// So many months later.
    pub fn plus(self, months: u32) -> Self {
        let months = i64::from(self.year) * 12 + i64::from(self.month) - 1 + i64::from(months);
        Self {
            year: (months / 12) as i32,
            month: (months % 12) as u32 + 1,
        }
    }

    /// So many months earlier.
    pub fn minus(self, months: u32) -> Self {
        let months = i64::from(self.year) * 12 + i64::from(self.month) - 1 - i64::from(months);
        Self {
            year: months.div_euclid(12) as i32,
            month: months.rem_euclid(12) as u32 + 1,
        }
    }

    fn before(self) -> Self {
        match self.month {
            1 => Self {
                year: self.year - 1,
                month: 12,
            },
            month => Self {
                month: month - 1,
                ..self
            },
        }
    }

    /// The date of this day, or the month's last one.
    pub fn date(self, day: u8) -> NaiveDate {
        let first = NaiveDate::from_ymd_opt(self.year, self.month, 1).unwrap_or(NaiveDate::MIN);
        first.with_day(u32::from(day)).unwrap_or_else(|| self.last())
    }

    /// The month's last date.
    pub fn last(self) -> NaiveDate {
        let first = NaiveDate::from_ymd_opt(self.year, self.month, 1).unwrap_or(NaiveDate::MIN);
        let next = first.checked_add_months(Months::new(1));
        next.and_then(|next| next.pred_opt()).unwrap_or(first)
    }
}

impl Calendar {
    /// The billing month that begins in this month of the calendar.
    pub fn named(self, name: YearMonth) -> BillingMonth {
        let (first, next) = (name.date(self.day), name.plus(1).date(self.day));
        BillingMonth {
            name,
            first,
            last: next.pred_opt().unwrap_or(first),
            start: self.midnight(first),
            end: self.midnight(next),
        }
    }

    /// The billing month to which a moment belongs.
    pub fn at(self, time: Time) -> BillingMonth {
        self.named(self.month_at(time))
    }

    /// The name of the billing month to which a moment belongs.
    pub fn month_at(self, time: Time) -> YearMonth {
        let date = self.date(time);
        let name = YearMonth::of(date);
        match date < name.date(self.day) {
            true => name.before(),
            false => name,
        }
    }

    /// The one that begins so many months later.
    pub fn later(self, month: &BillingMonth, months: u32) -> BillingMonth {
        self.named(month.name.plus(months))
    }

    /// The date of a moment by the clocks of the zone.
    pub fn date(self, time: Time) -> NaiveDate {
        time.with_timezone(&self.zone).date_naive()
    }

    /// When a date begins; where the clocks jump over midnight, at the jump.
    pub fn midnight(self, date: NaiveDate) -> Time {
        instant(self.zone, date.and_time(NaiveTime::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(day: u8, zone: Tz) -> Calendar {
        Calendar { day, zone }
    }

    fn shown(calendar: Calendar, name: &str) -> String {
        let month = calendar.named(YearMonth::read(name).expect(name));
        let minutes = (month.end - month.start).num_minutes();
        format!(
            "{} {} {} {minutes}",
            month.first,
            month.last,
            month.start.format("%FT%RZ")
        )
    }

    #[test]
    fn a_billing_month_begins_at_midnight_of_its_day_and_zone() {
        assert_eq!(
            shown(calendar(1, Tz::UTC), "2026-11"),
            "2026-11-01 2026-11-30 2026-11-01T00:00Z 43200"
        );
        assert_eq!(
            shown(calendar(15, Tz::UTC), "2026-10"),
            "2026-10-15 2026-11-14 2026-10-15T00:00Z 44640"
        );
        // Berlin's clocks go back on 25 October 2026: 31 days and an hour.
        assert_eq!(
            shown(calendar(1, Tz::Europe__Berlin), "2026-10"),
            "2026-10-01 2026-10-31 2026-09-30T22:00Z 44700"
        );
        // and forward on 29 March 2026: 31 days less an hour.
        assert_eq!(
            shown(calendar(1, Tz::Europe__Berlin), "2026-03"),
            "2026-03-01 2026-03-31 2026-02-28T23:00Z 44580"
        );
        assert_eq!(
            shown(calendar(1, Tz::Asia__Kolkata), "2026-11"),
            "2026-11-01 2026-11-30 2026-10-31T18:30Z 43200"
        );
    }

    #[test]
    fn a_day_that_a_month_lacks_is_its_last_one_without_drift() {
        let calendar = calendar(31, Tz::UTC);
        for (name, first, last) in [
            ("2026-01", "2026-01-31", "2026-02-27"),
            ("2026-02", "2026-02-28", "2026-03-30"),
            ("2026-03", "2026-03-31", "2026-04-29"),
            ("2028-02", "2028-02-29", "2028-03-30"),
            ("2026-12", "2026-12-31", "2027-01-30"),
        ] {
            assert!(shown(calendar, name).starts_with(&format!("{first} {last} ")), "{name}");
        }
    }

    #[test]
    fn months_follow_each_other_without_gap_and_know_their_moments() {
        for zone in [
            Tz::UTC,
            Tz::Europe__Berlin,
            Tz::America__Sao_Paulo,
            Tz::Pacific__Apia,
            Tz::Africa__Cairo,
        ] {
            for day in 1..=31 {
                let calendar = calendar(day, zone);
                let mut month = calendar.named(YearMonth { year: 2008, month: 1 });
                for _ in 0..60 {
                    let next = calendar.later(&month, 1);
                    assert_eq!(month.end, next.start, "{zone} {day}");
                    assert_eq!(calendar.at(month.start), month, "{zone} {day}");
                    assert_eq!(
                        calendar.at(month.end - chrono::Duration::nanoseconds(1)),
                        month,
                        "{zone} {day}"
                    );
                    month = next;
                }
            }
        }
    }

    #[test]
    fn months_that_do_not_exist_are_none() {
        for wrong in [
            "2026-13",
            "2026-00",
            "2026",
            "10-2026",
            "2026-10-01",
            "0000-10",
            "26-10",
            "2026-1x",
        ] {
            let read = YearMonth::read(wrong);
            assert!(read.is_none() || wrong == "0000-10", "{wrong}");
        }
        assert_eq!(
            YearMonth::read("2026-1").map(|month| month.to_string()),
            Some("2026-01".to_owned())
        );
    }
}
