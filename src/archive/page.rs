//! One page of an archive: what stands behind a cursor, as far as a viewer may see it, read by keys.
//!
//! Nothing is held between two pages. What is heard after the first one is left to the next archive, by its number; how
//! far an incident or a delivery is, is told as it is when its page is read.

use std::collections::BTreeSet;

use anyhow::Result;

use super::correction::CorrectionLine;
use super::cursor::{Cursor, Part};
use super::decision::Decision;
use super::own::as_it_goes_out;
use super::said::{ClaimRemindersLine, RESOURCES_IN_LINE, ResourcesLine};
use super::{
    AttemptLine, DeliveryLine, EventLine, FORMAT, Header, IncidentLine, Kept, Line, Mark, SetLine, VERSION, VerdictLine,
};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::Event;
use crate::incident::correction::Corrects;
use crate::incident::{Incident, IncidentId};
use crate::journal::Position;
use crate::lookup;
use crate::notification::Form;
use crate::record::{Judged, Verdict, Why};
use crate::store::item::{DeliveryItem, EventLine as Heard, Progress};
use crate::store::read::listed::ListedResource;
use crate::view::story::{self, Sources};
use crate::view::words::{without_addresses, without_paths};

/// A page ends behind so many bytes.
const BYTES: usize = 1 << 20;

/// A page looks at so many incidents, claims or downtimes at most, whether they are in it or not.
const LOOKS_MOST: usize = 500;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Only incidents of which something was heard since then, each whole.
    pub since: Option<Time>,
    /// Whether deliveries and attempts are wanted, too.
    pub with_deliveries: bool,
    /// Behind what.
    pub after: Option<Cursor>,
    /// Of which daemon, and whose part: what its marks carry, where that is known.
    pub of: Option<String>,
}

impl Asked {
    /// Whether it goes on where it began.
    ///
    /// # Errors
    /// When the mark is of another daemon, or of another one's part.
    pub fn goes_on(&self) -> Result<(), &'static str> {
        let began = self.after.as_ref().and_then(|after| after.of.as_ref());
        match began.zip(self.of.as_ref()).is_none_or(|(began, of)| began == of) {
            true => Ok(()),
            false => Err(
                "this archive was begun by another daemon, or with a token that reads another part: go on with the one that it was \
                 begun with, or begin a new file",
            ),
        }
    }
}

/// Lines, and where to go on.
struct Page {
    lines: Vec<u8>,
    /// Behind what there is more.
    after: Option<Cursor>,
    /// Up to which record events are in it.
    through: u64,
}

/// The lines behind a cursor.
fn page(from: &Sources<'_>, asked: &Asked) -> Result<Page> {
    let through = match &asked.after {
        Some(after) => after.through,
        None => from.visibility.store.applied_through()?,
    };
    let mut reading = Reading {
        from,
        asked,
        through,
        lines: Vec::new(),
    };
    let after = match asked.after.as_ref().is_none_or(|after| after.incident.is_none()) {
        true => reading.begin_with_claims()?,
        false => reading.incidents()?,
    };
    let after = after.map(|(incident, part)| Cursor {
        through,
        incident,
        part,
        of: asked.of.clone(),
    });
    Ok(Page {
        lines: reading.lines,
        after,
        through,
    })
}

struct Reading<'a> {
    from: &'a Sources<'a>,
    asked: &'a Asked,
    through: u64,
    lines: Vec<u8>,
}

/// Where a page ends.
type End = (Option<IncidentId>, Part);

/// The events that a customer's own accounts heard of an incident; `None`: all are seen.
type Own = Option<BTreeSet<Position>>;

