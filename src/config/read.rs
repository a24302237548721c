//! The settings file, key by key.

use std::net::SocketAddr;

use crate::channel::EmailAddress;
use crate::problem::Problem;
use crate::problem::examine::Texts;
use crate::problem::fields::{Fields, Keys, Reading};
use crate::problem::yaml::{Node, Value};
use crate::schedule::Cron;

use super::values::{checked, password, path};
use super::{DAY, Limits, Log, MailFrom, NOWHERE, Retention, Settings, Smtp, Tokens, customers, outbound, reviews};

const SETTINGS: Keys = Keys {
    of: "the settings file",
    known: &[
        "listen",
        "public url",
        "tokens",
        "smtp",
        "proxy",
        "trust",
        "customers",
        "contact",
        "catalogue",
        "retention",
        "housekeeping",
        "limits",
        "reviews",
        "secrets",
        "rules",
        "state",
        "allow private receivers",
        "log",
    ],
    later: &["inventory", "sources"],
    meant: &[
        ("address", "listen"),
        ("port", "listen"),
        ("bind", "listen"),
        ("base url", "public url"),
        ("url", "public url"),
        ("token", "tokens"),
        ("mail", "smtp"),
        ("email", "smtp, contact"),
        ("customer", "customers"),
        ("tenants", "customers"),
        ("credentials", "secrets"),
        ("data", "state"),
        ("data dir", "state"),
        ("logging", "log"),
        ("proxies", "proxy"),
        ("https proxy", "proxy"),
        ("http proxy", "proxy"),
        (
            "no proxy",
            "=write `proxy: { https: http://proxy:3128, except: [contoso.internal] }`",
        ),
        ("ca", "trust"),
        ("authorities", "trust"),
        ("certificates", "trust"),
    ],
    takes_own: true,
};

const TOKENS: Keys = Keys {
    of: "`tokens`",
    known: &["intake", "read", "operate"],
    later: &[],
    meant: &[
        ("ingest", "intake"),
        ("write", "intake, operate"),
        ("admin", "operate"),
        ("operator", "operate"),
    ],
    takes_own: false,
};

const SMTP: Keys = Keys {
    of: "`smtp`",
    known: &["url", "from", "user", "password", "hello"],
    later: &["dkim"],
    meant: &[
        ("host", "url"),
        ("server", "url"),
        ("port", "url"),
        ("username", "user"),
        ("credentials", "user, password"),
        ("tls", "=write it into the url: smtp://host?tls=opportunistic"),
        ("helo", "hello"),
        ("ehlo", "hello"),
        ("helo name", "hello"),
        ("hostname", "hello"),
        ("authorities", "=`trust: FILE.pem`, beside `smtp`"),
        ("ca", "=`trust: FILE.pem`, beside `smtp`"),
        (
            "proxy",
            "=mail is not proxied: let this machine reach the relay, or choose a relay inside",
        ),
    ],
    takes_own: false,
};

const RETENTION: Keys = Keys {
    of: "`retention`",
    known: &["events", "reviews", "deliveries"],
    later: &["drafts", "questions"],
    meant: &[("incidents", "events"), ("attempts", "deliveries")],
    takes_own: false,
};

const LIMITS: Keys = Keys {
    of: "`limits`",
    known: &[
        "body",
        "history body",
        "connections",
        "connections per address",
        "waiting events",
    ],
    later: &["requests per minute"],
    meant: &[
        ("body bytes", "body"),
        ("body size", "body"),
        ("queue", "waiting events"),
    ],
    takes_own: false,
};

/// Reads the file; what is wrong in it keeps its default.
pub(super) fn file(file: &str, text: &str) -> (Settings, Vec<Problem>) {
    let reading = Reading::new(file, text);
    let mut settings = Settings::default();
    if let Some(tree) = reading.tree(Texts {
        only_told: true,
        ..Texts::default()
    }) && !matches!(tree.value, Value::Nothing)
        && let Some(fields) = reading.fields(&tree, &SETTINGS)
    {
        Reader {
            reading: &reading,
            fields: &fields,
        }
        .read(&mut settings);
    }
    (settings, reading.take_problems())
}

struct Reader<'r, 't> {
    reading: &'r Reading<'t>,
    fields: &'r Fields<'r>,
}

