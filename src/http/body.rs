//! Reading a body: limited in size, in time, and in how many are held at once.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::refusal::Refusal;

/// The speed of the slowest line that is waited for, bytes per second.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;

/// What a body may be.
pub struct Limits {
    /// Its length, bytes.
    pub bytes: usize,
    /// How long it may take beyond what its length needs on a slow line.
    pub patience: Duration,
}

/// A body, and the room it takes until it is dropped.
#[derive(Debug)]
pub struct Held {
    /// The bytes.
    pub bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// Reads a whole body.
///
/// # Errors
/// When it is compressed, too large, too slow, broken off, or when there is no room for it now.
pub async fn read(headers: &HeaderMap, body: Body, limits: &Limits, rooms: &Arc<Semaphore>) -> Result<Held, Refusal> {
    check_encoding(headers)?;
    let announced = announced(headers);
    if announced.is_some_and(|bytes| bytes > limits.bytes) {
        return Err(too_large(limits.bytes));
    }
    let room = make_room(announced.unwrap_or(limits.bytes), rooms)?;
    let bytes = collect(body, limits).await?;
    Ok(Held { bytes, _room: room })
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(header::HeaderValue::as_bytes);
    match encoding {
        None => Ok(()),
        Some(encoding) if encoding.eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(_) => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "a compressed body is not unpacked here",
        )
        .hint("send the JSON as it is, without `Content-Encoding`")),
    }
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn make_room(bytes: usize, rooms: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refusal> {
    let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
    let room = rooms.clone().try_acquire_many_owned(kib);
    room.map_err(|_| Refusal::later("too many bodies are being read; try again in a few seconds", 5))
}

async fn collect(mut body: Body, limits: &Limits) -> Result<Vec<u8>, Refusal> {
    let started = Instant::now();
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let earned = Duration::from_secs(bytes.len() as u64 / SLOWEST_BYTES_PER_SECOND);
        let frame = timeout_at(started + limits.patience + earned, body.frame()).await;
        let frame = match frame {
            Err(_) => return Err(too_slow(limits)),
            Ok(None) => return Ok(bytes),
            Ok(Some(Err(_))) => return Err(Refusal::bad("the body broke off")),
            Ok(Some(Ok(frame))) => frame,
        };
        // trailers are nobody's concern
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limits.bytes {
            return Err(too_large(limits.bytes));
        }
        bytes.extend_from_slice(&data);
    }
}

fn too_slow(limits: &Limits) -> Refusal {
    let what = format!("the body took longer than {} s", limits.patience.as_secs());
    Refusal::new(StatusCode::REQUEST_TIMEOUT, what)
}

fn too_large(most: usize) -> Refusal {
    let what = format!("the body is larger than {}, the most that is read here", in_words(most));
    let refusal = Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what);
    refusal.hint(
        "send fewer events at once; `?arrival=history` takes larger bodies, and the settings' `limits` say how large",
    )
}

/// `1 MiB`
fn in_words(bytes: usize) -> String {
    match bytes {
        _ if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::{Bytes, Frame};

    const LIMITS: Limits = Limits {
        bytes: 1 << 10,
        patience: Duration::from_secs(5),
    };

    fn rooms() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(4))
    }

    async fn refused(headers: &[(header::HeaderName, &str)], body: Body, limits: &Limits) -> Refusal {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a value")));
        let headers: HeaderMap = pairs.collect();
        read(&headers, body, limits, &rooms()).await.expect_err("is refused")
    }

    #[tokio::test]
    async fn a_body_of_just_the_limit_is_read_and_one_byte_more_is_not() {
        let exact = read(&HeaderMap::new(), Body::from(vec![b'x'; 1024]), &LIMITS, &rooms()).await;
        assert_eq!(exact.expect("is read").bytes.len(), 1024);
        let more = refused(&[], Body::from(vec![b'x'; 1025]), &LIMITS).await;
        assert_eq!(more.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(more.what.contains("1 KiB"), "{}", more.what);
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_refused_unread() {
        let headers = [(header::CONTENT_LENGTH, "1025")];
        assert_eq!(
            refused(&headers, Body::empty(), &LIMITS).await.status,
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }

    #[tokio::test]
    async fn a_compressed_body_is_refused() {
        let headers = [(header::CONTENT_ENCODING, "gzip")];
        assert_eq!(
            refused(&headers, Body::empty(), &LIMITS).await.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let limits = Limits {
            patience: Duration::from_millis(20),
            ..LIMITS
        };
        assert_eq!(
            refused(&[], Body::new(Endless), &limits).await.status,
            StatusCode::REQUEST_TIMEOUT
        );
    }

    #[tokio::test]
    async fn where_there_is_no_room_the_caller_is_asked_to_come_again() {
        let full = Arc::new(Semaphore::new(0));
        let refusal = read(&HeaderMap::new(), Body::from("x"), &LIMITS, &full)
            .await
            .expect_err("no room");
        assert_eq!(
            (refusal.status, refusal.retry_after_seconds),
            (StatusCode::SERVICE_UNAVAILABLE, Some(5))
        );
    }

    /// A body that nothing comes out of.
    struct Endless;

    impl hyper::body::Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }
}
