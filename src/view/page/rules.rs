//! The page of rules: the files with their problems, what each rule did, and who would be invited.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;

use super::{Frame, render};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Arrival, Event, EventType, Form, Impact, Kind, Level, Provider, Session, Stage};
use crate::record::BrokenFile;
use crate::rule::{Receiver, Revision, Rule, RuleFile};
use crate::view::tally::{self, Did, Tally};
use crate::view::words::{Moment, counted, in_own_folder};

/// What the page is made of.
pub struct Rules<'a> {
    /// The name of all rules in force, where everybody's are read.
    pub revision: Option<String>,
    /// The files in force.
    pub files: Vec<File>,
    /// How many more there are.
    pub more_files: usize,
    /// The files that are broken; their last good versions stay in force.
    pub broken: Vec<BrokenFile>,
    /// What lies in the folders and is no rule file.
    pub not_read: Vec<String>,
    /// What each rule did.
    pub tally: Tally,
    /// Who would be invited.
    pub invited: Invited,
    /// To what.
    pub asked: &'a Asked,
    /// The customer who reads; `None` for everybody's rules.
    pub own: Option<&'a CustomerId>,
}

/// A file in force.
pub struct File {
    /// The file.
    pub file: Arc<RuleFile>,
    /// The revision that brought its last change, and when.
    pub changed: Option<(Revision, Time)>,
}

/// About which incident's retrospective is asked.
#[derive(Debug, Default)]
pub struct Asked {
    /// The account; empty for all.
    pub account: String,
    /// The service that is impacted; empty for none.
    pub service: String,
    /// Where.
    pub region: String,
}

/// Who would be invited.
#[derive(Default)]
pub struct Invited {
    /// Each account, its names, and the rules that would invite.
    pub lines: Vec<(String, Vec<String>, Vec<Arc<Rule>>)>,
    /// How many more accounts there are.
    pub more: usize,
}

/// A retrospective of a service issue on an account, as a provider would announce it.
pub fn retrospective(account: &str, asked: &Asked, now: Time) -> Event {
    let begin = now + chrono::Duration::days(7);
    let impact = (!asked.service.is_empty()).then(|| Impact {
        service: asked.service.clone(),
        service_id: None,
        region: (!asked.region.is_empty()).then(|| asked.region.clone()),
        accounts: Vec::new(),
    });
    Event {
        provider: Provider::Azure,
        source: None,
        tracking_id: "EXAMPLE".to_owned(),
        event_type: EventType::ServiceIssue,
        subtype: None,
        stage: Stage::Rca,
        kind: Kind::Retrospective,
        level: Some(Level::Informational),
        title: "Azure Incident Retrospective".to_owned(),
        html: String::new(),
        text: String::new(),
        impact: impact.into_iter().collect(),
        accounts: vec![account.to_owned()],
        impact_start: None,
        impact_end: None,
        published: now,
        published_said: None,
        sessions: vec![Session {
            start: begin,
            end: begin + chrono::Duration::hours(1),
        }],
        link: None,
        properties: BTreeMap::new(),
        test: false,
        communication_id: None,
        arrival: Arrival::Live,
        tags: Vec::new(),
        reminder: None,
        measures: None,
        notes: Vec::new(),
        form: Form::Bellwether,
        text_withheld: false,
        imported: None,
    }
}

struct FileLine {
    path: String,
    customer: String,
    changed: Option<Moment>,
    /// The first digits of its digest: which version it is.
    version: String,
    revision: Option<String>,
    tests: String,
    rules: Vec<RuleLine>,
    receivers: Vec<ReceiverLine>,
}

struct RuleLine {
    name: String,
    line: usize,
    is_off: bool,
    notify: String,
    invite: String,
    did: Did,
}

struct ReceiverLine {
    name: String,
    to: String,
    zone: String,
}

struct Problem {
    path: String,
    customer: String,
    report: String,
}

struct InvitedLine {
    account: String,
    names: String,
    rules: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "rules.html")]
struct Page<'a> {
    frame: &'a Frame,
    title: &'a str,
    made: Moment,
    days: i64,
    since: Option<Moment>,
    is_cut: bool,
    has_customers: bool,
    files: Vec<FileLine>,
    problems: Vec<Problem>,
    invited: Vec<InvitedLine>,
    rules: &'a Rules<'a>,
}

/// The page.
pub fn rules(frame: &Frame, rules: &Rules<'_>) -> String {
    let shown = |text: &str| {
        rules
            .own
            .map_or_else(|| text.to_owned(), |own| in_own_folder(text, own.as_str()))
    };
    let problems = rules.broken.iter().map(|file| Problem {
        path: shown(&file.path),
        customer: file.customer.to_string(),
        report: shown(&file.report),
    });
    let invited = rules.invited.lines.iter().map(|(account, names, rules)| InvitedLine {
        account: account.clone(),
        names: names.join(", "),
        rules: rules
            .iter()
            .map(|rule| (rule.name.clone(), rule.invite.join(", ")))
            .collect(),
    });
    render(&Page {
        frame,
        title: "Rules",
        made: frame.moment(frame.now),
        days: tally::DAYS,
        since: rules.tally.since.map(|at| frame.moment(at)),
        is_cut: rules.tally.is_cut,
        has_customers: rules.own.is_none(),
        files: rules
            .files
            .iter()
            .map(|file| FileLine::of(file, rules, &shown, frame))
            .collect(),
        problems: problems.collect(),
        invited: invited.collect(),
        rules,
    })
}

impl FileLine {
    fn of(file: &File, rules: &Rules<'_>, shown: &dyn Fn(&str) -> String, frame: &Frame) -> Self {
        let changed = file.changed.as_ref();
        let file = &file.file;
        Self {
            path: shown(&file.path),
            customer: file.customer.to_string(),
            changed: changed.map(|(_, at)| frame.moment(*at)),
            version: file.digest.chars().take(12).collect(),
            // the name of all rules changes with everybody's
            revision: changed
                .filter(|_| rules.own.is_none())
                .map(|(revision, _)| revision.0.clone()),
            tests: counted(file.tests.len(), "test"),
            rules: file.rules.iter().map(|rule| RuleLine::of(rule, &rules.tally)).collect(),
            receivers: file
                .receivers
                .iter()
                .map(|receiver| ReceiverLine::of(receiver))
                .collect(),
        }
    }
}

impl RuleLine {
    fn of(rule: &Rule, tally: &Tally) -> Self {
        Self {
            name: rule.name.clone(),
            line: rule.line,
            is_off: !rule.enabled,
            notify: rule.notify.join(", "),
            invite: rule.invite.join(", "),
            did: tally.did(&rule.customer, &rule.name),
        }
    }
}

impl ReceiverLine {
    /// How it is told, and never where: addresses and URLs are not shown here.
    fn of(receiver: &Receiver) -> Self {
        let mut channels: BTreeMap<&str, usize> = BTreeMap::new();
        for address in &receiver.to {
            *channels.entry(address.channel().word()).or_default() += 1;
        }
        let to = channels.into_iter().map(|(word, count)| match count {
            1 => word.to_owned(),
            count => format!("{count} × {word}"),
        });
        Self {
            name: receiver.name.clone(),
            to: to.collect::<Vec<_>>().join(", "),
            zone: receiver.zone.name().to_owned(),
        }
    }
}
