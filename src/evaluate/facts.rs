//! Looking up what several decisions need to know. What only one needs is looked up in its own `facts`.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::delivery::{Delivery, Standing};
use crate::journal::{self, Position};
use crate::lookup;
use crate::record::{Accounts, Change, Judged, Stands};
use crate::store::View;
use crate::store::item::Gathered;

/// Sets of accounts, each read once.
#[derive(Default)]
pub(super) struct Sets(HashMap<Position, Arc<Vec<String>>>);

impl Sets {
    pub fn accounts(&mut self, view: &View, event: Position, accounts: &Accounts) -> Result<Arc<Vec<String>>> {
        let set = match accounts {
            Accounts::These(accounts) => return Ok(Arc::new(accounts.clone())),
            Accounts::Of(set) => *set,
        };
        if let Some(known) = self.0.get(&set.position(&Stands::alone(0))) {
            return Ok(known.clone());
        }
        let read = Arc::new(view.whole_set(event, set)?.accounts);
        self.0.insert(set.position(&Stands::alone(0)), read.clone());
        Ok(read)
    }
}

impl View {
    /// The accounts that an event added to a series; none, if the journal lost them.
    pub(super) fn new_accounts(
        &self,
        gathered: &Gathered,
        sets: &mut Sets,
        journal: &journal::Reader,
    ) -> Result<Arc<Vec<String>>> {
        match &gathered.new {
            Some(accounts) => sets.accounts(self, gathered.event, accounts),
            None => {
                let judged = self.judged(gathered.event, gathered.verdict, journal)?;
                let tells = judged.into_iter().flat_map(|judged| judged.tells);
                let own = tells.filter(|tells| tells.series == gathered.series && tells.part == gathered.part);
                Ok(Arc::new(own.flat_map(|tells| tells.new).collect()))
            }
        }
    }

    /// A verdict by where it stands: from the store if it is small, else from the journal; if it is lost there, `None`.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn judged(&self, event: Position, at: Position, journal: &journal::Reader) -> Result<Option<Judged>> {
        if let Some(whole) = self.verdict(event, at)?.and_then(|line| line.whole) {
            return self.with_sets(*whole).map(Some);
        }
        let Some(change) = lookup::unless_lost(lookup::change(journal, at))? else {
            return Ok(None);
        };
        let Change::Judged(judged) = change else {
            bail!("record {at} is not the verdict it should be")
        };
        Ok(Some(judged))
    }

    /// A verdict with the accounts and the impact that it refers to.
    fn with_sets(&self, mut judged: Judged) -> Result<Judged> {
        if let Some(set) = judged.accounts_of.take() {
            judged.accounts = self.whole_set(judged.event, set)?.accounts;
        }
        if let Some(set) = judged.impact_of.take() {
            judged.impact = self.whole_set(judged.event, set)?.impact;
        }
        Ok(judged)
    }

    /// A delivery and how far it is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn known(&self, id: &str) -> Result<Option<(Delivery, Standing)>> {
        Ok(self.delivery(id)?.map(|(delivery, _, standing)| (delivery, standing)))
    }
}
