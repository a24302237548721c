//! `GET /v1/times`: how long providers took, by provider and service.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use super::super::AppState;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use crate::clock::Time;
use crate::event::Provider;
use crate::view::times::{INCIDENTS_MOST, Summary, Times, times};

/// How far back is looked unless asked otherwise.
const SINCE: chrono::Duration = chrono::Duration::days(90);

/// How long providers took.
#[derive(Serialize)]
pub struct Answer {
    since: Time,
    times: Vec<Line>,
    /// Whether only the newest incidents were looked at, and how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    only_newest: Option<usize>,
}

#[derive(Serialize)]
struct Line {
    provider: Provider,
    service: String,
    incidents: usize,
    first_notice: Option<Span>,
    preliminary_review: Option<Span>,
    final_review: Option<Span>,
}

#[derive(Serialize)]
struct Span {
    count: usize,
    median_seconds: i64,
    longest_seconds: i64,
}

/// `GET /v1/times?since=TIME`
pub async fn get(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Json<Answer>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let query = Query::of(&uri);
    query.only(&["since", "token"])?;
    let now = app_state.clock.now();
    let since = match query.one("since") {
        None => now - SINCE,
        Some(text) => text.parse().map_err(|_| {
            Refusal::bad("this is no time")
                .field("since")
                .hint("like 2026-11-24T08:40:00Z")
        })?,
    };
    let answer = move |reading: &Reading| {
        let (lines, is_cut) = times(&reading.sources(), since, now)?;
        Ok(Json(Answer {
            since,
            times: lines.into_iter().map(Line::of).collect(),
            only_newest: is_cut.then_some(INCIDENTS_MOST),
        }))
    };
    app_state.read_story(viewer, answer).await
}

impl Line {
    fn of(times: Times) -> Self {
        let span = |summary: Option<Summary>| {
            summary.map(|summary| Span {
                count: summary.count,
                median_seconds: summary.median.num_seconds(),
                longest_seconds: summary.longest.num_seconds(),
            })
        };
        Self {
            provider: times.provider,
            service: times.service,
            incidents: times.incidents,
            first_notice: span(times.first_notice),
            preliminary_review: span(times.preliminary),
            final_review: span(times.finally),
        }
    }
}
