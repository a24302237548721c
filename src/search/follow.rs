//! The thread that makes the index and keeps it right: it follows what the ledger writes, some time behind, so that an
//! incident that changes often is read once for many changes, and the writing thread waits for nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tantivy::indexer::IndexWriterOptions;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy};

use super::fields::{FORM, Fields};
use super::{Open, Search, Sources};
use crate::customer::Viewer;
use crate::event::Provider;
use crate::incident::IncidentId;
use crate::ledger::{Batch, changed_by};
use crate::lookup;
use crate::rule::RuleSet;
use crate::view::story::{self, Heard, Whose};
use crate::view::visibility::{Owners, Visibility};

/// Memory for what is not written yet, bytes: the least that the library takes.
const WRITER_BYTES: usize = 15_000_000;

/// The most records that are gone through to catch up; behind by more, the index is made anew.
const CATCH_UP_MOST: u64 = 50_000;

/// How many records before the place where the index stopped are looked at too: a decision of several records counts
/// with its last one.
const BEFORE: u64 = 64;

/// How many records may pass without a changed incident before it is noted how far the index is.
const UNNOTED_MOST: u64 = 10_000;

/// How many incidents are read before the store is let go of for a moment: it may have to be opened again.
const READ_TOGETHER: usize = 32;

/// How long it is left alone after something failed.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// How far an index is and for what it was made, as noted in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    form: u32,
    settings: String,
    through: u64,
}

/// The thread's own things.
pub struct Follower {
    search: Search,
    sources: Sources,
    made: Option<Made>,
    failed: Option<Instant>,
}

/// An index that is written to.
struct Made {
    writer: IndexWriter,
    reader: IndexReader,
    fields: Fields,
    /// For which settings.
    settings: Arc<str>,
    /// How far it is on disk.
    noted: u64,
}

impl Follower {
    /// A follower of these sources, that lets `search` know.
    pub fn new(search: Search, sources: Sources) -> Self {
        Self {
            search,
            sources,
            made: None,
            failed: None,
        }
    }

    /// The thread: follows until it is closed.
    pub fn run(mut self) {
        let changed = self.sources.ledger.followers().search.clone();
        let mut batch = Batch {
            through: changed.through(),
            ..Batch::default()
        };
        loop {
            self.step(batch);
            let Some(next) = changed.take() else { break };
            batch = next;
        }
        if let Some(mut made) = self.made.take() {
            let through = self.search.lock().through;
            if through > made.noted && made.note(through).is_err() {
                tracing::debug!("how far the index is was not noted; it catches up at the next start");
            }
        }
    }

    /// Brings the index up; after a failure it is made anew, a little later.
    fn step(&mut self, batch: Batch) {
        if self.failed.is_some_and(|at| at.elapsed() < AFTER_FAILURE) {
            return;
        }
        self.failed = None;
        if let Err(error) = self.bring_up(&batch) {
            if self.sources.ledger.followers().search.is_closed() {
                return;
            }
            tracing::warn!(
                error = format!("{error:#}"),
                "the index of incidents cannot be used; lists are gone through without it until it is made anew"
            );
            self.search.ends();
            self.made = None;
            self.failed = Some(Instant::now());
            // what is damaged would only fail again
            let _ = std::fs::remove_dir_all(&self.sources.directory);
        }
    }

    fn bring_up(&mut self, batch: &Batch) -> Result<()> {
        let rules = self.sources.ledger.rules();
        let is_other = |made: &Made| *made.settings != *rules.settings_name();
        if self.made.as_ref().is_some_and(is_other) {
            self.made = None;
        }
        if self.made.is_none() {
            self.search.begins();
        }
        if let Some(made) = &mut self.made {
            match batch.are_all {
                true => made.renew(&self.sources, &rules, batch.through)?,
                false => made.bring_up(&self.sources, &rules, &batch.incidents, batch.through)?,
            }
        } else {
            self.made = Some(begin(&self.sources, &rules)?);
        }
        let made = self.made.as_ref().context("an index was just made")?;
        let open = Open {
            reader: made.reader.clone(),
            fields: made.fields,
            settings: made.settings.clone(),
        };
        let through = batch.through;
        self.search.stands(open, through);
        Ok(())
    }
}

/// The index on disk, brought up, if it can be used; else a new one.
fn begin(sources: &Sources, rules: &RuleSet) -> Result<Made> {
    let directory = &sources.directory;
    let through = sources.ledger.followers().search.through();
    match open(directory, rules) {
        Ok(Some(mut made)) => {
            if let Some(changed) = missed(sources, made.noted, through) {
                made.bring_up(sources, rules, &changed, through)?;
                return Ok(made);
            }
        }
        Ok(None) => {}
        Err(error) => tracing::info!(error = format!("{error:#}"), "the index of incidents is made anew"),
    }
    if directory.exists() {
        std::fs::remove_dir_all(directory)
            .with_context(|| format!("removing the old index {}", directory.display()))?;
    }
    let mut made = make(directory, rules)?;
    made.renew(sources, rules, through)?;
    Ok(made)
}

/// The index that stands there; `None` if there is none, or it is for other settings or of another form.
fn open(directory: &Path, rules: &RuleSet) -> Result<Option<Made>> {
    if !directory.join("meta.json").exists() {
        return Ok(None);
    }
    let index = Index::open_in_dir(directory).context("opening the index")?;
    let payload = index.load_metas().context("reading how far the index is")?.payload;
    let Some(noted) = payload.and_then(|noted| serde_json::from_str::<Noted>(&noted).ok()) else {
        return Ok(None);
    };
    let (schema, fields) = Fields::schema();
    if noted.form != FORM || noted.settings != rules.settings_name() || index.schema() != schema {
        return Ok(None);
    }
    let damaged = index.validate_checksum().context("checking the index")?;
    anyhow::ensure!(damaged.is_empty(), "files of the index are damaged: {damaged:?}");
    made(&index, fields, rules, noted.through).map(Some)
}

