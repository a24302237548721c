//! Checkpoints of earlier formats, brought up to today's.
//!
//! A checkpoint may be all that knows what the journal has lost, so one of an earlier format is not thrown away: its
//! items are put into a store of today's schema, and written out again under the same name. In format 1 a delivery was
//! five items and more, each with one key.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::apply::{Op, patch_of, put_of};
use super::item::{DeliveryItem, EventLine, Gathered, Item, Patch, RuleFileLine, VerdictLine};
use super::keys;
use super::{Store, checkpoint};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Attempt, Delivery, LIFE, Standing, State};
use crate::durable;
use crate::incident::{Entry, Hearing, Incident, IncidentId};
use crate::journal::Position;
use crate::message::Carried;
use crate::notification::{Notification, SeriesId};
use crate::record::{Accounts, BrokenFile, Deadline, Why};
use crate::rule::Revision;

/// The format of checkpoints before the store had a schema.
pub const FORMAT: u32 = 1;

/// Writes every checkpoint of an earlier format anew. One that is damaged is left as it is: nobody reads it.
///
/// # Errors
/// When a checkpoint cannot be written.
pub fn bring_up(state: &Path) -> Result<()> {
    for path in checkpoint::list(state)? {
        if checkpoint::format(&path).is_ok_and(|format| format == FORMAT) {
            tracing::info!(checkpoint = %path.display(), "a checkpoint of an earlier version is brought up to this one");
            if let Err(error) = brought_up(state, &path) {
                anyhow::ensure!(!super::is_no_space(&error), error);
                tracing::warn!(
                    checkpoint = %path.display(),
                    error = format!("{error:#}"),
                    "a checkpoint of an earlier version is damaged; the journal is read instead"
                );
            }
        }
    }
    Ok(())
}

fn brought_up(state: &Path, path: &Path) -> Result<()> {
    let dir = path.with_extension("tmp.store");
    remove(&dir)?; // or half of what an earlier try left would be taken for the checkpoint's
    let done = filled(&dir, path).and_then(|(store, read)| {
        checkpoint::write(state, store.view(), read.through, &AtomicBool::new(false)).map(drop)
    });
    done.and_then(|()| remove(&dir))
}

fn remove(dir: &Path) -> Result<()> {
    durable::remove_dir(dir).with_context(|| format!("removing {}", dir.display()))
}

/// A store of today's schema that holds what the checkpoint says.
fn filled(dir: &Path, path: &Path) -> Result<(Store, checkpoint::Read)> {
    let mut store = Store::open(dir)?;
    // what is put comes before what changes it
    checkpoint::each_as(path, FORMAT, |_, item: FormerItem| {
        item.puts().into_iter().try_for_each(|op| store.put(op))
    })?;
    let read = checkpoint::each_as(path, FORMAT, |_, item: FormerItem| {
        item.changes(store.view())?.into_iter().try_for_each(|op| store.put(op))
    })?;
    if let Some(decided) = read.decided {
        store.put(Op::Mark(keys::decided_through(), decided))?;
    }
    store.commit(read.through).context("writing what a checkpoint holds")?;
    Ok((store, read))
}

/// What the store held in format 1. What is left out here is known from the rest.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FormerItem {
    Inbox {
        at: Position,
    },
    Event(EventLine),
    Incident(Incident),
    Entry(Entry),
    Hearing(Hearing),
    Judged(VerdictLine),
    Nothing {
        of: Position,
        why: Why,
        #[serde(default)]
        decided: Option<u64>,
    },
    Follows {
        incident: IncidentId,
        customer: CustomerId,
        rule: String,
    },
    Notification(Notification),
    Gathered {
        series: SeriesId,
        part: u32,
        event: Position,
        judged: Position,
    },
    Wake {
        deadline: Deadline,
        at: Time,
    },
    Delivery {
        delivery: Delivery,
        told: Position,
    },
    Standing(Standing),
    Attempt(Attempt),
    Carries {
        delivery: String,
        carried: Vec<Carried>,
    },
    RuleFile(RuleFileLine),
    InForce {
        seq: u64,
        revision: Revision,
        since: Time,
    },
    Settings {
        seq: u64,
        recorded: Position,
    },
    Broken(BrokenFile),
    EventOf {},
    SeriesOf {},
    Reached {},
    DeliveryOf {},
    Lane {},
    Listed {},
    EndedAt {},
    Threaded {},
}

