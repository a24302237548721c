//! What happened, as far as claims need it: which services and regions were down when, for which accounts and
//! resources, and whose word that is.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Time;
use crate::event::catalogue::Catalogue as Services;
use crate::event::{EventType, fold};

use super::entered::Downtime;
use super::usage::{Usage, resource_key, resource_name};
use super::words::service_key;

mod listed;
mod read;

pub use listed::{OnList, OnResource};
pub use read::read_incidents;

/// One window of an incident. The same incident may have several, and by several people's word.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// The provider's name for it; what a person entered may have none.
    pub tracking_id: String,
    /// The provider's word.
    pub provider: String,
    /// What sort of event it is.
    pub event_type: EventType,
    /// The services that were impacted, and where.
    pub impact: Vec<Impact>,
    /// The accounts, in lower case; none: all.
    pub subscriptions: Vec<String>,
    /// The resources, in lower case; none: all.
    pub resources: Vec<String>,
    /// When it began.
    pub started: Time,
    /// When it was over; none: it goes on.
    pub mitigated: Option<Time>,
    /// Whose word the times are.
    pub source: Source,
    /// Whose word the end is, where it is not that of the begin.
    pub ended_by: Option<EndedBy>,
    /// The list of impacted resources that the customer handed in.
    pub listed: Option<Arc<OnList>>,
    /// What a person entered, if it is no incident of a provider.
    pub entered: Option<Arc<Downtime>>,
}

/// A service in a region.
#[derive(Debug, Clone, PartialEq)]
pub struct Impact {
    /// What services are compared by.
    pub service_key: String,
    /// What regions are compared by; none: everywhere.
    pub region_key: Option<String>,
}

/// Whose word the times are; of several about one incident the later one in this list counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The text of a statement or a review.
    Prose,
    /// The provider's metadata.
    Metadata,
    /// A person's correction, or a person's own entry.
    Correction,
}

/// Whose word an end is that the metadata leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The text of a statement or a review names it.
    Prose,
    /// Nothing names it: the time of the statement that it is over, or the last one of all.
    LastStatement,
}

/// Whose word the times are, as a sentence goes on.
pub fn said_by(source: Source, ended_by: Option<EndedBy>) -> String {
    let end = match ended_by {
        Some(EndedBy::Prose) => "; its end by the text of the provider's statement",
        Some(EndedBy::LastStatement) => "; its end by the provider's last statement",
        None => "",
    };
    format!("{}{end}", source.said_by())
}

impl Source {
    /// As sentences say it.
    pub fn said_by(self) -> &'static str {
        match self {
            Source::Prose => "by the text of the provider's statement",
            Source::Metadata => "by the provider's metadata",
            Source::Correction => "by a person's correction",
        }
    }
}

/// Incidents by what they may touch, so that a usage meets only those that can.
#[derive(Debug)]
pub struct Index<'i> {
    incidents: &'i [Incident],
    /// By provider and service: those that name no resources, and no accounts.
    everywhere: Map<(&'i str, &'i str)>,
    /// By provider, service and account.
    by_account: Map<(&'i str, &'i str, &'i str)>,
    /// By provider and service: all of them.
    by_service: Map<(&'i str, &'i str)>,
    /// By provider and the last part of a resource's id.
    by_resource: Map<(&'i str, &'i str)>,
    /// Of each incident a number that all windows of the same tracking id have; none without a tracking id.
    same: Vec<Option<u32>>,
}

type Map<K> = HashMap<K, Vec<u32>>;

/// Whether an incident touches anything that is used.
pub fn is_of_any<'u>(incident: &Incident, mut usages: impl Iterator<Item = &'u Usage>) -> bool {
    let index = Index::new(std::slice::from_ref(incident));
    usages.any(|usage| !index.of(usage).is_empty())
}

impl<'i> Index<'i> {
    /// Of these incidents.
    pub fn new(incidents: &'i [Incident]) -> Self {
        let mut index = Self {
            incidents,
            everywhere: Map::new(),
            by_account: Map::new(),
            by_service: Map::new(),
            by_resource: Map::new(),
            same: numbered(incidents),
        };
        for (nth, incident) in incidents.iter().enumerate() {
            index.add(nth as u32, incident);
        }
        index
    }

    fn add(&mut self, nth: u32, incident: &'i Incident) {
        let provider = incident.provider.as_str();
        for impact in &incident.impact {
            let service = impact.service_key.as_str();
            push(&mut self.by_service, (provider, service), nth);
            if incident.subscriptions.is_empty() {
                push(&mut self.everywhere, (provider, service), nth);
            }
            for account in &incident.subscriptions {
                push(&mut self.by_account, (provider, service, account), nth);
            }
        }
        for resource in &incident.resources {
            push(&mut self.by_resource, (provider, resource_name(resource)), nth);
        }
        for name in incident.listed.iter().flat_map(|listed| listed.confirmed_names()) {
            push(&mut self.by_resource, (provider, name), nth);
        }
    }

