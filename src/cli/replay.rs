//! `bellwether replay`: who would have been told what, if the rules of a folder had been in force.
//!
//! Events and what was told of them come as an archive does: from a running daemon, the state of a stopped one, or a file.
//! They are decided one after the other; what differs is put aside in files of its own, so that memory does not grow with
//! it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::archive::{Origin, State, Wanted, failed};
use super::client::Server;
use super::failure::{Exit, Failure};
use super::output::{self, Counter, count, one_line};
use super::problems::rendered;
use super::rules::{Decides, Folder};
use crate::archive::check::{Lines, Read, check, parse};
use crate::archive::{EventLine, Header, VerdictLine};
use crate::clock::{Clock, Time};
use crate::replay::page::{NAMED_MOST, Report, page};
use crate::replay::{Difference, Heard, Replay as Replaying, Summary, Telling, Totals};

/// How many rows and tellings are shown in a terminal.
const SHOWN_MOST: usize = 20;

/// Show who would have been told what under changed rules
///
/// The events that were heard are decided again by the rules in DIR, and what differs from what was told is shown by rule
/// and receiver. Nothing is sent and nothing is changed.
#[derive(Debug, Clone, clap::Args)]
pub struct Replay {
    /// From when on: `90d`, or a time [default: everything that is kept]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// The rules folder to try
    #[arg(long, value_name = "DIR")]
    rules: PathBuf,
    #[command(flatten)]
    decides: Decides,
    /// How the answer is written; `html` is a document to print or to send
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The state of a stopped daemon, instead of a running one
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "token_file", "archive"])]
    state: Option<PathBuf>,
    /// A file that `bellwether export` wrote, instead of a daemon
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "token_file"])]
    archive: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// One document of its own
    Html,
}

/// What differs, as it is found.
struct Found {
    summary: Summary,
    added: Spool,
    removed: Spool,
    totals: Totals,
    header: Option<Header>,
}

/// Tellings in a file of their own, one on each line.
struct Spool {
    file: BufWriter<File>,
    first: Vec<Telling>,
}

/// An event whose verdicts are being read.
struct Pending {
    line: EventLine,
    told: BTreeSet<(String, String, String)>,
    is_set_aside: bool,
}

impl Replay {
    /// Replays: 78 if the rules cannot be used.
    pub async fn run(self) -> Result<Exit> {
        let folder = Folder::read(Some(&self.rules), &self.decides)?;
        if folder.counts().0 > 0 {
            output::complain(&rendered(&folder.problems, output::may_colour(&std::io::stderr())));
            let errors = count(folder.counts().0, "error");
            let what = format!("the rules in {} cannot be used: {errors}", self.rules.display());
            return Err(Failure::new(Exit::Config, what)
                .hint("`bellwether check DIR` shows the same")
                .into());
        }
        let mut origin = self.origin()?;
        let mut found = Found::new()?;
        found.read(&mut origin, &self.wanted(), &folder).await?;
        let notes = found.notes(&folder);
        match self.format {
            Format::Json => found.print_json(&notes)?,
            Format::Text => output::print(&found.text(&self.rules.display().to_string(), &notes))?,
            Format::Html => output::print(&page(&Report {
                folder: &self.rules.display().to_string(),
                since: found.since(),
                now: found
                    .header
                    .as_ref()
                    .map_or_else(|| Clock::System.now(), |header| header.made),
                totals: found.totals,
                summary: &found.summary,
                added: &found.added.first,
                removed: &found.removed.first,
                notes: &notes,
            }))?,
        }
        Ok(Exit::Fine)
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            customer: None,
            since: self.since.clone(),
            with_deliveries: false,
        }
    }

    fn origin(&self) -> Result<Origin> {
        if let Some(state) = &self.state {
            return Ok(Origin::State(Box::new(State::open(state, self.decides.config())?)));
        }
        let Some(path) = &self.archive else {
            return Ok(Origin::Daemon(Box::new(self.server.client()?)));
        };
        let name = path.display().to_string();
        let open = || File::open(path).with_context(|| format!("opening {name}"));
        check(BufReader::new(open()?), &mut |_| ()).map_err(|error| failed(&name, error))?;
        Ok(Origin::File(Lines::of(BufReader::new(open()?))))
    }
}

impl Found {
    fn new() -> Result<Self> {
        Ok(Self {
            summary: Summary::default(),
            added: Spool::new()?,
            removed: Spool::new()?,
            totals: Totals::default(),
            header: None,
        })
    }

    /// From when on is compared.
    fn since(&self) -> Option<Time> {
        self.header.as_ref().and_then(|header| header.since)
    }

