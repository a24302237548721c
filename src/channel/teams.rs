//! Teams Workflows webhooks: an envelope with one Adaptive Card, at most 28 KB.
//!
//! A card's text is a subset of Markdown: whatever could begin markup is escaped. Pure.

use serde_json::{Value, json};

use super::text::cut;
use super::words::{EARLIER, Words};
use crate::message::Message;

/// Below Teams' limit of about 28 KB, which counts its own wrapping too.
const BODY_MAX_BYTES: usize = 24_000;

/// The body for `message`.
pub fn render(message: &Message) -> Vec<u8> {
    let words = Words::of(message);
    let mut room = words.digest.chars().count().min(12_000);
    loop {
        let body = serde_json::to_vec(&envelope(&words, room)).expect("a JSON value always serialises");
        if body.len() <= BODY_MAX_BYTES || room == 0 {
            return body;
        }
        room -= (room / 5).max(1);
    }
}

fn envelope(words: &Words, room: usize) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card(words, room),
        }],
    })
}

fn card(words: &Words, room: usize) -> Value {
    let actions: Vec<Value> = words
        .links
        .iter()
        .map(|link| json!({ "type": "Action.OpenUrl", "title": link.label, "url": link.url }))
        .collect();
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": cut(&escape(&words.subject), 500).0,
        "msteams": { "width": "Full" },
        "body": body(words, room),
        "actions": actions,
    })
}

fn body(words: &Words, room: usize) -> Vec<Value> {
    let mut body = vec![
        title(&words.subject),
        block(&words.title),
        block(&words.lead),
        facts(words),
    ];
    body.extend(words.next.as_deref().map(block));
    if !words.earlier.is_empty() {
        body.push(block(EARLIER));
        body.extend(words.earlier.iter().map(|line| block(line)));
    }
    let (text, was_cut) = cut(&words.digest, room);
    body.extend(
        text.split("\n\n")
            .filter(|one| !one.trim().is_empty() && room > 0)
            .map(block),
    );
    if was_cut || words.digest != words.text {
        body.push(small(&words.whole()));
    }
    body.push(small(&words.reason));
    body
}

fn title(text: &str) -> Value {
    json!({ "type": "TextBlock", "text": escape(text), "weight": "Bolder", "size": "Large", "wrap": true, "style": "heading" })
}

fn facts(words: &Words) -> Value {
    let facts: Vec<Value> = words
        .facts
        .iter()
        .map(|fact| json!({ "title": fact.label, "value": escape(&cut(&fact.values.join("; "), 1_500).0) }))
        .collect();
    json!({ "type": "FactSet", "facts": facts })
}

fn block(text: &str) -> Value {
    json!({ "type": "TextBlock", "text": escape(text), "wrap": true })
}

fn small(text: &str) -> Value {
    json!({ "type": "TextBlock", "text": escape(text), "wrap": true, "size": "Small", "isSubtle": true })
}

/// Escapes what begins markup anywhere, and what begins a list, a heading or a quotation at the start of a line. A
/// single line end is a space in Markdown: the two blanks before it keep it.
fn escape(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let mut escaped = String::with_capacity(line.len());
        let lead = line.len() - line.trim_start().len();
        let digits = line[lead..].bytes().take_while(u8::is_ascii_digit).count();
        let listed = if digits > 0 { lead + digits } else { lead };
        for (at, c) in line.char_indices() {
            let begins = at == lead && matches!(c, '-' | '+' | '#' | '>' | '=');
            let numbers = digits > 0 && at == listed && matches!(c, '.' | ')');
            if begins
                || numbers
                || matches!(
                    c,
                    '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '~' | '<' | '|' | '!' | '{' | '}'
                )
            {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        escaped
    });
    lines.collect::<Vec<_>>().join("  \n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::sample;

    fn parsed(message: &Message) -> Value {
        serde_json::from_slice(&render(message)).expect("JSON")
    }

    #[test]
    fn the_card_is_what_the_snapshot_says() {
        insta::assert_json_snapshot!(parsed(&sample::update()));
    }

    #[test]
    fn markup_is_shown_as_typed() {
        assert_eq!(
            escape("[x](https://evil.example) *a* _b_"),
            r"\[x\]\(https://evil.example\) \*a\* \_b\_"
        );
        assert_eq!(escape("- a\n1. b\n# c\n2026 d"), "\\- a  \n1\\. b  \n\\# c  \n2026 d");
    }

    #[test]
    fn no_text_becomes_a_link_or_another_element() {
        for message in sample::hostile() {
            let document = parsed(&message);
            assert_eq!(render(&message), render(&message));
            let card = &document["attachments"][0]["content"];
            for element in card["body"].as_array().expect("a body") {
                assert!(matches!(element["type"].as_str(), Some("TextBlock" | "FactSet")));
                let text = element["text"].as_str().unwrap_or_default();
                let unescaped = |c: char| {
                    text.char_indices()
                        .any(|(at, found)| found == c && !escaped_at(text, at))
                };
                assert!(!['[', ']', '*', '_', '`', '<'].into_iter().any(unescaped), "{text}");
            }
            for action in card["actions"].as_array().expect("actions") {
                assert!(
                    action["url"]
                        .as_str()
                        .is_some_and(|url| url.starts_with("https://") || url.starts_with("http://"))
                );
            }
        }
    }

    fn escaped_at(text: &str, at: usize) -> bool {
        text[..at].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
    }

    #[test]
    fn a_card_stays_under_the_limit_and_links_to_the_whole() {
        for text in [
            "é".repeat(60_000),
            "[*]".repeat(30_000),
            "a\n\n".repeat(30_000),
            "\u{1f600}".repeat(30_000),
            "x".repeat(100_000),
        ] {
            let body = render(&sample::with_text(&text));
            assert!(body.len() <= 28_000, "{}", body.len());
            assert!(String::from_utf8_lossy(&body).contains("Cut here; the whole text: https://"));
        }
        assert!(render(&sample::with_subscriptions(10_000)).len() <= 28_000);
    }
}
