//! Why who was told and why others were not, in the API's answers: verdicts, silence, what still gathers.

use serde_json::Value;

use super::client::{minute, text};
use super::output::one_line;

/// The reasons of one communication or event, a line each: `+` for rules that matched, `-` for the others.
pub fn shown(about: &Value) -> String {
    let verdicts = list(about, "verdicts").map(verdict);
    let gathering = list(about, "gathering").map(gathering);
    let nothing = nothing(about).into_iter();
    let silent = list(about, "not_matched").map(silent);
    let more = about
        .get("not_matched_more")
        .and_then(Value::as_u64)
        .filter(|more| *more > 0);
    let more = more.map(|more| format!("  - and {more} more rules\n"));
    let unknown = about.get("hint").and_then(Value::as_str);
    let unknown = unknown.map(|hint| format!("    {}\n", one_line(hint, 300)));
    verdicts
        .chain(gathering)
        .chain(nothing)
        .chain(silent)
        .chain(more)
        .chain(unknown)
        .collect()
}

/// The elements of a list; none where there is no list.
pub fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn rule(line: &Value) -> String {
    one_line(&format!("{} / {}", text(line, "customer"), text(line, "rule")), 300)
}

fn verdict(line: &Value) -> String {
    let mut what = one_line(text(line, "verdict"), 40);
    let receivers: Vec<&str> = list(line, "receivers").filter_map(Value::as_str).collect();
    if !receivers.is_empty() {
        what.push_str(&format!(" for {}", one_line(&receivers.join(", "), 200)));
    }
    if line.get("until").is_some_and(Value::is_string) {
        what.push_str(&format!(" until {}", minute(line, "until")));
    }
    let why = one_line(text(line, "why"), 400);
    let why = if why.is_empty() { why } else { format!(": {why}") };
    format!("  + {}: {what}{why}\n", rule(line))
}

fn gathering(line: &Value) -> String {
    let receiver = format!(
        "{}/{} ({})",
        text(line, "customer"),
        text(line, "receiver"),
        text(line, "channel")
    );
    format!(
        "    gathers for {}, due {}\n",
        one_line(&receiver, 200),
        minute(line, "due")
    )
}

/// One reason (an event's), or a list of them (a communication's).
fn nothing(about: &Value) -> Vec<String> {
    let one = about.get("nothing").and_then(Value::as_str);
    let reasons = one.into_iter().chain(list(about, "nothing").filter_map(Value::as_str));
    reasons
        .map(|why| format!("    nothing followed: {}\n", one_line(why, 300)))
        .collect()
}

fn silent(line: &Value) -> String {
    format!("  - {}: {}\n", rule(line), one_line(text(line, "why"), 400))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_told_and_why_others_are_not() {
        let about = json!({
            "verdicts": [
                { "customer": "contoso", "rule": "Trouble", "verdict": "planned", "receivers": ["oncall", "platform"] },
                { "customer": "contoso", "rule": "Livestreams", "verdict": "withheld", "why": "all sessions are over", "receivers": [] },
            ],
            "gathering": [{ "customer": "contoso", "receiver": "oncall", "channel": "slack", "due": "2024-09-05T04:42:00Z" }],
            "nothing": ["it came as history, which tells nobody"],
            "not_matched": [{ "customer": "fabrikam", "rule": "Web sites", "why": "impact: the rule wants App Service" }],
            "not_matched_more": 12,
        });
        insta::assert_snapshot!(shown(&about), @r"
        + contoso / Trouble: planned for oncall, platform
        + contoso / Livestreams: withheld: all sessions are over
          gathers for contoso/oncall (slack), due 2024-09-05 04:42Z
          nothing followed: it came as history, which tells nobody
        - fabrikam / Web sites: impact: the rule wants App Service
        - and 12 more rules
        ");
        assert_eq!(
            shown(&json!({ "nothing": "no rule matched" })),
            "    nothing followed: no rule matched\n"
        );
        assert_eq!(shown(&json!({})), "");
    }
}
