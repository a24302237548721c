//! The way to a receiver: straight, or by a proxy that tunnels (`CONNECT`, RFC 9110 §9.3.6) or forwards plain HTTP.
//!
//! What a proxy says is counted like what a receiver says: both come over the one connection.

use std::net::IpAddr;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1::Builder;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::HEAD_MAX_BYTES;
use super::kept::{Forwarding, Place};
use crate::customer::{CustomerId, OPERATOR};
use crate::dispatch::proxy::Proxy;
use crate::dispatch::resolve::Resolver;
use crate::dispatch::stream::{Counted, Meter, Stream};
use crate::dispatch::trust::Untrusted;

/// How a receiver is reached.
pub(super) enum Way<'p> {
    /// At one of these addresses.
    Direct(Vec<IpAddr>),
    /// By this proxy.
    Proxied(&'p Proxy),
}

impl Way<'_> {
    /// A connection on which the receiver hears what is said, or (plain HTTP) the proxy that forwards it.
    pub(super) async fn open(
        &self,
        place: &Place,
        resolver: &Resolver,
        tls: &TlsConnector,
    ) -> Result<(Stream, Meter), String> {
        match self {
            Self::Direct(addresses) => connected(addresses.clone(), place.port, "no connection").await,
            Self::Proxied(proxy) => {
                let (stream, meter) = to_proxy(proxy, resolver, tls).await?;
                match place.is_secure {
                    true => Ok((tunnelled(proxy, place, stream).await?, meter)),
                    false => Ok((stream, meter)),
                }
            }
        }
    }

    /// How requests are written for the proxy, if one forwards them.
    pub(super) fn forwarding(&self) -> Option<Forwarding> {
        match self {
            Self::Direct(_) => None,
            Self::Proxied(proxy) => Some(Forwarding {
                authorization: proxy.authorization.clone(),
            }),
        }
    }
}

async fn connected(addresses: Vec<IpAddr>, port: u16, what: &str) -> Result<(Stream, Meter), String> {
    let stream = Counted::connect(addresses, port).await;
    let stream = stream.map_err(|error| format!("{what}: {error}"))?;
    let meter = stream.meter();
    Ok((Stream::Clear(stream), meter))
}

/// Inside TLS with the host of this name.
pub(super) async fn secured(stream: Stream, tls: &TlsConnector, host: &str) -> Result<Stream, String> {
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
    let name = name.map_err(|_| "its host is not one that a certificate can have".to_owned())?;
    let secured = stream.secured(tls, name).await;
    secured.map_err(|error| Untrusted::of(&error).unwrap_or_else(|| format!("TLS failed: {error}")))
}

async fn to_proxy(proxy: &Proxy, resolver: &Resolver, tls: &TlsConnector) -> Result<(Stream, Meter), String> {
    let operator = CustomerId::new(OPERATOR);
    let found = resolver.resolve(&operator, &proxy.host).await;
    let found = found.map_err(|error| format!("the proxy `{}`: {error}", proxy.host))?;
    let what = format!("no connection to the proxy `{}`", proxy.host);
    let (stream, meter) = connected(found, proxy.port, &what).await?;
    match proxy.is_secure {
        false => Ok((stream, meter)),
        true => Ok((
            secured(stream, tls, &proxy.host)
                .await
                .map_err(|why| format!("the proxy: {why}"))?,
            meter,
        )),
    }
}

/// Asks a proxy for a tunnel to a place.
async fn tunnelled(proxy: &Proxy, place: &Place, stream: Stream) -> Result<Stream, String> {
    let mut builder = Builder::new();
    builder.max_buf_size(HEAD_MAX_BYTES);
    let opened = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(|error| format!("the proxy: {error}"))?;
    let _task = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.with_upgrades().await) }));
    let request = connect_request(proxy, place)?;
    let answer = sender.send_request(request).await;
    let answer = answer.map_err(|error| format!("the proxy gave no answer to CONNECT: {error}"))?;
    if !answer.status().is_success() {
        return Err(refused(answer.status()));
    }
    let upgraded = hyper::upgrade::on(answer).await;
    let upgraded = upgraded.map_err(|error| format!("the proxy opened no tunnel: {error}"))?;
    let parts = upgraded.downcast::<TokioIo<Stream>>();
    let parts = parts.map_err(|_| "the proxy opened no tunnel".to_owned())?;
    match parts.read_buf.is_empty() {
        true => Ok(parts.io.into_inner()),
        // a receiver speaks first in no protocol that is tunnelled here
        false => Err("the proxy said more than it was asked, before anything was sent through its tunnel".to_owned()),
    }
}

fn connect_request(proxy: &Proxy, place: &Place) -> Result<Request<Empty<Bytes>>, String> {
    let authority = format!("{}:{}", place.host, place.port);
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(&authority)
        .header(HOST, &authority)
        .header(USER_AGENT, concat!("Bellwether/", env!("CARGO_PKG_VERSION")));
    if let Some(authorization) = &proxy.authorization {
        request = request.header(PROXY_AUTHORIZATION, HeaderValue::clone(authorization));
    }
    let request = request.body(Empty::new());
    request.map_err(|_| "its host cannot be asked of a proxy".to_owned())
}

/// What a proxy means that opens no tunnel.
fn refused(status: StatusCode) -> String {
    let hint = match status.as_u16() {
        401 | 407 => "it wants a user and a password, or others: `proxy: { user, password }` in the settings",
        403 | 405 => {
            "it does not let us reach this host and port: ask whoever runs it, or name the host in `proxy: { except }`"
        }
        502..=504 => "it does not reach the host itself",
        _ => "ask whoever runs it",
    };
    format!("the proxy answered {} to CONNECT: {hint}", status.as_u16())
}
