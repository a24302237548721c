//! The keys under which everything remembered stands.
//!
//! A key is a letter for its kind, then its parts: texts end with a zero byte, numbers and times are big-endian, so
//! that scanning a prefix gives them in order; an id of 32 hex digits takes 17 bytes. Which keys an item has is said by
//! [`super::item::Item::keys`].

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Delivery, LaneKey, StateWord};
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::notification::{EndpointId, SeriesId};
use crate::record::Deadline;

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

    /// Adds a position so that later ones come first.
    pub fn newest_first(self, at: Position) -> Self {
        self.number(u64::MAX - at.seq).number(u64::from(u32::MAX - at.nth))
    }

    /// Adds an id.
    pub fn id(mut self, id: &str) -> Self {
        self.0.extend(packed_id(id));
        self
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
    pub const INCIDENT: u8 = b'I';
    pub const UPDATED: u8 = b'U';
    pub const ENTRY: u8 = b'E';
    pub const HEARING: u8 = b'H';
    pub const VERDICT: u8 = b'J';
    pub const NOTHING: u8 = b'N';
    pub const FOLLOWS: u8 = b'F';
    pub const SET: u8 = b'A';
    pub const GATHERED: u8 = b'g';
    pub const WAKE: u8 = b'w';
    pub const DELIVERY: u8 = b'd';
    pub const DELIVERY_OF: u8 = b'D';
    pub const OPENED_BY: u8 = b'O';
    pub const PLANNED: u8 = b'p';
    pub const LANE: u8 = b'l';
    pub const LISTED: u8 = b'L';
    pub const ENDED_AT: u8 = b'e';
    pub const ATTEMPT: u8 = b'a';
    pub const RULE_FILE: u8 = b'f';
    pub const IN_FORCE: u8 = b'R';
    pub const SETTINGS: u8 = b'S';
    pub const BROKEN: u8 = b'b';
    pub const SET_ASIDE: u8 = b'x';
    pub const HOLD: u8 = b'h';
    pub const LOST: u8 = b'z';
    pub const FAILING: u8 = b'y';
    pub const TOLD_OF_FAILING: u8 = b'Y';
    pub const LAST_HEARD: u8 = b'o';
    pub const CLOCK: u8 = b'c';
    pub const REMINDED: u8 = b'r';
    pub const CLOCKS_BEGUN: u8 = b'C';
    pub const CORRECTION: u8 = b'k';
    pub const CLAIMED: u8 = b'q';
    pub const REMINDED_OF_CLAIM: u8 = b'Q';
    pub const RESOURCE: u8 = b't';
    pub const RESOURCE_SUMMARY: u8 = b'T';
    pub const DOWNTIME: u8 = b'u';
    /// Not items: the store's own place in the journal.
    pub const META: u8 = b'm';

    /// Whether keys of this letter hold items: the others hold the keys of items, or numbers of the store's own.
    pub fn holds(letter: u8) -> bool {
        !matches!(
            letter,
            EVENT_OF | UPDATED | DELIVERY_OF | OPENED_BY | PLANNED | LANE | LISTED | ENDED_AT | META
        )
    }
}

pub fn inbox(at: Position) -> Key {
    Key::of(letter::INBOX).position(at)
}

pub fn event(at: Position) -> Key {
    Key::of(letter::EVENT).position(at)
}

pub fn rule_file(path: &str, in_force: u64) -> Key {
    Key::of(letter::RULE_FILE).text(path).number(in_force)
}

pub fn events_of(id: &IncidentId) -> Key {
    Key::of(letter::EVENT_OF).incident(id)
}

pub fn nothing(of: Position) -> Key {
    Key::of(letter::NOTHING).position(of)
}

pub fn incident_key(id: &IncidentId) -> Key {
    Key::of(letter::INCIDENT).incident(id)
}

/// Incidents in the order of their newest communications.
pub fn all_updated() -> Key {
    Key::of(letter::UPDATED)
}

pub fn updated(at: Time, id: &IncidentId) -> Key {
    all_updated().time(at).incident(id)
}

pub fn entries(id: &IncidentId) -> Key {
    Key::of(letter::ENTRY).incident(id)
}

pub fn hearings(id: &IncidentId) -> Key {
    Key::of(letter::HEARING).incident(id)
}

pub fn verdicts(event: Position) -> Key {
    Key::of(letter::VERDICT).position(event)
}

/// Sets of an event.
pub fn sets(event: Position) -> Key {
    Key::of(letter::SET).position(event)
}

pub fn follows(id: &IncidentId) -> Key {
    Key::of(letter::FOLLOWS).incident(id)
}

/// What an event adds to what an endpoint is told about an incident.
pub fn gathered_about(id: &IncidentId) -> Key {
    Key::of(letter::GATHERED).incident(id)
}

