//! How the daemon reaches others: proxies, certificates that are trusted, and the name that is said hello with.

use std::ffi::OsString;
use std::path::PathBuf;

use super::values::{checked, password, path};
use super::{Settings, Smtp};
use crate::dispatch::proxy::Exception;
use crate::dispatch::smtp::own_hello;
use crate::problem::fields::{Keys, Reading};
use crate::problem::yaml::{Node, Value};

/// The proxies of webhooks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// For `http:` URLs.
    pub http: Option<url::Url>,
    /// For `https:` URLs.
    pub https: Option<url::Url>,
    /// Who is reached without them.
    pub except: Vec<Exception>,
    /// Who signs in.
    pub user: Option<String>,
    /// The name of the secret that holds the password.
    pub password: Option<String>,
}

/// A file of certificates that are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustFile {
    /// Where it is.
    pub path: PathBuf,
    /// The hosts for which it counts, in small letters; all, if there are none.
    pub hosts: Vec<String>,
}

const PROXY: Keys = Keys {
    of: "`proxy`",
    known: &["http", "https", "except", "user", "password"],
    later: &[],
    meant: &[
        ("url", "https, http"),
        ("all", "https, http"),
        ("no proxy", "except"),
        ("exceptions", "except"),
        ("bypass", "except"),
        ("ignore", "except"),
        ("username", "user"),
        ("credentials", "user, password"),
        (
            "smtp",
            "=mail is not proxied: let this machine reach the relay, or choose a relay inside",
        ),
        ("socks", "=only http:// and https:// proxies are spoken to"),
    ],
    takes_own: false,
};

const TRUST: Keys = Keys {
    of: "an item of `trust`",
    known: &["certificates", "for"],
    later: &[],
    meant: &[
        ("file", "certificates"),
        ("certificate", "certificates"),
        ("pem", "certificates"),
        ("ca", "certificates"),
        ("path", "certificates"),
        ("host", "for"),
        ("hosts", "for"),
    ],
    takes_own: false,
};

const PROXY_EXAMPLE: &str = "proxy: { https: http://proxy.contoso.example:3128 }";
const TRUST_EXAMPLE: &str = "trust: [{ certificates: /etc/bellwether/hooks.pem, for: hooks.contoso.example }]";

/// Reads `proxy`: a table, or one URL for everything.
pub(super) fn proxy(reading: &Reading<'_>, node: &Node) -> Option<Proxy> {
    if let Value::Text(_) = node.value {
        let url = checked(reading, node, "proxy", proxy_url)?;
        return Some(Proxy {
            http: Some(url.clone()),
            https: Some(url),
            ..Proxy::default()
        });
    }
    let fields = reading.fields(node, &PROXY)?;
    let url = |key: &str| fields.get(key).and_then(|node| checked(reading, node, key, proxy_url));
    let excepted = fields
        .get("except")
        .map(|node| reading.texts(node, "an exception"))
        .unwrap_or_default();
    let except = excepted.into_iter().filter_map(|text| {
        Exception::read(&text.value)
            .map_err(|what| reading.error(text.place, &what, None))
            .ok()
    });
    let proxy = Proxy {
        http: url("http"),
        https: url("https"),
        except: except.collect(),
        user: fields.get("user").and_then(|node| reading.text(node, "the user")),
        password: fields.get("password").and_then(|node| password(reading, node)),
    };
    if fields.get("http").is_none() && fields.get("https").is_none() {
        reading.error(
            fields.place,
            "`proxy` has neither `http` nor `https`",
            Some(PROXY_EXAMPLE),
        );
    }
    if fields.get("user").is_some() != fields.get("password").is_some() {
        reading.error(fields.place, "`user` and `password` come together", None);
    }
    Some(proxy)
}

/// `http://proxy.contoso.example:3128`
fn proxy_url(text: &str) -> Result<url::Url, String> {
    let no_url = "not the URL of a proxy (`http://proxy.contoso.example:3128`)";
    let has_scheme = text.contains("://");
    let url = url::Url::parse(text)
        .ok()
        .filter(|_| has_scheme)
        .ok_or_else(|| match has_scheme {
            true => no_url.to_owned(),
            false => {
                format!("{no_url}: begin it with `http://`, or `https://` if the proxy itself is spoken to inside TLS")
            }
        })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("user and password stand beside the URL, as `user` and `password: { secret: name }`".to_owned());
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "only http:// and https:// proxies are spoken to, not {}://",
            url.scheme()
        ));
    }
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    match url.has_host() && is_bare {
        true => Ok(url),
        false => Err(format!("{no_url}: it has a host and a port, and nothing behind them")),
    }
}

/// Reads `trust`: files, or tables of a file and the hosts for which it counts.
pub(super) fn trust(reading: &Reading<'_>, node: &Node) -> Vec<TrustFile> {
    let items = reading.items(node);
    items.into_iter().filter_map(|item| trusted(reading, item)).collect()
}

