//! What a notice says is impacted: services in regions.
//!
//! `impactedServices` names them all. The notice's `service` and `region` name, in Azure's own words, only one of the
//! impacted, so they count only for what `impactedServices` does not say: where it is missing, empty or cannot be read, and
//! for a service that it names without any region.

use std::sync::Arc;

use super::super::allowance::Allowance;
use super::super::draft::Pair;
use super::super::html;
use super::super::json::{self, Fault, Node, Sort, Value};
use super::super::note::Notes;
use super::words::{account, name, value};

/// How often a JSON text may hold another one as its only value.
const TEXTS_IN_TEXTS_MOST: usize = 2;

/// How many names `service` and `region` may hold each; the rest is left out, with a note.
const NAMES_MOST: usize = 500;

/// The field that names all of the impacted.
const FIELD: &str = "impactedServices";

/// What is impacted by a notice.
///
/// # Errors
/// When it is more than is taken.
pub(super) fn of_notice<'a>(
    properties: &Node,
    allowance: &'a Allowance,
    notes: &mut Notes,
) -> Result<Impacted<'a>, Fault> {
    let mut impacted = Impacted::new(allowance);
    let of_notice = OfNotice {
        services: names(properties, "service", notes),
        regions: names(properties, "region", notes),
    };
    if let Some(member) = properties.get(FIELD) {
        listed(member, &of_notice, &mut impacted, notes)?;
    }
    impacted.otherwise(properties, of_notice)?;
    Ok(impacted)
}

/// What a notice itself names.
struct OfNotice {
    services: Vec<String>,
    regions: Vec<String>,
}

