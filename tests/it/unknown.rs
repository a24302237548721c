//! What this version does not understand costs nobody a notice, and is told to whoever answers for the daemon.

use serde_json::{Value, json};

use crate::world::{Azure, World};

const RULES: &str = r#"
receivers:
  all: [{ webhook: { url: "{hooks}/all" } }]
  issues: [{ webhook: { url: "{hooks}/issues" } }]
  unless: [{ webhook: { url: "{hooks}/unless" } }]
  storage: [{ webhook: { url: "{hooks}/storage" } }]
  east: [{ webhook: { url: "{hooks}/east" } }]
  west: [{ webhook: { url: "{hooks}/west" } }]
  retirements: [{ webhook: { url: "{hooks}/retirements" } }]
rules:
  - { name: All, when: {}, notify: all, settle: 0s }
  - { name: Issues, when: { event type: Service issue }, notify: issues, settle: 0s }
  - { name: Unless, when: {}, unless: { event type: [Service issue, Health advisory] }, notify: unless, settle: 0s }
  - { name: Storage in East US, when: { service: Storage, region: East US }, notify: storage, settle: 0s }
  - { name: East US, when: { region: East US }, notify: east, settle: 0s }
  - { name: West Europe, when: { region: West Europe }, notify: west, settle: 0s }
  - { name: Retirements, when: { subtype: Retirement }, notify: retirements, settle: 0s }
"#;

const SETTINGS: &str = "contact: ops@contoso.example\n";

async fn world() -> World {
    World::with_settings(SETTINGS, &[("contoso/rules.yaml", RULES)]).await
}

/// Which of the receivers were told so far, and forgets nothing.
fn told(world: &World) -> Vec<&'static str> {
    let known = ["all", "issues", "unless", "storage", "east", "west", "retirements"];
    known
        .into_iter()
        .filter(|path| !world.hooks.got(path).is_empty())
        .collect()
}

fn field(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/field/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a fixture");
    serde_json::from_str(&text).expect("JSON")
}

