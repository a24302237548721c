//! Worked cases. The expected figures were computed by hand, and written before the code.

use super::*;

/// One machine in November 2026 by UTC: 43,200 minutes, claimable until 30 January.
fn november(windows: &[(&str, &str)], more: &str) -> String {
    let line = shown(&usage(""), &down(windows), &terms(more), LATER);
    line.strip_prefix("2026-11 43200 ").expect(&line).to_owned()
}

#[test]
fn exactly_three_nines_pay_nothing_and_a_second_more_pays() {
    // 0.1 % of 43,200 min = 43.2 min = 43 min 12 s: exactly 99.9, which is not below 99.9.
    let exactly = [("2026-11-03 10:00:00", "2026-11-03 10:43:12")];
    assert_eq!(november(&exactly, ""), "43.2 99.90000 0 0.00 2027-01-30");
    // 2,593 s of 2,592,000 s = 0.100038580…%: 99.899961…; 1,000 x 10 % = 100.
    let more = [("2026-11-03 10:00:00", "2026-11-03 10:43:13")];
    assert_eq!(november(&more, ""), "43.21666 99.89996 10 100.00 2027-01-30");
    // whole minutes: 10:00 to 10:42 are 43; 43 / 43,200 = 0.0995370…%: 99.900462….
    assert_eq!(
        november(&more, ", down minute: whole minute"),
        "43 99.90046 0 0.00 2027-01-30"
    );
    // any second: 10:43 counts, too: 44 / 43,200 = 0.1018518…%: 99.898148….
    assert_eq!(
        november(&more, ", down minute: any second"),
        "44 99.89814 10 100.00 2027-01-30"
    );
}

#[test]
fn the_further_steps_are_strict_too() {
    // 1 % of 43,200 = 432 min = 7 h 12 min: exactly 99, the step below 99.9 pays.
    assert_eq!(
        november(&[("2026-11-03 10:00", "2026-11-03 17:12")], ""),
        "432 99.00000 10 100.00 2027-01-30"
    );
    // 25,921 s of 2,592,000 = 1.0000385…%: 98.9999614….
    assert_eq!(
        november(&[("2026-11-03 10:00:00", "2026-11-03 17:12:01")], ""),
        "432.01666 98.99996 25 250.00 2027-01-30"
    );
    // 5 % = 2,160 min = 36 h: exactly 95.
    assert_eq!(
        november(&[("2026-11-03 00:00", "2026-11-04 12:00")], ""),
        "2160 95.00000 25 250.00 2027-01-30"
    );
    // 129,601 s = 5.0000385…%: 94.9999614….
    assert_eq!(
        november(&[("2026-11-03 00:00:00", "2026-11-04 12:00:01")], ""),
        "2160.01666 94.99996 100 1000.00 2027-01-30"
    );
}

#[test]
fn october_is_longer_by_the_clocks_of_berlin() {
    // 44 min 39 s = 2,679 s. Berlin: 44,700 min = 2,682,000 s, 0.1 % = 2,682 s: not reached; 99.900111….
    let incidents = down(&[("2026-10-10T10:00:00Z", "2026-10-10T10:44:39Z")]);
    assert_eq!(
        shown(&usage(", zone: Europe/Berlin"), &incidents, &terms(""), LATER),
        "2026-10 44700 44.65 99.90011 0 0.00 2026-12-31"
    );
    // UTC: 44,640 min = 2,678,400 s, 0.1 % = 2,678.4 s: passed; 2,679 / 2,678,400 = 0.1000224…%: 99.899977….
    assert_eq!(
        shown(&usage(""), &incidents, &terms(""), LATER),
        "2026-10 44640 44.65 99.89997 10 100.00 2026-12-31"
    );
}

