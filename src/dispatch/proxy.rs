//! The operator's proxies for webhooks, and who is reached without them.
//!
//! What the daemon's guard can know, it still knows: addresses written in a URL, and names that this machine can look up,
//! are judged before anything is handed to a proxy ([`Proxies::route`]). A name that only the proxy can look up is handed
//! over: networks with a proxy often have no other way to such names. Where it leads is then the proxy's to guard. Mail is
//! not proxied.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::HeaderValue;
use ipnet::IpNet;

use super::resolve::Unresolved;
use crate::channel::guard;
use crate::secret::Secret;

/// The proxies, by the scheme of the receiver's URL.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For `http:` URLs.
    pub http: Option<Proxy>,
    /// For `https:` URLs.
    pub https: Option<Proxy>,
    /// Who is reached without them.
    pub except: Vec<Exception>,
}

/// One proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to inside TLS.
    pub is_secure: bool,
    /// `Proxy-Authorization`; marked as sensitive.
    pub authorization: Option<HeaderValue>,
}

/// Hosts that are reached without a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exception {
    /// This host and all below it, in small letters.
    Host(String),
    /// All below this domain, and not the domain itself.
    Below(String),
    /// Addresses: written in the URL, or those that its name has here.
    Addresses(IpNet),
}

/// How a receiver is reached.
#[derive(Debug)]
pub enum Route<'p> {
    /// At one of these addresses.
    Direct(Vec<IpAddr>),
    /// By this proxy.
    Proxied(&'p Proxy),
    /// Not at all: it leads to where nothing may be sent.
    Blocked,
    /// Not now.
    Unknown(Unresolved),
}

impl Proxy {
    /// A proxy at a URL that was checked (`http://proxy.contoso.example:3128`), with user and password.
    ///
    /// # Errors
    /// When the URL names no host, or user and password cannot be sent.
    pub fn new(url: &url::Url, credentials: Option<(&str, &Secret)>) -> Result<Self, String> {
        let host = url.host_str().ok_or("the proxy's URL names no host")?;
        let authorization = credentials.map(|(user, password)| {
            let both = BASE64.encode(format!("{user}:{}", password.reveal()));
            let mut value = HeaderValue::from_str(&format!("Basic {both}")).expect("base64 is ASCII");
            value.set_sensitive(true);
            value
        });
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default().ok_or("the proxy's URL names no port")?,
            is_secure: url.scheme() == "https",
            authorization,
        })
    }
}

impl Exception {
    /// Reads `contoso.example` (and all below it), `.contoso.example` (only what is below), `10.0.0.0/8`, `192.0.2.7`.
    ///
    /// # Errors
    /// In words an operator can act on.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        let bare = text.trim_matches(['[', ']']);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Addresses(address.into()));
        }
        if let Ok(net) = bare.parse::<IpNet>() {
            return Ok(Self::Addresses(net.trunc()));
        }
        let (below, name) = match text.strip_prefix("*.").or_else(|| text.strip_prefix('.')) {
            Some(name) => (true, name),
            None => (false, text.as_str()),
        };
        let name = name.trim_end_matches('.');
        if text.contains("://") || text.contains(':') {
            return Err(format!("`{text}` is no host: leave scheme and port out"));
        }
        if text.contains('/') {
            return Err(format!(
                "`{text}` is no block of addresses: write 10.0.0.0/8 or fd00::/8"
            ));
        }
        let is_letter = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let is_name = name
            .split('.')
            .all(|label| !label.is_empty() && label.chars().all(is_letter));
        if !is_name {
            return Err(format!(
                "`{text}` is neither a host (`contoso.example`), nor what is below one (`.contoso.example`), nor addresses \
                 (`10.0.0.0/8`)"
            ));
        }
        Ok(match below {
            true => Self::Below(name.to_owned()),
            false => Self::Host(name.to_owned()),
        })
    }

    fn names(&self, host: &str) -> bool {
        let is_below = |name: &str| host.strip_suffix(name).is_some_and(|before| before.ends_with('.'));
        match self {
            Self::Host(name) => host == name || is_below(name),
            Self::Below(name) => is_below(name),
            Self::Addresses(_) => false,
        }
    }

    fn holds(&self, address: IpAddr) -> bool {
        matches!(self, Self::Addresses(net) if net.contains(&address.to_canonical()) || net.contains(&address))
    }
}

impl Proxies {
    /// How a host is reached, of which this machine found these addresses.
    pub fn route(
        &self,
        is_secure: bool,
        host: &str,
        found: Result<Vec<IpAddr>, Unresolved>,
        allow_private: bool,
    ) -> Route<'_> {
        let proxy = if is_secure { &self.https } else { &self.http };
        let Some(proxy) = proxy
            .as_ref()
            .filter(|_| !self.is_excepted(host, found.as_deref().unwrap_or_default()))
        else {
            return direct(found, allow_private);
        };
        match found {
            // the proxy chooses among them by itself, so none may lead to where nothing may be sent
            Ok(addresses) => match addresses
                .iter()
                .all(|address| guard::is_allowed(*address, allow_private))
            {
                true => Route::Proxied(proxy),
                false => Route::Blocked,
            },
            Err(Unresolved::Failed(_) | Unresolved::Slow) => Route::Proxied(proxy),
            // it was not looked up at all: it may be one that this machine knows
            Err(busy @ Unresolved::Busy) => Route::Unknown(busy),
        }
    }

    fn is_excepted(&self, host: &str, addresses: &[IpAddr]) -> bool {
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let by_name = self.except.iter().any(|one| one.names(&host));
        let is_held = |address: &IpAddr| self.except.iter().any(|one| one.holds(*address));
        by_name || !addresses.is_empty() && addresses.iter().all(is_held)
    }
}

