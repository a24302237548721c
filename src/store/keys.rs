//! The table of everything remembered: one variant of [`Item`] per kind, and the key it stands under.
//!
//! A key is a letter for its kind, then its parts: texts end with a zero byte, numbers and times are big-endian, so
//! that scanning a prefix gives them in order. A value is the item itself as JSON: the store can be read back without
//! knowing its keys, which is what a checkpoint is.

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Attempt, Delivery, LaneKey, Standing, StateWord};
use crate::event::{Arrival, Kind};
use crate::incident::{Entry, Hearing, Incident, IncidentId};
use crate::journal::Position;
use crate::message::Carried;
use crate::notification::{EndpointId, Notification, SeriesId};
use crate::record::{BrokenFile, Deadline, Judged, Verdict, Why};
use crate::rule::Revision;

/// One thing the store holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// Recorded or raised, not decided yet.
    Inbox { at: Position },
    /// An event that was recorded or raised.
    Event(EventLine),
    /// An event of an incident.
    EventOf { incident: IncidentId, at: Position },
    /// A series of notifications about an incident.
    SeriesOf { incident: IncidentId, series: SeriesId },
    /// An incident.
    Incident(Incident),
    /// A communication of an incident.
    Entry(Entry),
    /// An account's hearing of it.
    Hearing(Hearing),
    /// A verdict: `event`, and which of its verdicts.
    Judged(JudgedLine),
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
    /// The latest part of a series.
    Notification(Notification),
    /// A verdict that leads to a part of a series: on which event, and where it stands as a change.
    Gathered {
        series: SeriesId,
        part: u32,
        event: Position,
        judged: Position,
    },
    /// An account that a series tells of, and in which part.
    Reached {
        series: SeriesId,
        account: String,
        part: u32,
    },
    /// Something to look at.
    Wake { deadline: Deadline, at: Time },
    /// A delivery, and where its frozen content stands in the journal.
    Delivery { delivery: Delivery, told: Position },
    /// A delivery about an incident, also one that moved to another endpoint.
    DeliveryOf { incident: IncidentId, delivery: String },
    /// How far it is.
    Standing(Standing),
    /// A scheduled delivery's place in its lane.
    Lane(LaneKey),
    /// A delivery in the list of its state, by the time it was made.
    Listed {
        state: StateWord,
        created: Time,
        delivery: String,
    },
    /// An ended delivery, by the time it ended.
    EndedAt { at: Time, delivery: String },
    /// A finished attempt.
    Attempt(Attempt),
    /// What a delivery carries of others.
    Carries { delivery: String, carried: Vec<Carried> },
    /// An endpoint was told of an incident.
    Threaded { endpoint: EndpointId, incident: IncidentId },
    /// A version of a rule file that came into force (or, without digest, went), by the record that said so.
    RuleFile(RuleFileLine),
    /// A revision that came into force.
    InForce { seq: u64, revision: Revision, since: Time },
    /// The settings that decide, where they were recorded.
    Settings { seq: u64, recorded: Position },
    /// A rule file that is broken.
    Broken(BrokenFile),
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
pub struct JudgedLine {
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
}

/// A key under construction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub Vec<u8>);

impl Key {
    /// A key of the kind that `letter` stands for.
    pub fn of(letter: u8) -> Self {
        Self(vec![letter])
    }

    /// Adds a text; its end is part of the key, so that no text is the beginning of another one.
    pub fn text(self, text: &str) -> Self {
        let mut key = self.beginning(text);
        key.0.push(0);
        key
    }

    /// Adds the beginning of texts.
    pub fn beginning(mut self, text: &str) -> Self {
        for byte in text.bytes() {
            match byte {
                0 | 1 => self.0.extend([1, byte + 1]),
                _ => self.0.push(byte),
            }
        }
        self
    }

