//! Who asks: from where, with which credentials, and whether it is certainly a program on this machine.
//!
//! A token comes as bearer token, as `?token=`, or as the password of basic credentials, because Azure can send nothing
//! else. What a caller may is not judged here.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono_tz::Tz;

use super::query::Query;
use super::zone;
use crate::secret::Secret;

/// The cookie over https.
pub const SECURE_COOKIE: &str = "__Host-bellwether";

/// The cookie of a browser on this machine over plain http.
pub const LOCAL_COOKIE: &str = "bellwether-local";

/// How many cookies of ours are looked at.
const COOKIES_MOST: usize = 4;

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Who asks.
pub struct Caller {
    /// From where; behind a proxy on this machine, what the proxy says.
    pub address: IpAddr,
    /// Whether it is certainly a program on this machine: nobody whom a proxy or a web page speaks for.
    pub is_local: bool,
    /// Every token it presents.
    pub credentials: Vec<Secret>,
    /// The token of a signed link.
    pub link: Option<Secret>,
    /// What its browser keeps of a session, sealed. The cookie without `Secure` counts on this machine only.
    pub cookies: Vec<Secret>,
    /// Whether a proxy on this machine says that the caller came over https.
    pub is_over_https: bool,
    /// The customer on whose behalf it wants to read.
    pub as_customer: Option<String>,
    /// The zone in which it reads times beside UTC.
    pub zone: Option<Tz>,
}

impl Caller {
    /// Whether a credential is one of these tokens; each is compared, in constant time.
    pub fn presents(&self, tokens: &[&Secret]) -> bool {
        let pairs = self
            .credentials
            .iter()
            .flat_map(|given| tokens.iter().map(move |token| (given, token)));
        pairs.fold(false, |found, (given, token)| token.equals(given.reveal()) | found)
    }

