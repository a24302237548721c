//! An incident as one customer heard of it, as far as credits need that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use chrono::Duration;

use crate::claim::{EndedBy, ImpactOn, Incident, OnList, Source, service_key};
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
    /// What counts as down: one entry for each group of accounts that it impacts in the same way. Without a begin, nothing
    /// does, and its times mean nothing.
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
        started: window.map(|window| window.started),
        ended: window.and_then(|window| window.ended),
        has_review: part.said.iter().any(|said| said.kind.is_review()),
        counts: counts(part, id, window.unwrap_or(NEVER), rules),
    })
}

/// When impact began and ended, as far as it counts, and whose word that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// When it began.
    pub started: Time,
    /// When it was over; `None`: it goes on.
    pub ended: Option<Time>,
    /// Whose word that is.
    pub source: Source,
    /// Whose word the end is, if it is another's.
    pub ended_by: Option<EndedBy>,
}

/// The times of what has none.
const NEVER: Counted = Counted {
    started: Time::MAX_UTC,
    ended: Some(Time::MAX_UTC),
    source: Source::Metadata,
    ended_by: None,
};

/// When impact began and ended: by a person's word, else by the metadata, else by the prose, begin and end each for itself.
/// An end that nobody names is the time of the statement that it is over; if nothing was said for 30 days, of the last word.
pub fn window(progress: &Progress, last_word: Time, now: Time) -> Option<Counted> {
    let window = &progress.window;
    let by = |started: Time, ended: Option<Time>, source: Source| Counted {
        started,
        ended: ended.map(|ended| ended.max(started)),
        source,
        ended_by: None,
    };
    if let Some(person) = window.person {
        return Some(by(person.start, Some(person.end), Source::Correction));
    }
    let Some(start) = window.start else {
        let prose = window.prose?;
        return Some(by(prose.start, Some(prose.end), Source::Prose));
    };
    let is_open = matches!(
        progress.phase,
        Phase::Planned | Phase::InProgress | Phase::Investigating
    );
    if window.end.is_some() || is_open && last_word > now - CLOSED_AFTER {
        return Some(by(start, window.end, Source::Metadata));
    }
    let named = window.prose.map(|prose| prose.end).filter(|end| *end > start);
    let last = || {
        let lasted = progress.lasted;
        lasted.map_or(last_word, |lasted| last_word.min(start + lasted))
    };
    Some(Counted {
        ended_by: Some(match named {
            Some(_) => EndedBy::Prose,
            None => EndedBy::LastStatement,
        }),
        ..by(start, Some(named.unwrap_or_else(last)), Source::Metadata)
    })
}

fn counts(part: &Part, id: &IncidentId, window: Counted, rules: &RuleSet) -> Vec<Incident> {
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
        started: window.started,
        mitigated: window.ended,
        source: window.source,
        ended_by: window.ended_by,
        listed: None,
        entered: None,
    });
    incidents.collect()
}