impl FormerItem {
    /// What it puts by itself.
    fn puts(self) -> Vec<Op> {
        let item = match self {
            Self::Inbox { at } => Item::Inbox { at },
            Self::Event(line) => Item::Event(line),
            Self::Incident(incident) => Item::Incident(incident),
            Self::Entry(entry) => Item::Entry(entry),
            Self::Hearing(hearing) => Item::Hearing(hearing),
            Self::Judged(line) => return judged(line),
            Self::Nothing { of, why, decided } => Item::Nothing { of, why, decided },
            Self::Follows {
                incident,
                customer,
                rule,
            } => Item::Follows {
                incident,
                customer,
                rule,
            },
            Self::Notification(one) if one.open => Item::Delivery(Box::new(DeliveryItem::planned(&one))),
            Self::Delivery { delivery, told } => {
                let expires = delivery.created + LIFE;
                Item::Delivery(Box::new(DeliveryItem::scheduled(delivery, told, expires)))
            }
            Self::Wake {
                deadline: Deadline::Tell { .. },
                ..
            } => return Vec::new(),
            Self::Wake { deadline, at } => Item::Wake { deadline, at },
            Self::Attempt(attempt) => Item::Attempt(attempt),
            Self::RuleFile(line) => Item::RuleFile(line),
            Self::InForce { seq, revision, since } => Item::InForce { seq, revision, since },
            Self::Settings { seq, recorded } => Item::Settings { seq, recorded },
            Self::Broken(file) => Item::Broken(file),
            Self::Notification(_)
            | Self::Gathered { .. }
            | Self::Standing(_)
            | Self::Carries { .. }
            | Self::EventOf {}
            | Self::SeriesOf {}
            | Self::Reached {}
            | Self::DeliveryOf {}
            | Self::Lane {}
            | Self::Listed {}
            | Self::EndedAt {}
            | Self::Threaded {} => return Vec::new(),
        };
        vec![put_of(item)]
    }

    /// What it changes of what is put.
    fn changes(self, view: &super::View) -> Result<Vec<Op>> {
        Ok(match self {
            Self::Notification(one) if !one.open => {
                let id = one.series.delivery(one.part);
                vec![patch_of(&id, Patch::Closed(Box::new(one)))]
            }
            Self::Gathered {
                series,
                part,
                event,
                judged,
            } => gathered(series, part, event, judged, view)?,
            Self::Standing(standing) => vec![patch_of(&standing.delivery.clone(), stands(standing))],
            Self::Carries { delivery, carried } => vec![patch_of(&delivery, Patch::Carries(carried))],
            _ => Vec::new(),
        })
    }
}

/// A verdict, and what it adds to what is gathered, if it holds that itself.
fn judged(line: VerdictLine) -> Vec<Op> {
    let whole = line.whole.iter();
    let gathered = whole.flat_map(|judged| {
        judged.tells.iter().map(|tells| Gathered {
            incident: judged.incident.clone(),
            series: tells.series.clone(),
            part: tells.part,
            event: line.event,
            verdict: line.at,
            new: Some(Accounts::These(tells.new.clone())),
        })
    });
    let mut ops: Vec<Op> = gathered.map(|one| put_of(Item::Gathered(one))).collect();
    ops.push(put_of(Item::Verdict(line)));
    ops
}

/// What a verdict adds that is too large to hold it itself.
fn gathered(series: SeriesId, part: u32, event: Position, verdict: Position, view: &super::View) -> Result<Vec<Op>> {
    let is_whole = view.verdict(event, verdict)?.is_some_and(|line| line.whole.is_some());
    let Some(line) = view.event(event)?.filter(|_| !is_whole) else {
        return Ok(Vec::new());
    };
    Ok(vec![put_of(Item::Gathered(Gathered {
        incident: line.incident,
        series,
        part,
        event,
        verdict,
        new: None,
    }))])
}

fn stands(standing: Standing) -> Patch {
    let attempts = standing.attempts;
    match standing.state {
        State::Scheduled { at, expires } => Patch::Requeued { attempts, at, expires },
        State::Ended { end, at } => Patch::Ended {
            attempts,
            attempt: None,
            end,
            at,
        },
    }
}
