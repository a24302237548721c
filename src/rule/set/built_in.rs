//! The rules and receivers that nobody writes: they tell whoever answers for rule files that these are broken, or that
//! receivers fail.

use crate::channel::words::CONTACT;
use crate::channel::{Address, EmailAddress};
use crate::customer::{CustomerId, Customers, OPERATOR, ORGANISATION};
use crate::event::Kind;
use crate::rule::{Condition, Follow, Receiver, Rule};

/// The built-in rule that tells a customer's contact about broken rule files.
pub const RULE_FILES: &str = "(rule files)";

/// The rules and receivers that nobody writes: contacts are told about their rule files.
pub(super) fn of(customers: &Customers) -> Vec<(Rule, Receiver)> {
    let organisation = if customers.are_separate() {
        OPERATOR
    } else {
        ORGANISATION
    };
    let organisation = customers
        .contact
        .as_deref()
        .map(|contact| (CustomerId::new(organisation), contact, true));
    let known = customers.by_name.iter().flatten();
    let own = known.filter_map(|(id, one)| Some((id.clone(), one.contact.as_deref()?, false)));
    let contacts = own
        .chain(organisation)
        .filter_map(|(customer, contact, is_organisation)| {
            let address = EmailAddress::read(contact).ok()?;
            Some((rule_files(&customer, is_organisation), contact_of(customer, address)))
        });
    contacts.collect()
}

fn rule_files(customer: &CustomerId, is_organisation: bool) -> Rule {
    let mut kinds = vec![
        Kind::RulesBroken,
        Kind::RulesMended,
        Kind::ReceiverFailing,
        Kind::ReceiverBack,
    ];
    if is_organisation {
        kinds.extend([
            Kind::JournalLost,
            Kind::SetAside,
            Kind::ClockJumped,
            Kind::MailRefused,
            Kind::NotUnderstood,
        ]);
    }
    Rule {
        customer: customer.clone(),
        name: RULE_FILES.to_owned(),
        when: Condition {
            kinds: Some(kinds),
            ..Condition::default()
        },
        unless: Vec::new(),
        notify: vec![CONTACT.to_owned()],
        invite: Vec::new(),
        settle_seconds: 10,
        follow: Follow::Nothing,
        every: false,
        test_events: false,
        enabled: true,
        line: 0,
    }
}

fn contact_of(customer: CustomerId, address: EmailAddress) -> Receiver {
    Receiver {
        customer,
        name: CONTACT.to_owned(),
        to: vec![Address::Email(address)],
        zone: chrono_tz::UTC,
    }
}
