//! Bodies that could not be read, kept for a time: a provider sends once, and a later version may read what this one
//! cannot.
//!
//! Only what an authenticated sender posted comes here. Each body is a file of its own beside the journal, sealed with the
//! state key and synced before its sender is answered; how many there are, how large and how old, is bounded, the oldest
//! going first. The index is in memory and read back at a start. It never decides what a body means.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Time;
use crate::durable;
use crate::event::Arrival;
use crate::secret::Sealer;

/// How many bodies are kept.
pub const BODIES_MOST: usize = 200;

/// What all of their files take together, bytes.
pub const ALL_BYTES_MOST: u64 = 64 << 20;

/// How large one body may be, bytes: as file it takes 16/9 of that.
pub const BODY_BYTES_MOST: usize = 16 << 20;

/// How long a body is kept, days.
pub const KEPT_DAYS: i64 = 30;

/// With less than this free, nothing is kept: what is left is for the journal, bytes.
const FREE_BYTES_LEAST: u64 = 128 << 20;

/// The longest first line of a file, which says what it is, bytes.
const HEAD_BYTES_MOST: u64 = 64 << 10;

/// What the files end with.
const ENDING: &str = "body";

/// How a body came, and why it was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The source that its address named, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Live or history; `None` where the address named neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<Arrival>,
    /// The account for events that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Why it was refused.
    pub why: Why,
}

/// Why a body was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The status it was answered with.
    pub status: u16,
    /// What was wrong.
    pub what: String,
    /// Which field or parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Which byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The first line of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Head {
    at: Time,
    bytes: usize,
    digest: String,
    posted: Posted,
}

/// A body that is kept, as it is listed.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// By this it is shown and tried again.
    pub id: String,
    /// When it came first.
    pub at: Time,
    /// When it came last: the same body is kept once.
    pub last: Time,
    /// How often it came since the daemon started.
    pub times: u64,
    /// Its length, bytes.
    pub bytes: usize,
    /// How it came, and why it was refused; `None` where its file does not open with this state key.
    #[serde(flatten)]
    pub posted: Option<Posted>,
    #[serde(skip)]
    digest: String,
    #[serde(skip)]
    file_bytes: u64,
}

/// How much is kept.
struct Limits {
    bodies: usize,
    all_bytes: u64,
}

/// The bodies that are kept.
pub struct Refused {
    folder: PathBuf,
    limits: Limits,
    sealer: Sealer,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    /// By id: the oldest first.
    lines: BTreeMap<String, Line>,
    /// The last day on which the operator was told that something is kept.
    told_on: Option<NaiveDate>,
    /// How many went before their time, because of others.
    pushed_out: u64,
}

impl Refused {
    /// Reads what is kept in this folder; makes it if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made or listed. A file that does not open is listed without what it says.
    pub fn open(folder: &Path, sealer: Sealer) -> Result<Self> {
        durable::create_dir_durably(folder).with_context(|| format!("making the folder {}", folder.display()))?;
        let mut index = Index::default();
        let entries = fs::read_dir(folder).with_context(|| format!("listing the folder {}", folder.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("listing the folder {}", folder.display()))?
                .path();
            match path.extension().and_then(|ending| ending.to_str()) {
                Some(durable::TEMPORARY) => durable::remove_durably(&path)?,
                Some(ENDING) => {
                    let line = read_line(&path, &sealer)?;
                    index.lines.extend(line.map(|line| (line.id.clone(), line)));
                }
                _ => tracing::warn!(file = %path.display(), "a file among the refused bodies is none of them"),
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            limits: Limits {
                bodies: BODIES_MOST,
                all_bytes: ALL_BYTES_MOST,
            },
            sealer,
            index: Mutex::new(index),
        })
    }

