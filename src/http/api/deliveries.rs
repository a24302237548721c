//! Deliveries: what is on its way, what arrived, what is dead, and trying a dead one again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::AppState;
use super::super::auth::Scope;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use super::incidents::{LIST_DEFAULT, LIST_MOST, not_a_cursor};
use super::shapes::DeliveryLine;
use crate::clock::Time;
use crate::customer::{CustomerId, Viewer};
use crate::delivery::{State as Standing, StateWord};
use crate::event::Provider;
use crate::incident::IncidentId;
use crate::record::Command;
use crate::view::story::Tracked;

/// A list of deliveries.
#[derive(Serialize)]
pub struct Deliveries {
    deliveries: Vec<DeliveryLine>,
    next: Option<String>,
}

/// How many deliveries are looked at at once to find those that a customer may see.
const PAGE: usize = 500;

/// How often.
const PAGES_MOST: usize = 200;

/// What is asked for.
pub struct Asked {
    /// In which states.
    pub states: Vec<StateWord>,
    /// About which incident.
    pub tracking_id: Option<String>,
    /// Of which customer; `None` for all that the viewer may see.
    pub customer: Option<CustomerId>,
    /// How many at most.
    pub limit: usize,
    /// Made before this moment, or then and before this one in the order of ids.
    pub before: Option<(Time, String)>,
}

/// `GET /v1/deliveries`
pub async fn list(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<Deliveries>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let asked = Asked::of(&Query::of(&uri))?;
    let answer = move |reading: &Reading| {
        let (tracked, next) = found(reading, &asked)?;
        let deliveries = tracked.iter().map(DeliveryLine::of).collect();
        Ok(Json(Deliveries { deliveries, next }))
    };
    app_state.read(viewer, answer).await
}

/// `GET /v1/deliveries/{id}`
pub async fn one(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<DeliveryLine>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let answer = move |reading: &Reading| {
        // another customer's id is answered like one that nobody knows
        let tracked = known(reading, &id)?;
        let visibility = reading.sources().visibility;
        match visibility.shows(&tracked.delivery.customer) {
            true => Ok(Json(DeliveryLine::of(&tracked.for_viewer(&visibility)))),
            false => Err(unknown()),
        }
    };
    app_state.read(viewer, answer).await
}

/// `POST /v1/deliveries/{id}/redeliver`: tries an ended delivery again, and one that waits at once; with the same id and
/// content.
pub async fn redeliver(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    app_state.admit(&caller, Scope::Operate)?;
    try_again(&app_state, &id).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": id }))))
}

/// Has an ended delivery tried again, and one that waits at once.
///
/// # Errors
/// When there is none, it is being tried, or the command cannot be written down.
pub async fn try_again(app_state: &Arc<AppState>, id: &str) -> Result<(), Refusal> {
    let asked = id.to_owned();
    let now = app_state.clock.now();
    let check = move |reading: &Reading| match known(reading, &asked)?.standing.state {
        Standing::Ended { .. } => Ok(()),
        Standing::Scheduled { at, .. } if at > now => Ok(()),
        Standing::Scheduled { .. } => Err(Refusal::new(
            StatusCode::CONFLICT,
            "this delivery does not wait for its time: it is tried as soon as those before it are done",
        )),
    };
    app_state.read(Viewer::Operator, check).await?;
    let command = Command::Redeliver {
        delivery: id.to_owned(),
    };
    let ledger = app_state.ledger.clone();
    // who asked may go away meanwhile: what was begun is finished
    let written = tokio::spawn(async move { ledger.command("operator", command).await });
    match written.await {
        Ok(written) => drop(written?),
        Err(_) => return Err(Refusal::later("the command could not be written down", 5)),
    }
    Ok(())
}

fn known(reading: &Reading, id: &str) -> Result<Tracked, Refusal> {
    Tracked::find(&reading.store, id)?.ok_or_else(unknown)
}

fn unknown() -> Refusal {
    Refusal::not_found("no delivery of this id is known")
        .hint("`/v1/deliveries` lists them; retention ends after a while")
}

impl Asked {
    fn of(query: &Query) -> Result<Self, Refusal> {
        query.only(&["state", "tracking_id", "customer", "limit", "before", "token"])?;
        Self::read(query)
    }

    /// What these parameters ask for.
    ///
    /// # Errors
    /// When one cannot be understood.
    pub fn read(query: &Query) -> Result<Self, Refusal> {
        let all = vec![StateWord::Scheduled, StateWord::Delivered, StateWord::Dead];
        let states = match query.one("state") {
            None => all,
            Some(text) => vec![StateWord::read(text).ok_or_else(|| {
                Refusal::bad("there is no such state")
                    .field("state")
                    .hint("known: scheduled, delivered, dead")
            })?],
        };
        Ok(Self {
            states,
            customer: query.one("customer").map(CustomerId::new),
            tracking_id: query.one("tracking_id").map(str::to_owned),
            limit: query.number("limit", LIST_DEFAULT, LIST_MOST)?,
            before: query.one("before").map(cursor).transpose()?,
        })
    }
}

