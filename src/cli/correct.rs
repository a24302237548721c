//! `bellwether correct`: a person's word of an incident against the provider's.

use anyhow::Result;
use serde_json::{Value, json};

use super::client::{Server, text};
use super::failure::{Exit, Failure};
use super::output::{self, Format, one_line};
use crate::incident::IncidentId;

/// Correct the size, a kind or the window of an incident, with a reason
///
/// The provider's word stays beside it; yours counts from then on, for what is owed and in conditions. Your token's name,
/// the time and the reason are kept. With --requested it is noted that a review on request was asked for.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["size", "kind", "window", "requested"]))]
pub struct Correct {
    /// The incident's tracking id
    tracking_id: String,
    /// How large the incident is: what is owed follows from it
    #[arg(long, value_name = "SIZE", value_parser = ["small", "standard", "largest"])]
    size: Option<String>,
    /// What a communication is: mitigation, preliminary-review, final-review, …
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Which communication is of that kind, by the id of its event or its time [default: the newest]
    #[arg(long, value_name = "ID|TIME", requires = "kind")]
    revision: Option<String>,
    /// When impact began and ended: START..END, like 2026-11-24T08:40:00Z..2026-11-24T09:30:00Z
    #[arg(long, value_name = "START..END")]
    window: Option<String>,
    /// The provider was asked for the review that it offers on request
    #[arg(long)]
    requested: bool,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Whose incident, where several providers have one of this id
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

impl Correct {
    /// Asks for it.
    pub async fn run(self) -> Result<Exit> {
        let body = self.body()?;
        let client = self.server.client()?;
        let query: Vec<(&str, String)> = self.provider.iter().map(|one| ("provider", one.clone())).collect();
        let path = ["incidents", &IncidentId::segment(&self.tracking_id), "corrections"];
        let answer = client.send(&path, &query, &body).await?;
        match self.format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => {
                let what = match text(&answer, "corrects") {
                    "requested" => "it is noted that its review was asked for".to_owned(),
                    corrected => format!("its {corrected} is corrected"),
                };
                output::print(&format!(
                    "{}: {what}, by {}\n",
                    one_line(&self.tracking_id, 256),
                    one_line(text(&answer, "by"), 80)
                ))?;
            }
        }
        Ok(Exit::Fine)
    }

    fn body(&self) -> Result<Value> {
        let mut body = json!({ "reason": self.reason });
        if self.requested {
            body["requested"] = json!(true);
        }
        if let Some(window) = &self.window {
            let (start, end) = window.split_once("..").ok_or_else(|| {
                let what = format!("`{}` is no window", one_line(window, 80));
                Failure::new(Exit::Usage, what).hint("--window 2026-11-24T08:40:00Z..2026-11-24T09:30:00Z")
            })?;
            body["window"] = json!({ "start": start.trim(), "end": end.trim() });
        }
        for (key, value) in [("size", &self.size), ("kind", &self.kind), ("revision", &self.revision)] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        Ok(body)
    }
}
