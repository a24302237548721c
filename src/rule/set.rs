//! One revision of everybody's rules: what an event is decided by. Immutable; built whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::channel::{Address, EmailAddress};
use crate::customer::{CustomerId, Customers, HOUSE, OPERATOR};
use crate::event::catalogue::Catalogue;
use crate::event::{Event, Kind};
use crate::notification::{EndpointId, hash};

use super::check::Deciding;
use super::condition::{Judgement, Left, judge, judge_following};
use super::index::{Builder, Facts, Index, Keys, Scratch};
use super::{Condition, Follow, Receiver, Revision, Rule, RuleFile};

/// The built-in rule that tells a customer's contact about broken rule files.
pub const RULE_FILES: &str = "(rule files)";

/// The built-in receiver: a customer's contact.
pub const CONTACT: &str = "(contact)";

/// Everybody's rules at one moment, with the settings that decide.
#[derive(Debug)]
pub struct RuleSet {
    /// Its name.
    pub revision: Revision,
    /// Who owns what.
    pub customers: Arc<Customers>,
    /// Names of services and regions.
    pub catalogue: Arc<Catalogue>,
    /// The files in force, by path.
    pub files: BTreeMap<String, Arc<RuleFile>>,
    /// Receivers by customer and name.
    pub receivers: BTreeMap<(CustomerId, String), Arc<Receiver>>,
    rules: Vec<Arc<Rule>>,
    by_name: BTreeMap<(CustomerId, String), usize>,
    endpoints: BTreeMap<EndpointId, (Arc<Receiver>, usize)>,
    index: Index,
    /// Room for searches, so that each does not make its own.
    room: Mutex<Vec<Scratch>>,
}

/// A rule that matched, and what it left of the event.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What is left of the event for it.
    pub left: Left,
}

impl RuleSet {
    /// The rules of these files, and the built-in ones.
    pub fn new(files: BTreeMap<String, Arc<RuleFile>>, settings: &Deciding) -> Self {
        let mut set = Self {
            revision: revision(&files, settings),
            customers: Arc::new(settings.customers.clone()),
            catalogue: settings.catalogue.clone(),
            rules: files.values().flat_map(|file| file.rules.iter().cloned()).collect(),
            receivers: BTreeMap::new(),
            by_name: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            index: Builder::new(Keys::default()).build(),
            room: Mutex::default(),
            files,
        };
        let receivers: Vec<_> = set
            .files
            .values()
            .flat_map(|file| file.receivers.iter().cloned())
            .collect();
        receivers.into_iter().for_each(|receiver| set.add_receiver(receiver));
        for (rule, contact) in built_in(&settings.customers) {
            set.rules.push(Arc::new(rule));
            set.add_receiver(Arc::new(contact));
        }
        let named = set
            .rules
            .iter()
            .enumerate()
            .map(|(nth, rule)| ((rule.customer.clone(), rule.name.clone()), nth));
        set.by_name = named.collect();
        let mut builder = Builder::new(Keys::default());
        for (nth, rule) in set.rules.iter().enumerate() {
            builder.add_rule(nth as u32, rule, &set.customers);
        }
        set.index = builder.build();
        set
    }

    fn add_receiver(&mut self, receiver: Arc<Receiver>) {
        for (nth, address) in receiver.to.iter().enumerate() {
            let endpoint = address.endpoint(&receiver.customer);
            self.endpoints
                .entry(endpoint)
                .or_insert_with(|| (receiver.clone(), nth));
        }
        self.receivers
            .insert((receiver.customer.clone(), receiver.name.clone()), receiver);
    }

    /// The rules that match, always in the same order: by file, then as written, then the built-in ones.
    pub fn matching(&self, event: &Event) -> Vec<Matched> {
        let matched = self.candidates(event).into_iter().filter_map(|nth| {
            let rule = &self.rules[nth as usize];
            let left = self.judge(rule, event).left()?;
            Some(Matched {
                rule: rule.clone(),
                left,
            })
        });
        matched.collect()
    }

    fn candidates(&self, event: &Event) -> Vec<u32> {
        let free = || self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = free().pop().unwrap_or_default();
        let mut numbers = Vec::new();
        self.index
            .search(&Facts::of(event, &self.catalogue, self.index.keys()), &mut scratch);
        self.index.candidates(&scratch, &mut numbers);
        free().push(scratch);
        numbers
    }

