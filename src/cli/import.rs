//! `bellwether import`: an archive, or Azure's own list of events, into a daemon as history.
//!
//! The whole file is read and checked before anything is sent, so that nothing comes of one that is cut or damaged. What
//! is there already is passed over: importing twice changes nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::archive::{failed, number};
use super::client::{Client, Server};
use super::failure::{Exit, Failure};
use super::output::{self, Counter, Format, count};
use crate::archive::check::{Lines, check, kind_of};
use crate::archive::{EventLine, LINES_TOGETHER_MOST, Line};
use crate::event::{self, Arrival, Malformed, Source};

/// How many bytes of events are sent together, unless one is larger.
const TOGETHER_BYTES: usize = 1 << 20;

/// The kinds of lines of what was said of claims, downtimes and impacted resources.
const SAID: [&str; 4] = ["claim-reminders", "claim", "downtime", "resources"];

/// The largest list of a provider that is read, bytes: it is one JSON value, and is held whole.
const LIST_BYTES_MOST: u64 = 256 << 20;

/// Take an archive in as history: kept and shown, and told to nobody
///
/// FILE is what `bellwether export` wrote, or Azure's answer of `Microsoft.ResourceHealth/events`. It is checked whole
/// before anything is taken in; what is there already is passed over. Needs a token of `tokens: operate:`.
#[derive(Debug, Clone, clap::Args)]
pub struct Import {
    /// The file, or `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The account (subscription) that events of a provider's list belong to which name none
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Only check the file
    #[arg(long)]
    check: bool,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Answer {
    /// Events that were new.
    new: u64,
    /// Events that were there already.
    known: u64,
    /// Events that stand in the file.
    events: u64,
    /// Corrections of persons that were new.
    corrections_new: u64,
    /// Corrections that were there already.
    corrections_known: u64,
    /// Corrections that stand in the file.
    corrections: u64,
    /// Lines of what was said of claims, downtimes and impacted resources that were new.
    said_new: u64,
    /// Those that were there already.
    said_known: u64,
    /// Those that could not be taken in.
    said_passed_over: u64,
    /// Those that stand in the file.
    said: u64,
    /// Events whose text was lost before the archive was made.
    lost: u64,
    /// Events whose text the provider withheld: their incidents are shown as incomplete until it comes.
    text_withheld: u64,
    /// What else is to be said, as sentences.
    notes: Vec<String>,
}

impl Import {
    /// Checks, and takes it in.
    pub async fn run(self) -> Result<Exit> {
        let name = match self.file.as_os_str() == "-" {
            true => "stdin".to_owned(),
            false => self.file.display().to_string(),
        };
        let mut file = self.open(&name)?;
        let mut answer = Answer::default();
        let lines = match is_archive(&mut file)? {
            true => {
                check_archive(&mut file, &name, &mut answer)?;
                file
            }
            false => self.list(file, &name, &mut answer)?,
        };
        if !self.check {
            send(&self.server.client()?, lines, &name, &mut answer).await?;
        }
        match self.format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => output::print(&answer.text(&name, self.check))?,
        }
        Ok(Exit::Fine)
    }

    /// The file; what comes through a pipe is put into one, because it is read twice.
    fn open(&self, name: &str) -> Result<File> {
        if self.file.as_os_str() != "-" {
            let file = File::open(&self.file).with_context(|| format!("opening {name}"))?;
            if file.metadata().is_ok_and(|about| about.is_file()) {
                return Ok(file);
            }
            return spooled(file, name);
        }
        spooled(std::io::stdin().lock(), name)
    }

