//! How an item is kept in sled: typed binary, of types apart from the journal's and the checkpoints' JSON.
//!
//! What there is most of (deliveries, hearings, what is gathered, events) has types of its own, with ids as bytes and
//! times as numbers; the rest, of which there is little, is written with its fields' names. Both are MessagePack: of a
//! delivery whose every field is used (951 bytes as JSON) it makes 307 bytes, and unlike postcard it reads back what was
//! written with optional fields left out, as the domain's own types are. [`SCHEMA`] grows with every change of
//! these types or of the keys: a store of another schema is built again.

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::Damaged;
use super::item::{DeliveryItem, EventLine, FirstGathered, Gathered, Item, OwnContent, Progress};
use super::keys::{packed_id, unpacked_id};
use crate::channel::{Fault, Outcome};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Attempt, Delivery, End};
use crate::event::{Arrival, Impact, Kind, Provider};
use crate::incident::{Hearing, IncidentId};
use crate::journal::Position;
use crate::message::Carried;
use crate::notification::{Channel, EndpointId, Form, SeriesId};
use crate::record::{Accounts, Ref, Stands};

/// The schema of the store's keys and values.
pub const SCHEMA: u64 = 7;

/// What a value begins with.
mod tag {
    pub const NAMED: u8 = 0;
    pub const DELIVERY: u8 = 1;
    pub const HEARING: u8 = 2;
    pub const GATHERED: u8 = 3;
    pub const EVENT: u8 = 4;
}

/// An item as a value.
pub fn write(item: &Item) -> Vec<u8> {
    match item {
        Item::Delivery(one) => body(tag::DELIVERY, &DeliveryValue::of(one)),
        Item::Hearing(one) => body(tag::HEARING, &HearingValue::of(one)),
        Item::Gathered(one) => body(tag::GATHERED, &GatheredValue::of(one)),
        Item::Event(one) => body(tag::EVENT, &EventValue::of(one)),
        Item::Inbox { .. }
        | Item::Incident(_)
        | Item::Entry(_)
        | Item::Verdict(_)
        | Item::Nothing { .. }
        | Item::Follows { .. }
        | Item::Set { .. }
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
        | Item::LastHeard { .. } => named(item),
    }
}

/// The item that a value is of.
///
/// # Errors
/// When it is none.
pub fn read(bytes: &[u8]) -> Result<Item> {
    read_any(bytes).context(Damaged("something in the store cannot be read"))
}

fn read_any(bytes: &[u8]) -> Result<Item> {
    let (tag, body) = bytes.split_first().context("it is empty")?;
    Ok(match *tag {
        tag::NAMED => rmp_serde::from_slice(body)?,
        tag::DELIVERY => Item::Delivery(Box::new(rmp_serde::from_slice::<DeliveryValue>(body)?.item()?)),
        tag::HEARING => Item::Hearing(rmp_serde::from_slice::<HearingValue>(body)?.item()?),
        tag::GATHERED => Item::Gathered(rmp_serde::from_slice::<GatheredValue>(body)?.item()?),
        tag::EVENT => Item::Event(rmp_serde::from_slice::<EventValue>(body)?.item()?),
        other => bail!("it is of an unknown kind, {other}"),
    })
}

fn body(tag: u8, value: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![tag];
    rmp_serde::encode::write(&mut bytes, value).expect("memory takes everything");
    bytes
}

fn named(item: &Item) -> Vec<u8> {
    let mut bytes = vec![tag::NAMED];
    rmp_serde::encode::write_named(&mut bytes, item).expect("memory takes everything");
    bytes
}

