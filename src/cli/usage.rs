//! `bellwether usage`: what a customer uses and pays for, out of a provider's own file.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use anyhow::Result;
use chrono_tz::{TZ_VARIANTS, Tz};
use rust_decimal::Decimal;

use super::failure::{Exit, Failure};
use super::output::{self, count, one_line, wrapped};
use super::problems::rendered;
use crate::claim::{Calendar, Costs, read_costs, rounded};
use crate::event::catalogue::Catalogue as Services;
use crate::problem::meant::meant;

/// Make `usage:` of what a provider says was used and charged
#[derive(Debug, Clone, clap::Args)]
pub struct Usage {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    Import(Import),
}

/// Make `usage:` of Azure's cost export, to be put into a rule file
///
/// FILE is an export of Cost Management, "cost and usage details", as CSV. Its rows are added up by resource, service and
/// billing month (named by the calendar month in which it begins), refunds among them, and the document is written to
/// stdout. What is passed over is said on stderr.
#[derive(Debug, Clone, clap::Args)]
struct Import {
    /// The export, or `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The day of the month on which a billing month begins
    #[arg(long, value_name = "DAY", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=31))]
    billing_day: u8,
    /// By whose clocks it begins (Europe/Berlin)
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = read_zone)]
    zone: Tz,
}

impl Usage {
    /// Reads, adds up and writes.
    pub fn run(self) -> Result<Exit> {
        match self.what {
            What::Import(import) => import.run(),
        }
    }
}

impl Import {
    fn run(self) -> Result<Exit> {
        let (name, input) = self.open()?;
        let calendar = Calendar {
            day: self.billing_day,
            zone: self.zone,
        };
        match read_costs(input, &name, calendar, &Services::shipped()) {
            Ok(costs) => {
                output::print(&costs.yaml())?;
                output::complain(&summary(&name, &costs));
                Ok(Exit::Fine)
            }
            Err(problems) => {
                output::complain(&rendered(&problems, output::may_colour(&std::io::stderr())));
                Ok(Exit::Config)
            }
        }
    }

    fn open(&self) -> Result<(String, Box<dyn Read>)> {
        if self.file.as_os_str() == "-" {
            return Ok(("stdin".to_owned(), Box::new(std::io::stdin().lock())));
        }
        let name = self.file.display().to_string();
        let file = File::open(&self.file).map_err(|error| {
            let what = format!("{name} cannot be read: {error}");
            Failure::new(Exit::Config, what).hint("name a file that Azure's Cost Management exported as CSV")
        })?;
        Ok((name, Box::new(file)))
    }
}

/// # Errors
/// In words that say what to type.
fn read_zone(text: &str) -> Result<Tz, String> {
    let found = TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(text));
    found.copied().ok_or_else(|| {
        let hint = meant(text, TZ_VARIANTS.iter().map(|zone| zone.name()));
        hint.unwrap_or_else(|| "a zone is written `Europe/Berlin` or `UTC`".to_owned())
    })
}

/// How many resources and what sum, and everything that is not as a person may think.
fn summary(name: &str, costs: &Costs) -> String {
    let sums = costs.sums();
    let sums: Vec<String> = sums.iter().map(|(code, sum)| money(*sum, code)).collect();
    let sums = match sums.is_empty() {
        true => String::new(),
        false => format!(": {}", sums.join(" and ")),
    };
    let rows = count(costs.rows as usize, "row");
    let mut text = wrapped(
        &format!(
            "{}: {} in {rows}{sums}",
            one_line(name, 200),
            count(costs.resources(), "resource")
        ),
        "",
    );
    for ((sort, code), sum) in &costs.passed_over {
        let (rows, sort) = (count(sum.rows as usize, "row"), one_line(sort, 100));
        let line = format!(
            "passed over: {rows} without a resource, for {sort}: {}",
            money(sum.amount, code)
        );
        text.push_str(&wrapped(&line, ""));
    }
    for (code, sum) in &costs.refunds {
        let rows = count(sum.rows as usize, "row");
        let line = format!(
            "refunds: {rows} with a negative amount, taken off: {}",
            money(sum.amount, code)
        );
        text.push_str(&wrapped(&line, ""));
    }
    if costs.months_refunded > 0 {
        let months = count(costs.months_refunded, "fee");
        let line = format!("refunds: {months} set to 0, because more was refunded in that month than charged");
        text.push_str(&wrapped(&line, ""));
    }
    if costs.regions_unclear > 0 {
        let resources = count(costs.regions_unclear, "resource");
        let line = format!(
            "no region: {resources} with rows of several regions; add `region:` where an incident's region matters"
        );
        text.push_str(&wrapped(&line, ""));
    }
    text
}

fn money(amount: Decimal, code: &str) -> String {
    format!("{} {code}", rounded(amount, code))
}
