//! Which versions of rule files nothing was decided by.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::record::GivenBack;
use crate::store::View;

impl View {
    /// Of files that change now, the versions in force, if no event came since they were recorded: inputs are decided
    /// in order, so nothing was decided by them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rules_without_decisions(&self, changed: &BTreeSet<&str>) -> Result<Vec<GivenBack>> {
        let newest = self.events(None, 1)?.pop().map_or(0, |event| event.at.seq);
        let mut given_back = Vec::new();
        for path in changed {
            let in_force = self.rule_files_at(u64::MAX, path)?.into_iter();
            let unused = in_force.filter(|line| line.path == **path && line.recorded.seq > newest);
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
