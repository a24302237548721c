//! The columns of Azure's exports, and one row of one.
//!
//! The names are those of Microsoft's schemas of the cost and usage details file: Enterprise Agreement (2019-10-01 to
//! 2024-08-01), Microsoft Customer Agreement (2019-11-01 to 2023-12-01-preview), pay as you go (2019-11-01), at
//! <https://learn.microsoft.com/azure/cost-management-billing/dataset-schema/schema-index>, and of FOCUS 1.0. They are the same
//! in any case, with or without spaces.

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};
use csv::StringRecord;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::customer::account::account_id;
use crate::event::catalogue::Catalogue as Services;
use crate::event::fold;
use crate::problem::{Place, Problem, Severity};

use super::super::super::money::Currency;
use super::super::super::month::{Calendar, YearMonth};
use super::super::super::words::service_key;
use super::super::{resource_key, subscription_of};

/// Digits behind the point in which amounts are added: with at most twelve before it, every sum is exact. What a float
/// written out has beyond them is rounded.
const FRACTION_DIGITS_MOST: u32 = 16;

/// Names for the same thing, folded; of several in one file the first one counts.
const COST: [&str; 5] = [
    "costinbillingcurrency",
    "cost",
    "pretaxcost",
    "extendedcost",
    "billedcost",
];
const CURRENCY: [&str; 4] = ["billingcurrencycode", "billingcurrency", "currency", "currencycode"];
const RESOURCE: [&str; 2] = ["resourceid", "instanceid"];
const SUBSCRIPTION: [&str; 3] = ["subscriptionid", "subscriptionguid", "subaccountid"];
const SERVICE: [&str; 3] = ["metercategory", "servicename", "consumedservice"];
const REGION: [&str; 4] = [
    "resourcelocation",
    "resourcelocationnormalized",
    "regionname",
    "location",
];
const PERIOD: [&str; 2] = ["billingperiodstartdate", "billingperiodstart"];
const DATE: [&str; 5] = ["date", "usagedatetime", "usagedate", "chargeperiodstart", "usagestart"];

/// What stands where there is nothing.
const NOTHING: [&str; 6] = ["", "null", "unassigned", "notapplicable", "others", "n/a"];

/// Services whose own terms are not found by the category of their meter: their resources' type, and their name.
const BY_TYPE: [(&str, &str); 1] = [("/providers/microsoft.network/privateendpoints/", "Private Endpoint")];

/// Where each thing stands in a row.
pub struct Columns {
    cost: usize,
    currency: usize,
    resource: Vec<usize>,
    subscription: Vec<usize>,
    service: Vec<usize>,
    region: Vec<usize>,
    period: Vec<usize>,
    date: Vec<usize>,
}

/// One row, checked.
pub struct Charge {
    /// As written, and as services are compared; none where the row names none.
    pub service: Option<(String, String)>,
    pub region: Option<String>,
    pub subscription: Option<String>,
    pub resource: Option<String>,
    pub month: YearMonth,
    /// Negative for a refund.
    pub amount: Decimal,
    /// And where it stands.
    pub currency: (Currency, usize),
}

/// What is wrong in a row.
pub struct Wrong {
    /// Where; none: in the row as a whole.
    pub column: Option<usize>,
    pub what: String,
    pub hint: String,
}

impl Wrong {
    pub fn of_row(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            column: None,
            what: what.into(),
            hint: hint.into(),
        }
    }

    fn at(column: usize, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            column: Some(column),
            ..Self::of_row(what, hint)
        }
    }

    /// With the name of its column.
    pub fn named(mut self, names: &StringRecord) -> Self {
        if let Some(name) = self.column.and_then(|column| names.get(column)) {
            self.what = format!("{}: {}", name.trim(), self.what);
        }
        self
    }

    /// The problem, with the row as far as a person needs to see it.
    pub fn problem(&self, file: &str, line: u64, row: &StringRecord) -> Problem {
        let at = self.column.unwrap_or(0);
        let before: usize = row.iter().take(at).map(|cell| cell.chars().count() + 1).sum();
        let cells: Vec<String> = row.iter().map(|cell| cell.replace(['\r', '\n'], " ")).collect();
        let place = Place {
            line: 1,
            column: before + 1,
            length: row.get(at).map_or(1, |cell| cell.chars().count().max(1)),
        };
        let text = cells.join(",");
        let mut problem = Problem::at(Severity::Error, file, &text, place, &self.what, Some(&self.hint));
        problem.line = line as usize;
        problem
    }
}

