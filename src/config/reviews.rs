//! When reviews are due, and how large an incident must be for them where nobody says it.

use chrono::Duration;

use crate::incident::reviews::Terms;
use crate::problem::fields::{Fields, Keys, Reading};
use crate::problem::yaml::Node;

use super::{DAY, NOWHERE};

/// The longest time that a review may take, or an impact may last, in seconds: longer than any provider promises.
const MOST_SECONDS: u64 = 366 * DAY;

pub(super) const REVIEWS: Keys = Keys {
    of: "`reviews`",
    known: &["preliminary", "final", "warn", "largest", "small"],
    later: &[],
    meant: &[
        ("preliminary pir", "preliminary"),
        ("final pir", "final"),
        ("warning", "warn"),
        ("remind", "warn"),
        ("reminder", "warn"),
        ("pir", "preliminary, final"),
        ("rca", "final"),
        ("large", "largest"),
    ],
    takes_own: false,
};

const LARGEST: Keys = Keys {
    of: "`largest`",
    known: &["services", "regions", "lasted"],
    later: &[],
    meant: &[("service", "services"), ("region", "regions"), ("duration", "lasted")],
    takes_own: false,
};

/// Reads the table; what is wrong in it keeps its default.
pub(super) fn read(reading: &Reading<'_>, fields: &Fields<'_>, terms: &mut Terms) {
    let time = |fields: &Fields<'_>, setting: &mut Duration, key: &str| {
        if let Some(seconds) = fields.get(key).and_then(|node| seconds(reading, node, key)) {
            *setting = seconds;
        }
    };
    time(fields, &mut terms.preliminary, "preliminary");
    time(fields, &mut terms.finally, "final");
    time(fields, &mut terms.small, "small");
    time(fields, &mut terms.warn, "warn");
    if fields.get("warn").is_none() {
        // who wants reviews sooner wants to be told later that they are due
        terms.warn = terms.warn.min(terms.preliminary / 3);
    }
    if let Some(largest) = fields.get("largest").and_then(|node| reading.fields(node, &LARGEST)) {
        let count = |setting: &mut usize, key: &str| {
            let number = largest
                .get(key)
                .and_then(|node| reading.number(node, &format!("`{key}`"), 2..=100_000));
            *setting = number.map_or(*setting, |number| number as usize);
        };
        count(&mut terms.largest.services, "services");
        count(&mut terms.largest.regions, "regions");
        time(&largest, &mut terms.largest.lasted, "lasted");
    }
    let refuse = |key: &str, what: &str| {
        let place = fields.place_of(key).unwrap_or(NOWHERE);
        reading.error(place, what, Some("the defaults are 72h, 14d, 24h, 12h and 2h"));
    };
    if terms.warn >= terms.preliminary {
        refuse("warn", "the warning would come before there is anything to warn of");
    }
    if terms.finally < terms.preliminary {
        refuse("final", "the final review is not due before the preliminary one");
    }
    if terms.largest.lasted < terms.small {
        refuse(
            "small",
            "an impact that makes an incident one of the largest is not a small one",
        );
    }
}

fn seconds(reading: &Reading<'_>, node: &Node, key: &str) -> Option<Duration> {
    let seconds = reading.seconds(node, &format!("`{key}`"), MOST_SECONDS)?;
    i64::try_from(seconds).ok().map(Duration::seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Settings};
    use crate::incident::reviews::Extent;

    fn terms(text: &str) -> Result<Terms, Vec<String>> {
        let read = Settings::read("bellwether.yaml", text, &Flags::default());
        read.map(|(settings, _)| settings.reviews)
            .map_err(|problems| problems.iter().map(|problem| problem.what.clone()).collect())
    }

    #[test]
    fn what_is_not_said_keeps_its_default_and_what_is_said_counts() {
        assert_eq!(terms("log: text\n"), Ok(Terms::default()));
        let said =
            terms("reviews: { preliminary: 48h, final: 10d, largest: { services: 2, lasted: 6h }, small: 1h }\n");
        let expected = Terms {
            preliminary: Duration::hours(48),
            finally: Duration::days(10),
            warn: Duration::hours(16),
            largest: Extent {
                services: 2,
                regions: 3,
                lasted: Duration::hours(6),
            },
            small: Duration::hours(1),
        };
        assert_eq!(said, Ok(expected));
    }

    #[test]
    fn terms_that_contradict_each_other_are_errors() {
        for (text, what) in [
            ("final: 2d", "the final review is not due before the preliminary one"),
            (
                "warn: 72h",
                "the warning would come before there is anything to warn of",
            ),
            (
                "small: 13h",
                "an impact that makes an incident one of the largest is not a small one",
            ),
        ] {
            assert_eq!(terms(&format!("reviews: {{ {text} }}\n")), Err(vec![what.to_owned()]));
        }
        for text in [
            "reviews: { final: soon }\n",
            "reviews: { largest: { services: 1 } }\n",
            "reviews: { rca: 3d }\n",
        ] {
            assert!(terms(text).is_err(), "{text}");
        }
    }
}