/// An active incident with some of its properties changed.
fn changed(tracking_id: &'static str, change: impl Fn(&mut Value)) -> Value {
    let mut body = Azure {
        tracking_id,
        ..Azure::active()
    }
    .json();
    change(&mut body["data"]["context"]["activityLog"]);
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_that_names_only_service_and_region_reaches_rules_that_narrow_by_them() {
    let world = world().await;
    world.hear(&field("05-service-and-region-only")).await;
    assert_eq!(told(&world), ["all", "issues", "storage", "east"]);
    let hook = world.hooks.got("storage").remove(0);
    assert_eq!(hook.body["impact"][0]["service"], "Storage");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maintenance_that_names_only_its_region_reaches_rules_for_the_region() {
    let world = world().await;
    world.hear(&field("05-maintenance-region-only")).await;
    assert_eq!(told(&world), ["all", "unless", "east"]);
    let (_, page) = world.page("/incidents/IM6A-111").await;
    assert!(page.contains("Service not named"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_regions_and_an_unreadable_list_use_the_notices_own_region() {
    let world = world().await;
    let body = changed("A-1", |entry| {
        let properties = &mut entry["properties"];
        properties["impactedServices"] = r#"[{"ServiceName":"Storage"}]"#.into();
        (properties["service"], properties["region"]) = ("Key Vault".into(), "East US; West Europe".into());
    });
    world.hear(&body).await;
    assert_eq!(told(&world), ["all", "issues", "storage", "east", "west"]);
    for (nth, impacted) in [json!("null"), json!("[{"), json!(17), json!("oops")]
        .into_iter()
        .enumerate()
    {
        let before = world.hooks.got("storage").len();
        let body = changed("B-1", |entry| {
            let properties = &mut entry["properties"];
            properties["trackingId"] = format!("B-{nth}").into();
            properties["impactedServices"] = impacted.clone();
            (properties["service"], properties["region"]) = ("Storage".into(), "East US".into());
        });
        let heard = world.hear(&body).await;
        assert_eq!(world.hooks.got("storage").len(), before + 1, "{impacted}");
        let event = world
            .get(&format!("/v1/events/{}", heard["ids"][0].as_str().expect("an id")))
            .await;
        assert_eq!(event["event"]["notes"][0]["field"], "impactedServices", "{impacted}");
        let incident = world.get(&format!("/v1/incidents/B-{nth}")).await;
        assert_eq!(incident["entries"][0]["notes"], event["event"]["notes"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_that_is_not_known_is_told_by_all_rules_that_do_not_ask_for_another_and_reported_once() {
    let mut world = world().await;
    let heard = world.hear(&field("06-type-not-known-yet")).await;
    assert_eq!(told(&world), ["all", "unless", "east", "retirements"]);
    let event = world
        .get(&format!("/v1/events/{}", heard["ids"][0].as_str().expect("an id")))
        .await;
    assert_eq!(event["event"]["event_type"], "Other");
    assert_eq!(event["event"]["notes"][0]["word"], "Retirement");
    world.pass(10).await;
    let mails = world.mails();
    assert_eq!(
        mails.len(),
        1,
        "{:?}",
        mails.iter().map(|mail| &mail.subject).collect::<Vec<_>>()
    );
    assert_eq!(mails[0].to, "ops@contoso.example");
    assert!(
        mails[0].subject.contains("Retirement") && mails[0].text.contains("incidentType"),
        "{}",
        mails[0].text
    );

    // the same word again, also in other letters, in another notice, and after a restart
    for (tracking_id, word) in [("C-1", "Retirement"), ("C-2", "RETIREMENT")] {
        world
            .hear(&changed(tracking_id, |entry| {
                entry["properties"]["incidentType"] = word.into()
            }))
            .await;
    }
    world.stop().await;
    world.start().await;
    world
        .hear(&changed("C-3", |entry| {
            entry["properties"]["incidentType"] = "Retirement".into()
        }))
        .await;
    world.pass(3_600).await;
    assert_eq!(world.mails().len(), 1);
    world
        .hear(&changed("C-4", |entry| {
            entry["properties"]["incidentType"] = "Reversal".into()
        }))
        .await;
    world.pass(10).await;
    assert_eq!(world.mails().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_words_do_not_become_a_flood_of_mails() {
    let world = world().await;
    for nth in 0..70 {
        let body = changed("D-1", |entry| {
            let properties = &mut entry["properties"];
            properties["trackingId"] = format!("D-{nth}").into();
            properties["stage"] = format!("Word {nth}\r\nBcc: x {}", "y".repeat(5_000)).into();
        });
        world.hear(&body).await;
    }
    world.pass(10).await;
    let mails = world.mails();
    assert_eq!(mails.len(), 51, "fifty words, and that there are more");
    assert_eq!(
        mails.iter().filter(|mail| mail.subject.contains("Many words")).count(),
        1
    );
    assert!(mails.iter().all(|mail| mail.raw.len() < 8_000), "they are short");
    assert_eq!(world.hooks.got("all").len(), 70, "and every notice is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_in_another_form_costs_nobody_the_notice() {
    let world = world().await;
    let heard = world.hear(&field("06-time-in-another-form")).await;
    assert_eq!(told(&world), ["all", "issues", "east"]);
    let event = world
        .get(&format!("/v1/events/{}", heard["ids"][0].as_str().expect("an id")))
        .await;
    assert_eq!(event["event"]["impact_start"], Value::Null);
    let note = event["event"]["notes"][0]["what"].as_str().expect("a note");
    assert!(
        note.contains("1 November 2026 or 11 January 2026") || note.contains("11 January 2026 or 1 November 2026"),
        "{note}"
    );
    // no time of publishing at all: it counts as published when it came, and its repeat is a repeat
    let body = changed("E-1", |entry| entry["eventTimestamp"] = "soon".into());
    world.hear(&body).await;
    world.pass(60).await;
    world.hear(&body).await;
    assert_eq!(world.hooks.got("all").len(), 2);
    let incident = world.get("/v1/incidents/E-1").await;
    assert_eq!(incident["updated"], "2026-11-24T09:00:00Z");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_is_kept_over_a_restart() {
    let mut world = world().await;
    let (status, answer) = world.post("/v1/events", "{\"half\": ").await;
    assert_eq!(status, 400, "{answer}");
    let id = answer["error"]["kept"].as_str().expect("is kept").to_owned();
    world.pass(10).await;
    let mails = world.mails();
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0].text.contains("bellwether intake refused list"),
        "{}",
        mails[0].text
    );
    let needs = world.get("/v1/status").await["needs"].to_string();
    assert!(needs.contains("1 posted body could not be read and is kept"), "{needs}");
    world.stop().await;
    let files: Vec<_> = std::fs::read_dir(world.state().join("refused"))
        .expect("a folder")
        .collect();
    assert_eq!(files.len(), 1);
    world.start().await;
    let listed = world.get("/v1/intake/refused").await;
    assert_eq!(listed["refused"][0]["id"], id.as_str());
    assert_eq!(
        world.get(&format!("/v1/intake/refused/{id}")).await["body"],
        "{\"half\": "
    );
    let (status, _) = world.post("/v1/events", "{\"half again\": ").await;
    assert_eq!(status, 400);
    world.pass(10).await;
    assert_eq!(world.mails().len(), 1, "it was told today");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn struck_out_windows_and_spans_read_the_same_in_mail_and_webhook() {
    let rules = "receivers: { both: [{ webhook: { url: \"{hooks}/both\" } }, { email: a@contoso.example }] }\n\
                 rules: [{ name: All, when: {}, notify: both, settle: 0s }]\n";
    let world = World::with(&[("contoso/rules.yaml", rules)]).await;
    world.hear(&field("04-html-that-loses-meaning")).await;
    let expected = [
        "[struck out: 2 November 2026, 02:00–06:00 UTC] 9 November 2026, 02:00–06:00 UTC",
        "Service | Region | Window (UTC)",
        "Storage | West Europe | 02:00–04:00",
        "Storage | North Europe | 04:00–06:00",
        "Key Vault (all regions) | Key Vault (all regions) | 02:00–02:30",
        "First contact: Service desk",
        "Before the window, take a snapshot.\n\nAfter it, check the replicas.",
        "4. Drain the node.\n5. Restart it.",
        "10^6 requests",
        "[image: Diagram: primary and secondary are swapped]",
    ];
    let text = world.hooks.got("both").remove(0).body["text"]
        .as_str()
        .expect("text")
        .to_owned();
    for words in expected {
        assert!(text.contains(words), "{words}\n\n{text}");
    }
    let mail = world.mails().remove(0);
    let joined = mail.text.replace("\r\n", "\n");
    for words in [
        "[struck out: 2 November 2026",
        "Storage | North Europe | 04:00–06:00",
        "10^6 requests",
    ] {
        assert!(joined.contains(words), "{words}\n\n{joined}");
    }
    let (_, page) = world.page("/incidents/FT2A-1B0").await;
    for markup in [
        "<s>2 November",
        "rowspan=\"2\"",
        "<ol start=\"4\">",
        "10<sup>6</sup>",
        "<dt>First contact</dt>",
    ] {
        assert!(page.contains(markup), "{markup}\n\n{page}");
    }
    assert!(!page.contains("cdn.contoso.example"));
}
