//! Which versions of rule files nothing was decided by.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::record::GivenBack;
use crate::store::View;

impl View {
    /// Of files that change now, the versions in force, if nothing was decided by the rules since they came into force:
    /// `decided` is the last record that was.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rules_without_decisions(&self, changed: &BTreeSet<&str>, decided: u64) -> Result<Vec<GivenBack>> {
        let mut given_back = Vec::new();
        for path in changed {
            let in_force = self.rule_files_at(u64::MAX, path)?.into_iter();
            let unused = in_force.filter(|line| line.path == **path && line.seq > decided);
            given_back.extend(unused.map(|line| GivenBack {
                path: line.path,
                in_force: line.seq,
                recorded: line.recorded,
                nth: line.nth,
            }));
        }
        Ok(given_back)
    }
}