    async fn read(&mut self, origin: &mut Origin, wanted: &Wanted, folder: &Folder) -> Result<()> {
        let counter = Counter::new("events");
        let mut replay: Option<Replaying<'_>> = None;
        let (mut pending, mut after) = (None, None);
        let mut number = 0;
        loop {
            let page = origin.page(wanted, after.as_deref()).await?;
            for line in page.lines.split_inclusive(|byte| *byte == b'\n') {
                number += 1;
                let said = parse(line);
                let said = said.map_err(|(column, what)| {
                    Failure::new(Exit::Failed, format!("line {number}:{column} of the archive: {what}"))
                })?;
                if let Read::Header(header) = said {
                    let header = self.begin(header, wanted, origin)?;
                    replay = Some(Replaying::by(&folder.checked.set, header));
                    continue;
                }
                let replay = replay.as_mut().context("the archive does not begin with its header")?;
                self.line(said, replay, &mut pending)?;
                counter.at(replay.totals().events);
            }
            match page.after {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let mut replay = replay.context("the archive is empty")?;
        self.decide(pending.take(), &mut replay)?;
        self.totals = replay.totals();
        Ok(())
    }

    /// The header; a file's own `since` may be earlier than what is asked for.
    fn begin(&mut self, mut header: Header, wanted: &Wanted, origin: &Origin) -> Result<Option<Time>> {
        if let (Origin::File(_), Some(text)) = (origin, &wanted.since) {
            let asked = crate::archive::since(text, header.made);
            let asked = asked.map_err(|why| Failure::new(Exit::Usage, format!("--since: {why}")))?;
            header.since = Some(header.since.map_or(asked, |since| since.max(asked)));
        }
        let since = header.since;
        self.header = Some(header);
        Ok(since)
    }

    fn line(&mut self, said: Read, replay: &mut Replaying<'_>, pending: &mut Option<Pending>) -> Result<()> {
        match said {
            Read::Incident => {
                self.decide(pending.take(), replay)?;
                replay.begin_incident();
            }
            Read::Event(line) => {
                self.decide(pending.take(), replay)?;
                *pending = Some(Pending {
                    is_set_aside: line.nothing.as_ref().is_some_and(|why| why.contains("is set aside")),
                    line: *line,
                    told: BTreeSet::new(),
                });
            }
            Read::Verdict(verdict) => {
                if let Some(pending) = pending {
                    pending.add(*verdict);
                }
            }
            Read::Header(_)
            | Read::Set
            | Read::Correction(_)
            | Read::Saying(_)
            | Read::Delivery
            | Read::Attempt
            | Read::Mark(_)
            | Read::Trailer(_)
            | Read::Other(_) => {}
        }
        Ok(())
    }

    fn decide(&mut self, pending: Option<Pending>, replay: &mut Replaying<'_>) -> Result<()> {
        let Some(pending) = pending else { return Ok(()) };
        let (Some(at), Some(heard), Some(event)) = (pending.line.id, pending.line.heard, pending.line.event) else {
            replay.lose_event();
            return Ok(());
        };
        let tracking_id = event.tracking_id.clone();
        let difference = replay.event(Heard {
            at,
            heard,
            event,
            is_decided: pending.line.decided && !pending.is_set_aside,
            told: pending.told,
        });
        self.summary.add(&difference);
        let Difference { added, removed, .. } = difference;
        for (spool, told) in [(&mut self.added, added), (&mut self.removed, removed)] {
            for one in told {
                spool.push(Telling::of(at, &tracking_id, one))?;
            }
        }
        Ok(())
    }

    /// What could not be compared.
    fn notes(&self, folder: &Folder) -> Vec<String> {
        let mut notes = Vec::new();
        let totals = self.totals;
        let mut add = |count: u64, what: &str| {
            if count > 0 {
                notes.push(format!("{count} {what}"));
            }
        };
        add(
            totals.history,
            "events came as history, which tells nobody by any rules",
        );
        add(
            totals.undecided,
            "events are not decided, or are set aside: nothing was told of them",
        );
        add(
            totals.lost,
            "events have texts that are lost: they cannot be decided again",
        );
        if let Some(header) = &self.header {
            notes.extend(forgotten(header));
            if let Some(customer) = &header.customer {
                notes.push(format!(
                    "this is the part of the customer `{customer}`: what was told to others is not known"
                ));
            }
        }
        let receivers = folder.checked.set.files.values().flat_map(|file| &file.receivers);
        let secret = receivers
            .flat_map(|receiver| &receiver.to)
            .filter(|address| address.secret().is_some());
        if secret.count() > 0 {
            let what =
                "receivers are compared by name: whether the address behind a secret is another one is not known";
            notes.push(what.to_owned());
        }
        notes
    }

    fn print_json(self, notes: &[String]) -> Result<()> {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let written = self.write_json(notes, &mut out).and_then(|()| Ok(out.flush()?));
        match written {
            Err(error) if is_broken_pipe(&error) => Ok(()),
            written => written.context("writing to stdout"),
        }
    }

    fn write_json(self, notes: &[String], out: &mut impl Write) -> Result<()> {
        let about = About {
            same: self.summary.same,
            since: self.since(),
            totals: self.totals,
            not_compared: notes,
            rules: self.summary.rows(),
        };
        // the lists are written into the object, before the brace that closes it
        let about = serde_json::to_string(&about)?;
        out.write_all(about.strip_suffix('}').unwrap_or(&about).as_bytes())?;
        for (name, spool) in [("added", self.added), ("removed", self.removed)] {
            write!(out, ",\n\"{name}\":[")?;
            let mut is_first = true;
            spool.each(|line| {
                out.write_all(if is_first { b"\n" } else { b",\n" })?;
                is_first = false;
                Ok(out.write_all(line.as_bytes())?)
            })?;
            out.write_all(b"]")?;
        }
        Ok(out.write_all(b"}\n")?)
    }

    fn text(&self, folder: &str, notes: &[String]) -> String {
        let summary = &self.summary;
        let since = self
            .since()
            .map(|since| format!(" since {}", output::minute(Some(since))))
            .unwrap_or_default();
        let mut text = format!(
            "{} of {}{since}, by the rules in {folder}\n{} the same, {} added, {} removed\n",
            counted(self.totals.events, "event"),
            counted(self.totals.incidents, "incident"),
            summary.same,
            summary.added,
            summary.removed,
        );
        if summary.changed() > 0 {
            text.push_str(&self.table());
        }
        for (sign, spool, all) in [("+", &self.added, summary.added), ("-", &self.removed, summary.removed)] {
            for one in spool.first.iter().take(SHOWN_MOST) {
                text.push_str(&format!(
                    "{sign} {} (event {})  {}: {} -> {}\n",
                    one_line(&one.tracking_id, 40),
                    one.event,
                    one.customer,
                    one_line(&one.rule, 80),
                    one_line(&one.receiver, 40),
                ));
            }
            if all > SHOWN_MOST as u64 {
                text.push_str(&format!(
                    "{sign} and {} more: --format json lists all of them\n",
                    all - SHOWN_MOST as u64
                ));
            }
        }
        for note in notes {
            text.push_str(&output::wrapped_as(note, "not compared: ", "    "));
        }
        text
    }

    /// The pairs of a rule and a receiver that differ, the most first.
    fn table(&self) -> String {
        let mut table = output::table(&["customer", "rule", "receiver", "same", "added", "removed"]);
        let rows = self.summary.rows();
        for row in rows.iter().take(SHOWN_MOST.min(self.summary.changed())) {
            let numbers = [row.same, row.added, row.removed].map(|number| number.to_string());
            let names = [&row.customer, &row.rule, &row.receiver].map(|name| one_line(name, 60));
            table.add_row(names.into_iter().chain(numbers));
        }
        format!("\n{}\n", output::lines(&table))
    }
}

/// The answer for programs, without its two long lists.
#[derive(Serialize)]
struct About<'a> {
    same: u64,
    since: Option<Time>,
    totals: Totals,
    not_compared: &'a [String],
    /// By rule and receiver.
    rules: Vec<crate::replay::Row>,
}

/// What retention has taken of the time that is asked for.
fn forgotten(header: &Header) -> Option<String> {
    let seconds = header.kept.events_seconds?;
    let kept = chrono::Duration::seconds(i64::try_from(seconds).ok()?);
    let oldest = header.made.checked_sub_signed(kept)?;
    let is_asked = header.since.is_none_or(|since| since < oldest);
    is_asked.then(|| {
        let days = kept.num_days();
        format!(
            "events are kept for {days} days here: what was heard before {} may be forgotten",
            output::minute(Some(oldest))
        )
    })
}

fn counted(number: u64, one: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), one)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