impl Reading<'_> {
    /// What people said of claims and downtimes, then the incidents.
    fn begin_with_claims(&mut self) -> Result<Option<End>> {
        let first = Part::Reminders(CustomerId::new(""));
        let part = self.asked.after.as_ref().map_or(first, |after| after.part.clone());
        match self.claims(part)? {
            Some(part) => Ok(Some((None, part))),
            None => self.incidents(),
        }
    }

    /// What people said of claims and downtimes behind a part; where the page ends, if that is before their end. Reminders
    /// come first: who takes claims in must not tell of one what was told.
    fn claims(&mut self, mut part: Part) -> Result<Option<Part>> {
        if let Part::Reminders(after) = &part {
            if let Some(after) = self.reminders(after)? {
                return Ok(Some(Part::Reminders(after)));
            }
            part = Part::Claim(CustomerId::new(""), String::new());
        }
        if let Part::Claim(customer, claim) = &part {
            if let Some(end) = self.said_of_claims(customer, claim)? {
                return Ok(Some(end));
            }
            part = Part::Downtime(CustomerId::new(""), String::new());
        }
        match &part {
            Part::Downtime(customer, id) => self.downtimes(customer, id),
            _ => Ok(None),
        }
    }

    fn said_of_claims(&mut self, customer: &CustomerId, claim: &str) -> Result<Option<Part>> {
        let visibility = &self.from.visibility;
        let mut after = (customer.clone(), claim.to_owned());
        for nth in 1.. {
            let history = visibility
                .store
                .claimed_after(visibility.only(), (&after.0, &after.1))?;
            let Some(history) = history else { break };
            if let Some(last) = history.last() {
                after = (last.customer.clone(), last.claim.clone());
                if self.is_since(last.at) {
                    history
                        .into_iter()
                        .for_each(|one| self.push(&Line::Claim(Box::new(one))));
                }
            }
            if self.is_full() || nth >= LOOKS_MOST {
                return Ok(Some(Part::Claim(after.0, after.1)));
            }
        }
        Ok(None)
    }

    fn downtimes(&mut self, customer: &CustomerId, id: &str) -> Result<Option<Part>> {
        let visibility = &self.from.visibility;
        let found = visibility
            .store
            .downtimes(visibility.only(), Some((customer, id)), LOOKS_MOST)?;
        let is_cut = found.len() == LOOKS_MOST;
        let mut end = None;
        for downtime in found {
            end = Some(Part::Downtime(downtime.customer.clone(), downtime.id.clone()));
            if self.is_since(downtime.last_said()) {
                self.push(&Line::Downtime(Box::new(downtime)));
            }
            if self.is_full() {
                return Ok(end);
            }
        }
        Ok(end.filter(|_| is_cut))
    }

    fn reminders(&mut self, after: &CustomerId) -> Result<Option<CustomerId>> {
        let store = self.from.visibility.store;
        let mut after = after.clone();
        while let Some(customer) = store.reminded_of_claims_after(self.from.visibility.only(), &after)? {
            let marks = store.reminded_of_claims(&customer)?;
            for of in marks.chunks(RESOURCES_IN_LINE) {
                self.push(&Line::ClaimReminders(ClaimRemindersLine {
                    customer: customer.clone(),
                    of: of.to_vec(),
                }));
            }
            if self.is_full() {
                return Ok(Some(customer));
            }
            after = customer;
        }
        Ok(None)
    }

    /// Whether something was said since the time that was asked for.
    fn is_since(&self, at: Time) -> bool {
        self.asked.since.is_none_or(|since| at >= since)
    }

    fn incidents(&mut self) -> Result<Option<End>> {
        let store = self.from.visibility.store;
        let after = self.asked.after.as_ref();
        let last = after.and_then(|cursor| cursor.incident.as_ref());
        if let Some(part) = after.map(|cursor| &cursor.part).filter(|part| **part != Part::Whole)
            && let Some(last) = last
            && let Some(incident) = store.incident(last)?
            && self.is_heard(last)?
            && let Some(part) = self.incident(&incident, part)?
        {
            return Ok(Some((Some(incident.id), part)));
        }
        for (nth, incident) in store.incidents_after(last).enumerate() {
            let incident = incident?;
            if let Some(part) = self.begin(incident.clone())? {
                return Ok(Some((Some(incident.id), part)));
            }
            if self.is_full() || nth + 1 >= LOOKS_MOST {
                return Ok(Some((Some(incident.id), Part::Whole)));
            }
        }
        Ok(None)
    }

    /// Whether the viewer may know of an incident: a mark may be made up.
    fn is_heard(&self, id: &IncidentId) -> Result<bool> {
        let visibility = &self.from.visibility;
        Ok(visibility.is_whole() || !visibility.hearings(id)?.is_empty())
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= BYTES
    }

    fn push(&mut self, line: &Line) {
        self.lines.extend(line.to_bytes());
    }

    /// An incident from its beginning; where its page ends, if that is before its end.
    fn begin(&mut self, incident: Incident) -> Result<Option<Part>> {
        let store = self.from.visibility.store;
        let id = incident.id.clone();
        let first = store.event_lines_of(&id, None).next().transpose()?;
        if first.is_none_or(|first| first.at.seq > self.through) || !self.is_recent(&id)? {
            return Ok(None);
        }
        let seen = match self.from.visibility.is_whole() {
            true => Some(incident),
            false => story::said(self.from, incident)?.map(|(seen, _)| seen),
        };
        let Some(seen) = seen else { return Ok(None) };
        self.push(&Line::Incident(IncidentLine::of(&seen)));
        let none = Position { seq: 0, nth: 0 };
        self.incident(&seen, &Part::Event(none))
    }

    /// Whether something of an incident was heard, or said, since the time that was asked for.
    fn is_recent(&self, id: &IncidentId) -> Result<bool> {
        let Some(since) = self.asked.since else { return Ok(true) };
        let store = self.from.visibility.store;
        let corrections = store.corrections(id)?.into_iter().map(|one| one.at);
        let lists = store.resource_summaries(id)?.into_iter();
        let lists = lists
            .filter(|one| self.from.visibility.shows(&one.customer))
            .map(|one| one.at);
        if corrections.chain(lists).any(|said| said >= since) {
            return Ok(true);
        }
        let latest = match self.own(id)? {
            None => store.latest_event_of(id)?,
            Some(own) => match own.last() {
                Some(at) => store.event(*at)?,
                None => None,
            },
        };
        Ok(latest.is_some_and(|line| line.heard >= since))
    }

    /// The events of an incident that the viewer's own accounts heard.
    fn own(&self, id: &IncidentId) -> Result<Own> {
        if self.from.visibility.is_whole() {
            return Ok(None);
        }
        let heard = self.from.visibility.hearings(id)?.into_iter();
        Ok(Some(heard.map(|hearing| hearing.event).collect()))
    }

    /// What stands behind a part of an incident; where its page ends, if that is before its end.
    fn incident(&mut self, incident: &Incident, part: &Part) -> Result<Option<Part>> {
        let id = &incident.id;
        let store = self.from.visibility.store;
        let after = match part {
            Part::Whole | Part::Reminders(_) | Part::Claim(..) | Part::Downtime(..) => return Ok(None),
            Part::Event(after) => {
                let own = self.own(id)?;
                for line in store.event_lines_of(id, Some(*after)) {
                    let line = line?;
                    if line.at.seq > self.through {
                        break;
                    }
                    let at = line.at;
                    self.event(line, own.as_ref())?;
                    if self.is_full() {
                        return Ok(Some(Part::Event(at)));
                    }
                }
                self.corrections(incident)?;
                if let Some(part) = self.resources(incident, None)? {
                    return Ok(Some(part));
                }
                None
            }
            Part::Resource(customer, key) => {
                if let Some(part) = self.resources(incident, Some((customer, key)))? {
                    return Ok(Some(part));
                }
                None
            }
            Part::Delivery(after) => store.delivery_item(after)?,
        };
        match self.asked.with_deliveries {
            true => self.deliveries(id, after.as_ref()),
            false => Ok(None),
        }
    }

    /// What persons said of an incident: of communications that the viewer did not hear, nothing.
    fn corrections(&mut self, incident: &Incident) -> Result<()> {
        let corrections = self.from.visibility.store.corrections(&incident.id)?;
        if corrections.is_empty() {
            return Ok(());
        }
        let hearings = self.from.visibility.hearings(&incident.id)?;
        let heard: BTreeSet<&str> = hearings.iter().map(|one| one.communication.as_str()).collect();
        for correction in &corrections {
            let is_seen = match &correction.corrects {
                Corrects::Kind { communication, .. } => heard.contains(communication.as_str()),
                Corrects::Size { .. } | Corrects::Window { .. } | Corrects::Requested {} => true,
            };
            if is_seen {
                let line = CorrectionLine::of(correction, &incident.tracking_id);
                self.push(&Line::Correction(Box::new(line)));
            }
        }
        Ok(())
    }

    /// The impacted resources that the viewer may see behind one of them; where the page ends, if that is before their end.
    fn resources(&mut self, incident: &Incident, after: Option<(&CustomerId, &str)>) -> Result<Option<Part>> {
        let visibility = &self.from.visibility;
        let summaries = visibility.store.resource_summaries(&incident.id)?;
        if summaries.is_empty() {
            return Ok(None);
        }
        let mut last = after.map(|(customer, key)| (customer.clone(), key.to_owned()));
        loop {
            let after = last.as_ref().map(|(customer, key)| (customer, &**key));
            let listed =
                visibility
                    .store
                    .listed_resources(&incident.id, visibility.only(), after, RESOURCES_IN_LINE)?;
            let Some(end) = listed.last() else { return Ok(None) };
            last = Some((end.customer.clone(), end.resource.key()));
            // those that were handed in together stand together
            let together = |one: &ListedResource, next: &ListedResource| {
                (&one.customer, one.at, &one.by) == (&next.customer, next.at, &next.by)
            };
            for group in listed.chunk_by(together) {
                let first = &group[0];
                let summary = summaries.iter().find(|summary| summary.customer == first.customer);
                self.push(&Line::Resources(Box::new(ResourcesLine {
                    provider: incident.id.provider,
                    tracking_id: incident.tracking_id.clone(),
                    customer: first.customer.clone(),
                    at: first.at,
                    by: first.by.clone(),
                    complete: summary.is_some_and(|summary| summary.is_complete),
                    resources: group.iter().map(|one| one.resource.clone()).collect(),
                })));
            }
            if let Some((customer, key)) = last.as_ref().filter(|_| self.is_full()) {
                return Ok(Some(Part::Resource(customer.clone(), key.clone())));
            }
        }
    }

    fn event(&mut self, line: Heard, own: Option<&BTreeSet<Position>>) -> Result<()> {
        let visibility = &self.from.visibility;
        let event = lookup::unless_lost(lookup::event(self.from.journal, line.at))?;
        let is_own = |event: &Event| visibility.owns_part_of(event);
        if own.is_some_and(|own| !own.contains(&line.at) && !event.as_ref().is_some_and(is_own)) {
            return Ok(());
        }
        let decision = Decision::of(visibility.store, self.from.journal, line.at)?;
        let verdicts = decision.as_ref().map(|decision| self.verdicts(line.at, decision));
        let verdicts = verdicts.unwrap_or_default();
        let nothing = self.nothing(line.at, verdicts.is_empty())?;
        let is_decided =
            visibility.store.decided_at(line.at)?.is_some() || visibility.store.nothing(line.at)?.is_some();
        self.push(&Line::Event(Box::new(EventLine {
            id: Some(line.at),
            heard: Some(line.heard),
            provider: line.incident.provider,
            tracking_id: line.tracking_id,
            decided: is_decided,
            nothing: nothing.map(|why| why.to_string()),
            event: event.map(|event| as_it_goes_out(visibility.part_of(event))),
        })));
        verdicts.iter().for_each(|line| self.push(line));
        Ok(())
    }

    /// Why nothing (more) followed. A customer is told whether one of its own rules matched, and nothing of others'.
    fn nothing(&self, event: Position, is_without_verdict: bool) -> Result<Option<Why>> {
        let nothing = self.from.visibility.store.nothing(event)?;
        if self.from.visibility.only().is_none() {
            return Ok(nothing);
        }
        let is_decided = nothing.is_some() || self.from.visibility.store.decided_at(event)?.is_some();
        Ok(match nothing {
            None | Some(Why::NoRuleMatched) => (is_decided && is_without_verdict).then_some(Why::NoRuleMatched),
            Some(Why::SetAside { .. }) => Some(Why::SetAside {
                why: "the operator was told".to_owned(),
            }),
            other => other,
        })
    }

    /// The verdicts that the viewer may see, behind the sets of accounts that they refer to.
    fn verdicts(&self, event: Position, decision: &Decision) -> Vec<Line> {
        let receivers = decision.receivers();
        let mut seen_sets = BTreeSet::new();
        let mut lines = Vec::new();
        for (at, judged) in decision.verdicts() {
            if judged.event != event || !self.from.visibility.shows(&judged.customer) {
                continue;
            }
            let set = judged.accounts_of.map(|of| decision.position(of));
            if let Some(set) = set.filter(|set| seen_sets.insert(*set)) {
                let accounts = decision.set(set).unwrap_or_default();
                let accounts = accounts.iter().filter(|account| self.from.visibility.owns(account));
                lines.push(Line::Set(SetLine {
                    id: set,
                    event,
                    accounts: accounts.cloned().collect(),
                }));
            }
            let told = receivers.get(&at).into_iter().flatten();
            let told = told.map(|receiver| (*receiver).to_owned()).collect();
            lines.push(Line::Verdict(self.verdict(judged, set, told)));
        }
        lines
    }

    fn verdict(&self, judged: &Judged, set: Option<Position>, receivers: Vec<String>) -> VerdictLine {
        let (verdict, why, until) = match &judged.verdict {
            Verdict::Planned => ("planned", None, None),
            Verdict::Joined => ("joined", None, None),
            Verdict::Held { until, why } => ("held", Some(why.to_string()), Some(*until)),
            Verdict::Withheld { why } => ("withheld", Some(why.to_string()), None),
        };
        let accounts = judged
            .accounts
            .iter()
            .filter(|account| self.from.visibility.owns(account));
        VerdictLine {
            event: judged.event,
            customer: judged.customer.to_string(),
            rule: judged.rule.clone(),
            verdict: verdict.to_owned(),
            why,
            until,
            followed: judged.followed,
            receivers,
            accounts: accounts.cloned().collect(),
            accounts_of: set,
        }
    }

    fn deliveries(&mut self, id: &IncidentId, after: Option<&DeliveryItem>) -> Result<Option<Part>> {
        let visibility = &self.from.visibility;
        for item in visibility.store.deliveries_about_after(id, after) {
            let item = item?;
            if item.delivery.event.seq > self.through || !visibility.shows(&item.delivery.customer) {
                continue;
            }
            let attempts = match item.progress {
                Progress::Planned { .. } | Progress::Forgotten => Vec::new(),
                Progress::Scheduled { .. } | Progress::Ended { .. } => visibility.store.attempts(&item.delivery.id)?,
            };
            let delivery_id = item.delivery.id.clone();
            self.lines
                .extend(Line::Delivery(Box::new(self.delivery(item))).to_bytes());
            for attempt in attempts {
                let why = attempt.outcome.why().map(|why| self.said(why));
                self.lines.extend(
                    Line::Attempt(AttemptLine {
                        delivery: attempt.delivery,
                        number: attempt.number,
                        started: attempt.started,
                        ended: attempt.ended,
                        outcome: attempt.outcome.word().to_owned(),
                        why,
                    })
                    .to_bytes(),
                );
            }
            if self.is_full() {
                return Ok(Some(Part::Delivery(delivery_id)));
            }
        }
        Ok(None)
    }

    /// What a receiver said, as the viewer may read it: without addresses, and for a customer without paths of this
    /// machine.
    fn said(&self, why: &str) -> String {
        match self.from.visibility.only() {
            None => without_addresses(why),
            Some(_) => without_addresses(&without_paths(why)),
        }
    }

    fn delivery(&self, item: DeliveryItem) -> DeliveryLine {
        use crate::delivery::End;
        let (mut end, mut ended, mut superseded_by, mut next_attempt) = (None, None, None, None);
        let state = match &item.progress {
            Progress::Planned { due, .. } => {
                next_attempt = Some(*due);
                "gathering"
            }
            Progress::Scheduled { at, .. } => {
                next_attempt = Some(*at);
                "scheduled"
            }
            Progress::Ended { end: how, at } => {
                (end, ended) = (Some(self.said(&how.to_string())), Some(*at));
                if let End::Superseded { by } = how {
                    superseded_by = Some(by.clone());
                }
                how.word().word()
            }
            Progress::Forgotten => "forgotten",
        };
        let delivery = item.delivery;
        DeliveryLine {
            id: delivery.id,
            provider: delivery.incident.provider,
            tracking_id: delivery.tracking_id,
            customer: delivery.customer.to_string(),
            rules: delivery.rules,
            receiver: delivery.receiver,
            channel: delivery.channel.word().to_owned(),
            form: match delivery.form {
                Form::Message => "message",
                Form::Invitation { .. } => "invitation",
            }
            .to_owned(),
            state: state.to_owned(),
            title: delivery.title,
            kind: delivery.kind,
            created: delivery.created,
            published: delivery.published,
            event: delivery.event,
            part: delivery.part,
            attempts: item.attempts,
            end,
            ended,
            superseded_by,
            next_attempt,
        }
    }
}

