//! Where an event stands in each account's own sequence of communications: is it a repeat, was it overtaken, and which
//! telling of its text is it.

use std::collections::BTreeMap;

use crate::clock::Time;
use crate::event::{Arrival, Event, communication_of, visible_digest};
use crate::incident::{Entry, Hearing};
use crate::journal::Position;

/// Where an event stands among what its accounts heard before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Placed {
    /// The communication it is.
    pub communication: String,
    /// Every account heard the same before: it is no news.
    pub repeat_of: Option<Position>,
    /// Accounts that heard something newer of the same line, and where.
    pub overtaken: BTreeMap<String, Position>,
}

/// The accounts an event is kept under: its own, or the empty one where it names none.
pub fn accounts_of(event: &Event) -> Vec<String> {
    match event.accounts.is_empty() {
        true => vec![String::new()],
        false => event.accounts.clone(),
    }
}

/// How many hearings of an account an event is placed among: the latest that came. What is said again after so many
/// other texts is taken for a new telling, and most likely overtaken by one of them.
pub const HEARINGS_MOST: usize = 32;

/// Places an event among what each of its accounts heard before (any order; at most [`HEARINGS_MOST`] of each), with the
/// tellings of its text that the incident knows. A test event is never a repeat, nor overtaken: whoever presses the
/// button again wants to see it again.
pub fn place(event: &Event, heard: &BTreeMap<String, Vec<Hearing>>, told: &[Entry]) -> Placed {
    let (text, visible) = (communication_of(event), visible_digest(event));
    let none = Vec::new();
    let mut placed = Placed::default();
    let (mut repeats, mut news) = (Vec::new(), Vec::new());
    for account in accounts_of(event) {
        let before = heard.get(&account).unwrap_or(&none);
        if event.test {
            news.push(tellings(&text, before, told));
            continue;
        }
        let nth = occurrence(&text, event.published, before, told);
        let communication = name(&text, nth);
        let same = before.iter().find(|one| {
            one.communication == communication
                && one.visible == visible
                && (event.arrival == Arrival::History || one.arrival == Arrival::Live)
        });
        match same {
            Some(same) => repeats.push(same.event),
            None => news.push(nth),
        }
        if let Some(by) = overtaken_by(event, &communication, before) {
            placed.overtaken.insert(account, by);
        }
    }
    // where accounts disagree which telling it is, the latest one: rather told twice than not at all
    placed.communication = name(&text, news.iter().copied().max().unwrap_or(0));
    placed.repeat_of = repeats.first().copied().filter(|_| news.is_empty());
    placed
}

/// The communication of a text that is told for the `nth` time, 0-based.
fn name(text: &str, nth: usize) -> String {
    match nth {
        0 => text.to_owned(),
        nth => format!("{text}.{nth}"),
    }
}

/// Which telling of the same text this is: the neighbours in the provider's own order tell. The same text next to
/// itself is the same communication; after another one it is a new one.
fn occurrence(text: &str, published: Time, before: &[Hearing], told: &[Entry]) -> usize {
    let same = |one: Option<&Hearing>| one.and_then(|one| nth_of(text, &one.communication));
    let at_once = before.iter().filter(|one| one.published == published);
    let at_once = at_once.filter_map(|one| nth_of(text, &one.communication)).max();
    let earlier = before
        .iter()
        .filter(|one| one.published <= published)
        .max_by_key(|one| one.published);
    let later = before
        .iter()
        .filter(|one| one.published > published)
        .min_by_key(|one| one.published);
    at_once
        .or_else(|| same(earlier))
        .or_else(|| same(later))
        .unwrap_or_else(|| tellings(text, before, told))
}

/// How often a text was told already: to the account, or, where more was heard than is looked at, to anybody.
fn tellings(text: &str, before: &[Hearing], told: &[Entry]) -> usize {
    let by_account = before.iter().filter_map(|one| nth_of(text, &one.communication));
    let next = by_account.max().map_or(0, |nth| nth + 1);
    if before.len() < HEARINGS_MOST {
        return next;
    }
    let by_anybody = told
        .iter()
        .filter_map(|one| Some((nth_of(text, &one.communication)?, one.published)));
    let Some((nth, published)) = by_anybody.max() else {
        return next;
    };
    // what others heard of late the account hears now, unless it has heard what was said after that
    let has_gone_on = before.iter().any(|one| one.published > published);
    next.max(if has_gone_on { nth + 1 } else { nth })
}

/// Which telling of the text a communication is, if it is one of it.
fn nth_of(text: &str, communication: &str) -> Option<usize> {
    match communication.strip_prefix(text)? {
        "" => Some(0),
        nth => nth.strip_prefix('.')?.parse().ok(),
    }
}

