//! `bellwether incidents`: what happened, the newest first; or one incident with everything said and sent about it.

use std::collections::HashMap;

use anyhow::Result;
use serde_json::Value;

use super::client::{self, Server, minute, text};
use super::failure::Exit;
use super::output::{self, Format, count, one_line, wrapped, wrapped_as};
use super::{deliveries, reasons};
use crate::incident::IncidentId;

/// How much of a tracking id stands in its column: a provider's has about eight characters, our own have more.
const ID_CHARS_MOST: usize = 20;

/// List incidents, or show one with everything said and sent about it
#[derive(Debug, Clone, clap::Args)]
pub struct Incidents {
    /// The incident to show
    #[arg(value_name = "TRACKING_ID")]
    tracking_id: Option<String>,
    /// Whose tracking id it is, if several providers use it
    #[arg(long, value_name = "PROVIDER", requires = "tracking_id")]
    provider: Option<String>,
    /// Only those in which all of these words are found: in titles, texts or the tracking id
    #[arg(long, short, value_name = "WORDS", conflicts_with = "tracking_id")]
    search: Option<String>,
    /// Only these types, such as `service issue`
    #[arg(
        long = "type",
        value_name = "TYPE",
        value_delimiter = ',',
        conflicts_with = "tracking_id"
    )]
    event_type: Vec<String>,
    /// Only these states, such as `investigating` or `under-review`
    #[arg(long, value_name = "STATE", value_delimiter = ',', conflicts_with = "tracking_id")]
    state: Vec<String>,
    /// Only what touches this service
    #[arg(long, value_name = "NAME", conflicts_with = "tracking_id")]
    service: Vec<String>,
    /// Only what touches this region
    #[arg(long, value_name = "NAME", conflicts_with = "tracking_id")]
    region: Vec<String>,
    /// Only what this account heard of
    #[arg(long, value_name = "ID", conflicts_with = "tracking_id")]
    account: Vec<String>,
    /// Only those with a communication of this kind, such as `review`
    #[arg(long, value_name = "KIND", value_delimiter = ',', conflicts_with = "tracking_id")]
    kind: Vec<String>,
    /// Only those of which something was said since then: a day, a moment, or how long ago (`90d`)
    #[arg(long, value_name = "TIME", conflicts_with = "tracking_id")]
    since: Option<String>,
    /// Only those that had begun by then
    #[arg(long, value_name = "TIME", conflicts_with = "tracking_id")]
    until: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = client::at_least_one)]
    limit: usize,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

impl Incidents {
    /// Asks and shows.
    pub async fn run(self) -> Result<Exit> {
        match &self.tracking_id {
            Some(id) => self.show(id).await,
            None => self.list().await,
        }
    }

    async fn list(&self) -> Result<Exit> {
        let query = self.query();
        let incidents = self.server.client()?.list("incidents", &query, self.limit).await?;
        match self.format {
            Format::Json => output::print_json(&client::listed("incidents", incidents))?,
            Format::Text if incidents.is_empty() && !query.is_empty() => output::print("no incident matches\n")?,
            Format::Text => output::print(&shown(&incidents))?,
        }
        Ok(Exit::Fine)
    }

    /// The filters, as the API names them.
    fn query(&self) -> Vec<(&'static str, String)> {
        let lists = [
            ("type", &self.event_type),
            ("state", &self.state),
            ("service", &self.service),
            ("region", &self.region),
            ("account", &self.account),
            ("kind", &self.kind),
        ];
        let lists = lists
            .into_iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name, value.clone())));
        let single = [("q", &self.search), ("since", &self.since), ("until", &self.until)];
        let single = single
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?)));
        lists.chain(single).collect()
    }

    async fn show(&self, id: &str) -> Result<Exit> {
        let query: Vec<_> = self
            .provider
            .clone()
            .map(|provider| ("provider", provider))
            .into_iter()
            .collect();
        let client = self.server.client()?;
        let path = ["incidents", &IncidentId::segment(id)];
        let mut incident = client.get(&path, &query).await?;
        // what followed from very many events comes in parts
        while let Some(next) = incident["next"].as_str().map(str::to_owned) {
            let older: Vec<_> = query.iter().cloned().chain([("before", next.clone())]).collect();
            let older = client.get(&path, &older).await?;
            add_older(&mut incident, older);
            if incident["next"].as_str() == Some(&*next) {
                break;
            }
        }
        if self.format == Format::Json {
            output::print_json(&incident)?;
            return Ok(Exit::Fine);
        }
        output::print(&told(&incident, output::columns()))?;
        Ok(Exit::Fine)
    }
}

