//! Whether a rule matches an event, why not, and what of the event is left: slow, obvious, and therefore right.
//!
//! An event is a set of elements: each impacted service in its region, for each account it was sent for. A rule sees
//! the elements of accounts its customer owns; `subscriptions` and `impact` keep elements, `unless` removes some, and
//! the rule matches if one is left. Any faster matcher must agree with this one.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::customer::{Customer, CustomerId, Customers, Sees};
use crate::event::catalogue::Catalogue;
use crate::event::measure::spelled;
use crate::event::{Event, Impact, Measure, Provider};

use super::steps::{self, Steps, TooCostly};
use super::why::{WhyNot, either, of_event, of_event_by};
use super::{Condition, ImpactPattern, Rule};
use keys::{any_of, one_of, property, subtype};
pub use subject::Subject;

mod keys;
mod subject;

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
    #[cfg(test)]
    pub fn left(self) -> Option<Left> {
        match self {
            Judgement::Matches(left) => Some(left),
            Judgement::No(_) => None,
        }
    }
}

/// Judges an event by all of a rule, within the steps that one rule may take.
pub fn judge(rule: &Rule, event: &Event, customers: &Customers, catalogue: &Catalogue) -> Judgement {
    judge_within(
        rule,
        &Subject::of(event),
        customers,
        catalogue,
        &Steps::of(steps::RULE_STEPS_MOST),
    )
}

/// The same, within the steps that are left.
pub fn judge_within(
    rule: &Rule,
    subject: &Subject<'_>,
    customers: &Customers,
    catalogue: &Catalogue,
    steps: &Steps,
) -> Judgement {
    let judge = Judge::of(rule, subject, customers, catalogue, steps);
    judge.by_all(rule).map_or_else(Judgement::No, Judgement::Matches)
}

/// What [`judge`] leaves if the rule matches: without a reason where it does not, and without a look at the accounts
/// that the rule cannot match. So one rule of an event for 10,000 accounts costs what it is about.
///
/// # Errors
/// When it takes more steps than are left. Of an event of which the rule may see nothing, no patterns are tried.
pub fn left(
    rule: &Rule,
    subject: &Subject<'_>,
    customers: &Customers,
    catalogue: &Catalogue,
    steps: &Steps,
) -> Result<Option<Left>, TooCostly> {
    let judge = Judge {
        visibility: Some(Visibility::of(rule, subject.event, customers)),
        ..Judge::of(rule, subject, customers, catalogue, steps)
    };
    match judge.by_what_is_visible(rule) {
        Ok(left) => Ok(Some(left)),
        Err(WhyNot::TooCostly) => Err(TooCostly),
        Err(_) => Ok(None),
    }
}

/// The accounts of an event that a rule may see: all that is known to be left where nothing else could be worked out.
pub fn visible(rule: &Rule, event: &Event, customers: &Customers) -> Left {
    let visible = Visibility::of(rule, event, customers).of_event.into_iter();
    Left {
        impact: Vec::new(),
        accounts: visible.map(str::to_owned).collect(),
    }
}

/// Judges an event that those who were told of its incident may still have to hear of: by ownership, `subscriptions`
/// and `unless` alone. What the rule's `impact` names is shown alone if any of it is left.
pub fn judge_following(
    rule: &Rule,
    subject: &Subject<'_>,
    customers: &Customers,
    catalogue: &Catalogue,
    steps: &Steps,
) -> Judgement {
    let judge = Judge::of(rule, subject, customers, catalogue, steps);
    let judged = judge
        .by_what_stays(rule)
        .and_then(|elements| judge.left(&judge.preferred(rule, elements)?));
    judged.map_or_else(Judgement::No, Judgement::Matches)
}

/// One impact (none: the unnamed part) for one account (none: the event names no account).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element<'e> {
    impact: Option<usize>,
    account: Option<&'e str>,
}

