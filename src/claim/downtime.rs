//! Time that a thing was down: half-open spans, merged, counted as a provider's terms count, and compared exactly.
//!
//! Everything is a whole number of nanoseconds. A percentage is never computed to be compared: the fractions are.

use rust_decimal::Decimal;

use crate::clock::Time;

/// Nanoseconds of a second.
const SECOND: i128 = 1_000_000_000;

/// Nanoseconds of a minute.
const MINUTE: i128 = 60 * SECOND;

/// From one moment until just before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first moment of it.
    pub from: Time,
    /// The first moment behind it.
    pub until: Time,
}

/// Which time counts as down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownMinute {
    /// All of it, to the second of the data.
    Exact,
    /// Every minute of the clock in which any of it lies.
    AnySecond,
    /// Only minutes of the clock that were down from end to end.
    WholeMinute,
    /// Only what lasts at least so many minutes at a stretch.
    Consecutive(u32),
    /// Minutes in which at least this share of requests fails: times alone cannot say it.
    Share(Decimal),
}

impl std::fmt::Display for DownMinute {
    /// As terms write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DownMinute::Exact => f.write_str("exact"),
            DownMinute::AnySecond => f.write_str("any second"),
            DownMinute::WholeMinute => f.write_str("whole minute"),
            DownMinute::Consecutive(minutes) => write!(f, "consecutive {minutes}"),
            DownMinute::Share(share) => write!(f, "share {} %", share.normalize()),
        }
    }
}

/// How much of what could be available was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uptime {
    /// Nanoseconds in which it was to be available; more than none.
    pub available: i128,
    /// Nanoseconds of these in which it was down.
    pub down: i128,
}

impl Span {
    /// What both have in common.
    pub fn within(self, other: Self) -> Option<Self> {
        let common = Self {
            from: self.from.max(other.from),
            until: self.until.min(other.until),
        };
        (common.from < common.until).then_some(common)
    }

    fn length(self) -> i128 {
        nanoseconds(self.until) - nanoseconds(self.from)
    }
}

impl DownMinute {
    /// What counts as down of merged spans.
    pub fn counted(self, spans: &[Span]) -> Vec<Span> {
        match self {
            Self::Exact | Self::Share(_) => spans.to_vec(),
            Self::AnySecond => merged(spans.iter().map(|span| span.widened()).collect()),
            Self::WholeMinute => spans.iter().filter_map(|span| span.narrowed()).collect(),
            Self::Consecutive(minutes) => {
                let least = i128::from(minutes) * MINUTE;
                spans.iter().filter(|span| span.length() >= least).copied().collect()
            }
        }
    }
}

impl Span {
    /// To the bounds of the clock's minutes, outwards.
    fn widened(self) -> Self {
        let until = minute_of(self.until);
        Self {
            from: minute_of(self.from),
            until: match until < self.until {
                true => until + chrono::Duration::minutes(1),
                false => until,
            },
        }
    }

    /// To the bounds of the clock's minutes, inwards.
    fn narrowed(self) -> Option<Self> {
        let from = minute_of(self.from);
        let narrowed = Self {
            from: match from < self.from {
                true => from + chrono::Duration::minutes(1),
                false => from,
            },
            until: minute_of(self.until),
        };
        (narrowed.from < narrowed.until).then_some(narrowed)
    }
}

/// When the minute of the clock began.
fn minute_of(time: Time) -> Time {
    let into = chrono::Duration::nanoseconds(nanoseconds(time).rem_euclid(MINUTE) as i64);
    time - into
}

fn nanoseconds(time: Time) -> i128 {
    i128::from(time.timestamp()) * SECOND + i128::from(time.timestamp_subsec_nanos())
}

/// The same time in spans that neither overlap nor touch, in order.
pub fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.from < span.until);
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
            _ => merged.push(span),
        }
    }
    merged
}

/// What two lists of merged spans have in common.
pub fn common(one: &[Span], other: &[Span]) -> Vec<Span> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut common = Vec::new();
    while let (Some(first), Some(second)) = (one.peek(), other.peek()) {
        common.extend(first.within(**second));
        match first.until <= second.until {
            true => one.next(),
            false => other.next(),
        };
    }
    common
}

/// How long merged spans last together, in nanoseconds.
pub fn total(spans: &[Span]) -> i128 {
    spans.iter().map(|span| span.length()).sum()
}

impl Uptime {
    /// Whether the uptime in percent is below a threshold, exactly: 99.9 % is not below 99.9.
    pub fn is_below(self, percent: Decimal) -> bool {
        let scale = 10_i128.pow(percent.scale());
        (self.available - self.down) * 100 * scale < percent.mantissa() * self.available
    }

    /// The uptime in percent as it is shown: cut off after five decimals.
    pub fn percent(self) -> String {
        let cut = (self.available - self.down) * 10_000_000 / self.available;
        format!("{}.{:05}", cut / 100_000, cut % 100_000)
    }
}

