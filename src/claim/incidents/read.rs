//! Reading `incidents:` from YAML, with every problem at its place.

use chrono_tz::Tz;

use crate::clock::Time;
use crate::customer::account::account_id;
use crate::event::EventType;
use crate::event::catalogue::Catalogue as Services;
use crate::event::fold;
use crate::problem::examine::Texts;
use crate::problem::fields::{Fields, Keys, Reading, list};
use crate::problem::meant::meant;
use crate::problem::yaml::{self, Node, Value};

use super::super::usage::resource_key;
use super::super::words::{
    checked, given, is_nothing, list_of, moment, needed, one_of, provider_word, service_key, word, words,
};
use super::{Impact, Incident, Source};

const SOURCES: [(&str, Source); 13] = [
    ("metadata", Source::Metadata),
    ("prose", Source::Prose),
    ("correction", Source::Correction),
    ("provider", Source::Metadata),
    ("text", Source::Prose),
    ("statement", Source::Prose),
    ("review", Source::Prose),
    ("corrected", Source::Correction),
    ("person", Source::Correction),
    ("a person's correction", Source::Correction),
    ("person's correction", Source::Correction),
    ("a person", Source::Correction),
    ("manual", Source::Correction),
];

/// How sure an impact is: whether the provider confirmed it.
const IMPACTS: [(&str, bool); 2] = [("confirmed", true), ("potential", false)];

const FILE: Keys = Keys {
    of: "a file of incidents",
    known: &["incidents"],
    later: &[],
    meant: &[("incident", "incidents"), ("events", "incidents")],
    takes_own: true,
};

const INCIDENT: Keys = Keys {
    of: "an incident",
    known: &[
        "tracking id",
        "provider",
        "event type",
        "title",
        "impact",
        "service",
        "region",
        "subscriptions",
        "resources",
        "started",
        "mitigated",
        "source",
        "evidence",
        "note",
    ],
    later: &[],
    meant: &[
        ("id", "tracking id"),
        ("tracking_id", "tracking id"),
        ("type", "event type"),
        ("impacts", "impact"),
        ("services", "impact"),
        ("regions", "impact"),
        ("subscription", "subscriptions"),
        ("accounts", "subscriptions"),
        ("account", "subscriptions"),
        ("resource", "resources"),
        ("start", "started"),
        ("from", "started"),
        ("begin", "started"),
        ("impact start", "started"),
        ("end", "mitigated"),
        ("ended", "mitigated"),
        ("until", "mitigated"),
        ("resolved", "mitigated"),
        ("impact end", "mitigated"),
    ],
    takes_own: true,
};

const IMPACT: Keys = Keys {
    of: "an impact",
    known: &["service", "region"],
    later: &[],
    meant: &[
        ("services", "service"),
        ("regions", "region"),
        ("location", "region"),
        ("name", "service"),
    ],
    takes_own: false,
};

const RESOURCE: Keys = Keys {
    of: "an impacted resource",
    known: &["id", "type", "name", "account", "region", "impact"],
    later: &[],
    meant: &[
        ("resource", "id"),
        ("resource id", "id"),
        ("subscription", "account"),
        ("impact type", "impact"),
    ],
    takes_own: true,
};

/// Where a character that nobody sees does which harm.
const TEXTS: Texts = Texts {
    free: &["tracking id", "title", "evidence", "note"],
    loose: &["provider", "event type", "service", "region", "source"],
    only_told: false,
};

/// Reads a file of incidents. `knows_provider` says whether there is a provider of a word, or what may be meant.
pub fn read_incidents(
    reading: &Reading<'_>,
    services: &Services,
    knows_provider: &dyn Fn(&str) -> Result<(), String>,
) -> Vec<Incident> {
    let Some(tree) = reading.tree_within(TEXTS, yaml::BY_PROGRAMS) else {
        return Vec::new();
    };
    let example = "- { tracking id: ABCD-123, provider: azure, impact: [{ service: Virtual Machines }], started: 2026-11-03T10:00:00Z }";
    if let Value::Nothing = tree.value {
        let hint = format!("`incidents:` and below it `{example}`; `incidents: []` if there were none");
        reading.error(tree.place, "this file is empty", Some(&hint));
        return Vec::new();
    }
    let Some(fields) = reading.fields(&tree, &FILE) else {
        return Vec::new();
    };
    let Some(node) = needed(reading, &fields, &FILE, "incidents", example) else {
        return Vec::new();
    };
    let reader = Reader {
        reading,
        services,
        knows_provider,
    };
    let items = list_of(reading, node, "incidents", example).into_iter();
    items.filter_map(|item| reader.incident(item)).collect()
}

