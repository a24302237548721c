//! Reading `usage:` from YAML, with every problem at its place.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use chrono_tz::{TZ_VARIANTS, Tz};
use rust_decimal::Decimal;

use crate::customer::account::{account_id, is_account_id};
use crate::event::catalogue::Catalogue as Services;
use crate::problem::Place;
use crate::problem::examine::Texts;
use crate::problem::fields::{Fields, Keys, Reading};
use crate::problem::meant::meant;
use crate::problem::yaml::{self, Node, Value};

use super::super::money::{Currency, read_amount};
use super::super::month::{Calendar, YearMonth};
use super::super::words::{checked, day, given, is_nothing, list_of, moment, needed, provider_word, service_key, word};
use super::{Usage, ZONE, claimed_twice, resource_key, subscription_of};

/// The keys of a file with a usage in it: those of rule files are read elsewhere.
const FILE: Keys = Keys {
    of: "a file of usage",
    known: &[
        "usage",
        "terms",
        "customer",
        "subscriptions",
        "receivers",
        "rules",
        "tests",
        "hours",
        "inventory",
    ],
    later: &[],
    meant: &[
        ("uses", "usage"),
        ("resources", "usage"),
        ("services", "usage"),
        ("fees", "usage"),
    ],
    takes_own: true,
};

/// The keys of one entry.
const USAGE: Keys = Keys {
    of: "a usage",
    known: &[
        "customer",
        "provider",
        "service",
        "tier",
        "region",
        "subscription",
        "resource",
        "fee",
        "fees",
        "currency",
        "billing day",
        "zone",
        "deployed",
        "removed",
        "renewed",
        "free",
        "preview",
    ],
    later: &[],
    meant: &[
        ("account", "subscription"),
        ("subscriptions", "subscription"),
        ("project", "subscription"),
        ("subscription id", "subscription"),
        ("resources", "resource"),
        ("resource id", "resource"),
        ("name", "resource, service"),
        ("location", "region"),
        ("regions", "region"),
        ("sku", "tier"),
        ("plan", "tier"),
        ("price", "fee"),
        ("cost", "fee"),
        ("costs", "fees"),
        ("amount", "fee"),
        ("monthly fee", "fee"),
        ("day", "billing day"),
        ("timezone", "zone"),
        ("time zone", "zone"),
        ("tz", "zone"),
        ("created", "deployed"),
        ("started", "deployed"),
        ("since", "deployed"),
        ("deleted", "removed"),
        ("until", "removed"),
        ("renewal", "renewed"),
    ],
    takes_own: true,
};

/// Where a character that nobody sees does which harm.
const TEXTS: Texts = Texts {
    free: &[
        "title",
        "text",
        "tracking id",
        "properties",
        "evidence",
        "source",
        "receivers",
        "rules",
        "tests",
    ],
    loose: &["provider", "service", "tier", "region", "currency", "zone"],
    only_told: false,
};

/// How an entry is written.
const EXAMPLE: &str =
    "- { provider: azure, service: Virtual Machines, resource: vm-1, fee: \"100.00\", currency: EUR }";

/// What else of a file matters for its usage.
pub struct Beside<'s> {
    /// Whose entries are that name no customer.
    pub customer: &'s str,
    /// The names of services.
    pub services: &'s Services,
    /// Whether there is a provider of this word.
    pub knows_provider: &'s dyn Fn(&str) -> Result<(), String>,
}

struct Reader<'r, 't> {
    reading: &'r Reading<'t>,
    beside: &'r Beside<'r>,
    customer: String,
    /// The accounts of each group of this file.
    groups: HashMap<String, Vec<String>>,
    /// Whether it is a rule file, whose accounts are those of real events.
    is_rule_file: bool,
}

/// Reads a file with `usage:` in it; also gives the node of its own `terms:`, if it has any.
pub fn read_usage(reading: &Reading<'_>, beside: &Beside<'_>) -> (Vec<Usage>, Option<Node>) {
    let Some(tree) = reading.tree_within(TEXTS, yaml::BY_PROGRAMS) else {
        return (Vec::new(), None);
    };
    if let Value::Nothing = tree.value {
        let hint = format!("`usage:` and below it `{EXAMPLE}`");
        reading.error(tree.place, "this file is empty", Some(&hint));
        return (Vec::new(), None);
    }
    let Some(fields) = reading.fields(&tree, &FILE) else {
        return (Vec::new(), None);
    };
    let customer = given(&fields, "customer").and_then(|node| word(reading, node, "the customer"));
    let reader = Reader {
        reading,
        beside,
        customer: customer.unwrap_or_else(|| beside.customer.to_owned()),
        groups: groups(&fields),
        is_rule_file: false,
    };
    let Some(node) = needed(reading, &fields, &FILE, "usage", EXAMPLE) else {
        return (Vec::new(), None);
    };
    (reader.all(node), given(&fields, "terms").cloned())
}

