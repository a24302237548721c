//! `bellwether events`: what the daemon has heard, the newest first.

use anyhow::Result;
use serde_json::Value;

use super::client::{self, Server, minute, text};
use super::failure::Exit;
use super::output::{self, Format, one_line};

/// List the events that a daemon has heard, the newest first
#[derive(Debug, Clone, clap::Args)]
pub struct Events {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

impl Events {
    /// Asks and shows.
    pub async fn run(self) -> Result<Exit> {
        let events = self.server.client()?.list("events", &[], self.limit).await?;
        match self.format {
            Format::Json => output::print_json(&client::listed("events", events))?,
            Format::Text => output::print(&shown(&events))?,
        }
        Ok(Exit::Fine)
    }
}

fn shown(events: &[Value]) -> String {
    if events.is_empty() {
        return "no events yet\n".to_owned();
    }
    let mut table = output::table(&["id", "heard", "provider", "tracking id", "kind", "title"]);
    for event in events {
        let title = one_line(text(event, "title"), 80);
        let mark = if text(event, "arrival") == "history" {
            " (history)"
        } else {
            ""
        };
        table.add_row([
            one_line(text(event, "id"), 40),
            minute(event, "heard"),
            one_line(text(event, "provider"), 20),
            one_line(text(event, "tracking_id"), 40),
            one_line(text(event, "kind"), 40),
            format!("{title}{mark}"),
        ]);
    }
    output::lines(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_shown_one_a_line() {
        let event = serde_json::json!({ "id": "12.0", "heard": "2024-09-05T04:41:41Z", "provider": "azure", "tracking_id": "0NTJ-VV8",
            "kind": "update", "title": "App Service\u{1b}[31m", "arrival": "history" });
        insta::assert_snapshot!(shown(&[event]), @r"
        ID    HEARD              PROVIDER  TRACKING ID  KIND    TITLE
        12.0  2024-09-05 04:41Z  azure     0NTJ-VV8     update  App Service [31m (history)
        ");
        assert_eq!(shown(&[]), "no events yet\n");
    }
}
