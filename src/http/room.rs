//! Room for bodies: taken by the bytes that came, never by those that were announced, and shared fairly by senders.
//!
//! What stands at the beginning of a body has room of its own, so that ordinary events are taken while large bodies
//! fill theirs. Of both a sender gets a quarter.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::refusal::Refusal;

/// How much of a body is its beginning, bytes: nearly every live event is no longer.
pub const BEGINNING_BYTES: usize = 64 << 10;

/// Room for the beginnings of bodies, over all connections, bytes.
const BEGINNINGS_BYTES_MOST: usize = 16 << 20;

/// Room for what follows, over all connections, bytes.
const REST_BYTES_MOST: usize = 96 << 20;

/// One sender gets the total divided by this.
const SENDERS_SHARE: usize = 4;

/// All the room there is.
#[derive(Debug)]
pub struct Rooms {
    /// A body of this size is read even if it is more than a sender's share.
    largest_body: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: Parts,
    by_sender: HashMap<IpAddr, Parts>,
}

/// Bytes of beginnings, and of what follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Parts {
    beginning: usize,
    rest: usize,
}

/// The room of one body, until it is dropped.
#[derive(Debug)]
pub struct Room {
    rooms: Arc<Rooms>,
    sender: IpAddr,
    bytes: usize,
}

impl Rooms {
    /// Room for bodies of which none is larger than this.
    pub fn new(largest_body: usize) -> Arc<Self> {
        Arc::new(Self {
            largest_body,
            taken: Mutex::default(),
        })
    }

    /// No room yet, for a body of this sender.
    pub fn of(self: &Arc<Self>, sender: IpAddr) -> Room {
        Room {
            rooms: self.clone(),
            sender,
            bytes: 0,
        }
    }

    fn rest_most(&self) -> usize {
        REST_BYTES_MOST.max(self.largest_body)
    }

    fn rest_of_a_sender_most(&self) -> usize {
        (self.rest_most() / SENDERS_SHARE).max(self.largest_body)
    }
}

impl Room {
    /// Makes it as large as the body is by now.
    ///
    /// # Errors
    /// When there is no more room, or none for this sender.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), Refusal> {
        let more = Parts::of(bytes).less(Parts::of(self.bytes));
        let mut taken = self.rooms.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all = taken.all.plus(more);
        if all.beginning > BEGINNINGS_BYTES_MOST || all.rest > self.rooms.rest_most() {
            return Err(Refusal::later(
                "too many bodies are being read; try again in a few seconds",
                5,
            ));
        }
        let theirs = taken
            .by_sender
            .get(&self.sender)
            .copied()
            .unwrap_or_default()
            .plus(more);
        let is_too_much = theirs.beginning > BEGINNINGS_BYTES_MOST / SENDERS_SHARE
            || theirs.rest > self.rooms.rest_of_a_sender_most();
        if is_too_much {
            let what =
                "too many bodies of this sender are being read; send fewer at once, or try again in a few seconds";
            return Err(Refusal::later(what, 5));
        }
        taken.all = all;
        taken.by_sender.insert(self.sender, theirs);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let parts = Parts::of(self.bytes);
        let mut taken = self.rooms.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.less(parts);
        if let Some(theirs) = taken.by_sender.get_mut(&self.sender) {
            *theirs = theirs.less(parts);
            if *theirs == Parts::default() {
                taken.by_sender.remove(&self.sender);
            }
        }
    }
}

impl Parts {
    fn of(bytes: usize) -> Self {
        let beginning = bytes.min(BEGINNING_BYTES);
        Self {
            beginning,
            rest: bytes - beginning,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            beginning: self.beginning + other.beginning,
            rest: self.rest + other.rest,
        }
    }

    fn less(self, other: Self) -> Self {
        Self {
            beginning: self.beginning - other.beginning,
            rest: self.rest - other.rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(nth: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, nth])
    }

    fn of(rooms: &Arc<Rooms>, nth: u8, bytes: usize) -> Option<Room> {
        let mut room = rooms.of(sender(nth));
        room.grow_to(bytes).is_ok().then_some(room)
    }

    #[test]
    fn a_sender_gets_a_quarter_and_others_the_rest() {
        let rooms = Rooms::new(16 << 20);
        let first = of(&rooms, 1, 16 << 20);
        assert!(first.is_some() && of(&rooms, 1, 16 << 20).is_none());
        assert!(of(&rooms, 1, 8 << 20).is_some());
        let others: Vec<_> = (2..8).map(|nth| of(&rooms, nth, 16 << 20)).collect();
        assert_eq!(others.iter().filter(|room| room.is_some()).count(), 5, "96 MiB in all");
        drop(first);
        assert!(of(&rooms, 1, 16 << 20).is_some());
    }

    #[test]
    fn ordinary_events_have_room_while_large_bodies_fill_theirs() {
        let rooms = Rooms::new(16 << 20);
        let large: Vec<_> = (0..6).map(|nth| of(&rooms, nth, 16 << 20)).collect();
        assert!(large.iter().all(Option::is_some));
        assert!(of(&rooms, 9, 1 << 20).is_none());
        assert!(of(&rooms, 0, BEGINNING_BYTES).is_some());
    }

    #[test]
    fn the_largest_body_is_read_however_large_the_settings_allow_it() {
        let rooms = Rooms::new(200 << 20);
        assert!(of(&rooms, 1, 200 << 20).is_some());
    }

    #[test]
    fn nothing_is_remembered_of_those_who_left() {
        let rooms = Rooms::new(16 << 20);
        let mut room = of(&rooms, 1, 10).expect("room");
        room.grow_to(1 << 20).expect("room");
        drop(room);
        let taken = rooms.taken.lock().expect("a lock");
        assert!(taken.all == Parts::default() && taken.by_sender.is_empty());
    }
}
