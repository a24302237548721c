//! The catalogue that is shipped, compared with what was read.

use super::super::words::service_key;
use super::*;
use crate::problem::fields::Reading;

fn shipped() -> Catalogue {
    Catalogue::shipped(&Services::shipped())
}

/// `tier; steps; claim within; measure`, as it was noted down when the sources were read, and whether all of it was read
/// in the provider's own document.
const NOTED: [(&str, &str, &str, &str, bool); 16] = [
    (
        "azure",
        "Virtual Machines",
        "two or more zones",
        "99.99 10, 99 25, 95 100",
        false,
    ),
    (
        "azure",
        "Virtual Machines",
        "availability set",
        "99.95 10, 99 25, 95 100",
        false,
    ),
    (
        "azure",
        "Virtual Machines",
        "single, premium SSD",
        "99.9 10, 99 25, 95 100",
        false,
    ),
    ("azure", "Storage", "hot, read/write", "99.9 10, 99 25", false),
    (
        "azure",
        "SQL Database",
        "zone redundant",
        "99.995 10, 99 25, 95 100",
        false,
    ),
    ("azure", "SQL Database", "", "99.99 10, 99 25, 95 100", false),
    (
        "azure",
        "Azure Kubernetes Service (AKS)",
        "standard tier with zones",
        "99.95 10, 99 25, 95 100",
        false,
    ),
    ("azure", "App Service", "Basic or better", "99.95 10, 99 25", false),
    ("azure", "Azure Cosmos DB", "single region", "99.99 10, 99 25", false),
    ("azure", "Private Endpoint", "", "99.99 10, 99 25", true),
    ("azure", "Dynamics 365", "", "", true),
    ("azure", "Office 365", "", "", true),
    ("azure", "Intune", "", "", true),
    ("aws", "EC2", "region level", "99.99 10, 99 30, 95 100", false),
    (
        "google",
        "Compute Engine",
        "multiple zones",
        "99.99 10, 99 25, 95 100",
        false,
    ),
    ("gitlab", "GitLab.com", "Ultimate", "", false),
];

#[test]
fn the_shipped_terms_are_those_that_were_noted_and_only_what_was_read_is_verified() {
    let mut found: Vec<String> = shipped()
        .iter()
        .map(|term| {
            let steps: Vec<String> = term
                .steps
                .iter()
                .map(|step| format!("{} {}", step.below, step.credit))
                .collect();
            let tier = term.tiers.first().cloned().unwrap_or_default();
            format!(
                "{} | {} | {tier} | {} | {}",
                term.provider,
                term.service,
                steps.join(", "),
                term.verified
            )
        })
        .collect();
    let mut noted: Vec<String> = NOTED
        .iter()
        .map(|(provider, service, tier, steps, verified)| {
            format!("{provider} | {service} | {tier} | {steps} | {verified}")
        })
        .collect();
    found.sort();
    noted.sort();
    assert_eq!(found, noted);
}

#[test]
fn the_shipped_terms_are_read_without_a_problem() {
    let reading = Reading::new("terms.yaml", SHIPPED);
    let terms = read_terms(&reading, &Services::shipped());
    assert_eq!(reading.take_problems(), []);
    assert!(SHIPPED.contains(&format!("version: \"{SHIPPED_VERSION}\"")));
    for term in terms {
        assert!(
            term.source.is_some() && term.checked.is_some() && term.claim_within.is_some(),
            "{}",
            term.name()
        );
    }
}

#[test]
fn microsofts_services_have_clocks_of_their_own() {
    let shipped = shipped();
    let within = |service: &str| {
        let key = service_key(&Services::shipped(), service);
        let editions = shipped
            .editions("azure", &key, Some("any"))
            .or_else(|_| shipped.editions("azure", &key, Some("hot")));
        editions
            .ok()
            .and_then(|editions| editions.0[0].claim_within)
            .map(|within| within.to_string())
    };
    assert_eq!(
        within("Private Link").as_deref(),
        Some("2 months after the billing month")
    );
    for other in ["Dynamics 365", "Office 365", "Microsoft Intune"] {
        assert_eq!(
            within(other).as_deref(),
            Some("end of the next calendar month"),
            "{other}"
        );
    }
    assert!(
        shipped
            .iter()
            .any(|term| term.measure == Measure::ErrorRate && term.service == "Storage")
    );
}

#[test]
fn own_terms_come_before_those_that_are_shipped() {
    let own = "terms: [{ provider: azure, service: VM, steps: [{ below: 99.5, credit: 50 }], claim within: 30 days after the month }]";
    let reading = Reading::new("own.yaml", own);
    let catalogue = shipped().with_own(read_terms(&reading, &Services::shipped()));
    let key = Services::shipped().service_key("Virtual Machines", None);
    let below = |tier: Option<&str>| {
        let editions = catalogue.editions("azure", &key, tier).expect("terms");
        editions.0[0].steps[0].below.to_string()
    };
    assert_eq!(below(None), "99.5");
    assert_eq!(
        below(Some("availability set")),
        "99.5",
        "a tier is overridden by own terms for all tiers"
    );
}
