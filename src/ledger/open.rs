//! Starting the ledger: open the journal, open or rebuild the store, own up to what was lost, take up what is undecided.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;

use super::maintain::Upkeep;
use super::{Figures, Ledger, Settings, Tell, Waiting, Writer, space, submissions};
use crate::clock::Time;
use crate::evaluate::obey;
use crate::event::Position;
use crate::journal::{self, Journal};
use crate::record::{Input, Record, SealedFile};
use crate::rule::RuleSet;
use crate::store::keys::RuleFileLine;
use crate::store::trust::{self, Trust};
use crate::store::{Store, View, checkpoint, context, rebuild};

/// What a start found.
pub struct Started {
    /// The ledger.
    pub ledger: Ledger,
    /// The thread; it ends after [`Ledger::stop`], or when writing fails.
    pub thread: std::thread::JoinHandle<()>,
    /// Why the store was believed, or not.
    pub trust: Trust,
    /// Why it was built again, if it was.
    pub rebuilt: Option<String>,
}

/// Opens everything below the state directory and starts the thread.
///
/// # Errors
/// When journal or store cannot be opened, or what is in force cannot be compiled.
pub fn start(settings: Settings, hints: Tell) -> Result<Started> {
    let boot = trust::boot_id();
    let was_clean = trust::judge(&settings.state, boot.as_deref()) == Trust::CleanStop;
    let options = journal::Options {
        segment_bytes: settings.segment_bytes,
        clean: was_clean,
        ..journal::Options::default()
    };
    let dir = settings.state.join("journal");
    let opened = space::retried(&settings.state, || Ok(Journal::open(&dir, options)?));
    let (mut journal, opening) = opened.context("opening the journal")?;
    if let Some(torn) = &opening.torn {
        tracing::warn!(
            bytes = torn.bytes,
            "the journal ended in the middle of a group, which nobody was told of; it was cut off"
        );
    }
    let reader = journal.reader();
    let last = journal.next() - 1;
    let opened = space::retried(&settings.state, || {
        rebuild::open(&settings.state, &reader, last, boot.as_deref())
    });
    let opened = opened.context("opening the store")?;
    let mut store = opened.store;
    let lost = own_up(&mut journal, opened.ahead, &opening.lost, opened.damaged)?;
    first_records(&mut journal, &mut store, &settings, boot, &lost, &opening.notes)?;
    if !lost.is_empty() && opened.rebuilt.is_none() && opened.trust != Trust::Missing {
        // what was lost is known only here: a store that is built later must not begin before it
        checkpoint::write(
            &settings.state,
            store.view(),
            store.applied_through(),
            &AtomicBool::new(false),
        )
        .context("writing out what only the store knows")?;
    }
    let rules = in_force(&settings, store.view(), &reader)?;
    let inbox = undecided(store.view())?;
    let (ledger, thread) = spawn(journal, store, settings, rules, inbox, hints)?;
    Ok(Started {
        ledger,
        thread,
        trust: opened.trust,
        rebuilt: opened.rebuilt,
    })
}

/// Ranges of records that are gone.
type Lost = Vec<rebuild::Damage>;

/// What was lost and is not on record yet: what the journal found, and what only the store proves.
fn own_up(journal: &mut Journal, ahead: Option<u64>, found: &[journal::LostRange], damaged: Lost) -> Result<Lost> {
    let mut lost: Lost = found
        .iter()
        .map(|range| (range.from, range.to, range.why.clone()))
        .collect();
    lost.extend(damaged);
    if let Some(through) = ahead {
        let from = journal.next();
        journal
            .skip_to(through + 1)
            .context("numbering on behind what was lost")?;
        lost.push((
            from,
            through,
            "the store knows of records that the journal does not hold".to_owned(),
        ));
    }
    Ok(lost)
}

