//! The shapes of answers. What stands here is a promise to programs: fields are added, never renamed or removed.

use std::ops::Range;

use serde::Serialize;

use super::owed::{CorrectionLine, ProgressLines, RevisionLine};
use crate::clock::Time;
use crate::delivery::{Attempt, State};
use crate::event::{Arrival, Event, EventType, Kind, Level, Provider, Stage};
use crate::incident::reviews::Terms;
use crate::incident::{Incident, Status};
use crate::notification::{Channel, Form};
use crate::record::Verdict;
use crate::store::item::EventLine;
use crate::view::filter::state_word;
use crate::view::impacted::Impacted;
use crate::view::story::{Affected, Became, Chapter, Fate, Gathering, Listed, OwnPart, Ruling, Silent, Story, Tracked};
use crate::view::words::without_addresses;

/// An incident.
#[derive(Serialize)]
pub struct IncidentLine {
    provider: Provider,
    tracking_id: String,
    event_type: EventType,
    status: &'static str,
    status_since: Time,
    title: String,
    kind: Kind,
    level: Option<Level>,
    impact_start: Option<Time>,
    impact_end: Option<Time>,
    updated: Time,
    first_heard: Time,
    test: bool,
}

/// An incident in a list.
#[derive(Serialize)]
pub struct ListedIncident {
    #[serde(flatten)]
    line: IncidentLine,
    state: &'static str,
    /// Whether the provider withheld the text of something that was said, and has not given it since.
    incomplete: bool,
}

impl ListedIncident {
    /// As it is at `now`.
    pub fn of(listed: &Listed, now: Time) -> Self {
        Self {
            line: IncidentLine::of(&listed.incident),
            state: state_word(listed.state.at(now)),
            incomplete: listed.is_incomplete,
        }
    }
}

/// How many resources of an incident there are.
#[derive(Serialize)]
pub struct Counts {
    /// How many were.
    pub confirmed: usize,
    /// How many may have been.
    pub potential: usize,
}

impl Counts {
    /// As a viewer may know it.
    pub fn of(impacted: &Impacted) -> Self {
        Self {
            confirmed: impacted.confirmed,
            potential: impacted.potential,
        }
    }
}

/// An incident and everything said of it.
#[derive(Serialize)]
pub struct WholeIncident {
    #[serde(flatten)]
    line: IncidentLine,
    is_over: bool,
    /// Whether the provider withheld the text of something that was said, and has not given it since.
    incomplete: bool,
    #[serde(flatten)]
    progress: ProgressLines,
    /// Whether it is over in the reader's own part; `null` of what is no trouble of a service.
    for_you: Option<OwnPartLine>,
    accounts: Vec<String>,
    impact: Vec<AffectedLine>,
    /// How many resources are listed as impacted.
    impacted_resources: Counts,
    /// What persons said against the provider's word, the oldest first.
    corrections: Vec<CorrectionLine>,
    /// What the newest review recommends to customers.
    recommendations: Vec<String>,
    /// Who was reminded of what it owes, the newest first.
    reminders: Vec<EntryLine>,
    revisions: Vec<RevisionLine>,
    entries: Vec<EntryLine>,
    /// What to give as `before` to learn what followed from the communications behind those of which it is told here.
    next: Option<String>,
}

/// Whether it is over in the reader's own part, and what says so.
#[derive(Serialize)]
struct OwnPartLine {
    /// `going-on`, `partly-over`, `over` or, where it cannot be told, `unknown`.
    state: &'static str,
    /// Where no place is named: the provider's time of what says that it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<Time>,
    places: Vec<PlaceLine>,
}

#[derive(Serialize)]
struct PlaceLine {
    service: String,
    region: Option<String>,
    is_over: bool,
    /// `named`, `no-longer-named` or `said-to-be-over`.
    basis: &'static str,
    /// The provider's time of the communication that says so.
    said: Time,
}

#[derive(Serialize)]
struct AffectedLine {
    service: String,
    region: Option<String>,
    accounts: Vec<String>,
}

