//! Values that must never be read by accident, and the key that seals what is kept.
//!
//! A [`Secret`] or [`Url`] prints as a fingerprint wherever it is formatted; the value comes out only of `reveal`,
//! whose callers are the senders. [`Sealer`] encrypts rule texts before they reach the journal. `named` finds secrets by
//! their names, `beneath` opens files below a folder that strangers write into.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as URL_SAFE};
use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::customer::CustomerId;
use crate::durable;

pub mod beneath;
pub mod named;
mod sessions;

pub use named::Secrets;
pub use sessions::SessionKey;

/// A token or password.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a value; trailing line ends (an editor's) are dropped.
    pub fn new(value: &str) -> Self {
        Self(value.trim_end_matches(['\r', '\n']).to_owned().into())
    }

    /// The value itself: only for the moment of use.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// Compares in constant time.
    pub fn equals(&self, other: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.reveal().as_bytes(), other.as_bytes()).into()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.equals(other.reveal())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A URL that is itself a credential: prints as host and six hex digits of its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(Secret);

impl Url {
    /// Wraps a URL that was checked already.
    pub fn new(url: &url::Url) -> Self {
        Self(Secret::new(url.as_str()))
    }

    /// The URL itself: only for the moment of sending.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// Its host, which may be shown.
    pub fn host(&self) -> Option<String> {
        let url = url::Url::parse(self.reveal()).ok()?;
        url.host_str().map(str::to_owned)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host();
        let digest = Sha256::digest(self.reveal().as_bytes());
        write!(
            f,
            "{}/…#{:02x}{:02x}{:02x}",
            host.as_deref().unwrap_or("?"),
            digest[0],
            digest[1],
            digest[2]
        )
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key of the state directory: what it seals is unreadable without it.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    key: zeroize::Zeroizing<[u8; 32]>,
}

impl Sealer {
    /// The key in a systemd credential or a 0600 file; made at the first start, when nothing was sealed yet.
    ///
    /// # Errors
    /// When the file can't be read or written, does not hold 32 bytes in base64, or is gone although it was used.
    pub fn open(path: &Path, was_used: bool) -> Result<Self> {
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound && was_used => return Err(key_is_gone(path)),
            Err(error) if error.kind() == ErrorKind::NotFound => make_key(path)?,
            _ => {} // what is there and cannot be read is never replaced
        }
        let text = std::fs::read(path).with_context(|| format!("reading the state key {}", path.display()))?;
        let key = BASE64
            .decode(text.trim_ascii())
            .ok()
            .and_then(|key| <[u8; 32]>::try_from(key).ok());
        match key {
            Some(key) => Ok(Self::with(key)),
            None => Err(no_key(path, text.trim_ascii().len())),
        }
    }

