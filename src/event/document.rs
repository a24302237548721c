//! A review or statement taken apart: its sections by their headings, and the repairs it promises.
//!
//! Works on the sanitised HTML of an event. Headings are `h1`–`h6`, a paragraph that is all bold, or bold words at the
//! head of a paragraph that end in a colon. What cannot be told apart stays whole; nothing is left out.

use std::sync::LazyLock;

use regex::Regex;
use scraper::{ElementRef, Html, Node};
use serde::{Deserialize, Serialize};

use super::{html, plain};

/// A text in its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its sections, in order; what stands before the first heading has an empty one.
    pub sections: Vec<Section>,
    /// The repairs it promises, in order.
    pub repair_items: Vec<RepairItem>,
    /// What it recommends to customers, in order.
    #[serde(default)]
    pub recommendations: Vec<String>,
}

/// What stands under one heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// What the heading asks.
    pub role: SectionRole,
    /// The heading as written.
    pub heading: String,
    /// What stands under it, safe to show.
    pub html: String,
    /// The same as plain text.
    pub text: String,
}

/// The headings that reviews and statements share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SectionRole {
    /// What happened? · Summary of impact · Impact statement
    WhatHappened,
    /// What went wrong and why? · (Preliminary) root cause
    WhatWentWrong,
    /// How did we respond? · Mitigation
    HowDidWeRespond,
    /// How are we making incidents like this less likely or less impactful?
    HowWeMakeLessLikely,
    /// How can customers make incidents like this less impactful?
    HowCustomersPrepare,
    /// How can we make our incident communications more useful?
    Communications,
    /// What do we know so far? · Current status
    WhatDoWeKnow,
    /// What happens next? · Next steps
    WhatNext,
    /// Anything else.
    Other,
}

/// A repair the provider promises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairItem {
    /// What is repaired, without its state.
    pub text: String,
    /// How far it is.
    pub state: RepairState,
}

/// How far a repair is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum RepairState {
    /// Done.
    Completed,
    /// Promised for a month.
    Estimated {
        /// `2024-11`.
        month: String,
    },
    /// The text does not say.
    Unknown,
}

/// Takes sanitised HTML apart.
pub fn document(html: &str) -> Document {
    let fragment = Html::parse_fragment(html);
    let mut parts = vec![Part::default()];
    take(body(fragment.root_element()), &mut parts);
    let sections: Vec<Section> = parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(Part::section)
        .collect();
    let repair_items = sections.iter().flat_map(repairs).collect();
    let recommendations = sections.iter().flat_map(recommendations).collect();
    Document {
        sections,
        repair_items,
        recommendations,
    }
}

