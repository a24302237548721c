//! Events as they came in, and what became of each: the operator sees all of it, a customer its own part of one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::Serialize;

use super::super::AppState;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use super::Page;
use super::shapes::{DeliveryLine, EventShort, GatheringLine, SilentLine, VerdictLine, WholeEvent};
use crate::clock::{Time, read_moment};
use crate::customer::{CustomerId, Viewer};
use crate::event::{Arrival, Event};
use crate::journal::Position;
use crate::lookup;
use crate::record::Why;
use crate::store::item::EventLine;
use crate::view::story::{self, Ruling};
use crate::view::what_if::WhatIf;

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
    let viewer = app_state.reader(&caller)?;
    let query = Query::of(&uri);
    query.only(&["customer", "token"])?;
    let at: Position = id.parse().map_err(|_| no_such_event())?;
    let about = about(&viewer, query.one("customer").map(CustomerId::new))?;
    let answer = {
        let about = about.clone();
        move |reading: &Reading| whole(reading, at, about.as_ref()).map(Json)
    };
    app_state.read_about(about, viewer, answer).await
}

/// `GET /v1/events/{id}/explain?at=`: what would become of it, if it were heard then, by the rules in force then.
pub async fn explain(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<WhatIf>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let query = Query::of(&uri);
    query.only(&["at", "customer", "token"])?;
    let at: Position = id.parse().map_err(|_| no_such_event())?;
    let time = match query.one("at") {
        Some(text) => read_moment(text).map_err(|why| Refusal::bad(why).field("at"))?,
        None => app_state.clock.now(),
    };
    let about = about(&viewer, query.one("customer").map(CustomerId::new))?;
    let answer = {
        let about = about.clone();
        move |reading: &Reading| what_if(reading, at, time, about.as_ref()).map(Json)
    };
    app_state.read_about(about, viewer, answer).await
}

/// What would become of an event, if it were heard at `time`.
fn what_if(reading: &Reading, at: Position, time: Time, about: Option<&CustomerId>) -> Result<WhatIf, Refusal> {
    let from = reading.sources();
    let line = reading.store.event(at)?.ok_or_else(no_such_event)?;
    let event = text(reading, at);
    if !from.visibility.shows_event(at, &line.incident, event.as_ref())? {
        return Err(no_such_event());
    }
    known(reading, about)?;
    let event = event.ok_or_else(|| {
        let what = "what it says is in a part of the journal that cannot be read";
        Refusal::new(StatusCode::GONE, what)
    })?;
    if reading.store.in_force_at(time)?.is_none() {
        return Err(Refusal::bad("no rules were in force yet at that moment").field("at"));
    }
    let rules = reading.past().rules_at(time)?;
    let rules = rules.ok_or_else(|| Refusal::new(StatusCode::CONFLICT, TOO_MANY))?;
    let what_if = WhatIf::of(event, &rules, time).without_addresses();
    let mut what_if = match about {
        Some(customer) => what_if.only_of(customer),
        None => what_if,
    };
    what_if.event = from.visibility.part_of(what_if.event);
    Ok(what_if)
}

/// Refuses a customer of whom there are no rules and never were.
fn known(reading: &Reading, about: Option<&CustomerId>) -> Result<(), Refusal> {
    match about.filter(|_| reading.sources().visibility.only().is_none()) {
        Some(about) if !reading.past().knows(about)? => Err(no_such_customer()),
        _ => Ok(()),
    }
}

/// Whose rules are spoken of: those of whom `asked` names; for a customer its own, and nobody else's.
fn about(viewer: &Viewer, asked: Option<CustomerId>) -> Result<Option<CustomerId>, Refusal> {
    let own = viewer.customer().filter(|customer| !customer.is_operator());
    match (own, asked) {
        (None, asked) => Ok(asked),
        // whether there is a customer of another name is not this one's to know
        (Some(own), Some(asked)) if asked != *own => Err(no_such_customer()),
        (Some(own), _) => Ok(Some(own.clone())),
    }
}

fn no_such_event() -> Refusal {
    Refusal::not_found("no event of this id is known").hint(
        "an id looks like `12.0`; `bellwether events` lists them, and `bellwether incidents ID` those of an incident",
    )
}

fn no_such_customer() -> Refusal {
    Refusal::not_found("there are no rules of this customer, and never were")
        .field("customer")
        .hint("a customer's name is the name of its folder; `/v1/rules` lists them")
}

/// An event, what became of it, and why the other rules (of one customer, or of everybody) did not match.
fn whole(reading: &Reading, at: Position, about: Option<&CustomerId>) -> Result<WholeEvent, Refusal> {
    let from = reading.sources();
    known(reading, about)?;
    let line = reading.store.event(at)?.ok_or_else(no_such_event)?;
    let event = text(reading, at);
    if !from.visibility.shows_event(at, &line.incident, event.as_ref())? {
        return Err(no_such_event());
    }
    let is_asked = |customer: &CustomerId| about.is_none_or(|about| about == customer);
    let mut followed = story::consequences(&from, &line.incident, &[at])?;
    followed.only_of(about);
    let nothing = followed.nothing.into_iter().next();
    let silent = match event.as_ref().filter(|event| were_rules_asked(event, nothing.as_ref())) {
        Some(event) => story::silent(&from, at, event, |rule| {
            let has_verdict = |one: &Ruling| one.customer == rule.customer && one.rule == rule.name;
            is_asked(&rule.customer) && !followed.verdicts.iter().any(has_verdict)
        })?,
        None => Some((Vec::new(), 0)),
    };
    let hint = silent.is_none().then(|| TOO_MANY.to_owned());
    let (not_matched, not_matched_more) = silent.unwrap_or_default();
    // the name of all rules changes with everybody's
    let revision = match from.visibility.only() {
        None => reading.past().revision_of(at)?,
        Some(_) => None,
    };
    let event = event.map(|event| from.visibility.part_of(event));
    let title = event
        .as_ref()
        .map_or_else(|| line.title.clone(), |event| event.title.clone());
    Ok(WholeEvent {
        line: EventShort::of(EventLine { title, ..line }),
        decided: reading.store.decided_at(at)?.is_some() || nothing.is_some(),
        not_matched: not_matched.into_iter().map(SilentLine::of).collect(),
        not_matched_more,
        hint,
        event,
        verdicts: followed.verdicts.into_iter().map(VerdictLine::of).collect(),
        nothing: nothing.map(|why| why.to_string()),
        deliveries: followed.deliveries.iter().map(DeliveryLine::of).collect(),
        gathering: followed.gathering.into_iter().map(GatheringLine::of).collect(),
        rules_changed: reading.past().are_others_now(at)?,
        revision: revision.map(|revision| revision.0),
    })
}

/// What an event says; `None` if that part of the journal is lost.
fn text(reading: &Reading, at: Position) -> Option<Event> {
    match lookup::event(&reading.journal, at) {
        Ok(event) => Some(event),
        Err(error) => {
            tracing::warn!(event = %at, error = format!("{error:#}"), "an event's text cannot be read");
            None
        }
    }
}

/// Where no rule was asked (a repeat, history), there is nothing to say of why they did not match.
fn were_rules_asked(event: &Event, nothing: Option<&Why>) -> bool {
    event.arrival != Arrival::History && !matches!(nothing, Some(Why::Repeat { .. }))
}
