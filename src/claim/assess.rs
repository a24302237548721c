//! One month under the editions of the terms: what counts as down, which step applies, what it pays.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{Months, NaiveDate};
use rust_decimal::Decimal;

use crate::clock::Time;
use crate::event::EventType;

use super::compute::{Asked, Member, Rows};
use super::downtime::{self, Span, Uptime, common, merged, total};
use super::explain;
use super::incidents::Incident;
use super::money::{self, Currency};
use super::month::{BillingMonth, Calendar};
use super::row::{self, Case, Row};
use super::state::State;
use super::terms::{Editions, Exclusion, Measure, Per, Step, Term};
use super::usage::Usage;

/// One month of what a credit is for.
pub(super) struct Month<'a, 'm> {
    pub asked: &'m Asked<'a>,
    pub calendar: Calendar,
    pub month: BillingMonth,
    pub per: Per,
    pub members: Vec<&'m Member<'a>>,
    /// When it was to be available, merged.
    pub available: Vec<Span>,
}

/// The month under one edition of the terms.
pub(super) struct Assessment<'a> {
    pub term: &'a Term,
    pub edition: Chosen,
    /// The incidents that count.
    pub incidents: Vec<&'a Incident>,
    /// Time that counts as down.
    pub down: Vec<Span>,
    pub uptime: Uptime,
    pub outcome: Outcome,
}

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// Nothing is owed, because …
    Nothing(String),
    /// It cannot be computed, because …
    Unknown(String),
    /// This step applies; the credit is unknown where the fee is.
    Owed(Step, Option<Decimal>),
}

/// How an edition was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The day that decides.
    pub day: NaiveDate,
    pub because: Because,
    /// Whether an edition is known for that day.
    pub is_sure: bool,
}

/// Why a day decides about the edition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Because {
    Renewed,
    Deployed,
    /// A renewal came later: the term before it is taken to have begun a year earlier.
    YearBeforeRenewal,
    /// Nothing is known: the first day of the billing month.
    Nothing,
}

