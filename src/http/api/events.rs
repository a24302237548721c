//! Events as they came in, and what became of each: the operator's view.

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
use super::Page;
use super::shapes::{EventShort, SilentLine, VerdictLine, WholeEvent};
use crate::customer::CustomerId;
use crate::event::{Arrival, Event};
use crate::journal::Position;
use crate::lookup;
use crate::record::{Judged, Why};
use crate::view::story;

/// What is said when the rules of then cannot be made again for one answer.
const TOO_MANY: &str = "the rules that decided cannot be made again here (others by now, and too many, or lost); ask about one customer: `?customer=`";

/// A list of events.
#[derive(Serialize)]
pub struct Events {
    events: Vec<EventShort>,
    next: Option<String>,
}

/// `GET /v1/events`
pub async fn list(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Json<Events>, Refusal> {
    let viewer = app_state.overseer(&caller)?;
    let page = Page::asked(&uri)?;
    let answer = move |reading: &Reading| {
        let (lines, next) = page.read(|before, most| reading.store.events(before, most), |line| line.at)?;
        let events = lines.into_iter().map(EventShort::of).collect();
        Ok(Json(Events { events, next }))
    };
    app_state.read(viewer, answer).await
}

/// `GET /v1/events/{id}`
pub async fn one(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<WholeEvent>, Refusal> {
    let viewer = app_state.overseer(&caller)?;
    let query = Query::of(&uri);
    query.only(&["customer", "token"])?;
    let at: Position = id.parse().map_err(|_| no_such_event())?;
    let about = query.one("customer").map(CustomerId::new);
    let answer = {
        let about = about.clone();
        move |reading: &Reading| whole(reading, at, about.as_ref()).map(Json)
    };
    app_state.read_about(about, viewer, answer).await
}

fn no_such_event() -> Refusal {
    Refusal::not_found("no event of this id is known").hint("an id looks like `12.0`; `/v1/events` lists them")
}

/// An event, what became of it, and why the other rules (of one customer, or of everybody) did not match.
fn whole(reading: &Reading, at: Position, about: Option<&CustomerId>) -> Result<WholeEvent, Refusal> {
    let from = reading.sources();
    if let Some(about) = about
        && !reading.past().knows(about)?
    {
        return Err(
            Refusal::not_found("there are no rules of this customer, and never were")
                .field("customer")
                .hint("a customer's name is the name of its folder; `/v1/rules` lists them"),
        );
    }
    let line = reading.store.event(at)?.ok_or_else(no_such_event)?;
    let event = match lookup::event(&reading.journal, at) {
        Ok(event) => Some(event),
        Err(error) => {
            tracing::warn!(event = %at, error = format!("{error:#}"), "an event's text cannot be read");
            None
        }
    };
    let is_asked = |customer: &CustomerId| about.is_none_or(|about| about == customer);
    let mut judged = story::rulings(&from, &line.incident, at)?;
    judged.retain(|one| is_asked(&one.customer));
    let nothing = reading.store.nothing(at)?;
    let silent = match event.as_ref().filter(|event| were_rules_asked(event, nothing.as_ref())) {
        Some(event) => story::silent(&from, at, event, |rule| {
            let has_verdict = |one: &Judged| one.customer == rule.customer && one.rule == rule.name;
            is_asked(&rule.customer) && !judged.iter().any(has_verdict)
        })?,
        None => Some((Vec::new(), 0)),
    };
    let revision = reading.past().revision_of(at)?;
    let hint = silent.is_none().then(|| TOO_MANY.to_owned());
    let (not_matched, not_matched_more) = silent.unwrap_or_default();
    Ok(WholeEvent {
        line: EventShort::of(line),
        decided: reading.store.decided_at(at)?.is_some() || nothing.is_some(),
        not_matched: not_matched.into_iter().map(SilentLine::of).collect(),
        not_matched_more,
        hint,
        event,
        verdicts: judged.into_iter().map(VerdictLine::of_judged).collect(),
        nothing: nothing.map(|why| why.to_string()),
        rules_changed: revision.as_ref() != Some(&reading.rules.revision),
        revision: revision.map(|revision| revision.0),
    })
}

/// Where no rule was asked (a repeat, history), there is nothing to say of why they did not match.
fn were_rules_asked(event: &Event, nothing: Option<&Why>) -> bool {
    event.arrival != Arrival::History && !matches!(nothing, Some(Why::Repeat { .. }))
}
