//! Everything the store holds, one variant per kind, and every key that an item stands under.
//!
//! An item has one primary key, which holds its value, and may have others, which hold its primary key: a delivery is
//! found by its id, in its incident, in its lane and in the list of its state. [`Item::keys`] is the one place that says
//! which; applying a record, folding a checkpoint and building a store again all go by it. Items are written to
//! checkpoints as JSON, and kept in sled as `compact` says.

use serde::{Deserialize, Serialize};

use super::keys::{self, Key, letter};
use crate::claim::{Claimed, Downtime};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Attempt, Delivery, End, Failing, LaneKey, Standing, State, StateWord};
use crate::event::{Arrival, Form as EventForm, Kind, Provider};
use crate::incident::correction::Correction;
use crate::incident::reminders::Reminded;
use crate::incident::resources::{Resource, ResourceSummary};
use crate::incident::{Entry, Hearing, Incident, IncidentId};
use crate::journal::Position;
use crate::lookup::Frozen;
use crate::message::{Carried, FrozenContent};
use crate::notification::{Notification, SeriesId};
use crate::record::{
    Accounts, BrokenFile, ClaimMark, Deadline, Judged, Planned, PlannedFor, Set, SetAside, Stands, Verdict, Why,
};
use crate::rule::Revision;

/// One thing the store holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// Recorded or raised, not decided yet.
    Inbox { at: Position },
    /// An event that was recorded or raised.
    Event(EventLine),
    /// An incident.
    Incident(Incident),
    /// A communication of an incident.
    Entry(Entry),
    /// An account's hearing of it.
    Hearing(Hearing),
    /// A verdict on an event.
    Verdict(VerdictLine),
    /// Why nothing followed from an input (or, beside verdicts, from part of it).
    Nothing {
        of: Position,
        why: Why,
        /// The record that decided so; `None` in stores of before this was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decided: Option<u64>,
    },
    /// A rule told of an incident.
    Follows {
        incident: IncidentId,
        customer: CustomerId,
        rule: String,
    },
    /// A part of the accounts and impacts that several verdicts and notifications refer to.
    Set {
        /// Where the set stands as a change.
        at: Position,
        /// Which part of it, 0-based: see [`SET_PART`].
        part: u32,
        /// Its accounts and impacts.
        set: Set,
    },
    /// What an event adds to what an endpoint is told.
    Gathered(Gathered),
    /// What an endpoint is to be told, or was: one item from planned to ended.
    Delivery(Box<DeliveryItem>),
    /// A finished attempt, before a delivery's last one.
    Attempt(Attempt),
    /// Something to look at.
    Wake { deadline: Deadline, at: Time },
    /// A version of a rule file that came into force (or, without digest, went), by the record that said so.
    RuleFile(RuleFileLine),
    /// A revision that came into force.
    InForce { seq: u64, revision: Revision, since: Time },
    /// The settings that decide, where they were recorded.
    Settings { seq: u64, recorded: Position },
    /// A rule file that is broken.
    Broken(BrokenFile),
    /// Something that could not be decided.
    SetAside(SetAsideLine),
    /// Nothing expires and nothing is deleted until then.
    Hold { until: Time },
    /// When it was last noticed that a part of the journal is lost.
    Lost { at: Time },
    /// An endpoint whose last attempt failed.
    Failing(Failing),
    /// When a customer was last told that a receiver of its own fails.
    ToldOfFailing { customer: CustomerId, at: Time },
    /// When an incident is looked at next because of what it owes.
    Clock { incident: IncidentId, at: Option<Time> },
    /// What a customer was reminded of, of an incident.
    Reminded(Reminded),
    /// Every incident has a clock for what it owes.
    ClocksBegun {},
    /// A person's word of an incident, and the change that says so.
    Correction { at: Position, correction: Correction },
    /// What a person said of a claim, and the change that says so.
    Claimed { at: Position, claimed: Box<Claimed> },
    /// What a customer was reminded of, of a claim.
    RemindedOfClaim { customer: CustomerId, of: ClaimMark },
    /// A resource that an incident impacted, and who listed it for a customer.
    Resource {
        incident: IncidentId,
        customer: CustomerId,
        at: Time,
        by: String,
        resource: Resource,
    },
    /// What all resources of an incident that are listed for a customer come to.
    ResourceSummary(ResourceSummary),
    /// Downtime that a person entered.
    Downtime(Box<Downtime>),
    /// When a provider was last heard in this form: not by a back-fill, and not what we raise ourselves.
    LastHeard {
        provider: Provider,
        form: EventForm,
        at: Time,
    },
}

