//! `bellwether deliveries` and `bellwether redeliver`: what was sent to whom, and trying again what ended.

use anyhow::Result;
use serde_json::Value;

use super::client::{self, Server, minute, text};
use super::failure::{Exit, described};
use super::output::{self, Format, one_line};
use crate::clock::Time;

/// List deliveries, the newest first
#[derive(Debug, Clone, clap::Args)]
pub struct Deliveries {
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those of this incident
    #[arg(long, value_name = "TRACKING_ID")]
    incident: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = client::at_least_one)]
    limit: usize,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum State {
    /// The receiver took it
    Delivered,
    /// It will not be tried again
    Dead,
    /// It will be tried
    Scheduled,
}

/// Try deliveries again that ended, and those that wait at once; same ids, same content
#[derive(Debug, Clone, clap::Args)]
pub struct Redeliver {
    /// Ids, as `bellwether deliveries` shows them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    server: Server,
}

impl Deliveries {
    /// Asks and shows.
    pub async fn run(self) -> Result<Exit> {
        let deliveries = self
            .server
            .client()?
            .list("deliveries", &self.query(), self.limit)
            .await?;
        match self.format {
            Format::Json => output::print_json(&client::listed("deliveries", deliveries))?,
            Format::Text => output::print(&shown(&deliveries))?,
        }
        Ok(Exit::Fine)
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let state = self.state.map(|state| match state {
            State::Delivered => "delivered",
            State::Dead => "dead",
            State::Scheduled => "scheduled",
        });
        let state = state.map(|state| ("state", state.to_owned()));
        let incident = self.incident.clone().map(|id| ("tracking_id", id));
        state.into_iter().chain(incident).collect()
    }
}

impl Redeliver {
    /// Asks for each; the others are still asked for when one fails.
    pub async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let mut failed = 0;
        for id in &self.ids {
            match client.post(&["deliveries", id, "redeliver"]).await {
                Ok(_) => output::print(&format!("{}: will be tried again\n", one_line(id, 80)))?,
                Err(error) => {
                    output::complain(&format!("{}: {}", one_line(id, 80), described(&error).0));
                    failed += 1;
                }
            }
        }
        Ok(if failed == 0 { Exit::Fine } else { Exit::Failed })
    }
}

/// The table of deliveries.
pub fn shown(deliveries: &[Value]) -> String {
    if deliveries.is_empty() {
        return "no deliveries\n".to_owned();
    }
    let mut table = output::table(&[
        "id",
        "state",
        "created",
        "tracking id",
        "receiver",
        "channel",
        "attempts",
        "title, and what became of it",
    ]);
    for delivery in deliveries {
        let receiver = format!("{}/{}", text(delivery, "customer"), text(delivery, "receiver"));
        table.add_row([
            one_line(text(delivery, "id"), 60),
            one_line(text(delivery, "state"), 20),
            minute(delivery, "created"),
            one_line(text(delivery, "tracking_id"), 40),
            one_line(&receiver, 60),
            one_line(text(delivery, "channel"), 20),
            attempts(delivery).len().to_string(),
            story(delivery),
        ]);
    }
    output::lines(&table)
}

fn attempts(delivery: &Value) -> &[Value] {
    delivery
        .get("attempts")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The title, and under it what is not simply well: when it is tried next, how it ended, what the receiver said last.
fn story(delivery: &Value) -> String {
    let mut lines = vec![one_line(text(delivery, "title"), 80)];
    let next: Option<Time> = text(delivery, "next_attempt").parse().ok();
    // it may also wait behind an earlier one of its incident
    let when = match attempts(delivery).is_empty() {
        true => "first attempt not before",
        false => "next attempt",
    };
    lines.extend(next.map(|at| format!("{when} {}", at.format("%Y-%m-%d %H:%M:%SZ"))));
    if text(delivery, "state") != "delivered" {
        let end = delivery.get("end").and_then(Value::as_str).map(str::to_owned);
        let last = attempts(delivery).last().map(|attempt| text(attempt, "why").to_owned());
        let last = last.filter(|why| !why.is_empty() && !end.as_ref().is_some_and(|end| end.contains(why.as_str())));
        lines.extend(end.into_iter().chain(last).map(|line| one_line(&line, 120)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_delivery_shows_why_it_is_not_there_yet() {
        let delivered = json!({ "id": "dlv_1", "state": "delivered", "created": "2024-09-05T04:42:00Z", "tracking_id": "0NTJ-VV8",
            "customer": "contoso", "receiver": "platform", "channel": "email", "title": "App Service",
            "attempts": [{ "number": 1, "outcome": "delivered", "why": null }] });
        let scheduled = json!({ "id": "dlv_2", "state": "scheduled", "created": "2024-09-05T04:42:00Z", "tracking_id": "0NTJ-VV8",
            "customer": "contoso", "receiver": "oncall", "channel": "slack", "title": "App Service", "next_attempt": "2024-09-05T04:47:00Z",
            "attempts": [{ "number": 1, "outcome": "retry", "why": "connection refused" }] });
        let dead = json!({ "id": "dlv_3", "state": "dead", "created": "2024-09-05T04:42:00Z", "tracking_id": "0NTJ-VV8",
            "customer": "contoso", "receiver": "tickets", "channel": "webhook", "title": "App Service",
            "end": "refused: 400 Bad Request", "attempts": [{ "number": 1, "outcome": "refused", "why": "400 Bad Request" }] });
        insta::assert_snapshot!(shown(&[delivered, scheduled, dead]), @r"
        ID     STATE      CREATED            TRACKING ID  RECEIVER          CHANNEL  ATTEMPTS  TITLE, AND WHAT BECAME OF IT
        dlv_1  delivered  2024-09-05 04:42Z  0NTJ-VV8     contoso/platform  email    1         App Service
        dlv_2  scheduled  2024-09-05 04:42Z  0NTJ-VV8     contoso/oncall    slack    1         App Service
                                                                                               next attempt 2024-09-05 04:47:00Z
                                                                                               connection refused
        dlv_3  dead       2024-09-05 04:42Z  0NTJ-VV8     contoso/tickets   webhook  1         App Service
                                                                                               refused: 400 Bad Request
        ");
    }

    #[test]
    fn what_waits_for_its_turn_has_no_next_attempt() {
        let waiting = |attempts: serde_json::Value| {
            let next = "2024-09-05T04:42:00Z";
            story(&json!({ "state": "scheduled", "next_attempt": next, "title": "App Service", "attempts": attempts }))
        };
        assert!(waiting(json!([])).contains("first attempt not before 2024-09-05 04:42:00Z"));
        assert!(waiting(json!([{ "number": 1 }])).contains("next attempt 2024-09-05 04:42:00Z"));
    }

    #[test]
    fn what_was_typed_becomes_the_query() {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            deliveries: Deliveries,
        }
        let only = Only::parse_from(["x", "--state", "dead", "--incident", "0NTJ-VV8"]);
        let query = only.deliveries.query();
        assert_eq!(
            query,
            [("state", "dead".to_owned()), ("tracking_id", "0NTJ-VV8".to_owned())]
        );
    }
}
