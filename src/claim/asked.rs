//! What is to be computed: for whom, from which incidents, under which terms.

use crate::clock::Time;

use super::incidents::Incident;
use super::terms::Catalogue;
use super::usage::Usage;

/// What is to be computed.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What the customers use.
    pub usages: &'a [Usage],
    /// What happened.
    pub incidents: &'a [Incident],
    /// The terms.
    pub terms: &'a Catalogue,
    /// The moment for which it is computed: what goes on goes on until then.
    pub at: Time,
    /// Which rows are wanted.
    pub rows: Rows,
    /// Whether each row says how its figures came about, which takes most of the time and room.
    pub explained: bool,
}

/// Which rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Where something may be owed.
    Owed,
    /// Where an incident touched what is used, too.
    Touched,
    /// Of everything that is used, in each month with an incident.
    All,
}

/// A usage and the incidents that touched it.
pub(super) struct Member<'a> {
    pub usage: &'a Usage,
    pub incidents: Vec<&'a Incident>,
    /// Whether other entries are of the same resource at other times.
    pub is_in_parts: bool,
}

impl Member<'_> {
    /// Whether an incident touched it.
    pub fn has(&self, incident: &Incident) -> bool {
        self.incidents.iter().any(|own| std::ptr::eq(*own, incident))
    }
}
