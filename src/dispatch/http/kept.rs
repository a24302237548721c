//! Connections to receivers: one request at a time over each, and those that are free are kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{HeaderValue, PROXY_AUTHORIZATION};
use hyper::http::uri::Scheme;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::HEAD_MAX_BYTES;
use crate::customer::CustomerId;
use crate::dispatch::stream::{Meter, Stream};

/// How long a free connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long it may take until a connection is free again: its task must only be run once more.
const FREE_TIMEOUT: Duration = Duration::from_millis(200);

/// How many free connections are kept, as many as there may be attempts at once: many receivers may be paths of one host
/// (a chat service), and a connection made anew for each message takes longer than the message.
const IDLE_MAX: usize = 512;

/// Where a connection leads, and for whom: customers share none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) customer: CustomerId,
    pub(super) is_secure: bool,
    pub(super) host: String,
    pub(super) port: u16,
}

/// A connection over which something is sent, or may be; it ends when it is dropped, whatever the receiver does.
pub(super) struct Connection {
    place: Place,
    sender: SendRequest<Full<Bytes>>,
    meter: Meter,
    /// If a proxy is at the other end.
    forwarding: Option<Forwarding>,
    _task: AbortOnDropHandle<()>,
}

/// How requests are written for a proxy that forwards them (RFC 9112 §3.2.2).
#[derive(Debug, Clone)]
pub(super) struct Forwarding {
    pub(super) authorization: Option<HeaderValue>,
}

/// Why there is no answer.
pub(super) struct NotSent {
    pub(super) error: hyper::Error,
    /// The request, if nothing of it was sent.
    pub(super) unsent: Option<Request<Full<Bytes>>>,
}

/// The free connections.
pub(super) struct Kept {
    most: usize,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    by_place: HashMap<Place, Vec<(Connection, Instant)>>,
    count: usize,
    /// Whether a task sees to it that those kept for too long end.
    is_swept: bool,
}

impl Place {
    /// The place of a URL.
    pub(super) fn of(customer: &CustomerId, url: &Url) -> Option<Self> {
        Some(Self {
            customer: customer.clone(),
            is_secure: url.scheme() == "https",
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }
}

impl Connection {
    /// Begins to speak HTTP/1.1 over a stream.
    ///
    /// # Errors
    /// When that fails at once.
    pub(super) async fn open(
        place: Place,
        stream: Stream,
        meter: Meter,
        forwarding: Option<Forwarding>,
    ) -> hyper::Result<Self> {
        // through a tunnel the receiver itself is spoken to
        let forwarding = forwarding.filter(|_| !place.is_secure);
        let mut builder = Builder::new();
        builder.max_buf_size(HEAD_MAX_BYTES);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        // how it ends is told to whoever waits for an answer
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(Self {
            place,
            sender,
            meter,
            forwarding,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// When none comes; with the request if nothing of it was sent.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<hyper::Response<Incoming>, NotSent> {
        self.meter.begin();
        let path = request.uri().clone();
        if let Some(forwarding) = &self.forwarding {
            forwarding.write(&self.place, &mut request);
        }
        self.sender.try_send_request(request).await.map_err(|mut error| {
            // as it was: what is tried next may be the receiver itself
            let unsent = error.take_message().map(|mut request| {
                *request.uri_mut() = path;
                request.headers_mut().remove(PROXY_AUTHORIZATION);
                request
            });
            NotSent {
                error: error.into_error(),
                unsent,
            }
        })
    }

    /// Whether another request can be sent, now that the answer was read to its end.
    pub(super) async fn is_free(&mut self) -> bool {
        matches!(timeout(FREE_TIMEOUT, self.sender.ready()).await, Ok(Ok(())))
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::at_most(IDLE_MAX)
    }
}

impl Forwarding {
    /// Writes a request as the proxy wants it: with the whole URL, and with who we are.
    fn write(&self, place: &Place, request: &mut Request<Full<Bytes>>) {
        let mut parts = request.uri().clone().into_parts();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = format!("{}:{}", place.host, place.port).parse().ok();
        if let Ok(whole) = Uri::from_parts(parts) {
            *request.uri_mut() = whole;
        }
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
    }
}

impl Kept {
    /// Keeps so many at most, and never more than usual.
    pub(super) fn at_most(most: usize) -> Self {
        Self {
            most: most.min(IDLE_MAX),
            idle: Mutex::default(),
        }
    }

    /// A free connection to a place, the one used last.
    pub(super) fn take(&self, place: &Place) -> Option<Connection> {
        let mut idle = self.lock();
        let free = idle.by_place.get_mut(place)?;
        let mut found = None;
        let before = free.len();
        while let Some((connection, since)) = free.pop() {
            if since.elapsed() < IDLE_TIMEOUT && connection.sender.is_ready() {
                found = Some(connection);
                break;
            }
        }
        let (taken, is_empty) = (before - free.len(), free.is_empty());
        idle.count -= taken;
        if is_empty {
            idle.by_place.remove(place);
        }
        found
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn keep(self: &Arc<Self>, connection: Connection) {
        let mut idle = self.lock();
        if idle.count >= self.most {
            return;
        }
        idle.count += 1;
        let place = connection.place.clone();
        idle.by_place
            .entry(place)
            .or_default()
            .push((connection, Instant::now()));
        if !std::mem::replace(&mut idle.is_swept, true) {
            tokio::spawn(sweeping(Arc::downgrade(self)));
        }
    }

    /// Ends those that were kept for too long; says whether any are left.
    fn sweep(&self) -> bool {
        let mut idle = self.lock();
        for free in idle.by_place.values_mut() {
            free.retain(|(connection, since)| since.elapsed() < IDLE_TIMEOUT && !connection.sender.is_closed());
        }
        idle.by_place.retain(|_, free| !free.is_empty());
        idle.count = idle.by_place.values().map(Vec::len).sum();
        idle.is_swept = idle.count > 0;
        idle.is_swept
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweeping(kept: std::sync::Weak<Kept>) {
    loop {
        tokio::time::sleep(IDLE_TIMEOUT).await;
        if !kept.upgrade().is_some_and(|kept| kept.sweep()) {
            return;
        }
    }
}
