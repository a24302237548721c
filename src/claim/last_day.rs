//! Until when a claim must be in: pure functions of the billing month.

use chrono::{Days, Months, NaiveDate};

use super::month::{BillingMonth, Calendar, YearMonth};

/// The clock of a provider's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimWithin {
    /// So many calendar months after the billing month's last date, clamped: 30 November and two months is 30 January, of
    /// two readings of "two months after the end" the earlier one, because being early costs nothing.
    MonthsAfterBillingMonth(u32),
    /// By the end of the calendar month after the one of the incident.
    EndOfNextCalendarMonth,
    /// So many days after the billing month's last date.
    DaysAfterMonth(u32),
    /// By the end of so many further billing months.
    BillingCyclesAfter(u32),
    /// So many days after the incident began.
    DaysAfterIncident(u32),
}

/// What may be typed.
pub const FORMS: &str = "`2 months after the billing month`, `end of the next calendar month`, \
                         `30 days after the month`, `2 billing cycles after`, `14 days after the incident`";

/// The most months or days that a window may have; longer ones are mistyped.
const NUMBER_MOST: u32 = 1_000;

impl ClaimWithin {
    /// Reads the words of terms.
    pub fn read(text: &str) -> Option<Self> {
        if text.trim_start().starts_with('-') {
            return None;
        }
        let lower = text.to_lowercase().replace(['-', '_'], " ");
        let words: Vec<&str> = lower
            .split_whitespace()
            .filter(|word| !FILLERS.contains(word))
            .collect();
        if let ["next" | "following", "calendar", "month"] | ["calendar", "month", "following"] = words[..] {
            return Some(Self::EndOfNextCalendarMonth);
        }
        let (number, rest) = words.split_first()?;
        let number = count(number)?;
        match rest {
            ["month" | "months", "after", "billing", "month"] => Some(Self::MonthsAfterBillingMonth(number)),
            ["month" | "months", "after", "month"] => Some(Self::MonthsAfterBillingMonth(number)),
            ["day" | "days", "after", "month"] | ["day" | "days", "after", "billing", "month"] => {
                Some(Self::DaysAfterMonth(number))
            }
            ["billing", "cycle" | "cycles", "after", ..] => Some(Self::BillingCyclesAfter(number)),
            ["day" | "days", "after", "incident"] => Some(Self::DaysAfterIncident(number)),
            _ => None,
        }
    }

    /// The last date on which the claim may be in. `began` is the date of the first time counted as down.
    pub fn last_day(self, month: &BillingMonth, calendar: Calendar, began: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::MonthsAfterBillingMonth(months) => month.last.checked_add_months(Months::new(months)),
            Self::EndOfNextCalendarMonth => {
                let next = began.checked_add_months(Months::new(1))?;
                Some(YearMonth::of(next).last())
            }
            Self::DaysAfterMonth(days) => month.last.checked_add_days(Days::new(u64::from(days))),
            Self::BillingCyclesAfter(cycles) => Some(calendar.later(month, cycles).last),
            Self::DaysAfterIncident(days) => began.checked_add_days(Days::new(u64::from(days))),
        }
    }
}

/// Words that change nothing.
const FILLERS: [&str; 6] = ["the", "by", "end", "of", "within", "at"];

fn count(word: &str) -> Option<u32> {
    let spelled = ["one", "two", "three", "four", "five", "six"];
    let by_name = || spelled.iter().position(|name| *name == word).map(|nth| nth as u32 + 1);
    let number = word.parse().ok().or_else(by_name);
    number.filter(|number| (1..=NUMBER_MOST).contains(number))
}

