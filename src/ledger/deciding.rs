//! What is being decided, noted where it outlives this process: what ends the daemon twice is set aside, so that it
//! cannot end it at every start.
//!
//! The note is written without a sync before each decision: it is for a process that died (killed by the watchdog, out
//! of memory), and survives that; after a power failure nobody is suspected.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Context as _, Result};

use super::Writer;
use super::decide::Subject;
use super::make::Made;
use crate::notification::hash;
use crate::record::Input;
use crate::{journal, store};

/// So often the process may die in one decision, or the decision fail by itself; then its subject is set aside.
const ENDS_MOST: u32 = 2;

/// How many attempts are decided one by one after a start that followed a death among attempts.
const ALONE_AFTER_A_DEATH: usize = 1_000;

/// Hex digits of a subject's name.
const NAME: usize = 32;

/// What several attempts are called together.
const ATTEMPTS: &str = "attempts";

/// The note of what is being decided.
#[derive(Default)]
pub(super) struct Deciding {
    /// `1` or `0` for begun or ended, then what; then the suspect, how often it ended the process and how often it failed.
    file: Option<File>,
    current: Option<String>,
    suspect: Option<Suspect>,
    /// So many attempts are decided one by one.
    alone: usize,
}

/// What ended the daemon before.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Suspect {
    name: String,
    deaths: u32,
    failures: u32,
}

impl Deciding {
    /// Looks what the process before this one was deciding when it ended.
    ///
    /// # Errors
    /// When the note cannot be read or written.
    pub fn open(state: &Path) -> Result<Self> {
        let path = state.join("deciding");
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        let mut bytes = vec![0; 256];
        let read = file
            .read_at(&mut bytes, 0)
            .with_context(|| format!("reading {}", path.display()))?;
        let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
        let mut suspect = text.lines().nth(1).and_then(Suspect::read);
        if let Some(name) = text.strip_prefix("1 ").and_then(|rest| rest.get(..NAME)) {
            let known = suspect.take().filter(|suspect| suspect.name == name);
            let known = known.unwrap_or_else(|| Suspect::new(name));
            suspect = Some(Suspect {
                deaths: known.deaths + 1,
                ..known
            });
        }
        let is_among_attempts = suspect
            .as_ref()
            .is_some_and(|suspect| suspect.name == hash(&[ATTEMPTS]));
        let deciding = Self {
            file: Some(file),
            current: None,
            suspect,
            alone: if is_among_attempts { ALONE_AFTER_A_DEATH } else { 0 },
        };
        deciding.write(0, &format!("0 {:NAME$}\n", ""));
        deciding.write_suspect();
        Ok(deciding)
    }

    /// Notes what is being decided from here on.
    fn begin(&mut self, name: String) {
        self.write(0, &format!("1 {name}\n"));
        self.current = Some(name);
    }

    /// It is decided.
    pub fn end(&mut self) {
        self.write(0, "0");
        let current = self.current.take();
        if self
            .suspect
            .as_ref()
            .is_some_and(|suspect| Some(&suspect.name) == current.as_ref())
        {
            self.suspect = None;
            self.write_suspect();
        }
    }

    /// Why something must not be decided: the process died of it before.
    fn why_not(&self, name: &str) -> Option<String> {
        let suspect = self.suspect.as_ref().filter(|suspect| suspect.name == name)?;
        (suspect.deaths >= ENDS_MOST)
            .then(|| format!("the daemon ended {} times while this was decided", suspect.deaths))
    }

    /// What is being decided failed by itself; whether that is to end the daemon, so that the store is built again before
    /// it is tried once more.
    fn is_failure_to_end(&mut self) -> bool {
        let Some(name) = self.current.take() else { return true };
        let known = self.suspect.take().filter(|suspect| suspect.name == name);
        let known = known.unwrap_or_else(|| Suspect::new(&name));
        let failures = known.failures + 1;
        self.suspect = Some(Suspect { failures, ..known });
        self.write_suspect();
        failures < ENDS_MOST
    }

