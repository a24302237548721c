//! What a page's form sent: `application/x-www-form-urlencoded`, limited like any body.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{StatusCode, header};

use super::AppState;
use super::body::{self, Limits};
use super::caller::{Caller, network};
use super::query::Query;
use super::refusal::Refusal;

/// What a form without a pasted text may hold, bytes.
pub const SMALL_BYTES: usize = 16 << 10;

/// How long a form may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The fields of a form of at most so many bytes, as they were encoded.
///
/// # Errors
/// When it is no form, too large, too slow, or there is no room for it now.
pub async fn read(app_state: &AppState, caller: &Caller, request: Request, most: usize) -> Result<Query, Refusal> {
    let (head, mut body) = request.into_parts();
    let kind = head
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let what = "what a page's form sends is expected here";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what)
            .hint("programs use `/v1/…`; a form is `application/x-www-form-urlencoded`"));
    }
    let limits = Limits {
        bytes: most,
        patience: PATIENCE,
    };
    let room = app_state.bodies.of(network(caller.address));
    match body::read(&head.headers, &mut body, &limits, room).await {
        Ok(held) => Ok(Query::encoded(&held.bytes)),
        Err(refusal) => {
            if refusal.status != StatusCode::REQUEST_TIMEOUT {
                body::read_on(&head.headers, body);
            }
            Err(refusal)
        }
    }
}
