//! Bodies of known senders that are refused are kept, and the operator is told, once a day.
//!
//! Only who may post events gets here: a stranger's body is never kept. On this machine without an intake token whoever
//! posts may do so, and counts as known.

use std::sync::Arc;

use axum::http::StatusCode;

use super::AppState;
use super::body::Held;
use super::intake::Asked;
use super::refusal::{Kept, Refusal};
use crate::evaluate::own;
use crate::record::Input;
use crate::refused::{Posted, Why};

impl Why {
    /// Why something was refused.
    pub fn of(refusal: &Refusal) -> Self {
        Self {
            status: refusal.status.as_u16(),
            what: refusal.what.clone(),
            field: refusal.field.clone(),
            offset: refusal.offset,
            hint: refusal.hint.clone(),
        }
    }
}

impl AppState {
    /// Keeps a body that was refused for good; who is asked to come again keeps it itself. The refusal says under which
    /// id. What was begun is finished, also if the sender goes away.
    pub async fn keep(self: &Arc<Self>, held: Arc<Held>, asked: Asked, refusal: Refusal) -> Refusal {
        let is_for_good = [
            StatusCode::BAD_REQUEST,
            StatusCode::NOT_FOUND,
            StatusCode::PAYLOAD_TOO_LARGE,
        ];
        let Some(refused) = self.refused.clone().filter(|_| is_for_good.contains(&refusal.status)) else {
            return refusal;
        };
        let posted = Posted {
            source: asked.source,
            arrival: asked.arrival,
            account: asked.account,
            why: Why::of(&refusal),
        };
        let now = self.clock.now();
        let written = tokio::task::spawn_blocking(move || {
            let kept = refused.keep(&held.bytes, posted, now);
            (kept, refused.is_to_be_told(now))
        });
        let (kept, is_to_be_told) = match written.await {
            Ok((Ok(id), is_to_be_told)) => (Some(id), is_to_be_told),
            Ok((Err(error), is_to_be_told)) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "a body that was refused could not be kept"
                );
                (None, is_to_be_told)
            }
            Err(error) => {
                tracing::error!(%error, "keeping a refused body ended in a panic");
                (None, false)
            }
        };
        if let Some(id) = &kept {
            tracing::warn!(id, "a body that was refused is kept: `bellwether intake refused list`");
        }
        if is_to_be_told {
            self.tell_of_refused().await;
        }
        Refusal {
            kept: kept.map(|id| Box::new(Kept { id })),
            ..refusal
        }
    }

    async fn tell_of_refused(&self) {
        let event = Box::new(own::intake_refused(self.clock.now()));
        if let Err(error) = self.ledger.record(vec![Input::Heard { event }], None).await {
            tracing::warn!(%error, "the operator could not be told of a body that was refused");
        }
    }
}
