//! From the rules folder to the rules in force: read, check, write down what changed, then use it.
//!
//! Nothing is held while files are read and checked, so one customer's folder that takes long keeps nobody's change
//! waiting: small folders are checked together, large ones one by one beside them ([`workers`]). Only writing a change
//! down is done one after the other; what was read before something newer was written down is not used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::clock::Clock;
use crate::config::Settings;
use crate::customer::Customers;
use crate::customer::{CustomerId, ORGANISATION};
use crate::folder::Part;
use crate::journal::Position;
use crate::ledger::{Compile, Ledger};
use crate::problem::Problem;
use crate::problem::flood::{self, Room};
use crate::record::{BrokenFile, FolderTrouble, Input, SealedFile};
use crate::rule::check::{Deciding, EVERYTHING, Source, restore};
use crate::rule::file::customer_of;
use crate::rule::{Revision, RuleFile, RuleSet};
use crate::secret::Sealer;
use broken::{Told, placed};
pub(super) use reading::{Looked, Reading, look};
use reading::{customers_of, in_force_after};
pub use workers::{Workers, logged};

mod broken;
mod kept;
mod reading;
mod troubles;
mod workers;

/// Texts of this many bytes are written down as one record.
const PART_BYTES: usize = 4 << 20;

/// When so many files have changed, all rules are put together again.
const CHANGED_FILES_MOST: usize = 256;

/// How many problems of a reading are logged. `check` shows them all.
const LOGGED: Room = Room { of_file: 3, all: 100 };

/// How many broken files are named in one line of the log.
const BROKEN_NAMED_MOST: usize = 20;

/// What a reading of the rules came to.
#[derive(Debug)]
pub struct Reloaded {
    /// The revision in force.
    pub revision: String,
    /// How many rules are in force.
    pub rules: usize,
    /// Files whose version in force changed.
    pub changed: Vec<String>,
    /// Files that are broken, and folders that are gone: their last good version, if any, stays in force.
    pub broken: Vec<String>,
    /// All problems.
    pub problems: Vec<Problem>,
    /// What is wrong with whole folders: one that is gone, a customer without rules.
    pub folders: Vec<String>,
}

/// The rules folder and what is in force of it.
pub struct Rules {
    folder: PathBuf,
    deciding: Deciding,
    sealer: Sealer,
    ledger: Ledger,
    clock: Clock,
    known: tokio::sync::Mutex<Known>,
}

/// What was last written down.
#[derive(Default)]
struct Known {
    broken: Option<Vec<BrokenFile>>,
    has_settings: bool,
    /// The rules of some earlier moment, put together in the background.
    whole: Option<tokio::task::JoinHandle<RuleSet>>,
    /// What was told of broken files, and when.
    told: Told,
    /// How many readings have begun: the number of the latest one.
    begun: u64,
    /// The latest reading of everything that was used.
    everything: u64,
    /// The latest reading of a customer's folder that was used, if that was after everything.
    latest: BTreeMap<CustomerId, u64>,
    /// Whether events may be kept that came before there were any rules: not after it was looked, with rules in force.
    may_keep_events: bool,
}

/// The part of the settings that decides.
///
/// # Errors
/// When the operator's own catalogue cannot be read.
pub fn deciding(settings: &Settings) -> Result<Deciding> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).with_context(|| format!("reading the catalogue {}", path.display()))
    };
    let catalogue = settings.catalogue.as_ref().map(read).transpose()?;
    let deciding = Deciding::new(settings.customers.clone(), catalogue, settings.allow_private_receivers);
    deciding.map_err(|why| anyhow::anyhow!("the catalogue: {why}"))
}

/// Makes rules of sealed texts and settings, as they were recorded.
pub fn compile(sealer: Sealer) -> Compile {
    Arc::new(move |texts, settings| {
        let mut sources = Vec::with_capacity(texts.len());
        for (path, sealed) in texts {
            let text = sealer
                .unseal(sealed)
                .with_context(|| format!("the recorded text of {path}"))?;
            sources.push(Source {
                path: path.clone(),
                text,
            });
        }
        let deciding = match settings {
            Some(sealed) => Deciding::from_text(&sealer.unseal(sealed)?),
            None => Deciding::new(Customers::one_organisation(), None, false),
        };
        let deciding = deciding.map_err(|why| anyhow::anyhow!("the recorded settings: {why}"))?;
        Ok(RuleSet::new(restore(&sources, &deciding), &deciding))
    })
}

