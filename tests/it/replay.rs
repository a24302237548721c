//! Who would have been told what under changed rules: cases worked by hand, and the same rules, which change nothing.

use std::collections::BTreeSet;
use std::fs;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use serde_json::{Value, json};

use crate::world::{Azure, DEV, PROD, World};

const RULES: &str = r#"
subscriptions: { production: [11111111-aaaa-4bbb-8ccc-111111111111] }
receivers:
  ops: [{ webhook: { url: "{hooks}/ops" } }]
  leads: [{ webhook: { url: "{hooks}/leads" } }]
  both: [{ webhook: { url: "{hooks}/ops" } }, { webhook: { url: "{hooks}/third" } }]
rules:
  - { name: Trouble, when: { event type: Service issue, level: Warning }, notify: ops, settle: 0s }
  - { name: Reviews, when: { kind: [preliminary review, final review] }, notify: leads, settle: 0s }
"#;

fn replay(world: &World, rules: &str, more: &[&str]) -> Assert {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("contoso");
    fs::create_dir(&folder).expect("a folder");
    let url = format!("http://127.0.0.1:{}", world.hooks.port);
    fs::write(folder.join("rules.yaml"), rules.replace("{hooks}", &url)).expect("a file");
    let (server, rules) = (world.url(""), dir.path().display().to_string());
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_clear();
    command
        .args(["replay", "--rules", &rules, "--allow-private-receivers"])
        .args(more);
    if !more.contains(&"--state") && !more.contains(&"--archive") {
        command.args(["--server", &server]);
    }
    tokio::task::block_in_place(|| command.assert())
}

fn answer(world: &World, rules: &str, more: &[&str]) -> Value {
    let answered = replay(world, rules, &[&["--format", "json"], more].concat()).code(0);
    serde_json::from_slice(&answered.get_output().stdout).expect("JSON")
}

/// `event's title: rule -> receiver` of a list, where titles are of these events.
fn named(answer: &Value, list: &str, events: &[(String, &str)]) -> BTreeSet<String> {
    let title = |id: &Value| {
        let known = events.iter().find(|(known, _)| id == known);
        known.map_or("?", |(_, name)| name).to_owned()
    };
    let all = answer[list].as_array().expect("a list").iter();
    let all = all.map(|one| {
        let word = |key: &str| one[key].as_str().expect("text");
        assert_eq!(word("tracking_id"), "VVTQ-J98");
        assert_eq!(word("customer"), "contoso");
        format!("{}: {} -> {}", title(&one["event"]), word("rule"), word("receiver"))
    });
    all.collect()
}

