//! Service credits by the daemon: what is owed follows from rule files and incidents, people say how far a claim is, and
//! nobody misses a day.

use serde_json::{Value, json};

use crate::world::{Azure, DEV, PROD, World};

/// By no catalogue of ours: the steps, the clocks and the case are the customer's own.
const RULES: &str = r#"
receivers:
  leads: [{ webhook: '{hooks}/claims' }]
rules:
  - { name: Credits, when: { kind: [claim possible, case due, claim due, claim unanswered] }, notify: leads, settle: 0s }
terms:
  - { provider: azure, service: Virtual Machines, steps: [{ below: 99.99, credit: 10 }, { below: 99, credit: 25 }],
      claim within: 2 months after the billing month, processed within: 45d, evidence: [tracking id of the incident],
      source: our agreement, checked: 2026-11-01, verified: true }
usage:
  - { provider: azure, service: Virtual Machines, region: East US, subscription: 11111111-aaaa-4bbb-8ccc-111111111111,
      resource: shop-1, fee: "1000.00", currency: EUR }
"#;

const TOKENS: [(&str, &str); 3] = [
    ("operator-ada", "operator-ada-0123456789abcdef"),
    ("contoso-read", "contoso-read-0123456789abcdef"),
    ("fabrikam-read", "fabrikam-read-0123456789abcdef"),
];

pub const ADA: &str = TOKENS[0].1;
pub const CONTOSO: &str = TOKENS[1].1;
pub const FABRIKAM: &str = TOKENS[2].1;

pub async fn world(rules: &str) -> World {
    let settings = format!(
        "secrets: {{dir}}/secrets\ntokens: {{ operate: operator-ada }}\ncustomers:\n  contoso: {{ accounts: [{PROD}], tokens: \
         contoso-read }}\n  fabrikam: {{ accounts: [{DEV}], tokens: fabrikam-read }}\n"
    );
    let mut world = World::with(&[("contoso/rules.yaml", rules), ("fabrikam/rules.yaml", "rules: []\n")]).await;
    let secrets = world.rules().parent().expect("a folder").join("secrets");
    std::fs::create_dir_all(&secrets).expect("a folder");
    for (name, token) in TOKENS {
        std::fs::write(secrets.join(name), token).expect("a file");
    }
    world.change_settings(&settings).await;
    world
}

pub async fn hear(world: &World, event: &Value) {
    assert_eq!(world.post_as(ADA, "/v1/events", event.to_string()).await.0, 202);
    world.settled().await;
}

/// An incident of 45 minutes, from 08:40 to 09:25 UTC on 24 November 2026.
pub async fn incident(world: &World) {
    hear(world, &Azure::active().json()).await;
    world.pass(3_600).await;
    let mut over = Azure::mitigated().json();
    over["data"]["context"]["activityLog"]["properties"]["impactMitigationTime"] = json!("2026-11-24T09:25:00Z");
    hear(world, &over).await;
}

async fn claims(world: &World, token: &str, query: &str) -> Vec<Value> {
    let (status, answer) = world.get_as(token, &format!("/v1/claims{query}")).await;
    assert_eq!(status, 200, "{answer}");
    // what was worked out for the answer may have led to reminders
    world.settled().await;
    answer["claims"].as_array().expect("a list").clone()
}

async fn say(world: &World, id: &str, said: Value) -> (u16, Value) {
    let answer = world.post_as(ADA, &format!("/v1/claims/{id}"), said.to_string()).await;
    world.settled().await;
    answer
}

fn told(world: &World) -> Vec<(String, String)> {
    let text = |hook: &Value, field: &str| hook[field].as_str().unwrap_or_default().to_owned();
    let hooks = world.hooks.got("claims");
    hooks
        .iter()
        .map(|hook| (text(&hook.body, "kind"), text(&hook.body, "title")))
        .collect()
}

