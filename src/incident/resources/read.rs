//! Reading lists of impacted resources: our own form, Azure's REST answer (`impactedResources`) and rows of Azure Resource
//! Graph (`ServiceHealthResources`), all told apart by what is in them. Every problem has its place.
//!
//! Our own form is read strictly. What Azure sends may have more keys than are known here: they are passed over.

use std::collections::BTreeMap;

use super::{ID_BYTES_MOST, Resource, TEXT_CHARS_MOST, TOGETHER_MOST, resource_key, subscription_of};
use crate::customer::account::account_id;
use crate::problem::Place;
use crate::problem::examine::Texts;
use crate::problem::fields::{Fields, Keys, Reading};
use crate::problem::meant::{meant, same};
use crate::problem::yaml::{self, Node, Value};

/// The type of the rows that Azure lists.
const ROW_TYPE: &str = "microsoft.resourcehealth/events/impactedresources";

/// What a list looks like.
const SHAPE: &str = "{\"resources\": [{\"id\": …, \"type\": …, \"name\": …, \"account\": …, \"region\": …, \"impact\": \
                     \"confirmed\"}]}, or Azure's own answer";

const FILE: Keys = Keys {
    of: "a list of impacted resources",
    known: &["resources", "complete"],
    later: &[],
    meant: &[("resource", "resources"), ("impacted resources", "resources")],
    takes_own: true,
};

const RESOURCE: Keys = Keys {
    of: "an impacted resource",
    known: &["id", "type", "name", "account", "region", "impact"],
    later: &[],
    meant: &[
        ("resource", "id"),
        ("resource id", "id"),
        ("kind", "type"),
        ("subscription", "account"),
        ("location", "region"),
        ("impact type", "impact"),
        ("confirmed", "impact"),
    ],
    takes_own: true,
};

const TEXTS: Texts = Texts {
    free: &["name", "resourceName", "info"],
    loose: &["region", "targetRegion"],
    only_told: false,
};

/// A list as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Each once, in the order of their keys.
    pub resources: Vec<Resource>,
    /// Whether it is all of them: an answer of Azure that has a next page is not.
    pub is_complete: bool,
}

/// Reads a list for the incident of this tracking id, with resources of accounts that may be named; `None` if there are
/// errors, which `reading` then holds.
pub fn read_list(reading: &Reading<'_>, tracking_id: &str, may_name: &dyn Fn(&str) -> bool) -> Option<List> {
    let tree = reading.tree_within(TEXTS, yaml::BY_PROGRAMS)?;
    let reader = Reader {
        reading,
        tracking_id,
        may_name,
    };
    let list = reader.list(&tree);
    list.filter(|_| !reading.has_errors())
}

/// Which part of a JSON body a place is in (`resources[3].id`); empty if it is none in particular.
pub fn field_at(text: &str, line: usize, column: usize) -> String {
    let tree = yaml::parse_within(text, yaml::BY_PROGRAMS).ok();
    tree.and_then(|tree| path_to(&tree, (line, column), String::new()))
        .unwrap_or_default()
}

fn path_to(node: &Node, at: (usize, usize), path: String) -> Option<String> {
    let is_at = |place: Place| (place.line, place.column) == at;
    let inside = match &node.value {
        Value::Map(items) => items.iter().find_map(|(key, value)| {
            let Value::Text(name) = &key.value else { return None };
            let dot = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{dot}{name}");
            match is_at(key.place) {
                true => Some(path),
                false => path_to(value, at, path),
            }
        }),
        Value::List(items) => items
            .iter()
            .enumerate()
            .find_map(|(nth, item)| path_to(item, at, format!("{path}[{nth}]"))),
        _ => None,
    };
    inside.or_else(|| is_at(node.place).then_some(path))
}

struct Reader<'r, 't> {
    reading: &'r Reading<'t>,
    tracking_id: &'r str,
    may_name: &'r dyn Fn(&str) -> bool,
}

