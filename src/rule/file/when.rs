//! Conditions as they are read: `when` and `unless`, key by key, each value checked against its vocabulary.

use std::collections::BTreeMap;

use crate::customer::CustomerId;
use crate::event::catalogue::Catalogue;
use crate::event::{EventType, Kind, Level, Provider, Size, Stage, fold};
use crate::problem::Place;
use crate::problem::fields::{Fields, Keys, Marked, Reading};
use crate::problem::meant::{comment_in, meant};
use crate::problem::yaml::{Node, Value};

use super::super::{Condition, ImpactPattern, Lasted, Pattern};
use super::{MAX_VALUES, Scope, limit, negation, otherwise};

/// A condition whose `subscriptions` are not resolved yet, with the places that lints speak of.
#[derive(Debug, Clone, Default)]
pub struct DraftCondition {
    /// The condition, without its `subscriptions`.
    pub condition: Condition,
    /// Names of groups, or ids, as written.
    pub subscriptions: Option<Vec<Marked<String>>>,
    /// Services as written.
    pub services: Vec<Marked<String>>,
    /// Regions as written.
    pub regions: Vec<Marked<String>>,
    /// Patterns of `title` and `text`.
    pub patterns: Vec<Marked<String>>,
    /// Where it stands.
    pub place: Place,
    /// Where each key stands.
    pub places: BTreeMap<String, Place>,
}

/// The keys of a condition.
pub(in crate::rule) const CONDITION: Keys = Keys {
    of: "a condition",
    known: &[
        "event type",
        "stage",
        "kind",
        "level",
        "subscriptions",
        "impact",
        "service",
        "region",
        "title",
        "text",
        "tracking id",
        "provider",
        "subtype",
        "size",
        "lasted",
        "properties",
        "owner",
    ],
    later: &[],
    meant: MEANT,
    takes_own: false,
};

/// What people type first.
pub(super) const MEANT: &[(&str, &str)] = &[
    ("status", "stage"),
    ("state", "stage"),
    ("phase", "stage"),
    ("severity", "level"),
    ("sev", "level"),
    ("priority", "level"),
    ("type", "event type"),
    ("types", "event type"),
    ("incident type", "event type"),
    ("category", "event type"),
    ("communication", "kind, text"),
    ("subscription", "subscriptions"),
    ("subscription id", "subscriptions"),
    ("account", "subscriptions"),
    ("accounts", "subscriptions"),
    ("services", "service"),
    ("impacted services", "impact, service"),
    ("product", "service"),
    ("regions", "region"),
    ("location", "region"),
    ("locations", "region"),
    ("subject", "title"),
    ("name", "title, tracking id"),
    ("summary", "title, text"),
    ("description", "text"),
    ("body", "text"),
    ("message", "text"),
    ("incident", "tracking id"),
    ("id", "tracking id"),
    ("cloud", "provider"),
    ("source", "provider"),
    ("event sub type", "subtype"),
    ("tags", "kind, properties"),
    ("custom properties", "properties"),
    // the words of Azure's portal and of its alert rules
    ("event level", "level"),
    ("severity level", "level"),
    ("event types", "event type"),
    ("event category", "event type"),
    ("health event type", "event type"),
    ("service health event type", "event type"),
    ("event status", "stage"),
    ("current status", "stage"),
    ("event stage", "stage"),
    ("service name", "service"),
    ("service names", "service"),
    ("impacted service", "impact, service"),
    ("affected services", "impact, service"),
    ("impacted region", "impact, region"),
    ("impacted regions", "impact, region"),
    ("affected regions", "impact, region"),
    ("region name", "region"),
    ("subscription name", "subscriptions"),
    ("subscription ids", "subscriptions"),
    ("impacted subscriptions", "subscriptions"),
    ("scope", "subscriptions"),
    ("issue name", "title"),
    ("event name", "title"),
    ("default title", "title"),
    ("alert name", "title"),
    ("event id", "tracking id"),
    ("event tags", "kind"),
    ("event tag", "kind"),
    ("communication type", "kind"),
    ("message type", "kind"),
    ("duration", "lasted"),
    ("outage", "lasted"),
    ("scale", "size"),
    ("magnitude", "size"),
    ("not", "=put what is to be left out under `unless:` of the rule"),
    ("except", "=put what is to be left out under `unless:` of the rule"),
    ("exclude", "=put what is to be left out under `unless:` of the rule"),
    (
        "notify",
        "=it belongs to the rule, beside `when`: check the indentation",
    ),
    (
        "unless",
        "=it belongs to the rule, beside `when`: check the indentation",
    ),
];

