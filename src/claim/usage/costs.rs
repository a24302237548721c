//! Azure's cost export (CSV) as a usage: what was charged for each resource, by billing month.
//!
//! Rows stream through; only the sums are kept, so a million rows need no more memory than their resources. Sums are
//! exact. Refunds and corrections (negative rows) count, because a credit is at most the fee that was paid.
//!
//! - `columns` finds the columns by their names in each of Azure's schemas, and reads one row
//! - `document` writes the YAML that [`super::read_usage`] reads

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read};

use csv::{ErrorKind, ReaderBuilder, StringRecord};
use rust_decimal::Decimal;

use crate::event::catalogue::Catalogue as Services;
use crate::problem::{Place, Problem, Severity};

use super::super::money::Currency;
use super::super::month::{Calendar, YearMonth};
use super::resource_key;

mod columns;
mod document;

#[cfg(test)]
mod tests;

use columns::{Charge, Columns, Wrong};

/// The most resources (with each of their services) of one export.
pub const RESOURCES_MOST: usize = 100_000;

/// After so many problems the rest of the file is not read.
const PROBLEMS_MOST: usize = 20;

/// The most sorts of charges without a resource that are told apart.
const SORTS_MOST: usize = 20;

/// What was charged, by resource.
#[derive(Debug)]
pub struct Costs {
    calendar: Calendar,
    resources: BTreeMap<Key, Resource>,
    /// Rows of the file, without the names.
    pub rows: u64,
    /// Rows that name no resource (support, reservations), by what they are for and currency: their number and sum.
    pub passed_over: BTreeMap<(String, &'static str), Sum>,
    /// Rows with a negative amount, by currency: their number and sum. They are part of the fees.
    pub refunds: BTreeMap<&'static str, Sum>,
    /// Resources whose rows name different regions: none is written for them.
    pub regions_unclear: usize,
    /// Months of resources in which more was refunded than charged: their fee is 0.
    pub months_refunded: usize,
}

/// Rows and what they add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many rows.
    pub rows: u64,
    /// Their sum.
    pub amount: Decimal,
}

/// Account, resource and service, as they are compared.
type Key = (Option<String>, String, String);

/// One resource and one service of it.
#[derive(Debug)]
struct Resource {
    resource: String,
    service: String,
    region: Region,
    currency: Currency,
    /// The line of its first row.
    line: u64,
    fees: BTreeMap<YearMonth, Decimal>,
}

/// Where a resource is, as its rows say.
#[derive(Debug, PartialEq)]
enum Region {
    Unknown,
    One(String),
    Several,
}

impl Costs {
    /// How many resources, each service of one by itself.
    pub fn resources(&self) -> usize {
        self.resources.len()
    }

    /// What was charged for resources, by currency.
    pub fn sums(&self) -> BTreeMap<&'static str, Decimal> {
        let mut sums = BTreeMap::new();
        for resource in self.resources.values() {
            *sums.entry(resource.currency.code()).or_insert(Decimal::ZERO) += resource.fees.values().sum::<Decimal>();
        }
        sums
    }

    fn add(&mut self, charge: Charge, line: u64) -> Result<(), Wrong> {
        let code = charge.currency.0.code();
        if charge.amount.is_sign_negative() {
            self.refunds.entry(code).or_default().add(charge.amount);
        }
        let Some(resource) = charge.resource else {
            self.pass_over(
                charge.service.map_or_else(|| "not named".to_owned(), |(name, _)| name),
                code,
                charge.amount,
            );
            return Ok(());
        };
        let Some((service, service_key)) = charge.service else {
            return Err(Wrong::of_row(
                "no column says which service this row is for",
                "fill in MeterCategory or ConsumedService",
            ));
        };
        let key = (charge.subscription, resource_key(&resource), service_key);
        if self.resources.len() >= RESOURCES_MOST && !self.resources.contains_key(&key) {
            return Err(Wrong::of_row(
                format!("this file has more than {RESOURCES_MOST} resources"),
                "export fewer subscriptions at once, and import each file",
            ));
        }
        let kept = self.resources.entry(key).or_insert_with(|| Resource {
            resource,
            service,
            region: Region::Unknown,
            currency: charge.currency.0,
            line,
            fees: BTreeMap::new(),
        });
        kept.add(charge.region, charge.currency, charge.month, charge.amount)
    }

    fn pass_over(&mut self, sort: String, code: &'static str, amount: Decimal) {
        let is_known = self.passed_over.contains_key(&(sort.clone(), code));
        let sort = match is_known || self.passed_over.len() < SORTS_MOST {
            true => sort,
            false => "others".to_owned(),
        };
        self.passed_over.entry((sort, code)).or_default().add(amount);
    }
}