impl Reader<'_, '_> {
    fn list(&self, tree: &Node) -> Option<List> {
        let (rows, is_complete) = match &tree.value {
            Value::List(items) => (&items[..], true),
            Value::Map(_) => self.rows_of(tree)?,
            Value::Nothing => return self.refuse(tree.place, "this names no resources", Some(SHAPE)),
            _ => {
                let what = format!("a list of impacted resources is expected, not {}", tree.sort());
                return self.refuse(tree.place, &what, Some(SHAPE));
            }
        };
        if rows.len() > TOGETHER_MOST {
            let what = format!(
                "{} resources are more than the {TOGETHER_MOST} that are taken together",
                rows.len()
            );
            let hint = format!("hand them in by parts of at most {TOGETHER_MOST}");
            return self.refuse(tree.place, &what, Some(&hint));
        }
        let mut by_key: BTreeMap<String, Resource> = BTreeMap::new();
        for row in rows {
            let Some(resource) = self.resource(row) else { continue };
            let confirmed = resource.confirmed;
            let known = by_key.entry(resource.key()).or_insert(resource);
            // one that is named twice is confirmed if either says so
            known.confirmed |= confirmed;
        }
        Some(List {
            resources: by_key.into_values().collect(),
            is_complete,
        })
    }

    fn refuse<T>(&self, place: Place, what: &str, hint: Option<&str>) -> Option<T> {
        self.reading.error(place, what, hint);
        None
    }

