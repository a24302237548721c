//! The zone in which somebody reads times beside UTC: chosen once on a page, kept in a cookie, never on the server.

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chrono_tz::Tz;

use super::query::Query;
use super::refusal::Refusal;

/// The cookie's name.
const COOKIE: &str = "bellwether-zone";

/// How long it is kept: a year, the most that browsers keep about any.
const KEPT_SECONDS: u32 = 365 * 24 * 60 * 60;

/// The most bytes of the address to go back to.
const BACK_BYTES_MOST: usize = 4_096;

/// The zone that a browser's cookie names; one that is none counts as absent.
pub fn chosen(headers: &HeaderMap) -> Option<Tz> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name.trim() == COOKIE).then(|| value.trim().parse().ok())?
    })
}

/// `GET /zone?zone=Europe/Berlin&back=`: keeps the choice, and goes back. An empty zone is UTC alone.
pub async fn choose(uri: Uri) -> Result<Response, Refusal> {
    let query = Query::of(&uri);
    query.only(&["zone", "back"])?;
    let cookie = match query.one("zone").map(str::trim) {
        None | Some("") => format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
        Some(name) => {
            let zone = zone(name)?;
            format!(
                "{COOKIE}={}; Path=/; Max-Age={KEPT_SECONDS}; HttpOnly; SameSite=Lax",
                zone.name()
            )
        }
    };
    let back = query.one("back").unwrap_or_default();
    let to = [(header::SET_COOKIE, cookie), (header::LOCATION, address(back))];
    let mut headers = HeaderMap::new();
    for (name, value) in to {
        let value = HeaderValue::from_str(&value).map_err(|_| Refusal::bad("this is no address").field("back"))?;
        headers.insert(name, value);
    }
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

/// The first parts of paths of pages.
const PAGES: [&str; 6] = ["incidents", "deliveries", "claims", "rules", "why", "feeds"];

/// Where somebody comes back to who chooses a zone on the page at this address, below the top. An address with a token in
/// it is put into no other one.
pub fn way_back(uri: &Uri) -> Option<String> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let has_token = Query::of(uri).one("token").is_some();
    (!has_token).then(|| format!("{}{query}", uri.path().trim_start_matches('/')))
}

/// A page of ours to go back to: a path below the top, or the top with a query. Everything else leads to the top.
fn address(back: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '"' | '<' | '>');
    let first = back.split(['?', '/']).next().unwrap_or_default();
    let is_ours = back.len() <= BACK_BYTES_MOST
        && back.chars().all(is_plain)
        && (back.starts_with('?') || PAGES.contains(&first))
        && !back.contains("..");
    match is_ours {
        true => format!("./{back}"),
        false => "./".to_owned(),
    }
}

/// The zone of a name, however its case is.
fn zone(name: &str) -> Result<Tz, Refusal> {
    let wanted = name.to_lowercase().replace(' ', "_");
    let found = chrono_tz::TZ_VARIANTS
        .iter()
        .find(|zone| zone.name().to_lowercase() == wanted);
    found.copied().ok_or_else(|| {
        let alike = |zone: &&Tz| {
            let city = zone.name().rsplit('/').next().unwrap_or_default().to_lowercase();
            city == wanted || strsim::normalized_damerau_levenshtein(&zone.name().to_lowercase(), &wanted) > 0.8
        };
        let hint = match chrono_tz::TZ_VARIANTS.iter().find(alike) {
            Some(zone) => format!("did you mean {}?", zone.name()),
            None => "a name such as Europe/Berlin or America/New_York".to_owned(),
        };
        Refusal::bad("there is no time zone of this name")
            .field("zone")
            .hint(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_read_in_any_case_and_guessed_where_it_is_mistyped() {
        assert_eq!(zone("europe/berlin").expect("a zone"), Tz::Europe__Berlin);
        assert_eq!(zone("America/New York").expect("a zone"), Tz::America__New_York);
        for (name, hint) in [
            ("Berlin", "Europe/Berlin"),
            ("Europe/Berln", "Europe/Berlin"),
            ("CEST+2", "such as"),
        ] {
            let refusal = zone(name).expect_err(name);
            assert!(refusal.hint.is_some_and(|said| said.contains(hint)), "{name}");
        }
    }

    #[test]
    fn one_goes_back_to_a_page_of_ours_and_nowhere_else() {
        for (back, expected) in [
            ("?q=a&type=Billing", "./?q=a&type=Billing"),
            (
                "incidents/0NTJ-VV8?provider=azure",
                "./incidents/0NTJ-VV8?provider=azure",
            ),
            ("claims/0f1e?as=contoso", "./claims/0f1e?as=contoso"),
            ("deliveries", "./deliveries"),
            ("sign-out", "./"),
            ("v1/status", "./"),
            ("", "./"),
            ("//evil.example", "./"),
            ("https://evil.example", "./"),
            ("incidents/../../x", "./"),
            ("?\r\nset-cookie: x", "./"),
            ("\\evil.example", "./"),
        ] {
            assert_eq!(address(back), expected, "{back}");
        }
    }

    #[test]
    fn the_cookie_among_others_is_found_and_nonsense_is_passed_over() {
        let of = |cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
            chosen(&headers)
        };
        assert_eq!(of("a=b; bellwether-zone=Asia/Tokyo; c=d"), Some(Tz::Asia__Tokyo));
        assert_eq!(of("bellwether-zone=Atlantis"), None);
        assert_eq!(of("a=b"), None);
    }
}
