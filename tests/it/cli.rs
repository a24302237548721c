//! The command line from outside: what is typed, what is said, and the exit code.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use serde_json::Value;

use crate::world::{Azure, World};

/// The program, in the repository, without anything of this environment.
fn bellwether(arguments: &[&str]) -> Assert {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .args(arguments);
    command.assert()
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

fn json(assert: &Assert) -> Value {
    serde_json::from_slice(&assert.get_output().stdout).expect("JSON on stdout")
}

/// A rules folder of one customer with one file.
fn rules(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("contoso")).expect("a folder");
    fs::write(dir.path().join("contoso/a.yaml"), text).expect("a file");
    let path = dir.path().display().to_string();
    (dir, path)
}

const RULES: &str = "\
receivers: { a: [{ email: a@contoso.example }] }
rules: [{ name: reviews, when: { stage: RCA }, notify: a, invite: a }]
tests:
  - { name: a review, event: { stage: RCA }, expect: { reviews: a } }
";

const UPDATE: &str = "src/cli/demo/story/1-update.json";

#[test]
fn help_is_one_screen_and_says_what_each_command_is_for() {
    let help = bellwether(&["--help"]).code(0);
    insta::assert_snapshot!(stdout(&help), @r"
    Service-health events in; the right people told, in time, and nothing lost

    Usage: bellwether <COMMAND>

    Commands:
      demo         Replay one real incident through a real daemon, and watch who is told what
      serve        Run the daemon
      check        Check the rule files, and show every mistake with its place
      test         Run the tests that stand in the rule files
      explain      Show which rules match an event, why the others do not, and who would be told
      status       Show how a daemon is, and what needs a person
      events       List the events that a daemon has heard, or show what became of one
      incidents    List incidents, or show one with everything said and sent about it
      correct      Correct the size, a kind or the window of an incident, with a reason
      resources    Hand in, or list, the resources that an incident impacted
      deliveries   List deliveries, the newest first
      redeliver    Try deliveries again that ended, and those that wait at once; same ids, same content
      feeds        List the addresses of feeds: health history (Atom, JSON), maintenance (calendar)
      claims       Work out service credits for downtime, explain each figure, and follow each claim
      usage        Make `usage:` of what a provider says was used and charged
      rules        End the rules of a customer whose folder is gone
      set-aside    List what could not be decided, or have it decided again
      send-test    Send a test message to a receiver, and show how it ended
      intake       See what was posted and could not be read, and try it again
      export       Write everything that is kept as an archive: lines of JSON, to stdout
      import       Take an archive in as history: kept and shown, and told to nobody
      replay       Show who would have been told what under changed rules
      verify       Check the journal, the checkpoints and the store of a stopped daemon
      schema       Print the JSON Schema of rule files, or of the body of webhooks
      completions  Print completions for a shell
      man          Print the manual page, or write one for every command
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Exit codes: 0 fine, 1 failed, 64 wrong usage, 78 bad settings or rules.
    Environment: BELLWETHER_SERVER and BELLWETHER_TOKEN for the commands that ask a daemon; NO_COLOR.
    ");
}

#[test]
fn help_of_a_command_is_the_same_however_it_is_asked_for_and_fits_a_terminal() {
    assert_eq!(stdout(&bellwether(&["help"])), stdout(&bellwether(&["--help"])));
    for command in [
        "serve",
        "check",
        "explain",
        "status",
        "deliveries",
        "send-test",
        "set-aside",
        "export",
        "import",
        "replay",
        "verify",
    ] {
        let help = stdout(&bellwether(&["help", command]).code(0));
        assert_eq!(help, stdout(&bellwether(&[command, "--help"]).code(0)));
        let long = help.lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{command}");
    }
    assert!(stderr(&bellwether(&["help", "frobnicate"]).code(64)).contains("frobnicate"));
}

#[test]
fn wrong_usage_is_64_and_asking_for_help_is_not() {
    for wrong in [
        &["frobnicate"][..],
        &["check", "--frob"],
        &["redeliver"],
        &["events", "--limit", "many"],
        &["events", "--limit", "0"],
        &["set-aside", "list", "--limit", "0"],
        &[],
    ] {
        bellwether(wrong).code(64);
    }
    bellwether(&["events", "--server", "127.0.0.1:8080"]).code(64);
    for right in [
        &["--version"][..],
        &["check", "--help"],
        &["help"],
        &["help", "send-test"],
        &["help", "set-aside", "list"],
    ] {
        assert!(stderr(&bellwether(right).code(0)).is_empty());
    }
}

#[test]
fn the_example_rules_pass_check_without_a_warning_and_all_their_tests() {
    assert_eq!(
        stdout(&bellwether(&["check", "rules"]).code(0)),
        "3 files, 10 rules, 6 receivers, 12 tests: no errors, no warnings\n"
    );
    assert!(stdout(&bellwether(&["test", "rules"]).code(0)).ends_with("\n12 tests: 12 passed, 0 failed\n"));
}

#[test]
fn the_settings_that_are_shipped_pass_check() {
    let checked = stdout(&bellwether(&["check", "rules", "--config", "systemd/bellwether.yaml"]).code(0));
    assert!(
        checked.contains("settings systemd/bellwether.yaml: no errors, no warnings\n"),
        "{checked}"
    );
}

#[test]
fn a_broken_rule_file_is_78_with_place_line_and_hint() {
    let (_dir, path) = rules(&RULES.replace("stage:", "status:"));
    let checked = bellwether(&["check", &path]).code(78);
    let said = stdout(&checked).replace(&path, "RULES");
    assert!(said.contains("--> RULES/contoso/a.yaml:2:"), "{said}");
    assert!(
        said.contains("rules: [{ name: reviews, when: { status: RCA }"),
        "{said}"
    );
    assert!(said.contains("hint: ") && said.contains("stage"), "{said}");
    let answer = json(&bellwether(&["check", &path, "--format", "json"]).code(78));
    assert_eq!(
        (answer["ok"].as_bool(), answer["problems"][0]["line"].as_u64()),
        (Some(false), Some(2))
    );
}

#[test]
fn a_warning_is_shown_and_is_no_failure() {
    let (_dir, path) = rules("receivers: { a: [{ email: a@contoso.example }] }\nrules: []\n");
    let checked = bellwether(&["check", &path]).code(0);
    assert!(
        stdout(&checked).starts_with("warning: there is no rule in this folder: nobody is told by it\n"),
        "{}",
        stdout(&checked)
    );
    assert!(
        stdout(&checked).ends_with("1 file, no rules, 1 receiver, no tests: no errors, 2 warnings\n"),
        "{}",
        stdout(&checked)
    );
}

#[test]
fn what_is_not_read_is_a_warning_each() {
    let (dir, path) = rules(RULES);
    let at = |name: &str| dir.path().join("contoso").join(name);
    fs::create_dir(at("network")).expect("a folder");
    fs::create_dir(dir.path().join("fabrikam")).expect("a folder");
    for (name, text) in [
        ("network/prod.yaml", RULES),
        ("Security.YAML", "rules: []"),
        ("dba.yaml.txt", RULES),
        ("api.json", "{}"),
        ("README.md", "Ours."),
        (".gitignore", ""),
        ("../fabrikam/web.yaml~", RULES),
    ] {
        fs::write(at(name), text).expect("a file");
    }
    let checked = stdout(&bellwether(&["check", &path]).code(0)).replace(&path, "RULES");
    for told in [
        "contoso/network/",
        "contoso/dba.yaml.txt",
        "contoso/api.json",
        "fabrikam/",
        "fabrikam/web.yaml~",
    ] {
        assert!(
            checked.contains(&format!("--> RULES/{told}:1:1\n")),
            "{told}: {checked}"
        );
    }
    assert!(
        !checked.contains("README") && !checked.contains("gitignore"),
        "{checked}"
    );
    assert!(
        checked.ends_with("2 files, 1 rule, 1 receiver, 1 test: no errors, 5 warnings\n"),
        "{checked}"
    );
}

#[test]
fn characters_that_nobody_sees_are_told_in_the_files_of_the_field() {
    for (file, code, told) in [
        (
            "no-break-space-in-a-pattern.yaml",
            0,
            ["warning: U+00A0 no-break space", "a.yaml:6:29"],
        ),
        (
            "tab-after-an-item.yaml",
            78,
            ["error: this line is indented with a tab", "a.yaml:5:1"],
        ),
        (
            "typographic-quotes.yaml",
            78,
            ["error: this text stands in typographic quotes", "a.yaml:7:22"],
        ),
    ] {
        let text = fs::read_to_string(format!("tests/fixtures/letters/{file}")).expect("a fixture");
        let (_dir, path) = rules(&text);
        let checked = stdout(&bellwether(&["check", &path]).code(code));
        assert!(told.iter().all(|told| checked.contains(told)), "{file}: {checked}");
    }
}

#[test]
fn a_flood_of_problems_is_capped_and_stays_within_the_width() {
    let rules_of = |nth: usize| {
        format!(
            "- {{ name: rule {nth}, when: {{ service: A service that nobody has ever heard of {nth}, stage: Resloved }}, notify: someone }}\n"
        )
    };
    let text: String = (0..100).map(rules_of).collect();
    let (_dir, path) = rules(&format!("rules:\n{text}"));
    let checked = stdout(&bellwether(&["check", &path]).code(78)).replace(&path, "RULES");
    assert_eq!(checked.matches("error: ").count(), 20, "{checked}");
    assert!(
        checked.contains(" more in RULES/contoso/a.yaml: mend these first"),
        "{checked}"
    );
    let longest = checked.lines().map(|line| line.chars().count()).max();
    assert!(longest.is_some_and(|most| most <= 80), "{longest:?}: {checked}");
}

#[test]
fn a_folder_that_is_missing_empty_or_a_file_is_78_with_a_hint() {
    let missing = bellwether(&["check", "/nowhere/rules"]).code(78);
    assert!(
        stderr(&missing).starts_with("error: there is no rules folder /nowhere/rules\nhint: "),
        "{}",
        stderr(&missing)
    );
    let file = bellwether(&["check", "rules/contoso/production.yaml"]).code(78);
    assert!(
        stderr(&file).ends_with("hint: name the rules folder: rules\n"),
        "{}",
        stderr(&file)
    );
    let empty = tempfile::tempdir().expect("a directory");
    bellwether(&["check", &empty.path().display().to_string()]).code(78);
}

#[test]
fn a_failing_test_is_1_and_says_what_happened_instead() {
    let (_dir, path) = rules(&RULES.replace("event: { stage: RCA }", "event: { stage: Active }"));
    let tested = bellwether(&["test", &path]).code(1);
    let said = stdout(&tested);
    assert!(said.contains("failed   a review (line 4)"), "{said}");
    assert!(
        said.contains("`reviews` should tell a, and tells nobody: stage: the rule wants RCA, the event has Active"),
        "{said}"
    );
    let answer = json(&bellwether(&["test", &path, "--format", "json"]).code(1));
    assert_eq!(answer["tests"][0]["outcome"], "failed");
    // for the daemon a failing test keeps the file out of force: it is an error of the file
    bellwether(&["check", &path]).code(78);
}

#[test]
fn explain_says_who_would_be_told_and_why_others_would_not() {
    let explained = bellwether(&["explain", UPDATE, "--rules", "rules"]).code(0);
    let said = stdout(&explained);
    assert!(said.contains("3 rules match, out of 10 rules"), "{said}");
    assert!(
        said.contains("event type: the rule wants Health advisory, the event has Service issue"),
        "{said}"
    );
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    assert!(
        said.contains("platform@contoso.example") && said.contains("in 10s"),
        "{said}"
    );
    let answer = json(&bellwether(&["explain", UPDATE, "--format", "json"]).code(0));
    assert_eq!(answer["events"][0]["told"].as_array().map(Vec::len), Some(4));
}

#[test]
fn explain_without_an_event_says_why() {
    let samples = "tests/fixtures/samples/azure";
    let ignored = bellwether(&[
        "explain",
        &format!("{samples}/azure-common-administrative-testaction.json"),
    ])
    .code(1);
    assert!(stdout(&ignored).starts_with("ignored: "), "{}", stdout(&ignored));
    let missing = bellwether(&["explain", "/nowhere.json"]).code(1);
    bellwether(&["explain", UPDATE, "--customer", "contoso"]).code(64);
    assert!(
        stderr(&missing).starts_with("error: reading the event /nowhere.json: "),
        "{}",
        stderr(&missing)
    );
    let mut piped = Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
    let piped = piped.args(["explain", "-"]).write_stdin("{}").assert().code(1);
    assert!(stderr(&piped).contains("\nhint: "), "{}", stderr(&piped));
}

#[test]
fn settings_that_cannot_be_used_are_78_with_all_their_problems() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = dir.path().join("bellwether.yaml");
    fs::write(&settings, "listen: 8080\nretentoin: {}\n").expect("a file");
    let path = settings.display().to_string();
    for command in [&["serve"][..], &["check", "rules"]] {
        let refused = bellwether(&[command, &["--config", &path]].concat()).code(78);
        let said = stderr(&refused).replace(&path, "SETTINGS");
        assert!(said.contains("SETTINGS:1:") && said.contains("SETTINGS:2:"), "{said}");
        assert!(
            said.ends_with("error: the settings cannot be used: 2 errors\n"),
            "{said}"
        );
    }
    let flag = bellwether(&["serve", "--listen", "8080"]).code(78);
    assert!(stderr(&flag).contains("--listen"), "{}", stderr(&flag));
}