/// The element that holds the blocks: some texts wrap all of them in one.
fn body(element: ElementRef<'_>) -> ElementRef<'_> {
    let mut inner = element;
    loop {
        let mut children = inner.children().filter(|child| !is_space(child.value()));
        match (children.next().and_then(ElementRef::wrap), children.next()) {
            (Some(only), None) if matches!(only.value().name(), "div" | "span" | "blockquote") => inner = only,
            _ => return inner,
        }
    }
}

fn is_space(node: &Node) -> bool {
    node.as_text().is_some_and(|text| text.trim().is_empty())
}

#[derive(Default)]
struct Part {
    heading: String,
    html: String,
}

impl Part {
    fn is_empty(&self) -> bool {
        self.heading.is_empty() && plain::text(&self.html).is_empty()
    }

    fn section(self) -> Section {
        let html = self.html.trim().to_string();
        Section {
            role: role(&self.heading),
            text: plain::text(&html),
            heading: self.heading,
            html,
        }
    }
}

fn take(element: ElementRef<'_>, parts: &mut Vec<Part>) {
    for child in element.children() {
        let written = match (child.value(), ElementRef::wrap(child)) {
            (_, Some(block)) => match heading(block) {
                Some((heading, rest)) => {
                    parts.push(Part {
                        heading,
                        html: String::new(),
                    });
                    rest
                }
                None => block.html(),
            },
            (Node::Text(text), None) => html::escape(text),
            _ => String::new(),
        };
        parts
            .last_mut()
            .expect("there is a part from the beginning")
            .html
            .push_str(&written);
    }
}

/// A block's heading, and what else stands in it.
fn heading(block: ElementRef<'_>) -> Option<(String, String)> {
    match block.value().name() {
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => Some((tidy(&plain::text_of(block)), String::new())),
        "p" | "div" => bold_heading(block),
        "strong" | "b" if role(&plain::text_of(block)) != SectionRole::Other => {
            Some((tidy(&plain::text_of(block)), String::new()))
        }
        _ => None,
    }
    .filter(|(heading, _)| !heading.is_empty())
}

/// `<p><strong>What happened?</strong></p>`, or `<p><strong>Mitigation</strong>: We …</p>`.
fn bold_heading(block: ElementRef<'_>) -> Option<(String, String)> {
    let mut children = block.children().skip_while(|child| is_space(child.value()));
    let bold = children
        .next()
        .and_then(ElementRef::wrap)
        .filter(|child| matches!(child.value().name(), "strong" | "b"))?;
    let words = plain::text_of(bold);
    let rest: String = children
        .map(|child| ElementRef::wrap(child).map_or_else(|| text_of_node(child.value()), |element| element.html()))
        .collect();
    let plain = plain::text(&rest);
    let (heading, colon) = (tidy(&words), words.trim_end().ends_with(':') || plain.starts_with(':'));
    if plain.trim_matches(':').is_empty() {
        return (heading.chars().count() <= 120).then_some((heading, String::new()));
    }
    let known = role(&heading) != SectionRole::Other;
    (known && (colon || words.trim_end().ends_with('?'))).then(|| (heading, paragraph(&rest)))
}

fn text_of_node(node: &Node) -> String {
    node.as_text().map(|text| html::escape(text)).unwrap_or_default()
}

fn paragraph(rest: &str) -> String {
    let rest = rest
        .trim_start_matches([':', ' ', '\u{a0}', '\n'])
        .trim_start_matches("<br>");
    format!("<p>{rest}</p>")
}

fn tidy(heading: &str) -> String {
    heading
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .trim_end_matches(':')
        .trim()
        .to_string()
}

/// What a heading asks.
fn role(heading: &str) -> SectionRole {
    let asked = heading.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| asked.contains(word));
    let is = |words: &[&str]| words.contains(&asked.trim().trim_end_matches([':', '?', '.']));
    if says(&["communications more useful"]) {
        SectionRole::Communications
    } else if says(&[
        "how can customers",
        "how can our customers",
        "what can customers",
        "how can you make",
    ]) {
        SectionRole::HowCustomersPrepare
    } else if says(&["less likely", "less impactful"]) {
        SectionRole::HowWeMakeLessLikely
    } else if says(&["what went wrong", "root cause"]) {
        SectionRole::WhatWentWrong
    } else if says(&["what happened", "summary of impact", "impact statement"]) {
        SectionRole::WhatHappened
    } else if says(&["how did we respond", "how we responded"]) || is(&["mitigation"]) {
        SectionRole::HowDidWeRespond
    } else if says(&["what do we know", "what we know"]) || is(&["current status"]) {
        SectionRole::WhatDoWeKnow
    } else if says(&["what happens next"]) || is(&["next steps", "what is next", "what's next"]) {
        SectionRole::WhatNext
    } else {
        SectionRole::Other
    }
}

/// The repairs a section promises: all bullets of the one about repairs, elsewhere those that say how far they are.
fn repairs(section: &Section) -> Vec<RepairItem> {
    let about_repairs = section.role == SectionRole::HowWeMakeLessLikely;
    let bullets = section
        .text
        .lines()
        .filter_map(|line| bullet(line).map(|item| (item, about_repairs)));
    let others = section
        .text
        .lines()
        .filter(|line| bullet(line).is_none())
        .map(|line| (line.trim(), false));
    let mut items: Vec<(&str, bool)> = bullets.collect();
    items.extend(others);
    items.sort_by_key(|(item, _)| item.as_ptr());
    items
        .into_iter()
        .filter_map(|(item, counts)| repair(item).or_else(|| counts.then(|| unstated(item))))
        .collect()
}

/// What a section recommends to customers: its bullets, or its paragraphs where it has none.
fn recommendations(section: &Section) -> Vec<String> {
    if section.role != SectionRole::HowCustomersPrepare {
        return Vec::new();
    }
    let lines = || section.text.lines().map(str::trim).filter(|line| !line.is_empty());
    let bullets: Vec<&str> = lines().filter_map(bullet).collect();
    let all = if bullets.is_empty() { lines().collect() } else { bullets };
    all.into_iter().map(str::to_owned).collect()
}

fn bullet(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let numbered = line
        .split_once(". ")
        .filter(|(mark, _)| is_mark(mark))
        .map(|(_, item)| item);
    line.strip_prefix("- ").or(numbered).map(str::trim)
}

/// Whether this is the mark of an ordered list's item: a number, a letter or a Roman numeral.
fn is_mark(mark: &str) -> bool {
    let is_roman = |mark: &str| !mark.is_empty() && mark.chars().all(|c| "ivxlcdmIVXLCDM".contains(c));
    let is_letter = |mark: &str| mark.len() == 1 && mark.chars().all(|c| c.is_ascii_alphabetic());
    mark.parse::<i32>().is_ok() || is_letter(mark) || is_roman(mark)
}

fn unstated(item: &str) -> RepairItem {
    RepairItem {
        text: item.to_string(),
        state: RepairState::Unknown,
    }
}

