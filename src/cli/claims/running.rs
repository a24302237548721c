//! `bellwether claims list|show|state|explain`: what a running daemon knows of claims.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::super::client::{Server, minute, named_customer, text};
use super::super::failure::{Exit, Failure};
use super::super::output::{self, Format, count, one_line, wrapped_as};
use crate::incident::resources::resource_name;

/// List what may be owed, and how far each claim is
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    /// Only those of this customer
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// Only those of this billing month, such as 2026-10
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
    /// Only those that are so far: possible, case-opened, prepared, submitted, …
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only those that rest on this incident
    #[arg(long, value_name = "TRACKING-ID")]
    incident: Option<String>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

/// Show a claim: its figures, how they came about, and what was said of it
#[derive(Debug, Clone, clap::Args)]
pub struct Show {
    /// The claim, as `claims list` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

/// Put together what a claim must bring: the request, the calculation, what was said, what is missing
#[derive(Debug, Clone, clap::Args)]
pub struct Pack {
    /// The claim, as `claims list` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// The folder to make; with a name that ends with `.zip`, that file [default: claim-ID]
    #[arg(long, value_name = "PATH")]
    into: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

/// Say how far a claim is, or what else is to be known of it
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("said").required(true).multiple(true).args([
    "state", "owner", "addressee", "asked", "granted", "credited", "not_worth_it", "worth_it", "note",
    "evidence",
]))]
pub struct Say {
    /// The claim, as `claims list` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// How far it is: case-opened, prepared, submitted, acknowledged, granted, denied, credited, withdrawn
    #[arg(value_name = "STATE")]
    state: Option<String>,
    /// Who looks after it
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// To whom it goes: the provider's support, or the reseller who pays
    #[arg(long, value_name = "NAME")]
    addressee: Option<String>,
    /// The amount that is asked for [default: what is computed when it is submitted]
    #[arg(long, value_name = "AMOUNT")]
    asked: Option<String>,
    /// The amount that was granted
    #[arg(long, value_name = "AMOUNT")]
    granted: Option<String>,
    /// The amount that stands on an invoice
    #[arg(long, value_name = "AMOUNT")]
    credited: Option<String>,
    /// It is not worth the work: nobody is reminded of it any more
    #[arg(long, conflicts_with = "worth_it")]
    not_worth_it: bool,
    /// It is worth the work after all
    #[arg(long)]
    worth_it: bool,
    /// Anything else: the number of the case, why it was denied
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Where something is that the terms ask for, as `claims show` names it; several times, if you like
    #[arg(long, value_name = "ASKED=PLACE", value_parser = read_evidence)]
    evidence: Vec<(String, String)>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

impl List {
    /// Asks and shows.
    pub async fn run(self) -> Result<Exit> {
        let given = [
            ("customer", &self.customer),
            ("month", &self.month),
            ("state", &self.state),
            ("incident", &self.incident),
        ];
        let given = given
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?)));
        let query: Vec<(&str, String)> = given.collect();
        let answer = self.server.client()?.get(&["claims"], &query).await?;
        for note in answer["notes"].as_array().into_iter().flatten() {
            let note = note.as_str().unwrap_or_default();
            output::complain(&format!("warning: {}\n", one_line(note, 1_000)));
        }
        if let Some(most) = answer["only_first"].as_u64() {
            output::complain(&format!("warning: only the first {most} are listed\n"));
        }
        match self.format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => {
                let claims = answer["claims"].as_array().map_or(&[][..], Vec::as_slice);
                match claims.is_empty() && !query.is_empty() {
                    true => output::print("no claim is like that\n")?,
                    false => output::print(&table(claims))?,
                }
            }
        }
        Ok(Exit::Fine)
    }
}

impl Show {
    /// Asks and shows.
    pub async fn run(self) -> Result<Exit> {
        let claim = self.server.client()?.get(&["claims", &self.id], &[]).await?;
        match self.format {
            Format::Json => output::print_json(&claim)?,
            Format::Text => output::print(&(explained(&claim) + &told(&claim)))?,
        }
        Ok(Exit::Fine)
    }
}

