//! Events in: who may, how much, what it is, and a 202 when it is on disk.
//!
//! A body that cannot be read is a 4xx that names the field; no event comes of it, and the body itself is kept for the
//! operator (see `keeping`). Under pressure the answer is 503
//! with a time to come again, because senders that get anything else give up. Never a 500 for what somebody sent.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;

use super::AppState;
use super::auth::Scope;
use super::body::{self, Limits};
use super::caller::{Caller, network};
use super::parsing::{Batch, Terms};
use super::query::Query;
use super::refusal::Refusal;
use crate::event::{self, Arrival, Source};
use crate::journal::Position;
use crate::ledger::Ledger;

/// Parameters of an intake address.
const PARAMETERS: [&str; 3] = ["arrival", "account", "token"];

/// How long an event may take to be on disk before its sender is asked to come again. Azure waits 75 s.
const WRITING_WAITS: Duration = Duration::from_secs(60);

/// The longest id of an account.
const ACCOUNT_CHARS_MOST: usize = 128;

/// What is said about a provider's test event.
const TEST_HINT: &str = "a test event reaches only rules with `test events: true`";

/// The answer to events that were written down.
#[derive(Serialize)]
struct Accepted {
    ids: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<Ignored>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<Unreadable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

/// What of a list could not be read; the rest was taken.
#[derive(Serialize)]
struct Unreadable {
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Under which id the body is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

/// The answer where there was nothing to write down.
#[derive(Serialize)]
struct NothingDone {
    ignored: Vec<Ignored>,
}

/// Something that is no health event.
#[derive(Serialize)]
struct Ignored {
    what: String,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// `POST /v1/events`
pub async fn post(State(app_state): State<Arc<AppState>>, caller: Caller, request: Request) -> Response {
    take(&app_state, &caller, None, request).await
}

/// `POST /v1/events/{source}`
pub async fn post_from(
    State(app_state): State<Arc<AppState>>,
    Path(source): Path<String>,
    caller: Caller,
    request: Request,
) -> Response {
    take(&app_state, &caller, Some(source), request).await
}

async fn take(app_state: &Arc<AppState>, caller: &Caller, source: Option<String>, request: Request) -> Response {
    let (head, mut body) = request.into_parts();
    match receive(app_state, caller, source, &head, &mut body).await {
        Ok(response) => response,
        Err(refusal) => {
            // of who is too slow, all that came was read
            if refusal.status != StatusCode::REQUEST_TIMEOUT {
                body::read_on(&head.headers, body);
            }
            app_state.metrics.refused(refusal.status);
            refusal.into_response()
        }
    }
}

async fn receive(
    app_state: &Arc<AppState>,
    caller: &Caller,
    source: Option<String>,
    head: &Parts,
    body: &mut Body,
) -> Result<Response, Refusal> {
    app_state.admit(caller, Scope::Intake)?;
    let asked = Asked::of(source, &Query::of(&head.uri));
    if app_state
        .ledger
        .figures()
        .inbox
        .load(std::sync::atomic::Ordering::Relaxed)
        >= app_state.settings.waiting_events
    {
        return Err(Refusal::later("too many events wait to be decided", 5));
    }
    let limits = Limits {
        bytes: match asked.arrival {
            Some(Arrival::History) => app_state.settings.history_body_bytes,
            Some(Arrival::Live) | None => app_state.settings.body_bytes,
        },
        patience: app_state.settings.body_timeout,
    };
    let room = app_state.bodies.of(network(caller.address));
    // also what is posted to a wrong address is read first: it may be a notice, and is kept
    let held = match body::read(&head.headers, body, &limits, room).await {
        Ok(held) => Arc::new(held),
        Err(refusal) => return Err(asked.wrong.unwrap_or(refusal)),
    };
    let batch = match asked.terms() {
        Ok(terms) => app_state.parsing.parse(held.clone(), terms).await,
        Err(refusal) => Err(refusal),
    };
    match batch {
        Ok(batch) => {
            // what cannot be read of a list is kept with it, before the rest is written down
            let unreadable = match batch.unreadable() {
                Some(refusal) => Some(app_state.keep(held, asked, refusal).await),
                None => None,
            };
            answer(app_state, batch, unreadable.as_ref()).await
        }
        Err(refusal) => Err(app_state.keep(held, asked, refusal).await),
    }
}

/// How a body is to be taken, as its address says.
pub struct Asked {
    /// The source that the path names.
    pub source: Option<String>,
    /// Live or a back-fill; `None` where neither is named.
    pub arrival: Option<Arrival>,
    /// The account that events belong to which name none.
    pub account: Option<String>,
    /// What is wrong with the address.
    pub wrong: Option<Refusal>,
}

impl Asked {
    fn of(source: Option<String>, query: &Query) -> Self {
        let is_known = source.as_deref().is_none_or(|source| Source::named(source).is_some());
        let unknown = || {
            Refusal::not_found("events of no such source are taken here")
                .hint("known: `azure`; `/v1/events` tells forms apart by their content")
        };
        let arrival = match query.one("arrival") {
            None | Some("live") => Ok(Arrival::Live),
            Some("history") => Ok(Arrival::History),
            Some(_) => Err(Refusal::bad("an arrival is `live` or `history`").field("arrival")),
        };
        let account = query.one("account").map(account).transpose();
        let wrong = query.only(&PARAMETERS).err();
        let wrong = wrong.or_else(|| (!is_known).then(unknown));
        let wrong = wrong.or_else(|| arrival.as_ref().err().cloned());
        Self {
            source: source.filter(|_| is_known),
            wrong: wrong.or_else(|| account.as_ref().err().cloned()),
            arrival: arrival.ok(),
            account: account.ok().flatten(),
        }
    }