    fn of(parts: &Parts) -> Self {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let peer = parts
            .extensions
            .get::<Peer>()
            .map_or(unknown, |peer| peer.0)
            .ip()
            .to_canonical();
        let query = Query::of(&parts.uri);
        let mut credentials: Vec<Secret> = authorization(&parts.headers).into_iter().collect();
        credentials.extend(query.one("token").map(Secret::new));
        let is_local = peer.is_loopback() && is_from_here(&parts.headers);
        Self {
            address: if peer.is_loopback() {
                named_by_proxy(&parts.headers).unwrap_or(peer)
            } else {
                peer
            },
            is_local,
            credentials,
            link: query.one("link").map(Secret::new),
            cookies: cookies(&parts.headers, is_local),
            is_over_https: peer.is_loopback() && came_over_https(&parts.headers),
            as_customer: query.one("as").map(str::to_owned),
            zone: zone::chosen(&parts.headers),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// The token of an `Authorization` header (RFC 6750 §2.1, RFC 7617 §2).
fn authorization(headers: &HeaderMap) -> Option<Secret> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Secret::new(rest.trim()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(rest.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(Secret::new(if password.is_empty() { user } else { password }))
}

/// The values of our cookies (RFC 6265 §4.2), at most a few: others may be set beside them.
fn cookies(headers: &HeaderMap, is_local: bool) -> Vec<Secret> {
    let pairs = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let pairs = pairs
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let is_ours = |name: &str| name == SECURE_COOKIE || (is_local && name == LOCAL_COOKIE);
    let values = pairs
        .filter(|(name, _)| is_ours(name))
        .map(|(_, value)| Secret::new(value));
    values.take(COOKIES_MOST).collect()
}

/// Whether the last proxy says that it was asked over https.
fn came_over_https(headers: &HeaderMap) -> bool {
    let said = headers.get_all("x-forwarded-proto").iter().next_back();
    let last = said
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.rsplit(',').next());
    last.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

/// Whether a request that may change something was made by a page of somewhere else, in a browser whose credentials go
/// along. Programs send neither header. (The algorithm of Go's `http.CrossOriginProtection`.)
pub fn is_from_another_site(headers: &HeaderMap, public_host: Option<&str>) -> bool {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = said("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = said("origin") else { return false };
    let authority = origin.rsplit_once("//").map_or(origin, |(_, authority)| authority);
    let is_host = said("host").is_some_and(|host| host.eq_ignore_ascii_case(authority));
    let is_public = public_host.is_some_and(|host| host.eq_ignore_ascii_case(host_of(origin)));
    !is_host && !is_public
}

/// Headers by which proxies say that they speak for somebody.
const FORWARDED: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "via",
];

/// Whether a request from this machine is its own: no proxy says that it speaks for somebody, and no web page of
/// somewhere else makes a browser on this machine ask (by its origin, or by a name that was bent to point here).
fn is_from_here(headers: &HeaderMap) -> bool {
    let names_host = |name: header::HeaderName| match headers.get(name).map(|value| value.to_str()) {
        None => true,
        Some(Err(_)) => false,
        Some(Ok(value)) => is_this_machine(host_of(value)),
    };
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    FORWARDED.iter().all(|name| !headers.contains_key(*name))
        && names_host(header::HOST)
        && names_host(header::ORIGIN)
        && site.is_none_or(|site| matches!(site, "none" | "same-origin"))
}

/// The host in `host:port` or `http://host:port`.
fn host_of(value: &str) -> &str {
    let authority = value.rsplit_once("//").map_or(value, |(_, authority)| authority);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Whether a host is this machine by name or address.
pub fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The caller that a proxy on this machine names: the last one, which the proxy itself has seen.
fn named_by_proxy(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    last.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The address, or the network of it that belongs to one subscriber.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn caller(peer: &str, headers: &[(&str, &str)], uri: &str) -> Caller {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        parts
            .extensions
            .insert(Peer(SocketAddr::new(peer.parse().expect("an address"), 1)));
        Caller::of(&parts)
    }

    #[test]
    fn a_token_comes_in_three_ways() {
        let basic = format!("Basic {}", BASE64.encode("azure:hunter2"));
        let user_only = format!("basic {}", BASE64.encode("hunter2:"));
        let token = Secret::new("hunter2");
        for (header, uri) in [
            ("Bearer hunter2", "/"),
            ("bearer hunter2", "/"),
            (&basic, "/"),
            (&user_only, "/"),
            ("x", "/?token=hunter2"),
        ] {
            assert!(
                caller("192.0.2.1", &[("authorization", header)], uri).presents(&[&token]),
                "{header} {uri}"
            );
        }
        for header in [
            "Bearer hunter",
            "Bearer hunter22",
            "Digest hunter2",
            "Basic !",
            "Bearer",
        ] {
            assert!(
                !caller("192.0.2.1", &[("authorization", header)], "/").presents(&[&token]),
                "{header}"
            );
        }
    }

    #[test]
    fn only_a_program_of_this_machine_is_local() {
        for (peer, headers) in [
            ("127.0.0.1", vec![]),
            ("127.0.0.1", vec![("host", "localhost:8080")]),
            ("::1", vec![("host", "[::1]:8080")]),
            ("::ffff:127.0.0.1", vec![("host", "127.0.0.1")]),
            (
                "127.0.0.1",
                vec![("host", "127.0.0.1:80"), ("origin", "http://127.0.0.1:80")],
            ),
        ] {
            assert!(caller(peer, &headers, "/").is_local, "{peer} {headers:?}");
        }
        for (peer, headers) in [
            ("192.0.2.1", vec![]),
            ("192.0.2.1", vec![("host", "localhost")]),
            ("127.0.0.1", vec![("host", "health.contoso.example")]),
            ("127.0.0.1", vec![("x-forwarded-for", "192.0.2.1")]),
            ("127.0.0.1", vec![("via", "1.1 proxy")]),
            (
                "127.0.0.1",
                vec![("host", "127.0.0.1"), ("origin", "https://evil.example")],
            ),
            ("127.0.0.1", vec![("origin", "null")]),
            ("127.0.0.1", vec![("sec-fetch-site", "cross-site")]),
        ] {
            assert!(!caller(peer, &headers, "/").is_local, "{peer} {headers:?}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_told_from_ours_and_from_a_program() {
        let is_other = |headers: &[(&'static str, &str)], public: Option<&str>| {
            let pairs = headers
                .iter()
                .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().expect("a value")));
            is_from_another_site(&HeaderMap::from_iter(pairs), public)
        };
        let host = ("host", "health.contoso.example");
        for (headers, expected) in [
            (vec![], false),
            (vec![host], false),
            (vec![host, ("sec-fetch-site", "same-origin")], false),
            (vec![host, ("sec-fetch-site", "none")], false),
            (vec![host, ("sec-fetch-site", "same-site")], true),
            (vec![host, ("sec-fetch-site", "cross-site")], true),
            (vec![host, ("origin", "https://health.contoso.example")], false),
            (vec![host, ("origin", "https://evil.example")], true),
            (vec![host, ("origin", "null")], true),
            (
                vec![("host", "127.0.0.1:8080"), ("origin", "https://health.contoso.example")],
                false,
            ),
            (
                vec![("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:9999")],
                true,
            ),
        ] {
            assert_eq!(
                is_other(&headers, Some("health.contoso.example")),
                expected,
                "{headers:?}"
            );
        }
    }

    #[test]
    fn the_cookie_without_https_counts_on_this_machine_only() {
        let cookies = [("cookie", "a=b; bellwether-local=x; __Host-bellwether=y")];
        let values = |peer: &str, more: &[(&str, &str)]| -> Vec<String> {
            let headers: Vec<_> = cookies.iter().chain(more).copied().collect();
            let caller = caller(peer, &headers, "/");
            caller.cookies.iter().map(|one| one.reveal().to_owned()).collect()
        };
        assert_eq!(values("127.0.0.1", &[]), ["x", "y"]);
        assert_eq!(values("192.0.2.1", &[]), ["y"]);
        assert_eq!(values("127.0.0.1", &[("x-forwarded-for", "192.0.2.1")]), ["y"]);
    }

    #[test]
    fn a_proxy_on_this_machine_names_the_caller_and_no_other_does() {
        let forwarded = [("x-forwarded-for", "203.0.113.9, 192.0.2.7")];
        assert_eq!(caller("127.0.0.1", &forwarded, "/").address.to_string(), "192.0.2.7");
        assert_eq!(
            caller("198.51.100.1", &forwarded, "/").address.to_string(),
            "198.51.100.1"
        );
    }
}