impl Say {
    /// Says it, and shows how the claim stands then.
    pub async fn run(self) -> Result<Exit> {
        let mut body = Map::new();
        for (name, value) in [
            ("state", &self.state),
            ("owner", &self.owner),
            ("addressee", &self.addressee),
            ("asked", &self.asked),
            ("granted", &self.granted),
            ("credited", &self.credited),
            ("note", &self.note),
        ] {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        if self.not_worth_it || self.worth_it {
            body.insert("not_worth_it".to_owned(), json!(self.not_worth_it));
        }
        if !self.evidence.is_empty() {
            let evidence = self.evidence.iter();
            let evidence: Vec<Value> = evidence
                .map(|(asked, place)| json!({ "asked": asked, "place": place }))
                .collect();
            body.insert("evidence".to_owned(), json!(evidence));
        }
        let client = self.server.client()?;
        let claim = client.send(&["claims", &self.id], &[], &Value::Object(body)).await?;
        match self.format {
            Format::Json => output::print_json(&claim)?,
            Format::Text => output::print(&format!("{}\n{}", first_line(&claim), told(&claim)))?,
        }
        Ok(Exit::Fine)
    }
}

/// # Errors
/// In words that say what to type.
fn read_evidence(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').map(|(asked, place)| (asked.trim(), place.trim()));
    match parts {
        Some((asked, place)) if !asked.is_empty() => Ok((asked.to_owned(), place.to_owned())),
        _ => {
            Err("write what is asked for, `=`, and where it is: \"dates and times of the impact=times.pdf\"".to_owned())
        }
    }
}

impl Pack {
    /// Asks, and writes what comes.
    pub async fn run(self) -> Result<Exit> {
        let bytes = self.server.client()?.text(&["claims", &self.id, "pack"], &[]).await?;
        let into = self
            .into
            .unwrap_or_else(|| PathBuf::from(format!("claim-{}", one_line(&self.id, 40))));
        if into.exists() {
            let what = format!("{} is there already", into.display());
            let hint = "name another place with --into";
            return Err(Failure::new(Exit::Failed, what).hint(hint).into());
        }
        let is_file = into
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("zip"));
        match is_file {
            true => std::fs::write(&into, bytes).with_context(|| format!("writing {}", into.display()))?,
            false => unpack(bytes, &into).with_context(|| format!("writing into {}", into.display()))?,
        }
        output::print(&format!(
            "{}: begin with request.txt, and look at missing.txt\n",
            one_line(&into.display().to_string(), 300)
        ))?;
        Ok(Exit::Fine)
    }
}

/// Writes the files of a pack into a folder; none gets out of it.
fn unpack(bytes: Vec<u8>, into: &Path) -> Result<()> {
    zip::ZipArchive::new(Cursor::new(bytes))?.extract(into)?;
    Ok(())
}

/// How figures came about, as the daemon says it: of one claim, or of all where something may be owed.
pub async fn explain(server: &Server, id: Option<&str>) -> Result<Exit> {
    let client = server.client()?;
    let claims = match id {
        Some(id) => vec![client.get(&["claims", id], &[]).await?],
        None => {
            let mut answer = client.get(&["claims"], &[]).await?;
            let claims = answer["claims"].as_array_mut().map(std::mem::take);
            claims.ok_or_else(|| Failure::new(Exit::Failed, "the answer has no list `claims`"))?
        }
    };
    let texts: Vec<String> = claims.iter().map(explained).collect();
    match texts.is_empty() {
        true => output::print("nothing is owed\n")?,
        false => output::print(&texts.join("\n"))?,
    }
    Ok(Exit::Fine)
}

fn table(claims: &[Value]) -> String {
    if claims.is_empty() {
        return "nothing is owed\n".to_owned();
    }
    let mut table = output::fitted(&["id", "month", "credit", "last day", "claim"]);
    for claim in claims {
        table.add_row([
            text(claim, "id").to_owned(),
            text(claim, "month").to_owned(),
            money(claim, "credit"),
            or_unknown(text(claim, "last_day")),
            what(claim),
        ]);
    }
    let many = count(claims.len(), "claim");
    format!(
        "{}\n{many}; `bellwether claims show ID` says how a figure came about\n",
        output::lines(&table)
    )
}

fn or_unknown(text: &str) -> String {
    match text {
        "" => "?".to_owned(),
        known => one_line(known, 100),
    }
}

fn money(claim: &Value, field: &str) -> String {
    match (text(claim, field), text(claim, "currency")) {
        ("", _) => "?".to_owned(),
        (amount, currency) => one_line(&format!("{amount} {currency}"), 60),
    }
}

fn state(claim: &Value) -> String {
    let mut marks = vec![match text(claim, "state") {
        "" => "nothing owed".to_owned(),
        word => word.replace('-', " "),
    }];
    let is = |field: &str| claim[field].as_bool() == Some(true);
    for (field, mark) in [
        ("provisional", "provisional"),
        ("not_worth_it", "not worth it"),
        ("gone", "no longer computed"),
    ] {
        marks.extend(is(field).then(|| mark.to_owned()));
    }
    marks.extend((claim["verified"] == false).then(|| "unverified terms".to_owned()));
    marks.join(", ")
}

