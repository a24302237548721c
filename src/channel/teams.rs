//! Teams Workflows webhooks: an envelope with one Adaptive Card.
//!
//! Text that others wrote stands in `TextRun`s, which know no markup. A `TextBlock` is Markdown, and so are the values of a
//! `FactSet`: what is escaped there with backslashes shows them on phones. The elements used are all of version 1.2, which
//! phones know too. Pure.
//!
//! Teams measures a card as a string, and refuses one that is too large after the flow has answered 202: see [`size`].

mod size;

use serde_json::{Value, json};

use self::size::{fitted, size_of, size_of_text};
use super::text::{Block, blocks};
use super::words::{EARLIER, Fact, Link, Tone, Words};
use crate::message::Message;

/// What Teams takes of a card in its string form, bytes.
const STRING_MAX_BYTES: usize = 28_672;
/// What a flow may add of its own before Teams measures, bytes.
const MARGIN_BYTES: usize = 2_048;
/// What a card and its envelope may have, in their string form.
const CARD_MAX_BYTES: usize = STRING_MAX_BYTES - MARGIN_BYTES;
/// What all but the provider's text may take of it.
const FRAME_MAX_BYTES: usize = 16_000;
/// A link that takes more than this in the string form is left out, bytes.
const LINK_MAX_BYTES: usize = 2_400;
/// A paragraph that would be cut to less than this is left out, bytes.
const REST_MIN_BYTES: usize = 200;

/// The most that each part of the frame takes in the string form, bytes; all of them shrink together where they must.
struct Room {
    title: usize,
    lead: usize,
    value: usize,
    earlier: usize,
    reason: usize,
}

impl Room {
    fn divided_by(by: usize) -> Self {
        Self {
            title: 2_400 / by,
            lead: 2_400 / by,
            value: 2_400 / by,
            earlier: 600 / by,
            reason: 2_400 / by,
        }
    }
}

/// The body for `message`.
pub fn render(message: &Message) -> Vec<u8> {
    let words = Words::of(message);
    let frames = [1, 2, 4, 8, 16].map(|by| Frame::of(&words, &Room::divided_by(by)));
    let fits = |frame: &&Frame| frame.size() <= FRAME_MAX_BYTES;
    let frame = frames.iter().find(fits).unwrap_or(&frames[frames.len() - 1]);
    let prose = prose(&words, CARD_MAX_BYTES.saturating_sub(frame.size()));
    serde_json::to_vec(&frame.envelope(prose)).expect("a JSON value always serialises")
}

/// A card without the provider's text.
struct Frame {
    above: Vec<Value>,
    below: Vec<Value>,
    fallback: String,
    actions: Vec<Value>,
}

impl Frame {
    fn of(words: &Words, room: &Room) -> Self {
        let mut above = vec![top(words, room), paragraph(&fitted(&words.lead, room.lead))];
        above.extend(words.facts.iter().map(|fact| row(fact, room)));
        above.extend(words.next.as_deref().map(paragraph));
        if !words.earlier.is_empty() {
            above.push(heading(EARLIER));
            let lines: Vec<String> = words
                .earlier
                .iter()
                .map(|line| bullet(&fitted(line, room.earlier)))
                .collect();
            above.push(paragraph(&lines.join("\n")));
        }
        Self {
            above,
            below: vec![small(&fitted(&words.reason, room.reason))],
            fallback: fitted(&without_markup(&words.subject), room.title),
            actions: small_links(words).map(open).collect(),
        }
    }

    fn envelope(&self, prose: Vec<Value>) -> Value {
        let body: Vec<&Value> = self.above.iter().chain(&prose).chain(&self.below).collect();
        json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.2",
                    "fallbackText": self.fallback,
                    "msteams": { "width": "Full" },
                    "body": body,
                    "actions": self.actions,
                },
            }],
        })
    }

    fn size(&self) -> usize {
        size_of(&self.envelope(Vec::new()))
    }
}

/// How it stands, in its colour, and the title.
fn top(words: &Words, room: &Room) -> Value {
    let style = match words.tone {
        Tone::Trouble => "attention",
        Tone::Caution => "warning",
        Tone::Over => "good",
        Tone::News => "accent",
    };
    let label = run(&words.label);
    let title = run(&fitted(&words.title, room.title));
    json!({
        "type": "Container",
        "style": style,
        "bleed": true,
        "items": [
            { "type": "RichTextBlock", "inlines": [with(label, &[("weight", "Bolder")])] },
            { "type": "RichTextBlock", "spacing": "None", "inlines": [with(title, &[("weight", "Bolder"), ("size", "Large")])] },
        ],
    })
}