fn cursor(text: &str) -> Result<(Time, String), Refusal> {
    let read = text
        .split_once('~')
        .and_then(|(created, id)| Some((created.parse().ok()?, id.to_owned())));
    read.ok_or_else(not_a_cursor)
}

/// The newest first, and the cursor of the next ones.
///
/// # Errors
/// When the store cannot be read.
pub fn found(reading: &Reading, asked: &Asked) -> Result<(Vec<Tracked>, Option<String>), Refusal> {
    let mut stopped = None;
    let mut tracked = match &asked.tracking_id {
        Some(tracking_id) => of_incident(reading, asked, tracking_id)?,
        None => of_states(reading, asked, &mut stopped)?,
    };
    tracked.sort_by(|one, other| key(other).cmp(&key(one)));
    if let Some((created, id)) = &stopped {
        // what is older was not looked for in every state
        tracked.retain(|one| key(one) >= (created.timestamp_micros(), id.as_str()));
    }
    let has_more = tracked.len() > asked.limit;
    tracked.truncate(asked.limit);
    let last = tracked.last().filter(|_| has_more);
    let last = last.map(|last| (last.delivery.created, last.delivery.id.clone()));
    let next = last.or(stopped).map(|(created, id)| {
        let created = created.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        format!("{created}~{id}")
    });
    Ok((tracked, next))
}

/// The order of lists, as the store keeps it: to the microsecond.
fn key(tracked: &Tracked) -> (i64, &str) {
    (tracked.delivery.created.timestamp_micros(), &tracked.delivery.id)
}

/// One more than asked for, of each state; where the search stopped that saw too much of others, the newest such place.
fn of_states(reading: &Reading, asked: &Asked, stopped: &mut Option<(Time, String)>) -> Result<Vec<Tracked>, Refusal> {
    // a delivery that changes its state meanwhile may stand in two lists
    let mut all = BTreeMap::new();
    for state in &asked.states {
        let here = of_state(reading, asked, *state, &mut all)?;
        *stopped = stopped.take().max(here);
    }
    Ok(all
        .into_values()
        .filter(|one| asked.states.contains(&one.standing.state.word()))
        .collect())
}

/// Goes through a state's list until enough are found that the viewer may see; where it stopped before that.
fn of_state(
    reading: &Reading,
    asked: &Asked,
    state: StateWord,
    all: &mut BTreeMap<String, Tracked>,
) -> Result<Option<(Time, String)>, Refusal> {
    let sources = reading.sources();
    let mut before = asked.before.clone();
    let mut wanted = asked.limit + 1;
    for _ in 0..PAGES_MOST {
        let cursor = before.as_ref().map(|(created, id)| (*created, id.as_str()));
        let page = reading.store.listed(state, cursor, PAGE)?;
        before = page.last().cloned();
        let is_last = page.len() < PAGE;
        for (_, id) in page {
            let tracked = Tracked::find(&reading.store, &id)?;
            let is_asked = |one: &Tracked| {
                let customer = &one.delivery.customer;
                sources.visibility.shows(customer) && asked.customer.as_ref().is_none_or(|asked| asked == customer)
            };
            let Some(tracked) = tracked.filter(is_asked) else {
                continue;
            };
            all.insert(id, tracked.for_viewer(&sources.visibility));
            wanted -= 1;
            if wanted == 0 {
                return Ok(None);
            }
        }
        if is_last {
            return Ok(None);
        }
    }
    Ok(before)
}

/// The newest about the incidents of one tracking id, one more than asked for: there may be very many, so each is looked at
/// by itself.
fn of_incident(reading: &Reading, asked: &Asked, tracking_id: &str) -> Result<Vec<Tracked>, Refusal> {
    let sources = reading.sources();
    let before = asked
        .before
        .as_ref()
        .map(|(created, id)| (created.timestamp_micros(), id.clone()));
    let mut newest: BTreeSet<(i64, String)> = BTreeSet::new();
    for provider in Provider::ALL {
        let incident = IncidentId::new(*provider, tracking_id);
        let is_heard = !sources.visibility.hearings(&incident)?.is_empty();
        for item in reading.store.deliveries_about(&incident) {
            let item = item?;
            let customer = &item.delivery.customer;
            // of a test no incident is made, and so nobody heard of it
            let is_seen = (is_heard || item.delivery.is_test()) && sources.visibility.shows(customer);
            let is_asked = asked.customer.as_ref().is_none_or(|asked| asked == customer)
                && item
                    .standing()
                    .is_some_and(|standing| asked.states.contains(&standing.state.word()));
            let key = (item.delivery.created.timestamp_micros(), item.delivery.id);
            if is_seen && is_asked && before.as_ref().is_none_or(|before| key < *before) {
                newest.insert(key);
            }
            if newest.len() > asked.limit + 1 {
                newest.pop_first();
            }
        }
    }
    let mut tracked = Vec::with_capacity(newest.len());
    for (_, id) in newest {
        let found = Tracked::find(&reading.store, &id)?;
        tracked.extend(found.map(|tracked| tracked.for_viewer(&sources.visibility)));
    }
    Ok(tracked)
}
