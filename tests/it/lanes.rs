//! Who goes first and who waits: order per incident, receivers that hang or fail, receivers that are taken away, a stop.

use crate::world::{Azure, DEV, World};

const RULES: &str = r#"
receivers: { hook: [{ webhook: { url: "{hooks}/hook" } }] }
rules:
  - { name: All, when: { event type: Service issue }, notify: hook, settle: 0s }
"#;

/// Posts an event without waiting for what follows from it.
async fn post(world: &World, event: &serde_json::Value) {
    let (status, answer) = world.post("/v1/events", event.to_string()).await;
    assert_eq!(status, 202, "{answer}");
}

fn about(tracking_id: &str) -> serde_json::Value {
    let mut event = Azure::active().json();
    event["data"]["context"]["activityLog"]["properties"]["trackingId"] = tracking_id.into();
    event
}

/// The field of what a path got, in order.
fn told(world: &World, path: &str, field: &str) -> Vec<String> {
    let got = world.hooks.got(path);
    got.iter()
        .map(|hook| hook.body[field].as_str().expect("text").to_owned())
        .collect()
}

/// Waits until so many deliveries are scheduled.
async fn scheduled(world: &World, deliveries: usize) {
    while world.deliveries("scheduled").await.len() < deliveries {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_earlier_waits_for_what_is_under_way_of_the_same_incident() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hooks.hold("hook");
    post(&world, &Azure::mitigated().json()).await;
    world.hooks.arrived("hook", 1).await;
    let earlier = Azure {
        subscription: DEV,
        ..Azure::active()
    };
    post(&world, &earlier.json()).await;
    scheduled(&world, 2).await;
    // whoever starts this one has seen that one
    post(&world, &about("ZZZZ-999")).await;
    world.hooks.arrived("hook", 2).await;
    assert_eq!(told(&world, "hook", "tracking_id"), ["VVTQ-J98", "ZZZZ-999"]);
    world.hooks.let_go("hook");
    world.settled().await;
    assert_eq!(told(&world, "hook", "stage"), ["Resolved", "Active", "Active"]);
    assert_eq!(world.deliveries("delivered").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_incidents_wait_for_another_try_a_new_one_is_tried_at_once() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hooks.answer("hook", &[503; 300]);
    for nth in 0..300 {
        post(&world, &about(&format!("MANY-{nth:03}"))).await;
    }
    world.settled().await;
    let mut tried = told(&world, "hook", "tracking_id");
    tried.sort();
    tried.dedup();
    assert_eq!(tried.len(), 300);
    world.hear(&about("ZZZZ-999")).await;
    assert_eq!(told(&world, "hook", "tracking_id").pop().as_deref(), Some("ZZZZ-999"));
    assert_eq!(world.deliveries("delivered").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_failed_gets_one_message_at_a_time_until_it_takes_one() {
    let rules = r#"
receivers:
  hook: [{ webhook: { url: "{hooks}/hook" } }]
  other: [{ webhook: { url: "{hooks}/other" } }]
rules:
  - { name: All, when: { event type: Service issue }, unless: { tracking id: "OTHER-*" }, notify: hook, settle: 0s }
  - { name: Other, when: { tracking id: "OTHER-*" }, notify: other, settle: 0s }
"#;
    let world = World::with(&[("contoso/rules.yaml", rules)]).await;
    world.hooks.answer("hook", &[503]);
    world.hear(&about("FIRST-1")).await;
    world.hooks.hold("hook");
    for nth in 0..5 {
        post(&world, &about(&format!("LATER-{nth}"))).await;
    }
    scheduled(&world, 6).await;
    world.hooks.arrived("hook", 2).await;
    // others are told meanwhile; by the second one the lanes have looked at all that was there before the first
    for nth in 1..=2 {
        post(&world, &about(&format!("OTHER-{nth}"))).await;
        world.hooks.arrived("other", nth).await;
    }
    assert_eq!(world.hooks.got("hook").len(), 2, "one, and then one more");
    world.hooks.let_go("hook");
    world.settled().await;
    world.pass(7).await;
    assert_eq!(told(&world, "hook", "tracking_id").len(), 7);
    assert_eq!(world.deliveries("delivered").await.len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_taken_away_is_dealt_with_when_nothing_of_it_is_under_way() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hooks.answer("hook", &[503]);
    world.hear(&about("WAITS-1")).await;
    world.hooks.hold("hook");
    post(&world, &about("GOES-1")).await;
    world.hooks.arrived("hook", 2).await;
    let other = RULES.replace(
        "hook: [{ webhook: { url: \"{hooks}/hook\" } }]",
        "other: [{ webhook: { url: \"{hooks}/other\" } }]",
    );
    world.write_rules("contoso/rules.yaml", &other.replace("notify: hook", "notify: other"));
    world.daemon().reload().await.expect("reloads");
    // what goes to the other receiver was told after the change of rules
    post(&world, &about("OTHER-1")).await;
    world.hooks.arrived("other", 1).await;
    world.hooks.let_go("hook");
    world.settled().await;
    let mut delivered: Vec<String> = world
        .deliveries("delivered")
        .await
        .iter()
        .map(|one| one["tracking_id"].to_string())
        .collect();
    delivered.sort();
    assert_eq!(delivered, [r#""GOES-1""#, r#""OTHER-1""#]);
    let dead = world.deliveries("dead").await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0]["end"].to_string().contains("no rule file names"), "{}", dead[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_at_a_stop_ends_and_is_not_sent_again() {
    let mut world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hooks.hold("hook");
    post(&world, &about("GOES-1")).await;
    world.hooks.arrived("hook", 1).await;
    let hooks = world.hooks.clone();
    tokio::join!(world.stop(), async { hooks.let_go("hook") });
    world.start().await;
    world.settled().await;
    assert_eq!(world.hooks.got("hook").len(), 1);
    assert_eq!(world.deliveries("delivered").await.len(), 1);
}
