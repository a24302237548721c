//! An incident as one customer heard of it, as far as credits need that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use chrono::Duration;

use crate::claim::{ImpactOn, Incident, OnList, Source, service_key};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::evaluate::{LookAt, Part};
use crate::event::{EventType, Impact, Level, fold};
use crate::incident::IncidentId;
use crate::incident::correction::Corrected;
use crate::incident::resources::KEPT_MOST;
use crate::incident::reviews::{About, CLOSED_AFTER, Phase, Progress, Terms, progress};
use crate::ledger::Ledger;
use crate::rule::RuleSet;
use crate::store::View;

/// What was heard last so long ago can be claimed nowhere any more.
pub const OLD: Duration = Duration::days(450);

/// What is known of an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Which.
    pub id: IncidentId,
    /// As the provider writes it.
    pub tracking_id: String,
    /// What sort of event it is.
    pub event_type: EventType,
    /// How grave.
    pub level: Option<Level>,
    /// What the provider calls it.
    pub title: String,
    /// The customer's accounts that heard of it.
    pub accounts: Vec<String>,
    /// What is impacted for them.
    pub impact: Vec<Impact>,
    /// When impact began, by whose word counts.
    pub started: Option<Time>,
    /// When it ended.
    pub ended: Option<Time>,
    /// Whether a review of it has come.
    pub has_review: bool,
    /// What counts as down: one entry for each group of accounts that it impacts in the same way.
    pub counts: Vec<Incident>,
}

/// What each customer with something at stake heard of an incident.
pub fn read(
    ledger: &Ledger,
    rules: &RuleSet,
    terms: &Terms,
    id: &IncidentId,
    now: Time,
) -> Result<BTreeMap<CustomerId, Known>> {
    let mut all = BTreeMap::new();
    let view = ledger.view();
    let mut on = None;
    loop {
        let look = LookAt {
            incident: id,
            on: on.as_ref(),
            due: now,
            customers: &rules.customers,
            terms,
        };
        let Some(owing) = view.owed_context(&look, ledger.journal())? else {
            return Ok(all);
        };
        for part in &owing.customers {
            if let Some(mut known) = known(part, id, owing.corrected, terms, rules, now) {
                let listed = on_list(&view, id, &part.customer, rules)?;
                known.counts.iter_mut().for_each(|one| one.listed.clone_from(&listed));
                all.insert(part.customer.clone(), known);
            }
        }
        match owing.go_on() {
            Some(next) => on = Some(next),
            None => return Ok(all),
        }
    }
}

/// What the customer's list of the resources that it impacted says, if there is one.
fn on_list(view: &View, id: &IncidentId, customer: &CustomerId, rules: &RuleSet) -> Result<Option<Arc<OnList>>> {
    let Some(summary) = view.resource_summary(id, customer)? else {
        return Ok(None);
    };
    let resources = view.resources_of(id, customer, KEPT_MOST)?;
    let listed = OnList::new(&resources, summary.is_complete, &rules.catalogue);
    Ok(Some(Arc::new(listed)))
}

/// `None` if there is nothing to be made good: a test, or what never was.
fn known(
    part: &Part,
    id: &IncidentId,
    corrected: Corrected,
    terms: &Terms,
    rules: &RuleSet,
    now: Time,
) -> Option<Known> {
    let incident = &part.incident;
    let about = About {
        event_type: incident.event_type,
        is_test: incident.test,
        corrected,
        terms,
    };
    let progress = progress(&about, &part.said, now);
    let never_was = matches!(progress.phase, Phase::Retracted | Phase::Canceled);
    if incident.test || never_was || incident.updated < now - OLD {
        return None;
    }
    let window = window(&progress, incident.updated, now);
    Some(Known {
        id: id.clone(),
        tracking_id: incident.tracking_id.clone(),
        event_type: incident.event_type,
        level: incident.level,
        title: incident.title.clone(),
        accounts: part.accounts.clone(),
        impact: part.impact.clone(),
        started: window.map(|(started, ..)| started),
        ended: window.and_then(|(_, ended, _)| ended),
        has_review: part.said.iter().any(|said| said.kind.is_review()),
        counts: window.map_or_else(Vec::new, |window| counts(part, id, window, rules)),
    })
}

/// When impact began and ended, and whose word that is: a person's, else the metadata's, else that of the prose. What has
/// no end by metadata ended with the statement that says so; if nothing was said for 30 days, with the last word.
pub fn window(progress: &Progress, last_word: Time, now: Time) -> Option<(Time, Option<Time>, Source)> {
    let window = &progress.window;
    if let Some(person) = window.person {
        return Some((person.start, Some(person.end), Source::Correction));
    }
    let is_open = matches!(
        progress.phase,
        Phase::Planned | Phase::InProgress | Phase::Investigating
    );
    let goes_on = is_open && last_word > now - CLOSED_AFTER;
    match (window.start, window.prose) {
        (Some(start), _) => {
            let lasted = || {
                progress
                    .lasted
                    .map_or(last_word, |lasted| last_word.min(start + lasted))
            };
            let end = window.end.or_else(|| (!goes_on).then(lasted));
            Some((start, end.map(|end| end.max(start)), Source::Metadata))
        }
        (None, Some(prose)) => Some((prose.start, Some(prose.end), Source::Prose)),
        (None, None) => None,
    }
}

fn counts(
    part: &Part,
    id: &IncidentId,
    (started, ended, source): (Time, Option<Time>, Source),
    rules: &RuleSet,
) -> Vec<Incident> {
    let mut by_accounts: BTreeMap<BTreeSet<&String>, Vec<ImpactOn>> = BTreeMap::new();
    for one in &part.impact {
        let accounts = match one.accounts.is_empty() {
            true => part.accounts.iter().collect(),
            false => one.accounts.iter().collect(),
        };
        by_accounts.entry(accounts).or_default().push(ImpactOn {
            service_key: service_key(&rules.catalogue, &one.service),
            region_key: one.region.as_deref().map(fold),
        });
    }
    let incidents = by_accounts.into_iter().map(|(accounts, impact)| Incident {
        tracking_id: part.incident.tracking_id.clone(),
        provider: id.provider.word().to_owned(),
        event_type: part.incident.event_type,
        impact,
        subscriptions: accounts.into_iter().cloned().collect(),
        resources: Vec::new(),
        started,
        mitigated: ended,
        source,
        listed: None,
        entered: None,
    });
    incidents.collect()
}
