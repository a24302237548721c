//! An event as rules look at it: what is worked out of it once, for all of them.

use std::cell::OnceCell;

use crate::event::catalogue::Catalogue;
use crate::event::{Event, Impact, fold};
use crate::rule::ImpactPattern;
use crate::rule::pattern::Text;

/// An event that rules are tried on.
#[derive(Debug)]
pub struct Subject<'e> {
    /// The event.
    pub event: &'e Event,
    pub(super) title: Text<'e>,
    pub(super) text: Text<'e>,
    pub(super) tracking_id: Text<'e>,
    impact: OnceCell<Vec<Impacted>>,
}

/// The words of one impact, as they are compared.
#[derive(Debug)]
pub(super) struct Impacted {
    service: String,
    service_id: Option<String>,
    region: Option<String>,
}

impl<'e> Subject<'e> {
    /// An event.
    pub fn of(event: &'e Event) -> Self {
        Self {
            event,
            title: Text::of(&event.title),
            text: Text::of(&event.text),
            tracking_id: Text::of(&event.tracking_id),
            impact: OnceCell::new(),
        }
    }

    /// Its impact, in the event's order.
    pub(super) fn impact(&self, catalogue: &Catalogue) -> &[Impacted] {
        let impacted = |impact: &Impact| Impacted {
            service: catalogue.service_key(&impact.service, impact.service_id.as_deref()),
            service_id: impact.service_id.as_deref().map(fold),
            region: impact.region.as_deref().map(fold),
        };
        self.impact
            .get_or_init(|| self.event.impact.iter().map(impacted).collect())
    }
}

impl ImpactPattern {
    /// Whether one impact of an event is this service in this region.
    pub(super) fn matches(&self, impact: &Impacted) -> bool {
        let is_service = |services: &Vec<String>| {
            let id = impact.service_id.as_ref();
            services.contains(&impact.service) || id.is_some_and(|id| services.contains(id))
        };
        let is_region = |regions: &Vec<String>| impact.region.as_ref().is_some_and(|region| regions.contains(region));
        self.services.as_ref().is_none_or(is_service) && self.regions.as_ref().is_none_or(is_region)
    }

    /// How many comparisons that takes at most.
    pub(in crate::rule) fn comparisons(&self) -> usize {
        let [services, regions] = [&self.services, &self.regions].map(|names| names.as_ref().map_or(0, Vec::len));
        1 + 2 * services + regions
    }
}
