//! Making the decisions by which other rules come into force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Result, bail};

use super::super::{Hint, Waiting, Writer, recorded};
use super::Made;
use crate::customer::CustomerId;
use crate::evaluate::{Case, Forgetting, RulesChange};
use crate::journal::Position;
use crate::lookup;
use crate::notification::EndpointId;
use crate::record::{FileInForce, Input, Of};
use crate::rule::RuleSet;

impl Writer {
    /// Rules change between two inputs: those before are decided by the old ones, those after by the new ones.
    pub(super) fn make_of_rules(&self, waiting: &Waiting, input: &Input) -> Result<Made> {
        let next = match &waiting.rules {
            Some(rules) => rules.clone(),
            None => self.compile_with(input)?,
        };
        let view = self.store.view();
        let earlier: Vec<_> = self.earlier_texts(input)?.into_iter().map(|(file, _)| file).collect();
        let change = RulesChange {
            recorded: waiting.at,
            given_back: view.rules_without_decisions(&changed_paths(input, &earlier), self.upkeep.decided_by_rules)?,
            earlier,
            before: view.revision_at(u64::MAX)?,
            broken: view.broken()?,
            set_aside: view.rules_set_aside()?,
            no_longer_failing: self.failing_endpoints_without(&next)?,
        };
        let hint = self.endpoints_gone(&next)?;
        let of = Of::Kept { at: waiting.at };
        let made = self.made(of, &Case::RulesChanged(input, change)).with_hint(hint);
        Ok(Made {
            rules: Some(next),
            ..made
        })
    }

    /// The endpoints that fail and are in no rule file any more.
    fn failing_endpoints_without(&self, rules: &RuleSet) -> Result<Vec<EndpointId>> {
        let failing = self.store.view().all_failing();
        let gone = failing.filter(|found| {
            found
                .as_ref()
                .map_or(true, |one| rules.endpoint(&one.endpoint).is_none())
        });
        gone.map(|found| Ok(found?.endpoint)).collect()
    }

    /// The files of a change that were recorded before it, with their sealed texts.
    fn earlier_texts(&self, input: &Input) -> Result<Vec<(FileInForce, String)>> {
        let Input::Rules { texts, .. } = input else {
            return Ok(Vec::new());
        };
        let mut earlier = Vec::new();
        for at in texts {
            let Some(Input::RuleTexts { files }) = lookup::unless_lost(lookup::input(&self.shared.journal, *at))?
            else {
                continue;
            };
            for (nth, file) in (0..).zip(files) {
                let (path, digest) = (file.path, file.digest);
                earlier.push((
                    FileInForce {
                        path,
                        digest,
                        nth,
                        recorded: Some(*at),
                    },
                    file.sealed,
                ));
            }
        }
        Ok(earlier)
    }

    /// The rules after a recorded change, made from what is in force and the change itself: for a start after a crash.
    fn compile_with(&self, input: &Input) -> Result<Arc<RuleSet>> {
        let Input::Rules {
            files,
            removed,
            settings,
            ..
        } = input
        else {
            bail!("only a change of rules can be compiled")
        };
        let mut texts: BTreeMap<String, String> = recorded::texts_in_force(self.store.view(), &self.shared.journal)?
            .into_iter()
            .collect();
        for path in removed {
            texts.remove(path);
        }
        texts.extend(
            self.earlier_texts(input)?
                .into_iter()
                .map(|(file, sealed)| (file.path, sealed)),
        );
        texts.extend(files.iter().map(|file| (file.path.clone(), file.sealed.clone())));
        let settings = match settings {
            Some(settings) => Some(Some(settings.clone())),
            None => lookup::unless_lost(recorded::settings_in_force(self.store.view(), &self.shared.journal))?,
        };
        if settings.is_none() {
            texts.clear(); // as in `recorded`: nothing is decided by rules whose settings are lost
        }
        let texts: Vec<(String, String)> = texts.into_iter().collect();
        let compiled = recorded::compile_what_can_be(&self.settings.compile, texts, settings.flatten().as_deref());
        Ok(Arc::new(compiled?))
    }

    /// The rules of a customer whose folder is gone end.
    pub(super) fn make_of_forgetting(&self, at: Position, customer: &CustomerId) -> Result<Made> {
        let before = self.rules.files_of(customer);
        let before: BTreeMap<_, _> = before.map(|file| (file.path.clone(), file.clone())).collect();
        let paths = before.keys().cloned().collect();
        let next = Arc::new(self.rules.with(&BTreeMap::new(), &before.into()));
        let view = self.store.view();
        let broken = view.broken()?.into_iter();
        let forgetting = Forgetting {
            recorded: at,
            customer: customer.clone(),
            paths,
            after: next.revision.clone(),
            no_longer_failing: self.failing_endpoints_without(&next)?,
            broken: broken.filter(|file| file.customer == *customer).collect(),
        };
        let hint = self.endpoints_gone(&next)?;
        let made = self
            .made(Of::Kept { at }, &Case::RulesForgotten(forgetting))
            .with_hint(hint);
        Ok(Made {
            rules: Some(next),
            ..made
        })
    }

    /// Whose address is gone is looked at by its lane, which knows whether an attempt is under way.
    fn endpoints_gone(&self, next: &RuleSet) -> Result<Hint> {
        let pending = self.store.view().endpoints_with_work()?.into_iter();
        Ok(Hint {
            endpoints: pending.filter(|endpoint| next.endpoint(endpoint).is_none()).collect(),
            ..Hint::default()
        })
    }
}

/// The paths of the files that a change of rules puts into force or takes out of it.
fn changed_paths<'a>(input: &'a Input, earlier: &'a [FileInForce]) -> BTreeSet<&'a str> {
    let Input::Rules { files, removed, .. } = input else {
        return BTreeSet::new();
    };
    let files = files.iter().map(|file| file.path.as_str());
    let earlier = earlier.iter().map(|file| file.path.as_str());
    files.chain(earlier).chain(removed.iter().map(String::as_str)).collect()
}
