//! `bellwether explain`: which rules match an event, why the others do not, and who would be told what, and when.
//!
//! What is in a file it decides as the daemon does, with the same functions, as if nothing had been heard before, and
//! keeps nothing; `explain/words.rs` writes the answer for people. Of an event that was heard it asks the daemon, which
//! still knows the rules that decided.

mod words;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::client::Server;
use super::events;
use super::failure::{Exit, Failure};
use super::output::{self, Format};
use super::rules::{Decides, Folder};
use crate::clock::{self, Clock, Time};
use crate::event::{self, Arrival, Ignored, Malformed};
use crate::journal::Position;
use crate::view::what_if::WhatIf;

/// The largest body that is read, bytes: what a daemon takes as history.
const BODY_BYTES_MOST: u64 = 16 << 20;

/// Show which rules match an event, why the others do not, and who would be told
#[derive(Debug, Clone, clap::Args)]
pub struct Explain {
    /// A file with what the provider posted (`-` is stdin), or the id of an event that a daemon has heard (`12.0`)
    #[arg(value_name = "EVENT.json|ID")]
    event: PathBuf,
    /// The rules folder [default: what the settings say, or `rules`]
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    #[command(flatten)]
    decides: Decides,
    /// Whose rules to speak of, for an event that a daemon has heard [default: everybody's]
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
    /// Explain it as if it were heard then (`2026-11-24T09:00:00Z`, `2026-11-24 09:00`); an event that a daemon has heard
    /// by the rules in force then [default: now; what a daemon has heard as it was decided]
    #[arg(long, value_name = "TIME", value_parser = clock::read_moment)]
    at: Option<Time>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

/// The answer: one story per event of the body.
#[derive(Serialize)]
struct Answer {
    events: Vec<WhatIf>,
    ignored: Vec<Reason>,
    /// Rule files that take no part, as they have errors.
    broken: Vec<String>,
}

/// What is no health event, and why.
#[derive(Serialize)]
struct Reason {
    what: String,
    why: String,
}

impl Explain {
    /// Explains; 1 if there is no event in the file.
    pub async fn run(self) -> Result<Exit> {
        match self.heard() {
            Some(id) => self.ask(id).await,
            None => self.decide(),
        }
    }

    /// The id of an event that a daemon has heard, where there is no file of this name.
    fn heard(&self) -> Option<Position> {
        let id = self.event.to_str()?.parse().ok()?;
        (!self.event.exists()).then_some(id)
    }

    /// Asks the daemon, which knows by which rules it decided.
    async fn ask(&self, id: Position) -> Result<Exit> {
        if self.rules.is_some() || self.decides.is_given() {
            let what = format!("{id} was decided by the daemon's own rules; no others can be named for it");
            let hint = "leave `--rules` and `--config` out, or name a file with the event";
            return Err(Failure::new(Exit::Usage, what).hint(hint.to_owned()).into());
        }
        let id = id.to_string();
        if let Some(at) = self.at {
            return self.ask_what_if(&id, at).await;
        }
        let event = events::asked(&self.server, &id, self.customer.as_deref()).await?;
        match self.format {
            Format::Json => output::print_json(&event)?,
            Format::Text => output::print(&events::told(&event))?,
        }
        Ok(Exit::Fine)
    }

