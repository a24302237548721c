//! What is probably not meant: warnings that never block. They look at the versions that are about to be in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::customer::account::is_account_id;
use crate::customer::{CustomerId, Sees};
use crate::event::{EventType, Kind, Level, Provider, Size, Stage, fold};
use crate::problem::Place;
use crate::problem::fields::{Marked, Reading};
use crate::problem::letters::look_the_same;
use crate::problem::meant::meant;

use super::file::DraftRule;
use super::file::when::DraftCondition;
use super::settle::{Folder, Member};
use super::{Pattern, Rule, RuleFile, never};

/// How many unknown names of one condition are told: finding what is meant takes a while.
const MAX_UNKNOWN: usize = 20;

/// Warns about all files of one folder.
pub(super) fn folder(customer: &CustomerId, folder: &Folder<'_>) {
    let mut seen = BTreeMap::new();
    let rules = folder.rules();
    let used: BTreeSet<&String> = rules
        .values()
        .flat_map(|rule| rule.notify.iter().chain(&rule.invite))
        .collect();
    for member in folder.files.iter().filter(|member| member.is_new()) {
        let Some(file) = member.in_force() else { continue };
        let lint = Lint {
            reading: &member.draft.reading,
            folder,
            file,
        };
        lint.conditions(&member.draft.rules);
        lint.duplicates(&member.draft.rules, &mut seen);
        lint.accounts(customer, member);
        lint.unused(member, &used);
    }
    coverage(folder, &rules);
}

struct Lint<'l, 't> {
    reading: &'l Reading<'t>,
    folder: &'l Folder<'t>,
    file: &'l RuleFile,
}

impl Lint<'_, '_> {
    fn conditions(&self, rules: &[DraftRule]) {
        for draft in rules {
            self.levels(&draft.when);
            self.regions_without_global(&draft.when);
            self.owner(&draft.when);
            self.invitation(draft);
            self.sizes(&draft.when);
            for condition in draft.unless.iter().chain([&draft.when]) {
                self.names(condition);
                self.stages(condition);
                self.literals(condition);
            }
        }
    }

    /// Names that no provider uses, as far as the catalogue knows.
    fn names(&self, condition: &DraftCondition) {
        if self.reading.is_full() {
            return;
        }
        let catalogue = &self.folder.settings.catalogue;
        let unknown = |name: &&Marked<String>| !catalogue.knows_service(&name.value) && !is_account_id(&name.value);
        for name in condition.services.iter().filter(unknown).take(MAX_UNKNOWN) {
            self.unknown("service", name, catalogue.closest_service(&name.value));
        }
        for name in condition
            .regions
            .iter()
            .filter(|name| !catalogue.knows_region(&name.value))
            .take(MAX_UNKNOWN)
        {
            self.unknown("region", name, catalogue.closest_region(&name.value));
        }
    }

    fn unknown(&self, what: &str, name: &Marked<String>, closest: Option<String>) {
        if means_every(&name.value) {
            let told = format!("no {what} is called `{}`: this never matches", name.value);
            let hint = format!("leave `{what}` out: then every one counts");
            return self.reading.warning(name.place, &told, Some(&hint));
        }
        let meant = closest
            .as_deref()
            .and_then(|closest| match look_the_same(&name.value, closest) {
                true => meant(&name.value, [closest]),
                false => Some(format!("did you mean `{closest}`?")),
            });
        let hint = match meant {
            Some(meant) => meant,
            None if name.value.contains([',', ';']) => "several are a list, each a name of its own: [a, b]".to_owned(),
            None => "if it is right, add it to the catalogue".to_owned(),
        };
        self.reading.warning(
            name.place,
            &format!("no {what} called `{}` is known", name.value),
            Some(&hint),
        );
    }

    fn levels(&self, when: &DraftCondition) {
        let condition = &when.condition;
        let is_azure = condition
            .providers
            .as_ref()
            .is_none_or(|all| all.contains(&Provider::Azure));
        let has_critical = condition
            .levels
            .as_ref()
            .is_some_and(|levels| levels.contains(&Level::Critical));
        if is_azure && has_critical {
            let what = "Azure has never sent a service-health event of level Critical";
            let hint = "`Error` is its widest: trouble over several services or regions";
            self.reading.warning(place(when, "level"), what, Some(hint));
        }
    }

