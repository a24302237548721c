//! From a draft to a checked file: names of receivers and groups find what the whole folder defines.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::customer::account::{account_id, is_account_id, resembles_an_id};
use crate::customer::{Customers, Sees};
use crate::event::Provider;
use crate::problem::fields::{Marked, Reading};
use crate::problem::meant::{comment_in, meant};

use super::super::{Condition, Need, Receiver, Rule, RuleFile, RuleTest, Sort};
use super::cases::DraftTest;
use super::when::DraftCondition;
use super::{Draft, DraftRule, matching, negation};

/// What the files of one folder define together, and which file does.
#[derive(Debug, Default)]
pub struct Names {
    /// Groups of accounts.
    pub groups: BTreeMap<String, Defined<Arc<BTreeSet<String>>>>,
    /// Receivers.
    pub receivers: BTreeMap<String, Defined<Arc<Receiver>>>,
    /// Rules.
    pub rules: BTreeMap<String, Defined<()>>,
    /// Files of the folder that can't be read or are broken: where a missing name may be.
    pub unread: Vec<String>,
}

/// Something named, and the file that defines it.
#[derive(Debug, Clone)]
pub struct Defined<T> {
    /// What.
    pub value: T,
    /// The file's path.
    pub path: String,
    /// Where in it, 1-based; 0 if it is an older version's.
    pub line: usize,
}

impl Names {
    /// Whether somebody defines it.
    pub fn has(&self, need: &Need) -> bool {
        match need.sort {
            Sort::Receiver => self.receivers.contains_key(&need.name),
            Sort::Group => self.groups.contains_key(&need.name),
        }
    }

    /// Adds what a file in force defines.
    pub fn add_file(&mut self, file: &RuleFile) {
        let path = &file.path;
        for (name, ids) in &file.groups {
            insert(&mut self.groups, name, Arc::new(ids.clone()), path, 0);
        }
        for receiver in &file.receivers {
            insert(&mut self.receivers, &receiver.name, receiver.clone(), path, 0);
        }
        for rule in &file.rules {
            insert(&mut self.rules, &rule.name, (), path, 0);
        }
    }

    /// Adds what a draft defines; a name that another file has already is a problem of the draft.
    pub fn add_draft(&mut self, draft: &Draft<'_>) {
        let path = draft.reading.file;
        for (name, ids) in &draft.groups {
            let taken = insert(
                &mut self.groups,
                &name.value,
                Arc::new(ids.clone()),
                path,
                name.place.line,
            );
            refuse(&draft.reading, "group", name, taken);
        }
        for receiver in &draft.receivers {
            let name = Marked {
                value: receiver.value.name.clone(),
                place: receiver.place,
            };
            let taken = insert(
                &mut self.receivers,
                &name.value,
                receiver.value.clone(),
                path,
                name.place.line,
            );
            refuse(&draft.reading, "receiver", &name, taken);
        }
        for rule in draft.rules.iter().filter(|rule| !rule.rule.name.is_empty()) {
            let name = Marked {
                value: rule.rule.name.clone(),
                place: rule.place,
            };
            let taken = insert(&mut self.rules, &name.value, (), path, name.place.line);
            refuse(&draft.reading, "rule", &name, taken);
        }
    }
}

/// Inserts unless the name is taken by another file; then says by which.
fn insert<T>(
    map: &mut BTreeMap<String, Defined<T>>,
    name: &str,
    value: T,
    path: &str,
    line: usize,
) -> Option<(String, usize)> {
    match map.get(name) {
        Some(other) if other.path != path => Some((other.path.clone(), other.line)),
        Some(_) => None,
        None => {
            map.insert(
                name.to_owned(),
                Defined {
                    value,
                    path: path.to_owned(),
                    line,
                },
            );
            None
        }
    }
}

fn refuse(reading: &Reading<'_>, sort: &str, name: &Marked<String>, taken: Option<(String, usize)>) {
    let Some((path, line)) = taken else { return };
    let at = if line > 0 {
        format!("line {line} of {path}")
    } else {
        path
    };
    let what = format!("there is another {sort} `{}`: {at}", name.value);
    reading.error(
        name.place,
        &what,
        Some("names are unique in a folder: give this one another"),
    );
}

/// Resolves the names of `draft`; what can't be resolved is a problem of the draft.
pub fn resolve(draft: &Draft<'_>, names: &Names, customers: &Customers) -> RuleFile {
    let resolver = Resolver {
        draft,
        names,
        customers,
        together: RefCell::default(),
    };
    RuleFile {
        path: draft.reading.file.to_owned(),
        customer: draft.customer.clone(),
        digest: draft.digest.clone(),
        text: draft.reading.text.to_owned(),
        groups: draft
            .groups
            .iter()
            .map(|(name, ids)| (name.value.clone(), ids.clone()))
            .collect(),
        says_rules: draft.says_rules,
        rules: draft.rules.iter().map(|rule| Arc::new(resolver.rule(rule))).collect(),
        receivers: draft.receivers.iter().map(|receiver| receiver.value.clone()).collect(),
        tests: draft.tests.iter().map(|test| resolver.test(test)).collect(),
        usages: draft.usages.clone(),
        terms: draft.terms.clone(),
        needs: draft.rules.iter().flat_map(|rule| resolver.needs(rule)).collect(),
    }
}

