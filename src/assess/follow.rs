//! The thread that works out what may be owed: it follows the ledger, some time behind, so that an incident that changes
//! often is read once for many changes, and the writing thread waits for nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::known::{self, Known, OLD};
use super::{Assessed, Assessor, Basis, Sources, remind};
use crate::claim::{self, Catalogue, Claimed, Downtime, Incident, Row, Usage};
use crate::clock::Time;
use crate::customer::{CustomerId, OPERATOR, ORGANISATION};
use crate::event::EventType;
use crate::incident::IncidentId;
use crate::ledger::Batch;
use crate::record::{ClaimMark, Command};
use crate::rule::{RuleFile, RuleSet};
use crate::store::View;

/// How often everything is worked out anew because time goes on: months end, last days pass.
const AGAIN: chrono::Duration = chrono::Duration::hours(1);

/// How many incidents are read before the store is let go of for a moment.
const READ_TOGETHER: usize = 32;

/// How many incidents without a begin are named.
const NOTED_MOST: usize = 50;

/// How many hearings of an incident are looked at; one with more may concern anybody.
const LOOKED_AT_MOST: usize = 1_000;

/// How long it is left alone after something failed, and how long a reminder may take to be written down before it is
/// asked for again.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// The thread's own things.
pub struct Follower {
    assessor: Assessor,
    sources: Sources,
    rules: Option<Arc<RuleSet>>,
    /// What customers use, of those that say it.
    used: BTreeMap<CustomerId, Used>,
    /// What those customers heard.
    known: BTreeMap<CustomerId, HashMap<IncidentId, Known>>,
    /// Whose figures are to be worked out anew.
    stale: BTreeSet<CustomerId>,
    unread: Unread,
    again: Option<Time>,
    failed: Option<Instant>,
    /// Reminders that were asked for and are not seen in the store yet.
    asked_for: HashMap<(CustomerId, ClaimMark), Instant>,
}

/// What is to be read anew.
#[derive(Default)]
struct Unread {
    /// These incidents.
    incidents: BTreeSet<IncidentId>,
    /// All incidents that concern these customers, who did not say before what they use.
    customers: BTreeSet<CustomerId>,
    /// All incidents.
    is_everything: bool,
}

/// What a customer uses, and the terms for it.
struct Used {
    usages: Arc<[Usage]>,
    own_terms: Vec<claim::Term>,
    terms: Arc<Catalogue>,
}

impl Follower {
    /// A follower that lets `assessor` know.
    pub fn new(assessor: Assessor, sources: Sources) -> Self {
        Self {
            assessor,
            sources,
            rules: None,
            used: BTreeMap::new(),
            known: BTreeMap::new(),
            stale: BTreeSet::new(),
            unread: Unread::default(),
            again: None,
            failed: None,
            asked_for: HashMap::new(),
        }
    }

    /// The thread: follows until it is closed.
    pub fn run(mut self) {
        let changed = self.sources.ledger.followers().assess.clone();
        loop {
            // what was asked before the changes were taken is answered with them
            let question = self.assessor.lock().asked;
            let Some(batch) = changed.take() else { break };
            if self.failed.is_some_and(|at| at.elapsed() < AFTER_FAILURE) {
                self.note(batch);
                continue;
            }
            self.failed = None;
            match self.step(batch, question) {
                Ok(()) => self.answer(question),
                Err(error) => self.fail(&error),
            }
            if self.assessor.lock().asked > question {
                changed.hurry();
            }
        }
        self.assessor.lock().has_ended = true;
        self.assessor.0.moved.notify_all();
    }

    fn answer(&self, question: u64) {
        self.assessor.lock().answered = question;
        self.assessor.0.moved.notify_all();
    }

    fn fail(&mut self, error: &anyhow::Error) {
        if self.sources.ledger.followers().assess.is_closed() {
            return;
        }
        tracing::warn!(
            error = format!("{error:#}"),
            "which service credits may be owed cannot be worked out now; it is tried again in half a minute"
        );
        self.failed = Some(Instant::now());
        self.unread.is_everything = true;
    }

    fn note(&mut self, batch: Batch) {
        self.stale.extend(batch.customers);
        self.unread.incidents.extend(batch.incidents);
        self.unread.is_everything |= batch.are_all;
    }

