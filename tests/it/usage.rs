//! `bellwether usage` from outside: Azure's cost export in, a file of usage out, and what it says besides.

use std::fs;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use serde_json::{Value, json};

const COSTS: &str = "tests/fixtures/claims/costs.csv";

fn bellwether(arguments: &[&str], stdin: &str) -> Assert {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .args(arguments)
        .write_stdin(stdin);
    command.assert()
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

#[test]
fn an_export_becomes_a_usage_that_claims_are_computed_with() {
    let answer = bellwether(&["usage", "import", COSTS], "").code(0);
    insta::assert_snapshot!(stdout(&answer), @r#"
    # What was charged, from Azure's cost export. By hand, where it matters: `tier` (which terms apply), `deployed` and
    # `removed` (only time deployed counts), `renewed` (which edition of the terms applies).
    usage:
      - { provider: azure, service: "Virtual Machines", region: "East US", subscription: "11111111-aaaa-4bbb-8ccc-111111111111",
          resource: "/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/resourceGroups/shop/providers/Microsoft.Compute/virtualMachines/shop-1",
          fees: { 2026-11: "63.40" }, currency: EUR }
      - { provider: azure, service: "Private Endpoint", region: "East US", subscription: "11111111-aaaa-4bbb-8ccc-111111111111",
          resource: "/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/resourceGroups/shop/providers/Microsoft.Network/privateEndpoints/pe-1",
          fees: { 2026-11: "120.05" }, currency: EUR }
    "#);
    insta::assert_snapshot!(stderr(&answer), @"
    tests/fixtures/claims/costs.csv: 2 resources in 5 rows: 183.45 EUR
    passed over: 1 row without a resource, for Azure Support: 29.00 EUR
    refunds: 1 row with a negative amount, taken off: -3.40 EUR
    ");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("usage.yaml");
    fs::write(&path, stdout(&answer)).expect("a file");
    let claims = [
        "claims",
        "compute",
        "--usage",
        &path.display().to_string(),
        "--incidents",
        "tests/fixtures/claims/incidents.yaml",
        "--at",
        "2026-12-05T00:00:00Z",
        "--format",
        "json",
    ];
    let rows: Vec<Value> = serde_json::from_str(&stdout(&bellwether(&claims, "").code(0))).expect("rows");
    // 45 of 43,200 min are below 99.99 %: 10 % of 120.05 = 12.005, half up 12.01.
    let endpoint = rows
        .iter()
        .find(|row| row["service"] == "Private Endpoint")
        .expect("a claim");
    assert_eq!(
        (&endpoint["fee"], &endpoint["credit"]),
        (&json!("120.05"), &json!("12.01"))
    );
}

#[test]
fn an_export_may_come_through_a_pipe_and_be_billed_on_another_day() {
    let costs = fs::read_to_string(format!("{}/{COSTS}", env!("CARGO_MANIFEST_DIR"))).expect("the fixture");
    let piped = bellwether(&["usage", "import", "-"], &costs).code(0);
    assert_eq!(stdout(&piped), stdout(&bellwether(&["usage", "import", COSTS], "")));
    let costs = costs.replace("11/01/2026\n", "10/15/2026\n");
    let refused = bellwether(&["usage", "import", "-"], &costs).code(78);
    assert!(stderr(&refused).contains("`--billing-day 15`"), "{}", stderr(&refused));
    assert_eq!(stdout(&refused), "");
    let fifteenth = ["usage", "import", "-", "--billing-day", "15", "--zone", "europe/berlin"];
    let answer = stdout(&bellwether(&fifteenth, &costs).code(0));
    assert!(
        answer.contains("{ 2026-10: \"120.05\" }, currency: EUR, billing day: 15, zone: Europe/Berlin }"),
        "{answer}"
    );
}

#[test]
fn a_bad_file_is_78_with_its_place_and_wrong_usage_is_64() {
    let costs = fs::read_to_string(format!("{}/{COSTS}", env!("CARGO_MANIFEST_DIR"))).expect("the fixture");
    let refused = bellwether(&["usage", "import", "-"], &costs.replace(",120.05,", ",much,")).code(78);
    let told = stderr(&refused);
    assert!(
        told.contains("CostInBillingCurrency: `much` is no amount") && told.contains("stdin:5:"),
        "{told}"
    );
    let missing = bellwether(&["usage", "import", "nowhere.csv"], "").code(78);
    assert!(stderr(&missing).contains("nowhere.csv cannot be read"));
    let zone = bellwether(&["usage", "import", COSTS, "--zone", "Europe/Berlim"], "").code(64);
    assert!(
        stderr(&zone).contains("did you mean `Europe/Berlin`?"),
        "{}",
        stderr(&zone)
    );
    bellwether(&["usage", "import", COSTS, "--billing-day", "32"], "").code(64);
    bellwether(&["usage", "import", COSTS, "--billing-day", "0"], "").code(64);
    bellwether(&["usage", "import"], "").code(64);
    bellwether(&["usage"], "").code(64);
}

#[test]
fn help_says_what_each_option_is_for() {
    insta::assert_snapshot!(stdout(&bellwether(&["usage", "import", "-h"], "").code(0)), @"
    Make `usage:` of Azure's cost export, to be put into a rule file

    Usage: bellwether usage import [OPTIONS] <FILE>

    Arguments:
      <FILE>  The export, or `-` for stdin

    Options:
          --billing-day <DAY>  The day of the month on which a billing month begins [default: 1]
          --zone <ZONE>        By whose clocks it begins (Europe/Berlin) [default: UTC]
      -h, --help               Print help (see more with '--help')
    ");
}