impl<'a> Month<'a, '_> {
    /// The row, if it is wanted.
    pub fn row(&self, editions: &Editions<'a>) -> Option<Row> {
        let assessed = self.assess(editions);
        let is_owed = match &assessed.outcome {
            Outcome::Nothing(_) => false,
            Outcome::Unknown(_) | Outcome::Owed(..) => true,
        };
        (is_owed || self.asked.rows != Rows::Owed).then(|| self.shown(&assessed, is_owed))
    }

    /// The month under the edition that pays most among those in force during counted downtime.
    fn assess(&self, editions: &Editions<'a>) -> Assessment<'a> {
        let governing = governing(&self.members, &self.month, self.calendar);
        let mut best: Option<Assessment<'a>> = None;
        let count = governing.len();
        for (part, mut chosen) in governing {
            let (term, is_sure) = editions.on(chosen.day);
            chosen.is_sure = is_sure;
            let assessed = self.under(term, chosen);
            let counts = count == 1 || !common(&assessed.down, &[part]).is_empty();
            let is_better = |best: &Assessment<'_>| assessed.worth() >= best.worth();
            if counts && best.as_ref().is_none_or(is_better) {
                best = Some(assessed);
            }
        }
        best.unwrap_or_else(|| {
            let (term, is_sure) = editions.on(self.month.first);
            let chosen = Chosen {
                day: self.month.first,
                because: Because::Nothing,
                is_sure,
            };
            self.under(term, chosen)
        })
    }

    fn under(&self, term: &'a Term, edition: Chosen) -> Assessment<'a> {
        let (mut incidents, mut spans) = (Vec::new(), Vec::new());
        for member in self
            .members
            .iter()
            .filter(|member| exclusion(term, member.usage).is_none())
        {
            let life = deployed(member.usage);
            for incident in member.incidents.iter().filter(|incident| is_downtime(incident, term)) {
                let until = incident.mitigated.unwrap_or(self.asked.at).min(self.asked.at);
                let window = Span {
                    from: incident.started,
                    until: until.max(incident.started),
                };
                if let Some(span) = window.within(life) {
                    spans.push(span);
                    incidents.push(*incident);
                }
            }
        }
        let down = common(&term.down_minute.counted(&merged(spans)), &self.available);
        let uptime = Uptime {
            available: total(&self.available),
            down: total(&down),
        };
        incidents.retain(|incident| self.is_of_month(incident));
        in_order(&mut incidents);
        let outcome = self.outcome(term, uptime, &incidents);
        Assessment {
            term,
            edition,
            incidents,
            down,
            uptime,
            outcome,
        }
    }

    fn is_of_month(&self, incident: &Incident) -> bool {
        let until = incident.mitigated.unwrap_or(self.asked.at);
        incident.started < self.month.end && until > self.month.start
    }

    fn outcome(&self, term: &Term, uptime: Uptime, incidents: &[&Incident]) -> Outcome {
        let excluded = self.members.iter().map(|member| exclusion(term, member.usage));
        if let Some(Some(why)) = excluded.reduce(|one, other| one.and(other)) {
            return Outcome::Nothing(why.to_owned());
        }
        if uptime.down == 0 && (incidents.is_empty() || term.measure == Measure::Downtime) {
            return Outcome::Nothing("no time counts as down".to_owned());
        }
        if let Some(why) = explain::not_computable(term) {
            return Outcome::Unknown(why);
        }
        let Some(step) = term.step(uptime) else {
            return Outcome::Nothing(explain::no_step(term));
        };
        match self.money() {
            Some((fee, currency)) => self.owed(term, step, fee, currency),
            None => Outcome::Owed(step, None),
        }
    }

    fn owed(&self, term: &Term, step: Step, fee: Decimal, currency: Currency) -> Outcome {
        let credit = money::credit(fee, step.credit, currency);
        if credit.is_zero() {
            return Outcome::Nothing(format!(
                "{} % of {} {currency} is nothing",
                step.credit,
                currency.shown(fee)
            ));
        }
        match term.pays_above {
            Some((least, of)) if of == currency && credit <= least => Outcome::Nothing(format!(
                "the credit would be {} {currency}, and {} {currency} or less is not paid",
                currency.shown(credit),
                currency.shown(least)
            )),
            _ => Outcome::Owed(step, Some(credit)),
        }
    }

    /// The fee of the month for all that the credit is for; `None` if that of any part is not known.
    pub(super) fn money(&self) -> Option<(Decimal, Currency)> {
        let mut sum: Option<(Decimal, Currency)> = None;
        for member in &self.members {
            let (fee, currency) = (member.usage.fee_of(&self.month)?, member.usage.currency?);
            sum = match sum {
                None => Some((fee, currency)),
                Some((total, of)) if of == currency => Some((total.checked_add(fee)?, currency)),
                Some(_) => return None,
            };
        }
        sum
    }

    /// Whether the fees of what the credit is for cannot be added up.
    pub(super) fn has_several_currencies(&self) -> bool {
        let mut currencies = self.members.iter().filter_map(|member| member.usage.currency);
        let first = currencies.next();
        currencies.any(|other| Some(other) != first)
    }

    fn open_case_by(&self, cases: &[Case]) -> Option<Time> {
        let all = cases.iter().map(|case| case.by);
        let ahead = all.clone().filter(|by| *by >= self.asked.at).min();
        ahead.or_else(|| all.max())
    }

    /// The last day on which the claim may be in. Where it is counted from each incident, the next one that has not passed,
    /// else the last one: an old incident must not take a later one along.
    fn last_day(&self, assessed: &Assessment<'a>) -> Option<NaiveDate> {
        let within = assessed.term.claim_within?;
        let began = assessed.down.iter().map(|span| self.calendar.date(span.from));
        let began: Vec<NaiveDate> = match assessed.down.is_empty() {
            true => vec![self.month.first],
            false => began.collect(),
        };
        let days = began
            .into_iter()
            .filter_map(|began| within.last_day(&self.month, self.calendar, began));
        let today = self.calendar.date(self.asked.at);
        days.clone().filter(|day| *day >= today).min().or_else(|| days.max())
    }

    fn shown(&self, assessed: &Assessment<'a>, is_owed: bool) -> Row {
        let usage = self.members[0].usage;
        let identity = match self.per {
            Per::Resource => usage.identity(),
            Per::Service => usage.identity_of_service(),
        };
        let last_day = self.last_day(assessed);
        let is_over = last_day.is_some_and(|last_day| self.calendar.date(self.asked.at) > last_day);
        let is_known = !matches!(assessed.outcome, Outcome::Unknown(_));
        let money = self.money();
        let credit = match &assessed.outcome {
            Outcome::Nothing(_) => money.map(|_| Decimal::ZERO),
            Outcome::Unknown(_) => None,
            Outcome::Owed(_, credit) => *credit,
        };
        let step = match &assessed.outcome {
            Outcome::Owed(step, _) => Some(step),
            Outcome::Nothing(_) | Outcome::Unknown(_) => None,
        };
        let pays = step.map_or(Decimal::ZERO, |step| step.credit);
        let code = money.map(|(_, currency)| currency).or(usage.currency);
        let cases = assessed.cases();
        let names = assessed
            .incidents
            .iter()
            .map(|incident| explain::incident_name(incident));
        let mut named = HashSet::new();
        let incidents: Arc<[String]> = names.filter(|name| named.insert(name.clone())).collect();
        let entered = assessed
            .incidents
            .iter()
            .filter_map(|incident| incident.entered.as_ref());
        let mut downtimes: Vec<String> = entered.map(|entered| entered.id.clone()).collect();
        downtimes.dedup();
        Row {
            id: row::id(&identity, self.month.name),
            customer: usage.customer.clone(),
            provider: usage.provider.clone(),
            service: usage.service.clone(),
            tier: usage.tier.clone(),
            region: usage.region.clone(),
            subscription: usage.subscription.clone(),
            resource: usage.resource.clone().filter(|_| self.per == Per::Resource),
            month: self.month.name.to_string(),
            billing_period: Some(format!(
                "{} to {} ({})",
                self.month.first,
                self.month.last,
                self.calendar.zone.name()
            )),
            available_minutes: downtime::minutes(assessed.uptime.available),
            down_minutes: is_known.then(|| downtime::minutes(assessed.uptime.down)),
            uptime_percent: is_known.then(|| assessed.uptime.percent()),
            step_percent: is_known.then(|| pays.normalize().to_string()),
            step_below: step.map(|step| step.below.normalize().to_string()),
            fee: money.map(|(fee, currency)| currency.shown(fee)),
            currency: code.map(|currency| currency.code().to_owned()),
            credit: credit.zip(code).map(|(credit, currency)| currency.shown(credit)),
            last_day: last_day.map(|day| day.to_string()),
            state: is_owed.then_some(if is_over { State::Expired } else { State::Possible }),
            edition: assessed.term.edition_name(),
            terms_source: assessed.term.source.clone(),
            provisional: self.month.end > self.asked.at,
            verified: assessed.term.verified && assessed.edition.is_sure,
            incidents,
            downtimes,
            open_case_by: self.open_case_by(&cases),
            cases,
            processed_within_seconds: assessed.term.processed_within,
            evidence: assessed.term.evidence.as_slice().into(),
            explanation: match self.asked.explained {
                true => explain::sentences(self, assessed, last_day),
                false => Vec::new(),
            },
        }
    }
}

impl Assessment<'_> {
    /// The cases that the terms ask for, one for each incident: counted from its begin.
    pub fn cases(&self) -> Vec<Case> {
        let within = self.term.open_case_within;
        let Some(within) = within.and_then(|seconds| i64::try_from(seconds).ok()) else {
            return Vec::new();
        };
        let mut named = HashSet::new();
        let cases = self.incidents.iter().filter_map(|incident| {
            Some(Case {
                incident: explain::incident_name(incident),
                began: incident.started,
                by: incident.started.checked_add_signed(chrono::Duration::seconds(within))?,
            })
        });
        // the incidents stand by begin: of several windows of one the first counts
        cases.filter(|case| named.insert(case.incident.clone())).collect()
    }

    /// What an edition is compared by: what it pays.
    fn worth(&self) -> (u8, Decimal) {
        match &self.outcome {
            Outcome::Nothing(_) => (0, Decimal::ZERO),
            Outcome::Unknown(_) => (1, Decimal::ZERO),
            Outcome::Owed(step, credit) => (2, credit.unwrap_or(step.credit)),
        }
    }
}