/// Keeps the addresses that may be called.
fn direct(found: Result<Vec<IpAddr>, Unresolved>, allow_private: bool) -> Route<'static> {
    let found = match found {
        Ok(found) => found,
        Err(error) => return Route::Unknown(error),
    };
    let is_fine = |address: &IpAddr| guard::is_allowed(*address, allow_private);
    let fine: Vec<IpAddr> = found.into_iter().filter(is_fine).collect();
    match fine.is_empty() {
        true => Route::Blocked,
        false => Route::Direct(fine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(except: &[&str]) -> Proxies {
        let url = url::Url::parse("http://proxy.contoso.example:3128").expect("a URL");
        Proxies {
            http: None,
            https: Some(Proxy::new(&url, None).expect("a proxy")),
            except: except
                .iter()
                .map(|one| Exception::read(one).expect("an exception"))
                .collect(),
        }
    }

    fn word(route: &Route<'_>) -> &'static str {
        match route {
            Route::Direct(_) => "direct",
            Route::Proxied(_) => "proxied",
            Route::Blocked => "blocked",
            Route::Unknown(_) => "unknown",
        }
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn who_is_reached_without_a_proxy() {
        let proxies = proxies(&[
            "contoso.internal",
            ".corp.example",
            "*.lan.example",
            "10.0.0.0/8",
            "fd00::/8",
            "8.8.8.8",
        ]);
        for (host, found, expected) in [
            ("contoso.internal", &["8.8.4.4"][..], "direct"),
            ("git.Contoso.internal.", &["8.8.4.4"], "direct"),
            ("notcontoso.internal", &["8.8.4.4"], "proxied"),
            ("corp.example", &["8.8.4.4"], "proxied"),
            ("git.corp.example", &["8.8.4.4"], "direct"),
            ("a.b.lan.example", &["8.8.4.4"], "direct"),
            ("8.8.8.8", &["8.8.8.8"], "direct"),
            ("[fd00::7]", &["fd00::7"], "direct"),
            ("git.example", &["10.1.2.3"], "direct"),
            ("git.example", &["10.1.2.3", "8.8.4.4"], "proxied"),
            ("hooks.example", &["8.8.4.4"], "proxied"),
        ] {
            let route = proxies.route(true, host, Ok(ips(found)), true);
            assert_eq!(word(&route), expected, "{host} {found:?}");
        }
        assert_eq!(
            word(&proxies.route(false, "hooks.example", Ok(ips(&["8.8.4.4"])), true)),
            "direct"
        );
    }

    #[test]
    fn what_this_machine_knows_is_judged_before_a_proxy_is_asked() {
        let proxies = proxies(&["inside.example"]);
        for (host, found, expected) in [
            ("169.254.169.254", &["169.254.169.254"][..], "blocked"),
            ("127.0.0.1", &["127.0.0.1"], "blocked"),
            ("[::1]", &["::1"], "blocked"),
            ("rebound.example", &["10.0.0.1"], "blocked"),
            ("both.example", &["8.8.8.8", "10.0.0.1"], "blocked"),
            ("inside.example", &["10.0.0.1"], "blocked"),
            ("inside.example", &["10.0.0.1", "8.8.8.8"], "direct"),
            ("hooks.example", &["8.8.8.8"], "proxied"),
        ] {
            let route = proxies.route(true, host, Ok(ips(found)), false);
            assert_eq!(word(&route), expected, "{host} {found:?}");
        }
        for (found, expected) in [
            (Unresolved::Failed("no such name".to_owned()), "proxied"),
            (Unresolved::Slow, "proxied"),
            (Unresolved::Busy, "unknown"),
        ] {
            assert_eq!(word(&proxies.route(true, "hooks.example", Err(found), false)), expected);
        }
        let none = Proxies::default();
        assert_eq!(
            word(&none.route(true, "hooks.example", Err(Unresolved::Slow), false)),
            "unknown"
        );
    }

    #[test]
    fn what_is_no_exception_says_what_to_write() {
        for (bad, expected) in [
            ("https://contoso.example", "leave scheme and port out"),
            ("contoso.example:443", "leave scheme and port out"),
            ("10.0.0.0/33", "10.0.0.0/8"),
            ("contoso.example/x", "10.0.0.0/8"),
            ("*", "neither a host"),
            ("", "neither a host"),
            ("con toso", "neither a host"),
            ("a..b", "neither a host"),
        ] {
            let said = Exception::read(bad).expect_err(bad);
            assert!(said.contains(expected), "{bad}: {said}");
        }
    }

    #[test]
    fn a_password_is_said_to_the_proxy_and_shown_to_nobody() {
        let url = url::Url::parse("http://[::1]:3128").expect("a URL");
        let proxy = Proxy::new(&url, Some(("ada", &Secret::new("hunter2")))).expect("a proxy");
        assert_eq!(proxy.host, "::1");
        let value = proxy.authorization.as_ref().expect("a header");
        assert_eq!(value.as_bytes(), b"Basic YWRhOmh1bnRlcjI=");
        assert!(!format!("{proxy:?}").contains("YWRh"));
    }
}