/// Writes that the daemon started, and what was lost.
fn first_records(
    journal: &mut Journal,
    store: &mut Store,
    settings: &Settings,
    boot: Option<String>,
    lost: &[rebuild::Damage],
    notes: &[String],
) -> Result<()> {
    let at = settings.clock.now();
    let mut records = vec![Record::Started {
        at,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot,
    }];
    for (from, to, why) in lost {
        tracing::error!(
            from,
            to,
            why,
            "a part of the journal is lost; what it decided is not known any more"
        );
        records.push(Record::Lost {
            at,
            from: *from,
            to: *to,
            why: why.clone(),
        });
    }
    for note in notes {
        tracing::error!("the journal is damaged, but holds everything else: {note}");
    }
    if !lost.is_empty() || !notes.is_empty() {
        let event = Box::new(obey::journal_damaged(!lost.is_empty(), &told_of(lost, notes), at));
        records.push(Record::Recorded {
            at,
            inputs: vec![Input::Heard { event }],
        });
    }
    let first = journal.next();
    let group: Vec<Vec<u8>> = records.iter().map(Record::to_bytes).collect();
    journal
        .append(&group)
        .context("writing the first records of this start")?;
    journal.sync().context("syncing the journal")?;
    journal
        .losses_recorded()
        .context("noting that the losses are on record")?;
    for (seq, record) in (first..).zip(&records) {
        store.stage(seq, record);
    }
    store.commit(journal.next() - 1).inspect_err(|error| {
        if space::is_cause(&settings.state, error) {
            space::give_up(&settings.state); // for the next start
        }
    })
}

/// Damage in words, for the operator.
pub(super) fn told_of(lost: &[rebuild::Damage], notes: &[String]) -> String {
    let lines = lost
        .iter()
        .map(|(from, to, why)| format!("Records {from} to {to}: {why}."));
    let mut text: Vec<String> = lines.chain(notes.iter().cloned()).collect();
    text.push(
        "The damaged file is kept beside the journal. What these records decided may be told again, with the same ids."
            .to_owned(),
    );
    text.join("\n")
}

/// The rules in force, made of what was recorded; none at the very first start.
fn in_force(settings: &Settings, view: &View, journal: &journal::Reader) -> Result<Arc<RuleSet>> {
    let before = readable("the settings in force", settings_in_force(view, journal));
    // without the settings that say who owns what, no rule may decide: the folder is read next, and all of it is new
    let texts = match &before {
        Some(_) => texts_in_force(view, journal)?,
        None => Vec::new(),
    };
    let rules = compile_what_can_be(settings, texts, before.flatten().as_deref());
    Ok(Arc::new(rules.context("compiling the rules in force")?))
}

/// Rules made of recorded texts. What is rotten is left out: the folder is read next, and puts it on record anew.
///
/// # Errors
/// When not even rules without any file can be made.
pub fn compile_what_can_be(
    settings: &Settings,
    texts: Vec<(String, String)>,
    deciding: Option<&str>,
) -> Result<RuleSet> {
    let error = match (settings.compile)(&texts, deciding) {
        Ok(rules) => return Ok(rules),
        Err(error) => error,
    };
    tracing::error!(
        error = format!("{error:#}"),
        "what was recorded of the rules cannot be used whole"
    );
    let mut good = texts;
    good.retain(|text| {
        let compiled = (settings.compile)(std::slice::from_ref(text), deciding);
        readable(&text.0, compiled).is_some()
    });
    (settings.compile)(&good, deciding).or_else(|_| (settings.compile)(&[], None))
}

/// The sealed texts in force, by path; without those that are lost.
///
/// # Errors
/// When the store cannot be read.
pub fn texts_in_force(view: &View, journal: &journal::Reader) -> Result<Vec<(String, String)>> {
    texts_at(view, journal, u64::MAX)
}