/// Why terms leave a usage out.
fn exclusion(term: &Term, usage: &Usage) -> Option<&'static str> {
    if usage.free && term.excludes(Exclusion::Free) {
        return Some("the terms exclude what is free");
    }
    (usage.preview && term.excludes(Exclusion::Preview)).then_some("the terms exclude previews")
}

/// Whether an event is trouble at all, and not left out by the terms.
pub(super) fn is_downtime(incident: &Incident, term: &Term) -> bool {
    match incident.event_type {
        EventType::ServiceIssue => true,
        EventType::PlannedMaintenance => !term.excludes(Exclusion::PlannedMaintenance),
        EventType::HealthAdvisory | EventType::SecurityAdvisory | EventType::Billing | EventType::Other => false,
    }
}

fn in_order(incidents: &mut Vec<&Incident>) {
    incidents.sort_by(|one, other| {
        let key = |incident: &Incident| (incident.started, incident.mitigated);
        key(one)
            .cmp(&key(other))
            .then_with(|| one.tracking_id.cmp(&other.tracking_id))
    });
    incidents.dedup_by(|one, other| std::ptr::eq(*one, *other));
}

/// When a usage was to be available in a month.
pub(super) fn available(usage: &Usage, month: &BillingMonth) -> Vec<Span> {
    let whole = Span {
        from: month.start,
        until: month.end,
    };
    whole.within(deployed(usage)).into_iter().collect()
}