impl Columns {
    /// Finds the columns by their names.
    ///
    /// # Errors
    /// When one is missing that every row needs.
    pub fn find(names: &StringRecord) -> Result<Self, Wrong> {
        let folded: Vec<String> = names
            .iter()
            .map(|name| fold(name.trim_start_matches('\u{feff}').trim()))
            .collect();
        let all = |of: &[&str]| -> Vec<usize> {
            let of = of.iter();
            of.filter_map(|name| folded.iter().position(|column| column == name))
                .collect()
        };
        let needed = |of: &[&str], what: &str| match all(of).first() {
            Some(column) => Ok(*column),
            None => Err(lacking(what, &folded)),
        };
        let columns = Self {
            cost: needed(&COST, "CostInBillingCurrency (or Cost, PreTaxCost, BilledCost)")?,
            currency: needed(&CURRENCY, "BillingCurrency (or BillingCurrencyCode, Currency)")?,
            resource: all(&RESOURCE),
            subscription: all(&SUBSCRIPTION),
            service: all(&SERVICE),
            region: all(&REGION),
            period: all(&PERIOD),
            date: all(&DATE),
        };
        needed(&RESOURCE, "ResourceId (or InstanceId)")?;
        needed(&SERVICE, "MeterCategory (or ConsumedService)")?;
        if columns.period.is_empty() {
            needed(&DATE, "Date (or BillingPeriodStartDate)")?;
        }
        Ok(columns)
    }

    /// Reads one row. `known` remembers what services are compared by: there are few, and many rows of each.
    pub fn charge(
        &self,
        row: &StringRecord,
        calendar: Calendar,
        services: &Services,
        known: &mut HashMap<String, String>,
    ) -> Result<Charge, Wrong> {
        let cell = |column: usize| row.get(column).unwrap_or("").trim();
        let code = cell(self.currency);
        let currency = Currency::read(code).ok_or_else(|| {
            let what = format!("`{code}` is no currency");
            Wrong::at(self.currency, what, "three letters of ISO 4217, such as EUR")
        })?;
        let amount = amount(cell(self.cost)).map_err(|why| {
            let hint = "export the file again; if a spreadsheet saved it, with a point before the cents and no separators of thousands";
            Wrong::at(self.cost, why, hint)
        })?;
        let resource = text(row, &self.resource)?;
        let region = text(row, &self.region)?.map(|region| region_name(region, services));
        let by_type = resource.and_then(|resource| by_type(&resource_key(resource)));
        let service = by_type.or(text(row, &self.service)?);
        let service = service.map(|name| {
            let key = known
                .entry(name.to_owned())
                .or_insert_with(|| service_key(services, name));
            (name.to_owned(), key.clone())
        });
        Ok(Charge {
            service,
            region,
            subscription: self.subscription(row, resource)?,
            resource: resource.map(str::to_owned),
            month: self.month(row, calendar)?,
            amount,
            currency: (currency, self.currency),
        })
    }