    /// Keeps a body; gives back its id. The same body again is counted and not kept twice.
    ///
    /// # Errors
    /// When it is too large, the disk is nearly full, or it cannot be written.
    pub fn keep(&self, body: &[u8], posted: Posted, now: Time) -> Result<String> {
        ensure!(
            body.len() <= BODY_BYTES_MOST,
            "it has {} bytes; at most {BODY_BYTES_MOST} are kept",
            body.len()
        );
        let digest = digest_of(body, &posted);
        let mut index = self.index();
        if let Some(known) = index.lines.values_mut().find(|line| line.digest == digest) {
            (known.times, known.last) = (known.times + 1, now);
            return Ok(known.id.clone());
        }
        let head = Head {
            at: now,
            bytes: body.len(),
            digest,
            posted,
        };
        let text = self.sealed(&head, body);
        // nothing makes room for what cannot be written
        self.check_space(&text)?;
        self.make_room(&mut index, text.len() as u64, now)?;
        let id = format!("{}-{}", now.format("%Y%m%dT%H%M%S%3fZ"), &head.digest[..8]);
        self.write(&id, &text)?;
        let line = line(&id, head, text.len() as u64);
        index.lines.insert(id.clone(), line);
        Ok(id)
    }

    /// What is kept, the latest first.
    pub fn list(&self, now: Time) -> Vec<Line> {
        let mut index = self.index();
        self.forget_old(&mut index, now);
        index.lines.values().rev().cloned().collect()
    }

    /// How many bodies are kept, and how many went before their time since the start.
    pub fn count(&self, now: Time) -> (usize, u64) {
        let mut index = self.index();
        self.forget_old(&mut index, now);
        (index.lines.len(), index.pushed_out)
    }

    /// One body, and how it came; `None` if it is not kept.
    ///
    /// # Errors
    /// When its file cannot be read, or does not open with this state key.
    pub fn find(&self, id: &str) -> Result<Option<(Line, Vec<u8>)>> {
        let Some(line) = self.index().lines.get(id).cloned() else {
            return Ok(None);
        };
        let text = fs::read_to_string(self.path(id)).context("reading a body that was refused")?;
        let (_, body) = text.split_once('\n').context("the file of a refused body is damaged")?;
        let body = self.sealer.unseal(body.trim_end())?;
        let body = BASE64.decode(body).context("the file of a refused body is damaged")?;
        Ok(Some((line, body)))
    }

    /// Writes down why a body was refused again.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn refused_again(&self, id: &str, why: Why) -> Result<()> {
        let Some((known, body)) = self.find(id)? else {
            return Ok(());
        };
        let Some(posted) = known.posted.clone() else {
            return Ok(());
        };
        let head = Head {
            at: known.at,
            bytes: known.bytes,
            digest: known.digest.clone(),
            posted: Posted { why, ..posted },
        };
        let text = self.sealed(&head, &body);
        let mut index = self.index();
        if let Some(line) = index.lines.get_mut(id) {
            self.write(id, &text)?;
            (line.posted, line.file_bytes) = (Some(head.posted), text.len() as u64);
        }
        Ok(())
    }

    /// Forgets a body.
    ///
    /// # Errors
    /// When its file cannot be deleted.
    pub fn remove(&self, id: &str) -> Result<()> {
        let mut index = self.index();
        if index.lines.contains_key(id) {
            durable::remove_durably(&self.path(id)).context("deleting a body that was refused")?;
            index.lines.remove(id);
        }
        Ok(())
    }

    /// Whether the operator is to be told that something is kept: once a day.
    pub fn is_to_be_told(&self, now: Time) -> bool {
        let today = Some(now.date_naive());
        let mut index = self.index();
        std::mem::replace(&mut index.told_on, today) != today
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.{ENDING}"))
    }

    fn sealed(&self, head: &Head, body: &[u8]) -> String {
        let head = serde_json::to_string(head).expect("a head holds nothing that JSON cannot");
        format!(
            "{}\n{}\n",
            self.sealer.seal(&head),
            self.sealer.seal(&BASE64.encode(body))
        )
    }

    fn write(&self, id: &str, text: &str) -> Result<()> {
        self.check_space(text)?;
        durable::write_private_durably(&self.path(id), text.as_bytes()).context("writing a body that was refused")
    }

    fn check_space(&self, text: &str) -> Result<()> {
        if let Ok(found) = rustix::fs::statvfs(&self.folder) {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            ensure!(free >= FREE_BYTES_LEAST + text.len() as u64, "the disk is nearly full");
        }
        Ok(())
    }

    /// Forgets what is too old; then the oldest, until there is room for so many bytes more.
    fn make_room(&self, index: &mut Index, bytes: u64, now: Time) -> Result<()> {
        self.forget_old(index, now);
        let taken = |index: &Index| index.lines.values().map(|line| line.file_bytes).sum::<u64>();
        let most = &self.limits;
        while index.lines.len() >= most.bodies || (taken(index) + bytes > most.all_bytes && !index.lines.is_empty()) {
            let Some(id) = index.lines.keys().next().cloned() else {
                break;
            };
            durable::remove_durably(&self.path(&id)).context("deleting a body that was refused")?;
            index.lines.remove(&id);
            index.pushed_out += 1;
            tracing::warn!(id, "a refused body went before its time, to make room for a later one");
        }
        Ok(())
    }

    fn forget_old(&self, index: &mut Index, now: Time) {
        let oldest = now - chrono::Duration::days(KEPT_DAYS);
        let old: Vec<String> = index
            .lines
            .values()
            .filter(|line| line.at < oldest)
            .map(|line| line.id.clone())
            .collect();
        for id in old {
            match durable::remove_durably(&self.path(&id)) {
                Ok(()) => drop(index.lines.remove(&id)),
                Err(error) => tracing::warn!(id, %error, "a refused body that is too old cannot be deleted"),
            }
        }
    }
}

