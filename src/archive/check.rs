//! Reading a file from outside, line by line: what each says, and what is wrong, with its place and what to do.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{
    AttemptLine, CorrectionLine, DeliveryLine, EventLine, FORMAT, Header, IncidentLine, LINE_BYTES_MOST, Mark, Saying,
    SetLine, Trailer, Unfit, VERSION, VerdictLine,
};

/// What to do about a file that is damaged.
const MAKE_ANOTHER: &str = "make it again with `bellwether export`; nothing of it was taken in";

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {what}")]
pub struct Problem {
    /// The line, from 1 on.
    pub line: u64,
    /// The column in bytes, from 1 on.
    pub column: usize,
    /// What is wrong, as a sentence without a full stop.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// It is no sound archive.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The system could not read it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a line says, as far as somebody reads it; the others are only looked at.
#[derive(Debug)]
pub enum Read {
    /// The first one.
    Header(Header),
    /// An incident.
    Incident,
    /// An event.
    Event(Box<EventLine>),
    /// Accounts.
    Set,
    /// A verdict.
    Verdict(Box<VerdictLine>),
    /// A person's correction.
    Correction(Box<CorrectionLine>),
    /// What people said of a claim, of downtime, or of resources.
    Saying(Saying),
    /// A delivery.
    Delivery,
    /// An attempt.
    Attempt,
    /// A place to go on from.
    Mark(Mark),
    /// The last one.
    Trailer(Trailer),
    /// A kind of lines that this version does not know.
    Other(String),
}

/// What a whole file holds.
#[derive(Debug)]
pub struct Checked {
    /// What it is.
    pub header: Header,
    /// How many lines of each kind.
    pub counts: BTreeMap<String, u64>,
    /// Kinds that this version does not know, and how many lines of each are passed over.
    pub unknown: BTreeMap<String, u64>,
    /// Events whose text was lost before the archive was made.
    pub lost: u64,
}

/// The lines of a file, each with its number.
pub struct Lines<R> {
    reader: R,
    number: u64,
    /// Bytes read so far.
    pub bytes: u64,
}

/// Counts lines and their bytes, as the trailer says them.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    lines: u64,
    counts: BTreeMap<String, u64>,
    hash: Sha256,
}

#[derive(Deserialize)]
struct Tag<'t> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'t, str>,
}

impl Tally {
    /// Adds a line with its end.
    pub fn add(&mut self, kind: &str, line: &[u8]) {
        self.lines += 1;
        *self.counts.entry(kind.to_owned()).or_default() += 1;
        self.hash.update(line);
    }