#[test]
fn what_overlaps_counts_once() {
    // 10:00–10:30 and 10:10–10:40 are 40 min; 40 / 43,200 = 0.0925925…%: 99.907407….
    let windows = [
        ("2026-11-03 10:00", "2026-11-03 10:30"),
        ("2026-11-03 10:10", "2026-11-03 10:40"),
    ];
    assert_eq!(november(&windows, ""), "40 99.90740 0 0.00 2027-01-30");
    // two of 30 min apart are 60 min; 60 / 43,200 = 0.13888…%: 99.861111….
    let windows = [
        ("2026-11-03 10:00", "2026-11-03 10:30"),
        ("2026-11-20 10:00", "2026-11-20 10:30"),
    ];
    assert_eq!(november(&windows, ""), "60 99.86111 10 100.00 2027-01-30");
}

#[test]
fn only_time_deployed_counts() {
    // From 21 November 10 days = 14,400 min are left; of 23:50–00:20 only 20 min count: 0.138888…%: 99.861111….
    let incidents = down(&[("2026-11-20 23:50", "2026-11-21 00:20")]);
    assert_eq!(
        shown(&usage(", deployed: 2026-11-21"), &incidents, &terms(""), LATER),
        "2026-11 14400 20 99.86111 10 100.00 2027-01-30"
    );
    // Removed on 11 November: 14,400 min; of 23:40–00:20 on the 10th 20 min count.
    let incidents = down(&[("2026-11-10 23:40", "2026-11-11 00:20")]);
    assert_eq!(
        shown(&usage(", removed: 2026-11-11"), &incidents, &terms(""), LATER),
        "2026-11 14400 20 99.86111 10 100.00 2027-01-30"
    );
    // Deployed after it was over: nothing.
    assert!(
        computed(&usage(", deployed: 2026-11-12"), &incidents, &terms(""), LATER, false)
            .rows
            .is_empty()
    );
}

#[test]
fn an_incident_over_a_boundary_belongs_to_two_months() {
    // 31 October 23:20 to 1 November 00:50: 40 min of 44,640 = 0.0896057…%: 99.910394…; 50 min of 43,200 =
    // 0.1157407…%: 99.884259….
    let incidents = down(&[("2026-10-31 23:20", "2026-11-01 00:50")]);
    assert_eq!(
        shown(&usage(""), &incidents, &terms(""), LATER),
        "2026-10 44640 40 99.91039 0 0.00 2026-12-31\n2026-11 43200 50 99.88425 10 100.00 2027-01-30"
    );
    // Billed from the 15th, all of it lies in 15 October to 14 November, 31 days: 90 / 44,640 = 0.2016129…%:
    // 99.798387…; 14 November and two months is 14 January.
    assert_eq!(
        shown(&usage(", billing day: 15"), &incidents, &terms(""), LATER),
        "2026-10 44640 90 99.79838 10 100.00 2027-01-14"
    );
    // By Kolkata's clocks (+5:30) November began at 18:30Z on 31 October: all 90 min are November's:
    // 90 / 43,200 = 0.208333…%: 99.791666….
    assert_eq!(
        shown(&usage(", zone: Asia/Kolkata"), &incidents, &terms(""), LATER),
        "2026-11 43200 90 99.79166 10 100.00 2027-01-30"
    );
}

const TWO: &str = "usage:
  - { provider: azure, service: Virtual Machines, resource: vm-1, fee: 100, currency: EUR }
  - { provider: azure, service: Virtual Machines, resource: vm-2, fee: 900, currency: EUR }
";

const FIRST_DOWN: &str = "incidents:
  - { tracking id: T-1, provider: azure, event type: Service issue, impact: [{ service: Virtual Machines, region: East US }],
      resources: [vm-1], started: 2026-11-03T10:00:00Z, mitigated: 2026-11-03T10:45:00Z, source: metadata }
";

