//! `bellwether claims downtime`: downtime that no incident of a provider explains.

use anyhow::Result;
use serde_json::{Value, json};

use super::super::client::{Server, minute, named_customer, text};
use super::super::failure::Exit;
use super::super::output::{self, Format, count, one_line, wrapped_as};
use crate::clock::{Time, read_moment};

/// How many downtimes are asked for at once.
const PAGE: usize = 500;

/// Enter downtime without an incident of the provider, with what proves it; list or withdraw it
///
/// It counts like an incident, as your word. Your token's name, the time, the reason and the evidence are kept, and stand in the
/// pack of each claim that rests on it. Without --service and --withdraw, what was entered is listed.
#[derive(Debug, Clone, clap::Args)]
pub struct Downtime {
    /// The service that was down
    #[arg(long, value_name = "NAME", requires_all = ["from", "until", "reason", "evidence"], conflicts_with = "withdraw")]
    service: Option<String>,
    /// Whose service it is [default: azure]
    #[arg(long, value_name = "PROVIDER", requires = "service")]
    provider: Option<String>,
    /// Where it was down [default: everywhere]
    #[arg(long, value_name = "REGION", requires = "service")]
    region: Option<String>,
    /// The account for which it was down [default: all of the customer's]
    #[arg(long, value_name = "ID", requires = "service")]
    subscription: Option<String>,
    /// The resource that was down [default: all of the service]
    #[arg(long, value_name = "ID", requires = "service")]
    resource: Option<String>,
    /// When it began (2026-11-24T08:40:00Z)
    #[arg(long, value_name = "TIME", value_parser = read_moment, requires = "service")]
    from: Option<Time>,
    /// When it was over
    #[arg(long, value_name = "TIME", value_parser = read_moment, requires = "service")]
    until: Option<Time>,
    /// Why it counts, or why it is withdrawn
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// What proves it: a sentence, an address, the name of a file; several times, if you like
    #[arg(long, value_name = "TEXT", requires = "service")]
    evidence: Vec<String>,
    /// Withdraw this one: its id, as the list shows it
    #[arg(long, value_name = "ID", requires = "reason")]
    withdraw: Option<String>,
    /// Whose it is, where there are several customers
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

impl Downtime {
    /// Enters, withdraws or lists.
    pub async fn run(self) -> Result<Exit> {
        match (&self.withdraw, &self.service) {
            (Some(id), _) => self.withdraw(id).await,
            (None, Some(_)) => self.enter().await,
            (None, None) => self.list().await,
        }
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        self.customer.iter().map(|one| ("customer", one.clone())).collect()
    }

    async fn enter(&self) -> Result<Exit> {
        let body = json!({
            "service": self.service, "provider": self.provider, "region": self.region, "subscription": self.subscription,
            "resource": self.resource, "from": self.from, "until": self.until, "reason": self.reason,
            "evidence": self.evidence,
        });
        let answer = self.server.client()?.send(&["downtimes"], &self.query(), &body).await?;
        match text(&answer, "note") {
            "" => self.show(&answer, "counts from now on"),
            _ => self.show(&answer, "is kept"),
        }
    }

    async fn withdraw(&self, id: &str) -> Result<Exit> {
        let body = json!({ "reason": self.reason });
        let path = ["downtimes", id, "withdraw"];
        let answer = self.server.client()?.send(&path, &self.query(), &body).await?;
        self.show(&answer, "is withdrawn")
    }

    fn show(&self, answer: &Value, what: &str) -> Result<Exit> {
        match self.format {
            Format::Json => output::print_json(answer)?,
            Format::Text => output::print(&format!("{} {what}\n{}", text(answer, "id"), shown(answer)))?,
        }
        Ok(Exit::Fine)
    }

    async fn list(&self) -> Result<Exit> {
        let client = self.server.client()?;
        let mut all: Vec<Value> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = self.query();
            query.push(("limit", PAGE.to_string()));
            query.extend(after.take().map(|after| ("after", after)));
            let mut page = client.get(&["downtimes"], &query).await?;
            all.extend(page["downtimes"].as_array_mut().map(std::mem::take).unwrap_or_default());
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        match self.format {
            Format::Json => output::print_json(&json!({ "downtimes": all }))?,
            Format::Text => output::print(&listed(&all))?,
        }
        Ok(Exit::Fine)
    }
}

fn listed(all: &[Value]) -> String {
    if all.is_empty() {
        return "no downtime was entered\n".to_owned();
    }
    let each = all.iter().map(|one| format!("{}\n{}", text(one, "id"), shown(one)));
    format!("{}{}\n", each.collect::<String>(), count(all.len(), "downtime"))
}

/// What a downtime is of, why it counts, and what proves it.
fn shown(one: &Value) -> String {
    let what = ["provider", "service", "region", "subscription", "resource"].map(|field| text(one, field));
    let what = [named_customer(one)]
        .into_iter()
        .chain(what)
        .map(|part| one_line(part, 300));
    let what: Vec<String> = what.filter(|part| !part.is_empty()).collect();
    let mut lines = vec![
        what.join(", "),
        format!("from {} until {}", minute(one, "from"), minute(one, "until")),
        format!("{} by {}: {}", minute(one, "at"), said(one, "by"), said(one, "reason")),
    ];
    let evidence = one["evidence"].as_array().into_iter().flatten();
    lines.extend(evidence.map(|one| format!("evidence: {}", one_line(one.as_str().unwrap_or_default(), 1_000))));
    lines.extend(Some(one_line(text(one, "note"), 500)).filter(|note| !note.is_empty()));
    if let Some(withdrawn) = one.get("withdrawn").filter(|withdrawn| withdrawn.is_object()) {
        let (by, reason) = (said(withdrawn, "by"), said(withdrawn, "reason"));
        lines.push(format!("withdrawn {} by {by}: {reason}", minute(withdrawn, "at")));
    }
    lines.iter().map(|line| wrapped_as(line, "  ", "    ")).collect()
}

fn said(value: &Value, field: &str) -> String {
    one_line(text(value, field), 1_000)
}
