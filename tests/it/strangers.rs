//! Customers are strangers: what one of them writes into its folder slows nobody else.

use std::time::{Duration, Instant};

use crate::process::{Process, client, serve, tell_everything, until};
use crate::world::{Azure, Hooks, PROD, World};

/// Far longer than anything here takes, and far less than it took before there were limits.
const STALLED: Duration = Duration::from_secs(15);

/// Two customers who own the same account; mistakes of the first are told to its own contact.
fn settings() -> String {
    format!(
        "customers:\n  greedy: {{ accounts: [{PROD}], contact: ops@greedy.example }}\n  quiet: {{ accounts: [{PROD}] }}\n"
    )
}

/// Rules of which each tells `/PATH` of every event whose text its pattern matches, and one that tells of every event.
fn rules(path: &str, patterns: &[String]) -> String {
    let mut text = format!(
        "receivers: {{ hook: [{{ webhook: {{ url: \"{{hooks}}/{path}\" }} }}] }}\nrules:\n  - {{ name: All, when: {{ event type: Service issue }}, notify: hook, settle: 0s }}\n"
    );
    for (nth, pattern) in patterns.iter().enumerate() {
        text.push_str(&format!(
            "  - {{ name: Costly {nth}, when: {{ text: \"{pattern}\" }}, notify: hook, settle: 0s }}\n"
        ));
    }
    text
}

/// An update of 40 kB in which every letter begins nearly all of a costly pattern.
fn long(tracking_id: &'static str) -> Azure {
    Azure {
        tracking_id,
        text: format!("<p>{}</p>", "a".repeat(40_000)),
        ..Azure::active()
    }
}

