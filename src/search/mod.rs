//! The index by which incidents are found again: by type, state, place, account, kind, time and words.
//!
//! It is derived, never a second source of truth: it stands in a directory of its own, may be deleted at any time, says
//! for which settings it was made and how far it is, catches up from the journal, and is made anew in the background
//! when it is missing, old or damaged. While there is none, lists are gone through slowly instead.
//!
//! There is a document per incident and viewer: one for the operator, and one for each customer that heard of it, cut to
//! what that customer heard. So nobody can search another one's words, and a list needs no text.
//!
//! - [`fields`] is what a document holds, `query` makes a question of a filter, `newest` gathers the answer
//! - [`follow`] is the thread that writes: it follows the ledger

mod fields;
mod follow;
mod newest;
mod query;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tantivy::{IndexReader, Searcher};

use crate::clock::{Clock, Time};
use crate::customer::CustomerId;
use crate::incident::IncidentId;
use crate::incident::reviews::Terms;
use crate::ledger::Ledger;
use crate::rule::RuleSet;
use crate::view::filter::Filter;
use crate::view::story::Listed;
use fields::{Fields, incident_key, number};
use newest::Newest;

/// How long a question waits until the index has what was decided before it.
const WAITS: Duration = Duration::from_secs(2);

/// How long nobody waits after somebody has waited in vain: a page asks several questions.
const AFTER_WAITING: Duration = Duration::from_secs(5);

/// What the index is made of.
#[derive(Clone)]
pub struct Sources {
    /// Where it stands.
    pub directory: PathBuf,
    /// What it follows.
    pub ledger: Ledger,
    /// Where time comes from.
    pub clock: Clock,
    /// When reviews are due.
    pub terms: Terms,
}

/// The index, for those who ask. Clones are the same one.
#[derive(Clone, Default)]
pub struct Search(Arc<Shared>);

#[derive(Default)]
struct Shared {
    standing: Mutex<Standing>,
    moved: Condvar,
}

/// How the index is.
#[derive(Default)]
struct Standing {
    /// There is one while it is whole.
    open: Option<Open>,
    /// It has everything up to this sequence number.
    through: u64,
    /// Since when it is being made: it is waited for a little, as most are small.
    begun: Option<Instant>,
    /// When somebody last waited in vain.
    waited: Option<Instant>,
}

/// An index that can be asked.
#[derive(Clone)]
struct Open {
    reader: IndexReader,
    fields: Fields,
    /// The settings that it was made for.
    settings: Arc<str>,
}

/// A question to the index.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Whose incidents; `None`: the operator's, who sees all.
    pub viewer: Option<&'a CustomerId>,
    /// Which of them.
    pub filter: &'a Filter,
    /// Behind which one.
    pub before: Option<(Time, &'a IncidentId)>,
    /// How many at most.
    pub limit: usize,
    /// The time of asking.
    pub now: Time,
}

/// What the index found.
pub struct Found {
    /// Incidents, those with the newest communication first.
    pub lines: Vec<Listed>,
    /// How many there are in all.
    pub count: usize,
    /// Whether there are more behind the last one.
    pub has_more: bool,
    /// Whether the newest changes may be missing.
    pub is_behind: bool,
}

impl Search {
    /// Starts the thread that makes the index and keeps it right.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(sources: Sources) -> Result<(Self, JoinHandle<()>)> {
        let search = Self::default();
        search.begins();
        let follower = follow::Follower::new(search.clone(), sources);
        let thread = std::thread::Builder::new().name("search".to_owned());
        let thread = thread
            .spawn(move || follower.run())
            .context("starting the thread of the index")?;
        Ok((search, thread))
    }

    /// What is asked for; `None` while there is no index for these rules' settings.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn find(&self, ledger: &Ledger, rules: &RuleSet, question: Question<'_>) -> Result<Option<Found>> {
        let is_behind = !self.wait_for(ledger);
        let open = self.lock().open.clone();
        let Some(open) = open.filter(|open| *open.settings == *rules.settings_name()) else {
            return Ok(None);
        };
        let searcher = open.reader.searcher();
        let query = query::query(&open.fields, question.viewer, question.filter, question.now);
        let newest = Newest {
            before: question.before.map(|(updated, id)| (number(updated), incident_key(id))),
            most: question.limit + 1,
        };
        let gathered = searcher.search(&*query, &newest).context("asking the index")?;
        let has_more = gathered.documents.len() > question.limit;
        let documents = gathered.documents.into_iter().take(question.limit);
        let lines = documents.map(|address| line(&searcher, &open.fields, address));
        Ok(Some(Found {
            lines: lines.collect::<Result<_>>()?,
            count: gathered.count,
            has_more,
            is_behind,
        }))
    }

    /// Waits until the index has what the store has now; says whether it has.
    fn wait_for(&self, ledger: &Ledger) -> bool {
        let changed = &ledger.followers().search;
        let wanted = changed.through();
        let lags = |standing: &mut Standing| match (&standing.open, standing.begun) {
            (Some(_), _) => standing.through < wanted,
            (None, Some(at)) => at.elapsed() < WAITS,
            (None, None) => false,
        };
        let mut standing = self.lock();
        let is_futile = standing.waited.is_some_and(|at| at.elapsed() < AFTER_WAITING);
        if !lags(&mut standing) || is_futile {
            return standing.through >= wanted;
        }
        changed.hurry();
        let waited = self.0.moved.wait_timeout_while(standing, WAITS, lags);
        let (mut standing, _) = waited.unwrap_or_else(PoisonError::into_inner);
        standing.waited = lags(&mut standing).then(Instant::now);
        standing.through >= wanted
    }

    /// The index is this far, and can be asked.
    fn stands(&self, open: Open, through: u64) {
        self.set(Standing {
            open: Some(open),
            through,
            ..Standing::default()
        });
    }

    /// There is no index, and one is being made.
    fn begins(&self) {
        self.set(Standing {
            begun: Some(Instant::now()),
            ..Standing::default()
        });
    }

    /// There is no index, and none is being made.
    fn ends(&self) {
        self.set(Standing::default());
    }

    fn set(&self, standing: Standing) {
        *self.lock() = standing;
        self.0.moved.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line(searcher: &Searcher, fields: &Fields, address: tantivy::DocAddress) -> Result<Listed> {
    let document = searcher.doc(address).context("reading from the index")?;
    fields
        .line_of(&document)
        .context("the index holds a line that cannot be read")
}
