//! Why who was told and why others were not, in the API's answers: verdicts, silence, what still gathers.

use serde_json::Value;

use super::client::{minute, text};
use super::output::{one_line, wrapped, wrapped_as};

/// The reasons of one communication or event, a line each: `+` for rules that matched, `-` for the others.
pub fn shown(about: &Value) -> String {
    let verdicts = list(about, "verdicts").map(|line| verdict(line) + &became(line, about));
    let is_told = |line: &&Value| list(line, "became").next().is_some();
    let has_told = list(about, "verdicts").any(|line| is_told(&line));
    // where each verdict says what became of it, what gathers is said there
    let gathering = list(about, "gathering").filter(|_| !has_told).map(gathering);
    let nothing = nothing(about).into_iter();
    let silent = list(about, "not_matched").map(silent);
    let more = about
        .get("not_matched_more")
        .and_then(Value::as_u64)
        .filter(|more| *more > 0);
    let more = more.map(|more| format!("  - and {more} more rules\n"));
    let unknown = about.get("hint").and_then(Value::as_str);
    let unknown = unknown.map(|hint| wrapped(&one_line(hint, 300), "    "));
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
    wrapped_as(&format!("{}: {what}{why}", rule(line)), "  + ", "      ")
}

/// What became of each notification that a rule asked for, a line each.
fn became(verdict: &Value, about: &Value) -> String {
    list(verdict, "became").map(|one| fate(one, about)).collect()
}

fn fate(one: &Value, about: &Value) -> String {
    let channel = text(one, "channel");
    let channel = match channel.is_empty() {
        true => String::new(),
        false => format!(" ({})", one_line(channel, 20)),
    };
    let (at, id) = (minute(one, "at"), one_line(text(one, "delivery"), 60));
    let what = match text(one, "state") {
        "gathering" => format!("gathers, and is told {at}"),
        "scheduled" => format!("waits, tried again {at}"),
        "delivered" => format!("delivered {at}"),
        "dead" => format!("dead since {at}"),
        "superseded" => {
            let by = text(one, "superseded_by");
            let successor = list(about, "deliveries").find(|delivery| text(delivery, "id") == by);
            let state = successor.map_or(String::new(), |by| format!(", {}", one_line(text(by, "state"), 20)));
            format!("replaced {at} by {}{state}", one_line(by, 60))
        }
        "forgotten" => "forgotten: its retention is over".to_owned(),
        other => one_line(other, 40),
    };
    let receiver = one_line(text(one, "receiver"), 80);
    let mut lines = format!("      {receiver}{channel}: {what}\n        {id}\n");
    let why = one_line(text(one, "why"), 300);
    if !why.is_empty() {
        lines.push_str(&wrapped(&why, "        "));
    }
    lines
}

fn gathering(line: &Value) -> String {
    let receiver = format!(
        "{}/{} ({})",
        text(line, "customer"),
        text(line, "receiver"),
        text(line, "channel")
    );
    let what = format!("gathers for {}, due {}", one_line(&receiver, 200), minute(line, "due"));
    wrapped_as(&what, "    ", "      ")
}

/// One reason (an event's), or a list of them (a communication's).
fn nothing(about: &Value) -> Vec<String> {
    let one = about.get("nothing").and_then(Value::as_str);
    let reasons = one.into_iter().chain(list(about, "nothing").filter_map(Value::as_str));
    reasons
        .map(|why| wrapped_as(&format!("nothing followed: {}", one_line(why, 300)), "    ", "      "))
        .collect()
}

fn silent(line: &Value) -> String {
    let why = one_line(text(line, "why"), 400);
    wrapped_as(&format!("{}: {why}", rule(line)), "  - ", "      ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_verdict_says_what_became_of_it_within_the_width_of_a_terminal() {
        let at = "2024-09-05T04:42:00Z";
        let one = |state: &str, id: &str| json!({ "receiver": "oncall", "channel": "slack", "state": state, "delivery": id, "at": at });
        let mut dead = one("dead", "dlv_4");
        dead["why"] = "refused: 400 Bad Request, which says in very many words that the channel is archived".into();
        let mut superseded = one("superseded", "dlv_5");
        superseded["superseded_by"] = "dlv_3".into();
        let forgotten = json!({ "receiver": "oncall", "state": "forgotten", "delivery": "dlv_6" });
        let became = [
            one("gathering", "dlv_1"),
            one("scheduled", "dlv_2"),
            one("delivered", "dlv_3"),
            dead,
            superseded,
            forgotten,
        ];
        let about = json!({
            "verdicts": [{ "customer": "contoso", "rule": "Trouble", "verdict": "planned", "receivers": ["oncall"], "became": became }],
            "gathering": [{ "customer": "contoso", "receiver": "oncall", "channel": "slack", "due": at }],
            "deliveries": [{ "id": "dlv_3", "state": "delivered" }],
        });
        let text = shown(&about);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text, @r"
        + contoso / Trouble: planned for oncall
            oncall (slack): gathers, and is told 2024-09-05 04:42Z
              dlv_1
            oncall (slack): waits, tried again 2024-09-05 04:42Z
              dlv_2
            oncall (slack): delivered 2024-09-05 04:42Z
              dlv_3
            oncall (slack): dead since 2024-09-05 04:42Z
              dlv_4
              refused: 400 Bad Request, which says in very many words that the channel
              is archived
            oncall (slack): replaced 2024-09-05 04:42Z by dlv_3, delivered
              dlv_5
            oncall: forgotten: its retention is over
              dlv_6
        ");
    }

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
