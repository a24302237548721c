//! `bellwether claims`: what may be owed for downtime: computed from files, without a daemon; and how far claims are, by a
//! daemon.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::client::Server;
use super::failure::{Exit, Failure};
use super::output::{self, Format, count, one_line, wrapped_as};
use super::problems::rendered;
use crate::claim::{self, Amounts, Asked, Beside, Catalogue, Computed, Measure, Per, Row, Rows, State};
use crate::clock::{Clock, Time, read_moment};
use crate::customer::ORGANISATION;
use crate::event::catalogue::Catalogue as Services;
use crate::problem::Problem;
use crate::problem::fields::Reading;

mod downtime;
mod running;

/// Work out service credits for downtime, explain each figure, and follow each claim
#[derive(Debug, Clone, clap::Args)]
pub struct Claims {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    List(running::List),
    Show(running::Show),
    State(running::Say),
    Pack(running::Pack),
    Downtime(Box<downtime::Downtime>),
    Explain(Explain),
    Compute(Compute),
    Terms(Terms),
}

/// Compute what may be owed, from files and without a daemon
#[derive(Debug, Clone, clap::Args)]
struct Compute {
    #[command(flatten)]
    files: Files,
    /// Also show where nothing is owed
    #[arg(long)]
    all: bool,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Say in words how the figures of a claim came about
///
/// The daemon is asked, unless files are named.
#[derive(Debug, Clone, clap::Args)]
struct Explain {
    /// The claim, as `claims list` or `claims compute` shows it [default: all of them]
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// What is used and paid for: a file with `usage:`, such as a rule file
    #[arg(long, value_name = "FILE", requires = "incidents")]
    usage: Option<PathBuf>,
    /// What happened: a file with `incidents:`
    #[arg(long, value_name = "FILE", requires = "usage")]
    incidents: Option<PathBuf>,
    /// Own terms, which come before those of the program
    #[arg(long, value_name = "FILE", requires = "usage")]
    terms: Option<PathBuf>,
    /// Whose usage it is, where the file does not say
    #[arg(long, value_name = "NAME", requires = "usage")]
    customer: Option<String>,
    /// The moment that it is computed for (2026-12-05T00:00:00Z) [default: now]
    #[arg(long, value_name = "TIME", value_parser = read_moment, requires = "usage")]
    at: Option<Time>,
    #[command(flatten)]
    server: Server,
}

/// Print the terms that claims are computed with, and whether they are verified
#[derive(Debug, Clone, clap::Args)]
struct Terms {
    /// Own terms, which come before those of the program
    #[arg(long, value_name = "FILE")]
    terms: Option<PathBuf>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, clap::Args)]
struct Files {
    /// What is used and paid for: a file with `usage:`, such as a rule file
    #[arg(long, value_name = "FILE")]
    usage: PathBuf,
    /// What happened: a file with `incidents:`
    #[arg(long, value_name = "FILE")]
    incidents: PathBuf,
    /// Own terms, which come before those of the program
    #[arg(long, value_name = "FILE")]
    terms: Option<PathBuf>,
    /// Whose usage it is, where the file does not say
    #[arg(long, value_name = "NAME", default_value = ORGANISATION, hide_default_value = true)]
    customer: String,
    /// The moment that it is computed for (2026-12-05T00:00:00Z) [default: now]
    #[arg(long, value_name = "TIME", value_parser = read_moment)]
    at: Option<Time>,
}

impl Claims {
    /// Reads or asks, and shows.
    pub async fn run(self) -> Result<Exit> {
        match self.what {
            What::List(list) => list.run().await,
            What::Show(show) => show.run().await,
            What::State(say) => say.run().await,
            What::Pack(pack) => pack.run().await,
            What::Downtime(downtime) => downtime.run().await,
            What::Explain(explain) => explain.run().await,
            What::Compute(compute) => compute.run(),
            What::Terms(terms) => terms.run(),
        }
    }
}

impl Compute {
    fn run(self) -> Result<Exit> {
        let Some(computed) = self.files.compute(self.all)? else {
            return Ok(Exit::Config);
        };
        match self.format {
            Format::Json => output::print_json(&computed.rows)?,
            Format::Text => output::print(&text(&computed.rows))?,
        }
        Ok(Exit::Fine)
    }
}