/// An item that ends in "(Completed)" or "(Estimated completion: Month YYYY)".
fn repair(item: &str) -> Option<RepairItem> {
    static STATE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)\s*[(\[]\s*(complete[d]?|done|(?:estimated|expected|planned|target)[^()\[\]]{0,80})\s*[)\]]\s*\.?\s*$").expect("a valid expression")
    });
    let found = STATE.captures(item)?;
    let whole = found.get(0).expect("group 0 is the match");
    let words = &found[1];
    let state = match words.to_lowercase().starts_with(['c', 'd']) {
        true => RepairState::Completed,
        false => month(words).map_or(RepairState::Unknown, |month| RepairState::Estimated { month }),
    };
    Some(RepairItem {
        text: item[..whole.start()].trim().to_string(),
        state,
    })
}

/// "Estimated completion: November 2024" is `2024-11`.
fn month(words: &str) -> Option<String> {
    static MONTH: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?i)\b([a-z]{3,9})\.?,? (\d{4})\b").expect("a valid expression"));
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    MONTH.captures_iter(words).find_map(|found| {
        let short = found[1].get(..3)?.to_ascii_lowercase();
        let nth = MONTHS.iter().position(|month| *month == short)?;
        Some(format!("{}-{:02}", &found[2], nth + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Arrival, read};

    fn roles(document: &Document) -> Vec<SectionRole> {
        document.sections.iter().map(|section| section.role).collect()
    }

    #[test]
    fn a_real_review_falls_into_its_sections() {
        let body =
            include_bytes!("../../tests/fixtures/samples/azure/azure-sdk-event-serviceissue-pir-final-0NTJ-VV8.json");
        let event = read(body, None, Arrival::History).unwrap().events.remove(0);
        let document = document(&event.html);
        use SectionRole::*;
        assert_eq!(
            roles(&document),
            [
                WhatHappened,
                WhatWentWrong,
                HowDidWeRespond,
                HowWeMakeLessLikely,
                HowCustomersPrepare,
                Communications
            ]
        );
        assert!(
            document.sections[2]
                .text
                .contains("- 04:25 UTC on 5 September 2024 – Issue was detected")
        );
        assert!(document.sections[2].html.contains("<li>04:25 UTC"));
        assert!(
            document.repair_items.is_empty(),
            "this review promises nothing in bullets"
        );
        let whole: usize = document
            .sections
            .iter()
            .map(|section| section.heading.len() + section.text.len())
            .sum();
        assert!(whole + 6 * 8 >= event.text.len(), "nothing is left out");
    }

    #[test]
    fn a_preliminary_review_keeps_what_stands_before_its_headings() {
        let html = "<p><em>This is our Preliminary PIR.</em></p><h2>What happened?</h2>plain &amp; simple";
        let document = document(html);
        assert_eq!(roles(&document), [SectionRole::Other, SectionRole::WhatHappened]);
        assert_eq!(document.sections[0].text, "This is our Preliminary PIR.");
        assert_eq!(document.sections[1].html, "plain &amp; simple");
    }

    #[test]
    fn old_headings_stand_at_the_head_of_their_paragraph() {
        let html = "<div><p><strong>Summary of impact</strong>:&nbsp;Slow.</p><p><strong>Preliminary Root Cause:</strong> A bug.</p>\
                    <p><strong>Mitigation</strong>: Rolled back.</p><p><strong>Next steps</strong>: More.</p><p><strong>Note</strong> that it is over.</p></div>";
        let document = document(html);
        use SectionRole::*;
        assert_eq!(
            roles(&document),
            [WhatHappened, WhatWentWrong, HowDidWeRespond, WhatNext]
        );
        assert_eq!(document.sections[0].text, "Slow.");
        assert_eq!(document.sections[1].html, "<p>A bug.</p>");
        assert_eq!(document.sections[3].text, "More.\n\nNote that it is over.");
    }

    #[test]
    fn repairs_say_how_far_they_are() {
        let html = "<p><strong>How are we making incidents like this less likely or less impactful?</strong></p>\
                    <p>We did this. (Completed)</p><ul><li>Fix the <b>valve</b> (Completed)</li><li>Add alerts. (Estimated completion: November 2024)</li>\
                    <li>Test more (Estimated completion: TBD).</li><li>Think (hard)</li></ul>\
                    <p><strong>How did we respond?</strong></p><ul><li>10:00 UTC – fixed</li></ul>";
        let items = document(html).repair_items;
        let estimated = RepairState::Estimated {
            month: "2024-11".to_string(),
        };
        let expected = [
            ("We did this.", RepairState::Completed),
            ("Fix the valve", RepairState::Completed),
            ("Add alerts.", estimated),
            ("Test more", RepairState::Unknown),
            ("Think (hard)", RepairState::Unknown),
        ];
        let found: Vec<(&str, RepairState)> = items
            .iter()
            .map(|item| (item.text.as_str(), item.state.clone()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn text_without_headings_is_one_section_and_nothing_is_none() {
        assert_eq!(document("<p>Hello</p>").sections.len(), 1);
        assert_eq!(document(""), Document::default());
    }
}