    /// Asks the daemon what would become of an event that was heard, if it were heard at another moment.
    async fn ask_what_if(&self, id: &str, at: Time) -> Result<Exit> {
        let mut query = vec![("at", at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))];
        query.extend(self.customer.clone().map(|customer| ("customer", customer)));
        let answer = self.server.client()?.get(&["events", id, "explain"], &query).await?;
        match self.format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => {
                let what_if: WhatIf = serde_json::from_value(answer).context("reading the daemon's answer")?;
                output::print(&words::of(&what_if, Some(at)))?;
            }
        }
        Ok(Exit::Fine)
    }

    /// Decides what is in the file by the rules of the folder.
    fn decide(self) -> Result<Exit> {
        if let Some(customer) = &self.customer {
            let what = format!("`--customer {customer}` is for events that a daemon has heard");
            let hint = "leave it out: a file is explained by everybody's rules";
            return Err(Failure::new(Exit::Usage, what).hint(hint.to_owned()).into());
        }
        let body = body(&self.event)?;
        let received = event::read(&body, None, Arrival::Live).map_err(|error| malformed(&self.event, &error))?;
        let folder = Folder::read(self.rules.as_deref(), &self.decides)?;
        let (rules, now) = (&folder.checked.set, self.at.unwrap_or_else(|| Clock::System.now()));
        let answer = Answer {
            events: received
                .events
                .into_iter()
                .map(|mut event| {
                    event.correct_time(now);
                    WhatIf::of(event, rules, now)
                })
                .collect(),
            ignored: received.ignored.into_iter().map(Reason::of).collect(),
            broken: folder.checked.broken.iter().map(|file| file.path.clone()).collect(),
        };
        match self.format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => output::print(&answer.text(self.at))?,
        }
        if let Some(unreadable) = &received.unreadable {
            let why = output::one_line(&unreadable.to_string(), 400);
            output::complain(&format!("a part of it cannot be read, and the rest is taken: {why}"));
        }
        answer.complain(&folder.path);
        Ok(if answer.events.is_empty() {
            Exit::Failed
        } else {
            Exit::Fine
        })
    }
}

fn body(path: &Path) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(BODY_BYTES_MOST + 1).read_to_end(&mut body)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(BODY_BYTES_MOST + 1).read_to_end(&mut body))
    };
    if let Err(error) = read {
        let failure = Failure::new(Exit::Failed, format!("reading the event {}: {error}", path.display()));
        let hint =
            "name a file, `-` for stdin, or an event that a daemon has heard: `bellwether events` lists their ids";
        return Err(match error.kind() {
            std::io::ErrorKind::NotFound => failure.hint(hint.to_owned()).into(),
            _ => failure.into(),
        });
    }
    if body.len() as u64 > BODY_BYTES_MOST {
        let what = format!("{} has more than {} MiB", path.display(), BODY_BYTES_MOST >> 20);
        return Err(Failure::new(Exit::Failed, what).into());
    }
    Ok(body)
}

fn malformed(path: &Path, error: &Malformed) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("{} is no event: {error}", path.display()));
    match &error.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    }
}

impl Answer {
    /// Says on stderr which rule files take no part.
    fn complain(&self, folder: &Path) {
        if self.broken.is_empty() {
            return;
        }
        let files = self.broken.join(", ");
        let hint = format!("hint: bellwether check {}", folder.display());
        output::complain(&format!(
            "warning: these files have errors and take no part: {files}\n{hint}\n"
        ));
    }
}

impl Reason {
    fn of(ignored: Ignored) -> Self {
        let what = match ignored.field {
            Some(field) => format!("{} (`{field}`)", ignored.what),
            None => ignored.what,
        };
        Self { what, why: ignored.why }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const UPDATE: &[u8] = include_bytes!("demo/story/1-update.json");
    const INVITATION: &[u8] = include_bytes!("demo/story/5-retrospective.json");

    fn now() -> Time {
        "2024-09-05T05:00:00Z".parse().expect("a time")
    }

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        explain: Explain,
    }

    fn stories(body: &[u8]) -> Answer {
        stories_at(body, now())
    }

    fn stories_at(body: &[u8], now: Time) -> Answer {
        let folder = Folder::read(Some(Path::new("rules")), &Decides::default()).expect("the examples");
        let received = event::read(body, None, Arrival::Live).expect("an event");
        Answer {
            events: received
                .events
                .into_iter()
                .map(|event| WhatIf::of(event, &folder.checked.set, now))
                .collect(),
            ignored: received.ignored.into_iter().map(Reason::of).collect(),
            broken: Vec::new(),
        }
    }

