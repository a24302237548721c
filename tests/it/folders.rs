//! Where rules really lie: in mounted volumes, in folders that are swapped, in folders that are gone or not filled yet.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::process::{Process, post, serve, tell_everything, until};
use crate::world::{Azure, Hooks, PROD, World};

fn rules_to(hook: &str) -> String {
    format!(
        "receivers: {{ hook: [{{ webhook: {{ url: \"{{hooks}}/{hook}\" }} }}] }}\nrules:\n  - {{ name: All, when: {{ event type: Service issue }}, notify: hook }}\n"
    )
}

/// Customers who are strangers to each other.
fn customers(names: &[&str]) -> String {
    let one = |name: &&str| format!("  {name}: {{ contact: {name}@example.com, accounts: [{PROD}] }}\n");
    format!(
        "contact: noc@example.com\ncustomers:\n{}",
        names.iter().map(one).collect::<String>()
    )
}

fn another(tracking_id: &'static str) -> Value {
    Azure {
        tracking_id,
        ..Azure::active()
    }
    .json()
}

/// Exchanges what a link leads to, as kubelet and git-sync do it.
fn flip(link: &Path, target: &str) {
    let new = link.with_file_name("..flipped");
    symlink(target, &new).expect("a link");
    fs::rename(new, link).expect("is flipped");
}

fn in_force(rules: &Value) -> Vec<String> {
    let files = rules["files"].as_array().expect("a list").iter();
    files
        .map(|file| file["path"].as_str().expect("a path").to_owned())
        .collect()
}