fn deployed(usage: &Usage) -> Span {
    Span {
        from: usage.deployed.unwrap_or(Time::MIN_UTC),
        until: usage.removed.unwrap_or(Time::MAX_UTC),
    }
}

/// Which day decides about the edition, and for which part of the month.
pub(super) fn governing(members: &[&Member<'_>], month: &BillingMonth, calendar: Calendar) -> Vec<(Span, Chosen)> {
    let usages = members.iter().map(|member| member.usage);
    let deployed = usages.clone().map(|usage| usage.deployed).min().flatten();
    let deployed = deployed.map(|time| calendar.date(time));
    let part = |from: Time, until: Time, day: NaiveDate, because: Because| {
        let chosen = Chosen {
            day,
            because,
            is_sure: true,
        };
        (Span { from, until }, chosen)
    };
    let Some(renewed) = usages.filter_map(|usage| usage.renewed).max() else {
        let (day, because) = match deployed {
            Some(deployed) => (deployed, Because::Deployed),
            None => (month.first, Because::Nothing),
        };
        return vec![part(month.start, month.end, day, because)];
    };
    let renewal = calendar.midnight(renewed);
    let before = deployed.filter(|deployed| *deployed < renewed);
    let (day, because) = match before {
        Some(deployed) => (deployed, Because::Deployed),
        None => {
            let earlier = renewed.checked_sub_months(Months::new(12)).unwrap_or(renewed);
            (earlier, Because::YearBeforeRenewal)
        }
    };
    let parts = [
        part(month.start, month.end.min(renewal), day, because),
        part(month.start.max(renewal), month.end, renewed, Because::Renewed),
    ];
    parts.into_iter().filter(|(span, _)| span.from < span.until).collect()
}
