//! The HTML body of a mail: a small page without images, scripts or remote parts, readable in light and dark.
//!
//! Text is escaped; the provider's HTML was sanitised by an allow list when it was read. Colours are left to the client
//! where possible, because clients in dark mode turn them round in their own ways.

use super::TEXT_MAX_CHARS;
use crate::channel::text::{self, cut};
use crate::channel::words::{EARLIER, Tone, Words};
use crate::message::Message;

/// What inline styles cannot say; a client that leaves it out shows plainer tables.
const STYLE: &str = ":root{color-scheme:light dark;supported-color-schemes:light dark}\
    pre{white-space:pre-wrap}\
    .said table{border-collapse:collapse}.said th,.said td{border:1px solid #8886;padding:.2em .5em;text-align:left;vertical-align:top}";
/// A long URL or name breaks anywhere rather than make the page wider than a phone.
const FRAME: &str = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5;max-width:42em;margin:0 auto;padding:1em;overflow-wrap:anywhere;word-break:break-word";

/// The page for `message`.
pub(super) fn page(message: &Message, words: &Words) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>{STYLE}</style></head>\n<body style=\"margin:0\"><div style=\"{FRAME}\">\n\
         {}<h1 style=\"font-size:1.25em;line-height:1.3;margin:0 0 .5em\">{}</h1>\n<p>{}</p>\n",
        escape(&words.subject),
        badge(words),
        escape(&words.title),
        escape(&words.lead)
    );
    for part in [
        table(words),
        next(words),
        links(words),
        earlier(words),
        prose(message, words),
    ] {
        page.push_str(&part);
    }
    page.push_str(&format!(
        "<p style=\"font-size:.85em;opacity:.75\">{}</p>\n</div></body></html>\n",
        escape(&words.reason)
    ));
    page
}

/// How it stands, in its colour: dark enough for white letters in both schemes.
fn badge(words: &Words) -> String {
    let colour = match words.tone {
        Tone::Trouble => "#b3261e",
        Tone::Caution => "#8a5300",
        Tone::Over => "#1a6b34",
        Tone::News => "#0b5cad",
    };
    format!(
        "<p style=\"margin:0 0 .6em\"><span style=\"background:{colour};color:#fff;border-radius:.3em;padding:.15em .6em;font-weight:600\">{}</span></p>\n",
        escape(&words.label)
    )
}

fn table(words: &Words) -> String {
    let rows = words.facts.iter().map(|fact| {
        let values: Vec<String> = fact.values.iter().map(|value| escape(value)).collect();
        format!(
            "<tr><th style=\"text-align:left;vertical-align:top;padding:.15em 1em .15em 0;white-space:nowrap\">{}</th><td style=\"vertical-align:top;padding:.15em 0\">{}</td></tr>\n",
            fact.label,
            values.join("<br>\n")
        )
    });
    format!(
        "<table style=\"border-collapse:collapse;margin:0 0 1em\">\n{}</table>\n",
        rows.collect::<String>()
    )
}

fn next(words: &Words) -> String {
    words
        .next
        .as_deref()
        .map(|next| format!("<p>{}</p>\n", escape(next)))
        .unwrap_or_default()
}

fn links(words: &Words) -> String {
    let shown = words
        .links
        .iter()
        .map(|link| format!("<a href=\"{}\">{}</a>", escape(&link.url), link.label));
    let shown = shown.collect::<Vec<_>>().join(" &middot;\n");
    if shown.is_empty() {
        shown
    } else {
        format!("<p>{shown}</p>\n")
    }
}

fn earlier(words: &Words) -> String {
    if words.earlier.is_empty() {
        return String::new();
    }
    let items: String = words
        .earlier
        .iter()
        .map(|line| format!("<li>{}</li>\n", escape(line)))
        .collect();
    format!("<p>{EARLIER}</p>\n<ul>\n{items}</ul>\n")
}

/// The provider's HTML; where it is too long, or there is none, its text in paragraphs.
fn prose(message: &Message, words: &Words) -> String {
    let html = text::html(&message.event.html);
    if !html.trim().is_empty() && html.chars().count() <= TEXT_MAX_CHARS {
        return format!("<hr>\n<div class=\"said\">{html}</div>\n<hr>\n");
    }
    let mut room = TEXT_MAX_CHARS;
    loop {
        let (text, was_cut) = cut(&words.text, room);
        let body = paragraphs(&text);
        if body.chars().count() > TEXT_MAX_CHARS {
            room -= (room / 5).max(1);
            continue;
        }
        let whole = if was_cut { whole(words) } else { String::new() };
        return format!("<hr>\n{body}{whole}<hr>\n");
    }
}

/// Where the text was cut, and the link to the whole.
fn whole(words: &Words) -> String {
    let link = words
        .whole_text()
        .map(|link| format!(" <a href=\"{0}\">{0}</a>", escape(&link.url)));
    format!(
        "<p><strong>{}</strong>{}</p>\n",
        escape(words.cut_here()),
        link.unwrap_or_default()
    )
}

fn paragraphs(text: &str) -> String {
    let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks
        .map(|block| format!("<p>{}</p>\n", escape(block).replace('\n', "<br>\n")))
        .collect()
}

/// Text as HTML text or attribute value.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
