//! One rule file as it is read: everything that can be said of it without the other files of its folder.
//!
//! Reading goes on after a problem, so that all of them are told at once. Names of receivers and groups are resolved
//! later ([`resolve`]), because they may stand in other files of the folder. No file is opened here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::claim::{self, Beside, Term, Usage};
use crate::customer::account::account_id;
use crate::customer::{CustomerId, ORGANISATION};
use crate::event::catalogue::Catalogue;
use crate::problem::Place;
use crate::problem::examine::Texts;
use crate::problem::fields::{Fields, Keys, Marked, Reading};
use crate::problem::yaml::{Node, Value};

use super::{Follow, Pattern, Receiver, Rule};

pub mod cases;
mod matching;
#[cfg(test)]
mod mistakes;
pub mod negation;
mod otherwise;
pub mod receivers;
pub mod resolve;

pub mod when;

use cases::DraftTest;
use when::DraftCondition;

/// The longest name of a rule, receiver, group or test, in characters.
pub const MAX_NAME: usize = 200;

/// The most rules of one folder.
pub const MAX_RULES: usize = 10_000;

/// The most memory that the regular expressions of one folder may take, in bytes.
pub const MAX_PATTERN_BYTES: usize = 64 << 20;

/// How many repetitions, alternatives and character classes the regular expressions of one folder may have together.
pub const MAX_PATTERN_PLACES: usize = 5_000;

/// The most values of one key, ids of one group, or pairs of one `impact`.
pub const MAX_VALUES: usize = 10_000;

/// The most entries under `usage:` of one folder.
pub const MAX_USAGES: usize = 20_000;

/// The longest `settle`, in seconds: a day.
const MAX_SETTLE: u64 = 24 * 60 * 60;

/// How long notifications gather where a rule does not say, in seconds.
const DEFAULT_SETTLE: u64 = 10;

/// What the operator's settings say about how files are read.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'s> {
    /// Names of services and regions.
    pub catalogue: &'s Catalogue,
    /// Whether receivers may have private addresses and plain http.
    pub allow_private: bool,
}

/// A file as read, with the places of what may still turn out wrong.
#[derive(Debug)]
pub struct Draft<'t> {
    /// The file and its problems so far.
    pub reading: Reading<'t>,
    /// Whose it is.
    pub customer: CustomerId,
    /// SHA-256 of its text, hex.
    pub digest: String,
    /// Its groups of accounts.
    pub groups: Vec<(Marked<String>, BTreeSet<String>)>,
    /// Its receivers.
    pub receivers: Vec<Marked<Arc<Receiver>>>,
    /// Whether it says which rules it has, be it none.
    pub says_rules: bool,
    /// Its rules, in order.
    pub rules: Vec<DraftRule>,
    /// Its tests.
    pub tests: Vec<DraftTest>,
    /// What its customer uses and pays for.
    pub usages: Vec<Usage>,
    /// Its customer's own terms of credits.
    pub terms: Vec<Term>,
}

/// A rule whose names are not resolved yet.
#[derive(Debug)]
pub struct DraftRule {
    /// The rule; its `subscriptions` are still missing.
    pub rule: Rule,
    /// Where its name stands.
    pub place: Place,
    /// `when`.
    pub when: DraftCondition,
    /// `unless`, any of them.
    pub unless: Vec<DraftCondition>,
    /// `notify`, with places.
    pub notify: Vec<Marked<String>>,
    /// `invite`, with places.
    pub invite: Vec<Marked<String>>,
}

/// Where a character that nobody sees does which harm.
const TEXTS: Texts = Texts {
    free: &[
        "title",
        "text",
        "tracking id",
        "properties",
        "evidence",
        "source",
        "edition",
    ],
    loose: &[
        "event type",
        "stage",
        "kind",
        "level",
        "provider",
        "subtype",
        "service",
        "region",
        "owner",
        "settle",
        "follow",
        "tier",
        "currency",
        "zone",
    ],
    only_told: false,
};

