//! Whether a rule matches an event, why not, and what of the event is left: slow, obvious, and therefore right.
//!
//! An event is a set of elements: each impacted service in its region, for each account it was sent for. A rule sees
//! the elements of accounts its customer owns; `subscriptions` and `impact` keep elements, `unless` removes some, and
//! the rule matches if one is left. Any faster matcher must agree with this one.

use crate::customer::{Customer, CustomerId, Customers, Sees};
use crate::event::catalogue::Catalogue;
use crate::event::{Event, Impact, Provider, fold};

use super::why::{WhyNot, either, of_event};
use super::{Condition, ImpactPattern, Pattern, Rule};

/// What became of one rule and one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// The rule matches, and this is left of the event for it.
    Matches(Left),
    /// It does not, and why.
    No(WhyNot),
}

/// What is left of an event after a rule's narrowing: never more than its customer owns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    let judge = Judge { event, customers, catalogue };
    match judge.by_all(rule) {
        Ok(elements) => Judgement::Matches(judge.left(&elements)),
        Err(why) => Judgement::No(why),
    }
}

/// Whether everything of `when` that looks at the event as a whole holds: what most rules fail first.
pub fn may_match(rule: &Rule, event: &Event, customers: &Customers, catalogue: &Catalogue) -> bool {
    rule.enabled && Judge { event, customers, catalogue }.holds(&rule.when).is_ok()
}

/// Judges an event that those who were told of its incident may still have to hear of: by ownership, `subscriptions`
/// and `unless` alone. What the rule's `impact` names is shown alone if any of it is left.
pub fn judge_following(rule: &Rule, event: &Event, customers: &Customers, catalogue: &Catalogue) -> Judgement {
    let judge = Judge { event, customers, catalogue };
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
}

impl<'e> Judge<'e> {
    fn by_all(&self, rule: &Rule) -> Result<Vec<Element<'e>>, WhyNot> {
        let seen = self.seen(rule)?;
        self.holds(&rule.when)?;
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
        pairs.and_then(|pairs| self.narrowed_by_impact(pairs, elements.clone()).ok()).unwrap_or(elements)
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
        if is_own && !rule.when.kinds.as_ref().is_some_and(|kinds| kinds.contains(&self.event.kind)) {
            return Err(WhyNot::Own { kind: self.event.kind });
        }
        match self.customers.sees(&rule.customer) {
            Sees::Everything => Ok(self.elements()),
            Sees::Nothing => Err(WhyNot::Unknown { customer: rule.customer.clone() }),
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
        if elements.iter().all(|element| element.account.is_none()) {
            let source = self.event.source.as_deref();
            let is_public = source.is_some_and(|source| lists(customer, source));
            return if is_public { Ok(elements) } else { Err(WhyNot::NotPublic { source: source.map(str::to_owned) }) };
        }
        elements.retain(|element| element.account.is_some_and(|account| customer.accounts.contains(account)));
        if elements.is_empty() { Err(WhyNot::NotYours) } else { Ok(elements) }
    }

    /// All elements of the event. An account that no impact names has the unnamed part.
    fn elements(&self) -> Vec<Element<'e>> {
        let event = self.event;
        let mut elements = Vec::new();
        for (nth, impact) in event.impact.iter().enumerate() {
            let accounts = if impact.accounts.is_empty() { &event.accounts } else { &impact.accounts };
            elements.extend(accounts.iter().map(|account| Element { impact: Some(nth), account: Some(account) }));
            if accounts.is_empty() {
                elements.push(Element { impact: Some(nth), account: None });
            }
        }
        let named: std::collections::BTreeSet<_> = elements.iter().filter_map(|element| element.account).collect();
        let unnamed = event.accounts.iter().filter(|account| !named.contains(account.as_str()));
        elements.extend(unnamed.map(|account| Element { impact: None, account: Some(account) }));
        if elements.is_empty() {
            elements.push(Element { impact: None, account: None });
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
        any_of("tracking id", condition.tracking_ids.as_deref(), Some(&event.tracking_id))?;
        subtype(condition, event)?;
        for (key, patterns) in &condition.properties {
            let value = property(event, key);
            any_of("properties", Some(patterns), value).map_err(|why| why.of_property(key))?;
        }
        Ok(())
    }

