//! Incidents: the list, and one with its whole story.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;

use super::super::AppState;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::refusal::Refusal;
use super::shapes::{IncidentLine, WholeIncident};
use crate::clock::Time;
use crate::event::Provider;
use crate::incident::{Incident, IncidentId};
use crate::view::story::{self, Sources, Story};

/// How many are listed unless asked otherwise.
pub const LIST_DEFAULT: usize = 50;

/// The most that are listed at once.
pub const LIST_MOST: usize = 1_000;

/// A list of incidents.
#[derive(Serialize)]
pub struct Incidents {
    incidents: Vec<IncidentLine>,
    next: Option<String>,
}

/// `GET /v1/incidents`
pub async fn list(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<Incidents>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let query = Query::of(&uri);
    query.only(&["limit", "before", "token"])?;
    let limit = query.number("limit", LIST_DEFAULT, LIST_MOST)?;
    let before = query.one("before").map(str::to_owned);
    let answer = move |reading: &super::super::reading::Reading| {
        let (incidents, next) = list_of(&reading.sources(), before.as_deref(), limit)?;
        Ok(Json(Incidents {
            incidents: incidents.iter().map(IncidentLine::of).collect(),
            next,
        }))
    };
    app_state.read(viewer, answer).await
}

/// `GET /v1/incidents/{tracking_id}`
pub async fn one(
    State(app_state): State<Arc<AppState>>,
    Path(tracking_id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<WholeIncident>, Refusal> {
    let query = Query::of(&uri);
    query.only(&["provider", "token", "link"])?;
    let provider = super::provider(&query)?;
    let tracking_id = IncidentId::of_segment(&tracking_id).to_owned();
    let viewer = app_state.opener(&caller, provider, &tracking_id)?;
    let (terms, now) = (app_state.settings.reviews.clone(), app_state.clock.now());
    let answer = move |reading: &super::super::reading::Reading| {
        let story = find(&reading.sources(), provider, &tracking_id)?;
        Ok(Json(WholeIncident::of(story, &terms, now)))
    };
    app_state.read_story(viewer, answer).await
}

/// Incidents, those with the newest communication first, and the cursor of the next ones.
///
/// # Errors
/// When the cursor is none, or the store cannot be read.
pub fn list_of(
    from: &Sources<'_>,
    before: Option<&str>,
    most: usize,
) -> Result<(Vec<Incident>, Option<String>), Refusal> {
    let before = before.map(cursor).transpose()?;
    let before = before.as_ref().map(|(updated, id)| (*updated, id));
    let mut incidents = Vec::new();
    let mut last: Option<(Time, IncidentId)> = None;
    for candidate in from.visibility.candidates(before) {
        let candidate = candidate?;
        if incidents.len() == most {
            let next = last.map(|(updated, id)| {
                let updated = updated.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
                format!("{updated}~{}~{}", id.provider.word(), id.tracking_id)
            });
            return Ok((incidents, next));
        }
        last = Some((candidate.updated, candidate.id.clone()));
        incidents.extend(story::incident(from, candidate)?);
    }
    Ok((incidents, None))
}

fn cursor(text: &str) -> Result<(Time, IncidentId), Refusal> {
    let read = |text: &str| {
        let mut parts = text.splitn(3, '~');
        let updated: Time = parts.next()?.parse().ok()?;
        let provider = Provider::read(parts.next()?)?;
        Some((updated, IncidentId::new(provider, parts.next()?)))
    };
    read(text).ok_or_else(not_a_cursor)
}

/// Refuses a `before` that is not the `next` of an answer.
pub fn not_a_cursor() -> Refusal {
    Refusal::bad("this is not the `next` of an earlier answer").field("before")
}

/// The story of the incident of this tracking id: of the provider asked for, else Azure's, else the first there is.
///
/// # Errors
/// When there is none that the viewer may know of.
pub fn find(from: &Sources<'_>, provider: Option<Provider>, tracking_id: &str) -> Result<Story, Refusal> {
    let providers = Provider::ALL
        .iter()
        .filter(|one| provider.is_none_or(|asked| asked == **one));
    for provider in providers {
        if let Some(story) = story::story(from, &IncidentId::new(*provider, tracking_id))? {
            return Ok(story);
        }
    }
    Err(Refusal::not_found("no incident of this tracking id is known"))
}
