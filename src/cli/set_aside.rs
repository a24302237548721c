//! `bellwether set-aside`: what could not be decided, and having it decided again.

use anyhow::Result;
use serde_json::Value;

use super::client::{self, Server, minute, text};
use super::failure::{Exit, described};
use super::output::{self, Format, one_line};

/// List what could not be decided, or have it decided again
#[derive(Debug, Clone, clap::Args)]
pub struct SetAside {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    List(List),
    Retry(Retry),
}

/// List what is set aside, the latest first
#[derive(Debug, Clone, clap::Args)]
struct List {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = client::at_least_one)]
    limit: usize,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

/// Have it decided again, by the rules in force now
#[derive(Debug, Clone, clap::Args)]
struct Retry {
    /// Ids, as `bellwether set-aside list` shows them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    server: Server,
}

impl SetAside {
    /// Asks and shows.
    pub async fn run(self) -> Result<Exit> {
        match self.what {
            What::List(list) => list.run().await,
            What::Retry(retry) => retry.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<Exit> {
        let lines = self.server.client()?.list("set-aside", &[], self.limit).await?;
        match self.format {
            Format::Json => output::print_json(&client::listed("set-aside", lines))?,
            Format::Text => output::print(&shown(&lines))?,
        }
        Ok(Exit::Fine)
    }
}

impl Retry {
    /// Asks for each; the others are still asked for when one fails.
    async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let mut failed = 0;
        for id in &self.ids {
            match client.post(&["set-aside", id, "retry"]).await {
                Ok(answer) => {
                    let note = answer.get("note").and_then(Value::as_str);
                    let note = note
                        .map(|note| format!("; {}", one_line(note, 200)))
                        .unwrap_or_default();
                    output::print(&format!("{}: will be decided again{note}\n", one_line(id, 40)))?;
                }
                Err(error) => {
                    output::complain(&format!("{}: {}", one_line(id, 40), described(&error).0));
                    failed += 1;
                }
            }
        }
        Ok(if failed == 0 { Exit::Fine } else { Exit::Failed })
    }
}

fn shown(lines: &[Value]) -> String {
    if lines.is_empty() {
        return "nothing is set aside\n".to_owned();
    }
    let mut table = output::fitted(&["id", "since", "what, and why"]);
    for line in lines {
        table.add_row([
            one_line(text(line, "id"), 40),
            minute(line, "since"),
            format!(
                "{}\n{}",
                one_line(text(line, "what"), 120),
                one_line(text(line, "why"), 200)
            ),
        ]);
    }
    output::lines(&table)
}