    fn regions_without_global(&self, when: &DraftCondition) {
        let names_global = when.regions.iter().any(|region| fold(&region.value) == "global");
        if !when.regions.is_empty() && !names_global {
            let place = when
                .places
                .get("region")
                .or(when.places.get("impact"))
                .copied()
                .unwrap_or_default();
            let what = "trouble of services without regions comes for the region Global, which is not named here";
            self.reading
                .warning(place, what, Some("add `Global`, or a second rule for it"));
        }
    }

    fn stages(&self, condition: &DraftCondition) {
        let (Some(types), Some(stages)) = (&condition.condition.event_types, &condition.condition.stages) else {
            return;
        };
        for stage in stages
            .iter()
            .filter(|stage| !types.iter().any(|one| never::has_stage(*one, **stage)))
        {
            let types = super::why::either(types);
            let what = format!("{types} never has the stage {stage}: this matches nothing");
            self.reading.warning(place(condition, "stage"), &what, None);
        }
    }

    /// Before its end an incident is known to be one of the largest, or its size is not known.
    fn sizes(&self, when: &DraftCondition) {
        let condition = &when.condition;
        let Some(sizes) = &condition.sizes else { return };
        let is_only = |kinds: &Vec<Kind>| kinds.iter().all(|kind| *kind == Kind::Update);
        let goes_on = |stages: &Vec<Stage>| stages.iter().all(|stage| *stage == Stage::Active);
        let is_before_the_end =
            condition.kinds.as_ref().is_some_and(is_only) || condition.stages.as_ref().is_some_and(goes_on);
        if is_before_the_end && !sizes.contains(&Size::Largest) {
            let what = format!(
                "how large an incident is, is known at its end, unless it is one of the largest: an update is hardly ever {}",
                super::why::either(sizes)
            );
            let hint = "leave `size` out, or wait for the end with `kind: mitigation`";
            self.reading.warning(place(when, "size"), &what, Some(hint));
        }
    }

    fn literals(&self, condition: &DraftCondition) {
        let literal = |text: &&Marked<String>| Pattern::read(&text.value).is_ok_and(|pattern| pattern.is_literal());
        for text in condition.patterns.iter().filter(literal) {
            let what = format!("without `*` the whole text must be `{}`", text.value);
            self.reading
                .warning(text.place, &what, Some(&hint_for_literal(&text.value)));
        }
    }

    fn owner(&self, when: &DraftCondition) {
        if when.condition.owner_none && !self.folder.settings.customers.are_separate() {
            let what = "there are no customers in the settings, so nothing is owned by nobody";
            self.reading.warning(place(when, "owner"), what, None);
        }
    }

    fn invitation(&self, draft: &DraftRule) {
        let may_be = never::may_be_of_kind(&draft.when.condition, Kind::Retrospective);
        if let (Some(first), false) = (draft.invite.first(), may_be) {
            let what = "`invite` is for retrospectives, and `when` lets none of them through";
            self.reading.warning(first.place, what, Some("kind: retrospective"));
        }
    }

    fn duplicates(&self, drafts: &[DraftRule], seen: &mut BTreeMap<String, String>) {
        for (rule, draft) in self.file.rules.iter().zip(drafts) {
            let does = format!("{:?}", (&rule.when, &rule.unless, &rule.notify, &rule.invite));
            if let Some(other) = seen.get(&does) {
                self.reading.warning(
                    draft.place,
                    &format!("this rule does what {other} does"),
                    Some("remove one"),
                );
                continue;
            }
            seen.insert(
                does,
                format!("`{}` (line {} of {})", rule.name, rule.line, self.file.path),
            );
        }
    }

    /// Accounts that the customer does not own never match.
    fn accounts(&self, customer: &CustomerId, member: &Member<'_>) {
        let Sees::Owned(owned) = self.folder.settings.customers.sees(customer) else {
            return;
        };
        for (name, ids) in &member.draft.groups {
            let strange: Vec<_> = ids.difference(&owned.accounts).cloned().collect();
            self.strange(name.place, &strange);
        }
        for rule in &member.draft.rules {
            let named = rule
                .unless
                .iter()
                .chain([&rule.when])
                .filter_map(|one| one.subscriptions.as_ref())
                .flatten();
            for name in named.filter(|name| is_account_id(&name.value.to_lowercase())) {
                let id = name.value.to_lowercase();
                self.strange(
                    name.place,
                    &[id]
                        .into_iter()
                        .filter(|id| !owned.accounts.contains(id))
                        .collect::<Vec<_>>(),
                );
            }
        }
    }

