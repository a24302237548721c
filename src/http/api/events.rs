//! Events as they came in, and what became of each: the operator's view.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;

use super::super::House;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use super::incidents::{LIST_DEFAULT, LIST_MOST, not_a_cursor};
use super::shapes::{EventShort, SilentLine, VerdictLine, WholeEvent};
use crate::event::{Arrival, Event, Position};
use crate::record::{Judged, Why};
use crate::store::context;
use crate::view::story;

/// A list of events.
#[derive(Serialize)]
pub struct Events {
    events: Vec<EventShort>,
    next: Option<String>,
}

/// `GET /v1/events`
pub async fn list(State(house): State<Arc<House>>, caller: Caller, uri: Uri) -> Result<Json<Events>, Refusal> {
    let viewer = house.overseer(&caller)?;
    let query = Query::of(&uri);
    query.only(&["limit", "before", "token"])?;
    let limit = query.number("limit", LIST_DEFAULT, LIST_MOST)?;
    let before = query
        .one("before")
        .map(|text| text.parse::<Position>().map_err(|_| not_a_cursor()));
    let before = before.transpose()?;
    let answer = move |reading: &Reading| {
        let mut lines = reading.store.events(before, limit + 1)?;
        let has_more = lines.len() > limit;
        lines.truncate(limit);
        Ok(Json(Events {
            next: lines.last().filter(|_| has_more).map(|line| line.at.to_string()),
            events: lines.into_iter().map(EventShort::of).collect(),
        }))
    };
    house.read(viewer, answer).await
}

/// `GET /v1/events/{id}`
pub async fn one(
    State(house): State<Arc<House>>,
    Path(id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<WholeEvent>, Refusal> {
    let viewer = house.overseer(&caller)?;
    Query::of(&uri).only(&["token"])?;
    let at: Position = id.parse().map_err(|_| no_such_event())?;
    house.read(viewer, move |reading| whole(reading, at).map(Json)).await
}

fn no_such_event() -> Refusal {
    Refusal::not_found("no event of this id is known").hint("an id looks like `12.0`; `/v1/events` lists them")
}

fn whole(reading: &Reading, at: Position) -> Result<WholeEvent, Refusal> {
    let from = reading.sources();
    let line = reading.store.event(at)?.ok_or_else(no_such_event)?;
    let event = match context::event(&reading.journal, at) {
        Ok(event) => Some(event),
        Err(error) => {
            tracing::warn!(event = %at, error = format!("{error:#}"), "an event's text cannot be read");
            None
        }
    };
    let (judged, nothing) = (story::rulings(&from, at)?, reading.store.nothing(at)?);
    let revision = &reading.rules.revision;
    Ok(WholeEvent {
        line: EventShort::of(line),
        decided: !judged.is_empty() || nothing.is_some(),
        not_matched: event
            .as_ref()
            .map(|event| not_matched(&from, event, &judged, nothing.as_ref()))
            .unwrap_or_default(),
        event,
        verdicts: judged.into_iter().map(VerdictLine::of_judged).collect(),
        nothing: nothing.map(|why| why.to_string()),
        revision: revision.0.clone(),
        rules_changed: reading.store.revision_at(at.seq)?.as_ref() != Some(revision),
    })
}

/// Why the other rules did not match; where no rule was asked (a repeat, history), there is nothing to say.
fn not_matched(from: &story::Sources<'_>, event: &Event, judged: &[Judged], nothing: Option<&Why>) -> Vec<SilentLine> {
    if event.arrival == Arrival::History || matches!(nothing, Some(Why::Repeat { .. })) {
        return Vec::new();
    }
    let silent = story::silent(from, event, |customer, rule| {
        judged.iter().any(|one| one.customer == *customer && one.rule == rule)
    });
    silent.into_iter().map(SilentLine::of).collect()
}