struct Judge<'e> {
    subject: &'e Subject<'e>,
    event: &'e Event,
    customers: &'e Customers,
    catalogue: &'e Catalogue,
    /// What the rule may still take.
    steps: &'e Steps,
    /// What the incident adds up to for the rule's customer.
    measure: Measure,
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
    fn of(
        rule: &Rule,
        subject: &'e Subject<'e>,
        customers: &'e Customers,
        catalogue: &'e Catalogue,
        steps: &'e Steps,
    ) -> Self {
        let measures = subject.event.measures.as_deref();
        Self {
            measure: measures.map(|all| all.of(rule.customer.as_str())).unwrap_or_default(),
            subject,
            event: subject.event,
            customers,
            catalogue,
            steps,
            visibility: None,
        }
    }

    fn by_all(&self, rule: &Rule) -> Result<Left, WhyNot> {
        self.steps.take(steps::RULE)?;
        let seen = self.seen(rule)?;
        self.has_words(&rule.when)?;
        self.has_texts(&rule.when)?;
        self.left(&self.narrowed(rule, seen)?)
    }

    /// The same in the order in which it costs least.
    fn by_what_is_visible(&self, rule: &Rule) -> Result<Left, WhyNot> {
        self.steps.take(steps::RULE)?;
        self.has_words(&rule.when)?;
        // whose event it is not has nothing to do with it, not even by a rule that costs too much
        let is_visible = self
            .visibility
            .as_ref()
            .is_none_or(|visibility| !visibility.of_event.is_empty());
        let seen = if is_visible { None } else { Some(self.seen(rule)?) };
        self.has_texts(&rule.when)?;
        let seen = seen.map_or_else(|| self.seen(rule), Ok)?;
        self.left(&self.narrowed(rule, seen)?)
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

    fn preferred(&self, rule: &Rule, elements: Vec<Element<'e>>) -> Result<Vec<Element<'e>>, WhyNot> {
        let Some(pairs) = &rule.when.impact else {
            return Ok(elements);
        };
        match self.narrowed_by_impact(pairs, elements.clone()) {
            Err(WhyNot::TooCostly) => Err(WhyNot::TooCostly),
            narrowed => Ok(narrowed.unwrap_or(elements)),
        }
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
            Sees::Everything => self.elements(),
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
            true => self.elements(),
            false => Err(WhyNot::NotYours),
        }
    }

    fn owned_by(&self, customer: &Customer) -> Result<Vec<Element<'e>>, WhyNot> {
        let mut elements = self.elements()?;
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
    fn elements(&self) -> Result<Vec<Element<'e>>, WhyNot> {
        let of_event = self.of_event();
        self.take_elements(self.elements_most(of_event.len()))?;
        let is_shown = |account: &&str| {
            self.visibility
                .as_ref()
                .is_none_or(|visibility| visibility.shows(account))
        };
        let names_none = self.event.accounts.is_empty();
        let all_named = self.event.impact.iter().any(|impact| impact.accounts.is_empty());
        let mut elements = Vec::with_capacity(of_event.len());
        let mut named = HashSet::new();
        for (nth, impact) in self.event.impact.iter().enumerate() {
            let impact_of = |account: Option<&'e str>| Element {
                impact: Some(nth),
                account,
            };
            let here = impact.accounts.iter().map(String::as_str).filter(is_shown);
            if !all_named {
                named.extend(here.clone());
            }
            elements.extend(here.map(|account| impact_of(Some(account))));
            match impact.accounts.is_empty() {
                true if names_none => elements.push(impact_of(None)),
                true => elements.extend(of_event.iter().map(|account| impact_of(Some(account)))),
                false => {}
            }
        }
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
        Ok(elements)
    }

    /// How many elements the event has at most, seen for so many accounts.
    fn elements_most(&self, accounts: usize) -> usize {
        let of_impact = |impact: &Impact| match impact.accounts.len() {
            0 => accounts.max(1),
            some => some,
        };
        self.event.impact.iter().map(of_impact).sum::<usize>() + accounts
    }

    fn take_elements(&self, count: usize) -> Result<(), TooCostly> {
        self.steps.take(count as u64 * steps::ELEMENT)
    }

    /// Everything of a condition that looks at the event as a whole.
    fn holds(&self, condition: &Condition) -> Result<(), WhyNot> {
        self.has_words(condition)?;
        self.has_texts(condition)
    }

    /// What of that is one of a few words.
    fn has_words(&self, condition: &Condition) -> Result<(), WhyNot> {
        let event = self.event;
        one_of("event type", &condition.event_types, Some(event.event_type))?;
        one_of("stage", &condition.stages, Some(event.stage))?;
        one_of("kind", &condition.kinds, Some(event.kind))?;
        one_of("level", &condition.levels, event.level)?;
        one_of("provider", &condition.providers, Some(event.provider))?;
        one_of("size", &condition.sizes, self.measure.size)?;
        let Some(lasted) = condition.lasted else { return Ok(()) };
        match self.measure.lasted {
            Some(long) if lasted.holds(long) => Ok(()),
            long => Err(WhyNot::Differs {
                key: "lasted".to_owned(),
                wants: lasted.to_string(),
                is: long.map(spelled),
            }),
        }
    }

    /// What of that is text.
    fn has_texts(&self, condition: &Condition) -> Result<(), WhyNot> {
        let (subject, steps) = (self.subject, self.steps);
        any_of("title", condition.title.as_deref(), Some(&subject.title), steps)?;
        any_of("text", condition.text.as_deref(), Some(&subject.text), steps)?;
        let tracking_id = Some(&subject.tracking_id);
        any_of("tracking id", condition.tracking_ids.as_deref(), tracking_id, steps)?;
        subtype(condition, self.event, steps)?;
        for (key, patterns) in &condition.properties {
            let value = property(self.event, key, steps)?;
            any_of("properties", Some(patterns), value.as_ref(), steps).map_err(|why| why.of_property(key))?;
        }
        Ok(())
    }

    fn narrowed_by_account(&self, condition: &Condition, from: Vec<Element<'e>>) -> Result<Vec<Element<'e>>, WhyNot> {
        self.take_elements(from.len())?;
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
        let hits = self.hits(pairs)?;
        self.take_elements(from.len())?;
        let is_hit = |element: &Element<'_>| element.impact.is_some_and(|nth| hits[nth]);
        let kept: Vec<_> = from.iter().copied().filter(is_hit).collect();
        if !kept.is_empty() {
            return Ok(kept);
        }
        let is: BTreeSet<usize> = from.iter().filter_map(|element| element.impact).collect();
        let is = is.into_iter().filter_map(|nth| self.event.impact.get(nth));
        Err(WhyNot::Impact {
            wants: either(pairs.iter().map(|pair| &pair.written)),
            is: of_event_by(is, describe),
        })
    }

    /// Which of the event's impacts is one of the pairs.
    fn hits(&self, pairs: &[ImpactPattern]) -> Result<Vec<bool>, TooCostly> {
        let comparisons: usize = pairs.iter().map(ImpactPattern::comparisons).sum();
        self.steps.take(self.event.impact.len() as u64 * comparisons as u64)?;
        let impact = self.subject.impact(self.catalogue).iter();
        Ok(impact.map(|one| pairs.iter().any(|pair| pair.matches(one))).collect())
    }

    /// What `unless` leaves.
    fn without(&self, rule: &Rule, mut kept: Vec<Element<'e>>) -> Result<Vec<Element<'e>>, WhyNot> {
        for (nth, unless) in rule.unless.iter().enumerate() {
            match self.holds(unless) {
                Ok(()) => self.take_elements(kept.len())?,
                Err(WhyNot::TooCostly) => return Err(WhyNot::TooCostly),
                Err(_) => continue,
            }
            let hits = unless.impact.as_ref().map(|pairs| self.hits(pairs)).transpose()?;
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
    fn left(&self, elements: &[Element<'e>]) -> Result<Left, WhyNot> {
        self.take_elements(elements.len())?;
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
            let accounts = if here == all { Vec::new() } else { owned(&here) };
            let Impact {
                service,
                service_id,
                region,
                accounts: _,
            } = self.event.impact.get(nth)?;
            Some(Impact {
                service: service.clone(),
                service_id: service_id.clone(),
                region: region.clone(),
                accounts,
            })
        });
        Ok(Left {
            impact: impact.collect(),
            accounts: owned(&all),
        })
    }
}

/// The accounts of elements, sorted, each once.
fn accounts<'e>(elements: &[Element<'e>]) -> Vec<&'e str> {
    let mut all: Vec<&str> = elements.iter().filter_map(|element| element.account).collect();
    // an event names them in order
    if !all.is_sorted() {
        all.sort_unstable();
    }
    all.dedup();
    all
}

fn owned(accounts: &[&str]) -> Vec<String> {
    accounts.iter().map(|account| (*account).to_owned()).collect()
}

pub fn lists(customer: &Customer, source: &str) -> bool {
    customer.public.iter().any(|listed| listed.eq_ignore_ascii_case(source))
}

fn describe(impact: &Impact) -> String {
    match &impact.region {
        Some(region) => format!("{} in {region}", impact.service_name()),
        None => impact.service_name().to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
