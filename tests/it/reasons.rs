//! Why rules did not match, also when they are others by now.

use serde_json::Value;

use crate::world::{Azure, DEV, PROD, World};

const RULES: &str = r#"
receivers: { hook: [{ webhook: { url: "{hooks}/hook" } }] }
rules:
  - { name: Europe, when: { region: West Europe }, notify: hook }
  - { name: Reviews, when: { stage: RCA }, notify: hook }
  - { name: All, when: {}, notify: hook }
"#;

const LATER: &str = r#"
receivers: { hook: [{ webhook: { url: "{hooks}/hook" } }] }
rules:
  - { name: Europe, when: { region: North Europe }, notify: hook }
  - { name: All, when: { tracking id: nothing }, notify: hook }
"#;

const FABRIKAM: &str = r#"
receivers: { hook: [{ webhook: { url: "{hooks}/fabrikam" } }] }
rules:
  - { name: Sites, when: { service: App Service }, notify: hook }
"#;

/// Customer, rule and why, as an answer has them.
fn silent(answer: &Value) -> Vec<String> {
    let text = |line: &Value, key: &str| line[key].as_str().expect("text").to_owned();
    let lines = answer["not_matched"].as_array().expect("a list").iter();
    lines
        .map(|line| ["customer", "rule", "why"].map(|key| text(line, key)).join(" / "))
        .collect()
}

/// The verdicts, without what became of them since.
fn judged(answer: &Value) -> Vec<Value> {
    let verdicts = answer["verdicts"].as_array().expect("a list").clone();
    let without = verdicts.into_iter().map(|mut verdict| {
        verdict.as_object_mut().expect("a verdict").remove("became");
        verdict
    });
    without.collect()
}

