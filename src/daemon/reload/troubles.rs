//! What is broken after a reading: files, and whole folders.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use super::broken::{broken, nothing_there, without_rules};
use super::{Looked, Reading, Rules};
use crate::customer::CustomerId;
use crate::folder::Found;
use crate::record::{BrokenFile, FolderTrouble};
use crate::rule::RuleSet;

impl Rules {
    /// What is written down as broken now. The store is read on a thread that may wait for the disk.
    pub(super) async fn known_to_be_broken(&self) -> Result<Vec<BrokenFile>> {
        let ledger = self.ledger.clone();
        let read = tokio::task::spawn_blocking(move || ledger.view().broken());
        let broken = read.await.context("looking up what was broken ended in a panic")?;
        broken.context("looking up what was broken before")
    }

    /// What is broken after a reading, of those for whom it is used and of all others.
    pub(super) fn broken_after(
        &self,
        reading: &Reading,
        looked: &Looked,
        set: &RuleSet,
        before: &[BrokenFile],
        is_used: impl Fn(&CustomerId) -> bool,
    ) -> Vec<BrokenFile> {
        let mut after = match &looked.found.nothing {
            Some(why) if !set.files.is_empty() => nothing_there(why, before),
            _ => {
                let elsewhere = before.iter().filter(|file| !is_used(&file.customer)).cloned();
                let of_reading = broken(&looked.broken, &looked.problems, &looked.found, &self.folder).into_iter();
                let of_reading = of_reading.filter(|file| is_used(&file.customer));
                let mut after: Vec<BrokenFile> = of_reading.chain(elsewhere).collect();
                if !set.files.is_empty() {
                    let customers = self.in_the_settings(reading).filter(|one| is_used(one));
                    after.extend(without_rules(customers, set, &after));
                }
                after
            }
        };
        after.sort();
        after
    }

    /// Notes what is not as it should be with whole folders, for whoever asks how the daemon is.
    pub(super) fn note(&self, broken: &[BrokenFile], set: &RuleSet, found: &Found) {
        let of = |trouble| {
            let files = broken.iter().filter(move |file| file.folder == Some(trouble));
            files.map(|file| file.customer.clone()).collect()
        };
        let is_everybody = found.nothing.is_some();
        let everybody = || set.files.values().map(|file| file.customer.clone()).collect();
        self.ledger.figures().note_rules_folder(|noted| {
            noted.gone = if is_everybody {
                everybody()
            } else {
                of(FolderTrouble::Gone)
            };
            noted.without_rules = of(FolderTrouble::WithoutRules);
            noted.nothing.clone_from(&found.nothing);
        });
    }

    /// The customers in the settings that a reading is about.
    fn in_the_settings(&self, reading: &Reading) -> impl Iterator<Item = &CustomerId> {
        let by_name = self.deciding.customers.by_name.as_ref();
        let named = by_name.into_iter().flat_map(|known| known.keys());
        let scope: Option<&BTreeSet<CustomerId>> = reading.scope.as_ref();
        named.filter(move |one| scope.is_none_or(|scope| scope.contains(*one)))
    }
}