impl Explain {
    async fn run(self) -> Result<Exit> {
        let (Some(usage), Some(incidents)) = (&self.usage, &self.incidents) else {
            return running::explain(&self.server, self.id.as_deref()).await;
        };
        let files = Files {
            usage: usage.clone(),
            incidents: incidents.clone(),
            terms: self.terms.clone(),
            customer: self.customer.clone().unwrap_or_else(|| ORGANISATION.to_owned()),
            at: self.at,
        };
        let Some(computed) = files.compute(true)? else {
            return Ok(Exit::Config);
        };
        let is_meant = |row: &&Row| match &self.id {
            Some(id) => row.id == *id,
            None => row.state.is_some(),
        };
        let rows: Vec<&Row> = computed.rows.iter().filter(is_meant).collect();
        if let (Some(id), true) = (&self.id, rows.is_empty()) {
            let hint = "`bellwether claims compute --all` with the same files lists the ids";
            return Err(Failure::new(Exit::Failed, format!("no claim has the id {id}"))
                .hint(hint)
                .into());
        }
        let texts: Vec<String> = rows.into_iter().map(explained).collect();
        match texts.is_empty() {
            true => output::print("nothing is owed\n")?,
            false => output::print(&texts.join("\n"))?,
        }
        Ok(Exit::Fine)
    }
}

impl Files {
    /// What may be owed; `None` if a file has errors, which are then told.
    fn compute(&self, all: bool) -> Result<Option<Computed>> {
        let services = Services::shipped();
        let mut problems = Vec::new();
        let mut terms = Catalogue::shipped(&services);
        let mut own = match &self.terms {
            Some(path) => read_terms(path, &services, &mut problems)?,
            None => Vec::new(),
        };
        let usage = read(&self.usage)?;
        let incidents = read(&self.incidents)?;
        terms = terms.with_own(own.clone());
        let knows = |word: &str| claim::knows_provider(word, terms.iter());
        let name = self.usage.display().to_string();
        let reading = Reading::new(&name, &usage);
        let beside = Beside {
            customer: &self.customer,
            services: &services,
            knows_provider: &knows,
        };
        let (usages, node) = claim::read_usage(&reading, &beside);
        if let Some(node) = node {
            own.extend(claim::read_items(&reading, &node, &services));
        }
        problems.extend(reading.take_problems());
        let name = self.incidents.display().to_string();
        let reading = Reading::new(&name, &incidents);
        let incidents = claim::read_incidents(&reading, &services, &knows);
        problems.extend(reading.take_problems());
        if told(&problems) {
            return Ok(None);
        }
        let terms = Catalogue::shipped(&services).with_own(own);
        let computed = claim::compute(&Asked {
            usages: &claim::joined(usages),
            incidents: &incidents,
            terms: &terms,
            at: self.at.unwrap_or_else(|| Clock::System.now()),
            rows: if all { Rows::All } else { Rows::Owed },
            explained: true,
        });
        for note in &computed.notes {
            output::complain(&format!("warning: {}\n", one_line(note, 1_000)));
        }
        Ok(Some(computed))
    }
}

impl Terms {
    fn run(self) -> Result<Exit> {
        let services = Services::shipped();
        let mut problems = Vec::new();
        let own = match &self.terms {
            Some(path) => read_terms(path, &services, &mut problems)?,
            None => Vec::new(),
        };
        if told(&problems) {
            return Ok(Exit::Config);
        }
        let terms = Catalogue::shipped(&services).with_own(own);
        match self.format {
            Format::Json => output::print_json(&terms.iter().map(term_json).collect::<Vec<_>>())?,
            Format::Text => output::print(&terms_text(&terms))?,
        }
        Ok(Exit::Fine)
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let what = format!("{} cannot be read: {error}", path.display());
        let hint = "name a file of text in YAML or JSON that is there";
        Failure::new(Exit::Config, what).hint(hint).into()
    })
}