    /// The events of a provider's list, as lines of an archive.
    fn list(&self, mut file: File, name: &str, answer: &mut Answer) -> Result<File> {
        let size = file.metadata().context("looking at the file")?.len();
        if size > LIST_BYTES_MOST {
            let what = format!(
                "{name} has {} MiB: a provider's list of at most {} is read",
                size >> 20,
                LIST_BYTES_MOST >> 20
            );
            return Err(Failure::new(Exit::Failed, what)
                .hint("ask the provider for fewer events at once")
                .into());
        }
        let mut body = Vec::new();
        file.read_to_end(&mut body).with_context(|| format!("reading {name}"))?;
        let refuse = |malformed: Malformed| refused(name, &body, malformed);
        let parsed = event::parse(&body, Some(Source::Azure), Arrival::History, event::Stop::default());
        let mut parsed = parsed.map_err(refuse)?;
        if let Some(unreadable) = parsed.unreadable.clone() {
            return Err(refused(name, &body, unreadable));
        }
        let mut lines = tempfile::tempfile().context("making a file for the events")?;
        let mut out = std::io::BufWriter::new(&mut lines);
        while let Some(mut event) = parsed.next_event() {
            if event.accounts.is_empty() {
                event
                    .accounts
                    .extend(self.account.as_ref().map(|account| account.trim().to_lowercase()));
            }
            answer.events += 1;
            answer.text_withheld += u64::from(event.text_withheld);
            let line = Line::Event(Box::new(EventLine::of_answer(event)));
            out.write_all(&line.to_bytes()).context("writing the events")?;
        }
        out.flush().context("writing the events")?;
        drop(out);
        if parsed.ignored_count > 0 {
            let passed_over = count(parsed.ignored_count, "element");
            answer.notes.push(format!(
                "{passed_over} of {name} are no health events and are passed over"
            ));
        }
        Ok(lines)
    }
}

/// What a pipe brings, in a file.
fn spooled(mut from: impl std::io::Read, name: &str) -> Result<File> {
    let mut file = tempfile::tempfile().context("making a file for what is read")?;
    std::io::copy(&mut from, &mut file).with_context(|| format!("reading {name}"))?;
    file.seek(SeekFrom::Start(0)).context("going to its beginning")?;
    Ok(file)
}

/// Whether the first line is a JSON object of its own that says what it is.
fn is_archive(file: &mut File) -> Result<bool> {
    let mut line = Vec::new();
    // a header is short
    BufReader::new(&mut *file).take(64 << 10).read_until(b'\n', &mut line)?;
    file.seek(SeekFrom::Start(0)).context("going to the file's beginning")?;
    let is_line = kind_of(&line).is_some();
    Ok(is_line || line.is_empty() || !line.iter().any(|byte| matches!(byte, b'{' | b'[')))
}

fn check_archive(file: &mut File, name: &str, answer: &mut Answer) -> Result<()> {
    let counter = Counter::new("bytes checked");
    let checked = check(BufReader::new(&mut *file), &mut |bytes| counter.at(bytes));
    let checked = checked.map_err(|error| failed(name, error))?;
    let of = |kind: &str| checked.counts.get(kind).copied().unwrap_or_default();
    (answer.events, answer.lost) = (of("event"), checked.lost);
    answer.corrections = of("correction");
    answer.said = SAID.into_iter().map(of).sum();
    if let Some(customer) = &checked.header.customer {
        answer.notes.push(format!(
            "this is the part of the customer `{customer}`: other accounts are not in it"
        ));
    }
    let stays = of("verdict") + of("delivery") + of("attempt");
    if stays > 0 {
        answer.notes.push(format!(
            "{stays} lines of verdicts, deliveries and attempts stay in the archive: this daemon told nobody of them"
        ));
    }
    for (kind, lines) in &checked.unknown {
        answer.notes.push(format!(
            "{lines} lines of the kind `{kind}` are of a newer version and are passed over"
        ));
    }
    if checked.lost > 0 {
        let lost = checked.lost;
        answer.notes.push(format!(
            "{lost} events have no text, which was lost before the archive was made: they are passed over"
        ));
    }
    Ok(())
}

