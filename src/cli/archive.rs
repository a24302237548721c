//! Where the pages of an archive come from: a running daemon, the state of a stopped one, or a file that was made before.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::client::Client;
use super::failure::{Exit, Failure};
use super::rules;
use crate::archive::check::{Failed, Lines, parse_as};
use crate::archive::{self, Asked, Mark};
use crate::clock::{Clock, Time};
use crate::config::{Flags, Settings};
use crate::customer::{CustomerId, Viewer};
use crate::daemon::StateLock;
use crate::journal::{self, Journal};
use crate::ledger::Past;
use crate::rule::RuleSet;
use crate::rule::check::Deciding;
use crate::secret::{LinkKey, Sealer};
use crate::store::{Store, rebuild};
use crate::view::story::Sources;
use crate::view::visibility::Visibility;

/// What is asked for, the same for all pages.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Whose part; none: all that the token may read.
    pub customer: Option<String>,
    /// From when on, as it was typed.
    pub since: Option<String>,
    /// Whether deliveries and attempts are wanted, too.
    pub with_deliveries: bool,
}

/// Where pages come from.
pub enum Origin {
    /// A running daemon.
    Daemon(Box<Client>),
    /// The state of a stopped one.
    State(Box<State>),
    /// An archive.
    File(Lines<BufReader<std::fs::File>>),
}

/// The state of a stopped daemon, opened aside: what it holds is put together in a place of its own, and nothing of it
/// is changed.
pub struct State {
    store: Store,
    reader: journal::Reader,
    past: Past,
    settings: Settings,
    now: Time,
    /// The key of this state directory, if it lies there.
    links: Option<LinkKey>,
    _journal: Journal,
    _dir: tempfile::TempDir,
    _lock: StateLock,
}

/// A page: its lines, and what to ask for behind it.
pub struct Page {
    /// The lines, without the mark.
    pub lines: Vec<u8>,
    /// Behind what there is more.
    pub after: Option<String>,
    /// The mark, as a line.
    pub mark: Vec<u8>,
}

/// How many lines of a file are taken for a page.
const FILE_LINES: usize = 1_000;

impl Origin {
    /// The page behind a mark.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn page(&mut self, wanted: &Wanted, after: Option<&str>) -> Result<Page> {
        match self {
            Self::Daemon(client) => split(client.text(&["export"], &wanted.query(after)).await?),
            Self::State(state) => split(state.page(wanted, after)?),
            Self::File(lines) => next_of_file(lines),
        }
    }
}

impl Wanted {
    fn query(&self, after: Option<&str>) -> Vec<(&'static str, String)> {
        let given = [
            ("customer", self.customer.as_deref()),
            ("since", self.since.as_deref()),
            ("after", after),
            ("deliveries", (!self.with_deliveries).then_some("no")),
        ];
        let given = given.into_iter();
        given
            .filter_map(|(key, value)| Some((key, value?.to_owned())))
            .collect()
    }
}

/// A page as it was answered: its last line is the mark.
fn split(bytes: Vec<u8>) -> Result<Page> {
    let stranger = || Failure::new(Exit::Failed, "what was answered is no page of an archive");
    let end = bytes.strip_suffix(b"\n").ok_or_else(stranger)?;
    let begin = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mark: Mark = parse_as(&end[begin..]).map_err(|_| stranger())?;
    Ok(Page {
        after: mark.after,
        mark: bytes[begin..].to_vec(),
        lines: bytes[..begin].to_vec(),
    })
}

/// The next lines of a file; there is nothing to go on from but the file itself.
fn next_of_file(lines: &mut Lines<BufReader<std::fs::File>>) -> Result<Page> {
    let mut page = Page {
        lines: Vec::new(),
        after: None,
        mark: Vec::new(),
    };
    for _ in 0..FILE_LINES {
        match lines.next_line()? {
            Some((_, line)) => page.lines.extend(line),
            None => return Ok(page),
        }
    }
    page.after = Some("more".to_owned());
    Ok(page)
}

