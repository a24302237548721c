//! What is wrong in a file is told with its place, and with what to type instead.

use super::*;

fn of_usage(text: &str) -> String {
    let services = Services::shipped();
    let catalogue = Catalogue::shipped(&services);
    let knows = |word: &str| knows_provider(word, &catalogue);
    let beside = Beside {
        customer: "contoso",
        services: &services,
        knows_provider: &knows,
    };
    let reading = Reading::new("usage.yaml", text);
    read_usage(&reading, &beside);
    told(&reading)
}

fn of_terms(text: &str) -> String {
    let reading = Reading::new("terms.yaml", text);
    read_terms(&reading, &Services::shipped());
    told(&reading)
}

fn of_incidents(text: &str) -> String {
    let services = Services::shipped();
    let catalogue = Catalogue::shipped(&services);
    let reading = Reading::new("incidents.yaml", text);
    read_incidents(&reading, &services, &|word| knows_provider(word, &catalogue));
    told(&reading)
}

fn told(reading: &Reading<'_>) -> String {
    let problems = reading.take_problems();
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn mistakes_in_a_usage() {
    let entry = |more: &str| format!("usage:\n  - {{ provider: azure, service: Virtual Machines, resource: vm-1{more} }}\n");
    let cases = [
        entry(", fee: 10 USD, currency: EUR"),
        entry(", fee: 10, currency: [EUR, USD]"),
        entry(", fee: { EUR: 10, USD: 11 }"),
        entry(", fees: { 2026-10: 10 EUR, 2026-11: 11 USD }"),
        entry(", fees: { 2026-13: 10 }, currency: EUR"),
        entry(", fees: { 2026-1: 10, 2026-01: 11 }, currency: EUR"),
        entry(", fee: 10"),
        entry(", fee: \"1,000\", currency: EUR"),
        entry(", fee: -3, currency: EUR"),
        entry(", fee: 3, currency: EURO"),
        entry(", billing day: 32"),
        entry(", zone: Europe/Berlim"),
        entry(", deployed: 2026-02-30"),
        entry(", deployed: 2026-11-20, removed: 2026-11-10"),
        entry(", location: East US"),
        entry("").replace("azure", "azur"),
        entry("").replace("service: Virtual Machines, ", ""),
        entry(", subscription: 11111111-aaaa-4bbb-8ccc-11111111111"),
        "usage: { provider: azure }\n".to_owned(),
        String::new(),
    ];
    let all: String = cases.iter().map(|case| of_usage(case)).collect();
    insta::assert_snapshot!(all, @"");
}

#[test]
fn a_resource_that_would_be_claimed_twice() {
    let two = |first: &str, second: &str| {
        let entry = |more: &str| format!("  - {{ provider: azure, service: Virtual Machines, resource: vm-1{more} }}\n");
        of_usage(&format!("usage:\n{}{}", entry(first), entry(second)))
    };
    let told = two("", "");
    assert!(told.starts_with("usage.yaml:3:60: `vm-1` would be claimed twice: it is on line 2 already (hint: keep one"), "{told}");
    assert!(!two("", ", tier: x").is_empty(), "whatever the tier");
    assert!(!two(", deployed: 2026-11-01", ", removed: 2026-11-02").is_empty());
    assert_eq!(two(", removed: 2026-11-02", ", deployed: 2026-11-02"), "");
    assert_eq!(two(", customer: a", ", customer: b"), "");
    assert_eq!(two(", subscription: sub-a", ", subscription: sub-b"), "");
}

#[test]
fn mistakes_in_terms() {
    let entry = |more: &str| format!("  - {{ provider: azure, service: Virtual Machines, claim within: 30 days after the month{more} }}\n");
    let steps = ", steps: [{ below: 99.9, credit: 10 }]";
    let cases = [
        entry(", steps: [{ below: 99, credit: 25 }, { below: 99.9, credit: 10 }]"),
        entry(", steps: [{ below: 99.9, credit: 25 }, { below: 99, credit: 25 }]"),
        entry(", steps: [{ below: 100.1, credit: 0 }]"),
        entry(""),
        entry(&format!("{steps}, per: machine")),
        entry(&format!("{steps}, measure: errors")),
        entry(&format!("{steps}, down minute: some")),
        entry(&format!("{steps}, exclude: [previw]")),
        entry(&format!("{steps}, open case within: soon")),
        entry(&format!("{steps}, verified: maybe")),
        entry(&format!("{steps}, valid: {{ from: 2026-13-01 }}")),
        entry(&format!("{steps}, valid: {{ from: 2026-11-01, until: 2026-10-01 }}")),
        entry(&format!("{steps}, deadline: 30 days")),
        entry(steps).replace("30 days after the month", "30 days"),
        entry(&format!("{steps}, pays above: 1")),
        format!("{}{}", entry(steps), entry(steps)),
        format!("{}{}", entry(&format!("{steps}, valid: {{ until: 2026-11-02 }}")), entry(&format!("{steps}, valid: {{ from: 2026-11-01 }}"))),
    ];
    let all: String = cases.iter().map(|case| of_terms(&format!("terms:\n{case}"))).collect();
    insta::assert_snapshot!(all, @"");
    let apart = format!("terms:\n{}{}", entry(&format!("{steps}, valid: {{ until: 2026-11-01 }}")), entry(&format!("{steps}, valid: {{ from: 2026-11-01 }}")));
    assert_eq!(of_terms(&apart), "");
}

#[test]
fn mistakes_in_incidents() {
    let entry = |more: &str| format!("incidents:\n  - {{ tracking id: T-1, provider: azure, impact: [Virtual Machines]{more} }}\n");
    let started = ", started: 2026-11-03T10:00:00Z";
    let cases = [
        entry(""),
        entry(", started: yesterday"),
        entry(&format!("{started}, mitigated: 2026-11-03T09:00:00Z")),
        entry(&format!("{started}, event type: Outage")),
        entry(&format!("{started}, source: hearsay")),
        entry(&format!("{started}, end: 2026-11-03T11:00:00Z")),
        entry(started).replace("azure", "azrue"),
        entry(started).replace("tracking id: T-1, ", ""),
        entry(started).replace(", impact: [Virtual Machines]", ""),
        entry(&format!("{started}, service: Storage")),
        "incidents: 3\n".to_owned(),
    ];
    let all: String = cases.iter().map(|case| of_incidents(case)).collect();
    insta::assert_snapshot!(all, @"");
    assert_eq!(of_incidents("incidents: []\n"), "");
}

#[test]
fn a_usage_may_stand_in_a_rule_file_and_be_written_as_json() {
    let rule_file = "subscriptions: { production: [11111111-aaaa-4bbb-8ccc-111111111111] }\nreceivers: { a: [{ email: a@contoso.example }] }\n\
                     rules: [{ name: all, when: {}, notify: a }]\nusage:\n  - { provider: azure, service: Virtual Machines, subscription: production }\n";
    assert_eq!(of_usage(rule_file), "");
    let json = r#"{ "usage": [{ "provider": "azure", "service": "Virtual Machines", "resource": "vm-1", "fee": "10", "currency": "EUR", "removed": null }] }"#;
    assert_eq!(of_usage(json), "");
}