#[derive(Serialize)]
struct EntryLine {
    /// Whether what followed from it is told in another answer (`next`), and not here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    followed_elsewhere: bool,
    kind: Kind,
    /// What was read of it, where a person says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_read: Option<Kind>,
    /// The provider's tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    stage: Stage,
    title: String,
    published: Time,
    heard: Time,
    arrival: Arrival,
    events: Vec<String>,
    accounts: Vec<String>,
    text: Option<String>,
    html: Option<String>,
    sessions: Vec<crate::event::Session>,
    link: Option<url::Url>,
    /// What of it could not be taken as it stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<crate::event::Note>,
    verdicts: Vec<VerdictLine>,
    nothing: Vec<String>,
    deliveries: Vec<DeliveryLine>,
    gathering: Vec<GatheringLine>,
    not_matched: Vec<SilentLine>,
    not_matched_more: usize,
    rules_changed: bool,
    /// Whether the rules that decided could not be made again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    not_matched_unknown: bool,
}

/// What a rule that matched came to.
#[derive(Serialize)]
pub struct VerdictLine {
    customer: String,
    rule: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    followed: bool,
    events: Vec<String>,
    accounts: Vec<String>,
    receivers: Vec<String>,
    /// What became of each notification that it asked for.
    became: Vec<BecameLine>,
}

/// What became of one notification.
#[derive(Serialize)]
struct BecameLine {
    receiver: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'static str>,
    /// `gathering`, `scheduled`, `delivered`, `dead`, `superseded`, or (after its retention) `forgotten`.
    state: &'static str,
    /// The delivery's id, also while it is not made yet.
    delivery: String,
    /// When it is told or tried, or when it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<String>,
}

/// Why a rule did not match.
#[derive(Serialize)]
pub struct SilentLine {
    customer: String,
    rule: String,
    why: String,
}

/// Who will be told when enough has gathered.
#[derive(Serialize)]
pub struct GatheringLine {
    customer: String,
    receiver: String,
    channel: &'static str,
    due: Time,
    rules: Vec<String>,
}

/// A delivery.
#[derive(Serialize)]
pub struct DeliveryLine {
    id: String,
    provider: Provider,
    tracking_id: String,
    customer: String,
    rule: Option<String>,
    rules: Vec<String>,
    receiver: String,
    channel: &'static str,
    form: &'static str,
    state: &'static str,
    title: String,
    created: Time,
    published: Time,
    event: String,
    part: u32,
    attempts: Vec<AttemptLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Time>,
}