/// The sealed texts in force after the record `seq`, by path; without those that are lost.
///
/// # Errors
/// When the store cannot be read.
pub fn texts_at(view: &View, journal: &journal::Reader, seq: u64) -> Result<Vec<(String, String)>> {
    let mut together: BTreeMap<Position, Vec<RuleFileLine>> = BTreeMap::new();
    for line in view.rule_files_at(seq)? {
        together.entry(line.recorded).or_default().push(line);
    }
    let mut texts = BTreeMap::new();
    for (recorded, lines) in together {
        let files = recorded_files(journal, recorded);
        for line in lines {
            match files.get(line.nth as usize).filter(|file| file.path == line.path) {
                Some(file) => drop(texts.insert(line.path, file.sealed.clone())),
                None => tracing::error!(
                    file = line.path,
                    "the text of a rule file in force is in a lost part of the journal"
                ),
            }
        }
    }
    Ok(texts.into_iter().collect())
}

/// The files that were recorded together; none, if they cannot be read.
fn recorded_files(journal: &journal::Reader, at: Position) -> Vec<SealedFile> {
    match readable("recorded rules", context::input(journal, at)) {
        Some(Input::Rules { files, .. } | Input::RuleTexts { files }) => files,
        _ => Vec::new(),
    }
}

/// What was read, or `None` with a line in the log: rot in one place must not prevent a start.
fn readable<T>(what: &str, read: Result<T>) -> Option<T> {
    read.inspect_err(|error| tracing::error!(what, error = format!("{error:#}"), "it cannot be read, and is left out"))
        .ok()
}

/// The sealed settings that decide, as last recorded.
///
/// # Errors
/// When store or journal cannot be read.
pub fn settings_in_force(view: &View, journal: &journal::Reader) -> Result<Option<String>> {
    settings_at(view, journal, u64::MAX)
}

/// The sealed settings that decided after the record `seq`.
///
/// # Errors
/// When store or journal cannot be read.
pub fn settings_at(view: &View, journal: &journal::Reader, seq: u64) -> Result<Option<String>> {
    let Some(at) = view.settings_at(seq)? else {
        return Ok(None);
    };
    match context::input(journal, at)? {
        Input::Rules { settings, .. } => Ok(settings),
        _ => Ok(None),
    }
}

fn undecided(view: &View) -> Result<VecDeque<Waiting>> {
    Ok(view
        .inbox()?
        .into_iter()
        .map(|at| Waiting {
            at,
            input: None,
            rules: None,
        })
        .collect())
}

