//! Whom we trust when we connect: the system's certificate authorities (or those built in where it has none), those of
//! the operator, and certificates that the operator pinned.
//!
//! A certificate in one of the operator's files is an authority if it says that it is one: it vouches for others.
//! Whatever else stands there is pinned: that very certificate is trusted, and nothing that its key signs. One pinned for
//! a host is trusted there whatever names it has; one pinned for all must be for the host. Nothing is trusted before or
//! after its time.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use anyhow::{Context, Result};
use chrono::DateTime;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use sha2::{Digest, Sha256};

use super::certificate::{About, day};
use crate::clock::Time;
pub use pem::{PEM_MOST_BYTES, PemFile};

mod pem;

/// Whom we trust.
#[derive(Debug)]
pub struct Trust {
    provider: Arc<CryptoProvider>,
    everywhere: Arc<dyn ServerCertVerifier>,
    /// Hosts with authorities of their own.
    by_host: HashMap<String, Arc<dyn ServerCertVerifier>>,
    pins: Vec<Pin>,
}

/// A certificate that is trusted itself.
#[derive(Debug)]
struct Pin {
    certificate: CertificateDer<'static>,
    file: String,
    hosts: Vec<String>,
}

/// A certificate that is not trusted: which, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Untrusted(String);

impl Untrusted {
    /// What is said if that is why a handshake failed.
    pub fn of(error: &io::Error) -> Option<String> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) = error else {
            return None;
        };
        why.downcast_ref::<Self>().map(ToString::to_string)
    }
}

impl Trust {
    /// Trusts the system's authorities and nobody else.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    #[cfg(test)]
    pub fn system() -> Result<Arc<Self>> {
        Self::new(&[])
    }

    /// Trusts what is in these files, too.
    ///
    /// # Errors
    /// When a file holds anything but certificates; in words that name it and say what to do.
    pub fn new(files: &[PemFile]) -> Result<Arc<Self>> {
        let provider = match CryptoProvider::get_default() {
            Some(installed) => installed.clone(),
            None => Arc::new(rustls::crypto::ring::default_provider()),
        };
        let (mut authorities, mut pins) = (Vec::new(), Vec::new());
        for file in files {
            for (certificate, about) in file.certificates().map_err(anyhow::Error::msg)? {
                if about.is_authority {
                    authorities.push((certificate.clone(), file.hosts.clone()));
                }
                // an authority may be presented by the server itself, too: those that are made with one command are
                pins.push(Pin {
                    certificate,
                    file: file.name.clone(),
                    hosts: file.hosts.clone(),
                });
            }
        }
        let of = |host: Option<&str>| {
            let theirs = authorities
                .iter()
                .filter(|(_, hosts)| hosts.is_empty() || host.is_some_and(|host| hosts.iter().any(|one| one == host)));
            verifier(theirs.map(|(certificate, _)| certificate.clone()).collect(), &provider)
        };
        let hosts: BTreeSet<&String> = authorities.iter().flat_map(|(_, hosts)| hosts).collect();
        let by_host = hosts
            .into_iter()
            .map(|host| Ok((host.clone(), of(Some(host))?)))
            .collect::<Result<_>>()?;
        Ok(Arc::new(Self {
            everywhere: of(None)?,
            by_host,
            pins,
            provider,
        }))
    }

    /// A client's configuration that trusts so.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn client(self: &Arc<Self>) -> Result<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .context("choosing TLS versions")?;
        let verifier = Arc::new(Trusting(self.clone()));
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        Ok(builder.with_no_client_auth())
    }

    /// The pins that count for a host.
    fn pins_for(&self, host: &str) -> impl Iterator<Item = &Pin> {
        let counts = move |pin: &&Pin| pin.hosts.is_empty() || pin.hosts.iter().any(|one| one == host);
        self.pins.iter().filter(counts)
    }

    /// Whether a certificate that is pinned for a host may be trusted now.
    fn pinned(&self, pin: &Pin, host: &str, name: &ServerName<'_>, now: Time) -> Result<(), String> {
        let about = About::read(&pin.certificate).ok_or("the certificate cannot be read")?;
        let file = &pin.file;
        if now < about.from || now > about.until {
            return Err(format!(
                "the certificate of `{host}` is the one in {file}, but it is out of its time ({about}): renew it there, \
                 and put the new one into {file}"
            ));
        }
        let is_for_it = || {
            let parsed = ParsedCertificate::try_from(&pin.certificate).ok()?;
            verify_server_name(&parsed, name).ok()
        };
        match pin.hosts.is_empty() && is_for_it().is_none() {
            true => Err(format!(
                "the certificate of `{host}` is the one in {file}, but it is for {} ({about}): to trust it there all the \
                 same write `trust: [{{ certificates: {file}, for: {host} }}]` in the settings",
                about.for_hosts()
            )),
            false => Ok(()),
        }
    }

    /// Which certificate is not trusted, why, and what to do.
    fn explained(&self, error: &rustls::Error, certificate: &CertificateDer<'_>, host: &str, now: Time) -> String {
        let Some(about) = About::read(certificate) else {
            return format!("what `{host}` shows is no certificate that can be read ({error})");
        };
        let (what, mend) = reason(error, &about, host, now);
        let pinned = self.pins_for(host).find(|pin| pin.hosts.iter().any(|one| one == host));
        let mend = match pinned {
            Some(pin) => format!(
                "it is another one than in {}; if that is right, put it there ({mend})",
                pin.file
            ),
            None => mend,
        };
        format!(
            "the certificate of `{host}` is not trusted: {what} ({about}, SHA-256 {}): {mend}",
            fingerprint(certificate)
        )
    }
}