    fn narrowed_by_account(&self, condition: &Condition, from: Vec<Element<'e>>) -> Result<Vec<Element<'e>>, WhyNot> {
        let kept: Vec<_> = from.iter().copied().filter(|element| self.is_of_account(condition, element)).collect();
        if !kept.is_empty() {
            return Ok(kept);
        }
        let is = accounts(&from);
        match &condition.subscriptions {
            Some(wants) => Err(WhyNot::Subscriptions { wants: either(wants), is: of_event(&is) }),
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
        Err(WhyNot::Impact { wants: either(pairs.iter().map(|pair| &pair.written)), is: of_event(&is) })
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
                return Err(WhyNot::Unless { nth, of: rule.unless.len(), what: unless.describe() });
            }
        }
        Ok(kept)
    }

    /// The elements as people are told them.
    fn left(&self, elements: &[Element<'e>]) -> Left {
        let all = accounts(elements);
        let impact = self.event.impact.iter().enumerate().filter_map(|(nth, impact)| {
            let of_this = elements.iter().copied().filter(|element| element.impact == Some(nth)).collect::<Vec<_>>();
            let here = accounts(&of_this);
            let here = if here == all { Vec::new() } else { here };
            (!of_this.is_empty()).then(|| Impact { accounts: here, ..impact.clone() })
        });
        Left { impact: impact.collect(), accounts: all }
    }
}

/// The accounts of elements, sorted, each once.
fn accounts(elements: &[Element<'_>]) -> Vec<String> {
    let all: std::collections::BTreeSet<_> = elements.iter().filter_map(|element| element.account).collect();
    all.into_iter().map(str::to_owned).collect()
}

fn lists(customer: &Customer, source: &str) -> bool {
    customer.public.iter().any(|listed| listed.eq_ignore_ascii_case(source))
}

fn one_of<T: Copy + PartialEq + std::fmt::Display>(
    key: &'static str,
    wants: &Option<Vec<T>>,
    is: Option<T>,
) -> Result<(), WhyNot> {
    let Some(wants) = wants else { return Ok(()) };
    if is.is_some_and(|is| wants.contains(&is)) {
        return Ok(());
    }
    let is: Vec<_> = is.iter().map(T::to_string).collect();
    Err(WhyNot::Differs { key: key.to_owned(), wants: either(wants), is: of_event(&is) })
}

fn any_of(key: &str, patterns: Option<&[Pattern]>, is: Option<&str>) -> Result<(), WhyNot> {
    let Some(patterns) = patterns else { return Ok(()) };
    if is.is_some_and(|is| patterns.iter().any(|pattern| pattern.matches(is))) {
        return Ok(());
    }
    let is: Vec<_> = is.into_iter().collect();
    let wants = either(patterns.iter().map(|pattern| &pattern.source));
    Err(WhyNot::Differs { key: key.to_owned(), wants, is: of_event(&is) })
}

fn subtype(condition: &Condition, event: &Event) -> Result<(), WhyNot> {
    let Some(wants) = &condition.subtypes else { return Ok(()) };
    if event.subtype.as_ref().is_some_and(|is| wants.contains(&fold(is))) {
        return Ok(());
    }
    let is: Vec<_> = event.subtype.iter().collect();
    Err(WhyNot::Differs { key: "subtype".to_owned(), wants: either(wants), is: of_event(&is) })
}

/// A custom property, its key compared without case, spaces, hyphens and underscores if it is not there exactly.
fn property<'e>(event: &'e Event, key: &str) -> Option<&'e str> {
    let alike = || event.properties.iter().find(|(name, _)| fold(name) == fold(key)).map(|(_, value)| value);
    event.properties.get(key).or_else(alike).map(String::as_str)
}

impl ImpactPattern {
    /// Whether one impact of an event is this service in this region.
    pub fn matches(&self, impact: &Impact, catalogue: &Catalogue) -> bool {
        let service = self.services.as_ref().is_none_or(|services| is_service(services, impact, catalogue));
        let region = self.regions.as_ref().is_none_or(|regions| {
            impact.region.as_ref().is_some_and(|region| regions.contains(&fold(region)))
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
