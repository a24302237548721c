//! Reading a body: limited in size, in time, and in how many are held at once.
//!
//! Who is refused while the body is still on its way must be able to read why: closing a connection on which something
//! was sent but not read takes the answer back. So what is left of a refused body is read on and thrown away, for a while.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::refusal::Refusal;
use super::room::Room;

/// The speed of the slowest line that is waited for, bytes per second.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;

/// How much room is made for a body at a time, at least, bytes.
const STEP_BYTES: usize = 2 * 1024;

/// How much of a refused body is read on, bytes.
const READ_ON_BYTES_MOST: usize = 64 << 20;

/// How long a refused body is read on.
const READ_ON_WAITS: Duration = Duration::from_secs(10);

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
    _room: Room,
}

/// Reads a whole body.
///
/// # Errors
/// When it is compressed, too large, too slow, broken off, or when there is no room for it now.
pub async fn read(headers: &HeaderMap, body: &mut Body, limits: &Limits, room: Room) -> Result<Held, Refusal> {
    check_encoding(headers)?;
    if let Some(bytes) = announced(headers).filter(|bytes| *bytes > limits.bytes) {
        return Err(too_large(limits.bytes, &format!("has {bytes} bytes")));
    }
    collect(body, limits, room).await
}

impl Held {
    /// A body that was kept, in room of its own.
    ///
    /// # Errors
    /// When there is no room for it now.
    pub fn kept(bytes: Vec<u8>, mut room: Room) -> Result<Self, Refusal> {
        room.grow_to(bytes.len())?;
        Ok(Self { bytes, _room: room })
    }
}

/// Reads on what is left of a body that was refused, so that its sender can read the answer; nothing of it is kept.
pub fn read_on(headers: &HeaderMap, mut body: Body) {
    // who waits to be asked for the body has sent nothing
    if body.is_end_stream() || headers.contains_key(header::EXPECT) {
        return;
    }
    tokio::spawn(async move {
        let mut bytes = 0;
        let rest = async {
            while let Some(Ok(frame)) = body.frame().await {
                bytes += frame.data_ref().map_or(0, hyper::body::Bytes::len);
                if bytes > READ_ON_BYTES_MOST {
                    return;
                }
            }
        };
        let _ = timeout(READ_ON_WAITS, rest).await;
    });
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

async fn collect(body: &mut Body, limits: &Limits, mut room: Room) -> Result<Held, Refusal> {
    let started = Instant::now();
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let earned = Duration::from_secs(bytes.len() as u64 / SLOWEST_BYTES_PER_SECOND);
        let frame = timeout_at(started + limits.patience + earned, body.frame()).await;
        let frame = match frame {
            Err(_) => return Err(too_slow(limits)),
            Ok(None) => return Ok(Held { bytes, _room: room }),
            Ok(Some(Err(_))) => return Err(Refusal::bad("the body broke off")),
            Ok(Some(Ok(frame))) => frame,
        };
        // trailers are nobody's concern
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > limits.bytes {
            return Err(too_large(limits.bytes, "is longer"));
        }
        if length > bytes.capacity() {
            // a quarter more at a time: twice as much, as a vector takes by itself, would be room that nobody counts
            let more = data
                .len()
                .max(STEP_BYTES)
                .max(bytes.len() / 4)
                .min(limits.bytes - bytes.len());
            room.grow_to(bytes.len() + more)?;
            bytes.reserve_exact(more);
        }
        bytes.extend_from_slice(&data);
    }
}

fn too_slow(limits: &Limits) -> Refusal {
    let what = format!("the body took longer than {} s", limits.patience.as_secs());
    Refusal::new(StatusCode::REQUEST_TIMEOUT, what)
}

fn too_large(most: usize, this: &str) -> Refusal {
    let what = format!(
        "the body is larger than {}, the most that is read here: it {this}",
        in_words(most)
    );
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

/// A body that came.
#[cfg(test)]
pub fn held_for_tests(bytes: &[u8]) -> Held {
    let sender = std::net::IpAddr::from([192, 0, 2, 1]);
    Held {
        bytes: bytes.to_vec(),
        _room: super::room::Rooms::new(1 << 20).of(sender),
    }
}

#[cfg(test)]
mod tests {
    use super::super::room::Rooms;
    use super::*;
    use std::convert::Infallible;
    use std::net::IpAddr;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::{Bytes, Frame};

    const LIMITS: Limits = Limits {
        bytes: 1 << 10,
        patience: Duration::from_secs(5),
    };

    fn room() -> Room {
        Rooms::new(1 << 20).of(IpAddr::from([192, 0, 2, 1]))
    }

    async fn refused(headers: &[(header::HeaderName, &str)], mut body: Body, limits: &Limits) -> Refusal {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a value")));
        let headers: HeaderMap = pairs.collect();
        let answer = read(&headers, &mut body, limits, room()).await;
        answer.expect_err("is refused")
    }

    #[tokio::test]
    async fn a_body_of_just_the_limit_is_read_and_one_byte_more_is_not() {
        let mut body = Body::from(vec![b'x'; 1024]);
        let exact = read(&HeaderMap::new(), &mut body, &LIMITS, room()).await;
        assert_eq!(exact.expect("is read").bytes.len(), 1024);
        let more = refused(&[], Body::from(vec![b'x'; 1025]), &LIMITS).await;
        assert_eq!(more.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(more.what.contains("1 KiB"), "{}", more.what);
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_refused_unread() {
        let headers = [(header::CONTENT_LENGTH, "1025")];
        let refusal = refused(&headers, Body::empty(), &LIMITS).await;
        assert_eq!(refusal.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(refusal.what.contains("it has 1025 bytes"), "{}", refusal.what);
    }

    #[tokio::test]
    async fn an_announced_length_takes_no_room_until_it_comes() {
        let rooms = Rooms::new(16 << 20);
        let sender = IpAddr::from([192, 0, 2, 1]);
        let limits = Limits {
            bytes: 16 << 20,
            ..LIMITS
        };
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, "16777216".parse().expect("a value"))]);
        let mut slow: Vec<_> = (0..8)
            .map(|_| {
                let (headers, room) = (headers.clone(), rooms.of(sender));
                let limits = &limits;
                Box::pin(async move { read(&headers, &mut Body::new(Endless), limits, room).await })
            })
            .collect();
        for slow in &mut slow {
            let polled = std::future::poll_fn(|context| Poll::Ready(slow.as_mut().poll(context).is_pending())).await;
            assert!(polled, "it is read");
        }
        let other = read(&HeaderMap::new(), &mut Body::from("{}"), &LIMITS, rooms.of(sender)).await;
        assert!(other.is_ok());
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
        let limits = Limits {
            bytes: 2 << 20,
            ..LIMITS
        };
        let rooms = Rooms::new(1);
        let sender = IpAddr::from([192, 0, 2, 1]);
        let mut full = rooms.of(sender);
        full.grow_to(23 << 20).expect("room");
        let mut body = Body::from(vec![b'x'; 2 << 20]);
        let answer = read(&HeaderMap::new(), &mut body, &limits, rooms.of(sender)).await;
        let refusal = answer.expect_err("no room");
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