    /// The account: its own column's, or the one in the resource's id.
    fn subscription(&self, row: &StringRecord, resource: Option<&str>) -> Result<Option<String>, Wrong> {
        let (column, id) = match (filled(row, &self.subscription), resource) {
            (Some((column, id)), _) => (Some(column), id.to_owned()),
            (None, Some(resource)) => match subscription_of(&resource_key(resource)) {
                Some(id) => (self.resource.first().copied(), id.to_owned()),
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        account_id(&id).map(Some).map_err(|why| Wrong {
            column,
            what: why.what,
            hint: why.hint,
        })
    }

    /// The billing month: the one whose first day stands in the row, or the one that its date belongs to.
    fn month(&self, row: &StringRecord, calendar: Calendar) -> Result<YearMonth, Wrong> {
        if let Some((column, said)) = filled(row, &self.period) {
            let first = date(said).map_err(|why| Wrong::at(column, why, DATE_HINT))?;
            let month = YearMonth::of(first);
            if month.date(calendar.day) == first {
                return Ok(month);
            }
            let what = format!(
                "the billing period begins on {first}, and not on day {} of its month",
                calendar.day
            );
            let hint = format!(
                "`--billing-day {}`; import accounts that are billed on other days by themselves",
                first.day()
            );
            return Err(Wrong::at(column, what, hint));
        }
        let Some((column, said)) = filled(row, &self.date) else {
            return Err(Wrong::of_row(
                "this row has no date",
                "fill in Date or BillingPeriodStartDate",
            ));
        };
        let day = date(said).map_err(|why| Wrong::at(column, why, DATE_HINT))?;
        Ok(calendar.at(calendar.midnight(day)).name)
    }
}

const DATE_HINT: &str = "a date is written `2026-11-24`, or month first as Azure does: `11/24/2026`";

fn lacking(what: &str, names: &[String]) -> Wrong {
    let hint = match names {
        [one] if one.contains(';') => "save the file with commas between the columns, not with semicolons",
        [one] if one.contains('\t') => "save the file with commas between the columns, not with tabs",
        _ => "export \"cost and usage details\" as CSV; the names of the columns are its first line",
    };
    Wrong::of_row(format!("the first line names no column {what}"), hint)
}

/// The first of these cells that says something, and where it is.
fn filled<'r>(row: &'r StringRecord, columns: &[usize]) -> Option<(usize, &'r str)> {
    let cells = columns
        .iter()
        .map(|column| (*column, row.get(*column).unwrap_or("").trim()));
    cells
        .into_iter()
        .find(|(_, cell)| !NOTHING.contains(&fold(cell).as_str()))
}

/// The same, as a text that can be written into a file of ours.
fn text<'r>(row: &'r StringRecord, columns: &[usize]) -> Result<Option<&'r str>, Wrong> {
    match filled(row, columns) {
        Some((column, text)) if text.chars().any(char::is_control) => Err(Wrong::at(
            column,
            "this text has a character that cannot be seen",
            "take it out: names have none",
        )),
        found => Ok(found.map(|(_, text)| text)),
    }
}

/// The service that a resource's type stands for.
fn by_type(resource_key: &str) -> Option<&'static str> {
    let found = BY_TYPE.iter().find(|(kind, _)| resource_key.contains(kind));
    found.map(|(_, service)| *service)
}

/// A region as incidents name it: `EastUS` and `US East` are East US.
fn region_name(region: &str, services: &Services) -> String {
    let words = |name: &str| {
        let mut words: Vec<String> = name.split_whitespace().map(str::to_lowercase).collect();
        words.sort();
        words
    };
    let is_same = |listed: &String| fold(listed) == fold(region) || words(listed) == words(region);
    let listed = services.closest_region(region).filter(is_same);
    listed.unwrap_or_else(|| region.to_owned())
}

/// An amount, perhaps negative, perhaps as a float is written out (`1.2E-05`).
fn amount(text: &str) -> Result<Decimal, String> {
    let no_amount = || format!("`{text}` is no amount");
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let is_plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    if mantissa.is_empty() || !mantissa.chars().all(is_plain) {
        return Err(no_amount());
    }
    let mantissa: Decimal = mantissa.parse().map_err(|_| no_amount())?;
    let exponent: i32 = exponent.parse().map_err(|_| no_amount())?;
    let amount = match exponent {
        ..-28 => Some(Decimal::ZERO),
        -28..=-1 => mantissa.checked_mul(Decimal::new(1, exponent.unsigned_abs())),
        0..=12 => mantissa.checked_mul(Decimal::from(10_u64.pow(exponent.unsigned_abs()))),
        _ => None,
    };
    let amount = amount.filter(|amount| amount.abs() < Decimal::new(1_000_000_000_000, 0));
    let amount =
        amount.ok_or_else(|| format!("`{text}` is too large for an amount: at most 12 digits before the point"))?;
    Ok(amount.round_dp_with_strategy(FRACTION_DIGITS_MOST, RoundingStrategy::MidpointAwayFromZero))
}

/// `2026-11-24`, `11/24/2026`, or either with a time behind it.
fn date(text: &str) -> Result<NaiveDate, String> {
    let day = text.split(['T', ' ']).next().unwrap_or(text);
    let forms = ["%Y-%m-%d", "%m/%d/%Y"];
    let date = forms.iter().find_map(|form| NaiveDate::parse_from_str(day, form).ok());
    date.filter(|date| (1_990..=9_999).contains(&date.year()))
        .ok_or_else(|| format!("`{text}` is no date"))
}
