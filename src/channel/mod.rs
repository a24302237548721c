//! How somebody is told: one file per medium.
//!
//! A file here owns its medium's address, its limits, its escaping and its meaning of an answer, and renders a
//! [`Message`](crate::message::Message) into bytes. Pure: no clock, no socket; `dispatch` sends what is made here.

use serde::{Deserialize, Serialize};

use crate::customer::CustomerId;
use crate::secret::Url;

/// The medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// E-mail over SMTP; also carries calendar invitations.
    Email,
    /// A JSON document with a Standard Webhooks signature.
    Webhook,
    /// A Slack incoming webhook (blocks).
    Slack,
    /// A Teams Workflows webhook (Adaptive Card).
    Teams,
}

/// Where one receiver reads: one mailbox or one URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A mailbox.
    Email(EmailAddress),
    /// Any HTTP endpoint, and the name or value of the secret its messages are signed with.
    Webhook { url: Target, signing: Option<SecretRef> },
    /// A Slack incoming webhook.
    Slack { url: Target },
    /// A Teams Workflows webhook.
    Teams { url: Target },
}

/// A checked e-mail address: `local@domain`, at most 254 octets, no control characters, no display name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

/// A URL written in the file, or the name of the secret that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Written in clear in the rule file (still kept out of logs, pages and answers).
    Plain(Url),
    /// `{ secret: name }`, resolved when a message is sent.
    Secret(SecretRef),
}

/// The name of a secret, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    /// Whose rule file names it (its own folder's secrets need no grant; the operator's do).
    pub customer: CustomerId,
    /// The name as written.
    pub name: String,
}

impl Address {
    /// Its medium.
    pub fn channel(&self) -> Channel {
        match self {
            Address::Email(_) => Channel::Email,
            Address::Webhook { .. } => Channel::Webhook,
            Address::Slack { .. } => Channel::Slack,
            Address::Teams { .. } => Channel::Teams,
        }
    }
}

impl Channel {
    /// The word in rule files and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Channel::Email => "email",
            Channel::Webhook => "webhook",
            Channel::Slack => "slack",
            Channel::Teams => "teams",
        }
    }
}

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

impl EmailAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// In words a customer can act on, when it is not `local@domain`.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > 254 {
            return Err("an e-mail address has at most 254 characters".into());
        }
        if text.contains(['<', '>']) {
            return Err("only the address itself: `ada@contoso.example`, without a name or angle brackets".into());
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("an e-mail address has no spaces or control characters".into());
        }
        text.parse::<lettre::Address>()
            .map_err(|_| "not an e-mail address (`name@domain`)".to_owned())?;
        Ok(Self(text.to_owned()))
    }

    /// The address as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}
