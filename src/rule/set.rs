//! One revision of everybody's rules: what an event is decided by. Immutable; built whole or not at all.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::channel::Address;
use crate::customer::{CustomerId, Customers, ORGANISATION};
use crate::event::catalogue::Catalogue;
use crate::event::{Event, fold};
use crate::notification::{EndpointId, hash};

use super::condition::{Judgement, Left, Subject, judge, judge_following, left, visible};
use super::deciding::Deciding;
use super::index::{Facts, Keys, Scratch};
use super::steps::{Allowance, TooCostly};
use super::why::WhyNot;
use super::{Receiver, Revision, Rule, RuleFile};

mod built_in;
mod layers;
mod part;
#[cfg(test)]
mod tests;

pub use crate::channel::words::CONTACT;
pub use built_in::RULE_FILES;
pub use layers::Layers;
use part::{Part, Placed};

/// All files in force, by path.
pub type Files = Layers<String, Arc<RuleFile>>;

/// Everybody's rules at one moment, with the settings that decide.
///
/// Revisions that differ by a few files share the rest: the index over all rules, and the maps.
#[derive(Debug)]
pub struct RuleSet {
    /// Its name.
    pub revision: Revision,
    /// Who owns what.
    pub customers: Arc<Customers>,
    /// The accounts that any customer owns, where customers are told apart.
    owned: Arc<HashSet<String>>,
    /// Names of services and regions.
    pub catalogue: Arc<Catalogue>,
    /// The files in force, by path.
    pub files: Files,
    /// Receivers by customer and name.
    pub receivers: Layers<(CustomerId, String), Arc<Receiver>>,
    rules: Layers<(CustomerId, String), Arc<Rule>>,
    endpoints: Layers<EndpointId, (Arc<Receiver>, usize)>,
    /// The rules and receivers that nobody writes.
    built_in: Arc<Vec<(Arc<Rule>, Arc<Receiver>)>>,
    /// How many rules of each customer ask what an incident adds up to; of those with none, nothing stands here.
    measuring: BTreeMap<CustomerId, usize>,
    /// The name of the settings that decide.
    settings: Arc<str>,
    /// The names of all files, added up.
    sum: u128,
    /// All rules as they were when they were last put together.
    whole: Arc<Part>,
    /// The rules of the files that changed since.
    since: Option<Part>,
    /// Room for searches, so that each does not make its own.
    room: Mutex<Vec<[Scratch; 2]>>,
}

/// A rule that matched, and what it left of the event.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What is left of the event for it.
    pub left: Left,
    /// Whether it is not known if it matches: finding out takes more steps than its customer's rules may take of an event.
    /// Then all accounts that it may see are left.
    pub is_too_costly: bool,
}

/// Rules on one event: each customer's take no more of it than they may, whoever else's are tried.
pub struct Matching<'m> {
    rules: &'m RuleSet,
    subject: Subject<'m>,
    allowance: Allowance,
}

/// How large a set of rules is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Rules in force, the built-in ones among them.
    pub rules: usize,
    /// What finding them takes beside their own text, in bytes.
    pub index_bytes: usize,
    /// Files that changed since all rules were last put together.
    pub changed_files: usize,
}

impl RuleSet {
    /// The rules of these files, and the built-in ones.
    pub fn new(files: BTreeMap<String, Arc<RuleFile>>, settings: &Deciding) -> Self {
        let built_in = built_in::of(&settings.customers).into_iter();
        let built_in = built_in.map(|(rule, contact)| (Arc::new(rule), Arc::new(contact)));
        let mut set = Self {
            revision: Revision(String::new()),
            customers: settings.customers.clone(),
            owned: Arc::new(settings.customers.owned()),
            catalogue: settings.catalogue.clone(),
            receivers: Layers::default(),
            rules: Layers::default(),
            endpoints: Layers::default(),
            built_in: Arc::new(built_in.collect()),
            measuring: BTreeMap::new(),
            settings: settings.name().into(),
            sum: files.values().fold(0, |sum, file| sum.wrapping_add(name_of(file))),
            files: files.into(),
            whole: Arc::new(Part::new([].iter(), [].iter(), &settings.customers, Keys::default())),
            since: None,
            room: Mutex::default(),
        };
        set.put_together();
        set
    }