impl Reader<'_, '_> {
    fn read(&self, settings: &mut Settings) {
        self.set(&mut settings.listen, "listen", listen);
        self.set(&mut settings.log, "log", log);
        self.set(&mut settings.housekeeping, "housekeeping", Cron::read);
        self.set_some(&mut settings.public_url, "public url", public_url);
        self.set_some(&mut settings.catalogue, "catalogue", path);
        self.set_some(&mut settings.secrets, "secrets", path);
        self.set(&mut settings.rules, "rules", path);
        self.set(&mut settings.state, "state", path);
        let contact = |text: &str| EmailAddress::read(text).map(|address| address.as_str().to_owned());
        self.set_some(&mut settings.customers.contact, "contact", contact);
        if let Some(node) = self.fields.get("allow private receivers") {
            settings.allow_private_receivers = self.reading.flag(node, "`allow private receivers`").unwrap_or(false);
        }
        self.tokens(&mut settings.tokens);
        self.smtp(settings);
        if let Some(node) = self.fields.get("proxy") {
            settings.proxy = outbound::proxy(self.reading, node);
        }
        if let Some(node) = self.fields.get("trust") {
            settings.trust = outbound::trust(self.reading, node);
        }
        self.retention(&mut settings.retention);
        self.limits(&mut settings.limits);
        if let Some(fields) = self.table("reviews", &reviews::REVIEWS) {
            reviews::read(self.reading, &fields, &mut settings.reviews);
        }
        if let Some(node) = self.fields.get("customers") {
            settings.customers.by_name = customers::read(self.reading, node);
        }
    }

    fn set<T>(&self, setting: &mut T, key: &str, read: impl Fn(&str) -> Result<T, String>) {
        if let Some(value) = self
            .fields
            .get(key)
            .and_then(|node| checked(self.reading, node, key, read))
        {
            *setting = value;
        }
    }

    fn set_some<T>(&self, setting: &mut Option<T>, key: &str, read: impl Fn(&str) -> Result<T, String>) {
        if let Some(value) = self
            .fields
            .get(key)
            .and_then(|node| checked(self.reading, node, key, read))
        {
            *setting = Some(value);
        }
    }

    fn table(&self, key: &str, keys: &Keys) -> Option<Fields<'_>> {
        self.fields.get(key).and_then(|node| self.reading.fields(node, keys))
    }

    fn tokens(&self, tokens: &mut Tokens) {
        let Some(fields) = self.table("tokens", &TOKENS) else {
            return;
        };
        let names = |key: &str| {
            let items = fields.get(key).map(|node| self.reading.items(node)).unwrap_or_default();
            items
                .into_iter()
                .filter_map(|item| self.reading.secret_name(item))
                .collect()
        };
        *tokens = Tokens {
            intake: names("intake"),
            read: names("read"),
            operate: names("operate"),
        };
    }

    fn smtp(&self, settings: &mut Settings) {
        let Some(fields) = self.table("smtp", &SMTP) else {
            return;
        };
        let reader = Reader {
            reading: self.reading,
            fields: &fields,
        };
        reader.set(&mut settings.mail_from, "from", mail_from);
        let Some(node) = fields.get("url") else {
            return self.reading.error(
                fields.place,
                "`smtp` has no `url`",
                Some("url: smtp://mail.example.com:587"),
            );
        };
        if fields.get("from").is_none() {
            let what = "mail will come from bellwether@localhost, which few servers take";
            self.reading
                .warning(fields.place, what, Some("from: Bellwether <bellwether@example.com>"));
        }
        let user = fields.get("user").and_then(|node| self.reading.text(node, "the user"));
        let password = fields.get("password").and_then(|node| password(self.reading, node));
        if user.is_some() != fields.get("password").is_some() {
            self.reading
                .error(fields.place, "`user` and `password` come together", None);
        }
        let Some(url) = checked(self.reading, node, "url", smtp_url) else {
            return;
        };
        if user.is_some() && sends_in_clear(&url) {
            let what = "`tls=none` would send the password in clear to another machine";
            self.reading.error(node.place, what, Some("leave `?tls=none` out"));
        }
        let hello = fields.get("hello").and_then(|node| outbound::hello(self.reading, node));
        settings.smtp = Some(Smtp {
            url,
            user,
            password,
            hello,
        });
    }

    fn retention(&self, retention: &mut Retention) {
        let Some(fields) = self.table("retention", &RETENTION) else {
            return;
        };
        let set = |setting: &mut Option<u64>, key: &str| {
            if let Some(seconds) = fields.get(key).and_then(|node| self.kept_for(node, key)) {
                *setting = seconds;
            }
        };
        set(&mut retention.events_seconds, "events");
        set(&mut retention.reviews_seconds, "reviews");
        set(&mut retention.deliveries_seconds, "deliveries");
    }

    /// `forever`, or a length of time of at least a day.
    fn kept_for(&self, node: &Node, key: &str) -> Option<Option<u64>> {
        if let Value::Text(text) = &node.value
            && crate::event::fold(text) == "forever"
        {
            return Some(None);
        }
        let seconds = self.reading.seconds(node, &format!("`{key}`"), 1_000 * 366 * DAY)?;
        if seconds < DAY {
            self.reading.error(
                node.place,
                &format!("`{key}` are kept for at least a day"),
                Some("`forever`, or 90 days"),
            );
            return None;
        }
        Some(Some(seconds))
    }

    fn limits(&self, limits: &mut Limits) {
        let Some(fields) = self.table("limits", &LIMITS) else {
            return;
        };
        let count = |setting: &mut usize, key: &str| {
            let number = fields
                .get(key)
                .and_then(|node| self.reading.number(node, &format!("`{key}`"), 1..=10_000_000));
            *setting = number.map_or(*setting, |number| number as usize);
        };
        count(&mut limits.connections, "connections");
        count(&mut limits.connections_per_address, "connections per address");
        count(&mut limits.waiting_events, "waiting events");
        let reader = Reader {
            reading: self.reading,
            fields: &fields,
        };
        reader.set(&mut limits.body_bytes, "body", bytes);
        reader.set(&mut limits.history_body_bytes, "history body", bytes);
        if limits.history_body_bytes < limits.body_bytes {
            let place = fields.place_of("history body").unwrap_or(NOWHERE);
            self.reading
                .error(place, "`history body` is at least as large as `body`", None);
        }
    }
}