    fn strange(&self, place: Place, ids: &[String]) {
        if ids.is_empty() {
            return;
        }
        let what = format!(
            "{} is not among your accounts: it never matches",
            super::why::either(ids)
        );
        self.reading
            .warning(place, &what, Some("the operator's settings say who owns what"));
    }

    fn unused(&self, member: &Member<'_>, used: &BTreeSet<&String>) {
        for receiver in member
            .draft
            .receivers
            .iter()
            .filter(|receiver| !used.contains(&receiver.value.name))
        {
            let what = format!("no rule tells the receiver `{}`", receiver.value.name);
            self.reading.warning(receiver.place, &what, None);
        }
    }
}

/// Whether somebody of the folder would get reviews and invitations at all.
fn coverage(folder: &Folder<'_>, rules: &BTreeMap<String, Arc<Rule>>) {
    let Some(first) = folder.files.iter().find(|member| member.is_new()) else {
        return;
    };
    let enabled = || rules.values().filter(|rule| rule.enabled);
    let reading = &first.draft.reading;
    if enabled().next().is_none() {
        let what = match rules.is_empty() {
            true => "there is no rule in this folder: nobody is told by it",
            false => "every rule of this folder is switched off: nobody is told by it",
        };
        return reading.warning(
            Place::default(),
            what,
            Some("rules: [{ name: …, when: {}, notify: … }]"),
        );
    }
    if enabled().any(|rule| expects(rule, Kind::FinalReview)) && !enabled().any(|rule| sends_reviews(rule)) {
        let what = "no rule of this folder would send a post incident review";
        reading.warning(
            Place::default(),
            what,
            Some("when: { event type: Service issue, stage: RCA }"),
        );
    }
    let has_mailbox = folder.receivers().iter().any(|receiver| receiver.has_mailbox());
    let expects_any = has_mailbox && enabled().any(|rule| expects(rule, Kind::Retrospective));
    if expects_any && !enabled().any(|rule| sends_invitations(rule)) {
        let what = "no rule of this folder would send an invitation to a retrospective";
        reading.warning(
            Place::default(),
            what,
            Some("when: { kind: retrospective } with `invite:`"),
        );
    }
}

/// Whether somebody who wrote this rule would miss what has this kind: who asks for other types, or for certain titles and
/// texts only, would not.
fn expects(rule: &Rule, kind: Kind) -> bool {
    let when = &rule.when;
    let is_special = when.title.is_some()
        || when.text.is_some()
        || when.tracking_ids.is_some()
        || when.subtypes.is_some()
        || !when.properties.is_empty();
    let any_kind = super::Condition {
        event_types: when.event_types.clone(),
        providers: when.providers.clone(),
        ..super::Condition::default()
    };
    let asks_for_own_only = when
        .kinds
        .as_ref()
        .is_some_and(|kinds| kinds.iter().all(|kind| kind.is_own()));
    !is_special && !asks_for_own_only && is_about_incidents(rule) && never::may_be_of_kind(&any_kind, kind)
}

fn sends_reviews(rule: &Rule) -> bool {
    let reviews = [Kind::PreliminaryReview, Kind::FinalReview];
    !rule.notify.is_empty() && accepts(rule.when.kinds.as_ref(), &reviews) && is_about_reviews(rule)
}

fn is_about_reviews(rule: &Rule) -> bool {
    let stage = rule
        .when
        .stages
        .as_ref()
        .is_none_or(|stages| stages.contains(&Stage::Rca));
    stage && is_about_incidents(rule)
}

fn is_about_incidents(rule: &Rule) -> bool {
    rule.when
        .event_types
        .as_ref()
        .is_none_or(|types| types.contains(&EventType::ServiceIssue))
}

fn sends_invitations(rule: &Rule) -> bool {
    !rule.invite.is_empty() && accepts(rule.when.kinds.as_ref(), &[Kind::Retrospective]) && is_about_incidents(rule)
}

fn accepts(kinds: Option<&Vec<Kind>>, any: &[Kind]) -> bool {
    kinds.is_none_or(|kinds| any.iter().any(|kind| kinds.contains(kind)))
}