pub(super) const FILE: Keys = Keys {
    of: "a rule file",
    known: &["subscriptions", "receivers", "rules", "tests", "usage", "terms"],
    later: &["hours", "inventory"],
    meant: &[
        ("subscription", "subscriptions"),
        ("groups", "subscriptions"),
        ("accounts", "subscriptions"),
        ("contacts", "receivers"),
        ("recipients", "receivers"),
        ("rule", "rules"),
        ("alerts", "rules"),
        ("usages", "usage"),
        ("resources", "usage"),
        ("sla", "terms"),
        (
            "customers",
            "=customers stand in the operator's settings; the folder says whose this file is",
        ),
        (
            "when",
            "=put it under a rule: `rules:` is a list of `- name:`, `when:`, `notify:`",
        ),
    ],
    takes_own: true,
};

pub(super) const RULE: Keys = Keys {
    of: "a rule",
    known: &[
        "name",
        "when",
        "unless",
        "notify",
        "invite",
        "settle",
        "follow",
        "every",
        "test events",
        "enabled",
    ],
    later: &[
        "fallback",
        "exclusive",
        "remind",
        "hours",
        "repeat",
        "only on change of",
        "escalate",
    ],
    meant: &[
        ("if", "when"),
        ("condition", "when"),
        ("conditions", "when"),
        ("match", "when"),
        ("matches", "when"),
        ("filter", "when"),
        ("except", "unless"),
        ("not", "unless"),
        ("to", "notify"),
        ("tell", "notify"),
        ("send", "notify"),
        ("receiver", "notify"),
        ("receivers", "notify"),
        ("actions", "notify"),
        (
            "email",
            "=name a receiver: `notify: platform`, and define it under `receivers:`",
        ),
        (
            "webhook",
            "=name a receiver: `notify: platform`, and define it under `receivers:`",
        ),
        ("delay", "settle"),
        ("wait", "settle"),
        ("disabled", "enabled"),
        ("active", "enabled"),
        ("tests", "test events"),
        ("event type", "=put it under `when:`"),
        ("stage", "=put it under `when:`"),
        ("kind", "=put it under `when:`"),
        ("level", "=put it under `when:`"),
        ("impact", "=put it under `when:`"),
        ("service", "=put it under `when:`"),
        ("region", "=put it under `when:`"),
        ("subscriptions", "=put it under `when:`"),
        ("title", "=put it under `when:`"),
    ],
    takes_own: false,
};

/// Whose a path below the rules folder is.
pub fn customer_of(path: &str) -> CustomerId {
    CustomerId::new(path.split_once('/').map_or(ORGANISATION, |(folder, _)| folder))
}

