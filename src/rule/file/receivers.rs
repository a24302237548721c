//! Receivers as they are read: names, addresses, zones.

use std::sync::Arc;

use crate::channel::retired::retired;
use crate::channel::{Address, EmailAddress, SecretRef, Target, guard};
use crate::customer::CustomerId;
use crate::problem::fields::{Fields, Keys, Marked, Reading};
use crate::problem::meant::comment_in;
use crate::problem::yaml::{Node, Value};
use crate::secret::Url;

use super::super::Receiver;
use super::{Scope, is_name, limit};

mod zones;

/// The keys of a receiver.
pub(in crate::rule) const RECEIVER: Keys = Keys {
    of: "a receiver",
    known: &["to", "zone"],
    later: &["digest", "quiet hours", "urgent", "template"],
    meant: &[
        ("email", "=put it into a list: `to: [{ email: ada@contoso.example }]`"),
        ("webhook", "=put it into a list: `to: [{ webhook: { url: … } }]`"),
        ("slack", "=put it into a list: `to: [{ slack: { url: … } }]`"),
        ("teams", "=put it into a list: `to: [{ teams: { url: … } }]`"),
        ("address", "to"),
        ("addresses", "to"),
        ("timezone", "zone"),
        ("tz", "zone"),
    ],
    takes_own: false,
};

/// The keys of an address.
pub(in crate::rule) const ADDRESS: Keys = Keys {
    of: "an address",
    known: &["email", "webhook", "slack", "teams"],
    later: &["pagerduty", "sms"],
    meant: &[
        ("mail", "email"),
        ("smtp", "email"),
        ("e-mail", "email"),
        ("http", "webhook"),
        ("url", "webhook, slack, teams"),
        ("msteams", "teams"),
    ],
    takes_own: false,
};

const WEBHOOK: Keys = Keys {
    of: "a webhook",
    known: &["url", "signing"],
    later: &["headers", "template"],
    meant: &[
        ("uri", "url"),
        ("secret", "url, signing"),
        ("signature", "signing"),
        ("key", "signing"),
    ],
    takes_own: false,
};

const CHAT: Keys = Keys {
    of: "a Slack or Teams address",
    known: &["url"],
    later: &["template"],
    meant: &[
        ("uri", "url"),
        ("webhook", "url"),
        ("secret", "=write it as `url: { secret: name }`"),
    ],
    takes_own: false,
};

/// The most addresses of one receiver.
const MAX_ADDRESSES: usize = 1_000;

struct Reader<'r, 't> {
    reading: &'r Reading<'t>,
    customer: &'r CustomerId,
    allow_private: bool,
}

/// Reads `receivers`.
pub(super) fn read(
    reading: &Reading<'_>,
    node: &Node,
    customer: &CustomerId,
    scope: Scope<'_>,
) -> Vec<Marked<Arc<Receiver>>> {
    let reader = Reader {
        reading,
        customer,
        allow_private: scope.allow_private,
    };
    let Some(fields) = reading.named(node, "`receivers`") else {
        return Vec::new();
    };
    let named = fields.iter().filter(|(name, place, _)| is_name(reading, name, *place));
    named
        .map(|(name, place, node)| Marked {
            value: Arc::new(reader.receiver(name, node)),
            place,
        })
        .collect()
}

impl Reader<'_, '_> {
    fn receiver(&self, name: &str, node: &Node) -> Receiver {
        let mut receiver = Receiver {
            customer: self.customer.clone(),
            name: name.to_owned(),
            to: Vec::new(),
            zone: chrono_tz::UTC,
        };
        match &node.value {
            Value::List(_) => receiver.to = self.addresses(node),
            Value::Map(_) => self.read_table(&mut receiver, node),
            _ => self
                .reading
                .error(node.place, "a receiver is a list of addresses", Some(EXAMPLE)),
        }
        receiver
    }

    fn read_table(&self, receiver: &mut Receiver, node: &Node) {
        let Some(fields) = self.reading.fields(node, &RECEIVER) else {
            return;
        };
        match fields.get("to") {
            Some(to) => receiver.to = self.addresses(to),
            // that a key is written as an item without its space has been told
            None if is_list_without_spaces(node) => {}
            None => self
                .reading
                .error(node.place, "this receiver has no address", Some(EXAMPLE)),
        }
        if let Some(zone) = fields.get("zone") {
            receiver.zone = self.zone(zone).unwrap_or(chrono_tz::UTC);
        }
    }

