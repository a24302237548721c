//! What one rule asks of an event, and whether that fits into a posting.

use crate::event::{EventType, Kind, Level, Provider, Stage};

use super::filter::{INLINE, Pair, Wide, scales, words};

/// Any of these services (`None`: any at all) in any of these regions.
pub(super) type AskedPair = (Option<Vec<u32>>, Option<Vec<u32>>);

/// What one rule asks of an event. Numbers of services and regions are the builder's.
#[derive(Debug, Clone)]
pub struct Asks {
    /// Types, stages and kinds, as bits.
    pub(super) words: u32,
    /// Levels, as bits.
    pub(super) levels: u8,
    /// Providers, as bits.
    pub(super) providers: u8,
    /// Whether tests of the provider reach it.
    pub test_events: bool,
    /// Whether there is more to the rule than stands here, so that what this lets through must be judged by the rule.
    pub is_partial: bool,
    /// Any of these services in any of these regions, any of the pairs. No pair: nothing is asked.
    pub pairs: Vec<AskedPair>,
    /// Which of the event's texts must hold one of which literals.
    pub(super) needs: Vec<(u8, Vec<u32>)>,
}

/// A rule's filter on its way into a posting, in the numbers of the builder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Filter {
    /// One that fits: how many of the numbers count, none for any.
    Inline {
        services: [u16; INLINE.0],
        regions: [u16; INLINE.1],
        counts: [u8; 2],
    },
    /// The nth of the wide ones.
    Wide(u32),
}

impl Default for Asks {
    fn default() -> Self {
        Self {
            words: words::ANY,
            levels: u8::MAX,
            providers: u8::MAX,
            test_events: false,
            is_partial: false,
            pairs: Vec::new(),
            needs: Vec::new(),
        }
    }
}

impl Asks {
    /// Any of these types.
    pub fn types(&mut self, any: &[EventType]) {
        self.only(words::TYPES, any.iter().map(|it| words::of_type(*it)));
    }

    /// Any of these stages.
    pub fn stages(&mut self, any: &[Stage]) {
        self.only(words::STAGES, any.iter().map(|it| words::of_stage(*it)));
    }

    /// Any of these kinds.
    pub fn kinds(&mut self, any: &[Kind]) {
        self.only(words::KINDS, any.iter().map(|it| words::of_kind(*it)));
        self.is_partial |= any.iter().any(|it| words::is_shared(*it));
    }

    /// Any of these levels.
    pub fn levels(&mut self, any: &[Level]) {
        self.levels = any.iter().fold(0, |all, it| all | scales::of_level(Some(*it)));
    }

    /// Any of these providers.
    pub fn providers(&mut self, any: &[Provider]) {
        self.providers = any.iter().fold(0, |all, it| all | scales::of_provider(*it));
    }

    fn only(&mut self, all: u32, any: impl Iterator<Item = u32>) {
        self.words = (self.words & !all) | any.fold(0, |any, one| any | one);
    }
}

impl Asks {
    /// The filter as a record of its own.
    pub(super) fn wide(&self) -> Wide {
        let boxed = |list: &Option<Vec<u32>>| {
            list.as_ref().map(|list| {
                let mut list = list.clone();
                list.sort_unstable();
                list.dedup();
                list.into_boxed_slice()
            })
        };
        let pairs = self.pairs.iter().map(|(services, regions)| Pair {
            services: boxed(services),
            regions: boxed(regions),
        });
        Wide {
            words: self.words,
            levels: self.levels,
            providers: self.providers,
            test_events: self.test_events,
            is_partial: self.is_partial,
            pairs: pairs.collect(),
            needs: self
                .needs
                .iter()
                .map(|(text, any)| (*text, any.clone().into()))
                .collect(),
        }
    }
}

/// The filter, if it fits into a posting: at most one pair, of few services and regions, and nothing beside it.
pub(super) fn inline(asks: &Asks) -> Option<Filter> {
    let is_plain = asks.levels == u8::MAX
        && asks.providers == u8::MAX
        && !asks.test_events
        && !asks.is_partial
        && asks.needs.is_empty();
    let (services, regions) = match asks.pairs.as_slice() {
        _ if !is_plain => return None,
        [] => (&[][..], &[][..]),
        // a pair of anything anywhere still asks for an impact
        [(None, None)] => return None,
        [(services, regions)] => (listed(services)?, listed(regions)?),
        _ => return None,
    };
    let mut filter = ([0; INLINE.0], [0; INLINE.1]);
    put(services, &mut filter.0)?;
    put(regions, &mut filter.1)?;
    Some(Filter::Inline {
        services: filter.0,
        regions: filter.1,
        counts: [services.len() as u8, regions.len() as u8],
    })
}

/// The numbers of a list, none for any; an empty list allows nothing, which a posting cannot say.
fn listed(list: &Option<Vec<u32>>) -> Option<&[u32]> {
    match list.as_deref() {
        None => Some(&[]),
        Some([]) => None,
        Some(list) => Some(list),
    }
}

fn put(numbers: &[u32], into: &mut [u16]) -> Option<()> {
    for (nth, number) in numbers.iter().enumerate() {
        *into.get_mut(nth)? = u16::try_from(*number).ok()?;
    }
    Some(())
}
