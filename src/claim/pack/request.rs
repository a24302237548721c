//! `request.txt`: what is typed or pasted into the provider's form, or mailed to the reseller.
//!
//! It holds facts and the calculation, and no remark of ours that a provider must not read: those are in `missing.txt`.

use std::fmt::Write as _;

use super::layout::{Laid, Layout};
use super::words::{amount, count, line, moment};
use super::{Pack, Resource, Row, Window};
use crate::claim::ENTERED_BY_A_PERSON;
use crate::customer::{OPERATOR, ORGANISATION};

/// The most services, accounts or resources of one incident that the text names; the others are counted.
const NAMED_MOST: usize = 20;

/// Where Azure takes a new support request.
const AZURE_REQUEST: &str = "https://go.microsoft.com/fwlink/p/?linkid=2202692";

/// What downtime is called that a person entered.
const ENTERED: &str = "Downtime without an incident of the provider";

/// The text of the support request.
pub fn text(pack: &Pack<'_>, layout: &Layout<'_>) -> String {
    let mut text = String::new();
    text.push_str("Request for a service credit\n\n");
    for (label, value) in facts(pack) {
        let _ = writeln!(text, "{:<15} {value}", format!("{label}:"));
    }
    text.push_str("\nWhat happened\n\n");
    for incident in &layout.incidents {
        happened(incident, &mut text);
    }
    if layout.incidents.is_empty() {
        text.push_str("(No incident is described here.)\n");
    }
    text.push_str("\nHow the credit is computed\n\n");
    for sentence in calculation(pack) {
        let _ = writeln!(text, "{sentence}");
    }
    text.push_str("\nEvidence\n\n");
    for incident in &layout.incidents {
        let _ = writeln!(text, "- {}", proven(incident));
    }
    text.push_str("- SHA256SUMS: the SHA-256 of each file of this pack\n");
    text
}

/// What the form asks for, each with its label.
pub fn facts(pack: &Pack<'_>) -> Vec<(&'static str, String)> {
    let row = pack.row;
    let said = |text: &str| line(text, 300);
    let service = [Some(&row.service), row.tier.as_ref()];
    let service: Vec<String> = service.into_iter().flatten().map(|part| said(part)).collect();
    // what a person entered has no tracking id, and stands under what happened
    let ids: Vec<&String> = row.incidents.iter().filter(|id| *id != ENTERED_BY_A_PERSON).collect();
    let ids = with_others(ids.iter().take(NAMED_MOST).map(|id| said(id)).collect(), ids.len());
    let mut facts = vec![("To", said(pack.addressee.unwrap_or("the provider's support")))];
    facts.extend(form(&row.provider));
    let is_named = ![ORGANISATION, OPERATOR].contains(&row.customer.as_str());
    let known = [
        ("Customer", is_named.then(|| said(&row.customer))),
        ("Subscription", row.subscription.as_deref().map(said)),
        ("Tracking ids", Some(ids).filter(|ids| !ids.is_empty())),
        ("Service", Some(service.join(", "))),
        ("Region", row.region.as_deref().map(said)),
        ("Resource", row.resource.as_deref().map(said)),
        ("Billing month", Some(billing_month(row))),
        ("Amount asked", amount(row, pack.amount_asked)),
        ("To be in by", row.last_day.as_deref().map(said)),
        ("Our contact", pack.owner.map(said)),
        ("Our reference", Some(said(&row.id))),
    ];
    facts.extend(known.into_iter().filter_map(|(label, value)| Some((label, value?))));
    facts
}

/// `2026-11`, or with its dates: `2026-11: 2026-11-15 to 2026-12-14 (Europe/Berlin)`.
fn billing_month(row: &Row) -> String {
    let month = line(&row.month, 300);
    match &row.billing_period {
        Some(period) => format!("{month}: {}", line(period, 300)),
        None => month,
    }
}

/// What sort of request it is, in the words of the provider's form where they are known.
fn form(provider: &str) -> Vec<(&'static str, String)> {
    match provider {
        "azure" => vec![
            ("Issue type", "Billing".to_owned()),
            ("Problem type", "Refund Request".to_owned()),
            ("New request", AZURE_REQUEST.to_owned()),
        ],
        _ => vec![
            ("Subject", "Service credit under the service level agreement".to_owned()),
            ("Provider", line(provider, 100)),
        ],
    }
}

