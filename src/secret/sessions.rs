//! What browsers are given to keep: who signed in, sealed in a cookie; what proves that a form is one of ours; and the
//! names of feeds.
//!
//! Nothing of a session is kept here. A cookie says with which token somebody signed in, as a keyed digest that is
//! compared with the tokens of today, so a token that is changed or removed ends every session begun with it.

use sha2::{Digest, Sha256};

use super::{LinkKey, Sealer, Secret, URL_SAFE, mac};
use crate::customer::CustomerId;
use base64::Engine;

/// The key of sessions and forms.
#[derive(Clone)]
pub struct SessionKey(Sealer);

impl SessionKey {
    /// The key that belongs to this state directory's links.
    pub fn of(links: &LinkKey) -> Self {
        let key = mac(links.0.as_slice(), &["sessions in cookies"]).into_bytes().into();
        Self(Sealer::with(key))
    }

    /// Seals what a cookie says.
    pub fn seal(&self, clear: &str) -> String {
        self.0.seal(clear)
    }

    /// Opens what [`SessionKey::seal`] made; `None` for anything else.
    pub fn unseal(&self, sealed: &str) -> Option<String> {
        self.0.unseal(sealed).ok()
    }

    /// What a token is known by in a cookie.
    pub fn fingerprint(&self, token: &Secret) -> String {
        self.digest("token", token.reveal())
    }

    /// What a form carries that was made for this session; empty for who reads without one.
    pub fn form_token(&self, session: &str) -> String {
        self.digest("form", session)
    }

    fn digest(&self, purpose: &str, of: &str) -> String {
        let key = self.0.derive(purpose);
        // the text may be long and is attacker's choice: it is hashed first
        let hashed: [u8; 32] = Sha256::digest(of.as_bytes()).into();
        let digest = mac(&key, &[purpose, &URL_SAFE.encode(hashed)]).into_bytes();
        URL_SAFE.encode(&digest[..16])
    }
}

impl LinkKey {
    /// What a customer's feeds are called: its name, and the first 16 bytes of an HMAC-SHA256 over it and the generation
    /// that the settings give to its feeds. Another generation is another name, and the former one opens nothing.
    pub fn feed(&self, customer: &CustomerId, generation: u32) -> String {
        let parts = ["feeds of a customer", customer.as_str(), &generation.to_string()];
        let mac = mac(self.0.as_slice(), &parts).into_bytes();
        format!("{customer}~{}", URL_SAFE.encode(&mac[..16]))
    }

    /// What the marks of an archive carry, so that a file is gone on with where it was begun: by this state directory, and
    /// for the same reader (a customer, or everybody's).
    pub fn archive(&self, of: Option<&CustomerId>) -> String {
        let parts = ["marks of an archive", of.map_or("", CustomerId::as_str)];
        URL_SAFE.encode(&mac(self.0.as_slice(), &parts).into_bytes()[..9])
    }

    /// Whose feeds are called this, where `generation` says which names count today.
    pub fn opens_feed(&self, name: &str, generation: impl FnOnce(&CustomerId) -> Option<u32>) -> Option<CustomerId> {
        let (customer, _) = name.rsplit_once('~')?;
        let customer = CustomerId::new(customer);
        // compared also for a customer that is not known, so that the answer takes as long
        let right = self.feed(&customer, generation(&customer).unwrap_or(u32::MAX));
        Secret::new(&right).equals(name).then_some(customer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feeds_name_opens_one_customers_feeds_of_one_generation_only() {
        let key = LinkKey::of(&Sealer::throwaway());
        let contoso = CustomerId::new("contoso.de");
        let name = key.feed(&contoso, 1);
        assert_eq!(key.opens_feed(&name, |_| Some(1)), Some(contoso));
        assert_eq!(key.opens_feed(&name, |_| Some(2)), None, "revoked");
        assert_eq!(key.opens_feed(&name, |_| None), None, "no customer any more");
        assert_eq!(key.opens_feed(&name.replace("contoso", "fabrikam"), |_| Some(1)), None);
        let other = LinkKey::of(&Sealer::throwaway());
        assert_eq!(other.opens_feed(&name, |_| Some(1)), None);
    }

    #[test]
    fn what_a_cookie_says_opens_with_its_key_and_forms_belong_to_one_session() {
        let key = SessionKey::of(&LinkKey::of(&Sealer::throwaway()));
        let sealed = key.seal("somebody");
        assert_eq!(key.unseal(&sealed).as_deref(), Some("somebody"));
        assert_eq!(key.unseal(&format!("{sealed}x")), None);
        assert_ne!(key.form_token(&sealed), key.form_token(&key.seal("somebody")));
        assert_ne!(key.form_token("x"), key.fingerprint(&Secret::new("x")));
    }
}
