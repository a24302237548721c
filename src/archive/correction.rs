//! A person's correction, as a line of an archive.

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::event::{Kind, Provider, Window};
use crate::incident::IncidentId;
use crate::incident::correction::{Correction, Corrects, REASON_CHARS_MOST, is_reason};
use crate::incident::reviews::Size;

/// The longest name of who said it, characters.
const NAME_CHARS_MOST: usize = 200;

/// What a person said of the incident before it, against the provider's word.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CorrectionLine {
    /// Of whose incident.
    pub provider: Provider,
    /// Of which.
    pub tracking_id: String,
    /// When it was said.
    pub at: Time,
    /// By whom: the name of a token.
    pub by: String,
    /// Why.
    pub reason: String,
    /// `size`, `kind`, `window` or `requested`.
    pub corrects: String,
    /// How large the incident is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// What a communication is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Which communication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communication: Option<String>,
    /// The provider's time of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Time>,
    /// When impact began and ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// What of a line cannot be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub what: String,
}

impl CorrectionLine {
    /// This correction, of an incident of this tracking id as the provider writes it.
    pub fn of(correction: &Correction, tracking_id: &str) -> Self {
        let line = Self {
            provider: correction.incident.provider,
            tracking_id: tracking_id.to_owned(),
            at: correction.at,
            by: correction.by.clone(),
            reason: correction.reason.clone(),
            corrects: String::new(),
            size: None,
            kind: None,
            communication: None,
            published: None,
            window: None,
        };
        match &correction.corrects {
            Corrects::Size { size } => Self {
                corrects: "size".to_owned(),
                size: Some(*size),
                ..line
            },
            Corrects::Kind {
                communication,
                published,
                kind,
            } => Self {
                corrects: "kind".to_owned(),
                kind: Some(*kind),
                communication: Some(communication.clone()),
                published: Some(*published),
                ..line
            },
            Corrects::Window { window } => Self {
                corrects: "window".to_owned(),
                window: Some(*window),
                ..line
            },
            Corrects::Requested {} => Self {
                corrects: "requested".to_owned(),
                ..line
            },
        }
    }

    /// The correction as it may be taken in.
    ///
    /// # Errors
    /// When it may not: what of it is wrong.
    pub fn into_correction(self) -> Result<Correction, Unfit> {
        let corrects = self.corrects()?;
        if !is_reason(&self.reason) {
            let what = format!("a reason has 1 to {REASON_CHARS_MOST} characters, and none that controls something");
            return Err(unfit("reason", what));
        }
        if self.by.chars().count() > NAME_CHARS_MOST || self.by.chars().any(char::is_control) {
            let what = format!("a name has at most {NAME_CHARS_MOST} characters, and none that controls something");
            return Err(unfit("by", what));
        }
        Ok(Correction {
            incident: IncidentId::new(self.provider, &self.tracking_id),
            at: self.at,
            by: self.by,
            reason: self.reason,
            corrects,
            taken_in_by: None,
        })
    }

    fn corrects(&self) -> Result<Corrects, Unfit> {
        match self.corrects.as_str() {
            "size" => Ok(Corrects::Size {
                size: there("size", self.size)?,
            }),
            "kind" => Ok(Corrects::Kind {
                communication: there("communication", self.communication.clone())?,
                published: there("published", self.published)?,
                kind: there("kind", self.kind.filter(|kind| !kind.is_own()))?,
            }),
            "window" => {
                let window = there("window", self.window)?;
                match window.start < window.end {
                    true => Ok(Corrects::Window { window }),
                    false => Err(unfit("window", "impact cannot end before it begins")),
                }
            }
            "requested" => Ok(Corrects::Requested {}),
            _ => Err(unfit("corrects", "this version knows no such correction")),
        }
    }
}

fn there<T>(field: &'static str, value: Option<T>) -> Result<T, Unfit> {
    value.ok_or_else(|| unfit(field, "it is missing, or does not fit what is corrected"))
}

fn unfit(field: &'static str, what: impl Into<String>) -> Unfit {
    Unfit {
        field,
        what: what.into(),
    }
}
