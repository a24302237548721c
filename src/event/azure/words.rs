//! How Azure writes what all its forms share: texts, names, accounts, levels, custom properties.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::super::json::{Node, Value};
use super::super::note::Notes;
pub(super) use super::super::note::quoted;
use super::super::{Level, html};

/// How long a tracking id may be, characters.
const MAX_TRACKING_ID_CHARS: usize = 256;
/// How many texts of a list are read as one text.
const MAX_LISTED_TEXTS: usize = 1_000;
/// The tracking ids of the portal's test notifications.
const TEST_TRACKING_IDS: [&str; 2] = ["TEST-TTT", "ABC1-DEF"];
/// What stands where no account is.
const NO_ACCOUNT: &str = "00000000-0000-0000-0000-000000000000";

/// A member's text, also where the Activity Log wraps it as `{value, localizedValue}`; empty is none.
pub(super) fn value(node: &Node, key: &str) -> Option<String> {
    said(node, key).map(Cow::into_owned)
}

/// The same, left where it stands.
pub(super) fn said<'a>(node: &'a Node, key: &str) -> Option<Cow<'a, str>> {
    let member = node.get(key)?;
    let plain = member
        .scalar()
        .or_else(|| member.get("value").and_then(Node::scalar))
        .or_else(|| listed(member))?;
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

/// A list of texts where one text is expected, as one: names with semicolons between them.
fn listed(member: &Node) -> Option<Cow<'_, str>> {
    let texts: Vec<Cow<'_, str>> = member
        .list()?
        .iter()
        .take(MAX_LISTED_TEXTS)
        .filter_map(Node::scalar)
        .collect();
    (!texts.is_empty()).then(|| Cow::Owned(texts.join("; ")))
}

/// A member's text; where it is there and no text, that is noted.
pub(super) fn text(node: &Node, key: &'static str, notes: &mut Notes) -> Option<String> {
    let text = value(node, key);
    if text.is_none() && is_no_text(node, key) {
        notes.add(key, "this is no text, and counts as not said");
    }
    text
}

/// Whether a member is there and holds something else than a text.
fn is_no_text(node: &Node, key: &str) -> bool {
    node.get(key).is_some_and(|member| match &member.value {
        Value::List(_) => true,
        Value::Object(_) => !matches!(member.get("value").map(|inner| &inner.value), Some(Value::Text(_))),
        Value::Text(_) | Value::Null | Value::Bool(_) | Value::Number(_) => false,
    })
}

/// The first of these members that has a text; those before it that hold something else are noted.
pub(super) fn first_text(node: &Node, keys: &[&'static str], notes: &mut Notes) -> Option<String> {
    keys.iter().find_map(|key| text(node, key, notes))
}

/// The first of these members that has a text.
pub(super) fn first(node: &Node, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| value(node, key))
}

