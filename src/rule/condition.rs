//! Whether a rule matches an event, why not, and what of the event is left: slow, obvious, and therefore right.
//!
//! An event is a set of elements: each impacted service in its region, for each account it was sent for. A rule sees
//! the elements of accounts its customer owns; `subscriptions` and `impact` keep elements, `unless` removes some, and
//! the rule matches if one is left. Any faster matcher must agree with this one.

use std::collections::BTreeMap;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

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
        sight: None,
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
        sight: Some(Sight::of(rule, event, customers)),
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
        sight: None,
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
    sight: Option<Sight<'e>>,
}

/// The accounts that a rule can match at all.
struct Sight<'e> {
    /// Each set must hold the account.
    within: Vec<&'e BTreeSet<String>>,
    /// Those of the event.
    of_event: Vec<&'e str>,
}

impl<'e> Sight<'e> {
    fn of(rule: &'e Rule, event: &'e Event, customers: &'e Customers) -> Self {
        let mut within: Vec<&BTreeSet<String>> = rule.when.subscriptions.iter().map(|ids| &**ids).collect();
        if let Sees::Owned(customer) = customers.sees(&rule.customer)
            && event.provider != Provider::Bellwether
        {
            within.push(&customer.accounts);
        }
        let mut sight = Self {
            within,
            of_event: Vec::new(),
        };
        let smallest = sight.within.iter().min_by_key(|ids| ids.len());
        sight.of_event = match smallest.filter(|ids| ids.len() < event.accounts.len()) {
            Some(ids) => {
                let ids = ids
                    .iter()
                    .filter(|id| sight.shows(id) && event.accounts.binary_search(id).is_ok());
                ids.map(String::as_str).collect()
            }
            None => event
                .accounts
                .iter()
                .filter(|id| sight.shows(id))
                .map(String::as_str)
                .collect(),
        };
        sight
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
        match &self.sight {
            Some(sight) => sight.of_event.clone(),
            None => self.event.accounts.iter().map(String::as_str).collect(),
        }
    }

    /// All elements of the event. An account that no impact names has the unnamed part.
    fn elements(&self) -> Vec<Element<'e>> {
        let of_event = self.of_event();
        let is_shown = |account: &&str| self.sight.as_ref().is_none_or(|sight| sight.shows(account));
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
    Err(WhyNot::Differs {
        key: key.to_owned(),
        wants: either(wants),
        is: of_event(&is),
    })
}

fn any_of(key: &str, patterns: Option<&[Pattern]>, is: Option<&str>) -> Result<(), WhyNot> {
    let Some(patterns) = patterns else { return Ok(()) };
    if is.is_some_and(|is| patterns.iter().any(|pattern| pattern.matches(is))) {
        return Ok(());
    }
    let is: Vec<_> = is.into_iter().collect();
    let wants = either(patterns.iter().map(|pattern| &pattern.source));
    Err(WhyNot::Differs {
        key: key.to_owned(),
        wants,
        is: of_event(&is),
    })
}

fn subtype(condition: &Condition, event: &Event) -> Result<(), WhyNot> {
    let Some(wants) = &condition.subtypes else {
        return Ok(());
    };
    if event.subtype.as_ref().is_some_and(|is| wants.contains(&fold(is))) {
        return Ok(());
    }
    let is: Vec<_> = event.subtype.iter().collect();
    Err(WhyNot::Differs {
        key: "subtype".to_owned(),
        wants: either(wants),
        is: of_event(&is),
    })
}

