//! A person corrects what the provider says of an incident: it counts, with its reason, and the provider's word stays.

use serde_json::{Value, json};

use crate::world::{Azure, DEV, PROD, World};

const RULES: &str = "
receivers:
  leads: [{ webhook: '{hooks}/owed' }]
rules:
  - { name: Late, when: { kind: [review due, review overdue] }, notify: leads, settle: 0s }
";

const TOKENS: [(&str, &str); 2] = [
    ("operator-ada", "operator-ada-0123456789abcdef"),
    ("contoso-read", "contoso-read-0123456789abcdef"),
];

async fn world() -> World {
    let settings = format!(
        "secrets: {{dir}}/secrets\ntokens: {{ operate: operator-ada }}\ncustomers:\n  contoso: {{ accounts: [{PROD}], tokens: \
         contoso-read }}\n  fabrikam: {{ accounts: [{DEV}] }}\n"
    );
    let mut world = World::with(&[("contoso/rules.yaml", RULES), ("fabrikam/rules.yaml", "rules: []\n")]).await;
    let secrets = world.rules().parent().expect("a folder").join("secrets");
    std::fs::create_dir_all(&secrets).expect("a folder");
    for (name, token) in TOKENS {
        std::fs::write(secrets.join(name), token).expect("a file");
    }
    world.change_settings(&settings).await;
    let statement = Azure {
        text:
            "<p>Between 08:41 UTC and 09:20 UTC on 24 November 2026, connections failed. This is our final update.</p>"
                .into(),
        ..Azure::mitigated()
    };
    let mut over = statement.json();
    over["data"]["context"]["activityLog"]["properties"]["impactMitigationTime"] = json!("2026-11-24T09:30:00Z");
    for event in [Azure::active().json(), over] {
        assert_eq!(world.post_as(TOKENS[0].1, "/v1/events", event.to_string()).await.0, 202);
        world.settled().await;
    }
    world
}

async fn correct(world: &World, body: Value) -> (u16, Value) {
    let answer = world
        .post_as(TOKENS[0].1, "/v1/incidents/vvtq-j98/corrections", body.to_string())
        .await;
    world.settled().await;
    answer
}