    /// The incidents that impacted a usage, by begin: of what several people say of one incident, only whose word counts.
    pub fn of(&self, usage: &Usage) -> Vec<&'i Incident> {
        let (provider, service) = (usage.provider.as_str(), usage.service_key.as_str());
        let mut found: Vec<u32> = Vec::new();
        match usage.subscription.as_deref() {
            None => found.extend(self.by_service.get(&(provider, service)).into_iter().flatten()),
            Some(account) => {
                found.extend(self.everywhere.get(&(provider, service)).into_iter().flatten());
                found.extend(self.by_account.get(&(provider, service, account)).into_iter().flatten());
            }
        }
        if let Some(resource) = &usage.resource {
            let key = resource_key(resource);
            let name = resource_name(&key);
            found.extend(self.by_resource.get(&(provider, name)).into_iter().flatten());
        }
        found.sort_unstable();
        found.dedup();
        let region = usage.region_key();
        found.retain(|nth| self.incidents[*nth as usize].touches(usage, region.as_deref()));
        self.only_whose_word_counts(&mut found);
        let mut incidents: Vec<&Incident> = found.into_iter().map(|nth| &self.incidents[nth as usize]).collect();
        incidents.sort_by(|one, other| {
            let key = |incident: &Incident| (incident.started, incident.mitigated);
            key(one)
                .cmp(&key(other))
                .then_with(|| one.tracking_id.cmp(&other.tracking_id))
        });
        incidents
    }

    /// Of each incident only the windows by the highest word: a person's correction, then metadata, then prose.
    fn only_whose_word_counts(&self, found: &mut Vec<u32>) {
        let source = |nth: u32| self.incidents[nth as usize].source;
        let mut highest: HashMap<u32, Source> = HashMap::with_capacity(found.len());
        for nth in found.iter().copied() {
            if let Some(number) = self.same[nth as usize] {
                let known = highest.entry(number).or_insert(source(nth));
                *known = source(nth).max(*known);
            }
        }
        found.retain(|nth| {
            let highest = self.same[*nth as usize].and_then(|number| highest.get(&number));
            highest.is_none_or(|highest| source(*nth) == *highest)
        });
    }
}

fn push<K: Eq + std::hash::Hash>(map: &mut Map<K>, key: K, nth: u32) {
    let list = map.entry(key).or_default();
    if list.last() != Some(&nth) {
        list.push(nth);
    }
}

/// The same number for the same tracking id, however it is written.
fn numbered(incidents: &[Incident]) -> Vec<Option<u32>> {
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let number = |incident: &Incident| {
        let next = numbers.len() as u32;
        (!incident.tracking_id.is_empty()).then(|| *numbers.entry(fold(&incident.tracking_id)).or_insert(next))
    };
    incidents.iter().map(number).collect()
}

impl Incident {
    /// What a person entered, as it is computed with.
    pub fn of_downtime(entered: &Downtime, services: &Services) -> Self {
        let resource = entered.resource.as_deref().map(resource_key);
        Self {
            tracking_id: String::new(),
            provider: entered.provider.clone(),
            event_type: EventType::ServiceIssue,
            impact: vec![Impact {
                service_key: service_key(services, &entered.service),
                region_key: entered.region.as_deref().map(fold),
            }],
            subscriptions: entered.subscription.iter().cloned().collect(),
            resources: resource.into_iter().collect(),
            started: entered.from,
            mitigated: Some(entered.until),
            source: Source::Correction,
            ended_by: None,
            listed: None,
            entered: Some(Arc::new(entered.clone())),
        }
    }

    /// Whether it impacted a usage, whose region is compared by `region`: its service there, and its account or resource.
    fn touches(&self, usage: &Usage, region: Option<&str>) -> bool {
        if self.provider != usage.provider {
            return false;
        }
        if self.on_list(usage) == Some(OnResource::ConfirmedById) {
            return true;
        }
        let in_region = |other: &Option<String>| match (other.as_deref(), region) {
            (Some(other), Some(region)) => other == region,
            _ => true,
        };
        let mut impact = self.impact.iter();
        let of_service = impact.any(|pair| pair.service_key == usage.service_key && in_region(&pair.region_key));
        let of_account = match &usage.subscription {
            None => true,
            Some(account) => self.subscriptions.is_empty() || self.subscriptions.contains(account),
        };
        match (&usage.resource, self.resources.is_empty()) {
            (_, true) | (None, false) => of_service && of_account,
            (Some(resource), false) => match self.names(&resource_key(resource)) {
                Named::No => false,
                // a whole id says by itself which service and account it is of
                Named::ById => true,
                Named::ByName => (of_service || self.impact.is_empty()) && of_account,
            },
        }
    }

    /// What the list of impacted resources says of a usage, if there is one and the usage names a resource.
    pub fn on_list(&self, usage: &Usage) -> Option<OnResource> {
        self.listed.as_ref()?.says(usage)
    }

    fn names(&self, resource: &str) -> Named {
        let name = resource_name;
        let is_id = |resource: &str| resource.contains('/');
        let same = |listed: &&String| match is_id(listed) == is_id(resource) {
            true => *listed == resource,
            false => name(listed) == name(resource),
        };
        match self.resources.iter().find(same) {
            None => Named::No,
            Some(listed) if is_id(listed) && is_id(resource) => Named::ById,
            Some(_) => Named::ByName,
        }
    }
}

/// How an incident names a resource.
enum Named {
    No,
    ById,
    ByName,
}
