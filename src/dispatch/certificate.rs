//! What a certificate says of itself, in words: whose it is, who vouches for it, until when.
//!
//! All of it is text from outside: it is cleaned and cut.

use chrono::DateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate, X509Name};

use crate::channel::text::line;
use crate::clock::Time;

/// How much of a name is shown.
const NAME_MOST_CHARACTERS: usize = 120;

/// How many of a certificate's host names are shown.
const NAMES_SHOWN_MOST: usize = 5;

/// What is known of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    /// Whose it is.
    pub subject: String,
    /// Who vouches for it.
    pub issuer: String,
    /// The hosts it is for.
    pub names: Vec<String>,
    /// From when it holds.
    pub from: Time,
    /// Until when.
    pub until: Time,
    /// Whether it vouches for itself.
    pub is_self_signed: bool,
    /// Whether it may vouch for others.
    pub is_authority: bool,
}

impl About {
    /// Reads a certificate (DER).
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            subject: name(certificate.subject()),
            issuer: name(certificate.issuer()),
            names: names(&certificate),
            from: time(validity.not_before)?,
            until: time(validity.not_after)?,
            is_self_signed: certificate.subject().as_raw() == certificate.issuer().as_raw(),
            is_authority: is_authority(&certificate),
        })
    }

    /// The hosts it is for, as people read them.
    pub fn for_hosts(&self) -> String {
        match self.names.is_empty() {
            true => "no host".to_owned(),
            false => self.names.join(", "),
        }
    }
}

/// `subject `CN=…`, issued by `CN=…`, valid from … to …`.
impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { subject, issuer, .. } = self;
        write!(f, "subject `{subject}`, ")?;
        match self.is_self_signed {
            true => f.write_str("issued by itself, ")?,
            false => write!(f, "issued by `{issuer}`, ")?,
        }
        write!(f, "valid from {} to {}", day(self.from), day(self.until))
    }
}

/// A day, as it is written everywhere.
pub(super) fn day(at: Time) -> String {
    at.format("%Y-%m-%d").to_string()
}

fn name(name: &X509Name<'_>) -> String {
    let shown = line(&name.to_string(), NAME_MOST_CHARACTERS);
    if shown.is_empty() { "no name".to_owned() } else { shown }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let found = certificate.subject_alternative_name().ok().flatten();
    let all = found.iter().flat_map(|extension| &extension.value.general_names);
    let shown = all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(line(name, NAME_MOST_CHARACTERS)),
        GeneralName::IPAddress(octets) => address(octets),
        _ => None,
    });
    shown.take(NAMES_SHOWN_MOST).collect()
}

fn address(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| std::net::IpAddr::from(octets).to_string());
    let v6 = || <[u8; 16]>::try_from(octets).map(|octets| std::net::IpAddr::from(octets).to_string());
    v4.or_else(|_| v6()).ok()
}

/// An authority says so; of the first version of X.509, which cannot, those are that vouch for themselves.
fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    let is_old = certificate.version().0 < 2;
    certificate.is_ca() || is_old && certificate.subject().as_raw() == certificate.issuer().as_raw()
}

fn time(at: ASN1Time) -> Option<Time> {
    DateTime::from_timestamp(at.timestamp(), 0)
}