struct Reader<'r, 't> {
    reading: &'r Reading<'t>,
    services: &'r Services,
    knows_provider: &'r dyn Fn(&str) -> Result<(), String>,
}

impl Reader<'_, '_> {
    fn incident(&self, node: &Node) -> Option<Incident> {
        let reading = self.reading;
        let fields = reading.fields(node, &INCIDENT)?;
        let provider = needed(reading, &fields, &INCIDENT, "provider", "azure").and_then(|node| self.provider(node));
        let started = needed(reading, &fields, &INCIDENT, "started", "2026-11-03T10:00:00Z");
        let started = started.and_then(|node| self.time(node, "`started`"));
        let mitigated = given(&fields, "mitigated").and_then(|node| self.time(node, "`mitigated`"));
        let source = given(&fields, "source").and_then(|node| one_of(reading, node, "source of times", &SOURCES));
        let source = source.unwrap_or(Source::Metadata);
        let impact = self.impact(&fields);
        let resources = self.resources(&fields, impact.is_empty());
        let subscriptions = self.subscriptions(&fields);
        let tracking_id = self.tracking_id(&fields, source);
        if let (Some(started), Some(mitigated)) = (started, mitigated)
            && mitigated < started
        {
            let place = fields.place_of("mitigated").unwrap_or(fields.place);
            reading.error(
                place,
                "this was mitigated before it started",
                Some("exchange the two times"),
            );
        }
        if impact.is_empty() && resources.is_empty() {
            let what = "this incident names neither a service nor a resource: nothing can be claimed for it";
            reading.warning(
                fields.place,
                what,
                Some("`impact: [{ service: Virtual Machines, region: East US }]`"),
            );
        }
        let event_type = given(&fields, "event type").and_then(|node| event_type(reading, node));
        Some(Incident {
            tracking_id: tracking_id?,
            provider: provider?,
            event_type: event_type.unwrap_or(EventType::ServiceIssue),
            impact,
            subscriptions,
            resources,
            started: started?,
            mitigated,
            source,
            ended_by: None,
            listed: None,
            entered: None,
        })
    }

    /// What a person entered needs no tracking id of a provider.
    fn tracking_id(&self, fields: &Fields<'_>, source: Source) -> Option<String> {
        if given(fields, "tracking id").is_none() && source == Source::Correction {
            return Some(String::new());
        }
        let node = needed(self.reading, fields, &INCIDENT, "tracking id", "ABCD-123")?;
        word(self.reading, node, "the tracking id")
    }

    fn provider(&self, node: &Node) -> Option<String> {
        let provider = provider_word(&word(self.reading, node, "the provider")?);
        let known = (self.knows_provider)(&provider);
        known
            .map_err(|hint| {
                self.reading
                    .error(node.place, &format!("there is no provider `{provider}`"), Some(&hint));
            })
            .ok()?;
        Some(provider)
    }

    fn time(&self, node: &Node, what: &str) -> Option<Time> {
        checked(self.reading, node, what, |text| moment(text, Tz::UTC))
    }

    fn impact(&self, fields: &Fields<'_>) -> Vec<Impact> {
        if given(fields, "service").is_some() {
            if let Some(place) = fields.place_of("impact") {
                let hint = "put the service and its region into `impact`, and leave `service` and `region` out";
                self.reading.error(place, "`service` beside `impact`", Some(hint));
            }
            return self.pairs(fields);
        }
        let Some(node) = given(fields, "impact") else {
            if let Some(place) = fields.place_of("region") {
                self.reading.error(
                    place,
                    "a region without a service",
                    Some("`impact: [{ service: Virtual Machines, region: East US }]`"),
                );
            }
            return Vec::new();
        };
        let items = self.reading.items(node).into_iter();
        items.flat_map(|item| self.impact_of(item)).collect()
    }

