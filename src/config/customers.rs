//! `customers`: who owns what, as the operator writes it.

use std::collections::{BTreeMap, BTreeSet};

use crate::channel::EmailAddress;
use crate::customer::account::{account_id, is_account_id};
use crate::customer::{Customer, CustomerId};
use crate::problem::Place;
use crate::problem::fields::{Fields, Keys, Reading};
use crate::problem::yaml::{Node, Value};

const CUSTOMER: Keys = Keys {
    of: "a customer",
    known: &["contact", "accounts", "public", "secrets", "tokens", "feed generation"],
    later: &["inventory", "users"],
    meant: &[
        ("email", "contact"),
        ("subscriptions", "accounts"),
        ("account", "accounts"),
        ("tenants", "accounts"),
        ("sources", "public"),
        ("secret", "secrets"),
        ("token", "tokens"),
        ("feeds", "feed generation"),
        ("rules", "=a customer's rules stand in rules/NAME/"),
    ],
    takes_own: false,
};

/// Reads `customers`; `None` where there is nothing of the kind.
pub(super) fn read(reading: &Reading<'_>, node: &Node) -> Option<BTreeMap<CustomerId, Customer>> {
    let fields = reading.named(node, "`customers`")?;
    let customers = fields.iter().filter_map(|(name, place, node)| {
        let customer = customer(reading, node);
        is_customer(reading, name, place).then(|| (CustomerId::new(name), customer))
    });
    Some(customers.collect())
}

fn is_customer(reading: &Reading<'_>, name: &str, place: Place) -> bool {
    let is_sound = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte));
    if !is_sound {
        let hint = name.to_lowercase().replace(' ', "-");
        let what = "a customer's name is the name of its folder: a-z, 0-9, `.`, `_`, `-`, at most 64";
        reading.error(place, what, Some(&format!("{hint}:")));
    }
    is_sound
}

fn customer(reading: &Reading<'_>, node: &Node) -> Customer {
    if let Value::Nothing = node.value {
        return Customer::default();
    }
    let Some(fields) = reading.fields(node, &CUSTOMER) else {
        return Customer::default();
    };
    Customer {
        contact: contact(reading, &fields),
        accounts: accounts(reading, &fields),
        public: set(reading, &fields, "public", "the name of a source"),
        secrets: secret_names(reading, &fields, "secrets"),
        tokens: secret_names(reading, &fields, "tokens"),
        feed_generation: feed_generation(reading, &fields),
    }
}

/// The accounts that a customer owns, as events name them: `/subscriptions/<id>` is its id. What is nearly an id, or a
/// pattern, would own nothing, and nobody would hear.
fn accounts(reading: &Reading<'_>, fields: &Fields<'_>) -> BTreeSet<String> {
    let Some(node) = fields.get("accounts") else {
        return BTreeSet::new();
    };
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        let what = "this customer owns no account, and hears of nothing but what is `public`";
        reading.warning(
            node.place,
            what,
            Some("accounts: [11111111-aaaa-4bbb-8ccc-111111111111]"),
        );
        return BTreeSet::new();
    }
    let texts = reading.texts(node, "the id of an account").into_iter();
    // a warning: one customer's mistake does not keep the daemon from telling the others
    let read = texts.map(|text| match account_id(&text.value) {
        Ok(id) => {
            if !is_account_id(&id) {
                let what = format!("`{id}` is not the id of a subscription: no event of Azure is for it");
                let hint = "the portal shows it: 11111111-aaaa-4bbb-8ccc-111111111111";
                reading.warning(text.place, &what, Some(hint));
            }
            id
        }
        Err(no) => {
            let what = format!("{}; its customer hears nothing of it", no.what);
            reading.warning(text.place, &what, Some(&no.hint));
            text.value.trim().to_lowercase()
        }
    });
    read.collect()
}

/// Which names the customer's feeds have.
fn feed_generation(reading: &Reading<'_>, fields: &Fields<'_>) -> u32 {
    let node = fields.get("feed generation");
    let number = node.and_then(|node| reading.number(node, "`feed generation`", 0..=u64::from(u32::MAX)));
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

fn contact(reading: &Reading<'_>, fields: &Fields<'_>) -> Option<String> {
    let node = fields.get("contact")?;
    let text = reading.text(node, "`contact`")?;
    let address = EmailAddress::read(&text)
        .map_err(|what| reading.error(node.place, &what, None))
        .ok()?;
    Some(address.as_str().to_owned())
}

/// Ids and names, in lower case, none with spaces.
fn set(reading: &Reading<'_>, fields: &Fields<'_>, key: &str, what: &str) -> BTreeSet<String> {
    let Some(node) = fields.get(key) else {
        return BTreeSet::new();
    };
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        return BTreeSet::new();
    }
    let sound = reading.texts(node, what).into_iter().filter(|text| {
        let is_sound = !text
            .value
            .trim()
            .contains(|c: char| c.is_whitespace() || c.is_control() || c == ',');
        if !is_sound {
            reading.error(
                text.place,
                &format!("this is not {what}"),
                Some("several are a list: [a, b]"),
            );
        }
        is_sound
    });
    sound.map(|text| text.value.trim().to_lowercase()).collect()
}

fn secret_names(reading: &Reading<'_>, fields: &Fields<'_>, key: &str) -> BTreeSet<String> {
    let items = fields.get(key).map(|node| reading.items(node)).unwrap_or_default();
    items.into_iter().filter_map(|item| reading.secret_name(item)).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::{Flags, Settings};

    /// The accounts that are read, and how many warnings there are.
    fn read(accounts: &str) -> (Vec<String>, usize) {
        let text = format!("customers: {{ acme: {{ accounts: [{accounts}] }} }}\n");
        let (settings, problems) = Settings::read("bellwether.yaml", &text, &Flags::default()).expect("settings");
        let customers = settings.customers.by_name.expect("customers");
        let accounts = customers.into_values().next().expect("one").accounts;
        (accounts.into_iter().collect(), problems.len())
    }

    #[test]
    fn an_account_is_an_id_or_what_the_portal_copies_and_what_owns_nothing_is_warned_of() {
        let id = "11111111-aaaa-4bbb-8ccc-111111111111";
        assert_eq!(
            read(&format!("/subscriptions/{}", id.to_uppercase())),
            (vec![id.to_owned()], 0)
        );
        assert_eq!(read(&format!("{id}, '123456789012'")).1, 0);
        assert_eq!(read("").1, 1, "owns nothing");
        for wrong in [
            "my-account",
            "prod",
            "1111111-aaaa-4bbb-8ccc-111111111111",
            "'*'",
            "'{id}'",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(read(wrong).1, 1, "{wrong}");
        }
    }
}
