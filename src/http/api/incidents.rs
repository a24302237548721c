//! Incidents: the list, and one with its whole story.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;

use super::super::AppState;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use super::shapes::{ListedIncident, WholeIncident};
use crate::clock::Time;
use crate::customer::{CustomerId, Viewer};
use crate::event::Provider;
use crate::incident::IncidentId;
use crate::incident::reviews::Terms;
use crate::search::Question;
use crate::view::filter::{self, Filter, PARAMETERS};
use crate::view::story::{self, Extract, Heard, Listed, Sources, Story, Whose};

/// How many are listed unless asked otherwise.
pub const LIST_DEFAULT: usize = 50;

/// The most that are listed at once.
pub const LIST_MOST: usize = 1_000;

/// How many events of one incident an answer tells what followed from them.
const FOLLOWED_MOST: usize = 5_000;

/// How many incidents are looked at for one answer while there is no index: the list then goes on from there.
const LOOKED_AT_MOST: usize = 2_000;

/// A list of incidents.
#[derive(Serialize)]
pub struct Incidents {
    incidents: Vec<ListedIncident>,
    next: Option<String>,
    /// Whether the newest changes may be missing: ask again in a few seconds.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_behind: bool,
}

/// `GET /v1/incidents`
pub async fn list(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<Incidents>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let query = Query::of(&uri);
    let known: Vec<&str> = PARAMETERS.into_iter().chain(["limit", "before", "token"]).collect();
    query.only(&known)?;
    let limit = query.number("limit", LIST_DEFAULT, LIST_MOST)?;
    let before = query.one("before").map(cursor).transpose()?;
    let (terms, now) = (app_state.settings.reviews.clone(), app_state.clock.now());
    let answer = move |reading: &Reading| {
        let filter = filter_of(&query, reading, now, chrono_tz::UTC)?;
        let asked = Asked {
            filter: &filter,
            before,
            limit,
            terms: &terms,
            now,
        };
        let found = list_of(reading, asked)?;
        Ok(Json(Incidents {
            incidents: found.lines.iter().map(|line| ListedIncident::of(line, now)).collect(),
            next: found.next,
            is_behind: found.is_behind,
        }))
    };
    app_state.read(viewer, answer).await
}

/// The filter of a request.
///
/// # Errors
/// When one of its parameters cannot be used.
pub fn filter_of(query: &Query, reading: &Reading, now: Time, zone: chrono_tz::Tz) -> Result<Filter, Refusal> {
    let visibility = reading.sources().visibility;
    let are_separate = reading.rules.customers.are_separate();
    let is_theirs = |customer: &CustomerId| !are_separate || visibility.shows(customer);
    let read = filter::Reading {
        catalogue: &reading.rules.catalogue,
        now,
        zone,
        accounts_named: &|name| reading.rules.accounts_named(name, is_theirs),
    };
    Filter::read(query.all(), read).map_err(|wrong| {
        let mut wrong = wrong.into_iter();
        let Some(first) = wrong.next() else {
            return Refusal::bad("this filter cannot be used");
        };
        let others = wrong.map(|one| format!("; {}: {} ({})", one.parameter, one.what, one.hint));
        let hint = others.fold(first.hint, |hint, other| hint + &other);
        Refusal::bad(first.what).field(first.parameter).hint(hint)
    })
}