/// Reads what a file says of itself; `None` if it is not named as the files are.
fn read_line(path: &Path, sealer: &Sealer) -> Result<Option<Line>> {
    let Some((id, at)) = path.file_stem().and_then(|stem| named(stem.to_str()?)) else {
        tracing::warn!(file = %path.display(), "a file among the refused bodies is none of them");
        return Ok(None);
    };
    let file_bytes = path
        .metadata()
        .with_context(|| format!("reading {}", path.display()))?
        .len();
    match head_of(path, sealer) {
        Ok(head) => Ok(Some(line(&id, head, file_bytes))),
        Err(error) => {
            tracing::warn!(file = %path.display(), error = format!("{error:#}"), "a refused body cannot be opened");
            Ok(Some(Line {
                id,
                at,
                last: at,
                times: 1,
                bytes: 0,
                posted: None,
                digest: String::new(),
                file_bytes,
            }))
        }
    }
}

fn head_of(path: &Path, sealer: &Sealer) -> Result<Head> {
    let mut first = String::new();
    BufReader::new(File::open(path)?.take(HEAD_BYTES_MOST)).read_line(&mut first)?;
    let head = sealer.unseal(first.trim_end())?;
    serde_json::from_str(&head).context("what it says of itself cannot be read")
}

/// The id in a file's name, and the time in that.
fn named(stem: &str) -> Option<(String, Time)> {
    let (time, digest) = stem.split_once('-')?;
    let is_digest = digest.len() == 8 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let at = chrono::NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%3fZ").ok()?;
    is_digest.then(|| (stem.to_owned(), at.and_utc()))
}

fn line(id: &str, head: Head, file_bytes: u64) -> Line {
    Line {
        id: id.to_owned(),
        at: head.at,
        last: head.at,
        times: 1,
        bytes: head.bytes,
        posted: Some(head.posted),
        digest: head.digest,
        file_bytes,
    }
}

/// What makes a body the same as another one: its bytes, and how it was to be taken.
fn digest_of(body: &[u8], posted: &Posted) -> String {
    let mut hash = Sha256::new();
    hash.update(body);
    hash.update(format!("{:?}", (&posted.source, &posted.arrival, &posted.account)));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
