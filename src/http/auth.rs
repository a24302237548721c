//! Who may what: tokens, signed links, and what is open to this machine.
//!
//! A token comes as bearer token, as `?token=`, or as the password of basic credentials, because Azure can send nothing
//! else. Without tokens in the settings the doors are open to this machine alone. Wrong tokens are limited per address.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::query::Query;
use super::refusal::Refusal;
use super::{House, Settings};
use crate::customer::{CustomerId, Viewer};
use crate::event::Provider;
use crate::secret::Secret;

/// Wrong tokens that an address may present in a minute.
const WRONG_MOST: u32 = 10;

/// How long wrong tokens are remembered.
const WRONG_WINDOW: Duration = Duration::from_secs(60);

/// Addresses whose wrong tokens are remembered.
const WRONG_ADDRESSES_MOST: usize = 10_000;

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Posting events.
    Intake,
    /// Reading everything.
    Read,
    /// Giving commands.
    Operate,
}

/// Who asks.
pub struct Caller {
    /// From where; behind a proxy on this machine, what the proxy says.
    address: IpAddr,
    /// Whether it is certainly a program on this machine: nobody whom a proxy or a web page speaks for.
    is_local: bool,
    credentials: Vec<Secret>,
    link: Option<Secret>,
}

impl Scope {
    fn word(self) -> &'static str {
        match self {
            Scope::Intake => "intake",
            Scope::Read => "read",
            Scope::Operate => "operate",
        }
    }

    /// The tokens that are enough: who may give commands may also read.
    fn tokens(self, settings: &Settings) -> Vec<&Secret> {
        let tokens = &settings.tokens;
        match self {
            Scope::Intake => tokens.intake.iter().collect(),
            Scope::Read => tokens.read.iter().chain(&tokens.operate).collect(),
            Scope::Operate => tokens.operate.iter().collect(),
        }
    }

    /// Whether nobody was given a token for this: then it is open to this machine.
    fn is_unset(self, settings: &Settings) -> bool {
        match self {
            Scope::Intake => settings.tokens.intake.is_empty(),
            Scope::Read => settings.tokens.read.is_empty(),
            Scope::Operate => settings.tokens.operate.is_empty(),
        }
    }
}

impl House {
    /// Whether the caller may.
    ///
    /// # Errors
    /// When it may not: 401 where a token is missing or wrong, 403 where none would help, 429 after too many wrong ones.
    pub fn admit(&self, caller: &Caller, scope: Scope) -> Result<(), Refusal> {
        let is_open = scope.is_unset(&self.settings) && !is_published(&self.settings);
        if is_open && caller.is_local {
            return Ok(());
        }
        self.stop_guessing(caller)?;
        if caller.presents(&scope.tokens(&self.settings)) {
            return Ok(());
        }
        if caller.credentials.is_empty() || scope.tokens(&self.settings).is_empty() {
            return Err(self.without_token(scope, caller));
        }
        let others = [Scope::Intake, Scope::Read, Scope::Operate];
        let is_for_other = |other: &Scope| caller.presents(&other.tokens(&self.settings));
        if let Some(other) = others.iter().find(|other| is_for_other(other)) {
            let what = format!("this token is for `{}`, not for `{}`", other.word(), scope.word());
            return Err(Refusal::new(StatusCode::FORBIDDEN, what));
        }
        Err(self.wrong(caller, format!("this is no `{}` token", scope.word())))
    }

    /// On whose behalf the caller reads: a customer's, by a token of its own, or the operator's.
    ///
    /// # Errors
    /// When it may not.
    pub fn reader(&self, caller: &Caller) -> Result<Viewer, Refusal> {
        if let Some(customer) = self.customer(caller) {
            self.stop_guessing(caller)?;
            return Ok(Viewer::Customer(customer));
        }
        self.admit(caller, Scope::Read)?;
        Ok(Viewer::Operator)
    }

    /// The customer whose token the caller presents; every token is compared.
    fn customer(&self, caller: &Caller) -> Option<CustomerId> {
        let tokens = self.settings.tokens.customers.iter();
        tokens.fold(None, |found, (customer, token)| match caller.presents(&[token]) {
            true => Some(customer.clone()),
            false => found,
        })
    }

    /// On whose behalf the caller reads one incident: by the signed link in a message, or as a reader.
    ///
    /// # Errors
    /// When it may not.
    pub fn opener(&self, caller: &Caller, provider: Option<Provider>, tracking_id: &str) -> Result<Viewer, Refusal> {
        let Some(link) = &caller.link else {
            return self.reader(caller);
        };
        self.stop_guessing(caller)?;
        let mut providers = Provider::ALL
            .iter()
            .filter(|one| provider.is_none_or(|asked| asked == **one));
        let opened = providers.find_map(|one| {
            let customer: CustomerId = self.links.verify(link.reveal(), one.word(), tracking_id)?;
            Some(Viewer::Link {
                customer,
                provider: one.word().to_owned(),
                tracking_id: tracking_id.to_lowercase(),
            })
        });
        opened.ok_or_else(|| {
            self.wrong(caller, "this link does not open this incident".to_owned())
                .hint("open the link of the message as it is, to its end")
        })
    }

    /// Refuses addresses that presented too many wrong tokens. This machine is not stopped: all that comes through a
    /// proxy that names no caller would be.
    fn stop_guessing(&self, caller: &Caller) -> Result<(), Refusal> {
        match self.wrong_tokens.wait(caller.address, Instant::now()) {
            Some(wait) if !caller.address.is_loopback() => Err(too_many(wait)),
            _ => Ok(()),
        }
    }