const PAIR: Keys = Keys {
    of: "a pair of `impact`",
    known: &["service", "region"],
    later: &[],
    meant: &[
        ("services", "service"),
        ("regions", "region"),
        ("location", "region"),
        ("product", "service"),
    ],
    takes_own: false,
};

/// Reads a condition.
pub(super) fn read(
    reading: &Reading<'_>,
    node: &Node,
    customer: &CustomerId,
    scope: Scope<'_>,
) -> Option<DraftCondition> {
    let fields = reading.fields(node, &CONDITION)?;
    let mut draft = DraftCondition::default();
    draft.condition = Condition {
        event_types: words(reading, &fields, "event type", EventType::read, EventType::ALL),
        stages: words(reading, &fields, "stage", Stage::read, Stage::ALL),
        kinds: words(reading, &fields, "kind", Kind::read, Kind::ALL),
        levels: words(reading, &fields, "level", Level::read, Level::ALL),
        providers: words(reading, &fields, "provider", Provider::read, Provider::ALL),
        subscriptions: None,
        impact: None,
        title: draft.patterns(reading, &fields, "title"),
        text: draft.patterns(reading, &fields, "text"),
        tracking_ids: fields
            .get("tracking id")
            .map(|node| patterns(reading, node, "tracking id")),
        sizes: words(reading, &fields, "size", Size::read, Size::ALL),
        lasted: fields.get("lasted").and_then(|node| read_lasted(reading, node)),
        subtypes: fields.get("subtype").map(|node| {
            reading
                .texts(node, "a subtype")
                .iter()
                .inspect(|subtype| otherwise::tell_negation(reading, "subtype", subtype))
                .map(|subtype| fold(&subtype.value))
                .collect()
        }),
        properties: properties(reading, &fields),
        owner_none: is_owner_none(reading, &fields, customer),
    };
    draft.subscriptions = fields.get("subscriptions").map(|node| {
        let names = reading.texts(node, "a group of subscriptions, or an id");
        limit(reading, node, names.len(), "subscriptions");
        names
    });
    draft.read_impact(reading, &fields, scope.catalogue);
    draft.place = node.place;
    draft.places = fields.iter().map(|(key, place, _)| (key.to_owned(), place)).collect();
    Some(draft)
}

/// The keys of `lasted`.
const LASTED: Keys = Keys {
    of: "`lasted`",
    known: &["at least", "at most"],
    later: &[],
    meant: &[
        ("min", "at least"),
        ("minimum", "at least"),
        ("more than", "at least"),
        ("longer than", "at least"),
        ("over", "at least"),
        ("max", "at most"),
        ("maximum", "at most"),
        ("less than", "at most"),
        ("shorter than", "at most"),
        ("under", "at most"),
    ],
    takes_own: false,
};

/// The longest impact that a condition may speak of, seconds.
pub(super) const LASTED_MOST: u64 = 366 * 24 * 60 * 60;

/// How long impact must have lasted: `{ at least: 2h, at most: 1d }`.
pub(super) fn read_lasted(reading: &Reading<'_>, node: &Node) -> Option<Lasted> {
    let fields = reading.fields(node, &LASTED)?;
    let length = |key: &str| {
        let seconds = reading.seconds(fields.get(key)?, &format!("`{key}`"), LASTED_MOST)?;
        i64::try_from(seconds).ok().map(chrono::Duration::seconds)
    };
    let lasted = Lasted {
        at_least: length("at least"),
        at_most: length("at most"),
    };
    let hint = Some("lasted: { at least: 2h }");
    if fields.is_empty() {
        reading.error(node.place, "`lasted` says neither `at least` nor `at most`", hint);
    }
    if let (Some(least), Some(most)) = (lasted.at_least, lasted.at_most)
        && least > most
    {
        let place = fields.place_of("at most").unwrap_or(node.place);
        reading.error(place, "nothing lasts at least longer than it lasts at most", hint);
    }
    Some(lasted)
}

