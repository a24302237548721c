//! Placeholder: replaced by the real guard when the branches meet.

use std::net::IpAddr;

/// Whether an address is one of the public internet.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified()),
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unspecified()),
    }
}

/// Checks the URL of a receiver.
pub fn check_url(text: &str, allow_private: bool) -> Result<url::Url, String> {
    if text.chars().any(|c| c.is_control() || c == ' ' || c == '\\') {
        return Err("a URL has no spaces, control characters or backslashes".into());
    }
    let url = url::Url::parse(text).map_err(|_| "not a URL (`https://host/path`)".to_owned())?;
    if url.scheme() != "https" && !(allow_private && url.scheme() == "http") {
        return Err("only https is spoken".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("no user or password in a URL".into());
    }
    let ip = match url.host() {
        Some(url::Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(url::Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        _ => None,
    };
    if ip.is_some_and(|ip| !is_public(ip)) && !allow_private {
        return Err("this address is not on the public internet".into());
    }
    Ok(url)
}
