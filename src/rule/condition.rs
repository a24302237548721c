//! Whether a rule matches an event, why not, and what of the event is left: slow, obvious, and therefore right.
//!
//! An event is a set of elements: each impacted service in its region, for each account it was sent for. A rule sees
//! the elements of accounts its customer owns; `subscriptions` and `impact` keep elements, `unless` removes some, and
//! the rule matches if one is left. Any faster matcher must agree with this one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::customer::{Customer, CustomerId, Customers, Sees};
use crate::event::catalogue::Catalogue;
use crate::event::{Event, Impact, Provider, fold};

use super::why::{WhyNot, either, of_event};
use super::{Condition, ImpactPattern, Rule};
use keys::{any_of, one_of, property, subtype};

mod keys;

/// What became of one rule and one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// The rule matches, and this is left of the event for it.
    Matches(Left),
    /// It does not, and why.
    No(WhyNot),
}

/// What is left of an event after a rule's narrowing: never more than its customer owns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The impact that is left, in the event's order. Its `accounts` are empty where all of `accounts` below are meant.
    pub impact: Vec<Impact>,
    /// The accounts concerned, sorted; empty for an event that names none.
    pub accounts: Vec<String>,
}

impl Judgement {
    /// What is left, if it matches.
    pub fn left(self) -> Option<Left> {
        match self {
            Judgement::Matches(left) => Some(left),
            Judgement::No(_) => None,
        }
    }
}

/// Judges an event by all of a rule.
pub fn judge(rule: &Rule, event: &Event, customers: &Customers, catalogue: &Catalogue) -> Judgement {
    let judge = Judge {
        event,
        customers,
        catalogue,
        visibility: None,
    };
    match judge.by_all(rule) {
        Ok(elements) => Judgement::Matches(judge.left(&elements)),
        Err(why) => Judgement::No(why),
    }
}

/// What [`judge`] leaves if the rule matches: without a reason where it does not, and without a look at the accounts
/// that the rule cannot match. So one rule of an event for 10,000 accounts costs what it is about.
pub fn left(rule: &Rule, event: &Event, customers: &Customers, catalogue: &Catalogue) -> Option<Left> {
    let judge = Judge {
        event,
        customers,
        catalogue,
        visibility: Some(Visibility::of(rule, event, customers)),
    };
    judge.holds(&rule.when).ok()?;
    let elements = judge.narrowed(rule, judge.seen(rule).ok()?).ok()?;
    Some(judge.left(&elements))
}

/// Judges an event that those who were told of its incident may still have to hear of: by ownership, `subscriptions`
/// and `unless` alone. What the rule's `impact` names is shown alone if any of it is left.
pub fn judge_following(rule: &Rule, event: &Event, customers: &Customers, catalogue: &Catalogue) -> Judgement {
    let judge = Judge {
        event,
        customers,
        catalogue,
        visibility: None,
    };
    match judge.by_what_stays(rule) {
        Ok(elements) => Judgement::Matches(judge.left(&judge.preferred(rule, elements))),
        Err(why) => Judgement::No(why),
    }
}

/// One impact (none: the unnamed part) for one account (none: the event names no account).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element<'e> {
    impact: Option<usize>,
    account: Option<&'e str>,
}

struct Judge<'e> {
    event: &'e Event,
    customers: &'e Customers,
    catalogue: &'e Catalogue,
    /// The accounts that are looked at; all where it is to be said why a rule does not match.
    visibility: Option<Visibility<'e>>,
}

/// The accounts that a rule can match at all.
struct Visibility<'e> {
    /// Each set must hold the account.
    within: Vec<&'e BTreeSet<String>>,
    /// Those of the event.
    of_event: Vec<&'e str>,
}

