//! What is probably not meant: warnings that never block. They look at the versions that are about to be in force.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::customer::{CustomerId, Sees};
use crate::event::{EventType, Kind, Level, Provider, Stage, fold};
use crate::problem::Place;
use crate::problem::fields::{Marked, Reading};

use super::check::{Folder, Member};
use super::file::resolve::is_account_id;
use super::file::when::DraftCondition;
use super::file::DraftRule;
use super::{Pattern, Rule, RuleFile};

/// Warns about all files of one folder.
pub(super) fn folder(customer: &CustomerId, folder: &Folder<'_>) {
    let mut seen: Vec<(Arc<Rule>, String)> = Vec::new();
    for member in folder.files.iter().filter(|member| member.is_new()) {
        let Some(file) = member.in_force() else { continue };
        let lint = Lint { reading: &member.draft.reading, folder, file };
        lint.conditions(&member.draft.rules);
        lint.duplicates(&member.draft.rules, &mut seen);
        lint.accounts(customer, member);
        lint.unused(member);
    }
    coverage(folder);
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
            for condition in draft.unless.iter().chain([&draft.when]) {
                self.names(condition);
                self.stages(condition);
                self.literals(condition);
            }
        }
    }

    /// Names that no provider uses, as far as the catalogue knows.
    fn names(&self, condition: &DraftCondition) {
        let catalogue = &self.folder.settings.catalogue;
        let unknown = |name: &&Marked<String>| !catalogue.knows_service(&name.value) && !is_account_id(&name.value);
        for name in condition.services.iter().filter(unknown) {
            self.unknown("service", name, catalogue.closest_service(&name.value));
        }
        for name in condition.regions.iter().filter(|name| !catalogue.knows_region(&name.value)) {
            self.unknown("region", name, catalogue.closest_region(&name.value));
        }
    }

    fn unknown(&self, what: &str, name: &Marked<String>, closest: Option<String>) {
        let hint = match closest {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "if it is right, add it to the catalogue".to_owned(),
        };
        self.reading.warning(name.place, &format!("no {what} called `{}` is known", name.value), Some(&hint));
    }

    fn levels(&self, when: &DraftCondition) {
        let condition = &when.condition;
        let is_azure = condition.providers.as_ref().is_none_or(|all| all.contains(&Provider::Azure));
        let has_critical = condition.levels.as_ref().is_some_and(|levels| levels.contains(&Level::Critical));
        if is_azure && has_critical {
            let what = "Azure has never sent a service-health event of level Critical";
            let hint = "`Error` is its widest: trouble over several services or regions";
            self.reading.warning(place(when, "level"), what, Some(hint));
        }
    }

    fn regions_without_global(&self, when: &DraftCondition) {
        let names_global = when.regions.iter().any(|region| fold(&region.value) == "global");
        if !when.regions.is_empty() && !names_global {
            let place = when.places.get("region").or(when.places.get("impact")).copied().unwrap_or_default();
            let what = "trouble of services without regions comes for the region Global, which is not named here";
            self.reading.warning(place, what, Some("add `Global`, or a second rule for it"));
        }
    }

    fn stages(&self, condition: &DraftCondition) {
        let (Some(types), Some(stages)) = (&condition.condition.event_types, &condition.condition.stages) else { return };
        for stage in stages.iter().filter(|stage| !types.iter().any(|one| has_stage(*one, **stage))) {
            let types = super::why::either(types);
            let what = format!("{types} never has the stage {stage}: this matches nothing");
            self.reading.warning(place(condition, "stage"), &what, None);
        }
    }

    fn literals(&self, condition: &DraftCondition) {
        let literal = |text: &&Marked<String>| Pattern::read(&text.value).is_ok_and(|pattern| pattern.is_literal());
        for text in condition.patterns.iter().filter(literal) {
            let what = format!("without `*` the whole text must be `{}`", text.value);
            self.reading.warning(text.place, &what, Some(&format!("\"*{}*\" looks for it anywhere", text.value)));
        }
    }

    fn owner(&self, when: &DraftCondition) {
        if when.condition.owner_none && !self.folder.settings.customers.are_separate() {
            let what = "there are no customers in the settings, so nothing is owned by nobody";
            self.reading.warning(place(when, "owner"), what, None);
        }
    }

    fn invitation(&self, draft: &DraftRule) {
        let kinds = draft.when.condition.kinds.as_ref();
        if let (Some(first), false) = (draft.invite.first(), accepts(kinds, &[Kind::Retrospective])) {
            let what = "`invite` is for retrospectives, and `when` names other kinds only";
            self.reading.warning(first.place, what, Some("kind: retrospective"));
        }
    }

    fn duplicates(&self, drafts: &[DraftRule], seen: &mut Vec<(Arc<Rule>, String)>) {
        for (rule, draft) in self.file.rules.iter().zip(drafts) {
            let same = |(other, _): &&(Arc<Rule>, String)| {
                other.when == rule.when
                    && other.unless == rule.unless
                    && other.notify == rule.notify
                    && other.invite == rule.invite
            };
            if let Some((other, path)) = seen.iter().find(same) {
                let what = format!("this rule does what `{}` does, line {} of {path}", other.name, other.line);
                self.reading.warning(draft.place, &what, Some("remove one"));
            }
            seen.push((rule.clone(), self.file.path.clone()));
        }
    }

    /// Accounts that the customer does not own never match.
    fn accounts(&self, customer: &CustomerId, member: &Member<'_>) {
        let Sees::Owned(owned) = self.folder.settings.customers.sees(customer) else { return };
        for (name, ids) in &member.draft.groups {
            let strange: Vec<_> = ids.difference(&owned.accounts).cloned().collect();
            self.strange(name.place, &strange);
        }
        for rule in &member.draft.rules {
            let named = rule.unless.iter().chain([&rule.when]).filter_map(|one| one.subscriptions.as_ref()).flatten();
            for name in named.filter(|name| is_account_id(&name.value.to_lowercase())) {
                let id = name.value.to_lowercase();
                self.strange(name.place, &[id].into_iter().filter(|id| !owned.accounts.contains(id)).collect::<Vec<_>>());
            }
        }
    }

    fn strange(&self, place: Place, ids: &[String]) {
        if ids.is_empty() {
            return;
        }
        let what = format!("{} is not among your accounts: it never matches", super::why::either(ids));
        self.reading.warning(place, &what, Some("the operator's settings say who owns what"));
    }

    fn unused(&self, member: &Member<'_>) {
        let rules = self.folder.rules();
        let used: BTreeSet<&String> = rules.values().flat_map(|rule| rule.notify.iter().chain(&rule.invite)).collect();
        for receiver in member.draft.receivers.iter().filter(|receiver| !used.contains(&receiver.value.name)) {
            let what = format!("no rule tells the receiver `{}`", receiver.value.name);
            self.reading.warning(receiver.place, &what, None);
        }
    }
}