impl Sum {
    fn add(&mut self, amount: Decimal) {
        self.rows += 1;
        self.amount += amount;
    }
}

impl Resource {
    fn add(
        &mut self,
        region: Option<String>,
        (currency, column): (Currency, usize),
        month: YearMonth,
        amount: Decimal,
    ) -> Result<(), Wrong> {
        if currency != self.currency {
            return Err(Wrong {
                column: Some(column),
                what: format!(
                    "`{}` is charged in two currencies: {currency} here, {} on line {}",
                    self.resource, self.currency, self.line
                ),
                hint: "a claim is in one currency: convert the rows of one of them, or leave them out, and import the file again".to_owned(),
            });
        }
        self.region.add(region);
        *self.fees.entry(month).or_default() += amount;
        Ok(())
    }
}

impl Region {
    fn add(&mut self, region: Option<String>) {
        match (&self, region) {
            (Region::Unknown, Some(region)) => *self = Region::One(region),
            (Region::One(one), Some(region)) if *one != region => *self = Region::Several,
            _ => {}
        }
    }
}

/// Reads an export of costs and usage: actual or amortized costs, of an Enterprise Agreement, a Microsoft Customer
/// Agreement or pay as you go, or in the FOCUS form. `calendar` says how the accounts are billed.
///
/// # Errors
/// What cannot be read, with line and column; the first problems of many.
pub fn read_costs(
    input: impl Read,
    file: &str,
    calendar: Calendar,
    services: &Services,
) -> Result<Costs, Vec<Problem>> {
    let mut input = BufReader::new(input);
    let line_of = Lines::of(&mut input);
    let mut reader = ReaderBuilder::new().from_reader(input);
    let columns = match reader.headers() {
        Ok(names) => Columns::find(names).map_err(|wrong| vec![wrong.problem(file, 1, names)])?,
        Err(error) => return Err(vec![unreadable(file, &error, line_of)]),
    };
    let names = reader.headers().cloned().unwrap_or_default();
    let mut costs = Costs {
        calendar,
        resources: BTreeMap::new(),
        rows: 0,
        passed_over: BTreeMap::new(),
        refunds: BTreeMap::new(),
        regions_unclear: 0,
        months_refunded: 0,
    };
    let (mut problems, mut known) = (Vec::new(), HashMap::new());
    let mut record = StringRecord::new();
    while problems.len() < PROBLEMS_MOST {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                problems.push(unreadable(file, &error, line_of));
                break;
            }
        }
        costs.rows += 1;
        let line = record.position().map_or(0, |at| line_of.row(at));
        let charge = columns.charge(&record, calendar, services, &mut known);
        if let Err(wrong) = charge.and_then(|charge| costs.add(charge, line)) {
            problems.push(wrong.named(&names).problem(file, line, &record));
        }
    }
    match problems.is_empty() {
        true => Ok(costs.settled()),
        false => Err(problems),
    }
}

impl Costs {
    /// With everything counted that only shows at the end.
    fn settled(mut self) -> Self {
        let resources = self.resources.values_mut();
        for resource in resources {
            self.regions_unclear += usize::from(resource.region == Region::Several);
            for fee in resource.fees.values_mut().filter(|fee| **fee < Decimal::ZERO) {
                self.months_refunded += 1;
                *fee = Decimal::ZERO;
            }
        }
        self
    }
}

/// How lines are counted.
#[derive(Debug, Clone, Copy)]
struct Lines {
    /// Whether a carriage return ends a row, and the line feed behind it is not counted yet where the next row begins.
    are_one_behind: bool,
}

impl Lines {
    /// Looks at the first line, and takes nothing.
    fn of(input: &mut impl BufRead) -> Self {
        let start = input.fill_buf().unwrap_or_default();
        let end = start.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        Self {
            are_one_behind: end.is_some_and(|end| start[end..].starts_with(b"\r\n")),
        }
    }

    /// Where a row stands.
    fn row(self, at: &csv::Position) -> u64 {
        at.line() + u64::from(self.are_one_behind && at.record() > 0)
    }
}

/// A problem with the file as such: it is no CSV, no text, or cut.
fn unreadable(file: &str, error: &csv::Error, lines: Lines) -> Problem {
    let line = error.position().map_or(1, |at| lines.row(at));
    let (what, hint) = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => (
            format!("this row has {len} columns, and the first line names {expected_len}"),
            "the file may be cut: export it again",
        ),
        ErrorKind::Utf8 { .. } => (
            "this row is no text in UTF-8".to_owned(),
            "save the file as CSV in UTF-8; unpack it first if it is packed",
        ),
        _ => (format!("this file cannot be read: {error}"), "export it again, as CSV"),
    };
    let mut problem = Problem::at(Severity::Error, file, "", Place::default(), &what, Some(hint));
    problem.line = line as usize;
    problem
}