impl Rules {
    /// The rules of a folder; what is in force is the ledger's.
    pub fn new(folder: PathBuf, deciding: Deciding, sealer: Sealer, ledger: Ledger, clock: Clock) -> Self {
        Self {
            folder,
            deciding,
            sealer,
            ledger,
            clock,
            known: tokio::sync::Mutex::new(Known {
                may_keep_events: true,
                ..Known::default()
            }),
        }
    }

    /// Reads the folder or a part of it, checks it beside what is in force, and writes down what changed. What is broken
    /// changes nothing.
    ///
    /// # Errors
    /// When the folder cannot be listed or the change cannot be written down.
    pub async fn reload(&self, part: &Part) -> Result<Reloaded> {
        let (mut reloaded, large) = self.reload_small(part).await?;
        for name in large {
            let more = self.read(&Part::Folders([name].into()), false).await?.0;
            reloaded.add(more);
        }
        Ok(reloaded)
    }

    /// The same without the large folders of which something changed: it names them.
    ///
    /// # Errors
    /// As [`Rules::reload`].
    pub async fn reload_small(&self, part: &Part) -> Result<(Reloaded, BTreeSet<String>)> {
        self.read(part, true).await
    }

    /// The folders of files of which something was held back, and may be told now.
    pub async fn due(&self) -> Option<Part> {
        let due = self.known.lock().await.told.due(self.clock.now());
        let names: BTreeSet<String> = due.iter().map(|customer| customer.as_str().to_owned()).collect();
        (!names.is_empty()).then_some(Part::Folders(names))
    }

    async fn read(&self, part: &Part, leaves_large: bool) -> Result<(Reloaded, BTreeSet<String>)> {
        loop {
            let reading = self.begin(part).await?;
            let (folder, deciding) = (self.folder.clone(), self.deciding.clone());
            let look = move || {
                let looked = look(&folder, &reading, &deciding, leaves_large);
                (reading, looked)
            };
            let (reading, looked) = on_its_own_thread(look).await?;
            if let Some(done) = self.finish(reading, looked?).await? {
                return Ok(done);
            }
        }
    }

    /// Begins a reading: of what is in force now.
    pub(super) async fn begin(&self, part: &Part) -> Result<Reading> {
        let mut known = self.known.lock().await;
        known.broken = Some(self.known_to_be_broken().await?);
        let in_force = known.caught_up(self.ledger.rules()).await?;
        let part = match known.is_enough(part, &in_force, &self.deciding) {
            true => part.clone(),
            false => Part::Whole,
        };
        known.begun += 1;
        Ok(Reading {
            number: known.begun,
            scope: customers_of(&part),
            part,
            in_force,
        })
    }

    /// Brings into force what a reading found, and names the large folders that it left out; `None` if it must be made
    /// again, as something older came into force meanwhile.
    pub(super) async fn finish(
        &self,
        reading: Reading,
        looked: Looked,
    ) -> Result<Option<(Reloaded, BTreeSet<String>)>> {
        let mut known = self.known.lock().await;
        let _turn = self.ledger.turn_to_change_rules().await;
        let now_in_force = self.ledger.rules();
        let is_used = |customer: &CustomerId| {
            let is_in_scope = reading.scope.as_ref().is_none_or(|scope| scope.contains(customer));
            is_in_scope && !looked.large.contains(customer) && !known.has_newer(customer, reading.number)
        };
        let Some((set, changed)) = in_force_after(&reading, &looked, &now_in_force, is_used) else {
            return Ok(None);
        };
        self.tell_passed_over(&reading, &looked, &is_used);
        let before = self.known_to_be_broken().await?;
        let after = self.broken_after(&reading, &looked, &set, &before, is_used);
        self.note(&after, &set, &looked.found);
        let reloaded = Reloaded {
            revision: set.revision.0.clone(),
            rules: set.size().rules,
            changed: changed.clone(),
            broken: after
                .iter()
                .filter(|file| file.folder != Some(FolderTrouble::WithoutRules))
                .map(|file| file.path.clone())
                .collect(),
            problems: looked
                .problems
                .iter()
                .map(|problem| placed(problem, &self.folder))
                .collect(),
            folders: after
                .iter()
                .filter(|file| file.folder.is_some())
                .map(|file| file.report.clone())
                .collect(),
        };
        let mut told = known.told.clone();
        let broken = told.held_back(&before, after, self.clock.now());
        if let Some(change) = self.change(&set, changed, &now_in_force, &broken, &before, known.has_settings) {
            self.write_down(change, set.clone()).await?;
            known.has_settings = true;
            known.put_together(set.clone());
        }
        // what was read is not in force where its decision was set aside; and rules may have ended without a reading
        known.may_keep_events |= now_in_force.is_without_rules();
        if self.ledger.rules().is_without_rules() {
            known.may_keep_events = true;
        } else if known.may_keep_events {
            self.take_up_kept().await?;
            known.may_keep_events = false;
        }
        known.told = told;
        known.used(&reading, &looked.large);
        let large = looked.large.iter().map(|customer| customer.as_str().to_owned());
        Ok(Some((reloaded, large.collect())))
    }

