//! The way to the page of signing in, and from there back to where one wanted to go.

use axum::http::{Method, Uri};

use super::query::Query;

/// The longest address that is come back to, bytes.
const BACK_BYTES_MOST: usize = 2_000;

/// The address of the form, for who may not read this page, with the way back to it.
pub fn leading_back(method: &Method, uri: &Uri) -> String {
    let rest = Query::of(uri).without(&["token", "link"]);
    let here = match rest.is_empty() {
        true => uri.path().to_owned(),
        false => format!("{}?{rest}", uri.path()),
    };
    match own_path(&here).filter(|_| method.is_safe()) {
        Some(back) => {
            let back: String = url::form_urlencoded::byte_serialize(back.as_bytes()).collect();
            format!("sign-in?to={back}")
        }
        None => "sign-in".to_owned(),
    }
}

/// An address of our own, from the top: what begins another authority or scheme, or could be taken for that, is none.
pub fn own_path(text: &str) -> Option<String> {
    let rest = text.strip_prefix('/')?;
    let is_plain = text.len() <= BACK_BYTES_MOST
        && !rest.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_elsewhere = || rest.starts_with("sign-in") || rest.starts_with("sign-out") || rest.starts_with("v1/");
    (is_plain && !is_elsewhere()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_to_own_addresses_only() {
        for (text, expected) in [
            ("/", true),
            ("/incidents/VVTQ-J98?provider=azure", true),
            ("/deliveries?state=dead", true),
            ("", false),
            ("incidents/x", false),
            ("//evil.example/", false),
            ("/\\evil.example/", false),
            ("/x\r\nSet-Cookie: a=b", false),
            ("https://evil.example/", false),
            ("javascript:alert(1)", false),
            ("/sign-out", false),
            ("/v1/events", false),
        ] {
            assert_eq!(own_path(text).is_some(), expected, "{text}");
        }
        let long = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
        assert!(own_path(&long(BACK_BYTES_MOST)).is_some() && own_path(&long(BACK_BYTES_MOST + 1)).is_none());
    }

    #[test]
    fn a_token_is_not_taken_along_on_the_way() {
        let uri: Uri = "/incidents/X?token=hunter2&link=secret&provider=azure"
            .parse()
            .expect("a URI");
        let leads = leading_back(&Method::GET, &uri);
        assert_eq!(leads, "sign-in?to=%2Fincidents%2FX%3Fprovider%3Dazure");
        assert_eq!(leading_back(&Method::POST, &uri), "sign-in");
    }
}