#[test]
fn two_machines_per_resource_and_per_service() {
    // 45 / 43,200 = 0.1041666…%: 99.895833…. Per resource: 10 % of 100; the other one had no downtime.
    assert_eq!(
        shown(TWO, FIRST_DOWN, &terms(", per: resource"), LATER),
        "2026-11 43200 45 99.89583 10 10.00 2027-01-30\n2026-11 43200 0 100.00000 0 0.00 2027-01-30"
    );
    // Per service: 10 % of 100 + 900.
    assert_eq!(
        shown(TWO, FIRST_DOWN, &terms(", per: service"), LATER),
        "2026-11 43200 45 99.89583 10 100.00 2027-01-30"
    );
    let rows = computed(TWO, FIRST_DOWN, &terms(", per: service"), LATER, false).rows;
    assert_eq!(
        (rows[0].resource.as_deref(), rows[0].fee.as_deref()),
        (None, Some("1000.00"))
    );
    // two currencies are no sum, and that is what is said
    let dollars = TWO.replacen("EUR", "USD", 1);
    assert_ne!(dollars, TWO);
    let rows = computed(&dollars, FIRST_DOWN, &terms(", per: service"), LATER, false).rows;
    assert_eq!(rows[0].credit, None);
    let said = rows[0].explanation.join(" ");
    assert!(said.contains("in several currencies"), "{said}");
    let rows = computed(TWO, FIRST_DOWN, &terms(""), LATER, false).rows;
    assert_eq!(rows.len(), 1, "nothing is owed for the second one");
    assert_eq!(rows[0].resource.as_deref(), Some("vm-1"));
}

/// Until 1 November 99.9 pays 10; since then 99.95 does.
const EDITIONS: &str = "terms:
  - { provider: azure, service: Virtual Machines, edition: old, steps: [{ below: 99.9, credit: 10 }],
      valid: { until: 2026-11-01 }, claim within: 2 months after the billing month, verified: true }
  - { provider: azure, service: Virtual Machines, edition: new, steps: [{ below: 99.95, credit: 10 }],
      valid: { from: 2026-11-01 }, claim within: 2 months after the billing month, verified: true }
";

fn edition(more: &str, day: &str) -> (Option<String>, String) {
    let incidents = down(&[(&format!("2026-11-{day} 10:00"), &format!("2026-11-{day} 10:30"))]);
    let rows = computed(&usage(more), &incidents, EDITIONS, LATER, true).rows;
    (rows[0].edition.clone(), line(&rows[0]))
}

#[test]
fn the_edition_at_the_last_renewal_counts() {
    // 30 / 43,200 = 0.069444…%: 99.930555…: below 99.95, not below 99.9.
    let nothing = "2026-11 43200 30 99.93055 0 0.00 2027-01-30".to_owned();
    let pays = "2026-11 43200 30 99.93055 10 100.00 2027-01-30".to_owned();
    let (old, new) = (Some("old".to_owned()), Some("new".to_owned()));
    // Renewed on 15 November: an incident before it is under the old edition, one after it under the new one.
    assert_eq!(edition(", renewed: 2026-11-15", "10"), (old.clone(), nothing.clone()));
    assert_eq!(edition(", renewed: 2026-11-15", "20"), (new.clone(), pays.clone()));
    // Begun in March, never renewed: the old one, whatever the incident's date.
    assert_eq!(edition(", deployed: 2026-03-01", "20"), (old.clone(), nothing.clone()));
    // Renewed before the new edition: the old one, though the machine is newer.
    assert_eq!(
        edition(", renewed: 2026-10-20, deployed: 2026-11-01", "20"),
        (old, nothing)
    );
    // Renewed on the day on which the new one begins: the new one.
    assert_eq!(edition(", renewed: 2026-11-01", "20"), (new, pays));
}

#[test]
fn what_is_still_open_goes_on_until_the_months_end_or_until_now() {
    // From 23:00 on 30 November: 60 min are November's, which is over on 5 December: 0.138888…%.
    let incidents = down(&[("2026-11-30 23:00", "-")]);
    let rows = computed(&usage(""), &incidents, &terms(""), "2026-12-05T00:00:00Z", false).rows;
    // December: 4 days = 5,760 of 44,640 min = 12.9032258…%: 87.096774…; 31 December and two months is 28 February.
    assert_eq!(
        rows.iter().map(line).collect::<Vec<_>>(),
        [
            "2026-11 43200 60 99.86111 10 100.00 2027-01-30",
            "2026-12 44640 5760 87.09677 100 1000.00 2027-02-28"
        ]
    );
    assert_eq!([rows[0].provisional, rows[1].provisional], [false, true]);
    // Half an hour after its begin 30 min count, and the month is not over.
    let rows = computed(&usage(""), &incidents, &terms(""), "2026-11-30T23:30:00Z", true).rows;
    assert_eq!(line(&rows[0]), "2026-11 43200 30 99.93055 0 0.00 2027-01-30");
    assert!(rows[0].provisional && rows.len() == 1);
}