/// Something that could not be decided, as it is listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetAsideLine {
    /// Where its input stands; of a deadline, the decision that set it aside.
    pub at: Position,
    /// Since when.
    pub since: Time,
    /// What it is, and what went wrong.
    pub set_aside: SetAside,
}

/// A line in the list of events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    /// Where it stands.
    pub at: Position,
    /// When it arrived.
    pub heard: Time,
    /// Its incident.
    pub incident: IncidentId,
    /// The tracking id as written.
    pub tracking_id: String,
    /// What it is.
    pub kind: Kind,
    /// Its title.
    pub title: String,
    /// Live or history.
    pub arrival: Arrival,
}

/// A verdict as kept: whole if it is small, else where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictLine {
    /// The event.
    pub event: Position,
    /// Where the verdict stands as a change.
    pub at: Position,
    /// Whose rule.
    pub customer: CustomerId,
    /// Which.
    pub rule: String,
    /// What follows.
    pub verdict: Verdict,
    /// All of it, unless it names very many accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Box<Judged>>,
}

/// What a verdict on an event adds to one part of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gathered {
    /// About which incident.
    pub incident: IncidentId,
    /// The series.
    pub series: SeriesId,
    /// Its part.
    pub part: u32,
    /// The event.
    pub event: Position,
    /// Where the verdict stands as a change.
    pub verdict: Position,
    /// The accounts that the endpoint was not told of before by this communication; `None` where there are so many that
    /// only the verdict itself holds them, in the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Accounts>,
}

/// How many accounts, or impacts, one part of a set holds: sled writes values of more than 128 KiB to files of their own.
pub const SET_PART: usize = 1_000;

/// A delivery from planned to ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryItem {
    /// What it is. While it is planned it has no rules yet, and `created` is when it is due.
    pub delivery: Delivery,
    /// How far it is.
    pub progress: Progress,
    /// How many attempts have ended.
    #[serde(default)]
    pub attempts: u32,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Attempt>,
    /// Where its frozen content stands; `None` until it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Position>,
    /// What it carries of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<Carried>,
    /// What the event that opened it adds to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstGathered>,
    /// What it has of its own of what it says, where the rest is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnContent>,
    /// Whether it could not be decided what it tells: it is not due again until somebody asks for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_set_aside: bool,
}

/// What the event that opened a delivery adds to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstGathered {
    /// Where the verdict stands as a change.
    pub verdict: Position,
    /// The accounts it tells of.
    pub new: Accounts,
}

/// What a delivery has of its own of what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnContent {
    /// The zone its receiver reads times in.
    pub zone: chrono_tz::Tz,
    /// Whether its endpoint was told of the incident before.
    pub is_reply: bool,
}

/// How far a delivery is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// It gathers until it is due.
    Planned {
        /// When it is told.
        due: Time,
        /// The communication it tells.
        communication: String,
    },
    /// It is tried.
    Scheduled {
        /// Not before.
        at: Time,
        /// Dead after.
        expires: Time,
    },
    /// It will not be tried again.
    Ended {
        /// How it ended.
        end: End,
        /// When.
        at: Time,
    },
    /// Its retention is over: what is left says that this part of the series was told.
    Forgotten,
}

/// A version of a rule file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFileLine {
    /// Its path.
    pub path: String,
    /// The record that put it into force.
    pub seq: u64,
    /// SHA-256 of its text; `None`: gone from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where its sealed text was recorded, and which of the input's files it is.
    pub recorded: Position,
    /// Which of the recorded input's files.
    pub nth: u32,
    /// Nothing was decided by it, and its text is given back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_back: bool,
}

