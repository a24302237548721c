//! Forms that people type in the files of this part: moments, days, providers, words that YAML takes for numbers.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;

use crate::clock::Time;
use crate::event::catalogue::Catalogue as Services;
use crate::event::{Provider, fold};
use crate::problem::fields::{Keys, Reading};
use crate::problem::meant::meant;
use crate::problem::yaml::{Node, Value};
use crate::schedule::instant;

/// Other words for providers whose terms are in the catalogue. Microsoft's services are one provider's.
const PROVIDERS: [(&str, &str); 12] = [
    ("microsoft", "azure"),
    ("microsoftazure", "azure"),
    ("microsoft365", "azure"),
    ("m365", "azure"),
    ("office365", "azure"),
    ("dynamics365", "azure"),
    ("intune", "azure"),
    ("amazon", "aws"),
    ("amazonwebservices", "aws"),
    ("awshealth", "aws"),
    ("googlecloudplatform", "google"),
    ("gitlab.com", "gitlab"),
];

/// The one word for a provider: that of our events where it has one, else as written, in lower case.
pub fn provider_word(text: &str) -> String {
    let folded = fold(text);
    let other = PROVIDERS.iter().find(|(typed, _)| *typed == folded);
    match other {
        Some((_, word)) => (*word).to_owned(),
        None => Provider::read(text).map_or(folded, |provider| provider.word().to_owned()),
    }
}

/// What may stand before the name of a service that the catalogue of services does not list.
const MAKERS: [&str; 5] = ["microsoft", "azure", "amazon", "aws", "google"];

/// What services are compared by; a maker's name before one that is not listed makes no difference.
pub fn service_key(services: &Services, name: &str) -> String {
    let key = services.service_key(name, None);
    if services.knows_service(name) {
        return key;
    }
    let bare = MAKERS
        .iter()
        .find_map(|maker| key.strip_prefix(maker))
        .filter(|bare| !bare.is_empty());
    bare.map_or(key.clone(), str::to_owned)
}

/// A word: a text, or what YAML reads as a number (an account, an edition), as it is written.
pub fn word(reading: &Reading<'_>, node: &Node, what: &str) -> Option<String> {
    match &node.value {
        Value::Number(written) => Some(written.clone()),
        _ => reading.text(node, what).map(|text| text.trim().to_owned()),
    }
}

/// One word or a list of them.
pub fn words(reading: &Reading<'_>, node: &Node, what: &str) -> Vec<String> {
    let items = reading.items(node).into_iter();
    items.filter_map(|item| word(reading, item, what)).collect()
}

/// A word as `read` understands it, or a problem in its words.
pub fn checked<T>(
    reading: &Reading<'_>,
    node: &Node,
    what: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let text = word(reading, node, what)?;
    read(&text).map_err(|why| reading.error(node.place, &why, None)).ok()
}

/// Whether a value says nothing: `mitigated:`, `mitigated: null`.
pub fn is_nothing(node: &Node) -> bool {
    matches!(node.value, Value::Nothing)
}

/// The value of a key, unless it says nothing.
pub fn given<'n>(fields: &crate::problem::fields::Fields<'n>, key: &str) -> Option<&'n Node> {
    fields.get(key).filter(|node| !is_nothing(node))
}

/// A moment: RFC 3339, or a date and perhaps a time by the clocks of `zone`.
///
/// # Errors
/// In words that say what to type.
pub fn moment(text: &str, zone: Tz) -> Result<Time, String> {
    let text = text.trim();
    let rfc = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)));
    if let Ok(moment) = rfc {
        return Ok(moment.to_utc());
    }
    let (plain, zone) = match text.strip_suffix("UTC").or_else(|| text.strip_suffix(['Z', 'z'])) {
        Some(plain) => (plain.trim(), Tz::UTC),
        None => (text, zone),
    };
    let plain = plain.replace(['T', 't'], " ");
    let read = |form: &&str| NaiveDateTime::parse_from_str(&plain, form).ok();
    let moment = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"].iter().find_map(read);
    let midnight = || day(&plain).ok().map(|day| day.and_time(NaiveTime::MIN));
    moment
        .or_else(midnight)
        .map(|moment| instant(zone, moment))
        .ok_or_else(|| {
            format!("`{text}` is no moment: type `2026-11-24T09:00:00Z`, or `2026-11-24 09:00` by the clocks of {zone}")
        })
}