    /// The rows of an answer, and whether they are all.
    fn rows_of<'n>(&self, tree: &'n Node) -> Option<(&'n [Node], bool)> {
        let fields = self.reading.named(tree, "a list of impacted resources")?;
        if fields.get("value").is_some() {
            return Some((self.items(&fields, "value")?, !is_said(&fields, "nextLink")));
        }
        if let Some(data) = fields.get("data") {
            if let Value::Map(_) = data.value {
                let hint = "ask for objects: `\"options\": { \"resultFormat\": \"objectArray\" }`, which `az graph query` does";
                return self.refuse(data.place, "these rows are a table of columns", Some(hint));
            }
            let is_cut = ["skipToken", "skip_token", "$skipToken"];
            let is_cut = is_cut.iter().any(|key| is_said(&fields, key)) || is_truncated(&fields);
            return Some((self.items(&fields, "data")?, !is_cut));
        }
        let fields = self.reading.fields(tree, &FILE)?;
        if fields.get("resources").is_none() {
            let what = "this is no list of impacted resources";
            return self.refuse(tree.place, what, Some(SHAPE));
        }
        let is_complete = match fields.get("complete") {
            Some(node) => self.reading.flag(node, "`complete`")?,
            None => true,
        };
        Some((self.items(&fields, "resources")?, is_complete))
    }

    fn items<'n>(&self, fields: &Fields<'n>, key: &str) -> Option<&'n [Node]> {
        let node = fields.get(key)?;
        match &node.value {
            Value::List(items) => Some(items),
            _ => {
                let what = format!("`{key}` is a list, not {}", node.sort());
                self.refuse(node.place, &what, Some(SHAPE))
            }
        }
    }

    fn resource(&self, node: &Node) -> Option<Resource> {
        let fields = self.reading.named(node, "an impacted resource")?;
        let is_azure = ["properties", "details", "targetResourceId"];
        match is_azure.iter().any(|key| fields.get(key).is_some()) {
            true => self.azure(&fields),
            false => self.own(node),
        }
    }

    fn own(&self, node: &Node) -> Option<Resource> {
        let had_errors = self.reading.has_errors();
        let fields = self.reading.fields(node, &RESOURCE)?;
        if !had_errors && self.reading.has_errors() {
            // a key that is mistyped is missing, too: it is told once
            return None;
        }
        let Some(id) = given(&fields, "id") else {
            let hint = "`id`: the provider's id of it, or its name";
            return self.refuse(fields.place, "this resource has no `id`", Some(hint));
        };
        let confirmed = match given(&fields, "impact") {
            Some(impact) => self.impact(impact)?,
            None => {
                let hint = "`\"impact\": \"confirmed\"`, or `\"potential\"`";
                return self.refuse(
                    fields.place,
                    "this resource does not say how sure its `impact` is",
                    Some(hint),
                );
            }
        };
        let parts = Parts {
            id: Some(id),
            kind: given(&fields, "type"),
            name: given(&fields, "name"),
            account: given(&fields, "account"),
            region: given(&fields, "region"),
        };
        self.built(fields.place, parts, confirmed)
    }

    /// A row of REST or Resource Graph; the columns of the documentation's own queries are understood, too.
    fn azure(&self, fields: &Fields<'_>) -> Option<Resource> {
        self.is_impacted_resource(fields)?;
        self.is_of_this_incident(fields)?;
        let within = given(fields, "properties").or_else(|| given(fields, "details"));
        let within = match within {
            Some(node) => Some(self.reading.named(node, "what is said of an impacted resource")?),
            None => None,
        };
        let said = |key: &str| {
            within
                .as_ref()
                .and_then(|within| given(within, key))
                .or_else(|| given(fields, key))
        };
        let Some(id) = said("targetResourceId") else {
            let hint = "leave `properties` in the query as it is";
            return self.refuse(fields.place, "this row has no `targetResourceId`", Some(hint));
        };
        // Azure names the sort of impact in its portal; where a row does not, it stands in the list of confirmed ones
        let confirmed = match said("impactType").or_else(|| said("info").and_then(impact_in)) {
            Some(node) => self.impact(node)?,
            None => true,
        };
        let parts = Parts {
            id: Some(id),
            kind: said("targetResourceType").or_else(|| said("resourceType")),
            name: said("resourceName"),
            account: given(fields, "subscriptionId"),
            region: said("targetRegion"),
        };
        self.built(fields.place, parts, confirmed)
    }

    fn is_impacted_resource(&self, fields: &Fields<'_>) -> Option<()> {
        let Some(node) = given(fields, "type") else {
            return Some(());
        };
        let kind = self.reading.text(node, "the type of a row")?;
        if kind.eq_ignore_ascii_case(ROW_TYPE) {
            return Some(());
        }
        let what = format!("this row is no impacted resource, but `{kind}`");
        let hint = format!("ServiceHealthResources | where type =~ '{ROW_TYPE}'");
        self.refuse(node.place, &what, Some(&hint))
    }

    fn is_of_this_incident(&self, fields: &Fields<'_>) -> Option<()> {
        let in_id = given(fields, "id").and_then(|node| Some((node, event_in(written(node)?)?)));
        let column = || given(fields, "TrackingId").and_then(|node| Some((node, written(node)?)));
        match in_id.or_else(column) {
            Some((node, other)) if !other.eq_ignore_ascii_case(self.tracking_id) => {
                let what = format!("this row is of the incident {other}, not of {}", self.tracking_id);
                let hint = format!("add `| where id contains '/events/{}/'` to the query", self.tracking_id);
                self.refuse(node.place, &what, Some(&hint))
            }
            _ => Some(()),
        }
    }

    fn impact(&self, node: &Node) -> Option<bool> {
        let word = match &node.value {
            Value::Text(word) => word.trim(),
            _ => "",
        };
        match () {
            () if same(word, "confirmed") => Some(true),
            () if same(word, "potential") => Some(false),
            () => {
                let what = format!("`{word}` does not say how sure an impact is");
                let hint = meant(word, ["confirmed", "potential"]).unwrap_or_else(|| "confirmed, potential".to_owned());
                self.refuse(node.place, &what, Some(&hint))
            }
        }
    }

    fn built(&self, place: Place, parts: Parts<'_>, confirmed: bool) -> Option<Resource> {
        let at = parts.id?;
        let id = self.plain(at, "the id of a resource", ID_BYTES_MOST, "bytes", str::len)?;
        let of_text = |node: Option<&Node>, what: &str| match node {
            Some(node) => self.plain(node, what, TEXT_CHARS_MOST, "characters", |text| text.chars().count()),
            None => Some(String::new()),
        };
        let (kind, name) = (of_text(parts.kind, "a type")?, of_text(parts.name, "a name")?);
        let region = of_text(parts.region, "a region")?;
        let account = self.account(place, &id, parts.account)?;
        if let Some(other) = account.as_deref().filter(|account| !(self.may_name)(account)) {
            let what = format!("the account {other} of this resource is not one of this customer's");
            let hint = "hand in each customer's resources by themselves; nothing of this list is kept";
            return self.refuse(parts.account.unwrap_or(at).place, &what, Some(hint));
        }
        Some(Resource {
            id,
            kind,
            name,
            account,
            region: Some(region).filter(|region| !region.is_empty()),
            confirmed,
        })
    }

    /// The account that is given, else the one in the id; both, if they are the same.
    fn account(&self, place: Place, id: &str, given: Option<&Node>) -> Option<Option<String>> {
        let key = resource_key(id);
        let in_id = subscription_of(&key).map(str::to_owned);
        let Some(node) = given else { return Some(in_id) };
        let said = account_id(written(node).unwrap_or_default());
        let said = match said {
            Ok(said) => said,
            Err(why) => return self.refuse(node.place, &why.what, Some(&why.hint)),
        };
        match in_id {
            Some(in_id) if in_id != said => {
                let what = format!("this resource is of the account {in_id} by its id, and of {said} by `account`");
                let place = if node.place == Place::default() {
                    place
                } else {
                    node.place
                };
                self.refuse(place, &what, Some("leave `account` out: it stands in the id"))
            }
            _ => Some(Some(said)),
        }
    }

    /// A text without controls that is not too long.
    fn plain(&self, node: &Node, what: &str, most: usize, unit: &str, length: fn(&str) -> usize) -> Option<String> {
        let text = match &node.value {
            Value::Number(written) => written.clone(),
            _ => self.reading.text(node, what)?.trim().to_owned(),
        };
        if length(&text) > most {
            let what = format!("{what} has at most {most} {unit}, this one {}", length(&text));
            return self.refuse(node.place, &what, Some("is this the right column?"));
        }
        if text.chars().any(char::is_control) {
            let what = format!("{what} has a character that controls something");
            return self.refuse(node.place, &what, Some("type it anew"));
        }
        Some(text)
    }
}