fn path_of(accepted: &Value) -> String {
    format!("/v1/events/{}", accepted["ids"][0].as_str().expect("an id"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_a_rule_did_not_match_is_told_by_the_rules_that_decided_also_a_month_later() {
    let mut world = World::with(&[("contoso/rules.yaml", RULES), ("fabrikam/rules.yaml", FABRIKAM)]).await;
    let event = path_of(&world.hear(&Azure::active().json()).await);
    let before = world.get(&event).await;
    let reasons = [
        "contoso / Europe / impact: the rule wants anything in West Europe, the event has Virtual Machines in East US",
        "contoso / Reviews / stage: the rule wants RCA, the event has Active",
        "fabrikam / Sites / impact: the rule wants App Service, the event has Virtual Machines in East US",
    ];
    assert_eq!(silent(&before), reasons);
    assert_eq!(before["rules_changed"], false);

    world.write_rules("contoso/rules.yaml", LATER);
    world.reload().await;
    world.pass(30 * 86_400).await;
    let after = world.get(&event).await;
    assert_eq!(silent(&after), reasons);
    assert_eq!(
        (&after["revision"], &after["rules_changed"]),
        (&before["revision"], &true.into())
    );
    assert_eq!(judged(&after), judged(&before));
    assert_eq!(before["verdicts"][0]["became"][0]["state"], "gathering");
    assert_eq!(after["verdicts"][0]["became"][0]["state"], "delivered");
    assert_eq!(
        silent(&world.get(&format!("{event}?customer=contoso")).await),
        reasons[..2]
    );
    let incident = world.get("/v1/incidents/VVTQ-J98").await;
    assert_eq!(silent(&incident["entries"][0]), reasons);
    assert_eq!(incident["entries"][0]["rules_changed"], true);
    let (_, page) = world.page("/incidents/VVTQ-J98").await;
    assert!(
        page.contains("the rule wants anything in West Europe") && page.contains("by the rules of then"),
        "{page}"
    );

    // the next one is decided by the next rules
    let second = Azure {
        tracking_id: "SECOND-1",
        ..Azure::active()
    };
    let second = world.get(&path_of(&world.hear(&second.json()).await)).await;
    let later =
        "contoso / Europe / impact: the rule wants anything in North Europe, the event has Virtual Machines in East US";
    assert_eq!(silent(&second)[0], later);
    assert_eq!(second["rules_changed"], false);

    // and a store that is built again knows as much
    world.stop().await;
    std::fs::remove_dir_all(world.state().join("store")).expect("a store");
    std::fs::remove_dir_all(world.state().join("checkpoints")).expect("checkpoints");
    world.start().await;
    assert_eq!(world.get(&event).await, after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_owned_what_when_it_was_decided_is_remembered_too() {
    let owns = |account: &str| format!("customers: {{ contoso: {{ accounts: [{account}] }} }}\n");
    let mut world = World::with_settings(&owns(DEV), &[("contoso/rules.yaml", RULES)]).await;
    let event = path_of(&world.hear(&Azure::active().json()).await);
    let before = world.get(&event).await;
    assert_eq!(silent(&before).len(), 3, "{before}");
    assert!(
        silent(&before).iter().all(|line| !line.contains("the rule wants")),
        "{before}"
    );
    world.change_settings(&owns(PROD)).await;
    let after = world.get(&event).await;
    assert_eq!(silent(&after), silent(&before));
    assert_eq!(after["rules_changed"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_of_then_are_made_again_up_to_a_limit_and_then_for_one_customer() {
    /// As many files as may be others by now.
    const FILES_MOST: usize = 1_000;
    let world = World::with(&[("contoso/rules.yaml", RULES), ("fabrikam/rules.yaml", FABRIKAM)]).await;
    let path = |nth: usize| format!("contoso/{nth:04}.yaml");
    for nth in 1..FILES_MOST {
        world.write_rules(&path(nth), "rules: []\n");
    }
    world.reload().await;
    let event = path_of(&world.hear(&Azure::active().json()).await);
    for nth in 1..FILES_MOST {
        world.write_rules(&path(nth), "rules: [] # others\n");
    }
    world.reload().await;
    assert_eq!(silent(&world.get(&event).await).len(), 3, "at the limit");
    world.write_rules("fabrikam/rules.yaml", "rules: []\n");
    world.reload().await;
    let answer = world.get(&event).await;
    assert!(
        answer["hint"].as_str().is_some_and(|hint| hint.contains("?customer=")),
        "{answer}"
    );
    assert!(silent(&answer).is_empty());
    let own = world.get(&format!("{event}?customer=fabrikam")).await;
    assert_eq!(silent(&own).len(), 1, "{own}");
    assert_eq!(silent(&world.get(&format!("{event}?customer=contoso")).await).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_told_by_a_later_message_was_told_and_the_page_says_so() {
    let rules = r#"
receivers: { hook: [{ webhook: { url: "{hooks}/hook" } }] }
rules: [{ name: All, when: {}, notify: hook, settle: 0s }]
"#;
    let world = World::with(&[("contoso/rules.yaml", rules)]).await;
    world.hooks.answer("hook", &[503, 503]);
    let first = path_of(&world.hear(&Azure::active().json()).await);
    world.pass(0).await;
    let next = world.get(&first).await["verdicts"][0]["became"][0].clone();
    assert_eq!(next["state"], "scheduled", "{next}");
    world.hear(&Azure::mitigated().json()).await;
    world.pass(600).await;
    world.pass(600).await;
    let event = world.get(&first).await;
    let became = &event["verdicts"][0]["became"][0];
    assert_eq!(became["state"], "superseded", "{event}");
    let successor = event["deliveries"].as_array().expect("a list").iter();
    let successor: Vec<&Value> = successor.filter(|one| one["id"] == became["superseded_by"]).collect();
    assert_eq!(successor.len(), 1, "{event}");
    assert_eq!(successor[0]["state"], "delivered", "{event}");
    let (_, page) = world.page("/incidents/VVTQ-J98").await;
    assert!(
        page.contains("<span class=\"state quiet\">replaced by a later message</span>"),
        "{page}"
    );
    assert!(!page.contains("state alarm"), "nothing failed: {page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_explained_as_if_it_were_heard_then_by_the_rules_in_force_then() {
    let mut world = World::with(&[("contoso/rules.yaml", RULES), ("fabrikam/rules.yaml", FABRIKAM)]).await;
    let event = path_of(&world.hear(&Azure::active().json()).await);
    world.pass(86_400).await;
    world.write_rules("contoso/rules.yaml", &RULES.replace("name: All", "name: Renamed"));
    world.reload().await;
    world.pass(86_400).await;
    let told = |answer: &Value| -> Vec<String> {
        let told = answer["told"].as_array().expect("a list").iter();
        told.map(|one| format!("{} {}", one["rules"][0], one["due"])).collect()
    };
    let at = async |time: &str| world.get(&format!("{event}/explain?at={time}")).await;
    assert_eq!(
        told(&at("2026-11-24T12:00:00Z").await),
        [r#""All" "2026-11-24T12:00:10Z""#]
    );
    assert_eq!(
        told(&at("2026-11-25T12:00:00%2B01:00").await),
        [r#""Renamed" "2026-11-25T11:00:10Z""#]
    );
    assert_eq!(told(&at("2026-11-25").await), [r#""All" "2026-11-25T00:00:10Z""#]);
    let now = world.get(&format!("{event}/explain")).await;
    assert_eq!(told(&now)[0].split(' ').next(), Some("\"Renamed\""));
    let rules = |answer: &Value| answer["rules"].as_array().map(Vec::len);
    assert_eq!(rules(&now), Some(4));
    let own = world
        .get(&format!("{event}/explain?customer=fabrikam&at=2026-11-24T12:00:00Z"))
        .await;
    assert_eq!((rules(&own), told(&own).len()), (Some(1), 0));
    for (time, said) in [
        ("2026-11-23T12:00:00Z", "no rules were in force yet"),
        ("yesterday", "not a moment"),
    ] {
        let (status, answer) = world.get_as("", &format!("{event}/explain?at={time}")).await;
        let error = &answer["error"];
        assert_eq!((status, &error["field"]), (400, &"at".into()), "{answer}");
        assert!(
            error["what"].as_str().is_some_and(|what| what.contains(said)),
            "{answer}"
        );
    }
    // and of a store that is built again
    world.stop().await;
    std::fs::remove_dir_all(world.state().join("store")).expect("a store");
    std::fs::remove_dir_all(world.state().join("checkpoints")).expect("checkpoints");
    world.start().await;
    let then = world.get(&format!("{event}/explain?at=2026-11-24T12:00:00Z")).await;
    assert_eq!(told(&then), [r#""All" "2026-11-24T12:00:10Z""#]);
}
