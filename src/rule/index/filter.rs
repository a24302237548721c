//! What a rule asks of an event beside its accounts: in sixteen bytes if it can be, in a record of its own otherwise.
//!
//! A [`Posting`] is one rule as it stands in a list of candidates. It holds the whole filter of a common rule (types,
//! stages, kinds, up to five services, up to four regions), so that nothing else is fetched to pass over it. A rule
//! that asks for more has a [`Wide`] record; equal ones are stored once.

use crate::event::{EventType, Kind, Level, Provider, Stage};

/// One rule among candidates: `last 1 · wide 1 · group 1 · number 29 · words 24 · services 5 × 8 · regions 4 × 8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Posting(pub(super) u64, pub(super) u64);

/// The last of its list.
const LAST: u64 = 1 << 31;
/// The filter is a [`Wide`] record.
const WIDE: u64 = 1 << 30;
/// Not a rule but a list of rules.
const GROUP: u64 = 1 << 29;
/// The most rules (or lists of rules) of one index.
pub(super) const NUMBERS_MOST: usize = 1 << 29;
/// The most services, and regions, of a filter that is held inline.
pub(super) const INLINE: (usize, usize) = (5, 4);

/// The closed words that a filter allows, a bit each.
pub(super) mod words {
    use super::*;

    pub const TYPES: u32 = 0x3f;
    pub const STAGES: u32 = 0x1ff << 6;
    pub const KINDS: u32 = 0x1ff << 15;
    /// Every word.
    pub const ANY: u32 = TYPES | STAGES | KINDS;
    /// The kinds after this one share a bit.
    const LAST_KIND: usize = 8;

    const _: () = assert!(EventType::ALL.len() <= 6 && Stage::ALL.len() <= 9, "a word has no bit");
    const _: () = assert!(Level::ALL.len() < 8 && Provider::ALL.len() <= 8, "a word has no bit");

    /// The bit of a type.
    pub fn of_type(it: EventType) -> u32 {
        1 << it as u32
    }

    /// The bit of a stage.
    pub fn of_stage(it: Stage) -> u32 {
        1 << (6 + it as u32)
    }

    /// The bit of a kind.
    pub fn of_kind(it: Kind) -> u32 {
        1 << (15 + (it as usize).min(LAST_KIND))
    }

    /// Whether a kind shares its bit.
    pub fn is_shared(it: Kind) -> bool {
        it as usize >= LAST_KIND
    }

    /// Whether an event's words are all allowed.
    pub fn allow(filter: u32, event: u32) -> bool {
        let both = filter & event;
        both & TYPES != 0 && both & STAGES != 0 && both & KINDS != 0
    }

    /// The types, stages and kinds a filter names, as the bits of each; `None` where it allows all.
    pub fn named(filter: u32) -> [Option<u32>; 3] {
        [(TYPES, 0), (STAGES, 6), (KINDS, 15)]
            .map(|(all, shift)| (filter & all != all).then_some((filter & all) >> shift))
    }

    /// The numbers of an event's type, stage and kind.
    pub fn numbers(event: u32) -> [u32; 3] {
        [(TYPES, 0), (STAGES, 6), (KINDS, 15)].map(|(all, shift)| ((event & all) >> shift).trailing_zeros())
    }
}

/// Bits of levels and providers in a [`Wide`] record, and of an event.
pub(super) mod scales {
    use super::*;

    /// The bit of an event that names no level.
    pub const NO_LEVEL: u8 = 1 << 7;

    /// The bit of a level, or of none.
    pub fn of_level(it: Option<Level>) -> u8 {
        it.map_or(NO_LEVEL, |level| 1 << level as u8)
    }

    /// The bit of a provider.
    pub fn of_provider(it: Provider) -> u8 {
        1 << it as u8
    }
}

/// A filter that does not fit into a posting.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wide {
    pub words: u32,
    pub levels: u8,
    pub providers: u8,
    pub test_events: bool,
    /// Whether there is more to the rule than this record says.
    pub is_partial: bool,
    /// Any of these; none at all where the rule asks for no impact.
    pub pairs: Box<[Pair]>,
    /// Each of these texts must hold one of its literals: which text, and the literals' numbers.
    pub needs: Box<[(u8, Box<[u32]>)]>,
}

/// Any of these services in any of these regions, by their numbers, sorted; `None` is any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    pub services: Option<Box<[u32]>>,
    pub regions: Option<Box<[u32]>>,
}

/// Whether a filter lets an event through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    No,
    Yes,
    /// As far as is known here.
    Perhaps,
}

/// An event in the numbers of one index.
#[derive(Debug)]
pub(super) struct Query {
    pub words: u32,
    pub level: u8,
    pub provider: u8,
    pub is_test: bool,
    pub is_partial: bool,
    /// Whether every service is impacted in every region.
    pub is_even: bool,
    /// The regions' bits of all impacts.
    pub impacted: u64,
    /// Known services by number, with their regions' bits.
    pub services: Vec<(u32, u64)>,
    /// Known regions by number, with their bits.
    pub regions: Vec<(u32, u64)>,
    /// The bits of services by their short code: nothing for those the event does not name; code 0 is any.
    pub by_service: Box<[u64; 256]>,
    /// The bit of regions by their short code; code 0 is any.
    pub by_region: Box<[u64; 256]>,
    /// The literals each text holds, sorted.
    pub literals: [Vec<u32>; 3],
}