    /// How many lines there are.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The last line behind these.
    pub fn trailer(&self) -> Trailer {
        let digest = self.hash.clone().finalize();
        Trailer {
            lines: self.lines,
            counts: self.counts.clone(),
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl<R: BufRead> Lines<R> {
    /// Of a file that is read from its beginning.
    pub fn of(reader: R) -> Self {
        Self {
            reader,
            number: 0,
            bytes: 0,
        }
    }

    /// The next line with its end, if it has one, and its number.
    ///
    /// # Errors
    /// When it is too long or cannot be read.
    pub fn next_line(&mut self) -> Result<Option<(u64, Vec<u8>)>, Failed> {
        let mut line = Vec::new();
        let most = LINE_BYTES_MOST as u64 + 1;
        let read = self.reader.by_ref().take(most).read_until(b'\n', &mut line)?;
        self.number += 1;
        self.bytes += read as u64;
        if line.len() > LINE_BYTES_MOST {
            return Err(Failed::Problem(Problem {
                line: self.number,
                column: LINE_BYTES_MOST,
                what: format!("this line has more than {} MiB", LINE_BYTES_MOST >> 20),
                hint: "an archive holds one JSON object on each line".to_owned(),
            }));
        }
        Ok((read > 0).then_some((self.number, line)))
    }
}

/// The kind of a line, as it names itself.
pub fn kind_of(line: &[u8]) -> Option<String> {
    let tag: Tag<'_> = serde_json::from_slice(line).ok()?;
    Some(tag.kind.into_owned())
}

/// What a line says.
///
/// # Errors
/// When it is no line of an archive: in which column, and what is wrong.
pub fn parse(line: &[u8]) -> Result<Read, (usize, String)> {
    let tag: Tag<'_> = read(line)?;
    Ok(match &*tag.kind {
        "header" => Read::Header(read(line)?),
        "incident" => read::<IncidentLine>(line).map(|_| Read::Incident)?,
        "event" => Read::Event(read(line)?),
        "set" => read::<SetLine>(line).map(|_| Read::Set)?,
        "verdict" => Read::Verdict(read(line)?),
        "correction" => Read::Correction(read(line)?),
        "claim-reminders" => Read::Saying(Saying::Reminders(read(line)?)),
        "claim" => Read::Saying(Saying::Claim(read(line)?)),
        "downtime" => Read::Saying(Saying::Downtime(read(line)?)),
        "resources" => Read::Saying(Saying::Resources(read(line)?)),
        "delivery" => read::<DeliveryLine>(line).map(|_| Read::Delivery)?,
        "attempt" => read::<AttemptLine>(line).map(|_| Read::Attempt)?,
        "mark" => Read::Mark(read(line)?),
        "trailer" => Read::Trailer(read(line)?),
        other => Read::Other(other.chars().filter(|c| !c.is_control()).take(60).collect()),
    })
}

fn read<'l, T: Deserialize<'l>>(line: &'l [u8]) -> Result<T, (usize, String)> {
    serde_json::from_slice(line).map_err(|error| {
        // serde names the place behind its words; it is said in front of them here
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or(&what).to_owned();
        (error.column().max(1), what)
    })
}

/// Reads a value that a line holds, for those who know its kind.
///
/// # Errors
/// As [`parse`].
pub fn parse_as<T: DeserializeOwned>(line: &[u8]) -> Result<T, (usize, String)> {
    read(line)
}

/// Reads a whole file; `seen` is told how many bytes were read.
///
/// # Errors
/// At the first thing that is wrong.
pub fn check(reader: impl BufRead, seen: &mut dyn FnMut(u64)) -> Result<Checked, Failed> {
    let mut lines = Lines::of(reader);
    let mut tally = Tally::default();
    let header = header(&mut lines, &mut tally)?;
    let mut checked = Checked {
        header,
        counts: BTreeMap::new(),
        unknown: BTreeMap::new(),
        lost: 0,
    };
    loop {
        let Some((number, line)) = lines.next_line()? else {
            let what = "the file ends without its last line, the trailer: it was cut";
            return Err(problem(
                tally.lines + 1,
                1,
                what,
                "`bellwether export --resume FILE` makes it whole",
            )
            .into());
        };
        let at = |(column, what): (usize, String)| match line.ends_with(b"\n") {
            true => problem(
                number,
                column,
                &format!("not a line of an archive: {what}"),
                MAKE_ANOTHER,
            ),
            false => {
                let what = "the file ends in the middle of this line: it was cut";
                problem(
                    number,
                    line.len(),
                    what,
                    "`bellwether export --resume FILE` makes it whole",
                )
            }
        };
        let said = parse(&line).map_err(at)?;
        let kind = match said {
            Read::Trailer(trailer) => {
                let is_last = lines.next_line()?.is_none();
                judge(&trailer, &tally, number, is_last)?;
                checked.counts = trailer.counts;
                return Ok(checked);
            }
            Read::Header(_) => {
                let what = "a second header: two archives stand in one file";
                return Err(problem(number, 1, what, "give each file by itself").into());
            }
            Read::Event(event) => {
                checked.lost += u64::from(event.event.is_none());
                check_event(*event, number, &line)?;
                "event".to_owned()
            }
            Read::Other(kind) => {
                *checked.unknown.entry(kind.clone()).or_default() += 1;
                kind
            }
            Read::Correction(correction) => {
                check_correction(*correction, number, &line)?;
                "correction".to_owned()
            }
            Read::Saying(saying) => {
                saying.checked().map_err(|unfit| unfit_line(&unfit, number, &line))?;
                kind_of(&line).unwrap_or_default()
            }
            Read::Incident => "incident".to_owned(),
            Read::Set => "set".to_owned(),
            Read::Verdict(_) => "verdict".to_owned(),
            Read::Delivery => "delivery".to_owned(),
            Read::Attempt => "attempt".to_owned(),
            Read::Mark(_) => "mark".to_owned(),
        };
        tally.add(&kind, &line);
        seen(lines.bytes);
    }
}

/// The first line.
fn header(lines: &mut Lines<impl BufRead>, tally: &mut Tally) -> Result<Header, Failed> {
    let stranger = |column: usize, what: &str| {
        let hint = "give a file that `bellwether export` wrote, or Azure's answer of `Microsoft.ResourceHealth/events`";
        Failed::Problem(problem(1, column, what, hint))
    };
    let Some((_, line)) = lines.next_line()? else {
        return Err(stranger(1, "the file is empty"));
    };
    let tag: Tag<'_> =
        read(&line).map_err(|(column, what)| stranger(column, &format!("this is no archive: {what}")))?;
    if tag.kind != "header" {
        return Err(stranger(1, "this is no archive: its first line is no header"));
    }
    let version: Version = read(&line).map_err(|(column, what)| stranger(column, &what))?;
    if version.format != FORMAT {
        return Err(stranger(1, "this is an archive of another program"));
    }
    if version.version > VERSION {
        let what = format!(
            "the archive has version {}, and this program reads {VERSION}",
            version.version
        );
        return Err(problem(
            1,
            1,
            &what,
            "take it in with the version of bellwether that wrote it, or a newer one",
        )
        .into());
    }
    let header: Header = read(&line).map_err(|(column, what)| stranger(column, &what))?;
    tally.add("header", &line);
    Ok(header)
}

#[derive(Deserialize)]
struct Version {
    format: String,
    version: u32,
}

fn judge(trailer: &Trailer, tally: &Tally, number: u64, is_last: bool) -> Result<(), Problem> {
    if !is_last {
        return Err(problem(number + 1, 1, "there is more behind the trailer", MAKE_ANOTHER));
    }
    let found = tally.trailer();
    if trailer.lines != found.lines {
        let what = format!(
            "the trailer counts {} lines, and there are {}",
            trailer.lines, found.lines
        );
        return Err(problem(number, 1, &what, MAKE_ANOTHER));
    }
    match trailer.sha256 == found.sha256 {
        true => Ok(()),
        false => Err(problem(
            number,
            1,
            "a line was changed: the digest is another one",
            MAKE_ANOTHER,
        )),
    }
}

fn check_event(line: EventLine, number: u64, text: &[u8]) -> Result<(), Problem> {
    let (provider, tracking_id) = (line.provider, line.tracking_id.clone());
    let Some(event) = line.into_event() else { return Ok(()) };
    if event.provider != provider || event.tracking_id != tracking_id {
        let what = "the event is of another incident than its line says";
        return Err(problem(number, 1, what, MAKE_ANOTHER));
    }
    event.taken_from_archive().map(drop).map_err(|unfit| {
        let key = format!("\"{}\":", unfit.field);
        let event = find(text, b"\"event\":{").unwrap_or(0);
        let column = find(&text[event..], key.as_bytes()).map_or(event, |at| event + at);
        let what = format!("`{}`: {}", unfit.field, unfit.what);
        problem(number, column + 1, &what, MAKE_ANOTHER)
    })
}

fn check_correction(line: CorrectionLine, number: u64, text: &[u8]) -> Result<(), Problem> {
    line.into_correction()
        .map(drop)
        .map_err(|unfit| unfit_line(&unfit, number, text))
}

fn unfit_line(unfit: &Unfit, number: u64, text: &[u8]) -> Problem {
    let key = format!("\"{}\":", unfit.field);
    let column = find(text, key.as_bytes()).unwrap_or(0);
    let what = format!("`{}`: {}", unfit.field, unfit.what);
    problem(number, column + 1, &what, MAKE_ANOTHER)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn problem(line: u64, column: usize, what: &str, hint: &str) -> Problem {
    Problem {
        line,
        column,
        what: what.to_owned(),
        hint: hint.to_owned(),
    }
}
