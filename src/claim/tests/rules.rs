//! What touches what, what counts, and what cannot be said.

use super::*;

/// Hours down in November, so that something is owed wherever it counts.
fn incident(more: &str) -> String {
    let impact = match more.contains("impact") {
        true => "",
        false => "impact: [{ service: Virtual Machines }], ",
    };
    format!(
        "incidents:\n  - {{ tracking id: T-1, provider: azure, {impact}started: 2026-11-03T10:00:00Z, \
         mitigated: 2026-11-03T16:00:00Z{more} }}\n"
    )
}

fn counts(more_usage: &str, more_incident: &str, more_terms: &str) -> bool {
    let rows = computed(
        &usage(more_usage),
        &incident(more_incident),
        &terms(more_terms),
        LATER,
        false,
    )
    .rows;
    !rows.is_empty()
}

#[test]
fn an_incident_touches_a_service_in_a_region_for_an_account() {
    assert!(counts("", "", ""));
    assert!(counts(
        ", region: East US",
        ", impact: [{ service: VM, region: [eastus, West Europe] }]",
        ""
    ));
    assert!(!counts(
        ", region: East US",
        ", impact: [{ service: Virtual Machines, region: West Europe }]",
        ""
    ));
    assert!(!counts(
        ", region: East US",
        ", impact: [{ service: Virtual Machines, region: Global }]",
        ""
    ));
    assert!(
        counts("", ", impact: [{ service: Virtual Machines, region: West Europe }]", ""),
        "no region: wherever it is"
    );
    assert!(!counts("", ", impact: [{ service: Storage }]", ""));
    // the pairs match, not services and regions by themselves
    let pairs = ", impact: [{ service: Storage, region: East US }, { service: Virtual Machines, region: West Europe }]";
    assert!(!counts(", region: East US", pairs, ""));
    let sub = ", subscription: 11111111-aaaa-4bbb-8ccc-111111111111";
    assert!(counts(
        sub,
        ", subscriptions: [11111111-AAAA-4bbb-8ccc-111111111111]",
        ""
    ));
    assert!(!counts(
        sub,
        ", subscriptions: [22222222-aaaa-4bbb-8ccc-222222222222]",
        ""
    ));
    assert!(
        counts(sub, ", subscriptions: []", ""),
        "one that names no account is everybody's"
    );
}

#[test]
fn an_incident_that_lists_resources_touches_only_these() {
    assert!(counts("", ", resources: [VM-1, vm-9]", ""));
    assert!(!counts("", ", resources: [vm-2]", ""));
    assert!(counts(
        "",
        ", resources: [{ id: vm-1, type: machine, region: East US, impact: Potential }]",
        ""
    ));
    let potential = ", impact: [{ service: Virtual Machines }], resources: [{ id: vm-2, impact: potential }";
    assert!(
        counts("", &format!("{potential}]"), ""),
        "potential ones alone narrow nothing"
    );
    assert!(!counts(
        "",
        &format!("{potential}, {{ id: vm-3, impact: confirmed }}]"),
        ""
    ));
    let id = "/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/resourceGroups/web/providers/x/virtualMachines/vm-1";
    assert!(
        counts("", &format!(", resources: [{id}]"), ""),
        "a name stands for an id"
    );
    let of = |more: &str, incidents: &str| {
        let usage = usage(more).replace("vm-1", id);
        computed(&usage, incidents, &terms(""), LATER, false).rows
    };
    let other = ", subscriptions: [22222222-aaaa-4bbb-8ccc-222222222222]";
    assert!(of("", &incident(other)).is_empty(), "the account stands in the id");
    let rows = of(
        "",
        &incident(&format!(
            ", resources: [{}], impact: [{{ service: Storage }}]",
            id.to_uppercase()
        )),
    );
    assert_eq!(
        rows[0].subscription.as_deref(),
        Some("11111111-aaaa-4bbb-8ccc-111111111111")
    );
}

#[test]
fn only_trouble_counts_and_maintenance_unless_it_is_excluded() {
    assert!(counts("", ", event type: Incident", ""));
    assert!(counts("", ", event type: Planned maintenance", ""));
    assert!(!counts(
        "",
        ", event type: Planned maintenance",
        ", exclude: [planned maintenance]"
    ));
    assert!(!counts("", ", event type: Health advisory", ""));
    assert!(!counts("", ", event type: Security", ""));
}