struct Resolver<'r, 't> {
    draft: &'r Draft<'t>,
    names: &'r Names,
    customers: &'r Customers,
    /// The ids of groups that rules name together.
    together: RefCell<HashMap<Vec<String>, Arc<BTreeSet<String>>>>,
}

impl Resolver<'_, '_> {
    fn rule(&self, draft: &DraftRule) -> Rule {
        let invited = self.receivers(&draft.invite);
        for (name, receiver) in draft.invite.iter().zip(&invited) {
            if receiver.as_ref().is_some_and(|receiver| !receiver.has_mailbox()) {
                let what = format!(
                    "`{}` has no e-mail address, and invitations go to mailboxes",
                    name.value
                );
                self.draft
                    .reading
                    .error(name.place, &what, Some("add an `email`, or use `notify`"));
            }
        }
        self.receivers(&draft.notify);
        let rule = Rule {
            when: self.condition(&draft.when),
            unless: draft.unless.iter().map(|unless| self.condition(unless)).collect(),
            notify: values(&draft.notify),
            invite: values(&draft.invite),
            ..draft.rule.clone()
        };
        matching::check(&self.draft.reading, draft, &rule);
        rule
    }

    /// The names this rule uses.
    fn needs(&self, draft: &DraftRule) -> Vec<Need> {
        let need = |sort, name: &Marked<String>| Need {
            sort,
            name: name.value.clone(),
            line: name.place.line,
        };
        let told = draft
            .notify
            .iter()
            .chain(&draft.invite)
            .map(|name| need(Sort::Receiver, name));
        let conditions = draft
            .unless
            .iter()
            .chain([&draft.when])
            .filter_map(|one| one.subscriptions.as_ref());
        let groups = conditions
            .flatten()
            .filter(|name| self.names.groups.contains_key(&name.value));
        told.chain(groups.map(|name| need(Sort::Group, name))).collect()
    }

    fn receivers(&self, wanted: &[Marked<String>]) -> Vec<Option<Arc<Receiver>>> {
        wanted.iter().map(|name| self.receiver(name)).collect()
    }

    fn receiver(&self, name: &Marked<String>) -> Option<Arc<Receiver>> {
        if let Some(defined) = self.names.receivers.get(&name.value) {
            return Some(defined.value.clone());
        }
        let known = self.names.receivers.keys().map(String::as_str);
        let is_known = |part: &str| self.names.receivers.contains_key(part);
        let hint = if let Some(list) = list_of(&name.value, is_known) {
            format!("several receivers are a list: {list}")
        } else if let Some(hint) = comment_in(&name.value, is_known) {
            hint
        } else if name.value.contains('@') {
            "define a receiver with this address under `receivers:`".to_owned()
        } else if negation::negated(&name.value).is_some() {
            "name those who are told; who is not named is not told".to_owned()
        } else {
            self.hint(&name.value, known, "define it under `receivers:`")
        };
        self.draft.reading.error(
            name.place,
            &format!("there is no receiver `{}`", name.value),
            Some(&hint),
        );
        None
    }