fn read_terms(path: &Path, services: &Services, problems: &mut Vec<Problem>) -> Result<Vec<claim::Term>> {
    let (name, text) = (path.display().to_string(), read(path)?);
    let reading = Reading::new(&name, &text);
    let terms = claim::read_terms(&reading, services);
    problems.extend(reading.take_problems());
    Ok(terms)
}

/// Tells the problems; whether any of them is an error.
fn told(problems: &[Problem]) -> bool {
    if !problems.is_empty() {
        output::complain(&rendered(problems, output::may_colour(&std::io::stderr())));
    }
    problems.iter().any(Problem::is_error)
}

fn or_unknown(text: &Option<String>) -> String {
    text.as_deref()
        .map_or_else(|| "?".to_owned(), |text| one_line(text, 100))
}

fn money(row: &Row) -> String {
    match (&row.credit, &row.currency) {
        (Some(credit), Some(currency)) => format!("{credit} {currency}"),
        _ => "?".to_owned(),
    }
}

/// A table, what each line is of, and sums.
fn text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "nothing is owed\n".to_owned();
    }
    let mut table = output::fitted(&["id", "month", "uptime %", "credit", "last day", "what"]);
    for row in rows {
        table.add_row([
            row.id.clone(),
            row.month.clone(),
            or_unknown(&row.uptime_percent),
            money(row),
            or_unknown(&row.last_day),
            what(row),
        ]);
    }
    format!("{}\n{}", output::lines(&table), sums(rows))
}

