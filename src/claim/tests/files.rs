//! What is wrong in a file is told with its place, and with what to type instead.

use super::*;

fn of_usage(text: &str) -> String {
    let reading = Reading::new("usage.yaml", text);
    usages(&reading);
    told(&reading)
}

fn usages(reading: &Reading<'_>) -> Vec<Usage> {
    let knows = |word: &str| knows_provider(word, SHIPPED.iter());
    let beside = Beside {
        customer: "contoso",
        services: &SERVICES,
        knows_provider: &knows,
    };
    read_usage(reading, &beside).0
}

fn of_terms(text: &str) -> String {
    let reading = Reading::new("terms.yaml", text);
    read_terms(&reading, &SERVICES);
    told(&reading)
}

fn of_incidents(text: &str) -> String {
    let reading = Reading::new("incidents.yaml", text);
    read_incidents(&reading, &SERVICES, &|word| knows_provider(word, SHIPPED.iter()));
    told(&reading)
}

fn told(reading: &Reading<'_>) -> String {
    let problems = reading.take_problems();
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn mistakes_in_a_usage() {
    let entry =
        |more: &str| format!("usage:\n  - {{ provider: azure, service: Virtual Machines, resource: vm-1{more} }}\n");
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
    insta::assert_snapshot!(all, @r##"
    usage.yaml:2:72: a fee in two currencies: USD here, EUR on line 2 (hint: a claim is in one currency: convert the other amount, or leave it out)
    usage.yaml:2:86: a fee in two currencies (hint: one `currency: EUR` for an entry: a claim is in one currency, so convert the other amount)
    usage.yaml:2:72: a fee is one amount in one currency, not a table of keys (hint: `fee: "123.45"` and `currency: EUR`; by month: `fees: { 2026-10: "123.45" }`)
    usage.yaml:2:101: a fee in two currencies: USD here, EUR on line 2 (hint: a claim is in one currency: convert the other amount, or leave it out)
    usage.yaml:2:75: `2026-13` is no month of the calendar (hint: a month is written `2026-10`: the one in which the billing month begins)
    usage.yaml:2:87: the month 2026-01 is here twice (hint: keep one fee for each month)
    usage.yaml:2:67: a fee without a currency (hint: `currency: EUR`, beside the fee)
    usage.yaml:2:72: `1,000` is no amount: write it without separators of thousands, and with a point before the cents (1234.50)
    usage.yaml:2:72: an amount is not negative: a fee is what was charged less what was refunded, and 0 where more was refunded
    usage.yaml:2:85: `EURO` is no currency: three letters of ISO 4217, such as EUR
    usage.yaml:2:80: `billing day` is a whole number from 1 to 31
    usage.yaml:2:73: `Europe/Berlim` is no time zone (hint: did you mean `Europe/Berlin`?)
    usage.yaml:2:77: `2026-02-30` is no moment: type `2026-11-24T09:00:00Z`, or `2026-11-24 09:00` by the clocks of UTC
    usage.yaml:2:89: this was removed before it was deployed (hint: exchange the two times)
    usage.yaml:2:67: a usage has no key `location` (hint: did you mean `region`?)
    usage.yaml:2:17: there are no terms of a provider `azur` (hint: did you mean `azure`?)
    usage.yaml:2:5: a usage has no `service` (hint: `service: Virtual Machines`)
    usage.yaml:2:81: `11111111-aaaa-4bbb-8ccc-11111111111` is nearly the id of a subscription, and matches none: part 5 has 11 digits, not 12 (hint: an id has 8-4-4-4-12 digits: 0 to 9 and a to f)
    usage.yaml:1:8: `usage` is a list, not a table of keys (hint: `usage:` and below it `- { provider: azure, service: Virtual Machines, resource: vm-1, fee: "100.00", currency: EUR }`)
    usage.yaml:1:1: this file is empty (hint: `usage:` and below it `- { provider: azure, service: Virtual Machines, resource: vm-1, fee: "100.00", currency: EUR }`)
    "##);
}

#[test]
fn a_resource_that_would_be_claimed_twice() {
    let two = |first: &str, second: &str| {
        let entry =
            |more: &str| format!("  - {{ provider: azure, service: Virtual Machines, resource: vm-1{more} }}\n");
        of_usage(&format!("usage:\n{}{}", entry(first), entry(second)))
    };
    let told = two("", "");
    assert!(
        told.starts_with("usage.yaml:3:51: `vm-1` would be claimed twice: it is on line 2 already (hint: keep one"),
        "{told}"
    );
    assert!(!two("", ", tier: x").is_empty(), "whatever the tier");
    assert!(!two(", deployed: 2026-11-01", ", removed: 2026-11-02").is_empty());
    assert_eq!(two(", removed: 2026-11-02", ", deployed: 2026-11-02"), "");
    assert_eq!(two(", customer: a", ", customer: b"), "");
    assert_eq!(two(", subscription: sub-a", ", subscription: sub-b"), "");
}

#[test]
fn fees_of_other_months_may_stand_beside_each_other_and_no_month_twice() {
    let all = |entries: &[&str]| {
        let entry =
            |more: &&str| format!("  - {{ provider: azure, service: Virtual Machines, resource: vm-1{more} }}\n");
        of_usage(&format!("usage:\n{}", entries.iter().map(entry).collect::<String>()))
    };
    let [october, november] = [
        ", fees: { 2026-10: \"1\" }, currency: EUR",
        ", fees: { 2026-11: \"2\" }, currency: EUR",
    ];
    let both = ", fees: { 2026-10: \"1\", 2026-12: \"3\" }, currency: EUR";
    assert_eq!(all(&[october, november]), "");
    assert!(
        all(&[october, november, october])
            .starts_with("usage.yaml:4:51: `vm-1` would be claimed twice: it is on line 2")
    );
    assert!(
        all(&[both, november, october]).starts_with("usage.yaml:4:51: `vm-1` would be claimed twice: it is on line 2")
    );
    for other in [format!("{november}, fee: \"1\""), String::new()] {
        assert!(all(&[october, &other]).contains("would be claimed twice"), "{other}");
    }
}

#[test]
fn one_thing_in_other_words_is_claimed_once_too() {
    let all = |entries: &[&str]| {
        let entry = |more: &&str| format!("  - {{ provider: azure, service: Virtual Machines{more} }}\n");
        of_usage(&format!("usage:\n{}", entries.iter().map(entry).collect::<String>()))
    };
    const ACCOUNT: &str = "11111111-aaaa-4bbb-8ccc-111111111111";
    let id = format!(
        ", resource: /subscriptions/{ACCOUNT}/resourceGroups/a/providers/Microsoft.Compute/virtualMachines/VM-1"
    );
    let other_group = id.replace("/a/", "/b/");
    let named = format!(", resource: vm-1, subscription: {ACCOUNT}");
    let whole = format!(", subscription: {ACCOUNT}");
    let west = format!("{whole}, region: West US");
    let east_vm = format!("{named}, region: East US");
    for pair in [
        [&*id, &*named],
        [&id, ", resource: vm-1"],
        [&named, ", resource: vm-1"],
        [&whole, &named],
        [&named, &whole],
        [", region: East US", &east_vm],
        [&whole, ""],
    ] {
        let told = all(&pair);
        assert_eq!(told.matches("would be claimed twice").count(), 1, "{pair:?}: {told}");
        assert!(told.starts_with("usage.yaml:3:"), "{told}");
    }
    let elsewhere = named.replace("1111", "2222");
    let ended = format!("{named}, removed: 2026-11-01");
    let begun = format!("{id}, deployed: 2026-11-01");
    for pair in [
        [&*id, &*other_group],
        [&named, ", resource: vm-2"],
        [&elsewhere, &named],
        [&west, &east_vm],
        [&ended, &begun],
        [", tier: single", ", tier: two"],
    ] {
        assert_eq!(all(&pair), "", "{pair:?}");
    }
}

#[test]
fn months_that_differ_in_something_else_say_in_what() {
    let all = |first: &str, second: &str| {
        let entry = |month: &str, more: &str| {
            format!(
                "  - {{ provider: azure, service: vm, resource: vm-1, fees: {{ {month}: \"1\" }}, currency: EUR{more} }}\n"
            )
        };
        of_usage(&format!(
            "usage:\n{}{}",
            entry("2026-10", first),
            entry("2026-11", second)
        ))
    };
    for (first, second, key) in [
        (", tier: single", "", "tier"),
        ("", ", region: East US", "region"),
        ("", ", billing day: 15", "billing day"),
        ("", ", zone: Europe/Berlin", "zone"),
    ] {
        let told = all(first, second);
        let what =
            format!("`vm-1` has another `{key}` than on line 2, where it has other months (hint: months of one thing");
        assert!(told.contains(&what), "{told}");
    }
}

#[test]
fn entries_of_single_months_are_one_usage() {
    let usage = |resource: &str, month: &str| {
        let text = format!(
            "usage: [{{ provider: azure, service: vm, resource: {resource}, fees: {{ {month}: \"1\" }}, currency: EUR }}]"
        );
        usages(&Reading::new("usage.yaml", &text)).remove(0)
    };
    let all = [
        ("a", "2026-10"),
        ("b", "2026-10"),
        ("A", "2026-11"),
        ("b", "2026-10"),
        ("a", "2026-12"),
    ];
    let joined = joined(all.map(|(resource, month)| usage(resource, month)));
    let months: Vec<(&str, usize)> = joined
        .iter()
        .map(|one| (one.resource.as_deref().unwrap_or(""), one.fees.len()))
        .collect();
    // a month that is there twice was refused before; here no fee is lost
    assert_eq!(months, [("a", 3), ("b", 1), ("b", 1)]);
}

#[test]
fn mistakes_in_terms() {
    let entry = |more: &str| {
        format!("  - {{ provider: azure, service: Virtual Machines, claim within: 30 days after the month{more} }}\n")
    };
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
        format!(
            "{}{}",
            entry(&format!("{steps}, valid: {{ until: 2026-11-02 }}")),
            entry(&format!("{steps}, valid: {{ from: 2026-11-01 }}"))
        ),
    ];
    let all: String = cases.iter().map(|case| of_terms(&format!("terms:\n{case}"))).collect();
    insta::assert_snapshot!(all, @r##"
    terms.yaml:2:125: steps out of order: below 99.9 % pays 10 %, and the step before is below 99 % and pays 25 % (hint: the highest `below` comes first, and each further step pays more: [{ below: 99.9, credit: 10 }, { below: 99, credit: 25 }])
    terms.yaml:2:127: steps out of order: below 99 % pays 25 %, and the step before is below 99.9 % and pays 25 % (hint: the highest `below` comes first, and each further step pays more: [{ below: 99.9, credit: 10 }, { below: 99, credit: 25 }])
    terms.yaml:2:107: `100.1` is no percentage above 0 and up to 100, such as 99.9
    terms.yaml:2:122: `0` is no percentage above 0 and up to 100, such as 99.9
    terms.yaml:2:5: a term has no `steps` (hint: `steps: [{ below: 99.9, credit: 10 }]`)
    terms.yaml:2:133: `machine` is no `per` (hint: `resource`, `service`)
    terms.yaml:2:137: `errors` is no `measure` (hint: `downtime`, `error rate`)
    terms.yaml:2:141: `some` is no way to count minutes: exact, any second, whole minute, consecutive 5, share 5%
    terms.yaml:2:138: `previw` is no exclusion (hint: did you mean `preview`?)
    terms.yaml:2:146: `soon` is no length of time (hint: a number with its unit: 10s, 5m, 2h, 90 days)
    terms.yaml:2:138: `verified` is `true` or `false`, not a text
    terms.yaml:2:143: `2026-13-01` is no day of the calendar
    terms.yaml:2:135: this edition ends on 2026-10-01, before it begins on 2026-11-01 (hint: `until` is the first day on which it is no longer current)
    terms.yaml:2:128: a term has no key `deadline` (hint: did you mean `claim within`?)
    terms.yaml:2:65: `30 days` is no time within which something is claimed (hint: `2 months after the billing month`, `end of the next calendar month`, `30 days after the month`, `2 billing cycles after`, `14 days after the incident`)
    terms.yaml:2:140: `1` has no currency: write `1 USD`
    terms.yaml:3:24: the terms of Virtual Machines overlap in time with those on line 2 (hint: say from when each edition is current: `valid: { from: 2026-01-01 }`, and `until` for the one before)
    terms.yaml:3:24: the terms of Virtual Machines overlap in time with those on line 2 (hint: end the earlier edition where this one begins: `valid: { until: 2026-11-01 }`)
    "##);
    let apart = format!(
        "terms:\n{}{}",
        entry(&format!("{steps}, valid: {{ until: 2026-11-01 }}")),
        entry(&format!("{steps}, valid: {{ from: 2026-11-01 }}"))
    );
    assert_eq!(of_terms(&apart), "");
}

#[test]
fn mistakes_in_incidents() {
    let entry = |more: &str| {
        format!("incidents:\n  - {{ tracking id: T-1, provider: azure, impact: [Virtual Machines]{more} }}\n")
    };
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
    insta::assert_snapshot!(all, @r##"
    incidents.yaml:2:5: an incident has no `started` (hint: `started: 2026-11-03T10:00:00Z`)
    incidents.yaml:2:79: `yesterday` is no moment: type `2026-11-24T09:00:00Z`, or `2026-11-24 09:00` by the clocks of UTC
    incidents.yaml:2:101: this was mitigated before it started (hint: exchange the two times)
    incidents.yaml:2:113: `Outage` is no event type (hint: `Service issue`, `Planned maintenance`, `Health advisory`, `Security advisory`, `Billing`, `Other`)
    incidents.yaml:2:109: `hearsay` is no source of times (hint: `metadata`, `prose`, `correction`)
    incidents.yaml:2:101: an incident has no key `end` (hint: did you mean `mitigated`?)
    incidents.yaml:2:35: there is no provider `azrue` (hint: did you mean `azure`?)
    incidents.yaml:2:5: an incident has no `tracking id` (hint: `tracking id: ABCD-123`)
    incidents.yaml:2:5: this incident names neither a service nor a resource: nothing can be claimed for it (hint: `impact: [{ service: Virtual Machines, region: East US }]`)
    incidents.yaml:2:42: `service` beside `impact` (hint: put the service and its region into `impact`, and leave `service` and `region` out)
    incidents.yaml:1:12: `incidents` is a list, not a number (hint: `incidents:` and below it `- { tracking id: ABCD-123, provider: azure, impact: [{ service: Virtual Machines }], started: 2026-11-03T10:00:00Z }`)
    "##);
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