    /// The terms, if nothing is wrong with them.
    ///
    /// # Errors
    /// What is wrong.
    pub fn terms(&self) -> Result<Terms, Refusal> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        let arrival = self.arrival.ok_or_else(|| {
            Refusal::bad("its address named neither `live` nor `history`")
                .field("arrival")
                .hint("say `--arrival live` (`?arrival=live`) to have people told, or `history`")
        })?;
        Ok(Terms {
            source: self.source.as_deref().and_then(Source::named),
            arrival,
            account: self.account.clone(),
        })
    }
}

/// The account that events belong to which name none.
fn account(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let is_sound = !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    match is_sound && text.chars().count() <= ACCOUNT_CHARS_MOST {
        true => Ok(text.to_lowercase()),
        false => Err(Refusal::bad("not the id of an account: no spaces, at most 128 characters").field("account")),
    }
}

/// Has a batch written down, and says so, and what of its body could not be read.
///
/// # Errors
/// When it could not be written.
pub async fn answer(
    app_state: &Arc<AppState>,
    mut batch: Batch,
    unreadable: Option<&Refusal>,
) -> Result<Response, Refusal> {
    let (ignored, ignored_count) = batch.ignored();
    app_state.metrics.ignored(ignored_count);
    let ignored: Vec<Ignored> = ignored.into_iter().map(Ignored::of).collect();
    if batch.is_empty() {
        return Ok((
            StatusCode::OK,
            Json(NothingDone {
                ignored: or_empty(ignored),
            }),
        )
            .into_response());
    }
    let hint = batch.has_test().then_some(TEST_HINT);
    let (ids, forms) = record(app_state.ledger.clone(), batch).await?;
    forms.iter().for_each(|form| app_state.metrics.accepted(form));
    tracing::info!(
        ids = ids.iter().map(Position::to_string).collect::<Vec<_>>().join(","),
        "events were accepted"
    );
    let accepted = Accepted {
        ids: ids.iter().map(Position::to_string).collect(),
        ignored,
        unreadable: unreadable.map(Unreadable::of),
        hint,
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

/// Has events written down as they are made; their ids, and in which forms they came. Their sender may go away
/// meanwhile: what was begun is finished.
async fn record(ledger: Ledger, batch: Batch) -> Result<(Vec<Position>, Vec<&'static str>), Refusal> {
    let (mut group, mut rest) = batch.next_group().await?;
    let writing = tokio::spawn(async move {
        let (mut ids, mut forms) = (Vec::new(), Vec::new());
        while !group.inputs.is_empty() {
            ids.extend(ledger.record(group.inputs, None).await?);
            forms.extend(group.forms);
            (group, rest) = rest.next_group().await?;
        }
        Ok((ids, forms))
    });
    match timeout(WRITING_WAITS, writing).await {
        Ok(Ok(written)) => written,
        // a repeat of what was written after all is recognised later
        Ok(Err(_)) | Err(_) => Err(Refusal::later("writing takes too long; try again in a few seconds", 5)),
    }
}

impl Unreadable {
    fn of(refusal: &Refusal) -> Self {
        Self {
            what: refusal.what.clone(),
            field: refusal.field.clone(),
            hint: refusal.hint.clone(),
            kept: refusal.kept.as_ref().map(|kept| kept.id.clone()),
        }
    }
}

impl Ignored {
    fn of(ignored: event::Ignored) -> Self {
        Self {
            what: ignored.what,
            why: ignored.why,
            field: ignored.field,
        }
    }
}

/// Says so where there was nothing at all.
fn or_empty(mut ignored: Vec<Ignored>) -> Vec<Ignored> {
    if ignored.is_empty() {
        ignored.push(Ignored {
            what: "an empty list".to_owned(),
            why: "the body holds no event".to_owned(),
            field: None,
        });
    }
    ignored
}
