//! How somebody is told: one file per medium.
//!
//! A file here owns its medium's address, its limits, its escaping and its meaning of an answer, and renders a
//! [`Message`] into bytes. Pure: no clock, no socket; `dispatch` sends what is made here.

pub(crate) mod calendar;
pub(crate) mod email;
pub(crate) mod guard;
pub(crate) mod reply;
pub(crate) mod retired;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod sender;
pub(crate) mod slack;
pub(crate) mod teams;
pub(crate) mod text;
pub(crate) mod webhook;
pub(crate) mod words;

use serde::{Deserialize, Serialize};

use crate::customer::CustomerId;
use crate::message::Message;
use crate::notification::{Channel, EndpointId, hash};
use crate::secret::Url;

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
#[serde(try_from = "String", into = "String")]
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

    /// The secret that holds its URL, if one does.
    pub fn secret(&self) -> Option<&SecretRef> {
        match self.target()? {
            Target::Secret(secret) => Some(secret),
            Target::Plain(_) => None,
        }
    }

    /// Its URL, if it is written in the rule file.
    pub fn plain_url(&self) -> Option<&Url> {
        match self.target()? {
            Target::Plain(url) => Some(url),
            Target::Secret(_) => None,
        }
    }

    /// Where it is, for those who may know: the mailbox, or of a URL the host alone, or the name of the secret that holds
    /// it. A webhook's URL is a credential.
    pub fn shown(&self) -> String {
        match self {
            Address::Email(address) => address.as_str().to_owned(),
            Address::Webhook { url, .. } | Address::Slack { url } | Address::Teams { url } => match url {
                Target::Plain(url) => url.host().unwrap_or_default(),
                Target::Secret(secret) => format!("secret {}", secret.name),
            },
        }
    }

    fn target(&self) -> Option<&Target> {
        match self {
            Address::Webhook { url, .. } | Address::Slack { url } | Address::Teams { url } => Some(url),
            Address::Email(_) => None,
        }
    }

    /// Its endpoint: the same for all rules and receivers of one customer that name it. An address kept in a secret is
    /// known by the secret's name, so that changing its value stays the same endpoint.
    pub fn endpoint(&self, customer: &CustomerId) -> EndpointId {
        let place = match self {
            Address::Email(address) => address.as_str().to_lowercase(),
            Address::Webhook { url, .. } | Address::Slack { url } | Address::Teams { url } => match url {
                Target::Plain(url) => format!("url {}", url.reveal()),
                Target::Secret(secret) => format!("secret {} {}", secret.customer, secret.name),
            },
        };
        EndpointId(format!(
            "ep_{}",
            hash(&[customer.as_str(), self.channel().word(), &place])
        ))
    }
}

/// The bytes that an HTTP medium posts for `message`, the same at each attempt; `None` for e-mail.
pub fn document(message: &Message) -> Option<Vec<u8>> {
    match message.content.channel {
        Channel::Email => None,
        Channel::Webhook => Some(webhook::render(message)),
        Channel::Slack => Some(slack::render(message)),
        Channel::Teams => Some(teams::render(message)),
    }
}

/// What became of one attempt, in the words of the medium's own table of answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// Not now: try again, not sooner than `after_seconds` if the receiver said so.
    Retry {
        /// What happened, in a short sentence without secrets (at most 1 KiB).
        why: String,
        /// The receiver's own wish (`Retry-After`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_seconds: Option<u64>,
    },
    /// The mail relay refuses us, and neither mailbox nor message is to blame: the operator must mend it. It is tried
    /// again for as long as the delivery lives.
    OurFault {
        /// What of us it refuses.
        fault: Fault,
        /// What it said, as above.
        why: String,
    },
    /// This message will never be taken by this receiver.
    Refused { why: String },
    /// The receiver is gone for good (410, no such mailbox).
    Gone { why: String },
}

/// What a mail relay refuses of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The name that we say hello with.
    Hello,
    /// Our address, its name in the DNS, or its reputation.
    Host,
    /// That we send through it to others.
    Relaying,
    /// Our user or password, or that there is none.
    SignIn,
    /// The address that mail comes from, or how its domain vouches for us (SPF, DKIM, DMARC).
    Sender,
    /// Our account there: it is suspended, or sends more than it may.
    Account,
    /// A policy that it does not explain.
    Policy,
    /// A command of ours.
    Protocol,
    /// Its certificate is not trusted here, or it offers no TLS.
    Security,
}

impl Outcome {
    /// The word of the API and of metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Retry { .. } | Outcome::OurFault { .. } => "retry",
            Outcome::Refused { .. } => "refused",
            Outcome::Gone { .. } => "gone",
        }
    }

    /// Whether it is tried again.
    pub fn is_tried_again(&self) -> bool {
        matches!(self, Outcome::Retry { .. } | Outcome::OurFault { .. })
    }

    /// What happened, if it was not taken.
    pub fn why(&self) -> Option<&str> {
        match self {
            Outcome::Delivered => None,
            Outcome::Retry { why, .. }
            | Outcome::OurFault { why, .. }
            | Outcome::Refused { why }
            | Outcome::Gone { why } => Some(why),
        }
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

    /// A character of the domain that none has, if there is one: such an address can be written down, and reaches nobody.
    pub fn odd_in_domain(&self) -> Option<char> {
        self.domain().chars().find(|letter| !may_be_in_a_domain(*letter))
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

/// Whether a character may stand in the domain of a mailbox; an address in brackets (RFC 5321 §4.1.3) is one, too.
fn may_be_in_a_domain(letter: char) -> bool {
    letter.is_alphanumeric() || !letter.is_ascii() || "-.[]:_".contains(letter)
}

impl TryFrom<String> for EmailAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_neither_a_name_nor_a_line_end() {
        for bad in [
            "Ada <ada@contoso.example>",
            "ada@contoso.example\r\nBcc: x@y.example",
            "ada",
            "a@b@c",
            "",
            "a b@c.example",
        ] {
            assert!(EmailAddress::read(bad).is_err(), "{bad:?}");
            assert!(serde_json::from_value::<EmailAddress>(bad.into()).is_err(), "{bad:?}");
        }
        assert_eq!(
            EmailAddress::read(" ada@contoso.example ").map(String::from),
            Ok("ada@contoso.example".into())
        );
    }

    #[test]
    fn one_mailbox_is_one_endpoint_however_its_case() {
        let customer = CustomerId::new("contoso");
        let one = Address::Email(EmailAddress::read("Ada@contoso.example").expect("an address"));
        let other = Address::Email(EmailAddress::read("ada@Contoso.example").expect("an address"));
        assert_eq!(one.endpoint(&customer), other.endpoint(&customer));
        assert_ne!(one.endpoint(&customer), one.endpoint(&CustomerId::new("fabrikam")));
    }
}
