//! `bellwether send-test`: a message that says of itself that it is a test, to one receiver, and how it ended.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use super::client::{self, Client, Server, text};
use super::failure::Exit;
use super::output::{self, Format, one_line};

/// How often it is asked how a test ended.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Send a test message to a receiver, and show how it ended
///
/// It goes the way of every message: rendered, signed, tried and recorded by the daemon. Its title, its subject and (in
/// the body of webhooks) the field `test` say that it is a test; no incident is made of it, and it is tried for ten
/// minutes at most. A test invitation is for a quarter of an hour tomorrow, and is not taken back: delete it.
#[derive(Debug, Clone, clap::Args)]
pub struct SendTest {
    /// Whose receiver: the name of a folder below the rules
    customer: String,
    /// The receiver's name, as the rule files say it
    receiver: String,
    /// What it looks like
    #[arg(long = "as", value_name = "LOOK", default_value = "update", value_parser = looks())]
    look: String,
    /// How long to wait for the end of the first attempts
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

fn looks() -> clap::builder::PossibleValuesParser {
    crate::evaluate::test_asked::looks().collect::<Vec<_>>().into()
}

impl SendTest {
    /// Asks for it, and looks how it ends.
    pub async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let path = ["receivers", &self.customer, &self.receiver, "test"];
        let answer = client.post_with(&path, &[("as", self.look.clone())]).await?;
        let ids = answer.get("deliveries").and_then(Value::as_array);
        let ids = ids.into_iter().flatten().filter_map(Value::as_str);
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        let deadline = Instant::now() + Duration::from_secs(self.wait);
        let mut deliveries = Vec::new();
        for id in &ids {
            deliveries.push(tried(&client, id, deadline).await?);
        }
        match self.format {
            Format::Json => output::print_json(&client::listed("deliveries", deliveries.clone()))?,
            Format::Text => output::print(&shown(text(&answer, "tracking_id"), &deliveries, self.wait))?,
        }
        let is_well = deliveries.iter().all(|delivery| text(delivery, "state") == "delivered");
        Ok(if is_well { Exit::Fine } else { Exit::Failed })
    }
}

/// A delivery when its first attempt has ended, or as it is when there is no more time.
async fn tried(client: &Client, id: &str, deadline: Instant) -> Result<Value> {
    loop {
        let delivery = client.get(&["deliveries", id], &[]).await?;
        // an attempt that was just written down may be seen before what it leads to
        let has_failed = last_attempt(&delivery).is_some_and(|attempt| text(attempt, "outcome") != "delivered");
        let is_tried = has_failed || text(&delivery, "state") != "scheduled";
        if is_tried || Instant::now() >= deadline {
            return Ok(delivery);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn last_attempt(delivery: &Value) -> Option<&Value> {
    delivery.get("attempts")?.as_array()?.last()
}

fn shown(tracking_id: &str, deliveries: &[Value], waited: u64) -> String {
    let mut all: String = deliveries.iter().map(|delivery| line(delivery, waited)).collect();
    let is_open = |delivery: &Value| text(delivery, "state") == "scheduled";
    if deliveries.iter().any(is_open) {
        let id = one_line(tracking_id, 40);
        all += &format!("hint: `bellwether deliveries --incident {id}` shows what becomes of it within ten minutes\n");
    }
    all
}

fn line(delivery: &Value, waited: u64) -> String {
    let to = format!("{}/{}", text(delivery, "customer"), text(delivery, "receiver"));
    let (to, channel) = (one_line(&to, 80), one_line(text(delivery, "channel"), 20));
    let became = match (text(delivery, "state"), last_attempt(delivery)) {
        ("delivered", Some(attempt)) => format!("delivered{}", took(attempt)),
        ("scheduled", Some(attempt)) => format!("failed, and is tried again: {}", one_line(text(attempt, "why"), 200)),
        ("scheduled", None) => format!("not tried within {waited} s"),
        (state, _) => format!("{state}: {}", one_line(text(delivery, "end"), 200)),
    };
    format!("{to} ({channel}): {became}\n")
}

/// How long an attempt took.
fn took(attempt: &Value) -> String {
    let at = |key: &str| text(attempt, key).parse::<crate::clock::Time>().ok();
    match at("started").zip(at("ended")) {
        Some((started, ended)) => format!(" after {} ms", (ended - started).num_milliseconds().max(0)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_end_of_a_test_is_a_line_and_what_is_open_says_where_to_look() {
        let delivery = |state: &str, end: &str, attempts: Value| {
            json!({ "customer": "contoso", "receiver": "on call", "channel": "webhook", "state": state, "end": end,
                "attempts": attempts })
        };
        let times = json!({ "started": "2026-11-24T09:00:00Z", "ended": "2026-11-24T09:00:00.120Z", "why": null });
        let failed = json!({ "why": "answered 503\u{1b}[2J" });
        insta::assert_snapshot!(shown("TEST-1", &[
            delivery("delivered", "delivered", json!([times])),
            delivery("dead", "refused: 404 Not Found", json!([failed])),
            delivery("scheduled", "", json!([failed])),
            delivery("scheduled", "", json!([])),
        ], 30), @r"
        contoso/on call (webhook): delivered after 120 ms
        contoso/on call (webhook): dead: refused: 404 Not Found
        contoso/on call (webhook): failed, and is tried again: answered 503 [2J
        contoso/on call (webhook): not tried within 30 s
        hint: `bellwether deliveries --incident TEST-1` shows what becomes of it within ten minutes
        ");
    }
}
