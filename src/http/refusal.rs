//! How a request is refused: what is wrong, where, and what to do instead. Never with a credential in it.
//!
//! The same refusal is JSON for programs and a page for browsers: [`outside`](super::outside) chooses.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::event::Malformed;
use crate::ledger;
use crate::store;

/// A request that is not done.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// What is wrong, as a sentence without a full stop.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Which field of the body, or which parameter.
    pub field: Option<String>,
    /// Which byte of the body.
    pub offset: Option<usize>,
    /// When to come again.
    pub retry_after_seconds: Option<u64>,
    /// Whether a credential is asked for.
    pub asks_for_token: bool,
    /// Whether it is because the store is damaged.
    pub is_damage: bool,
    /// Where the body that was refused is kept.
    pub kept: Option<Box<Kept>>,
}

/// Where a body that was refused is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Under which id.
    pub id: String,
}

/// The answer's body.
#[derive(Serialize)]
struct Body<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'a str>,
}

impl Refusal {
    /// A refusal with a status and what is wrong.
    pub fn new(status: StatusCode, what: impl Into<String>) -> Self {
        Self {
            status,
            what: what.into(),
            hint: None,
            field: None,
            offset: None,
            retry_after_seconds: None,
            asks_for_token: false,
            is_damage: false,
            kept: None,
        }
    }

    /// The request itself is wrong.
    pub fn bad(what: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what)
    }

    /// There is no such thing, or not for this viewer.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    /// Not now.
    pub fn later(what: impl Into<String>, seconds: u64) -> Self {
        Self {
            retry_after_seconds: Some(seconds),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, what)
        }
    }

    /// With what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the field or parameter that is to blame.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        let status = match malformed.is_too_much {
            true => StatusCode::PAYLOAD_TOO_LARGE,
            false => StatusCode::BAD_REQUEST,
        };
        Self {
            field: malformed.field,
            offset: malformed.offset,
            hint: malformed.hint,
            ..Self::new(status, malformed.what)
        }
    }
}

impl From<ledger::Refused> for Refusal {
    fn from(refused: ledger::Refused) -> Self {
        let seconds = match refused {
            ledger::Refused::Busy | ledger::Refused::Stopped => 5,
            ledger::Refused::NoSpace => 30,
            ledger::Refused::TooLarge { .. } => return Self::new(StatusCode::PAYLOAD_TOO_LARGE, refused.to_string()),
        };
        Self::later(refused.to_string(), seconds)
    }
}

impl From<anyhow::Error> for Refusal {
    /// What failed inside is the log's to tell, not the caller's to read.
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "a request could not be answered");
        let refusal = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "what was asked for could not be read",
        );
        Self {
            is_damage: store::is_damage(&error),
            ..refusal.hint("the daemon's log says why")
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Body {
            error: Error {
                field: self.field.as_deref(),
                offset: self.offset,
                what: &self.what,
                hint: self.hint.as_deref(),
                kept: self.kept.as_ref().map(|kept| kept.id.as_str()),
            },
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.asks_for_token {
            let challenge = HeaderValue::from_static("Bearer realm=\"Bellwether\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}