impl Pending {
    fn add(&mut self, verdict: VerdictLine) {
        // held is told, too, only later
        if verdict.verdict == "withheld" || Some(verdict.event) != self.line.id {
            return;
        }
        for receiver in verdict.receivers {
            self.told
                .insert((verdict.customer.clone(), verdict.rule.clone(), receiver));
        }
    }
}

impl Spool {
    fn new() -> Result<Self> {
        let file = tempfile::tempfile().context("making a file for what differs")?;
        Ok(Self {
            file: BufWriter::new(file),
            first: Vec::new(),
        })
    }

    fn push(&mut self, telling: Telling) -> Result<()> {
        let mut line = serde_json::to_vec(&telling).context("writing what differs")?;
        line.push(b'\n');
        self.file.write_all(&line).context("writing what differs")?;
        if self.first.len() < NAMED_MOST {
            self.first.push(telling);
        }
        Ok(())
    }

    /// Every telling, as JSON.
    fn each(self, mut take: impl FnMut(&str) -> Result<()>) -> Result<()> {
        let mut file = self.file.into_inner().context("writing what differs")?;
        file.seek(SeekFrom::Start(0)).context("reading what differs")?;
        BufReader::new(file)
            .lines()
            .try_for_each(|line| take(&line.context("reading what differs")?))
    }
}