    fn zone(&self, node: &Node) -> Option<chrono_tz::Tz> {
        let name = self.reading.text(node, "a time zone")?;
        let exact = name.trim().parse::<chrono_tz::Tz>().ok();
        if exact.is_none() {
            let hint = zones::meant(&name);
            self.reading
                .error(node.place, &format!("`{name}` is no time zone"), Some(&hint));
        }
        exact
    }

    fn addresses(&self, node: &Node) -> Vec<Address> {
        let items = self.reading.items(node);
        if items.is_empty() {
            self.reading
                .error(node.place, "this receiver has no address", Some(EXAMPLE));
        }
        let addresses: Vec<_> = items.into_iter().flat_map(|item| self.address(item)).collect();
        if addresses.len() > MAX_ADDRESSES {
            let hint = "a mailing list is kinder to everybody's mail server";
            self.reading.error(
                node.place,
                &format!("a receiver has at most {MAX_ADDRESSES} addresses"),
                Some(hint),
            );
        }
        addresses
    }

    fn address(&self, node: &Node) -> Vec<Address> {
        if let Value::Text(text) = &node.value {
            let hint = if text.contains('@') {
                format!("- email: {}", bare(text))
            } else {
                EXAMPLE.to_owned()
            };
            self.reading
                .error(node.place, "an address says how somebody is told", Some(&hint));
            return Vec::new();
        }
        let Some(fields) = self.reading.fields(node, &ADDRESS) else {
            return Vec::new();
        };
        if matches!(&node.value, Value::Map(keys) if keys.is_empty()) {
            let what = "an address says how somebody is told, and this one is empty";
            self.reading.error(node.place, what, Some(EXAMPLE));
        }
        if fields.iter().count() > 1 {
            let hint = "begin each with `- `: a receiver is a list";
            self.reading
                .error(node.place, "one address is told in one way", Some(hint));
        }
        fields
            .iter()
            .flat_map(|(channel, _, value)| self.told_by(channel, value))
            .collect()
    }

    fn told_by(&self, channel: &str, node: &Node) -> Vec<Address> {
        let chat = |make: fn(Target) -> Address| self.chat(node).map(make).into_iter().collect();
        let told: Vec<Address> = match channel {
            "email" => self.emails(node),
            "webhook" => self.webhook(node).into_iter().collect(),
            "slack" => chat(|url| Address::Slack { url }),
            _ => chat(|url| Address::Teams { url }),
        };
        told.iter().for_each(|address| self.warn_of_retired(address, node));
        told
    }

    /// Some addresses of Teams take nothing any more, and a few of them answer as if they did.
    fn warn_of_retired(&self, address: &Address, node: &Node) {
        let url = address.plain_url().and_then(|url| url::Url::parse(url.reveal()).ok());
        if let Some(found) = url.and_then(|url| retired(address.channel(), &url)) {
            self.reading.warning(node.place, &found.what, Some(found.hint));
        }
    }

    fn emails(&self, node: &Node) -> Vec<Address> {
        let texts = self.reading.texts(node, "an e-mail address");
        limit(self.reading, node, texts.len(), "addresses");
        let read = texts
            .into_iter()
            .filter_map(|text| match EmailAddress::read(&text.value) {
                Ok(address) => {
                    // an error, and yet an address: what was in force before this was looked for stays so
                    if let Some(odd) = address.odd_in_domain() {
                        let what = format!("a mail domain has no `{odd}`: letters, digits, `-` and `.`");
                        self.reading
                            .error(text.place, &what, hint_for_email(&text.value).as_deref());
                    }
                    Some(Address::Email(address))
                }
                Err(what) => {
                    self.reading
                        .error(text.place, &what, hint_for_email(&text.value).as_deref());
                    None
                }
            });
        read.collect()
    }

    fn webhook(&self, node: &Node) -> Option<Address> {
        let Value::Map(_) = node.value else {
            return Some(Address::Webhook {
                url: self.url(node)?,
                signing: None,
            });
        };
        let fields = self.reading.fields(node, &WEBHOOK)?;
        let signing = fields.get("signing").and_then(|node| self.signing(node));
        Some(Address::Webhook {
            url: self.url_of(&fields)?,
            signing,
        })
    }