/// Nanoseconds as minutes, cut off after five decimals and without zeros behind: `43.2`.
pub fn minutes(nanoseconds: i128) -> String {
    let cut = nanoseconds * 100_000 / MINUTE;
    let text = format!("{}.{:05}", cut / 100_000, cut % 100_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Nanoseconds as people say them: `43 min 13 s`, `12 s`, `40 min`.
pub fn spoken(nanoseconds: i128) -> String {
    let (minutes, rest) = (nanoseconds / MINUTE, nanoseconds % MINUTE);
    let seconds = match rest % SECOND {
        0 => (rest / SECOND).to_string(),
        fraction => {
            let text = format!("{}.{fraction:09}", rest / SECOND);
            text.trim_end_matches('0').to_owned()
        }
    };
    match (minutes, rest) {
        (0, _) => format!("{seconds} s"),
        (_, 0) => format!("{minutes} min"),
        _ => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, until: &str) -> Span {
        let time = |clock: &str| format!("2026-11-03T{clock}Z").parse().expect(clock);
        Span {
            from: time(from),
            until: time(until),
        }
    }

    fn counted(kind: DownMinute, spans: &[(&str, &str)]) -> String {
        let spans = merged(spans.iter().map(|(from, until)| span(from, until)).collect());
        spoken(total(&kind.counted(&spans)))
    }

    #[test]
    fn overlapping_and_adjoining_spans_count_once() {
        // 10:00 to 10:30 and 10:10 to 10:40 are 10:00 to 10:40.
        let exact = |spans: &[(&str, &str)]| counted(DownMinute::Exact, spans);
        assert_eq!(exact(&[("10:10:00", "10:40:00"), ("10:00:00", "10:30:00")]), "40 min");
        assert_eq!(exact(&[("10:00:00", "10:20:00"), ("10:20:00", "10:40:00")]), "40 min");
        assert_eq!(exact(&[("10:00:00", "10:40:00"), ("10:10:00", "10:20:00")]), "40 min");
        assert_eq!(exact(&[("10:00:00", "10:00:00")]), "0 s");
        assert_eq!(
            exact(&[("10:00:00", "10:01:12.5"), ("11:00:00", "11:00:01")]),
            "1 min 13.5 s"
        );
    }

    #[test]
    fn minutes_of_the_clock_are_counted_as_the_terms_say() {
        // 10:00:30 to 10:02:00 lies in the minutes 10:00 and 10:01, and fills the second one.
        let spans = [("10:00:30", "10:02:00")];
        assert_eq!(counted(DownMinute::AnySecond, &spans), "2 min");
        assert_eq!(counted(DownMinute::WholeMinute, &spans), "1 min");
        assert_eq!(counted(DownMinute::Exact, &spans), "1 min 30 s");
        // two spans in one minute: that minute counts once, and no minute is whole.
        let two = [("10:00:10", "10:00:20"), ("10:00:30", "10:00:40")];
        assert_eq!(counted(DownMinute::AnySecond, &two), "1 min");
        assert_eq!(counted(DownMinute::WholeMinute, &two), "0 s");
        // 4 min 59 s are less than five at a stretch, 5 min are not; one that adjoins makes it long enough.
        let five = DownMinute::Consecutive(5);
        assert_eq!(counted(five, &[("10:00:00", "10:04:59")]), "0 s");
        assert_eq!(
            counted(five, &[("10:00:00", "10:05:00"), ("11:00:00", "11:04:00")]),
            "5 min"
        );
        assert_eq!(
            counted(five, &[("10:00:00", "10:04:59"), ("10:04:59", "10:06:30")]),
            "6 min 30 s"
        );
    }

    #[test]
    fn a_threshold_is_met_exactly_and_the_shown_percentage_is_cut() {
        let uptime = |seconds: i128| Uptime {
            available: 43_200 * MINUTE,
            down: seconds * SECOND,
        };
        let three_nines = Decimal::new(999, 1);
        // 43 min 12 s of 43,200 minutes are exactly 0.1 %.
        assert!(!uptime(2_592).is_below(three_nines));
        assert!(uptime(2_593).is_below(three_nines));
        assert_eq!(uptime(2_592).percent(), "99.90000");
        // 2,593 of 2,592,000 seconds are 0.10003858… %: 99.89996141… %.
        assert_eq!(uptime(2_593).percent(), "99.89996");
        assert_eq!(uptime(0).percent(), "100.00000");
        assert_eq!(uptime(1).percent(), "99.99996", "99.9999614…: cut, not rounded to 100");
        assert_eq!(uptime(43_200 * 60).percent(), "0.00000");
    }

    #[test]
    fn minutes_are_written_as_decimals() {
        assert_eq!(minutes(2_592 * SECOND), "43.2");
        assert_eq!(minutes(40 * MINUTE), "40");
        assert_eq!(minutes(0), "0");
        assert_eq!(minutes(2_593 * SECOND), "43.21666", "43.216666…: cut");
        assert_eq!(minutes(600 * MINUTE), "600");
    }

    #[test]
    fn what_two_lists_have_in_common() {
        let one = [span("10:00:00", "11:00:00"), span("12:00:00", "13:00:00")];
        let other = [span("10:30:00", "12:10:00"), span("12:20:00", "14:00:00")];
        let shown: Vec<String> = common(&one, &other)
            .iter()
            .map(|span| format!("{}-{}", span.from.format("%R"), span.until.format("%R")))
            .collect();
        assert_eq!(shown, ["10:30-11:00", "12:00-12:10", "12:20-13:00"]);
    }
}
