//! What was heard of one incident, by account.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::customer::{Customer, CustomerId, Customers};
use crate::incident::{Hearing, IncidentId};
use crate::rule::condition::lists;
use crate::store::View;

/// So many hearings are read once and then looked up; of more, each customer's are read by themselves.
const READ_TOGETHER_MOST: usize = 1_000;

/// What was heard of one incident.
pub(super) struct Heard<'v> {
    view: &'v View,
    incident: &'v IncidentId,
    /// By account, where that is not too much: most incidents are heard by a few, and asking for each account of every
    /// customer takes longer than reading them all.
    few: Option<BTreeMap<String, Vec<Hearing>>>,
}

impl<'v> Heard<'v> {
    /// Of this incident.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(view: &'v View, incident: &'v IncidentId) -> Result<Self> {
        let first = view.first_hearings(incident, READ_TOGETHER_MOST + 1)?;
        let few = (first.len() <= READ_TOGETHER_MOST).then(|| {
            let mut by_account: BTreeMap<String, Vec<Hearing>> = BTreeMap::new();
            for hearing in first {
                by_account.entry(hearing.account.clone()).or_default().push(hearing);
            }
            by_account
        });
        Ok(Self { view, incident, few })
    }

    /// By a customer, and how many of its accounts were looked at for it. What nobody owns is the operator's.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn by(&self, customer: &CustomerId, customers: &Customers) -> Result<(Vec<Hearing>, usize)> {
        let Some(known) = &customers.by_name else {
            return Ok((self.by_all()?, 0));
        };
        match known.get(customer) {
            Some(owner) => Ok((self.by_owner(owner)?, owner.accounts.len())),
            None => self.by_nobody(known),
        }
    }

    fn by_all(&self) -> Result<Vec<Hearing>> {
        match &self.few {
            Some(few) => Ok(few.values().flatten().cloned().collect()),
            None => self.view.hearings(self.incident),
        }
    }

    fn by_owner(&self, owner: &Customer) -> Result<Vec<Hearing>> {
        let Some(few) = &self.few else {
            return self.view.heard_by(self.incident, owner, usize::MAX);
        };
        let is_theirs = |one: &&Hearing| match one.account.is_empty() {
            true => one.source.as_deref().is_some_and(|source| lists(owner, source)),
            false => owner.accounts.contains(&one.account),
        };
        Ok(few.values().flatten().filter(is_theirs).cloned().collect())
    }

    /// What no customer owns, nor lists as public; and how many accounts customers have.
    fn by_nobody(&self, known: &BTreeMap<CustomerId, Customer>) -> Result<(Vec<Hearing>, usize)> {
        let owned = known.values().map(|one| one.accounts.len()).sum();
        let mut heard = self.by_all()?;
        let mut unowned: BTreeSet<String> = heard.iter().map(|one| one.account.clone()).collect();
        for one in known.values() {
            if unowned.len() < one.accounts.len() {
                unowned.retain(|account| !one.accounts.contains(account));
                continue;
            }
            for account in &one.accounts {
                unowned.remove(account);
            }
        }
        let is_public = |source: &str| known.values().any(|one| lists(one, source));
        heard.retain(|one| match one.account.is_empty() {
            true => !one.source.as_deref().is_some_and(is_public),
            false => unowned.contains(&one.account),
        });
        Ok((heard, owned))
    }
}
