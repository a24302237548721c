//! `claim.json`: everything but the texts, for programs.

use serde_json::{Value, json};

use super::layout::{LIST_MOST, Laid, Layout, Said};
use super::missing::Missing;
use super::{Impact, Pack, Window};

/// The claim, what is missing, and where the evidence is.
pub fn text(pack: &Pack<'_>, layout: &Layout<'_>, missing: &Missing<'_>) -> String {
    let incidents: Vec<Value> = layout.incidents.iter().map(incident).collect();
    let value = json!({
        "made": pack.made,
        "made_by": format!("Bellwether {}", pack.version),
        "claim": pack.row,
        "amount_asked": pack.amount_asked.or(pack.row.credit.as_deref()),
        "addressee": pack.addressee,
        "owner": pack.owner,
        "evidence": missing.items,
        "warnings": missing.warnings,
        "incidents": incidents,
        "incidents_left_out": layout.incidents_left_out,
    });
    format!("{value:#}\n")
}

fn incident(incident: &Laid<'_>) -> Value {
    let evidence = incident.evidence;
    let impact: Vec<&Impact> = evidence.impact.iter().take(LIST_MOST).collect();
    let accounts: Vec<&String> = evidence.accounts.iter().take(LIST_MOST).collect();
    let windows: Vec<&Window> = evidence.windows.iter().take(LIST_MOST).collect();
    let communications: Vec<Value> = incident.communications.iter().map(communication).collect();
    json!({
        "tracking_id": evidence.tracking_id,
        "title": evidence.title,
        "folder": incident.folder,
        "impact": impact,
        "accounts": accounts,
        "windows": windows,
        "resources": incident.resources,
        "resources_left_out": incident.resources_left_out,
        "communications": communications,
        "entered": evidence.entered,
        "communications_left_out": incident.communications_left_out,
    })
}

fn communication(said: &Said<'_>) -> Value {
    let communication = said.communication;
    json!({
        "published": communication.published,
        "received": communication.heard,
        "kind": communication.kind.word(),
        "title": communication.title,
        "text_sha256": said.digest,
        "file": said.file,
        "bytes_left_out": said.bytes_left_out,
    })
}
