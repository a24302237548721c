//! Where a customer's URL may lead: never into our own network.
//!
//! A URL is checked twice: its text when a rule file is read ([`check_url`]), its resolved addresses by the connector
//! at every connection ([`is_allowed`]), so that a name that changes its mind in between gains nothing. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Blocks of IPv4 addresses that are not on the public internet (IANA's special-purpose registry), as (address, bits).
const CLOSED_V4: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10), // shared; 100.100.100.200 is a metadata service
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16), // link-local; 169.254.169.254 is a metadata service
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([168, 63, 129, 16], 32), // Azure's platform services inside a virtual network
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// The same for IPv6, as (first four groups, bits).
const CLOSED_V6: [([u16; 4], u32); 13] = [
    ([0, 0, 0, 0], 64),           // ::, ::1, IPv4-mapped and IPv4-compatible
    ([0x0064, 0xff9b, 0, 0], 64), // NAT64; its /96 and whatever is beside it
    ([0x0064, 0xff9b, 1, 0], 48), // local NAT64
    ([0x0100, 0, 0, 0], 64),      // discard
    ([0x2001, 0, 0, 0], 23),      // Teredo, ORCHID, benchmarking
    ([0x2001, 0x0db8, 0, 0], 32),
    ([0x2002, 0, 0, 0], 16), // 6to4
    ([0x3fff, 0, 0, 0], 20),
    ([0x5f00, 0, 0, 0], 16),
    ([0xfc00, 0, 0, 0], 7),
    ([0xfe80, 0, 0, 0], 10),
    ([0xfec0, 0, 0, 0], 10),
    ([0xff00, 0, 0, 0], 8),
];

/// Blocks that an operator who allows private receivers means by it; metadata services never are.
const PRIVATE_V4: [([u8; 4], u32); 5] = [
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
];

const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether `ip` is an address of the public internet.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !within_v4(ip, &CLOSED_V4),
        IpAddr::V6(ip) => !CLOSED_V6.iter().any(|(block, bits)| within_v6(ip, *block, *bits)),
    }
}

/// Whether `ip` may be called: public, or private where the operator allows that.
pub fn is_allowed(ip: IpAddr, allow_private: bool) -> bool {
    is_public(ip) || (allow_private && is_private(ip))
}

fn is_private(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !METADATA.contains(&ip)
        && match ip {
            IpAddr::V4(ip) => within_v4(ip, &PRIVATE_V4),
            IpAddr::V6(ip) => ip.is_loopback() || within_v6(ip, [0xfc00, 0, 0, 0], 7),
        }
}

fn within_v4(ip: Ipv4Addr, blocks: &[([u8; 4], u32)]) -> bool {
    let ip = u32::from(ip);
    blocks
        .iter()
        .any(|(block, bits)| (ip ^ u32::from_be_bytes(*block)) >> (32 - bits) == 0)
}

fn within_v6(ip: Ipv6Addr, block: [u16; 4], bits: u32) -> bool {
    let [a, b, c, d, ..] = ip.segments();
    let high = |groups: [u16; 4]| groups.iter().fold(0_u64, |all, group| all << 16 | u64::from(*group));
    (high([a, b, c, d]) ^ high(block)) >> (64 - bits) == 0
}

/// Reads a receiver's URL. With `allow_private`, plain `http`, private addresses and other ports are fine too.
///
/// # Errors
/// In words a customer can act on.
pub fn check_url(text: &str, allow_private: bool) -> Result<Url, String> {
    if text.is_empty() || text.len() > 4096 {
        return Err("a URL has 1 to 4,096 characters".into());
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err("a URL has no spaces, line ends or backslashes".into());
    }
    let url = Url::parse(text).map_err(|error| format!("not a URL (`https://…`): {error}"))?;
    check_form(text, &url, allow_private)?;
    check_port(&url, allow_private)?;
    check_host(&url, allow_private)?;
    Ok(url)
}

/// What the parser forgives and we don't: it takes `https:/host` and `https:///host` for the same.
fn check_form(text: &str, url: &Url, allow_private: bool) -> Result<(), String> {
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        "http" => return Err("the URL must begin with `https://`".into()),
        other => return Err(format!("the URL must begin with `https://`, not `{other}:`")),
    }
    let rest = text[url.scheme().len()..].strip_prefix("://");
    if rest.is_none_or(|rest| rest.starts_with('/')) {
        return Err("the URL must begin with `https://` and a host".into());
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || text
            .split(['/', '?', '#'])
            .nth(2)
            .is_some_and(|host| host.contains('@'))
    {
        return Err("a name or password in the URL is not supported: use a secret in its path or query".into());
    }
    if url.fragment().is_some() {
        return Err("a URL's part behind `#` is never sent: leave it out".into());
    }
    let lower = text.to_ascii_lowercase();
    if ["%00", "%0d", "%0a"].iter().any(|code| lower.contains(code)) {
        return Err("a URL has no encoded control characters".into());
    }
    Ok(())
}

