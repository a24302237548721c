//! What may be owed: usage, incidents and terms put together, month by month.
//!
//! Overlapping incidents count once; only time counts in which the thing was deployed; an incident over a boundary
//! belongs to two billing months. Where a renewal within a month leads to two editions of the terms, each that was in
//! force during counted downtime may be chosen, and the one that pays more is. A resource that moved to another tier or
//! price has an entry for each: its months are counted once, over all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::SubsecRound as _;
use rust_decimal::Decimal;

use crate::clock::Time;

use super::asked::{Asked, Member, Rows};
use super::assess::{Candidate, available, candidates, governing};
use super::assessment::Month;
use super::downtime::merged;
use super::explain;
use super::incidents::{Incident, Index, OnResource};
use super::month::{BillingMonth, Calendar, YearMonth};
use super::row::{self, Row};
use super::terms::why;
use super::terms::{Editions, Per};
use super::usage::{Identity, Usage};

/// How many billing months of one incident are computed: what is older can be claimed nowhere, and a wild begin must not
/// make claims of decades.
const MONTHS_MOST: u32 = 24;

/// What may be owed, and what could not be said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Computed {
    /// In a stable order.
    pub rows: Vec<Row>,
    /// Sentences about usages for which nothing can be computed.
    pub notes: BTreeSet<String>,
}

/// Computes what may be owed.
pub fn compute(asked: &Asked<'_>) -> Computed {
    // what goes on is counted to the second, as what is over is
    let asked = &Asked {
        at: asked.at.trunc_subsecs(0),
        ..*asked
    };
    let index = Index::new(asked.incidents);
    let in_parts = resources_in_parts(asked.usages);
    let mut parts: BTreeMap<(Identity, u8, &str), Vec<Member<'_>>> = BTreeMap::new();
    let mut groups: BTreeMap<(Identity, u8, &str), Vec<Member<'_>>> = BTreeMap::new();
    let mut left_out: BTreeMap<(&str, String, OnResource), Vec<&Usage>> = BTreeMap::new();
    for usage in asked.usages {
        let key = |identity: Identity| (identity, usage.calendar.day, usage.calendar.zone.name());
        let (incidents, others) = by_list(usage, index.of(usage));
        for (incident, says) in others {
            let of = (usage.customer.as_str(), explain::incident_name(incident), says);
            left_out.entry(of).or_default().push(usage);
        }
        let is_in_parts = is_of_a_time(usage) && in_parts.contains(&key(usage.identity()));
        if is_in_parts {
            let part = Member {
                usage,
                incidents: incidents.clone(),
                is_in_parts,
            };
            parts.entry(key(usage.identity())).or_default().push(part);
        }
        let member = Member {
            usage,
            incidents,
            is_in_parts,
        };
        groups.entry(key(usage.identity_of_service())).or_default().push(member);
    }
    let mut computed = Computed::default();
    for ((_, incident, says), usages) in left_out {
        computed
            .notes
            .insert(explain::left_out_by_list(&incident, says, &usages));
    }
    let mut almanac = Almanac::default();
    for members in groups.into_values() {
        group(asked, &members, &mut almanac, &mut computed);
    }
    for mut members in parts.into_values() {
        members.sort_by_key(|member| (member.usage.deployed, member.usage.place));
        resource_in_parts(asked, &members, &mut almanac, &mut computed);
    }
    computed.notes.append(&mut almanac.too_long);
    computed.rows = once_each(std::mem::take(&mut computed.rows), asked.explained);
    computed
}

/// How the figures of claims came about, by claim: what [`compute`] answers for these alone, with what was asked before.
pub fn explained(asked: &Asked<'_>, claims: &[&Row]) -> HashMap<String, Vec<String>> {
    let wanted: HashSet<&str> = claims.iter().map(|row| row.id.as_str()).collect();
    let months: BTreeSet<YearMonth> = claims.iter().filter_map(|row| YearMonth::read(&row.month)).collect();
    let is_of = |identity: &Identity| {
        let mut ids = months.iter().map(|month| row::id(identity, *month));
        ids.any(|id| wanted.contains(id.as_str()))
    };
    let usages = asked.usages.iter();
    let usages = usages.filter(|usage| is_of(&usage.identity()) || is_of(&usage.identity_of_service()));
    let computed = compute(&Asked {
        usages: &usages.cloned().collect::<Vec<_>>(),
        explained: true,
        ..*asked
    });
    let rows = computed.rows.into_iter().filter(|row| wanted.contains(row.id.as_str()));
    rows.map(|row| (row.id, row.explanation)).collect()
}

/// The incidents that count for a usage, and those that do not by the list of the resources that they impacted.
fn by_list<'a>(usage: &Usage, incidents: Vec<&'a Incident>) -> (Vec<&'a Incident>, Vec<(&'a Incident, OnResource)>) {
    let (mut counted, mut left_out) = (Vec::with_capacity(incidents.len()), Vec::new());
    for incident in incidents {
        match incident.on_list(usage) {
            Some(says) if !says.counts() => left_out.push((incident, says)),
            _ => counted.push(incident),
        }
    }
    (counted, left_out)
}

