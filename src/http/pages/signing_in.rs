//! Signing in and out, and the way there and back.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

use super::super::AppState;
use super::super::caller::Caller;
use super::super::form;
use super::super::outside::{WholePage, frame, frame_for};
use super::super::query::Query;
use super::super::refusal::Refusal;
use crate::view::page::{self, Frame, signing_in::SignIn};

/// The longest address that is come back to, bytes.
const BACK_BYTES_MOST: usize = 2_000;

/// `GET /sign-in?to=/incidents/…`
pub async fn form(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Html<String> {
    let to = Query::of(&uri).one("to").and_then(own_path).unwrap_or_default();
    Html(shown(&app_state, &caller, &uri, &to, None))
}

/// `POST /sign-in`: keeps a session in the browser and leads back.
pub async fn sign_in(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    let uri = request.uri().clone();
    let form = form::read(&app_state, &caller, request, form::SMALL_BYTES).await?;
    let to = form.one("to").and_then(own_path).unwrap_or_default();
    match app_state.sign_in(&caller, form.one("token").unwrap_or_default()) {
        Ok(cookie) => {
            tracing::info!(address = %caller.address, "somebody signed in");
            let mut response = seen_next(&to);
            response.headers_mut().append(header::SET_COOKIE, cookie);
            Ok(response)
        }
        Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => {
            let html = shown(&app_state, &caller, &uri, &to, Some(&refusal.what));
            let mut response = (StatusCode::UNAUTHORIZED, Html(html)).into_response();
            response.extensions_mut().insert(WholePage);
            Ok(response)
        }
        Err(refusal) => Err(refusal),
    }
}

/// `POST /sign-out`: the browser forgets the session.
pub async fn sign_out(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    let form = form::read(&app_state, &caller, request, form::SMALL_BYTES).await?;
    // a session that has ended meanwhile is forgotten all the same
    if app_state.reading(&caller).is_ok() {
        app_state.posting(&caller, &form)?;
    }
    let mut response = seen_next("/sign-in");
    for cookie in app_state.sign_out() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn shown(app_state: &AppState, caller: &Caller, uri: &Uri, to: &str, wrong: Option<&str>) -> String {
    let can_sign_in = app_state.can_sign_in(caller);
    // `?as=` of somebody unknown must not keep anybody from signing in
    let reader = app_state.reading(caller).ok();
    let frame = match &reader {
        Some(reader) => frame_for(app_state, uri, caller, reader),
        None => frame(app_state, uri, caller.zone, false),
    };
    // one comes back to where one wanted to go, not to here
    let frame = Frame { back: None, ..frame };
    page::signing_in::sign_in(&frame, &SignIn { to, wrong, can_sign_in })
}

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
fn own_path(text: &str) -> Option<String> {
    let rest = text.strip_prefix('/')?;
    let is_plain = text.len() <= BACK_BYTES_MOST
        && !rest.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_elsewhere = || rest.starts_with("sign-in") || rest.starts_with("sign-out") || rest.starts_with("v1/");
    (is_plain && !is_elsewhere()).then(|| text.to_owned())
}

/// Leads on, from a page directly below the top, to an address of our own; a proxy may have put the top anywhere.
fn seen_next(to: &str) -> Response {
    let location = format!("./{}", to.trim_start_matches('/'));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
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
