//! Ids of accounts as people type and paste them: which are ids, and what is wrong with those that are nearly.
//!
//! Providers name whole accounts: Azure a GUID, AWS twelve digits. What is copied from a portal has more around it.

/// The longest id that an event can carry, in characters.
const ID_CHARS_MOST: usize = 64;

/// The digits of the parts of a GUID.
const GUID: [usize; 5] = [8, 4, 4, 4, 12];

/// Why a text is no account's id, and what to type instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAccount {
    /// Why, in one sentence.
    pub what: String,
    /// What to type instead.
    pub hint: String,
}

fn refuse<T>(what: impl Into<String>, hint: impl Into<String>) -> Result<T, NoAccount> {
    Err(NoAccount {
        what: what.into(),
        hint: hint.into(),
    })
}

/// The id that a text names, in lower case: an id, or the path of a whole subscription (`/subscriptions/<id>`), which is
/// what the portal copies.
///
/// # Errors
/// When no event can ever carry it, or it names something else than a whole account.
pub fn account_id(text: &str) -> Result<String, NoAccount> {
    let text = text.trim();
    if let Some(rest) = path_of_subscription(text) {
        return of_path(rest);
    }
    let id = text.to_lowercase();
    if is_account_id(&id) {
        return match id.bytes().all(|byte| matches!(byte, b'0' | b'-')) {
            true => refuse(
                "this id of zeros stands for no subscription: no event carries it",
                "write the id of the subscription",
            ),
            false => Ok(id),
        };
    }
    if let Some(inner) = guid_in(&id) {
        return refuse(
            format!("`{text}` is more than the id of a subscription"),
            format!("write `{inner}`"),
        );
    }
    if let Some(why) = nearly_a_guid(&id) {
        let what = format!("`{text}` is nearly the id of a subscription, and matches none: {why}");
        return refuse(what, "an id has 8-4-4-4-12 digits: 0 to 9 and a to f");
    }
    if text.starts_with(['<', '{', '$', '%']) {
        let what = format!("`{text}` is a placeholder: no event carries it");
        return refuse(what, "put the id of the subscription in its place");
    }
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !is_plain || text.len() > ID_CHARS_MOST {
        return refuse(
            "this is not the id of a subscription",
            "one id per item: [11111111-aaaa-4bbb-8ccc-111111111111, …]",
        );
    }
    Ok(id)
}

/// Whether a text was meant as an id, so that what is wrong with it is worth saying.
pub fn resembles_an_id(text: &str) -> bool {
    let id = text.trim().to_lowercase();
    is_account_id(&id) || path_of_subscription(&id).is_some() || guid_in(&id).is_some() || nearly_a_guid(&id).is_some()
}