fn named(ready: &Value, key: &str) -> Vec<String> {
    let names = ready[key].as_array().unwrap_or_else(|| panic!("{key}: {ready}")).iter();
    names.map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_from_a_configmap_are_those_that_it_holds_now_and_its_folders_are_no_customers() {
    for settings in ["", &customers(&["contoso", "fabrikam"])] {
        let mut world = World::with_settings(settings, &[("..2026_1/contoso/a.yaml", &rules_to("first"))]).await;
        world.write_rules("fabrikam/..2026_1/b.yaml", &rules_to("theirs"));
        symlink("..2026_1", world.rules().join("..data")).expect("a link");
        symlink("..data/contoso", world.rules().join("contoso")).expect("a link");
        symlink("..2026_1", world.rules().join("fabrikam/..data")).expect("a link");
        symlink("..data/b.yaml", world.rules().join("fabrikam/b.yaml")).expect("a link");
        assert!(world.reload().await.broken.is_empty());
        assert_eq!(
            in_force(&world.get("/v1/rules").await),
            ["contoso/a.yaml", "fabrikam/b.yaml"]
        );
        world.write_rules("..2026_2/contoso/a.yaml", &rules_to("second"));
        flip(&world.rules().join("..data"), "..2026_2");
        fs::remove_dir_all(world.rules().join("..2026_1")).expect("is removed");
        world.reload().await;
        world.stop().await;
        world.start().await;
        world.hear(&Azure::active().json()).await;
        world.pass(10).await;
        let got = |hook| world.hooks.got(hook).len();
        assert_eq!((got("first"), got("second"), got("theirs")), (0, 1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_out_of_the_rules_folder_is_a_broken_file_with_the_reason() {
    let world = World::with_settings(
        &customers(&["contoso", "fabrikam"]),
        &[("contoso/a.yaml", &rules_to("a"))],
    )
    .await;
    world.write_rules("fabrikam/b.yaml", &rules_to("b"));
    fs::write(world.dir.path().join("host.yaml"), "hunter2: hunter2").expect("a file");
    symlink("../../host.yaml", world.rules().join("contoso/host.yaml")).expect("a link");
    symlink("../fabrikam/b.yaml", world.rules().join("contoso/theirs.yaml")).expect("a link");
    let reloaded = world.reload().await;
    assert_eq!(reloaded.broken, ["contoso/host.yaml", "contoso/theirs.yaml"]);
    let rules = world.get("/v1/rules").await;
    let reports: Vec<&str> = rules["broken"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["report"].as_str())
        .collect();
    assert!(
        reports[0].contains("outside of the rules folder") && reports[1].contains("another customer"),
        "{reports:?}"
    );
    assert!(!rules.to_string().contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_whose_folder_is_gone_keeps_its_rules_until_an_operator_ends_them() {
    let settings = customers(&["contoso", "fabrikam"]);
    let files = [
        ("contoso/a.yaml", &*rules_to("a")),
        ("fabrikam/b.yaml", &*rules_to("b")),
    ];
    let mut world = World::with_settings(&settings, &files).await;
    fs::remove_dir_all(world.rules().join("contoso")).expect("is gone");
    assert_eq!(world.reload().await.broken, ["contoso/"]);
    world.hear(&another("GONE-1")).await;
    world.pass(10).await;
    assert_eq!(world.hooks.got("a").len(), 1, "its last rules are in force");
    let ready = world.get("/readyz?verbose").await;
    assert_eq!(named(&ready, "customers_without_folder"), ["contoso"]);
    let told = |world: &World, subject: &str| -> Vec<String> {
        let mails = world.mails().into_iter().filter(|mail| mail.subject.contains(subject));
        let mut to: Vec<String> = mails.map(|mail| mail.to).collect();
        to.sort();
        to
    };
    let both = ["contoso@example.com", "noc@example.com"];
    assert_eq!(told(&world, "The rules folder contoso/ is gone"), both);
    let (_, page) = world.page("/").await;
    assert!(page.contains("The rules folder contoso/ is gone"), "{page}");
    let report = world.get("/v1/rules").await["broken"][0]["report"].to_string();
    assert!(report.contains("bellwether rules forget contoso"), "{report}");
    // who has its folder, or no rules, has nothing to be forgotten
    assert_eq!(world.post("/v1/rules/fabrikam/forget", "").await.0, 409);
    assert_eq!(world.post("/v1/rules/nobody/forget", "").await.0, 404);
    assert_eq!(world.post("/v1/rules/contoso/forget", "").await.0, 200);
    world.settled().await;
    let (status, answer) = world.post("/v1/rules/contoso/forget", "").await;
    assert_eq!(status, 404, "{answer}");
    world.pass(10).await;
    assert_eq!(told(&world, "The rules of `contoso` have ended"), both);
    // also after the next reading, a restart, and with a store that is built again
    for _ in 0..2 {
        world.reload().await;
        assert_eq!(in_force(&world.get("/v1/rules").await), ["fabrikam/b.yaml"]);
        let ready = world.get("/readyz?verbose").await;
        assert_eq!(named(&ready, "customers_without_folder"), [] as [String; 0]);
        assert_eq!(named(&ready, "customers_without_rules"), ["contoso"]);
        world.stop().await;
        fs::remove_dir_all(world.state().join("store")).expect("a store");
        world.start().await;
    }
    world.hear(&another("GONE-2")).await;
    world.pass(10).await;
    assert_eq!((world.hooks.got("a").len(), world.hooks.got("b").len()), (1, 2));
    world.write_rules("contoso/a.yaml", &rules_to("a"));
    world.reload().await;
    world.hear(&another("GONE-3")).await;
    world.pass(10).await;
    assert_eq!(world.hooks.got("a").len(), 2, "what comes back is in force");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_for_a_forgotten_customer_is_a_dead_letter_that_says_why() {
    let files = [
        ("contoso/a.yaml", &*rules_to("a")),
        ("fabrikam/b.yaml", &*rules_to("b")),
    ];
    let world = World::with_settings(&customers(&["contoso", "fabrikam"]), &files).await;
    world.hooks.answer("a", &[503, 503]);
    world.hear(&another("WAITS-1")).await;
    world.pass(10).await;
    fs::remove_dir_all(world.rules().join("contoso")).expect("is gone");
    world.reload().await;
    assert_eq!(world.deliveries("scheduled").await.len(), 1);
    assert_eq!(world.post("/v1/rules/contoso/forget", "").await.0, 200);
    world.settled().await;
    let dead = world.deliveries("dead").await;
    assert_eq!(dead.len(), 1);
    assert!(
        dead[0]["end"].as_str().is_some_and(|end| end.contains("receiver gone")),
        "{dead:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_after_the_last_rules_were_ended_is_told_when_they_are_back() {
    let files = [("contoso/a.yaml", &*rules_to("a"))];
    let world = World::with_settings(&customers(&["contoso"]), &files).await;
    let away = world.rules().parent().expect("a folder").join("away");
    fs::rename(world.rules().join("contoso"), &away).expect("is gone");
    world.reload().await;
    assert_eq!(world.post("/v1/rules/contoso/forget", "").await.0, 200);
    world.settled().await;
    world.hear(&another("BETWEEN-1")).await;
    assert!(world.hooks.got("a").is_empty());
    fs::rename(&away, world.rules().join("contoso")).expect("is back");
    world.reload().await;
    world.pass(10).await;
    assert_eq!(world.hooks.got("a").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_operator_ends_a_customers_rules() {
    let settings = customers(&["contoso", "fabrikam"]).replace("contoso: { ", "contoso: { tokens: theirs, ")
        + "secrets: \"{dir}/secrets\"\ntokens: { read: reader, operate: operator }\n";
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["theirs", "reader", "operator"] {
        fs::write(dir.path().join(name), format!("token of {name}")).expect("a file");
    }
    let settings = settings.replace("{dir}/secrets", &dir.path().display().to_string());
    let files = [
        ("contoso/a.yaml", &*rules_to("a")),
        ("fabrikam/b.yaml", &*rules_to("b")),
    ];
    let world = World::with_settings(&settings, &files).await;
    fs::remove_dir_all(world.rules().join("contoso")).expect("is gone");
    world.reload().await;
    let client = reqwest::Client::new();
    let ask = async |token: &str| {
        let url = world.url("/v1/rules/contoso/forget");
        let asked = client.post(url).bearer_auth(token).send().await;
        asked.expect("an answer").status().as_u16()
    };
    for token in ["token of theirs", "token of reader", "guess"] {
        let status = ask(token).await;
        assert!(matches!(status, 401 | 403), "{token}: {status}");
    }
    assert_eq!(ask("token of operator").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rules_folder_that_is_away_is_one_thing_that_the_operator_is_told_and_ends_nobodys_rules() {
    let settings = customers(&["contoso", "fabrikam"]);
    let files = [
        ("contoso/a.yaml", &*rules_to("a")),
        ("fabrikam/b.yaml", &*rules_to("b")),
    ];
    for is_missing in [true, false] {
        let world = World::with_settings(&settings, &files).await;
        fs::rename(world.rules(), world.dir.path().join("away")).expect("is moved");
        if !is_missing {
            fs::create_dir(world.rules()).expect("an empty folder");
        }
        assert_eq!(world.reload().await.broken, ["rules/"]);
        world.hear(&Azure::active().json()).await;
        world.pass(10).await;
        assert_eq!((world.hooks.got("a").len(), world.hooks.got("b").len()), (1, 1));
        let to: Vec<String> = world.mails().into_iter().map(|mail| mail.to).collect();
        assert_eq!(to, ["noc@example.com"], "nobody else is told");
        let ready = world.get("/readyz?verbose").await;
        assert!(ready["rules_folder"].as_str().is_some(), "{ready}");
        if !is_missing {
            fs::remove_dir(world.rules()).expect("is empty");
        }
        fs::rename(world.dir.path().join("away"), world.rules()).expect("is moved");
        assert!(world.reload().await.broken.is_empty());
        world.pass(10).await;
        assert_eq!(world.mails().len(), 2, "and that it is there again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_come_before_there_are_rules_are_kept_and_told_when_there_are() {
    let mut world = World::with_settings("contact: noc@example.com\n", &[]).await;
    let (status, answer) = world.post("/v1/events", Azure::active().json().to_string()).await;
    assert_eq!(status, 202, "{answer}");
    world.settled().await;
    let ready = |status: u16, page: &str| assert_eq!(status, 503, "{page}");
    let (status, page) = world.page("/readyz").await;
    ready(status, &page);
    assert!(page.contains("accepted and kept"), "{page}");
    let (status, verbose) = world.page("/readyz?verbose").await;
    ready(status, &verbose);
    let verbose: Value = serde_json::from_str(&verbose).expect("JSON");
    assert_eq!(
        (&verbose["ready"], &verbose["set_aside"]),
        (&false.into(), &1.into()),
        "{verbose}"
    );
    // a file that cannot be used is no rule yet, nor is one of receivers alone
    world.write_rules("contoso/a.yaml", "rules: [");
    world.write_rules(
        "contoso/receivers.yaml",
        "receivers: { b: [{ email: b@contoso.example }] }\n",
    );
    world.reload().await;
    assert_eq!(world.page("/readyz").await.0, 503);
    world.hear(&another("EARLY-2")).await;
    world.stop().await;
    world.start().await;
    let kept = world.get("/v1/set-aside").await;
    assert_eq!(kept["set-aside"].as_array().expect("a list").len(), 2, "{kept}");
    // whoever has one decided while there are still no rules does not lose it
    let id = kept["set-aside"][0]["id"].as_str().expect("an id");
    world.post(&format!("/v1/set-aside/{id}/retry"), "").await;
    world.settled().await;
    let status = world.get("/v1/status").await;
    assert_eq!(
        (&status["set_aside"]["count"], &status["set_aside"]["awaiting_rules"]),
        (&2.into(), &2.into()),
        "{status}"
    );
    assert_eq!(status["ready"], false, "{status}");
    let needs = status["needs"].to_string();
    assert!(needs.contains("no rule is in force"), "{needs}");
    assert!(!needs.contains("writing to disk"), "{needs}");
    world.pass(20).await;
    world.write_rules("contoso/a.yaml", &rules_to("a"));
    world.reload().await;
    assert_eq!(world.page("/readyz").await.0, 200);
    world.pass(10).await;
    let told: Vec<String> = world
        .hooks
        .got("a")
        .iter()
        .map(|hook| hook.body["tracking_id"].to_string())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains(&"\"EARLY-2\"".to_owned()), "{told:?}");
    let kept = world.get("/v1/set-aside").await;
    assert_eq!(kept["set-aside"].as_array().expect("a list").len(), 0, "{kept}");
    // and nothing of it is told again
    world.stop().await;
    world.start().await;
    world.pass(60).await;
    assert_eq!(world.hooks.got("a").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_says_that_there_are_no_rules_is_a_decision_and_keeps_nothing() {
    let world = World::with(&[("contoso/a.yaml", "rules: []\n")]).await;
    world.hear(&Azure::active().json()).await;
    assert_eq!(world.page("/readyz").await.0, 200);
    let kept = world.get("/v1/set-aside").await;
    assert_eq!(kept["set-aside"].as_array().expect("a list").len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_without_rules_is_told_once_and_shown() {
    let settings = customers(&["contoso", "fabrikam"]);
    let mut world = World::with_settings(&settings, &[("contoso/a.yaml", &rules_to("a"))]).await;
    world.pass(10).await;
    let to_fabrikam = |world: &World| -> Vec<String> {
        let mails = world
            .mails()
            .into_iter()
            .filter(|mail| mail.to == "fabrikam@example.com");
        mails.map(|mail| mail.subject).collect()
    };
    assert_eq!(to_fabrikam(&world).len(), 1, "{:?}", world.mails());
    assert!(
        to_fabrikam(&world)[0].contains("has no rules"),
        "{:?}",
        to_fabrikam(&world)
    );
    assert_eq!(
        named(&world.get("/readyz?verbose").await, "customers_without_rules"),
        ["fabrikam"]
    );
    assert_eq!(world.reload().await.folders.len(), 1, "each reading says it in the log");
    world.stop().await;
    world.start().await;
    world.pass(10).await;
    assert_eq!(to_fabrikam(&world).len(), 1, "once");
    // receivers alone tell nobody
    world.write_rules("fabrikam/b.yaml", "receivers: { b: [{ email: b@fabrikam.example }] }\n");
    assert_eq!(world.reload().await.folders.len(), 1);
    world.pass(10).await;
    assert_eq!(to_fabrikam(&world).len(), 2, "why has changed");
    assert_eq!(
        named(&world.get("/readyz?verbose").await, "customers_without_rules"),
        ["fabrikam"]
    );
    world.write_rules("fabrikam/b.yaml", &rules_to("b"));
    assert_eq!(world.reload().await.folders, [] as [String; 0]);
    world.pass(10).await;
    assert_eq!(to_fabrikam(&world).len(), 3, "and that it has some now");
    assert_eq!(
        named(&world.get("/readyz?verbose").await, "customers_without_rules"),
        [] as [String; 0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_for_a_subscription_that_nobody_owns_is_told_to_the_operator_once() {
    let mut world = World::with_settings(&customers(&["contoso"]), &[("contoso/a.yaml", &rules_to("a"))]).await;
    let of = |tracking_id, subscription: &'static str| {
        let event = Azure {
            tracking_id,
            subscription,
            ..Azure::active()
        };
        event.json()
    };
    let to_operator = |world: &World| -> Vec<String> {
        let mails = world.mails().into_iter();
        let mails = mails.filter(|mail| mail.to == "noc@example.com" && mail.subject.contains("for nobody"));
        mails.map(|mail| mail.subject).collect()
    };
    let forgotten = "99999999-aaaa-4bbb-8ccc-999999999999";
    world.hear(&of("OWNED-1", PROD)).await;
    world.hear(&of("NOBODY-1", forgotten)).await;
    world.hear(&of("NOBODY-2", forgotten)).await;
    world.pass(20).await;
    let told = to_operator(&world);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(forgotten), "{told:?}");
    assert_eq!(world.hooks.got("a").len(), 1);
    world.stop().await;
    world.start().await;
    world.hear(&of("NOBODY-3", forgotten)).await;
    world.hear(&of("NOBODY-4", "")).await;
    world.hear(&of("NOBODY-5", "")).await;
    world.pass(20).await;
    let told = to_operator(&world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("names no subscription"), "{told:?}");
    // whom the operator's own rules tell of it knows
    world.write_rules("_operator/all.yaml", &rules_to("all"));
    world.reload().await;
    world
        .hear(&of("NOBODY-6", "88888888-aaaa-4bbb-8ccc-888888888888"))
        .await;
    world.pass(20).await;
    assert_eq!((to_operator(&world).len(), world.hooks.got("all").len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_operator_is_told_each_customer_is_told_that_its_folder_is_away() {
    let settings = customers(&["contoso", "fabrikam"]).replace("contact: noc@example.com\n", "");
    let files = [
        ("contoso/a.yaml", &*rules_to("a")),
        ("fabrikam/b.yaml", &*rules_to("b")),
    ];
    let world = World::with_settings(&settings, &files).await;
    fs::remove_dir_all(world.rules()).expect("is gone");
    assert_eq!(world.reload().await.broken, ["contoso/", "fabrikam/"]);
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    assert_eq!((world.hooks.got("a").len(), world.hooks.got("b").len()), (1, 1));
    let mut to: Vec<String> = world.mails().into_iter().map(|mail| mail.to).collect();
    to.sort();
    assert_eq!(to, ["contoso@example.com", "fabrikam@example.com"]);
}

/// The real watcher: `mv`, and a link that is flipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_daemon_follows_a_rules_folder_that_is_swapped_and_then_every_edit() {
    let place = tempfile::tempdir().expect("a folder");
    let at = |name: &str| place.path().join(name);
    let hooks = Hooks::start().await;
    tell_everything(&at("trees/1"), &hooks);
    symlink("trees/1", at("rules")).expect("a link");
    let process = Process::start(&serve(&at("state"), &at("rules")));
    let client = crate::process::client();
    let rules = async || -> Value {
        let answer = client
            .get(format!("{}/v1/rules", process.url))
            .send()
            .await
            .expect("an answer");
        answer.json().await.expect("JSON")
    };
    let until_in_force = async |files: &[&str]| {
        let began = std::time::Instant::now();
        while in_force(&rules().await) != files {
            assert!(began.elapsed().as_secs() < 60, "{files:?}: {}", rules().await);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    until_in_force(&["contoso/rules.yaml"]).await;
    tell_everything(&at("trees/2"), &hooks);
    fs::write(at("trees/2/contoso/more.yaml"), "rules: []\n").expect("a file");
    flip(&at("rules"), "trees/2");
    until_in_force(&["contoso/more.yaml", "contoso/rules.yaml"]).await;
    // an edit in the folder that is there now
    fs::write(at("rules/contoso/most.yaml"), "rules: []\n").expect("a file");
    until_in_force(&["contoso/more.yaml", "contoso/most.yaml", "contoso/rules.yaml"]).await;
    assert!(post(&client, &process.url, "SWAPPED").await.is_some());
    until("it is told", || hooks.got("hook").len() == 1).await;
    let pid = process.pid();
    process.stop(pid);
}
