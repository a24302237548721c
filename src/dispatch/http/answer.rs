//! What is kept of an answer or a failure: little, and nothing that is secret.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::kept::{Connection, Kept};
use crate::channel::reply::HttpReply;
use crate::dispatch::stream::Endless;
use crate::secret;

/// How much of a body is read: more is not needed to know what it says.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// In how many pieces it is read: a chunk of one byte costs as much as one of many.
const BODY_MAX_PIECES: usize = 1_024;

/// How long a body may take after its head: the status is said already.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads what is needed of an answer. A connection whose answer was read to its end is kept, any other ends here.
pub(super) async fn answered(
    response: Response<Incoming>,
    mut connection: Connection,
    kept: &Arc<Kept>,
    url: &secret::Url,
    deadline: Instant,
) -> HttpReply {
    let (head, mut incoming) = response.into_parts();
    let retry_after = head
        .headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .map(|wish| wish.chars().take(64).collect());
    let mut body = Vec::new();
    let until = deadline.min(Instant::now() + BODY_TIMEOUT);
    // whatever goes wrong while reading, the status was said
    let is_whole = timeout_at(until, read_beginning(&mut incoming, &mut body)).await == Ok(true);
    if is_whole && connection.is_free().await {
        kept.keep(connection);
    }
    HttpReply::Answered {
        status: head.status.as_u16(),
        retry_after,
        body: heard(&body, url),
    }
}

/// Reads the beginning of a body; says whether that was all.
async fn read_beginning(incoming: &mut Incoming, body: &mut Vec<u8>) -> bool {
    for _ in 0..BODY_MAX_PIECES {
        let Some(frame) = incoming.frame().await else {
            return true;
        };
        let Ok(frame) = frame else { return false };
        let Some(data) = frame.data_ref() else { continue };
        let room = BODY_MAX_BYTES - body.len();
        if data.len() > room {
            body.extend_from_slice(&data[..room]);
            return false;
        }
        body.extend_from_slice(data);
    }
    false
}

/// The text of a body without secrets, for the channel's table of answers; whoever shows it cuts and cleans it.
fn heard(body: &[u8], url: &secret::Url) -> String {
    scrub(&String::from_utf8_lossy(body), url).trim().to_owned()
}

/// Why no answer came over a connection.
pub(super) fn lost(error: &hyper::Error) -> HttpReply {
    if let Some(endless) = Endless::in_causes_of(error) {
        return super::failed(endless.to_string());
    }
    if error.is_parse_too_large() {
        let most = super::HEAD_MAX_BYTES / 1024;
        return super::failed(format!(
            "the head of the answer is larger than {most} KiB or has more than 100 headers"
        ));
    }
    let what = match error.is_parse() {
        true => "what came is not an HTTP/1.1 answer",
        false => "the connection was lost before an answer came",
    };
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    super::failed(format!("{what}: {cause}"))
}

/// Replaces whatever of the URL's path and query is long enough to be a secret.
pub(super) fn scrub(text: &str, url: &secret::Url) -> String {
    let Ok(parsed) = Url::parse(url.reveal()) else {
        return "a reason that cannot be shown".into();
    };
    let segments = parsed.path_segments().into_iter().flatten().map(str::to_owned);
    let raw = parsed.query().unwrap_or_default().split(['&', '=']).map(str::to_owned);
    let decoded = parsed
        .query_pairs()
        .flat_map(|(key, value)| [key.into_owned(), value.into_owned()]);
    let mut parts: Vec<String> = segments
        .chain(raw)
        .chain(decoded)
        .filter(|part| part.len() >= 6)
        .collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts
        .iter()
        .fold(text.to_owned(), |text, part| text.replace(part.as_str(), "…"))
}