fn group<'a>(asked: &Asked<'a>, members: &[Member<'a>], almanac: &mut Almanac, computed: &mut Computed) {
    let Some(usage) = members.first().map(|member| member.usage) else {
        return;
    };
    let months = months(asked, members, usage.calendar, almanac);
    if months.is_empty() {
        return;
    }
    let editions = match asked
        .terms
        .editions(&usage.provider, &usage.service_key, usage.tier.as_deref())
    {
        Ok(editions) => editions,
        Err(why) => {
            computed.notes.insert(why::no_terms(usage, &why));
            return;
        }
    };
    for name in months {
        let of_name = almanac.named(usage.calendar, name);
        month(asked, members, &editions, of_name, almanac, computed);
    }
}

/// The billing months of which rows are wanted.
fn months(asked: &Asked<'_>, members: &[Member<'_>], calendar: Calendar, almanac: &mut Almanac) -> BTreeSet<YearMonth> {
    let mut months = BTreeSet::new();
    for incident in members.iter().flat_map(|member| &member.incidents) {
        almanac.add_months(&mut months, calendar, incident, asked.at);
    }
    if asked.rows == Rows::All {
        months.extend(almanac.of_all(asked, calendar));
    }
    months
}

/// The billing months, each worked out once: clocks of zones take long to ask, and very many resources have the same.
#[derive(Default)]
struct Almanac {
    months: HashMap<(Calendar, YearMonth), BillingMonth>,
    /// Those that any incident touches.
    of_all: HashMap<Calendar, BTreeSet<YearMonth>>,
    /// What a credit of services is for of which some resources have several entries.
    of_parts: HashMap<(Identity, Calendar, YearMonth), Per>,
    /// Sentences about incidents of which not all months are computed.
    too_long: BTreeSet<String>,
}

impl Almanac {
    fn named(&mut self, calendar: Calendar, name: YearMonth) -> BillingMonth {
        let known = self.months.entry((calendar, name));
        *known.or_insert_with(|| calendar.named(name))
    }

    /// The billing months that an incident touches, as far as it went: the last ones of one that lasts very long.
    fn add_months(&mut self, months: &mut BTreeSet<YearMonth>, calendar: Calendar, incident: &Incident, at: Time) {
        let until = incident.mitigated.unwrap_or(at).min(at);
        if incident.started >= until {
            return;
        }
        let first = calendar.month_at(incident.started);
        let last = calendar.month_at(until - chrono::Duration::nanoseconds(1));
        let earliest = last.minus(MONTHS_MOST - 1);
        if first < earliest {
            self.too_long.insert(explain::too_long(incident, MONTHS_MOST));
        }
        let mut month = self.named(calendar, first.max(earliest));
        while month.start < until {
            months.insert(month.name);
            month = self.named(calendar, month.name.plus(1));
        }
    }

    fn of_all(&mut self, asked: &Asked<'_>, calendar: Calendar) -> BTreeSet<YearMonth> {
        if let Some(known) = self.of_all.get(&calendar) {
            return known.clone();
        }
        let mut months = BTreeSet::new();
        for incident in asked.incidents {
            self.add_months(&mut months, calendar, incident, asked.at);
        }
        self.of_all.insert(calendar, months.clone());
        months
    }
}

/// Whether it is not there always.
fn is_of_a_time(usage: &Usage) -> bool {
    usage.resource.is_some() && (usage.deployed.is_some() || usage.removed.is_some())
}

/// Resources with several entries, one after the other: with another tier, region or price.
fn resources_in_parts(usages: &[Usage]) -> HashSet<(Identity, u8, &str)> {
    let mut seen = HashSet::new();
    let of_times = usages.iter().filter(|usage| is_of_a_time(usage));
    let keys = of_times.map(|usage| (usage.identity(), usage.calendar.day, usage.calendar.zone.name()));
    keys.filter(|key| !seen.insert(key.clone())).collect()
}

/// The entries of one resource, in the order of time: each month is one, whatever it was for parts of it.
fn resource_in_parts<'a>(asked: &Asked<'a>, members: &[Member<'a>], almanac: &mut Almanac, computed: &mut Computed) {
    let Some(calendar) = members.first().map(|member| member.usage.calendar) else {
        return;
    };
    // what has no terms was said where the entries of its service were looked at
    let editions = |usage: &'a Usage| {
        let tier = usage.tier.as_deref();
        asked.terms.editions(&usage.provider, &usage.service_key, tier).ok()
    };
    let known: Vec<_> = members
        .iter()
        .enumerate()
        .filter_map(|(nth, member)| Some((member, began_before_moves(members, nth), editions(member.usage)?)))
        .collect();
    for name in months(asked, members, calendar, almanac) {
        let month = almanac.named(calendar, name);
        let (mut present, mut under) = (Vec::new(), Vec::new());
        let is_there = |member: &Member<'_>| !available(member.usage, &month).is_empty();
        for (member, began, editions) in known.iter().filter(|(member, ..)| is_there(member)) {
            // as it was decided for all of its service
            let of = (member.usage.identity_of_service(), calendar, name);
            let decided = almanac.of_parts.get(&of).copied();
            let per = decided.unwrap_or_else(|| per(&[member], editions, &month, *began));
            if per == Per::Resource {
                present.push(*member);
                under.extend(candidates(&[member], editions, &month, *began));
            }
        }
        computed.rows.extend(row(asked, Per::Resource, present, &under, month));
    }
}

