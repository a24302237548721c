//! Questions and commands as JSON. Every answer is of one viewer's visibility; none holds an address or a secret.

pub mod claims;
pub mod corrections;
pub mod deliveries;
pub mod downtimes;
pub mod events;
pub mod export;
pub mod forget;
pub mod import;
pub mod incidents;
mod owed;
pub mod pack;
pub mod refused;
pub mod resources;
pub mod send_test;
pub mod set_aside;
mod shapes;
pub mod status;
pub mod times;
mod whose;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};

use super::AppState;
use super::caller::Caller;
use super::query::Query;
use super::refusal::Refusal;
use crate::customer::CustomerId;
use crate::event::Provider;
use crate::journal::Position;
use crate::record::Command;

/// A page of a list, by position: how many at most, and before which.
pub struct Page {
    limit: usize,
    before: Option<Position>,
}

impl Page {
    /// The page that is asked for.
    ///
    /// # Errors
    /// When a parameter is not known here, or is no number or position.
    pub fn asked(uri: &Uri) -> Result<Self, Refusal> {
        let query = Query::of(uri);
        query.only(&["limit", "before", "token"])?;
        let before = query
            .one("before")
            .map(|text| text.parse().map_err(|_| incidents::not_a_cursor()));
        Ok(Self {
            limit: query.number("limit", incidents::LIST_DEFAULT, incidents::LIST_MOST)?,
            before: before.transpose()?,
        })
    }

    /// What `read` finds before a position, at most so many; and what to ask for to see the rest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read<T>(
        &self,
        read: impl FnOnce(Option<Position>, usize) -> anyhow::Result<Vec<T>>,
        at: impl Fn(&T) -> Position,
    ) -> anyhow::Result<(Vec<T>, Option<String>)> {
        let mut lines = read(self.before, self.limit + 1)?;
        let has_more = lines.len() > self.limit;
        lines.truncate(self.limit);
        let next = lines.last().filter(|_| has_more).map(|line| at(line).to_string());
        Ok((lines, next))
    }
}

/// The provider that `?provider=` names.
///
/// # Errors
/// When there is none of that name.
pub fn provider(query: &Query) -> Result<Option<Provider>, Refusal> {
    let Some(text) = query.one("provider") else {
        return Ok(None);
    };
    let known: Vec<&str> = Provider::ALL.iter().map(|one| one.word()).collect();
    let provider = Provider::read(text).map(Some);
    provider.ok_or_else(|| {
        Refusal::bad("there is no such provider")
            .field("provider")
            .hint(format!("known: {}", known.join(", ")))
    })
}

/// Has a command written down and decided. Whoever asked may go away meanwhile: what was begun is finished.
///
/// # Errors
/// When it cannot be written down.
pub async fn carry_out(app_state: &AppState, by: String, command: Command) -> Result<(), Refusal> {
    let ledger = app_state.ledger.clone();
    let written = tokio::spawn(async move {
        for at in ledger.command(&by, command).await? {
            ledger.decided(at).await;
        }
        Ok::<(), Refusal>(())
    });
    written
        .await
        .map_err(|_| Refusal::later("the command could not be written down", 5))?
}

/// `GET /v1/rules`: what is in force, and what is broken.
pub async fn rules(State(app_state): State<Arc<AppState>>, caller: Caller) -> Result<Json<Value>, Refusal> {
    let viewer = app_state.reader(&caller)?;
    let passed_over = app_state.ledger.figures().passed_over();
    let answer = move |reading: &super::reading::Reading| {
        let sources = reading.sources();
        let is_shown = |customer: &CustomerId| sources.visibility.shows(customer);
        let files = reading
            .rules
            .files
            .values()
            .filter(|file| is_shown(&file.customer))
            .map(|file| {
                json!({
                    "path": file.path, "customer": file.customer, "digest": file.digest, "rules": file.rules.len(),
                    "receivers": file.receivers.len(), "tests": file.tests.len(),
                })
            });
        let broken = reading
            .store
            .broken()?
            .into_iter()
            .filter(|file| is_shown(&file.customer));
        let broken = broken.map(|file| {
            json!({ "path": file.path, "customer": file.customer, "digest": file.digest, "report": file.report })
        });
        let (files, broken): (Vec<Value>, Vec<Value>) = (files.collect(), broken.collect());
        let rules = reading.rules.rules().filter(|rule| is_shown(&rule.customer));
        let receivers = reading
            .rules
            .receivers
            .keys()
            .filter(|(customer, _)| is_shown(customer));
        let counts = json!({
            "files": files.len(), "broken": broken.len(), "rules": rules.count(), "receivers": receivers.count(),
        });
        let revision = &reading.rules.revision;
        let not_read = passed_over.iter().filter(|(customer, _)| is_shown(customer));
        let not_read: Vec<&String> = not_read.flat_map(|(_, what)| what).collect();
        Ok(Json(json!({
            "revision": revision, "counts": counts, "files": files, "broken": broken, "not_read": not_read,
        })))
    };
    app_state.read(viewer, answer).await
}

/// `GET /healthz`: the process is up.
pub async fn healthz() -> Json<Value> {
    Json(json!({ "up": true }))
}
