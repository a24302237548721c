//! Posting to receivers that customers named: the one place where their URLs are called.
//!
//! Every address is judged at the moment of connecting, so there is nothing between the check and the call. Redirects
//! are not followed, proxies of the environment not used, answers not decompressed. HTTP/1.1 is spoken and nothing else:
//! a connection has one request at a time, so what a receiver sends is counted against the one attempt that it belongs
//! to, and ends with it. That is why this is hyper itself and not reqwest, which is built on it: reqwest lets nobody count
//! below what it reads, and one receiver that answers `103` without end took a processor for as long as it was listened
//! to. Each customer has connections of its own. A URL is a secret: nothing of its path or query leaves
//! this file.

mod answer;
mod kept;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use rustls::pki_types::ServerName;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use super::resolve::Resolver;
use super::stream::{Counted, Stream};
use super::tls;
use crate::channel::guard;
use crate::channel::reply::HttpReply;
use crate::customer::CustomerId;
use crate::secret;
use kept::{Connection, Kept, Place};

/// How long a connection may take, with TLS, once the name is resolved.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an attempt may take, from the look-up of the name to the end of the answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// How large the head of an answer may be: status line and headers.
const HEAD_MAX_BYTES: usize = 16 * 1024;

/// Sends HTTP requests to receivers.
pub struct HttpSender {
    allow_private: bool,
    resolver: Resolver,
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
    pub fn new(allow_private: bool, resolver: Resolver) -> Result<Self> {
        Self::trusting(None, allow_private, resolver)
    }

    /// The same, and trusts these certificate authorities (PEM) too.
    fn trusting(authorities: Option<&[u8]>, allow_private: bool, resolver: Resolver) -> Result<Self> {
        let mut tls = tls::config(authorities)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            allow_private,
            resolver,
            tls: TlsConnector::from(Arc::new(tls)),
            at_once_most: usize::MAX,
            kept: Arc::default(),
        })
    }

    /// Takes at most so many file descriptors: half of them for what is being sent, half for connections that are kept
    /// open for the next message.
    #[must_use]
    pub fn with_connections(mut self, most: usize) -> Self {
        self.at_once_most = (most / 2).max(1);
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
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(answer::lost(error.error())),
                },
            }
        }
        let mut connection = self.connected(place).await?;
        match connection.send(request).await {
            Ok(response) => Ok((response, connection)),
            Err(error) => Err(answer::lost(error.error())),
        }
    }

    async fn connected(&self, place: Place) -> Result<Connection, HttpReply> {
        let found = self.resolver.resolve(&place.customer, &place.host).await;
        let found = found.map_err(|error| failed(error.to_string()))?;
        let addresses = judged(found, self.allow_private)?;
        match timeout(CONNECT_TIMEOUT, self.open(place, addresses)).await {
            Ok(opened) => opened,
            Err(_) => Err(failed(format!(
                "no connection within {} seconds",
                CONNECT_TIMEOUT.as_secs()
            ))),
        }
    }

    async fn open(&self, place: Place, addresses: Vec<IpAddr>) -> Result<Connection, HttpReply> {
        let stream = Counted::connect(addresses, place.port).await;
        let stream = stream.map_err(|error| failed(format!("no connection: {error}")))?;
        let meter = stream.meter();
        let stream = match place.is_secure {
            false => Stream::Clear(stream),
            true => {
                let name = ServerName::try_from(place.host.trim_matches(['[', ']']).to_owned());
                let name = name.map_err(|_| failed("its host is not one that a certificate can have".to_owned()))?;
                let secured = stream.secured(&self.tls, name).await;
                secured.map_err(|error| failed(format!("TLS failed: {error}")))?
            }
        };
        let opened = Connection::open(place, stream, meter).await;
        opened.map_err(|error| answer::lost(&error))
    }
}

/// Keeps the addresses that may be called.
fn judged(found: Vec<IpAddr>, allow_private: bool) -> Result<Vec<IpAddr>, HttpReply> {
    let fine: Vec<IpAddr> = found
        .into_iter()
        .filter(|address| guard::is_allowed(*address, allow_private))
        .collect();
    match fine.is_empty() {
        true => Err(HttpReply::Blocked {
            why: "the URL leads to an address that is not on the public internet".to_owned(),
        }),
        false => Ok(fine),
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
