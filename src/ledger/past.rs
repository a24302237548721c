//! The rules by which an event was decided, also when they are others by now: made again from what was recorded.
//!
//! They serve to say why a rule did not match. Only what differs from the rules in force now is made, and only of the
//! customer that is asked about: an answer about a few rules must not cost what all rules cost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use super::{Compile, recorded};
use crate::clock::Time;
use crate::customer::{CustomerId, ORGANISATION};
use crate::incident::reviews::Terms;
use crate::journal;
use crate::journal::Position;
use crate::lookup;
use crate::rule::file::customer_of;
use crate::rule::{Revision, RuleFile, RuleSet};
use crate::store::View;
use crate::store::item::RuleFileLine;

/// The most rule files that are made again for one answer.
const FILES_MOST: usize = 1_000;

/// The rules of earlier moments, for one answer.
pub struct Past {
    view: View,
    journal: journal::Reader,
    compile: Compile,
    now: Arc<RuleSet>,
    /// Whose they are; `None`: everybody's.
    customer: Option<CustomerId>,
    /// How large an incident must be, for rules that ask for that.
    terms: Arc<Terms>,
    made: Mutex<Made>,
}

/// What was made so far.
struct Made {
    by_revision: HashMap<Option<Revision>, Option<Arc<RuleSet>>>,
    files_left: usize,
}

impl Past {
    /// As far as `view` and `journal` know, where `now` is in force.
    pub fn new(
        view: View,
        journal: journal::Reader,
        compile: Compile,
        now: Arc<RuleSet>,
        customer: Option<CustomerId>,
        terms: Arc<Terms>,
    ) -> Self {
        let made = Made {
            by_revision: HashMap::new(),
            files_left: FILES_MOST,
        };
        Self {
            view,
            journal,
            compile,
            now,
            customer,
            terms,
            made: Mutex::new(made),
        }
    }

    /// How large an incident must be.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The rules in force now.
    pub fn now(&self) -> &Arc<RuleSet> {
        &self.now
    }

