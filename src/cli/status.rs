//! `bellwether status`: how a daemon is, on one screen, and what needs a person.

use anyhow::Result;
use chrono::TimeDelta;
use serde_json::Value;

use super::client::{Server, minute, text};
use super::failure::Exit;
use super::output::{self, Format, count, one_line};
use crate::clock::Time;
use crate::view::words::lasted;

/// How many lines of one kind are shown; `--format json` has all of them.
const SHOWN_MOST: usize = 8;

/// Show how a daemon is, and what needs a person
///
/// Ends with 1 if something needs a person, and says what to do. A customer's token shows what is its own.
#[derive(Debug, Clone, clap::Args)]
pub struct Status {
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The same as `--format json`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

impl Status {
    /// Asks and shows.
    pub async fn run(self) -> Result<Exit> {
        let status = self.server.client()?.get(&["status"], &[]).await?;
        match (self.json, self.format) {
            (true, _) | (false, Format::Json) => output::print_json(&status)?,
            (false, Format::Text) => output::print(&shown(&status))?,
        }
        let is_well = list(&status, "needs").is_empty();
        Ok(if is_well { Exit::Fine } else { Exit::Failed })
    }
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn number(value: &Value, key: &str) -> usize {
    let number = value.get(key).and_then(Value::as_u64).unwrap_or_default();
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn shown(status: &Value) -> String {
    let now: Option<Time> = text(status, "now").parse().ok();
    let mut lines = vec![format!(
        "bellwether {}, up since {}{}",
        one_line(text(status, "version"), 20),
        minute(status, "up_since"),
        ago(status, "up_since", now)
            .map(|long| format!(" ({long})"))
            .unwrap_or_default(),
    )];
    lines.extend(section("heard", heard(status, now)));
    lines.extend(section("rules", rules(&status["rules"])));
    lines.extend(section("failing", failing(status, now)));
    lines.extend(section("waiting", waiting(&status["waiting"])));
    lines.extend(section("set aside", set_aside(status)));
    lines.extend(section("kept", kept(status)));
    lines.extend(section("disk", disk(status)));
    lines.extend(section("clock", clock(status)));
    lines.push(String::new());
    lines.extend(needs(status));
    lines.join("\n") + "\n"
}

/// How long ago, or since when.
fn ago(value: &Value, key: &str, now: Option<Time>) -> Option<String> {
    let at: Time = text(value, key).parse().ok()?;
    Some(lasted((now? - at).max(TimeDelta::zero())))
}

/// Lines with the section's name in front of the first one.
fn section(name: &str, lines: Vec<String>) -> impl Iterator<Item = String> {
    let name = name.to_owned();
    (0..).zip(lines).map(move |(nth, line)| match nth {
        0 => format!("{name:<10}{line}"),
        _ => format!("{:<10}{line}", ""),
    })
}

/// The first lines, and how many more there are.
fn cut(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(SHOWN_MOST);
    lines.truncate(SHOWN_MOST);
    lines.extend((more > 0).then(|| format!("and {more} more: --json lists all of them")));
    lines
}

fn heard(status: &Value, now: Option<Time>) -> Vec<String> {
    let Some(heard) = status.get("last_heard").and_then(Value::as_array) else {
        return Vec::new();
    };
    let line = |one: &Value| {
        let long = ago(one, "at", now).unwrap_or_default();
        let (provider, form) = (one_line(text(one, "provider"), 20), one_line(text(one, "form"), 40));
        format!("{provider} as {form}: {long} ago ({})", minute(one, "at"))
    };
    match heard.is_empty() {
        true => vec!["nothing yet".to_owned()],
        false => cut(heard.iter().map(line).collect()),
    }
}

fn rules(rules: &Value) -> Vec<String> {
    let customers = list(rules, "customers");
    let all = customers.len() + number(rules, "customers_more");
    let broken = match number(rules, "broken") {
        0 => "none broken".to_owned(),
        many => format!("{} broken", count(many, "file")),
    };
    let mut lines = vec![format!(
        "{} in {} of {}, {broken}",
        count(number(rules, "rules"), "rule"),
        count(number(rules, "files"), "file"),
        count(all, "customer"),
    )];
    let broken = customers
        .iter()
        .flat_map(|one| list(one, "broken"))
        .filter_map(Value::as_str);
    lines.extend(cut(broken
        .map(|path| format!("broken: {}", one_line(path, 100)))
        .collect()));
    lines
}

fn failing(status: &Value, now: Option<Time>) -> Vec<String> {
    let line = |one: &Value| {
        let to = format!("{}/{}", text(one, "customer"), text(one, "receiver"));
        let long = ago(one, "since", now).unwrap_or_default();
        let (to, channel) = (one_line(&to, 60), one_line(text(one, "channel"), 20));
        format!("{to} ({channel}) for {long}: {}", one_line(text(one, "why"), 100))
    };
    match list(status, "failing") {
        [] => vec!["no receiver".to_owned()],
        failing => cut(failing.iter().map(line).collect()),
    }
}

fn waiting(waiting: &Value) -> Vec<String> {
    let at_least = match waiting.get("at_least").and_then(Value::as_bool) {
        Some(true) => "at least ",
        _ => "",
    };
    let many = match number(waiting, "deliveries") {
        0 => "no deliveries".to_owned(),
        1 => "1 delivery".to_owned(),
        more => format!("{at_least}{more} deliveries"),
    };
    let oldest = waiting.get("oldest_seconds").and_then(Value::as_i64);
    let oldest = oldest.map(|seconds| format!(", the oldest for {}", lasted(TimeDelta::seconds(seconds))));
    let undecided = number(waiting, "undecided");
    let undecided = (undecided > 0).then(|| format!("; {} not decided yet", count(undecided, "input")));
    vec![format!(
        "{many}{}{}",
        oldest.unwrap_or_default(),
        undecided.unwrap_or_default()
    )]
}

fn set_aside(status: &Value) -> Vec<String> {
    let Some(set_aside) = status.get("set_aside") else {
        return Vec::new();
    };
    let line = |one: &Value| {
        let (id, what) = (one_line(text(one, "id"), 20), one_line(text(one, "what"), 60));
        format!("{id} {what}: {}", one_line(text(one, "why"), 80))
    };
    match number(set_aside, "count") {
        0 => vec!["nothing".to_owned()],
        many => {
            let latest = list(set_aside, "latest").iter().map(line);
            std::iter::once(format!("{many} in all, the latest:"))
                .chain(latest)
                .collect()
        }
    }
}

/// How long what is kept.
fn kept(status: &Value) -> Vec<String> {
    let Some(kept) = status.get("kept").filter(|kept| kept.is_object()) else {
        return Vec::new();
    };
    let classes = [
        ("events", "events_seconds"),
        ("reviews", "reviews_seconds"),
        ("deliveries", "deliveries_seconds"),
    ];
    let each = classes.map(|(class, key)| match kept.get(key).and_then(Value::as_u64) {
        None => format!("{class} for ever"),
        Some(seconds) => format!("{class} for {} days", seconds / 86_400),
    });
    vec![each.join(", ")]
}

fn disk(status: &Value) -> Vec<String> {
    let Some(disk) = status.get("disk").filter(|disk| !disk.is_null()) else {
        return Vec::new();
    };
    let size = |key: &str| bytes(disk.get(key).and_then(Value::as_u64));
    vec![format!(
        "journal {}, store {}, {} free",
        size("journal_bytes"),
        size("store_bytes"),
        size("free_bytes")
    )]
}

/// What is not as it should be with time, or with noticing changes: nothing where all is well.
fn clock(status: &Value) -> Vec<String> {
    let behind = status
        .get("clock_behind_seconds")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let until = status.get("nothing_expires_until").and_then(Value::as_str);
    let until = until.map(|_| format!("nothing expires until {}", minute(status, "nothing_expires_until")));
    let behind = (behind > 0).then(|| format!("{behind} s behind the time that was reckoned with"));
    until.into_iter().chain(behind).collect()
}

fn bytes(bytes: Option<u64>) -> String {
    match bytes {
        None => "an unknown number of bytes".to_owned(),
        Some(bytes) if bytes < 10 << 20 => format!("{} KiB", bytes >> 10),
        Some(bytes) if bytes < 10 << 30 => format!("{} MiB", bytes >> 20),
        Some(bytes) => format!("{} GiB", bytes >> 30),
    }
}

fn needs(status: &Value) -> Vec<String> {
    let needs = list(status, "needs");
    if needs.is_empty() {
        return vec!["nothing needs a person".to_owned()];
    }
    let line = |need: &Value| {
        let (what, hint) = (one_line(text(need, "what"), 300), one_line(text(need, "hint"), 300));
        format!("needs a person: {what}\n  hint: {hint}")
    };
    needs.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_daemon_that_is_well_is_one_short_screen() {
        let status = json!({
            "version": "0.1.0", "up_since": "2026-11-24T09:00:00Z", "now": "2026-11-24T11:30:00Z", "ready": true,
            "needs": [], "last_heard": [{ "provider": "azure", "form": "azure-common-alert", "at": "2026-11-24T11:25:00Z" }],
            "rules": { "rules": 10, "files": 3, "broken": 0, "customers_more": 0, "customers": [
                { "customer": "contoso", "rules": 10, "files": 3, "broken": [] }] },
            "failing": [], "waiting": { "deliveries": 0, "at_least": false, "oldest_seconds": null, "undecided": 0 },
            "kept": { "events_seconds": null, "reviews_seconds": null, "deliveries_seconds": 7_776_000 },
            "disk": { "journal_bytes": 67_108_864, "store_bytes": 524_288, "free_bytes": 21_474_836_480_u64 },
            "set_aside": { "count": 0, "latest": [] }, "nothing_expires_until": null, "clock_behind_seconds": 0,
        });
        insta::assert_snapshot!(shown(&status), @r"
        bellwether 0.1.0, up since 2026-11-24 09:00Z (2 h 30 min)
        heard     azure as azure-common-alert: 5 min ago (2026-11-24 11:25Z)
        rules     10 rules in 3 files of 1 customer, none broken
        failing   no receiver
        waiting   no deliveries
        set aside nothing
        kept      events for ever, reviews for ever, deliveries for 90 days
        disk      journal 64 MiB, store 512 KiB, 20 GiB free

        nothing needs a person
        ");
    }

    #[test]
    fn what_needs_a_person_is_said_with_what_to_do_and_strangers_words_stay_on_their_line() {
        let fails = |nth: usize| {
            json!({ "customer": "contoso", "receiver": format!("r{nth}"), "channel": "webhook", "since": "2026-11-24T09:00:00Z",
                "why": "answered 503\u{1b}[2J\nnothing needs a person" })
        };
        let status = json!({
            "version": "0.1.0", "up_since": "2026-11-24T09:00:00Z", "now": "2026-11-24T11:30:00Z",
            "needs": [{ "what": "the rule file contoso/a.yaml is broken", "hint": "run `bellwether check`" }],
            "last_heard": [], "rules": { "rules": 1, "files": 1, "broken": 1, "customers_more": 4, "customers": [
                { "customer": "contoso", "broken": ["contoso/a.yaml"] }] },
            "failing": (0..10).map(fails).collect::<Vec<_>>(),
            "waiting": { "deliveries": 10_000, "at_least": true, "oldest_seconds": 9_000, "undecided": 2 },
            "disk": { "journal_bytes": 0, "store_bytes": 0, "free_bytes": null },
            "set_aside": { "count": 1, "latest": [{ "id": "12.0", "what": "a command", "why": "it panicked" }] },
            "nothing_expires_until": "2026-11-24T12:00:00Z", "clock_behind_seconds": 90,
        });
        let shown = shown(&status);
        assert!(
            !shown.contains('\u{1b}') && !shown.contains("\nnothing needs a person"),
            "{shown}"
        );
        for part in [
            "heard     nothing yet\n",
            "rules     1 rule in 1 file of 5 customers, 1 file broken\n          broken: contoso/a.yaml\n",
            "failing   contoso/r0 (webhook) for 2 h 30 min: answered 503 [2J nothing needs a person\n",
            "          and 2 more: --json lists all of them\n",
            "waiting   at least 10000 deliveries, the oldest for 2 h 30 min; 2 inputs not decided yet\n",
            "set aside 1 in all, the latest:\n          12.0 a command: it panicked\n",
            "an unknown number of bytes free\n",
            "clock     nothing expires until 2026-11-24 12:00Z\n          90 s behind",
            "needs a person: the rule file contoso/a.yaml is broken\n  hint: run `bellwether check`\n",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
    }

    #[test]
    fn a_customer_is_not_shown_what_is_the_operators() {
        let status = json!({ "version": "0.1.0", "now": "2026-11-24T11:30:00Z", "up_since": "2026-11-24T09:00:00Z",
            "needs": [], "rules": {}, "failing": [], "waiting": {} });
        let shown = shown(&status);
        for word in ["heard", "set aside", "disk", "clock"] {
            assert!(!shown.contains(word), "{shown}");
        }
    }
}