    /// Says in the log what lies in the folders and is not read, once; and keeps it for who asks.
    fn tell_passed_over(&self, reading: &Reading, looked: &Looked, is_used: &impl Fn(&CustomerId) -> bool) {
        let figures = self.ledger.figures();
        let mut found: BTreeMap<CustomerId, Vec<String>> = BTreeMap::new();
        for one in &looked.found.passed_over {
            found.entry(customer_of(&one.path)).or_default().push(one.to_string());
        }
        let before = figures.passed_over();
        let in_scope = |customer: &&CustomerId| reading.scope.as_ref().is_none_or(|scope| scope.contains(*customer));
        let gone = before
            .keys()
            .filter(in_scope)
            .filter(|customer| !found.contains_key(customer));
        let gone: Vec<CustomerId> = gone.cloned().collect();
        found.extend(gone.into_iter().map(|customer| (customer, Vec::new())));
        for (customer, what) in found.into_iter().filter(|(customer, _)| is_used(customer)) {
            if figures.passes_over(&customer, what.clone()) {
                what.iter()
                    .for_each(|one| tracing::warn!(%customer, "not a rule file: {one}"));
            }
        }
    }

    /// What is to be written down; `None` if nothing changed.
    fn change(
        &self,
        set: &RuleSet,
        changed: Vec<String>,
        in_force: &RuleSet,
        broken: &[BrokenFile],
        before: &[BrokenFile],
        knows_settings: bool,
    ) -> Option<ChangeOfRules> {
        let files = &set.files;
        let paths = changed;
        let changed = paths.iter().filter_map(|path| files.get(path.as_str()));
        let changed: Vec<Arc<RuleFile>> = changed.cloned().collect();
        let is_gone = |path: &&String| !files.contains_key(path.as_str());
        let removed: Vec<String> = paths.iter().filter(is_gone).cloned().collect();
        let has_settings = !knows_settings && set.revision != in_force.revision;
        let is_same = changed.is_empty() && removed.is_empty() && !has_settings && broken == before;
        (!is_same).then(|| ChangeOfRules {
            revision: set.revision.clone(),
            changed,
            removed,
            has_settings,
            broken: broken.to_vec(),
        })
    }

    /// Writes a change down, its texts in parts if they are many, and waits until it is in force.
    async fn write_down(&self, change: ChangeOfRules, rules: Arc<RuleSet>) -> Result<()> {
        let mut parts = vec![Vec::new()];
        let mut bytes = 0;
        for file in change.changed {
            if bytes > PART_BYTES {
                parts.push(Vec::new());
                bytes = 0;
            }
            bytes += file.text.len();
            let part = parts.last_mut().expect("there is one to begin with");
            part.push(SealedFile {
                path: file.path.clone(),
                digest: file.digest.clone(),
                sealed: self.sealer.seal(&file.text),
            });
        }
        let files = parts.pop().unwrap_or_default();
        let mut texts = Vec::new();
        for files in parts {
            texts.extend(self.record(Input::RuleTexts { files }, None).await?);
        }
        let settings = change.has_settings.then(|| self.sealer.seal(&self.deciding.to_text()));
        let input = Input::Rules {
            revision: change.revision,
            files,
            texts,
            removed: change.removed,
            settings,
            broken: change.broken,
        };
        for at in self.record(input, Some(rules)).await? {
            // decided in its turn: the next reading must see it in force
            self.ledger.decided(at).await;
        }
        Ok(())
    }

    async fn record(&self, input: Input, rules: Option<Arc<RuleSet>>) -> Result<Vec<Position>> {
        let recorded = self.ledger.record(vec![input], rules).await;
        recorded.context("writing the change of rules down")
    }
}

/// A change of rules, before it is written down.
struct ChangeOfRules {
    revision: Revision,
    changed: Vec<Arc<RuleFile>>,
    removed: Vec<String>,
    has_settings: bool,
    broken: Vec<BrokenFile>,
}

