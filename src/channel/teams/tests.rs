use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::channel::sample;

fn parsed(message: &Message) -> Value {
    serde_json::from_slice(&render(message)).expect("JSON")
}

/// What Teams measures: the body as a string, with everything escaped that any serialiser escapes.
fn measured(message: &Message) -> usize {
    let body = String::from_utf8(render(message)).expect("UTF-8");
    let outer = serde_json::to_string(&body).expect("JSON");
    let ascii = |c: char| if c.is_ascii() { 1 } else { 7 * c.len_utf16() };
    outer.chars().map(ascii).sum()
}

/// Every text that is shown, with the type of its element.
fn texts(value: &Value) -> Vec<(&str, &str)> {
    match value {
        Value::Object(map) => {
            let own = map
                .get("type")
                .and_then(Value::as_str)
                .zip(map.get("text").and_then(Value::as_str));
            own.into_iter().chain(map.values().flat_map(texts)).collect()
        }
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn shown(message: &Message) -> String {
    let document = parsed(message);
    let texts = texts(&document["attachments"][0]["content"]["body"]);
    texts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_card_is_what_the_snapshot_says() {
    insta::assert_json_snapshot!(parsed(&sample::update()));
}

#[test]
fn the_card_of_a_review_is_what_the_snapshot_says() {
    insta::assert_json_snapshot!(parsed(&sample::review()));
}

#[test]
fn markup_is_shown_as_typed_and_without_backslashes() {
    for text in [
        "[x](https://evil.example) *a* _b_",
        "- a\n1. b\n# c\n2026 d",
        r"C:\temp\a_b (x) ~y~ `z` <b>!{}|",
        "SQL_DB-1 (West Europe): 5 > 4 & 3 < 4",
    ] {
        let shown = shown(&sample::with_text(text));
        assert!(shown.contains(text), "{shown}");
    }
}

#[test]
fn the_title_is_shown_once_and_the_state_has_a_word_and_a_colour() {
    let message = sample::update();
    let shown = shown(&message);
    assert_eq!(shown.matches("Erroneous 404 failures").count(), 1, "{shown}");
    assert_eq!(shown.lines().next(), Some("Active"));
    let style = |message: &Message| parsed(message)["attachments"][0]["content"]["body"][0]["style"].clone();
    assert_eq!(style(&message), "attention");
    assert_eq!(style(&sample::review()), "accent");
    let mut over = message;
    Arc::make_mut(&mut over.event).kind = crate::event::Kind::Mitigation;
    assert_eq!(style(&over), "good");
}

#[test]
fn headings_are_bold_and_what_was_left_out_is_marked_where_it_stood() {
    let document = parsed(&sample::review());
    let body = document["attachments"][0]["content"]["body"]
        .as_array()
        .expect("a body");
    let at = |text: &str| {
        let found = body.iter().position(|one| one["inlines"][0]["text"] == text);
        found.unwrap_or_else(|| panic!("{text}: {body:#?}"))
    };
    let happened = at("What happened?");
    assert_eq!(body[happened]["inlines"][0]["weight"], "Bolder");
    assert_eq!(body[happened + 1]["inlines"][0]["weight"], Value::Null);
    assert_eq!(at("[…]"), happened + 2);
    let note = &body[at("Shortened where […] stands; the whole text:")];
    assert_eq!(
        note["inlines"][1]["selectAction"]["url"],
        "https://health.contoso.example/incidents/0NIH-U2O?key=abc&c=1"
    );
}

#[test]
fn elements_are_of_the_version_that_the_card_declares_and_no_text_is_markdown() {
    for message in sample::hostile()
        .into_iter()
        .chain([sample::update(), sample::review()])
    {
        let document = parsed(&message);
        assert_eq!(render(&message), render(&message));
        let card = &document["attachments"][0]["content"];
        assert_eq!(card["version"], "1.2");
        assert!(texts(card).iter().all(|(kind, _)| *kind == "TextRun"));
        assert!(
            !card["fallbackText"]
                .as_str()
                .expect("text")
                .contains(['[', '*', '_', '`', '<', '\\'])
        );
        for (_, text) in texts(card) {
            assert!(!text.contains("{{DATE(") && !text.contains("{{TIME("), "{text}");
        }
        for action in card["actions"].as_array().expect("actions") {
            let url = action["url"].as_str().expect("a URL");
            assert!(url.starts_with("https://") || url.starts_with("http://"));
        }
    }
}

#[test]
fn a_card_stays_under_the_limit_as_teams_measures_it_and_what_was_cut_ends_with_the_link_to_the_whole() {
    let paths = "[\n{\n\"id\": 0,\n\"resource_group\": \"rg_0\",\n\"paths\": [\n\"C:\\\\temp\\\\a_b\"\n]\n},\n";
    for text in [
        "é".repeat(60_000),
        "[*]".repeat(30_000),
        "a\n\n".repeat(30_000),
        "\u{1f600}".repeat(30_000),
        "x".repeat(100_000),
        "\\".repeat(50_000),
        "\"".repeat(50_000),
        paths.repeat(400),
    ] {
        let message = sample::with_text(&text);
        assert!(measured(&message) <= CARD_MAX_BYTES, "{}", measured(&message));
        assert!(measured(&message) > CARD_MAX_BYTES - 1_000, "the room is used");
        let shown = shown(&message);
        let note = "Cut here; the whole text:\n https://health.contoso.example/incidents/0NIH-U2O?key=abc&c=1\n";
        assert!(shown.contains(note), "{shown}");
    }
    assert!(measured(&sample::with_subscriptions(10_000)) <= CARD_MAX_BYTES);
}

#[test]
fn the_card_that_was_refused_fits() {
    let refused: Value = serde_json::from_str(include_str!(
        "../../../tests/fixtures/field/02-card-too-large-for-teams.json"
    ))
    .expect("JSON");
    assert!(size_of(&refused) > STRING_MAX_BYTES, "it is measured as Teams did");
    let blocks = refused["attachments"][0]["content"]["body"].as_array().expect("a body");
    let text = blocks
        .iter()
        .filter_map(|one| one["text"].as_str())
        .collect::<Vec<_>>()
        .join("\n\n");
    let message = sample::with_text(&text.replace("  \n", "\n"));
    assert!(measured(&message) <= CARD_MAX_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_card_ever_goes_over_what_teams_takes(message in sample::any::messages()) {
        let size = measured(&message);
        prop_assert!(size <= CARD_MAX_BYTES, "{size}");
    }
}