/// SHA-256 of a file's text, hex.
pub fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl<'t> Draft<'t> {
    /// All patterns of all rules.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.conditions().flat_map(|draft| draft.condition.patterns())
    }

    /// Where a pattern of a title or a text stands.
    pub fn place_of(&self, pattern: &Pattern) -> Option<Place> {
        let mut written = self.conditions().flat_map(|draft| &draft.patterns);
        written
            .find(|written| written.value == pattern.source)
            .map(|written| written.place)
    }

    fn conditions(&self) -> impl Iterator<Item = &DraftCondition> {
        self.rules
            .iter()
            .flat_map(|draft| std::iter::once(&draft.when).chain(&draft.unless))
    }

    /// Reads a file.
    pub fn read(path: &'t str, text: &'t str, scope: Scope<'_>) -> Self {
        let mut draft = Self {
            reading: Reading::new(path, text),
            customer: customer_of(path),
            digest: digest(text),
            groups: Vec::new(),
            receivers: Vec::new(),
            says_rules: false,
            rules: Vec::new(),
            tests: Vec::new(),
            usages: Vec::new(),
            terms: Vec::new(),
        };
        if let Some(tree) = draft.reading.tree(TEXTS) {
            draft.read_tree(&tree, scope);
        }
        draft
    }

    fn read_tree(&mut self, tree: &Node, scope: Scope<'_>) {
        if let Value::Nothing = tree.value {
            let hint = "remove the file to end its rules, or write `rules: []`";
            return self.reading.error(Place::default(), "this file is empty", Some(hint));
        }
        let Some(fields) = self.reading.fields(tree, &FILE) else {
            return;
        };
        if let Some(node) = fields.get("subscriptions") {
            self.groups = read_groups(&self.reading, node);
        }
        if let Some(node) = fields.get("receivers") {
            self.receivers = receivers::read(&self.reading, node, &self.customer, scope);
        }
        if let Some(node) = fields.get("rules") {
            let items = list(&self.reading, node, "rules");
            self.says_rules = true;
            self.rules = items
                .into_iter()
                .filter_map(|item| self.read_rule(item, scope))
                .collect();
        }
        if let Some(node) = fields.get("tests") {
            let items = list(&self.reading, node, "tests");
            self.tests = items
                .into_iter()
                .filter_map(|item| cases::read(&self.reading, item))
                .collect();
        }
        self.read_claims(&fields, scope);
        self.refuse_repeated_names();
    }

    /// What credits are computed from: terms first, as they may bring a provider.
    fn read_claims(&mut self, fields: &Fields<'_>, scope: Scope<'_>) {
        let reading = &self.reading;
        if let Some(node) = fields.get("terms") {
            self.terms = claim::read_items(reading, node, scope.catalogue);
        }
        let terms: Vec<&Term> = claim::shipped_terms().chain(&self.terms).collect();
        let knows_provider = |word: &str| claim::knows_provider(word, terms.iter().copied());
        let beside = Beside {
            customer: self.customer.as_str(),
            services: scope.catalogue,
            knows_provider: &knows_provider,
        };
        self.usages = claim::read_usage_among(reading, fields, &beside);
    }

    fn read_rule(&self, node: &Node, scope: Scope<'_>) -> Option<DraftRule> {
        let reading = &self.reading;
        let fields = reading.fields(node, &RULE)?;
        let name = name_of(reading, &fields, "a rule");
        let when = self.read_when(&fields, scope);
        let rule = Rule {
            customer: self.customer.clone(),
            name: name.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
            when: when.condition.clone(),
            unless: Vec::new(),
            notify: Vec::new(),
            invite: Vec::new(),
            settle_seconds: settle(reading, &fields),
            follow: follow(reading, &fields, &when),
            every: flag(reading, &fields, "every").unwrap_or(false),
            test_events: flag(reading, &fields, "test events").unwrap_or(false),
            enabled: flag(reading, &fields, "enabled").unwrap_or(true),
            line: node.place.line,
        };
        let told = |key: &str| {
            fields
                .get(key)
                .map(|node| reading.texts(node, "the name of a receiver"))
        };
        let (notify, invite) = (told("notify"), told("invite"));
        if notify.is_none() && invite.is_none() {
            let hint = "`notify: name` for messages, `invite: name` for invitations to retrospectives";
            reading.error(node.place, "this rule tells nobody", Some(hint));
        }
        Some(DraftRule {
            rule,
            place: name.map_or(node.place, |name| name.place),
            when,
            unless: self.read_unless(&fields, scope),
            notify: notify.unwrap_or_default(),
            invite: invite.unwrap_or_default(),
        })
    }

    fn read_when(&self, fields: &Fields<'_>, scope: Scope<'_>) -> DraftCondition {
        let hint = Some("`when: {}` is every event of a provider");
        match fields.get("when") {
            Some(Node {
                value: Value::Nothing,
                place,
            }) => self.reading.error(*place, "`when` has no conditions", hint),
            Some(node) => return when::read(&self.reading, node, &self.customer, scope).unwrap_or_default(),
            None => self.reading.error(fields.place, "this rule has no `when`", hint),
        }
        DraftCondition::default()
    }

    fn read_unless(&self, fields: &Fields<'_>, scope: Scope<'_>) -> Vec<DraftCondition> {
        let Some(node) = fields.get("unless") else {
            return Vec::new();
        };
        let items = self.reading.items(node).into_iter().filter_map(|item| {
            if matches!(&item.value, Value::Nothing) || matches!(&item.value, Value::Map(keys) if keys.is_empty()) {
                let hint = Some("remove it, or switch the rule off with `enabled: false`");
                self.reading
                    .error(item.place, "an empty `unless` takes everything away", hint);
                return None;
            }
            when::read(&self.reading, item, &self.customer, scope)
        });
        items.collect()
    }

    fn refuse_repeated_names(&self) {
        repeated(
            &self.reading,
            "rule",
            self.rules.iter().map(|rule| (rule.rule.name.as_str(), rule.place)),
        );
        let tests = self.tests.iter().map(|test| (test.name.as_str(), test.place));
        repeated(&self.reading, "test", tests);
    }
}

fn repeated<'n>(reading: &Reading<'_>, what: &str, names: impl Iterator<Item = (&'n str, Place)>) {
    let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
    for (name, place) in names.filter(|(name, _)| !name.is_empty()) {
        match seen.get(name) {
            Some(first) => {
                let what = format!("the {what} `{name}` is here twice: the first is on line {}", first.line);
                reading.error(place, &what, Some("give it a name of its own"));
            }
            None => _ = seen.insert(name, place),
        }
    }
}