fn set(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

/// An incident with a review: an update of level Warning, its end of level Informational, the preliminary review.
async fn told() -> (World, Vec<(String, &'static str)>) {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let end = Azure {
        level: "Informational",
        ..Azure::mitigated()
    };
    let review = Azure {
        level: "Informational",
        ..Azure::preliminary()
    };
    let mut events = Vec::new();
    for (event, name) in [(Azure::active(), "update"), (end, "end"), (review, "review")] {
        let heard = world.hear(&event.json()).await;
        events.push((heard["ids"][0].as_str().expect("an id").to_owned(), name));
        world.pass(1).await;
    }
    (world, events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_rules_would_have_told_is_what_one_works_out_by_hand() {
    let (mut world, events) = told().await;
    assert_eq!(world.hooks.got("ops").len(), 2, "the update, and that it is over");
    type Case<'a> = (&'a str, (&'a str, &'a str), u64, &'a [&'a str], &'a [&'a str]);
    let cases: [Case<'_>; 8] = [
        ("the same rules", ("", ""), 3, &[], &[]),
        (
            "a rule is removed",
            (
                "  - { name: Reviews, when: { kind: [preliminary review, final review] }, notify: leads, settle: 0s }\n",
                "",
            ),
            2,
            &[],
            &["review: Reviews -> leads"],
        ),
        (
            "a receiver is added",
            ("notify: leads", "notify: [leads, ops]"),
            3,
            &["review: Reviews -> ops"],
            &[],
        ),
        (
            "a condition is narrowed: what follows it goes, too",
            ("level: Warning }", "level: Error }"),
            1,
            &[],
            &["update: Trouble -> ops", "end: Trouble -> ops"],
        ),
        (
            "nobody hears how it ended",
            ("notify: ops, settle: 0s", "notify: ops, settle: 0s, follow: nothing"),
            2,
            &[],
            &["end: Trouble -> ops"],
        ),
        (
            "everything is followed",
            ("notify: ops, settle: 0s", "notify: ops, settle: 0s, follow: all"),
            3,
            &["review: Trouble -> ops"],
            &[],
        ),
        (
            "a rule is added that joins what is told anyway, and has a receiver with two addresses",
            (
                "rules:\n",
                "rules:\n  - { name: All, when: { stage: RCA }, notify: [leads, both] }\n",
            ),
            3,
            &["review: All -> leads", "review: All -> both"],
            &[],
        ),
        (
            "a receiver is renamed",
            ("leads", "bosses"),
            2,
            &["review: Reviews -> bosses"],
            &["review: Reviews -> leads"],
        ),
    ];
    for (what, (from, to), same, added, removed) in &cases {
        let rules = if from.is_empty() {
            RULES.to_owned()
        } else {
            RULES.replace(from, to)
        };
        let answer = answer(&world, &rules, &["--since", "90d"]);
        assert_eq!(answer["same"], json!(same), "{what}: {answer}");
        assert_eq!(named(&answer, "added", &events), set(added), "{what}");
        assert_eq!(named(&answer, "removed", &events), set(removed), "{what}");
    }

    // from then on: what was heard before still counts for what follows it
    world.pass(86_400).await;
    let since = answer(&world, RULES, &["--since", "1h"]);
    assert_eq!(
        (&since["same"], &since["totals"]["events"]),
        (&json!(0), &json!(0)),
        "{since}"
    );
    let narrowed = RULES.replace("level: Warning }", "level: Error }");
    let text = String::from_utf8(replay(&world, &narrowed, &[]).code(0).get_output().stdout.clone()).expect("text");
    assert!(text.contains("\n1 the same, 0 added, 2 removed\n"), "{text}");
    assert!(
        text.contains("- VVTQ-J98 (event ") && text.contains("contoso: Trouble -> ops"),
        "{text}"
    );
    let html = String::from_utf8(
        replay(&world, &narrowed, &["--format", "html"])
            .code(0)
            .get_output()
            .stdout
            .clone(),
    );
    let html = html.expect("text");
    assert!(
        html.starts_with("<!DOCTYPE html>") && html.contains("<h2 id=\"removed\">"),
        "{html}"
    );
    assert!(
        !html.contains("<script") && !html.contains("href=\"http") && !html.contains("src="),
        "it stands by itself"
    );

    // 78 with problems, which are shown
    let broken = replay(&world, &RULES.replace("notify: leads", "notify: nobody"), &[]).code(78);
    let said = String::from_utf8_lossy(&broken.get_output().stderr).into_owned();
    assert!(
        said.contains("contoso/rules.yaml:") && said.contains("cannot be used: 1 error"),
        "{said}"
    );

    // the state of a stopped daemon, and an archive, say the same
    let state = world.state().display().to_string();
    let archive = world.dir.path().join("archive.jsonl").display().to_string();
    let server = world.url("");
    let mut export = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
    let export = tokio::task::block_in_place(|| export.args(["export", "--server", &server]).assert().code(0));
    fs::write(&archive, &export.get_output().stdout).expect("a file");
    let running = answer(&world, &narrowed, &[]);
    assert_eq!(answer(&world, &narrowed, &["--archive", &archive]), running);
    let in_use = replay(&world, &narrowed, &["--state", &state]).code(1);
    assert!(String::from_utf8_lossy(&in_use.get_output().stderr).contains("a daemon runs with the state"));
    world.stop().await;
    let server_gone = narrowed.replace("{hooks}", &format!("http://127.0.0.1:{}", world.hooks.port));
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("contoso")).expect("a folder");
    fs::write(dir.path().join("contoso/rules.yaml"), server_gone).expect("a file");
    let rules = dir.path().display().to_string();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
    command.args([
        "replay",
        "--rules",
        &rules,
        "--allow-private-receivers",
        "--state",
        &state,
        "--format",
        "json",
    ]);
    let stopped = tokio::task::block_in_place(|| command.assert().code(0));
    let stopped: Value = serde_json::from_slice(&stopped.get_output().stdout).expect("JSON");
    assert_eq!(stopped, running);
}

