//! Slack incoming webhooks: blocks, with `&`, `<` and `>` escaped, so that no text can mention, link or broadcast.
//!
//! Limits: header 150 characters, section 3,000, 50 blocks, and all blocks together below about 13,000 (Slack answers
//! `msg_blocks_too_long` a little above). Pure.

use serde_json::{Value, json};

use super::text::{Block, blocks as blocks_of, cut};
use super::words::{EARLIER, Words};
use crate::message::Message;

const HEADER_MAX_CHARS: usize = 150;
const SECTION_MAX_CHARS: usize = 3_000;
/// What a section around the prose may take, so that all together stay below the limit.
const FRAME_MAX_CHARS: usize = 2_400;
const BLOCKS_MAX_CHARS: usize = 12_000;
/// What of it everything around the prose may take.
const FRAMES_MAX_CHARS: usize = 9_000;
/// A text with more headings than this shows them as text: a message has at most 50 blocks.
const HEADINGS_MAX: usize = 12;
/// What the note below a text that was cut takes, characters, without its link.
const NOTE_MAX_CHARS: usize = 300;

/// The body for `message`.
pub fn render(message: &Message) -> Vec<u8> {
    let words = Words::of(message);
    let fallback = fitted(&escape(&words.subject), 1_000);
    let document = json!({ "text": fallback, "blocks": blocks(&words), "unfurl_links": false, "unfurl_media": false });
    serde_json::to_vec(&document).expect("a JSON value always serialises")
}

fn blocks(words: &Words) -> Vec<Value> {
    let frames = [1, 2, 4, 8].map(|by| Frame::of(words, FRAME_MAX_CHARS / by));
    let fits = |frame: &&Frame| frame.length() <= FRAMES_MAX_CHARS;
    let frame = frames.iter().find(fits).unwrap_or(&frames[frames.len() - 1]);
    let mut blocks = frame.above.clone();
    blocks.extend(prose(words, BLOCKS_MAX_CHARS.saturating_sub(frame.length())));
    blocks.push(frame.below.clone());
    blocks
}

/// What stands around the provider's text.
struct Frame {
    above: Vec<Value>,
    below: Value,
}

impl Frame {
    /// With at most `room` characters in each block but the links', which nothing can be left out of.
    fn of(words: &Words, room: usize) -> Self {
        let mut above = vec![
            header(&heading(words)),
            section(&fitted(&lead(words), room)),
            section(&fitted(&facts(words), room)),
        ];
        if !words.earlier.is_empty() {
            let earlier = format!("*{EARLIER}*\n{}", bullets(&words.earlier));
            above.push(section(&fitted(&earlier, room)));
        }
        if !words.links.is_empty() {
            above.push(section(&fitted(&links(words), FRAME_MAX_CHARS)));
        }
        let reason = fitted(&escape(&words.reason), room);
        let below = json!({ "type": "context", "elements": [mrkdwn(&reason)] });
        Self { above, below }
    }

    fn length(&self) -> usize {
        self.above.iter().chain([&self.below]).map(length).sum()
    }
}

/// How it stands, and the title: it stands nowhere else, unless it does not fit here.
fn heading(words: &Words) -> String {
    format!("[{}] {}", words.label, words.title)
}