/// Does what may take long on a thread that a stop does not wait for: nothing is written there.
async fn on_its_own_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let work = move || drop(tell.send(work()));
    let thread = std::thread::Builder::new().name("rules check".to_owned());
    thread
        .spawn(work)
        .context("starting a thread for the check of the rules")?;
    told.await.context("the check of the rules ended in a panic")
}

impl Known {
    /// Whether something that was read later was used for a customer.
    fn has_newer(&self, customer: &CustomerId, number: u64) -> bool {
        let latest = self.latest.get(customer).copied().unwrap_or(0);
        latest.max(self.everything) > number
    }

    /// Notes that a reading was used.
    fn used(&mut self, reading: &Reading, large: &BTreeSet<CustomerId>) {
        let number = reading.number;
        match &reading.scope {
            Some(scope) => {
                for customer in scope.difference(large).cloned() {
                    let latest = self.latest.entry(customer).or_default();
                    *latest = number.max(*latest);
                }
            }
            None => {
                self.everything = number.max(self.everything);
                self.latest.retain(|_, latest| *latest > number);
            }
        }
    }

    /// Whether it is enough to look at a part: not before there are rules, nor after other settings; nor at the one organisation's
    /// folder, as its files may also stand in none.
    fn is_enough(&self, part: &Part, in_force: &RuleSet, deciding: &Deciding) -> bool {
        let is_nothing_there = |file: &BrokenFile| file.path == EVERYTHING;
        customers_of(part).is_some_and(|customers| !customers.contains(&CustomerId::new(ORGANISATION)))
            && in_force.is_decided_by(deciding)
            && !in_force.files.is_empty()
            && !self.broken.iter().flatten().any(is_nothing_there)
    }

    /// The rules in force, upon those that were put together meanwhile, if they were.
    async fn caught_up(&mut self, in_force: Arc<RuleSet>) -> Result<Arc<RuleSet>> {
        let Some(whole) = self.whole.take_if(|whole| whole.is_finished()) else {
            return Ok(in_force);
        };
        let whole = whole.await.context("putting the rules together ended in a panic")?;
        Ok(Arc::new(whole.caught_up(&in_force)))
    }

    /// Puts the rules together in the background, if much of them has changed.
    fn put_together(&mut self, rules: Arc<RuleSet>) {
        if rules.size().changed_files > CHANGED_FILES_MOST && self.whole.is_none() {
            self.whole = Some(tokio::task::spawn_blocking(move || rules.whole()));
        }
    }
}

impl Reloaded {
    /// Adds what a later reading came to.
    fn add(&mut self, later: Reloaded) {
        self.revision = later.revision;
        self.rules = later.rules;
        self.broken = later.broken;
        self.folders = later.folders;
        self.changed.extend(later.changed);
        self.problems.extend(later.problems);
    }

    /// The first of what is broken, and how many more there are.
    fn broken_named(&self) -> String {
        let named = self.broken.iter().take(BROKEN_NAMED_MOST).map(String::as_str);
        let named = named.collect::<Vec<_>>().join(", ");
        match self.broken.len().saturating_sub(BROKEN_NAMED_MOST) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }

    /// Says in the log what the reading came to: of very many problems the first ones, and how many more there are.
    pub fn log(&self) {
        let mut unseen = 0;
        for of_file in flood::shown(&self.problems, LOGGED) {
            for problem in &of_file.problems {
                tracing::warn!("{}", problem.plain());
            }
            match (of_file.more, of_file.problems.is_empty()) {
                (0, _) => {}
                (more, true) => unseen += more,
                (more, false) => {
                    tracing::warn!(file = of_file.file, "… and {more} more: `bellwether check` shows them")
                }
            }
        }
        if unseen > 0 {
            tracing::warn!("… and {unseen} more problems in other files: `bellwether check` shows them");
        }
        for trouble in self.folders.iter().take(LOGGED.all) {
            tracing::warn!("{trouble}");
        }
        if self.folders.len() > LOGGED.all {
            tracing::warn!(
                "… and {} more folders: `bellwether status` names them",
                self.folders.len() - LOGGED.all
            );
        }
        match self.broken.is_empty() {
            true => tracing::info!(
                revision = self.revision,
                rules = self.rules,
                changed = self.changed.len(),
                "the rules are in force"
            ),
            false => tracing::error!(
                revision = self.revision,
                rules = self.rules,
                broken = self.broken_named(),
                "rule files or folders are broken; their last good version stays in force"
            ),
        }
    }
}