    /// `{ service, region }`, or only the service's name.
    fn impact_of(&self, node: &Node) -> Vec<Impact> {
        if let Value::Text(service) = &node.value {
            return vec![Impact {
                service_key: service_key(self.services, service),
                region_key: None,
            }];
        }
        let Some(fields) = self.reading.fields(node, &IMPACT) else {
            return Vec::new();
        };
        match needed(self.reading, &fields, &IMPACT, "service", "Virtual Machines") {
            Some(_) => self.pairs(&fields),
            None => Vec::new(),
        }
    }

    /// Every service in every region of one table.
    fn pairs(&self, fields: &Fields<'_>) -> Vec<Impact> {
        let texts = |key: &str| {
            given(fields, key)
                .map(|node| words(self.reading, node, &format!("`{key}`")))
                .unwrap_or_default()
        };
        let regions = texts("region");
        let mut pairs = Vec::new();
        for service in texts("service") {
            let service_key = service_key(self.services, &service);
            let pair = |region_key| Impact {
                service_key: service_key.clone(),
                region_key,
            };
            match regions.is_empty() {
                true => pairs.push(pair(None)),
                false => pairs.extend(regions.iter().map(|region| pair(Some(fold(region))))),
            }
        }
        pairs
    }

    fn subscriptions(&self, fields: &Fields<'_>) -> Vec<String> {
        let Some(node) = given(fields, "subscriptions") else {
            return Vec::new();
        };
        let read = |item: &Node| {
            let text = word(self.reading, item, "a subscription")?;
            let id = account_id(&text);
            id.map_err(|why| self.reading.error(item.place, &why.what, Some(&why.hint)))
                .ok()
        };
        self.reading.items(node).into_iter().filter_map(read).collect()
    }

    /// The resources that it touched; `is_all` says that nothing else says what it touched. What is only potentially
    /// impacted narrows nothing: it counts where it is all that is named.
    fn resources(&self, fields: &Fields<'_>, is_all: bool) -> Vec<String> {
        let Some(node) = given(fields, "resources") else {
            return Vec::new();
        };
        let items = self.reading.items(node).into_iter();
        let named: Vec<(String, bool)> = items.filter_map(|item| self.resource(item)).collect();
        let has_confirmed = named.iter().any(|(_, is_confirmed)| *is_confirmed);
        let counts = |is_confirmed: bool| is_confirmed || (is_all && !has_confirmed);
        let counted = named.iter().filter(|(_, is_confirmed)| counts(*is_confirmed));
        counted.map(|(resource, _)| resource_key(resource)).collect()
    }

    /// A resource, and whether its impact is more than a potential one.
    fn resource(&self, item: &Node) -> Option<(String, bool)> {
        let Value::Map(_) = &item.value else {
            let resource = (!is_nothing(item)).then(|| word(self.reading, item, "a resource"));
            return Some((resource??, true));
        };
        let fields = self.reading.fields(item, &RESOURCE)?;
        let key = match given(&fields, "id").is_none() && given(&fields, "name").is_some() {
            true => "name",
            false => "id",
        };
        let node = needed(self.reading, &fields, &RESOURCE, key, "vm-1")?;
        let is_confirmed = match given(&fields, "impact") {
            Some(node) => one_of(self.reading, node, "sort of impact", &IMPACTS)?,
            None => true,
        };
        Some((word(self.reading, node, "the resource")?, is_confirmed))
    }
}

fn event_type(reading: &Reading<'_>, node: &Node) -> Option<EventType> {
    let text = word(reading, node, "the event type")?;
    let found = EventType::read(&text);
    if found.is_none() {
        let names: Vec<&str> = EventType::ALL.iter().map(|event_type| event_type.word()).collect();
        let hint = meant(&text, names.iter().copied()).unwrap_or_else(|| list(&names));
        reading.error(node.place, &format!("`{text}` is no event type"), Some(&hint));
    }
    found
}