/// Whether somebody of the folder would get reviews and invitations at all.
fn coverage(folder: &Folder<'_>) {
    let Some(first) = folder.files.iter().find(|member| member.is_new()) else { return };
    let rules = folder.rules();
    let enabled = || rules.values().filter(|rule| rule.enabled);
    if enabled().next().is_none() {
        return;
    }
    let reading = &first.draft.reading;
    if !enabled().any(|rule| sends_reviews(rule)) {
        let what = "no rule of this folder would send a post incident review";
        reading.warning(Place::default(), what, Some("when: { event type: Service issue, stage: RCA }"));
    }
    if !enabled().any(|rule| sends_invitations(rule)) {
        let what = "no rule of this folder would send an invitation to a retrospective";
        reading.warning(Place::default(), what, Some("when: { kind: retrospective } with `invite:`"));
    }
}

fn sends_reviews(rule: &Rule) -> bool {
    let reviews = [Kind::PreliminaryReview, Kind::FinalReview];
    !rule.notify.is_empty() && accepts(rule.when.kinds.as_ref(), &reviews) && is_about_reviews(rule)
}

/// Stages and types of reviews; kind retrospective may come with any stage.
fn is_about_reviews(rule: &Rule) -> bool {
    let stage = rule.when.stages.as_ref().is_none_or(|stages| stages.contains(&Stage::Rca));
    stage && is_about_incidents(rule)
}

fn is_about_incidents(rule: &Rule) -> bool {
    rule.when.event_types.as_ref().is_none_or(|types| types.contains(&EventType::ServiceIssue))
}

fn sends_invitations(rule: &Rule) -> bool {
    !rule.invite.is_empty() && accepts(rule.when.kinds.as_ref(), &[Kind::Retrospective]) && is_about_incidents(rule)
}

fn accepts(kinds: Option<&Vec<Kind>>, any: &[Kind]) -> bool {
    kinds.is_none_or(|kinds| any.iter().any(|kind| kinds.contains(kind)))
}

/// The stages that Azure's documentation gives each type.
fn has_stage(event_type: EventType, stage: Stage) -> bool {
    match event_type {
        EventType::ServiceIssue | EventType::SecurityAdvisory => {
            matches!(stage, Stage::Active | Stage::Resolved | Stage::Rca)
        }
        EventType::HealthAdvisory => matches!(stage, Stage::Active | Stage::Resolved),
        EventType::PlannedMaintenance => stage != Stage::Rca,
        EventType::Billing => true,
    }
}

fn place(condition: &DraftCondition, key: &str) -> Place {
    condition.places.get(key).copied().unwrap_or_default()
}