#[test]
fn schemas_are_json_of_the_2020_draft() {
    for of in [&["schema"][..], &["schema", "webhook"], &["schema", "status"]] {
        let schema = json(&bellwether(of).code(0));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&bellwether(&["completions", shell]).code(0));
        assert!(script.contains("redeliver") && script.contains("explain"), "{shell}");
    }
    assert!(stdout(&bellwether(&["man"]).code(0)).contains("bellwether\\-check(1)"));
    let dir = tempfile::tempdir().expect("a directory");
    bellwether(&["man", &dir.path().display().to_string()]).code(0);
    for page in ["bellwether.1", "bellwether-serve.1", "bellwether-verify.1"] {
        assert!(dir.path().join(page).is_file(), "{page}");
    }
}

#[test]
fn a_daemon_that_is_not_there_is_named_with_a_hint() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let server = format!("http://{free}");
    for command in [
        &["events"][..],
        &["explain", "12.0"],
        &["incidents"],
        &["incidents", "0NTJ-VV8"],
        &["deliveries"],
        &["redeliver", "dlv_1"],
        &["feeds"],
    ] {
        let failed = bellwether(&[command, &["--server", &server]].concat()).code(1);
        let said = stderr(&failed);
        assert!(
            said.contains(&format!("error: no answer from {server}: ")) && said.contains("\nhint: "),
            "{said}"
        );
    }
}