    /// Whether there are or were rules of a customer, or the settings name it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn knows(&self, customer: &CustomerId) -> Result<bool> {
        let is_named = self
            .now
            .customers
            .by_name
            .as_ref()
            .is_some_and(|known| known.contains_key(customer));
        let has_rules = || self.now.files_of(customer).next().is_some();
        // the one organisation's files may stand in no folder
        let is_organisation = customer.as_str() == ORGANISATION;
        Ok(is_named || is_organisation || has_rules() || self.view.had_rule_files(&format!("{customer}/"))?)
    }

    /// The name of the rules that decided an event; of one that is not decided, of those in force when it arrived.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn revision_of(&self, event: Position) -> Result<Option<Revision>> {
        self.view.revision_at(self.decided(event)?)
    }

    /// Whether the rules in force now are others than those that decided an event: those of the customer that is asked
    /// about, or of anybody.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn are_others_now(&self, event: Position) -> Result<bool> {
        let decided = self.decided(event)?;
        let revision = self.view.revision_at(decided)?;
        if revision.as_ref() == Some(&self.now.revision) || self.customer.is_none() {
            return Ok(revision.as_ref() != Some(&self.now.revision));
        }
        let has_other_settings = self.view.settings_at(decided)? != self.view.settings_at(u64::MAX)?;
        Ok(has_other_settings || !self.differs(&self.files_at(decided)?).is_empty())
    }

    /// The rules that decided an event. Of the customer, or of everybody, they are all there; the rest may be as it is
    /// now. A file whose text is lost is left out.
    ///
    /// `None` if too many files are others by now to make them again for one answer, or the settings of then are lost.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rules_of(&self, event: Position) -> Result<Option<Arc<RuleSet>>> {
        self.rules_after(self.decided(event)?)
    }

    /// The rules in force at a moment, with the limits of [`Past::rules_of`]; also `None` before there were any.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn rules_at(&self, time: Time) -> Result<Option<Arc<RuleSet>>> {
        match self.view.in_force_at(time)? {
            Some(seq) => self.rules_after(seq),
            None => Ok(None),
        }
    }

    fn rules_after(&self, decided: u64) -> Result<Option<Arc<RuleSet>>> {
        let revision = self.view.revision_at(decided)?;
        if revision.as_ref() == Some(&self.now.revision) {
            return Ok(Some(self.now.clone()));
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.by_revision.get(&revision) {
            return Ok(known.clone());
        }
        let rules = self.make(decided, &mut made.files_left)?;
        made.by_revision.insert(revision, rules.clone());
        Ok(rules)
    }

    fn decided(&self, event: Position) -> Result<u64> {
        Ok(self.view.decided_at(event)?.unwrap_or(event.seq))
    }

    fn make(&self, seq: u64, files_left: &mut usize) -> Result<Option<Arc<RuleSet>>> {
        let mut then = self.files_at(seq)?;
        if then.iter().any(|line| line.given_back) {
            return Ok(None); // nothing was decided then, so nothing was kept
        }
        let settings = self.view.settings_at(seq)?;
        let is_same = settings.is_some() && settings == self.view.settings_at(u64::MAX)?;
        let differs = self.differs(&then);
        if is_same {
            then.retain(|line| differs.contains(&customer_of(&line.path)));
        }
        let Some(left) = files_left.checked_sub(then.len()) else {
            return Ok(None);
        };
        *files_left = left;
        let Some(made) = self.compiled(then, seq)? else {
            return Ok(None);
        };
        Ok(Some(Arc::new(match is_same {
            true => self.with(&made, &differs),
            false => made,
        })))
    }

    /// The files after the record `seq`.
    fn files_at(&self, seq: u64) -> Result<Vec<RuleFileLine>> {
        let folder = match &self.customer {
            // the one organisation's files may stand in no folder
            Some(customer) if customer.as_str() != ORGANISATION => format!("{customer}/"),
            _ => String::new(),
        };
        let mut files = self.view.rule_files_at(seq, &folder)?;
        files.retain(|line| self.is_asked_about(&customer_of(&line.path)));
        Ok(files)
    }

    fn is_asked_about(&self, customer: &CustomerId) -> bool {
        self.customer.as_ref().is_none_or(|asked| asked == customer)
    }

    /// The customers one of whose files is another one now.
    fn differs(&self, then: &[RuleFileLine]) -> BTreeSet<CustomerId> {
        let then: BTreeMap<&str, &RuleFileLine> = then.iter().map(|line| (&*line.path, line)).collect();
        let now: Vec<&Arc<RuleFile>> = match &self.customer {
            Some(customer) => self.now.files_of(customer).collect(),
            None => self.now.files.values().collect(),
        };
        let is_new = |file: &&&Arc<RuleFile>| {
            let before = then.get(&*file.path).and_then(|line| line.digest.as_ref());
            before != Some(&file.digest)
        };
        let new = now.iter().filter(is_new).map(|file| file.customer.clone());
        let gone = then.keys().filter(|path| !self.now.files.contains_key(**path));
        new.chain(gone.map(|path| customer_of(path))).collect()
    }

    /// The rules of these files; `None` if the settings that decided are lost.
    fn compiled(&self, files: Vec<RuleFileLine>, seq: u64) -> Result<Option<RuleSet>> {
        let settings = recorded::settings_at(&self.view, &self.journal, seq);
        let Some(settings) = lookup::unless_lost(settings)? else {
            return Ok(None);
        };
        let texts = recorded::texts_of(files, &self.journal);
        recorded::compile_what_can_be(&self.compile, texts, settings.as_deref()).map(Some)
    }

    /// The rules in force now, with the files of some customers as they were.
    fn with(&self, then: &RuleSet, customers: &BTreeSet<CustomerId>) -> RuleSet {
        let own = |files: &mut dyn Iterator<Item = &Arc<RuleFile>>| -> BTreeMap<String, Arc<RuleFile>> {
            files.map(|file| (file.path.clone(), file.clone())).collect()
        };
        let before = own(&mut customers.iter().flat_map(|customer| self.now.files_of(customer)));
        self.now.with(&own(&mut then.files.values()), &before.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::Customers;
    use crate::journal::Journal;
    use crate::record::{Change, Input, Of, Record};
    use crate::rule::check::Deciding;
    use crate::store::Store;

    fn at(seq: u64) -> Position {
        Position { seq, nth: 0 }
    }

    /// Rules came into force by the record `seq`, as they were recorded at `recorded`.
    fn in_force(store: &mut Store, seq: u64, recorded: u64) {
        let revision = Revision(format!("revision {seq}"));
        let decided = Record::Decided {
            at: "2026-11-24T09:00:00Z".parse().expect("a time"),
            of: Of::Kept { at: at(recorded) },
            by: revision.clone(),
            after: None,
            first: None,
            changes: vec![Change::InForce {
                revision,
                recorded: at(recorded),
                files: Vec::new(),
                removed: Vec::new(),
                settings: true,
                given_back: Vec::new(),
            }],
        };
        store.stage(seq, &decided, &[]).expect("reads");
    }

    #[test]
    fn rules_whose_settings_are_lost_are_not_made_again_and_do_not_fail() {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut journal, _) =
            Journal::open(&dir.path().join("journal"), journal::Options::default()).expect("a journal");
        let recorded = Record::Recorded {
            at: "2026-11-24T09:00:00Z".parse().expect("a time"),
            inputs: vec![Input::Rules {
                revision: Revision("revision 3".to_owned()),
                files: Vec::new(),
                texts: Vec::new(),
                removed: Vec::new(),
                settings: Some("sealed".to_owned()),
                broken: Vec::new(),
            }],
        };
        journal.append(&[recorded.to_bytes()]).expect("writes");
        let mut store = Store::open(&dir.path().join("store")).expect("opens");
        in_force(&mut store, 3, 1);
        in_force(&mut store, 5, 99);
        let deciding = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
        let now = Arc::new(RuleSet::new(BTreeMap::new(), &deciding));
        let compile: Compile = Arc::new(move |_, settings| {
            anyhow::ensure!(settings == Some("sealed"), "the settings of then");
            Ok(RuleSet::new(BTreeMap::new(), &deciding))
        });
        let past = Past::new(
            store.view().clone(),
            journal.reader(),
            compile,
            now,
            None,
            Arc::default(),
        );
        assert!(past.rules_of(at(4)).expect("reads").is_some());
        assert!(
            past.rules_of(at(6)).expect("reads").is_none(),
            "the record 99 is not there"
        );
        assert_eq!(
            past.revision_of(at(6)).expect("reads"),
            Some(Revision("revision 5".to_owned()))
        );
    }
}
