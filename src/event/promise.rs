//! What a statement says of the reviews that are to come: one, two, none, or one on request.
//!
//! Read sentence by sentence: a promise, a refusal and an offer use the same words, and what is promised must not be
//! taken from a sentence that speaks of what "this review" already is.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

/// The most of a text that is read, bytes: promises stand in statements of a few pages.
const TEXT_BYTES_MOST: usize = 256 * 1024;

/// What a text promises of reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// None will come: the last word is said.
    Nothing,
    /// One comes if somebody asks for it.
    OnRequest,
    /// One will come.
    Review,
    /// A final one will come, after a preliminary one that is there or was promised before.
    Final,
    /// A preliminary one will come, and a final one after it.
    PreliminaryAndFinal,
}

impl Promise {
    /// What `text` (plain) promises; `None` if it speaks of no review to come, and does not call itself the last word.
    pub fn in_text(text: &str) -> Option<Self> {
        let end = (0..=TEXT_BYTES_MOST.min(text.len()))
            .rev()
            .find(|end| text.is_char_boundary(*end));
        let sentences = SENTENCE.split(&text[..end.unwrap_or(0)]);
        let said: Vec<Said> = sentences.filter_map(said).collect();
        let says = |one: Said| said.contains(&one);
        Some(match () {
            () if says(Said::Preliminary) => Self::PreliminaryAndFinal,
            () if says(Said::Final) => Self::Final,
            () if says(Said::Review) => Self::Review,
            () if says(Said::OnRequest) => Self::OnRequest,
            () if says(Said::Refused) || says(Said::LastWord) => Self::Nothing,
            () => return None,
        })
    }
}

/// What one sentence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Preliminary,
    Final,
    Review,
    OnRequest,
    Refused,
    LastWord,
}

macro_rules! pattern {
    ($name:ident, $words:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($words).expect("a valid expression"));
    };
}

pattern!(SENTENCE, r"[.!?;]+(?:\s+|$)|\n+");
pattern!(
    REVIEW,
    r"(?i)\bpost[- ]incident (?:review|report)s?\b|\broot[- ]cause analys[ie]s\b|\b(?:PIR|RCA)s?\b"
);
pattern!(
    COMES,
    r"(?i)\b(?:will|we'll|we’ll|shall|(?:is|are) (?:going|expected|scheduled|planned|due) to|(?:plan|intend|expect|aim) to|to be)\b.{0,80}\b(?:publish|share|provide|release|send|post|deliver|follow|issue|complete|prepare|made available|be available)"
);
pattern!(
    REFUSED,
    r"(?i)\b(?:(?:will|shall|do|does|are|is) not|won't|won’t|(?:do|does|are|is)n['’]t) (?:(?:be|going|plan|planning|intend|expect|currently|to) )*(?:publish|provid|shar|releas|send|post|issu|follow|prepar|produc|creat|planned|expected)\w*|\b(?:no|without a|neither a) (?:further |additional |final |preliminary )*(?:post[- ]incident (?:review|report)|root[- ]cause analysis|PIR|RCA)\b"
);
pattern!(
    ON_REQUEST,
    r#"(?i)\b(?:request|ask for)(?:ed|ing)?\b[^.]{0,20}\b(?:post[- ]incident (?:review|report)|root[- ]cause analysis|PIR|RCA)\b|\b(?:post[- ]incident (?:review|report)|PIR|RCA)\b.{0,40}\b(?:on|upon) request\b"#
);
pattern!(
    LAST_WORD,
    r"(?i)\bthis (?:is|was|will be|serves as) (?:our|the) (?:final|last) (?:update|communication|notification|statement)\b|\bno (?:further|more|additional) (?:updates?|communications?) (?:will|are|is)\b"
);
pattern!(PRELIMINARY, r"(?i)\bpreliminary\b");
pattern!(
    FINAL,
    r"(?i)\bfinal (?:post[- ]incident (?:review|report)|root[- ]cause analysis|PIR|RCA)\b"
);
// "to get notified if a PIR is published" promises nothing
pattern!(
    IF,
    r"(?i)\b(?:if|when|whenever|once|should) (?:a|an|any|the) (?:PIR|RCA|post[- ]incident|root)"
);