/// What it is for, whose it is, and how far it is, a line each.
fn what(claim: &Value) -> String {
    let name = match text(claim, "resource") {
        "" => text(claim, "subscription"),
        resource => resource_name(resource),
    };
    let parts = [text(claim, "service"), name, named_customer(claim)].map(|part| one_line(part, 200));
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.chain([state(claim)]).collect::<Vec<_>>().join("\n")
}

fn first_line(claim: &Value) -> String {
    format!(
        "{}  {}  {}: {}",
        text(claim, "id"),
        text(claim, "month"),
        state(claim),
        money(claim, "credit")
    )
}

fn explained(claim: &Value) -> String {
    let head = ["service", "tier", "region", "resource", "subscription"];
    let head: Vec<String> = head
        .into_iter()
        .map(|field| one_line(text(claim, field), 200))
        .filter(|part| !part.is_empty())
        .collect();
    let mut shown = format!("{}\n", first_line(claim));
    shown.push_str(&wrapped_as(&head.join(", "), "  ", "  "));
    for sentence in claim["explanation"].as_array().into_iter().flatten() {
        let sentence = sentence.as_str().unwrap_or_default();
        shown.push_str(&wrapped_as(&one_line(sentence, 2_000), "  - ", "    "));
    }
    shown
}

/// What was said of it, and what may come next.
fn told(claim: &Value) -> String {
    let mut shown = String::new();
    for (field, label) in [("owner", "owner"), ("addressee", "goes to")] {
        let value = text(claim, field);
        if !value.is_empty() {
            shown.push_str(&wrapped_as(&format!("{label}: {}", one_line(value, 200)), "  ", "    "));
        }
    }
    for field in ["asked", "granted", "credited", "difference"] {
        if !text(claim, field).is_empty() {
            shown.push_str(&format!("  {field}: {}\n", money(claim, field)));
        }
    }
    // what the terms ask for stands in the explanation, and what of it the pack brings in the pack
    for provided in claim["provided"].as_array().into_iter().flatten() {
        let (asked, place) = (text(provided, "asked"), text(provided, "place"));
        let line = format!("evidence: {}: {}", one_line(asked, 300), one_line(place, 300));
        shown.push_str(&wrapped_as(&line, "  ", "    "));
    }
    for said in claim["history"].as_array().into_iter().flatten() {
        let words = ["state", "owner", "addressee", "asked", "granted", "credited", "note"];
        let mut words: Vec<String> = words
            .into_iter()
            .filter(|field| !text(said, field).is_empty())
            .map(|field| format!("{field} {}", one_line(text(said, field), 300)))
            .collect();
        let evidence = said["evidence"].as_array().into_iter().flatten();
        words.extend(evidence.map(|one| {
            let (asked, place) = (one_line(text(one, "asked"), 300), one_line(text(one, "place"), 300));
            match place.as_str() {
                "" => format!("“{asked}” is not there"),
                place => format!("“{asked}” is there: {place}"),
            }
        }));
        words.extend((said["not_worth_it"] == true).then(|| "not worth it".to_owned()));
        let line = format!(
            "{} {}: {}",
            minute(said, "at"),
            one_line(text(said, "by"), 80),
            words.join(", ")
        );
        shown.push_str(&wrapped_as(&line, "  * ", "    "));
    }
    let next: Vec<&str> = claim["next"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !next.is_empty() {
        let line = format!(
            "next: `bellwether claims state {} {}`",
            text(claim, "id"),
            next.join("|")
        );
        shown.push_str(&wrapped_as(&line, "  ", "    "));
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::table;

    #[test]
    fn a_list_of_claims_fits_into_eighty_columns_with_names_that_can_be_read() {
        let claim = json!({
            "id": "3f2a9c4d1b7e", "customer": "acme", "month": "2026-10", "credit": "12345.67", "currency": "EUR",
            "last_day": "2026-12-31", "state": "case-opened", "verified": false, "provisional": true,
            "service": "Virtual Machines", "resource": "production-web-server-01",
        });
        let shown = table(&[claim]);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        for whole in ["Virtual Machines", "production-web-server-01", "acme", "case opened"] {
            assert!(shown.contains(whole), "{whole} in:\n{shown}");
        }
    }

    #[test]
    fn where_there_are_no_customers_none_is_named() {
        let shown = table(&[json!({"id": "1", "customer": "_house", "month": "2026-10", "state": "possible"})]);
        assert!(!shown.contains("_house"), "{shown}");
    }
}
