//! Who mails and invitations come from.

use super::EmailAddress;
use super::text::line;

/// Who mails come from: a mailbox with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    name: String,
    address: EmailAddress,
}

impl Sender {
    /// Reads `Bellwether <bellwether@contoso.example>` or the address alone.
    ///
    /// # Errors
    /// In words an operator can act on.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err("a sender has no line ends or control characters".into());
        }
        let (name, address) = match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (line(name.trim().trim_matches('"'), 100), address),
            None => (String::new(), text),
        };
        let name = if name.is_empty() { "Bellwether".to_owned() } else { name };
        Ok(Self {
            name,
            address: EmailAddress::read(address)?,
        })
    }

    /// The name shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address alone.
    pub fn address(&self) -> &EmailAddress {
        &self.address
    }
}