impl DraftCondition {
    fn patterns(&mut self, reading: &Reading<'_>, fields: &Fields<'_>, key: &str) -> Option<Vec<Pattern>> {
        let node = fields.get(key)?;
        self.patterns.extend(reading.texts(node, "a pattern"));
        Some(patterns(reading, node, key))
    }

    /// `impact`, or its short form `service` and `region`.
    fn read_impact(&mut self, reading: &Reading<'_>, fields: &Fields<'_>, catalogue: &Catalogue) {
        let short = fields.place_of("service").or(fields.place_of("region"));
        let Some(node) = fields.get("impact") else {
            if short.is_some() {
                self.condition.impact = Some(vec![self.read_pair(reading, fields, catalogue)]);
            }
            return;
        };
        if let Some(place) = short {
            let hint = "put it into the pairs: impact: [{ service: Storage, region: East US }]";
            reading.error(place, "`service` and `region` do not stand beside `impact`", Some(hint));
        }
        let items = reading.items(node);
        limit(reading, node, items.len(), "pairs");
        if items.is_empty() {
            reading.error(
                node.place,
                "`impact` has no pairs",
                Some("[{ service: Storage, region: East US }]"),
            );
        }
        let pairs = items.into_iter().filter_map(|item| {
            let pair = reading.fields(item, &PAIR)?;
            if pair.is_empty() {
                if matches!(&item.value, Value::Map(keys) if keys.is_empty()) {
                    reading.error(item.place, "a pair names a `service`, a `region` or both", None);
                }
                return None;
            }
            Some(self.read_pair(reading, &pair, catalogue))
        });
        self.condition.impact = Some(pairs.collect());
    }

    fn read_pair(&mut self, reading: &Reading<'_>, fields: &Fields<'_>, catalogue: &Catalogue) -> ImpactPattern {
        let named = |key: &str| {
            let node = fields.get(key)?;
            let names = reading.texts(node, &format!("the name of a {key}"));
            limit(reading, node, names.len(), "names");
            names
                .iter()
                .for_each(|name| refuse_what_is_no_name(reading, name, key, catalogue));
            Some(names)
        };
        let (services, regions) = (named("service"), named("region"));
        let keys = services.as_ref().map(|names| {
            names
                .iter()
                .map(|name| catalogue.service_key(name.value.trim(), Some(name.value.trim())))
                .collect()
        });
        let folded = regions
            .as_ref()
            .map(|names| names.iter().map(|name| fold(&name.value)).collect());
        let written = ImpactPattern::written(services.as_deref(), regions.as_deref());
        self.services.extend(services.unwrap_or_default());
        self.regions.extend(regions.unwrap_or_default());
        ImpactPattern {
            services: keys,
            regions: folded,
            written,
        }
    }
}

/// Names of services and regions are open, but some texts are surely none: negations, and several names in one.
fn refuse_what_is_no_name(reading: &Reading<'_>, name: &Marked<String>, key: &str, catalogue: &Catalogue) {
    let is_known = |name: &str| match key {
        "service" => catalogue.knows_service(name),
        _ => catalogue.knows_region(name),
    };
    let text = name.value.trim();
    if let Some(left_out) = negation::minus(text).filter(|left_out| is_known(left_out)) {
        let what = format!("`{text}` is read as `{left_out}`: a minus means nothing here");
        return reading.error(name.place, &what, Some(&negation::hint(key, left_out)));
    }
    if is_known(text) {
        return;
    }
    let refuse = |hint: &str| reading.error(name.place, &format!("`{text}` is the name of no {key}"), Some(hint));
    if let Some(left_out) = negation::negated(text) {
        return refuse(&negation::hint(key, left_out));
    }
    let parts: Vec<&str> = text.split([',', ';', '|', '/', '&', '+']).map(str::trim).collect();
    let by_and: Vec<&str> = text.split(" and ").map(str::trim).collect();
    if let Some(parts) = [parts, by_and]
        .into_iter()
        .find(|parts| parts.len() > 1 && parts.iter().all(|one| is_known(one)))
    {
        return refuse(&format!("several are a list: [{}]", parts.join(", ")));
    }
    if let Some(hint) = comment_in(text, is_known) {
        return refuse(&hint);
    }
    if text.contains('*') {
        let hint = "there are no patterns for it: name each one, or leave the key out for any";
        refuse(if text == "*" {
            "leave the key out: any will do"
        } else {
            hint
        });
    }
}