/// A page as a file holds it: behind the header, if it is the first one, the lines, and a mark that says where to go on.
///
/// # Errors
/// When store or journal cannot be read.
pub fn answer(from: &Sources<'_>, asked: &Asked, made: Time, kept: Kept) -> Result<Vec<u8>> {
    let is_first = asked.after.is_none();
    let page = page(from, asked)?;
    let through = page.through;
    let mut bytes = match is_first {
        true => Line::Header(header(from, asked, made, kept, through)).to_bytes(),
        false => Vec::new(),
    };
    bytes.extend(page.lines);
    let after = page.after.map(|cursor| cursor.to_string());
    bytes.extend(Line::Mark(Mark { after }).to_bytes());
    Ok(bytes)
}

fn header(from: &Sources<'_>, asked: &Asked, made: Time, kept: Kept, through: u64) -> Header {
    let always = [
        "claim-reminders",
        "claim",
        "downtime",
        "incident",
        "event",
        "set",
        "verdict",
        "correction",
        "resources",
    ];
    let deliveries: &[&str] = if asked.with_deliveries {
        &["delivery", "attempt"]
    } else {
        &[]
    };
    let holds = always.iter().chain(deliveries);
    Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        made_by: concat!("bellwether ", env!("CARGO_PKG_VERSION")).to_owned(),
        made,
        through,
        customer: from.visibility.only().map(ToString::to_string),
        since: asked.since,
        holds: holds.map(|kind| (*kind).to_owned()).collect(),
        kept,
    }
}
