//! What could not be decided and is set aside; and having it decided again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::AppState;
use super::super::auth::Scope;
use super::super::caller::Caller;
use super::super::reading::Reading;
use super::super::refusal::Refusal;
use super::Page;
use crate::clock::Time;
use crate::customer::Viewer;
use crate::evaluate::set_aside::words;
use crate::journal::Position;
use crate::lookup;
use crate::record::{Command, Undecided};
use crate::store::item::SetAsideLine;

/// A list of what is set aside.
#[derive(Serialize)]
pub struct Listed {
    #[serde(rename = "set-aside")]
    set_aside: Vec<Line>,
    next: Option<String>,
}

/// Something that is set aside.
#[derive(Serialize)]
struct Line {
    /// Where: by this it is decided again.
    id: String,
    since: Time,
    what: String,
    why: String,
    /// Notifications that stay open meanwhile, by their deliveries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open: Vec<String>,
}

impl Line {
    fn of(line: SetAsideLine) -> Self {
        Self {
            id: line.at.to_string(),
            since: line.since,
            what: words(&line.set_aside.what),
            why: line.set_aside.why,
            open: line.set_aside.open,
        }
    }
}

/// `GET /v1/set-aside`
pub async fn list(State(app_state): State<Arc<AppState>>, caller: Caller, uri: Uri) -> Result<Json<Listed>, Refusal> {
    let viewer = app_state.overseer(&caller)?;
    let page = Page::asked(&uri)?;
    let answer = move |reading: &Reading| {
        let (lines, next) = page.read(|before, most| reading.store.set_aside(before, most), |line| line.at)?;
        let set_aside = lines.into_iter().map(Line::of).collect();
        Ok(Json(Listed { set_aside, next }))
    };
    app_state.read(viewer, answer).await
}

/// `POST /v1/set-aside/{id}/retry`: has it decided again. The answer says what it tells if newer news of its incident was
/// decided meanwhile.
pub async fn retry(
    State(app_state): State<Arc<AppState>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    app_state.admit(&caller, Scope::Operate)?;
    let at: Position = id.parse().map_err(|_| unknown())?;
    let check = move |reading: &Reading| retriable(reading, at);
    let note = app_state.read(Viewer::Operator, check).await?;
    let (ledger, command) = (app_state.ledger.clone(), Command::Retry { at });
    // who asked may go away meanwhile: what was begun is finished
    let written = tokio::spawn(async move { ledger.command("operator", command).await });
    match written.await {
        Ok(written) => drop(written?),
        Err(_) => return Err(Refusal::later("the command could not be written down", 5)),
    }
    let mut answer = json!({ "id": id });
    if let Some(note) = note {
        answer["note"] = json!(note);
    }
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Whether something can be decided again; and what is to be known about it.
fn retriable(reading: &Reading, at: Position) -> Result<Option<&'static str>, Refusal> {
    let line = reading.store.set_aside_at(at)?.ok_or_else(unknown)?;
    match line.set_aside.what {
        Undecided::Event { .. } => {
            let event = lookup::unless_lost(lookup::event(&reading.journal, at))?.ok_or_else(lost)?;
            let is_old = reading.store.told_since(&event, at)?.is_some();
            Ok(is_old.then_some("newer news of its incident came meanwhile, so only rules with `every: true` tell it"))
        }
        Undecided::Rules => Err(
            Refusal::new(StatusCode::CONFLICT, "a change of rules is not decided again by itself")
                .hint("change the files, or have them read again with `systemctl reload bellwether`"),
        ),
        Undecided::Unreadable => Err(lost()),
        Undecided::Command(_) | Undecided::Deadline(_) => Ok(None),
    }
}

fn unknown() -> Refusal {
    Refusal::not_found("nothing is set aside under this id")
        .hint("an id looks like `12.0`; `/v1/set-aside` lists what is set aside")
}

fn lost() -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "what it said cannot be read any more")
}
