//! `bellwether resources`: the resources that an incident impacted: a list is handed in, or what is kept is shown.

use std::io::Read as _;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::client::{Client, Server, minute, named_customer, text};
use super::failure::{Exit, Failure};
use super::output::{self, Format, count, one_line};
use super::problems::rendered;
use crate::incident::IncidentId;
use crate::incident::resources::Resource;
use crate::incident::resources::read::{List, read_list};
use crate::problem::fields::Reading;

/// The largest file, bytes.
const FILE_BYTES_MOST: u64 = 64 << 20;

/// How many resources are asked for at once.
const PAGE: usize = 1_000;

/// Hand in, or list, the resources that an incident impacted
///
/// FILE is a list in JSON or YAML: our own form (`resources:`, each with id, type, name, account, region and impact: confirmed or
/// potential), Azure's REST answer of `impactedResources`, or rows of Azure Resource Graph (`ServiceHealthResources`). It is
/// checked whole before anything is sent. The same resource again replaces what was said of it. Without FILE, what is kept
/// is listed.
#[derive(Debug, Clone, clap::Args)]
pub struct Resources {
    /// The incident's tracking id
    tracking_id: String,
    /// The list, or `-` for stdin
    #[arg(value_name = "FILE")]
    file: Option<String>,
    /// Whose resources they are, where there are several customers
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// Whose incident, where several providers have one of this id
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

impl Resources {
    /// Hands in, or lists.
    pub async fn run(self) -> Result<Exit> {
        match self.file.clone() {
            Some(file) => self.hand_in(&file).await,
            None => self.list().await,
        }
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let given = [("customer", &self.customer), ("provider", &self.provider)];
        let given = given.into_iter();
        given.filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }

    async fn hand_in(&self, file: &str) -> Result<Exit> {
        let (name, text) = read(file)?;
        let reading = Reading::new(&name, &text);
        let list = read_list(&reading, &self.tracking_id, &|_| true);
        let problems = reading.take_problems();
        if !problems.is_empty() {
            output::complain(&rendered(&problems, output::may_colour(&std::io::stderr())));
        }
        let Some(list) = list else { return Ok(Exit::Config) };
        let client = self.server.client()?;
        let segment = IncidentId::segment(&self.tracking_id);
        let answer = client
            .send(&["incidents", &segment, "resources"], &self.query(), &body(&list))
            .await?;
        match self.format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => output::print(&taken(&answer))?,
        }
        if let Some(note) = answer["note"].as_str() {
            output::complain(&format!("warning: {}\n", one_line(note, 500)));
        }
        Ok(Exit::Fine)
    }

    async fn list(&self) -> Result<Exit> {
        let client = self.server.client()?;
        let answer = self.all(&client).await?;
        match self.format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => output::print(&table(&answer))?,
        }
        Ok(Exit::Fine)
    }

    /// All pages as one.
    async fn all(&self, client: &Client) -> Result<Value> {
        let segment = IncidentId::segment(&self.tracking_id);
        let mut whole: Option<Value> = None;
        let mut after: Option<String> = None;
        loop {
            let mut query = self.query();
            query.push(("limit", PAGE.to_string()));
            query.extend(after.take().map(|after| ("after", after)));
            let mut page = client.get(&["incidents", &segment, "resources"], &query).await?;
            after = page["next"].as_str().map(str::to_owned);
            match &mut whole {
                None => whole = Some(page),
                Some(whole) => {
                    let more = page["resources"].as_array_mut().map(std::mem::take).unwrap_or_default();
                    if let Some(all) = whole["resources"].as_array_mut() {
                        all.extend(more);
                    }
                }
            }
            if after.is_none() {
                let mut whole = whole.unwrap_or_default();
                whole["next"] = Value::Null;
                return Ok(whole);
            }
        }
    }
}

fn read(file: &str) -> Result<(String, String)> {
    let unread = |name: &str, error: std::io::Error| {
        let what = format!("{name} cannot be read: {error}");
        Failure::new(Exit::Config, what).hint("name a file of text in JSON or YAML that is there")
    };
    let mut text = String::new();
    let name = match file {
        "-" => "stdin".to_owned(),
        path => Path::new(path).display().to_string(),
    };
    let input: Box<dyn std::io::Read> = match file {
        "-" => Box::new(std::io::stdin().lock()),
        path => Box::new(std::fs::File::open(path).map_err(|error| unread(&name, error))?),
    };
    let mut input = input.take(FILE_BYTES_MOST + 1);
    input.read_to_string(&mut text).map_err(|error| unread(&name, error))?;
    if text.len() as u64 > FILE_BYTES_MOST {
        let what = format!("{name} has more than {FILE_BYTES_MOST} bytes");
        return Err(Failure::new(Exit::Config, what).hint("hand it in by parts").into());
    }
    Ok((name, text))
}

fn body(list: &List) -> Value {
    let resource = |one: &Resource| {
        json!({
            "id": one.id, "type": one.kind, "name": one.name, "account": one.account, "region": one.region,
            "impact": one.impact_type(),
        })
    };
    let resources: Vec<Value> = list.resources.iter().map(resource).collect();
    json!({ "resources": resources, "complete": list.is_complete })
}

fn number(answer: &Value, field: &str) -> usize {
    usize::try_from(answer[field].as_u64().unwrap_or_default()).unwrap_or(usize::MAX)
}

fn counts(answer: &Value) -> String {
    let counts = &answer["impacted_resources"];
    format!(
        "{} confirmed, {} potential",
        number(counts, "confirmed"),
        number(counts, "potential")
    )
}

fn taken(answer: &Value) -> String {
    format!(
        "{}: {} handed in, {} of them new, {} changed; kept now: {}\n",
        one_line(text(answer, "tracking_id"), 256),
        count(number(answer, "resources"), "resource"),
        number(answer, "new"),
        number(answer, "changed"),
        counts(answer)
    )
}

/// What it is called, what and where it is, whose, and who listed it: a line each.
fn resource(line: &Value) -> String {
    let name = match text(line, "name") {
        "" => text(line, "id"),
        name => name,
    };
    let what = [text(line, "type"), text(line, "region")];
    let what: Vec<&str> = what.into_iter().filter(|part| !part.is_empty()).collect();
    let listed = format!("listed {} by {}", minute(line, "listed"), text(line, "by"));
    let parts = [name, &what.join(", "), named_customer(line), &listed].map(|part| one_line(part, 300));
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

fn table(answer: &Value) -> String {
    let lines = answer["resources"].as_array().map_or(&[][..], Vec::as_slice);
    if lines.is_empty() {
        return "no impacted resources are listed\n".to_owned();
    }
    let mut table = output::fitted(&["impact", "resource"]);
    for line in lines {
        table.add_row([text(line, "impact").to_owned(), resource(line)]);
    }
    let mut shown = format!("{}\n{}", output::lines(&table), counts(answer));
    if answer["complete"] == false {
        shown.push_str("; the newest list is not whole, so nothing follows from what it leaves out");
    }
    shown.push('\n');
    shown
}
