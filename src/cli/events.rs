//! `bellwether events`: what the daemon has heard, the newest first; or one event with what became of it.

use anyhow::Result;
use serde_json::Value;

use super::client::{self, Server, minute, text};
use super::failure::Exit;
use super::output::{self, Format, one_line, wrapped_as};
use super::reasons;

/// List the events that a daemon has heard, or show what became of one
#[derive(Debug, Clone, clap::Args)]
pub struct Events {
    /// The event to show, by its id
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = client::at_least_one)]
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
        match &self.id {
            Some(id) => self.show(id).await,
            None => self.list().await,
        }
    }

    async fn list(&self) -> Result<Exit> {
        let events = self.server.client()?.list("events", &[], self.limit).await?;
        match self.format {
            Format::Json => output::print_json(&client::listed("events", events))?,
            Format::Text => output::print(&shown(&events))?,
        }
        Ok(Exit::Fine)
    }

    async fn show(&self, id: &str) -> Result<Exit> {
        let event = asked(&self.server, id, None).await?;
        match self.format {
            Format::Json => output::print_json(&event)?,
            Format::Text => output::print(&told(&event))?,
        }
        Ok(Exit::Fine)
    }
}

/// Asks for one event and what became of it, by everybody's rules or by one customer's.
///
/// # Errors
/// When the daemon cannot be reached, or says no.
pub async fn asked(server: &Server, id: &str, customer: Option<&str>) -> Result<Value> {
    let about = customer.map(|customer| ("customer", customer.to_owned()));
    let about: Vec<(&str, String)> = about.into_iter().collect();
    server.client()?.get(&["events", id], &about).await
}

/// One event, and what became of it rule by rule.
pub fn told(event: &Value) -> String {
    let facts = ["provider", "kind", "arrival"].map(|key| one_line(text(event, key), 40));
    let id = format!("{}  ", one_line(text(event, "tracking_id"), 256));
    let mut told = wrapped_as(&one_line(text(event, "title"), 300), &id, "  ");
    told.push_str(&format!("  what      {}\n", facts.join(", ")));
    told.push_str(&format!("  heard     {}\n", minute(event, "heard")));
    if event.get("rules_changed").and_then(Value::as_bool) == Some(true) {
        told.push_str("  rules     those of then; others are in force now\n");
    }
    let notes = event.pointer("/event/notes").and_then(Value::as_array);
    for note in notes.into_iter().flatten() {
        let (field, what) = (one_line(text(note, "field"), 60), one_line(text(note, "what"), 300));
        told.push_str(&format!("  note      `{field}`: {what}\n"));
    }
    told.push('\n');
    if event.get("decided").and_then(Value::as_bool) == Some(false) {
        told.push_str("  it is recorded, and waits to be decided\n");
    }
    told + &reasons::shown(event)
}

fn shown(events: &[Value]) -> String {
    if events.is_empty() {
        return "no events yet\n".to_owned();
    }
    let mut table = output::fitted(&["id", "heard", "what"]);
    for event in events {
        let title = one_line(text(event, "title"), 120);
        let [provider, tracking_id, kind] =
            ["provider", "tracking_id", "kind"].map(|key| one_line(text(event, key), 40));
        let mark = if text(event, "arrival") == "history" {
            ", history"
        } else {
            ""
        };
        table.add_row([
            one_line(text(event, "id"), 40),
            minute(event, "heard"),
            format!("{provider} {tracking_id}, {kind}{mark}\n{title}"),
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
        ID    HEARD              WHAT
        12.0  2024-09-05 04:41Z  azure 0NTJ-VV8, update, history
                                 App Service [31m
        ");
        assert_eq!(shown(&[]), "no events yet\n");
    }

    #[test]
    fn one_event_is_shown_with_what_became_of_it() {
        let event = serde_json::json!({ "id": "12.0", "heard": "2024-09-05T04:41:41Z", "provider": "azure", "tracking_id": "0NTJ-VV8",
            "kind": "update", "title": "App Service", "arrival": "live", "decided": true, "nothing": "no rule matched" });
        insta::assert_snapshot!(told(&event), @r"
        0NTJ-VV8  App Service
          what      azure, update, live
          heard     2024-09-05 04:41Z

            nothing followed: no rule matched
        ");
    }
}
