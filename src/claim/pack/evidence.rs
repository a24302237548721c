//! What proves an incident: its communications with times and digests, a timeline, and the impacted resources as CSV.

use std::fmt::Write as _;

use super::layout::{LIST_MOST, Laid, Said};
use super::request::lasted;
use super::words::{count, line, moment};
use super::{Entered, Resource};

/// The files of one incident's folder.
pub fn files(incident: &Laid<'_>) -> Vec<(String, Vec<u8>)> {
    let folder = &incident.folder;
    let mut files = vec![(format!("{folder}/timeline.txt"), timeline(incident).into_bytes())];
    if !incident.resources.is_empty() {
        files.push((format!("{folder}/resources.csv"), resources(incident.resources)));
    }
    let said = incident.communications.iter();
    files.extend(said.map(|said| (said.file.clone(), communication(said).into_bytes())));
    files
}

fn timeline(incident: &Laid<'_>) -> String {
    let evidence = incident.evidence;
    let mut text = match &evidence.entered {
        Some(entered) => entry(entered),
        None => format!(
            "Timeline of {}\n{}\n\n",
            line(&evidence.tracking_id, 300),
            line(&evidence.title, 500)
        ),
    };
    for window in evidence.windows.iter().take(LIST_MOST) {
        let _ = writeln!(text, "Impact {}", lasted(window));
    }
    text.push('\n');
    for said in &incident.communications {
        let communication = said.communication;
        let _ = writeln!(
            text,
            "{}  {}\n  {}\n  received {}, SHA-256 of the text: {}\n  {}",
            moment(communication.published),
            communication.kind.word(),
            line(&communication.title, 500),
            moment(communication.heard),
            said.digest,
            said.file
        );
    }
    if incident.communications.is_empty() && evidence.entered.is_none() {
        text.push_str("No communication of the provider is known here.\n");
    }
    text
}

/// Downtime that a person entered, and what proves it.
fn entry(entered: &Entered) -> String {
    let mut text = format!(
        "Downtime without an incident of the provider, entered by {} at {}\n\nWhy it counts: {}\n",
        line(&entered.by, 200),
        moment(entered.at),
        line(&entered.reason, 1_000)
    );
    for one in &entered.evidence {
        let _ = writeln!(text, "Evidence: {}", line(one, 1_000));
    }
    text.push('\n');
    text
}

fn communication(said: &Said<'_>) -> String {
    let communication = said.communication;
    // what stands before the text: five lines, one that says it is cut, and an empty one
    let first = if said.bytes_left_out > 0 { 8 } else { 7 };
    let mut text = format!(
        "Title:     {}\nKind:      {}\nPublished: {}\nReceived:  {}\nSHA-256:   {} (of the text from line {first} on)\n",
        line(&communication.title, 500),
        communication.kind.word(),
        moment(communication.published),
        moment(communication.heard),
        said.digest,
    );
    if said.bytes_left_out > 0 {
        let left_out = count(said.bytes_left_out, "byte");
        let _ = writeln!(text, "Cut:       the last {left_out} of the text are left out here");
    }
    format!("{text}\n{}\n", said.text)
}

/// RFC 4180, with a first line of names.
fn resources(resources: &[Resource]) -> Vec<u8> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let rows = resources.iter().map(|resource| {
        [
            cell(&resource.id),
            cell(&resource.kind),
            cell(&resource.name),
            cell(resource.account.as_deref().unwrap_or("")),
            cell(resource.region.as_deref().unwrap_or("")),
            resource.impact_type().to_owned(),
        ]
    });
    let names = ["id", "type", "name", "account", "region", "impact"].map(str::to_owned);
    for row in std::iter::once(names).chain(rows) {
        csv.write_record(row).expect("memory takes every row of equal length");
    }
    csv.into_inner().expect("memory takes what is left")
}

/// A value that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let text = line(text, 500);
    match text.starts_with(['=', '+', '-', '@']) {
        true => format!("'{text}"),
        false => text,
    }
}