#[test]
fn previews_and_free_tiers_are_left_out_only_where_the_terms_say_so() {
    assert!(counts(", free: true", "", "") && counts(", preview: true", "", ""));
    assert!(!counts(", free: true", "", ", exclude: [preview, free]"));
    assert!(!counts(", preview: true", "", ", exclude: [preview, free]"));
    assert!(counts(", preview: true", "", ", exclude: [free]"));
}

#[test]
fn a_persons_correction_counts_before_the_metadata_and_these_before_prose() {
    let of = |source: &str, minutes: u32| {
        format!(
            "  - {{ tracking id: T-1, provider: azure, impact: [Virtual Machines], started: 2026-11-03T10:00:00Z, \
             mitigated: 2026-11-03T11:{minutes:02}:00Z, source: {source} }}\n"
        )
    };
    let rows = |items: &[String]| {
        computed(
            &usage(""),
            &format!("incidents:\n{}", items.concat()),
            &terms(""),
            LATER,
            true,
        )
        .rows
    };
    let [prose, metadata, correction] = [of("prose", 30), of("metadata", 10), of("correction", 20)];
    let found = rows(&[prose.clone(), metadata.clone(), correction]);
    assert_eq!(found[0].down_minutes.as_deref(), Some("80"), "as corrected");
    assert!(
        found[0].explanation[0].ends_with("by a person's correction."),
        "{:?}",
        found[0].explanation
    );
    assert_eq!(
        rows(&[prose.clone(), metadata])[0].down_minutes.as_deref(),
        Some("70"),
        "as in the metadata"
    );
    assert_eq!(
        rows(&[prose])[0].down_minutes.as_deref(),
        Some("90"),
        "there is only prose"
    );
}

#[test]
fn downtime_without_an_incident_is_entered_by_a_person() {
    let incidents = "incidents:\n  - { provider: azure, impact: [Virtual Machines], started: 2026-11-03 10:00, \
                     mitigated: 2026-11-03 12:00, source: person, evidence: monitoring of the shop }\n";
    let rows = computed(&usage(""), incidents, &terms(""), LATER, false).rows;
    assert_eq!(*rows[0].incidents, ["entered by a person"]);
}

#[test]
fn an_error_rate_is_not_computed_from_times() {
    for more in [", measure: error rate", ", down minute: share 5%"] {
        let rows = computed(&usage(""), &incident(""), &terms(more), LATER, false).rows;
        let row = &rows[0];
        assert_eq!(
            [&row.down_minutes, &row.uptime_percent, &row.step_percent, &row.credit],
            [&None; 4]
        );
        let said = row.explanation.join(" ");
        assert!(
            said.contains("Cannot be computed") && !said.contains("uptime of"),
            "{said}"
        );
    }
    let own =
        "terms: [{ provider: azure, service: Virtual Machines, steps: [], claim within: 30 days after the month }]\n";
    let rows = computed(&usage(""), &incident(""), own, LATER, false).rows;
    assert_eq!(
        (rows[0].credit.as_deref(), rows[0].last_day.as_deref()),
        (None, Some("2026-12-30"))
    );
}

#[test]
fn what_rests_on_unverified_terms_says_so() {
    let shipped = usage(", tier: availability set");
    let rows = computed(&shipped, &incident(""), "", LATER, false).rows;
    assert!(!rows[0].verified && rows[0].explanation.iter().any(|line| line.starts_with("Unverified: ")));
    let rows = computed(&usage(""), &incident(""), &terms(""), LATER, false).rows;
    assert!(rows[0].verified && !rows[0].explanation.iter().any(|line| line.starts_with("Unverified")));
    // an edition that is only the nearest one is not sure, whatever it says of itself
    let own = terms(", valid: { from: 2026-01-01 }");
    let rows = computed(&usage(", deployed: 2025-01-01"), &incident(""), &own, LATER, false).rows;
    assert!(!rows[0].verified);
}

