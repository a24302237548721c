//! `bellwether deliveries` and `bellwether redeliver`: what was sent to whom, and trying again what ended.

use anyhow::Result;
use serde_json::Value;

use super::client::{self, Client, Server, minute, text};
use super::failure::{Exit, Failure, described};
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
    /// One line each, with all columns and whole ids, however wide it becomes
    #[arg(long)]
    wide: bool,
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
    /// Ids, as `bellwether deliveries` shows them: their beginning is enough
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
            Format::Text if self.wide => output::print(&wide(&deliveries))?,
            Format::Text => output::print(&shown(&deliveries, output::columns()))?,
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
            let tried = match whole_id(&client, id).await {
                Ok(whole) => client.post(&["deliveries", &whole, "redeliver"]).await,
                Err(error) => Err(error),
            };
            match tried {
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

/// How many characters of an id are shown: `dlv_` and 8 hex digits, enough to tell thousands apart.
const SHORT_ID: usize = 12;

/// How many characters a whole id has.
const WHOLE_ID: usize = 36;

/// How many of the newest deliveries are looked through for an id that begins as typed.
const LOOKED_THROUGH_MOST: usize = 5_000;

/// The whole id that begins like this; what is no beginning of an id is left as it is.
async fn whole_id(client: &Client, typed: &str) -> Result<String> {
    let digits = typed.strip_prefix("dlv_").unwrap_or_default();
    let is_beginning =
        digits.len() >= 4 && typed.len() < WHOLE_ID && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_beginning {
        return Ok(typed.to_owned());
    }
    let newest = client.list("deliveries", &[], LOOKED_THROUGH_MOST).await?;
    let ids = newest.iter().map(|delivery| text(delivery, "id"));
    only_one(typed, ids)
}

fn only_one<'i>(typed: &str, ids: impl Iterator<Item = &'i str>) -> Result<String> {
    let found: Vec<&str> = ids.filter(|id| id.starts_with(typed)).take(2).collect();
    let refuse = |what: &str| Err(Failure::new(Exit::Failed, what).hint(WHOLE_IDS).into());
    match found.as_slice() {
        [id] => Ok((*id).to_owned()),
        [] => refuse("no delivery among the newest has an id that begins so"),
        _ => refuse("several deliveries have ids that begin so"),
    }
}

const WHOLE_IDS: &str = "`bellwether deliveries --wide` shows whole ids";

/// The deliveries within the width of a screen: what one looks for first, and the beginning of the id.
pub fn shown(deliveries: &[Value], columns: usize) -> String {
    if deliveries.is_empty() {
        return "no deliveries\n".to_owned();
    }
    let mut table = output::table(&["state, id", "receiver, created", "title, and what became of it"]);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_width(columns.try_into().unwrap_or(u16::MAX));
    for delivery in deliveries {
        let receiver = format!("{}/{}", text(delivery, "customer"), text(delivery, "receiver"));
        let id: String = text(delivery, "id").chars().take(SHORT_ID).collect();
        table.add_row([
            format!("{}\n{}", one_line(text(delivery, "state"), 20), one_line(&id, SHORT_ID)),
            format!("{}\n{}", one_line(&receiver, columns / 3), minute(delivery, "created")),
            story(delivery),
        ]);
    }
    output::lines(&table)
}

/// The table of deliveries with everything.
fn wide(deliveries: &[Value]) -> String {
    if deliveries.is_empty() {
        return "no deliveries\n".to_owned();
    }
    let mut table = output::table(&[
        "state",
        "created",
        "receiver",
        "channel",
        "attempts",
        "tracking id",
        "id",
        "title, and what became of it",
    ]);
    for delivery in deliveries {
        let receiver = format!("{}/{}", text(delivery, "customer"), text(delivery, "receiver"));
        table.add_row([
            one_line(text(delivery, "state"), 20),
            minute(delivery, "created"),
            one_line(&receiver, 60),
            one_line(text(delivery, "channel"), 20),
            attempts(delivery).len().to_string(),
            one_line(text(delivery, "tracking_id"), 40),
            one_line(text(delivery, "id"), 60),
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
        let all = [delivered, scheduled, dead];
        insta::assert_snapshot!(shown(&all, 80), @r"
        STATE, ID  RECEIVER, CREATED  TITLE, AND WHAT BECAME OF IT
        delivered  contoso/platform   App Service
        dlv_1      2024-09-05 04:42Z
        scheduled  contoso/oncall     App Service
        dlv_2      2024-09-05 04:42Z  next attempt 2024-09-05 04:47:00Z
                                      connection refused
        dead       contoso/tickets    App Service
        dlv_3      2024-09-05 04:42Z  refused: 400 Bad Request
        ");
        insta::assert_snapshot!(wide(&all), @r"
        STATE      CREATED            RECEIVER          CHANNEL  ATTEMPTS  TRACKING ID  ID     TITLE, AND WHAT BECAME OF IT
        delivered  2024-09-05 04:42Z  contoso/platform  email    1         0NTJ-VV8     dlv_1  App Service
        scheduled  2024-09-05 04:42Z  contoso/oncall    slack    1         0NTJ-VV8     dlv_2  App Service
                                                                                               next attempt 2024-09-05 04:47:00Z
                                                                                               connection refused
        dead       2024-09-05 04:42Z  contoso/tickets   webhook  1         0NTJ-VV8     dlv_3  App Service
                                                                                               refused: 400 Bad Request
        ");
    }

    #[test]
    fn the_list_stays_within_the_width_and_ids_are_short() {
        let delivery = json!({ "id": "dlv_0123456789abcdef0123456789abcdef", "state": "dead", "created": "2024-09-05T04:42:00Z",
            "customer": "a-customer-with-a-long-name", "receiver": "a receiver with an even longer name", "channel": "webhook",
            "title": "App Service and a dozen other services in several regions of Southeast Asia", "attempts": [],
            "end": "refused: the receiver answered 400 Bad Request and said that it does not take messages of this kind" });
        for columns in [40, 60, 80, 200] {
            let shown = shown(std::slice::from_ref(&delivery), columns);
            let longest = shown.lines().map(|line| line.chars().count()).max();
            assert!(longest.is_some_and(|most| most <= columns), "{columns}: {shown}");
            assert!(
                shown.contains("dlv_01234567") && !shown.contains("dlv_012345678"),
                "{shown}"
            );
        }
        assert!(wide(&[delivery]).contains("dlv_0123456789abcdef0123456789abcdef"));
    }

    #[test]
    fn the_beginning_of_an_id_is_enough_if_only_one_begins_so() {
        let ids = || ["dlv_0123456789", "dlv_0124456789"].into_iter();
        assert_eq!(only_one("dlv_0123", ids()).expect("one"), "dlv_0123456789");
        assert!(only_one("dlv_012", ids()).is_err() && only_one("dlv_ffff", ids()).is_err());
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
