//! Slack incoming webhooks: blocks, with `&`, `<` and `>` escaped, so that no text can mention, link or broadcast.
//!
//! Limits: header 150 characters, section 3,000, 50 blocks, and all blocks together below about 13,000 (Slack answers
//! `msg_blocks_too_long` a little above). Pure.

use serde_json::{Value, json};

use super::text::cut;
use super::words::{EARLIER, Words};
use crate::message::Message;

const HEADER_MAX_CHARS: usize = 150;
const SECTION_MAX_CHARS: usize = 3_000;
/// What a section around the prose may take, so that all together stay below the limit.
const FRAME_MAX_CHARS: usize = 2_400;
const BLOCKS_MAX_CHARS: usize = 12_000;

/// The body for `message`.
pub fn render(message: &Message) -> Vec<u8> {
    let words = Words::of(message);
    let fallback = fitted(&escape(&words.subject), 1_000);
    let document = json!({ "text": fallback, "blocks": blocks(&words), "unfurl_links": false, "unfurl_media": false });
    serde_json::to_vec(&document).expect("a JSON value always serialises")
}

fn blocks(words: &Words) -> Vec<Value> {
    let mut blocks = vec![header(&words.subject), section(&lead(words)), section(&facts(words))];
    if !words.earlier.is_empty() {
        blocks.push(section(&format!("*{EARLIER}*\n{}", bullets(&words.earlier))));
    }
    if !words.links.is_empty() {
        blocks.push(section(&links(words)));
    }
    let context = json!({ "type": "context", "elements": [mrkdwn(&escape(&words.reason))] });
    let used: usize = blocks
        .iter()
        .chain([&context])
        .map(|block| block.to_string().chars().count())
        .sum();
    blocks.extend(prose(words, BLOCKS_MAX_CHARS.saturating_sub(used)));
    blocks.push(context);
    blocks
}

fn lead(words: &Words) -> String {
    let next = words
        .next
        .as_deref()
        .map(|next| format!("\n{}", escape(next)))
        .unwrap_or_default();
    format!("*{}*\n{}{next}", escape(&words.title), escape(&words.lead))
}

fn facts(words: &Words) -> String {
    let rows = words.facts.iter().map(|fact| {
        let values: Vec<String> = fact.values.iter().map(|value| escape(value)).collect();
        format!(
            "*{}:* {}",
            fact.label,
            values.join(if fact.values.len() > 1 { "\n        " } else { "" })
        )
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn bullets(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("• {}", escape(line)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn links(words: &Words) -> String {
    let shown = words.links.iter().map(|link| linked(&link.url, link.label));
    shown.collect::<Vec<_>>().join("  ·  ")
}

/// `<url|label>`: the URL is ASCII and percent-encoded but for `|`, which would end it.
fn linked(url: &str, label: &str) -> String {
    format!("<{}|{}>", escape(&url.replace('|', "%7C")), escape(label))
}

/// The provider's text as plain sections, cut to `room` with a word about where the whole is.
fn prose(words: &Words, room: usize) -> Vec<Value> {
    let (mut text, mut was_cut) = (words.digest.clone(), words.digest != words.text);
    let mut most = room.min(8_000);
    while pieces(&text)
        .iter()
        .map(|piece| plain(piece).to_string().chars().count())
        .sum::<usize>()
        + 300
        > room
        && most > 0
    {
        (text, was_cut) = (cut(&words.digest, most).0, true);
        most -= (most / 5).max(1);
    }
    let mut blocks: Vec<Value> = pieces(&text).iter().map(|piece| plain(piece)).collect();
    if !blocks.is_empty() {
        blocks.insert(0, json!({ "type": "divider" }));
    }
    if was_cut {
        let whole = match words.links.first() {
            Some(link) => format!("Shortened: {}", linked(&link.url, "read the whole text")),
            None => "Shortened; the whole text is in the provider's portal.".to_owned(),
        };
        blocks.push(json!({ "type": "context", "elements": [mrkdwn(&whole)] }));
    }
    blocks
}

/// Pieces of at most a section's length, at line ends where there are any.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for line in text.split_inclusive('\n') {
        for part in line.chars().collect::<Vec<_>>().chunks(SECTION_MAX_CHARS / 6) {
            let part: String = part.iter().collect();
            if escape(&piece).chars().count() + escape(&part).chars().count() > SECTION_MAX_CHARS {
                pieces.push(std::mem::take(&mut piece));
            }
            piece.push_str(&part);
        }
    }
    pieces.push(piece);
    pieces.into_iter().filter(|piece| !piece.trim().is_empty()).collect()
}

fn header(text: &str) -> Value {
    let text = fitted(&escape(text), HEADER_MAX_CHARS);
    json!({ "type": "header", "text": { "type": "plain_text", "text": text, "emoji": false } })
}

/// Already escaped mrkdwn, cut to a section.
fn section(text: &str) -> Value {
    json!({ "type": "section", "text": mrkdwn(text) })
}

fn mrkdwn(escaped: &str) -> Value {
    json!({ "type": "mrkdwn", "text": fitted(escaped, FRAME_MAX_CHARS), "verbatim": true })
}

fn fitted(escaped: &str, max: usize) -> String {
    let (text, was_cut) = cut(escaped, max);
    if was_cut { whole_entities(&text) } else { text }
}

/// Drops an entity or link that a cut left half.
fn whole_entities(text: &str) -> String {
    let body = text.strip_suffix('…').unwrap_or(text);
    let open = |begin: char, end: char| body.rfind(begin).filter(|at| !body[*at..].contains(end));
    let at = [open('&', ';'), open('<', '>')]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(body.len());
    format!("{}…", &body[..at])
}

fn plain(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "plain_text", "text": escape(text.trim_matches('\n')), "emoji": false } })
}

