//! A month of what a credit is for, and what it comes to under an edition of the terms.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::event::EventType;

use super::asked::{Asked, Member};
use super::downtime::{Span, Uptime};
use super::incidents::Incident;
use super::money::Currency;
use super::month::{BillingMonth, Calendar};
use super::terms::{Exclusion, Per, Step, Term};
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

impl Month<'_, '_> {
    /// The fee of the month for all that the credit is for; `None` if that of any part is not known.
    pub(super) fn money(&self) -> Option<(Decimal, Currency)> {
        // what is free and says no fee adds nothing
        let is_charged = |usage: &Usage| !usage.free || usage.fee_of(&self.month).is_some();
        let charged_for = self.members.iter().map(|member| member.usage);
        let charged_for: Vec<&Usage> = charged_for.filter(|usage| is_charged(usage)).collect();
        let first = charged_for.first()?.currency?;
        let (mut charged, mut price) = (Decimal::ZERO, Decimal::ZERO);
        for usage in charged_for {
            let (fee, currency) = (usage.fee_of(&self.month)?, usage.currency?);
            if currency != first {
                return None;
            }
            match self.is_price_of_a_whole_month(usage) {
                true => price = price.max(fee),
                false => charged = charged.checked_add(fee)?,
            }
        }
        Some((charged.max(price), first))
    }

    /// Whether a fee is what a month costs, though the entry is one of several for one resource: such fees are not added up.
    fn is_price_of_a_whole_month(&self, usage: &Usage) -> bool {
        self.is_in_parts() && !usage.fees.contains_key(&self.month.name)
    }

    /// Whether it is one resource with several entries in this month.
    pub(super) fn is_in_parts(&self) -> bool {
        self.per == Per::Resource && self.members.len() > 1
    }

    /// Whether the fees of what the credit is for cannot be added up.
    pub(super) fn has_several_currencies(&self) -> bool {
        let mut currencies = self.members.iter().filter_map(|member| member.usage.currency);
        let first = currencies.next();
        currencies.any(|other| Some(other) != first)
    }
}

/// The month under one edition of the terms.
pub(super) struct Assessment<'a> {
    /// The entry that leads to these terms.
    pub usage: &'a Usage,
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

/// Whether an event is trouble at all, and not left out by the terms.
pub(super) fn is_downtime(incident: &Incident, term: &Term) -> bool {
    match incident.event_type {
        EventType::ServiceIssue => true,
        EventType::PlannedMaintenance => !term.excludes(Exclusion::PlannedMaintenance),
        EventType::HealthAdvisory | EventType::SecurityAdvisory | EventType::Billing | EventType::Other => false,
    }
}