fn what(row: &Row) -> String {
    let mut marks: Vec<&str> = Vec::new();
    marks.extend((row.state == Some(State::Expired)).then_some("expired"));
    marks.extend(row.provisional.then_some("provisional"));
    marks.extend((!row.verified).then_some("unverified terms"));
    let name = one_line(
        row.resource.as_deref().or(row.subscription.as_deref()).unwrap_or(""),
        100,
    );
    let parts = [one_line(&row.service, 60), name, marks.join(", ")];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

/// `2 claims: 110.00 EUR may be owed`, by currency, and what is not in the sum.
fn sums(rows: &[Row]) -> String {
    let open: Vec<&Row> = rows.iter().filter(|row| row.state == Some(State::Possible)).collect();
    let mut sums = Amounts::default();
    let unknown = open
        .iter()
        .filter(|row| !sums.add(row.credit.as_deref(), row.currency.as_deref()))
        .count();
    let sums = sums.parts();
    let mut text = match sums.is_empty() {
        true if open.is_empty() => match rows.iter().any(|row| row.state.is_some()) {
            true => "nothing may be claimed any more: the last days are over\n".to_owned(),
            false => "nothing is owed\n".to_owned(),
        },
        true => format!("{}: no amount can be said\n", count(open.len(), "claim")),
        false => format!("{}: {} may be owed\n", count(open.len(), "claim"), sums.join(" and ")),
    };
    if unknown > 0 {
        text.push_str(&format!(
            "not in the sum: {} that cannot be computed\n",
            count(unknown, "claim")
        ));
    }
    if open.iter().any(|row| !row.verified) {
        text.push_str(
            "figures rest on unverified terms: compare these with the provider's document before you claim\n",
        );
    }
    text.push_str("`bellwether claims explain ID` with the same files says how a figure came about\n");
    text
}

fn explained(row: &Row) -> String {
    let head = [
        Some(&row.service),
        row.tier.as_ref(),
        row.region.as_ref(),
        row.resource.as_ref().or(row.subscription.as_ref()),
    ];
    let head: Vec<String> = head.into_iter().flatten().map(|part| one_line(part, 200)).collect();
    let mut text = format!(
        "{}  {}  {}: {}\n",
        row.id,
        row.month,
        row.state.map_or("nothing owed", State::name),
        money(row)
    );
    text.push_str(&wrapped_as(&head.join(", "), "  ", "  "));
    for sentence in &row.explanation {
        text.push_str(&wrapped_as(&one_line(sentence, 2_000), "  - ", "    "));
    }
    text
}

fn steps_of(term: &claim::Term) -> String {
    let steps: Vec<String> = term
        .steps
        .iter()
        .map(|step| format!("<{} {} %", step.below, step.credit))
        .collect();
    match steps.is_empty() {
        true => "not known here".to_owned(),
        false => steps.join(", "),
    }
}

fn within(term: &claim::Term) -> String {
    term.claim_within
        .map_or_else(|| "?".to_owned(), |within| within.to_string())
}

fn terms_text(terms: &Catalogue) -> String {
    let mut text = format!("terms of {}\n\n", claim::SHIPPED_VERSION);
    for term in terms.iter() {
        let state = if term.verified { "verified" } else { "unverified" };
        let source = term.source.as_deref().unwrap_or("no source");
        let line = format!(
            "{} {} ({state})",
            one_line(&term.provider, 40),
            one_line(&term.name(), 100)
        );
        text.push_str(&wrapped_as(&line, "", "  "));
        text.push_str(&wrapped_as(&format!("steps: {}", steps_of(term)), "  ", "    "));
        text.push_str(&wrapped_as(&measured(term), "  ", "    "));
        text.push_str(&wrapped_as(&format!("claim within: {}", within(term)), "  ", "    "));
        for more in more_of(term) {
            text.push_str(&wrapped_as(&one_line(&more, 1_000), "  ", "    "));
        }
        text.push_str(&wrapped_as(&format!("source: {}", one_line(source, 200)), "  ", "    "));
    }
    text
}

/// `per resource: downtime, down minute: exact`.
fn measured(term: &claim::Term) -> String {
    let per = match term.per {
        Per::Resource => "resource",
        Per::Service => "service",
    };
    match term.measure {
        Measure::Downtime => format!("per {per}: downtime, down minute: {}", term.down_minute),
        Measure::ErrorRate => format!("per {per}: error rate"),
    }
}

/// What only some terms say.
fn more_of(term: &claim::Term) -> Vec<String> {
    let mut more = Vec::new();
    if let Some(edition) = term.edition_name() {
        more.push(format!("edition: {edition}"));
    }
    let excluded: Vec<&str> = term.exclude.iter().map(|one| one.word()).collect();
    if !excluded.is_empty() {
        more.push(format!("exclude: {}", excluded.join(", ")));
    }
    if let Some(seconds) = term.open_case_within {
        more.push(format!("open case within: {}", hours(seconds)));
    }
    if let Some(seconds) = term.processed_within {
        more.push(format!("processed within: {}", hours(seconds)));
    }
    if let Some((least, currency)) = term.pays_above {
        more.push(format!("pays above: {} {currency}", currency.shown(least)));
    }
    if !term.evidence.is_empty() {
        more.push(format!("evidence: {}", term.evidence.join("; ")));
    }
    more
}

/// `24h`, or `45d`: as terms write it.
fn hours(seconds: u64) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match (
        seconds.is_multiple_of(DAY) && seconds > DAY,
        seconds.is_multiple_of(60 * 60),
    ) {
        (true, _) => format!("{}d", seconds / DAY),
        (false, true) => format!("{}h", seconds / (60 * 60)),
        (false, false) => format!("{}m", seconds.div_ceil(60)),
    }
}

fn term_json(term: &claim::Term) -> Value {
    let steps: Vec<Value> = term
        .steps
        .iter()
        .map(|step| json!({ "below": step.below.to_string(), "credit": step.credit.to_string() }))
        .collect();
    json!({
        "provider": term.provider,
        "service": term.service,
        "tier": term.tiers.first(),
        "edition": term.edition_name(),
        "per": term.per,
        "measure": term.measure,
        "down_minute": term.down_minute.to_string(),
        "steps": steps,
        "exclude": term.exclude,
        "claim_within": term.claim_within.map(|within| within.to_string()),
        "open_case_within_seconds": term.open_case_within,
        "processed_within_seconds": term.processed_within,
        "pays_above": term.pays_above.map(|(least, currency)| format!("{} {currency}", currency.shown(least))),
        "evidence": term.evidence,
        "valid": { "from": term.from, "until": term.until },
        "source": term.source,
        "checked": term.checked,
        "verified": term.verified,
    })
}