    /// The same rules with everything in one piece again, as if they were read anew: for when many files have changed.
    pub fn whole(&self) -> Self {
        let files = self.files.iter().map(|(path, file)| (path.clone(), file.clone()));
        let mut set = Self {
            files: files.collect::<BTreeMap<_, _>>().into(),
            ..self.sharing()
        };
        set.put_together();
        set
    }

    /// The rules after a change of some files: `before` is what was in force of them. It costs what changed since the
    /// rules were last [`RuleSet::whole`]; all the rest is shared.
    ///
    /// A file whose text is the same may say something else: the groups it names may stand in another file.
    pub fn with(&self, files: &BTreeMap<String, Arc<RuleFile>>, before: &Files) -> Self {
        let differs = |path: &str| match (files.get(path), before.get(path)) {
            (Some(now), Some(then)) => !Arc::ptr_eq(now, then) && now != then,
            (now, then) => now.is_some() || then.is_some(),
        };
        let changed = files.values().filter(|file| differs(&file.path)).cloned();
        let before: Vec<String> = before.keys().filter(|path| differs(path)).cloned().collect();
        self.after(changed.collect(), &before)
    }

    /// The same rules as `newer`, upon this set, which was put together while `newer` came to be.
    pub fn caught_up(&self, newer: &RuleSet) -> Self {
        let is_in = |files: &Files, file: &Arc<RuleFile>| {
            let other = files.get(&*file.path);
            other.is_some_and(|other| Arc::ptr_eq(file, other) || file == other)
        };
        let changed = newer.files.values().filter(|file| !is_in(&self.files, file)).cloned();
        let before = self.files.values().filter(|file| !is_in(&newer.files, file));
        let before: Vec<String> = before.map(|file| file.path.clone()).collect();
        self.after(changed.collect(), &before)
    }

    /// The rules without the files of some paths, and then with some files.
    fn after(&self, changed: Vec<Arc<RuleFile>>, removed: &[String]) -> Self {
        let mut set = self.sharing();
        let before: Vec<_> = removed
            .iter()
            .filter_map(|path| set.files.remove(path.as_str()))
            .collect();
        let customers: BTreeSet<&CustomerId> = before.iter().chain(&changed).map(|file| &file.customer).collect();
        customers.iter().for_each(|customer| set.remove_endpoints(customer));
        before.iter().for_each(|file| set.remove_names(file));
        for file in &changed {
            set.files.insert(file.path.clone(), file.clone());
            set.add_names(file);
        }
        customers.iter().for_each(|customer| set.add_endpoints(customer));
        let of_changed = set.files.changed().values().flatten();
        let keys = set.whole.index().keys().clone();
        set.since = Some(Part::new(of_changed, [].iter(), &set.customers, keys));
        set.revision = revision(&set.settings, set.files.len(), set.sum);
        set
    }

    /// The name of the settings that decide: who owns what, and what services and regions are called.
    pub fn settings_name(&self) -> &str {
        &self.settings
    }

    /// Whether these settings are those that it was made with.
    pub fn is_decided_by(&self, settings: &Deciding) -> bool {
        *self.settings == *settings.name()
    }

    /// How large it is.
    pub fn size(&self) -> Size {
        let parts = [Some(&*self.whole), self.since.as_ref()].into_iter().flatten();
        Size {
            rules: self.rules.len(),
            index_bytes: parts.map(|part| part.index().bytes()).sum(),
            changed_files: self.files.changed().len(),
        }
    }

