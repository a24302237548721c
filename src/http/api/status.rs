//! How the daemon is, in one answer: an operator sees everything, a customer its own part.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;

use super::super::AppState;
use super::super::caller::Caller;
use super::super::outside::WholePage;
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use crate::customer::Viewer;
use crate::view::status::{BadSecret, Figures, Status, status};

/// `GET /v1/status`
pub async fn get(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Json<Status>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    Query::of(&uri).only(&["token"])?;
    found(&app_state, viewer).await.map(Json)
}

/// `GET /readyz`: events are taken, and there are rules by which they are told. With `?verbose`, the operator is told what else is not as it should be.
pub async fn readyz(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Response, Refusal> {
    if app_state.ledger.is_failed() {
        return Err(Refusal::later(
            "writing to disk has failed; the daemon is about to be started again",
            5,
        ));
    }
    let query = Query::of(&uri);
    if !query.has("verbose") {
        return match app_state.ledger.rules().is_without_rules() {
            true => Err(no_rules()),
            false => Ok(Json(json!({ "ready": true })).into_response()),
        };
    }
    query.only(&["verbose", "token"])?;
    let viewer = app_state.overseer(&caller)?;
    let has_rules = !app_state.ledger.rules().is_without_rules();
    let status = found(&app_state, viewer).await?;
    // whoever probes sees the same as without `?verbose`
    let code = match status.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let details = json!({
        "ready": status.ready, "why_not": (!has_rules).then_some(NO_RULES),
        "rules_folder": app_state.ledger.figures().rules_folder().nothing,
        "customers_without_folder": status.customers_without_folder,
        "customers_without_rules": status.customers_without_rules,
        "secrets_that_cannot_be_used": status.secrets_that_cannot_be_used, "set_aside": status.set_aside.map(|one| one.count), "rule_files_broken": status.rules.broken,
        "nothing_expires_until": status.nothing_expires_until, "clock_behind_seconds": status.clock_behind_seconds,
        "rules_are_polled": status.rules_are_polled, "refused_bodies_kept": status.refused_bodies_kept, "needs": status.needs,
    });
    Ok((code, Extension(WholePage), Json(details)).into_response())
}

/// What keeps a daemon from being ready that has nobody to tell. Whoever looks here is no operator, so no path is named.
const NO_RULES: &str =
    "no rule file says yet which rules there are: events are accepted and kept, and told when there are rules";

fn no_rules() -> Refusal {
    Refusal::later(NO_RULES, 10)
        .hint("put rule files into the rules folder; the log says which that is, and what is wrong")
}

async fn found(app_state: &AppState, viewer: Viewer) -> Result<Status, Refusal> {
    let (ledger, started, clock) = (app_state.ledger.clone(), app_state.started, app_state.clock.clone());
    let refused_bodies_kept = app_state
        .refused
        .as_ref()
        .map_or(0, |refused| refused.count(clock.now()).0);
    let kept = app_state.settings.kept;
    let answer = move |reading: &Reading| {
        let known = ledger.figures();
        let free_bytes = ledger.free_bytes();
        let folder = known.rules_folder();
        let bad = known.bad_secrets().into_iter().map(|bad| BadSecret {
            customer: bad.customer,
            why: bad.why,
        });
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
            refused_bodies_kept,
            customers_without_folder: folder.gone,
            customers_without_rules: folder.without_rules,
            bad_secrets: bad.collect(),
            rules_are_polled: known.rules_polled.load(Ordering::Relaxed),
            kept,
        };
        Ok(status(&reading.sources().visibility, &reading.rules, &figures)?)
    };
    app_state.read(viewer, answer).await
}