pub fn gathered(id: &IncidentId, series: &SeriesId) -> Key {
    gathered_about(id).id(&series.0)
}

pub fn delivery(id: &str) -> Key {
    Key::of(letter::DELIVERY).id(id)
}

pub fn deliveries_of(id: &IncidentId) -> Key {
    Key::of(letter::DELIVERY_OF).incident(id)
}

pub fn deliveries_to(id: &IncidentId, endpoint: &EndpointId) -> Key {
    deliveries_of(id).id(&endpoint.0)
}

/// The parts of a series about an incident, the latest first.
pub fn parts(id: &IncidentId, endpoint: &EndpointId, series: &SeriesId) -> Key {
    deliveries_to(id, endpoint).id(&series.0)
}

/// Where a delivery stands among those about its incident.
pub fn part(one: &Delivery) -> Key {
    parts(&one.incident, &one.endpoint, &one.series)
        .number(u64::from(u32::MAX - one.part))
        .id(&one.id)
}

/// The parts about an incident, by series and the event that opened them.
pub fn opened_about(id: &IncidentId) -> Key {
    Key::of(letter::OPENED_BY).incident(id)
}

/// The parts of a series that an event opened.
pub fn opened_by(id: &IncidentId, series: &SeriesId, event: Position) -> Key {
    opened_about(id).id(&series.0).position(event)
}

/// Where the part `one` stands among those that an event opened.
pub fn opened(one: &Delivery) -> Key {
    opened_by(&one.incident, &one.series, one.event).id(&one.id)
}

/// The event in a key of [`opened`], which ends with the id that `held`, the key of [`delivery`], ends with.
pub fn opening_event(key: &[u8], held: &[u8]) -> Option<Position> {
    let (_, id) = held.split_first()?;
    let (rest, nth) = key.strip_suffix(id)?.split_last_chunk()?;
    let (_, seq) = rest.split_last_chunk()?;
    Some(Position {
        seq: u64::from_be_bytes(*seq),
        nth: u64::from_be_bytes(*nth).try_into().ok()?,
    })
}

/// What is planned, in the order in which it is due; what is told together stands together.
pub fn all_planned() -> Key {
    Key::of(letter::PLANNED)
}

pub fn planned(due: Time, customer: &CustomerId, communication: &str) -> Key {
    all_planned().time(due).text(customer.as_str()).text(communication)
}

pub fn lane_of(endpoint: &EndpointId) -> Key {
    lanes().id(&endpoint.0)
}

pub fn lane_about(endpoint: &EndpointId, incident: &IncidentId) -> Key {
    lane_of(endpoint).incident(incident)
}

pub fn lane(key: &LaneKey) -> Key {
    lane_about(&key.endpoint, &key.incident)
        .time(key.published)
        .time(key.created)
        .id(&key.delivery)
}

pub fn listed(state: StateWord, created: Time, delivery: &str) -> Key {
    listed_in(state).time(created).id(delivery)
}

pub fn ended_at(at: Time, delivery: &str) -> Key {
    Key::of(letter::ENDED_AT).time(at).id(delivery)
}

pub fn attempts(delivery: &str) -> Key {
    Key::of(letter::ATTEMPT).id(delivery)
}

pub fn wake(deadline: &Deadline, at: Time) -> Key {
    let what = serde_json::to_string(deadline).expect("a deadline is JSON");
    Key::of(letter::WAKE).time(at).text(&what)
}

pub fn lanes() -> Key {
    Key::of(letter::LANE)
}

pub fn listed_in(state: StateWord) -> Key {
    Key::of(letter::LISTED).text(state.word())
}

pub fn hold() -> Key {
    Key::of(letter::HOLD)
}

pub fn lost() -> Key {
    Key::of(letter::LOST)
}

pub fn failing(endpoint: &EndpointId) -> Key {
    Key::of(letter::FAILING).id(&endpoint.0)
}

pub fn told_of_failing(customer: &CustomerId) -> Key {
    Key::of(letter::TOLD_OF_FAILING).text(customer.as_str())
}

pub fn last_heard() -> Key {
    Key::of(letter::LAST_HEARD)
}

pub fn clock(id: &IncidentId) -> Key {
    Key::of(letter::CLOCK).incident(id)
}

pub fn reminded_of(id: &IncidentId) -> Key {
    Key::of(letter::REMINDED).incident(id)
}

pub fn clocks_begun() -> Key {
    Key::of(letter::CLOCKS_BEGUN)
}

pub fn corrections(id: &IncidentId) -> Key {
    Key::of(letter::CORRECTION).incident(id)
}

/// What was said of all claims, by customer.
pub fn all_claimed() -> Key {
    Key::of(letter::CLAIMED)
}

/// What was said of a claim, in its order.
pub fn claimed(customer: &CustomerId, claim: &str) -> Key {
    all_claimed().text(customer.as_str()).text(claim)
}