fn lead(words: &Words) -> String {
    let next = words
        .next
        .as_deref()
        .map(|next| format!("\n{}", escape(next)))
        .unwrap_or_default();
    let is_whole = escape(&heading(words)).chars().count() <= HEADER_MAX_CHARS;
    let title = match is_whole {
        true => String::new(),
        false => format!("*{}*\n", escape(&words.title)),
    };
    format!("{title}{}{next}", escape(&words.lead))
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

/// The provider's text, cut to `room`, with a word about where the whole is.
fn prose(words: &Words, room: usize) -> Vec<Value> {
    let whole = words
        .whole_text()
        .map(|link| linked(&link.url, link.label))
        .unwrap_or_default();
    let room = room.saturating_sub(NOTE_MAX_CHARS + whole.chars().count());
    let (mut text, mut was_cut) = (words.digest.clone(), false);
    let mut most = room.min(8_000);
    while dressed(&text).iter().map(length).sum::<usize>() > room && most > 0 {
        (text, was_cut) = (cut(&words.digest, most).0, true);
        most -= (most / 5).max(1);
    }
    let mut blocks = dressed(&text);
    if !blocks.is_empty() {
        blocks.insert(0, json!({ "type": "divider" }));
    }
    let note = match was_cut {
        true => words.cut_here(),
        false => words.shortened(),
    };
    if was_cut || words.digest != words.text {
        let note = format!("{} {whole}", escape(note));
        blocks.push(json!({ "type": "context", "elements": [mrkdwn(note.trim())] }));
    }
    blocks
}

/// A text as headings and plain sections.
fn dressed(text: &str) -> Vec<Value> {
    let parts = blocks_of(text);
    let headings = parts.iter().filter(|part| matches!(part, Block::Heading(_)));
    if headings.count() > HEADINGS_MAX {
        return pieces(text).iter().map(|piece| plain(piece)).collect();
    }
    let (mut blocks, mut together) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Block::Paragraph(text) => together.push(text),
            Block::Heading(text) => {
                blocks.extend(sections(&mut together));
                blocks.push(header(text));
            }
        }
    }
    blocks.extend(sections(&mut together));
    blocks
}

/// Paragraphs, as few sections as hold them.
fn sections(paragraphs: &mut Vec<&str>) -> Vec<Value> {
    let text = std::mem::take(paragraphs).join("\n\n");
    pieces(&text).iter().map(|piece| plain(piece)).collect()
}

/// What a block takes of what all together may have, characters.
fn length(block: &Value) -> usize {
    block.to_string().chars().count()
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

    fn assert_that_slack_takes(message: &Message) {
        let document = parsed(message);
        let blocks = document["blocks"].as_array().expect("blocks");
        assert!(blocks.len() <= 50, "{}", blocks.len());
        assert!(Value::from(blocks.clone()).to_string().chars().count() < 13_000);
        for block in blocks {
            let most = if block["type"] == "header" { 150 } else { 3_000 };
            for text in texts(block) {
                assert!((1..=most).contains(&text.chars().count()), "{text}");
            }
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: 64,
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn no_message_ever_goes_over_what_slack_takes(message in sample::any::messages()) {
            assert_that_slack_takes(&message);
        }
    }

    #[test]
    fn what_was_cut_ends_with_the_link_to_the_whole() {
        let document = parsed(&sample::with_text(&"word ".repeat(20_000)));
        let blocks = document["blocks"].as_array().expect("blocks");
        assert_eq!(
            blocks[blocks.len() - 2]["elements"][0]["text"],
            "Cut here; the whole text: <https://health.contoso.example/incidents/0NIH-U2O?key=abc&amp;c=1|The whole story>"
        );
    }

    #[test]
    fn the_title_is_shown_once_also_if_it_is_long() {
        let mut message = sample::update();
        let times = |message: &Message| {
            let shown = parsed(message)["blocks"].to_string();
            shown.matches(&*message.event.title).count()
        };
        assert_eq!(times(&message), 1);
        std::sync::Arc::make_mut(&mut message.event).title = "long ".repeat(40).trim().to_owned();
        assert_eq!(times(&message), 1);
    }

    #[test]
    fn every_limit_of_slack_holds() {
        let long = [
            "word ".repeat(20_000),
            "é<&>".repeat(20_000),
            "x".repeat(100_000),
            "a\n".repeat(30_000),
            "What happened?\n\nIt broke.\n\n".repeat(2_000),
            "\u{1f600}".repeat(20_000),
        ];
        for message in long
            .iter()
            .map(|text| sample::with_text(text))
            .chain([sample::with_subscriptions(10_000)])
            .chain(sample::hostile())
        {
            assert_that_slack_takes(&message);
        }
    }
}