impl State {
    /// Opens the state of a daemon that does not run, with the settings that say who owns what.
    ///
    /// # Errors
    /// When a daemon runs with it, or it holds no journal.
    pub fn open(state: &Path, config: Option<&Path>) -> Result<Self> {
        let journal = state.join("journal");
        if !journal.is_dir() {
            let what = format!("{} holds no journal", state.display());
            let hint = "--state names the directory that `serve` was given";
            return Err(Failure::new(Exit::Failed, what).hint(hint).into());
        }
        let lock = StateLock::take(state).map_err(|error| in_use(state, error))?;
        let (settings, _) = rules::settings(config, &Flags::default())?;
        let key = state.join("state.key");
        let sealer = key.is_file().then(|| Sealer::open(&key, true).ok()).flatten();
        let links = sealer.map(|sealer| LinkKey::of(&sealer));
        let options = journal::Options::default();
        let (journal, _) = Journal::open(&journal, options).context("opening the journal")?;
        let dir = tempfile::tempdir().context("making a place for a store")?;
        let reader = journal.reader();
        let store = rebuild::aside(state, dir.path(), &reader).context("putting together what the state holds")?;
        let customers = settings.customers.clone();
        // the rules of then are asked for by nobody who reads an archive
        let none = move || {
            let deciding = Deciding::new(customers.clone(), None, false).map_err(anyhow::Error::msg)?;
            anyhow::Ok(RuleSet::new(BTreeMap::new(), &deciding))
        };
        let now = Arc::new(none()?);
        let compile = Arc::new(move |_: &[(String, String)], _: Option<&str>| none());
        let past = Past::new(
            store.view().clone(),
            reader.clone(),
            compile,
            now,
            None,
            Arc::new(settings.reviews.clone()),
        );
        Ok(Self {
            store,
            reader,
            past,
            settings,
            now: Clock::System.now(),
            links,
            _journal: journal,
            _dir: dir,
            _lock: lock,
        })
    }

    fn page(&self, wanted: &Wanted, after: Option<&str>) -> Result<Vec<u8>> {
        let usage = |why: String| Failure::new(Exit::Usage, why);
        let since = wanted.since.as_deref().map(|text| archive::since(text, self.now));
        let after = after.map(|text| text.parse().map_err(|why: &str| usage(why.to_owned())));
        let viewer = match &wanted.customer {
            None => Viewer::Operator,
            Some(name) => self.customer(name)?,
        };
        let asked = Asked {
            of: self.links.as_ref().map(|links| links.archive(viewer.customer())),
            since: since.transpose().map_err(|why| usage(format!("--since: {why}")))?,
            with_deliveries: wanted.with_deliveries,
            after: after.transpose()?,
        };
        asked.goes_on().map_err(|why| usage(why.to_owned()))?;
        let sources = Sources {
            visibility: Visibility::of(self.store.view(), &self.settings.customers, &viewer),
            journal: &self.reader,
            past: &self.past,
        };
        archive::answer(&sources, &asked, self.now, self.settings.retention.kept())
    }

    fn customer(&self, name: &str) -> Result<Viewer> {
        let customer = CustomerId::new(name);
        let known = self.settings.customers.by_name.as_ref();
        match known.is_some_and(|known| known.contains_key(&customer)) {
            true => Ok(Viewer::Customer(customer)),
            false => {
                let what = format!("the settings know no customer `{name}`");
                let hint = "--config FILE names the settings that say who owns what";
                Err(Failure::new(Exit::Usage, what).hint(hint).into())
            }
        }
    }
}

fn in_use(state: &Path, error: anyhow::Error) -> anyhow::Error {
    if !error.to_string().contains("in use") {
        return error;
    }
    let what = format!("a daemon runs with the state {}", state.display());
    Failure::new(Exit::Failed, what)
        .hint("ask the daemon: leave out --state, and give --server and a token; or stop it first")
        .into()
}

/// An error of reading a file of an archive, with the file's name.
pub fn failed(file: &str, failed: Failed) -> anyhow::Error {
    match failed {
        Failed::Problem(problem) => {
            let what = format!("{file}:{}:{}: {}", problem.line, problem.column, problem.what);
            Failure::new(Exit::Failed, what).hint(problem.hint).into()
        }
        Failed::Io(error) => anyhow::Error::new(error).context(format!("reading {file}")),
    }
}

/// How many were new, as a daemon says it.
pub fn number(answer: &Value, key: &str) -> u64 {
    answer.get(key).and_then(Value::as_u64).unwrap_or_default()
}
