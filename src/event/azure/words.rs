//! How Azure writes what all its forms share: accounts, times, levels, impacted services.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDateTime, TimeZone, Utc};

use super::super::json::{self, Fault, Node, Value};
use super::super::{Impact, Level, html};
use crate::clock::Time;

/// How long a tracking id may be, characters.
const MAX_TRACKING_ID_CHARS: usize = 256;
/// How much of a stranger's word is repeated to them, characters.
const MAX_QUOTED_CHARS: usize = 60;
/// The tracking ids of the portal's test notifications.
const TEST_TRACKING_IDS: [&str; 2] = ["TEST-TTT", "ABC1-DEF"];
/// What stands where no account is.
const NO_ACCOUNT: &str = "00000000-0000-0000-0000-000000000000";

/// A member's text, also where the Activity Log wraps it as `{value, localizedValue}`; empty is none.
pub(super) fn value(node: &Node, key: &str) -> Option<String> {
    let member = node.get(key)?;
    let plain = member.scalar().or_else(|| member.get("value").and_then(Node::scalar))?;
    Some(plain.trim().to_string()).filter(|text| !text.is_empty())
}

/// A member's text as one line, for names that are shown.
pub(super) fn name(node: &Node, key: &str) -> Option<String> {
    Some(html::one_line(&value(node, key)?)).filter(|text| !text.is_empty())
}

/// A stranger's word for an answer or a label: one line, not long.
pub(super) fn quoted(word: &str) -> String {
    html::shorten(&html::one_line(word), MAX_QUOTED_CHARS)
}

/// The first of these members that has a text.
pub(super) fn first(node: &Node, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| value(node, key))
}

/// The provider's name for the trouble: any shape, but there must be one.
pub(super) fn tracking_id(node: &Node, key: &'static str) -> Result<String, Fault> {
    let member = node.get(key).ok_or_else(|| Fault::missing(node, key))?;
    let text = value(node, key).map(|text| html::one_line(&text)).unwrap_or_default();
    match text.chars().count() {
        0 => Err(Fault::new(member.at, format!("`{key}` is empty"))),
        1..=MAX_TRACKING_ID_CHARS => Ok(text),
        long => Err(Fault::new(
            member.at,
            format!("`{key}` has {long} characters, at most {MAX_TRACKING_ID_CHARS} are allowed"),
        )),
    }
}

/// Whether this is the tracking id of a test notification.
pub(super) fn is_test_id(tracking_id: &str) -> bool {
    TEST_TRACKING_IDS
        .iter()
        .any(|test| test.eq_ignore_ascii_case(tracking_id))
}

/// An account in lower case; placeholders (`{subscriptionId}`, `<subscription Id>`, zeros) are none.
pub(super) fn account(text: &str) -> Option<String> {
    let text = text.trim();
    let plain =
        !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (plain && text != NO_ACCOUNT).then(|| text.to_ascii_lowercase())
}

/// The subscription in a resource's id (`/subscriptions/<id>/…`).
pub(super) fn account_in(resource_id: &str) -> Option<String> {
    let mut parts = resource_id.split('/');
    parts.find(|part| part.eq_ignore_ascii_case("subscriptions"))?;
    account(parts.next()?)
}

/// The accounts in a list of ids.
pub(super) fn accounts(node: Option<&Node>) -> BTreeSet<String> {
    let items = node.and_then(Node::list).unwrap_or_default();
    items.iter().filter_map(Node::text).filter_map(account).collect()
}

/// A time under `key`: ISO 8601 with up to nine digits of a second's fraction, UTC if it names no zone. What .NET
/// writes for "none" (year 1, year 9999) and an empty text are none.
pub(super) fn time(node: &Node, key: &str) -> Result<Option<Time>, Fault> {
    let Some(member) = node.get(key) else { return Ok(None) };
    let text = member
        .text()
        .map(str::trim)
        .ok_or_else(|| Fault::new(member.at, format!("`{key}` is not a time")))?;
    if text.is_empty() {
        return Ok(None);
    }
    let time = parse_time(text).ok_or_else(|| {
        Fault::new(member.at, format!("`{}` is not a time", quoted(text)))
            .hint("times look like 2024-11-01T18:59:27.923Z")
    })?;
    Ok(Some(time).filter(|time| (1970..9999).contains(&time.year())))
}

fn parse_time(text: &str) -> Option<Time> {
    let zoned = DateTime::parse_from_rfc3339(text)
        .map(|time| time.with_timezone(&Utc))
        .ok();
    let naive = || {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
    };
    zoned.or_else(|| naive().map(|time| Utc.from_utc_datetime(&time)))
}

/// How grave: a word, or the common schema's number (1 Critical … 4 Informational).
pub(super) fn level(text: &str) -> Option<Level> {
    match text {
        "1" => Some(Level::Critical),
        "2" => Some(Level::Error),
        "3" => Some(Level::Warning),
        "4" => Some(Level::Informational),
        word => Level::read(word),
    }
}