    /// A copy that shares everything but the changes.
    fn sharing(&self) -> Self {
        Self {
            revision: self.revision.clone(),
            customers: self.customers.clone(),
            owned: self.owned.clone(),
            catalogue: self.catalogue.clone(),
            files: self.files.clone(),
            receivers: self.receivers.clone(),
            rules: self.rules.clone(),
            endpoints: self.endpoints.clone(),
            built_in: self.built_in.clone(),
            measuring: self.measuring.clone(),
            settings: self.settings.clone(),
            sum: self.sum,
            whole: self.whole.clone(),
            since: None,
            room: Mutex::default(),
        }
    }

    /// Makes all names and the index of the files and the built-in rules.
    fn put_together(&mut self) {
        let rules = self
            .rules()
            .map(|rule| ((rule.customer.clone(), rule.name.clone()), rule.clone()));
        let rules: BTreeMap<_, _> = rules.collect();
        let mut measuring = BTreeMap::new();
        for rule in rules.values().filter(|rule| rule.asks_for_measures()) {
            *measuring.entry(rule.customer.clone()).or_default() += 1;
        }
        let receivers = || {
            let written = self.files.values().flat_map(|file| &file.receivers);
            written.chain(self.built_in.iter().map(|(_, contact)| contact))
        };
        let mut endpoints = BTreeMap::new();
        for (endpoint, place) in receivers().flat_map(endpoints_of) {
            endpoints.entry(endpoint).or_insert(place);
        }
        let receivers = receivers().map(|one| ((one.customer.clone(), one.name.clone()), one.clone()));
        let receivers: BTreeMap<_, _> = receivers.collect();
        let built_in = self.built_in.iter().map(|(rule, _)| rule);
        let whole = Part::new(self.files.values(), built_in, &self.customers, Keys::default());
        self.whole = Arc::new(whole);
        self.revision = revision(&self.settings, self.files.len(), self.sum);
        self.measuring = measuring;
        (self.rules, self.receivers, self.endpoints) = (rules.into(), receivers.into(), endpoints.into());
    }

    fn add_names(&mut self, file: &RuleFile) {
        self.sum = self.sum.wrapping_add(name_of(file));
        for rule in &file.rules {
            if rule.asks_for_measures() {
                *self.measuring.entry(rule.customer.clone()).or_default() += 1;
            }
            self.rules
                .insert((rule.customer.clone(), rule.name.clone()), rule.clone());
        }
        for one in &file.receivers {
            self.receivers
                .insert((one.customer.clone(), one.name.clone()), one.clone());
        }
    }

    fn remove_names(&mut self, file: &RuleFile) {
        self.sum = self.sum.wrapping_sub(name_of(file));
        for rule in &file.rules {
            if rule.asks_for_measures()
                && let Some(count) = self.measuring.get_mut(&rule.customer)
            {
                *count -= 1;
            }
            self.rules.remove(&(rule.customer.clone(), rule.name.clone()));
        }
        for one in &file.receivers {
            self.receivers.remove(&(one.customer.clone(), one.name.clone()));
        }
    }

    /// Several receivers of a customer may read at one endpoint, so a customer's endpoints change all together.
    fn remove_endpoints(&mut self, customer: &CustomerId) {
        let receivers: Vec<Arc<Receiver>> = self.receivers_of(customer).cloned().collect();
        for (endpoint, _) in receivers.iter().flat_map(endpoints_of) {
            self.endpoints.remove(&endpoint);
        }
    }

    fn add_endpoints(&mut self, customer: &CustomerId) {
        let contacts = self.built_in.iter().map(|(_, contact)| contact);
        let contact = contacts.filter(|one| one.customer == *customer);
        let written = self.files_of(customer).flat_map(|file| &file.receivers);
        let receivers: Vec<Arc<Receiver>> = written.chain(contact).cloned().collect();
        for (endpoint, place) in receivers.iter().flat_map(endpoints_of) {
            if !self.endpoints.contains_key(&endpoint) {
                self.endpoints.insert(endpoint, place);
            }
        }
    }

