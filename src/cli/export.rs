//! `bellwether export`: everything that is kept, as lines of JSON, from a running daemon or the state of a stopped one.
//!
//! Pages are written as they come; only one is held at a time. A file that was cut is made whole with `--resume`: it goes
//! on from its last mark.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::archive::{self, Origin, State, Wanted};
use super::client::Server;
use super::failure::{Exit, Failure};
use super::output::{self, Counter};
use crate::archive::check::{Lines, Read, Tally, kind_of, parse};
use crate::archive::{Header, Line};

/// Write everything that is kept as an archive: lines of JSON, to stdout
///
/// Incidents with their events, verdicts, corrections, impacted resources, deliveries and attempts, and what people said of
/// claims and downtimes; `bellwether import` takes in again what was heard and said. Ends with a line that counts the others, so that a file that was cut is noticed. A customer's
/// token gets its own part.
#[derive(Debug, Clone, clap::Args)]
pub struct Export {
    /// Only what this customer may see
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// Only incidents and claims of which something was heard or said since then, each whole: `90d`, or a time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Make a file whole that was cut: go on behind its last mark
    #[arg(long, value_name = "FILE", conflicts_with_all = ["customer", "since"])]
    resume: Option<PathBuf>,
    /// Print the JSON Schema of the lines instead
    #[arg(long, exclusive = true)]
    schema: bool,
    /// The state of a stopped daemon, instead of a running one
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "token_file"])]
    state: Option<PathBuf>,
    /// With --state and --customer: the settings file that says who owns what
    #[arg(long, value_name = "FILE", requires = "state")]
    config: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

/// How far a file is that was begun before.
struct Begun {
    wanted: Wanted,
    after: String,
    tally: Tally,
    bytes: u64,
}

impl Export {
    /// Writes it.
    pub async fn run(self) -> Result<Exit> {
        if self.schema {
            output::print_json(&crate::archive::schema())?;
            return Ok(Exit::Fine);
        }
        let Some(path) = &self.resume else {
            let wanted = Wanted {
                customer: self.customer.clone(),
                since: self.since.clone(),
                with_deliveries: true,
            };
            let mut origin = self.origin()?;
            let mut out = std::io::stdout().lock();
            return match write(&mut origin, &wanted, None, Tally::default(), &mut out).await {
                // a reader that has seen enough is no failure
                Err(error) if is_broken_pipe(&error) => Ok(Exit::Fine),
                written => written.map(|()| Exit::Fine),
            };
        };
        match begun(path)? {
            None => output::complain(&format!("{} is whole already\n", path.display())),
            Some(begun) => {
                let mut origin = self.origin()?;
                let mut file = OpenOptions::new().write(true).open(path);
                let file = file
                    .as_mut()
                    .map_err(|error| anyhow::anyhow!("opening {}: {error}", path.display()))?;
                file.set_len(begun.bytes)
                    .context("cutting the file back to its last mark")?;
                file.seek(SeekFrom::End(0)).context("going to the file's end")?;
                write(&mut origin, &begun.wanted, Some(begun.after), begun.tally, file).await?;
                file.sync_all().with_context(|| format!("writing {}", path.display()))?;
            }
        }
        Ok(Exit::Fine)
    }

    fn origin(&self) -> Result<Origin> {
        Ok(match &self.state {
            Some(state) => Origin::State(Box::new(State::open(state, self.config.as_deref())?)),
            None => Origin::Daemon(Box::new(self.server.client()?)),
        })
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Writes page after page, and the trailer behind the last one.
async fn write(
    origin: &mut Origin,
    wanted: &Wanted,
    mut after: Option<String>,
    mut tally: Tally,
    out: &mut impl Write,
) -> Result<()> {
    let counter = Counter::new("lines");
    loop {
        let page = origin.page(wanted, after.as_deref()).await?;
        for line in page.lines.split_inclusive(|byte| *byte == b'\n') {
            let kind = kind_of(line).context("a line of the answer names no kind")?;
            tally.add(&kind, line);
        }
        out.write_all(&page.lines).context("writing the archive")?;
        counter.at(tally.lines());
        let Some(next) = page.after else { break };
        tally.add("mark", &page.mark);
        out.write_all(&page.mark).context("writing the archive")?;
        out.flush().context("writing the archive")?;
        after = Some(next);
    }
    out.write_all(&Line::Trailer(tally.trailer()).to_bytes())
        .and_then(|()| out.flush())
        .context("writing the archive")
}

/// How far a file is; `None` if it is whole.
fn begun(path: &Path) -> Result<Option<Begun>> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("opening {name}"))?;
    let mut lines = Lines::of(BufReader::new(file));
    let mut tally = Tally::default();
    let header = first(&mut lines, &mut tally, &name)?;
    let wanted = Wanted {
        customer: header.customer,
        since: header
            .since
            .map(|since| since.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
        with_deliveries: header.holds.iter().any(|kind| kind == "delivery"),
    };
    let mut last = None;
    while let Some((_, line)) = lines.next_line().map_err(|failed| archive::failed(&name, failed))? {
        if !line.ends_with(b"\n") {
            break;
        }
        match parse(&line) {
            Ok(Read::Trailer(trailer)) if trailer == tally.trailer() => return Ok(None),
            Ok(Read::Mark(mark)) => {
                tally.add("mark", &line);
                last = mark.after.map(|after| (after, tally.clone(), lines.bytes));
            }
            // what stands behind the last mark is read again
            Ok(_) => tally.add(&kind_of(&line).unwrap_or_default(), &line),
            Err(_) => break,
        }
    }
    let (after, tally, bytes) = last.ok_or_else(|| {
        let what = format!("{name} holds no mark to go on from");
        Failure::new(Exit::Failed, what).hint("it is short: make it again with `bellwether export`")
    })?;
    Ok(Some(Begun {
        wanted,
        after,
        tally,
        bytes,
    }))
}

fn first(lines: &mut Lines<BufReader<File>>, tally: &mut Tally, name: &str) -> Result<Header> {
    let stranger = || {
        let what = format!("{name}:1:1: this is no archive: its first line is no header");
        Failure::new(Exit::Failed, what).hint("--resume goes on with a file that `bellwether export` began")
    };
    let line = lines.next_line().map_err(|failed| archive::failed(name, failed))?;
    let (_, line) = line.ok_or_else(stranger)?;
    match parse(&line) {
        Ok(Read::Header(header)) if header.format == crate::archive::FORMAT => {
            tally.add("header", &line);
            Ok(header)
        }
        Ok(_) | Err(_) => Err(stranger().into()),
    }
}
