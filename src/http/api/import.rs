//! Taking an archive in, as history: events are kept and shown, and told to nobody. What persons said (corrections, and of
//! claims, downtimes and impacted resources) is taken in behind them, with who said it and when.

use std::collections::BTreeSet;
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
use crate::archive::known::{new_corrections, new_ones, new_sayings, taken};
use crate::archive::{EventLine, LINES_TOGETHER_MOST, Saying, Unfit};
use crate::customer::{CustomerId, ORGANISATION, Viewer};
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
    /// How many lines of what was said of claims, downtimes and impacted resources were new.
    said_new: usize,
    /// How many of these were here already.
    said_known: usize,
    /// How many of these could not be taken in: newer ones are here, or the incident is not.
    said_passed_over: usize,
    /// Customers of theirs that this daemon does not have.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    unknown_customers: BTreeSet<CustomerId>,
    /// The ids of the new ones.
    ids: Vec<String>,
}

/// What a body holds, each as it may be taken in.
#[derive(Default)]
struct Held {
    events: Vec<Event>,
    corrections: Vec<Correction>,
    sayings: Vec<Saying>,
}

/// What of it is not here yet, and how much is.
struct Sorted {
    new: Held,
    known: usize,
    corrections_known: usize,
    said_known: usize,
}

/// `POST /v1/import`: lines of an archive. Either all events are taken in, or none; then what persons said, one by one: what
/// a crash cuts off is taken in when the same is sent again.
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
    let sort = move |reading: &Reading| sorted(reading, &held.bytes);
    let sorted = app_state.read_story(Viewer::Operator, sort).await?;
    let Held {
        events,
        corrections,
        sayings,
    } = sorted.new;
    let ids = record(&app_state, events).await?;
    let corrections_new = corrections.len();
    let by = app_state.operator(&caller);
    let commands = corrections.into_iter().map(command_of);
    let commands = commands.chain(sayings.iter().cloned().map(|saying| saying.command(&by)));
    carry_out(&app_state, &by, commands.collect()).await?;
    let unknown_customers = unknown(&app_state, &sayings);
    let here = move |reading: &Reading| Ok(new_sayings(&reading.store, sayings)?);
    let (passed_over, said_new) = app_state.read_story(Viewer::Operator, here).await?;
    Ok(Json(Taken {
        new: ids.len(),
        known: sorted.known,
        corrections_new,
        corrections_known: sorted.corrections_known,
        said_new,
        said_known: sorted.said_known,
        said_passed_over: passed_over.len(),
        unknown_customers,
        ids,
    }))
}

fn sorted(reading: &Reading, body: &[u8]) -> Result<Sorted, Refusal> {
    let held = said(body)?;
    let (events, known) = new_ones(&reading.store, &reading.journal, held.events)?;
    let (corrections, corrections_known) = new_corrections(&reading.store, held.corrections)?;
    let (sayings, said_known) = new_sayings(&reading.store, held.sayings)?;
    Ok(Sorted {
        new: Held {
            events,
            corrections,
            sayings,
        },
        known,
        corrections_known,
        said_known,
    })
}

/// Whose things are taken in that this daemon does not have as customers: they are kept, and the operator sees them.
fn unknown(app_state: &AppState, sayings: &[Saying]) -> BTreeSet<CustomerId> {
    let rules = app_state.ledger.rules();
    let is_known = |customer: &CustomerId| match &rules.customers.by_name {
        Some(known) => customer.is_operator() || known.contains_key(customer),
        None => customer.as_str() == ORGANISATION,
    };
    let whose = sayings.iter().map(Saying::customer);
    whose.filter(|customer| !is_known(customer)).cloned().collect()
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

/// A correction as it was said first.
fn command_of(correction: Correction) -> Command {
    Command::Correct {
        incident: correction.incident,
        corrects: correction.corrects,
        reason: correction.reason,
        first: Some(FirstSaid {
            at: correction.at,
            by: correction.by,
        }),
    }
}

/// Has what persons said written down, in its order.
async fn carry_out(app_state: &AppState, by: &str, commands: Vec<Command>) -> Result<(), Refusal> {
    let (ledger, by) = (app_state.ledger.clone(), by.to_owned());
    // who asked may go away meanwhile: what was begun is finished
    let written = tokio::spawn(async move {
        for command in commands {
            for at in ledger.command(&by, command).await? {
                ledger.decided(at).await;
            }
        }
        Ok::<(), Refusal>(())
    });
    let written = written.await;
    written.map_err(|_| Refusal::later("what persons said could not be written down", 5))?
}

/// What a body holds, each as it may be taken in.
fn said(body: &[u8]) -> Result<Held, Refusal> {
    let mut lines: Vec<(usize, EventLine)> = Vec::new();
    let mut held = Held::default();
    for (nth, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let field = format!("line {}", nth + 1);
        let unfit = |unfit: Unfit| Refusal::bad(unfit.what).field(format!("{field}, `{}`", unfit.field));
        match parse(line) {
            Ok(Read::Event(event)) => lines.push((nth, *event)),
            Ok(Read::Correction(correction)) => held.corrections.push(correction.into_correction().map_err(unfit)?),
            Ok(Read::Saying(saying)) => held.sayings.push(saying.checked().map_err(unfit)?),
            Ok(_) => {
                let what = "only lines of events and of what persons said are taken here";
                return Err(Refusal::bad(what).field(field));
            }
            Err((column, what)) => {
                let what = format!("not a line of an archive: {what} (column {column})");
                return Err(Refusal::bad(what).field(field));
            }
        }
    }
    let count = lines.len() + held.corrections.len() + held.sayings.len();
    if count > LINES_TOGETHER_MOST {
        let what = format!("{count} lines are more than are taken in together");
        let hint = format!("send at most {LINES_TOGETHER_MOST} at once; `bellwether import` does");
        return Err(Refusal::bad(what).hint(hint));
    }
    let (places, lines): (Vec<usize>, Vec<EventLine>) = lines.into_iter().unzip();
    held.events = taken(lines).map_err(|(nth, unfit)| {
        let field = format!("line {}, `{}`", places[nth] + 1, unfit.field);
        Refusal::bad(unfit.what).field(field)
    })?;
    Ok(held)
}