impl ImpactPattern {
    fn written(services: Option<&[Marked<String>]>, regions: Option<&[Marked<String>]>) -> String {
        let names = |names: &[Marked<String>]| super::super::why::either(names.iter().map(|name| &name.value));
        let service = services.map_or("anything".to_owned(), names);
        match regions {
            Some(regions) => format!("{service} in {}", names(regions)),
            None => service,
        }
    }
}

/// The words of a closed vocabulary.
fn words<T: Copy + std::fmt::Display>(
    reading: &Reading<'_>,
    fields: &Fields<'_>,
    key: &str,
    read: fn(&str) -> Option<T>,
    all: &[T],
) -> Option<Vec<T>> {
    let node = fields.get(key)?;
    let words = reading.texts(node, key);
    Some(
        words
            .iter()
            .filter_map(|word| read_word(reading, word, key, read, all))
            .collect(),
    )
}

/// One word of a closed vocabulary, or a problem that names the closest.
pub(super) fn read_word<T: Copy + std::fmt::Display>(
    reading: &Reading<'_>,
    word: &Marked<String>,
    key: &str,
    read: fn(&str) -> Option<T>,
    all: &[T],
) -> Option<T> {
    let found = read(&word.value);
    if let Some(left_out) = negation::minus(&word.value).filter(|_| found.is_some()) {
        let what = format!("`{}` is read as `{left_out}`: a minus means nothing here", word.value);
        reading.error(word.place, &what, Some(&negation::hint(key, left_out)));
    }
    if found.is_none() {
        let known: Vec<_> = all.iter().map(T::to_string).collect();
        let hint = hint_for_word(&word.value, key, &known, |word| read(word).is_some());
        reading.error(word.place, &format!("`{}` is no {key}", word.value), Some(&hint));
    }
    found
}

/// What to type instead of a word that a vocabulary does not have.
fn hint_for_word(word: &str, key: &str, known: &[String], is_known: impl Fn(&str) -> bool) -> String {
    if let Some(left_out) = negation::negated(word) {
        return negation::hint(key, left_out);
    }
    if let Some(hint) = comment_in(word, &is_known) {
        return hint;
    }
    let parts: Vec<&str> = word.split([',', ';', '|', '/']).map(str::trim).collect();
    if parts.len() > 1 && parts.iter().any(|part| is_known(part)) {
        return format!("several values are a list: [{}]", parts.join(", "));
    }
    if word.starts_with(['>', '<', '=']) || word.ends_with('+') {
        return format!("name each value in a list: [{}]", known.join(", "));
    }
    meant(word, known.iter().map(String::as_str)).unwrap_or_else(|| format!("one of {}", known.join(", ")))
}

fn patterns(reading: &Reading<'_>, node: &Node, key: &str) -> Vec<Pattern> {
    let texts = reading.texts(node, "a pattern");
    limit(reading, node, texts.len(), "patterns");
    let patterns = texts
        .iter()
        .take(MAX_VALUES)
        .filter_map(|text| match Pattern::read(&text.value) {
            Ok(pattern) => {
                otherwise::tell(reading, key, text);
                Some(pattern)
            }
            Err(error) => {
                reading.error(text.place, &error.what, error.hint);
                None
            }
        });
    patterns.collect()
}

fn properties(reading: &Reading<'_>, fields: &Fields<'_>) -> BTreeMap<String, Vec<Pattern>> {
    let table = fields
        .get("properties")
        .and_then(|node| reading.named(node, "`properties`"));
    let table = table.iter().flat_map(Fields::iter);
    table
        .map(|(key, _, node)| (key.to_owned(), patterns(reading, node, "properties")))
        .collect()
}

fn is_owner_none(reading: &Reading<'_>, fields: &Fields<'_>, customer: &CustomerId) -> bool {
    let Some(node) = fields.get("owner") else { return false };
    if !customer.is_operator() {
        let what = "`owner` is for the operator's own rules";
        reading.error(node.place, what, Some("it belongs into rules/_operator/"));
        return false;
    }
    match reading.text(node, "`owner`").as_deref().map(fold).as_deref() {
        Some("none") => return true,
        Some(_) => reading.error(node.place, "`owner` is `none`: what nobody owns", None),
        None => {}
    }
    false
}