    fn receivers_of(&self, customer: &CustomerId) -> impl Iterator<Item = &Arc<Receiver>> {
        let first = (customer.clone(), String::new());
        let receivers = self.receivers.onwards(&first);
        let own = receivers.take_while(move |((owner, _), _)| owner == customer);
        own.map(|(_, receiver)| receiver)
    }

    /// A customer's files: those of its folder; the one organisation's may stand in no folder, among all others.
    pub fn files_of(&self, customer: &CustomerId) -> impl Iterator<Item = &Arc<RuleFile>> {
        let folder = match customer.as_str() {
            ORGANISATION => String::new(),
            name => format!("{name}/"),
        };
        let files = self.files.onwards(folder.as_str());
        let files = files.take_while(move |(path, _)| path.starts_with(&folder));
        files
            .map(|(_, file)| file)
            .filter(move |file| file.customer == *customer)
    }

    /// The rules that match, always in the same order: by file, then as written, then the built-in ones.
    #[cfg(test)]
    pub fn matching(&self, event: &Event) -> Vec<Matched> {
        self.on(event).matching()
    }

    /// The rules on one event.
    pub fn on<'m>(&'m self, event: &'m Event) -> Matching<'m> {
        Matching {
            rules: self,
            subject: Subject::of(event),
            allowance: Allowance::default(),
        }
    }

