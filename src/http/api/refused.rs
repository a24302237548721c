//! What was posted, could not be read and is kept; and trying it again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::super::AppState;
use super::super::auth::Scope;
use super::super::body::Held;
use super::super::caller::{Caller, network};
use super::super::intake::{Asked, answer};
use super::super::query::Query;
use super::super::refusal::{Kept, Refusal};
use crate::event::Arrival;
use crate::refused::{self, Line, Refused, Why};

/// `GET /v1/intake/refused`: what is kept, the latest first, and for how long.
pub async fn list(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Json<Value>, Refusal> {
    app_state.overseer(&caller)?;
    Query::of(&uri).only(&["token"])?;
    let (refused, now) = (place(&app_state)?, app_state.clock.now());
    let lines = tokio::task::spawn_blocking(move || refused.list(now));
    let lines = lines.await.map_err(anyhow::Error::new)?;
    Ok(Json(json!({
        "refused": lines, "kept_days": refused::KEPT_DAYS, "kept_most": refused::BODIES_MOST,
        "kept_bytes_most": refused::ALL_BYTES_MOST,
    })))
}

/// `GET /v1/intake/refused/{id}`: one of them, with what it says.
pub async fn one(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Value>, Refusal> {
    app_state.overseer(&caller)?;
    let (line, body) = found(&app_state, id).await?;
    let mut answer = serde_json::to_value(line).map_err(anyhow::Error::new)?;
    match String::from_utf8(body) {
        Ok(text) => answer["body"] = text.into(),
        Err(error) => answer["body_base64"] = BASE64.encode(error.as_bytes()).into(),
    }
    Ok(Json(answer))
}

/// `POST /v1/intake/refused/{id}/retry`: takes it as if it came now. If it can be read it is answered as any post is, and
/// is no longer kept; if not, it stays, with the reason of today.
pub async fn retry(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, Refusal> {
    app_state.admit(&caller, Scope::Operate)?;
    let query = Query::of(&uri);
    query.only(&["arrival", "token"])?;
    let arrival = match query.one("arrival") {
        None => None,
        Some("live") => Some(Arrival::Live),
        Some("history") => Some(Arrival::History),
        Some(_) => return Err(Refusal::bad("an arrival is `live` or `history`").field("arrival")),
    };
    let (line, body) = found(&app_state, id.clone()).await?;
    let room = app_state.bodies.of(network(caller.address));
    let held = Arc::new(Held::kept(body, room)?);
    // who asked may go away meanwhile: what was begun is finished
    let trying = tokio::spawn(async move { again(&app_state, &id, line, arrival, held).await });
    trying.await.map_err(anyhow::Error::new)?
}

async fn again(
    app_state: &Arc<AppState>,
    id: &str,
    line: Line,
    arrival: Option<Arrival>,
    held: Arc<Held>,
) -> Result<Response, Refusal> {
    let posted = line.posted.ok_or_else(unreadable)?;
    let asked = Asked {
        source: posted.source,
        arrival: arrival.or(posted.arrival),
        account: posted.account,
        wrong: None,
    };
    let refused = place(app_state)?;
    let terms = asked.terms()?;
    match app_state.parsing.parse(held, terms).await {
        Ok(batch) => {
            let still = batch.unreadable().map(|refusal| kept_still(refusal, id));
            let response = answer(app_state, batch, still.as_ref()).await?;
            let (why, known) = (still.as_ref().map(Why::of), id.to_owned());
            let done = tokio::task::spawn_blocking(move || match why {
                Some(why) => refused.refused_again(&known, why),
                None => refused.remove(&known),
            });
            done.await.map_err(anyhow::Error::new)??;
            Ok(response)
        }
        Err(refusal) => {
            let is_for_good = refusal.status.is_client_error();
            let (why, known) = (Why::of(&refusal), id.to_owned());
            if is_for_good {
                let written = tokio::task::spawn_blocking(move || refused.refused_again(&known, why));
                written.await.map_err(anyhow::Error::new)??;
            }
            Err(kept_still(refusal, id))
        }
    }
}

/// Refused again, and still kept.
fn kept_still(refusal: Refusal, id: &str) -> Refusal {
    Refusal {
        kept: Some(Box::new(Kept { id: id.to_owned() })),
        ..refusal
    }
}

fn place(app_state: &AppState) -> Result<Arc<Refused>, Refusal> {
    app_state
        .refused
        .clone()
        .ok_or_else(|| Refusal::not_found("nothing is kept here of what is refused"))
}

async fn found(app_state: &AppState, id: String) -> Result<(Line, Vec<u8>), Refusal> {
    let refused = place(app_state)?;
    let found = tokio::task::spawn_blocking(move || refused.find(&id));
    match found.await.map_err(anyhow::Error::new)? {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(Refusal::not_found("nothing is kept under this id")
            .hint("`bellwether intake refused list` shows what is kept, and for how long")),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "a refused body cannot be opened");
            Err(unreadable())
        }
    }
}

fn unreadable() -> Refusal {
    Refusal::new(
        StatusCode::CONFLICT,
        "what is kept under this id cannot be opened any more",
    )
    .hint("it opens with the state key that it was sealed with; the log says more")
}