#[test]
fn a_usage_without_terms_is_told_and_not_dropped_in_silence() {
    let of = |usage: &str| {
        let incidents = "incidents: [{ tracking id: T-1, provider: azure, impact: [Virtual Machines, Batch], started: 2026-11-03 10:00 }]";
        let computed = computed(usage, incidents, "", LATER, false);
        assert!(computed.rows.is_empty());
        computed.notes.into_iter().collect::<Vec<_>>().join("\n")
    };
    assert!(
        of(&usage("")).contains("name one with `tier:` (two or more zones; availability set; single, premium SSD)")
    );
    assert!(of(&usage(", tier: huge")).contains("no terms are known for the tier `huge`"));
    assert!(of(&usage("").replace("Virtual Machines", "Batch")).contains("no terms are known for Batch of azure"));
}

#[test]
fn a_small_credit_is_not_paid_where_the_terms_say_so() {
    // 6 h of 43,200 min = 0.8333 %: 10 %.
    let rows = |fee: &str| {
        let usage = usage(&format!(", fee: {fee}, currency: USD"));
        computed(&usage, &incident(""), &terms(", pays above: 1 USD"), LATER, false).rows
    };
    assert!(rows("10.00").is_empty(), "1.00 is not more than 1");
    assert_eq!(rows("10.10")[0].credit.as_deref(), Some("1.01"));
}

/// A machine that moved from tier a to tier b on 16 November. `fees` are the keys of its fee before and after.
fn moved(fees: [&str; 2]) -> String {
    let [before, after] = fees;
    format!(
        "usage:
  - {{ provider: azure, service: Virtual Machines, tier: a, resource: vm-1, {before}, currency: EUR, removed: 2026-11-16 }}
  - {{ provider: azure, service: Virtual Machines, tier: b, resource: vm-1, {after}, currency: EUR, deployed: 2026-11-16 }}
"
    )
}

#[test]
fn a_month_of_a_resource_that_moved_to_another_tier_is_one() {
    let of = |fees: [&str; 2], windows: &[(&str, &str)]| {
        let rows = computed(&moved(fees), &down(windows), &terms(""), LATER, false).rows;
        let shown = |row: &Row| {
            let of_row = [&row.credit, &row.fee, &row.down_minutes];
            let texts = of_row.map(|text| text.clone().unwrap_or_default());
            format!(
                "{} of {} for {} min, {}",
                texts[0], texts[1], texts[2], row.available_minutes
            )
        };
        rows.iter().map(shown).collect::<Vec<_>>()
    };
    let prices = ["fee: 500", "fee: 700"];
    let (first, second) = (
        ("2026-11-03 10:00", "2026-11-03 14:00"),
        ("2026-11-20 10:00", "2026-11-20 14:00"),
    );
    // 240 of 43,200 min: uptime 99.44 %, 10 %. Of its half of the month it would be 98.89 %, 25 %.
    assert_eq!(of(prices, &[first]), ["70.00 of 700.00 for 240 min, 43200"]);
    // 480 of 43,200 min: uptime 98.89 %, 25 %
    assert_eq!(of(prices, &[first, second]), ["175.00 of 700.00 for 480 min, 43200"]);
    // what was charged for the two parts is added up: 25 % of 250 + 350
    let charged = ["fees: { 2026-11: 250 }", "fees: { 2026-11: 350 }"];
    assert_eq!(of(charged, &[first, second]), ["150.00 of 600.00 for 480 min, 43200"]);
    // and the month after has one tier: 3 h of 44,640 min = 0.40 %, 10 % of 700
    let later = ("2026-12-03 10:00", "2026-12-03 13:00");
    assert_eq!(of(prices, &[later]), ["70.00 of 700.00 for 180 min, 44640"]);
    // over the moment of the move: once, on both sides of it
    let over = ("2026-11-15 22:00", "2026-11-16 02:00");
    assert_eq!(of(prices, &[over]), ["70.00 of 700.00 for 240 min, 43200"]);
}

