//! `/deliveries`: what waits, what is dead and why, what arrived; and trying one again.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

use super::super::AppState;
use super::super::api::deliveries::{Asked, found, try_again};
use super::super::caller::Caller;
use super::super::form;
use super::super::outside::frame_for;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use crate::view::page;
use crate::view::page::deliveries::List;

/// `GET /deliveries?state=&customer=&tracking_id=&before=`
pub async fn list(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Html<String>, Refusal> {
    let reader = app_state.reading(&caller)?;
    let query = Query::of(&uri);
    query.only(&[
        "state",
        "tracking_id",
        "customer",
        "limit",
        "before",
        "token",
        "as",
        "again",
    ])?;
    let asked = Asked::read(&query)?;
    let frame = frame_for(&app_state, &uri, &caller, &reader);
    let again = query.one("again").filter(|id| id.len() <= 200).map(str::to_owned);
    let state = query.one("state").map(str::to_owned);
    let kept = query.without(&["before", "token", "again", "state", "as"]);
    let (may_operate, has_customers) = (reader.may_operate, reader.viewer.customer().is_none());
    let html = move |reading: &Reading| {
        let (tracked, next) = found(reading, &asked)?;
        let list = List {
            tracked: &tracked,
            next: next.as_deref(),
            is_first: asked.before.is_none(),
            state: state.as_deref(),
            kept: &kept,
            again: again.as_deref(),
            may_operate,
            has_customers,
        };
        Ok(Html(page::deliveries::deliveries(&frame, &list)))
    };
    app_state.read(reader.viewer, html).await
}

/// `POST /deliveries/{id}/redeliver`: the same command as the API's; the list says what came of it.
pub async fn redeliver(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    // who may not read learns that before its form is looked at
    app_state.reading(&caller)?;
    let form = form::read(&app_state, &caller, request, form::SMALL_BYTES).await?;
    let reader = app_state.posting(&caller, &form)?;
    if !reader.may_operate {
        let what = "trying a delivery again takes a token for `operate`";
        return Err(Refusal::new(StatusCode::FORBIDDEN, what).hint("sign out, and sign in with such a token"));
    }
    try_again(&app_state, &id).await?;
    let again: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    let location = format!("../../deliveries?again={again}");
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}