/// An id of 32 hex digits as 17 bytes.
#[derive(Serialize, Deserialize)]
struct Id(#[serde(with = "as_bytes")] Vec<u8>);

/// Bytes as MessagePack's bytes, not as an array of numbers.
mod as_bytes {
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

impl Id {
    fn of(id: &str) -> Self {
        Self(packed_id(id))
    }

    fn text(&self) -> Result<String> {
        unpacked_id(&self.0).context("an id is not one")
    }
}

/// Seconds since 1970, and nanoseconds behind them.
type Moment = (i64, u32);

fn moment(time: Time) -> Moment {
    (time.timestamp(), time.timestamp_subsec_nanos())
}

fn time((seconds, nanos): Moment) -> Result<Time> {
    Time::from_timestamp(seconds, nanos).context("a time is not one")
}

/// Record, and which of its parts.
type Where = (u64, u32);

fn place(at: Position) -> Where {
    (at.seq, at.nth)
}

fn position((seq, nth): Where) -> Position {
    Position { seq, nth }
}

type About = (Provider, String);

fn about(id: &IncidentId) -> About {
    (id.provider, id.tracking_id.clone())
}

fn incident((provider, tracking_id): About) -> IncidentId {
    IncidentId { provider, tracking_id }
}

/// The tracking id as it was written, if not in lower case.
fn as_written(tracking_id: &str, id: &IncidentId) -> Option<String> {
    (tracking_id != id.tracking_id).then(|| tracking_id.to_owned())
}

#[derive(Serialize, Deserialize)]
struct DeliveryValue {
    id: Id,
    series: Id,
    part: u32,
    customer: String,
    receiver: String,
    endpoint: Id,
    channel: Channel,
    form: Form,
    incident: About,
    tracking_id: Option<String>,
    rules: Vec<String>,
    event: Where,
    published: Moment,
    title: String,
    kind: Kind,
    created: Moment,
    every: bool,
    progress: ProgressValue,
    attempts: u32,
    last: Option<AttemptValue>,
    content: Option<Where>,
    carried: Vec<(String, Moment)>,
    first: Option<(Where, AccountsValue)>,
    own: Option<(chrono_tz::Tz, bool)>,
    is_set_aside: bool,
}

#[derive(Serialize, Deserialize)]
enum AccountsValue {
    These(Vec<String>),
    Of(Where),
}

impl AccountsValue {
    fn of(accounts: &Accounts) -> Self {
        match accounts {
            Accounts::These(accounts) => Self::These(accounts.clone()),
            // an item refers to other records only: see `Accounts::seen_from_outside`
            Accounts::Of(set) => Self::Of(place(set.position(&Stands::alone(0)))),
        }
    }

    fn accounts(self) -> Accounts {
        match self {
            Self::These(accounts) => Accounts::These(accounts),
            Self::Of(at) => Accounts::Of(Ref::At(position(at))),
        }
    }
}

#[derive(Serialize, Deserialize)]
enum ProgressValue {
    Planned { due: Moment, communication: String },
    Scheduled { at: Moment, expires: Moment },
    Ended { end: EndValue, at: Moment },
    Forgotten,
}

#[derive(Serialize, Deserialize)]
enum EndValue {
    Delivered,
    Expired,
    Refused(String),
    ReceiverGone(String),
    Superseded(Id),
}

#[derive(Serialize, Deserialize)]
struct AttemptValue {
    number: u32,
    started: Moment,
    ended: Moment,
    outcome: OutcomeValue,
    digest: Id,
}

#[derive(Serialize, Deserialize)]
enum OutcomeValue {
    Delivered,
    Retry(String, Option<u64>),
    Refused(String),
    Gone(String),
    OurFault(Fault, String),
}

impl DeliveryValue {
    fn of(item: &DeliveryItem) -> Self {
        let one = &item.delivery;
        Self {
            id: Id::of(&one.id),
            series: Id::of(&one.series.0),
            part: one.part,
            customer: one.customer.as_str().to_owned(),
            receiver: one.receiver.clone(),
            endpoint: Id::of(&one.endpoint.0),
            channel: one.channel,
            form: one.form,
            incident: about(&one.incident),
            tracking_id: as_written(&one.tracking_id, &one.incident),
            rules: one.rules.clone(),
            event: place(one.event),
            published: moment(one.published),
            title: one.title.clone(),
            kind: one.kind,
            created: moment(one.created),
            every: one.every,
            progress: ProgressValue::of(&item.progress),
            attempts: item.attempts,
            last: item.last.as_ref().map(AttemptValue::of),
            content: item.content.map(place),
            carried: item
                .carried
                .iter()
                .map(|one| (one.title.clone(), moment(one.published)))
                .collect(),
            first: item
                .first
                .as_ref()
                .map(|first| (place(first.verdict), AccountsValue::of(&first.new))),
            own: item.own.map(|own| (own.zone, own.is_reply)),
            is_set_aside: item.is_set_aside,
        }
    }

    fn item(self) -> Result<DeliveryItem> {
        let (id, incident) = (self.id.text()?, incident(self.incident));
        let tracking_id = self.tracking_id.unwrap_or_else(|| incident.tracking_id.clone());
        let carried = self.carried.into_iter().map(|(title, published)| {
            let published = time(published)?;
            Ok(Carried { title, published })
        });
        Ok(DeliveryItem {
            last: self.last.map(|last| last.attempt(&id)).transpose()?,
            delivery: Delivery {
                id,
                customer: CustomerId::new(&self.customer),
                receiver: self.receiver,
                endpoint: EndpointId(self.endpoint.text()?),
                channel: self.channel,
                form: self.form,
                incident,
                tracking_id,
                rules: self.rules,
                series: SeriesId(self.series.text()?),
                part: self.part,
                event: position(self.event),
                published: time(self.published)?,
                title: self.title,
                kind: self.kind,
                created: time(self.created)?,
                every: self.every,
            },
            progress: self.progress.progress()?,
            attempts: self.attempts,
            content: self.content.map(position),
            carried: carried.collect::<Result<_>>()?,
            first: self.first.map(|(verdict, new)| FirstGathered {
                verdict: position(verdict),
                new: new.accounts(),
            }),
            own: self.own.map(|(zone, is_reply)| OwnContent { zone, is_reply }),
            is_set_aside: self.is_set_aside,
        })
    }
}

impl ProgressValue {
    fn of(progress: &Progress) -> Self {
        match progress {
            Progress::Planned { due, communication } => Self::Planned {
                due: moment(*due),
                communication: communication.clone(),
            },
            Progress::Scheduled { at, expires } => Self::Scheduled {
                at: moment(*at),
                expires: moment(*expires),
            },
            Progress::Ended { end, at } => Self::Ended {
                end: EndValue::of(end),
                at: moment(*at),
            },
            Progress::Forgotten => Self::Forgotten,
        }
    }

    fn progress(self) -> Result<Progress> {
        Ok(match self {
            Self::Planned { due, communication } => Progress::Planned {
                due: time(due)?,
                communication,
            },
            Self::Scheduled { at, expires } => Progress::Scheduled {
                at: time(at)?,
                expires: time(expires)?,
            },
            Self::Ended { end, at } => Progress::Ended {
                end: end.end()?,
                at: time(at)?,
            },
            Self::Forgotten => Progress::Forgotten,
        })
    }
}

impl EndValue {
    fn of(end: &End) -> Self {
        match end {
            End::Delivered => Self::Delivered,
            End::Expired => Self::Expired,
            End::Refused { why } => Self::Refused(why.clone()),
            End::ReceiverGone { why } => Self::ReceiverGone(why.clone()),
            End::Superseded { by } => Self::Superseded(Id::of(by)),
        }
    }

    fn end(self) -> Result<End> {
        Ok(match self {
            Self::Delivered => End::Delivered,
            Self::Expired => End::Expired,
            Self::Refused(why) => End::Refused { why },
            Self::ReceiverGone(why) => End::ReceiverGone { why },
            Self::Superseded(by) => End::Superseded { by: by.text()? },
        })
    }
}

impl AttemptValue {
    fn of(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            started: moment(attempt.started),
            ended: moment(attempt.ended),
            outcome: match &attempt.outcome {
                Outcome::Delivered => OutcomeValue::Delivered,
                Outcome::Retry { why, after_seconds } => OutcomeValue::Retry(why.clone(), *after_seconds),
                Outcome::Refused { why } => OutcomeValue::Refused(why.clone()),
                Outcome::Gone { why } => OutcomeValue::Gone(why.clone()),
                Outcome::OurFault { fault, why } => OutcomeValue::OurFault(*fault, why.clone()),
            },
            digest: Id(packed_digest(&attempt.digest)),
        }
    }

    fn attempt(self, delivery: &str) -> Result<Attempt> {
        Ok(Attempt {
            delivery: delivery.to_owned(),
            number: self.number,
            started: time(self.started)?,
            ended: time(self.ended)?,
            outcome: match self.outcome {
                OutcomeValue::Delivered => Outcome::Delivered,
                OutcomeValue::Retry(why, after_seconds) => Outcome::Retry { why, after_seconds },
                OutcomeValue::Refused(why) => Outcome::Refused { why },
                OutcomeValue::Gone(why) => Outcome::Gone { why },
                OutcomeValue::OurFault(fault, why) => Outcome::OurFault { fault, why },
            },
            digest: unpacked_digest(&self.digest.0)?,
        })
    }
}

/// A SHA-256 in hex as its 32 bytes; any other text as it is, behind a zero.
fn packed_digest(digest: &str) -> Vec<u8> {
    let halves = [digest.get(..32), digest.get(32..)].map(|half| packed_id(half.unwrap_or_default()));
    match halves.each_ref().map(|half| half[0]) {
        [3, 3] => [&halves[0][1..], &halves[1][1..]].concat(),
        _ => [&[0], digest.as_bytes()].concat(),
    }
}

fn unpacked_digest(bytes: &[u8]) -> Result<String> {
    use std::fmt::Write as _;
    if let Some((0, text)) = bytes.split_first().filter(|_| bytes.len() != 32) {
        return Ok(String::from_utf8(text.to_vec())?);
    }
    let mut text = String::with_capacity(64);
    for byte in bytes {
        write!(text, "{byte:02x}").context("writing to memory")?;
    }
    Ok(text)
}

#[derive(Serialize, Deserialize)]
struct HearingValue {
    incident: About,
    account: String,
    source: Option<String>,
    published: Moment,
    communication: String,
    kind: Kind,
    visible: String,
    arrival: Arrival,
    event: Where,
    impact: Vec<ImpactValue>,
    as_event: bool,
}

/// Service, its id, region, accounts.
type ImpactValue = (String, Option<String>, Option<String>, Vec<String>);

fn impact_value(impact: &Impact) -> ImpactValue {
    let Impact {
        service,
        service_id,
        region,
        accounts,
    } = impact.clone();
    (service, service_id, region, accounts)
}

fn impact((service, service_id, region, accounts): ImpactValue) -> Impact {
    Impact {
        service,
        service_id,
        region,
        accounts,
    }
}

impl HearingValue {
    fn of(one: &Hearing) -> Self {
        Self {
            incident: about(&one.incident),
            account: one.account.clone(),
            source: one.source.clone(),
            published: moment(one.published),
            communication: one.communication.clone(),
            kind: one.kind,
            visible: one.visible.clone(),
            arrival: one.arrival,
            event: place(one.event),
            impact: one.impact.iter().map(impact_value).collect(),
            as_event: one.as_event,
        }
    }

    fn item(self) -> Result<Hearing> {
        Ok(Hearing {
            incident: incident(self.incident),
            account: self.account,
            source: self.source,
            published: time(self.published)?,
            communication: self.communication,
            kind: self.kind,
            visible: self.visible,
            arrival: self.arrival,
            event: position(self.event),
            impact: self.impact.into_iter().map(impact).collect(),
            as_event: self.as_event,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct GatheredValue {
    incident: About,
    series: Id,
    part: u32,
    event: Where,
    verdict: Where,
    new: Option<AccountsValue>,
}

impl GatheredValue {
    fn of(one: &Gathered) -> Self {
        Self {
            incident: about(&one.incident),
            series: Id::of(&one.series.0),
            part: one.part,
            event: place(one.event),
            verdict: place(one.verdict),
            new: one.new.as_ref().map(AccountsValue::of),
        }
    }

    fn item(self) -> Result<Gathered> {
        Ok(Gathered {
            incident: incident(self.incident),
            series: SeriesId(self.series.text()?),
            part: self.part,
            event: position(self.event),
            verdict: position(self.verdict),
            new: self.new.map(AccountsValue::accounts),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct EventValue {
    at: Where,
    heard: Moment,
    incident: About,
    tracking_id: Option<String>,
    kind: Kind,
    title: String,
    arrival: Arrival,
}

impl EventValue {
    fn of(one: &EventLine) -> Self {
        Self {
            at: place(one.at),
            heard: moment(one.heard),
            incident: about(&one.incident),
            tracking_id: as_written(&one.tracking_id, &one.incident),
            kind: one.kind,
            title: one.title.clone(),
            arrival: one.arrival,
        }
    }

    fn item(self) -> Result<EventLine> {
        let incident = incident(self.incident);
        Ok(EventLine {
            at: position(self.at),
            heard: time(self.heard)?,
            tracking_id: self.tracking_id.unwrap_or_else(|| incident.tracking_id.clone()),
            incident,
            kind: self.kind,
            title: self.title,
            arrival: self.arrival,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::Notification;
    use crate::record::Set;

    const TIME: &str = "2026-11-24T09:00:00.123456789Z";

    fn at(nth: u32) -> Position {
        Position { seq: 1 << 40, nth }
    }

    fn now() -> Time {
        TIME.parse().expect("a time")
    }

    fn about_one(tracking_id: &str) -> IncidentId {
        IncidentId::new(Provider::Azure, tracking_id)
    }

    fn notification() -> Notification {
        let endpoint = EndpointId("ep_0123456789abcdef0123456789abcdef".to_owned());
        Notification {
            series: SeriesId("abcdef0123456789abcdef0123456789".to_owned()),
            part: 3,
            open: true,
            due: now(),
            customer: CustomerId::new("contoso"),
            incident: about_one("VVTQ-J98"),
            communication: "a text's digest".to_owned(),
            event: at(1),
            form: Form::Invitation {
                session: 1,
                sequence: 2,
                number: Some(3),
            },
            endpoint,
            receiver: "platform".to_owned(),
            channel: Channel::Email,
            tracking_id: "VVTQ-J98".to_owned(),
            published: now(),
            title: "Mitigated - Virtual Machines - East US".to_owned(),
            kind: Kind::FinalReview,
        }
    }

    fn attempt(outcome: Outcome, digest: &str) -> Attempt {
        Attempt {
            delivery: notification().series.delivery(3),
            number: 7,
            started: now(),
            ended: now(),
            outcome,
            digest: digest.to_owned(),
        }
    }

    /// Deliveries with every option empty, and with every one full, in every state.
    fn deliveries() -> Vec<DeliveryItem> {
        let planned = DeliveryItem::planned(&notification());
        let made = |progress| DeliveryItem {
            delivery: Delivery {
                rules: vec!["All".to_owned()],
                every: true,
                tracking_id: "vvtq-j98".to_owned(),
                ..planned.delivery.clone()
            },
            progress,
            attempts: 7,
            last: Some(attempt(
                Outcome::Retry {
                    why: "503".to_owned(),
                    after_seconds: Some(60),
                },
                &"0f".repeat(32),
            )),
            content: Some(at(2)),
            carried: vec![Carried {
                title: "before".to_owned(),
                published: now(),
            }],
            first: Some(FirstGathered {
                verdict: at(3),
                new: Accounts::These(vec!["an account".to_owned()]),
            }),
            own: Some(OwnContent {
                zone: chrono_tz::Europe::Berlin,
                is_reply: true,
            }),
            is_set_aside: true,
        };
        let by = "dlv_0123456789abcdef0123456789abcdef".to_owned();
        let why = || "a reason".to_owned();
        let ends = [
            End::Delivered,
            End::Expired,
            End::Refused { why: why() },
            End::ReceiverGone { why: why() },
            End::Superseded { by },
        ];
        let mut all: Vec<DeliveryItem> = ends
            .into_iter()
            .map(|end| made(Progress::Ended { end, at: now() }))
            .collect();
        let outcomes = [
            Outcome::Delivered,
            Outcome::Retry {
                why: why(),
                after_seconds: None,
            },
            Outcome::Refused { why: why() },
            Outcome::Gone { why: why() },
            Outcome::OurFault {
                fault: Fault::Hello,
                why: why(),
            },
        ];
        for (outcome, digest) in outcomes
            .into_iter()
            .zip(["", "not a digest", &"0F".repeat(32), &"é".repeat(20), ""])
        {
            all[0].last = Some(attempt(outcome, digest));
            all.push(all[0].clone());
        }
        all.push(made(Progress::Scheduled {
            at: now(),
            expires: now(),
        }));
        all.push(DeliveryItem::forgotten(planned.delivery.clone()));
        all.push(planned);
        all
    }

    fn others() -> Vec<Item> {
        let hearing = |source: Option<&str>, impact: Vec<Impact>| Hearing {
            incident: about_one("VVTQ-J98"),
            account: "11111111-aaaa-4bbb-8ccc-111111111111".to_owned(),
            source: source.map(str::to_owned),
            published: now(),
            communication: "a digest".to_owned(),
            kind: Kind::Update,
            visible: "another digest".to_owned(),
            arrival: Arrival::History,
            event: at(1),
            as_event: source.is_some(),
            impact,
        };
        let impact = |text: Option<&str>| Impact {
            service: "Storage".to_owned(),
            service_id: text.map(str::to_owned),
            region: text.map(str::to_owned),
            accounts: text.into_iter().map(str::to_owned).collect(),
        };
        let gathered = |new| Gathered {
            incident: about_one("VVTQ-J98"),
            series: notification().series,
            part: 0,
            event: at(1),
            verdict: at(2),
            new,
        };
        vec![
            Item::Hearing(hearing(None, Vec::new())),
            Item::Hearing(hearing(Some("azure"), vec![impact(None), impact(Some("x"))])),
            Item::Gathered(gathered(None)),
            Item::Gathered(gathered(Some(Accounts::These(vec!["an account".to_owned()])))),
            Item::Gathered(gathered(Some(Accounts::Of(Ref::At(at(4)))))),
            Item::Set {
                at: at(4),
                part: 1,
                set: Set {
                    event: at(1),
                    accounts: vec!["an account".to_owned()],
                    impact: vec![impact(None), impact(Some("x"))],
                },
            },
            Item::Event(EventLine {
                at: at(1),
                heard: now(),
                incident: about_one("VVTQ-J98"),
                tracking_id: "VVTQ-J98".to_owned(),
                kind: Kind::Update,
                title: "A title".to_owned(),
                arrival: Arrival::Live,
            }),
        ]
    }

    #[test]
    fn every_item_comes_back_as_it_was_with_every_option_empty_and_full() {
        let deliveries = deliveries().into_iter().map(|one| Item::Delivery(Box::new(one)));
        for item in deliveries.chain(others()) {
            assert_eq!(read(&write(&item)).expect("reads"), item);
        }
    }

    #[test]
    fn what_the_journal_ever_held_comes_back_too() {
        let lines = include_str!("../../tests/fixtures/records.jsonl").lines();
        let mut seen = 0;
        for (seq, line) in (1..).zip(lines) {
            let record = crate::record::Record::from_bytes(line.as_bytes()).expect("a record");
            for op in super::super::apply::ops(seq, &record, &[]) {
                if let super::super::Op::Put(item) = op {
                    assert_eq!(read(&write(&item)).expect("reads"), *item);
                    seen += 1;
                }
            }
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn what_is_no_item_is_an_error() {
        let value = write(&others()[1]);
        for nth in 0..value.len() {
            assert!(read(&value[..nth]).is_err());
        }
        assert!(read(&[9, 0]).is_err());
    }

    #[test]
    fn a_value_is_half_of_its_json_at_most() {
        let item = Item::Delivery(Box::new(deliveries().swap_remove(5)));
        let (value, json) = (write(&item).len(), serde_json::to_vec(&item).expect("JSON").len());
        assert!(value * 2 < json, "{value} bytes, and {json} as JSON");
    }
}