async fn incident(world: &World, token: usize) -> Value {
    let (status, incident) = world.get_as(TOKENS[token].1, "/v1/incidents/VVTQ-J98").await;
    assert_eq!(status, 200, "{incident}");
    incident
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrected_size_owes_what_it_owes_is_told_in_time_and_says_who_said_so() {
    let world = world().await;
    let before = incident(&world, 0).await;
    assert_eq!(
        (&before["size"]["basis"], &before["owed"]),
        (&json!("promise"), &json!([]))
    );
    let reason = "five regions of ours were down";
    let (status, answer) = correct(&world, json!({ "size": "largest", "reason": reason })).await;
    assert_eq!((status, &answer["by"]), (201, &json!("operator-ada")), "{answer}");
    for token in [0, 1] {
        let after = incident(&world, token).await;
        assert_eq!(after["size"], json!({ "value": "largest", "basis": "person" }));
        assert_eq!(after["owed"].as_array().map(Vec::len), Some(2));
        let correction = &after["corrections"][0];
        assert_eq!(
            (&correction["corrects"], &correction["reason"], &correction["by"]),
            (&json!("size"), &json!(reason), &json!("operator-ada"))
        );
    }
    world.pass(2 * 86_400 + 1_800).await;
    world.pass(2 * 86_400).await;
    let told = world.hooks.got("owed");
    assert_eq!(
        told.iter().map(|hook| hook.body["kind"].clone()).collect::<Vec<_>>(),
        ["review-due", "review-overdue"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_of_a_communication_is_shown_to_those_who_heard_it() {
    let world = world().await;
    // fabrikam alone hears more of it, and that is corrected
    let mut theirs = Azure {
        subscription: DEV,
        text: "<p>It is not over for one of you.</p>".into(),
        at: "2026-11-24T10:40:00Z",
        ..Azure::active()
    }
    .json();
    theirs["data"]["context"]["activityLog"]["properties"]["communicationId"] = json!("11000007654321");
    assert_eq!(
        world.post_as(TOKENS[0].1, "/v1/events", theirs.to_string()).await.0,
        202
    );
    world.settled().await;
    let (status, answer) = correct(
        &world,
        json!({ "kind": "mitigation", "reason": "fabrikam says that it is over" }),
    )
    .await;
    assert_eq!(status, 201, "{answer}");
    let all = incident(&world, 0).await;
    assert_eq!(all["corrections"][0]["corrects"], "kind", "{all}");
    let own = incident(&world, 1).await;
    assert!(
        !own.to_string().contains("fabrikam") && own["corrections"] == json!([]),
        "{own}"
    );
    let page = |token: usize| {
        let page = reqwest::Client::new().get(world.url("/incidents/VVTQ-J98"));
        page.bearer_auth(TOKENS[token].1).send()
    };
    let text = async |token: usize| page(token).await.expect("an answer").text().await.expect("a page");
    assert!(text(0).await.contains("fabrikam says"));
    assert!(!text(1).await.contains("fabrikam says"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrected_window_and_kind_count_beside_what_the_provider_said() {
    let world = world().await;
    let said = json!({ "start": "2026-11-24T08:41:00Z", "end": "2026-11-24T09:20:00Z" });
    let metadata = json!({ "start": "2026-11-24T08:40:00Z", "end": "2026-11-24T09:30:00Z" });
    let window = incident(&world, 0).await["window"].clone();
    assert_eq!(
        window,
        json!({ "metadata": metadata, "prose": said, "counts": "metadata" })
    );
    let own = json!({ "start": "2026-11-24T08:30:00Z", "end": "2026-11-24T10:00:00Z" });
    assert_eq!(
        correct(&world, json!({ "window": own, "reason": "our monitoring" }))
            .await
            .0,
        201
    );
    assert_eq!(
        correct(
            &world,
            json!({ "size": "standard", "reason": "a review was promised by phone" })
        )
        .await
        .0,
        201
    );
    let after = incident(&world, 1).await;
    assert_eq!(
        after["window"],
        json!({ "metadata": metadata, "prose": said, "person": own, "counts": "person" })
    );
    assert_eq!(after["owed"][0]["since"], "2026-11-24T10:00:00Z");
    // the newest communication is none: it is an update by mistake, and then the first one is the statement
    let (status, answer) = correct(&world, json!({ "kind": "Update", "reason": "it goes on" })).await;
    assert_eq!(
        (status, &answer["published"]),
        (201, &json!("2026-11-24T09:40:00Z")),
        "{answer}"
    );
    let after = incident(&world, 1).await;
    assert_eq!(
        (&after["entries"][0]["kind"], &after["entries"][0]["kind_read"]),
        (&json!("update"), &json!("mitigation"))
    );
    assert_eq!(after["owed"], json!([]));
    let first = json!({ "kind": "mitigation", "revision": "2026-11-24T08:50:00Z", "reason": "it was over then" });
    assert_eq!(correct(&world, first).await.0, 201);
    assert_eq!(incident(&world, 0).await["entries"][1]["kind"], "mitigation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_on_request_has_the_link_to_ask_for_it_and_a_mark_that_it_was_asked_for() {
    let world = world().await;
    let requested = json!({ "requested": true, "reason": "asked for in the portal by Ada" });
    let (status, answer) = correct(&world, requested.clone()).await;
    let what = "the provider offers no review of this incident on request";
    assert_eq!(
        (status, &answer["error"]["field"], &answer["error"]["what"]),
        (400, &json!("requested"), &json!(what))
    );
    let offer = Azure {
        text: "<p>It is over. To request a Post Incident Review (PIR), use the “Request PIR” feature.</p>".into(),
        at: "2026-11-24T10:00:00Z",
        ..Azure::mitigated()
    };
    let offer = offer.json().to_string();
    assert_eq!(world.post_as(TOKENS[0].1, "/v1/events", offer).await.0, 202);
    world.settled().await;
    world.pass(2 * 3_600).await;
    let page = |token: usize| {
        let world = &world;
        async move {
            let path = format!("/incidents/VVTQ-J98?token={}", TOKENS[token].1);
            world.page(&path).await.1
        }
    };
    let link = "href=\"https://app.azure.com/h/VVTQ-J98/111111\"";
    let before = page(1).await;
    assert!(
        before.contains("offered on request") && before.contains(link),
        "{before}"
    );
    let no = json!({ "requested": false, "reason": "x" });
    assert_eq!(correct(&world, no).await.0, 400);
    let (status, answer) = correct(&world, requested).await;
    assert_eq!((status, &answer["corrects"]), (201, &json!("requested")), "{answer}");
    world.pass(90 * 86_400).await;
    let after = incident(&world, 1).await;
    let owed = &after["owed"][0];
    assert_eq!(
        (
            &owed["basis"],
            &owed["state"],
            &owed["due"],
            owed["requested"].is_string()
        ),
        (&json!("on-request"), &json!("open"), &Value::Null, true),
        "it is never overdue: {owed}"
    );
    let after = page(1).await;
    for said in ["requested on <time", "asked for in the portal by Ada", link] {
        assert!(after.contains(said), "{said}: {after}");
    }
    assert_eq!(world.hooks.got("owed").len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_corrected_is_refused_with_its_field_and_nothing_is_kept() {
    let world = world().await;
    let backwards = json!({ "start": "2026-11-24T10:00:00Z", "end": "2026-11-24T09:00:00Z" });
    for (body, field, what) in [
        (
            json!({ "window": backwards, "reason": "x" }),
            "window.end",
            "impact cannot end before it begins",
        ),
        (
            json!({ "window": { "start": "yesterday" }, "reason": "x" }),
            "window.start",
            "this is no time",
        ),
        (
            json!({ "size": "huge", "reason": "x" }),
            "size",
            "there is no such size",
        ),
        (
            json!({ "kind": "review overdue", "reason": "x" }),
            "kind",
            "no communication of a provider is of this kind",
        ),
        (
            json!({ "kind": "update", "revision": "99.0", "reason": "x" }),
            "revision",
            "this incident has no such communication",
        ),
        (json!({ "size": "small" }), "reason", "a correction needs a reason"),
        (
            json!({ "size": "small", "reason": "  " }),
            "reason",
            "a correction needs a reason",
        ),
        (
            json!({ "size": "small", "kind": "update", "reason": "x" }),
            "kind",
            "one thing is corrected at a time",
        ),
        (json!({ "reason": "x" }), "size", "it corrects nothing"),
        (
            json!({ "size": "small", "why": "x" }),
            "why",
            "a correction has no such field",
        ),
        (
            json!({ "size": "small", "revision": "1.0", "reason": "x" }),
            "revision",
            "only a kind is of one communication",
        ),
    ] {
        let (status, answer) = correct(&world, body.clone()).await;
        let error = &answer["error"];
        assert_eq!(
            (status, &error["field"], &error["what"]),
            (400, &json!(field), &json!(what)),
            "{body}: {answer}"
        );
    }
    let long = json!({ "size": "small", "reason": "x".repeat(1_001) });
    assert_eq!(correct(&world, long).await.0, 400);
    assert_eq!(
        correct(&world, json!({ "size": "small", "reason": "x".repeat(20_000) }))
            .await
            .0,
        413
    );
    let body = json!({ "size": "small", "reason": "x" }).to_string();
    let (status, _) = world
        .post_as(TOKENS[0].1, "/v1/incidents/NONE-000/corrections", body.clone())
        .await;
    assert_eq!(status, 404);
    let (status, _) = world
        .post_as(TOKENS[1].1, "/v1/incidents/VVTQ-J98/corrections", body)
        .await;
    assert!(status == 401 || status == 403, "{status}");
    assert_eq!(incident(&world, 0).await["corrections"], json!([]));
}