    fn step(&mut self, batch: Batch, question: u64) -> Result<()> {
        self.note(batch);
        self.look_at_rules();
        let now = self.sources.clock.now();
        if self.used.is_empty() {
            self.unread = Unread::default();
            return Ok(());
        }
        if self.again.is_none_or(|again| again <= now) {
            self.again = Some(now + AGAIN);
            self.stale.extend(self.used.keys().cloned());
            // what nobody speaks of any more is over at some time
            let open = self.known.values().flatten().filter(|(_, known)| known.ended.is_none());
            self.unread.incidents.extend(open.map(|(id, _)| id.clone()));
        }
        self.read_incidents(now)?;
        if self.assessor.lock().answered < question {
            self.stale.extend(self.going_on());
        }
        let mut stale: Vec<CustomerId> = std::mem::take(&mut self.stale).into_iter().collect();
        // who uses little does not wait for who uses much
        stale.sort_by_key(|customer| self.used.get(customer).map_or(0, |used| used.usages.len()));
        {
            let mut standing = self.assessor.lock();
            (standing.read, standing.pending) = (question, stale.iter().cloned().collect());
        }
        self.assessor.0.moved.notify_all();
        for customer in stale {
            // what one customer writes must not keep the others from their figures
            let looked_at = catch_unwind(AssertUnwindSafe(|| self.look_at(&customer, now)));
            looked_at.unwrap_or_else(|_| {
                tracing::error!(%customer, "working out service credits panicked; the figures of before stay");
                Ok(())
            })?;
            self.assessor.lock().pending.remove(&customer);
            self.assessor.0.moved.notify_all();
        }
        Ok(())
    }

    /// Works out what may be owed to a customer, and has it reminded.
    fn look_at(&mut self, customer: &CustomerId, now: Time) -> Result<()> {
        let (said, downtimes) = {
            let view = self.sources.ledger.view();
            let said = view.all_claimed(Some(customer))?;
            let said = said.into_iter().map(|((_, claim), said)| (claim, said)).collect();
            (said, view.downtimes_of(customer)?)
        };
        self.work_out(customer, &said, &downtimes, now);
        self.remind(customer, &said, now)
    }

    /// Customers with an incident that goes on, of those who were asked about: their figures grow by the minute, which
    /// whoever asks wants to see.
    fn going_on(&self) -> Vec<CustomerId> {
        let about = std::mem::take(&mut self.assessor.lock().asked_about);
        let is_asked_about = |customer: &CustomerId| about.contains(&None) || about.contains(&Some(customer.clone()));
        let goes_on = |known: &Known| known.started.is_some() && known.ended.is_none() && !known.counts.is_empty();
        let touched = self.known.iter().filter(|(_, known)| known.values().any(goes_on));
        let touched = touched.map(|(customer, _)| customer.clone());
        touched.filter(is_asked_about).collect()
    }

    /// Takes up what the rule files say of usage and terms, if they are others.
    fn look_at_rules(&mut self) {
        let rules = self.sources.ledger.rules();
        if self
            .rules
            .as_ref()
            .is_some_and(|known| known.revision == rules.revision)
        {
            return;
        }
        let mut used = BTreeMap::new();
        for customer in customers(&rules) {
            let files = files(&rules, &customer);
            let usages = files.iter().flat_map(|file| &file.usages).map(|usage| Usage {
                customer: customer.as_str().to_owned(),
                ..usage.clone()
            });
            let usages: Arc<[Usage]> = claim::joined(usages).into();
            let own_terms: Vec<claim::Term> = files.iter().flat_map(|file| file.terms.iter().cloned()).collect();
            if usages.is_empty() {
                continue;
            }
            let is_same = |before: &Used| before.usages == usages && before.own_terms == own_terms;
            if !self.used.get(&customer).is_some_and(is_same) {
                self.stale.insert(customer.clone());
            }
            let terms = Arc::new(Catalogue::shipped(&rules.catalogue).with_own(own_terms.clone()));
            used.insert(
                customer,
                Used {
                    usages,
                    own_terms,
                    terms,
                },
            );
        }
        let new = used.keys().filter(|customer| !self.used.contains_key(*customer));
        self.unread.customers.extend(new.cloned());
        let has_other_settings = self
            .rules
            .as_ref()
            .is_none_or(|known| known.settings_name() != rules.settings_name());
        self.unread.is_everything |= has_other_settings;
        self.known.retain(|customer, _| used.contains_key(customer));
        self.assessor
            .lock()
            .customers
            .retain(|customer, _| used.contains_key(customer));
        self.used = used;
        self.rules = Some(rules);
    }

