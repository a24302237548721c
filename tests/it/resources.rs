//! Impacted resources, downtime that no incident explains, and evidence: who hands them in, who sees them, and what they
//! change of what may be claimed.

use serde_json::{Value, json};

use crate::credits::{self, ADA, CONTOSO, FABRIKAM, incident};
use crate::world::{DEV, PROD, World};

const RULES: &str = r#"
receivers:
  leads: [{ webhook: '{hooks}/claims' }]
rules:
  - { name: Credits, when: { kind: [claim possible, claim due] }, notify: leads, settle: 0s }
terms:
  - { provider: azure, service: Virtual Machines, steps: [{ below: 99.99, credit: 10 }, { below: 99, credit: 25 }],
      claim within: 2 months after the billing month, evidence: [tracking id of the incident, request logs],
      source: our agreement, checked: 2026-11-01, verified: true }
usage:
  - { provider: azure, service: Virtual Machines, region: East US, subscription: 11111111-aaaa-4bbb-8ccc-111111111111,
      resource: shop-1, fee: "1000.00", currency: EUR }
  - { provider: azure, service: Virtual Machines, region: East US, subscription: 11111111-aaaa-4bbb-8ccc-111111111111,
      resource: shop-2, fee: "500.00", currency: EUR }
"#;

const PATH: &str = "/v1/incidents/vvtq-j98/resources";

async fn world() -> World {
    credits::world(RULES).await
}

fn machine(name: &str) -> String {
    format!("/subscriptions/{PROD}/resourceGroups/shop/providers/Microsoft.Compute/virtualMachines/{name}")
}

fn listed(name: &str, impact: &str) -> Value {
    json!({ "id": machine(name), "name": name, "type": "Microsoft.Compute/virtualMachines", "impact": impact })
}

async fn hand_in(world: &World, token: &str, path: &str, body: Value) -> (u16, Value) {
    let answer = world.post_as(token, path, body.to_string()).await;
    world.settled().await;
    answer
}

async fn claims(world: &World) -> Value {
    let (status, answer) = world.get_as(CONTOSO, "/v1/claims").await;
    assert_eq!(status, 200, "{answer}");
    world.settled().await;
    answer
}

/// The resources for which something may be owed, and what.
fn owed(answer: &Value) -> Vec<(String, String)> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let rows = answer["claims"].as_array().expect("a list").iter();
    rows.map(|row| (text(row, "resource"), text(row, "credit"))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(one, other)| ((*one).to_owned(), (*other).to_owned()))
        .collect()
}

/// What contoso reads at a path that is no JSON.
async fn fetch(world: &World, path: &str) -> Vec<u8> {
    let answer = reqwest::Client::new().get(world.url(path)).bearer_auth(CONTOSO).send();
    let bytes = answer.await.expect("an answer").bytes().await;
    bytes.expect("a body").to_vec()
}