/// What a resource is made of, as it is written.
struct Parts<'n> {
    id: Option<&'n Node>,
    kind: Option<&'n Node>,
    name: Option<&'n Node>,
    account: Option<&'n Node>,
    region: Option<&'n Node>,
}

/// The value of a key, unless it says nothing.
fn given<'n>(fields: &Fields<'n>, key: &str) -> Option<&'n Node> {
    let says = |node: &&Node| match &node.value {
        Value::Nothing => false,
        Value::Text(text) => !text.trim().is_empty(),
        _ => true,
    };
    fields.get(key).filter(says)
}

fn is_said(fields: &Fields<'_>, key: &str) -> bool {
    given(fields, key).is_some()
}

/// Whether Resource Graph says that it left rows out.
fn is_truncated(fields: &Fields<'_>) -> bool {
    let said = fields.get("resultTruncated").or_else(|| fields.get("result_truncated"));
    said.is_some_and(|node| match &node.value {
        Value::Flag(is, _) => *is,
        Value::Text(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    })
}

/// A text, or a number as it is written.
fn written(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text.trim()),
        Value::Number(written) => Some(written),
        _ => None,
    }
}

/// The tracking id in the id of a row: `…/events/<tracking id>/impactedResources/…`.
fn event_in(id: &str) -> Option<&str> {
    let lower = id.to_ascii_lowercase();
    let start = lower.find("/events/")? + "/events/".len();
    let rest = &id[start..];
    rest.split('/').next().filter(|id| !id.is_empty())
}

/// The sort of impact among the further facts of a row: `info: [{ key, value }]`.
fn impact_in(info: &Node) -> Option<&Node> {
    let Value::List(items) = &info.value else { return None };
    items.iter().find_map(|item| {
        let Value::Map(pairs) = &item.value else { return None };
        let value = |name: &str| {
            let found = pairs
                .iter()
                .find(|(key, _)| written(key).is_some_and(|key| key == name));
            found.map(|(_, value)| value)
        };
        let is_impact = written(value("key")?).is_some_and(|key| same(key, "impact type"));
        value("value").filter(|_| is_impact)
    })
}
