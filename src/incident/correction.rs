//! What a person says of an incident against the provider's word, with a reason. The provider's word stays beside it.

use serde::{Deserialize, Serialize};

use super::IncidentId;
use crate::clock::Time;
use crate::event::{Kind, Size, Window};

/// The longest reason, characters.
pub const REASON_CHARS_MOST: usize = 1_000;

/// Whether a text may be a reason: not too long, and nothing in it that controls something.
pub fn is_reason(text: &str) -> bool {
    let is_plain = |c: char| !c.is_control() || c == '\n';
    !text.trim().is_empty() && text.chars().count() <= REASON_CHARS_MOST && text.chars().all(is_plain)
}

/// A person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// Of which incident.
    pub incident: IncidentId,
    /// When it was said.
    pub at: Time,
    /// Who said it: the name of the token.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What.
    pub corrects: Corrects,
    /// Who took it in, of one out of an archive: the name of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_in_by: Option<String>,
}

/// When a correction was said first and by whom, of one that is taken in from an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstSaid {
    /// When.
    pub at: Time,
    /// By whom.
    pub by: String,
}

/// What is corrected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corrects {
    /// How large the incident is.
    Size {
        /// So large.
        size: Size,
    },
    /// What a communication is.
    Kind {
        /// Which communication.
        communication: String,
        /// The provider's time of it.
        published: Time,
        /// What it is.
        kind: Kind,
    },
    /// When impact began and ended.
    Window {
        /// From when to when.
        window: Window,
    },
    /// That the provider was asked for the review that it offers on request.
    Requested {},
}

impl Correction {
    /// Whether the same was said by the same person at the same time.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.at, &self.by, &self.reason, &self.corrects) == (other.at, &other.by, &other.reason, &other.corrects)
    }
}

/// What counts of all corrections of an incident: the last one of each sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Corrected {
    /// How large it is.
    pub size: Option<Size>,
    /// When impact began and ended.
    pub window: Option<Window>,
    /// When it was noted that the review on request was asked for.
    pub requested: Option<Time>,
}

impl Corrected {
    /// Of corrections, the oldest first.
    pub fn by(corrections: &[Correction]) -> Self {
        let mut corrected = Self::default();
        for one in corrections {
            match &one.corrects {
                Corrects::Size { size } => corrected.size = Some(*size),
                Corrects::Window { window } => corrected.window = Some(*window),
                Corrects::Requested {} => corrected.requested = Some(one.at),
                Corrects::Kind { .. } => {}
            }
        }
        corrected
    }
}

/// What a communication is by the last correction of it; `None` if nobody corrected it.
pub fn kind_of(corrections: &[Correction], of: &str) -> Option<Kind> {
    corrections.iter().rev().find_map(|one| match &one.corrects {
        Corrects::Kind {
            communication, kind, ..
        } if communication == of => Some(*kind),
        Corrects::Kind { .. } | Corrects::Size { .. } | Corrects::Window { .. } | Corrects::Requested {} => None,
    })
}