    fn hint<'k>(&self, name: &str, known: impl Iterator<Item = &'k str>, otherwise: &str) -> String {
        let unread = self
            .names
            .unread
            .iter()
            .map(String::as_str)
            .filter(|path| *path != self.draft.reading.file);
        let unread: Vec<_> = unread.take(5).collect();
        match meant(name, known) {
            Some(meant) => meant,
            None if unread.is_empty() => otherwise.to_owned(),
            None => format!("{otherwise}, or is it in {}, which has errors?", unread.join(", ")),
        }
    }

    fn condition(&self, draft: &DraftCondition) -> Condition {
        let named = draft.subscriptions.as_ref();
        let subscriptions = named.map(|names| self.subscriptions(names));
        Condition {
            subscriptions,
            ..draft.condition.clone()
        }
    }

    /// The ids of all of these: the very same for rules that name the same, so that a large group is there once.
    fn subscriptions(&self, names: &[Marked<String>]) -> Arc<BTreeSet<String>> {
        if let [name] = names {
            return self.subscription(name);
        }
        let key: Vec<String> = names.iter().map(|name| name.value.clone()).collect();
        let known = self.together.borrow().get(&key).cloned();
        // looked up again all the same: what is unknown is told at each place
        let ids = names.iter().map(|name| self.subscription(name));
        let ids: Vec<Arc<BTreeSet<String>>> = ids.collect();
        known.unwrap_or_else(|| {
            let all: Arc<BTreeSet<String>> = Arc::new(ids.iter().flat_map(|ids| ids.iter().cloned()).collect());
            self.together.borrow_mut().insert(key, all.clone());
            all
        })
    }

    /// The ids of a group, or the one id.
    fn subscription(&self, name: &Marked<String>) -> Arc<BTreeSet<String>> {
        if let Some(group) = self.names.groups.get(&name.value) {
            return group.value.clone();
        }
        let id = account_id(&name.value);
        if let Ok(id) = &id
            && (is_account_id(id) || self.owns(id))
        {
            return Arc::new(BTreeSet::from([id.clone()]));
        }
        match id {
            Err(why) if resembles_an_id(&name.value) => {
                self.draft.reading.error(name.place, &why.what, Some(&why.hint));
            }
            _ => self.unknown_group(name),
        }
        Arc::default()
    }

    fn unknown_group(&self, name: &Marked<String>) {
        let is_known = |part: &str| self.names.groups.contains_key(part);
        let hint = if let Some(left_out) = negation::negated(&name.value) {
            negation::hint("subscriptions", left_out)
        } else if let Some(list) = list_of(&name.value, is_known) {
            format!("several are a list: {list}")
        } else if let Some(hint) = comment_in(&name.value, is_known) {
            hint
        } else if name.value.contains(['*', '?']) {
            "patterns for names come with a later version".to_owned()
        } else {
            let known = self.names.groups.keys().map(String::as_str);
            let otherwise = "define the group under `subscriptions:`, or write an id";
            self.hint(&name.value, known, otherwise)
        };
        let what = format!("there is no group of subscriptions `{}`", name.value);
        self.draft.reading.error(name.place, &what, Some(&hint));
    }

    fn owns(&self, id: &str) -> bool {
        matches!(self.customers.sees(&self.draft.customer), Sees::Owned(customer) if customer.accounts.contains(id))
    }

    fn test(&self, draft: &DraftTest) -> RuleTest {
        let mut event = draft.event.clone();
        let accounts = match &draft.subscription {
            Some(names) => names.iter().flat_map(|name| self.account(name)).collect(),
            None => self.all_accounts(),
        };
        event.accounts = accounts.into_iter().collect();
        if event.kind.is_own() {
            // what is raised here is its customer's, and reaches only rules that name its kind
            event.provider = Provider::Bellwether;
            event.source = Some(self.draft.customer.as_str().to_owned());
        }
        for (rule, receivers) in &draft.expect {
            self.expected(rule, receivers);
        }
        RuleTest {
            name: draft.name.clone(),
            event,
            expect: draft
                .expect
                .iter()
                .map(|(rule, told)| (rule.value.clone(), told.clone()))
                .collect(),
            line: draft.place.line,
        }
    }

    fn account(&self, name: &Marked<String>) -> BTreeSet<String> {
        let group = self.names.groups.get(&name.value);
        let group = group.map(|group| BTreeSet::clone(&group.value));
        group.unwrap_or_else(|| BTreeSet::from([self.id_of_test(name)]))
    }

    /// A test may name any account, as long as an event can.
    fn id_of_test(&self, name: &Marked<String>) -> String {
        account_id(&name.value).unwrap_or_else(|why| {
            if resembles_an_id(&name.value) {
                self.draft.reading.error(name.place, &why.what, Some(&why.hint));
            }
            name.value.trim().to_lowercase()
        })
    }

    /// A test that names no subscription is about all that the folder knows of.
    fn all_accounts(&self) -> BTreeSet<String> {
        if let Sees::Owned(customer) = self.customers.sees(&self.draft.customer)
            && !customer.accounts.is_empty()
        {
            return customer.accounts.clone();
        }
        self.names
            .groups
            .values()
            .flat_map(|group| group.value.iter().cloned())
            .collect()
    }

    fn expected(&self, rule: &Marked<String>, receivers: &BTreeSet<String>) {
        if !self.names.rules.contains_key(&rule.value) {
            let hint = self.hint(
                &rule.value,
                self.names.rules.keys().map(String::as_str),
                "define it under `rules:`",
            );
            self.draft
                .reading
                .error(rule.place, &format!("there is no rule `{}`", rule.value), Some(&hint));
        }
        for name in receivers
            .iter()
            .filter(|name| !self.names.receivers.contains_key(*name))
        {
            let known = self.names.receivers.keys().map(String::as_str);
            let hint = self.hint(name, known, "define it under `receivers:`");
            self.draft
                .reading
                .error(rule.place, &format!("there is no receiver `{name}`"), Some(&hint));
        }
    }
}

fn values(names: &[Marked<String>]) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for name in names {
        if !values.contains(&name.value) {
            values.push(name.value.clone());
        }
    }
    values
}

/// `[a, b]` for `a, b`, if any part is known.
fn list_of(text: &str, is_known: impl Fn(&str) -> bool) -> Option<String> {
    let parts: Vec<_> = text
        .split([',', ';'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    (parts.len() > 1 && parts.iter().any(|part| is_known(part))).then(|| format!("[{}]", parts.join(", ")))
}