/// Whether `key` says yes, as a boolean or as text of any case.
pub(super) fn says_yes(node: &Node, key: &str) -> bool {
    value(node, key).is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// The alert rule's own key/values; values that are no text, number or boolean are left out.
pub(super) fn custom(node: Option<&Node>) -> BTreeMap<String, String> {
    let members = node.and_then(Node::object).unwrap_or_default();
    members
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.scalar()?)))
        .collect()
}

/// `impactedServices`: a JSON text in webhooks, a real list in the common schema's test.
pub(super) fn impacted_services(properties: &Node) -> Result<Vec<Impact>, Fault> {
    let Some(member) = properties.get("impactedServices") else {
        return Ok(Vec::new());
    };
    match &member.value {
        Value::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
        Value::Text(text) => json::parse(text)
            .and_then(|list| services(&list))
            .map_err(|fault| in_text(member, fault)),
        _ => services(member),
    }
}

/// A fault in the JSON that a string holds, told by the byte inside the string.
fn in_text(member: &Node, fault: Fault) -> Fault {
    let what = format!(
        "the JSON in this text is broken at its byte {}: {}",
        fault.at, fault.what
    );
    Fault {
        inside: Some(fault.at),
        hint: fault.hint,
        ..Fault::new(member.at, what)
    }
}

fn services(list: &Node) -> Result<Vec<Impact>, Fault> {
    let wanted = "impactedServices is a list of `{\"ServiceName\": …, \"ImpactedRegions\": [{\"RegionName\": …}]}`";
    let items = list
        .list()
        .ok_or_else(|| Fault::new(list.at, "this is not a list").hint(wanted))?;
    let mut impact = Vec::new();
    for item in items {
        let service = name(item, "ServiceName").ok_or_else(|| Fault::missing(item, "ServiceName").hint(wanted))?;
        let service_id = value(item, "ServiceGuid").and_then(|id| account(&id));
        let regions = item.get("ImpactedRegions").and_then(Node::list).unwrap_or_default();
        let names: Vec<String> = regions.iter().filter_map(region).collect();
        let pair = |region| Impact {
            service: service.clone(),
            service_id: service_id.clone(),
            region,
            accounts: Vec::new(),
        };
        match names.is_empty() {
            true => impact.push(pair(None)),
            false => impact.extend(names.into_iter().map(|name| pair(Some(name)))),
        }
    }
    Ok(impact)
}

fn region(node: &Node) -> Option<String> {
    let plain = node.text().map(html::one_line).filter(|name| !name.is_empty());
    plain
        .or_else(|| name(node, "RegionName"))
        .or_else(|| name(node, "RegionId"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_time(text: &str) -> Result<Option<Time>, Fault> {
        time(&json::parse(&format!("{{\"t\": \"{text}\"}}")).unwrap(), "t")
    }

    #[test]
    fn times_have_any_fraction_and_may_lack_their_zone() {
        let expect = |text: &str, iso: &str| {
            let read = read_time(text).unwrap().unwrap();
            assert_eq!(read, DateTime::parse_from_rfc3339(iso).unwrap(), "{text}");
        };
        expect("2017-07-20T21:41:00Z", "2017-07-20T21:41:00Z");
        expect("2017-07-20T21:41:00.8022297Z", "2017-07-20T21:41:00.8022297Z");
        expect("2017-07-20T21:41:00.8", "2017-07-20T21:41:00.8Z");
        expect("2021-11-16T08:27:36.1836909+02:00", "2021-11-16T06:27:36.1836909Z");
        expect("2021-11-16 08:27:36", "2021-11-16T08:27:36Z");
    }

    #[test]
    fn no_time_is_written_in_several_ways() {
        for none in [
            "",
            " ",
            "0001-01-01T00:00:00",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.9999999Z",
        ] {
            assert_eq!(read_time(none), Ok(None), "{none}");
        }
        assert!(read_time("tomorrow").unwrap_err().what.contains("`tomorrow`"));
        assert!(time(&json::parse("{\"t\": 17}").unwrap(), "t").is_err());
    }

    #[test]
    fn placeholders_are_no_account() {
        for none in ["{subscriptionId}", "<subscription Id>", NO_ACCOUNT, "", "a b"] {
            assert_eq!(account(none), None, "{none}");
        }
        assert_eq!(account(" AAAA0A0A-bb1b "), Some("aaaa0a0a-bb1b".to_string()));
        assert_eq!(
            account_in("/SUBSCRIPTIONS/ABC/resourceGroups/x"),
            Some("abc".to_string())
        );
        assert_eq!(account_in("/providers/Microsoft.ResourceHealth/events/X"), None);
    }

    #[test]
    fn levels_are_words_or_numbers() {
        assert_eq!(level("3"), Some(Level::Warning));
        assert_eq!(level("Information"), Some(Level::Informational));
        assert_eq!(level("Sev4"), None);
    }
}