fn trusted(reading: &Reading<'_>, node: &Node) -> Option<TrustFile> {
    let Value::Map(_) = node.value else {
        let path = checked(reading, node, "trust", pem_path)?;
        return Some(TrustFile {
            path,
            hosts: Vec::new(),
        });
    };
    let fields = reading.fields(node, &TRUST)?;
    let Some(file) = fields.get("certificates") else {
        reading.error(fields.place, "this item of `trust` names no file", Some(TRUST_EXAMPLE));
        return None;
    };
    let written = fields
        .get("for")
        .map(|node| reading.texts(node, "a host"))
        .unwrap_or_default();
    let hosts: Vec<String> = written
        .into_iter()
        .filter_map(|text| {
            host(&text.value)
                .map_err(|what| reading.error(text.place, &what, Some("for: hooks.contoso.example")))
                .ok()
        })
        .collect();
    let path = checked(reading, file, "certificates", pem_path)?;
    // a file that was meant for some hosts never counts for all
    (fields.get("for").is_none() || !hosts.is_empty()).then_some(TrustFile { path, hosts })
}

fn pem_path(text: &str) -> Result<PathBuf, String> {
    match text.contains("-----BEGIN") {
        true => {
            Err("the certificates themselves do not belong here: put them into a file and write its path".to_owned())
        }
        false => path(text),
    }
}

/// A host as it stands in a URL, in small letters.
fn host(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
    let url = url::Url::parse(&format!("https://{text}/")).ok();
    let is_bare = !text.contains(['/', ':', '@', '?', '#']) || text.parse::<std::net::Ipv6Addr>().is_ok();
    let parsed = url.and_then(|url| url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()));
    match parsed.filter(|_| is_bare && !text.contains('*')) {
        Some(host) => Ok(host),
        None if text.parse::<std::net::Ipv6Addr>().is_ok() => Ok(text),
        None => Err(format!(
            "`{text}` is no host: write it as it stands in the URL, without scheme, port and `*`"
        )),
    }
}

/// Reads `smtp: { hello }`; warns of a name that many relays refuse.
pub(super) fn hello(reading: &Reading<'_>, node: &Node) -> Option<String> {
    let name = checked(reading, node, "hello", hello_name)?;
    if !is_full(&name) {
        let what = format!("many mail servers refuse `{name}`: they want a name that the DNS knows");
        reading.warning(node.place, &what, Some("hello: bellwether.contoso.example"));
    }
    Some(name)
}

/// A host name, or an address between brackets (RFC 5321 §4.1.3).
fn hello_name(text: &str) -> Result<String, String> {
    let bad = || format!("`{text}` is no name to say hello with: bellwether.contoso.example, or [192.0.2.7]");
    if let Some(literal) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address = literal.strip_prefix("IPv6:").unwrap_or(literal);
        return match address.parse::<std::net::IpAddr>() {
            Ok(address) if address.is_ipv4() => Ok(format!("[{address}]")),
            Ok(address) => Ok(format!("[IPv6:{address}]")),
            Err(_) => Err(bad()),
        };
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match text.len() <= 253 && text.split('.').all(is_label) {
        true => Ok(text.to_owned()),
        false => Err(bad()),
    }
}

/// Whether many relays take a name: it has a dot, or is the address of another machine than this one.
fn is_full(name: &str) -> bool {
    match name.strip_prefix('[') {
        Some(literal) => !literal.starts_with("127."),
        None => name.contains('.'),
    }
}

/// What an operator should know of the name that is said hello with: the machine's own may be one that relays refuse.
pub fn relay_warning(smtp: Option<&Smtp>) -> Option<String> {
    let smtp = smtp.filter(|smtp| smtp.hello.is_none())?;
    let name = own_hello();
    let relay = smtp.url.host_str().unwrap_or_default();
    (!is_full(&name)).then(|| {
        format!(
            "this machine says hello to the mail relay `{relay}` as `{name}`, a name without a dot, which many mail servers \
             refuse; hint: smtp: {{ hello: bellwether.contoso.example }}, a name that the DNS knows"
        )
    })
}

/// The variables by which other programs learn of a proxy.
const VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// What an operator should know who set such variables (`value_of` looks them up) and not the setting: they are not
/// followed. Their values are not shown, as they may hold passwords.
pub fn unused_proxy_variables(settings: &Settings, value_of: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    let is_set = |name: &&&str| value_of(name).is_some_and(|value| !value.is_empty());
    let set: Vec<&str> = VARIABLES.iter().filter(is_set).copied().collect();
    (settings.proxy.is_none() && !set.is_empty()).then(|| {
        format!(
            "{} is set in the environment and is not followed: webhooks are sent without a proxy; hint: {PROXY_EXAMPLE}",
            set.join(", ")
        )
    })
}

#[cfg(test)]
mod tests;