    /// Reads what changed.
    fn read_incidents(&mut self, now: Time) -> Result<()> {
        let Some(rules) = self.rules.clone() else { return Ok(()) };
        if self.unread.is_everything {
            self.known.clear();
            self.stale.extend(self.used.keys().cloned());
            self.read_all(&rules, None, now)?;
        } else {
            let changed = self.unread.incidents.clone();
            for some in changed.iter().collect::<Vec<_>>().chunks(READ_TOGETHER) {
                self.read(&rules, some.iter().copied(), now)?;
            }
            let concern = Concern::of(&self.unread.customers, &rules);
            if !self.unread.customers.is_empty() {
                self.read_all(&rules, concern.as_ref(), now)?;
            }
        }
        self.unread = Unread::default();
        Ok(())
    }

    /// Reads all incidents that are not too old, or those that concern some customers.
    fn read_all(&mut self, rules: &RuleSet, concern: Option<&Concern>, now: Time) -> Result<()> {
        let mut after: Option<IncidentId> = None;
        loop {
            let view = self.sources.ledger.view();
            let some = view.incidents_after(after.as_ref()).take(READ_TOGETHER);
            let some = some.collect::<Result<Vec<_>>>()?;
            let Some(last) = some.last() else { return Ok(()) };
            after = Some(last.id.clone());
            let mut wanted = Vec::with_capacity(some.len());
            for incident in some.iter().filter(|incident| incident.updated > now - OLD) {
                if concern.map_or(Ok(true), |concern| concern.is_of(&view, &incident.id))? {
                    wanted.push(&incident.id);
                }
            }
            drop(view);
            self.read(rules, wanted.into_iter(), now)?;
        }
    }

    fn read<'i>(&mut self, rules: &RuleSet, ids: impl Iterator<Item = &'i IncidentId>, now: Time) -> Result<()> {
        for id in ids {
            anyhow::ensure!(!self.sources.ledger.followers().assess.is_closed(), "the daemon stops");
            let mut heard = known::read(&self.sources.ledger, rules, &self.sources.terms, id, now)?;
            for customer in self.used.keys() {
                let known = self.known.entry(customer.clone()).or_default();
                let (before, now) = (known.remove(id), heard.remove(customer));
                if before != now {
                    self.stale.insert(customer.clone());
                }
                if let Some(now) = now {
                    known.insert(id.clone(), now);
                }
            }
        }
        Ok(())
    }

    fn work_out(
        &mut self,
        customer: &CustomerId,
        said: &BTreeMap<String, Vec<Claimed>>,
        downtimes: &[Downtime],
        now: Time,
    ) {
        let (Some(used), Some(rules)) = (self.used.get(customer), &self.rules) else {
            return;
        };
        let known = self.known.entry(customer.clone()).or_default();
        let (timed, timeless): (Vec<&Known>, Vec<&Known>) = known.values().partition(|known| known.started.is_some());
        let mut incidents: Vec<Incident> = timed.iter().flat_map(|known| known.counts.iter().cloned()).collect();
        let counted = downtimes.iter().filter(|downtime| downtime.counts(now));
        incidents.extend(counted.map(|downtime| Incident::of_downtime(downtime, &rules.catalogue)));
        incidents.sort_by(|one, other| {
            let key = |one: &Incident| (one.started, one.mitigated, one.tracking_id.clone());
            key(one).cmp(&key(other))
        });
        let basis = Basis {
            usages: used.usages.clone(),
            terms: used.terms.clone(),
            incidents,
            at: now,
        };
        let mut computed = claim::compute(&basis.asked());
        let mut timeless: Vec<&Known> = timeless
            .into_iter()
            .filter(|known| touches_any(known, &basis.usages))
            .collect();
        timeless.sort_by(|one, other| one.tracking_id.cmp(&other.tracking_id));
        computed
            .notes
            .extend(timeless.into_iter().take(NOTED_MOST).map(without_a_begin));
        // most of what an incident touches owes nothing, and is of interest only where a case must be opened
        let is_kept = |row: &Row| row.state.is_some() || row.open_case_by.is_some() || said.contains_key(&row.id);
        let assessed = Assessed {
            rows: computed.rows.into_iter().filter(is_kept).collect(),
            notes: computed.notes,
            basis: Some(basis),
        };
        self.assessor
            .lock()
            .customers
            .insert(customer.clone(), Arc::new(assessed));
    }

    /// Has the customer reminded of what is due.
    fn remind(&mut self, customer: &CustomerId, said: &BTreeMap<String, Vec<Claimed>>, now: Time) -> Result<()> {
        let Some(assessed) = self.assessor.lock().customers.get(customer).cloned() else {
            return Ok(());
        };
        let told = self.sources.ledger.view().reminded_of_claims(customer)?;
        let known = self.known.get(customer);
        let due = remind::due(
            &remind::Standing {
                customer,
                rows: &assessed.rows,
                said,
                told: &told,
                known: known.into_iter().flat_map(HashMap::values).collect(),
            },
            now,
        );
        self.again = self.again.into_iter().chain(due.next).min();
        let asked_for = &mut self.asked_for;
        asked_for.retain(|_, at| at.elapsed() < AFTER_FAILURE);
        let mut reminders = due.reminders;
        reminders.retain_mut(|reminder| {
            let of = &mut reminder.of;
            of.retain(|mark| !asked_for.contains_key(&(customer.clone(), mark.clone())));
            !of.is_empty()
        });
        if reminders.is_empty() {
            return Ok(());
        }
        let marks = reminders.iter().flat_map(|reminder| &reminder.of);
        asked_for.extend(marks.map(|mark| ((customer.clone(), mark.clone()), Instant::now())));
        self.sources.ledger.ask(
            "bellwether",
            Command::RemindOfClaims {
                customer: customer.clone(),
                reminders,
            },
        );
        Ok(())
    }
}