impl Default for Query {
    fn default() -> Self {
        Self {
            words: 0,
            level: 0,
            provider: 0,
            is_test: false,
            is_partial: false,
            is_even: false,
            impacted: 0,
            services: Vec::new(),
            regions: Vec::new(),
            by_service: Box::new([0; 256]),
            by_region: Box::new([0; 256]),
            literals: Default::default(),
        }
    }
}

impl Posting {
    /// A rule whose filter fits: short codes of services and regions, none of them for any.
    pub fn inline(rule: u32, words: u32, services: &[u8], regions: &[u8]) -> Self {
        let of = |codes: &[u8], nth: usize| u64::from(codes.get(nth).or(codes.first()).copied().unwrap_or(0));
        let low = u64::from(rule) | u64::from(words) << 32 | of(services, 0) << 56;
        let high = (1..INLINE.0).fold(0, |high, nth| high | of(services, nth) << (8 * (nth - 1)));
        Self(
            low,
            (0..INLINE.1).fold(high, |high, nth| high | of(regions, nth) << (32 + 8 * nth)),
        )
    }

    /// A rule whose filter is the nth of the wide ones.
    pub fn wide(rule: u32, words: u32, nth: u32) -> Self {
        Self(u64::from(rule) | u64::from(words) << 32 | WIDE, u64::from(nth))
    }

    /// A list of rules.
    pub fn group(number: u32) -> Self {
        Self(u64::from(number) | GROUP, 0)
    }

    /// The same, the last of its list.
    pub fn as_last(self) -> Self {
        Self(self.0 | LAST, self.1)
    }

    /// Whether it is the last of its list.
    pub fn is_last(self) -> bool {
        self.0 & LAST != 0
    }

    /// Whether it stands for a list of rules.
    pub fn is_group(self) -> bool {
        self.0 & GROUP != 0
    }

    /// Whether its filter is a record of its own.
    pub fn is_wide(self) -> bool {
        self.0 & WIDE != 0
    }

    /// The rule's number, or the list's.
    pub fn number(self) -> u32 {
        (self.0 & (GROUP - 1)) as u32
    }

    /// Whether the filter lets an event through.
    #[inline]
    pub fn allows(self, query: &Query, wide: &[Wide]) -> Verdict {
        if !words::allow((self.0 >> 32) as u32 & words::ANY, query.words) {
            return Verdict::No;
        }
        if self.is_wide() {
            return wide[self.1 as u32 as usize].allows(query);
        }
        let (low, high) = (self.0, self.1);
        let service = |shift: u32| query.by_service[(high >> shift) as usize & 0xff];
        let region = |shift: u32| query.by_region[(high >> shift) as usize & 0xff];
        let services = query.by_service[(low >> 56) as usize] | service(0) | service(8) | service(16) | service(24);
        let regions = region(32) | region(40) | region(48) | region(56);
        match services & regions != 0 && !query.is_test {
            true if query.is_partial => Verdict::Perhaps,
            true => Verdict::Yes,
            false => Verdict::No,
        }
    }
}

impl Wide {
    fn allows(&self, query: &Query) -> Verdict {
        let has_pair = || self.pairs.is_empty() || self.pairs.iter().any(|pair| pair.allows(query));
        let has_text = |(text, any): &(u8, Box<[u32]>)| {
            let held = &query.literals[usize::from(*text)];
            any.iter().any(|literal| held.binary_search(literal).is_ok())
        };
        let is_allowed = self.levels & query.level != 0
            && self.providers & query.provider != 0
            && (self.test_events || !query.is_test)
            && self.needs.iter().all(has_text)
            && has_pair();
        match is_allowed {
            true if query.is_partial || self.is_partial => Verdict::Perhaps,
            true => Verdict::Yes,
            false => Verdict::No,
        }
    }

    /// The memory it takes beside itself, in bytes.
    pub fn bytes(&self) -> usize {
        let list = |list: &Option<Box<[u32]>>| list.as_ref().map_or(0, |list| size_of_val(&**list));
        let pairs: usize = self
            .pairs
            .iter()
            .map(|pair| list(&pair.services) + list(&pair.regions))
            .sum();
        let needs: usize = self.needs.iter().map(|(_, literals)| size_of_val(&**literals)).sum();
        pairs + needs + size_of_val(&*self.pairs) + size_of_val(&*self.needs)
    }
}

impl Pair {
    fn allows(&self, query: &Query) -> bool {
        let bits = |wanted: &Option<Box<[u32]>>, named: &[(u32, u64)], any: u64| match wanted {
            None => any,
            Some(wanted) => {
                let is_wanted = |(number, _): &&(u32, u64)| wanted.binary_search(number).is_ok();
                named.iter().filter(is_wanted).fold(0, |bits, (_, bit)| bits | bit)
            }
        };
        bits(&self.services, &query.services, query.impacted) & bits(&self.regions, &query.regions, u64::MAX) != 0
    }
}