/// Rules of every sort, for events of every sort.
const MANY: &str = r#"
subscriptions: { production: [11111111-aaaa-4bbb-8ccc-111111111111] }
receivers:
  a: [{ webhook: { url: "{hooks}/a" } }]
  b: [{ webhook: { url: "{hooks}/b" } }, { email: b@contoso.example }]
  c: [{ webhook: { url: "{hooks}/a" } }, { email: c@contoso.example }]
rules:
  - { name: All, when: {}, notify: [a, b] }
  - { name: Tests, when: {}, notify: b, test events: true }
  - { name: Every, when: { stage: Active }, notify: c, every: true, settle: 1m }
  - { name: Follows, when: { level: Error }, notify: c, follow: all }
  - { name: Silent, when: { level: Warning }, notify: a, follow: nothing, settle: 0s }
  - { name: Ends, when: { title: "*1*" }, notify: b, follow: end }
  - { name: Production, when: { subscriptions: production }, unless: { region: West US }, notify: c }
  - { name: Reviews, when: { kind: [preliminary review, final review] }, notify: a }
  - { name: Invitations, when: { kind: retrospective }, invite: b, notify: c }
  - { name: Only invitations, when: {}, invite: c }
  - { name: East, when: { impact: [{ service: Storage, region: East US }] }, notify: [a, c] }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_rules_change_nothing_for_all_samples_and_events_of_every_sort() {
    let world = World::with(&[("contoso/rules.yaml", MANY)]).await;
    for folder in ["azure", "synthetic"] {
        let mut files: Vec<_> = fs::read_dir(format!("tests/fixtures/samples/{folder}"))
            .expect("samples")
            .map(|file| file.expect("a file").path())
            .collect();
        files.sort();
        for file in files {
            world.post("/v1/events", fs::read(file).expect("a sample")).await;
            world.pass(1).await;
        }
    }
    let mut random = 17_u64;
    let mut below = |end: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % end
    };
    for _ in 0..150 {
        let stage = ["Active", "Active", "Resolved", "RCA"][below(4) as usize];
        let mut event = Azure {
            subscription: [PROD, DEV][below(2) as usize],
            level: ["Error", "Warning", "Informational"][below(3) as usize],
            stage,
            text: format!("<p>Text number {}.</p>", below(3)),
            ..Azure::active()
        }
        .json();
        let log = &mut event["data"]["context"]["activityLog"];
        log["eventTimestamp"] = json!(format!("2026-11-24T08:{:02}:00Z", below(60)));
        let (id, title) = (below(6), below(3));
        let region = ["East US", "West US"][below(2) as usize];
        let service = ["Storage", "Virtual Machines"][below(2) as usize];
        log["properties"]["trackingId"] = json!(format!("RND-{id}"));
        log["properties"]["title"] = json!(format!("Title {title}"));
        log["properties"]["isSynthetic"] = json!(if below(12) == 0 { "True" } else { "False" });
        let impact = json!([{ "ServiceName": service, "ImpactedRegions": [{ "RegionName": region }] }]);
        log["properties"]["impactedServices"] = json!(impact.to_string());
        world.hear(&event).await;
        world.pass([0, 1, 20, 400][below(4) as usize]).await;
    }
    let answer = answer(&world, MANY, &[]);
    assert_eq!(
        (&answer["added"], &answer["removed"]),
        (&json!([]), &json!([])),
        "{answer}"
    );
    assert!(answer["same"].as_u64().expect("a number") > 300, "{answer}");
}
