//! A file of certificates, as an operator hands it over.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

use crate::clock::Time;
use crate::dispatch::certificate::{About, day};

/// The largest file of certificates: all authorities of a system take a quarter of it.
pub const PEM_MOST_BYTES: u64 = 1024 * 1024;

/// How many certificates a file may have.
const CERTIFICATES_MOST: usize = 1_000;

/// How long before a certificate expires it is said that it will.
const EXPIRES_SOON: chrono::Duration = chrono::Duration::days(30);

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// A file of certificates in PEM.
#[derive(Debug, Clone)]
pub struct PemFile {
    /// How it is named in problems.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// The hosts for which it counts, in small letters; all, if there are none.
    pub hosts: Vec<String>,
}

impl PemFile {
    /// Its certificates, at least one.
    ///
    /// # Errors
    /// What is wrong with which file, and what to do.
    pub(super) fn certificates(&self) -> Result<Vec<(CertificateDer<'static>, About)>, String> {
        let name = &self.name;
        self.check()?;
        let mut found = Vec::new();
        let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes);
        for (nth, read) in (1..).zip(CertificateDer::pem_slice_iter(bytes)) {
            let which = format!("{name}: certificate {nth} in it");
            let certificate = read.map_err(|error| format!("{which} {}: copy it again, whole", broken(&error)))?;
            let about = About::read(&certificate).ok_or(format!(
                "{which} is none: what stands between its lines is not an X.509 certificate; copy it again, whole"
            ))?;
            found.push((certificate, about));
            if found.len() > CERTIFICATES_MOST {
                return Err(format!("{name} holds more than {CERTIFICATES_MOST} certificates"));
            }
        }
        match found.is_empty() {
            true => Err(format!("{name} holds no certificate: each begins with `{BEGIN}`")),
            false => Ok(found),
        }
    }

    /// Whether it is a file of certificates at all.
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let text = String::from_utf8_lossy(&self.bytes);
        let convert = |from: &str, how: &str| format!("{name} {from}: convert it with `openssl {how}`");
        if self.bytes.len() as u64 > PEM_MOST_BYTES {
            Err(format!("{name} is larger than {} KiB", PEM_MOST_BYTES / 1024))
        } else if text.trim().is_empty() {
            Err(format!(
                "{name} is empty: it should hold certificates, each of which begins with `{BEGIN}`"
            ))
        } else if text.contains("PRIVATE KEY-----") {
            Err(format!(
                "{name} holds a private key: only certificates belong there; leave the key where the server has it"
            ))
        } else if text.contains(BEGIN) {
            Ok(())
        } else if self.bytes.starts_with(b"\xff\xfe") || self.bytes.starts_with(b"\xfe\xff") {
            Err(format!("{name} is UTF-16 text: save it as UTF-8"))
        } else if self.bytes.starts_with(&[0x30, 0x82]) {
            Err(convert(
                "is binary (DER) and not PEM",
                &format!("x509 -inform der -in {name} -out {name}.pem"),
            ))
        } else if text.contains("-----BEGIN TRUSTED CERTIFICATE-----") {
            Err(convert(
                "is in a form of OpenSSL's own",
                &format!("x509 -in {name} -out {name}.pem"),
            ))
        } else if text.contains("-----BEGIN PKCS7-----") {
            Err(convert(
                "is PKCS #7",
                &format!("pkcs7 -print_certs -in {name} -out {name}.pem"),
            ))
        } else {
            Err(format!("{name} holds no certificate: each begins with `{BEGIN}`"))
        }
    }

    /// What of it an operator should renew: what has expired, or will soon.
    pub fn warnings(&self, now: Time) -> Vec<String> {
        let all = self.certificates().unwrap_or_default();
        let said = all.iter().filter_map(|(_, about)| match about.until {
            until if until < now => Some(format!(
                "{}: the certificate of `{}` expired on {}, and is not trusted any more",
                self.name,
                about.subject,
                day(until)
            )),
            until if until < now + EXPIRES_SOON => Some(format!(
                "{}: the certificate of `{}` expires on {}",
                self.name,
                about.subject,
                day(until)
            )),
            _ => None,
        });
        said.collect()
    }
}

fn broken(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "does not end (`-----END CERTIFICATE-----`)",
        pem::Error::IllegalSectionStart { .. } => "does not begin rightly",
        pem::Error::Base64Decode(_) => "is damaged: it is not base64",
        _ => "cannot be read",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = include_bytes!("../../../tests/fixtures/relay-cert.pem");

    fn error(bytes: &[u8]) -> String {
        let file = PemFile {
            name: "ca.pem".to_owned(),
            bytes: bytes.to_vec(),
            hosts: Vec::new(),
        };
        file.certificates().expect_err("no certificates")
    }

    #[test]
    fn a_file_that_holds_no_certificates_says_what_it_is_and_what_to_do() {
        let key = include_bytes!("../../../tests/fixtures/relay-key.pem");
        let cut = &GOOD[..GOOD.len() - 40];
        let damaged = String::from_utf8_lossy(GOOD).replacen("\nMII", "\n!!!", 1);
        let other = format!("{BEGIN}\naGVsbG8gd29ybGQ=\n-----END CERTIFICATE-----\n");
        for (bytes, expected) in [
            (&b""[..], "ca.pem is empty"),
            (b"  \n", "ca.pem is empty"),
            (
                b"hello",
                "holds no certificate: each begins with `-----BEGIN CERTIFICATE-----`",
            ),
            (&key[..], "holds a private key: only certificates belong there"),
            (&[GOOD, key].concat(), "holds a private key"),
            (
                &[0x30, 0x82, 1, 2, 3],
                "openssl x509 -inform der -in ca.pem -out ca.pem.pem",
            ),
            (b"\xff\xfe-\0-\0", "UTF-16"),
            (b"-----BEGIN PKCS7-----\n", "openssl pkcs7 -print_certs"),
            (b"-----BEGIN TRUSTED CERTIFICATE-----\n", "openssl x509 -in ca.pem"),
            (cut, "certificate 1 in it does not end"),
            (damaged.as_bytes(), "certificate 1 in it is damaged"),
            (other.as_bytes(), "certificate 1 in it is none"),
            (&[GOOD, other.as_bytes()].concat(), "certificate 2 in it is none"),
        ] {
            let said = error(bytes);
            assert!(said.contains(expected), "{said}\nshould say: {expected}");
        }
    }

    #[test]
    fn a_mark_at_the_beginning_and_text_around_are_no_matter() {
        for bytes in [
            [b"\xef\xbb\xbf", GOOD].concat(),
            [b"subject=CN = localhost\n", GOOD].concat(),
        ] {
            let file = PemFile {
                name: "ca.pem".to_owned(),
                bytes,
                hosts: Vec::new(),
            };
            let found = file.certificates().expect("a certificate");
            assert_eq!(found[0].1.subject, "CN=localhost");
            assert!(!found[0].1.is_authority);
        }
    }

    #[test]
    fn a_certificate_that_expires_is_said_beforehand() {
        let file = PemFile {
            name: "ca.pem".to_owned(),
            bytes: GOOD.to_vec(),
            hosts: Vec::new(),
        };
        let at = |text: &str| file.warnings(text.parse().expect("a time"));
        assert_eq!(at("2026-12-01T00:00:00Z"), [""; 0]);
        assert!(at("2126-10-15T00:00:00Z")[0].contains("expires on 2126-10-31"));
        assert!(at("2127-01-01T00:00:00Z")[0].contains("expired on 2126-10-31"));
    }
}