fn said(sentence: &str) -> Option<Said> {
    if !REVIEW.is_match(sentence) {
        return LAST_WORD.is_match(sentence).then_some(Said::LastWord);
    }
    if REFUSED.is_match(sentence) {
        return Some(Said::Refused);
    }
    if ON_REQUEST.is_match(sentence) {
        return Some(Said::OnRequest);
    }
    let comes = COMES.is_match(sentence) && !IF.is_match(sentence);
    comes.then(|| match () {
        () if PRELIMINARY.is_match(sentence) => Said::Preliminary,
        () if FINAL.is_match(sentence) => Said::Final,
        () => Said::Review,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_statements_say_of_reviews_to_come() {
        use Promise::{Final, Nothing, OnRequest, PreliminaryAndFinal, Review};
        for (text, promise) in [
            ("This is our final update.", Some(Nothing)),
            ("This was the last update on this incident. Thank you.", Some(Nothing)),
            ("No further updates will be provided.", Some(Nothing)),
            ("We will not be publishing a PIR for this incident.", Some(Nothing)),
            ("A Post Incident Review will not be published.", Some(Nothing)),
            ("No PIR will follow.", Some(Nothing)),
            ("We do not plan to publish a PIR.", Some(Nothing)),
            ("This is our final update, and no PIR will be published.", Some(Nothing)),
            (
                "While our investigation is not yet complete, we will publish a Post Incident Review (PIR) within 14 days.",
                Some(Review),
            ),
            (
                "This is our final update until the Preliminary PIR, which we will publish within 72 hours.",
                Some(PreliminaryAndFinal),
            ),
            ("We will publish a PIR within 14 days.", Some(Review)),
            (
                "We'll share a root cause analysis once our investigation is complete.",
                Some(Review),
            ),
            (
                "Once our internal retrospective is completed, generally within 14 days, we will publish a Post Incident \
                 Review (PIR) to all impacted customers.",
                Some(Review),
            ),
            ("A PIR will follow.", Some(Review)),
            ("An RCA is expected to be published next week", Some(Review)),
            (
                "We will publish a Preliminary Post Incident Review (PIR) within approximately 72 hours, to share more \
                 details on what happened. After our internal retrospective is completed, generally within 14 days, we \
                 will publish a Final PIR.",
                Some(PreliminaryAndFinal),
            ),
            (
                "A preliminary PIR will be published within 72 hours.",
                Some(PreliminaryAndFinal),
            ),
            (
                "This is our Preliminary PIR. After our internal retrospective is completed (generally within 14 days) \
                 we will publish a Final PIR with additional details.",
                Some(Final),
            ),
            (
                "To request a Post Incident Review (PIR), impacted customers can use the “Request PIR” feature within \
                 Azure Service Health. (Note: we're only able to provide PIRs for issues that occurred recently.) To get \
                 notified if a PIR is published, configure alerts.",
                Some(OnRequest),
            ),
            ("A PIR is available upon request.", Some(OnRequest)),
            (
                "This is our final update. We will publish a PIR within 14 days.",
                Some(Review),
            ),
            ("To get notified if a PIR will be published, configure alerts.", None),
            ("You can rate this PIR and provide any feedback using our survey.", None),
            ("We will publish more details. Finally, traffic was rebalanced.", None),
            ("The next update will be provided in 60 minutes.", None),
            ("", None),
        ] {
            assert_eq!(Promise::in_text(text), promise, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_read_up_to_its_limit_and_not_into_a_letter() {
        let text = "ü".repeat(TEXT_BYTES_MOST) + " We will publish a PIR.";
        assert_eq!(Promise::in_text(&text), None);
        let text = format!("x{text}");
        assert_eq!(Promise::in_text(&text), None);
    }
}