/// The three characters that Slack gives a meaning to (its formatting reference).
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::sample;

    fn parsed(message: &Message) -> Value {
        serde_json::from_slice(&render(message)).expect("JSON")
    }

    fn texts(value: &Value) -> Vec<&str> {
        match value {
            Value::Object(map) => map
                .iter()
                .flat_map(|(key, value)| match value {
                    Value::String(text) if key == "text" => vec![text.as_str()],
                    other => texts(other),
                })
                .collect(),
            Value::Array(all) => all.iter().flat_map(texts).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_message_is_what_the_snapshot_says() {
        insta::assert_json_snapshot!(parsed(&sample::update()));
    }

    #[test]
    fn a_review_shows_its_headings() {
        insta::assert_json_snapshot!(parsed(&sample::review()));
    }

    #[test]
    fn no_text_can_mention_link_or_broadcast() {
        for message in sample::hostile() {
            let document = parsed(&message);
            assert_eq!(render(&message), render(&message));
            let links = Words::of(&message)
                .links
                .iter()
                .map(|link| link.url.replace('|', "%7C"))
                .collect::<Vec<_>>();
            for text in texts(&document) {
                for begun in text.split('<').skip(1) {
                    let url = begun.split(['|', '>']).next().unwrap_or_default().replace("&amp;", "&");
                    assert!(links.contains(&url), "{text}");
                }
                assert!(
                    !text
                        .replace("&amp;", "")
                        .replace("&lt;", "")
                        .replace("&gt;", "")
                        .contains('&'),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn every_limit_of_slack_holds() {
        let long = [
            "word ".repeat(20_000),
            "é<&>".repeat(20_000),
            "x".repeat(100_000),
            "a\n".repeat(30_000),
            "\u{1f600}".repeat(20_000),
        ];
        for message in long
            .iter()
            .map(|text| sample::with_text(text))
            .chain([sample::with_subscriptions(10_000)])
            .chain(sample::hostile())
        {
            let document = parsed(&message);
            let blocks = document["blocks"].as_array().expect("blocks");
            assert!(blocks.len() <= 50);
            assert!(Value::from(blocks.clone()).to_string().chars().count() < 13_000);
            for block in blocks {
                let most = if block["type"] == "header" { 150 } else { 3_000 };
                for text in texts(block) {
                    assert!((1..=most).contains(&text.chars().count()), "{text}");
                }
            }
        }
    }
}