impl Item {
    /// The key that holds it.
    pub fn key(&self) -> Key {
        match self {
            Item::Inbox { at } => keys::inbox(*at),
            Item::Event(line) => keys::event(line.at),
            Item::Incident(incident) => keys::incident_key(&incident.id),
            Item::Entry(entry) => keys::entries(&entry.incident).text(&entry.communication),
            Item::Hearing(hearing) => keys::hearings(&hearing.incident)
                .text(&hearing.account)
                .newest_first(hearing.event),
            Item::Verdict(line) => keys::verdicts(line.event).position(line.at),
            Item::Nothing { of, .. } => keys::nothing(*of),
            Item::Follows {
                incident,
                customer,
                rule,
            } => keys::follows(incident).text(customer.as_str()).text(rule),
            Item::Set { at, part, set } => keys::sets(set.event).position(*at).number(u64::from(*part)),
            Item::Gathered(one) => keys::gathered(&one.incident, &one.series)
                .position(one.event)
                .position(one.verdict),
            Item::Delivery(one) => keys::delivery(&one.delivery.id),
            Item::Attempt(attempt) => keys::attempts(&attempt.delivery).number(u64::from(attempt.number)),
            Item::Wake { deadline, at } => keys::wake(deadline, *at),
            Item::RuleFile(line) => keys::rule_file(&line.path, line.seq),
            Item::InForce { seq, .. } => Key::of(letter::IN_FORCE).number(*seq),
            Item::Settings { seq, .. } => Key::of(letter::SETTINGS).number(*seq),
            Item::Broken(file) => keys::broken(&file.path),
            Item::SetAside(line) => keys::set_aside(line.at),
            Item::Hold { .. } => keys::hold(),
            Item::Lost { .. } => keys::lost(),
            Item::Failing(failing) => keys::failing(&failing.endpoint),
            Item::ToldOfFailing { customer, .. } => keys::told_of_failing(customer),
            Item::Clock { incident, .. } => keys::clock(incident),
            Item::Reminded(one) => keys::reminded_of(&one.incident).text(one.customer.as_str()),
            Item::ClocksBegun {} => keys::clocks_begun(),
            Item::Correction { at, correction } => keys::corrections(&correction.incident).position(*at),
            Item::Claimed { at, claimed } => keys::claimed(&claimed.customer, &claimed.claim).position(*at),
            Item::RemindedOfClaim { customer, of } => keys::reminded_of_claim(customer, &of.claim).text(&of.mark),
            Item::Resource {
                incident,
                customer,
                resource,
                ..
            } => keys::resources_of(incident, customer).text(&resource.key()),
            Item::ResourceSummary(one) => keys::resource_summaries(&one.incident).text(one.customer.as_str()),
            Item::Downtime(one) => keys::downtimes_of(&one.customer).text(&one.id),
            Item::LastHeard { provider, form, .. } => keys::last_heard().text(provider.word()).text(form.word()),
        }
    }

    /// The key that what belongs together is written by: an attempt goes with its delivery, which says whether it is
    /// known yet.
    pub fn owner(&self) -> Key {
        match self {
            Item::Attempt(attempt) => keys::delivery(&attempt.delivery),
            _ => self.key(),
        }
    }