/// What a text without `*` may have been meant as.
fn hint_for_literal(text: &str) -> String {
    if text.contains('%') {
        return format!("any text is written `*`: {:?}", text.replace('%', "*"));
    }
    let inner = text.trim_matches(['/', '^', '$']);
    match text.starts_with(['/', '^']) || text.ends_with(['/', '$']) {
        true => format!("a search stands between slashes: '/{inner}/'"),
        false => format!("\"*{text}*\" looks for it anywhere"),
    }
}

fn place(condition: &DraftCondition, key: &str) -> Place {
    condition.places.get(key).copied().unwrap_or_default()
}

/// Whether a name is what people write for "whichever it is".
fn means_every(name: &str) -> bool {
    let name = name.trim().to_lowercase();
    let first = name.split([' ', '-', '_']).next().unwrap_or_default();
    let is_alone = [
        "all",
        "any",
        "every",
        "everywhere",
        "anywhere",
        "worldwide",
        "everything",
        "*",
    ]
    .contains(&&*name);
    is_alone || (["all", "any", "every"].contains(&first) && name.ends_with('s'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::customer::{Customer, CustomerId, Customers};
    use crate::problem::Problem;
    use crate::rule::check::{Deciding, Source, check};

    fn warnings_for(customers: Customers, path: &str, text: &str) -> String {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let settings = Deciding::new(customers, None, true).expect("settings");
        let checked = check(&[source], &Default::default(), &settings);
        assert!(checked.broken.is_empty(), "{:#?}", checked.problems);
        checked
            .problems
            .iter()
            .map(Problem::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn warnings(rules: &str) -> String {
        let text = format!(
            "receivers: {{ a: [{{ email: a@contoso.example }}] }}\nrules:\n- {{ name: all, when: {{}}, notify: a, invite: a }}\n{rules}"
        );
        warnings_for(Customers::one_organisation(), "a.yaml", &text)
    }

    #[test]
    fn what_is_probably_not_meant_is_a_warning() {
        insta::assert_snapshot!([
            "- { name: r, notify: a, when: { service: Vritual Machines, region: [East UZ, Global] } }",
            "- { name: r, notify: a, when: { service: Frobnicator } }",
            "- { name: r, notify: a, when: { level: Critical } }",
            "- { name: r, notify: a, when: { region: East US } }",
            "- { name: r, notify: a, when: { event type: Planned maintenance, stage: [RCA, Planned] } }",
            "- { name: r, notify: a, when: { title: SQL } }",
            "- { name: r, notify: a, invite: a, when: {} }",
            "- { name: r, notify: a, invite: a, when: { kind: mitigation } }",
        ].map(warnings).join("\n"), @r#"
        a.yaml:4:42: no service called `Vritual Machines` is known (hint: did you mean `Virtual Machines`?)
        a.yaml:4:69: no region called `East UZ` is known (hint: did you mean `East US`?)
        a.yaml:4:42: no service called `Frobnicator` is known (hint: if it is right, add it to the catalogue)
        a.yaml:4:33: Azure has never sent a service-health event of level Critical (hint: `Error` is its widest: trouble over several services or regions)
        a.yaml:4:33: trouble of services without regions comes for the region Global, which is not named here (hint: add `Global`, or a second rule for it)
        a.yaml:4:66: Planned maintenance never has the stage RCA: this matches nothing
        a.yaml:4:40: without `*` the whole text must be `SQL` (hint: "*SQL*" looks for it anywhere)
        a.yaml:4:11: this rule does what `all` (line 3 of a.yaml) does (hint: remove one)
        a.yaml:4:33: `invite` is for retrospectives, and `when` lets none of them through (hint: kind: retrospective)
        "#);
    }

    #[test]
    fn a_size_that_no_update_has_is_said() {
        let said = |when: &str| warnings(&format!("- {{ name: r, notify: a, when: {{ {when} }} }}"));
        insta::assert_snapshot!(
            [
                said("kind: update, size: small"),
                said("stage: Active, size: [small, standard]")
            ].join("\n"),
            @"
        a.yaml:4:47: how large an incident is, is known at its end, unless it is one of the largest: an update is hardly ever small (hint: leave `size` out, or wait for the end with `kind: mitigation`)
        a.yaml:4:48: how large an incident is, is known at its end, unless it is one of the largest: an update is hardly ever small or standard (hint: leave `size` out, or wait for the end with `kind: mitigation`)
        "
        );
        for good in [
            "kind: update, size: [largest, standard]",
            "kind: [update, mitigation], size: small",
            "size: small",
        ] {
            assert_eq!(said(good), "", "{good}");
        }
    }

    #[test]
    fn nothing_is_said_of_good_rules() {
        let good = "- { name: r, notify: a, when: { level: Critical, provider: aws, region: [East US, Global], title: '*SQL*' } }";
        assert_eq!(warnings(good), "");
    }

    #[test]
    fn a_folder_that_would_miss_reviews_or_invitations_is_told() {
        let text = "receivers: { a: [{ email: a@contoso.example }], b: [{ email: b@contoso.example }] }\nrules: [{ name: all, when: { stage: Active }, notify: a }]\n";
        insta::assert_snapshot!(warnings_for(Customers::one_organisation(), "a.yaml", text), @r#"
        a.yaml:1:1: no rule of this folder would send a post incident review (hint: when: { event type: Service issue, stage: RCA })
        a.yaml:1:1: no rule of this folder would send an invitation to a retrospective (hint: when: { kind: retrospective } with `invite:`)
        a.yaml:1:49: no rule tells the receiver `b`
        "#);
    }

    #[test]
    fn who_has_no_review_or_invitation_to_expect_is_not_told_of_them() {
        let file = |receiver: &str, when: &str| {
            let text =
                format!("receivers: {{ a: [{receiver}] }}\nrules: [{{ name: r, when: {{ {when} }}, notify: a }}]\n");
            warnings_for(Customers::one_organisation(), "a.yaml", &text)
        };
        let mail = "{ email: a@contoso.example }";
        for when in [
            "event type: Planned maintenance",
            "event type: Health advisory, subtype: Retirement",
            "title: '*planned maintenance*'",
            "kind: rules-broken",
        ] {
            assert_eq!(file(mail, when), "", "{when}");
        }
        assert_eq!(
            file("{ slack: { url: { secret: chat } } }", "event type: Service issue"),
            ""
        );
        assert_eq!(file(mail, "event type: Service issue").matches("invitation").count(), 1);
    }

    #[test]
    fn a_url_that_is_a_key_is_better_kept_as_a_secret() {
        let text = "receivers: { a: [{ slack: { url: https://hooks.slack.com/services/T0/B0/hunter2 } }, { teams: { url: 'https://prod-1.westeurope.logic.azure.com/x?sig=hunter2' } }] }\nrules: []\n";
        let warnings = warnings_for(Customers::one_organisation(), "a.yaml", text);
        assert_eq!(
            warnings.matches("whoever reads this file can post to it").count(),
            2,
            "{warnings}"
        );
        assert!(!warnings.contains("hunter2"), "{warnings}");
    }

    #[test]
    fn a_folder_by_which_nobody_is_told_says_so() {
        let receivers = "receivers: { a: [{ email: a@contoso.example }] }\n";
        for (rules, expected) in [
            ("rules: []\n", "there is no rule in this folder"),
            ("", "there is no rule in this folder"),
            (
                "rules: [{ name: r, when: {}, notify: a, enabled: false }]\n",
                "every rule of this folder is switched off",
            ),
        ] {
            let warnings = warnings_for(Customers::default(), "contoso/a.yaml", &format!("{receivers}{rules}"));
            assert!(warnings.contains(expected), "{rules}: {warnings}");
        }
    }

    #[test]
    fn accounts_of_others_never_match_and_that_is_said() {
        let contoso = Customer {
            accounts: ["mine".to_owned()].into(),
            ..Customer::default()
        };
        let by_name = Some(BTreeMap::from([(CustomerId::new("contoso"), contoso)]));
        let customers = Customers { by_name, contact: None };
        let text = "subscriptions: { all: [mine, theirs] }\nreceivers: { a: [{ email: a@contoso.example }] }\nrules: [{ name: r, when: {}, notify: a }]\n";
        let warnings = warnings_for(customers, "contoso/a.yaml", text);
        insta::assert_snapshot!(warnings.lines().find(|line| line.contains("theirs")).unwrap_or_default(), @"contoso/a.yaml:1:18: theirs is not among your accounts: it never matches (hint: the operator's settings say who owns what)");
    }
}