/// A fact: its label in a narrow column, its values beside it.
fn row(fact: &Fact, room: &Room) -> Value {
    let value = fitted(&fact.values.join("\n"), room.value);
    json!({
        "type": "ColumnSet",
        "spacing": "Small",
        "columns": [
            { "type": "Column", "width": "110px", "items": [rich(vec![with(run(fact.label), &[("weight", "Bolder")])])] },
            { "type": "Column", "width": "stretch", "items": [paragraph(&value)] },
        ],
    })
}

/// The provider's text in at most `room` bytes of the string form, and, where that is not all of it, the link to the whole.
fn prose(words: &Words, room: usize) -> Vec<Value> {
    let whole = words.whole_text().filter(|link| is_small(link));
    let notes = [words.cut_here(), words.shortened()].map(|note| note_with(note, whole));
    let reserved = notes.iter().map(|note| size_of(note) + 1).max().unwrap_or(0);
    let mut left = room.saturating_sub(reserved);
    let (mut elements, mut was_cut) = (Vec::new(), false);
    for block in blocks(&words.digest) {
        let element = element(block);
        let size = size_of(&element) + 1;
        if size <= left {
            left -= size;
            elements.push(element);
            continue;
        }
        was_cut = true;
        elements.extend(rest(block, left));
        break;
    }
    let [cut_here, shortened] = notes;
    if was_cut {
        elements.push(cut_here);
    } else if words.digest != words.text {
        elements.push(shortened);
    }
    if let Some(first) = elements.first_mut() {
        first["separator"] = true.into();
    }
    elements
}

fn element(block: Block<'_>) -> Value {
    match block {
        Block::Heading(text) => heading(text),
        Block::Paragraph(text) => paragraph(text),
    }
}

/// The beginning of a paragraph that does not fit.
fn rest(block: Block<'_>, left: usize) -> Option<Value> {
    let Block::Paragraph(text) = block else {
        return None;
    };
    let frame = size_of(&paragraph("")) + 1;
    let room = left.saturating_sub(frame);
    (room >= REST_MIN_BYTES).then(|| paragraph(&fitted(text, room)))
}

fn note_with(note: &str, link: Option<&Link>) -> Value {
    let mut inlines = vec![with(run(note), &[("weight", "Bolder")])];
    if let Some(link) = link {
        let mut linked = run(&format!(" {}", link.url));
        linked["selectAction"] = open(link);
        inlines.push(linked);
    }
    rich(inlines)
}

fn small_links(words: &Words) -> impl Iterator<Item = &Link> {
    words.links.iter().filter(|link| is_small(link))
}

fn is_small(link: &Link) -> bool {
    size_of_text(&link.url) <= LINK_MAX_BYTES
}

fn open(link: &Link) -> Value {
    json!({ "type": "Action.OpenUrl", "title": link.label, "url": link.url })
}

fn heading(text: &str) -> Value {
    let mut heading = rich(vec![with(run(text), &[("weight", "Bolder")])]);
    heading["spacing"] = "Medium".into();
    heading
}

fn paragraph(text: &str) -> Value {
    rich(vec![run(text)])
}

fn small(text: &str) -> Value {
    let mut run = with(run(text), &[("size", "Small")]);
    run["isSubtle"] = true.into();
    let mut small = rich(vec![run]);
    small["separator"] = true.into();
    small
}

fn bullet(line: &str) -> String {
    format!("• {line}")
}

fn rich(inlines: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": inlines })
}

/// Text without markup, but for the one thing that a renderer still looks for in it: its functions for dates.
fn run(text: &str) -> Value {
    let text = text.replace("{{DATE(", "{ {DATE(").replace("{{TIME(", "{ {TIME(");
    json!({ "type": "TextRun", "text": text })
}

fn with(mut run: Value, properties: &[(&str, &str)]) -> Value {
    for (key, value) in properties {
        run[*key] = (*value).into();
    }
    run
}

/// Text for the one place that is Markdown whatever one does, without what could begin any.
fn without_markup(text: &str) -> String {
    let marks = [
        '\\', '`', '*', '_', '[', ']', '(', ')', '~', '<', '>', '|', '!', '#', '{', '}', '&',
    ];
    let bare = text.replace(marks, " ");
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
