//! The legacy activity-log webhook: `schemaId = "Microsoft.Insights/activityLogs"`.
//!
//! The event is under `data.context.activityLog`; `data.properties` is the alert rule's own.

use super::super::Form;
use super::super::json::{Fault, Node};
use super::notice::{self, Envelope};
use super::{Heard, log, words};

/// Reads one webhook body.
pub(super) fn read(root: &Node, heard: &mut Heard) -> Result<(), Fault> {
    let data = root.get("data").ok_or_else(|| Fault::missing(root, "data"))?;
    let context = data.get("context").ok_or_else(|| Fault::missing(data, "context"))?;
    let entry = context
        .get("activityLog")
        .ok_or_else(|| Fault::missing(context, "activityLog"))?;
    let envelope = Envelope {
        form: Form::AzureActivityLogWebhook,
        accounts: log::accounts(entry),
        custom: words::custom(data.get("properties")),
    };
    notice::read(entry, envelope, heard)
}
