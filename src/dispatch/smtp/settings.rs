//! The operator's `smtp` setting, checked.

use std::net::IpAddr;

use lettre::transport::smtp::extension::ClientId;

use crate::secret::Secret;

/// How the way to the relay is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (`smtps://`, port 465).
    Implicit,
    /// STARTTLS, or nothing is sent (`smtp://`, port 587).
    Required,
    /// STARTTLS if the server offers it (`?tls=opportunistic`).
    Opportunistic,
    /// None (`?tls=none`).
    Plain,
}

/// The relay and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) credentials: Option<(String, Secret)>,
    pub(super) hello: ClientId,
}

impl SmtpSettings {
    /// Reads `smtps://mail.contoso.example`, `smtp://mail.contoso.example:587?tls=required`, with the user and password
    /// to sign in with, if any.
    ///
    /// # Errors
    /// In words an operator can act on.
    pub fn read(url: &str, credentials: Option<(String, Secret)>) -> Result<Self, String> {
        let parsed =
            url::Url::parse(url).map_err(|error| format!("not a URL (`smtps://mail.contoso.example`): {error}"))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("the user and password do not belong into the URL: name them as `credentials`".into());
        }
        let host = parsed
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or("the URL names no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let security = security(&parsed)?;
        let is_here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1");
        let is_clear = matches!(security, Security::Plain | Security::Opportunistic);
        if is_clear && credentials.is_some() && !is_here {
            return Err("this could send the password in clear: leave `tls` out, or the credentials".into());
        }
        let usual = if security == Security::Implicit { 465 } else { 587 };
        Ok(Self {
            host,
            port: parsed.port().unwrap_or(usual),
            security,
            credentials,
            hello: ClientId::default(),
        })
    }

    /// Says hello with this name instead of the machine's own; an address between brackets is one.
    pub fn with_hello(mut self, name: Option<&str>) -> Self {
        if let Some(name) = name {
            self.hello = match name.trim_matches(['[', ']']).trim_start_matches("IPv6:").parse() {
                Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
                Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
                Err(_) => ClientId::Domain(name.to_owned()),
            };
        }
        self
    }
}

/// The name that is said hello with where the settings give none: the machine's own.
pub fn own_hello() -> String {
    ClientId::default().to_string()
}

fn security(url: &url::Url) -> Result<Security, String> {
    if let Some((key, _)) = url.query_pairs().find(|(key, _)| key != "tls") {
        return Err(format!("`{key}` is not known here: `tls` is"));
    }
    let wanted = url.query_pairs().next().map(|(_, value)| value.into_owned());
    match (url.scheme(), wanted.as_deref()) {
        ("smtps", None | Some("required")) => Ok(Security::Implicit),
        ("smtps", Some(_)) => Err("`smtps://` is TLS from the first byte: leave `tls` out".into()),
        ("smtp", None | Some("required")) => Ok(Security::Required),
        ("smtp", Some("opportunistic")) => Ok(Security::Opportunistic),
        ("smtp", Some("none")) => Ok(Security::Plain),
        ("smtp", Some(other)) => Err(format!("`tls={other}` is not known: required, opportunistic or none")),
        (other, _) => Err(format!("the URL begins with `smtps://` or `smtp://`, not `{other}:`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_tls_unless_it_says_otherwise() {
        let of = |url: &str| SmtpSettings::read(url, None);
        let smtps = of("smtps://mail.contoso.example").expect("settings");
        assert_eq!((smtps.port, smtps.security), (465, Security::Implicit));
        let smtp = of("smtp://mail.contoso.example").expect("settings");
        assert_eq!((smtp.port, smtp.security), (587, Security::Required));
        let plain = of("smtp://[::1]:2525?tls=none").expect("settings");
        assert_eq!(
            (plain.host.as_str(), plain.port, plain.security),
            ("::1", 2525, Security::Plain)
        );
    }

    #[test]
    fn hello_is_said_with_a_name_or_an_address_between_brackets() {
        let settings = || SmtpSettings::read("smtp://mail.contoso.example", None).expect("settings");
        for name in ["bell.contoso.example", "[192.0.2.7]", "[IPv6:2001:db8::7]"] {
            assert_eq!(settings().with_hello(Some(name)).hello.to_string(), name);
        }
        assert_eq!(settings().with_hello(None).hello.to_string(), own_hello());
    }

    #[test]
    fn a_wrong_setting_is_an_error_that_shows_no_password() {
        for bad in [
            "mail.contoso.example",
            "http://mail",
            "smtp://user:hunter2@mail",
            "smtp://mail?tls=maybe",
            "smtps://mail?tls=none",
            "smtp://mail?starttls=1",
            "smtp://",
        ] {
            assert!(!SmtpSettings::read(bad, None).expect_err(bad).contains("hunter2"));
        }
    }

    #[test]
    fn a_password_goes_in_clear_to_this_machine_only() {
        let credentials = Some(("user".to_owned(), Secret::new("hunter2")));
        for clear in [
            "smtp://mail.contoso.example?tls=none",
            "smtp://mail.contoso.example?tls=opportunistic",
        ] {
            assert!(SmtpSettings::read(clear, credentials.clone()).is_err());
        }
        let settings = SmtpSettings::read("smtp://127.0.0.1?tls=none", credentials).expect("settings");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