fn costly(count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("*{}b{nth}*", "a".repeat(900))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_that_cost_too_much_are_withheld_and_their_owner_is_told_once_an_hour() {
    let greedy = rules("greedy", &costly(60));
    let files = [
        ("greedy/rules.yaml", greedy.as_str()),
        ("quiet/rules.yaml", &rules("quiet", &[])),
    ];
    let world = World::with_settings(&settings(), &files).await;
    let began = Instant::now();
    let heard = world.hear(&long("LONG-1").json()).await;
    world.hear(&long("LONG-2").json()).await;
    assert!(began.elapsed() < STALLED, "{:?}", began.elapsed());
    let told = |path: &str| world.hooks.got(path).len();
    assert_eq!(
        (told("quiet"), told("greedy")),
        (2, 2),
        "and the customer's other rule is tried"
    );
    let event = world
        .get(&format!("/v1/events/{}", heard["ids"][0].as_str().expect("an id")))
        .await;
    let verdicts = event["verdicts"].to_string();
    assert_eq!(
        verdicts.matches("more work than one event may cost").count(),
        60,
        "{verdicts}"
    );
    world.pass(10).await;
    let mails = world.mails();
    assert_eq!(mails.len(), 1, "both events are of the same hour");
    assert_eq!(mails[0].to, "ops@greedy.example");
    assert!(
        mails[0].subject.contains("too much work") && mails[0].text.contains("`Costly 0` and others"),
        "{}",
        mails[0].text
    );
    world.pass(3_600).await;
    world.hear(&long("LONG-3").json()).await;
    world.pass(10).await;
    assert_eq!((world.mails().len(), told("quiet")), (2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn globs_of_wildcards_delay_nobody_and_are_still_tried() {
    let wild: Vec<String> = (0..250).map(|nth| format!("*{}{nth}~x", "?".repeat(900))).collect();
    let greedy = rules("greedy", &[wild, vec!["*connections*".to_owned()]].concat());
    let files = [
        ("greedy/rules.yaml", greedy.as_str()),
        ("quiet/rules.yaml", &rules("quiet", &[])),
    ];
    let world = World::with_settings(&settings(), &files).await;
    let began = Instant::now();
    let review = Azure {
        text: format!("<p>{}</p>", "Connections failed. ".repeat(2_000)),
        ..Azure::active()
    };
    let heard = world.hear(&review.json()).await;
    assert!(began.elapsed() < STALLED, "{:?}", began.elapsed());
    assert_eq!(
        (world.hooks.got("quiet").len(), world.hooks.got("greedy").len()),
        (1, 1)
    );
    let event = world
        .get(&format!("/v1/events/{}", heard["ids"][0].as_str().expect("an id")))
        .await;
    assert_eq!(event["verdicts"].as_array().map(Vec::len), Some(3), "{event}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_flips_between_good_and_broken_is_told_once_an_hour_and_is_in_force_all_the_same() {
    let good = |nth: u32| rules(&format!("greedy-{nth}"), &[]);
    let files = [
        ("greedy/rules.yaml", good(0).as_str()),
        ("quiet/rules.yaml", &rules("quiet", &[])),
    ]
    .map(|(path, text)| (path, text.to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let world = World::with_settings(&settings(), &files).await;
    for nth in 1..=10 {
        world.write_rules("greedy/rules.yaml", "rules: [");
        assert_eq!(world.reload().await.broken, ["greedy/rules.yaml"]);
        world.pass(1).await;
        world.write_rules("greedy/rules.yaml", &good(nth));
        assert_eq!(world.reload().await.changed, ["greedy/rules.yaml"]);
        world.pass(60).await;
    }
    assert_eq!(world.mails().len(), 2, "broken, and good again");
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    assert_eq!(
        world.hooks.got("greedy-10").len(),
        1,
        "the last good version is in force"
    );
    world.write_rules("greedy/rules.yaml", "rules: [");
    world.reload().await;
    world.pass(3_600).await;
    assert_eq!(world.mails().len(), 2);
    assert_eq!(world.reload().await.broken, ["greedy/rules.yaml"]);
    world.pass(10).await;
    assert_eq!(world.mails().len(), 3, "an hour later it is told how it is then");
}

/// Writes a folder whose tests take all that they may: files of as many bytes as a file may have, in which each test
/// tries each rule.
fn write_costly_tests(folder: &std::path::Path) {
    let (pattern, text) = ("a".repeat(450), "a".repeat(2_000));
    std::fs::create_dir_all(folder).expect("a folder");
    for file in 0..12 {
        let mut yaml = format!("receivers: {{ r{file}: [{{ email: a@a.example }}] }}\nrules:\n");
        for nth in 0..200 {
            yaml.push_str(&format!(
                "- {{ name: rule {file} {nth}, when: {{ text: \"*{pattern}b{nth}*\" }}, notify: r{file} }}\n"
            ));
        }
        yaml.push_str("tests:\n");
        for nth in 0..60 {
            yaml.push_str(&format!(
                "- {{ name: test {nth}, event: {{ text: \"{text}\" }}, expect: {{}} }}\n"
            ));
        }
        std::fs::write(folder.join(format!("{file}.yaml")), yaml).expect("a file");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_folder_of_costly_tests_is_checked_another_edit_comes_into_force_and_a_stop_is_heeded() {
    let (dir, hooks, client) = (tempfile::tempdir().expect("a folder"), Hooks::start().await, client());
    let (state, rules) = (dir.path().join("state"), dir.path().join("rules"));
    tell_everything(&rules, &hooks);
    let process = Process::start(&serve(&state, &rules));
    let revision = async || {
        let answer = client
            .get(format!("{}/v1/rules", process.url))
            .send()
            .await
            .expect("an answer");
        let rules: serde_json::Value = answer.json().await.expect("JSON");
        rules["revision"].clone()
    };
    let before = revision().await;
    write_costly_tests(&rules.join("greedy"));
    let path = rules.join("contoso/rules.yaml");
    let text = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(&path, text.replace("name: All", "name: Second")).expect("a file");
    let began = Instant::now();
    while revision().await == before {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", process.log());
    }
    // the large folder is being checked, or was
    until("the edit is logged", || process.log().contains("changed=1")).await;
    let began = Instant::now();
    let pid = process.pid();
    tokio::task::spawn_blocking(move || process.stop(pid))
        .await
        .expect("stops");
    assert!(began.elapsed() < STALLED, "{:?}", began.elapsed());
}