impl<'e> Visibility<'e> {
    fn of(rule: &'e Rule, event: &'e Event, customers: &'e Customers) -> Self {
        let mut within: Vec<&BTreeSet<String>> = rule.when.subscriptions.iter().map(|ids| &**ids).collect();
        if let Sees::Owned(customer) = customers.sees(&rule.customer)
            && event.provider != Provider::Bellwether
        {
            within.push(&customer.accounts);
        }
        let mut visibility = Self {
            within,
            of_event: Vec::new(),
        };
        let smallest = visibility.within.iter().min_by_key(|ids| ids.len());
        visibility.of_event = match smallest.filter(|ids| ids.len() < event.accounts.len()) {
            Some(ids) => {
                let ids = ids
                    .iter()
                    .filter(|id| visibility.shows(id) && event.accounts.binary_search(id).is_ok());
                ids.map(String::as_str).collect()
            }
            None => event
                .accounts
                .iter()
                .filter(|id| visibility.shows(id))
                .map(String::as_str)
                .collect(),
        };
        visibility
    }

    fn shows(&self, account: &str) -> bool {
        self.within.iter().all(|ids| ids.contains(account))
    }
}

impl<'e> Judge<'e> {
    fn by_all(&self, rule: &Rule) -> Result<Vec<Element<'e>>, WhyNot> {
        let seen = self.seen(rule)?;
        self.holds(&rule.when)?;
        self.narrowed(rule, seen)
    }

    /// What the rule leaves of what it may see.
    fn narrowed(&self, rule: &Rule, seen: Vec<Element<'e>>) -> Result<Vec<Element<'e>>, WhyNot> {
        let kept = self.narrowed_by_account(&rule.when, seen)?;
        let kept = match &rule.when.impact {
            None => kept,
            Some(pairs) => self.narrowed_by_impact(pairs, kept)?,
        };
        self.without(rule, kept)
    }

    fn by_what_stays(&self, rule: &Rule) -> Result<Vec<Element<'e>>, WhyNot> {
        let kept = self.narrowed_by_account(&rule.when, self.seen(rule)?)?;
        self.without(rule, kept)
    }

    fn preferred(&self, rule: &Rule, elements: Vec<Element<'e>>) -> Vec<Element<'e>> {
        let pairs = rule.when.impact.as_ref();
        pairs
            .and_then(|pairs| self.narrowed_by_impact(pairs, elements.clone()).ok())
            .unwrap_or(elements)
    }

    /// The elements that the rule may see at all.
    fn seen(&self, rule: &Rule) -> Result<Vec<Element<'e>>, WhyNot> {
        if !rule.enabled {
            return Err(WhyNot::Disabled);
        }
        if self.event.test && !rule.test_events {
            return Err(WhyNot::Test);
        }
        let is_own = self.event.provider == Provider::Bellwether;
        if is_own
            && !rule
                .when
                .kinds
                .as_ref()
                .is_some_and(|kinds| kinds.contains(&self.event.kind))
        {
            return Err(WhyNot::Own { kind: self.event.kind });
        }
        match self.customers.sees(&rule.customer) {
            Sees::Everything => Ok(self.elements()),
            Sees::Nothing => Err(WhyNot::Unknown {
                customer: rule.customer.clone(),
            }),
            Sees::Owned(_) if is_own => self.own_event_of(&rule.customer),
            Sees::Owned(customer) => self.owned_by(customer),
        }
    }

    /// An event of our own belongs to the customer that its source names.
    fn own_event_of(&self, customer: &CustomerId) -> Result<Vec<Element<'e>>, WhyNot> {
        match self.event.source.as_deref() == Some(customer.as_str()) {
            true => Ok(self.elements()),
            false => Err(WhyNot::NotYours),
        }
    }

    fn owned_by(&self, customer: &Customer) -> Result<Vec<Element<'e>>, WhyNot> {
        let mut elements = self.elements();
        if self.names_no_account() {
            let source = self.event.source.as_deref();
            let is_public = source.is_some_and(|source| lists(customer, source));
            return if is_public {
                Ok(elements)
            } else {
                Err(WhyNot::NotPublic {
                    source: source.map(str::to_owned),
                })
            };
        }
        elements.retain(|element| {
            element
                .account
                .is_some_and(|account| customer.accounts.contains(account))
        });
        if elements.is_empty() {
            Err(WhyNot::NotYours)
        } else {
            Ok(elements)
        }
    }

    fn names_no_account(&self) -> bool {
        let mut impacts = self.event.impact.iter();
        self.event.accounts.is_empty() && impacts.all(|impact| impact.accounts.is_empty())
    }

    /// The event's accounts that are looked at.
    fn of_event(&self) -> Vec<&'e str> {
        match &self.visibility {
            Some(visibility) => visibility.of_event.clone(),
            None => self.event.accounts.iter().map(String::as_str).collect(),
        }
    }

    /// All elements of the event. An account that no impact names has the unnamed part.
    fn elements(&self) -> Vec<Element<'e>> {
        let of_event = self.of_event();
        let is_shown = |account: &&str| {
            self.visibility
                .as_ref()
                .is_none_or(|visibility| visibility.shows(account))
        };
        let names_none = self.event.accounts.is_empty();
        let mut elements = Vec::new();
        let mut named = BTreeSet::new();
        for (nth, impact) in self.event.impact.iter().enumerate() {
            let impact_of = |account: Option<&'e str>| Element {
                impact: Some(nth),
                account,
            };
            let here = impact.accounts.iter().map(String::as_str).filter(is_shown);
            named.extend(here.clone());
            elements.extend(here.map(|account| impact_of(Some(account))));
            match impact.accounts.is_empty() {
                true if names_none => elements.push(impact_of(None)),
                true => elements.extend(of_event.iter().map(|account| impact_of(Some(account)))),
                false => {}
            }
        }
        let all_named = self.event.impact.iter().any(|impact| impact.accounts.is_empty());
        let unnamed = of_event
            .iter()
            .filter(|account| !all_named && !named.contains(*account));
        elements.extend(unnamed.map(|account| Element {
            impact: None,
            account: Some(account),
        }));
        if self.event.impact.is_empty() && names_none {
            elements.push(Element {
                impact: None,
                account: None,
            });
        }
        elements
    }

    /// Everything of a condition that looks at the event as a whole.
    fn holds(&self, condition: &Condition) -> Result<(), WhyNot> {
        let event = self.event;
        one_of("event type", &condition.event_types, Some(event.event_type))?;
        one_of("stage", &condition.stages, Some(event.stage))?;
        one_of("kind", &condition.kinds, Some(event.kind))?;
        one_of("level", &condition.levels, event.level)?;
        one_of("provider", &condition.providers, Some(event.provider))?;
        any_of("title", condition.title.as_deref(), Some(&event.title))?;
        any_of("text", condition.text.as_deref(), Some(&event.text))?;
        any_of(
            "tracking id",
            condition.tracking_ids.as_deref(),
            Some(&event.tracking_id),
        )?;
        subtype(condition, event)?;
        for (key, patterns) in &condition.properties {
            let value = property(event, key);
            any_of("properties", Some(patterns), value).map_err(|why| why.of_property(key))?;
        }
        Ok(())
    }

    fn narrowed_by_account(&self, condition: &Condition, from: Vec<Element<'e>>) -> Result<Vec<Element<'e>>, WhyNot> {
        let kept: Vec<_> = from
            .iter()
            .copied()
            .filter(|element| self.is_of_account(condition, element))
            .collect();
        if !kept.is_empty() {
            return Ok(kept);
        }
        let is = accounts(&from);
        match &condition.subscriptions {
            Some(wants) => Err(WhyNot::Subscriptions {
                wants: either(&**wants),
                is: of_event(&is),
            }),
            None => Err(WhyNot::Owned),
        }
    }

    fn is_of_account(&self, condition: &Condition, element: &Element<'_>) -> bool {
        let named = condition.subscriptions.as_ref();
        let is_named = named.is_none_or(|ids| element.account.is_some_and(|account| ids.contains(account)));
        is_named && (!condition.owner_none || self.is_owned_by_nobody(element))
    }

    fn is_owned_by_nobody(&self, element: &Element<'_>) -> bool {
        match (element.account, &self.customers.by_name) {
            (Some(account), _) => !self.customers.is_owned(account),
            (None, None) => false,
            (None, Some(known)) => {
                let source = self.event.source.as_deref();
                self.event.provider != Provider::Bellwether
                    && !source.is_some_and(|source| known.values().any(|customer| lists(customer, source)))
            }
        }
    }

    fn narrowed_by_impact(&self, pairs: &[ImpactPattern], from: Vec<Element<'e>>) -> Result<Vec<Element<'e>>, WhyNot> {
        let hits = self.hits(pairs);
        let is_hit = |element: &Element<'_>| element.impact.is_some_and(|nth| hits[nth]);
        let kept: Vec<_> = from.iter().copied().filter(is_hit).collect();
        if !kept.is_empty() {
            return Ok(kept);
        }
        let is: Vec<_> = self.left(&from).impact.iter().map(describe).collect();
        Err(WhyNot::Impact {
            wants: either(pairs.iter().map(|pair| &pair.written)),
            is: of_event(&is),
        })
    }

    /// Which of the event's impacts is one of the pairs.
    fn hits(&self, pairs: &[ImpactPattern]) -> Vec<bool> {
        let hits = |impact| pairs.iter().any(|pair| pair.matches(impact, self.catalogue));
        self.event.impact.iter().map(hits).collect()
    }

    /// What `unless` leaves.
    fn without(&self, rule: &Rule, mut kept: Vec<Element<'e>>) -> Result<Vec<Element<'e>>, WhyNot> {
        for (nth, unless) in rule.unless.iter().enumerate() {
            if self.holds(unless).is_err() {
                continue;
            }
            let hits = unless.impact.as_ref().map(|pairs| self.hits(pairs));
            let is_hit = |nth: Option<usize>| hits.as_ref().is_none_or(|hits| nth.is_some_and(|nth| hits[nth]));
            kept.retain(|element| !(is_hit(element.impact) && self.is_of_account(unless, element)));
            if kept.is_empty() {
                return Err(WhyNot::Unless {
                    nth,
                    of: rule.unless.len(),
                    what: unless.describe(),
                });
            }
        }
        Ok(kept)
    }

    /// The elements as people are told them.
    fn left(&self, elements: &[Element<'e>]) -> Left {
        let all = accounts(elements);
        // by impact once: an event may name thousands of accounts in dozens of regions
        let mut by_impact: BTreeMap<usize, Vec<Element<'e>>> = BTreeMap::new();
        for element in elements {
            if let Some(nth) = element.impact {
                by_impact.entry(nth).or_default().push(*element);
            }
        }
        let impact = by_impact.into_iter().filter_map(|(nth, of_this)| {
            let here = accounts(&of_this);
            let accounts = if here == all { Vec::new() } else { here };
            Some(Impact {
                accounts,
                ..self.event.impact.get(nth)?.clone()
            })
        });
        Left {
            impact: impact.collect(),
            accounts: all,
        }
    }
}

/// The accounts of elements, sorted, each once.
fn accounts(elements: &[Element<'_>]) -> Vec<String> {
    let all: BTreeSet<_> = elements.iter().filter_map(|element| element.account).collect();
    all.into_iter().map(str::to_owned).collect()
}

pub fn lists(customer: &Customer, source: &str) -> bool {
    customer.public.iter().any(|listed| listed.eq_ignore_ascii_case(source))
}

impl ImpactPattern {
    /// Whether one impact of an event is this service in this region.
    pub fn matches(&self, impact: &Impact, catalogue: &Catalogue) -> bool {
        let service = self
            .services
            .as_ref()
            .is_none_or(|services| is_service(services, impact, catalogue));
        let region = self.regions.as_ref().is_none_or(|regions| {
            impact
                .region
                .as_ref()
                .is_some_and(|region| regions.contains(&fold(region)))
        });
        service && region
    }
}

fn is_service(services: &[String], impact: &Impact, catalogue: &Catalogue) -> bool {
    let key = catalogue.service_key(&impact.service, impact.service_id.as_deref());
    let id = impact.service_id.as_deref().map(fold);
    services.contains(&key) || id.is_some_and(|id| services.contains(&id))
}

fn describe(impact: &Impact) -> String {
    match &impact.region {
        Some(region) => format!("{} in {region}", impact.service),
        None => impact.service.clone(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
