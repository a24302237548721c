//! Whom we trust when we connect: the system's certificate authorities, or those built in where it has none.

use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// A configuration that trusts the system's authorities and those of `extra` (PEM, may be empty).
///
/// # Errors
/// When `extra` is not PEM, or holds none or a broken certificate.
pub(super) fn config(extra: Option<&[u8]>) -> Result<ClientConfig> {
    let provider = match CryptoProvider::get_default() {
        Some(installed) => installed.clone(),
        None => Arc::new(rustls::crypto::ring::default_provider()),
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?;
    let extra = extra.map(certificates).transpose()?.unwrap_or_default();
    let is_own = !extra.is_empty();
    match Verifier::new_with_extra_roots(extra, provider) {
        Ok(verifier) => {
            let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
            Ok(builder.with_no_client_auth())
        }
        Err(error) if is_own => Err(error).context("taking the certificate authorities"),
        Err(error) => {
            tracing::warn!(%error, "the system has no certificate authorities; those built in are used");
            let roots = RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            };
            Ok(builder.with_root_certificates(roots).with_no_client_auth())
        }
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .context("reading certificate authorities")?;
    anyhow::ensure!(
        !all.is_empty(),
        "there is no certificate in it (`-----BEGIN CERTIFICATE-----`)"
    );
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_that_are_none_are_refused() {
        assert!(config(Some(b"no certificate")).is_err());
        assert!(config(Some(include_bytes!("../../tests/fixtures/relay-cert.pem"))).is_ok());
        assert!(config(None).is_ok());
    }
}