fn make(directory: &Path, rules: &RuleSet) -> Result<Made> {
    std::fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let (schema, fields) = Fields::schema();
    let index = Index::create_in_dir(directory, schema).context("making the index")?;
    made(&index, fields, rules, 0)
}

fn made(index: &Index, fields: Fields, rules: &RuleSet, noted: u64) -> Result<Made> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(WRITER_BYTES)
        .build();
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
    Ok(Made {
        writer: index.writer_with_options(options).context("writing to the index")?,
        reader: reader.try_into().context("reading the index")?,
        fields,
        settings: rules.settings_name().into(),
        noted,
    })
}

/// The incidents that changed behind the index; `None` if that cannot be said.
fn missed(sources: &Sources, noted: u64, through: u64) -> Option<BTreeSet<IncidentId>> {
    if noted > through || through - noted > CATCH_UP_MOST {
        return None;
    }
    let journal = sources.ledger.journal();
    let mut changed = BTreeSet::new();
    for seq in noted.saturating_sub(BEFORE).max(1)..=through {
        match lookup::record(journal, seq) {
            Ok(record) => changed.extend(changed_by(&record, &[]).cloned()),
            // what retention took away is no change of what is left
            Err(_) if seq <= noted => {}
            Err(_) => return None,
        }
    }
    Some(changed)
}

/// Some incidents, from the one behind `after` on.
fn incidents_after(sources: &Sources, after: Option<&IncidentId>) -> Result<Vec<IncidentId>> {
    let view = sources.ledger.view();
    let some = view.incidents_after(after).take(READ_TOGETHER);
    some.map(|found| found.map(|incident| incident.id)).collect()
}

/// These incidents, and for what we raised those of the same tracking id: a reminder is found by its kind at the incident
/// whose debt it tells of.
fn with_what_they_remind_of(incidents: &BTreeSet<IncidentId>) -> BTreeSet<IncidentId> {
    let mut all = incidents.clone();
    let raised = incidents.iter().filter(|id| id.provider == Provider::Bellwether);
    for id in raised {
        all.extend(
            Provider::ALL
                .iter()
                .map(|provider| IncidentId::new(*provider, &id.tracking_id)),
        );
    }
    all
}

impl Made {
    /// Everything anew.
    fn renew(&mut self, sources: &Sources, rules: &RuleSet, through: u64) -> Result<()> {
        self.writer.delete_all_documents().context("emptying the index")?;
        let mut after: Option<IncidentId> = None;
        loop {
            let some = incidents_after(sources, after.as_ref())?;
            let Some(last) = some.last() else { break };
            after = Some(last.clone());
            self.write(sources, rules, &some)?;
        }
        self.note(through)
    }

    /// These incidents anew.
    fn bring_up(
        &mut self,
        sources: &Sources,
        rules: &RuleSet,
        incidents: &BTreeSet<IncidentId>,
        through: u64,
    ) -> Result<()> {
        if incidents.is_empty() && through.saturating_sub(self.noted) < UNNOTED_MOST {
            return Ok(());
        }
        let incidents: Vec<IncidentId> = with_what_they_remind_of(incidents).into_iter().collect();
        for some in incidents.chunks(READ_TOGETHER) {
            for incident in some {
                self.writer.delete_term(self.fields.all_of(incident));
            }
            self.write(sources, rules, some)?;
        }
        self.note(through)
    }

    /// Adds documents; those that were there before are deleted already.
    fn write(&mut self, sources: &Sources, rules: &RuleSet, incidents: &[IncidentId]) -> Result<()> {
        let view = sources.ledger.view();
        let past = sources.ledger.past(view.clone(), None);
        let from = story::Sources {
            visibility: Visibility::of(&view, &rules.customers, &Viewer::Operator),
            journal: sources.ledger.journal(),
            past: &past,
        };
        let owners = Owners::of(&rules.customers);
        let (catalogue, time) = (&rules.catalogue, (&sources.terms, sources.clock.now()));
        for id in incidents {
            anyhow::ensure!(!sources.ledger.followers().search.is_closed(), "the daemon stops");
            let Some(mut heard) = Heard::of(&from, id)? else {
                continue;
            };
            let hearings = view.hearings(id)?;
            let whole = Whose {
                is_whole: true,
                only: None,
            };
            if let Some(outline) = heard.outline(whole, &hearings, catalogue, time)? {
                self.writer.add_document(self.fields.document(None, id, &outline))?;
            }
            for (customer, hearings) in owners.each(hearings) {
                let own = Whose {
                    is_whole: false,
                    only: Some(customer).filter(|customer| !customer.is_operator()),
                };
                if let Some(outline) = heard.outline(own, &hearings, catalogue, time)? {
                    let document = self.fields.document(Some(customer), id, &outline);
                    self.writer.add_document(document)?;
                }
            }
        }
        Ok(())
    }

    /// Makes what was written what is asked, and notes how far it is.
    fn note(&mut self, through: u64) -> Result<()> {
        let noted = Noted {
            form: FORM,
            settings: self.settings.to_string(),
            through,
        };
        let mut prepared = self.writer.prepare_commit().context("writing the index")?;
        prepared.set_payload(&serde_json::to_string(&noted).expect("what is noted is JSON"));
        prepared.commit().context("writing the index")?;
        self.reader.reload().context("reading the index again")?;
        self.noted = through;
        Ok(())
    }
}