impl std::fmt::Display for ClaimWithin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let many = |number: u32, one: &str| match number {
            1 => format!("1 {one}"),
            more => format!("{more} {one}s"),
        };
        match *self {
            Self::MonthsAfterBillingMonth(months) => write!(f, "{} after the billing month", many(months, "month")),
            Self::EndOfNextCalendarMonth => f.write_str("end of the next calendar month"),
            Self::DaysAfterMonth(days) => write!(f, "{} after the month", many(days, "day")),
            Self::BillingCyclesAfter(cycles) => write!(f, "{} after", many(cycles, "billing cycle")),
            Self::DaysAfterIncident(days) => write!(f, "{} after the incident", many(days, "day")),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    fn last(within: &str, name: &str, day: u8, began: &str) -> String {
        let calendar = Calendar { day, zone: Tz::UTC };
        let month = calendar.named(YearMonth::read(name).expect(name));
        let within = ClaimWithin::read(within).expect(within);
        let last = within.last_day(&month, calendar, began.parse().expect("a date"));
        last.expect("a date").to_string()
    }

    #[test]
    fn two_months_after_the_billing_month_are_clamped() {
        let azure = "2 months after the billing month";
        for (month, last_day) in [
            ("2026-11", "2027-01-30"), // 30 November: the cautious reading
            ("2026-12", "2027-02-28"), // 31 December, and 2027 is no leap year
            ("2027-12", "2028-02-29"), // 31 December before a leap year
            ("2026-10", "2026-12-31"),
            ("2026-09", "2026-11-30"),
            ("2027-02", "2027-04-28"), // the last date is the 28th
            ("2026-07", "2026-09-30"),
        ] {
            assert_eq!(last(azure, month, 1, &format!("{month}-03")), last_day, "{month}");
        }
    }

    #[test]
    fn a_month_that_begins_on_the_15th_ends_on_the_14th() {
        let azure = "2 months after the billing month";
        assert_eq!(
            last(azure, "2026-10", 15, "2026-10-20"),
            "2027-01-14",
            "14 November and two months"
        );
        assert_eq!(
            last(azure, "2026-12", 31, "2027-01-02"),
            "2027-03-30",
            "30 January and two months"
        );
    }

    #[test]
    fn the_other_clocks() {
        let next = "end of the next calendar month";
        assert_eq!(last(next, "2026-10", 1, "2026-10-31"), "2026-11-30");
        assert_eq!(last(next, "2026-12", 1, "2026-12-05"), "2027-01-31");
        assert_eq!(last(next, "2027-01", 1, "2027-01-31"), "2027-02-28");
        assert_eq!(
            last(next, "2026-10", 15, "2026-11-05"),
            "2026-12-31",
            "the month of the incident, not of the bill"
        );
        assert_eq!(
            last("30 days after the month", "2026-10", 1, "2026-10-05"),
            "2026-11-30"
        );
        assert_eq!(
            last("30 days after the month", "2027-01", 1, "2027-01-05"),
            "2027-03-02"
        );
        assert_eq!(last("2 billing cycles after", "2026-10", 1, "2026-10-05"), "2026-12-31");
        assert_eq!(last("2 billing cycles after", "2026-12", 1, "2026-12-05"), "2027-02-28");
        assert_eq!(
            last("2 billing cycles after", "2026-10", 15, "2026-10-20"),
            "2027-01-14"
        );
        assert_eq!(
            last("14 days after the incident", "2026-10", 1, "2026-10-20"),
            "2026-11-03"
        );
    }

    #[test]
    fn the_clock_is_read_as_people_write_it() {
        for (typed, meant) in [
            (
                "two months after the end of the billing month",
                "2 months after the billing month",
            ),
            (
                "by the end of the next calendar month",
                "end of the next calendar month",
            ),
            ("30 days after the end of the month", "30 days after the month"),
            ("2 billing cycles after the incident", "2 billing cycles after"),
            ("1 month after the billing month", "1 month after the billing month"),
        ] {
            assert_eq!(
                ClaimWithin::read(typed).map(|within| within.to_string()).as_deref(),
                Some(meant)
            );
        }
        for wrong in [
            "soon",
            "0 days after the month",
            "2 months",
            "",
            "2 weeks after the month",
            "5000 days after the month",
        ] {
            assert_eq!(ClaimWithin::read(wrong), None, "{wrong}");
        }
    }
}
