//! What is around every answer: security headers, one line in the log, and pages instead of JSON for browsers.
//!
//! A request's address is never logged as it came: its query may hold a token, its path somebody's guess of one. The
//! route that matched is.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use chrono_tz::Tz;

use super::caller::{Caller, is_from_another_site};
use super::refusal::Refusal;
use super::sessions::{Reader, SignedIn};
use super::{AppState, way_back, zone};
use crate::view::page::{self, Around, Frame, Refused};

/// How many customers an operator is offered to read as; `?as=` takes all.
const CUSTOMERS_MOST: usize = 200;

/// Set on every answer. Links carry tokens, so nobody else is told where somebody came from; we are, or browsers would not
/// say of a form that it is one of ours.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// Goes around one request.
pub async fn around(State(app_state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let path = request.uri().path().to_owned();
    let wants_page = wants_page(&method, &path, request.headers());
    let frame = wants_page.then(|| {
        let mut frame = frame(&app_state, request.uri(), zone::chosen(request.headers()), false);
        frame.back = None;
        frame.sign_in = Some(way_back::leading_back(&method, request.uri()));
        frame
    });
    let response = match is_from_elsewhere(&app_state, &method, request.headers()) {
        true => from_elsewhere().into_response(),
        false => as_refusal(&method, next.run(request).await),
    };
    let mut response = match frame {
        Some(frame) => as_page(&frame, response),
        None => response,
    };
    add_headers(response.headers_mut());
    let route = route.as_deref().unwrap_or("(none)");
    app_state.metrics.answered(&method, route, response.status());
    log(&method, route, response.status(), started);
    response
}

/// Whether a request that may change something was made by a page of another site.
fn is_from_elsewhere(app_state: &AppState, method: &Method, headers: &HeaderMap) -> bool {
    let public_host = app_state.settings.public_url.as_ref().and_then(url::Url::host_str);
    !method.is_safe() && is_from_another_site(headers, public_host)
}

fn from_elsewhere() -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "a page of another site has asked for this")
        .hint("use the form on the page of this service")
}

/// Whether a person reads the answer: a page is asked for, and at least as gladly as JSON (RFC 9110 §12.5.1). What forms
/// post to pages is answered with pages; what is posted to the API is not.
fn wants_page(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let accepts = accepts.unwrap_or_default();
    let page = wish(accepts, "text/html").max(wish(accepts, "application/xhtml+xml"));
    let is_asked = method == Method::GET || method == Method::HEAD || !path.starts_with("/v1/");
    is_asked && page > 0 && page >= wish(accepts, "application/json")
}

/// How gladly a form is taken that is named itself, in thousandths; 0 where it is not named.
fn wish(accepts: &str, form: &str) -> u32 {
    let named = accepts.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(form));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let weight = weight.map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(1.0));
        is_named.then_some((weight.clamp(0.0, 1.0) * 1000.0) as u32)
    });
    named.max().unwrap_or_default()
}

/// What a page at this address has around it.
pub fn frame(app_state: &AppState, uri: &Uri, zone: Option<Tz>, has_list: bool) -> Frame {
    let path = uri.path();
    let depth = path.matches('/').count().saturating_sub(1);
    Frame {
        root: if depth == 0 {
            "./".to_owned()
        } else {
            "../".repeat(depth)
        },
        has_list,
        reader: None,
        sign_in: None,
        now: app_state.clock.now(),
        zone,
        back: zone::way_back(uri),
    }
}

