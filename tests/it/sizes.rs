//! Rules that ask what an incident adds up to: how large it is, and how long impact has lasted.

use serde_json::json;

use crate::world::{Azure, DEV, PROD, World};

/// The head of operations is told of the largest incidents, and of those that take long; the team of everything.
const RULES: &str = "
receivers:
  head: [{ webhook: '{hooks}/head' }]
  long: [{ webhook: '{hooks}/long' }]
rules:
  - { name: Largest, when: { event type: Service issue, size: Largest }, notify: head, settle: 0s }
  - { name: Long, when: { kind: mitigation, lasted: { at least: 2h } }, notify: long, settle: 0s }
  - { name: Owed of the largest, when: { kind: review overdue, size: largest }, notify: head, settle: 0s }
tests:
  - name: the head is told of the largest
    event: { size: largest, kind: mitigation, lasted: 1h }
    expect: { Largest: [head] }
  - name: and of long ones
    event: { kind: mitigation, size: standard, lasted: 3h }
    expect: { Long: [long] }
  - name: what is not known yet tells nobody
    event: { kind: update }
    expect: {}
";

fn mitigated(end: &str, text: &str) -> serde_json::Value {
    let mut event = Azure {
        text: text.into(),
        ..Azure::mitigated()
    }
    .json();
    let properties = &mut event["data"]["context"]["activityLog"]["properties"];
    properties["impactMitigationTime"] = json!(end);
    event
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_and_the_long_ones_are_told_as_soon_as_that_is_known() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let told = |name: &str| world.hooks.got(name).len();
    world.hear(&Azure::active().json()).await;
    assert_eq!((told("head"), told("long")), (0, 0));
    // a third region makes it one of the largest while it goes on
    let regions = ["East US", "West US", "North Europe"].map(|region| json!({ "RegionName": region }));
    let wider = Azure {
        text: "<p>Three regions are affected now.</p>".into(),
        at: "2026-11-24T09:00:00Z",
        impact: json!([{ "ServiceName": "Virtual Machines", "ImpactedRegions": regions }]),
        ..Azure::active()
    };
    world.hear(&wider.json()).await;
    assert_eq!((told("head"), told("long")), (1, 0));
    world
        .hear(&mitigated(
            "2026-11-24T11:00:00Z",
            "<p>It is over. No PIR will follow.</p>",
        ))
        .await;
    assert_eq!(told("long"), 1, "two hours and twenty minutes");
    assert_eq!(told("head"), 2, "who was told of it hears that it is over");
    let explained = world.get("/v1/incidents/VVTQ-J98").await;
    let first = explained["entries"][2]["not_matched"].as_array().expect("a list");
    let why = &first.iter().find(|one| one["rule"] == "Largest").expect("nor here")["why"];
    assert_eq!(why, "size: the rule wants largest, the event names none");
    // one that the provider calls small from the beginning
    let mut small = mitigated("2026-11-24T09:10:00Z", "<p>It is over. No PIR will follow.</p>");
    small["data"]["context"]["activityLog"]["properties"]["trackingId"] = json!("SMAL-111");
    world.hear(&small).await;
    assert_eq!((told("head"), told("long")), (2, 1));
    let explained = world.get("/v1/incidents/SMAL-111").await;
    let silent = explained["entries"][0]["not_matched"].as_array().expect("a list");
    let why = |rule: &str| silent.iter().find(|one| one["rule"] == rule).expect("it did not match")["why"].clone();
    assert_eq!(why("Largest"), "size: the rule wants largest, the event has small");
    assert_eq!(why("Long"), "lasted: the rule wants at least 2h, the event has 30m");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_customers_rules_ask_what_it_heard_itself_and_reminders_have_the_size_of_their_incident() {
    let settings = format!("customers:\n  contoso: {{ accounts: [{PROD}] }}\n  fabrikam: {{ accounts: [{DEV}] }}\n");
    let others = RULES.replace("/head'", "/fabrikam'").replace("/long'", "/fabrikam'");
    let files = [("contoso/rules.yaml", RULES), ("fabrikam/rules.yaml", others.as_str())];
    let world = World::with_settings(&settings, &files).await;
    let both =
        "<p>We will publish a Preliminary Post Incident Review (PIR) within 72 hours, and a Final PIR later.</p>";
    world.hear(&mitigated("2026-11-24T09:30:00Z", both)).await;
    let mut theirs = mitigated("2026-11-24T09:30:00Z", "<p>No PIR will follow.</p>");
    theirs["data"]["context"]["activityLog"]["subscriptionId"] = json!(DEV);
    world.hear(&theirs).await;
    assert_eq!(
        (world.hooks.got("head").len(), world.hooks.got("fabrikam").len()),
        (1, 0)
    );
    world.pass(4 * 86_400).await;
    let told = world.hooks.got("head");
    let kinds: Vec<&str> = told.iter().filter_map(|hook| hook.body["kind"].as_str()).collect();
    assert_eq!(kinds, ["mitigation", "review-overdue"]);
}