/// The names under a key, between commas, semicolons, bars and line ends, or in a list that is written as a text.
fn names(node: &Node, key: &'static str, notes: &mut Notes) -> Vec<String> {
    let Some(text) = super::words::text(node, key, notes) else {
        return Vec::new();
    };
    let listed = text
        .trim_start()
        .starts_with('[')
        .then(|| json::parse(&text).ok())
        .flatten();
    let listed = listed.as_ref().and_then(|document| document.root.list());
    let texts: Vec<&str> = match listed.filter(|items| items.iter().any(|item| item.text().is_some())) {
        Some(items) => items.iter().filter_map(Node::text).collect(),
        None => text.split([',', ';', '|', '\n']).collect(),
    };
    let mut names: Vec<String> = Vec::new();
    for name in texts.into_iter().map(html::one_line).filter(|name| !name.is_empty()) {
        if names.len() == NAMES_MOST {
            notes.add(
                key,
                format!("there are more than {NAMES_MOST} names; the others are left out"),
            );
            break;
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Reads `impactedServices`: a JSON text in webhooks, a real list in the common schema's test.
fn listed(member: &Node, of_notice: &OfNotice, impacted: &mut Impacted<'_>, notes: &mut Notes) -> Result<(), Fault> {
    match &member.value {
        Value::Text(text) if text.trim().is_empty() => Ok(()),
        Value::Text(text) => match unpacked(text, notes) {
            Ok(list) => services(&list, of_notice, impacted, notes).map_err(|fault| in_text(member, fault)),
            Err(fault) if fault.sort == Sort::TooMuch => Err(in_text(member, fault)),
            Err(fault) => {
                let what = format!(
                    "the JSON in this text is broken at its byte {}, and counts as not said: {}",
                    fault.at, fault.what
                );
                notes.add(FIELD, what);
                Ok(())
            }
        },
        _ => services(member, of_notice, impacted, notes),
    }
}

/// The value in a JSON text, also where that is such a text again.
fn unpacked(text: &str, notes: &mut Notes) -> Result<Node, Fault> {
    let mut inside = |text: &str| {
        let document = json::parse(text)?;
        notes.oddities(FIELD, &document.oddities);
        Ok(document.root)
    };
    let mut node = inside(text)?;
    for _ in 1..TEXTS_IN_TEXTS_MOST {
        let Some(inner) = node.text().filter(|inner| inner.trim_start().starts_with(['[', '{'])) else {
            break;
        };
        node = inside(inner)?;
    }
    Ok(node)
}

fn services(list: &Node, of_notice: &OfNotice, impacted: &mut Impacted<'_>, notes: &mut Notes) -> Result<(), Fault> {
    let items = match &list.value {
        Value::List(items) => items.as_slice(),
        Value::Object(members) if members.is_empty() => &[],
        Value::Object(_) => std::slice::from_ref(list),
        Value::Null | Value::Text(_) | Value::Bool(_) | Value::Number(_) => {
            notes.add(FIELD, "this is no list of services, and counts as not said");
            &[]
        }
    };
    items
        .iter()
        .try_for_each(|item| service(item, of_notice, impacted, notes))
}

/// Reads one service with its regions; without regions, or without a service, those of the notice are meant.
fn service(item: &Node, of_notice: &OfNotice, impacted: &mut Impacted<'_>, notes: &mut Notes) -> Result<(), Fault> {
    let plain = item.text().map(html::one_line).filter(|name| !name.is_empty());
    let named = plain.or_else(|| {
        ["ServiceName", "Name", "Service"]
            .iter()
            .find_map(|key| name(item, key))
    });
    let service_id = value(item, "ServiceGuid").and_then(|id| account(&id));
    let own = own_regions(item, notes);
    if named.is_none() && own.is_empty() {
        if item.value != Value::Null {
            notes.add(
                FIELD,
                "an element names neither a service nor a region, and is left out",
            );
        }
        return Ok(());
    }
    let regions = if own.is_empty() { of_notice.regions.clone() } else { own };
    if let Some(named) = named {
        return impacted.service(item, &named, service_id, regions.into_iter());
    }
    notes.add(FIELD, "an element names regions and no service");
    match of_notice.services.as_slice() {
        [] => impacted.service(item, "", service_id, regions.into_iter()),
        [one] => impacted.service(item, one, service_id, regions.into_iter()),
        several => several
            .iter()
            .try_for_each(|service| impacted.service(item, service, None, regions.iter().cloned())),
    }
}

fn own_regions(item: &Node, notes: &mut Notes) -> Vec<String> {
    let Some(member) = item.get("ImpactedRegions").or_else(|| item.get("Regions")) else {
        return Vec::new();
    };
    match &member.value {
        Value::List(items) => items.iter().filter_map(region).collect(),
        Value::Object(_) => region(member).into_iter().collect(),
        Value::Text(text) => text
            .split([',', ';'])
            .map(html::one_line)
            .filter(|name| !name.is_empty())
            .collect(),
        Value::Null => Vec::new(),
        Value::Bool(_) | Value::Number(_) => {
            notes.add(FIELD, "the regions of a service are no list, and count as not said");
            Vec::new()
        }
    }
}

fn region(node: &Node) -> Option<String> {
    let plain = node.text().map(html::one_line).filter(|name| !name.is_empty());
    plain
        .or_else(|| name(node, "RegionName"))
        .or_else(|| name(node, "RegionId"))
        .or_else(|| name(node, "Name"))
}

/// The impacted pairs of one event, counted as they are read.
pub(super) struct Impacted<'a> {
    /// The pairs, in the provider's order.
    pub pairs: Vec<Pair>,
    /// What an event takes for them, bytes.
    pub bytes: usize,
    allowance: &'a Allowance,
}

impl<'a> Impacted<'a> {
    /// None so far.
    pub fn new(allowance: &'a Allowance) -> Self {
        Self {
            pairs: Vec::new(),
            bytes: 0,
            allowance,
        }
    }

    /// One more, which stands at byte `at`.
    ///
    /// # Errors
    /// When an event cannot name so many.
    pub fn add(&mut self, at: usize, mut pair: Pair) -> Result<(), Fault> {
        pair.region = pair.region.map(without_group);
        self.bytes = self.bytes.saturating_add(pair.bytes());
        self.pairs.push(pair);
        self.allowance.one_event(at, self.bytes)
    }

    /// A service in all of these regions, or in none that is named.
    ///
    /// # Errors
    /// As [`Impacted::add`].
    pub fn service(
        &mut self,
        node: &Node,
        service: &str,
        service_id: Option<String>,
        regions: impl Iterator<Item = String>,
    ) -> Result<(), Fault> {
        let (service, service_id): (Arc<str>, Option<Arc<str>>) = (service.into(), service_id.map(Into::into));
        let pair = |region| Pair {
            service: service.clone(),
            service_id: service_id.clone(),
            region,
            accounts: Vec::new(),
        };
        let before = self.pairs.len();
        for region in regions {
            self.add(node.at, pair(Some(region)))?;
        }
        match self.pairs.len() == before {
            true => self.add(node.at, pair(None)),
            false => Ok(()),
        }
    }

    /// Where nothing was named so far: the notice's own service in these regions; one of the two alone is better than
    /// nothing.
    ///
    /// # Errors
    /// As [`Impacted::add`].
    fn otherwise(&mut self, notice: &Node, of_notice: OfNotice) -> Result<(), Fault> {
        if !self.pairs.is_empty() {
            return Ok(());
        }
        let OfNotice { mut services, regions } = of_notice;
        if services.is_empty() && !regions.is_empty() {
            services.push(String::new());
        }
        services
            .iter()
            .try_for_each(|service| self.service(notice, service, None, regions.iter().cloned()))
    }

    /// The same with the notice's own regions.
    ///
    /// # Errors
    /// As [`Impacted::add`].
    pub fn otherwise_by_notice(&mut self, notice: &Node, notes: &mut Notes) -> Result<(), Fault> {
        let of_notice = OfNotice {
            services: names(notice, "service", notes),
            regions: names(notice, "region", notes),
        };
        self.otherwise(notice, of_notice)
    }
}

/// A region without the group that the portal's lists show before it (`(US) East US`).
fn without_group(region: String) -> String {
    let bare = region.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    match bare.map(|(_, name)| name.trim()).filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => region,
    }
}

/// A fault in the JSON that a string holds, told by the byte inside the string.
fn in_text(member: &Node, fault: Fault) -> Fault {
    let what = format!(
        "the JSON in this text is broken at its byte {}: {}",
        fault.at, fault.what
    );
    Fault {
        inside: Some(fault.at),
        hint: fault.hint,
        sort: fault.sort,
        ..Fault::new(member.at, what)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Arrival;
    use super::super::super::allowance::Stop;
    use super::*;

    /// The pairs as `service@region`, and how many notes there are.
    fn pairs(properties: &str) -> (Vec<String>, Vec<String>) {
        let node = json::parse(properties).expect("JSON").root;
        let allowance = Allowance::new(Arrival::Live, Stop::default());
        let mut notes = Notes::default();
        let impacted = of_notice(&node, &allowance, &mut notes).expect("is read");
        let pair = |pair: &Pair| format!("{}@{}", pair.service, pair.region.as_deref().unwrap_or("-"));
        let notes = notes.into_vec().into_iter().map(|note| note.what);
        (impacted.pairs.iter().map(pair).collect(), notes.collect())
    }

    #[test]
    fn service_and_region_count_where_impacted_services_says_nothing() {
        for impacted in [
            "",
            r#","impactedServices": """#,
            r#","impactedServices": "[]""#,
            r#","impactedServices": []"#,
            r#","impactedServices": null"#,
        ] {
            let (found, notes) = pairs(&format!(r#"{{"service": "Storage", "region": "East US"{impacted}}}"#));
            assert_eq!(
                (found, notes.len()),
                (vec!["Storage@East US".to_owned()], 0),
                "{impacted}"
            );
        }
        assert_eq!(pairs(r#"{"region": "eastus"}"#).0, ["@eastus"]);
        let grouped = r#"{"service": "Storage", "region": "(US) East US; (Europe) West Europe, (US)"}"#;
        assert_eq!(
            pairs(grouped).0,
            ["Storage@East US", "Storage@West Europe", "Storage@(US)"]
        );
        assert_eq!(pairs(r#"{"service": "Storage"}"#).0, ["Storage@-"]);
        assert!(pairs("{}").0.is_empty());
    }

    #[test]
    fn several_names_stand_between_commas_semicolons_or_in_a_list() {
        let both = ["A@x", "A@y", "B@x", "B@y"];
        assert_eq!(pairs(r#"{"service": "A, B", "region": "x;y"}"#).0, both);
        assert_eq!(pairs(r#"{"service": ["A", "B"], "region": "x , ; y,x"}"#).0, both);
        assert_eq!(pairs(r#"{"service": "A|B", "region": "x\ny"}"#).0, both);
        assert_eq!(
            pairs(r#"{"service": "[\"A\",\"B\"]", "region": "[ \"x\", \"y\" ]"}"#).0,
            both
        );
        assert_eq!(pairs(r#"{"service": "[A] one"}"#).0, ["[A] one@-"]);
        let nameless =
            r#"{"service": "A", "region": "z", "impactedServices": [{"ServiceName": null, "ImpactedRegions": ["x"]}]}"#;
        assert_eq!(pairs(nameless).0, ["A@x"]);
        let many: Vec<String> = (0..600).map(|nth| format!("r{nth}")).collect();
        let (found, notes) = pairs(&format!(r#"{{"region": "{}"}}"#, many.join(",")));
        assert_eq!((found.len(), notes.len()), (NAMES_MOST, 1));
    }

    #[test]
    fn service_and_region_name_only_one_and_add_nothing_to_what_names_all() {
        let listed = r#"[{"ServiceName":"A","ImpactedRegions":[{"RegionName":"x"},{"RegionName":"y"}]}]"#;
        let body = format!(r#"{{"service": "B", "region": "z", "impactedServices": {listed}}}"#);
        assert_eq!(pairs(&body).0, ["A@x", "A@y"]);
    }

    #[test]
    fn a_service_without_regions_is_impacted_in_those_of_the_notice() {
        for item in [
            r#"{"ServiceName":"A"}"#,
            r#"{"ServiceName":"A","ImpactedRegions":[]}"#,
            r#"{"ServiceName":"A","ImpactedRegions":null}"#,
            r#""A""#,
        ] {
            let body = format!(
                r#"{{"service": "C", "region": "x", "impactedServices": [{item}, {{"ServiceName":"B","ImpactedRegions":["y"]}}]}}"#
            );
            assert_eq!(pairs(&body).0, ["A@x", "B@y"], "{item}");
        }
        assert_eq!(pairs(r#"{"impactedServices": [{"ServiceName":"A"}]}"#).0, ["A@-"]);
    }

    #[test]
    fn what_can_be_understood_is_in_whatever_form_it_comes() {
        for impacted in [
            r#"[{"ServiceName":"A","ImpactedRegions":[{"RegionName":"x"}]}]"#,
            r#"{"ServiceName":"A","ImpactedRegions":{"RegionName":"x"}}"#,
            r#""[{\"ServiceName\":\"A\",\"ImpactedRegions\":[{\"RegionName\":\"x\"}]}]""#,
            r#""\"[{\\\"ServiceName\\\":\\\"A\\\",\\\"ImpactedRegions\\\":\\\"x\\\"}]\"""#,
            r#"[{"serviceName":"A","impactedRegions":["x"]}]"#,
            r#"[{"Name":"A","Regions":["x"]}, null]"#,
        ] {
            let (found, notes) = pairs(&format!(
                r#"{{"service": "S", "region": "R", "impactedServices": {impacted}}}"#
            ));
            assert_eq!((found, notes), (vec!["A@x".to_owned()], vec![]), "{impacted}");
        }
    }

    #[test]
    fn an_unreadable_form_counts_as_absent_with_a_note() {
        for impacted in [
            r#""null""#,
            r#""oops""#,
            r#""[{""#,
            r#""17""#,
            "17",
            "true",
            r#"[{}]"#,
            r#"[17]"#,
            r#""[{\"ServiceName\":oops}]""#,
            r#"[{"ImpactedRegions":[{}]}]"#,
        ] {
            let (found, notes) = pairs(&format!(
                r#"{{"service": "S", "region": "R", "impactedServices": {impacted}}}"#
            ));
            assert_eq!(found, ["S@R"], "{impacted}");
            assert_eq!(notes.len(), 1, "{impacted}: {notes:?}");
        }
        let (found, notes) = pairs(
            r#"{"service": "S", "impactedServices": [{"ImpactedRegions":["x"]}, {"ServiceName":"A","ImpactedRegions":["y"]}, 17]}"#,
        );
        assert_eq!(
            (found, notes.len()),
            (vec!["S@x".to_owned(), "A@y".to_owned()], 2),
            "what is good is kept"
        );
    }
}
