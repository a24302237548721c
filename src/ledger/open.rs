//! Starting the ledger: open the journal, open or rebuild the store, own up to what was lost, take up what is undecided.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;

use super::deciding::Deciding;
use super::maintain::Upkeep;
use super::{
    Background, Figures, Followers, Ledger, Settings, Tell, Waiting, Writer, recorded, scrub, space, submissions,
};
use crate::clock::{Clock, Time};
use crate::evaluate::own;
use crate::journal::{self, Journal};
use crate::lookup;
use crate::record::{Deadline, Input, Record};
use crate::rule::RuleSet;
use crate::store::trust::{self, Trust};
use crate::store::{Store, View, checkpoint, rebuild, walk};

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
    reckon_from(&settings.clock, &reader, last);
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
    let rules = recorded::in_force(&settings.compile, store.view(), &reader)?;
    let inbox = undecided(store.view())?;
    let deciding = Deciding::open(&settings.state)?;
    let undecided = (inbox, deciding);
    let (ledger, thread) = spawn(journal, store, settings, rules, undecided, hints)?;
    Ok(Started {
        ledger,
        thread,
        trust: opened.trust,
        rebuilt: opened.rebuilt,
    })
}

/// Time goes on from the newest record, also where the machine's clock is behind it.
fn reckon_from(clock: &Clock, reader: &journal::Reader, last: u64) {
    let newest = lookup::record(reader, last).map(|record| record.at());
    let behind = newest.map_or(chrono::Duration::zero(), |newest| clock.not_before(newest));
    // less than a second is what a clock that is kept right does
    if behind.num_seconds() > 0 {
        tracing::error!(
            seconds = behind.num_seconds(),
            "the machine's clock is behind what is on record; time goes on from there until it has caught up"
        );
    }
}

/// Ranges of records that are gone.
type Lost = Vec<walk::Damage>;

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
    lost: &[walk::Damage],
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
        let event = Box::new(own::journal_damaged(!lost.is_empty(), &scrub::told_of(lost, notes), at));
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
        store.stage(seq, record, &[])?;
    }
    store.commit(journal.next() - 1).inspect_err(|error| {
        if space::is_cause(&settings.state, error) {
            space::release_ballast(&settings.state); // for the next start
        }
    })
}

/// Whether incidents are known that were heard by a version without a clock for what they owe.
fn has_unclocked(view: &View) -> Result<bool> {
    Ok(!view.have_clocks_begun()? && view.incidents_after(None).next().transpose()?.is_some())
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
    (inbox, deciding): (VecDeque<Waiting>, Deciding),
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
        compile: settings.compile.clone(),
        reviews: Arc::new(settings.reviews.clone()),
        figures: Arc::new(Figures::default()),
        state: settings.state.as_path().into(),
        changing_rules: Arc::default(),
        followers: Followers::since(journal.next() - 1),
    };
    let now: Time = settings.clock.now();
    let unclocked = has_unclocked(store.view())?;
    let upkeep = Upkeep::new(journal.next() - 1, now);
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
        noticed: unclocked
            .then_some(Deadline::Clocks { after: None })
            .into_iter()
            .collect(),
        deciding,
        large: None,
        idle: Vec::new(),
        decided_waits: Vec::new(),
        background: Background::default(),
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