/// Something newer of the same line that the account heard before this.
fn overtaken_by(event: &Event, communication: &str, before: &[Hearing]) -> Option<Position> {
    let newer = before.iter().filter(|one| {
        one.arrival == Arrival::Live
            && one.published > event.published
            && one.kind.line() == event.kind.line()
            && one.communication != communication
    });
    newer.max_by_key(|one| one.published).map(|one| one.event)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rule::condition;

    /// A text (0 to 2), when it was published (minutes), and which of two accounts it names.
    type Telling = (u8, i64, [bool; 2]);

    fn event((text, minute, names): Telling) -> Event {
        let accounts = ["a", "b"].into_iter().zip(names).filter(|(_, is_named)| *is_named);
        condition::tests::event(|event| {
            event.text = format!("text {text}");
            event.published = Time::from_timestamp(minute * 60, 0).expect("a time");
            event.accounts = accounts.map(|(account, _)| account.to_owned()).collect();
        })
    }

    /// What two accounts heard, one event after another.
    #[derive(Default)]
    struct Told {
        heard: BTreeMap<String, Vec<Hearing>>,
        events: u64,
    }

    impl Told {
        /// Whether it was news; if so, it is remembered.
        fn hear(&mut self, event: &Event) -> bool {
            let placed = place(event, &self.heard, &[]);
            self.events += 1;
            if placed.repeat_of.is_some() {
                return false;
            }
            self.remember(event, &placed);
            true
        }

        fn remember(&mut self, event: &Event, placed: &Placed) {
            let at = Position {
                seq: self.events,
                nth: 0,
            };
            for account in accounts_of(event) {
                let hearing = Hearing {
                    incident: crate::incident::IncidentId::of(event),
                    account: account.clone(),
                    source: None,
                    published: event.published,
                    communication: placed.communication.clone(),
                    kind: event.kind,
                    visible: visible_digest(event),
                    arrival: event.arrival,
                    event: at,
                    impact: Vec::new(),
                    as_event: false,
                };
                self.heard.entry(account).or_default().push(hearing);
            }
        }

        fn knows(&self, account: &str, visible: &str) -> bool {
            let heard = self.heard.get(account).into_iter().flatten();
            heard.into_iter().any(|one| one.visible == visible)
        }
    }

    /// Which communication an account hears, among the latest that it heard and all that the incident knows.
    fn heard_by(account: usize, told: &mut Told, entries: &mut Vec<Entry>, text: u8, minute: i64) -> String {
        let mut names = [false; 2];
        names[account] = true;
        let event = event((text, minute, names));
        for before in told.heard.values_mut() {
            let old = before.len().saturating_sub(HEARINGS_MOST);
            before.drain(..old);
        }
        let placed = place(&event, &told.heard, entries);
        told.events += 1;
        told.remember(&event, &placed);
        if !entries.iter().any(|one| one.communication == placed.communication) {
            entries.push(Entry {
                incident: crate::incident::IncidentId::of(&event),
                communication: placed.communication.clone(),
                published: event.published,
                published_said: None,
                kind: event.kind,
                stage: event.stage,
                title: event.title.clone(),
                event: Position {
                    seq: told.events,
                    nth: 0,
                },
                heard: event.published,
                arrival: event.arrival,
                sessions: Vec::new(),
            });
        }
        placed.communication
    }

    #[test]
    fn what_accounts_hear_one_after_another_is_one_communication_however_much_each_heard_before() {
        let (mut told, mut entries) = (Told::default(), Vec::new());
        let mut hear = |account, text, minute| heard_by(account, &mut told, &mut entries, text, minute);
        let updates = u8::try_from(2 * HEARINGS_MOST).expect("few");
        for update in 0..updates {
            let minute = i64::from(update);
            assert_eq!(hear(0, update, minute), hear(1, update, minute), "{update}");
        }
        // told again after so many others: told once more, and to each account the same
        let again = hear(0, 0, 1_000);
        assert!(again.ends_with(".1"), "{again}");
        assert_eq!(hear(1, 0, 1_000), again);
        // a copy that comes seconds later is no third telling
        assert_eq!(hear(0, 1, 2_000), hear(1, 1, 2_001));
        assert_eq!(entries.len(), usize::from(updates) + 2);
    }

    fn tellings() -> impl Strategy<Value = Vec<Telling>> {
        proptest::collection::vec((0..3_u8, 0..20_i64, any::<[bool; 2]>()), 1..25)
    }

    proptest! {
        #[test]
        fn only_what_every_account_has_heard_is_a_repeat(tellings in tellings()) {
            let mut told = Told::default();
            for event in tellings.into_iter().map(event) {
                let visible = visible_digest(&event);
                let is_known = accounts_of(&event).iter().all(|account| told.knows(account, &visible));
                prop_assert!(told.hear(&event) || is_known);
            }
        }

        #[test]
        fn what_is_sent_again_at_once_is_a_repeat(tellings in tellings()) {
            let mut told = Told::default();
            for event in tellings.into_iter().map(event) {
                told.hear(&event);
                prop_assert!(!told.hear(&event));
            }
        }

        #[test]
        fn in_the_providers_order_each_run_of_a_text_is_told_once(texts in proptest::collection::vec(0..3_u8, 1..25)) {
            let mut told = Told::default();
            for (minute, text) in (0..).zip(&texts) {
                let is_run = minute > 0 && texts[minute as usize - 1] == *text;
                prop_assert_eq!(told.hear(&event((*text, minute, [true, false]))), !is_run);
            }
            // whoever sends all of it again wakes nobody
            for (minute, text) in (0..).zip(&texts) {
                prop_assert!(!told.hear(&event((*text, minute, [true, false]))));
            }
        }
    }
}