/// Sends the lines of events and of what persons said, some together.
async fn send(client: &Client, mut file: File, name: &str, answer: &mut Answer) -> Result<()> {
    file.seek(SeekFrom::Start(0)).context("going to the file's beginning")?;
    let mut lines = Lines::of(BufReader::new(file));
    let counter = Counter::new("lines");
    let (mut group, mut together, mut done) = (Vec::new(), 0, 0);
    let mut unknown_customers = BTreeSet::new();
    loop {
        let line = lines.next_line().map_err(|error| failed(name, error))?;
        let line = line.map(|(_, line)| line);
        let is_end = line.is_none();
        let next = line.filter(|line| kind_of(line).is_some_and(|kind| is_taken(&kind)));
        let bytes = next.as_ref().map_or(0, Vec::len);
        let is_full = together == LINES_TOGETHER_MOST || group.len() + bytes > TOGETHER_BYTES;
        if together > 0 && (is_end || is_full) {
            let taken = client.post_lines(&["import"], std::mem::take(&mut group)).await?;
            answer.new += number(&taken, "new");
            answer.known += number(&taken, "known");
            answer.corrections_new += number(&taken, "corrections_new");
            answer.corrections_known += number(&taken, "corrections_known");
            answer.said_new += number(&taken, "said_new");
            answer.said_known += number(&taken, "said_known");
            answer.said_passed_over += number(&taken, "said_passed_over");
            let unknown = taken["unknown_customers"].as_array().into_iter().flatten();
            unknown_customers.extend(unknown.filter_map(|name| name.as_str().map(str::to_owned)));
            done += together as u64;
            counter.at(done);
            together = 0;
        }
        if let Some(line) = next {
            group.extend(line);
            together += 1;
        }
        if is_end {
            answer.notes.extend(not_shown_to(&unknown_customers));
            return Ok(());
        }
    }
}

/// Whether lines of this kind are taken in.
fn is_taken(kind: &str) -> bool {
    matches!(kind, "event" | "correction") || SAID.contains(&kind)
}

/// That customers are named which the daemon does not have.
fn not_shown_to(customers: &BTreeSet<String>) -> Option<String> {
    const NAMED_MOST: usize = 10;
    let names: Vec<String> = customers
        .iter()
        .take(NAMED_MOST)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = customers.len().saturating_sub(NAMED_MOST);
    let more = if more > 0 {
        format!(" and {more} others")
    } else {
        String::new()
    };
    (!customers.is_empty()).then(|| {
        format!(
            "claims, downtimes or resources are of customers that this daemon does not have: {}{more}; they are kept, and shown \
             to the operator alone until there is such a customer",
            names.join(", ")
        )
    })
}

/// What of a provider's list cannot be read, with its line and column.
fn refused(name: &str, body: &[u8], malformed: Malformed) -> anyhow::Error {
    let offset = malformed.offset.unwrap_or(0).min(body.len());
    let line = body[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
    let begin = body[..offset]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let field = malformed.field.map(|field| format!("`{field}`: ")).unwrap_or_default();
    let what = format!("{name}:{line}:{}: {field}{}", offset - begin + 1, malformed.what);
    let hint = malformed.hint.unwrap_or_else(|| {
        "an archive of `bellwether export`, or Azure's answer of `Microsoft.ResourceHealth/events`, is read here"
            .to_owned()
    });
    Failure::new(Exit::Failed, what).hint(hint).into()
}

impl Answer {
    fn text(&self, name: &str, is_checked_only: bool) -> String {
        let events = count(usize::try_from(self.events).unwrap_or(usize::MAX), "event");
        let mut text = match is_checked_only {
            true => format!("{name} is sound: {events}\n"),
            false => format!("{events}: {} new, {} there already\n", self.new, self.known),
        };
        if self.corrections > 0 && !is_checked_only {
            let corrections = count(usize::try_from(self.corrections).unwrap_or(usize::MAX), "correction");
            let (new, known) = (self.corrections_new, self.corrections_known);
            text.push_str(&format!("{corrections} of persons: {new} new, {known} there already\n"));
        }
        if self.said > 0 && !is_checked_only {
            let said = count(usize::try_from(self.said).unwrap_or(usize::MAX), "line");
            let (new, known) = (self.said_new, self.said_known);
            text.push_str(&format!(
                "{said} on claims, downtimes and resources: {new} new, {known} there already\n"
            ));
        }
        if self.said_passed_over > 0 {
            text.push_str(&output::wrapped(
                &format!(
                    "{} of them could not be taken in: their incident is not kept here, more are kept than may be, or their time has not come",
                    self.said_passed_over
                ),
                "",
            ));
        }
        if self.text_withheld > 0 {
            text.push_str(&output::wrapped(
                &format!(
                    "the provider withheld the text of {} (they are sensitive): these incidents are shown as incomplete until \
                     it comes (`fetchEventDetails` of the REST API gives it)",
                    self.text_withheld
                ),
                "",
            ));
        }
        for note in &self.notes {
            text.push_str(&output::wrapped(note, ""));
        }
        text
    }
}