/// Puts what an answer tells of older communications in the place of what was left out.
fn add_older(incident: &mut Value, mut older: Value) {
    incident["next"] = older["next"].take();
    let followed = |entry: &Value| entry["followed_elsewhere"] != true;
    let older = older["entries"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let mut older: HashMap<String, Value> = older
        .into_iter()
        .filter(followed)
        .filter_map(|entry| Some((entry["events"][0].as_str()?.to_owned(), entry)))
        .collect();
    for entry in incident["entries"].as_array_mut().into_iter().flatten() {
        let known = entry["events"][0].as_str().and_then(|first| older.remove(first));
        if let Some(known) = known.filter(|_| !followed(entry)) {
            *entry = known;
        }
    }
}

fn shown(incidents: &[Value]) -> String {
    if incidents.is_empty() {
        return "no incidents yet\n".to_owned();
    }
    let mut table = output::fitted(&["tracking id", "status", "updated", "what"]);
    for incident in incidents {
        let mark = if is_test(incident) { ", test" } else { "" };
        let title = one_line(text(incident, "title"), 120);
        let (id, whole_id) = shortened(&one_line(text(incident, "tracking_id"), 256));
        table.add_row([
            id,
            one_line(text(incident, "status"), 20),
            minute(incident, "updated"),
            format!("{}{mark}\n{title}{}{whole_id}", sort_of(incident), impact_of(incident)),
        ]);
    }
    output::lines(&table)
}

/// A tracking id for its column; one that leaves no room for the others stands whole in a line of its own.
fn shortened(id: &str) -> (String, String) {
    match id.chars().count() <= ID_CHARS_MOST {
        true => (id.to_owned(), String::new()),
        false => (one_line(id, ID_CHARS_MOST), format!("\n{id}")),
    }
}

/// What an incident is; of what the daemon raised itself only the kind says it.
fn sort_of(incident: &Value) -> String {
    let [event_type, kind] = ["event_type", "kind"].map(|key| one_line(text(incident, key), 30));
    match text(incident, "provider") {
        "bellwether" => kind,
        _ => format!("{event_type}, {kind}"),
    }
}

/// When its impact began and ended, in a line of its own, as far as that is known.
fn impact_of(incident: &Value) -> String {
    let has = |key: &str| incident.get(key).is_some_and(Value::is_string);
    let (from, until) = (minute(incident, "impact_start"), minute(incident, "impact_end"));
    match (has("impact_start"), has("impact_end")) {
        (false, false) => String::new(),
        (true, false) => format!("\nfrom {from}"),
        (false, true) => format!("\nuntil {until}"),
        (true, true) => format!("\nfrom {from} until {until}"),
    }
}

fn is_test(incident: &Value) -> bool {
    incident.get("test").and_then(Value::as_bool).unwrap_or(false)
}

/// One incident: what it is, what was said of it and why to whom, and what was sent.
fn told(incident: &Value, columns: usize) -> String {
    let mut told = head(incident);
    let mut sent: Vec<Value> = Vec::new();
    for entry in reasons::list(incident, "entries") {
        let what = format!(
            "{}  {}  ",
            minute(entry, "published"),
            one_line(text(entry, "kind"), 30)
        );
        told.push_str(&wrapped_as(&one_line(text(entry, "title"), 200), &what, "    "));
        let events: Vec<&str> = reasons::list(entry, "events").filter_map(Value::as_str).collect();
        if !events.is_empty() {
            let which = if events.len() == 1 { "event" } else { "events" };
            told.push_str(&wrapped(
                &format!("{which} {}", one_line(&events.join(", "), 400)),
                "    ",
            ));
        }
        told.push_str(&format!("{}\n", reasons::shown(entry)));
        sent.extend(reasons::list(entry, "deliveries").cloned());
    }
    told + &deliveries::shown(&sent, columns)
}

fn head(incident: &Value) -> String {
    let title = one_line(text(incident, "title"), 300);
    let facts = ["status", "event_type", "level", "provider"].map(|key| one_line(text(incident, key), 60));
    let facts: Vec<String> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    let impact: Vec<String> = reasons::list(incident, "impact").map(affected).collect();
    let id = format!("{}  ", one_line(text(incident, "tracking_id"), 256));
    let mut head = wrapped_as(&title, &id, "  ");
    head.push_str(&format!("  what      {}\n", facts.join(", ")));
    let (from, until) = (minute(incident, "impact_start"), minute(incident, "impact_end"));
    head.push_str(&format!("  impact    {from} until {until}\n"));
    impact
        .iter()
        .for_each(|line| head.push_str(&format!("            {line}\n")));
    head.push_str(&format!("  heard     {}\n", minute(incident, "first_heard")));
    head.push_str(&format!("  updated   {}\n", minute(incident, "updated")));
    reasons::list(incident, "owed").for_each(|owed| head.push_str(&self::owed(owed)));
    reasons::list(incident, "corrections").for_each(|one| head.push_str(&corrected(one)));
    head + "\n"
}

/// What is owed, and how far it is.
fn owed(owed: &Value) -> String {
    let (kind, state) = (one_line(text(owed, "kind"), 30), one_line(text(owed, "state"), 20));
    let due = match owed.get("due").is_some_and(Value::is_string) {
        true => format!("by {}", minute(owed, "due")),
        false => "on request".to_owned(),
    };
    let basis = one_line(text(owed, "basis"), 20);
    let what = one_line(text(owed, "text"), 120);
    wrapped_as(
        &format!("{kind} {due}: {state} (by {basis}) {what}"),
        "  owed      ",
        "            ",
    )
}

/// What a person said against the provider's word.
fn corrected(correction: &Value) -> String {
    let said = ["corrects", "by", "reason"].map(|key| one_line(text(correction, key), 300));
    let said = format!("{} by {}, {}: {}", said[0], said[1], minute(correction, "at"), said[2]);
    wrapped_as(&said, "  corrected ", "            ")
}

fn affected(impact: &Value) -> String {
    let region = text(impact, "region");
    let region = if region.is_empty() {
        String::new()
    } else {
        format!(" in {region}")
    };
    let accounts = reasons::list(impact, "accounts").count();
    let accounts = if accounts == 0 {
        String::new()
    } else {
        format!(": {}", count(accounts, "account"))
    };
    one_line(&format!("{}{region}{accounts}", text(impact, "service")), 200)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn incident() -> Value {
        json!({ "provider": "azure", "tracking_id": "0NTJ-VV8", "event_type": "Service issue", "status": "Mitigated", "title": "App Service",
            "kind": "mitigation", "level": "Warning", "impact_start": "2024-09-05T04:06:00Z", "impact_end": null,
            "updated": "2024-09-05T05:14:00Z", "first_heard": "2024-09-05T04:41:41Z", "test": true })
    }

    #[test]
    fn what_followed_from_older_communications_takes_the_place_of_what_was_left_out() {
        let entry = |event: &str, deliveries: usize, elsewhere: bool| json!({ "events": [event], "deliveries": vec![1; deliveries], "followed_elsewhere": elsewhere });
        let mut all = json!({
            "entries": [entry("9.0", 2, false), entry("5.0", 0, true), entry("2.0", 0, true)], "next": "9.0",
        });
        let older = json!({
            "entries": [entry("9.0", 0, true), entry("5.0", 3, false), entry("2.0", 0, true)], "next": "5.0",
        });
        add_older(&mut all, older);
        let entries = json!([entry("9.0", 2, false), entry("5.0", 3, false), entry("2.0", 0, true)]);
        assert_eq!(all, json!({ "entries": entries, "next": "5.0" }));
    }

    #[test]
    fn incidents_are_shown_one_a_line() {
        insta::assert_snapshot!(shown(&[incident()]), @r"
        TRACKING ID  STATUS     UPDATED            WHAT
        0NTJ-VV8     Mitigated  2024-09-05 05:14Z  Service issue, mitigation, test
                                                   App Service
                                                   from 2024-09-05 04:06Z
        ");
    }

    #[test]
    fn one_incident_is_shown_with_what_was_said_of_it() {
        let mut answer = incident();
        answer["owed"] = json!([
            { "kind": "final-review", "due": "2024-09-19T05:14:00Z", "state": "overdue", "basis": "promise" },
            { "kind": "final-review", "due": null, "state": "open", "basis": "on-request" },
        ]);
        answer["corrections"] =
            json!([{ "corrects": "size", "by": "ada", "at": "2024-09-06T08:00:00Z", "reason": "three regions" }]);
        answer["impact"] = json!([{ "service": "App Service", "region": "Southeast Asia", "accounts": ["a", "b"] }, { "service": "Storage" }]);
        answer["entries"] = json!([{ "published": "2024-09-05T04:41:27Z", "kind": "update", "title": "App Service",
            "verdicts": [{ "customer": "contoso", "rule": "Trouble as it happens", "verdict": "planned", "receivers": ["oncall"] }],
            "deliveries": [{ "id": "dlv_1", "state": "delivered", "created": "2024-09-05T04:42:00Z", "tracking_id": "0NTJ-VV8",
                "customer": "contoso", "receiver": "oncall", "channel": "slack", "title": "App Service", "attempts": [{}] }] }]);
        insta::assert_snapshot!(told(&answer, 80), @r"
        0NTJ-VV8  App Service
          what      Mitigated, Service issue, Warning, azure
          impact    2024-09-05 04:06Z until —
                    App Service in Southeast Asia: 2 accounts
                    Storage
          heard     2024-09-05 04:41Z
          updated   2024-09-05 05:14Z
          owed      final-review by 2024-09-19 05:14Z: overdue (by promise)
          owed      final-review on request: open (by on-request)
          corrected size by ada, 2024-09-06 08:00Z: three regions

        2024-09-05 04:41Z  update  App Service
          + contoso / Trouble as it happens: planned for oncall

        STATE, ID  RECEIVER, CREATED  TITLE, AND WHAT BECAME OF IT
        delivered  contoso/oncall     App Service
        dlv_1      2024-09-05 04:42Z
        ");
    }
}
