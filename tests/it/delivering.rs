//! What becomes of a delivery: retried, superseded, moved, dead, sent again; and nobody waits for somebody else.

use serde_json::json;

use crate::world::{Azure, World};

const RULES: &str = r#"
receivers: { hook: [{ webhook: { url: "{hooks}/hook" } }] }
rules:
  - { name: All, when: { event type: Service issue }, notify: hook, settle: 0s }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_attempt_is_tried_again_with_the_same_id_and_content() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hooks.answer("hook", &[503, 500]);
    world.hear(&Azure::active().json()).await;
    world.pass(0).await;
    assert_eq!(world.hooks.got("hook").len(), 1);
    let scheduled = world.deliveries("scheduled").await;
    assert_eq!(
        scheduled[0]["attempts"].as_array().map(Vec::len),
        Some(1),
        "{scheduled:?}"
    );
    world.pass(7).await;
    assert_eq!(world.hooks.got("hook").len(), 2);
    world.pass(40).await;
    let got = world.hooks.got("hook");
    assert_eq!(got.len(), 3);
    assert!(
        got.iter()
            .all(|hook| hook.bytes == got[0].bytes && hook.headers["webhook-id"] == got[0].headers["webhook-id"])
    );
    let delivered = world.deliveries("delivered").await;
    let outcomes: Vec<String> = delivered[0]["attempts"]
        .as_array()
        .expect("attempts")
        .iter()
        .map(|attempt| attempt["number"].to_string())
        .collect();
    assert_eq!(outcomes, ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_back_gets_the_latest_of_each_incident_and_what_it_stands_for() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hooks.answer("hook", &[503; 3]);
    world.hear(&Azure::active().json()).await;
    world.pass(0).await;
    world
        .hear(
            &Azure {
                text: "<p>Engineers look into it.</p>".into(),
                at: "2026-11-24T09:05:00Z",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.hear(&Azure::mitigated().json()).await;
    world.pass(7).await;
    world.pass(7).await;
    world.pass(3600).await;
    let last = world.hooks.got("hook").pop().expect("something");
    assert_eq!(last.body["kind"], "mitigation");
    let carried = last.body["carries"].as_array().expect("what it stands for").len();
    assert_eq!(carried, 2, "{}", last.body);
    let dead = world.deliveries("dead").await;
    assert_eq!(dead.len(), 2);
    assert!(
        dead.iter().all(|one| one["end"].to_string().contains("superseded")),
        "{dead:?}"
    );
    assert_eq!(world.deliveries("delivered").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_wants_every_message_gets_every_message_in_order() {
    let rules = RULES.replace("settle: 0s", "settle: 0s, every: true");
    let world = World::with(&[("contoso/rules.yaml", &rules)]).await;
    world.hooks.answer("hook", &[503; 2]);
    world.hear(&Azure::active().json()).await;
    world.pass(0).await;
    world.hear(&Azure::mitigated().json()).await;
    world.pass(7).await;
    world.pass(3600).await;
    let stages: Vec<String> = world
        .hooks
        .got("hook")
        .iter()
        .map(|hook| hook.body["stage"].to_string())
        .collect();
    assert_eq!(stages, [r#""Active""#, r#""Active""#, r#""Active""#, r#""Resolved""#]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_nobody_takes_is_a_dead_letter_after_three_days_and_can_be_sent_again() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hooks.answer("hook", &[503; 200]);
    world.hear(&Azure::active().json()).await;
    for _ in 0..80 {
        world.pass(3600).await;
    }
    let dead = world.deliveries("dead").await;
    assert_eq!(dead.len(), 1);
    assert!(dead[0]["end"].to_string().contains("expired"), "{}", dead[0]);
    let attempts = dead[0]["attempts"].as_array().expect("attempts").len();
    assert!(attempts > 20, "{attempts} attempts in three days");
    world.hooks.answer("hook", &[]);
    let id = dead[0]["id"].as_str().expect("an id");
    let (status, _) = world.post(&format!("/v1/deliveries/{id}/redeliver"), "").await;
    assert_eq!(status, 202);
    world.settled().await;
    world.pass(0).await;
    let delivered = world.deliveries("delivered").await;
    assert_eq!(delivered[0]["id"], dead[0]["id"]);
    assert_eq!(
        delivered[0]["attempts"].as_array().expect("attempts").len(),
        attempts + 1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_and_a_receiver_that_is_gone_end_at_once() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hooks.answer("hook", &[400, 410]);
    world.hear(&Azure::active().json()).await;
    world
        .hear(
            &Azure {
                tracking_id: "OTHER-1",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.pass(0).await;
    let ends: Vec<String> = world
        .deliveries("dead")
        .await
        .iter()
        .map(|one| one["end"].to_string())
        .collect();
    assert_eq!(ends.len(), 2);
    assert!(
        ends.iter().any(|end| end.contains("refused")) && ends.iter().any(|end| end.contains("receiver gone")),
        "{ends:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrected_address_gets_what_waited_and_a_receiver_taken_away_ends_it() {
    let rules = r#"
receivers:
  typo: [{ webhook: { url: "{hooks}/tpyo" } }]
  gone: [{ webhook: { url: "{hooks}/gone" } }]
rules:
  - { name: All, when: { event type: Service issue }, notify: [typo, gone], settle: 0s }
"#;
    let world = World::with(&[("contoso/rules.yaml", rules)]).await;
    world.hooks.answer("tpyo", &[404; 50]);
    world.hooks.answer("gone", &[404; 50]);
    world.hear(&Azure::active().json()).await;
    world.pass(0).await;
    let corrected = rules
        .replace("tpyo", "typo")
        .replace("  gone: [{ webhook: { url: \"{hooks}/gone\" } }]\n", "")
        .replace("[typo, gone]", "typo");
    world.write_rules("contoso/rules.yaml", &corrected);
    world.reload().await;
    world.pass(1).await;
    assert_eq!(world.hooks.got("typo").len(), 1);
    assert_eq!(world.hooks.got("typo")[0].body["tracking_id"], "VVTQ-J98");
    let dead = world.deliveries("dead").await;
    let ends: Vec<String> = dead
        .iter()
        .map(|one| format!("{} {}", one["receiver"], one["end"]))
        .collect();
    let successor = world.deliveries("delivered").await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert!(
        ends.iter().any(|end| end.contains("typo") && end.contains(&successor)),
        "a named successor: {ends:?}"
    );
    assert!(
        ends.iter()
            .any(|end| end.contains("gone") && end.contains("no rule file names")),
        "{ends:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_receiver_delays_nobody_else() {
    let rules = r#"
receivers:
  dead: [{ webhook: { url: "http://127.0.0.1:1025/nobody-listens" } }]
  well: [{ webhook: { url: "{hooks}/well" } }]
rules:
  - { name: All, when: { event type: Service issue }, notify: [dead, well], settle: 0s }
"#;
    let world = World::with(&[("contoso/rules.yaml", rules)]).await;
    for tracking_id in ["ONE-1", "TWO-2", "THREE-3"] {
        world
            .hear(
                &Azure {
                    tracking_id,
                    ..Azure::active()
                }
                .json(),
            )
            .await;
    }
    world.pass(0).await;
    assert_eq!(world.hooks.got("well").len(), 3);
    assert_eq!(world.deliveries("scheduled").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_signed_with_the_secret_that_the_rule_names() {
    let rules = RULES.replace(
        "webhook: { url: \"{hooks}/hook\" }",
        "webhook: { url: \"{hooks}/hook\", signing: { secret: signing } }",
    );
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let world = World::with(&[("contoso/rules.yaml", &rules), ("contoso/secrets/signing", key)]).await;
    world.hear(&Azure::active().json()).await;
    world.pass(0).await;
    let hook = &world.hooks.got("hook")[0];
    let mac = hmac_of(
        key,
        &format!("{}.{}.", hook.headers["webhook-id"], hook.headers["webhook-timestamp"]),
        &hook.bytes,
    );
    assert!(
        hook.headers["webhook-signature"]
            .split(' ')
            .any(|signature| signature == format!("v1,{mac}"))
    );
}

fn hmac_of(key: &str, head: &str, body: &[u8]) -> String {
    use base64::Engine as _;
    use hmac::Mac as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let key = base64.decode(key.trim_start_matches("whsec_")).expect("base64");
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).expect("a key");
    mac.update(head.as_bytes());
    mac.update(body);
    base64.encode(mac.finalize().into_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_deliveries_are_forgotten_after_their_retention_and_incidents_are_not() {
    let settings = "retention: { deliveries: 7d }\n";
    let world = World::with_settings(settings, &[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    world.pass(0).await;
    assert_eq!(world.deliveries("delivered").await.len(), 1);
    for _ in 0..9 {
        world.pass(86_400).await;
    }
    assert_eq!(world.deliveries("delivered").await, Vec::<serde_json::Value>::new());
    assert_eq!(
        world.get("/v1/incidents/VVTQ-J98").await["tracking_id"],
        json!("VVTQ-J98")
    );
    world
        .hear(
            &Azure {
                at: "2026-11-24T08:50:03Z",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.pass(60).await;
    assert_eq!(
        world.hooks.got("hook").len(),
        1,
        "what was told is still known to be told"
    );
}