fn refused(answer: &(u16, Value), status: u16, field: &str) {
    assert_eq!(answer.0, status, "{}", answer.1);
    assert_eq!(answer.1["error"]["field"], json!(field), "{}", answer.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_confirmed_counts_and_what_the_list_leaves_out_does_not() {
    let mut world = world().await;
    incident(&world).await;
    assert_eq!(
        owed(&claims(&world).await),
        pairs(&[("shop-1", "100.00"), ("shop-2", "50.00")])
    );
    // potential ones alone narrow nothing
    let (status, taken) = hand_in(&world, CONTOSO, PATH, json!([listed("shop-1", "potential")])).await;
    assert_eq!(status, 200, "{taken}");
    assert_eq!(
        (&taken["new"], &taken["impacted_resources"], &taken["customer"]),
        (&json!(1), &json!({ "confirmed": 0, "potential": 1 }), &json!("contoso"))
    );
    let answer = claims(&world).await;
    assert_eq!(owed(&answer), pairs(&[("shop-1", "100.00"), ("shop-2", "50.00")]));
    assert!(answer.to_string().contains("potentially impacted"), "{answer}");
    // the same resource again replaces, in any case of its id
    let mut again = listed("shop-1", "confirmed");
    again["id"] = json!(machine("SHOP-1"));
    let (_, taken) = hand_in(&world, CONTOSO, PATH, json!({ "resources": [again] })).await;
    assert_eq!(
        (&taken["new"], &taken["changed"], &taken["impacted_resources"]),
        (&json!(0), &json!(1), &json!({ "confirmed": 1, "potential": 0 })),
        "{taken}"
    );
    for _ in 0..2 {
        let answer = claims(&world).await;
        assert_eq!(owed(&answer), pairs(&[("shop-1", "100.00")]));
        let explained = answer["claims"][0]["explanation"].to_string();
        assert!(explained.contains("VVTQ-J98, confirmed as impacted"), "{explained}");
        let note = answer["notes"].to_string();
        assert!(
            note.contains("VVTQ-J98 is not counted") && note.contains("leaves them out: shop-2"),
            "{note}"
        );
        // and so it is after a start
        world.stop().await;
        world.start().await;
    }
    // a list that goes on elsewhere leaves nothing out
    let page =
        json!({ "value": [{ "properties": { "targetResourceId": machine("shop-1") } }], "nextLink": "https://next" });
    let (_, taken) = hand_in(&world, ADA, &format!("{PATH}?customer=contoso"), page).await;
    assert_eq!(taken["complete"], json!(false), "{taken}");
    assert!(
        taken["note"].as_str().is_some_and(|note| note.contains("next page")),
        "{taken}"
    );
    assert_eq!(owed(&claims(&world).await).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_are_their_customers_alone_and_are_read_page_by_page() {
    let world = world().await;
    incident(&world).await;
    let all: Vec<Value> = (0..60)
        .map(|nth| listed(&format!("vm-{nth:02}"), "confirmed"))
        .collect();
    let path = format!("{PATH}?customer=contoso");
    let (status, taken) = hand_in(&world, ADA, &path, json!({ "resources": all })).await;
    assert_eq!((status, &taken["resources"]), (200, &json!(60)), "{taken}");
    for (token, shows) in [(ADA, true), (CONTOSO, true)] {
        let (_, story) = world.get_as(token, "/v1/incidents/VVTQ-J98").await;
        assert_eq!(
            story["impacted_resources"],
            json!({ "confirmed": 60, "potential": 0 }),
            "{shows}"
        );
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let (status, page) = world.get_as(CONTOSO, &format!("{PATH}?limit=25{after}")).await;
        assert_eq!(status, 200, "{page}");
        let lines = page["resources"].as_array().expect("a list");
        assert!(lines.len() <= 25);
        seen.extend(
            lines
                .iter()
                .map(|line| line["name"].as_str().expect("a name").to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", next.replace('~', "%7E")),
            None => break,
        }
    }
    let expected: Vec<String> = (0..60).map(|nth| format!("vm-{nth:02}")).collect();
    assert_eq!(seen, expected);
    // another customer is told nothing, and cannot say anything
    for path in [
        PATH.to_owned(),
        format!("{PATH}?customer=contoso"),
        "/v1/incidents/VVTQ-J98".to_owned(),
    ] {
        let (status, answer) = world.get_as(FABRIKAM, &path).await;
        assert_eq!(status, 404, "{answer}");
        assert!(!answer.to_string().contains("vm-0"), "{answer}");
    }
    let one = || json!([listed("vm-99", "confirmed")]);
    assert_eq!(hand_in(&world, FABRIKAM, PATH, one()).await.0, 404);
    refused(&hand_in(&world, FABRIKAM, &path, one()).await, 404, "customer");
    refused(&hand_in(&world, ADA, PATH, one()).await, 400, "customer");
    refused(
        &hand_in(&world, ADA, &format!("{PATH}?customer=contosso"), one()).await,
        404,
        "customer",
    );
    assert_eq!(hand_in(&world, "guess", PATH, one()).await.0, 401);
    // and the page names fifty of them
    let page = reqwest::Client::new()
        .get(world.url("/incidents/VVTQ-J98"))
        .bearer_auth(CONTOSO)
        .send();
    let page = page.await.expect("an answer").text().await.expect("a page");
    assert!(
        page.contains("60 confirmed as impacted") && page.contains("and 10 more"),
        "{page}"
    );
    assert!(page.contains("vm-49") && !page.contains("vm-50"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_list_with_something_wrong_nothing_is_kept_and_the_place_is_said() {
    let world = world().await;
    incident(&world).await;
    let others = json!({ "id": format!("/subscriptions/{DEV}/x"), "impact": "confirmed" });
    let of_other = json!({ "value": [{
        "id": format!("/subscriptions/{PROD}/providers/Microsoft.ResourceHealth/events/OTHER-1/impactedResources/x"),
        "properties": { "targetResourceId": machine("shop-1") },
    }] });
    for (body, status, field) in [
        (
            json!({ "resources": [listed("a", "confirmed"), listed("b", "maybe")] }),
            400,
            "resources[1].impact",
        ),
        (
            json!({ "resources": [listed("a", "confirmed"), others] }),
            400,
            "resources[1].id",
        ),
        (of_other, 400, "value[0].id"),
        (
            json!({ "resources": [{ "id": "a", "impact": "confirmed", "colour": "red" }] }),
            400,
            "resources[0].colour",
        ),
    ] {
        let answer = hand_in(&world, CONTOSO, PATH, body.clone()).await;
        refused(&answer, status, field);
        assert!(answer.1["error"]["hint"].as_str().is_some(), "{}", answer.1);
    }
    let (_, kept) = world.get_as(CONTOSO, PATH).await;
    assert_eq!(
        (&kept["resources"], &kept["next"]),
        (&json!([]), &Value::Null),
        "{kept}"
    );
    assert_eq!(
        hand_in(&world, CONTOSO, "/v1/incidents/NONE-1/resources", json!([]))
            .await
            .0,
        404
    );
}

fn downtime() -> Value {
    json!({
        "service": "Virtual Machines", "region": "East US", "subscription": PROD, "resource": "shop-1",
        "from": "2026-11-20T10:00:00Z", "until": "2026-11-20T11:00:00Z", "reason": "the shop did not answer",
        "evidence": ["https://monitor.contoso.example/4711", "graph.png"],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downtime_without_an_incident_counts_is_explained_and_may_be_withdrawn() {
    let mut world = world().await;
    assert_eq!(owed(&claims(&world).await), []);
    let path = "/v1/downtimes";
    let (status, entered) = hand_in(&world, CONTOSO, path, downtime()).await;
    assert_eq!(
        (status, &entered["by"], &entered["customer"]),
        (201, &json!("contoso"), &json!("contoso")),
        "{entered}"
    );
    let (status, again) = hand_in(&world, ADA, "/v1/downtimes?customer=contoso", downtime()).await;
    assert_eq!(
        (status, &again),
        (200, &entered),
        "the same again is the same, by whom it was said first"
    );
    let id = entered["id"].as_str().expect("an id").to_owned();
    let answer = claims(&world).await;
    assert_eq!(owed(&answer), pairs(&[("shop-1", "100.00")]));
    let row = &answer["claims"][0];
    assert_eq!(
        (&row["incidents"], &row["downtimes"]),
        (&json!(["entered by a person"]), &json!([id]))
    );
    let explained = row["explanation"].to_string();
    assert!(
        explained.contains("by a person's entry of contoso on 2026-11-24"),
        "{explained}"
    );
    assert!(
        explained.contains("evidence: https://monitor.contoso.example/4711; graph.png"),
        "{explained}"
    );
    // it stands in the pack
    let pack = format!("/v1/claims/{}/pack", row["id"].as_str().expect("an id"));
    let bytes = reqwest::Client::new().get(world.url(&pack)).bearer_auth(CONTOSO).send();
    let bytes = bytes.await.expect("an answer").bytes().await.expect("a body");
    let mut pack = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a zip");
    let mut read = |name: &str| std::io::read_to_string(pack.by_name(name).expect(name)).expect("text");
    assert!(read("request.txt").contains("- evidence: graph.png"));
    assert!(read("evidence/incident/timeline.txt").contains("Evidence: https://monitor.contoso.example/4711"));
    let claim: Value = serde_json::from_str(&read("claim.json")).expect("JSON");
    assert_eq!(claim["incidents"][0]["tracking_id"], json!(""), "{claim}");
    // its last day is told like that of any other claim
    world.clock.advance(chrono::Duration::days(54));
    claims(&world).await;
    world.settled().await;
    let told = world.hooks.got("claims");
    let last = told.last().expect("a reminder");
    assert_eq!(last.body["kind"], json!("claim-due"), "{}", last.body);
    let title = last.body["title"].as_str().expect("a title");
    assert!(
        title.contains("Virtual Machines was down, entered by a person"),
        "{title}"
    );
    // that nothing is computed of it is said, not kept quiet
    assert_eq!(entered["note"], Value::Null);
    for (field, value) in [("service", "Batch"), ("region", "West Europe"), ("resource", "shop-9")] {
        let mut unused = downtime();
        unused[field] = json!(value);
        let (status, entered) = hand_in(&world, CONTOSO, path, unused).await;
        let note = entered["note"].as_str().unwrap_or_default();
        assert!(
            status == 201 && note.contains("no `usage:` in the rule files of contoso"),
            "{entered}"
        );
        let withdraw = format!("{path}/{}/withdraw", entered["id"].as_str().expect("an id"));
        assert_eq!(
            hand_in(&world, CONTOSO, &withdraw, json!({ "reason": "a test" }))
                .await
                .0,
            200
        );
    }
    // nobody else's
    let (_, others) = world.get_as(FABRIKAM, path).await;
    assert_eq!(others, json!({ "downtimes": [], "next": null }));
    let withdraw = format!("{path}/{id}/withdraw");
    assert_eq!(
        hand_in(&world, FABRIKAM, &withdraw, json!({ "reason": "x" })).await.0,
        404
    );
    refused(&hand_in(&world, CONTOSO, &withdraw, json!({})).await, 400, "reason");
    world.stop().await;
    world.start().await;
    assert_eq!(owed(&claims(&world).await).len(), 1);
    let (status, gone) = hand_in(&world, ADA, &withdraw, json!({ "reason": "it was our own change" })).await;
    assert_eq!(
        (status, &gone["withdrawn"]["by"]),
        (200, &json!("operator-ada")),
        "{gone}"
    );
    assert_eq!(
        hand_in(&world, ADA, &withdraw, json!({ "reason": "again" })).await.0,
        409
    );
    assert_eq!(owed(&claims(&world).await), []);
    let (_, listed) = world.get_as(CONTOSO, path).await;
    assert!(listed.to_string().contains("it was our own change"), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downtime_that_cannot_be_is_refused_with_its_field() {
    let world = world().await;
    let with = |field: &str, value: Value| {
        let mut body = downtime();
        body[field] = value;
        body
    };
    for (body, field) in [
        (with("evidence", json!([])), "evidence"),
        (with("evidence", json!([" "])), "evidence"),
        (with("evidence", json!([1])), "evidence"),
        (with("reason", json!("")), "reason"),
        (with("service", json!("")), "service"),
        (with("until", json!("2026-11-20T10:00:00Z")), "until"),
        (with("until", json!("2026-11-24T23:00:00Z")), "until"),
        (with("from", json!("yesterday")), "from"),
        (with("from", json!("1926-11-20T10:00:00Z")), "from"),
        (with("from", json!("2026-10-20T10:59:59Z")), "from"),
        (with("from", Value::Null), "from"),
        (with("provider", json!("azur")), "provider"),
        (with("subscription", json!(DEV)), "subscription"),
        (with("subscription", json!("mine")), "subscription"),
        (with("colour", json!("red")), "colour"),
    ] {
        let answer = hand_in(&world, CONTOSO, "/v1/downtimes", body).await;
        refused(&answer, 400, field);
    }
    let mut old = downtime();
    (old["from"], old["until"]) = (json!("2025-08-01T12:00:00Z"), json!("2025-08-31T08:59:59Z"));
    refused(
        &hand_in(&world, CONTOSO, "/v1/downtimes", old.clone()).await,
        400,
        "until",
    );
    (old["from"], old["until"]) = (json!("2025-07-31T12:00:00Z"), json!("2025-08-31T12:00:00Z"));
    assert_eq!(
        hand_in(&world, CONTOSO, "/v1/downtimes", old).await.0,
        201,
        "450 days and no more, and 31 days long"
    );
    let (_, listed) = world.get_as(CONTOSO, "/v1/downtimes").await;
    assert_eq!(listed["downtimes"].as_array().map(Vec::len), Some(1), "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_evidence_is_stands_with_the_claim_and_in_its_pack() {
    let world = world().await;
    incident(&world).await;
    let id = claims(&world).await["claims"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/v1/claims/{id}");
    let other = json!({ "evidence": [{ "asked": "a signed letter", "place": "letter.pdf" }] });
    let answer = hand_in(&world, ADA, &path, other).await;
    refused(&answer, 400, "evidence");
    let hint = answer.1["error"]["hint"].as_str().expect("a hint");
    assert!(hint.contains("tracking id of the incident; request logs"), "{hint}");
    refused(
        &hand_in(&world, ADA, &path, json!({ "evidence": [{ "asked": "request logs" }] })).await,
        400,
        "evidence",
    );
    let said = json!({ "evidence": [{ "asked": "Request Logs", "place": "logs.zip" }] });
    let (status, claim) = hand_in(&world, ADA, &path, said).await;
    assert_eq!(
        (status, &claim["provided"]),
        (200, &json!([{ "asked": "request logs", "place": "logs.zip" }])),
        "{claim}"
    );
    let page = String::from_utf8(fetch(&world, &format!("/claims/{id}")).await).expect("text");
    assert!(page.contains("request logs: logs.zip"), "{page}");
    let mut pack =
        zip::ZipArchive::new(std::io::Cursor::new(fetch(&world, &format!("{path}/pack")).await)).expect("a zip");
    let missing = std::io::read_to_string(pack.by_name("missing.txt").expect("a file")).expect("text");
    assert!(
        missing.contains("request logs: logs.zip (by a person's word)"),
        "{missing}"
    );
    // and it may be gone again
    let (_, claim) = hand_in(
        &world,
        ADA,
        &path,
        json!({ "evidence": [{ "asked": "request logs", "place": "" }] }),
    )
    .await;
    assert_eq!(claim.get("provided"), None, "{claim}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_hand_in_and_list_what_the_api_takes() {
    let world = world().await;
    incident(&world).await;
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("list.yaml");
    let server = world.url("");
    let typed = |token: &'static str, words: &[&str]| {
        let mut command = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("bellwether"));
        command
            .args(words)
            .args(["--server", &server])
            .env("BELLWETHER_TOKEN", token);
        tokio::task::spawn_blocking(move || {
            let output = command.output().expect("it runs");
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            (output.status.code(), text(output.stdout), text(output.stderr))
        })
    };
    let path = file.to_str().expect("a path").to_owned();
    std::fs::write(&file, "resources:\n  - id: shop-1\n    impact: certain\n").expect("a file");
    let (code, _, said) = typed(CONTOSO, &["resources", "VVTQ-J98", &path])
        .await
        .expect("a thread");
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("list.yaml:3:13") && said.contains("`certain`"), "{said}");
    let id = machine("shop-1");
    std::fs::write(&file, format!("resources:\n  - {{ id: {id}, impact: confirmed }}\n")).expect("a file");
    let words = ["resources", "VVTQ-J98", &path, "--customer", "contoso"];
    let (code, said, error) = typed(ADA, &words).await.expect("a thread");
    assert_eq!(code, Some(0), "{said} {error}");
    assert!(
        said.contains("1 of them new") && said.contains("1 confirmed, 0 potential"),
        "{said}"
    );
    let (_, said, _) = typed(CONTOSO, &["resources", "vvtq-j98"]).await.expect("a thread");
    assert!(said.contains("shop-1") && said.contains("confirmed"), "{said}");
    let (code, said, error) = typed(
        CONTOSO,
        &[
            "claims",
            "downtime",
            "--service",
            "Virtual Machines",
            "--resource",
            "shop-2",
            "--from",
            "2026-11-20T10:00:00Z",
            "--until",
            "2026-11-20T11:00:00Z",
            "--reason",
            "no answer",
            "--evidence",
            "graph.png",
            "--evidence",
            "a ticket",
            "--format",
            "json",
        ],
    )
    .await
    .expect("a thread");
    assert_eq!(code, Some(0), "{error}");
    let entered: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(entered["evidence"], json!(["graph.png", "a ticket"]));
    let id = entered["id"].as_str().expect("an id");
    let (_, said, _) = typed(CONTOSO, &["claims", "downtime"]).await.expect("a thread");
    assert!(said.contains(id) && said.contains("evidence: a ticket"), "{said}");
    let words = ["claims", "downtime", "--withdraw", id, "--reason", "ours"];
    let (code, said, error) = typed(CONTOSO, &words).await.expect("a thread");
    assert!(code == Some(0) && said.contains("is withdrawn"), "{said} {error}");
    let (code, _, error) = typed(CONTOSO, &["claims", "downtime", "--service", "Virtual Machines"])
        .await
        .expect("a thread");
    assert!(code == Some(64), "what is missing is asked for: {code:?} {error}");
}