fn month<'a>(
    asked: &Asked<'a>,
    members: &[Member<'a>],
    editions: &Editions<'a>,
    month: BillingMonth,
    almanac: &mut Almanac,
    computed: &mut Computed,
) {
    let present: Vec<&Member<'a>> = members
        .iter()
        .filter(|member| !available(member.usage, &month).is_empty())
        .collect();
    if present.is_empty() {
        return;
    }
    let per = per(&present, editions, &month, began(&present));
    if present.iter().any(|member| member.is_in_parts) {
        let first = present[0].usage;
        let of = (first.identity_of_service(), first.calendar, month.name);
        almanac.of_parts.insert(of, per);
    }
    let one = |members: Vec<&Member<'a>>| {
        let under = candidates(&members, editions, &month, began(&members));
        row(asked, per, members, &under, month)
    };
    match per {
        Per::Resource => {
            let whole = present.iter().filter(|member| !member.is_in_parts);
            computed.rows.extend(whole.filter_map(|member| one(vec![*member])));
        }
        Per::Service => computed.rows.extend(one(present.clone())),
    }
}

/// When the resource of an entry began: a move to another tier or price at the same moment is no begin.
fn began_before_moves(members: &[Member<'_>], nth: usize) -> Option<Time> {
    let mut began = members[nth].usage.deployed;
    for earlier in members[..nth].iter().rev() {
        if began.is_none() || earlier.usage.removed != began {
            break;
        }
        began = earlier.usage.deployed;
    }
    began
}

/// When the first of these began; `None`: that is not known.
fn began(members: &[&Member<'_>]) -> Option<Time> {
    members.iter().map(|member| member.usage.deployed).min().flatten()
}

/// What a credit is for, by the terms that are the last ones in force in a month.
fn per(members: &[&Member<'_>], editions: &Editions<'_>, month: &BillingMonth, began: Option<Time>) -> Per {
    let last = governing(members, month, began).pop();
    let (term, _) = editions.on(last.map_or(month.first, |(_, chosen)| chosen.day));
    term.per
}

/// The month of one resource, or of one service as a whole.
fn row<'a>(
    asked: &Asked<'a>,
    per: Per,
    members: Vec<&Member<'a>>,
    under: &[Candidate<'a>],
    month: BillingMonth,
) -> Option<Row> {
    let is_touched = members.iter().any(|member| !member.incidents.is_empty());
    if members.is_empty() || !is_touched && asked.rows != Rows::All {
        return None;
    }
    let available = members.iter().flat_map(|member| available(member.usage, &month));
    let month = Month {
        asked,
        calendar: members[0].usage.calendar,
        month,
        per,
        available: merged(available.collect()),
        members,
    };
    month.row(under)
}

/// The rows in order, and each claim once: of two entries for one resource and month that are billed on other days, or
/// stand in folders of one organisation, the one that pays more.
fn once_each(rows: Vec<Row>, are_explained: bool) -> Vec<Row> {
    let mut by_id: HashMap<String, Row> = HashMap::with_capacity(rows.len());
    for row in rows {
        let Some(other) = by_id.remove(&row.id) else {
            by_id.insert(row.id.clone(), row);
            continue;
        };
        let paid = |row: &Row| {
            row.credit
                .as_deref()
                .and_then(|credit| Decimal::from_str_exact(credit).ok())
        };
        let (mut kept, left) = match paid(&other) >= paid(&row) {
            true => (other, row),
            false => (row, other),
        };
        if are_explained {
            kept.explanation.push(explain::claimed_once(&left));
        }
        by_id.insert(kept.id.clone(), kept);
    }
    let mut rows: Vec<Row> = by_id.into_values().collect();
    rows.sort_by(|one, other| order(one).cmp(&order(other)));
    share(&mut rows);
    rows
}

/// Lets rows share the lists that are the same in many of them.
fn share(rows: &mut [Row]) {
    let mut lists: HashSet<Arc<[String]>> = HashSet::new();
    for list in rows.iter_mut().flat_map(|row| [&mut row.incidents, &mut row.evidence]) {
        match lists.get(&*list) {
            Some(known) => *list = known.clone(),
            None => {
                lists.insert(list.clone());
            }
        }
    }
}

type Order<'r> = (&'r str, &'r str, &'r str, [Option<&'r str>; 4], &'r str, &'r str);

fn order(row: &Row) -> Order<'_> {
    let more = [&row.tier, &row.region, &row.subscription, &row.resource].map(|part| part.as_deref());
    (&row.customer, &row.provider, &row.service, more, &row.month, &row.id)
}
