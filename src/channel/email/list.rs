//! What a mail says of the list it goes to, for filters and people: all mails of one customer to one receiver are one list
//! (RFC 2919), and who answers for it is the customer's contact (RFC 2369 §3.4).
//!
//! There is no `List-Unsubscribe`: who is told stands in a rule file, and no program takes an address out of it.

use crate::channel::text::line;
use crate::channel::{EmailAddress, calendar};
use crate::message::Message;
use crate::notification::hash;

/// The longest label of an id that is written as it is, characters.
const LABEL_MAX_CHARS: usize = 40;

/// `<platform.contoso.bellwether.contoso.example>`: the same for as long as customer and receiver have their names.
pub(super) fn id(message: &Message, domain: &str) -> String {
    let content = &message.content;
    let (receiver, customer) = (label(&content.receiver), label(content.customer.as_str()));
    format!("<{receiver}.{customer}.bellwether.{}>", line(domain, 100))
}

/// Whom to ask for a change.
pub(super) fn owner(message: &Message) -> Option<String> {
    let contact = message.content.contact.as_deref()?;
    let contact = EmailAddress::read(contact).ok()?;
    Some(format!("<{}>", calendar::mailto(&contact)))
}

/// A name as a label of letters, digits and hyphens; where that is not the whole name, with a hash of it.
fn label(name: &str) -> String {
    let lower = name.to_lowercase();
    let kept = lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    let kept: String = kept.take(LABEL_MAX_CHARS).collect();
    let label = kept.trim_matches('-');
    match label == name {
        true if !label.is_empty() => label.to_owned(),
        _ => format!("{label}-{}", &hash(&[name])[..8]).trim_matches('-').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::sample;
    use crate::customer::CustomerId;

    #[test]
    fn a_list_is_a_customers_receiver() {
        let mut message = sample::update();
        assert_eq!(
            id(&message, "contoso.example"),
            "<platform.contoso.bellwether.contoso.example>"
        );
        message.content.receiver = "Zürich (on call)".into();
        let zurich = id(&message, "contoso.example");
        assert!(zurich.starts_with("<z-rich--on-call-") && zurich.is_ascii(), "{zurich}");
        message.content.receiver = "Zärich (on call)".into();
        assert_ne!(id(&message, "contoso.example"), zurich);
        message.content.customer = CustomerId::new("fabrikam");
        assert!(id(&message, "contoso.example").ends_with(".fabrikam.bellwether.contoso.example>"));
    }

    #[test]
    fn no_name_ends_the_id_or_the_line() {
        for message in sample::hostile() {
            let id = id(&message, "contoso.example");
            let inside = id
                .strip_prefix('<')
                .and_then(|id| id.strip_suffix('>'))
                .expect("brackets");
            assert!(
                inside.len() <= 255 && inside.split('.').all(|label| !label.is_empty()),
                "{id}"
            );
            assert!(
                inside.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)),
                "{id}"
            );
        }
    }

    #[test]
    fn the_owner_is_the_contact_and_nobody_if_there_is_none() {
        let mut message = sample::update();
        assert_eq!(owner(&message).as_deref(), Some("<mailto:cloud@contoso.example>"));
        message.content.contact = None;
        assert_eq!(owner(&message), None);
        message.content.contact = Some("x\r\nBcc: eve@evil.example".into());
        assert_eq!(owner(&message), None);
    }
}