    #[test]
    fn an_update_is_explained_rule_by_rule_and_receiver_by_receiver() {
        insta::assert_snapshot!(stories(UPDATE).text(None), @r"
        0NTJ-VV8  App Service – Intermittent HTTP 500-level response codes, timeouts, or
          high latency in Southeast Asia – Applying mitigation
          what       azure, Service issue, Active, update, Warning
          published  2024-09-05 04:41Z
          impact     App Service in Southeast Asia
          accounts   11111111-aaaa-4bbb-8ccc-111111111111

        3 rules match, out of 10 rules
          + contoso / Production incidents
              for App Service in Southeast Asia; 11111111-aaaa-4bbb-8ccc-111111111111
          + contoso / Trouble as it happens
              for App Service in Southeast Asia; 11111111-aaaa-4bbb-8ccc-111111111111
          + contoso / Every service issue becomes a ticket
              for App Service in Southeast Asia; 11111111-aaaa-4bbb-8ccc-111111111111
          - contoso / Planned maintenance
              event type: the rule wants Planned maintenance, the event has Service
              issue
          - contoso / Retirements and other advisories
              event type: the rule wants Health advisory, the event has Service issue
          - contoso / Security advisories
              event type: the rule wants Security advisory, the event has Service issue
          - contoso / Reviews of production incidents
              kind: the rule wants preliminary-review or final-review, the event has
              update
          - contoso / Livestream invitations
              kind: the rule wants retrospective, the event has update
          - fabrikam / Web sites in Europe
              impact: the rule wants App Service or Azure Front Door in West Europe,
              North Europe or Global, the event has App Service in Southeast Asia
          - fabrikam / Livestreams about web sites in Europe
              kind: the rule wants retrospective, the event has update

        4 notifications, if nothing of this incident was heard before
          contoso / oncall: slack secret contoso-slack
              message in 10s, because of Trouble as it happens
          contoso / platform: email platform@contoso.example
              message in 10s, because of Production incidents
          contoso / platform: teams secret contoso-teams
              message in 10s, because of Production incidents
          contoso / tickets: webhook tickets.contoso.example/…#08ec55
              message in 10s, because of Every service issue becomes a ticket
        ");
    }

    #[test]
    fn what_is_explained_at_a_moment_is_due_then_and_nobody_is_invited_to_what_is_over() {
        let invited = |at: &str| {
            let only = Only::try_parse_from(["x", "event.json", "--at", at]).expect("a moment");
            let mut stories = stories_at(INVITATION, only.explain.at.expect("a moment"));
            let told = std::mem::take(&mut stories.events[0].told);
            told.iter().filter(|one| one.session.is_some()).count()
        };
        assert_eq!((invited("2024-09-01 09:00"), invited("2030-01-01")), (4, 0));
        let text = stories(UPDATE).text(Some(now()));
        assert!(text.contains("  as heard   2024-09-05 05:00Z\n"), "{text}");
        let wrong = Only::try_parse_from(["x", "event.json", "--at", "yesterday"]);
        assert!(
            wrong
                .err()
                .is_some_and(|error| error.to_string().contains("2026-11-24T09:00:00Z"))
        );
    }

    #[test]
    fn an_invitation_goes_to_those_who_are_invited_and_no_url_is_shown() {
        let answer = stories(INVITATION);
        let told = &answer.events[0].told;
        let invited = told.iter().filter(|one| one.session.is_some());
        let invited: Vec<&str> = invited.map(|one| one.address.as_str()).collect();
        // two sessions, an invitation for each
        let (ada, lin) = ("ada@contoso.example", "lin@contoso.example");
        assert_eq!(invited, [ada, ada, lin, lin]);
        let json = serde_json::to_string(&answer.events[0].told).expect("JSON");
        assert!(
            json.contains("tickets.contoso.example/…#") && !json.contains("service-health"),
            "{json}"
        );
    }

    #[test]
    fn what_is_no_health_event_is_named_with_the_reason() {
        let body = include_bytes!("../../tests/fixtures/samples/azure/azure-common-administrative-testaction.json");
        let answer = stories(body);
        assert!(answer.events.is_empty());
        assert!(answer.text(None).starts_with("ignored: "), "{}", answer.text(None));
    }
}
