//! Somebody ends the rules of a customer whose folder is gone; that customer is told.

use super::own::own;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Kind, Stage};
use crate::journal::Position;
use crate::notification::EndpointId;
use crate::record::{BrokenFile, Change, Why};
use crate::rule::Revision;

/// What bears on it.
pub struct Forgetting {
    /// Where it was asked for.
    pub recorded: Position,
    /// Whose rules.
    pub customer: CustomerId,
    /// The customer's files in force.
    pub paths: Vec<String>,
    /// What is in force without them.
    pub after: Revision,
    /// What of the customer is known to be broken.
    pub broken: Vec<BrokenFile>,
    /// Endpoints that fail and are in no rule file any more.
    pub no_longer_failing: Vec<EndpointId>,
}

/// The customer's files are in force no more, and nothing of them is broken any more.
pub fn forgotten(forgetting: &Forgetting, now: Time) -> Vec<Change> {
    if forgetting.paths.is_empty() {
        let why = Why::NothingInForce;
        return vec![Change::Nothing { why }];
    }
    let mut changes = vec![Change::InForce {
        revision: forgetting.after.clone(),
        recorded: forgetting.recorded,
        files: Vec::new(),
        removed: forgetting.paths.clone(),
        settings: false,
        given_back: Vec::new(),
    }];
    changes.extend(forgetting.broken.iter().map(|file| Change::Broken {
        path: file.path.clone(),
        broken: None,
    }));
    let gone = forgetting.no_longer_failing.iter();
    changes.extend(gone.map(|endpoint| Change::EndpointWorks {
        endpoint: endpoint.clone(),
        delivery: String::new(),
    }));
    let customer = &forgetting.customer;
    let text = format!(
        "Its folder was gone, and an operator confirmed that they are to end: {}. Nobody is told by them any more. Rule \
         files that are put into the folder again come into force as ever.",
        forgetting.paths.join(", ")
    );
    let event = Box::new(own(
        Kind::RulesMended,
        Stage::Resolved,
        customer,
        &format!("rules:{customer}/"),
        format!("The rules of `{customer}` have ended"),
        &text,
        now,
    ));
    changes.push(Change::Raised { event });
    changes
}