fn credit(fee: &str) -> String {
    // 60 min in November: 10 %.
    let incidents = down(&[("2026-11-03 10:00", "2026-11-03 11:00")]);
    let rows = computed(&usage(&format!(", {fee}")), &incidents, &terms(""), LATER, true).rows;
    rows[0].credit.clone().unwrap_or_else(|| "?".to_owned())
}

#[test]
fn credits_are_rounded_half_up_to_the_minor_unit() {
    assert_eq!(credit("fee: \"123.45\", currency: EUR"), "12.35", "12.345");
    assert_eq!(credit("fee: 123.44, currency: eur"), "12.34", "12.344");
    assert_eq!(credit("fee: 12345, currency: JPY"), "1235", "1234.5");
    assert_eq!(credit("fee: 12344, currency: JPY"), "1234", "1234.4");
    assert_eq!(credit("fee: 1.005, currency: KWD"), "0.101", "0.1005");
    assert_eq!(credit("fee: 0.04, currency: EUR"), "0.00", "0.004 is nothing");
    assert_eq!(credit("fee: 100 USD"), "10.00");
    assert_eq!(
        credit("fees: { 2026-10: \"500\", 2026-11: \"700\" }, currency: EUR"),
        "70.00",
        "November's fee"
    );
    assert_eq!(
        credit("fee: 900, fees: { 2026-11: 700 }, currency: EUR"),
        "70.00",
        "the month's own before the other"
    );
    assert_eq!(
        credit("fees: { 2026-10: 500 }, currency: EUR"),
        "?",
        "November's fee is not known"
    );
}

#[test]
fn a_whole_month_down_pays_the_whole_fee_and_no_more() {
    // 43,200 of 43,200 min: 0 %, the step below 95 pays 100 %.
    let incidents = down(&[("2026-10-20 00:00", "2026-12-10 00:00")]);
    let lines = shown(&usage(", fee: 10.005, currency: EUR"), &incidents, &terms(""), LATER);
    // 10.005 x 100 % = 10.005, half up 10.01, at most the fee.
    assert_eq!(
        lines.lines().nth(1),
        Some("2026-11 43200 43200 0.00000 100 10.005 2027-01-30")
    );
}

#[test]
fn the_last_day_follows_from_the_billing_month() {
    let last = |month: &str, more: &str, within: &str, at: &str| {
        let incidents = down(&[(&format!("{month}-05 10:00"), &format!("{month}-05 20:00"))]);
        let own = terms(&format!(", claim within: {within}"));
        let rows = computed(&usage(more), &incidents, &own, at, false).rows;
        (rows[0].last_day.clone().expect("a last day"), rows[0].state)
    };
    let azure = "2 months after the billing month";
    let on = |day: &str, state: &str| (day.to_owned(), State::read(state));
    assert_eq!(
        last("2026-12", "", azure, "2027-02-28T23:59:59Z"),
        on("2027-02-28", "possible")
    );
    assert_eq!(
        last("2026-12", "", azure, "2027-03-01T00:00:00Z"),
        on("2027-02-28", "expired")
    );
    assert_eq!(
        last("2027-12", "", azure, "2028-01-05T00:00:00Z"),
        on("2028-02-29", "possible")
    );
    assert_eq!(last("2026-11", "", azure, LATER), on("2027-01-30", "possible"));
    assert_eq!(
        last("2026-11", ", billing day: 15", azure, LATER),
        on("2027-01-14", "possible")
    );
    assert_eq!(
        last("2026-11", "", "end of the next calendar month", LATER),
        on("2026-12-31", "expired")
    );
    assert_eq!(
        last("2026-11", "", "30 days after the month", LATER),
        on("2026-12-30", "expired")
    );
    assert_eq!(
        last("2026-11", "", "2 billing cycles after", LATER),
        on("2027-01-31", "possible")
    );
}
