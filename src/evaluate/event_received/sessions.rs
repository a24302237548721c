//! Which session of a retrospective is which: a session keeps its number, and so its UID, for as long as its incident is
//! known, whatever the provider's next communication inserts before it, leaves out, moves or words anew.
//!
//! Nothing in an invitation names a session but its time, so sessions are recognised in this order: the same times as in
//! the invitation before; the same times as ever before; the same start; and of those that are then left on both sides,
//! those nearest to each other are one session that was moved. Who is left gets a number that no session has had. A session
//! that has begun is never taken for one that was moved.
//!
//! A mail goes out when a session's times or the link to it change, also when they change back, and not when words do.

use std::collections::BTreeSet;

use crate::event::{Event, Kind, Session};
use crate::incident::Entry;
use crate::journal::Position;

/// What a communication said of the incident's sessions.
#[derive(Debug, Clone)]
pub struct Announced {
    communication: String,
    published: (crate::clock::Time, Position),
    numbers: Vec<usize>,
    sessions: Vec<Session>,
    link: Option<url::Url>,
}

/// The sessions that an event invites to, as the incident knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sessions {
    /// RFC 5545 §3.8.7.4: grows with every communication that may change an invitation.
    pub sequence: u32,
    /// For each of the event's sessions.
    known: Vec<Known>,
}

/// One session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its own number within the incident.
    pub number: usize,
    /// How often it stood at the same times before, and then at others or behind another link.
    pub again: usize,
}

impl Announced {
    /// What the communication of this entry said; its event, unless that is lost.
    pub fn of(entry: &Entry, event: Option<Event>) -> Self {
        let (sessions, link) = event.map(|event| (event.sessions, event.link)).unwrap_or_default();
        let numbers = match entry.sessions.is_empty() {
            true => (0..sessions.len()).collect(),
            false => entry.sessions.clone(),
        };
        Self {
            communication: entry.communication.clone(),
            published: (entry.published, entry.event),
            numbers,
            sessions,
            link,
        }
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &Session)> {
        self.numbers.iter().copied().zip(&self.sessions)
    }
}

impl Sessions {
    /// Those of `event`, by what the incident's invitations said, the oldest first; its own communication may be among
    /// them, if others heard it before.
    pub fn of(event: &Event, communication: &str, announced: &[Announced]) -> Self {
        if event.kind != Kind::Retrospective {
            return Self::default();
        }
        let (own, others): (Vec<_>, Vec<_>) = announced.iter().partition(|one| one.communication == communication);
        let own = own.first().copied();
        let is_before = |one: &&&Announced| match own {
            Some(own) => one.published < own.published,
            None => one.published.0 <= event.published,
        };
        let before: Vec<&Announced> = others.iter().filter(is_before).copied().collect();
        let numbers = own
            .filter(|own| own.sessions == event.sessions)
            .map_or_else(|| numbers(event, &before, announced), |own| own.numbers.clone());
        let known = event.sessions.iter().zip(numbers).map(|(session, number)| Known {
            number,
            again: again(number, session, event.link.as_ref(), &before),
        });
        Self {
            known: known.collect(),
            sequence: u32::try_from(others.len()).unwrap_or(u32::MAX),
        }
    }

    /// The event's session of this index.
    pub fn known(&self, index: usize) -> Known {
        let new = Known {
            number: index,
            again: 0,
        };
        self.known.get(index).copied().unwrap_or(new)
    }

    /// The sessions' numbers as they are written down: none where each is its index.
    pub fn numbers(&self) -> Vec<usize> {
        let is_index = self
            .known
            .iter()
            .enumerate()
            .all(|(index, known)| known.number == index);
        match is_index {
            true => Vec::new(),
            false => self.known.iter().map(|known| known.number).collect(),
        }
    }
}

/// The number of each of the event's sessions.
fn numbers(event: &Event, before: &[&Announced], announced: &[Announced]) -> Vec<usize> {
    let mut matching = Matching::of(event);
    let last = before.iter().rev().find(|one| !one.sessions.is_empty());
    let latest: Vec<(usize, &Session)> = last.iter().flat_map(|one| one.numbered()).collect();
    let ever: Vec<(usize, &Session)> = announced.iter().rev().flat_map(Announced::numbered).collect();
    matching.take(&latest, |one, other| one == other);
    matching.take(&ever, |one, other| one == other);
    matching.take(&latest, |one, other| one.start == other.start);
    matching.take_moved(&latest);
    let used = announced.iter().flat_map(|one| one.numbers.iter().copied());
    matching.number_the_rest(used.max().map_or(0, |most| most + 1))
}

/// How often a session stood at these times before the run of communications that say the same of it.
fn again(number: usize, session: &Session, link: Option<&url::Url>, before: &[&Announced]) -> usize {
    let said = before.iter().filter_map(|one| {
        let at = one.numbered().find(|(known, _)| *known == number);
        at.map(|(_, session)| (session, one.link.as_ref()))
    });
    let mut runs: Vec<(&Session, Option<&url::Url>)> = said.collect();
    runs.dedup();
    runs.pop_if(|last| *last == (session, link));
    runs.iter().filter(|(at, _)| *at == session).count()
}

/// Which of the event's sessions have their number, and which numbers are given.
struct Matching<'a> {
    event: &'a Event,
    numbers: Vec<Option<usize>>,
    given: BTreeSet<usize>,
}

impl<'a> Matching<'a> {
    fn of(event: &'a Event) -> Self {
        Self {
            event,
            numbers: vec![None; event.sessions.len()],
            given: BTreeSet::new(),
        }
    }

    /// Gives each session that has no number yet that of the first known one that is the same.
    fn take(&mut self, known: &[(usize, &Session)], is_same: impl Fn(&Session, &Session) -> bool) {
        for (index, session) in self.event.sessions.iter().enumerate() {
            if self.numbers[index].is_some() {
                continue;
            }
            let found = known
                .iter()
                .find(|(number, one)| !self.given.contains(number) && is_same(one, session));
            if let Some((number, _)) = found {
                self.give(index, *number);
            }
        }
    }

    /// Pairs what is left on both sides, the nearest first, and of two that are as near the earlier.
    fn take_moved(&mut self, latest: &[(usize, &Session)]) {
        let published = self.event.published;
        let mut pairs: Vec<_> = latest
            .iter()
            .filter(|(_, one)| one.start > published)
            .flat_map(|(number, one)| {
                let sessions = self.event.sessions.iter().enumerate();
                sessions.map(move |(index, session)| ((session.start - one.start).abs(), one.start, index, *number))
            })
            .collect();
        pairs.sort();
        for (_, _, index, number) in pairs {
            if self.numbers[index].is_none() && !self.given.contains(&number) {
                self.give(index, number);
            }
        }
    }

    fn number_the_rest(self, first: usize) -> Vec<usize> {
        let mut next = first..;
        let numbers = self.numbers.into_iter();
        numbers
            .map(|number| number.or_else(|| next.next()).unwrap_or(usize::MAX))
            .collect()
    }

    fn give(&mut self, index: usize, number: usize) {
        self.numbers[index] = Some(number);
        self.given.insert(number);
    }
}

#[cfg(test)]
mod tests;
