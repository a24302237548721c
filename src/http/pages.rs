//! Pages for people: asked for here, rendered by `view`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{Uri, header};
use axum::response::{Html, IntoResponse, Response};

pub mod deliveries;
pub mod rules;
pub mod signing_in;
pub mod why;

use super::AppState;
use super::api::incidents::{LIST_DEFAULT, find, list_of};
use super::caller::Caller;
use super::outside::{frame, frame_for};
use super::query::Query;
use super::refusal::Refusal;
use crate::incident::IncidentId;
use crate::view::page::{self, Listed};
use crate::view::story;

/// `GET /`
pub async fn incidents(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    uri: Uri,
) -> Result<Html<String>, Refusal> {
    let reader = app_state.reading(&caller)?;
    let before = Query::of(&uri).one("before").map(str::to_owned);
    let frame = frame_for(&app_state, uri.path(), &reader);
    let viewer = reader.viewer;
    let html = move |reading: &super::reading::Reading| {
        let from = reading.sources();
        let (incidents, next) = list_of(&from, before.as_deref(), LIST_DEFAULT)?;
        let listed = incidents.into_iter().map(|incident| {
            Ok(Listed {
                is_back_filled: story::is_back_filled(&from, &incident.id)?,
                incident,
            })
        });
        Ok(Html(page::incidents(
            &frame,
            &listed.collect::<anyhow::Result<Vec<Listed>>>()?,
            before.is_none(),
            next.as_deref(),
        )))
    };
    app_state.read(viewer, html).await
}

/// `GET /incidents/{tracking_id}`
pub async fn incident(
    State(app_state): State<Arc<AppState>>,
    Path(tracking_id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Html<String>, Refusal> {
    let provider = super::api::provider(&Query::of(&uri))?;
    let tracking_id = IncidentId::of_segment(&tracking_id).to_owned();
    let (viewer, frame) = match caller.link {
        Some(_) => {
            let viewer = app_state.opener(&caller, provider, &tracking_id)?;
            (viewer, frame(&app_state, uri.path(), false))
        }
        None => {
            let reader = app_state.reading(&caller)?;
            let frame = frame_for(&app_state, uri.path(), &reader);
            (reader.viewer, frame)
        }
    };
    let terms = app_state.settings.reviews.clone();
    let html = move |reading: &super::reading::Reading| {
        let from = reading.sources();
        let story = find(&from, provider, &tracking_id)?;
        let own = from.visibility.customer();
        let names = |account: &str| own.map(|own| reading.rules.groups_of(own, account)).unwrap_or_default();
        Ok(Html(page::incident(&frame, &story, &terms, &names, own)))
    };
    app_state.read_story(viewer, html).await
}

/// `GET /feeds`: where the feeds of the customers are that the reader may see.
pub async fn feeds(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Html<String>, Refusal> {
    let reader = app_state.reading(&caller)?;
    let frame = frame_for(&app_state, uri.path(), &reader);
    let feeds = super::feeds::of_viewer(&app_state, &reader.viewer);
    Ok(Html(page::feeds::feeds(&frame, &feeds)))
}

/// `GET /style.css`
pub async fn style() -> Response {
    asset("text/css; charset=utf-8", page::STYLE)
}

/// `GET /favicon.svg`
pub async fn icon() -> Response {
    asset("image/svg+xml", page::ICON)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=600"),
    ];
    (headers, text).into_response()
}