/// A day: `2026-11-24`.
///
/// # Errors
/// In words that say what to type.
pub fn day(text: &str) -> Result<NaiveDate, String> {
    let parts: Vec<&str> = text.trim().split('-').collect();
    let is_shaped = parts.len() == 3 && parts[0].len() == 4;
    let day = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d")
        .ok()
        .filter(|_| is_shaped);
    day.ok_or_else(|| match is_shaped {
        true => format!("`{text}` is no day of the calendar"),
        false => format!("`{text}` is no day: type `2026-11-24`"),
    })
}

/// One of a few words.
pub fn one_of<T: Copy + PartialEq>(
    reading: &Reading<'_>,
    node: &Node,
    what: &str,
    known: &[(&'static str, T)],
) -> Option<T> {
    let text = word(reading, node, what)?;
    let found = known.iter().find(|(name, _)| fold(name) == fold(&text));
    if found.is_none() {
        // of several words for one thing the first is the one to type
        let is_first = |nth: usize| known[..nth].iter().all(|(_, value)| *value != known[nth].1);
        let names: Vec<&str> = (0..known.len())
            .filter(|nth| is_first(*nth))
            .map(|nth| known[nth].0)
            .collect();
        let hint = meant(&text, known.iter().map(|(name, _)| *name));
        let hint = hint.unwrap_or_else(|| crate::problem::fields::list(&names));
        reading.error(node.place, &format!("`{text}` is no {what}"), Some(&hint));
    }
    found.map(|(_, value)| *value)
}

/// The items of the list under a key of a file, or a problem if it is none.
pub fn list_of<'n>(reading: &Reading<'_>, node: &'n Node, key: &str, example: &str) -> Vec<&'n Node> {
    match &node.value {
        Value::List(items) => items.iter().collect(),
        Value::Nothing => Vec::new(),
        _ => {
            let hint = format!("`{key}:` and below it `{example}`");
            reading.error(
                node.place,
                &format!("`{key}` is a list, not {}", node.sort()),
                Some(&hint),
            );
            Vec::new()
        }
    }
}

/// The value of a key that must be there.
pub fn needed<'n>(
    reading: &Reading<'_>,
    fields: &crate::problem::fields::Fields<'n>,
    keys: &Keys,
    key: &str,
    example: &str,
) -> Option<&'n Node> {
    let node = given(fields, key);
    if node.is_none() {
        let place = fields.place_of(key).unwrap_or(crate::problem::Place {
            length: 1,
            ..fields.place
        });
        reading.error(
            place,
            &format!("{} has no `{key}`", keys.of),
            Some(&format!("`{key}: {example}`")),
        );
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_the_forms_that_people_type() {
        let read = |text: &str| moment(text, Tz::Europe__Berlin).map(|moment| moment.to_rfc3339());
        for (typed, meant) in [
            ("2026-11-03T10:00:00Z", "2026-11-03T10:00:00+00:00"),
            ("2026-11-03 10:00:00Z", "2026-11-03T10:00:00+00:00"),
            ("2026-11-03 10:00 UTC", "2026-11-03T10:00:00+00:00"),
            ("2026-11-03T10:00Z", "2026-11-03T10:00:00+00:00"),
            ("2026-11-03T10:00:00.1234567Z", "2026-11-03T10:00:00.123456700+00:00"),
            ("2026-11-03T10:00:00+01:00", "2026-11-03T09:00:00+00:00"),
            ("2026-11-03 10:00", "2026-11-03T09:00:00+00:00"),
            ("2026-11-03", "2026-11-02T23:00:00+00:00"),
            ("2026-03-29 02:30", "2026-03-29T01:00:00+00:00"), // jumped over: at the jump
        ] {
            assert_eq!(read(typed).as_deref(), Ok(meant), "{typed}");
        }
        for wrong in ["yesterday", "2026-02-30", "2026-11-03 25:00", "3.11.2026", "03-11-2026"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_provider_has_one_word() {
        for (typed, word) in [
            ("Azure", "azure"),
            ("Microsoft Azure", "azure"),
            ("Office 365", "azure"),
            ("AWS", "aws"),
            ("GCP", "google"),
            ("GitLab", "gitlab"),
            ("Our Cloud", "ourcloud"),
        ] {
            assert_eq!(provider_word(typed), word);
        }
    }
}