#[test]
fn of_a_resource_that_moved_the_terms_count_in_whose_time_it_was_down() {
    let own = "terms:
  - { provider: azure, service: Virtual Machines, tier: a, claim within: 2 months after the billing month, steps: [{ below: 99.9, credit: 10 }] }
  - { provider: azure, service: Virtual Machines, tier: b, claim within: 2 months after the billing month, steps: [{ below: 99.99, credit: 50 }] }
";
    let of =
        |windows: &[(&str, &str)]| computed(&moved(["fee: 500", "fee: 700"]), &down(windows), own, LATER, true).rows;
    // 60 of 43,200 min = 99.86 %
    let (early, late) = (
        ("2026-11-03 10:00", "2026-11-03 11:00"),
        ("2026-11-20 10:00", "2026-11-20 11:00"),
    );
    let said = |windows: &[(&str, &str)]| {
        let rows = of(windows);
        assert_eq!(rows.len(), 1);
        let of_row = [&rows[0].tier, &rows[0].step_percent, &rows[0].credit];
        of_row.map(|text| text.clone().unwrap_or_default()).join(" ")
    };
    assert_eq!(said(&[early]), "a 10 70.00");
    assert_eq!(said(&[late]), "b 50 350.00");
    assert_eq!(said(&[early, late]), "b 50 350.00");
    let rows = of(&[early, late]);
    insta::assert_snapshot!(rows[0].explanation[3], @"It has 2 entries in this month (a until 2026-11-16 00:00:00Z; b from 2026-11-16 00:00:00Z), which are one claim; the terms of b count: of those during whose time it was down they pay the most. What `fees:` names for the month is added up, and of what `fee:` names the highest counts.");
}

#[test]
fn a_move_to_another_price_is_no_begin_of_the_subscription() {
    let own = "terms:
  - { provider: azure, service: Virtual Machines, edition: old, valid: { until: 2026-11-15 }, claim within: 2 months after the billing month, steps: [{ below: 99.9, credit: 10 }] }
  - { provider: azure, service: Virtual Machines, edition: new, valid: { from: 2026-11-15 }, claim within: 2 months after the billing month, steps: [{ below: 99.95, credit: 10 }] }
";
    // 40 of 43,200 min: 99.907 %, which the old edition does not pay
    let usage = moved(["fee: 500, deployed: 2020-01-01", "fee: 700"]).replace("2026-11-16", "2026-11-20");
    let incidents = down(&[("2026-11-25 10:00", "2026-11-25 10:40")]);
    let rows = computed(&usage, &incidents, own, LATER, true).rows;
    let of_row = |row: &Row| (row.edition.clone(), row.credit.clone());
    let shown: Vec<_> = rows.iter().map(of_row).collect();
    assert_eq!(shown, [(Some("old".to_owned()), Some("0.00".to_owned()))]);
    assert!(
        rows[0]
            .explanation
            .iter()
            .any(|line| line.contains("it began on 2020-01-01")),
        "{rows:#?}"
    );
}

#[test]
fn a_machine_that_is_made_anew_under_an_old_name_began_anew() {
    let own = "terms:
  - { provider: azure, service: Virtual Machines, edition: old, valid: { until: 2026-01-01 }, claim within: 2 months after the billing month, steps: [{ below: 99.9, credit: 10 }] }
  - { provider: azure, service: Virtual Machines, edition: new, valid: { from: 2026-01-01 }, claim within: 2 months after the billing month, steps: [{ below: 99.95, credit: 10 }] }
";
    let usage = moved(["fee: 500, deployed: 2020-01-01", "fee: 700"])
        .replacen("2026-11-16", "2024-03-01", 1)
        .replace("2026-11-16", "2026-06-01");
    let incidents = down(&[("2026-11-25 10:00", "2026-11-25 10:40")]);
    let rows = computed(&usage, &incidents, own, LATER, false).rows;
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.edition.clone(), row.credit.clone()))
        .collect();
    assert_eq!(shown, [(Some("new".to_owned()), Some("70.00".to_owned()))]);
}

#[test]
fn a_free_part_of_the_month_adds_nothing_to_its_fee() {
    let usage = "usage:
  - { provider: azure, service: Virtual Machines, tier: a, resource: vm-1, free: true, removed: 2026-11-16 }
  - { provider: azure, service: Virtual Machines, tier: b, resource: vm-1, fee: 700, currency: EUR, deployed: 2026-11-16 }
";
    let incidents = down(&[("2026-11-20 10:00", "2026-11-20 14:00")]);
    let rows = computed(usage, &incidents, &terms(""), LATER, false).rows;
    // 240 of 43,200 min: 10 % of 700
    assert_eq!(rows[0].credit.as_deref(), Some("70.00"));
}