/// What customers were reminded of, of their claims.
pub fn all_reminded_of_claims() -> Key {
    Key::of(letter::REMINDED_OF_CLAIM)
}

/// What a customer was reminded of, of its claims.
pub fn reminded_of_claims(customer: &CustomerId) -> Key {
    all_reminded_of_claims().text(customer.as_str())
}

pub fn reminded_of_claim(customer: &CustomerId, claim: &str) -> Key {
    reminded_of_claims(customer).text(claim)
}

/// Resources that an incident impacted, by customer.
pub fn resources(id: &IncidentId) -> Key {
    Key::of(letter::RESOURCE).incident(id)
}

pub fn resources_of(id: &IncidentId, customer: &CustomerId) -> Key {
    resources(id).text(customer.as_str())
}

/// What the resources of an incident come to, by customer.
pub fn resource_summaries(id: &IncidentId) -> Key {
    Key::of(letter::RESOURCE_SUMMARY).incident(id)
}

/// Downtimes that were entered, by customer.
pub fn all_downtimes() -> Key {
    Key::of(letter::DOWNTIME)
}

pub fn downtimes_of(customer: &CustomerId) -> Key {
    all_downtimes().text(customer.as_str())
}

pub fn set_aside(at: Position) -> Key {
    Key::of(letter::SET_ASIDE).position(at)
}

pub fn broken(path: &str) -> Key {
    Key::of(letter::BROKEN).text(path)
}

/// What stands before an id's 32 hex digits, and the byte that stands for it; 0 is for any other id, as a text.
const ID_PREFIXES: [(u8, &str); 3] = [(1, "dlv_"), (2, "ep_"), (3, "")];

/// An id as bytes: 17 of them, if it is 32 hex digits behind a prefix that is known. No id is the beginning of another.
pub fn packed_id(id: &str) -> Vec<u8> {
    for (tag, prefix) in ID_PREFIXES {
        if let Some(digits) = id.strip_prefix(prefix).and_then(digits) {
            let mut bytes = vec![tag];
            bytes.extend(digits);
            return bytes;
        }
    }
    let mut bytes = vec![0];
    bytes.extend(Key(Vec::new()).text(id).0);
    bytes
}

/// 32 lower-case hex digits as 16 bytes.
fn digits(text: &str) -> Option<[u8; 16]> {
    let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 32 && text.bytes().all(is_lower)).then_some(())?;
    Some(u128::from_str_radix(text, 16).ok()?.to_be_bytes())
}

/// The id of [`packed_id`]; `None` if it is none.
pub fn unpacked_id(bytes: &[u8]) -> Option<String> {
    let (tag, rest) = bytes.split_first()?;
    if *tag == 0 {
        return untext(rest);
    }
    let (_, prefix) = ID_PREFIXES.iter().find(|(known, _)| known == tag)?;
    let number = u128::from_be_bytes(rest.try_into().ok()?);
    Some(format!("{prefix}{number:032x}"))
}

/// What [`Key::text`] wrote.
fn untext(bytes: &[u8]) -> Option<String> {
    let (end, text) = bytes.split_last()?;
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        plain.push(if *byte == 1 { bytes.next()? - 1 } else { *byte });
    }
    String::from_utf8(plain).ok().filter(|_| *end == 0)
}

/// Which schema the store's values and keys follow.
pub fn schema() -> Key {
    Key::of(letter::META).text("schema")
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
    fn an_id_comes_back_from_its_bytes_and_is_short_if_it_is_made_of_digits() {
        let digits = "0123456789abcdef0123456789abcdef";
        for (id, length) in [
            (format!("dlv_{digits}"), 17),
            (format!("ep_{digits}"), 17),
            (digits.to_owned(), 17),
            (digits.to_uppercase(), 34),
            ("a\0b\u{1}c".to_owned(), 9),
            (String::new(), 2),
        ] {
            let bytes = packed_id(&id);
            assert_eq!((unpacked_id(&bytes), bytes.len()), (Some(id), length));
        }
        assert_eq!(unpacked_id(&[1, 2, 3]), None);
    }

    #[test]
    fn the_event_that_opened_a_part_is_read_back_from_its_key() {
        let event = Position { seq: 258, nth: 7 };
        let incident = IncidentId::new(crate::event::Provider::Azure, "VVTQ-J98");
        let digits = "0123456789abcdef0123456789abcdef";
        for series in [digits, "a series"] {
            for id in [format!("dlv_{digits}"), "a delivery".to_owned()] {
                let key = opened_by(&incident, &SeriesId(series.to_owned()), event).id(&id);
                assert_eq!(opening_event(&key.0, &delivery(&id).0), Some(event));
                assert_eq!(opening_event(&key.0, &delivery("another").0), None);
            }
        }
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
