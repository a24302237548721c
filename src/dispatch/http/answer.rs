//! What is kept of an answer or a failure: little, and nothing that is secret.

use std::error::Error;

use reqwest::Response;
use reqwest::header::RETRY_AFTER;
use url::Url;

use super::{HEADERS_MAX_BYTES, NotPublic};
use crate::channel::reply::HttpReply;
use crate::secret;

const BODY_MAX_BYTES: usize = 64 * 1024;
const KEPT_MAX_BYTES: usize = 1024;

/// Reads what is needed of an answer.
pub(super) async fn answered(mut response: Response, url: &secret::Url) -> HttpReply {
    let size: usize = response
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if size > HEADERS_MAX_BYTES {
        return HttpReply::Failed {
            why: "the answer's headers are larger than 16 KiB".into(),
        };
    }
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .map(|wish| wish.chars().take(64).collect());
    let body = beginning(&mut response).await;
    HttpReply::Answered {
        status,
        retry_after,
        body: kept(&body, url),
    }
}

/// At most 64 KiB; whatever goes wrong while reading, the status was said.
async fn beginning(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < BODY_MAX_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk[..chunk.len().min(BODY_MAX_BYTES - body.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    body
}

/// The first 1 KiB, secrets removed before it is cut, controls escaped.
fn kept(body: &[u8], url: &secret::Url) -> String {
    let text = scrub(&String::from_utf8_lossy(body), url);
    let mut kept = String::new();
    for c in text.trim().chars() {
        let shown = if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        };
        if kept.len() + shown.len() > KEPT_MAX_BYTES {
            break;
        }
        kept.push_str(&shown);
    }
    kept
}

/// What a request without an answer came to.
pub(super) fn failed(error: reqwest::Error, url: &secret::Url) -> HttpReply {
    let error = error.without_url();
    let chain = causes(&error);
    if chain.iter().any(|error| error.is::<NotPublic>()) {
        return HttpReply::Blocked {
            why: NotPublic.to_string(),
        };
    }
    if error.is_timeout() {
        let what = if error.is_connect() {
            "no connection within 5 seconds"
        } else {
            "no answer within 15 seconds"
        };
        return HttpReply::Failed { why: what.into() };
    }
    let said: Vec<String> = chain.iter().map(|error| error.to_string()).collect();
    HttpReply::Failed {
        why: scrub(&said.join(": "), url),
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut chain = vec![error];
    let mut next = error.source();
    while let Some(error) = next {
        chain.push(error);
        next = error.source();
    }
    chain
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