#[test]
fn nothing_is_owed_by_an_edition_in_whose_time_nothing_was_down() {
    // the edition before the renewal leaves maintenance out, and the one after it was not in force
    let own = "terms:
  - { provider: azure, service: Virtual Machines, edition: old, exclude: [planned maintenance], valid: { until: 2026-11-15 }, claim within: 2 months after the billing month, steps: [{ below: 99.9, credit: 10 }] }
  - { provider: azure, service: Virtual Machines, edition: new, valid: { from: 2026-11-15 }, claim within: 2 months after the billing month, steps: [{ below: 99.9, credit: 10 }] }
";
    let incidents = "incidents:
  - { tracking id: T-0, provider: azure, event type: Planned maintenance, impact: [{ service: Virtual Machines }], started: \"2026-11-05 10:00\", mitigated: \"2026-11-05 14:00\" }
";
    let of = |usage: &str, incidents: &str, own: &str| computed(usage, incidents, own, LATER, false).rows.len();
    assert_eq!(of(&usage(", renewed: 2026-11-15"), incidents, own), 0);
    // nor by the tier after a move: three minutes are no five at a stretch
    let tiers = "terms:
  - { provider: azure, service: Virtual Machines, tier: a, down minute: consecutive 5, claim within: 2 months after the billing month, steps: [{ below: 99.999, credit: 10 }] }
  - { provider: azure, service: Virtual Machines, tier: b, claim within: 2 months after the billing month, steps: [{ below: 99.999, credit: 10 }] }
";
    let short = |day: &str| down(&[(&format!("2026-11-{day} 10:00"), &format!("2026-11-{day} 10:03"))]);
    assert_eq!(of(&moved(["fee: 500", "fee: 700"]), &short("05"), tiers), 0);
    assert_eq!(of(&moved(["fee: 500", "fee: 700"]), &short("20"), tiers), 1);
}

#[test]
fn what_counts_as_down_is_by_the_terms_of_the_tier_of_that_time() {
    let own = "terms:
  - { provider: azure, service: Virtual Machines, tier: a, exclude: [planned maintenance], claim within: 2 months after the billing month, steps: [{ below: 99.9, credit: 10 }] }
  - { provider: azure, service: Virtual Machines, tier: b, claim within: 2 months after the billing month, steps: [{ below: 99.9, credit: 10 }] }
";
    let incidents = "incidents:
  - { tracking id: T-0, provider: azure, event type: Planned maintenance, impact: [{ service: Virtual Machines }], started: \"2026-11-03 10:00\", mitigated: \"2026-11-03 11:00\" }
  - { tracking id: T-1, provider: azure, impact: [{ service: Virtual Machines }], started: \"2026-11-20 10:00\", mitigated: \"2026-11-20 10:20\" }
";
    let rows = computed(&moved(["fee: 500", "fee: 700"]), incidents, own, LATER, true).rows;
    // 20 of 43,200 min are 99.95 %: nothing; with the maintenance in the time of tier a it would be 80 min, 10 %
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.down_minutes.clone(), row.credit.clone()))
        .collect();
    assert_eq!(shown, [(Some("20".to_owned()), Some("0.00".to_owned()))]);
}

#[test]
fn of_what_lasts_for_decades_the_last_two_years_are_computed_and_that_is_said() {
    let incidents = down(&[("0001-01-01 00:00", "2026-11-01 00:00")]);
    let computed = computed(&usage(""), &incidents, &terms(""), LATER, false);
    assert_eq!(computed.rows.len(), 24);
    assert_eq!(computed.rows[0].month, "2024-11");
    let notes: Vec<String> = computed.notes.into_iter().collect();
    insta::assert_snapshot!(notes.join("\n"), @"T-0 lasts for more than 24 billing months, since 0001-01-01 00:00:00Z: only the last 24 are computed; a begin that is wrong can be corrected");
}

#[test]
fn own_terms_of_one_tier_are_not_taken_for_what_names_none_where_others_have_tiers_too() {
    let own = "terms:
  - { provider: azure, service: Virtual Machines, tier: Gold, claim within: 2 months after the billing month, steps: [{ below: 99.9, credit: 50 }] }
";
    let of = |more: &str| computed(&usage(more), &incident(""), own, LATER, false);
    let unnamed = of("");
    assert!(unnamed.rows.is_empty());
    assert!(
        unnamed.notes.iter().any(|note| note.contains("name one with `tier:`")),
        "{:?}",
        unnamed.notes
    );
    assert_eq!(of(", tier: gold").rows[0].credit.as_deref(), Some("500.00"));
    // a service that has terms for one tier alone needs none named
    let only = own.replace("Virtual Machines", "Frobnicator");
    let used = usage("").replace("Virtual Machines", "Frobnicator");
    let incidents = incident("").replace("Virtual Machines", "Frobnicator");
    assert_eq!(computed(&used, &incidents, &only, LATER, false).rows.len(), 1);
}

#[test]
fn what_is_billed_on_another_day_is_claimed_once() {
    let usage = moved(["fee: 500", "billing day: 1, fee: 700"])
        .replace("fee: 500", "billing day: 1, zone: Europe/Berlin, fee: 500");
    let incidents = down(&[
        ("2026-11-03 10:00", "2026-11-03 14:00"),
        ("2026-11-20 10:00", "2026-11-20 14:00"),
    ]);
    let rows = computed(&usage, &incidents, &terms(""), LATER, false).rows;
    // 240 of 21,600 min = 1.11 %: 25 % of 700, or of 500.
    assert_eq!(
        rows.iter().map(|row| row.credit.as_deref()).collect::<Vec<_>>(),
        [Some("175.00")]
    );
    assert!(
        rows[0]
            .explanation
            .iter()
            .any(|line| line.contains("one claim for each"))
    );
}

#[test]
fn ids_are_the_same_for_the_same_claim_and_differ_for_others() {
    let id = |usage: &str| {
        computed(usage, &incident(""), &terms(""), LATER, false).rows[0]
            .id
            .clone()
    };
    assert_eq!(
        id(&usage("")),
        id(&usage(", fee: 7, currency: USD, deployed: 2026-01-01"))
    );
    assert_ne!(id(&usage("")), id(&usage("").replace("vm-1", "vm-2")));
    assert_ne!(id(&usage("")), id(&usage(", customer: fabrikam")));
    assert_eq!(id(&usage("")).len(), 20);
}

#[test]
fn a_case_must_be_opened_within_hours_where_the_terms_say_so() {
    let rows = computed(
        &usage(""),
        &incident(""),
        &terms(", open case within: 24h"),
        LATER,
        false,
    )
    .rows;
    assert!(
        rows[0]
            .explanation
            .contains(&"A case must be opened by 2026-11-04 10:00:00Z for T-1.".to_owned())
    );
}

#[test]
fn the_explanation_says_how_each_figure_came_about() {
    let incidents = down(&[
        ("2026-11-03 10:00", "2026-11-03 10:30"),
        ("2026-11-03 10:10", "2026-11-03 10:45:30"),
    ]);
    let more = ", processed within: 45d, evidence: [tracking id], source: https://aka.ms/csla, checked: 2026-11-29";
    let rows = computed(&usage(", renewed: 2026-03-01"), &incidents, &terms(more), LATER, false).rows;
    insta::assert_snapshot!(rows[0].explanation.join("\n"), @r##"
    T-0: from 2026-11-03 10:00:00Z until 2026-11-03 10:30:00Z, by the provider's metadata.
    T-1: from 2026-11-03 10:10:00Z until 2026-11-03 10:45:30Z, by the provider's metadata.
    vm-1 was down for 45 min 30 s of 43200 min in the billing month from 2026-11-01 to 2026-11-30 (UTC), counted to the second; times that overlap count once: an uptime of 99.89467 %.
    Terms of azure: Virtual Machines: below 99.9 % pays 10 %, below 99 % pays 25 %, below 95 % pays 100 % (https://aka.ms/csla, checked on 2026-11-29).
    Edition without a name: its subscription was renewed on 2026-03-01.
    1000.00 EUR x 10 / 100 = 100.00 EUR may be owed: rounded half up, and at most the fee.
    The claim must be in by 2027-01-30: 2 months after the billing month.
    The provider answers within 45 days.
    A claim must bring: tracking id.
    "##);
}