    /// Judges an event by one rule, with the reason why not.
    pub fn judge(&self, rule: &Rule, event: &Event) -> Judgement {
        judge(rule, event, &self.customers, &self.catalogue)
    }

    /// Judges whether those whom `rule` told of the incident must hear of this event too.
    pub fn judge_following(&self, rule: &Rule, event: &Event) -> Judgement {
        judge_following(rule, event, &self.customers, &self.catalogue)
    }

    /// What is left of an event for those whom `rule` told of the incident before, if they must hear of it too.
    pub fn following(&self, rule: &Rule, event: &Event) -> Option<Left> {
        self.judge_following(rule, event).left()
    }

    /// All rules, in their order.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The rule of this name.
    pub fn rule(&self, customer: &CustomerId, name: &str) -> Option<&Arc<Rule>> {
        self.by_name
            .get(&(customer.clone(), name.to_owned()))
            .map(|nth| &self.rules[*nth])
    }

    /// The receiver of this name.
    pub fn receiver(&self, customer: &CustomerId, name: &str) -> Option<&Arc<Receiver>> {
        self.receivers.get(&(customer.clone(), name.to_owned()))
    }

    /// Where an endpoint reads now, or `None` when no receiver names it any more.
    pub fn endpoint(&self, id: &EndpointId) -> Option<(&CustomerId, &Receiver, &Address)> {
        let (receiver, nth) = self.endpoints.get(id)?;
        Some((&receiver.customer, receiver, &receiver.to[*nth]))
    }

    /// The names that a customer's files give to an account: a group that is just this account, or the groups it is in.
    pub fn groups_of(&self, customer: &CustomerId, account: &str) -> Vec<String> {
        let files = self.files.values().filter(|file| file.customer == *customer);
        let groups = files
            .flat_map(|file| &file.groups)
            .filter(|(_, ids)| ids.contains(account));
        let (own, shared): (Vec<_>, Vec<_>) = groups.partition(|(_, ids)| ids.len() == 1);
        let named = if own.is_empty() { shared } else { own };
        named
            .into_iter()
            .map(|(name, _)| name.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }
}

/// A hash over everything that decides.
fn revision(files: &BTreeMap<String, Arc<RuleFile>>, settings: &Deciding) -> Revision {
    let settings = settings.to_text();
    let mut parts = vec![settings.as_str()];
    for (path, file) in files {
        parts.extend([path.as_str(), file.digest.as_str()]);
    }
    Revision(hash(&parts)[..16].to_owned())
}

/// The rules and receivers that nobody writes: contacts are told about their rule files.
fn built_in(customers: &Customers) -> Vec<(Rule, Receiver)> {
    let house = if customers.are_separate() { OPERATOR } else { HOUSE };
    let house = customers
        .contact
        .as_deref()
        .map(|contact| (CustomerId::new(house), contact, true));
    let known = customers.by_name.iter().flatten();
    let own = known.filter_map(|(id, one)| Some((id.clone(), one.contact.as_deref()?, false)));
    let contacts = own.chain(house).filter_map(|(customer, contact, is_house)| {
        let address = EmailAddress::read(contact).ok()?;
        Some((rule_files(&customer, is_house), contact_of(customer, address)))
    });
    contacts.collect()
}

fn rule_files(customer: &CustomerId, is_house: bool) -> Rule {
    let mut kinds = vec![Kind::RulesBroken, Kind::RulesMended];
    kinds.extend(is_house.then_some(Kind::JournalLost));
    Rule {
        customer: customer.clone(),
        name: RULE_FILES.to_owned(),
        when: Condition {
            kinds: Some(kinds),
            ..Condition::default()
        },
        unless: Vec::new(),
        notify: vec![CONTACT.to_owned()],
        invite: Vec::new(),
        settle_seconds: 10,
        follow: Follow::Nothing,
        every: false,
        test_events: false,
        enabled: true,
        line: 0,
    }
}

fn contact_of(customer: CustomerId, address: EmailAddress) -> Receiver {
    Receiver {
        customer,
        name: CONTACT.to_owned(),
        to: vec![Address::Email(address)],
        zone: chrono_tz::UTC,
    }
}