fn check_port(url: &Url, allow_private: bool) -> Result<(), String> {
    match url.port_or_known_default() {
        Some(443 | 8443) => Ok(()),
        Some(port) if allow_private && (port == 80 || port >= 1024) => Ok(()),
        Some(port) => Err(format!("port {port} is not allowed: 443 and 8443 are")),
        None => Err("the URL names no port".into()),
    }
}

fn check_host(url: &Url, allow_private: bool) -> Result<(), String> {
    let refused = |host: &str| Err(format!("`{host}` is not on the public internet"));
    match url.host() {
        Some(Host::Ipv4(ip)) if !is_allowed(ip.into(), allow_private) => refused(&ip.to_string()),
        Some(Host::Ipv6(ip)) if !is_allowed(ip.into(), allow_private) => refused(&ip.to_string()),
        Some(Host::Domain(name)) if !allow_private && is_inner_name(name) => refused(name),
        None | Some(Host::Domain("")) => Err("the URL names no host".into()),
        Some(_) => Ok(()),
    }
}

/// Names that only resolvers inside a network know.
fn is_inner_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default();
    !name.contains('.')
        || matches!(
            last,
            "localhost" | "local" | "internal" | "intranet" | "lan" | "home" | "corp" | "arpa" | "onion"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn inner_addresses_are_not_public_in_whatever_clothes() {
        for inner in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:a9fe:a9fe",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(ip(inner)), "{inner}");
        }
    }

    #[test]
    fn addresses_beside_the_closed_blocks_are_public() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.1.1.1",
            "128.0.0.1",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2606:4700::1111",
            "2001:4860::8888",
            "2a00::1",
            "2003::1",
        ] {
            assert!(is_public(ip(public)), "{public}");
        }
    }

    #[test]
    fn an_operator_who_allows_private_receivers_never_means_metadata_services() {
        for fine in ["127.0.0.1", "10.0.0.1", "192.168.0.1", "::1", "fd12::1", "8.8.8.8"] {
            assert!(is_allowed(ip(fine), true), "{fine}");
        }
        for never in [
            "169.254.169.254",
            "100.100.100.200",
            "fd00:ec2::254",
            "fe80::1",
            "0.0.0.0",
            "224.0.0.1",
            "::ffff:169.254.169.254",
        ] {
            assert!(!is_allowed(ip(never), true), "{never}");
        }
    }

    #[test]
    fn every_trick_of_the_list_is_refused_over_http_and_https() {
        for trick in include_str!("../../tests/fixtures/ssrf-urls.txt").lines() {
            assert!(check_url(trick, false).is_err(), "{trick}");
            let secure = trick.replacen("http:", "https:", 1);
            assert!(check_url(&secure, false).is_err(), "{secure}");
        }
    }

    #[test]
    fn controls_inside_a_url_are_refused_not_dropped() {
        for trick in [
            "https://example.com\t.evil.org/",
            "https://example.com\r\n/",
            "https://exam\nple.com",
            "https://exa\u{a0}mple.com/",
            "https:\\\\169.254.169.254\\",
            "https://127.0.0.1\u{ad}/",
            "https:169.254.169.254/",
            "https:/example.com/",
            "https://@example.com/",
            "https://example.com:0/",
            "https://example.com:25/",
            "HTTPS:///example.com",
            "https://intranet/",
            "https://db.internal./",
            "https://",
        ] {
            assert!(check_url(trick, false).is_err(), "{trick:?}");
        }
    }

    #[test]
    fn usual_receivers_are_taken_as_they_are() {
        for usual in [
            "https://hooks.slack.com/services/T000/B000/abc",
            "https://prod-01.westeurope.logic.azure.com:443/workflows/0/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers&sig=a-b_c",
            "https://events.pagerduty.com/v2/enqueue",
            "https://example.com:8443/hook?to=a@b.example",
            "https://8.8.8.8/hook",
            "https://bücher.example/hook",
        ] {
            check_url(usual, false).unwrap_or_else(|why| panic!("{usual}: {why}"));
        }
        assert!(check_url("http://127.0.0.1:34567/hook", true).is_ok());
        assert!(check_url("http://169.254.169.254/", true).is_err());
        assert!(check_url("http://127.0.0.1:25/hook", true).is_err());
    }
}
