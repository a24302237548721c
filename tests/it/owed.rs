//! What is owed of an incident, and what each communication changed: as the API tells it, to operator and customers.

use serde_json::{Value, json};

use crate::world::{Azure, DEV, PROD, World};

const RULES: &str = "rules: []\n";

const PROMISE: &str = "<p>Connections failed.</p><p>We will publish a Preliminary Post Incident Review (PIR) within \
                       approximately 72 hours, and a Final PIR generally within 14 days.</p>";

/// What is owed, as `kind state due`.
async fn owed(world: &World) -> (Value, Vec<String>) {
    let incident = world.get("/v1/incidents/VVTQ-J98").await;
    let lines = incident["owed"].as_array().expect("a list").iter().map(|one| {
        let word = |key: &str| one[key].as_str().unwrap_or("never").to_owned();
        format!(
            "{} {} {} by {}",
            word("kind"),
            word("state"),
            word("due"),
            word("basis")
        )
    });
    (incident["state"].clone(), lines.collect())
}

fn mitigated(text: &str) -> Value {
    let mut event = Azure {
        text: text.into(),
        ..Azure::mitigated()
    }
    .json();
    let properties = &mut event["data"]["context"]["activityLog"]["properties"];
    properties["impactMitigationTime"] = json!("2026-11-24T09:30:00Z");
    event
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_statement_promises_is_owed_until_it_comes_and_is_late_when_it_does_not() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    assert_eq!(owed(&world).await, (json!("investigating"), Vec::new()));
    world.hear(&mitigated(PROMISE)).await;
    let open = [
        "preliminary-review open 2026-11-27T09:30:00Z by promise".to_owned(),
        "final-review open 2026-12-08T09:30:00Z by promise".to_owned(),
    ];
    assert_eq!(owed(&world).await, (json!("under-review"), open.to_vec()));
    let (_, page) = world.page("/incidents/VVTQ-J98").await;
    assert!(
        page.contains(">Reviews</h2>") && page.contains("due by <time datetime=\"2026-11-27T09:30:00Z\">"),
        "{page}"
    );
    world.hear(&Azure::preliminary().json()).await;
    let (state, lines) = owed(&world).await;
    assert_eq!(state, "under-review");
    assert!(lines[0].contains(" met ") && lines[1].contains(" open "), "{lines:?}");
    world.pass(20 * 86_400).await;
    let (_, lines) = owed(&world).await;
    assert!(lines[1].contains(" overdue "), "{lines:?}");
    let incident = world.get("/v1/incidents/VVTQ-J98").await;
    assert_eq!(incident["size"], json!({ "value": "largest", "basis": "promise" }));
    assert!(
        incident["owed"][1]["late_seconds"]
            .as_i64()
            .is_some_and(|late| late > 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_that_is_offered_on_request_has_no_due_time() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    let offer = "<p>To request a Post Incident Review (PIR), use the “Request PIR” feature.</p>";
    world.hear(&mitigated(offer)).await;
    let (state, lines) = owed(&world).await;
    assert_eq!(state, "mitigated");
    assert_eq!(lines, ["final-review open never by on-request"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_communication_says_what_it_changed() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    let two = json!([
        { "ServiceName": "Virtual Machines", "ImpactedRegions": [{ "RegionName": "East US" }, { "RegionName": "West US" }] }
    ]);
    let later = Azure {
        text: "<p>Starting at 08:40 UTC, connections to Virtual Machines in East US and West US may fail.</p>".into(),
        at: "2026-11-24T09:10:00Z",
        impact: two,
        ..Azure::active()
    };
    world.hear(&later.json()).await;
    let incident = world.get("/v1/incidents/VVTQ-J98").await;
    let revisions = incident["revisions"].as_array().expect("a list");
    assert_eq!(revisions.len(), 2);
    assert_eq!(revisions[1]["changed"], Value::Null, "the first one changed nothing");
    let changed = &revisions[0]["changed"];
    let added = json!([{ "service": "Virtual Machines", "region": "West US" }]);
    assert_eq!(changed["impact"], json!({ "added": added, "removed": [] }));
    let new: Vec<&str> = changed["text"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|piece| piece["fate"] == "added")
        .map(|piece| piece["text"].as_str().expect("text").trim())
        .collect();
    assert_eq!(new, ["and West US"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_sees_what_changed_and_is_owed_by_its_own_communications_alone() {
    let rules = [("contoso/rules.yaml", RULES), ("fabrikam/rules.yaml", RULES)];
    let settings = format!(
        "secrets: {{dir}}/secrets\ncustomers:\n  contoso: {{ accounts: [{PROD}], tokens: contoso-read }}\n  fabrikam: {{ \
         accounts: [{DEV}], tokens: fabrikam-read }}\n"
    );
    let mut world = World::with(&rules).await;
    let secrets = world.rules().parent().expect("a folder").join("secrets");
    std::fs::create_dir_all(&secrets).expect("a folder");
    for name in ["contoso-read", "fabrikam-read"] {
        std::fs::write(secrets.join(name), format!("{name}-0123456789abcdef")).expect("a file");
    }
    world.change_settings(&settings).await;
    world.hear(&Azure::active().json()).await;
    let theirs = Azure {
        subscription: DEV,
        text: "<p>Only fabrikam is told this.</p>".into(),
        at: "2026-11-24T09:00:00Z",
        ..Azure::active()
    };
    world.hear(&theirs.json()).await;
    let mut over = mitigated(PROMISE);
    over["data"]["context"]["activityLog"]["subscriptionId"] = json!(DEV);
    world.hear(&over).await;
    let (status, contoso) = world
        .get_as("contoso-read-0123456789abcdef", "/v1/incidents/VVTQ-J98")
        .await;
    assert_eq!(
        (status, &contoso["state"], &contoso["owed"]),
        (200, &json!("investigating"), &json!([]))
    );
    assert_eq!(contoso["revisions"].as_array().map(Vec::len), Some(1));
    let said = contoso.to_string();
    assert!(
        !said.contains("fabrikam") && !said.contains(DEV) && !said.contains("72 hours"),
        "{said}"
    );
    let (_, fabrikam) = world
        .get_as("fabrikam-read-0123456789abcdef", "/v1/incidents/VVTQ-J98")
        .await;
    assert_eq!(fabrikam["state"], "under-review");
    assert_eq!(fabrikam["owed"].as_array().map(Vec::len), Some(2));
    assert!(!fabrikam.to_string().contains(PROD));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_providers_tags_are_kept_and_say_what_is_owed() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let list = include_str!("../fixtures/samples/azure/azure-rest-events-list-subscription.json");
    assert_eq!(world.post("/v1/events", list).await.0, 202);
    world.settled().await;
    let incident = world.get("/v1/incidents/BC_1-FXZ").await;
    let tags: Vec<&Value> = (0..3).map(|nth| &incident["entries"][nth]["tags"]).collect();
    assert_eq!(
        tags,
        [
            &json!(["Final PIR"]),
            &json!(["False Positive", "Preliminary PIR"]),
            &json!(["Action Recommended"])
        ]
    );
    assert_eq!(incident["size"], json!({ "value": "largest", "basis": "tag" }));
    let owed: Vec<(&Value, &Value, &Value)> = incident["owed"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (&one["kind"], &one["state"], &one["basis"]))
        .collect();
    let (met, tag) = (json!("met"), json!("tag"));
    assert_eq!(
        owed,
        [
            (&json!("preliminary-review"), &met, &tag),
            (&json!("final-review"), &met, &tag)
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_long_it_took_is_shown_per_incident_and_per_provider_and_service() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    world.hear(&mitigated(PROMISE)).await;
    // a time of publishing that is far ahead of the clock would not be believed
    world.pass(28 * 3_600).await;
    world.hear(&Azure::preliminary().json()).await;
    let incident = world.get("/v1/incidents/VVTQ-J98").await;
    let (first, preliminary) = (600, 26 * 3_600 + 30 * 60);
    assert_eq!(
        incident["took"],
        json!({ "first_notice_seconds": first, "preliminary_review_seconds": preliminary, "final_review_seconds": null })
    );
    let times = world.get("/v1/times").await;
    let span = |seconds: i64| json!({ "count": 1, "median_seconds": seconds, "longest_seconds": seconds });
    assert_eq!(
        times["times"],
        json!([{
            "provider": "azure", "service": "Virtual Machines", "incidents": 1, "first_notice": span(first),
            "preliminary_review": span(preliminary), "final_review": null,
        }])
    );
    assert_eq!(
        world.get("/v1/times?since=2026-12-01T00:00:00Z").await["times"],
        json!([])
    );
}
