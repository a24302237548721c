//! `bellwether explain`: which rules match an event, why the others do not, and who would be told what, and when.
//!
//! What is in a file it decides as the daemon does, with the same functions, as if nothing had been heard before, and
//! keeps nothing; `explain/words.rs` writes the answer for people. Of an event that was heard it asks the daemon, which
//! still knows the rules that decided.

mod words;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use super::client::Server;
use super::events;
use super::failure::{Exit, Failure};
use super::output::{self, Format};
use super::rules::{Decides, Folder};
use crate::channel::{Address, Target};
use crate::clock::{Clock, Time};
use crate::customer::CustomerId;
use crate::evaluate::event_received::{Heard, asking};
use crate::evaluate::placing::place;
use crate::evaluate::{Case, evaluate};
use crate::event::{self, Arrival, Event, Ignored, Malformed};
use crate::journal::Position;
use crate::notification::{Channel, Form};
use crate::record::{Change, Judged, Planned, PlannedFor, Ref, Verdict};
use crate::rule::condition::{Judgement, Left};
use crate::rule::{Rule, RuleSet};

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
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

/// The answer: one story per event of the body.
#[derive(Serialize)]
struct Answer {
    events: Vec<Story>,
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

/// What becomes of one event.
#[derive(Serialize)]
struct Story {
    event: Event,
    rules: Vec<Judgment>,
    told: Vec<Telling>,
}

/// What becomes of one event by one rule.
#[derive(Serialize)]
struct Judgment {
    customer: CustomerId,
    rule: String,
    matches: bool,
    /// Why it does not match, or why it tells nobody all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// What is left of the event, if it matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Left>,
}

/// One message or invitation.
#[derive(Serialize)]
struct Telling {
    customer: CustomerId,
    receiver: String,
    channel: Channel,
    /// Where it goes; never a URL that is a secret.
    address: String,
    form: &'static str,
    /// When the session starts that an invitation is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Time>,
    /// The rules that ask for it.
    rules: Vec<String>,
    due: Time,
    due_in_seconds: i64,
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
        let event = events::asked(&self.server, &id, self.customer.as_deref()).await?;
        match self.format {
            Format::Json => output::print_json(&event)?,
            Format::Text => output::print(&events::told(&event))?,
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
        let (rules, now) = (&folder.checked.set, Clock::System.now());
        let answer = Answer {
            events: received
                .events
                .into_iter()
                .map(|event| Story::of(event, rules, now))
                .collect(),
            ignored: received.ignored.into_iter().map(Reason::of).collect(),
            broken: folder.checked.broken.iter().map(|file| file.path.clone()).collect(),
        };
        match self.format {
            Format::Json => output::print_json(&answer)?,
            Format::Text => output::print(&answer.text())?,
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

impl Story {
    /// Decides the event as the first one of its incident.
    fn of(event: Event, rules: &RuleSet, now: Time) -> Self {
        let placed = place(&event, &BTreeMap::new(), &[]);
        let heard = Heard {
            asking: asking(&event, None, &[], &placed, &Default::default(), rules),
            placed,
            ..Heard::default()
        };
        let at = Position { seq: 1, nth: 0 };
        let event_received = Case::EventReceived {
            at,
            event: &event,
            heard,
        };
        let changes = evaluate(&event_received, rules, now);
        let judged: Vec<&Judged> = changes.iter().filter_map(judged).collect();
        let judgments = rules.rules().map(|rule| Judgment::of(rule, &event, rules, &judged));
        let planned = changes.iter().filter_map(planned);
        let tellings = planned.flat_map(|planned| planned.to.iter().map(move |to| (planned, to)));
        Self {
            rules: judgments.collect(),
            told: sorted(tellings.map(|(planned, to)| Telling::of(planned, to, &event, rules, &changes, now))),
            event,
        }
    }
}

fn judged(change: &Change) -> Option<&Judged> {
    match change {
        Change::Judged(judged) => Some(judged),
        _ => None,
    }
}

fn planned(change: &Change) -> Option<&Planned> {
    match change {
        Change::Planned(planned) => Some(planned),
        _ => None,
    }
}

impl Judgment {
    fn of(rule: &Rule, event: &Event, rules: &RuleSet, judged: &[&Judged]) -> Self {
        let own = judged
            .iter()
            .find(|one| one.customer == rule.customer && one.rule == rule.name);
        let withheld = own.and_then(|one| match &one.verdict {
            Verdict::Withheld { why } => Some(why.to_string()),
            _ => None,
        });
        let (why, left) = match rules.judge(rule, event) {
            Judgement::Matches(left) => (withheld, Some(left)),
            Judgement::No(why) => (Some(why.to_string()), None),
        };
        Self {
            customer: rule.customer.clone(),
            rule: rule.name.clone(),
            matches: left.is_some(),
            why,
            left,
        }
    }
}

impl Telling {
    fn of(planned: &Planned, to: &PlannedFor, event: &Event, rules: &RuleSet, changes: &[Change], now: Time) -> Self {
        let session = session_of(event, to.form);
        let address = rules.endpoint(&to.endpoint).map(|(_, _, address)| shown(address));
        Self {
            customer: planned.customer.clone(),
            receiver: to.receiver.clone(),
            channel: to.channel,
            address: address.unwrap_or_default(),
            form: match session {
                None => "message",
                Some(_) => "invitation",
            },
            session,
            rules: asked_by(to, changes),
            due: planned.due,
            due_in_seconds: (planned.due - now).num_seconds(),
        }
    }

    fn order(&self) -> (&str, &str, Channel, &str, Option<Time>) {
        (
            self.customer.as_str(),
            &self.receiver,
            self.channel,
            &self.address,
            self.session,
        )
    }
}

/// When the session starts that an invitation is for.
fn session_of(event: &Event, form: Form) -> Option<Time> {
    match form {
        Form::Message => None,
        Form::Invitation { session, .. } => event.sessions.get(session).map(|session| session.start),
    }
}

/// By customer, then receiver, and where it goes.
fn sorted(told: impl Iterator<Item = Telling>) -> Vec<Telling> {
    let mut told: Vec<Telling> = told.collect();
    told.sort_by(|one, other| one.order().cmp(&other.order()));
    told
}

/// The rules that asked for a notification, the one that opened it first.
fn asked_by(to: &PlannedFor, changes: &[Change]) -> Vec<String> {
    let joined = changes.iter().filter_map(|change| match change {
        Change::Gathered(gathers) if gathers.to.iter().any(|part| part.series == to.series) => Some(gathers.verdict),
        _ => None,
    });
    let mut verdicts: Vec<Ref> = std::iter::once(to.verdict).chain(joined).collect();
    verdicts.sort();
    let rule = |verdict: Ref| match verdict {
        Ref::Here(nth) => changes
            .get(nth as usize)
            .and_then(judged)
            .map(|judged| judged.rule.clone()),
        Ref::At(_) => None,
    };
    verdicts.into_iter().filter_map(rule).collect()
}

/// An address without anything secret: URLs show their host only.
fn shown(address: &Address) -> String {
    match address {
        Address::Email(address) => address.as_str().to_owned(),
        Address::Webhook { url, .. } | Address::Slack { url } | Address::Teams { url } => match url {
            Target::Plain(url) => url.to_string(),
            Target::Secret(secret) => format!("secret {}", secret.name),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATE: &[u8] = include_bytes!("demo/story/1-update.json");
    const INVITATION: &[u8] = include_bytes!("demo/story/5-retrospective.json");

    fn now() -> Time {
        "2024-09-05T05:00:00Z".parse().expect("a time")
    }

    fn stories(body: &[u8]) -> Answer {
        let folder = Folder::read(Some(Path::new("rules")), &Decides::default()).expect("the examples");
        let received = event::read(body, None, Arrival::Live).expect("an event");
        Answer {
            events: received
                .events
                .into_iter()
                .map(|event| Story::of(event, &folder.checked.set, now()))
                .collect(),
            ignored: received.ignored.into_iter().map(Reason::of).collect(),
            broken: Vec::new(),
        }
    }

    #[test]
    fn an_update_is_explained_rule_by_rule_and_receiver_by_receiver() {
        insta::assert_snapshot!(stories(UPDATE).text(), @r"
        0NTJ-VV8  App Service – Intermittent HTTP 500-level response codes, timeouts, or high latency in Southeast Asia – Applying mitigation
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
              event type: the rule wants Planned maintenance, the event has Service issue
          - contoso / Retirements and other advisories
              event type: the rule wants Health advisory, the event has Service issue
          - contoso / Security advisories
              event type: the rule wants Security advisory, the event has Service issue
          - contoso / Reviews of production incidents
              kind: the rule wants preliminary-review or final-review, the event has update
          - contoso / Livestream invitations
              kind: the rule wants retrospective, the event has update
          - fabrikam / Web sites in Europe
              impact: the rule wants App Service or Azure Front Door in West Europe, North Europe or Global, the event has App Service in Southeast Asia
          - fabrikam / Livestreams about web sites in Europe
              kind: the rule wants retrospective, the event has update

        4 notifications, if nothing of this incident was heard before
        CUSTOMER  RECEIVER  CHANNEL  ADDRESS                           WHAT     WHEN    RULES
        contoso   oncall    slack    secret contoso-slack              message  in 10s  Trouble as it happens
        contoso   platform  email    platform@contoso.example          message  in 10s  Production incidents
        contoso   platform  teams    secret contoso-teams              message  in 10s  Production incidents
        contoso   tickets   webhook  tickets.contoso.example/…#08ec55  message  in 10s  Every service issue becomes a ticket
        ");
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
        assert!(answer.text().starts_with("ignored: "), "{}", answer.text());
    }
}
