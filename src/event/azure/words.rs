//! How Azure writes what all its forms share: accounts, times, levels, impacted services.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDateTime, TimeZone, Utc};

use super::super::allowance::Allowance;
use super::super::draft::Pair;
use super::super::json::{self, Fault, Node, Value};
use super::super::{Level, html};
use crate::clock::Time;

/// How long a tracking id may be, characters.
const MAX_TRACKING_ID_CHARS: usize = 256;
/// How much of a stranger's word is repeated to them, characters.
const MAX_QUOTED_CHARS: usize = 60;
/// The tracking ids of the portal's test notifications.
const TEST_TRACKING_IDS: [&str; 2] = ["TEST-TTT", "ABC1-DEF"];
/// The years in which events happen; .NET writes year 1 and year 9999 where there is no time.
const YEARS: std::ops::Range<i32> = 1970..9999;
/// What is said to who writes times in another way.
const TIME_HINT: &str = "times look like 2024-11-01T18:59:27.923Z";
/// What stands where no account is.
const NO_ACCOUNT: &str = "00000000-0000-0000-0000-000000000000";

/// A member's text, also where the Activity Log wraps it as `{value, localizedValue}`; empty is none.
pub(super) fn value(node: &Node, key: &str) -> Option<String> {
    said(node, key).map(Cow::into_owned)
}

/// The same, left where it stands.
pub(super) fn said<'a>(node: &'a Node, key: &str) -> Option<Cow<'a, str>> {
    let member = node.get(key)?;
    let plain = member.scalar().or_else(|| member.get("value").and_then(Node::scalar))?;
    let trimmed = match plain {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    Some(trimmed).filter(|text| !text.is_empty())
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
        _ => Err(Fault::new(
            member.at,
            format!("`{key}` has more than {MAX_TRACKING_ID_CHARS} characters, the most that are allowed"),
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
    let time = parse_time(text)
        .ok_or_else(|| Fault::new(member.at, format!("`{}` is not a time", quoted(text))).hint(TIME_HINT))?;
    Ok(Some(time).filter(|time| YEARS.contains(&time.year())))
}

/// What is wrong where a time must be and none of these members gives one: the first that is there is unreadable, or
/// all of them are missing.
pub(super) fn no_time(members: &[(&Node, &'static str)]) -> Fault {
    let written = members.iter().find_map(|(node, key)| Some((*key, node.get(key)?)));
    let Some((key, member)) = written else {
        let (node, key) = members.first().expect("a member is asked for");
        return Fault::missing(node, key);
    };
    let text = quoted(member.text().unwrap_or_default());
    let what = match text.is_empty() {
        true => format!("`{key}` is empty"),
        false => format!(
            "`{text}` cannot be read as the time of an event: its year is not between {} and {}",
            YEARS.start,
            YEARS.end - 1
        ),
    };
    Fault::new(member.at, what).hint(TIME_HINT)
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
        .filter_map(|(key, value)| Some((key.clone(), value.scalar()?.into_owned())))
        .collect()
}

/// `impactedServices`: a JSON text in webhooks, a real list in the common schema's test. The pairs, and what an event
/// takes for them, bytes.
pub(super) fn impacted_services<'a>(properties: &Node, allowance: &'a Allowance) -> Result<Impacted<'a>, Fault> {
    let mut impacted = Impacted::new(allowance);
    match properties.get("impactedServices").map(|member| (member, &member.value)) {
        None => {}
        Some((_, Value::Text(text))) if text.trim().is_empty() => {}
        Some((member, Value::Text(text))) => json::parse(text)
            .and_then(|list| services(&list, &mut impacted))
            .map_err(|fault| in_text(member, fault))?,
        Some((member, _)) => services(member, &mut impacted)?,
    }
    Ok(impacted)
}

/// The impacted pairs of one event, counted as they are read.
pub(super) struct Impacted<'a> {
    /// The pairs, in the provider's order.
    pub pairs: Vec<Pair>,
    /// What an event takes for them, bytes.
    pub bytes: usize,
    allowance: &'a Allowance,
}

impl<'a> Impacted<'a> {
    /// None so far.
    pub fn new(allowance: &'a Allowance) -> Self {
        Self {
            pairs: Vec::new(),
            bytes: 0,
            allowance,
        }
    }

    /// One more, which stands at byte `at`.
    ///
    /// # Errors
    /// When an event cannot name so many.
    pub fn add(&mut self, at: usize, pair: Pair) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(pair.bytes());
        self.pairs.push(pair);
        self.allowance.one_event(at, self.bytes)
    }

    /// A service in all of these regions, or in none that is named.
    ///
    /// # Errors
    /// As [`Impacted::add`].
    pub fn service(
        &mut self,
        node: &Node,
        service: &str,
        service_id: Option<String>,
        regions: impl Iterator<Item = String>,
    ) -> Result<(), Fault> {
        let (service, service_id): (Arc<str>, Option<Arc<str>>) = (service.into(), service_id.map(Into::into));
        let pair = |region| Pair {
            service: service.clone(),
            service_id: service_id.clone(),
            region,
            accounts: Vec::new(),
        };
        let before = self.pairs.len();
        for region in regions {
            self.add(node.at, pair(Some(region)))?;
        }
        match self.pairs.len() == before {
            true => self.add(node.at, pair(None)),
            false => Ok(()),
        }
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
        sort: fault.sort,
        ..Fault::new(member.at, what)
    }
}

fn services(list: &Node, impacted: &mut Impacted<'_>) -> Result<(), Fault> {
    let wanted = "impactedServices is a list of `{\"ServiceName\": …, \"ImpactedRegions\": [{\"RegionName\": …}]}`";
    let items = list
        .list()
        .ok_or_else(|| Fault::new(list.at, "this is not a list").hint(wanted))?;
    for item in items {
        let service = name(item, "ServiceName").ok_or_else(|| Fault::missing(item, "ServiceName").hint(wanted))?;
        let service_id = value(item, "ServiceGuid").and_then(|id| account(&id));
        let regions = item.get("ImpactedRegions").and_then(Node::list).unwrap_or_default();
        impacted.service(item, &service, service_id, regions.iter().filter_map(region))?;
    }
    Ok(())
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