    fn with(key: [u8; 32]) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new(&key.into()),
            key: zeroize::Zeroizing::new(key),
        }
    }

    /// A key for another purpose, made of this one (HMAC-SHA256 of the purpose).
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        mac(self.key.as_slice(), &[purpose]).into_bytes().into()
    }

    /// A key of this process only, for commands that keep nothing.
    #[cfg(test)]
    pub fn throwaway() -> Self {
        Self::with(XChaCha20Poly1305::generate_key(&mut OsRng).into())
    }

    /// Seals a text: base64 of nonce and ciphertext.
    pub fn seal(&self, clear: &str) -> String {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let sealed = self
            .cipher
            .encrypt(&nonce, clear.as_bytes())
            .expect("encrypting in memory cannot fail");
        BASE64.encode([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what `seal` made.
    ///
    /// # Errors
    /// When it was sealed with another key, or is damaged.
    pub fn unseal(&self, sealed: &str) -> Result<String> {
        let bytes = BASE64.decode(sealed).context("a sealed text is not base64")?;
        ensure!(bytes.len() > 24, "a sealed text is too short");
        let (nonce, ciphertext) = bytes.split_at(24);
        let clear = self.cipher.decrypt(XNonce::from_slice(nonce), ciphertext);
        let clear = clear.map_err(|_| anyhow::anyhow!("a sealed text does not open with this state key"))?;
        String::from_utf8(clear).context("a sealed text is not UTF-8")
    }
}

/// Makes a key that is there whole or not at all, whenever the process is killed.
fn make_key(path: &Path) -> Result<()> {
    let key = BASE64.encode(XChaCha20Poly1305::generate_key(&mut OsRng));
    durable::write_private_durably(path, key.as_bytes())
        .with_context(|| format!("making the state key {}", path.display()))
}

/// What to do about a file that is no key.
fn key_is_gone(path: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "the state key {} is gone, and this daemon has run with this state directory: put it back from a backup, because \
         what was recorded of rule files opens with that key only; without a backup write a new one there (32 random \
         bytes in base64, mode 0600): the rule files are read again, links in earlier messages open no more, and why \
         earlier rules did not match cannot be said any more",
        path.display()
    )
}

fn no_key(path: &Path, length: usize) -> anyhow::Error {
    let found = match length {
        0 => "is empty".to_owned(),
        _ => format!("is not 32 bytes in base64 (44 characters; {length} were found)"),
    };
    anyhow::anyhow!(
        "the state key {} {found}: put it back from a backup, because what was recorded of rule files opens with that \
         key only; if this daemon has never run with this state directory, delete the file, and a new key is made",
        path.display()
    )
}

/// Signs the links in messages: a link names the customer and the incident and nothing more, and opens that page only.
#[derive(Clone)]
pub struct LinkKey(zeroize::Zeroizing<[u8; 32]>);

impl LinkKey {
    /// The key of this state directory's links.
    pub fn of(sealer: &Sealer) -> Self {
        Self(zeroize::Zeroizing::new(sealer.derive("links in messages")))
    }

    /// The token of a link: the customer's name and the first 16 bytes of an HMAC-SHA256.
    pub fn token(&self, customer: &CustomerId, provider: &str, tracking_id: &str) -> String {
        let mac = mac(
            self.0.as_slice(),
            &[customer.as_str(), provider, &tracking_id.to_lowercase()],
        )
        .into_bytes();
        format!("{customer}~{}", URL_SAFE.encode(&mac[..16]))
    }

    /// On whose behalf a link's token opens the page of this incident; `None` if it does not.
    pub fn verify(&self, token: &str, provider: &str, tracking_id: &str) -> Option<CustomerId> {
        let (customer, _) = token.rsplit_once('~')?;
        let customer = CustomerId::new(customer);
        let right = self.token(&customer, provider, tracking_id);
        Secret::new(&right).equals(token).then_some(customer)
    }
}

/// HMAC-SHA256 over the parts, each with its length.
fn mac(key: &[u8], parts: &[&str]) -> hmac::digest::CtOutput<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_url_prints_its_host_and_never_its_path() {
        let url = Url::new(&url::Url::parse("https://hooks.slack.com/services/T0/B0/hunter2").expect("a URL"));
        let shown = format!("{url} {url:?}");
        assert!(shown.starts_with("hooks.slack.com/…#"), "{shown}");
        assert!(!shown.contains("hunter2"));
    }

    #[test]
    fn a_start_that_was_killed_while_the_key_was_made_does_not_stop_the_next_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state.key");
        std::fs::write(dir.path().join("state.key.tmp"), "half of a k").expect("a file");
        let made = Sealer::open(&path, false).expect("made");
        let sealed = made.seal("to: ops@contoso.example");
        let again = Sealer::open(&path, false).expect("opens");
        assert_eq!(again.unseal(&sealed).expect("opens"), "to: ops@contoso.example");
        assert!(!dir.path().join("state.key.tmp").exists());
    }

    #[test]
    fn a_state_key_that_is_none_is_told_with_what_to_do_and_left_as_it_is() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state.key");
        for (text, found) in [(" \n", "is empty"), ("c2hvcnQ=", "44 characters; 8 were found")] {
            std::fs::write(&path, text).expect("a file");
            let error = format!("{:#}", Sealer::open(&path, false).err().expect("no key"));
            assert!(
                error.contains(found) && error.contains("put it back from a backup"),
                "{error}"
            );
            assert!(error.contains("delete the file"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).expect("a file"), text);
        }
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_only() {
        let sealer = Sealer::throwaway();
        let sealed = sealer.seal("to: ops@contoso.example");
        assert_eq!(sealer.unseal(&sealed).expect("opens"), "to: ops@contoso.example");
        assert!(Sealer::throwaway().unseal(&sealed).is_err());
    }

    #[test]
    fn a_link_opens_one_incident_for_one_customer_only() {
        let key = LinkKey::of(&Sealer::throwaway());
        let token = key.token(&CustomerId::new("contoso"), "azure", "0NTJ-VV8");
        assert_eq!(
            key.verify(&token, "azure", "0ntj-vv8"),
            Some(CustomerId::new("contoso"))
        );
        assert_eq!(key.verify(&token, "azure", "OTHER"), None);
        assert_eq!(
            key.verify(&token.replace("contoso", "fabrikam"), "azure", "0NTJ-VV8"),
            None
        );
        assert_eq!(
            LinkKey::of(&Sealer::throwaway()).verify(&token, "azure", "0NTJ-VV8"),
            None
        );
    }

    #[test]
    fn a_key_that_was_used_and_is_gone_is_not_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state.key");
        let error = Sealer::open(&path, true).err().expect("refused").to_string();
        assert!(error.contains("is gone") && error.contains("backup"), "{error}");
        assert!(!path.exists());
    }
}