    /// Whether attempts are decided one by one, so that the one that cannot be decided is found.
    pub fn are_attempts_decided_alone(&mut self) -> bool {
        let is_alone = self.alone > 0;
        self.alone = self.alone.saturating_sub(1);
        is_alone
    }

    fn write_suspect(&self) {
        let text = self.suspect.as_ref().map_or_else(
            || format!("{:NAME$} 000 000\n", ""),
            |suspect| {
                format!(
                    "{} {:03} {:03}\n",
                    suspect.name,
                    suspect.deaths.min(999),
                    suspect.failures.min(999)
                )
            },
        );
        self.write(NAME as u64 + 3, &text);
    }

    /// A note that cannot be written is missed only by a process that dies of a decision.
    fn write(&self, at: u64, text: &str) {
        if let Some(file) = &self.file
            && let Err(error) = file.write_all_at(text.as_bytes(), at)
        {
            tracing::debug!(%error, "what is being decided could not be noted");
        }
    }
}

impl Suspect {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            deaths: 0,
            failures: 0,
        }
    }

    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let name = words.next().filter(|name| name.len() == NAME)?;
        Some(Self {
            deaths: words.next()?.parse().ok()?,
            failures: words.next()?.parse().ok()?,
            ..Self::new(name)
        })
    }
}

impl Subject {
    /// A name of fixed length by which it is known after a start: an event by what it says, because its sender was not
    /// answered, and sends it again.
    fn name(&self) -> String {
        match self {
            Subject::Kept(waiting) => {
                let Some(Input::Heard { event }) = &waiting.input else {
                    return hash(&["input", &waiting.at.to_string()]);
                };
                let (provider, published) = (event.provider.word(), event.published.to_rfc3339());
                hash(&["event", provider, &event.tracking_id, &event.title, &published])
            }
            Subject::Attempts(attempts) => match &attempts[..] {
                [attempt] => hash(&["attempt", &attempt.delivery]),
                _ => hash(&[ATTEMPTS]),
            },
            Subject::Nothing => hash(&["nothing"]),
            Subject::Due { deadline, .. } => {
                let deadline = serde_json::to_string(deadline).expect("a deadline is JSON");
                hash(&["deadline", &deadline])
            }
        }
    }
}

impl Writer {
    /// Decides; or, if that cannot be done, sets the subject aside. `None` if several attempts are to be decided one by
    /// one.
    ///
    /// # Errors
    /// When store, journal or disk fail, or the decision fails for the first time: the daemon ends, and tries it once more
    /// with a store that is built again.
    pub(super) fn made_or_set_aside(&mut self, subject: &mut Subject) -> Result<Option<Made>> {
        if let Subject::Kept(waiting) = subject
            && waiting.input.is_none()
        {
            waiting.input = self.input_of(waiting);
        }
        let subject = &*subject;
        let name = subject.name();
        let why_not = self.deciding.why_not(&name);
        self.deciding.begin(name);
        let why = match why_not {
            Some(why) => why,
            None => match catch_unwind(AssertUnwindSafe(|| self.make(subject))) {
                Ok(Ok(made)) => return Ok(Some(made)),
                Ok(Err(error)) if is_of_disk(&error) || self.deciding.is_failure_to_end() => {
                    self.deciding.end();
                    return Err(error);
                }
                Ok(Err(error)) => format!("it failed again with a store built anew: {error:#}"),
                Err(panic) => format!("the decision panicked: {}", words_of(panic.as_ref())),
            },
        };
        if let Subject::Attempts(attempts) = subject
            && attempts.len() > 1
        {
            self.deciding.alone = attempts.len();
            self.deciding.end();
            return Ok(None);
        }
        self.make_set_aside(subject, why).map(Some)
    }
}

/// What a start does with the note of the process before it.
#[cfg(test)]
pub(crate) fn note_of_deaths(state: &Path) {
    drop(Deciding::open(state).expect("opens"));
}

/// Whether an error says nothing about what was decided: the disk, or what is kept on it, failed.
fn is_of_disk(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.is::<std::io::Error>() || cause.is::<journal::Error>() || store::is_of_sled(cause))
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word").chars().take(300).collect()
}
