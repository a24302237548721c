//! What is checked, and by what: the texts of rule files, and the settings that decide which rule matches what.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::customer::Customers;
use crate::event::catalogue::Catalogue;
use crate::notification::hash;

/// What problems with the rules folder itself are told of.
pub const EVERYTHING: &str = "rules/";

/// One rule file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path below the rules folder, `/`-separated (`contoso/production.yaml`).
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The settings that decide which rule matches what.
#[derive(Debug, Clone)]
pub struct Deciding {
    /// Who owns what.
    pub customers: Arc<Customers>,
    /// Names of services and regions.
    pub catalogue: Arc<Catalogue>,
    /// The operator's own catalogue as written; `None` for the shipped one.
    pub catalogue_text: Option<String>,
    /// Whether receivers may have private addresses and plain http.
    pub allow_private: bool,
    /// Which version of the rule language the files were checked by.
    language: u32,
    /// A hash over all of that.
    name: String,
}

/// The version of the rule language: a higher one where files that were good may be wrong now. The first start of a
/// daemon that knows a newer one checks every file again: what is wrong now is told, and stays in force as it was.
const LANGUAGE: u32 = 3;

/// The version that is meant where none was written down.
const LANGUAGE_AT_FIRST: u32 = 1;

fn language_at_first() -> u32 {
    LANGUAGE_AT_FIRST
}

fn is_language_at_first(language: &u32) -> bool {
    *language == LANGUAGE_AT_FIRST
}

/// [`Deciding`] as it is remembered.
#[derive(Serialize, Deserialize)]
struct Remembered {
    #[serde(default)]
    customers: Customers,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    catalogue: Option<String>,
    #[serde(default)]
    allow_private: bool,
    #[serde(default = "language_at_first", skip_serializing_if = "is_language_at_first")]
    language: u32,
}

impl Deciding {
    /// The settings with the operator's own catalogue, or the shipped one.
    ///
    /// # Errors
    /// When the operator's catalogue can't be read, with the reason.
    pub fn new(customers: Customers, catalogue_text: Option<String>, allow_private: bool) -> Result<Self, String> {
        Self::of_language(customers, catalogue_text, allow_private, LANGUAGE)
    }

    fn of_language(
        customers: Customers,
        catalogue_text: Option<String>,
        allow_private: bool,
        language: u32,
    ) -> Result<Self, String> {
        let catalogue = catalogue_text
            .as_deref()
            .map_or_else(|| Ok(Catalogue::shipped()), Catalogue::parse)?;
        let mut settings = Self {
            customers: Arc::new(customers),
            catalogue: Arc::new(catalogue),
            catalogue_text,
            allow_private,
            language,
            name: String::new(),
        };
        settings.name = hash(&[&settings.to_text()]);
        Ok(settings)
    }

    /// What these settings are known by: others have another name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All of it as one JSON text: what is remembered beside the rule files.
    pub fn to_text(&self) -> String {
        let remembered = Remembered {
            customers: Customers::clone(&self.customers),
            catalogue: self.catalogue_text.clone(),
            allow_private: self.allow_private,
            language: self.language,
        };
        serde_json::to_string(&remembered).expect("plain maps and strings can be written")
    }

    /// Reads what [`Deciding::to_text`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let remembered: Remembered = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Remembered {
            customers,
            catalogue,
            allow_private,
            language,
        } = remembered;
        Self::of_language(customers, catalogue, allow_private, language)
    }
}
