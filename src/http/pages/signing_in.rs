//! Signing in and out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

use super::super::AppState;
use super::super::caller::Caller;
use super::super::form;
use super::super::outside::{WholePage, frame, frame_for};
use super::super::query::Query;
use super::super::refusal::Refusal;
use super::super::way_back::own_path;
use crate::view::page::{self, Frame, signing_in::SignIn};

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

/// Leads on, from a page directly below the top, to an address of our own; a proxy may have put the top anywhere.
fn seen_next(to: &str) -> Response {
    let location = format!("./{}", to.trim_start_matches('/'));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}
