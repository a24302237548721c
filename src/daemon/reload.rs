//! From the rules folder to the rules in force: read whole, check whole, write down what changed, then use it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sha2::{Digest, Sha256};

use crate::config::Settings;
use crate::customer::Customers;
use crate::customer::{CustomerId, ORGANISATION};
use crate::folder::{self, Found, Part};
use crate::journal::Position;
use crate::ledger::{Compile, Ledger, Refused};
use crate::problem::{Problem, escaped};
use crate::record::{BrokenFile, Input, SealedFile};
use crate::rule::check::{Checked, Deciding, EVERYTHING, Source, recheck, restore};
use crate::rule::file::customer_of;
use crate::rule::set::Files;
use crate::rule::{Revision, RuleFile, RuleSet};
use crate::secret::Sealer;

/// Texts of this many bytes are written down as one record.
const PART_BYTES: usize = 4 << 20;

/// How soon a change that could not be written down is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// When so many files have changed, all rules are put together again.
const CHANGED_FILES_MOST: usize = 256;

/// So many folders are checked before it is said how far it got.
const SAY_EVERY: usize = 10_000;

/// The longest report of one file's problems that is kept, bytes.
const REPORT_BYTES_MOST: usize = 16 << 10;

/// What a reading of the rules came to.
#[derive(Debug)]
pub struct Reloaded {
    /// The revision in force.
    pub revision: String,
    /// How many rules are in force.
    pub rules: usize,
    /// Files whose version in force changed.
    pub changed: Vec<String>,
    /// Files that are broken: their last good version, if any, stays in force.
    pub broken: Vec<String>,
    /// All problems, as text.
    pub problems: Vec<String>,
}

/// The rules folder and what is in force of it.
pub struct Rules {
    folder: PathBuf,
    deciding: Deciding,
    sealer: Sealer,
    ledger: Ledger,
    known: tokio::sync::Mutex<Known>,
}

/// What was last written down.
#[derive(Default)]
struct Known {
    broken: Option<Vec<BrokenFile>>,
    has_settings: bool,
    /// The rules of some earlier moment, put together in the background.
    whole: Option<tokio::task::JoinHandle<RuleSet>>,
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
    pub fn new(folder: PathBuf, deciding: Deciding, sealer: Sealer, ledger: Ledger) -> Self {
        Self {
            folder,
            deciding,
            sealer,
            ledger,
            known: tokio::sync::Mutex::new(Known::default()),
        }
    }

    /// Reads the folder or a part of it, checks it beside what is in force, and writes down what changed. What is broken
    /// changes nothing.
    ///
    /// # Errors
    /// When the folder cannot be listed or the change cannot be written down.
    pub async fn reload(&self, part: &Part) -> Result<Reloaded> {
        let mut known = self.known.lock().await;
        if known.broken.is_none() {
            known.broken = Some(
                self.ledger
                    .view()
                    .broken()
                    .context("looking up what was broken before")?,
            );
        }
        let in_force = known.caught_up(self.ledger.rules()).await?;
        let part = match known.is_enough(part, &in_force, &self.deciding) {
            true => part.clone(),
            false => Part::Whole,
        };
        let scope = customers_of(&part);
        let before = known.broken.iter().flatten();
        let elsewhere = before.filter(|file| scope.as_ref().is_some_and(|scope| !scope.contains(&file.customer)));
        let elsewhere: Vec<BrokenFile> = elsewhere.cloned().collect();
        let (folder, rules, deciding) = (self.folder.clone(), in_force.clone(), self.deciding.clone());
        let read = move || -> Result<(Found, Checked)> {
            let mut found = folder::read(&folder, &part)?;
            let sources = with_last_good(&mut found, &rules.files);
            // after a start, too: what was written down the last time was checked then
            let checked = recheck(&sources, scope.as_ref(), &rules, &deciding, &say_progress);
            Ok((found, checked))
        };
        let (found, checked) = tokio::task::spawn_blocking(read)
            .await
            .context("the check of the rules ended in a panic")??;
        let broken = broken(&checked, &found, elsewhere);
        let reloaded = Reloaded {
            revision: checked.set.revision.0.clone(),
            rules: checked.set.size().rules,
            changed: checked.changed.clone(),
            broken: broken.iter().map(|file| file.path.clone()).collect(),
            problems: checked.problems.iter().map(Problem::plain).collect(),
        };
        if let Some(change) = self.change(&checked, &in_force, &broken, &known) {
            let rules = Arc::new(checked.set);
            self.write_down(change, rules.clone()).await?;
            known.broken = Some(broken);
            known.has_settings = true;
            known.put_together(rules);
        }
        Ok(reloaded)
    }