#[derive(Serialize)]
struct AttemptLine {
    number: u32,
    started: Time,
    ended: Time,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// An event in a list.
#[derive(Serialize)]
pub struct EventShort {
    id: String,
    heard: Time,
    provider: Provider,
    tracking_id: String,
    kind: Kind,
    title: String,
    arrival: Arrival,
}

/// An event, and what became of it.
#[derive(Serialize)]
pub struct WholeEvent {
    #[serde(flatten)]
    pub line: EventShort,
    /// Whether it was decided; if not, it waits in the inbox.
    pub decided: bool,
    /// `None` if that part of the journal is lost.
    pub event: Option<Event>,
    pub verdicts: Vec<VerdictLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nothing: Option<String>,
    /// The deliveries that followed, those that stand for others among them.
    pub deliveries: Vec<DeliveryLine>,
    /// Who will be told when enough has gathered.
    pub gathering: Vec<GatheringLine>,
    /// Why rules did not match, by those that decided it: the first of them, and how many more there are.
    pub not_matched: Vec<SilentLine>,
    pub not_matched_more: usize,
    /// What to ask instead, if the rules that decided cannot be made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The rules that decided it.
    pub revision: Option<String>,
    /// Whether others are in force now.
    pub rules_changed: bool,
}

impl IncidentLine {
    /// This incident.
    pub fn of(incident: &Incident) -> Self {
        Self {
            provider: incident.id.provider,
            tracking_id: incident.tracking_id.clone(),
            event_type: incident.event_type,
            status: Status::word(incident.status),
            status_since: incident.status_at,
            title: incident.title.clone(),
            kind: incident.kind,
            level: incident.level,
            impact_start: incident.impact_start,
            impact_end: incident.impact_end,
            updated: incident.updated,
            first_heard: incident.first_heard,
            test: incident.test,
        }
    }
}

impl WholeIncident {
    /// This story, as it stands at `now`.
    pub fn of(story: Story, terms: &Terms, now: Time) -> Self {
        Self {
            line: IncidentLine::of(&story.incident),
            is_over: story.incident.status.is_over(),
            incomplete: story.is_incomplete(),
            progress: ProgressLines::of(&story.progress(terms, now), now),
            revisions: story.revisions().into_iter().map(RevisionLine::of).collect(),
            corrections: story.corrections.iter().map(CorrectionLine::of).collect(),
            recommendations: story.recommendations(),
            reminders: story.reminders.into_iter().map(EntryLine::of).collect(),
            impacted_resources: Counts::of(&story.impacted),
            for_you: story.own_part.as_ref().map(OwnPartLine::of),
            accounts: story.accounts,
            impact: story.impact.into_iter().map(AffectedLine::of).collect(),
            next: next(&story.chapters, &story.shown),
            entries: entries(story.chapters, &story.shown),
        }
    }
}

/// All that was said; what followed from it, of those that are shown.
fn entries(chapters: Vec<Chapter>, shown: &Range<usize>) -> Vec<EntryLine> {
    let entries = chapters.into_iter().enumerate().map(|(nth, chapter)| EntryLine {
        followed_elsewhere: !shown.contains(&nth),
        ..EntryLine::of(chapter)
    });
    entries.collect()
}

/// The last one that is shown, if there are more behind it.
fn next(chapters: &[Chapter], shown: &Range<usize>) -> Option<String> {
    let last = chapters.get(shown.end.checked_sub(1)?)?;
    let first = last.events.first().filter(|_| shown.end < chapters.len())?;
    Some(first.to_string())
}

impl OwnPartLine {
    fn of(own_part: &OwnPart) -> Self {
        let (said, places) = match own_part {
            OwnPart::Over(at) => (Some(*at), &[][..]),
            OwnPart::Unknown => (None, &[][..]),
            OwnPart::Places(places) => (None, &places[..]),
        };
        let places = places.iter().map(|place| PlaceLine {
            service: place.service.clone(),
            region: place.region.clone(),
            is_over: place.is.is_over(),
            basis: place.is.word(),
            said: place.said,
        });
        Self {
            state: own_part.word(),
            said,
            places: places.collect(),
        }
    }
}

impl AffectedLine {
    fn of(affected: Affected) -> Self {
        Self {
            service: affected.service,
            region: affected.region,
            accounts: affected.accounts.into_iter().collect(),
        }
    }
}

impl EntryLine {
    /// Of the event only what was said: for whom else it was sent is not everybody's to know.
    fn of(chapter: Chapter) -> Self {
        let (text, html, sessions, link, notes, tags) = match chapter.event {
            Some(event) => (
                Some(event.text),
                Some(event.html),
                event.sessions,
                event.link,
                event.notes,
                event.tags,
            ),
            None => (None, None, Vec::new(), None, Vec::new(), Vec::new()),
        };
        Self {
            followed_elsewhere: false,
            kind: chapter.kind,
            kind_read: chapter.kind_read,
            tags,
            stage: chapter.stage,
            title: chapter.title,
            published: chapter.published,
            heard: chapter.heard,
            arrival: chapter.arrival,
            events: chapter.events.iter().map(ToString::to_string).collect(),
            accounts: chapter.accounts,
            text,
            html,
            sessions,
            link,
            notes,
            verdicts: chapter.verdicts.into_iter().map(VerdictLine::of).collect(),
            nothing: chapter.nothing.iter().map(ToString::to_string).collect(),
            deliveries: chapter.deliveries.iter().map(DeliveryLine::of).collect(),
            gathering: chapter.gathering.into_iter().map(GatheringLine::of).collect(),
            not_matched: chapter.silent.into_iter().map(SilentLine::of).collect(),
            not_matched_more: chapter.more_silent,
            rules_changed: chapter.rules_changed,
            not_matched_unknown: chapter.is_unexplained,
        }
    }
}

impl VerdictLine {
    /// This ruling.
    pub fn of(ruling: Ruling) -> Self {
        let (verdict, why, until) = match ruling.verdict {
            Verdict::Planned => ("planned", None, None),
            Verdict::Joined => ("joined", None, None),
            Verdict::Held { until, why } => ("held", Some(why.to_string()), Some(until)),
            Verdict::Withheld { why } => ("withheld", Some(why.to_string()), None),
        };
        Self {
            customer: ruling.customer.to_string(),
            rule: ruling.rule,
            verdict,
            why,
            until,
            followed: ruling.followed,
            events: ruling.events.iter().map(ToString::to_string).collect(),
            accounts: ruling.accounts.into_iter().collect(),
            receivers: ruling.receivers.into_iter().collect(),
            became: ruling.became.into_iter().map(BecameLine::of).collect(),
        }
    }
}

impl BecameLine {
    fn of(became: Became) -> Self {
        let (at, why, superseded_by) = match &became.fate {
            Fate::Gathering { due } => (Some(*due), None, None),
            Fate::Scheduled { next, why } => (Some(*next), why.clone(), None),
            Fate::Delivered { at } => (Some(*at), None, None),
            Fate::Dead { at, why } => (Some(*at), Some(why.clone()), None),
            Fate::Superseded { at, by } => (Some(*at), None, Some(by.clone())),
            Fate::Forgotten => (None, None, None),
        };
        Self {
            receiver: became.receiver,
            channel: became.channel.map(Channel::word),
            state: became.fate.word(),
            delivery: became.delivery,
            at,
            why: why.as_deref().map(without_addresses),
            superseded_by,
        }
    }
}

impl SilentLine {
    /// This rule.
    pub fn of(silent: Silent) -> Self {
        Self {
            customer: silent.customer.to_string(),
            rule: silent.rule,
            why: silent.why,
        }
    }
}

impl GatheringLine {
    /// This notification.
    pub fn of(gathering: Gathering) -> Self {
        Self {
            customer: gathering.customer.to_string(),
            receiver: gathering.receiver,
            channel: gathering.channel.word(),
            due: gathering.due,
            rules: gathering.because,
        }
    }
}

impl DeliveryLine {
    /// This delivery.
    pub fn of(tracked: &Tracked) -> Self {
        let delivery = &tracked.delivery;
        let state = &tracked.standing.state;
        let (end, ended, next_attempt, expires) = match state {
            State::Scheduled { at, expires } => (None, None, Some(*at), Some(*expires)),
            State::Ended { end, at } => (Some(without_addresses(&end.to_string())), Some(*at), None, None),
        };
        Self {
            id: delivery.id.clone(),
            provider: delivery.incident.provider,
            tracking_id: delivery.tracking_id.clone(),
            customer: delivery.customer.to_string(),
            rule: delivery.rules.first().cloned(),
            rules: delivery.rules.clone(),
            receiver: delivery.receiver.clone(),
            channel: delivery.channel.word(),
            form: match delivery.form {
                Form::Message => "message",
                Form::Invitation { .. } => "invitation",
            },
            state: state.word().word(),
            title: delivery.title.clone(),
            created: delivery.created,
            published: delivery.published,
            event: delivery.event.to_string(),
            part: delivery.part,
            attempts: tracked.attempts.iter().map(AttemptLine::of).collect(),
            end,
            ended,
            superseded_by: tracked.successor().map(str::to_owned),
            next_attempt,
            expires,
        }
    }
}

impl AttemptLine {
    fn of(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            started: attempt.started,
            ended: attempt.ended,
            outcome: attempt.outcome.word(),
            why: attempt.outcome.why().map(without_addresses),
        }
    }
}

impl EventShort {
    /// This line.
    pub fn of(line: EventLine) -> Self {
        Self {
            id: line.at.to_string(),
            heard: line.heard,
            provider: line.incident.provider,
            tracking_id: line.tracking_id,
            kind: line.kind,
            title: line.title,
            arrival: line.arrival,
        }
    }
}
