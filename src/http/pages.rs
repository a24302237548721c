//! Pages for people: asked for here, rendered by `view`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{Uri, header};
use axum::response::{Html, IntoResponse, Response};

use super::AppState;
use super::api::incidents::{LIST_DEFAULT, find, list_of};
use super::caller::Caller;
use super::outside::frame;
use super::query::Query;
use super::refusal::Refusal;
use crate::customer::Viewer;
use crate::incident::IncidentId;
use crate::view::page::{self, Listed};
use crate::view::story;

/// `GET /`
pub async fn incidents(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    uri: Uri,
) -> Result<Html<String>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let before = Query::of(&uri).one("before").map(str::to_owned);
    let frame = frame(&app_state, uri.path(), true);
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
    let viewer = app_state.opener(&caller, provider, &tracking_id)?;
    let has_list = !matches!(viewer, Viewer::Link { .. });
    let frame = frame(&app_state, uri.path(), has_list);
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
