//! What is known of a posted body beside its events: whose it should be, and what of it is no event.

/// Whose events a path is for (`/v1/events/azure`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Microsoft Azure Service Health.
    Azure,
}

impl Source {
    /// The source of this name, as it stands in a path.
    pub fn named(word: &str) -> Option<Self> {
        word.eq_ignore_ascii_case("azure").then_some(Self::Azure)
    }
}

/// Something that was understood and is no health event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// What it is, in a word or two (`ResourceHealth`, `Administrative`).
    pub what: String,
    /// Why it is ignored, as a sentence without a full stop.
    pub why: String,
    /// Which element of a list it is (`value[3]`).
    pub field: Option<String>,
}