/// A custom property, its key compared without case, spaces, hyphens and underscores if it is not there exactly.
fn property<'e>(event: &'e Event, key: &str) -> Option<&'e str> {
    let alike = || {
        event
            .properties
            .iter()
            .find(|(name, _)| fold(name) == fold(key))
            .map(|(_, value)| value)
    };
    event.properties.get(key).or_else(alike).map(String::as_str)
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
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::{Arrival, EventType, Form, Kind, Stage};
    use crate::rule::check::{Deciding, Source, check};

    /// An active service issue of Virtual Machines in East US, changed by `change`.
    pub(crate) fn event(change: impl FnOnce(&mut Event)) -> Event {
        let mut event = Event {
            provider: Provider::Azure,
            source: None,
            tracking_id: "0NIH-U2O".to_owned(),
            event_type: EventType::ServiceIssue,
            subtype: None,
            stage: Stage::Active,
            kind: Kind::Update,
            level: None,
            title: "Active - Virtual Machines".to_owned(),
            html: String::new(),
            text: "What happened?".to_owned(),
            impact: vec![impact("Virtual Machines", "East US")],
            accounts: vec!["prod".to_owned()],
            impact_start: None,
            impact_end: None,
            published: chrono::DateTime::UNIX_EPOCH,
            sessions: Vec::new(),
            link: None,
            properties: BTreeMap::new(),
            test: false,
            communication_id: None,
            arrival: Arrival::Live,
            form: Form::AzureActivityLogWebhook,
        };
        change(&mut event);
        event
    }

    fn impact(service: &str, region: &str) -> Impact {
        let region = (!region.is_empty()).then(|| region.to_owned());
        Impact {
            service: service.to_owned(),
            service_id: None,
            region,
            accounts: Vec::new(),
        }
    }

    fn for_accounts(service: &str, region: &str, accounts: &[&str]) -> Impact {
        Impact {
            accounts: accounts.iter().map(|one| (*one).to_owned()).collect(),
            ..impact(service, region)
        }
    }

    /// Three accounts; contoso owns two of them and sees one public source.
    fn customers() -> Customers {
        let contoso = Customer {
            accounts: ["prod", "dev"].map(str::to_owned).into(),
            public: ["githubstatus.com".to_owned()].into(),
            ..Customer::default()
        };
        let fabrikam = Customer {
            accounts: ["other".to_owned()].into(),
            ..Customer::default()
        };
        let by_name = BTreeMap::from([
            (CustomerId::new("contoso"), contoso),
            (CustomerId::new("fabrikam"), fabrikam),
        ]);
        Customers {
            by_name: Some(by_name),
            contact: None,
        }
    }

    fn rule_of(customer: &str, conditions: &str, customers: &Customers) -> Rule {
        let text = format!(
            "subscriptions: {{ production: [prod], development: [dev] }}\nreceivers: {{ r: [{{ email: a@b.example }}] }}\nrules:\n  - name: one\n    notify: r\n{conditions}"
        );
        let source = Source {
            path: format!("{customer}/a.yaml"),
            text,
        };
        let settings = Deciding::new(customers.clone(), None, false).expect("settings");
        let checked = check(&[source], &Default::default(), &settings);
        let errors: Vec<_> = checked.problems.iter().filter(|problem| problem.is_error()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        Rule::clone(checked.set.rule(&CustomerId::new(customer), "one").expect("the rule"))
    }

    fn judged(customer: &str, conditions: &str, event: &Event) -> Result<Left, String> {
        let customers = customers();
        match judge(
            &rule_of(customer, conditions, &customers),
            event,
            &customers,
            &Catalogue::shipped(),
        ) {
            Judgement::Matches(left) => Ok(left),
            Judgement::No(why) => Err(why.to_string()),
        }
    }

    fn contoso(conditions: &str, event: &Event) -> Result<Left, String> {
        judged("contoso", conditions, event)
    }

    /// What is left, in short: `Storage in East US (prod); all: dev prod`.
    fn short(left: Result<Left, String>) -> String {
        let left = match left {
            Ok(left) => left,
            Err(why) => return why,
        };
        let impact = left.impact.iter().map(|impact| match impact.accounts.is_empty() {
            true => describe(impact),
            false => format!("{} ({})", describe(impact), impact.accounts.join(" ")),
        });
        format!(
            "{}; all: {}",
            impact.collect::<Vec<_>>().join(", "),
            left.accounts.join(" ")
        )
    }

    #[test]
    fn nothing_asked_matches_every_event_of_a_provider() {
        assert!(contoso("    when: {}", &event(|_| ())).is_ok());
        assert!(contoso("    when: {}", &event(|event| event.impact.clear())).is_ok());
    }

    #[test]
    fn a_customer_sees_what_was_sent_for_its_accounts_and_no_more() {
        let shared = event(|event| {
            event.accounts = vec!["dev".to_owned(), "other".to_owned()];
            event.impact = vec![
                impact("Storage", "East US"),
                for_accounts("SQL Database", "West Europe", &["other"]),
            ];
        });
        assert_eq!(short(contoso("    when: {}", &shared)), "Storage in East US; all: dev");
        assert_eq!(
            short(judged("_operator", "    when: {}", &shared)),
            "Storage in East US, SQL Database in West Europe (other); all: dev other"
        );
        let foreign = event(|event| event.accounts = vec!["other".to_owned()]);
        assert_eq!(
            short(contoso("    when: {}", &foreign)),
            "it was not sent for any of the customer's accounts"
        );
        assert_eq!(
            short(contoso("    when: { title: '*x*' }", &foreign)),
            "it was not sent for any of the customer's accounts"
        );
    }

    #[test]
    fn an_event_without_accounts_belongs_to_those_who_list_its_source() {
        let public = |source: Option<&str>| {
            event(|event| {
                event.accounts.clear();
                event.source = source.map(str::to_owned);
            })
        };
        assert_eq!(
            short(contoso("    when: {}", &public(Some("GitHubStatus.com")))),
            "Virtual Machines in East US; all: "
        );
        let why = short(contoso("    when: {}", &public(Some("status.example"))));
        assert_eq!(
            why,
            "it names no account, and `status.example` is not under the customer's `public`"
        );
        assert_eq!(
            short(contoso("    when: {}", &public(None))),
            "it names neither an account nor a source"
        );
        assert!(judged("_operator", "    when: {}", &public(None)).is_ok());
    }

    #[test]
    fn a_pair_matches_a_service_in_its_region_only() {
        let both = event(|event| {
            event.impact = vec![
                impact("SQL Database", "West Europe"),
                impact("Virtual Machines", "East US"),
            ]
        });
        let pair = "    when: { impact: [{ service: SQL Database, region: East US }] }";
        assert_eq!(
            short(contoso(pair, &both)),
            "impact: the rule wants SQL Database in East US, the event has SQL Database in West Europe and Virtual Machines in East US"
        );
        let short_form = "    when: { service: [virtual-machines, Storage], region: eastus }";
        assert_eq!(
            short(contoso(short_form, &both)),
            "Virtual Machines in East US; all: prod"
        );
    }

    #[test]
    fn former_names_and_ids_are_the_same_service() {
        let by_id = "    when: { service: fd8065f5-ffd0-4756-8788-e6a11bf36257 }";
        assert!(contoso(by_id, &event(|_| ())).is_ok());
        let renamed = event(|event| event.impact = vec![impact("Azure Active Directory", "Global")]);
        assert!(contoso("    when: { service: Microsoft Entra ID }", &renamed).is_ok());
        let unknown_id =
            event(|event| event.impact[0].service_id = Some("00000000-0000-4000-8000-00000000abcd".to_owned()));
        assert!(
            contoso(
                "    when: { service: 00000000-0000-4000-8000-00000000ABCD }",
                &unknown_id
            )
            .is_ok()
        );
    }

    #[test]
    fn global_is_what_it_says_and_no_region_is_none() {
        assert!(contoso("    when: { region: Global }", &event(|_| ())).is_err());
        let unplaced = event(|event| event.impact = vec![impact("Storage", "")]);
        assert!(contoso("    when: { region: East US }", &unplaced).is_err());
        assert!(contoso("    when: { service: Storage }", &unplaced).is_ok());
        let unnamed = event(|event| event.impact.clear());
        let why = short(contoso("    when: { service: Storage }", &unnamed));
        assert_eq!(why, "impact: the rule wants Storage, the event names none");
    }

    #[test]
    fn unless_takes_only_the_part_it_names() {
        let wide = event(|event| {
            event.accounts = vec!["dev".to_owned(), "prod".to_owned()];
            event.impact = vec![impact("Storage", "East US"), impact("Storage", "West Europe")];
        });
        let unless = "    when: {}\n    unless: { region: West Europe, subscriptions: development }";
        assert_eq!(
            short(contoso(unless, &wide)),
            "Storage in East US, Storage in West Europe (prod); all: dev prod"
        );
        let region = "    when: {}\n    unless: { region: West Europe }";
        assert_eq!(short(contoso(region, &wide)), "Storage in East US; all: dev prod");
        let group = "    when: {}\n    unless: { subscriptions: development }";
        assert_eq!(
            short(contoso(group, &wide)),
            "Storage in East US, Storage in West Europe; all: prod"
        );
        let title = "    when: {}\n    unless: [{ title: '*drill*' }, { title: 'active*' }]";
        assert_eq!(
            short(contoso(title, &wide)),
            "`unless` no. 2 takes what is left: title active*"
        );
        let other_title = "    when: {}\n    unless: { title: '*drill*', region: West Europe }";
        assert_eq!(
            short(contoso(other_title, &wide)),
            "Storage in East US, Storage in West Europe; all: dev prod"
        );
    }

    #[test]
    fn a_region_impacted_for_one_account_only_is_told_for_that_one() {
        let uneven = event(|event| {
            event.accounts = vec!["dev".to_owned(), "prod".to_owned()];
            event.impact = vec![
                for_accounts("Storage", "East US", &["dev"]),
                for_accounts("Storage", "West Europe", &["prod"]),
            ];
        });
        assert_eq!(
            short(contoso("    when: { subscriptions: production }", &uneven)),
            "Storage in West Europe; all: prod"
        );
        let never = short(contoso(
            "    when: { subscriptions: production, region: East US }",
            &uneven,
        ));
        assert_eq!(
            never,
            "impact: the rule wants anything in East US, the event has Storage in West Europe"
        );
    }

    #[test]
    fn an_account_that_no_impact_names_has_the_unnamed_part() {
        let event = event(|event| {
            event.accounts = vec!["dev".to_owned(), "prod".to_owned()];
            event.impact = vec![for_accounts("Storage", "East US", &["dev"])];
        });
        assert_eq!(
            short(contoso("    when: { subscriptions: production }", &event)),
            "; all: prod"
        );
        assert_eq!(
            short(contoso("    when: {}", &event)),
            "Storage in East US (dev); all: dev prod"
        );
    }

    #[test]
    fn what_the_event_is_must_be_one_of_what_the_rule_lists() {
        let review = event(|event| {
            event.stage = Stage::Rca;
            event.subtype = Some("Retire-ment".to_owned());
            event.properties = BTreeMap::from([("Team_Name".to_owned(), "Blue Team".to_owned())]);
        });
        let good = "    when: { event type: [Incident, Billing], stage: PIR, tracking id: 0nih-*, text: '/HAPPENED\\?/', subtype: retirement, properties: { team name: 'blue*' }, provider: azure }";
        assert!(contoso(good, &review).is_ok(), "{:?}", contoso(good, &review));
        for (condition, why) in [
            ("stage: Active", "stage: the rule wants Active, the event has RCA"),
            ("level: Error", "level: the rule wants Error, the event names none"),
            (
                "title: '*drill*'",
                "title: the rule wants *drill*, the event has Active - Virtual Machines",
            ),
            (
                "kind: [mitigation, retraction]",
                "kind: the rule wants mitigation or retraction, the event has update",
            ),
            (
                "properties: { cost: '7*' }",
                "property `cost`: the rule wants 7*, the event names none",
            ),
            ("provider: aws", "provider: the rule wants aws, the event has azure"),
        ] {
            assert_eq!(short(contoso(&format!("    when: {{ {condition} }}"), &review)), why);
        }
    }

    #[test]
    fn test_events_and_own_events_need_to_be_asked_for() {
        let test = event(|event| event.test = true);
        assert!(contoso("    when: {}", &test).is_err());
        assert!(contoso("    when: {}\n    test events: true", &test).is_ok());
        let own = |source: &str| {
            event(|event| {
                event.provider = Provider::Bellwether;
                event.kind = Kind::RulesBroken;
                event.accounts.clear();
                event.source = Some(source.to_owned());
            })
        };
        assert!(contoso("    when: {}", &own("contoso")).is_err());
        assert!(contoso("    when: { kind: rules-broken }", &own("contoso")).is_ok());
        assert!(contoso("    when: { kind: rules-broken }", &own("fabrikam")).is_err());
        assert!(judged("_operator", "    when: { kind: rules-broken }", &own("fabrikam")).is_ok());
        assert!(contoso("    when: {}\n    enabled: false", &event(|_| ())).is_err());
    }

    #[test]
    fn owner_none_is_what_nobody_owns() {
        let lost = event(|event| event.accounts = vec!["lost".to_owned(), "prod".to_owned()]);
        assert_eq!(
            short(judged("_operator", "    when: { owner: none }", &lost)),
            "Virtual Machines in East US; all: lost"
        );
        let owned = short(judged("_operator", "    when: { owner: none }", &event(|_| ())));
        assert_eq!(owned, "`owner: none`: everything it was sent for has an owner");
    }

    #[test]
    fn who_was_told_is_told_the_ending_by_accounts_alone() {
        let customers = customers();
        let rule = rule_of(
            "contoso",
            "    when: { stage: Active, level: Error, subscriptions: production, region: East US }\n    unless: { title: '*drill*' }",
            &customers,
        );
        let follows = |event: &Event| judge_following(&rule, event, &customers, &Catalogue::shipped()).left();
        let ending = event(|event| {
            event.stage = Stage::Resolved;
            event.impact.push(impact("Storage", "West Europe"));
        });
        assert_eq!(
            short(Ok(follows(&ending).expect("an ending"))),
            "Virtual Machines in East US; all: prod"
        );
        let elsewhere = event(|event| event.impact = vec![impact("Storage", "West Europe")]);
        assert_eq!(
            short(Ok(follows(&elsewhere).expect("an ending"))),
            "Storage in West Europe; all: prod"
        );
        assert!(follows(&event(|event| event.accounts = vec!["dev".to_owned()])).is_none());
        assert!(follows(&event(|event| event.title = "a drill".to_owned())).is_none());
    }

    mod narrowing {
        use proptest::prelude::*;

        use super::*;

        const SERVICES: [&str; 3] = ["Virtual Machines", "Storage", "SQL Database"];
        const REGIONS: [&str; 3] = ["East US", "West Europe", "Global"];
        const ACCOUNTS: [&str; 3] = ["prod", "dev", "other"];

        fn some(all: [&'static str; 3]) -> impl Strategy<Value = Vec<&'static str>> {
            proptest::sample::subsequence(all.to_vec(), 1..=3)
        }

        fn some_events() -> impl Strategy<Value = Event> {
            let impacts = proptest::collection::vec((0..3_usize, 0..3_usize), 0..5);
            (impacts, some(ACCOUNTS)).prop_map(|(impacts, accounts)| {
                event(|event| {
                    event.impact = impacts
                        .iter()
                        .map(|(service, region)| impact(SERVICES[*service], REGIONS[*region]))
                        .collect();
                    event.impact.sort();
                    event.impact.dedup();
                    event.accounts = accounts.iter().map(|one| (*one).to_owned()).collect();
                    event.accounts.sort();
                })
            })
        }

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(32))]

            #[test]
            fn nobody_ever_sees_more_than_it_owns(event in some_events()) {
                if let Ok(left) = contoso("    when: {}", &event) {
                    prop_assert!(left.accounts.iter().all(|account| account != "other"));
                    prop_assert!(left.impact.iter().flat_map(|impact| &impact.accounts).all(|account| account != "other"));
                }
            }

            #[test]
            fn when_and_unless_share_the_event_between_them(event in some_events(), services in some(SERVICES), regions in some(REGIONS)) {
                let named = format!("{{ service: [{}], region: [{}] }}", services.join(", "), regions.join(", "));
                let all = contoso("    when: {}", &event);
                let with = contoso(&format!("    when: {named}"), &event).map(|left| left.impact).unwrap_or_default();
                let without = contoso(&format!("    when: {{}}\n    unless: {named}"), &event).map(|left| left.impact).unwrap_or_default();
                let mut together = [with.clone(), without.clone()].concat();
                together.sort();
                prop_assert_eq!(together, all.map(|left| left.impact).unwrap_or_default());
                prop_assert!(with.iter().all(|impact| !without.contains(impact)));
            }
        }
    }
}