/// Whether a text is the id of an Azure subscription or tenant, or of an AWS account.
pub fn is_account_id(text: &str) -> bool {
    is_guid(text) || (text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let lengths = parts.iter().map(|part| part.len());
    lengths.eq(GUID)
        && parts
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What follows `/subscriptions/`, however it is written.
fn path_of_subscription(text: &str) -> Option<&str> {
    let path = text.strip_prefix('/').unwrap_or(text);
    let (head, rest) = path.split_once('/')?;
    head.eq_ignore_ascii_case("subscriptions").then_some(rest)
}

fn of_path(rest: &str) -> Result<String, NoAccount> {
    let (id, below) = rest.split_once('/').unwrap_or((rest, ""));
    let id = account_id(id)?;
    if below.trim_matches('/').is_empty() {
        return Ok(id);
    }
    refuse(
        "this names a part of a subscription, and service-health events are for whole subscriptions",
        format!("write `{id}`: its events are told whatever part of it they touch"),
    )
}

/// The first GUID that stands in a longer text, by itself (in a URL, in braces).
fn guid_in(text: &str) -> Option<&str> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    text.split(ends).find(|word| is_guid(word)).filter(|word| *word != text)
}

/// What keeps a text from being the GUID that it was meant to be: a digit too few, a letter O for a zero.
fn nearly_a_guid(text: &str) -> Option<String> {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !is_plain || is_guid(text) {
        return None;
    }
    let parts: Vec<&str> = text.split('-').collect();
    let digits: usize = parts.iter().map(|part| part.len()).sum();
    let hex = text.bytes().filter(u8::is_ascii_hexdigit).count();
    if digits == 32 && hex == 32 {
        return Some("its hyphens are missing, or stand elsewhere".to_owned());
    }
    // mostly digits, or a name of five words would be taken for one
    let resembles = (4..=6).contains(&parts.len()) && (24..=40).contains(&digits) && hex + 4 >= digits;
    if !resembles {
        return None;
    }
    let wrong = |byte: &u8| !byte.is_ascii_hexdigit() && *byte != b'-';
    if let Some((nth, letter)) = text.bytes().enumerate().find(|(_, byte)| wrong(byte)) {
        return Some(format!("its character {} is `{}`", nth + 1, char::from(letter)));
    }
    if parts.len() != GUID.len() {
        return Some(format!("it has {} parts", parts.len()));
    }
    let mut parts = parts.iter().zip(GUID).enumerate();
    let (nth, (part, wanted)) = parts.find(|(_, (part, wanted))| part.len() != *wanted)?;
    Some(format!("part {} has {} digits, not {wanted}", nth + 1, part.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-aaaa-4bbb-8ccc-111111111111";

    fn said(text: &str) -> String {
        match account_id(text) {
            Ok(id) => id,
            Err(why) => format!("{} (hint: {})", why.what, why.hint),
        }
    }

    #[test]
    fn an_id_and_the_path_of_a_whole_subscription_are_taken() {
        for text in [
            ID.to_owned(),
            ID.to_uppercase(),
            format!(" {ID} "),
            format!("/subscriptions/{ID}"),
            format!("subscriptions/{ID}/"),
            format!("/Subscriptions/{}", ID.to_uppercase()),
        ] {
            assert_eq!(account_id(&text).as_deref(), Ok(ID), "{text}");
        }
        for other in ["123456789012", "my-team-in-the-north", "prod"] {
            assert_eq!(account_id(other).as_deref(), Ok(other));
        }
    }

    #[test]
    fn what_no_event_can_carry_says_what_is_wrong_with_it() {
        insta::assert_snapshot!([
            "11111111-aaaa-4bbb-8ccc-11111111111", "11111111-aaaa-4bbb-8ccc-1111111111111", "11111111-aaaa-4bbb-8ccc-11111111111O",
            "11111111aaaa4bbb8ccc111111111111", "11111111-aaaa-4bbb-111111111111", "1111111-aaaa-4bbb-8ccc-111111111111",
            "{11111111-aaaa-4bbb-8ccc-111111111111}", "/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/resourceGroups/web",
            "/subscriptions/11111111-aaaa-4bbb-8ccc-11111111111", "/subscriptions/",
            "https://portal.azure.com/#@contoso/resource/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/overview",
            "00000000-0000-0000-0000-000000000000", "<subscription-id>", "$SUBSCRIPTION", "Contoso Production", "a*", "a,b",
        ].map(said).join("\n"), @r"
        `11111111-aaaa-4bbb-8ccc-11111111111` is nearly the id of a subscription, and matches none: part 5 has 11 digits, not 12 (hint: an id has 8-4-4-4-12 digits: 0 to 9 and a to f)
        `11111111-aaaa-4bbb-8ccc-1111111111111` is nearly the id of a subscription, and matches none: part 5 has 13 digits, not 12 (hint: an id has 8-4-4-4-12 digits: 0 to 9 and a to f)
        `11111111-aaaa-4bbb-8ccc-11111111111O` is nearly the id of a subscription, and matches none: its character 36 is `o` (hint: an id has 8-4-4-4-12 digits: 0 to 9 and a to f)
        `11111111aaaa4bbb8ccc111111111111` is nearly the id of a subscription, and matches none: its hyphens are missing, or stand elsewhere (hint: an id has 8-4-4-4-12 digits: 0 to 9 and a to f)
        `11111111-aaaa-4bbb-111111111111` is nearly the id of a subscription, and matches none: it has 4 parts (hint: an id has 8-4-4-4-12 digits: 0 to 9 and a to f)
        `1111111-aaaa-4bbb-8ccc-111111111111` is nearly the id of a subscription, and matches none: part 1 has 7 digits, not 8 (hint: an id has 8-4-4-4-12 digits: 0 to 9 and a to f)
        `{11111111-aaaa-4bbb-8ccc-111111111111}` is more than the id of a subscription (hint: write `11111111-aaaa-4bbb-8ccc-111111111111`)
        this names a part of a subscription, and service-health events are for whole subscriptions (hint: write `11111111-aaaa-4bbb-8ccc-111111111111`: its events are told whatever part of it they touch)
        `11111111-aaaa-4bbb-8ccc-11111111111` is nearly the id of a subscription, and matches none: part 5 has 11 digits, not 12 (hint: an id has 8-4-4-4-12 digits: 0 to 9 and a to f)
        this is not the id of a subscription (hint: one id per item: [11111111-aaaa-4bbb-8ccc-111111111111, …])
        `https://portal.azure.com/#@contoso/resource/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/overview` is more than the id of a subscription (hint: write `11111111-aaaa-4bbb-8ccc-111111111111`)
        this id of zeros stands for no subscription: no event carries it (hint: write the id of the subscription)
        `<subscription-id>` is a placeholder: no event carries it (hint: put the id of the subscription in its place)
        `$SUBSCRIPTION` is a placeholder: no event carries it (hint: put the id of the subscription in its place)
        this is not the id of a subscription (hint: one id per item: [11111111-aaaa-4bbb-8ccc-111111111111, …])
        this is not the id of a subscription (hint: one id per item: [11111111-aaaa-4bbb-8ccc-111111111111, …])
        this is not the id of a subscription (hint: one id per item: [11111111-aaaa-4bbb-8ccc-111111111111, …])
        ");
    }

    #[test]
    fn names_of_several_words_are_not_taken_for_ids() {
        for name in [
            "my-team-in-the-north",
            "web-prod-eu-west-01",
            "feed-face-cafe-dead-beef",
        ] {
            assert!(!resembles_an_id(name), "{name}");
        }
        for id in [
            "11111111-aaaa-4bbb-8ccc-11111111111",
            "/subscriptions/x",
            "{11111111-aaaa-4bbb-8ccc-111111111111}",
        ] {
            assert!(resembles_an_id(id), "{id}");
        }
    }
}