/// The items of a list that must be one.
fn list<'n>(reading: &Reading<'_>, node: &'n Node, what: &str) -> Vec<&'n Node> {
    match &node.value {
        Value::List(items) => items.iter().collect(),
        _ => {
            let hint = "begin each item with `- `, on a line of its own";
            reading.error(
                node.place,
                &format!("`{what}` is a list, not {}", node.sort()),
                Some(hint),
            );
            Vec::new()
        }
    }
}

/// The `name` of a rule or test.
fn name_of(reading: &Reading<'_>, fields: &Fields<'_>, of: &str) -> Option<Marked<String>> {
    let Some(node) = fields.get("name") else {
        reading.error(
            fields.place,
            &format!("{of} needs a `name`"),
            Some("what people will read in `explain`"),
        );
        return None;
    };
    let value = reading.text(node, "the name")?;
    is_name(reading, &value, node.place).then_some(Marked {
        value,
        place: node.place,
    })
}

/// Whether a text may name something; says why not.
fn is_name(reading: &Reading<'_>, name: &str, place: Place) -> bool {
    let what = if name.chars().count() > MAX_NAME {
        format!("a name has at most {MAX_NAME} characters")
    } else if name.chars().any(char::is_control) {
        "a name has no control characters".to_owned()
    } else if name.starts_with('(') {
        "a name does not begin with `(`: those are the built-in ones".to_owned()
    } else {
        return true;
    };
    reading.error(place, &what, None);
    false
}

fn read_groups(reading: &Reading<'_>, node: &Node) -> Vec<(Marked<String>, BTreeSet<String>)> {
    let Some(fields) = reading.named(node, "`subscriptions`") else {
        return Vec::new();
    };
    let groups = fields.iter().filter(|(name, place, _)| is_name(reading, name, *place));
    let groups = groups.map(|(name, place, node)| {
        let ids = reading.texts(node, "the id of a subscription");
        limit(reading, node, ids.len(), "ids");
        let ids = ids.into_iter().filter_map(|id| read_id(reading, &id));
        (
            Marked {
                value: name.to_owned(),
                place,
            },
            ids.collect(),
        )
    });
    groups.collect()
}

/// The id of a group's item; what no event can carry is a problem.
fn read_id(reading: &Reading<'_>, id: &Marked<String>) -> Option<String> {
    account_id(&id.value)
        .map_err(|why| match negation::negated(&id.value) {
            Some(_) => {
                let hint = "name what is in the group; leave the others away by `unless:` of a rule";
                reading.error(id.place, "a group has no \"not\"", Some(hint));
            }
            None => reading.error(id.place, &why.what, Some(&why.hint)),
        })
        .ok()
}

fn limit(reading: &Reading<'_>, node: &Node, count: usize, what: &str) {
    if count > MAX_VALUES {
        reading.error(
            node.place,
            &format!("at most {MAX_VALUES} {what} here, not {count}"),
            None,
        );
    }
}

fn flag(reading: &Reading<'_>, fields: &Fields<'_>, key: &str) -> Option<bool> {
    fields.get(key).and_then(|node| reading.flag(node, &format!("`{key}`")))
}

fn settle(reading: &Reading<'_>, fields: &Fields<'_>) -> u64 {
    let node = fields.get("settle");
    node.and_then(|node| reading.seconds(node, "`settle`", MAX_SETTLE))
        .unwrap_or(DEFAULT_SETTLE)
}

/// `follow`; those who chose stages or kinds themselves chose for the ending too.
fn follow(reading: &Reading<'_>, fields: &Fields<'_>, when: &DraftCondition) -> Follow {
    let chose = when.condition.stages.is_some() || when.condition.kinds.is_some();
    let default = if chose { Follow::Nothing } else { Follow::End };
    let Some(node) = fields.get("follow") else {
        return default;
    };
    let word = reading.text(node, "`follow`");
    match word.as_deref().map(crate::event::fold).as_deref() {
        Some("end") => Follow::End,
        Some("nothing") => Follow::Nothing,
        Some("all") => Follow::All,
        Some(_) => {
            reading.error(node.place, "`follow` is `end`, `nothing` or `all`", None);
            default
        }
        None => default,
    }
}
