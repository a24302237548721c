//! Posting to receivers that customers named: the one place where their URLs are called.
//!
//! Every address is judged at the moment of connecting, so there is nothing between the check and the call. Redirects
//! are not followed, answers not decompressed; a proxy is used if the settings name one, and those of the environment are
//! not. HTTP/1.1 is spoken and nothing else:
//! a connection has one request at a time, so what a receiver sends is counted against the one attempt that it belongs
//! to, and ends with it. That is why this is hyper itself and not reqwest, which is built on it: reqwest lets nobody count
//! below what it reads, and one receiver that answers `103` without end took a processor for as long as it was listened
//! to. Each customer has connections of its own. A URL is a secret: nothing of its path or query leaves
//! this file.

mod answer;
mod kept;
mod way;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use super::proxy::{Proxies, Route};
use super::resolve::Resolver;
use super::stream::Stream;
use super::trust::Trust;
use crate::channel::guard;
use crate::channel::reply::HttpReply;
use crate::customer::CustomerId;
use crate::secret;
use kept::{Connection, Kept, Place};
use way::Way;

/// How long a connection may take, with TLS, once the name is resolved.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection by a proxy may take, with both handshakes: the proxy must look the name up and connect, too.
const PROXIED_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an attempt may take, from the look-up of the name to the end of the answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// How large the head of an answer may be: status line and headers.
const HEAD_MAX_BYTES: usize = 16 * 1024;

/// With however few descriptors, so many messages may be under way: a quarter of them is for receivers that answer, and
/// those that are new and those that fail need one each.
const AT_ONCE_LEAST: usize = 4;

/// Sends HTTP requests to receivers.
pub struct HttpSender {
    allow_private: bool,
    resolver: Resolver,
    proxies: Proxies,
    tls: TlsConnector,
    at_once_most: usize,
    kept: Arc<Kept>,
}

/// One request, ready to be sent to one place.
struct Prepared {
    place: Place,
    request: Request<Full<Bytes>>,
}