    /// Adds a number.
    pub fn number(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Adds a time, to the microsecond.
    pub fn time(self, time: Time) -> Self {
        let shifted = i128::from(time.timestamp_micros()) - i128::from(i64::MIN);
        self.number(u64::try_from(shifted).unwrap_or(u64::MAX))
    }

    /// Adds a position.
    pub fn position(self, at: Position) -> Self {
        self.number(at.seq).number(u64::from(at.nth))
    }

    /// Adds an incident.
    pub fn incident(self, incident: &IncidentId) -> Self {
        self.text(incident.provider.word()).text(&incident.tracking_id)
    }
}

/// The kinds' letters. A letter is never given to another kind.
pub mod letter {
    pub const INBOX: u8 = b'i';
    pub const EVENT: u8 = b'v';
    pub const EVENT_OF: u8 = b'V';
    pub const SERIES_OF: u8 = b'O';
    pub const INCIDENT: u8 = b'I';
    pub const ENTRY: u8 = b'E';
    pub const HEARING: u8 = b'H';
    pub const JUDGED: u8 = b'J';
    pub const NOTHING: u8 = b'N';
    pub const FOLLOWS: u8 = b'F';
    pub const NOTIFICATION: u8 = b'n';
    pub const GATHERED: u8 = b'g';
    pub const REACHED: u8 = b'r';
    pub const WAKE: u8 = b'w';
    pub const DELIVERY: u8 = b'd';
    pub const DELIVERY_OF: u8 = b'D';
    pub const STANDING: u8 = b's';
    pub const LANE: u8 = b'l';
    pub const LISTED: u8 = b'L';
    pub const ENDED_AT: u8 = b'e';
    pub const ATTEMPT: u8 = b'a';
    pub const CARRIES: u8 = b'c';
    pub const THREADED: u8 = b't';
    pub const RULE_FILE: u8 = b'f';
    pub const IN_FORCE: u8 = b'R';
    pub const SETTINGS: u8 = b'S';
    pub const BROKEN: u8 = b'b';
    /// Not items: the store's own place in the journal.
    pub const META: u8 = b'm';
}

impl Item {
    /// The key it stands under.
    pub fn key(&self) -> Key {
        match self {
            Item::Inbox { at } => Key::of(letter::INBOX).position(*at),
            Item::Event(line) => event(line.at),
            Item::EventOf { incident, at } => events_of(incident).position(*at),
            Item::SeriesOf { incident, series } => series_of(incident).text(&series.0),
            Item::Incident(incident) => incident_key(&incident.id),
            Item::Entry(entry) => Key::of(letter::ENTRY)
                .incident(&entry.incident)
                .text(&entry.communication),
            Item::Hearing(hearing) => hearings(&hearing.incident)
                .text(&hearing.account)
                .position(hearing.event),
            Item::Judged(line) => verdicts(line.event).position(line.at),
            Item::Nothing { of, .. } => nothing(*of),
            Item::Follows {
                incident,
                customer,
                rule,
            } => Key::of(letter::FOLLOWS)
                .incident(incident)
                .text(customer.as_str())
                .text(rule),
            Item::Notification(notification) => notification_key(&notification.series),
            Item::Gathered {
                series, part, judged, ..
            } => gathered(series, *part).position(*judged),
            Item::Reached { series, account, .. } => reached(series, account),
            Item::Wake { deadline, at } => wake(deadline, *at),
            Item::Delivery { delivery, .. } => delivery_key(&delivery.id),
            Item::DeliveryOf { incident, delivery } => delivery_of(incident, delivery),
            Item::Standing(standing) => standing_key(&standing.delivery),
            Item::Lane(place) => lane(place),
            Item::Listed {
                state,
                created,
                delivery,
            } => listed(*state, *created, delivery),
            Item::EndedAt { at, delivery } => ended_at(*at, delivery),
            Item::Attempt(attempt) => attempt_key(&attempt.delivery, attempt.number),
            Item::Carries { delivery, .. } => carries(delivery),
            Item::Threaded { endpoint, incident } => threaded(endpoint, incident),
            Item::RuleFile(line) => Key::of(letter::RULE_FILE).text(&line.path).number(line.seq),
            Item::InForce { seq, .. } => Key::of(letter::IN_FORCE).number(*seq),
            Item::Settings { seq, .. } => Key::of(letter::SETTINGS).number(*seq),
            Item::Broken(file) => broken(&file.path),
        }
    }
}

pub fn inbox(at: Position) -> Key {
    Key::of(letter::INBOX).position(at)
}

pub fn event(at: Position) -> Key {
    Key::of(letter::EVENT).position(at)
}

pub fn events_of(id: &IncidentId) -> Key {
    Key::of(letter::EVENT_OF).incident(id)
}

pub fn series_of(id: &IncidentId) -> Key {
    Key::of(letter::SERIES_OF).incident(id)
}

pub fn nothing(of: Position) -> Key {
    Key::of(letter::NOTHING).position(of)
}

pub fn incident_key(id: &IncidentId) -> Key {
    Key::of(letter::INCIDENT).incident(id)
}

pub fn entries(id: &IncidentId) -> Key {
    Key::of(letter::ENTRY).incident(id)
}

pub fn hearings(id: &IncidentId) -> Key {
    Key::of(letter::HEARING).incident(id)
}

pub fn verdicts(event: Position) -> Key {
    Key::of(letter::JUDGED).position(event)
}

pub fn follows(id: &IncidentId) -> Key {
    Key::of(letter::FOLLOWS).incident(id)
}

pub fn notification_key(series: &SeriesId) -> Key {
    Key::of(letter::NOTIFICATION).text(&series.0)
}

pub fn gathered(series: &SeriesId, part: u32) -> Key {
    Key::of(letter::GATHERED).text(&series.0).number(u64::from(part))
}

pub fn gathered_in(series: &SeriesId) -> Key {
    Key::of(letter::GATHERED).text(&series.0)
}

pub fn reached_by(series: &SeriesId) -> Key {
    Key::of(letter::REACHED).text(&series.0)
}

pub fn reached(series: &SeriesId, account: &str) -> Key {
    reached_by(series).text(account)
}

pub fn wake(deadline: &Deadline, at: Time) -> Key {
    let what = serde_json::to_string(deadline).expect("a deadline is JSON");
    Key::of(letter::WAKE).time(at).text(&what)
}

pub fn delivery_key(id: &str) -> Key {
    Key::of(letter::DELIVERY).text(id)
}

pub fn deliveries_of(id: &IncidentId) -> Key {
    Key::of(letter::DELIVERY_OF).incident(id)
}

pub fn delivery_of(id: &IncidentId, delivery: &str) -> Key {
    deliveries_of(id).text(delivery)
}

pub fn standing_key(id: &str) -> Key {
    Key::of(letter::STANDING).text(id)
}

pub fn lanes() -> Key {
    Key::of(letter::LANE)
}

pub fn lane_of(endpoint: &EndpointId) -> Key {
    lanes().text(&endpoint.0)
}

pub fn lane_about(endpoint: &EndpointId, incident: &IncidentId) -> Key {
    lane_of(endpoint).incident(incident)
}

pub fn lane(place: &LaneKey) -> Key {
    lane_about(&place.endpoint, &place.incident)
        .time(place.published)
        .time(place.created)
        .text(&place.delivery)
}

pub fn listed_in(state: StateWord) -> Key {
    Key::of(letter::LISTED).text(state.word())
}

pub fn listed(state: StateWord, created: Time, delivery: &str) -> Key {
    listed_in(state).time(created).text(delivery)
}

pub fn ended_at(at: Time, delivery: &str) -> Key {
    Key::of(letter::ENDED_AT).time(at).text(delivery)
}

pub fn attempts(delivery: &str) -> Key {
    Key::of(letter::ATTEMPT).text(delivery)
}

pub fn attempt_key(delivery: &str, number: u32) -> Key {
    attempts(delivery).number(u64::from(number))
}

pub fn carries(delivery: &str) -> Key {
    Key::of(letter::CARRIES).text(delivery)
}

pub fn threads(id: &IncidentId) -> Key {
    Key::of(letter::THREADED).incident(id)
}

pub fn threaded(endpoint: &EndpointId, incident: &IncidentId) -> Key {
    threads(incident).text(&endpoint.0)
}

pub fn broken(path: &str) -> Key {
    Key::of(letter::BROKEN).text(path)
}

/// Where the store stands in the journal.
pub fn applied_through() -> Key {
    Key::of(letter::META).text("applied-through")
}

/// How much the store holds, and a sum over all of it.
pub fn contents() -> Key {
    Key::of(letter::META).text("contents")
}

/// The last recorded input that was decided.
pub fn decided_through() -> Key {
    Key::of(letter::META).text("decided-through")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_times_and_positions_are_in_order() {
        let times =
            [-5_000_000_000, -1, 0, 1, 1_700_000_000].map(|seconds| Time::from_timestamp(seconds, 0).expect("a time"));
        let keys: Vec<Key> = times.iter().map(|time| Key::of(b'x').time(*time)).collect();
        assert!(keys.is_sorted());
        let position = |seq, nth| inbox(Position { seq, nth });
        assert!(position(1, 300) < position(2, 0) && position(2, 0) < position(256, 0));
    }

    #[test]
    fn no_text_is_the_beginning_of_another_ones_key() {
        assert!(!Key::of(b'x').text("ab").0.starts_with(&Key::of(b'x').text("a").0));
        assert_ne!(
            Key::of(b'x').text("a\0").text("b").0,
            Key::of(b'x').text("a").text("\0b").0
        );
    }
}