    /// All keys it stands under: the one that holds it, then those that hold that key.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = vec![self.key()];
        match self {
            Item::Event(line) => keys.push(keys::events_of(&line.incident).position(line.at)),
            Item::Incident(incident) => keys.push(keys::updated(incident.updated, &incident.id)),
            Item::Delivery(one) => one.add_keys(&mut keys),
            Item::Inbox { .. }
            | Item::Entry(_)
            | Item::Hearing(_)
            | Item::Verdict(_)
            | Item::Nothing { .. }
            | Item::Follows { .. }
            | Item::Set { .. }
            | Item::Gathered(_)
            | Item::Attempt(_)
            | Item::Wake { .. }
            | Item::RuleFile(_)
            | Item::InForce { .. }
            | Item::Settings { .. }
            | Item::Broken(_)
            | Item::SetAside(_)
            | Item::Hold { .. }
            | Item::Lost { .. }
            | Item::Failing(_)
            | Item::ToldOfFailing { .. }
            | Item::Clock { .. }
            | Item::Reminded(_)
            | Item::ClocksBegun {}
            | Item::Correction { .. }
            | Item::Claimed { .. }
            | Item::RemindedOfClaim { .. }
            | Item::Resource { .. }
            | Item::ResourceSummary(_)
            | Item::Downtime(_)
            | Item::LastHeard { .. } => {}
        }
        keys
    }

    /// Whether items like this have more keys than one.
    pub fn has_other_keys(key: &Key) -> bool {
        matches!(
            key.0.first(),
            Some(&letter::EVENT | &letter::INCIDENT | &letter::DELIVERY)
        )
    }
}

impl DeliveryItem {
    /// One that is planned.
    pub fn planned(notification: &Notification) -> Self {
        let due = notification.due;
        let communication = notification.communication.clone();
        Self {
            delivery: delivery_of(notification),
            progress: Progress::Planned { due, communication },
            attempts: 0,
            last: None,
            content: None,
            carried: Vec::new(),
            first: None,
            own: None,
            is_set_aside: false,
        }
    }

    /// One that an event opened, by a decision whose changes stand so.
    pub fn opened(planned: &Planned, to: &PlannedFor, stands: &Stands) -> Self {
        let notification = Notification {
            series: to.series.clone(),
            part: to.part,
            open: true,
            due: planned.due,
            customer: planned.customer.clone(),
            incident: planned.incident.clone(),
            communication: planned.communication.clone(),
            event: planned.event,
            form: to.form,
            endpoint: to.endpoint.clone(),
            receiver: to.receiver.clone(),
            channel: to.channel,
            tracking_id: planned.tracking_id.clone(),
            published: planned.published,
            title: planned.title.clone(),
            kind: planned.kind,
        };
        Self {
            first: Some(FirstGathered {
                verdict: to.verdict.position(stands),
                new: planned.new.seen_from_outside(stands),
            }),
            ..Self::planned(&notification)
        }
    }

    /// One that was made.
    pub fn scheduled(delivery: Delivery, content: Position, expires: Time) -> Self {
        let at = delivery.created;
        Self {
            delivery,
            progress: Progress::Scheduled { at, expires },
            attempts: 0,
            last: None,
            content: Some(content),
            carried: Vec::new(),
            first: None,
            own: None,
            is_set_aside: false,
        }
    }

    /// What is left of one whose retention is over.
    pub fn forgotten(delivery: Delivery) -> Self {
        Self {
            delivery: Delivery {
                rules: Vec::new(),
                title: String::new(),
                ..delivery
            },
            progress: Progress::Forgotten,
            attempts: 0,
            last: None,
            content: None,
            carried: Vec::new(),
            first: None,
            own: None,
            is_set_aside: false,
        }
    }

    /// What is left of it when its retention is over.
    fn reduced(self) -> Self {
        Self {
            first: self.first,
            ..Self::forgotten(self.delivery)
        }
    }

    /// How far it is, for whoever asks about deliveries; `None` if it is not one yet, or not any more.
    pub fn standing(&self) -> Option<Standing> {
        let state = match &self.progress {
            Progress::Planned { .. } | Progress::Forgotten => return None,
            Progress::Scheduled { at, expires } => State::Scheduled {
                at: *at,
                expires: *expires,
            },
            Progress::Ended { end, at } => State::Ended {
                end: end.clone(),
                at: *at,
            },
        };
        Some(Standing {
            delivery: self.delivery.id.clone(),
            attempts: self.attempts,
            state,
        })
    }