/// The provider's name for the trouble, of any shape, by the first of these members that is there. Where there is none, or
/// one that is too long, one is made of `words` (a title), so that what says the same is the same trouble.
pub(super) fn tracking_id(nodes: &[(&Node, &'static str)], words: &str, notes: &mut Notes) -> String {
    let named = nodes.iter().find_map(|(node, key)| Some((*key, name(node, key)?)));
    match named {
        Some((_, id)) if id.chars().count() <= MAX_TRACKING_ID_CHARS => id,
        Some((key, id)) => {
            let what = format!(
                "this has more than {MAX_TRACKING_ID_CHARS} characters, the most that are allowed; another id was made of it"
            );
            notes.add(key, what);
            made_id(&id)
        }
        None => {
            let key = nodes.first().map_or("trackingId", |(_, key)| *key);
            notes.add(
                key,
                "there is none; one was made of the title, and other notices of the same trouble may have another",
            );
            made_id(words)
        }
    }
}

/// An id made of words: `no-id-` and twelve hex digits.
fn made_id(words: &str) -> String {
    let digest = Sha256::digest(words.to_lowercase().as_bytes());
    let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("no-id-{hex}")
}

/// Whether this is the tracking id of a test notification.
pub(super) fn is_test_id(tracking_id: &str) -> bool {
    TEST_TRACKING_IDS
        .iter()
        .any(|test| test.eq_ignore_ascii_case(tracking_id))
}

/// The length of an id such as `11111111-aaaa-4bbb-8ccc-111111111111`.
const GUID_LENGTH: usize = 36;

/// An account in lower case; placeholders (`{subscriptionId}`, `<subscription Id>`, zeros) are none.
///
/// Also what the portal copies (`/subscriptions/<id>`), and ids in braces.
pub(super) fn account(text: &str) -> Option<String> {
    let text = text.trim();
    if text.contains('/') {
        return account_in(text);
    }
    let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let text = bare.filter(|bare| bare.len() == GUID_LENGTH).unwrap_or(text);
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

/// The accounts in a text: several stand between commas or semicolons.
pub(super) fn accounts_in(text: &str) -> BTreeSet<String> {
    text.split([',', ';']).filter_map(account).collect()
}

/// The accounts in a list of ids.
pub(super) fn accounts(node: Option<&Node>) -> BTreeSet<String> {
    let items = node.and_then(Node::list).unwrap_or_default();
    items.iter().filter_map(Node::text).filter_map(account).collect()
}

/// How grave: a word, or the common schema's number (1 Critical … 4 Informational). A word that is not known is noted.
pub(super) fn level(node: &Node, key: &'static str, notes: &mut Notes) -> Option<Level> {
    let word = text(node, key, notes)?;
    let level = match word.as_str() {
        "1" => Some(Level::Critical),
        "2" => Some(Level::Error),
        "3" => Some(Level::Warning),
        "4" => Some(Level::Informational),
        word => Level::read(word),
    };
    if level.is_none() {
        notes.unknown_word(key, &word, "the level counts as not said");
    }
    level
}

/// Whether `key` says yes, as a boolean or as text of any case.
pub(super) fn says_yes(node: &Node, key: &str) -> bool {
    value(node, key).is_some_and(|text| ["true", "yes", "1"].iter().any(|yes| text.eq_ignore_ascii_case(yes)))
}

/// The alert rule's own key/values; values that are no text, number or boolean are left out.
pub(super) fn custom(node: Option<&Node>) -> BTreeMap<String, String> {
    let members = node.and_then(Node::object).unwrap_or_default();
    members
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.scalar()?.into_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::json;
    use super::*;

    #[test]
    fn placeholders_are_no_account() {
        let id = "11111111-aaaa-4bbb-8ccc-111111111111";
        for form in [
            id.to_owned(),
            format!("/subscriptions/{id}"),
            format!("subscriptions/{}/resourceGroups/x", id.to_uppercase()),
            format!("{{{id}}}"),
        ] {
            assert_eq!(account(&form).as_deref(), Some(id), "{form}");
        }
        assert_eq!(accounts_in(&format!("{id}, /subscriptions/222; 333")).len(), 3);
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

    fn node(json: &str) -> Node {
        json::parse(json).unwrap().root
    }

    #[test]
    fn levels_are_words_or_numbers_and_others_are_noted() {
        for (level_json, expected, word) in [
            ("3", Some(Level::Warning), None),
            ("\"3\"", Some(Level::Warning), None),
            ("\"Information\"", Some(Level::Informational), None),
            ("\"Sev4\"", None, Some("Sev4")),
            ("7", None, Some("7")),
        ] {
            let mut notes = Notes::default();
            let read = level(&node(&format!("{{\"level\": {level_json}}}")), "level", &mut notes);
            let words: Vec<_> = notes.into_vec().into_iter().filter_map(|note| note.word).collect();
            assert_eq!(
                (read, words.first().map(String::as_str)),
                (expected, word),
                "{level_json}"
            );
        }
    }

    #[test]
    fn what_is_no_text_is_noted_and_what_can_be_one_is_read() {
        let read = |json: &str| {
            let mut notes = Notes::default();
            let text = text(&node(&format!("{{\"t\": {json}}}")), "t", &mut notes);
            (text, notes.into_vec().len())
        };
        for (json, text, notes) in [
            ("\" a \"", Some("a"), 0),
            ("17", Some("17"), 0),
            ("true", Some("true"), 0),
            ("null", None, 0),
            ("\"\"", None, 0),
            ("{\"value\": \"a\"}", Some("a"), 0),
            ("[\"a\", \"b\"]", Some("a; b"), 0),
            ("[]", None, 1),
            ("{}", None, 1),
            ("{\"value\": [[]]}", None, 1),
        ] {
            assert_eq!(read(json), (text.map(str::to_owned), notes), "{json}");
        }
    }

    #[test]
    fn where_there_is_no_tracking_id_one_is_made_that_stays_the_same() {
        let made = |json: &str, title: &str| {
            let mut notes = Notes::default();
            let id = tracking_id(&[(&node(json), "trackingId")], title, &mut notes);
            (id, notes.into_vec().len())
        };
        assert_eq!(made("{\"trackingId\": 17}", "x"), ("17".to_owned(), 0));
        let (id, notes) = made("{}", "Storage - Delays");
        assert!(id.starts_with("no-id-") && id.len() == 18 && notes == 1, "{id}");
        assert_eq!(made("{\"trackingId\": \" \"}", "STORAGE - Delays").0, id);
        assert_ne!(made("{}", "Other").0, id);
        let long = format!("{{\"trackingId\": \"{}\"}}", "x".repeat(257));
        assert!(made(&long, "x").0.starts_with("no-id-"));
    }
}
