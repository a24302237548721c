//! The common alert schema: `schemaId = "azureMonitorCommonAlertSchema"`.
//!
//! `data.essentials` says what alerted and for which subscriptions (nothing else does); `data.alertContext` is the
//! event, with numbers for channels, source and level. `essentials.severity` is Sev4 for all of them and means nothing.

use std::collections::BTreeSet;

use super::super::Form;
use super::super::json::{Fault, Node};
use super::notice::{self, Envelope};
use super::{Heard, log, words};

/// Reads one alert.
pub(super) fn read(root: &Node, heard: &mut Heard) -> Result<(), Fault> {
    let data = root.get("data").ok_or_else(|| Fault::missing(root, "data"))?;
    let essentials = data
        .get("essentials")
        .ok_or_else(|| Fault::missing(data, "essentials"))?;
    let service = words::value(essentials, "monitoringService").unwrap_or_default();
    let is_operation = data.get("alertContext").is_some_and(notice::is_operation);
    if !notice::is_service_health(&service) && !is_operation {
        let service = if service.is_empty() {
            "an alert without a monitoringService"
        } else {
            &service
        };
        notice::not_health(root, service, heard);
        return Ok(());
    }
    let entry = data
        .get("alertContext")
        .ok_or_else(|| Fault::missing(data, "alertContext"))?;
    let envelope = Envelope {
        form: Form::AzureCommonAlert,
        accounts: targets(essentials).into_iter().chain(log::accounts(entry)).collect(),
        custom: words::custom(data.get("customProperties")),
    };
    notice::read(entry, envelope, heard)
}

/// The subscriptions it was fired for.
fn targets(essentials: &Node) -> BTreeSet<String> {
    let Some(targets) = essentials.get("alertTargetIDs") else {
        return BTreeSet::new();
    };
    let ids = match targets.list() {
        Some(items) => items.iter().filter_map(Node::text).collect(),
        None => targets.text().into_iter().collect::<Vec<_>>(),
    };
    ids.into_iter().filter_map(words::account_in).collect()
}