    /// The notification it is while it gathers.
    pub fn notification(&self) -> Option<Notification> {
        let Progress::Planned { due, communication } = &self.progress else {
            return None;
        };
        Some(Notification {
            open: true,
            due: *due,
            communication: communication.clone(),
            ..self.closed()
        })
    }

    /// What it says, of what was frozen for it or for it and others.
    pub fn content_of(&self, frozen: &Frozen) -> FrozenContent {
        let one = &self.delivery;
        let shared = match frozen {
            Frozen::Whole(content) => {
                let carries = self.carried.clone();
                return FrozenContent {
                    carries,
                    ..content.clone()
                };
            }
            Frozen::Shared(shared) => shared,
        };
        FrozenContent {
            customer: shared.customer.clone(),
            receiver: one.receiver.clone(),
            channel: one.channel,
            form: one.form,
            rules: shared.rules.clone(),
            part: one.part,
            impact: shared.impact.clone(),
            subscriptions: shared.subscriptions.clone(),
            since: shared.since,
            zone: self.own.map_or(chrono_tz::UTC, |own| own.zone),
            links: shared.links.clone(),
            contact: shared.contact.clone(),
            is_reply: self.own.is_some_and(|own| own.is_reply),
            carries: self.carried.clone(),
        }
    }

    /// The notification it was; nobody asks a closed one when it was due, or of which communication.
    pub fn closed(&self) -> Notification {
        let one = &self.delivery;
        Notification {
            series: one.series.clone(),
            part: one.part,
            open: false,
            due: one.created,
            customer: one.customer.clone(),
            incident: one.incident.clone(),
            communication: String::new(),
            event: one.event,
            form: one.form,
            endpoint: one.endpoint.clone(),
            receiver: one.receiver.clone(),
            channel: one.channel,
            tracking_id: one.tracking_id.clone(),
            published: one.published,
            title: one.title.clone(),
            kind: one.kind,
        }
    }

    /// What the event that opened it added.
    pub fn first_gathered(&self) -> Option<Gathered> {
        let first = self.first.as_ref()?;
        Some(Gathered {
            incident: self.delivery.incident.clone(),
            series: self.delivery.series.clone(),
            part: self.delivery.part,
            event: self.delivery.event,
            verdict: first.verdict,
            new: Some(first.new.clone()),
        })
    }

    /// Whether its endpoint was told, or is about to be.
    pub fn is_told(&self) -> bool {
        !matches!(self.progress, Progress::Planned { .. })
    }

    fn add_keys(&self, keys: &mut Vec<Key>) {
        let one = &self.delivery;
        keys.push(keys::part(one));
        if self.first.is_some() {
            keys.push(keys::opened(one));
        }
        match &self.progress {
            Progress::Planned { .. } if self.is_set_aside => {}
            Progress::Planned { due, communication } => {
                keys.push(keys::planned(*due, &one.customer, communication).id(&one.id));
            }
            Progress::Scheduled { .. } => {
                keys.push(keys::lane(&one.lane_key()));
                keys.push(keys::listed(StateWord::Scheduled, one.created, &one.id));
            }
            Progress::Ended { end, at } => {
                keys.push(keys::listed(end.word(), one.created, &one.id));
                keys.push(keys::ended_at(*at, &one.id));
            }
            Progress::Forgotten => {}
        }
    }

    /// Where it stands in its lane.
    pub fn lane_key(&self) -> LaneKey {
        self.delivery.lane_key()
    }
}

/// What a notification's delivery will be, as far as that is known before it is told.
fn delivery_of(notification: &Notification) -> Delivery {
    Delivery {
        id: notification.series.delivery(notification.part),
        customer: notification.customer.clone(),
        receiver: notification.receiver.clone(),
        endpoint: notification.endpoint.clone(),
        channel: notification.channel,
        form: notification.form,
        incident: notification.incident.clone(),
        tracking_id: notification.tracking_id.clone(),
        rules: Vec::new(),
        series: notification.series.clone(),
        part: notification.part,
        event: notification.event,
        published: notification.published,
        title: notification.title.clone(),
        kind: notification.kind,
        created: notification.due,
        every: false,
    }
}