    fn signing(&self, node: &Node) -> Option<SecretRef> {
        if let Value::Text(_) = node.value {
            let hint = "put the key into a file of the secrets directory and write `signing: { secret: its-name }`";
            self.reading
                .error(node.place, "a signing key is not written in the file", Some(hint));
            return None;
        }
        self.reading.secret(node).map(|name| self.of_customer(name))
    }

    fn chat(&self, node: &Node) -> Option<Target> {
        let Value::Map(_) = node.value else {
            return self.url(node);
        };
        self.url_of(&self.reading.fields(node, &CHAT)?)
    }

    fn url_of(&self, fields: &Fields<'_>) -> Option<Target> {
        match fields.get("url") {
            Some(node) => self.url(node),
            None => {
                self.reading
                    .error(fields.place, "the `url` is missing", Some("url: { secret: name }"));
                None
            }
        }
    }

    fn url(&self, node: &Node) -> Option<Target> {
        if let Value::Map(_) = node.value {
            return self
                .reading
                .secret(node)
                .map(|name| Target::Secret(self.of_customer(name)));
        }
        let text = self.reading.text(node, "a URL")?;
        match guard::check_url(text.trim(), self.allow_private) {
            Ok(url) => {
                self.keep_secret(node, &url);
                Some(Target::Plain(Url::new(&url)))
            }
            Err(what) => {
                self.reading.error(node.place, &what, None);
                None
            }
        }
    }

    /// A URL in clear is accepted; where it is a key, that is worth a word.
    fn keep_secret(&self, node: &Node, url: &url::Url) {
        let host = url.host_str().unwrap_or("");
        if is_secret_host(host)
            || url
                .query_pairs()
                .any(|(key, _)| matches!(&*key, "sig" | "token" | "key" | "code"))
        {
            let hint = format!(
                "put it into a file {}/secrets/NAME and write `url: {{ secret: NAME }}`",
                self.customer
            );
            let what = format!("whoever reads this file can post to it: a URL of {host} is a key");
            self.reading.warning(node.place, &what, Some(&hint));
        }
    }

    fn of_customer(&self, name: String) -> SecretRef {
        SecretRef {
            customer: self.customer.clone(),
            name,
        }
    }
}

/// Whether the keys of a table were meant as items of a list: `-email: ada@contoso.example`.
fn is_list_without_spaces(node: &Node) -> bool {
    let Value::Map(items) = &node.value else { return false };
    let is_item = |key: &Node| matches!(&key.value, Value::Text(name) if name.starts_with('-'));
    items.iter().any(|(key, _)| is_item(key))
}

/// An address without what mail programs and web pages put before it.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let at = text.find('@').unwrap_or(0);
    let begins = text[..at].rfind(':').map_or(0, |colon| colon + 1);
    text[begins..].split(['?', '#']).next().unwrap_or(text).trim()
}

/// What to type instead of a text that is no e-mail address.
fn hint_for_email(text: &str) -> Option<String> {
    let is_address = |text: &str| EmailAddress::read(text).is_ok();
    if let Some(hint) = comment_in(text, is_address) {
        return Some(hint);
    }
    if bare(text) != text.trim() && is_address(bare(text)) {
        return Some(format!("write only the address: `{}`", bare(text)));
    }
    if text.contains([',', ';']) {
        return Some("several addresses are a list: [ada@contoso.example, lin@contoso.example]".to_owned());
    }
    let parts: Vec<&str> = text.split_whitespace().collect();
    match parts.len() > 1 && parts.iter().all(|part| is_address(part)) {
        true => Some(format!("several addresses are a list: [{}]", parts.join(", "))),
        false => None,
    }
}

const EXAMPLE: &str = "[{ email: ada@contoso.example }], or webhook, slack, teams";

/// Hosts whose URLs are keys.
fn is_secret_host(host: &str) -> bool {
    const EXACT: [&str; 5] = [
        "hooks.slack.com",
        "discord.com",
        "hooks.zapier.com",
        "events.pagerduty.com",
        "chat.googleapis.com",
    ];
    const BELOW: [&str; 5] = [
        ".logic.azure.com",
        ".api.powerplatform.com",
        ".webhook.office.com",
        ".azurewebsites.net",
        ".opsgenie.com",
    ];
    EXACT.contains(&host) || BELOW.iter().any(|domain| host.ends_with(domain))
}
