//! `bellwether intake refused`: what was posted, could not be read and is kept; and trying it again.

use anyhow::Result;
use serde_json::Value;

use super::client::{Server, minute, text};
use super::failure::{Exit, described};
use super::output::{self, Format, one_line};

/// See what was posted and could not be read, and try it again
#[derive(Debug, Clone, clap::Args)]
pub struct Intake {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    Refused(Refused),
}

/// What was refused of known senders: it is kept for a time, because a provider sends once
#[derive(Debug, Clone, clap::Args)]
struct Refused {
    #[command(subcommand)]
    what: OfRefused,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum OfRefused {
    List(List),
    Show(Show),
    Retry(Retry),
}

/// List what is kept, the latest first
#[derive(Debug, Clone, clap::Args)]
struct List {
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

/// Show one, with what it says
#[derive(Debug, Clone, clap::Args)]
struct Show {
    /// Its id, as `bellwether intake refused list` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

/// Take them in as if they came now; what can be read is no longer kept
#[derive(Debug, Clone, clap::Args)]
struct Retry {
    /// Ids, as `bellwether intake refused list` shows them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Take them as `live` (people are told) or as `history` [default: as they were posted]
    #[arg(long, value_name = "HOW", value_parser = ["live", "history"])]
    arrival: Option<String>,
    #[command(flatten)]
    server: Server,
}

impl Intake {
    /// Asks and shows.
    pub async fn run(self) -> Result<Exit> {
        let What::Refused(refused) = self.what;
        match refused.what {
            OfRefused::List(list) => list.run().await,
            OfRefused::Show(show) => show.run().await,
            OfRefused::Retry(retry) => retry.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<Exit> {
        let answer = self.server.client()?.get(&["intake", "refused"], &[]).await?;
        match self.format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => output::print(&listed(&answer))?,
        }
        Ok(Exit::Fine)
    }
}

impl Show {
    async fn run(self) -> Result<Exit> {
        let answer = self.server.client()?.get(&["intake", "refused", &self.id], &[]).await?;
        match self.format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => output::print(&shown(&answer))?,
        }
        Ok(Exit::Fine)
    }
}

impl Retry {
    /// Asks for each; the others are still asked for when one fails.
    async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let arrival: Vec<(&str, String)> = self.arrival.iter().map(|how| ("arrival", how.clone())).collect();
        let mut failed = 0;
        for id in &self.ids {
            match client.post_with(&["intake", "refused", id, "retry"], &arrival).await {
                Ok(answer) => {
                    output::print(&format!("{}: {}\n", one_line(id, 40), taken(&answer)))?;
                    if let Some(why) = answer.pointer("/unreadable/what").and_then(Value::as_str) {
                        let (id, why) = (one_line(id, 40), one_line(why, 200));
                        output::complain(&format!(
                            "{id}: a part of it still cannot be read, and it stays kept: {why}"
                        ));
                        failed += 1;
                    }
                }
                Err(error) => {
                    let (why, id) = (described(&error).0, one_line(id, 40));
                    output::complain(&format!("{id}: it is still refused, and stays where it is kept: {why}"));
                    failed += 1;
                }
            }
        }
        Ok(if failed == 0 { Exit::Fine } else { Exit::Failed })
    }
}

/// What became of one that could be read.
fn taken(answer: &Value) -> String {
    let ids = answer.get("ids").and_then(Value::as_array);
    let ids: Vec<String> = ids
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|id| one_line(id, 40))
        .collect();
    match ids.is_empty() {
        false => format!(
            "taken in as {}; `bellwether events ID` shows what became of it",
            ids.join(", ")
        ),
        true => {
            let why = answer
                .pointer("/ignored/0/why")
                .and_then(Value::as_str)
                .unwrap_or_default();
            format!("it was read, and is no health event: {}", one_line(why, 200))
        }
    }
}

fn listed(answer: &Value) -> String {
    let lines = answer
        .get("refused")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    if lines.is_empty() {
        return "nothing is kept: all that known senders posted could be read\n".to_owned();
    }
    let mut table = output::table(&["id", "last", "times", "bytes", "why"]);
    for line in lines {
        table.add_row([
            one_line(text(line, "id"), 40),
            minute(line, "last"),
            number(line, "times"),
            number(line, "bytes"),
            why(line),
        ]);
    }
    let days = answer.get("kept_days").and_then(Value::as_i64).unwrap_or_default();
    format!(
        "{}each is kept for {days} days; `bellwether intake refused show ID` says what it holds, `… retry ID` tries again\n",
        output::lines(&table)
    )
}

fn number(line: &Value, key: &str) -> String {
    line.get(key).and_then(Value::as_u64).unwrap_or_default().to_string()
}

fn why(line: &Value) -> String {
    let Some(why) = line.get("why") else {
        return "its file does not open with this state key".to_owned();
    };
    let field = text(why, "field");
    let field = if field.is_empty() {
        String::new()
    } else {
        format!("{}: ", one_line(field, 120))
    };
    format!("{field}{}", one_line(text(why, "what"), 200))
}

fn shown(answer: &Value) -> String {
    let mut shown = format!("{}\n", one_line(text(answer, "id"), 40));
    shown.push_str(&format!("  came      {}\n", minute(answer, "at")));
    shown.push_str(&format!("  refused   {}\n", why(answer)));
    let hint = answer.get("why").map(|why| text(why, "hint")).unwrap_or_default();
    if !hint.is_empty() {
        shown.push_str(&format!("  hint      {}\n", one_line(hint, 400)));
    }
    let body = match answer.get("body").and_then(Value::as_str) {
        Some(body) => body.to_owned(),
        None => format!("(not UTF-8; in base64) {}", text(answer, "body_base64")),
    };
    // what strangers wrote must not steer the terminal
    shown.push('\n');
    for line in body.lines() {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        shown.push_str(&format!("{}{}\n", &line[..indent], one_line(line, usize::MAX)));
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_kept_is_shown_one_a_line_with_its_reason() {
        let why = json!({ "status": 400, "what": "this is not JSON: expected value", "hint": "send JSON" });
        let line = json!({ "id": "20261124T090000000Z-0a1b2c3d", "at": "2026-11-24T09:00:00Z", "last": "2026-11-24T10:00:00Z",
            "times": 2, "bytes": 8, "why": why, "body": "not\u{1b}[31m\n  json" });
        let sealed = json!({ "id": "20261124T080000000Z-0a1b2c3d", "at": "2026-11-24T08:00:00Z", "last": "2026-11-24T08:00:00Z", "times": 1, "bytes": 0 });
        let text = listed(&json!({ "refused": [line, sealed], "kept_days": 30 }));
        assert!(
            text.contains("this is not JSON: expected value") && text.contains("does not open"),
            "{text}"
        );
        assert!(text.contains("30 days"), "{text}");
        assert!(listed(&json!({ "refused": [] })).contains("nothing is kept"));
        let text = shown(&line);
        assert!(
            text.ends_with("\nnot [31m\n  json\n") && text.contains("send JSON"),
            "{text:?}"
        );
    }

    #[test]
    fn what_became_of_it_is_said() {
        assert!(taken(&json!({ "ids": ["12.0"] })).contains("taken in as 12.0"));
        let ignored = json!({ "ignored": [{ "what": "x", "why": "a metric alert" }] });
        assert!(taken(&ignored).contains("no health event: a metric alert"));
    }
}