    /// What is to be written down; `None` if nothing changed.
    fn change(
        &self,
        checked: &Checked,
        in_force: &RuleSet,
        broken: &Vec<BrokenFile>,
        known: &Known,
    ) -> Option<ChangeOfRules> {
        let files = &checked.set.files;
        let changed = checked.changed.iter().filter_map(|path| files.get(path.as_str()));
        let changed: Vec<Arc<RuleFile>> = changed.cloned().collect();
        let is_gone = |path: &&String| !files.contains_key(path.as_str());
        let removed: Vec<String> = checked.changed.iter().filter(is_gone).cloned().collect();
        let has_settings = !known.has_settings && checked.set.revision != in_force.revision;
        let is_same =
            changed.is_empty() && removed.is_empty() && !has_settings && known.broken.as_ref() == Some(broken);
        (!is_same).then(|| ChangeOfRules {
            revision: checked.set.revision.clone(),
            changed,
            removed,
            has_settings,
            broken: broken.clone(),
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

impl Known {
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

fn say_progress(done: usize, of: usize) {
    if done.is_multiple_of(SAY_EVERY) {
        tracing::info!(done, of, "checking the folders of rules");
    }
}

/// The texts to check, taken out of what was found: a file that is there and cannot be read counts as its last good
/// version.
fn with_last_good(found: &mut Found, last_good: &Files) -> Vec<Source> {
    let mut sources = std::mem::take(&mut found.sources);
    let unreadable = found.unreadable.iter().flat_map(|(path, _)| {
        last_good
            .onwards(path.as_str())
            .take_while(move |(good, _)| covers(path, good))
    });
    let kept = unreadable.map(|(path, file)| Source {
        path: path.clone(),
        text: file.text.clone(),
    });
    sources.extend(kept);
    sources
}

/// Whether what cannot be read (a file, or with a `/` at the end a whole folder) is or holds the file.
fn covers(unreadable: &str, path: &str) -> bool {
    unreadable == path || (unreadable.ends_with('/') && path.starts_with(unreadable))
}

/// The customers whose folders a part is; none of them for the whole.
fn customers_of(part: &Part) -> Option<BTreeSet<CustomerId>> {
    match part {
        Part::Whole => None,
        Part::Folders(names) => Some(
            names
                .iter()
                .map(|name| customer_of(&format!("{}/", escaped(name))))
                .collect(),
        ),
    }
}

/// What is broken, with the problems as the customer reads them; and what was and is `elsewhere`.
fn broken(checked: &Checked, found: &Found, elsewhere: Vec<BrokenFile>) -> Vec<BrokenFile> {
    let mut errors: BTreeMap<&str, Vec<&Problem>> = BTreeMap::new();
    for error in checked.problems.iter().filter(|problem| problem.is_error()) {
        errors.entry(&error.file).or_default().push(error);
    }
    let of_check = checked.broken.iter().map(|broken| {
        let errors = errors.get(broken.path.as_str()).into_iter().flatten();
        let mut report = errors.map(|error| error.plain()).collect::<Vec<_>>().join("\n");
        report.truncate(report.floor_char_boundary(REPORT_BYTES_MOST));
        let digest = sha256(&format!("{} {report}", broken.digest));
        BrokenFile {
            path: broken.path.clone(),
            customer: broken.customer.clone(),
            digest,
            report,
        }
    });
    let unreadable = found.unreadable.iter().map(|(path, why)| BrokenFile {
        path: path.clone(),
        customer: customer_of(path),
        digest: sha256(why),
        report: format!("{path} {why}"),
    });
    let mut all: Vec<BrokenFile> = of_check.chain(unreadable).chain(elsewhere).collect();
    all.sort();
    all
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Reloaded {
    /// Says in the log what the reading came to.
    pub fn log(&self) {
        for problem in &self.problems {
            tracing::warn!("{problem}");
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
                broken = self.broken.join(", "),
                "rule files are broken; their last good version stays in force"
            ),
        }
    }
}

/// Reads the rules again and says in the log what came of it. While the disk is full or the ledger busy, it is tried
/// again: a change that was saved must not wait for the next one.
pub async fn logged(rules: &Rules, part: Part) {
    while let Err(error) = rules.reload(&part).await.map(|reloaded| reloaded.log()) {
        tracing::error!(
            error = format!("{error:#}"),
            "the rules could not be read; those in force stay"
        );
        if !matches!(error.downcast_ref(), Some(Refused::Busy | Refused::NoSpace)) {
            return;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}