/// What changes of a delivery.
#[derive(Debug, Clone)]
pub enum Patch {
    /// Its notification is closed.
    Closed(Box<Notification>),
    /// Its notification is told sooner; or at all, if it was set aside.
    BroughtForward(Time),
    /// Its notification stays open and is not told: it could not be decided.
    SetAside,
    /// It was made.
    Told {
        content: Position,
        own: OwnContent,
        rules: Vec<String>,
        every: bool,
        created: Time,
        expires: Time,
    },
    /// An attempt ended, and it will be tried again.
    Attempted { attempt: Attempt, at: Time, expires: Time },
    /// It ended.
    Ended {
        attempts: u32,
        attempt: Option<Attempt>,
        end: End,
        at: Time,
    },
    /// It is scheduled again.
    Requeued { attempts: u32, at: Time, expires: Time },
    /// It stands for others.
    Carries(Vec<Carried>),
    /// Its retention is over.
    Forgotten,
    /// It was made at this time, and its retention is over.
    Gone { created: Time },
}

impl Patch {
    /// What a delivery becomes, and the attempt that is not its last one any more. Nothing becomes of one that is not
    /// known: its making was lost, and the deliveries behind it must not wait for it.
    pub fn apply(&self, known: Option<DeliveryItem>) -> (Option<DeliveryItem>, Option<Attempt>) {
        let mut item = match (known, self) {
            (None, Patch::Closed(notification)) => {
                return (Some(DeliveryItem::forgotten(delivery_of(notification))), None);
            }
            (None, _) => return (None, None),
            (Some(item), _) => item,
        };
        let mut before = None;
        match self {
            Patch::Closed(_) if item.is_told() => {}
            Patch::BroughtForward(sooner) => {
                if let Progress::Planned { due, .. } = &mut item.progress {
                    *due = *sooner;
                    item.delivery.created = *sooner;
                    item.is_set_aside = false;
                }
            }
            Patch::SetAside => item.is_set_aside = matches!(item.progress, Progress::Planned { .. }),
            Patch::Told {
                content,
                own,
                rules,
                every,
                created,
                expires,
            } => {
                item.delivery.rules.clone_from(rules);
                (item.delivery.every, item.delivery.created) = (*every, *created);
                (item.content, item.own) = (Some(*content), Some(*own));
                item.progress = Progress::Scheduled {
                    at: *created,
                    expires: *expires,
                };
            }
            // its making was lost: one that ended is not told again, and one that was tried is made again
            Patch::Ended { .. } if item.content.is_none() => item = item.reduced(),
            Patch::Attempted { .. } | Patch::Requeued { .. } | Patch::Carries(_) if item.content.is_none() => {}
            Patch::Closed(_) | Patch::Forgotten => item = item.reduced(),
            Patch::Gone { created } => {
                item.delivery.created = *created;
                item = item.reduced();
            }
            Patch::Attempted { attempt, at, expires } => {
                before = item.add_attempt(attempt);
                item.progress = Progress::Scheduled {
                    at: *at,
                    expires: *expires,
                };
            }
            Patch::Ended {
                attempts,
                attempt,
                end,
                at,
            } => {
                before = attempt.as_ref().and_then(|attempt| item.add_attempt(attempt));
                item.attempts = *attempts;
                item.progress = Progress::Ended {
                    end: end.clone(),
                    at: *at,
                };
            }
            Patch::Requeued { attempts, at, expires } => {
                item.attempts = *attempts;
                item.progress = Progress::Scheduled {
                    at: *at,
                    expires: *expires,
                };
            }
            Patch::Carries(carried) => item.carried.clone_from(carried),
        }
        (Some(item), before)
    }
}

impl DeliveryItem {
    /// Its last attempt is another one; gives back the one before, unless it is the same again.
    fn add_attempt(&mut self, attempt: &Attempt) -> Option<Attempt> {
        self.attempts = attempt.number;
        let before = self.last.replace(attempt.clone());
        before.filter(|before| before.number != attempt.number)
    }
}
