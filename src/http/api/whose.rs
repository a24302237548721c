//! Whose something is that is handed in: a customer's own, or whose the operator says.

use super::super::auth::Speaker;
use super::super::query::Query;
use super::super::refusal::Refusal;
use crate::customer::{CustomerId, Customers, OPERATOR, ORGANISATION, Viewer};
use crate::problem::fields::list;
use crate::problem::meant::meant;

/// How many customers an answer names.
const NAMED_MOST: usize = 20;

/// The customer for whom something is handed in.
///
/// # Errors
/// When a customer's token speaks for another one, or nobody says which of several it is.
pub fn whose(speaker: &Speaker, query: &Query, customers: &Customers) -> Result<CustomerId, Refusal> {
    let asked = query.one("customer").map(CustomerId::new);
    if let Some(own) = &speaker.own {
        return match asked.is_none_or(|asked| asked == *own) {
            true => Ok(own.clone()),
            false => Err(Refusal::not_found("there is no such customer").field("customer")),
        };
    }
    let Some(known) = &customers.by_name else {
        let organisation = CustomerId::new(ORGANISATION);
        return match asked.is_none_or(|asked| asked == organisation) {
            true => Ok(organisation),
            false => Err(Refusal::not_found("there are no customers in the settings").field("customer")),
        };
    };
    let names: Vec<&str> = known.keys().map(CustomerId::as_str).take(NAMED_MOST).collect();
    match asked {
        Some(asked) if asked.as_str() == OPERATOR || known.contains_key(&asked) => Ok(asked),
        Some(asked) => {
            let hint = meant(asked.as_str(), known.keys().map(CustomerId::as_str)).unwrap_or_else(|| list(&names));
            Err(Refusal::not_found("there is no such customer")
                .field("customer")
                .hint(hint))
        }
        None => Err(Refusal::bad("this must say whose it is")
            .field("customer")
            .hint(format!("`?customer=NAME` (`--customer NAME`): {}", list(&names)))),
    }
}

/// The customer whose things are asked for; none: everybody's, which only the operator reads.
///
/// # Errors
/// When a customer asks for those of another one.
pub fn whose_are_read(viewer: &Viewer, query: &Query) -> Result<Option<CustomerId>, Refusal> {
    let asked = query.one("customer").map(CustomerId::new);
    match (viewer.customer().filter(|own| !own.is_operator()), asked) {
        (Some(own), Some(asked)) if *own != asked => {
            Err(Refusal::not_found("there is no such customer").field("customer"))
        }
        (Some(own), _) => Ok(Some(own.clone())),
        (None, asked) => Ok(asked),
    }
}

/// On whose behalf a customer's part is read.
pub fn viewer_of(customer: &CustomerId) -> Viewer {
    match customer.as_str() {
        ORGANISATION | OPERATOR => Viewer::Operator,
        _ => Viewer::Customer(customer.clone()),
    }
}

/// Whether an account may be named in what a customer hands in: where customers are told apart, one of its own.
pub fn may_name(customers: &Customers, customer: &CustomerId, account: &str) -> bool {
    let own = customers.by_name.as_ref().and_then(|known| known.get(customer));
    own.is_none_or(|own| own.accounts.contains(account))
}

/// Where a list by customer and key goes on: `CUSTOMER~KEY`, as `next` of an answer writes it.
///
/// # Errors
/// When it is not the `next` of an answer.
pub fn after(query: &Query) -> Result<Option<(CustomerId, String)>, Refusal> {
    let Some(text) = query.one("after") else {
        return Ok(None);
    };
    let parts = text.split_once('~');
    let parts = parts.map(|(customer, key)| (CustomerId::new(customer), key.to_owned()));
    parts
        .map(Some)
        .ok_or_else(|| Refusal::bad("this is not the `next` of an earlier answer").field("after"))
}

/// What to ask for to see what is behind this one.
pub fn next(customer: &CustomerId, key: &str) -> String {
    format!("{customer}~{key}")
}