fn spawn(
    journal: Journal,
    store: Store,
    settings: Settings,
    rules: Arc<RuleSet>,
    inbox: VecDeque<Waiting>,
    hints: Tell,
) -> Result<(Ledger, std::thread::JoinHandle<()>)> {
    let (submit, submitted) = submissions();
    let ledger = Ledger {
        submit: submit.clone(),
        waiting: Arc::new(AtomicUsize::new(0)),
        is_failed: Arc::new(AtomicBool::new(false)),
        rules: Arc::new(ArcSwap::new(rules.clone())),
        reader: store.reader(),
        journal: journal.reader(),
        figures: Arc::new(Figures::default()),
    };
    let now: Time = settings.clock.now();
    let upkeep = Upkeep::new(journal.next() - 1);
    let mut writer = Writer {
        next_housekeeping: settings.housekeeping.next_after(now, chrono_tz::UTC),
        journal,
        store,
        settings,
        rules,
        shared: ledger.clone(),
        hints,
        backlog: VecDeque::new(),
        inbox,
        tried: VecDeque::new(),
        noticed: VecDeque::new(),
        idle: Vec::new(),
        decided_waits: Vec::new(),
        renewing: None,
        renewal_waits: Vec::new(),
        scrubbing: None,
        scrub_waits: Vec::new(),
        is_closing: Arc::new(AtomicBool::new(false)),
        is_renewal_next: false,
        upkeep,
        submit,
        no_space_until: None,
        is_full: false,
        has_postponed: false,
        fresh_bytes: 0,
        measured: None,
    };
    writer.fresh_bytes = writer.store.size_bytes();
    writer.make_ballast();
    writer.begin_scrub();
    let failed = ledger.clone();
    let run = move || {
        // sled panics on some damages; a panic here is a failed write like any other
        let state = writer.settings.state.clone();
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.run(&submitted))).is_err() {
            failed.is_failed.store(true, std::sync::atomic::Ordering::Release);
            if let Err(error) = trust::withdraw(&state) {
                tracing::error!(
                    error = format!("{error:#}"),
                    "trust in the store could not be withdrawn"
                );
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("ledger".into())
        .spawn(run)
        .context("starting the ledger's thread")?;
    Ok((ledger, thread))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::Customers;
    use crate::record::{Change, FileInForce, Of};
    use crate::rule::Revision;
    use crate::rule::check::{Deciding, Source, restore};
    use crate::store::Store;

    /// Settings that make rules of plain texts; one that says `rotten` cannot be read.
    fn settings() -> Settings {
        let compile: super::super::Compile = Arc::new(|texts, _| {
            let rotten = texts.iter().find(|(_, text)| text == "rotten");
            anyhow::ensure!(rotten.is_none(), "it is rotten");
            let source = |(path, text): &(String, String)| Source {
                path: path.clone(),
                text: text.clone(),
            };
            let deciding = Deciding::new(Customers::one_organisation(), None, false).map_err(anyhow::Error::msg)?;
            let sources: Vec<Source> = texts.iter().map(source).collect();
            Ok(RuleSet::new(restore(&sources, &deciding), &deciding))
        });
        Settings {
            state: std::path::PathBuf::new(),
            clock: crate::clock::Clock::System,
            compile,
            public_url: None,
            housekeeping: crate::schedule::Cron::read("17 3 * * *").expect("a cron expression"),
            keep: super::super::Retention::default(),
            segment_bytes: 64 << 10,
        }
    }

    fn text(path: &str, text: &str) -> (String, String) {
        (path.to_owned(), text.to_owned())
    }

    #[test]
    fn one_rotten_text_is_left_out_and_the_others_are_in_force() {
        let texts = vec![
            text("a/one.yaml", "rules: []\n"),
            text("a/two.yaml", "rotten"),
            text("b/three.yaml", "rules: []\n"),
        ];
        let rules = compile_what_can_be(&settings(), texts, None).expect("rules");
        let paths: Vec<&String> = rules.files.keys().collect();
        assert_eq!(paths, ["a/one.yaml", "b/three.yaml"]);
    }

    #[test]
    fn texts_are_found_where_they_were_recorded_and_what_cannot_be_read_is_left_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut journal, _) =
            Journal::open(&dir.path().join("journal"), journal::Options::default()).expect("a journal");
        let file = |path: &str| SealedFile {
            path: path.to_owned(),
            digest: "9f86".to_owned(),
            sealed: format!("sealed {path}"),
        };
        let at = "2026-11-24T09:00:00Z".parse().expect("a time");
        let files = vec![file("b"), file("a")];
        let recorded = Record::Recorded {
            at,
            inputs: vec![Input::RuleTexts { files }],
        };
        let rot = br#"{"recorded":"rot"}"#.to_vec();
        journal.append(&[recorded.to_bytes(), rot]).expect("writes");
        let in_force = |path: &str, nth, seq| FileInForce {
            path: path.to_owned(),
            digest: "9f86".to_owned(),
            nth,
            recorded: Some(Position { seq, nth: 0 }),
        };
        let decided = Record::Decided {
            at,
            of: Of::Kept {
                at: Position { seq: 1, nth: 0 },
            },
            by: Revision("r".to_owned()),
            changes: vec![Change::InForce {
                revision: Revision("r".to_owned()),
                recorded: Position { seq: 1, nth: 0 },
                files: vec![
                    in_force("a", 1, 1),
                    in_force("b", 0, 1),
                    in_force("in rot", 0, 2),
                    in_force("gone", 0, 9),
                    in_force("not there", 7, 1),
                ],
                removed: Vec::new(),
                settings: false,
            }],
        };
        let mut store = Store::open(&dir.path().join("store")).expect("opens");
        store.stage(3, &decided);
        let texts = texts_in_force(store.view(), &journal.reader()).expect("texts");
        assert_eq!(texts, [text("a", "sealed a"), text("b", "sealed b")]);
    }
}
