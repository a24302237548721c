//! Pages for people: asked for here, rendered by `view`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{Uri, header};
use axum::response::{Html, IntoResponse, Response};

pub mod claims;
pub mod deliveries;
pub mod rules;
pub mod signing_in;
pub mod why;

use super::AppState;
use super::api::incidents::{Asked, LIST_DEFAULT, cursor, filter_of, find, list_of, not_a_cursor};
use super::caller::Caller;
use super::outside::{frame, frame_for};
use super::query::Query;
use super::reading::Reading;
use super::refusal::Refusal;
use crate::clock::Time;
use crate::event::EventType;
use crate::incident::IncidentId;
use crate::incident::reviews::{CLOSED_AFTER, Phase, Terms};
use crate::view::filter::{Filter, PARAMETERS};
use crate::view::page::{self, CURRENT_MOST, Current, History};
use crate::view::story::Extract;

/// `GET /`
pub async fn incidents(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    uri: Uri,
) -> Result<Html<String>, Refusal> {
    let reader = app_state.reading(&caller)?;
    let query = Query::of(&uri);
    let known: Vec<&str> = PARAMETERS.into_iter().chain(["before", "token", "as"]).collect();
    query.only(&known)?;
    let before = query.one("before").map(cursor).transpose()?;
    let frame = frame_for(&app_state, &uri, &caller, &reader);
    let viewer = reader.viewer;
    let terms = app_state.settings.reviews.clone();
    let html = move |reading: &Reading| {
        let now = frame.now;
        let filter = filter_of(&query, reading, now, frame.zone.unwrap_or(chrono_tz::UTC))?;
        let is_first = before.is_none();
        let asked = Asked {
            filter: &filter,
            before,
            limit: LIST_DEFAULT,
            terms: &terms,
            now,
        };
        let found = list_of(reading, asked)?;
        let is_top = is_first && filter.is_everything();
        let current = is_top.then(|| current(reading, &terms, now)).transpose()?;
        Ok(Html(page::history(
            &frame,
            &History {
                filter: &filter,
                found: &found.lines,
                count: found.count,
                is_first,
                next: found.next.as_deref(),
                is_behind: found.is_behind,
                current,
                catalogue: &reading.rules.catalogue,
            },
        )))
    };
    app_state.read(viewer, html).await
}

/// What goes on now, and of what a review is owed. An advisory "goes on" for years, and so does trouble of which nobody
/// said that it is over: what nothing was said of for a month is left to the list.
fn current(reading: &Reading, terms: &Terms, now: Time) -> Result<Current, Refusal> {
    let of = |filter: Filter| {
        let asked = Asked {
            filter: &filter,
            before: None,
            limit: CURRENT_MOST,
            terms,
            now,
        };
        list_of(reading, asked).map(|found| found.lines)
    };
    let since = now.checked_sub_signed(CLOSED_AFTER);
    let mut going_on = of(Filter {
        since,
        states: vec![Phase::Investigating],
        ..Filter::default()
    })?;
    going_on.extend(of(Filter {
        since,
        states: vec![Phase::InProgress],
        types: vec![EventType::PlannedMaintenance],
        ..Filter::default()
    })?);
    going_on.sort_by_key(|listed| std::cmp::Reverse(listed.incident.updated));
    let owed = of(Filter {
        states: vec![Phase::UnderReview],
        ..Filter::default()
    })?;
    Ok(Current { going_on, owed })
}

/// `GET /incidents/{tracking_id}`
pub async fn incident(
    State(app_state): State<Arc<AppState>>,
    Path(tracking_id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Html<String>, Refusal> {
    let query = Query::of(&uri);
    query.only(&["provider", "before", "token", "link", "as"])?;
    let provider = super::api::provider(&query)?;
    let before = query.one("before").map(|at| at.parse().map_err(|_| not_a_cursor()));
    let window = Extract {
        before: before.transpose()?,
        most: page::TOLD_MOST,
        events: page::TOLD_EVENTS_MOST,
    };
    let tracking_id = IncidentId::of_segment(&tracking_id).to_owned();
    let (viewer, frame) = match caller.link {
        Some(_) => {
            let viewer = app_state.opener(&caller, provider, &tracking_id)?;
            (viewer, frame(&app_state, &uri, caller.zone, false))
        }
        None => {
            let reader = app_state.reading(&caller)?;
            let frame = frame_for(&app_state, &uri, &caller, &reader);
            (reader.viewer, frame)
        }
    };
    let terms = app_state.settings.reviews.clone();
    let is_reader = caller.link.is_none();
    let html = move |reading: &Reading| {
        let from = reading.sources();
        let story = find(&from, provider, &tracking_id, window)?;
        let own = from.visibility.customer();
        let names = |account: &str| own.map(|own| reading.rules.groups_of(own, account)).unwrap_or_default();
        Ok(Html(page::incident(
            &frame,
            &story,
            &terms,
            &names,
            own,
            &query_kept(&query),
            is_reader && reading.assessor.is_for(own),
        )))
    };
    app_state.read_story(viewer, html).await
}

/// What of an incident's address leads to its other pages.
fn query_kept(query: &Query) -> Vec<(&'static str, String)> {
    let kept = ["provider", "link", "token", "as"];
    let kept = kept
        .into_iter()
        .filter_map(|name| Some((name, query.one(name)?.to_owned())));
    kept.collect()
}

/// `GET /feeds`: where the feeds of the customers are that the reader may see.
pub async fn feeds(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Html<String>, Refusal> {
    let reader = app_state.reading(&caller)?;
    let frame = frame_for(&app_state, &uri, &caller, &reader);
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
