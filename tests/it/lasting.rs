//! What outlives a stop, a lost store and a broken folder.

use serde_json::Value;

use crate::world::{Azure, World};

const RULES: &str = r#"
receivers: { hook: [{ webhook: { url: "{hooks}/hook" } }] }
rules:
  - { name: All, when: { event type: Service issue }, notify: hook }
"#;

fn ids(deliveries: &[Value]) -> Vec<String> {
    let mut ids: Vec<String> = deliveries.iter().map(|one| one["id"].to_string()).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gathers_and_what_waits_outlives_a_stop() {
    let mut world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hooks.answer("hook", &[503]);
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    world
        .hear(
            &Azure {
                tracking_id: "SECOND-1",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.stop().await;
    world.start().await;
    world.pass(20).await;
    world.settled().await;
    let told: Vec<String> = world
        .hooks
        .got("hook")
        .iter()
        .map(|hook| hook.body["tracking_id"].to_string())
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(world.deliveries("delivered").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_gone_is_built_again_and_nothing_is_told_twice() {
    let mut world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    world.hear(&Azure::mitigated().json()).await;
    let before = world.get("/v1/incidents/VVTQ-J98").await;
    world.stop().await;
    std::fs::remove_dir_all(world.state().join("store")).expect("a store");
    world.start().await;
    assert_eq!(world.get("/v1/incidents/VVTQ-J98").await, before);
    world.pass(10).await;
    world.pass(60).await;
    assert_eq!(world.hooks.got("hook").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_store_holds_what_the_old_one_held_also_after_a_rebuild_from_its_checkpoint() {
    let mut world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    for nth in 0..20 {
        let mut event = Azure::active().json();
        event["data"]["context"]["activityLog"]["properties"]["trackingId"] = format!("MANY-{nth}").into();
        world.hear(&event).await;
    }
    world.pass(10).await;
    let before = ids(&world.deliveries("delivered").await);
    assert_eq!(before.len(), 20);
    world.daemon().renew_store();
    world.settled().await;
    world.stop().await;
    world.start().await;
    assert_eq!(ids(&world.deliveries("delivered").await), before);
    world.stop().await;
    std::fs::remove_dir_all(world.state().join("store")).expect("a store");
    world.start().await;
    assert_eq!(ids(&world.deliveries("delivered").await), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_rule_file_keeps_the_old_rules_and_its_owner_is_told_the_place() {
    let settings = "contact: ops@contoso.example\n";
    let world = World::with_settings(
        settings,
        &[("contoso/rules.yaml", RULES), ("contoso/more.yaml", "rules: []\n")],
    )
    .await;
    world.write_rules("contoso/rules.yaml", &RULES.replace("event type", "event typ"));
    let reloaded = world.reload().await;
    assert_eq!(reloaded.broken, ["contoso/rules.yaml"]);
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    assert_eq!(world.hooks.got("hook").len(), 1, "the last good version is in force");
    let mails = world.mails();
    assert_eq!(mails.len(), 1, "told once");
    assert_eq!(mails[0].to, "ops@contoso.example");
    assert!(
        mails[0].text.contains("contoso/rules.yaml:4:") && mails[0].text.contains("event type"),
        "{}",
        mails[0].text
    );
    let rules = world.get("/v1/rules").await;
    assert!(
        rules["broken"][0]["report"]
            .as_str()
            .is_some_and(|report| report.contains("event typ")),
        "{rules}"
    );
    world.reload().await;
    world.write_rules("contoso/rules.yaml", RULES);
    world.reload().await;
    world.pass(10).await;
    assert_eq!(world.mails().len(), 2, "and told once that it is good again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_beside_a_broken_folder_still_has_its_rules() {
    let mut world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.stop().await;
    std::fs::remove_dir_all(world.rules()).expect("rules");
    std::fs::remove_dir_all(world.state().join("store")).expect("a store");
    world.start().await;
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    assert_eq!(world.hooks.got("hook").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_rule_decides_what_comes_after_it() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    world.write_rules(
        "contoso/rules.yaml",
        &RULES.replace("Service issue", "Planned maintenance"),
    );
    world.reload().await;
    world
        .hear(
            &Azure {
                tracking_id: "AFTER-1",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.pass(10).await;
    let told: Vec<String> = world
        .hooks
        .got("hook")
        .iter()
        .map(|hook| hook.body["tracking_id"].to_string())
        .collect();
    assert_eq!(told, [r#""VVTQ-J98""#]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_the_journal_the_store_or_an_answer() {
    let rules = RULES.replace("{hooks}/hook", "{hooks}/hook?sig=hunter2canary");
    let mut world = World::with(&[("contoso/rules.yaml", &rules)]).await;
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    let answers = [
        world.get("/v1/rules").await,
        world.get("/v1/deliveries").await,
        world.get("/v1/incidents/VVTQ-J98").await,
    ];
    assert!(
        answers
            .iter()
            .all(|answer| !answer.to_string().contains("hunter2canary"))
    );
    world.stop().await;
    let mut folders = vec![world.state()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
        {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let mut bytes = std::fs::read(&entry).expect("a file");
                let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                bytes.truncate(used); // the journal's segments are zeroed ahead
                let found = bytes.windows(13).any(|window| window == b"hunter2canary");
                assert!(!found, "{}", entry.display());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_file_is_in_force_without_anybody_asking() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let before = world.get("/v1/rules").await["revision"].clone();
    world.write_rules(
        "contoso/rules.yaml",
        &RULES
            .replace("settle: 10s", "settle: 20s")
            .replace("name: All", "name: Everything"),
    );
    let changed = async {
        while world.get("/v1/rules").await["revision"] == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), changed)
        .await
        .expect("the folder is watched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_folder_is_written_down_in_parts_and_comes_back_whole() {
    // more than one part's worth of text, most of it comment
    let comment = format!("# {}\n", "x".repeat(120)).repeat(1_500);
    let files: Vec<(String, String)> = (0..40)
        .map(|nth| {
            let name = format!("contoso/rules-{nth:02}.yaml");
            let rule = format!(
                "rules:\n  - {{ name: Rule {nth}, when: {{ tracking id: NO-{nth} }}, notify: hook, settle: 0s }}\n"
            );
            (name, format!("{rule}{comment}"))
        })
        .collect();
    let mut files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    files.push((
        "contoso/receivers.yaml",
        "receivers: { hook: [{ webhook: { url: \"{hooks}/hook\" } }] }\n",
    ));
    let mut world = World::with(&files).await;
    world.stop().await;
    std::fs::remove_dir_all(world.rules()).expect("rules");
    world.start().await;
    world
        .hear(
            &Azure {
                tracking_id: "NO-3",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world
        .hear(
            &Azure {
                tracking_id: "NO-39",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.pass(0).await;
    let rules: Vec<String> = world
        .hooks
        .got("hook")
        .iter()
        .map(|hook| hook.body["rule"].to_string())
        .collect();
    assert_eq!(rules, [r#""Rule 3""#, r#""Rule 39""#]);
}
