//! `bellwether claims` from outside: files in, rows out, and the exit codes that scripts rely on.

use std::fs;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use serde_json::{Value, json};

fn claims(arguments: &[&str]) -> Assert {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .arg("claims")
        .args(arguments);
    command.assert()
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

const USAGE: &str = "tests/fixtures/claims/usage.yaml";
const INCIDENTS: &str = "tests/fixtures/claims/incidents.yaml";
const FILES: [&str; 6] = [
    "--usage",
    USAGE,
    "--incidents",
    INCIDENTS,
    "--at",
    "2026-12-05T00:00:00Z",
];

fn with(first: &[&str], more: &[&str]) -> Assert {
    claims(&[first, &FILES, more].concat())
}

#[test]
fn rows_for_programs_have_the_names_that_scripts_know() {
    let answer = with(&["compute"], &["--format", "json"]).code(0);
    let rows: Vec<Value> = serde_json::from_str(&stdout(&answer)).expect("a list of rows");
    // 45 of 43,200 min = 0.1041666…%: 99.895833…. Below 99.99: 10 % of 120.05 = 12.005, half up 12.01.
    let mut endpoint = rows[0].clone();
    let explanation = endpoint["explanation"].take();
    assert!(
        explanation
            .as_array()
            .is_some_and(|lines| lines.len() > 4 && lines.iter().all(Value::is_string))
    );
    assert!(endpoint["id"].take().is_string());
    assert_eq!(endpoint["evidence"].take().as_array().map(Vec::len), Some(3));
    assert_eq!(
        endpoint,
        json!({
            "id": null, "customer": "_house", "provider": "azure", "service": "Private Endpoint", "tier": null,
            "region": "East US", "subscription": "11111111-aaaa-4bbb-8ccc-111111111111", "resource": "pe-1",
            "evidence": null, "processed_within_seconds": 3_888_000,
            "month": "2026-11", "available_minutes": "43200", "down_minutes": "45", "uptime_percent": "99.89583",
            "billing_period": "2026-11-01 to 2026-11-30 (UTC)", "terms_source": "https://aka.ms/csla", "step_percent": "10", "step_below": "99.99", "fee": "120.05", "currency": "EUR", "credit": "12.01", "last_day": "2027-01-30",
            "state": "possible", "edition": null, "provisional": false, "verified": true, "incidents": ["ABCD-123"],
            "explanation": null,
        })
    );
    assert_eq!(
        (&rows[1]["credit"], &rows[1]["verified"]),
        (&json!("100.00"), &json!(false))
    );
    let again = stdout(&with(&["compute"], &["--format", "json"]));
    assert_eq!(again, stdout(&answer), "the same every time");
}

#[test]
fn people_get_a_table_with_sums_and_an_explanation_of_each_claim() {
    let table = stdout(&with(&["compute"], &["--customer", "contoso"]).code(0));
    assert!(
        table.contains("2 claims: 112.01 EUR may be owed") && table.contains("unverified terms"),
        "{table}"
    );
    let id = table
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().next())
        .expect("an id");
    let told = stdout(&with(&["explain", id], &["--customer", "contoso"]).code(0));
    assert!(told.contains("120.05 EUR x 10 / 100 = 12.01 EUR may be owed"), "{told}");
    assert!(told.contains("The claim must be in by 2027-01-30"), "{told}");
    assert!(stderr(&with(&["explain", "nobody"], &[]).code(1)).contains("no claim has the id nobody"));
    let terms = stdout(&claims(&["terms"]).code(0));
    assert!(
        terms.contains("azure Private Endpoint (verified)") && terms.contains("(unverified)"),
        "{terms}"
    );
}

#[test]
fn a_bad_file_is_78_with_its_place_and_wrong_usage_is_64() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("usage.yaml");
    let text = fs::read_to_string(format!("{}/{USAGE}", env!("CARGO_MANIFEST_DIR"))).expect("the fixture");
    fs::write(&path, text.replace("2026-11:", "2026-13:")).expect("a file");
    let path = path.display().to_string();
    let answer = claims(&[
        "compute",
        "--usage",
        &path,
        "--incidents",
        INCIDENTS,
        "--at",
        "2026-12-05",
    ])
    .code(78);
    assert!(
        stderr(&answer).contains("usage.yaml:5:67") && stderr(&answer).contains("hint: a month is written"),
        "{}",
        stderr(&answer)
    );
    assert_eq!(stdout(&answer), "");
    let missing = claims(&["compute", "--usage", "nowhere.yaml", "--incidents", INCIDENTS]).code(78);
    assert!(stderr(&missing).contains("nowhere.yaml cannot be read"));
    claims(&["compute", "--usage", USAGE, "--incidents", INCIDENTS, "--at", "soon"]).code(64);
    claims(&["compute", "--usage", USAGE]).code(64);
    claims(&[]).code(64);
}

#[test]
fn help_says_what_each_option_is_for() {
    insta::assert_snapshot!(stdout(&claims(&["compute", "-h"]).code(0)), @"
    Compute what may be owed, from files and without a daemon

    Usage: bellwether claims compute [OPTIONS] --usage <FILE> --incidents <FILE>

    Options:
          --usage <FILE>      What is used and paid for: a file with `usage:`, such as a rule file
          --incidents <FILE>  What happened: a file with `incidents:`
          --terms <FILE>      Own terms, which come before those of the program
          --customer <NAME>   Whose usage it is, where the file does not say
          --at <TIME>         The moment that it is computed for (2026-12-05T00:00:00Z) [default: now]
          --all               Also show where nothing is owed
          --format <FORMAT>   How the answer is written [default: text] [possible values: text, json]
      -h, --help              Print help (see more with '--help')
    ");
}
