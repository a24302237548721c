//! What of an event rules are found by: closed words as they are, names as they are compared, accounts as keys.
//!
//! The event's impacts are kept as one word per service: a bit for each region it is impacted in. So whether this
//! service is impacted *in* this region is one `&`.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::event::catalogue::Catalogue;
use crate::event::{Event, EventType, Impact, Kind, Level, Provider, Stage, fold};

use super::key::{Key, Keys};

/// How many regions of one event have a bit of their own; the rest share one.
const REGIONS_MOST: usize = 61;

/// The bit of an impact that names no region.
pub(super) const NO_REGION: u64 = 1 << 62;

/// The bit of the part of an event that names no impact.
pub(super) const UNNAMED: u64 = 1 << 63;

/// What of an event rules are found by.
#[derive(Debug, Clone)]
pub struct Facts<'e> {
    /// What sort of event it is.
    pub event_type: EventType,
    /// What the provider says of its progress.
    pub stage: Stage,
    /// What it is.
    pub kind: Kind,
    /// How grave it is.
    pub level: Option<Level>,
    /// Who said it.
    pub provider: Provider,
    /// Whether it is a provider's test.
    pub is_test: bool,
    /// Each service it names, once, with the bits of the regions it is impacted in.
    pub services: Vec<(Cow<'e, str>, u64)>,
    /// Each region it names, once: bit 0, bit 1, and so on; from the 62nd on they share bit 61.
    pub regions: Vec<Cow<'e, str>>,
    /// The bits of all its impacts.
    pub impacted: u64,
    /// What its rules are found by.
    pub keys: Vec<Key>,
    /// Its texts: title, text, tracking id.
    pub texts: [&'e str; 3],
    /// Whether these facts are less than the whole event, so that what they allow must be judged by the event itself.
    pub is_partial: bool,
}

impl Default for Facts<'_> {
    fn default() -> Self {
        Self {
            event_type: EventType::ServiceIssue,
            stage: Stage::Active,
            kind: Kind::Update,
            level: None,
            provider: Provider::Azure,
            is_test: false,
            services: Vec::new(),
            regions: Vec::new(),
            impacted: 0,
            keys: Vec::new(),
            texts: [""; 3],
            is_partial: false,
        }
    }
}

impl<'e> Facts<'e> {
    /// Those of an event.
    pub fn of(event: &'e Event, catalogue: &Catalogue, keys: &Keys) -> Self {
        let mut facts = Self {
            event_type: event.event_type,
            stage: event.stage,
            kind: event.kind,
            level: event.level,
            provider: event.provider,
            is_test: event.test,
            texts: [&event.title, &event.text, &event.tracking_id],
            ..Self::default()
        };
        let mut places = Places::of(event.impact.len());
        event
            .impact
            .iter()
            .for_each(|impact| facts.add(impact, catalogue, &mut places));
        facts.add_keys(event, keys);
        facts
    }

    /// As new, with the room it had.
    pub fn clear(&mut self) {
        let (mut services, mut regions) = (std::mem::take(&mut self.services), std::mem::take(&mut self.regions));
        let mut keys = std::mem::take(&mut self.keys);
        services.clear();
        regions.clear();
        keys.clear();
        *self = Self {
            services,
            regions,
            keys,
            ..Self::default()
        };
    }

    /// Every service is impacted in every region.
    pub fn spread(&mut self) {
        self.impacted = match self.regions.len() {
            0 if self.services.is_empty() => 0,
            0 => NO_REGION,
            count => (0..count).fold(0, |bits, nth| bits | region_bit(nth)),
        };
        self.is_partial |= self.regions.len() > REGIONS_MOST;
        self.services.iter_mut().for_each(|(_, bits)| *bits = self.impacted);
    }

    /// Whether every service it names is impacted in every region it names, so that the two can be looked at apart.
    pub(super) fn is_even(&self) -> bool {
        self.impacted & NO_REGION == 0 && self.services.iter().all(|(_, regions)| *regions == self.impacted)
    }

    fn add(&mut self, impact: &Impact, catalogue: &Catalogue, places: &mut Places) {
        let bit = match &impact.region {
            Some(region) => self.bit_of(fold(region), places),
            None => NO_REGION,
        };
        self.impacted |= bit;
        self.add_service(
            catalogue.service_key(&impact.service, impact.service_id.as_deref()),
            bit,
            places,
        );
        if let Some(id) = &impact.service_id {
            self.add_service(fold(id), bit, places);
        }
        // impacted for some of the accounts only: region and account cannot be looked at apart
        self.is_partial |= !impact.accounts.is_empty();
    }

    fn bit_of(&mut self, region: String, places: &mut Places) -> u64 {
        let known = places.find(&places.regions, &region, || {
            self.regions.iter().position(|one| *one == region)
        });
        let nth = known.unwrap_or_else(|| {
            let nth = self.regions.len();
            if places.are_many {
                places.regions.insert(region.clone(), nth);
            }
            self.regions.push(region.into());
            nth
        });
        self.is_partial |= nth >= REGIONS_MOST;
        region_bit(nth)
    }

    fn add_service(&mut self, key: String, bit: u64, places: &mut Places) {
        let known = places.find(&places.services, &key, || {
            self.services.iter().position(|(one, _)| *one == key)
        });
        match known {
            Some(nth) => self.services[nth].1 |= bit,
            None => {
                if places.are_many {
                    places.services.insert(key.clone(), self.services.len());
                }
                self.services.push((key.into(), bit));
            }
        }
    }

    fn add_keys(&mut self, event: &Event, keys: &Keys) {
        let here = event.impact.iter().flat_map(|impact| &impact.accounts);
        self.keys
            .extend(event.accounts.iter().chain(here).map(|id| keys.account(id)));
        let source = event.source.as_deref();
        if event.provider == Provider::Bellwether {
            self.keys.extend(source.map(|customer| keys.own(customer)));
            self.is_partial = true;
        } else if self.keys.is_empty() {
            self.keys.extend(source.map(|source| keys.source(source)));
        }
        if self.is_partial {
            self.keys.sort_unstable();
            self.keys.dedup();
        }
    }
}

/// With up to so many impacts, looking at each name in turn is quicker than a table of them.
const FEW: usize = 32;

/// Where the names of an event with many impacts stand.
struct Places {
    are_many: bool,
    regions: HashMap<String, usize>,
    services: HashMap<String, usize>,
}

impl Places {
    fn of(impacts: usize) -> Self {
        Self {
            are_many: impacts > FEW,
            regions: HashMap::new(),
            services: HashMap::new(),
        }
    }

    fn find(
        &self,
        table: &HashMap<String, usize>,
        name: &str,
        in_turn: impl FnOnce() -> Option<usize>,
    ) -> Option<usize> {
        match self.are_many {
            true => table.get(name).copied(),
            false => in_turn(),
        }
    }
}

/// The bit of the event's nth region.
pub(super) fn region_bit(nth: usize) -> u64 {
    1 << nth.min(REGIONS_MOST)
}