/// `127.0.0.1:8080`
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no address with a port, such as 127.0.0.1:8080 or [::]:8080"))
}

pub(super) fn log(text: &str) -> Result<Log, String> {
    match text {
        "text" => Ok(Log::Text),
        "json" => Ok(Log::Json),
        "journald" => Ok(Log::Journald),
        other => Err(format!("`{other}` is no way to log: text, json or journald")),
    }
}

/// What links in messages begin with; ends with a `/`, so that pages can be joined to it.
pub(super) fn public_url(text: &str) -> Result<url::Url, String> {
    let no_url = || match host_of(text) {
        Some(host) => format!("no URL: it has no scheme; write https://{host}"),
        None => "no URL that links could begin with, such as https://health.example.com/".to_owned(),
    };
    let mut url = url::Url::parse(text).map_err(|_| no_url())?;
    let is_plain = url.query().is_none() && url.fragment().is_none();
    let has_no_user = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "https" | "http") || !is_plain || !has_no_user || !url.has_host() {
        return Err(no_url());
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// A host, perhaps with a port and a path, that stands where a URL belongs: `mail.example.com:587` is read as a URL of the
/// scheme `mail.example.com`.
fn host_of(text: &str) -> Option<&str> {
    let is_of_hosts = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    let host = text.trim_start_matches("//");
    let (name, rest) = host.split_at(host.find(|c| !is_of_hosts(c)).unwrap_or(host.len()));
    let (port, path) = match rest.strip_prefix(':') {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("0", rest),
    };
    let is_host = !name.is_empty() && (name.contains('.') || name == "localhost" || rest.starts_with(':'));
    let is_whole = port.parse::<u16>().is_ok() && (path.is_empty() || path.starts_with('/'));
    (is_host && is_whole).then_some(host)
}

/// `name@domain`, or `Name <name@domain>`.
pub(super) fn mail_from(text: &str) -> Result<MailFrom, String> {
    let (name, address) = match text.split_once('<') {
        Some((name, rest)) => (name.trim().trim_matches('"'), rest.strip_suffix('>').unwrap_or(rest)),
        None => ("", text),
    };
    if name.chars().any(char::is_control) || name.chars().count() > 100 {
        return Err("a sender's name has at most 100 characters, and none that control".to_owned());
    }
    let name = (!name.is_empty()).then(|| name.to_owned());
    Ok(MailFrom {
        address: EmailAddress::read(address)?,
        name,
    })
}

/// `smtps://host`, `smtp://host:587`, `smtp://host?tls=opportunistic`.
pub(super) fn smtp_url(text: &str) -> Result<url::Url, String> {
    let without_scheme = |host: &str| match host.ends_with(":465") {
        true => format!("not a URL: it has no scheme; write smtps://{host}"),
        false => format!("not a URL: it has no scheme; write smtp://{host}"),
    };
    if let Some(host) = host_of(text) {
        return Err(without_scheme(host));
    }
    let url = url::Url::parse(text).map_err(|_| "not a URL (`smtp://mail.example.com:587`)".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("user and password stand beside the url, not in it".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the URL names no host".to_owned());
    }
    let query: Vec<_> = url.query_pairs().into_owned().collect();
    let tls = match query.as_slice() {
        [] => "required",
        [(key, value)] if key == "tls" => value,
        _ => return Err("only `?tls=` is known here".to_owned()),
    };
    match (url.scheme(), tls) {
        ("smtps", "required") | ("smtp", "required" | "opportunistic" | "none") => Ok(url),
        ("smtps", _) => Err("`smtps://` is TLS from the first byte: leave `?tls=` out".to_owned()),
        ("smtp", _) => Err("`tls` is required, opportunistic or none".to_owned()),
        (other, _) => Err(format!("mail goes over `smtps://` or `smtp://`, not `{other}://`")),
    }
}

fn sends_in_clear(url: &url::Url) -> bool {
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.query() == Some("tls=none") && !is_here
}

/// `1 MiB`, `512 KiB`; at most 256 MiB.
fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim().to_lowercase().as_str() {
        "kib" | "kb" | "k" => 1 << 10,
        "mib" | "mb" | "m" => 1 << 20,
        _ => 0,
    };
    let size = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    let size = size.filter(|size| (1..=256 << 20).contains(size));
    size.ok_or_else(|| format!("`{text}` is no size: write 512 KiB or 2 MiB, at most 256 MiB"))
}