    /// The rules that may match, in the same order.
    fn candidates(&self, event: &Event) -> Vec<Placed<'_>> {
        let free = || self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = free().pop().unwrap_or_default();
        let facts = Facts::of(event, &self.catalogue, self.whole.index().keys());
        let mut candidates: Vec<Placed<'_>> = self.whole.candidates(&facts, &mut scratch[0]).collect();
        if let Some(since) = &self.since {
            candidates.retain(|placed| !self.files.changed().contains_key(placed.path));
            candidates.extend(since.candidates(&facts, &mut scratch[1]));
            candidates.sort_by(|one, other| one.path.cmp(other.path));
        }
        free().push(scratch);
        candidates
    }

    /// Whom a customer's people ask for a change of what they get.
    pub fn contact(&self, customer: &CustomerId) -> Option<String> {
        self.customers.own_contact(customer).map(str::to_owned)
    }

    /// Judges an event by one rule, with the reason why not.
    pub fn judge(&self, rule: &Rule, event: &Event) -> Judgement {
        judge(rule, event, &self.customers, &self.catalogue)
    }

    /// Whether an account is anybody's: of a customer, or of the one organisation.
    pub fn is_owned(&self, account: &str) -> bool {
        !self.customers.are_separate() || self.owned.contains(account)
    }

    /// Whether nothing could come of an event yet: no file says which rules there are, or what service credits are worked
    /// out for. Files of receivers alone are a folder that is not whole yet; `rules: []` is a decision.
    pub fn is_without_rules(&self) -> bool {
        !self.files.values().any(|file| file.decides())
    }

    /// The same of one customer's files.
    pub fn has_no_rules_of(&self, customer: &CustomerId) -> bool {
        !self.files_of(customer).any(|file| file.decides())
    }

    /// The customers that have rules of their own, every one of them switched off.
    pub fn switched_off(&self) -> BTreeSet<CustomerId> {
        let mut written: BTreeMap<&CustomerId, bool> = BTreeMap::new();
        for file in self.files.values().filter(|file| !file.rules.is_empty()) {
            *written.entry(&file.customer).or_default() |= file.rules.iter().any(|rule| rule.enabled);
        }
        let off = written.into_iter().filter(|(_, is_told)| !is_told);
        off.map(|(customer, _)| customer.clone()).collect()
    }

    /// All rules, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        let written = self.files.values().flat_map(|file| &file.rules);
        written.chain(self.built_in.iter().map(|(rule, _)| rule))
    }

    /// The customers whose rules ask what an incident adds up to.
    pub fn measuring(&self) -> impl Iterator<Item = &CustomerId> {
        self.measuring
            .iter()
            .filter(|(_, rules)| **rules > 0)
            .map(|(customer, _)| customer)
    }

    /// The rule of this name.
    pub fn rule(&self, customer: &CustomerId, name: &str) -> Option<&Arc<Rule>> {
        self.rules.get(&(customer.clone(), name.to_owned()))
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

    /// The accounts that a name stands for in the files of those customers that are asked about (`is_asked`), however its
    /// case, blanks and hyphens are; none if it is no name of theirs.
    pub fn accounts_named(&self, name: &str, is_asked: impl Fn(&CustomerId) -> bool) -> BTreeSet<String> {
        let name = fold(name);
        let files = self.files.values().filter(|file| is_asked(&file.customer));
        let groups = files.flat_map(|file| &file.groups);
        let named = groups.filter(|(group, _)| fold(group) == name);
        named.flat_map(|(_, ids)| ids.iter().cloned()).collect()
    }

    /// The names that a customer's files give to an account: a group that is just this account, or the groups it is in.
    pub fn groups_of(&self, customer: &CustomerId, account: &str) -> Vec<String> {
        let groups = self
            .files_of(customer)
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

impl Matching<'_> {
    /// The rules that match, always in the same order: by file, then as written, then the built-in ones. Those of which it
    /// takes too much to find out are among them.
    pub fn matching(&self) -> Vec<Matched> {
        let candidates = self.rules.candidates(self.subject.event).into_iter();
        let matched = candidates.filter_map(|Placed { rule, .. }| {
            let (customers, catalogue) = (&self.rules.customers, &self.rules.catalogue);
            let left = self.allowance.within(&rule.customer, |steps| {
                left(rule, &self.subject, customers, catalogue, steps)
            });
            left.transpose().map(|left| self.matched(rule, left))
        });
        matched.collect()
    }

    /// What is left of the event for those whom `rule` told of the incident before, if they must hear of it too.
    pub fn following(&self, rule: &Arc<Rule>) -> Option<Matched> {
        let (customers, catalogue) = (&self.rules.customers, &self.rules.catalogue);
        let judged = self.allowance.within(&rule.customer, |steps| {
            judge_following(rule, &self.subject, customers, catalogue, steps)
        });
        match judged {
            Judgement::Matches(left) => Some(self.matched(rule, Ok(left))),
            Judgement::No(WhyNot::TooCostly) => Some(self.matched(rule, Err(TooCostly))),
            Judgement::No(_) => None,
        }
    }

    fn matched(&self, rule: &Arc<Rule>, left: Result<Left, TooCostly>) -> Matched {
        Matched {
            rule: rule.clone(),
            is_too_costly: left.is_err(),
            left: left.unwrap_or_else(|TooCostly| visible(rule, self.subject.event, &self.rules.customers)),
        }
    }
}

/// A hash over everything that decides.
fn revision(settings: &str, files: usize, sum: u128) -> Revision {
    let sum = format!("{sum:032x}");
    Revision(hash(&[settings, &files.to_string(), &sum])[..16].to_owned())
}

/// A number for a file: its path and its text. The sum over all files does not depend on their order.
fn name_of(file: &RuleFile) -> u128 {
    let name = hash(&[&file.path, &file.digest]);
    u128::from_str_radix(&name, 16).expect("a hash is 32 hexadecimal digits")
}

/// Where a receiver reads: endpoints, each with the address's number.
fn endpoints_of(receiver: &Arc<Receiver>) -> impl Iterator<Item = (EndpointId, (Arc<Receiver>, usize))> {
    let addresses = receiver.to.iter().enumerate();
    addresses.map(|(nth, address)| (address.endpoint(&receiver.customer), (receiver.clone(), nth)))
}