fn happened(incident: &Laid<'_>, text: &mut String) {
    let evidence = incident.evidence;
    let name = [&evidence.tracking_id, &evidence.title];
    let name: Vec<String> = name
        .iter()
        .map(|part| line(part, 300))
        .filter(|part| !part.is_empty())
        .collect();
    let name = match (name.is_empty(), &evidence.entered) {
        (true, _) => ENTERED.to_owned(),
        (false, Some(_)) => format!("{ENTERED}: {}", name.join(": ")),
        (false, None) => name.join(": "),
    };
    let _ = writeln!(text, "{name}");
    if let Some(entered) = &evidence.entered {
        let _ = writeln!(text, "- why it counts: {}", line(&entered.reason, 1_000));
        for one in &entered.evidence {
            let _ = writeln!(text, "- evidence: {}", line(one, 1_000));
        }
    }
    for window in evidence.windows.iter().take(NAMED_MOST) {
        let _ = writeln!(text, "- {}", lasted(window));
    }
    let impact = evidence
        .impact
        .iter()
        .take(NAMED_MOST)
        .map(|impact| match &impact.region {
            Some(region) => line(&format!("{} in {region}", impact.service), 300),
            None => line(&impact.service, 300),
        });
    listed("impacted", impact.collect(), evidence.impact.len(), text);
    let accounts = evidence
        .accounts
        .iter()
        .take(NAMED_MOST)
        .map(|account| line(account, 100));
    listed("accounts", accounts.collect(), evidence.accounts.len(), text);
    let resources = evidence.resources.iter().take(NAMED_MOST).map(resource);
    listed("resources", resources.collect(), evidence.resources.len(), text);
}

/// `from 2026-11-03 10:00:00Z until 2026-11-03 10:45:00Z, by the provider's metadata`.
pub fn lasted(window: &Window) -> String {
    let until = match window.until {
        Some(until) => format!("until {}", moment(until)),
        None => "and still going on".to_owned(),
    };
    format!("from {} {until}, {}", moment(window.from), line(&window.said_by, 1_500))
}

fn resource(resource: &Resource) -> String {
    let name = match resource.name.is_empty() {
        true => &resource.id,
        false => &resource.name,
    };
    format!("{} ({})", line(name, 300), resource.impact_type())
}

fn listed(label: &str, named: Vec<String>, all: usize, text: &mut String) {
    if !named.is_empty() {
        let _ = writeln!(text, "- {label}: {}", with_others(named, all));
    }
}

fn with_others(named: Vec<String>, all: usize) -> String {
    match all.saturating_sub(named.len()) {
        0 => named.join("; "),
        more => format!("{}; and {}", named.join("; "), count(more, "other")),
    }
}

/// The calculation in words.
pub fn calculation(pack: &Pack<'_>) -> Vec<String> {
    let row = pack.row;
    let said = |text: &str| line(text, 100);
    let mut sentences = Vec::new();
    match (&row.down_minutes, &row.uptime_percent) {
        (Some(down), Some(uptime)) => {
            let (available, down, uptime) = (said(&row.available_minutes), said(down), said(uptime));
            sentences.push(format!(
                "In the billing month {} the maximum available minutes are {available}. The downtime is {down} minutes; times that \
                 overlap count once.",
                said(&row.month)
            ));
            sentences.push(format!(
                "Uptime = ({available} - {down}) / {available} x 100 = {uptime} %, cut off after five decimals."
            ));
        }
        _ => sentences.push(
            "The times of the incident alone do not say the uptime under these terms. Please compute it from your measurements."
                .to_owned(),
        ),
    }
    let edition = row
        .edition
        .as_deref()
        .map(|edition| format!("edition {}", said(edition)));
    let source = row.terms_source.as_deref().map(|source| line(source, 500));
    let named: Vec<String> = source.into_iter().chain(edition).collect();
    let edition = match named.is_empty() {
        true => String::new(),
        false => format!(" ({})", named.join(", ")),
    };
    if let (Some(step), Some(fee), Some(credit)) = (&row.step_percent, &row.fee, amount(row, None)) {
        let currency = said(row.currency.as_deref().unwrap_or(""));
        let uptime = match &row.step_below {
            Some(below) => format!("an uptime below {} %", said(below)),
            None => "this uptime".to_owned(),
        };
        sentences.push(format!(
            "For {uptime} the terms{edition} pay {} % of the monthly fee: {} {currency} x {} / 100 = {credit}, rounded half up, \
             and at most the fee.",
            said(step),
            said(fee),
            said(step)
        ));
    }
    match amount(row, pack.amount_asked) {
        Some(amount) => sentences.push(format!("We ask for a credit of {amount}.")),
        None => sentences.push("We ask for the credit that the terms provide for.".to_owned()),
    }
    if let Some(paid) = pack.amount_paid.and_then(|paid| amount(row, Some(paid))) {
        sentences.push(format!(
            "Of this, {paid} was credited before, and the rest is still to be paid."
        ));
    }
    sentences
}

fn proven(incident: &Laid<'_>) -> String {
    if let Some(entered) = &incident.evidence.entered {
        let many = count(entered.evidence.len(), "piece");
        return format!("{}: {many} of evidence that a person entered", incident.folder);
    }
    let said = count(incident.communications.len(), "communication");
    let reviews = incident
        .communications
        .iter()
        .filter(|said| said.communication.kind.is_review());
    let reviews = match reviews.count() {
        0 => String::new(),
        reviews => format!(", {} of them a review", reviews),
    };
    let resources = match incident.resources.len() {
        0 => String::new(),
        resources => format!(", {}", count(resources, "impacted resource")),
    };
    format!("{}: {said} of the provider{reviews}{resources}", incident.folder)
}