/// The files of a claim's pack, by name.
async fn pack_of(world: &World, id: &str) -> impl Fn(&str) -> String {
    let path = format!("/v1/claims/{id}/pack");
    let answer = reqwest::Client::new().get(world.url(&path)).bearer_auth(ADA).send();
    let bytes = answer.await.expect("an answer").bytes().await.expect("a body");
    move |name| {
        let mut pack = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).expect("a zip");
        let file = pack.by_name(name).expect(name);
        std::io::read_to_string(file).expect("text")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_incident_owes_is_worked_out_for_whom_it_touched_and_shown_to_nobody_else() {
    let world = world(RULES).await;
    assert_eq!(claims(&world, CONTOSO, "").await, Vec::<Value>::new());
    incident(&world).await;
    let rows = claims(&world, CONTOSO, "").await;
    // 45 of 43,200 minutes: 99.89583 %, below 99.99: 10 % of 1,000.00
    let row = &rows[0];
    assert_eq!(
        (
            &row["uptime_percent"],
            &row["credit"],
            &row["currency"],
            &row["down_minutes"]
        ),
        (&json!("99.89583"), &json!("100.00"), &json!("EUR"), &json!("45")),
        "{row}"
    );
    assert_eq!(
        (
            &row["state"],
            &row["last_day"],
            &row["customer"],
            &row["provisional"],
            &row["verified"]
        ),
        (
            &json!("possible"),
            &json!("2027-01-30"),
            &json!("contoso"),
            &json!(true),
            &json!(true)
        )
    );
    assert_eq!((rows.len(), &row["incidents"]), (1, &json!(["VVTQ-J98"])));
    let id = row["id"].as_str().expect("an id");
    assert_eq!(
        claims(&world, ADA, "?customer=contoso&month=2026-11&state=possible")
            .await
            .len(),
        1
    );
    assert_eq!(claims(&world, ADA, "?month=2026-10").await.len(), 0);
    assert_eq!(claims(&world, ADA, "?incident=vvtq-j98").await.len(), 1);
    assert_eq!(claims(&world, ADA, "?incident=VVTQ-J99").await.len(), 0);
    assert_eq!(claims(&world, FABRIKAM, "").await.len(), 0);
    // a mistyped name must not look as if nothing were owed
    let (status, answer) = world.get_as(ADA, "/v1/claims?customer=contosso").await;
    assert_eq!(
        (status, &answer["error"]["field"]),
        (404, &json!("customer")),
        "{answer}"
    );
    for path in [format!("/v1/claims/{id}"), "/v1/claims?customer=contoso".to_owned()] {
        let (status, answer) = world.get_as(FABRIKAM, &path).await;
        assert_eq!(status, 404, "{path}: {answer}");
        assert!(!answer.to_string().contains("shop-1"), "{answer}");
    }
    for (query, field) in [("month=2026-13", "month"), ("state=paid", "state"), ("all=true", "all")] {
        let (status, answer) = world.get_as(ADA, &format!("/v1/claims?{query}")).await;
        assert_eq!((status, &answer["error"]["field"]), (400, &json!(field)), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_goes_on_as_people_say_and_a_later_correction_is_shown_beside_what_was_asked() {
    let mut world = world(RULES).await;
    incident(&world).await;
    let id = claims(&world, ADA, "").await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let (status, answer) = say(&world, &id, json!({ "state": "granted" })).await;
    assert_eq!((status, &answer["error"]["field"]), (400, &json!("state")), "{answer}");
    let hint = answer["error"]["hint"].as_str().expect("a hint");
    assert!(hint.contains("case-opened, prepared, submitted, withdrawn"), "{hint}");
    for (wrong, field) in [
        (json!({ "asked": "1,000" }), "asked"),
        (json!({ "asked": "10 USD" }), "asked"),
        (json!({ "asked": "10.001" }), "asked"),
        (json!({ "asked": "1000.01" }), "asked"),
        (json!({ "asked": "0" }), "asked"),
        (json!({ "granted": "50" }), "granted"),
        (json!({ "state": "prepared", "credited": "50" }), "credited"),
        (json!({ "owner": "x".repeat(201) }), "owner"),
        (json!({ "stat": "submitted" }), "stat"),
        (json!({ "state": "expired" }), "state"),
        (json!({}), "state"),
    ] {
        let (status, answer) = say(&world, &id, wrong.clone()).await;
        assert_eq!(
            (status, &answer["error"]["field"]),
            (400, &json!(field)),
            "{wrong}: {answer}"
        );
    }
    let submitted = json!({ "state": "submitted", "owner": "Ada", "addressee": "the reseller", "note": "case 4711" });
    let (status, answer) = say(&world, &id, submitted).await;
    assert_eq!(
        (status, &answer["state"], &answer["asked"]),
        (200, &json!("submitted"), &json!("100.00")),
        "{answer}"
    );
    world.pass(1).await;
    // the incident lasted longer than was thought: 8 hours of 43,200 minutes are 98.888… %, below 99: 25 %
    let longer =
        json!({ "window": { "start": "2026-11-24T08:40:00Z", "end": "2026-11-24T16:40:00Z" }, "reason": "ours" });
    let path = "/v1/incidents/vvtq-j98/corrections";
    assert_eq!(world.post_as(ADA, path, longer.to_string()).await.0, 201);
    world.pass(8 * 3_600).await;
    world.stop().await;
    world.start().await;
    let (_, whole) = world.get_as(CONTOSO, &format!("/v1/claims/{id}")).await;
    assert_eq!(
        (
            &whole["state"],
            &whole["asked"],
            &whole["credit"],
            &whole["difference"],
            &whole["owner"]
        ),
        (
            &json!("submitted"),
            &json!("100.00"),
            &json!("250.00"),
            &json!("150.00"),
            &json!("Ada")
        ),
        "{whole}"
    );
    // its pack is of what was submitted, and says what differs
    let read = pack_of(&world, &id).await;
    assert!(
        read("request.txt").contains("We ask for a credit of 100.00 EUR"),
        "{}",
        read("request.txt")
    );
    assert!(read("request.txt").contains("The downtime is 45 minutes"));
    assert!(read("request.txt").contains("For an uptime below 99.99 % the terms"));
    let times = "from 2026-11-24 08:40:00Z until 2026-11-24 09:25:00Z, by the provider's metadata";
    for file in ["request.txt", "evidence/VVTQ-J98/timeline.txt"] {
        let text = read(file);
        assert!(text.contains(times), "{text}");
        assert!(!text.contains("16:40"), "{text}");
    }
    let missing = read("missing.txt");
    assert!(missing.contains("differs by 150.00 EUR"), "{missing}");
    let since = "other times of VVTQ-J98 became known: from 2026-11-24 08:40:00Z until 2026-11-24 16:40:00Z, by a person's \
                 correction of operator-ada on 2026-11-2";
    assert!(missing.contains(since), "{missing}");
    // no more is paid than was charged
    for field in ["granted", "credited"] {
        let (status, answer) = say(&world, &id, json!({ "state": "acknowledged", field: "1000.01" })).await;
        assert_eq!((status, &answer["error"]["field"]), (400, &json!(field)), "{answer}");
    }
    assert_eq!(whole["history"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&whole["history"][0]["by"], &whole["history"][0]["note"]),
        (&json!("operator-ada"), &json!("case 4711"))
    );
    // what it is of is no longer in the rule files: the claim stays, with the figures of then
    world.write_rules("contoso/rules.yaml", &RULES.replace("shop-1", "shop-2"));
    world.reload().await;
    let (_, whole) = world.get_as(CONTOSO, &format!("/v1/claims/{id}")).await;
    assert_eq!(
        (&whole["gone"], &whole["credit"], &whole["resource"]),
        (&json!(true), &json!("100.00"), &json!("shop-1")),
        "{whole}"
    );
    let credited = json!({ "state": "credited", "credited": "EUR 95.5" });
    let (status, answer) = say(&world, &id, credited).await;
    assert_eq!((status, &answer["credited"]), (200, &json!("95.50")), "{answer}");
    // what is handed in again says what was paid already
    let (status, answer) = say(&world, &id, json!({ "state": "submitted" })).await;
    assert_eq!((status, &answer["state"]), (200, &json!("submitted")), "{answer}");
    let request = pack_of(&world, &id).await("request.txt");
    assert!(request.contains("Of this, 95.50 EUR was credited before"), "{request}");
    // without an amount, all of what was asked for is granted, and credited, as long as it is
    let (_, answer) = say(&world, &id, json!({ "state": "granted", "credited": "" })).await;
    let amounts = (&answer["granted"], &answer["credited"]);
    assert_eq!(amounts, (&json!("100.00"), &Value::Null), "{answer}");
    let (_, answer) = say(&world, &id, json!({ "state": "credited" })).await;
    assert_eq!(answer["credited"], "100.00", "{answer}");
    let (_, answer) = say(&world, &id, json!({ "state": "granted" })).await;
    assert_eq!(answer["credited"], Value::Null, "{answer}");
    let (_, answer) = say(&world, &id, json!({ "state": "submitted", "asked": "60" })).await;
    assert_eq!(
        (&answer["asked"], &answer["granted"]),
        (&json!("60.00"), &Value::Null),
        "{answer}"
    );
    let request = pack_of(&world, &id).await("request.txt");
    assert!(!request.contains("credited before"), "{request}");
    let (_, answer) = say(&world, &id, json!({ "state": "credited" })).await;
    let amounts = (&answer["granted"], &answer["credited"]);
    assert_eq!(amounts, (&json!("60.00"), &json!("60.00")), "{answer}");
    // it did not stand on the invoice after all
    let (status, answer) = say(&world, &id, json!({ "state": "granted", "credited": "" })).await;
    assert_eq!((status, &answer["state"]), (200, &json!("granted")), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_a_day_when_a_review_comes_and_when_no_answer_does() {
    let mut world = world(RULES).await;
    incident(&world).await;
    let id = claims(&world, ADA, "").await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(told(&world), []);
    hear(&world, &Azure::preliminary().json()).await;
    claims(&world, ADA, "").await;
    let possible = told(&world);
    assert_eq!(possible.len(), 1, "{possible:?}");
    assert_eq!(possible[0].0, "claim-possible");
    assert!(
        possible[0].1.contains("may be claimed until 2027-01-30"),
        "{possible:?}"
    );
    claims(&world, ADA, "").await;
    assert_eq!(told(&world).len(), 1, "told once");
    let hook = &world.hooks.got("claims")[0].body;
    assert_eq!(
        (
            &hook["reminder"]["awaited"],
            &hook["reminder"]["due"],
            &hook["reminder"]["of"]
        ),
        (&json!("claim"), &json!("2027-01-31T00:00:00Z"), &json!("azure")),
        "{hook}"
    );
    for (token, shows) in [(CONTOSO, true), (ADA, true)] {
        let (_, story) = world.get_as(token, "/v1/incidents/VVTQ-J98").await;
        let is_there = story["reminders"]
            .to_string()
            .contains("may be claimed until 2027-01-30");
        assert_eq!(is_there, shows, "it stands in the story of its incident: {story}");
    }
    // 30 January 2027 is the last day; the daemon is off on the 16th, when it would be reminded first
    world.stop().await;
    world.clock.advance(chrono::Duration::days(60));
    world.start().await;
    claims(&world, ADA, "").await;
    world.clock.advance(chrono::Duration::days(5));
    claims(&world, ADA, "").await;
    let due: Vec<String> = told(&world).into_iter().skip(1).map(|(kind, _)| kind).collect();
    assert_eq!(due, ["claim-due", "claim-due"], "14 days before, and 3 days before");
    say(&world, &id, json!({ "state": "submitted" })).await;
    world.clock.advance(chrono::Duration::days(44));
    claims(&world, ADA, "").await;
    assert_eq!(told(&world).len(), 3);
    world.clock.advance(chrono::Duration::days(2));
    claims(&world, ADA, "").await;
    assert_eq!(told(&world).last().expect("a reminder").0, "claim-unanswered");
    say(&world, &id, json!({ "not_worth_it": true })).await;
    world.clock.advance(chrono::Duration::days(90));
    claims(&world, ADA, "").await;
    assert_eq!(told(&world).len(), 4, "what is not worth it is left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_terms_ask_for_a_case_that_is_said_while_the_incident_goes_on_and_a_missed_day_once() {
    let rules = RULES.replace("processed within", "open case within: 24h, processed within");
    let mut world = world(&rules).await;
    hear(&world, &Azure::active().json()).await;
    claims(&world, ADA, "").await;
    let case = told(&world);
    assert_eq!(case.len(), 1, "{case:?}");
    assert_eq!(case[0].0, "case-due");
    assert!(case[0].1.contains("by 25 Nov 2026, 08:40 UTC"), "{case:?}");
    // another one of the same month and resource needs a case of its own
    let mut other = Azure::active().json();
    let properties = &mut other["data"]["context"]["activityLog"]["properties"];
    properties["trackingId"] = json!("WXYZ-9");
    properties["impactStartTime"] = json!("2026-11-24T08:45:00Z");
    hear(&world, &other).await;
    claims(&world, ADA, "").await;
    let cases = told(&world);
    assert_eq!(cases.len(), 2, "{cases:?}");
    assert!(
        cases[1]
            .1
            .starts_with("WXYZ-9: a case must be opened by 25 Nov 2026, 08:45 UTC"),
        "{cases:?}"
    );
    for id in ["VVTQ-J98", "WXYZ-9"] {
        let mut over = Azure::mitigated().json();
        let properties = &mut over["data"]["context"]["activityLog"]["properties"];
        properties["trackingId"] = json!(id);
        properties["impactMitigationTime"] = json!("2026-11-24T09:25:00Z");
        world.pass(3_600).await;
        hear(&world, &over).await;
    }
    world.stop().await;
    world.clock.advance(chrono::Duration::days(70));
    world.start().await;
    let rows = claims(&world, ADA, "?state=expired").await;
    assert_eq!(rows.len(), 1);
    let all = told(&world);
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(all[2].1.contains("has passed"), "{all:?}");
    claims(&world, ADA, "").await;
    assert_eq!(told(&world).len(), 3, "told once");
}

/// A month may have more than one incident, and the second one comes when the claim is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_incident_of_the_month_needs_a_case_of_its_own_and_is_asked_for_too() {
    let rules = RULES.replace("processed within", "open case within: 24h, processed within");
    let world = world(&rules).await;
    incident(&world).await;
    let id = claims(&world, ADA, "").await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let later = async |tracking_id: &str, stage: Azure, until: Option<&str>| {
        let mut event = stage.json();
        let properties = &mut event["data"]["context"]["activityLog"]["properties"];
        properties["trackingId"] = json!(tracking_id);
        properties["impactStartTime"] = json!("2026-11-24T10:00:00Z");
        if let Some(until) = until {
            properties["impactMitigationTime"] = json!(until);
        }
        hear(&world, &event).await;
        claims(&world, ADA, "").await;
    };
    let missing = async || pack_of(&world, &id).await("missing.txt");
    assert!(
        missing()
            .await
            .contains("a case about VVTQ-J98: it must be opened by 2026-11-25 08:40:00Z")
    );
    let cases = || told(&world).iter().filter(|(kind, _)| kind == "case-due").count();
    assert_eq!(cases(), 1);
    // who prepares a claim has opened no case for another incident yet
    say(&world, &id, json!({ "state": "case-opened" })).await;
    say(&world, &id, json!({ "state": "prepared" })).await;
    world.pass(600).await;
    later("WXYZ-9", Azure::active(), None).await;
    assert_eq!(cases(), 2);
    assert!(missing().await.contains("WXYZ-9 is still going on"));
    assert!(missing().await.contains("a case about WXYZ-9"), "{}", missing().await);
    for _ in 0..2 {
        let (status, answer) = say(&world, &id, json!({ "state": "case-opened" })).await;
        assert_eq!(status, 200, "as the reminder says: {answer}");
    }
    assert!(!missing().await.contains("a case about"), "{}", missing().await);
    later("WXYZ-9", Azure::mitigated(), Some("2026-11-24T10:10:00Z")).await;
    say(&world, &id, json!({ "state": "submitted" })).await;
    later("UVWX-7", Azure::active(), None).await;
    assert_eq!(cases(), 3);
    let page = || reqwest::Client::new().get(world.url("/claims")).bearer_auth(ADA).send();
    let page = async || page().await.expect("an answer").text().await.expect("a page");
    assert!(
        page().await.contains("a case must be opened by 25 Nov 2026, 10:00 UTC"),
        "{}",
        page().await
    );
    world.pass(9 * 3_600).await;
    // nine hours: 25 % of 1,000.00, and 100.00 were asked for; it is told when the month is over
    later("UVWX-7", Azure::mitigated(), Some("2026-11-24T19:00:00Z")).await;
    let more = || {
        told(&world)
            .into_iter()
            .filter(|(_, title)| title.contains("more may be owed"))
            .count()
    };
    assert_eq!(more(), 0);
    world.clock.advance(chrono::Duration::days(8));
    let rows = claims(&world, ADA, "").await;
    assert_eq!(
        (&rows[0]["difference"], &rows[0]["credit"]),
        (&json!("150.00"), &json!("250.00")),
        "{rows:?}"
    );
    assert_eq!(more(), 1, "{:?}", told(&world));
    assert!(
        page().await.contains("data-label=\"Still to claim\">150.00 EUR<"),
        "{}",
        page().await
    );
    claims(&world, ADA, "").await;
    assert_eq!(more(), 1, "told once");
    // a case may be opened for a claim that was handed in, and that is how far it stays
    let (status, answer) = say(&world, &id, json!({ "state": "case-opened" })).await;
    assert_eq!((status, &answer["state"]), (200, &json!("submitted")), "{answer}");
    assert!(!page().await.contains("a case must be opened"), "{}", page().await);
    say(&world, &id, json!({ "granted": "100", "state": "granted" })).await;
    for state in ["submitted", "submitted"] {
        let (status, answer) = say(&world, &id, json!({ "state": state })).await;
        assert_eq!(
            (status, &answer["asked"], &answer["difference"]),
            (200, &json!("250.00"), &Value::Null),
            "{answer}"
        );
    }
    assert!(
        page().await.contains("data-label=\"Granted\">100.00 EUR<"),
        "{}",
        page().await
    );
    // a slip begins anew
    for state in ["withdrawn", "possible"] {
        let (status, answer) = say(&world, &id, json!({ "state": state })).await;
        assert_eq!(status, 200, "{answer}");
    }
    let (_, answer) = world.get_as(ADA, &format!("/v1/claims/{id}")).await;
    assert_eq!(
        (&answer["granted"], &answer["asked"], &answer["difference"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert!(
        page().await.contains("data-label=\"Still to claim\">250.00 EUR<"),
        "{}",
        page().await
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_and_terms_in_rule_files_are_checked_like_rules_and_the_last_good_ones_stay() {
    let world = world(RULES).await;
    incident(&world).await;
    let twice = "rules: []\nusage:\n  - { provider: azure, service: Virtual Machines, region: East US, subscription: \
                 11111111-aaaa-4bbb-8ccc-111111111111, resource: shop-1, fee: \"5\", currency: EUR }\n";
    world.write_rules("contoso/zoo.yaml", twice);
    world.write_rules("contoso/rules.yaml", &RULES.replace("currency: EUR", "currency: EURO"));
    world.reload().await;
    let (_, rules) = world.get_as(ADA, "/v1/rules").await;
    let text = rules.to_string();
    assert!(text.contains("`shop-1` would be claimed twice"), "{text}");
    assert!(text.contains("`EURO` is no currency"), "{text}");
    let rows = claims(&world, CONTOSO, "").await;
    assert_eq!(
        (rows.len(), &rows[0]["credit"]),
        (1, &json!("100.00")),
        "the last good version counts"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fees_come_month_by_month_in_files_of_their_own_and_a_sum_is_in_one_currency() {
    let by_month = |month: &str, fee: &str| {
        format!(
            "usage:\n  - {{ provider: azure, service: Virtual Machines, region: East US, subscription: {PROD}, resource: \
             shop-1,\n      fees: {{ {month}: \"{fee}\" }}, currency: EUR }}\n"
        )
    };
    let rules = &RULES[..RULES.find("usage:").expect("usage")];
    let world = world(rules).await;
    world.write_rules("contoso/2026-10.yaml", &by_month("2026-10", "10.00"));
    world.write_rules("contoso/2026-11.yaml", &by_month("2026-11", "1000.00"));
    world.reload().await;
    incident(&world).await;
    let rows = claims(&world, CONTOSO, "").await;
    assert_eq!((rows.len(), &rows[0]["credit"]), (1, &json!("100.00")), "{rows:?}");
    world.write_rules("contoso/again.yaml", &by_month("2026-11", "7"));
    let reloaded = world.reload().await;
    let (_, rules) = world.get_as(ADA, "/v1/rules").await;
    let twice = "`shop-1` would be claimed twice: it is on line 2 of contoso/2026-11.yaml already";
    assert!(rules.to_string().contains(twice), "{rules}: {reloaded:?}");
    // where a credit is for a service as a whole, its fees are added up
    let per_service = "terms:\n  - { provider: azure, service: Batch, per: service, steps: [{ below: 99.9, credit: 10 }],\n      \
                       claim within: 30 days after the month, source: ours, checked: 2026-11-01, verified: true }\nusage:\n";
    let batch = |name: &str, currency: &str| {
        format!(
            "  - {{ provider: azure, service: Batch, subscription: {PROD}, resource: {name}, fee: \"5\", currency: \
             {currency} }}\n"
        )
    };
    let two = format!("{per_service}{}{}", batch("one", "EUR"), batch("two", "USD"));
    std::fs::remove_file(world.rules().join("contoso/again.yaml")).expect("is removed");
    world.write_rules("contoso/batch.yaml", &two);
    world.reload().await;
    let (_, rules) = world.get_as(ADA, "/v1/rules").await;
    let report = rules["broken"][0]["report"].as_str().unwrap_or_default();
    for said in [
        "batch.yaml:6:92",
        "fees of Batch in two currencies: USD here, EUR on line 5 of contoso/batch.yaml",
    ] {
        assert!(report.contains(said), "{report}");
    }
    world.write_rules("contoso/batch.yaml", &two.replace("USD", "EUR"));
    world.reload().await;
    let (_, rules) = world.get_as(ADA, "/v1/rules").await;
    assert_eq!(rules["broken"], json!([]), "{rules}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pack_of_a_claim_has_what_was_said_and_is_its_customers_alone() {
    let world = world(RULES).await;
    incident(&world).await;
    let id = claims(&world, ADA, "").await[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/v1/claims/{id}/pack");
    let ask = |token: &'static str| reqwest::Client::new().get(world.url(&path)).bearer_auth(token).send();
    assert_eq!(ask(FABRIKAM).await.expect("an answer").status(), 404);
    for token in [ADA, CONTOSO] {
        let bytes = ask(token).await.expect("an answer").bytes().await.expect("a body");
        let mut pack = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a zip");
        let names: Vec<String> = pack.file_names().map(|name| name.expect("text").into_owned()).collect();
        assert!(names.iter().any(|name| name.ends_with("timeline.txt")), "{names:?}");
        let mut read = |name: &str| std::io::read_to_string(pack.by_name(name).expect(name)).expect("text");
        let request = read("request.txt");
        for wanted in ["Refund Request", "VVTQ-J98", "shop-1", "100.00 EUR"] {
            assert!(request.contains(wanted), "{wanted}: {request}");
        }
        let claim: Value = serde_json::from_str(&read("claim.json")).expect("JSON");
        assert_eq!(claim["claim"]["id"], json!(id), "{claim}");
        let evidence: Vec<String> = names
            .iter()
            .filter(|name| name.starts_with("evidence/"))
            .map(|name| read(name))
            .collect();
        let said = "Connections failed between 08:40 and 09:30 UTC.";
        assert!(evidence.iter().any(|text| text.contains(said)), "{evidence:?}");
    }
}

/// How browsers send the fields of a form.
const FORM: &str = "application/x-www-form-urlencoded";

fn fields_of(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_on_the_page_is_kept_under_the_name_of_who_signed_in() {
    let world = world(RULES).await;
    incident(&world).await;
    let claim = claims(&world, ADA, "").await.remove(0);
    let path = format!("/claims/{}", claim["id"].as_str().expect("an id"));
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let sign_in = client
        .post(world.url("/sign-in"))
        .header("content-type", FORM)
        .body(fields_of(&[("token", ADA)]))
        .send()
        .await;
    let sign_in = sign_in.expect("an answer");
    assert_eq!(sign_in.status(), 303);
    let cookie = sign_in.headers()["set-cookie"].to_str().expect("text");
    let cookie = cookie.split(';').next().expect("a cookie").to_owned();
    let page_of = async |path: &str| {
        let page = client.get(world.url(path)).header("cookie", &cookie).send().await;
        page.expect("an answer").text().await.expect("text")
    };
    // from the incident one comes to what may be claimed because of it
    let of_incident = "/claims?incident=VVTQ-J98";
    assert!(
        page_of("/incidents/VVTQ-J98")
            .await
            .contains(&format!("..{of_incident}\""))
    );
    assert!(
        page_of(of_incident)
            .await
            .contains(&format!("..{path}\"").replace("../", ""))
    );
    assert!(!page_of("/claims?incident=VVTQ-J99").await.contains(&path[1..]));
    let page = page_of(&path).await;
    let behind = page.split_once("name=\"form\" value=\"").expect("a form").1;
    let form_token = behind.split_once('"').expect("a value").0;
    let fields = [
        ("form", form_token),
        ("state", "prepared"),
        ("evidence", "tracking id of the incident"),
        ("place", "letter.pdf"),
    ];
    let answer = client
        .post(world.url(&path))
        .header("cookie", &cookie)
        .header("content-type", FORM)
        .body(fields_of(&fields))
        .send()
        .await;
    assert_eq!(answer.expect("an answer").status(), 303);
    let (_, claim) = world.get_as(ADA, &format!("/v1{path}")).await;
    assert_eq!(claim["history"][0]["by"], "operator-ada", "{claim}");
    let provided = json!([{ "asked": "tracking id of the incident", "place": "letter.pdf" }]);
    assert_eq!(claim["provided"], provided, "{claim}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_names_the_times_that_its_figures_rest_on() {
    let world = world(RULES).await;
    hear(&world, &Azure::active().json()).await;
    world.pass(3_600).await;
    // the provider says that it is over, and in no field when
    let mut over = Azure::mitigated().json();
    over["data"]["context"]["activityLog"]["properties"]
        .as_object_mut()
        .expect("properties")
        .remove("impactMitigationTime");
    hear(&world, &over).await;
    let claim = claims(&world, ADA, "").await.remove(0);
    let request = pack_of(&world, claim["id"].as_str().expect("an id")).await("request.txt");
    let times: Vec<&str> = request.lines().filter(|line| line.starts_with("- from")).collect();
    // it was over at 09:40, when that was said
    assert_eq!(claim["down_minutes"], "60");
    let said = "- from 2026-11-24 08:40:00Z until 2026-11-24 09:40:00Z, by the provider's metadata; its end by the provider's \
                last statement";
    assert_eq!(times, [said]);
    assert!(!request.contains("_house"), "{request}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_customers_are_not_told_apart_what_stands_in_folders_is_used_by_the_organisation() {
    let world = World::with(&[("contoso/rules.yaml", RULES), ("more/rules.yaml", "rules: []\n")]).await;
    world.hear(&Azure::active().json()).await;
    world.pass(3_600).await;
    world.hear(&Azure::mitigated().json()).await;
    let answer = world.get("/v1/claims").await;
    let claim = &answer["claims"][0];
    let shown = (&claim["resource"], &claim["customer"], &claim["state"]);
    assert_eq!(
        shown,
        (&json!("shop-1"), &json!("_house"), &json!("possible")),
        "{answer}"
    );
    assert_eq!(answer["claims"].as_array().map(Vec::len), Some(1), "{answer}");
    // and what is said of it is said of the same one
    let path = format!("/v1/claims/{}", claim["id"].as_str().expect("an id"));
    let (status, said) = world.post(&path, json!({ "state": "submitted" }).to_string()).await;
    assert_eq!((status, &said["state"]), (200, &json!("submitted")), "{said}");
    assert_eq!(world.get(&path).await["state"], "submitted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_only_the_text_names_counts_and_what_has_no_begin_is_said() {
    let world = world(RULES).await;
    hear(&world, &Azure::active().json()).await;
    world.pass(3 * 3_600).await;
    let mut over = Azure::mitigated().json();
    let properties = &mut over["data"]["context"]["activityLog"]["properties"];
    properties
        .as_object_mut()
        .expect("properties")
        .remove("impactMitigationTime");
    let text =
        "Between 08:40 UTC and 09:10 UTC on 24 November 2026, Virtual Machines could not be reached. It is mitigated.";
    (properties["communication"], properties["defaultLanguageContent"]) = (text.into(), text.into());
    hear(&world, &over).await;
    let claim = claims(&world, ADA, "").await.remove(0);
    let said = "from 2026-11-24 08:40:00Z until 2026-11-24 09:10:00Z, by the provider's metadata; its end by the text of the \
                provider's statement";
    assert_eq!(claim["down_minutes"], "30", "{claim}");
    let explanation = claim["explanation"].to_string();
    assert!(explanation.contains(said), "{explanation}");
    // another one has no begin that can be read
    let mut timeless = Azure::active().json();
    let properties = &mut timeless["data"]["context"]["activityLog"]["properties"];
    (properties["trackingId"], properties["impactStartTime"]) = ("NONE-100".into(), "0001-01-01T00:00:00".into());
    hear(&world, &timeless).await;
    let (_, answer) = world.get_as(ADA, "/v1/claims").await;
    let notes = answer["notes"].to_string();
    assert!(
        notes.contains("NONE-100 is not counted, because no begin of it is known"),
        "{answer}"
    );
    assert!(notes.contains("bellwether correct NONE-100 --window"), "{answer}");
}

#[test]
fn a_subscription_of_usage_is_an_id_or_a_group_that_names_one_and_a_region_is_one_that_is_known() {
    let said = |of: &str, code: i32| {
        let dir = tempfile::tempdir().expect("a folder");
        let text = format!(
            "subscriptions:\n  production: 11111111-aaaa-4bbb-8ccc-111111111111\n  both: [11111111-aaaa-4bbb-8ccc-111111111111, \
             22222222-aaaa-4bbb-8ccc-111111111111]\nrules: []\nusage:\n  - {{ provider: azure, service: Storage, fee: \"5\", \
             currency: EUR, {of} }}\n"
        );
        std::fs::write(dir.path().join("rules.yaml"), text).expect("a file");
        let checked = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
            .args(["check".as_ref(), dir.path().as_os_str()])
            .assert()
            .code(code);
        let output = checked.get_output();
        [&output.stderr, &output.stdout]
            .map(|told| String::from_utf8_lossy(told).into_owned())
            .concat()
    };
    let told = said("subscription: production", 0);
    assert!(!told.contains("group `") && !told.contains("neither"), "{told}");
    let told = said("subscription: both", 78);
    assert!(told.contains("the group `both` names 2 subscriptions"), "{told}");
    assert!(told.contains("rules.yaml:6:"), "{told}");
    let told = said("subscription: nope", 78);
    assert!(
        told.contains("`nope` is neither the id of a subscription nor a group"),
        "{told}"
    );
    let told = said("subscription: productoin", 78);
    assert!(told.contains("did you mean `production`?"), "{told}");
    let told = said("region: Mars", 0);
    assert!(told.contains("no region called `Mars` is known"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_for_which_nothing_can_be_worked_out_is_said_beforehand() {
    let dir = tempfile::tempdir().expect("a folder");
    let usage = "rules: []\nusage:\n  - { provider: azure, service: Quantum Toaster, fee: \"5\", currency: EUR }\n  - { provider: \
                 azure, service: Virtual Machines, fee: \"5\", currency: EUR }\n  - { provider: azure, service: Batch, free: true \
                 }\nterms:\n  - { provider: azure, service: Batch, steps: [{ below: 99.9, credit: 10 }], claim within: 30 days \
                 after the month, source: ours, checked: 2026-11-01, verified: true }\n";
    std::fs::write(dir.path().join("rules.yaml"), usage).expect("a file");
    let checked = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("bellwether"))
        .args(["check".as_ref(), dir.path().as_os_str()])
        .assert()
        .code(0);
    let said = String::from_utf8_lossy(&checked.get_output().stderr).into_owned()
        + &String::from_utf8_lossy(&checked.get_output().stdout);
    assert!(said.contains("no terms are known for Quantum Toaster"), "{said}");
    assert!(said.contains("has terms by tier"), "{said}");
    assert!(
        said.contains("`free: true` changes nothing: the terms of Batch leave that in"),
        "{said}"
    );
    assert!(said.contains("rules.yaml:3:"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_on_grows_by_the_minute_until_nobody_speaks_of_it_any_more() {
    let mut world = world(RULES).await;
    hear(&world, &Azure::active().json()).await;
    let down = |rows: &[Value]| rows.iter().map(|row| row["down_minutes"].clone()).collect::<Vec<_>>();
    assert_eq!(down(&claims(&world, ADA, "").await), [json!("20")]);
    world.clock.advance(chrono::Duration::minutes(10));
    assert_eq!(down(&claims(&world, ADA, "").await), [json!("30")]);
    // 30 days without a word: it ended with the last one, which came at 08:50
    world.stop().await;
    world.clock.advance(chrono::Duration::days(32));
    world.start().await;
    assert_eq!(down(&claims(&world, ADA, "").await), [json!("10")]);
}