/// Reads `usage:` of a rule file, whose other keys are read elsewhere; the folder says whose it is.
pub fn read_usage_among(reading: &Reading<'_>, fields: &Fields<'_>, beside: &Beside<'_>) -> Vec<Usage> {
    let Some(node) = given(fields, "usage") else {
        return Vec::new();
    };
    let reader = Reader {
        reading,
        beside,
        customer: beside.customer.to_owned(),
        groups: groups(fields),
        is_rule_file: true,
    };
    let mut usages = reader.all(node);
    usages.retain(|usage| {
        let is_own = usage.customer == beside.customer;
        if !is_own {
            let what = format!("this is the usage of another customer, `{}`", usage.customer);
            let hint = "leave `customer:` out: the folder says whose it is";
            reading.error(usage.place, &what, Some(hint));
        }
        is_own
    });
    usages
}

/// The groups under `subscriptions`: the name of one that names one account stands for it.
fn groups(fields: &Fields<'_>) -> HashMap<String, Vec<String>> {
    let mut groups = HashMap::new();
    if let Some(Value::Map(entries)) = fields.get("subscriptions").map(|node| &node.value) {
        for (name, ids) in entries {
            let ids: Vec<&Node> = match &ids.value {
                Value::List(ids) => ids.iter().collect(),
                _ => vec![ids],
            };
            if let Value::Text(name) = &name.value {
                let ids = ids.into_iter().filter_map(|id| match &id.value {
                    Value::Text(id) | Value::Number(id) => Some(id.clone()),
                    _ => None,
                });
                groups.insert(name.clone(), ids.collect());
            }
        }
    }
    groups
}

impl Reader<'_, '_> {
    fn all(&self, node: &Node) -> Vec<Usage> {
        let items = list_of(self.reading, node, "usage", EXAMPLE).into_iter();
        let usages: Vec<Usage> = items.filter_map(|item| self.usage(item)).collect();
        refuse_twice(self.reading, &usages);
        usages
    }

    fn usage(&self, node: &Node) -> Option<Usage> {
        let reading = self.reading;
        let fields = reading.fields(node, &USAGE)?;
        let provider = needed(reading, &fields, &USAGE, "provider", "azure");
        let service = needed(reading, &fields, &USAGE, "service", "Virtual Machines");
        let provider = provider.and_then(|node| self.provider(node));
        let is_azure = provider.as_deref() == Some("azure");
        let service = service.and_then(|node| word(reading, node, "the service"));
        let resource = self.word(&fields, "resource");
        let subscription = self.subscription(&fields, resource.as_deref(), is_azure);
        let calendar = self.calendar(&fields);
        let money = Money::read(reading, &fields);
        let (deployed, removed) = self.deployed(&fields, calendar.zone);
        let renewed = given(&fields, "renewed").and_then(|node| self.date(node, "`renewed`", calendar));
        let service = service?;
        Some(Usage {
            customer: self.word(&fields, "customer").unwrap_or_else(|| self.customer.clone()),
            provider: provider?,
            service_key: service_key(self.beside.services, &service),
            service,
            tier: self.word(&fields, "tier"),
            region: self.word(&fields, "region"),
            subscription,
            resource,
            fees: money.fees,
            fee: money.fee,
            currency: money.currency,
            calendar,
            deployed,
            removed,
            renewed,
            free: self.flag(&fields, "free"),
            preview: self.flag(&fields, "preview"),
            place: fields.place_of("resource").unwrap_or(node.place),
            tier_place: fields
                .place_of("tier")
                .or(fields.place_of("service"))
                .unwrap_or(node.place),
            region_place: fields.place_of("region").unwrap_or(node.place),
        })
    }

    fn word(&self, fields: &Fields<'_>, key: &str) -> Option<String> {
        word(self.reading, given(fields, key)?, &format!("`{key}`"))
    }

    fn flag(&self, fields: &Fields<'_>, key: &str) -> bool {
        let flag = given(fields, key).and_then(|node| self.reading.flag(node, &format!("`{key}`")));
        flag.unwrap_or(false)
    }

    fn provider(&self, node: &Node) -> Option<String> {
        let provider = provider_word(&word(self.reading, node, "the provider")?);
        let known = (self.beside.knows_provider)(&provider);
        known
            .map_err(|hint| {
                let what = format!("there are no terms of a provider `{provider}`");
                self.reading.error(node.place, &what, Some(&hint));
            })
            .ok()?;
        Some(provider)
    }