/// What is wrong with a certificate, and what to do.
fn reason(error: &rustls::Error, about: &About, host: &str, now: Time) -> (String, String) {
    let is_right = "if it is the right one";
    let pin = format!("write `trust: [{{ certificates: FILE.pem, for: {host} }}]` in the settings");
    let rustls::Error::InvalidCertificate(error) = error else {
        return (error.to_string(), "look at how that server is set up".to_owned());
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } if now > about.until => (
            format!("it expired on {}", day(about.until)),
            format!("whoever runs `{host}` must renew it"),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "a certificate that vouches for it has expired".to_owned(),
            format!("whoever runs `{host}` must renew the chain that it sends"),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            format!("it is not valid before {}", day(about.from)),
            "is this machine's clock right?".to_owned(),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("it is for {}, not for `{host}`", about.for_hosts()),
            format!("is that the right host? {is_right}, {pin}"),
        ),
        _ if about.is_self_signed => (
            "it vouches for itself".to_owned(),
            format!("{is_right}, put it into a file and {pin}"),
        ),
        CertificateError::UnknownIssuer => (
            "nobody who is trusted here vouches for it".to_owned(),
            format!(
                "put the certificate of its authority (`{}`, or the one above it) into a file and write \
                 `trust: FILE.pem` in the settings; or the server does not send the certificates in between",
                about.issuer
            ),
        ),
        other => (other.to_string(), "look at how that server is set up".to_owned()),
    }
}

/// The first 8 bytes, as tools show them: enough to tell two certificates apart.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = Sha256::digest(certificate);
    let first: Vec<String> = digest.iter().take(8).map(|byte| format!("{byte:02X}")).collect();
    format!("{}…", first.join(":"))
}

/// Trusts the system's authorities and these.
fn verifier(
    authorities: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    let is_own = !authorities.is_empty();
    match Verifier::new_with_extra_roots(authorities, provider.clone()) {
        Ok(verifier) => Ok(Arc::new(verifier)),
        Err(error) if is_own => Err(error).context("taking the certificate authorities of `trust`"),
        Err(error) => {
            tracing::warn!(%error, "the system has no certificate authorities; those built in are used");
            let roots = RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            };
            let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
            Ok(built.context("taking the certificate authorities that are built in")?)
        }
    }
}

/// Decides about the certificates of servers.
#[derive(Debug)]
struct Trusting(Arc<Trust>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let trust = &self.0;
        let host = name.to_str().trim_end_matches('.').to_ascii_lowercase();
        let at = i64::try_from(now.as_secs())
            .ok()
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let at = at.ok_or_else(|| rustls::Error::General("the clock is far off".to_owned()))?;
        let refused = |why: String| {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Untrusted(why)))))
        };
        let mut pins = trust.pins_for(&host).filter(|pin| pin.certificate == *certificate);
        if let Some(first) = pins.next() {
            let decided = std::iter::once(first)
                .chain(pins)
                .map(|pin| trust.pinned(pin, &host, name, at));
            return match decided.reduce(Result::or) {
                Some(Err(why)) => Err(refused(why)),
                _ => Ok(ServerCertVerified::assertion()),
            };
        }
        let verifier = trust.by_host.get(&host).unwrap_or(&trust.everywhere);
        verifier
            .verify_server_cert(certificate, intermediates, name, ocsp_response, now)
            .map_err(|error| refused(trust.explained(&error, certificate, &host, at)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.everywhere.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.everywhere.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.everywhere.supported_verify_schemes()
    }
}

#[cfg(test)]
pub(super) mod tests;
