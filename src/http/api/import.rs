//! Taking events of an archive in, as history: kept and shown, and told to nobody. The corrections of persons are taken in
//! behind them, with who said them and when.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;

use super::super::AppState;
use super::super::auth::Scope;
use super::super::body::{self, Limits};
use super::super::caller::{Caller, network};
use super::super::query::Query;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use crate::archive::check::{Read, parse};
use crate::archive::known::{new_corrections, new_ones, taken};
use crate::archive::{EVENTS_TOGETHER_MOST, EventLine};
use crate::customer::Viewer;
use crate::event::Event;
use crate::incident::correction::{Correction, FirstSaid};
use crate::record::{Command, Input};

/// What became of the events.
#[derive(Serialize)]
pub struct Taken {
    /// How many were new.
    new: usize,
    /// How many were here already.
    known: usize,
    /// How many corrections were new.
    corrections_new: usize,
    /// How many corrections were here already.
    corrections_known: usize,
    /// The ids of the new ones.
    ids: Vec<String>,
}

/// `POST /v1/import`: lines of an archive, events and corrections. Either all events are taken in, or none; then the
/// corrections, one by one: what a crash cuts off is taken in when the same is sent again.
pub async fn post(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
) -> Result<Json<Taken>, Refusal> {
    app_state.admit(&caller, Scope::Operate)?;
    let (head, mut body) = request.into_parts();
    Query::of(&head.uri).only(&["token"])?;
    wait_for_room(&app_state)?;
    let limits = Limits {
        bytes: app_state.settings.history_body_bytes,
        patience: app_state.settings.body_timeout,
    };
    let room = app_state.bodies.of(network(caller.address));
    let held = match body::read(&head.headers, &mut body, &limits, room).await {
        Ok(held) => held,
        Err(refusal) => {
            body::read_on(&head.headers, body);
            return Err(refusal);
        }
    };
    let sort = move |reading: &Reading| {
        let (events, corrections) = said(&held.bytes)?;
        let (new, known) = new_ones(&reading.store, &reading.journal, events)?;
        let (corrections, corrections_known) = new_corrections(&reading.store, corrections)?;
        Ok((new, known, corrections, corrections_known))
    };
    let (new, known, corrections, corrections_known) = app_state.read_story(Viewer::Operator, sort).await?;
    let ids = record(&app_state, new).await?;
    let corrections_new = corrections.len();
    correct(&app_state, app_state.operator(&caller), corrections).await?;
    Ok(Json(Taken {
        new: ids.len(),
        known,
        corrections_new,
        corrections_known,
        ids,
    }))
}

/// A back-fill does not crowd out what is heard now.
fn wait_for_room(app_state: &AppState) -> Result<(), Refusal> {
    let waiting = app_state
        .ledger
        .figures()
        .inbox
        .load(std::sync::atomic::Ordering::Relaxed);
    match waiting >= app_state.settings.waiting_events / 2 {
        true => Err(Refusal::later("too many events wait to be decided", 5)),
        false => Ok(()),
    }
}

/// Has events written down, and waits until they are decided: the next ones come behind what was heard meanwhile.
async fn record(app_state: &AppState, events: Vec<Event>) -> Result<Vec<String>, Refusal> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let ledger = app_state.ledger.clone();
    // who asked may go away meanwhile: what was begun is finished
    let written = tokio::spawn(async move {
        let inputs = events.into_iter().map(|event| Input::Heard { event: Box::new(event) });
        let ids = ledger.record(inputs.collect(), None).await?;
        if let Some(last) = ids.last() {
            ledger.decided(*last).await;
        }
        Ok::<_, crate::ledger::Refused>(ids)
    });
    match written.await {
        Ok(ids) => Ok(ids?.iter().map(ToString::to_string).collect()),
        Err(_) => Err(Refusal::later("the events could not be written down", 5)),
    }
}

/// Has corrections written down as they were said first.
async fn correct(app_state: &AppState, by: String, corrections: Vec<Correction>) -> Result<(), Refusal> {
    let ledger = app_state.ledger.clone();
    // who asked may go away meanwhile: what was begun is finished
    let written = tokio::spawn(async move {
        for correction in corrections {
            let command = Command::Correct {
                incident: correction.incident,
                corrects: correction.corrects,
                reason: correction.reason,
                first: Some(FirstSaid {
                    at: correction.at,
                    by: correction.by,
                }),
            };
            for at in ledger.command(&by, command).await? {
                ledger.decided(at).await;
            }
        }
        Ok::<(), Refusal>(())
    });
    let written = written.await;
    written.map_err(|_| Refusal::later("the corrections could not be written down", 5))?
}

/// The events and corrections of a body, each as it may be taken in.
fn said(body: &[u8]) -> Result<(Vec<Event>, Vec<Correction>), Refusal> {
    let mut lines: Vec<(usize, EventLine)> = Vec::new();
    let mut corrections = Vec::new();
    for (nth, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let field = format!("line {}", nth + 1);
        match parse(line) {
            Ok(Read::Event(event)) => lines.push((nth, *event)),
            Ok(Read::Correction(correction)) => {
                let correction = correction.into_correction();
                corrections.push(correction.map_err(|unfit| {
                    let field = format!("{field}, `{}`", unfit.field);
                    Refusal::bad(unfit.what).field(field)
                })?);
            }
            Ok(_) => return Err(Refusal::bad("only lines of events and corrections are taken here").field(field)),
            Err((column, what)) => {
                let what = format!("not a line of an archive: {what} (column {column})");
                return Err(Refusal::bad(what).field(field));
            }
        }
    }
    let count = lines.len() + corrections.len();
    if count > EVENTS_TOGETHER_MOST {
        let what = format!("{count} events and corrections are more than are taken in together");
        let hint = format!("send at most {EVENTS_TOGETHER_MOST} at once; `bellwether import` does");
        return Err(Refusal::bad(what).hint(hint));
    }
    let (places, lines): (Vec<usize>, Vec<EventLine>) = lines.into_iter().unzip();
    let events = taken(lines).map_err(|(nth, unfit)| {
        let field = format!("line {}, `{}`", places[nth] + 1, unfit.field);
        Refusal::bad(unfit.what).field(field)
    })?;
    Ok((events, corrections))
}