    /// The account: as written, or as it stands in the resource's id.
    fn subscription(&self, fields: &Fields<'_>, resource: Option<&str>, is_azure: bool) -> Option<String> {
        let of_resource = || Some(subscription_of(&resource_key(resource?))?.to_owned());
        let Some(node) = given(fields, "subscription") else {
            return of_resource();
        };
        let text = word(self.reading, node, "the subscription")?;
        let id = match self.groups.get(&text).map(Vec::as_slice) {
            None => &text,
            Some([id]) => id,
            Some(ids) => {
                let what = format!(
                    "the group `{text}` names {} subscriptions, and this is of one",
                    ids.len()
                );
                let hint = match ids.is_empty() {
                    true => "name the subscription itself",
                    false => "an entry for each of them, with its own fee",
                };
                self.reading.error(node.place, &what, Some(hint));
                return None;
            }
        };
        let read = account_id(id);
        let id = read
            .map_err(|why| self.reading.error(node.place, &why.what, Some(&why.hint)))
            .ok()?;
        if is_azure && self.is_rule_file && !is_account_id(&id) {
            let what = format!("`{text}` is neither the id of a subscription nor a group of this file");
            let names = self.groups.keys().map(String::as_str);
            let hint = meant(&text, names).unwrap_or_else(|| {
                "the id as the portal shows it, or the name of a group under `subscriptions:`".to_owned()
            });
            self.reading.error(node.place, &what, Some(&hint));
            return None;
        }
        Some(id)
    }

    fn calendar(&self, fields: &Fields<'_>) -> Calendar {
        let day = given(fields, "billing day").and_then(|node| self.reading.number(node, "`billing day`", 1..=31));
        let zone = given(fields, "zone").and_then(|node| zone(self.reading, node));
        Calendar {
            day: day.unwrap_or(1) as u8,
            zone: zone.unwrap_or(ZONE),
        }
    }

    fn deployed(&self, fields: &Fields<'_>, zone: Tz) -> (Option<crate::clock::Time>, Option<crate::clock::Time>) {
        let time = |key: &str| {
            let node = given(fields, key)?;
            checked(self.reading, node, &format!("`{key}`"), |text| moment(text, zone))
        };
        let (deployed, removed) = (time("deployed"), time("removed"));
        if let (Some(deployed), Some(removed)) = (deployed, removed)
            && removed <= deployed
        {
            let place = fields.place_of("removed").unwrap_or(fields.place);
            self.reading.error(
                place,
                "this was removed before it was deployed",
                Some("exchange the two times"),
            );
        }
        (deployed, removed)
    }

    /// A day, or the day of a moment by the clocks of the zone.
    fn date(&self, node: &Node, what: &str, calendar: Calendar) -> Option<NaiveDate> {
        let read = |text: &str| {
            day(text).or_else(|why| match text.contains(':') {
                true => moment(text, calendar.zone).map(|moment| calendar.date(moment)),
                false => Err(why),
            })
        };
        checked(self.reading, node, what, read)
    }
}

/// The zone of an entry.
fn zone(reading: &Reading<'_>, node: &Node) -> Option<Tz> {
    let text = word(reading, node, "the zone")?;
    let named = text.replace(' ', "_");
    let zone = TZ_VARIANTS
        .iter()
        .find(|zone| zone.name().eq_ignore_ascii_case(&named))
        .copied();
    if zone.is_none() {
        let hint = meant(&text, TZ_VARIANTS.iter().map(|zone| zone.name()));
        let hint = hint.unwrap_or_else(|| "a zone is written `Europe/Berlin` or `UTC`".to_owned());
        reading.error(node.place, &format!("`{text}` is no time zone"), Some(&hint));
    }
    zone
}

/// The fees of an entry, all in one currency.
#[derive(Default)]
struct Money {
    fee: Option<Decimal>,
    fees: BTreeMap<YearMonth, Decimal>,
    currency: Option<Currency>,
    /// Where the currency was said first.
    said_at: Option<Place>,
}