impl HttpSender {
    /// A sender; `allow_private` permits plain HTTP and private addresses (never metadata services).
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(allow_private: bool, resolver: Resolver, trust: &Arc<Trust>, proxies: Proxies) -> Result<Self> {
        let mut tls = trust.client()?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            allow_private,
            resolver,
            proxies,
            tls: TlsConnector::from(Arc::new(tls)),
            at_once_most: usize::MAX,
            kept: Arc::default(),
        })
    }

    /// Takes at most so many file descriptors: half of them for what is being sent, half for connections that are kept
    /// open for the next message.
    #[must_use]
    pub fn with_connections(mut self, most: usize) -> Self {
        self.at_once_most = (most / 2).max(AT_ONCE_LEAST);
        self.kept = Arc::new(Kept::at_most(most / 2));
        self
    }

    /// How many messages may be under way at once.
    pub fn at_once_most(&self) -> usize {
        self.at_once_most
    }

    /// Posts a JSON `body` on behalf of `customer`. Ends within 15 seconds.
    pub async fn post(
        &self,
        customer: &CustomerId,
        url: &secret::Url,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> HttpReply {
        let prepared = match self.prepare(customer, url, headers, body) {
            Ok(prepared) => prepared,
            Err(reply) => return scrubbed(reply, url),
        };
        let deadline = Instant::now() + ATTEMPT_TIMEOUT;
        match timeout_at(deadline, self.exchange(prepared)).await {
            Ok(Ok((response, connection))) => answer::answered(response, connection, &self.kept, url, deadline).await,
            Ok(Err(reply)) => scrubbed(reply, url),
            Err(_) => failed(format!("no answer within {} seconds", ATTEMPT_TIMEOUT.as_secs())),
        }
    }

    /// The URL is checked once more at the moment of sending: the operator's permission may have changed since the rule
    /// file was read.
    fn prepare(
        &self,
        customer: &CustomerId,
        url: &secret::Url,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Prepared, HttpReply> {
        let target = guard::check_url(url.reveal(), self.allow_private).map_err(|why| HttpReply::Blocked { why })?;
        let place = Place::of(customer, &target).ok_or_else(|| failed("the URL names no host and port".to_owned()))?;
        let path = &target[Position::BeforePath..Position::AfterQuery];
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .body(Full::new(body))
            .map_err(|_| failed("the URL's path or query cannot be sent".to_owned()))?;
        *request.headers_mut() = header_map(&target, headers).map_err(failed)?;
        Ok(Prepared { place, request })
    }

    /// Sends the request, over a connection that is there or a new one, and waits for the head of the answer.
    async fn exchange(
        &self,
        prepared: Prepared,
    ) -> Result<(hyper::Response<hyper::body::Incoming>, Connection), HttpReply> {
        let Prepared { place, mut request } = prepared;
        if let Some(mut connection) = self.kept.take(&place) {
            match connection.send(request).await {
                Ok(response) => return Ok((response, connection)),
                // it was closed meanwhile: nothing was sent
                Err(failed) => match failed.unsent {
                    Some(unsent) => request = unsent,
                    None => return Err(answer::lost(&failed.error)),
                },
            }
        }
        let mut connection = self.connected(place).await?;
        match connection.send(request).await {
            Ok(response) => Ok((response, connection)),
            Err(failed) => Err(answer::lost(&failed.error)),
        }
    }

    async fn connected(&self, place: Place) -> Result<Connection, HttpReply> {
        let found = self.resolver.resolve(&place.customer, &place.host).await;
        let route = self
            .proxies
            .route(place.is_secure, &place.host, found, self.allow_private);
        let (most, opening) = match route {
            Route::Blocked => return Err(blocked()),
            Route::Unknown(error) => return Err(failed(error.to_string())),
            Route::Direct(addresses) => (CONNECT_TIMEOUT, self.open(place, Way::Direct(addresses))),
            Route::Proxied(proxy) => (PROXIED_TIMEOUT, self.open(place, Way::Proxied(proxy))),
        };
        match timeout(most, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(failed(format!("no connection within {} seconds", most.as_secs()))),
        }
    }

    async fn open(&self, place: Place, way: Way<'_>) -> Result<Connection, HttpReply> {
        let (stream, meter) = way.open(&place, &self.resolver, &self.tls).await.map_err(failed)?;
        let stream = match place.is_secure {
            false => stream,
            true => self.secured(&place, stream).await.map_err(failed)?,
        };
        let opened = Connection::open(place, stream, meter, way.forwarding()).await;
        opened.map_err(|error| answer::lost(&error))
    }

    /// Inside TLS with the receiver itself, also through a proxy.
    async fn secured(&self, place: &Place, stream: Stream) -> Result<Stream, String> {
        way::secured(stream, &self.tls, &place.host).await
    }
}

fn blocked() -> HttpReply {
    HttpReply::Blocked {
        why: "the URL leads to an address that is not on the public internet".to_owned(),
    }
}

fn header_map(target: &Url, headers: &[(&'static str, String)]) -> Result<HeaderMap, String> {
    let host = &target[Position::BeforeHost..Position::AfterPort];
    let mut map = HeaderMap::from_iter([
        (
            HOST,
            HeaderValue::from_str(host).map_err(|_| "the URL's host cannot be sent")?,
        ),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (ACCEPT, HeaderValue::from_static("*/*")),
        (
            USER_AGENT,
            HeaderValue::from_static(concat!("Bellwether/", env!("CARGO_PKG_VERSION"))),
        ),
    ]);
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).map_err(|_| format!("the header `{name}` cannot hold its value"))?;
        map.insert(HeaderName::from_static(name), value);
    }
    Ok(map)
}

fn failed(why: String) -> HttpReply {
    HttpReply::Failed { why }
}

/// A reply without what of the URL is secret.
fn scrubbed(reply: HttpReply, url: &secret::Url) -> HttpReply {
    match reply {
        HttpReply::Failed { why } => HttpReply::Failed {
            why: answer::scrub(&why, url),
        },
        HttpReply::Blocked { why } => HttpReply::Blocked {
            why: answer::scrub(&why, url),
        },
        answered @ HttpReply::Answered { .. } => answered,
    }
}

#[cfg(test)]
mod tests;
