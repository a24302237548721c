//! Events in: who may, how much, what it is, and a 202 when it is on disk.
//!
//! A body that cannot be read is a 4xx that names the field, and nothing is written. Under pressure the answer is 503
//! with a time to come again, because senders that get anything else give up. Never a 500 for what somebody sent.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;

use super::AppState;
use super::auth::Scope;
use super::body::{self, Limits};
use super::caller::Caller;
use super::query::Query;
use super::refusal::Refusal;
use crate::event::{self, Arrival, Event, Malformed, Received, Source};
use crate::journal::Position;
use crate::ledger::Ledger;
use crate::record::Input;

/// Parameters of an intake address.
const PARAMETERS: [&str; 3] = ["arrival", "account", "token"];

/// How long an event may take to be on disk before its sender is asked to come again. Azure waits 75 s.
const WRITING_WAITS: Duration = Duration::from_secs(60);

/// Bytes of events, roughly, that are written down together.
const TOGETHER_BYTES: usize = 2 << 20;

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
    hint: Option<&'static str>,
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

/// How events are to be taken.
struct Terms {
    source: Option<Source>,
    arrival: Arrival,
    account: Option<String>,
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
    match Source::named(&source) {
        Some(source) => take(&app_state, &caller, Some(source), request).await,
        None => Refusal::not_found("events of no such source are taken here")
            .hint("known: `azure`; `/v1/events` tells forms apart by their content")
            .into_response(),
    }
}

async fn take(app_state: &Arc<AppState>, caller: &Caller, source: Option<Source>, request: Request) -> Response {
    match receive(app_state, caller, source, request).await {
        Ok(response) => response,
        Err(refusal) => {
            app_state.metrics.refused(refusal.status);
            refusal.into_response()
        }
    }
}

async fn receive(
    app_state: &Arc<AppState>,
    caller: &Caller,
    source: Option<Source>,
    request: Request,
) -> Result<Response, Refusal> {
    app_state.admit(caller, Scope::Intake)?;
    let terms = Terms::of(source, &Query::of(request.uri()))?;
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
        bytes: match terms.arrival {
            Arrival::Live => app_state.settings.body_bytes,
            Arrival::History => app_state.settings.history_body_bytes,
        },
        patience: app_state.settings.body_timeout,
    };
    let (head, body) = request.into_parts();
    let held = body::read(&head.headers, body, &limits, &app_state.bodies).await?;
    let received = parse(held, terms).await?;
    answer(app_state, received).await
}

impl Terms {
    fn of(source: Option<Source>, query: &Query) -> Result<Self, Refusal> {
        query.only(&PARAMETERS)?;
        let arrival = match query.one("arrival") {
            None | Some("live") => Arrival::Live,
            Some("history") => Arrival::History,
            Some(_) => return Err(Refusal::bad("an arrival is `live` or `history`").field("arrival")),
        };
        Ok(Self {
            source,
            arrival,
            account: query.one("account").map(account).transpose()?,
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

/// Reads the events out of a body, away from the threads that serve connections: large texts take a while.
async fn parse(held: body::Held, terms: Terms) -> Result<Received, Refusal> {
    let work = move || -> Result<Received, Malformed> {
        let mut received = event::read(&held.bytes, terms.source, terms.arrival)?;
        for event in received.events.iter_mut().filter(|event| event.accounts.is_empty()) {
            event.accounts.extend(terms.account.clone());
        }
        Ok(received)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(received)) => Ok(received),
        Ok(Err(malformed)) => {
            // who sends it may show the answer to nobody
            let (what, field, offset) = (&malformed.what, malformed.field.as_deref(), malformed.offset);
            tracing::warn!(?what, field, offset, "an event was refused");
            Err(malformed.into())
        }
        Err(error) => {
            tracing::error!(%error, "reading a body ended in a panic");
            Err(Refusal::bad("this body cannot be read"))
        }
    }
}

async fn answer(app_state: &Arc<AppState>, received: Received) -> Result<Response, Refusal> {
    app_state.metrics.ignored(received.ignored.len());
    let ignored: Vec<Ignored> = received.ignored.into_iter().map(Ignored::of).collect();
    if received.events.is_empty() {
        return Ok((
            StatusCode::OK,
            Json(NothingDone {
                ignored: or_empty(ignored),
            }),
        )
            .into_response());
    }
    let hint = received.events.iter().any(|event| event.test).then_some(TEST_HINT);
    let forms: Vec<&'static str> = received.events.iter().map(|event| event.form.word()).collect();
    let ids = record(app_state.ledger.clone(), received.events).await?;
    forms.iter().for_each(|form| app_state.metrics.accepted(form));
    tracing::info!(
        ids = ids.iter().map(Position::to_string).collect::<Vec<_>>().join(","),
        "events were accepted"
    );
    let accepted = Accepted {
        ids: ids.iter().map(Position::to_string).collect(),
        ignored,
        hint,
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

/// Has events written down. Their sender may go away meanwhile: what was begun is finished.
async fn record(ledger: Ledger, events: Vec<Event>) -> Result<Vec<Position>, Refusal> {
    let writing = tokio::spawn(async move {
        let mut ids = Vec::with_capacity(events.len());
        for together in groups(events) {
            ids.extend(ledger.record(together, None).await?);
        }
        Ok(ids)
    });
    match timeout(WRITING_WAITS, writing).await {
        Ok(Ok(written)) => written.map_err(|refused: crate::ledger::Refused| refused.into()),
        // a repeat of what was written after all is recognised later
        Ok(Err(_)) | Err(_) => Err(Refusal::later("writing takes too long; try again in a few seconds", 5)),
    }
}

/// Splits many events into what is written down together.
fn groups(events: Vec<Event>) -> Vec<Vec<Input>> {
    let (mut groups, mut bytes) = (vec![Vec::new()], 0);
    for event in events {
        let size = 1024 + event.html.len() + event.text.len() + 64 * (event.accounts.len() + event.impact.len());
        if bytes + size > TOGETHER_BYTES && bytes > 0 {
            groups.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        let event = Box::new(event);
        groups
            .last_mut()
            .expect("there is a group")
            .push(Input::Heard { event });
    }
    groups
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