impl Money {
    fn read(reading: &Reading<'_>, fields: &Fields<'_>) -> Self {
        let mut money = Self::default();
        if let Some(node) = given(fields, "currency") {
            money.read_currency(reading, node);
        }
        if let Some(node) = given(fields, "fee") {
            money.fee = money.amount(reading, node);
        }
        if let Some(entries) = given(fields, "fees").and_then(|node| by_month(reading, node)) {
            for (month, node) in entries {
                if let Some(amount) = money.amount(reading, node) {
                    money.fees.insert(month, amount);
                }
            }
        }
        let has_fees = money.fee.is_some() || !money.fees.is_empty();
        if has_fees && money.currency.is_none() && given(fields, "currency").is_none() {
            let place = fields
                .place_of("fee")
                .or(fields.place_of("fees"))
                .unwrap_or(fields.place);
            reading.error(
                place,
                "a fee without a currency",
                Some("`currency: EUR`, beside the fee"),
            );
        }
        money
    }

    fn read_currency(&mut self, reading: &Reading<'_>, node: &Node) {
        if let Value::List(_) = node.value {
            let what = "a fee in two currencies";
            return reading.error(
                node.place,
                what,
                Some("one `currency: EUR` for an entry: a claim is in one currency, so convert the other amount"),
            );
        }
        let read = |text: &str| {
            Currency::read(text)
                .ok_or_else(|| format!("`{text}` is no currency: three letters of ISO 4217, such as EUR"))
        };
        if let Some(currency) = checked(reading, node, "the currency", read) {
            (self.currency, self.said_at) = (Some(currency), Some(node.place));
        }
    }

    fn amount(&mut self, reading: &Reading<'_>, node: &Node) -> Option<Decimal> {
        if let Value::Map(_) | Value::List(_) = node.value {
            let what = format!("a fee is one amount in one currency, not {}", node.sort());
            reading.error(
                node.place,
                &what,
                Some("`fee: \"123.45\"` and `currency: EUR`; by month: `fees: { 2026-10: \"123.45\" }`"),
            );
            return None;
        }
        let (amount, currency) = checked(reading, node, "the fee", read_amount)?;
        match (self.currency, currency) {
            (Some(one), Some(other)) if one != other => {
                let line = self.said_at.map_or(node.place.line, |place| place.line);
                let what = format!("a fee in two currencies: {other} here, {one} on line {line}");
                reading.error(
                    node.place,
                    &what,
                    Some("a claim is in one currency: convert the other amount, or leave it out"),
                );
            }
            (None, Some(currency)) => (self.currency, self.said_at) = (Some(currency), Some(node.place)),
            _ => {}
        }
        Some(amount)
    }
}

/// The months of `fees`, each once.
fn by_month<'n>(reading: &Reading<'_>, node: &'n Node) -> Option<Vec<(YearMonth, &'n Node)>> {
    let fields = reading.named(node, "`fees`")?;
    let mut months: Vec<(YearMonth, &Node)> = Vec::new();
    for (name, place, value) in fields.iter().filter(|(.., value)| !is_nothing(value)) {
        match YearMonth::read(name) {
            None => {
                let what = format!("`{name}` is no month of the calendar");
                reading.error(
                    place,
                    &what,
                    Some("a month is written `2026-10`: the one in which the billing month begins"),
                );
            }
            Some(month) if months.iter().any(|(other, _)| *other == month) => {
                reading.error(
                    place,
                    &format!("the month {month} is here twice"),
                    Some("keep one fee for each month"),
                );
            }
            Some(month) => months.push((month, value)),
        }
    }
    Some(months)
}

/// The same thing may not be claimed twice for the same time.
fn refuse_twice(reading: &Reading<'_>, usages: &[Usage]) {
    for (one, other) in claimed_twice(usages, |usage| usage) {
        let (first, second) = if one.place <= other.place {
            (one, other)
        } else {
            (other, one)
        };
        let (what, hint) = said_twice((first, None), second);
        reading.error(second.place, &what, Some(&hint));
    }
}

/// What to say of an entry that claims again what the first one claims, in this file or another one, and what to do.
pub fn said_twice((first, file): (&Usage, Option<&str>), second: &Usage) -> (String, String) {
    let place = match file {
        Some(file) => format!("line {} of {file}", first.place.line),
        None => format!("line {}", first.place.line),
    };
    if let Some(key) = second.differs_by_month_from(first) {
        let what = format!(
            "`{}` has another `{key}` than on {place}, where it has other months",
            second.name()
        );
        let hint = format!("months of one thing are put together if all else is the same: write one `{key}` in both");
        return (what, hint);
    }
    let what = format!("`{}` would be claimed twice: it is on {place} already", second.name());
    let of = match first.name() == second.name() {
        true => String::new(),
        false => format!(", as `{}`", first.name()),
    };
    let hint = "keep one entry. What was charged in single months goes into `fees:`; one resource may be named in one way \
                alone, and not also as a part of its whole service";
    (format!("{what}{of}"), hint.to_owned())
}
