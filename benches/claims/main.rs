//! How long it takes to compute what may be owed: 50 customers with 2,000 resources each, 20,000 incidents of a year.
//!
//!   cargo bench --bench claims
//!
//! writes the files, runs the program over them as a person would, and prints how long that took: reading included.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};

const CUSTOMERS: usize = 50;
const RESOURCES: usize = 2_000;
const INCIDENTS: usize = 20_000;
const SERVICES: [&str; 4] = ["Virtual Machines", "SQL Database", "App Service", "Private Endpoint"];
const TIERS: [&str; 4] = ["availability set", "zone redundant", "Basic", ""];
const REGIONS: [&str; 5] = ["East US", "West Europe", "North Europe", "Japan East", "UK South"];

fn main() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (usage, incidents) = (dir.path().join("usage.yaml"), dir.path().join("incidents.yaml"));
    std::fs::write(&usage, usages()?)?;
    std::fs::write(&incidents, happened()?)?;
    for pass in 1..=3 {
        let begun = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .args(["claims", "compute", "--format", "json", "--at", "2027-01-05", "--usage"])
            .arg(&usage)
            .arg("--incidents")
            .arg(&incidents)
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "the program failed: {}", output.status);
        let rows = output
            .stdout
            .windows(14)
            .filter(|window| window == b"\"explanation\":")
            .count();
        println!("pass {pass}: {:.2} s, {rows} rows", begun.elapsed().as_secs_f64());
    }
    Ok(())
}

fn subscription(customer: usize) -> String {
    format!("{customer:08}-aaaa-4bbb-8ccc-111111111111")
}

fn usages() -> Result<String> {
    let mut text = "usage:\n".to_owned();
    for customer in 0..CUSTOMERS {
        for resource in 0..RESOURCES {
            let nth = resource % SERVICES.len();
            let tier = if TIERS[nth].is_empty() {
                String::new()
            } else {
                format!(", tier: {}", TIERS[nth])
            };
            writeln!(
                text,
                "  - {{ customer: customer-{customer}, provider: azure, service: {}{tier}, region: {}, subscription: {}, \
                 resource: r-{resource}, fee: \"{}.50\", currency: EUR, billing day: {} }}",
                SERVICES[nth],
                REGIONS[resource % REGIONS.len()],
                subscription(customer),
                10 + resource,
                1 + customer % 28,
            )?;
        }
    }
    Ok(text)
}

fn happened() -> Result<String> {
    let mut text = "incidents:\n".to_owned();
    for nth in 0..INCIDENTS {
        let (month, day, hour) = (1 + nth % 12, 1 + nth / 12 % 28, nth / 336 % 24);
        let (service, region) = (SERVICES[nth % 4], REGIONS[nth / 4 % 5]);
        writeln!(
            text,
            "  - {{ tracking id: T-{nth}, provider: azure, impact: [{{ service: {service}, region: {region} }}], \
             subscriptions: [{}], started: 2026-{month:02}-{day:02}T{hour:02}:00:00Z, \
             mitigated: 2026-{month:02}-{day:02}T{hour:02}:{:02}:00Z }}",
            subscription(nth % CUSTOMERS),
            1 + nth % 59,
        )?;
    }
    Ok(text)
}