/// `GET /v1/incidents/{tracking_id}?before=`: what followed from the newest communications, or from those before one.
pub async fn one(
    State(app_state): State<Arc<AppState>>,
    Path(tracking_id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<WholeIncident>, Refusal> {
    let query = Query::of(&uri);
    query.only(&["provider", "before", "token", "link"])?;
    let provider = super::provider(&query)?;
    let before = query.one("before").map(|at| at.parse().map_err(|_| not_a_cursor()));
    let window = Extract {
        before: before.transpose()?,
        most: usize::MAX,
        events: FOLLOWED_MOST,
    };
    let tracking_id = IncidentId::of_segment(&tracking_id).to_owned();
    let viewer = app_state.opener(&caller, provider, &tracking_id)?;
    let (terms, now) = (app_state.settings.reviews.clone(), app_state.clock.now());
    let answer = move |reading: &Reading| {
        let story = find(&reading.sources(), provider, &tracking_id, window)?;
        Ok(Json(WholeIncident::of(story, &terms, now)))
    };
    app_state.read_story(viewer, answer).await
}

/// What is asked of the list.
#[derive(Clone)]
pub struct Asked<'a> {
    /// Which incidents.
    pub filter: &'a Filter,
    /// Behind which one.
    pub before: Option<(Time, IncidentId)>,
    /// How many at most.
    pub limit: usize,
    /// When reviews are due.
    pub terms: &'a Terms,
    /// The time of asking.
    pub now: Time,
}

/// What was found.
pub struct Found {
    /// Those with the newest communication first.
    pub lines: Vec<Listed>,
    /// What to ask for to see the next ones.
    pub next: Option<String>,
    /// How many there are in all, where that is known.
    pub count: Option<usize>,
    /// Whether the newest changes may be missing.
    pub is_behind: bool,
}

/// Incidents, those with the newest communication first, and the cursor of the next ones.
///
/// # Errors
/// When the store cannot be read.
pub fn list_of(reading: &Reading, asked: Asked<'_>) -> Result<Found, Refusal> {
    match indexed(reading, &asked)? {
        Some(found) => Ok(found),
        None => gone_through(reading, &asked),
    }
}

/// By the index; `None` while there is none.
fn indexed(reading: &Reading, asked: &Asked<'_>) -> Result<Option<Found>, Refusal> {
    if matches!(reading.viewer, Viewer::Link { .. }) {
        return Ok(None);
    }
    let sources = reading.sources();
    let visibility = &sources.visibility;
    let question = Question {
        viewer: visibility.customer().filter(|_| !visibility.is_whole()),
        filter: asked.filter,
        before: asked.before.as_ref().map(|(updated, id)| (*updated, id)),
        limit: asked.limit,
        now: asked.now,
    };
    let found = match reading.search.find(&reading.ledger, &reading.rules, question) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "the index of incidents cannot be asked");
            None
        }
    };
    let Some(mut found) = found else { return Ok(None) };
    let last = found.lines.last().filter(|_| found.has_more);
    let next = last.map(|last| cursor_of(last.incident.updated, &last.incident.id));
    let mut lines = Vec::with_capacity(found.lines.len());
    for line in found.lines.drain(..) {
        // what was forgotten a moment ago, or lost, is not shown any more
        if visibility.store.incident(&line.incident.id)?.is_some() {
            lines.push(line);
        }
    }
    Ok(Some(Found {
        lines,
        next,
        count: Some(found.count),
        is_behind: found.is_behind,
    }))
}

/// By going through incidents, as many as one answer may take.
fn gone_through(reading: &Reading, asked: &Asked<'_>) -> Result<Found, Refusal> {
    let from = reading.sources();
    let whose = Whose {
        is_whole: from.visibility.is_whole(),
        only: from.visibility.only(),
    };
    let before = asked.before.as_ref().map(|(updated, id)| (*updated, id));
    let mut found = Found {
        lines: Vec::new(),
        next: None,
        count: None,
        is_behind: false,
    };
    let mut last: Option<(Time, IncidentId)> = None;
    for (nth, candidate) in from.visibility.candidates(before).enumerate() {
        let candidate = candidate?;
        if found.lines.len() == asked.limit || nth == LOOKED_AT_MOST {
            found.next = last.map(|(updated, id)| cursor_of(updated, &id));
            return Ok(found);
        }
        last = Some((candidate.updated, candidate.id.clone()));
        let hearings = from.visibility.hearings(&candidate.id)?;
        let Some(mut heard) = Heard::of(&from, &candidate.id)? else {
            continue;
        };
        let outline = heard.outline(whose, &hearings, &reading.rules.catalogue, (asked.terms, asked.now))?;
        let outline = outline.filter(|outline| asked.filter.matches(&outline.facts, asked.now));
        found.lines.extend(outline.map(|outline| outline.line));
    }
    Ok(found)
}

/// Where the next ones begin, as answers write it.
fn cursor_of(updated: Time, id: &IncidentId) -> String {
    let updated = updated.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    format!("{updated}~{}~{}", id.provider.word(), id.tracking_id)
}

/// Where a list goes on.
///
/// # Errors
/// When it is not the `next` of an answer.
pub fn cursor(text: &str) -> Result<(Time, IncidentId), Refusal> {
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
pub fn find(
    from: &Sources<'_>,
    provider: Option<Provider>,
    tracking_id: &str,
    window: Extract,
) -> Result<Story, Refusal> {
    let providers = Provider::ALL
        .iter()
        .filter(|one| provider.is_none_or(|asked| asked == **one));
    for provider in providers {
        if let Some(story) = story::story(from, &IncidentId::new(*provider, tracking_id), window)? {
            return Ok(story);
        }
    }
    Err(Refusal::not_found("no incident of this tracking id is known"))
}
