//! An Activity Log event as the REST API gives it (`{value, localizedValue}` around its words), and a record of a
//! diagnostic setting (`time`, `resourceId`, `category`, …). Neither has an envelope.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Form;
use super::super::json::{Fault, Node};
use super::notice::{self, Envelope};
use super::{Heard, words};

/// Reads one event or record.
pub(super) fn read(entry: &Node, heard: &mut Heard) -> Result<(), Fault> {
    let is_record = entry.get("time").is_some() && entry.get("eventTimestamp").is_none();
    let form = if is_record {
        Form::AzureDiagnosticRecords
    } else {
        Form::AzureActivityLogEvent
    };
    notice::read(
        entry,
        Envelope {
            form,
            accounts: accounts(entry),
            custom: BTreeMap::new(),
        },
        heard,
    )
}

/// The subscription an entry is about.
pub(super) fn accounts(entry: &Node) -> BTreeSet<String> {
    let own = words::value(entry, "subscriptionId").map(|ids| words::accounts_in(&ids));
    let named = || {
        ["resourceId", "id"]
            .iter()
            .find_map(|key| words::account_in(&words::value(entry, key)?))
    };
    match own.filter(|own| !own.is_empty()) {
        Some(own) => own,
        None => named().into_iter().collect(),
    }
}
