//! What people are told of an incident, and what they are spared.

use serde_json::json;

use crate::world::{Azure, DEV, PROD, World};

const RULES: &str = r#"
receivers:
  platform:
    - email: platform@contoso.example
    - webhook: { url: "{hooks}/platform" }
rules:
  - name: Service issues
    when: { event type: Service issue, stage: [Active, RCA] }
    follow: end
    notify: platform
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_becomes_one_message_per_endpoint_after_it_settled() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let answer = world.hear(&Azure::active().json()).await;
    assert_eq!(answer["ids"].as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(
        world.deliveries("scheduled").await.len(),
        0,
        "nothing is made before it settled"
    );
    world.pass(10).await;
    let hooks = world.hooks.got("platform");
    assert_eq!(hooks.len(), 1);
    let body = &hooks[0].body;
    assert_eq!(body["tracking_id"], "VVTQ-J98");
    assert_eq!(body["event_type"], "Service issue");
    assert_eq!(body["kind"], "update");
    assert_eq!(body["rule"], "Service issues");
    assert_eq!(body["impact"][0]["service"], "Virtual Machines");
    assert_eq!(body["impact"][0]["region"], "East US");
    assert_eq!(hooks[0].headers["webhook-id"], body["id"].as_str().expect("an id"));
    let mails = world.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, "platform@contoso.example");
    assert_eq!(
        mails[0].subject,
        "[Active] Virtual Machines in East US may be unreachable (VVTQ-J98)"
    );
    assert!(
        mails[0]
            .text
            .contains("connections to Virtual Machines in East US may fail"),
        "{}",
        mails[0].text
    );
    let delivered = world.deliveries("delivered").await;
    assert_eq!(delivered.len(), 2);
    assert!(
        delivered
            .iter()
            .all(|one| one["attempts"].as_array().is_some_and(|attempts| attempts.len() == 1)),
        "{delivered:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_communication_for_many_subscriptions_is_one_message_and_latecomers_come_in_an_addendum() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let subscriptions: Vec<String> = (0..50)
        .map(|n| format!("{n:08x}-aaaa-4bbb-8ccc-111111111111"))
        .collect();
    for subscription in &subscriptions {
        let mut event = Azure::active().json();
        event["data"]["context"]["activityLog"]["subscriptionId"] = json!(subscription);
        world.hear(&event).await;
    }
    world.pass(10).await;
    let first = world.hooks.got("platform");
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].body["subscriptions"].as_array().map(Vec::len), Some(50));
    for late in [PROD, DEV] {
        world
            .hear(
                &Azure {
                    subscription: late,
                    ..Azure::active()
                }
                .json(),
            )
            .await;
    }
    world.pass(10).await;
    let hooks = world.hooks.got("platform");
    assert_eq!(hooks.len(), 2, "both latecomers in one addendum");
    assert_eq!(
        hooks[1].body["subscriptions"].as_array().map(Vec::len),
        Some(2),
        "only the new ones"
    );
    assert_ne!(hooks[0].body["id"], hooks[1].body["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_tells_nobody_and_is_answered_like_the_first() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    let again = world
        .hear(
            &Azure {
                at: "2026-11-24T08:50:01.8Z",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.pass(3600).await;
    assert_eq!(world.hooks.got("platform").len(), 1);
    let id = again["ids"][0].as_str().expect("an id");
    let event = world.get(&format!("/v1/events/{id}")).await;
    assert!(
        event.to_string().contains("heard before"),
        "the reason is on record: {event}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rules_that_name_one_mailbox_send_one_message_with_both_names() {
    let rules = r#"
receivers:
  one: [{ email: ops@contoso.example }]
  two: [{ email: Ops@contoso.example }]
rules:
  - { name: First, when: { event type: Service issue }, notify: one }
  - { name: Second, when: { title: "*Virtual Machines*" }, notify: two }
"#;
    let world = World::with(&[("contoso/rules.yaml", rules)]).await;
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    assert_eq!(world.mails().len(), 1);
    let delivered = world.deliveries("delivered").await;
    assert_eq!(delivered[0]["rules"], json!(["First", "Second"]));
    assert_eq!(delivered[0]["rule"], "First");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_told_hears_the_end_and_the_reopening_whatever_the_level() {
    let rules = r#"
receivers: { oncall: [{ webhook: { url: "{hooks}/oncall" } }] }
rules:
  - { name: Grave, when: { level: [Error, Warning] }, notify: oncall, settle: 0s }
"#;
    let world = World::with(&[("contoso/rules.yaml", rules)]).await;
    world
        .hear(
            &Azure {
                level: "Informational",
                tracking_id: "QUIET-1",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.hear(&Azure::active().json()).await;
    world
        .hear(
            &Azure {
                level: "Informational",
                ..Azure::mitigated()
            }
            .json(),
        )
        .await;
    let reopened = Azure {
        level: "Informational",
        at: "2026-11-24T10:30:00Z",
        text: "<p>It is back.</p>".into(),
        ..Azure::active()
    };
    world.hear(&reopened.json()).await;
    world.pass(60).await;
    let kinds: Vec<String> = world
        .hooks
        .got("oncall")
        .iter()
        .map(|hook| format!("{} {}", hook.body["tracking_id"], hook.body["stage"]))
        .collect();
    assert_eq!(
        kinds,
        [
            r#""VVTQ-J98" "Active""#,
            r#""VVTQ-J98" "Resolved""#,
            r#""VVTQ-J98" "Active""#
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_news_after_newer_news_wakes_nobody() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    world.hear(&Azure::mitigated().json()).await;
    world.pass(10).await;
    let late = Azure {
        at: "2026-11-24T09:10:00Z",
        text: "<p>Engineers are looking into it.</p>".into(),
        ..Azure::active()
    };
    let answer = world.hear(&late.json()).await;
    world.pass(60).await;
    assert_eq!(world.hooks.got("platform").len(), 2);
    let event = world
        .get(&format!("/v1/events/{}", answer["ids"][0].as_str().expect("an id")))
        .await;
    assert!(event.to_string().contains("something newer"), "{event}");
    let incident = world.get("/v1/incidents/VVTQ-J98").await;
    assert_eq!(incident["status"], "Mitigated", "{incident}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_words_after_other_words_are_news() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    world
        .hear(
            &Azure {
                at: "2026-11-24T09:20:00Z",
                text: "<p>Other words.</p>".into(),
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.pass(10).await;
    world
        .hear(
            &Azure {
                at: "2026-11-24T09:30:00Z",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.pass(10).await;
    assert_eq!(world.hooks.got("platform").len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_kept_and_shown_and_tells_nobody_and_makes_no_later_live_event_a_repeat() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let (status, _) = world
        .post("/v1/events?arrival=history", Azure::active().json().to_string())
        .await;
    assert_eq!(status, 202);
    world.settled().await;
    world.pass(60).await;
    assert_eq!(world.hooks.got("platform").len(), 0);
    let incident = world.get("/v1/incidents/VVTQ-J98").await;
    assert_eq!(incident["title"], "Virtual Machines in East US may be unreachable");
    world.hear(&Azure::active().json()).await;
    world.pass(10).await;
    assert_eq!(world.hooks.got("platform").len(), 1, "it was said live now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_event_reaches_only_rules_that_ask_for_tests() {
    let rules = r#"
receivers:
  all: [{ webhook: { url: "{hooks}/all" } }]
  tests: [{ webhook: { url: "{hooks}/tests" } }]
rules:
  - { name: All, when: {}, notify: all, settle: 0s }
  - { name: Tests, when: {}, notify: tests, settle: 0s, test events: true }
"#;
    let world = World::with(&[("contoso/rules.yaml", rules)]).await;
    let sample =
        include_str!("../fixtures/samples/azure/azure-webhook-legacy-servicehealth-incident-resolved-testaction.json");
    let (status, answer) = world.post("/v1/events", sample).await;
    assert_eq!(status, 202);
    assert!(
        answer["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("test events: true")),
        "{answer}"
    );
    world.settled().await;
    world.pass(1).await;
    assert_eq!(world.hooks.got("all").len(), 0);
    assert_eq!(world.hooks.got("tests").len(), 1);
    // whoever presses the button again wants to see it again
    world.post("/v1/events", sample).await;
    world.settled().await;
    world.pass(1).await;
    assert_eq!(world.hooks.got("tests").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_are_strangers_to_each_other() {
    let settings = format!("customers:\n  contoso: {{ accounts: [{PROD}] }}\n  fabrikam: {{ accounts: [{DEV}] }}\n");
    let rules = |path: &str| {
        format!(
            "receivers: {{ all: [{{ webhook: {{ url: \"{{hooks}}/{path}\" }} }}] }}\nrules:\n  - {{ name: All, when: {{}}, notify: all, settle: 0s }}\n"
        )
    };
    let files = [
        ("contoso/rules.yaml", rules("contoso")),
        ("fabrikam/rules.yaml", rules("fabrikam")),
        ("_operator/rules.yaml", rules("operator")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let world = World::with_settings(&settings, &files).await;
    world.hear(&Azure::active().json()).await;
    world
        .hear(
            &Azure {
                subscription: DEV,
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world
        .hear(
            &Azure {
                subscription: "33333333-aaaa-4bbb-8ccc-333333333333",
                tracking_id: "NOBODY-S",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.pass(1).await;
    let subscriptions = |path: &str| -> Vec<String> {
        world
            .hooks
            .got(path)
            .iter()
            .map(|hook| hook.body["subscriptions"].to_string())
            .collect()
    };
    assert_eq!(subscriptions("contoso").len(), 1);
    assert!(subscriptions("contoso")[0].contains(PROD) && !subscriptions("contoso")[0].contains(DEV));
    assert_eq!(subscriptions("fabrikam").len(), 1);
    assert!(subscriptions("fabrikam")[0].contains(DEV) && !subscriptions("fabrikam")[0].contains(PROD));
    assert_eq!(subscriptions("operator").len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_has_one_event_per_session_and_is_sent_once() {
    let rules = r#"
receivers:
  leads: { to: [{ email: [ada@contoso.example, lin@contoso.example] }], zone: Europe/Berlin }
rules:
  - { name: Livestreams, when: { event type: Service issue }, invite: leads, settle: 0s }
"#;
    let world = World::with(&[("contoso/rules.yaml", rules)]).await;
    let sample = include_str!("../fixtures/samples/synthetic/azure-legacy-incident-rca-retrospective-invite.json");
    // the sample's sessions lie in the past by then; a past session invites nobody
    let (status, _) = world.post("/v1/events", sample).await;
    assert_eq!(status, 202);
    world.pass(1).await;
    assert_eq!(world.mails().len(), 0);
    let future = sample.replace("2024", "2027").replace("2025", "2027");
    for _ in 0..2 {
        let (status, answer) = world.post("/v1/events", future.clone()).await;
        assert_eq!(status, 202, "{answer}");
        world.settled().await;
    }
    world.pass(1).await;
    let invitations: Vec<_> = world
        .mails()
        .into_iter()
        .filter(|mail| mail.calendar.is_some())
        .collect();
    assert_eq!(invitations.len(), 4, "two sessions for two people, once");
    let ada: Vec<_> = invitations
        .iter()
        .filter(|mail| mail.to == "ada@contoso.example")
        .collect();
    let uid = |calendar: &str| {
        calendar
            .lines()
            .find(|line| line.starts_with("UID"))
            .expect("a UID")
            .to_owned()
    };
    let uids: Vec<String> = ada
        .iter()
        .map(|mail| uid(mail.calendar.as_deref().expect("a calendar")))
        .collect();
    assert_eq!(uids.len(), 2);
    assert_ne!(uids[0], uids[1]);
    assert!(ada.iter().all(|mail| {
        mail.calendar
            .as_deref()
            .is_some_and(|calendar| calendar.contains("METHOD:REQUEST"))
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_reads_what_concerns_its_own_subscriptions_and_nothing_of_strangers() {
    let settings = format!(
        "secrets: \"{{dir}}/secrets\"\ntokens: {{ read: all-read }}\ncustomers:\n  contoso: {{ accounts: [{PROD}], tokens: contoso-read }}\n  fabrikam: {{ accounts: [{DEV}], tokens: [fabrikam-read] }}\n"
    );
    let rules = "receivers: { all: [{ webhook: { url: \"{hooks}/all\" } }] }\nrules:\n  - { name: All, when: {}, notify: all, settle: 0s }\n";
    let files = [
        ("contoso/rules.yaml", rules),
        ("fabrikam/rules.yaml", rules),
        ("../secrets/all-read", "everything"),
        ("../secrets/contoso-read", "contoso-key"),
        ("../secrets/fabrikam-read", "fabrikam-key"),
    ];
    let world = World::with_settings(&settings, &files).await;
    world.hear(&Azure::active().json()).await;
    world
        .hear(
            &Azure {
                subscription: DEV,
                tracking_id: "THEIRS-1",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world
        .hear(
            &Azure {
                subscription: DEV,
                at: "2026-11-24T08:50:02Z",
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.pass(0).await;
    let seen = |answer: &serde_json::Value| -> Vec<String> {
        answer["incidents"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["tracking_id"].as_str().expect("an id").to_owned())
            .collect()
    };
    let (_, ours) = world.get_as("contoso-key", "/v1/incidents").await;
    assert_eq!(seen(&ours), ["VVTQ-J98"]);
    let (_, all) = world.get_as("everything", "/v1/incidents").await;
    assert_eq!(seen(&all).len(), 2);
    assert_eq!(world.get_as("contoso-key", "/v1/incidents/THEIRS-1").await.0, 404);
    let (_, shared) = world.get_as("contoso-key", "/v1/incidents/VVTQ-J98").await;
    assert!(
        shared.to_string().contains(PROD)
            && !shared.to_string().contains(DEV)
            && !shared.to_string().contains("fabrikam"),
        "{shared}"
    );
    let (_, deliveries) = world.get_as("contoso-key", "/v1/deliveries").await;
    assert_eq!(
        deliveries["deliveries"].as_array().map(Vec::len),
        Some(1),
        "{deliveries}"
    );
    let theirs = world.get_as("everything", "/v1/deliveries").await.1;
    let stranger = theirs["deliveries"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["customer"] == "fabrikam")
        .expect("theirs");
    assert_eq!(
        world
            .get_as(
                "contoso-key",
                &format!("/v1/deliveries/{}", stranger["id"].as_str().expect("an id"))
            )
            .await
            .0,
        404
    );
    assert_eq!(world.get_as("guess", "/v1/incidents").await.0, 401);
    assert_ne!(
        world.get_as("contoso-key", "/v1/events").await.0,
        200,
        "the list of all events is the operator's"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_very_many_services_and_regions_is_told_at_once_also_by_many_rules() {
    let rules: String = (0..5)
        .map(|nth| format!("  - {{ name: Rule {nth}, when: {{}}, notify: hook, settle: 0s }}\n"))
        .collect();
    let rules = format!("receivers: {{ hook: [{{ webhook: {{ url: \"{{hooks}}/hook\" }} }}] }}\nrules:\n{rules}");
    let world = World::with(&[("contoso/rules.yaml", &rules)]).await;
    let regions: Vec<serde_json::Value> = (0..200)
        .map(|nth| json!({ "RegionName": format!("Region {nth}") }))
        .collect();
    let impact = json!([{ "ServiceName": "Virtual Machines", "ImpactedRegions": regions }]);
    world
        .hear(
            &Azure {
                impact,
                ..Azure::active()
            }
            .json(),
        )
        .await;
    world.pass(0).await;
    let got = world.hooks.got("hook");
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].body["impact"].as_array().map(Vec::len), Some(200));
    assert_eq!(got[0].body["rules"].as_array().map(Vec::len), Some(5));
    assert!(!world.daemon().has_failed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_subscriptions_of_one_event_are_one_message() {
    let rules = "receivers: { hook: [{ webhook: { url: \"{hooks}/hook\" } }] }\nrules:\n  - { name: All, when: {}, notify: hook, settle: 0s }\n";
    let world = World::with(&[("contoso/rules.yaml", rules)]).await;
    let subscriptions: Vec<String> = (0..10_000)
        .map(|nth| format!("{nth:08x}-aaaa-4bbb-8ccc-111111111111"))
        .collect();
    let region = |name: &str| {
        json!({ "impactedRegion": name, "status": "Active", "impactedSubscriptions": subscriptions, "updates": [
        { "summary": "Connections may fail.", "updateDateTime": "2026-11-24T08:50:00Z" } ] })
    };
    let event = json!({ "name": "MANY-1", "properties": {
        "eventType": "ServiceIssue", "eventLevel": "Warning", "status": "Active", "title": "Many subscriptions",
        "summary": "Connections may fail.", "impactStartTime": "2026-11-24T08:40:00Z", "lastUpdateTime": "2026-11-24T08:50:00Z",
        "impact": [{ "impactedService": "Virtual Machines", "impactedRegions": [region("East US"), region("West Europe")] }] } });
    world.hear(&event).await;
    world.pass(0).await;
    let got = world.hooks.got("hook");
    assert_eq!(got.len(), 1);
    let listed = got[0].body["subscriptions"].as_array().map_or(0, Vec::len);
    assert!(
        listed > 1_000 && got[0].body["truncated"] == true,
        "as many as the webhook's limit allows: {listed}"
    );
    let incident = world.get("/v1/incidents/MANY-1").await;
    assert_eq!(incident["accounts"].as_array().map(Vec::len), Some(10_000));
    assert_eq!(
        incident["impact"].as_array().map(Vec::len),
        Some(2),
        "{}",
        incident["impact"]
    );
}
