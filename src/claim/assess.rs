//! One month under the editions of the terms: what counts as down, which step applies, what it pays.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{Months, NaiveDate};
use rust_decimal::Decimal;

use crate::clock::Time;

use super::asked::{Member, Rows};
use super::assessment::{Assessment, Because, Chosen, Month, Outcome, is_downtime};
use super::downtime::{self, Span, Uptime, common, merged, total};
use super::explain;
use super::incidents::Incident;
use super::money::{self, Currency};
use super::month::BillingMonth;
use super::row::{self, Case, Row};
use super::state::State;
use super::terms::why;
use super::terms::{Editions, Exclusion, Measure, Per, Step, Term};
use super::usage::Usage;

/// An edition of the terms that may be chosen for a month.
pub(super) struct Candidate<'a> {
    /// The entry that leads to it, or the first of several with the same terms.
    usage: &'a Usage,
    term: &'a Term,
    chosen: Chosen,
    /// It may be chosen if something was down here.
    part: Span,
}

impl<'a> Month<'a, '_> {
    /// The row, if it is wanted.
    pub fn row(&self, under: &[Candidate<'a>]) -> Option<Row> {
        let assessed = self.assess(under)?;
        let is_owed = match &assessed.outcome {
            Outcome::Nothing(_) => false,
            Outcome::Unknown(_) | Outcome::Owed(..) => true,
        };
        (is_owed || self.asked.rows != Rows::Owed).then(|| self.shown(&assessed, is_owed))
    }

    /// The month under the edition that pays most among those in force during counted downtime; where nothing was down by
    /// the edition of that time, under the last one, and nothing is owed.
    fn assess(&self, under: &[Candidate<'a>]) -> Option<Assessment<'a>> {
        let (mut best, mut last): (Option<Assessment<'a>>, Option<Assessment<'a>>) = (None, None);
        for candidate in under {
            let assessed = self.under(candidate, under);
            if under.len() > 1 && common(&assessed.down, &[candidate.part]).is_empty() {
                last = Some(assessed);
                continue;
            }
            let is_better = |best: &Assessment<'_>| assessed.worth() >= best.worth();
            if best.as_ref().is_none_or(is_better) {
                best = Some(assessed);
            }
        }
        best.or_else(|| last.map(|last| self.without_downtime(last)))
    }

    /// What counts as down by these terms was not down in their time.
    fn without_downtime(&self, assessed: Assessment<'a>) -> Assessment<'a> {
        let uptime = Uptime {
            down: 0,
            ..assessed.uptime
        };
        let outcome = self.outcome(assessed.term, uptime, &[]);
        Assessment {
            down: Vec::new(),
            uptime,
            outcome,
            ..assessed
        }
    }

    fn under(&self, candidate: &Candidate<'a>, all: &[Candidate<'a>]) -> Assessment<'a> {
        let term = candidate.term;
        let (incidents, spans) = self.counted(candidate, all);
        let down = common(&term.down_minute.counted(&merged(spans)), &self.available);
        let uptime = Uptime {
            available: total(&self.available),
            down: total(&down),
        };
        let outcome = self.outcome(term, uptime, &incidents);
        Assessment {
            usage: candidate.usage,
            term,
            edition: candidate.chosen,
            incidents,
            down,
            uptime,
            outcome,
        }
    }

    /// The incidents of the month that count under these terms, and when they were. What counts at all is, for each of
    /// several entries of one resource, by the terms of its own.
    fn counted(&self, candidate: &Candidate<'a>, all: &[Candidate<'a>]) -> (Vec<&'a Incident>, Vec<Span>) {
        let (mut incidents, mut spans) = (Vec::new(), Vec::new());
        for member in &self.members {
            let is_of = |one: &Candidate<'_>| std::ptr::eq(one.usage, member.usage);
            let is_another = self.is_in_parts() && !is_of(candidate);
            let own = all.iter().rev().find(|one| is_another && is_of(one));
            let term = own.map_or(candidate.term, |own| own.term);
            if exclusion(term, member.usage).is_some() {
                continue;
            }
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
        incidents.retain(|incident| self.is_of_month(incident));
        in_order(&mut incidents);
        (incidents, spans)
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
        if let Some(why) = why::not_computable(term) {
            return Outcome::Unknown(why);
        }
        let Some(step) = term.step(uptime) else {
            return Outcome::Nothing(why::no_step(term));
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
        let usage = assessed.usage;
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

/// The editions that may be chosen for entries with the same terms; `began` is when what they are of began.
pub(super) fn candidates<'a>(
    members: &[&Member<'a>],
    editions: &Editions<'a>,
    month: &BillingMonth,
    began: Option<Time>,
) -> Vec<Candidate<'a>> {
    let Some(first) = members.first() else {
        return Vec::new();
    };
    let lives = members.iter().map(|member| deployed(member.usage));
    let life = lives.reduce(|one, other| Span {
        from: one.from.min(other.from),
        until: one.until.max(other.until),
    });
    let parts = governing(members, month, began).into_iter();
    let within = parts.filter_map(|(part, chosen)| Some((part.within(life?)?, chosen)));
    let candidate = |(part, mut chosen): (Span, Chosen)| {
        let (term, is_sure) = editions.on(chosen.day);
        chosen.is_sure = is_sure;
        Candidate {
            usage: first.usage,
            term,
            chosen,
            part,
        }
    };
    within.map(candidate).collect()
}

/// Which day decides about the edition, and for which part of the month; `began` is when it began, if that is known.
pub(super) fn governing(members: &[&Member<'_>], month: &BillingMonth, began: Option<Time>) -> Vec<(Span, Chosen)> {
    let Some(calendar) = members.first().map(|member| member.usage.calendar) else {
        return Vec::new();
    };
    let usages = members.iter().map(|member| member.usage);
    let deployed = began.map(|time| calendar.date(time));
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
