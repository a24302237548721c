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
    assert_eq!(after["verdicts"], before["verdicts"]);
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