/// The program beside a daemon in this process.
fn beside(world: &World, arguments: &[&str]) -> Assert {
    let server = world.url("");
    tokio::task::block_in_place(|| bellwether(&[arguments, &["--server", &server]].concat()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_daemon_is_asked_and_a_stopped_one_is_verified() {
    let rules = r#"
receivers: { hook: [{ webhook: { url: "{hooks}/hook" } }] }
rules:
  - { name: All, when: { event type: Service issue }, notify: hook, settle: 0s }
  - { name: Maintenance, when: { event type: Planned maintenance }, notify: hook }
"#;
    let mut world = World::with(&[("contoso/rules.yaml", rules)]).await;
    assert_eq!(stdout(&beside(&world, &["events"]).code(0)), "no events yet\n");
    let heard = world.hear(&Azure::active().json()).await;
    world.pass(0).await;
    let id = heard["ids"][0].as_str().expect("an id");

    let events = stdout(&beside(&world, &["events"]).code(0));
    assert!(
        events.starts_with("ID ") && events.contains(id) && events.contains("VVTQ-J98"),
        "{events}"
    );
    let feeds = stdout(&beside(&world, &["feeds"]).code(0));
    let atom = feeds.lines().find_map(|line| line.trim().strip_prefix("atom "));
    let atom = atom.expect("an address").trim();
    let path = atom.strip_prefix(&world.url("")).expect("as this client reaches it");
    let (status, feed) = world.page(path).await;
    assert!(status == 200 && feed.contains("VVTQ-J98"), "{atom}: {feed}");
    let none = stdout(&beside(&world, &["feeds", "--customer", "nobody"]).code(0));
    assert_eq!(none, "no feeds: there is no such customer\n");
    let event = stdout(&beside(&world, &["events", id]).code(0));
    assert!(event.contains("  + contoso / All: planned for hook\n"), "{event}");
    assert!(
        event.contains("\n      hook (webhook): delivered 2026-11-24 09:00Z\n        dlv_"),
        "{event}"
    );
    assert!(event.contains("  - contoso / Maintenance: event type: "), "{event}");
    let then = stdout(&beside(&world, &["explain", id, "--at", "2026-11-24T10:00:00Z"]).code(0));
    assert!(
        then.contains("  as heard   2026-11-24 10:00Z\n") && then.contains("  contoso / hook: webhook\n"),
        "{then}"
    );
    beside(&world, &["explain", id, "--at", "tomorrow"]).code(64);
    assert_eq!(stdout(&beside(&world, &["explain", id]).code(0)), event);
    world.write_rules("contoso/rules.yaml", "rules: []\n");
    world.reload().await;
    let explained = stdout(&beside(&world, &["explain", id, "--customer", "contoso"]).code(0));
    assert!(
        explained.contains("  rules     those of then; others are in force now\n"),
        "{explained}"
    );
    assert!(
        explained.contains("  - contoso / Maintenance: event type: "),
        "{explained}"
    );
    let other = stderr(&beside(&world, &["explain", id, "--customer", "fabrikam"]).code(1));
    assert!(other.contains("there are no rules of this customer"), "{other}");
    beside(&world, &["explain", id, "--rules", "rules"]).code(64);
    world.write_rules("contoso/rules.yaml", rules);
    world.reload().await;
    let incident = stdout(&beside(&world, &["incidents", "vvtq-j98"]).code(0));
    assert!(
        incident.contains("Active, Service issue, Warning, azure") && incident.contains("contoso/hook"),
        "{incident}"
    );
    assert_eq!(
        json(&beside(&world, &["incidents", "--format", "json"]).code(0))["incidents"][0]["tracking_id"],
        "VVTQ-J98"
    );

    let delivered = json(&beside(&world, &["deliveries", "--state", "delivered", "--format", "json"]).code(0));
    let delivery = delivered["deliveries"][0]["id"].as_str().expect("an id");
    let again = beside(&world, &["redeliver", delivery, "dlv_nope"]).code(1);
    assert_eq!(stdout(&again), format!("{delivery}: will be tried again\n"));
    assert!(stderr(&again).starts_with("dlv_nope: error: "), "{}", stderr(&again));
    world.settled().await;
    assert_eq!(world.hooks.got("hook").len(), 2);

    let state = world.state().display().to_string();
    let verify = ["verify", "--state", &state];
    assert!(stderr(&bellwether(&verify).code(1)).contains("a daemon runs with the state"));
    world.stop().await;
    let sound = stdout(&bellwether(&verify).code(0));
    assert!(sound.contains(": closed in an orderly way\nsound\n"), "{sound}");
}

#[test]
fn verify_of_what_is_no_state_is_1() {
    let empty = tempfile::tempdir().expect("a directory");
    let failed = bellwether(&["verify", "--state", &empty.path().display().to_string()]).code(1);
    assert!(
        stderr(&failed).contains("holds no journal\nhint: "),
        "{}",
        stderr(&failed)
    );
}

#[test]
fn no_output_shows_a_secret() {
    let text = RULES.replace(
        "[{ email: a@contoso.example }]",
        "[{ slack: { url: https://hooks.slack.com/services/T0/B0/hunter2 } }]",
    );
    let (_dir, path) = rules(&text.replace("invite: a", "invite: [a, https://a.example/hunter2]"));
    let event = Path::new(UPDATE).display().to_string();
    for command in [
        &["check", &path][..],
        &["test", &path],
        &["check", &path, "--format", "json"],
        &["explain", &event, "--rules", &path],
    ] {
        let assert = bellwether(command);
        let said = stdout(&assert) + &stderr(&assert);
        assert!(!said.contains("hunter2"), "{command:?}: {said}");
    }
}