/// What a page has around it for this reader.
pub fn frame_for(app_state: &AppState, uri: &Uri, caller: &Caller, reader: &Reader) -> Frame {
    let customers = app_state.ledger.rules().customers.by_name.clone().unwrap_or_default();
    let chosen = reader.viewer.customer().filter(|_| reader.may_choose);
    Frame {
        reader: Some(Around {
            signed_in: reader.signed_in.as_ref().map(|who| match who {
                SignedIn::Read => "all customers (reads)".to_owned(),
                SignedIn::Operate => "all customers (operates)".to_owned(),
                SignedIn::Customer(customer) => customer.to_string(),
            }),
            as_customer: chosen.map(ToString::to_string),
            customers: match reader.may_choose {
                true => customers.keys().take(CUSTOMERS_MOST).map(ToString::to_string).collect(),
                false => Vec::new(),
            },
            form_token: reader.form_token.clone(),
            here: uri
                .path()
                .trim_start_matches('/')
                .split('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
        }),
        ..frame(app_state, uri, caller.zone, true)
    }
}

/// Marks an answer that is an error and a whole page already.
#[derive(Debug, Clone, Copy)]
pub struct WholePage;

/// What the framework refuses by itself becomes one of our refusals.
fn as_refusal(method: &Method, response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_ours =
        response.extensions().get::<Refusal>().is_some() || response.extensions().get::<WholePage>().is_some();
    if !is_error || is_ours {
        return response;
    }
    let refusal = match status {
        StatusCode::METHOD_NOT_ALLOWED => Refusal::new(status, format!("{method} is not answered here")),
        _ => Refusal::new(status, status.canonical_reason().unwrap_or("refused").to_lowercase()),
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut refused = refusal.into_response();
    refused.headers_mut().extend(allow.map(|allow| (header::ALLOW, allow)));
    refused
}

/// A refusal as a page, which also asks for the token where one is missing.
fn as_page(frame: &Frame, response: Response) -> Response {
    let Some(refusal) = response.extensions().get::<Refusal>().cloned() else {
        return response;
    };
    let refused = Refused {
        status: refusal.status.as_u16(),
        what: &refusal.what,
        hint: refusal.hint.as_deref(),
    };
    let html = page::refusal(frame, refused);
    let mut paged = (refusal.status, Html(html)).into_response();
    for name in [header::RETRY_AFTER, header::ALLOW] {
        let kept = response.headers().get(&name).cloned();
        paged.headers_mut().extend(kept.map(|value| (name, value)));
    }
    if refusal.asks_for_token {
        // no `Basic`: the browser would ask by itself, before it shows the page that leads to the form
        let challenge = HeaderValue::from_static("Bearer realm=\"Bellwether\"");
        paged.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    paged
}

fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn log(method: &Method, route: &str, status: StatusCode, started: Instant) {
    let (status, milliseconds) = (status.as_u16(), started.elapsed().as_millis());
    match status {
        500.. => tracing::warn!(%method, route, status, milliseconds, "a request was answered"),
        _ if method == Method::POST => tracing::info!(%method, route, status, milliseconds, "a request was answered"),
        _ => tracing::debug!(%method, route, status, milliseconds, "a request was answered"),
    }
}

/// There is nothing here.
pub async fn no_such_path() -> Refusal {
    Refusal::not_found("there is nothing at this address")
        .hint("events are posted to `/v1/events`; the pages begin at `/`")
}

/// A defect of ours: it is logged, and the caller may come again.
pub fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let what = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(what, "a request ended in a panic");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "this request could not be answered").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_a_page_gets_one_and_who_prefers_json_does_not() {
        let wants = |method: Method, accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).expect("a header"));
            wants_page(&method, "/v1/events", &headers)
        };
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, is_page) in [
            (browser, true),
            ("Text/HTML;charset=utf-8", true),
            ("application/xhtml+xml", true),
            ("application/json;q=0.5, text/html", true),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/html;q=0.5", false),
            ("text/html;q=0", false),
            ("text/htmlx", false),
            ("", false),
        ] {
            assert_eq!(wants(Method::GET, accept), is_page, "{accept}");
            assert_eq!(wants(Method::HEAD, accept), is_page, "{accept}");
            assert!(!wants(Method::POST, accept), "{accept}");
        }
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("text/html"))]);
        assert!(wants_page(&Method::POST, "/why", &headers), "a form of a page");
    }
}
