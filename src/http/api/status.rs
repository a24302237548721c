//! How the daemon is, in one answer: an operator sees everything, a customer its own part.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};

use super::super::AppState;
use super::super::caller::Caller;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use crate::customer::Viewer;
use crate::view::status::{Figures, Status, status};

/// `GET /v1/status`
pub async fn get(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Json<Status>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    Query::of(&uri).only(&["token"])?;
    found(&app_state, viewer).await.map(Json)
}

/// `GET /readyz`: events are taken. With `?verbose`, the operator is told what else is not as it should be.
pub async fn readyz(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Json<Value>, Refusal> {
    if app_state.ledger.is_failed() {
        return Err(Refusal::later(
            "writing to disk has failed; the daemon is about to be started again",
            5,
        ));
    }
    let query = Query::of(&uri);
    if !query.has("verbose") {
        return Ok(Json(json!({ "ready": true })));
    }
    query.only(&["verbose", "token"])?;
    let viewer = app_state.overseer(&caller)?;
    let status = found(&app_state, viewer).await?;
    Ok(Json(json!({
        "ready": status.ready, "set_aside": status.set_aside.map(|one| one.count), "rule_files_broken": status.rules.broken,
        "nothing_expires_until": status.nothing_expires_until, "clock_behind_seconds": status.clock_behind_seconds,
        "rules_are_polled": status.rules_are_polled, "needs": status.needs,
    })))
}

async fn found(app_state: &AppState, viewer: Viewer) -> Result<Status, Refusal> {
    let (ledger, started, clock) = (app_state.ledger.clone(), app_state.started, app_state.clock.clone());
    let answer = move |reading: &Reading| {
        let known = ledger.figures();
        let free_bytes = ledger.free_bytes();
        let figures = Figures {
            version: env!("CARGO_PKG_VERSION"),
            started,
            now: clock.now(),
            is_failed: ledger.is_failed(),
            journal_bytes: known.journal_bytes.load(Ordering::Relaxed),
            store_bytes: known.store_bytes.load(Ordering::Relaxed),
            free_bytes,
            is_short_of_space: ledger.is_short_of_space(free_bytes),
            undecided: known.inbox.load(Ordering::Relaxed),
            clock_behind_seconds: clock.ahead().num_seconds(),
            rules_are_polled: known.rules_polled.load(Ordering::Relaxed),
        };
        Ok(status(&reading.sources().visibility, &reading.rules, &figures)?)
    };
    app_state.read(viewer, answer).await
}
