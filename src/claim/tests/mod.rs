//! Claims as a whole: files in, rows out.

use std::sync::LazyLock;

use crate::event::catalogue::Catalogue as Services;
use crate::problem::fields::Reading;

use super::*;

mod files;
mod properties;
mod rules;
mod worked;

/// Read once: it takes longer than computing.
static SERVICES: LazyLock<Services> = LazyLock::new(Services::shipped);

/// Read once, too.
static SHIPPED: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::shipped(&SERVICES));

/// Terms of one service: 99.9 pays 10, 99 pays 25, 95 pays 100. `more` are further keys, or others instead.
fn terms(more: &str) -> String {
    let keys = "provider: azure, service: Virtual Machines, verified: true, \
                steps: [{ below: 99.9, credit: 10 }, { below: 99, credit: 25 }, { below: 95, credit: 100 }]";
    let within = match more.contains("claim within") {
        true => "",
        false => ", claim within: 2 months after the billing month",
    };
    format!("terms:\n  - {{ {keys}{within}{more} }}\n")
}

/// One machine of 1,000 a month, by UTC. `more` are further keys.
fn usage(more: &str) -> String {
    let money = match more.contains("fee") {
        true => "",
        false => ", fee: \"1000.00\", currency: EUR",
    };
    format!("usage:\n  - {{ provider: azure, service: Virtual Machines, resource: vm-1{money}{more} }}\n")
}

/// Incidents of Virtual Machines from and until; `-` is one that goes on.
fn down(windows: &[(&str, &str)]) -> String {
    let items = windows.iter().enumerate().map(|(nth, (from, until))| {
        let mitigated = match *until {
            "-" => String::new(),
            until => format!(", mitigated: \"{until}\""),
        };
        format!(
            "  - {{ tracking id: T-{nth}, provider: azure, impact: [{{ service: Virtual Machines }}], started: \"{from}\"{mitigated} }}\n"
        )
    });
    format!("incidents:\n{}", items.collect::<String>())
}

/// Reads the files, which must be good, and computes.
fn computed(usage: &str, incidents: &str, own: &str, at: &str, all: bool) -> Computed {
    let services: &Services = &SERVICES;
    let good = |reading: &Reading<'_>| {
        let problems = reading.take_problems();
        assert!(problems.iter().all(|problem| !problem.is_error()), "{problems:#?}");
    };
    let mut catalogue = SHIPPED.clone();
    if !own.is_empty() {
        let reading = Reading::new("terms.yaml", own);
        catalogue = catalogue.with_own(read_terms(&reading, services));
        good(&reading);
    }
    let knows = |word: &str| knows_provider(word, catalogue.iter());
    let beside = Beside {
        customer: "contoso",
        services,
        knows_provider: &knows,
    };
    let reading = Reading::new("usage.yaml", usage);
    let (usages, _) = read_usage(&reading, &beside);
    good(&reading);
    let reading = Reading::new("incidents.yaml", incidents);
    let incidents = read_incidents(&reading, services, &knows);
    good(&reading);
    let asked = Asked {
        usages: &usages,
        incidents: &incidents,
        terms: &catalogue,
        at: at.parse().expect("a moment"),
        rows: if all { Rows::All } else { Rows::Owed },
        explained: true,
    };
    let computed = compute(&asked);
    is_explained_later(&asked, &computed);
    computed
}

/// What is computed without explanations has the same figures, and explains each of them later in the same words.
fn is_explained_later(asked: &Asked<'_>, whole: &Computed) {
    let mut bare = compute(&Asked {
        explained: false,
        ..*asked
    });
    assert!(bare.rows.iter().all(|row| row.explanation.is_empty()));
    for row in &mut bare.rows {
        // each alone, as somebody looks at one claim
        let mut explained = explained(asked, &[row]);
        row.explanation = explained.remove(&row.id).expect("the claim");
        assert!(explained.is_empty(), "nothing else is explained");
    }
    assert_eq!(bare, *whole);
}

/// `month available down uptime step credit last day`, a line for each row, those where nothing is owed among them.
fn shown(usage: &str, incidents: &str, own: &str, at: &str) -> String {
    let rows = computed(usage, incidents, own, at, true).rows;
    let lines: Vec<String> = rows.iter().map(line).collect();
    lines.join("\n")
}

fn line(row: &Row) -> String {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    format!(
        "{} {} {} {} {} {} {}",
        row.month,
        row.available_minutes,
        or(&row.down_minutes),
        or(&row.uptime_percent),
        or(&row.step_percent),
        or(&row.credit),
        or(&row.last_day)
    )
}

/// Long after everything.
const LATER: &str = "2027-01-05T00:00:00Z";