/// Whether an incident touches anything that is used, and is of a sort that may count as downtime.
fn touches_any(known: &Known, usages: &[Usage]) -> bool {
    if !matches!(
        known.event_type,
        EventType::ServiceIssue | EventType::PlannedMaintenance
    ) {
        return false;
    }
    let mut counts = known.counts.iter();
    counts.any(|incident| claim::is_of_any(incident, usages.iter()))
}

/// That an incident counts for nothing, and what to do.
fn without_a_begin(known: &Known) -> String {
    format!(
        "{id} is not counted, because no begin of it is known or can be read: `bellwether correct {id} --window FROM..UNTIL \
         --reason TEXT` says when it was",
        id = known.tracking_id
    )
}

/// By which hearings an incident concerns some customers.
struct Concern {
    accounts: HashSet<String>,
}

impl Concern {
    /// `None` if any incident may: the one organisation hears of all, and the operator of what nobody owns.
    fn of(customers: &BTreeSet<CustomerId>, rules: &RuleSet) -> Option<Self> {
        let known = rules.customers.by_name.as_ref()?;
        let owners: Option<Vec<_>> = customers.iter().map(|customer| known.get(customer)).collect();
        let accounts = owners?.into_iter().flat_map(|owner| owner.accounts.iter().cloned());
        Some(Self {
            accounts: accounts.collect(),
        })
    }

    /// Whether an incident may concern one of them.
    fn is_of(&self, view: &View, incident: &IncidentId) -> Result<bool> {
        let heard = view.first_hearings(incident, LOOKED_AT_MOST)?;
        let mut accounts = heard.iter().map(|hearing| &hearing.account);
        let is_any = accounts.any(|account| account.is_empty() || self.accounts.contains(account));
        Ok(is_any || heard.len() == LOOKED_AT_MOST)
    }
}

/// The files of a customer. Where customers are not told apart, folders are no customers, and all files are of the one
/// organisation.
fn files<'r>(rules: &'r RuleSet, customer: &CustomerId) -> Vec<&'r Arc<RuleFile>> {
    match rules.customers.are_separate() {
        true => rules.files_of(customer).collect(),
        false => rules.files.iter().map(|(_, file)| file).collect(),
    }
}

/// Everybody who may have rule files.
fn customers(rules: &RuleSet) -> BTreeSet<CustomerId> {
    match &rules.customers.by_name {
        None => BTreeSet::from([CustomerId::new(ORGANISATION)]),
        Some(known) => known.keys().cloned().chain([CustomerId::new(OPERATOR)]).collect(),
    }
}
