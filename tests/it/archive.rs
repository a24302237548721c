//! What is kept goes out as an archive and comes in again: whole, cut to one customer, after a break, and never half.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use serde_json::{Value, json};

use crate::credits;
use crate::world::{Azure, DEV, PROD, World};

const RULES: &str = r#"
receivers: { hook: [{ webhook: { url: "{hooks}/hook" } }], mail: [{ email: ops@contoso.example }] }
rules:
  - { name: Everything, when: {}, notify: hook, settle: 0s, test events: true }
  - { name: Invitations, when: { kind: retrospective }, invite: mail }
"#;

/// Samples as providers posted them, and made up after them.
const SAMPLES: &str = "tests/fixtures/samples";

fn typed(world: &World, arguments: &[&str], stdin: &[u8]) -> Assert {
    let server = world.url("");
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_clear();
    command
        .args([arguments, &["--server", &server]].concat())
        .write_stdin(stdin);
    tokio::task::block_in_place(|| command.assert())
}

fn alone(arguments: &[&str]) -> Assert {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_clear();
    tokio::task::block_in_place(|| command.args(arguments).assert())
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).expect("text")
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// The lines of an archive.
fn lines(archive: &str) -> Vec<Value> {
    let lines = archive.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// Its incidents and events, without where and how they arrived here.
fn said(archive: &str) -> Vec<Value> {
    let wanted = lines(archive).into_iter();
    let wanted = wanted.filter(|line| line["type"] == "incident" || line["type"] == "event");
    let bare = wanted.map(|mut line| {
        let line_object = line.as_object_mut().expect("an object");
        for here in ["id", "nothing", "decided"] {
            line_object.remove(here);
        }
        if let Some(event) = line_object.get_mut("event").and_then(Value::as_object_mut) {
            event.remove("arrival");
            event.remove("imported");
        }
        line
    });
    bare.collect()
}

fn counts(archive: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines(archive) {
        *counts
            .entry(line["type"].as_str().expect("a kind").to_owned())
            .or_default() += 1;
    }
    counts
}

async fn hear_all_samples(world: &World) {
    for folder in ["azure", "synthetic"] {
        let mut files: Vec<_> = fs::read_dir(Path::new(SAMPLES).join(folder))
            .expect("samples")
            .collect();
        files.sort_by_key(|file| file.as_ref().expect("a file").path());
        for file in files {
            let body = fs::read(file.expect("a file").path()).expect("a sample");
            let (status, answer) = world.post("/v1/events", body).await;
            assert!((200..500).contains(&status), "{answer}");
            // what the daemon raises of it is heard at the same moment
            world.settled().await;
            world.pass(1).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_all_samples_comes_in_again_as_it_went_out_and_once() {
    let mut old = World::with(&[("contoso/rules.yaml", RULES)]).await;
    hear_all_samples(&old).await;
    let archive = stdout(&typed(&old, &["export"], b"").code(0));
    let counted = counts(&archive);
    assert!(
        counted["event"] >= 25 && counted["incident"] >= 15 && counted["verdict"] >= 20,
        "{counted:?}"
    );
    assert!(counted["delivery"] >= 10 && counted["attempt"] >= 10, "{counted:?}");
    the_schema_describes(&archive);

    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("archive.jsonl");
    fs::write(&path, &archive).expect("a file");
    let file = path.to_str().expect("text");
    let new = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let taken = stdout(&typed(&new, &["import", file], b"").code(0));
    let events = counted["event"];
    assert!(
        taken.starts_with(&format!("{events} events: {events} new, 0 there already\n")),
        "{taken}"
    );
    new.pass(3_600).await;
    assert_eq!(new.hooks.all().len(), 0, "history tells nobody");
    let again = stdout(&typed(&new, &["export"], b"").code(0));
    assert_eq!(said(&again), said(&archive));

    let twice = stdout(&typed(&new, &["import", "-", "--format", "json"], archive.as_bytes()).code(0));
    let twice: Value = serde_json::from_str(&twice).expect("JSON");
    assert_eq!((&twice["new"], &twice["known"]), (&json!(0), &json!(events)), "{twice}");
    let theirs = stdout(&typed(&new, &["import", "-"], again.as_bytes()).code(0));
    assert!(theirs.contains(" 0 new, "), "an archive of the copy: {theirs}");
    let back = stdout(&typed(&old, &["import", file], b"").code(0));
    assert!(back.contains(" 0 new, "), "where it came from: {back}");

    // the state of the stopped daemon says the same as the running one did
    let state = old.state().display().to_string();
    let running = alone(&["export", "--state", &state]).code(1);
    assert!(
        stderr(&running).contains("a daemon runs with the state"),
        "{}",
        stderr(&running)
    );
    old.stop().await;
    let stopped = stdout(&alone(&["export", "--state", &state]).code(0));
    let body = |archive: &str| {
        archive
            .lines()
            .skip(1)
            .filter(|line| !line.contains("\"trailer\""))
            .count()
    };
    assert_eq!((said(&stopped), body(&stopped)), (said(&archive), body(&archive)));
    old.start().await;
    assert_eq!(
        said(&stdout(&typed(&old, &["export"], b"").code(0))),
        said(&archive),
        "it is as it was"
    );
}

/// Every line is as the printed schema says, and every field of it is named there.
fn the_schema_describes(archive: &str) {
    let schema: Value = serde_json::from_str(&stdout(&alone(&["export", "--schema"]).code(0))).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for line in lines(archive) {
        let wrong: Vec<String> = validator.iter_errors(&line).map(|error| error.to_string()).collect();
        assert_eq!(wrong, Vec::<String>::new(), "{line}");
        let kind = match line["type"].as_str().expect("a kind") {
            "event" => "event_line",
            kind => kind,
        };
        let named = |of: &str| {
            schema["$defs"][of]["properties"]
                .as_object()
                .expect("properties")
                .clone()
        };
        let unnamed = |value: &Value, of: &str| -> Vec<String> {
            let known = named(of);
            let fields = value.as_object().expect("an object").keys();
            fields.filter(|field| !known.contains_key(*field)).cloned().collect()
        };
        assert_eq!(unnamed(&line, kind), Vec::<String>::new(), "{line}");
        if line["event"].is_object() {
            assert_eq!(unnamed(&line["event"], "event"), Vec::<String>::new(), "{line}");
        }
    }
}

const CUSTOMERS: &str = r#"
secrets: "{dir}/secrets"
tokens: { read: read, operate: operate }
customers:
  contoso: { accounts: [11111111-aaaa-4bbb-8ccc-111111111111], tokens: [contoso] }
  fabrikam: { accounts: [22222222-aaaa-4bbb-8ccc-222222222222], tokens: [fabrikam] }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_customers_archive_has_not_a_word_of_anothers() {
    let rules = |name: &str| RULES.replace("Everything", &format!("Everything of {name}"));
    let (ours, theirs) = (rules("Contoso"), rules("Fabrikam"));
    let files = [("contoso/rules.yaml", &*ours), ("fabrikam/rules.yaml", &*theirs)];
    let mut world = World::with(&files).await;
    let secrets = world.dir.path().join("secrets");
    fs::create_dir_all(&secrets).expect("a folder");
    for name in ["read", "operate", "contoso", "fabrikam"] {
        fs::write(secrets.join(name), format!("token-of-{name}")).expect("a secret");
    }
    world.change_settings(CUSTOMERS).await;
    let theirs = Azure {
        tracking_id: "THEIRS-1",
        subscription: DEV,
        title: "A word of Fabrikam's",
        ..Azure::active()
    };
    for event in [
        Azure::active().json(),
        theirs.json(),
        Azure {
            subscription: DEV,
            ..Azure::active()
        }
        .json(),
    ] {
        world.hear(&event).await;
        world.pass(1).await;
    }
    let export = |token: &str, more: &[&str]| {
        let file = secrets.join(token).display().to_string();
        typed(&world, &[&["export", "--token-file", &file], more].concat(), b"")
    };
    let own = stdout(&export("contoso", &[]).code(0));
    let asked = stdout(&export("read", &["--customer", "contoso"]).code(0));
    for archive in [&own, &asked] {
        for foreign in ["THEIRS-1", DEV, "fabrikam", "Fabrikam", "token-of"] {
            assert!(!archive.contains(foreign), "{foreign}: {archive}");
        }
        let counted = counts(archive);
        assert_eq!(
            (counted["incident"], counted["event"], counted["verdict"]),
            (1, 1, 1),
            "{archive}"
        );
        assert!(
            archive.contains(PROD) && archive.contains("\"customer\":\"contoso\""),
            "{archive}"
        );
    }
    let all = stdout(&export("read", &[]).code(0));
    assert!(all.contains("THEIRS-1") && counts(&all)["event"] == 3, "{all}");
    let others = stderr(&export("contoso", &["--customer", "fabrikam"]).code(1));
    let nobodys = stderr(&export("contoso", &["--customer", "nobody"]).code(1));
    assert_eq!(others, nobodys, "whether there is one is not said");
    assert!(others.contains("there is no such customer"), "{others}");
    assert!(stderr(&export("read", &["--customer", "nobody"]).code(1)).contains("there is no such customer"));
    // only an operator takes an archive in
    for (token, status) in [("contoso", 401), ("read", 403)] {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let request = client
            .post(world.url("/v1/import"))
            .bearer_auth(format!("token-of-{token}"));
        let answer = request.body(all.clone()).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{token}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_cut_damaged_or_foreign_is_named_with_its_place_and_nothing_comes_of_it() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    for event in [Azure::active(), Azure::mitigated(), Azure::preliminary()] {
        world.hear(&event.json()).await;
        world.pass(1).await;
    }
    let archive = stdout(&typed(&world, &["export"], b"").code(0));
    let all: Vec<&str> = archive.lines().collect();
    let with = |nth: usize, line: &str| {
        let mut changed = all.clone();
        changed[nth] = line;
        changed.join("\n") + "\n"
    };
    let event = all
        .iter()
        .position(|line| line.contains("\"type\":\"event\""))
        .expect("an event");
    let last = all.len();
    let scripted = all[event].replace("\"title\":\"Virtual", "\"title\":\"\\u0007Virtual");
    assert_ne!(scripted, all[event]);
    let cases = [
        (archive[..archive.len() / 2].to_owned(), "it was cut"),
        (
            all[..last - 1].join("\n") + "\n",
            &*format!("stdin:{last}:1: the file ends without its last line"),
        ),
        (with(event, ""), &*format!("stdin:{}:", event + 1)),
        (
            with(event, "{\"type\":\"event\",\"provider\":7}"),
            "not a line of an archive",
        ),
        (
            with(event, &all[event].replace("Virtual", "Fictional")),
            &*format!("stdin:{last}:1: a line was changed"),
        ),
        (with(event, &scripted), &*format!("stdin:{}:", event + 1)),
        (
            [&all[..event], &all[event + 1..]].concat().join("\n") + "\n",
            "lines, and there are",
        ),
        (archive.clone() + "{}\n", "there is more behind the trailer"),
        (archive.clone() + &archive, "there is more behind the trailer"),
        (
            with(0, "{\"type\":\"header\",\"format\":\"another\",\"version\":1}"),
            "an archive of another program",
        ),
        (
            with(
                0,
                "{\"type\":\"header\",\"format\":\"bellwether-archive\",\"version\":2}",
            ),
            "has version 2",
        ),
        (all[1..].join("\n") + "\n", "its first line is no header"),
        ("not json at all\n".to_owned(), "this is no archive"),
        (String::new(), "the file is empty"),
        ("{\"value\": [\n  {\"name\": 3}\n".to_owned(), "stdin:"),
        ("{\"hello\": 1}".to_owned(), "hint: "),
    ];
    let new = World::with(&[("contoso/rules.yaml", RULES)]).await;
    for (file, expected) in &cases {
        let failed = stderr(&typed(&new, &["import", "-"], file.as_bytes()).code(1));
        assert!(
            failed.contains(expected) && failed.contains("hint: "),
            "{expected}: {failed}"
        );
    }
    assert_eq!(new.get("/v1/events").await["events"], json!([]), "nothing half done");
    let only_checked = stdout(&typed(&new, &["import", "--check", "-"], archive.as_bytes()).code(0));
    assert!(only_checked.starts_with("stdin is sound: 3 events\n"), "{only_checked}");
    assert_eq!(new.get("/v1/events").await["events"], json!([]));
    // lines of kinds that come later are passed over, and that is said
    let (status, answer) = new.post("/v1/import", "{\"type\":\"verdict\"}\n").await;
    assert_eq!(
        (status, answer["error"]["field"].as_str()),
        (400, Some("line 1")),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_was_cut_goes_on_from_its_last_mark() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    // more than one page: a page ends behind a MiB
    let text = format!("<p>{}</p>", "A long text of the provider. ".repeat(6_000));
    for nth in 0..8 {
        let at = format!("2026-11-24T08:{:02}:00Z", nth + 10);
        let mut event = Azure {
            text: format!("{nth} {text}"),
            ..Azure::active()
        }
        .json();
        event["data"]["context"]["activityLog"]["eventTimestamp"] = json!(at);
        event["data"]["context"]["activityLog"]["properties"]["trackingId"] = json!(format!("LONG-{nth}"));
        world.hear(&event).await;
        world.pass(1).await;
    }
    let whole = stdout(&typed(&world, &["export"], b"").code(0));
    let marks: Vec<usize> = whole.match_indices("{\"type\":\"mark\"").map(|(at, _)| at).collect();
    assert!(marks.len() >= 2, "{} marks", marks.len());
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("cut.jsonl");
    let file = path.to_str().expect("text");
    let behind_mark = marks[0] + whole[marks[0]..].find('\n').expect("a line") + 1;
    for cut in [behind_mark, behind_mark + 500, marks[1] + 5, whole.len() - 10] {
        fs::write(&path, &whole[..cut]).expect("a file");
        typed(&world, &["export", "--resume", file], b"").code(0);
        let again = fs::read_to_string(&path).expect("a file");
        assert_eq!(again, whole, "cut at {cut}");
        typed(&world, &["import", "--check", file], b"").code(0);
    }
    let done = stderr(&typed(&world, &["export", "--resume", file], b"").code(0));
    assert!(done.contains("is whole already"), "{done}");
    fs::write(&path, "{}\n").expect("a file");
    assert!(stderr(&typed(&world, &["export", "--resume", file], b"").code(1)).contains("its first line is no header"));
    fs::write(&path, whole.lines().next().expect("a header")).expect("a file");
    let short = stderr(&typed(&world, &["export", "--resume", file], b"").code(1));
    assert!(short.contains("no mark to go on from"), "{short}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn since_takes_whole_incidents_of_which_something_was_heard() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world
        .hear(
            &Azure {
                tracking_id: "OLD-1",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.hear(&Azure::active().json()).await;
    world.pass(2 * 86_400).await;
    world.hear(&Azure::mitigated().json()).await;
    world.pass(1).await;
    for since in ["1d", "2026-11-25"] {
        let archive = stdout(&typed(&world, &["export", "--since", since], b"").code(0));
        assert_eq!(
            (counts(&archive)["incident"], counts(&archive)["event"]),
            (1, 2),
            "{archive}"
        );
        assert!(!archive.contains("OLD-1"), "{archive}");
    }
    let wrong = stderr(&typed(&world, &["export", "--since", "yesterday"], b"").code(1));
    assert!(wrong.contains("not a time: type a length of time"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_the_texts_of_sensitive_events_is_incomplete_until_they_come() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let item = |description: Option<&str>| {
        let mut properties = json!({
            "eventType": "ServiceIssue", "status": "Resolved", "title": "Storage - West Europe - Mitigated",
            "isEventSensitive": true, "lastUpdateTime": "2026-11-20T10:00:00Z", "impactStartTime": "2026-11-20T08:00:00Z",
            "impact": [{ "impactedService": "Storage", "impactedRegions": [{ "impactedRegion": "West Europe" }] }],
        });
        if let Some(text) = description {
            properties["description"] = json!(text);
        }
        json!({ "value": [{ "id": format!("/subscriptions/{PROD}/providers/Microsoft.ResourceHealth/events/SENS-1"),
            "name": "SENS-1", "properties": properties }] })
    };
    let list = item(None).to_string();
    let taken = stdout(&typed(&world, &["import", "-"], list.as_bytes()).code(0));
    assert!(
        taken.starts_with("1 event: 1 new, 0 there already\nthe provider withheld the text of 1"),
        "{taken}"
    );
    let again = stdout(&typed(&world, &["import", "-"], list.as_bytes()).code(0));
    assert!(again.starts_with("1 event: 0 new, 1 there already\n"), "{again}");
    let incident = world.get("/v1/incidents/SENS-1").await;
    assert_eq!(
        (&incident["incomplete"], &incident["status"]),
        (&json!(true), &json!("Mitigated")),
        "{incident}"
    );
    assert!(
        world
            .page("/incidents/SENS-1")
            .await
            .1
            .contains("<strong>Incomplete:</strong>")
    );
    let listed = world.get("/v1/incidents").await;
    assert_eq!(listed["incidents"][0]["incomplete"], json!(true), "{listed}");
    assert!(world.page("/").await.1.contains(">Incomplete</span>"));

    let whole = item(Some("<p>A storage account was not reachable.</p>")).to_string();
    typed(&world, &["import", "-"], whole.as_bytes()).code(0);
    world.settled().await;
    assert_eq!(world.get("/v1/incidents/SENS-1").await["incomplete"], json!(false));
    let (_, page) = world.page("/incidents/SENS-1").await;
    assert!(
        page.contains("A storage account was not reachable") && !page.contains("Incomplete:"),
        "{page}"
    );
    let listed = world.get("/v1/incidents").await;
    assert_eq!(listed["incidents"][0]["incomplete"], json!(false), "{listed}");
    assert!(!world.page("/").await.1.contains("Incomplete"));
    assert_eq!(world.hooks.all().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_persons_corrected_goes_out_and_comes_in_with_who_said_it_and_when() {
    let old = World::with(&[("contoso/rules.yaml", RULES)]).await;
    for event in [Azure::active().json(), Azure::mitigated().json()] {
        old.hear(&event).await;
    }
    let window = json!({ "start": "2026-11-24T08:30:00Z", "end": "2026-11-24T10:00:00Z" });
    for body in [
        json!({ "size": "largest", "reason": "five regions of ours were down" }),
        json!({ "window": window, "reason": "our monitoring" }),
        json!({ "kind": "update", "reason": "it goes on" }),
    ] {
        let (status, answer) = old.post("/v1/incidents/VVTQ-J98/corrections", body.to_string()).await;
        assert_eq!(status, 201, "{answer}");
        old.settled().await;
    }
    let archive = stdout(&typed(&old, &["export"], b"").code(0));
    the_schema_describes(&archive);
    let all = lines(&archive);
    assert!(
        all[0]["holds"]
            .as_array()
            .is_some_and(|holds| holds.contains(&json!("correction")))
    );
    let of_kind = |kind: &str| {
        all.iter()
            .filter(|line| line["type"] == kind)
            .cloned()
            .collect::<Vec<Value>>()
    };
    let corrections = of_kind("correction");
    let what: Vec<&Value> = corrections.iter().map(|line| &line["corrects"]).collect();
    assert_eq!(what, ["size", "window", "kind"]);

    let new = World::with(&[("contoso/rules.yaml", RULES)]).await;
    new.pass(86_400).await;
    let taken = stdout(&typed(&new, &["import", "-"], archive.as_bytes()).code(0));
    assert!(
        taken.contains("\n3 corrections of persons: 3 new, 0 there already\n"),
        "{taken}"
    );
    let [before, after] = [&old, &new].map(|world| world.get("/v1/incidents/VVTQ-J98"));
    let (before, after) = (before.await, after.await);
    for key in ["size", "window"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    for nth in 0..3 {
        let (before, after) = (&before["corrections"][nth], &after["corrections"][nth]);
        for key in ["corrects", "at", "by", "reason"] {
            assert_eq!(before[key], after[key], "{key}");
        }
        assert!(
            after["taken_in_by"].is_string() && before["taken_in_by"].is_null(),
            "{after}"
        );
    }
    assert_eq!(
        after["entries"][0]["kind_read"], "mitigation",
        "the corrected communication is found"
    );
    let (_, page) = new.page("/incidents/VVTQ-J98").await;
    assert!(page.contains("taken in from an archive by"), "{page}");
    let twice = stdout(&typed(&new, &["import", "-"], archive.as_bytes()).code(0));
    assert!(
        twice.contains("\n3 corrections of persons: 0 new, 3 there already\n"),
        "{twice}"
    );
    assert_eq!(
        counts(&stdout(&typed(&new, &["export"], b"").code(0)))["correction"],
        3,
        "once each"
    );

    let line = corrections[0].to_string();
    for (wrong, field, what) in [
        (line.replace("\"largest\"", "null"), "size", "it is missing"),
        (
            line.replace("five", "five\\u0007"),
            "reason",
            "none that controls something",
        ),
        (
            line.replace("\"corrects\":\"size\"", "\"corrects\":\"mood\""),
            "corrects",
            "no such correction",
        ),
    ] {
        let (status, answer) = new.post("/v1/import", wrong).await;
        let error = &answer["error"];
        assert_eq!(
            (status, &error["field"]),
            (400, &json!(format!("line 1, `{field}`"))),
            "{answer}"
        );
        assert!(
            error["what"].as_str().is_some_and(|said| said.contains(what)),
            "{answer}"
        );
    }
    let nth = archive
        .lines()
        .position(|line| line.contains("\"correction\"") && !line.contains("\"header\""));
    let damaged = archive.replace("\"size\":\"largest\"", "\"size\":null");
    let refused = stderr(&typed(&new, &["import", "-"], damaged.as_bytes()).code(1));
    let place = format!("stdin:{}:", nth.expect("a line") + 1);
    assert!(refused.contains(&place) && refused.contains("`size`"), "{refused}");
}

/// What is said of claims, downtimes and resources: of credits that one customer is owed.
const CREDITS: &str = r#"
receivers: { leads: [{ webhook: '{hooks}/claims' }] }
rules:
  - { name: Credits, when: { kind: [claim possible, claim due] }, notify: leads, settle: 0s }
terms:
  - { provider: azure, service: Virtual Machines, steps: [{ below: 99.99, credit: 10 }],
      claim within: 2 months after the billing month, evidence: [request logs], source: our agreement, checked: 2026-11-01,
      verified: true }
usage:
  - { provider: azure, service: Virtual Machines, region: East US, subscription: 11111111-aaaa-4bbb-8ccc-111111111111,
      resource: shop-1, fee: "1000.00", currency: EUR }
"#;

fn as_ada(world: &World, arguments: &[&str], stdin: &[u8]) -> Assert {
    let token = world.dir.path().join("secrets/operator-ada").display().to_string();
    typed(world, &[arguments, &["--token-file", &token]].concat(), stdin)
}

/// What the operator reads at a path that is no JSON.
async fn fetch(world: &World, path: &str) -> String {
    let answer = reqwest::Client::new()
        .get(world.url(path))
        .bearer_auth(credits::ADA)
        .send();
    answer.await.expect("an answer").text().await.expect("text")
}

/// Has the operator say something of a customer's.
async fn said_by_ada(world: &World, path: &str, body: Value) -> Value {
    let (status, answer) = world.post_as(credits::ADA, path, body.to_string()).await;
    assert!(status < 300, "{status}: {answer}");
    world.settled().await;
    answer
}

/// A daemon in which an incident is over, and somebody said something of everything that may be claimed.
async fn with_claims() -> (World, String) {
    let world = credits::world(CREDITS).await;
    credits::incident(&world).await;
    world.pass(86_400).await;
    let review = Azure {
        at: "2026-11-25T09:00:00Z",
        ..Azure::preliminary()
    };
    credits::hear(&world, &review.json()).await;
    let (_, claims) = world.get_as(credits::ADA, "/v1/claims").await;
    world.settled().await;
    let id = claims["claims"][0]["id"].as_str().expect("a claim").to_owned();
    assert_eq!(world.hooks.got("claims").len(), 1, "that something may be owed is told");
    for said in [
        json!({ "state": "case-opened", "owner": "Grace", "note": "case 4711" }),
        json!({ "evidence": [{ "asked": "request logs", "place": "logs/2026-11" }] }),
        json!({ "state": "submitted", "addressee": "the reseller" }),
    ] {
        said_by_ada(&world, &format!("/v1/claims/{id}"), said).await;
        world.pass(60).await;
    }
    let down = json!({
        "service": "Virtual Machines", "from": "2026-11-20T08:00:00Z", "until": "2026-11-20T08:30:00Z",
        "reason": "it did not answer", "evidence": ["a graph"],
    });
    let entered = said_by_ada(&world, "/v1/downtimes?customer=contoso", down.clone()).await;
    let (other, mine) = (
        entered["id"].as_str().expect("an id"),
        json!({ "reason": "it was ours" }),
    );
    said_by_ada(&world, &format!("/v1/downtimes/{other}/withdraw"), mine).await;
    let longer = json!({ "until": "2026-11-20T09:00:00Z" });
    let longer = [down, longer]
        .into_iter()
        .flat_map(|one| one.as_object().expect("an object").clone());
    said_by_ada(&world, "/v1/downtimes?customer=contoso", longer.collect()).await;
    let machines = |count: usize, impact: &str| {
        let machine = |nth: usize| json!({ "id": format!("vm-{nth:04}"), "name": "ä machine", "impact": impact });
        json!({ "resources": (0..count).map(machine).collect::<Vec<Value>>() })
    };
    let path = "/v1/incidents/vvtq-j98/resources?customer=contoso";
    said_by_ada(&world, path, machines(1_200, "potential")).await;
    world.pass(60).await;
    said_by_ada(&world, path, machines(700, "confirmed")).await;
    (world, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_of_claims_downtimes_and_resources_goes_out_and_comes_in_as_it_was_said() {
    let (old, id) = with_claims().await;
    let archive = stdout(&as_ada(&old, &["export"], b"").code(0));
    the_schema_describes(&archive);
    let counted = counts(&archive);
    let of = |kind: &str| counted.get(kind).copied().unwrap_or_default();
    assert_eq!(
        (of("claim-reminders"), of("claim"), of("downtime")),
        (1, 3, 2),
        "{counted:?}"
    );
    // those of a list stand together, at most 500 in a line
    assert_eq!(of("resources"), 4, "{counted:?}");

    let new = credits::world(CREDITS).await;
    new.pass(7 * 86_400).await;
    let check = stdout(&as_ada(&new, &["import", "-", "--check"], archive.as_bytes()).code(0));
    assert!(check.contains("is sound"), "{check}");
    let taken = stdout(&as_ada(&new, &["import", "-"], archive.as_bytes()).code(0));
    assert!(
        taken.contains("\n10 lines on claims, downtimes and resources: 10 new, 0 there already\n"),
        "{taken}"
    );
    let both = async |path: &str| {
        let (_, before) = old.get_as(credits::ADA, path).await;
        let (_, after) = new.get_as(credits::ADA, path).await;
        new.settled().await;
        (before, after)
    };
    let (before, after) = both(&format!("/v1/claims/{id}")).await;
    assert_eq!(before["history"].as_array().map(Vec::len), Some(3), "{before}");
    let without_who_took_it_in = |mut answer: Value, list: &str| {
        for one in answer[list].as_array_mut().expect("a list") {
            one.as_object_mut().expect("an object").remove("taken_in_by");
        }
        answer
    };
    assert_eq!(after["history"][0]["taken_in_by"], "operator-ada", "{after}");
    let page = fetch(&new, &format!("/claims/{id}")).await;
    assert!(
        page.contains("operator-ada, taken in from an archive by operator-ada"),
        "{page}"
    );
    let after = without_who_took_it_in(after, "history");
    for key in [
        "history",
        "state",
        "owner",
        "addressee",
        "provided",
        "credit",
        "incidents",
    ] {
        assert_eq!(before[key], after[key], "{key}");
    }
    let (before, after) = both("/v1/downtimes?customer=contoso").await;
    assert!(
        after.to_string().contains("\"taken_in_by\":\"operator-ada\""),
        "{after}"
    );
    assert_eq!(before["downtimes"].as_array().map(Vec::len), Some(2));
    assert_eq!(before, without_who_took_it_in(after, "downtimes"));
    let (before, after) = both("/v1/incidents/VVTQ-J98/resources?limit=1000").await;
    assert_eq!(before, after);
    assert_eq!(
        before["impacted_resources"],
        json!({ "confirmed": 700, "potential": 500 })
    );
    // what the former daemon reminded of is not told again, and nothing of it is new
    new.pass(60).await;
    assert_eq!(new.hooks.got("claims").len(), 0);
    for world in [&new, &old] {
        let twice = stdout(&as_ada(world, &["import", "-"], archive.as_bytes()).code(0));
        assert!(twice.contains(": 0 new, 10 there already\n"), "{twice}");
    }
    // what is said later stands, whatever an older archive says
    said_by_ada(&new, &format!("/v1/claims/{id}"), json!({ "state": "acknowledged" })).await;
    said_by_ada(
        &new,
        "/v1/incidents/vvtq-j98/resources?customer=contoso",
        json!([{ "id": "vm-0000", "impact": "potential" }]),
    )
    .await;
    let again = stdout(&as_ada(&new, &["import", "-"], archive.as_bytes()).code(0));
    assert!(again.contains(": 0 new, 10 there already\n"), "{again}");
    let (_, claim) = new.get_as(credits::ADA, &format!("/v1/claims/{id}")).await;
    assert_eq!(claim["state"], "acknowledged");
    // and a word of before that is not known here stands where it was said
    let line = archive
        .lines()
        .find(|line| line.contains("\"type\":\"claim\""))
        .expect("a line");
    let earlier = line.replace("case 4711", "case 4712");
    let (status, answer) = new.post_as(credits::ADA, "/v1/import", earlier).await;
    assert_eq!((status, &answer["said_new"]), (200, &json!(1)), "{answer}");
    let (_, claim) = new.get_as(credits::ADA, &format!("/v1/claims/{id}")).await;
    let history = claim["history"].as_array().expect("a list");
    let states: Vec<&Value> = history.iter().map(|one| &one["state"]).collect();
    assert_eq!(
        states,
        [
            &json!("case-opened"),
            &json!("case-opened"),
            &Value::Null,
            &json!("submitted"),
            &json!("acknowledged")
        ]
    );
    assert_eq!(claim["state"], "acknowledged");
}

/// Whoever moves to another daemon may have said something there before the archive is taken in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_here_meanwhile_and_what_an_archive_says_stand_together_in_their_order() {
    let (old, id) = with_claims().await;
    let window =
        |end: &str| json!({ "window": { "start": "2026-11-24T08:40:00Z", "end": end }, "reason": "our graph" });
    let corrections = "/v1/incidents/VVTQ-J98/corrections";
    said_by_ada(&old, corrections, window("2026-11-24T10:00:00Z")).await;
    let archive = stdout(&as_ada(&old, &["export"], b"").code(0));
    let new = credits::world(CREDITS).await;
    credits::incident(&new).await;
    new.pass(7 * 86_400).await;
    said_by_ada(
        &new,
        &format!("/v1/claims/{id}"),
        json!({ "note": "hello from the new daemon" }),
    )
    .await;
    said_by_ada(&new, corrections, window("2026-11-24T11:00:00Z")).await;
    let taken = stdout(&as_ada(&new, &["import", "-"], archive.as_bytes()).code(0));
    assert!(taken.contains("10 new, 0 there already"), "{taken}");
    let (_, claim) = new.get_as(credits::ADA, &format!("/v1/claims/{id}")).await;
    new.settled().await;
    assert_eq!(
        (&claim["state"], &claim["owner"]),
        (&json!("submitted"), &json!("Grace")),
        "{claim}"
    );
    let history = claim["history"].as_array().expect("a list");
    assert_eq!(history[3]["note"], "hello from the new daemon", "{claim}");
    let (_, story) = new.get_as(credits::ADA, "/v1/incidents/VVTQ-J98").await;
    assert_eq!(story["window"]["person"]["end"], "2026-11-24T11:00:00Z", "{story}");
    assert_eq!(story["corrections"].as_array().map(Vec::len), Some(2));
}

/// A file is gone on with where it was begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_not_gone_on_with_by_another_daemon_nor_with_another_part() {
    let (old, _) = with_claims().await;
    // a mark stands where pages end, so there is to be more than one page
    let many = |nth: usize| json!({ "id": format!("{nth:04}-{}", "x".repeat(900)), "impact": "potential" });
    let list = json!({ "resources": (0..2_000).map(many).collect::<Vec<Value>>() });
    said_by_ada(&old, "/v1/incidents/vvtq-j98/resources?customer=contoso", list).await;
    let archive = stdout(&as_ada(&old, &["export"], b"").code(0));
    let mark = archive.find("{\"type\":\"mark\"").expect("a mark");
    let end = mark + archive[mark..].find('\n').expect("its end") + 1;
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("cut.jsonl");
    let file = path.to_str().expect("text");
    let token = |name: &str| old.dir.path().join("secrets").join(name).display().to_string();
    fs::write(&path, &archive[..end + 20]).expect("a file");
    let other = credits::world(CREDITS).await;
    let refused = stderr(&as_ada(&other, &["export", "--resume", file], b"").code(1));
    assert!(refused.contains("begun by another daemon"), "{refused}");
    let part = ["export", "--resume", file, "--token-file", &token("contoso-read")];
    let refused = stderr(&typed(&old, &part, b"").code(1));
    assert!(refused.contains("reads another part"), "{refused}");
    as_ada(&old, &["export", "--resume", file], b"").code(0);
    assert_eq!(fs::read_to_string(&path).expect("a file"), archive);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_of_claims_is_cut_to_its_customer_goes_on_after_a_break_and_is_refused_where_it_is_wrong() {
    let (world, id) = with_claims().await;
    // so much that a page ends among the downtimes
    for nth in 0..55 {
        let evidence: Vec<String> = (0..20).map(|one| format!("{one} {}", "x".repeat(990))).collect();
        let down = json!({
            "service": "Batch", "from": format!("2026-11-20T10:{nth:02}:00Z"), "until": format!("2026-11-20T10:{nth:02}:30Z"),
            "reason": "it did not answer", "evidence": evidence,
        });
        said_by_ada(&world, "/v1/downtimes?customer=contoso", down).await;
    }
    let archive = stdout(&as_ada(&world, &["export"], b"").code(0));
    let secrets = world.dir.path().join("secrets");
    for (token, is_own) in [("contoso-read", true), ("fabrikam-read", false)] {
        let file = secrets.join(token).display().to_string();
        let part = stdout(&typed(&world, &["export", "--token-file", &file], b"").code(0));
        let words = [&*id, "Grace", "it was ours", "vm-0001", "\"type\":\"claim"];
        assert!(
            words.iter().all(|word| part.contains(word) == is_own),
            "{token}: {part}"
        );
    }
    // a page of any of them ends where the next one begins
    let mut pages = Vec::new();
    let mut after = String::new();
    loop {
        let page = fetch(&world, &format!("/v1/export{after}")).await;
        let (body, mark) = page.trim_end().rsplit_once('\n').unwrap_or(("", page.trim_end()));
        pages.push(body.to_owned());
        let mark: Value = serde_json::from_str(mark).expect("a mark");
        match mark["after"].as_str() {
            Some(next) => after = format!("?after={next}"),
            None => break,
        }
    }
    let whole: Vec<&str> = pages.iter().flat_map(|page| page.lines()).skip(1).collect();
    let kinds = |line: &&str| !line.contains("\"type\":\"mark\"") && !line.contains("\"type\":\"trailer\"");
    assert_eq!(whole, archive.lines().skip(1).filter(kinds).collect::<Vec<_>>());
    assert!(pages.len() > 1, "{}", pages.len());
    // since when something was said
    let recent = counts(&stdout(&as_ada(&world, &["export", "--since", "1h"], b"").code(0)));
    assert_eq!((recent["claim"], recent["downtime"]), (3, 57), "{recent:?}");
    let nothing = stdout(&as_ada(&world, &["export", "--since", "2027-01-01"], b"").code(0));
    assert_eq!(counts(&nothing).get("claim"), None);
    let line = |kind: &str| {
        let of = format!("\"type\":\"{kind}\"");
        archive
            .lines()
            .find(|line| line.contains(&of))
            .expect("a line")
            .to_owned()
    };
    let graph = archive.lines().find(|line| line.contains("[\"a graph\"]"));
    let graph = graph.expect("a downtime").to_owned();
    let cases = [
        (
            line("claim").replace(&format!("\"claim\":\"{id}\""), "\"claim\":\"another\""),
            "row",
            "another claim",
        ),
        (
            line("claim").replace("\"Grace\"", &format!("\"{}\"", "x".repeat(201))),
            "owner",
            "at most 200",
        ),
        (
            graph.replace("2026-11-20T08:00:00Z", "2026-11-20T07:00:00Z"),
            "id",
            "another downtime",
        ),
        (graph.replace("[\"a graph\"]", "[]"), "evidence", "needs evidence"),
        (
            line("resources").replace("ä machine", "\\u0007"),
            "resources",
            "controls something",
        ),
        (
            line("claim-reminders").replace("\"mark\":\"possible\"", "\"mark\":\"\""),
            "of",
            "1 to 400",
        ),
    ];
    for (wrong, field, what) in &cases {
        let (status, answer) = world.post_as(credits::ADA, "/v1/import", wrong.clone()).await;
        let said = answer["error"]["what"].as_str().unwrap_or_default();
        let place = json!(format!("line 1, `{field}`"));
        assert_eq!((status, &answer["error"]["field"]), (400, &place), "{answer}: {wrong}");
        assert!(said.contains(what), "{answer}");
    }
    let nth = archive.lines().position(|one| one == graph).expect("a line") + 1;
    let damaged = archive.replacen("[\"a graph\"]", "[]", 1);
    let refused = stderr(&as_ada(&world, &["import", "-", "--check"], damaged.as_bytes()).code(1));
    assert!(
        refused.contains(&format!("stdin:{nth}:")) && refused.contains("`evidence`"),
        "{refused}"
    );
    // another customer's are kept for the operator, and it is said
    let theirs = graph.replace("contoso", "tailspin");
    let (status, answer) = world.post_as(credits::ADA, "/v1/import", theirs).await;
    assert_eq!(
        (status, &answer["error"]["field"]),
        (400, &json!("line 1, `id`")),
        "{answer}"
    );
    let theirs = line("claim").replace("contoso", "tailspin");
    let (status, answer) = world.post_as(credits::ADA, "/v1/import", theirs).await;
    assert_eq!(
        (status, &answer["unknown_customers"], &answer["said_new"]),
        (200, &json!(["tailspin"]), &json!(1)),
        "{answer}"
    );
    assert_eq!(
        world.get_as(credits::CONTOSO, "/v1/claims?customer=tailspin").await.0,
        404
    );
}

/// `tests/fixtures/state-5.tar.zst` was written under [`CREDITS`] by the version before an archive had anything of claims
/// (journal format 3, store schema 7), and stopped on 30 November at 12:07.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_of_claims_to_the_version_before_is_there_and_goes_out() {
    for without in [&[][..], &["store", "store.boot", "store.clean"][..]] {
        let mut world = credits::world(CREDITS).await;
        world.stop().await;
        fs::remove_dir_all(world.state()).expect("is removed");
        let packed = fs::File::open("tests/fixtures/state-5.tar.zst").expect("a fixture");
        let unpacked = zstd::Decoder::new(packed).expect("is packed");
        tar::Archive::new(unpacked).unpack(world.state()).expect("unpacks");
        for name in without {
            let path = world.state().join(name);
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.expect("is removed");
        }
        world.clock.advance(chrono::Duration::days(7));
        world.start().await;
        let (_, claims) = world.get_as(credits::ADA, "/v1/claims").await;
        world.settled().await;
        let claim = &claims["claims"][0];
        assert_eq!(
            (&claim["state"], &claim["asked"], &claim["owner"]),
            (&json!("submitted"), &json!("100.00"), &json!("Grace")),
            "{claims}"
        );
        assert_eq!(claim["provided"][0]["place"], "logs/2026-11");
        let (_, story) = world.get_as(credits::ADA, "/v1/incidents/VVTQ-J98").await;
        assert_eq!(story["impacted_resources"], json!({ "confirmed": 1, "potential": 1 }));
        let archive = stdout(&as_ada(&world, &["export"], b"").code(0));
        let counted = counts(&archive);
        let of = |kind: &str| counted.get(kind).copied().unwrap_or_default();
        assert_eq!(
            [
                of("claim-reminders"),
                of("claim"),
                of("downtime"),
                of("resources"),
                of("correction")
            ],
            [1, 2, 1, 1, 1],
            "{archive}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_readme_do_what_it_says() {
    let rules =
        "receivers: { a: [{ email: a@contoso.example }] }\nrules: [{ name: All, when: {}, notify: a, invite: a }]\n";
    let world = World::with(&[("contoso/rules.yaml", rules)]).await;
    world.hear(&Azure::active().json()).await;
    world.pass(60).await;
    let readme = fs::read_to_string("README.md").expect("a file");
    let (_, section) = readme.split_once("### What is kept, and moving it").expect("a section");
    let commands = section
        .split("```")
        .nth(1)
        .expect("commands")
        .trim_start_matches("sh\n");
    let program = assert_cmd::cargo::cargo_bin!("bellwether").display().to_string();
    let script = commands.replace("bellwether ", &format!("{program} "));
    let mut shell = std::process::Command::new("sh");
    shell
        .current_dir(world.dir.path())
        .env("BELLWETHER_SERVER", world.url(""))
        .arg("-ec")
        .arg(&script);
    let ran = tokio::task::block_in_place(|| shell.output()).expect("a shell");
    let (said, failed) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{said}{failed}");
    assert!(failed.contains("archive.jsonl is whole already"), "{failed}");
    assert!(said.contains("1 event: 0 new, 1 there already"), "{said}");
    assert!(
        said.contains("1 event of 1 incident") && said.contains("1 the same, 0 added, 0 removed"),
        "{said}"
    );
}