    fn wrong(&self, caller: &Caller, what: String) -> Refusal {
        self.wrong_tokens.count(caller.address, Instant::now());
        tracing::warn!(address = %caller.address, "a wrong token or link was presented");
        match self.wrong_tokens.wait(caller.address, Instant::now()) {
            Some(wait) => too_many(wait),
            None => Refusal {
                asks_for_token: true,
                ..Refusal::new(StatusCode::UNAUTHORIZED, what)
            },
        }
    }

    fn without_token(&self, scope: Scope, caller: &Caller) -> Refusal {
        let word = scope.word();
        if !scope.tokens(&self.settings).is_empty() {
            let refusal = Refusal {
                asks_for_token: true,
                ..Refusal::new(StatusCode::UNAUTHORIZED, format!("a token for `{word}` is needed"))
            };
            return refusal
                .hint("send `Authorization: Bearer …`, basic credentials with the token as password, or `?token=…`");
        }
        let what = match caller.is_local {
            true => "without a token nothing is open where a `public url` is set: a proxy may stand for anybody",
            false => "without a token this is open to programs on the daemon's own machine only",
        };
        let hint = format!("name a secret in the settings: `tokens: {{ {word}: … }}`");
        Refusal::new(StatusCode::FORBIDDEN, what).hint(hint)
    }
}

/// Whether the world is led here.
fn is_published(settings: &Settings) -> bool {
    let is_elsewhere = |url: &url::Url| !url.host_str().is_some_and(is_this_machine);
    settings.public_url.as_ref().is_some_and(is_elsewhere)
}

fn too_many(wait: Duration) -> Refusal {
    Refusal {
        retry_after_seconds: Some(wait.as_secs() + 1),
        ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens")
    }
}

impl Caller {
    /// Whether a credential is one of these tokens; each is compared, in constant time.
    fn presents(&self, tokens: &[&Secret]) -> bool {
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
        Self {
            address: if peer.is_loopback() {
                named_by_proxy(&parts.headers).unwrap_or(peer)
            } else {
                peer
            },
            is_local: peer.is_loopback() && is_from_here(&parts.headers),
            credentials,
            link: query.one("link").map(Secret::new),
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

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The caller that a proxy on this machine names: the last one, which the proxy itself has seen.
fn named_by_proxy(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    last.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Wrong tokens by address; a network of IPv6 addresses that one subscriber gets (/64) counts as one.
#[derive(Default)]
pub struct WrongTokens(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl WrongTokens {
    /// Counts a wrong token.
    fn count(&self, address: IpAddr, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= WRONG_ADDRESSES_MOST {
            known.retain(|_, (since, _)| now.duration_since(*since) < WRONG_WINDOW);
        }
        if known.len() >= WRONG_ADDRESSES_MOST {
            // so many guess at once that forgetting all of them costs less than remembering more
            known.clear();
        }
        let entry = known.entry(network(address)).or_insert((now, 0));
        if now.duration_since(entry.0) >= WRONG_WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }

    /// How long an address must wait, if it presented too many.
    fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = *known.get(&network(address))?;
        let left = WRONG_WINDOW.checked_sub(now.duration_since(since))?;
        (count > WRONG_MOST && !left.is_zero()).then_some(left)
    }
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
    fn a_proxy_on_this_machine_names_the_caller_and_no_other_does() {
        let forwarded = [("x-forwarded-for", "203.0.113.9, 192.0.2.7")];
        assert_eq!(caller("127.0.0.1", &forwarded, "/").address.to_string(), "192.0.2.7");
        assert_eq!(
            caller("198.51.100.1", &forwarded, "/").address.to_string(),
            "198.51.100.1"
        );
    }

    #[test]
    fn after_ten_wrong_tokens_an_address_waits_for_the_rest_of_the_minute() {
        let (wrong, start) = (WrongTokens::default(), Instant::now());
        let (one, other) = ("192.0.2.1".parse().expect("v4"), "192.0.2.2".parse().expect("v4"));
        for _ in 0..WRONG_MOST {
            wrong.count(one, start);
            assert_eq!(wrong.wait(one, start), None);
        }
        wrong.count(one, start + Duration::from_secs(20));
        assert_eq!(
            wrong.wait(one, start + Duration::from_secs(20)),
            Some(Duration::from_secs(40))
        );
        assert_eq!(wrong.wait(other, start), None);
        assert_eq!(wrong.wait(one, start + WRONG_WINDOW), None);
        wrong.count(one, start + WRONG_WINDOW);
        assert_eq!(wrong.wait(one, start + WRONG_WINDOW), None);
    }

    #[test]
    fn a_whole_network_of_one_subscriber_counts_as_one_address() {
        let (wrong, start) = (WrongTokens::default(), Instant::now());
        for nth in 0..=WRONG_MOST {
            wrong.count(format!("2001:db8:1:2::{nth:x}").parse().expect("v6"), start);
        }
        assert!(wrong.wait("2001:db8:1:2:ffff::1".parse().expect("v6"), start).is_some());
        assert!(wrong.wait("2001:db8:1:3::1".parse().expect("v6"), start).is_none());
    }

    #[test]
    fn what_is_remembered_of_wrong_tokens_is_bounded() {
        let (wrong, start) = (WrongTokens::default(), Instant::now());
        for nth in 0..(WRONG_ADDRESSES_MOST as u32 + 10) {
            wrong.count(IpAddr::from(nth.to_be_bytes()), start);
        }
        assert!(wrong.0.lock().expect("a lock").len() <= WRONG_ADDRESSES_MOST);
    }
}
